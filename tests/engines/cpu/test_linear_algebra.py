"""Compiled linear algebra against its evaluation: small matrices by our loops, others by LAPACK."""
from __future__ import annotations

import subprocess
import sys
from typing import Any

import numpy as np
import pytest

import arrax
from arrax import lax
from arrax import numpy as jnp
from arrax.core.config import enable_x64
from arrax.core.jaxpr import eval_jaxpr
from arrax.core.primitive import registry

from tests.engines.cpu.compiling import compiled, step_names, traced

DTYPES = ("float32", "float64", "complex64", "complex128")
SIZES = (1, 7, 32, 40)


def matrices(*shape: int, dtype: str = "float64", seed: int = 0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    x = rng.standard_normal(shape)
    if dtype.startswith("complex"):
        x = x + 1j * rng.standard_normal(shape)
    return x.astype(dtype)


def positive(*shape: int, dtype: str = "float64") -> np.ndarray:
    x = matrices(*shape, dtype=dtype)
    return (x @ x.conj().swapaxes(-1, -2) + 2 * np.eye(shape[-1])).astype(dtype)


def run(name: str, *operands: Any, **params: Any) -> list[np.ndarray]:
    """The compiled results, which equal the evaluated ones and take no Python."""
    def fun(*xs: Any) -> list[Any]:
        out = registry[name].bind(*xs, **params)
        return list(out) if registry[name].multiple_results else [out]

    with enable_x64(True):
        closed, arrays = traced(fun, *operands)
        executable = compiled(closed)
        assert step_names(executable.compilation.region) == ["LibraryStep"]
        got = [x.data for x in executable(arrays)]
        want = [np.asarray(x.data) for x in eval_jaxpr(closed.jaxpr, closed.consts, *arrays)]
    tolerance = 2e-3 if operands[0].dtype.name in ("float32", "complex64") else 1e-8
    if name == "svd" and len(got) == 3:
        phases = phases_of(got[1], want[1])
        want = [want[0], want[1] / phases[..., None, :], want[2] * phases[..., None]]
    elif name == "eigh":
        with np.errstate(invalid="ignore"):  # vectors of NaN
            want = [want[0] / phases_of(got[0], want[0])[..., None, :], want[1]]
    for g, w in zip(got, want, strict=True):
        np.testing.assert_allclose(g, w, rtol=tolerance, atol=tolerance)
    return got


def phases_of(got: np.ndarray, want: np.ndarray) -> np.ndarray:
    """What the columns of `want` must be divided by: rounding decides the phases of vectors."""
    product = (got.conj() * want).sum(-2)
    with np.errstate(invalid="ignore"):  # vectors of NaN
        return product / np.abs(product)  # type: ignore[no-any-return]


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("n", SIZES)
def test_cholesky(n: int, dtype: str) -> None:
    run("cholesky", positive(3, n, n, dtype=dtype))
    bad = positive(2, n, n, dtype=dtype)
    bad[1, -1, -1] = -1
    factor = run("cholesky", bad)[0]
    assert np.isfinite(factor[0]).all() and np.isnan(factor[1, -1, 0])


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("shape", [(1, 1), (5, 5), (4, 9), (9, 4), (2, 3, 7, 7), (33, 50)])
def test_lu(shape: Any, dtype: str) -> None:
    run("lu", matrices(*shape, dtype=dtype))
    run("lu", np.zeros(shape, dtype))


def test_permutations() -> None:
    pivots = np.array([[2, 2, 4], [0, 3, 2]], np.int32)
    run("lu_pivots_to_permutation", pivots, permutation_size=5)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("n, k", [(1, 1), (5, 40), (8, 1), (45, 3)])
@pytest.mark.parametrize("left", [True, False])
def test_triangular_solve(left: bool, n: int, k: int, dtype: str) -> None:
    a = matrices(2, n, n, dtype=dtype) / n + np.eye(n, dtype=dtype) * 2
    b = matrices(2, *((n, k) if left else (k, n)), dtype=dtype, seed=1)
    for flags in range(16) if dtype == "complex128" else (0, 3, 9):
        lower, transpose, conjugate, unit = (bool(flags >> bit & 1) for bit in range(4))
        if conjugate and not dtype.startswith("complex"):
            continue
        run("triangular_solve", a.astype(dtype), b, left_side=left, lower=lower,
            transpose_a=transpose, conjugate_a=conjugate, unit_diagonal=unit)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("n", [1, 2, 3, 50])
def test_tridiagonal_solve(n: int, dtype: str) -> None:
    lower, diagonal, upper = matrices(3, 2, n, dtype=dtype)
    run("tridiagonal_solve", lower, diagonal, upper, matrices(2, n, 3, dtype=dtype, seed=1),
        perturb_singular=False)


@pytest.mark.parametrize("dtype", DTYPES[:2])
def test_cholesky_update(dtype: str) -> None:
    factor = np.linalg.cholesky(positive(3, 6, 6)).swapaxes(-1, -2).astype(dtype)
    run("cholesky_update", factor, matrices(3, 6, dtype=dtype))


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("full", [True, False])
@pytest.mark.parametrize("shape", [(1, 1), (5, 3), (3, 5), (2, 8, 8), (40, 35)])
def test_qr_and_svd(shape: Any, full: bool, dtype: str) -> None:
    x = matrices(*shape, dtype=dtype)
    run("qr", x, pivoting=False, full_matrices=full, use_magma=None)
    x[..., 0] = 0
    run("qr", x, pivoting=False, full_matrices=full, use_magma=None)
    x = matrices(*shape, dtype=dtype)
    # Where u or vh is completed to a square, the added vectors are only known to be orthogonal.
    options = {"full_matrices": full, "subset_by_index": None, "algorithm": None}
    if not full or shape[-1] == shape[-2]:
        run("svd", x, compute_uv=True, **options)
    run("svd", x, compute_uv=False, **options)
    run("geqrf", x)
    if shape[-2] >= shape[-1]:
        factors, taus = registry["geqrf"].bind(x)
        run("householder_product", np.asarray(factors.data), np.asarray(taus.data))


@pytest.mark.parametrize("dtype", DTYPES)
def test_svd_completes_to_squares(dtype: str) -> None:
    x = matrices(2, 6, 4, dtype=dtype)
    with enable_x64(True):
        u, s, vh = (np.asarray(y) for y in arrax.jit(lambda x: jnp.linalg.svd(x))(x))
    np.testing.assert_allclose(u.conj().swapaxes(-1, -2) @ u, np.broadcast_to(np.eye(6), u.shape),
                               atol=1e-5)
    np.testing.assert_allclose((u[..., :4] * s[..., None, :]) @ vh, x, atol=1e-5)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("n", [1, 2, 9, 30])
@pytest.mark.parametrize("lower", [True, False])
def test_eigh(lower: bool, n: int, dtype: str) -> None:
    x = matrices(2, n, n, dtype=dtype)
    x = x + x.conj().swapaxes(-1, -2)
    options = {"lower": lower, "sort_eigenvalues": True, "subset_by_index": None,
               "algorithm": None}
    run("eigh", x, **options)
    x[1] = np.nan
    vectors, values = run("eigh", x, **options)
    assert np.isfinite(values[0]).all() and np.isnan(values[1]).all()


def test_not_finite_singular_values() -> None:
    x = matrices(3, 4, 4)
    x[1, 2, 2] = np.inf
    values = run("svd", x, compute_uv=False, full_matrices=False, subset_by_index=None,
                 algorithm=None)[0]
    assert np.isnan(values[1]).all() and np.isfinite(values[[0, 2]]).all()


def test_many_small_systems_on_several_threads() -> None:
    a, b = matrices(3000, 8, 8, dtype="float32"), matrices(3000, 8, 2, dtype="float32", seed=1)
    x = np.asarray(arrax.jit(jnp.linalg.solve)(a, b))
    want = np.linalg.solve(a.astype(np.float64), b)
    errors = np.abs(x - want).max((1, 2)) / np.abs(want).max((1, 2))
    assert np.median(errors) < 1e-5 and (errors < 0.1).all()


def test_solves_inside_loops() -> None:
    def step(state: Any, x: Any) -> Any:
        factor = jnp.linalg.cholesky(state)
        y = lax.linalg.triangular_solve(factor, x[:, None], left_side=True, lower=True)
        return state + 0.1 * y @ y.T, y[:, 0]

    start, xs = np.eye(4, dtype=np.float32), matrices(50, 4, dtype="float32")
    got = arrax.jit(lambda s, xs: lax.scan(step, s, xs))(start, xs)
    state, rows = start, []
    for x in xs:
        y = np.linalg.solve(np.linalg.cholesky(state), x)
        state = state + np.float32(0.1) * np.outer(y, y)
        rows.append(y)
    np.testing.assert_allclose(np.asarray(got[0]), state, rtol=1e-4)
    np.testing.assert_allclose(np.asarray(got[1]), rows, rtol=1e-3, atol=1e-5)


def test_small_matrices_need_no_scipy() -> None:
    code = ("import sys, arrax, numpy as np, arrax.numpy as jnp; "
            "arrax.jit(lambda a, b: jnp.linalg.solve(a, b))(np.eye(4), np.ones(4)); "
            "assert not [m for m in sys.modules if m.startswith('scipy.linalg')]")
    subprocess.run([sys.executable, "-c", code], check=True)
