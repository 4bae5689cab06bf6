"""Who owns each buffer, and when it holds a value that is still needed.

*Memory* is a root buffer; all buffers with that root begin at its address.

**Owner.** A buffer belongs to the innermost region that holds all steps that touch it; that region
creates it anew each time it runs. So what a loop's body owns carries nothing from one iteration to
the next, while what the body only uses (a carry, an array that the loop reads) belongs to a region
around the loop and keeps its value over the back edge. Inputs and outputs belong to the program. A
slice of a scanned array belongs to the scan's body and is another part of the array each time.

**Life.** A buffer is *live* from a write to the last read of what was written. A write of the whole
ends the life of the value before it; a write of a part keeps it, as if it read the rest. What is
live after a loop or a branch, or at the loop's next start, is live at its end; what some branch
reads first is live before all of them. Inputs are live until the program ends (their callers keep
them) unless they are donated; outputs from their first write on; a slice that a scan's body writes,
to the end of that body.

**Time.** Steps are numbered as they are written down, and so are the beginning and the end of each
region; step n reads at point 2n and writes at 2n + 1. A life is a list of closed
intervals of points. Two buffers may share memory if their lives do not meet and each step that
reads one and writes the other computes the same in place (`works_in_place`, copies aside).

That is what guarantees in-place updates. A carry dies where the loop's body copies the next value
into it; so an updated copy of a carry takes the carry's memory wherever nothing reads the old value
after the update: in the body itself, in branches of `cond` and `switch` (whose results are
buffers of the region around them, written in each branch), in loops inside loops, in batched loops
and branches (whose updates are made where the predicate holds: `transforms/guarding.py`,
`passes/masked_updates.py`), and in the loops of gradients (whose sums are updates,
`passes/accumulate.py`).
"""
from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from arrax.engines.cpu import loop_ir as ir
from arrax.engines.cpu.loop_ir import Buffer, Region
from arrax.engines.cpu.places import fills, stage_loads

Span = tuple[int, int]
Path = tuple[int, ...]  # of a region: the numbers of the regions around it, outermost first


# ---- what a step touches -----------------------------------------------------------------------

@dataclass(slots=True)
class Access:
    """What one step does to a buffer."""

    reads: bool = False
    writes: bool = False
    whole: bool = False  # every element is written


def accesses(step: Any) -> list[tuple[Buffer, Access]]:
    """The buffers that a step itself touches, not those of its regions; one may occur twice."""
    if isinstance(step, ir.Kernel):
        return _kernel_accesses(step)
    if isinstance(step, ir.Copy):
        return [(step.source, Access(reads=True)), (step.target, Access(writes=True, whole=True))]
    if isinstance(step, (ir.HostCallStep, ir.LibraryStep)):
        updates = getattr(step, "updates", False)
        found = [(b, Access(reads=True)) for b in step.operands]
        found += [(b, Access(updates, True, not updates)) for b in step.results]
        scratch = getattr(step, "scratch", None)
        return [*found, *([(scratch, Access(True, True, True))] if scratch else [])]
    if isinstance(step, ir.ScanStep):
        return [(whole, Access(reads=True)) for _, whole in step.slices]
    return [(step.index, Access(reads=True))] if isinstance(step, ir.CondStep) else []


def _kernel_accesses(kernel: ir.Kernel) -> list[tuple[Buffer, Access]]:
    found: dict[Buffer, Access] = {}
    for stage in kernel.stages:
        for load in stage_loads(stage):
            found.setdefault(load.buffer, Access()).reads = True
        written = [(stage.stores, stage.vars)] if isinstance(stage, ir.Map) else \
            [(stage.stores, stage.kept), (stage.inner, [*stage.kept, *stage.reduced])]
        for stores, loops in written:
            for store in stores:
                access = found.setdefault(store.buffer, Access())
                access.writes = True
                access.whole = access.whole or fills(store, [*kernel.outer, *loops])
    return list(found.items())


