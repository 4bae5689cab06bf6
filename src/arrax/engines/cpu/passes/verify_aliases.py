"""Verify what shares memory by coalesce, donate and bufferize, in every compile.

What the three decide stands in the program side by side, so that one walk after the last checks
them all; where it fails, more walks, over what the first one or two decided, name the pass.

The program is followed forwards with the set of *values* (buffers, views of one another taken as
one) that stand whole in memory, and where. `lifetimes`, from which sharing is decided, goes
backwards; the two have nothing in common but what a step touches. Checked:

- what a step reads, or updates in part, is in memory then: nothing was written over it, whether in
  the same root (coalesce), in an overlapping place of the arena (bufferize), or in an output that
  may be the memory of a donated input (donate); and it was written before, on all ways there;
- a kernel that reads one value and writes another into the same memory works in place
  (`works_in_place`: the very same element of the same dtype, or rows of its own), and no step
  reads and writes memory that overlaps in part, or writes two values into one memory;
- memory is shared by buffers of equal sizes only, each temporary has a place inside the arena, and
  the values that the program returns stand in memory at its end.

Scalars and rows of kernels have registers or stack slots of their own and are not followed; but a
row that a kernel loads is one that it stores.
"""
from __future__ import annotations

from bisect import bisect_left, insort
from collections.abc import Iterable, Sequence
from functools import partial
from typing import Any

from arrax.core.errors import InternalError
from arrax.engines.cpu import loop_ir as ir
from arrax.engines.cpu.loop_ir import Buffer, Region
from arrax.engines.cpu.loop_text import step_text
from arrax.engines.cpu.passes.lifetimes import Access, accesses, is_tracked
from arrax.engines.cpu.places import works_in_place


def verify_sharing(region: Region, inputs: Sequence[Buffer], aliases: Sequence[int],
                   arena_bytes: int) -> None:
    """Raise InternalError that names the pass, where a value is read after something else was
    written over it."""
    try:
        verify_aliases(region, inputs, aliases, arena_bytes)
    except InternalError:
        verify_aliases(region, inputs, blame="coalesce")
        verify_aliases(region, inputs, aliases, blame="donate")
        verify_aliases(region, inputs, aliases, arena_bytes, blame="bufferize")


def verify_aliases(region: Region, inputs: Sequence[Buffer], aliases: Sequence[int] = (),
                   arena_bytes: int | None = None, blame: str = "aliasing") -> None:
    """Raise InternalError where a value is read after something else was written over it.

    `aliases` has for each result the donated input whose memory it may take, or -1; `arena_bytes`
    is given once temporaries have places, `blame` begins the message.
    """
    shared = {output.root: inputs[alias]
              for output, alias in zip(region.results, aliases, strict=False) if alias >= 0}
    checker = _Checker(shared, arena_bytes, blame)
    memory = _Memory(checker)
    for buffer in inputs:
        memory.write(buffer, whole=True)
    memory = checker.region(region, memory)
    for buffer in region.results:
        if is_tracked(buffer):
            problem = memory.missing(buffer)
            if problem:
                raise InternalError(f"{blame}: {problem} as result {buffer.root.position}")


