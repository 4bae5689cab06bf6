"""Functions with derivative rules of their own: log-add-exp, sinc, I₀, frexp.

Differentiating their compositions would give NaN at infinities, or fail at zero.
"""
from __future__ import annotations

import math
from typing import Any

import numpy as np

from arrax import lax
from arrax.core import dtypes
from arrax.core.array import Array
from arrax.core.dimension import broadcast_shapes
from arrax.core.remembered import remembered
from arrax.numpy import elementwise
from arrax.numpy.promotion import (complex_dtypes, convert, inexact_array, promote_inexact,
                                   scalar_array)
from arrax.transforms.custom_jvp import custom_jvp


# ---- logaddexp -------------------------------------------------------------------------------

@custom_jvp
def logaddexp(x1: Any, x2: Any) -> Any:
    """`log(exp(x1) + exp(x2))` of operands of one dtype and shape."""
    greatest = lax.max(x1, x2)
    if x1.dtype in complex_dtypes:
        twice = elementwise._multiply(greatest, 2)
        total = lax.add(greatest, lax.log1p(lax.exp(lax.sub(lax.add(x1, x2), twice))))
        return lax.complex(lax.real(total), _principal_angle(lax.imag(total)))
    difference = lax.sub(x1, x2)
    return lax.select(lax.ne(difference, difference), lax.add(x1, x2),
                      lax.add(greatest, lax.log1p(lax.exp(lax.neg(lax.abs(difference))))))


def _principal_angle(angle: Any) -> Any:
    """`angle` in [-π, π)."""
    turned = elementwise.remainder(elementwise._add(angle, np.pi), 2 * np.pi)
    return elementwise._subtract(turned, np.pi)


def _shares(x1: Any, x2: Any, scale: float) -> tuple[Any, Any]:
    """The parts of the two terms in their sum: logistic functions of the distance, which is 0
    between equal infinities."""
    distance = lax.select(lax.eq(x1, x2), lax.full_like(x1, 0), lax.sub(x1, x2))
    scaled = lax.mul(distance, lax.full_like(x1, scale))
    return lax.logistic(scaled), lax.logistic(lax.neg(scaled))


@logaddexp.defjvp
def _logaddexp_jvp(primals: Any, tangents: Any) -> tuple[Any, Any]:
    x1, x2 = primals
    t1, t2 = tangents
    out = logaddexp(x1, x2)
    if x1.dtype in complex_dtypes:
        first, second = lax.exp(lax.sub(x1, out)), lax.exp(lax.sub(x2, out))
    else:
        first, second = _shares(x1, x2, 1.0)
    return out, lax.add(lax.mul(t1, first), lax.mul(t2, second))


@remembered
def logaddexp_of(x1: Any, x2: Any, /) -> Any:
    """`log(exp(x1) + exp(x2))`, without overflow on the way."""
    return logaddexp(*_full(promote_inexact("logaddexp", x1, x2)))


@custom_jvp
def logaddexp2(x1: Any, x2: Any) -> Any:
    """`log2(2**x1 + 2**x2)` of operands of one dtype and shape."""
    greatest = lax.max(x1, x2)
    to_base_2 = scalar_array(1 / np.log(2), x1.dtype)
    if x1.dtype in complex_dtypes:
        twice = elementwise._multiply(greatest, 2)
        total = lax.add(greatest, lax.mul(to_base_2, lax.log1p(
            lax.exp2(lax.sub(lax.add(x1, x2), twice)))))
        turn = scalar_array(np.log(2), lax.imag(total).dtype)
        return lax.complex(lax.real(total), lax.div(
            _principal_angle(lax.mul(lax.imag(total), turn)), turn))
    difference = lax.sub(x1, x2)
    return lax.select(lax.ne(difference, difference), lax.add(x1, x2),
                      lax.add(greatest, lax.mul(to_base_2, lax.log1p(
                          lax.exp2(lax.neg(lax.abs(difference)))))))


