"""JitFunction: signatures, conversions, output trees, caching."""
from __future__ import annotations

import collections
import contextlib
import gc
import sys
import tracemalloc
import weakref

import hypothesis
import hypothesis.strategies as st
import ml_dtypes
import numpy as np
import optree
import pytest

from arrax import _native
from arrax.core import config, pytree
from arrax.core.array import ArrayImpl
from arrax.core.aval import ShapedArray
from arrax.transforms.jit import _open_node as library_flatten
from tests.native import machine_code

make = _native.make_array
Pair = collections.namedtuple("Pair", "left right")


class Recorder:
    """The Python side of a JitFunction: keeps slow calls, and serves later ones by `executable`."""

    def __init__(self, executable=None, output=0, in_avals=None, **options):
        self.executable = executable or (lambda arrays: arrays)
        self.output, self.in_avals, self.options = output, in_avals, options
        self.slow_calls = []

    def __call__(self, args, kwargs):
        self.slow_calls.append((args, kwargs))
        leaves = optree.tree_leaves((args, kwargs))
        in_avals = self.in_avals or [x.aval if isinstance(x, ArrayImpl) else
                                     ShapedArray(np.shape(x), np.result_type(x)) for x in leaves]
        return "slow", _native.JitEntry(self.executable, self.output, in_avals=in_avals,
                                        **self.options)


@pytest.fixture(autouse=True)
def builtin_containers_only():
    """Without the library's own way to open other pytree nodes."""
    _native.set_flatten(None)
    yield
    _native.set_flatten(library_flatten)


def all_leaves(count):
    return tuple(range(count))


ARRAYS = [make(np.full(3, i, np.float32)) for i in range(8)]
X, Y = ARRAYS[:2]


@pytest.mark.parametrize("args, kwargs, leaves", [
    ((X,), {}, [X]), ((X, Y), {}, [X, Y]), (([X, (Y,)], None), {}, [X, Y]),
    (({"b": X, "a": Y},), {}, [Y, X]), ((), {"b": X, "a": Y}, [Y, X]),
    (([],), {}, []), (({"a": {}, "b": [X, {"d": Y, "c": X}]},), {"z": [Y]}, [X, X, Y, Y])])
def test_leaves_come_in_the_order_of_pytrees(args, kwargs, leaves):
    recorder = Recorder(output=all_leaves(len(leaves)))
    function = _native.JitFunction(recorder)
    assert function(*args, **kwargs) == "slow"
    out = function(*args, **kwargs)
    assert len(out) == len(leaves) and all(a is b for a, b in zip(out, leaves, strict=True))
    assert len(recorder.slow_calls) == 1 and function.cache_size() == 1
    assert recorder.slow_calls[0] == (args, kwargs)


W = make(np.full(3, 1, np.float32), True)
P = make(np.ones(3, np.float32), False, "placed")
I = make(np.ones(3, np.int32))


@pytest.mark.parametrize("first, second, same", [
    ((X,), (Y,), True), ((X,), (W,), False), ((X,), (P,), False), ((X,), (I,), False),
    ((X,), ([X],), False), (([X],), ((X,),), False), ((X, Y), ([X, Y],), False),
    ((X, None), (X,), False), (({"a": X},), ({"b": X},), False),
    (({"a": X, "b": Y},), ({"b": X, "a": Y},), True),
    (({"a" * 50: X},), ({"".join(["a"] * 50): X},), True),
    ((1,), (2,), True), ((1,), (1.0,), False), ((1,), (True,), False), ((1.0,), (1j,), False),
    ((np.ones(3),), (np.zeros(3),), True), ((np.ones(3),), (np.ones(4),), False),
    ((np.ones(3),), (np.ones(3, np.float32),), False), ((np.ones(3),), (np.ones((3, 1)),), False),
    ((np.float32(1),), (np.float32(2),), True), ((np.float32(1),), (np.float64(2),), False),
    ((np.float32(1),), (1.0,), False), ((np.ones(3),), (X,), False),
    ((np.float32(1),), (np.ones((), np.float32),), True)])
