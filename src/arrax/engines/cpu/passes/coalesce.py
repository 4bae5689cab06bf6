"""Coalesce: let the two sides of a copy share memory where nobody can tell.

Before: `Copy` steps from loop starts, loop carries and updates of a part (`dynamic_update_slice`).
After: the source's buffer is based on the target's (or the reverse), which makes the copy vanish;
this is the guarantee that loop carries are updated in place. Known limits: buffers that
a nested region touches count as touched by the whole step.

Invariant kept: at no time do two values that are both still needed stand in the same memory. For a
copy S -> T at step k that holds if T is not touched from the first write of S up to k (except
by a kernel that reads T only where it then writes S), and S is not touched after k.
"""
from __future__ import annotations

from typing import Any

from arrax.engines.cpu import loop_ir as ir
from arrax.engines.cpu.loop_ir import Buffer, Region
from arrax.engines.cpu.passes.bufferize import touched


def coalesce(region: Region, outside: frozenset[Buffer] = frozenset()) -> None:
    """Run over a region and the regions inside, innermost first.

    `outside` is the memory that anything outside the region touches: only the region that owns a
    buffer may give it away.
    """
    deep = [touched_deeply(step) for step in region.steps]
    for position, step in enumerate(region.steps):
        regions = ir.regions_of(step)
        for inner in regions:
            others = outside.union(region.results, touched(step),
                                   *(t for i, t in enumerate(deep) if i != position),
                                   *(_region_touches(r) for r in regions if r is not inner))
            coalesce(inner, others)
    touches = [touched_deeply(step) for step in region.steps]
    for position in range(len(region.steps) - 1, -1, -1):
        step = region.steps[position]
        if isinstance(step, ir.Copy) and not any(b.root is step.source.root for b in outside):
            _try(region, touches, position, step)
    region.steps = [s for s in region.steps
                    if not (isinstance(s, ir.Copy) and s.source.root is s.target.root)]


def _region_touches(region: Region) -> set[Buffer]:
    """All memory that the steps of a region touch, and its results."""
    found = {b.root for b in region.results}
    for step in region.steps:
        found |= touched_deeply(step)
    return found


def touched_deeply(step: Any) -> set[Buffer]:
    """All memory that a step or the regions inside it touch."""
    found = {b.root for b in touched(step)}
    for inner in ir.regions_of(step):
        found |= _region_touches(inner)
    return found


def _try(region: Region, touches: list[set[Buffer]], position: int, copy: ir.Copy) -> bool:
    """Base the source of a copy on its target if that is safe; `touches` has roots by step."""
    source, target = copy.source.root, copy.target.root
    if source is target or source.nbytes != target.nbytes or source.kind == "scalar" \
            or target.kind == "scalar":
        return False
    if target.kind == "temporary" and source.kind != "temporary":
        return False  # an outer value: only its owner may give it away
    if source.kind != "temporary":
        return False
    if any(source in touches[i] for i in range(position + 1, len(touches))):
        return False
    if any(b.root is source for b in region.results) and target is not source:
        if not all(b.root is not source or b is copy.source for b in region.results):
            return False
    first = next((i for i in range(position + 1) if source in touches[i]), position)
    if first == position:
        return False  # written outside this region
    for i in range(first, position):
        if target in touches[i] and not (i == first and writes_in_place(
                region.steps[i], source, target)):
            return False
    source.base = target
    for roots in touches:
        if source in roots:
            roots.remove(source)
            roots.add(target)
    return True


def writes_in_place(step: Any, source: Buffer, target: Buffer) -> bool:
    """Whether a step that writes `source` reads `target` only at elements that it writes next."""
    if isinstance(step, ir.Copy):
        return step.source.root is target and step.target.root is source
    if not isinstance(step, ir.Kernel) or len(step.stages) != 1:
        return False
    stage = step.stages[0]
    if not isinstance(stage, ir.Map):
        return False
    offsets = {store.offset for store in stage.stores if store.buffer.root is source}
    if len(offsets) != 1 or any(store.buffer.root is target for store in stage.stores):
        return False
    offset = offsets.pop()
    loads = [e for e in ir.walk(ir.stages_loads(stage))
             if isinstance(e, ir.Load) and e.buffer.root is target]
    return all(load.offset == offset for load in loads)
