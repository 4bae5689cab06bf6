"""Checks and canonical forms of the arguments of lax functions: operands, shapes, axes."""
from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from arrax.core.array import ArrayImpl, array_of
from arrax.core.dimension import Dimension, dimension
from arrax.core.dimension import integer as integer
from arrax.core.trace import Tracer


def operand(value: Any, function: str, position: int = 0) -> Any:
    """`value` as something that has `aval`; TypeError for what is not array-like (lists too)."""
    if type(value) is ArrayImpl or isinstance(value, Tracer):
        return value
    try:
        return array_of(value)
    except TypeError as error:
        raise TypeError(
            f"Error interpreting argument to {function} as a JAX value. The problematic value is "
            f"of type {type(value)} and was passed to {function} at position {position}."
        ) from error


def canonical_shape(shape: Any) -> tuple[int, ...]:
    """A shape as a tuple of Python ints; an int is a shape of one dimension."""
    if type(shape) is tuple and all(type(d) is int for d in shape):
        return shape
    try:
        return (dimension(shape),) if isinstance(shape, Dimension) or (
            not isinstance(shape, Sequence) and np.ndim(shape) == 0) \
            else tuple(map(dimension, shape))
    except TypeError:
        hint = ""
        members = shape if isinstance(shape, (tuple, list)) else (shape,)
        if any(isinstance(d, Tracer) for d in members):
            hint = ("\nIf using `jit`, try using `static_argnums` or applying `jit` to smaller "
                    "subfunctions.")
            hint += "".join("\n" + d.origin() for d in members if isinstance(d, Tracer))
        raise TypeError("Shapes must be 1D sequences of concrete values of integer type, got "
                        f"{shape}.{hint}") from None


def axis_number(axis: Any) -> int:
    """An axis as given, which must be one integer."""
    return integer(axis, "an axis")


def axis_tuple(axis: Any) -> tuple[Any, ...]:
    """One axis, or any sequence of them (a range, an array of integers), as a tuple."""
    if type(axis) in (tuple, list) or (isinstance(axis, Sequence) and not isinstance(axis, str)) \
            or (isinstance(axis, np.ndarray) and axis.ndim):
        return tuple(axis)
    return (axis_number(axis),)


def canonical_axis(axis: Any, ndim: int) -> int:
    """`axis` in [0, ndim); AxisError (a ValueError and an IndexError) when out of bounds, TypeError
    for what is no integer."""
    position = axis_number(axis)
    if not -ndim <= position < ndim:
        raise np.exceptions.AxisError(position, ndim)
    return position + ndim if position < 0 else position


def canonical_axes(axes: Any, ndim: int) -> tuple[int, ...]:
    """A sequence of axes (or one axis), each in [0, ndim)."""
    if isinstance(axes, (int, np.integer)):
        axes = (axes,)
    return tuple(canonical_axis(axis, ndim) for axis in axes)


def check_same_dtypes(function: str, *avals: Any) -> None:
    """TypeError unless all dtypes are equal."""
    first = avals[0].dtype
    for aval in avals:
        if aval.dtype is not first and aval.dtype != first:
            names = ", ".join(dict.fromkeys(a.dtype.name for a in avals))
            tip = ""
            if function in _PROMOTING:
                tip = (f" (Tip: jnp.{function} is a similar function that does automatic type "
                       "promotion on inputs).")
            raise TypeError(f"lax.{function} requires arguments to have the same dtypes, got "
                            f"{names}.{tip}")


_PROMOTING = frozenset({"concatenate", "stack"})


def positions(ndim: int, without: Sequence[int]) -> tuple[int, ...]:
    """The axes of `ndim` dimensions that are not in `without`, in order."""
    return tuple(i for i in range(ndim) if i not in without)
