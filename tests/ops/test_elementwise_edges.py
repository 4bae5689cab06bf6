"""Elementwise operations: special values, the dtype matrix, weak types and error texts."""
from __future__ import annotations

import warnings
from typing import Any

import ml_dtypes
import numpy as np
import pytest
from arrax import lax
from arrax.core import config
from arrax.core.dtypes import finfo
from arrax.transforms.api_ad import grad, jvp
from arrax.transforms.api_trace import make_jaxpr
from arrax.transforms.jit import jit

from tests.ops.rows import real, whole

inf, nan = np.inf, np.nan
BFLOAT16 = np.dtype(ml_dtypes.bfloat16)
FLOATS = [np.dtype(np.float16), BFLOAT16, np.dtype(np.float32), np.dtype(np.float64)]
INTEGERS = [np.dtype(f"{sign}int{bits}") for sign in ("", "u") for bits in (8, 16, 32, 64)]


def f32(*values: float) -> np.ndarray:
    return np.array(values, np.float32)


def i32(*values: int) -> np.ndarray:
    return np.array(values, np.int32)


SPECIAL = [
    ("div by zero", lax.div, (i32(5, -5, -2 ** 31, 7), i32(0, 0, -1, -2)),
     i32(-1, -1, -2 ** 31, -3)),
    ("rem by zero", lax.rem, (i32(5, -5, -2 ** 31, 7), i32(0, 0, -1, -2)), i32(5, -5, 0, 1)),
    ("float rem", lax.rem, (f32(-3.5, 3.5, inf, 1, 1), f32(2, -2, 1, inf, 0)),
     f32(-1.5, 1.5, nan, 1, nan)),
    ("shift left", lax.shift_left, (i32(5, -5, 7, 0, 1), i32(32, -1, 40, 0, 31)),
     i32(0, 0, 0, 0, -2 ** 31)),
    ("shift right", lax.shift_right_arithmetic, (i32(5, -5, -2 ** 31), i32(32, -1, 31)),
     i32(0, -1, -1)),
    ("shift right logical", lax.shift_right_logical, (i32(5, -5, -2 ** 31), i32(32, -1, 31)),
     i32(0, 0, 1)),
    ("sign", lax.sign, (f32(-0.0, 0.0, nan, -inf),), f32(-0.0, 0.0, nan, -1)),
    ("abs of the least", lax.abs, (np.array([-128], np.int8),), np.array([-128], np.int8)),
    ("neg unsigned", lax.neg, (np.array([1], np.uint8),), np.array([255], np.uint8)),
    ("max NaN", lax.max, (f32(nan, 1, -0.0), f32(1, nan, -1)), f32(nan, nan, -0.0)),
    ("clamp crossed", lax.clamp, (np.float32(5), f32(0, 9, nan), np.float32(1)), f32(1, 1, nan)),
    ("round", lax.round, (f32(0.49999997, 0.5, 1.5, 2.5, -0.5, 8388609),),
     f32(0, 1, 2, 3, -1, 8388609)),
    ("round even", lambda x: lax.round(x, lax.RoundingMethod.TO_NEAREST_EVEN),
     (f32(0.5, 1.5, 2.5, -0.5),), f32(0, 2, 2, -0.0)),
    ("logistic", lax.logistic, (f32(-inf, inf, 0, -80),), f32(0, 1, 0.5, 1.8048513e-35)),
    ("population_count", lax.population_count, (np.array([-1, 3], np.int8),),
     np.array([8, 2], np.int8)),
    ("clz", lax.clz, (np.array([-1, 3, 0], np.int8),), np.array([0, 6, 8], np.int8)),
    ("to int32", lambda x: lax.convert_element_type(x, np.int32),
     (f32(nan, inf, -inf, 1e20, -1.9, 300.7),),
     i32(0, 2 ** 31 - 1, -2 ** 31, 2 ** 31 - 1, -1, 300)),
    ("to uint8", lambda x: lax.convert_element_type(x, np.uint8), (f32(nan, -1, 300, 7.9),),
     np.array([0, 0, 255, 7], np.uint8)),
    ("to bool", lambda x: lax.convert_element_type(x, np.bool_), (f32(nan, 0, -0.0, 0.1),),
     np.array([True, False, False, True])),
    ("complex to bool", lambda x: lax.convert_element_type(x, np.bool_),
     (np.array([1 + 2j, 1j, 0], np.complex64),), np.array([True, False, False])),
    ("integers wrap", lambda x: lax.convert_element_type(x, np.int8), (i32(300, -1, 70000),),
     np.array([44, -1, 112], np.int8)),
    ("reduce_precision", lambda x: lax.reduce_precision(x, 5, 10),
     (f32(65519, 65520, 1e-8, 6e-8, -3e-5, inf, 1.9),),
     f32(65504, inf, 0, 0, -0.0, inf, 1.9003906)),
    ("select out of range", lax.select_n, (i32(-5, 5), f32(1, 1), f32(2, 2), f32(3, 3)),
     f32(1, 3)),
    ("pow", lax.pow, (f32(-8, 2, 0, 0), f32(1 / 3, -1, 0, -1)), f32(nan, 0.5, 1, inf)),
    ("total order", lax.lt_to_p.bind, (f32(-0.0, nan, 1), f32(0.0, inf, nan)),
     np.array([True, False, True])),
]


