"""Counts and histograms."""
from __future__ import annotations

import operator
from typing import Any

import numpy as np

from arrax.core import dtypes, errors
from arrax.core.dimension import dimension
from arrax.core.array import Array
from arrax.core.remembered import remembered
from arrax.core.trace import Tracer
from arrax.numpy import creation, elementwise, joining, reductions, shaping, sorting
from arrax.numpy.promotion import (as_array, bool_dtype, convert, inexact_of, integer_dtypes,
                                   promote_dtypes_inexact, promotes_freely, scalar_array)
from arrax.ops.arguments import integer
from arrax.transforms.api_placement import sharded
from arrax.typing import ArrayLike

builtin_range = range


@remembered
@sharded
def bincount(x: ArrayLike, weights: ArrayLike | None = None, minlength: int = 0, *,
             length: int | None = None, out_sharding: Any = None) -> Array:
    """How often each of 0, 1, 2, … occurs in the integer vector `x`, or the sums of `weights`.

    Args:
      length: the length of the result, needed inside `jit`; greater elements are left out.
        Negative ones count as 0.
    """
    values = as_array("bincount", x)
    if values.dtype == bool_dtype:
        values = convert(values, dtypes.default_int_dtype())
    if values.dtype not in integer_dtypes:
        raise TypeError(f"x argument to bincount must have an integer type; got {values.dtype}")
    if values.ndim != 1:
        raise ValueError("only 1-dimensional input supported.")
    minlength = integer(minlength, "minlength")
    if length is None:
        if isinstance(values, Tracer) and values.concrete() is None:
            raise errors.ConcretizationTypeError(
                values, "The error occurred because of argument 'x' of jnp.bincount. To avoid "
                "this error, pass a static `length` argument.")
        known = np.asarray(values)
        length = max(minlength, int(known.max()) + 1 if known.size else 0)
    length = dimension(length, "length")
    w: Any = np.int32(1) if weights is None else as_array("bincount", weights, 1)
    if weights is not None and values.shape != w.shape:
        raise ValueError("shape of weights must match shape of x.")
    start = creation.zeros((length,), dtypes.default_int_dtype() if weights is None else w.dtype)
    places = elementwise._maximum(values, 0)
    return start.at[places].add(w, mode="drop")


def histogram_bin_edges(a: ArrayLike, bins: ArrayLike = 10, range: Any = None,
                        weights: ArrayLike | None = None) -> Array:
    """The edges of `bins` bins of equal width from the least to the greatest element.

    An array of edges is returned as it is. `range` gives the outermost edges.
    """
    x = as_array("histogram_bin_edges", a)
    if isinstance(bins, str):
        raise NotImplementedError("string values for `bins` not implemented.")
    dtype = inexact_of(x.dtype)
    if np.ndim(bins) == 1:
        return convert(as_array("histogram_bin_edges", bins), dtype)
    bins = operator.index(np.asarray(bins).item() if not isinstance(bins, int) else bins)
    x = shaping.ravel(x)
    if range is None:
        low: Any = reductions.min(x) if x.size else 0.0
        high: Any = reductions.max(x) if x.size else 1.0
    else:
        low, high = range
    low = convert(as_array("histogram_bin_edges", low), dtype)
    high = convert(as_array("histogram_bin_edges", high), dtype)
    flat = elementwise.equal(low, high)
    low = elementwise.where(flat, elementwise._subtract(low, 0.5), low)
    high = elementwise.where(flat, elementwise._add(high, 0.5), high)
    return creation.linspace(low, high, bins + 1, dtype=dtype)


@remembered
@promotes_freely
def histogram(a: ArrayLike, bins: ArrayLike = 10, range: Any = None,
              weights: ArrayLike | None = None, density: bool | None = None) -> tuple[Any, Any]:
    """(counts, edges): how many elements lie in each bin; the last bin includes its upper edge.

    With `density`, the integral over the bins is 1.
    """
    x = shaping.ravel(as_array("histogram", a))
    (x,) = promote_dtypes_inexact("histogram", x)
    if weights is None:
        w = creation.ones((x.size,), x.dtype)
    else:
        x, w = promote_dtypes_inexact("histogram", x, shaping.ravel(
            as_array("histogram", weights)))
    edges = histogram_bin_edges(x, bins, range, weights)
    if w.size != x.size:
        raise ValueError("weights should have the same shape as a.")
    counts = _count_in_bins([x], [edges], w)
    if density:
        widths = elementwise._subtract(edges[1:], edges[:-1])
        counts = elementwise.divide(elementwise.divide(counts, widths), reductions.sum(counts))
    return counts, edges


