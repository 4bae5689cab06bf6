"""Split large reductions that have no outer loop, so that threads can share them.

Before: one fold over many elements into one value (or one row). After: a kernel that folds each of
several chunks into a partial result, the chunks being its (parallel) outer loop, then a fold of the
partial results. Known limits: the first reduced extent must divide into chunks.
"""
from __future__ import annotations

from typing import Any

from arrax.engines.cpu import loop_ir as ir
from arrax.engines.cpu.loop_ir import Buffer, Kernel, LoopVar, Reduce, Region
from arrax.engines.cpu.passes.rewrite import Rewriter

LARGE = 96 * 1024  # elements times expressions from which splitting pays
CHUNKS = (16, 8, 20, 10, 12, 25, 5, 7, 6, 9, 4, 3, 2)


def split_reductions(region: Region) -> None:
    """Run over a region and the regions inside."""
    steps: list[Any] = []
    for step in region.steps:
        for inner in ir.regions_of(step):
            split_reductions(inner)
        steps += _split(step)
    region.steps = steps


def _split(step: Any) -> list[Any]:
    if not isinstance(step, Kernel) or step.outer or len(step.stages) != 1:
        return [step]
    stage = step.stages[0]
    if not isinstance(stage, Reduce) or not stage.reduced or len(stage.kept) > 1:
        return [step]
    first = stage.reduced[0]
    if stage_size(stage) < LARGE:
        return [step]
    chunks = next((c for c in CHUNKS if first.extent % c == 0 and first.extent >= 2 * c), 0)
    if not chunks:
        return [step]
    return _two_kernels(step, stage, first, chunks)


def stage_size(stage: Any) -> int:
    """Elements times expressions of a stage."""
    size = len(ir.walk(ir.stages_loads(stage)))
    for var in [*stage.kept, *stage.reduced]:
        size *= var.extent
    return size


def _two_kernels(kernel: Kernel, stage: Reduce, first: LoopVar, chunks: int) -> list[Kernel]:
    chunk, inner = LoopVar(chunks), LoopVar(first.extent // chunks)
    position = ir.index_of(chunk) * inner.extent + ir.index_of(inner)
    rewriter = Rewriter({first: position})
    width = stage.kept[0].extent if stage.kept else 1
    column = ir.index_of(stage.kept[0]) if stage.kept else ir.ZERO
    items, partials = [], []
    for item in stage.items:
        locals_ = [ir.Local(e.dtype) for e in item.exprs]
        buffers = [Buffer((chunks, width), e.dtype, "temporary") for e in item.exprs]
        exprs = [rewriter.expr(e) for e in item.exprs]
        items.append(ir.ReduceItem(item.operation, item.initial, exprs, locals_))
        partials.append((locals_, buffers))
    place = ir.index_of(chunk) * width + column
    stores = [ir.Store(buffer, place, local) for locals_, buffers in partials
              for local, buffer in zip(locals_, buffers, strict=True)]
    folds = Reduce(stage.kept, [inner, *stage.reduced[1:]], items, stores,
                   rewriter.stores(stage.inner))
    joins = [ir.ReduceItem(item.operation, item.initial,
                           [ir.Load(b, place) for b in buffers], item.results)
             for item, (_, buffers) in zip(stage.items, partials, strict=True)]
    last = Reduce(stage.kept, [chunk], joins, stage.stores)
    return [Kernel([chunk], [folds], kernel.name), Kernel([], [last], f"join_{kernel.name}")]
