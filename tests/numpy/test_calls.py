"""Every row of the tables in `calls/`: values as NumPy's, dtypes and errors as JAX's recorded ones,
eagerly, when repeated, and compiled."""
from __future__ import annotations

import pytest

from tests.numpy.calls import Row, tables
from tests.numpy.calls.checking import check_row
from tests.numpy.calls.outcomes import Recorded

ROWS = [(name, row) for name, rows in tables("numpy").items() for row in rows]
LOOSE = {"linalg": 30, "fft": 10, "products": 3, "reductions": 3}  # take more rounding
RECORDED = Recorded("numpy")


@pytest.mark.parametrize(("table", "row"), ROWS, ids=[row.text for _, row in ROWS])
def test_row(table: str, row: Row) -> None:
    check_row(row, RECORDED, factor=LOOSE.get(table, 1))
