"""Bad kernels, written by hand: the verifier refuses each, and says which invariant breaks."""
from __future__ import annotations

import re
from textwrap import dedent
from typing import Any

import numpy as np
import pytest

import arrax.numpy as jnp
from arrax import lax
from arrax.core.errors import InternalError
from arrax.engines.cpu import loop_ir as ir
from arrax.engines.cpu.loop_parser import parse_region
from arrax.engines.cpu.operations import operation_named
from arrax.engines.cpu.passes.verify import verify
from arrax.engines.cpu.pipeline import run_pipeline
from tests.engines.cpu.compiling import traced

HEAD = """\
in0 = input f32[20]
in1 = input i32[20]
out0 = output f32[20]
tmp0 = temporary f32[20]
"""

# Each invariant, what is wrong, the line that the message marks, and the kernel.
BAD: dict[str, tuple[str, str, str, str]] = {
    "an empty loop": ("loops", "an empty loop", "", """\
        kernel bad i0<0:
          map i1<5:
            out0[i1] = in0[i1]
        -> out0"""),
    "a load behind the end": ("bounds", "from 1 to 20 where 0 to 19", "out0[i0] = in0[i0 + 1]", """\
        kernel bad :
          map i0<20:
            out0[i0] = in0[i0 + 1]
        -> out0"""),
    "a load before the start": ("bounds", "from -1 to 18", "out0[i0] = exp(in0[i0 + -1])", """\
        kernel bad :
          map i0<20:
            out0[i0] = exp(in0[i0 + -1])
        -> out0"""),
    "a store behind the end": ("bounds", "from 0 to 23", "out0[6*i0 + i1] =", """\
        kernel bad i0<4:
          map i1<6:
            out0[6*i0 + i1] = in0[5*i0]
        -> out0"""),
    "another point": ("dependences", "other points", "tmp0[", """\
        tmp0 = in0
        kernel bad :
          map i1<20:
            tmp0[i1] = exp(tmp0[-1*i1 + 19])
        out0 = tmp0
        -> out0"""),
    "another row": ("dependences", "other points", "tmp0[", """\
        kernel bad i0<4:
          map i1<5:
            tmp0[5*i0 + i1] = in0[5*i0 + i1]
          map i2<5:
            out0[5*i0 + i2] = tmp0[-5*i0 + i2 + 15]
        -> out0"""),
    "a column": ("dependences", "other points", "tmp0[", """\
        kernel bad i0<4:
          map i1<5:
            tmp0[5*i0 + i1] = in0[5*i0 + i1]
          map i2<5:
            out0[5*i0 + i2] = tmp0[i0 + 4*i2]
        -> out0"""),
    "two points, one place": ("races", "several points", "out0[i0 + i1] =", """\
        kernel bad i0<4:
          map i1<5:
            out0[i0 + i1] = in0[5*i0 + i1]
        -> out0"""),
    "a place that indices say": ("races", "several points", "out0[", """\
        kernel bad :
          map i0<20:
            out0[clamp_index:i64[high=19](in1[i0])] = in0[i0]
        -> out0"""),
    "read before it is written": ("order", "memory is read", "out0[i0] = tmp0[i0]", """\
        kernel bad :
          map i0<20:
            out0[i0] = tmp0[i0]
        -> out0"""),
    "written after it is read": ("order", "memory is read", "out0[i1] = tmp0[i1]", """\
        kernel bad i0<1:
          map i1<20:
            out0[i1] = tmp0[i1]
          map i2<20:
            tmp0[i2] = in0[i2]
        -> out0"""),
    "a result that nobody writes": ("order", "a result", "", "-> out0"),
    "a copy of nothing": ("order", "the source of a copy", "", """\
        out0 = tmp0
        -> out0"""),
    "a number where an index is meant": ("dtypes", "no integer", "", """\
        kernel bad :
          map i0<20:
            out0[i0] = in0[exp(in0[i0])]
        -> out0"""),
    "integers stored as floats": ("dtypes", "a store of i32 into f32", "out0[i0] =", """\
        kernel bad :
          map i0<20:
            out0[i0] = in1[i0]
        -> out0"""),
}


