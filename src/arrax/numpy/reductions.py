"""Reductions over axes: sums, means, extremes, logic, and where the extremes are.

All take `axis` (an int, a tuple, or None for all axes) and `keepdims`; those that take `where`
count only the elements where it is true, and `initial` takes part in the reduction.
"""
from __future__ import annotations

import builtins
import math
from collections.abc import Callable
from typing import Any

import numpy as np

from arrax import lax
from arrax.core import dtypes
from arrax.core.aliases import alias
from arrax.core.array import Array, ArrayImpl
from arrax.core.dimension import max_dim
from arrax.core.positions import check_positions
from arrax.core.remembered import remembered
from arrax.core.trace import Tracer
from arrax.numpy import elementwise
from arrax.numpy.promotion import (as_array, bool_dtype, broadcast_to_shape, canonical_axes,
                                   canonical_axis, complex_dtypes, convert,
                                   inexact_dtypes, inexact_of, integer_dtypes, refuse_out,
                                   scalar_array)
from arrax.typing import ArrayLike, DTypeLike

_half_floats = frozenset({np.dtype(np.float16), dtypes.scalar_types["bfloat16"].dtype})
_float32 = np.dtype(np.float32)


def _axes_and_kept(x: Any, axis: Any, keepdims: bool) -> tuple[tuple[int, ...], Any]:
    """The axes to reduce, and the shape to give the result (None: as it comes)."""
    shape = x.aval.shape
    axes = tuple(range(len(shape))) if axis is None else canonical_axes(axis, len(shape))
    if not keepdims:
        return axes, None
    return axes, tuple(1 if i in axes else d for i, d in enumerate(shape))


def keep_axes(result: Any, axes: tuple[int, ...], rank: int) -> Any:
    """`result` with the reduced axes back, with size 1."""
    kept = tuple(i for i in range(rank) if i not in axes)
    shape = [1] * rank
    for position, i in enumerate(kept):
        shape[i] = result.shape[position]
    return lax.broadcast_in_dim(result, tuple(shape), kept)


def _masked(name: str, x: Any, where: Any, fill: Any) -> Any:
    """`x` with `fill` where the mask is false."""
    if where is None:
        return x
    return elementwise.where(mask_array(name, where), x, scalar_array(fill, x.dtype))


def mask_array(name: str, where: Any) -> Any:
    """A `where` argument as an array of bools."""
    mask = as_array(name, where)
    if mask.dtype != bool_dtype:
        raise ValueError(f"jnp.{name}: where must be None or a boolean array; got "
                         f"where.dtype={mask.dtype!r}.")
    return mask


def _strong(x: Any) -> Any:
    """`x` without weak type, which no reduction's result has."""
    return convert(x, x.aval.dtype) if x.aval.weak_type else x


def _finish(result: Any, axes: tuple[int, ...], kept: Any, rank: int) -> Any:
    return result if kept is None else keep_axes(result, axes, rank)


# ---- sum, prod -------------------------------------------------------------------------------

def _accumulate_dtype(x: Any, dtype: Any, promote_integers: bool) -> tuple[Any, Any]:
    """(the dtype to compute in, that of the result) of a sum or product."""
    own = x.aval.dtype
    if dtype is not None:
        result = dtype
    elif own is bool_dtype:
        result = dtypes.default_int_dtype()
    elif promote_integers and own in integer_dtypes and own.itemsize < 4:
        unsigned = dtypes.issubdtype(own, np.unsignedinteger)
        result = dtypes.default_uint_dtype() if unsigned else dtypes.default_int_dtype()
    elif promote_integers and own in integer_dtypes:
        default = dtypes.default_int_dtype()
        result = own if own.itemsize >= default.itemsize else np.dtype(
            f"{own.kind}{default.itemsize}")
    else:
        result = own
    return (_float32 if result in _half_floats and dtype is None else result), result


