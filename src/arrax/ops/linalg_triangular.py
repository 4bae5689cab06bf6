"""Cholesky and LU factorizations, and triangular solves."""
from __future__ import annotations

import functools
from typing import Any

import numpy as np

from arrax._native import call_deep
from arrax.core.ad_values import Zero, tangent_aval
from arrax.core.array import Array
from arrax.core.aval import ShapedArray, aval_of
from arrax.core.dimension import min_dim
from arrax.core.forking import import_late
from arrax.core.primitive import NotApplicable, Primitive
from arrax.core.remembered import remembered
from arrax.library.calls import call_eagerly
from arrax.core.lowering import Expand, Library
from arrax.library import linear_algebra
from arrax.ops import sharding_rules
from arrax.ops import arguments, linalg_stablehlo as form, matrices as m
from arrax.ops.elementwise_rules import check_kind
from arrax.ops.p import add_p, div_p, neg_p, pad_p, slice_p, squeeze_p
from arrax.ops.quiet import quiet
from arrax.ops.rules import add_tangents, batch_by_moving, by_operand, constant
from arrax.typing import ArrayLike


def _blas(name: str, x: np.ndarray) -> Any:
    return _library_function("blas", name, x.dtype)


def _lapack(name: str, x: np.ndarray) -> Any:
    return _library_function("lapack", name, x.dtype)


@functools.cache
def _library_function(library: str, name: str, dtype: Any) -> Any:
    scipy_linalg = import_late("scipy.linalg")
    find = scipy_linalg.get_blas_funcs if library == "blas" else scipy_linalg.get_lapack_funcs
    return functools.partial(call_deep, find(name, dtype=dtype))


# ---- triangular_solve --------------------------------------------------------------------------

def _triangular_solve_type(a: Any, b: Any, *, left_side: bool, **params: Any) -> Any:
    arguments.check_same_dtypes("triangular_solve", a, b)
    if a.ndim < 2 or a.shape[-1] != a.shape[-2]:
        raise ValueError("The first input to triangular_solve must be a square matrix. Got shape "
                         f"{a.shape}.")
    inner = b.shape[-2 if left_side else -1] if b.ndim >= 2 else None
    if a.shape[:-2] != b.shape[:-2] or a.ndim != b.ndim or inner != a.shape[-1]:
        raise ValueError("Incompatible shapes for arguments to triangular_solve: "
                         f"{a.shape} and {b.shape}.")
    return b


def _triangular_solve_evaluate(a: np.ndarray, b: np.ndarray, *, left_side: bool, lower: bool,
                               transpose_a: bool, conjugate_a: bool, unit_diagonal: bool,
                               ) -> np.ndarray:
    out = np.empty(b.shape, b.dtype)
    spec = m.small_spec(linear_algebra.triangular_solve, (a.shape, a.dtype), (b.shape, b.dtype),
                        left_side=left_side, lower=lower, transpose_a=transpose_a,
                        conjugate_a=conjugate_a, unit_diagonal=unit_diagonal)
    if spec is not None:
        call_eagerly("arrax_triangular_solve", spec, np.ascontiguousarray(a),
                     np.ascontiguousarray(b), out)
        return out
    if b.size == 0:
        return out
    solve = _blas("trsm", b)
    if conjugate_a and not transpose_a:
        a = a.conj()
    how = (2 if conjugate_a else 1) if transpose_a else 0
    if b.ndim == 2:
        return np.asarray(solve(1, a, b, 0 if left_side else 1, lower, how, unit_diagonal))
    for place in np.ndindex(*b.shape[:-2]):
        out[place] = solve(1, a[place], b[place], side=0 if left_side else 1, lower=lower,
                           trans_a=how, diag=unit_diagonal)
    return out


def _solve_matrix_tangent(tangent: Any, out: Any, a: Any, b: Any, *, left_side: bool, lower: bool,
                          transpose_a: bool, conjugate_a: bool, unit_diagonal: bool) -> Any:
    """op(a) x = b gives op(a) ẋ = -op(ȧ) x."""
    offset = 1 if unit_diagonal else 0
    tangent = m.lower_triangle(tangent, -offset) if lower else m.upper_triangle(tangent, offset)
    tangent = neg_p.bind(tangent)
    if conjugate_a:
        tangent = m.conj(tangent)
    if transpose_a:
        tangent = m.matrix_transpose(tangent)
    product = m.matmul(tangent, out) if left_side else m.matmul(out, tangent)
    return triangular_solve_p.bind(
        a, product, left_side=left_side, lower=lower, transpose_a=transpose_a,
        conjugate_a=conjugate_a, unit_diagonal=unit_diagonal)


