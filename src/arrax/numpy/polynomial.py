"""Polynomials as vectors of coefficients, the highest power first."""
from __future__ import annotations

from typing import Any

import numpy as np

from arrax import lax
from arrax.core import dtypes
from arrax.core.array import Array
from arrax.core.dimension import broadcast_shapes
from arrax.core.remembered import remembered
from arrax.core.trace import Tracer
from arrax.numpy import creation, elementwise, joining, linalg, products, reductions, shaping
from arrax.numpy.promotion import (as_array, convert, promote_dtypes, promote_dtypes_inexact)
from arrax.ops.arguments import integer
from arrax.typing import ArrayLike


@remembered
def polyval(p: Any, x: Any, *, unroll: int = 16) -> Array:
    """The values at `x` of the polynomial with coefficients `p`, by Horner's rule."""
    p, x = promote_dtypes("polyval", as_array("polyval", p), as_array("polyval", x, 1))
    shape = broadcast_shapes(p.shape[1:], x.shape)
    value = creation.zeros(shape, p.dtype)
    for i in range(p.shape[0]) if p.shape[0] <= unroll else ():
        value = elementwise._add(elementwise._multiply(value, x), p[i])
    if p.shape[0] > unroll:
        value, _ = lax.scan(lambda y, c: (elementwise._add(elementwise._multiply(y, x), c), None),
                            value, p, unroll=unroll)
    return value


@remembered
def polyadd(a1: ArrayLike, a2: ArrayLike) -> Array:
    """The sum of two polynomials."""
    a, b = promote_dtypes("polyadd", as_array("polyadd", a1), as_array("polyadd", a2, 1))
    a, b = _aligned(a, b)
    return elementwise._add(a, b)


@remembered
def polysub(a1: ArrayLike, a2: ArrayLike) -> Array:
    """The difference of two polynomials."""
    a, b = promote_dtypes("polysub", as_array("polysub", a1), as_array("polysub", a2, 1))
    a, b = _aligned(a, b)
    return elementwise._subtract(a, b)


def _aligned(a: Any, b: Any) -> tuple[Any, Any]:
    """Coefficients padded in front to one length."""
    size = max(a.shape[0], b.shape[0])
    zero = np.zeros((), a.dtype)[()]
    return (lax.pad(a, zero, ((size - a.shape[0], 0, 0),)),
            lax.pad(b, zero, ((size - b.shape[0], 0, 0),)))


@remembered
def polymul(a1: ArrayLike, a2: ArrayLike, *, trim_leading_zeros: bool = False) -> Array:
    """The product of two polynomials; zeros in front are dropped if asked for (not in `jit`)."""
    a, b = promote_dtypes_inexact("polymul", as_array("polymul", a1), as_array("polymul", a2, 1))
    if trim_leading_zeros and (a.size > 1 or b.size > 1):
        a, b = (_trimmed(v) for v in (a, b))
    if a.size == 0:
        a = creation.zeros((1,), a.dtype)
    if b.size == 0:
        b = creation.zeros((1,), b.dtype)
    return products.convolve(a, b, mode="full")


def _trimmed(p: Any) -> Any:
    """`p` without zeros in front, but for the last one."""
    places = np.nonzero(np.asarray(p))[0]
    return p[int(places[0]):] if places.size else p[-1:]


@remembered
def polydiv(u: ArrayLike, v: ArrayLike, *, trim_leading_zeros: bool = False) -> tuple[Any, Any]:
    """(quotient, remainder) of two polynomials."""
    a, b = promote_dtypes_inexact("polydiv", as_array("polydiv", u), as_array("polydiv", v, 1))
    m, n = a.shape[0] - 1, b.shape[0] - 1
    scale = lax.div(lax.full_like(b[0], 1), b[0])
    quotient = []
    rest = a
    for k in range(m - n + 1):
        d = lax.mul(scale, rest[k])
        quotient.append(d)
        rest = rest.at[k:k + n + 1].add(elementwise._negative(elementwise._multiply(d, b)))
    q = joining.stack(quotient) if quotient else creation.zeros((1,), a.dtype)
    if trim_leading_zeros:
        rest = _trimmed(elementwise.where(
            elementwise.less(elementwise.absolute(rest), 1e-8), 0, rest))
    return q, rest


@remembered
def polyder(p: Any, m: int = 1) -> Array:
    """The `m`-th derivative of a polynomial."""
    (p,) = promote_dtypes_inexact("polyder", p)
    m = integer(m, "m")
    if m < 0:
        raise ValueError("Order of derivative must be positive")
    if m == 0:
        return p
    m = min(m, p.shape[0])  # the next derivative of a constant is empty, as this one is
    powers = np.arange(p.shape[0])[::-1]
    factors = np.prod([powers - i for i in range(m)], axis=0)
    return elementwise._multiply(p, creation.asarray(factors.astype(p.dtype)))[:-m]


@remembered
def polyint(p: Any, m: int = 1, k: Any = None) -> Array:
    """The `m`-th integral of a polynomial, with integration constants `k`."""
    (p,) = promote_dtypes_inexact("polyint", p)
    m = integer(m, "m")
    if m < 0:
        raise ValueError("Order of integral must be positive")
    if m == 0:
        return p
    constants = creation.zeros((m,), p.dtype) if k is None else \
        joining.atleast_1d(convert(as_array("polyint", k), p.dtype))
    if constants.shape == (1,):
        constants = shaping.broadcast_to(constants, (m,))
    if constants.shape != (m,):
        raise ValueError("k must be a scalar or a rank-1 array of length 1 or m.")
    for i in range(m):
        powers = np.arange(p.shape[0], 0, -1).astype(p.dtype)
        p = lax.concatenate([elementwise.divide(p, creation.asarray(powers)), constants[i:i + 1]],
                            0)
    return p


