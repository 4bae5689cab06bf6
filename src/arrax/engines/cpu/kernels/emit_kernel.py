"""Kernels of the loop IR as LLVM loops with explicit vectors.

The innermost variable of a map, and the contiguous variable of a reduction, runs over vector lanes;
the last, partial vector is masked. Reductions keep several accumulators, so that the additions of
one do not wait for each other.
"""
from __future__ import annotations

import math
from typing import Any

import numpy as np
from llvmlite import ir

from arrax.engines.cpu import loop_ir
from arrax.engines.cpu.kernels import memory
from arrax.engines.cpu.kernels.cascade import Cascade, block_of as additions_of
from arrax.engines.cpu.kernels.checks import Checks
from arrax.engines.cpu.kernels.emit_expr import Emitted, ExprEmitter, component_bits
from arrax.engines.cpu.kernels.lanes import I1, I64, lanes_type, native_vector_bits
from arrax.engines.cpu.kernels.levels import Levels, constant64
from arrax.engines.cpu.kernels.scalar_builder import ScalarBuilder
from arrax.engines.cpu.kernels.turned import Turned, turned_loads, write_tiles
from arrax.engines.cpu.kernels.values import Value, layout_of
from arrax.engines.cpu.loop_ir import Kernel, LoopVar, Map, Reduce, ReduceItem, stages_loads

CHEAP_STAGE = 12  # expressions up to which a reduction is unrolled


def choose_lanes(stage: Any, extent: int) -> int:
    """Elements in a vector: a register of the widest dtype, fewer for short loops."""
    bits = 32
    for expr in loop_ir.walk(stages_loads(stage)):
        if not isinstance(expr, (loop_ir.Quotient, loop_ir.Position)) \
                and not (isinstance(expr, loop_ir.Apply) and expr.operation.makes_index):
            bits = max(bits, component_bits(expr.dtype))
    lanes = native_vector_bits() // bits
    while lanes > 1 and lanes // 2 >= extent:
        lanes //= 2
    return lanes


LONG_COLUMN = 64  # elements of a column from which several vectors of columns are folded at once
LONGEST_TILE_ROW = 1024  # elements up to which several rows are read side by side
TILE_FORMULA = 10  # expressions up to which a fold is repeated for each row of a tile


def row_tile(kernel: Kernel) -> int:
    """How many rows `reduce_tiles` folds at once, or 0 where rows are folded one by one."""
    stage = kernel.stages[0]
    if len(kernel.stages) != 1 or not isinstance(stage, Reduce) or stage.kept or stage.inner \
            or not kernel.outer or len(stage.items) != 1 or len(stage.items[0].exprs) != 1:
        return 0
    long = [v.extent for v in stage.reduced if v.extent > 1]
    dtype = stage.items[0].exprs[0].dtype
    if len(long) != 1 or long[0] > LONGEST_TILE_ROW or dtype.kind not in "fiu" \
            or dtype.itemsize not in (4, 8):
        return 0
    lanes = choose_lanes(stage, long[0])
    full = native_vector_bits() // (8 * dtype.itemsize)
    size = len(loop_ir.walk(stage.items[0].exprs))
    if lanes != full or lanes < 4 or kernel.outer[-1].extent < lanes or size > TILE_FORMULA:
        return 0
    return lanes


def turning(kernel: Kernel) -> tuple[Turned, int] | None:
    """What a kernel reads across its rows, and the rows of a tile."""
    stage = kernel.stages[0]
    if not kernel.outer or not isinstance(stage, Map) or not stage.vars:
        return None
    lanes = choose_lanes(stage, stage.vars[-1].extent)
    found = turned_loads(kernel, lanes)
    return (found, lanes) if found else None


def block_of(kernel: Kernel) -> int:
    """Points of the first outer variable that are computed together, or 0 for one by one."""
    if len(kernel.outer) == 1 and row_tile(kernel):
        return row_tile(kernel)
    turned = turning(kernel)
    return turned[1] if turned and turned[0].row is kernel.outer[0] else 0


