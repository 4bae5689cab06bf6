"""Fourier transforms against the matrix of roots of unity, by rows."""
from __future__ import annotations

import numpy as np
import pytest
from arrax import lax

from tests.ops.rows import Row, checks, cplx, real


def _half(n):  # type: ignore[no-untyped-def]
    return n // 2 + 1


def _matrix(n):  # type: ignore[no-untyped-def]
    return np.exp(-2j * np.pi * np.outer(np.arange(n), np.arange(n)) / n)


ROWS = []
for n in (6, 7):
    ROWS += [
        Row(f"fft {n}", lambda x, n=n: lax.fft(x, "FFT", (n,)), (cplx(3, n),),
            lambda x, n=n: x @ _matrix(n)),
        Row(f"ifft of two axes {n}", lambda x, n=n: lax.fft(x, "IFFT", (3, n)), (cplx(3, n),),
            lambda x, n=n: _matrix(3).conj() @ x @ _matrix(n).conj() / (3 * n)),
        Row(f"rfft {n}", lambda x, n=n: lax.fft(x, "RFFT", (n,)), (real(3, n),),
            lambda x, n=n: x @ _matrix(n)[:, :_half(n)]),
        Row(f"rfft of two axes {n}", lambda x, n=n: lax.fft(x, "RFFT", (3, n)), (real(3, n),),
            lambda x, n=n: _matrix(3) @ x @ _matrix(n)[:, :_half(n)]),
        Row(f"irfft {n}", lambda x, n=n: lax.fft(x, "IRFFT", (n,)), (cplx(3, _half(n)),),
            lambda x, n=n: np.fft.irfft(x, n)),
        Row(f"irfft of two axes {n}", lambda x, n=n: lax.fft(x, "IRFFT", (3, n)),
            (cplx(3, _half(n)),), lambda x, n=n: np.fft.irfftn(x, (3, n), (0, 1)))]

test_rows = checks(ROWS)


def test_types():  # type: ignore[no-untyped-def]
    x = real(4)
    assert lax.fft(x, lax.FftType.FFT, (4,)).dtype == np.complex64
    assert lax.fft(x.astype(np.int32), 2, (4,)).dtype == np.complex64
    assert lax.fft(lax.fft(x, "rfft", (4,)), "irfft", (4,)).dtype == np.float32


def test_empty():  # type: ignore[no-untyped-def]
    assert lax.fft(np.zeros((0, 4), np.float32), "RFFT", (4,)).shape == (0, 3)


REFUSALS = [
    (lambda: lax.fft(real(3, 4), "foo", (4,)), ValueError, "Unknown FFT type 'foo'"),
    (lambda: lax.fft(cplx(3, 4), "FFT", (3,)), ValueError, "must be equal to fft_lengths"),
    (lambda: lax.fft(cplx(3, 4), "RFFT", (4,)), ValueError, "only real valued inputs"),
    (lambda: lax.fft(cplx(3, 4), "FFT", (1, 3, 4)), ValueError, "at least as many"),
    (lambda: lax.fft(cplx(3, 4), "IRFFT", (9,)), ValueError, "IRFFT input shape")]


@pytest.mark.parametrize("case", REFUSALS, ids=lambda case: case[2])
def test_refusals(case):  # type: ignore[no-untyped-def]
    call, error, message = case
    with pytest.raises(error, match=message):
        call()
