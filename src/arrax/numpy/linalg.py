"""Linear algebra on the last two axes: `arrax.numpy.linalg`."""
from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from arrax import lax
from arrax.core import dtypes
from arrax.core.array import Array
from arrax.core.dimension import broadcast_shapes
from arrax.core.lazy import listing as _listing
from arrax.core.remembered import remembered
from arrax.lax import linalg as lax_linalg
from arrax.numpy import (creation, elementwise, linalg_products, products, reductions, selection,
                         shaping)
from arrax.numpy.linalg_derivatives import (determinant, hermitian_transpose, least_squares,
                                            lu_determinant_parts, pseudo_inverse)
from arrax.ops.arguments import axis_tuple, integer
from arrax.numpy.promotion import (as_array, broadcast_to_shape, canonical_axis, complex_dtypes,
                                   convert, inexact_array, promote_dtypes_inexact, promotes_freely,
                                   scalar_array)
from arrax.numpy.ufuncs import convert_number
from arrax.typing import ArrayLike


class EigResult(NamedTuple):
    """Eigenvalues and right eigenvectors (columns)."""

    eigenvalues: Any
    eigenvectors: Any


class EighResult(NamedTuple):
    """Ascending eigenvalues and eigenvectors (columns) of a Hermitian matrix."""

    eigenvalues: Any
    eigenvectors: Any


class QRResult(NamedTuple):
    """Factors with orthonormal columns and upper triangular."""

    Q: Any
    R: Any


class SlogdetResult(NamedTuple):
    """Sign (or phase) and logarithm of the modulus of a determinant."""

    sign: Any
    logabsdet: Any


class SVDResult(NamedTuple):
    """Left singular vectors, descending singular values, right singular vectors (rows)."""

    U: Any
    S: Any
    Vh: Any


def _matrix(name: str, a: Any, square: bool = False,
            error: type[Exception] = ValueError) -> Any:
    """The operand in floating point; `error` unless it holds (square) matrices."""
    x = inexact_array(f"linalg.{name}", a)
    if x.ndim < 2 or (square and x.shape[-1] != x.shape[-2]):
        what = "(..., n, n)" if square else "(..., m, n)"
        raise error(f"linalg.{name}: argument must have shape {what}; got {x.shape}")
    return x


_hermitian = hermitian_transpose


# ---- factorizations ------------------------------------------------------------------------------

@remembered
def cholesky(a: ArrayLike, *, upper: bool = False, symmetrize_input: bool = True) -> Array:
    """The lower triangular L with L Lᴴ = a (or the upper Lᴴ), for positive definite matrices.

    NaN where a matrix is not positive definite.
    """
    x = _matrix("cholesky", a, square=True, error=TypeError)
    factor = lax_linalg.cholesky(x, symmetrize_input=symmetrize_input)
    return _hermitian(factor) if upper else factor


@remembered
def qr(a: ArrayLike, mode: str = "reduced") -> Any:
    """The QR factorization.

    Args:
      mode: "reduced" (q with min(m, n) columns), "complete" (q square), "r" (only r), or "raw" (the
        Householder vectors and their factors).
    """
    x = _matrix("qr", a, error=TypeError)
    if mode == "raw":
        vectors, factors = lax_linalg.geqrf(x)
        return QRResult(shaping.matrix_transpose(vectors), factors)
    if mode not in ("reduced", "r", "full", "complete"):
        raise ValueError(f"Unsupported QR decomposition mode '{mode}'")
    q, r = lax_linalg.qr(x, full_matrices=mode in ("full", "complete"))
    return r if mode == "r" else QRResult(q, r)


@remembered
def svd(a: ArrayLike, full_matrices: bool = True, compute_uv: bool = True, hermitian: bool = False,
        subset_by_index: tuple[int, int] | None = None) -> Any:
    """The singular value decomposition a = U diag(S) Vh.

    Args:
      full_matrices: whether U and Vh are square.
      compute_uv: whether to return (U, S, Vh), or S alone.
      hermitian: the matrices are; their eigenvectors are used.
    """
    x = _matrix("svd", a, error=TypeError)
    if not hermitian:
        out = lax_linalg.svd(x, full_matrices=full_matrices, compute_uv=compute_uv,
                             subset_by_index=subset_by_index)
        return SVDResult(*out) if compute_uv else out
    values, vectors = eigh(x)
    size = elementwise.absolute(values)
    order = _argsort_descending(size)
    size = selection.take_along_axis(size, order, -1)
    if not compute_uv:
        return size
    sign = selection.take_along_axis(elementwise.sign(values), order, -1)
    u = selection.take_along_axis(vectors, order[..., None, :], -1)
    vh = _hermitian(elementwise._multiply(u, convert(sign, u.dtype)[..., None, :]))
    return SVDResult(u, size, vh)


