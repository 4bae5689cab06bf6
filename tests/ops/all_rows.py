"""All rows of the tables of operations, for tests that look at every one."""
from __future__ import annotations

import functools
import importlib
from collections.abc import Iterable
from pathlib import Path
from types import ModuleType

from tests.ops.rows import Row

TESTS = Path(__file__).parent.parent


def tables() -> dict[str, str]:
    """The files, relative to tests/, that have tables of rows, by their short names."""
    paths = sorted([*TESTS.glob("ops/test_*.py"), *TESTS.glob("control/test_*.py")])
    return {path.stem.removeprefix("test_"): str(path.relative_to(TESTS)) for path in paths
            if "= checks(" in path.read_text()}


def rows_of(module: ModuleType) -> list[Row]:
    """The rows in a module's lists, in order."""
    lists = [v for v in vars(module).values() if isinstance(v, list)]
    return list({id(r): r for rows in lists for r in rows if isinstance(r, Row)}.values())


def named(rows: Iterable[Row], table: str) -> dict[str, Row]:
    """The rows by "table: name"; names that come again are numbered."""
    found: dict[str, Row] = {}
    for row in rows:
        name, i = f"{table}: {row.name}", 2
        while name in found:
            name, i = f"{table}: {row.name} {i}", i + 1
        found[name] = row
    return found


@functools.cache
def all_rows() -> dict[str, Row]:
    """The rows of all tables by "table: name"."""
    found: dict[str, Row] = {}
    for table, path in tables().items():
        module = importlib.import_module("tests." + path.removesuffix(".py").replace("/", "."))
        found.update(named(rows_of(module), table))
    return found
