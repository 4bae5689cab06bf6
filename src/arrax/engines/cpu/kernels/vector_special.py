"""Vector math: powers, roots, hyperbolic functions and the error function.

In float32 the delicate ones (pow, cbrt, asinh, acosh, atanh, erfc) are computed in float64, with
polynomials just long enough for a float32 result, and rounded once. In float64 some call libm per
lane.
"""

from __future__ import annotations

import math

from llvmlite import ir

from arrax.ops import coefficients as table
from . import vector_float as basic
from .lanes import F64, I64, Lanes, power_of_two, scalar_of
from .vector_trig import ROUND_MAGIC


def _double(x: ir.Value) -> bool:
    return scalar_of(x.type) is F64


# ---- powers -----------------------------------------------------------------------------------


def _log2_light(e: Lanes, x: ir.Value) -> ir.Value:
    """log2 of a float64 that is 0, infinite, NaN or came from a positive float32; 40 bits."""
    exponent, m = basic._split(e, e.bits(x), basic.FORMATS[F64], F64)
    f = e.sub(m, e.like(x, 1.0))
    s = e.div(f, e.add(f, e.like(x, 2.0)))
    z = e.mul(s, s)
    tail = e.fma(z, e.horner(table.LOG_RATIO_LIGHT_F64, z), e.like(x, 2.0))
    result = e.fma(e.mul(s, tail), e.like(x, basic.LOG2_E), e.to_float(exponent, F64))
    result = e.select(e.compare("<", x, e.like(x, math.inf)), result, x)
    return e.select(e.compare("==", x, e.like(x, 0.0)), e.like(x, -math.inf), result)


def _exp2_light(e: Lanes, t: ir.Value) -> ir.Value:
    """2^t in float64 to 30 bits, over the range of float32."""
    t = e.at_least(e.at_most(t, 160.0), -160.0)
    shifted = e.add(t, e.like(t, ROUND_MAGIC))
    r = e.sub(t, e.sub(shifted, e.like(t, ROUND_MAGIC)))
    p = e.fma(r, e.horner(table.EXP2_LIGHT_F64, r), e.like(t, 1.0))
    return e.mul(p, power_of_two(e, e.bits(shifted), F64))


def _pow(e: Lanes, x: ir.Value, y: ir.Value) -> ir.Value:
    b, one, a = e.builder, e.like(x, 1.0), e.abs(x)
    exponent = e.mul(e.widen(y), _log2_light(e, e.widen(a)))
    size = e.narrow(_exp2_light(e, exponent))
    integral = e.compare("==", e.unary("trunc", y), y)
    half = e.mul(y, e.like(y, 0.5))
    odd = b.and_(integral, e.compare("!=", e.unary("trunc", half), half))
    result = e.select(odd, e.copysign(size, x), size)
    # A finite negative base has a fractional power in the complex numbers only.
    finite_negative = b.and_(
        e.compare("<", x, e.like(x, 0.0)), e.compare("<", a, e.like(x, math.inf))
    )
    result = e.select(b.and_(finite_negative, b.not_(integral)), e.like(x, math.nan), result)
    # 1^y, x^0 and (-1)^(+-inf) are 1, whatever the other operand is, NaN included.
    endless = b.and_(e.compare("==", a, one), e.compare("==", e.abs(y), e.like(y, math.inf)))
    ones = b.or_(e.compare("==", y, e.like(y, 0.0)), b.or_(e.compare("==", x, one), endless))
    return e.select(ones, one, result)


def pow(e: Lanes, x: ir.Value, y: ir.Value) -> ir.Value:
    """x^y with the special cases of C's pow."""
    if _double(x):
        return e.by_lane("pow", x, y)
    return e.helper("pow", _pow, x, y)


def integer_power(e: Lanes, x: ir.Value, exponent: int) -> ir.Value:
    """x^exponent for a fixed integer, by squaring."""
    if exponent == 0:
        return e.like(x, 1.0)
    remaining, square, result = abs(exponent), x, None
    while remaining:
        if remaining & 1:
            result = square if result is None else e.mul(result, square)
        remaining >>= 1
        if remaining:
            square = e.mul(square, square)
    assert result is not None
    return e.div(e.like(x, 1.0), result) if exponent < 0 else result


