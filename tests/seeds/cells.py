"""Cells of a document: code, what it prints, or the error it raises.

The cells of a document run in one namespace, in order, as in a notebook: each under the file name
`cell_<number>.py`, so that errors and jaxprs can name its lines.
"""
from __future__ import annotations

import contextlib
import io
import linecache
import re
import textwrap
from dataclasses import dataclass
from typing import Any


@dataclass
class Cell:
    """One cell. `prints` is the exact text (`...` stands for anything); `raises` the error's type
    name and text. A last expression is printed by its repr, as a notebook shows it."""

    code: str
    prints: str = ""
    raises: str = ""


def run(cell: Cell, number: int, namespace: dict[str, Any]) -> None:
    """Run a cell and compare."""
    source = textwrap.dedent(cell.code).strip("\n") + "\n"
    name = f"cell_{number}.py"
    linecache.cache[name] = (len(source), None, source.splitlines(True), name)
    printed = io.StringIO()
    error = None
    with contextlib.redirect_stdout(printed):
        try:
            _execute(source, name, namespace)
        except Exception as caught:
            error = caught
    if cell.raises:
        assert error is not None, f"no error; printed {printed.getvalue()!r}"
        compare(f"{type(error).__name__}: {error}", cell.raises)
    elif error is not None:
        raise error
    compare(printed.getvalue(), cell.prints)


def _execute(source: str, name: str, namespace: dict[str, Any]) -> None:
    import ast
    tree = ast.parse(source, name)
    last = tree.body[-1] if tree.body else None
    if isinstance(last, ast.Expr):
        tree.body.pop()
        exec(compile(tree, name, "exec"), namespace)
        value = eval(compile(ast.Expression(last.value), name, "eval"), namespace)
        if value is not None:
            print(repr(value))
    else:
        exec(compile(tree, name, "exec"), namespace)


def compare(got: str, expected: str) -> None:
    """Equal up to trailing blanks and `...`."""
    got, expected = _tidy(got), _tidy(textwrap.dedent(expected))
    pattern = ".*".join(re.escape(part) for part in expected.split("..."))
    assert re.fullmatch(pattern, got, re.DOTALL), f"got:\n{got}\nexpected:\n{expected}"


def _tidy(text: str) -> str:
    return "\n".join(line.rstrip() for line in text.strip("\n").splitlines()).strip()
