"""Arithmetic: sums, products, quotients, powers, roots, extremes, signs."""
from __future__ import annotations

import builtins
from typing import Any

import numpy as np

from arrax.core import dtypes
from arrax.core.ad_values import Zero, is_undefined, tangent_aval
from arrax.core.array import Array
from arrax.core.aval import ShapedArray, aval_of
from arrax.core.primitive import NotApplicable, Primitive
from arrax.core.lowering import Elementwise
from arrax.ops import formulas as f
from arrax.ops.arguments import integer, operand
from arrax.ops.elementwise_rules import (
    ANY, INEXACT, INTEGER, NUMBER, REAL, SIGNED, binary, call_accurate, call_binary, call_unary,
    accepted, check_kind, converted, emits, evaluate_by, in_complex_double,
    in_double, joint_shape, piecewise_constant, to_real, unary)
from arrax.ops.extremes import maximum, minimum
from arrax.ops.formulas import derivative
from arrax.ops.p import conj_p, eq_p, imag_p, real_p, select_n_p
from arrax.ops.rules import (batch_elementwise, by_operand, constant, filled_like, linear_jvp,
                             to_shape_of, transpose_bilinear, transpose_unary, unbroadcast)
from arrax.typing import ArrayLike


# ---- add, sub --------------------------------------------------------------------------------

def _add_transpose(cotangent: Any, x: Any, y: Any) -> list[Any]:
    return [_sum_cotangent(cotangent, operand) for operand in (x, y)]


def _sum_cotangent(cotangent: Any, x: Any) -> Any:
    """The cotangent of a summand; None when it is not linear."""
    if not dtypes.issubdtype(aval_of(x).dtype, np.inexact) or not is_undefined(x):
        return None
    return Zero(x.aval) if type(cotangent) is Zero else unbroadcast(cotangent, x.aval)


class _sum_jvp:
    """JVP of `x ± y`: the same operation on the tangents that are there."""

    linear = True

    def attach(self, primitive: Primitive) -> Any:
        def rule(primals: Any, tangents: Any) -> Any:
            out = primitive.bind(*primals)
            g, h = tangents
            if type(g) is Zero and type(h) is Zero:
                return out, Zero(tangent_aval(aval_of(out)))
            if type(h) is Zero:
                return out, to_shape_of(g, out)
            if type(g) is Zero:
                return out, to_shape_of(neg_p.bind(h) if primitive is sub_p else h, out)
            return out, to_shape_of(primitive.bind(g, h), out)
        return rule


add_p = binary("add", NUMBER, np.add, jvp=_sum_jvp(), transpose=_add_transpose,
               commutative=True, exact=ANY, stablehlo="stablehlo.add")


def add(x: ArrayLike, y: ArrayLike) -> Array:
    """Elementwise sum of two arrays of one dtype and shape (or a scalar).

    Raises TypeError for different dtypes, bools, or shapes that do not match.

    Example:
      >>> lax.add(jnp.array([1., 2.]), 3.)
      Array([4., 5.], dtype=float32)
    """
    return call_binary(add_p, x, y)


def _sub_transpose(cotangent: Any, x: Any, y: Any) -> list[Any]:
    left = _sum_cotangent(cotangent, x)
    negated = is_undefined(y) and type(cotangent) is not Zero
    return [left, _sum_cotangent(neg_p.bind(cotangent) if negated else cotangent, y)]


sub_p = binary("sub", NUMBER, np.subtract, jvp=_sum_jvp(), transpose=_sub_transpose,
               exact=ANY, stablehlo="stablehlo.subtract")


def sub(x: ArrayLike, y: ArrayLike) -> Array:
    """Elementwise difference `x - y`; operands as for `add`."""
    return call_binary(sub_p, x, y)


add_any_p = Primitive(
    "add_any",
    type_rule=lambda x, y: ShapedArray(joint_shape("add_any", (x, y)), x.dtype),
    evaluate=evaluate_by(np.add), jvp=_sum_jvp(), transpose=_add_transpose,
    batch=batch_elementwise(), lower=emits("add"), elementwise=True, commutative=True,
    exact=ANY, stablehlo="stablehlo.add")


def add_any(x: Any, y: Any) -> Any:
    """The sum of two tangents or cotangents, which transformations make."""
    return add_any_p.bind(x, y)


# ---- mul, div, rem ---------------------------------------------------------------------------

