"""`arrax.scipy.linalg` against SciPy, in both precisions, eager and compiled, batched, with
gradients; the examples of all docstrings."""
from __future__ import annotations

import doctest
import inspect
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
import scipy.linalg

import arrax as jax
import arrax.numpy as jnp
from arrax.scipy import linalg

RANDOM = np.random.default_rng(0)
DTYPES = [np.float32, np.float64, np.complex64, np.complex128]


@pytest.fixture(autouse=True)
def _x64() -> Iterator[None]:
    with jax.enable_x64(True):
        yield


def matrix(dtype: Any, *shape: int) -> np.ndarray:
    real = RANDOM.standard_normal(shape)
    value = real + 1j * RANDOM.standard_normal(shape) if np.dtype(dtype).kind == "c" else real
    return value.astype(dtype)


def positive(dtype: Any, n: int) -> np.ndarray:
    a = matrix(dtype, n, n)
    return a @ a.conj().T + n * np.eye(n, dtype=dtype)


def close(found: Any, expected: Any, dtype: Any, factor: float = 400) -> None:
    expected = np.asarray(expected)
    scale = max(1, np.abs(expected).max(initial=0))
    np.testing.assert_allclose(found, expected, rtol=0, atol=factor * np.finfo(dtype).eps * scale)


def both(function: Any, *args: Any) -> list[Any]:
    return [function(*args), jax.jit(function)(*args)]


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("n", [1, 2, 5])
def test_solving(n: int, dtype: Any) -> None:
    a, b = positive(dtype, n), matrix(dtype, n, 3)
    for right in (b, b[:, 0]):
        for lower in (False, True):
            for x in both(lambda a, b, low=lower: linalg.cho_solve(linalg.cho_factor(a, low), b),
                          a, right):
                close(x, np.linalg.solve(a, right), dtype)
            close(linalg.cholesky(a, lower), scipy.linalg.cholesky(a, lower), dtype)
            close(linalg.solve(a, right, lower=lower, assume_a="pos"),
                  np.linalg.solve(a, right), dtype)
            for trans in (0, 1, 2, "N", "T", "C"):
                for unit in (False, True):
                    found = linalg.solve_triangular(a, right, trans, lower, unit)
                    close(found, scipy.linalg.solve_triangular(a, right, trans, lower, unit),
                          dtype, 1e4)
        general = matrix(dtype, n, n) + 2 * np.eye(n, dtype=dtype)
        close(linalg.solve(general, right), np.linalg.solve(general, right), dtype, 1e4)
        for trans in (0, 1, 2):
            for x in both(lambda a, b, t=trans: linalg.lu_solve(linalg.lu_factor(a), b, t),
                          general, right):
                close(x, scipy.linalg.lu_solve(scipy.linalg.lu_factor(general), right, trans),
                      dtype, 1e4)
    close(linalg.det(a), scipy.linalg.det(a), dtype)
    close(linalg.inv(a), scipy.linalg.inv(a), dtype)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("m, n", [(4, 4), (5, 3), (3, 5), (1, 1)])
