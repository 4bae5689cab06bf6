"""Tracing of `WrappedFun`s, whole or in part, as `interpreters.partial_eval` offers it."""
from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from arrax.core.aval import aval_of
from arrax.core.jaxpr import Eqn, Jaxpr, Literal
from arrax.core.trace import current, use
from arrax.transforms.jit import jit_p
from arrax.transforms.linear_util import WrappedFun
from arrax.transforms.partial_eval import PartialEvalTrace
from arrax.transforms.partial_eval import dce_jaxpr as _dce_jaxpr
from arrax.transforms.staging import trace_to_jaxpr


class PartialVal(tuple):  # type: ignore[type-arg]
    """A value that is known, (None, value), or of which the aval is known, (aval, None)."""

    __slots__ = ()

    @classmethod
    def known(cls, const: Any) -> PartialVal:
        return cls((None, const))

    @classmethod
    def unknown(cls, aval: Any) -> PartialVal:
        return cls((aval, None))

    def is_known(self) -> bool:
        return self[0] is None

    def get_known(self) -> Any:
        """The value, or None if it is unknown."""
        return self[1] if self.is_known() else None

    def get_aval(self) -> Any:
        return aval_of(self[1]) if self.is_known() else self[0]


def trace_to_jaxpr_dynamic(fun: WrappedFun, in_avals: Sequence[Any], *,
                           keep_inputs: Sequence[bool] | None = None, lower: bool = False,
                           auto_dce: bool = False) -> tuple[Jaxpr, list[Any], list[Any]]:
    """Stage a flat function at `in_avals`: (jaxpr, avals of the results, values of constvars).

    Args:
      keep_inputs: which inputs the function takes; all by default.
      lower: refused; there are no two levels of primitives.
      auto_dce: drop equations that no result needs.
    """
    if lower:
        raise NotImplementedError("trace_to_jaxpr_dynamic: lower=True is not supported")
    kept = [True] * len(in_avals) if keep_inputs is None else list(keep_inputs)

    def flat(*values: Any) -> Any:
        return fun.call_wrapped(*(v for v, keep in zip(values, kept, strict=True) if keep))
    closed = trace_to_jaxpr(flat, list(in_avals), fun.debug_info) \
        if fun.debug_info is not None else trace_to_jaxpr(flat, list(in_avals))
    jaxpr = closed.jaxpr
    if auto_dce:
        jaxpr = _dce_jaxpr(jaxpr, [True] * len(jaxpr.outvars), keep_inputs=True)[0]
    return jaxpr, jaxpr.out_avals, closed.consts


def trace_to_jaxpr_nounits(fun: WrappedFun, pvals: Sequence[PartialVal],
                           instantiate: bool | Sequence[bool] = False,
                           ) -> tuple[Jaxpr, list[PartialVal], list[Any]]:
    """Run what is known of a flat function and stage the rest.

    Args:
      pvals: one per argument.
      instantiate: which results are to be unknown even if they are known.

    Returns (jaxpr of the unknown arguments to the unknown results, one PartialVal per result, the
    values of the jaxpr's constvars).
    """
    trace = PartialEvalTrace(current())
    args = [p.get_known() if p.is_known() else trace.new_arg(p.get_aval()) for p in pvals]
    try:
        with use(trace):
            outs = list(fun.call_wrapped(*args))
            forced = [instantiate] * len(outs) if isinstance(instantiate, bool) else instantiate
            outs = [trace.to_tracer(o) if force else o
                    for o, force in zip(outs, forced, strict=True)]
        unknown = [trace.owns(o) for o in outs]
        jaxpr, consts = trace.to_jaxpr([o for o, u in zip(outs, unknown, strict=True) if u])
    finally:
        trace.alive = False
    return jaxpr, [PartialVal.unknown(o.aval) if u else PartialVal.known(o)
                   for o, u in zip(outs, unknown, strict=True)], consts


def dce_jaxpr(jaxpr: Jaxpr, used_outputs: bool | Sequence[bool],
              instantiate: bool | Sequence[bool] = False) -> tuple[Jaxpr, list[bool]]:
    """`jaxpr` without what the used outputs do not need: (jaxpr, which inputs are used).

    Args:
      instantiate: which inputs stay, and count as used, in any case.
    """
    count, inputs = len(jaxpr.outvars), len(jaxpr.invars)
    used_outputs = [used_outputs] * count if isinstance(used_outputs, bool) else list(used_outputs)
    forced = [instantiate] * inputs if isinstance(instantiate, bool) else list(instantiate)
    new, used = _dce_jaxpr(jaxpr, used_outputs, keep_inputs=True)
    used = [u or f for u, f in zip(used, forced, strict=True)]
    return new.replace(invars=[v for v, u in zip(new.invars, used, strict=True) if u]), used


def dce_jaxpr_consts(jaxpr: Jaxpr, used_outputs: Sequence[bool],
                     instantiate: bool | Sequence[bool] = False,
                     ) -> tuple[Jaxpr, list[bool], list[bool]]:
    """As `dce_jaxpr`, for constvars too: (jaxpr, which constants are used, which inputs)."""
    new, used_inputs = dce_jaxpr(jaxpr, used_outputs, instantiate)
    read = {v for e in new.eqns for v in e.invars if not isinstance(v, Literal)}
    read |= {v for v in new.outvars if not isinstance(v, Literal)}
    used = [v in read for v in jaxpr.constvars]
    return (new.replace(constvars=[v for v, u in zip(jaxpr.constvars, used, strict=True) if u]),
            used, used_inputs)


def dce_jaxpr_call_rule(used_outputs: Sequence[bool], eqn: Eqn) -> tuple[list[bool], Eqn | None]:
    """The rule of call-like primitives: their jaxpr shrinks with the equation."""
    rule = eqn.primitive.dce if eqn.primitive.dce not in (None, dce_jaxpr_call_rule) else jit_p.dce
    return rule(list(used_outputs), eqn)  # type: ignore[no-any-return]


dce_jaxpr_closed_call_rule = dce_jaxpr_call_rule
