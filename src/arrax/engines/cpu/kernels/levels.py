"""`Levels`: the loops around the place where code is being written.

Each level has a builder at the end of its last block. A value is written at the outermost level
where all it depends on is known, so loop-invariant code stands outside loops from the start, and
values that don't depend on the vectorized variable are computed once, as scalars.
"""
from __future__ import annotations

from typing import Any

from llvmlite import ir

from arrax.engines.cpu.kernels.lanes import I64
from arrax.engines.cpu.kernels.scalar_builder import ScalarBuilder


class Level:
    """One loop (or straight piece of code): its builder, its variables, what was written in it."""

    __slots__ = ("builder", "lanes", "variables", "vector", "mask", "memo", "builders", "loop",
                 "flag")

    def __init__(self, builder: ir.IRBuilder, lanes: int = 1):
        self.builder = builder
        self.lanes = lanes
        self.variables: dict[Any, ir.Value] = {}
        self.vector: Any = None  # the loop variable that runs over the lanes
        self.mask: ir.Value | None = None  # the lanes inside the loop's range; None: all
        self.memo: dict[Any, Any] = {}
        self.builders: dict[int, ScalarBuilder] = {}
        self.loop: Any = None
        self.flag: Any = None  # (block, flag) of a level that runs where the flag holds

    def scalar_builder(self, lanes: int | None = None) -> ScalarBuilder:
        """A `ScalarBuilder` that writes at this level."""
        lanes = self.lanes if lanes is None else lanes
        found = self.builders.get(lanes)
        if found is None:
            found = self.builders[lanes] = ScalarBuilder(self.builder, lanes)
        return found


def constant64(value: int) -> ir.Constant:
    return ir.Constant(I64, value)


class Levels:
    """A stack of levels."""

    def __init__(self, builder: ir.IRBuilder):
        self.stack = [Level(builder)]

    @property
    def top(self) -> Level:
        return self.stack[-1]

    def open_loop(self, start: ir.Value, end: ir.Value, step: int) -> ir.Value:
        """Open a loop that runs at least once; gives its counter."""
        function = self.top.builder.function
        block = function.append_basic_block("loop")
        builder = ir.IRBuilder(block)
        counter = builder.phi(I64)
        level = Level(builder)
        level.loop = (block, counter, start, end, step)
        self.stack.append(level)
        return counter

    def open_straight(self, lanes: int = 1) -> Level:
        """Open a level without a loop, written into the blocks of the level around it."""
        level = Level(self.top.builder, lanes)
        self.stack.append(level)
        return level

    def open_if(self, flag: ir.Value) -> None:
        """Open a level that runs where a flag holds. It has a builder of its own: what is written
        at the levels around it stands before it, and all that is written in it is forgotten when
        it closes, so that nothing after it can use a value that may not have been computed."""
        block = self.top.builder.function.append_basic_block("if")
        level = Level(ir.IRBuilder(block))
        level.flag = (block, flag)
        self.stack.append(level)

    def close(self) -> None:
        """Close the innermost level, writing the end of its loop or condition."""
        level = self.stack.pop()
        if level.flag is not None:
            block, flag = level.flag
            after = block.function.append_basic_block("after")
            level.builder.branch(after)
            self.top.builder.cbranch(flag, block, after)
            self.top.builder.position_at_end(after)
            return
        if level.loop is None:
            return
        block, counter, start, end, step = level.loop
        inner, outer = level.builder, self.top.builder
        following = inner.add(counter, constant64(step), flags=("nuw", "nsw"))
        again = inner.icmp_signed("<", following, end)
        exit_block = outer.function.append_basic_block("next")
        counter.add_incoming(start, outer.block)
        counter.add_incoming(following, inner.block)
        inner.cbranch(again, block, exit_block)
        outer.branch(block)
        outer.position_at_end(exit_block)
