"""Elementwise functions against NumPy: values, dtypes, promotion, gradients, errors."""
from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

import arrax
import arrax.numpy as jnp
from tests.numpy.comparing import assert_same, check, check_gradient

RANDOM = np.random.RandomState(0)
FLOATS = RANDOM.randn(3, 4).astype(np.float32)
UNIT = (RANDOM.rand(3, 4) * 1.6 - 0.8).astype(np.float32)
POSITIVE = (RANDOM.rand(3, 4) + 0.5).astype(np.float32)
ROW = RANDOM.randn(4).astype(np.float32)
INTEGERS = RANDOM.randint(-9, 9, (3, 4)).astype(np.int32)
NONZERO = np.where(INTEGERS == 0, 3, INTEGERS).astype(np.int32)
SPECIAL = np.array([np.nan, np.inf, -np.inf, 0.0, -0.0, 1.5, -2.5], np.float32)

UNARY = [
    *[(name, UNIT) for name in ("sin cos tan arcsin arccos arctan sinh cosh tanh arcsinh arctanh "
                                "exp exp2 expm1 cbrt square degrees radians sinc negative "
                                "absolute sign floor ceil trunc rint").split()],
    *[(name, POSITIVE) for name in "log log1p log2 log10 sqrt reciprocal arccosh i0".split()
      if name != "arccosh"],
    ("arccosh", POSITIVE + 1), ("signbit", FLOATS), ("isnan", SPECIAL), ("isinf", SPECIAL),
    ("isfinite", SPECIAL), ("isposinf", SPECIAL), ("isneginf", SPECIAL), ("modf", FLOATS),
    ("frexp", FLOATS), ("nan_to_num", FLOATS), ("round", FLOATS * 3), ("invert", INTEGERS),
    ("absolute", INTEGERS), ("sign", INTEGERS), ("bitwise_count", INTEGERS),
    ("logical_not", INTEGERS), ("spacing", FLOATS)]


@pytest.mark.parametrize(("name", "operand"), UNARY)
def test_unary(name, operand):
    if name == "spacing":
        assert_same(jnp.spacing(operand), np.spacing(operand))
    else:
        check(lambda m, x: getattr(m, name)(x), operand)


SMOOTH = ("sin cos tan arcsin arctan sinh tanh exp exp2 expm1 cbrt square sinc log1p sqrt "
          "reciprocal log2 log10").split()


@pytest.mark.parametrize("name", SMOOTH)
def test_unary_gradients(name):
    operand = POSITIVE if name in ("log2", "log10", "sqrt", "reciprocal") else UNIT
    check_gradient(lambda m, x: getattr(m, name)(x), operand)


BINARY = [
    *[(n, FLOATS, ROW) for n in ("add subtract multiply divide floor_divide mod fmod maximum "
                                 "minimum fmax fmin logaddexp logaddexp2 arctan2 hypot copysign "
                                 "heaviside equal less greater_equal logical_and logical_xor "
                                 "divmod").split()],
    *[(n, INTEGERS, NONZERO[0]) for n in ("add subtract multiply floor_divide mod fmod maximum "
                                          "bitwise_and bitwise_or bitwise_xor gcd lcm divmod "
                                          "not_equal less_equal").split()],
    ("power", POSITIVE, ROW), ("power", INTEGERS, np.abs(INTEGERS[0]) % 4),
    ("left_shift", INTEGERS, np.arange(4, dtype=np.int32)),
    ("right_shift", INTEGERS, np.arange(4, dtype=np.int32)),
    ("ldexp", FLOATS, np.arange(4, dtype=np.int32)), ("float_power", POSITIVE, ROW)]


@pytest.mark.parametrize(("name", "x", "y"), BINARY)
def test_binary(name, x, y):
    check(lambda m, a, b: getattr(m, name)(a, b), x, y)


@pytest.mark.parametrize("name", "add subtract multiply divide arctan2 logaddexp hypot mod".split())
def test_binary_gradients(name):
    check_gradient(lambda m, x, y: getattr(m, name)(x, y), POSITIVE, ROW + 3)


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_promotion_and_broadcasting_follow_numpy_but_for_width(data):
    dtypes = st.sampled_from([np.bool_, np.int8, np.uint8, np.int16, np.int32, np.float16,
                              np.float32, np.complex64])
    shapes = data.draw(hnp.mutually_broadcastable_shapes(num_shapes=2, max_dims=3, max_side=3))
    x, y = (np.ones(shape, data.draw(dtypes)) for shape in shapes.input_shapes)
    out = jnp.multiply(x, y)
    assert out.shape == shapes.result_shape
    assert out.dtype == jnp.promote_types(x.dtype, y.dtype)
    assert arrax.jit(jnp.multiply)(x, y).dtype == out.dtype


