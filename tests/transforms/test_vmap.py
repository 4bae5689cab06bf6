"""`vmap`, named axes and collectives, `pmap`."""
from __future__ import annotations

import numpy as np
import pytest

import arrax
import arrax.numpy as jnp
from arrax import grad, jit, lax, pmap, vmap

X = np.arange(12, dtype=np.float32).reshape(4, 3)


def test_in_axes_and_out_axes_as_prefixes():
    def f(tree, y):
        return {"a": tree["p"][0] + y, "b": tree["q"] * 2}
    tree = {"p": (jnp.asarray(X), jnp.asarray(X)), "q": jnp.asarray(X.T)}
    out = vmap(f, in_axes=({"p": 0, "q": 1}, None), out_axes={"a": 1, "b": 0})(tree, 1.0)
    np.testing.assert_array_equal(out["a"], (X + 1).T)
    np.testing.assert_array_equal(out["b"], X * 2)


def test_negative_axes_and_unmapped_results():
    np.testing.assert_array_equal(vmap(jnp.sum, in_axes=-1)(X), X.sum(0))
    np.testing.assert_array_equal(vmap(lambda x: x, out_axes=-1)(X), X.T)
    np.testing.assert_array_equal(vmap(lambda x: 3, axis_size=2, in_axes=None)(1.0), [3, 3])
    a, b = vmap(lambda x: (x, 5.0), out_axes=(0, None))(X)
    assert float(b) == 5.0


def test_keyword_arguments_are_mapped_over_axis_0():
    np.testing.assert_array_equal(vmap(lambda x, *, y: x + y)(X, y=np.arange(4.0)), X + np.arange(
        4.0)[:, None])


def test_nested_maps():
    got = vmap(vmap(jnp.multiply, in_axes=(None, 0)), in_axes=(0, None))(X[0], X[1])
    np.testing.assert_array_equal(got, np.outer(X[0], X[1]))


def collect(f, x=X, **options):
    """A collective under vmap, under jit of vmap, and under pmap on four devices."""
    expected = vmap(f, axis_name="i", **options)(x)
    np.testing.assert_allclose(jit(vmap(f, axis_name="i", **options))(x), expected, rtol=1e-6)
    np.testing.assert_allclose(vmap(jit(f), axis_name="i", **options)(x), expected, rtol=1e-6)
    arrax.config.update("jax_num_cpu_devices", 4)
    try:
        np.testing.assert_allclose(pmap(f, axis_name="i", **options)(x), expected, rtol=1e-6)
    finally:
        arrax.config.update("jax_num_cpu_devices", -1)
    return np.asarray(expected)


COLLECTIVES = [
    ("psum", lambda v: lax.psum(v, "i"), np.broadcast_to(X.sum(0), X.shape)),
    ("pmean", lambda v: lax.pmean(v, "i"), np.broadcast_to(X.mean(0), X.shape)),
    ("pmax", lambda v: lax.pmax(v, "i"), np.broadcast_to(X.max(0), X.shape)),
    ("pmin", lambda v: lax.pmin(v, "i"), np.broadcast_to(X.min(0), X.shape)),
    ("psum of a constant", lambda v: v * lax.psum(1, "i"), X * 4),
    ("psum unmapped", lambda v: v + lax.psum(jnp.float32(2), "i"), X + 8),
    ("groups", lambda v: lax.psum(v, "i", axis_index_groups=[[0, 2], [1, 3]]),
     np.stack([X[0] + X[2], X[1] + X[3]] * 2)),
    ("all_gather", lambda v: lax.all_gather(v, "i")[1], np.broadcast_to(X[1], X.shape)),
    ("all_gather tiled", lambda v: lax.all_gather(v, "i", tiled=True),
     np.broadcast_to(X.reshape(-1), (4, 12))),
    ("ppermute", lambda v: lax.ppermute(v, "i", [(i, (i + 1) % 4) for i in range(4)]),
     np.roll(X, 1, 0)),
    ("ppermute partial", lambda v: lax.ppermute(v, "i", [(0, 1)]),
     np.stack([0 * X[0], X[0], 0 * X[0], 0 * X[0]])),
    ("axis_index", lambda v: v * 0 + lax.axis_index("i"), X * 0 + np.arange(4.0)[:, None]),
    ("pbroadcast", lambda v: lax.pbroadcast(v, "i", 2), np.broadcast_to(X[2], X.shape)),
]