def touched(step: Any) -> list[Buffer]:
    """The buffers that a step itself (not its regions) reads or writes."""
    if isinstance(step, ir.Kernel):
        return list(ir.kernel_buffers(step))
    return [buffer for buffer, _ in accesses(step)]


def touched_deeply(step: Any) -> set[Buffer]:
    """All memory that a step or the regions inside it touch."""
    found = {b.root for b in touched(step)}
    for inner in ir.regions_of(step):
        found |= {b.root for b in inner.results}
        for below in inner.steps:
            found |= touched_deeply(below)
    return found


# ---- lives ---------------------------------------------------------------------------------------

@dataclass(slots=True)
class _Nested:
    """A step with regions that touch a buffer."""

    step: Any
    first: int
    last: int
    regions: list[_Region]
    touches: list[list[Any]]  # by region


@dataclass(slots=True)
class _Region:
    """A region, its extent in time, and what its steps do to each buffer."""

    path: Path
    first: int
    last: int = 0
    touches: dict[Buffer, list[Any]] = field(default_factory=dict)


@dataclass(slots=True)
class Life:
    """One memory: where it belongs, when it is live, and the steps that touch it."""

    owner: Path
    spans: list[Span]
    steps: set[int]


class Lifetimes:
    """The lives of all memory of a program, but for scalars and rows, which have registers.

    `steps` has the steps by number; `trips` how often each runs, roughly; `binders` the path of the
    body that binds a slice.
    """

    def __init__(self, region: Region, dying: Iterable[Buffer] = ()):
        self.steps: dict[int, Any] = {}
        self.trips: dict[int, int] = {}
        self.binders: dict[Buffer, Path] = {}
        self.wholes: dict[Buffer, Buffer] = {}
        self.count = 0
        self.regions = 0
        top = self._collect(region, (), 1)
        for number, buffer in enumerate(region.results):  # read by the caller, in the end
            if is_tracked(buffer):
                self._note(top, buffer.root, top.last + 1 + number, Access(reads=True))
        top.last += 1 + len(region.results)
        mortal = {b.root for b in dying}
        self.lives = {root: self._life(top, root, root in mortal) for root in top.touches}

    def _collect(self, region: Region, path: Path, trips: int) -> _Region:
        self.regions += 1
        self.count += 1
        found = _Region((*path, self.regions), self.count)
        for step in region.steps:
            self.count += 1
            number = self.count
            self.steps[number], self.trips[number] = step, trips
            for buffer, access in accesses(step):
                if is_tracked(buffer):
                    self._note(found, buffer.root, number, access)
                    whole = self.wholes.get(buffer.root)
                    while whole is not None:
                        self._note(found, whole, number, Access(access.reads, access.writes))
                        whole = self.wholes.get(whole)
            inner = ir.regions_of(step)
            if inner:
                self._control(found, number, inner, trips)
        self.count += 1
        found.last = self.count
        return found

    def _control(self, found: _Region, number: int, inner: list[Region], trips: int) -> None:
        step = self.steps[number]
        if isinstance(step, ir.ScanStep):
            trips *= step.length
            self.wholes |= {piece: whole.root for piece, whole in step.slices}
            self.binders |= {piece: (*found.path, self.regions + 1) for piece, _ in step.slices}
        elif isinstance(step, ir.WhileStep):
            trips *= UNKNOWN_TRIPS
        regions = [self._collect(region, found.path, trips) for region in inner]
        self.count += 1
        for root in {root: None for region in regions for root in region.touches}:
            touches = [region.touches.get(root, []) for region in regions]
            found.touches.setdefault(root, []).append(
                _Nested(step, number, self.count, regions, touches))

    @staticmethod
    def _note(region: _Region, root: Buffer, number: int, access: Access) -> None:
        touches = region.touches.setdefault(root, [])
        if touches and type(touches[-1]) is tuple and touches[-1][0] == number:
            _, old = touches[-1]
            access = Access(old.reads or access.reads, old.writes or access.writes,
                            old.whole or access.whole)
            touches.pop()
        touches.append((number, access))

    def _life(self, top: _Region, root: Buffer, mortal: bool) -> Life:
        region, touches = top, top.touches[root]
        binder = self.binders.get(root)
        # Down to the innermost region with all touches; a slice belongs to its scan's body.
        while len(touches) == 1 and type(touches[0]) is _Nested and region.path != binder \
                and root.kind not in ("input", "output"):
            inner = [i for i, below in enumerate(touches[0].touches) if below]
            if len(inner) != 1:
                break
            region, touches = touches[0].regions[inner[0]], touches[0].touches[inner[0]]
        stays = root.kind in ("output", "bound") or (root.kind == "input" and not mortal)
        spans: list[Span] = []
        end = 2 * region.last + 1 if stays else None
        start = _walk(region, touches, end, spans)
        if root.kind in ("input", "bound") and start is not None:
            spans.append((2 * region.first, start))
        elif start is not None:
            spans.append((_first_write(touches), start))
        return Life(region.path, joined(spans), _numbers(touches))


