"""The gamma function and its relatives: factorials, beta functions, incomplete ones, zeta."""
from __future__ import annotations

import functools
import math
from fractions import Fraction
from typing import Any

import numpy as np

from arrax import lax
from arrax import numpy as jnp
from arrax.core.array import Array
from arrax.core.remembered import remembered
from arrax.numpy.promotion import as_array, inexact_array, promote_inexact
from arrax.transforms.custom_jvp import custom_jvp
from arrax.typing import ArrayLike


@remembered
def gammaln(x: ArrayLike) -> Array:
    """log |Γ(x)|.

    Args:
      x: real numbers of any shape; integers count as floats.

    Returns: an array of the shape of `x`; inf at 0 and the negative integers.

    Example:
      >>> gammaln(jnp.array([1., 5.]))
      Array([0.       , 3.1780539], dtype=float32)

    Source: DLMF 5.2; `scipy.special.gammaln`.
    """
    return lax.lgamma(inexact_array("gammaln", x))


@remembered
def gammasgn(x: Any) -> Array:
    """The sign of Γ(x): 1, or -1 between negative integers where Γ is negative.

    Args:
      x: real numbers of any shape.

    Returns: an array of the shape of `x`. NaN at negative integers and -inf, ±1 at ±0.

    Example:
      >>> gammasgn(jnp.array([2.5, -0.5, -1.5]))
      Array([ 1., -1.,  1.], dtype=float32)

    Source: `scipy.special.gammasgn`.
    """
    x = inexact_array("gammasgn", x)
    below = jnp.floor(x)
    negative = jnp.where(below == x, np.nan, jnp.where(below % 2 == 0, 1.0, -1.0))
    at_zero = jnp.where(jnp.signbit(x), -1.0, 1.0)
    sign = jnp.where(x == 0, at_zero, jnp.where(x > 0, 1.0, negative))
    return jnp.where(jnp.isnan(x), np.nan, sign).astype(x.dtype)


_STIRLING = [float(Fraction(b) / ((2 * k + 2) * (2 * k + 1))) for k, b in enumerate(
    ["1/6", "-1/30", "1/42", "-1/30", "5/66", "-691/2730", "7/6", "-3617/510"])]
_SHIFT = 8


def _tail(x: Any) -> Any:
    """Σ B₂ₖ / (2k(2k-1) x²ᵏ⁻¹), the sum of Stirling's series, for |x| ≥ 8."""
    inverse = 1 / x
    square = inverse * inverse
    total = jnp.zeros_like(x)
    for coefficient in reversed(_STIRLING):
        total = total * square + coefficient
    return total * inverse


def _gamma_right(x: Any) -> Any:
    """Γ(x) for x > 0 by √(2π) yʸ⁻¹ᐟ² e⁻ʸ and Stirling's series at y = x or x + 8.

    What the sums y and y - 1/2 lose to rounding comes back as a factor: it would count y times.
    """
    small = x < _SHIFT
    y = jnp.where(small, x + _SHIFT, x)
    lost = jnp.where(small, x - (y - _SHIFT), 0)
    half = y - 0.5
    rest = (y - half) - 0.5
    root = jnp.power(y, half / 2)  # the whole power may overflow before e⁻ʸ is applied
    value = root * (math.sqrt(2 * math.pi) * jnp.exp(_tail(y) - y)) * root
    value = value * (1 + (rest + lost) * jnp.log(y))
    product = jnp.ones_like(x)
    for k in range(_SHIFT):
        product = product * jnp.where(small, x + k, 1)
    return jnp.where(x > (36 if x.dtype == np.float32 else 172), np.inf, value / product)


@custom_jvp
def _gamma(x: Any) -> Any:
    left = x < 0.5
    right = _gamma_right(jnp.where(left, 1 - x, x))
    whole = jnp.round(x)
    sine = jnp.sin(jnp.pi * (x - whole)) * jnp.where(whole % 2 == 0, 1, -1)
    reflected = jnp.pi / (sine * right)
    value = jnp.where(left & (x < 0), reflected, jnp.where(left, _gamma_right(jnp.abs(x)), right))
    value = jnp.where((x < 0) & (jnp.floor(x) == x), np.nan, value)
    return jnp.where(x == 0, jnp.copysign(np.inf, x), value)


_gamma.defjvps(lambda g, ans, x: g * ans * lax.digamma(x))


