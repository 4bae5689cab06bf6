"""QR, singular value and eigenvalue decompositions in StableHLO, for batches of matrices.

Reflections are LAPACK's: H = 1 - tau v vᴴ with v[k] = 1, R's diagonal real. Both decompositions
come from one-sided Jacobi rotations, all disjoint pairs of columns of a round at once.
"""
from __future__ import annotations

import math
from typing import Any

import numpy as np

from arrax.core.aval import aval_of
from arrax.ops import matrices as m
from arrax.ops.expression import Expression, reduced, where
from arrax.ops.formulas import apply, filled, sqrt
from arrax.ops.join import concatenate
from arrax.ops.linalg_stablehlo import places, put, taken, total
from arrax.ops.p import (add_p, argmax_p, imag_p, iota_p, is_finite_p, max_p, real_p, reduce_and_p,
                         reduce_max_p, reduce_sum_p, sort_p, squeeze_p, sub_p)
from arrax.ops.slicing import slice_in_dim

_INT32 = np.dtype(np.int32)
_MOST_SWEEPS = 20


# ---- Householder reflections ---------------------------------------------------------------------

def _squared(x: Expression) -> Expression:
    """|x|², real."""
    if x.dtype.kind != "c":
        return x * x
    parts = [apply(part, x) for part in (real_p, imag_p)]
    return parts[0] * parts[0] + parts[1] * parts[1]


def _norm(x: Expression) -> Expression:
    """The length of each column, without overflow."""
    size = Expression(m.as_row(reduced(reduce_max_p, abs(x), (-2,)).value))
    safe = where(size == 0, 1, size)
    return safe * sqrt(total(_squared(x / safe), -2))


def _of_dtype(x: Expression, dtype: Any) -> Expression:
    return Expression(m.as_dtype(x.value, dtype))


def _reflection(b: Any, column: Expression, k: Any) -> tuple[Expression, ...]:
    """The vector v, tau and the new element k of the reflection that clears a column below k.

    (Golub and Van Loan, "Matrix Computations", 5.1; LAPACK's larfg.)
    """
    row = places(b, column.shape, -2)
    below = where(row > Expression(k), column, 0)
    alpha = taken(b, column.value, k, -2)
    real = Expression(m.real(alpha.value))
    # the norm of (alpha, below), taken together so that neither overflows
    length = _norm(where(row < Expression(k), 0, column))
    beta = where(real < 0, length, -length)
    clear = _norm(below) == 0
    if column.dtype.kind == "c":
        clear = clear & (apply(imag_p, alpha) == 0)
    beta_ = _of_dtype(where(clear, 1, beta), column.dtype)
    tau = where(clear, 0, (beta_ - alpha) / beta_)
    vector = where(row == Expression(k), 1, below / where(clear, 1, alpha - beta_))
    return vector, tau, where(clear, alpha, beta_)


def _applied(x: Expression, vector: Expression, tau: Expression) -> Expression:
    """(1 - tau v vᴴ) x."""
    inner = Expression(m.matmul(m.adjoint(vector.value), x.value))
    return x - tau * (vector * inner)


def _conjugate(x: Expression) -> Expression:
    return Expression(m.conj(x.value))


def geqrf_form(b: Any, x: Any, pivoting: bool = False) -> list[Any]:
    """Column by column; with `pivoting` the longest of those left comes first, and the order of the
    columns is a third result."""
    shape, dtype = x.aval.shape, x.aval.dtype
    batch, (rows, columns) = shape[:-2], shape[-2:]
    rank = min(rows, columns)
    taus = b.full((*batch, rank, 1), 0, dtype)
    order = b.iota((*batch, 1, columns), _INT32, len(batch) + 1)
    if 0 in shape:
        return [x, _flat(taus, -1), _flat(order, -2)][:2 + pivoting]

    def step(k: Any, a: Any, taus: Any, order: Any) -> Any:
        row, column, k_ = places(b, shape, -2), places(b, shape, -1), Expression(k)
        if pivoting:
            rest = _norm(where(row < k_, 0, Expression(a)))
            rest = where(places(b, rest.shape, -1) < k_, -1, rest)
            longest = argmax_p.bind(rest.value, axes=(len(batch) + 1,),
                                    index_dtype=_INT32)
            longest = Expression(m.as_row(longest))
            a = _exchanged(b, Expression(a), k, longest).value
            order = _exchanged(b, Expression(order), k, longest).value
        here = taken(b, a, k, -1)
        vector, tau, head = _reflection(b, here, k)
        a = where(column > k_, _applied(Expression(a), vector, _conjugate(tau)), Expression(a))
        own = where(places(b, here.shape, -2) > k_, vector, where(
            places(b, here.shape, -2) == k_, head, here))
        return put(b, a.value, own.value, k, -1), put(b, taus, tau.value, k, -2), order

    a, taus, order = b.for_loop(rank, step, x, taus, order)
    return [a, _flat(taus, -1), _flat(order, -2)][:2 + pivoting]


