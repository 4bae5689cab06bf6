"""Functions of matrices: exponential, square root, any other by Schur's form."""
from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

from arrax import lax
from arrax import numpy as jnp
from arrax.core.array import Array
from arrax.numpy.promotion import promote_dtypes_inexact, promotes_arguments, promotes_freely
from arrax.scipy.linalg.solving import adjoint, square
from arrax.transforms.api_ad import jvp
from arrax.transforms.api_vmap import vmap
from arrax.typing import ArrayLike

# The largest norms for which Padé's approximations of orders 7 and 13 are exact to float32 and
# float64 (Higham 2005, table 2.3; Al-Mohy and Higham 2009).
_LARGEST = {7: 3.925724783138660, 13: 5.371920351148152}


def _coefficients(order: int) -> list[float]:
    """b[k] of Padé's numerator Σ b[k] xᵏ, scaled so that b[0] = 1."""
    f = math.factorial
    return [f(2 * order - k) * f(order) / (f(2 * order) * f(order - k) * f(k))
            for k in range(order + 1)]


def _pade(A: Any, order: int) -> tuple[Any, Any]:
    """The odd and the even part of the numerator of Padé's approximation of eᴬ."""
    b = _coefficients(order)
    unit = jnp.eye(A.shape[0], dtype=A.dtype)
    square_ = A @ A
    fourth = square_ @ square_
    sixth = fourth @ square_
    if order == 7:
        odd = b[7] * sixth + b[5] * fourth + b[3] * square_ + b[1] * unit
        even = b[6] * sixth + b[4] * fourth + b[2] * square_ + b[0] * unit
    else:
        odd = sixth @ (b[13] * sixth + b[11] * fourth + b[9] * square_) \
            + b[7] * sixth + b[5] * fourth + b[3] * square_ + b[1] * unit
        even = sixth @ (b[12] * sixth + b[10] * fourth + b[8] * square_) \
            + b[6] * sixth + b[4] * fourth + b[2] * square_ + b[0] * unit
    return A @ odd, even


@promotes_freely
def expm(A: Any, *, upper_triangular: bool = False, max_squarings: int = 16) -> Array:
    """The exponential of a matrix, Σ Aᵏ / k!.

    Args:
      A: matrices, of shape (..., n, n).
      upper_triangular: whether they are known to be upper triangular, which saves work.
      max_squarings: the most squarings; matrices of a norm above about 4 · 2 ** max_squarings give
        NaN.

    Example:
      >>> expm(jnp.zeros((2, 2)))
      Array([[1., 0.],
             [0., 1.]], dtype=float32)

    Source: Higham, "The scaling and squaring method for the matrix exponential revisited", 2005;
    `scipy.linalg.expm`.
    """
    A = square("expm", A)
    function: Callable[[Any], Any] = lambda a: _expm(a, upper_triangular, max_squarings)
    for _ in A.shape[:-2]:
        function = vmap(function)
    return function(A)


def _expm(A: Any, upper_triangular: bool, max_squarings: int) -> Any:
    if A.shape[0] == 0:
        return A
    order = 13 if jnp.finfo(A.dtype).eps < 1e-10 else 7
    norm = lax.stop_gradient(jnp.max(jnp.sum(jnp.abs(A), axis=0)))
    ratio = jnp.maximum(norm / _LARGEST[order], 1)
    count = jnp.ceil(jnp.log2(ratio))
    count = jnp.where(jnp.isfinite(count), count, max_squarings + 1).astype(jnp.int32)
    scale = jnp.exp2(-jnp.minimum(count, max_squarings).astype(norm.dtype))
    odd, even = _pade(A * scale.astype(A.dtype), order)
    above, below = even + odd, even - odd
    first = lax.linalg.triangular_solve(below, above, left_side=True) if upper_triangular \
        else jnp.linalg.solve(below, above)

    def step(i: Any, power: Any) -> Any:
        return lax.cond(i < count, lambda p: p @ p, lambda p: p, power)

    result = lax.fori_loop(0, max_squarings, step, first)
    return jnp.where(count > max_squarings, jnp.nan, result)


@promotes_arguments
def expm_frechet(A: Any, E: Any, *, method: str | None = None,
                 compute_expm: bool = True) -> Any:
    """The derivative of the matrix exponential at A in the direction E.

    Args:
      A: a matrix (n, n).
      E: a matrix (n, n).
      method: None or "SPS"; derivatives follow the scaling and squaring of `expm` in any case.
      compute_expm: whether to give the exponential too.

    Returns: (expm(A), derivative), or the derivative.

    Errors: ValueError for another method or shapes that do not go together.

    Example:
      >>> expm_frechet(jnp.zeros((1, 1)), jnp.ones((1, 1)), compute_expm=False)
      Array([[1.]], dtype=float32)

    Source: Al-Mohy and Higham, "Computing the Fréchet derivative of the matrix exponential", 2009;
    `scipy.linalg.expm_frechet`.
    """
    A, E = promote_dtypes_inexact("expm_frechet", A, E)
    A = square("expm_frechet", A)
    if A.shape != E.shape:
        raise ValueError(f"expm_frechet: A and E must be of one shape, got {A.shape} and {E.shape}")
    if method not in (None, "SPS"):
        raise ValueError(f"expm_frechet: unknown method {method!r}, expected None or 'SPS'")
    value, derivative = jvp(expm, (A,), (E,))
    return (value, derivative) if compute_expm else derivative


