"""Dimensions of shapes: Python ints, or symbols that stand for ints while a program is traced.

A symbolic dimension (`export.expressions.Expression`) derives from `Dimension`; shapes, and whatever
is computed from shapes, may hold them. Programs with symbols are traced and stored, never run: their
symbols become ints first (`export.specialize`). Code that computes sizes uses arithmetic, which
symbols have; what would ask for an int (`operator.index`, `max`) goes through this module.
"""
from __future__ import annotations

import operator
from typing import Any


class Dimension:
    """A size that is not known while the program is traced."""

    __slots__ = ()

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


def dimension(size: Any) -> Any:
    """`size` as a dimension: symbols as they are, anything else as `operator.index` takes it."""
    return size if isinstance(size, Dimension) else operator.index(size)


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
