"""Every distribution against values recorded from JAX 0.10.2 (`recorded.json`).

Integers and booleans are equal; floats, which go through exp, log and erf_inv, are close to a few
ulp of the largest part of the draw.
"""
from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import arrax as jax
import arrax.numpy as jnp
from arrax import random as R  # the name that the recorded calls use

ROWS = json.loads(Path(__file__).with_name("recorded.json").read_text())


def _expected(row: dict[str, Any]) -> np.ndarray:
    values = [complex(*v) for v in row["values"]] if row["dtype"].startswith("complex") \
        else [float(v) if isinstance(v, str) else v for v in row["values"]]
    return np.array(values).astype(row["dtype"])


@pytest.mark.parametrize("row", ROWS, ids=[row["call"] for row in ROWS])
def test_draws_equal_recorded_ones(row: dict[str, Any]) -> None:
    scope = {"jax": jax, "jnp": jnp, "np": np, "R": R, "k": R.key(0), "o": R.PRNGKey(0)}
    found = np.asarray(eval(row["call"], scope))  # the table is ours
    assert list(found.shape) == row["shape"]
    assert str(found.dtype) == row["dtype"]
    expected, head = _expected(row), found.ravel()[:len(row["values"])]
    if head.dtype.kind in "iub":
        assert head.tolist() == expected.tolist()
        return
    wide = np.complex128 if head.dtype.kind == "c" else np.float64
    eps = float(jnp.finfo(found.dtype).eps)
    np.testing.assert_allclose(head.astype(wide), expected.astype(wide), rtol=32 * eps,
                               atol=4 * eps)
