"""Weak types of derivatives follow those of what is differentiated; reductions have none."""
from __future__ import annotations

import pytest

import arrax
import arrax.numpy as jnp
from arrax import lax, nn

FUNCTIONS = [
    lambda a: a * 3.0, lambda a: 3.0, lambda a: a, jnp.sin, lambda a: a ** 2,
    lambda a: jnp.float32(2.0) * a, lambda a: jnp.where(a > 0, a, 0.0), nn.relu,
    lambda a: nn.elu(-2.0, a), lambda a: lax.cond(True, jnp.sin, jnp.cos, a),
    lambda a: lax.fori_loop(0, 3, lambda i, c: c * a, a), arrax.jit(jnp.sin),
    lambda a: (a * jnp.ones(2)).sum()]


@pytest.mark.parametrize("number", range(len(FUNCTIONS)))
def test_gradients_at_python_scalars_are_weak(number):
    function = FUNCTIONS[number]
    for derivative in (arrax.grad(function), arrax.jit(arrax.grad(function)),
                       arrax.grad(arrax.grad(function))):
        assert derivative(2.0).weak_type
        assert not derivative(jnp.float32(2.0)).weak_type


@pytest.mark.parametrize("name", "sum prod mean max min cumsum var".split())
def test_reductions_are_strong(name):
    x = jnp.broadcast_to(2.0, (2,))
    assert x.weak_type and not getattr(jnp, name)(x).weak_type
