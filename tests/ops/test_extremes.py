"""Maxima and minima order zeros by their signs, and NaN wins: eager, compiled, small and large."""
from __future__ import annotations

import arrax as jax
import numpy as np
import pytest
from arrax import lax
from arrax.ops.extremes import maximum, minimum

VALUES = np.array([0.0, -0.0, np.nan, 1.0, -1.0, np.inf, -np.inf], np.float32)
FIRST, SECOND = (v.reshape(-1) for v in np.meshgrid(VALUES, VALUES))


def ordered(x, y, greatest):
    """The reference, one pair at a time."""
    if np.isnan(x) or np.isnan(y):
        return np.nan
    if x == y == 0:
        chosen = np.signbit(x) and np.signbit(y) if greatest else np.signbit(x) or np.signbit(y)
        return -0.0 if chosen else 0.0
    return max(x, y) if greatest else min(x, y)


def assert_same(actual, expected):
    actual, expected = np.asarray(actual).astype(np.float64), np.asarray(expected, np.float64)
    np.testing.assert_array_equal(actual, expected)
    real = ~np.isnan(expected)
    np.testing.assert_array_equal(np.signbit(actual)[real], np.signbit(expected)[real])


@pytest.mark.parametrize("greatest", [True, False])
@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
def test_numpy_functions(greatest, dtype):
    function = maximum if greatest else minimum
    expected = [ordered(x, y, greatest) for x, y in zip(FIRST, SECOND, strict=True)]
    assert_same(function(FIRST.astype(dtype), SECOND.astype(dtype)), expected)
    real = ~np.isnan(FIRST) & ~np.isnan(SECOND)
    pairs = FIRST[real].astype(dtype), SECOND[real].astype(dtype)
    assert_same(function(*pairs), np.array(expected)[real])
    for y in VALUES:
        assert_same(function(VALUES.astype(dtype), np.asarray(y, dtype)),
                    [ordered(x, y, greatest) for x in VALUES])


@pytest.mark.parametrize("greatest", [True, False])
@pytest.mark.parametrize("repeats", [1, 2000], ids=["small", "large"])
@pytest.mark.parametrize("transform", [lambda f: f, jax.jit], ids=["eager", "jit"])
def test_operations(greatest, repeats, transform):
    two, reduce, cumulative = (lax.max, lax.reduce_max, lax.cummax) if greatest else (
        lax.min, lax.reduce_min, lax.cummin)
    x, y = np.tile(FIRST, repeats), np.tile(SECOND, repeats)
    expected = [ordered(a, b, greatest) for a, b in zip(FIRST, SECOND, strict=True)]
    assert_same(transform(two)(x, y), np.tile(expected, repeats))
    pairs = np.stack([x, y])
    assert_same(transform(lambda v: reduce(v, (0,)))(pairs), np.tile(expected, repeats))
    assert_same(transform(lambda v: cumulative(v, 0))(pairs)[1], np.tile(expected, repeats))
