"""One kernel of the loop IR by NumPy.

All outer points run at once, stage after stage, since they are independent. That they are is
checked: a kernel that reads what it writes runs twice, the second time knowing which point writes
what. Kernels with an ordered map run one outer point after the other.
"""
from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from arrax.engines.cpu import loop_ir as ir
from arrax.engines.cpu.interpreter.memory import Bytes
from arrax.engines.cpu.interpreter.points import Fault, Points, Writer
from arrax.engines.cpu.loop_ir import Buffer, Expr, Kernel, LoopVar, Map, Reduce, ReduceItem, Store

Outer = tuple[dict[LoopVar, np.ndarray], tuple[int, ...]]


def run_kernel(kernel: Kernel, memory_of: Callable[[Buffer], Bytes]) -> None:
    """Run a kernel on the memory; raises `Fault`."""
    loaded = {e.buffer.root for stage in kernel.stages for e in ir.walk(ir.stages_loads(stage))
              if isinstance(e, ir.Load)}
    written = {s.buffer.root for stage in kernel.stages for s in ir.stores_of(stage)}
    ordered = any(isinstance(stage, Map) and stage.ordered for stage in kernel.stages)
    rows: dict[Buffer, Bytes] = {}
    if ordered:
        _Run(kernel, memory_of, rows).run(ordered)
        return
    writers: list[Writer] = []
    before = [(memory_of(root), _copied(memory_of(root))) for root in written
              if root.kind != "row"]
    _Run(kernel, memory_of, rows, writers).run(ordered)
    if any(root.kind == "row" or any(memory.overlaps(memory_of(root)) for memory, _ in before)
           for root in loaded):
        for memory, saved in before:
            _restore(memory, saved)
        _Run(kernel, memory_of, rows, None, writers).run(ordered)


def _copied(memory: Bytes) -> Bytes:
    return Bytes(memory.bytes.copy(), None if memory.ready is None else memory.ready.copy())


def _restore(memory: Bytes, saved: Bytes) -> None:
    memory.bytes[:] = saved.bytes
    if memory.ready is not None and saved.ready is not None:
        memory.ready[:] = saved.ready


