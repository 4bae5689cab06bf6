"""Functions with transformations to apply, and the flat functions of `api_util`."""
from __future__ import annotations

from typing import Any

import pytest
from arrax import api_util, tree_util
from arrax.extend import linear_util as lu


@lu.transformation
def scaled(factor: float, *args: Any) -> Any:
    out = yield [a * factor for a in args], {}
    yield out * 10


@lu.transformation_with_aux
def counted(*args: Any) -> Any:
    out = yield args, {}
    yield out, len(args)


@lu.transformation2
def direct(f: Any, factor: float, *args: Any) -> Any:
    return f(*args) + factor


@lu.transformation_with_aux2
def direct_counted(f: Any, store: Any, *args: Any) -> Any:
    store.store(len(args))
    return f(*args)


def add(x: float, y: float) -> float:
    return x + y


def test_transformations_compose_inside_out() -> None:
    assert scaled(lu.wrap_init(add), 2).call_wrapped(1, 2) == 60
    assert direct(scaled(lu.wrap_init(add), 2), 5).call_wrapped(1, 2) == 65
    for transformation in (counted, direct_counted):
        function, count = transformation(lu.wrap_init(add))
        with pytest.raises(lu.StoreException):
            count()
        assert function.call_wrapped(1, 2) == 3 and count() == 2


def test_equal_functions_are_equal() -> None:
    a, b = (scaled(lu.wrap_init(add), 2) for _ in range(2))
    assert a == b and hash(a) == hash(b) and a != scaled(lu.wrap_init(add), 3)
    assert lu.wrap_init(add, {"y": 1}) != lu.wrap_init(add)
    assert lu.wrap_init(add, {"y": 1}).call_wrapped(1) == 2


def test_cache_runs_once_and_fills_stores() -> None:
    runs = []

    @lu.cache
    def traced(fun: Any, *args: Any) -> Any:
        runs.append(1)
        return fun.call_wrapped(*args)
    for _ in range(2):
        function, count = counted(lu.wrap_init(add))
        assert traced(function, 1, 2) == 3 and count() == 2
    assert len(runs) == 1


def test_merge_linear_aux() -> None:
    first, a = counted(lu.wrap_init(add))
    second, b = counted(lu.wrap_init(lambda x: x))
    second.call_wrapped(1)
    assert lu.merge_linear_aux(a, b) == (False, 1)
    first.call_wrapped(1, 2)
    with pytest.raises(lu.StoreException, match="both"):
        lu.merge_linear_aux(a, b)


def test_flat_functions() -> None:
    leaves, tree = tree_util.tree_flatten((({"a": 1, "b": 2},), {"c": 3}))
    flat, out_tree = api_util.flatten_fun(
        lu.wrap_init(lambda d, c: {"x": d["a"] + c, "y": d["b"]}), tree)
    assert flat.call_wrapped(*leaves) == [4, 2]
    assert out_tree() == tree_util.tree_structure({"x": 0, "y": 0})
    leaves, tree = tree_util.tree_flatten((1, 2))
    flat, out_tree = api_util.flatten_fun_nokwargs(lu.wrap_init(add), tree)
    assert flat.call_wrapped(*leaves) == [3]


def test_argnums_partial() -> None:
    function, dynamic = api_util.argnums_partial(lu.wrap_init(add), 1, (1, 2))
    assert dynamic == (2,) and function.call_wrapped(5) == 6
    with pytest.raises(ValueError, match="Non-hashable static arguments"):
        api_util.argnums_partial(lu.wrap_init(add), 0, (1, [2]))
    with pytest.raises(ValueError, match="no position among 2 arguments"):
        api_util.argnums_partial(lu.wrap_init(add), 4, (1, 2))


def test_donation_and_axes() -> None:
    tree = tree_util.tree_structure((((1, 2), 3), {"k": 4}))
    assert api_util.donation_vector((0,), ("k",), tree) == (True, True, False, True)
    assert api_util.rebase_donate_argnums((3, 4), (0, 1)) == (1, 2)
    args = tree_util.tree_structure(((1, 2), 3))
    assert api_util.flatten_axes("in_axes", args, (0, None)) == [0, 0, None]
    with pytest.raises(ValueError, match="must be a tree prefix"):
        api_util.flatten_axes("in_axes", args, (0,))
    with pytest.raises(ValueError, match="length mismatch"):
        api_util.safe_map(add, [1], [1, 2])