def _exchanged(b: Any, x: Expression, i: Any, j: Expression) -> Expression:
    """Columns `i` (a scalar) and `j` (one for each matrix) exchanged."""
    place = places(b, x.shape, -1)
    first, second = taken(b, x.value, i, -1), total(where(place == j, x, 0), -1)
    return where(place == Expression(i), second, where(place == j, first, x))


def _flat(x: Any, axis: int) -> Any:
    """Without an axis of size 1."""
    return squeeze_p.bind(x, dimensions=(axis % aval_of(x).ndim,))


def _reflected(b: Any, a: Any, taus: Any, x: Any, adjoint: bool) -> Any:
    """Q x, or Qᴴ x, for the reflections in `a`."""
    count = taus.aval.shape[-1]
    if not count or 0 in aval_of(x).shape:
        return x

    def step(i: Any, x: Any, a: Any, taus: Any) -> Any:
        k = i if adjoint else sub_p.bind(np.int32(count - 1), i)
        column = taken(b, a, k, -1)
        row = places(b, column.shape, -2)
        vector = where(row > Expression(k), column, where(row == Expression(k), 1, filled(
            0, column)))
        tau = taken(b, taus, k, -2)
        tau = _conjugate(tau) if adjoint else tau
        return _applied(Expression(x), vector, tau).value, a, taus

    return b.for_loop(count, step, x, a, m.as_column(taus))[0]


def householder_product_form(b: Any, a: Any, taus: Any) -> Any:
    return _reflected(b, a, taus, m.identity(a.aval.shape, a.aval.dtype), False)


def ormqr_form(b: Any, a: Any, taus: Any, c: Any, *, left: bool, transpose: bool) -> Any:
    if left:
        return _reflected(b, a, taus, c, transpose)
    return m.adjoint(_reflected(b, a, taus, m.adjoint(c), not transpose))


def qr_form(b: Any, x: Any, *, pivoting: bool, full_matrices: bool, use_magma: Any) -> list[Any]:
    """From `geqrf`, and the product of its reflections."""
    rows, columns = x.aval.shape[-2:]
    inner = rows if full_matrices else min(rows, columns)
    a, taus, *order = geqrf_form(b, x, pivoting)
    unit = m.identity((*x.aval.shape[:-2], rows, inner), x.aval.dtype)
    r = m.upper_triangle(slice_in_dim(a, 0, inner, axis=-2))
    return [_reflected(b, a, taus, unit, False), r, *order]


# ---- one-sided Jacobi ----------------------------------------------------------------------------

def _rotated(left: Expression, right: Expression, rows: int, tolerance: float) -> Any:
    """Each pair of columns, rotated so that their first `rows` elements are orthogonal, and the
    greatest cosine between two before.

    (Demmel and Veselić, "Jacobi's method is more accurate than QR", 1992.)
    """
    tops = [Expression(slice_in_dim(x.value, 0, rows, axis=-2)) for x in (left, right)]
    alpha, beta = (total(_squared(x), -2) for x in tops)
    gamma = total(_conjugate(tops[0]) * tops[1], -2)
    size, scale = abs(gamma), sqrt(alpha) * sqrt(beta)
    small = ~(size > tolerance * scale)  # and where there is a NaN
    safe = where(small, 1, size)
    phase = where(small, 1, gamma / _of_dtype(safe, gamma.dtype))
    zeta = (beta - alpha) / (2.0 * safe)
    slope = where(zeta < 0, -1.0, filled(1.0, zeta)) / (
        abs(zeta) + where(abs(zeta) > 1e10, abs(zeta), sqrt(1.0 + zeta * zeta)))
    slope = where(small, 0.0, slope)
    c = 1.0 / sqrt(1.0 + slope * slope)
    s = _of_dtype(c * slope, gamma.dtype)
    c = _of_dtype(c, gamma.dtype)
    right = right * _conjugate(phase)
    cosine = where(small, 0.0, size / where(scale == 0, 1.0, scale))
    return c * left - s * right, s * left + c * right, reduced(reduce_max_p, cosine)


