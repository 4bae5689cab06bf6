"""Helpers of the compiler's tests: trace, compile, run, compare with the NumPy evaluation."""
from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from arrax import lax  # noqa: F401  (declares the primitives)
from arrax.core.array import array_of
from arrax.core.jaxpr import ClosedJaxpr, eval_jaxpr
from arrax.core.primitive import registry
from arrax.engines.cpu import loop_ir
from arrax.engines.cpu.engine import CpuEngine
from arrax.engines.cpu.interpreter.program import results_after_passes
from arrax.engines.cpu.pipeline import llvm_module, run_pipeline
from arrax.transforms.staging import trace_to_jaxpr


def prim(name: str) -> Callable[..., Any]:
    """The bind method of a primitive."""
    return registry[name].bind


def traced(fun: Callable[..., Any], *args: Any) -> tuple[ClosedJaxpr, list[Any]]:
    """`fun` as a jaxpr at the arguments, and the arguments as Arrays."""
    arrays = [array_of(np.asarray(a)) for a in args]
    return trace_to_jaxpr(fun, [a.aval for a in arrays]), arrays


def compiled(closed: ClosedJaxpr) -> Any:
    return CpuEngine().compile(closed, name="test")


def check(fun: Callable[..., Any], *args: Any, rtol: float = 2e-5, atol: float = 2e-5) -> Any:
    """Compiled results equal evaluated ones; gives the executable."""
    closed, arrays = traced(fun, *args)
    executable = compiled(closed)
    got = executable(arrays)
    want = eval_jaxpr(closed.jaxpr, closed.consts, *arrays)
    for g, w in zip(got, map(array_of, want), strict=True):
        assert g.aval.shape == w.aval.shape and g.data.dtype == w.data.dtype
        np.testing.assert_allclose(wide(g.data), wide(w.data), rtol=rtol, atol=atol)
    return executable


def check_passes(closed: ClosedJaxpr, args: Sequence[Any], rtol: float = 2e-5, atol: float = 2e-5,
                 donated: tuple[bool, ...] = ()) -> None:
    """What the program computes after each pass, by the interpreter of the loop IR, equals its
    evaluation; AssertionError that names the first pass after which it does not."""
    arrays = [array_of(a) for a in args]
    want = [array_of(w) for w in eval_jaxpr(closed.jaxpr, closed.consts, *arrays)]
    for name, got in results_after_passes(closed, arrays, donated):
        assert len(got) == len(want), f"after {name}: {len(got)} results"
        for number, (g, w) in enumerate(zip(got, want, strict=True)):
            np.testing.assert_allclose(
                wide(g.reshape(w.data.shape)), wide(w.data), rtol=rtol, atol=atol,
                err_msg=f"after {name}: result {number}")


def wide(x: np.ndarray) -> np.ndarray:
    """In a dtype that comparisons can compute with."""
    if x.dtype.kind == "c":
        return x.astype(np.complex128)
    return x.astype(np.float64) if x.dtype.itemsize < 8 or x.dtype.kind == "V" else x


def step_names(region: Any) -> list[Any]:
    """The kinds of the steps of a region, nested as the regions are."""
    names: list[Any] = []
    for step in region.steps:
        names.append(type(step).__name__)
        inner = [step_names(r) for r in loop_ir.regions_of(step)]
        if inner:
            names.append(inner)
    return names


def llvm_of(fun: Callable[..., Any], *args: Any) -> Any:
    """The LLVM module of a program."""
    closed, _ = traced(fun, *args)
    return llvm_module(run_pipeline(closed, "test"))


def emitted_size(fun: Callable[..., Any], *args: Any) -> int:
    """The LLVM instructions of a program."""
    return sum(len(block.instructions) for function in llvm_of(fun, *args).functions
               for block in function.blocks)
