"""`arrax.experimental.rnn` against the equations of an LSTM, step by step in NumPy."""
from __future__ import annotations

from typing import Any

import arrax
import numpy as np
import pytest
from arrax import numpy as jnp
from arrax.experimental import rnn

BATCH, TIME, INPUTS, HIDDEN, LAYERS = 3, 5, 2, 4, 2
LENGTHS = np.array([5, 2, 0], np.int32)


def sigmoid(x: Any) -> Any:
    return 1 / (1 + np.exp(-x))


def sequence(x: np.ndarray, h: Any, c: Any, weights: Any) -> tuple[list[Any], Any, Any]:
    """One direction on one sequence."""
    W_ih, W_hh, b_ih, b_hh = (np.asarray(w, np.float64) for w in weights)
    out = []
    for now in x:
        i, f, g, o = np.split(W_ih @ now + b_ih + W_hh @ h + b_hh, 4)
        c = sigmoid(f) * c + sigmoid(i) * np.tanh(g)
        h = sigmoid(o) * np.tanh(c)
        out.append(h)
    return out, h, c


def expected(x: Any, h_0: Any, c_0: Any, parts: Any, directions: int) -> tuple[Any, Any, Any]:
    h_n, c_n = np.array(h_0, np.float64), np.array(c_0, np.float64)
    for layer in range(LAYERS):
        y = np.zeros((BATCH, TIME, directions * HIDDEN))
        for b, length in enumerate(LENGTHS):
            for d in range(directions):
                k, order = layer * directions + d, slice(None, None, -1 if d else 1)
                outs, h_n[k, b], c_n[k, b] = sequence(
                    x[b, :length][order], h_0[k, b], c_0[k, b], [p[k] for p in parts])
                for t, out in enumerate(outs[order]):
                    y[b, t, d * HIDDEN:(d + 1) * HIDDEN] = out
        x = y
    return x, h_n, c_n


@pytest.mark.parametrize("bidirectional", [False, True])
def test_lstm(bidirectional: bool) -> None:
    directions = 2 if bidirectional else 1
    sizes = {"input_size": INPUTS, "hidden_size": HIDDEN, "num_layers": LAYERS,
             "bidirectional": bidirectional}
    generator = np.random.default_rng(0)
    x, h_0, c_0 = (generator.standard_normal(shape).astype(np.float32) for shape in (
        (BATCH, TIME, INPUTS), *[(LAYERS * directions, BATCH, HIDDEN)] * 2))
    weights = rnn.init_lstm_weight(arrax.random.key(0), **sizes)
    parts = rnn.unpack_lstm_weights(weights, **sizes)
    with arrax.numpy_rank_promotion("raise"), arrax.numpy_dtype_promotion("strict"):
        found = rnn.lstm(x, h_0, c_0, weights, LENGTHS, dropout=0., **sizes)
    for a, b in zip(found, expected(x, h_0, c_0, parts, directions), strict=True):
        np.testing.assert_allclose(a, b, atol=1e-5)
    reference = rnn.lstm_ref(x, h_0, c_0, *parts, LENGTHS, dropout=0., **sizes)
    for a, b in zip(found, reference, strict=True):
        np.testing.assert_array_equal(a, b)

    arrax.test_util.check_grads(
        lambda w: rnn.lstm(x, h_0, c_0, w, LENGTHS, dropout=0., **sizes), (weights,), order=1,
        modes=["rev"], atol=1e-2, rtol=1e-2)


def test_weights() -> None:
    sizes = (2, 1, 1, False)
    weights = jnp.arange(rnn.get_num_params_in_lstm(*sizes))
    swapped = rnn.swap_lstm_gates(weights, *sizes)
    assert swapped.tolist() == [0, 1, 2, 3, 6, 7, 4, 5, 8, 9, 11, 10, 12, 13, 15, 14, 16, 17, 19,
                                18]
    np.testing.assert_array_equal(rnn.swap_lstm_gates(swapped, *sizes), weights)


def test_errors() -> None:
    x, state = jnp.ones((1, 2, 2)), jnp.ones((1, 1, 1))
    with pytest.raises(ValueError, match=r"weights of such an LSTM have shape \(20,\), got \(3,\)"):
        rnn.lstm(x, state, state, jnp.ones(3), jnp.array([2]), 2, 1, 1, 0., False)
    with pytest.raises(NotImplementedError, match=r"dropout .* got 0.5"):
        rnn.lstm(x, state, state, jnp.ones(20), jnp.array([2]), 2, 1, 1, 0.5, False)
