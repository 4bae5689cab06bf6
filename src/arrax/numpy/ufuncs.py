"""The ufunc objects (`add`, `maximum`, …) and elementwise functions composed of others."""
from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from arrax import lax
from arrax.core import dtypes
from arrax.core.array import Array
from arrax.core.dimension import broadcast_shapes
from arrax.core.remembered import remembered
from arrax.numpy import creation, elementwise, reductions
from arrax.numpy.index_update import IndexUpdateRef
from arrax.numpy.promotion import (align_shapes, as_array, bool_dtype, canonical_axis,
                                   check_arraylike, complex_dtypes, convert, inexact_array,
                                   inexact_dtypes, integer_dtypes, promote, promote_dtypes,
                                   promote_inexact, promotes_freely, refuse_out, scalar_array)
from arrax.numpy.smooth import bessel_i0, logaddexp_of, logaddexp2_of
from arrax.numpy.ufunc_class import ufunc
from arrax.typing import ArrayLike


# ---- ufunc objects ---------------------------------------------------------------------------

def _reduce_by(reduction: Callable[..., Any], takes_dtype: bool) -> Callable[..., Any]:
    """A ufunc's `reduce` from a reduction; `dtype` converts first where that takes none."""
    def reduce(a: Any, axis: Any = 0, dtype: Any = None, keepdims: bool = False,
               initial: Any = None, where: Any = None) -> Any:
        if takes_dtype:
            return reduction(a, axis=axis, dtype=dtype, keepdims=keepdims, initial=initial,
                             where=where)
        if dtype is not None:
            a = convert(a, dtypes.check_user_dtype(dtype, "reduce"))
        return reduction(a, axis=axis, keepdims=keepdims, initial=initial, where=where)
    return reduce


def _reduce_logic(reduction: Callable[..., Any]) -> Callable[..., Any]:
    def reduce(a: Any, axis: Any = 0, dtype: Any = None, keepdims: bool = False,
               initial: Any = None, where: Any = None) -> Any:
        result = reduction(a, axis=axis, keepdims=keepdims, where=where)
        if initial is not None:
            both = elementwise._logical_and if reduction is reductions.all \
                else elementwise._logical_or
            result = both(initial, result)
        return result if dtype is None else convert(
            result, dtypes.check_user_dtype(dtype, "reduce"))
    return reduce


def _updater(kind: str) -> Callable[..., Any]:
    def at(a: Any, indices: Any, b: Any) -> Any:
        return getattr(IndexUpdateRef(a, indices), kind)(b)
    return at


def _binary(function: Callable[[Any, Any], Any], identity: Any = None,
            reduce: Callable[..., Any] | None = None,
            accumulate: Callable[..., Any] | None = None, at: str | None = None) -> ufunc:
    return ufunc(function, 2, 1, name=function.__name__, identity=identity, call=function,
                 reduce=reduce, accumulate=accumulate, at=_updater(at) if at else None)


add = _binary(elementwise._add, 0, _reduce_by(reductions.sum, True), reductions.cumsum, "add")
multiply = _binary(elementwise._multiply, 1, _reduce_by(reductions.prod, True),
                   reductions.cumprod, "multiply")
subtract = _binary(elementwise._subtract, None, None, None, "subtract")
maximum = _binary(elementwise._maximum, None, _reduce_by(reductions.max, False), None, "max")
minimum = _binary(elementwise._minimum, None, _reduce_by(reductions.min, False), None, "min")
logical_and = _binary(elementwise._logical_and, True, _reduce_logic(reductions.all))
logical_or = _binary(elementwise._logical_or, False, _reduce_logic(reductions.any))
logical_xor = _binary(elementwise._logical_xor, False)
bitwise_and = _binary(elementwise._bitwise_and, -1)
bitwise_or = _binary(elementwise._bitwise_or, 0)
bitwise_xor = _binary(elementwise._bitwise_xor, 0)
negative = ufunc(elementwise._negative, 1, 1, name="negative", call=elementwise._negative)
logaddexp = _binary(logaddexp_of, -np.inf)
logaddexp2 = _binary(logaddexp2_of, -np.inf)


