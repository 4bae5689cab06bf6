"""Merge kernels that run over the same space, so that data is read once.

Before: one kernel for each root. After: a kernel whose outer loops match an earlier kernel's is
moved into it, as another stage at each outer point (softmax: max, exp and sum, divide), or into the
same inner loop where every element needs only the same element. Loads of what the kernel itself
stored become the stored expression; buffers that nobody else reads vanish, or shrink to one row.
Known limits: kernels without outer loops merge only into one loop (their stages must stay separate
steps, so that each can run in parallel); a space is matched by its leading extents.
"""
from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from typing import Any

from arrax.engines.cpu import loop_ir as ir
from arrax.engines.cpu.loop_ir import Buffer, Index, Kernel, LoopVar, Map, Reduce, Region
from arrax.engines.cpu.passes.lifetimes import touched, touched_deeply
from arrax.engines.cpu.passes.rewrite import Rewriter
from arrax.engines.cpu.places import row_length, same_element, stage_loads, within_row

FARTHEST = 12  # steps to look back
LONG_FORMULA = 8  # expressions from which a value for each row is better computed in vectors
LONGEST_ROW = 64 * 1024  # elements of a row that several passes over it should fit in cache
MANY_ROWS = 8
KERNEL_ROWS = 128 * 1024  # bytes of stack for the rows of one kernel


def merge_kernels(region: Region) -> None:
    """Run over a program, its regions innermost first; then drop what only one kernel knows of."""
    _merge_region(region)
    users: Counter[Buffer] = Counter()
    _count_users(region, users)
    _drop_all_private(region, users)


def _merge_region(region: Region) -> None:
    merged: list[Any] = []
    for step in region.steps:
        for inner in ir.regions_of(step):
            _merge_region(inner)
        if not (isinstance(step, Kernel) and _merge_back(merged, step)):
            merged.append(step)
    region.steps = merged


def _merge_back(steps: list[Any], kernel: Kernel) -> bool:
    """Move `kernel` into an earlier one if steps between allow it."""
    writes, reads = written(kernel), touched_deeply(kernel)
    for position in range(len(steps) - 1, max(-1, len(steps) - 1 - FARTHEST), -1):
        step = steps[position]
        if isinstance(step, Kernel):
            joined = try_merge(step, kernel)
            if joined is not None:
                steps[position] = joined
                return True
        if touched_deeply(step) & writes or written(step) & reads:
            return False
    return False


def written(step: Any) -> set[Buffer]:
    """The memory that a step may write."""
    if isinstance(step, Kernel):
        return {s.buffer.root for stage in step.stages for s in ir.stores_of(stage)}
    if isinstance(step, ir.Copy):
        return {step.target.root}
    if isinstance(step, ir.HostCallStep):
        return {b.root for b in step.results}
    return touched_deeply(step)


# ---- matching spaces ---------------------------------------------------------------------------

def try_merge(first: Kernel, second: Kernel) -> Kernel | None:
    """Both as one kernel, or None."""
    if not _share_data(first, second) or _is_ordered(first) or _is_ordered(second):
        return None
    if not _all_loops(first) or not _all_loops(second):
        return None
    outer = _common_outer(first, second)
    if outer is None:
        return None
    a, b = with_outer(first, outer), with_outer(second, outer)
    if a is None or b is None or len(b.stages) != 1:
        return None
    same = Rewriter({v: ir.index_of(w) for v, w in zip(b.outer, a.outer, strict=True)})
    stage = same.stage(b.stages[0], lambda variables: variables)
    stage.buffers = ir.stage_buffers(b.stages[0])
    return _into_loop(a, stage) or _as_epilogue(a, stage) or _as_stage(a, stage)


def _all_loops(kernel: Kernel) -> list[LoopVar]:
    stage = kernel.stages[0]
    inner = stage.vars if isinstance(stage, Map) else [*stage.kept, *stage.reduced]
    return [*kernel.outer, *inner]


def _is_ordered(kernel: Kernel) -> bool:
    return any(isinstance(s, Map) and (s.ordered or any(t.where for t in s.stores))
               for s in kernel.stages)


def _share_data(first: Kernel, second: Kernel) -> bool:
    """Whether the second reads what the first touches, arrays only."""
    arrays = {b.root for b in ir.kernel_buffers(second) if b.size > 1}
    return any(b.root in arrays for b in ir.kernel_buffers(first))


