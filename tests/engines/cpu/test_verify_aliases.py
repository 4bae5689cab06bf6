"""The verifier of aliasing: programs whose values were made to share memory wrongly."""
from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import arrax.numpy as jnp
from arrax import lax
from arrax.core.errors import InternalError
from arrax.engines.cpu import loop_ir as ir
from arrax.engines.cpu.passes.verify_aliases import verify_aliases, verify_sharing
from arrax.engines.cpu.pipeline import PIPELINE, Compilation
from tests.engines.cpu.compiling import traced

X = np.ones(32, np.float32)


def compiled_to(name: str, fun: Callable[..., Any], *args: Any, donated: tuple[bool, ...] = (),
                ) -> Compilation:
    """The compilation of `fun` up to and with the pass `name`."""
    closed, _ = traced(fun, *args)
    compilation = Compilation(closed, "test", donated)
    for entry in PIPELINE:
        entry.function(compilation)
        if entry.name == name:
            break
    return compilation


def problem_of(compilation: Compilation, aliases: Any = (), arena: int | None = None) -> str:
    assert compilation.program is not None
    with pytest.raises(InternalError) as caught:
        verify_aliases(compilation.region, compilation.program.inputs, aliases, arena)
    return str(caught.value)


def accept(compilation: Compilation) -> None:
    assert compilation.program is not None
    verify_aliases(compilation.region, compilation.program.inputs)


def temporaries(region: ir.Region) -> list[ir.Buffer]:
    """The temporaries that kernels write, in order."""
    found = [store.buffer for step in region.steps if isinstance(step, ir.Kernel)
             for stage in step.stages for store in ir.stores_of(stage)]
    return [b for b in dict.fromkeys(found) if b.kind == "temporary"]


def two_values(x: Any) -> list[Any]:
    """Both the sorted values and the sorted squares are needed to the end."""
    return [lax.sort(jnp.sin(x)) + lax.sort(x * x)]


def test_a_value_is_not_written_over_while_needed() -> None:
    compilation = compiled_to("place_lanes", two_values, X)
    accept(compilation)
    results = [s.results[0] for s in compilation.region.steps if hasattr(s, "results")]
    first, second = (b for b in results if b.kind == "temporary")
    second.home = first
    assert "was written over" in problem_of(compilation)


def test_what_the_next_iteration_reads_is_kept() -> None:
    def fun(x: Any) -> list[Any]:
        return [lax.fori_loop(0, 3, lambda i, c: c + lax.sort(jnp.cos(x) * i), x)]
    compilation = compiled_to("place_lanes", fun, X)
    accept(compilation)
    (loop,) = (s for s in compilation.region.steps if isinstance(s, ir.ScanStep))
    sorted_value = next(s for s in loop.body.steps if hasattr(s, "results")).results[0]
    carry = next(s.target for s in loop.body.steps if isinstance(s, ir.Copy)
                 and s.target.nbytes == X.nbytes)
    sorted_value.home = carry.root
    assert "was written over" in problem_of(compilation)


def test_a_kernel_that_reads_elsewhere_is_not_in_place() -> None:
    compilation = compiled_to("place_lanes", lambda x: [lax.sort(lax.sort(x)[::-1] + 1)], X)
    accept(compilation)
    (target,) = temporaries(compilation.region)
    source = next(s for s in compilation.region.steps if hasattr(s, "results")).results[0]
    source.home = target
    assert "writes over what it still reads" in problem_of(compilation)


def test_branches_are_followed() -> None:
    def fun(p: Any, x: Any) -> list[Any]:
        y = lax.sort(x)
        z = lax.cond(p, lambda: lax.sort(jnp.sin(y)), lambda: y)
        return [z + y]
    compilation = compiled_to("place_lanes", fun, np.True_, X)
    accept(compilation)
    outer = next(s for s in compilation.region.steps if hasattr(s, "results")).results[0]
    (cond,) = (s for s in compilation.region.steps if isinstance(s, ir.CondStep))
    cond.branches[0].results[0].root.home = outer.root
    assert "was written over" in problem_of(compilation)


def test_places_in_the_arena_do_not_overlap() -> None:
    compilation = compiled_to("bufferize", two_values, X)
    verify_aliases(compilation.region, compilation.program.inputs, (),  # type: ignore[union-attr]
                   compilation.arena_bytes)
    places = [s.results[0] for s in compilation.region.steps if hasattr(s, "results")]
    first, second = (b for b in places if b.kind == "temporary")
    second.offset = first.offset + 64
    assert "was written over" in problem_of(compilation, (), 1 << 20)
    second.offset = -1
    assert "without a place" in problem_of(compilation, (), 1 << 20)


def test_donated_inputs_are_read_before_their_memory_is_written() -> None:
    def fun(x: Any, y: Any) -> list[Any]:
        return [lax.sort(x) * 2, lax.sort(y) + x]
    compilation = compiled_to("coalesce", fun, X, X, donated=(True, False))
    accept(compilation)
    assert "was written over" in problem_of(compilation, aliases=(0, -1))


def test_failures_name_the_pass() -> None:
    compilation = compiled_to("bufferize", two_values, X)
    assert compilation.program is not None
    inputs, region = compilation.program.inputs, compilation.region
    verify_sharing(region, inputs, (), compilation.arena_bytes)
    places = [s.results[0] for s in region.steps if hasattr(s, "results")]
    first, second = (b for b in places if b.kind == "temporary")
    second.offset = first.offset
    with pytest.raises(InternalError, match="^bufferize: .* was written over"):
        verify_sharing(region, inputs, (), compilation.arena_bytes)
    second.home = first
    with pytest.raises(InternalError, match="^coalesce: .* was written over"):
        verify_sharing(region, inputs, (), compilation.arena_bytes)
