"""Hypergeometric functions of real numbers."""
from __future__ import annotations

from collections.abc import Callable
from typing import Any

from arrax import lax
from arrax import numpy as jnp
from arrax.core.array import Array
from arrax.numpy.promotion import promote_inexact
from arrax.scipy.special.gammas import gammasgn
from arrax.scipy.special.normal import real_array
from arrax.transforms.api_ad import jvp
from arrax.transforms.custom_jvp import custom_jvp
from arrax.typing import ArrayLike

_MOST_TERMS = 20_000


def _summed(term: Any, ratio: Callable[[Any], Any]) -> Any:
    """Σ of terms, each the last one times `ratio(k)`, until the next ones do not count.

    A series that ends is followed as if its zero factors were 1, for its derivatives do not end.
    """
    eps = jnp.finfo(term.dtype).eps / 64

    def unfinished(state: Any) -> Any:
        k, quiet, *_ = state
        return (quiet < 8) & (k < _MOST_TERMS)

    def step(state: Any) -> Any:
        k, quiet, term, bound, total = state
        factor = ratio(k.astype(term.dtype))
        term = term * factor
        total = total + term
        bound = bound * lax.stop_gradient(jnp.where(factor == 0, 1, jnp.abs(factor)))
        small = jnp.all((bound <= eps * jnp.maximum(jnp.abs(total), eps)) | ~jnp.isfinite(total))
        return k + 1, jnp.where(small, quiet + 1, 0), term, bound, total

    zero = jnp.zeros((), jnp.int32)
    return lax.while_loop(unfinished, step, (zero, zero, term, jnp.abs(term), term))[4]


def _partials(function: Callable[..., Any]) -> Any:
    """`function` of several arrays of one shape, elementwise, with its partial derivatives taken
    forward, so that it can be differentiated in reverse although it has loops."""
    wrapped = custom_jvp(function)

    @wrapped.defjvp
    def rule(primals: Any, tangents: Any) -> Any:
        total = jnp.zeros_like(primals[0])
        for i, tangent in enumerate(tangents):
            ones = [jnp.ones_like(p) if j == i else jnp.zeros_like(p)
                    for j, p in enumerate(primals)]
            total = total + tangent * jvp(function, primals, tuple(ones))[1]
        return wrapped(*primals), total

    return wrapped


# ---- 1F1 ---------------------------------------------------------------------------------------

_ASYMPTOTIC = 100.0  # from which the series in 1 / x is taken
_FAR_TERMS = 30


def _kummer_near(a: Any, b: Any, x: Any) -> Any:
    """Σ (a)ₖ xᵏ / ((b)ₖ k!)."""
    return _summed(jnp.ones_like(x), lambda k: (a + k) * x / ((b + k) * (k + 1)))


def _is_pole(x: Any) -> Any:
    """Whether Γ(x) is infinite."""
    return (x <= 0) & (jnp.floor(x) == x)


@custom_jvp
def _gamma_ratio(top: Any, bottom: Any, log_factor: Any) -> Any:
    """Γ(top) / Γ(bottom) e^log_factor; 0 where Γ(bottom) is infinite."""
    pole = _is_pole(bottom)
    safe = jnp.where(pole, 1.0, bottom)
    sign = gammasgn(top) * gammasgn(safe)
    value = sign * jnp.exp(lax.lgamma(top) - lax.lgamma(safe) + log_factor)
    return jnp.where(pole, 0.0, value)


@_gamma_ratio.defjvp
def _gamma_ratio_jvp(primals: Any, tangents: Any) -> Any:
    (top, bottom, log_factor), (d_top, d_bottom, d_log) = primals, tangents
    value = _gamma_ratio(top, bottom, log_factor)
    pole = _is_pole(bottom)
    safe = jnp.where(pole, 1.0, bottom)
    # the derivative of 1 / Γ at -n is (-1)ⁿ n!
    order = jnp.where(pole, -bottom, 0.0)
    at_pole = _gamma_ratio(top, jnp.ones_like(top), log_factor + lax.lgamma(order + 1))
    slope = jnp.where(pole, jnp.where(order % 2 == 0, 1, -1) * at_pole, -value * lax.digamma(safe))
    return value, value * (lax.digamma(top) * d_top + d_log) + slope * d_bottom


def _kummer_far(a: Any, b: Any, x: Any) -> Any:
    """Γ(b)/Γ(a) eˣ xᵃ⁻ᵇ Σ (b-a)ₖ (1-a)ₖ / (k! xᵏ) for x > 0 (DLMF 13.7.1), to its least term."""
    term, total = jnp.ones_like(x), jnp.ones_like(x)
    for k in range(_FAR_TERMS):
        following = term * (b - a + k) * (1 - a + k) / ((k + 1) * x)
        term = jnp.where(jnp.abs(following) < jnp.abs(term), following, 0)
        total = total + term
    return _gamma_ratio(b, a, x + (a - b) * jnp.log(x)) * total


def _kummer_negative(a: Any, b: Any, y: Any) -> Any:
    """1F1(a; b; -y) for large y: Γ(b)/Γ(b-a) y⁻ᵃ Σ (a)ₖ (a-b+1)ₖ / (k! yᵏ)."""
    term, total = jnp.ones_like(y), jnp.ones_like(y)
    for k in range(_FAR_TERMS):
        following = term * (a + k) * (a - b + 1 + k) / ((k + 1) * y)
        term = jnp.where(jnp.abs(following) < jnp.abs(term), following, 0)
        total = total + term
    return _gamma_ratio(b, b - a, -a * jnp.log(y)) * total


