"""`while`: a loop that runs as long as a predicate of its carry holds.

    while(*cond_consts, *body_consts, *init) = carry
    as long as cond_jaxpr(*cond_consts, *carry): carry = body_jaxpr(*body_consts, *carry)
"""
from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from arrax.control.jaxprs import (merge_by, pruned, rearranged, split_at, split_by, used_inputs,
                                  with_extra_inputs, without_effects)
from arrax.control.running import execute_compiled, run_eagerly, wrapped
from arrax.core.ad_values import Zero, tangent_aval
from arrax.core.aval import ShapedArray, aval_of
from arrax.core.caching import memoize_on_jaxpr
from arrax.core.jaxpr import ClosedJaxpr, Eqn, eval_jaxpr
from arrax.core.primitive import Primitive
from arrax.core.trace import use
from arrax.core.checker import check_while
from arrax.core.lowering import Form
from arrax.ops.callback import io_effect, ordered_io_effect
from arrax.ops.p import and_p, reduce_or_p, select_n_p
from arrax.ops.rules import batch_at, broadcast_in_dim, instantiate, move_axis
from arrax.transforms.batching import axes_in, batch_jaxpr
from arrax.transforms.guarding import FLAG, Guard, guarded, origins
from arrax.transforms.jvp import jvp_jaxpr
from arrax.transforms.partial_eval import partial_eval_jaxpr
from arrax.transforms.staging import trace_to_jaxpr


def bind_while(cond_jaxpr: ClosedJaxpr, body_jaxpr: ClosedJaxpr, cond_consts: Sequence[Any],
               body_consts: Sequence[Any], init: Sequence[Any]) -> list[Any]:
    return while_p.bind(
        *cond_consts, *body_consts, *init,
        **_params(cond_jaxpr, body_jaxpr, len(cond_consts), len(body_consts)))


def _params(cond_jaxpr: ClosedJaxpr, body_jaxpr: ClosedJaxpr, cond_nconsts: int,
            body_nconsts: int) -> dict[str, Any]:
    return {"cond_nconsts": cond_nconsts, "cond_jaxpr": cond_jaxpr,
            "body_nconsts": body_nconsts, "body_jaxpr": body_jaxpr}


def _type_rule(*avals: Any, body_jaxpr: ClosedJaxpr, **_: Any) -> list[Any]:
    return body_jaxpr.out_avals


def _evaluate(*data: Any, cond_nconsts: int, cond_jaxpr: ClosedJaxpr, body_nconsts: int,
              body_jaxpr: ClosedJaxpr) -> list[np.ndarray]:
    cond_data, body_data, init = split_at(data, cond_nconsts, body_nconsts)
    cond_consts = wrapped(cond_data, cond_jaxpr.in_avals[:cond_nconsts])
    body_consts = wrapped(body_data, body_jaxpr.in_avals[:body_nconsts])
    carry = wrapped(init, body_jaxpr.in_avals[body_nconsts:])
    while bool(run_eagerly(cond_jaxpr, [*cond_consts, *carry])[0]):
        carry = run_eagerly(body_jaxpr, [*body_consts, *carry])
    return [c.data for c in carry]


def _execute(*args: Any, **params: Any) -> list[Any]:
    return execute_compiled(while_p, params["body_jaxpr"], args, params)


# ---- forward mode ------------------------------------------------------------------------------

def _jvp(primals: Any, tangents: Any, *, cond_nconsts: int, cond_jaxpr: ClosedJaxpr,
         body_nconsts: int, body_jaxpr: ClosedJaxpr) -> Any:
    cond_p_, body_p_, init_p_ = split_at(primals, cond_nconsts, body_nconsts)
    _, body_t, init_t = split_at(tangents, cond_nconsts, body_nconsts)
    nonzeros = tuple(type(t) is not Zero for t in [*body_t, *init_t])
    body, carry_nonzeros = _jvp_body(body_jaxpr, nonzeros, body_nconsts)
    dots = [instantiate(t) for t, nz in zip(init_t, carry_nonzeros, strict=True) if nz]
    cond = with_extra_inputs(cond_jaxpr, len(cond_jaxpr.in_avals), avals_of_dots(dots))
    consts_dot = [t for t in body_t if type(t) is not Zero]
    outs = bind_while(cond, body, cond_p_, [*body_p_, *consts_dot], [*init_p_, *dots])
    count = len(init_p_)
    rest = iter(outs[count:])
    return outs[:count], [next(rest) if nz else Zero(tangent_aval(aval_of(o)))
                          for o, nz in zip(outs[:count], carry_nonzeros, strict=True)]


