"""Log-sum-exp, softmax, standardization and one-hot codes."""
from __future__ import annotations

import numpy as np
import pytest

import arrax
import arrax.numpy as jnp
from arrax import nn

RANDOM = np.random.RandomState(0)
X = RANDOM.randn(3, 4).astype(np.float32)
W = RANDOM.rand(3, 4) > 0.4
W[:, 0] = True


def test_softmax_is_a_distribution_whatever_the_size():
    for scale in (1.0, 1e4, 1e38):
        p = nn.softmax(jnp.asarray(X * np.float32(scale)))
        np.testing.assert_allclose(p.sum(-1), 1, rtol=1e-5)
    np.testing.assert_allclose(jnp.exp(nn.log_softmax(jnp.asarray(X), axis=0)),
                               nn.softmax(jnp.asarray(X), axis=0), rtol=1e-5)


def test_masks_exclude():
    p = np.asarray(nn.softmax(jnp.asarray(X), where=jnp.asarray(W)))
    expected = np.where(W, np.exp(X), 0)
    np.testing.assert_allclose(p, expected / expected.sum(-1, keepdims=True), rtol=1e-5)
    logs = np.asarray(nn.log_softmax(jnp.asarray(X), where=jnp.asarray(W)))
    assert (logs[~W] == -np.inf).all()
    with pytest.raises(ValueError, match="where must be None or a boolean array"):
        nn.softmax(jnp.asarray(X), where=jnp.ones((3, 4)))


def test_logsumexp():
    np.testing.assert_allclose(nn.logsumexp(jnp.asarray(X), axis=1),
                               np.log(np.exp(X).sum(1)), rtol=1e-5)
    out, sign = nn.logsumexp(jnp.asarray(X), axis=1, b=jnp.asarray(-np.abs(X)), return_sign=True)
    np.testing.assert_allclose(sign * jnp.exp(out), (-np.abs(X) * np.exp(X)).sum(1), rtol=1e-5)
    assert np.isnan(nn.logsumexp(jnp.asarray(X), b=-1.0))
    assert nn.logsumexp(jnp.asarray(X), keepdims=True).shape == (1, 1)
    assert float(nn.logsumexp(jnp.full(3, -jnp.inf))) == -np.inf
    assert float(nn.logsumexp(jnp.array([1.0, jnp.inf]))) == np.inf
    gradient = arrax.grad(nn.logsumexp)(jnp.asarray(X))
    np.testing.assert_allclose(gradient, nn.softmax(jnp.asarray(X), axis=None), rtol=1e-5)
    np.testing.assert_allclose(nn.logmeanexp(jnp.asarray(X), where=jnp.asarray(W)),
                               np.log(np.exp(X)[W].mean()), rtol=1e-5)


@pytest.mark.parametrize("algorithm", ["fast", "stable"])
def test_standardize(algorithm):
    out = nn.standardize(jnp.asarray(X), axis=0, algorithm=algorithm)
    np.testing.assert_allclose(out, (X - X.mean(0)) / np.sqrt(X.var(0) + 1e-5), rtol=1e-4,
                               atol=1e-5)
    with pytest.raises(ValueError, match="algorithm"):
        nn.standardize(jnp.asarray(X), algorithm="other")


def test_one_hot():
    codes = nn.one_hot(jnp.array([0, 2, 3, -1]), 3)
    np.testing.assert_array_equal(codes, [[1, 0, 0], [0, 0, 1], [0, 0, 0], [0, 0, 0]])
    assert nn.one_hot(jnp.array([[1]]), 3, axis=0, dtype=bool).shape == (3, 1, 1)
    mapped = arrax.vmap(lambda x: nn.one_hot(x, 3, axis="i"), axis_name="i")(jnp.array([1, 1, 2]))
    np.testing.assert_array_equal(mapped, [0, 1, 1])
    with pytest.raises(ValueError, match="out of bounds"):
        nn.one_hot(jnp.array([1]), 3, axis=2)
    with pytest.raises(TypeError):
        arrax.jit(lambda x, n: nn.one_hot(x, n))(jnp.array([1]), 3)


# (options, the mask they mean for 3 queries and 4 keys)
ATTENTION = [
    ({}, np.ones((3, 4), bool)),
    ({"is_causal": True}, np.tri(3, 4, dtype=bool)),
    ({"local_window_size": (1, 0)}, np.tri(3, 4, dtype=bool) & ~np.tri(3, 4, -2, dtype=bool)),
    ({"key_value_seq_lengths": jnp.array([2, 2])}, np.ones((3, 1), bool) & (np.arange(4) < 2)),
    ({"mask": jnp.asarray(np.eye(3, 4, dtype=bool))}, np.eye(3, 4, dtype=bool))]


@pytest.mark.parametrize("options,mask", ATTENTION)
def test_attention(options, mask):
    q, k, v = RANDOM.randn(2, 3, 4, 5), RANDOM.randn(2, 4, 2, 5), RANDOM.randn(2, 4, 2, 5)
    wide_k, wide_v = np.repeat(k, 2, 2), np.repeat(v, 2, 2)
    logits = np.einsum("bqhd,bkhd->bhqk", q, wide_k) / np.sqrt(5)
    weights = np.where(mask, np.exp(logits), 0)
    expected = np.einsum("bhqk,bkhd->bqhd", weights / weights.sum(-1, keepdims=True), wide_v)
    operands = [jnp.asarray(x, jnp.float32) for x in (q, k, v)]
    np.testing.assert_allclose(nn.dot_product_attention(*operands, **options), expected, rtol=1e-4,
                               atol=1e-5)
    out, residual = nn.dot_product_attention(*operands, **options, return_residual=True)
    np.testing.assert_allclose(residual, np.moveaxis(np.log(weights.sum(-1)), 1, 2), rtol=1e-4,
                               atol=1e-5)


def test_attention_refuses_what_does_not_fit():
    x = jnp.ones((2, 3, 4, 5))
    for operands, options in (((x, x, x[:, :2]), {}), ((x[:, :, :3], x, x), {}),
                              ((x, x, x.astype(jnp.bfloat16)), {}),
                              ((x, x, x), {"mask": jnp.ones((2, 4, 3, 3))}),
                              ((x, x, x), {"implementation": "other"})):
        with pytest.raises(ValueError):
            nn.dot_product_attention(*operands, **options)


def test_scaled_matmul():
    a, b = RANDOM.randn(1, 2, 4), RANDOM.randn(1, 3, 4)
    s, t = RANDOM.rand(1, 2, 2), RANDOM.rand(1, 3, 2)
    out = nn.scaled_matmul(*(jnp.asarray(x, jnp.float32) for x in (a, b, s, t)))
    expected = np.einsum("bmk,bnk->bmn", a * np.repeat(s, 2, 2), b * np.repeat(t, 2, 2))
    np.testing.assert_allclose(out, expected, rtol=1e-5)
