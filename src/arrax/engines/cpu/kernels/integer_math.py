"""Integer arithmetic that never traps, shifts, remainders, and the Threefry block function.

The corner cases are XLA's: x / 0 = -1 (all bits set), x % 0 = x, MIN / -1 = MIN, MIN % -1 = 0; a
shift by the width or more gives 0 (or the sign, for the arithmetic one).
"""

from __future__ import annotations

from llvmlite import ir

from .lanes import F16, F32, F64, I16, I32, I64, Lanes, Splat, mangled, scalar_of


def _safe_divisor(e: Lanes, x: ir.Value, y: ir.Value, signed: bool) -> tuple[ir.Value, ir.Value]:
    """(y == 0, y or 1 where the division would trap)."""
    b = e.builder
    zero = b.icmp_unsigned("==", y, e.like(y, 0))
    unsafe = zero
    if signed:
        lowest = e.like(x, -(1 << (scalar_of(x.type).width - 1)))
        overflow = b.and_(b.icmp_unsigned("==", x, lowest), b.icmp_unsigned("==", y, e.like(y, -1)))
        unsafe = b.or_(zero, overflow)
    return zero, e.select(unsafe, e.like(y, 1), y)


def _quotient(e: Lanes, x: ir.Value, y: ir.Value, signed: bool) -> ir.Value:
    """x / y for a safe divisor. Machines have no vector division of integers: up to 32 bits the
    float64 quotient, cut, is exact. A constant divisor is better left to LLVM."""
    b = e.builder
    if e.lanes == 1 or scalar_of(x.type).width == 64 or isinstance(y, ir.Constant):
        return (b.sdiv if signed else b.udiv)(x, y)
    to_float, to_int = (b.sitofp, b.fptosi) if signed else (b.uitofp, b.fptoui)
    wide = e.type(F64)
    return to_int(b.fdiv(to_float(x, wide), to_float(y, wide)), x.type)


def divide(e: Lanes, x: ir.Value, y: ir.Value, signed: bool) -> ir.Value:
    if isinstance(y, Splat) and y.number not in (0, -1):
        return _quotient(e, x, y, signed)
    zero, safe = _safe_divisor(e, x, y, signed)
    return e.select(zero, e.like(x, -1), _quotient(e, x, safe, signed))


def remainder(e: Lanes, x: ir.Value, y: ir.Value, signed: bool) -> ir.Value:
    b = e.builder
    if isinstance(y, Splat) and y.number not in (0, -1):
        return b.sub(x, b.mul(_quotient(e, x, y, signed), y))
    zero, safe = _safe_divisor(e, x, y, signed)
    rest = b.sub(x, b.mul(_quotient(e, x, safe, signed), safe))
    return e.select(zero, x, rest)


def _power_body(signed: bool, e: Lanes, x: ir.Value, y: ir.Value) -> ir.Value:
    """Squaring over the bits of y; a negative y leaves +-1 for x = +-1 and else 0."""
    b, one, zero = e.builder, e.like(x, 1), e.like(x, 0)
    start, loop, end = b.block, b.append_basic_block("loop"), b.append_basic_block("end")
    b.branch(loop)
    b.position_at_end(loop)
    result, square, rest = b.phi(x.type), b.phi(x.type), b.phi(y.type)
    odd = b.icmp_unsigned("!=", b.and_(rest, e.like(y, 1)), e.like(y, 0))
    new_result = e.select(odd, b.mul(result, square), result)
    new_square, new_rest = b.mul(square, square), b.lshr(rest, e.like(y, 1))
    for phi, first, following in (
        (result, one, new_result),
        (square, x, new_square),
        (rest, y, new_rest),
    ):
        phi.add_incoming(first, start)
        phi.add_incoming(following, loop)
    b.cbranch(e.any(b.icmp_unsigned("!=", new_rest, e.like(y, 0))), loop, end)
    b.position_at_end(end)
    if not signed:
        return new_result
    negative = b.icmp_signed("<", y, e.like(y, 0))
    odd_power = b.icmp_unsigned("!=", b.and_(y, e.like(y, 1)), e.like(y, 0))
    minus = b.icmp_unsigned("==", x, e.like(x, -1))
    inverse = e.select(b.icmp_unsigned("==", x, one), one, zero)
    inverse = e.select(minus, e.select(odd_power, e.like(x, -1), one), inverse)
    return e.select(negative, inverse, new_result)


def power(e: Lanes, x: ir.Value, y: ir.Value, signed: bool) -> ir.Value:
    """x^y for integers."""
    name = f"ipow.{'s' if signed else 'u'}.{mangled(y.type)}"
    return e.helper(name, lambda e, x, y: _power_body(signed, e, x, y), x, y)


def shift(e: Lanes, name: str, x: ir.Value, y: ir.Value) -> ir.Value:
    """`shl`, `lshr` or `ashr`, defined for every shift."""
    b, width = e.builder, scalar_of(x.type).width
    if isinstance(y, Splat) and 0 <= y.number < width:
        return getattr(b, name)(x, y)
    inside = b.icmp_unsigned("<", y, e.like(y, width))
    if name == "ashr":
        return b.ashr(x, e.select(inside, y, e.like(y, width - 1)))
    return e.select(inside, getattr(b, name)(x, y), e.like(x, 0))


def float_remainder(e: Lanes, x: ir.Value, y: ir.Value) -> ir.Value:
    """C's fmod: the rest of the truncated quotient, with the sign of x."""
    return e.helper("fmod", _float_remainder, x, y)