class KernelEmitter:
    """Writes one kernel at the position of a builder. `alloca(type)` gives stack memory."""

    def __init__(self, builder: ir.IRBuilder, pointer_of: Any, alloca: Any,
                 checks: Checks | None = None):
        self.levels = Levels(builder)
        self.exprs = ExprEmitter(self.levels, pointer_of, checks)
        self.alloca = alloca

    def emit(self, kernel: Kernel, first_range: tuple[ir.Value, ir.Value] | None = None) -> None:
        """Write the kernel; `first_range` restricts its first variable (for a parallel body)."""
        self.exprs.kernel = kernel
        ranges = [(constant64(0), constant64(v.extent)) for v in kernel.outer]
        if first_range is not None and ranges:
            ranges[0] = first_range
            first_range = None
        opened = 0
        tile = row_tile(kernel)
        loops = list(zip(kernel.outer, ranges, strict=True))
        turned = turning(kernel)
        if turned:
            self.turned(kernel, loops, *turned)
            return
        for var, (start, end) in loops[:-1] if tile else loops:
            opened += self.open_scalar(var, start, end)
        if tile:
            self.reduce_tiles(kernel.stages[0], loops[-1][0], loops[-1][1], tile)
            for _ in range(opened):
                self.levels.close()
            return
        self.exprs.written = {store.buffer.root for stage in kernel.stages
                              for store in loop_ir.stores_of(stage)}
        self.exprs.floor = len(self.levels.stack) - 1
        for stage in kernel.stages:
            if isinstance(stage, Map):
                self.map(stage, first_range)
            else:
                self.reduce(stage)
        for _ in range(opened):
            self.levels.close()

    def turned(self, kernel: Kernel, loops: list[Any], loads: Turned, lanes: int) -> None:
        """The kernel in tiles that are transposed in registers."""
        opened, stage = 0, kernel.stages[0]
        assert isinstance(stage, Map)
        for var, (start, end) in loops:
            if var is loads.row:
                rows = self.levels.open_loop(start, end, lanes)
                opened += 1
            else:
                opened += self.open_scalar(var, start, end)
        write_tiles(self, stage, loads, rows, lanes)
        for _ in range(opened):
            self.levels.close()

    # ---- loops ---------------------------------------------------------------------------------

    def open_scalar(self, var: LoopVar, start: Any = None, end: Any = None) -> int:
        """Open a loop one element at a time; gives the number of levels to close."""
        if var.extent == 1:
            self.levels.top.variables[var] = constant64(0)
            return 0
        counter = self.levels.open_loop(start or constant64(0), end or constant64(var.extent), 1)
        self.levels.top.variables[var] = counter
        return 1

    def open_vector(self, var: LoopVar, lanes: int, unroll: int = 1,
                    bounds: tuple[ir.Value, ir.Value] | None = None) -> ir.Value:
        """Open a level for vectors of `var`, a loop unless one step does it; gives the counter."""
        if var.extent <= lanes * unroll and bounds is None:
            self.levels.open_straight()
            return constant64(0)
        start, end = bounds or (constant64(0), constant64(var.extent))
        return self.levels.open_loop(start, end, lanes * unroll)

    def bind_vector(self, var: LoopVar, lanes: int, counter: ir.Value, shift: int,
                    end: ir.Value | None) -> None:
        """Open a straight level in which the lanes of `var` start at counter + shift; with an `end`
        lanes from there on are masked."""
        level = self.levels.open_straight(lanes)
        if shift:
            counter = level.builder.add(counter, constant64(shift))
        level.variables[var] = counter
        level.vector = var
        if end is not None and lanes > 1:
            # Before the end: lane < end - counter, compared in 32 bits.
            rest = level.builder.sub(end, counter)
            limit = constant64(lanes)
            rest = level.builder.select(level.builder.icmp_signed("<", rest, limit), rest, limit)
            b = level.scalar_builder()
            narrow = level.builder.trunc(rest, ir.IntType(32))
            count = ir.Constant(ir.VectorType(ir.IntType(32), lanes), list(range(lanes)))
            level.mask = level.builder.icmp_signed("<", count, b.emit.splat(narrow))

    # ---- maps -----------------------------------------------------------------------------------

    def map(self, stage: Map, bounds: tuple[ir.Value, ir.Value] | None) -> None:
        """Loops over the variables of a map, the last one in vectors."""
        opened = 0
        for var in stage.vars[:-1]:
            opened += self.open_scalar(var)
        if stage.ordered:
            self.exprs.floor = len(self.levels.stack) - 1
        if stage.vars and (stage.vars[-1].extent > 1):
            var = stage.vars[-1]
            lanes = choose_lanes(stage, var.extent)
            counter = self.open_vector(var, lanes, 1, bounds)
            # Parallel ranges begin and end at multiples of the vector length, save at the end.
            end = constant64(var.extent) if var.extent % lanes else None
            self.bind_vector(var, lanes, counter, 0, end)
            self.stores(stage.stores)
            self.levels.close()
            self.levels.close()
        else:
            if stage.vars:
                self.levels.top.variables[stage.vars[-1]] = constant64(0)
            self.stores(stage.stores)
        for _ in range(opened):
            self.levels.close()

    def stores(self, stores: list[Any]) -> None:
        """All values, then all stores: a store may overwrite what another value loads."""
        values = [self.exprs.vector(s.expr) for s in stores]
        for store, value in zip(stores, values, strict=True):
            self.exprs.guarded_store(store, value)

    # ---- reductions -----------------------------------------------------------------------------

    def reduce(self, stage: Reduce) -> None:
        if stage.kept and stage.kept[-1].extent > 1:
            self.reduce_columns(stage)
        else:
            for var in stage.kept:
                self.levels.top.variables[var] = constant64(0)
            self.reduce_rows(stage)

    def reduce_rows(self, stage: Reduce) -> None:
        """Fold over lanes of the last reduced variable, then over the lanes."""
        depth = len(self.levels.stack) - 1
        reduced = [v for v in stage.reduced if v.extent > 1]
        for var in stage.reduced:
            if var.extent == 1:
                self.levels.top.variables[var] = constant64(0)
        last = reduced[-1] if reduced else LoopVar(1)
        lanes = choose_lanes(stage, last.extent)
        unroll = self.unrolling(stage, last.extent // lanes)
        accumulators = [self.accumulators(item, lanes, unroll) for item in stage.items]
        whole = last.extent - last.extent % (lanes * unroll) if unroll > 1 else last.extent
        cut = additions_of([*(v.extent for v in reduced[:-1]), -(-whole // (lanes * unroll))])
        cascade = self.cascade(stage, accumulators, cut)
        block = cut[1] if cascade and cut and cut[0] == max(len(reduced) - 1, 0) else 0
        opened = self.open_blocks(reduced[:-1], cut if cascade else None)
        self.fold_lanes(stage, last, lanes, unroll, (0, whole), accumulators, block, cascade)
        if whole < last.extent:
            self.fold_lanes(stage, last, lanes, 1, (whole, last.extent), accumulators)
        self.close_blocks(opened, cascade)
        for item, slots in zip(stage.items, accumulators, strict=True):
            b = self.levels.top.scalar_builder(lanes)
            totals = self.joined(b, item, slots)
            while b.lanes > 1:
                low = [memory.half(b, t, False) for t in totals]
                high = [memory.half(b, t, True) for t in totals]
                b = self.levels.top.scalar_builder(b.lanes // 2)
                totals = combined(b, item, low, high)
            for local, total in zip(item.results, totals, strict=True):
                self.exprs.remember(local.serial, Emitted(total, depth))
        self.levels.open_straight()
        self.stores(stage.stores)
        self.levels.close()

    def cascade(self, stage: Reduce, accumulators: list[Any], cut: Any) -> Cascade | None:
        """The totals of long sums, or None for short ones and folds that have none."""
        if cut is None:
            return None
        found = Cascade(stage, accumulators, self.alloca, self.levels.top.builder)
        return found if found.sums else None

    def open_blocks(self, variables: list[LoopVar], cut: tuple[int, int] | None) -> list[bool]:
        """Open scalar loops over variables, the one at `cut` in blocks. Gives, for each level to
        close, whether the accumulators are flushed after it."""
        opened: list[bool] = []
        for position, var in enumerate(variables):
            if cut is None or position != cut[0]:
                opened += [False] * self.open_scalar(var)
            else:
                first, end = self.open_block(constant64(0), var.extent, cut[1])
                self.open_scalar(var, first, end)
                opened += [False, True]
        return opened

    def open_block(self, start: ir.Value, end: int, size: int) -> tuple[ir.Value, ir.Value]:
        """Open a loop over blocks of `size`; gives where the present one begins and ends."""
        first = self.levels.open_loop(start, constant64(end), size)
        builder = self.levels.top.builder
        last = builder.add(first, constant64(size), flags=("nuw", "nsw"))
        inside = builder.icmp_signed("<", last, constant64(end))
        return first, builder.select(inside, last, constant64(end))

    def close_blocks(self, opened: list[bool], cascade: Cascade | None) -> None:
        """Close the levels of `open_blocks`, and leave the sums in the accumulators."""
        for flushes in reversed(opened):
            self.levels.close()
            if flushes and cascade is not None:
                cascade.flush(self.levels.top.builder)
        if cascade is not None:
            cascade.finish(self.levels.top.builder)

    def fold_lanes(self, stage: Reduce, var: LoopVar, lanes: int, unroll: int,
                   part: tuple[int, int], accumulators: list[Any], block: int = 0,
                   cascade: Cascade | None = None) -> None:
        """The loop over `part` of the range of `var`, folding into the accumulators; after each
        `block` steps, if it is not 0, they are flushed into the cascade."""
        start, end = part
        if end == start:
            return
        step = lanes * unroll
        if end - start <= step:
            self.levels.open_straight()
            counter: Any = constant64(start)
        elif block:
            first, last = self.open_block(constant64(start), end, block * step)
            counter = self.levels.open_loop(first, last, step)
        else:
            counter = self.levels.open_loop(constant64(start), constant64(end), step)
        for copy in range(unroll):
            masked = (end - start) % lanes != 0
            self.bind_vector(var, lanes, counter, copy * lanes,
                             constant64(end) if masked else None)
            self.fold(stage, copy, accumulators)
            self.levels.close()
        self.levels.close()
        if block and cascade is not None and end - start > step:
            cascade.flush(self.levels.top.builder)
            self.levels.close()

    def reduce_tiles(self, stage: Any, row: LoopVar, bounds: tuple[Any, Any], lanes: int) -> None:
        """As many rows at once as there are lanes: one accumulator for each row, all of which are
        then folded into one vector, a lane for each row, in which the stores are done."""
        item = stage.items[0]
        var = next(v for v in stage.reduced if v.extent > 1)
        for each in stage.reduced:
            if each is not var:
                self.levels.top.variables[each] = constant64(0)
        first = self.levels.open_loop(*bounds, lanes)
        slots = self.accumulators(item, lanes, lanes)
        if var.extent <= lanes:
            self.levels.open_straight()
            counter: Any = constant64(0)
        else:
            counter = self.levels.open_loop(constant64(0), constant64(var.extent), lanes)
        self.bind_vector(var, lanes, counter, 0,
                         constant64(var.extent) if var.extent % lanes else None)
        mask = self.levels.top.mask
        last = self.levels.stack[-3].builder.sub(bounds[1], constant64(1))
        for copy in range(lanes):
            level = self.levels.open_straight(lanes)
            above = self.levels.stack[-4].builder
            position = above.add(first, constant64(copy)) if copy else first
            inside = above.icmp_signed("<", position, last)
            level.variables[row] = above.select(inside, position, last)
            level.mask = mask
            self.fold(stage, copy, [slots])
            self.levels.close()
        self.levels.close()
        self.levels.close()
        b = self.levels.top.scalar_builder(lanes)
        rows = [load_slot(b, row_slots[0], item.exprs[0].dtype) for row_slots in slots]
        total = memory.folded_rows(b, rows, lambda x, y: item.operation.emit(b, x, y))
        self.bind_vector(row, lanes, first, 0, bounds[1])
        self.exprs.remember(item.results[0].serial,
                            Emitted(total, len(self.levels.stack) - 1))
        self.stores(stage.stores)
        self.levels.close()
        self.levels.close()

    def reduce_columns(self, stage: Reduce) -> None:
        """For tiles of several vectors of the kept variable: fold over the rows."""
        var = stage.kept[-1]
        opened = sum(self.open_scalar(v) for v in stage.kept[:-1])
        lanes = choose_lanes(stage, var.extent)
        vectors = -(-var.extent // lanes)
        many = math.prod(v.extent for v in stage.reduced) >= LONG_COLUMN
        tile = min(vectors, 8 if many and self.unrolling(stage, 8) > 1 else 2)
        counter = self.open_vector(var, lanes, tile)
        accumulators = [self.accumulators(item, lanes, tile) for item in stage.items]
        end = constant64(var.extent)
        single = var.extent <= lanes * tile  # then only the last vector can be partial
        partial = [var.extent % (lanes * tile) != 0 and
                   (not single or (copy + 1) * lanes > var.extent) for copy in range(tile)]
        cut = additions_of([v.extent for v in stage.reduced])
        cascade = self.cascade(stage, accumulators, cut)
        loops = self.open_blocks(stage.reduced, cut if cascade else None)
        for copy in range(tile):
            self.bind_vector(var, lanes, counter, copy * lanes, end if partial[copy] else None)
            self.fold(stage, copy, accumulators)
            self.levels.close()
        self.close_blocks(loops, cascade)
        for copy in range(tile):
            self.bind_vector(var, lanes, counter, copy * lanes, end if partial[copy] else None)
            depth = len(self.levels.stack) - 1
            b = self.levels.top.scalar_builder()
            for item, slots in zip(stage.items, accumulators, strict=True):
                for local, slot in zip(item.results, slots[copy], strict=True):
                    value = load_slot(b, slot, local.dtype)
                    self.exprs.remember(local.serial, Emitted(value, depth))
            self.stores(stage.stores)
            self.levels.close()
        self.levels.close()
        for _ in range(opened):
            self.levels.close()

    def fold(self, stage: Reduce, copy: int, accumulators: list[Any]) -> None:
        """One step of all folds at the innermost level; lanes out of range keep the identity."""
        level = self.levels.top
        b = level.scalar_builder()
        inner = [self.exprs.vector(s.expr) for s in stage.inner]
        for item, slots in zip(stage.items, accumulators, strict=True):
            values = [self.exprs.vector(e) for e in item.exprs]
            if level.mask is not None:
                flag = Value(level.mask, np.dtype(bool))
                values = [b.select(flag, v, b.constant(start, v.dtype))
                          for v, start in zip(values, item.initial, strict=True)]
            olds = [load_slot(b, slot, v.dtype)
                    for slot, v in zip(slots[copy], values, strict=True)]
            for slot, new in zip(slots[copy], combined(b, item, olds, values), strict=True):
                store_slot(b, slot, new)
        for store, value in zip(stage.inner, inner, strict=True):
            self.exprs.guarded_store(store, value)

    def unrolling(self, stage: Reduce, steps: int) -> int:
        """How many accumulators a fold gets: more for cheap stages, none for short loops."""
        size = len(loop_ir.walk(stages_loads(stage)))
        if any(len(item.exprs) > 1 for item in stage.items):
            return 1  # folds of pairs are long
        wanted = 4 if size <= CHEAP_STAGE else 2 if size <= 2 * CHEAP_STAGE else 1
        while wanted > 1 and steps < wanted:
            wanted //= 2
        return wanted

    def accumulators(self, item: ReduceItem, lanes: int, copies: int) -> list[list[Any]]:
        """Stack slots for accumulators, holding the identity; they become registers."""
        b = self.levels.top.scalar_builder(lanes)
        slots = []
        for _ in range(copies):
            row = []
            for expr, start in zip(item.exprs, item.initial, strict=True):
                layout = layout_of(expr.dtype)
                kind = lanes_type(layout.register, lanes)
                parts = 2 if layout.kind == "complex" else 1
                slot = [self.alloca(kind) for _ in range(parts)]
                store_slot(b, slot, b.constant(start, expr.dtype))
                row.append(slot)
            slots.append(row)
        return slots

    def joined(self, b: ScalarBuilder, item: ReduceItem, slots: list[Any]) -> list[Value]:
        """All copies of the accumulators folded together."""
        rows = [[load_slot(b, slot, e.dtype) for slot, e in zip(row, item.exprs, strict=True)]
                for row in slots]
        while len(rows) > 1:
            pairs = zip(rows[::2], rows[1::2], strict=False)
            rest = rows[-1:] if len(rows) % 2 else []
            rows = [combined(b, item, x, y) for x, y in pairs] + rest
        return rows[0]


def combined(b: ScalarBuilder, item: ReduceItem, xs: list[Value], ys: list[Value]) -> list[Value]:
    """One application of the fold's operation."""
    if len(xs) == 1:
        return [item.operation.emit(b, xs[0], ys[0])]
    return list(item.operation.emit(b, tuple(xs), tuple(ys)))


def load_slot(b: ScalarBuilder, slot: list[Any], dtype: Any) -> Value:
    parts = [b.builder.load(s, typ=s.allocated_type) for s in slot]
    return Value(parts[0], np.dtype(dtype), parts[1] if len(parts) == 2 else None)


def store_slot(b: ScalarBuilder, slot: list[Any], value: Value) -> None:
    for part, place in zip((value.llvm, value.imag), slot, strict=False):
        b.builder.store(part, place)


__all__ = ["I1", "I64", "KernelEmitter", "choose_lanes"]
