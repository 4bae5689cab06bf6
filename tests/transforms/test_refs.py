"""Refs: what programs with mutable arrays compute is what the same programs compute with values
that are handed from one step to the next."""
from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import arrax as jax
import arrax.numpy as jnp
from arrax import lax


def _sum_of_sines(x: Any, count: int = 5) -> Any:
    total = jax.new_ref(jnp.zeros_like(x))

    def body(i: Any, _: Any) -> None:
        total[...] += jnp.sin(x * i)
    lax.fori_loop(0, count, body, None)
    return total[...]


def _fibonacci(x: Any) -> Any:
    ref = jax.new_ref(jnp.ones(8) * x)

    def body(i: Any, _: Any) -> tuple[Any, Any]:
        ref[i + 2] = ref[i] + ref[i + 1]
        return i + 1, ref[0]
    lax.scan(body, 0, None, 6)
    return ref[-1]


def _branches(x: Any) -> Any:
    a, b = jax.new_ref(x), jax.new_ref(2 * x)

    def yes() -> Any:
        a[...] *= b[...]
        return a[...]

    def no() -> Any:
        b[...] = jnp.cos(a[...])
        return b[...]
    out = lax.cond(x > 0, yes, no)
    return out + a[...] - 3 * b[...]


def _nested(x: Any) -> Any:
    ref = jax.new_ref(x)

    @jax.jit
    def inner(y: Any) -> Any:
        lax.switch(1, [lambda: None, lambda: ref.addupdate(y)])
        return ref[...]
    return inner(2 * x) * inner(x)


# A program with refs, and its value by hand.
PROGRAMS = {
    "fori_loop": (_sum_of_sines, lambda x: sum(jnp.sin(x * i) for i in range(5))),
    "scan": (_fibonacci, lambda x: 21 * x),
    "cond": (_branches, lambda x: jnp.where(x > 0, 4 * x * x - 6 * x, x - 2 * jnp.cos(x))),
    "jit": (_nested, lambda x: 3 * x * 4 * x),
    "freeze": (lambda x: jax.freeze(jax.new_ref(x)) ** 2, lambda x: x * x),
}


@pytest.mark.parametrize("name", PROGRAMS)
@pytest.mark.parametrize("x", [0.7, -1.3])
def test_transformations_of_programs_with_refs(name: str, x: float) -> None:
    program, plain = PROGRAMS[name]
    for transformed in (lambda f: f, jax.jit, jax.grad, lambda f: jax.jit(jax.grad(f)),
                        lambda f: jax.grad(jax.jit(f)), lambda f: jax.grad(jax.grad(f)),
                        lambda f: jax.grad(jax.checkpoint(f)),
                        lambda f: lambda x: jax.vmap(f)(jnp.array([x, 2 * x])),
                        lambda f: lambda x: jax.jvp(f, (x,), (1.0,))[1]):
        np.testing.assert_allclose(transformed(program)(x), transformed(plain)(x), rtol=1e-5)


def test_reads_and_writes() -> None:
    for index, value in [(..., np.full((3, 4), 2.0)), (1, np.arange(4.0)), ((0, 2), 7.0),
                         (slice(1, 3), np.ones((2, 4))), (np.array([2, 0]), np.ones((2, 4))),
                         ((..., -1), np.arange(3.0)), (jnp.array(1), np.zeros(4))]:
        x = np.arange(12, dtype=np.float32).reshape(3, 4)
        value = np.asarray(value, np.float32)
        ref = jax.new_ref(x)
        np.testing.assert_array_equal(ref[index], x[index])
        old = jax.ref.swap(ref, index, value)
        np.testing.assert_array_equal(old, x[index])
        want = x.copy()
        want[index] = value
        np.testing.assert_array_equal(ref[...], want)
        ref.addupdate(1.0, index)
        want[index] += 1
        np.testing.assert_array_equal(jax.ref.get(ref), want)
        ref[index] *= 2
        want[index] *= 2
        np.testing.assert_array_equal(ref[...], want)
    part = ref.at[1].at[1:]
    part[0] = 50.0
    part.addupdate(jnp.ones(3))
    want[1, 1] = 50
    want[1, 1:] += 1
    np.testing.assert_array_equal(jax.freeze(ref), want)
    np.testing.assert_array_equal(jax.empty_ref(jax.ShapeDtypeStruct((2,), np.int32))[...], [0, 0])


def test_refs_keep_what_compiled_functions_wrote() -> None:
    count, other = jax.new_ref(0), jax.new_ref(jnp.zeros(2))
    traces = []

    @jax.jit
    def step(ref: Any, x: Any) -> Any:
        traces.append(None)
        count[...] += 1
        ref[0] += x
        return ref[...].sum()

    for k in range(4):
        assert step(other, 2.0) == 2.0 * (k + 1)
    traced = len(traces)
    assert step(jax.new_ref(jnp.ones(2)), 2.0) == 4.0
    assert (count[...], len(traces)) == (5, traced)  # another Ref of the type is no new program
    np.testing.assert_array_equal(other[...], [8, 0])


