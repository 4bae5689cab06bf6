"""Accumulate: sums with what is zero but for a part become updates of the other summand.

    total + dynamic_update_slice(zeros, u, i)        →  total with u added at i
    total + scatter-add(x, i, u)                     →  scatter-add(total + x, i, u)
    total + pad(u, 0)                                →  total with u added in the middle
    total + reshape(any of these)                    →  reshape(reshape(total) + it)
    total + zeros                                    →  total
    total + cond(p, branches)                        →  cond(p, total + each branch)
    total + scan(…, from zeros)                      →  scan(…, from total)

for `add_any`, the sums that transposition makes; so the gradient of a loop that reads `x[i]` costs
what it reads, not the size of `x`, in each step. Which primitives have such results, and how, is
their field `part` (`lowering.Part`, `lowering.SumInside`).

Before: equations of a program, inlined and merged. After: equal ones, but for the order in which
floats are added. Known limits: what is added inside of control flow must have no other use, and the
total must be known before it runs; views that move elements (`x.T[i]`) hide a part.
"""
from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from arrax.core.jaxpr import ClosedJaxpr, Eqn, Jaxpr, Literal, Var
from arrax.core.lowering import Part, SumInside, View
from arrax.engines.cpu.op_lowerings import lowering_of
from arrax.engines.cpu.passes.expand import recorded
from arrax.ops.p import add_any_p, broadcast_in_dim_p, reshape_p

MadeBy = Callable[[Any], Eqn | None]
Inline = Callable[[ClosedJaxpr, list[Any]], list[Any]]


def update_of(total: Any, atom: Any, made_by: MadeBy, inline: Inline) -> Any:
    """total + atom as an update of `total`, or None; `inline` writes a program on operands."""
    if total.aval.shape != atom.aval.shape or total.aval.dtype != atom.aval.dtype:
        return None
    if is_zero(atom, made_by):
        return total
    eqn = made_by(atom)
    if eqn is None:
        return None
    lower, part = lowering_of(eqn), eqn.primitive.part
    if type(lower) is View and lower.flat:  # another shape of the same memory
        seen = inline(_reshape(total.aval, eqn.invars[0].aval), [total])[0]
        inner = update_of(seen, eqn.invars[0], made_by, inline)
        return None if inner is None else inline(_reshape(inner.aval, total.aval), [inner])[0]
    if type(part) is not Part:
        return None
    base = eqn.invars[part.base]
    if not is_zero(base, made_by):
        if not part.adds:
            return None
        inner = update_of(total, base, made_by, inline)
        if inner is None:
            return None
        total = inner
    operands = [total, *eqn.invars]
    program = recorded(part.add, [a.aval for a in operands], eqn.params)
    return None if program is None else inline(program, operands)[0]


def _reshape(aval: Any, result: Any) -> ClosedJaxpr:
    """A value of `aval` at the shape of `result`, as a program."""
    x, out = Var(aval), Var(aval.update(shape=result.shape))
    params = {"new_sizes": result.shape, "dimensions": None, "sharding": None}
    return ClosedJaxpr(Jaxpr([], [x], [out], [Eqn(reshape_p, [x], [out], params)]))


def is_zero(atom: Any, made_by: MadeBy) -> bool:
    """Whether a value is known to be zero everywhere."""
    if type(atom) is Literal:
        return bool(np.all(np.asarray(atom.val) == 0))
    eqn = made_by(atom)
    return eqn is not None and eqn.primitive is broadcast_in_dim_p \
        and is_zero(eqn.invars[0], made_by)


def add_inside(eqns: Sequence[Eqn], outvars: Sequence[Any]) -> tuple[list[Eqn], list[Any]]:
    """The equations and results with sums moved into the control flow that makes a summand."""
    if not any(type(eqn.primitive.part) is SumInside for eqn in eqns):
        return list(eqns), list(outvars)
    found = list(eqns)
    place = {var: i for i, eqn in enumerate(eqns) for var in eqn.outvars}
    uses = Counter(a for eqn in eqns for a in eqn.invars if type(a) is not Literal)
    uses.update(a for a in outvars if type(a) is not Literal)
    renamed: dict[Var, Any] = {}

    def made_by(atom: Any) -> Eqn | None:
        return found[place[atom]] if atom in place else None

    for i, eqn in enumerate(eqns):
        found[i] = eqn = _renamed(eqn, renamed)
        if eqn.primitive is not add_any_p:
            continue
        for total, atom in (eqn.invars, eqn.invars[::-1]):
            maker = made_by(atom) if type(atom) is Var and uses[atom] == 1 else None
            if maker is None or type(maker.primitive.part) is not SumInside \
                    or place.get(total, -1) >= place[atom] \
                    or total.aval.shape != atom.aval.shape or total.aval.dtype != atom.aval.dtype:
                continue
            number = maker.outvars.index(atom)
            new = maker.primitive.part.rewrite(maker, number, total,
                                               lambda a: is_zero(a, made_by))
            if new is not None:
                found[place[atom]] = new
                renamed[eqn.outvars[0]] = atom
                uses[atom] = uses[eqn.outvars[0]]
                break
    kept = [eqn for eqn in found if eqn.outvars[0] not in renamed] if renamed else found
    return kept, [renamed.get(a, a) if type(a) is not Literal else a for a in outvars]


def _renamed(eqn: Eqn, renamed: dict[Var, Any]) -> Eqn:
    if not any(type(a) is not Literal and a in renamed for a in eqn.invars):
        return eqn
    return eqn.replace(invars=[renamed.get(a, a) if type(a) is not Literal else a
                               for a in eqn.invars])
