"""Donate: which outputs may take the memory of donated inputs.

Before: a coalesced region and the inputs that the caller gives up. After: a table output -> input,
of pairs whose lives do not meet (`lifetimes`): the input's last read comes before the output's
first write, or happens in a kernel that works in place. The caller decides at run time whether the
input's memory is really free; the program is right either way.
"""
from __future__ import annotations

from collections.abc import Sequence

from arrax.engines.cpu.loop_ir import Buffer, Region
from arrax.engines.cpu.passes.coalesce import may_share
from arrax.engines.cpu.passes.lifetimes import Lifetimes


def donation_aliases(region: Region, inputs: Sequence[Buffer], donated: Sequence[bool],
                     outputs: Sequence[Buffer]) -> list[int]:
    """For each output the donated input whose memory it may take, or -1."""
    aliases = [-1] * len(outputs)
    results = {b.root for b in region.results}
    free = [i for i, flag in enumerate(donated) if flag and inputs[i] not in results]
    if not free:
        return aliases
    lifetimes = Lifetimes(region, dying=[inputs[i] for i in free])
    for number, output in enumerate(outputs):
        written = lifetimes.lives.get(output.root)
        if output.root.kind != "output" or written is None:
            continue
        for i in free:
            given = lifetimes.lives.get(inputs[i])
            same = inputs[i].shape == output.shape and inputs[i].dtype == output.dtype
            if same and (given is None or may_share(lifetimes, inputs[i], given, output.root,
                                                    written)):
                aliases[number] = i
                free.remove(i)
                break
    return aliases
