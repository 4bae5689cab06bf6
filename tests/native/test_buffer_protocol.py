"""Arrays export their data, read-only, by the buffer protocol."""
from __future__ import annotations

import numpy as np
import pytest

import arrax
import arrax.numpy as jnp


@pytest.mark.parametrize("dtype", ["bool", "int8", "int32", "uint16", "float16", "float32",
                                   "complex64"])
def test_memoryview(dtype):
    x = jnp.arange(6).reshape(2, 3).astype(dtype)
    view = memoryview(x)
    assert view.readonly and view.shape == (2, 3)
    np.testing.assert_array_equal(np.asarray(view), np.arange(6).reshape(2, 3).astype(dtype))


def test_nobody_writes_through_a_view():
    x = jnp.zeros(3)
    with pytest.raises((TypeError, ValueError, BufferError)):
        memoryview(x)[0] = 1.0
    converted = np.asarray(x)
    assert not converted.flags.writeable
    with pytest.raises((BufferError, TypeError)):
        memoryview(x).cast("B")[0] = 1
    np.testing.assert_array_equal(x, 0.0)


def test_what_has_no_format_is_refused():
    for value in (jnp.ones(2, jnp.bfloat16), arrax.random.key(0)):
        with pytest.raises((BufferError, ValueError)):
            memoryview(value)
    x = jnp.ones(2)
    x.delete()
    with pytest.raises(BufferError, match="deleted"):
        memoryview(x)


def test_small_floats_still_convert():
    x = jnp.ones(2, jnp.bfloat16)
    assert np.asarray(x).dtype == jnp.bfloat16
