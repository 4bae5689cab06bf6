"""All rows of the tables of operations, for tests that look at every one."""
from __future__ import annotations

import functools
import importlib
from pathlib import Path

from tests.ops.rows import Row


@functools.cache
def all_rows() -> dict[str, Row]:
    """The rows by "table: name"; names that come again are numbered."""
    found: dict[str, Row] = {}
    tests = Path(__file__).parent.parent
    for path in sorted([*tests.glob("ops/test_*.py"), *tests.glob("control/test_*.py")]):
        module = importlib.import_module(f"tests.{path.parent.name}.{path.stem}")
        tables = [v for v in vars(module).values() if isinstance(v, list)]
        rows = {id(r): r for table in tables for r in table if isinstance(r, Row)}
        for row in rows.values():
            name, i = f"{path.stem.removeprefix('test_')}: {row.name}", 2
            while name in found:
                name, i = f"{path.stem.removeprefix('test_')}: {row.name} {i}", i + 1
            found[name] = row
    return found
