"""Compiled windowed folds against their evaluation, over all dimension numbers and dtypes."""
from __future__ import annotations

import functools
from typing import Any

import arrax
import ml_dtypes
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from arrax import lax
from arrax.core.config import enable_x64
from arrax.core.primitive import registry

from tests.engines.cpu.compiling import check, step_names

REDUCTIONS = ("reduce_window_sum", "reduce_window_max", "reduce_window_min")
BFLOAT16 = np.dtype(ml_dtypes.bfloat16)


def params_of(window: Any, strides: Any = None, padding: Any = None, base: Any = None,
              dilation: Any = None) -> dict[str, Any]:
    ones = (1,) * len(window)
    return {"window_dimensions": window, "window_strides": strides or ones,
            "padding": padding or ((0, 0),) * len(window), "base_dilation": base or ones,
            "window_dilation": dilation or ones}


def operand(shape: Any, dtype: Any = np.float32, seed: int = 0) -> np.ndarray:
    """Few different values, so that windows have ties."""
    x = np.random.default_rng(seed).integers(-4, 5, shape)
    return x.astype(dtype) if np.dtype(dtype).kind != "u" else np.abs(x).astype(dtype)


def run(name: str, *operands: Any, **params: Any) -> Any:
    """Compiled equals evaluated, without calls of Python."""
    with enable_x64(True):
        executable = check(lambda *xs: [registry[name].bind(*xs, **params)], *operands)
    assert "HostCallStep" not in str(step_names(executable.compilation.region))


@pytest.mark.parametrize("name", REDUCTIONS)
@pytest.mark.parametrize("dtype", ["float32", "float64", "float16", BFLOAT16, "int8", "int32",
                                   "uint16", "int64"], ids=str)
@pytest.mark.parametrize("size, window", [(7, 3), (40, 20), (700, 530)])
def test_dtypes(name: str, dtype: Any, size: int, window: int) -> None:
    x = operand((3, size), dtype)
    if np.dtype(dtype).kind in "fV":
        x = (x / np.dtype(dtype).type(8)).astype(dtype)
    run(name, x, **params_of((1, window), padding=((0, 0), (2, window - 1))))


def test_complex_sums() -> None:
    x = operand((5, 30)) + 1j * operand((5, 30), seed=1)
    run("reduce_window_sum", x.astype(np.complex64), **params_of((2, 17), (2, 1)))


CASES = [
    ((9,), params_of((1,), (2,))),
    ((1,), params_of((1,))),
    ((5,), params_of((9,))),  # no window fits
    ((0, 3), params_of((2, 2), padding=((3, 3), (0, 0)))),
    ((7,), params_of((2,), padding=((-2, -1),))),
    ((6, 5), params_of((2, 3), (3, 2), ((1, 0), (-1, 3)), (2, 3), (3, 1))),
    ((50,), params_of((50,))),
    ((50,), params_of((50,), padding=((49, 0),))),
    ((100,), params_of((33,), (33,), padding=((1, 40),))),
    ((103,), params_of((20,), (25,))),
    ((61,), params_of((19,), (4,), ((30, 7),), (2,), (3,))),
    ((30, 31), params_of((20, 21), (1, 2))),
    ((2, 9, 10, 3), params_of((1, 3, 3, 1), (1, 2, 2, 1), ((0, 0), (0, 1), (0, 1), (0, 0)))),
]


@pytest.mark.parametrize("shape, params", CASES, ids=range(len(CASES)))
def test_dimension_numbers(shape: Any, params: Any) -> None:
    for name in REDUCTIONS:
        run(name, operand(shape), **params)


def selection(shape: Any, params: dict[str, Any], dtype: Any = np.float32) -> None:
    x, tangents = operand(shape, dtype), operand(shape, np.float32, 1)
    for select in ("ge", "le"):
        run("select_and_gather_add", tangents, x, select_prim=registry[select], **params)
        if max(*params["base_dilation"], *params["window_dilation"]) > 1:
            continue
        out = registry["reduce_window_sum"].bind(x, **params)
        source = operand(out.shape, np.float32, 2)
        fewer = {k: v for k, v in params.items() if "dilation" not in k}
        run("select_and_scatter_add", source, x, select_prim=registry[select], **fewer)


