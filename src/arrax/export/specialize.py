"""Programs with other values for their dimension variables: jaxpr → jaxpr.

Before: avals and parameters hold symbolic dimensions. After: the values given for the variables,
ints or dimensions of another scope, in the place of each, and types follow. Where the values are
ints the program is an ordinary one.
"""
from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from arrax.core.aval import AbstractToken, ShapedArray
from arrax.core.dimension import is_constant_shape
from arrax.core.jaxpr import ClosedJaxpr, Eqn, Jaxpr, Literal, Var
from arrax.core.lowering import Expand, Inline
from arrax.core.primitive import is_registered
from arrax.core.record import Record
from arrax.export.expressions import Expression, Size
from arrax.ops.create import dim_as_value_p
from arrax.transforms.jit import jit_p
from arrax.transforms.staging import trace_to_jaxpr

Values = Mapping[str, Size]


def specialize(closed: ClosedJaxpr, values: Values) -> ClosedJaxpr:
    """`closed` with `values` for its dimension variables."""
    return _Specializer(values).value(closed)  # type: ignore[no-any-return]


def specialize_aval(aval: Any, values: Values) -> Any:
    """`aval` with `values` for the variables of its shape."""
    return _Specializer(values).value(aval)


class _Specializer:
    def __init__(self, values: Values):
        self.values = values
        self.done: dict[int, Jaxpr] = {}

    def value(self, value: Any) -> Any:
        """A parameter with its dimensions replaced."""
        if isinstance(value, Expression):
            return value.evaluate(self.values)
        kind = type(value)
        if kind is tuple or kind is list:
            return kind(map(self.value, value))
        if isinstance(value, ShapedArray):
            return value if is_constant_shape(value.shape) or isinstance(value, AbstractToken) \
                else value.update(shape=self.value(value.shape))
        if kind is ClosedJaxpr:
            return ClosedJaxpr(self.jaxpr(value.jaxpr), value.consts)
        if kind is Jaxpr:
            return self.jaxpr(value)
        if isinstance(value, Record):
            return kind(*map(self.value, (getattr(value, n) for n in kind.__match_args__)))
        return value

    def jaxpr(self, jaxpr: Jaxpr) -> Jaxpr:
        """A shared jaxpr stays shared."""
        known = self.done.get(id(jaxpr))
        if known is not None:
            return known
        new: dict[Var, Any] = {}

        def bind(var: Var) -> Var:
            new[var] = fresh = type(var)(self.value(var.aval))
            return fresh

        def read(atom: Any) -> Any:
            return atom if type(atom) is Literal else new[atom]
        constvars, invars = ([bind(v) for v in group] for group in (jaxpr.constvars, jaxpr.invars))
        eqns = []
        for eqn in jaxpr.eqns:
            params = {name: self.value(value) for name, value in eqn.params.items()}
            if eqn.primitive is dim_as_value_p and isinstance(params["dim"], int):
                (out,) = eqn.outvars
                new[out] = Literal(out.aval.dtype.type(params["dim"]), out.aval)
                continue
            eqns.append(Eqn(eqn.primitive, [read(v) for v in eqn.invars],
                            [bind(v) for v in eqn.outvars], params, eqn.effects,
                            eqn.source_info))
        done = Jaxpr(constvars, invars, [read(v) for v in jaxpr.outvars], eqns, jaxpr.effects,
                     jaxpr.debug_info)
        self.done[id(jaxpr)] = done
        return done


def without_rules(closed: ClosedJaxpr) -> ClosedJaxpr:
    """`closed` with calls in place of equations that are calls but for their derivatives or names
    (`custom_jvp_call`, `checkpoint`, …), since what they carry beside the program is Python
    functions, and of primitives that are not arrax's own, by their lowerings."""
    return ClosedJaxpr(_jaxpr_without_rules(closed.jaxpr, {}), closed.consts)


def _jaxpr_without_rules(jaxpr: Jaxpr, done: dict[int, Jaxpr]) -> Jaxpr:
    known = done.get(id(jaxpr))
    if known is None:
        eqns = [_without_rules(eqn, done) for eqn in jaxpr.eqns]
        known = done[id(jaxpr)] = jaxpr.replace(eqns=eqns)
    return known


def _without_rules(eqn: Eqn, done: dict[int, Jaxpr]) -> Eqn:
    def inside(value: Any) -> Any:
        if type(value) is ClosedJaxpr:
            return ClosedJaxpr(_jaxpr_without_rules(value.jaxpr, done), value.consts)
        if type(value) is Jaxpr:
            return _jaxpr_without_rules(value, done)
        if type(value) in (tuple, list):
            return type(value)(map(inside, value))
        return value
    called = _called(eqn)
    if called is not None:
        name = str(eqn.params.get("name", eqn.primitive.name))
        return eqn.replace(primitive=jit_p, params={
            "jaxpr": inside(called), "name": name, "donated": (), "keep_unused": False,
            "inline": False})
    params = {name: inside(value) for name, value in eqn.params.items()}
    if eqn.primitive is jit_p:
        params["donated"] = ()
    return eqn.replace(params=params)


def _called(eqn: Eqn) -> ClosedJaxpr | None:
    """The program that an equation is a call of, or that the lowering of a program's own primitive
    makes; None for other equations."""
    primitive, lower = eqn.primitive, eqn.primitive.lower
    if isinstance(lower, Inline) and primitive is not jit_p:
        called = lower.jaxpr(eqn.params)
        return ClosedJaxpr(called) if type(called) is Jaxpr else called
    if isinstance(lower, Expand) and not is_registered(primitive):
        def lowered(*operands: Any) -> list[Any]:
            out = lower.rewrite(*operands, **eqn.params)
            return list(out) if isinstance(out, (tuple, list)) else [out]
        return trace_to_jaxpr(lowered, [v.aval for v in eqn.invars])
    return None
