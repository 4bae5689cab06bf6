"""Vector math in the precision of its operand (float32 or float64): exp, log, logistic, tanh, ...

Every function takes a `Lanes` and bare LLVM values, is free of branches, keeps special values
(NaN, infinities, signed zeros, denormals) and is right to 2 ulp. Range reductions are Cody and
Waite's; the polynomials come from `tools/fit_polynomials.py`. The schemes are those of fdlibm
(log, log1p in float64), Cephes (log in float32, tanh) and Giles (erf_inv).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

from llvmlite import ir

from arrax.ops import coefficients as table
from .lanes import F32, F64, I32, I64, Lanes, native_vector_bits, scalar_of, scale_by_power


class Format(NamedTuple):
    """What the algorithms must know about a floating-point format."""

    integer: ir.IntType
    mantissa: int  # stored bits of the significand
    bias: int
    ln2_high: float  # log(2), the first part short enough for exact products with exponents
    ln2_low: float
    exp_low: float  # exp underflows to 0 below, overflows above
    exp_high: float
    exp2_low: float
    tiny: float  # smallest normal number
    sqrt_half: int  # bits of sqrt(1/2)


FORMATS = {
    F32: Format(
        I32,
        23,
        127,
        0.693145751953125,
        1.428606765330187e-06,
        -104.0,
        89.0,
        -151.0,
        2.0**-126,
        0x3F3504F3,
    ),
    F64: Format(
        I64,
        52,
        1023,
        0.6931471803691238,
        1.9082149292705877e-10,
        -746.0,
        710.0,
        -1076.0,
        2.0**-1022,
        0x3FE6A09E667F3BCD,
    ),
}
INFINITY = math.inf
LOG2_E = 1.4426950408889634
LN_2 = 0.6931471805599453


def scale(e: Lanes, x: ir.Value, exponent: ir.Value) -> ir.Value:
    """x * 2^exponent, by one instruction where the machine has it."""
    scalar = scalar_of(x.type)
    bits = e.lanes * (32 if scalar is F32 else 64)
    if native_vector_bits() == 512 and bits in (128, 256, 512, 1024):
        return _scalef(e, x, exponent, bits)
    return scale_by_power(e, x, exponent)


def _scalef(e: Lanes, x: ir.Value, exponent: ir.Value, bits: int) -> ir.Value:
    """AVX-512's VSCALEF; two of them for a pair of registers."""
    if bits == 1024:
        half = e.lanes // 2
        parts = []
        for start in (0, half):
            mask = ir.Constant(ir.VectorType(I32, half), list(range(start, start + half)))
            low, power = (e.builder.shuffle_vector(v, v, mask) for v in (x, exponent))
            parts.append(_scalef(Lanes(e.builder, half), low, power, 512))
        every = ir.Constant(ir.VectorType(I32, e.lanes), list(range(e.lanes)))
        return e.builder.shuffle_vector(parts[0], parts[1], every)
    suffix = "ps" if scalar_of(x.type) is F32 else "pd"
    mask_type = ir.IntType(max(e.lanes, 8))
    args = [x, exponent, x, ir.Constant(mask_type, -1)]
    if bits == 512:
        args.append(ir.Constant(I32, 4))
    function = e.declared(
        f"llvm.x86.avx512.mask.scalef.{suffix}.{bits}", x.type, [a.type for a in args]
    )
    return e.builder.call(function, args)


# x / log(2) is rounded so much below the nearest integer: exp(r) then lies in [0.75, 1.5], where
# the roundings of r and exp(r) - 1 are small beside the sum's last place, which halves below 1.
EXP_BIAS = 0.08496


def _exp_reduced(e: Lanes, x: ir.Value, n: ir.Value | None = None) -> tuple[ir.Value, ir.Value]:
    """(n, r) with x = n log(2) + r and -0.288 <= r <= 0.406; another n may be given."""
    form = FORMATS[scalar_of(x.type)]
    if n is None:
        n = e.unary("roundeven", e.fma(x, e.like(x, LOG2_E), e.like(x, -EXP_BIAS)))
    r = e.fma(n, e.like(x, -form.ln2_high), x)
    return n, e.fma(n, e.like(x, -form.ln2_low), r)


def _tail(e: Lanes, x: ir.Value, single: tuple[float, ...], double: tuple[float, ...]) -> ir.Value:
    return e.horner(single if scalar_of(x.type) is F32 else double, x)


def _exp_less_1(e: Lanes, r: ir.Value) -> ir.Value:
    """exp(r) - 1 for a reduced r."""
    return e.fma(e.mul(r, r), _tail(e, r, table.EXP_TAIL_F32, table.EXP_TAIL_F64), r)


