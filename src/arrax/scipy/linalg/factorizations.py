"""Factorizations: eigenvalues, singular values, QR, Schur, Hessenberg and polar forms.

`overwrite_*` and `check_finite` have no effect, as `arrax.scipy.linalg.solving` says.
"""
from __future__ import annotations

import functools
from typing import Any

from arrax import lax
from arrax import numpy as jnp
from arrax.numpy.promotion import (inexact_array, is_concrete, promote_dtypes_inexact,
                                   promotes_arguments, promotes_freely)
from arrax.scipy.linalg.solving import adjoint, cholesky, square
from arrax.typing import ArrayLike


@promotes_arguments
def eigh(a: ArrayLike, b: ArrayLike | None = None, lower: bool = True, eigvals_only: bool = False,
         overwrite_a: bool = False, overwrite_b: bool = False, turbo: bool = True,
         eigvals: None = None, type: int = 1,
         check_finite: bool = True) -> Any:
    """Eigenvalues and eigenvectors of a Hermitian matrix, or of a pair of them.

    Args:
      a: Hermitian matrices, of shape (..., n, n).
      b: positive definite matrices of the generalized problem; the unit matrix if None.
      lower: which half of the matrices to use.
      eigvals_only: whether to leave out the vectors.
      overwrite_a, overwrite_b, turbo, check_finite: without effect here, see the module.
      eigvals: part of the spectrum; not supported, NotImplementedError unless None.
      type: with b: 1 solves a v = w b v, 2 a b v = w v, 3 b a v = w v.

    Returns: w in ascending order, of shape (..., n), or (w, v) with vectors in columns.

    Errors: ValueError for another type.

    Example:
      >>> eigh(jnp.array([[2., 0.], [0., 1.]]), eigvals_only=True)
      Array([1., 2.], dtype=float32)

    Source: `scipy.linalg.eigh`.
    """
    if eigvals is not None:
        raise NotImplementedError("eigh: parts of the spectrum (eigvals=) are not supported")
    if type not in (1, 2, 3):
        raise ValueError(f"eigh: type must be 1, 2 or 3, got {type!r}")
    a = square("eigh", a)
    a = _hermitian(a, lower)
    if b is None:
        v, w = lax.linalg.eigh(a, symmetrize_input=False)
        return w if eigvals_only else (w, v)
    a, b = promote_dtypes_inexact("eigh", a, b)
    low = cholesky(_hermitian(square("eigh", b), lower), lower=True)
    if type == 1:  # l⁻¹ a l⁻ᴴ
        half = lax.linalg.triangular_solve(low, a, left_side=True, lower=True)
        inner = lax.linalg.triangular_solve(low, half, lower=True, transpose_a=True,
                                            conjugate_a=True)
    else:
        inner = adjoint(low) @ a @ low
    v, w = lax.linalg.eigh(inner)
    if eigvals_only:
        return w
    v = low @ v if type == 3 else lax.linalg.triangular_solve(
        low, v, left_side=True, lower=True, transpose_a=True, conjugate_a=True)
    return w, v


def _hermitian(a: Any, lower: bool) -> Any:
    """The matrix that one half stands for."""
    half = jnp.tril(a, -1) if lower else jnp.triu(a, 1)
    n = a.shape[-1]
    diagonal = jnp.where(jnp.eye(n, dtype=bool), jnp.real(a).astype(a.dtype), 0)
    return half + adjoint(half) + diagonal


