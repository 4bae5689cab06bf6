"""Pieces that several distributions share."""
from __future__ import annotations

from collections.abc import Callable
from typing import Any

from arrax import nn
from arrax import numpy as jnp
from arrax.scipy import special

log1mexp = nn.log1mexp


def _outside(outside: Any, z: Any, inner: float, formula: Callable[[Any], Any]) -> Any:
    """-inf where `outside`, else the formula, which sees `inner` there; NaN stays NaN."""
    value = jnp.where(outside, -jnp.inf, formula(jnp.where(outside, inner, z)))
    return jnp.where(jnp.isnan(z), z, value)


def beyond(z: Any, start: float, before: float, formula: Callable[[Any], Any]) -> Any:
    """`formula(z)` where z > start, `before` up to there; derivatives are finite on both sides."""
    outside = z <= start
    return jnp.where(outside, before, formula(jnp.where(outside, start + 1, z)))


def where_positive(z: Any, formula: Callable[[Any], Any]) -> Any:
    """`formula(z)` where 0 ≤ z < ∞, else -inf; derivatives are finite on both sides."""
    return _outside((z < 0) | (z == jnp.inf), z, 1.0, formula)


def where_unit(z: Any, formula: Callable[[Any], Any]) -> Any:
    """`formula(z)` where 0 ≤ z ≤ 1, else -inf."""
    return _outside((z < 0) | (z > 1), z, 0.5, formula)


def where_within(k: Any, n: Any, formula: Callable[[Any], Any]) -> Any:
    """`formula(k)` where 0 ≤ k ≤ n, else -inf."""
    return _outside((k < 0) | (k > n), k, 0.0, formula)


def where_between(z: Any, low: Any, high: Any, value: Any) -> Any:
    """`value` where low ≤ z ≤ high, else -inf."""
    return jnp.where((z < low) | (z > high), -jnp.inf, value)


def log_binomial(n: Any, k: Any) -> Any:
    """The logarithm of n over k, without the cancellation of three gamma functions."""
    return -jnp.log1p(n) - special.betaln(n - k + 1, k + 1)


def log_mass(a: Any, b: Any) -> Any:
    """log(Φ(b) - Φ(a)) for a ≤ b, from whichever side of 0 keeps the digits."""
    right = a > 0
    low, high = jnp.where(right, -b, a), jnp.where(right, -a, b)
    across = (low <= 0) & (high > 0)
    left_high = jnp.where(across, 0.0, high)
    top = special.log_ndtr(left_high)
    gap = top - special.log_ndtr(low)
    tail = top + log1mexp(gap)
    middle = jnp.log1p(-special.ndtr(low) - special.ndtr(-jnp.where(across, high, 0.0)))
    return jnp.where(across, middle, jnp.where(gap == 0, -jnp.inf, tail))
