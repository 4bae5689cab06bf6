"""Spectra of signals: by Welch's method, and short-time Fourier transforms and their inverse.

A signal along its last axis is cut into segments (`_segments`), each of which loses its trend, is
multiplied by a window and transformed (`_transforms`).

Sources: P. Welch, "The use of the fast Fourier transform for the estimation of power spectra"
(1967); D. Griffin and J. Lim, "Signal estimation from modified short-time Fourier transform"
(1984).
"""
from __future__ import annotations

import importlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from arrax import numpy as jnp
from arrax.core.array import Array
from arrax.numpy.promotion import promote_dtypes_inexact, promotes_arguments, promotes_freely
from arrax.typing import ArrayLike


def _segment_length(name: str, window: Any, nperseg: int | None, size: int | None) -> int:
    """The length of segments; a window given by values decides it."""
    if isinstance(window, (str, tuple)):
        length = 256 if nperseg is None else int(nperseg)
        if length < 1:
            raise ValueError(f"{name}: nperseg must be a positive integer, got {nperseg}")
        return length if size is None else min(length, max(size, 1))
    values = jnp.asarray(window)
    if values.ndim != 1:
        raise ValueError(f"{name}: window must be 1-D, got shape {values.shape}")
    if size is not None and values.shape[0] > size:
        raise ValueError(f"{name}: the window, of {values.shape[0]} values, is longer than the "
                         f"input signal, of {size}")
    if nperseg is not None and nperseg != values.shape[0]:
        raise ValueError(f"{name}: value specified for nperseg, {nperseg}, is different from the "
                         f"length of window, {values.shape[0]}")
    return int(values.shape[0])


def _window_values(window: Any, length: int, dtype: Any) -> Any:
    """The window's values; SciPy computes those that have a name."""
    if isinstance(window, (str, tuple)):
        window = importlib.import_module("scipy.signal").get_window(window, length)
    return jnp.asarray(window, dtype)


def _real(dtype: Any) -> Any:
    return jnp.finfo(dtype).dtype


@dataclass(frozen=True)
class _Plan:
    """How a signal is cut up: values of a segment, values that two neighbours share, and the length
    that segments are padded to."""

    length: int
    overlap: int
    transform: int

    @property
    def step(self) -> int:
        return self.length - self.overlap

    @staticmethod
    def of(name: str, length: int, overlap: int | None, transform: int | None) -> _Plan:
        shared = length // 2 if overlap is None else int(overlap)
        if shared >= length:
            raise ValueError(f"{name}: noverlap must be less than nperseg, got {shared} and "
                             f"{length}")
        padded = length if transform is None else int(transform)
        if padded < length:
            raise ValueError(f"{name}: nfft must be greater than or equal to nperseg, got {padded} "
                             f"and {length}")
        return _Plan(length, shared, padded)


