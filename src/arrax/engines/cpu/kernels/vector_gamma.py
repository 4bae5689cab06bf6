"""Vector math: gamma functions, Bessel functions, and functions of the native library by lane.

Functions of float32 compute in float64 and round once: log-gamma and digamma by their asymptotic
series (DLMF 5.11), the scaled Bessel functions by polynomials on both sides of 8.
"""

from __future__ import annotations

import math

from llvmlite import ir

from arrax.ops import coefficients as table
from . import vector_float as basic
from . import vector_trig
from .lanes import F64, Lanes, scalar_of

HALF_LOG_2PI = 0.91893853320467274178
LOG_PI = 1.1447298858494001741
# Bernoulli numbers B_2k over 2k (2k - 1), and over 2k, highest first.
STIRLING = (1 / 156, -691 / 360360, 1 / 1188, -1 / 1680, 1 / 1260, -1 / 360, 1 / 12)
DIGAMMA = (3617 / 8160, -1 / 12, 691 / 32760, -1 / 132, 1 / 240, -1 / 252, 1 / 120, -1 / 12)


def by_library(e: Lanes, name: str, *args: ir.Value) -> ir.Value:
    """`arrax_<name>` of src/native/special.cpp in every lane, in double precision."""
    if scalar_of(args[0].type) is F64:
        return e.by_lane(f"arrax_{name}", *args)
    return e.narrow(e.by_lane(f"arrax_{name}", *map(e.widen, args)))


def _fraction(e: Lanes, x: ir.Value) -> ir.Value:
    """The distance from the nearest integer, exact."""
    return e.sub(x, e.unary("roundeven", x))


def _lgamma_right(e: Lanes, z: ir.Value) -> ir.Value:
    """log Γ(z) for z >= 1/2: Stirling's series from 8 on, and the product of steps up to there."""
    far = e.compare(">=", z, e.like(z, 8.0))
    product = z
    for step in range(1, 8):
        product = e.mul(product, e.add(z, e.like(z, float(step))))
    w = e.select(far, z, e.add(z, e.like(z, 8.0)))
    inverse = e.div(e.like(z, 1.0), w)
    tail = e.mul(e.horner(STIRLING, e.mul(inverse, inverse)), inverse)
    main = e.sub(e.mul(e.sub(w, e.like(z, 0.5)), basic.log(e, w)), w)
    value = e.add(e.add(main, e.like(z, HALF_LOG_2PI)), tail)
    shift = basic.log(e, e.select(far, e.like(z, 1.0), product))
    return e.sub(value, shift)


def _lgamma(e: Lanes, x: ir.Value) -> ir.Value:
    wide = e.widen(x)
    one, half = e.like(wide, 1.0), e.like(wide, 0.5)
    left = e.compare("<", wide, half)

    def right_only() -> ir.Value:
        return _lgamma_right(e, wide)

    def reflected() -> ir.Value:  # log |Γ(x)| = log π - log |sin πx| - log Γ(1 - x)
        value = _lgamma_right(e, e.select(left, e.sub(one, wide), wide))
        sine = vector_trig.sin(e, e.mul(_fraction(e, wide), e.like(wide, math.pi)))
        mirrored = e.sub(e.sub(e.like(wide, LOG_PI), basic.log(e, e.abs(sine))), value)
        return e.select(left, mirrored, value)

    value = e.narrow(e.unless_any(left, right_only, reflected))
    root = e.builder.or_(e.compare("==", x, e.like(x, 1.0)), e.compare("==", x, e.like(x, 2.0)))
    value = e.select(root, e.like(x, 0.0), value)
    endless = e.compare("==", e.abs(x), e.like(x, math.inf))
    return e.select(endless, e.like(x, math.inf), value)


def lgamma(e: Lanes, x: ir.Value) -> ir.Value:
    """log |Γ(x)|; float64 by libm."""
    if scalar_of(x.type) is F64:
        return by_library(e, "lgamma", x)
    return e.helper("lgamma", _lgamma, x)


def _digamma_right(e: Lanes, z: ir.Value) -> ir.Value:
    """ψ(z) for z > 0: ψ(z + 6) less Σ 1 / (z + k), as one fraction."""
    numerator, denominator = e.like(z, 1.0), z
    for step in range(1, 6):
        following = e.add(z, e.like(z, float(step)))
        numerator = e.fma(numerator, following, denominator)
        denominator = e.mul(denominator, following)
    w = e.add(z, e.like(z, 6.0))
    inverse = e.div(e.like(z, 1.0), w)
    square = e.mul(inverse, inverse)
    tail = e.fma(square, e.horner(DIGAMMA, square), e.mul(inverse, e.like(z, -0.5)))
    return e.sub(e.add(basic.log(e, w), tail), e.div(numerator, denominator))


