"""Guarding: programs that leave arrays as they are where a flag does not hold.

A batched loop runs until its last element stops; those that stopped before must keep their carries.
To choose between the new and the old carry costs all of it in each step. But where a carry is made
of the old one by updates of a part alone (`origins`), the updates themselves can be left out:

    body(carry)  →  body'(flag, carry)   whose updates happen where the flag holds

The results of elements whose flag is down are nobody's, but for the arrays that keep what they
were: so nothing else of the program is changed. Loops, branches and calls that the array passes
through are guarded within (the field `guard` of their primitives), a `while` by its predicate.
The flag is a scalar; batching makes one for each element of it.
"""
from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from arrax.core.aval import ShapedArray, aval_of
from arrax.core.caching import memoize_on_jaxpr
from arrax.core.jaxpr import ClosedJaxpr, Eqn, Jaxpr, Literal, Var
from arrax.core.record import Record
from arrax.ops.p import select_n_p, stop_gradient_p
from arrax.ops.rules import broadcast_in_dim
from arrax.transforms.staging import trace_to_jaxpr


class Guard(Record):
    """How a primitive with programs inside is guarded.

    `origin(eqn, number)`: the position of the operand that result `number` is, but for updates; or
    None. `bind(flag, numbers, operands, params)`: the results, of which those of `numbers` are
    their origins where the flag does not hold.
    """

    origin: Any
    bind: Any


FLAG = ShapedArray((), np.dtype(np.bool_))


@memoize_on_jaxpr
def origins(closed: ClosedJaxpr) -> tuple[int | None, ...]:
    """For each result the input that it is, but for updates of a part of it; None for others."""
    position = {var: i for i, var in enumerate(closed.jaxpr.invars)}
    found: list[int | None] = []
    for atom in closed.jaxpr.outvars:
        source = _updates(closed.jaxpr, atom)[0]
        found.append(position.get(source) if source is not None else None)
    return tuple(found)


@memoize_on_jaxpr
def guarded(closed: ClosedJaxpr, numbers: tuple[int, ...]) -> ClosedJaxpr:
    """The program with a flag as its first input; the results `numbers`, which have origins, are
    these where the flag does not hold."""
    jaxpr = closed.jaxpr
    steps = [step for number in numbers for step in _updates(jaxpr, jaxpr.outvars[number])[1]]
    results: dict[int, list[int]] = {}  # by id of the equation: its results on the way
    for eqn, number, _ in steps:
        results.setdefault(id(eqn), []).append(number)
    passed = {(id(eqn), place) for eqn, _, place in steps}
    updated = {eqn.invars[place] for eqn, _, place in steps}

    def run(flag: Any, *args: Any) -> list[Any]:
        env: dict[Var, Any] = dict(zip(jaxpr.constvars, closed.consts, strict=True))
        env.update(zip(jaxpr.invars, args, strict=True))
        read: dict[Var, Any] = {}

        def operand(eqn: Eqn, place: int) -> Any:
            atom = eqn.invars[place]
            if type(atom) is Literal:
                return atom.val
            if atom not in updated or (id(eqn), place) in passed:
                return env[atom]
            if atom not in read:
                read[atom] = _without_tangents(flag, env[atom])
            return read[atom]

        for eqn in jaxpr.eqns:
            operands = [operand(eqn, place) for place in range(len(eqn.invars))]
            if id(eqn) in results:
                out = _bind_guarded(flag, eqn, results[id(eqn)], operands)
            else:
                out = eqn.primitive.bind(*operands, **eqn.params)
            outs = out if eqn.primitive.multiple_results else [out]
            env.update(zip(eqn.outvars, outs, strict=True))
        return [v.val if type(v) is Literal else env[v] for v in jaxpr.outvars]

    return trace_to_jaxpr(run, [FLAG, *closed.in_avals], jaxpr.debug_info)


def _without_tangents(flag: Any, x: Any) -> Any:
    """`x`, without tangents where the flag does not hold: what is computed from it there has no
    use, and a derivative of it, infinite maybe, must not meet a zero."""
    which = broadcast_in_dim(flag, aval_of(x).shape, ())
    return select_n_p.bind(which, stop_gradient_p.bind(x), x)


def _updates(jaxpr: Jaxpr, atom: Any) -> tuple[Var | None, list[tuple[Eqn, int, int]]]:
    """The value that `atom` is made of by updates, and those updates, the last one first, each as
    (equation, number of its result, place of the operand)."""
    made_by = {var: eqn for eqn in jaxpr.eqns for var in eqn.outvars}
    found: list[tuple[Eqn, int, int]] = []
    while type(atom) is not Literal and atom in made_by:
        eqn = made_by[atom]
        number, place = eqn.outvars.index(atom), None
        if eqn.primitive.masked is not None:
            place = 0
        elif eqn.primitive.guard is not None:
            place = eqn.primitive.guard.origin(eqn, number)
        if place is None:
            return None, []
        found.append((eqn, number, place))
        atom = eqn.invars[place]
    return (None if type(atom) is Literal else atom), found


def _bind_guarded(flag: Any, eqn: Eqn, results: list[int], operands: list[Any]) -> Any:
    if eqn.primitive.guard is not None:
        return eqn.primitive.guard.bind(flag, results, operands, eqn.params)
    out = eqn.primitive.rule("masked")(flag, (), *operands, **eqn.params)
    if out is None:  # no index to turn away
        out = eqn.primitive.bind(*operands, **eqn.params)
        which = broadcast_in_dim(flag, aval_of(out).shape, ())
        out = select_n_p.bind(which, operands[0], out)
    return out


def common_origins(programs: Sequence[ClosedJaxpr]) -> list[int | None]:
    """For each result the input that it is in all programs, but for updates."""
    found = [origins(program) for program in programs]
    return [row[0] if all(x == row[0] for x in row) else None for row in zip(*found, strict=True)]
