"""Derivatives of functions with rules of their own, of several orders, against exact values."""

from __future__ import annotations

from typing import Any

import mpmath as mp
import numpy as np
import pytest

import arrax
import arrax.numpy as jnp
from arrax.core import config


def derivative(function: Any, order: int) -> Any:
    for _ in range(order):
        function = arrax.grad(function)
    return function


def exact_sinc(x: Any) -> Any:
    return mp.sinc(mp.pi * x)


POINTS = {
    "sinc": (jnp.sinc, exact_sinc, [0.0, 1e-12, 1e-5, 1e-3, 0.1, 0.249, 0.251, 1.0, 2.5, -7.0]),
    "i0": (jnp.i0, lambda x: mp.besseli(0, x), [0.0, 1e-9, 0.3, -0.999, 1.001, -5.0, 80.0, 400.0]),
}


@pytest.mark.parametrize("order", [0, 1, 2, 3])
@pytest.mark.parametrize("name", POINTS)
def test_derivatives_are_right_near_zero_and_far(name: str, order: int) -> None:
    function, exact, points = POINTS[name]
    with config.enable_x64(True), mp.workdps(60):
        call = derivative(function, order)
        for transform in (lambda f: f, arrax.jit):
            for x in points:
                want = float(mp.diff(exact, mp.mpf(x), order, h=mp.mpf(10) ** -12))
                got = float(transform(call)(np.float64(x)))
                assert abs(got - want) <= 1e-11 * max(abs(want), 0.01), (x, got, want)


def test_i0_at_the_edge_of_overflow() -> None:
    x = np.float32([88.8, 91.5, 91.95, -91.5, 100])
    with np.errstate(all="ignore"):
        want = np.i0(x.astype(np.float64)).astype(np.float32)
    np.testing.assert_allclose(np.asarray(jnp.i0(x)), want, rtol=1e-6)
    slopes = np.asarray(arrax.vmap(arrax.grad(jnp.i0))(x[[0, 1, 3]]))
    assert np.isfinite(slopes).all() and np.sign(slopes).tolist() == [1, 1, -1]


def test_zeros_of_sinc_are_zeros() -> None:
    x = np.float32([1, -2, 3, 1000, 2**30])
    assert np.asarray(jnp.sinc(x)).tolist() == [0] * 5
    assert np.asarray(arrax.jit(jnp.sinc)(x)).tolist() == [0] * 5
