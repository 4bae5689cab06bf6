"""Updates of a part of an array, written into memory that holds the rest already."""
from __future__ import annotations

from typing import Any

from arrax.core.jaxpr import Eqn
from arrax.engines.cpu import loop_ir as ir
from arrax.engines.cpu.loop_ir import Buffer, LoopVar, index_of, offset_of
from arrax.engines.cpu.views import clamp_index, drops_outside, promises_inside, wide_index


def dynamic_update_slice(lowerer: Any, eqn: Eqn, target: Buffer) -> None:
    """target[start : start + size] = update, starts clamped so that the window fits."""
    update, starts = eqn.invars[1], eqn.invars[2:]
    shape, window = target.shape, update.aval.shape
    if 0 in window:
        return
    variables = [LoopVar(extent) for extent in window]
    index = tuple(index_of(v) for v in variables)
    places = []
    for i, start, extent, size in zip(index, starts, shape, window, strict=True):
        first = clamp_index(lowerer.expression(start, ()), extent - size) if extent > size \
            else ir.ZERO
        places.append(i + first)
    store = ir.Store(target, offset_of(shape, places), lowerer.expression(update, index))
    lowerer.steps.append(ir.Kernel(variables[:-1], [ir.Map(variables[-1:], [store])],
                                   eqn.primitive.name))


def scatter(combine: Any) -> Any:
    """The `build` of a scatter whose update is `combine(b, old, update)`; None replaces."""
    def build(lowerer: Any, eqn: Eqn, target: Buffer) -> None:
        _scatter_loops(lowerer, eqn, target, combine)
    return build


def _scatter_loops(lowerer: Any, eqn: Eqn, target: Buffer, combine: Any) -> None:
    """For every element of the updates, in order: combine it into its place, if that is inside."""
    _, indices, updates = eqn.invars
    numbers, mode = eqn.params["dimension_numbers"], eqn.params["mode"]
    shape = updates.aval.shape
    if 0 in shape:
        return
    variables = [LoopVar(extent) for extent in shape]
    window = list(numbers.update_window_dims)
    batch = [axis for axis in range(len(shape)) if axis not in window]
    points = [index_of(variables[axis]) for axis in batch]
    absent = {*numbers.inserted_window_dims, *numbers.operand_batching_dims}
    kept = iter(window)
    sizes, places = [], []
    for axis in range(len(target.shape)):
        own = None if axis in absent else next(kept)
        sizes.append(1 if own is None else shape[own])
        places.append(ir.ZERO if own is None else index_of(variables[own]))
    conditions = []
    for position, axis in enumerate(numbers.scatter_dims_to_operand_dims):
        value = lowerer.expression(indices, (*points, ir.Index(position)))
        high = target.shape[axis] - sizes[axis]
        if drops_outside(mode):
            start = wide_index(value)
            conditions.append((start, 0, high + 1))
        else:
            start = wide_index(value) if promises_inside(mode) else clamp_index(value, high)
        places[axis] = places[axis] + start
    for axis, batching in zip(numbers.operand_batching_dims, numbers.scatter_indices_batching_dims,
                              strict=True):
        places[axis] = places[axis] + points[batching]
    offset = ir.ZERO
    for place, stride in zip(places, ir.strides_of(target.shape), strict=True):
        offset = offset + place * stride
    expr = lowerer.expression(updates, tuple(index_of(v) for v in variables))
    if combine is not None:
        old: ir.Expr = ir.Load(target, offset)
        if conditions:
            old = ir.Choose(conditions, old, ir.Constant(0, old.dtype))
        expr = ir.Apply("combine", combine, {}, (old, expr), target.dtype, eqn)
    loops = [variables[axis] for axis in (*batch, *window)]
    store = ir.Store(target, offset, expr, tuple(conditions))
    # Elements of a window never meet, so the last window axis may run over lanes.
    by_window = bool(window) and variables[window[-1]].extent > 1
    stage = ir.Map(loops[-1:] if by_window else [], [store], ordered=True)
    lowerer.steps.append(ir.Kernel(loops[:-1] if by_window else loops, [stage],
                                   eqn.primitive.name))