# ---- extremes that skip NaN, clipping --------------------------------------------------------

@remembered
def fmax(x1: ArrayLike, x2: ArrayLike) -> Array:
    """The greater of two elements; the other one where one is NaN."""
    x, y = promote("fmax", x1, x2)
    return elementwise.where(
        elementwise._logical_or(elementwise.greater(x, y), elementwise.isnan(y)), x, y)


@remembered
def fmin(x1: ArrayLike, x2: ArrayLike) -> Array:
    """The lesser of two elements; the other one where one is NaN."""
    x, y = promote("fmin", x1, x2)
    return elementwise.where(
        elementwise._logical_or(elementwise.less(x, y), elementwise.isnan(y)), x, y)


@remembered
def clip(arr: Any = None, /, min: Any = None, max: Any = None) -> Array:
    """Elements moved into [min, max]; a bound that is None does not bind.

    ValueError for complex arrays or bounds.
    """
    if arr is None:
        raise ValueError("No input was provided to the clip function.")
    low, high = min, max
    check_arraylike("clip", arr)
    check_arraylike("clip", low, high, none_ok=True)
    x = as_array("clip", arr)
    if any(np.iscomplexobj(v) if not hasattr(v, "aval") else v.dtype in complex_dtypes
           for v in (x, low, high) if v is not None):
        raise ValueError("Clip received a complex value either through the input or the min/max "
                         "keywords. Complex values have no ordering and cannot be clipped. Please "
                         "convert to a real value or array by taking the real or imaginary "
                         "components via jax.numpy.real/imag respectively.")
    if low is not None:
        x = elementwise._maximum(low, x)
    if high is not None:
        x = elementwise._minimum(high, x)
    return x


@remembered
def nan_to_num(x: Any, copy: bool = True, nan: Any = 0.0, posinf: Any = None,
               neginf: Any = None) -> Array:
    """NaN and infinities replaced: by zero and the greatest finite numbers unless others are
    given."""
    check_arraylike("nan_to_num", x)
    x = as_array("nan_to_num", x)
    dtype = x.dtype
    if dtype not in inexact_dtypes:
        return x
    if dtype in complex_dtypes:
        return lax.complex(nan_to_num(lax.real(x), copy, nan, posinf, neginf),
                           nan_to_num(lax.imag(x), copy, nan, posinf, neginf))
    limits = dtypes.finfo(dtype)
    posinf = scalar_array(limits.max, dtype) if posinf is None else posinf
    neginf = scalar_array(limits.min, dtype) if neginf is None else neginf
    out = elementwise.where(elementwise.isnan(x), convert_number(nan, dtype), x)
    out = elementwise.where(elementwise.isposinf(out), convert_number(posinf, dtype), out)
    return elementwise.where(elementwise.isneginf(out), convert_number(neginf, dtype), out)


def convert_number(value: Any, dtype: Any) -> Any:
    """A number or array as an Array of `dtype`."""
    return convert(as_array("convert", value), dtype)


# ---- closeness -------------------------------------------------------------------------------

@remembered
def isclose(a: ArrayLike, b: ArrayLike, rtol: ArrayLike = 1e-05, atol: ArrayLike = 1e-08,
            equal_nan: bool = False) -> Array:
    """Whether `|a - b| <= atol + rtol * |b|`, elementwise; equal infinities are close."""
    x, y = promote("isclose", a, b)
    dtype = x.dtype
    if dtype == bool_dtype:
        return elementwise.equal(x, y)
    if dtype not in inexact_dtypes:
        x, y = promote_inexact("isclose", x, y)
        dtype = x.dtype
    real_dtype = np.dtype(f"f{dtype.itemsize // 2}") if dtype in complex_dtypes else dtype
    rtol, atol = convert_number(rtol, real_dtype), convert_number(atol, real_dtype)
    near = elementwise.less_equal(
        elementwise.absolute(elementwise._subtract(x, y)),
        elementwise._add(atol, elementwise._multiply(rtol, elementwise.absolute(y))))
    near = elementwise._logical_and(elementwise.isfinite(y), near)
    out = elementwise._logical_or(elementwise.equal(x, y), near)
    if equal_nan:
        out = elementwise._logical_or(out, elementwise._logical_and(
            elementwise.isnan(x), elementwise.isnan(y)))
    return out


