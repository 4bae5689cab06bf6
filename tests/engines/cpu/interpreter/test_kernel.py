"""Kernels by the interpreter: what the loop IR forbids is refused, what it allows is computed."""
from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from arrax.core.errors import InternalError
from arrax.engines.cpu import loop_ir as ir
from arrax.engines.cpu.interpreter.program import interpret
from arrax.engines.cpu.loop_ir import Buffer, Index, LoopVar, index_of
from arrax.engines.cpu.operations import WIDE_INDEX, operation_named

F32, I32 = np.dtype(np.float32), np.dtype(np.int32)
X = np.arange(12, dtype=np.float32)


class Setting:
    """An input of 12 elements, an output, loop variables."""

    def __init__(self, dtype: Any = F32) -> None:
        self.x, self.y = Buffer((12,), F32, "input", 0), Buffer((12,), dtype, "output", 0)
        self.row = Buffer((4,), F32, "row")
        self.i, self.j, self.k = LoopVar(3), LoopVar(4), LoopVar(4)
        self.outer, self.at = [self.i], index_of(self.i) * 4 + index_of(self.j)

    def run(self, *stages: Any, inputs: Any = (X,)) -> np.ndarray:
        kernel = ir.Kernel(self.outer, list(stages))
        return interpret(ir.Region([], [kernel], [self.y]), inputs)[0]

    def add(self, *exprs: ir.Expr) -> ir.Expr:
        return ir.Apply(operation_named("add"), {}, exprs, F32)


def test_rows_are_private_and_stages_follow_each_other() -> None:
    s = Setting()
    double = ir.Store(s.row, index_of(s.j), s.add(ir.Load(s.x, s.at), ir.Load(s.x, s.at)))
    local = ir.Local(F32)
    fold = ir.ReduceItem(operation_named("add"), [0], [ir.Load(s.row, index_of(s.k))], [local])
    place = index_of(s.i) * 4 + index_of(s.j)
    back = ir.Store(s.y, place, s.add(ir.Load(s.row, index_of(s.j) * -1 + 3), local))
    got = s.run(ir.Map([s.j], [double]), ir.Reduce([], [s.k], [fold], []), ir.Map([s.j], [back]))
    rows = 2 * X.reshape(3, 4)
    np.testing.assert_array_equal(got.reshape(3, 4), rows[:, ::-1] + rows.sum(1, keepdims=True))


def test_a_load_outside_is_refused_unless_a_choice_guards_it() -> None:
    s = Setting()
    load = ir.Load(s.x, s.at + 3)
    with pytest.raises(InternalError, match="reads element 12 of 12"):
        s.run(ir.Map([s.j], [ir.Store(s.y, s.at, load)]))
    guarded = ir.Choose([(s.at + 3, 0, 12)], load, ir.Constant(-1, F32))
    got = s.run(ir.Map([s.j], [ir.Store(s.y, s.at, guarded)]))
    np.testing.assert_array_equal(got, [*X[3:], -1, -1, -1])
    swapped = ir.Choose([(s.at + 3, 12, 99)], ir.Constant(-1, F32), load)  # loads it in any case
    with pytest.raises(InternalError, match="reads element 12 of 12"):
        s.run(ir.Map([s.j], [ir.Store(s.y, s.at, swapped)]))


def test_a_store_outside_is_refused_unless_its_condition_guards_it() -> None:
    s = Setting()
    with pytest.raises(InternalError, match="stores outside of its buffer of 12"):
        s.run(ir.Map([s.j], [ir.Store(s.y, s.at + 1, ir.Load(s.x, s.at))]))
    first = ir.Map([s.j], [ir.Store(s.y, s.at, ir.Constant(0, F32))])
    where = ir.Map([s.k], [ir.Store(
        s.y, index_of(s.i) * 4 + index_of(s.k) + 1, ir.Constant(1, F32),
        ((index_of(s.k), 0, 3),))])
    np.testing.assert_array_equal(s.run(first, where), [0, 1, 1, 1] * 3)


def test_outer_points_are_independent() -> None:
    s = Setting()
    first = ir.Map([s.j], [ir.Store(s.y, s.at, ir.Load(s.x, s.at))])
    turned = index_of(s.i) * 4 + index_of(s.k) * -1 + 3
    z = Buffer((12,), F32, "temporary")
    own = ir.Map([s.k], [ir.Store(z, index_of(s.i) * 4 + index_of(s.k), ir.Load(s.y, turned))])
    np.testing.assert_array_equal(s.run(first, own), X)
    across = index_of(s.i) * -4 + 8 + index_of(s.k)
    other = ir.Map([s.k], [ir.Store(z, index_of(s.i) * 4 + index_of(s.k), ir.Load(s.y, across))])
    with pytest.raises(InternalError, match="reads what another point writes"):
        s.run(first, other)


def test_points_of_a_map_are_independent_unless_it_is_ordered() -> None:
    s = Setting()
    s.outer = [LoopVar(11)]
    at = index_of(s.outer[0])
    start = ir.Kernel([], [ir.Map([v := LoopVar(12)], [
        ir.Store(s.y, index_of(v), ir.Load(s.x, index_of(v)))])])
    running = ir.Store(s.y, at + 1, s.add(ir.Load(s.y, at), ir.Load(s.y, at + 1)))

    def run(kernel: ir.Kernel) -> np.ndarray:
        return interpret(ir.Region([], [start, kernel], [s.y]), [X])[0]
    np.testing.assert_array_equal(
        run(ir.Kernel(s.outer, [ir.Map([], [running], ordered=True)])), np.cumsum(X))
    for kernel in (ir.Kernel(s.outer, [ir.Map([], [running])]),
                   ir.Kernel([], [ir.Map(s.outer, [running])])):
        with pytest.raises(InternalError, match="reads what another point writes"):
            run(kernel)


def test_two_points_do_not_store_one_element() -> None:
    s = Setting()
    with pytest.raises(InternalError, match="two points store the same element"):
        s.run(ir.Map([s.j], [ir.Store(s.y, index_of(s.j), ir.Load(s.x, s.at))]))


def test_what_nobody_wrote_is_not_read() -> None:
    s = Setting()
    with pytest.raises(InternalError, match="reads what nobody wrote"):
        s.run(ir.Map([s.j], [ir.Store(s.y, s.at, ir.Load(s.row, index_of(s.j)))]))


def test_dtypes_must_agree() -> None:
    s = Setting(I32)
    with pytest.raises(InternalError, match="a store of float32 into int32"):
        s.run(ir.Map([s.j], [ir.Store(s.y, s.at, ir.Load(s.x, s.at))]))
    s = Setting()
    wrong = ir.Apply(WIDE_INDEX, {}, [ir.Load(s.x, s.at)], F32)
    with pytest.raises(InternalError, match="wide_index gives int64, not float32"):
        s.run(ir.Map([s.j], [ir.Store(s.y, s.at, wrong)]))


def test_a_fold_starts_from_its_identity() -> None:
    s = Setting()
    local, zero = ir.Local(F32), Index()
    for name, start, want in (("add", 0, X.sum()), ("max", -np.inf, 11), ("mul", 1, 0)):
        fold = ir.ReduceItem(operation_named(name), [start],
                             [ir.Load(s.x, index_of(s.i) * 4 + index_of(s.j))], [local])
        y = Buffer((), F32, "output", 0)
        kernel = ir.Kernel([], [ir.Reduce([], [s.i, s.j], [fold], [ir.Store(y, zero, local)])])
        assert interpret(ir.Region([], [kernel], [y]), [X])[0] == want