def test_factorizations(m: int, n: int, dtype: Any) -> None:
    a = matrix(dtype, m, n)
    p, low, up = linalg.lu(a)
    close(p @ low @ up, a, dtype)
    for found, want in zip(linalg.lu(a), scipy.linalg.lu(a), strict=True):
        close(found, want, dtype)
    for found, want in zip(linalg.lu(a, permute_l=True), scipy.linalg.lu(a, permute_l=True)):
        close(found, want, dtype)
    for mode in ("full", "economic"):
        q, r = linalg.qr(a, mode=mode)
        assert [q.shape, r.shape] == [x.shape for x in scipy.linalg.qr(a, mode=mode)]
        close(q @ r, a, dtype)
        q, r, p = linalg.qr(a, mode=mode, pivoting=True)
        close(q @ r, a[:, p], dtype)
    close(jnp.abs(linalg.qr(a, mode="r")[0]), abs(scipy.linalg.qr(a, mode="r")[0]), dtype)
    for c, mode in ((matrix(dtype, min(m, n), 2), "left"), (matrix(dtype, 2, m), "right"),
                    (matrix(dtype, m), "right"), (matrix(dtype, m, 2), "left")):
        for conjugate in (False, True):
            found = linalg.qr_multiply(a, c, mode, conjugate=conjugate)
            q = np.asarray(linalg.qr(a, mode="full" if mode == "left" and c.shape[0] == m != min(
                m, n) else "economic")[0])
            q = q.conj() if conjugate else q
            close(found[0], q @ c if mode == "left" else c @ q, dtype)
    for full in (False, True):
        u, s, vh = linalg.svd(a, full_matrices=full)
        k = min(m, n)
        close((u[:, :k] * s) @ vh[:k], a, dtype)
        close(linalg.svd(a, compute_uv=False), scipy.linalg.svd(a, compute_uv=False), dtype)
    for side in ("right", "left"):
        u, p = linalg.polar(a, side, method="svd")
        close(u @ p if side == "right" else p @ u, a, dtype)
        for found, want in zip((u, p), scipy.linalg.polar(a, side)):
            close(found, want, dtype, 4000)
        if (m >= n) if side == "right" else (m <= n):
            for found, want in zip(linalg.polar(a, side), scipy.linalg.polar(a, side)):
                close(found, want, dtype, 4000)
        else:
            with pytest.raises(NotImplementedError, match="svd"):
                linalg.polar(a, side)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("n", [1, 2, 6])
def test_eigenvalues(n: int, dtype: Any) -> None:
    a, b = positive(dtype, n) + np.diag(np.arange(n) * 3).astype(dtype), positive(dtype, n)
    for lower in (False, True):
        w, v = linalg.eigh(np.tril(a) if lower else np.triu(a), lower=lower)
        close(a @ v, np.asarray(v) * np.asarray(w), dtype)
        for kind in (1, 2, 3):
            want = scipy.linalg.eigh(a, b, eigvals_only=True, type=kind)
            for w, v in both(lambda a, b, k=kind: linalg.eigh(a, b, type=k), a, b):
                close(w, want, dtype, 4000)
                left, right = {1: (a @ v, b @ v), 2: (a @ (b @ v), v), 3: (b @ (a @ v), v)}[kind]
                close(left, np.asarray(right) * np.asarray(w), dtype, 4000)
            close(linalg.eigh(a, b, eigvals_only=True, type=kind), want, dtype, 4000)
    h, q = linalg.hessenberg(a, calc_q=True)
    close(q @ h @ np.conj(np.asarray(q)).T, a, dtype)
    close(linalg.hessenberg(a), h, dtype)
    assert np.abs(np.tril(h, -2)).max(initial=0) == 0
    general = matrix(dtype, n, n)
    for output in ("real", "complex"):
        t, z = linalg.schur(general, output)
        close(z @ t @ np.conj(np.asarray(z)).T, general, dtype)
    for t, z in both(linalg.rsf2csf, *linalg.schur(general)):
        close(z @ t @ np.conj(np.asarray(z)).T, general, dtype)
        assert np.abs(np.tril(t, -1)).max(initial=0) == 0
        close(np.conj(np.asarray(z)).T @ z, np.eye(n), dtype)


