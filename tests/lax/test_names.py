"""Every public name of `jax.lax` and `jax.lax.linalg` is there with its signature, or the page on
absent names says why not.

`names.tsv` holds the names of JAX 0.10.2; `python -m tests.parity.record_lax` writes it.
"""
from __future__ import annotations

import importlib
import re
from pathlib import Path

import pytest
from arrax.core.primitive import Primitive

from tests.numpy.test_signatures import plain

MODULES = ("lax", "lax.linalg")
TABLE = Path(__file__).with_name("names.tsv")
PAGE = Path(__file__).parents[2] / "docs" / "absent-names.md"
ROWS = [tuple(line.split("\t")) for line in TABLE.read_text().splitlines()] \
    if TABLE.exists() else []
ABSENT = set(re.findall(r"^\| `(lax(?:\.linalg)?)\.(\w+)` \| .+ \|$", PAGE.read_text(),
                        re.MULTILINE))
WIDER = {  # functions that take more than JAX's
    "cond": "takes its branches by keyword too"}
SENTINEL = re.compile(r"<object object at 0x\w+>")


@pytest.mark.parametrize(("module", "name", "signature"), ROWS,
                         ids=[f"{module}.{name}" for module, name, _ in ROWS])
def test_name(module: str, name: str, signature: str) -> None:
    found = getattr(importlib.import_module(f"arrax.{module}"), name, None)
    if (module, name) in ABSENT:
        assert found is None, f"docs/absent-names.md lists {module}.{name}, which is there"
        return
    assert found is not None, f"{module}.{name} is neither there nor in docs/absent-names.md"
    if signature and name not in WIDER:
        assert SENTINEL.sub("<object>", plain(found)) == signature


def test_primitives_have_their_names() -> None:
    """A name that ends in _p is a primitive."""
    names = [(module, name) for module, name, _ in ROWS if name.endswith("_p")]
    found = [getattr(importlib.import_module(f"arrax.{m}"), n, None) for m, n in names
             if (m, n) not in ABSENT]
    assert all(isinstance(p, Primitive) for p in found)


def test_the_page_lists_known_names_only() -> None:
    assert {(module, name) for module, name, _ in ROWS} >= ABSENT