def exp(e: Lanes, x: ir.Value, power: float = 0.0) -> ir.Value:
    """exp(x) * 2^power."""
    form = FORMATS[scalar_of(x.type)]
    x = e.at_least(e.at_most(x, form.exp_high - power), form.exp_low)
    n, r = _exp_reduced(e, x)
    p = e.add(_exp_less_1(e, r), e.like(x, 1.0))
    return scale(e, p, e.add(n, e.like(x, power)) if power else n)


def exp_in_two(e: Lanes, x: ir.Value, power: float) -> tuple[ir.Value, ir.Value]:
    """exp(x) * 2^power as the sum of a float and a smaller one, for x that overflow neither way."""
    n, r = _exp_reduced(e, x)
    less_1, one = _exp_less_1(e, r), e.like(x, 1.0)
    high = e.add(one, less_1)
    low = e.add(e.sub(one, high), less_1)
    exponent = e.add(n, e.like(x, power))
    return scale(e, high, exponent), scale(e, low, exponent)


def exp_factors(e: Lanes, x: ir.Value, power: ir.Value | None = None) -> tuple[ir.Value, ir.Value]:
    """(s, w) with exp(x) 2^power = (1 + s) w and w a power of two: sums with it round once."""
    n, r = _exp_reduced(e, x)
    n = n if power is None else e.add(n, power)
    return _exp_less_1(e, r), scale(e, e.like(x, 1.0), n)


def exp2(e: Lanes, x: ir.Value) -> ir.Value:
    """2^x."""
    form = FORMATS[scalar_of(x.type)]
    x = e.at_least(e.at_most(x, float(form.bias + 2)), form.exp2_low)
    n = e.unary("roundeven", x)
    q = _tail(e, e.sub(x, n), table.EXP2_TAIL_F32, table.EXP2_TAIL_F64)
    return scale(e, e.fma(e.sub(x, n), q, e.like(x, 1.0)), n)


def expm1(e: Lanes, x: ir.Value) -> ir.Value:
    """exp(x) - 1, precise near 0: up to 1/2 by its polynomial, without a power of two."""
    form = FORMATS[scalar_of(x.type)]
    clipped = e.at_least(e.at_most(x, form.exp_high), -40.0)
    n = e.unary("roundeven", e.mul(clipped, e.like(x, LOG2_E)))
    n = e.select(e.compare("<", e.abs(x), e.like(x, 0.5)), e.like(x, 0.0), n)
    n, r = _exp_reduced(e, clipped, n)
    p = e.fma(e.mul(r, r), _tail(e, r, table.EXPM1_TAIL_F32, table.EXPM1_TAIL_F64), r)
    half_power = scale(e, e.like(x, 0.5), n)
    result = e.fma(p, half_power, e.sub(half_power, e.like(x, 0.5)))
    # x itself when tiny, so that -0 and denormals come back unchanged.
    tiny = e.compare("<", e.abs(x), e.like(x, 2.0 ** (-form.mantissa - 2)))
    return e.select(tiny, x, e.add(result, result))


def _split(e: Lanes, bits: ir.Value, form: Format, scalar: ir.Type) -> tuple[ir.Value, ir.Value]:
    """(exponent as integer, mantissa in [sqrt(1/2), sqrt(2))) of a positive normal number."""
    b = e.builder
    offset = b.sub(bits, e.constant(form.integer, form.sqrt_half))
    exponent = b.ashr(offset, e.constant(form.integer, form.mantissa))
    shifted = b.shl(exponent, e.constant(form.integer, form.mantissa))
    return exponent, e.from_bits(b.sub(bits, shifted), scalar)


def _log_mantissa(e: Lanes, f: ir.Value, k: ir.Value) -> ir.Value:
    """log(1 + f) + k log(2) for 1 + f in [sqrt(1/2), sqrt(2)]."""
    form = FORMATS[scalar_of(f.type)]
    half_square = e.mul(e.mul(f, f), e.like(f, 0.5))
    low = e.like(f, form.ln2_low)
    if scalar_of(f.type) is F32:
        cubic = e.mul(e.mul(e.mul(f, f), f), e.horner(table.LOG_TAIL_F32, f))
        rest = e.fma(k, low, e.sub(cubic, half_square))
        return e.fma(k, e.like(f, form.ln2_high), e.add(f, rest))
    s = e.div(f, e.add(f, e.like(f, 2.0)))
    z = e.mul(s, s)
    ratio = e.mul(z, e.horner(table.LOG_RATIO_F64, z))
    lead = e.fma(e.mul(f, e.like(f, -0.5)), f, f)  # f - f^2/2, and what its rounding lost
    lost = e.fma(e.mul(f, e.like(f, -0.5)), f, e.sub(f, lead))
    rest = e.fma(s, e.add(half_square, ratio), e.fma(k, low, lost))
    return e.fma(k, e.like(f, form.ln2_high), e.add(lead, rest))


