"""Eigenvalues of operators, and sparse linear systems."""
from __future__ import annotations

from typing import Any

import arrax
import numpy as np
import pytest
from arrax import numpy as jnp
from arrax.core import config
from arrax.experimental import sparse
from arrax.experimental.sparse.linalg import lobpcg_standard, spsolve


def laplacian(n: int) -> np.ndarray:
    return 2 * np.eye(n) - np.eye(n, k=1) - np.eye(n, k=-1)


def hermitian(n: int) -> np.ndarray:
    a = np.random.default_rng(0).standard_normal((2, n, n))
    a = a[0] + 1j * a[1]
    return a + a.conj().T


OPERATORS = {"diagonal": np.diag(np.logspace(0, 3, 60)), "cluster": np.diag([9.] * 5 + [1.] * 55),
             "identity": np.eye(60), "laplacian": laplacian(60), "complex": hermitian(60),
             "negative": -np.diag(np.arange(1., 61.))}


@pytest.mark.parametrize("name", OPERATORS)
def test_largest_eigenvalues(name: str) -> None:
    with config.enable_x64(True):
        A = OPERATORS[name]
        X = np.random.default_rng(1).standard_normal((60, 4)).astype(A.dtype)
        theta, U, i = lobpcg_standard(A, X, 300, 1e-12)
        assert i < 300 and theta.dtype == np.float64
        np.testing.assert_allclose(theta, np.linalg.eigvalsh(A)[::-1][:4], rtol=1e-6)
        np.testing.assert_allclose(U.conj().T @ U, np.eye(4), atol=1e-10)
        np.testing.assert_allclose(A @ U, theta * U, atol=1e-6 * np.abs(A).max())


def test_operators_as_functions() -> None:
    mat = sparse.BCOO.fromdense(np.diag(np.arange(1., 31., dtype=np.float32)))
    theta, _, i = lobpcg_standard(lambda x: mat @ x, jnp.eye(30, 3) + 0.01, 40, 0.)
    assert i == 40  # no vector has an error of zero
    np.testing.assert_allclose(theta, [30, 29, 28], rtol=1e-4)


@pytest.mark.parametrize("A, X, message", [
    (np.eye(9), np.ones((9, 0)), "search dim > 0"),
    (np.eye(9), np.ones((9, 2)), r"search dim \* 5 < matrix dim \(got 10, 9\)"),
    (np.ones((9, 12)), np.ones((12, 2)), r"A must be \(12, 12\) matrix A, got \(9, 12\)"),
    (lambda x: x.astype("float16"), np.ones((12, 2)), "A, X must have same dtypes"),
    (lambda x: x[1:], np.ones((12, 2)), r"A must be \(12, 12\)"),
    (np.eye(9), np.ones(9), r"X must be \[n, k\]"),
])
def test_errors(A: Any, X: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        lobpcg_standard(A, np.asarray(X, np.float32))


@pytest.mark.parametrize("reorder", [0, 1])
def test_spsolve(reorder: int) -> None:
    generator = np.random.default_rng(0)
    dense = (generator.standard_normal((20, 20)) * (generator.random((20, 20)) < .3)
             + 4 * np.eye(20)).astype(np.float32)
    b = generator.standard_normal(20).astype(np.float32)
    mat = sparse.CSR.fromdense(dense)

    def f(data: Any, b: Any) -> Any:
        return spsolve(data, mat.indices, mat.indptr, b, reorder=reorder)
    np.testing.assert_allclose(dense @ f(mat.data, b), b, atol=1e-5)
    np.testing.assert_allclose(arrax.jit(f)(mat.data, b), f(mat.data, b), rtol=1e-5)
    both = arrax.vmap(f, (None, 0))(mat.data, jnp.stack([b, 2 * b]))
    np.testing.assert_allclose(both[1], 2 * both[0], rtol=1e-5)
    arrax.test_util.check_grads(f, (mat.data, b), order=1, atol=.05, rtol=.05)
    with pytest.raises(ValueError, match=r"b must have shape \(20,\), got \(3,\)"):
        f(mat.data, b[:3])
    with pytest.raises(ValueError, match="reorder must be 0, 1, 2 or 3, got 7"):
        spsolve(mat.data, mat.indices, mat.indptr, b, reorder=7)