@pytest.mark.parametrize("name", BAD)
def test_bad_kernels_are_refused(name: str) -> None:
    invariant, problem, line, text = BAD[name]
    region = parse_region(HEAD + dedent(text) + "\n")
    with pytest.raises(InternalError) as error:
        verify(region, "some_pass")
    found = str(error.value)
    assert re.search(f"after some_pass: {invariant}: .*{problem}", found), found
    marked = [shown for shown in found.splitlines() if shown.startswith(">")]
    assert not line or (marked and line[:12] in found), found


def _kernel(*stages: Any, outer: tuple[ir.LoopVar, ...] = ()) -> ir.Region:
    return ir.Region([], [ir.Kernel(list(outer), list(stages))], [])


def _fold(value: ir.Expr, *loops: ir.LoopVar) -> tuple[ir.ReduceItem, ir.Local]:
    local = ir.Local(np.dtype(np.float32))
    start = [np.float32(0)]
    return ir.ReduceItem(operation_named("add"), start, [value], [local]), local


def test_scopes() -> None:
    """What text cannot say: loop variables and folds out of their place."""
    x, out = ir.Buffer((20,), np.float32, "input", 0), ir.Buffer((20,), np.float32, "output", 0)
    i, j = ir.LoopVar(20), ir.LoopVar(20)
    here, there = ir.index_of(i), ir.index_of(j)
    with pytest.raises(InternalError, match="scopes: a loop variable outside its loop"):
        verify(_kernel(ir.Map([i], [ir.Store(out, here, ir.Load(x, there))])))
    item, local = _fold(ir.Load(x, there))
    with pytest.raises(InternalError, match="scopes: the result of a fold before the fold"):
        verify(_kernel(ir.Map([], [ir.Store(out, ir.ZERO, local)]),
                       ir.Reduce([], [j], [item], [])))
    with pytest.raises(InternalError, match="scopes: a folded loop variable after the fold"):
        verify(_kernel(ir.Reduce([], [j], [item], [ir.Store(out, there, local)])))


def test_dtypes() -> None:
    x, out = ir.Buffer((20,), np.float32, "input", 0), ir.Buffer((20,), np.float32, "output", 0)
    i = ir.LoopVar(20)
    load = ir.Load(x, ir.index_of(i))
    choice = ir.Choose([(ir.index_of(i), 0, 3)], load, ir.Constant(0, np.dtype(np.int32)))
    with pytest.raises(InternalError, match="dtypes: a choice between f32 and i32"):
        verify(_kernel(ir.Map([i], [ir.Store(out, ir.index_of(i), choice)])))
    item, local = _fold(load)
    item.initial = []
    with pytest.raises(InternalError, match="dtypes: a fold of as many operands"):
        verify(_kernel(ir.Reduce([], [i], [item], [ir.Store(out, ir.ZERO, local)])))


def test_views_of_another_dtype_are_other_elements() -> None:
    x = ir.Buffer((20,), np.float32, "temporary")
    bits = ir.Buffer((20,), np.int32, "temporary", base=x)
    i, source = ir.LoopVar(20), ir.Buffer((20,), np.float32, "input", 0)
    start = ir.Map([i], [ir.Store(x, ir.index_of(i), ir.Load(source, ir.index_of(i)))])
    j = ir.LoopVar(20)
    update = ir.Map([j], [ir.Store(bits, ir.index_of(j), ir.Apply(
        operation_named("convert_element_type"),
        {"new_dtype": np.dtype(np.int32), "weak_type": False}, [ir.Load(x, ir.index_of(j))],
        np.dtype(np.int32)))])
    region = ir.Region([], [ir.Kernel([], [start]), ir.Kernel([], [update])], [])
    with pytest.raises(InternalError, match="dependences"):
        verify(region)


# ---- what conditions prove -------------------------------------------------------------------

