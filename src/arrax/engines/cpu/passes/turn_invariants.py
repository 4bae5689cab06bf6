"""Turn invariants: matrices that a loop multiplies vectors by, transposed once before the loop.

    scan with a:f32[64,64]: b = dot_general[(([1], [0]), ([], []))] a h
    →  with a transposed:   b = dot_general[(([0], [0]), ([], []))] a h

A product of a matrix's rows with a vector sums over lanes, once for each row; that of its columns
keeps neighbouring results in neighbouring lanes, and sums nothing. The copy is worth it where the
loop uses it again and again.

Before: the simplified body of a loop, whose first inputs are the same in every iteration. After:
the body takes those at the positions given back transposed.
Known limits: matrices only, used by small products alone; loops whose trip count is not known are
taken for long ones.
"""
from __future__ import annotations

from typing import Any

from arrax.core.jaxpr import ClosedJaxpr, Eqn, Jaxpr, Var
from arrax.engines.cpu.lowering import Product
from arrax.engines.cpu.products import is_small_product

LONGEST_ROW = 512  # elements; the lanes of longer rows are summed rarely enough


def turn_invariants(closed: ClosedJaxpr, count: int) -> tuple[ClosedJaxpr, list[int]]:
    """The body with some of its first `count` inputs transposed, and their positions."""
    jaxpr = closed.jaxpr
    positions = [i for i, var in enumerate(jaxpr.invars[:count]) if _gains(var, jaxpr)]
    if not positions:
        return closed, []
    turned = {jaxpr.invars[i]: _transposed(jaxpr.invars[i]) for i in positions}
    invars = [turned.get(var, var) for var in jaxpr.invars]
    eqns = [_rewritten(eqn, turned) for eqn in jaxpr.eqns]
    return ClosedJaxpr(Jaxpr(jaxpr.constvars, invars, jaxpr.outvars, eqns, jaxpr.effects,
                             jaxpr.debug_info), closed.consts), positions


def _gains(var: Var, jaxpr: Jaxpr) -> bool:
    """Whether products of rows of `var` with vectors are its only uses."""
    if len(var.aval.shape) != 2 or var.aval.shape[1] > LONGEST_ROW or var in jaxpr.outvars:
        return False
    uses = [eqn for eqn in jaxpr.eqns if var in eqn.invars]
    return bool(uses) and all(_multiplies_rows(eqn, var) for eqn in uses)


def _multiplies_rows(eqn: Eqn, var: Var) -> bool:
    """Whether `eqn` folds the rows of the matrix `var` with a vector."""
    if type(eqn.primitive.lower) is not Product or "dimension_numbers" not in eqn.params \
            or eqn.invars.count(var) != 1 or not is_small_product(eqn):
        return False
    contracted, batch = eqn.params["dimension_numbers"]
    side = eqn.invars.index(var)
    other = eqn.invars[1 - side].aval
    return not any(batch) and tuple(contracted[side]) == (1,) and other.ndim == 1


def _transposed(var: Var) -> Var:
    return Var(var.aval.update(shape=var.aval.shape[::-1]))


def _rewritten(eqn: Eqn, turned: dict[Var, Var]) -> Eqn:
    if not any(atom in turned for atom in eqn.invars if isinstance(atom, Var)):
        return eqn
    contracted, batch = eqn.params["dimension_numbers"]
    sides: list[Any] = [(0,) if atom in turned else axes
                        for atom, axes in zip(eqn.invars, contracted, strict=True)]
    return eqn.replace(invars=[turned.get(atom, atom) for atom in eqn.invars],
                       params={**eqn.params, "dimension_numbers": (tuple(sides), batch)})
