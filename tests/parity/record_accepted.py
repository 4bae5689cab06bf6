"""Write tests/ops/accepted.json, the dtypes that JAX takes in each row: `python -m
tests.parity.record_accepted`."""
from __future__ import annotations

import json
from typing import Any

from tests.ops import matrix
from tests.ops.all_rows import all_rows
from tests.parity.under_jax import rows_under_jax

COMPOSED = ("rows", "reductions", "scaled_dot")  # tables of functions with dtypes of their own


def accepted_by_jax(row: Any) -> list[Any]:
    """The dtypes that JAX's type rules take."""
    import jax
    found = []
    for dtype, operands in matrix.variants(row):
        try:
            jax.eval_shape(row.function, *operands)
        except Exception:  # an error of the row's own function is a refusal too
            continue
        found.append(dtype)
    return found


def main() -> None:
    import jax
    theirs = rows_under_jax()
    with jax.enable_x64(True):
        table = {name: matrix.letters(accepted_by_jax(theirs[name]))
                 for name, row in all_rows().items() if name in theirs and row.matrix
                 and not any(name.startswith(f"{table}: ") for table in COMPOSED)}
    known = {name: found for name, found in table.items() if found}  # others JAX has not
    matrix.ACCEPTED.write_text(json.dumps(known, indent=0) + "\n")


if __name__ == "__main__":
    main()
