"""`cond`: one of several branches, by an index.

    cond(index, *operands) = branches[clamp(index)](*operands)

All branches take the same operands and return the same types.
"""
from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from arrax.control.jaxprs import (filler, forwarded_inputs, merge_by, pruned, same_type,
                                  split_by, used_inputs)
from arrax.control.running import run_eagerly, wrapped
from arrax.core.ad_values import UndefinedPrimal, Zero, tangent_aval
from arrax.core.array import array_of
from arrax.core.aval import aval_of
from arrax.core.caching import memoize_on_jaxpr
from arrax.core.effects import no_effects
from arrax.core.jaxpr import ClosedJaxpr, Eqn, Jaxpr, Var, eval_jaxpr, jaxpr_as_fun
from arrax.core.primitive import Primitive
from arrax.core.trace import use
from arrax.core.checker import check_cond
from arrax.core.lowering import Form, SumInside
from arrax.ops.callback import io_effect
from arrax.ops.p import add_any_p, eq_p, ne_p, select_n_p, stop_gradient_p
from arrax.ops.rules import batch_at, broadcast_in_dim, move_axis
from arrax.transforms.batching import axes_in, batch_jaxpr
from arrax.transforms.guarding import Guard, common_origins, guarded
from arrax.transforms.jvp import jvp_jaxpr
from arrax.transforms.partial_eval import partial_eval_jaxpr
from arrax.transforms.staging import trace_to_jaxpr
from arrax.transforms.transpose import transpose_jaxpr_instantiated

Branches = tuple[ClosedJaxpr, ...]


def _type_rule(index: Any, *avals: Any, branches: Branches, **_: Any) -> list[Any]:
    if index.shape or index.dtype != np.int32:
        raise TypeError(f"cond: the index must be an int32 scalar, got {index.str_short()}")
    outs = branches[0].out_avals
    weak = [all(branch.out_avals[i].weak_type for branch in branches) for i in range(len(outs))]
    return [a.update(weak_type=w) for a, w in zip(outs, weak, strict=True)]


def _chosen(index: Any, branches: Branches) -> ClosedJaxpr:
    return branches[min(max(int(index), 0), len(branches) - 1)]


def _evaluate(index: Any, *data: Any, branches: Branches, **_: Any) -> list[np.ndarray]:
    branch = _chosen(index, branches)
    return [o.data for o in run_eagerly(branch, wrapped(data, branch.in_avals))]


def _execute(index: Any, *args: Any, branches: Branches, **params: Any) -> list[Any]:
    branch = _chosen(array_of(index), branches)
    outs = run_eagerly(branch, args)
    avals = _type_rule(aval_of(array_of(index)), branches=branches)
    return [o if o.aval is aval else wrapped([o.data], [aval])[0]
            for o, aval in zip(outs, avals, strict=True)]


def bind_cond(index: Any, operands: Sequence[Any], branches: Sequence[ClosedJaxpr], **params: Any,
              ) -> list[Any]:
    """Bind; `params` are those that are independent of the branches' types."""
    return cond_p.bind(
        index, *operands, branches=tuple(branches), **params)


# ---- forward mode ------------------------------------------------------------------------------

def _jvp(primals: Any, tangents: Any, *, branches: Branches, **params: Any) -> Any:
    nonzeros = [type(t) is not Zero for t in tangents[1:]]
    new, out_nonzeros = _unified(branches, lambda b, force: jvp_jaxpr(b, nonzeros, force))
    given = [t for t in tangents[1:] if type(t) is not Zero]
    outs = bind_cond(primals[0], [*primals[1:], *given], new, **params)
    count = len(branches[0].out_avals)
    dots = iter(outs[count:])
    return outs[:count], [next(dots) if nz else Zero(tangent_aval(aval_of(o)))
                          for o, nz in zip(outs[:count], out_nonzeros, strict=True)]


def _unified(branches: Branches, transform: Any) -> tuple[list[ClosedJaxpr], list[bool]]:
    """Transform each branch such that all have the union of the outputs that one needs to have."""
    flags = [transform(branch, False)[1] for branch in branches]
    union = [any(f) for f in zip(*flags, strict=True)]
    return [transform(branch, union)[0] for branch in branches], union