def _digamma(e: Lanes, x: ir.Value) -> ir.Value:
    wide = e.widen(x)
    left = e.compare("<=", wide, e.like(wide, 0.0))

    def right_only() -> ir.Value:
        return _digamma_right(e, wide)

    def reflected() -> ir.Value:  # ψ(x) = ψ(1 - x) - π / tan πx
        value = _digamma_right(e, e.select(left, e.sub(e.like(wide, 1.0), wide), wide))
        rest = _fraction(e, wide)
        angle = e.mul(rest, e.like(wide, math.pi))
        ratio = e.div(vector_trig.cos(e, angle), vector_trig.sin(e, angle))
        mirrored = e.sub(value, e.mul(ratio, e.like(wide, math.pi)))
        pole = e.compare("==", rest, e.like(wide, 0.0))
        mirrored = e.select(pole, e.like(wide, math.nan), mirrored)
        return e.select(left, mirrored, value)

    value = e.narrow(e.unless_any(left, right_only, reflected))
    endless = e.compare("==", x, e.like(x, math.inf))
    return e.select(endless, x, value)


def digamma(e: Lanes, x: ir.Value) -> ir.Value:
    """Γ'(x) / Γ(x); float64 by the library."""
    if scalar_of(x.type) is F64:
        return by_library(e, "digamma", x)
    return e.helper("digamma", _digamma, x)


ZETA_STEPS = 9  # terms that are summed before the Euler-Maclaurin formula takes over
BERNOULLI = (12.0, -720.0, 30240.0, -1209600.0, 47900160.0, -1.8924375803183791606e9)


def _zeta_plain(e: Lanes, s: ir.Value, q: ir.Value) -> ir.Value:
    """Σ (q + n)^-s for s > 1 and q > 0, as in special.cpp, to more than float32's precision."""
    total, a, power = e.like(s, 0.0), q, q
    for step in range(ZETA_STEPS + 1):
        a = e.add(q, e.like(q, float(step)))
        power = basic.exp(e, e.neg(e.mul(s, basic.log(e, a))))
        total = e.add(total, power)
    rest = e.div(e.mul(power, a), e.sub(s, e.like(s, 1.0)))
    total = e.add(total, e.fma(power, e.like(s, -0.5), rest))
    inverse = e.div(e.like(s, 1.0), a)
    square = e.mul(inverse, inverse)
    term = e.mul(e.mul(power, s), inverse)  # of s (s + 1) … over powers of a
    for k, each in enumerate(BERNOULLI):
        total = e.fma(term, e.like(s, 1.0 / each), total)
        steps = e.mul(e.add(s, e.like(s, 2.0 * k + 1)), e.add(s, e.like(s, 2.0 * k + 2)))
        term = e.mul(term, e.mul(steps, square))
    return total


def _zeta(e: Lanes, s: ir.Value, q: ir.Value) -> ir.Value:
    b, wide_s, wide_q = e.builder, e.widen(s), e.widen(q)
    usual = b.and_(e.compare(">", s, e.like(s, 1.0)), e.compare("<", s, e.like(s, 100.0)))
    usual = b.and_(usual, e.compare(">", q, e.like(q, 0.0)))
    usual = b.and_(usual, e.compare("<", q, e.like(q, 1e8)))
    return e.unless_any(b.not_(usual), lambda: e.narrow(_zeta_plain(e, wide_s, wide_q)),
                        lambda: by_library(e, "zeta", s, q))


def zeta(e: Lanes, s: ir.Value, q: ir.Value) -> ir.Value:
    """The Hurwitz zeta function; by the library in float64, and where operands are unusual."""
    if scalar_of(s.type) is F64:
        return by_library(e, "zeta", s, q)
    return e.helper("zeta", _zeta, s, q)


def _bessel(order: int) -> dict[bool, tuple[tuple[float, ...], tuple[float, ...]]]:
    """The polynomials near 0 and far from it, of float64 and of float32."""
    def of(name: str) -> tuple[float, ...]:
        return getattr(table, f"BESSEL_I{order}_{name}F64")  # type: ignore[no-any-return]
    return {True: (of("NEAR_"), of("FAR_")), False: (of("NEAR_LIGHT_"), of("FAR_LIGHT_"))}


TABLES = [_bessel(0), _bessel(1)]


def _scaled_bessel(order: int, e: Lanes, x: ir.Value) -> ir.Value:
    double = scalar_of(x.type) is F64
    near_table, far_table = TABLES[order][double]
    wide = x if double else e.widen(x)
    a = e.abs(wide)
    one = e.like(wide, 1.0)
    near = e.horner(near_table, e.sub(e.mul(e.at_most(a, 8.0), e.like(a, 0.25)), one))
    if order:
        near = e.mul(near, a)
    bounded = e.at_least(a, 8.0)
    inverse = e.div(e.like(a, 16.0), bounded)
    far = e.div(e.horner(far_table, e.sub(inverse, one)), e.sqrt(bounded))
    value = e.select(e.compare("<=", a, e.like(a, 8.0)), near, far)
    value = value if double else e.narrow(value)
    return e.copysign(value, x) if order else value


def bessel_i0e(e: Lanes, x: ir.Value) -> ir.Value:
    """e^-|x| I₀(x)."""
    return e.helper("bessel_i0e", lambda e, x: _scaled_bessel(0, e, x), x)


def bessel_i1e(e: Lanes, x: ir.Value) -> ir.Value:
    """e^-|x| I₁(x)."""
    return e.helper("bessel_i1e", lambda e, x: _scaled_bessel(1, e, x), x)