def _summing(name: str, reducer: Callable[..., Any], identity: int,
             combine: Callable[[Any, Any], Any]) -> Callable[..., Any]:
    def function(a: Any, axis: Any = None, dtype: Any = None, out: None = None,
                 keepdims: bool = False, initial: Any = None, where: Any = None,
                 promote_integers: bool = True) -> Any:
        if out is not None:
            refuse_out(name, out)
        x = a if type(a) is ArrayImpl or isinstance(a, Tracer) else as_array(name, a)
        axes, kept = _axes_and_kept(x, axis, keepdims)
        known = dtypes.check_user_dtype(dtype, name)
        working, result_dtype = _accumulate_dtype(x, known, promote_integers)
        if working != x.aval.dtype or x.aval.weak_type:
            x = convert(x, working)
        x = _masked(name, x, where, identity)
        result = reducer(x, axes) if axes else x
        if initial is not None:
            result = combine(_initial(name, initial, result.dtype), result)
        return convert(_finish(result, axes, kept, x.ndim), result_dtype)
    return function


def _initial(name: str, initial: Any, dtype: Any) -> Any:
    if type(initial) in dtypes.python_scalar_types:
        return convert(initial, dtype)
    value = as_array(name, initial)
    if value.ndim:
        raise ValueError(f"{name}: initial value must be a scalar. Got array of shape "
                         f"{value.shape}")
    return convert(value, dtype)


_sum = _summing("sum", lambda x, axes: lax.reduce_sum_p.bind(x, axes=axes, out_sharding=None), 0,
                lambda a, b: lax.add(a, b))
_prod = _summing("prod", lambda x, axes: lax.reduce_prod(x, axes), 1,
                 lambda a, b: lax.mul(a, b))


@remembered
def sum(a: ArrayLike, axis: Any = None, dtype: DTypeLike | None = None, out: None = None,
        keepdims: bool = False, initial: ArrayLike | None = None, where: ArrayLike | None = None,
        promote_integers: bool = True) -> Array:
    """The sum of elements over `axis`.

    Integers narrower than the default int are summed in that, unless `promote_integers` is
    false; float16 and bfloat16 are summed in float32.

    Example:
      >>> jnp.sum(jnp.ones((2, 3)), axis=0)
      Array([2., 2., 2.], dtype=float32)
    """
    return _sum(a, axis, dtype, out, keepdims, initial, where, promote_integers)


@remembered
def prod(a: ArrayLike, axis: Any = None, dtype: DTypeLike | None = None, out: None = None,
         keepdims: bool = False, initial: ArrayLike | None = None, where: ArrayLike | None = None,
         promote_integers: bool = True) -> Array:
    """The product of elements over `axis`; dtypes as for `sum`."""
    return _prod(a, axis, dtype, out, keepdims, initial, where, promote_integers)


# ---- extremes --------------------------------------------------------------------------------

def _lowest(dtype: Any) -> Any:
    if dtype is bool_dtype or dtype == np.bool_:
        return False
    if dtype in integer_dtypes:
        return int(dtypes.iinfo(dtype).min)
    return -np.inf


def _highest(dtype: Any) -> Any:
    if dtype is bool_dtype or dtype == np.bool_:
        return True
    if dtype in integer_dtypes:
        return int(dtypes.iinfo(dtype).max)
    return np.inf


def _extreme(name: str, reducer: Callable[..., Any], worst: Callable[[Any], Any],
             combine: Callable[[Any, Any], Any]) -> Callable[..., Any]:
    def function(a: Any, axis: Any = None, out: None = None, keepdims: bool = False,
                 initial: Any = None, where: Any = None) -> Any:
        if out is not None:
            refuse_out(name, out)
        x = a if type(a) is ArrayImpl or isinstance(a, Tracer) else as_array(name, a)
        if where is not None and initial is None:
            raise ValueError(f"reduction operation {name} does not have an identity, so to use a "
                             "where mask one has to specify 'initial'")
        axes, kept = _axes_and_kept(x, axis, keepdims)
        if initial is None and builtins.any(x.aval.shape[i] == 0 for i in axes):
            raise ValueError(f"zero-size array to reduction operation {name} which has no "
                             "identity")
        x = _masked(name, _strong(x), where, worst(x.dtype))
        result = reducer(x, axes) if axes else x
        if initial is not None:
            result = combine(_initial(name, initial, result.dtype), result)
        return _finish(result, axes, kept, x.ndim)
    return function


_max = _extreme("max", lambda x, axes: lax.reduce_max(x, axes), _lowest,
                lambda a, b: lax.max(a, b))
