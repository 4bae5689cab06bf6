"""Vector math: trigonometric functions and their inverses.

float32 sines compute in float64, where two parts of pi are exact enough for every |x| < 2^48, and
round once; float64 uses three parts of pi/2 up to 2^30. Larger arguments, rare as they are, take a
branch to libm. Inverse functions follow Cephes' reductions. float64 has no vector code for tan and
the inverse functions: these call libm per lane.
"""

from __future__ import annotations

import math

from llvmlite import ir

from arrax.ops import coefficients as table
from .lanes import F32, F64, I32, I64, Lanes, scalar_of

HALF_PI = 1.5707963267948966
HALF_PI_F32 = 1.5707963705062866  # rounded to float32
HALF_PI_2 = 6.123233995736766e-17
HALF_PI_3 = -1.4973849048591833e-33
ROUND_MAGIC = 1.5 * 2.0**52  # adding it leaves the nearest integer in the low bits


def _reduce(e: Lanes, x: ir.Value, parts: tuple[float, ...]) -> tuple[ir.Value, ir.Value]:
    """(quadrant as int64, r) with x = quadrant * pi/2 + r in float64."""
    shifted = e.fma(x, e.like(x, 2.0 / math.pi), e.like(x, ROUND_MAGIC))
    n = e.neg(e.sub(shifted, e.like(x, ROUND_MAGIC)))
    for part in parts:
        x = e.fma(n, e.like(x, part), x)
    return e.bits(shifted), x


def _sin_polynomial(e: Lanes, r: ir.Value, z: ir.Value) -> ir.Value:
    """sin(r) for z = r^2 and |r| <= pi/4, in float64."""
    return e.fma(e.mul(r, z), e.horner(table.SIN_TAIL_F64, z), r)


def _cos_polynomial(e: Lanes, z: ir.Value) -> ir.Value:
    """1 - z/2 + z^2 C(z), with the rounding error of 1 - z/2 kept."""
    one = e.like(z, 1.0)
    half = e.mul(z, e.like(z, 0.5))
    lead = e.sub(one, half)
    rest = e.fma(e.mul(z, z), e.horner(table.COS_TAIL_F64, z), e.sub(e.sub(one, lead), half))
    return e.add(lead, rest)


def _by_quadrant(e: Lanes, quadrant: ir.Value, r: ir.Value, shift: int) -> ir.Value:
    """sin(r + (quadrant + shift) pi/2) in float64."""
    b = e.builder
    if shift:
        quadrant = b.add(quadrant, e.constant(I64, shift))
    z = e.mul(r, r)
    odd = b.trunc(quadrant, e.type(ir.IntType(1)))
    value = e.select(odd, _cos_polynomial(e, z), _sin_polynomial(e, r, z))
    sign = b.shl(b.and_(quadrant, e.constant(I64, 2)), e.constant(I64, 62))
    return e.from_bits(b.xor(e.bits(value), sign), F64)


def _by_half_turns(e: Lanes, x: ir.Value, shift: int) -> ir.Value:
    """sin(x) or (`shift` 1) cos(x) in float32, from (-1)^n sin(x - n pi) in float64; for the cosine
    n lies between integers. Zeros keep their signs: they stay zero all along."""
    b, x = e.builder, e.widen(x)
    turns = e.mul(x, e.like(x, 1.0 / math.pi))
    if shift:
        turns = e.add(turns, e.like(x, 0.5))
    shifted = e.add(turns, e.like(x, ROUND_MAGIC))
    n = e.sub(e.like(x, ROUND_MAGIC), shifted)
    if shift:
        n = e.add(n, e.like(x, 0.5))
    r = e.fma(n, e.like(x, 2 * HALF_PI), x)
    r = e.fma(n, e.like(x, 2 * HALF_PI_2), r)
    z = e.mul(r, r)
    ratio = e.fma(z, e.horner(table.SIN_HALF_TURN_F64, z), e.like(x, 1.0))
    value = e.narrow(e.mul(r, ratio))
    parity = b.trunc(e.bits(shifted), e.type(I32))
    return e.from_bits(b.xor(e.bits(value), b.shl(parity, e.constant(I32, 31))), F32)


def _circular(e: Lanes, x: ir.Value, shift: int, libm: str) -> ir.Value:
    single = scalar_of(x.type) is F32

    def fast() -> ir.Value:
        if single:
            return _by_half_turns(e, x, shift)
        quadrant, r = _reduce(e, x, (HALF_PI, HALF_PI_2, HALF_PI_3))
        value = _by_quadrant(e, quadrant, r, shift)
        return value if shift else e.select(e.compare("==", x, e.like(x, 0.0)), x, value)

    limit = e.like(x, 2.0**48 if single else 2.0**30)
    huge = e.compare(">=", e.abs(x), limit)
    return e.unless_any(huge, fast, lambda: e.by_lane(libm + "f" * single, x))


def sin(e: Lanes, x: ir.Value) -> ir.Value:
    return e.helper("sin", lambda e, x: _circular(e, x, 0, "sin"), x)


