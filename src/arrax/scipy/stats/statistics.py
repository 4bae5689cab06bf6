"""Order statistics: the most frequent value, ranks, the standard error of a mean."""
from __future__ import annotations

import math
from typing import Any, NamedTuple

from arrax import lax
from arrax import numpy as jnp
from arrax.core.array import Array
from arrax.numpy.promotion import as_array, inexact_array

_POLICIES = ("propagate", "omit", "raise")


class ModeResult(NamedTuple):
    """The most frequent values and how often they occur."""

    mode: Any
    count: Any


def _check_policy(name: str, nan_policy: str) -> None:
    if nan_policy not in _POLICIES:
        raise ValueError(f"{name}: nan_policy must be one of {_POLICIES}, got {nan_policy!r}")
    if nan_policy == "raise":
        raise NotImplementedError(f"{name}: nan_policy='raise' is not supported: values are not "
                                  "known while a function is traced")


def _axis_last(x: Any, axis: int | None) -> Any:
    """`x` with the axis at the end; flat for None."""
    return jnp.ravel(x) if axis is None else jnp.moveaxis(x, axis, -1)


def _is_nan(x: Any) -> Any:
    return jnp.isnan(x) if jnp.issubdtype(x.dtype, jnp.inexact) else jnp.zeros(x.shape, bool)


def _runs(x: Any) -> tuple[Any, Any]:
    """For each element of rows in order, where its run of equal ones begins and ends."""
    count = x.shape[-1]
    places = lax.broadcasted_iota(jnp.int32, x.shape, x.ndim - 1)
    differs = x[..., 1:] != x[..., :-1]
    edge = jnp.ones((*x.shape[:-1], 1), bool)
    starts = jnp.concatenate([edge, differs], axis=-1)
    ends = jnp.concatenate([differs, edge], axis=-1)
    first = lax.cummax(jnp.where(starts, places, 0), x.ndim - 1)
    last = lax.cummin(jnp.where(ends, places, count - 1), x.ndim - 1, reverse=True)
    return first, last


def mode(a: Any, axis: int | None = 0, nan_policy: str = "propagate",
         keepdims: bool = False) -> ModeResult:
    """The most frequent value along an axis, the least one of several.

    Args:
      a: real numbers of any shape.
      axis: the axis; None for the flattened array.
      nan_policy: "propagate" counts NaNs as one value, "omit" leaves them out; "raise" is not
        supported.
      keepdims: whether the axis stays, with size 1.

    Returns: a named tuple (mode, count). Of nothing: NaN, 0 times.

    Example:
      >>> mode(jnp.array([3, 1, 3, 2]))
      ModeResult(mode=Array(3, dtype=int32), count=Array(2, dtype=int32))

    Source: `scipy.stats.mode`.
    """
    _check_policy("mode", nan_policy)
    a = as_array("mode", a)
    rank = a.ndim
    rows = jnp.sort(_axis_last(a, axis), axis=-1)
    if rows.shape[-1] == 0:
        value = jnp.full(rows.shape[:-1], jnp.nan)
        count = jnp.zeros(rows.shape[:-1], jnp.int32)
    else:
        nan = _is_nan(rows)
        first, last = _runs(jnp.where(nan, 0, rows) if nan_policy == "omit" else rows)
        first_nan = jnp.sum(~nan, axis=-1, keepdims=True)  # NaNs are sorted to the end
        last = jnp.where(nan, rows.shape[-1] - 1, jnp.minimum(last, first_nan - 1))
        first = jnp.where(nan, first_nan, first)
        lengths = last - first + 1
        if nan_policy == "omit":
            lengths = jnp.where(nan, 0, lengths)
        at = jnp.argmax(lengths, axis=-1, keepdims=True)
        value = jnp.take_along_axis(rows, at, axis=-1)[..., 0]
        count = jnp.take_along_axis(lengths, at, axis=-1)[..., 0]
    if keepdims:
        shape = (1,) * rank if axis is None else None
        value, count = (v.reshape(shape) if shape is not None else jnp.expand_dims(v, axis or 0)
                        for v in (value, count))
    return ModeResult(value, count)


