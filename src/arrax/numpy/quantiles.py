"""Quantiles, percentiles and medians."""
from __future__ import annotations

import math
from typing import Any

import numpy as np

from arrax import lax
from arrax.core.array import Array
from arrax.core.remembered import remembered
from arrax.numpy import elementwise, reductions, rounding, shaping, sorting
from arrax.numpy.promotion import (as_array, canonical_axes, complex_dtypes, convert,
                                   inexact_array, promote_dtypes_inexact, promotes_freely,
                                   refuse_out, scalar_array)
from arrax.transforms.api_placement import sharded
from arrax.typing import ArrayLike

_METHODS = ("linear", "lower", "higher", "midpoint", "nearest", "inverted_cdf")


@remembered
@promotes_freely
def quantile(a: ArrayLike, q: ArrayLike, axis: Any = None, out: None = None,
             overwrite_input: bool = False, method: str = "linear", keepdims: bool = False, *,
             weights: ArrayLike | None = None) -> Array:
    """The values below which the fractions `q` of the elements over `axis` lie.

    Args:
      q: a number or an array in [0, 1], whose axes come first in the result.
      method: between two elements: "linear", "lower", "higher", "midpoint" or "nearest";
        "inverted_cdf" is the one for `weights`.

    NaN where any element is NaN.
    """
    return _checked("quantile", a, q, axis, out, overwrite_input, method, keepdims, weights, False)


@remembered
@promotes_freely
def nanquantile(a: ArrayLike, q: ArrayLike, axis: Any = None, out: None = None,
                overwrite_input: bool = False, method: str = "linear", keepdims: bool = False, *,
                weights: ArrayLike | None = None) -> Array:
    """As `quantile`, of the elements that are not NaN."""
    return _checked("nanquantile", a, q, axis, out, overwrite_input, method, keepdims, weights,
                    True)


@remembered
@promotes_freely
@sharded
def percentile(a: ArrayLike, q: ArrayLike, axis: Any = None, out: None = None,
               overwrite_input: bool = False, method: str = "linear", keepdims: bool = False, *,
               weights: ArrayLike | None = None, out_sharding: Any = None) -> Array:
    """As `quantile`, with `q` in percent."""
    (q,) = promote_dtypes_inexact("percentile", q)
    return _checked("percentile", a, elementwise.divide(q, 100), axis, out, overwrite_input,
                    method, keepdims, weights, False)


@remembered
@promotes_freely
def nanpercentile(a: ArrayLike, q: ArrayLike, axis: Any = None, out: None = None,
                  overwrite_input: bool = False, method: str = "linear", keepdims: bool = False, *,
                  weights: ArrayLike | None = None) -> Array:
    """As `nanquantile`, with `q` in percent."""
    (q,) = promote_dtypes_inexact("nanpercentile", q)
    return _checked("nanpercentile", a, elementwise.divide(q, 100), axis, out, overwrite_input,
                    method, keepdims, weights, True)


@remembered
@promotes_freely
def median(a: ArrayLike, axis: Any = None, out: None = None, overwrite_input: bool = False,
           keepdims: bool = False) -> Array:
    """The middle value over `axis`: half the elements lie below it."""
    return _checked("median", a, 0.5, axis, out, overwrite_input, "midpoint", keepdims, None,
                    False)


@remembered
@promotes_freely
def nanmedian(a: ArrayLike, axis: Any = None, out: None = None, overwrite_input: bool = False,
              keepdims: bool = False) -> Array:
    """As `median`, of the elements that are not NaN."""
    return _checked("nanmedian", a, 0.5, axis, out, overwrite_input, "midpoint", keepdims, None,
                    True)


def _checked(name: str, a: Any, q: Any, axis: Any, out: Any, overwrite_input: bool, method: str,
             keepdims: bool, weights: Any, skip_nan: bool) -> Any:
    refuse_out(name, out)
    if overwrite_input:
        raise ValueError(f"jax.numpy.{name} does not support overwrite_input=True or "
                         "out != None")
    if method not in _METHODS:
        raise ValueError(f"{method=!r} not recognized: must be one of {_METHODS}")
    if weights is not None and method != "inverted_cdf":
        raise ValueError("Weighted quantiles are only supported for method='inverted_cdf'; "
                         f"got {method=!r}")
    x, q = inexact_array(name, a), as_array(name, q, 1)
    own = x.aval.dtype
    x, q = promote_dtypes_inexact(name, x, q)
    if x.dtype in complex_dtypes:
        raise ValueError(f"jax.numpy.{name} does not support complex inputs, as the operation is "
                         "poorly defined.")
    if q.ndim > 1:
        raise ValueError(f"q must be have rank <= 1, got shape {q.shape}")
    axes = canonical_axes(axis, x.ndim)
    kept = tuple(1 if i in axes else d for i, d in enumerate(x.shape))
    lines = _lines(x, axes)
    if weights is not None:
        found = _weighted(lines, _weight_lines(name, weights, x, axes), q)
    elif method == "inverted_cdf":
        found = _weighted(lines, lax.full_like(lines, 1), q)
    else:
        found = _interpolated(lines, q, method, skip_nan)
    found = convert(found, own)
    return shaping.reshape(found, (*q.shape, *kept)) if keepdims else found


