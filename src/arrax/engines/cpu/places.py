"""Places in memory: what a load or store of a kernel touches, compared as one value.

A place is the memory (the root buffer), the dtype it is read or written as, and the offset counted
in elements of that dtype. Offsets alone say nothing: buffers that share memory may differ in dtype
(`bitcast_convert_type`), so that element 3 of one lies elsewhere than element 3 of the other.
Whoever asks whether two accesses meet asks here.
"""
from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

from arrax.engines.cpu import loop_ir as ir
from arrax.engines.cpu.loop_ir import Buffer, Index, Kernel, LoopVar


def same_element(a: Buffer, a_offset: Index, b: Buffer, b_offset: Index) -> bool:
    """Whether two accesses are of the same bytes as the same dtype, given that the buffers begin
    at the same address."""
    return a.dtype == b.dtype and a_offset == b_offset


def stage_loads(stage: ir.Stage) -> tuple[ir.Load, ...]:
    """All loads of a stage, those inside of offsets and conditions too."""
    if stage.loads is None:
        roots: list[ir.Expr] = []
        for root in (*ir.stage_roots(stage, folded=False), *ir.stage_roots(stage, folded=True)):
            roots += ir.index_children(root) if isinstance(root, Index) else [root]
        stage.loads = tuple(expr for expr in ir.walk(roots) if isinstance(expr, ir.Load))
    return stage.loads


def stage_variables(stage: ir.Stage) -> list[LoopVar]:
    """The loops of a stage."""
    return [*stage.vars] if isinstance(stage, ir.Map) else [*stage.kept, *stage.reduced]


# ---- what offsets reach --------------------------------------------------------------------------

def spans(offset: Index, variables: Iterable[LoopVar]) -> tuple[int, int] | None:
    """The first and last value of an affine offset over `variables`; None if other terms occur."""
    known = set(variables)
    low = high = offset.const
    for term, coefficient in offset.terms:
        if not isinstance(term, LoopVar) or term not in known:
            return None
        reach = coefficient * (term.extent - 1)
        low, high = low + min(reach, 0), high + max(reach, 0)
    return low, high


def fills(store: ir.Store, variables: Sequence[LoopVar]) -> bool:
    """Whether a store writes every element of its buffer, over all points of `variables`."""
    if store.where or spans(store.offset, variables) != (0, store.buffer.size - 1):
        return False
    reached = 1
    for coefficient, extent in _strides(store.offset):
        if coefficient > reached:
            return False
        reached += coefficient * (extent - 1)
    return True


def is_injective(offset: Index, variables: Sequence[LoopVar]) -> bool:
    """Whether different points of `variables` have different offsets. Terms that do not depend on
    the variables shift all of them alike."""
    loops = {v for v in variables if v.extent > 1}
    own = [(t, c) for t, c in offset.terms if isinstance(t, LoopVar) and t in loops]
    if len(own) != len(loops):
        return False
    others = [t for t, _ in offset.terms if not isinstance(t, LoopVar)]
    if any(depends(term, loops) for term in others):
        return False
    reached = 0
    for coefficient, extent in _strides(Index(0, tuple(own))):
        if coefficient <= reached:
            return False
        reached += coefficient * (extent - 1)
    return True


def depends(expr: ir.Expr, loops: set[LoopVar]) -> bool:
    """Whether an expression uses one of the loop variables, or the result of a fold."""
    for part in ir.walk([expr]):
        if isinstance(part, ir.Local) or any(
                isinstance(term, LoopVar) and term in loops
                for index in indices_of(part) for term, _ in index.terms):
            return True
    return False


def indices_of(expr: ir.Expr) -> list[Index]:
    """The indices that an expression itself holds."""
    if isinstance(expr, ir.Load):
        return [expr.offset]
    if isinstance(expr, (ir.Position, ir.Quotient)):
        return [expr.index]
    if isinstance(expr, ir.Choose):
        return [index for index, _, _ in expr.conditions]
    return []


