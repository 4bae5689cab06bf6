"""How the random functions run: as one compiled program, or by NumPy at once where that is quicker.

Small draws outside transformations are evaluated at once, because compiling a program for each
shape costs more than it saves; big ones, and those under a transformation, are calls of `jit`.
The choice depends on shapes alone, so the same call always gives the same bits.
"""
from __future__ import annotations

import functools
import math
from collections.abc import Callable, Sequence
from typing import Any

from arrax.core import config
from arrax.core.dimension import surely_at_most
from arrax.core.evaluate import EVAL
from arrax.core.trace import current
from arrax.ops.random import is_stored_alone
from arrax.transforms.jit import jit
from arrax.transforms.staging import stages_eager_call

SMALL = 1 << 15  # elements of a draw that evaluation beats compilation on


def compiled(*static: str) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """`jit` with static arguments `static`, for draws that are loops or linear algebra."""
    return functools.partial(jit, static_argnames=static)


def staged(*static: str, at_once: Callable[..., Any] | None = None,
           ) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """`jit` with static arguments `static`; small draws (by `shape`, the second argument) run now.

    They run as `at_once`, a version in NumPy's calls, or else as the function itself.
    """
    def decorate(fun: Callable[..., Any]) -> Callable[..., Any]:
        program, now = jit(fun, static_argnames=static), at_once or fun

        @functools.wraps(fun)
        def call(key: Any, shape: Sequence[int], *args: Any, **named: Any) -> Any:
            if surely_at_most(math.prod(shape), SMALL) and not config.debug_key_reuse.value:
                if current() is EVAL and is_stored_alone(key.dtype):
                    return now(key, shape, *args, **named)
                if current() is EVAL or stages_eager_call():
                    return fun(key, shape, *args, **named)
            return program(key, shape, *args, **named)
        return call
    return decorate
