"""What a workload is, and the data that workloads share."""
from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import ml_dtypes
import numpy as np

N = 1_000_000
BFLOAT16 = np.dtype(ml_dtypes.bfloat16)
FLOATS = (np.float32, np.float64, BFLOAT16, np.float16)


@dataclass(frozen=True)
class Case:
    """`function(jax, *arrays)` is jitted and timed; `jax` is the implementation's top module.

    `donated`: the first argument is, and each call's result is the next call's first argument.
    `exact` results have equal bits; other ones are close.
    """

    name: str
    function: Callable[..., Any]
    arrays: tuple[Any, ...]
    donated: bool = False
    exact: bool = False

    @property
    def wide(self) -> bool:
        """Whether 64-bit numbers take part."""
        return any(a.dtype.itemsize == 8 and a.dtype.kind in "iuf" or a.dtype.itemsize == 16
                   for a in self.arrays if hasattr(a, "dtype"))


def label(dtype: Any) -> str:
    """The short name of a dtype: f32, bf16, i64, …"""
    dtype = np.dtype(dtype)
    if dtype == BFLOAT16:
        return "bf16"
    if dtype.kind == "b":
        return "bool"
    return f"{dtype.kind}{dtype.itemsize * 8}"


@functools.cache
def normal(*shape: int, dtype: Any = np.float32, seed: int = 0) -> np.ndarray:
    """Standard normal numbers; of integers, a wide spread of values."""
    generator, dtype = np.random.default_rng(seed), np.dtype(dtype)
    if dtype.kind == "b":
        return generator.random(shape) < 0.5
    if dtype.kind in "iu":
        info = np.iinfo(dtype)
        return generator.integers(info.min, info.max, shape, dtype, endpoint=True)
    values = generator.standard_normal(shape, np.float32)
    if dtype.kind == "c":
        return (values + 1j * generator.standard_normal(shape, np.float32)).astype(dtype)
    return values.astype(dtype)


@functools.cache
def below(limit: int, *shape: int, dtype: Any = np.int32, seed: int = 1) -> np.ndarray:
    """Random indices from 0 to limit - 1."""
    return np.random.default_rng(seed).integers(0, limit, shape).astype(dtype)