def _triangular_solve_transpose(cotangent: Any, a: Any, b: Any, *, transpose_a: bool, **params: Any,
                                ) -> list[Any]:
    if type(cotangent) is Zero:
        return [None, Zero(b.aval)]
    return [None, triangular_solve_p.bind(a, cotangent, transpose_a=not transpose_a, **params)]


triangular_solve_p: Primitive = Primitive(
    "triangular_solve", sharding=sharding_rules.batch_of_matrices,
    type_rule=_triangular_solve_type,
    evaluate=quiet(_triangular_solve_evaluate),
    jvp=by_operand(_solve_matrix_tangent,
                   lambda t, out, a, b, **params: triangular_solve_p.bind(a, t, **params)),
    transpose=_triangular_solve_transpose,
    batch=batch_by_moving(lambda size, a, b, **params: triangular_solve_p.bind(a, b, **params)),
    stablehlo=form.triangular_solve_form,
    lower=Library(linear_algebra.triangular_solve))


@remembered
def triangular_solve(a: Any, b: Any, *, left_side: bool = False, lower: bool = False,
                     transpose_a: bool = False, conjugate_a: bool = False,
                     unit_diagonal: bool = False) -> Array:
    """Solve op(a) x = b (`left_side`) or x op(a) = b for triangular `a` […, n, n].

    Args:
      a: only the triangle that `lower` names is read; and not its diagonal if `unit_diagonal`.
      b: […, n, k] on the left, […, k, n] on the right; an axis less means k = 1 without its axis.
      transpose_a, conjugate_a: op.

    ValueError when shapes do not fit. Singular matrices give infinities and NaN.
    """
    a = arguments.operand(a, "triangular_solve")
    b = arguments.operand(b, "triangular_solve", 1)
    arguments.check_same_dtypes("triangular_solve", a.aval, b.aval)
    (a, b), narrowed = m.widened(a, b)
    a, b = m.lapack_operand(a, "triangular_solve"), m.lapack_operand(b, "triangular_solve", 1)
    conjugate_a = bool(conjugate_a) and a.dtype.kind == "c"
    vector = b.ndim == a.ndim - 1
    if vector:
        b = m.as_column(b) if left_side else m.as_row(b)
    params = {"left_side": bool(left_side), "lower": bool(lower), "transpose_a": bool(transpose_a),
              "conjugate_a": conjugate_a, "unit_diagonal": bool(unit_diagonal)}
    _triangular_solve_type(a.aval, b.aval, **params)
    out = narrowed(triangular_solve_p.bind(a, b, **params))
    if not vector:
        return out
    return squeeze_p.bind(out, dimensions=(b.ndim - 1 if left_side else b.ndim - 2,))


def _solve(a: Any, b: Any, **params: bool) -> Any:
    defaults = {"left_side": True, "lower": True, "transpose_a": False, "conjugate_a": False,
                "unit_diagonal": False}
    return triangular_solve_p.bind(a, b, **defaults | params)


# ---- cholesky ----------------------------------------------------------------------------------

def _square_type(name: str) -> Any:
    def rule(x: Any, **params: Any) -> Any:
        m.check_square(x, name)
        return x
    return rule


def _cholesky_evaluate(x: np.ndarray) -> np.ndarray:
    spec = m.small_spec(linear_algebra.cholesky, (x.shape, x.dtype))
    if spec is not None:
        factor = np.empty(x.shape, x.dtype)
        call_eagerly("arrax_cholesky", spec, np.ascontiguousarray(x), factor)
        return factor
    try:
        return np.asarray(call_deep(np.linalg.cholesky, x))
    except np.linalg.LinAlgError:
        out = m.each_matrix(lambda a: [call_deep(np.linalg.cholesky, a)], [x], x)[0]
        return np.tril(out)


def _cholesky_jvp(primals: Any, tangents: Any) -> Any:
    """L̇ = L Φ(L⁻¹ Ȧ L⁻ᴴ), Φ taking the lower triangle and half the diagonal."""
    factor = cholesky_p.bind(*primals)
    if type(tangents[0]) is Zero:
        return factor, Zero(tangent_aval(aval_of(factor)))
    factor = m.lower_triangle(factor)
    inner = _solve(factor, tangents[0], left_side=False, transpose_a=True,
                   conjugate_a=aval_of(factor).dtype.kind == "c")
    inner = m.lower_triangle(_solve(factor, inner))
    halves = m.add(m.identity(aval_of(inner).shape, aval_of(inner).dtype),
                   constant(1, aval_of(inner)))
    return factor, m.matmul(factor, m.div(inner, halves))