_min = _extreme("min", lambda x, axes: lax.reduce_min(x, axes), _highest,
                lambda a, b: lax.min(a, b))


@remembered
def max(a: ArrayLike, axis: Any = None, out: None = None, keepdims: bool = False,
        initial: ArrayLike | None = None, where: ArrayLike | None = None) -> Array:
    """The greatest element over `axis`; NaN if any is NaN.

    ValueError for no elements without `initial`, and for `where` without `initial`.
    """
    return _max(a, axis, out, keepdims, initial, where)


@remembered
def min(a: ArrayLike, axis: Any = None, out: None = None, keepdims: bool = False,
        initial: ArrayLike | None = None, where: ArrayLike | None = None) -> Array:
    """The least element over `axis`; see `max`."""
    return _min(a, axis, out, keepdims, initial, where)


amax, amin = alias(max, "amax"), alias(min, "amin")


@remembered
def ptp(a: ArrayLike, axis: Any = None, out: None = None, keepdims: bool = False) -> Array:
    """The distance from the least to the greatest element over `axis`."""
    refuse_out("ptp", out)
    x = as_array("ptp", a)
    return lax.sub(max(x, axis, keepdims=keepdims), min(x, axis, keepdims=keepdims))


# ---- logic -----------------------------------------------------------------------------------

def _logic(name: str, reducer: Callable[..., Any], identity: bool) -> Callable[..., Any]:
    def function(a: Any, axis: Any = None, out: None = None, keepdims: bool = False, *,
                 where: Any = None) -> Any:
        if out is not None:
            refuse_out(name, out)
        x = a if type(a) is ArrayImpl or isinstance(a, Tracer) else as_array(name, a)
        axes, kept = _axes_and_kept(x, axis, keepdims)
        if x.aval.dtype is not bool_dtype:
            x = elementwise.to_bool(x) if x.aval.dtype in complex_dtypes \
                else convert(x, bool_dtype)
        x = _masked(name, x, where, identity)
        return _finish(reducer(x, axes) if axes else x, axes, kept, x.ndim)
    return function


_all = _logic("all", lambda x, axes: lax.reduce_and(x, axes), True)
_any = _logic("any", lambda x, axes: lax.reduce_or(x, axes), False)


@remembered
def all(a: ArrayLike, axis: Any = None, out: None = None, keepdims: bool = False, *,
        where: ArrayLike | None = None) -> Array:
    """Whether all elements over `axis` are true (not zero)."""
    return _all(a, axis, out, keepdims, where=where)


@remembered
def any(a: ArrayLike, axis: Any = None, out: None = None, keepdims: bool = False, *,
        where: ArrayLike | None = None) -> Array:
    """Whether any element over `axis` is true (not zero)."""
    return _any(a, axis, out, keepdims, where=where)


@remembered
def count_nonzero(a: ArrayLike, axis: Any = None, keepdims: bool = False) -> Array:
    """How many elements over `axis` are not zero."""
    x = elementwise.to_bool(as_array("count_nonzero", a))
    check_positions("count_nonzero", x.size + 1, dtypes.default_int_dtype())
    return sum(x, axis=axis, dtype=dtypes.default_int_dtype(), keepdims=keepdims)


# ---- mean, variance --------------------------------------------------------------------------

def _count(x: Any, axes: tuple[int, ...]) -> int:
    return math.prod(x.shape[i] for i in axes)


@remembered
def mean(a: ArrayLike, axis: Any = None, dtype: DTypeLike | None = None, out: None = None,
         keepdims: bool = False, *, where: ArrayLike | None = None) -> Array:
    """The mean of elements over `axis`, in floating point (float32 for half floats inside).

    NaN where no elements are counted.
    """
    if out is not None:
        refuse_out("mean", out)
    x = a if type(a) is ArrayImpl or isinstance(a, Tracer) else as_array("mean", a)
    aval = x.aval
    if type(axis) is not tuple:
        axes = tuple(range(aval.ndim)) if axis is None else canonical_axes(axis, aval.ndim)
    else:
        axes = canonical_axes(axis, aval.ndim)
    result_dtype = inexact_of(aval.dtype) if dtype is None else \
        dtypes.check_user_dtype(dtype, "mean")
    working = _float32 if result_dtype in _half_floats else result_dtype
    if working is not aval.dtype and working != aval.dtype or aval.weak_type:
        x = convert(x, working)
    if where is None:
        total = lax.reduce_sum_p.bind(x, axes=axes, out_sharding=None) if axes else x
        if keepdims:
            total = keep_axes(total, axes, aval.ndim)
        result = lax.div_p.bind(total, scalar_array(_count(x, axes), working))
    else:
        mask = broadcast_to_shape(mask_array("mean", where), x.shape)
        counts = sum(mask, axis, dtype=working, keepdims=keepdims)
        result = lax.div(sum(_masked("mean", x, mask, 0), axis, keepdims=keepdims), counts)
    return result if working == result_dtype else convert(result, result_dtype)