def _argsort_descending(x: Any) -> Any:
    positions = lax.broadcasted_iota(np.int32, x.shape, x.ndim - 1)
    return lax.sort((elementwise._negative(x), positions), dimension=x.ndim - 1, num_keys=1)[1]


@remembered
def svdvals(x: ArrayLike, /) -> Array:
    """The singular values, descending."""
    return svd(x, compute_uv=False)


@remembered
def eigh(a: ArrayLike, UPLO: str | None = None, symmetrize_input: bool = True) -> Any:
    """Ascending eigenvalues and eigenvectors of Hermitian matrices.

    Args:
      UPLO: "L" (the default) or "U": which triangle is read without `symmetrize_input`.
    """
    if UPLO not in (None, "L", "U"):
        raise ValueError(f"UPLO must be one of None, 'L', or 'U', got {UPLO}")
    x = _matrix("eigh", a, square=True, error=TypeError)
    vectors, values = lax_linalg.eigh(x, lower=UPLO != "U", symmetrize_input=symmetrize_input)
    return EighResult(values, vectors)


@remembered
def eigvalsh(a: ArrayLike, UPLO: str | None = "L", *,
             symmetrize_input: bool = True) -> Array:
    """Ascending eigenvalues of Hermitian matrices."""
    return eigh(a, UPLO, symmetrize_input).eigenvalues


@remembered
def eig(a: ArrayLike) -> Any:
    """Eigenvalues and right eigenvectors of square matrices, complex."""
    x = _matrix("eig", a, square=True)
    values, vectors = lax_linalg.eig(x, compute_left_eigenvectors=False)
    return EigResult(values, vectors)


@remembered
def eigvals(a: ArrayLike) -> Array:
    """Eigenvalues of square matrices, complex."""
    x = _matrix("eigvals", a, square=True)
    return lax_linalg.eig(x, compute_left_eigenvectors=False, compute_right_eigenvectors=False)[0]


# ---- determinants and solutions ------------------------------------------------------------------

@remembered
def det(a: ArrayLike) -> Array:
    """Determinants of square matrices."""
    x = _matrix("det", a, square=True)
    n = x.shape[-1]
    if n == 0:
        return lax.full(x.shape[:-2], scalar_array(1, x.dtype))
    if n == 1:
        return x[..., 0, 0]
    if n == 2:
        return x[..., 0, 0] * x[..., 1, 1] - x[..., 0, 1] * x[..., 1, 0]
    if n == 3:
        return (x[..., 0, 0] * x[..., 1, 1] * x[..., 2, 2]
                + x[..., 0, 1] * x[..., 1, 2] * x[..., 2, 0]
                + x[..., 0, 2] * x[..., 1, 0] * x[..., 2, 1]
                - x[..., 0, 2] * x[..., 1, 1] * x[..., 2, 0]
                - x[..., 0, 0] * x[..., 1, 2] * x[..., 2, 1]
                - x[..., 0, 1] * x[..., 1, 0] * x[..., 2, 2])
    return determinant(x)


@remembered
def slogdet(a: ArrayLike, *, method: str | None = None) -> SlogdetResult:
    """(sign, log |det|) of square matrices, without overflow.

    Args:
      method: "lu" (the default) or "qr".
    """
    x = _matrix("slogdet", a, square=True)
    if method not in (None, "lu", "qr"):
        raise ValueError(f"Unknown slogdet method '{method}'. Supported methods are 'lu' (default),"
                         " and 'qr'.")
    if method == "qr":
        return _slogdet_qr(x)
    diagonal, odd = lu_determinant_parts(x)
    sign = reductions.prod(elementwise.sign(diagonal), axis=-1)
    sign = elementwise.where(odd, elementwise._negative(sign), sign)
    logdet = reductions.sum(elementwise.log(elementwise.absolute(diagonal)), axis=-1)
    zero = reductions.any(elementwise.equal(diagonal, 0), axis=-1)
    sign = elementwise.where(zero, scalar_array(0, sign.dtype), sign)
    logdet = elementwise.where(zero, scalar_array(-np.inf, logdet.dtype), logdet)
    return SlogdetResult(sign, elementwise.real(logdet))


