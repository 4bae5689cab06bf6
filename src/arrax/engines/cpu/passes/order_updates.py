"""Order updates: what reads an array comes before what updates it.

    y = scatter(x, i, u); z = x[j] + 1; w = y * z   →  z = x[j] + 1; y = scatter(x, i, u); w = y * z

An update takes its operand's memory where nothing reads the operand afterwards; so an update that
stands before other readers of its operand moves behind those that do not need its result.

Before: equations in an order that respects what needs what. After: the same equations in another
such order; effects stay in order. Known limits: looks ahead a bounded number of equations; of
several updates of one value the last may be in place.
"""
from __future__ import annotations

from collections.abc import Sequence

from arrax.core.jaxpr import Eqn, Literal, Var
from arrax.core.lowering import Update
from arrax.engines.cpu.op_lowerings import lowering_of

FARTHEST = 200  # equations that an update moves past


def order_updates(eqns: Sequence[Eqn]) -> list[Eqn]:
    """The equations with updates behind the other readers of what they update."""
    readers: dict[Var, list[Eqn]] = {}
    for eqn in eqns:
        for atom in {a for a in eqn.invars if type(a) is not Literal}:
            readers.setdefault(atom, []).append(eqn)
    ordered = list(eqns)
    place = {id(eqn): i for i, eqn in enumerate(ordered)}
    for eqn in reversed(eqns):
        start = place[id(eqn)]
        x = updated_operand(eqn)
        if x is None or eqn.effects:
            continue
        last = max((place[id(r)] for r in readers[x] if updated_operand(r) is not x), default=-1)
        if start < last <= start + FARTHEST:
            _move(ordered, place, start, last)
    return ordered


def updated_operand(eqn: Eqn) -> Var | None:
    """The operand whose memory an update may take."""
    x = eqn.invars[0] if type(lowering_of(eqn)) is Update else None
    return x if isinstance(x, Var) else None


def _move(ordered: list[Eqn], place: dict[int, int], start: int, last: int) -> None:
    """Move the equation at `start`, and what needs it, behind all up to `last` that do not."""
    moved, needed = [], set(ordered[start].outvars)
    kept = []
    for eqn in ordered[start:last + 1]:
        if eqn.effects:
            return
        if eqn is ordered[start] or not needed.isdisjoint(
                a for a in eqn.invars if type(a) is not Literal):
            moved.append(eqn)
            needed.update(eqn.outvars)
        else:
            kept.append(eqn)
    for i, eqn in enumerate([*kept, *moved]):
        ordered[start + i] = eqn
        place[id(eqn)] = start + i
