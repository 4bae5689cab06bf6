"""`associative_scan`, `custom_linear_solve`, `custom_root`, `custom_vmap`."""
from __future__ import annotations

import numpy as np
import pytest
from tests.control.properties import check_unrolled

import arrax
import arrax.numpy as jnp
from arrax import lax
from arrax.custom_batching import custom_vmap, sequential_vmap

A = np.array([[2.0, 1.0], [0.5, 3.0]], np.float32)
B = np.array([1.0, 2.0], np.float32)
X = jnp.array([0.1, 0.2, 0.3])


@pytest.mark.parametrize("size", range(9))
@pytest.mark.parametrize("reverse", [False, True])
def test_associative_scan(size, reverse):
    x = np.arange(2 * size, dtype=np.int32).reshape(2, size)
    expected = np.cumsum(x[:, ::-1] if reverse else x, 1)
    expected = expected[:, ::-1] if reverse else expected
    found = lax.associative_scan(jnp.add, x, reverse=reverse, axis=-1)
    np.testing.assert_array_equal(found, expected)


def test_associative_scan_of_trees():
    def compose(f, g):
        return f[0] * g[0], f[1] * g[0] + g[1]

    def recurrence(a, b):
        return lax.associative_scan(compose, (a, b))[1]

    def reference(a, b):
        return lax.scan(lambda c, ab: ((c * ab[0] + ab[1],) * 2), jnp.zeros_like(a[0]), (a, b))[1]
    a = np.array([0.1, 0.5, -0.3, 0.8, 0.2], np.float32)
    check_unrolled(recurrence, a, a + 1, reference=reference)
    assert lax.associative_scan(jnp.logical_or, jnp.array([False, True, False])).tolist() == \
        [False, True, True]
    with pytest.raises(TypeError, match="lax.associative_scan: fn argument should be callable."):
        lax.associative_scan(3, X)
    with pytest.raises(ValueError, match="must have the same first dimension"):
        lax.associative_scan(compose, (jnp.ones(3), jnp.ones((5, 3))))


def iterate(matvec, b):
    """Richardson's iteration."""
    return lax.scan(lambda x, _: (x + 0.25 * (b - matvec(x)), None), b * 0, None, length=80)[0]


def inverse_times(a, b):
    det = a[0, 0] * a[1, 1] - a[0, 1] * a[1, 0]
    return jnp.stack([a[1, 1] * b[0] - a[0, 1] * b[1], a[0, 0] * b[1] - a[1, 0] * b[0]]) / det


def test_custom_linear_solve():
    def solve(a, b):
        return lax.custom_linear_solve(lambda x: a @ x, b, iterate, iterate)
    np.testing.assert_allclose(solve(A, B), np.linalg.solve(A, B), rtol=1e-5)
    for transform in (lambda f: f, arrax.jit):
        found = transform(arrax.grad(lambda a, b: jnp.sin(solve(a, b)).sum(), (0, 1)))(A, B)
        expected = arrax.grad(lambda a, b: jnp.sin(inverse_times(a, b)).sum(), (0, 1))(A, B)
        for x, y in zip(found, expected, strict=True):
            np.testing.assert_allclose(x, y, rtol=1e-4)
    batch = arrax.vmap(solve, (None, 0))(A, jnp.eye(2))
    np.testing.assert_allclose(batch, np.linalg.inv(A).T, rtol=1e-4)
    np.testing.assert_allclose(
        arrax.jvp(lambda b: solve(A, b), (B,), (B,))[1], np.linalg.solve(A, B), rtol=1e-4)


def test_custom_linear_solve_with_aux_and_errors():
    x, aux = lax.custom_linear_solve(lambda x: x * 2, B, lambda mv, b: (b / 2, 7), has_aux=True)
    assert x.tolist() == [0.5, 1.0] and aux == 7
    with pytest.raises(ValueError, match=r"matvec\(\) output shapes must match b, got"):
        lax.custom_linear_solve(lambda x: jnp.zeros(3), B, iterate)
    with pytest.raises(ValueError, match=r"solve\(\) output shapes must match b, got"):
        lax.custom_linear_solve(lambda x: x, B, lambda mv, b: b[0])
    with pytest.raises(TypeError, match="transpose_solve required for backwards mode"):
        arrax.grad(lambda b: lax.custom_linear_solve(lambda x: x, b, iterate).sum())(B)


def newton(f, x):
    return lax.fori_loop(0, 20, lambda _, x: x - f(x) / arrax.grad(f)(x), x)


def test_custom_root():
    def root(a):
        return lax.custom_root(lambda x: x * x - a, 1.0, newton, lambda g, y: y / g(1.0))
    assert np.isclose(root(4.0), 2.0)
    np.testing.assert_allclose(arrax.grad(root)(4.0), 0.25, rtol=1e-5)
    np.testing.assert_allclose(arrax.grad(arrax.grad(root))(4.0), -1 / 32, rtol=1e-4)
    np.testing.assert_allclose(arrax.jit(arrax.grad(root))(4.0), 0.25, rtol=1e-5)
    np.testing.assert_allclose(arrax.vmap(arrax.grad(root))(jnp.array([1.0, 4.0])), [0.5, 0.25],
                               rtol=1e-5)


def test_custom_vmap():
    @custom_vmap
    def f(x, y):
        return x * y

    @f.def_vmap
    def rule(size, batched, x, y):
        assert size == 3 and batched == [True, False]
        return x * y + 100, True
    assert f(2.0, 3.0) == 6
    np.testing.assert_allclose(arrax.vmap(f, (0, None))(X, 2.0), X * 2 + 100)
    np.testing.assert_allclose(arrax.jit(arrax.vmap(arrax.jit(f), (0, None)))(X, 2.0), X * 2 + 100)
    np.testing.assert_allclose(
        arrax.grad(lambda x: arrax.vmap(f, (0, None))(x, 2.0).sum())(X), [2, 2, 2])
    out, dot = arrax.vmap(lambda x: arrax.jvp(lambda x: f(x, 2.0), (x,), (1.0,)))(X)
    np.testing.assert_allclose(out, X * 2 + 100)
    np.testing.assert_allclose(dot, [2, 2, 2])


def test_custom_vmap_errors():
    f = custom_vmap(lambda x: x)
    with pytest.raises(AttributeError, match="No batching rule defined for custom_vmap function"):
        f(1.0)
    f.def_vmap(lambda size, batched, x: (x, (True, True)))
    with pytest.raises(ValueError, match="structure of output value and output batching"):
        arrax.vmap(f)(X)


def test_sequential_vmap():
    f = sequential_vmap(lambda x, y: jnp.sin(x) * y)
    np.testing.assert_allclose(arrax.vmap(f, (0, None))(X, 2.0), np.sin(X) * 2, rtol=1e-6)
    jaxpr = arrax.make_jaxpr(arrax.vmap(f, (0, None)))(X, 2.0)
    assert [e.primitive.name for e in jaxpr.eqns] == ["scan"]