mul_p: Primitive = binary(
    "mul", NUMBER, np.multiply,
    jvp=derivative(lambda g, out, x, y: g * y, lambda g, out, x, y: x * g),
    transpose=transpose_bilinear(lambda ct, x, y: unbroadcast(mul_p.bind(ct, y), x),
                                 lambda ct, x, y: unbroadcast(mul_p.bind(x, ct), y)),
    commutative=True, exact=REAL, stablehlo="stablehlo.multiply")


def mul(x: Any, y: Any, *, out_dtype: Any = None) -> Array:
    """Elementwise product; operands as for `add`. With an `out_dtype` the product is of that dtype:
    computed in it, if it is wider than the operands', else rounded to it."""
    if out_dtype is None:
        return call_binary(mul_p, x, y)
    x, y = operand(x, "mul", 0), operand(y, "mul", 1)
    mul_p.type_rule(x.aval, y.aval)
    dtype = dtypes.check_user_dtype(out_dtype, "mul")
    if dtypes.itemsize_bits(dtype) < dtypes.itemsize_bits(x.aval.dtype):
        return converted(call_binary(mul_p, x, y), dtype)
    return mul_p.bind(converted(x, dtype), converted(y, dtype))


def _div_evaluate(x: Any, y: Any) -> Any:
    """Integers are divided towards zero; by zero gives -1 (all bits set)."""
    if x.dtype.kind not in "iu":
        return np.divide(x, y)
    if x.dtype.kind == "i":
        quotient = np.floor_divide(np.subtract(x, np.fmod(x, y)), y)  # an exact quotient
    else:
        quotient = np.floor_divide(x, y)
    return quotient if y.ndim == 0 and y else np.where(y == 0, ~np.zeros((), x.dtype), quotient)


div_p: Primitive = binary(
    "div", NUMBER, _div_evaluate, cost=4,
    jvp=derivative(
        lambda g, out, x, y: g / y,
        lambda g, out, x, y: -g * x * y ** -2),
    transpose=transpose_bilinear(lambda ct, x, y: unbroadcast(div_p.bind(ct, y), x),
                                 lambda ct, x, y: _not_linear("div")),
    exact=REAL, stablehlo="stablehlo.divide")


def _not_linear(name: str) -> Any:
    raise NotImplementedError(f"Transpose rule for '{name}' not implemented: "
                              "it is not linear in its second operand")


def div(x: ArrayLike, y: ArrayLike) -> Array:
    """Elementwise quotient `x / y`; integers are divided towards zero, and x / 0 is -1 for them."""
    return call_binary(div_p, x, y)


def _rem_evaluate(x: Any, y: Any) -> Any:
    out = np.fmod(x, y)
    return out if x.dtype.kind == "f" or (y.ndim == 0 and y) else np.where(y == 0, x, out)


rem_p = binary(
    "rem", REAL, _rem_evaluate, cost=2,
    jvp=by_operand(
        lambda g, out, x, y: to_shape_of(g, out),
        f.Formula(lambda g, out, x, y: -g * (f.sign(x / y) * f.floor(builtins.abs(x / y))))),
    exact=REAL, stablehlo="stablehlo.remainder")


def rem(x: ArrayLike, y: ArrayLike) -> Array:
    """Elementwise remainder of division towards zero: it has the sign of `x`.

    For integers `rem(x, 0)` is `x`.
    """
    return call_binary(rem_p, x, y)


def _mulhi_evaluate(x: Any, y: Any) -> Any:
    bits = x.dtype.itemsize * 8
    if bits < 64:
        wide = np.int64 if x.dtype.kind == "i" else np.uint64
        return ((x.astype(wide) * y.astype(wide)) >> wide(bits)).astype(x.dtype)
    return _mulhi_64(x, y)


def _mulhi_64(x: Any, y: Any) -> Any:
    """The high half of 64-bit products from 32-bit halves (Warren, "Hacker's Delight", 8-2)."""
    low = x.dtype.type(0xFFFFFFFF)
    shift = x.dtype.type(32)
    x0, x1, y0, y1 = x & low, x >> shift, y & low, y >> shift
    carry = ((x0.astype(np.uint64) * y0.astype(np.uint64)) >> np.uint64(32)).astype(x.dtype)
    middle = x1 * y0 + carry
    return x1 * y1 + (middle >> shift) + ((x0 * y1 + (middle & low)) >> shift)


mulhi_p = binary("mulhi", INTEGER, _mulhi_evaluate, jvp=piecewise_constant,
                 lower=emits("mulhi", 2), commutative=True,
                 stablehlo="chlo.mulhi")


def mulhi(x: ArrayLike, y: ArrayLike, /) -> Array:
    """The high half of the double-width product of integers."""
    return call_binary(mulhi_p, x, y)


