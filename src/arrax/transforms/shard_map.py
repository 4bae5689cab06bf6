"""`shard_map` as a primitive: a function of the parts that devices hold, applied to whole arrays.

An equation carries the jaxpr of the function of parts, and a spec per operand and result that says
which mesh axes split which of its dimensions. All CPU devices share memory and one thread pool, so
what the equation stands for is one batched program (`expanded`): each operand is reshaped to have
an axis for each mesh axis that splits it, the jaxpr is batched over the mesh axes, outermost first,
and collectives are operations along the batch axes. No part is ever copied on its own.

Invariants. The jaxpr has no consts: what the function closes over are leading operands, not split.
Under `check_vma` the types of its variables say over which mesh axes values vary
(`ShapedArray.vma`, `ops/varying.py`); results of a `shard_map` that are not split over an axis do
not vary over it, and derivatives rely on that. `expanded` erases these types first. Rules that
trace the jaxpr again do it with the mesh axes in scope (`_in_scope`).
"""
from __future__ import annotations

import contextlib
import math
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

from arrax.core.ad_values import UndefinedPrimal, Zero, tangent_aval
from arrax.core.array import array_of, placed_array
from arrax.core.aval import INVARIANT, aval_of
from arrax.core.axis_env import Axis, bind_axes
from arrax.core.caching import memoize_on_jaxpr
from arrax.core.mesh import AbstractMesh, AxisType, Mesh, enter_mesh
from arrax.core.shardings import NamedSharding, PartitionSpec, placement_of, spec_names
from arrax.core.dtypes import float0
from arrax.core.jaxpr import ClosedJaxpr, Eqn, Jaxpr, Literal, eval_jaxpr
from arrax.core.lowering import Inline
from arrax.core.primitive import BY_EXECUTION, BY_TYPES, Primitive
from arrax.core.trace import use
from arrax.ops.collective import psum_p
from arrax.ops.p import div_p, reshape_p, slice_p, transpose_p
from arrax.ops.rules import constant, move_axis
from arrax.transforms.batching import axes_in, batch_flat, batch_jaxpr, to_dim
from arrax.transforms.jvp import jvp_jaxpr
from arrax.transforms.partial_eval import dce_closed, partial_eval_jaxpr
from arrax.transforms.staging import trace_to_jaxpr
from arrax.transforms.traced_programs import compiled
from arrax.transforms.transpose import transpose_jaxpr

Specs = Sequence[Any]

# ---- mesh axes and shapes ------------------------------------------------------------------------


def manual_axes(mesh: Any, newly_manual_axes: Any) -> tuple[Any, ...]:
    """The axes that a `shard_map` splits over, in the order of the mesh."""
    return tuple(name for name in mesh.axis_names if name in newly_manual_axes)


def manual_mesh(mesh: Any, names: Any) -> AbstractMesh:
    """The mesh as the function of parts sees it."""
    types = [AxisType.Manual if name in names else kind
             for name, kind in zip(mesh.axis_names, mesh.axis_types, strict=True)]
    return AbstractMesh(tuple(mesh.axis_sizes), mesh.axis_names, tuple(types))


@contextlib.contextmanager
def in_scope(mesh: Any, names: Any, check_vma: bool) -> Iterator[None]:
    """Inside, the mesh axes `names` are those of a `shard_map`."""
    sizes = mesh.shape
    axes = [Axis(name, sizes[name], check_vma) for name in manual_axes(mesh, names)]
    with bind_axes(*axes), enter_mesh(manual_mesh(mesh, names)):
        yield


def _in_scope(params: dict[str, Any]) -> contextlib.AbstractContextManager[None]:
    return in_scope(params["mesh"], params["newly_manual_axes"], params["check_vma"])


def part_aval(aval: Any, spec: Any, mesh: Any, vma: bool) -> Any:
    """The type of a part of a value of type `aval`."""
    sizes, names = mesh.shape, spec_names(spec, aval.ndim)
    shape = tuple(d // math.prod(sizes[n] for n in axes)
                  for d, axes in zip(aval.shape, names, strict=True))
    varies = frozenset(n for axes in names for n in axes) if vma else INVARIANT
    return aval.update(shape=shape, vma=aval.vma | varies)


