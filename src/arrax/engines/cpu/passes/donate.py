"""Donate: which outputs may take the memory of donated inputs.

Before: a coalesced region and the inputs that the caller gives up. After: a table output -> input,
such that every read of the input comes before the output's first write, or happens in the same
kernel at the very element that is then written. The caller decides at run time whether the input's
memory is really free; the program is right either way.
"""
from __future__ import annotations

from collections.abc import Sequence

from arrax.engines.cpu.loop_ir import Buffer, Region
from arrax.engines.cpu.passes.coalesce import touched_deeply, writes_in_place


def donation_aliases(region: Region, inputs: Sequence[Buffer], donated: Sequence[bool],
                     outputs: Sequence[Buffer]) -> list[int]:
    """For each output the donated input whose memory it may take, or -1."""
    aliases = [-1] * len(outputs)
    free = [i for i, flag in enumerate(donated) if flag]
    if not free:
        return aliases
    touches = [touched_deeply(step) for step in region.steps]
    for number, output in enumerate(outputs):
        if output.root.kind != "output":
            continue
        for i in free:
            same = inputs[i].shape == output.shape and inputs[i].dtype == output.dtype
            if same and _may_share(region, touches, inputs[i], output.root):
                aliases[number] = i
                free.remove(i)
                break
    return aliases


def _may_share(region: Region, touches: list[set[Buffer]], source: Buffer, output: Buffer) -> bool:
    first = next((k for k, t in enumerate(touches) if output in t), None)
    if first is None or source in {b.root for b in region.results}:
        return False
    last = max((k for k, t in enumerate(touches) if source in t), default=-1)
    return last < first or (last == first and writes_in_place(region.steps[first], output, source))
