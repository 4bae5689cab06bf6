"""`map` and `zip` that refuse sequences of different lengths, for programs written for JAX."""
from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any


def safe_map(f: Callable[..., Any], *args: Iterable[Any]) -> list[Any]:
    """`[f(*items) for items in zip(*args)]`; ValueError if the arguments differ in length.

    Example:
      >>> safe_map(lambda x, y: x + y, [1, 2], [10, 20])
      [11, 22]
    """
    lists = [list(a) for a in args]
    _check_lengths("safe_map", lists)
    return [f(*items) for items in zip(*lists)]


def safe_zip(*args: Iterable[Any]) -> list[tuple[Any, ...]]:
    """`list(zip(*args))`; ValueError if the arguments differ in length."""
    lists = [list(a) for a in args]
    _check_lengths("safe_zip", lists)
    return list(zip(*lists))


def _check_lengths(name: str, lists: list[list[Any]]) -> None:
    lengths = [len(a) for a in lists]
    if len(set(lengths)) > 1:
        raise ValueError(f"{name}: length mismatch: arguments have {lengths} elements")
