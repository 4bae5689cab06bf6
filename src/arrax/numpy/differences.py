"""Differences and slopes along an axis, integrals of samples, interpolation between them."""
from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from arrax import lax
from arrax.core.array import Array
from arrax.core.remembered import remembered
from arrax.numpy import elementwise, joining, reductions, shaping, sorting
from arrax.ops.arguments import axis_tuple, integer
from arrax.numpy.promotion import (as_array, canonical_axis, check_arraylike,
                                   convert, promote_dtypes_inexact, scalar_array)
from arrax.typing import ArrayLike

builtin_range = range


@remembered
def diff(a: ArrayLike, n: int = 1, axis: int = -1, prepend: ArrayLike | None = None,
         append: ArrayLike | None = None) -> Array:
    """The differences of neighbours along `axis`, taken `n` times; of bools, whether they differ.

    `prepend` and `append` are joined on before.
    """
    x = as_array("diff", a)
    n = integer(n, "n")
    if n < 0:
        raise ValueError(f"order must be non-negative but got {n}")
    if x.ndim == 0:
        raise ValueError(f"diff requires input that is at least one dimensional; got {a}")
    axis = canonical_axis(axis, x.ndim)
    if n == 0:
        return x
    parts = [_edge_values(v, x, axis) if v is not None else None for v in (prepend, append)]
    if any(p is not None for p in parts):
        joined = [p for p in (parts[0], x, parts[1]) if p is not None]
        x = joining.concatenate(joined, axis)
    operation = elementwise.not_equal if x.dtype == np.bool_ else elementwise._subtract
    for _ in builtin_range(min(n, x.shape[axis])):  # of an empty axis nothing more is taken
        length = x.shape[axis]
        x = operation(lax.slice_in_dim(x, min(1, length), length, axis=axis),
                      lax.slice_in_dim(x, 0, max(length - 1, 0), axis=axis))
    return x


def _edge_values(value: Any, x: Any, axis: int) -> Any:
    value = as_array("diff", value)
    if value.ndim == 0:
        shape = list(x.shape)
        shape[axis] = 1
        return shaping.broadcast_to(value, tuple(shape))
    return value


@remembered
def ediff1d(ary: ArrayLike, to_end: ArrayLike | None = None,
            to_begin: ArrayLike | None = None) -> Array:
    """The differences of neighbours of the flattened array, with values put on at the ends."""
    x = shaping.ravel(as_array("ediff1d", ary))
    out = elementwise._subtract(x[1:], x[:-1])
    if to_begin is not None:
        out = lax.concatenate([convert(shaping.ravel(to_begin), x.dtype), out], 0)
    if to_end is not None:
        out = lax.concatenate([out, convert(shaping.ravel(to_end), x.dtype)], 0)
    return out


@remembered
def gradient(f: ArrayLike, *varargs: ArrayLike, axis: Any = None,
             edge_order: int | None = None) -> Any:
    """The slopes along axes by central differences; by one-sided ones at the ends.

    Args:
      *varargs: the distance of the points: nothing (1), a number for all axes, or for each axis a
        number or the positions of the points.
    """
    if edge_order is not None:
        raise NotImplementedError("The 'edge_order' argument to jnp.gradient is not supported.")
    (x,) = promote_dtypes_inexact("gradient", f)
    axes = tuple(builtin_range(x.ndim)) if axis is None else tuple(
        canonical_axis(i, x.ndim) for i in axis_tuple(axis))
    if any(x.shape[i] < 2 for i in axes):
        raise ValueError("Shape of array too small to calculate a numerical gradient, at least "
                         "2 elements are required.")
    if len(varargs) == 0:
        spacings: Sequence[Any] = [1.0] * len(axes)
    elif len(varargs) == 1:
        spacings = list(varargs) * len(axes)
    elif len(varargs) == len(axes):
        spacings = varargs
    else:
        raise TypeError(f"Invalid number of spacing arguments {len(varargs)} for {axes=}")
    out = [_slope(x, h, i) for h, i in zip(spacings, axes, strict=True)]
    return out[0] if len(out) == 1 else out


