"""Values for the arguments of programs: a function of name, shape, dtype and fill alone."""
from __future__ import annotations

import zlib

import ml_dtypes
import numpy as np

from tools.fuzz.program import Argument

FILLS = ("small", "small", "small", "wide", "special")


def dtype_of(name: str) -> np.dtype:
    """A dtype by its name, those of ml_dtypes too."""
    return np.dtype(getattr(ml_dtypes, name)) if hasattr(ml_dtypes, name) else np.dtype(name)


def is_float(dtype: np.dtype) -> bool:
    return dtype.kind == "f" or dtype == ml_dtypes.bfloat16


def value_of(argument: Argument) -> np.ndarray:
    """The value of an argument.

    "small" are values of a few units; "wide" use the whole range of integers, and four orders of
    magnitude of floats; "special" hold infinities, NaNs, signed zeros and extremes.
    """
    shape, dtype = argument.aval.shape, dtype_of(argument.aval.dtype)
    rng = np.random.default_rng(zlib.crc32(f"{argument.name} {argument.aval}".encode()))
    if dtype.kind == "b":
        return rng.random(shape) < 0.5
    if dtype.kind in "iu":
        return _integers(rng, shape, dtype, argument.fill)
    if dtype.kind == "c":
        part = np.dtype(np.float32 if dtype.itemsize == 8 else np.float64)
        real, imag = (_floats(rng, shape, part, "small") for _ in range(2))
        return (real + 1j * imag).astype(dtype)
    return _floats(rng, shape, dtype, argument.fill)


def _integers(rng: np.random.Generator, shape: tuple[int, ...], dtype: np.dtype,
              fill: str) -> np.ndarray:
    info = np.iinfo(dtype)
    low, high = (info.min, info.max) if fill == "wide" else (max(info.min, -5), 9)
    values = rng.integers(low, high, shape, dtype, endpoint=True)
    if fill == "special" and values.size:
        flat = values.reshape(-1)
        places = rng.random(flat.shape) < 0.2
        extremes = np.array([info.min, info.max, 0], dtype)
        flat[places] = extremes[rng.integers(0, 3, places.sum())]
    return np.asarray(values, dtype)


def _floats(rng: np.random.Generator, shape: tuple[int, ...], dtype: np.dtype,
            fill: str) -> np.ndarray:
    values = rng.standard_normal(shape)
    if fill == "wide":
        values = values * 10.0 ** rng.uniform(-2, 2, shape)
    values = np.asarray(values).astype(dtype)
    if fill == "special" and values.size:
        flat = values.reshape(-1)
        places = rng.random(flat.shape) < 0.1
        special = np.array([np.inf, -np.inf, np.nan, 0.0, -0.0, 1.0, -1.0, 0.5]).astype(dtype)
        flat[places] = special[rng.integers(0, len(special), places.sum())]
    return values
