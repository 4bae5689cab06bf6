"""`arrax.scipy.fft`: cosine transforms."""
from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from arrax import lax
from arrax import numpy as jnp
from arrax.core.array import Array
from arrax.core.lazy import listing as _listing
from arrax.numpy.promotion import canonical_axes, inexact_array, promotes_freely

__all__ = ["dct", "dctn", "idct", "idctn"]


def _checked(name: str, x: Any, type: int, norm: str | None) -> Any:
    """The operand; NotImplementedError for other types than 2."""
    if type != 2:
        raise NotImplementedError(f"{name}: only type 2 is supported, got {type}")
    if norm not in (None, "backward", "ortho", "forward"):
        raise ValueError(f"{name}: norm must be None, 'backward', 'ortho' or 'forward', got "
                         f"{norm!r}")
    return inexact_array(name, x)


def _resized(name: str, x: Any, n: int | None, axis: int) -> Any:
    """`x` with `n` elements along an axis: cut off, or filled up with zeros."""
    axis, = canonical_axes(axis, x.ndim)
    n = x.shape[axis] if n is None else n
    if n < 1:
        raise ValueError(f"{name}: n must be at least 1, got {n}")
    if n <= x.shape[axis]:
        return lax.slice_in_dim(x, 0, n, axis=axis)
    pad = [(0, 0)] * x.ndim
    pad[axis] = (0, n - x.shape[axis])
    return jnp.pad(x, pad)


def _turn(n: int, sign: int, dtype: Any) -> np.ndarray:
    """e^(± iπk / 2n) for k < n."""
    k = np.arange(n)
    factors: np.ndarray = np.exp(sign * 1j * np.pi * k / (2 * n)).astype(
        np.result_type(dtype, np.complex64))
    return factors


@promotes_freely
def dct(x: Any, type: int = 2, n: int | None = None, axis: int = -1,
        norm: str | None = None) -> Array:
    """The discrete cosine transform of type 2: y[k] = 2 Σ x[j] cos(πk (2j + 1) / 2n).

    Args:
      x: real or complex numbers of any shape.
      type: the type; only 2 is supported.
      n: the number of elements to use: `x` is cut off, or filled up with zeros.
      axis: the axis to transform.
      norm: None or "backward" as above, "ortho" orthonormal, "forward" divided by 2n.

    Errors: NotImplementedError for other types, ValueError for another norm.

    Example:
      >>> dct(jnp.array([1., 2., 3.])).round(3)
      Array([12.   , -3.464,  0.   ], dtype=float32)

    Source: Makhoul, "A fast cosine transform in one and two dimensions", 1980; `scipy.fft.dct`.
    """
    x = _checked("dct", x, type, norm)
    if x.dtype.kind == "c":
        return lax.complex(*(dct(part, type, n, axis, norm) for part in (x.real, x.imag)))
    x = jnp.moveaxis(_resized("dct", x, n, axis), axis, -1)
    count = x.shape[-1]
    folded = jnp.concatenate([x[..., ::2], x[..., 1::2][..., ::-1]], axis=-1)
    y = 2 * jnp.real(jnp.fft.fft(folded) * _turn(count, -1, x.dtype))
    if norm == "ortho":
        scale = np.full(count, math.sqrt(1 / (2 * count)))
        scale[0] = math.sqrt(1 / (4 * count))
        y = y * scale.astype(x.dtype)
    if norm == "forward":
        y = y / (2 * count)
    return jnp.moveaxis(y.astype(x.dtype), -1, axis)


@promotes_freely
def idct(x: Any, type: int = 2, n: int | None = None, axis: int = -1,
         norm: str | None = None) -> Array:
    """The inverse of `dct`.

    Args:
      x: real or complex numbers of any shape.
      type: the type of `dct`; only 2 is supported.
      n: the number of elements to use: `x` is cut off, or filled up with zeros.
      axis: the axis to transform.
      norm: that of the `dct` to invert.

    Errors: NotImplementedError for other types, ValueError for another norm.

    Example:
      >>> idct(dct(jnp.array([1., 2., 3.]))).round(3)
      Array([1., 2., 3.], dtype=float32)

    Source: Makhoul, as for `dct`; `scipy.fft.idct`.
    """
    x = _checked("idct", x, type, norm)
    if x.dtype.kind == "c":
        return lax.complex(*(idct(part, type, n, axis, norm) for part in (x.real, x.imag)))
    x = jnp.moveaxis(_resized("idct", x, n, axis), axis, -1)
    count = x.shape[-1]
    if norm == "ortho":
        scale = np.full(count, math.sqrt(2 * count))
        scale[0] = math.sqrt(4 * count)
        x = x * scale.astype(x.dtype)
    if norm == "forward":
        x = x * (2 * count)
    mirrored = jnp.concatenate([jnp.zeros_like(x[..., :1]), x[..., :0:-1]], axis=-1)
    spectrum = lax.complex(x, -mirrored) * (_turn(count, 1, x.dtype) / 2)
    folded = jnp.real(jnp.fft.ifft(spectrum))
    half = (count + 1) // 2
    y = jnp.zeros(x.shape, x.dtype)
    y = y.at[..., ::2].set(folded[..., :half].astype(x.dtype))
    y = y.at[..., 1::2].set(folded[..., half:][..., ::-1].astype(x.dtype))
    return jnp.moveaxis(y, -1, axis)


def _several(name: str, function: Any, x: Any, type: int, s: Sequence[int] | None,
             axes: Sequence[int] | None, norm: str | None) -> Any:
    x = _checked(name, x, type, norm)
    if s is not None and axes is None and len(s) > x.ndim:
        raise ValueError(f"{name}: s must have at most x.ndim ({x.ndim}) elements, got {len(s)}")
    if axes is None:
        axes = range(x.ndim) if s is None else range(x.ndim - len(s), x.ndim)
    if s is not None and len(s) != len(axes):
        raise ValueError(f"{name}: s and axes must have the same length, got {s} and "
                         f"{tuple(axes)}")
    for position, axis in enumerate(axes):
        x = function(x, type, None if s is None else s[position], axis, norm)
    return x


@promotes_freely
def dctn(x: Any, type: int = 2, s: Sequence[int] | None = None, axes: Sequence[int] | None = None,
         norm: str | None = None) -> Array:
    """The cosine transform along several axes, one after the other.

    Args:
      x: real or complex numbers of any shape.
      type: the type; only 2 is supported.
      s: the numbers of elements to use along each axis.
      axes: the axes; the last ones, or all.
      norm: as for `dct`.

    Example:
      >>> dctn(jnp.ones((2, 2))).round(3)
      Array([[16.,  0.],
             [ 0.,  0.]], dtype=float32)

    Source: `scipy.fft.dctn`.
    """
    return _several("dctn", dct, x, type, s, axes, norm)


@promotes_freely
def idctn(x: Any, type: int = 2, s: Sequence[int] | None = None,
          axes: Sequence[int] | None = None, norm: str | None = None) -> Array:
    """The inverse of `dctn`.

    Args:
      x: real or complex numbers of any shape.
      type: the type; only 2 is supported.
      s: the numbers of elements to use along each axis.
      axes: the axes; the last ones, or all.
      norm: that of the `dctn` to invert.

    Example:
      >>> idctn(dctn(jnp.ones((2, 2)))).round(3)
      Array([[1., 1.],
             [1., 1.]], dtype=float32)

    Source: `scipy.fft.idctn`.
    """
    return _several("idctn", idct, x, type, s, axes, norm)

__dir__ = _listing(__name__)
