"""Special functions with complex values: Faddeeva's function, spherical harmonics."""
from __future__ import annotations

import functools
import math
from typing import Any

import numpy as np

from arrax import lax
from arrax import numpy as jnp
from arrax.core.array import Array
from arrax.numpy.promotion import as_array, inexact_array, is_concrete, promote_inexact
from arrax.ops.arguments import integer
from arrax.transforms.custom_jvp import custom_jvp

_TERMS = 64


@functools.lru_cache(maxsize=1)
def _weideman() -> tuple[float, tuple[float, ...]]:
    """L, and the coefficients of Weideman's rational series, highest power first."""
    scale = math.sqrt(_TERMS / math.sqrt(2))
    count = 2 * _TERMS
    angles = np.arange(-count + 1, count) * np.pi / count
    t = scale * np.tan(angles / 2)
    values = np.concatenate([[0.0], np.exp(-t * t) * (scale * scale + t * t)])
    coefficients = np.fft.fft(np.fft.fftshift(values)).real / (2 * count)
    return scale, tuple(float(c) for c in coefficients[_TERMS:0:-1])


def _upper(z: Any) -> Any:
    """w(z) for Im z ≥ 0: Laplace's continued fraction far out, Weideman's series within."""
    far = jnp.abs(lax.real(z)) + lax.imag(z) > 12
    outside = jnp.where(far, z, 12j)
    fraction = jnp.zeros_like(z)
    for k in range(14, 0, -1):
        fraction = (k / 2) / (outside - fraction)
    away = (1j / math.sqrt(math.pi)) / (outside - fraction)
    scale, coefficients = _weideman()
    inside = jnp.where(far, 0, z)
    below = scale - 1j * inside
    ratio = (scale + 1j * inside) / below
    total = jnp.zeros_like(z)
    for c in coefficients:
        total = total * ratio + c
    within = 2 * total / (below * below) + (1 / math.sqrt(math.pi)) / below
    return jnp.where(far, away, within)


@custom_jvp
def _wofz(z: Any) -> Any:
    below = lax.imag(z) < 0
    upper = _upper(jnp.where(below, -z, z))
    mirrored = 2 * jnp.exp(jnp.where(below, -z * z, 0)) - upper
    return jnp.where(below, mirrored, upper)


_wofz.defjvps(lambda g, ans, z: g * (2j / math.sqrt(math.pi) - 2 * z * ans))


def wofz(z: Any) -> Array:
    """Faddeeva's function w(z) = e^(-z²) erfc(-iz).

    Args:
      z: complex (or real) numbers of any shape.

    Returns: a complex array of the shape of `z`.

    Example:
      >>> wofz(jnp.array([1j])).round(4)
      Array([0.4276+0.j], dtype=complex64)

    Source: Weideman, "Computation of the complex error function", 1994; DLMF 7.2.3;
    `scipy.special.wofz`.
    """
    z = inexact_array("wofz", z)
    return _wofz(z if z.dtype.kind == "c" else lax.complex(z, jnp.zeros_like(z)))


def sph_harm_y(n: Any, m: Any, theta: Any, phi: Any, diff_n: int | None = None,
               n_max: int | None = None) -> Array:
    """Y of degree `n` and order `m`, the spherical harmonics, orthonormal on the sphere.

    Args:
      n: degrees, integers ≥ 0.
      m: orders, integers with |m| ≤ n; the result is 0 elsewhere.
      theta: polar angles in radians, 0 … π.
      phi: azimuths in radians. The four are broadcast together.
      diff_n: derivatives are not offered here (`jacfwd` has them); NotImplementedError unless None.
      n_max: the greatest degree, a Python integer; needed where `n` is traced.

    Returns: a complex array.

    Example:
      >>> sph_harm_y(jnp.array([1]), jnp.array([0]), 0., 0.).round(4)
      Array([0.4886+0.j], dtype=complex64)

    Source: DLMF 14.30.1, recurrences in the degree, with the phase (-1)ᵐ;
    `scipy.special.sph_harm_y`.
    """
    if diff_n is not None:
        raise NotImplementedError("sph_harm_y: diff_n is not supported; use jacfwd or grad")
    n, m = as_array("sph_harm_y", n), as_array("sph_harm_y", m, 1)
    for name, value in (("n", n), ("m", m)):
        if value.dtype.kind not in "iu":
            raise TypeError(f"sph_harm_y: {name} must be integers, got dtype {value.dtype}")
    if n_max is None:
        if not is_concrete(n):
            raise ValueError("sph_harm_y: n_max must be given where n is traced")
        n_max = int(np.max(np.asarray(n), initial=0))
    theta, phi = promote_inexact("sph_harm_y", theta, phi)
    n, m, theta, phi = jnp.broadcast_arrays(n, m, theta, phi)
    order = jnp.abs(m)
    legendre = _legendre(n, order, theta, integer(n_max, "n_max"))
    angle = order * phi
    value = lax.complex(legendre * jnp.cos(angle), legendre * jnp.sin(angle))
    value = jnp.where(m < 0, jnp.where(order % 2 == 0, 1, -1) * jnp.conj(value), value)
    return jnp.where(order > n, 0, value)


def _legendre(n: Any, m: Any, theta: Any, n_max: int) -> Any:
    """The associated Legendre function of cos θ, normed as in the spherical harmonics: first up the
    diagonal of equal degree and order, then up the degrees (DLMF 14.7.15, 14.10.3)."""
    cos, sin = jnp.cos(theta), jnp.sin(theta)
    sin = jnp.where(sin < 0, -sin, sin)  # the root of 1 - cos², with a derivative at the poles
    square = (m * m).astype(theta.dtype)

    def step(k: Any, state: Any) -> Any:
        before, value = state
        l = k.astype(theta.dtype)
        diagonal = -jnp.sqrt((2 * l + 1) / (2 * l)) * sin * value
        above = jnp.where(l * l > square, l * l - square, 1)
        lower = jnp.maximum((l - 1) ** 2 - square, 0) / jnp.where(l == 1, 1, 4 * (l - 1) ** 2 - 1)
        upward = jnp.sqrt((4 * l * l - 1) / above) * (cos * value - jnp.sqrt(lower) * before)
        on_diagonal, inside = k <= m, k <= n
        following = jnp.where(on_diagonal, diagonal, upward)
        return (jnp.where(on_diagonal, 0, jnp.where(inside, value, before)),
                jnp.where(inside, following, value))

    start = (jnp.zeros_like(theta), jnp.full_like(theta, math.sqrt(1 / (4 * math.pi))))
    return lax.fori_loop(1, n_max + 1, step, start)[1]
