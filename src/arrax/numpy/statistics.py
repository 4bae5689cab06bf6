"""Statistics, histograms, differences, interpolation, windows, bits."""
from __future__ import annotations

import operator
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from arrax import lax
from arrax.core import dtypes, errors
from arrax.core.array import from_numpy
from arrax.core.remembered import remembered
from arrax.core.trace import Tracer
from arrax.numpy import creation, elementwise, joining, products, reductions, shaping, sorting
from arrax.ops.arguments import axis_tuple
from arrax.numpy.promotion import (as_array, bool_dtype, canonical_axis, check_arraylike,
                                   complex_dtypes, convert, inexact_of, integer_dtypes,
                                   promote_dtypes_inexact, scalar_array)
from arrax.transforms.api_vmap import vmap

builtin_range = range

# ---- covariance ----------------------------------------------------------------------------------

@remembered
def cov(m: Any, y: Any = None, rowvar: bool = True, bias: bool = False, ddof: int | None = None,
        fweights: Any = None, aweights: Any = None, dtype: Any = None) -> Any:
    """The covariance matrix of variables, the rows of `m` (and `y`), over observations.

    Args:
      rowvar: whether rows are variables (else columns).
      bias, ddof: the divisor: N with `bias`, N - ddof if given, else N - 1.
      fweights, aweights: how often each observation counts, and how important it is.
    """
    x = as_array("cov", m)
    if x.ndim > 2 or (y is not None and np.ndim(y) > 2):
        raise ValueError("m has more than 2 dimensions" if x.ndim > 2 else
                         "y has more than 2 dimensions")
    if ddof is not None and ddof != int(ddof):
        raise ValueError("ddof must be integer")
    operands = promote_dtypes_inexact("cov", x) if y is None else promote_dtypes_inexact(
        "cov", x, as_array("cov", y, 1))
    known = dtypes.check_user_dtype(dtype, "cov")
    if known is not None:
        operands = [convert(v, known) for v in operands]
    rows = [_variables(v, rowvar) for v in operands]
    x = rows[0] if len(rows) == 1 else lax.concatenate(rows, 0)
    if ddof is None:
        ddof = 0 if bias else 1
    weights, norm = _weights(x, fweights, aweights, ddof)
    mean = reductions.average(x, axis=1, weights=weights)
    x = elementwise._subtract(x, mean[:, None])
    weighted = x if weights is None else elementwise._multiply(x, weights[None, :])
    product = products.dot(x, elementwise.conjugate(shaping.transpose(weighted)))
    return shaping.squeeze(elementwise.divide(product, norm))


def _variables(x: Any, rowvar: bool) -> Any:
    if x.ndim < 2:
        return shaping.reshape(x, (1, x.size))
    return x if rowvar else shaping.transpose(x)


def _weights(x: Any, fweights: Any, aweights: Any, ddof: int) -> tuple[Any, Any]:
    """The weights of the observations (None: equal), and the divisor."""
    count = x.shape[1]
    weights: Any = None
    for name, given in (("fweights", fweights), ("aweights", aweights)):
        if given is None:
            continue
        w = as_array("cov", given)
        if w.ndim != 1 or w.shape[0] != count:
            raise ValueError(f"incompatible numbers of samples and {name}")
        if name == "fweights":
            if w.dtype not in integer_dtypes:
                raise TypeError("fweights must be integer.")
            w = elementwise.absolute(w)
        weights = w if weights is None else elementwise._multiply(weights, w)
    if weights is None:
        return None, float(count - ddof)
    total = reductions.sum(weights)
    if ddof == 0:
        return weights, total
    if aweights is None:
        return weights, elementwise._subtract(total, ddof)
    squares = reductions.sum(elementwise._multiply(weights, as_array("cov", aweights)))
    return weights, elementwise._subtract(
        total, elementwise.divide(elementwise._multiply(squares, ddof), total))


@remembered
def corrcoef(x: Any, y: Any = None, rowvar: bool = True, dtype: Any = None) -> Any:
    """The correlation coefficients of variables; see `cov`."""
    c = cov(x, y, rowvar, dtype=dtype)
    if c.ndim == 0:
        return elementwise.divide(c, c)
    deviation = lax.sqrt(elementwise.real(_main_diagonal(c)))
    c = elementwise.divide(elementwise.divide(c, deviation[:, None]), deviation[None, :])
    if c.dtype in complex_dtypes:
        return lax.complex(_unit(lax.real(c)), _unit(lax.imag(c)))
    return _unit(c)


def _unit(x: Any) -> Any:
    return elementwise._minimum(elementwise._maximum(x, -1), 1)


def _main_diagonal(c: Any) -> Any:
    """The main diagonal of a matrix."""
    n = min(c.shape)
    return c[np.arange(n), np.arange(n)]


