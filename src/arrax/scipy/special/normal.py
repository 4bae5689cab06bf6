"""Error functions and the normal distribution."""
from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from arrax import lax
from arrax import numpy as jnp
from arrax.core.array import Array
from arrax.numpy.promotion import inexact_array, promote_inexact
from arrax.scipy.special import series
from arrax.scipy.special.complex_plane import wofz
from arrax.transforms.custom_jvp import custom_jvp
from arrax.typing import ArrayLike

_SQRT_HALF = math.sqrt(0.5)


def chebyshev(coefficients: Sequence[float], t: Any) -> Any:
    """Σ c[k] T_k(t) by Clenshaw's recurrence, for t in [-1, 1]."""
    double = 2 * t
    later, last = jnp.zeros_like(t), jnp.zeros_like(t)
    for c in reversed(coefficients[1:]):
        later, last = double * later - last + c, later
    return t * later - last + coefficients[0]


def real_array(name: str, x: Any) -> Any:
    """`x` as an array of real floats; TypeError for complex numbers."""
    x = inexact_array(name, x)
    if x.dtype.kind == "c":
        raise TypeError(f"{name} takes real numbers: x.dtype={x.dtype} is not supported, see "
                        "docstring for supported types.")
    return x


def real_number(name: str, x: Any) -> Any:
    """`x` as an array of real floats; ValueError for complex numbers."""
    x = inexact_array(name, x)
    if x.dtype.kind == "c":
        raise ValueError(f"{name} does not support complex-valued inputs. Argument `x` to {name} "
                         f"must be real-valued. Got dtype {x.dtype}.")
    return x


def erf(x: ArrayLike) -> Array:
    """The error function 2/√π ∫ e^(-t²) dt from 0 to `x`.

    Args:
      x: real numbers of any shape.

    Example:
      >>> erf(jnp.array([0., 1.])).round(4)
      Array([0.    , 0.8427], dtype=float32)

    Source: DLMF 7.2.1; `scipy.special.erf`.
    """
    return lax.erf(inexact_array("erf", x))


def erfc(x: ArrayLike) -> Array:
    """1 - erf(x), without cancellation for large `x`.

    Args:
      x: real numbers of any shape.

    Example:
      >>> erfc(jnp.array([0., 1.])).round(4)
      Array([1.    , 0.1573], dtype=float32)

    Source: DLMF 7.2.2; `scipy.special.erfc`.
    """
    return lax.erfc(inexact_array("erfc", x))


def erfinv(x: ArrayLike) -> Array:
    """The inverse of `erf`: ±inf at ±1, NaN beyond.

    Args:
      x: real numbers in [-1, 1] of any shape.

    Example:
      >>> erfinv(jnp.array([0., 0.5])).round(4)
      Array([0.    , 0.4769], dtype=float32)

    Source: `scipy.special.erfinv`.
    """
    return lax.erf_inv(inexact_array("erfinv", x))


@custom_jvp
def _erfcx(x: Any) -> Any:
    size = jnp.abs(x)
    t = jnp.where(jnp.isinf(size), 1, (size - 3.75) / (size + 3.75))
    right = chebyshev(series.ERFCX, t) / (1 + 2 * size)
    return jnp.where(x < 0, 2 * jnp.exp(x * x) - right, right)


_erfcx.defjvps(lambda g, ans, x: g * (2 * x * ans - 2 / math.sqrt(math.pi)))


def erfcx(x: Any) -> Array:
    """e^(x²) erfc(x), the scaled complementary error function.

    Args:
      x: real or complex numbers of any shape; for real ones, inf below -9.3 in float32, -26.6 in
        float64.

    Example:
      >>> erfcx(jnp.array([0., 1., 100.])).round(4)
      Array([1.    , 0.4276, 0.0056], dtype=float32)

    Source: Shepherd and Laframboise, "Chebyshev approximation of (1 + 2x) exp(x²) erfc x", 1981;
    `scipy.special.erfcx`.
    """
    x = inexact_array("erfcx", x)
    return wofz(1j * x) if x.dtype.kind == "c" else _erfcx(x)


