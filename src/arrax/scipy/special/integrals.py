"""Exponential, sine, cosine and Fresnel integrals, and the dilogarithm."""
from __future__ import annotations

import math
from typing import Any

import numpy as np

from arrax import lax
from arrax import numpy as jnp
from arrax.core.array import Array
from arrax.numpy.promotion import promote_inexact
from arrax.scipy.special import series
from arrax.scipy.special.normal import chebyshev, real_array, real_number
from arrax.transforms.custom_jvp import custom_jvp
from arrax.typing import ArrayLike

_EULER = float(np.euler_gamma)


def _entire(x: Any, terms: int) -> Any:
    """Σ (-1)ᵏ⁺¹ xᵏ / (k k!) over k ≥ 1, which is E₁(x) + γ + log x, for 0 ≤ x ≤ 1."""
    total = jnp.zeros_like(x)
    for k in range(terms, 0, -1):
        total = total * x + (-1.0) ** (k + 1) / (k * math.factorial(k))
    return total * x


@custom_jvp
def _exp1(x: Any) -> Any:
    small, large = jnp.clip(x, 0, 1), jnp.maximum(x, 1)
    near = _entire(small, 18) - _EULER - jnp.log(small)
    far = chebyshev(series.E1, 2 / large - 1) * jnp.exp(-large) / large
    out = jnp.where(x <= 1, near, jnp.where(jnp.isinf(x), 0, far))
    return jnp.where(x < 0, np.nan, out)


_exp1.defjvps(lambda g, ans, x: -g * jnp.exp(-x) / x)


def exp1(x: ArrayLike) -> Array:
    """E₁(x) = ∫ e⁻ᵗ / t dt from `x` to ∞.

    Args:
      x: real numbers ≥ 0 of any shape: inf at 0, NaN below.

    Example:
      >>> exp1(jnp.array([0.5, 1.])).round(4)
      Array([0.5598, 0.2194], dtype=float32)

    Source: DLMF 6.2.1; `scipy.special.exp1`.
    """
    return _exp1(real_number("exp1", x))


@custom_jvp
def _expi(x: Any) -> Any:
    y = jnp.abs(x)
    small = jnp.clip(y, 0, 6)
    near = chebyshev(series.EI_SMALL, small / 3 - 1) * small + _EULER + jnp.log(small)
    middle, large = jnp.clip(y, 6, 18), jnp.clip(y, 18, 60)
    huge = jnp.maximum(y, 60)
    scaled = jnp.where(
        y < 18, chebyshev(series.EI_MIDDLE, (middle - 12) / 6),
        jnp.where(y < 60, chebyshev(series.EI_LARGE, (large - 39) / 21),
                  chebyshev(series.EI_HUGE, 120 / huge - 1)))
    half = jnp.exp(y / 2)  # the whole may overflow before it is divided
    positive = jnp.where(y < 6, near, jnp.where(jnp.isinf(y), y, scaled * half / y * half))
    return jnp.where(x < 0, -_exp1(y), jnp.where(x == 0, -np.inf, positive))


_expi.defjvps(lambda g, ans, x: g * jnp.exp(x) / x)


def expi(x: ArrayLike) -> Array:
    """Ei(x), the principal value of ∫ eᵗ / t dt from -∞ to `x`.

    Args:
      x: real numbers of any shape: -inf at 0.

    Example:
      >>> expi(jnp.array([-1., 1.])).round(4)
      Array([-0.2194,  1.8951], dtype=float32)

    Source: DLMF 6.2.5; `scipy.special.expi`.
    """
    return _expi(real_number("expi", x))


_FRACTION_STEPS = 110


def _expn_far(n: Any, x: Any) -> Any:
    """Eₙ(x) for x ≥ 1 by its continued fraction (DLMF 8.19.17), from the far end."""
    total = jnp.zeros_like(x)
    for k in range(_FRACTION_STEPS, 0, -1):
        total = k * (n + (k - 1)) / (x + n + 2 * k - total)
    return jnp.exp(-x) / (x + n - total)


def _expn_near(n: Any, x: Any) -> Any:
    """Eₙ(x) for n ≥ 1 and 0 < x < 1: (-x)ⁿ⁻¹/(n-1)! (ψ(n) - log x) - Σ (-x)ᵏ/((k-n+1) k!)."""
    total, power = jnp.zeros_like(x), jnp.ones_like(x)
    for k in range(24):
        divisor = k - n + 1
        total = total + jnp.where(divisor == 0, 0, power / jnp.where(divisor == 0, 1, divisor))
        power = power * -x / (k + 1)
    size = jnp.exp((n - 1) * jnp.log(x) - lax.lgamma(n))
    sign = jnp.where((n - 1) % 2 == 0, 1, -1)
    return sign * size * (lax.digamma(n) - jnp.log(x)) - total