def cos(e: Lanes, x: ir.Value) -> ir.Value:
    return e.helper("cos", lambda e, x: _circular(e, x, 1, "cos"), x)


def _tan(e: Lanes, x: ir.Value) -> ir.Value:
    def fast() -> ir.Value:
        quadrant, r = _reduce(e, e.widen(x), (HALF_PI, HALF_PI_2))
        z = e.mul(r, r)
        sine, cosine = _sin_polynomial(e, r, z), _cos_polynomial(e, z)
        odd = e.builder.trunc(quadrant, e.type(ir.IntType(1)))
        top, bottom = e.select(odd, e.neg(cosine), sine), e.select(odd, sine, cosine)
        value = e.narrow(e.div(top, bottom))
        return e.select(e.compare("==", x, e.like(x, 0.0)), x, value)

    huge = e.compare(">=", e.abs(x), e.like(x, 2.0**48))
    return e.unless_any(huge, fast, lambda: e.narrow(e.by_lane("tan", e.widen(x))))


def tan(e: Lanes, x: ir.Value) -> ir.Value:
    if scalar_of(x.type) is F64:
        return e.by_lane("tan", x)
    return e.helper("tan", _tan, x)


def _atan_unit(e: Lanes, t: ir.Value) -> ir.Value:
    """atan(t) for 0 <= t <= 1 in float32."""
    z = e.mul(t, t)
    return e.fma(e.mul(t, z), e.horner(table.ATAN_TAIL_F32, z), t)


def _from_half_pi(e: Lanes, multiple: int, p: ir.Value) -> ir.Value:
    """multiple * pi/2 - p in float32, with two parts of pi/2."""
    high = HALF_PI_F32 * multiple
    low = HALF_PI * multiple - high
    return e.add(e.sub(e.like(p, low), p), e.like(p, high))


def atan(e: Lanes, x: ir.Value) -> ir.Value:
    if scalar_of(x.type) is F64:
        return e.by_lane("atan", x)
    a, one = e.abs(x), e.like(x, 1.0)
    inverted = e.compare(">", a, one)
    p = _atan_unit(e, e.select(inverted, e.div(one, a), a))
    return e.copysign(e.select(inverted, _from_half_pi(e, 1, p), p), x)


def _atan2(e: Lanes, y: ir.Value, x: ir.Value) -> ir.Value:
    b = e.builder
    top, bottom = e.abs(y), e.abs(x)
    steep = e.compare(">", top, bottom)
    low, high = e.select(steep, bottom, top), e.select(steep, top, bottom)
    quotient = e.div(low, high)
    quotient = e.select(e.compare("==", high, e.like(x, 0.0)), e.like(x, 0.0), quotient)
    quotient = e.select(e.compare("==", low, e.like(x, math.inf)), e.like(x, 1.0), quotient)
    p = _atan_unit(e, quotient)
    negative = b.icmp_signed("<", e.bits(x), e.constant(I32, 0))
    # |angle| is p, pi/2 -+ p or pi - p.
    upright = e.select(negative, _from_half_pi(e, 1, e.neg(p)), _from_half_pi(e, 1, p))
    flat = e.select(negative, _from_half_pi(e, 2, p), p)
    angle = e.copysign(e.select(steep, upright, flat), y)
    unordered = b.fcmp_unordered("uno", x, y)
    return e.select(unordered, e.add(x, y), angle)


def atan2(e: Lanes, y: ir.Value, x: ir.Value) -> ir.Value:
    """The angle of the point (x, y)."""
    if scalar_of(x.type) is F64:
        return e.by_lane("atan2", y, x)
    return e.helper("atan2", _atan2, y, x)


def _asin_parts(e: Lanes, a: ir.Value) -> tuple[ir.Value, ir.Value]:
    """(a > 1/2, asin(a) or, above 1/2, asin(sqrt((1 - a) / 2))) for a >= 0 in float32."""
    large = e.compare(">", a, e.like(a, 0.5))
    reduced = e.mul(e.sub(e.like(a, 1.0), a), e.like(a, 0.5))
    z = e.select(large, reduced, e.mul(a, a))
    root = e.select(large, e.sqrt(reduced), a)
    return large, e.fma(e.mul(root, z), e.horner(table.ASIN_TAIL_F32, z), root)


def asin(e: Lanes, x: ir.Value) -> ir.Value:
    if scalar_of(x.type) is F64:
        return e.by_lane("asin", x)
    large, p = _asin_parts(e, e.abs(x))
    # The first difference is exact where the result is small.
    outer = e.add(e.sub(e.like(p, HALF_PI_F32), e.add(p, p)), e.like(p, HALF_PI - HALF_PI_F32))
    return e.copysign(e.select(large, outer, p), x)


def acos(e: Lanes, x: ir.Value) -> ir.Value:
    if scalar_of(x.type) is F64:
        return e.by_lane("acos", x)
    large, p = _asin_parts(e, e.abs(x))
    double = e.add(p, p)
    negative = e.compare("<", x, e.like(x, 0.0))
    outer = e.select(negative, _from_half_pi(e, 2, double), double)
    return e.select(large, outer, _from_half_pi(e, 1, e.copysign(p, x)))
