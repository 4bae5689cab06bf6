"""Prepare: what happens to programs before they become loops, each step a function of a jaxpr.

Before: any program. After: it and the programs inside its control flow have gone through `STEPS`,
outer ones first, since what an outer step moves into control flow is simplified there.
"""
from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from arrax.core.jaxpr import ClosedJaxpr, Eqn, Jaxpr
from arrax.core.lowering import Control
from arrax.engines.cpu.op_lowerings import lowering_of
from arrax.engines.cpu.passes.accumulate import add_inside
from arrax.engines.cpu.passes.order_updates import order_updates
from arrax.engines.cpu.passes.simplify import remove_dead, simplify
from arrax.engines.cpu.passes.swap_products import swap_products
from arrax.engines.cpu.passes.turn_invariants import turn_invariants


def accumulate(closed: ClosedJaxpr) -> ClosedJaxpr:
    """`add_inside` on a program."""
    return _with(closed, *add_inside(closed.jaxpr.eqns, closed.jaxpr.outvars))


def swap(closed: ClosedJaxpr) -> ClosedJaxpr:
    """`swap_products` on a program, and the products gone that lost their use."""
    jaxpr = closed.jaxpr
    eqns = swap_products(jaxpr.eqns, jaxpr.outvars)
    return _with(closed, remove_dead(eqns, jaxpr.outvars), jaxpr.outvars)


def order(closed: ClosedJaxpr) -> ClosedJaxpr:
    """`order_updates` on a program."""
    return _with(closed, order_updates(closed.jaxpr.eqns), closed.jaxpr.outvars)


def inner(closed: ClosedJaxpr) -> ClosedJaxpr:
    """The steps on the programs inside control flow."""
    eqns = [_inside(eqn) if type(lowering_of(eqn)) is Control else eqn
            for eqn in closed.jaxpr.eqns]
    return _with(closed, eqns, closed.jaxpr.outvars)


STEPS: list[Callable[[ClosedJaxpr], ClosedJaxpr]] = [
    simplify, accumulate, swap, order, inner, turn_invariants]


def prepare(closed: ClosedJaxpr) -> ClosedJaxpr:
    """All steps on one program."""
    for step in STEPS:
        closed = step(closed)
    return closed


def _inside(eqn: Eqn) -> Eqn:
    def prepared(value: Any) -> Any:
        if isinstance(value, ClosedJaxpr):
            return prepare(value)
        is_branches = type(value) is tuple and all(isinstance(v, ClosedJaxpr) for v in value)
        return tuple(map(prepare, value)) if is_branches else value
    return eqn.replace(params={name: prepared(value) for name, value in eqn.params.items()})


def _with(closed: ClosedJaxpr, eqns: Sequence[Eqn], outvars: Sequence[Any]) -> ClosedJaxpr:
    """A program with other equations and results."""
    jaxpr = closed.jaxpr
    return ClosedJaxpr(Jaxpr(jaxpr.constvars, jaxpr.invars, list(outvars), list(eqns),
                             jaxpr.effects, jaxpr.debug_info), closed.consts)