@pytest.mark.parametrize("compiled", [False, True], ids=["eager", "jit"])
@pytest.mark.parametrize(("function", "operands", "expected"), [s[1:] for s in SPECIAL],
                         ids=[s[0] for s in SPECIAL])
def test_special_values(function: Any, operands: Any, expected: np.ndarray, compiled: bool) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        actual = np.asarray((jit(function) if compiled else function)(*operands))
    assert actual.dtype == expected.dtype
    np.testing.assert_allclose(actual, expected, rtol=1e-6, atol=1e-44)
    if expected.dtype.kind == "f":
        np.testing.assert_array_equal(np.signbit(actual[expected == 0]),
                                      np.signbit(expected[expected == 0]))


FLOAT_UNARY = ["exp", "log", "log1p", "expm1", "sin", "cos", "tan", "asin", "acos", "atan", "sinh",
               "cosh", "tanh", "asinh", "atanh", "sqrt", "rsqrt", "cbrt", "logistic", "abs", "neg",
               "sign", "floor", "ceil", "round", "square", "erf", "erfc", "erf_inv", "exp2"]
BOTH_BINARY = ["add", "sub", "mul", "div", "max", "min", "rem"]


@pytest.mark.parametrize("dtype", FLOATS, ids=str)
@pytest.mark.parametrize("name", FLOAT_UNARY)
def test_unary_dtypes(name: str, dtype: np.dtype[Any]) -> None:
    """Each dtype rounds what float64 computes; compiled code agrees."""
    function = getattr(lax, name)
    with config.enable_x64(True):
        x = real(40, low=0.05, high=0.95).astype(dtype)
        exact = np.asarray(function(x.astype(np.float64)))
        eager, compiled = function(x), jit(function)(x)
    for actual in (eager, compiled):
        assert actual.dtype == dtype
        np.testing.assert_allclose(np.asarray(actual).astype(np.float64), exact,
                                   rtol=max(4 * float(finfo(dtype).eps), 1e-12))


@pytest.mark.parametrize("dtype", [*FLOATS, *INTEGERS], ids=str)
@pytest.mark.parametrize("name", BOTH_BINARY)
def test_binary_dtypes(name: str, dtype: np.dtype[Any]) -> None:
    function = getattr(lax, name)
    is_float = dtype in FLOATS
    x = real(40, low=1, high=9) if is_float else whole(40, low=5, high=11)
    y = real(40, low=1, high=4, seed=1) if is_float else whole(40, low=1, high=5, seed=1)
    with config.enable_x64(True):
        x, y = x.astype(dtype), y.astype(dtype)
        wide = np.float64 if is_float else np.int64
        exact = np.asarray(function(x.astype(wide), y.astype(wide)))
        eager, compiled = function(x, y), jit(function)(x, y)
    for actual in (eager, compiled):
        assert actual.dtype == dtype
        np.testing.assert_allclose(np.asarray(actual).astype(wide), exact,
                                   rtol=4 * float(finfo(dtype).eps) if is_float else 0)


@pytest.mark.parametrize("target", [*FLOATS, *INTEGERS, np.dtype(bool), np.dtype(np.complex64)],
                         ids=str)
@pytest.mark.parametrize("source", [*FLOATS, *INTEGERS, np.dtype(bool)], ids=str)
def test_conversions(source: np.dtype[Any], target: np.dtype[Any]) -> None:
    values = np.array([0, 1, 2, 100]).astype(source)
    with config.enable_x64(True):
        actual = lax.convert_element_type(values, target)
        compiled = jit(lambda x: lax.convert_element_type(x, target))(values)
    assert actual.dtype == compiled.dtype == target
    expected = values.astype(np.float64).astype(target) if target.kind != "b" else values != 0
    np.testing.assert_array_equal(np.asarray(actual), expected)
    np.testing.assert_array_equal(np.asarray(compiled), expected)