def _common_outer(first: Kernel, second: Kernel) -> list[int] | None:
    """Extents of the outer loops that both can have."""
    a, b = ([v.extent for v in k.outer] for k in (first, second))
    if a == b:
        return a
    flexible = [k for k in (first, second) if _only_map(k) is not None]
    if not flexible:
        return None
    if len(flexible) == 2:
        return max(a, b, key=len)
    rigid = second if flexible[0] is first else first
    return [v.extent for v in rigid.outer]


def _only_map(kernel: Kernel) -> Map | None:
    """The map that is all of the kernel."""
    stage = kernel.stages[0] if len(kernel.stages) == 1 else None
    return stage if isinstance(stage, Map) else None


def with_outer(kernel: Kernel, extents: list[int]) -> Kernel | None:
    """The kernel with outer loops of these extents; only maps can change theirs."""
    if [v.extent for v in kernel.outer] == extents:
        return kernel
    stage = _only_map(kernel)
    if stage is None:
        return None
    loops = [*kernel.outer, *stage.vars]
    if len(loops) == 1:
        return _split_loop(loops[0], stage, extents, kernel.name)
    if [v.extent for v in loops[:len(extents)]] != extents or len(loops) <= len(extents):
        return None
    return Kernel(loops[:len(extents)], [Map(loops[len(extents):], stage.stores)], kernel.name)