# ---- counting ------------------------------------------------------------------------------------

@remembered
def bincount(x: Any, weights: Any = None, minlength: int = 0, *, length: int | None = None,
             out_sharding: Any = None) -> Any:
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
    minlength = operator.index(minlength)
    if length is None:
        if isinstance(values, Tracer) and values.concrete() is None:
            raise errors.ConcretizationTypeError(
                values, "The error occurred because of argument 'x' of jnp.bincount. To avoid "
                "this error, pass a static `length` argument.")
        known = np.asarray(values)
        length = max(minlength, int(known.max()) + 1 if known.size else 0)
    length = operator.index(length)
    w: Any = np.int32(1) if weights is None else as_array("bincount", weights, 1)
    if weights is not None and values.shape != w.shape:
        raise ValueError("shape of weights must match shape of x.")
    start = creation.zeros((length,), dtypes.default_int_dtype() if weights is None else w.dtype)
    places = elementwise._maximum(values, 0)
    return start.at[places].add(w, mode="drop")


def histogram_bin_edges(a: Any, bins: Any = 10, range: Any = None,
                        weights: Any = None) -> Any:
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
def histogram(a: Any, bins: Any = 10, range: Any = None, weights: Any = None,
              density: bool | None = None) -> tuple[Any, Any]:
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


def histogram2d(x: Any, y: Any, bins: Any = 10, range: Any = None,
                weights: Any = None, density: bool | None = None) -> tuple[Any, Any, Any]:
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


def histogramdd(sample: Any, bins: Any = 10, range: Any = None,
                weights: Any = None, density: bool | None = None) -> tuple[Any, list[Any]]:
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


# ---- differences ---------------------------------------------------------------------------------

@remembered
def diff(a: Any, n: int = 1, axis: int = -1, prepend: Any = None, append: Any = None) -> Any:
    """The differences of neighbours along `axis`, taken `n` times; of bools, whether they differ.

    `prepend` and `append` are joined on before.
    """
    x = as_array("diff", a)
    n = operator.index(n)
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
    for _ in builtin_range(n):
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
def ediff1d(ary: Any, to_end: Any = None, to_begin: Any = None) -> Any:
    """The differences of neighbours of the flattened array, with values put on at the ends."""
    x = shaping.ravel(as_array("ediff1d", ary))
    out = elementwise._subtract(x[1:], x[:-1])
    if to_begin is not None:
        out = lax.concatenate([convert(shaping.ravel(to_begin), x.dtype), out], 0)
    if to_end is not None:
        out = lax.concatenate([out, convert(shaping.ravel(to_end), x.dtype)], 0)
    return out


@remembered
def gradient(f: Any, *varargs: Any, axis: Any = None, edge_order: int | None = None) -> Any:
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
def trapezoid(y: Any, x: Any = None, dx: Any = 1.0, axis: int = -1) -> Any:
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
def interp(x: Any, xp: Any, fp: Any, left: Any = None, right: Any = None,
           period: Any = None) -> Any:
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


# ---- functions over axes -------------------------------------------------------------------------

def apply_along_axis(func1d: Callable[..., Any], axis: int, arr: Any, *args: Any,
                     **kwargs: Any) -> Any:
    """`func1d` applied to each vector along `axis`; its results stand in place of it."""
    x = as_array("apply_along_axis", arr)
    axis = canonical_axis(axis, x.ndim)

    def function(vector: Any) -> Any:
        return func1d(vector, *args, **kwargs)
    for i in builtin_range(1, x.ndim - axis):
        function = vmap(function, in_axes=i, out_axes=-1)
    for _ in builtin_range(axis):
        function = vmap(function, in_axes=0, out_axes=0)
    return function(x)


def apply_over_axes(func: Callable[[Any, int], Any], a: Any, axes: Sequence[int]) -> Any:
    """`func(a, axis)` applied for one axis after the other; lost axes come back with size 1."""
    x = as_array("apply_over_axes", a)
    for axis in axes:
        out = func(x, axis)
        if out.ndim == x.ndim:
            x = out
        elif out.ndim == x.ndim - 1:
            x = shaping.expand_dims(out, axis)
        else:
            raise ValueError("function is not returning an array of the correct shape")
    return x


# ---- windows -------------------------------------------------------------------------------------

def _window(name: str, M: Any, formula: Callable[[np.ndarray, int], np.ndarray]) -> Any:
    count = operator.index(M)
    dtype = dtypes.default_float_dtype()
    if count <= 1:
        return creation.ones((max(count, 0),), dtype)
    n = np.arange(count, dtype=np.float64)
    return from_numpy(formula(n, count).astype(dtype))


