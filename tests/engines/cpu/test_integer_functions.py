"""High halves of products and reduced precision, compiled, against their evaluation."""
from __future__ import annotations

from typing import Any

import ml_dtypes
import numpy as np
import pytest

from arrax.core.config import enable_x64
from arrax.core.jaxpr import eval_jaxpr

from tests.engines.cpu.compiling import compiled, prim, step_names, traced

INTEGERS = ["int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64"]
FLOATS = [np.dtype(name) for name in ("float16", ml_dtypes.bfloat16, "float32", "float64")]


def same_bits(fun: Any, *operands: Any) -> None:
    with enable_x64(True):
        closed, arrays = traced(lambda *xs: [fun(*xs)], *operands)
        executable = compiled(closed)
        assert "HostCallStep" not in str(step_names(executable.compilation.region))
        got, = executable(arrays)
        want, = eval_jaxpr(closed.jaxpr, closed.consts, *arrays)
    assert got.data.tobytes() == want.data.tobytes()


@pytest.mark.parametrize("dtype", INTEGERS)
def test_mulhi(dtype: str) -> None:
    info, rng = np.iinfo(dtype), np.random.default_rng(0)
    x, y = rng.integers(info.min, info.max, (2, 37), dtype, endpoint=True)
    x[:3], y[:6] = [info.min, info.max, 0], [info.min, info.min, info.max] * 2
    same_bits(prim("mulhi"), x, y)


@pytest.mark.parametrize("exponent, mantissa", [(5, 10), (8, 7), (2, 0), (11, 52), (8, 30), (3, 3)])
@pytest.mark.parametrize("dtype", FLOATS, ids=str)
def test_reduce_precision(dtype: Any, exponent: int, mantissa: int) -> None:
    words = np.random.default_rng(0).integers(0, 1 << 8, 4000 * dtype.itemsize, np.uint8)
    x = words.view(dtype)
    numbers = x[~np.isnan(x.astype(np.float64))]
    x = np.append(numbers, np.array([0., -0., np.inf, -np.inf, 1, -1], dtype))
    same_bits(lambda x: prim("reduce_precision")(
        x, exponent_bits=exponent, mantissa_bits=mantissa), x)
    nan = np.array([np.nan, 1], dtype)
    closed, arrays = traced(lambda x: [prim("reduce_precision")(
        x, exponent_bits=exponent, mantissa_bits=mantissa)], nan)
    assert np.isnan(compiled(closed)(arrays)[0].data[0])
