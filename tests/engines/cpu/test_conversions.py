"""Floats to integers: truncated, saturated, NaN as 0, and in vectors."""
from __future__ import annotations

import math
from typing import Any

import ml_dtypes
import numpy as np
import pytest

import arrax
import arrax.numpy as jnp
from arrax import lax
from tests.engines.cpu.compiling import compiled, traced

EDGES = [0.0, -0.0, 0.7, -0.7, -1.5, 127.9, -128.9, 255.9, 65535.9, 65536.0, 2.0**31 - 128,
         2.0**31, -2.0**31, -2.0**31 - 300, 2.0**32, 2.0**63, -2.0**63, 2.0**64, 1e30, -1e30,
         math.inf, -math.inf, math.nan]


def expected(x: float, dtype: Any) -> int:
    info = np.iinfo(dtype)
    if math.isnan(x):
        return 0
    return int(min(max(x, info.min), info.max)) if math.isinf(x) else \
        min(max(int(x), info.min), info.max)


@pytest.mark.parametrize("target", ["int8", "uint8", "int16", "uint16", "int32", "uint32", "int64",
                                    "uint64"])
@pytest.mark.parametrize("source", [np.float32, np.float64, np.float16, ml_dtypes.bfloat16])
def test_float_to_integer(source: Any, target: str) -> None:
    with arrax.enable_x64(True), np.errstate(over="ignore"):
        x = np.array(EDGES, np.float64).astype(source)
        got = np.asarray(arrax.jit(lambda x: x.astype(target))(jnp.asarray(x)))
    want = [expected(float(value), target) for value in x]
    assert [int(value) for value in got] == want


def test_float_to_integer_takes_vectors() -> None:
    closed, _ = traced(lambda x: [lax.convert_element_type(x, np.int32)], np.ones(64, np.float32))
    assert "fptosi <16 x float>" in compiled(closed).as_text("llvm") or \
        "fptosi <8 x float>" in compiled(closed).as_text("llvm")