class _Memory:
    """Which values stand in memory at one point, and which of those known were written over."""

    def __init__(self, checker: _Checker):
        self.checker = checker
        self.here: dict[Buffer, set[Buffer]] = {}  # memory -> values
        self.lost: set[Buffer] = set()
        self.ranges: list[tuple[int, int, Buffer]] = []  # of memory in the arena that holds values

    def copy(self) -> _Memory:
        new = _Memory(self.checker)
        new.here = {memory: set(values) for memory, values in self.here.items()}
        new.lost = set(self.lost)
        new.ranges = list(self.ranges)
        return new

    def holds(self, buffer: Buffer) -> bool:
        return buffer.value in self.here.get(self.checker.memory(buffer), ())

    def missing(self, buffer: Buffer) -> str:
        """Why a buffer cannot be read, or nothing."""
        if self.holds(buffer) or not buffer.nbytes:
            return ""
        return f"a value of {buffer.dtype}{list(buffer.shape)} " + (
            "was written over" if buffer.value in self.lost else "is read before it is written")

    def write(self, buffer: Buffer, whole: bool, beside: Iterable[Buffer] = ()) -> str:
        """A value comes into memory, and others leave it, but for those `beside` it, which are
        equal; gives what is wrong with that, or nothing."""
        value, memory = buffer.value, self.checker.memory(buffer)
        if not whole and value in self.lost:
            return "a value is updated in part after it was written over"
        kept = {value, *(b.value for b in beside)}
        for other in self.overlapping(memory):
            values = self.here.get(other, set())
            self.lost |= values - kept
            values &= kept
            if not values:
                self.here.pop(other, None)
        self.here.setdefault(memory, set()).add(value)
        self.lost.discard(value)
        self._occupy(memory)
        return ""

    def overlapping(self, memory: Buffer) -> list[Buffer]:
        """The memory with values in it that has bytes in common with `memory`."""
        if not self.checker.in_arena(memory):
            return [memory]
        start, end = memory.offset, memory.offset + memory.nbytes
        position = bisect_left(self.ranges, (start, -1), key=lambda r: r[:2])
        found = []
        while position and self.ranges[position - 1][1] > start:
            position -= 1
        while position < len(self.ranges) and self.ranges[position][0] < end:
            found.append(self.ranges[position][2])
            position += 1
        return found

    def _occupy(self, memory: Buffer) -> None:
        """Keep `ranges` disjoint: memory without values leaves it."""
        if not self.checker.in_arena(memory):
            return
        gone = {m for m in self.overlapping(memory) if m is not memory and m not in self.here}
        if gone:
            self.ranges = [r for r in self.ranges if r[2] not in gone]
        mine = (memory.offset, memory.offset + memory.nbytes, memory)
        position = bisect_left(self.ranges, mine[:2], key=lambda r: r[:2])
        if position == len(self.ranges) or self.ranges[position][2] is not memory:
            insort(self.ranges, mine, key=lambda r: r[:2])

    def meet(self, other: _Memory) -> None:
        """Keep what holds here and there."""
        for memory, values in list(self.here.items()):
            there = other.here.get(memory, set())
            if not values <= there:
                self.lost |= (values - there) & other.lost
                values &= there
                if not values:
                    del self.here[memory]
        self.lost |= other.lost
        self.ranges = [r for r in self.ranges if r[2] in self.here]

    def forget_lost(self, known: set[Buffer]) -> None:
        """Values that a region creates anew count as not written yet."""
        self.lost &= known

    def known(self) -> set[Buffer]:
        return self.lost.union(*self.here.values())

    def size(self) -> int:
        """Shrinks at each `meet` that changes something but for what is lost."""
        return sum(map(len, self.here.values()))


def _is_value(value: Buffer, buffer: Buffer) -> bool:
    return buffer.value is value