SMALL = [ml_dtypes.float8_e4m3fn, ml_dtypes.float8_e5m2, ml_dtypes.int4, ml_dtypes.uint4]


@pytest.mark.parametrize("dtype", SMALL)
def test_small_dtypes(dtype: Any) -> None:
    x = np.array([1, 3, 2], dtype)
    for function in (lax.add, lax.mul, lax.max, lax.div):
        out = function(x, np.array([1, 2, 2], dtype))
        assert out.dtype == np.dtype(dtype)
    assert np.asarray(lax.reduce_max(x, (0,))) == np.array(3, dtype)
    assert lax.convert_element_type(x, np.float32).tolist() == [1, 3, 2]
    assert np.asarray(lax.lt(x, np.array([2, 2, 2], dtype))).tolist() == [True, False, False]


def test_narrow_shifts_and_counts() -> None:
    x = np.array([-7, 7], ml_dtypes.int4)
    assert np.asarray(lax.shift_right_logical(x, np.array([1, 1], ml_dtypes.int4))) \
        .astype(int).tolist() == [4, 3]
    assert np.asarray(lax.population_count(np.array([-1, 3], ml_dtypes.int4))) \
        .astype(int).tolist() == [4, 2]


@pytest.mark.parametrize("transform", [lambda f: f, jit], ids=["eager", "jit"])
@pytest.mark.parametrize(("dtype", "digits"), [
    (ml_dtypes.int4, [0, 1, 2, 3, 4, 5, 6, 7]), (ml_dtypes.uint2, [0, 0, 1, 0, 2, 0, 3, 0] * 2)])
def test_bits_of_narrow_integers(transform: Any, dtype: Any, digits: list[int]) -> None:
    """Numbers of less than a byte take a byte each, which is not how their bits lie in words."""
    word = i32(0x76543210 if len(digits) == 8 else 0x32103210)
    packed = transform(lambda x: lax.bitcast_convert_type(x, dtype))(word)
    assert np.asarray(packed).astype(int).tolist() == [digits]
    back = transform(lambda x: lax.bitcast_convert_type(x, np.int32))(packed)
    assert np.asarray(back).tolist() == word.tolist()


WEAK = [
    (lax.exp, (1.0,), True), (lax.add, (1.0, 2.0), True), (lax.eq, (1.0, 2.0), True),
    (lax.is_finite, (1.0,), True), (lax.add, (f32(1), 2.0), False),
    (lambda p, x: lax.select_n(p, x, x), (True, 1.0), True),
    (lambda x: lax.convert_element_type(x, np.float32), (1.0,), False),
    (lambda x: lax.bitcast_convert_type(x, np.int32), (1.0,), False),
    (lax.pow, (1.0, 2), True), (lambda x: lax.reduce_sum(x, ()), (1.0,), True),
    (lax.real, (1j,), True), (lax.stop_gradient, (1.0,), True),
]


@pytest.mark.parametrize(("function", "operands", "weak"), WEAK)
def test_weak_types(function: Any, operands: Any, weak: bool) -> None:
    assert make_jaxpr(function)(*operands).out_avals[0].weak_type is weak
    assert function(*operands).weak_type is weak


SLOPES = [
    ("abs at 0", lax.abs, 0.0, 1.0), ("sqrt at 0", lax.sqrt, 0.0, inf),
    ("integer_pow 0", lambda x: lax.integer_pow(x, 0), 0.0, 0.0),
    ("pow 1 at 0", lambda x: lax.pow(x, 1.0), 0.0, 1.0),
    ("pow base 0", lambda x: lax.pow(0.0, x), 2.0, 0.0),
    ("clamp at the bound", lambda x: lax.clamp(0.0, x, 1.0), 1.0, 0.0),
    ("max of ties", lambda x: lax.max(x, 1.0), 1.0, 0.5),
    ("stop_gradient", lambda x: lax.mul(lax.stop_gradient(x), x), 3.0, 3.0),
    ("bessel_i1e at 0", lax.bessel_i1e, 0.0, 0.5),
]


@pytest.mark.parametrize(("function", "x", "slope"), [s[1:] for s in SLOPES],
                         ids=[s[0] for s in SLOPES])
def test_slopes_at_corners(function: Any, x: float, slope: float) -> None:
    assert float(grad(function)(x)) == slope


