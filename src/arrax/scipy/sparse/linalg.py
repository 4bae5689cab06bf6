"""`arrax.scipy.sparse.linalg`: systems of linear equations by iteration, for operators that are
known by their products with vectors.

Vectors are pytrees of arrays. The solvers are differentiated implicitly
(`lax.custom_linear_solve`): a derivative solves one more system, and no iteration is stored.
"""
from __future__ import annotations

import functools
import operator
from collections.abc import Callable
from typing import Any

import numpy as np

from arrax import lax, tree
from arrax import numpy as jnp
from arrax.core.array import Array
from arrax.core.lazy import listing as _listing
from arrax.core.trace import Tracer
from arrax.numpy.promotion import convert

__all__ = ["bicgstab", "cg", "gmres"]

Operator = Callable[[Any], Any]


def _dot(x: Any, y: Any) -> Any:
    """Σ conj(x) y over all leaves."""
    parts = tree.map(lambda a, b: jnp.vdot(a, b, precision=lax.Precision.HIGHEST), x, y)
    return tree.reduce(operator.add, parts)


def _square(x: Any) -> Any:
    """|x|², real."""
    return jnp.real(_dot(x, x))


def _add(x: Any, factor: Any, y: Any) -> Any:
    """x + factor y, in the dtype of x, weak where it is."""
    def sum_of(a: Any, b: Any) -> Any:
        step = factor * b
        return a + (step if step.dtype == a.dtype else step.astype(a.dtype))
    return tree.map(sum_of, x, y)


def _operator(name: str, A: Any) -> Operator:
    """A function from a function or a matrix."""
    if callable(A):
        return A
    if isinstance(A, (np.ndarray, Array, Tracer)) or hasattr(A, "__jax_array__"):
        matrix = jnp.asarray(A)
        if matrix.ndim != 2 or matrix.shape[0] != matrix.shape[1]:
            raise ValueError(f"{name}: the linear operator must be a square matrix, but has shape: "
                             f"{matrix.shape}")
        return functools.partial(_product, matrix)
    if hasattr(A, "__matmul__"):
        return functools.partial(operator.matmul, A)
    raise TypeError(f"{name}: linear operator must be either a function or ndarray: {A!r}")


def _product(matrix: Any, x: Any) -> Any:
    return jnp.matmul(matrix, x, precision=lax.Precision.HIGHEST)


def _prepared(name: str, A: Any, b: Any, x0: Any, M: Any,
              ) -> tuple[Operator, Any, Any, Operator]:
    b = tree.map(_inexact, b)
    x0 = tree.map(jnp.zeros_like, b) if x0 is None else tree.map(_inexact, x0)
    if tree.structure(x0) != tree.structure(b):
        raise ValueError(f"{name}: x0 and b must have matching tree structure: "
                         f"{tree.structure(x0)} vs {tree.structure(b)}")
    for x, y in zip(tree.leaves(x0), tree.leaves(b), strict=True):
        if x.shape != y.shape:
            raise ValueError(f"{name}: arrays in x0 and b must have matching shapes: {x.shape} vs "
                             f"{y.shape}")
    return _operator(name, A), b, x0, (lambda x: x) if M is None else _operator(name, M)


def _inexact(x: Any) -> Any:
    x = jnp.asarray(x)
    return x if jnp.issubdtype(x.dtype, jnp.inexact) else x.astype(jnp.result_type(float))


def _most(maxiter: int | None, b: Any) -> int:
    """The most iterations: ten for each unknown unless told."""
    return 10 * sum(leaf.size for leaf in tree.leaves(b)) if maxiter is None else maxiter


def _bound(b: Any, tol: Any, atol: Any) -> Any:
    """The square of the residual to reach."""
    return jnp.maximum(jnp.square(tol) * _square(b), jnp.square(atol))


def _solved(A: Operator, b: Any, solve: Callable[[Operator, Any], Any], symmetric: bool) -> Any:
    found = lax.custom_linear_solve(A, b, solve=solve, transpose_solve=solve, symmetric=symmetric)
    return tree.map(lambda x, like: convert(x, x.dtype, like.weak_type), found, b)