@promotes_freely
def eigh_tridiagonal(d: Any, e: Any, *, eigvals_only: bool = False, select: str = "a",
                     select_range: tuple[float, float] | None = None, tol: float | None = None,
                     key: Any = None) -> Any:
    """Eigenvalues and eigenvectors of a Hermitian tridiagonal matrix.

    Args:
      d: the diagonal, real, of shape (n,).
      e: the diagonal next to it, of shape (n - 1,), complex ones below the diagonal.
      eigvals_only: whether to leave out the vectors.
      select: "a" for all, "i" for those numbered in `select_range`, "v" for those with values in
        it (outside of traced functions only, for how many there are must be known).
      select_range: (first, last), inclusive for "i"; (low, high], for "v".
      tol: of bisection in other implementations; this one takes all digits. NotImplementedError
        unless None.
      key: of their random start vectors; without effect here, nothing is random.

    Returns: w in ascending order, or (w, v) with vectors in columns.

    Errors: ValueError for another select, a range that does not fit, or shapes that do not.

    Example:
      >>> eigh_tridiagonal(jnp.array([2., 2.]), jnp.array([1.]), eigvals_only=True).round(4)
      Array([1., 3.], dtype=float32)

    Source: `scipy.linalg.eigh_tridiagonal`.
    """
    if tol is not None:
        raise NotImplementedError("eigh_tridiagonal: tol is not supported, results are exact to "
                                  "rounding")
    d, e = inexact_array("eigh_tridiagonal", d), inexact_array("eigh_tridiagonal", e)
    if d.ndim != 1 or e.shape != (d.shape[0] - 1,):
        raise ValueError("eigh_tridiagonal: expected shapes (n,) and (n - 1,), got "
                         f"{d.shape} and {e.shape}")
    if select not in ("a", "i", "v"):
        raise ValueError(f"eigh_tridiagonal: select must be 'a', 'i' or 'v', got {select!r}")
    if select != "a" and select_range is None:
        raise ValueError(f"eigh_tridiagonal: select={select!r} needs select_range")
    d, e = promote_dtypes_inexact("eigh_tridiagonal", jnp.real(d), e)
    v, w = lax.linalg.eigh(jnp.diag(d) + jnp.diag(e, -1), symmetrize_input=False)
    if select == "i":
        first, last = (int(i) for i in select_range or ())
        if not 0 <= first <= last < d.shape[0]:
            raise ValueError(f"eigh_tridiagonal: select_range must be within 0 … {d.shape[0] - 1}, "
                             f"got {select_range}")
        w, v = w[first:last + 1], v[:, first:last + 1]
    if select == "v":
        if not is_concrete(w):
            raise ValueError("eigh_tridiagonal: select='v' cannot be traced, for the number of "
                             "results depends on values")
        low, high = select_range or (0, 0)
        inside = (w > low) & (w <= high)
        w, v = w[inside], v[:, inside]
    return w if eigvals_only else (w, v)


@promotes_freely
def svd(a: ArrayLike, full_matrices: bool = True, compute_uv: bool = True,
        overwrite_a: bool = False, check_finite: bool = True, lapack_driver: str = "gesdd") -> Any:
    """The singular value decomposition a = u diag(s) vh.

    Args:
      a: matrices, of shape (..., m, n).
      full_matrices: whether u and vh are square, or as narrow as there are singular values.
      compute_uv: whether to give u and vh.
      lapack_driver: "gesdd" or "gesvd"; one algorithm serves both. ValueError for others.
      overwrite_a, check_finite: without effect here, see the module.

    Returns: (u, s, vh), or s; s is in descending order.

    Example:
      >>> svd(jnp.array([[3., 0.], [0., 4.]]), compute_uv=False)
      Array([4., 3.], dtype=float32)

    Source: `scipy.linalg.svd`.
    """
    if lapack_driver not in ("gesdd", "gesvd"):
        raise ValueError(f"svd: lapack_driver must be 'gesdd' or 'gesvd', got {lapack_driver!r}")
    return jnp.linalg.svd(a, full_matrices=full_matrices, compute_uv=compute_uv)


@promotes_freely
def qr(a: ArrayLike, overwrite_a: bool = False, lwork: Any = None, mode: str = "full",
       pivoting: bool = False, check_finite: bool = True) -> Any:
    """The factors of a matrix: a = q r with orthonormal columns of q and an upper triangle r.

    Args:
      a: matrices, of shape (..., m, n).
      mode: "full": q (..., m, m); "economic": q (..., m, k), r (..., k, n) with k the smaller of
        m and n; "r": r alone, in a tuple.
      pivoting: whether to exchange columns, so that the diagonal of r descends; a[:, p] = q r.
      overwrite_a, lwork, check_finite: without effect here, see the module.

    Returns: (q, r), (q, r, p), (r,) or (r, p).

    Errors: ValueError for another mode.

    Example:
      >>> jnp.abs(qr(jnp.array([[3.], [4.]]), mode="r")[0])
      Array([[5.],
             [0.]], dtype=float32)

    Source: `scipy.linalg.qr`.
    """
    if mode not in ("full", "r", "economic"):
        raise ValueError(f"qr: mode must be 'full', 'r' or 'economic', got {mode!r}")
    a = inexact_array("qr", a)
    q, r, *p = lax.linalg.qr(a, pivoting=pivoting, full_matrices=mode != "economic")
    return (r, *p) if mode == "r" else (q, r, *p)