def avals_of_dots(dots: Sequence[Any]) -> list[Any]:
    return [aval_of(d) for d in dots]


@memoize_on_jaxpr
def _jvp_body(jaxpr: ClosedJaxpr, nonzeros: tuple[bool, ...], num_consts: int,
              ) -> tuple[ClosedJaxpr, list[bool]]:
    """The body over (consts, const tangents, carry, carry tangents), with the least set of carry
    tangents that is closed under it."""
    const_nz, carry_nz = split_at(nonzeros, num_consts)
    while True:
        body, out_nz = jvp_jaxpr(jaxpr, [*const_nz, *carry_nz], carry_nz)
        if out_nz == carry_nz:
            break
        carry_nz = [a or b for a, b in zip(carry_nz, out_nz, strict=True)]
    sizes = [num_consts, len(carry_nz), sum(const_nz), sum(carry_nz)]
    consts, carry, const_dots, carry_dots, _ = split_at(range(sum(sizes)), *sizes)
    return rearranged(body, consts + const_dots + carry + carry_dots), carry_nz


# ---- partial evaluation ------------------------------------------------------------------------

def _partial_eval(trace: Any, args: Sequence[Any], params: dict[str, Any]) -> list[Any]:
    """Known carries get a loop of their own; the whole loop is staged for the unknown ones.

    Effects of known values happen in the known loop. The staged loop computes the known carries
    again, for the number of steps is not known, so nothing can be saved per step: of effects, only
    those whose results it needs happen there too.
    """
    cond_nconsts, body_nconsts = params["cond_nconsts"], params["body_nconsts"]
    cond_consts, body_consts, init = split_at(args, cond_nconsts, body_nconsts)
    const_uk = [trace.owns(c) for c in body_consts]
    carry_uk = _unknown_carries(params["body_jaxpr"], tuple(const_uk),
                                tuple(trace.owns(c) for c in init))
    cond_uses = used_inputs(params["cond_jaxpr"], [True])[cond_nconsts:]
    depends = any(trace.owns(c) for c in cond_consts) or \
        any(a and b for a, b in zip(cond_uses, carry_uk, strict=True))
    if depends or all(carry_uk):
        return trace.record(while_p, args, params)
    known_carry = [not u for u in carry_uk]
    known_body, body = _split_body(params["body_jaxpr"], tuple(const_uk), tuple(carry_uk))
    cond = pruned(params["cond_jaxpr"], [True], [*[True] * cond_nconsts, *known_carry])
    with use(trace.parent):
        known = bind_while(cond, known_body, cond_consts, split_by(const_uk, body_consts)[0],
                           split_by(carry_uk, init)[0])
    staged = trace.record(while_p, args, {
        **params, "body_jaxpr": body, "cond_jaxpr": without_effects(params["cond_jaxpr"])})
    return merge_by(carry_uk, known, split_by(carry_uk, staged)[1])


@memoize_on_jaxpr
def _split_body(body: ClosedJaxpr, const_uk: tuple[bool, ...], carry_uk: tuple[bool, ...],
                ) -> tuple[ClosedJaxpr, ClosedJaxpr]:
    """The body of the known consts and carries, and the whole body without the effects of that."""
    unknown = [*const_uk, *carry_uk]
    known, staged, _, residuals = partial_eval_jaxpr(body, unknown, carry_uk)
    count = len(known.out_avals) - len(residuals)
    quiet = without_effects(known)

    def whole(*args: Any) -> list[Any]:
        known_args, unknown_args = split_by(unknown, args)
        outs = eval_jaxpr(quiet.jaxpr, quiet.consts, *known_args)
        return merge_by(carry_uk, outs[:count],
                        eval_jaxpr(staged.jaxpr, staged.consts, *outs[count:], *unknown_args))
    without_residuals = pruned(known, [i < count for i in range(len(known.out_avals))],
                               [True] * len(known.in_avals))
    return without_residuals, body if quiet is known else trace_to_jaxpr(whole, body.in_avals)


@memoize_on_jaxpr
def _unknown_carries(body: ClosedJaxpr, const_uk: tuple[bool, ...], carry_uk: tuple[bool, ...],
                     ) -> list[bool]:
    """The least set of unknown carries that is closed under the body."""
    unknown = list(carry_uk)
    while True:
        out_uk = partial_eval_jaxpr(body, [*const_uk, *unknown], unknown)[2]
        if out_uk == unknown:
            return unknown
        unknown = [a or b for a, b in zip(unknown, out_uk, strict=True)]


def _transpose(cotangents: Any, *operands: Any, **_: Any) -> list[Any]:
    raise ValueError(
        "Reverse-mode differentiation does not work for lax.while_loop or lax.fori_loop with "
        "dynamic start/stop values. Try using lax.scan, or using fori_loop with static start/stop.")


