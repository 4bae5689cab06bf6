"""Every recorded kind of draw against installed JAX: equal integers, floats but for a few ulp."""
from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import arrax
import arrax.numpy  # the calls use it
from arrax.ops.random import implementations
from tests.parity.under_jax import table
from tests.random.calls import CALLS, MODES, draw
from tests.random.compare import allowed, distance, is_float

jax = pytest.importorskip("jax")

ROWS = [(mode, call) for mode, calls in CALLS.items() for call in calls
        if MODES[mode].get("default_prng_impl", "rbg") in implementations]


@pytest.mark.parametrize(("mode", "call"), ROWS, ids=[" ".join(row) for row in ROWS])
def test_draws(mode: str, call: str) -> None:
    expected, found = (draw(package, mode, call) for package in (jax, arrax))
    assert found.weak_type == expected.weak_type
    found, expected = np.asarray(found), np.asarray(expected)
    assert (found.shape, found.dtype) == (expected.shape, expected.dtype)
    if is_float(found.dtype):
        assert distance(found, expected) <= allowed(call, found.dtype)
    else:
        np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize(("call", "error", "message"), table("random/test_keys.py").ERRORS)
def test_error_classes(call: Any, error: type[Exception], message: str) -> None:
    with pytest.raises(error):
        call(jax.random.key(0))
