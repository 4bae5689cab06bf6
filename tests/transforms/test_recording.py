"""Remembered functions: calls that come again give the same, and cost few NumPy calls."""
from __future__ import annotations

import inspect
import pickle
import warnings
from typing import Any

import numpy as np
import pytest

import arrax as jax
import arrax.numpy as jnp
from arrax import _native, lax, nn, random  # noqa: F401
from arrax.core import config
from arrax.core.primitive import LARGE
from arrax.core.remembered import remembered
from arrax.numpy import elementwise

X = jnp.asarray(np.random.default_rng(0).standard_normal(10).astype(np.float32))
M = jnp.asarray(np.random.default_rng(1).standard_normal((4, 4)).astype(np.float32))
I = jnp.arange(10)
B = X > 0
KEY = random.PRNGKey(0)

# (call, the most NumPy calls that a recording of it may make)
ROWS: list[tuple[Any, tuple[Any, ...], dict[str, Any], int]] = [
    (jnp.sum, (X,), {}, 1),
    (jnp.sum, (M,), {"axis": 1, "keepdims": True}, 2),
    (jnp.mean, (M, 0), {}, 2),
    (jnp.var, (X,), {}, 7),
    (jnp.std, (M,), {"axis": 0}, 8),
    (jnp.max, (X,), {}, 1),
    (elementwise.where, (B, X, 0.0), {}, 1),
    (jnp.clip, (X, 0.0, 1.0), {}, 2),
    (jnp.concatenate, ([X, X],), {}, 1),
    (jnp.stack, ((X, X),), {"axis": 1}, 1),
    (jnp.split, (X, 2), {}, 1),
    (jnp.dot, (M, M), {}, 1),
    (jnp.einsum, ("ij,jk->ik", M, M), {}, 1),
    (jnp.arange, (10,), {}, 0),
    (jnp.linspace, (0.0, 1.0, 5), {}, 0),
    (jnp.eye, (3,), {}, 0),
    (jnp.repeat, (X, 2), {}, 2),
    (jnp.take, (X, I), {}, 5),
    (jnp.argsort, (X,), {}, 1),
    (jnp.median, (X,), {}, 16),
    (jnp.linalg.norm, (M,), {"axis": 1}, 3),
    (jnp.linalg.solve, (M, M[0]), {}, 16),
    (jnp.fft.fft, (X,), {}, 2),
    (random.split, (KEY,), {}, 3),
    (random.uniform, (KEY, (3,)), {}, 10),
    (random.gamma, (KEY, 2.0, (3,)), {}, 2),
]
NAMES = [f"{call.__name__} {number}" for number, (call, *_) in enumerate(ROWS)]


def leaves(result: Any) -> list[Any]:
    return jax.tree.leaves(result)


def assert_same(mine: Any, right: Any) -> None:
    assert jax.tree.structure(mine) == jax.tree.structure(right)
    for a, b in zip(leaves(mine), leaves(right), strict=True):
        assert a.aval is b.aval
        assert a.data.dtype == b.data.dtype and a.data.tobytes() == b.data.tobytes()


@pytest.mark.parametrize("call, args, kwargs, most", ROWS, ids=NAMES)
def test_recorded_calls_give_the_same_in_few_numpy_calls(call, args, kwargs, most):
    right = call.__wrapped__(*args, **kwargs)
    for _ in range(5):
        assert_same(call(*args, **kwargs), right)
    entry = call.entry_of(*args, **kwargs)
    assert entry is not None, "not recorded"
    assert entry.executable.count() <= most


def test_the_function_runs_for_new_signatures_alone():
    calls = []

    @remembered
    def function(x, how=None):
        calls.append(how)
        return x + 1
    for _ in range(10):
        function(X)
    assert len(calls) == 4  # three plain calls, the last of which was traced too
    function(X, 1)
    function(M)
    assert len(calls) == 6


@pytest.mark.parametrize("one, other", [
    (0.0, -0.0), (1, True), (1, 1.0), ((1, 2), [1, 2]), ("a", "b"), (None, 0), (slice(1), slice(2)),
    (jnp.float32, jnp.int32), (np.dtype("f4"), np.dtype("i4")), (..., None),
    (X, X.astype(jnp.int32)), (jnp.asarray(1.0), jnp.asarray(1.0, jnp.float32)), (X, X[:, None])],
    ids=str)
def test_different_arguments_have_different_signatures(one, other):
    seen = []

    @remembered
    def function(argument):
        seen.append(argument)
        return X
    for _ in range(6):
        function(one)
    count = len(seen)
    function(other)
    assert len(seen) == count + 1


@pytest.mark.parametrize("make", [
    lambda x: np.asarray(x), lambda x: np.asarray(x, np.float32), lambda x: np.asarray(x, np.int64),
    lambda x: np.asarray(x, np.float16), lambda x: np.asarray(x)[::-1], lambda x: np.float32(x[0])])
def test_numpy_arrays_are_recorded_as_the_arrays_they_become(make):
    for number in range(6):
        given = make([number + 0.5, 2.0, -3.0])
        assert_same(jnp.sum(given), jnp.sum(jnp.asarray(given)))
        assert_same(jnp.stack([given, given]), jnp.stack([jnp.asarray(given)] * 2))
    assert jnp.sum.entry_of(given) is not None


