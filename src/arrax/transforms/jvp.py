"""Forward-mode differentiation: each value carries its tangent.

`JVPTrace` runs the JVP rule of every primitive that touches one of its tracers, under its parent
trace. A result whose tangent is zero is returned as a plain value of the parent, so values that do
not depend on the inputs (predicates, integers) stay as concrete as they were.
"""
from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from arrax.core.ad_values import Zero, tangent_aval
from arrax.core.aval import aval_of
from arrax.core.axis_env import checked_axes
from arrax.core.caching import memoize_on_jaxpr
from arrax.core.dtypes import float0
from arrax.core.jaxpr import ClosedJaxpr, eval_jaxpr
from arrax.core.leaks import refuse_leaks
from arrax.core.primitive import Primitive
from arrax.core.trace import Trace, Tracer, current, set_current, use
from arrax.ops.rules import instantiate
from arrax.ops.varying import vary_like
from arrax.transforms.staging import trace_to_jaxpr


class JVPTracer(Tracer):
    """A primal value and its tangent."""

    __slots__ = ("primal", "tangent")

    def __init__(self, trace: JVPTrace, primal: Any, tangent: Any):
        self._trace = trace
        self.primal = primal
        self.tangent = tangent

    @property
    def aval(self) -> Any:
        return aval_of(self.primal)

    def concrete(self) -> Any:
        primal = self.primal
        if isinstance(primal, Tracer):
            return primal.concrete()
        return primal

    def origin(self) -> str:
        return self.primal.origin() if isinstance(self.primal, Tracer) else ""


class GradTracer(JVPTracer):
    """A value under `grad`, `vjp` or `linearize`: its tangent is a staged unknown."""

    __slots__ = ()


class JVPTrace(Trace):
    """Computes primals and tangents together."""

    __slots__ = ("parent", "tracer_class", "alive", "checked")

    def __init__(self, parent: Trace, tracer_class: type[JVPTracer] = JVPTracer):
        self.parent = parent
        self.tracer_class = tracer_class
        self.alive = True
        self.checked = bool(checked_axes())

    def process(self, primitive: Primitive, args: tuple[Any, ...], params: dict[str, Any]) -> Any:
        primals, tangents, active = [], [], False
        for arg in args:
            if isinstance(arg, JVPTracer) and arg._trace is self:
                primals.append(arg.primal)
                tangents.append(arg.tangent)
                active = True
            else:
                primals.append(arg)
                tangents.append(None)
        set_current(self.parent)
        try:
            if not active:
                return primitive.bind(*args, **params)
            tangents = [Zero(tangent_aval(aval_of(x))) if t is None else t
                        for x, t in zip(primals, tangents, strict=True)]
            out, tangent = primitive.rule("jvp")(primals, tangents, **params)
            if self.checked:
                tangent = _like_primals(out, tangent)
        finally:
            set_current(self)
        if primitive.multiple_results:
            return [self.pair(o, t) for o, t in zip(out, tangent, strict=True)]
        return self.pair(out, tangent)

    def pair(self, primal: Any, tangent: Any) -> Any:
        """A tracer, or the plain primal when the tangent is zero."""
        return primal if type(tangent) is Zero else self.tracer_class(self, primal, tangent)

    def split(self, value: Any) -> tuple[Any, Any]:
        """(primal, tangent) of any value."""
        if isinstance(value, JVPTracer) and value._trace is self:
            return value.primal, value.tangent
        return value, Zero(tangent_aval(aval_of(value)))


def _like_primals(out: Any, tangent: Any) -> Any:
    """The tangents, made to vary over the mesh axes that the results vary over (`ops.varying`)."""
    if isinstance(out, (list, tuple)):
        return [_like_primals(o, t) for o, t in zip(out, tangent, strict=True)]
    return tangent if type(tangent) is Zero else vary_like(tangent, aval_of(out))


def jvp_flat(fun: Callable[..., Sequence[Any]], primals: Sequence[Any], tangents: Sequence[Any],
             ) -> tuple[list[Any], list[Any]]:
    """Run a flat function on primals and tangents (some may be `Zero`); flat results.

    A `fun` with auxiliary results has a method `strip_aux`, which is given a function from values
    to their primals.
    """
    trace = JVPTrace(current())
    results = _jvp_under(trace, fun, primals, tangents)
    refuse_leaks(trace)
    return results


def _jvp_under(trace: JVPTrace, fun: Callable[..., Sequence[Any]], primals: Sequence[Any],
               tangents: Sequence[Any]) -> tuple[list[Any], list[Any]]:
    inputs = [trace.pair(p, t) for p, t in zip(primals, tangents, strict=True)]
    try:
        with use(trace):
            outs = fun(*inputs)
    finally:
        trace.alive = False
    strip_aux(fun, trace)
    pairs = [trace.split(o) for o in outs]
    return [p for p, _ in pairs], [t for _, t in pairs]


def strip_aux(fun: Any, trace: JVPTrace) -> None:
    """Let `fun` replace tracers of `trace` in its auxiliary results by their primals."""
    if hasattr(fun, "strip_aux"):
        fun.strip_aux(lambda v: v.primal if isinstance(v, JVPTracer) and v._trace is trace else v)


def jvp_jaxpr(closed: ClosedJaxpr, nonzeros: Sequence[bool],
              instantiate_outs: bool | Sequence[bool]) -> tuple[ClosedJaxpr, list[bool]]:
    """The JVP of a jaxpr: (*primals, *nonzero tangents) → (*primals out, *nonzero tangents out).

    `instantiate_outs` asks for materialized tangents (never for float0 ones, which stay zero).
    """
    if isinstance(instantiate_outs, bool):
        instantiate_outs = [instantiate_outs] * len(closed.out_avals)
    new, out_nonzeros = _jvp_jaxpr(closed, tuple(map(bool, nonzeros)), tuple(instantiate_outs))
    return new, list(out_nonzeros)


@memoize_on_jaxpr
def _jvp_jaxpr(closed: ClosedJaxpr, nonzeros: tuple[bool, ...], forced: tuple[bool, ...]) -> Any:
    out_nonzeros: list[bool] = []
    count = len(closed.in_avals)

    def fun(*args: Any) -> list[Any]:
        rest = iter(args[count:])
        tangents = [next(rest) if nz else Zero(tangent_aval(aval))
                    for nz, aval in zip(nonzeros, closed.in_avals, strict=True)]
        outs, out_tangents = jvp_flat(
            lambda *xs: eval_jaxpr(closed.jaxpr, closed.consts, *xs), args[:count], tangents)
        out_tangents = [instantiate(t) if force and t.aval.dtype != float0 else t
                        for t, force in zip(out_tangents, forced, strict=True)]
        out_nonzeros.extend(type(t) is not Zero for t in out_tangents)
        return [*outs, *(t for t in out_tangents if type(t) is not Zero)]

    tangent_avals = [tangent_aval(a) for a, nz in zip(closed.in_avals, nonzeros, strict=True) if nz]
    traced = trace_to_jaxpr(fun, [*closed.in_avals, *tangent_avals], closed.jaxpr.debug_info)
    return traced, tuple(out_nonzeros)

