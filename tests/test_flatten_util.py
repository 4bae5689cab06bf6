"""ravel_pytree."""
from __future__ import annotations

import numpy as np
import pytest

import arrax.numpy as jnp
from arrax.flatten_util import ravel_pytree
from arrax.tree_util import tree_leaves

TREES = [
    {"a": np.ones((2, 3), np.float32), "b": [np.float32(2), np.arange(3, dtype=np.float32)]},
    {"a": np.ones(2, np.float32), "b": np.arange(3, dtype=np.int32)},
    (np.ones(2, np.complex64), np.zeros((1, 2), np.float32)),
    np.arange(4, dtype=np.int32), [], {"a": None}, (np.zeros((0, 3), np.float32),),
]


def leaves(tree):
    return [np.asarray(x) for x in tree_leaves(tree)]


@pytest.mark.parametrize("tree", TREES, ids=range(len(TREES)))
def test_round_trip(tree):
    flat, unravel = ravel_pytree(tree)
    assert flat.ndim == 1 and flat.size == sum(x.size for x in leaves(tree))
    for one, other in zip(leaves(tree), leaves(unravel(flat)), strict=True):
        assert one.dtype == other.dtype and one.shape == other.shape
        np.testing.assert_array_equal(one, other)


def test_dtype_and_order():
    flat, _ = ravel_pytree({"b": np.ones(1, np.int8), "a": np.full(2, 3, np.float16)})
    assert flat.dtype == np.float16
    np.testing.assert_array_equal(np.asarray(flat), [3, 3, 1])


def test_errors():
    _, unravel = ravel_pytree([np.ones(2, np.float32)])
    with pytest.raises(ValueError, match=r"array of shape \(3,\), but expected shape \(2,\)"):
        unravel(jnp.ones(3))
    assert unravel(jnp.ones(2, jnp.int32))[0].dtype == jnp.int32
    _, unravel = ravel_pytree([np.ones(2, np.float32), np.ones(1, np.int32)])
    with pytest.raises(TypeError, match="array of dtype int32, but expected dtype float32"):
        unravel(jnp.ones(3, jnp.int32))
