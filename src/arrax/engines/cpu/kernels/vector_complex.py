"""Complex vector math in float64 pairs; complex64 goes through it and is rounded once.

Every function takes `Lanes` and the real and imaginary parts, and returns a pair. Sources: Kahan,
"Branch cuts for complex elementary functions" (1987), and Smith's division (1962).
"""

from __future__ import annotations

import math
from typing import Any

from llvmlite import ir

from . import vector_float as basic
from . import vector_trig as trig
from .lanes import Lanes

Pair = tuple[ir.Value, ir.Value]


def _log1p(e: Lanes, x: ir.Value) -> ir.Value:
    return e.helper("log1p", basic.log1p, x)


def _exp(e: Lanes, x: ir.Value) -> ir.Value:
    return e.helper("exp", basic.exp, x)


def multiply(e: Lanes, a: ir.Value, b: ir.Value, c: ir.Value, d: ir.Value) -> Pair:
    """(a + bi)(c + di)."""
    return e.sub(e.mul(a, c), e.mul(b, d)), e.add(e.mul(a, d), e.mul(b, c))


def divide(e: Lanes, a: ir.Value, b: ir.Value, c: ir.Value, d: ir.Value) -> Pair:
    """(a + bi) / (c + di) by Smith's scaling; division by 0 gives infinities or NaN."""
    steep = e.compare("<", e.abs(c), e.abs(d))
    large, small = e.select(steep, d, c), e.select(steep, c, d)
    zero = e.like(a, 0.0)
    ratio = e.div(small, large)
    ratio = e.select(e.compare("==", large, zero), zero, ratio)
    denominator = e.fma(small, ratio, large)
    top, other = e.select(steep, b, a), e.select(steep, a, b)
    real = e.div(e.fma(other, ratio, top), denominator)
    flipped = e.div(e.fma(e.neg(top), ratio, other), denominator)
    imag = e.select(steep, e.neg(flipped), flipped)
    # A finite number over an infinite one vanishes, NaN parts or not.
    infinity = e.like(a, math.inf)
    endless, finite = (
        combine(e.compare(operator, e.abs(p), infinity), e.compare(operator, e.abs(q), infinity))
        for combine, operator, p, q in ((e.builder.or_, "==", c, d), (e.builder.and_, "<", a, b))
    )
    vanishes = e.builder.and_(endless, finite)
    return e.select(vanishes, zero, real), e.select(vanishes, zero, imag)


def magnitude(e: Lanes, a: ir.Value, b: ir.Value) -> ir.Value:
    """sqrt(a^2 + b^2) without overflow; infinite if either part is."""
    a, b = e.abs(a), e.abs(b)
    swap = e.compare("<", a, b)
    large, small = e.select(swap, b, a), e.select(swap, a, b)
    ratio = e.div(small, large)
    value = e.mul(large, e.sqrt(e.fma(ratio, ratio, e.like(a, 1.0))))
    value = e.select(e.compare("==", small, e.like(a, 0.0)), large, value)
    infinity = e.like(a, math.inf)
    endless = e.builder.or_(e.compare("==", a, infinity), e.compare("==", b, infinity))
    return e.select(endless, infinity, value)


def sign(e: Lanes, a: ir.Value, b: ir.Value) -> Pair:
    """z / |z|, or 0 at 0."""
    size = magnitude(e, a, b)
    zero = e.compare("==", size, e.like(a, 0.0))
    return e.select(zero, a, e.div(a, size)), e.select(zero, b, e.div(b, size))


def _times(e: Lanes, size: ir.Value, factor: ir.Value) -> ir.Value:
    """size * factor where a factor 0 wins over an infinite size."""
    return e.select(e.compare("==", factor, e.like(factor, 0.0)), factor, e.mul(size, factor))


def exp(e: Lanes, a: ir.Value, b: ir.Value) -> Pair:
    size = _exp(e, a)
    real_axis = e.compare("==", b, e.like(b, 0.0))
    vanished = e.compare("==", size, e.like(a, 0.0))
    cosine = e.select(real_axis, e.like(b, 1.0), trig.cos(e, b))
    sine = e.select(real_axis, b, trig.sin(e, b))
    real, imag = e.mul(size, cosine), _times(e, size, sine)
    zero = e.like(a, 0.0)
    return e.select(vanished, zero, real), e.select(vanished, zero, imag)


def _log_magnitude(e: Lanes, a: ir.Value, b: ir.Value) -> ir.Value:
    """log|z|, by log1p where |z| is near 1."""
    size = magnitude(e, a, b)
    x, y = e.abs(a), e.abs(b)
    swap = e.compare("<", x, y)
    large, small = e.select(swap, y, x), e.select(swap, x, y)
    one = e.like(a, 1.0)
    above = e.fma(e.sub(large, one), e.add(large, one), e.mul(small, small))
    near_one = e.mul(_log1p(e, above), e.like(a, 0.5))
    near = e.builder.and_(
        e.compare(">", size, e.like(a, 0.5)), e.compare("<", size, e.like(a, 2.0))
    )
    return e.select(near, near_one, e.helper("log", basic.log, size))


def log(e: Lanes, a: ir.Value, b: ir.Value) -> Pair:
    return _log_magnitude(e, a, b), trig.atan2(e, b, a)


def log1p(e: Lanes, a: ir.Value, b: ir.Value) -> Pair:
    """log(1 + z): half of log1p(a (2 + a) + b^2) where z is small."""
    one = e.like(a, 1.0)
    shifted = e.add(a, one)
    small = e.builder.and_(
        e.compare("<", e.abs(a), e.like(a, 0.5)), e.compare("<", e.abs(b), e.like(a, 0.5))
    )
    argument = e.fma(a, e.add(a, e.like(a, 2.0)), e.mul(b, b))
    fine = e.mul(_log1p(e, argument), e.like(a, 0.5))
    return e.select(small, fine, _log_magnitude(e, shifted, b)), trig.atan2(e, b, shifted)