def _split_loop(var: LoopVar, stage: Map, extents: list[int], name: str) -> Kernel | None:
    """A loop over row-major positions as nested loops: outer extents, then the rest."""
    rows = math.prod(extents)
    if var.extent % rows:
        return None
    outer = [LoopVar(extent) for extent in extents]
    inner = LoopVar(var.extent // rows)
    position = ir.index_of(inner)
    stride = inner.extent
    for loop in reversed(outer):
        position = position + ir.index_of(loop) * stride
        stride *= loop.extent
    stores = Rewriter({var: position}).stores(stage.stores)
    return Kernel(outer, [Map([inner], stores)], name)


# ---- merging -----------------------------------------------------------------------------------

def _into_loop(kernel: Kernel, stage: Any) -> Kernel | None:
    """`stage` inside the last stage's loop, if every element needs only the same element."""
    last = kernel.stages[-1]
    a = last.vars if isinstance(last, Map) else [*last.kept, *last.reduced]
    b = stage.vars if isinstance(stage, Map) else [*stage.kept, *stage.reduced]
    if isinstance(last, Reduce) and isinstance(stage, Reduce) \
            and len(last.kept) != len(stage.kept):
        return None
    columns = [s for s in (last, stage) if isinstance(s, Reduce) and s.kept]
    if columns and (isinstance(last, Map) or isinstance(stage, Map)):
        return None
    a, b = _matched(a, b)
    if a is None:
        return None
    stored = _stored_by([last])
    before = _stored_by(kernel.stages[:-1])
    after_fold = {s.buffer.root for s in last.stores} if isinstance(last, Reduce) else set()
    good = True

    def replace(load: ir.Load) -> ir.Expr | None:
        nonlocal good
        root = load.buffer.root
        good = good and _reads_own_row(load, before.get(root, ()), kernel.outer)
        stores = stored.get(root)
        if stores is None:
            return None
        if root in after_fold or not _is_element_of(load, stores):
            good = False
            return None
        return stores[-1].expr

    loops = dict(zip(b, a, strict=True))
    rewriter = Rewriter({v: ir.index_of(w) for v, w in loops.items()}, replace)
    inside = rewriter.stage(stage, lambda variables: [loops[v] for v in variables if v in loops])
    if not good or any(_conflicts(old, inside) for old in kernel.stages):
        return None
    joined = _joined(last, inside)
    joined.buffers = _of_both(last, stage)
    return Kernel(kernel.outer, [*kernel.stages[:-1], joined], kernel.name)


def _matched(a: list[LoopVar], b: list[LoopVar]) -> tuple[Any, Any]:
    """The loops of two stages paired by extents, loops of extent 1 left out."""
    a, b = [v for v in a if v.extent > 1], [v for v in b if v.extent > 1]
    return (a, b) if [v.extent for v in a] == [v.extent for v in b] else (None, None)


def _conflicts(last: Any, stage: Any) -> bool:
    """Whether `stage` writes memory that `last` touches (updates of a part)."""
    mine = {s.buffer.root for s in ir.stores_of(stage)}
    return any(b.root in mine for b in ir.stage_buffers(last))


def _joined(last: Any, stage: Any) -> Any:
    """Two stages over the same loops as one."""
    if isinstance(last, Map) and isinstance(stage, Map):
        return Map(last.vars, [*last.stores, *stage.stores])
    if isinstance(last, Map):
        return Reduce([], stage.reduced, stage.items, stage.stores, [*last.stores, *stage.inner])
    if isinstance(stage, Map):
        return Reduce(last.kept, last.reduced, last.items, last.stores,
                      [*last.inner, *stage.stores])
    return Reduce(last.kept, last.reduced, [*last.items, *stage.items],
                  [*last.stores, *stage.stores], [*last.inner, *stage.inner])


def _of_both(last: Any, stage: Any) -> tuple[Buffer, ...]:
    """What two stages touch, also after loads of the second became what `last` stores: finding it
    anew for each of many stages that join would take quadratic time."""
    return tuple(dict.fromkeys((*ir.stage_buffers(last), *ir.stage_buffers(stage))))


def _as_epilogue(kernel: Kernel, stage: Any) -> Kernel | None:
    """`stage`, a value for each outer (and kept) point, among the stores after the last fold."""
    last = kernel.stages[-1]
    if not isinstance(stage, Map) or not isinstance(last, Reduce) \
            or any(_conflicts(old, stage) for old in kernel.stages):
        return None
    kept, mine = _matched(last.kept, stage.vars)
    if kept is None:
        return None
    stored: dict[Buffer, list[ir.Store]] = {}
    for store in last.stores:
        stored.setdefault(store.buffer.root, []).append(store)
    earlier = _stored_by(kernel.stages).keys() - stored.keys()
    good = True

    def replace(load: ir.Load) -> ir.Expr | None:
        nonlocal good
        stores = stored.get(load.buffer.root)
        if stores is not None and _is_element_of(load, stores):
            return stores[-1].expr
        good = good and stores is None and load.buffer.root not in earlier
        return None

    loops = dict.fromkeys(stage.vars, ir.ZERO)
    loops.update((v, ir.index_of(w)) for v, w in zip(mine, kept, strict=True))
    epilogue = Rewriter(loops, replace).stage(stage, lambda _: [])
    if not good:
        return None
    stores = [*last.stores, *epilogue.stores]
    joined = Reduce(last.kept, last.reduced, last.items, stores, last.inner)
    joined.buffers = _of_both(last, stage)
    return Kernel(kernel.outer, [*kernel.stages[:-1], joined], kernel.name)


def _as_stage(kernel: Kernel, stage: Any) -> Kernel | None:
    """`stage` after the others at each outer point, if it needs only what that point wrote."""
    rows = math.prod(v.extent for v in kernel.outer)
    if not kernel.outer or rows < MANY_ROWS:
        return None
    longest = max(math.prod(v.extent for v in loops_of(s)) for s in [*kernel.stages, stage])
    if longest > LONGEST_ROW:
        return None
    if math.prod(v.extent for v in loops_of(stage)) == 1 and longest < 16 * LONG_FORMULA \
            and len(ir.walk(ir.stages_loads(stage))) > 2:
        return None
    stored = _stored_by(kernel.stages)
    good = True

    def replace(load: ir.Load) -> ir.Expr | None:
        nonlocal good
        stores = stored.get(load.buffer.root)
        if stores is None:
            return None
        if _is_element_of(load, stores):
            return stores[-1].expr if _is_row_value(stores[-1].expr) else None
        good = good and _reads_own_row(load, stores, kernel.outer)
        return None

    stage = Rewriter({}, replace).stage(stage, lambda variables: variables)
    if not good or any(_conflicts(old, stage) for old in kernel.stages):
        return None
    return Kernel(kernel.outer, [*kernel.stages, stage], kernel.name)


def loops_of(stage: Any) -> list[LoopVar]:
    return stage.vars if isinstance(stage, Map) else [*stage.kept, *stage.reduced]


def _is_row_value(expr: ir.Expr) -> bool:
    """Whether an expression is known at the outer point: made of locals and constants only."""
    return all(isinstance(e, (ir.Local, ir.Constant, ir.Apply)) for e in ir.walk([expr]))


def _stored_by(stages: Sequence[Any]) -> dict[Buffer, list[ir.Store]]:
    """The stores of some stages by the memory that they write, in order."""
    found: dict[Buffer, list[ir.Store]] = {}
    for stage in stages:
        for store in ir.stores_of(stage):
            found.setdefault(store.buffer.root, []).append(store)
    return found


def _is_element_of(load: ir.Load, stores: Sequence[ir.Store]) -> bool:
    """Whether a load, at each point, reads the element that each of `stores` writes there."""
    return all(same_element(load.buffer, load.offset, store.buffer, store.offset)
               for store in stores)


def _reads_own_row(load: ir.Load, stores: Sequence[ir.Store], outer: list[LoopVar]) -> bool:
    """Whether a load reads, of what `stores` write, only what they wrote at its outer point."""
    return all(load.buffer.dtype == store.buffer.dtype
               and row_length((load.offset, store.offset), outer) > 0 for store in stores)


# ---- private buffers ---------------------------------------------------------------------------

def _count_users(region: Region, users: Counter[Buffer]) -> None:
    """How many steps of the whole program touch each memory, or give it as a result."""
    users.update({b.root for b in (*region.results, *region.parameters)})
    for step in region.steps:
        users.update({b.root for b in touched(step)})
        for inner in ir.regions_of(step):
            _count_users(inner, users)


def _drop_all_private(region: Region, users: Counter[Buffer]) -> None:
    """Remove from the kernels of a region what only they know of, of all steps of the program: what
    a loop's body alone touches in its region may belong to the region around."""
    for step in region.steps:
        for inner in ir.regions_of(step):
            _drop_all_private(inner, users)
        if isinstance(step, Kernel):
            roots = touched_deeply(step)
            private = {b for b in roots if b.kind == "temporary" and users[b] == 1}
            if private:
                _drop_private(step, private)
                users.subtract(roots)
                users.update(touched_deeply(step))
    region.steps = [s for s in region.steps if not (isinstance(s, Kernel) and not s.stages)]


def _drop_private(kernel: Kernel, private: set[Buffer]) -> None:
    """Remove stores of `private` buffers that nobody reads, and so what only they read; shrink the
    others to one row."""
    while True:
        loaded = {load.buffer.root for stage in kernel.stages for load in stage_loads(stage)}
        stages = [_without(stage, private - loaded) for stage in kernel.stages]
        stages = [s for s in stages if ir.stores_of(s) or isinstance(s, Reduce)]
        if [id(s) for s in stages] == [id(s) for s in kernel.stages]:
            break
        kernel.stages = stages
    stored = {s.buffer.root for stage in kernel.stages for s in ir.stores_of(stage)}
    if kernel.outer:
        _shrink(kernel, private & loaded & stored)


def _without(stage: Any, unread: set[Buffer]) -> Any:
    """A stage without its stores to some buffers."""
    if unread.isdisjoint(s.buffer.root for s in ir.stores_of(stage)):
        return stage
    stores = [s for s in stage.stores if s.buffer.root not in unread]
    if isinstance(stage, Map):
        return Map(stage.vars, stores, stage.ordered)
    inner = [s for s in stage.inner if s.buffer.root not in unread]
    return Reduce(stage.kept, stage.reduced, stage.items, stores, inner)


def _shrink(kernel: Kernel, private: set[Buffer]) -> None:
    """One row of each private buffer on the stack of the thread that works on the row, where all
    that is read and written at an outer point is its own row, as elements of the same dtype. What
    the stack has no room for stays in the arena."""
    rows: dict[Buffer, Buffer] = {}
    room = KERNEL_ROWS
    for buffer, (dtypes, offsets) in _accesses(kernel, private).items():
        row = Buffer((row_length(offsets, kernel.outer),), buffer.dtype, "row")
        if 0 < row.nbytes <= min(LONGEST_ROW, room) and dtypes == {buffer.dtype}:
            rows[buffer] = row
            room -= row.nbytes
    if not rows:
        return

    def replace(load: ir.Load) -> ir.Expr | None:
        row = rows.get(load.buffer.root)
        return None if row is None else ir.Load(row, within_row(load.offset, kernel.outer))

    rewriter = Rewriter({}, replace)
    stages = [rewriter.stage(s, lambda variables: variables) for s in kernel.stages]
    for store in (s for stage in stages for s in ir.stores_of(stage)):
        if store.buffer.root in rows:
            store.buffer = rows[store.buffer.root]
            store.offset = within_row(store.offset, kernel.outer)
    kernel.stages = stages


def _accesses(kernel: Kernel, buffers: set[Buffer]) -> dict[Buffer, tuple[set[Any], list[Index]]]:
    """The dtypes and offsets at which a kernel reads and writes some buffers."""
    found: dict[Buffer, tuple[set[Any], list[Index]]] = {}
    for stage in kernel.stages:
        accesses: list[ir.Load | ir.Store] = [*stage_loads(stage), *ir.stores_of(stage)]
        for access in accesses:
            if access.buffer.root in buffers:
                dtypes, offsets = found.setdefault(access.buffer.root, (set(), []))
                dtypes.add(access.buffer.dtype)
                offsets.append(access.offset)
    return found
