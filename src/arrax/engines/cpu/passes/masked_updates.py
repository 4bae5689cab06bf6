"""Masked updates: a choice between an updated array and the old one becomes an update.

    select_n(p, x, scatter(x, i, u))               →  scatter(x, i where p else outside, u)
    select_n(p, x, dynamic_update_slice(x, u, i))  →  the same, as a scatter

and so for several updates after one another, and for choices among several updated arrays; p is a
flag, or one for each position along some axes of x (the elements of a batch, some of which still
run in a batched loop). The update then happens in place where x dies; a choice would copy all of x.
Primitives that can be masked have the field `masked`: `masked(mask, axes, *operands, **params)`
gives the result where the mask holds, and operand 0 where not, or None.

Before: a choice that is about to be written. After: the equal update. Known limits: masks that vary
along the axis that is indexed; results of loops inside the loop.
"""
from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import numpy as np

from arrax.core.jaxpr import Eqn, Literal
from arrax.core.primitive import Primitive
from arrax.engines.cpu.passes.accumulate import Inline, MadeBy
from arrax.engines.cpu.passes.expand import recorded
from arrax.ops.p import broadcast_in_dim_p, eq_p, not_p, select_n_p

Write = Callable[[Primitive, list[Any]], Any]  # writes an elementwise equation, gives its result
LONGEST = 16  # updates after one another that are masked


def mask_of(which: Any, made_by: MadeBy) -> tuple[Any, tuple[int, ...]] | None:
    """A predicate as a value over some axes of what it chooses from, or None for all axes."""
    if not which.aval.shape:
        return which, ()
    eqn = made_by(which)
    if eqn is None or eqn.primitive is not broadcast_in_dim_p:
        return None
    (source,), axes = eqn.invars, tuple(eqn.params["broadcast_dimensions"])
    if any(source.aval.shape[i] != which.aval.shape[axis] for i, axis in enumerate(axes)) \
            or len(axes) == len(which.aval.shape):
        return None
    return source, axes


def masked_updates(which: Any, cases: Sequence[Any], made_by: MadeBy, write: Write,
                   inline: Inline) -> Any:
    """The choice among cases that are all made of one value by updates (or are it) as masked
    updates of that value; None if they are not, or cannot be masked."""
    mask = mask_of(which, made_by)
    base = _common_base(cases, made_by)
    if mask is None or base is None:
        return None
    result = base
    for number, case in enumerate(cases):
        updates: list[Eqn] = []
        while case is not base and (eqn := made_by(case)) is not None:
            updates.append(eqn)
            case = eqn.invars[0]
        if updates:
            flag = _chooses(mask[0], number, write)
        for eqn in reversed(updates):
            operands = [flag, result, *eqn.invars[1:]]
            program = recorded(partial(_masked, eqn.primitive.masked, mask[1]),
                               [a.aval for a in operands], eqn.params)
            if program is None:
                return None
            result = inline(program, operands)[0]
    return result


def _common_base(cases: Sequence[Any], made_by: MadeBy) -> Any:
    """The value that all cases are, or are made of by at most `LONGEST` updates."""
    common: list[Any] = []
    for number, case in enumerate(cases):
        reached = [case]
        while len(reached) <= LONGEST:
            eqn = made_by(reached[-1])
            if eqn is None or eqn.primitive.masked is None:
                break
            reached.append(eqn.invars[0])
        common = [x for x in common if x in reached] if number else reached
    return common[0] if common and type(common[0]) is not Literal else None


def _chooses(which: Any, number: int, write: Write) -> Any:
    """The flag that says where case `number` is chosen."""
    if which.aval.dtype == np.bool_:
        return which if number else write(not_p, [which])
    return write(eq_p, [which, Literal(np.asarray(number, which.aval.dtype)[()],
                                       which.aval.update(shape=()))])


def _masked(rule: Any, axes: Sequence[int], mask: Any, *operands: Any, **params: Any) -> Any:
    return rule(mask, axes, *operands, **params)


def chosen_again(which: Any, case: Any, number: int, made_by: MadeBy) -> Any:
    """The case `number` of a choice, where it was itself chosen by the same predicate."""
    eqn = made_by(case)
    if eqn is None or eqn.primitive is not select_n_p or eqn.invars[0] is not which \
            or len(eqn.invars) <= 1 + number:
        return case
    return eqn.invars[1 + number]