@remembered
def average(a: ArrayLike, axis: Any = None, weights: ArrayLike | None = None,
            returned: bool = False, keepdims: bool = False) -> Any:
    """The weighted mean over `axis`; with `returned` also the sums of the weights.

    `weights` has the shape of `a`, or is one-dimensional along a single axis.
    """
    x = as_array("average", a)
    if weights is None:
        result = mean(x, axis=axis, keepdims=keepdims)
        scale: Any = convert(x.size / max_dim(result.size, 1), result.dtype)
    else:
        x, w = _average_operands(x, as_array("average", weights, 1), axis)
        scale = sum(w, axis=axis, keepdims=keepdims)
        result = elementwise.divide(sum(elementwise._multiply(x, w), axis=axis, keepdims=keepdims),
                                    scale)
    if not returned:
        return result
    return result, broadcast_to_shape(scale, result.shape)


def _average_operands(x: Any, w: Any, axis: Any) -> tuple[Any, Any]:
    from_dtype, _ = dtypes.result_type_of_avals(x.aval, w.aval)
    working = inexact_of(from_dtype)
    x, w = convert(x, working), convert(w, working)
    if w.shape == x.shape:
        return x, w
    if axis is None:
        raise ValueError("average: Axis must be specified when shapes of a and weights differ, got "
                         f"{x.shape} and {w.shape}.")
    if isinstance(axis, tuple) or w.ndim != 1:
        axes = canonical_axes(axis, x.ndim)
        if tuple(x.shape[i] for i in axes) != w.shape:
            raise ValueError("Single axis expected when shapes of a and weights differ")
    else:
        axes = (canonical_axis(axis, x.ndim),)
        if w.shape[0] != x.shape[axes[0]]:
            raise ValueError("Length of weights not compatible with specified axis.")
    order = np.argsort(axes)
    w = lax.transpose(w, tuple(order)) if w.ndim > 1 else w
    shape = [1] * x.ndim
    for i in axes:
        shape[i] = x.shape[i]
    return x, lax.reshape(w, tuple(shape))


@remembered
def var(a: ArrayLike, axis: Any = None, dtype: DTypeLike | None = None, out: None = None,
        ddof: int = 0, keepdims: bool = False, *, where: ArrayLike | None = None,
        mean: ArrayLike | None = None, correction: Any = None) -> Array:
    """The variance of elements over `axis`: the mean square distance from the mean.

    Args:
      ddof, correction: what is subtracted from the count in the divisor (give one of them).
      mean: the mean if it is known, with reduced axes of size 1.
    """
    refuse_out("var", out)
    if correction is None:
        correction = ddof
    elif not (isinstance(ddof, int) and ddof == 0):
        raise ValueError("ddof and correction can't be provided simultaneously.")
    x = as_array("var", a)
    known = dtypes.check_user_dtype(dtype, "var")
    working, result_dtype = _variance_dtypes(x.dtype, known)
    axes, kept = _axes_and_kept(x, axis, keepdims)
    x = convert(x, working)
    if mean is None:
        center = _mean_of(x, axes, where)
    else:
        center = convert(as_array("var", mean), working)
    # Masked before the square, whose derivative at infinities and NaN is none.
    centered = _masked("var", elementwise._subtract(x, center), where, 0)
    if working in complex_dtypes:
        squares = lax.real(lax.mul(centered, lax.conj(centered)))
    else:
        squares = lax.square(centered)
    if where is None:
        count: Any = scalar_array(_count(x, axes), squares.dtype)
    else:
        mask = broadcast_to_shape(mask_array("var", where), x.shape)
        count = sum(mask, axes, dtype=squares.dtype, keepdims=keepdims)
    divisor = elementwise._subtract(count, correction)
    total = _finish(_reduce_sum(squares, axes), axes, kept, x.ndim)
    result = elementwise.divide(total, divisor)
    if where is not None or not (isinstance(correction, (int, float))
                                 and correction < _count(x, axes)):
        result = elementwise.where(elementwise.greater(divisor, 0), result, np.nan)
    return convert(result, result_dtype)