def _slogdet_qr(x: Any) -> SlogdetResult:
    if x.dtype in complex_dtypes:
        raise NotImplementedError("slogdet method='qr' not implemented for complex inputs")
    _, r = lax_linalg.qr(x, full_matrices=False)
    diagonal = selection.diagonal(r, 0, -2, -1)
    logdet = reductions.sum(elementwise.log(elementwise.absolute(diagonal)), axis=-1)
    # Each reflection with a factor that is not zero turns the sign.
    vectors, factors = lax_linalg.geqrf(lax.stop_gradient(x))
    reflections = elementwise.where(elementwise.not_equal(factors, 0),
                                    scalar_array(-1, x.dtype), scalar_array(1, x.dtype))
    signs = elementwise.sign(selection.diagonal(vectors, 0, -2, -1))
    sign = elementwise._multiply(reductions.prod(reflections, axis=-1),
                                 reductions.prod(signs, axis=-1))
    return SlogdetResult(sign, logdet)


@remembered
def solve(a: ArrayLike, b: ArrayLike) -> Array:
    """x with a x = b, for square matrices `a`.

    `b` is a vector if it has one dimension, else it holds matrices; leading axes broadcast.
    """
    x, y = promote_dtypes_inexact("linalg.solve", as_array("linalg.solve", a),
                                  as_array("linalg.solve", b, 1))
    if x.ndim < 2 or x.shape[-1] != x.shape[-2]:
        raise ValueError(f"linalg.solve: a must have shape (..., n, n); got {x.shape}")
    if y.ndim == 0:
        raise ValueError("linalg.solve: b must have at least one dimension; got a scalar")
    vector = y.ndim == 1
    if vector:
        y = y[:, None]
    if y.shape[-2] != x.shape[-1]:
        raise ValueError("linalg.solve: dimensions do not match, got shapes "
                         f"{x.shape} and {np.shape(b)}")
    batch = broadcast_shapes(x.shape[:-2], y.shape[:-2])
    y = broadcast_to_shape(y, (*batch, *y.shape[-2:]))
    out = _solve(broadcast_to_shape(x, (*batch, *x.shape[-2:])), y)
    return out[..., 0] if vector else out


def _solve(a: Any, b: Any) -> Any:
    """By LU factors that the solutions of the derivative share."""
    if 0 in a.shape or 0 in b.shape:
        return lax.full_like(b, 0)
    factors, _, permutation = lax_linalg.lu(lax.stop_gradient(a))

    def solution(_: Any, y: Any) -> Any:
        return _lu_solve(factors, permutation, y, False)

    def transposed(_: Any, y: Any) -> Any:
        return _lu_solve(factors, permutation, y, True)
    return lax.custom_linear_solve(lambda x: products.matmul(a, x), b, solution, transposed)


def _lu_solve(factors: Any, permutation: Any, b: Any, transpose: bool) -> Any:
    """Solve a x = b, or aᵀ x = b, given a[permutation] = L U."""
    triangular = functools.partial(lax_linalg.triangular_solve, factors, left_side=True,
                                   transpose_a=transpose)
    if not transpose:
        b = selection.take_along_axis(b, permutation[..., None], -2, mode="promise_in_bounds",
                                      wrap_negative_indices=False)
        x = triangular(b, lower=True, unit_diagonal=True)
        return triangular(x, lower=False)
    x = triangular(b, lower=False)
    x = triangular(x, lower=True, unit_diagonal=True)
    places = lax.broadcasted_iota(permutation.dtype, permutation.shape, permutation.ndim - 1)
    back = lax.sort((permutation, places), dimension=permutation.ndim - 1, num_keys=1)[1]
    return selection.take_along_axis(x, back[..., None], -2, mode="promise_in_bounds",
                                     wrap_negative_indices=False)


@remembered
def inv(a: ArrayLike) -> Array:
    """Inverses of square matrices."""
    x = _matrix("inv", a, square=True)
    return solve(x, broadcast_to_shape(creation.eye(x.shape[-1], dtype=x.dtype), x.shape))


