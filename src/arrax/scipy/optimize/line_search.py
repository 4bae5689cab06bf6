"""A step along a direction of descent that satisfies the strong Wolfe conditions.

Two loops: `_bracket` makes steps longer until they enclose acceptable ones, `_zoom` narrows the
interval by cubic interpolation, safeguarded by bisection.

Source: J. Nocedal and S. Wright, "Numerical Optimization" (2006), algorithms 3.5 and 3.6.
"""
from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

from arrax import lax
from arrax import numpy as jnp
from arrax.transforms.api_ad import value_and_grad

DECREASE, CURVATURE = 1e-4, 0.9  # c1 and c2 of the conditions


class Point(NamedTuple):
    """A step, and the function there: its value, its slope along the direction, its gradient."""

    step: Any
    value: Any
    slope: Any
    gradient: Any


class Found(NamedTuple):
    """The step that was taken, and whether it satisfies the conditions."""

    point: Point
    success: Any
    evaluations: Any


class _Search(NamedTuple):
    count: Any
    low: Point    # while bracketing: the step before
    high: Point   # while bracketing: the step that was tried last
    done: Any     # `low` satisfies the conditions
    narrow: Any   # `low` and `high` enclose steps that do


def line_search(fun: Callable[[Any], Any], x: Any, direction: Any, value: Any, gradient: Any,
                first: Any, most: int) -> Found:
    """A step from `x` along `direction`, starting with the length `first`.

    Args:
      fun: a function of a vector to a scalar.
      value, gradient: those of `fun` at `x`.
      most: evaluations at most in each of the two loops.
    """
    start = Point(jnp.zeros_like(value), value, jnp.vdot(gradient, direction).real, gradient)

    def at(step: Any) -> Point:
        value, gradient = value_and_grad(fun)(x + step * direction)
        return Point(step, value, jnp.vdot(gradient, direction).real, gradient)

    def falls_short(point: Point) -> Any:
        """Whether a point's value is too large; NaNs are."""
        return ~(point.value <= start.value + DECREASE * point.step * start.slope)

    def is_flat(point: Point) -> Any:
        return jnp.abs(point.slope) <= -CURVATURE * start.slope

    def bracket(s: _Search) -> _Search:
        point = at(jnp.where(s.count == 0, first, 2 * s.low.step))
        above = falls_short(point) | ((point.value >= s.low.value) & (s.count > 0))
        good = ~above & is_flat(point)
        rises = ~above & (point.slope >= 0)
        low, high = _exchanged(s.low, point, good | rises | ~above)
        return _Search(s.count + 1, low, high, good, ~good & (above | rises))

    def zoom(s: _Search) -> _Search:
        point = at(_between(s.low, s.high))
        above = falls_short(point) | ~(point.value < s.low.value)
        good = ~above & is_flat(point)
        turns = point.slope * (s.high.step - s.low.step) >= 0
        low = _choose(above, s.low, point)
        high = _choose(above, point, _choose(turns, s.low, s.high))
        return _Search(s.count + 1, low, high, good, s.narrow)

    zero = jnp.zeros((), jnp.int32)
    no = jnp.zeros((), bool)
    s = lax.while_loop(lambda s: ~s.done & ~s.narrow & (s.count < most), bracket,
                       _Search(zero, start, start, no, no))
    tried = s.count
    s = lax.while_loop(lambda s: s.narrow & ~s.done & (s.count < most), zoom,
                       s._replace(count=zero))
    return Found(s.low, s.done | (s.low.step > 0) & ~falls_short(s.low), tried + s.count)


def _choose(which: Any, a: Point, b: Point) -> Point:
    return Point(*(jnp.where(which, p, q) for p, q in zip(a, b, strict=True)))


def _exchanged(old: Point, new: Point, exchange: Any) -> tuple[Point, Point]:
    """(new, old) where `exchange`, else (old, new)."""
    return _choose(exchange, new, old), _choose(exchange, old, new)


def _between(a: Point, b: Point) -> Any:
    """The minimum of the cubic through two points' values and slopes, or their middle where that
    lies too near to an end or does not exist."""
    width = b.step - a.step
    theta = a.slope + b.slope - 3 * (b.value - a.value) / jnp.where(width != 0, width, 1)
    square = theta * theta - a.slope * b.slope
    root = jnp.sign(width) * jnp.sqrt(jnp.maximum(square, 0))
    divisor = b.slope - a.slope + 2 * root
    share = (b.slope + root - theta) / jnp.where(divisor != 0, divisor, 1)
    step = b.step - width * share
    low, high = jnp.minimum(a.step, b.step), jnp.maximum(a.step, b.step)
    margin = 0.1 * (high - low)
    inside = (step >= low + margin) & (step <= high - margin) & (square >= 0) & (divisor != 0)
    return jnp.where(inside, step, 0.5 * (a.step + b.step))
