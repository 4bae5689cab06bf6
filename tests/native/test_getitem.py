"""Native reads and updates of items agree with the general way, or leave it to that."""
from __future__ import annotations

import numpy as np
import pytest

import arrax.numpy as jnp
from arrax import _native
from arrax.numpy.index_plan import parse
from arrax.numpy.indexing import read

X = jnp.asarray(np.arange(60, dtype=np.float32).reshape(3, 4, 5))
ROWS, COLUMNS = jnp.asarray([2, 0, -1]), jnp.asarray([[1], [-4]])
MASK = np.asarray(X)[:, :, 0] % 3 == 0

SIMPLE = [
    0, -1, 2, 7, -9, slice(1, 3), slice(None, None, -1), slice(5, None, -2), ..., None, (), (0, 1),
    (..., 0), (0, ..., -1), (None, 0), (slice(None), 9, -9), (0, None, slice(1, 2), ...), ROWS,
    np.array([0, 1]), (ROWS, 0), (slice(None), ROWS), (0, slice(None), ROWS), (ROWS, COLUMNS),
    (ROWS, None), (ROWS, None, 0), (None, ROWS, slice(None), ROWS), (..., ROWS), jnp.asarray(2),
    (jnp.asarray(-1), slice(None), ROWS), jnp.asarray(MASK), MASK, (MASK, 0), (MASK, ROWS[:1]),
    (slice(None), np.ones((4, 5), bool)), jnp.asarray([1, 2], jnp.uint8), np.zeros((0,), np.int32)]
GENERAL = [
    True, np.bool_(False), np.int64(1), ROWS + 5, (0, ROWS - 9), slice(np.int32(1), None),
    ([0, 1], 0), (0, 0, 0, 0), (..., ...), 1.5, "a", jnp.ones(2), (ROWS, jnp.asarray([0, 1]))]


@pytest.mark.parametrize("index", SIMPLE, ids=repr)
def test_common_indices_are_read_natively(index):
    found = _native.read_item(X, index)
    right = read(X, parse(X.shape, index))
    assert found.aval is right.aval
    np.testing.assert_array_equal(found, right)


@pytest.mark.parametrize("index", GENERAL, ids=repr)
def test_others_are_left_to_the_general_way(index):
    assert _native.read_item(X, index) is None


@pytest.mark.parametrize("index", SIMPLE, ids=repr)
@pytest.mark.parametrize("kind", ["set", "add", "multiply", "min"])
def test_updates_are_those_of_the_general_way(index, kind):
    fast = getattr(X.at[index], kind)(2.5)
    general = getattr(X.at[index], kind)(2.5, mode="drop")
    assert fast.aval is general.aval
    np.testing.assert_array_equal(fast, general)


def test_updates_out_of_bounds_are_not_for_numpy():
    assert _native.update_index(X, 3) is None
    np.testing.assert_array_equal(X.at[3].set(0.0), X)
    np.testing.assert_array_equal(X.at[jnp.asarray([0, 5])].add(1.0)[0], X[0] + 1)


def test_other_arrays_and_traces_are_left_alone():
    import arrax as jax
    keys = jax.random.split(jax.random.key(0), 3)
    assert _native.read_item(keys, 0) is None
    assert _native.read_item(np.ones(3), 0) is None
    assert "dynamic_slice" in str(jax.make_jaxpr(lambda i: X[i])(0))
