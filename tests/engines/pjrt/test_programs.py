"""Programs and their StableHLO, as text: `programs.md` has both.

After a change that is meant, `ARRAX_BLESS=1 pytest tests/engines/pjrt/test_programs.py` writes the
new texts there; read the difference.
"""
from __future__ import annotations

import os
import re
from pathlib import Path

import pytest
from arrax.core.parser import parse_closed_jaxpr
from arrax.engines.pjrt.stablehlo import module_text

PAGE = Path(__file__).with_name("programs.md")
SECTION = re.compile(r"(?<=^## )(?P<title>[^\n]+)\n\n```\n(?P<jaxpr>.+?)\n```\n\n"
                     r"```mlir\n(?P<module>.*?)```\n", re.MULTILINE | re.DOTALL)


def body(jaxpr: str) -> str:
    """The functions of a program's module."""
    lines = module_text(parse_closed_jaxpr(jaxpr)).splitlines()[1:-1]
    return "".join(line.removeprefix("  ") + "\n" for line in lines)


def renewed(match: re.Match[str]) -> str:
    """A section with the module as it is written now."""
    return (f"{match['title']}\n\n```\n{match['jaxpr']}\n```\n\n"
            f"```mlir\n{body(match['jaxpr'])}```\n")


if "ARRAX_BLESS" in os.environ:
    PAGE.write_text(SECTION.sub(renewed, PAGE.read_text()))
SECTIONS = {match["title"]: match for match in SECTION.finditer(PAGE.read_text())}


@pytest.mark.parametrize("title", SECTIONS)
def test_text(title: str) -> None:
    assert body(SECTIONS[title]["jaxpr"]) == SECTIONS[title]["module"]


def test_every_section_is_read() -> None:
    assert len(SECTIONS) == PAGE.read_text().count("\n## ")
