"""The ways to compute a program, and the verdict on one.

    reference   operation by operation (`reference.py`): what all others are compared with
    eager       plain calls, where the program has control flow: its loops are compiled
    jit         compiled as a whole
    passes      the loop IR after each pass, by its NumPy interpreter: names the wrong pass. It
                takes longer than all others, so one program of `INTERPRETED` is
    check       compiled with bounds checks in every access, one program of `CHECKED`
    jax         by JAX, operation by operation, where it is asked for and installed, and the program
                has no rows, which are arrax's

Most time goes into compiling what runs once, so LLVM optimizes one program of `OPTIMIZED` only. A
way that is asked for alone is taken for each program.
"""
from __future__ import annotations

import importlib
from dataclasses import dataclass
from typing import Any

import numpy as np

import arrax
from arrax.core import config
from arrax.engines.cpu.interpreter.program import results_after_passes
from arrax.transforms.staging import trace_to_jaxpr
from tools.fuzz.compare import first_difference
from tools.fuzz.program import Program, text_of
from tools.fuzz.reference import (
    arrays_of,
    as_list,
    explained,
    load,
    names,
    run_eagerly,
    run_noisy,
    run_reference,
)

WAYS = ("eager", "passes", "jit", "check")
INTERPRETED, CHECKED, OPTIMIZED = 10, 6, 4


@dataclass(frozen=True)
class Fault:
    """A program that is wrong one way. `kind` is short ("raises", "differs", "crashes", …)."""

    way: str
    kind: str
    detail: str


def verdict(program: Program, ways: tuple[str, ...] = WAYS) -> Fault | None:
    """The first fault of a program, or None."""
    way = "reference"
    quickly = program.seed % OPTIMIZED != 0
    try:
        want = run_reference(program)
        with config.disable_most_optimizations(quickly):
            for way in ways:
                if len(ways) > 1 and not _takes(program, way):
                    continue
                found = run_passes(program) if way == "passes" else [("", RUNS[way](program))]
                for name, got in found:
                    differs = first_difference(want, got,
                                               lambda k, where: run_noisy(program, k, where))
                    if differs is not None:
                        return Fault(way, f"differs after {name}" if name else "differs", differs)
    except Exception as error:
        return Fault(way, "raises", explained(error))
    return None


def _takes(program: Program, way: str) -> bool:
    """Whether a way says something of a program, and it is its turn."""
    if way == "eager":
        return any(step.functions for step in program.steps)
    if way == "jax":
        return "row(" not in text_of(program)
    return program.seed % {"passes": INTERPRETED, "check": CHECKED}.get(way, 1) == 0


def run_jit(program: Program) -> list[np.ndarray]:
    """The results of the compiled program; compiled once more each time."""
    with arrax.enable_x64(program.x64):
        return as_list(arrax.jit(load(text_of(program), names()))(*arrays_of(program)))


def run_passes(program: Program) -> list[tuple[str, list[np.ndarray]]]:
    """The results after each pass of the compiler that changed the program."""
    with arrax.enable_x64(program.x64):
        args = arrays_of(program)
        function = load(text_of(program), names())
        closed = trace_to_jaxpr(lambda *a: arrax.tree.leaves(function(*a)), [a.aval for a in args])
        return [(name, [g.reshape(aval.shape) for g, aval in zip(got, closed.out_avals)])
                for name, got in results_after_passes(closed, args)]


def run_jax(program: Program) -> list[np.ndarray]:
    """The results by JAX: the same text with JAX's names."""
    jax = importlib.import_module("jax")
    jnp = importlib.import_module("jax.numpy")
    known: dict[str, Any] = names(jnp=jnp, lax=jax.lax, nn=jax.nn, random=jax.random,
                                  vmap=jax.vmap, grad=jax.grad, jvp=jax.jvp, jit=jax.jit,
                                  checkpoint=jax.checkpoint)
    with jax.enable_x64(program.x64):
        args = [jnp.asarray(np.asarray(a)) for a in arrays_of(program)]
        return as_list(load(text_of(program), known)(*args))


def run_checked(program: Program) -> list[np.ndarray]:
    """The results of the compiled program, every access of which is checked."""
    with config.check(True):
        return run_jit(program)


RUNS = {"eager": run_eagerly, "jit": run_jit, "check": run_checked, "jax": run_jax}
