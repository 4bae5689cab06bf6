"""Elementwise functions of NumPy: one primitive after promotion, or a short composition.

The functions here are plain; `ufuncs` wraps those that NumPy offers as ufunc objects with
`reduce`, `outer` and the rest. Fast paths come first: operands that are equal in aval, or an array
and a Python scalar, go to the primitive at once.
"""
from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from arrax import lax
from arrax.core import dtypes
from arrax.core.aliases import alias
from arrax.core.array import Array, ArrayImpl
from arrax.core.remembered import remembered
from arrax.core.trace import Tracer
from arrax.numpy.promotion import (align_shapes, as_array, bool_dtype, broadcast_all,
                                   complex_dtypes, convert, inexact_array, inexact_dtypes,
                                   integer_dtypes, number_array, promote, promote_dtypes,
                                   promote_inexact, promotes_freely, scalar_array)
from arrax.typing import ArrayLike

Function = Callable[..., Any]


# ---- factories -------------------------------------------------------------------------------

def named(function: Function, name: str, doc: str) -> Function:
    function.__name__ = function.__qualname__ = name
    function.__module__ = "arrax.numpy"
    function.__doc__ = doc
    return function


def scalar_like(value: Any, aval: Any) -> Any:
    """A Python number as a 0-d array of the dtype of `aval`, or None when dtypes would promote."""
    kind = type(value)
    dtype = aval.dtype
    if kind is float:
        if dtype not in inexact_dtypes:
            return None
    elif kind is int:
        if dtype not in inexact_dtypes and dtype not in integer_dtypes:
            return None
    elif kind is not complex or dtype not in complex_dtypes:
        return None
    return scalar_array(value, dtype, aval.weak_type)


def pair(name: str, x: Any, y: Any) -> tuple[Any, Any]:
    """Two operands in one dtype and rank; the common cases take little work."""
    x_kind, y_kind = type(x), type(y)
    if x_kind is ArrayImpl or isinstance(x, Tracer):
        if y_kind is x_kind or isinstance(y, (Tracer, ArrayImpl)):
            if x.aval is y.aval:
                return x, y
        else:
            scalar = scalar_like(y, x.aval)
            if scalar is not None:
                return x, scalar
    elif y_kind is ArrayImpl or isinstance(y, Tracer):
        scalar = scalar_like(x, y.aval)
        if scalar is not None:
            return scalar, y
    first, second = promote(name, x, y)
    return first, second


def _unary(name: str, primitive: Any, doc: str) -> Function:
    """A function that computes in a float or complex dtype."""
    bind = primitive.bind

    def function(x: Any, /) -> Any:
        if (type(x) is ArrayImpl or isinstance(x, Tracer)) and x.aval.dtype in inexact_dtypes:
            return bind(x)
        return bind(inexact_array(name, x))
    return named(function, name, doc)


def _with_accuracy(name: str, primitive: Any, doc: str) -> Function:
    """As `_unary`, for primitives that have the parameter `accuracy`."""
    bind = primitive.bind

    def function(x: Any, /) -> Any:
        if (type(x) is ArrayImpl or isinstance(x, Tracer)) and x.aval.dtype in inexact_dtypes:
            return bind(x, accuracy=None)
        return bind(inexact_array(name, x), accuracy=None)
    return named(function, name, doc)


def _meeting(compute: Function, name: str, doc: str) -> Function:
    """`compute`, remembered for two arrays that have to be brought together first."""
    general = remembered(compute)

    def function(x: Any, y: Any, /) -> Any:
        if type(x) is ArrayImpl and type(y) is ArrayImpl and x.aval is not y.aval:
            return general(x, y)
        return compute(x, y)
    return named(function, name, doc)


def _binary(name: str, primitive: Any, doc: str, for_bool: Any = None) -> Function:
    """A function of two operands in their promoted dtype; bools may have an op of their own."""
    bind = primitive.bind

    def compute(x: Any, y: Any, /) -> Any:
        first, second = pair(name, x, y)
        if for_bool is not None and first.aval.dtype is bool_dtype:
            return for_bool.bind(first, second)
        return bind(first, second)
    return _meeting(compute, name, doc)


def _binary_inexact(name: str, primitive: Any, doc: str) -> Function:
    bind = primitive.bind

    def compute(x: Any, y: Any, /) -> Any:
        first, second = pair(name, x, y)
        if first.aval.dtype not in inexact_dtypes:
            first, second = promote_inexact(name, x, y)
        return bind(first, second)
    return _meeting(compute, name, doc)


