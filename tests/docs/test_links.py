"""What the pages point to is there."""
from __future__ import annotations

import re

import pytest

from tests.docs.blocks import ROOT

PAGES = ["README.md", *(f"docs/{page.name}" for page in sorted((ROOT / "docs").glob("*.md")))]
BASES = [ROOT, ROOT / "src", ROOT / "src" / "arrax", ROOT / "src" / "arrax" / "engines" / "cpu"]


@pytest.mark.parametrize("page", PAGES)
def test_links(page: str) -> None:
    targets = re.findall(r"\]\(([^)#]+)\)", (ROOT / page).read_text())
    missing = [t for t in targets
               if "://" not in t and not ((ROOT / page).parent / t).exists()]
    assert not missing


@pytest.mark.parametrize("page", PAGES)
def test_paths(page: str) -> None:
    """Paths in code font, from the repository, the package or the compiler."""
    rooms = "src|docs|tools|tests|engines|core|ops|transforms|control|kernels|passes"
    paths = re.findall(rf"`((?:{rooms})/[\w/]+\.\w+)`", (ROOT / page).read_text())
    missing = [p for p in paths if not any((base / p).exists() for base in BASES)]
    assert not missing
