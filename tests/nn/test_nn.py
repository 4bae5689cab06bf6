"""Activations, the softmax family, attention, initializers."""
from __future__ import annotations

import numpy as np
import pytest
from scipy import special

import arrax
import arrax.numpy as jnp
from arrax import nn
from tests.numpy.comparing import check_gradient

X = (np.random.RandomState(0).randn(3, 4) * 3).astype(np.float32)
WIDE = X.astype(np.float64)


def _sigmoid(x):
    return 1 / (1 + np.exp(-x))


ACTIVATIONS = [
    ("relu", np.maximum(WIDE, 0)), ("relu6", np.clip(WIDE, 0, 6)), ("sigmoid", _sigmoid(WIDE)),
    ("softplus", np.log1p(np.exp(WIDE))), ("silu", WIDE * _sigmoid(WIDE)),
    ("log_sigmoid", np.log(_sigmoid(WIDE))), ("soft_sign", WIDE / (1 + np.abs(WIDE))),
    ("elu", np.where(WIDE > 0, WIDE, np.expm1(WIDE))),
    ("celu", np.where(WIDE > 0, WIDE, np.expm1(WIDE))),
    ("selu", 1.0507009873554805 * np.where(WIDE > 0, WIDE, 1.6732632423543772 * np.expm1(WIDE))),
    ("leaky_relu", np.where(WIDE > 0, WIDE, 0.01 * WIDE)), ("hard_tanh", np.clip(WIDE, -1, 1)),
    ("hard_sigmoid", np.clip(WIDE + 3, 0, 6) / 6),
    ("hard_silu", WIDE * np.clip(WIDE + 3, 0, 6) / 6),
    ("gelu", 0.5 * WIDE * (1 + np.tanh(np.sqrt(2 / np.pi) * (WIDE + 0.044715 * WIDE ** 3)))),
    ("mish", WIDE * np.tanh(np.log1p(np.exp(WIDE)))),
    ("squareplus", (WIDE + np.sqrt(WIDE ** 2 + 4)) / 2),
    ("glu", WIDE[:, :2] * _sigmoid(WIDE[:, 2:])), ("sparse_sigmoid", np.clip((WIDE + 1) / 2, 0, 1)),
    ("softmax", special.softmax(WIDE, -1)), ("log_softmax", special.log_softmax(WIDE, -1)),
    ("logsumexp", special.logsumexp(WIDE)), ("identity", WIDE)]


@pytest.mark.parametrize(("name", "expected"), ACTIVATIONS)
def test_values(name, expected):
    function = getattr(nn, name)
    np.testing.assert_allclose(function(X), expected, rtol=2e-5, atol=2e-6)
    np.testing.assert_allclose(arrax.jit(function)(X), expected, rtol=2e-5, atol=2e-6)


@pytest.mark.parametrize("name", [n for n, _ in ACTIVATIONS] + ["standardize", "logmeanexp"])
def test_gradients(name):
    check_gradient(lambda m, x: getattr(nn, name)(x), WIDE)


def test_exact_gelu():
    np.testing.assert_allclose(nn.gelu(X, approximate=False),
                               WIDE * special.ndtr(WIDE), rtol=1e-5, atol=1e-6)


def test_derivatives_at_kinks():
    assert arrax.grad(nn.relu)(0.0) == 0
    assert arrax.grad(nn.relu6)(6.0) == 0


def test_relu_prints_its_rule():
    text = str(arrax.make_jaxpr(nn.relu)(1.0))
    assert "custom_jvp_call[" in text
    assert "name=relu" in text
    assert "jvp=jvp" in text


def test_extreme_arguments():
    inf = np.inf
    np.testing.assert_array_equal(nn.log_softmax(jnp.array([-inf, 0.0])), [-inf, 0])
    assert nn.logsumexp(jnp.array([-inf, -inf])) == -inf
    assert nn.logsumexp(jnp.array([inf, 1.0])) == inf
    np.testing.assert_allclose(nn.softmax(jnp.array([1e30, 1e30])), [0.5, 0.5])
    assert arrax.grad(nn.softplus)(-200.0) == 0
    np.testing.assert_allclose(nn.log1mexp(jnp.array([0.1, 50.0])), [-2.352169, -1.9287499e-22],
                               rtol=1e-5)


def test_masked_softmax():
    mask = X > 0
    out = nn.softmax(X, where=mask)
    np.testing.assert_allclose(np.asarray(out).sum(-1)[mask.any(-1)], 1, rtol=1e-6)
    assert not np.asarray(out)[~mask].any()


def test_weighted_logsumexp():
    weights = np.array([1, -1, 1, -5.0])
    value, sign = nn.logsumexp(WIDE[0], b=weights, return_sign=True)
    expected, expected_sign = special.logsumexp(WIDE[0], b=weights, return_sign=True)
    np.testing.assert_allclose(value, expected, rtol=1e-5)
    assert sign == expected_sign


@pytest.mark.parametrize("axis", [0, -1, 1])
def test_one_hot(axis):
    out = nn.one_hot(jnp.array([0, 9, -1, 2]), 3, axis=axis)
    expected = np.zeros((4, 3))
    expected[0, 0] = expected[3, 2] = 1
    np.testing.assert_array_equal(out, expected.T if axis == 0 else expected)


@pytest.mark.parametrize("groups", [4, 2, 1])
def test_attention(groups):
    random = np.random.RandomState(0)
    q = random.randn(2, 5, 4, 8)
    k, v = random.randn(2, 2, 5, groups, 8)
    out = nn.dot_product_attention(*(a.astype(np.float32) for a in (q, k, v)), is_causal=True)
    wide_k, wide_v = (np.repeat(a, 4 // groups, axis=2) for a in (k, v))
    logits = np.einsum("btnh,bsnh->bnts", q, wide_k) / np.sqrt(8)
    logits = np.where(np.tri(5, dtype=bool), logits, -np.inf)
    expected = np.einsum("bnts,bsnh->btnh", special.softmax(logits, -1), wide_v)
    np.testing.assert_allclose(out, expected, rtol=1e-4, atol=1e-5)


def test_attention_refuses_shapes_that_do_not_go_together():
    with pytest.raises(ValueError, match="dot_product_attention"):
        nn.dot_product_attention(jnp.ones((2, 3, 4, 8)), jnp.ones((2, 3, 3, 8)),
                                 jnp.ones((2, 3, 3, 8)))


def test_standardize():
    out = np.asarray(nn.standardize(X))
    np.testing.assert_allclose(out.mean(-1), 0, atol=1e-5)
    np.testing.assert_allclose(out.std(-1), 1, rtol=1e-3)


def test_initializers():
    initializers = pytest.importorskip("arrax.nn.initializers")
    key = arrax.random.key(0)
    for name in ("glorot_uniform glorot_normal he_normal he_uniform lecun_normal "
                 "lecun_uniform").split():
        out = getattr(initializers, name)()(key, (64, 64))
        assert 0.5 / 64 < float(out.var()) < 2.6 / 64
    q = initializers.orthogonal()(key, (4, 6))
    np.testing.assert_allclose(q @ q.T, np.eye(4), atol=1e-5)
    kernel = initializers.delta_orthogonal()(key, (3, 2, 2))
    assert not np.asarray(kernel)[0].any()
    np.testing.assert_allclose(kernel[1] @ kernel[1].T, np.eye(2), atol=1e-5)
    assert initializers.constant(3.0)(key, (2,)).tolist() == [3, 3]
    with pytest.raises(ValueError, match="Must be at least 2D"):
        initializers.he_normal()(key, (3,))
