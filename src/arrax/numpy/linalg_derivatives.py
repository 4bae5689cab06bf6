"""Determinants, pseudo-inverses and least squares with derivatives of their own.

Derivatives of the factorizations that compute them do not exist where singular values coincide or
vanish; those of the functions do. Each rule is written in terms of functions of this file, so that
derivatives of any order follow, but for the third of determinants of singular matrices.
"""
from __future__ import annotations

from typing import Any

import numpy as np

from arrax import lax
from arrax.core import dtypes
from arrax.lax import linalg as lax_linalg
from arrax.numpy import creation, elementwise, products, reductions, selection, shaping
from arrax.numpy.promotion import convert, scalar_array
from arrax.transforms.custom_jvp import custom_jvp


def hermitian_transpose(x: Any) -> Any:
    """The conjugate transpose of matrices."""
    return elementwise.conjugate(shaping.matrix_transpose(x))


_H = hermitian_transpose


# ---- determinants ------------------------------------------------------------------------------

def lu_determinant_parts(x: Any) -> tuple[Any, Any]:
    """The diagonal of U, and whether the number of row exchanges is odd."""
    lu, pivots, _ = lax_linalg.lu(x)
    diagonal = selection.diagonal(lu, 0, -2, -1)
    rows = lax.broadcasted_iota(pivots.dtype, pivots.shape, pivots.ndim - 1)
    exchanges = reductions.count_nonzero(elementwise.not_equal(pivots, rows), axis=-1)
    return diagonal, elementwise.equal(elementwise._bitwise_and(exchanges, 1), 1)


@custom_jvp
def determinant(x: Any) -> Any:
    """Determinants of square matrices, by LU factors."""
    diagonal, odd = lu_determinant_parts(x)
    product = reductions.prod(diagonal, axis=-1)
    return elementwise.where(odd, elementwise._negative(product), product)


@determinant.defjvp
def _determinant_jvp(primals: Any, tangents: Any) -> tuple[Any, Any]:
    """Jacobi's formula: tr(adj(x) dx)."""
    (x,), (dx,) = primals, tangents
    return determinant(x), _trace_of_product(adjugate(x), dx)


def _trace_of_product(x: Any, y: Any) -> Any:
    return reductions.sum(elementwise._multiply(shaping.matrix_transpose(x), y), axis=(-2, -1))


@custom_jvp
def adjugate(x: Any) -> Any:
    """The transposed matrices of cofactors: det(x) inv(x), where x has an inverse.

    By singular values where pivots are small: products of all but one lose nothing there.
    """
    pivots = elementwise.absolute(lu_determinant_parts(x)[0])
    ratio = float(dtypes.finfo(x.dtype).eps) ** 0.25
    least = reductions.min(pivots, axis=-1)
    regular = reductions.all(elementwise.greater(
        least, elementwise._multiply(reductions.max(pivots, axis=-1), ratio)))
    return lax.cond(regular, _adjugate_by_lu, _adjugate_by_svd, x)


def _adjugate_by_lu(x: Any) -> Any:
    eye = lax.broadcast(creation.eye(x.shape[-1], dtype=x.dtype), x.shape[:-2])
    inverse = lax_linalg.triangular_solve
    lu, _, permutation = lax_linalg.lu(x)
    rows = elementwise.equal(permutation[..., :, None], lax.broadcasted_iota(
        permutation.dtype, x.shape, x.ndim - 1))
    permuted = elementwise.where(rows, eye.dtype.type(1), eye.dtype.type(0))
    half = inverse(lu, permuted, left_side=True, lower=True, unit_diagonal=True)
    return elementwise._multiply(determinant(x)[..., None, None],
                                 inverse(lu, half, left_side=True, lower=False))


def _adjugate_by_svd(x: Any) -> Any:
    u, s, vh, sign = _signed_svd(x)
    without_one = reductions.prod(_with_ones(s[..., None, :], np.eye(s.shape[-1], dtype=bool)),
                                  axis=-1)
    middle = elementwise._multiply(_H(vh), convert(without_one, x.dtype)[..., None, :])
    return elementwise._multiply(sign, products.matmul(middle, _H(u)))


