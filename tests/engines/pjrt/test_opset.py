"""Operations are held against the table of what StableHLO has."""
from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from arrax.core.aval import ShapedArray
from arrax.core.errors import InternalError
from arrax.engines.pjrt.builder import Builder
from arrax.engines.pjrt.opset import OPS
from tools.missing_rules import primitives

X = ShapedArray((3,), np.dtype(np.float32))


@pytest.mark.parametrize("name, count, attributes, message", [
    ("sinus", 1, {}, "StableHLO has no operation 'sinus'"),
    ("add", 1, {}, "add takes the operands lhs rhs, got 1"),
    ("sine", 2, {}, "sine takes the operands operand, got 2"),
    ("concatenate", 2, {}, r"unknown: \[\], missing: \['dimension'\]"),
    ("reverse", 1, {"axes": (0,)}, r"unknown: \['axes'\], missing: \['dimensions'\]"),
    ("reduce", 2, {"dimensions": (0,)}, "reduce has 1 regions, got 0"),
])
def test_wrong_operations(name: str, count: int, attributes: Any, message: str) -> None:
    b = Builder()
    x = b.zeros(X)
    with pytest.raises(InternalError, match=message):
        b.op(name, *[x] * count, **attributes)


def test_optional_attributes_may_be_left_out() -> None:
    b = Builder()
    x = b.zeros(X)
    b.op("sine", x)
    b.op("sine", x, result_accuracy=None)
    assert b.lines[-2].split(" = ")[1] == b.lines[-1].split(" = ")[1]


def test_results_are_what_type_rules_promise() -> None:
    """A rule that gives another type is a bug that is found when it is written."""
    from arrax.core.primitive import Primitive, registry
    wrong = Primitive("wrong_type", type_rule=lambda x: x,
                      stablehlo=lambda b, x: b.convert(x, np.dtype(np.int32)))
    try:
        b = Builder()
        with pytest.raises(InternalError, match=r"'wrong_type' gives \['tensor<3xi32>'\]; its type "
                                                r"rule promises \['tensor<3xf32>'\]"):
            b.process(wrong, (b.zeros(X),), {})
    finally:
        del registry["wrong_type"]


def test_the_table_is_consistent() -> None:
    for name, op in OPS.items():
        assert op.optional <= set(op.attributes), name


def test_rules_by_name_are_in_the_table() -> None:
    names = {p.name: p.stablehlo for p in primitives() if isinstance(p.stablehlo, str)}
    unknown = {name: rule for name, rule in names.items()
               if rule.removeprefix("stablehlo.") not in OPS}
    assert not unknown