def test_eigh_tridiagonal() -> None:
    d, e = RANDOM.standard_normal(7), RANDOM.standard_normal(6)
    for select, bounds in (("a", None), ("i", (1, 3)), ("v", (-0.5, 1.5))):
        want, _ = scipy.linalg.eigh_tridiagonal(d, e, select=select, select_range=bounds)
        w, v = linalg.eigh_tridiagonal(d, e, select=select, select_range=bounds)
        close(w, want, np.float64)
        full = np.diag(d) + np.diag(e, 1) + np.diag(e, -1)
        close(full @ v, np.asarray(v) * np.asarray(w), np.float64)
    with pytest.raises(ValueError, match="select_range"):
        linalg.eigh_tridiagonal(d, e, select="i")


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("size", [0.01, 1, 30])
def test_functions(size: float, dtype: Any) -> None:
    a = size * matrix(dtype, 5, 5) / 3
    e = matrix(dtype, 5, 5)
    for found in both(linalg.expm, a):
        close(found, scipy.linalg.expm(a), dtype, 4000 * max(size, 1))
    close(linalg.expm(np.triu(a), upper_triangular=True), scipy.linalg.expm(np.triu(a)), dtype,
          4000 * max(size, 1))
    if size < 2:
        for found, want in zip(linalg.expm_frechet(a, e), scipy.linalg.expm_frechet(a, e)):
            close(found, want, dtype, 4000)
    p = positive(dtype, 5) * size
    for found in both(linalg.sqrtm, p):
        close(found @ found, p, dtype, 4000)
    general = matrix(dtype, 4, 4)
    root = linalg.sqrtm(general)
    close(root @ root, general, dtype, 4e4)
    for found in both(lambda p: linalg.funm(p, jnp.log), p):
        close(linalg.expm(found), p, dtype, 4e4)
    _, error = linalg.funm(p, jnp.exp if size < 1 else jnp.sqrt, disp=False)
    assert 0 < error < 1


def test_expm_batches_gradients_and_bounds() -> None:
    a = matrix(np.float64, 2, 3, 4, 4)
    close(linalg.expm(a), [[scipy.linalg.expm(x) for x in row] for row in a], np.float64, 4000)
    x, direction = a[0, 0], a[0, 1]
    gradient = jax.grad(lambda x: jnp.sum(linalg.expm(x) * a[1, 0]))(x)
    want = np.sum(scipy.linalg.expm_frechet(x, direction, compute_expm=False) * a[1, 0])
    close(np.sum(np.asarray(gradient) * direction), want, np.float64, 1e5)
    assert np.isnan(linalg.expm(1e9 * x, max_squarings=3)).all()
    assert np.isnan(linalg.expm(np.nan * x)).all()
    close(linalg.expm(np.zeros((0, 0))), np.zeros((0, 0)), np.float64)


@pytest.mark.parametrize("method", ["schur", "eigen"])
@pytest.mark.parametrize("dtype", DTYPES)
def test_sylvester(dtype: Any, method: str) -> None:
    a, b, c = matrix(dtype, 4, 4), matrix(dtype, 3, 3), matrix(dtype, 4, 3)
    for x in both(lambda *m: linalg.solve_sylvester(*m, method=method), a, b, c):
        assert x.dtype == dtype
        close(a @ x + x @ b, c, dtype, 4e4)
    several = linalg.solve_sylvester(np.stack([a, 2 * a]), b, c, method=method)
    close(several[0], x, dtype, 4e4)


MATRICES: list[tuple[str, tuple[Any, ...]]] = [
    ("block_diag", (np.ones((2, 1)), 3, np.arange(3))), ("block_diag", ()),
    ("toeplitz", (np.arange(4),)), ("toeplitz", (np.arange(4), np.arange(3) + 7)),
    ("toeplitz", (np.arange(3) * 1j,)), ("circulant", (np.arange(4),)),
    ("hankel", (np.arange(4),)), ("hankel", (np.arange(4), np.arange(3) + 7)),
    ("companion", (np.array([2., 3, 4, 5]),)),
    ("convolution_matrix", (np.arange(1, 4), 5)), ("convolution_matrix", (np.arange(1, 6), 3)),
    ("convolution_matrix", (np.arange(1, 4), 5, "same")),
    ("convolution_matrix", (np.arange(1, 7), 3, "same")),
    ("convolution_matrix", (np.arange(1, 4), 5, "valid")), ("dft", (5,)), ("dft", (4, "sqrtn")),
    ("dft", (4, "n")), ("fiedler", (np.array([1, 4, 2]),)),
    ("fiedler_companion", (np.array([1., 3, 4, 5, 6]),)),
    ("fiedler_companion", (np.array([2., 3, 4]),)), ("fiedler_companion", (np.array([2., 3]),)),
    ("fiedler_companion", (np.array([1., 3, 4, 5, 6, 7]),)),
    ("hadamard", (4,)), ("hadamard", (1,)), ("helmert", (4,)), ("helmert", (4, True)),
    ("hilbert", (4,)), ("invhilbert", (5,)), ("invpascal", (4,)), ("invpascal", (4, "lower")),
    ("invpascal", (4, "upper")), ("pascal", (4,)), ("pascal", (4, "lower")),
    ("pascal", (4, "upper")), ("leslie", (np.array([.1, 2, 1]), np.array([.5, .2]))),
]


