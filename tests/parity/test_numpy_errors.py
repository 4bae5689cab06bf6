"""The classes in tests/numpy/errors.tsv are those that JAX raises."""
from __future__ import annotations

import warnings

import pytest

pytest.importorskip("jax", reason="compares with JAX; `make parity` runs it")

import jax.numpy as jnp

from tests.numpy.calls import evaluate, operands
from tests.numpy.test_errors import ROWS
from tests.parity.jax_calls import STATIC


@pytest.mark.parametrize(("call", "name"), [row[:2] for row in ROWS], ids=[row[0] for row in ROWS])
def test_class(call: str, name: str) -> None:
    values = {n: v if n in STATIC else jnp.asarray(v) for n, v in operands("float32").items()}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        with pytest.raises(Exception) as caught:
            evaluate(call, jnp, values)
    assert type(caught.value).__name__ == name
