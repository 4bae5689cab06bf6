"""`arrax.experimental.rnn`: LSTMs of several layers and directions, with cuDNN's layout of weights.

A direction of a layer is one matrix product for the inputs of all times, then a `scan` over time.
Beyond the end of its sequence an element keeps its state and puts out zeros; so the backward
direction starts where each sequence ends. The gates are in the order input, forget, cell, output.

Source: `jax.experimental.rnn`, which runs `lstm` on GPUs only.
"""
from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from arrax import lax, nn, random
from arrax import numpy as jnp
from arrax.core.lazy import listing as _listing

sigmoid = nn.sigmoid
tanh = jnp.tanh

_Parts = dict[int, Any]


def _shapes(input_size: int, hidden_size: int, num_layers: int, bidirectional: bool,
            ) -> Iterator[tuple[str, int, tuple[int, ...]]]:
    """(kind, layer and direction, shape) of each part of the weights, in order."""
    directions = 2 if bidirectional else 1
    rows, count = 4 * hidden_size, num_layers * directions
    for i in range(count):
        columns = input_size if i < directions else hidden_size * directions
        yield "W_ih", i, (rows, columns)
        yield "W_hh", i, (rows, hidden_size)
    for i in range(count):
        yield "b_ih", i, (rows,)
        yield "b_hh", i, (rows,)


def get_num_params_in_lstm(input_size: int, hidden_size: int, num_layers: int,
                           bidirectional: bool) -> int:
    """How many weights an LSTM has.

    Example:
      >>> get_num_params_in_lstm(2, 3, num_layers=2, bidirectional=True)
      432
    """
    return sum(int(np.prod(shape)) for _, _, shape in _shapes(
        input_size, hidden_size, num_layers, bidirectional))


def init_lstm_weight(rng: Any, input_size: int, hidden_size: int, num_layers: int,
                     bidirectional: bool) -> Any:
    """Weights f32[n] drawn uniformly from ±1/√hidden_size with the key `rng`.

    Source: `jax.experimental.rnn.init_lstm_weight`.
    """
    bound = np.sqrt(1.0 / hidden_size)
    count = get_num_params_in_lstm(input_size, hidden_size, num_layers, bidirectional)
    return random.uniform(rng, (count,), np.float32, -bound, bound)


def unpack_lstm_weights(weights: Any, input_size: int, hidden_size: int, num_layers: int,
                        bidirectional: bool) -> tuple[_Parts, _Parts, _Parts, _Parts]:
    """The matrices and biases in a vector of weights.

    Args:
      weights: f[n], see `get_num_params_in_lstm`.

    Returns: (W_ih, W_hh, b_ih, b_hh): dictionaries by `layer * directions + direction` of matrices
    [4 * hidden, inputs] for the layer's inputs and [4 * hidden, hidden] for its state, and of the
    biases [4 * hidden] beside them.

    Source: `jax.experimental.rnn.unpack_lstm_weights`.
    """
    count = get_num_params_in_lstm(input_size, hidden_size, num_layers, bidirectional)
    if weights.shape != (count,):
        raise ValueError(f"weights of such an LSTM have shape ({count},), got {weights.shape}")
    parts: dict[str, _Parts] = {"W_ih": {}, "W_hh": {}, "b_ih": {}, "b_hh": {}}
    start = 0
    for kind, i, shape in _shapes(input_size, hidden_size, num_layers, bidirectional):
        end = start + int(np.prod(shape))
        parts[kind][i] = weights[start:end].reshape(shape)
        start = end
    return parts["W_ih"], parts["W_hh"], parts["b_ih"], parts["b_hh"]


def swap_lstm_gates(weights: Any, input_size: int, hidden_size: int, num_layers: int,
                    bidirectional: bool) -> Any:
    """The weights with those of the last two gates, cell and output, exchanged.

    Source: `jax.experimental.rnn.swap_lstm_gates`.
    """
    parts = dict(zip(("W_ih", "W_hh", "b_ih", "b_hh"), unpack_lstm_weights(
        weights, input_size, hidden_size, num_layers, bidirectional), strict=True))
    swapped = []
    for kind, i, _ in _shapes(input_size, hidden_size, num_layers, bidirectional):
        first, second, cell, output = jnp.split(parts[kind][i], 4)
        swapped += [jnp.ravel(x) for x in (first, second, output, cell)]
    return jnp.concatenate(swapped)


