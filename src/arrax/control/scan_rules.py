"""`scan`: a loop of known length over the leading axis of its inputs.

    scan(*consts, *init, *xs) = (*carry, *stacked ys)
    (*carry', *y_i) = jaxpr(*consts, *carry, *x_i)          for i in 0 … length-1 (or downwards)

`linear` and `_split_transpose` are kept for the contract and change nothing here.
"""
from __future__ import annotations

import functools
from collections import Counter
from collections.abc import Sequence
from typing import Any

import numpy as np

from arrax.control.jaxprs import (forwarded_inputs, merge_by, pruned, rearranged, split_at,
                                  split_by, used_inputs)
from arrax.control.running import execute_compiled, run_eagerly, wrapped
from arrax.core.ad_values import UndefinedPrimal, Zero, tangent_aval
from arrax.core.aval import aval_of
from arrax.core.caching import memoize_on_jaxpr
from arrax.core.dtypes import storage_dtype
from arrax.core.jaxpr import ClosedJaxpr, Eqn, Jaxpr, Var, eval_jaxpr
from arrax.core.primitive import Primitive
from arrax.core.printer import ALWAYS
from arrax.core.trace import use
from arrax.core.checker import check_scan
from arrax.core.lowering import Form, SumInside
from arrax.ops.arithmetic import add_p, sub_p
from arrax.ops.p import add_any_p
from arrax.ops.rules import add_tangents, batch_at, instantiate, move_axis, zeros
from arrax.ops.slicing import dynamic_index_in_dim, dynamic_update_index_in_dim
from arrax.transforms.batching import axes_in, batch_jaxpr
from arrax.transforms.guarding import Guard, guarded, origins
from arrax.transforms.jvp import jvp_jaxpr
from arrax.transforms.partial_eval import partial_eval_jaxpr
from arrax.transforms.staging import trace_to_jaxpr
from arrax.transforms.transpose import backward_pass

Params = dict[str, Any]


def stacked(aval: Any, length: int) -> Any:
    """The aval of `length` values of `aval`."""
    return aval.update(shape=(length, *aval.shape))


def bind_scan(params: Params, jaxpr: ClosedJaxpr, consts: Sequence[Any], init: Sequence[Any],
              xs: Sequence[Any]) -> list[Any]:
    """Bind a scan like the one that has `params`, over another body."""
    return scan_p.bind(*consts, *init, *xs,
                       **scan_params(params, jaxpr, len(consts), len(init), len(xs)))


def scan_params(params: Params, jaxpr: ClosedJaxpr, consts: int, carry: int, xs: int) -> Params:
    return {"reverse": params["reverse"], "length": params["length"], "jaxpr": jaxpr,
            "num_consts": consts, "num_carry": carry, "linear": (False,) * (consts + carry + xs),
            "unroll": params["unroll"], "_split_transpose": params["_split_transpose"]}


# ---- type, evaluation --------------------------------------------------------------------------

def _type_rule(*avals: Any, jaxpr: ClosedJaxpr, length: int, num_carry: int, **_: Any) -> list[Any]:
    outs = jaxpr.out_avals
    return [*outs[:num_carry], *(stacked(a, length) for a in outs[num_carry:])]


def _evaluate(*data: Any, jaxpr: ClosedJaxpr, length: int, reverse: bool, num_consts: int,
              num_carry: int, **_: Any) -> list[np.ndarray]:
    consts, carry, xs = split_at(data, num_consts, num_carry)
    const_avals, carry_avals, x_avals = split_at(jaxpr.in_avals, num_consts, num_carry)
    constants = wrapped(consts, const_avals)
    values = wrapped(carry, carry_avals)
    ys = [np.empty((length, *a.shape), storage_dtype(a.dtype)) for a in jaxpr.out_avals[num_carry:]]
    for i in reversed(range(length)) if reverse else range(length):
        slices = wrapped([np.asarray(x[i]) for x in xs], x_avals)
        outs = run_eagerly(jaxpr, [*constants, *values, *slices])
        values = outs[:num_carry]
        for y, out in zip(ys, outs[num_carry:], strict=True):
            y[i] = out.data
    return [*(v.data for v in values), *ys]


