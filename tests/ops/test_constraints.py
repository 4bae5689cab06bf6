"""Sharding constraints, and values that must be kept."""
from __future__ import annotations

import numpy as np
import pytest

import arrax
import arrax.numpy as jnp
from arrax import lax
from arrax.sharding import NamedSharding, PartitionSpec

MESH = arrax.make_mesh((1,), ("i",))
ROWS = NamedSharding(MESH, PartitionSpec("i"))
X = jnp.ones((4, 6))


def test_constraints_place_and_keep_values():
    assert lax.with_sharding_constraint(X, ROWS).sharding == ROWS
    tree = lax.with_sharding_constraint({"a": X, "b": X * 2}, ROWS)
    assert tree["b"].sharding == ROWS

    def f(x):
        return lax.with_sharding_constraint(x * x, ROWS).sum()
    np.testing.assert_array_equal(arrax.grad(f)(X), 2 * X)
    assert float(arrax.jit(f)(X)) == 24.0
    assert arrax.vmap(f)(jnp.ones((2, 4, 6))).tolist() == [24.0, 24.0]
    eqn = arrax.make_jaxpr(arrax.vmap(lambda x: lax.with_sharding_constraint(x, ROWS)))(X).eqns[0]
    assert eqn.params["sharding"].spec == PartitionSpec(None, "i")


def test_constraint_errors():
    for sharding, kind in ((None, ValueError), (PartitionSpec("i"), RuntimeError), (3, TypeError),
                           (NamedSharding(MESH, PartitionSpec(None, None, "i")), ValueError)):
        with pytest.raises(kind):
            lax.with_sharding_constraint(X, sharding)


def test_sinks_stay():
    def f(x):
        lax.dce_sink({"a": x + 1})
        return x
    assert [e.primitive.name for e in arrax.make_jaxpr(f)(1.0).eqns] == ["add", "dce_sink"]
    assert float(arrax.jit(f)(2.0)) == 2.0 and float(arrax.grad(f)(2.0)) == 1.0
    assert arrax.vmap(f)(X).shape == X.shape
