"""PrimitiveBase.bind and Quiet."""
from __future__ import annotations

import gc
import sys
import warnings
import weakref

import ml_dtypes
import numpy as np
import pytest

from arrax import _native
from arrax.core import dtypes
from arrax.core.aval import ShapedArray
from arrax.ops import quiet as _quiet  # registers NumPy's error state

assert _quiet

make = _native.make_array
X, WEAK = make(np.ones(3, np.float32)), make(np.ones(3, np.float32), True)
KEYS = _native.make_array_aval(np.zeros(3, np.uint64), ShapedArray((3,), dtypes.key_fry))


class Sum(_native.PrimitiveBase):
    """A primitive that adds and notes what it gets."""

    execute, typed_results, multiple_results, elementwise = None, False, False, False
    large = 1 << 16
    type_rule = staticmethod(lambda *avals, **params: avals[0])

    def __init__(self, **facts):
        self.weak_type = "all"
        self.calls = []
        self.__dict__.update(facts)

    def check_dtypes(self, args, params):
        """All dtypes are good."""

    def evaluate(self, *data, **params):
        self.calls.append((data, params))
        total = sum(data) + params.get("more", 0)
        return [total, total.sum()] if self.multiple_results else total


class Recorder:
    def process(self, *args):
        return args


@pytest.fixture(autouse=True)
def native_path():
    """Without the hook that `debug_nans`, once used by any test, leaves."""
    _native.set_eager_hook(None)


@pytest.fixture
def recorder():
    default, trace = _native.get_trace(), Recorder()
    _native.set_trace(trace)
    yield trace
    _native.set_trace(default)


@pytest.mark.parametrize("weak_type, operands, weak", [
    ("all", (X,), False), ("all", (WEAK,), True), ("all", (WEAK, X), False), ("all", (), False),
    ("all", (WEAK, WEAK), True), ("first", (WEAK, X), True), ("first", (X, WEAK), False),
    ("none", (WEAK,), False)])
def test_plain_arrays_are_evaluated(weak_type, operands, weak):
    primitive = Sum(weak_type=weak_type)
    out = primitive.bind(*operands, more=np.float32(2))
    wanted = len(operands) + 2
    assert np.all(out.data == wanted) and out.aval is ShapedArray(out.shape, "float32", weak)
    (data, params), = primitive.calls
    assert all(a is b.data for a, b in zip(data, operands, strict=True)) and params == {"more": 2}


def test_several_results():
    first, second = Sum(multiple_results=True).bind(X, X)
    assert first.data.tolist() == [2, 2, 2] and second.data == 6 and second.shape == ()


def deleted():
    array = make(np.ones(3))
    array.delete()
    return array


@pytest.mark.parametrize("operands", [(1.0,), (X, np.ones(3)), (KEYS,), (None,), (deleted(),)])
@pytest.mark.parametrize("facts", [{}, {"multiple_results": True}])
def test_other_operands_go_to_the_trace(operands, facts, recorder):
    primitive = Sum(**facts)
    assert primitive.bind(*operands, a=1) == (primitive, operands, {"a": 1})
    assert not primitive.calls


@pytest.mark.parametrize("facts", [{"execute": print}, {"typed_results": True},
                                   {"weak_type": "rule"}, {"weak_type": len}, {"evaluate": None}])
def test_other_primitives_go_to_the_default_trace(facts):
    primitive, default = Sum(**facts), _native.get_trace()
    _native.set_default_trace(Recorder())
    try:
        assert primitive.bind(X) == (primitive, (X,), {})
        assert Sum().bind(1.0)[1] == (1.0,)
    finally:
        _native.set_default_trace(default)


def test_the_hook_sends_everything_to_the_trace():
    default = _native.get_trace()
    _native.set_default_trace(Recorder())
    _native.set_eager_hook(print)
    try:
        assert Sum().bind(X)[1] == (X,)
        _native.set_eager_hook(None)
        assert Sum().bind(X).data.tolist() == [1, 1, 1]
    finally:
        _native.set_eager_hook(None)
        _native.set_default_trace(default)


@pytest.mark.parametrize("evaluate", [lambda *a: 1 / 0, lambda *a: "text", lambda: 1])
def test_errors_come_out(evaluate):
    with pytest.raises((ZeroDivisionError, TypeError)):
        Sum(evaluate=evaluate).bind(X)


def test_bind_leaks_nothing():
    primitive = Sum(calls=type("Nothing", (), {"append": lambda self, item: None})())
    before = [sys.getrefcount(o) for o in (X, X.data, X.aval)]
    for _ in range(100):
        primitive.bind(X, X, more=1)
    assert [sys.getrefcount(o) for o in (X, X.data, X.aval)] == before


class TestQuiet:
    def test_warnings_are_off_inside_only(self):
        zero = np.zeros(2)
        divide = _native.Quiet(np.divide)
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            assert np.isnan(divide(zero, zero)).all()
            assert np.isnan(divide(zero, zero, out=zero.copy())).all()
            with pytest.raises(RuntimeWarning):
                np.divide(zero, zero)

    def test_the_error_state_comes_back_after_errors_and_nesting(self):
        def nested(depth):
            assert np.geterr()["divide"] == "ignore"
            if depth == 0:
                raise KeyError("inside")
            return quiet(depth - 1)
        quiet = _native.Quiet(nested)
        with np.errstate(divide="raise"):
            for _ in range(3):
                with pytest.raises(KeyError, match="inside"):
                    quiet(4)
                assert np.geterr()["divide"] == "raise"

    def test_results_live_in_the_pool(self):
        double = _native.Quiet(lambda x: x + x)
        x = np.ones(1_000_000, np.float32)
        _native.release_cached_memory()
        address = double(x).ctypes.data
        assert _native.cached_memory() >= 4_000_000 and double(x).ctypes.data == address
        assert np.all(double(x) == 2) and double(x).flags.owndata

    def test_foreign_dtypes_go_to_the_careful_one(self):
        quiet = _native.Quiet(lambda *a: "plain", lambda *a: "careful")
        assert quiet(np.ones(2)) == quiet(1.0) == quiet() == "plain"
        assert quiet(np.ones(2, ml_dtypes.bfloat16)) == "careful"
        assert quiet(np.ones(2), np.ones(2, ml_dtypes.bfloat16)) == "plain"

    def test_cycles_are_collected(self):
        def function():
            return None
        quiet = _native.Quiet(function)
        assert quiet.__wrapped__ is function
        function.itself = quiet
        reference = weakref.ref(function)
        del function, quiet
        gc.collect()
        assert reference() is None
