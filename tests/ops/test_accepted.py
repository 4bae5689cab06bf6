"""Each row takes the dtypes that JAX takes (`accepted.json`), and no others."""
from __future__ import annotations

from typing import Any

import pytest

import arrax
from tests.ops import matrix
from tests.ops.all_rows import all_rows

RECORDED = matrix.accepted()
ROWS = {name: row for name, row in all_rows().items() if name in RECORDED}
NARROW = {"int4", "uint4"}  # JAX leaves out what its platforms lack for narrow integers
MORE = {  # what arrax takes beyond JAX, by the row's first word
    "rfft": {"float16", "bfloat16", "float8_e4m3fn", "float8_e5m2"},  # computed in float32
}
LESS = {  # what arrax refuses, and JAX takes until it runs, by table or the row's first word
    "linalg": {"float16", "bfloat16", "float8_e4m3fn", "float8_e5m2"},  # LAPACK has none
    **dict.fromkeys(["argmax", "argmin", "eq_to"], {"complex64", "complex128"}),
    "cumlogsumexp": {"int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64",
                     *NARROW},
}


def _accepts(function: Any, operands: tuple[Any, ...]) -> bool:
    try:
        arrax.eval_shape(function, *operands)
    except Exception:
        return False
    return True


@pytest.mark.parametrize("name", ROWS)
def test_dtypes(name: str) -> None:
    expected = matrix.dtypes_of(RECORDED[name])
    with arrax.enable_x64(True):
        found = {dtype for dtype, operands in matrix.variants(ROWS[name])
                 if _accepts(ROWS[name].function, operands)}
    word, table = ROWS[name].name.split()[0], name.split(":")[0]
    assert {d.name for d in expected - found} <= LESS.get(word, LESS.get(table, set())), "refused"
    assert {d.name for d in found - expected} - NARROW == MORE.get(word, set()), "taken"


def test_the_table_is_current() -> None:
    """`python -m tests.parity.record_accepted` writes it, where JAX is installed."""
    missing = [name for name, row in all_rows().items() if row.matrix and name not in RECORDED]
    assert len(missing) < len(all_rows()) / 4, missing
    assert not set(RECORDED) - set(all_rows())