@promotes_arguments
def qr_multiply(a: Any, c: Any, mode: str = "right", pivoting: bool = False,
                conjugate: bool = False, overwrite_a: bool = False,
                overwrite_c: bool = False) -> Any:
    """The product of a matrix with the q of `qr(a)`.

    Args:
      a: a matrix (m, n); k is the smaller of m and n.
      c: a matrix, or a vector, multiplied from the side that `mode` names.
      mode: "left": q c, of c with k rows, or m; "right": c q, of c with m columns.
      pivoting: whether to exchange columns of `a`.
      conjugate: whether q is conjugated.
      overwrite_a, overwrite_c: without effect here, see the module.

    Returns: (product, r) or (product, r, p), as of `qr(a, mode="economic")`.

    Errors: ValueError for another mode or shapes that do not go together.

    Example:
      >>> jnp.abs(qr_multiply(jnp.array([[3.], [4.]]), jnp.array([3., 4.]))[0])
      Array([5.], dtype=float32)

    Source: `scipy.linalg.qr_multiply`.
    """
    if mode not in ("left", "right"):
        raise ValueError(f"qr_multiply: mode must be 'left' or 'right', got {mode!r}")
    a, c = promote_dtypes_inexact("qr_multiply", a, c)
    m, k = a.shape[0], min(a.shape)
    is_vector = c.ndim == 1
    size = c.shape[0] if is_vector or mode == "left" else c.shape[1]
    if size not in ((k, m) if mode == "left" else (m,)):
        raise ValueError(f"qr_multiply: q has shape ({m}, {k}), which does not fit c of shape "
                         f"{c.shape} from the {mode}")
    whole = mode == "left" and size == m
    q, r, *p = lax.linalg.qr(a, pivoting=pivoting, full_matrices=whole)
    q = jnp.conj(q) if conjugate else q
    return (q @ c if mode == "left" else c @ q, r[:k], *p)


@promotes_freely
def schur(a: Any, output: str = "real") -> tuple[Any, Any]:
    """Schur's form: a = z t zᴴ with z unitary and t upper triangular (in real arithmetic with
    blocks of two along the diagonal).

    Args:
      a: matrices, of shape (..., n, n).
      output: "real", or "complex" for a triangle also of real matrices.

    Returns: (t, z).

    Errors: ValueError for another output.

    Example:
      >>> schur(jnp.array([[1., 2.], [0., 3.]]))[0]
      Array([[1., 2.],
             [0., 3.]], dtype=float32)

    Source: `scipy.linalg.schur`.
    """
    if output not in ("real", "complex"):
        raise ValueError(f"schur: output must be 'real' or 'complex', got {output!r}")
    a = square("schur", a)
    if output == "complex":
        a = a.astype(jnp.result_type(a.dtype, jnp.complex64))
    t, z = lax.linalg.schur(a)
    return t, z


@promotes_freely
def rsf2csf(T: Any, Z: Any, check_finite: bool = True) -> tuple[Any, Any]:
    """Schur's complex form from the real one.

    Args:
      T: the real form, with blocks of two along the diagonal, of shape (..., n, n).
      Z: its vectors, of shape (..., n, n); leading axes are broadcast.
      check_finite: without effect here, see the module.

    Returns: (T, Z), complex, T triangular.

    Errors: ValueError when the shapes do not go together.

    Example:
      >>> t, z = rsf2csf(*schur(jnp.array([[0., 1.], [-1., 0.]])))
      >>> float(abs(t[1, 0]))
      0.0

    Source: rotations that make each block triangular; `scipy.linalg.rsf2csf`.
    """
    T, Z = promote_dtypes_inexact("rsf2csf", T, Z)
    for name, x in (("Z", Z), ("T", T)):
        if x.ndim < 2 or x.shape[-1] != x.shape[-2]:
            raise ValueError(f"rsf2csf: Input '{name}' must be square, got shape {x.shape}.")
    if T.shape[-2:] != Z.shape[-2:]:
        raise ValueError(f"rsf2csf: Input array shapes must match: Z: {Z.shape} vs. T: {T.shape}")
    if T.ndim > 2 or Z.ndim > 2:
        return jnp.vectorize(rsf2csf, signature="(n,n),(n,n)->(n,n),(n,n)")(T, Z)
    dtype = jnp.result_type(T.dtype, jnp.complex64)
    T, Z = T.astype(dtype), Z.astype(dtype)
    n = T.shape[0]
    eps = jnp.finfo(dtype).eps
    columns = jnp.arange(n)

    def step(i: Any, state: Any) -> Any:
        T, Z = state
        m = n - 1 - i
        block = lax.dynamic_slice(T, (m - 1, m - 1), (2, 2))
        (a, b), (c, d) = block
        mean, half = (a + d) / 2, (a - d) / 2
        shift = mean + jnp.sqrt(half * half + b * c) - d
        norm = jnp.sqrt(jnp.abs(shift) ** 2 + jnp.abs(c) ** 2).astype(dtype)
        apart = jnp.abs(c) > eps * (jnp.abs(a) + jnp.abs(d))
        safe = jnp.where(apart, norm, 1)
        cosine, sine = jnp.where(apart, shift / safe, 1), jnp.where(apart, c / safe, 0)
        G = jnp.array([[jnp.conj(cosine), sine], [-sine, cosine]])
        rows = lax.dynamic_slice(T, (m - 1, 0), (2, n))
        rows = jnp.where(columns >= m - 1, G @ rows, rows)
        T = lax.dynamic_update_slice(T, rows, (m - 1, 0))
        pair = lax.dynamic_slice(T, (0, m - 1), (n, 2))
        pair = jnp.where((columns <= m)[:, None], pair @ adjoint(G), pair)
        T = lax.dynamic_update_slice(T, pair, (0, m - 1))
        vectors = lax.dynamic_slice(Z, (0, m - 1), (n, 2)) @ adjoint(G)
        return T.at[m, m - 1].set(0), lax.dynamic_update_slice(Z, vectors, (0, m - 1))

    return lax.fori_loop(0, n - 1, step, (T, Z)) if n > 1 else (T, Z)


