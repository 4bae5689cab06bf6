"""README's tour runs, and shows what it says."""
from __future__ import annotations

import pytest

from tests.docs.blocks import python_blocks

TOUR, = python_blocks("README.md")


def test_the_tour(capsys: pytest.CaptureFixture[str]) -> None:
    exec(TOUR, {})
    learned, *program, slopes = capsys.readouterr().out.strip().splitlines()
    assert [abs(float(x)) for x in learned.strip("[]").split()] == [0.0, 1.0, 1.0, 0.0]
    assert "cos" in "".join(program)
    assert len(slopes.strip("[]").split()) == 3
