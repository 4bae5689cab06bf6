"""`stax` and `optimizers`: numbers that JAX 0.10.2 gives for the same programs, and properties."""
from __future__ import annotations

import doctest
from typing import Any

import numpy as np
import pytest

import arrax as jax
import arrax.numpy as jnp
from arrax import random
from arrax.example_libraries import optimizers, stax

# Parameters after five steps on w w + 1, from w = sin([[0, 1, 2], [3, 4, 5]]) and b = [1, 1]:
# the first row of w, and b.
AFTER_FIVE = {
    "sgd": ((0.1,), [-0.53151, 0.17424, 0.21112], 0.25723),
    "momentum": ((0.1, 0.9), [-1.49428, -0.97581, -0.9914], -1.02182),
    "nesterov": ((0.1, 0.9), [-2.35779, -1.4251, -1.43337], -1.45575),
    "adagrad": ((0.1,), [-0.09492, 0.74733, 0.81516], 0.90587),
    "rmsprop": ((0.01,), [-0.10661, 0.73685, 0.8047], 0.89542),
    "rmsprop_momentum": ((0.01,), [-0.30965, 0.54028, 0.60825], 0.69905),
    "adam": ((0.01,), [-0.05, 0.79152, 0.85934], 0.95005),
    "adamax": ((0.01,), [-0.04998, 0.7919, 0.85973], 0.95044),
    "sm3": ((0.1,), [-0.09432, 0.74733, 0.81516], 0.90587),
}


@pytest.mark.parametrize("name", AFTER_FIVE)
def test_optimizers_step_as_jax_does(name: str) -> None:
    arguments, w, b = AFTER_FIVE[name]
    init, update, params = getattr(optimizers, name)(*arguments)
    state = init({"w": jnp.sin(jnp.arange(6.0)).reshape(2, 3), "b": jnp.ones(2)})
    step = jax.jit(lambda i, s: update(i, jax.tree.map(lambda x: x * x + 1, params(s)), s))
    for i in range(5):
        state = step(i, state)
    np.testing.assert_allclose(params(state)["w"][0], w, atol=2e-5)
    np.testing.assert_allclose(params(state)["b"], [b, b], atol=2e-5)
    again = optimizers.pack_optimizer_state(optimizers.unpack_optimizer_state(state))
    assert jax.tree.structure(again) == jax.tree.structure(state)
    with pytest.raises(TypeError, match="did not match the parameter tree"):
        update(0, {"w": 1.0}, state)


def test_schedules() -> None:
    for schedule, want in [
            (optimizers.exponential_decay(0.1, 10, 0.5), [0.1, 0.08123, 0.07071, 0.025]),
            (optimizers.inverse_time_decay(0.1, 10, 0.5, True), [0.1, 0.1, 0.1, 0.05]),
            (optimizers.polynomial_decay(0.1, 10, 0.01, 2.0), [0.1, 0.0541, 0.0325, 0.01]),
            (optimizers.piecewise_constant([3, 6], [1.0, 2.0, 3.0]), [1, 1, 2, 3]),
            (optimizers.make_schedule(0.5), [0.5] * 4)]:
        np.testing.assert_allclose([schedule(i) for i in (0, 3, 5, 20)], want, atol=1e-5)
    with pytest.raises(TypeError):
        optimizers.make_schedule(jnp.ones(2))
    with pytest.raises(ValueError, match="one shorter"):
        optimizers.piecewise_constant([3], [1.0])
    np.testing.assert_allclose(optimizers.clip_grads([jnp.array([3.0, 4.0])], 1.0)[0], [0.6, 0.8])


def test_a_network_computes_what_jax_computes() -> None:
    init, apply = stax.serial(
        stax.Conv(4, (3, 3), padding="SAME"), stax.BatchNorm(), stax.Relu,
        stax.MaxPool((2, 2), (2, 2)), stax.FanOut(2),
        stax.parallel(stax.Identity, stax.serial(stax.ConvTranspose(4, (2, 2), padding="SAME"),
                                                 stax.Tanh)),
        stax.FanInSum, stax.AvgPool((2, 2), padding="SAME"), stax.Flatten, stax.Dropout(0.8),
        stax.Dense(5), stax.LogSoftmax)
    shape, params = init(random.PRNGKey(0), (-1, 8, 8, 3))
    assert shape == (-1, 5)
    x = np.sin(np.arange(2 * 8 * 8 * 3)).reshape(2, 8, 8, 3).astype(np.float32)
    want = [[-4.3114, -2.7618, -5.1874, -1.0564, -0.5619],
            [-4.9326, -3.1505, -7.2304, -0.6622, -0.8358]]
    for run in (apply, jax.jit(apply)):
        np.testing.assert_allclose(run(params, x, rng=random.PRNGKey(1)), want, atol=2e-4)
    with pytest.raises(ValueError, match="PRNG key"):
        apply(params, x)


@pytest.mark.parametrize("layer, shape, out", [
    (stax.Dense(3), (-1, 4), (-1, 3)), (stax.FanInConcat(), [(-1, 2), (-1, 3)], (-1, 5)),
    (stax.Flatten, (-1, 2, 3), (-1, 6)), (stax.SumPool((2, 2)), (-1, 4, 5, 1), (-1, 3, 4, 1)),
    (stax.Conv1DTranspose(2, (3,), (2,)), (-1, 5, 3), (-1, 11, 2)),
    (stax.shape_dependent(lambda s: stax.Dense(s[-1])), (-1, 4), (-1, 4)),
    (stax.GeneralConv(("NCHW", "OIHW", "NCHW"), 6, (3, 3)), (-1, 2, 5, 6), (-1, 6, 3, 4))])
def test_layers_know_their_shapes(layer: Any, shape: Any, out: Any) -> None:
    init, apply = layer
    found, params = init(random.key(0), shape)
    assert tuple(found) == out
    inputs = [jnp.ones((7, *s[1:])) for s in shape] if isinstance(shape, list) \
        else jnp.ones((7, *shape[1:]))
    assert apply(params, inputs).shape == (7, *out[1:])


@pytest.mark.parametrize("room", [stax, optimizers])
def test_examples(room: Any) -> None:
    names = {**vars(room), "jnp": jnp, "random": random}
    found = doctest.DocTestFinder().find(room, globs=names)
    assert sum(len(test.examples) for test in found) >= 3
    for test in found:
        assert doctest.DocTestRunner(verbose=False).run(test).failed == 0
