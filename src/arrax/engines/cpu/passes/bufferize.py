"""Bufferize: give every temporary buffer a place in the arena.

Before: temporaries without an offset. After: offsets such that buffers of which some step touches
one while the other is live do not overlap; the size of the arena is returned.
"""
from __future__ import annotations

from arrax.engines.cpu.loop_ir import Region
from arrax.engines.cpu.passes.lifetimes import Lifetimes

ALIGNMENT = 64


def bufferize(region: Region) -> int:
    """Place the temporaries; gives the bytes of the arena."""
    lives = [(life.spans[0][0] // 2, life.spans[-1][1] // 2, buffer)  # in steps
             for buffer, life in Lifetimes(region).lives.items() if buffer.kind == "temporary"]
    placed: list[tuple[int, int, int, int]] = []  # (first, last, offset, end)
    total = 0
    for first, last, buffer in sorted(lives, key=lambda life: life[:2]):
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
