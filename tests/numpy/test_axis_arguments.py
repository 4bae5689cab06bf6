"""Where a function takes axes, it takes any sequence of integers of any kind."""
from __future__ import annotations

from typing import Any

import arrax
import arrax.numpy as jnp
import numpy as np
import pytest

X = np.arange(24.0, dtype=np.float32).reshape(2, 3, 4)
FUNCTIONS = {
    "sum": jnp.sum, "max": jnp.max, "mean": jnp.mean, "all": jnp.all, "std": jnp.std,
    "median": jnp.median, "expand_dims": jnp.expand_dims, "flip": jnp.flip,
    "norm": lambda x, axis: jnp.linalg.norm(x, axis=axis),
    "fftshift": lambda x, axis: jnp.fft.fftshift(x, axis),
    "moveaxis": lambda x, axis: jnp.moveaxis(x, axis, axis),
    "count_nonzero": jnp.count_nonzero, "nansum": jnp.nansum, "logsumexp":
        arrax.nn.logsumexp, "squeeze": lambda x, axis: jnp.squeeze(x[None, None], axis),
    "fft": lambda x, axis: jnp.fft.fftn(x, axes=axis), "roll": lambda x, axis: jnp.roll(
        x, (1, 2), axis), "quantile": lambda x, axis: jnp.quantile(x, 0.5, axis),
    "gradient": lambda x, axis: jnp.gradient(x, axis=axis)}


@pytest.mark.parametrize("name", FUNCTIONS)
@pytest.mark.parametrize("axes", [[0, 1], range(2), np.arange(2), (np.int64(0), np.int8(1))],
                         ids=["list", "range", "array", "integers"])
def test_sequences_of_axes(name: str, axes: Any) -> None:
    if name == "squeeze" and isinstance(axes, list):
        axes = tuple(axes)
    function = FUNCTIONS[name]
    for wrap in (lambda f: f, arrax.jit):
        got = wrap(lambda x: function(x, axis=axes))(X)
        for a, b in zip(arrax.tree.leaves(got), arrax.tree.leaves(function(X, axis=(0, 1)))):
            np.testing.assert_array_equal(a, b)