cholesky_p: Primitive = Primitive(
    "cholesky", sharding=sharding_rules.batch_of_matrices,
    type_rule=_square_type("cholesky"), evaluate=quiet(_cholesky_evaluate),
    jvp=_cholesky_jvp,
    batch=batch_by_moving(lambda size, x: cholesky_p.bind(x)), stablehlo=form.cholesky_form,
    lower=Library(linear_algebra.cholesky))


@remembered
def cholesky(x: Any, *, symmetrize_input: bool = True) -> Array:
    """The lower triangular L with L Lᴴ = x, for Hermitian positive definite `x` […, n, n].

    `symmetrize_input` replaces x by (x + xᴴ) / 2; without it only the lower triangle is read. A
    matrix that is not positive definite gives NaN.
    """
    x = m.matrix_operand(m.inexact_operand(x, "cholesky") if symmetrize_input else x, "cholesky")
    m.check_square(x, "cholesky")
    if symmetrize_input:
        x = symmetrized(x)
    return m.lower_triangle(cholesky_p.bind(x))


def symmetrized(x: Any) -> Any:
    """(x + xᴴ) / 2."""
    total = add_p.bind(x, m.adjoint(x))
    return div_p.bind(total, constant(2, aval_of(x)))


def _cholesky_update_evaluate(r: np.ndarray, w: np.ndarray) -> np.ndarray:
    """Givens rotations (Golub and Van Loan, "Matrix Computations", 6.5.4)."""
    out = np.triu(r)
    w = w.copy()
    for place in np.ndindex(*r.shape[:-2]):
        factor, rest = out[place], w[place]
        for k in range(factor.shape[0]):
            radius = np.hypot(factor[k, k], rest[k])
            if radius == 0:
                continue
            c, s = factor[k, k] / radius, rest[k] / radius
            row = factor[k, k:].copy()
            factor[k, k:] = c * row + s * rest[k:]
            rest[k:] = c * rest[k:] - s * row
    return out


def _cholesky_update_type(r: Any, w: Any) -> Any:
    arguments.check_same_dtypes("cholesky_update", r, w)
    if r.ndim < 2 or r.shape[-1] != r.shape[-2] or w.shape != r.shape[:-1]:
        raise ValueError("Rank-1 update to Cholesky decomposition takes a square matrix and a "
                         f"vector of the same size as input. Got shapes {r.shape} and {w.shape} "
                         "instead")
    return r


cholesky_update_p: Primitive = Primitive(
    "cholesky_update", sharding=sharding_rules.batch_of_matrices,
    type_rule=_cholesky_update_type, evaluate=quiet(_cholesky_update_evaluate),
    jvp=NotApplicable("differentiate through `cholesky`"),
    batch=batch_by_moving(lambda size, r, w: cholesky_update_p.bind(r, w)),
    stablehlo=form.cholesky_update_form,
    lower=Library(linear_algebra.cholesky_update))


def cholesky_update(r_matrix: ArrayLike, w_vector: ArrayLike) -> Array:
    """The upper triangular R' with R'ᵀ R' = Rᵀ R + w wᵀ, for real upper triangular R."""
    r = arguments.operand(r_matrix, "cholesky_update")
    w = arguments.operand(w_vector, "cholesky_update", 1)
    _cholesky_update_type(r.aval, w.aval)
    (r, w), narrowed = m.widened(r, w)
    r = m.matrix_operand(r, "cholesky_update", 0, m.FLOAT)
    return narrowed(cholesky_update_p.bind(r, w))


# ---- lu ----------------------------------------------------------------------------------------

def _lu_type(x: Any) -> list[Any]:
    rows, columns = x.shape[-2:]
    batch = x.shape[:-2]
    int32 = np.dtype(np.int32)
    return [x, ShapedArray((*batch, min_dim(rows, columns)), int32),
            ShapedArray((*batch, rows), int32)]


def _lu_evaluate(x: np.ndarray) -> list[np.ndarray]:
    spec = m.small_spec(linear_algebra.lu, (x.shape, x.dtype))
    if spec is not None:
        *batch, rows, columns = x.shape
        found = [np.empty(x.shape, x.dtype), np.empty((*batch, min(rows, columns)), np.int32),
                 np.empty((*batch, rows), np.int32)]
        call_eagerly("arrax_lu", spec, np.ascontiguousarray(x), *found)
        return found
    if x.ndim == 2 and x.size:
        factor, pivots, _ = _lapack("getrf", x)(x)
        return [factor, pivots, _permutation(pivots.tolist(), x.shape[0])]
    outs = _lu_type(ShapedArray(x.shape, x.dtype))
    if x.size == 0:
        rows = np.arange(x.shape[-2], dtype=np.int32)
        return [x, np.zeros(outs[1].shape, np.int32), np.broadcast_to(rows, outs[2].shape)]
    getrf = _lapack("getrf", x)
    results = [np.empty(out.shape, out.dtype) for out in outs]
    for place in np.ndindex(*x.shape[:-2]):
        factor, pivots, _ = getrf(x[place])
        results[0][place], results[1][place] = factor, pivots
    results[2] = _permutations(results[1], x.shape[-2])
    return results