def _variance_dtypes(own: Any, dtype: Any) -> tuple[Any, Any]:
    if dtype is not None and own in complex_dtypes and dtype not in complex_dtypes:
        raise ValueError("jax.numpy.var does not yet support real dtype parameters when computing "
                         "the variance of an array of complex values. The semantics of numpy.var "
                         "seem unclear in this case.")
    result = inexact_of(own) if dtype is None else inexact_of(dtype)
    working = _float32 if result in _half_floats else result
    if dtype is None and result in complex_dtypes:
        result = np.dtype(f"f{result.itemsize // 2}")
    return working, result


def _reduce_sum(x: Any, axes: tuple[int, ...]) -> Any:
    return lax.reduce_sum_p.bind(x, axes=axes, out_sharding=None) if axes else x


def _mean_of(x: Any, axes: tuple[int, ...], where: Any) -> Any:
    if where is not None:
        return mean(x, axes, keepdims=True, where=where)
    total = keep_axes(_reduce_sum(x, axes), axes, x.ndim)
    return lax.div_p.bind(total, scalar_array(_count(x, axes), x.dtype, x.weak_type))


@remembered
def std(a: ArrayLike, axis: Any = None, dtype: DTypeLike | None = None, out: None = None,
        ddof: int = 0, keepdims: bool = False, *, where: ArrayLike | None = None,
        mean: ArrayLike | None = None, correction: Any = None) -> Array:
    """The standard deviation over `axis`: the square root of `var`."""
    refuse_out("std", out)
    known = dtypes.check_user_dtype(dtype, "std")
    if known is not None and known not in inexact_dtypes:
        raise ValueError(f"dtype argument to jnp.std must be inexact; got {known}")
    return lax.sqrt(var(a, axis, dtype, None, ddof, keepdims, where=where, mean=mean,
                        correction=correction))


# ---- positions of extremes -------------------------------------------------------------------

def _position(name: str, reducer: Callable[..., Any]) -> Callable[..., Any]:
    def function(a: Any, axis: int | None = None, out: None = None,
                 keepdims: bool | None = None) -> Any:
        if out is not None:
            refuse_out(name, out)
        x = as_array(name, a)
        rank = x.ndim
        if axis is None:
            x, dimension, axes = lax.reshape(x, (x.size,)), 0, tuple(range(rank))
        else:
            dimension = canonical_axis(axis, rank)
            axes = (dimension,)
        if x.shape[dimension] == 0:
            raise ValueError(f"attempt to get {name} of an empty sequence")
        result = reducer(x, dimension, dtypes.default_int_dtype())
        return keep_axes(result, axes, rank) if keepdims else result
    return function


_argmax = _position("argmax", lambda x, axis, dtype: lax.argmax(x, axis, dtype))
_argmin = _position("argmin", lambda x, axis, dtype: lax.argmin(x, axis, dtype))


@remembered
def argmax(a: ArrayLike, axis: int | None = None, out: None = None,
           keepdims: bool | None = None) -> Array:
    """The position of the first greatest element along `axis` (of the flattened array if None);
    of the first NaN if there is one."""
    return _argmax(a, axis, out, keepdims)


@remembered
def argmin(a: ArrayLike, axis: int | None = None, out: None = None,
           keepdims: bool | None = None) -> Array:
    """The position of the first least element along `axis`; see `argmax`."""
    return _argmin(a, axis, out, keepdims)


# ---- running sums ----------------------------------------------------------------------------

