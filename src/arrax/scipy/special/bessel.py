"""Bessel functions."""
from __future__ import annotations

import math
from typing import Any

from arrax import lax
from arrax import numpy as jnp
from arrax.core.array import Array
from arrax.numpy.smooth import bessel_i0, bessel_i1
from arrax.ops.arguments import integer
from arrax.scipy.special.normal import real_array
from arrax.typing import ArrayLike


def i0e(x: ArrayLike) -> Array:
    """e^(-|x|) I₀(x), the scaled modified Bessel function of order 0.

    Args:
      x: real numbers of any shape.

    Example:
      >>> i0e(jnp.array([0., 1.])).round(4)
      Array([1.    , 0.4658], dtype=float32)

    Source: DLMF 10.25; `scipy.special.i0e`.
    """
    return lax.bessel_i0e(real_array("i0e", x))


def i1e(x: ArrayLike) -> Array:
    """e^(-|x|) I₁(x), the scaled modified Bessel function of order 1.

    Args:
      x: real numbers of any shape.

    Example:
      >>> i1e(jnp.array([0., 1.])).round(4)
      Array([0.    , 0.2079], dtype=float32)

    Source: DLMF 10.25; `scipy.special.i1e`.
    """
    return lax.bessel_i1e(real_array("i1e", x))


def i0(x: ArrayLike) -> Array:
    """I₀(x), the modified Bessel function of order 0.

    Args:
      x: real numbers of any shape.

    Example:
      >>> i0(jnp.array([0., 1.])).round(4)
      Array([1.    , 1.2661], dtype=float32)

    Source: DLMF 10.25; `scipy.special.i0`.
    """
    return bessel_i0(real_array("i0", x))


def i1(x: ArrayLike) -> Array:
    """I₁(x), the modified Bessel function of order 1.

    Args:
      x: real numbers of any shape.

    Example:
      >>> i1(jnp.array([0., 1.])).round(4)
      Array([0.    , 0.5652], dtype=float32)

    Source: DLMF 10.25; `scipy.special.i1`.
    """
    return bessel_i1(real_array("i1", x))


_LARGE = 25  # from which Hankel's expansions are exact to float64


def _hankel(order: int, z: Any) -> Any:
    """J of order 0 or 1 at z ≥ 25 (DLMF 10.17.3)."""
    mu = 4.0 * order * order
    p, q, term = jnp.ones_like(z), jnp.zeros_like(z), jnp.ones_like(z)
    for k in range(1, 13):
        term = term * ((mu - (2 * k - 1) ** 2) / (8 * k)) / z
        if k % 2:
            q = q + (-1.0) ** (k // 2) * term
        else:
            p = p + (-1.0) ** (k // 2) * term
    # cos and sin of z - order π/2 - π/4, without rounding the difference
    sin, cos = jnp.sin(z), jnp.cos(z)
    a, b = (cos + sin, sin - cos) if order == 0 else (sin - cos, -sin - cos)
    return (p * a - q * b) / jnp.sqrt(math.pi * z)


def _by_miller(z: Any, v: int, top: int) -> list[Any]:
    """J₀ … J_v at 0 ≤ z ≤ top - 40 by the recurrence from above, normed by J₀ + 2 Σ J₂ₖ = 1."""
    safe = jnp.where(z == 0, 1, z)
    scale = jnp.finfo(z.dtype).tiny ** 0.5
    higher, value = jnp.zeros_like(z), jnp.full_like(z, scale)
    total = jnp.zeros_like(z)
    found: list[Any] = [None] * (v + 1)
    for n in range(top, 0, -1):
        higher, value = value, 2 * n / safe * value - higher
        great = jnp.abs(value) > 1 / scale
        shrink = jnp.where(great, scale, 1)
        higher, value, total = higher * shrink, value * shrink, total * shrink
        found = [f if f is None else f * shrink for f in found]
        if n - 1 <= v:
            found[n - 1] = value
        if n - 1 == 0:
            total = total + value
        elif (n - 1) % 2 == 0:
            total = total + 2 * value
    return [jnp.where(z == 0, float(n == 0), f / total) for n, f in enumerate(found)]


def bessel_jn(z: Any, *, v: int, n_iter: int = 50) -> Array:
    """J₀(z) … J_v(z), the Bessel functions of the first kind.

    Args:
      z: real numbers of any shape.
      v: the highest order, a Python integer ≥ 0.
      n_iter: orders above `v` from which the recurrence starts at the least; more are taken where
        needed, so that any value gives full precision.

    Returns: an array of shape (v + 1, *z.shape).

    Errors: ValueError for negative `v` or `n_iter`.

    Example:
      >>> bessel_jn(jnp.array([1.]), v=1).round(4)
      Array([[0.7652],
             [0.4401]], dtype=float32)

    Source: Miller's algorithm and Hankel's expansions, DLMF 3.6, 10.17.3; `scipy.special.jv`.
    """
    z = real_array("bessel_jn", z)
    v, n_iter = integer(v, "v"), integer(n_iter, "n_iter")
    if v < 0 or n_iter < 0:
        raise ValueError(f"bessel_jn: v and n_iter must not be negative, got {v} and {n_iter}")
    limit = max(v, _LARGE)
    size = jnp.abs(z)
    near = _by_miller(jnp.where(size > limit, limit, size), v, max(limit + 40, v + n_iter))
    far_z = jnp.where(size > limit, size, limit)
    far = [_hankel(0, far_z), _hankel(1, far_z)]
    for n in range(1, v):  # stable where the order is below z
        far.append(2 * n / far_z * far[n] - far[n - 1])
    out = [jnp.where(size > limit, f, n) for n, f in zip(near, far, strict=False)]
    return jnp.stack([jnp.where(z < 0, -f, f) if n % 2 else f for n, f in enumerate(out)])
