"""Systems of linear equations, and the factorizations that solve them.

`overwrite_*` and `check_finite` are SciPy's: arrays of arrax never change, and NaNs go through to
the result (`debug_nans` finds them), so that neither has anything to do here.
"""
from __future__ import annotations

import functools
from typing import Any

from arrax import lax
from arrax import numpy as jnp
from arrax.core.array import Array
from arrax.numpy.promotion import (inexact_array, promote_dtypes_inexact, promotes_arguments,
                                   promotes_freely)
from arrax.transforms.api_vmap import vmap
from arrax.typing import ArrayLike


def adjoint(a: Any) -> Any:
    """The conjugate transpose of the last two axes."""
    return jnp.conj(jnp.swapaxes(a, -1, -2))


def square(name: str, a: Any) -> Any:
    """`a` as an inexact array of square matrices; ValueError otherwise."""
    a = inexact_array(name, a)
    if a.ndim < 2 or a.shape[-1] != a.shape[-2]:
        raise ValueError(f"{name}: expected a square matrix, or an array of them (..., n, n); got "
                         f"shape {a.shape}")
    return a


@promotes_freely
def cholesky(a: ArrayLike, lower: bool = False, overwrite_a: bool = False,
             check_finite: bool = True) -> Array:
    """Cholesky's factor of a positive definite matrix: a = uᴴ u, or l lᴴ.

    Args:
      a: Hermitian matrices, of shape (..., n, n); of each the half that is named counts.
      lower: whether to give the lower factor l instead of u.
      overwrite_a, check_finite: without effect here, see the module.

    Returns: triangular matrices (..., n, n); NaN where `a` is not positive definite.

    Example:
      >>> cholesky(jnp.array([[4., 2.], [2., 5.]]))
      Array([[2., 1.],
             [0., 2.]], dtype=float32)

    Source: `scipy.linalg.cholesky`.
    """
    a = square("cholesky", a)
    half = jnp.tril(a) if lower else adjoint(jnp.triu(a))
    low = lax.linalg.cholesky(half, symmetrize_input=False)
    return low if lower else adjoint(low)


@promotes_freely
def cho_factor(a: ArrayLike, lower: bool = False, overwrite_a: bool = False,
               check_finite: bool = True) -> tuple[Any, bool]:
    """Cholesky's factor in the form that `cho_solve` takes.

    Args:
      a: positive definite matrices, of shape (..., n, n).
      lower: which half to use and give.
      overwrite_a, check_finite: without effect here, see the module.

    Returns: (factor, lower).

    Example:
      >>> cho_factor(jnp.array([[4.]]))
      (Array([[2.]], dtype=float32), False)

    Source: `scipy.linalg.cho_factor`.
    """
    return cholesky(a, lower=lower), lower


@promotes_freely
def cho_solve(c_and_lower: tuple[Any, bool], b: ArrayLike, overwrite_b: bool = False,
              check_finite: bool = True) -> Array:
    """The solution x of a x = b, by Cholesky's factor of `a`.

    Args:
      c_and_lower: the result of `cho_factor`.
      b: right-hand sides, of shape (..., n) or (..., n, k).
      overwrite_b, check_finite: without effect here, see the module.

    Example:
      >>> cho_solve(cho_factor(jnp.array([[4., 2.], [2., 5.]])), jnp.array([2., 5.]))
      Array([0., 1.], dtype=float32)

    Source: `scipy.linalg.cho_solve`.
    """
    factor, lower = c_and_lower
    first, last = ("N", "C") if lower else ("C", "N")
    y = solve_triangular(factor, b, trans=first, lower=lower)
    return solve_triangular(factor, y, trans=last, lower=lower)


@promotes_freely
def det(a: ArrayLike, overwrite_a: bool = False, check_finite: bool = True) -> Array:
    """The determinant.

    Args:
      a: matrices, of shape (..., n, n).
      overwrite_a, check_finite: without effect here, see the module.

    Example:
      >>> det(jnp.array([[1., 2.], [3., 4.]])).round(3)
      Array(-2., dtype=float32)

    Source: `scipy.linalg.det`.
    """
    return jnp.linalg.det(a)