def _permutations(pivots: np.ndarray, size: int) -> np.ndarray:
    """Row i was exchanged with row pivots[i], in order."""
    out = np.empty((*pivots.shape[:-1], size), np.int32)
    for place in np.ndindex(*pivots.shape[:-1]):
        out[place] = _permutation(pivots[place].tolist(), size)
    return out


def _permutation(pivots: list[int], size: int) -> np.ndarray:
    order = list(range(size))
    for i, j in enumerate(pivots):
        order[i], order[j] = order[j], order[i]
    return np.array(order, np.int32)


def _lu_jvp(primals: Any, tangents: Any) -> Any:
    """With P A = L U: X = L⁻¹ P Ȧ U⁻¹; L̇ = L tril(X, -1), U̇ = triu(X) U.

    L and U are completed to square matrices by an identity.
    """
    factor, pivots, permutation = lu_p.bind(*primals)
    none = [Zero(tangent_aval(aval_of(v))) for v in (pivots, permutation)]
    if type(tangents[0]) is Zero:
        return [factor, pivots, permutation], [Zero(tangent_aval(aval_of(factor))), *none]
    aval = aval_of(factor)
    rows, columns = aval.shape[-2:]
    rank = min(rows, columns)
    lower = _columns(m.lower_triangle(factor, -1), rank)
    lower = m.add(_widen(lower, 0, rows - rank), m.identity((*aval.shape[:-2], rows, rows),
                                                            aval.dtype))
    upper = _widen(_rows(m.upper_triangle(factor), rank), columns - rank, 0)
    if columns > rank:
        corner = m.identity((*aval.shape[:-2], columns - rank, columns - rank), aval.dtype)
        batch = ((0, 0, 0),) * (aval.ndim - 2)
        corner = pad_p.bind(corner, constant(0, aval), padding_config=(
            *batch, (rank, 0, 0), (rank, 0, 0)))
        upper = m.add(upper, corner)
    inner = _solve(lower, m.permute_rows(tangents[0], permutation), unit_diagonal=True)
    inner = _solve(upper, inner, left_side=False, lower=False)
    tangent = m.add(m.matmul(lower, m.lower_triangle(inner, -1)),
                    m.matmul(m.upper_triangle(inner), upper))
    return [factor, pivots, permutation], [tangent, *none]


def _columns(x: Any, count: int) -> Any:
    shape = aval_of(x).shape
    return slice_p.bind(x, start_indices=(0,) * len(shape),
                        limit_indices=(*shape[:-1], count), strides=None)


def _rows(x: Any, count: int) -> Any:
    shape = aval_of(x).shape
    return slice_p.bind(x, start_indices=(0,) * len(shape),
                        limit_indices=(*shape[:-2], count, shape[-1]), strides=None)


def _widen(x: Any, rows: int, columns: int) -> Any:
    """Add zero rows below and columns on the right."""
    aval = aval_of(x)
    config = ((0, 0, 0),) * (aval.ndim - 2) + ((0, rows, 0), (0, columns, 0))
    return pad_p.bind(x, constant(0, aval), padding_config=config)


lu_p: Primitive = Primitive(
    "lu", sharding=sharding_rules.batch_of_matrices,
    multiple_results=True, type_rule=_lu_type, evaluate=quiet(_lu_evaluate), jvp=_lu_jvp,
    batch=batch_by_moving(lambda size, x: lu_p.bind(x)), stablehlo=form.lu_form,
    lower=Library(linear_algebra.lu))


@remembered
def lu(x: ArrayLike) -> list[Array]:
    """LU factorization with partial pivoting of matrices […, m, n].

    Returns [lu, pivots, permutation]: L (unit diagonal, below) and U in one array, the row that
    each row was exchanged with, and the permutation p with x[p] = L U.
    """
    return list(lu_p.bind(m.matrix_operand(x, "lu")))


