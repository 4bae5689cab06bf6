"""Reductions that leave out NaN."""
from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from arrax.core import dtypes
from arrax.core.array import Array
from arrax.core.remembered import remembered
from arrax.numpy import elementwise, reductions
from arrax.numpy.promotion import (as_array, convert, inexact_dtypes, promotes_freely, refuse_out,
                                   scalar_array)
from arrax.numpy.ufuncs import convert_number
from arrax.typing import ArrayLike, DTypeLike


def _filled(name: str, a: Any, fill: float) -> tuple[Any, Any]:
    """The operand with NaN replaced, and where it is NaN (None for integers)."""
    x = as_array(name, a)
    if x.dtype not in inexact_dtypes:
        return x, None
    missing = elementwise.isnan(x)
    return elementwise.where(missing, scalar_array(fill, x.dtype), x), missing


def _without_nan(name: str, reduction: Callable[..., Any], fill: float) -> Callable[..., Any]:
    def function(a: Any, axis: Any, keepdims: bool, initial: Any, where: Any,
                 **options: Any) -> Any:
        x, missing = _filled(name, a, fill)
        if where is not None:
            where = reductions.mask_array(name, where)
        out = reduction(x, axis=axis, keepdims=keepdims, initial=initial, where=where, **options)
        if missing is None or name not in ("nanmax", "nanmin"):
            return out
        nothing = reductions.all(missing, axis=axis, keepdims=keepdims)
        if initial is not None:
            return out
        return elementwise.where(nothing, scalar_array(np.nan, out.dtype), out)
    return function


_nanmax = _without_nan("nanmax", reductions.max, -np.inf)
_nanmin = _without_nan("nanmin", reductions.min, np.inf)
_nansum = _without_nan("nansum", reductions.sum, 0)
_nanprod = _without_nan("nanprod", reductions.prod, 1)


@remembered
def nanmax(a: ArrayLike, axis: Any = None, out: None = None, keepdims: bool = False,
           initial: ArrayLike | None = None, where: ArrayLike | None = None) -> Array:
    """The greatest element over `axis` that is not NaN; NaN if all are."""
    refuse_out("nanmax", out)
    return _nanmax(a, axis, keepdims, initial, where)


@remembered
def nanmin(a: ArrayLike, axis: Any = None, out: None = None, keepdims: bool = False,
           initial: ArrayLike | None = None, where: ArrayLike | None = None) -> Array:
    """The least element over `axis` that is not NaN; NaN if all are."""
    refuse_out("nanmin", out)
    return _nanmin(a, axis, keepdims, initial, where)


@remembered
def nansum(a: ArrayLike, axis: Any = None, dtype: DTypeLike | None = None, out: None = None,
           keepdims: bool = False, initial: ArrayLike | None = None,
           where: ArrayLike | None = None) -> Array:
    """The sum over `axis`, NaN counting as 0."""
    refuse_out("nansum", out)
    return _nansum(a, axis, keepdims, initial, where, dtype=dtype)


@remembered
def nanprod(a: ArrayLike, axis: Any = None, dtype: DTypeLike | None = None, out: None = None,
            keepdims: bool = False, initial: ArrayLike | None = None,
            where: ArrayLike | None = None) -> Array:
    """The product over `axis`, NaN counting as 1."""
    refuse_out("nanprod", out)
    return _nanprod(a, axis, keepdims, initial, where, dtype=dtype)


def _counts(x: Any, axis: Any, keepdims: bool, where: Any, dtype: Any) -> Any:
    present = elementwise.logical_not(elementwise.isnan(x))
    return reductions.sum(present, axis=axis, dtype=dtype, keepdims=keepdims, where=where)


@remembered
@promotes_freely
def nanmean(a: ArrayLike, axis: Any = None, dtype: DTypeLike | None = None, out: None = None,
            keepdims: bool = False, where: ArrayLike | None = None) -> Array:
    """The mean of the elements over `axis` that are not NaN."""
    refuse_out("nanmean", out)
    x = as_array("nanmean", a)
    if x.dtype not in inexact_dtypes:
        return reductions.mean(x, axis, dtype, None, keepdims, where=where)
    known = x.dtype if dtype is None else dtypes.check_user_dtype(dtype, "nanmean")
    counts = _counts(x, axis, keepdims, where, known)
    return elementwise.divide(nansum(x, axis, known, None, keepdims, where=where), counts)


@remembered
@promotes_freely
def nanvar(a: ArrayLike, axis: Any = None, dtype: DTypeLike | None = None, out: None = None,
           ddof: int = 0, keepdims: bool = False, where: ArrayLike | None = None,
           mean: ArrayLike | None = None) -> Array:
    """The variance of the elements over `axis` that are not NaN; see `var`."""
    refuse_out("nanvar", out)
    x = as_array("nanvar", a)
    known = dtypes.check_user_dtype(dtype, "nanvar")
    working, result_dtype = reductions._variance_dtypes(x.dtype, known)
    x = convert(x, working)
    center = nanmean(x, axis, working, keepdims=True, where=where) if mean is None \
        else convert_number(mean, working)
    centered = elementwise._subtract(x, center)
    left_out = elementwise.isnan(x)
    if where is not None:
        left_out = elementwise._logical_or(left_out, elementwise.logical_not(where))
    centered = elementwise.where(left_out, scalar_array(0, working), centered)
    squares = elementwise.square(elementwise.absolute(centered))
    divisor = elementwise._subtract(
        _counts(x, axis, keepdims, where, np.dtype(np.int32)), ddof)
    total = reductions.sum(squares, axis=axis, keepdims=keepdims)
    out_of = elementwise.less_equal(divisor, 0)
    total = elementwise.where(out_of, scalar_array(np.nan, total.dtype), total)
    divisor = elementwise.where(out_of, np.int32(1), divisor)
    return convert(elementwise.divide(total, divisor), result_dtype)


@remembered
@promotes_freely
def nanstd(a: ArrayLike, axis: Any = None, dtype: DTypeLike | None = None, out: None = None,
           ddof: int = 0, keepdims: bool = False, where: ArrayLike | None = None,
           mean: ArrayLike | None = None) -> Array:
    """The standard deviation of the elements over `axis` that are not NaN."""
    refuse_out("nanstd", out)
    return elementwise.sqrt(nanvar(a, axis, dtype, None, ddof, keepdims, where, mean))


def _nan_position(name: str, reduction: Callable[..., Any], fill: float, a: Any, axis: int | None,
                  out: None, keepdims: bool | None) -> Any:
    refuse_out(name, out)
    x, missing = _filled(name, a, fill)
    found = reduction(x, axis=axis, keepdims=bool(keepdims))
    if missing is None:
        return found
    nothing = reductions.all(missing, axis=axis, keepdims=bool(keepdims))
    return elementwise.where(nothing, scalar_array(-1, found.dtype), found)


@remembered
def nanargmax(a: ArrayLike, axis: int | None = None, out: None = None,
              keepdims: bool | None = None) -> Array:
    """The position of the greatest element along `axis` that is not NaN; -1 if all are."""
    return _nan_position("nanargmax", reductions.argmax, -np.inf, a, axis, out, keepdims)


@remembered
def nanargmin(a: ArrayLike, axis: int | None = None, out: None = None,
              keepdims: bool | None = None) -> Array:
    """The position of the least element along `axis` that is not NaN; -1 if all are."""
    return _nan_position("nanargmin", reductions.argmin, np.inf, a, axis, out, keepdims)