def gamma(x: Any) -> Array:
    """Γ(x) = ∫ tˣ⁻¹ e⁻ᵗ dt over t > 0, continued to negative numbers.

    Args:
      x: real or complex numbers of any shape.

    Returns: an array of the shape of `x`: ±inf at ±0 (NaN for complex 0), NaN at negative integers.

    Example:
      >>> gamma(jnp.array([1., 4., 0.5])).round(4)
      Array([1.    , 6.    , 1.7725], dtype=float32)

    Source: DLMF 5.2.1, 5.11.1, 5.5.3; `scipy.special.gamma`.
    """
    x = inexact_array("gamma", x)
    if x.dtype.kind != "c":
        return _gamma(x)
    real = lax.real(x)
    pole = (lax.imag(x) == 0) & (real <= 0) & (real == jnp.floor(real))
    value = jnp.exp(loggamma(jnp.where(pole, 1, x)))
    return jnp.where(pole, complex(np.nan, np.nan), value)


def _stirling(z: Any) -> Any:
    """log Γ(z) for |z| ≥ 8 on the right: (z - 1/2) log z - z + log(2π)/2 and Stirling's series."""
    return (z - 0.5) * jnp.log(z) - z + 0.5 * math.log(2 * math.pi) + _tail(z)


_ZETAS = [math.fsum(j ** -k for j in range(1, 60)) + 60 ** (1 - k) / (k - 1) + 60 ** -k / 2
          + k * 60.0 ** (-k - 1) / 12 - k * (k + 1) * (k + 2) * 60.0 ** (-k - 3) / 720
          for k in range(2, 27)]  # ζ(2) …, by Euler and Maclaurin's formula


def _near_one(w: Any) -> Any:
    """log Γ(1 + w) for |w| < 0.25: -γw + Σ ζ(k) (-w)ᵏ / k (DLMF 5.7.3)."""
    total = jnp.zeros_like(w)
    for k in range(len(_ZETAS) + 1, 1, -1):
        total = (total + (-1.0) ** k * _ZETAS[k - 2] / k) * w
    return (total - float(np.euler_gamma)) * w


@remembered
def loggamma(x: Any) -> Array:
    """The principal branch of log Γ(x), continuous but for a cut along the negative axis.

    Args:
      x: real or complex numbers of any shape.

    Returns: an array of the shape of `x`. Of negative real numbers NaN, for the logarithm is
    complex there.

    Example:
      >>> loggamma(jnp.array([4., 10.5])).round(3)
      Array([ 1.792, 13.941], dtype=float32)

    Source: Hare, "Computing the principal branch of log-Gamma", 1997; Stirling's series, DLMF
    5.11.1; `scipy.special.loggamma`.
    """
    x = inexact_array("loggamma", x)
    if x.dtype.kind != "c":
        return jnp.where(x < 0, np.nan, lax.lgamma(x))
    left = lax.real(x) < 0.5
    z = jnp.where(left, 1 - x, x)
    shift = sum(jnp.log(z + float(k)) for k in range(_SHIFT))
    right = _stirling(z + float(_SHIFT)) - shift
    turns = jnp.copysign(2 * math.pi, lax.imag(x)) * jnp.floor(0.5 * lax.real(x) + 0.25)
    for at in (1, 2):  # next to the zeros
        w = z - at
        close = jnp.abs(w) < 0.25
        w = jnp.where(close, w, 0)
        right = jnp.where(close, _near_one(w) + (jnp.log1p(w) if at == 2 else 0), right)
    reflected = (math.log(math.pi) - _log_sinpi(jnp.where(left, x, 0.25)) - right
                 + lax.complex(jnp.zeros_like(turns), turns))
    return jnp.where(left, reflected, right)


def _log_sinpi(z: Any) -> Any:
    """log sin(πz), without overflow for large imaginary parts."""
    real, imag = lax.real(z), lax.imag(z)
    reduced = real - 2 * jnp.round(real / 2)  # exact, so that zeros stay zeros
    upper = jnp.abs(imag)
    angle = jnp.pi * reduced
    # sin(a + ib) = e^b/2 (sin a (1 + e^-2b) + i cos a (1 - e^-2b)) for b ≥ 0
    small = jnp.exp(-2 * jnp.pi * upper)
    part = lax.complex(jnp.sin(angle) * (1 + small),
                       -jnp.cos(angle) * jnp.expm1(-2 * jnp.pi * upper))
    out = jnp.log(part) + (jnp.pi * upper - math.log(2)).astype(z.dtype)
    return jnp.where(imag < 0, jnp.conj(out), out)


def digamma(x: ArrayLike) -> Array:
    """ψ(x), the derivative of log Γ(x).

    Args:
      x: real numbers of any shape.

    Returns: an array of the shape of `x`; NaN at negative integers.

    Example:
      >>> digamma(jnp.array([1., 2.])).round(4)
      Array([-0.5772,  0.4228], dtype=float32)

    Source: DLMF 5.2.2; `scipy.special.digamma`.
    """
    return lax.digamma(inexact_array("digamma", x))


