"""What passes make of small programs, as text."""
from __future__ import annotations

from collections.abc import Callable
from textwrap import dedent
from typing import Any

import numpy as np
import pytest

import arrax.numpy as jnp
from arrax import lax
from arrax.engines.cpu.loop_text import region_text
from arrax.engines.cpu.pipeline import PIPELINE, Compilation
from tests.engines.cpu.compiling import prim, traced

X = np.ones((20, 6), np.float32)
V = np.ones(8, np.float32)
W = np.ones((4, 4), np.float32)


def after(name: str, fun: Callable[..., Any], *args: Any) -> Compilation:
    """The compilation of `fun` up to and with the pass `name`."""
    closed, _ = traced(fun, *args)
    compilation = Compilation(closed, "test")
    for entry in PIPELINE:
        entry.function(compilation)
        if entry.name == name:
            break
    return compilation


SIMPLIFY = {
    "equal equations": (lambda x: [x * x + x * x],
                        "{ lambda ; a:f32[8]. let b:f32[8] = mul a a; c:f32[8] = add b b in (c,)"
                        " }"),
    "dead equations": (lambda x: [(jnp.sin(x), x + x)[1]],
                       "{ lambda ; a:f32[8]. let b:f32[8] = add a a in (b,) }"),
    "multiplication by one": (lambda x: [-(x * np.float32(1))],
                              "{ lambda ; a:f32[8]. let b:f32[8] = neg a in (b,) }"),
    "sizes of 1 are broadcast": (lambda x: [lax.mul(x, x[2:3])], """\
        { lambda ; a:f32[8]. let
            b:f32[1] = slice[limit_indices=(3,) start_indices=(2,) strides=None] a
            c:f32[8] = broadcast_in_dim[broadcast_dimensions=(0,)] b
            d:f32[8] = mul a c
          in (d,) }"""),
    "a fold of one element": (lambda x: [-lax.reduce_max(x.reshape(8, 1), (1,))], """\
        { lambda ; a:f32[8]. let
            b:f32[8,1] = reshape[dimensions=None new_sizes=(8, 1) sharding=None] a
            c:f32[8] = reshape[dimensions=None new_sizes=(8,) sharding=None] b
            d:f32[8] = neg c
          in (d,) }"""),
    "a transposed product": (lambda x: [lax.dot(x.reshape(2, 4), x[:4].reshape(4, 1)).T], """\
        { lambda ; a:f32[8]. let
            b:f32[2,4] = reshape[dimensions=None new_sizes=(2, 4) sharding=None] a
            c:f32[4] = slice[limit_indices=(4,) start_indices=(0,) strides=None] a
            d:f32[4,1] = reshape[dimensions=None new_sizes=(4, 1) sharding=None] c
            e:f32[1,2] = dot_general[dimension_numbers=(([0], [1]), ([], []))] d b
          in (e,) }"""),
    "a transposed product that is used elsewhere": (
        lambda x: [(y := lax.dot(x.reshape(2, 4), x.reshape(4, 2))).T, y], """\
        { lambda ; a:f32[8]. let
            b:f32[2,4] = reshape[dimensions=None new_sizes=(2, 4) sharding=None] a
            c:f32[4,2] = reshape[dimensions=None new_sizes=(4, 2) sharding=None] a
            d:f32[2,2] = dot_general[dimension_numbers=(([1], [0]), ([], []))] b c
            e:f32[2,2] = transpose[permutation=(1, 0)] d
          in (e, d) }"""),
}


@pytest.mark.parametrize("name", SIMPLIFY)
def test_simplify(name: str) -> None:
    fun, text = SIMPLIFY[name]
    found = " ".join(str(after("simplify", fun, V).closed).split())
    assert found == " ".join(text.split())


LOOPS: dict[str, Any] = {
    "a chain is one kernel": ("fuse", lambda x: [jnp.tanh(x * 2 + 1)], [V], """\
        kernel tanh :
          map i0<8:
            out0[i0] = tanh(add(mul(in0[i0], 2.0), 1.0))
        -> out0"""),
    "views are index maps": ("fuse", lambda x: [lax.rev(x[2:].T, (0,))], [X], """\
        kernel rev i0<6:
          map i1<18:
            out0[18*i0 + i1] = in0[-1*i0 + 6*i1 + 17]
        -> out0"""),
    "an epilogue follows its fold": ("merge_kernels", lambda x: [jnp.sqrt(x.sum(0))], [X], """\
        kernel reduce_sum :
          reduce i0<20 for i1<6:
            r0 = fold add(in0[6*i0 + i1])
            then out0[i1] = sqrt(r0)
        -> out0"""),
    "rows are read once": (
        "merge_kernels", lambda x: [x / x.sum(1, keepdims=True)], [X], """\
        kernel reduce_sum i0<20:
          reduce i1<6 for :
            r0 = fold add(in0[6*i0 + i1])
          map i2<6:
            out0[6*i0 + i2] = div(in0[6*i0 + i2], r0)
        -> out0"""),
    "a loop multiplies by columns": (
        "coalesce", lambda w, h: [lax.scan(lambda h, _: (w @ h, None), h, None, 9)[0]], [W, W[0]],
        """\
        out0 = in1
        kernel transpose i0<4:
          map i1<4:
            tmp0[i1 + 4*i0] = in0[4*i1 + i0]
        scan 9 with :
          kernel dot_general :
            reduce i2<4 for i3<4:
              r0 = fold add(mul(tmp0[4*i2 + i3], out0[i2]))
              then tmp1[i3] = r0
          out0 = tmp1
          -> tmp1
        -> out0"""),
    "a short loop does not prepare": (
        "coalesce", lambda w, h: [lax.scan(lambda h, _: (w @ h, None), h, None, 2)[0]], [W, W[0]],
        """\
        out0 = in1
        scan 2 with :
          kernel dot_general i0<4:
            reduce i1<4 for :
              r0 = fold add(mul(in0[i1 + 4*i0], out0[i1]))
              then tmp0[i0] = r0
          out0 = tmp0
          -> tmp0
        -> out0"""),
    "a carry is updated in place": (
        "coalesce", lambda x: [lax.scan(lambda x, _: (x * 0.5, None), x, None, 9)[0]], [V], """\
        out0 = in0
        scan 9 with :
          kernel mul :
            map i0<8:
              out0[i0] = mul(out0[i0], 0.5)
          -> out0
        -> out0"""),
}


@pytest.mark.parametrize("name", LOOPS)
def test_loop_ir(name: str) -> None:
    last, fun, args, text = LOOPS[name]
    assert region_text(after(last, fun, *args).region) == dedent(text)


def test_a_large_sum_is_cut_for_the_threads() -> None:
    compilation = after("split_reductions", lambda x: [x.sum()], np.ones(1 << 20, np.float32))
    assert [step.name for step in compilation.region.steps] == ["reduce_sum", "join_reduce_sum"]


def test_an_operation_without_lowering_is_a_host_call() -> None:
    square = np.eye(3, dtype=np.float32)
    text = region_text(after("fuse", lambda x: list(prim("hessenberg")(x)), square).region)
    assert text == "out0, out1 = host hessenberg(in0)\n-> out0, out1"