# ---- batching, dead code -----------------------------------------------------------------------

def _batch(axis: Any, operands: Any, dims: Any, *, cond_nconsts: int, cond_jaxpr: ClosedJaxpr,
           body_nconsts: int, body_jaxpr: ClosedJaxpr) -> Any:
    pairs = list(zip(operands, dims, strict=True))
    cond_pairs, body_pairs, init_pairs = split_at(pairs, cond_nconsts, body_nconsts)
    cond_b, body_b, carry_b = ([d is not None for _, d in part]
                               for part in (cond_pairs, body_pairs, init_pairs))
    carry_b, pred_b = _batched_carries(cond_jaxpr, body_jaxpr, axis, tuple(cond_b), tuple(body_b),
                                       tuple(carry_b))
    cond_consts = [x if d is None else move_axis(x, d, 0) for x, d in cond_pairs]
    body_consts = [x if d is None else move_axis(x, d, 0) for x, d in body_pairs]
    init = [batch_at(x, d, 0, axis.size) if b else x
            for (x, d), b in zip(init_pairs, carry_b, strict=True)]
    cond, _ = batch_jaxpr(cond_jaxpr, axis, [*cond_b, *carry_b], [pred_b])
    out_dims = [0 if b else None for b in carry_b]
    if not pred_b:
        body, _ = batch_jaxpr(body_jaxpr, axis, [*body_b, *carry_b], carry_b)
        return bind_while(cond, body, cond_consts, body_consts, init), out_dims
    if {io_effect, ordered_io_effect} & (cond_jaxpr.effects | body_jaxpr.effects):
        raise NotImplementedError("IO effect not supported in while_loop with batched predicate: "
                                  "elements of the batch stop at different times.")
    running = eval_jaxpr(cond.jaxpr, cond.consts, *cond_consts, *init)
    updated = tuple(i for i, source in enumerate(origins(body_jaxpr))
                    if source == body_nconsts + i)
    body, _ = batch_jaxpr(guarded(body_jaxpr, updated), axis, [True, *body_b, *carry_b], True)
    new_cond, new_body = _masked(body, cond, cond_nconsts, body_nconsts, updated)
    outs = bind_while(new_cond, new_body, [], [*cond_consts, *body_consts], [*running, *init])
    return outs[1:], out_dims


def _batched_carries(cond_jaxpr: ClosedJaxpr, body_jaxpr: ClosedJaxpr, axis: Any,
                     cond_b: tuple[bool, ...], body_b: tuple[bool, ...],
                     carry_b: tuple[bool, ...]) -> tuple[list[bool], bool]:
    """The least set of batched carries, and whether the predicate is batched (then all are)."""
    carry = list(carry_b)
    while True:
        _, out_b = batch_jaxpr(body_jaxpr, axis, [*body_b, *carry], carry)
        _, (pred_b,) = batch_jaxpr(cond_jaxpr, axis, [*cond_b, *carry])
        new = [True] * len(carry) if pred_b else \
            [a or b for a, b in zip(carry, out_b, strict=True)]
        if new == carry:
            return carry, pred_b
        carry = new


@memoize_on_jaxpr
def _masked(body: ClosedJaxpr, cond: ClosedJaxpr, cond_nconsts: int, body_nconsts: int,
            updated: tuple[int, ...]) -> tuple[ClosedJaxpr, ClosedJaxpr]:
    """The loop over a batch whose elements stop at different times.

    Which elements still run is one more carry, in front; the loop goes on while any does, and the
    carries of the others stay as they are: those that the body (guarded by the flags of the
    running ones) updates in part by themselves, others by choice.
    """
    carry_avals = body.in_avals[1 + body_nconsts:]
    running_aval = cond.out_avals[0]

    def any_running(running: Any, *carry: Any) -> list[Any]:
        return [reduce_or_p.bind(running, axes=(0,), out_sharding=None)]

    def step(*args: Any) -> list[Any]:
        cond_consts, body_consts, (running, *carry) = split_at(args, cond_nconsts, body_nconsts)
        new = eval_jaxpr(body.jaxpr, body.consts, running, *body_consts, *carry)
        kept = [n if i in updated else _where(running, n, c)
                for i, (n, c) in enumerate(zip(new, carry, strict=True))]
        return [*eval_jaxpr(cond.jaxpr, cond.consts, *cond_consts, *kept), *kept]

    avals = [*cond.in_avals[:cond_nconsts], *body.in_avals[1:1 + body_nconsts], running_aval,
             *carry_avals]
    return (trace_to_jaxpr(any_running, [running_aval, *carry_avals]),
            trace_to_jaxpr(step, avals))


