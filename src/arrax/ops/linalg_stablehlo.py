"""Triangular factorizations and solves in StableHLO, for batches of matrices on any platform."""
from __future__ import annotations

import itertools
from typing import Any

import numpy as np

from arrax.core.aval import ShapedArray, aval_of
from arrax.ops import matrices as m
from arrax.ops.expression import Expression, reduced, where
from arrax.ops.formulas import apply, filled, sqrt
from arrax.ops.join import concatenate
from arrax.ops.p import (add_p, argmax_p, imag_p, max_p, real_p, reduce_and_p, reduce_sum_p,
                        squeeze_p, sub_p, triangular_solve_p)
from arrax.ops.rules import broadcast_in_dim, constant
from arrax.ops.slicing import slice_in_dim

_INT32 = np.dtype(np.int32)
_BLOCK = 64  # columns that LU eliminates one by one before it updates the rest by a product


# ---- parts of matrices in loops ----------------------------------------------------------------

def places(b: Any, shape: tuple[int, ...], axis: int) -> Expression:
    """The position of each element along an axis."""
    return Expression(b.iota(shape, _INT32, axis % len(shape)))


def taken(b: Any, x: Any, index: Any, axis: int) -> Expression:
    """The slice of size 1 at a scalar index along an axis (which stays)."""
    shape = list(aval_of(x).shape)
    axis %= len(shape)
    zero = b.constant(0, _INT32)
    starts = [index if i == axis else zero for i in range(len(shape))]
    shape[axis] = 1
    return Expression(b.op("dynamic_slice", x, *starts, slice_sizes=shape,
                           results=ShapedArray(shape, aval_of(x).dtype)))


def put(b: Any, x: Any, part: Any, index: Any, axis: int) -> Any:
    """`x` with the slice of size 1 at a scalar index replaced."""
    axis %= aval_of(x).ndim
    zero = b.constant(0, _INT32)
    starts = [index if i == axis else zero for i in range(aval_of(x).ndim)]
    return b.op("dynamic_update_slice", x, part, *starts, results=aval_of(x))


def total(x: Expression, axis: int) -> Expression:
    """The sum along an axis, which stays."""
    out = reduced(reduce_sum_p, x, (axis,)).value
    return Expression(m.as_row(out) if axis == -2 else m.as_column(out))


def _swapped(b: Any, x: Expression, i: Any, j: Expression, axis: int) -> Expression:
    """`x` with positions `i` (a scalar) and `j` (one for each matrix) along an axis exchanged."""
    place = places(b, x.shape, axis)
    first, at_j = taken(b, x.value, i, axis), place == j
    second = total(where(at_j, x, 0), axis)
    return where(place == Expression(i), second, where(at_j, first, x))


# ---- triangular_solve, cholesky ----------------------------------------------------------------

def triangular_solve_form(b: Any, a: Any, y: Any, *, left_side: bool, lower: bool,
                          transpose_a: bool, conjugate_a: bool, unit_diagonal: bool) -> Any:
    if 0 in y.aval.shape:
        return y
    if conjugate_a and not transpose_a:
        a = m.conj(a)
    how = ("ADJOINT" if conjugate_a else "TRANSPOSE") if transpose_a else "NO_TRANSPOSE"
    return b.op("triangular_solve", a, y, results=y.aval, left_side=left_side, lower=lower,
                unit_diagonal=unit_diagonal, transpose_a=how)


def cholesky_form(b: Any, x: Any) -> Any:
    """NaN for a matrix that is not positive definite, which StableHLO leaves open."""
    if 0 in x.aval.shape:
        return x
    factor = Expression(m.lower_triangle(b.op("cholesky", x, results=x.aval, lower=True)))
    good = reduced(reduce_and_p, Expression(m.real(m.diagonal(factor.value))) > 0, (-1,))
    good = Expression(m.as_column(m.as_column(good.value)))
    return m.lower_triangle(where(good, factor, filled(np.nan, factor)).value)