def _running(name: str, scan: Callable[..., Any], nan_fill: int | None = None
             ) -> Callable[..., Any]:
    def function(a: Any, axis: int | None = None, dtype: Any = None, out: None = None) -> Any:
        refuse_out(name, out)
        x = as_array(name, a)
        known = dtypes.check_user_dtype(dtype, name)
        if axis is None:
            x, axis = lax.reshape(x, (x.size,)), 0
        axis = canonical_axis(axis, x.ndim)
        if nan_fill is not None and x.dtype in inexact_dtypes:
            x = elementwise.where(elementwise.isnan(x), scalar_array(nan_fill, x.dtype), x)
        if known is None:
            known = dtypes.default_int_dtype() if x.dtype == bool_dtype else x.dtype
        if known == bool_dtype:  # whether any, or all, were true so far
            return convert(scan(convert(x, np.dtype(np.int32)), axis), known)
        return scan(convert(x, known), axis)
    return function


_cumsum = _running("cumsum", lambda x, axis: lax.cumsum(x, axis))
_cumprod = _running("cumprod", lambda x, axis: lax.cumprod(x, axis))
_nancumsum = _running("nancumsum", lambda x, axis: lax.cumsum(x, axis), 0)
_nancumprod = _running("nancumprod", lambda x, axis: lax.cumprod(x, axis), 1)


@remembered
def cumsum(a: ArrayLike, axis: int | None = None, dtype: DTypeLike | None = None,
           out: None = None) -> Array:
    """The running sums along `axis` (of the flattened array if None)."""
    return _cumsum(a, axis, dtype, out)


@remembered
def cumprod(a: ArrayLike, axis: int | None = None, dtype: DTypeLike | None = None,
            out: None = None) -> Array:
    """The running products along `axis` (of the flattened array if None)."""
    return _cumprod(a, axis, dtype, out)


@remembered
def nancumsum(a: ArrayLike, axis: int | None = None, dtype: DTypeLike | None = None,
              out: None = None) -> Array:
    """As `cumsum`, NaNs counting as 0."""
    return _nancumsum(a, axis, dtype, out)


@remembered
def nancumprod(a: ArrayLike, axis: int | None = None, dtype: DTypeLike | None = None,
               out: None = None) -> Array:
    """As `cumprod`, NaNs counting as 1."""
    return _nancumprod(a, axis, dtype, out)


def _cumulative(name: str, function: Callable[..., Any], start: int, x: Any, axis: int | None,
                dtype: Any, include_initial: bool) -> Any:
    x = as_array(name, x)
    if x.ndim == 0:
        raise ValueError(f"The input must be non-scalar to take {name}, however a scalar value or "
                         "scalar array was given.")
    if axis is None:
        if x.ndim > 1:
            raise ValueError(f"The input array has rank {x.ndim}, however axis was not set to an "
                             "explicit value. The axis argument is only optional for one-"
                             "dimensional arrays.")
        axis = 0
    axis = canonical_axis(axis, x.ndim)
    out = function(x, axis=axis, dtype=dtype)
    if include_initial:
        shape = (*x.shape[:axis], 1, *x.shape[axis + 1:])
        out = lax.concatenate([lax.full(shape, start, out.dtype), out], axis)
    return out


@remembered
def cumulative_sum(x: ArrayLike, /, *, axis: int | None = None, dtype: DTypeLike | None = None,
                   include_initial: bool = False) -> Array:
    """The running sums along `axis`, from 0 on if `include_initial` (array API standard).

    Unlike those of `cumsum`, sums of narrow integers have the default integer dtype.
    """
    x = as_array("cumulative_sum", x)
    dtype = _accumulate_dtype(x, dtype, True)[1] if dtype is None else dtype
    return _cumulative("cumulative_sum", cumsum, 0, x, axis, dtype, include_initial)


@remembered
def cumulative_prod(x: ArrayLike, /, *, axis: int | None = None, dtype: DTypeLike | None = None,
                    include_initial: bool = False) -> Array:
    """The running products along `axis`, from 1 on if `include_initial` (array API standard).

    Unlike those of `cumprod`, products of narrow integers have the default integer dtype.
    """
    x = as_array("cumulative_prod", x)
    dtype = _accumulate_dtype(x, dtype, True)[1] if dtype is None else dtype
    return _cumulative("cumulative_prod", cumprod, 1, x, axis, dtype, include_initial)