def _hyp1f1_plain(a: Any, b: Any, x: Any) -> Any:
    negative = x < 0
    size = jnp.abs(x)
    # Kummer's transformation (DLMF 13.2.39) keeps the terms of one sign
    top = jnp.where(negative, b - a, a)
    ends = (top <= 0) & (jnp.floor(top) == top)
    great = ~ends & (size > jnp.maximum(_ASYMPTOTIC, 2 * (jnp.abs(a) + jnp.abs(b)) ** 2))
    near = _kummer_near(top, b, jnp.where(great, 0, size))
    near = near * jnp.where(negative, jnp.exp(jnp.where(great, 0, -size)), 1)
    far = jnp.where(great, size, _ASYMPTOTIC)
    outside = jnp.where(negative, _kummer_negative(a, b, far), _kummer_far(a, b, far))
    return jnp.where(great, outside, near)


_hyp1f1 = _partials(_hyp1f1_plain)


def hyp1f1(a: ArrayLike, b: ArrayLike, x: ArrayLike) -> Array:
    """Kummer's confluent hypergeometric function 1F1(a; b; x).

    Args:
      a, b, x: real numbers, broadcast together; inf where `b` is 0 or a negative integer.

    Differentiable in all three. Relative precision is lost next to zeros of the function, and where
    |a| or |b| is much larger than 1 with terms of both signs.

    Example:
      >>> hyp1f1(1., 2., jnp.array([0., 1.])).round(4)
      Array([1.    , 1.7183], dtype=float32)

    Source: DLMF 13.2.2, 13.2.39, 13.7.1; `scipy.special.hyp1f1`.
    """
    a, b, x = jnp.broadcast_arrays(*promote_inexact("hyp1f1", a, b, x))
    return _hyp1f1(a, b, real_array("hyp1f1", x))


# ---- 2F1 ---------------------------------------------------------------------------------------

def _gauss_series(a: Any, b: Any, c: Any, x: Any) -> Any:
    """Σ (a)ₖ (b)ₖ xᵏ / ((c)ₖ k!)."""
    return _summed(jnp.ones_like(x), lambda k: (a + k) * (b + k) * x / ((c + k) * (k + 1)))


def _quotient(c: Any, s: Any, p: Any, q: Any) -> Any:
    """Γ(c) Γ(s) / (Γ(p) Γ(q))."""
    return _gamma_ratio(c, p, jnp.zeros_like(c)) * _gamma_ratio(s, q, jnp.zeros_like(c))


def _hyp2f1_plain(a: Any, b: Any, c: Any, x: Any) -> Any:
    # Pfaff's transformation (DLMF 15.8.1) brings negative x into 0 … 1
    negative = x < 0
    a, b = jnp.where(jnp.abs(a) > jnp.abs(b), b, a), jnp.where(jnp.abs(a) > jnp.abs(b), a, b)
    factor = jnp.where(negative, jnp.exp(-a * jnp.log1p(jnp.where(negative, -x, 0))), 1)
    b = jnp.where(negative, c - b, b)
    z = jnp.where(negative, x / (x - 1), x)
    excess = c - a - b
    apart = jnp.abs(excess - jnp.round(excess)) > 0.02
    close = (z > 0.8) & (z < 1) & apart
    inner = jnp.where(close | (z >= 1), 0, z)
    within = _gauss_series(a, b, c, inner)
    # DLMF 15.8.4, in powers of 1 - z
    rest = jnp.where(close, 1 - z, 0.1)
    s = jnp.where(close, excess, 0.5)
    beside = (_quotient(c, s, c - a, c - b) * _gauss_series(a, b, 1 - s, rest)
              + _quotient(c, -s, a, b) * jnp.exp(s * jnp.log(rest))
              * _gauss_series(c - a, c - b, 1 + s, rest))
    converges = excess > 0
    at_one = jnp.where(converges, _quotient(c, jnp.where(converges, excess, 1), c - a, c - b),
                       jnp.inf)
    polynomial = ((a <= 0) & (jnp.floor(a) == a)) | ((b <= 0) & (jnp.floor(b) == b))
    whole = jnp.where(polynomial & (z >= 1), z, 0)
    finite = _gauss_series(jnp.where(polynomial, a, 0), b, c, whole)
    value = jnp.where(close, beside, within)
    value = jnp.where(z == 1, at_one, value)
    value = jnp.where(z > 1, jnp.nan, value)
    return factor * jnp.where(polynomial & (z >= 1), finite, value)


_hyp2f1 = _partials(_hyp2f1_plain)


def hyp2f1(a: ArrayLike, b: ArrayLike, c: ArrayLike, x: ArrayLike) -> Array:
    """Gauss's hypergeometric function 2F1(a, b; c; x).

    Args:
      a, b, c, x: real numbers, broadcast together; x ≤ 1, NaN above unless the series ends.

    Differentiable in all four. Where c - a - b is nearly a whole number and x > 0.999 (or < -1000)
    the sum is cut off after 20,000 terms.

    Example:
      >>> hyp2f1(1., 1., 2., jnp.array([0., 0.5])).round(4)
      Array([1.    , 1.3863], dtype=float32)

    Source: DLMF 15.2.1, 15.4.20, 15.8.1, 15.8.4; `scipy.special.hyp2f1`.
    """
    a, b, c, x = jnp.broadcast_arrays(*promote_inexact("hyp2f1", a, b, c, x))
    return _hyp2f1(a, b, c, real_array("hyp2f1", x))
