"""Memoization on jaxprs: derived programs live exactly as long as the program they come from."""
from __future__ import annotations

import functools
from collections.abc import Callable, Hashable
from typing import Any, TypeVar

from arrax.core import config
from arrax.core.axis_env import current_axes

F = TypeVar("F", bound=Callable[..., Any])
_generation = [0]


def memoize_on_jaxpr(fn: F) -> F:
    """Memoize `fn(closed_jaxpr, *rest)` in `closed_jaxpr.memo`; `rest` is hashed.

    Flags that change tracing and the named axes in scope are part of the key. (A table outside
    with weak keys would leak: results refer back to the jaxpr.)
    """
    @functools.wraps(fn)
    def call(closed: Any, *rest: Hashable) -> Any:
        key = (fn, rest, config.context_key(), current_axes(), _generation[0])
        memo = closed.memo
        if key not in memo:
            memo[key] = fn(closed, *rest)
        return memo[key]
    return call  # type: ignore[return-value]


def generation() -> int:
    """A number that changes when caches are cleared: part of the key of every cache of traces."""
    return _generation[0]


def clear_caches() -> None:
    """Forget all memoized transformations, and what eager calls have recorded."""
    _generation[0] += 1
    for forget in _forgetters:
        forget()


_forgetters: list[Callable[[], Any]] = []


def on_clear(forget: Callable[[], Any]) -> None:
    """Have `clear_caches` call `forget`, for caches that no generation is part of the key of."""
    _forgetters.append(forget)