def lstm(x: Any, h_0: Any, c_0: Any, weights: Any, seq_lengths: Any, input_size: int,
         hidden_size: int, num_layers: int, dropout: float, bidirectional: bool,
         precision: Any = None) -> tuple[Any, Any, Any]:
    """An LSTM of several layers on a batch of sequences.

    Args:
      x: f[batch, time, input_size].
      h_0, c_0: f[layers * directions, batch, hidden_size], the states before the first inputs.
      weights: f[n], as `init_lstm_weight` makes them.
      seq_lengths: i[batch], the lengths of the sequences.
      input_size, hidden_size, num_layers, bidirectional: the sizes.
      dropout: 0; dropout between layers is not supported.
      precision: that of the matrix products.

    Returns: (y, h_n, c_n): the last layer's outputs [batch, time, directions * hidden_size], zero
    after the ends of sequences, and the states at the ends.

    Errors: NotImplementedError for dropout; ValueError for weights of another size.

    Source: `jax.experimental.rnn.lstm`.
    """
    parts = unpack_lstm_weights(weights, input_size, hidden_size, num_layers, bidirectional)
    return _layers(x, h_0, c_0, parts, seq_lengths, num_layers, dropout, bidirectional, precision)


def lstm_ref(x: Any, h_0: Any, c_0: Any, W_ih: _Parts, W_hh: _Parts, b_ih: _Parts, b_hh: _Parts,
             seq_lengths: Any, input_size: int, hidden_size: int, num_layers: int, dropout: float,
             bidirectional: bool) -> tuple[Any, Any, Any]:
    """`lstm` of weights that are unpacked.

    Source: `jax.experimental.rnn.lstm_ref`.
    """
    return _layers(x, h_0, c_0, (W_ih, W_hh, b_ih, b_hh), seq_lengths, num_layers, dropout,
                   bidirectional, None)


def _layers(x: Any, h_0: Any, c_0: Any, parts: tuple[_Parts, ...], seq_lengths: Any,
            num_layers: int, dropout: float, bidirectional: bool, precision: Any,
            ) -> tuple[Any, Any, Any]:
    if dropout:
        raise NotImplementedError(f"lstm: dropout between layers is not supported, got {dropout}")
    directions = 2 if bidirectional else 1
    inside = jnp.arange(x.shape[1])[:, None, None] < jnp.asarray(seq_lengths)[None, :, None]
    states = []
    for layer in range(num_layers):
        outputs = []
        for direction in range(directions):
            i = layer * directions + direction
            y, *state = _direction(x, h_0[i], c_0[i], [part[i] for part in parts], inside,
                                   direction == 1, precision)
            outputs.append(y)
            states.append(state)
        x = jnp.concatenate(outputs, axis=-1)
    return x, jnp.stack([h for h, _ in states]), jnp.stack([c for _, c in states])


def _direction(x: Any, h_0: Any, c_0: Any, weights: list[Any], inside: Any, reverse: bool,
               precision: Any) -> tuple[Any, Any, Any]:
    """One direction of one layer; `inside` [time, batch, 1] says where sequences are."""
    W_ih, W_hh, b_ih, b_hh = weights
    inputs = jnp.einsum("bti,hi->tbh", x, W_ih, precision=precision) + (b_ih + b_hh)[None, None]

    def step(state: Any, now: Any) -> Any:
        (h, c), (from_input, here) = state, now
        gates = from_input + jnp.matmul(h, W_hh.T, precision=precision)
        i, f, g, o = jnp.split(gates, 4, axis=-1)
        new_c = sigmoid(f) * c + sigmoid(i) * tanh(g)
        new_h = sigmoid(o) * tanh(new_c)
        state = jnp.where(here, new_h, h), jnp.where(here, new_c, c)
        return state, jnp.where(here, new_h, jnp.zeros((), new_h.dtype))
    (h, c), y = lax.scan(step, (h_0, c_0), (inputs, inside), reverse=reverse)
    return jnp.swapaxes(y, 0, 1), h, c

__all__ = [
    "get_num_params_in_lstm", "init_lstm_weight", "lstm", "lstm_ref", "sigmoid",
    "swap_lstm_gates", "tanh", "unpack_lstm_weights"]
__dir__ = _listing(__name__)
