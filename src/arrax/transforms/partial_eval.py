"""Partial evaluation: run what is known, stage what is not.

`PartialEvalTrace` stages equations that touch its tracers (unknowns) and hands everything else to
its parent, so known values are plain values of the parent; those that staged equations use become
the residuals (constvars) of the staged jaxpr. `linearize` is JVP under partial evaluation with
known primals and unknown tangents.
"""
from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from arrax.core.ad_values import Zero, tangent_aval
from arrax.core.aval import aval_of
from arrax.core.caching import memoize_on_jaxpr
from arrax.core.dtypes import float0
from arrax.core.jaxpr import (ClosedJaxpr, DropVar, Eqn, Jaxpr, Literal, Var, eval_jaxpr,
                              join_effects, no_debug_info)
from arrax.core.evaluate import EVAL
from arrax.core.leaks import refuse_leaks
from arrax.core.primitive import Primitive
from arrax.core.source_info import UNKNOWN, SourceInfo, here
from arrax.core.trace import Trace, Tracer, current, set_current, use
from arrax.transforms.jvp import GradTracer, JVPTrace, strip_aux
from arrax.transforms.staging import StagingTrace, trace_to_jaxpr


class UnknownTracer(Tracer):
    """A value that is not known yet (in `linearize`: a tangent)."""

    __slots__ = ("aval", "variable")

    def __init__(self, trace: PartialEvalTrace, aval: Any, var: Var):
        self._trace = trace
        self.aval = aval
        self.variable = var


class PartialEvalTrace(StagingTrace):
    """Stages equations with unknown operands; the rest runs under `parent`."""

    __slots__ = ("parent",)

    def __init__(self, parent: Trace):
        super().__init__(no_debug_info, UnknownTracer)
        self.parent = parent

    def source(self) -> SourceInfo:
        """Nobody sees the equations of an eager `grad`; those of a jaxpr keep their lines."""
        return UNKNOWN if self.parent is EVAL else here()

    def owns(self, value: Any) -> bool:
        return isinstance(value, Tracer) and value._trace is self

    def process(self, primitive: Primitive, args: tuple[Any, ...], params: dict[str, Any]) -> Any:
        for arg in args:
            if isinstance(arg, Tracer) and arg._trace is self:
                break
        else:
            set_current(self.parent)
            try:
                return primitive.bind(*args, **params)
            finally:
                set_current(self)
        if primitive.partial_eval is not None:
            return primitive.partial_eval(self, args, params)
        return super().process(primitive, args, params)


def linearize_flat(fun: Callable[..., Sequence[Any]], primals: Sequence[Any],
                   ) -> tuple[list[Any], Jaxpr, list[Any], list[bool]]:
    """Evaluate a flat function and stage its tangent map.

    Returns (primals out, jaxpr, consts, out_nonzeros): the jaxpr maps the tangents of all inputs to
    the tangents of those outputs whose tangent is not known to be zero. Inputs without a tangent
    space (integers) have inputs of dtype float0, which nothing uses.
    """
    unknown = PartialEvalTrace(current())
    trace = JVPTrace(unknown, GradTracer)
    results = _linearize_under(trace, unknown, fun, primals)
    refuse_leaks(trace, unknown)
    return results


def _linearize_under(trace: JVPTrace, unknown: PartialEvalTrace, fun: Callable[..., Sequence[Any]],
                     primals: Sequence[Any]) -> tuple[list[Any], Jaxpr, list[Any], list[bool]]:
    inputs = []
    for primal in primals:
        aval = tangent_aval(aval_of(primal))
        tangent = unknown.new_arg(aval)
        inputs.append(primal if aval.dtype == float0 else GradTracer(trace, primal, tangent))
    try:
        with use(trace):
            outs = fun(*inputs)
        strip_aux(fun, trace)
        pairs = [trace.split(o) for o in outs]
        jaxpr, consts = unknown.to_jaxpr([t for _, t in pairs if type(t) is not Zero])
    finally:
        trace.alive = unknown.alive = False
    return [p for p, _ in pairs], jaxpr, consts, [type(t) is not Zero for _, t in pairs]


# ---- jaxpr → jaxpr -----------------------------------------------------------------------------

def partial_eval_jaxpr(closed: ClosedJaxpr, unknowns: Sequence[bool],
                       instantiate: bool | Sequence[bool] = False,
                       ) -> tuple[ClosedJaxpr, ClosedJaxpr, list[bool], list[Any]]:
    """Split a jaxpr by which inputs are known.

    Returns (known, staged, out_unknowns, residual_avals):
    known: known inputs → (known outputs, residuals);
    staged: (residuals, unknown inputs) → unknown outputs.
    Outputs that `instantiate` asks for are made unknown even if they are known.
    """
    if isinstance(instantiate, bool):
        instantiate = [instantiate] * len(closed.out_avals)
    known, staged, out_unknowns, residuals = _partial_eval_jaxpr(
        closed, tuple(map(bool, unknowns)), tuple(map(bool, instantiate)))
    return known, staged, list(out_unknowns), list(residuals)