def _segments(x: Any, plan: _Plan) -> Any:
    """The segments of signals along the last axis: (…, segments, length)."""
    count = max((x.shape[-1] - plan.overlap) // plan.step, 0)
    places = np.arange(count)[:, None] * plan.step + np.arange(plan.length)
    return jnp.take(x, places, axis=-1, mode="clip")


Trend = Callable[[Any], Any] | None


def _trend(name: str, kind: Any) -> Trend:
    """What takes the trend from segments, or None."""
    if kind is False or kind is None:
        return None
    if callable(kind):
        return kind
    if kind not in ("constant", "linear"):
        raise ValueError(f"{name}: trend type must be 'linear' or 'constant', got {kind!r}")
    return lambda x: detrend(x, -1, kind)


def _transforms(x: Any, plan: _Plan, window: Any, trend: Trend, onesided: bool) -> Any:
    """The transforms of the segments: (…, segments, frequencies)."""
    parts = _segments(x, plan)
    parts = (parts if trend is None else trend(parts)) * window
    return (jnp.fft.rfft if onesided else jnp.fft.fft)(parts, plan.transform)


def _frequencies(plan: _Plan, fs: Any, onesided: bool, dtype: Any) -> Any:
    make = jnp.fft.rfftfreq if onesided else jnp.fft.fftfreq
    return make(plan.transform, 1 / jnp.asarray(fs, dtype))


def _squared_scale(name: str, scaling: str, window: Any, fs: Any) -> Any:
    if scaling == "density":
        return 1 / (fs * jnp.sum(jnp.square(window)))
    if scaling in ("spectrum", "magnitude"):
        return 1 / jnp.square(jnp.sum(window))
    raise ValueError(f"{name}: unknown scaling {scaling!r}, expected 'density' or 'spectrum'")


def _check_axis(name: str, axis: int, rank: int) -> int:
    if not -rank <= axis < rank:
        raise ValueError(f"{name}: axis {axis} out of bounds for an array of dimension {rank}")
    return axis % rank


def _fit(name: str, x: Any, size: int) -> Any:
    return jnp.pad(x, [(0, 0)] * (x.ndim - 1) + [(0, size - x.shape[-1])])


@promotes_arguments
def csd(x: Any, y: Any, fs: Any = 1.0, window: str = "hann", nperseg: int | None = None,
        noverlap: int | None = None, nfft: int | None = None, detrend: str = "constant",
        return_onesided: bool = True, scaling: str = "density", axis: int = -1,
        average: str = "mean") -> tuple[Any, Any]:
    """The cross power spectral density of two signals, by Welch's method.

    Args:
      x, y: signals along `axis`, of shapes that broadcast elsewhere; the shorter one is padded with
        zeros. With y=None the spectrum is that of `x`.
      fs: samples per unit of time.
      window: the name of a window (or a tuple of a name and parameters, as in SciPy), or its
        values.
      nperseg: values of a segment: 256, or the signal's length if that is less.
      noverlap: values that neighbours share; None: half of a segment.
      nfft: the length that segments are padded to.
      detrend: what is taken from segments: "constant", "linear", a function of segments, or False.
      return_onesided: whether to leave out negative frequencies, for real signals.
      scaling: "density" (per unit of frequency) or "spectrum".
      axis: the axis of time.
      average: over the segments: "mean" or "median".

    Returns: (frequencies, the spectrum, whose `axis` is that of frequencies).

    Errors: ValueError for arguments that do not go together.

    Example:
      >>> f, p = csd(jnp.ones(8), jnp.arange(8.), nperseg=4, detrend=False)
      >>> f
      Array([0.  , 0.25, 0.5 ], dtype=float32)

    Source: `scipy.signal.csd`.
    """
    name = "csd"
    same = y is None or y is x
    x, y = promote_dtypes_inexact(name, x, x if same else y)
    where = _check_axis(name, axis, x.ndim)
    if x.size == 0 or y.size == 0:
        shape = jnp.broadcast_shapes(x.shape, y.shape) if same else x.shape
        return jnp.zeros(shape, _real(x.dtype)), jnp.zeros(shape, x.dtype)
    x, y = jnp.moveaxis(x, where, -1), jnp.moveaxis(y, axis, -1)
    size = max(x.shape[-1], y.shape[-1])
    x, y = _fit(name, x, size), _fit(name, y, size)
    try:
        np.broadcast_shapes(x.shape, y.shape)
    except ValueError:
        raise ValueError(f"{name}: x and y cannot be broadcast together: shapes {x.shape} and "
                         f"{y.shape}") from None
    real = _real(x.dtype)
    plan = _Plan.of(name, _segment_length(name, window, nperseg, size), noverlap, nfft)
    values = _window_values(window, plan.length, real)
    onesided = return_onesided and not jnp.issubdtype(x.dtype, jnp.complexfloating)
    trend = _trend(name, detrend)
    first = _transforms(x, plan, values, trend, onesided)
    second = first if same else _transforms(y, plan, values, trend, onesided)
    powers = jnp.conj(first) * second * _squared_scale(name, scaling, values, fs)
    if onesided:
        last = None if plan.transform % 2 else -1
        powers = powers.at[..., 1:last].multiply(2)
    powers = jnp.swapaxes(powers, -1, -2)  # (…, frequencies, segments)
    if average == "median":
        count = powers.shape[-1]
        middle = jnp.median(powers.real, axis=-1) if same else \
            jnp.median(powers.real, axis=-1) + 1j * jnp.median(powers.imag, axis=-1)
        result = middle / _median_bias(count)
    elif average == "mean":
        result = powers.mean(axis=-1)
    else:
        raise ValueError(f"{name}: average must be 'median' or 'mean', got {average!r}")
    if same:
        result = result.real
    return _frequencies(plan, fs, onesided, real), jnp.moveaxis(result, -1, where)


def _median_bias(n: int) -> float:
    """The ratio of the median of n squared magnitudes to their mean, for normal noise.

    Source: B. Allen et al., "FINDCHIRP" (2012), appendix B.
    """
    even = 2 * np.arange(1, (n - 1) // 2 + 1)
    return float(1 + np.sum(1 / (even + 1) - 1 / even))


@promotes_freely
def welch(x: Any, fs: ArrayLike = 1.0, window: str = "hann", nperseg: int | None = None,
          noverlap: int | None = None, nfft: int | None = None, detrend: str = "constant",
          return_onesided: bool = True, scaling: str = "density", axis: int = -1,
          average: str = "mean") -> tuple[Any, Any]:
    """The power spectral density of a signal, by Welch's method.

    Args and errors: those of `csd`.

    Returns: (frequencies, the real spectrum, whose `axis` is that of frequencies).

    Example:
      >>> f, p = welch(jnp.sin(jnp.arange(64.) * jnp.pi / 4), nperseg=16)
      >>> f[jnp.argmax(p)]
      Array(0.125, dtype=float32)

    Source: `scipy.signal.welch`.
    """
    return csd(x, None, fs, window, nperseg, noverlap, nfft, detrend, return_onesided, scaling,
               axis, average)


_EDGES = {"even": {"mode": "reflect"}, "odd": {"mode": "reflect", "reflect_type": "odd"},
          "constant": {"mode": "edge"}, "zeros": {}}


@promotes_freely
def stft(x: Any, fs: ArrayLike = 1.0, window: str = "hann", nperseg: int = 256,
         noverlap: int | None = None, nfft: int | None = None, detrend: bool = False,
         return_onesided: bool = True, boundary: str | None = "zeros", padded: bool = True,
         axis: int = -1) -> tuple[Any, Any, Any]:
    """The short-time Fourier transform of a signal.

    Args:
      x: signals along `axis`.
      fs, window, nperseg, noverlap, nfft, detrend, return_onesided, axis: as in `csd`.
      boundary: what stands around the signal, half a segment on each side: "zeros", "even", "odd",
        "constant", or None for nothing.
      padded: whether zeros are added at the end, so that the last segment is full.

    Returns: (frequencies, times, the transform: `axis` is that of frequencies, the last one of
    segments).

    Errors: ValueError for arguments that do not go together.

    Example:
      >>> f, t, z = stft(jnp.ones(8), nperseg=4)
      >>> f.shape, t.shape, z.shape
      ((3,), (5,), (3, 5))

    Source: `scipy.signal.stft`.
    """
    name = "stft"
    (x,) = promote_dtypes_inexact(name, x)
    where = _check_axis(name, axis, x.ndim)
    x = jnp.moveaxis(x, where, -1)
    if boundary is not None and boundary not in _EDGES:
        raise ValueError(f"{name}: unknown boundary option {boundary!r}, must be one of "
                         f"{[*_EDGES, None]}")
    real = _real(x.dtype)
    plan = _Plan.of(name, _segment_length(name, window, nperseg, x.shape[-1]), noverlap, nfft)
    values = _window_values(window, plan.length, real)
    none = [(0, 0)] * (x.ndim - 1)
    if boundary is not None:
        x = jnp.pad(x, [*none, (plan.length // 2,) * 2], **_EDGES[boundary])
    if padded:
        x = jnp.pad(x, [*none, (0, -(x.shape[-1] - plan.length) % plan.step)])
    onesided = return_onesided and not jnp.issubdtype(x.dtype, jnp.complexfloating)
    found = _transforms(x, plan, values, _trend(name, detrend), onesided)
    found = found * jnp.sqrt(_squared_scale(name, "spectrum", values, fs))
    start = plan.length / 2 if boundary is None else 0
    times = (np.arange(found.shape[-2]) * plan.step + start) / jnp.asarray(fs, real)
    return (_frequencies(plan, fs, onesided, real), times,
            jnp.moveaxis(jnp.swapaxes(found, -1, -2), -2, where))


@promotes_freely
def istft(Zxx: Any, fs: ArrayLike = 1.0, window: str = "hann", nperseg: int | None = None,
          noverlap: int | None = None, nfft: int | None = None, input_onesided: bool = True,
          boundary: bool = True, time_axis: int = -1, freq_axis: int = -2) -> tuple[Any, Any]:
    """The signal of a short-time Fourier transform.

    Args:
      Zxx: a transform, as `stft` gives it.
      fs, window, nperseg, noverlap, nfft: what `stft` was given.
      input_onesided: whether negative frequencies were left out.
      boundary: whether half a segment stands around the signal on each side, and is to go.
      time_axis, freq_axis: the axes of segments and of frequencies.

    Returns: (times, the signal, along the axis of segments). As in SciPy and JAX there are as many
    times as the signal's first axis is long.

    Errors: ValueError for arguments that do not go together.

    Example:
      >>> _, _, z = stft(jnp.arange(8.), nperseg=4)
      >>> istft(z, nperseg=4)[1].round(3)
      Array([0., 1., 2., 3., 4., 5., 6., 7.], dtype=float32)

    Source: `scipy.signal.istft`.
    """
    name = "istft"
    z = jnp.asarray(Zxx)
    if z.ndim < 2:
        raise ValueError(f"{name}: input stft must be at least 2-D, got {z.ndim}-D")
    where, frequencies = (_check_axis(name, a, z.ndim) for a in (time_axis, freq_axis))
    if where == frequencies:
        raise ValueError(f"{name}: must specify differing time and frequency axes, got {time_axis} "
                         f"and {freq_axis}")
    z = jnp.moveaxis(z, (where, frequencies), (-2, -1))
    if not jnp.issubdtype(z.dtype, jnp.complexfloating):
        z = z.astype(jnp.result_type(z.dtype, np.complex64))
    count = z.shape[-1]
    default = 2 * (count - 1) if input_onesided else count
    length = default if nperseg is None else int(nperseg)
    if length < 1:
        raise ValueError(f"{name}: nperseg must be a positive integer, got {nperseg}")
    if nfft is None:
        nfft = length if input_onesided and length == default + 1 else default
    plan = _Plan.of(name, _segment_length(name, window, length, None), noverlap, nfft)
    real = _real(z.dtype)
    values = _window_values(window, plan.length, real)
    back = jnp.fft.irfft if input_onesided else jnp.fft.ifft
    parts = back(z, plan.transform)[..., :plan.length] * jnp.sum(values)
    signal = _overlapped(parts * values, plan)
    weight = _overlapped(jnp.broadcast_to(jnp.square(values), (parts.shape[-2], plan.length)), plan)
    signal = signal / jnp.where(weight > 1e-10, weight, 1)
    if boundary:
        half = plan.length // 2
        signal = signal[..., half:signal.shape[-1] - half]
    if signal.ndim > 1:  # where the axis of segments stood, less that of frequencies
        signal = jnp.moveaxis(signal, -1, where - (frequencies < where))
    return jnp.arange(signal.shape[0]) / jnp.asarray(fs, real), signal


def _overlapped(parts: Any, plan: _Plan) -> Any:
    """The sum of segments at their places."""
    count = parts.shape[-2]
    places = np.arange(count)[:, None] * plan.step + np.arange(plan.length)
    size = (count - 1) * plan.step + plan.length
    return jnp.zeros((*parts.shape[:-2], size), parts.dtype).at[..., places].add(parts)


@promotes_freely
def detrend(data: ArrayLike, axis: int = -1, type: str = "linear", bp: int | Sequence[int] = 0,
            overwrite_data: None = None) -> Array:
    """Data without their trend.

    Args:
      data: an array; integers become floats.
      axis: the axis along which the trend goes.
      type: "linear" (a line by least squares) or "constant" (the mean).
      bp: with "linear", the places where a new line begins.
      overwrite_data: None; arrays are not overwritten.

    Returns: an array of the shape of `data`.

    Errors: ValueError for another type and for places outside of the data; NotImplementedError
    where `overwrite_data` is given.

    Example:
      >>> detrend(jnp.array([1., 2., 4.]), type="constant").round(4)
      Array([-1.3333, -0.3333,  1.6667], dtype=float32)

    Source: `scipy.signal.detrend`.
    """
    if overwrite_data is not None:
        raise NotImplementedError("detrend: overwrite_data argument not implemented.")
    if type not in ("constant", "linear"):
        raise ValueError(f"detrend: trend type must be 'linear' or 'constant', got {type!r}")
    (x,) = promote_dtypes_inexact("detrend", data)
    if type == "constant":
        return x - x.mean(axis, keepdims=True)
    where = _check_axis("detrend", axis, x.ndim)
    size = x.shape[where]
    places = np.unique(np.concatenate([np.atleast_1d(bp).astype(int), [0, size]]))
    if places[0] < 0 or places[-1] > size:
        raise ValueError("detrend: breakpoints must be non-negative and less than or equal to data "
                         f"length along given axis {axis}, got {bp} for {size}")
    x = jnp.moveaxis(x, where, -1)
    parts = [_without_line(x[..., low:high]) for low, high in zip(places[:-1], places[1:],
                                                                   strict=True)]
    return jnp.moveaxis(jnp.concatenate(parts, axis=-1), -1, where)


def _without_line(x: Any) -> Any:
    """Values along the last axis less their line of least squares."""
    size = x.shape[-1]
    places = np.arange(size) - (size - 1) / 2  # orthogonal to constants
    squares = float(places @ places) or 1.0
    line = jnp.asarray(places, _real(x.dtype))
    slope = jnp.sum(x * line, axis=-1, keepdims=True) / squares
    return x - x.mean(-1, keepdims=True) - slope * line