def test_integer_tangents_are_float0() -> None:
    x = f32(1, 2)
    out, tangent = jvp(lambda x: lax.convert_element_type(x, np.int32), (x,), (x,))
    assert out.dtype == np.int32 and tangent.dtype.itemsize == 0


X, I, B, C = real(3), whole(3), np.array([True, False, True]), np.ones(3, np.complex64)
ERRORS = [
    (lambda: lax.add(X, I), "lax.add requires arguments to have the same dtypes, got float32, "
     "int32. (Tip: jnp.add is a similar function that does automatic type promotion on inputs)."),
    (lambda: lax.max(X, 1), "lax.max requires arguments to have the same dtypes, got float32, "
     "int32. (Tip: jnp.maximum is"),
    (lambda: lax.rem(X, 1), "lax.rem requires arguments to have the same dtypes, got float32, "
     "int32."),
    (lambda: lax.add(X, real(4)), "add got incompatible shapes for broadcasting: (3,), (4,)."),
    (lambda: lax.add(X, real(1, 3)),
     "add: arrays must have the same number of dimensions, got {1, 2}"),
    (lambda: lax.exp(I), "exp does not accept dtype int32. Accepted dtypes are subtypes of "
     "floating, complexfloating."),
    (lambda: lax.bitwise_and(X, X), "and does not accept dtype float32 at position 0. Accepted "
     "dtypes at position 0 are subtypes of integer, bool."),
    (lambda: lax.lt(C, C), "lt does not accept dtype complex64 at position 0."),
    (lambda: lax.add(B, B), "add does not accept dtype bool at position 0."),
    (lambda: lax.add([1.0], X), "Error interpreting argument to add as a JAX value. The "
     "problematic value is of type <class 'list'> and was passed to add at position 0."),
    (lambda: lax.sin("a"), "problematic value is of type <class 'str'>"),
    (lambda: lax.integer_pow(I, -2), "Integers cannot be raised to negative powers, got "
     "integer_pow(int32[3], -2)"),
    (lambda: lax.pow(I, X), "pow does not accept dtype int32 at position 0."),
    (lambda: lax.select_n(B, X, I), "lax.select requires arguments to have the same dtypes"),
    (lambda: lax.select_n(X, X, X), "select `which` must be boolean or integer type, got float32."),
    (lambda: lax.select_n(B, X, X, X), "select with boolean `which` cannot have > 2 cases."),
    (lambda: lax.select_n(B, X, real(4)),
     "select cases must have the same shapes, got [(3,), (4,)]."),
    (lambda: lax.select_n(B[:1], X, X), "select `which` must be scalar or have the same shape as "
     "cases, got `which` shape (1,) but case shape (3,)."),
    (lambda: lax.clamp(real(2), X, X), "clamp requires min.shape == operand.shape or min.shape == "
     "(), got min.shape=(2,), operand.shape=(3,)."),
    (lambda: lax.bitcast_convert_type(X, np.bool_), "does not support bool or complex values"),
    (lambda: lax.complex(I, I), "complex does not accept dtype int32 at position 0. Accepted "
     "dtypes at position 0 are subtypes of float32, float64."),
    (lambda: lax.real(X), "real does not accept dtype float32."),
]


@pytest.mark.parametrize(("call", "text"), ERRORS)
def test_type_errors(call: Any, text: str) -> None:
    with pytest.raises(TypeError) as caught:
        call()
    assert text in str(caught.value)


@pytest.mark.parametrize(("call", "kind", "text"), [
    (lambda: lax.select_n(B), ValueError, "must have at least one case"),
    (lambda: lax.bitcast_convert_type(np.ones((4, 3), np.int8), np.int32), ValueError,
     r"Attempting to convert array of shape \(4, 3\) from int8"),
    (lambda: lax.reduce_precision(X, 0, 10), ValueError, "exponent_bits must be positive; got 0"),
    (lambda: lax.convert_element_type(X, None), ValueError, "dtype must be specified"),
    (lambda: lax.exp(X, accuracy=1), NotImplementedError, "Accuracy 1 not supported"),
    (lambda: grad(lambda x: lax.nextafter(x, x))(1.0), NotImplementedError,
     "Differentiation rule for 'nextafter' not implemented"),
    (lambda: grad(lambda x: lax.betainc(x, 1.0, 0.5))(1.0), ValueError,
     "Betainc gradient with respect to a and b not supported"),
])
def test_other_errors(call: Any, kind: type[Exception], text: str) -> None:
    with pytest.raises(kind, match=text):
        call()


def test_sizes_of_one_broadcast() -> None:
    assert lax.add(real(3, 1), real(1, 4)).shape == (3, 4)
