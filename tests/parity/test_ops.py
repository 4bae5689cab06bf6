"""The rows of operations under JAX: results, dtypes and weak types, with special values."""
from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from tests.ops import matrix
from tests.ops.all_rows import all_rows
from tests.ops.rows import Row, is_elementwise
from tests.parity.under_jax import rows_under_jax

jax = pytest.importorskip("jax")

THEIRS = rows_under_jax()
ROWS = {name: row for name, row in all_rows().items() if name in THEIRS}
NOT_COMPARED = {
    **dict.fromkeys(["linalg: geqrf", "linalg: hessenberg", "linalg: tridiagonal", "linalg: schur"],
                    "unique up to signs only"),
    "reductions: select_and_scatter": "binds a primitive of arrax",
    "rows: checkpoint_name": "JAX has it in a module to import",
    "rows: ppermute": "JAX has only whole permutations under vmap",
    "rows: pbroadcast": "JAX's fails under vmap",
    "rows: threefry_2x32": "binds a primitive of arrax",
    "scaled_dot: scaled_dot": "JAX rounds products to bfloat16 elsewhere",
}
# Functions of two parameters: at infinite and largest ones JAX has NaN or an overflow where arrax
# has the limit, and its float32 series are right to 1e-5.
ROUGH = ("igamma", "igammac", "zeta", "polygamma", "random_gamma_grad", "betainc")


def _leaves(out: Any) -> list[Any]:
    return list(out) if isinstance(out, (tuple, list)) else [out]


@pytest.mark.parametrize("name", [name for name in ROWS if name not in NOT_COMPARED])
def test_results(name: str) -> None:
    row: Row = ROWS[name]
    operands = row.operands
    rough = row.name.split()[0] in ROUGH
    if not rough and row.matrix and row.operands and is_elementwise(row):
        dtype = np.result_type(*row.operands)
        operands = matrix.with_special(row, dtype, operands)
    expected = _leaves(jax.jit(THEIRS[name].function)(*operands))
    found = _leaves(row.function(*operands))
    for ours, theirs in zip(found, expected, strict=True):
        assert (ours.shape, ours.dtype, ours.weak_type) == \
            (theirs.shape, theirs.dtype, theirs.weak_type)
    ulps = 256.0 if rough else max(16.0, row.tolerance / 1e-5 * 8)
    matrix.assert_same([np.asarray(x) for x in found], [np.asarray(x) for x in expected], ulps,
                       name)
