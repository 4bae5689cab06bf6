"""The loop IR's text is read back: as the same text, and as kernels that are the same."""
from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import arrax.numpy as jnp
from arrax.core.parser import ParseError
from arrax.engines.cpu import loop_ir as ir
from arrax.engines.cpu.interpreter.program import interpret
from arrax.engines.cpu.kernels.kernel_key import kernel_key
from arrax.engines.cpu.loop_parser import parse_region
from arrax.engines.cpu.loop_text import region_text
from arrax.engines.cpu.pipeline import PIPELINE, Compilation, run_pass
from tests.engines.cpu.compiling import traced
from tests.engines.cpu.interpreter.test_program import PROGRAMS, flat
from tests.engines.cpu.test_random_programs import Program


def kernels(region: ir.Region) -> list[ir.Kernel]:
    """All kernels of a region, in order."""
    found: list[ir.Kernel] = []
    for step in region.steps:
        found += [step] if isinstance(step, ir.Kernel) else []
        found += [k for inner in ir.regions_of(step) for k in kernels(inner)]
    return found


def compilations(fun: Any, args: Any) -> Any:
    """The compilation after each pass that gives loop IR."""
    closed, _ = traced(fun, *args)
    compilation = Compilation(closed, "test")
    for entry in PIPELINE:
        if entry.name == "code":
            return
        run_pass(entry, compilation)
        if entry.loop_ir:
            yield compilation


def check_round_trip(region: ir.Region) -> ir.Region:
    text = region_text(region)
    again = parse_region(text)
    assert region_text(again) == text
    before, after = kernels(region), kernels(again)
    assert len(before) == len(after)
    for one, other in zip(before, after, strict=True):
        assert kernel_key(one)[0] == kernel_key(other)[0]
    return again


@pytest.mark.parametrize("seed", range(2000, 2060))
def test_random_programs_round_trip_after_each_pass(seed: int) -> None:
    draw = np.random.default_rng(seed)
    shape = tuple(draw.integers(1, 22, draw.integers(1, 4)))
    inputs = [draw.standard_normal(shape).astype(np.float32) for _ in range(2)]
    for compilation in compilations(Program(seed), inputs):
        check_round_trip(compilation.region)


@pytest.mark.parametrize("name", PROGRAMS)
def test_programs_round_trip_after_each_pass(name: str) -> None:
    fun, *args = PROGRAMS[name]
    for compilation in compilations(flat(fun), args):
        check_round_trip(compilation.region)


def test_what_was_read_computes_the_same() -> None:
    fun, *args = PROGRAMS["scan"]
    for compilation in compilations(flat(fun), args):
        inputs = [*args, *(np.asarray(c) for c in compilation.program.constants)]
        want = interpret(compilation.region, inputs, compilation.arena_bytes)
        got = interpret(parse_region(region_text(compilation.region)), inputs,
                        compilation.arena_bytes)
        for g, w in zip(got, want, strict=True):
            np.testing.assert_array_equal(g, w)


@pytest.mark.parametrize("value", [
    0.1, -0.0, 1e-45, np.inf, -np.inf, np.nan, np.copysign(np.nan, -1), 16777217])
@pytest.mark.parametrize("dtype", ["float32", "float64", "float16", "complex64", "bfloat16"])
def test_constants_keep_their_bytes(value: float, dtype: str) -> None:
    x = np.asarray(value).astype(jnp.dtype(dtype))
    y = ir.Buffer((), x.dtype, "output", 0)
    kernel = ir.Kernel([], [ir.Map([], [ir.Store(y, ir.ZERO, ir.Constant(x[()], x.dtype))])])
    again = check_round_trip(ir.Region([], [kernel], [y]))
    assert interpret(again, [])[0].tobytes() == x.tobytes()


@pytest.mark.parametrize("text, message", [
    ("-> out0", "expected the end at line 1, column 4"),
    ("in0 = input q7[3]\n-> in0", "unknown dtype 'q7'"),
    ("view0 = input f32[3] of in0\n-> view0", "buffer 'in0' is not declared"),
    ("in0 = input f32[3]\nkernel x :\n  map i0<3:\n    in0[i1] = 1.0:f32\n-> in0",
     "no operation is called 'i1'"),
    ("in0 = input f32[3]\nkernel x :\n  map i0<3:\n    in0[i0] = neg(in0[i0)\n-> in0",
     "expected ']' at line 4, column 25"),
    ("in0 = input f32[3]\nin0 = host nonsense(in0)\n-> in0", "unknown primitive 'nonsense'"),
])
def test_what_is_no_text_is_refused(text: str, message: str) -> None:
    with pytest.raises(Exception, match=message) as raised:
        parse_region(text)
    assert isinstance(raised.value, ParseError)