# ---- partial evaluation ------------------------------------------------------------------------

def _partial_eval(trace: Any, args: Sequence[Any], params: dict[str, Any]) -> list[Any]:
    index, operands, branches = args[0], args[1:], params["branches"]
    if trace.owns(index):
        return trace.record(cond_p, args, params)
    unknowns = tuple(trace.owns(a) for a in operands)
    known_branches, staged_branches, out_unknowns, forwarded = _split_branches(
        branches[0], branches, unknowns)
    known, unknown = split_by(unknowns, operands)
    with use(trace.parent):
        known_outs = bind_cond(index, known, **{**params, "branches": known_branches}) \
            if known_branches[0].out_avals or _effects(known_branches) else []
    count = len(out_unknowns) - sum(out_unknowns)
    residuals = [*known_outs[count:], *(known[i] for i in forwarded)]
    staged_outs = trace.record(cond_p, [index, *residuals, *unknown],
                               {**params, "branches": tuple(staged_branches)}) \
        if any(out_unknowns) or _effects(staged_branches) else []
    return merge_by(out_unknowns, known_outs[:count], staged_outs)


@memoize_on_jaxpr
def _split_branches(_: ClosedJaxpr, branches: Branches, unknowns: tuple[bool, ...]) -> Any:
    """Known branches (known operands → known outputs, residual slots) and staged branches
    (residual slots, forwarded known operands, unknown operands → unknown outputs).

    Branches have different residuals: a slot serves one residual of each branch, all of one aval;
    a residual that is a known operand is no slot but forwarded.
    """
    flags = [partial_eval_jaxpr(branch, unknowns)[2] for branch in branches]
    out_unknowns = [any(f) for f in zip(*flags, strict=True)]
    parts = [partial_eval_jaxpr(branch, unknowns, out_unknowns) for branch in branches]
    num_known_outs = len(out_unknowns) - sum(out_unknowns)
    sources = [forwarded_inputs(part[0])[num_known_outs:] for part in parts]
    forwarded = sorted({s for source in sources for s in source if s is not None})
    slots: list[Any] = []
    places: list[list[int]] = []
    for part, source in zip(parts, sources, strict=True):
        places.append(_place(slots, forwarded, part[3], source))
    known_branches = [_with_slots(part[0], num_known_outs, place, slots)
                      for part, place in zip(parts, places, strict=True)]
    known_avals = split_by(unknowns, branches[0].in_avals)[0]
    extra = slots + [known_avals[i] for i in forwarded]
    staged_branches = [_from_slots(part[1], place, len(slots), extra)
                       for part, place in zip(parts, places, strict=True)]
    return known_branches, staged_branches, out_unknowns, forwarded


def _place(slots: list[Any], forwarded: Sequence[int], residuals: Sequence[Any],
           sources: Sequence[int | None]) -> list[int]:
    """The slot of each residual of a branch (forwarded operands are counted from -1 downwards);
    adds slots where needed."""
    taken: set[int] = set()
    place = []
    for aval, source in zip(residuals, sources, strict=True):
        if source is not None:
            place.append(-1 - forwarded.index(source))
            continue
        found = next((i for i, slot in enumerate(slots)
                      if i not in taken and same_type(slot, aval)), None)
        if found is None:
            found = len(slots)
            slots.append(aval)
        taken.add(found)
        place.append(found)
    return place


def _with_slots(known: ClosedJaxpr, num_outs: int, place: Sequence[int], slots: Sequence[Any],
                ) -> ClosedJaxpr:
    def fun(*args: Any) -> list[Any]:
        outs = eval_jaxpr(known.jaxpr, known.consts, *args)
        filled = dict(zip(place, outs[num_outs:], strict=True))
        return [*outs[:num_outs],
                *(filled[i] if i in filled else filler(aval) for i, aval in enumerate(slots))]
    return trace_to_jaxpr(fun, known.in_avals)