def test_signatures(first, second, same):
    recorder = Recorder(output=None)
    function = _native.JitFunction(recorder)
    assert function(*first) == "slow" and function(*first) is None
    assert function(*second) == (None if same else "slow")
    assert function(*first) is None and function(*second) is None
    assert function.cache_size() == len(recorder.slow_calls) == 2 - same


class Odd:
    def __init__(self, value, equal=True):
        self.value, self.equal = value, equal

    def __hash__(self):
        return 1

    def __eq__(self, other):
        if self.equal is None:
            raise RuntimeError("not comparable")
        return self.value == other.value


@pytest.mark.parametrize("first, second, same", [
    (1, 1, True), (1, 2, False), (1, True, False), (1, 1.0, False), ("a", "a", True),
    ((1, 2), (1, 2), True), (Odd(1), Odd(1), True), (Odd(1), Odd(2), False), (len, len, True),
    (np.float32, np.float64, False), (0.0, -0.0, True)])
def test_static_arguments_compare_by_type_and_value(first, second, same):
    for numbers, names in [((1,), ()), ((-1,), ())]:
        recorder = Recorder(output=None, in_avals=[X.aval])
        function = _native.JitFunction(recorder, numbers, names)
        assert function(X, first) == "slow" and function(Y, first) is None
        assert function(X, second) == (None if same else "slow")
    recorder = Recorder(output=None, in_avals=[X.aval])
    function = _native.JitFunction(recorder, (), ("mode",))
    assert function(X, mode=first) == "slow" and function(Y, mode=first) is None
    assert function(X, mode=second) == (None if same else "slow")


@pytest.mark.parametrize("make_value", [list, dict, lambda: Odd(1, None), lambda: np.ones(2)])
def test_unusual_static_arguments_go_to_python(make_value):
    function = _native.JitFunction(Recorder(output=None, in_avals=[X.aval]), (1,))
    for _ in range(3):
        assert function(X, make_value()) == "slow"


@pytest.mark.parametrize("argument", [
    object(), "text", np.array(["a"]), np.array([object()]), {1: X}, {(): X}, Pair(X, Y),
    np.datetime64("2020-01-01"), [object()], {"a": [object()]}, np.ones(2, ">f4"), 1 << 80])
def test_unknown_arguments_go_to_python(argument):
    recorder = Recorder(output=None, in_avals=[ShapedArray((), "int32")])
    function = _native.JitFunction(recorder)
    for count in range(1, 4):
        assert function(argument) == "slow" and len(recorder.slow_calls) == count
        assert recorder.slow_calls[-1][0][0] is argument


def test_other_traces_go_to_python():
    recorder = Recorder()
    function = _native.JitFunction(recorder)
    assert function(X) == "slow" and function(X) is X
    default = _native.get_trace()
    _native.set_trace(object())
    try:
        assert function(X) == "slow"
    finally:
        _native.set_trace(default)
    assert function(X) is X and function.cache_size() == 1


def test_deleted_arrays_go_to_python():
    function, x = _native.JitFunction(Recorder()), make(np.ones(3, np.float32))
    function(x)
    x.delete()
    assert function(x) == "slow"


def test_the_context_key_is_part_of_the_signature():
    function = _native.JitFunction(Recorder())
    _native.set_context_provider(config.context_key)
    assert function(X) == "slow" and function(X) is X
    key = object()
    _native.set_context_provider(lambda: key)
    try:
        assert function(X) == "slow" and function(X) is X
        key = object()
        assert function(X) is X  # nobody said that it changed
        _native.invalidate_context_key(False)
        assert function(X) == "slow" and _native.get_context_key() is key
    finally:
        _native.set_context_provider(config.context_key)
    assert function(X) is X


LEAVES = st.sampled_from(ARRAYS)
TREES = st.recursive(LEAVES | st.none(), lambda children: st.one_of(
    st.lists(children, max_size=4), st.lists(children, max_size=4).map(tuple),
    st.dictionaries(st.text("abAB_é", max_size=3), children, max_size=4)), max_leaves=12)


