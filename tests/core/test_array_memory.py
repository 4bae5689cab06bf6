"""An array's memory is not written to through its public attributes."""
from __future__ import annotations

import numpy as np
import pytest

import arrax as jax
import arrax.numpy as jnp
from arrax import lax

ARRAYS = {
    "made": lambda: jnp.arange(4.0),
    "copied": lambda: jnp.asarray(np.arange(4.0, dtype=np.float32)),
    "evaluated": lambda: jnp.sin(jnp.arange(4.0)) * 0 + jnp.arange(4.0),
    "compiled": lambda: jax.jit(lambda x: x + 1)(jnp.arange(4.0) - 1),
    "forwarded": lambda: jax.jit(lambda x: (x, x + 1))(np.arange(4.0, dtype=np.float32))[0],
    "sliced": lambda: jnp.arange(8.0)[:4],
    "donated": lambda: jax.jit(lambda x: x + 1, donate_argnums=0)(jnp.arange(4.0) - 1),
    "called back": lambda: jax.pure_callback(
        lambda: np.arange(4.0, dtype=np.float32), jax.ShapeDtypeStruct((4,), np.float32)),
    "looped": lambda: lax.fori_loop(0, 2, lambda i, x: x + 1, jnp.arange(4.0) - 2),
    "contiguous": lambda: contiguous(jnp.arange(8.0)[::2] / 2),
}


def contiguous(x):
    jax.jit(lambda v: v + 1)(x)
    return x


@pytest.mark.parametrize("name", ARRAYS)
def test_attributes_are_read_only(name):
    x = ARRAYS[name]()
    for view in (x.data, np.asarray(x), x.__array__(), x.addressable_data(0).data, x.data[1:],
                 x.data.T):
        with pytest.raises(ValueError, match="read-only"):
            view[...] = 77
    for attribute in ("data", "placement", "aval"):
        with pytest.raises(AttributeError):
            setattr(x, attribute, None)
    with pytest.raises((TypeError, BufferError)):
        memoryview(x)[0] = 77.0
    assert x.tolist() == [0, 1, 2, 3]


def returned(mine):
    return jax.pure_callback(lambda: mine, jax.ShapeDtypeStruct((4,), np.float32))


@pytest.mark.parametrize("use", [
    jnp.asarray, jnp.array, jax.jit(lambda x: (x, x * 2)), jnp.sin, jax.device_put, returned])
def test_the_users_own_arrays_stay_writeable(use):
    mine = np.arange(4.0, dtype=np.float32)
    out = use(mine)
    mine += 1
    assert mine.tolist() == [1, 2, 3, 4] and jax.tree.leaves(out)[0][0] == 0