@remembered
def allclose(a: ArrayLike, b: ArrayLike, rtol: ArrayLike = 1e-05, atol: ArrayLike = 1e-08,
             equal_nan: bool = False) -> Array:
    """Whether all elements are close; see `isclose`."""
    return reductions.all(isclose(a, b, rtol, atol, equal_nan))


@remembered
def array_equal(a1: ArrayLike, a2: ArrayLike, equal_nan: bool = False) -> Array:
    """Whether shapes are equal and all elements are."""
    x, y = creation.asarray(a1), creation.asarray(a2)
    if x.shape != y.shape:
        return as_array("array_equal", np.bool_(False))
    same = elementwise.equal(x, y)
    if equal_nan:
        same = elementwise._logical_or(same, elementwise._logical_and(
            elementwise.isnan(x), elementwise.isnan(y)))
    return reductions.all(same)


@remembered
@promotes_freely
def array_equiv(a1: ArrayLike, a2: ArrayLike) -> Array:
    """Whether the arrays broadcast to one shape and are equal there."""
    x, y = as_array("array_equiv", a1), as_array("array_equiv", a2, 1)
    try:
        broadcast_shapes(x.shape, y.shape)
    except ValueError:
        return as_array("array_equiv", np.bool_(False))
    return reductions.all(elementwise.equal(x, y))


# ---- numbers ---------------------------------------------------------------------------------

@remembered
def hypot(x1: ArrayLike, x2: ArrayLike, /) -> Array:
    """`sqrt(x1**2 + x2**2)` of real operands, without overflow on the way."""
    x, y = promote_inexact("hypot", x1, x2)
    if x.dtype in complex_dtypes:
        raise ValueError("jnp.hypot is not well defined for complex-valued inputs.")
    x, y = lax.abs(x), lax.abs(y)
    infinite = elementwise._logical_or(elementwise.isposinf(x), elementwise.isposinf(y))
    great, small = elementwise._maximum(x, y), elementwise._minimum(x, y)
    zero = elementwise.equal(great, 0)
    ratio = lax.div(small, elementwise.where(zero, scalar_array(1, great.dtype), great))
    root = lax.mul(great, lax.sqrt(elementwise._add(lax.square(ratio), 1)))
    root = elementwise.where(zero, great, root)
    return elementwise.where(infinite, scalar_array(np.inf, great.dtype), root)


@remembered
def heaviside(x1: ArrayLike, x2: ArrayLike, /) -> Array:
    """0 below zero, 1 above, `x2` at zero."""
    x, y = promote_inexact("heaviside", x1, x2)
    if x.dtype in complex_dtypes:
        raise TypeError(f"heaviside does not accept dtype {x.dtype}. It orders its operands, "
                        "so they must be real.")
    out = elementwise.where(elementwise.greater(x, 0), 1, y)
    out = elementwise.where(elementwise.less(x, 0), 0, out)
    return elementwise.where(elementwise.isnan(x), x, out)


@remembered
@promotes_freely
def gcd(x1: ArrayLike, x2: ArrayLike) -> Array:
    """The greatest common divisor of integers, by Euclid's algorithm."""
    x, y = _integers("gcd", x1, x2)
    shape = broadcast_shapes(x.shape, y.shape)
    x, y = (lax.broadcast_in_dim(lax.abs(v) if v.dtype.kind == "i" else v, shape,
                                 tuple(range(len(shape) - v.ndim, len(shape)))) for v in (x, y))

    def body(pair: tuple[Any, Any]) -> tuple[Any, Any]:
        great, small = pair
        going = elementwise.not_equal(small, 0)
        rest = lax.rem(great, elementwise.where(going, small, scalar_array(1, small.dtype)))
        return (elementwise.where(going, small, great),
                elementwise.where(going, rest, scalar_array(0, small.dtype)))
    out, _ = lax.while_loop(lambda pair: reductions.any(elementwise.not_equal(pair[1], 0)), body,
                            (x, y))
    return out