class _Checker:
    """Follows the steps; `shared` has for outputs the inputs whose memory they may be."""

    def __init__(self, shared: dict[Buffer, Buffer], arena_bytes: int | None, blame: str):
        self.shared = shared
        self.blame = blame
        self.arena_bytes = arena_bytes

    def memory(self, buffer: Buffer) -> Buffer:
        root = buffer.root
        return self.shared.get(root, root)

    def in_arena(self, memory: Buffer) -> bool:
        return self.arena_bytes is not None and memory.kind == "temporary" and memory.nbytes > 0

    def region(self, region: Region, memory: _Memory) -> _Memory:
        for step in region.steps:
            memory = self.step(step, memory)
        return memory

    def step(self, step: Any, memory: _Memory) -> _Memory:
        everything = accesses(step)
        touched = [(b, access) for b, access in everything if is_tracked(b)]
        problem = self._problem(step, touched, memory)
        if any(b.root.kind == "row" and not access.writes for b, access in everything):
            problem = problem or "a row is read that the kernel does not write"
        if problem:
            raise InternalError(f"{self.blame}: {problem} in\n{step_text(step)}")
        if isinstance(step, ir.WhileStep):
            return self._loop(step, [step.condition, step.body], memory)
        if isinstance(step, ir.ScanStep):
            return self._loop(step, [step.body], memory)
        if isinstance(step, ir.CondStep):
            ends = [self.region(branch, memory.copy()) for branch in step.branches]
            for end in ends[1:]:
                ends[0].meet(end)
            return ends[0]
        return memory

    def _loop(self, step: Any, regions: list[Region], memory: _Memory) -> _Memory:
        """Until what holds at the start of an iteration holds at its end."""
        slices = step.slices if isinstance(step, ir.ScanStep) else []
        known = memory.known()
        while True:
            now = memory.copy()
            for piece, whole in slices:
                if memory.holds(whole):
                    now.write(piece, whole=True)
            after = exit_ = self.region(regions[0], now)
            if len(regions) > 1:
                after = self.region(regions[1], exit_.copy())
            size = memory.size()
            memory.meet(after)
            memory.forget_lost(known)
            if memory.size() == size:
                break
        for piece, whole in slices:
            if not exit_.holds(whole) and exit_.holds(piece):  # all slices were written
                exit_.write(whole, whole=True)
        return exit_

    def _problem(self, step: Any, touched: list[tuple[Buffer, Access]], memory: _Memory) -> str:
        """What is wrong with one step; then `memory` is as after it."""
        for buffer, _ in touched:
            place = self.memory(buffer)
            if place.nbytes != buffer.nbytes:
                return "memory is shared by buffers of different sizes"
            if self.in_arena(place) and not (
                    0 <= place.offset <= self.arena_bytes - place.nbytes):  # type: ignore[operator]
                return "a temporary without a place in the arena"
        if isinstance(step, ir.ScanStep):
            return ""
        written = {b.value for b, access in touched if access.writes}
        nearby = self._by_memory(touched)
        for buffer, access in touched:
            problem = memory.missing(buffer) if access.reads and buffer.value not in written else ""
            problem = problem or (self._clash(step, buffer, nearby[self.memory(buffer)])
                                  if access.writes else "")
            if problem:
                return problem
        for buffer, access in touched:
            if access.writes:
                same = [step.source] if isinstance(step, ir.Copy) \
                    and self.memory(step.source) is self.memory(buffer) else []
                problem = memory.write(buffer, access.whole, same)
                if problem:
                    return problem
        return ""

    def _clash(self, step: Any, target: Buffer, nearby: list[tuple[Buffer, Access]]) -> str:
        """Whether writing `target` disturbs what else the step touches of overlapping memory."""
        mine = self.memory(target)
        for buffer, access in nearby:
            if buffer.value is target.value:
                continue
            if access.writes:
                return "two values are written into one memory"
            if mine is not self.memory(buffer):
                return "memory that is read overlaps with memory that is written"
            if isinstance(step, ir.Copy):
                continue
            if not isinstance(step, ir.Kernel) or not works_in_place(
                    step, partial(_is_value, buffer.value), partial(_is_value, target.value)):
                return "a step writes over what it still reads"
        return ""

    def _by_memory(self, touched: list[tuple[Buffer, Access]],
                   ) -> dict[Buffer, list[tuple[Buffer, Access]]]:
        """What a step touches of each memory and of what overlaps with that in the arena."""
        own: dict[Buffer, list[tuple[Buffer, Access]]] = {}
        for buffer, access in touched:
            own.setdefault(self.memory(buffer), []).append((buffer, access))
        found = {place: list(given) for place, given in own.items()}
        before: list[Buffer] = []  # memory that reaches beyond the beginning of the next
        for place in sorted(filter(self.in_arena, own), key=lambda place: place.offset):
            before = [other for other in before if other.offset + other.nbytes > place.offset]
            for other in before:
                found[place] += own[other]
                found[other] += own[place]
            before.append(place)
        return found