def _from_slots(staged: ClosedJaxpr, place: Sequence[int], num_slots: int, extra: Sequence[Any],
                ) -> ClosedJaxpr:
    """`staged` over all slots and forwarded operands (`extra`) instead of its own residuals."""
    def fun(*args: Any) -> list[Any]:
        residuals = [args[p] if p >= 0 else args[num_slots - 1 - p] for p in place]
        return eval_jaxpr(staged.jaxpr, staged.consts, *residuals, *args[len(extra):])
    return trace_to_jaxpr(fun, [*extra, *staged.in_avals[len(place):]])


# ---- transposition -----------------------------------------------------------------------------

def _transpose(cotangents: Any, index: Any, *operands: Any, branches: Branches, **params: Any,
               ) -> list[Any]:
    linear = [type(x) is UndefinedPrimal for x in operands]
    given = [type(c) is not Zero for c in cotangents]
    new = [transpose_jaxpr_instantiated(branch, linear, given) for branch in branches]
    plain = split_by(linear, operands)[0]
    given_cotangents = [c for c in cotangents if type(c) is not Zero]
    outs = bind_cond(index, [*plain, *given_cotangents], new, **params)
    return [None, *merge_by(linear, [None] * len(plain), outs)]


# ---- batching, dead code -----------------------------------------------------------------------

def _batch(axis: Any, operands: Any, dims: Any, *, branches: Branches, **params: Any) -> Any:
    if dims[0] is not None:
        return _batch_as_select(axis, operands, dims, branches)
    batched = [d is not None for d in dims[1:]]
    new, out_batched = _unified(branches, lambda b, force: batch_jaxpr(b, axis, batched, force))
    moved = [x if d is None else move_axis(x, d, 0)
             for x, d in zip(operands[1:], dims[1:], strict=True)]
    outs = bind_cond(operands[0], moved, new, **params)
    return outs, [0 if b else None for b in out_batched]


def _batch_as_select(axis: Any, operands: Any, dims: Any, branches: Branches) -> Any:
    """Run every branch on the whole batch and select: the index differs within the batch.

    A branch sees other elements' operands without tangents, so that its derivative where it was
    not chosen (infinite, maybe) meets a zero that is symbolic. Operands that the branches update
    in part go through one after the other, which leave other elements as they are.
    """
    ordered = [effect for effect in _effects(branches) if effect.ordered or effect == io_effect]
    if ordered:
        raise NotImplementedError(
            "IO effect not supported in vmap-of-cond. The branches have effects "
            f"{sorted(map(str, ordered))} and the predicate is batched.")
    index, *rest = (batch_at(x, d, 0, axis.size) for x, d in zip(operands, dims, strict=True))
    updated = _updated_operands(branches)
    outs: list[list[Any]] = []
    for i, branch in enumerate(branches):
        chosen = eq_p.bind(index, np.int32(i))
        inputs = [x if j in updated.values() else _select(chosen, _stopped(x), x)
                  for j, x in enumerate(rest)]
        new, _ = batch_jaxpr(guarded(branch, tuple(updated)), axis, [True] * (1 + len(rest)), True)
        outs.append(jaxpr_as_fun(new)(chosen, *inputs))
        for number, j in updated.items():
            rest[j] = outs[-1][number]
    return [alternatives[-1] if number in updated else _select(index, *alternatives)
            for number, alternatives in enumerate(zip(*outs, strict=True))], \
        [0] * len(branches[0].out_avals)


def _updated_operands(branches: Branches) -> dict[int, int]:
    """Results that are an operand, but for updates, in every branch, and that operand. Each branch
    takes what the one before left, which is what it was where that one was not chosen."""
    found: dict[int, int] = {}
    for number, j in enumerate(common_origins(branches)):
        if j is not None and j not in found.values():
            found[number] = j
    return found


def _stopped(x: Any) -> Any:
    return stop_gradient_p.bind(x)