@hypothesis.settings(max_examples=150, deadline=None)
@hypothesis.given(st.lists(TREES, max_size=3), st.dictionaries(
    st.sampled_from(["x", "a", "zeta", "y"]), TREES, max_size=3), TREES)
def test_any_tree_is_read_and_built_like_a_pytree(args, kwargs, other):
    leaves, tree = pytree.tree_flatten((tuple(args), kwargs))
    recorder = Recorder(output=tree.unflatten(range(len(leaves))),
                        in_avals=[x.aval for x in leaves])
    function = _native.JitFunction(recorder)
    assert function(*args, **kwargs) == "slow"
    out_args, out_kwargs = function(*args, **kwargs)
    out_leaves, out_tree = pytree.tree_flatten((out_args, out_kwargs))
    assert out_tree == tree and list(map(id, out_leaves)) == list(map(id, leaves))
    other_tree = pytree.tree_structure(((other,), {}))
    if other_tree.num_leaves == tree.num_leaves:
        assert (function(other) == "slow") == (other_tree != tree)


class Custom:
    def __init__(self, *children):
        self.children = children


optree.register_pytree_node(Custom, lambda c: (c.children, None, None),
                            lambda _, children: Custom(*children), namespace="test-native")


def flatten(value):
    if optree.tree_structure(value, namespace="test-native").is_leaf():
        return None
    children, data, *_ = optree.tree_flatten_one_level(value, namespace="test-native")
    return children, tuple(data) if isinstance(data, list) else data


@pytest.fixture
def custom_nodes():
    _native.set_flatten(flatten)
    yield
    _native.set_flatten(None)


@pytest.mark.parametrize("argument", [Pair(X, Y), Custom(X, Y), {1: X, 2: Y}, Custom([X], {"a": Y}),
                                      [Pair(X, Pair(Y, None))], collections.OrderedDict(b=X, a=Y)])
def test_registered_nodes_are_opened(custom_nodes, argument):
    recorder = Recorder(output=(0, 1), in_avals=[X.aval, Y.aval])
    function = _native.JitFunction(recorder)
    assert function(argument) == "slow"
    assert [id(x) for x in function(argument)] == [id(X), id(Y)]
    function = _native.JitFunction(Recorder(in_avals=[X.aval]))
    assert function(Custom(X)) == "slow" and function(object()) == "slow"
    assert function(Custom(X)) is X and function(object()) == "slow"


@pytest.mark.parametrize("template", [0, (1,), [0, 1], {"b": 1, "a": (0, None, [1])}, None, (), [],
                                      {}, Pair(0, [1]), (0, 0)])
def test_results_have_the_template_s_structure(template):
    function = _native.JitFunction(Recorder(output=template))
    function(X, Y)
    expected = optree.tree_map(lambda i: [X, Y][i], template)
    out = function(X, Y)
    assert type(out) is type(expected)
    assert optree.tree_structure(out) == optree.tree_structure(expected)
    if isinstance(template, dict):
        assert list(out) == list(template)
    assert [id(x) for x in optree.tree_leaves(out)] == [id(x) for x in optree.tree_leaves(expected)]


@pytest.mark.parametrize("output", [Custom(0), None])
def test_other_results_are_unflattened_by_python(output):
    recorder = Recorder(output=output, unflatten=lambda outputs: Custom(*outputs))
    function = _native.JitFunction(recorder)
    function(X, Y)
    assert [id(x) for x in function(X, Y).children] == [id(X), id(Y)]


@pytest.mark.parametrize("options", [{"output": 1}, {"output": Custom(0)}, {"kept": [0, 1]},
                                     {"kept": [-1]}, {"kept": ["a"]}])
def test_wrong_entries_are_refused(options):
    with pytest.raises((TypeError, ValueError)):
        _native.JitEntry(machine_code.program(machine_code.STATUS_7, [X.aval], [X.aval]),
                         **{"output": 0, **options})


def test_entries_that_do_not_fit_are_refused():
    function = _native.JitFunction(Recorder(in_avals=[X.aval]))
    with pytest.raises(ValueError, match="does not fit a call with 2 leaves"):
        function(X, Y)


