"""`arrax.experimental.fused`: functions that compile to one kernel.

Source: `jax.experimental.fused`, which asks XLA to fuse a function for GPUs, and to put its results
into memory spaces. Here every compiled function is fused as far as that is of use, and all spaces
are the host's memory, so a fused function is a compiled one whose number of results is checked.
"""
from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import Any

from arrax import tree_util
from arrax.core.lazy import listing as _listing
from arrax.transforms.jit import jit

__all__ = ["fused"]


def fused(*, out_spaces: Sequence[Any]) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """A decorator that compiles a function.

    Args:
      out_spaces: a memory space for each result.

    Errors: ValueError where the function has another number of results.

    Example:
      >>> @fused(out_spaces=("host", "host"))
      ... def f(x, y):
      ...     return x + y, x * y
      >>> f(2., 3.)
      (Array(5., dtype=float32, weak_type=True), Array(6., dtype=float32, weak_type=True))

    Source: `jax.experimental.fused.fused`.
    """
    spaces = tuple(out_spaces)

    def wrap(f: Callable[..., Any]) -> Callable[..., Any]:
        @jit
        @functools.wraps(f)
        def checked(*args: Any) -> Any:
            out = f(*args)
            count = len(tree_util.tree_leaves(out))
            if count != len(spaces):
                raise ValueError(f"fused: out_spaces has {len(spaces)} spaces for {count} results")
            return out
        return checked
    return wrap


__dir__ = _listing(__name__)
