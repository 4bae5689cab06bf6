"""Discrete Fourier transforms: `arrax.numpy.fft`."""
from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from arrax import lax
from arrax.core import dtypes
from arrax.core.array import Array
from arrax.core.lazy import listing as _listing
from arrax.core.remembered import remembered
from arrax.numpy import creation, elementwise, shaping
from arrax.ops.arguments import axis_tuple, integer
from arrax.numpy.promotion import as_array, canonical_axis, complex_dtypes, scalar_array
from arrax.typing import ArrayLike, DTypeLike



def _factor(norm: str | None, inverse: bool, count: int) -> float:
    """What to multiply by, for the transforms of `lax.fft`, which divide in the inverse only."""
    if norm is None or norm == "backward":
        return 1.0
    if norm == "ortho":
        return math.sqrt(count) if inverse else 1 / math.sqrt(count)
    if norm == "forward":
        return float(count) if inverse else 1 / count
    raise ValueError(f'jax.numpy.fft: invalid norm value {norm!r}; should be "backward", '
                     '"ortho" or "forward".')


def _resized(x: Any, axis: int, size: int) -> Any:
    """`x` cut off or filled up with zeros to `size` along `axis`."""
    length = x.shape[axis]
    if size < length:
        return lax.slice_in_dim(x, 0, size, axis=axis)
    if size > length:
        config = [(0, 0, 0)] * x.ndim
        config[axis] = (0, size - length, 0)
        return lax.pad(x, scalar_array(0, x.dtype), config)
    return x


_HALF_FLOATS = frozenset({np.dtype(np.float16), dtypes.scalar_types["bfloat16"].dtype})


def _transform(name: str, kind: str, a: Any, sizes: Sequence[int] | None,
               axes: Sequence[int] | None, norm: str | None) -> Any:
    """A transform along several axes, which are moved to the end for it, three at a time."""
    x = as_array(f"jax.numpy.fft.{name}", a)
    if kind == "RFFT" and x.dtype in _HALF_FLOATS:
        raise ValueError(f"RFFT input must be float32 or float64, got {x.dtype}")
    if axes is None:
        axes = range(x.ndim) if sizes is None else range(x.ndim - len(sizes), x.ndim)
    places = [canonical_axis(i, x.ndim) for i in axes]
    if len(set(places)) != len(places):
        raise ValueError(f"jax.numpy.fft.{name} does not support repeated axes. Got axes "
                         f"{list(axes)}.")
    if sizes is not None and len(sizes) != len(places):
        raise ValueError(f"jax.numpy.fft.{name}: s and axes must have the same length; got "
                         f"{sizes} and {list(axes)}")
    if not places:
        return x
    if kind == "RFFT" and x.dtype in complex_dtypes:
        raise ValueError(f"jax.numpy.fft.{name}: only real valued inputs supported, got dtype "
                         f"{x.dtype.name}")
    lengths = _lengths(x, places, sizes, kind)
    if sizes is not None and min(sizes) < 1 or kind == "RFFT" and lengths[-1] < 1:
        raise ValueError(f"Shape should be positive. Got {list(sizes or lengths)}.")
    if min(lengths) < 1:
        return _empty(x, places, lengths, kind)
    for axis, length in zip(places, lengths, strict=True):
        size = length
        if kind == "IRFFT" and axis == places[-1]:
            size = length // 2 + 1
        x = _resized(x, axis, size)
    moved = shaping.moveaxis(x, places, list(range(x.ndim - len(places), x.ndim)))
    out = _apply(moved, kind, lengths)
    factor = _factor(norm, kind in ("IFFT", "IRFFT"), math.prod(lengths))
    if factor != 1:
        out = elementwise._multiply(out, factor)
    return shaping.moveaxis(out, list(range(x.ndim - len(places), x.ndim)), places)


def _lengths(x: Any, places: Sequence[int], sizes: Sequence[int] | None, kind: str) -> list[int]:
    lengths = [x.shape[i] for i in places] if sizes is None else [
        x.shape[i] if s is None else integer(s, "a length in `s`")
        for i, s in zip(places, sizes, strict=True)]
    if kind == "IRFFT" and (sizes is None or sizes[-1] is None):
        lengths[-1] = max(2 * (x.shape[places[-1]] - 1), 0)
    return lengths