@custom_jvp
def _expn(n: Any, x: Any) -> Any:
    order = jnp.maximum(n, 1)
    inside, outside = jnp.where((x > 0) & (x < 1), x, 0.5), jnp.where(x >= 1, x, 1)
    out = jnp.where(x < 1, _expn_near(order, inside), _expn_far(order, outside))
    out = jnp.where(x == 0, jnp.where(n > 1, 1 / jnp.where(n > 1, n - 1, 1), np.inf), out)
    out = jnp.where(n == 0, jnp.exp(-x) / x, out)
    out = jnp.where(jnp.isinf(x), 0, out)
    return jnp.where((x < 0) | (n < 0) | jnp.isnan(x), np.nan, out)


@_expn.defjvp
def _expn_jvp(primals: Any, tangents: Any) -> Any:
    (n, x), (_, dx) = primals, tangents
    lower = jnp.where(n == 0, -jnp.exp(-x) * (1 / x + 1 / (x * x)),
                      -_expn(jnp.maximum(n - 1, 0), x))
    return _expn(n, x), dx * lower


def expn(n: ArrayLike, x: ArrayLike) -> Array:
    """Eₙ(x) = ∫ e⁻ˣᵗ / tⁿ dt from 1 to ∞; differentiable in `x`.

    Args:
      n: orders, whole numbers ≥ 0.
      x: real numbers ≥ 0; broadcast with `n`. NaN for negative ones.

    Example:
      >>> expn(2, jnp.array([0., 1.])).round(4)
      Array([1.    , 0.1485], dtype=float32)

    Source: DLMF 8.19.2, 8.19.8; `scipy.special.expn`.
    """
    n, x = promote_inexact("expn", n, x)
    return _expn(*jnp.broadcast_arrays(n, real_array("expn", x)))


def _power_sums(x: Any) -> tuple[Any, Any]:
    """Si(x) and Ci(x) - γ - log x by their series, for 0 ≤ x ≤ 4 (DLMF 6.6.5, 6.6.6)."""
    square = x * x
    sine, cosine = jnp.zeros_like(x), jnp.zeros_like(x)
    for k in range(17, -1, -1):
        sine = sine * square + (-1.0) ** k / ((2 * k + 1) * math.factorial(2 * k + 1))
        cosine = cosine * square + (-1.0) ** (k + 1) / ((2 * k + 2) * math.factorial(2 * k + 2))
    return sine * x, cosine * square


@custom_jvp
def _sici(x: Any) -> tuple[Any, Any]:
    y = jnp.abs(x)
    small, large = jnp.minimum(y, 4), jnp.where(jnp.isinf(y), 4, jnp.maximum(y, 4))
    near_sine, near_cosine = _power_sums(small)
    t = 8 / large - 1
    f, g = chebyshev(series.SINE_F, t) / large, chebyshev(series.SINE_G, t) / large / large
    sin, cos = jnp.sin(large), jnp.cos(large)
    far_sine, far_cosine = math.pi / 2 - f * cos - g * sin, f * sin - g * cos
    infinite = jnp.isinf(y)
    sine = jnp.where(y < 4, near_sine, jnp.where(infinite, math.pi / 2, far_sine))
    cosine = jnp.where(y < 4, near_cosine + _EULER + jnp.log(small),
                       jnp.where(infinite, 0, far_cosine))
    return jnp.copysign(sine, x), cosine


@_sici.defjvp
def _sici_jvp(primals: Any, tangents: Any) -> Any:
    (x,), (g,) = primals, tangents
    return _sici(x), (g * jnp.sinc(x / math.pi), g * jnp.cos(x) / x)


def sici(x: ArrayLike) -> tuple[Array, Array]:
    """The sine and cosine integrals Si(x) = ∫ sin t / t dt from 0 and Ci(x) = -∫ cos t / t dt to ∞.

    Args:
      x: real numbers of any shape; below 0, Ci is the real part, Ci(|x|).

    Returns: (Si, Ci), two arrays of the shape of `x`.

    Example:
      >>> [v.round(4) for v in sici(jnp.array([1.]))]
      [Array([0.9461], dtype=float32), Array([0.3374], dtype=float32)]

    Source: DLMF 6.2.9, 6.2.11; `scipy.special.sici`.
    """
    return _sici(real_number("sici", x))


def _li2(z: Any) -> Any:
    """Li₂(z) for 0 ≤ z ≤ 1/2."""
    return z * chebyshev(series.DILOGARITHM, 4 * z - 1)


