"""Eager operations on large arrays agree with NumPy, whichever way they run."""
from __future__ import annotations

import numpy as np
import pytest

import arrax.numpy as jnp
from arrax.core.evaluate import LARGE
from arrax.transforms import large_arrays

N = 300
X = np.random.default_rng(0).standard_normal((N, N)).astype(np.float32)
assert X.size >= LARGE
ROW, COLUMN = X[:1], X[:, :1]

CASES = {
    "unary": (lambda x: jnp.exp(x), lambda: np.exp(X), (X,)),
    "binary": (lambda x, y: x * y, lambda: X * X.T, (X, X.T)),
    "scalar": (lambda x: x * 2.0, lambda: X * 2, (X,)),
    "row": (lambda x, r: x - r, lambda: X - ROW, (X, ROW)),
    "vector": (lambda x, r: x - r, lambda: X - X[0], (X, X[0])),
    "column": (lambda x, c: x + c, lambda: X + COLUMN, (X, COLUMN)),
    "where": (lambda x: jnp.where(x > 0, x, 0.5),
              lambda: np.where(X > 0, X, np.float32(0.5)), (X,)),
    "sum": (lambda x: x.sum(0), lambda: X.sum(0), (X,)),
    "argmax": (lambda x: jnp.argmax(x, 1), lambda: X.argmax(1), (X,)),
    "var": (lambda x: x.var(0), lambda: X.var(0), (X,)),
    "std": (lambda x: jnp.std(x, axis=1, ddof=1, keepdims=True),
            lambda: X.std(1, ddof=1, keepdims=True), (X,)),
    "broadcast operand": (lambda x: jnp.exp(jnp.broadcast_to(x[0], (N, N))),
                          lambda: np.exp(np.broadcast_to(X[0], (N, N))), (X,)),
    "broadcast scalar": (lambda x: jnp.sin(jnp.full((N, N), 0.5)),
                         lambda: np.full((N, N), np.sin(np.float32(0.5))), (X,)),
}


@pytest.mark.parametrize("name", CASES)
def test_first_and_later_calls_agree_with_numpy(name: str):
    function, expected, operands = CASES[name]
    arrays = [jnp.asarray(x) for x in operands]
    for _ in range(large_arrays.CALLS_BEFORE_COMPILING + 2):
        got = function(*arrays)
        np.testing.assert_allclose(got, expected(), rtol=1e-4, atol=1e-5)
        assert got.shape == expected().shape


def test_a_signature_that_comes_again_is_compiled_once():
    x = jnp.asarray(X)
    before = len(large_arrays._programs)
    for _ in range(6):
        jnp.tan(x)
    assert len(large_arrays._programs) == before + 1