lu_pivots_to_permutation_p: Primitive = Primitive(
    "lu_pivots_to_permutation",
    type_rule=lambda pivots, *, permutation_size: ShapedArray(
        (*pivots.shape[:-1], permutation_size), np.dtype(np.int32)),
    evaluate=lambda pivots, *, permutation_size: _permutations(pivots, permutation_size),
    batch=batch_by_moving(lambda size, pivots, **params: lu_pivots_to_permutation_p.bind(
        pivots, **params)), stablehlo=form.permutation_form,
    lower=Library(linear_algebra.permutation),
    jvp=NotApplicable("from integers to integers"))


def lu_pivots_to_permutation(pivots: Any, permutation_size: int) -> Array:
    """The permutation of `permutation_size` rows that the row exchanges `pivots` make."""
    pivots = arguments.operand(pivots, "lu_pivots_to_permutation")
    check_kind("lu_pivots_to_permutation", pivots.dtype, (np.int32,), " at position 0")
    if pivots.ndim < 1 or pivots.shape[-1] > permutation_size:
        raise ValueError(f"Output permutation size {permutation_size} has to exceed the trailing "
                         f"dimension of the pivots. Got pivots size {pivots.shape[-1:]}")
    return lu_pivots_to_permutation_p.bind(pivots, permutation_size=int(permutation_size))


def solve_by_lu(a: Any, b: Any) -> Any:
    """x with a x = b, for square matrices `a` and matrices `b`."""
    factor, _, permutation = lu_p.bind(a)
    x = _solve(factor, m.permute_rows(b, permutation), unit_diagonal=True)
    return _solve(factor, x, lower=False)


# ---- symmetric_product -------------------------------------------------------------------------

def _symmetric_product_type(a: Any, c: Any, *, alpha: float, beta: float) -> Any:
    rows = a.shape[-2]
    if c.shape != (*a.shape[:-2], rows, rows):
        raise ValueError(f"symmetric_product expects c to have shape {(*a.shape[:-2], rows, rows)} "
                         f"for a of shape {a.shape}, got {c.shape}")
    arguments.check_same_dtypes("symmetric_product", a, c)
    return c


def _symmetric_product(a: Any, c: Any, *, alpha: float, beta: float) -> Any:
    return m.add(m.scale(m.matmul(a, m.matrix_transpose(a)), alpha), m.scale(c, beta))


def _symmetric_product_evaluate(a: np.ndarray, c: np.ndarray, *, alpha: float, beta: float,
                                ) -> np.ndarray:
    product = np.matmul(a, np.swapaxes(a, -1, -2))
    return np.asarray(product * a.dtype.type(alpha) + c * a.dtype.type(beta))


def _symmetric_product_jvp(primals: Any, tangents: Any, *, alpha: float, beta: float) -> Any:
    a, c = primals
    out = symmetric_product_p.bind(a, c, alpha=alpha, beta=beta)
    total: Any = Zero(tangent_aval(aval_of(out)))
    if type(tangents[0]) is not Zero:
        half = m.scale(m.matmul(tangents[0], m.matrix_transpose(a)), alpha)
        total = m.add(half, m.matrix_transpose(half))
    if type(tangents[1]) is not Zero:
        total = add_tangents(total, m.scale(tangents[1], beta))
    return out, total


symmetric_product_p: Primitive = Primitive(
    "symmetric_product", sharding=sharding_rules.batch_of_matrices,
    type_rule=_symmetric_product_type, weak_type="none",
    evaluate=quiet(_symmetric_product_evaluate), jvp=_symmetric_product_jvp,
    batch=batch_by_moving(lambda size, a, c, **params: symmetric_product_p.bind(a, c, **params)),
    lower=Expand(_symmetric_product),
    stablehlo=lambda b, a, c, **params: _symmetric_product(a, c, **params))


def symmetric_product(a_matrix: ArrayLike, c_matrix: ArrayLike, *, alpha: float = 1.0,
                      beta: float = 0.0, symmetrize_output: bool = False) -> Any:
    """alpha a aᵀ + beta c, for symmetric `c`, of real matrices a […, n, k] and c […, n, n].

    `symmetrize_output` makes sure that the result is symmetric to the last bit.
    """
    a = arguments.operand(a_matrix, "symmetric_product")
    c = arguments.operand(c_matrix, "symmetric_product", 1)
    check_kind("symmetric_product", c.dtype, m.FLOAT, " at position 1")
    (a, c), narrowed = m.widened(a, c)
    a = m.matrix_operand(a, "symmetric_product", 0, m.FLOAT)
    params = {"alpha": float(alpha), "beta": float(beta)}
    _symmetric_product_type(a.aval, c.aval, **params)
    out = narrowed(symmetric_product_p.bind(a, c, **params))
    if symmetrize_output:
        strict = m.lower_triangle(out, -1)
        out = m.add(m.lower_triangle(out), m.matrix_transpose(strict))
    return out
