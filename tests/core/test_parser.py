"""Jaxpr text and back: printing what was read gives the text."""
from __future__ import annotations

import enum

import numpy as np
import pytest

from arrax.core.jaxpr import ClosedJaxpr, DropVar, Literal
from arrax.core.parameter_types import parameter_types
from arrax.core.parser import Opaque, ParseError, parse_closed_jaxpr, parse_jaxpr, parse_value
from arrax.ops import gather, shape  # noqa: F401 - declare primitives
from arrax.transforms import jit  # noqa: F401

TEXTS = [
    "{ lambda ; a:f32[3,4]. let b:f32[4,3] = transpose[permutation=(1, 0)] a in (b,) }",
    "{ lambda ; . let  in () }",
    "{ lambda a:i32[2]; b:bf16[3,4] c:key<fry>[2] d:i4[] e:f8_e4m3fn[0]. let  in (b, a, d) }",
    "{ lambda ; . let  in (nan:f32[], -inf:f32[], 1j:c64[], True:bool[], 3:i32[], 1e-05:f64[]) }",
    "{ lambda ; . let  in ((1+2j):c64[], 0.10009765625:bf16[], -2:i4[]) }",
    """{ lambda ; a:f32[3,4]. let
    b:f32[4,3] = transpose[permutation=(1, 0)] a
    c:f32[12] = reshape[dimensions=None new_sizes=(12,) sharding=None] b
    _:f32[4,3] = transpose[permutation=(1, 0)] a
    d:f32[2,12] = broadcast_in_dim[broadcast_dimensions=(1,)] c
    e:f32[2] = broadcast_in_dim 1.0:f32[]
  in (d, e, a) }""",
    """let flip = { lambda ; a:f32[3,4]. let
    b:f32[4,3] = transpose[permutation=(1, 0)] a
  in (b,) } in
{ lambda ; c:f32[3,4]. let
    d:f32[4,3] = jit[name=flip jaxpr=flip] c
    e:f32[4,3] = jit[name=flip jaxpr=flip] c
  in (d, e) }""",
    """{ lambda ; a:f32[3,4]. let
    b:f32[4,3] = jit[
      name=outer
      jaxpr={ lambda ; a:f32[3,4]. let
          b:f32[4,3] = transpose[permutation=(1, 0)] a
        in (b,) }
    ] a
  in (b,) }""",
    """{ lambda ; a:f32[3,4] b:i32[2,1]. let
    c:f32[2,4] = gather[
      dimension_numbers=GatherDimensionNumbers(offset_dims=(1,), collapsed_slice_dims=(0,), \
start_index_map=(0,), operand_batching_dims=(), start_indices_batching_dims=())
      fill_value=None
      indices_are_sorted=False
      mode=GatherScatterMode.PROMISE_IN_BOUNDS
      slice_sizes=(1, 4)
      unique_indices=False
    ] a b
  in (c,) }""",
]


@pytest.mark.parametrize("text", TEXTS)
def test_text_survives(text):
    printed = str(parse_jaxpr(text))
    assert printed.split() == text.split()  # breaks may differ where the text is hand-made
    assert str(parse_jaxpr(printed)) == printed


def test_what_is_read():
    jaxpr = parse_jaxpr(TEXTS[5])
    assert jaxpr.eqns[1].params == {"dimensions": None, "new_sizes": (12,), "sharding": None}
    assert type(jaxpr.eqns[2].outvars[0]) is DropVar
    assert jaxpr.eqns[3].params == {"broadcast_dimensions": (1,), "shape": (2, 12),
                                    "sharding": None}
    assert jaxpr.eqns[4].params["broadcast_dimensions"] == ()
    literal = jaxpr.eqns[4].invars[0]
    assert type(literal) is Literal and type(literal.val) is np.float32
    assert jaxpr.outvars[2] is jaxpr.invars[0]


def test_shared_jaxprs_are_one_object():
    first, second = (e.params["jaxpr"] for e in parse_jaxpr(TEXTS[6]).eqns)
    assert isinstance(first, ClosedJaxpr) and first.jaxpr is second.jaxpr


def test_weak_types_may_be_written():
    assert parse_jaxpr("{ lambda ; a:~f32[]. let  in (a,) }").invars[0].aval.weak_type


def test_consts():
    text = "{ lambda a:f32[2]; . let  in (a,) }"
    assert parse_closed_jaxpr(text, [np.ones(2, np.float32)]).consts[0].shape == (2,)
    with pytest.raises(ValueError, match="1 constvars but 0 consts"):
        parse_closed_jaxpr(text)


class Colour(enum.Enum):
    RED = 1


@pytest.mark.parametrize("text,value", [
    ("1", 1), ("-1.5", -1.5), ("None", None), ("True", True), ("float32", np.dtype("float32")),
    ("(1, (2.0, None))", (1, (2.0, None))), ("(1,)", (1,)), ("()", ()), ("[1, 'a']", [1, "a"]),
    ("(([1], [0]), ([], []))", (([1], [0]), ([], []))), ("np.int64(3)", np.int64(3)),
    ("sequential", "sequential"), ("Colour.RED", Colour.RED), ("1e-05", 1e-05)])
def test_values(monkeypatch, text, value):
    monkeypatch.setitem(parameter_types, "Colour", Colour)
    found = parse_value(text)
    assert found == value and type(found) is type(value)


@pytest.mark.parametrize("text", ["<lambda>", "<function f at 0x1>", "Unknown(x=1)", "x {} y"])
def test_opaque_values_print_back(text):
    assert isinstance(parse_value(text), Opaque) and str(parse_value(text)) == text


@pytest.mark.parametrize("text,message", [
    ("{ lambda ; a:f32[3]. let b:f32[3] = sinn a in (b,) }",
     "unknown primitive 'sinn' at line 1, column 37"),
    ("{ lambda ; a:f32[3]. let b:f32[3] = rev[dimensions=(0,)] c in (b,) }", "'c' at line 1"),
    ("{ lambda ; a:q32[3]. let  in (a,) }", "unknown dtype 'q32' at line 1, column 14"),
    ("{ lambda ; a:f32[n]. let  in (a,) }", r"unreadable shape \[n\]"),
    ("{ lambda ; a:f32[3]. let  in (c,) }", "variable 'c' is not bound at line 1, column 31"),
    ("{ lambda ; a:f32[3] a:f32[3]. let  in (a,) }", "variable 'a' is bound twice"),
    ("{ lambda ; a:f32[3]. let  in (a,) } x", "expected the end of the text"),
    ("{ lambda ; a:f32[3]. let  in (a,)", "expected '}'"), ("", "expected '{'"),
    ("{ lambda ; . let  in (x:f32[],) }", "unreadable literal 'x'")])
def test_errors_show_the_place(text, message):
    with pytest.raises(ParseError, match=message):
        parse_jaxpr(text)
