"""`custom_gradient`, `closure_convert`, `linear_call`."""
from __future__ import annotations

import numpy as np
import pytest

import arrax
import arrax.numpy as jnp
from arrax.custom_derivatives import closure_convert, custom_gradient, linear_call

X = jnp.array([0.1, 0.2, 0.3])


def test_custom_gradient():
    @custom_gradient
    def f(x, y):
        return (x * y, x), lambda g: (g[0] * y + g[1], g[0] * x * 10)
    assert arrax.vjp(f, 2.0, 3.0)[1]((1.0, 1.0)) == (4.0, 20.0)
    assert f(x=2.0, y=3.0) == (6.0, 2.0)


def test_custom_gradient_of_one_argument_and_higher_order():
    @custom_gradient
    def f(x):
        return x ** 2, lambda g: g * x
    assert arrax.grad(f)(3.0) == 3 and arrax.grad(arrax.grad(f))(3.0) == 1
    assert arrax.jit(arrax.grad(f))(3.0) == 3
    np.testing.assert_allclose(arrax.vmap(arrax.grad(f))(X), X)
    np.testing.assert_allclose(arrax.grad(lambda x: arrax.vmap(f)(x).sum())(X), X)


def test_closure_convert():
    def loss(x):
        converted, values = closure_convert(lambda y: y * x, 1.0)
        assert len(values) == 1
        return converted(2.0, *values)
    assert arrax.grad(loss)(3.0) == 2
    converted, values = closure_convert(lambda y: y * 3, 1.0)
    assert values == [] and converted(2.0) == 6
    with pytest.raises(TypeError, match="must have the same Pytree structure as the example"):
        converted((2.0, 1.0))


def test_linear_call():
    def f(x):
        return linear_call(lambda r, x: x / r, lambda r, ct: ct * 5, 2.0, x)
    np.testing.assert_allclose(f(X), X / 2)
    np.testing.assert_allclose(arrax.jvp(f, (X,), (X,))[1], X / 2)
    np.testing.assert_allclose(arrax.grad(lambda x: f(x).sum())(X), [5, 5, 5])
    np.testing.assert_allclose(arrax.grad(lambda x: arrax.vmap(f)(x).sum())(X), [5, 5, 5])
    np.testing.assert_allclose(arrax.jit(arrax.grad(lambda x: f(x).sum()))(X), [5, 5, 5])
