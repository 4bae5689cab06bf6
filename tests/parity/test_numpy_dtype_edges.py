"""The expected values of tests/numpy/test_dtype_edges.py are JAX's."""
from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("jax", reason="compares with JAX; `make parity` runs it")

import jax.numpy as jnp

from tests.numpy.calls import evaluate
from tests.numpy.test_dtype_edges import INF, NAN, ROWS


@pytest.mark.parametrize(("call", "expected"), ROWS, ids=[row[0] for row in ROWS])
def test_edge(call, expected):
    found = evaluate(call, jnp, {"NAN": NAN, "INF": INF})
    assert found.dtype == expected.dtype
    np.testing.assert_array_equal(found, expected)
