"""Updates of a part of an array, written into memory that holds the rest already."""
from __future__ import annotations

from typing import Any

from arrax.core.jaxpr import Eqn
from arrax.engines.cpu import loop_ir as ir
from arrax.engines.cpu.loop_ir import Buffer, LoopVar, index_of, offset_of
from arrax.engines.cpu.operations import operation_of
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
    """The `build` of a scatter that joins old and update by a primitive; None replaces."""
    def build(lowerer: Any, eqn: Eqn, target: Buffer) -> None:
        _scatter_loops(lowerer, eqn, target, combine)
    return build


def _scatter_loops(lowerer: Any, eqn: Eqn, target: Buffer, combine: Any) -> None:
    """For every element of the updates, in order: combine it into its place, if that is inside."""
    _, indices, updates = eqn.invars
    numbers, mode = eqn.params["dimension_numbers"], eqn.params["mode"]
    shape = updates.aval.shape
    if 0 in shape or 0 in target.shape:
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
        if drops_outside(mode) or promises_inside(mode):  # broken promises write nowhere
            conditions.append((wide_index(value), 0, high + 1))
        places[axis] = places[axis] + clamp_index(value, high)
    for axis, batching in zip(numbers.operand_batching_dims, numbers.scatter_indices_batching_dims,
                              strict=True):
        places[axis] = places[axis] + points[batching]
    offset = ir.ZERO
    for place, stride in zip(places, ir.strides_of(target.shape), strict=True):
        offset = offset + place * stride
    expr = lowerer.expression(updates, tuple(index_of(v) for v in variables))
    if combine is not None:
        old = ir.Load(target, offset)
        expr = ir.Apply(operation_of(combine), {}, (old, expr), target.dtype, eqn)
    loops = [variables[axis] for axis in (*batch, *window)]
    store = ir.Store(target, offset, expr, tuple(conditions))
    # Elements of a window never meet, so the last window axis may run over lanes.
    by_window = bool(window) and variables[window[-1]].extent > 1
    stage = ir.Map(loops[-1:] if by_window else [], [store], ordered=True)
    lowerer.steps.append(ir.Kernel(loops[:-1] if by_window else loops, [stage],
                                   eqn.primitive.name))


def concatenate(lowerer: Any, eqn: Eqn, target: Buffer) -> None:
    """Each operand into its range of the axis."""
    axis, start = eqn.params["dimension"], 0
    for atom in eqn.invars:
        _write_part(lowerer, eqn, target, atom, axis, start, atom.aval.shape)
        start += atom.aval.shape[axis]


def stack(lowerer: Any, eqn: Eqn, target: Buffer) -> None:
    """Each operand at its position of the new axis."""
    axis = eqn.params["axis"]
    for position, atom in enumerate(eqn.invars):
        shape = (*atom.aval.shape[:axis], 1, *atom.aval.shape[axis:])
        _write_part(lowerer, eqn, target, atom, axis, position, shape)


def _write_part(lowerer: Any, eqn: Eqn, target: Buffer, atom: Any, axis: int, start: int,
                shape: Any) -> None:
    """target[..., start : start + n, ...] = the operand, which may lack the axis."""
    def place(index: Any) -> Any:
        return (*index[:axis], index[axis] + start, *index[axis + 1:])

    def element(index: Any) -> Any:
        own = index if len(atom.aval.shape) == len(shape) else (*index[:axis], *index[axis + 1:])
        return lowerer.expression(atom, own)

    lowerer.store_kernel(eqn.primitive.name, shape, target, place, element)


def pad(lowerer: Any, eqn: Eqn, target: Buffer) -> None:
    """The fill everywhere, then the operand at its places."""
    x, fill = eqn.invars
    config = eqn.params["padding_config"]
    lowerer.store_kernel("fill", target.shape, target, lambda index: index,
                         lambda index: lowerer.expression(fill, ()))
    # Operand positions whose place low + i * (interior + 1) lies inside.
    first = [max(0, -(low // (gap + 1))) for low, _, gap in config]
    last = [min(extent, (size - 1 - low) // (gap + 1) + 1) for extent, size, (low, _, gap)
            in zip(x.aval.shape, target.shape, config, strict=True)]
    shape = [max(0, b - a) for a, b in zip(first, last, strict=True)]
    lowerer.store_kernel(
        "pad", shape, target,
        lambda index: tuple((i + a) * (gap + 1) + low for i, a, (low, _, gap)
                            in zip(index, first, config, strict=True)),
        lambda index: lowerer.expression(x, tuple(
            i + a if extent > 1 else ir.ZERO
            for i, a, extent in zip(index, first, x.aval.shape, strict=True))))


def tile(lowerer: Any, eqn: Eqn, target: Buffer) -> None:
    """A loop over the repetitions of each axis around one over its elements."""
    x, reps = eqn.invars[0], eqn.params["reps"]
    extents = x.aval.shape
    shape = [size for pair in zip(reps, extents, strict=True) for size in pair]
    lowerer.store_kernel(
        eqn.primitive.name, shape, target,
        lambda index: tuple(r * extent + i for r, i, extent in
                            zip(index[::2], index[1::2], extents, strict=True)),
        lambda index: lowerer.expression(x, index[1::2]))