def _log_special(e: Lanes, x: ir.Value, result: ir.Value, zero: float) -> ir.Value:
    """The values of log at `zero` (minus infinity), below (NaN), at infinity and at NaN."""
    result = e.select(e.compare("<", x, e.like(x, INFINITY)), result, x)
    result = e.select(e.compare("==", x, e.like(x, zero)), e.like(x, -INFINITY), result)
    return e.select(e.compare("<", x, e.like(x, zero)), e.like(x, math.nan), result)


def log(e: Lanes, x: ir.Value) -> ir.Value:
    """The natural logarithm."""
    scalar = scalar_of(x.type)
    form = FORMATS[scalar]
    small = e.compare("<", x, e.like(x, form.tiny))
    shift = form.mantissa + 2
    normal = e.select(small, e.mul(x, e.like(x, 2.0**shift)), x)
    exponent, m = _split(e, e.bits(normal), form, scalar)
    k = e.to_float(exponent, scalar)
    k = e.select(small, e.sub(k, e.like(x, float(shift))), k)
    return _log_special(e, x, _log_mantissa(e, e.sub(m, e.like(x, 1.0)), k), 0.0)


def log1p(e: Lanes, x: ir.Value) -> ir.Value:
    """log(1 + x), precise near 0."""
    scalar = scalar_of(x.type)
    form = FORMATS[scalar]
    b, one = e.builder, e.like(x, 1.0)
    u = e.add(x, one)
    exponent, m = _split(e, e.bits(u), form, scalar)
    # 2^-exponent; wrong for the largest x only, where 1 + x == x makes it unneeded.
    inverse = e.from_bits(
        b.shl(
            b.sub(e.constant(form.integer, form.bias), exponent),
            e.constant(form.integer, form.mantissa),
        ),
        scalar,
    )
    big = e.compare(">", x, e.like(x, 2.0 ** (form.mantissa + 2)))
    f = e.select(big, e.sub(m, one), e.fma(x, inverse, e.sub(inverse, one)))
    result = _log_mantissa(e, f, e.to_float(exponent, scalar))
    tiny = e.compare("<", e.abs(x), e.like(x, 2.0 ** (-form.mantissa - 2)))
    return _log_special(e, x, e.select(tiny, x, result), -1.0)


