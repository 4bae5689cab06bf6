"""`arrax.experimental.sparse.linalg`: eigenvalues of operators, and sparse linear systems.

Source: `jax.experimental.sparse.linalg`.
"""
from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np

from arrax import lax
from arrax import numpy as jnp
from arrax.control.linear_solve import custom_linear_solve
from arrax.core.aval import aval_of
from arrax.core.lazy import listing as _listing
from arrax.experimental.sparse.csr import CSR
from arrax.numpy import linalg
from arrax.ops.callback import pure_callback
from arrax.transforms.jit import jit
from arrax.transforms.stages import ShapeDtypeStruct
from arrax.transforms.api_trace import eval_shape

__all__ = ["lobpcg_standard", "spsolve"]


# ---- eigenvalues -------------------------------------------------------------------------------

def lobpcg_standard(A: Any, X: Any, m: int = 100, tol: Any = None) -> tuple[Any, Any, Any]:
    """The largest eigenvalues of a Hermitian operator and their eigenvectors, by the LOBPCG method.

    Each iteration finds the best vectors in the space of the present ones (X), their residuals,
    and the directions of the last step (P), for which it keeps an orthonormal basis.

    Args:
      A: f[n, n], or a function that applies the operator to f[n, j].
      X: f[n, k], linearly independent vectors to start from; 0 < 5 k < n.
      m: the largest number of iterations.
      tol: a pair (λ, v) has converged when |A v - λ v| is at most 10 n tol (|λ| + |A v|); by
        default the dtype's epsilon. The iteration ends when all have.

    Returns: (theta, U, i): the eigenvalues f[k], largest first, eigenvectors f[n, k], and the
    number of iterations.

    Errors: ValueError for shapes and dtypes that do not fit.

    Example:
      >>> theta, U, i = lobpcg_standard(jnp.diag(jnp.arange(1., 13.)), jnp.eye(12, 2) + .1)
      >>> print(jnp.round(theta, 3))
      [12. 11.]

    Source: `jax.experimental.sparse.linalg.lobpcg_standard`. Hetmaniuk and Lehoucq 2006; Duersch,
    Shao, Yang and Gu 2018.
    """
    X = jnp.asarray(X)
    if X.ndim != 2:
        raise ValueError(f"lobpcg_standard: X must be [n, k], got shape {X.shape}")
    n, k = X.shape
    if not k:
        raise ValueError(f"lobpcg_standard: must have search dim > 0, got {k}")
    if k * 5 >= n:
        raise ValueError("lobpcg_standard: expected search dim * 5 < matrix dim (got "
                         f"{k * 5}, {n})")
    apply: Callable[[Any], Any] = A if callable(A) else partial(
        jnp.matmul, jnp.asarray(A), precision=lax.Precision.HIGHEST)
    if not callable(A) and jnp.shape(A) != (n, n):
        raise ValueError(f"lobpcg_standard: A must be ({n}, {n}) matrix A, got {jnp.shape(A)}")
    out = eval_shape(apply, X)
    if out.shape != (n, k):
        raise ValueError(f"lobpcg_standard: A must be ({n}, {n}) matrix A, got {out.shape} from "
                         f"{(n, k)}")
    if out.dtype != X.dtype:
        raise ValueError(f"lobpcg_standard: A, X must have same dtypes (were {out.dtype}, "
                         f"{X.dtype})")
    allowed = jnp.finfo(X.dtype).eps if tol is None else tol
    return _lobpcg(apply, X, m, jnp.asarray(allowed, jnp.finfo(X.dtype).dtype))