def test_an_eager_loop_compiles_once() -> None:
    ref = jax.new_ref(jnp.zeros(4))
    traces = []

    def body(carry: Any, x: Any) -> tuple[Any, Any]:
        traces.append(None)
        ref[x] = carry
        return carry + 1, ref[...].sum()

    _, sums = lax.scan(body, 1.0, jnp.arange(4))
    np.testing.assert_array_equal(sums, [1, 3, 6, 10])
    traced = len(traces)
    lax.scan(body, 5.0, jnp.arange(4))
    np.testing.assert_array_equal(ref[...], [5, 6, 7, 8])
    assert len(traces) <= traced + 1  # to find out that it has a Ref


def test_loops_over_refs_and_with_conditions_that_read_them() -> None:
    xs = jax.new_ref(jnp.arange(4.0))
    total, _ = lax.scan(lambda c, x: (c + x[...], x.set(c)), 0.0, xs)
    assert total == 6
    np.testing.assert_array_equal(xs[...], [0, 0, 1, 3])
    left = jax.new_ref(5)

    def step(n: Any) -> Any:
        left[...] -= 2
        return n + 1
    assert lax.while_loop(lambda n: left[...] > 0, step, 0) == 3
    assert left[...] == -1


def test_maps_over_refs() -> None:
    rows = jax.new_ref(jnp.arange(6.0).reshape(3, 2))
    columns = jax.new_ref(jnp.arange(6.0).reshape(2, 3))

    def f(ref: Any, other: Any, x: Any) -> Any:
        ref[0] = x
        other[1] += 10
        return ref[...].sum()
    out = jax.vmap(f, in_axes=(0, 1, 0))(rows, columns, jnp.array([10.0, 20, 30]))
    np.testing.assert_array_equal(out, [11, 23, 35])
    np.testing.assert_array_equal(rows[...], [[10, 1], [20, 3], [30, 5]])
    np.testing.assert_array_equal(columns[...], [[0, 1, 2], [13, 14, 15]])


def test_statistics_out_of_a_gradient() -> None:
    seen = jax.new_ref(0.0)

    def loss(x: Any) -> Any:
        seen[...] = lax.stop_gradient(x * 2)
        return jnp.sin(x)
    np.testing.assert_allclose(jax.grad(loss)(3.0), np.cos(3.0), rtol=1e-6)
    assert seen[...] == 6
    np.testing.assert_allclose(jax.jit(jax.grad(loss))(4.0), np.cos(4.0), rtol=1e-6)
    assert seen[...] == 8


def test_misuse_is_named() -> None:
    ref, pair = jax.new_ref(0.0), jax.new_ref(jnp.zeros(2))
    same = jax.jit(lambda a, b: a[...] + b[...])
    for call, kind, text in [
            (lambda: ref.set(jnp.int32(1)), ValueError, "Invalid dtype"),
            (lambda: pair.set(jnp.zeros(3)), ValueError, "Invalid shape"),
            (lambda: jax.new_ref(ref), ValueError, "read it first"),
            (lambda: ref.set(pair), ValueError, "read it first"),
            (lambda: same(ref, ref), ValueError, "only one reference"),
            (lambda: jax.vmap(lambda x: ref.set(x))(jnp.ones(2)), ValueError, "being transformed"),
            (lambda: jax.grad(lambda x: (ref.set(x), x)[1])(1.0), ValueError, "being transformed"),
            (lambda: jax.jit(lambda: ref)(), ValueError, "cannot be returned"),
            (lambda: lax.scan(lambda c, _: (c, ref), 0, None, 2), ValueError, "cannot be returned"),
            (lambda: jax.make_jaxpr(lambda x: ref[...] + x)(1.0), ValueError, "outside of it"),
            (lambda: jax.make_jaxpr(lambda r: r[...])(ref), TypeError, "read it first"),
            (lambda: jnp.sin(ref), TypeError, "Ref"),
            (lambda: len(ref), TypeError, "unsized")]:
        with pytest.raises(kind, match=text):
            call()
    assert ref[...] == 0
    jax.free_ref(ref)
    with pytest.raises(ValueError, match="was freed"):
        ref[...]
    with pytest.raises(ValueError, match="was freed"):
        jax.free_ref(ref)
    jax.freeze(pair)
    with pytest.raises(ValueError, match="was frozen"):
        pair[0] = 1.0


def test_without_jit() -> None:
    with jax.disable_jit():
        for program, plain in PROGRAMS.values():
            np.testing.assert_allclose(program(0.7), plain(0.7), rtol=1e-5)


@pytest.mark.parametrize("use", [lambda r: r[9], lambda r: r[0, 5], lambda r: r[:, 3],
                                 lambda r: r.at[1][7], lambda r: r.__setitem__((0, 4), 1.0)])
def test_indices_known_to_lie_behind_the_end_are_refused(use) -> None:
    with pytest.raises(ValueError, match=r"Out of bound indexer: idx=\d, dim=\d"):
        use(jax.new_ref(jnp.ones((2, 3))))
    with pytest.raises(ValueError, match="Out of bound indexer"):
        jax.jit(lambda x: use(jax.new_ref(x)))(jnp.ones((2, 3)))
    assert jax.new_ref(jnp.arange(4.0))[-1] == 3
