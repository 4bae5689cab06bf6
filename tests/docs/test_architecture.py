"""docs/architecture.md names what is there."""
from __future__ import annotations

import re

from tests.docs.blocks import ROOT

PAGE = (ROOT / "docs" / "architecture.md").read_text()
PACKAGE = ROOT / "src" / "arrax"


def rooms() -> list[str]:
    """The first column of the table of the house."""
    table = PAGE[PAGE.index("| folder | holds |"):].split("\n\n")[0]
    return [line.split("|")[1] for line in table.splitlines()[2:] if "(to come)" not in line]


def test_the_rooms_of_the_table_exist() -> None:
    named = [name for room in rooms() for name in re.findall(r"`([\w/.]+)`", room)]
    for name in named:
        path = name.removeprefix("arrax/").rstrip("/")
        assert any((place / path).exists() for place in (PACKAGE, PACKAGE.parent)), name


def test_the_table_names_every_room() -> None:
    text = " ".join(rooms())
    folders = [path.name for path in PACKAGE.iterdir() if (path / "__init__.py").exists()]
    missing = [f for f in folders if f != "engines" and f"`{f}/`" not in text]
    assert not missing