def logistic(e: Lanes, x: ir.Value) -> ir.Value:
    """1 / (1 + exp(-x)). The quotient is mended by what its own rounding and that of the sum left
    over. Where the sum would overflow it is made smaller by a power of two, and so the quotient."""
    form, one = FORMATS[scalar_of(x.type)], e.like(x, 1.0)
    margin = form.exp_high / 2
    x = e.at_least(e.at_most(x, margin), form.exp_low)
    far = e.compare("<", x, e.like(x, -margin))
    scaled = e.select(far, e.like(x, 2.0 ** (-form.bias // 2)), one)
    power = e.select(far, e.like(x, -form.bias // 2), e.like(x, 0.0))
    s, w = exp_factors(e, e.neg(x), power)
    unit = e.add(scaled, w)
    total = e.fma(s, w, unit)
    quotient = e.div(one, total)
    lost = e.fma(s, w, e.sub(unit, total))
    rest = e.fma(e.neg(quotient), lost, e.fma(e.neg(quotient), total, one))
    return e.mul(e.fma(rest, quotient, quotient), scaled)


def tanh(e: Lanes, x: ir.Value) -> ir.Value:
    """An odd polynomial near 0, else 1 - 2 / (exp(2|x|) + 1)."""
    single, one = scalar_of(x.type) is F32, e.like(x, 1.0)
    a = e.abs(x)
    z = e.mul(x, x)
    odd = e.fma(e.mul(z, x), _tail(e, z, table.TANH_TAIL_F32, table.TANH_TAIL_F64), x)
    s, w = exp_factors(e, e.at_most(e.add(a, a), 40.0))
    big = e.sub(one, e.div(e.like(x, 2.0), e.fma(s, w, e.add(one, w))))
    near = e.compare("<", a, e.like(x, 0.95 if single else 0.55))
    return e.copysign(e.select(near, odd, big), x)


def erf_inv(e: Lanes, x: ir.Value) -> ir.Value:
    """The inverse of erf by M. Giles, "Approximating the erfinv function" (2011)."""
    w = e.neg(log1p(e, e.neg(e.mul(x, x))))
    if scalar_of(x.type) is F32:
        near = e.compare("<", w, e.like(x, 5.0))
        t = e.select(near, e.sub(w, e.like(x, 2.5)), e.sub(e.sqrt(w), e.like(x, 3.0)))
        p = _choose_horner(e, t, [(near, GILES_NEAR_F32)], GILES_FAR_F32)
    else:
        near = e.compare("<", w, e.like(x, 6.25))
        middle = e.compare("<", w, e.like(x, 16.0))
        shift = e.select(middle, e.like(x, 3.25), e.like(x, 5.0))
        t = e.select(near, e.sub(w, e.like(x, 3.125)), e.sub(e.sqrt(w), shift))
        padded = [(near, GILES_NEAR_F64), (middle, (0.0,) * 4 + GILES_MIDDLE_F64)]
        p = _choose_horner(e, t, padded, (0.0,) * 6 + GILES_FAR_F64)
    edge = e.compare("==", e.abs(x), e.like(x, 1.0))
    return e.mul(e.select(edge, e.like(x, INFINITY), p), x)


def _choose_horner(
    e: Lanes,
    t: ir.Value,
    cases: Sequence[tuple[ir.Value, tuple[float, ...]]],
    last: tuple[float, ...],
) -> ir.Value:
    """A polynomial whose coefficients depend on the lane: the first case that holds, or `last`."""
    total: ir.Value | None = None
    for index, fallback in enumerate(last):
        coefficient: ir.Value = e.like(t, fallback)
        for condition, row in reversed(cases):
            coefficient = e.select(condition, e.like(t, row[index]), coefficient)
        total = coefficient if total is None else e.fma(total, t, coefficient)
    return total


# fmt: off
GILES_NEAR_F32 = (2.81022636e-08, 3.43273939e-07, -3.5233877e-06, -4.39150654e-06, 0.00021858087,
                  -0.00125372503, -0.00417768164, 0.246640727, 1.50140941)
GILES_FAR_F32 = (-0.000200214257, 0.000100950558, 0.00134934322, -0.00367342844, 0.00573950773,
                 -0.0076224613, 0.00943887047, 1.00167406, 2.83297682)
GILES_NEAR_F64 = (
    -3.6444120640178196996e-21, -1.685059138182016589e-19, 1.2858480715256400167e-18,
    1.115787767802518096e-17, -1.333171662854620906e-16, 2.0972767875968561637e-17,
    6.6376381343583238325e-15, -4.0545662729752068639e-14, -8.1519341976054721522e-14,
    2.6335093153082322977e-12, -1.2975133253453532498e-11, -5.4154120542946279317e-11,
    1.051212273321532285e-09, -4.1126339803469836976e-09, -2.9070369957882005086e-08,
    4.2347877827932403518e-07, -1.3654692000834678645e-06, -1.3882523362786468719e-05,
    0.0001867342080340571352, -0.00074070253416626697512, -0.0060336708714301490533,
    0.24015818242558961693, 1.6536545626831027356)
GILES_MIDDLE_F64 = (
    2.2137376921775787049e-09, 9.0756561938885390979e-08, -2.7517406297064545428e-07,
    1.8239629214389227755e-08, 1.5027403968909827627e-06, -4.013867526981545969e-06,
    2.9234449089955446044e-06, 1.2475304481671778723e-05, -4.7318229009055733981e-05,
    6.8284851459573175448e-05, 2.4031110387097893999e-05, -0.0003550375203628474796,
    0.00095328937973738049703, -0.0016882755560235047313, 0.0024914420961078508066,
    -0.0037512085075692412107, 0.005370914553590063617, 1.0052589676941592334,
    3.0838856104922207635)
GILES_FAR_F64 = (
    -2.7109920616438573243e-11, -2.5556418169965252055e-10, 1.5076572693500548083e-09,
    -3.7894654401267369937e-09, 7.6157012080783393804e-09, -1.4960026627149240478e-08,
    2.9147953450901080826e-08, -6.7711997758452339498e-08, 2.2900482228026654717e-07,
    -9.9298272942317002539e-07, 4.5260625972231537039e-06, -1.9681778105531670567e-05,
    7.5995277030017761139e-05, -0.00021503011930044477347, -0.00013871931833623122026,
    1.0103004648645343977, 4.8499064014085844221)
# fmt: on