# ---- one primitive each ----------------------------------------------------------------------

sin = _with_accuracy("sin", lax.sin_p, "The sine of each element, an angle in radians.")
cos = _with_accuracy("cos", lax.cos_p, "The cosine of each element, an angle in radians.")
tan = _with_accuracy("tan", lax.tan_p, "The tangent of each element, an angle in radians.")
arcsin = _unary("arcsin", lax.asin_p, "The angle in [-π/2, π/2] whose sine is each element.")
arccos = _unary("arccos", lax.acos_p, "The angle in [0, π] whose cosine is each element.")
arctan = _unary("arctan", lax.atan_p, "The angle in [-π/2, π/2] whose tangent is each element.")
sinh = _unary("sinh", lax.sinh_p, "The hyperbolic sine of each element.")
cosh = _unary("cosh", lax.cosh_p, "The hyperbolic cosine of each element.")
tanh = _with_accuracy("tanh", lax.tanh_p, "The hyperbolic tangent of each element.")
arcsinh = _unary("arcsinh", lax.asinh_p, "The inverse hyperbolic sine of each element.")
arctanh = _unary("arctanh", lax.atanh_p, "The inverse hyperbolic tangent of each element.")
exp = _with_accuracy("exp", lax.exp_p, "e to the power of each element.")
exp2 = _with_accuracy("exp2", lax.exp2_p, "2 to the power of each element.")
expm1 = _with_accuracy("expm1", lax.expm1_p, "`exp(x) - 1`, accurate for small elements too.")
log = _with_accuracy("log", lax.log_p, "The natural logarithm of each element.")
log1p = _with_accuracy("log1p", lax.log1p_p, "`log(1 + x)`, accurate for small elements too.")
sqrt = _with_accuracy("sqrt", lax.sqrt_p, "The non-negative square root; NaN of negative reals.")
cbrt = _with_accuracy("cbrt", lax.cbrt_p, "The real cube root of each element.")

_add = _binary("add", lax.add_p, "The sum of two arrays; of bools, whether either is true.",
               lax.or_p)
_multiply = _binary("multiply", lax.mul_p, "The product of two arrays; of bools, whether both are "
                    "true.", lax.and_p)
_subtract = _binary("subtract", lax.sub_p, "The difference of two arrays; TypeError for bools.")
_maximum = _binary("maximum", lax.max_p, "The greater of two elements; NaN where either is NaN.")
_minimum = _binary("minimum", lax.min_p, "The lesser of two elements; NaN where either is NaN.")
_bitwise_and = _binary("bitwise_and", lax.and_p, "The bits set in both of two integers or bools.")
_bitwise_or = _binary("bitwise_or", lax.or_p, "The bits set in either of two integers or bools.")
_bitwise_xor = _binary("bitwise_xor", lax.xor_p, "The bits set in one of two integers or bools.")
divide = _binary_inexact("divide", lax.div_p, "The quotient of two arrays, in floating point.")
arctan2 = _binary_inexact("arctan2", lax.atan2_p, "The angle in [-π, π] of the point (x2, x1).")
nextafter = _binary_inexact("nextafter", lax.nextafter_p, "The next float after `x` towards `y`.")

equal = _binary("equal", lax.eq_p, "Whether elements are equal; False where either is NaN.")
not_equal = _binary("not_equal", lax.ne_p, "Whether elements differ; True where either is NaN.")


def _comparison(name: str, primitive: Any, doc: str) -> Function:
    """An ordering; complex numbers compare by real part, then by imaginary part."""
    bind = primitive.bind

    def compute(x: Any, y: Any, /) -> Any:
        first, second = pair(name, x, y)
        if first.aval.dtype in complex_dtypes:
            first_real, second_real = lax.real(first), lax.real(second)
            return lax.select(*_same_shape(lax.eq_p.bind(first_real, second_real),
                                           bind(lax.imag(first), lax.imag(second)),
                                           bind(first_real, second_real)))
        return bind(first, second)
    return _meeting(compute, name, doc)


def _same_shape(*operands: Any) -> tuple[Any, ...]:
    shape = max((x.shape for x in operands), key=len)
    return tuple(lax.broadcast(x, shape) if x.shape != shape else x for x in operands)