GUARDED: dict[str, tuple[str, int]] = {
    "a shifted load": ("(in0[i0 + -3] if 0 <= i0 + -3 < 20 else 0.0:f32)", 0),
    "a condition that allows too much": ("(in0[i0 + -3] if 0 <= i0 + -3 < 21 else 0.0:f32)", 1),
    "a condition on another index": ("(in0[i0 + -3] if 0 <= i0 + 3 < 20 else 0.0:f32)", 1),
    "conditions around": ("((in0[i0 + -3] if 3 <= i0 < 99 else 1.0:f32) if 0 <= i0 < 23 "
                          "else 0.0:f32)", 0),
    "a condition on a multiple": ("(in0[i0] if 0 <= 2*i0 < 40 else 0.0:f32)", 0),
    "a condition on a multiple, which is too weak": ("(in0[i0] if 0 <= 2*i0 < 41 else 0.0:f32)", 1),
    "a condition between multiples": ("(in0[i0 + -3] if 0 <= 2*i0 + -5 < 35 else 0.0:f32)", 0),
    "a condition on a negative multiple": ("(in0[i0] if 0 <= -2*i0 + 39 < 99 else 0.0:f32)", 0),
    "the other side": ("(0.0:f32 if 0 <= i0 < 3 else in0[i0 + -3])", 1),
    "the other side, where it ends": ("(0.0:f32 if 0 <= i0 < 20 else in0[i0 + -20])", 0),
    "neither side": ("(0.0:f32 if 10 <= i0 < 30 else in0[i0])", 1),
    "an unknown start, which cancels": (
        "(in0[i0 + -1*clamp_index:i64[high=9](in1[0])] if "
        "0 <= i0 + -1*clamp_index:i64[high=9](in1[0]) < 20 else 0.0:f32)", 1),
    "a quotient": ("(in0[[i0 + -2] // 2] if 2 <= i0 < 30 else 0.0:f32)", 0),
    "a quotient of less than nothing": ("(in0[[i0 + -2] // 2] if 1 <= i0 < 30 else 0.0:f32)", 2),
    "a remainder": ("in0[[i0] % 20]", 0),
    "an index as it is": ("in0[wide_index:i64(in1[0])]", 1),
    "an index as it is, checked": (
        "(in0[clamp_index:i64[high=19](in1[0])] if 0 <= wide_index:i64(in1[0]) < 20 "
        "else 0.0:f32)", 0),
    "what never holds": ("(in0[i0 + 50] if 40 <= i0 < 50 else 0.0:f32)", 0),
}


@pytest.mark.parametrize("name", GUARDED)
def test_what_conditions_prove(name: str) -> None:
    """What is not proved is counted. (Equal expressions of the text are not one expression, so
    that a start written twice does not cancel.)"""
    expr, unproved = GUARDED[name]
    region = parse_region("in0 = input f32[20]\nin1 = input i32[20]\nout0 = output f32[40]\n"
                          f"kernel k :\n  map i0<40:\n    out0[i0] = {expr}\n-> out0\n")
    assert verify(region) == unproved


def test_programs_are_proved_whole() -> None:
    """Data movement of all kinds, each access inside by proof."""
    def program(x: Any, i: Any) -> Any:
        y = jnp.roll(jnp.pad(x, ((2, 1), (0, 3))), (1, -2), (0, 1))
        z = lax.dynamic_update_slice(x, x[:2, :3] * 2, (i[0], i[1]))
        w = lax.dynamic_slice(y, (i[0], i[1]), (3, 4)).T.reshape(6, 2)
        return [y.sum(1), z + x, w[::-1] + 1, x[i], jnp.take(x, i, axis=1, mode="fill"),
                x.at[i].add(1.0), jnp.tile(x, (2, 3)) * 2, jnp.pad(x, 2)[::2, ::3] + 1,
                lax.pad(x, np.float32(0), ((1, 2, 2), (0, -1, 1))) * 2]

    closed, _ = traced(program, np.ones((5, 7), np.float32), np.zeros(3, np.int32))
    assert run_pipeline(closed, "test").unproved == 0
