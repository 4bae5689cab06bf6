"""Rows of the tests' tables as names that texts of programs may use.

Rows name every primitive but those that `tests/ops/test_coverage.py` lists with reasons (effects,
tokens, labels, messages between devices, undefined contents), which no program draws.
"""
from __future__ import annotations

import functools
from typing import Any

import numpy as np

import arrax
import arrax.numpy as jnp
from tests.ops.all_rows import all_rows
from tests.ops.rows import Row

# Rows that no program draws, and why.
NOT_DRAWN = {"rows: scan of nothing": "has no results operation by operation"}
@functools.cache
def drawn_rows() -> dict[str, Row]:
    """The rows that programs are made of, by "table: name"."""
    return {name: row for name, row in all_rows().items() if name not in NOT_DRAWN}


# ---- names in texts of programs ----------------------------------------------------------------

def row(name: str) -> Any:
    """The function of a row, its results a tuple of arrays."""
    function = all_rows()[name].function

    def results(*operands: Any) -> tuple[Any, ...]:
        out = function(*operands)
        return tuple(map(jnp.asarray, out if isinstance(out, (tuple, list)) else (out,)))
    return results


def operand(name: str, position: int, moved_by: Any = None) -> Any:
    """An operand of a row, its elements moved by at most 1/64 of themselves."""
    given = all_rows()[name].operands[position]
    if moved_by is None:
        return given
    given = jnp.asarray(given)
    return (given * (1 + jnp.tanh(jnp.nan_to_num(moved_by)) / 64)).astype(given.dtype)


# ---- what rows are ------------------------------------------------------------------------------

@functools.cache
def is_elementwise(name: str) -> bool:
    """Whether a row is one elementwise primitive of its operands, all of one shape."""
    found = all_rows()[name]
    if len({np.shape(x) for x in found.operands}) != 1:
        return False
    with arrax.disable_jit(False):
        closed = arrax.make_jaxpr(found.function)(*found.operands)
    equations = closed.jaxpr.eqns
    return len(equations) == 1 and equations[0].primitive.elementwise \
        and list(equations[0].invars) == list(closed.jaxpr.invars)


def result_avals(name: str, examples: Any) -> Any:
    """The avals of a row's results; None where it does not accept such operands."""
    try:
        with arrax.disable_jit(False):
            return arrax.eval_shape(row(name), *examples)
    except (TypeError, ValueError):
        return None
