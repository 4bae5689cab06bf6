"""Traced programs keep the checker's invariants, and their text reads back to the same text."""
from __future__ import annotations

import enum
import importlib
import pkgutil

import numpy as np
import pytest

from arrax import lax, ops
from arrax.control.cond import cond, switch
from arrax.control.loops import fori_loop, while_loop
from arrax.control.scan import scan
from arrax.core import config
from arrax.core.aval import ShapedArray
from arrax.core.checker import check_jaxpr
from arrax.core.parser import Opaque, parse_closed_jaxpr, parse_value
from arrax.core.primitive import registry
from arrax.core.printer import value_text
from arrax.core.pytree import tree_leaves
from arrax.transforms.batching import Axis, batch_jaxpr
from arrax.transforms.jvp import jvp_jaxpr
from arrax.transforms.staging import trace_to_jaxpr

MATRIX, VECTOR, SCALAR = (ShapedArray(s, np.dtype("float32")) for s in ((3, 4), (5,), ()))
FLAG, NUMBER = ShapedArray((), np.dtype(bool)), ShapedArray((), np.dtype("int32"))
BF16 = ShapedArray((2, 2), np.dtype("float32")).update(dtype=lax.convert_element_type(
    1.0, "bfloat16").dtype)
IMAGE = ShapedArray((1, 2, 5, 5), np.dtype("float32"))

PROGRAMS = [
    ("elementwise", lambda x: lax.add(lax.mul(lax.sin(x), np.float32(2)),
                                       lax.div(lax.exp(lax.neg(x)), lax.tanh(x))), [MATRIX]),
    ("literals", lambda x: (x, 3, 1.5, np.nan, -np.inf, True, 1j, np.float16(0.1)), [SCALAR]),
    ("compare", lambda x: lax.select_n(lax.lt(x, lax.full_like(x, 0)), x, lax.neg(x)), [MATRIX]),
    ("bfloat16", lambda x: lax.mul(x, x), [BF16]),
    ("dot", lambda x: lax.dot_general(x, x, (((1,), (1,)), ((), ())),
                                      precision=lax.Precision.HIGHEST), [MATRIX]),
    ("convolution", lambda x: lax.conv_general_dilated(x, x, (1, 2), "SAME"), [IMAGE]),
    ("shapes", lambda x: lax.pad(lax.rev(lax.transpose(x, (1, 0)), (0,)), np.float32(0),
                                 ((1, 1, 0), (0, 2, 1))), [MATRIX]),
    ("slices", lambda x, i: lax.dynamic_update_slice(
        x, lax.dynamic_slice(x, (i, 0), (1, 2)), (0, i)), [MATRIX, NUMBER]),
    ("reductions", lambda x: (lax.reduce_max_p.bind(x, axes=(0,), out_sharding=None),
                              lax.argmax(x, 1, np.int32), lax.cumsum(x, 1)), [MATRIX]),
    ("sort", lambda x: lax.sort(x, dimension=0), [MATRIX]),
    ("iota", lambda: lax.iota(np.int32, 4), []),
    ("rounding", lambda x: lax.round(x, lax.RoundingMethod.TO_NEAREST_EVEN), [MATRIX]),
    ("fft", lambda x: lax.fft(lax.convert_element_type(x, np.complex64), lax.FftType.FFT, (4,)),
     [MATRIX]),
    ("captured", lambda x: lax.add(x, np.ones((3, 4), np.float32)), [MATRIX]),
    ("scan", lambda x: scan(lambda c, y: (lax.add(c, y), lax.mul(c, y)), np.float32(0), x),
     [VECTOR]),
    ("cond", lambda p, x: cond(p, lax.sin, lax.cos, x), [FLAG, SCALAR]),
    ("switch", lambda i, x: switch(i, [lax.sin, lax.cos, lax.neg], x), [NUMBER, SCALAR]),
    ("while", lambda x: while_loop(lambda c: lax.lt(c, np.float32(3)),
                                   lambda c: lax.add(c, np.float32(1)), x), [SCALAR]),
    ("fori", lambda x: fori_loop(0, 3, lambda i, c: lax.mul(c, c), x), [SCALAR]),
    ("nested", lambda x: scan(lambda c, y: (fori_loop(0, 2, lambda i, d: lax.sin(d), c), None),
                              np.float32(0), x), [VECTOR]),
]
NAMES = [name for name, _, _ in PROGRAMS]


def trace(function, avals):
    return trace_to_jaxpr(lambda *args: tree_leaves(function(*args)), avals)


@pytest.mark.parametrize("name,function,avals", PROGRAMS, ids=NAMES)
def test_text_reads_back(name, function, avals):
    closed = trace(function, avals)
    check_jaxpr(closed, weak_types=True)
    again = parse_closed_jaxpr(str(closed), closed.consts)
    assert str(again) == str(closed)
    check_jaxpr(again)
    for eqn in again.eqns:
        assert not any(isinstance(value, Opaque) for value in eqn.params.values()), eqn
        original = next(e for e in closed.eqns if e.primitive is eqn.primitive)
        assert eqn.params.keys() == original.params.keys()


def enums_of_operations():
    """The enums of arrax.ops: all stand in parameters."""
    modules = [importlib.import_module(f"{ops.__name__}.{m.name}")
               for m in pkgutil.iter_modules(ops.__path__)]
    found = {value for module in modules for value in vars(module).values()
             if isinstance(value, enum.EnumType) and value.__module__ == module.__name__}
    return sorted(found, key=lambda kind: kind.__name__)


@pytest.mark.parametrize("member", [m for kind in enums_of_operations() for m in kind], ids=repr)
def test_members_of_enums_read_back(member):
    assert parse_value(value_text((member,)))[0] is member
    if type(member).__name__ in value_text(member):
        assert parse_value(value_text(member)) is member


@pytest.mark.parametrize("preset", lax.DotAlgorithmPreset)
def test_algorithms_of_products_read_back(preset):
    closed = trace(lambda x: registry["dot_general"].bind(
        x, x, dimension_numbers=(((0,), (0,)), ((), ())), precision=preset,
        preferred_element_type=None, out_sharding=None), [VECTOR])
    again = parse_closed_jaxpr(str(closed), closed.consts)
    assert again.eqns[-1].params["precision"] is preset


def test_modes_of_gathers_read_back():
    closed = trace(lambda x, i: lax.gather(
        x, i, lax.GatherDimensionNumbers((), (0,), (0,)), (1,), mode="clip"),
        [VECTOR, ShapedArray((2, 1), np.dtype("int32"))])
    again = parse_closed_jaxpr(str(closed), closed.consts)
    assert again.eqns[-1].params["mode"] is lax.GatherScatterMode.CLIP


@pytest.mark.parametrize("name,function,avals", PROGRAMS, ids=NAMES)
def test_transformed_programs_are_well_formed(name, function, avals):
    with config.enable_checks(True):
        closed = trace(function, avals)
        inexact = [a.dtype.kind == "f" for a in closed.in_avals]
        if any(inexact):
            closed_jvp, _ = jvp_jaxpr(closed, inexact, False)
            check_jaxpr(closed_jvp)
            again = parse_closed_jaxpr(str(closed_jvp), closed_jvp.consts)
            assert str(again) == str(closed_jvp)
        if closed.in_avals:
            batched, _ = batch_jaxpr(closed, Axis(None, 7), [True] * len(closed.in_avals))
            check_jaxpr(batched)