@remembered
@promotes_freely
def pinv(a: ArrayLike, rtol: ArrayLike | None = None, hermitian: bool = False, *,
         rcond: ArrayLike | None = None) -> Array:
    """Pseudo-inverses, by singular values.

    Args:
      rtol: singular values below this part of the greatest count as zero; by default
        10 max(m, n) eps. (`rcond` is its old name.)
    """
    x = _matrix("pinv", a)
    if rtol is not None and rcond is not None:
        raise ValueError("pinv: only one of rtol and rcond may be specified.")
    rtol = rcond if rtol is None else rtol
    if rtol is None:
        rtol = 10 * max(x.shape[-2:]) * float(dtypes.finfo(x.dtype).eps)
    if 0 in x.shape:
        return creation.empty((*x.shape[:-2], x.shape[-1], x.shape[-2]), x.dtype)
    if hermitian:
        x = elementwise.divide(elementwise._add(x, _hermitian(x)), 2)
    return pseudo_inverse(x, convert_number(rtol, np.dtype(dtypes.finfo(x.dtype).dtype)))


@remembered
def lstsq(a: ArrayLike, b: ArrayLike, rcond: float | None = None, *,
          numpy_resid: bool = False) -> tuple[Any, Any, Any, Any]:
    """(solution, residuals, rank, singular values) of least squares problems min |a x - b|.

    Args:
      rcond: singular values below this part of the greatest count as zero; eps max(m, n) if None.
      numpy_resid: residuals as NumPy gives them: empty when the rank is not full (not in `jit`).
    """
    x, y = promote_dtypes_inexact("linalg.lstsq", as_array("linalg.lstsq", a),
                                  as_array("linalg.lstsq", b, 1))
    if x.ndim != 2 or y.ndim not in (1, 2):
        raise ValueError("linalg.lstsq: a must have two dimensions and b one or two; got shapes "
                         f"{x.shape} and {y.shape}")
    if x.shape[0] != y.shape[0]:
        raise ValueError("Leading dimensions of input arrays must match, got "
                         f"{x.shape} and {y.shape}")
    vector = y.ndim == 1
    y = y[:, None] if vector else y
    m, n = x.shape
    eps = float(dtypes.finfo(x.dtype).eps)
    rcond = eps * max(m, n) if rcond is None else (eps if rcond < 0 else rcond)
    cutoff = scalar_array(rcond, np.dtype(dtypes.finfo(x.dtype).dtype))
    if min(m, n):
        solution, s = least_squares(x, y, cutoff)
        rank = reductions.sum(elementwise.greater(s, elementwise._multiply(cutoff, s[0])),
                              dtype=dtypes.default_int_dtype())
    else:
        solution, s = creation.zeros((n, y.shape[1]), x.dtype), creation.zeros((0,), cutoff.dtype)
        rank = creation.zeros((), dtypes.default_int_dtype())
    if numpy_resid and (int(rank) < n or m <= n):
        residuals = creation.zeros((0,), s.dtype)
    else:
        difference = elementwise._subtract(y, products.matmul(x, solution))
        residuals = reductions.sum(elementwise.square(elementwise.absolute(difference)), axis=0)
    return (shaping.ravel(solution) if vector else solution), residuals, rank, s


# ---- norms and numbers ---------------------------------------------------------------------------

@remembered
def norm(x: ArrayLike, ord: Any = None, axis: Any = None, keepdims: bool = False) -> Array:
    """Norms of vectors (one axis) or matrices (two axes).

    Args:
      ord: for vectors: a number, inf or -inf; 2 if None. For matrices: "fro" (as None), "nuc", 1,
        -1, 2, -2, inf or -inf.
      axis: the axis or axes; without `ord` the whole array is one vector if None.
    """
    v = inexact_array("linalg.norm", x)
    if axis is None and ord is None:
        squares = elementwise._multiply(v, elementwise.conjugate(v))
        return lax.sqrt(reductions.sum(elementwise.real(squares), keepdims=keepdims))
    if axis is None:
        axes: tuple[int, ...] = tuple(range(v.ndim))
    else:
        axes = tuple(canonical_axis(i, v.ndim) for i in axis_tuple(axis))
    if len(axes) == 1:
        return vector_norm(v, axis=axes[0], keepdims=keepdims, ord=2 if ord is None else ord)
    if len(axes) == 2:
        return _matrix_norm(v, axes, "fro" if ord is None else ord, keepdims)
    raise ValueError(f"Improper number of axes for norm: {axis=}. Pass one axis to compute a "
                     "vector-norm, or two axes to compute a matrix-norm.")


