"""The native library's Fourier transforms of lengths that are no powers of two."""
from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from arrax.core.config import enable_x64
from arrax.library import calls, transforms

from tests.engines.cpu.compiling import compiled, prim, step_names, traced

NAMES = ("fft", "ifft", "rfft", "irfft")
TOLERANCE = {"float32": 6e-7, "float64": 2e-15}
SMOOTH = (1, 3, 6, 7, 11, 13, 15, 49, 60, 100, 121, 169, 360, 1000, 1001, 2310)
OTHER = (17, 19, 34, 97, 289, 509, 1021, 1022)
LONG = (3000, 4096 * 3, 5**6, 7 * 2048, 13**4, 10007, 65537, 100_000)


def operand(name: str, shape: Any, length: int, real: str) -> np.ndarray:
    rng = np.random.default_rng(length)
    shape = (*shape, length // 2 + 1 if name == "irfft" else length)
    x = rng.standard_normal(shape)
    if name == "rfft":
        return x.astype(real)
    return (x + 1j * rng.standard_normal(shape)).astype(np.result_type(real, np.complex64))


def check(name: str, x: np.ndarray, length: int, real: str) -> None:
    spec = transforms.any_fft_spec(x, NAMES.index(name), (length,))
    assert spec is not None
    want = getattr(np.fft, name)(x.astype(np.result_type(x, np.float64)), length)
    kind = x.real.dtype if name == "irfft" else np.result_type(x, np.complex64)
    out, kept = np.empty(want.shape, kind), x.copy()
    calls.call_eagerly("arrax_fft_any", spec, x, out)
    assert np.linalg.norm(out - want) <= TOLERANCE[real] * np.linalg.norm(want), (name, x.shape)
    np.testing.assert_array_equal(x, kept)


@pytest.mark.parametrize("real", TOLERANCE)
@pytest.mark.parametrize("name", NAMES)
def test_short_rows(name: str, real: str) -> None:
    for length in (*SMOOTH, *OTHER, 2, 64, 256):
        for rows in (1, 2, 9, 16, 33):
            check(name, operand(name, (rows,), length, real), length, real)


@pytest.mark.parametrize("real", TOLERANCE)
@pytest.mark.parametrize("name", NAMES)
def test_long_rows(name: str, real: str) -> None:
    for length in LONG:
        for rows in (1, 3):
            check(name, operand(name, (rows,), length, real), length, real)


@pytest.mark.parametrize("kind, shape, lengths", [
    (0, (12, 10), (12, 10)), (1, (3, 5, 17), (5, 17)), (0, (2, 3, 4, 5), (3, 4, 5)),
    (2, (7, 9), (7, 9)), (2, (4, 6, 16), (6, 16)), (3, (6, 9), (6, 16)), (3, (5, 4, 5), (5, 4, 9)),
    (0, (2200, 3), (2200, 3)), (1, (2099, 20), (2099, 20)),
])
def test_several_axes(kind: int, shape: Any, lengths: Any) -> None:
    rng = np.random.default_rng(0)
    x: Any = rng.standard_normal(shape)
    if kind != 2:
        x = x + 1j * rng.standard_normal(shape)
    with enable_x64(True):
        closed, arrays = traced(lambda x: [prim("fft")(x, fft_type=kind_of(kind),
                                                       fft_lengths=lengths)], x)
        executable = compiled(closed)
        assert step_names(executable.compilation.region) == ["LibraryStep"]
        got = executable(arrays)[0].data
    axes = tuple(range(-len(lengths), 0))
    want = getattr(np.fft, ("fftn", "ifftn", "rfftn", "irfftn")[kind])(x, lengths, axes)
    np.testing.assert_allclose(got, want, atol=1e-13 * np.abs(want).max())


def kind_of(kind: int) -> Any:
    from arrax.lax import FftType
    return FftType(kind)
