"""Where dtypes show: overflow, division, shifts, signs, NaN, zeros, branch cuts, truncation.

Expected values are JAX's, which has IEEE 754's and two's complement arithmetic.
"""
from __future__ import annotations

import numpy as np
import pytest

import arrax
import arrax.numpy as jnp
from tests.numpy.calls import evaluate

NAN, INF = np.nan, np.inf
ROWS = [
    # integers wrap around
    ("int8([127, -128]) + int8(1)", np.int8([-128, -127])),
    ("uint8([0, 255]) - uint8(1)", np.uint8([255, 254])),
    ("-int8([-128])", np.int8([-128])),
    ("abs(int8([-128]))", np.int8([-128])),
    ("int32(2147483647) * 2", np.int32(-2)),
    ("sum(int8([100, 100]))", np.int32(200)),
    ("sum(int8([100, 100]), dtype='int8')", np.int8(-56)),
    # division by zero, signs of quotients and remainders
    ("int32([7, -7, 0]) // int32(0)", np.int32([-2, -2, -1])),
    ("int32([7, -7]) % int32(0)", np.int32([0, 0])),
    ("int32([7, -7, 7, -7]) // int32([2, 2, -2, -2])", np.int32([3, -4, -4, 3])),
    ("int32([7, -7, 7, -7]) % int32([2, 2, -2, -2])", np.int32([1, 1, -1, -1])),
    ("fmod(int32([7, -7]), int32(2))", np.int32([1, -1])),
    ("float32([7, -7]) // 2", np.float32([3, -4])),
    ("float32([-1, 1]) % INF", np.float32([INF, 1])),
    ("float32([1, -1, 0]) / 0", np.float32([INF, -INF, NAN])),
    # shifts as far as the width, and farther
    ("int8([1, -1]) << int8([7, 8])", np.int8([-128, 0])),
    ("int8([-128, 64]) >> int8([7, 9])", np.int8([-1, 0])),
    ("uint8([128]) >> uint8(7)", np.uint8([1])),
    # NaN is least and greatest, and last when sorted
    ("max(float32([1, NAN]))", np.float32(NAN)),
    ("minimum(float32([1, NAN]), 0)", np.float32([0, NAN])),
    ("fmin(float32([1, NAN]), 0)", np.float32([0, 0])),
    ("argmax(float32([1, NAN, 3, NAN]))", np.int32(1)),
    ("sort(float32([NAN, INF, -INF, 0]))", np.float32([-INF, 0, INF, NAN])),
    ("argsort(float32([NAN, 1, NAN, 0]))", np.int32([3, 1, 0, 2])),
    ("unique(float32([NAN, 1, NAN]))", np.float32([1, NAN])),
    ("median(float32([1, NAN, 3]))", np.float32(NAN)),
    ("nanmedian(float32([1, NAN, 3]))", np.float32(2)),
    # zeros have signs
    ("signbit(float32([0., -0.]))", np.array([False, True])),
    ("1 / (float32([-0.]) * 1)", np.float32([-INF])),
    ("copysign(float32([1, 1]), float32([0., -0.]))", np.float32([1, -1])),
    ("arctan2(float32([0., -0.]), float32([-1]))", np.float32([np.pi, -np.pi])),
    # branch cuts
    ("sqrt(complex64(-1 + 0j))", np.complex64(1j)),
    ("imag(log(complex64(-1 + 0j)))", np.float32(np.pi)),
    # nothing, and one thing
    ("sum(zeros((0, 3)), axis=0)", np.float32([0, 0, 0])),
    ("prod(zeros((0,)))", np.float32(1)),
    ("mean(zeros((0,)))", np.float32(NAN)),
    ("all(zeros((0,)))", np.bool_(True)),
    ("argmax(float32(3))", np.int32(0)),
    ("cumsum(float32(3))", np.float32([3])),
    ("sort(zeros((0,)))", np.float32([])),
]


@pytest.mark.parametrize(("call", "expected"), ROWS, ids=[row[0] for row in ROWS])
def test_edge(call, expected):
    names = {"NAN": NAN, "INF": INF}
    compiled = arrax.jit(lambda: evaluate(call, jnp, names)) if "unique" not in call else None
    for found in (evaluate(call, jnp, names), *([compiled()] if compiled else [])):
        assert found.dtype == expected.dtype
        np.testing.assert_array_equal(found, expected)


def test_powers_of_integers():
    with pytest.raises(TypeError, match="negative powers"):
        jnp.int32(2) ** -1
    np.testing.assert_array_equal(jnp.int32([1, -1]) ** jnp.int32([-1, -3]), [1, -1])
    assert (jnp.int8(3) ** np.int64(2)).dtype == jnp.int8


@pytest.mark.parametrize("call", [
    lambda: jnp.zeros(2, "float64"), lambda: jnp.arange(3, dtype=jnp.int64),
    lambda: jnp.ones(2).astype("complex128"), lambda: jnp.array(1, "uint64"),
    lambda: jnp.sum(jnp.ones(2), dtype="float64")])
def test_wide_dtypes_are_truncated_with_a_warning(call):
    with pytest.warns(UserWarning, match="will be truncated to dtype"):
        assert call().dtype.itemsize <= 8
    with arrax.enable_x64(True):
        assert call().dtype.name in ("float64", "int64", "complex128", "uint64")
