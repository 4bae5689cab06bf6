"""Callbacks get arrays of their own, and what they return is nobody else's."""
from __future__ import annotations

import gc

import numpy as np
import pytest

import arrax as jax
import arrax.numpy as jnp
from arrax import _native, lax
from arrax.ops.callback import io_callback

STEPS = 5
SHAPE = jax.ShapeDtypeStruct((3,), np.float32)
IN_PROGRAMS = [jax.jit, lambda f: f]


def pure(seen, x):
    return jax.pure_callback(lambda v: (seen.append(v), np.asarray(v) * 2)[1], SHAPE, x)


def io(seen, x):
    return io_callback(lambda v: (seen.append(v), np.asarray(v) * 2)[1], SHAPE, x, ordered=True)


def debug(seen, x):
    jax.debug.callback(seen.append, x)
    return x * 2


def inside_solve(seen, x):
    """A callback in a program that a primitive's evaluation runs."""
    return lax.custom_linear_solve(
        lambda v: v * 0.5, x, lambda matvec, b: pure(seen, b))


@pytest.mark.parametrize("wrap", IN_PROGRAMS)
@pytest.mark.parametrize("call", [pure, io, debug, inside_solve])
def test_kept_arguments_keep_their_values(call, wrap):
    """What a callback keeps is not the program's memory, whatever becomes of that."""
    seen = []

    def body(carry, _):
        return call(seen, carry), carry
    wrap(lambda x: lax.scan(body, x, None, length=STEPS))(jnp.ones(3))
    gc.collect()
    _native.release_cached_memory()
    others = [_native.empty((n,), np.float32) for n in range(1, 200)]
    for other in others:
        other[:] = -1
    assert [np.asarray(v).tolist() for v in seen] == [[2.0 ** i] * 3 for i in range(STEPS)]
    assert all(v.data.flags.owndata and v.data.base is None for v in seen)


@pytest.mark.parametrize("wrap", IN_PROGRAMS)
@pytest.mark.parametrize("function", [jax.pure_callback, io_callback])
def test_results_do_not_share_the_callers_memory(wrap, function):
    buffer = np.arange(3, dtype=np.float32)
    out = wrap(lambda x: function(lambda _: buffer, SHAPE, x))(jnp.zeros(3))
    buffer[:] = 77
    assert out.tolist() == [0, 1, 2]


@pytest.mark.parametrize("fails_at", range(3))
def test_an_exception_leaves_nothing_half_done(fails_at):
    """The error has the callback's as its cause, later steps do not run, and the next run is a
    whole one."""
    seen = []

    def callback(v, i):
        seen.append(int(i))
        if failing and int(i) == fails_at:
            raise KeyError(f"step {fails_at}")
        return np.asarray(v) + 1

    def body(i, x):
        return jax.pure_callback(callback, SHAPE, x, i)
    run = jax.jit(lambda x: lax.fori_loop(0, 3, body, x))
    x = jnp.ones(3)
    for failing in (True, False, True, False):
        seen.clear()
        if failing:
            with pytest.raises(jax.errors.JaxRuntimeError, match=f"step {fails_at}") as caught:
                run(x)
            assert type(caught.value.__cause__) is KeyError
            assert seen == list(range(fails_at + 1))
        else:
            assert run(x).tolist() == [4, 4, 4] and seen == [0, 1, 2]
    assert x.tolist() == [1, 1, 1]


@pytest.mark.parametrize("callback, announced", [
    (lambda x: (x, x), jax.ShapeDtypeStruct((), np.float32)),
    (lambda x: np.ones(2, np.float32), jax.ShapeDtypeStruct((), np.float32)),
    (lambda x: "text", jax.ShapeDtypeStruct((), np.float32))], ids=["more", "shape", "dtype"])
@pytest.mark.parametrize("way", [lambda f: f, jax.jit], ids=["eager", "jit"])
def test_other_results_than_announced_end_the_run(callback, announced, way):
    with pytest.raises(jax.errors.JaxRuntimeError, match="INTERNAL"):
        way(lambda x: jax.pure_callback(callback, announced, x))(1.0)


def test_failures_are_logged(caplog):
    def fail(x):
        raise KeyError("inside")
    with pytest.raises(jax.errors.JaxRuntimeError, match="inside"):
        jax.jit(lambda x: jax.pure_callback(fail, x, x))(1.0)
    assert "jax.pure_callback failed" in caplog.text and "Traceback" in caplog.text


@pytest.mark.parametrize("use, error, message", [
    (lambda f: jax.grad(lambda x: jax.pure_callback(f, x, x))(1.0), ValueError,
     "Pure callbacks do not support JVP"),
    (lambda f: jax.pure_callback(f, np.zeros((), np.float64), 1.0), ValueError, "64-bit types"),
    (lambda f: jax.vmap(lambda p: lax.cond(p, lambda: io_callback(f, None), lambda: None))(
        np.array([True, False])), NotImplementedError, "IO effect not supported in vmap-of-cond"),
    (lambda f: jax.vmap(lambda x: lax.while_loop(
        lambda i: i < 3, lambda i: (io_callback(f, None), i + 1)[1], x))(np.arange(2)),
     NotImplementedError, "not supported in while_loop with batched predicate")])
def test_uses_that_have_no_meaning(use, error, message):
    with pytest.raises(error, match=message):
        use(lambda *x: None)


@pytest.mark.parametrize("over", [
    lambda f: jax.pmap(f),
    lambda f: jax.shard_map(f, mesh=jax.make_mesh((1,), ("i",)), in_specs=jax.P("i"),
                            out_specs=jax.P("i"), check_vma=False)], ids=["pmap", "shard_map"])
def test_devices_call_back_each(over):
    """Where an axis is one of devices, no method of vmap is asked for."""
    seen = []

    def double(x):
        seen.append(x.shape)
        return np.asarray(x) * 2
    out = over(lambda x: jax.pure_callback(double, x, x))(jnp.ones((1, 3)))
    np.testing.assert_array_equal(out, np.full((1, 3), 2))
    assert len(seen) == 1