def _execute(*args: Any, **params: Any) -> list[Any]:
    return execute_compiled(scan_p, params["jaxpr"], args, params)


# ---- forward mode ------------------------------------------------------------------------------

def _jvp(primals: Any, tangents: Any, **params: Any) -> Any:
    jaxpr, consts, carry = params["jaxpr"], params["num_consts"], params["num_carry"]
    nonzeros = tuple(type(t) is not Zero for t in tangents)
    body, carry_nonzeros, y_nonzeros = _jvp_body(jaxpr, nonzeros, consts, carry)
    const_p, init_p, xs_p = split_at(primals, consts, carry)
    const_t, init_t, xs_t = split_at(tangents, consts, carry)
    init_dot = [instantiate(t) for t, nz in zip(init_t, carry_nonzeros, strict=True) if nz]
    outs = bind_scan(params, body, const_p + _given(const_t), init_p + init_dot,
                     xs_p + _given(xs_t))
    count = carry + sum(carry_nonzeros)
    ys = outs[count:]
    num_ys = len(y_nonzeros)
    primals_out = outs[:carry] + ys[:num_ys]
    dots = iter(outs[carry:count] + ys[num_ys:])
    avals = [aval_of(o) for o in primals_out]
    return primals_out, [next(dots) if nz else Zero(tangent_aval(a))
                         for a, nz in zip(avals, [*carry_nonzeros, *y_nonzeros], strict=True)]


def _given(tangents: Sequence[Any]) -> list[Any]:
    return [t for t in tangents if type(t) is not Zero]


@memoize_on_jaxpr
def _jvp_body(jaxpr: ClosedJaxpr, nonzeros: tuple[bool, ...], num_consts: int, num_carry: int,
              ) -> tuple[ClosedJaxpr, list[bool], list[bool]]:
    """The body over (consts, const tangents, carry, carry tangents, xs, x tangents), with the least
    set of carry tangents that is closed under it."""
    const_nz, carry_nz, xs_nz = split_at(nonzeros, num_consts, num_carry)
    num_ys = len(jaxpr.out_avals) - num_carry
    while True:
        body, out_nz = jvp_jaxpr(jaxpr, [*const_nz, *carry_nz, *xs_nz],
                                 [*carry_nz, *[False] * num_ys])
        if out_nz[:num_carry] == carry_nz:
            break
        carry_nz = [a or b for a, b in zip(carry_nz, out_nz[:num_carry], strict=True)]
    sizes = [num_consts, num_carry, len(xs_nz), sum(const_nz), sum(carry_nz), sum(xs_nz)]
    primal_c, primal_i, primal_x, dot_c, dot_i, dot_x, _ = split_at(range(sum(sizes)), *sizes)
    outs = [num_carry, num_ys, sum(out_nz[:num_carry]), sum(out_nz[num_carry:])]
    out_c, out_y, out_c_dot, out_y_dot, _ = split_at(range(sum(outs)), *outs)
    body = rearranged(body, primal_c + dot_c + primal_i + dot_i + primal_x + dot_x,
                      out_c + out_c_dot + out_y + out_y_dot)
    return body, carry_nz, out_nz[num_carry:]


# ---- partial evaluation ------------------------------------------------------------------------