def _cbrt_last(e: Lanes, a: ir.Value, t: ir.Value) -> ir.Value:
    """The cube root of `a` from one of 45 bits; its first 26 bits have an exact square."""
    t = e.from_bits(e.builder.and_(e.bits(t), e.constant(I64, -1 << 27)), F64)
    quotient = e.div(a, e.mul(t, t))
    return e.fma(t, e.div(e.sub(quotient, t), e.add(e.add(t, t), quotient)), t)


def _cbrt(e: Lanes, x: ir.Value) -> ir.Value:
    """FreeBSD's scheme: a third of the exponent's bits, then Halley's iteration."""
    b, single = e.builder, not _double(x)
    a = e.abs(e.widen(x) if single else x)
    small = e.compare("<", a, e.like(a, 2.0**-1022))
    if not single:
        a = e.select(small, e.mul(a, e.like(a, 2.0**54)), a)
    high = b.lshr(e.bits(a), e.constant(I64, 32))
    third = e.mul(b.uitofp(high, e.type(F64)), e.constant(F64, 1.0 / 3.0))
    guess_bits = b.add(b.fptoui(third, e.type(I64)), e.constant(I64, 715094163))
    t = e.from_bits(b.shl(guess_bits, e.constant(I64, 32)), F64)
    quarter, half = e.like(a, 0.25), e.mul(a, e.like(a, 0.5))
    for _ in range(2):  # t (t^3 + 2a) / (2t^3 + a), in quarters: twice the largest a overflows
        cube = e.mul(e.mul(t, t), e.mul(t, quarter))
        t = e.mul(t, e.div(e.add(cube, half), e.fma(a, quarter, e.add(cube, cube))))
    value = e.narrow(t) if single else _cbrt_last(e, a, t)
    if not single:
        value = e.select(small, e.mul(value, e.like(a, 2.0**-18)), value)
    unchanged = b.or_(
        e.compare("==", x, e.like(x, 0.0)), b.not_(e.compare("<", e.abs(x), e.like(x, math.inf)))
    )
    return e.select(unchanged, x, e.copysign(value, x))


def cbrt(e: Lanes, x: ir.Value) -> ir.Value:
    return e.helper("cbrt", _cbrt, x)


def rsqrt(e: Lanes, x: ir.Value) -> ir.Value:
    return e.div(e.like(x, 1.0), e.sqrt(x))


# ---- hyperbolic functions ----------------------------------------------------------------------


def _half_exp(e: Lanes, a: ir.Value) -> tuple[ir.Value, ir.Value, ir.Value]:
    """(high, low, rest) with high + low = exp(a)/2 and rest = exp(-a)/2, for a >= 0."""
    limit = basic.FORMATS[scalar_of(a.type)].exp_high + 1.0
    high, low = basic.exp_in_two(e, e.at_most(a, limit), -1.0)
    return high, low, e.div(e.like(a, 0.25), e.add(high, low))


def sinh(e: Lanes, x: ir.Value) -> ir.Value:
    a, z = e.abs(x), e.mul(x, x)
    tail = table.SINH_TAIL_F64 if _double(x) else table.SINH_TAIL_F32
    near = e.fma(e.mul(z, x), e.horner(tail, z), x)
    high, low, rest = _half_exp(e, a)
    far = e.add(high, e.sub(low, rest))
    return e.select(e.compare("<", a, e.like(x, 1.0)), near, e.copysign(far, x))


def cosh(e: Lanes, x: ir.Value) -> ir.Value:
    high, low, rest = _half_exp(e, e.abs(x))
    return e.add(high, e.add(low, rest))