def expm1(e: Lanes, a: ir.Value, b: ir.Value) -> Pair:
    """expm1(a) cos(b) - 2 sin(b/2)^2 + i exp(a) sin(b)."""
    half = trig.sin(e, e.mul(b, e.like(b, 0.5)))
    lost = e.mul(e.mul(half, half), e.like(a, -2.0))
    real = e.fma(e.helper("expm1", basic.expm1, a), trig.cos(e, b), lost)
    return real, _times(e, _exp(e, a), trig.sin(e, b))


def sqrt(e: Lanes, a: ir.Value, b: ir.Value) -> Pair:
    """The root in the right half plane; infinite imaginary parts win over NaN."""
    zero = e.like(a, 0.0)
    half = e.like(a, 0.5)
    size = magnitude(e, e.mul(a, half), e.mul(b, half))
    root = e.sqrt(e.fma(e.abs(a), half, size))
    origin = e.compare("==", root, zero)
    other = e.select(origin, zero, e.div(e.mul(b, half), root))
    left = e.compare("<", a, zero)
    real = e.select(left, e.abs(other), root)
    imag = e.select(left, e.copysign(root, b), other)
    imag = e.select(origin, b, imag)
    endless = e.compare("==", e.abs(b), e.like(b, math.inf))
    infinity = e.like(a, math.inf)
    finite_right = e.compare("==", a, infinity)
    imag = e.select(
        e.builder.and_(finite_right, e.compare("<", e.abs(b), infinity)), e.copysign(zero, b), imag
    )
    return e.select(endless, infinity, real), e.select(endless, b, imag)


def rsqrt(e: Lanes, a: ir.Value, b: ir.Value) -> Pair:
    root = sqrt(e, a, b)
    return divide(e, e.like(a, 1.0), e.like(a, 0.0), *root)


def _circular(e: Lanes, x: ir.Value) -> Pair:
    return trig.sin(e, x), trig.cos(e, x)


def _hyperbolic(e: Lanes, x: ir.Value) -> Pair:
    return e.by_lane("sinh", x), e.by_lane("cosh", x)


def sinh(e: Lanes, a: ir.Value, b: ir.Value) -> Pair:
    sh, ch = _hyperbolic(e, a)
    sine, cosine = _circular(e, b)
    return _times(e, cosine, sh), _times(e, ch, sine)


def cosh(e: Lanes, a: ir.Value, b: ir.Value) -> Pair:
    sh, ch = _hyperbolic(e, a)
    sine, cosine = _circular(e, b)
    return e.mul(ch, cosine), e.mul(sh, sine)


def sin(e: Lanes, a: ir.Value, b: ir.Value) -> Pair:
    """-i sinh(iz)."""
    imag, real = sinh(e, b, a)
    return real, imag


def cos(e: Lanes, a: ir.Value, b: ir.Value) -> Pair:
    """cosh(iz)."""
    return cosh(e, e.neg(b), a)


def tanh(e: Lanes, a: ir.Value, b: ir.Value) -> Pair:
    """Kahan's: with t = tan b, s = sinh a, c = cosh a, q = 1 + t^2, (q c s + i t) / (1 + q s^2)."""
    limit = e.at_least(e.at_most(a, 22.0), -22.0)
    sh, ch = _hyperbolic(e, limit)
    t = e.by_lane("tan", b)
    one = e.like(a, 1.0)
    q = e.fma(t, t, one)
    denominator = e.fma(e.mul(q, sh), sh, one)
    real = e.div(e.mul(e.mul(q, ch), sh), denominator)
    imag = e.div(t, denominator)
    far = e.compare(">", e.abs(a), e.like(a, 22.0))
    return e.select(far, e.copysign(one, a), real), e.select(
        far, e.copysign(e.like(a, 0.0), t), imag
    )


def tan(e: Lanes, a: ir.Value, b: ir.Value) -> Pair:
    """-i tanh(iz)."""
    real, imag = tanh(e, e.neg(b), a)
    return imag, e.neg(real)


def logistic(e: Lanes, a: ir.Value, b: ir.Value) -> Pair:
    real, imag = exp(e, e.neg(a), e.neg(b))
    return divide(e, e.like(a, 1.0), e.like(a, 0.0), e.add(real, e.like(a, 1.0)), imag)


def pow(e: Lanes, a: ir.Value, b: ir.Value, c: ir.Value, d: ir.Value) -> Pair:
    """exp(w log z); z^0 = 1 and 0^w = 0."""
    real, imag = log(e, a, b)
    result = exp(e, *multiply(e, c, d, real, imag))
    zero, one = e.like(a, 0.0), e.like(a, 1.0)
    base_zero = e.builder.and_(e.compare("==", a, zero), e.compare("==", b, zero))
    power_zero = e.builder.and_(e.compare("==", c, zero), e.compare("==", d, zero))
    real = e.select(base_zero, zero, result[0])
    imag = e.select(e.builder.or_(base_zero, power_zero), zero, result[1])
    return e.select(power_zero, one, real), imag


FUNCTIONS: dict[str, Any] = {
    "exp": exp,
    "log": log,
    "log1p": log1p,
    "expm1": expm1,
    "sqrt": sqrt,
    "rsqrt": rsqrt,
    "sin": sin,
    "cos": cos,
    "tan": tan,
    "sinh": sinh,
    "cosh": cosh,
    "tanh": tanh,
    "logistic": logistic,
    "sign": sign,
    "div": divide,
    "pow": pow,
}