less = _comparison("less", lax.lt_p, "Whether `x < y`, elementwise.")
less_equal = _comparison("less_equal", lax.le_p, "Whether `x <= y`, elementwise.")
greater = _comparison("greater", lax.gt_p, "Whether `x > y`, elementwise.")
greater_equal = _comparison("greater_equal", lax.ge_p, "Whether `x >= y`, elementwise.")


# ---- sign, absolute value, parts -------------------------------------------------------------

def _negative(x: Any, /) -> Any:
    """`-x`, elementwise; TypeError for bools."""
    return lax.neg_p.bind(as_array("negative", x))


def positive(x: ArrayLike, /) -> Array:
    """`+x`: the elements unchanged."""
    return as_array("positive", x)


def absolute(x: Any, /) -> Array:
    """The absolute value of each element; the modulus of complex numbers."""
    x = as_array("absolute", x)
    dtype = x.aval.dtype
    if dtype is bool_dtype or dtypes.issubdtype(dtype, np.unsignedinteger):
        return x
    return lax.abs_p.bind(x)


def fabs(x: Any, /) -> Array:
    """The absolute value of real elements, as floats; TypeError for complex ones."""
    x = as_array("fabs", x)
    if x.aval.dtype in complex_dtypes:
        raise TypeError("ufunc 'fabs' does not support complex dtypes")
    return lax.abs_p.bind(inexact_array("fabs", x))


def sign(x: ArrayLike, /) -> Array:
    """-1, 0 or 1 by the sign of each element; `x / abs(x)` of complex numbers."""
    return lax.sign_p.bind(as_array("sign", x))


@remembered
def signbit(x: Any, /) -> Array:
    """Whether the sign of each real element is negative: true of -0.0 and of negative NaNs."""
    x = as_array("signbit", x)
    dtype = x.aval.dtype
    if dtype in complex_dtypes:
        raise ValueError("jax.numpy.signbit is not well defined for complex inputs.")
    if dtype is bool_dtype:
        return lax.full_like(x, False, dtype=bool_dtype)
    if dtype in integer_dtypes:
        return less(x, 0)
    bits = np.dtype(f"int{8 * dtype.itemsize}")
    shifted = lax.shift_right_arithmetic_p.bind(
        lax.bitcast_convert_type(x, bits), scalar_array(8 * dtype.itemsize - 1, bits))
    return lax.convert_element_type(shifted, bool_dtype)


@remembered
def copysign(x1: Any, x2: Any, /) -> Array:
    """The magnitude of `x1` with the sign of `x2`, for real operands."""
    x1, x2 = promote_inexact("copysign", x1, x2)
    if x1.aval.dtype in complex_dtypes:
        raise TypeError("copysign does not support complex-valued inputs")
    magnitude = lax.abs_p.bind(x1)
    return where(signbit(x2), lax.neg_p.bind(magnitude), magnitude)


def real(val: ArrayLike, /) -> Array:
    """The real part of each element; real arrays unchanged."""
    x = as_array("real", val)
    return lax.real(x) if x.aval.dtype in complex_dtypes else x


def imag(val: ArrayLike, /) -> Array:
    """The imaginary part of each element; zeros for real arrays."""
    x = number_array("imag", val)
    return lax.imag(x) if x.aval.dtype in complex_dtypes else lax.full_like(x, 0)


def conjugate(x: Any, /) -> Array:
    """The complex conjugate of each element; real arrays unchanged."""
    x = as_array("conjugate", x)
    return lax.conj(x) if x.aval.dtype in complex_dtypes else x


conj = alias(conjugate, "conj")


@remembered
@promotes_freely
def iscomplex(x: ArrayLike) -> Array:
    """Whether the imaginary part of each element is not zero."""
    return not_equal(imag(x), False)


@remembered
@promotes_freely
def isreal(x: ArrayLike) -> Array:
    """Whether the imaginary part of each element is zero."""
    return equal(imag(x), False)


# ---- predicates on floats --------------------------------------------------------------------

def isnan(x: ArrayLike, /) -> Array:
    """Whether each element is NaN."""
    x = as_array("isnan", x)
    return lax.ne_p.bind(x, x)