def _where(mask: Any, x: Any, y: Any) -> Any:
    """`x` where the mask over the leading axis holds, else `y`."""
    if x is y:
        return x
    aval: ShapedArray = aval_of(x)
    if aval.ndim > 1:
        mask = broadcast_in_dim(mask, aval.shape, (0,))
    return select_n_p.bind(mask, y, x)


def _dce(used_outputs: Sequence[bool], eqn: Eqn) -> tuple[list[bool], Eqn | None]:
    params = eqn.params
    cond_jaxpr, body_jaxpr = params["cond_jaxpr"], params["body_jaxpr"]
    cond_nconsts, body_nconsts = params["cond_nconsts"], params["body_nconsts"]
    if not any(used_outputs) and not body_jaxpr.effects and not cond_jaxpr.effects:
        return [False] * len(eqn.invars), None
    used_cond, cond_carry = split_at(used_inputs(cond_jaxpr, [True]), cond_nconsts)
    used_carry = [a or b for a, b in zip(used_outputs, cond_carry, strict=True)]
    while True:
        used_body, needed = split_at(used_inputs(body_jaxpr, used_carry), body_nconsts)
        new_carry = [a or b for a, b in zip(used_carry, needed, strict=True)]
        if new_carry == used_carry:
            break
        used_carry = new_carry
    kept = [*used_cond, *used_body, *used_carry]
    cond = pruned(cond_jaxpr, [True], [*used_cond, *used_carry])
    body = pruned(body_jaxpr, used_carry, [*used_body, *used_carry])
    invars = [v for v, k in zip(eqn.invars, kept, strict=True) if k]
    outvars = [v for v, k in zip(eqn.outvars, used_carry, strict=True) if k]
    new = _params(cond, body, sum(used_cond), sum(used_body))
    return kept, eqn.replace(invars=invars, outvars=outvars, params=new)


def _stablehlo(b: Any, *operands: Any, cond_nconsts: int, cond_jaxpr: ClosedJaxpr,
               body_nconsts: int, body_jaxpr: ClosedJaxpr) -> list[Any]:
    """All values that the regions read are carried."""
    def condition(*carried: Any) -> Any:
        cond_consts, _, carry = split_at(carried, cond_nconsts, body_nconsts)
        return b.inline(cond_jaxpr, [*cond_consts, *carry])

    def body(*carried: Any) -> list[Any]:
        cond_consts, body_consts, carry = split_at(carried, cond_nconsts, body_nconsts)
        return [*cond_consts, *body_consts, *b.inline(body_jaxpr, [*body_consts, *carry])]
    outs = b.while_loop(condition, body, *operands)
    return outs[cond_nconsts + body_nconsts:]


def _origin(eqn: Eqn, number: int) -> int | None:
    """A carry that each step updates in part."""
    p = eqn.params
    kept = origins(p["body_jaxpr"])[number] == p["body_nconsts"] + number
    return p["cond_nconsts"] + p["body_nconsts"] + number if kept else None


def _bind_guarded(flag: Any, numbers: list[int], operands: Sequence[Any], params: dict[str, Any],
                  ) -> list[Any]:
    """No step is made where the flag does not hold."""
    cond_consts, body_consts, init = split_at(operands, params["cond_nconsts"],
                                              params["body_nconsts"])
    return bind_while(_unless(params["cond_jaxpr"]), params["body_jaxpr"], [flag, *cond_consts],
                      body_consts, init)


@memoize_on_jaxpr
def _unless(cond: ClosedJaxpr) -> ClosedJaxpr:
    """The predicate with a flag in front, without which it does not hold."""
    def predicate(flag: Any, *args: Any) -> list[Any]:
        (holds,) = eval_jaxpr(cond.jaxpr, cond.consts, *args)
        return [and_p.bind(holds, flag)]
    return trace_to_jaxpr(predicate, [FLAG, *cond.in_avals])


while_p = Primitive(
    "while", multiple_results=True, type_rule=_type_rule, evaluate=_evaluate, execute=_execute,
    jvp=_jvp, transpose=_transpose, batch=_batch, partial_eval=_partial_eval, dce=_dce,
    effects=lambda cond_jaxpr, body_jaxpr, **_: cond_jaxpr.effects | body_jaxpr.effects,
    named_axes=lambda cond_jaxpr, body_jaxpr, **_: axes_in(cond_jaxpr, body_jaxpr),
    lower=Form(), check=check_while, stablehlo=_stablehlo,
    guard=Guard(_origin, _bind_guarded))