def cholesky_update_form(b: Any, r: Any, w: Any) -> Any:
    """Givens rotations (Golub and Van Loan, "Matrix Computations", 6.5.4)."""
    def rotate(k: Any, factor: Any, rest: Any) -> Any:
        row, rest = taken(b, factor, k, -2), Expression(rest)
        here = taken(b, row.value, k, -1), taken(b, rest.value, k, -1)
        size = apply(max_p, abs(here[0]), abs(here[1]))
        safe = where(size == 0, 1, size)
        parts = [where(size == 0, float(i == 0), x / safe) for i, x in enumerate(here)]
        radius = sqrt(parts[0] * parts[0] + parts[1] * parts[1])
        c, s = (p / radius for p in parts)
        new = where(places(b, row.shape, -1) < Expression(k), row, c * row + s * rest)
        return put(b, factor, new.value, k, -2), (c * rest - s * row).value

    if 0 in r.aval.shape:
        return r
    return b.for_loop(r.aval.shape[-1], rotate, m.upper_triangle(r), m.as_row(w))[0]


# ---- lu ----------------------------------------------------------------------------------------

def lu_form(b: Any, x: Any) -> list[Any]:
    """Right-looking elimination with partial pivoting in blocks of columns (Golub and Van Loan,
    "Matrix Computations", 3.2 and 3.4)."""
    out, pivot_aval, order_aval = b.outs
    rows, columns = out.shape[-2:]
    order = broadcast_in_dim(b.iota((rows,), _INT32, 0), order_aval.shape, (out.ndim - 2,))
    if 0 in out.shape:
        return [x, b.full(pivot_aval.shape, 0, _INT32), order]
    pivots = []
    for start in range(0, min(rows, columns), _BLOCK):
        stop = min(start + _BLOCK, rows, columns)
        x, chosen, order = _eliminate_block(b, x, order, start, stop)
        pivots.append(add_p.bind(chosen, np.int32(start)))
    return [x, concatenate(pivots, pivot_aval.ndim - 1), order]


def _eliminate_block(b: Any, x: Any, order: Any, start: int, stop: int) -> list[Any]:
    """The array of factors, pivots counted from `start`, and the order, after these columns."""
    rows, columns = aval_of(x).shape[-2:]
    axis, width = aval_of(x).ndim - 1, stop - start

    def cut(v: Any, along: int, *bounds: int) -> list[Any]:
        return [slice_in_dim(v, i, j, axis=along) for i, j in itertools.pairwise(bounds)]

    above, below = cut(x, -2, 0, start, rows)
    panel, pivots, moved = b.shared("lu_panel", lambda a: _eliminated(b, a),
                                    slice_in_dim(below, start, stop, axis=-1))
    fixed, free = cut(order, -1, 0, start, rows)
    order = concatenate([fixed, _permuted(free, moved)], axis - 1)
    left, _, right = cut(m.permute_rows(below, moved), -1, 0, start, stop, columns)
    if stop < columns:
        (corner, lower), (top, rest) = (cut(v, -2, 0, width, rows - start) for v in (panel, right))
        top = triangular_solve_p.bind(
            corner, top, left_side=True, lower=True, transpose_a=False, conjugate_a=False,
            unit_diagonal=True)
        right = concatenate([top, m.sub(rest, m.matmul(lower, top))], axis - 1)
    below = concatenate([left, panel, right], axis)
    return [concatenate([above, below], axis - 1), pivots, order]


def _permuted(order: Any, moved: Any) -> Any:
    return squeeze_p.bind(m.permute_rows(m.as_column(order), moved),
                          dimensions=(aval_of(order).ndim,))


def _eliminated(b: Any, panel: Any) -> list[Any]:
    """The factors of a block of columns in one array, the pivots, and the permutation of rows."""
    shape = panel.aval.shape
    rows, rank, batch = shape[-2], min(shape[-2:]), shape[:-2]

    def step(k: Any, a: Any, pivots: Any, order: Any) -> Any:
        k_ = Expression(k)
        row, column = places(b, shape, -2), places(b, shape, -1)
        sizes = where(places(b, (*batch, rows, 1), -2) < k_, -1, _size(taken(b, a, k, -1)))
        pivot = argmax_p.bind(sizes.value, axes=(len(batch),), index_dtype=_INT32)
        pivot = Expression(m.as_row(pivot))
        a = _swapped(b, Expression(a), k, pivot, -2)
        order = _swapped(b, Expression(order), k, pivot, -2)
        here = taken(b, a.value, k, -1)
        head = taken(b, here.value, k, -2)
        factor = where(head == 0, here, here / head)
        upper = taken(b, a.value, k, -2)
        a = where((row > k_) & (column == k_), factor, a)
        a = where((row > k_) & (column > k_), a - factor * upper, a)
        return a.value, put(b, pivots, pivot.value, k, -2), order.value

    order = b.iota((*batch, rows, 1), _INT32, len(batch))
    start = b.full((*batch, rank, 1), 0, _INT32)
    factors, pivots, order = b.for_loop(rank, step, panel, start, order)
    drop = (len(batch) + 1,)
    return [factors, *(squeeze_p.bind(v, dimensions=drop) for v in (pivots, order))]


