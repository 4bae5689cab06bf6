"""Products of arrays whose blocks have scales."""
from __future__ import annotations

import arrax as jax
import ml_dtypes
import numpy as np
import pytest
from arrax import lax

from tests.ops.rows import Row, checks, real

X, Y = real(2, 6), real(6, 3, seed=1)
SCALES = real(2, 3, seed=2), real(1, 3, seed=3)


def product(x, y, x_scale, y_scale):
    return lax.scaled_dot(x, y, lhs_scale=x_scale, rhs_scale=y_scale,
                          preferred_element_type=np.result_type(x.dtype))


def reference(x, y, x_scale, y_scale):
    return (x * np.repeat(x_scale, 2, 1)) @ (y * np.repeat(y_scale, 6, 0))


ROWS = [Row("scaled_dot", product, (X, Y, *SCALES), reference)]
test_rows = checks(ROWS)


def test_default_is_bfloat16_without_scales():
    out = lax.scaled_dot(np.ones((2, 4), np.float32), np.ones((4, 2), np.float32))
    assert out.dtype == ml_dtypes.bfloat16 and np.all(np.asarray(out) == 4)


def test_small_floats_and_batches():
    x = np.arange(32).reshape(2, 2, 8).astype(ml_dtypes.float8_e4m3fn)
    y = np.arange(48).reshape(2, 8, 3).astype(ml_dtypes.float8_e4m3fn)
    scale = np.array([[[1, 2], [4, .5]]] * 2).astype(ml_dtypes.float8_e8m0fnu)
    wide = x.astype(np.float32) * np.repeat(scale.astype(np.float32), 4, 2)
    for transform in (lambda f: f, jax.jit):
        out = transform(lambda *args: lax.scaled_dot(
            *args[:2], lhs_scale=args[2], preferred_element_type=np.float32))(x, y, scale)
        np.testing.assert_allclose(out, wide @ y.astype(np.float32), rtol=1e-6)


@pytest.mark.parametrize("call, message", [
    (lambda: lax.scaled_dot(X, Y, lhs_scale=real(2, 4)), "axis 1 of lhs has size 6, its scale 4"),
    (lambda: lax.scaled_dot(X, Y, lhs_scale=real(1, 3)), "axis 0 of lhs has size 2, its scale 1"),
    (lambda: lax.scaled_dot(X, Y, rhs_scale=real(3)), "same rank"),
    (lambda: lax.scaled_dot(X, Y, preferred_element_type=np.int32), "floating"),
    (lambda: lax.scaled_dot(X, real(2, 6, 3)), "needs dimension_numbers")])
def test_refusals(call, message):
    with pytest.raises(TypeError, match=message):
        call()