@adjugate.defjvp
def _adjugate_jvp(primals: Any, tangents: Any) -> tuple[Any, Any]:
    """With x = U diag(s) Vᴴ and y = Uᴴ dx V, up to det(U) det(Vᴴ), the tangent is V q Uᴴ: qᵢᵢ is
    the sum over j of pᵢⱼ yⱼⱼ, and qᵢⱼ = -pᵢⱼ yᵢⱼ, where pᵢⱼ is the product of all s but sᵢ, sⱼ."""
    (x,), (dx,) = primals, tangents
    u, s, vh, sign = _signed_svd(x)
    same = np.eye(s.shape[-1], dtype=bool)
    either = same[:, None, :] | same[None, :, :]
    without_two = reductions.prod(_with_ones(s[..., None, None, :], either), axis=-1)
    p = convert(elementwise.where(same, scalar_array(0, s.dtype), without_two), x.dtype)
    y = products.matmul(products.matmul(_H(u), dx), _H(vh))
    diagonal = products.matmul(p, selection.diagonal(y, 0, -2, -1)[..., None])
    q = elementwise.where(same, diagonal, elementwise._negative(elementwise._multiply(p, y)))
    return adjugate(x), elementwise._multiply(
        sign, products.matmul(products.matmul(_H(vh), q), _H(u)))


def _with_ones(s: Any, mask: Any) -> Any:
    return elementwise.where(mask, scalar_array(1, s.dtype), s)


def _signed_svd(x: Any) -> tuple[Any, Any, Any, Any]:
    """(u, s, vh, det(u) det(vh))."""
    u, s, vh = lax_linalg.svd(x, full_matrices=False)
    sign = elementwise._multiply(determinant(lax.stop_gradient(u)),
                                 determinant(lax.stop_gradient(vh)))
    return u, s, vh, sign[..., None, None]


# ---- pseudo-inverses ---------------------------------------------------------------------------

@custom_jvp
def pseudo_inverse(x: Any, cutoff: Any) -> Any:
    """The pseudo-inverse; singular values up to `cutoff` times the greatest count as zero."""
    u, s, vh = lax_linalg.svd(x, full_matrices=False)
    middle = elementwise._multiply(_H(vh), convert(_inverses(s, cutoff), x.dtype)[..., None, :])
    return products.matmul(middle, _H(u))


def _counted(s: Any, cutoff: Any) -> Any:
    """Which singular values do not count as zero."""
    return elementwise.greater(s, elementwise._multiply(cutoff[..., None], s[..., :1]))


def _inverses(s: Any, cutoff: Any) -> Any:
    counted = _counted(s, cutoff)
    safe = elementwise.where(counted, s, scalar_array(1, s.dtype))
    return elementwise.where(counted, elementwise.divide(1, safe), scalar_array(0, s.dtype))


@pseudo_inverse.defjvp
def _pseudo_inverse_jvp(primals: Any, tangents: Any) -> tuple[Any, Any]:
    x, cutoff = primals
    p = pseudo_inverse(x, cutoff)
    return p, _pseudo_inverse_tangent(x, p, tangents[0])


def _pseudo_inverse_tangent(x: Any, p: Any, dx: Any) -> Any:
    """-p dx p + p pᴴ dxᴴ (1 - x p) + (1 - p x) dxᴴ pᴴ p, where the rank stays.

    Golub and Pereyra, "The differentiation of pseudo-inverses and nonlinear least squares problems
    whose variables separate", 1973.
    """
    dot, ph, dxh = products.matmul, _H(p), _H(dx)
    inside = elementwise._negative(dot(dot(p, dx), p))
    left = dot(dot(p, ph), dxh)
    right = dot(dxh, dot(ph, p))
    return elementwise._add(elementwise._add(inside, elementwise._subtract(
        left, dot(dot(left, x), p))), elementwise._subtract(right, dot(p, dot(x, right))))


@custom_jvp
def least_squares(x: Any, y: Any, cutoff: Any) -> tuple[Any, Any]:
    """(the shortest of the solutions that minimize |x solution - y|, singular values of x)."""
    u, s, vh = lax_linalg.svd(x, full_matrices=False)
    weighted = elementwise._multiply(convert(_inverses(s, cutoff), x.dtype)[..., None],
                                     products.matmul(_H(u), y))
    return products.matmul(_H(vh), weighted), s


@least_squares.defjvp
def _least_squares_jvp(primals: Any, tangents: Any) -> Any:
    (x, y, cutoff), (dx, dy, _) = primals, tangents
    p = pseudo_inverse(x, cutoff)
    u, s, vh = lax_linalg.svd(x, full_matrices=False)
    ds = elementwise.real(selection.diagonal(products.matmul(products.matmul(_H(u), dx), _H(vh)),
                                             0, -2, -1))
    change = elementwise._add(products.matmul(_pseudo_inverse_tangent(x, p, dx), y),
                              products.matmul(p, dy))
    return (products.matmul(p, y), s), (change, ds)