@remembered
def vector_norm(x: ArrayLike, /, *, axis: Any = None, keepdims: bool = False,
                ord: Any = 2) -> Array:
    """Norms of vectors along `axis` (all axes together if None)."""
    v = inexact_array("linalg.vector_norm", x)
    magnitude = elementwise.absolute(v)
    if ord is None or (isinstance(ord, (int, float)) and ord == 2):
        squares = elementwise.real(elementwise._multiply(v, elementwise.conjugate(v)))
        return lax.sqrt(reductions.sum(squares, axis=axis, keepdims=keepdims))
    if isinstance(ord, str):
        raise ValueError(f"Invalid order '{ord}' for vector norm.")
    if isinstance(ord, (int, float)):
        if ord == np.inf:
            return reductions.max(magnitude, axis=axis, keepdims=keepdims, initial=0)
        if ord == -np.inf:
            return reductions.min(magnitude, axis=axis, keepdims=keepdims)
        if ord == 0:
            return reductions.sum(elementwise.not_equal(v, 0), axis=axis, dtype=magnitude.dtype,
                                  keepdims=keepdims)
        if ord == 1:
            return reductions.sum(magnitude, axis=axis, keepdims=keepdims)
    order = convert_number(ord, magnitude.dtype)
    total = reductions.sum(elementwise.power(magnitude, order), axis=axis, keepdims=keepdims)
    return elementwise.power(total, elementwise.divide(1, order))


@remembered
def matrix_norm(x: ArrayLike, /, *, keepdims: bool = False, ord: Any = "fro") -> Array:
    """Norms of the matrices in the last two axes."""
    v = _matrix("matrix_norm", x)
    return _matrix_norm(v, (v.ndim - 2, v.ndim - 1), ord, keepdims)


def _matrix_norm(v: Any, axes: tuple[int, ...], order: Any, keepdims: bool) -> Any:
    rows, columns = axes
    if rows == columns:
        raise ValueError("Duplicate axes given.")
    if order == "fro":
        squares = elementwise.real(elementwise._multiply(v, elementwise.conjugate(v)))
        return lax.sqrt(reductions.sum(squares, axis=axes, keepdims=keepdims))
    if order in ("nuc", 2, -2):
        values = svd(shaping.moveaxis(v, axes, (-2, -1)), compute_uv=False)
        picks: dict[Any, Callable[..., Any]] = {
            "nuc": reductions.sum, 2: functools.partial(reductions.max, initial=0),
            -2: reductions.min}
        out = picks[order](values, axis=-1)
        return shaping.expand_dims(out, axes) if keepdims else out
    if order in (1, -1, np.inf, -np.inf):
        inner, outer = (rows, columns) if abs(order) == 1 else (columns, rows)
        totals = reductions.sum(elementwise.absolute(v), axis=inner, keepdims=True)
        pick = functools.partial(reductions.max, initial=0) if order > 0 else reductions.min
        out = pick(totals, axis=outer, keepdims=True)
        return out if keepdims else shaping.squeeze(out, axes)
    raise ValueError(f"Invalid order '{order}' for matrix norm.")


@remembered
def cond(x: ArrayLike, p: Any = None) -> Any:
    """Condition numbers: |a| |a⁻¹| in the norm `p`; by singular values for None, 2 and -2."""
    v = _matrix("cond", x)
    if 0 in v.shape[-2:]:
        raise ValueError(f"linalg.cond: input array must not be empty; got {v.shape}")
    if p in (None, 2, -2):
        s = svd(v, compute_uv=False)
        return elementwise.divide(s[..., -1], s[..., 0]) if p == -2 \
            else elementwise.divide(s[..., 0], s[..., -1])
    v = _matrix("cond", x, square=True)
    out = elementwise._multiply(norm(v, p, axis=(-2, -1)), norm(inv(v), p, axis=(-2, -1)))
    original = elementwise.isnan(out)
    had_nan = reductions.any(elementwise.isnan(v), axis=(-2, -1))
    return elementwise.where(
        elementwise._logical_and(original, elementwise.logical_not(had_nan)),
        scalar_array(np.inf, out.dtype), out)