@promotes_freely
def sqrtm(A: ArrayLike, blocksize: int = 1) -> Array:
    """The principal square root of a matrix.

    Args:
      A: a matrix (n, n).
      blocksize: of a blocked algorithm, which is not offered; NotImplementedError above 1.

    Returns: a complex matrix: real matrices with negative eigenvalues have complex roots. Not
    finite where there is no root.

    Example:
      >>> sqrtm(jnp.array([[4., 0.], [0., 9.]])).real
      Array([[2., 0.],
             [0., 3.]], dtype=float32)

    Source: Björck and Hammarling, "A Schur method for the square root of a matrix", 1983;
    `scipy.linalg.sqrtm`.
    """
    if blocksize > 1:
        raise NotImplementedError("sqrtm: blocksize must be 1, blocks are not supported")
    T, Z = _complex_schur("sqrtm", A)
    n = T.shape[0]
    diagonal = jnp.sqrt(jnp.diagonal(T))
    rows = jnp.arange(n)

    def column(j: Any, R: Any) -> Any:
        def element(i: Any, own: Any) -> Any:
            row = j - 1 - i
            rest = T[row, j] - R[row] @ jnp.where(rows > row, own, 0)
            total = diagonal[row] + diagonal[j]
            value = jnp.where((total == 0) & (rest == 0), 0, rest / total)
            return own.at[row].set(value)

        own = lax.fori_loop(0, j, element, jnp.zeros(n, T.dtype))
        return R.at[:, j].set(own.at[j].set(diagonal[j]))

    R = lax.fori_loop(0, n, column, jnp.zeros_like(T))
    return Z @ R @ adjoint(Z)


def _complex_schur(name: str, A: Any) -> tuple[Any, Any]:
    A = square(name, A)
    if A.ndim != 2:
        raise ValueError(f"{name}: expected one matrix, got shape {A.shape}")
    T, Z = lax.linalg.schur(A.astype(jnp.result_type(A.dtype, jnp.complex64)))
    return T, Z


@promotes_freely
def funm(A: ArrayLike, func: Callable[[Any], Any], disp: bool = True) -> Any:
    """A function of a matrix, that has the function's values at the eigenvalues.

    Args:
      A: a matrix (n, n), best with eigenvalues that lie well apart.
      func: a function of an array, elementwise and analytic at the eigenvalues.
      disp: whether to give the matrix alone.

    Returns: the matrix, complex unless it can be real, or (matrix, error), an estimate of the
    relative error.

    Example:
      >>> funm(jnp.array([[1., 0.], [0., 4.]]), jnp.sqrt).real
      Array([[1., 0.],
             [0., 2.]], dtype=float32)

    Source: Parlett's recurrence, Golub and Van Loan, "Matrix computations", 9.1.4;
    `scipy.linalg.funm`.
    """
    T, Z = _complex_schur("funm", A)
    n = T.shape[0]
    eps = jnp.finfo(T.dtype).eps
    F = jnp.diag(func(jnp.diagonal(T))).astype(T.dtype)
    least = jnp.abs(T[0, 0]) if n else jnp.zeros((), eps.dtype)
    places = jnp.arange(n)

    def diagonal(p: Any, state: Any) -> Any:
        def element(i: Any, inner: Any) -> Any:
            F, least = inner
            j = i + p
            between = (places > i) & (places < j)
            s = T[i, j] * (F[j, j] - F[i, i]) \
                + jnp.where(between, T[i], 0) @ jnp.where(between, F[:, j], 0) \
                - jnp.where(between, F[i], 0) @ jnp.where(between, T[:, j], 0)
            gap = T[j, j] - T[i, i]
            value = jnp.where(gap == 0, s, s / jnp.where(gap == 0, 1, gap))
            return F.at[i, j].set(value), jnp.minimum(least, jnp.abs(gap))

        return lax.fori_loop(0, n - p, element, state)

    F, least = lax.fori_loop(1, n, diagonal, (F, least)) if n > 1 else (F, least)
    result = Z @ F @ adjoint(Z)
    if jnp.issubdtype(jnp.asarray(A).dtype, jnp.floating):
        result = _real_if_close(result)
    if disp:
        return result
    least = jnp.where(least == 0, eps, least)
    error = jnp.minimum(1, jnp.maximum(eps, (eps / least) * jnp.linalg.norm(jnp.triu(T, 1), 1)))
    bad = ~jnp.all(jnp.isfinite(jnp.abs(result)))
    return result, jnp.where(bad, jnp.inf, error)


def _real_if_close(x: Any) -> Any:
    """`x`, its imaginary parts dropped where all are as small as rounding."""
    small = jnp.all(jnp.abs(jnp.imag(x)) <= 1e3 * jnp.finfo(x.dtype).eps)
    return lax.complex(jnp.real(x), jnp.where(small, 0, jnp.imag(x)))