@remembered
def poly(seq_of_zeros: ArrayLike) -> Array:
    """The coefficients of the polynomial with the given roots, or with the eigenvalues of a
    matrix."""
    (zeros,) = promote_dtypes_inexact("poly", seq_of_zeros)
    if zeros.ndim == 2 and zeros.shape[0] == zeros.shape[1]:
        zeros = linalg.eigvals(zeros)
    elif zeros.ndim != 1:
        raise ValueError("input must be 1d or non-empty square 2d array.")
    p = creation.ones((1,), zeros.dtype)
    for i in range(zeros.shape[0]):
        one = creation.ones((1,), zeros.dtype)
        p = products.convolve(p, lax.concatenate([one, elementwise._negative(zeros[i:i + 1])], 0))
    return p


def roots(p: Any, *, strip_zeros: bool = True) -> Array:
    """The roots of a polynomial, as eigenvalues of its companion matrix.

    Inside `jit`, `strip_zeros=False` must be given: zeros in front then give NaN.
    """
    (p,) = promote_dtypes_inexact("roots", p)
    p = joining.atleast_1d(p)
    if p.ndim != 1:
        raise ValueError("Input must be a rank-1 array.")
    if p.size < 2:
        return creation.zeros((0,), dtypes.to_complex_dtype(p.dtype))
    at_zero = 0
    if strip_zeros:
        if isinstance(p, Tracer) and p.concrete() is None:
            raise ValueError("The error occurred in jnp.roots. To use this within a JIT-compiled "
                             "context, pass strip_zeros=False.")
        places = np.nonzero(np.asarray(p))[0]
        if places.size == 0:
            return creation.zeros((0,), dtypes.to_complex_dtype(p.dtype))
        at_zero = p.shape[0] - 1 - int(places[-1])
        p = p[int(places[0]):int(places[-1]) + 1]
    found = _companion_roots(p)
    if at_zero:
        found = lax.concatenate([found, creation.zeros((at_zero,), found.dtype)], 0)
    return found


def _companion_roots(p: Any) -> Any:
    size = p.shape[0] - 1
    if size == 0:
        return creation.zeros((0,), dtypes.to_complex_dtype(p.dtype))
    below = creation.eye(size, k=-1, dtype=p.dtype)
    first = elementwise.divide(elementwise._negative(p[1:]), p[0])
    return linalg.eigvals(below.at[0].set(first))


@remembered
def vander(x: ArrayLike, N: int | None = None, increasing: bool = False) -> Array:
    """The matrix of powers of `x`: columns x^(N-1) … x^0, or the other way round."""
    v = as_array("vander", x)
    if v.ndim != 1:
        raise ValueError("x must be a one-dimensional array")
    count = v.shape[0] if N is None else integer(N, "N")
    if count < 0:
        raise ValueError("N must be nonnegative")
    exponents = np.arange(count) if increasing else np.arange(count)[::-1]
    if not count:
        return creation.zeros((v.shape[0], 0), v.dtype)
    return joining.stack([elementwise.power(v, int(n)) if n else lax.full_like(v, 1)
                          for n in exponents], axis=1)


@remembered
def polyfit(x: ArrayLike, y: ArrayLike, deg: int, rcond: float | None = None, full: bool = False,
            w: ArrayLike | None = None, cov: bool | str = False) -> Any:
    """The coefficients of the polynomial of degree `deg` closest to points, by least squares.

    Args:
      rcond: singular values below this part of the greatest are left out.
      full: also return (residuals, rank, singular values, rcond).
      w: weights of the points. cov: also return the covariance of the coefficients.
    """
    xs, ys = promote_dtypes_inexact("polyfit", as_array("polyfit", x), as_array("polyfit", y, 1))
    degree = integer(deg, "deg")
    if degree < 0:
        raise ValueError("expected deg >= 0")
    if xs.ndim != 1:
        raise TypeError("expected 1D vector for x")
    if xs.size == 0:
        raise TypeError("expected non-empty vector for x")
    if ys.ndim not in (1, 2):
        raise TypeError("expected 1D or 2D array for y")
    if xs.shape[0] != ys.shape[0]:
        raise TypeError("expected x and y to have same length")
    rcond = len(xs) * float(dtypes.finfo(xs.dtype).eps) if rcond is None else rcond
    left, right = vander(xs, degree + 1), ys
    if w is not None:
        weights = convert(as_array("polyfit", w), xs.dtype)
        if weights.ndim != 1 or weights.shape[0] != ys.shape[0]:
            raise TypeError("expected w and y to have the same length")
        left = elementwise._multiply(left, weights[:, None])
        right = elementwise._multiply(right, weights[:, None] if ys.ndim == 2 else weights)
    scale = lax.sqrt(reductions.sum(elementwise._multiply(left, left), axis=0))
    left = elementwise.divide(left, scale[None, :])
    c, residuals, rank, singular = linalg.lstsq(left, right, rcond)
    c = elementwise.divide(c, scale[:, None] if c.ndim == 2 else scale)
    if full:
        return c, residuals, rank, singular, creation.asarray(rcond)
    if cov:
        base = linalg.inv(products.dot(left.T, left))
        base = elementwise.divide(base, products.outer(scale, scale))
        factor: Any = 1
        if cov != "unscaled":
            if len(xs) <= degree + 1:
                raise ValueError("the number of data points must exceed order to scale the "
                                 "covariance matrix")
            factor = elementwise.divide(residuals, len(xs) - degree - 1)
        if ys.ndim == 1:
            return c, elementwise._multiply(base, factor)
        return c, elementwise._multiply(base[:, :, None], factor)
    return c

