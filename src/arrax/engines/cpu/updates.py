"""Updates of a part of an array, written into memory that holds the rest already."""
from __future__ import annotations

from typing import Any

from arrax.core.jaxpr import Eqn
from arrax.engines.cpu import loop_ir as ir
from arrax.engines.cpu.loop_ir import Buffer, LoopVar, index_of, offset_of
from arrax.engines.cpu.views import clamp_index


def dynamic_update_slice(lowerer: Any, eqn: Eqn, target: Buffer) -> None:
    """target[start : start + size] = update, starts clamped so that the window fits."""
    update, starts = eqn.invars[1], eqn.invars[2:]
    shape, window = target.shape, update.aval.shape
    if 0 in window:
        return
    variables = [LoopVar(extent) for extent in window]
    index = tuple(index_of(v) for v in variables)
    places = []
    for i, start, extent, size in zip(index, starts, shape, window, strict=True):
        first = clamp_index(lowerer.expression(start, ()), extent - size) if extent > size \
            else ir.ZERO
        places.append(i + first)
    store = ir.Store(target, offset_of(shape, places), lowerer.expression(update, index))
    lowerer.steps.append(ir.Kernel(variables[:-1], [ir.Map(variables[-1:], [store])],
                                   eqn.primitive.name))