def _count_in_bins(columns: list[Any], edges: list[Any], weights: Any) -> Any:
    """The sums of weights in the cells of a grid; elements outside are left out."""
    shape = tuple(e.shape[0] - 1 for e in edges)
    cells = []
    inside: Any = None
    for x, e in zip(columns, edges, strict=True):
        place = elementwise._subtract(
            sorting.searchsorted(e, convert(x, e.dtype), side="right"), 1)
        place = elementwise.where(elementwise.equal(x, e[-1]), e.shape[0] - 2, place)
        ok = elementwise._logical_and(elementwise.greater_equal(x, e[0]),
                                      elementwise.less_equal(x, e[-1]))
        inside = ok if inside is None else elementwise._logical_and(inside, ok)
        cells.append(elementwise._maximum(place, 0))
    weights = elementwise.where(inside, weights, scalar_array(0, weights.dtype))
    return creation.zeros(shape, weights.dtype).at[tuple(cells)].add(weights)


@promotes_freely
def histogram2d(x: ArrayLike, y: ArrayLike, bins: Any = 10, range: Any = None,
                weights: ArrayLike | None = None,
                density: bool | None = None) -> tuple[Any, Any, Any]:
    """(counts, x edges, y edges) of points in the plane; see `histogramdd`."""
    first, second = as_array("histogram2d", x), as_array("histogram2d", y, 1)
    if first.ndim != 1 or second.ndim != 1 or first.shape != second.shape:
        raise ValueError("x and y must have the same length.")
    if not isinstance(bins, (int, np.integer)) and len(bins) not in (1, 2):
        edges = as_array("histogram2d", bins)
        bins = [edges, edges]
    sample = joining.stack(promote_dtypes_inexact("histogram2d", first, second), axis=1)
    counts, edges = histogramdd(sample, bins, range, weights, density)
    return counts, edges[0], edges[1]


@promotes_freely
def histogramdd(sample: ArrayLike, bins: Any = 10, range: Any = None,
                weights: ArrayLike | None = None,
                density: bool | None = None) -> tuple[Any, list[Any]]:
    """(counts, edges by axis) of points, the rows of `sample`.

    Args:
      bins: the number of bins, or a list with a number or the edges for each axis.
      range: None, or a list with (low, high) or None for each axis.
    """
    (points,) = promote_dtypes_inexact("histogramdd", sample)
    if points.ndim != 2:
        raise ValueError(f"sample must be a 2D array; got shape {points.shape}")
    dimensions = points.shape[1]
    if isinstance(bins, (int, np.integer)):
        bins = [bins] * dimensions
    if len(bins) != dimensions:
        raise ValueError("The dimension of bins must be equal to the dimension of the sample x.")
    if range is not None and len(range) != dimensions:
        raise ValueError(f"For sample.shape={points.shape}, range must have {dimensions} "
                         f"entries, got {len(range)}.")
    columns = [points[:, i] for i in builtin_range(dimensions)]
    edges = [histogram_bin_edges(c, b, None if range is None else range[i])
             for i, (c, b) in enumerate(zip(columns, bins, strict=True))]
    if weights is None:
        w = creation.ones((points.shape[0],), dtypes.default_int_dtype())
    else:
        points, w = promote_dtypes_inexact("histogramdd", points,
                                           as_array("histogramdd", weights))
    counts = _count_in_bins(columns, edges, w)
    if density:
        counts = convert(counts, points.dtype)
        counts = elementwise.divide(counts, reductions.sum(counts))
        for axis, e in enumerate(edges):
            shape = [1] * dimensions
            shape[axis] = e.shape[0] - 1
            counts = elementwise.divide(
                counts, shaping.reshape(elementwise._subtract(e[1:], e[:-1]), tuple(shape)))
    return counts, edges