def polygamma(n: ArrayLike, x: ArrayLike) -> Array:
    """ψ⁽ⁿ⁾(x), the derivative of order `n` of the digamma function.

    Args:
      n: orders ≥ 0, whole numbers (of any dtype).
      x: real numbers; broadcast with `n`.

    Example:
      >>> polygamma(1, jnp.array([1.])).round(4)
      Array([1.6449], dtype=float32)

    Source: DLMF 5.15; `scipy.special.polygamma`.
    """
    n, x = promote_inexact("polygamma", n, x)
    return lax.polygamma(*jnp.broadcast_arrays(n, x))


def factorial(n: Any, exact: bool = False) -> Array:
    """n! = Γ(n + 1) in floating point.

    Args:
      n: numbers of any shape; of negative ones the result is 0.
      exact: exact integers are not offered; NotImplementedError if true.

    Example:
      >>> factorial(jnp.array([0, 3, 5])).round(2)
      Array([  1.,   6., 120.], dtype=float32)

    Source: `scipy.special.factorial`.
    """
    if exact:
        raise NotImplementedError("factorial: exact=True is not supported, integers overflow")
    n = inexact_array("factorial", n)
    return jnp.where(n < 0, 0, _gamma(jnp.maximum(n, 0) + 1))


def comb(N: Any, k: Any, *, repetition: bool = False) -> Array:
    """The number of ways to choose `k` of `N` things, in floating point.

    Args:
      N, k: numbers, broadcast together. Where k > N, k < 0 or N < 0 the result is 0.
      repetition: whether things may be chosen more than once.

    Example:
      >>> comb(5, jnp.array([0, 2, 6])).round(2)
      Array([ 1., 10.,  0.], dtype=float32)

    Source: `scipy.special.comb`.
    """
    N, k = promote_inexact("comb", N, k)
    if repetition:
        return jnp.where((N == 0) & (k == 0), 1.0, comb(N + k - 1, k)).astype(N.dtype)
    inside = (k <= N) & (N >= 0) & (k >= 0)
    n, m = jnp.where(inside, N, 1), jnp.where(inside, k, 0)
    count = jnp.exp(lax.lgamma(n + 1) - lax.lgamma(m + 1) - lax.lgamma(n - m + 1))
    return jnp.where(inside, count, 0).astype(N.dtype)


def poch(z: ArrayLike, m: ArrayLike) -> Array:
    """Pochhammer's symbol (z)ₘ = Γ(z + m) / Γ(z), the rising factorial.

    Args:
      z, m: real numbers, broadcast together.

    Example:
      >>> poch(2., jnp.array([0., 1., 3.])).round(3)
      Array([ 1.,  2., 24.], dtype=float32)

    Source: DLMF 5.2.5; `scipy.special.poch`.
    """
    z, m = promote_inexact("poch", z, m)
    sign = gammasgn(z + m) * gammasgn(z)
    return jnp.where(m == 0, 1.0, sign * jnp.exp(lax.lgamma(z + m) - lax.lgamma(z)))


def betaln(a: Any, b: Any) -> Array:
    """log |B(a, b)|, without the cancellation of three gamma functions where one is large.

    Args:
      a, b: real numbers, broadcast together.

    Example:
      >>> betaln(2., jnp.array([3., 1e6])).round(4)
      Array([ -2.4849, -27.631 ], dtype=float32)

    Source: DLMF 5.12.1; for large arguments the difference of Stirling's series;
    `scipy.special.betaln`.
    """
    a, b = promote_inexact("betaln", a, b)
    a, b = jnp.minimum(a, b), jnp.maximum(a, b)
    plain = lax.lgamma(a) + (lax.lgamma(b) - lax.lgamma(a + b))
    large = (b >= 10) & (a > 0)
    p, q = jnp.where(large, a, 1.0), jnp.where(large, b, 10.0)
    # log Γ(q) - log Γ(q + p) from Stirling's series, the large parts joined
    ratio = -(q - 0.5) * jnp.log1p(p / q) - p * jnp.log(q + p) + p
    return jnp.where(large, lax.lgamma(p) + ratio + (_tail(q) - _tail(q + p)), plain)


def beta(a: ArrayLike, b: ArrayLike) -> Array:
    """B(a, b) = Γ(a) Γ(b) / Γ(a + b).

    Args:
      a, b: real numbers, broadcast together.

    Example:
      >>> beta(2., jnp.array([3., 4.])).round(4)
      Array([0.0833, 0.05  ], dtype=float32)

    Source: DLMF 5.12.1; `scipy.special.beta`.
    """
    a, b = promote_inexact("beta", a, b)
    sign = gammasgn(a) * gammasgn(b) * gammasgn(a + b)
    return sign * jnp.exp(betaln(a, b))