def _lobpcg(apply: Callable[[Any], Any], X: Any, m: Any, tol: Any) -> tuple[Any, Any, Any]:
    n, k = X.shape
    product = partial(jnp.matmul, precision=lax.Precision.HIGHEST)

    def adjoint(x: Any) -> Any:
        return x.conj().T

    def new_directions(basis: Any, U: Any) -> Any:
        """Orthonormal columns that span U without the basis; zeros in place of those it has."""
        for _ in range(2):
            size = linalg.norm(U, axis=0, keepdims=True)
            U = U / jnp.where(size == 0, jnp.ones_like(size), size).astype(U.dtype)
            U = linalg.qr(U - product(basis, product(adjoint(basis), U)))[0]
        U = U - product(basis, product(adjoint(basis), U))
        size = linalg.norm(U, axis=0, keepdims=True)
        keep = size > 0.9
        return jnp.where(keep, U / jnp.where(keep, size, jnp.ones_like(size)).astype(U.dtype),
                         jnp.zeros_like(U))

    def ritz(S: Any) -> tuple[Any, Any]:
        """Eigenvalues and eigenvectors of the operator on the span of S, largest first."""
        gram = product(adjoint(S), apply(S))
        gram = (gram + adjoint(gram)) / 2
        empty = linalg.norm(S, axis=0) == 0
        least = -2 * linalg.norm(gram) - 1  # below all others
        gram = gram + jnp.diag(jnp.where(empty, least, jnp.zeros_like(least)).astype(gram.dtype))
        values, vectors = linalg.eigh(gram)
        return values[::-1], vectors[:, ::-1]

    def residuals(theta: Any, U: Any) -> tuple[Any, Any]:
        AU = apply(U)
        R = AU - theta[None].astype(U.dtype) * U
        scale = jnp.abs(theta) + linalg.norm(AU, axis=0)
        return R, linalg.norm(R, axis=0) <= tol * 10 * n * scale

    def step(state: Any) -> Any:
        i, theta, U, P, R, _ = state
        S = jnp.concatenate([U, P, new_directions(jnp.concatenate([U, P], axis=1), R)], axis=1)
        values, vectors = ritz(S)
        best = vectors[:, :k]
        # The step: what is new in the best vectors, in coefficients of the orthonormal S.
        moved = best.at[:k].set(0)
        P = product(S, new_directions(best, moved))
        U = product(S, best)
        R, converged = residuals(values[:k], U)
        return i + 1, values[:k], U, P, R, converged.sum()

    def goes_on(state: Any) -> Any:
        return (state[0] < m) & (state[-1] < k)

    U = linalg.qr(X)[0]
    values, vectors = ritz(U)
    U = product(U, vectors)
    R, converged = residuals(values, U)
    start = (jnp.int32(0), values, U, jnp.zeros_like(U), R, converged.sum())
    i, theta, U, *_ = lax.while_loop(goes_on, step, start)
    return theta, U, i


_lobpcg = jit(_lobpcg, static_argnums=0)


# ---- linear systems ----------------------------------------------------------------------------

def spsolve(data: Any, indices: Any, indptr: Any, b: Any, tol: float = 1e-6, reorder: int = 1,
            ) -> Any:
    """The solution x of A x = b for a sparse matrix A, by SciPy's SuperLU on the host.

    Args:
      data, indices, indptr: the matrix [n, n] in compressed row format, as of `CSR`.
      b: f[n], the right side.
      tol: JAX's, for GPUs, below which a matrix counts as singular; SuperLU has no such bound, and
        only a positive number is asked for.
      reorder: 0 to eliminate in the given order; 1, 2 or 3 for one that fills in less.

    Returns: x, f[n]; NaNs if the matrix is singular.

    Derivatives exist in `data` and `b`, in both modes; `vmap` solves one system after the other.

    Errors: ValueError for other values of `tol` and `reorder`, and shapes that do not fit.

    Source: `jax.experimental.sparse.linalg.spsolve`.
    """
    data, indices, indptr, b = map(jnp.asarray, (data, indices, indptr, b))
    n = indptr.shape[0] - 1
    if b.shape != (n,):
        raise ValueError(f"spsolve: b must have shape ({n},), got {b.shape}")
    if reorder not in (0, 1, 2, 3):
        raise ValueError(f"spsolve: reorder must be 0, 1, 2 or 3, got {reorder}")
    if not tol > 0:
        raise ValueError(f"spsolve: tol must be positive, got {tol}")
    mat = CSR((data, indices, indptr), shape=(n, n))
    dtype = jnp.result_type(data, b)

    def solver(transpose: bool) -> Callable[..., Any]:
        def solve(matvec: Any, right: Any) -> Any:
            return pure_callback(
                partial(_solve_on_host, transpose=transpose, reorder=bool(reorder)),
                ShapeDtypeStruct(aval_of(right).shape, dtype), data, indices, indptr, right,
                vmap_method="sequential")
        return solve
    return custom_linear_solve(lambda x: mat @ x, b.astype(dtype), solver(False), solver(True))


def _solve_on_host(data: Any, indices: Any, indptr: Any, b: Any, *, transpose: bool,
                   reorder: bool) -> np.ndarray:
    from scipy.sparse import csr_matrix
    from scipy.sparse.linalg import spsolve as solve

    data, indices, indptr, b = map(np.ascontiguousarray, (data, indices, indptr, b))
    mat = csr_matrix((data, indices, indptr), shape=(b.size, b.size))
    mat = (mat.T if transpose else mat).tocsc()
    out: np.ndarray = solve(mat, b, permc_spec="COLAMD" if reorder else "NATURAL")
    return out.astype(np.result_type(data, b))

__dir__ = _listing(__name__)