def whole_aval(aval: Any, spec: Any, mesh: Any, manual: Any) -> Any:
    """The type of the value whose parts have type `aval`."""
    sizes = mesh.shape
    shape = tuple(d * math.prod(sizes[n] for n in axes)
                  for d, axes in zip(aval.shape, spec_names(spec, aval.ndim), strict=True))
    return aval.update(shape=shape, vma=aval.vma - manual)


# ---- the batched program -------------------------------------------------------------------------

def _reshape(x: Any, shape: Sequence[int]) -> Any:
    return reshape_p.bind(x, new_sizes=tuple(shape), dimensions=None, sharding=None)


def _split(x: Any, names: Sequence[tuple[Any, ...]], sizes: dict[Any, int],
           ) -> tuple[Any, list[Any]]:
    """`x` with an axis for each mesh axis that splits it, before the dimension that it splits; and
    which mesh axis each of its axes is (None: a dimension of the part)."""
    shape: list[int] = []
    kinds: list[Any] = []
    for size, axes in zip(aval_of(x).shape, names, strict=True):
        shape += [*(sizes[n] for n in axes), size // math.prod(sizes[n] for n in axes)]
        kinds += [*axes, None]
    return (x if len(kinds) == len(names) else _reshape(x, shape)), kinds


def _joined(x: Any, names: Sequence[tuple[Any, ...]], order: Sequence[Any]) -> Any:
    """The inverse of `_split`, for `x` whose first axes are the mesh axes `order`."""
    if not order:
        return x
    permutation: list[int] = []
    for dim, axes in enumerate(names):
        permutation += [*(order.index(n) for n in axes), len(order) + dim]
    if permutation != sorted(permutation):
        x = transpose_p.bind(x, permutation=tuple(permutation))
    shape = aval_of(x).shape
    sizes, at = [], 0
    for axes in names:
        sizes.append(math.prod(shape[at:at + len(axes) + 1]))
        at += len(axes) + 1
    return _reshape(x, sizes)


def _first(x: Any, dim: int) -> Any:
    """What the first device along a batch axis holds."""
    moved = move_axis(x, dim, 0)
    shape = aval_of(moved).shape
    return _reshape(slice_p.bind(moved, start_indices=(0,) * len(shape),
                                 limit_indices=(1, *shape[1:]), strides=None), shape[1:])


@memoize_on_jaxpr
def _expanded(closed: ClosedJaxpr, axes: tuple[Axis, ...], in_specs: tuple[Any, ...],
              out_specs: tuple[Any, ...], in_avals: tuple[Any, ...]) -> ClosedJaxpr:
    plain = without_vma(closed)
    sizes = {axis.name: axis.size for axis in axes}
    out_names = [spec_names(spec, aval.ndim)
                 for spec, aval in zip(out_specs, plain.out_avals, strict=True)]
    out_used = [{n for part in names for n in part} for names in out_names]

    def over(remaining: tuple[Axis, ...], parts: Sequence[Any], kinds: Sequence[list[Any]],
             ) -> list[Any]:
        if not remaining:
            return eval_jaxpr(plain.jaxpr, plain.consts, *parts)
        axis, rest = remaining[0], remaining[1:]
        dims = [k.index(axis.name) if axis.name in k else None for k in kinds]
        inner = [[n for n in k if n != axis.name] for k in kinds]
        outs, out_dims = batch_flat(lambda *xs: over(rest, xs, inner), axis, parts, dims)
        return [to_dim(o, d, 0, axis) if axis.name in used else o if d is None else _first(o, d)
                for o, d, used in zip(outs, out_dims, out_used, strict=True)]

    def program(*args: Any) -> list[Any]:
        split = [_split(x, spec_names(spec, aval_of(x).ndim), sizes)
                 for x, spec in zip(args, in_specs, strict=True)]
        outs = over(axes, [x for x, _ in split], [kinds for _, kinds in split])
        return [_joined(o, names, [a.name for a in axes if a.name in used])
                for o, names, used in zip(outs, out_names, out_used, strict=True)]
    return trace_to_jaxpr(program, in_avals, closed.jaxpr.debug_info)


def expanded(*, jaxpr: ClosedJaxpr, mesh: Any, in_specs: Specs, out_specs: Specs, check_vma: bool,
             newly_manual_axes: Any) -> ClosedJaxpr:
    """The batched program that a `shard_map` equation stands for."""
    sizes = mesh.shape
    axes = tuple(Axis(n, sizes[n], devices=True) for n in manual_axes(mesh, newly_manual_axes))
    avals = tuple(_erased(whole_aval(v.aval, spec, mesh, newly_manual_axes))
                  for v, spec in zip(jaxpr.jaxpr.invars, in_specs, strict=True))
    return _expanded(jaxpr, axes, tuple(in_specs), tuple(out_specs), avals)


# ---- types without mesh axes ---------------------------------------------------------------------

def _erased(aval: Any) -> Any:
    return aval.update(vma=INVARIANT) if getattr(aval, "vma", None) else aval


@memoize_on_jaxpr
def without_vma(closed: ClosedJaxpr) -> ClosedJaxpr:
    """The same program, whose types do not say how values vary."""
    return ClosedJaxpr(_without_vma(closed.jaxpr), closed.consts)


def _without_vma(jaxpr: Jaxpr) -> Jaxpr:
    known: dict[Any, Any] = {}

    def atom(old: Any) -> Any:
        if type(old) is Literal:
            return Literal(old.val, _erased(old.aval))
        if old not in known:
            known[old] = type(old)(_erased(old.aval))
        return known[old]

    def value(param: Any) -> Any:
        if isinstance(param, ClosedJaxpr):
            return without_vma(param)
        if isinstance(param, Jaxpr):
            return _without_vma(param)
        if type(param) in (tuple, list):
            return type(param)(value(item) for item in param)
        return _erased(param)
    eqns = [eqn.replace(invars=[atom(v) for v in eqn.invars],
                        outvars=[atom(v) for v in eqn.outvars],
                        params={k: value(v) for k, v in eqn.params.items()})
            for eqn in jaxpr.eqns]
    return Jaxpr([atom(v) for v in jaxpr.constvars], [atom(v) for v in jaxpr.invars],
                 [atom(v) for v in jaxpr.outvars], eqns, jaxpr.effects, jaxpr.debug_info)


# ---- rules ---------------------------------------------------------------------------------------

def _type_rule(*avals: Any, jaxpr: ClosedJaxpr, mesh: Any, out_specs: Specs,
               newly_manual_axes: Any, **_: Any) -> list[Any]:
    return [whole_aval(v.aval, spec, mesh, newly_manual_axes)
            for v, spec in zip(jaxpr.jaxpr.outvars, out_specs, strict=True)]


def _execute(*args: Any, **params: Any) -> list[Any]:
    outs = compiled(expanded(**params), "shard_map")([array_of(a) for a in args])
    mesh = params["mesh"]
    if not isinstance(mesh, Mesh):
        return outs  # type: ignore[no-any-return]
    return [placed_array(o.data, o.aval, placement_of(NamedSharding(mesh, PartitionSpec(*spec))))
            for o, spec in zip(outs, params["out_specs"], strict=True)]


def _jvp(primals: Any, tangents: Any, *, jaxpr: ClosedJaxpr, in_specs: Specs, out_specs: Specs,
         **params: Any) -> Any:
    nonzeros = [type(t) is not Zero for t in tangents]
    with _in_scope(params):
        new, out_nonzeros = jvp_jaxpr(jaxpr, nonzeros, False)
    given = [t for t in tangents if type(t) is not Zero]
    specs = (*in_specs, *(s for s, nz in zip(in_specs, nonzeros, strict=True) if nz))
    results = (*out_specs, *(s for s, nz in zip(out_specs, out_nonzeros, strict=True) if nz))
    outs = shard_map_p.bind(*primals, *given, jaxpr=new, in_specs=specs, out_specs=results,
                            **params)
    count = len(out_specs)
    rest = iter(outs[count:])
    return outs[:count], [next(rest) if nz else Zero(tangent_aval(aval_of(o)))
                          for nz, o in zip(out_nonzeros, outs[:count], strict=True)]


@memoize_on_jaxpr
def _batched_parts(closed: ClosedJaxpr, axis: Axis, batched: tuple[bool, ...],
                   varies: frozenset[Any]) -> Any:
    """The jaxpr over a part of a batch, which varies over the mesh axes that split the batch."""
    out_batched: list[bool] = []

    def program(*args: Any) -> list[Any]:
        outs, dims = batch_flat(lambda *xs: eval_jaxpr(closed.jaxpr, closed.consts, *xs), axis,
                                args, [0 if b else None for b in batched])
        out_batched.extend(d is not None for d in dims)
        return [to_dim(o, d, None if d is None else 0, axis)
                for o, d in zip(outs, dims, strict=True)]
    avals = [a.update(shape=(axis.size, *a.shape), vma=a.vma | varies) if b else a
             for a, b in zip(closed.in_avals, batched, strict=True)]
    return trace_to_jaxpr(program, avals, closed.jaxpr.debug_info), tuple(out_batched)


def _check_spmd_name(names: frozenset[Any], specs: Specs) -> None:
    taken = {n for spec in specs for part in spec_names(spec, len(spec)) for n in part}
    if names & taken:
        raise ValueError("vmap spmd_axis_name cannot appear in shard_map in_specs or out_specs, "
                         f"got {sorted(names & taken, key=str)} in {tuple(specs)}")


def _batch(axis: Any, operands: Any, dims: Any, *, jaxpr: ClosedJaxpr, in_specs: Specs,
           out_specs: Specs, **params: Any) -> Any:
    front = axis.spmd_name
    over = frozenset(spec_names((front,), 1)[0])
    if over:
        _check_spmd_name(over, (*in_specs, *out_specs))
    own = over & params["newly_manual_axes"]
    with _in_scope(params):
        if own:  # each device has a part of the batch
            sizes = params["mesh"].shape
            count = math.prod(sizes[n] for n in own)
            if axis.size % count:
                raise ValueError(f"shard_map: vmap over {axis.size} elements cannot be split over "
                                 f"spmd_axis_name={front!r}, {count} devices")
            part = replace(axis, size=axis.size // count)
            new, batched = _batched_parts(jaxpr, part, tuple(d is not None for d in dims),
                                          own if params["check_vma"] else INVARIANT)
        else:
            new, batched = batch_jaxpr(jaxpr, axis, [d is not None for d in dims])
    moved = [x if d is None else move_axis(x, d, 0) for x, d in zip(operands, dims, strict=True)]
    specs = tuple(s if d is None else PartitionSpec(front, *s)
                  for s, d in zip(in_specs, dims, strict=True))
    results = tuple(PartitionSpec(front, *s) if b else s
                    for s, b in zip(out_specs, batched, strict=True))
    outs = shard_map_p.bind(*moved, jaxpr=new, in_specs=specs, out_specs=results, **params)
    return outs, [0 if b else None for b in batched]


def _unmentioned(spec: Any, params: dict[str, Any]) -> tuple[Any, ...]:
    """The manual axes that a spec does not split over."""
    used = {n for part in spec_names(spec, len(spec)) for n in part}
    names = manual_axes(params["mesh"], params["newly_manual_axes"])
    return tuple(n for n in names if n not in used)


def _transpose(cotangents: Any, *operands: Any, jaxpr: ClosedJaxpr, in_specs: Specs,
               out_specs: Specs, **params: Any) -> list[Any]:
    """Without types, what a result that is not split would get from each device is shared among
    them, and what the devices give to an operand that is not split is added up."""
    linear = [type(x) is UndefinedPrimal for x in operands]
    given = [type(c) is not Zero for c in cotangents]
    checked, sizes = params["check_vma"], params["mesh"].shape
    with _in_scope(params):
        new, nonzeros = transpose_jaxpr(jaxpr, linear, given)
        kept = [s for s, lin in zip(in_specs, linear, strict=True) if lin]
        results = tuple(s for s, nz in zip(kept, nonzeros, strict=True) if nz)
        if not checked:
            new = _summed(new, tuple(_unmentioned(s, params) for s in results))
    values = [x for x, lin in zip(operands, linear, strict=True) if not lin]
    specs = [s for s, lin in zip(in_specs, linear, strict=True) if not lin]
    for cotangent, spec, nz in zip(cotangents, out_specs, given, strict=True):
        if nz:
            count = 1 if checked else math.prod(sizes[n] for n in _unmentioned(spec, params))
            shared = count > 1 and aval_of(cotangent).dtype != float0
            values.append(div_p.bind(cotangent, constant(count, cotangent)) if shared
                          else cotangent)
            specs.append(spec)
    outs = iter(shard_map_p.bind(*values, jaxpr=new, in_specs=tuple(specs), out_specs=results,
                                 **params))
    flags = iter(nonzeros)
    return [(next(outs) if next(flags) else Zero(tangent_aval(x.aval))) if lin else None
            for x, lin in zip(operands, linear, strict=True)]


@memoize_on_jaxpr
def _summed(closed: ClosedJaxpr, names: tuple[tuple[Any, ...], ...]) -> ClosedJaxpr:
    """The program with its results added up over mesh axes."""
    def program(*args: Any) -> list[Any]:
        outs = eval_jaxpr(closed.jaxpr, closed.consts, *args)
        return [psum_p.bind(o, axes=axes, axis_index_groups=None)
                if axes and aval_of(o).dtype != float0 else o
                for o, axes in zip(outs, names, strict=True)]
    return trace_to_jaxpr(program, closed.in_avals, closed.jaxpr.debug_info)


def _partial_eval(trace: Any, args: Sequence[Any], params: dict[str, Any]) -> list[Any]:
    """Residuals leave the known part split over all axes that they vary over; those that are its
    operands are taken from outside."""
    params = dict(params)
    jaxpr, in_specs, out_specs = (params.pop(k) for k in ("jaxpr", "in_specs", "out_specs"))
    unknowns = [trace.owns(a) for a in args]
    known_args = [a for a, u in zip(args, unknowns, strict=True) if not u]
    known_specs = [s for s, u in zip(in_specs, unknowns, strict=True) if not u]
    with _in_scope(params):
        known, staged, out_unknowns, residuals = partial_eval_jaxpr(jaxpr, unknowns)
        count = len(out_unknowns) - sum(out_unknowns)
        sources = _operand_numbers(known)[count:]
        known, staged = _residuals_as_rows(known, staged, count, len(residuals), tuple(sources))
    names = manual_axes(params["mesh"], params["newly_manual_axes"])
    made = [_residual_spec(aval, names, params["check_vma"])
            for aval, source in zip(residuals, sources, strict=True) if source is None]
    known_out = [s for s, u in zip(out_specs, out_unknowns, strict=True) if not u]
    known_outs: list[Any] = []
    if known.out_avals:
        with use(trace.parent):
            known_outs = shard_map_p.bind(
                *known_args, jaxpr=known, in_specs=tuple(known_specs),
                out_specs=(*known_out, *made), **params)
    computed, made_specs = iter(known_outs[count:]), iter(made)
    values = [next(computed) if source is None else known_args[source] for source in sources]
    specs = [next(made_specs) if source is None else known_specs[source] for source in sources]
    values += [a for a, u in zip(args, unknowns, strict=True) if u]
    specs += [s for s, u in zip(in_specs, unknowns, strict=True) if u]
    staged_outs = iter(trace.record(shard_map_p, values, {
        **params, "jaxpr": staged, "in_specs": tuple(specs),
        "out_specs": tuple(s for s, u in zip(out_specs, out_unknowns, strict=True) if u)})
        if staged.out_avals or staged.effects else [])
    known_iter = iter(known_outs[:count])
    return [next(staged_outs) if u else next(known_iter) for u in out_unknowns]


def _operand_numbers(closed: ClosedJaxpr) -> list[int | None]:
    """Which input each output is, None for what is computed."""
    numbers = {v: i for i, v in enumerate(closed.jaxpr.invars)}
    return [None if type(v) is Literal else numbers.get(v) for v in closed.jaxpr.outvars]


def _residual_spec(aval: Any, names: Sequence[Any], check_vma: bool) -> Any:
    varies = tuple(n for n in names if n in aval.vma) if check_vma else tuple(names)
    return PartitionSpec(varies) if varies else PartitionSpec()


@memoize_on_jaxpr
def _residuals_as_rows(known: ClosedJaxpr, staged: ClosedJaxpr, count: int, residuals: int,
                       sources: tuple[Any, ...]) -> tuple[ClosedJaxpr, ClosedJaxpr]:
    """Both parts with residuals that are scalars as rows of one element, so that they can be split;
    the known part without those that are its operands."""
    made = [source is None for source in sources]

    def known_program(*args: Any) -> list[Any]:
        outs = eval_jaxpr(known.jaxpr, known.consts, *args)
        rows = [o for o, m in zip(outs[count:], made, strict=True) if m]
        return [*outs[:count], *(_reshape(o, (1,)) if not aval_of(o).shape else o for o in rows)]

    def staged_program(*args: Any) -> list[Any]:
        values = [_reshape(x, ()) if m and not aval.shape else x
                  for x, aval, m in zip(args, staged.in_avals, made)]
        return eval_jaxpr(staged.jaxpr, staged.consts, *values, *args[residuals:])
    staged_avals = [a.update(shape=(1,)) if m and not a.shape else a
                    for a, m in zip(staged.in_avals, made)]
    return (trace_to_jaxpr(known_program, known.in_avals, known.jaxpr.debug_info),
            trace_to_jaxpr(staged_program, [*staged_avals, *staged.in_avals[residuals:]],
                           staged.jaxpr.debug_info))


def _dce(used_outputs: Sequence[bool], eqn: Eqn) -> tuple[list[bool], Eqn | None]:
    params = eqn.params
    new, used_inputs = dce_closed(params["jaxpr"], used_outputs)
    if not new.eqns and not new.jaxpr.outvars:
        return [False] * len(eqn.invars), None

    def kept(values: Sequence[Any], flags: Sequence[bool]) -> tuple[Any, ...]:
        return tuple(v for v, flag in zip(values, flags, strict=True) if flag)
    return used_inputs, eqn.replace(
        invars=kept(eqn.invars, used_inputs), outvars=kept(eqn.outvars, used_outputs),
        effects=new.effects, params={
            **params, "jaxpr": new, "in_specs": kept(params["in_specs"], used_inputs),
            "out_specs": kept(params["out_specs"], used_outputs)})


def _named_axes(*, jaxpr: ClosedJaxpr, newly_manual_axes: Any, **_: Any) -> frozenset[Any]:
    names: frozenset[Any] = axes_in(jaxpr) - newly_manual_axes
    return names


shard_map_p: Primitive = Primitive(
    "shard_map", multiple_results=True, type_rule=_type_rule, execute=_execute, jvp=_jvp,
    transpose=_transpose, batch=_batch, partial_eval=_partial_eval, dce=_dce,
    effects=lambda jaxpr, **_: jaxpr.effects, named_axes=_named_axes, varying=BY_TYPES,
    sharding=BY_EXECUTION,
    lower=Inline(lambda params: expanded(**params)),
    stablehlo=lambda b, *args, **params: b.call("shard_map", expanded(**params), args))