def _partial_eval(trace: Any, args: Sequence[Any], params: Params) -> list[Any]:
    unknowns = [trace.owns(a) for a in args]
    split = _split_body(params["jaxpr"], tuple(unknowns), params["num_consts"], params["num_carry"])
    if not any(not u for u in split.out_unknowns) and not split.loop.out_avals \
            and not split.hoisted.out_avals:
        return trace.record(scan_p, args, params)
    known = [None if u else a for u, a in zip(unknowns, args, strict=True)]
    with use(trace.parent):
        known_outs, invariant, per_step = _run_known(split, known, params)
    consts, init, xs = split_at(args, params["num_consts"], params["num_carry"])
    unknown_consts = [c for c, u in zip(consts, split.const_unknowns, strict=True) if u]
    unknown_init = [c for c, u in zip(init, split.carry_unknowns, strict=True) if u]
    unknown_xs = [x for x, u in zip(xs, split.x_unknowns, strict=True) if u]
    operands = [*invariant, *unknown_consts, *unknown_init, *per_step, *unknown_xs]
    new = scan_params(params, split.staged, len(invariant) + len(unknown_consts),
                      len(unknown_init), len(per_step) + len(unknown_xs))
    needed = any(split.out_unknowns) or split.staged.effects
    staged_outs = trace.record(scan_p, operands, new) if needed else []
    return merge_by(split.out_unknowns, known_outs, staged_outs)


class _Split:
    """A body cut in three.

    `hoisted`: known consts → (loop consts, invariant residuals), outside the loop;
    `loop`: (loop consts, known carry, known xs) → (known carry, known ys, residuals per step);
    `staged`: (invariant residuals, unknown consts, unknown carry, per-step residuals, unknown xs)
    → (unknown carry, unknown ys). `forwarded` lists, for each residual per step, the position of
    the known x that it is, or None for one that the loop computes.
    """

    def __init__(self, hoisted: ClosedJaxpr, loop: ClosedJaxpr, staged: ClosedJaxpr,
                 flags: Sequence[Sequence[bool]], num_invariant: int,
                 forwarded: Sequence[int | None]):
        self.hoisted, self.loop, self.staged = hoisted, loop, staged
        self.const_unknowns, self.carry_unknowns, self.x_unknowns, self.y_unknowns = flags
        self.out_unknowns = [*self.carry_unknowns, *self.y_unknowns]
        self.num_invariant = num_invariant
        self.forwarded = forwarded


@memoize_on_jaxpr
def _split_body(jaxpr: ClosedJaxpr, unknowns: tuple[bool, ...], num_consts: int, num_carry: int,
                ) -> _Split:
    const_uk, carry_uk, x_uk = split_at(unknowns, num_consts, num_carry)
    num_ys = len(jaxpr.out_avals) - num_carry
    while True:
        known, staged, out_uk, residuals = partial_eval_jaxpr(
            jaxpr, [*const_uk, *carry_uk, *x_uk], [*carry_uk, *[False] * num_ys])
        if out_uk[:num_carry] == carry_uk:
            break
        carry_uk = [a or b for a, b in zip(carry_uk, out_uk[:num_carry], strict=True)]
    known_consts = len(const_uk) - sum(const_uk)
    known_carry = num_carry - sum(carry_uk)
    known_outs = len(out_uk) - sum(out_uk)
    depends = [False] * known_consts + [True] * (len(known.in_avals) - known_consts)
    if known.effects:  # they happen in each step: nothing leaves the loop
        hoisted, loop = _identity(known.in_avals[:known_consts]), known
        num_loop_consts = known_consts
        res_in_loop = [True] * len(residuals)
    else:
        hoisted, loop, in_loop, loop_consts = partial_eval_jaxpr(
            known, depends, [True] * known_outs + [False] * len(residuals))
        res_in_loop, num_loop_consts = in_loop[known_outs:], len(loop_consts)
    loop, forwarded = _forward_xs(loop, known_outs, num_loop_consts + known_carry)
    num_res, num_uk_consts, num_uk_carry = len(residuals), sum(const_uk), sum(carry_uk)
    res, uk_consts, uk_carry, uk_xs = split_at(range(len(staged.in_avals)), num_res,
                                               num_uk_consts, num_uk_carry)
    invariant, per_step = split_by(res_in_loop, res)
    staged = rearranged(staged, invariant + uk_consts + uk_carry + per_step + uk_xs)
    return _Split(hoisted, loop, staged, (const_uk, carry_uk, x_uk, out_uk[num_carry:]),
                  len(invariant), forwarded)


