"""Segment reductions, as `arrax.ops` offers them."""
from __future__ import annotations

import numpy as np
import pytest

import arrax
import arrax.numpy as jnp
from arrax import ops

DATA = np.array([5.0, 1.0, 4.0, 2.0, 3.0], np.float32)
IDS = np.array([0, 2, 0, 2, -1])
# (name, NumPy's reduction, the value of an empty segment)
ROWS = [("sum", np.sum, 0), ("prod", np.prod, 1), ("max", np.max, -np.inf), ("min", np.min, np.inf)]


@pytest.mark.parametrize("name,reduce,empty", ROWS)
def test_values(name, reduce, empty):
    function = getattr(ops, f"segment_{name}")
    expected = [reduce(DATA[IDS == i]) if (IDS == i).any() else empty for i in range(4)]
    for options in ({}, {"bucket_size": 2}, {"mode": "drop"}):
        out = function(jnp.asarray(DATA), jnp.asarray(IDS), 4, **options)
        np.testing.assert_array_equal(out, expected)
    compiled = arrax.jit(lambda d, i: function(d, i, 4))(DATA, IDS)
    np.testing.assert_array_equal(compiled, expected)
    rows = function(jnp.stack([DATA, DATA], 1), jnp.asarray(IDS), 4)
    np.testing.assert_array_equal(rows[:, 1], expected)
    assert function(jnp.asarray(DATA), jnp.asarray(IDS)).shape == (3,)


def test_gradients():
    gradient = arrax.grad(lambda d: (ops.segment_sum(d, IDS, 4) ** 2).sum())(jnp.asarray(DATA))
    np.testing.assert_array_equal(gradient, [18, 6, 18, 6, 0])


def test_errors():
    with pytest.raises(TypeError, match="concrete"):
        arrax.jit(ops.segment_sum)(DATA, IDS)
    with pytest.raises(ValueError, match="non-negative"):
        ops.segment_sum(jnp.asarray(DATA), jnp.asarray(IDS), -1)
    with pytest.raises(TypeError, match="integer"):
        ops.segment_sum(jnp.asarray(DATA), jnp.asarray(DATA), 3)
    with pytest.raises(TypeError):
        ops.segment_sum([1.0], jnp.asarray(IDS), 3)