def _asinh(e: Lanes, x: ir.Value) -> ir.Value:
    a = e.widen(e.abs(x))
    square = e.mul(a, a)
    one = e.like(a, 1.0)
    tail = e.div(square, e.add(one, e.sqrt(e.add(square, one))))
    value = e.narrow(basic.log1p(e, e.add(a, tail)))
    unchanged = e.compare("==", e.abs(x), e.like(x, math.inf))
    return e.select(unchanged, x, e.copysign(value, x))


def asinh(e: Lanes, x: ir.Value) -> ir.Value:
    return e.by_lane("asinh", x) if _double(x) else e.helper("asinh", _asinh, x)


def _acosh(e: Lanes, x: ir.Value) -> ir.Value:
    t = e.sub(e.widen(x), e.constant(F64, 1.0))
    root = e.sqrt(e.mul(t, e.add(t, e.like(t, 2.0))))
    value = e.narrow(basic.log1p(e, e.add(t, root)))
    return e.select(e.compare("<", x, e.like(x, 1.0)), e.like(x, math.nan), value)


def acosh(e: Lanes, x: ir.Value) -> ir.Value:
    return e.by_lane("acosh", x) if _double(x) else e.helper("acosh", _acosh, x)


def _atanh(e: Lanes, x: ir.Value) -> ir.Value:
    a = e.widen(e.abs(x))
    ratio = e.div(e.add(a, a), e.sub(e.like(a, 1.0), a))
    value = e.mul(basic.log1p(e, ratio), e.like(a, 0.5))
    return e.copysign(e.narrow(value), x)


def atanh(e: Lanes, x: ir.Value) -> ir.Value:
    return e.by_lane("atanh", x) if _double(x) else e.helper("atanh", _atanh, x)


# ---- the error function ------------------------------------------------------------------------


ERF_CENTRE = 1.0556640625  # log(erfc) of it is a float32 number but for 5e-11


def _erf_near(e: Lanes, x: ir.Value) -> ir.Value:
    """erf in float32 for |x| < 0.92."""
    z = e.mul(x, x)
    lost = e.fma(x, x, e.neg(z))  # times -1/4, about the slope of the ratio where that counts
    ratio = e.fma(lost, e.like(x, -0.25), e.horner(table.ERF_RATIO_F32, z))
    return e.fma(x, ratio, x)


def erf(e: Lanes, x: ir.Value) -> ir.Value:
    """x (1 + P(x^2)) near 0; beyond, 1 - exp(Q(|x| - c)) with Q fitted to log(erfc)."""
    if _double(x):
        return e.by_lane("erf", x)
    a = e.abs(x)
    near = _erf_near(e, x)
    beyond = e.sub(e.at_most(a, 4.0), e.like(x, ERF_CENTRE))
    lack = basic.exp(e, e.horner(table.LOG_ERFC_F32, beyond))
    far = e.copysign(e.sub(e.like(x, 1.0), lack), x)
    return e.select(e.compare("<", a, e.like(x, 0.92)), near, far)


def _erfc(e: Lanes, x: ir.Value) -> ir.Value:
    """exp(-a^2) S((a-2)/(a+2)) / (1 + 2a) for a = |x| (Shepherd and Laframboise, 1981), in float64;
    1 - erf near 0."""
    a = e.at_most(e.widen(e.abs(x)), 10.5)
    two, one = e.like(a, 2.0), e.like(a, 1.0)
    t = e.div(e.sub(a, two), e.add(a, two))
    power = _exp2_light(e, e.mul(e.mul(a, a), e.like(a, -basic.LOG2_E)))
    smooth = e.horner(table.SCALED_ERFC_F64, t)
    value = e.div(e.mul(smooth, power), e.fma(a, two, one))
    negative = e.compare("<", x, e.like(x, 0.0))
    far = e.narrow(e.select(negative, e.sub(two, value), value))
    near = e.sub(e.like(x, 1.0), _erf_near(e, x))
    return e.select(e.compare("<", e.abs(x), e.like(x, 0.5)), near, far)


def erfc(e: Lanes, x: ir.Value) -> ir.Value:
    return e.by_lane("erfc", x) if _double(x) else e.helper("erfc", _erfc, x)
