"""Complex vector math in float64 pairs; complex64 goes through it and is rounded once.

Every function takes `Lanes` and the real and imaginary parts, and returns a pair. Sources: Kahan,
"Branch cuts for complex elementary functions" (1987), and Smith's division (1962).
"""

from __future__ import annotations

import math
from typing import Any

from llvmlite import ir

from . import vector_float as basic
from . import vector_special as special
from . import vector_trig as trig
from .lanes import F64, Lanes

Pair = tuple[ir.Value, ir.Value]


def _log1p(e: Lanes, x: ir.Value) -> ir.Value:
    return e.helper("log1p", basic.log1p, x)


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
    """sqrt(a^2 + b^2) without overflow, to about half an ulp: the root of the rounded sum, mended
    by what its roundings lost (C. Borges, 2021); infinite if either part is, whatever the other."""
    a, b = e.abs(a), e.abs(b)
    swap = e.compare("<", a, b)
    large, small = e.select(swap, b, a), e.select(swap, a, b)
    huge = e.compare(">", large, e.like(a, 2.0**500))
    tiny = e.compare("<", large, e.like(a, 2.0**-480))

    def factor(power: int) -> ir.Value:
        shrink, grow = e.like(a, 2.0**-power), e.like(a, 2.0**power)
        return e.select(huge, shrink, e.select(tiny, grow, e.like(a, 1.0)))

    x, y = e.mul(large, factor(600)), e.mul(small, factor(600))
    x_square = e.mul(x, x)
    root = e.sqrt(e.fma(y, y, x_square))
    root_square = e.mul(root, root)
    excess = e.fma(e.neg(y), y, e.sub(root_square, x_square))
    lost = e.sub(e.fma(root, root, e.neg(root_square)), e.fma(x, x, e.neg(x_square)))
    root = e.sub(root, e.div(e.add(excess, lost), e.add(root, root)))
    value = e.select(e.compare("==", small, e.like(a, 0.0)), large, e.mul(root, factor(-600)))
    infinity = e.like(a, math.inf)
    endless = e.builder.or_(e.compare("==", a, infinity), e.compare("==", b, infinity))
    return e.select(endless, infinity, value)


def square(e: Lanes, a: ir.Value, b: ir.Value) -> Pair:
    """(a - b)(a + b) + 2abi, whose real part is infinite only where the exact one is."""
    product = e.mul(a, b)
    return e.mul(e.sub(a, b), e.add(a, b)), e.add(product, product)


def sign(e: Lanes, a: ir.Value, b: ir.Value) -> Pair:
    """z / |z|, or 0 at 0."""
    size = magnitude(e, a, b)
    zero = e.compare("==", size, e.like(a, 0.0))
    return e.select(zero, a, e.div(a, size)), e.select(zero, b, e.div(b, size))


# ---- exponentials and logarithms ---------------------------------------------------------------


def _is_endless(e: Lanes, x: ir.Value) -> ir.Value:
    return e.compare("==", e.abs(x), e.like(x, math.inf))


def _is_finite(e: Lanes, x: ir.Value) -> ir.Value:
    return e.compare("<", e.abs(x), e.like(x, math.inf))


def _meet(e: Lanes, x: ir.Value, y: ir.Value, wins: ir.Value | None = None) -> ir.Value:
    """x * y, where y = 0 wins over infinities and NaNs, and x = 0 does where `wins` holds."""
    zero = e.compare("==", y, e.like(y, 0.0))
    if wins is not None:
        zero = e.builder.or_(zero, e.builder.and_(wins, e.compare("==", x, e.like(x, 0.0))))
    signs = e.from_bits(e.builder.xor(e.bits(x), e.bits(y)), F64)
    return e.select(zero, e.copysign(e.like(x, 0.0), signs), e.mul(x, y))


HALVINGS = 550  # by which sizes are made smaller, twice, where they would overflow


def _size(e: Lanes, a: ir.Value, half: bool = False) -> tuple[ir.Value, ir.Value]:
    """(size, unit) with exp(a), or half of it, = size * unit^2; see `_turn`."""
    big = e.compare(">", a, e.like(a, 700.0))
    bounded = e.at_least(e.at_most(a, 1460.0), -746.0)
    shift = 1.0 if half else 0.0
    power = e.select(big, e.like(a, -2.0 * HALVINGS - shift), e.like(a, -shift))
    s, w = basic.exp_factors(e, bounded, power)
    size = e.fma(s, w, w)
    size = e.select(e.compare("==", a, e.like(a, -math.inf)), e.like(a, 0.0), size)
    size = e.select(e.compare("==", a, e.like(a, math.inf)), a, size)
    return size, e.select(big, e.like(a, 2.0**HALVINGS), e.like(a, 1.0))


