"""Parts of different sizes, exchanged between instances, against a loop over all parts."""
from __future__ import annotations

import arrax as jax
import arrax.numpy as jnp
import numpy as np
import pytest
from arrax import lax


def exchange(*operands):
    return lax.ragged_all_to_all(*operands, axis_name="i")


mapped = jax.vmap(exchange, axis_name="i")


def example(count, parts, seed=0):
    """Operands for `count` instances that send each other `parts` parts each."""
    generator = np.random.default_rng(seed)
    sizes = generator.integers(0, 3, (count, count * parts)).astype(np.int32)
    inputs = generator.integers(0, 3, sizes.shape).astype(np.int32)
    received = sizes.reshape(count, count, parts).transpose(1, 0, 2).reshape(sizes.shape)
    places = np.cumsum(received, 1) - received  # where the receiver wants them
    outputs = places.reshape(count, count, parts).transpose(1, 0, 2).reshape(sizes.shape)
    x = generator.standard_normal((count, 6, 2)).astype(np.float32)
    output = generator.standard_normal((count, int(received.sum(1).max()) + 2, 2))
    return x, output.astype(np.float32), inputs, sizes, outputs.astype(np.int32), received


def reference(x, output, inputs, sizes, outputs, received):
    out = output.copy()
    per_instance = inputs.shape[1] // len(x)
    for sender in range(len(x)):
        for part in range(inputs.shape[1]):
            receiver, size = part // per_instance, sizes[sender, part]
            here, there = inputs[sender, part], outputs[sender, part]
            out[receiver, there:there + size] = x[sender, here:here + size]
    return out


@pytest.mark.parametrize(("count", "parts"), [(1, 1), (2, 1), (3, 2)])
def test_values(count, parts):
    operands = example(count, parts)
    expected = reference(*operands)
    np.testing.assert_array_equal(mapped(*operands), expected)
    np.testing.assert_array_equal(jax.jit(mapped)(*operands), expected)


def test_derivatives_inside_and_outside_of_the_map():
    x, output, *tables = map(jnp.asarray, example(3, 2))

    def outside(x, output):
        return (mapped(x, output, *tables) ** 2).sum()

    def inside(x, output, *tables):
        out, pull = jax.vjp(lambda x, output: exchange(x, output, *tables), x, output)
        return pull(2 * out)
    expected = jax.grad(outside, (0, 1))(x, output)
    found = jax.vmap(inside, axis_name="i")(x, output, *tables)
    for a, b in zip(found, expected, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-6)
    tangent = jax.jvp(outside, (x, output), (x, output))[1]
    direct = sum((g * v).sum() for g, v in zip(expected, (x, output), strict=True))
    np.testing.assert_allclose(tangent, direct, rtol=1e-5)


def test_errors():
    x, output, *tables = example(2, 1)
    with pytest.raises(ValueError, match="same dtype"):
        mapped(x, output.astype(np.int32), *tables)
    with pytest.raises(ValueError, match="send_sizes must be a vector of integers"):
        mapped(x, output, tables[0], tables[1].astype(np.float32), *tables[2:])
    with pytest.raises(ValueError, match="3 for 2 instances"):
        mapped(x, output, *(np.zeros((2, 3), np.int32) for _ in tables))
    with pytest.raises(NameError, match="unbound axis name"):
        exchange(x[0], output[0], *(t[0] for t in tables))