@promotes_freely
def inv(a: ArrayLike, overwrite_a: bool = False, check_finite: bool = True) -> Array:
    """The inverse of a matrix.

    Args:
      a: matrices, of shape (..., n, n).
      overwrite_a, check_finite: without effect here, see the module.

    Example:
      >>> inv(jnp.array([[2., 0.], [0., 4.]]))
      Array([[0.5 , 0.  ],
             [0.  , 0.25]], dtype=float32)

    Source: `scipy.linalg.inv`.
    """
    return jnp.linalg.inv(a)


@promotes_freely
def lu_factor(a: ArrayLike, overwrite_a: bool = False,
              check_finite: bool = True) -> tuple[Any, Any]:
    """The LU factorization with row exchanges, in the form that `lu_solve` takes.

    Args:
      a: matrices, of shape (..., m, n).
      overwrite_a, check_finite: without effect here, see the module.

    Returns: (lu, piv): both factors in one matrix, and for each row the one exchanged with it.

    Example:
      >>> lu_factor(jnp.array([[0., 2.], [1., 3.]]))[1]
      Array([1, 1], dtype=int32)

    Source: `scipy.linalg.lu_factor`.
    """
    factors, pivots, _ = lax.linalg.lu(inexact_array("lu_factor", a))
    return factors, pivots


@promotes_freely
def lu_solve(lu_and_piv: tuple[Any, Any], b: Any, trans: int = 0, overwrite_b: bool = False,
             check_finite: bool = True) -> Array:
    """The solution of a linear system, by the LU factorization of its matrix.

    Args:
      lu_and_piv: the result of `lu_factor`, of a square matrix.
      b: right-hand sides, of shape (..., n) or (..., n, k); leading axes are batches.
      trans: 0 solves a x = b, 1 aᵀ x = b, 2 aᴴ x = b.
      overwrite_b, check_finite: without effect here, see the module.

    Errors: ValueError for another `trans` or shapes that do not go together.

    Example:
      >>> lu_solve(lu_factor(jnp.array([[0., 2.], [1., 3.]])), jnp.array([2., 4.]))
      Array([1., 1.], dtype=float32)

    Source: `scipy.linalg.lu_solve`.
    """
    factors, pivots = lu_and_piv
    factors, b = promote_dtypes_inexact("lu_solve", factors, b)
    if trans not in (0, 1, 2):
        raise ValueError(f"lu_solve: trans must be 0, 1, or 2, got {trans!r}")
    factors = square("lu_solve", factors)
    is_vector = _is_vector(factors, b)
    if b.ndim == 0 or b.shape[-1 if is_vector else -2] != factors.shape[-1]:
        raise ValueError("lu_solve: expected b of shape (..., n) or (..., n, k) for factors "
                         f"of shape (..., n, n); got {b.shape} and {factors.shape}")
    solve_one = functools.partial(_lu_solve_one, trans)
    form = "(n)" if is_vector else "(n,k)"
    return jnp.vectorize(solve_one, signature=f"(n,n),(n),{form}->{form}")(factors, pivots, b)


def _lu_solve_one(trans: int, factors: Any, pivots: Any, b: Any) -> Any:
    """One system with one factorization."""
    permutation = lax.linalg.lu_pivots_to_permutation(pivots, factors.shape[0])
    if trans == 0:
        y = solve_triangular(factors, b[permutation], lower=True, unit_diagonal=True)
        return solve_triangular(factors, y)
    y = solve_triangular(factors, b, trans=trans)
    x = solve_triangular(factors, y, trans=trans, lower=True, unit_diagonal=True)
    return x[jnp.argsort(permutation)]