def isfinite(x: Any, /) -> Array:
    """Whether each element is neither infinite nor NaN."""
    x = as_array("isfinite", x)
    dtype = x.aval.dtype
    if dtype not in inexact_dtypes:
        return lax.full_like(x, True, dtype=bool_dtype)
    if dtype in complex_dtypes:
        return _bitwise_and(isfinite(real(x)), isfinite(imag(x)))
    return lax.is_finite_p.bind(x)


@remembered
def isinf(x: Any, /) -> Array:
    """Whether each element is plus or minus infinity."""
    x = as_array("isinf", x)
    dtype = x.aval.dtype
    if dtype not in inexact_dtypes:
        return lax.full_like(x, False, dtype=bool_dtype)
    if dtype in complex_dtypes:
        return _bitwise_or(isinf(real(x)), isinf(imag(x)))
    return equal(lax.abs_p.bind(x), np.inf)


def _is_signed_infinity(name: str, x: Any, infinity: float, out: Any) -> Any:
    if out is not None:
        raise NotImplementedError("The 'out' argument to isneginf/isposinf is not supported.")
    x = as_array(name, x)
    if x.aval.dtype in complex_dtypes:
        raise ValueError("isposinf/isneginf are not well defined for complex types")
    if x.aval.dtype not in inexact_dtypes:
        return lax.full_like(x, False, dtype=bool_dtype)
    return equal(x, infinity)


@remembered
def isposinf(x: Any, /, out: None = None) -> Any:
    """Whether each real element is plus infinity."""
    return _is_signed_infinity("isposinf", x, np.inf, out)


@remembered
def isneginf(x: Any, /, out: None = None) -> Any:
    """Whether each real element is minus infinity."""
    return _is_signed_infinity("isneginf", x, -np.inf, out)


# ---- logic -----------------------------------------------------------------------------------

def to_bool(x: Any) -> Any:
    """Whether each element of an Array or tracer differs from zero."""
    dtype = x.aval.dtype
    return x if dtype is bool_dtype else lax.ne_p.bind(x, scalar_array(0, dtype))


def _logical(name: str, primitive: Any, doc: str) -> Function:
    @remembered
    def function(x: Any, y: Any, /) -> Any:
        first, second = promote(name, to_bool(as_array(name, x)), to_bool(as_array(name, y, 1)))
        return primitive.bind(first, second)
    return named(function, name, doc)


_logical_and = _logical("logical_and", lax.and_p, "Whether both elements are true (not zero).")
_logical_or = _logical("logical_or", lax.or_p, "Whether either element is true (not zero).")
_logical_xor = _logical("logical_xor", lax.xor_p, "Whether just one of two elements is true.")


def logical_not(x: ArrayLike, /) -> Array:
    """Whether each element is zero or false."""
    return lax.not_p.bind(to_bool(as_array("logical_not", x)))


def invert(x: ArrayLike, /) -> Array:
    """The bits of each integer flipped; the negation of bools."""
    return lax.not_p.bind(as_array("invert", x))


@remembered
def left_shift(x: ArrayLike, y: ArrayLike, /) -> Array:
    """Integers `x * 2**y`, bits lost at the top."""
    return lax.shift_left_p.bind(*_as_integers(*pair("left_shift", x, y)))


@remembered
def right_shift(x1: Any, x2: Any, /) -> Array:
    """Integers `floor(x1 / 2**x2)`; the sign bit enters for signed ones."""
    x1, x2 = _as_integers(*pair("right_shift", x1, x2))
    if dtypes.issubdtype(x1.aval.dtype, np.unsignedinteger):
        return lax.shift_right_logical_p.bind(x1, x2)
    return lax.shift_right_arithmetic_p.bind(x1, x2)


@remembered
def bitwise_count(x: Any, /) -> Array:
    """The number of bits set in the absolute value of each integer, as uint8."""
    x = as_array("bitwise_count", x)
    if x.aval.dtype is bool_dtype:
        return lax.convert_element_type(x, np.uint8)
    counts = lax.population_count(absolute(x))
    return lax.convert_element_type(counts, np.uint8)


# ---- division --------------------------------------------------------------------------------

def _as_integers(*operands: Any) -> list[Any]:
    """The operands, bools as integers, for arithmetic that bools have not."""
    return [convert(x, dtypes.default_int_dtype()) if x.aval.dtype is bool_dtype else x
            for x in operands]


