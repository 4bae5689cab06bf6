"""Results of control flow that are operands: a branch or a body hands them on as they came.

Such a result is the operand itself, outside of the equation: `vmap` does not batch it with the
rest, derivatives do not carry it along, and a loop reads it as a constant.

    scan  (consts, carry, xs):  a carry that the body returns becomes a constant; a result for each
                                step that is an element of `xs` is that array
    while (consts, carry):      the same, where the condition does not read it
    cond  (operands):           a result that each branch takes from one operand
"""
from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from arrax.core.array import ArrayImpl, array_of
from arrax.core.caching import memoize_on_jaxpr
from arrax.core.jaxpr import ClosedJaxpr, Var, no_debug_info
from arrax.core.trace import Tracer


def as_result(operand: Any) -> Any:
    """An operand as a result."""
    return operand if isinstance(operand, (ArrayImpl, Tracer)) else array_of(operand)


@memoize_on_jaxpr
def passed(closed: ClosedJaxpr) -> tuple[int | None, ...]:
    """For each result the number of the input that it is, or None."""
    places = {var: i for i, var in enumerate(closed.jaxpr.invars)}
    return tuple(places.get(out) if type(out) is Var else None for out in closed.jaxpr.outvars)


def fixed_carries(closed: ClosedJaxpr, num_consts: int, num_carry: int) -> tuple[bool, ...]:
    """Which carries the body hands on."""
    return tuple(place == num_consts + i for i, place in enumerate(passed(closed)[:num_carry]))


@memoize_on_jaxpr
def reads(closed: ClosedJaxpr) -> tuple[bool, ...]:
    """Which inputs the program uses."""
    used = {v for eqn in closed.jaxpr.eqns for v in eqn.invars if type(v) is Var}
    used |= {v for v in closed.jaxpr.outvars if type(v) is Var}
    return tuple(v in used for v in closed.jaxpr.invars)


@memoize_on_jaxpr
def selected(closed: ClosedJaxpr, inputs: tuple[int, ...], outputs: tuple[int, ...]) -> Any:
    """The program of the inputs and results with these numbers, in this order."""
    jaxpr = closed.jaxpr
    return closed.replace(jaxpr=jaxpr.replace(
        invars=[jaxpr.invars[i] for i in inputs], outvars=[jaxpr.outvars[i] for i in outputs],
        debug_info=no_debug_info if inputs != tuple(range(len(jaxpr.invars)))
        else jaxpr.debug_info))


def moved_to_consts(closed: ClosedJaxpr, num_consts: int, fixed: Sequence[bool],
                    kept: Sequence[int]) -> ClosedJaxpr:
    """A body whose fixed carries are its first constants, with the results numbered in `kept`."""
    first = [num_consts + i for i, f in enumerate(fixed) if f]
    rest = [i for i in range(len(closed.jaxpr.invars)) if i not in first]
    program: ClosedJaxpr = selected(closed, (*first, *rest), tuple(kept))
    return program


def split(values: Sequence[Any], fixed: Sequence[bool]) -> tuple[list[Any], list[Any]]:
    """The fixed values, and the others."""
    return ([v for v, f in zip(values, fixed, strict=True) if f],
            [v for v, f in zip(values, fixed, strict=True) if not f])


def merged(places: Sequence[Any | None], others: Sequence[Any]) -> list[Any]:
    """The results: what is known, and the others in between, where it is None."""
    given = iter(others)
    return [next(given) if known is None else known for known in places]