@promotes_freely
def hessenberg(a: Any, *, calc_q: bool = False, overwrite_a: bool = False,
               check_finite: bool = True) -> Any:
    """Hessenberg's form: a = q h qᴴ with q unitary, and h zero below the first subdiagonal.

    Args:
      a: matrices, of shape (..., n, n).
      calc_q: whether to give q.
      overwrite_a, check_finite: without effect here, see the module.

    Returns: h, or (h, q).

    Example:
      >>> hessenberg(jnp.array([[1., 2.], [3., 4.]]))
      Array([[1., 2.],
             [3., 4.]], dtype=float32)

    Source: `scipy.linalg.hessenberg`.
    """
    a = square("hessenberg", a)
    n = a.shape[-1]
    if n <= 2:
        q = jnp.broadcast_to(jnp.eye(n, dtype=a.dtype), a.shape)
        return (a, q) if calc_q else a
    packed, taus = lax.linalg.hessenberg(a)
    h = jnp.triu(packed, -1)
    if not calc_q:
        return h
    inner = lax.linalg.householder_product(packed[..., 1:, :-1], taus)
    q = jnp.zeros_like(a).at[..., 0, 0].set(1).at[..., 1:, 1:].set(inner)
    return h, q


@promotes_freely
def polar(a: Any, side: str = "right", *, method: str = "qdwh", eps: float | None = None,
          max_iterations: int | None = None) -> tuple[Any, Any]:
    """The polar form: a = u p ("right") or a = p u ("left"), u with orthonormal columns (or rows)
    and p positive semidefinite.

    Args:
      a: matrices, of shape (..., m, n).
      side: "right" or "left".
      method: "qdwh", an iteration, or "svd".
      eps, max_iterations: of the iteration.

    Returns: (u, p).

    Errors: ValueError for another side or method, NotImplementedError for "qdwh" of a matrix that
    is wider than high from the right, or higher than wide from the left: "svd" takes them.

    Example:
      >>> polar(jnp.array([[-2., 0.], [0., 3.]]), method="svd")[1]
      Array([[2., 0.],
             [0., 3.]], dtype=float32)

    Source: Nakatsukasa, Bai and Gygi, "Optimizing Halley's iteration for computing the matrix polar
    decomposition", 2010; `scipy.linalg.polar`.
    """
    a = inexact_array("polar", a)
    if a.ndim < 2:
        raise ValueError(f"polar: the input `a` must be at least a 2-D array, got shape {a.shape}")
    if side not in ("right", "left"):
        raise ValueError(f"polar: side must be 'right' or 'left', got {side!r}")
    if method not in ("qdwh", "svd"):
        raise ValueError(f"polar: unknown polar decomposition method {method!r}, expected 'qdwh' "
                         "or 'svd'")
    if method == "svd":
        u, s, vh = jnp.linalg.svd(a, full_matrices=False)
        outer = adjoint(vh) if side == "right" else u
        return u @ vh, (outer * s.astype(a.dtype)[..., None, :]) @ adjoint(outer)
    if a.ndim > 2:
        one = functools.partial(polar, side=side, method=method, eps=eps,
                                max_iterations=max_iterations)
        return jnp.vectorize(one, signature="(m,n)->(m,n),(k,k)")(a)
    m, n = a.shape
    if (m < n) if side == "right" else (m > n):
        raise NotImplementedError(f"polar: method='qdwh' takes no matrix of shape {a.shape} from "
                                  f"the {side}; use method='svd'")
    if side == "left":
        u, p, *_ = lax.linalg.qdwh(adjoint(a), eps=eps, max_iterations=max_iterations)
        return adjoint(u), adjoint(p)
    u, p, *_ = lax.linalg.qdwh(a, eps=eps, max_iterations=max_iterations)
    return u, p