def _size(x: Expression) -> Expression:
    """How LAPACK compares pivots: |x|, or |real| + |imag|."""
    if x.dtype.kind != "c":
        return abs(x)
    return abs(apply(real_p, x)) + abs(apply(imag_p, x))


def permutation_form(b: Any, pivots: Any, *, permutation_size: int) -> Any:
    """Row i was exchanged with row pivots[i], in order."""
    batch, count = pivots.aval.shape[:-1], pivots.aval.shape[-1]
    order = b.iota((*batch, permutation_size, 1), _INT32, len(batch))
    if 0 not in pivots.aval.shape:
        columns = m.as_column(pivots)

        def step(k: Any, order: Any, columns: Any) -> Any:
            return _swapped(b, Expression(order), k, taken(b, columns, k, -2), -2).value, columns

        order = b.for_loop(count, step, order, columns)[0]
    return squeeze_p.bind(order, dimensions=(len(batch) + 1,))


# ---- tridiagonal_solve -------------------------------------------------------------------------

def tridiagonal_solve_form(b: Any, dl: Any, d: Any, du: Any, y: Any, *, perturb_singular: bool,
                           ) -> Any:
    """Elimination with partial pivoting, as LAPACK's gtsv does it.

    The row being eliminated with is (d, u, 0 | y); exchanged with the next one, (l, d', u' | y'),
    it gets a third element. Rows of the upper triangular result are kept for the substitution.
    """
    if 0 in y.aval.shape:
        return y
    size, zero = y.aval.shape[-2], constant(0, y.aval)
    lower, diagonal, upper = (m.as_column(x) for x in (dl, d, du))
    edge = (Expression(places(b, aval_of(upper).shape, -2)) == size - 1)
    upper = where(edge, 0, Expression(upper)).value

    def eliminate(k: Any, head: Any, above: Any, right: Any, *rest: Any) -> Any:
        lower, diagonal, upper, y, *kept = rest
        head, above, right = (Expression(v) for v in (head, above, right))
        next_ = add_p.bind(k, np.int32(1))
        low, mid, up, new = (taken(b, v, next_, -2) for v in (lower, diagonal, upper, y))
        swap = _size(head) < _size(low)
        pivot = where(swap, low, head)
        factor = where(swap, head, low) / pivot
        second, third = where(swap, mid, above), where(swap, up, filled(0, up))
        first = where(swap, new, right)
        kept = [put(b, array, v.value, k, -2) for array, v in zip(
            kept, (pivot, second, third, first), strict=True)]
        head = where(swap, above, mid) - factor * second
        above = where(swap, filled(0, up), up) - factor * third
        right = where(swap, right, new) - factor * first
        return [v.value for v in (head, above, right)] + [lower, diagonal, upper, y, *kept]

    def first_of(x: Any) -> Any:
        return slice_in_dim(x, 0, 1, axis=-2)

    empty = [broadcast_in_dim(zero, aval_of(v).shape, ()) for v in (*[diagonal] * 3, y)]
    head, above, right, *rest = b.for_loop(
        size - 1, eliminate, first_of(diagonal), first_of(upper), first_of(y), lower, diagonal,
        upper, y, *empty)
    last = b.constant(size - 1, _INT32)
    kept = [put(b, array, v, last, -2) for array, v in zip(
        rest[4:], (head, above, first_of(empty[0]), right), strict=True)]

    def substitute(i: Any, one: Any, two: Any, x: Any, *kept: Any) -> Any:
        k = sub_p.bind(np.int32(size - 1), i)
        pivot, second, third, value = (taken(b, v, k, -2) for v in kept)
        new = (value - second * Expression(one) - third * Expression(two)) / pivot
        return [new.value, one, put(b, x, new.value, k, -2), *kept]

    nothing = first_of(empty[3])
    return b.for_loop(size, substitute, nothing, nothing, empty[3], *kept)[2]
