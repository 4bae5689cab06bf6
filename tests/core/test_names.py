"""Primitives are imported: no string names one outside its block, the parser and the printer."""
from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest
from arrax.core.errors import InternalError
from arrax.core import primitive as primitives
from arrax.core.primitive import Primitive, check_declared, handle, registry

SOURCE = Path(primitives.__file__).parents[1]
# Texts name primitives, the printer shows `jit` its own way, and users may ask for all primitives.
READ_AND_WRITE = {"core/parser.py", "core/printer.py", "core/primitive.py", "ops/p.py",
                  "engines/cpu/loop_parser.py", "engines/cpu/loop_text.py",
                  "engines/cpu/operations.py", "transforms/rule_tables.py",
                  "extend/core/primitives.py", "export/encoding.py"}
# Tables there are of the scalar builder's methods and of NumPy's functions.
OTHER_NAMES = ("engines/cpu/kernels/", "numpy/")
FILES = sorted(SOURCE.rglob("*.py"))


def _names(node: ast.AST) -> set[str]:
    return {n.value for n in ast.walk(node) if isinstance(n, ast.Constant)
            and isinstance(n.value, str) and n.value in registry}


def _uses(tree: ast.AST, tables: bool) -> Iterator[tuple[int, str]]:
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and node.module == "arrax.core.primitive" \
                and any(alias.name == "registry" for alias in node.names):
            yield node.lineno, "import of the registry"
        elif isinstance(node, ast.Compare) and _names(node) and any(
                ast.unparse(side).endswith(("primitive.name", "prim.name", "_p.name"))
                for side in (node.left, *node.comparators)):
            yield node.lineno, ast.unparse(node)
        elif isinstance(node, ast.Dict) and len(node.keys) > 1 and tables and all(
                isinstance(k, ast.Constant) and k.value in registry for k in node.keys):
            yield node.lineno, ast.unparse(node)[:80]


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(SOURCE)))
def test_no_string_stands_for_an_import(path: Path) -> None:
    name = str(path.relative_to(SOURCE))
    if name not in READ_AND_WRITE:
        assert not list(_uses(ast.parse(path.read_text()), not name.startswith(OTHER_NAMES)))


def test_a_handle_is_the_primitive_that_its_block_declares() -> None:
    early = handle("of_this_test")
    with pytest.raises(InternalError, match="of_this_test"):
        check_declared()
    made = Primitive("of_this_test", type_rule=lambda x: x)
    try:
        assert made is early is handle("of_this_test") and made.type_rule is not None
        check_declared()
    finally:
        del registry["of_this_test"]