def _orthogonalized(b: Any, x: Any) -> list[Any]:
    """(x v, v) for the unitary v that makes the columns of x v orthogonal.

    Sweeps over all pairs of columns in rounds of disjoint ones, in which the players of a
    tournament move around a table (Brent and Luk, "The solution of singular-value and symmetric
    eigenvalue problems on multiprocessor arrays", 1985).
    """
    shape, dtype = x.aval.shape, x.aval.dtype
    rows, columns = shape[-2:]
    half, batch = -(-columns // 2), shape[:-2]
    both = concatenate([x, m.identity((*batch, columns, columns), dtype)], len(batch))
    if columns % 2:
        both = concatenate([both, b.full((*batch, rows + columns, 1), 0, dtype)], len(batch) + 1)
    epsilon = float(np.finfo(dtype).eps)
    tolerance = epsilon * math.sqrt(rows)
    real = m.real_dtype(dtype)

    def columns_of(v: Any, *ranges: tuple[int, int]) -> list[Any]:
        return [slice_in_dim(v, i, j, axis=-1) for i, j in ranges]

    def play(_: Any, left: Any, right: Any, worst: Any) -> Any:
        new_left, new_right, cosine = _rotated(Expression(left), Expression(right), rows, tolerance)
        worst = max_p.bind(worst, cosine.value)
        if half == 1:
            return new_left.value, new_right.value, worst
        first, *others = columns_of(new_left.value, (0, 1), (1, half - 1), (half - 1, half))
        entering, *staying = columns_of(new_right.value, (0, 1), (1, half))
        axis = len(batch) + 1
        return (concatenate([first, entering, others[0]], axis),
                concatenate([*staying, others[1]], axis), worst)

    def sweep(count: Any, left: Any, right: Any, _: Any) -> Any:
        left, right, worst = b.for_loop(2 * half - 1, play, left, right, b.constant(0, real))
        return add_p.bind(count, np.int32(1)), left, right, worst

    def goes_on(count: Any, left: Any, right: Any, worst: Any) -> Any:
        return b.op("and", b.compare("LT", count, b.constant(_MOST_SWEEPS, _INT32)),
                    b.compare("GT", worst, b.constant(0, real)))

    left, right = columns_of(both, (0, half), (half, 2 * half))
    _, left, right, _ = b.while_loop(goes_on, sweep, b.constant(0, _INT32), left, right,
                                     b.constant(1, real))
    done = Expression(slice_in_dim(concatenate([left, right], len(batch) + 1), 0, columns, axis=-1))
    turned, v = (slice_in_dim(done.value, i, j, axis=-2)
                 for i, j in ((0, rows), (rows, rows + columns)))
    lengths = _of_dtype(_norm(Expression(v)), dtype)  # they drift away from 1 a little
    return [(Expression(x) / lengths).value for x in (turned, v)]


def _ascending(keys: Any) -> list[Any]:
    """Sorted keys, and the order that sorts them."""
    axis = aval_of(keys).ndim - 1
    places = iota_p.bind(dtype=_INT32, shape=aval_of(keys).shape, dimension=axis,
                         sharding=None)
    return list(sort_p.bind(keys, places, dimension=axis, is_stable=True, num_keys=1))


def _permuted_columns(x: Any, order: Any) -> Any:
    return m.matrix_transpose(m.permute_rows(m.matrix_transpose(x), order))


def _scaled(x: Expression) -> tuple[Expression, Expression]:
    """Each matrix divided by its largest element, and that (1 for a matrix of zeros)."""
    size = reduced(reduce_max_p, abs(x), (-2, -1))
    size = Expression(m.as_column(m.as_column(size.value)))
    size = where(size == 0, 1, size)
    return x / _of_dtype(size, x.dtype), size


def _where_finite(x: Any, out: Any, extra_axes: int) -> Any:
    """`out`, NaN where the matrix in `x` was not finite."""
    finite = reduced(reduce_and_p, Expression(is_finite_p.bind(
        abs(Expression(x)).value)), (-2, -1)).value
    for _ in range(extra_axes):
        finite = m.as_column(finite)
    return where(Expression(finite), Expression(out), filled(np.nan, Expression(out))).value


# ---- svd, eigh -----------------------------------------------------------------------------------

def svd_form(b: Any, x: Any, *, full_matrices: bool, compute_uv: bool, **params: Any) -> list[Any]:
    """x v has orthogonal columns: its lengths are the singular values, and its QR decomposition
    completes them to unitary u even where they vanish."""
    rows, columns = x.aval.shape[-2:]
    if 0 in x.aval.shape:
        return _empty_svd(b, x)
    if rows < columns:
        s, *vectors = svd_form(b, m.adjoint(x), full_matrices=full_matrices, compute_uv=compute_uv)
        return [s, *(m.adjoint(v) for v in reversed(vectors))]
    scaled, size = _scaled(Expression(x))
    turned, v = b.shared("jacobi", lambda a: _orthogonalized(b, a), scaled.value)
    lengths = _norm(Expression(turned))
    key, order = _ascending(_flat((-lengths).value, -2))
    s = (-Expression(key) * Expression(_flat(size.value, -1))).value
    outs = [_where_finite(x, s, 1)]
    if compute_uv:
        q, r = qr_form(b, _permuted_columns(turned, order), pivoting=False,
                       full_matrices=full_matrices, use_magma=None)
        signs = Expression(m.real(m.diagonal(slice_in_dim(r, 0, columns, axis=-2))))
        signs = where(signs < 0, -1.0, filled(1.0, signs))
        vh = m.adjoint(_permuted_columns(v, order))
        outs += [_where_finite(x, _signed(q, signs), 2), _where_finite(x, vh, 2)]
    return outs


def _signed(q: Any, signs: Expression) -> Any:
    """The first columns multiplied by signs."""
    shape = aval_of(q).shape
    count = signs.shape[-1]
    row = m.as_row(signs.value)
    if count < shape[-1]:
        ones = np.ones((*shape[:-2], 1, shape[-1] - count), signs.dtype)
        row = concatenate([row, ones], len(shape) - 1)
    return m.mul(q, row)


def _empty_svd(b: Any, x: Any) -> list[Any]:
    """Without elements: no singular values, unit matrices."""
    return [b.full(out.shape, 0, out.dtype) if i == 0 else m.identity(out.shape, out.dtype)
            for i, out in enumerate(b.outs)]


def eigh_form(b: Any, x: Any, *, lower: bool, **params: Any) -> list[Any]:
    """The same rotations, of the matrix shifted by a bound of its norm: it is then positive, its
    singular vectors are its eigenvectors, and Rayleigh quotients of these the eigenvalues."""
    if 0 in x.aval.shape:
        return [x, b.full(b.outs[1].shape, 0, b.outs[1].dtype)]
    triangle = m.lower_triangle(x, -1) if lower else m.upper_triangle(x, 1)
    middle = m.as_dtype(m.real(x), x.aval.dtype)
    middle = m.upper_triangle(m.lower_triangle(middle))
    whole = m.add(m.add(triangle, m.adjoint(triangle)), middle)
    scaled, size = _scaled(Expression(whole))
    bound = reduced(reduce_max_p, reduced(reduce_sum_p, abs(scaled), (-1,)), (-1,))
    bound = Expression(m.as_column(m.as_column(bound.value)))
    unit = Expression(m.identity(x.aval.shape, x.aval.dtype))
    shifted = scaled + unit * _of_dtype(bound, x.aval.dtype)
    _, v = b.shared("jacobi", lambda a: _orthogonalized(b, a), shifted.value)
    image = Expression(m.matmul(scaled.value, v))
    w = reduced(reduce_sum_p, Expression(m.real((_conjugate(Expression(v)) * image).value)), (-2,))
    w = w * Expression(_flat(size.value, -1))
    w, order = _ascending(w.value)
    return [_where_finite(whole, _permuted_columns(v, order), 2), _where_finite(whole, w, 1)]
