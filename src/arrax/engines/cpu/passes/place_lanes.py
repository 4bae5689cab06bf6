"""Place lanes: give maps whose innermost loop has one step a longer loop there.

Before: kernels as they were fused and merged, whose innermost loops follow the shapes of values;
those of column vectors (n, 1) have one step. After: the last longer loop of a single map stands
innermost, so that vectors have something to run over. Loops are moved past such of one step only:
the order of points stays. Known limits: kernels of several stages stay as they are, and so do those
that store to rows, which are of one outer point.
"""
from __future__ import annotations

from arrax.engines.cpu import loop_ir as ir


def place_lanes(region: ir.Region) -> None:
    """Run over a region and the regions inside."""
    for position, step in enumerate(region.steps):
        for inner in ir.regions_of(step):
            place_lanes(inner)
        if isinstance(step, ir.Kernel):
            region.steps[position] = _placed(step)


def _placed(kernel: ir.Kernel) -> ir.Kernel:
    stage = kernel.stages[0]
    if len(kernel.stages) != 1 or not isinstance(stage, ir.Map) or stage.ordered \
            or any(v.extent > 1 for v in stage.vars) \
            or any(s.buffer.root.kind == "row" for s in stage.stores):
        return kernel
    loops = [v for v in kernel.outer if v.extent > 1]
    if not loops:
        return kernel
    return ir.Kernel(loops[:-1], [ir.Map(loops[-1:], stage.stores)], kernel.name)
