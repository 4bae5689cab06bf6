"""Costs that compiled programs report."""
from __future__ import annotations

import pytest

import arrax
import arrax.numpy as jnp
from arrax import lax

ROW = jnp.ones(10, "float32")
SQUARE = jnp.ones((10, 10), "float32")


@pytest.mark.parametrize("function, args, flops, count", [
    (lambda x: jnp.sin(x) + x, (ROW,), 20, 80),
    (jnp.sum, (ROW,), 10, 44),
    (jnp.matmul, (SQUARE, SQUARE), 2000, 1200),
    (lambda x: x[::-1], (ROW,), 0, 80),
    (lambda x: lax.fori_loop(0, 5, lambda i, c: c * x, x), (ROW,), None, 80),
    (lambda x: lax.scan(lambda c, _: (c * x, None), x, None, length=5)[0], (ROW,), 50, 80),
    (lambda x: lax.cond(x[0] > 0, lambda y: y * y + y, lambda y: y, x), (ROW,), None, 80),
    (lambda x, k: lax.conv(x, k, (1, 1), "SAME"),
     (jnp.ones((1, 2, 8, 8)), jnp.ones((4, 2, 3, 3))), 2 * 4 * 64 * 18, 4 * (128 + 72 + 256)),
])
def test_counts(function, args, flops, count):
    costs = arrax.jit(function).lower(*args).compile().cost_analysis()
    assert costs["bytes accessed"] == count
    if flops is None:
        assert costs["flops"] >= 10
    else:
        assert costs["flops"] == flops
