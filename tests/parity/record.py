"""Writes the outcomes of JAX for all rows of the tables; run by `python -m tests.parity.record`."""
from __future__ import annotations

import sys
from collections.abc import Iterator
from types import ModuleType

import jax.nn
import jax.numpy

from tests.numpy.calls import Row, tables
from tests.numpy.calls.outcomes import compress, recorded_path
from tests.parity.jax_calls import jax_outcome, wide_dtypes


MODULES = {"numpy": jax.numpy, "nn": jax.nn}


def row_lines(row: Row, module: ModuleType) -> Iterator[str]:
    """One line for the row, or one for each of its expressions if their outcomes differ."""
    found: dict[str, dict[str, str]] = {expression: {} for expression, _ in row.calls()}
    for dtype in row.dtypes:
        with wide_dtypes(dtype):
            for expression, outcomes in found.items():
                outcomes[dtype] = jax_outcome(expression, dtype, module)
    lines = {expression: compress(outcomes) for expression, outcomes in found.items()}
    if len(set(lines.values())) == 1:
        lines = {row.text.partition(" => ")[0]: next(iter(lines.values()))}
    for text, line in lines.items():
        yield f"{row.heading}\t{text}\t{line}\n"


def record(folder: str, module: ModuleType) -> None:
    lines = [line for rows in tables(folder).values() for row in rows
             for line in row_lines(row, module)]
    recorded_path(folder).write_text("".join(dict.fromkeys(lines)))


if __name__ == "__main__":
    for name in sys.argv[1:] or MODULES:
        record(name, MODULES[name])