def _identity(avals: Sequence[Any]) -> ClosedJaxpr:
    variables = [Var(a) for a in avals]
    return ClosedJaxpr(Jaxpr([], variables, variables, []))


def _forward_xs(loop: ClosedJaxpr, num_outs: int, first_x: int,
                ) -> tuple[ClosedJaxpr, list[int | None]]:
    """Drop the residuals that are just slices of known xs."""
    sources = [None if s is None or s < first_x else s - first_x for s in forwarded_inputs(loop)]
    forwarded = sources[num_outs:]
    kept = [*range(num_outs), *(num_outs + i for i, s in enumerate(forwarded) if s is None)]
    return rearranged(loop, None, kept), forwarded


def _run_known(split: _Split, known: Sequence[Any], params: Params,
               ) -> tuple[list[Any], list[Any], list[Any]]:
    """Run the known part: (known outputs, invariant residuals, residuals per step)."""
    consts, init, xs = split_at(known, params["num_consts"], params["num_carry"])
    consts = [c for c, u in zip(consts, split.const_unknowns, strict=True) if not u]
    init = [c for c, u in zip(init, split.carry_unknowns, strict=True) if not u]
    xs = [x for x, u in zip(xs, split.x_unknowns, strict=True) if not u]
    hoisted = eval_jaxpr(split.hoisted.jaxpr, split.hoisted.consts, *consts)
    # residuals that do not depend on the loop come first, then what the loop needs
    invariant, loop_consts = hoisted[:split.num_invariant], hoisted[split.num_invariant:]
    outs: list[Any] = []
    if split.loop.out_avals or split.loop.effects:
        outs = bind_scan(params, split.loop, loop_consts, init, xs)
    count = len(split.out_unknowns) - sum(split.out_unknowns)
    computed = iter(outs[count:])
    per_step = [next(computed) if f is None else xs[f] for f in split.forwarded]
    return outs[:count], invariant, per_step


# ---- transposition -----------------------------------------------------------------------------

def _transpose(cotangents: Any, *operands: Any, **params: Any) -> list[Any]:
    linear = [type(x) is UndefinedPrimal for x in operands]
    num_consts, num_carry = params["num_consts"], params["num_carry"]
    if not all(linear[num_consts:num_consts + num_carry]):
        return _transpose_mixed(cotangents, operands, linear, params)
    const_lin, _, x_lin = split_at(linear, num_consts, num_carry)
    ct_carry, ct_ys = cotangents[:num_carry], cotangents[num_carry:]
    given = tuple(type(c) is not Zero for c in ct_ys)
    body = _transposed_body(params["jaxpr"], tuple(linear), num_consts, num_carry, given)
    consts, init, xs = split_at(operands, num_consts, num_carry)
    res_consts, lin_consts = split_by(const_lin, consts)
    res_xs, lin_xs = split_by(x_lin, xs)
    nones = [None] * len(operands)
    num_res_consts, num_res_xs = len(res_consts), len(res_xs)
    body, res_consts, res_xs = _without_unused(body, res_consts, res_xs)
    accumulators = [zeros(tangent_aval(c.aval)) for c in lin_consts]
    outs = bind_scan({**params, "reverse": not params["reverse"]}, body, res_consts,
                     [*accumulators, *map(instantiate, ct_carry)],
                     [*(c for c in ct_ys if type(c) is not Zero), *res_xs])
    ct_consts, ct_init, ct_xs = split_at(outs, len(lin_consts), num_carry)
    return [*merge_by(const_lin, nones[:num_res_consts], ct_consts), *ct_init,
            *merge_by(x_lin, nones[:num_res_xs], ct_xs)]


