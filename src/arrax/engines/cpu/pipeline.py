"""The contents page of the compiler: what happens to a program, in order.

    jaxpr -> simplify (`prepare.STEPS`: simplify, accumulate, swap, order, inner, turn_invariants)
    -> jaxpr -> fuse -> loop IR -> merge_kernels, split_reductions, place_lanes, coalesce, donate,
    bufferize -> loop IR -> emit -> LLVM -> machine code

The last step, `code`, takes the object code of the same loop IR where that is known.
"""
from __future__ import annotations

import itertools
import re
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from arrax.core import config
from arrax.core.jaxpr import ClosedJaxpr
from arrax.engines.cpu import machine
from arrax.engines.cpu.kernels.checks import Checks
from arrax.engines.cpu.kernels.emit_expr import CannotEmit
from arrax.engines.cpu.kernels.emit_program import ProgramEmitter
from arrax.engines.cpu.loop_text import region_text
from arrax.engines.cpu.op_lowerings import NOT_EMITTED, emission_key
from arrax.engines.cpu.passes.bufferize import bufferize
from arrax.engines.cpu.passes.coalesce import coalesce
from arrax.engines.cpu.passes.donate import donation_aliases
from arrax.engines.cpu.passes.fuse import Program, fuse_program
from arrax.engines.cpu.passes.merge_kernels import merge_kernels
from arrax.engines.cpu.passes.place_lanes import place_lanes
from arrax.engines.cpu.passes.prepare import prepare
from arrax.engines.cpu.passes.split_reductions import split_reductions
from arrax.engines.cpu.passes.verify import counts, verify
from arrax.engines.cpu.passes.verify_aliases import verify_sharing


@dataclass
class Compilation:
    """All that is known of one program on its way."""

    closed: ClosedJaxpr
    name: str
    donated: tuple[bool, ...] = ()
    program: Program | None = None
    region: Any = None
    arena_bytes: int = 0
    module: Any = None  # None too where the object code was known
    code: Any = None
    aliases: list[int] = field(default_factory=list)
    unproved: int = 0  # accesses that are checked when the program runs
    checks: Checks | None = None  # where accesses are checked as the program runs
    seconds: dict[str, float] = field(default_factory=dict)
    shown: str = ""  # the text printed last


def _simplify(c: Compilation) -> None:
    c.closed = prepare(c.closed)


def _fuse(c: Compilation) -> None:
    c.program, c.region = fuse_program(c.closed)


def _merge(c: Compilation) -> None:
    merge_kernels(c.region)


def _split(c: Compilation) -> None:
    split_reductions(c.region)


def _place(c: Compilation) -> None:
    place_lanes(c.region)


def _coalesce(c: Compilation) -> None:
    coalesce(c.region)


def _bufferize(c: Compilation) -> None:
    c.arena_bytes = bufferize(c.region)


def llvm_module(c: Compilation) -> Any:
    """The LLVM module of a program, emitted when first asked for."""
    if c.module is None:
        c.module = ProgramEmitter(c.name, c.checks).emit(c.region)
    return c.module


def _code(c: Compilation) -> None:
    # The key must hold all that emission reads: the region, and any setting that comes to decide.
    if c.checks is not None:  # the code's numbers of accesses are those of this emission
        c.code = machine.compile_module(llvm_module(c))
        return
    c.code = machine.code_of(region_text(c.region), lambda: llvm_module(c))


def _donate(c: Compilation) -> None:
    assert c.program is not None
    c.aliases = donation_aliases(c.region, c.program.inputs, c.donated, c.region.results)


@dataclass(frozen=True)
class Pass:
    """One entry of the pipeline; `loop_ir` passes are followed by the verifier, the last of those
    that let values share memory (`shared`) by that of aliasing."""

    name: str
    function: Callable[[Compilation], None]
    loop_ir: bool = False
    shared: bool = False


PIPELINE = [
    Pass("simplify", _simplify),
    Pass("fuse", _fuse, loop_ir=True),
    Pass("merge_kernels", _merge, loop_ir=True),
    Pass("split_reductions", _split, loop_ir=True),
    Pass("place_lanes", _place, loop_ir=True),
    Pass("coalesce", _coalesce, loop_ir=True),
    Pass("donate", _donate),
    Pass("bufferize", _bufferize, loop_ir=True, shared=True),
    Pass("code", _code),
]


def run_pipeline(closed: ClosedJaxpr, name: str, donated: tuple[bool, ...] = ()) -> Compilation:
    """Compile a program. Operations that turn out to have no machine code become host calls.

    With `ARRAX_DEBUG` at 1 the seconds of each pass go to stderr, at 2 the simplified jaxpr too, at
    3 the loop IR after each pass, at 4 the LLVM module.
    """
    while True:
        compilation = Compilation(closed, name, donated,
                                  checks=Checks() if config.check.value else None)
        try:
            for entry in PIPELINE:
                run_pass(entry, compilation)
            counts["unproved"] += compilation.unproved
            return compilation
        except CannotEmit as error:
            key = emission_key(error.eqn)
            if key in NOT_EMITTED:
                raise
            NOT_EMITTED.add(key)


def run_pass(entry: Pass, compilation: Compilation) -> None:
    """One pass, the verifier after it, and what `ARRAX_DEBUG` asks for."""
    start = time.perf_counter()
    entry.function(compilation)
    compilation.seconds[entry.name] = time.perf_counter() - start
    if entry.loop_ir:
        compilation.unproved = verify(compilation.region, entry.name,
                                      placed=entry.name == "bufferize")
    if entry.shared:
        assert compilation.program is not None
        verify_sharing(compilation.region, compilation.program.inputs, compilation.aliases,
                       compilation.arena_bytes)
    level = config.debug.value
    if level:
        _report(entry, compilation, level)


_dumps = itertools.count()


def _report(entry: Pass, compilation: Compilation, level: int) -> None:
    """Write what a pass did to stderr, or its text to a file of the folder `dump_ir_to`;
    "(unchanged)" where the text is the one before."""
    seconds = compilation.seconds[entry.name]
    print(f"arrax {compilation.name}: {entry.name} {seconds * 1e3:.2f} ms", file=sys.stderr)
    if entry.name == "simplify" and level >= 2:
        text = str(compilation.closed)
    elif entry.loop_ir and level >= 3:
        text = region_text(compilation.region)
    elif entry.name == "code" and level >= 4:
        text = str(llvm_module(compilation))
    else:
        return
    folder = config.dump_ir_to.value
    if folder:
        Path(folder).mkdir(parents=True, exist_ok=True)
        name = re.sub(r"\W", "_", compilation.name)
        (Path(folder) / f"{name}-{next(_dumps):04d}-{entry.name}.txt").write_text(text + "\n")
    else:
        print("(unchanged)" if text == compilation.shown else text, file=sys.stderr)
    compilation.shown = text