def betainc(a: ArrayLike, b: ArrayLike, x: ArrayLike) -> Array:
    """The regularized incomplete beta function, the integral of tᵃ⁻¹(1-t)ᵇ⁻¹/B(a, b) from 0 to `x`.

    Args:
      a, b: positive numbers.
      x: numbers in [0, 1]. The three are broadcast together.

    Example:
      >>> betainc(2., 3., jnp.array([0., 0.5, 1.])).round(4)
      Array([0.    , 0.6875, 1.    ], dtype=float32)

    Source: DLMF 8.17.2; `scipy.special.betainc`.
    """
    return lax.betainc(*jnp.broadcast_arrays(*promote_inexact("betainc", a, b, x)))


def gammainc(a: ArrayLike, x: ArrayLike) -> Array:
    """The regularized lower incomplete gamma function, the integral of tᵃ⁻¹e⁻ᵗ/Γ(a) from 0 to `x`.

    Args:
      a, x: numbers ≥ 0, broadcast together.

    Example:
      >>> gammainc(1., jnp.array([0., 1.])).round(4)
      Array([0.    , 0.6321], dtype=float32)

    Source: DLMF 8.2.4; `scipy.special.gammainc`.
    """
    return lax.igamma(*jnp.broadcast_arrays(*promote_inexact("gammainc", a, x)))


def gammaincc(a: ArrayLike, x: ArrayLike) -> Array:
    """The regularized upper incomplete gamma function, 1 - `gammainc(a, x)`.

    Args:
      a, x: numbers ≥ 0, broadcast together.

    Example:
      >>> gammaincc(1., jnp.array([0., 1.])).round(4)
      Array([1.    , 0.3679], dtype=float32)

    Source: DLMF 8.2.4; `scipy.special.gammaincc`.
    """
    return lax.igammac(*jnp.broadcast_arrays(*promote_inexact("gammaincc", a, x)))


def multigammaln(a: Any, d: Any) -> Array:
    """The logarithm of the multivariate gamma function of dimension `d`.

    Args:
      a: numbers > (d - 1) / 2 of any shape.
      d: a positive Python integer.

    Example:
      >>> multigammaln(jnp.array([3.]), 2).round(4)
      Array([1.5502], dtype=float32)

    Source: DLMF 35.3.4; `scipy.special.multigammaln`.
    """
    dimension = int(d)
    a = inexact_array("multigammaln", a)
    steps = jnp.arange(dimension, dtype=a.dtype) / 2
    constant = dimension * (dimension - 1) / 4 * math.log(math.pi)
    return constant + jnp.sum(lax.lgamma(a[..., None] - steps), axis=-1)


def zeta(x: ArrayLike, q: ArrayLike | None = None) -> Array:
    """Hurwitz's ζ(x, q) = Σ (k + q)⁻ˣ over k ≥ 0; with q = None or 1 Riemann's.

    Args:
      x, q: real numbers, broadcast together; `x` > 1.

    Example:
      >>> zeta(jnp.array([2.])).round(4)
      Array([1.6449], dtype=float32)

    Source: DLMF 25.11.1; `scipy.special.zeta`.
    """
    x, q = promote_inexact("zeta", x, 1.0 if q is None else q)
    return lax.zeta(*jnp.broadcast_arrays(x, q))


@functools.lru_cache(maxsize=64)
def _bernoulli_numbers(count: int) -> tuple[float, ...]:
    """B₀ … B_count, exactly and then rounded, by the recurrence of binomial sums."""
    numbers: list[Fraction] = [Fraction(1)]
    for m in range(1, count + 1):
        if m > 1 and m % 2:
            numbers.append(Fraction(0))
            continue
        total = sum((math.comb(m + 1, k) * numbers[k] for k in range(m)), Fraction(0))
        numbers.append(-total / (m + 1))
    return tuple(_rounded(b) for b in numbers)


def _rounded(number: Fraction) -> float:
    try:
        return float(number)
    except OverflowError:
        return math.copysign(math.inf, number)


def bernoulli(n: int) -> Array:
    """The Bernoulli numbers B₀ to Bₙ, with B₁ = -1/2.

    Args:
      n: a Python integer ≥ 0; ValueError below.

    Returns: an array of n + 1 floats.

    Example:
      >>> bernoulli(4).round(4)
      Array([ 1.    , -0.5   ,  0.1667,  0.    , -0.0333], dtype=float32)

    Source: DLMF 24.2.1; `scipy.special.bernoulli`.
    """
    count = int(n)
    if count < 0:
        raise ValueError(f"bernoulli: n must be a non-negative integer, got {n}")
    numbers = np.asarray(_bernoulli_numbers(count), dtype=jnp.result_type(float))
    return as_array("bernoulli", numbers)