@custom_jvp
def _dawsn(x: Any) -> Any:
    size = jnp.abs(x)
    small = jnp.minimum(size, 2.5)
    large = jnp.maximum(size, 2.5)
    near = x * chebyshev(series.DAWSON_SMALL, 2 * (small / 2.5) ** 2 - 1)
    far = chebyshev(series.DAWSON_LARGE, 5 / large - 1) / (2 * large)
    return jnp.where(size < 2.5, near, jnp.copysign(far, x))


_dawsn.defjvps(lambda g, ans, x: g * (1 - 2 * x * ans))


def dawsn(x: ArrayLike) -> Array:
    """Dawson's integral e^(-x²) ∫ e^(t²) dt from 0 to `x`.

    Args:
      x: real numbers of any shape.

    Example:
      >>> dawsn(jnp.array([0., 1.])).round(4)
      Array([0.    , 0.5381], dtype=float32)

    Source: DLMF 7.2.5; `scipy.special.dawsn`.
    """
    return _dawsn(real_array("dawsn", x))


def _tail(x: Any) -> Any:
    """1 - Φ(x) for x ≥ 1: e^(-x²/2) erfcx(x/√2) / 2.

    The square of x rounded to sixteenths is exact, so that its error does not count x² times.
    """
    x = jnp.minimum(x, 1e4)
    near = jnp.round(16 * x) / 16
    power = jnp.exp(-0.5 * near * near) * jnp.exp(-0.5 * (x - near) * (x + near))
    return power * _erfcx(_SQRT_HALF * x) / 2


@custom_jvp
def _ndtr(x: Any) -> Any:
    upper = jnp.where(x > 1, 1 - _tail(jnp.maximum(x, 1)), 0.5 * lax.erfc(-_SQRT_HALF * x))
    return jnp.where(x < -1, _tail(jnp.maximum(-x, 1)), upper)


_ndtr.defjvps(lambda g, ans, x: g * jnp.exp(-0.5 * x * x) / math.sqrt(2 * math.pi))


def ndtr(x: ArrayLike) -> Array:
    """Φ(x), the distribution function of the standard normal distribution.

    Args:
      x: real numbers of any shape.

    Example:
      >>> ndtr(jnp.array([0., 1.96])).round(4)
      Array([0.5  , 0.975], dtype=float32)

    Source: DLMF 7.18; `scipy.special.ndtr`.
    """
    return _ndtr(real_array("ndtr", x))


@custom_jvp
def _ndtri(p: Any) -> Any:
    upper = p > 0.5
    tail = jnp.where(upper, 1 - p, p)
    middle = math.sqrt(2) * lax.erf_inv(2 * p - 1)
    low = jnp.where(tail > 0.02, 0.02, tail)
    guess = -jnp.sqrt(-2 * jnp.log(low))
    for _ in range(5):  # Newton's steps on the logarithm, which is nearly a parabola there
        value = _log_ndtr(guess)
        slope = jnp.exp(-0.5 * guess * guess - value) / math.sqrt(2 * math.pi)
        guess = guess - (value - jnp.log(low)) / slope
    guess = jnp.where(low > 0, guess, -np.inf)
    out = jnp.where(tail > 0.02, middle, jnp.where(upper, -guess, guess))
    return jnp.where((p >= 0) & (p <= 1), out, np.nan)


_ndtri.defjvps(lambda g, ans, p: g * math.sqrt(2 * math.pi) * jnp.exp(0.5 * ans * ans))


def ndtri(p: ArrayLike) -> Array:
    """The inverse of `ndtr`: -inf at 0, inf at 1, NaN outside [0, 1].

    Args:
      p: probabilities of any shape.

    Example:
      >>> ndtri(jnp.array([0.5, 0.975])).round(4)
      Array([0.  , 1.96], dtype=float32)

    Source: Newton's method on log Φ; `scipy.special.ndtri`.
    """
    return _ndtri(real_array("ndtri", p))


@custom_jvp
def _log_ndtr(x: Any) -> Any:
    low = jnp.minimum(x, -1)
    left = jnp.log(_erfcx(-_SQRT_HALF * low) / 2) - 0.5 * low * low
    return jnp.where(x < -1, left, jnp.log1p(-_ndtr(-x)))


