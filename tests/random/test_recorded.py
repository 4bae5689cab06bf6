"""Every distribution against values recorded from JAX 0.10.2 (`recorded.json`, by `record.py`).

Integers and booleans are equal; floats, which go through exp, log and erf_inv, are a few units in
the last place away at most.
"""
from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import arrax
import arrax.numpy  # the calls use it
from arrax.ops.random import implementations
from tests.random.calls import CALLS, MODES, draw
from tests.random.compare import allowed, distance, is_float

ROWS = json.loads(Path(__file__).with_name("recorded.json").read_text())
HERE = [row for row in ROWS
        if MODES[row["mode"]].get("default_prng_impl", "rbg") in implementations]


def _expected(row: dict[str, Any]) -> np.ndarray:
    values = [complex(*v) for v in row["values"]] if row["dtype"].startswith("complex") \
        else [float(v) if isinstance(v, str) else v for v in row["values"]]
    wide = {"u": np.uint64, "i": np.int64}.get(row["dtype"][0])
    return np.array(values, wide).astype(row["dtype"])


def _case(row: dict[str, Any]) -> Any:
    return pytest.param(row, id=f"{row['mode']} {row['call']}")


@pytest.mark.parametrize("row", [_case(row) for row in HERE])
def test_draws_equal_recorded_ones(row: dict[str, Any]) -> None:
    found = np.asarray(draw(arrax, row["mode"], row["call"]))
    assert list(found.shape) == row["shape"]
    assert str(found.dtype) == row["dtype"]
    expected, head = _expected(row), found.ravel()[:len(row["values"])]
    if is_float(head.dtype):
        assert distance(head, expected) <= allowed(row["call"], head.dtype)
    else:
        assert head.tolist() == expected.tolist()


def test_compiled_gamma_draws_are_the_same() -> None:
    for impl in ("threefry2x32", "rbg", "unsafe_rbg"):
        key = arrax.random.key(3, impl=impl)
        eager = arrax.random.gamma(key, 2.0, (3,))
        np.testing.assert_allclose(arrax.jit(arrax.random.gamma, static_argnums=2)(key, 2.0, (3,)),
                                   eager, rtol=2e-6)


def test_the_recording_is_complete() -> None:
    """`python -m tests.random.record` writes it anew."""
    assert {(row["mode"], row["call"]) for row in ROWS} == \
        {(mode, call) for mode, calls in CALLS.items() for call in calls}


def test_every_public_name_is_recorded() -> None:
    called = " ".join(row["call"] for row in ROWS)
    from_types = ["key_dtype", "key_impl", "random_gamma_p"]  # these give no array
    assert [name for name in arrax.random.__all__ if f"R.{name}(" not in called] == from_types
