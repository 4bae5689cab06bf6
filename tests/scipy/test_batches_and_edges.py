"""Leading axes as batches, halves, complex arguments and the edges of distributions."""
from __future__ import annotations

from typing import Any

import arrax.numpy as jnp
import arrax.scipy as jsp
import numpy as np
import pytest
from scipy import fft, special, stats

RANDOM = np.random.RandomState(0)
A = RANDOM.randn(2, 4, 4).astype(np.float32) + 4 * np.eye(4, dtype=np.float32)


@pytest.mark.parametrize("shape", [(4,), (4, 3), (2, 4), (2, 4, 3)])
def test_solvers_broadcast(shape: tuple[int, ...]) -> None:
    b = RANDOM.randn(*shape).astype(np.float32)
    factors = jsp.linalg.lu_factor(A)
    vector = shape in ((4,), (2, 4))
    for a, solve in ((A, lambda b: jsp.linalg.lu_solve(factors, b)),
                     (np.tril(A), lambda b: jsp.linalg.solve_triangular(A, b, lower=True))):
        found = np.asarray(solve(b))
        product = a @ (found[..., None] if vector else found)
        np.testing.assert_allclose(product[..., 0] if vector else product,
                                   np.broadcast_to(b, found.shape), atol=1e-4)


@pytest.mark.parametrize("method", ["qdwh", "svd"])
def test_polar_of_a_batch(method: str) -> None:
    u, p = jsp.linalg.polar(A, method=method)
    np.testing.assert_allclose(u @ p, A, atol=1e-4)
    np.testing.assert_allclose(u @ np.swapaxes(u, -1, -2), [np.eye(4)] * 2, atol=1e-4)


def test_rsf2csf_of_a_batch() -> None:
    t, z = jsp.linalg.schur(A)
    triangular, vectors = jsp.linalg.rsf2csf(t, z)
    back = vectors @ triangular @ np.conj(np.swapaxes(vectors, -1, -2))
    np.testing.assert_allclose(back, A, atol=1e-3)
    assert np.abs(np.tril(triangular, -1)).max() < 1e-4


def test_halves_go_away_from_zero() -> None:
    x, places = np.arange(-3, 3), np.array([[0.5, 1.5, 2.5, 3.5]], np.float32)
    for order, expected in ((0, [-2, -1, 0, 1]), (1, [-3, -2, -1, 1])):
        found = jsp.ndimage.map_coordinates(x, places, order)
        np.testing.assert_array_equal(found, expected)


def test_complex_arguments() -> None:
    z = np.array([1 + 2j, -3.5 + 0.5j, 0.5 - 1j, -2.5 + 1e-6j], np.complex64)
    np.testing.assert_allclose(jsp.special.gamma(z), special.gamma(z), rtol=1e-4)
    np.testing.assert_allclose(jsp.special.erfcx(z), special.erfcx(z), rtol=1e-4)
    poles = np.asarray(jsp.special.gamma(np.array([0j, -2 + 0j])))
    assert np.isnan(poles.real).all() and np.isnan(poles.imag).all()
    x = RANDOM.randn(3, 4) + 1j * RANDOM.randn(3, 4)
    np.testing.assert_allclose(jsp.fft.dctn(x.astype(np.complex64)), fft.dctn(x), atol=1e-4)
    for function in (jsp.special.sici, jsp.special.expi, jsp.special.exp1):
        with pytest.raises(ValueError, match="must be real-valued"):
            function(z)


def test_values_below_zero() -> None:
    x = np.array([-5.0, -1.0, -0.2], np.float32)
    np.testing.assert_allclose(jsp.special.sici(x), special.sici(x), rtol=1e-4)
    theta = np.linspace(-2, 1, 7).astype(np.float32)
    for n, m in ((2, 1), (3, -2), (3, -3)):
        found = jsp.special.sph_harm_y(jnp.array(n), jnp.array(m), theta, 0.3, n_max=3)
        np.testing.assert_allclose(found, special.sph_harm_y(n, m, theta, 0.3), atol=1e-5)


@pytest.mark.parametrize("name", ["cdf", "sf", "logcdf", "logsf"])
def test_crossed_bounds_are_nan(name: str) -> None:
    args: Any = (np.array([0.5, -3.0, 3.0, 0.2]), np.array([1.0, 1.0, 1.0, -1.0]),
                 np.array([-1.0, -1.0, -1.0, 1.0]))
    found = getattr(jsp.stats.truncnorm, name)(*args)
    np.testing.assert_allclose(found, getattr(stats.truncnorm, name)(*args), rtol=1e-4)


def test_counts_are_integers() -> None:
    k = np.array([1.5, 2.0, -1.0])
    np.testing.assert_allclose(jsp.stats.poisson.pmf(k, 2.0), stats.poisson.pmf(k, 2.0), rtol=1e-5)


def test_what_an_operator_may_be() -> None:
    class Operator:
        def __matmul__(self, x: Any) -> Any:
            return 2 * x
    for solver in (jsp.sparse.linalg.cg, jsp.sparse.linalg.gmres, jsp.sparse.linalg.bicgstab):
        np.testing.assert_allclose(solver(Operator(), jnp.arange(4.0))[0], np.arange(4) / 2)
        with pytest.raises(TypeError, match="either a function or ndarray"):
            solver([[1]], jnp.ones(1))
        assert solver(lambda x: x, 1.0)[0].weak_type


def test_norms_of_empty_matrices() -> None:
    for shape in ((0, 3), (3, 0)):
        for order in (1, 2, np.inf, "fro", "nuc"):
            assert jnp.linalg.norm(jnp.zeros(shape), order) == 0
    assert jnp.fft.fft(jnp.zeros((2, 0))).shape == (2, 0)
    assert jnp.fft.irfft(jnp.zeros(1)).shape == (0,)
