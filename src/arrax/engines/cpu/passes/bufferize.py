"""Bufferize: give every temporary buffer a place in the arena.

Before: temporaries without an offset. After: offsets such that buffers alive at the same time do
not overlap; the size of the arena is returned. A buffer that a loop's body uses and that lives from
before the loop lives to the loop's end.
"""
from __future__ import annotations

from collections.abc import Collection
from typing import Any

from arrax.engines.cpu import loop_ir as ir
from arrax.engines.cpu.loop_ir import Buffer, Region

ALIGNMENT = 64


def bufferize(region: Region) -> int:
    """Place the temporaries; gives the bytes of the arena."""
    lifetimes = Lifetimes()
    lifetimes.region(region)
    placed: list[tuple[int, int, int, int]] = []  # (first, last, offset, end)
    total = 0
    for buffer, (first, last) in sorted(lifetimes.spans.items(), key=lambda item: item[1]):
        if buffer.kind != "temporary":
            continue
        size = -(-max(buffer.nbytes, 1) // ALIGNMENT) * ALIGNMENT
        placed = [p for p in placed if p[1] >= first]
        offset = 0
        for _, _, start, end in sorted(placed, key=lambda p: p[2]):
            if offset + size <= start:
                break
            offset = max(offset, end)
        buffer.offset = offset
        placed.append((first, last, offset, offset + size))
        total = max(total, offset + size)
    return total


class Lifetimes:
    """When each buffer is first and last touched, in the order of steps."""

    def __init__(self) -> None:
        self.spans: dict[Buffer, tuple[int, int]] = {}
        self.time = 0

    def touch(self, buffer: Buffer) -> None:
        buffer = buffer.root
        first, _ = self.spans.get(buffer, (self.time, 0))
        self.spans[buffer] = (first, self.time)

    def region(self, region: Region) -> None:
        for step in region.steps:
            self.step(step)
        for buffer in region.results:
            self.touch(buffer)

    def step(self, step: Any) -> None:
        self.time += 1
        start = self.time
        for buffer in touched(step):
            self.touch(buffer)
        regions = ir.regions_of(step)
        if not regions:
            return
        for inner in regions:
            self.region(inner)
        self.time += 1
        for buffer in touched(step):
            self.touch(buffer)
        for buffer, (first, last) in self.spans.items():
            if first <= start <= last:
                self.spans[buffer] = (first, self.time)


def touched(step: Any) -> Collection[Buffer]:
    """The buffers that a step itself (not its regions) reads or writes."""
    if isinstance(step, ir.Kernel):
        return ir.kernel_buffers(step)
    if isinstance(step, ir.Copy):
        return [step.source, step.target]
    if isinstance(step, (ir.HostCallStep, ir.LibraryStep)):
        scratch = getattr(step, "scratch", None)
        return [*step.operands, *step.results, *([scratch] if scratch else [])]
    if isinstance(step, ir.WhileStep):
        return step.carries
    if isinstance(step, ir.ScanStep):
        return [whole for _, whole in step.slices]
    return [step.index]