def _lines(x: Any, axes: tuple[int, ...]) -> Any:
    """The reduced axes flattened into a last one."""
    rest = [i for i in range(x.ndim) if i not in axes]
    moved = shaping.transpose(x, [*rest, *axes])
    return shaping.reshape(moved, (*(x.shape[i] for i in rest),
                                   math.prod(x.shape[i] for i in axes)))


def _weight_lines(name: str, weights: Any, x: Any, axes: tuple[int, ...]) -> Any:
    w = convert(as_array(name, weights), x.dtype)
    if w.shape != x.shape:
        if w.ndim != len(axes) or any(w.shape[i] != x.shape[a] for i, a in enumerate(axes)):
            raise ValueError("weights must have the shape of a, or of the reduced axes: got "
                             f"{w.shape} for {x.shape}")
        shape = [1] * x.ndim
        for i, a in enumerate(axes):
            shape[a] = w.shape[i]
        w = shaping.broadcast_to(shaping.reshape(w, tuple(shape)), x.shape)
    return _lines(w, axes)


def _interpolated(lines: Any, q: Any, method: str, skip_nan: bool) -> Any:
    """Sorted lines read at fractional places."""
    dtype = lines.dtype
    size = lines.shape[-1]
    missing = elementwise.isnan(lines)
    if skip_nan:
        ordered = sorting.sort(lines, -1)
        last = elementwise._subtract(
            reductions.sum(elementwise.logical_not(missing), -1, dtype=dtype), 1)
    else:
        bad = reductions.any(missing, -1, keepdims=True)
        ordered = sorting.sort(elementwise.where(bad, scalar_array(np.nan, dtype), lines), -1)
        last = lax.full(lines.shape[:-1], scalar_array(size - 1, dtype))
    if size == 0:
        return lax.full((*q.shape, *lines.shape[:-1]), scalar_array(np.nan, dtype))
    fraction = shaping.reshape(q, (*q.shape, *(1,) * last.ndim))
    place = elementwise._multiply(fraction, last)
    low, high = rounding.floor(place), rounding.ceil(place)
    limit = elementwise._maximum(last, 0)
    low_value = _read(ordered, elementwise._minimum(elementwise._maximum(low, 0), limit))
    high_value = _read(ordered, elementwise._minimum(elementwise._maximum(high, 0), limit))
    return _between(method, place, low, low_value, high_value)


def _between(method: str, place: Any, low: Any, low_value: Any, high_value: Any) -> Any:
    if method == "lower":
        return low_value
    if method == "higher":
        return high_value
    if method == "midpoint":
        return elementwise._multiply(elementwise._add(low_value, high_value), 0.5)
    weight = elementwise._subtract(place, low)
    if method == "nearest":
        return elementwise.where(elementwise.less_equal(weight, 0.5), low_value, high_value)
    return elementwise._add(elementwise._multiply(low_value, elementwise._subtract(1, weight)),
                            elementwise._multiply(high_value, weight))


def _read(ordered: Any, places: Any) -> Any:
    """Elements of each line; `places` has the axes of q in front of those of the lines."""
    index = convert(places, np.dtype(np.int32))
    if index.ndim == ordered.ndim - 1:
        return _along(ordered, index[..., None])[..., 0]
    moved = shaping.moveaxis(index, 0, -1)
    moved = shaping.broadcast_to(moved, (*ordered.shape[:-1], index.shape[0]))
    return shaping.moveaxis(_along(ordered, moved), -1, 0)


def _along(ordered: Any, index: Any) -> Any:
    grids = tuple(shaping.reshape(lax.iota(np.int32, d), (d,) + (1,) * (index.ndim - 1 - i))
                  for i, d in enumerate(ordered.shape[:-1]))
    return ordered[(*grids, index)]


def _weighted(lines: Any, weights: Any, q: Any) -> Any:
    """The first element at which the running weight reaches the fraction of the total."""
    bad = reductions.any(elementwise.isnan(lines), -1)
    ordered, w = lax.sort((lines, weights), dimension=lines.ndim - 1, num_keys=1)
    running = reductions.cumsum(w, -1)
    total = running[..., -1:]
    fraction = shaping.reshape(q, (*q.shape, *(1,) * lines.ndim))
    reached = elementwise.greater_equal(running, elementwise._multiply(fraction, total))
    # Elements of weight zero in front are not the answer for q = 0.
    reached = elementwise._logical_and(reached, elementwise.greater(running, 0))
    place = reductions.argmax(reached, axis=-1)
    found = _read(ordered, place)
    return elementwise.where(bad, scalar_array(np.nan, found.dtype), found)