def _select(which: Any, *cases: Any) -> Any:
    """`select_n` with a batch of scalars that choose among batches of arrays."""
    aval = aval_of(cases[0])
    if len({id(c) for c in cases}) == 1:
        return cases[0]
    if len(cases) == 2 and aval_of(which).dtype != np.bool_:
        which = ne_p.bind(which, np.int32(0))
    if aval.ndim > 1:
        which = broadcast_in_dim(which, aval.shape, (0,))
    return select_n_p.bind(which, *cases)


def _dce(used_outputs: Sequence[bool], eqn: Eqn) -> tuple[list[bool], Eqn | None]:
    branches = eqn.params["branches"]
    if not any(used_outputs) and not _effects(branches):
        return [False] * len(eqn.invars), None
    needs = [used_inputs(branch, used_outputs) for branch in branches]
    used = [any(n) for n in zip(*needs, strict=True)]
    new = tuple(pruned(branch, used_outputs, used) for branch in branches)
    kept = [True, *used]
    invars = [v for v, k in zip(eqn.invars, kept, strict=True) if k]
    outvars = [v for v, k in zip(eqn.outvars, used_outputs, strict=True) if k]
    return kept, eqn.replace(invars=invars, outvars=outvars, effects=_effects(new),
                             params={**eqn.params, "branches": new})


def _effects(branches: Sequence[ClosedJaxpr]) -> Any:
    return no_effects.union(*(branch.effects for branch in branches))


def position_of(platforms: Sequence[tuple[str, ...] | None], platform: str) -> int:
    """Which branch is meant for `platform`; None is meant for any that is not named."""
    for i, names in enumerate(platforms):
        if names is not None and platform in names:
            return i
    if None in platforms:
        return platforms.index(None)
    raise NotImplementedError(f"platform_dependent has no branch for platform {platform!r} and no "
                              f"default; its branches are for {platforms}")


def _stablehlo(b: Any, index: Any, *operands: Any, branches: Branches,
               branches_platforms: Any = None) -> Any:
    if branches_platforms is not None:  # other branches need not have a form for this platform
        return b.inline(branches[position_of(branches_platforms, b.platform)], operands)
    return b.case(index, [lambda branch=branch: b.inline(branch, operands) for branch in branches],
                  b.outs)


def _sum_inside(eqn: Eqn, number: int, total: Any, is_zero: Any) -> Eqn:
    """total + cond(…) = cond(…, total), whose branches add it."""
    branches = tuple(_adding(branch, number, total.aval) for branch in eqn.params["branches"])
    return eqn.replace(invars=[*eqn.invars, total], params={**eqn.params, "branches": branches})


def _adding(branch: ClosedJaxpr, number: int, aval: Any) -> ClosedJaxpr:
    """A branch with one more operand, which it adds to result `number`."""
    jaxpr = branch.jaxpr
    total, out = Var(aval), Var(aval)
    outvars = list(jaxpr.outvars)
    add = Eqn(add_any_p, [total, outvars[number]], [out], {})
    outvars[number] = out
    return ClosedJaxpr(Jaxpr(jaxpr.constvars, [*jaxpr.invars, total], outvars, [*jaxpr.eqns, add],
                             jaxpr.effects, jaxpr.debug_info), branch.consts)


def _origin(eqn: Eqn, number: int) -> int | None:
    """An operand that all branches update in part, or leave."""
    place = common_origins(eqn.params["branches"])[number]
    return None if place is None else 1 + place


def _bind_guarded(flag: Any, numbers: list[int], operands: Sequence[Any], params: dict[str, Any],
                  ) -> list[Any]:
    branches = tuple(guarded(branch, tuple(numbers)) for branch in params["branches"])
    return bind_cond(operands[0], [flag, *operands[1:]], **{**params, "branches": branches})


cond_p = Primitive(
    "cond", multiple_results=True, type_rule=_type_rule, evaluate=_evaluate, execute=_execute,
    jvp=_jvp, transpose=_transpose, batch=_batch, partial_eval=_partial_eval, dce=_dce,
    effects=lambda branches, **_: _effects(branches),
    named_axes=lambda branches, **_: axes_in(*branches), lower=Form(), check=check_cond,
    stablehlo=_stablehlo,
    part=SumInside(_sum_inside), guard=Guard(_origin, _bind_guarded))
