"""The derivative of the regularized incomplete gamma function P(a, x) by a, in double precision.

Left of the bulk (x ≤ a + 1) the power series is differentiated term by term:
    ∂P/∂a = Σₙ xᵃ⁺ⁿ e⁻ˣ / Γ(a+n+1) · (log x - ψ(a+n+1)),
whose terms have one sign there. Right of it, with v the distance from x,
    -∂P/∂a = (log x - ψ(a)) Q(a, x) + xᵃ⁻¹ e⁻ˣ / Γ(a) ∫₀^∞ log(1 + v/x) (1 + v/x)ᵃ⁻¹ e⁻ᵛ dv,
all positive, with the integral by double exponential quadrature (Takahasi and Mori, 1974).
"""
from __future__ import annotations

import functools
from typing import Any

import numpy as np

_MOST_TERMS = 20_000
_STEP = 0.0625


@functools.lru_cache(maxsize=1)
def _scipy() -> Any:
    import scipy.special

    return scipy.special


def igamma_derivative(a: Any, x: Any) -> Any:
    """∂P(a, x)/∂a, elementwise; NaN for a ≤ 0 or x < 0, 0 at x = 0 and x = inf."""
    with np.errstate(all="ignore"):
        a, x = np.broadcast_arrays(np.asarray(a, np.float64), np.asarray(x, np.float64))
        valid = (a > 0) & (x > 0) & np.isfinite(a) & np.isfinite(x)
        out = np.where((a > 0) & ((x == 0) | (x == np.inf)), 0.0, np.nan)
        left = valid & (x <= a + 1)
        right = valid & ~left
        weight = np.exp(a * np.log(x) - x - _scipy().gammaln(a + 1))
        out[left] = _by_series(a[left], x[left], weight[left])
        out[right] = -_by_integral(a[right], x[right])
        return out


def sample_derivative(a: Any, x: Any) -> Any:
    """How a gamma-distributed sample moves with its shape: -∂P/∂a divided by the density.

    The density is left out from the start, since it may underflow where the quotient does not.
    """
    with np.errstate(all="ignore"):
        a, x = np.broadcast_arrays(np.asarray(a, np.float64), np.asarray(x, np.float64))
        valid = (a > 0) & (x > 0) & np.isfinite(a) & np.isfinite(x)
        out = np.where((a > 0) & (x == 0), 0.0, np.nan)  # samples that underflowed do not move
        left = valid & (x <= a + 1)
        right = valid & ~left
        out[left] = _by_series(a[left], x[left], -x[left] / a[left])
        tail, moved = _tail_integrals(a[right], x[right])
        out[right] = (np.log(x[right]) - _scipy().psi(a[right])) * tail + moved
        return out


def _by_series(a: Any, x: Any, weight: Any) -> Any:
    """∂P/∂a in units in which xᵃ e⁻ˣ / Γ(a+1) is `weight`."""
    if a.size == 0:
        return a
    special = _scipy()
    digamma, log_x, z = special.psi(a + 1), np.log(x), a + 1
    total = np.zeros_like(a)
    for _ in range(min(_MOST_TERMS, 60 + int(12 * np.sqrt(a.max() + 1)))):
        term = weight * (log_x - digamma)
        total += term
        if np.all(np.abs(term) <= 1e-17 * np.abs(total)):
            break
        weight = weight * x / z
        digamma = digamma + 1 / z
        z = z + 1
    return total


def _tail_integrals(a: Any, x: Any) -> tuple[Any, Any]:
    """∫₀^∞ (1 + v/x)ᵃ⁻¹ e⁻ᵛ dv, which is Q(a, x) divided by the density, and the same integral with
    the factor log(1 + v/x)."""
    scale = np.minimum(x / (x - a + 1), np.sqrt(x))  # how far the integrand reaches
    plain, total = np.zeros_like(a), np.zeros_like(a)
    for t in np.arange(-4.0, 3.0 + _STEP, _STEP):
        v = scale * np.exp(np.pi / 2 * np.sinh(t))
        log_ratio = np.log1p(v / x)
        value = np.exp((a - 1) * log_ratio - v) * v * (np.pi / 2 * np.cosh(t) * _STEP)
        value = np.where(np.isfinite(value), value, 0.0)
        plain += value
        total += value * log_ratio
    return plain, total


def _by_integral(a: Any, x: Any) -> Any:
    if a.size == 0:
        return a
    special = _scipy()
    total = _tail_integrals(a, x)[1]
    front = np.exp((a - 1) * np.log(x) - x - special.gammaln(a))
    # SciPy gives no Q(a, x) below 1e-300: it tends to a E₁(x).
    above = np.where(a < 1e-20, a * special.exp1(x), special.gammaincc(a, x))
    return (np.log(x) - special.psi(a)) * above + front * total