@promotes_freely
def lu(a: Any, permute_l: bool = False, overwrite_a: bool = False,
       check_finite: bool = True) -> Any:
    """The factors of a matrix: a = p l u.

    Args:
      a: matrices, of shape (..., m, n); k is the smaller of m and n.
      permute_l: whether to give p l in one.
      overwrite_a, check_finite: without effect here, see the module.

    Returns: (p, l, u), a permutation (..., m, m), a lower triangle with ones on the diagonal
    (..., m, k) and an upper one (..., k, n); or (p l, u).

    Example:
      >>> lu(jnp.array([[0., 2.], [1., 3.]]))[0]
      Array([[0., 1.],
             [1., 0.]], dtype=float32)

    Source: `scipy.linalg.lu`.
    """
    a = inexact_array("lu", a)
    factors, _, permutation = lax.linalg.lu(a)
    m, n = a.shape[-2:]
    k = min(m, n)
    real = jnp.real(a).dtype
    p = jnp.swapaxes(permutation[..., :, None] == jnp.arange(m), -1, -2).astype(real)
    low = jnp.tril(factors, -1)[..., :, :k] + jnp.eye(m, k, dtype=a.dtype)
    up = jnp.triu(factors)[..., :k, :]
    return (p.astype(a.dtype) @ low, up) if permute_l else (p, low, up)


@promotes_arguments
def solve(a: ArrayLike, b: ArrayLike, lower: bool = False, overwrite_a: bool = False,
          overwrite_b: bool = False, debug: bool = False, check_finite: bool = True,
          assume_a: str = "gen") -> Array:
    """The solution x of a x = b.

    Args:
      a: matrices, of shape (..., n, n).
      b: right-hand sides, of shape (n,) or (..., n, k).
      lower: which half of a positive definite matrix to use.
      assume_a: what is known of `a`: "gen" nothing, "sym" symmetric, "her" Hermitian (these two are
        solved as general ones), "pos" positive definite.
      overwrite_a, overwrite_b, debug, check_finite: without effect here, see the module.

    Errors: ValueError for another `assume_a`.

    Example:
      >>> solve(jnp.array([[0., 2.], [1., 3.]]), jnp.array([2., 4.]))
      Array([1., 1.], dtype=float32)

    Source: `scipy.linalg.solve`.
    """
    if assume_a not in ("gen", "sym", "her", "pos"):
        raise ValueError("solve: assume_a must be one of ['gen', 'sym', 'her', 'pos'], got "
                         f"{assume_a!r}")
    if assume_a != "pos":
        return jnp.linalg.solve(a, b)
    a, b = promote_dtypes_inexact("solve", a, b)
    return cho_solve(cho_factor(square("solve", a), lower=lower), b)


def _is_vector(a: Any, b: Any) -> bool:
    """Whether right-hand sides are vectors: of one axis, or one for each matrix of `a`."""
    return bool(b.ndim == 1 or b.ndim == a.ndim - 1 and b.shape == a.shape[:-1])


_TRANSPOSED = {0: (False, False), "N": (False, False), 1: (True, False), "T": (True, False),
               2: (True, True), "C": (True, True)}


@promotes_arguments
def solve_triangular(a: Any, b: Any, trans: int | str = 0, lower: bool = False,
                     unit_diagonal: bool = False, overwrite_b: bool = False, debug: Any = None,
                     check_finite: bool = True) -> Array:
    """The solution x of a x = b for a triangular matrix.

    Args:
      a: matrices, of shape (..., n, n), of which one triangle counts.
      b: right-hand sides, of shape (..., n) or (..., n, k), whose leading axes broadcast with those
        of `a`; vectors if there is one axis, or one less than `a` has.
      trans: 0 or "N" solves a x = b, 1 or "T" aᵀ x = b, 2 or "C" aᴴ x = b.
      lower: whether `a` is lower triangular.
      unit_diagonal: whether its diagonal counts as ones.
      overwrite_b, debug, check_finite: without effect here, see the module.

    Errors: ValueError for another `trans`, or shapes that do not go together.

    Example:
      >>> solve_triangular(jnp.array([[2., 1.], [0., 4.]]), jnp.array([3., 4.]))
      Array([1., 1.], dtype=float32)

    Source: `scipy.linalg.solve_triangular`.
    """
    if trans not in _TRANSPOSED:
        raise ValueError(f"solve_triangular: invalid 'trans' value {trans!r}, expected one of "
                         f"{list(_TRANSPOSED)}")
    transposed, conjugated = _TRANSPOSED[trans]
    a, b = promote_dtypes_inexact("solve_triangular", a, b)
    a = square("solve_triangular", a)
    is_vector = _is_vector(a, b)
    right = b[..., None] if is_vector else b
    if b.ndim == 0 or right.shape[-2] != a.shape[-1]:
        raise ValueError("solve_triangular: b must have shape (..., n) or (..., n, k) for a of "
                         f"shape (..., n, n); got {b.shape} and {a.shape}")
    leading = jnp.broadcast_shapes(a.shape[:-2], right.shape[:-2])
    a = jnp.broadcast_to(a, (*leading, *a.shape[-2:]))
    right = jnp.broadcast_to(right, (*leading, *right.shape[-2:]))
    x = lax.linalg.triangular_solve(a, right, left_side=True, lower=lower, transpose_a=transposed,
                                    conjugate_a=conjugated, unit_diagonal=unit_diagonal)
    return x[..., 0] if is_vector else x