UNKNOWN_TRIPS = 16  # of a `while` loop


def is_tracked(buffer: Buffer) -> bool:
    """Whether a buffer has memory that others might share."""
    root = buffer.root
    return root.kind not in ("scalar", "row")


def _walk(region: _Region, touches: list[Any], end: int | None, spans: list[Span]) -> int | None:
    """Go backwards through a region at whose end a buffer is live until the point `end` (None: it
    is dead there). Adds the spans that begin inside; gives the end of the one that is live at the
    region's start, or None."""
    for touch in reversed(touches):
        if type(touch) is _Nested:
            end = _walk_control(touch, end, spans)
            continue
        number, access = touch
        if access.writes:
            if end is None:
                spans.append((2 * number + 1, 2 * number + 1))
                end = None if access.whole else 2 * number
            elif access.whole:
                spans.append((2 * number + 1, end))
                end = None
        if access.reads and end is None:
            end = 2 * number
    return end


def _walk_control(nested: _Nested, end: int | None, spans: list[Span]) -> int | None:
    after = end is not None
    if end is not None:
        spans.append((2 * nested.last, end))
    if isinstance(nested.step, ir.CondStep):
        before = [_walk_region(nested, i, after, spans) for i in range(len(nested.regions))]
        live = any(before)
    else:
        live = _walk_loop(nested, after, spans)
    return 2 * nested.first if live else None


def _walk_loop(nested: _Nested, after: bool, spans: list[Span]) -> bool:
    """What the next iteration reads is live at the end of the body."""
    again = False
    while True:
        found: list[Span] = []
        if isinstance(nested.step, ir.WhileStep):
            in_body = _walk_region(nested, 1, again, found)
            live = _walk_region(nested, 0, after or in_body, found)
        else:
            live = _walk_region(nested, 0, after or again, found)
        if live == again:
            spans += found
            return live
        again = live


def _walk_region(nested: _Nested, i: int, live: bool, spans: list[Span]) -> bool:
    region = nested.regions[i]
    end = _walk(region, nested.touches[i], 2 * region.last + 1 if live else None, spans)
    if end is not None:
        spans.append((2 * region.first, end))
    return end is not None


def _first_write(touches: list[Any]) -> int:
    """The point at which a buffer is first touched: what it held before is nobody's value."""
    touch = touches[0]
    if type(touch) is _Nested:
        return 2 * touch.first
    number: int = touch[0]
    return 2 * number if touch[1].reads else 2 * number + 1


def _numbers(touches: list[Any]) -> set[int]:
    found: set[int] = set()
    for touch in touches:
        if type(touch) is _Nested:
            for below in touch.touches:
                found |= _numbers(below)
        else:
            found.add(touch[0])
    return found


def joined(spans: list[Span]) -> list[Span]:
    """Spans in order, those that touch made one."""
    result: list[Span] = []
    for start, end in sorted(spans):
        if result and start <= result[-1][1] + 1:
            result[-1] = (result[-1][0], max(result[-1][1], end))
        else:
            result.append((start, end))
    return result
