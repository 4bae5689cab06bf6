"""Transposition of linear programs: from cotangents of the outputs to cotangents of the inputs.

The equations of the jaxpr that depend on linear inputs must be linear in them. The others are
evaluated on the way forward; then the linear ones are transposed in reverse order, and cotangents
of a variable that is used several times are added. An equation that carries jaxprs sheds what no
cotangent reaches first: transposing that is work for zeros, and NaN where a zero meets an infinity.
"""
from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from arrax.core.ad_values import UndefinedPrimal, Zero, tangent_aval
from arrax.core.caching import memoize_on_jaxpr
from arrax.core.dtypes import float0
from arrax.core.jaxpr import ClosedJaxpr, Eqn, Jaxpr, Literal, Var
from arrax.ops.rules import add_tangents, instantiate
from arrax.ops.varying import vary_like
from arrax.transforms.staging import trace_to_jaxpr


def backward_pass(jaxpr: Jaxpr, consts: Sequence[Any], operands: Sequence[Any],
                  cotangents: Sequence[Any]) -> list[Any]:
    """Cotangents of the operands that are `UndefinedPrimal`s (None for the others).

    `cotangents` has one entry per output, each a value or a `Zero`.
    """
    values: dict[Var, Any] = dict(zip(jaxpr.constvars, consts, strict=True))
    linear: set[Var] = set()
    for var, operand in zip(jaxpr.invars, operands, strict=True):
        if type(operand) is UndefinedPrimal:
            linear.add(var)
        else:
            values[var] = operand
    linear_eqns = [eqn for eqn in jaxpr.eqns if not _evaluated(eqn, values, linear)]
    found: dict[Var, Any] = {}
    for atom, cotangent in zip(jaxpr.outvars, cotangents, strict=True):
        _accumulate(found, linear, atom, cotangent)
    for eqn in reversed(linear_eqns):
        _transpose_eqn(eqn, values, linear, found)
    return [found.get(var, Zero(tangent_aval(var.aval))) if var in linear else None
            for var in jaxpr.invars]


def _evaluated(eqn: Eqn, values: dict[Var, Any], linear: set[Var]) -> bool:
    """Evaluate an equation without linear operands; mark the results of any other as linear."""
    for atom in eqn.invars:
        if type(atom) is not Literal and atom in linear:
            linear.update(eqn.outvars)
            return False
    operands = [a.val if type(a) is Literal else values[a] for a in eqn.invars]
    out = eqn.primitive.bind(*operands, **eqn.params)
    results = out if eqn.primitive.multiple_results else [out]
    values.update(zip(eqn.outvars, results, strict=True))
    return True


def _accumulate(found: dict[Var, Any], linear: set[Var], atom: Any, cotangent: Any) -> None:
    if cotangent is None or type(cotangent) is Zero or type(atom) is Literal:
        return
    if atom in linear:
        if getattr(atom.aval, "vma", None):
            cotangent = vary_like(cotangent, atom.aval)
        found[atom] = add_tangents(found[atom], cotangent) if atom in found else cotangent


def _transpose_eqn(eqn: Eqn, values: dict[Var, Any], linear: set[Var],
                   found: dict[Var, Any]) -> None:
    given = {v: found.pop(v) for v in eqn.outvars if v in found}
    if not given and not eqn.effects:
        return
    if len(given) < len(eqn.outvars) and eqn.primitive.dce is not None:
        _, kept = eqn.primitive.dce([v in given for v in eqn.outvars], eqn)
        if kept is None:
            return
        eqn = kept
    outs = [given[v] if v in given else Zero(tangent_aval(v.aval)) for v in eqn.outvars]
    operands = [a.val if type(a) is Literal else
                UndefinedPrimal(a.aval) if a in linear else values[a] for a in eqn.invars]
    cotangent = outs if eqn.primitive.multiple_results else outs[0]
    results = eqn.primitive.rule("transpose")(cotangent, *operands, **eqn.params)
    for atom, result in zip(eqn.invars, results, strict=True):
        _accumulate(found, linear, atom, result)


def transpose_jaxpr(closed: ClosedJaxpr, linear: Sequence[bool], out_nonzeros: Sequence[bool],
                    ) -> tuple[ClosedJaxpr, list[bool]]:
    """The transpose as a jaxpr.

    (*non-linear inputs, *cotangents of outputs flagged in `out_nonzeros`)
    → (*cotangents of linear inputs flagged in the returned list).
    """
    new, nonzeros = _transpose_jaxpr(
        closed, tuple(map(bool, linear)), tuple(map(bool, out_nonzeros)), False)
    return new, list(nonzeros)


def transpose_jaxpr_instantiated(closed: ClosedJaxpr, linear: Sequence[bool],
                                 out_nonzeros: Sequence[bool]) -> ClosedJaxpr:
    """`transpose_jaxpr` with a cotangent for every linear input, zeros materialized."""
    return _transpose_jaxpr(  # type: ignore[no-any-return]
        closed, tuple(map(bool, linear)), tuple(map(bool, out_nonzeros)), True)[0]


@memoize_on_jaxpr
def _transpose_jaxpr(closed: ClosedJaxpr, linear: tuple[bool, ...], out_nonzeros: tuple[bool, ...],
                     materialize: bool) -> Any:
    nonzeros: list[bool] = []
    count = len(linear) - sum(linear)

    def fun(*args: Any) -> list[Any]:
        rest, given = iter(args[:count]), iter(args[count:])
        operands = [UndefinedPrimal(a) if lin else next(rest)
                    for a, lin in zip(closed.in_avals, linear, strict=True)]
        cotangents = [next(given) if nz else Zero(tangent_aval(a))
                      for a, nz in zip(closed.out_avals, out_nonzeros, strict=True)]
        found = backward_pass(closed.jaxpr, closed.consts, operands, cotangents)
        found = [f for f in found if f is not None]
        if materialize:
            found = [f if f.aval.dtype == float0 else instantiate(f) for f in found]
        nonzeros.extend(type(f) is not Zero for f in found)
        return [f for f in found if type(f) is not Zero]

    in_avals = [a for a, lin in zip(closed.in_avals, linear, strict=True) if not lin]
    in_avals += [tangent_aval(a)
                 for a, nz in zip(closed.out_avals, out_nonzeros, strict=True) if nz]
    return trace_to_jaxpr(fun, in_avals, closed.jaxpr.debug_info), tuple(nonzeros)
