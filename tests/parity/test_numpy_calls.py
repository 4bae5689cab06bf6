"""The tables of tests/numpy/calls and tests/nn/calls: what is recorded is what JAX says, and rows
without a reference in NumPy have JAX's values."""
from __future__ import annotations

import pytest

pytest.importorskip("jax", reason="compares with JAX; `make parity` runs it")

import jax

import arrax
from tests.numpy.calls import Row, evaluate, tables
from tests.numpy.calls.checking import arrays, assert_near, differs, KNOWN
from tests.numpy.calls.outcomes import recorded_path
from tests.parity.jax_calls import jax_value, wide_dtypes
from tests.parity.record import MODULES, row_lines

ROWS = [(folder, table, row) for folder in MODULES for table, rows in tables(folder).items()
        for row in rows]
NAMES = [f"{folder} {row.heading} {row.text}" for folder, _, row in ROWS]


@pytest.mark.parametrize("folder", MODULES)
def test_recorded_outcomes_are_those_of_jax(folder: str) -> None:
    kept = set(recorded_path(folder).read_text().splitlines(keepends=True))
    rows = [row for rows in tables(folder).values() for row in rows]
    stale = {line for row in rows[::10] for line in row_lines(row, MODULES[folder])} - kept
    assert not stale, "run `python -m tests.parity.record`"


@pytest.mark.parametrize(("folder", "table", "row"), ROWS, ids=NAMES)
def test_values_that_numpy_does_not_have(folder: str, table: str, row: Row) -> None:
    ours = {"numpy": arrax.numpy, "nn": arrax.nn}[folder]
    for dtype in {"float32", "int32"} & set(row.dtypes):
        with wide_dtypes(dtype):
            for expression, reference in row.calls():
                if reference != "?" or differs(expression, dtype, KNOWN):
                    continue
                try:
                    expected = jax_value(expression, dtype, MODULES[folder])
                except Exception:
                    continue  # its class is recorded
                found = evaluate(expression, ours, arrays(dtype))
                assert_near(found, jax.device_get(expected), f"{expression} of {dtype}", dtype, 30)
