"""Products against einsum, by rows; narrow dtypes are summed exactly."""
from __future__ import annotations

import warnings

import arrax.numpy as jnp
import ml_dtypes
import numpy as np
import pytest
from arrax import lax
from arrax.transforms.api_trace import make_jaxpr

from tests.ops.rows import Row, checks, cplx, real, whole

CASES = [
    ("matrices", (3, 4), (4, 5), (((1,), (0,)), ((), ())), "ab,bc->ac"),
    ("batched", (2, 3, 4), (2, 4, 5), (((2,), (1,)), ((0,), (0,))), "nab,nbc->nac"),
    ("batch inside", (4, 2, 3), (5, 4, 2), (((0,), (1,)), ((1,), (2,))), "bna,cbn->nac"),
    ("two contracted", (4, 2, 3, 6), (5, 6, 4, 2), (((0, 3), (2, 1)), ((1,), (3,))),
     "bnad,cdbn->nac"),
    ("vectors", (4,), (4,), (((0,), (0,)), ((), ())), "a,a->"),
    ("matrix and vector", (3, 4), (4,), (((1,), (0,)), ((), ())), "ab,b->a"),
    ("batch of vectors", (4, 2), (4, 2), (((0,), (0,)), ((1,), (1,))), "ab,ab->b"),
    ("outer", (3,), (2,), (((), ()), ((), ())), "a,b->ab"),
    ("nothing to sum", (3, 0), (0, 2), (((1,), (0,)), ((), ())), "ab,bc->ac")]

SIZES = np.array([[1, 3], [3, 1]], np.int32)
BATCHED_ROWS = lax.RaggedDotDimensionNumbers((((2,), (2,)), ((0,), (0,))), [1], [1])
BATCHED_SUMS = lax.RaggedDotDimensionNumbers((((2,), (1,)), ((0,), (0,))), [2], [])


def by_size(x, y):  # type: ignore[no-untyped-def]
    """Each batch element with the size of its first group."""
    return zip(x, y, SIZES[:, 0], strict=True)


ROWS = [Row(name, lambda x, y, d=dims: lax.dot_general(x, y, d), (real(*a), real(*b, seed=1)),
            lambda x, y, s=sub: np.einsum(s, x, y))
        for name, a, b, dims, sub in CASES]
ROWS += [Row("complex", lax.dot, (cplx(3, 4), cplx(4, 2, seed=1)), np.matmul),
         Row("batch_matmul", lax.batch_matmul, (real(2, 3, 4), real(2, 4, 5)), np.matmul),
         Row("ragged_dot", lambda x, y: lax.ragged_dot(x, y, np.array([2, 3], np.int32)),
             (real(6, 4), real(2, 4, 5)),
             lambda x, y: np.concatenate([x[:2] @ y[0], x[2:5] @ y[1], np.zeros((1, 5))])),
         Row("ragged_dot with groups of its own for each batch element",
             lambda x, y: lax.ragged_dot_general(x, y, SIZES, BATCHED_ROWS),
             (real(2, 4, 3), real(2, 2, 3, 5, seed=1)),
             lambda x, y: np.stack([np.concatenate([v[:n] @ w[0], v[n:] @ w[1]])
                                    for v, w, n in by_size(x, y)])),
         Row("ragged_dot over the ragged axis",
             lambda x, y: lax.ragged_dot_general(x, y, SIZES, BATCHED_SUMS),
             (real(2, 3, 4), real(2, 4, 5, seed=1)),
             lambda x, y: np.stack([np.stack([v[:, :n] @ w[:n] for v, w, n in by_size(x, y)]),
                                    np.stack([v[:, n:] @ w[n:] for v, w, n in by_size(x, y)])]))]

test_rows = checks(ROWS)


