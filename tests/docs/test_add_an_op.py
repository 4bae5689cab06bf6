"""The recipe of docs/add-an-op.md is true: its block and its row work as they stand."""
from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from arrax.core.primitive import registry
from arrax.ops import transcendental

from tests.docs.blocks import python_blocks
from tests.ops import test_elementwise
from tests.ops.rows import CHECKS, Row

BLOCK, ROW = python_blocks("docs/add-an-op.md")


@pytest.fixture(scope="module")
def row() -> Iterator[Row]:
    """The row, made where the page says: the block in its file, the row in its table."""
    scope: dict[str, Any] = dict(vars(transcendental))
    exec(BLOCK, scope)
    yield eval(ROW, {**vars(test_elementwise), "sech": scope["sech"]})
    del registry["sech"]


@pytest.mark.parametrize("kind", CHECKS)
def test_the_row_passes(row: Row, kind: str) -> None:
    CHECKS[kind](row)


def test_integers_are_refused(row: Row) -> None:
    with pytest.raises(TypeError, match="sech does not accept dtype int32"):
        row.function(1)


def test_an_operation_is_short() -> None:
    assert len((BLOCK + ROW).splitlines()) <= 30