def _float_remainder(e: Lanes, x: ir.Value, y: ir.Value) -> ir.Value:
    """x - trunc(x/y) y is exact by FMA while the quotient has few bits; else libm."""
    single = scalar_of(x.type) is F32
    b = e.builder
    limit = e.like(x, 2.0**22 if single else 2.0**51)
    quotient = e.unary("trunc", e.div(x, y))
    easy = b.and_(
        e.compare("<", e.abs(quotient), limit), e.compare("<", e.abs(y), e.like(x, float("inf")))
    )

    def fast() -> ir.Value:
        rest = e.fma(e.neg(quotient), y, x)
        # The rounded quotient may be one too large: then the rest has the wrong sign.
        wrong = e.compare("<", e.mul(e.copysign(e.like(x, 1.0), rest), x), e.like(x, 0.0))
        wrong = b.and_(wrong, e.compare("!=", rest, e.like(x, 0.0)))
        fixed = e.add(rest, e.copysign(y, x))
        return e.copysign(e.select(wrong, fixed, rest), x)

    return e.unless_any(b.not_(easy), fast, lambda: e.by_lane("fmodf" if single else "fmod", x, y))


def next_after(e: Lanes, x: ir.Value, y: ir.Value) -> ir.Value:
    """The next number from x towards y."""
    b, scalar = e.builder, scalar_of(x.type)
    width = I32 if scalar is F32 else I64
    bits, one = e.bits(x), e.constant(width, 1)
    negative = b.icmp_signed("<", bits, e.constant(width, 0))
    upward = e.compare("<", x, y)
    away = b.xor(negative, upward)  # from zero
    step = e.select(away, b.add(bits, one), b.sub(bits, one))
    sign = b.and_(e.bits(y), e.constant(width, -(1 << (width.width - 1))))
    zero = e.compare("==", x, e.like(x, 0.0))
    step = e.select(zero, b.or_(sign, one), step)
    result = e.select(e.compare("==", x, y), y, e.from_bits(step, scalar))
    return e.select(b.fcmp_unordered("uno", x, y), e.add(x, y), result)


def high_product(e: Lanes, x: ir.Value, y: ir.Value, signed: bool) -> ir.Value:
    """The high half of the product in twice the width."""
    b, scalar = e.builder, scalar_of(x.type)
    width = ir.IntType(2 * scalar.width)
    extend = b.sext if signed else b.zext
    product = b.mul(extend(x, e.type(width)), extend(y, e.type(width)))
    return b.trunc(b.lshr(product, e.constant(width, scalar.width)), x.type)


def reduce_precision(
    e: Lanes, x: ir.Value, exponent_bits: int, mantissa_bits: int
) -> ir.Value:
    """The nearest number with so many bits, ties to even: too large ones are infinite, too small
    ones zero (there are no subnormals), NaNs stay as they are."""
    b, scalar = e.builder, scalar_of(x.type)
    width, mantissa = {F16: (I16, 10), F32: (I32, 23), F64: (I64, 52)}[scalar]
    exponent = width.width - 1 - mantissa
    word = e.bits(x)
    if mantissa_bits < mantissa:
        cut = mantissa - mantissa_bits
        last = b.and_(b.lshr(word, e.constant(width, cut)), e.constant(width, 1))
        word = b.add(b.add(word, e.constant(width, (1 << (cut - 1)) - 1)), last)
        word = b.and_(word, e.constant(width, -1 << cut))
    if exponent_bits < exponent:
        bias, reduced = (1 << (exponent - 1)) - 1, (1 << (exponent_bits - 1)) - 1
        sign = b.and_(word, e.constant(width, -1 << (width.width - 1)))
        infinity = e.constant(width, ((1 << exponent) - 1) << mantissa)
        size = b.and_(word, infinity)
        high, low = ((bias + r) << mantissa for r in (reduced, -reduced))
        large = b.icmp_unsigned(">", size, e.constant(width, high))
        word = e.select(large, b.or_(sign, infinity), word)
        word = e.select(b.icmp_unsigned("<=", size, e.constant(width, low)), sign, word)
    return e.select(e.is_nan(x), x, e.from_bits(word, scalar))


def _rotate(e: Lanes, x: ir.Value, distance: int) -> ir.Value:
    return e.intrinsic("llvm.fshl", x.type, [x, x, e.constant(I32, distance)])


def threefry2x32(
    e: Lanes, k1: ir.Value, k2: ir.Value, x1: ir.Value, x2: ir.Value
) -> tuple[ir.Value, ir.Value]:
    """Salmon et al., "Parallel random numbers: as easy as 1, 2, 3" (2011): 20 rounds."""
    b = e.builder
    keys = (k1, k2, b.xor(b.xor(k1, k2), e.constant(I32, 0x1BD11BDA)))
    rotations = ((13, 15, 26, 6), (17, 29, 16, 24))
    x1, x2 = b.add(x1, keys[0]), b.add(x2, keys[1])
    for block in range(5):
        for distance in rotations[block % 2]:
            x1 = b.add(x1, x2)
            x2 = b.xor(_rotate(e, x2, distance), x1)
        x1 = b.add(x1, keys[(block + 1) % 3])
        x2 = b.add(b.add(x2, keys[(block + 2) % 3]), e.constant(I32, block + 1))
    return x1, x2