def test_recordings_do_not_share_memory_with_numpy_arrays():
    given = np.arange(4, dtype=np.float32)
    results = [jnp.ravel(given) for _ in range(6)]
    given[:] = 7
    assert all(np.asarray(result).tolist() == [0, 1, 2, 3] for result in results)


@pytest.mark.parametrize("call, values", [
    (lambda x: jnp.full_like(jnp.zeros(1, jnp.int32), x), [1.0, 16777217.0]),
    (lambda x: jnp.astype(x, jnp.uint8), [1.0, 16777217.0]),
    (lambda x: lax.convert_element_type(x, jnp.int32), [1.0, 16777217.0]),
    (lambda x: jnp.astype(x, jnp.float32), [1, 2 ** 40 + 1]),
    (lambda x: random.key_data(random.PRNGKey(x[0])), [1, 2 ** 40 + 1])])
def test_conversions_of_wide_numpy_arrays_round_once(call, values):
    first, last = (np.asarray([value]) for value in values)
    right = np.asarray(call(last))
    for _ in range(5):
        call(first)
    np.testing.assert_array_equal(call(last), right)


def test_flags_are_part_of_the_signature():
    for _ in range(5):
        assert jnp.arange(3).dtype == np.int32
    with jax.enable_x64(True):
        assert jnp.arange(3).dtype == np.int64
    assert jnp.arange(3).dtype == np.int32


def test_functions_that_look_at_values_are_not_recorded():
    for size in (3, 5, 4, 2, 6):
        mask = jnp.arange(10) < size
        assert jnp.nonzero(mask)[0].shape == (size,)
        assert jnp.bincount(jnp.asarray([0, size])).shape == (size + 1,)
        assert jnp.unique(jnp.arange(10) % size).shape == (size,)


def test_calls_that_warn_warn_each_time():
    for _ in range(5):
        with pytest.warns(UserWarning, match="float64"):
            jnp.linspace(0, 1, 3, dtype=np.float64)


def test_calls_that_fail_fail_each_time():
    for _ in range(5):
        with pytest.raises(ValueError, match="Incompatible shapes"):
            jnp.where(B, X, M)


def test_deleted_operands_are_refused():
    x = jnp.ones(10) + 1
    for _ in range(5):
        jnp.sum(x)
    x.delete()
    with pytest.raises(RuntimeError, match="deleted"):
        jnp.sum(x)


def test_nans_are_found_in_recorded_calls():
    x = jnp.asarray([-1.0, 1.0])
    for _ in range(5):
        jnp.log2(x)
    with jax.debug_nans(True), pytest.raises(FloatingPointError):
        jnp.log2(x)


def test_reused_keys_are_found_in_recorded_calls():
    key = random.key(1)
    for _ in range(5):
        random.normal(key)
    with config.debug_key_reuse(True):
        for _ in range(3):
            fresh = random.key(2)
            random.normal(fresh)
            with pytest.raises(jax.errors.KeyReuseError):
                random.normal(fresh)


def test_transformations_see_the_function_itself():
    for _ in range(5):
        jnp.var(X)
    assert "reduce_sum" in str(jax.make_jaxpr(jnp.var)(X))
    np.testing.assert_allclose(jax.grad(jnp.var)(X), 2 * (X - X.mean()) / 10, rtol=1e-5)
    np.testing.assert_allclose(jax.vmap(jnp.var)(M), np.var(M, axis=1), rtol=1e-5)
    np.testing.assert_allclose(jax.jit(jnp.var)(X), np.var(X), rtol=1e-5)


def test_nothing_is_compiled_without_jit():
    with jax.disable_jit():
        for _ in range(5):
            assert_same(jnp.var(X), jnp.var.__wrapped__(X))


@pytest.mark.parametrize("call", [lambda x: jnp.std(x, 0), lambda x: jnp.where(x > 0, x, 0.5),
                                  lambda x: jnp.sum(x, axis=1), lambda x: x - x[0]])
def test_large_operands_run_as_one_program(call):
    x = jnp.asarray(np.random.default_rng(0).standard_normal((300, 300)).astype(np.float32))
    assert x.size >= LARGE
    first = call(x)
    for _ in range(5):
        np.testing.assert_allclose(call(x), first, rtol=1e-4, atol=1e-5)


def test_a_large_composite_becomes_a_program():
    x = jnp.ones((300, 300))
    for _ in range(4):
        jnp.std(x, 0)
    assert type(jnp.std.entry_of(x, 0).executable) is _native.Program


def test_remembered_functions_look_like_functions():
    assert "keepdims" in inspect.signature(jnp.sum).parameters
    assert jnp.sum.__name__ == "sum" and "sum" in jnp.sum.__doc__
    assert pickle.loads(pickle.dumps(jnp.sum)) is jnp.sum
    assert_same(X.sum(), jnp.sum(X))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert jnp.sum.forget() is None


def test_cleared_caches_forget_recordings():
    for _ in range(4):
        jnp.stack((X, X))
    assert jnp.stack.entry_of((X, X)) is not None
    jax.clear_caches()
    assert jnp.stack.entry_of((X, X)) is None


def test_an_operation_that_repeats_is_recorded_once():
    @remembered
    def function(x, how):
        return jnp.exp(x + 1) * jnp.exp(x + how)
    for how, most in ((1, 3), (2, 5)):
        for _ in range(4):
            assert_same(function(X, how), function.__wrapped__(X, how))
        assert function.entry_of(X, how).executable.count() == most
