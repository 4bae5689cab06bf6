"""Initializers of parameters."""
from __future__ import annotations

import numpy as np
import pytest

import arrax.numpy as jnp
from arrax import random
from arrax.nn import initializers as init

KEY = random.key(0)
# (name, variance of a parameter with 200 inputs and 100 outputs)
SCALED = [("glorot_normal", 1 / 150), ("glorot_uniform", 1 / 150), ("he_normal", 2 / 200),
          ("he_uniform", 2 / 200), ("lecun_normal", 1 / 200), ("lecun_uniform", 1 / 200)]


@pytest.mark.parametrize("name,variance", SCALED)
def test_variances(name, variance):
    drawn = getattr(init, name)()(KEY, (200, 100))
    assert drawn.dtype == jnp.float32
    assert abs(float(drawn.var()) / variance - 1) < 0.05
    assert abs(float(drawn.mean())) < 3 * np.sqrt(variance / drawn.size)
    kernel = getattr(init, name)(batch_axis=0)(KEY, (2, 200, 100), jnp.bfloat16)
    assert kernel.dtype == jnp.bfloat16 and abs(float(kernel.var()) / variance - 1) < 0.1


@pytest.mark.parametrize("distribution", ["truncated_normal", "normal", "uniform"])
def test_complex_variance(distribution):
    drawn = init.variance_scaling(1.0, "fan_out", distribution)(KEY, (100, 200), jnp.complex64)
    assert abs(float((abs(drawn) ** 2).mean()) * 200 - 1) < 0.05


def test_plain_ones():
    np.testing.assert_array_equal(init.zeros(KEY, (2,)), [0, 0])
    np.testing.assert_array_equal(init.ones(KEY, (2,), jnp.int32), [1, 1])
    np.testing.assert_array_equal(init.constant(3)(KEY, (2,)), [3.0, 3.0])
    assert isinstance(init.normal(), init.Initializer)
    assert 0 <= float(init.uniform(0.5)(KEY, (9,)).max()) < 0.5
    assert float(abs(init.truncated_normal(2.0)(KEY, (99,))).max()) <= 4.0


@pytest.mark.parametrize("shape,axis", [((3, 5), -1), ((5, 3), -1), ((4, 2, 6), -1), ((5, 3), 0)])
def test_orthogonal(shape, axis):
    drawn = np.moveaxis(np.asarray(init.orthogonal(2.0, axis)(KEY, shape)), axis, -1)
    matrix = drawn.reshape(-1, shape[axis])
    small = matrix @ matrix.T if matrix.shape[0] < matrix.shape[1] else matrix.T @ matrix
    np.testing.assert_allclose(small, 4 * np.eye(len(small)), atol=1e-5)


def test_delta_orthogonal():
    drawn = np.array(init.delta_orthogonal()(KEY, (3, 3, 2, 4)))
    np.testing.assert_allclose(drawn[1, 1] @ drawn[1, 1].T, np.eye(2), atol=1e-5)
    drawn[1, 1] = 0
    assert not drawn.any()


# (call, part of the message)
WRONG = [
    (lambda: init.orthogonal()(KEY, (3,)), "at least a 2D shape"),
    (lambda: init.delta_orthogonal()(KEY, (3, 4)), "3D, 4D or 5D"),
    (lambda: init.delta_orthogonal()(KEY, (3, 4, 2)), "fan_in"),
    (lambda: init.variance_scaling(1.0, "fan", "normal")(KEY, (2, 2)), "invalid mode"),
    (lambda: init.variance_scaling(1.0, "fan_in", "other")(KEY, (2, 2)), "invalid distribution"),
    (lambda: init.he_normal()(KEY, (2, 2), jnp.int32), "float or complex dtype"),
    (lambda: init.he_normal()(KEY, (2,)), "at least 2|dimension")]


@pytest.mark.parametrize("call,message", WRONG)
def test_errors(call, message):
    with pytest.raises(ValueError, match=message):
        call()