def cg(A: Any, b: Any, x0: Any = None, *, tol: Any = 1e-5, atol: Any = 0.0,
       maxiter: int | None = None, M: Any = None) -> tuple[Any, None]:
    """The solution of A x = b for a Hermitian positive definite A, by conjugate gradients.

    Args:
      A: the matrix (n, n), or a function x → A x of pytrees like `b`.
      b: the right-hand side, a pytree of arrays.
      x0: where to start; zeros if None.
      tol, atol: the residual's norm to reach: the larger of tol |b| and atol.
      maxiter: the most iterations; 10 n if None.
      M: an approximation of A's inverse, in the form of `A`.

    Returns: (x, None), as SciPy's form is.

    Errors: ValueError when `x0` does not go with `b`.

    Example:
      >>> cg(jnp.array([[2., 0.], [0., 4.]]), jnp.array([2., 8.]))[0]
      Array([1., 2.], dtype=float32)

    Source: Hestenes and Stiefel, "Methods of conjugate gradients for solving linear systems", 1952;
    `scipy.sparse.linalg.cg`.
    """
    A, b, x0, M = _prepared("cg", A, b, x0, M)
    most = _most(maxiter, b)

    def solve(A: Operator, b: Any) -> Any:
        bound = _bound(b, tol, atol)

        def unfinished(state: Any) -> Any:
            _, r, gamma, _, k = state
            return (_square(r) > bound) & (k < most)

        def step(state: Any) -> Any:
            x, r, gamma, p, k = state
            Ap = A(p)
            alpha = gamma / _dot(p, Ap).astype(gamma.dtype)
            x, r = _add(x, alpha, p), _add(r, -alpha, Ap)
            z = M(r)
            following = _dot(r, z).astype(gamma.dtype)
            return x, r, following, _add(z, following / gamma, p), k + 1

        r = _add(b, -1, A(x0))
        z = M(r)
        return lax.while_loop(unfinished, step, (x0, r, _dot(r, z), z, 0))[0]

    return _solved(A, b, solve, symmetric=all(
        not jnp.issubdtype(x.dtype, jnp.complexfloating) for x in tree.leaves(b))), None


def bicgstab(A: Any, b: Any, x0: Any = None, *, tol: Any = 1e-5, atol: Any = 0.0,
             maxiter: int | None = None, M: Any = None) -> tuple[Any, None]:
    """The solution of A x = b, by stabilized biconjugate gradients.

    Args:
      A: the matrix (n, n), or a function x → A x of pytrees like `b`.
      b: the right-hand side, a pytree of arrays.
      x0: where to start; zeros if None.
      tol, atol: the residual's norm to reach: the larger of tol |b| and atol.
      maxiter: the most iterations; 10 n if None.
      M: an approximation of A's inverse, in the form of `A`.

    Returns: (x, None). After a breakdown x is the last iterate.

    Errors: ValueError when `x0` does not go with `b`.

    Example:
      >>> bicgstab(jnp.array([[2., 1.], [0., 4.]]), jnp.array([4., 8.]))[0].round(3)
      Array([1., 2.], dtype=float32)

    Source: van der Vorst, "Bi-CGSTAB", 1992; `scipy.sparse.linalg.bicgstab`.
    """
    A, b, x0, M = _prepared("bicgstab", A, b, x0, M)
    most = _most(maxiter, b)

    def solve(A: Operator, b: Any) -> Any:
        bound = _bound(b, tol, atol)

        def unfinished(state: Any) -> Any:
            _, r, *_, k, broken = state
            return (_square(r) > bound) & (k < most) & ~broken

        def step(state: Any) -> Any:
            x, r, shadow, alpha, omega, rho, p, q, k, _ = state
            following = _dot(shadow, r).astype(rho.dtype)
            beta = following / rho * alpha / omega
            p = _add(r, beta, _add(p, -omega, q))
            direction = M(p)
            q = A(direction)
            alpha = following / _dot(shadow, q).astype(rho.dtype)
            s = _add(r, -alpha, q)
            early = _square(s) < bound
            inner = M(s)
            t = A(inner)
            omega = _dot(t, s).astype(rho.dtype) / _dot(t, t).astype(rho.dtype)
            half = _add(x, alpha, direction)
            x = tree.map(lambda a, c: jnp.where(early, a, c), half, _add(half, omega, inner))
            r = tree.map(lambda a, c: jnp.where(early, a, c), s, _add(s, -omega, t))
            broken = ~early & ((omega == 0) | (alpha == 0))
            return x, r, shadow, alpha, omega, following, p, q, k + 1, broken

        r = _add(b, -1, A(x0))
        one = jnp.ones((), _dot(r, r).dtype)
        none = tree.map(jnp.zeros_like, r)
        start = (x0, r, r, one, one, one, none, none, 0, jnp.zeros((), bool))
        return lax.while_loop(unfinished, step, start)[0]

    return _solved(A, b, solve, symmetric=False), None


