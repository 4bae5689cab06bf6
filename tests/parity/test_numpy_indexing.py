"""Indices out of bounds, in all modes, read and written as JAX does."""
from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

pytest.importorskip("jax", reason="compares with JAX; `make parity` runs it")

import jax

import arrax
from tests.numpy.index_expressions import arrays_and_indices

MODES = st.sampled_from([None, "fill", "drop", "clip", "promise_in_bounds"])


def outcome(library: Any, data: np.ndarray, index: Any, method: str, args: Any,
            options: dict[str, Any]) -> Any:
    try:
        ref = library.numpy.asarray(data).at[index]
        found = getattr(ref, method)(*args, **options)
    except Exception as error:
        return type(error).__name__
    return np.asarray(found), str(found.dtype), found.weak_type


@settings(max_examples=120, deadline=None)
@given(arrays_and_indices(beyond=4, masks=False), MODES, st.booleans(), st.sampled_from(
    [("get", ()), ("set", (7,)), ("add", (1,)), ("multiply", (2,)), ("max", (3,)), ("min", (3,))]))
def test_out_of_bounds(pair: Any, mode: str | None, wrap_negative: bool, call: Any) -> None:
    """`promise_in_bounds` is asked for only where it is kept."""
    data, index = pair
    if mode == "promise_in_bounds":
        try:
            data[index]
        except IndexError:
            mode = "clip"
    options = {"mode": mode, "wrap_negative_indices": wrap_negative}
    ours, theirs = (outcome(lib, data, index, *call, options) for lib in (arrax, jax))
    if isinstance(ours, str) or isinstance(theirs, str):
        assert ours == theirs
        return
    np.testing.assert_array_equal(ours[0], theirs[0])
    assert ours[1:] == theirs[1:]
