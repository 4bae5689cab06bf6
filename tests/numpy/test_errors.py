"""Mistakes, by function: the class of the error is JAX's, and the message names function, argument
or values.

Each line of `errors.tsv` is a call (of float32 operands; see `calls.operands`), the class that JAX
0.10.2 raises, and how our message begins. tests/parity compares the classes with installed JAX.
"""
from __future__ import annotations

import builtins
import warnings
from pathlib import Path

import pytest

import arrax.numpy as jnp
from arrax import errors
from tests.numpy.calls import evaluate, operands
from tests.numpy.calls.checking import arrays

TABLE = Path(__file__).with_name("errors.tsv")
ROWS = [tuple(line.split("\t")) for line in TABLE.read_text().splitlines()]


@pytest.mark.parametrize(("call", "name", "message"), ROWS, ids=[row[0] for row in ROWS])
def test_mistake(call: str, name: str, message: str) -> None:
    error = getattr(errors, name, None) or getattr(builtins, name)
    values = arrays("float32") | {n: v for n, v in operands("float32").items() if n in "ijkhn"}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        with pytest.raises(error) as caught:
            evaluate(call, jnp, values)
    assert str(caught.value).startswith(message)