@pytest.mark.parametrize("dtype", ["int8", "uint8", "int16", "int32"])
@pytest.mark.parametrize("size", [3, 200])
def test_integers_are_exact(dtype, size):  # type: ignore[no-untyped-def]
    x, y = whole(size, size, dtype=dtype), whole(size, size, seed=1, dtype=dtype)
    exact = x.astype(np.int64) @ y.astype(np.int64)
    wide = lax.dot(x, y, preferred_element_type=np.int32)
    np.testing.assert_array_equal(wide.data, exact)
    np.testing.assert_array_equal(lax.dot(x, y).data, exact.astype(dtype))


@pytest.mark.parametrize("dtype", [ml_dtypes.bfloat16, np.float16])
def test_narrow_floats_are_summed_in_float32(dtype):  # type: ignore[no-untyped-def]
    ones = np.ones((1, 3000), dtype)
    assert float(lax.dot(ones, ones.T).data[0, 0]) == float(dtype(3000))
    assert lax.dot(ones, ones.T, preferred_element_type=np.float32).data[0, 0] == 3000


def test_dtype_of_mixed_operands():  # type: ignore[no-untyped-def]
    x, y = real(2, 2), whole(2, 2, dtype=np.int8)
    assert lax.dot(x, y).dtype == np.float32
    assert lax.dot(x.astype(np.float16), x.astype(ml_dtypes.bfloat16)).dtype == ml_dtypes.bfloat16


def test_bool_products_are_logical():  # type: ignore[no-untyped-def]
    x = np.array([[True, True], [False, False]])
    np.testing.assert_array_equal(lax.dot(x, x).data, [[True, True], [False, False]])


@pytest.mark.parametrize("precision, text", [
    (None, ""), ("high", "(Precision.HIGH, Precision.HIGH)"),
    (("bfloat16", "float32"), "(Precision.DEFAULT, Precision.HIGHEST)"),
    (lax.DotAlgorithmPreset.F32_F32_F32, "F32_F32_F32"), ("BF16_BF16_F32", "BF16_BF16_F32")])
def test_precision_in_jaxprs(precision, text):  # type: ignore[no-untyped-def]
    printed = str(make_jaxpr(lambda x: lax.dot(x, x, precision=precision))(real(2, 2)))
    assert "dimension_numbers=(([1], [0]), ([], []))" in printed
    assert (f"precision={text}" in printed) if text else ("precision" not in printed)


X, B = real(3, 4), real(2, 3, 4)
REFUSALS = [
    (lambda: lax.dot_general(X, X, (((1,), (0,)), ((), ()))), TypeError, r"\(4,\) and \(3,\)"),
    (lambda: lax.dot_general(X, X, (((1,), (1, 2)), ((), ()))), TypeError, "rhs of rank 2"),
    (lambda: lax.dot_general(X, X, (((1,), (1,)), ((0,), ()))), TypeError, "equal numbers of"),
    (lambda: lax.dot_general(X, X, (((1,), (1,)), ((1,), (1,)))), TypeError, "disjoint"),
    (lambda: lax.dot_general(B, B, (((1,), (1,)), ((0,), (2,)))), TypeError, "batch dimensions"),
    (lambda: lax.dot(B, X), ValueError, r"lhs_shape=\(2, 3, 4\)"),
    (lambda: lax.batch_matmul(X, B), ValueError, "same ndim, got 2, 3"),
    (lambda: lax.dot(X, X.T, precision="foo"), ValueError, "but got foo"),
    (lambda: lax.ragged_dot(X, B, X), TypeError, "vector of integers")]


@pytest.mark.parametrize("case", REFUSALS, ids=lambda case: case[2])
def test_refusals(case):  # type: ignore[no-untyped-def]
    call, error, message = case
    with pytest.raises(error, match=message):
        call()


def test_products_of_long_vectors_are_accurate_and_quiet():
    x = np.full(3_000_001, 0.1, np.float32)
    right = float(x[0]) ** 2 * x.size
    np.testing.assert_allclose(float(lax.dot(jnp.asarray(x), jnp.asarray(x))), right, rtol=1e-6)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        big = jnp.full((3, 3), 3e38, jnp.float32)
        assert np.isposinf(lax.dot(big, big)).all()