@pytest.mark.parametrize("shape, params", CASES, ids=range(len(CASES)))
def test_selections(shape: Any, params: Any) -> None:
    selection(shape, params)


@pytest.mark.parametrize("dtype", ["int32", "uint8", "float16", BFLOAT16], ids=str)
def test_selections_of_dtypes(dtype: Any) -> None:
    selection((6, 7), params_of((2, 3), (2, 2), ((0, 1), (1, 1))), dtype)


@pytest.mark.parametrize("window", [4, 30])
def test_selections_with_nan_and_infinity(window: int) -> None:
    x = operand((4, 60))
    x[0, ::7], x[1, 3::11], x[2] = np.nan, np.inf, -np.inf
    x[3, ::5], x[3, 1::5] = np.nan, -np.inf
    params = params_of((1, window), (1, 3), ((0, 0), (5, 5)))
    for name in REDUCTIONS[1:]:
        run(name, x, **params)
    for select in ("ge", "le"):
        run("select_and_gather_add", operand((4, 60), seed=1), x,
            select_prim=registry[select], **params)


def test_a_window_of_the_whole_axis_is_no_square_of_work() -> None:
    """The cumulative sum of 1e5 elements by one window each, which squared would take minutes."""
    n = 100_000
    x = operand(n)
    check(lambda x: [registry["reduce_window_sum"].bind(
        x, **params_of((n // 4,), (n // 8,), ((n // 4 - 1, 0),)))], x)


axes = st.tuples(
    st.integers(0, 9), st.integers(1, 12), st.integers(1, 4),
    st.tuples(st.integers(-3, 8), st.integers(-3, 8)), st.integers(1, 3), st.integers(1, 3))


@settings(max_examples=25)
@given(st.lists(axes, min_size=1, max_size=3), st.sampled_from(REDUCTIONS))
def test_any_dimension_numbers(dims: Any, name: str) -> None:
    shape, window, strides, padding, base, dilation = zip(*dims, strict=True)
    padding = tuple((lo, hi) if n and (n - 1) * b + 1 + min(lo, 0) + min(hi, 0) > 0 else (0, 0)
                    for n, (lo, hi), b in zip(shape, padding, base, strict=True))
    run(name, operand(shape), **params_of(window, strides, padding, base, dilation))


@settings(max_examples=10)
@given(st.lists(axes, min_size=1, max_size=2))
def test_any_selection(dims: Any) -> None:
    shape, window, strides, padding, base, dilation = zip(*dims, strict=True)
    padding = tuple((max(lo, 0), max(hi, 0)) for lo, hi in padding)
    selection(shape, params_of(window, strides, padding, base, dilation))
    ones = (1,) * len(shape)
    selection(shape, params_of(window, strides, padding, ones, ones))


def test_windows_of_any_computation() -> None:
    """Associative, not commutative: 2x2 matrices as four arrays; long and short windows."""
    def product(a: Any, b: Any) -> Any:
        return (a[0] * b[0] + a[1] * b[2], a[0] * b[1] + a[1] * b[3],
                a[2] * b[0] + a[3] * b[2], a[2] * b[1] + a[3] * b[3])

    rng = np.random.default_rng(0)
    matrices = np.eye(2) + 0.1 * rng.standard_normal((130, 2, 2))
    parts = tuple(matrices[:, i, j].astype(np.float32) for i in (0, 1) for j in (0, 1))
    start = tuple(np.float32(x) for x in (1, 0, 0, 1))
    for window, stride in ((3, 1), (100, 1), (100, 7), (50, 50), (23, 30), (130, 1)):
        def fold(*xs: Any, window: int = window, stride: int = stride) -> Any:
            return lax.reduce_window(xs, start, product, (window,), (stride,), "VALID")

        count = (130 - window) // stride + 1
        want = np.array([functools.reduce(np.matmul, matrices[i * stride:i * stride + window])
                         for i in range(count)]).reshape(count, 4).T
        for got in (fold(*parts), arrax.jit(fold)(*parts)):
            np.testing.assert_allclose(np.array([np.asarray(x) for x in got]), want, rtol=1e-3,
                                       atol=1e-4)