def _apply(x: Any, kind: str, lengths: list[int]) -> Any:
    """`lax.fft` takes up to three axes; more are transformed group by group."""
    if len(lengths) <= 3:
        return lax.fft(x, kind, tuple(lengths))
    outer = {"RFFT": "FFT", "IRFFT": "IFFT"}.get(kind, kind)
    rest, last = lengths[:-3], lengths[-3:]
    rank = x.ndim
    first_axes = list(range(rank - len(lengths), rank - 3))

    def others(v: Any) -> Any:
        end = list(range(rank - len(rest), rank))
        return shaping.moveaxis(_apply(shaping.moveaxis(v, first_axes, end), outer, rest),
                                end, first_axes)
    if kind == "IRFFT":
        return lax.fft(others(x), kind, tuple(last))
    return others(lax.fft(x, kind, tuple(last)))


# ---- one axis ------------------------------------------------------------------------------------

def _empty(x: Any, places: Sequence[int], lengths: Sequence[int], kind: str) -> Any:
    """The transform of an array without elements along an axis."""
    shape = list(x.shape)
    for axis, length in zip(places, lengths, strict=True):
        shape[axis] = length
    if kind == "RFFT":
        shape[places[-1]] = lengths[-1] // 2 + 1
    dtype = dtypes.to_complex_dtype(dtypes.to_inexact_dtype(x.dtype))
    return lax.full(shape, 0, np.dtype(dtypes.finfo(dtype).dtype) if kind == "IRFFT" else dtype)


def _check_one_axis(name: str, axis: Any) -> None:
    if isinstance(axis, (tuple, list)):
        raise ValueError(f"jax.numpy.fft.{name} does not support multiple axes. Please use "
                         f"jax.numpy.fft.{name}n. Got axis = {axis!r}.")


def _one(name: str, kind: str, a: Any, n: int | None, axis: int, norm: str | None) -> Any:
    _check_one_axis(name, axis)
    return _transform(name, kind, a, None if n is None else [n], [axis], norm)


@remembered
def fft(a: ArrayLike, n: int | None = None, axis: int = -1, norm: str | None = None) -> Array:
    """The Fourier transform along one axis: Σ a[t] exp(-2πi t k / n).

    Args:
      n: the length to cut or fill `a` to.
      norm: "backward" (the inverse divides by n), "ortho" (both by √n), "forward" (this one by n).
    """
    return _one("fft", "FFT", a, n, axis, norm)


@remembered
def ifft(a: ArrayLike, n: int | None = None, axis: int = -1, norm: str | None = None) -> Array:
    """The inverse of `fft`."""
    return _one("ifft", "IFFT", a, n, axis, norm)


@remembered
def rfft(a: ArrayLike, n: int | None = None, axis: int = -1, norm: str | None = None) -> Array:
    """The Fourier transform of real input: its n//2 + 1 frequencies that are not negative."""
    return _one("rfft", "RFFT", a, n, axis, norm)


@remembered
def irfft(a: ArrayLike, n: int | None = None, axis: int = -1, norm: str | None = None) -> Array:
    """The inverse of `rfft`: real output of length `n`, 2 (m - 1) by default."""
    return _one("irfft", "IRFFT", a, n, axis, norm)


_SWAPPED = {None: "forward", "backward": "forward", "forward": "backward", "ortho": "ortho"}


@remembered
def hfft(a: ArrayLike, n: int | None = None, axis: int = -1, norm: str | None = None) -> Array:
    """The transform, which is real, of a signal with Hermitian symmetry."""
    _check_one_axis("hfft", axis)
    x = elementwise.conjugate(as_array("jax.numpy.fft.hfft", a))
    return irfft(x, n=n, axis=axis, norm=_SWAPPED.get(norm, norm))


@remembered
def ihfft(a: ArrayLike, n: int | None = None, axis: int = -1, norm: str | None = None) -> Array:
    """The inverse of `hfft`."""
    _check_one_axis("ihfft", axis)
    return elementwise.conjugate(rfft(a, n=n, axis=axis, norm=_SWAPPED.get(norm, norm)))


# ---- several axes --------------------------------------------------------------------------------

@remembered
def fftn(a: ArrayLike, s: Any = None, axes: Sequence[int] | None = None,
         norm: str | None = None) -> Array:
    """The Fourier transform along several axes (all if None), cut or filled to lengths `s`."""
    return _transform("fftn", "FFT", a, s, axes, norm)


@remembered
def ifftn(a: ArrayLike, s: Any = None, axes: Sequence[int] | None = None,
          norm: str | None = None) -> Array:
    """The inverse of `fftn`."""
    return _transform("ifftn", "IFFT", a, s, axes, norm)