def gmres(A: Any, b: Any, x0: Any = None, *, tol: Any = 1e-5, atol: Any = 0.0, restart: int = 20,
          maxiter: int | None = None, M: Any = None, solve_method: str = "batched",
          ) -> tuple[Any, None]:
    """The solution of A x = b, by the generalized minimal residual method with restarts.

    Args:
      A: the matrix (n, n), or a function x → A x of pytrees like `b`.
      b: the right-hand side, a pytree of arrays.
      x0: where to start; zeros if None.
      tol, atol: the residual's norm to reach: the larger of tol |b| and atol.
      restart: the size of the Krylov space between restarts.
      maxiter: the most restarts; 10 n if None.
      M: an approximation of A's inverse, in the form of `A`.
      solve_method: "batched" or "incremental", which differ in how the small least-squares problem
        is updated; here it is solved once for each restart in both cases.

    Returns: (x, None).

    Errors: ValueError for another method, or when `x0` does not go with `b`.

    Example:
      >>> gmres(jnp.array([[2., 1.], [0., 4.]]), jnp.array([4., 8.]))[0].round(3)
      Array([1., 2.], dtype=float32)

    Source: Saad and Schultz, "GMRES", 1986; `scipy.sparse.linalg.gmres`.
    """
    if solve_method not in ("batched", "incremental"):
        raise ValueError("gmres: solve_method must be 'batched' or 'incremental', got "
                         f"{solve_method!r}")
    A, b, x0, M = _prepared("gmres", A, b, x0, M)
    size = sum(leaf.size for leaf in tree.leaves(b))
    most, width = _most(maxiter, b), min(restart, size)

    def solve(A: Operator, b: Any) -> Any:
        bound = _bound(M(b), tol, atol)

        def residual(x: Any) -> Any:
            return M(_add(b, -1, A(x)))

        def product(x: Any) -> Any:
            return M(A(x))

        def unfinished(state: Any) -> Any:
            _, r, k = state
            return (_square(r) > bound) & (k < most)

        def cycle(state: Any) -> Any:
            x, r, k = state
            x = _krylov_step(product, x, r, width)
            return x, residual(x), k + 1

        return lax.while_loop(unfinished, cycle, (x0, residual(x0), 0))[0]

    return _solved(A, b, solve, symmetric=False), None


def _krylov_step(A: Operator, x: Any, r: Any, width: int) -> Any:
    """x plus what minimizes the residual over the Krylov space of r, by Arnoldi's process with two
    orthogonalizations."""
    norm = jnp.sqrt(_square(r))
    dtype = jnp.result_type(*(leaf.dtype for leaf in tree.leaves(r)))
    basis = tree.map(lambda v: jnp.zeros((width + 1, *v.shape), v.dtype).at[0].set(
        v / jnp.where(norm == 0, 1, norm).astype(v.dtype)), r)

    def step(k: Any, state: Any) -> Any:
        V, H = state
        w = A(tree.map(lambda v: v[k], V))
        column = jnp.zeros(width + 1, dtype)
        before = _size(w)
        for _ in range(2):
            parts = _against(V, w)
            w = _without(w, parts, V)
            column = column + parts
        after = _size(w)
        tiny = after <= jnp.finfo(dtype).eps * before  # the space is exhausted
        scale = jnp.where(tiny, 0, 1 / jnp.where(tiny, 1, after))
        V = tree.map(lambda v, a: v.at[k + 1].set((a * scale).astype(v.dtype)), V, w)
        column = column.at[k + 1].set(jnp.where(tiny, 0, after).astype(dtype))
        return V, H.at[:, k].set(column)

    V, H = lax.fori_loop(0, width, step, (basis, jnp.zeros((width + 1, width), dtype)))
    right = jnp.zeros(width + 1, dtype).at[0].set(norm.astype(dtype))
    y = jnp.linalg.lstsq(H, right)[0]
    return tree.map(lambda a, v: a + jnp.tensordot(y.astype(v.dtype), v[:-1], 1), x, V)


def _without(w: Any, parts: Any, V: Any) -> Any:
    """w less its parts along the vectors of the basis."""
    return tree.map(lambda a, v: a - jnp.tensordot(parts.astype(v.dtype), v, 1), w, V)


def _size(x: Any) -> Any:
    return jnp.sqrt(_square(x))


def _against(V: Any, w: Any) -> Any:
    """The products of w with all vectors of the basis."""
    parts = tree.map(lambda v, a: jnp.conj(v).reshape(v.shape[0], -1) @ a.reshape(-1), V, w)
    return tree.reduce(operator.add, parts)

__dir__ = _listing(__name__)