@pytest.mark.parametrize("as_program", [False, True])
@pytest.mark.parametrize("kind, dtype, values", [
    ("float", "float32", [1.5, np.float64(2.5), np.float32(0.5), np.array(1.0), 1e300]),
    ("double", "float64", [1.5, np.float32(0.5), -0.0]),
    ("i32", "int32", [5, -3, np.int64(7), np.array(2, np.int8), np.int64(2**40 + 5)]),
    ("i64", "int64", [5, 2**62, -2**63, np.int32(4)]),
    ("i8", "bool", [True, np.bool_(True)]),
    ("<2 x float>", "complex64", [1 + 2j, np.complex128(3j)])])
@pytest.mark.filterwarnings("ignore:overflow")
def test_scalars_and_numpy_arrays_take_the_program_s_dtype(as_program, kind, dtype, values):
    aval = ShapedArray((), dtype)
    floating = kind in ("float", "double") or "float" in kind
    program = machine_code.add_program(1, kind, "fadd" if floating else "or", dtype, ())
    executable = program if as_program else program.run
    for value in values:
        function = _native.JitFunction(Recorder(executable, in_avals=[aval, aval]))
        assert function(value, value) == "slow"
        out = function(value, value)
        wanted = np.asarray(value).astype(dtype)
        assert out.aval is aval and out.data.dtype == dtype
        np.testing.assert_array_equal(out.data, wanted + wanted if floating else wanted)


@pytest.mark.parametrize("as_program", [False, True])
def test_integers_out_of_range_go_to_python(as_program):
    aval = ShapedArray((), "int32")
    program = machine_code.add_program(1, "i32", "add", "int32", ())
    function = _native.JitFunction(Recorder(program if as_program else program.run,
                                            in_avals=[aval, aval]))
    assert function(1, 2) == "slow" and function(1, 2).data == 3
    for value in (2**31, -2**31 - 1, 2**100):
        assert function(1, value) == "slow"


def test_converted_arrays_may_be_strided():
    program = machine_code.add_program()
    function = _native.JitFunction(Recorder(program))
    data = np.arange(8, dtype=np.float64)
    function(data[::2], data[::2])
    assert function(data[::2], data[::2]).data.tolist() == [0, 4, 8, 12]
    small = np.arange(4, dtype=ml_dtypes.bfloat16)
    function(small, small)
    assert function(small, small).data.tolist() == [0, 2, 4, 6]


def test_forwarded_numpy_arrays_are_copied():
    program = machine_code.program(machine_code.STATUS_7.replace("7", "0"), [X.aval], [X.aval],
                                   forwards=[0])
    function = _native.JitFunction(Recorder(program))
    data = np.ones(3, np.float32)
    function(data)
    out = function(data)
    data[:] = 5
    assert out.data.tolist() == [1, 1, 1]
    out = function(X)
    assert out == "slow" and function(X).data is X.data


def test_forwarded_scalars_become_arrays():
    aval = ShapedArray((), "float32", True)
    program = machine_code.program(machine_code.STATUS_7.replace("7", "0"), [aval], [aval],
                                   forwards=[0])
    function = _native.JitFunction(Recorder(program))
    function(1.5)
    assert function(2.5).data == 2.5 and function(2.5).aval is aval


def test_kept_leaves_are_the_inputs():
    program = machine_code.add_program(3)
    function = _native.JitFunction(Recorder(program, kept=[3, 1]))
    function(*ARRAYS[:4])
    assert function(*ARRAYS[:4]).data.tolist() == [4, 4, 4]


def test_donated_arguments_are_deleted():
    program = machine_code.add_program(3, donated=[1], aliases=[1], releases_gil=True)
    function = _native.JitFunction(Recorder(program))
    x, y = make(np.ones(3, np.float32)), make(np.ones(3, np.float32))
    function(x, y)
    address = y.data.ctypes.data
    out = function(x, y)
    assert y.data is None and out.data.ctypes.data == address and out.data.tolist() == [2, 2, 2]
    assert function(x, y) == "slow"


