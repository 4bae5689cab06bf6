"""`arrax.scipy.signal`: convolutions, and spectra of signals."""
from __future__ import annotations

from arrax.core.lazy import listing as _listing
from arrax.scipy.signal.convolution import (
    convolve,
    convolve2d,
    correlate,
    correlate2d,
    fftconvolve,
)
from arrax.scipy.signal.spectral import csd, detrend, istft, stft, welch

__all__ = ["convolve", "convolve2d", "correlate", "correlate2d", "csd", "detrend", "fftconvolve",
           "istft", "stft", "welch"]

__dir__ = _listing(__name__)
