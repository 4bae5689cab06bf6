"""The classes of errors of wrong arguments are JAX's."""
from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from tests.parity.under_jax import table

jax = pytest.importorskip("jax")

CASES = {case.id: case.values for case in table("bad_input/test_lax.py").CASES}
_UNCHECKED = "JAX does not check it, and fails or goes on later"
CLEARER = {  # where arrax has an error of its own
    "reductions 9": _UNCHECKED, "shapes 0": _UNCHECKED, "slicing 0": _UNCHECKED,
    "slicing 2": _UNCHECKED, "slicing 4": _UNCHECKED, "slicing 6": _UNCHECKED,
    "slicing 9": _UNCHECKED, "fft 4": _UNCHECKED, "random bits 0": _UNCHECKED,
    "random bits 1": _UNCHECKED,
    "linalg 0": "JAX fails when it adds the transpose, without naming cholesky",
    "linalg 2": "JAX fails when it adds the transpose, without naming eigh",
    "collectives 6": "JAX does not know that the axis is unbound",
}


def _outcome(call: Callable[[], Any]) -> tuple[type, ...]:
    """The classes of the error of a call; none if there is no error."""
    try:
        call()
    except Exception as error:
        return type(error).__mro__
    return ()


@pytest.mark.parametrize("name", CASES)
def test_classes(name: str) -> None:
    call, error, _ = CASES[name]
    assert (error in _outcome(call)) == (name not in CLEARER), CLEARER.get(name)