@promotes_arguments
def solve_sylvester(A: Any, B: Any, C: Any, *, method: str = "schur", tol: float = 1e-8) -> Array:
    """The solution X of A X + X B = C.

    Args:
      A: a matrix (m, m).
      B: a matrix (n, n).
      C: a matrix (m, n). Leading axes of the three are batches.
      method: "schur" (Bartels and Stewart's) or "eigen", which needs diagonalizable matrices.
      tol: of "eigen": sums of eigenvalues smaller than this have no solution, and give NaN.

    Errors: ValueError for another method or shapes that do not go together.

    Example:
      >>> solve_sylvester(jnp.array([[1.]]), jnp.array([[3.]]), jnp.array([[8.]]))
      Array([[2.]], dtype=float32)

    Source: Bartels and Stewart, "Solution of the matrix equation AX + XB = C", 1972;
    `scipy.linalg.solve_sylvester`.
    """
    A, B, C = promote_dtypes_inexact("solve_sylvester", A, B, C)
    A, B = square("solve_sylvester", A), square("solve_sylvester", B)
    if C.ndim < 2 or C.shape[-2:] != (A.shape[-1], B.shape[-1]):
        raise ValueError("solve_sylvester: expected shapes (m, m), (n, n) and (m, n), got "
                         f"{A.shape}, {B.shape} and {C.shape}")
    if method not in ("schur", "eigen"):
        raise ValueError(f"solve_sylvester: method must be 'schur' or 'eigen', got {method!r}")
    function: Any = _sylvester_by_schur if method == "schur" else (
        lambda a, b, c: _sylvester_by_eigenvalues(a, b, c, tol))
    leading = jnp.broadcast_shapes(A.shape[:-2], B.shape[:-2], C.shape[:-2])
    operands = [jnp.broadcast_to(m, (*leading, *m.shape[-2:])) for m in (A, B, C)]
    for _ in leading:
        function = vmap(function)
    X = function(*operands)
    return X if C.dtype.kind == "c" else jnp.real(X)


def _sylvester_by_schur(A: Any, B: Any, C: Any) -> Any:
    dtype = jnp.result_type(C.dtype, jnp.complex64)
    R, U = lax.linalg.schur(A.astype(dtype))
    S, V = lax.linalg.schur(B.astype(dtype))
    F = adjoint(U) @ C.astype(dtype) @ V
    diagonal = jnp.eye(A.shape[0], dtype=dtype)

    def column(j: Any, Y: Any) -> Any:
        rest = F[:, j] - Y @ S[:, j]  # columns from j on are still zero
        solved = lax.linalg.triangular_solve(R + S[j, j] * diagonal, rest[:, None], left_side=True)
        return Y.at[:, j].set(solved[:, 0])

    Y = lax.fori_loop(0, B.shape[0], column, jnp.zeros_like(F))
    return U @ Y @ adjoint(V)


def _sylvester_by_eigenvalues(A: Any, B: Any, C: Any, tol: float) -> Any:
    a, U = jnp.linalg.eig(A)
    b, V = jnp.linalg.eig(B)
    sums = a[:, None] + b[None, :]
    F = jnp.linalg.solve(U, C.astype(U.dtype) @ V)
    Y = jnp.where(jnp.abs(sums) < tol, jnp.nan, F / sums)
    return U @ Y @ jnp.linalg.inv(V)
