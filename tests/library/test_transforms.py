"""The native library's Fourier transforms against NumPy's in double precision."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from arrax import lax
from arrax.library import calls, transforms

from tests.engines.cpu.compiling import check, compiled, traced

NAMES = ("fft", "ifft", "rfft", "irfft")
TOLERANCE = {"float32": 3e-7, "float64": 1e-15}


def operand(name: str, rows: int, length: int, real: str) -> np.ndarray:
    """Random rows of which `name` makes or takes `length` elements."""
    rng = np.random.default_rng(length + rows)
    width = length // 2 + 1 if name == "irfft" else length
    x = rng.standard_normal((rows, width))
    if name == "rfft":
        return x.astype(real)
    return (x + 1j * rng.standard_normal((rows, width))).astype(np.result_type(real, np.complex64))


def expected(name: str, x: np.ndarray, length: int) -> np.ndarray:
    result: np.ndarray = getattr(np.fft, name)(x.astype(np.result_type(x, np.float64)), length)
    return result


def transformed(name: str, x: np.ndarray, length: int) -> np.ndarray:
    spec = transforms.fft_spec(x, NAMES.index(name), (length,))
    assert spec is not None
    wanted = np.result_type(x, np.complex64)
    shape = (*x.shape[:-1], length // 2 + 1 if name == "rfft" else length)
    out = np.empty(shape, np.empty(0, wanted).real.dtype if name == "irfft" else wanted)
    calls.call_eagerly("arrax_fft", spec, x, out)
    return out


def error(got: np.ndarray, want: np.ndarray) -> float:
    return float(np.linalg.norm(got - want) / np.linalg.norm(want))


@pytest.mark.parametrize("real", TOLERANCE)
@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("log", range(1, 17))
def test_lengths_and_batches(log: int, name: str, real: str) -> None:
    length = 1 << log
    if name in ("rfft", "irfft") and length == 2:
        return
    for rows in (1, 2, 7, 8, 16, 37):
        if rows * length > 1 << 17:
            continue
        x = operand(name, rows, length, real)
        kept = x.copy()
        got = transformed(name, x, length)
        assert error(got, expected(name, x, length)) < TOLERANCE[real], rows
        np.testing.assert_array_equal(x, kept)


def test_many_rows_are_shared_among_threads() -> None:
    for rows, length in ((1000, 64), (130, 1024), (9, 1 << 14)):
        x = operand("fft", rows, length, "float32")
        assert error(transformed("fft", x, length), expected("fft", x, length)) < 3e-7


@pytest.mark.parametrize("dtype", ["complex64", "complex128"])
@pytest.mark.parametrize("shape, axes", [
    ((16, 16), 2), ((3, 1, 32), 2), ((2, 64, 16), 2), ((4, 8, 32), 3), ((256, 512), 2),
])  # fmt: skip
def test_several_axes(shape: tuple[int, ...], axes: int, dtype: str) -> None:
    rng = np.random.default_rng(0)
    x = (rng.standard_normal(shape) + 1j * rng.standard_normal(shape)).astype(dtype)
    for kind, name in enumerate(("fftn", "ifftn")):
        spec = transforms.fft_spec(x, kind, shape[-axes:])
        assert spec is not None
        out = np.empty_like(x)
        calls.call_eagerly("arrax_fft", spec, x, out)
        want = getattr(np.fft, name)(x.astype(np.complex128), axes=range(-axes, 0))
        assert error(out, want) < (3e-7 if dtype == "complex64" else 1e-15)


def test_inverse_undoes() -> None:
    x = operand("fft", 3, 1 << 15, "float64")
    back = transformed("ifft", transformed("fft", x, 1 << 15), 1 << 15)
    assert error(back, x) < 1e-15


def test_non_finite_elements_spread() -> None:
    x = operand("fft", 2, 256, "float32")
    x[0, 7] = np.nan
    got = transformed("fft", x, 256)
    assert np.isnan(got[0]).all() and np.isfinite(got[1]).all()


@pytest.mark.parametrize("shape, dtype, kind, lengths", [
    ((4, 12), "complex64", 0, (12,)), ((1,), "complex64", 0, (1,)),
    ((2,), "float32", 2, (2,)), ((4, 8), "complex64", 0, (4, 8)),
    ((3, 64), "complex64", 0, (3, 64)), ((4, 64), "float32", 2, (4, 64)),
    ((0, 8), "complex64", 0, (8,)), ((8,), "float16", 2, (8,)),
    ((1 << 25,), "complex64", 0, (1 << 25,)),
])  # fmt: skip
def test_what_is_left_to_numpy(shape: Any, dtype: str, kind: int, lengths: Any) -> None:
    x = SimpleNamespace(shape=shape, dtype=np.dtype(dtype))
    assert transforms.fft_spec(x, kind, lengths) is None


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("length", [4, 12, 64, 4096])
def test_compiled_programs(length: int, name: str) -> None:
    x = operand(name, 3, length, "float32").reshape(1, 3, -1)
    scale = 1 / np.sqrt(length)
    check(lambda x: lax.fft(x * x.dtype.type(scale), name, (length,)), x)


def test_compiled_programs_call_the_library() -> None:
    closed, _ = traced(lambda x: lax.fft(x, "fft", (64,)), operand("fft", 3, 64, "float32"))
    assert "arrax_fft" in compiled(closed).as_text("llvm")
    closed, _ = traced(lambda x: lax.fft(x, "fft", (60,)), operand("fft", 3, 60, "float32"))
    assert "arrax_fft_any" in compiled(closed).as_text("llvm")
