"""Compiled programs."""
from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from arrax import _native
from arrax.core.array import array_of
from arrax.core.dtypes import storage_dtype
from arrax.core.jaxpr import ClosedJaxpr, Eqn, jaxprs_in_params
from arrax.engines.cpu import machine
from arrax.engines.cpu.cost import cost_of
from arrax.engines.cpu.kernels.emit_program import kernel_work
from arrax.engines.cpu.loop_ir import Copy, HostCallStep, Kernel, Region, host_calls
from arrax.engines.cpu.loop_text import region_text
from arrax.engines.cpu.pipeline import Compilation, llvm_module, run_pipeline


class Executable:
    """A program for the CPU; call it with a list of concrete arrays.

    `program` is the native object that the jit call path runs.
    """

    def __init__(self, closed: ClosedJaxpr, donated: tuple[bool, ...], name: str):
        self.closed = closed
        self.name = name
        _native.require_room(ROOM + ROOM_OF_EQUATION * len(closed.eqns))
        self.compilation: Compilation = run_pipeline(closed, name, donated)
        self.program = _native_program(self.compilation, closed, donated, name)

    def __call__(self, arrays: list[Any]) -> list[Any]:
        return self.program.run(arrays)  # type: ignore[no-any-return]

    @property
    def runs_blocks(self) -> bool:
        """Whether `run_blocks` may run it: nothing but code on vectors of one length."""
        c = self.compilation
        assert c.program is not None
        shapes = {aval.shape for aval in (*self.closed.in_avals, *self.closed.out_avals)}
        return (len(shapes) == 1 and len(shapes.pop()) == 1 and c.checks is None
                and not c.arena_bytes and not host_calls(c.region)
                and all(forward < 0 for forward in c.program.forwards))

    def run_blocks(self, arrays: Sequence[np.ndarray], shape: tuple[int, ...]) -> Any:
        """The results, ndarrays of `shape`, of a program of blocks on contiguous ndarrays that have
        as many elements, or one, which stands for all."""
        return _native.run_blocks(self.program, tuple(arrays), shape)

    def as_text(self, stage: str = "jaxpr") -> str:
        """The program at a stage: "jaxpr", "simplified", "loops", "llvm", "assembly"."""
        stages: dict[str, Callable[[], str]] = {
            "jaxpr": lambda: str(self.closed),
            "simplified": lambda: str(self.compilation.closed),
            "loops": lambda: region_text(self.compilation.region),
            "llvm": lambda: str(llvm_module(self.compilation)),
            "assembly": lambda: machine.assembly(llvm_module(self.compilation))}
        if stage not in stages:
            raise ValueError(f"as_text: stage must be one of {', '.join(stages)}, got {stage!r}")
        return stages[stage]()

    def cost_analysis(self) -> dict[str, float]:
        """Rough counts (see `cost_of`), and the bytes of scratch memory, "arena bytes"."""
        return {**cost_of(self.compilation.closed),
                "arena bytes": float(self.compilation.arena_bytes)}


def is_long(region: Region) -> bool:
    """Whether a run is worth letting other Python threads in: loops, calls, large kernels."""
    work = 0
    for step in region.steps:
        if isinstance(step, Copy):
            work += step.source.nbytes if step.moves else 0
        elif isinstance(step, Kernel):
            work += kernel_work(step)
        else:
            return True
    return work > LONG_WORK


LONG_WORK = 200_000
# LLVM ends the process where it gets no memory, and Python may: compiling starts only if there is
# this much.
ROOM = 64 << 20
ROOM_OF_EQUATION = 32 << 10


def _native_program(c: Compilation, closed: ClosedJaxpr, donated: tuple[bool, ...],
                    name: str) -> Any:
    assert c.program is not None
    calls = [_host_call(step) for step in host_calls(c.region)]
    if c.checks is not None:
        calls.append((c.checks.raise_failure, [], [], False))
    return _native.Program(
        c.code.address, closed.in_avals, closed.out_avals,
        consts=[array_of(value) for value in c.program.constants], arena_bytes=c.arena_bytes,
        host_calls=calls, forwards=c.program.forwards, aliases=c.aliases,
        releases_gil=is_long(c.region), donated=[i for i, flag in enumerate(donated) if flag],
        keepalive=c.code, name=name)


def keeps_operands(eqn: Eqn) -> bool:
    """Whether an equation's evaluation may hand its operands to code that is not ours: it says so,
    it runs a program (in which callbacks may be), or nothing is known of it."""
    lower = eqn.primitive.lower
    return (lower is None or getattr(lower, "keeps_operands", False) or bool(eqn.effects)
            or any(True for _ in jaxprs_in_params(eqn.params)))


def _host_call(step: HostCallStep) -> tuple[Any, list[Any], list[Any], bool]:
    """(function, operand specs, result specs, whether operands are copied) of a call of an
    equation's NumPy evaluation."""
    eqn = step.eqn
    primitive, params = eqn.primitive, eqn.params
    evaluate = primitive.rule("evaluate")

    def call(*operands: np.ndarray) -> Any:
        with np.errstate(all="ignore"):
            result = evaluate(*operands, **params)
        return list(result) if primitive.multiple_results else [result]

    specs = [[(storage_dtype(v.aval.dtype), v.aval.shape) for v in atoms]
             for atoms in (eqn.invars, eqn.outvars)]
    return call, specs[0], specs[1], keeps_operands(eqn)
