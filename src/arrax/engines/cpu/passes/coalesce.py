"""Coalesce: let the two sides of a copy share memory where nobody can tell.

Before: `Copy` steps from loop starts, loop carries, results of branches and updates of a part
(`dynamic_update_slice`). After: the sides of most copies share memory (`Buffer.home`), which makes
those copies do nothing; this is the guarantee that loop carries are updated in place. Who may
share, and why that is safe, stands in `lifetimes`; `verify_aliases` checks it another way.

Copies are tried by the bytes that they move while the program runs: those in inner loops before
those that run once. Known limits: sides of different sizes never share (a slice of an array with
the array); a swap of two carries keeps a copy of each.
"""
from __future__ import annotations

from bisect import bisect_left
from typing import Any

from arrax.engines.cpu import loop_ir as ir
from arrax.engines.cpu.loop_ir import Buffer, Region
from arrax.engines.cpu.passes.lifetimes import Life, Lifetimes, Span, is_tracked, joined
from arrax.engines.cpu.places import works_in_place

OWN_ADDRESS = ("input", "output", "bound")  # kinds of memory that stands where somebody else says


def coalesce(region: Region) -> None:
    """Give buffers of a program homes in each other's memory; see above."""
    if not _has_copies(region):
        return
    lifetimes = Lifetimes(region)
    copies = [(lifetimes.trips[number] * step.source.nbytes, number, step)
              for number, step in lifetimes.steps.items() if isinstance(step, ir.Copy)
              and is_tracked(step.source) and is_tracked(step.target)]
    for _, _, copy in sorted(copies, key=lambda item: item[:2], reverse=True):
        _try(lifetimes, copy.source.root, copy.target.root)


def _has_copies(region: Region) -> bool:
    return any(isinstance(step, ir.Copy) or any(map(_has_copies, ir.regions_of(step)))
               for step in region.steps)


def _try(lifetimes: Lifetimes, source: Buffer, target: Buffer) -> None:
    """Let two buffers share memory if that is safe."""
    if source is target or source.nbytes != target.nbytes:
        return
    if source.kind in OWN_ADDRESS:
        source, target = target, source
    if source.kind in OWN_ADDRESS:
        return  # both have memory of their own
    a, b = lifetimes.lives[source], lifetimes.lives[target]
    owner = _common(a.owner, b.owner)
    if target.kind == "bound" and not _within(owner, lifetimes.binders[target]):
        return  # another part of the array each time; the other value outlives that
    if may_share(lifetimes, source, a, target, b):
        source.home = target
        large, small = (a, b) if len(a.steps) > len(b.steps) else (b, a)
        large.steps |= small.steps
        lifetimes.lives[target] = Life(owner, joined(a.spans + b.spans), large.steps)
        del lifetimes.lives[source]


def may_share(lifetimes: Lifetimes, source: Buffer, a: Life, target: Buffer, b: Life) -> bool:
    """Whether two lives do not meet, and each step that touches both works in place."""
    return not _meet(a.spans, b.spans) and all(
        _in_place(lifetimes.steps[number], source, target) for number in a.steps & b.steps)


def _in_place(step: Any, a: Buffer, b: Buffer) -> bool:
    """Whether a step that reads one of two buffers and writes the other may do so in one memory."""
    if isinstance(step, ir.Copy):
        return True  # of all bytes, from the one to the other
    if not isinstance(step, ir.Kernel):
        return False
    return works_in_place(step, lambda x: x.root is a, lambda x: x.root is b) \
        and works_in_place(step, lambda x: x.root is b, lambda x: x.root is a)


def _meet(a: list[Span], b: list[Span]) -> bool:
    """Whether two ordered lists of closed intervals have a point in common."""
    if len(a) > len(b):
        a, b = b, a
    for start, end in a:
        following = bisect_left(b, (start, start))
        if following < len(b) and b[following][0] <= end:
            return True
        if following and b[following - 1][1] >= start:
            return True
    return False


def _common(a: tuple[int, ...], b: tuple[int, ...]) -> tuple[int, ...]:
    """The innermost region around two regions."""
    count = next((i for i, (x, y) in enumerate(zip(a, b, strict=False)) if x != y),
                 min(len(a), len(b)))
    return a[:count]


def _within(path: tuple[int, ...], region: tuple[int, ...]) -> bool:
    return path[:len(region)] == region
