"""Derivatives: every call of the API, its options, and how they nest."""
from __future__ import annotations

import numpy as np
import pytest

import arrax
import arrax.numpy as jnp
from arrax import (grad, hessian, jacfwd, jacrev, jit, jvp, lax, linear_transpose, linearize,
                   value_and_grad, vjp, vmap)


def f(x, y):
    return jnp.sum(jnp.sin(x) * y["a"]) + y["b"] ** 2


X = jnp.arange(3.0)
Y = {"a": jnp.array([1.0, 2.0, 3.0]), "b": jnp.float32(2.0)}


def test_grad_of_trees_and_several_arguments():
    gx = grad(f)(X, Y)
    np.testing.assert_allclose(gx, np.cos(X) * np.asarray(Y["a"]), rtol=1e-6)
    gx, gy = grad(f, argnums=(0, 1))(X, Y)
    np.testing.assert_allclose(gy["a"], np.sin(X), rtol=1e-6)
    assert float(gy["b"]) == 4.0
    gy = grad(f, argnums=-1)(X, Y)
    assert float(gy["b"]) == 4.0


def test_value_and_grad_with_aux():
    def with_aux(x):
        return jnp.sum(x ** 2), {"mean": jnp.mean(x), "name": "aux"}
    (value, aux), gradient = value_and_grad(with_aux, has_aux=True)(X)
    assert float(value) == 5.0 and float(aux["mean"]) == 1.0 and aux["name"] == "aux"
    np.testing.assert_allclose(gradient, 2 * np.asarray(X))
    gradient, aux = jit(grad(lambda x: (jnp.sum(x ** 2), x * 2), has_aux=True))(X)
    np.testing.assert_allclose(aux, 2 * np.asarray(X))


def test_keyword_arguments_are_not_differentiated():
    assert float(grad(lambda x, *, scale: x * scale)(1.0, scale=3.0)) == 3.0


def test_integer_arguments_have_float0_gradients():
    g = grad(lambda n, x: n * x, argnums=0, allow_int=True)(3, 2.0)
    assert g.dtype == arrax.float0 and g.shape == ()
    _, f_vjp = vjp(lambda n, x: n * x, 3, 2.0)
    assert f_vjp(1.0)[0].dtype == arrax.float0


def test_holomorphic():
    g = grad(lambda z: z ** 3, holomorphic=True)(1.0 + 2.0j)
    np.testing.assert_allclose(g, 3 * (1 + 2j) ** 2, rtol=1e-6)


def test_complex_gradient_convention():
    g = grad(lambda z: jnp.real(z) ** 2 + 3 * jnp.imag(z))(2.0 + 1.0j)
    np.testing.assert_allclose(g, 4.0 - 3.0j, rtol=1e-6)


def test_jvp_and_linearize_agree():
    primals, tangents = (X, Y), (jnp.ones(3), {"a": jnp.ones(3), "b": jnp.float32(1.0)})
    value, tangent = jvp(f, primals, tangents)
    value2, f_jvp = linearize(f, *primals)
    np.testing.assert_allclose(value, value2)
    np.testing.assert_allclose(tangent, f_jvp(*tangents), rtol=1e-6)
    np.testing.assert_allclose(jit(f_jvp)(*tangents), tangent, rtol=1e-6)
    value, tangent, aux = jvp(lambda x: (x * 2, x), (1.0,), (1.0,), has_aux=True)
    assert (float(value), float(tangent), float(aux)) == (2.0, 2.0, 1.0)


def test_vjp_can_be_called_again_and_mapped():
    value, f_vjp = vjp(lambda x: (jnp.sin(x), x * 2), X)
    for scale in (1.0, 2.0):
        (g,) = f_vjp((scale * jnp.ones(3), jnp.zeros(3)))
        np.testing.assert_allclose(g, scale * np.cos(X), rtol=1e-6)
    rows = vmap(lambda ct: f_vjp((ct, ct))[0])(jnp.eye(3))
    np.testing.assert_allclose(rows, np.diag(np.cos(X) + 2), rtol=1e-6)


def test_linear_transpose():
    t = linear_transpose(lambda x: jnp.stack([x[0] * 2, x[1] + x[0]]), jnp.zeros(2))
    np.testing.assert_allclose(t(jnp.array([1.0, 10.0]))[0], [12.0, 10.0])
    t = linear_transpose(lambda x: 3.0 * x, arrax.ShapeDtypeStruct((2,), jnp.float32))
    np.testing.assert_allclose(t(jnp.ones(2))[0], 3.0)


@pytest.mark.parametrize("jacobian", [jacfwd, jacrev])
def test_jacobians(jacobian):
    def g(x, y):
        return {"p": jnp.outer(x, y), "s": jnp.sum(x * x)}
    x, y = jnp.arange(2.0), jnp.arange(3.0) + 1
    jac = jacobian(g)(x, y)
    assert jac["p"].shape == (2, 3, 2) and jac["s"].shape == (2,)
    np.testing.assert_allclose(jac["p"][0, :, 0], y)
    jx, jy = jacobian(lambda x, y: jnp.sin(x) * y[:2], argnums=(0, 1))(x, y)
    np.testing.assert_allclose(jx, np.diag(np.cos(x) * np.asarray(y)[:2]), rtol=1e-6)
    assert jy.shape == (2, 3)
    value, aux = jacobian(lambda x: (x * 2, "aux" if False else x), has_aux=True)(x)
    np.testing.assert_allclose(aux, x)


def test_hessian():
    h = hessian(lambda x: jnp.sum(x ** 3) + x[0] * x[1])(jnp.array([1.0, 2.0]))
    np.testing.assert_allclose(h, [[6.0, 1.0], [1.0, 12.0]], rtol=1e-5)
    hj = jit(hessian(lambda x: jnp.sum(jnp.exp(x)) ** 2))(jnp.zeros(3))
    np.testing.assert_allclose(hj, 2 * np.ones((3, 3)) + 6 * np.eye(3), rtol=1e-5)


def test_python_control_flow_on_concrete_primals():
    def absolute(x):
        return x if x > 0 else -x
    assert float(grad(absolute)(-2.0)) == -1.0
    assert float(grad(grad(lambda x: absolute(x) ** 3))(-2.0)) == 12.0


def test_perturbation_confusion_is_avoided():
    inner = lambda x: grad(lambda y: x + y)(1.0)
    assert float(grad(lambda x: x * inner(x))(1.0)) == 1.0
    assert float(jvp(lambda x: x * jvp(lambda y: x, (2.0,), (1.0,))[1], (1.0,), (1.0,))[1]) == 0.0


def test_stop_gradient():
    assert float(grad(lambda x: x * lax.stop_gradient(x))(3.0)) == 3.0
    assert float(jit(grad(lambda x: lax.stop_gradient(x) ** 2 + x))(3.0)) == 1.0


def test_closed_over_values_are_constants():
    def outer(x):
        return grad(lambda y: y * x)(2.0) * x
    np.testing.assert_allclose(grad(outer)(3.0), 6.0)
    np.testing.assert_allclose(jit(grad(jit(outer)))(3.0), 6.0)


def test_weak_types_of_results():
    assert grad(jnp.sin)(1.0).dtype == np.float32
    assert vjp(jnp.sin, jnp.bfloat16(1.0))[1](jnp.bfloat16(1.0))[0].dtype == jnp.bfloat16
