"""Derivatives of determinants, pseudo-inverses and least squares at matrices of every rank, where
singular values vanish and coincide, against differences."""
from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest

import arrax
import arrax.numpy as jnp
from arrax.numpy import linalg

RANDOM = np.random.RandomState(0)


@pytest.fixture(autouse=True)
def _wide() -> Iterator[None]:
    with arrax.enable_x64(True):
        yield


def of_rank(rows: int, columns: int, rank: int) -> np.ndarray:
    return RANDOM.randn(rows, rank) @ RANDOM.randn(rank, columns)


def differences(function: Callable[[np.ndarray], Any], x: np.ndarray) -> np.ndarray:
    out = np.zeros_like(x)
    for place in np.ndindex(x.shape):
        step = np.zeros_like(x)
        step[place] = 1e-5
        out[place] = (function(x + step) - function(x - step)) / 2e-5
    return out


@pytest.mark.parametrize("size", [4, 5, 6])
def test_determinants_of_every_rank(size: int) -> None:
    for rank in range(size + 1):
        x = of_rank(size, size, rank)
        expected = differences(np.linalg.det, x)
        for derivative in (arrax.grad, arrax.jacfwd, lambda f: arrax.jit(arrax.grad(f))):
            np.testing.assert_allclose(derivative(linalg.det)(x), expected, rtol=1e-6, atol=1e-6)
        direction = RANDOM.randn(size, size)
        second = np.einsum("ijkl,kl->ij", arrax.hessian(linalg.det)(x), direction)
        gradient = arrax.grad(linalg.det)
        np.testing.assert_allclose(
            second, (gradient(x + 1e-4 * direction) - gradient(x - 1e-4 * direction)) / 2e-4,
            rtol=1e-4, atol=1e-4)


def test_determinants_of_batches_and_complex_matrices() -> None:
    singular = np.diag([1.0, 1.0, 0.0, 2.0])
    both = np.stack([np.eye(4), singular])
    expected = [np.eye(4), np.diag([0.0, 0.0, 2.0, 0.0])]
    np.testing.assert_allclose(arrax.grad(lambda x: linalg.det(x).sum())(both), expected,
                               atol=1e-12)
    np.testing.assert_allclose(arrax.vmap(arrax.grad(linalg.det))(both), expected, atol=1e-12)
    x = RANDOM.randn(4, 4) + 1j * RANDOM.randn(4, 4)
    np.testing.assert_allclose(arrax.grad(linalg.det, holomorphic=True)(x),
                               np.linalg.det(x) * np.linalg.inv(x).T)
    np.testing.assert_allclose(  # in single precision
        arrax.grad(linalg.det)(np.float32(singular)), expected[1], atol=1e-6)


MATRICES = {"ones": np.ones((4, 5)), "zeros": np.zeros((4, 5)), "of rank 2": of_rank(4, 5, 2),
            "of full rank": of_rank(4, 5, 4), "orthogonal": np.eye(4, 5), "tall": of_rank(5, 3, 3),
            "tall of rank 1": of_rank(5, 3, 1)}


@pytest.mark.parametrize("name", MATRICES)
@pytest.mark.parametrize("function", ["pinv", "lstsq"])
def test_pseudo_inverses_along_matrices_of_one_rank(name: str, function: str) -> None:
    x = MATRICES[name]
    rows, columns = x.shape
    left, right = RANDOM.randn(rows, rows), RANDOM.randn(columns, columns)
    y = np.eye(rows) if function == "pinv" else RANDOM.randn(rows, 2)
    weights = RANDOM.randn(columns, y.shape[1])

    def ours(x: Any) -> Any:
        out = linalg.pinv(x) if function == "pinv" else linalg.lstsq(x, y)[0]
        return (out * weights).sum()

    def theirs(step: float) -> Any:
        moved = (np.eye(rows) + step * left) @ x @ (np.eye(columns) + step * right)
        return (np.linalg.pinv(moved, rcond=1e-9) @ y * weights).sum()
    np.testing.assert_allclose(ours(x), theirs(0.0), rtol=1e-9, atol=1e-12)
    for derivative in (arrax.grad, arrax.jacfwd, lambda f: arrax.jit(arrax.grad(f))):
        slope = (derivative(ours)(x) * (left @ x + x @ right)).sum()
        np.testing.assert_allclose(slope, (theirs(1e-6) - theirs(-1e-6)) / 2e-6, rtol=1e-6)
    assert np.isfinite(arrax.hessian(ours)(x)).all()


def test_least_squares_of_nothing() -> None:
    for wrap in (lambda f: f, arrax.jit):
        solve = wrap(linalg.lstsq)
        solution, residuals, rank, values = solve(jnp.zeros((0, 3)), jnp.zeros((0,)))
        assert solution.tolist() == [0, 0, 0] and residuals.tolist() == [0]
        assert rank == 0 and values.shape == (0,)
        solution, residuals, rank, _ = solve(jnp.zeros((3, 0)), jnp.ones((3, 2)))
        assert solution.shape == (0, 2) and residuals.tolist() == [3, 3] and rank == 0
        solution, residuals, rank, values = solve(jnp.zeros((3, 3)), jnp.ones(3))
        assert solution.tolist() == [0, 0, 0] and residuals.tolist() == [3] and rank == 0
    np.testing.assert_array_equal(linalg.lstsq(np.diag([1.0, 0.0]), np.ones(2))[2], 1)


def test_functions_of_coinciding_eigenvalues() -> None:
    eye = np.eye(3)
    for function, scale in ((lambda x: (linalg.eigvalsh(x) ** 2).sum(), 2.0),
                            (lambda x: linalg.svdvals(x).sum(), 1.0),
                            (lambda x: linalg.norm(x, "nuc"), 1.0),
                            (lambda x: jnp.log(linalg.eigh(x)[0]).sum(), 1.0),
                            (lambda x: linalg.slogdet(x)[1], 1.0)):
        np.testing.assert_allclose(arrax.grad(function)(eye), scale * eye, atol=1e-12)