def row_length(offsets: Sequence[Index], outer: list[LoopVar]) -> int:
    """The length of the rows, one for each outer point and none in part of another's, such that
    all `offsets` lie in the row of their outer point; 0 if that cannot be seen."""
    loops = [v for v in outer if v.extent > 1]
    steps = [offsets[0].coefficient(v) for v in loops]
    row = min(steps, default=0)
    if row <= 0 or any(step % row for step in steps):
        return 0
    for offset in offsets:
        if any(offset.coefficient(v) != step for v, step in zip(loops, steps, strict=True)):
            return 0
        rest = within_row(offset, outer)
        if ir.lower_bound(rest) < 0 or ir.upper_bound(rest) >= row:
            return 0
    return row


def within_row(offset: Index, outer: list[LoopVar]) -> Index:
    """The part of an offset that the outer loops do not say."""
    return Index(offset.const, tuple(t for t in offset.terms if t[0] not in outer))


def _strides(offset: Index) -> list[tuple[int, int]]:
    """(distance, extent) of the loop variables of an offset, the shortest distance first."""
    return sorted((abs(c), t.extent) for t, c in offset.terms if isinstance(t, LoopVar))


# ---- kernels in place ----------------------------------------------------------------------------

Belongs = Callable[[Buffer], bool]


def works_in_place(kernel: Kernel, is_read: Belongs, is_written: Belongs) -> bool:
    """Whether a kernel computes the same if what it reads of one memory and what it writes of
    another begin at the same address.

    That holds where each value is loaded before anything is stored over it, whatever the order in
    which the points of the outer loops run: the loads are of the very element that is stored at
    that point and no other point stores there; or points of the outer loops keep to rows of their
    own, and within a row the loads come in earlier stages than the stores.
    """
    loads = [(number, load) for number, stage in enumerate(kernel.stages)
             for load in stage_loads(stage) if is_read(load.buffer)]
    stores = [(number, store) for number, stage in enumerate(kernel.stages)
              for store in ir.stores_of(stage) if is_written(store.buffer)]
    if not loads or not stores:
        return True
    return _by_element(kernel, loads, stores) or _by_row(kernel, loads, stores)


def _by_element(kernel: Kernel, loads: list[tuple[int, ir.Load]],
                stores: list[tuple[int, ir.Store]]) -> bool:
    """All accesses are of one element at each point, and of another one at each other point."""
    stage = kernel.stages[0]
    if len(kernel.stages) != 1 or not isinstance(stage, ir.Map):
        return False
    first = stores[0][1]
    every: list[ir.Load | ir.Store] = [*(load for _, load in loads), *(s for _, s in stores)]
    return all(same_element(first.buffer, first.offset, access.buffer, access.offset)
               for access in every) \
        and is_injective(first.offset, [*kernel.outer, *stage.vars])


def _by_row(kernel: Kernel, loads: list[tuple[int, ir.Load]],
            stores: list[tuple[int, ir.Store]]) -> bool:
    """Each outer point keeps to bytes of its own, and all its loads precede all its stores."""
    if max(number for number, _ in loads) >= min(number for number, _ in stores):
        return False
    every: list[tuple[int, ir.Load | ir.Store]] = [*loads, *stores]
    return keep_to_rows([(access, stage_variables(kernel.stages[number]))
                         for number, access in every], kernel.outer)


def keep_to_rows(accesses: Sequence[tuple[ir.Load | ir.Store, list[LoopVar]]],
                 outer: list[LoopVar]) -> bool:
    """Whether each outer point keeps to bytes of its own, in memory where all buffers begin at one
    address; with each access stand the loops of its stage."""
    rows: set[tuple[tuple[LoopVar, int], ...]] = set()
    low, high = 0, 0
    for access, variables in accesses:
        size = access.buffer.dtype.itemsize
        around = tuple((t, c * size) for t, c in access.offset.terms if t in outer)
        reach = spans(within_row(access.offset, outer), variables)
        if reach is None:
            return False
        rows.add(around)
        low, high = min(low, reach[0] * size), max(high, (reach[1] + 1) * size)
    if len(rows) != 1:
        return False
    row = rows.pop()
    if {t for t, _ in row} != {v for v in outer if v.extent > 1}:
        return False
    reached = high - low
    for distance, extent in sorted((abs(c), t.extent) for t, c in row):
        if distance < reached:
            return False
        reached += distance * (extent - 1)
    return True
