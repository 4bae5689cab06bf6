"""Contractions of all layouts and dtypes run natively: no host calls."""
from __future__ import annotations

from typing import Any

import ml_dtypes
import numpy as np
import pytest

import arrax.numpy as jnp
from arrax import lax
from tests.engines.cpu.compiling import check

BFLOAT16 = np.dtype(ml_dtypes.bfloat16)


def numbers(*shape: int, dtype: Any = np.float32) -> Any:
    values = np.random.default_rng(0).integers(-9, 9, shape)
    return values.astype(dtype)


LAYOUTS = [("ijk,jil->kl", (13, 17, 31), (17, 13, 29)), ("aibj,bjak->ik", (5, 23, 7, 11),
           (7, 11, 5, 19)), ("aib,bja->ij", (5, 61, 17), (17, 37, 5)),
           ("abcd,dbe->ace", (3, 31, 29, 5), (5, 31, 7)), ("ab,cb->ac", (130, 70), (50, 70)),
           ("abc,dbca->d", (11, 13, 17), (37, 13, 17, 11))]


@pytest.mark.parametrize("equation, left, right", LAYOUTS)
def test_layouts(equation: str, left: Any, right: Any) -> None:
    executable = check(lambda x, y: [jnp.einsum(equation, x, y)], numbers(*left),
                       numbers(*right), rtol=1e-5)
    assert "host " not in executable.as_text("loops")


INTEGERS = [np.int8, np.uint8, np.int16, np.uint16]


@pytest.mark.parametrize("dtype", INTEGERS)
@pytest.mark.parametrize("out", [None, np.int32])
def test_short_integers_wrap(dtype: Any, out: Any) -> None:
    rng = np.random.default_rng(0)
    x, y = (rng.integers(0, 256, shape).astype(dtype) for shape in ((70, 90), (90, 60)))
    got = check(lambda x, y: [lax.dot(x, y, preferred_element_type=out)], x, y, rtol=0, atol=0)
    assert "host " not in got.as_text("loops")


@pytest.mark.parametrize("dtype", [BFLOAT16, np.float16])
@pytest.mark.parametrize("shapes", [((300, 200), (200,)), ((200,), (200, 300)), ((501,), (501,))])
def test_short_floats_and_vectors(dtype: Any, shapes: Any) -> None:
    """Sums are in float32, and the matrix is not stored as one."""
    x, y = (numbers(*shape, dtype=dtype) for shape in shapes)
    got = check(lambda x, y: [x @ y], x, y, rtol=2e-2)
    assert "host " not in got.as_text("loops")
    assert got.as_text("loops").count("tmp0[") <= 2


def test_mixed_dtypes() -> None:
    x, y = numbers(60, 70, dtype=BFLOAT16), numbers(70, 50)
    got = check(lambda x, y: [lax.dot_general(x, y, (((1,), (0,)), ((), ())),
                                              preferred_element_type=np.float32)], x, y)
    assert "host " not in got.as_text("loops")