def _integers(name: str, x1: Any, x2: Any) -> list[Any]:
    x, y = promote(name, x1, x2)
    if x.dtype not in integer_dtypes:
        raise ValueError(f"Arguments to jax.numpy.{name} must be integers.")
    return [x, y]


@remembered
@promotes_freely
def lcm(x1: ArrayLike, x2: ArrayLike) -> Array:
    """The least common multiple of integers; 0 where either is 0."""
    x, y = _integers("lcm", x1, x2)
    x, y = elementwise.absolute(x), elementwise.absolute(y)
    divisor = gcd(x, y)
    safe = elementwise.where(elementwise.equal(divisor, 0), scalar_array(1, x.dtype), divisor)
    product = elementwise._multiply(x, elementwise.floor_divide(y, safe))
    return elementwise.where(elementwise.equal(divisor, 0), scalar_array(0, x.dtype), product)


@remembered
@promotes_freely
def ldexp(x1: ArrayLike, x2: ArrayLike, /) -> Array:
    """`x1 * 2**x2`, exact where the result is representable."""
    x = inexact_array("ldexp", x1)
    if x.dtype in complex_dtypes:
        raise ValueError(f"ldexp not implemented for complex dtypes; got {x.dtype}")
    exponent = as_array("ldexp", x2, 1)
    if exponent.dtype not in integer_dtypes and exponent.dtype != bool_dtype:
        raise ValueError("ldexp: input x2 must have integer type, got "
                         f"{dtypes.dtype_name(exponent.dtype)}")
    dtype, _ = dtypes.result_type_of_avals(x.aval, exponent.aval)
    x = convert(x, dtype)
    exponent = convert(exponent, np.dtype(np.int32))
    x, exponent = align_shapes("ldexp", [x, exponent])
    # Three factors, so that neither overflows nor underflows before the product does.
    third = elementwise.floor_divide(exponent, 3)
    rest = elementwise._subtract(exponent, elementwise._multiply(third, 2))
    factor = lax.exp2(convert(third, dtype))
    return elementwise._multiply(elementwise._multiply(elementwise._multiply(x, factor), factor),
                                 lax.exp2(convert(rest, dtype)))


@remembered
def spacing(x: Any, /) -> Array:
    """The distance from each element to the next float away from zero."""
    x = inexact_array("spacing", x)
    if x.dtype in complex_dtypes:
        raise ValueError("jnp.spacing is not defined for complex inputs.")
    away = elementwise.copysign(np.inf, x)
    away = convert(away, x.dtype)
    step = elementwise._subtract(elementwise.nextafter(x, away), x)
    tiny = elementwise.copysign(
        scalar_array(dtypes.finfo(x.dtype).smallest_subnormal, x.dtype), x)
    return elementwise.where(elementwise.equal(step, 0), tiny, step)


# ---- choice ----------------------------------------------------------------------------------

@remembered
def select(condlist: Sequence[Any], choicelist: Sequence[Any], default: ArrayLike = 0) -> Array:
    """Of each place, the element of the first choice whose condition is true, or `default`."""
    if len(condlist) != len(choicelist):
        raise ValueError("condlist must have length equal to choicelist "
                         f"({len(condlist)} vs {len(choicelist)})")
    if len(condlist) == 0:
        raise ValueError("condlist must be non-empty")
    out, *choices = promote_dtypes("select", default, *choicelist)
    for condition, choice in zip(reversed(condlist), reversed(choices), strict=True):
        out = elementwise.where(condition, choice, out)
    return out