class _Run:
    """One run of a kernel; notes in `found` who writes what, minds `writers` when it loads.

    `rows` has the row buffers of all outer points.
    """

    def __init__(self, kernel: Kernel, memory_of: Callable[[Buffer], Bytes],
                 rows: dict[Buffer, Bytes], found: list[Writer] | None = None,
                 writers: list[Writer] | None = None):
        self.kernel, self.memory_of = kernel, memory_of
        self.found, self.writers, self.rows = found, writers or [], rows
        self.locals: dict[Expr, np.ndarray] = {}
        self.outer: Outer = ({}, ())

    def run(self, ordered: bool) -> None:
        for outer in _one_by_one(self.kernel.outer) if ordered else [_at_once(self.kernel)]:
            self.outer, self.locals = outer, {}
            for row in self.rows.values():
                row.forget()
            for number, stage in enumerate(self.kernel.stages):
                if isinstance(stage, Map):
                    self.store(self.points(stage.vars, number), stage.stores)
                else:
                    self.reduce(stage, number)

    def points(self, loops: list[LoopVar], stage: int, folded: bool = False,
               kept: int | None = None) -> Points:
        return Points(*self.outer, loops, self.locals, self.memory, stage, folded, kept,
                      self.writers)

    def memory(self, buffer: Buffer) -> Bytes:
        """The bytes of a root; of a row buffer, those of all outer points."""
        root = buffer.root
        if root.kind != "row":
            return self.memory_of(root)
        if root not in self.rows:
            self.rows[root] = Bytes.unwritten(root.nbytes * math.prod(self.outer[1]))
        return self.rows[root]

    # ---- stages ----------------------------------------------------------------------------------

    def reduce(self, stage: Reduce, number: int) -> None:
        """Fold, with the stores inside, then do the stores after it."""
        points = self.points([*stage.kept, *stage.reduced], number, kept=len(stage.kept))
        folded = [self.fold(item, points, len(stage.reduced)) for item in stage.items]
        self.store(points, stage.inner)
        for item, values in zip(stage.items, folded, strict=True):
            for local, value in zip(item.results, values, strict=True):
                if value.dtype != local.dtype:
                    raise Fault(f"a fold gives {value.dtype}, not {local.dtype}")
                self.locals[local] = value
        self.store(self.points(stage.kept, number, folded=True), stage.stores)
        for item in stage.items:  # later stages read what is the same at all kept points
            for local in item.results:
                if all(v.extent == 1 for v in stage.kept):
                    self.locals[local] = self.locals[local].reshape(self.outer[1])
                else:
                    del self.locals[local]

    def fold(self, item: ReduceItem, points: Points, reduced: int) -> list[np.ndarray]:
        """The results of one fold, at the outer and kept points."""
        values = []
        for expr in item.exprs:
            at = points.value(expr)
            if at.valid is not None:
                raise Fault(points.explained([expr]))
            whole = np.broadcast_to(at.array, points.shape)
            values.append(whole.reshape(*points.shape[:len(points.shape) - reduced], -1))
        while values[0].shape[-1] > 1:  # in halves, which loses least
            half, rest = divmod(values[0].shape[-1], 2)
            joined = _joined(item, [v[..., :half] for v in values],
                             [v[..., half:2 * half] for v in values])
            values = [np.concatenate([j, v[..., -1:]], -1) if rest else j
                      for j, v in zip(joined, values, strict=True)]
        starts = [np.asarray(start).astype(e.dtype)
                  for start, e in zip(item.initial, item.exprs, strict=True)]
        return _joined(item, [np.broadcast_to(s, v.shape[:-1]) for s, v in
                              zip(starts, values, strict=True)], [v[..., 0] for v in values])

    # ---- stores ----------------------------------------------------------------------------------

    def store(self, points: Points, stores: list[Store]) -> None:
        """All values, then all stores: a store may overwrite what another value loads."""
        ready = [self.prepared(points, store) for store in stores]
        for store, (place, value, mask) in zip(stores, ready, strict=True):
            memory = self.memory(store.buffer)
            memory.elements(store.buffer.dtype)[place[mask]] = value[mask]
            if memory.ready is not None:
                size = store.buffer.dtype.itemsize
                memory.ready[place[mask][:, None] * size + np.arange(size)] = True
            if self.found is not None:
                self.found.append(
                    _writer(points, store.buffer.dtype.itemsize, place, mask, memory))

    def prepared(self, points: Points, store: Store) -> tuple[np.ndarray, ...]:
        """Places, values and where to store, at all points."""
        buffer = store.buffer
        if store.expr.dtype != buffer.dtype:
            raise Fault(f"a store of {store.expr.dtype} into {buffer.dtype}")
        value, offset = points.value(store.expr), points.index(store.offset)
        where = points.conditions(store.where)
        place, inside = points.places(buffer, offset.array)
        place, values, mask = (np.broadcast_to(a, points.shape)
                               for a in (place, value.array, where.array))
        indices = [e for i in (store.offset, *(i for i, _, _ in store.where))
                   for e in ir.index_children(i)]
        for valid, needed in ((value.valid, mask), (offset.valid, mask), (where.valid, True)):
            if valid is not None and (~valid & needed).any():
                raise Fault(points.explained([store.expr, *indices]))
        if inside is not None and (~inside & mask).any():
            raise Fault(f"stores outside of its buffer of {buffer.size}")
        return place, values, mask


def _joined(item: ReduceItem, xs: list[np.ndarray], ys: list[np.ndarray]) -> list[np.ndarray]:
    """One application of the fold's operation."""
    if len(xs) == 1:
        return [np.asarray(item.operation.evaluate(xs[0], ys[0]))]
    return [np.asarray(v) for v in item.operation.evaluate(tuple(xs), tuple(ys))]


def _writer(points: Points, size: int, place: np.ndarray, mask: np.ndarray,
            memory: Bytes) -> Writer:
    """Who writes each byte; `Fault` if two points write the same element."""
    bytes_ = place[mask][:, None] * size + np.arange(size)
    tables: list[Any] = []
    for ids in (points.outer_ids, points.inner_ids, points.kept_ids):
        table = np.full(len(memory.bytes), -1)
        own = np.broadcast_to(ids, points.shape)[mask][:, None]
        table[bytes_] = own
        if (table[bytes_] != own).any():
            raise Fault("two points store the same element")
        tables.append(table)
    return Writer(memory.address, points.stage, points.folded, *tables)


def _at_once(kernel: Kernel) -> Outer:
    """All outer points: an axis for each variable."""
    rank = len(kernel.outer)
    values = {v: np.arange(v.extent).reshape([-1 if i == axis else 1 for i in range(rank)])
              for axis, v in enumerate(kernel.outer)}
    return values, tuple(v.extent for v in kernel.outer)


def _one_by_one(outer: list[LoopVar]) -> Iterator[Outer]:
    for point in np.ndindex(*(v.extent for v in outer)):
        yield {v: np.asarray(i) for v, i in zip(outer, point, strict=True)}, ()
