"""Calls as equations: `call` of a function, `closed_call` of a jaxpr; the compiler inlines both.

arrax's own transformations make none; interpreters outside do, and read them in jaxprs. Under any
trace the function of a `call` is traced first, so that each rule sees a jaxpr (`call_jaxpr`).
"""
from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from arrax.core.ad_values import UndefinedPrimal, Zero, tangent_aval
from arrax.core.array import array_of
from arrax.core.aval import aval_of
from arrax.core.evaluate import EVAL
from arrax.core.jaxpr import ClosedJaxpr, Eqn, eval_jaxpr
from arrax.core.primitive import Primitive
from arrax.core.trace import current, use
from arrax.core.lowering import Inline
from arrax.ops.rules import move_axis
from arrax.transforms.batching import axes_in, batch_jaxpr
from arrax.transforms.jvp import jvp_jaxpr
from arrax.transforms.linear_util import WrappedFun, wrap_init
from arrax.transforms.partial_eval import dce_closed, partial_eval_jaxpr
from arrax.transforms.staging import hoist_consts, trace_to_jaxpr
from arrax.transforms.transpose import transpose_jaxpr


class CallPrimitive(Primitive):
    """A primitive that calls a function: `bind(fun, *args, **params)`, or `bind(*args,
    call_jaxpr=…, **params)`.

    Args:
      name: what jaxprs call it.
    """

    call_primitive = True

    def __init__(self, name: str):
        super().__init__(
            name, multiple_results=True,
            type_rule=lambda *_, call_jaxpr, **__: call_jaxpr.out_avals,
            execute=lambda *args, call_jaxpr, **_: _run(call_jaxpr, args),
            jvp=self._jvp, transpose=self._transpose, batch=self._batch,
            partial_eval=self._partial_eval, dce=self._dce,
            effects=lambda call_jaxpr, **_: call_jaxpr.effects,
            named_axes=lambda call_jaxpr, **_: axes_in(call_jaxpr),
            lower=Inline(lambda params: params["call_jaxpr"]),
            stablehlo=lambda b, *args, call_jaxpr, **_: b.inline(call_jaxpr, args),
            registered=name in ("call", "closed_call"))

    def bind(self, *args: Any, **params: Any) -> Any:
        """Call the function that comes first, or as `subfuns`, on the other arguments."""
        subfuns = params.pop("subfuns", ())
        if args and isinstance(args[0], WrappedFun):
            subfuns, args = (args[0],), args[1:]
        if subfuns:
            (fun,) = subfuns
            if current() is EVAL:
                return fun.call_wrapped(*args)
            closed, consts = hoist_consts(trace_to_jaxpr(fun.call_wrapped,
                                                         [aval_of(a) for a in args]))
            args, params["call_jaxpr"] = (*consts, *args), closed
        return super().bind(*args, **params)

    def get_bind_params(self, params: dict[str, Any]) -> dict[str, Any]:
        rest = {name: value for name, value in params.items() if name != "call_jaxpr"}
        closed = params["call_jaxpr"]
        return {**rest, "subfuns": (wrap_init(
            lambda *args: eval_jaxpr(closed.jaxpr, closed.consts, *args),
            debug_info=closed.jaxpr.debug_info),)}

    def _jvp(self, primals: Any, tangents: Any, *, call_jaxpr: ClosedJaxpr, **params: Any) -> Any:
        new, nonzeros = jvp_jaxpr(call_jaxpr, [type(t) is not Zero for t in tangents], False)
        outs = super().bind(*primals, *(t for t in tangents if type(t) is not Zero),
                            call_jaxpr=new, **params)
        count = len(call_jaxpr.out_avals)
        rest = iter(outs[count:])
        return outs[:count], [next(rest) if nz else Zero(tangent_aval(aval)) for nz, aval
                              in zip(nonzeros, call_jaxpr.out_avals, strict=True)]

    def _transpose(self, cotangents: Any, *operands: Any, call_jaxpr: ClosedJaxpr,
                   **params: Any) -> list[Any]:
        linear = [type(x) is UndefinedPrimal for x in operands]
        new, nonzeros = transpose_jaxpr(call_jaxpr, linear,
                                        [type(c) is not Zero for c in cotangents])
        outs = iter(super().bind(*(x for x, lin in zip(operands, linear, strict=True) if not lin),
                                 *(c for c in cotangents if type(c) is not Zero),
                                 call_jaxpr=new, **params))
        flags = iter(nonzeros)
        return [(next(outs) if next(flags) else Zero(tangent_aval(x.aval))) if lin else None
                for x, lin in zip(operands, linear, strict=True)]

    def _batch(self, axis: Any, operands: Any, dims: Any, *, call_jaxpr: ClosedJaxpr,
               **params: Any) -> Any:
        new, batched = batch_jaxpr(call_jaxpr, axis, [d is not None for d in dims])
        moved = [x if d is None else move_axis(x, d, 0)
                 for x, d in zip(operands, dims, strict=True)]
        outs = super().bind(*moved, call_jaxpr=new, **params)
        return outs, [0 if b else None for b in batched]

    def _partial_eval(self, trace: Any, args: Sequence[Any], params: dict[str, Any]) -> list[Any]:
        unknowns = [trace.owns(a) for a in args]
        known, staged, out_unknowns, _ = partial_eval_jaxpr(params["call_jaxpr"], unknowns)
        with use(trace.parent):
            known_outs = super().bind(*(a for a, u in zip(args, unknowns, strict=True) if not u),
                                      **{**params, "call_jaxpr": known})
        count = len(out_unknowns) - sum(out_unknowns)
        staged_outs = iter(trace.record(
            self, [*known_outs[count:], *(a for a, u in zip(args, unknowns, strict=True) if u)],
            {**params, "call_jaxpr": staged}))
        known_iter = iter(known_outs[:count])
        return [next(staged_outs) if u else next(known_iter) for u in out_unknowns]

    def _dce(self, used_outputs: Sequence[bool], eqn: Eqn) -> tuple[list[bool], Eqn | None]:
        new, used_inputs = dce_closed(eqn.params["call_jaxpr"], used_outputs)
        if not new.eqns and not new.jaxpr.outvars:
            return [False] * len(eqn.invars), None
        return used_inputs, eqn.replace(
            invars=[v for v, used in zip(eqn.invars, used_inputs, strict=True) if used],
            outvars=[v for v, used in zip(eqn.outvars, used_outputs, strict=True) if used],
            params={**eqn.params, "call_jaxpr": new}, effects=new.effects)


def _run(call_jaxpr: ClosedJaxpr, args: Sequence[Any]) -> list[Any]:
    return [array_of(o) for o in eval_jaxpr(call_jaxpr.jaxpr, call_jaxpr.consts, *args)]


call_p = CallPrimitive("call")
closed_call_p = CallPrimitive("closed_call")