_METHODS = ("average", "min", "max", "dense", "ordinal")


def rankdata(a: Any, method: str = "average", *, axis: int | None = None,
             nan_policy: str = "propagate") -> Array:
    """The ranks of elements in order, from 1 on.

    Args:
      a: real numbers of any shape.
      method: what equal elements get: "average", "min" or "max" of their ranks, "dense" (the next
        value's rank is one more), or "ordinal" (in the order in which they stand).
      axis: along which to rank; None ranks the flattened array.
      nan_policy: "propagate" makes all ranks along the axis NaN where one element is; "omit" ranks
        the others, NaNs getting NaN; "raise" is not supported.

    Returns: floats for "average" and for floats, else integers, of the shape of `a`, or flat.

    Example:
      >>> rankdata(jnp.array([10, 30, 20, 30]))
      Array([1. , 3.5, 2. , 3.5], dtype=float32)

    Source: `scipy.stats.rankdata`.
    """
    _check_policy("rankdata", nan_policy)
    if method not in _METHODS:
        raise ValueError(f"rankdata: unknown method {method!r}, expected one of {_METHODS}")
    a = as_array("rankdata", a)
    rows = _axis_last(a, axis)
    order = jnp.argsort(rows, axis=-1, stable=True)
    inverse = jnp.argsort(order, axis=-1, stable=True)
    ordered = jnp.take_along_axis(rows, order, axis=-1)
    first, last = _runs(ordered)
    if method == "ordinal":
        ranks = inverse + 1
    elif method == "dense":
        places = lax.broadcasted_iota(first.dtype, first.shape, first.ndim - 1)
        ranks = jnp.take_along_axis(jnp.cumsum(first == places, axis=-1), inverse, axis=-1)
    else:
        low, high = (jnp.take_along_axis(v, inverse, axis=-1) + 1 for v in (first, last))
        average = (low + high).astype(jnp.result_type(float)) / 2
        ranks = {"min": low, "max": high, "average": average}[method]
    if jnp.issubdtype(a.dtype, jnp.inexact):
        nan = _is_nan(rows)
        if nan_policy == "propagate":
            nan = jnp.any(nan, axis=-1, keepdims=True)
        ranks = jnp.where(nan, jnp.nan, ranks)
    return ranks if axis is None else jnp.moveaxis(ranks, -1, axis)


def sem(a: Any, axis: int | None = 0, ddof: int = 1, nan_policy: str = "propagate", *,
        keepdims: bool = False) -> Array:
    """The standard error of the mean: the standard deviation over the root of the count.

    Args:
      a: numbers of any shape.
      axis: the axis; None for all.
      ddof: subtracted from the count in the variance.
      nan_policy: "propagate" or "omit", which leaves NaNs out; "raise" is not supported.
      keepdims: whether the axis stays, with size 1.

    Example:
      >>> sem(jnp.array([1., 2., 3., 4.])).round(4)
      Array(0.6455, dtype=float32)

    Source: `scipy.stats.sem`.
    """
    _check_policy("sem", nan_policy)
    a = inexact_array("sem", a)
    if nan_policy == "omit":
        count = jnp.sum(~jnp.isnan(a), axis=axis, keepdims=keepdims)
        return jnp.nanstd(a, axis=axis, ddof=ddof, keepdims=keepdims) / jnp.sqrt(
            count.astype(jnp.real(a).dtype))
    size = a.size if axis is None else a.shape[axis]
    return jnp.std(a, axis=axis, ddof=ddof, keepdims=keepdims) / math.sqrt(size) if size \
        else jnp.std(a, axis=axis, ddof=ddof, keepdims=keepdims)
