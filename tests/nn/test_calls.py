"""Every row of the tables in `calls/`; see tests/numpy/calls."""
from __future__ import annotations

import pytest

from arrax import nn
from tests.numpy.calls import Row, tables
from tests.numpy.calls.checking import check_row
from tests.numpy.calls.outcomes import Recorded

ROWS = [row for rows in tables("nn").values() for row in rows]
RECORDED = Recorded("nn")


@pytest.mark.parametrize("row", ROWS, ids=[row.text for row in ROWS])
def test_row(row: Row) -> None:
    check_row(row, RECORDED, nn, factor=3)