@remembered
def remainder(x1: Any, x2: Any, /) -> Array:
    """`x1 - x2 * floor(x1 / x2)`: the remainder that has the sign of `x2`.

    For integers a zero divisor gives zero. Zeros have the sign of `x2` too.
    """
    x1, x2 = pair("remainder", x1, x2)
    if x1.aval.dtype is bool_dtype:
        x1, x2 = _as_integers(x1, x2)
    if x2.aval.dtype in integer_dtypes:
        x2 = where(equal(x2, 0), lax.full_like(x2, 1), x2)
    rest = lax.rem_p.bind(x1, x2)
    zero = scalar_array(0, rest.aval.dtype)
    differ = lax.ne_p.bind(lax.lt_p.bind(rest, zero), lax.lt_p.bind(x2, zero))
    shift = lax.and_p.bind(differ, lax.ne_p.bind(rest, zero))
    rest = lax.select_n_p.bind(shift, rest, lax.add_p.bind(rest, x2))
    return rest if x2.aval.dtype in integer_dtypes else _signed_rest(rest, x2)


def _signed_rest(rest: Any, divisor: Any) -> Any:
    """`rest` with zeros of the sign of `divisor`."""
    zero = scalar_array(0, rest.aval.dtype, rest.aval.weak_type)
    signed = lax.mul_p.bind(lax.sign_p.bind(divisor), zero)
    return where(lax.eq_p.bind(rest, zero), signed, rest)


mod = alias(remainder, "mod")


@remembered
def fmod(x1: Any, x2: Any, /) -> Array:
    """The remainder of division that has the sign of `x1`; of integers by zero, zero."""
    x1, x2 = _as_integers(*pair("fmod", x1, x2))
    if x2.aval.dtype in integer_dtypes:
        x2 = where(equal(x2, 0), lax.full_like(x2, 1), x2)
    return lax.rem_p.bind(x1, x2)


@remembered
def floor_divide(x1: Any, x2: Any, /) -> Array:
    """The greatest integer not above `x1 / x2`, in the promoted dtype.

    A number over an infinity is a zero of the quotient's sign, as the array API standard says.
    """
    x1, x2 = pair("floor_divide", x1, x2)
    dtype = x1.aval.dtype
    if dtype is bool_dtype:
        x1, x2 = _as_integers(x1, x2)
        dtype = x1.aval.dtype
    if dtype in complex_dtypes:
        raise TypeError("floor_divide does not support complex-valued inputs")
    if dtypes.issubdtype(dtype, np.unsignedinteger):
        return lax.div_p.bind(x1, x2)
    if dtype in integer_dtypes:
        quotient = lax.div_p.bind(x1, x2)
        signs_differ = lax.ne_p.bind(lax.sign_p.bind(x1), lax.sign_p.bind(x2))
        inexact = not_equal(lax.rem_p.bind(x1, x2), 0)
        return where(lax.and_p.bind(signs_differ, inexact), _subtract(quotient, 1), quotient)
    infinite = lax.and_p.bind(isinf(x2), isfinite(x1))
    return where(infinite, lax.div_p.bind(x1, x2), _float_divmod(x1, x2)[0])


def _float_divmod(x1: Any, x2: Any) -> tuple[Any, Any]:
    """Quotient and remainder of floats. Infinities over numbers, and numbers over zero, have
    infinite quotients; a zero quotient is negative only for zeros of different signs."""
    rest = lax.rem_p.bind(x1, x2)
    zero = scalar_array(0, rest.aval.dtype, rest.aval.weak_type)
    inexact = lax.gt_p.bind(lax.abs_p.bind(rest), zero)
    quotient = lax.div_p.bind(where(inexact, lax.sub_p.bind(x1, rest), x1), x2)
    small = lax.and_p.bind(inexact, lax.eq_p.bind(quotient, zero))
    quotient = where(small, zero, quotient)
    shift = lax.and_p.bind(inexact, lax.ne_p.bind(lax.sign_p.bind(x2), lax.sign_p.bind(rest)))
    rest = lax.select_n_p.bind(shift, rest, lax.add_p.bind(rest, x2))
    quotient = lax.select_n_p.bind(shift, quotient, _subtract(quotient, 1))
    quotient = lax.round(quotient, lax.RoundingMethod.AWAY_FROM_ZERO)
    return quotient, _signed_rest(rest, x2)


