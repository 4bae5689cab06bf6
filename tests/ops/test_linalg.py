"""Linear algebra: rows for what is unique, and the defining equations for what is not."""
from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from arrax import lax
from arrax.lax import linalg
from arrax.ops.linalg_orthogonal import geqrf

from tests.ops.rows import Row, checks, cplx, real, whole

A = real(4, 4)
P = (A @ A.T + 4 * np.eye(4)).astype(np.float32)
C = cplx(3, 3)
H = (C @ C.conj().T + 4 * np.eye(3)).astype(np.complex64)
H = ((H + H.conj().T) / 2).astype(np.complex64)  # exactly Hermitian
T = (A / 4 + 4 * np.eye(4)).astype(np.float32)
TC = (C / 4 + 4 * np.eye(3)).astype(np.complex64)
# Complex matrices have rows of their own; conditions of integer matrices are anybody's guess.
LOOSE: dict[str, Any] = {"tolerance": 1e-4, "jit_tolerance": 1e-4, "derivative_tolerance": 1e-5,
                         "matrix": "bhfqn"}
LOOSE_COMPLEX = {**LOOSE, "matrix": "c"}


def _triangular(a, b, left_side, lower, transpose_a, conjugate_a, unit_diagonal):
    # type: ignore[no-untyped-def]
    a = np.tril(a) if lower else np.triu(a)
    if unit_diagonal:
        a = a - np.diag(np.diag(a)) + np.eye(a.shape[0])
    a = a.conj() if conjugate_a else a
    a = a.T if transpose_a else a
    return np.linalg.solve(a, b) if left_side else np.linalg.solve(a.T, b.T).T


def _solve_row(a, b, *flags):  # type: ignore[no-untyped-def]
    names = ("left_side", "lower", "transpose_a", "conjugate_a", "unit_diagonal")
    options = dict(zip(names, map(bool, flags)))
    return Row(f"triangular_solve {flags} {a.dtype}",
               lambda a, b: linalg.triangular_solve(a, b, **options), (a, b),
               lambda a, b: _triangular(a, b, **options), **LOOSE)


def _tridiagonal(dl, d, du, b):  # type: ignore[no-untyped-def]
    return np.linalg.solve(np.diag(d) + np.diag(dl[1:], -1) + np.diag(du[:-1], 1), b)


ROWS = [_solve_row(T, real(4, 2), 1, 1, 0, 0, 0), _solve_row(T, real(4, 2), 1, 0, 1, 0, 1),
        _solve_row(T, real(2, 4), 0, 1, 1, 0, 0), _solve_row(TC, cplx(3, 2), 1, 1, 1, 1, 0),
        _solve_row(TC, cplx(2, 3), 0, 0, 0, 1, 0)]
ROWS += [
    Row("cholesky", linalg.cholesky, (P,), np.linalg.cholesky, **LOOSE),
    Row("complex cholesky", linalg.cholesky, (H,), np.linalg.cholesky, **LOOSE_COMPLEX),
    Row("cholesky of several", linalg.cholesky, (np.stack([P, 2 * P]),), np.linalg.cholesky,
        **LOOSE),
    Row("lu", lambda x: linalg.lu(x)[0], (A,), **LOOSE),
    Row("lu of a tall matrix", lambda x: linalg.lu(x)[0], (real(5, 3),), **LOOSE),
    Row("lu of a wide matrix", lambda x: linalg.lu(x)[0], (real(3, 5),), **LOOSE),
    Row("qr", lambda x: linalg.qr(x, full_matrices=False), (real(5, 3),),
        lambda x: list(np.linalg.qr(x)), **LOOSE),
    Row("complex qr", lambda x: linalg.qr(x), (C,), lambda x: list(np.linalg.qr(x)),
        **LOOSE_COMPLEX),
    Row("singular values", lambda x: linalg.svd(x, compute_uv=False), (real(5, 3),),
        lambda x: np.linalg.svd(x, compute_uv=False), **LOOSE),
    Row("svd", lambda x: linalg.svd(x, full_matrices=False), (real(4, 3),),
        lambda x: list(np.linalg.svd(x, full_matrices=False)), **LOOSE),
    Row("svd of a wide matrix", lambda x: linalg.svd(x, full_matrices=False), (real(3, 4),),
        lambda x: list(np.linalg.svd(x, full_matrices=False)), **LOOSE),
    Row("eigh", linalg.eigh, (P,), lambda x: list(np.linalg.eigh(x)[::-1]), **LOOSE),
    Row("complex eigenvalues", lambda x: linalg.eigh(x)[1], (H,),
        lambda x: np.linalg.eigh(x)[0], **LOOSE),
    Row("eigenvalues", lambda x: lax.abs(linalg.eig(
        x, compute_left_eigenvectors=False, compute_right_eigenvectors=False)[0]), (A,), order=1,
        **LOOSE),
    Row("tridiagonal_solve", linalg.tridiagonal_solve,
        (real(4), real(4, seed=1) + 5, real(4, seed=2), real(4, 2, seed=3)), _tridiagonal, **LOOSE)]