def test_placement_of_the_entry_goes_to_the_outputs():
    function = _native.JitFunction(Recorder(machine_code.add_program(3), placement="cpu:1"))
    function(X, Y)
    assert function(X, Y).placement == "cpu:1"


def test_it_behaves_like_a_function():
    class Subclass(_native.JitFunction):
        def __init__(self, slow):
            super().__init__(slow)
            self.extra = 5

    for kind in (_native.JitFunction, Subclass):
        recorder = Recorder(output=(0,))
        function = kind(recorder)
        function.__name__ = "named"
        assert function.__name__ == "named" and function.slow is recorder
        holder = type("Holder", (), {"method": function, "__slots__": ()})
        assert holder.method is function
        assert holder().method.__func__ is function
        assert weakref.ref(function)() is function
        assert function(*[X]) == "slow" and function(*[X]) == (X,)
        function.clear_cache()
        assert function.cache_size() == 0 and function(X) == "slow"
    assert function.extra == 5


@pytest.mark.parametrize("slow, error", [
    (lambda args, kwargs: 1 / 0, ZeroDivisionError), (lambda args, kwargs: 5, TypeError),
    (lambda args, kwargs: (1, 2), TypeError), (lambda: 0, TypeError)])
def test_errors_of_the_slow_path_come_out(slow, error):
    function = _native.JitFunction(slow)
    with pytest.raises(error):
        function(X)
    assert function.cache_size() == 0


def test_errors_of_the_executable_come_out():
    function = _native.JitFunction(Recorder(lambda arrays: 1 / 0))
    function(X)
    with pytest.raises(ZeroDivisionError):
        function(X)


def test_deep_and_cyclic_arguments_do_not_crash():
    function = _native.JitFunction(lambda args, kwargs: ("slow", None))
    deep = X
    for _ in range(100_000):
        deep = [deep]
    assert function(deep) == "slow"
    while type(deep) is list:  # take it apart without recursion
        deep = deep[0]
    cycle = []
    cycle.append(cycle)
    assert function(cycle) == "slow"


def test_many_signatures_start_the_cache_anew():
    function = _native.JitFunction(Recorder(output=None, in_avals=[X.aval]), (1,))
    for i in range(5000):
        assert function(X, i) == "slow"
    assert 0 < function.cache_size() <= 4096 and function(X, 4999) is None


def test_comparisons_may_change_the_cache():
    function = _native.JitFunction(Recorder(output=None, in_avals=[X.aval]), (1,))

    class Clearing(Odd):
        __hash__ = Odd.__hash__

        def __eq__(self, other):
            function.clear_cache()
            gc.collect()
            return True
    for _ in range(3):
        assert function(X, Clearing(1)) == "slow"


def test_functions_are_collected_with_their_cycles():
    recorder = Recorder()
    function = _native.JitFunction(recorder)
    recorder.function = function
    function.itself = function
    function(X)
    reference = weakref.ref(function)
    del recorder, function
    gc.collect()
    assert reference() is None


def test_calls_leak_nothing():
    program = machine_code.add_program(3)
    function = _native.JitFunction(Recorder(program, output={"a": 0}, kept=[0, 1],
                                            in_avals=[X.aval] * 2), (), ("mode",))
    failing = _native.JitFunction(Recorder(lambda arrays: 1 / 0))
    failing(X)

    def work():
        for _ in range(300):
            function([X, Y], extra={"b": 1.0, "a": np.ones(3)}, mode="fast")
            function([X, np.ones(3)], extra=(1, 2), mode=(1, 2))
            with contextlib.suppress(ZeroDivisionError):
                failing(X)
    work()
    objects = (X, X.data, X.aval, function, "fast")
    before = [sys.getrefcount(o) for o in objects]
    tracemalloc.start()
    work()
    first = tracemalloc.get_traced_memory()[0]
    work()
    second = tracemalloc.get_traced_memory()[0]
    tracemalloc.stop()
    assert second - first < 2000
    after = [sys.getrefcount(o) for o in objects]
    assert all(abs(a - b) < 50 for a, b in zip(after, before, strict=True))