# ---- neg, abs, sign --------------------------------------------------------------------------

neg_p: Primitive = unary("neg", NUMBER, np.negative, jvp=linear_jvp(),
                         transpose=transpose_unary(lambda ct, x: neg_p.bind(ct)),
                         exact=ANY, stablehlo="stablehlo.negate")


def neg(x: ArrayLike) -> Array:
    """Elementwise `-x`, modulo 2ⁿ for unsigned integers."""
    return call_unary(neg_p, x)


_real_abs = f.Formula(lambda g, out, x: f.where(x >= 0, g, -g))


def _abs_jvp(g: Any, out: Any, x: Any) -> Any:
    if not dtypes.issubdtype(aval_of(x).dtype, np.complexfloating):
        return _real_abs(g, out, x)
    conjugate = conj_p.bind(x, input_dtype=aval_of(x).dtype)
    scale = converted(out, aval_of(x).dtype)
    nonzero = select_n_p.bind(eq_p.bind(scale, constant(0, scale)), scale,
                    filled_like(1, scale))
    return real_p.bind(mul_p.bind(g, div_p.bind(conjugate, nonzero)))


def _abs_evaluate(x: Any) -> Any:
    """Infinite for a complex number with an infinite part, even if the other is NaN."""
    if x.dtype.kind != "c":
        return np.abs(x)
    return _magnitude(x.real, x.imag)


_magnitude = in_double(np.hypot)


abs_p: Primitive = unary("abs", SIGNED, _abs_evaluate, result=to_real, jvp=by_operand(_abs_jvp),
                         exact=REAL, stablehlo="stablehlo.abs")


def abs(x: ArrayLike) -> Array:
    """Elementwise absolute value; real for complex `x`. The derivative at 0 is 1."""
    return call_unary(abs_p, x)


def _sign_evaluate(x: Any) -> Any:
    if x.dtype.kind == "c":
        size = _magnitude(x.real, x.imag)
        divisor = np.where(size == 0, np.ones((), size.dtype), size)
        out = np.empty_like(x)
        out.real, out.imag = x.real / divisor, x.imag / divisor
        return out
    out = np.sign(x)
    return np.copysign(out, x) if x.dtype.kind == "f" else out


def _sign_stablehlo(b: Any, x: Any) -> Any:
    if not dtypes.issubdtype(x.dtype, np.unsignedinteger):
        return b.op("sign", x)
    zero = b.full(x.shape, 0, x.dtype)
    return b.select(b.compare("EQ", x, zero), zero, b.full(x.shape, 1, x.dtype))


sign_p: Primitive = unary(
    "sign", NUMBER, in_complex_double(_sign_evaluate), jvp=piecewise_constant, cost=2,
    exact=REAL, stablehlo=_sign_stablehlo)


def sign(x: ArrayLike) -> Array:
    """Elementwise sign: -1, ±0, 1 or NaN; x / |x| for complex `x`."""
    return call_unary(sign_p, x)


# ---- max, min --------------------------------------------------------------------------------

def _share(x: Any, out: Any, y: Any) -> Any:
    """How much of the tangent of `x` reaches the extreme `out`: 1, 0, or 1/2 in a tie."""
    is_extreme = x == out
    one, zero = f.filled(1, out), f.filled(0, out)
    mask = f.where(is_extreme, one, zero)
    tie = y == out
    two, one = f.filled(2, out), f.filled(1, out)
    return mask / f.where(tie, two, one)


_extreme_jvp = derivative(lambda g, out, x, y: g * _share(x, out, y),
                          lambda g, out, x, y: g * _share(y, out, x))


def _extreme_stablehlo(name: str, direction: str) -> Any:
    """Complex numbers are ordered by their real parts, then by their imaginary parts."""
    def rule(b: Any, x: Any, y: Any) -> Any:
        x, y = (b.broadcast(v, b.outs[0].shape) for v in (x, y))
        if not dtypes.issubdtype(x.dtype, np.complexfloating):
            return b.op(name, x, y)
        (a, c), (d, e) = ([part.bind(v) for part in (real_p, imag_p)] for v in (x, y))
        wins = b.select(b.compare("EQ", a, d), b.compare(direction, c, e),
                        b.compare(direction, a, d))
        return b.select(wins, x, y)
    return rule


max_p = binary("max", ANY, maximum, jvp=_extreme_jvp, commutative=True,
               exact=ANY, stablehlo=_extreme_stablehlo("maximum", "GT"))
