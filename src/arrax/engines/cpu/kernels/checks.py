"""Run-time checks of every access, compiled in under the flag `check` (`ARRAX_CHECK=1`).

An access that the intervals of its offset leave in doubt is masked in any mode (`emit_expr`). Under
the flag so is one that they put inside its buffer, and if it lies outside after all, the program
reports it and ends with an InternalError that names kernel, buffer, index and the user's line.
"""
from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from llvmlite import ir

from arrax import _native
from arrax.core.errors import InternalError
from arrax.core.source_info import UNKNOWN
from arrax.engines.cpu import loop_ir
from arrax.engines.cpu.kernels.lanes import I64
from arrax.engines.cpu.kernels.memory import POINTER
from arrax.engines.cpu.kernels.scalar_builder import ScalarBuilder
from arrax.engines.cpu.loop_ir import Buffer, Kernel, LibraryStep

_programs = itertools.count()
MOST_LINES = 4  # of the user's, in a message


@dataclass(frozen=True)
class Site:
    """An access of a kernel that is checked."""

    kernel: Kernel
    access: Any  # a Load or a Store

    def message(self, index: int) -> str:
        """What to say of an element that does not exist."""
        buffer = self.access.buffer
        verb = "stores" if isinstance(self.access, loop_ir.Store) else "loads"
        lines = "".join(f"\n  computes {line}" for line in user_lines(self.kernel))
        return (f"kernel {self.kernel.name} {verb} element {index} of {name_of(buffer)}, "
                f"{buffer.dtype}{list(buffer.shape)}, which has {buffer.size}{lines}")


@dataclass(frozen=True)
class CallSite:
    """What a library call may do to one of its buffers that it should not."""

    step: LibraryStep
    buffer: Buffer
    fault: str

    def message(self, index: int) -> str:
        """What to say of an element."""
        eqn, buffer = self.step.eqn, self.buffer
        line = "" if eqn.source_info is UNKNOWN else f"\n  computes {eqn.primitive.name} at " \
            f"{eqn.source_info}"
        return (f"the library call of {eqn.primitive.name} {self.fault} element {index} of "
                f"{name_of(buffer)}, {buffer.dtype}{list(buffer.shape)}, which has {buffer.size}"
                f"{line}")


CALL_FAULTS = ("writes", "changes its operand's",
               "reads memory outside for, or leaves unwritten,")  # in the order of arrax_unguard
FILLS = (0x00, 0x7F)  # bytes around buffers in the two runs of a call: zeros, and large numbers


def name_of(buffer: Buffer) -> str:
    """Which buffer it is, in the terms of the user's function."""
    if buffer.kind == "input":
        return f"argument {buffer.position}"
    if buffer.kind == "output":
        return f"result {buffer.position}"
    return f"a {buffer.kind}" if buffer.eqn is None else f"the {buffer.eqn.primitive.name}"


def user_lines(kernel: Kernel) -> list[str]:
    """Which operations a kernel computes, and the user's lines that they stand in."""
    found: dict[str, None] = {}
    for stage in kernel.stages:
        eqns = [e.eqn for e in loop_ir.walk(loop_ir.stages_loads(stage))
                if isinstance(e, loop_ir.Apply)]
        for eqn in (*eqns, *(store.buffer.eqn for store in loop_ir.stores_of(stage))):
            if eqn is not None and eqn.source_info is not UNKNOWN:
                found[f"{eqn.primitive.name} at {eqn.source_info}"] = None
    return list(found)[:MOST_LINES]


@dataclass
class Checks:
    """The checked accesses and calls of one program, by number."""

    program: int = field(default_factory=lambda: next(_programs))
    sites: list[Site | CallSite] = field(default_factory=list)

    def expect(self, b: ScalarBuilder, inside: ir.Value, mask: ir.Value | None, first: ir.Value,
               step: int, site: Site) -> None:
        """Report an access of `b.lanes` elements, of which those in the mask (None: all) are to be
        `inside`. Lane k has the offset first + k * step, or is lane k of `first`."""
        builder = b.builder
        outside = builder.not_(inside)
        if mask is not None:
            outside = builder.and_(outside, mask)
        with builder.if_then(_any(b, outside), likely=False):
            report = b.emit.declared("arrax_out_of_bounds", ir.VoidType(), [I64] * 3)
            numbers = [ir.Constant(I64, n) for n in (self.program, len(self.sites))]
            builder.call(report, [*numbers, _offset_of_one(b, outside, first, step)])
        self.sites.append(site)

    def call(self, program: Any, step: LibraryStep, write: Callable[[Any, Any], None]) -> None:
        """Write a library call, which `write` writes, so that it is checked."""
        known, builder = program.pointers, program.builder
        operands = {buffer.root for buffer in step.operands}
        results = {buffer.root for buffer in step.results}
        roots = [root for root in dict.fromkeys([*(b.root for b in step.operands), *results])
                 if root.nbytes]
        places = {root: program.pointer(root) for root in roots}
        guard = program.declare("arrax_guard", ir.IntType(32), [POINTER, I64, I64, I64, POINTER])
        drop = program.declare("arrax_drop_guards", ir.VoidType(), [])
        builder.call(drop, [])
        for fill in FILLS:
            copies = {}
            for root in roots:
                fresh = root in results and root not in operands and not step.updates
                slot = program.writer.scratch(8)
                program.check(builder.call(guard, [
                    places[root], *(ir.Constant(I64, n) for n in (root.nbytes, fill, int(fresh))),
                    slot]))
                copies[root] = builder.load(slot, typ=POINTER)
            program.pointers = known | copies
            write(program, step)
            program.pointers = known
        end = program.declare("arrax_unguard", ir.VoidType(), [*[I64] * 4, POINTER, I64, I64])
        for number, root in enumerate(roots):
            numbers = (self.program, len(self.sites), number, len(roots))
            builder.call(end, [*(ir.Constant(I64, n) for n in numbers), places[root],
                               ir.Constant(I64, root.dtype.itemsize),
                               ir.Constant(I64, int(root in results))])
            self.sites.extend(CallSite(step, root, fault) for fault in CALL_FAULTS)
        builder.call(drop, [])

    def raise_failure(self) -> list[Any]:
        """What a program calls at its end: the error, if it reported an access."""
        found = _native.take_out_of_bounds(self.program)
        if found is not None:
            number, index = found
            raise InternalError(self.sites[number].message(index))
        return []


def _any(b: ScalarBuilder, flags: ir.Value) -> ir.Value:
    """Whether one of the lanes' flags is set."""
    if b.lanes == 1:
        return flags
    bits = b.builder.bitcast(flags, ir.IntType(b.lanes))
    return b.builder.icmp_unsigned("!=", bits, ir.Constant(bits.type, 0))


def _offset_of_one(b: ScalarBuilder, flags: ir.Value, first: ir.Value, step: int) -> ir.Value:
    """The offset of the first lane whose flag is set."""
    if b.lanes == 1:
        return first
    builder = b.builder
    bits = builder.zext(builder.bitcast(flags, ir.IntType(b.lanes)), I64)
    lane = builder.cttz(bits, ir.Constant(ir.IntType(1), 0))
    if isinstance(first.type, ir.VectorType):
        return builder.extract_element(first, lane)
    return builder.add(first, builder.mul(lane, ir.Constant(I64, step)))
