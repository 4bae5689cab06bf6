"""docs/api-coverage.md and the list of absent names say what the code has."""
from __future__ import annotations

import importlib

import arrax
import pytest
from arrax.core import absent

from tools.api_coverage import pages


@pytest.mark.parametrize("path", pages.FILES, ids=lambda p: p.name)
def test_the_files_are_up_to_date(path: object) -> None:
    assert path.read_text() == pages.FILES[path](), "python -m tools.api_coverage"  # type: ignore


@pytest.mark.parametrize("text, names", [
    ("(x, /, *, y=1)", ["x", "y="]), ("(f: 'F', *args, **kw)", ["f", "*args", "**kw"]),
    ("(a=<object object at 0x7f>, b=<A <b>>)", ["a", "b"]), ("<no signature>", None)])
def test_parameters_of_texts(text: str, names: list[str] | None) -> None:
    assert pages.jax_parameters(text) == names


def test_absent_names_say_so() -> None:
    (row, *_) = [r for r in pages.rows() if not pages.is_present(r) and r.module == "jax"]
    with pytest.raises(AttributeError, match="not in this version of arrax"):
        getattr(arrax, row.name)
    with pytest.raises(AttributeError, match="^module 'arrax' has no attribute 'nonsense'$"):
        arrax.nonsense  # noqa: B018
    assert absent.message("jax.numpy", "sin") == "module 'jax.numpy' has no attribute 'sin'"
    assert not hasattr(importlib.import_module("arrax.experimental"), "nonsense")
