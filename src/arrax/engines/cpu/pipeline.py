"""The contents page of the compiler: what happens to a program, in order.

    jaxpr -> simplify -> jaxpr -> fuse -> loop IR -> merge_kernels, split_reductions,
    coalesce, bufferize -> loop IR -> emit -> LLVM -> machine code
"""
from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from arrax.core.jaxpr import ClosedJaxpr
from arrax.engines.cpu import machine
from arrax.engines.cpu.kernels.emit_expr import CannotEmit
from arrax.engines.cpu.kernels.emit_program import ProgramEmitter
from arrax.engines.cpu.op_lowerings import NOT_EMITTED, emission_key
from arrax.engines.cpu.passes.bufferize import bufferize
from arrax.engines.cpu.passes.coalesce import coalesce
from arrax.engines.cpu.passes.fuse import Program, fuse_program
from arrax.engines.cpu.passes.merge_kernels import merge_kernels
from arrax.engines.cpu.passes.simplify import simplify
from arrax.engines.cpu.passes.split_reductions import split_reductions


@dataclass
class Compilation:
    """All that is known of one program on its way."""

    closed: ClosedJaxpr
    name: str
    program: Program | None = None
    region: Any = None
    arena_bytes: int = 0
    emitter: Any = None
    code: Any = None
    seconds: dict[str, float] = field(default_factory=dict)


def _simplify(c: Compilation) -> None:
    c.closed = simplify(c.closed)


def _fuse(c: Compilation) -> None:
    c.program, c.region = fuse_program(c.closed)


def _merge(c: Compilation) -> None:
    merge_kernels(c.region)


def _split(c: Compilation) -> None:
    split_reductions(c.region)


def _coalesce(c: Compilation) -> None:
    coalesce(c.region)


def _bufferize(c: Compilation) -> None:
    c.arena_bytes = bufferize(c.region)


def _emit(c: Compilation) -> None:
    c.emitter = ProgramEmitter(c.name)
    c.emitter.emit(c.region)


def _machine(c: Compilation) -> None:
    c.code = machine.compile_module(c.emitter.module)


@dataclass(frozen=True)
class Pass:
    """One entry of the pipeline."""

    name: str
    function: Callable[[Compilation], None]


PIPELINE = [
    Pass("simplify", _simplify),
    Pass("fuse", _fuse),
    Pass("merge_kernels", _merge),
    Pass("split_reductions", _split),
    Pass("coalesce", _coalesce),
    Pass("bufferize", _bufferize),
    Pass("emit", _emit),
    Pass("machine", _machine),
]


def run_pipeline(closed: ClosedJaxpr, name: str) -> Compilation:
    """Compile a program. Operations that turn out to have no machine code become host calls."""
    while True:
        compilation = Compilation(closed, name)
        try:
            for entry in PIPELINE:
                start = time.perf_counter()
                entry.function(compilation)
                compilation.seconds[entry.name] = time.perf_counter() - start
            return compilation
        except CannotEmit as error:
            key = emission_key(error.eqn)
            if key in NOT_EMITTED:
                raise
            NOT_EMITTED.add(key)