@remembered
def rfftn(a: ArrayLike, s: Any = None, axes: Sequence[int] | None = None,
          norm: str | None = None) -> Array:
    """As `fftn` for real input; half the frequencies of the last axis."""
    return _transform("rfftn", "RFFT", a, s, axes, norm)


@remembered
def irfftn(a: ArrayLike, s: Any = None, axes: Sequence[int] | None = None,
           norm: str | None = None) -> Array:
    """The inverse of `rfftn`."""
    return _transform("irfftn", "IRFFT", a, s, axes, norm)


def _two(name: str, axes: Sequence[int]) -> Sequence[int]:
    if len(axes) != 2:
        raise ValueError(f"jax.numpy.fft.{name} only supports 2 axes. Got axes = {axes!r}.")
    return axes


@remembered
def fft2(a: ArrayLike, s: Any = None, axes: Sequence[int] = (-2, -1),
         norm: str | None = None) -> Array:
    """The Fourier transform along two axes."""
    return _transform("fft2", "FFT", a, s, _two("fft2", axes), norm)


@remembered
def ifft2(a: ArrayLike, s: Any = None, axes: Sequence[int] = (-2, -1),
          norm: str | None = None) -> Array:
    """The inverse of `fft2`."""
    return _transform("ifft2", "IFFT", a, s, _two("ifft2", axes), norm)


@remembered
def rfft2(a: ArrayLike, s: Any = None, axes: Sequence[int] = (-2, -1),
          norm: str | None = None) -> Array:
    """As `fft2` for real input; half the frequencies of the last axis."""
    return _transform("rfft2", "RFFT", a, s, _two("rfft2", axes), norm)


@remembered
def irfft2(a: ArrayLike, s: Any = None, axes: Sequence[int] = (-2, -1),
           norm: str | None = None) -> Array:
    """The inverse of `rfft2`."""
    return _transform("irfft2", "IRFFT", a, s, _two("irfft2", axes), norm)


# ---- frequencies ---------------------------------------------------------------------------------

def _check_frequencies(name: str, n: Any, d: Any) -> None:
    if isinstance(n, (list, tuple)) or np.ndim(n):
        raise ValueError(f"The n argument of jax.numpy.fft.{name} only takes an int. Got n = {n}.")
    if isinstance(d, (list, tuple)):
        raise ValueError(f"The d argument of jax.numpy.fft.{name} only takes a single value. Got "
                         f"d = {list(d)}.")


@remembered
def fftfreq(n: int, d: ArrayLike = 1.0, *, dtype: DTypeLike | None = None,
            device: Any = None) -> Array:
    """The frequencies of `fft` for `n` samples that are `d` apart: 0, 1, …, -2, -1 over n d."""
    _check_frequencies("fftfreq", n, d)
    known = dtypes.check_user_dtype(float if dtype is None else dtype, "fftfreq")
    order = np.concatenate([np.arange((n - 1) // 2 + 1), np.arange(-(n // 2), 0)])
    steps = creation.asarray(order.astype(known), device=device)
    return elementwise.divide(steps, elementwise._multiply(n, d))


@remembered
def rfftfreq(n: int, d: ArrayLike = 1.0, *, dtype: DTypeLike | None = None,
             device: Any = None) -> Array:
    """The frequencies of `rfft` for `n` samples that are `d` apart."""
    _check_frequencies("rfftfreq", n, d)
    known = dtypes.check_user_dtype(float if dtype is None else dtype, "rfftfreq")
    steps = creation.asarray(np.arange(n // 2 + 1).astype(known), device=device)
    return elementwise.divide(steps, elementwise._multiply(n, d))


def _shifted(name: str, x: Any, axes: Any, back: bool) -> Any:
    x = as_array(name, x)
    places = range(x.ndim) if axes is None else \
        [canonical_axis(i, x.ndim) for i in axis_tuple(axes)]
    for axis in places:
        half = x.shape[axis] // 2
        x = shaping.roll(x, -half if back else half, axis)
    return x


@remembered
def fftshift(x: ArrayLike, axes: Any = None) -> Array:
    """Frequencies reordered with zero in the middle."""
    return _shifted("fftshift", x, axes, False)


@remembered
def ifftshift(x: ArrayLike, axes: Any = None) -> Array:
    """The inverse of `fftshift`."""
    return _shifted("ifftshift", x, axes, True)

__all__ = [
    "fft", "fft2", "fftfreq", "fftn", "fftshift", "hfft", "ifft", "ifft2", "ifftn", "ifftshift",
    "ihfft", "irfft", "irfft2", "irfftn", "rfft", "rfft2", "rfftfreq", "rfftn"]
__dir__ = _listing(__name__)