# Forms as LAPACK keeps them: what they multiply back to is checked below.
REFLECTIONS, SCALARS = (np.asarray(o) for o in geqrf(real(5, 3)))
FIXED = {**LOOSE, "order": 0}
ROWS += [
    Row("cholesky_update", linalg.cholesky_update, (np.triu(T), real(4)),
        lambda r, w: np.linalg.cholesky(r.T @ r + np.outer(w, w)).T, **FIXED),
    Row("geqrf", geqrf, (real(5, 3),), **FIXED),
    Row("householder_product", linalg.householder_product, (REFLECTIONS, SCALARS),
        **{**FIXED, "matrix": ""}),
    Row("ormqr", lambda *xs: linalg.ormqr(*xs), (REFLECTIONS, SCALARS, real(5, 2, seed=1)),
        **{**FIXED, "matrix": ""}),
    Row("hessenberg", linalg.hessenberg, (A,), **FIXED),
    Row("tridiagonal", linalg.tridiagonal, (P,), **FIXED),
    Row("schur", linalg.schur, (A,), **{**FIXED, "matrix": ""}),
    Row("symmetric_product", lambda a, c: linalg.symmetric_product(a, c, alpha=2.0, beta=0.5),
        (real(4, 3), P), lambda a, c: 2 * a @ a.T + c / 2, **{**FIXED, "matrix": "f"}),
    Row("qdwh", lambda x: linalg.qdwh(x)[:2], (A,), batch=False, **{**FIXED, "matrix": "f"}),
    Row("lu_pivots_to_permutation", lambda p: linalg.lu_pivots_to_permutation(p, 4),
        (np.array([2, 1, 3], np.int32),), lambda p: np.array([2, 1, 3, 0], np.int32), order=0,
        matrix="")]

test_rows = checks(ROWS)


