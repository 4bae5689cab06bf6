"""Programs of the loop IR by NumPy: steps in order, control flow, host and library calls.

`interpret` runs a region as it stands after any pass. `results_after_passes` gives what a program
computes after each pass of the pipeline, so that a test can say which pass is wrong.
"""
from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import Any

import numpy as np

from arrax.core.array import array_of
from arrax.core.dtypes import storage_dtype
from arrax.core.errors import InternalError
from arrax.core.jaxpr import ClosedJaxpr, eval_jaxpr
from arrax.engines.cpu import loop_ir as ir
from arrax.engines.cpu.interpreter.kernel import run_kernel
from arrax.engines.cpu.interpreter.memory import Bytes, Memory
from arrax.engines.cpu.interpreter.points import Fault
from arrax.engines.cpu.loop_ir import Buffer, Region
from arrax.engines.cpu.loop_text import region_text, step_text
from arrax.engines.cpu.pipeline import PIPELINE, Compilation, run_pass


def interpret(region: Region, inputs: Sequence[np.ndarray], arena_bytes: int = 0,
              aliases: Sequence[int] = ()) -> list[np.ndarray]:
    """The results of a program on arrays of storage dtypes, captured arrays at their end.

    `aliases` says for each result which input's memory it takes, as far as that is not -1. Raises
    InternalError, with the step's text, where the program does what the loop IR forbids.
    """
    memory = Memory(arena_bytes)
    given: list[Bytes] = []
    for array in inputs:
        data = np.frombuffer(np.ascontiguousarray(array).tobytes(), np.uint8)
        given.append(Bytes(data.copy()))
        given[-1].bytes.flags.writeable = False
    taken = {number: position for number, position in enumerate(aliases) if position >= 0}
    for position in taken.values():
        given[position].bytes = given[position].bytes.copy()
    run = _Run(memory)
    for buffer in roots_of(region):
        if buffer.kind == "input":
            memory.roots[buffer] = given[buffer.position]
        elif buffer.kind == "output" and buffer.position in taken:
            memory.roots[buffer] = given[taken[buffer.position]]
    run.region(region)
    return [memory.array(buffer).copy() for buffer in region.results]


def roots_of(region: Region) -> set[Buffer]:
    """All memory that a region names."""
    found = {b.root for b in (*region.results, *region.parameters)}
    for step in region.steps:
        if isinstance(step, ir.Kernel):
            found |= {b.root for b in ir.kernel_buffers(step)}
        elif isinstance(step, ir.Copy):
            found |= {step.source.root, step.target.root}
        elif isinstance(step, (ir.HostCallStep, ir.LibraryStep)):
            found |= {b.root for b in (*step.operands, *step.results)}
        elif isinstance(step, ir.ScanStep):
            found |= {b.root for pair in step.slices for b in pair}
        elif isinstance(step, ir.WhileStep):
            found |= {b.root for b in step.carries}
        else:
            found.add(step.index.root)
        for inner in ir.regions_of(step):
            found |= roots_of(inner)
    return found


class _Run:
    """Runs steps on the memory of one program."""

    def __init__(self, memory: Memory):
        self.memory = memory

    def region(self, region: Region) -> None:
        for step in region.steps:
            try:
                with np.errstate(all="ignore"):
                    self.step(step)
            except (Fault, ValueError, TypeError, IndexError) as error:
                raise InternalError(f"loop IR: {error} in\n{step_text(step)}") from error

    def step(self, step: Any) -> None:
        if isinstance(step, ir.Kernel):
            run_kernel(step, self.memory.of)
        elif isinstance(step, ir.Copy):
            self.copy(step)
        elif isinstance(step, (ir.HostCallStep, ir.LibraryStep)):
            self.call(step)
        elif isinstance(step, ir.WhileStep):
            self.while_loop(step)
        elif isinstance(step, ir.ScanStep):
            self.scan(step)
        else:
            self.cond(step)

    def copy(self, step: ir.Copy) -> None:
        source, target = self.memory.of(step.source), self.memory.of(step.target)
        count = step.source.nbytes
        if step.target.nbytes != count:
            raise Fault("a copy between different sizes")
        if source is target or count == 0:
            return
        target.bytes[:count] = source.bytes[:count].copy()
        if target.ready is not None:
            target.ready[:count] = True if source.ready is None else source.ready[:count]

    def call(self, step: ir.HostCallStep | ir.LibraryStep) -> None:
        """The NumPy evaluation of the step's equation."""
        eqn = step.eqn
        operands = list(step.operands)
        if isinstance(step, ir.LibraryStep) and step.updates:
            operands.insert(0, step.results[0])
        for buffer in operands:
            ready = self.memory.of(buffer).ready
            if ready is not None and not ready[:buffer.nbytes].all():
                raise Fault("an operand that nobody wrote")
        arrays = [self.memory.array(buffer).copy() for buffer in operands]
        outs = eqn.primitive.rule("evaluate")(*arrays, **eqn.params)
        outs = list(outs) if eqn.primitive.multiple_results else [outs]
        for buffer, out in zip(step.results, outs, strict=True):
            self.memory.array(buffer)[...] = np.asarray(out, buffer.dtype).reshape(buffer.shape)
            self.memory.of(buffer).mark()

    def while_loop(self, step: ir.WhileStep) -> None:
        while True:
            self.region(step.condition)
            if not self.memory.array(step.condition.results[0]).view(np.uint8).any():
                return
            self.region(step.body)

    def scan(self, step: ir.ScanStep) -> None:
        for count in range(step.length):
            row = step.length - 1 - count if step.reverse else count
            for piece, whole in step.slices:
                self.memory.roots[piece] = self.memory.of(whole).part(
                    row * piece.nbytes, piece.nbytes)
            self.region(step.body)

    def cond(self, step: ir.CondStep) -> None:
        """Out of range: negative indices take branch 0, large ones the last."""
        number = int(self.memory.array(step.index).reshape(())[()])
        self.region(step.branches[min(max(number, 0), len(step.branches) - 1)])


# ---- the pipeline --------------------------------------------------------------------------------

def results_after_passes(closed: ClosedJaxpr, args: Sequence[Any],
                         donated: tuple[bool, ...] = ()) -> list[tuple[str, list[np.ndarray]]]:
    """(name of the pass, results) for each pass that changed a program, on Arrays.

    After `simplify` they are those of the jaxpr's evaluation; after `donate` the donated inputs'
    memory is that of results.
    """
    found: list[tuple[str, list[np.ndarray]]] = []
    compilation = Compilation(closed, "interpreted", donated)
    shown = ""
    for entry in itertools.takewhile(lambda entry: entry.name != "code", PIPELINE):
        run_pass(entry, compilation)
        if compilation.region is None:
            program = compilation.closed
            outs = eval_jaxpr(program.jaxpr, program.consts, *args)
            found.append((entry.name, [array_of(out)._value() for out in outs]))
            continue
        text = f"{region_text(compilation.region)} {compilation.aliases}"
        if text != shown:
            found.append((entry.name, _interpreted(compilation, args, entry.name)))
        shown = text
    return found


def _interpreted(c: Compilation, args: Sequence[Any], name: str) -> list[np.ndarray]:
    assert c.program is not None
    inputs = [array_of(a)._value() for a in (*args, *c.program.constants)]
    typed = [np.asarray(a, storage_dtype(array_of(v).aval.dtype)) for a, v in
             zip(inputs, (*args, *c.program.constants), strict=True)]
    try:
        return interpret(c.region, typed, c.arena_bytes, c.aliases)
    except InternalError as error:
        raise InternalError(f"after {name}: {error}") from error