@logaddexp2.defjvp
def _logaddexp2_jvp(primals: Any, tangents: Any) -> tuple[Any, Any]:
    x1, x2 = primals
    t1, t2 = tangents
    out = logaddexp2(x1, x2)
    if x1.dtype in complex_dtypes:
        first, second = lax.exp2(lax.sub(x1, out)), lax.exp2(lax.sub(x2, out))
    else:
        first, second = _shares(x1, x2, float(np.log(2)))
    return out, lax.add(lax.mul(t1, first), lax.mul(t2, second))


@remembered
def logaddexp2_of(x1: Any, x2: Any, /) -> Any:
    """`log2(2**x1 + 2**x2)`, without overflow on the way."""
    return logaddexp2(*_full(promote_inexact("logaddexp2", x1, x2)))


logaddexp_of.__name__, logaddexp2_of.__name__ = "logaddexp", "logaddexp2"


def _full(operands: list[Any]) -> list[Any]:
    """The operands in one shape, scalars too, for `lax.select` takes equal shapes."""
    shape = broadcast_shapes(*(x.shape for x in operands))
    return [lax.broadcast_in_dim(x, shape, tuple(range(len(shape) - x.ndim, len(shape))))
            if x.shape != shape else x for x in operands]


# ---- sinc ------------------------------------------------------------------------------------

def _power_series(x: Any, terms: list[float]) -> Any:
    """Σ terms[k] x^k, whose derivatives of any order are those of the polynomial."""
    total = lax.full_like(x, terms[-1])
    for term in reversed(terms[:-1]):
        total = lax.add(lax.mul(total, x), scalar_array(term, x.dtype))
    return total


_SINC_TERMS = [(-1.0) ** k / math.factorial(2 * k + 1) for k in range(14)]


@remembered
def sinc(x: Any, /) -> Array:
    """`sin(πx) / (πx)`, and 1 at zero; near zero its power series, whose derivatives are exact
    there too. Real arguments are reduced to half a turn first, so that zeros are zeros."""
    x = inexact_array("sinc", x)
    near = elementwise.less(lax.abs(x), 0.25)
    angle = elementwise._multiply(elementwise.where(near, x, scalar_array(0, x.dtype)), np.pi)
    away = elementwise.where(near, scalar_array(0.5, x.dtype), x)
    scaled = elementwise._multiply(away, np.pi)
    if x.dtype in complex_dtypes:
        sine = lax.sin(scaled)
    else:
        turns = lax.round(away, lax.RoundingMethod.TO_NEAREST_EVEN)
        half = elementwise._multiply(turns, 0.5)
        odd = elementwise.not_equal(half, lax.floor(half))
        sine = lax.sin(elementwise._multiply(lax.sub(away, turns), np.pi))
        sine = elementwise.where(odd, lax.neg(sine), sine)
    series = _power_series(lax.square(angle), _SINC_TERMS)
    return elementwise.where(near, series, lax.div(sine, scaled))


# ---- i0 --------------------------------------------------------------------------------------

_I1_TERMS = [0.5 / (4.0**k * math.factorial(k) * math.factorial(k + 1)) for k in range(14)]


def _grown(x: Any, scaled: Any) -> Any:
    """`scaled * exp(|x|)`, where the exponential may overflow and the product not."""
    size = lax.abs(x)
    bound = math.log(float(dtypes.finfo(x.dtype).max)) - 8
    far = elementwise.greater(size, bound)
    shift = elementwise.where(far, scalar_array(4, x.dtype), scalar_array(0, x.dtype))
    factor = elementwise.where(far, scalar_array(math.exp(4), x.dtype), scalar_array(1, x.dtype))
    return lax.mul(lax.exp(lax.sub(size, shift)), lax.mul(scaled, factor))


@custom_jvp
def bessel_i0(x: Any) -> Any:
    """I₀(x), of a float dtype."""
    return _grown(x, lax.bessel_i0e(x))


@custom_jvp
def bessel_i1(x: Any) -> Any:
    """I₁(x), of a float dtype."""
    return _grown(x, lax.bessel_i1e(x))