def _without_unused(body: ClosedJaxpr, res_consts: Sequence[Any], res_xs: Sequence[Any],
                    ) -> tuple[ClosedJaxpr, list[Any], list[Any]]:
    """A transposed body without the residuals that it does not read."""
    used = used_inputs(body, [True] * len(body.out_avals))
    count = len(used) - len(res_xs)
    used_consts, used_xs = used[:len(res_consts)], used[count:]
    body = pruned(body, [True] * len(body.out_avals),
                  [*used_consts, *[True] * (count - len(res_consts)), *used_xs])
    return body, split_by(used_consts, res_consts)[1], split_by(used_xs, res_xs)[1]


def _transpose_mixed(cotangents: Any, operands: Sequence[Any], linear: Sequence[bool],
                     params: Params) -> list[Any]:
    """Transpose a scan with carries that are not linear (a counter): run their part first."""
    num_consts, num_carry = params["num_consts"], params["num_carry"]
    split = _split_body(params["jaxpr"], tuple(linear), num_consts, num_carry)
    known = [None if lin else x for lin, x in zip(linear, operands, strict=True)]
    _, invariant, per_step = _run_known(split, known, params)
    consts, init, xs = split_at(operands, num_consts, num_carry)
    new = [*invariant, *(c for c in consts if type(c) is UndefinedPrimal),
           *(c if type(c) is UndefinedPrimal else UndefinedPrimal(aval_of(c))
             for c, u in zip(init, split.carry_unknowns, strict=True) if u),
           *per_step, *(x for x in xs if type(x) is UndefinedPrimal)]
    _, staged_cts = split_by(split.out_unknowns, cotangents)
    num_lin_consts, num_lin_carry = sum(split.const_unknowns), sum(split.carry_unknowns)
    found = _transpose(staged_cts, *new, **scan_params(
        params, split.staged, len(invariant) + num_lin_consts, num_lin_carry,
        len(per_step) + sum(split.x_unknowns)))
    _, ct_consts, ct_carry, _, ct_xs = split_at(found, len(invariant), num_lin_consts,
                                                num_lin_carry, len(per_step))
    flags = [*split.const_unknowns, *split.carry_unknowns, *split.x_unknowns]
    merged = merge_by(flags, [None] * (len(flags) - sum(flags)), ct_consts + ct_carry + ct_xs)
    return [ct if lin else None for ct, lin in zip(merged, linear, strict=True)]


@memoize_on_jaxpr
def _transposed_body(jaxpr: ClosedJaxpr, linear: tuple[bool, ...], num_consts: int, num_carry: int,
                     given: tuple[bool, ...]) -> ClosedJaxpr:
    """(residual consts, const cotangents so far, carry cotangents, y cotangents, residual xs)
    → (const cotangents, carry cotangents, x cotangents)."""
    const_avals, carry_avals, x_avals = split_at(jaxpr.in_avals, num_consts, num_carry)
    const_lin, _, x_lin = split_at(linear, num_consts, num_carry)
    res_const_avals, lin_const_avals = split_by(const_lin, const_avals)
    res_x_avals, lin_x_avals = split_by(x_lin, x_avals)
    y_avals = [tangent_aval(a) for a in jaxpr.out_avals[num_carry:]]

    def fun(*args: Any) -> list[Any]:
        res_consts, so_far, ct_carry, rest = split_at(
            args, len(res_const_avals), len(lin_const_avals), num_carry)
        ct_given, res_xs = split_at(rest, sum(given))
        cts = iter(ct_given)
        ct_ys = [next(cts) if g else Zero(a) for g, a in zip(given, y_avals, strict=True)]
        operands = [*merge_by(const_lin, res_consts, map(UndefinedPrimal, lin_const_avals)),
                    *map(UndefinedPrimal, carry_avals),
                    *merge_by(x_lin, res_xs, map(UndefinedPrimal, lin_x_avals))]
        found = backward_pass(jaxpr.jaxpr, jaxpr.consts, operands, [*ct_carry, *ct_ys])
        ct_consts, ct_init, ct_xs = split_at(found, num_consts, num_carry)
        total = [add_tangents(a, b)
                 for a, b in zip(so_far, split_by(const_lin, ct_consts)[1], strict=True)]
        return [*total, *map(instantiate, ct_init),
                *map(instantiate, split_by(x_lin, ct_xs)[1])]

    avals = [*res_const_avals, *map(tangent_aval, lin_const_avals), *map(tangent_aval, carry_avals),
             *(a for a, g in zip(y_avals, given, strict=True) if g), *res_x_avals]
    return trace_to_jaxpr(fun, avals)


