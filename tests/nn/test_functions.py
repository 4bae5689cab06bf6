"""Activation functions: values by their formulas, eager, compiled and differentiated."""
from __future__ import annotations

import math

import numpy as np
import pytest

import arrax
import arrax.numpy as jnp
from arrax import nn

POINTS = np.array([-20.0, -3.5, -1.5, -0.5, 0.25, 0.75, 2.0, 4.0, 7.0, 30.0])
_erf = np.vectorize(math.erf)


def sigmoid(x):
    return np.where(x < 0, np.exp(np.minimum(x, 0)), 1) / (1 + np.exp(-np.abs(x)))


def softplus(x):
    return np.logaddexp(x, 0)


def elu(x, alpha=1.0):
    return np.where(x > 0, x, alpha * np.expm1(np.minimum(x, 0)))


FORMULAS = {
    "celu": elu, "elu": elu, "identity": lambda x: x,
    "gelu": lambda x: x / 2 * (1 + np.tanh(np.sqrt(2 / np.pi) * (x + 0.044715 * x ** 3))),
    "hard_sigmoid": lambda x: np.clip(x + 3, 0, 6) / 6,
    "hard_silu": lambda x: x * np.clip(x + 3, 0, 6) / 6,
    "hard_tanh": lambda x: np.clip(x, -1, 1),
    "leaky_relu": lambda x: np.where(x < 0, 0.01 * x, x),
    "log1mexp": lambda x: np.log(-np.expm1(-x)), "log_sigmoid": lambda x: -softplus(-x),
    "mish": lambda x: x * np.tanh(softplus(x)), "relu": lambda x: np.maximum(x, 0),
    "relu6": lambda x: np.clip(x, 0, 6),
    "selu": lambda x: 1.0507009873554805 * elu(x, 1.6732632423543772),
    "sigmoid": sigmoid, "silu": lambda x: x * sigmoid(x), "soft_sign": lambda x: x / (1 + abs(x)),
    "softplus": softplus,
    "sparse_plus": lambda x: np.where(x < -1, 0, np.where(x > 1, x, (x + 1) ** 2 / 4)),
    "sparse_sigmoid": lambda x: np.clip(x + 1, 0, 2) / 2,
    "squareplus": lambda x: (x + np.sqrt(x * x + 4)) / 2, "tanh": np.tanh}


@pytest.mark.parametrize("name", FORMULAS)
def test_values_and_slopes(name):
    function, formula = getattr(nn, name), FORMULAS[name]
    points = POINTS[POINTS > 0] if name == "log1mexp" else POINTS
    x = jnp.asarray(points, jnp.float32)
    np.testing.assert_allclose(function(x), formula(points), rtol=2e-5, atol=1e-6)
    np.testing.assert_allclose(arrax.jit(function)(x), formula(points), rtol=2e-5, atol=1e-6)
    slope = (formula(points + 1e-5) - formula(points - 1e-5)) / 2e-5
    found = arrax.vmap(arrax.grad(function))(x)
    np.testing.assert_allclose(found, slope, rtol=2e-4, atol=2e-5)
    assert function(x.astype(jnp.bfloat16)).dtype == jnp.bfloat16


# (function, point, derivative), where formulas leave a choice
KINKS = [("relu", 0.0, 0.0), ("relu6", 0.0, 0.0), ("relu6", 6.0, 0.0), ("elu", 0.0, 1.0),
         ("leaky_relu", 0.0, 1.0), ("soft_sign", 0.0, 1.0), ("sparse_plus", -1.0, 0.0),
         ("sparse_plus", 1.0, 1.0), ("softplus", -np.inf, 0.0), ("softplus", np.inf, 1.0),
         ("relu", -np.inf, 0.0), ("relu", np.inf, 1.0)]


@pytest.mark.parametrize("name,point,expected", KINKS)
def test_slopes_at_kinks(name, point, expected):
    assert float(arrax.grad(getattr(nn, name))(point)) == expected


def test_gelu_without_approximation():
    expected = POINTS / 2 * (1 + _erf(POINTS / np.sqrt(2)))
    np.testing.assert_allclose(nn.gelu(jnp.asarray(POINTS, jnp.float32), approximate=False),
                               expected, rtol=2e-5, atol=1e-6)


def test_glu_halves_an_axis():
    x = np.arange(12.0).reshape(3, 4)
    np.testing.assert_allclose(nn.glu(jnp.asarray(x)), x[:, :2] * sigmoid(x[:, 2:]), rtol=1e-6)
    with pytest.raises(AssertionError, match="divisible by 2"):
        nn.glu(jnp.ones(3))


def test_relu_is_one_custom_derivative_around_one_jit():
    text = str(arrax.make_jaxpr(nn.relu)(1.0))
    assert "custom_jvp_call[\n      name=relu" in text and "jit[name=relu" in text.replace(
        "jit[\n            name", "jit[name")


@pytest.mark.parametrize("name", ["sigmoid", "silu", "elu", "relu", "mish", "gelu"])
def test_lists_are_refused(name):
    with pytest.raises(TypeError):
        getattr(nn, name)([1.0, 2.0])
