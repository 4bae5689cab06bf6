"""Dimensions of shapes: Python ints, or symbols that stand for ints while a program is traced.

A symbolic dimension (`export.expressions.Expression`) derives from `Dimension`; shapes, and what is
computed from shapes, may hold them. Programs with symbols are traced and stored, never run: their
symbols become ints first (`export.specialize`). Code that computes sizes uses arithmetic, which
symbols have; what would ask for an int (`operator.index`, `max`) goes through this module.
"""
from __future__ import annotations

import operator
from typing import Any

import numpy as np

from arrax.core.errors import InconclusiveDimensionOperation


class Dimension:
    """A size that is not known while the program is traced."""

    __slots__ = ()

    def __jax_array__(self) -> Any:
        """An array that has the value, in a traced program."""
        raise NotImplementedError

    def maximum(self, other: Any) -> Any:
        """The greater of this and another dimension."""
        raise NotImplementedError

    def minimum(self, other: Any) -> Any:
        """The lesser of this and another dimension."""
        raise NotImplementedError


def is_symbolic(size: Any) -> bool:
    return isinstance(size, Dimension)


def is_constant_shape(shape: Any) -> bool:
    """Whether no dimension is symbolic."""
    return not any(isinstance(size, Dimension) for size in shape)


def integer(value: Any, name: str) -> int:
    """`value` as a Python int; TypeError that says which argument is none."""
    try:
        return operator.index(value)
    except TypeError:
        if hasattr(value, "aval"):  # a tracer's own error says more
            raise
        raise TypeError(f"{type(value).__name__!r} object cannot be interpreted as an integer: "
                        f"{name} must be an integer, got {value!r}") from None


def dimension(size: Any, name: str = "a size") -> Any:
    """`size` as a dimension: symbols as they are, anything else as `integer` takes it."""
    return size if isinstance(size, Dimension) else integer(size, name)


def max_dim(d1: Any, d2: Any) -> Any:
    """The greater of two dimensions.

    Args:
      d1, d2: integers or symbolic dimensions.

    Raises:
      TypeError: what is no integer.

    Example:
      >>> core.max_dim(2, 3)
      3
    """
    return _extreme(d1, d2, max, "maximum")


def min_dim(d1: Any, d2: Any) -> Any:
    """The lesser of two dimensions; arguments and errors as for `max_dim`.

    Example:
      >>> core.min_dim(2, 3)
      2
    """
    return _extreme(d1, d2, min, "minimum")


def _extreme(d1: Any, d2: Any, plain: Any, symbolic: str) -> Any:
    d1, d2 = dimension(d1), dimension(d2)
    if isinstance(d1, Dimension):
        return getattr(d1, symbolic)(d2)
    if isinstance(d2, Dimension):
        return getattr(d2, symbolic)(d1)
    return plain(d1, d2)


def surely_at_most(size: Any, bound: Any) -> bool:
    """Whether `size <= bound` is known to hold; False where that depends on variables."""
    if not isinstance(size, Dimension) and not isinstance(bound, Dimension):
        return bool(size <= bound)
    try:
        return bool(size <= bound)
    except InconclusiveDimensionOperation:
        return False


def broadcast_shapes(*shapes: Any) -> tuple[Any, ...]:
    """The shape to which shapes broadcast; ValueError for unequal sizes of which none is 1.

    A symbolic size is no 1: it broadcasts with itself and with the constant 1.
    """
    if all(map(is_constant_shape, shapes)):
        return np.broadcast_shapes(*shapes)
    rank = max(map(len, shapes))
    out: list[Any] = [1] * rank
    for shape in shapes:
        for i, size in enumerate(shape, rank - len(shape)):
            if out[i] == 1:
                out[i] = size
            elif size not in (1, out[i]):
                raise ValueError(f"shape mismatch: the shapes {shapes} do not broadcast")
    return tuple(out)


def slice_of(item: slice, size: Any) -> tuple[Any, Any, Any]:
    """(start, step, count) of the elements that a slice selects on an axis of `size` elements."""
    bounds = (item.start, item.stop, item.step)
    if not any(isinstance(b, Dimension) for b in (*bounds, size)):
        start, stop, step = item.indices(size)
        return start, step, len(range(start, stop, step))
    first, last, step = bounds
    step = 1 if step is None else dimension(step)
    if step > 0:
        lowest, highest, begin, end = 0, size, 0, size
    else:
        lowest, highest, begin, end = -1, size - 1, size - 1, -1

    def inside(bound: Any, default: Any) -> Any:
        if bound is None:
            return default
        bound = dimension(bound)
        return min_dim(max_dim(bound + size if bound < 0 else bound, lowest), highest)
    begin, end = inside(first, begin), inside(last, end)
    distance, stride = (end - begin, step) if step > 0 else (begin - end, -step)
    return begin, step, max_dim((distance + stride - 1) // stride, 0)
