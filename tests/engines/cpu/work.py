"""Counts of what compiled programs move, for tests of complexity."""
from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from arrax.engines.cpu import loop_ir as ir
from arrax.engines.cpu.pipeline import run_pipeline
from tests.engines.cpu.compiling import traced


def written_bytes(fun: Callable[..., Any], *args: Any, trips: int = 1,
                  donated: tuple[bool, ...] = ()) -> int:
    """Bytes that the compiled program writes to arrays, by copies and by kernels, each step as
    often as it runs; `while` loops run `trips` times, and of branches the most expensive counts."""
    closed, _ = traced(fun, *args)
    return _region(run_pipeline(closed, "test", donated).region, trips)


def _region(region: ir.Region, trips: int) -> int:
    return sum(_step(step, trips) for step in region.steps)


def _step(step: Any, trips: int) -> int:
    if isinstance(step, ir.Copy):
        return step.source.nbytes if step.moves else 0
    if isinstance(step, ir.Kernel):
        return sum(_stage(stage) for stage in step.stages) * math.prod(v.extent for v in step.outer)
    inner = [_region(region, trips) for region in ir.regions_of(step)]
    if isinstance(step, ir.CondStep):
        return max(inner)
    if isinstance(step, ir.ScanStep):
        return step.length * sum(inner)
    if isinstance(step, ir.WhileStep):
        return trips * sum(inner)
    return sum(buffer.nbytes for buffer in step.results)


def _stage(stage: ir.Stage) -> int:
    if isinstance(stage, ir.Map):
        return _stores(stage.stores, stage.vars)
    return _stores(stage.stores, stage.kept) + _stores(stage.inner, [*stage.kept, *stage.reduced])


def _stores(stores: list[ir.Store], loops: list[ir.LoopVar]) -> int:
    points = math.prod(v.extent for v in loops)
    return points * sum(np.dtype(store.buffer.dtype).itemsize for store in stores)