def _turn(e: Lanes, size: ir.Value, unit: ir.Value, part: ir.Value) -> ir.Value:
    """size * unit^2 * part for a sine or cosine, which may be finite where size * unit^2 is not; a
    part 0 wins over infinities and NaNs."""
    return e.mul(_meet(e, size, e.mul(part, unit)), unit)


def _where_lost(e: Lanes, a: ir.Value, b: ir.Value, inside: Pair, endless: Pair) -> Pair:
    """`endless` where a is infinite and b no angle (infinite or NaN), else `inside`."""
    lost = e.builder.and_(_is_endless(e, a), e.builder.not_(_is_finite(e, b)))
    return e.select(lost, endless[0], inside[0]), e.select(lost, endless[1], inside[1])


def exp(e: Lanes, a: ir.Value, b: ir.Value) -> Pair:
    size, unit = _size(e, a)
    real, imag = (_turn(e, size, unit, part(e, b)) for part in (trig.cos, trig.sin))
    zero = e.like(a, 0.0)
    vanishes = e.compare("<", a, zero)
    nan = e.select(vanishes, zero, e.like(a, math.nan))
    return _where_lost(e, a, b, (real, imag), (e.select(vanishes, zero, a), nan))


def _two_sum(e: Lanes, x: ir.Value, y: ir.Value) -> tuple[ir.Value, ir.Value]:
    """x + y as a rounded sum and its error."""
    total = e.add(x, y)
    part = e.sub(total, x)
    return total, e.add(e.sub(x, e.sub(total, part)), e.sub(y, part))


def _square_less_1(e: Lanes, a: ir.Value, b: ir.Value) -> ir.Value:
    """a^2 + b^2 - 1 without cancellation."""
    squares = [e.mul(x, x) for x in (a, b)]
    lost = [e.fma(x, x, e.neg(square)) for x, square in zip((a, b), squares)]
    first, rest = _two_sum(e, squares[0], e.like(a, -1.0))
    total, more = _two_sum(e, first, squares[1])
    return e.add(total, e.add(e.add(rest, more), e.add(*lost)))


def _log_magnitude(e: Lanes, a: ir.Value, b: ir.Value) -> ir.Value:
    """log|z|, by log1p where |z| is near 1; of a multiple where |z| overflows or is subnormal."""
    x, y = e.abs(a), e.abs(b)
    swap = e.compare("<", x, y)
    large, small = e.select(swap, y, x), e.select(swap, x, y)
    huge = e.compare(">", large, e.like(a, 2.0**1000))
    tiny = e.compare("<", large, e.like(a, 2.0**-960))

    def by_size(for_huge: float, for_tiny: float, else_: float) -> ir.Value:
        return e.select(huge, e.like(a, for_huge), e.select(
            tiny, e.like(a, for_tiny), e.like(a, else_)))

    factor = by_size(0.125, 2.0**100, 1.0)
    size = magnitude(e, e.mul(large, factor), e.mul(small, factor))
    near_one = e.mul(_log1p(e, _square_less_1(e, large, small)), e.like(a, 0.5))
    near = e.builder.and_(
        e.compare(">", size, e.like(a, 0.5)), e.compare("<", size, e.like(a, 2.0))
    )
    rest = by_size(3 * basic.LN_2, -100 * basic.LN_2, -0.0)
    return e.select(near, near_one, e.add(e.helper("log", basic.log, size), rest))


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
    """expm1(a) cos(b) - 2 sin(b/2)^2 + i exp(a) sin(b); exp(z) - 1 far from 0."""
    half = trig.sin(e, e.mul(b, e.like(b, 0.5)))
    lost = e.mul(e.mul(half, half), e.like(a, -2.0))
    near = e.fma(e.helper("expm1", basic.expm1, a), trig.cos(e, b), lost)
    whole, imag = exp(e, a, b)
    far = e.compare(">", e.abs(a), e.like(a, 40.0))
    real = e.select(far, e.sub(whole, e.like(a, 1.0)), near)
    on_axis = e.builder.and_(e.is_nan(a), e.compare("==", b, e.like(b, 0.0)))
    return real, e.select(on_axis, b, imag)


def sqrt(e: Lanes, a: ir.Value, b: ir.Value) -> Pair:
    """The root in the right half plane; of a multiple where both parts are near the subnormal."""
    large = e.select(e.compare("<", e.abs(a), e.abs(b)), e.abs(b), e.abs(a))
    tiny = e.compare("<", large, e.like(a, 2.0**-960))
    factor = e.select(tiny, e.like(a, 2.0**106), e.like(a, 1.0))
    inverse = e.select(tiny, e.like(a, 2.0**-53), e.like(a, 1.0))
    real, imag = _sqrt(e, e.mul(a, factor), e.mul(b, factor))
    return e.mul(real, inverse), e.mul(imag, inverse)


