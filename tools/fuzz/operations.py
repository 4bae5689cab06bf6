"""The table of operations: functions of a drawing that add steps, with their weights."""
from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple


class Operation(NamedTuple):
    """`draw(drawing)` adds steps and returns the last value, or None where it does not apply."""

    name: str
    draw: Callable[[Any], Any]
    weight: float
    nested: bool
    smooth: bool


TABLE: list[Operation] = []


def operation(weight: float = 1.0, nested: bool = False, smooth: bool = True,
              ) -> Callable[[Callable[[Any], Any]], Callable[[Any], Any]]:
    """Register an operation; `nested` ones draw functions, `smooth` ones have a transpose rule
    for all that they draw where the drawing asks for it."""
    def register(draw: Callable[[Any], Any]) -> Callable[[Any], Any]:
        TABLE.append(Operation(draw.__name__.strip("_"), draw, weight, nested, smooth))
        return draw
    return register