min_p = binary("min", ANY, minimum, jvp=_extreme_jvp, commutative=True,
               exact=ANY, stablehlo=_extreme_stablehlo("minimum", "LT"))


def max(x: ArrayLike, y: ArrayLike) -> Array:
    """Elementwise maximum; NaN if either is NaN, and 0 is above -0.

    Complex numbers compare by (real, imaginary).
    """
    return call_binary(max_p, x, y)


def min(x: ArrayLike, y: ArrayLike) -> Array:
    """Elementwise minimum; NaN if either is NaN, and -0 is below 0.

    Complex numbers compare by (real, imaginary).
    """
    return call_binary(min_p, x, y)


# ---- powers ----------------------------------------------------------------------------------

def _integer_pow_type(x: Any, *, y: int) -> Any:
    check_kind("integer_pow", x.dtype, NUMBER)
    if y < 0 and dtypes.issubdtype(x.dtype, np.integer):
        raise TypeError("Integers cannot be raised to negative powers, "
                        f"got integer_pow({x.str_short()}, {y})")
    return ShapedArray(x.shape, x.dtype)


def _integer_pow_evaluate(x: Any, *, y: int) -> Any:
    square = _square_evaluate if x.dtype.kind == "c" else None
    return _repeated(x, y, np.multiply, np.divide, lambda: np.ones_like(x), square)


def _integer_pow_stablehlo(b: Any, x: Any, *, y: int) -> Any:
    return _repeated(x, y, mul_p.bind, div_p.bind, lambda: b.full(x.shape, 1, x.dtype))


def _repeated(x: Any, y: int, multiply: Any, divide: Any, one: Any, square_of: Any = None) -> Any:
    """`x` to the power `y` by repeated squaring, by products unless `square_of` squares."""
    if y == 0:
        return one()
    exponent, square, out = builtins.abs(y), x, None
    while exponent:
        if exponent & 1:
            out = square if out is None else multiply(out, square)
        exponent >>= 1
        if exponent:
            square = square_of(square) if square_of else multiply(square, square)
    return out if y > 0 else divide(one(), out)


def _integer_pow_jvp(g: Any, out: Any, x: Any, *, y: int) -> Any:
    lower = x if y == 2 else integer_pow_p.bind(x, y=y - 1)
    return mul_p.bind(g, mul_p.bind(constant(y, x), lower))


class _integer_pow_rule:
    def attach(self, primitive: Primitive) -> Any:
        general = by_operand(_integer_pow_jvp).attach(primitive)
        constant_rule = piecewise_constant.attach(primitive)

        def rule(primals: Any, tangents: Any, *, y: int) -> Any:
            return (general if y else constant_rule)(primals, tangents, y=y)
        return rule


integer_pow_p: Primitive = Primitive(
    "integer_pow", type_rule=_integer_pow_type, evaluate=evaluate_by(_integer_pow_evaluate),
    jvp=_integer_pow_rule(), transpose=NotApplicable("not linear"), batch=batch_elementwise(),
    lower=Elementwise(lambda b, x, y: b.integer_pow(x, y), 3), elementwise=True,
    stablehlo=_integer_pow_stablehlo)


def integer_pow(x: Any, y: int) -> Array:
    """Elementwise `x ** y` for a static int `y`, by repeated multiplication.

    Raises TypeError for negative powers of integers.
    """
    x = operand(x, "integer_pow")
    y = integer(y, "y")
    if y < 0 or not accepted(x.aval.dtype, NUMBER):
        _integer_pow_type(x.aval, y=y)
    return integer_pow_p.bind(x, y=y)


def _pow_type(x: Any, y: Any) -> Any:
    check_kind("pow", x.dtype, INEXACT, " at position 0")
    check_kind("pow", y.dtype, NUMBER, " at position 1")
    if dtypes.issubdtype(y.dtype, np.inexact) and x.dtype != y.dtype:
        raise TypeError(
            "the first argument to pow must have an inexact dtype (float or complex), and the "
            "second argument must have an inexact or integer dtype, and two inexact dtypes must "
            f"match, but got {x.dtype.name} and {y.dtype.name} respectively.")
    return ShapedArray(joint_shape("pow", (x, y)), x.dtype)


def _pow_evaluate(x: Any, y: Any) -> Any:
    return np.power(x, y.astype(x.dtype) if y.dtype != x.dtype else y)