def _slope(x: Any, spacing: Any, axis: int) -> Any:
    def part(start: int | None, stop: int | None) -> Any:
        return lax.slice_in_dim(x, start, stop, axis=axis)
    spacing = as_array("gradient", spacing)
    if spacing.ndim == 0:
        first = elementwise.divide(elementwise._subtract(part(1, 2), part(0, 1)), spacing)
        last = elementwise.divide(elementwise._subtract(part(-1, None), part(-2, -1)), spacing)
        inner = elementwise.divide(elementwise._subtract(part(2, None), part(0, -2)),
                                   elementwise._multiply(spacing, 2.0))
        return lax.concatenate([first, inner, last], axis)
    if spacing.ndim != 1 or spacing.shape[0] != x.shape[axis]:
        raise ValueError("Spacing arrays must be 1D with as many points as the axis: got shape "
                         f"{spacing.shape} for {x.shape[axis]} points")
    shape = [1] * x.ndim
    shape[axis] = -1
    h = shaping.reshape(convert(elementwise._subtract(spacing[1:], spacing[:-1]), x.dtype),
                        tuple(shape))

    def gap(start: int | None, stop: int | None) -> Any:
        return lax.slice_in_dim(h, start, stop, axis=axis)
    slopes = elementwise.divide(elementwise._subtract(part(1, None), part(0, -1)), h)
    left = lax.slice_in_dim(slopes, 0, -1, axis=axis)
    right = lax.slice_in_dim(slopes, 1, None, axis=axis)
    before, after = gap(0, -1), gap(1, None)
    inner = elementwise.divide(
        elementwise._add(elementwise._multiply(left, after), elementwise._multiply(right, before)),
        elementwise._add(before, after))
    return lax.concatenate([lax.slice_in_dim(slopes, 0, 1, axis=axis), inner,
                            lax.slice_in_dim(slopes, -1, None, axis=axis)], axis)


@remembered
def trapezoid(y: ArrayLike, x: ArrayLike | None = None, dx: ArrayLike = 1.0,
              axis: int = -1) -> Array:
    """The integral of samples `y` along `axis` by the trapezoidal rule.

    `x` are the positions of the samples; without them they are `dx` apart.
    """
    if x is None:
        (values,) = promote_dtypes_inexact("trapezoid", y)
        values = shaping.moveaxis(values, axis, -1)
        widths: Any = dx
    else:
        values, points = promote_dtypes_inexact("trapezoid", as_array("trapezoid", y),
                                                as_array("trapezoid", x, 1))
        if points.ndim == 1:
            widths = diff(points)
        else:
            widths = shaping.moveaxis(diff(points, axis=axis), axis, -1)
        values = shaping.moveaxis(values, axis, -1)
    total = reductions.sum(elementwise._multiply(
        widths, elementwise._add(values[..., 1:], values[..., :-1])), axis=-1)
    return elementwise._multiply(total, 0.5)


# ---- interpolation -------------------------------------------------------------------------------

@remembered
def interp(x: ArrayLike, xp: ArrayLike, fp: ArrayLike, left: Any = None, right: Any = None,
           period: ArrayLike | None = None) -> Array:
    """The values at `x` of the piecewise linear function through the points (xp, fp).

    Args:
      xp: the positions, ascending.
      left, right: the values outside; those at the ends if None, "extrapolate" to go on.
      period: the function repeats; `xp` need not be ascending.
    """
    check_arraylike("interp", x, xp, fp)
    if np.shape(xp) != np.shape(fp) or np.ndim(xp) != 1:
        raise ValueError("xp and fp must be one-dimensional arrays of equal size")
    for side in (left, right):
        if isinstance(side, str) and side != "extrapolate":
            raise ValueError("the only valid string value of `left`/`right` is 'extrapolate', "
                             f"but got: {side}")
    queries, points = promote_dtypes_inexact("interp", x, xp)
    (values,) = promote_dtypes_inexact("interp", fp)
    if period is not None:
        queries, points, values = _periodic(queries, points, values, period)
    place = sorting.searchsorted(points, queries, side="right")
    place = elementwise._minimum(elementwise._maximum(place, 1), points.shape[0] - 1)
    before = elementwise._subtract(place, 1)
    rise = elementwise._subtract(values[place], values[before])
    run = elementwise._subtract(points[place], points[before])
    offset = elementwise._subtract(queries, points[before])
    tiny = scalar_array(np.spacing(np.finfo(np.float64).eps), run.dtype)
    flat = elementwise.less_equal(elementwise.absolute(run), tiny)
    safe = elementwise.where(flat, scalar_array(1, run.dtype), run)
    out = elementwise.where(flat, values[before], elementwise._add(
        values[before], elementwise._multiply(elementwise.divide(offset, safe), rise)))
    if period is None:
        if not isinstance(left, str):
            outside = values[0] if left is None else convert(as_array("interp", left), out.dtype)
            out = elementwise.where(elementwise.less(queries, points[0]), outside, out)
        if not isinstance(right, str):
            outside = values[-1] if right is None else convert(as_array("interp", right), out.dtype)
            out = elementwise.where(elementwise.greater(queries, points[-1]), outside, out)
    return out


def _periodic(queries: Any, points: Any, values: Any, period: Any) -> tuple[Any, Any, Any]:
    """Everything moved into one period, with a point of the neighbours at each end."""
    if np.ndim(period) != 0:
        raise ValueError(f"period must be a scalar; got {period}")
    period = elementwise.absolute(convert(as_array("interp", period), queries.dtype))
    queries = elementwise.remainder(queries, period)
    points = elementwise.remainder(points, period)
    points, values = lax.sort((points, values), dimension=0, num_keys=1)
    points = lax.concatenate([elementwise._subtract(points[-1:], period), points,
                              elementwise._add(points[:1], period)], 0)
    return queries, points, lax.concatenate([values[-1:], values, values[:1]], 0)
