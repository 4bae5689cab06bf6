"""Operations that rows cannot express: effects, tokens, labels, shapes, several instances."""
from __future__ import annotations

import numpy as np
import pytest

import arrax as jax
import arrax.numpy as jnp
from arrax import lax
from arrax.ops.callback import io_callback


def test_callbacks_run_once_per_call_and_in_order():  # type: ignore[no-untyped-def]
    seen: list[float] = []

    def note(x):  # type: ignore[no-untyped-def]
        seen.append(float(x))
        return np.float32(2 * x)

    @jax.jit
    def program(x):  # type: ignore[no-untyped-def]
        shape = jax.ShapeDtypeStruct((), np.float32)
        y = io_callback(note, shape, x, ordered=True)
        jax.debug.callback(lambda y: seen.append(float(y)), y, ordered=True)
        return y
    assert float(program(3.0)) == 6 and float(program(5.0)) == 10
    jax.effects_barrier()
    assert seen == [3.0, 6.0, 5.0, 10.0]


def test_tokens_order_and_hold_nothing():  # type: ignore[no-untyped-def]
    jaxpr = jax.make_jaxpr(lambda: lax.after_all(lax.create_token(), lax.create_token()))()
    assert [e.primitive.name for e in jaxpr.eqns] == ["create_token", "create_token", "after_all"]
    with pytest.raises(TypeError, match="after_all"):
        lax.after_all(jnp.ones(2))


@pytest.mark.parametrize("target", [None, "cpu"])
def test_device_put_keeps_values(target):  # type: ignore[no-untyped-def]
    x = np.arange(3, dtype=np.float32)
    device = None if target is None else jax.devices(target)[0]
    for out in (jax.device_put(x, device), jax.jit(lambda x: jax.device_put(x, device))(x),
                jax.grad(lambda x: (jax.device_put(x, device) ** 2).sum())(x) / 2):
        np.testing.assert_array_equal(out, x)


def test_empty_has_a_shape_and_a_dtype():  # type: ignore[no-untyped-def]
    for out in (lax.empty((2, 3), np.int8), jax.jit(lambda: lax.empty((2, 3), np.int8))()):
        assert (out.shape, out.dtype) == ((2, 3), np.int8)


@pytest.mark.parametrize("dtype", [np.float32, np.float16])
def test_scaled_dot_scales_blocks_of_the_contracted_axis(dtype):  # type: ignore[no-untyped-def]
    x, y = np.arange(8, dtype=dtype).reshape(2, 4), np.ones((4, 3), dtype)
    scales = np.array([[1, 2], [4, 8]], dtype)
    out = lax.scaled_dot(x, y, lhs_scale=scales, preferred_element_type=np.float32)
    np.testing.assert_allclose(out, (x * np.repeat(scales, 2, 1)).astype(np.float32) @ y)


def test_ragged_all_to_all_sends_rows():  # type: ignore[no-untyped-def]
    """Two instances; each keeps its first row and sends its second to the other."""
    x = jnp.arange(4.0).reshape(2, 2)
    sizes = jnp.ones(2, int)
    sent = jax.vmap(
        lambda x, to: lax.ragged_all_to_all(x, jnp.zeros(2), jnp.arange(2), sizes, to, sizes,
                                            axis_name="i"), axis_name="i")
    # Instance i's parts go to the rows that stand for the sender.
    out = sent(x, jnp.array([[0, 0], [1, 1]]))
    np.testing.assert_array_equal(out, [[0, 2], [1, 3]])


def test_functions_of_shapes():  # type: ignore[no-untyped-def]
    numbers = ("NCHW", "OIHW", "NCHW")
    shapes = ((1, 2, 5, 5), (3, 2, 3, 3))
    assert lax.conv_general_shape_tuple(*shapes, (1, 1), "VALID", numbers) == (1, 3, 3, 3)
    assert lax.conv_transpose_shape_tuple(*shapes, (2, 2), "VALID", numbers) == (1, 3, 11, 11)
    assert lax.shape_as_value((2, 3)).tolist() == [2, 3]
    assert lax.dtype(1.0) == np.float32 and lax.dtype(np.int8(1)) == np.int8
