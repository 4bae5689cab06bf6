"""Maps that read across their rows, like transposes: which they are, and how they are written.

Such a map loads, for neighbouring points of its innermost variable, elements that lie far apart,
but for neighbouring points of an outer variable ("row") elements side by side. It is written in
square tiles: vectors are loaded along the row variable, the tile is transposed in registers, and
each of its rows is stored along the innermost variable.
"""
from __future__ import annotations

from typing import Any, NamedTuple

from arrax.engines.cpu import loop_ir
from arrax.engines.cpu.kernels import memory
from arrax.engines.cpu.kernels.emit_expr import Emitted
from arrax.engines.cpu.kernels.levels import constant64
from arrax.engines.cpu.kernels.values import LAYOUTS, Value
from arrax.engines.cpu.loop_ir import Kernel, Load, LoopVar, Map


class Turned(NamedTuple):
    """The loads of a kernel that are consecutive along the outer variable `row`."""

    row: LoopVar
    loads: list[Load]


def turned_loads(kernel: Kernel, lanes: int) -> Turned | None:
    """What to load in tiles of `lanes` times `lanes` elements, if anything."""
    stage = kernel.stages[0]
    if len(kernel.stages) != 1 or not isinstance(stage, Map) or stage.ordered or lanes < 4 \
            or len(stage.vars) != 1:
        return None
    column = stage.vars[0]
    written = {store.buffer.root for store in stage.stores}
    found: dict[LoopVar, list[Load]] = {}
    for load in _always_loaded(stage):
        row = _row(kernel, load, column, lanes)
        if row is not None and load.buffer.root not in written:
            found.setdefault(row, []).append(load)
    if not found:
        return None
    row = max(found, key=lambda v: len(found[v]))
    return Turned(row, found[row])


def _always_loaded(stage: Map) -> list[Load]:
    """The loads that no choice guards."""
    roots = [store.expr for store in stage.stores]
    guarded = {e.serial for choice in loop_ir.walk(roots) if isinstance(choice, loop_ir.Choose)
               for e in loop_ir.walk([choice.inside])}
    return [e for e in loop_ir.walk(roots) if isinstance(e, Load) and e.serial not in guarded]


def _row(kernel: Kernel, load: Load, column: LoopVar, lanes: int) -> LoopVar | None:
    """The outer variable along which a load that strides in `column` is consecutive. Tiles of
    complex numbers have twice the vectors, more than there are registers."""
    terms = load.offset.terms
    step = load.offset.coefficient(column)
    if 0 <= step <= memory.LONGEST_STRIDE or step == -1 or load.dtype not in LAYOUTS \
            or load.dtype.kind == "c" or not all(isinstance(term, LoopVar) for term, _ in terms):
        return None
    return next((v for v in kernel.outer
                 if v.extent >= lanes and load.offset.coefficient(v) == 1), None)


def write_tiles(emitter: Any, stage: Map, turned: Turned, start: Any, lanes: int) -> None:
    """The tiles of `lanes` rows from row `start` on, at the position of a `KernelEmitter`.

    The last rows begin early enough to be as many; those that stand in a tile before are skipped,
    since what they were computed from may be overwritten.
    """
    levels, column, row = emitter.levels, stage.vars[0], turned.row
    builder, first = levels.top.builder, start
    if row.extent % lanes:
        latest = constant64(row.extent - lanes)
        start = builder.select(builder.icmp_signed("<", start, latest), start, latest)
    counter = emitter.open_vector(column, lanes)
    tiles = _tiles(emitter, turned, column, start, counter, lanes)
    for k in range(lanes):
        position = levels.top.builder.add(start, constant64(k)) if k else start
        own = [tile[k] for tile in tiles]
        if row.extent % lanes and k < lanes - 1:
            levels.open_if(levels.top.builder.icmp_signed(">=", position, first))
            _write_row(emitter, stage, turned, position, own, counter, lanes)
            levels.close()
        else:
            _write_row(emitter, stage, turned, position, own, counter, lanes)
    levels.close()


def _write_row(emitter: Any, stage: Map, turned: Turned, position: Any, vectors: list[Value],
               counter: Any, lanes: int) -> None:
    """The stores of one row of a tile, whose loaded vectors are known."""
    levels, column = emitter.levels, stage.vars[0]
    levels.open_straight().variables[turned.row] = position
    end = constant64(column.extent) if column.extent % lanes else None
    emitter.bind_vector(column, lanes, counter, 0, end)
    depth = len(levels.stack) - 1
    for load, vector in zip(turned.loads, vectors, strict=True):
        emitter.exprs.remember(load.serial, Emitted(vector, depth))
    emitter.stores(stage.stores)
    levels.close()
    levels.close()


def _tiles(emitter: Any, turned: Turned, column: LoopVar, start: Any, counter: Any,
           lanes: int) -> list[list[Value]]:
    """For each load, its vectors along the column variable, one for each row."""
    levels, loaded = emitter.levels, []
    last = constant64(column.extent - 1)
    for k in range(lanes):
        level = levels.open_straight(lanes)
        builder = level.builder
        position = builder.add(counter, constant64(k)) if k else counter
        if k and column.extent % lanes:
            inside = builder.icmp_signed("<", position, last)
            position = builder.select(inside, position, last)
        level.variables.update({column: position, turned.row: start})
        level.vector = turned.row
        loaded.append([emitter.exprs.vector(load) for load in turned.loads])
        levels.close()
    b = levels.top.scalar_builder(lanes)
    return [memory.transposed(b, list(vectors)) for vectors in zip(*loaded, strict=True)]