@remembered
@promotes_freely
def matrix_rank(M: ArrayLike, rtol: ArrayLike | None = None, *, hermitian: bool = False,
                tol: ArrayLike | None = None) -> Array:
    """The number of singular values above `rtol` times the greatest (eps max(m, n) if None), or
    above `tol`."""
    x = inexact_array("linalg.matrix_rank", M)
    if x.ndim < 2:
        return reductions.any(elementwise.not_equal(x, 0)).astype(dtypes.default_int_dtype())
    if tol is not None and rtol is not None:
        raise ValueError("matrix_rank: only one of tol or rtol may be specified; got "
                         f"{tol} and {rtol}.")
    s = svd(x, compute_uv=False, hermitian=hermitian)
    if tol is not None:
        limit = convert_number(tol, s.dtype)[..., None]
        return reductions.sum(elementwise.greater(s, limit), axis=-1,
                              dtype=dtypes.default_int_dtype())
    if rtol is None:
        rtol = max(x.shape[-2:]) * float(dtypes.finfo(x.dtype).eps)
    limit = elementwise._multiply(convert_number(rtol, s.dtype)[..., None],
                                  reductions.max(s, axis=-1, keepdims=True))
    return reductions.sum(elementwise.greater(s, limit), axis=-1,
                          dtype=dtypes.default_int_dtype())


@remembered
def matrix_power(a: ArrayLike, n: int) -> Array:
    """Square matrices to an integer power, by repeated squaring."""
    x = as_array("linalg.matrix_power", a)
    if x.ndim < 2 or x.shape[-1] != x.shape[-2]:
        raise TypeError("linalg.matrix_power: argument must have shape (..., n, n); got "
                        f"{x.shape}")
    try:
        n = integer(n, "n")
    except TypeError:
        raise TypeError(f"exponent must be an integer, got {n}") from None
    if n == 0:
        return broadcast_to_shape(creation.eye(x.shape[-1], dtype=x.dtype), x.shape)
    if n < 0:
        x, n = inv(x), -n
    result: Any = None
    while n:
        if n & 1:
            result = x if result is None else products.matmul(result, x)
        n >>= 1
        if n:
            x = products.matmul(x, x)
    return result


# ---- products and tensors ------------------------------------------------------------------------

cross = linalg_products.cross
diagonal = linalg_products.diagonal
matmul = linalg_products.matmul
matrix_transpose = linalg_products.matrix_transpose
multi_dot = linalg_products.multi_dot
outer = linalg_products.outer
tensordot = linalg_products.tensordot
trace = linalg_products.trace
vecdot = linalg_products.vecdot


@remembered
def tensorinv(a: ArrayLike, ind: int = 2) -> Array:
    """The inverse with respect to `tensordot` over `ind` axes."""
    x = as_array("linalg.tensorinv", a)
    ind = integer(ind, "ind")
    if ind <= 0:
        raise ValueError(f"ind must be a positive integer; got ind={ind}")
    front, back = x.shape[:ind], x.shape[ind:]
    rows, columns = int(np.prod(front)), int(np.prod(back))
    if rows != columns:
        raise ValueError(f"a: products of shape[:{ind}] and shape[{ind}:] must be equal; got "
                         f"{x.shape}")
    return shaping.reshape(inv(shaping.reshape(x, (rows, columns))), (*back, *front))


@remembered
def tensorsolve(a: ArrayLike, b: ArrayLike, axes: tuple[int, ...] | None = None) -> Array:
    """x with tensordot(a, x, x.ndim) = b."""
    x, y = as_array("linalg.tensorsolve", a), as_array("linalg.tensorsolve", b, 1)
    if axes is not None:
        moved = tuple(canonical_axis(i, x.ndim) for i in axes)
        x = shaping.moveaxis(x, moved, tuple(range(x.ndim - len(moved), x.ndim)))
    out = x.shape[y.ndim:]
    if x.shape[:y.ndim] != y.shape or int(np.prod(out)) != y.size:
        raise ValueError("After moving axes to end, leading shape of a must match shape of b, and "
                         f"the rest must have as many elements: got {x.shape} and {y.shape}")
    solution = solve(shaping.reshape(x, (y.size, y.size)), shaping.ravel(y))
    return shaping.reshape(solution, out)

__all__ = [
    "EigResult", "EighResult", "QRResult", "SVDResult", "SlogdetResult", "cholesky", "cond",
    "cross", "det", "diagonal", "eig", "eigh", "eigvals", "eigvalsh", "inv", "lstsq", "matmul",
    "matrix_norm", "matrix_power", "matrix_rank", "matrix_transpose", "multi_dot", "norm",
    "outer", "pinv", "qr", "slogdet", "solve", "svd", "svdvals", "tensordot", "tensorinv",
    "tensorsolve", "trace", "vecdot", "vector_norm"]
__dir__ = _listing(__name__)
