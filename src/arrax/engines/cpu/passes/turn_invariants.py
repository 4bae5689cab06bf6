"""Turn invariants: matrices that a loop multiplies vectors by, transposed once before the loop.

    scan with a:f32[64,64]: b = dot_general[(([1], [0]), ([], []))] a h
    →  with a transposed:   b = dot_general[(([0], [0]), ([], []))] a h

A product of a matrix's rows with a vector sums over lanes, once for each row; that of its columns
keeps neighbouring results in neighbouring lanes, and sums nothing. The copy is worth it where the
loop uses it again and again.

Before: a simplified program whose loops' bodies are simplified too. After: such matrices are
transposed before the loop, and its body takes them so.
Known limits: matrices only, used by small products alone; loops whose trip count is not known are
taken for long ones.
"""
from __future__ import annotations

from typing import Any

from arrax.core.jaxpr import ClosedJaxpr, Eqn, Jaxpr, Var
from arrax.core.lowering import Control, Product
from arrax.engines.cpu.op_lowerings import lowering_of
from arrax.engines.cpu.products import is_small_product
from arrax.ops.p import transpose_p

LONGEST_ROW = 512  # elements; the lanes of longer rows are summed rarely enough


def turn_invariants(closed: ClosedJaxpr) -> ClosedJaxpr:
    """The whole pass, on the loops of one program; see above."""
    jaxpr, eqns = closed.jaxpr, []
    for eqn in closed.jaxpr.eqns:
        lower = lowering_of(eqn)
        found = lower.invariants(eqn) if type(lower) is Control else None
        eqns += [eqn] if found is None else _turned(eqn, *found)
    return ClosedJaxpr(Jaxpr(jaxpr.constvars, jaxpr.invars, jaxpr.outvars, eqns, jaxpr.effects,
                             jaxpr.debug_info), closed.consts)


def _turned(eqn: Eqn, param: str, first: int, count: int) -> list[Eqn]:
    """The loop with the transposes before it."""
    closed, invars, before = eqn.params[param], list(eqn.invars), []
    jaxpr = closed.jaxpr
    positions = [i for i, var in enumerate(jaxpr.invars[:count]) if _gains(var, jaxpr)]
    if not positions:
        return [eqn]
    turned = {jaxpr.invars[i]: _transposed(jaxpr.invars[i]) for i in positions}
    for i in positions:
        matrix = invars[first + i]
        invars[first + i] = _transposed(matrix)
        before.append(Eqn(transpose_p, [matrix], [invars[first + i]],
                          {"permutation": (1, 0)}))
    body = Jaxpr(jaxpr.constvars, [turned.get(var, var) for var in jaxpr.invars], jaxpr.outvars,
                 [_rewritten(each, turned) for each in jaxpr.eqns], jaxpr.effects,
                 jaxpr.debug_info)
    params = {**eqn.params, param: ClosedJaxpr(body, closed.consts)}
    return [*before, eqn.replace(invars=invars, params=params)]


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


def _transposed(var: Any) -> Var:
    return Var(var.aval.update(shape=var.aval.shape[::-1]))


def _rewritten(eqn: Eqn, turned: dict[Var, Var]) -> Eqn:
    if not any(atom in turned for atom in eqn.invars if isinstance(atom, Var)):
        return eqn
    contracted, batch = eqn.params["dimension_numbers"]
    sides: list[Any] = [(0,) if atom in turned else axes
                        for atom, axes in zip(eqn.invars, contracted, strict=True)]
    return eqn.replace(invars=[turned.get(atom, atom) for atom in eqn.invars],
                       params={**eqn.params, "dimension_numbers": (tuple(sides), batch)})
