"""Operations by rows: whatever has a row in the tests' tables is drawn, and so is each primitive.

Rows name every primitive (`tests/ops/test_coverage.py`), so a new one comes here by itself. A row
of one elementwise primitive takes values of any shape and of all dtypes that it accepts. Others
keep the shapes and integers that they are written with; their inexact operands are moved by values
of the program, a little, so that they stay where the row has a meaning.
"""
from __future__ import annotations

from typing import Any

import numpy as np

import arrax.numpy as jnp
from tests.ops.rows import Row
from tools.fuzz.drawing import Drawing, Value
from tools.fuzz.operations import operation
from tools.fuzz.rows import drawn_rows, is_elementwise, result_avals

KINDS = "biufc"


@operation(9)
def of_row(d: Drawing) -> Any:
    return draw_row(d, d.choice(tuple(drawn_rows())))


def draw_row(d: Drawing, name: str) -> Any:
    """A step that calls the row of this name; None where it does not apply."""
    found = drawn_rows()[name]
    if (d.depth and not found.batch) or (d.differentiable and found.order < 2):
        return None
    chosen = _any_values(d, found) if is_elementwise(name) else _moved_operands(d, name, found)
    if chosen is None:
        return None
    texts, examples = chosen
    avals = result_avals(name, examples)
    if avals is None or any(_kind(a.dtype) not in KINDS for a in avals) or (
            d.differentiable and not any(_kind(a.dtype) in "fc" for a in avals)):
        return None
    parts = d.add(f"row({name!r})({', '.join(texts)})", f"row {name}", parts=len(avals))
    return parts and parts[0]


def _kind(dtype: Any) -> str:
    return "f" if dtype == jnp.bfloat16 else str(dtype.kind)


def _any_values(d: Drawing, found: Row) -> Any:
    """Operands of any shape and dtype, mostly of the kind that the row has."""
    kind = np.asarray(found.operands[0]).dtype.kind
    alike = d.chance(0.7)
    x = d.pick(lambda v: v.inexact if d.differentiable else not alike or _kind(v.dtype) == kind)
    if x is None or (d.differentiable and found.active is not None):
        return None
    values: list[Value] = [x]
    for given in found.operands[1:]:
        same = np.asarray(given).dtype == np.asarray(found.operands[0]).dtype
        dtype = x.dtype if same else np.asarray(given).dtype
        y = d.coerced(d.pick_like(x), x.shape, dtype)
        if y is None:
            return None
        values.append(y)
    return [v.name for v in values], [v.array for v in values]


def _moved_operands(d: Drawing, name: str, found: Row) -> Any:
    """The row's own operands, the inexact ones moved."""
    texts = []
    moved = found.differentiable()
    for k, given in enumerate(found.operands):
        moves = np.asarray(given).dtype.kind in "fc" and (not d.differentiable or k in moved)
        y = d.pick(lambda v: v.floating) if moves else None
        by = "" if y is None else f", {d.adapt(y, np.shape(given))}"
        texts.append(f"operand({name!r}, {k}{by})")
    return texts, found.operands