def choose(a: ArrayLike, choices: Any, out: None = None, mode: str = "raise") -> Array:
    """Of each place, the element of `choices[a]`.

    Args:
      mode: for indices out of range: "raise" (only outside of `jit`), "wrap" or "clip".
    """
    refuse_out("choose", out)
    check_arraylike("choose", a, *choices)
    index = as_array("choose", a)
    if index.dtype not in integer_dtypes and index.dtype != bool_dtype:
        raise ValueError("`a` array must be integer typed")
    count = len(choices)
    if mode == "raise":
        known = index if not hasattr(index, "concrete") else index.concrete()
        if known is None:
            from_tracer = "jnp.choose with mode='raise' needs known indices; use 'wrap' or 'clip'."
            raise ValueError(from_tracer)
        if bool(reductions.any(elementwise._logical_or(
                elementwise.less(index, 0), elementwise.greater_equal(index, count)))):
            raise ValueError("invalid entry in choice array")
    elif mode == "wrap":
        index = elementwise.remainder(index, count)
    elif mode == "clip":
        index = clip(index, 0, count - 1)
    else:
        raise ValueError(f"mode={mode!r} not understood. Must be 'raise', 'wrap', or 'clip'")
    result = convert_number(choices[count - 1], dtypes.result_type(*choices))
    for i in range(count - 1):
        result = elementwise.where(elementwise.equal(index, i),
                                   convert_number(choices[i], result.dtype), result)
    return result


def piecewise(x: Any, condlist: Any, funclist: Sequence[Any], *args: Any, **kw: Any) -> Array:
    """Each function applied where its condition is true; a last extra one where none is.

    Functions see the whole array, and may be numbers. Later conditions win, as in NumPy.
    """
    x = as_array("piecewise", x)
    conditions = [condlist] if not isinstance(condlist, (list, tuple)) and np.ndim(condlist) \
        == x.ndim else list(condlist)
    functions = list(funclist)
    if len(functions) not in (len(conditions), len(conditions) + 1):
        raise ValueError(f"with {len(conditions)} condition(s), either {len(conditions)} or "
                         f"{len(conditions) + 1} functions are expected; got {len(functions)}")
    default = functions.pop() if len(functions) > len(conditions) else 0

    def value(function: Any) -> Any:
        out = function(x, *args, **kw) if callable(function) else function
        return convert_number(out, x.dtype)
    result = value(default)
    result = lax.broadcast(result, x.shape) if result.ndim == 0 else result
    for condition, function in zip(conditions, functions, strict=True):
        result = elementwise.where(condition, value(function), result)
    return result


@remembered
def i0(x: Any) -> Array:
    """The modified Bessel function of the first kind and order 0, of real elements."""
    x = inexact_array("i0", x)
    if x.dtype in complex_dtypes:
        raise ValueError(f"Unsupported input type to jax.numpy.i0: {x.dtype}")
    return convert(bessel_i0(x), x.dtype, x.aval.weak_type)


@remembered
def unwrap(p: ArrayLike, discont: ArrayLike | None = None, axis: int = -1,
           period: ArrayLike = 2 * np.pi) -> Array:
    """`p` with multiples of `period` added, so that neighbours along `axis` differ by at most half
    a period (or `discont`, if that is more)."""
    x = as_array("unwrap", p)
    dtype = dtypes.result_type(x, period)
    x = convert(x, dtype)
    axis = canonical_axis(axis, x.ndim)
    length = x.shape[axis]
    if length < 2:
        return x
    interval = period / 2
    discont = interval if discont is None else discont
    step = lax.sub(lax.slice_in_dim(x, 1, length, axis=axis),
                   lax.slice_in_dim(x, 0, length - 1, axis=axis))
    wrapped = elementwise._subtract(
        elementwise.remainder(elementwise._add(step, interval), period), interval)
    wrapped = elementwise.where(
        elementwise._logical_and(elementwise.equal(wrapped, -interval),
                                 elementwise.greater(step, 0)), interval, wrapped)
    correction = elementwise._subtract(wrapped, step)
    correction = elementwise.where(elementwise.less(elementwise.absolute(step), discont), 0,
                                   correction)
    total = reductions.cumsum(convert(correction, dtype), axis=axis)
    head = lax.slice_in_dim(x, 0, 1, axis=axis)
    tail = lax.add(lax.slice_in_dim(x, 1, length, axis=axis), total)
    return lax.concatenate([head, tail], axis)