@_log_ndtr.defjvp
def _log_ndtr_jvp(primals: Any, tangents: Any) -> Any:
    (x,), (g,) = primals, tangents
    low = jnp.minimum(x, -1)
    # φ(x) / Φ(x) = √(2/π) / erfcx(-x/√2)
    tail = math.sqrt(2 / math.pi) / _erfcx(-_SQRT_HALF * low)
    near = jnp.exp(-0.5 * x * x) / (math.sqrt(2 * math.pi) * _ndtr(x))
    return _log_ndtr(x), g * jnp.where(x < -1, tail, near)


def log_ndtr(x: ArrayLike, series_order: int = 3) -> Array:
    """log Φ(x), exact far to the left, where Φ itself is 0.

    Args:
      x: real numbers of any shape.
      series_order: terms of an asymptotic series in other implementations. This one needs none
        and gives the same value for each; ValueError if not in 0 … 30.

    Example:
      >>> log_ndtr(jnp.array([0., -10.])).round(3)
      Array([ -0.693, -53.231], dtype=float32)

    Source: `scipy.special.log_ndtr`.
    """
    if not isinstance(series_order, int):
        raise TypeError(f"log_ndtr: series_order must be a Python integer, got {series_order!r}")
    if not 0 <= series_order <= 30:
        raise ValueError(f"log_ndtr: series_order must be in 0 … 30, got {series_order}")
    return _log_ndtr(real_array("log_ndtr", x))


_NODES, _WEIGHTS = np.polynomial.legendre.leggauss(24)


def _owens_inside(h: Any, a: Any) -> Any:
    """T(h, a) for h ≥ 0 and 0 ≤ a ≤ 1, by Gauss-Legendre quadrature."""
    end = jnp.minimum(a, 9 / jnp.maximum(h, 1))  # beyond, the integrand is nothing
    total = jnp.zeros_like(h)
    for node, weight in zip(_NODES, _WEIGHTS, strict=True):
        x = end * ((float(node) + 1) / 2)
        square = 1 + x * x
        total = total + float(weight) * jnp.exp(-0.5 * h * h * square) / square
    return total * end / (4 * math.pi)


@custom_jvp
def _owens_t(h: Any, a: Any) -> Any:
    size, slope = jnp.abs(h), jnp.abs(a)
    steep = slope > 1
    inner = jnp.where(steep, size * slope, size)
    inside = _owens_inside(jnp.where(jnp.isnan(inner), np.inf, inner),
                           jnp.where(steep, 1 / slope, slope))
    p, q = _ndtr(-size), _ndtr(-size * slope)
    q = jnp.where(jnp.isnan(size * slope) & ~jnp.isnan(h), 0.5, q)  # h = 0, a infinite
    outside = 0.5 * (p + q) - p * q - inside
    value = jnp.where(steep, outside, inside)
    value = jnp.where(jnp.isinf(slope), 0.5 * p, value)
    return jnp.where(jnp.isnan(h) | jnp.isnan(a), np.nan, jnp.copysign(value, a))


@_owens_t.defjvp
def _owens_t_jvp(primals: Any, tangents: Any) -> Any:
    (h, a), (dh, da) = primals, tangents
    by_h = -jnp.exp(-0.5 * h * h) * lax.erf(_SQRT_HALF * a * h) / (2 * math.sqrt(2 * math.pi))
    square = 1 + a * a
    by_a = jnp.exp(-0.5 * h * h * square) / (2 * math.pi * square)
    return _owens_t(h, a), dh * by_h + da * by_a


def owens_t(h: ArrayLike, a: ArrayLike) -> Array:
    """Owen's T, the probability of {X > h, 0 < Y < aX} for independent normal X and Y.

    Args:
      h, a: real numbers, broadcast together.

    Example:
      >>> owens_t(0., jnp.array([1., jnp.inf])).round(4)
      Array([0.125, 0.25 ], dtype=float32)

    Source: Owen, "Tables for computing bivariate normal probabilities", 1956;
    `scipy.special.owens_t`.
    """
    h, a = promote_inexact("owens_t", h, a)
    return _owens_t(*jnp.broadcast_arrays(real_array("owens_t", h), a))
