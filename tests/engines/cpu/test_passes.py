"""What passes make of small programs; most of these tests are text files (`test_pass_files.py`)."""
from __future__ import annotations

from collections.abc import Callable
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


def test_a_large_sum_is_cut_for_the_threads() -> None:
    compilation = after("split_reductions", lambda x: [x.sum()], np.ones(1 << 20, np.float32))
    assert [step.name for step in compilation.region.steps] == ["reduce_sum", "join_reduce_sum"]


def test_an_operation_without_lowering_is_a_host_call() -> None:
    square = np.eye(3, dtype=np.float32)
    text = region_text(after("fuse", lambda x: list(prim("hessenberg")(x)), square).region)
    assert text.splitlines()[-2:] == ["out0, out1 = host hessenberg(in0)", "-> out0, out1"]