@pytest.mark.parametrize("name, args", MATRICES, ids=[f"{n}-{i}" for i, (n, _) in enumerate(
    MATRICES)])
def test_matrices(name: str, args: tuple[Any, ...]) -> None:
    expected = getattr(scipy.linalg, name)(*args)
    found = getattr(linalg, name)(*args)
    assert found.shape == expected.shape
    np.testing.assert_allclose(found, expected, rtol=1e-12, atol=1e-12)
    if name in ("toeplitz", "circulant", "hankel", "companion", "fiedler", "leslie",
                "fiedler_companion", "convolution_matrix"):
        vectors = [a for a in args if isinstance(a, np.ndarray)]
        rest = args[len(vectors):]
        batch = getattr(linalg, name)(*(np.stack([v, v + 1]) for v in vectors), *rest)
        again = getattr(scipy.linalg, name)(*(v + 1 for v in vectors), *rest)
        np.testing.assert_allclose(batch[1], again, rtol=1e-12, atol=1e-12)


ERRORS = [
    (lambda: linalg.cholesky(np.ones((2, 3))), ValueError, "square"),
    (lambda: linalg.hadamard(3), ValueError, "power of 2"),
    (lambda: linalg.solve(np.eye(2), np.ones(2), assume_a="x"), ValueError, "assume_a"),
    (lambda: linalg.solve_triangular(np.eye(2), np.ones(3)), ValueError, "shape"),
    (lambda: linalg.solve_triangular(np.eye(2), np.ones(2), trans=3), ValueError, "trans"),
    (lambda: linalg.lu_solve(linalg.lu_factor(np.eye(2)), np.ones(2), 4), ValueError, "trans"),
    (lambda: linalg.qr(np.eye(2), mode="x"), ValueError, "mode"),
    (lambda: linalg.schur(np.eye(2), "x"), ValueError, "output"),
    (lambda: linalg.sqrtm(np.eye(2), 2), NotImplementedError, "blocksize"),
    (lambda: linalg.expm(np.ones(3)), ValueError, "square"),
    (lambda: linalg.block_diag(np.ones((1, 1, 1))), ValueError, "at most 2"),
    (lambda: linalg.dft(3, "x"), ValueError, "scale"),
    (lambda: linalg.pascal(3, "x"), ValueError, "kind"),
    (lambda: linalg.polar(np.eye(2), "x"), ValueError, "side"),
    (lambda: linalg.eigh(np.eye(2), eigvals=(0, 1)), NotImplementedError, "eigvals"),
    (lambda: linalg.solve_sylvester(np.eye(2), np.eye(3), np.eye(2)), ValueError, "shapes"),
    (lambda: linalg.companion(np.ones(1)), ValueError, "at least 2"),
    (lambda: linalg.leslie(np.ones(2), np.ones(2)), ValueError, "one less than"),
]


@pytest.mark.parametrize("call, kind, text", ERRORS, ids=range(len(ERRORS)))
def test_errors(call: Any, kind: type[Exception], text: str) -> None:
    with pytest.raises(kind, match=text):
        call()


@pytest.mark.parametrize("name", linalg.__all__)
def test_docstring(name: str) -> None:
    with jax.enable_x64(False):
        text = inspect.getdoc(getattr(linalg, name))
        assert text and "Args:" in text and "Source:" in text
        test = doctest.DocTestParser().get_doctest(text, {**vars(linalg), "jnp": jnp}, name, None,
                                                   None)
        assert test.examples
        assert doctest.DocTestRunner(verbose=False).run(test).failed == 0