@remembered
def divmod(x1: Any, x2: Any, /) -> tuple[Any, Any]:
    """`(floor_divide(x1, x2), remainder(x1, x2))`."""
    x1, x2 = pair("divmod", x1, x2)
    if x1.aval.dtype in inexact_dtypes and x1.aval.dtype not in complex_dtypes:
        return _float_divmod(x1, x2)
    return floor_divide(x1, x2), remainder(x1, x2)


@remembered
def reciprocal(x: ArrayLike, /) -> Array:
    """`1 / x`, in floating point."""
    return lax.integer_pow(inexact_array("reciprocal", x), -1)


# ---- powers ----------------------------------------------------------------------------------

def square(x: ArrayLike, /) -> Array:
    """`x * x`, elementwise; of bools in integers."""
    operand = as_array("square", x)
    if operand.aval.dtype is bool_dtype:
        operand = convert(operand, dtypes.default_int_dtype())
    return lax.square_p.bind(operand)


@remembered
def power(x1: ArrayLike, x2: ArrayLike, /) -> Array:
    """`x1` to the power of `x2`.

    A single integer exponent that is known becomes repeated multiplication, in the dtype of the
    base. TypeError for an integer base if it is negative; negative integer arrays as exponents of
    integers give 0, ±1 or unspecified values.
    """
    known = _known_integer(x2)
    if known is not None:
        (base,) = _as_integers(as_array("power", x1))
        return lax.integer_pow(base, known)
    base, exponent = as_array("power", x1), as_array("power", x2, 1)
    if base.aval.dtype in inexact_dtypes and exponent.aval.dtype in integer_dtypes \
            and not exponent.aval.weak_type:
        base = convert(base, base.aval.dtype)
        return lax.pow_p.bind(*align_shapes("power", [base, exponent]))
    base, exponent = promote("power", x1, x2)
    dtype = base.aval.dtype
    if dtype is bool_dtype:
        base, exponent = _as_integers(base, exponent)
        dtype = base.aval.dtype
    if dtype in inexact_dtypes:
        return lax.pow_p.bind(base, exponent)
    return _integer_power(base, exponent)


def _known_integer(value: Any) -> int | None:
    """The value of an integer or bool scalar that is known now, else None."""
    if isinstance(value, (bool, int, np.integer, np.bool_)):
        return int(value)
    if type(value) is ArrayImpl and value.ndim == 0 and value.dtype in integer_dtypes:
        return int(value)
    return None


def _integer_power(base: Any, exponent: Any) -> Any:
    """Integers to the power of integers by repeated squaring; six bits of exponent suffice, for
    greater powers of anything but 0, 1 and -1 overflow, and those repeat with period two."""
    zero_to_some = lax.and_p.bind(equal(base, 0), not_equal(exponent, 0))
    result = where(zero_to_some, scalar_array(0, base.aval.dtype), scalar_array(1, base.aval.dtype))
    one = scalar_array(1, exponent.aval.dtype)
    for step in range(6):
        bit = lax.and_p.bind(exponent, one)
        result = where(bit, lax.mul_p.bind(result, base), result)
        if step < 5:
            base = lax.mul_p.bind(base, base)
            exponent = lax.shift_right_logical_p.bind(exponent, one)
    return result


@remembered
def float_power(x: ArrayLike, y: ArrayLike, /) -> Array:
    """`x` to the power of `y`, in floating point whatever the dtypes."""
    return lax.pow_p.bind(*promote_inexact("float_power", x, y))


# ---- choice ----------------------------------------------------------------------------------

@remembered
def where(condition: Any, x: Any, y: Any) -> Any:
    """`x` where `condition` is true, else `y`, all broadcast to one shape."""
    chosen = to_bool(as_array("where", condition))
    x, y = _pair_dtypes(x, y)
    shape = chosen.shape
    if x.shape == shape and y.shape == shape:
        return lax.select_n_p.bind(chosen, y, x)
    chosen, x, y = broadcast_all("where", chosen, x, y)
    return lax.select_n_p.bind(chosen, y, x)


def _pair_dtypes(x: Any, y: Any) -> tuple[Any, Any]:
    if isinstance(x, (ArrayImpl, Tracer)) and isinstance(y, (ArrayImpl, Tracer)) \
            and x.aval.dtype == y.aval.dtype and x.aval.weak_type == y.aval.weak_type:
        return x, y
    first, second = promote_dtypes("where", x, y)
    if not hasattr(first, "aval"):
        first, second = as_array("where", first), as_array("where", second)
    return first, second