@memoize_on_jaxpr
def _partial_eval_jaxpr(closed: ClosedJaxpr, unknowns: tuple[bool, ...],
                        forced: tuple[bool, ...]) -> Any:
    staged: list[Any] = []

    def known_fun(*known_args: Any) -> list[Any]:
        trace = PartialEvalTrace(current())
        rest = iter(known_args)
        args = [trace.new_arg(aval) if unknown else next(rest)
                for aval, unknown in zip(closed.in_avals, unknowns, strict=True)]
        try:
            with use(trace):
                outs = eval_jaxpr(closed.jaxpr, closed.consts, *args)
                outs = [trace.to_tracer(o) if force else o
                        for o, force in zip(outs, forced, strict=True)]
            out_unknowns = tuple(trace.owns(o) for o in outs)
            jaxpr, residuals = trace.to_jaxpr([o for o, u in zip(outs, out_unknowns, strict=True)
                                               if u])
        finally:
            trace.alive = False
        jaxpr = dce_jaxpr(jaxpr, [True] * len(jaxpr.outvars), keep_inputs=True)[0]
        used = _used_vars(jaxpr)
        kept = [v in used for v in jaxpr.constvars]
        residuals = [r for r, k in zip(residuals, kept, strict=True) if k]
        constvars = [v for v, k in zip(jaxpr.constvars, kept, strict=True) if k]
        staged.extend([Jaxpr([], [*constvars, *jaxpr.invars], jaxpr.outvars, jaxpr.eqns,
                             jaxpr.effects, no_debug_info), out_unknowns])
        return [*(o for o, u in zip(outs, out_unknowns, strict=True) if not u), *residuals]

    known_avals = [a for a, u in zip(closed.in_avals, unknowns, strict=True) if not u]
    known = trace_to_jaxpr(known_fun, known_avals, closed.jaxpr.debug_info)
    jaxpr, out_unknowns = staged
    count = len(jaxpr.invars) - sum(unknowns)
    residual_avals = tuple(v.aval for v in jaxpr.invars[:count])
    return known, ClosedJaxpr(jaxpr), out_unknowns, residual_avals


def _used_vars(jaxpr: Jaxpr) -> set[Any]:
    used = {v for v in jaxpr.outvars if type(v) is not Literal}
    for eqn in jaxpr.eqns:
        used.update(v for v in eqn.invars if type(v) is not Literal)
    return used


def dce_jaxpr(jaxpr: Jaxpr, used_outputs: Sequence[bool], keep_inputs: bool = False,
              ) -> tuple[Jaxpr, list[bool]]:
    """Remove what does not contribute to the used outputs; equations with effects stay.

    Returns the jaxpr (unused inputs dropped unless `keep_inputs`) and which inputs are used.
    A primitive that carries jaxprs may shrink itself: its `dce` rule maps (used outputs, eqn) to
    (used inputs, new eqn or None).
    """
    outvars = [v for v, used in zip(jaxpr.outvars, used_outputs, strict=True) if used]
    live: set[Any] = {v for v in outvars if type(v) is not Literal}
    eqns: list[Eqn] = []
    for eqn in reversed(jaxpr.eqns):
        used = [v in live for v in eqn.outvars]
        if not any(used) and not eqn.effects:
            continue
        if eqn.primitive.dce is not None:
            _, eqn = eqn.primitive.dce(used, eqn)
            if eqn is None:
                continue
        elif not all(used):
            eqn = eqn.replace(outvars=[v if u else DropVar(v.aval)
                                       for v, u in zip(eqn.outvars, used, strict=True)])
        eqns.append(eqn)
        live.update(v for v in eqn.invars if type(v) is not Literal)
    eqns.reverse()
    used_inputs = [v in live for v in jaxpr.invars]
    invars = jaxpr.invars if keep_inputs else \
        [v for v, used in zip(jaxpr.invars, used_inputs, strict=True) if used]
    info = jaxpr.debug_info if len(invars) == len(jaxpr.invars) else no_debug_info
    return Jaxpr(jaxpr.constvars, invars, outvars, eqns, join_effects(eqns), info), used_inputs


def dce_closed(closed: ClosedJaxpr, used_outputs: Sequence[bool],
               ) -> tuple[ClosedJaxpr, list[bool]]:
    """`dce_jaxpr` of a closed jaxpr; unused consts go too."""
    new, used_inputs = _dce_closed(closed, tuple(map(bool, used_outputs)))
    return new, list(used_inputs)


@memoize_on_jaxpr
def _dce_closed(closed: ClosedJaxpr, used_outputs: tuple[bool, ...]) -> Any:
    jaxpr, used_inputs = dce_jaxpr(closed.jaxpr, used_outputs)
    used = _used_vars(jaxpr)
    kept = [v in used for v in jaxpr.constvars]
    constvars = [v for v, k in zip(jaxpr.constvars, kept, strict=True) if k]
    consts = [c for c, k in zip(closed.consts, kept, strict=True) if k]
    return ClosedJaxpr(jaxpr.replace(constvars=constvars), consts), tuple(used_inputs)

