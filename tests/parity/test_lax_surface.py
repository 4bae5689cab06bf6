"""`lax` and `lax.linalg` beside JAX's: every name and signature, and tables of calls.

The tables in `tables/*.txt` hold a call a line, whose values, dtypes, weak types and classes of
errors agree. A line that starts with "!" is a call where the two differ on purpose, or in what JAX
leaves open; the reason stands behind it.
"""
from __future__ import annotations

from pathlib import Path

import pytest

from tests.parity.comparison import differences, lines

TABLES = sorted(Path(__file__).with_name("tables").glob("*.txt"))
TOLERANCES = {"linalg": (2e-5, 1e-5), "windows": (2e-5, 1e-5)}  # relative; to the largest element
CALLS = [pytest.param(table.stem, text.removeprefix("! "), id=f"{table.stem}-{number}",
                      marks=pytest.mark.xfail(strict=True) if text.startswith("!") else ())
         for table in TABLES for number, text in enumerate(lines(table.read_text()))]


@pytest.mark.parametrize(("table", "text"), CALLS)
def test_call(table: str, text: str) -> None:
    found = differences(text, *TOLERANCES.get(table, (2e-6, 0.0)))
    assert found is None, found


def test_the_recorded_names_are_those_of_jax() -> None:
    from tests.lax.test_names import TABLE
    from tests.parity.record_lax import table
    assert TABLE.read_text() == table()