@pytest.mark.parametrize("name, f, expected", COLLECTIVES, ids=[c[0] for c in COLLECTIVES])
def test_collectives(name, f, expected):
    np.testing.assert_allclose(collect(f), expected, rtol=1e-6)


def test_all_to_all_and_psum_scatter():
    square = np.arange(16, dtype=np.float32).reshape(4, 4)
    np.testing.assert_array_equal(collect(lambda v: lax.all_to_all(v, "i", 0, 0), square), square.T)
    np.testing.assert_array_equal(collect(lambda v: lax.psum_scatter(v, "i"), square),
                                  square.sum(0))
    np.testing.assert_array_equal(collect(lambda v: lax.psum_scatter(v, "i", tiled=True), square),
                                  square.sum(0)[:, None])
    tiled = collect(lambda v: lax.all_to_all(v, "i", 0, 0, tiled=True), square)
    np.testing.assert_array_equal(tiled, square.T)


def test_axis_size_is_static():
    assert vmap(lambda v: jnp.zeros(lax.axis_size("i")), axis_name="i")(X).shape == (4, 4)


def test_collectives_over_several_axes():
    f = lambda v: lax.psum(v, ("i", "j"))
    out = vmap(vmap(f, axis_name="j"), axis_name="i")(X)
    np.testing.assert_allclose(out, np.full((4, 3), X.sum()))


def test_gradients_through_collectives():
    def loss(v):
        return jnp.sum(lax.psum(v, "i") ** 2)
    g = vmap(grad(loss), axis_name="i")(X)
    np.testing.assert_allclose(g, np.broadcast_to(4 * 2 * X.sum(0), X.shape), rtol=1e-5)
    total = lambda x: jnp.sum(vmap(lambda v: v - lax.pmean(v, "i"), axis_name="i")(x) ** 2)
    np.testing.assert_allclose(grad(total)(X), 2 * (X - X.mean(0)), rtol=1e-4, atol=1e-5)


@pytest.fixture
def four_devices():
    arrax.config.update("jax_num_cpu_devices", 4)
    yield arrax.devices()
    arrax.config.update("jax_num_cpu_devices", -1)


def test_pmap_maps_over_devices(four_devices):
    assert arrax.device_count() == 4
    f = pmap(lambda x, y: x @ y, in_axes=(0, None))
    out = f(X, jnp.ones((3, 2)))
    np.testing.assert_allclose(out, X @ np.ones((3, 2)))
    assert out.sharding.device_set == set(four_devices)
    assert len(out.addressable_shards) == 4
    np.testing.assert_allclose(out.addressable_shards[2].data, (X @ np.ones((3, 2)))[2:3])


def test_pmap_of_gradients_with_a_mean_is_data_parallelism(four_devices):
    w = jnp.ones(3)

    def step(w, x):
        g = grad(lambda w: jnp.sum((x @ w) ** 2))(w)
        return w - 0.01 * lax.pmean(g, "batch")
    out = pmap(step, axis_name="batch", in_axes=(None, 0), out_axes=None)(w, X)
    expected = np.ones(3) - 0.01 * np.mean([2 * x * x.sum() for x in X], axis=0)
    np.testing.assert_allclose(out, expected, rtol=1e-4)


def test_pmap_static_arguments(four_devices):
    f = pmap(lambda n, x: x * n if n == 2 else x, static_broadcasted_argnums=0)
    np.testing.assert_array_equal(f(2, X), X * 2)
    np.testing.assert_array_equal(f(3, X), X)
