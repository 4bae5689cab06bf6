"""Long sums in blocks: the errors of a sum do not grow with the number of its elements.

After at most `BLOCK` additions an accumulator is added to a *total*, together with the rounding
error of that addition (Knuth's two-sum), and starts anew. The loop that reaches this count is cut
into blocks; loops inside are whole. Sums of floats and complex numbers alone have totals.
"""
from __future__ import annotations

from collections.abc import Callable
from typing import Any

from llvmlite import ir

from arrax.engines.cpu.loop_ir import Reduce
from arrax.engines.cpu.operations import operation_of
from arrax.ops.p import add_p

BLOCK = 128  # additions to one accumulator


def block_of(extents: list[int]) -> tuple[int, int] | None:
    """Which of nested loops (outermost first) is cut into blocks, and of how many iterations; None
    where there are few iterations in all."""
    inside = 1
    for position in range(len(extents) - 1, -1, -1):
        if inside * extents[position] > BLOCK:
            return position, max(1, BLOCK // inside)
        inside *= extents[position]
    return None


class Cascade:
    """The totals of a stage's sums. `accumulators` has, for each item and copy, the slots of its
    accumulators; a slot has one part, or two for complex numbers."""

    def __init__(self, stage: Reduce, accumulators: list[Any],
                 alloca: Callable[[ir.Type], ir.Value], builder: ir.IRBuilder):
        self.sums: list[tuple[ir.Value, ir.Value, ir.Value]] = []  # accumulator, total, error
        plus = operation_of(add_p)
        for item, copies in zip(stage.items, accumulators, strict=True):
            if item.operation is not plus or item.exprs[0].dtype.kind not in "fc":
                continue
            for part in (part for slots in copies for slot in slots for part in slot):
                total, error = alloca(part.allocated_type), alloca(part.allocated_type)
                for place in (total, error):
                    builder.store(ir.Constant(part.allocated_type, _ZERO), place)
                self.sums.append((part, total, error))

    def flush(self, builder: ir.IRBuilder) -> None:
        """Add the accumulators to the totals."""
        for part, total, error in self.sums:
            kind = part.allocated_type
            x, high = builder.load(part, typ=kind), builder.load(total, typ=kind)
            low = builder.load(error, typ=kind)
            total_now = builder.fadd(high, x)
            rounded = builder.fsub(total_now, high)
            lost = builder.fadd(builder.fsub(high, builder.fsub(total_now, rounded)),
                                builder.fsub(x, rounded))
            builder.store(builder.fadd(low, lost), error)
            builder.store(total_now, total)
            builder.store(ir.Constant(kind, _ZERO), part)

    def finish(self, builder: ir.IRBuilder) -> None:
        """Leave the sums in the accumulators. The errors are NaN once a total is infinite."""
        self.flush(builder)
        for part, total, error in self.sums:
            kind = part.allocated_type
            high, low = builder.load(total, typ=kind), builder.load(error, typ=kind)
            known = builder.fcmp_ordered("ord", low, low)
            builder.store(builder.select(known, builder.fadd(high, low), high), part)


_ZERO = None  # LLVM's zeroinitializer