@pytest.mark.parametrize(("value", "dtype", "weak"), [
    (lambda: jnp.float32(1) + 2, "float32", False), (lambda: jnp.int8(1) + 2, "int8", False),
    (lambda: jnp.arange(3) + 1.0, "float32", True), (lambda: jnp.add(1, 1.0), "float32", True),
    (lambda: jnp.bfloat16(1) * 2.5, "bfloat16", False), (lambda: jnp.uint8(1) + jnp.int8(1),
                                                         "int16", False),
    (lambda: jnp.float16(1) + jnp.bfloat16(1), "float32", False),
    (lambda: jnp.array(1) + jnp.int8(1), "int8", False), (lambda: jnp.array(1) / 2, "float32",
                                                          True)])
def test_weak_types(value, dtype, weak):
    assert value().dtype == dtype
    assert value().weak_type is weak


@pytest.mark.parametrize(("call", "error", "text"), [
    (lambda: jnp.add([1], 2), TypeError,
     r"add requires ndarray or scalar arguments, got <class 'list'> at position 0\."),
    (lambda: jnp.ones(3) + jnp.ones(4), TypeError,
     r"add got incompatible shapes for broadcasting: \(3,\), \(4,\)\."),
    (lambda: jnp.subtract(True, False), TypeError, "sub does not accept dtype bool"),
    (lambda: jnp.ones(3) << 1, TypeError, "shift_left does not accept dtype float32"),
    (lambda: jnp.arange(3) ** -1, TypeError, "Integers cannot be raised to negative powers"),
    (lambda: jnp.ones(3) + [1, 2, 3], TypeError, "unsupported operand type"),
    (lambda: jnp.gcd(1.0, 2), ValueError, "must be integers"),
    (lambda: jnp.clip(1j, 0), ValueError, "complex value")])
def test_errors(call, error, text):
    with pytest.raises(error, match=text):
        call()


def test_integers_wrap_around():
    assert int(jnp.uint32(5) + (-1)) == 4
    assert int(jnp.int8(1) + 300) == 45


def test_division_of_integers_by_zero():
    np.testing.assert_array_equal(jnp.arange(4) // 0, [-1, -2, -2, -2])
    np.testing.assert_array_equal(jnp.arange(4) % 0, [0, 0, 0, 0])


def test_logaddexp_at_infinities():
    both = jnp.logaddexp(-jnp.inf, -jnp.inf)
    assert both == -jnp.inf
    np.testing.assert_array_equal(
        arrax.grad(lambda x: jnp.logaddexp(x, -jnp.inf))(jnp.float32(-1)), 1)


def test_sinc_has_derivatives_of_any_order_at_zero():
    second = arrax.grad(arrax.grad(jnp.sinc))(0.0)
    np.testing.assert_allclose(second, -np.pi ** 2 / 3, rtol=1e-5)


def test_ufunc_methods():
    x = jnp.asarray(FLOATS)
    assert_same(jnp.add.reduce(x), FLOATS.sum(0))
    assert_same(jnp.maximum.reduce(x, axis=None), FLOATS.max())
    assert_same(jnp.subtract.reduce(x, axis=1), np.subtract.reduce(FLOATS, axis=1))
    assert_same(jnp.subtract.accumulate(x), np.subtract.accumulate(FLOATS))
    assert_same(jnp.multiply.outer(x[0], x[1]), np.multiply.outer(FLOATS[0], FLOATS[1]))
    assert_same(jnp.add.at(x, np.array([0, 0]), 1.0, inplace=False), FLOATS + [[2], [0], [0]])
    assert_same(jnp.add.reduceat(x[0], np.array([0, 2])), np.add.reduceat(FLOATS[0], [0, 2]))
    double = jnp.frompyfunc(lambda a, b: 2 * a + b, 2, 1)
    assert_same(double(x, 1.0), 2 * FLOATS + 1)
    assert repr(jnp.add) == "<jnp.ufunc 'add'>"
    assert isinstance(jnp.add, jnp.ufunc)