@remembered
def bartlett(M: int) -> Any:
    """A triangular window of M points: 1 - |2n / (M-1) - 1|."""
    return _window("bartlett", M, lambda n, m: 1 - np.abs(2 * n / (m - 1) - 1))


@remembered
def blackman(M: int) -> Any:
    """The Blackman window: 0.42 - 0.5 cos(2πn / (M-1)) + 0.08 cos(4πn / (M-1))."""
    return _window("blackman", M, lambda n, m: 0.42 - 0.5 * np.cos(2 * np.pi * n / (m - 1))
                   + 0.08 * np.cos(4 * np.pi * n / (m - 1)))


@remembered
def hamming(M: int) -> Any:
    """The Hamming window: 0.54 - 0.46 cos(2πn / (M-1))."""
    return _window("hamming", M, lambda n, m: 0.54 - 0.46 * np.cos(2 * np.pi * n / (m - 1)))


@remembered
def hanning(M: int) -> Any:
    """The Hann window: 0.5 - 0.5 cos(2πn / (M-1))."""
    return _window("hanning", M, lambda n, m: 0.5 - 0.5 * np.cos(2 * np.pi * n / (m - 1)))


@remembered
def kaiser(M: int, beta: Any) -> Any:
    """The Kaiser window: I0(β sqrt(1 - (2n / (M-1) - 1)²)) / I0(β)."""
    count = operator.index(M)
    dtype = dtypes.default_float_dtype()
    if count <= 1:
        return creation.ones((max(count, 0),), dtype)
    beta = convert(as_array("kaiser", beta), dtype)
    middle = 0.5 * (count - 1)
    relative = from_numpy(((np.arange(count) - middle) / middle).astype(dtype))
    inner = elementwise._maximum(elementwise._subtract(1, lax.square(relative)), 0)
    argument = elementwise._multiply(beta, lax.sqrt(inner))
    top = lax.mul(lax.exp(elementwise._subtract(lax.abs(argument), lax.abs(beta))),
                  lax.bessel_i0e(argument))
    return elementwise.divide(top, lax.bessel_i0e(beta))


# ---- bits ----------------------------------------------------------------------------------------

@remembered
def packbits(a: Any, axis: int | None = None, bitorder: str = "big") -> Any:
    """Eight elements along `axis` packed into a uint8 each, as bits (not zero: 1)."""
    x = as_array("packbits", a)
    if x.dtype not in integer_dtypes and x.dtype != np.bool_:
        raise TypeError("Expected an input array of integer or boolean data type")
    _check_bit_order(bitorder)
    if axis is None:
        x, axis = shaping.ravel(x), 0
    axis = canonical_axis(axis, x.ndim)
    bits = shaping.moveaxis(convert(elementwise.to_bool(x), np.dtype(np.uint8)), axis, -1)
    missing = -bits.shape[-1] % 8
    if missing:
        bits = lax.pad(bits, np.uint8(0), [(0, 0, 0)] * (bits.ndim - 1) + [(0, missing, 0)])
    bits = shaping.reshape(bits, (*bits.shape[:-1], bits.shape[-1] // 8, 8))
    places = np.arange(8, dtype=np.uint8)
    weights = (1 << (places if bitorder == "little" else places[::-1])).astype(np.uint8)
    packed = reductions.sum(elementwise._multiply(bits, weights), axis=-1, dtype=np.uint8)
    return shaping.moveaxis(packed, -1, axis)


@remembered
def unpackbits(a: Any, axis: int | None = None, count: int | None = None,
               bitorder: str = "big") -> Any:
    """The bits of uint8 elements along `axis`, as uint8; only the first `count` of them."""
    x = as_array("unpackbits", a)
    if x.dtype != np.uint8:
        raise TypeError("Expected an input array of unsigned byte data type")
    _check_bit_order(bitorder)
    if axis is None:
        x, axis = shaping.ravel(x), 0
    axis = canonical_axis(axis, x.ndim)
    lines = shaping.moveaxis(x, axis, -1)[..., None]
    places = np.arange(8, dtype=np.uint8)
    shifts = places if bitorder == "little" else places[::-1]
    bits = elementwise._bitwise_and(elementwise.right_shift(lines, shifts.copy()), np.uint8(1))
    bits = shaping.reshape(bits, (*bits.shape[:-2], bits.shape[-2] * 8))
    if count is not None:
        length = bits.shape[-1]
        if count > length:
            bits = lax.pad(bits, np.uint8(0),
                           [(0, 0, 0)] * (bits.ndim - 1) + [(0, count - length, 0)])
        else:
            bits = bits[..., :count]
    return shaping.moveaxis(bits, -1, axis)


def _check_bit_order(bitorder: str) -> None:
    if bitorder not in ("little", "big"):
        raise ValueError("'order' must be either 'little' or 'big'")