def _pow_jvp_base(g: Any, out: Any, x: Any, y: Any) -> Any:
    dtype = aval_of(x).dtype
    if aval_of(y).dtype == dtype:
        lower = pow_p.bind(x, sub_p.bind(y, filled_like(1, y)))
        return mul_p.bind(g, mul_p.bind(y, lower))
    exponent = to_shape_of(converted(y, dtype), out) if aval_of(y).ndim else converted(y, dtype)
    is_zero = eq_p.bind(exponent, constant(0, exponent))
    factor = select_n_p.bind(is_zero, exponent, filled_like(1, exponent))
    slope = to_shape_of(mul_p.bind(
        factor, pow_p.bind(x, sub_p.bind(exponent, filled_like(1, exponent)))), out)
    return mul_p.bind(g, select_n_p.bind(is_zero, slope, filled_like(0, slope)))


def _pow_jvp_exponent(g: Any, out: Any, x: Any, y: Any) -> Any:
    base = f.where(x == 0, f.filled(1, x), x)
    return g * (f.log(base) * out)


pow_p = Primitive(
    "pow", type_rule=_pow_type, evaluate=evaluate_by(_pow_evaluate),
    jvp=by_operand(_pow_jvp_base, f.Formula(_pow_jvp_exponent)),
    transpose=NotApplicable("not linear"),
    batch=batch_elementwise(), elementwise=True,
    stablehlo=lambda b, x, y: b.op("power", *(
        b.broadcast(b.convert(v, x.dtype), b.outs[0].shape) for v in (x, y))),
    weak_type=lambda x, y: x.weak_type and (y.weak_type or y.dtype != x.dtype),
    lower=Elementwise(lambda b, x, y: b.pow(x, y if y.dtype == x.dtype
                                            else b.convert_element_type(y, x.dtype)), 24))


def pow(x: ArrayLike, y: ArrayLike) -> Array:
    """Elementwise `x ** y` for inexact `x`; `y` has the dtype of `x` or is an integer."""
    return call_binary(pow_p, x, y)


def _square_evaluate(x: Any) -> Any:
    """(a - b)(a + b) + 2abi for complex numbers: its real part is infinite only where it has to."""
    if x.dtype.kind != "c":
        return np.square(x)
    a, b = x.real, x.imag
    out = np.empty_like(x)
    product = a * b
    out.real, out.imag = (a - b) * (a + b), product + product
    return out


square_p = unary("square", NUMBER, in_complex_double(_square_evaluate), exact=REAL,
                 jvp=derivative(lambda g, out, x: g * (2 * x)),
                 stablehlo=lambda b, x: b.op("chlo.square", x)
                 if dtypes.issubdtype(x.dtype, np.inexact) else b.op("multiply", x, x))


def square(x: ArrayLike) -> Array:
    """Elementwise `x * x`."""
    return call_unary(square_p, x)


def reciprocal(x: ArrayLike) -> Array:
    """Elementwise `1 / x` for inexact `x`."""
    return integer_pow(x, -1)


# ---- roots -----------------------------------------------------------------------------------

sqrt_p = unary(
    "sqrt", INEXACT, in_complex_double(np.sqrt), accuracy=True, cost=4, exact=REAL,
    stablehlo="stablehlo.sqrt",
    jvp=derivative(lambda g, out, x: g * (f.constant(0.5, x) / out)))


def sqrt(x: ArrayLike, *, accuracy: Any = None) -> Array:
    """Elementwise square root; NaN for negative real `x`."""
    return call_accurate(sqrt_p, x, accuracy)


def _rsqrt_evaluate(x: Any) -> Any:
    """1 / √x; 0 for infinite complex numbers."""
    out = np.divide(x.dtype.type(1), np.sqrt(x))
    return np.where(np.isinf(x), x.dtype.type(0), out) if x.dtype.kind == "c" else out


rsqrt_p = unary(
    "rsqrt", INEXACT, in_double(_rsqrt_evaluate), accuracy=True, cost=4,
    jvp=derivative(lambda g, out, x: g * (f.constant(-0.5, x) * (out / x))),
    stablehlo="stablehlo.rsqrt")


def rsqrt(x: ArrayLike, *, accuracy: Any = None) -> Array:
    """Elementwise reciprocal square root."""
    return call_accurate(rsqrt_p, x, accuracy)


cbrt_p = unary(
    "cbrt", (np.floating,), in_double(np.cbrt), accuracy=True, cost=12, stablehlo="stablehlo.cbrt",
    jvp=derivative(lambda g, out, x: g * (f.constant(1 / 3, x) * out ** -2)))


def cbrt(x: ArrayLike, *, accuracy: Any = None) -> Array:
    """Elementwise real cube root."""
    return call_accurate(cbrt_p, x, accuracy)
