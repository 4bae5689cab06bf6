"""Operations of the loop IR: found by their names, the compiler's own as code and by NumPy."""
from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from arrax.core.errors import InternalError
from arrax.core.primitive import registry
from arrax.core.lowering import Elementwise, Pairs, Reduce
from arrax.engines.cpu.operations import CLAMP_INDEX, WIDE_INDEX, operation_named, operation_of
from tests.engines.cpu.compiling import prim

NAMES = sorted(name for name, primitive in registry.items() if type(primitive.lower) is Elementwise)


def test_every_elementwise_primitive_is_an_operation_that_its_name_finds() -> None:
    assert len(NAMES) > 80
    for name in NAMES:
        operation = operation_named(name)
        assert operation.name == name and operation is operation_of(registry[name])
        assert operation.cost == registry[name].lower.cost


def test_folds_name_operations() -> None:
    folds = [p for p in registry.values() if type(p.lower) is Reduce]
    assert len(folds) >= 9
    for primitive in folds:
        pairs = isinstance(primitive.lower.fold, Pairs)
        operation = operation_of(primitive if pairs else primitive.lower.fold)
        assert operation is operation_named(operation.name)


@pytest.mark.parametrize("name", ["nonsense", "sort", "reduce_sum"])
def test_what_is_no_operation_is_refused(name: str) -> None:
    with pytest.raises(InternalError, match=name):
        operation_named(name)


@pytest.mark.parametrize("dtype", [np.int8, np.int32, np.int64, np.uint8, np.uint64])
def test_the_index_of_a_slice_is_clamped_as_by_numpy(dtype: Any) -> None:
    info = np.iinfo(dtype)
    x = np.array([info.min, 0, 3, 9, 10, 11, info.max], dtype)
    want = [min(max(int(v), 0), 10) for v in x]
    assert CLAMP_INDEX.evaluate(x, high=10).tolist() == want
    assert WIDE_INDEX.evaluate(x[1:6]).tolist() == [0, 3, 9, 10, 11]


@pytest.mark.parametrize("name", ["argmax", "argmin"])
def test_the_better_of_two_pairs_is_the_position_that_numpy_finds(name: str) -> None:
    values = np.array([2.0, np.nan, -1.0, 5.0, np.nan, 5.0, -np.inf], np.float32)
    fold = operation_named(name).evaluate
    for v, i in zip(values, range(7), strict=True):
        for w, j in zip(values, range(7), strict=True):
            pair = np.array([v, w]) if i <= j else np.array([w, v])
            want = (i, j)[int(getattr(np, name)(pair))] if i <= j else \
                (j, i)[int(getattr(np, name)(pair))]
            assert fold((v, np.int32(i)), (w, np.int32(j)))[1] == want
    assert prim(name)(values, axes=(0,), index_dtype=np.dtype(np.int32)) == 1