def _close(x, y):  # type: ignore[no-untyped-def]
    np.testing.assert_allclose(x, y, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("x", [A, C, real(5, 3), real(3, 5), real(2, 3, 3)], ids=lambda x: x.shape)
def test_factorizations_multiply_back(x):  # type: ignore[no-untyped-def]
    rows, columns = x.shape[-2:]
    rank = min(rows, columns)
    packed, pivots, order = (np.asarray(o.data) for o in linalg.lu(x))
    lower = np.tril(packed[..., :rank], -1) + np.eye(rows, rank)
    _close(lower @ np.triu(packed[..., :rank, :]), np.take_along_axis(x, order[..., None], -2))
    np.testing.assert_array_equal(linalg.lu_pivots_to_permutation(pivots, rows).data, order)
    u, s, vh = (o.data for o in linalg.svd(x))
    _close((u[..., :rank] * s[..., None, :]) @ vh[..., :rank, :], x)
    q, r, order = (o.data for o in linalg.qr(x, pivoting=True))
    _close(q @ r, np.take_along_axis(x, order[..., None, :], -1))


@pytest.mark.parametrize("x", [A, C], ids=["real", "complex"])
def test_spectral_forms(x):  # type: ignore[no-untyped-def]
    w, left, right = (o.data for o in linalg.eig(x))
    _close(x @ right, right * w)
    _close(left.conj().T @ x, w[:, None] * left.conj().T)
    t, z = (o.data for o in linalg.schur(x))
    _close(z @ t @ z.conj().T, x)
    packed, taus = linalg.hessenberg(x)
    q = np.eye(x.shape[0], dtype=x.dtype)
    q[1:, 1:] = linalg.householder_product(packed.data[1:, :-1], taus).data
    _close(q @ np.triu(packed.data, -1) @ q.conj().T, x)


def test_householder_reflections_make_q():  # type: ignore[no-untyped-def]
    x = real(5, 3)
    packed, taus = geqrf(x)
    q = linalg.householder_product(packed, taus).data
    _close(q @ np.triu(packed.data)[:3], x)
    c = real(5, 2, seed=1)
    full = linalg.ormqr(packed, taus, np.eye(5, dtype=np.float32)).data
    _close(linalg.ormqr(packed, taus, c, transpose=True).data, full.T @ c)


def test_tridiagonal_keeps_the_spectrum():  # type: ignore[no-untyped-def]
    _, d, e, _ = (o.data for o in linalg.tridiagonal(P))
    _close(np.linalg.eigvalsh(np.diag(d) + np.diag(e, 1) + np.diag(e, -1)), np.linalg.eigvalsh(P))


def test_updates_and_products():  # type: ignore[no-untyped-def]
    r, w = np.triu(T), real(4)
    updated = linalg.cholesky_update(r, w).data
    _close(updated.T @ updated, r.T @ r + np.outer(w, w))
    _close(linalg.symmetric_product(A, P, alpha=2.0, beta=0.5).data, 2 * A @ A.T + P / 2)
    u, h, _, _ = linalg.qdwh(A)
    _close(u.data @ h.data, A)


def test_failures_give_nan():  # type: ignore[no-untyped-def]
    out = linalg.cholesky(np.stack([P, -P])).data
    assert np.isfinite(out[0]).all() and np.isnan(out[1][np.tril_indices(4)]).all()
    nan = np.full((3, 3), np.nan, np.float32)
    for result in (*linalg.eigh(nan), *linalg.svd(nan), *linalg.eig(nan)):
        assert np.isnan(result.data).all()


def test_integers_become_floats():  # type: ignore[no-untyped-def]
    assert linalg.cholesky(np.eye(3, dtype=np.int32)).dtype == np.float32


REFUSALS = [
    (lambda: linalg.lu(A[0]), TypeError, "Input 0 to lu must have rank at least 2"),
    (lambda: linalg.eig(real(3, 4)), ValueError, r"square matrix. Got shape \(3, 4\)"),
    (lambda: linalg.triangular_solve(real(3, 4), A), ValueError, "must be a square matrix"),
    (lambda: linalg.triangular_solve(T, real(3, 3)), ValueError, "Incompatible shapes"),
    (lambda: linalg.tridiagonal_solve(A, A, A, A), TypeError, "same number of batch"),
    (lambda: linalg.svd(A, full_matrices=False, subset_by_index=(0, 2)), NotImplementedError,
     "subset_by_index"),
    (lambda: linalg.svd(A, subset_by_index=(0, 2)), ValueError, "full_matrices"),
    (lambda: linalg.qr(whole(3, 3)), TypeError, "qr does not accept dtype int32 at position 0"),
    (lambda: linalg.symmetric_product(A, whole(3, 3)), TypeError, "position 1"),
    (lambda: linalg.eig(A, implementation=linalg.EigImplementation.MAGMA), ValueError, "LAPACK"),
    (lambda: linalg.lu_pivots_to_permutation(real(3), 3), TypeError, "float32"),
    (lambda: linalg.cholesky(whole(3, 3).astype(np.float16)), NotImplementedError, "float16")]


@pytest.mark.parametrize("case", REFUSALS, ids=lambda case: case[2])
def test_refusals(case):  # type: ignore[no-untyped-def]
    call, error, message = case
    with pytest.raises(error, match=message):
        call()