def _sqrt(e: Lanes, a: ir.Value, b: ir.Value) -> Pair:
    """The root of what is not subnormal; infinite imaginary parts win over NaN."""
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


def _hyperbolic(e: Lanes, x: ir.Value) -> tuple[ir.Value, ir.Value, ir.Value]:
    """(sinh(x), cosh(x), unit), both to be multiplied by `unit`, twice."""
    size, unit = _size(e, e.abs(x), half=True)
    large = e.compare(">", e.abs(x), e.like(x, 300.0))
    near = e.at_least(e.at_most(x, 300.0), -300.0)
    sh = e.select(large, e.copysign(size, x), e.helper("sinh", special.sinh, near))
    return sh, e.select(large, size, e.helper("cosh", special.cosh, near)), unit


def sinh(e: Lanes, a: ir.Value, b: ir.Value) -> Pair:
    sh, ch, unit = _hyperbolic(e, a)
    sine, cosine = _circular(e, b)
    real = e.mul(_meet(e, e.mul(cosine, unit), sh), unit)
    imag = _turn(e, ch, unit, sine)
    return _where_lost(e, a, b, (real, imag), (a, e.like(a, math.nan)))


def cosh(e: Lanes, a: ir.Value, b: ir.Value) -> Pair:
    sh, ch, unit = _hyperbolic(e, a)
    sine, cosine = _circular(e, b)
    sine = e.mul(sine, unit)
    imag = e.mul(_meet(e, sh, sine, e.compare("==", sh, e.like(a, 0.0))), unit)
    real = _turn(e, ch, unit, cosine)
    return _where_lost(e, a, b, (real, imag), (e.abs(a), e.like(a, math.nan)))


def sin(e: Lanes, a: ir.Value, b: ir.Value) -> Pair:
    """-i sinh(iz)."""
    imag, real = sinh(e, b, a)
    return real, imag


def cos(e: Lanes, a: ir.Value, b: ir.Value) -> Pair:
    """cosh(iz)."""
    return cosh(e, e.neg(b), a)


def tanh(e: Lanes, a: ir.Value, b: ir.Value) -> Pair:
    """Kahan's: with t = tan b, s = sinh a, c = cosh a, q = 1 + t^2, (q c s + i t) / (1 + q s^2).
    Far out 1 + 4 exp(-2|a|) sin b cos b i."""
    one, zero = e.like(a, 1.0), e.like(a, 0.0)
    limit = e.at_least(e.at_most(a, 22.0), -22.0)
    sh, ch, _ = _hyperbolic(e, limit)
    t = e.by_lane("tan", b)
    q = e.fma(t, t, one)
    denominator = e.fma(e.mul(q, sh), sh, one)
    real = e.div(e.mul(e.mul(q, ch), sh), denominator)
    imag = e.div(t, denominator)
    sine, cosine = _circular(e, b)
    fall, _ = _size(e, e.neg(e.abs(a)))
    far_imag = e.mul(e.mul(e.mul(sine, cosine), fall), e.mul(fall, e.like(a, 4.0)))
    far = e.compare(">", e.abs(a), e.like(a, 22.0))
    far_real = e.copysign(one, a)
    turned = e.select(_is_finite(e, b), far_real, e.like(a, math.nan))
    inside = e.select(far, turned, real), e.select(far, far_imag, imag)
    real, imag = _where_lost(e, a, b, inside, (far_real, e.copysign(zero, b)))
    # A part that is zero stays zero, whatever the other is.
    return e.select(e.compare("==", a, zero), a, real), e.select(
        e.compare("==", b, zero), b, imag
    )


def tan(e: Lanes, a: ir.Value, b: ir.Value) -> Pair:
    """-i tanh(iz)."""
    real, imag = tanh(e, e.neg(b), a)
    return imag, e.neg(real)


def logistic(e: Lanes, a: ir.Value, b: ir.Value) -> Pair:
    """1 / (1 + exp(-z)), or exp(z) / (1 + exp(z)) in the left half plane."""
    left = e.compare("<", a, e.like(a, 0.0))
    real, imag = exp(e, e.neg(e.abs(a)), e.select(left, b, e.neg(b)))
    one, zero = e.like(a, 1.0), e.like(a, 0.0)
    above = e.select(left, real, one), e.select(left, imag, zero)
    return divide(e, *above, e.add(real, one), imag)


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
    "square": square,
    "div": divide,
    "pow": pow,
}
