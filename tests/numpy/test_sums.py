"""Sums are accurate in every engine, along any axis: worst cases against long doubles.

The error of a sum of n elements is at most a few units of rounding times log n of the sum of
magnitudes, and one rounding of the result; float16 and bfloat16 are summed in float32.
"""
from __future__ import annotations

from collections.abc import Callable
from typing import Any

import ml_dtypes
import numpy as np
import pytest

import arrax as jax
import arrax.numpy as jnp
from arrax import lax

UNITS = {"float16": 2.0 ** -11, "bfloat16": 2.0 ** -8, "float32": 2.0 ** -24,
         "complex64": 2.0 ** -24, "float64": 2.0 ** -53}
DTYPES = list(UNITS)
SHAPES = [((140_001,), 0), ((70_000, 2), 0), ((1_500, 100), 0), ((2, 50_000), 1),
          ((7_000, 10), 1), ((40, 30, 40), (0, 2)), ((9_000, 3), 0)]


def cases(shape: tuple[int, ...]) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(0)
    x = rng.standard_normal(shape)
    huge = rng.random(shape)
    huge.flat[:: max(huge.size // 5, 1)] = 1e8
    signs = np.where(np.arange(x.size).reshape(shape) % 2, 1.0, -1.0)
    return {"ones": np.ones(shape), "tenths": np.full(shape, 0.1), "random": x,
            "huge and small": huge, "alternating": 100 * signs + x}


@pytest.fixture(autouse=True)
def wide():
    with jax.enable_x64(True):
        yield


def long(x: np.ndarray) -> np.ndarray:
    return x.astype(np.clongdouble if x.dtype.kind == "c" else np.longdouble)


def check(got: Any, right: np.ndarray, magnitude: np.ndarray, count: int, dtype: Any) -> None:
    unit = UNITS[np.dtype(dtype).name]
    inside = min(unit, 2.0 ** -24)
    with np.errstate(all="ignore"):
        overflow = np.abs(right) > np.float64(ml_dtypes.finfo(dtype).max) \
            if dtype != np.complex64 else np.zeros(right.shape, bool)
        got = np.asarray(got)
        assert got.dtype == dtype and got.shape == right.shape
        error = np.abs(long(got) - right)
        allowed = 1.01 * unit * np.abs(right) + 4 * np.log2(count + 2) * inside * magnitude
    assert (overflow | (error <= allowed)).all(), (
        f"{np.nanmax(error / (inside * magnitude + 1e-300))} units of the sum of magnitudes")


def both(function: Callable[..., Any], x: Any) -> list[Any]:
    return [function(x), jax.jit(function)(x)]


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("shape, axis", SHAPES, ids=str)
def test_sums(shape: tuple[int, ...], axis: Any, dtype: str):
    kind = np.dtype(getattr(ml_dtypes, dtype, dtype))
    axes = axis if isinstance(axis, tuple) else (axis,)
    for case in cases(shape).values():
        with np.errstate(all="ignore"):
            x = case.astype(kind)
        if not np.isfinite(long(x)).all():
            continue
        right, magnitude = long(x).sum(axes), np.abs(long(x)).sum(axes)
        count = x.size // max(right.size, 1)
        for got in both(lambda v: lax.reduce_sum_p.bind(v, axes=axes, out_sharding=None),
                        jnp.asarray(x)):
            check(got, right, magnitude, count, kind)
        # Fused with what computes the elements, and with another fold.
        for got in both(lambda v: (jnp.sum(v * 1, axes), jnp.sum(abs(v), axes)), jnp.asarray(x)):
            check(got[0], right, magnitude, count, kind)


@pytest.mark.parametrize("reverse", [False, True])
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("shape, axis", [s for s in SHAPES if not isinstance(s[1], tuple)],
                         ids=str)
def test_cumulative_sums(shape: tuple[int, ...], axis: int, dtype: str, reverse: bool):
    kind = np.dtype(getattr(ml_dtypes, dtype, dtype))

    def prefixes(v: np.ndarray) -> np.ndarray:
        return np.flip(np.cumsum(np.flip(v, axis), axis), axis) if reverse else np.cumsum(v, axis)
    for case in cases(shape).values():
        with np.errstate(all="ignore"):
            x = case.astype(kind)
        if not np.isfinite(long(x)).all():
            continue
        right, magnitude = prefixes(long(x)), prefixes(np.abs(long(x)))
        eager, compiled = both(lambda v: lax.cumsum(v, axis=axis, reverse=reverse), jnp.asarray(x))
        check(compiled, right, magnitude, x.shape[axis], kind)
        assert np.asarray(eager).tobytes() == np.asarray(compiled).tobytes()


def test_ten_million_ones():
    x = jnp.ones((20_000_000, 2), jnp.float32)
    for got in both(lambda v: jnp.sum(v, 0), x):
        assert np.asarray(got).tolist() == [2e7, 2e7]
    for got in both(lambda v: jnp.cumsum(v, 0)[-1], x):
        assert np.asarray(got).tolist() == [2e7, 2e7]


def test_means_and_deviations_of_long_columns():
    rng = np.random.default_rng(1)
    x = rng.random((4_000_000, 2)).astype(np.float32) * 1000
    right = x.astype(np.float64).mean(0)
    for got in both(lambda v: jnp.mean(v, 0), jnp.asarray(x)):
        np.testing.assert_allclose(got, right, rtol=3e-7)
    signs = np.where(np.arange(2_000_000)[:, None] % 2, 100, -100).repeat(2, 1).astype(np.float32)
    for got in both(lambda v: jnp.std(v, 0), jnp.asarray(signs)):
        np.testing.assert_allclose(got, 100, rtol=3e-7)
    shifted = (1e4 + rng.standard_normal((1_000_000, 2))).astype(np.float32)
    for got in both(lambda v: jnp.var(v, 0), jnp.asarray(shifted)):
        np.testing.assert_allclose(got, shifted.astype(np.float64).var(0), rtol=1e-5)


def test_normalized_columns_agree():
    x = jnp.asarray(np.random.default_rng(2).random((10_000, 10)).astype(np.float32))

    def norm(v: Any) -> Any:
        v = v - v.mean(0)
        return v / v.std(0)
    eager, compiled = both(norm, x)
    np.testing.assert_allclose(eager, compiled, rtol=0, atol=1e-6)


@pytest.mark.parametrize("kind", [np.float32, np.float64, np.complex64])
@pytest.mark.parametrize("shape, axis", SHAPES[:5], ids=str)
def test_infinities_of_long_sums(shape: tuple[int, ...], axis: int, kind: Any):
    x = np.ones(shape, kind)
    x.flat[3] = np.inf
    for got in both(lambda v: jnp.sum(v, axis), jnp.asarray(x)):
        assert np.isposinf(np.asarray(got).real).sum() == 1
        assert not np.isnan(np.asarray(got).real).any()
    last = np.asarray(jnp.cumsum(jnp.asarray(x), axis)).real
    assert np.isposinf(last).any() and not np.isnan(last).any()