@bessel_i0.defjvp
def _bessel_i0_jvp(primals: Any, tangents: Any) -> tuple[Any, Any]:
    (x,), (tangent,) = primals, tangents
    return bessel_i0(x), lax.mul(tangent, bessel_i1(x))


@bessel_i1.defjvp
def _bessel_i1_jvp(primals: Any, tangents: Any) -> tuple[Any, Any]:
    """I₁'(x) = I₀(x) - I₁(x) / x, with the power series of the quotient near 0."""
    (x,), (tangent,) = primals, tangents
    out = bessel_i1(x)
    near = elementwise.less(lax.abs(x), 1)
    inner = elementwise.where(near, x, scalar_array(0, x.dtype))
    away = elementwise.where(near, scalar_array(1, x.dtype), x)
    quotient = elementwise.where(near, _power_series(lax.square(inner), _I1_TERMS),
                                 lax.div(bessel_i1(away), away))
    return out, lax.mul(tangent, lax.sub(bessel_i0(x), quotient))


# ---- frexp -----------------------------------------------------------------------------------

_MANTISSA_BITS = {np.dtype(np.float16): 10, np.dtype(np.float32): 23, np.dtype(np.float64): 52}


@custom_jvp
def _frexp(x: Any) -> tuple[Any, Any]:
    """Mantissa and exponent of float16, float32 or float64 elements, by their bits."""
    dtype = x.dtype
    mantissa_bits = _MANTISSA_BITS[dtype]
    integer = np.dtype(f"int{8 * dtype.itemsize}")
    exponent_bits = 8 * dtype.itemsize - 1 - mantissa_bits
    bias = 2 ** (exponent_bits - 1) - 1
    subnormal = elementwise.less(lax.abs(x), float(dtypes.finfo(dtype).smallest_normal))
    scaled = elementwise.where(subnormal, elementwise._multiply(x, 2.0 ** mantissa_bits), x)
    offset = elementwise.where(subnormal, np.int32(-mantissa_bits), np.int32(0))
    bits = lax.bitcast_convert_type(scaled, integer)
    shift = scalar_array(mantissa_bits, integer)
    field = lax.bitwise_and(lax.shift_right_arithmetic(bits, shift),
                            scalar_array(2 ** exponent_bits - 1, integer))
    exponent = lax.add(offset, elementwise._subtract(convert(field, np.dtype(np.int32)), bias - 1))
    keep = ~((2 ** exponent_bits - 1) << mantissa_bits)
    half = (bias - 1) << mantissa_bits
    mantissa = lax.bitcast_convert_type(lax.bitwise_or(
        lax.bitwise_and(bits, scalar_array(keep, integer)), scalar_array(half, integer)), dtype)
    special = elementwise._logical_or(elementwise.equal(x, 0),
                                      elementwise.logical_not(elementwise.isfinite(x)))
    return (elementwise.where(special, x, mantissa),
            elementwise.where(special, scalar_array(0, np.dtype(np.int32)), exponent))


@_frexp.defjvp
def _frexp_jvp(primals: Any, tangents: Any) -> Any:
    (x,), (t,) = primals, tangents
    mantissa, exponent = _frexp(x)
    factor = lax.exp2(convert(lax.neg(exponent), x.dtype))
    zero = np.zeros(exponent.shape, dtypes.float0)
    return (mantissa, exponent), (lax.mul(t, factor), zero)


@remembered
def frexp(x: Any, /) -> tuple[Any, Any]:
    """(m, e) with `x == m * 2**e`, |m| in [0.5, 1), e int32; (x, 0) for 0, infinities and NaN."""
    x = inexact_array("frexp", x)
    if x.dtype in complex_dtypes:
        raise TypeError("frexp does not support complex-valued inputs")
    if x.dtype not in _MANTISSA_BITS:
        mantissa, exponent = _frexp(convert(x, np.dtype(np.float32)))
        return convert(mantissa, x.dtype), exponent
    mantissa, exponent = _frexp(x)
    return mantissa, exponent