@custom_jvp
def _spence(x: Any) -> Any:
    # Li₂(z) with z = 1 - x, brought into 0 … 1/2 by the functional equations (DLMF 25.12.3-6)
    sixth = math.pi ** 2 / 6
    log = jnp.log(jnp.where(x > 0, x, 1))
    quarter = jnp.where(x < 0.5, x, 0.25)  # z > 1/2
    low = sixth - jnp.log1p(-quarter) * jnp.where(x > 0, log, 0) - _li2(quarter)
    middle = _li2(jnp.clip(1 - x, 0, 0.5))
    third = jnp.clip(x, 1, 2)  # -1 ≤ z < 0, by Landen's equation
    high = -_li2((third - 1) / third) - 0.5 * jnp.log(third) ** 2
    great = jnp.maximum(x, 2)  # z < -1
    over = jnp.log(great)
    beyond = -sixth - 0.5 * jnp.log(great - 1) ** 2 - (
        -_li2(1 / great) - 0.5 * (over - jnp.log(great - 1)) ** 2)
    out = jnp.where(x < 0.5, low, jnp.where(x <= 1, middle, jnp.where(x <= 2, high, beyond)))
    return jnp.where(x < 0, np.nan, jnp.where(jnp.isinf(x), -np.inf, out))


def _spence_slope(x: Any) -> Any:
    near = jnp.abs(x - 1) < 1e-3
    safe = jnp.where(near, 2, x)
    d = x - 1
    return jnp.where(near, -1 + d / 2 - d * d / 3, jnp.log(safe) / (1 - safe))


_spence.defjvps(lambda g, ans, x: g * _spence_slope(x))


def spence(x: Any) -> Array:
    """Spence's function Li₂(1 - x) = ∫ log t / (1 - t) dt from 1 to `x`.

    Args:
      x: real numbers ≥ 0 of any shape; NaN below.

    Example:
      >>> spence(jnp.array([0., 1., 2.])).round(4)
      Array([ 1.6449,  0.    , -0.8225], dtype=float32)

    Source: DLMF 25.12.1; `scipy.special.spence`.
    """
    return _spence(real_array("spence", x))


def _fresnel_small(x: Any) -> tuple[Any, Any]:
    """S(x) and C(x) by their series for |x| ≤ 1.6 (DLMF 7.6.4, 7.6.6)."""
    u = (math.pi / 2) * x * x
    square = u * u
    sine, cosine = jnp.zeros_like(x), jnp.zeros_like(x)
    for k in range(15, -1, -1):
        sign = (-1.0) ** k
        sine = sine * square + sign / (math.factorial(2 * k + 1) * (4 * k + 3))
        cosine = cosine * square + sign / (math.factorial(2 * k) * (4 * k + 1))
    return sine * u * x, cosine * x


def _half_square(x: Any) -> Any:
    """x² / 2 but for a multiple of 2, with whole parts taken out before they cost digits."""
    whole = jnp.round(x)
    rest = x - whole
    odd = whole % 2
    even = whole % 4
    # (w + r)² / 2 = w²/2 + w r + r²/2; w²/2 is 0 modulo 2 for even w, 1/2 for odd w
    return 0.5 * odd * odd + (even * rest + (whole - even) * rest) % 2 + 0.5 * rest * rest


@custom_jvp
def _fresnel(x: Any) -> tuple[Any, Any]:
    y = jnp.abs(x)
    near_sine, near_cosine = _fresnel_small(jnp.minimum(y, 1.6))
    large = jnp.where(jnp.isinf(y), 1.6, jnp.maximum(y, 1.6))
    t = 3.2 / large - 1
    f = chebyshev(series.FRESNEL_F, t) / (math.pi * large)
    g = chebyshev(series.FRESNEL_G, t) / (math.pi ** 2 * large) / large / large
    angle = math.pi * _half_square(large)
    sin, cos = jnp.sin(angle), jnp.cos(angle)
    sine = jnp.where(y < 1.6, near_sine, 0.5 - f * cos - g * sin)
    cosine = jnp.where(y < 1.6, near_cosine, 0.5 + f * sin - g * cos)
    infinite = jnp.isinf(y)
    return (jnp.copysign(jnp.where(infinite, 0.5, sine), x),
            jnp.copysign(jnp.where(infinite, 0.5, cosine), x))


@_fresnel.defjvp
def _fresnel_jvp(primals: Any, tangents: Any) -> Any:
    (x,), (g,) = primals, tangents
    angle = math.pi * _half_square(x)
    return _fresnel(x), (g * jnp.sin(angle), g * jnp.cos(angle))


def fresnel(x: ArrayLike) -> tuple[Array, Array]:
    """The Fresnel integrals S(x) = ∫ sin(πt²/2) dt and C(x) = ∫ cos(πt²/2) dt from 0 to `x`.

    Args:
      x: real numbers of any shape.

    Returns: (S, C), two arrays of the shape of `x`.

    Example:
      >>> [v.round(4) for v in fresnel(jnp.array([1.]))]
      [Array([0.4383], dtype=float32), Array([0.7799], dtype=float32)]

    Source: DLMF 7.2.8, 7.2.7; `scipy.special.fresnel`.
    """
    return _fresnel(real_array("fresnel", x))
