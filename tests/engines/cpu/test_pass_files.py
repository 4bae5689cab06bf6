"""Passes as text: each file in `passes/` is a pass, a program before it and one after it.

`pytest tests/engines/cpu/test_pass_files.py --bless` writes what the passes make of the programs
into the files; `tools/pass_files.py` writes new ones. What comes out must also compute what went
in.
"""
from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from arrax.core.array import array_of
from arrax.core.dtypes import storage_dtype
from arrax.core.jaxpr import eval_jaxpr
from arrax.core.parser import parse_closed_jaxpr
from arrax.engines.cpu.interpreter.program import interpret, roots_of
from arrax.engines.cpu.loop_parser import parse_region
from arrax.engines.cpu.loop_text import region_text
from arrax.engines.cpu.passes.verify import verify
from arrax.engines.cpu.pipeline import PIPELINE, Compilation

FILES = sorted((Path(__file__).parent / "passes").glob("*/*.txt"))
PASSES = {entry.name: entry for entry in PIPELINE}


def run_on_text(name: str, before: str) -> tuple[Compilation, str]:
    """The pass `name` on a program, a jaxpr or a region, and the text of what comes out."""
    if before.startswith("{"):
        compilation = Compilation(parse_closed_jaxpr(before), "test")
    else:
        compilation = Compilation(None, "test", region=parse_region(before))  # type: ignore[arg-type]
    PASSES[name].function(compilation)
    if compilation.region is None:
        return compilation, str(compilation.closed)
    verify(compilation.region, placed=name == "bufferize")
    return compilation, region_text(compilation.region)


def draw_inputs(avals: Any) -> list[np.ndarray]:
    """Values for inputs of these shapes and dtypes."""
    found = []
    for position, (shape, dtype) in enumerate(avals):
        draw = np.random.default_rng(position)
        values = draw.standard_normal(shape) if dtype.kind in "fcV" else draw.integers(0, 3, shape)
        found.append(np.asarray(values).astype(dtype))
    return found


def evaluated(text: str, arena: int = 0) -> list[np.ndarray]:
    """What a program computes from drawn inputs."""
    if text.startswith("{"):
        closed = parse_closed_jaxpr(text)
        inputs = draw_inputs([(v.aval.shape, storage_dtype(v.aval.dtype))
                              for v in closed.jaxpr.invars])
        outs = eval_jaxpr(closed.jaxpr, closed.consts, *map(array_of, inputs))
        return [np.asarray(out) for out in outs]
    region = parse_region(text)
    buffers = {b.position: b for b in roots_of(region) if b.kind == "input"}
    count = max(buffers, default=-1) + 1
    return interpret(region, draw_inputs(
        [(buffers[i].shape, buffers[i].dtype) if i in buffers else ((), np.dtype(np.float32))
         for i in range(count)]), arena)


@pytest.mark.parametrize("path", FILES, ids=lambda path: f"{path.parent.name}-{path.stem}")
def test_a_pass_makes_of_a_program_what_the_file_says(path: Path, request: Any) -> None:
    before, after = path.read_text().split("\n==>\n")
    compilation, text = run_on_text(path.parent.name, before)
    if request.config.getoption("--bless"):
        path.write_text(f"{before}\n==>\n{text}\n")
        after = text + "\n"
    assert text + "\n" == after, "run with --bless if this is what the pass should do"
    want, got = evaluated(before), evaluated(text, compilation.arena_bytes)
    for w, g in zip(want, got, strict=True):
        np.testing.assert_allclose(g.astype(np.complex128 if g.dtype.kind == "c" else float),
                                   w.astype(np.complex128 if w.dtype.kind == "c" else float),
                                   rtol=1e-4, atol=1e-4)


def test_there_are_files_of_each_pass() -> None:
    assert len(FILES) > 100
    assert {path.parent.name for path in FILES} == set(PASSES) - {"donate", "code"}
