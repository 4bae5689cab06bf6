"""`arrax.scipy`: cosine transforms, integrals, vector quantization and iterative solvers."""
from __future__ import annotations

import doctest
import inspect
from typing import Any

import numpy as np
import pytest
import scipy.cluster.vq
import scipy.fft
import scipy.integrate

import arrax as jax
import arrax.numpy as jnp
from arrax import scipy as ours

RANDOM = np.random.default_rng(3)


@pytest.mark.parametrize("norm", [None, "backward", "ortho", "forward"])
@pytest.mark.parametrize("shape, n, axis", [((1,), None, -1), ((2,), None, 0), ((7,), None, -1),
                                            ((3, 8), None, 0), ((3, 8), 5, 1), ((3, 8), 11, -1)])
def test_dct(shape: Any, n: Any, axis: int, norm: Any) -> None:
    with jax.enable_x64(True):
        x = RANDOM.standard_normal(shape)
        for name in ("dct", "idct"):
            want = getattr(scipy.fft, name)(x, n=n, axis=axis, norm=norm)
            function = getattr(ours.fft, name)
            np.testing.assert_allclose(function(x, n=n, axis=axis, norm=norm), want, atol=1e-12)
            np.testing.assert_allclose(
                jax.jit(lambda x, f=function: f(x, n=n, axis=axis, norm=norm))(x), want, atol=1e-12)
    assert ours.fft.dct(x.astype(np.float32)).dtype == np.float32


def test_dctn() -> None:
    with jax.enable_x64(True):
        x = RANDOM.standard_normal((3, 4, 5))
        for name in ("dctn", "idctn"):
            for s, axes in ((None, None), (None, (0, 2)), ((2, 7), (1, 2)), ((2, 7), None)):
                np.testing.assert_allclose(getattr(ours.fft, name)(x, s=s, axes=axes),
                                           getattr(scipy.fft, name)(x, s=s, axes=axes), atol=1e-12)
    with pytest.raises(NotImplementedError, match="type 2"):
        ours.fft.dct(x, type=1)
    with pytest.raises(ValueError, match="norm"):
        ours.fft.dct(x, norm="x")


def test_trapezoid_and_vq() -> None:
    y, x = RANDOM.standard_normal((4, 5)), np.sort(RANDOM.standard_normal(5))
    np.testing.assert_allclose(ours.integrate.trapezoid(y, x),
                               scipy.integrate.trapezoid(y, x), rtol=1e-5)
    obs, codes = RANDOM.standard_normal((20, 3)), RANDOM.standard_normal((4, 3))
    found, want = ours.cluster.vq.vq(obs, codes), scipy.cluster.vq.vq(obs, codes)
    np.testing.assert_array_equal(found[0], want[0])
    np.testing.assert_allclose(found[1], want[1], rtol=1e-5)
    with pytest.raises(ValueError, match="shapes"):
        ours.cluster.vq.vq(obs, codes[:, :2])


def _system(kind: str, dtype: Any, n: int = 12) -> tuple[np.ndarray, np.ndarray]:
    a = RANDOM.standard_normal((n, n))
    b = RANDOM.standard_normal(n)
    if np.dtype(dtype).kind == "c":
        a, b = a + 1j * RANDOM.standard_normal((n, n)), b + 1j * RANDOM.standard_normal(n)
    a = a @ a.conj().T + np.eye(n) if kind == "cg" else a + 8 * np.eye(n)
    return a.astype(dtype), b.astype(dtype)


@pytest.mark.parametrize("dtype", [np.float64, np.complex128])
@pytest.mark.parametrize("name", ["cg", "bicgstab", "gmres"])
def test_iterative_solvers(name: str, dtype: Any) -> None:
    solver = getattr(ours.sparse.linalg, name)
    with jax.enable_x64(True):
        a, b = _system(name, dtype)
        want = np.linalg.solve(a, b)
        for given in (a, lambda x: jnp.asarray(a) @ x):
            x, info = solver(given, b, tol=1e-12)
            assert info is None
            np.testing.assert_allclose(x, want, rtol=1e-8)
        inverse = np.linalg.inv(a)
        x, _ = jax.jit(lambda b: solver(a, b, tol=1e-12, M=inverse, maxiter=3))(b)
        np.testing.assert_allclose(x, want, rtol=1e-8)
        np.testing.assert_allclose(solver(a, b, want, tol=1e-6, maxiter=0)[0], want)
        # a pytree of unknowns
        half = {"u": b[:5], "v": b[5:]}

        def split(x: Any) -> Any:
            y = jnp.asarray(a) @ jnp.concatenate([x["u"], x["v"]])
            return {"u": y[:5], "v": y[5:]}

        x, _ = solver(split, half, tol=1e-12)
        np.testing.assert_allclose(np.concatenate([x["u"], x["v"]]), want, rtol=1e-8)


@pytest.mark.parametrize("name", ["cg", "bicgstab", "gmres"])
def test_solvers_differentiate_implicitly(name: str) -> None:
    solver = getattr(ours.sparse.linalg, name)
    with jax.enable_x64(True):
        a, b = _system(name, np.float64)
        loss = lambda a, b: jnp.sum(jnp.sin(solver(a, b, tol=1e-13)[0]))
        exact = lambda a, b: jnp.sum(jnp.sin(jnp.linalg.solve(a, b)))
        by_a, by_b = jax.grad(loss, (0, 1))(a, b)
        want_a, want_b = jax.grad(exact, (0, 1))(a, b)
        np.testing.assert_allclose(by_b, want_b, rtol=1e-7, atol=1e-10)
        np.testing.assert_allclose(by_a, want_a, rtol=1e-7, atol=1e-10)
        many = RANDOM.standard_normal((3, 12))
        found = jax.vmap(lambda b: solver(a, b, tol=1e-12)[0])(many)
        np.testing.assert_allclose(found, np.linalg.solve(a, many.T).T, rtol=1e-8)
    with pytest.raises(ValueError, match="structure"):
        solver(a, b, {"x": b})
    with pytest.raises(ValueError, match="square"):
        solver(np.ones((2, 3)), np.ones(2))


ROOMS = [ours.fft, ours.integrate, ours.cluster.vq, ours.sparse.linalg, ours.signal, ours.ndimage,
         ours.interpolate, ours.optimize, ours.spatial.transform, jax.image]
NAMES = [(room, name) for room in ROOMS for name in room.__all__]


@pytest.mark.parametrize("room, name", NAMES, ids=[name for _, name in NAMES])
def test_docstring(room: Any, name: str) -> None:
    text = inspect.getdoc(getattr(room, name))
    assert text and "Source:" in text
    assert inspect.isclass(getattr(room, name)) or "Args" in text
    test = doctest.DocTestParser().get_doctest(text, {**vars(room), "jnp": jnp}, name, None, None)
    assert test.examples
    assert doctest.DocTestRunner(verbose=False).run(test).failed == 0