# ---- batching, dead code -----------------------------------------------------------------------

def _batch(axis: Any, operands: Any, dims: Any, **params: Any) -> Any:
    num_consts, num_carry, jaxpr = params["num_consts"], params["num_carry"], params["jaxpr"]
    num_ys = len(jaxpr.out_avals) - num_carry
    const_b, carry_b, x_b = split_at([d is not None for d in dims], num_consts, num_carry)
    while True:
        body, out_b = batch_jaxpr(jaxpr, axis, [*const_b, *carry_b, *x_b],
                                  [*carry_b, *[False] * num_ys])
        if out_b[:num_carry] == carry_b:
            break
        carry_b = [a or b for a, b in zip(carry_b, out_b[:num_carry], strict=True)]
    consts, init, xs = split_at(list(zip(operands, dims, strict=True)), num_consts, num_carry)
    consts = [x if d is None else move_axis(x, d, 0) for x, d in consts]
    init = [batch_at(x, d, 0, axis.size) if b else x
            for (x, d), b in zip(init, carry_b, strict=True)]
    xs = [x if d is None else move_axis(x, d, 1) for x, d in xs]
    outs = bind_scan(params, body, consts, init, xs)
    out_dims = [0 if b else None for b in carry_b] + [1 if b else None for b in out_b[num_carry:]]
    return outs, out_dims


def _dce(used_outputs: Sequence[bool], eqn: Eqn) -> tuple[list[bool], Eqn | None]:
    params = eqn.params
    num_consts, num_carry = params["num_consts"], params["num_carry"]
    used_carry, used_ys = list(used_outputs[:num_carry]), list(used_outputs[num_carry:])
    while True:
        used = used_inputs(params["jaxpr"], [*used_carry, *used_ys])
        needed = [a or b for a, b in zip(used_carry, used[num_consts:num_consts + num_carry],
                                         strict=True)]
        if needed == used_carry:
            break
        used_carry = needed
    used_consts, _, used_xs = split_at(used, num_consts, num_carry)
    kept_in, kept_out = [*used_consts, *used_carry, *used_xs], [*used_carry, *used_ys]
    if not any(kept_out) and not params["jaxpr"].effects:
        return [False] * len(eqn.invars), None
    body = pruned(params["jaxpr"], kept_out, kept_in)
    invars = [v for v, kept in zip(eqn.invars, kept_in, strict=True) if kept]
    outvars = [v for v, kept in zip(eqn.outvars, kept_out, strict=True) if kept]
    new = scan_params(params, body, sum(used_consts), sum(used_carry), sum(used_xs))
    return kept_in, eqn.replace(invars=invars, outvars=outvars, params=new, effects=body.effects)


