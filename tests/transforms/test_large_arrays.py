"""Eager operations on large arrays agree with NumPy, whichever way they run."""
from __future__ import annotations

import numpy as np
import pytest

import arrax.numpy as jnp
from arrax.core.aval import ShapedArray
from arrax.core.primitive import FEW, LARGE
from arrax.core.engine import default_engine
from arrax.transforms import large_arrays
from arrax.transforms.staging import trace_to_jaxpr

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
    large_arrays._programs.clear()
    for _ in range(6):
        x + x[:1]
    assert len(large_arrays._programs) == 1


def test_one_program_serves_all_shapes_of_a_function():
    large_arrays._programs.clear()
    large_arrays._plans.clear()
    for shape in ((FEW,), (FEW + 1,), (70, 70), (3, 5, 701), (LARGE + 77,)):
        x = np.resize(X, shape)
        np.testing.assert_allclose(jnp.tan(jnp.asarray(x)), np.tan(x), rtol=2e-6)
    assert len(large_arrays._programs) == 1


@pytest.mark.parametrize("size", [FEW - 1, FEW, FEW + 1, 2 * large_arrays.BLOCK * 4 + 1023])
def test_blocks_take_operands_of_any_layout(size: int):
    x, y = np.abs(np.resize(X, 2 * size)), np.float32(1.7)
    for ours, right in [
            (jnp.power(jnp.asarray(x)[::2], y), x[::2] ** y),
            (jnp.power(y, jnp.asarray(x)[:size]), y ** x[:size]),
            (jnp.arctan2(jnp.asarray(x).reshape(2, size), jnp.asarray(x)[:size]),
             np.arctan2(x.reshape(2, size), x[:size])),
            (jnp.exp(jnp.broadcast_to(jnp.asarray(x)[:1], (size,))), np.exp(x[:1].repeat(size)))]:
        np.testing.assert_allclose(ours, right, rtol=1e-6)


def test_blocks_have_an_element_s_value_wherever_it_stands():
    x = jnp.asarray(np.resize(X, 2 * FEW))
    whole = np.asarray(jnp.tanh(x))
    for first in (0, 1, 7, 500):
        np.testing.assert_array_equal(jnp.tanh(x[first:]), whole[first:])


def test_what_is_not_a_program_of_blocks_is_refused():
    vector = default_engine().compile(
        trace_to_jaxpr(lambda x: [jnp.exp(x)], [ShapedArray((8,), np.dtype(np.float32))]), name="f")
    total = default_engine().compile(
        trace_to_jaxpr(lambda x: [x.sum()], [ShapedArray((8,), np.dtype(np.float32))]), name="f")
    assert vector.runs_blocks and not total.runs_blocks
    ones = np.ones(20, np.float32)
    np.testing.assert_array_equal(vector.run_blocks([ones], (20,))[0], jnp.exp(ones))
    with pytest.raises(ValueError, match="not a program of blocks"):
        total.run_blocks([ones], (20,))
    with pytest.raises(ValueError, match="too few elements"):
        vector.run_blocks([ones[:7]], (7,))
    for wrong in (ones.astype(np.float64), ones[::2], ones[:5], None):
        with pytest.raises(TypeError, match="contiguous ndarrays"):
            vector.run_blocks([wrong], (20,))
