"""`arrax.scipy.signal` against SciPy: every mode, method and boundary, sizes either way round."""
from __future__ import annotations

import itertools
import warnings
from typing import Any

import numpy as np
import pytest
import scipy.signal

import arrax as jax
import arrax.numpy as jnp
from arrax.scipy import signal
from arrax.test_util import check_grads

RANDOM = np.random.default_rng(5)


@pytest.fixture(autouse=True)
def _wide():
    with jax.enable_x64(True):
        yield


def _signal(shape: Any, complex_: bool) -> np.ndarray:
    x = RANDOM.standard_normal(shape)
    return x + 1j * RANDOM.standard_normal(shape) if complex_ else x


def _same(name: str, *args: Any, **settings: Any) -> None:
    """The same values or the same class of error, eager and compiled."""
    ours = getattr(signal, name)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            want = getattr(scipy.signal, name)(*args, **settings)
        except ValueError:
            with pytest.raises(ValueError):
                ours(*args, **settings)
            return
    arrays = [a for a in args if isinstance(a, np.ndarray)]
    rest = args[len(arrays):]
    compiled = jax.jit(lambda *arrays: ours(*arrays, *rest, **settings))
    for found in (ours(*args, **settings), compiled(*arrays)):
        for f, w in zip(jax.tree.leaves(found), jax.tree.leaves(want), strict=True):
            np.testing.assert_allclose(f, w, atol=1e-10)


@pytest.mark.parametrize("complex_", [False, True])
@pytest.mark.parametrize("mode", ["full", "same", "valid"])
@pytest.mark.parametrize("name", ["convolve", "correlate", "fftconvolve"])
def test_convolutions_of_vectors(name: str, mode: str, complex_: bool) -> None:
    methods = [()] if name == "fftconvolve" else [("direct",), ("fft",)]
    for n, m in itertools.product([1, 3, 8], [1, 2, 6, 9]):
        x, y = _signal(n, complex_), _signal(m, complex_)
        for method in methods:
            _same(name, x, y, mode, *method)


@pytest.mark.parametrize("complex_", [False, True])
@pytest.mark.parametrize("mode", ["full", "same", "valid"])
@pytest.mark.parametrize("name", ["convolve", "correlate", "convolve2d", "correlate2d"])
def test_convolutions_of_matrices(name: str, mode: str, complex_: bool) -> None:
    boundaries = [{}] if "2d" not in name else [
        {"boundary": b, "fillvalue": f} for b, f in (("fill", 2.0), ("wrap", 0), ("symm", 0))]
    for s, t in itertools.product([(3, 4), (5, 2)], [(2, 2), (3, 2), (2, 3), (6, 6)]):
        x, y = _signal(s, complex_), _signal(t, complex_)
        for settings in boundaries:
            _same(name, x, y, mode, **settings)


@pytest.mark.parametrize("mode", ["full", "same", "valid"])
def test_convolution_along_some_axes(mode: str) -> None:
    _same("fftconvolve", _signal((3, 1, 7), False), _signal((1, 4, 3), False), mode, axes=[2])


@pytest.mark.parametrize("complex_", [False, True])
@pytest.mark.parametrize("settings", [
    {}, {"nperseg": 16}, {"nperseg": 17, "noverlap": 5},
    {"nperseg": 16, "nfft": 32, "detrend": "linear"}, {"nperseg": 16, "average": "median"},
    {"nperseg": 16, "scaling": "spectrum", "fs": 10.0, "window": ("tukey", 0.3)},
    {"window": np.ones(20)}, {"nperseg": 16, "return_onesided": False, "detrend": False}],
    ids=str)
def test_spectra(settings: Any, complex_: bool) -> None:
    for shape, axis in (((100,), -1), ((120, 2), 0)):
        x, y = _signal(shape, complex_), _signal(shape, complex_)
        _same("welch", x, axis=axis, **settings)
        _same("csd", x, y, axis=axis, **settings)


@pytest.mark.parametrize("complex_", [False, True])
@pytest.mark.parametrize("settings", [
    {"nperseg": 16}, {"nperseg": 17, "noverlap": 5}, {"nperseg": 16, "nfft": 32},
    {"nperseg": 16, "boundary": "even"}, {"nperseg": 16, "boundary": "odd", "fs": 10.0},
    {"nperseg": 15, "boundary": "constant"}, {"nperseg": 16, "boundary": None, "padded": False},
    {"nperseg": 16, "return_onesided": False}], ids=str)
def test_short_time_transforms(settings: Any, complex_: bool) -> None:
    for shape, axis in (((100,), -1), ((120, 2), 0)):
        x = _signal(shape, complex_)
        _same("stft", x, axis=axis, **settings)
        transform = scipy.signal.stft(x, axis=axis, **settings)[2]
        known = {k: v for k, v in settings.items() if k in ("nperseg", "noverlap", "nfft", "fs")}
        _same("istft", transform, freq_axis=0 if axis == 0 else -2, **known,
              input_onesided=not complex_ and settings.get("return_onesided", True))


@pytest.mark.parametrize("bp", [0, [10, 30]])
@pytest.mark.parametrize("type_", ["linear", "constant"])
def test_detrend(type_: str, bp: Any) -> None:
    _same("detrend", _signal((3, 50), False), type=type_, bp=bp)
    _same("detrend", _signal((50, 3), False), axis=0, type=type_, bp=bp)


def test_derivatives() -> None:
    x, y = _signal(12, False), _signal(5, False)
    check_grads(lambda x, y: signal.fftconvolve(x, y, "same"), (x, y), 2)
    check_grads(lambda x, y: signal.correlate(x, y), (x, y), 2)
    check_grads(lambda x: signal.welch(x, nperseg=8)[1], (x,), 2)
    check_grads(lambda x: signal.istft(signal.stft(x, nperseg=4)[2], nperseg=4)[1], (x,), 2)


def test_errors() -> None:
    x = jnp.ones(4)
    for call, text in [
            (lambda: signal.convolve(x, x[:0]), "zero-size"),
            (lambda: signal.convolve(x, x, "all"), "mode must be"),
            (lambda: signal.convolve(x, x, method="best"), "method must be"),
            (lambda: signal.convolve2d(x, x), "ndim=2"),
            (lambda: signal.convolve2d(x[None], x[None], boundary="none"), "boundary"),
            (lambda: signal.fftconvolve(x, x, axes=[0, 0]), "unique"),
            (lambda: signal.welch(x, nperseg=2, noverlap=2), "noverlap must be less"),
            (lambda: signal.welch(x, nperseg=4, nfft=2), "nfft must be greater"),
            (lambda: signal.welch(x, scaling="none"), "unknown scaling"),
            (lambda: signal.welch(x, average="mode"), "average must be"),
            (lambda: signal.welch(x, window=jnp.ones(9)), "longer than"),
            (lambda: signal.stft(x, boundary="none"), "boundary option"),
            (lambda: signal.istft(x), "at least 2-D"),
            (lambda: signal.detrend(x, type="cubic"), "trend type")]:
        with pytest.raises(ValueError, match=text):
            call()
    with pytest.raises(NotImplementedError, match="overwrite_data"):
        signal.detrend(x, overwrite_data=True)