def _stablehlo(b: Any, *operands: Any, reverse: bool, length: int, jaxpr: ClosedJaxpr,
               num_consts: int, num_carry: int, unroll: int, **_: Any) -> list[Any]:
    """A `while` that carries the step, all operands and the results, written row by row.

    A turn makes `unroll` steps; what is left of `length` follows the loop.
    """
    count = len(operands)
    consts, xs = slice(0, num_consts), slice(num_consts + num_carry, count)
    turns = length // unroll
    body = b.inline if unroll == 1 else functools.partial(b.call, "scan_body")

    def step(i: Any, state: list[Any]) -> list[Any]:
        position = sub_p.bind(b.constant(length - 1, np.int32), i) if reverse else i
        rows = [dynamic_index_in_dim(x, position, 0, False, allow_negative_indices=False)
                for x in state[xs]]
        carry = state[num_consts:num_consts + num_carry]
        outs = body(jaxpr, [*state[consts], *carry, *rows])
        ys = [dynamic_update_index_in_dim(y, row, position, 0, allow_negative_indices=False)
              for y, row in zip(state[count:], outs[num_carry:], strict=True)]
        return [*state[consts], *outs[:num_carry], *state[xs], *ys]

    def turn(i: Any, *state: Any) -> list[Any]:
        values = list(state)
        for _ in range(unroll):
            values, i = step(i, values), add_p.bind(i, b.constant(1, np.int32))
        return [i, *values]
    state = [*operands, *(b.zeros(aval) for aval in b.outs[num_carry:])]
    if turns:
        _, *state = b.while_loop(lambda i, *_: b.compare("LT", i, np.int32(turns * unroll)), turn,
                                 b.constant(0, np.int32), *state)
    for i in range(turns * unroll, length):
        state = step(b.constant(i, np.int32), state)
    return [*state[num_consts:num_consts + num_carry], *state[count:]]


def _sum_inside(eqn: Eqn, number: int, total: Any, is_zero: Any) -> Eqn | None:
    """total + scan(…) = scan(…) with a carry that starts from the total, if it starts from zero and
    each step only adds to it."""
    params = eqn.params
    place = params["num_consts"] + number
    if number >= params["num_carry"] or not is_zero(eqn.invars[place]) \
            or not _only_added_to(params["jaxpr"].jaxpr, place, number):
        return None
    invars = list(eqn.invars)
    invars[place] = total
    return eqn.replace(invars=invars)


def _only_added_to(body: Jaxpr, place: int, number: int) -> bool:
    """Whether input `place` is used by a chain of sums alone that ends as result `number`."""
    uses = Counter(a for eqn in body.eqns for a in eqn.invars if type(a) is Var)
    uses.update(a for a in body.outvars if type(a) is Var)
    value = body.invars[place]
    for eqn in body.eqns:
        if value in eqn.invars and eqn.primitive is add_any_p and uses[value] == 1:
            value = eqn.outvars[0]
    return body.outvars[number] is value and uses[value] == 1


def _origin(eqn: Eqn, number: int) -> int | None:
    """A carry that each step updates in part."""
    place = eqn.params["num_consts"] + number
    kept = number < eqn.params["num_carry"] and origins(eqn.params["jaxpr"])[number] == place
    return place if kept else None


def _bind_guarded(flag: Any, numbers: list[int], operands: Sequence[Any], params: Params,
                  ) -> list[Any]:
    consts, init, xs = split_at(operands, params["num_consts"], params["num_carry"])
    return bind_scan(params, guarded(params["jaxpr"], tuple(numbers)), [flag, *consts], init, xs)


def _inside(eqn: Any, number: int) -> tuple[Any, Any]:
    """What a result is made of in the body."""
    body = eqn.params["jaxpr"].jaxpr
    return body.outvars[number], body


scan_p = Primitive(
    "scan", multiple_results=True, type_rule=_type_rule, evaluate=_evaluate, execute=_execute,
    jvp=_jvp, transpose=_transpose, batch=_batch, partial_eval=_partial_eval, dce=_dce,
    effects=lambda jaxpr, **_: jaxpr.effects, named_axes=lambda jaxpr, **_: axes_in(jaxpr),
    hidden={"linear": ALWAYS, "_split_transpose": False}, lower=Form(),
    check=check_scan, inside=_inside,
    stablehlo=_stablehlo, part=SumInside(_sum_inside),
    guard=Guard(_origin, _bind_guarded))
