"""The documents "Quickstart notes" and "How to think in JAX": each of their cells.

The second one was printed by an older JAX; where it differs from the notebook (tracer names,
literals with types, lax.add's error), the notebook's text holds.
"""
from __future__ import annotations

import re
from functools import partial

import numpy as np
import pytest

import arrax as jax
import arrax.numpy as jnp
from arrax import grad, jacfwd, jacrev, jit, lax, make_jaxpr


def test_random_numbers_from_a_key():
    x = jax.random.normal(jax.random.PRNGKey(0), (10,))
    assert x.shape == (10,) and x.dtype == jnp.float32
    assert np.isfinite(np.asarray(jax.device_put(np.ones(3)))).all()


def test_selu_both_ways_of_compiling():
    def selu(x, alpha=1.67, lmbda=1.05):
        return lmbda * jnp.where(x > 0, x, alpha * jnp.exp(x) - alpha)

    jit_selu = jit(selu)

    @jit
    def decorated(x, alpha=1.67, lmbda=1.05):
        return lmbda * jnp.where(x > 0, x, alpha * jnp.exp(x) - alpha)
    x = jnp.arange(-3.0, 3.0)
    expected = 1.05 * np.where(np.asarray(x) > 0, x, 1.67 * np.exp(x) - 1.67)
    for f in (selu, jit_selu, decorated):
        np.testing.assert_allclose(f(x), expected, rtol=1e-6)


def sum_logistic(x):
    return jnp.sum(1.0 / (1.0 + jnp.exp(-x)))


def test_gradient_of_sum_logistic(capsys):
    x_small = jnp.arange(3.)
    derivative_fn = grad(sum_logistic)
    print(derivative_fn(x_small))
    values = [float(v) for v in re.findall(r"[\d.]+", capsys.readouterr().out)]
    np.testing.assert_allclose(values, [0.25, 0.19661194, 0.10499357], rtol=1e-6)


def test_hessian_is_jit_of_jacfwd_of_jacrev():
    def hessian(fun):
        return jit(jacfwd(jacrev(fun)))
    x = jnp.arange(3.)
    s = 1 / (1 + np.exp(-np.asarray(x)))
    np.testing.assert_allclose(hessian(sum_logistic)(x), np.diag(s * (1 - s) * (1 - 2 * s)),
                               atol=1e-6)


def test_vmap_composes_with_jit():
    mat = jax.random.normal(jax.random.PRNGKey(1), (15, 10))
    batch = jax.random.normal(jax.random.PRNGKey(2), (4, 10))
    got = jit(jax.vmap(lambda v: jnp.dot(mat, v)))(batch)
    np.testing.assert_allclose(got, np.asarray(batch) @ np.asarray(mat).T, rtol=1e-4, atol=1e-5)


def test_arrays_are_used_in_place_of_numpy_arrays():
    x_np = np.linspace(0, 10, 1000)
    x_jnp = jnp.linspace(0, 10, 1000)
    y_np = 2 * np.sin(x_np) * np.cos(x_np)
    y_jnp = 2 * jnp.sin(x_jnp) * jnp.cos(x_jnp)
    np.testing.assert_allclose(y_np, y_jnp, atol=1e-5)
    assert isinstance(x_jnp, jax.Array)


def test_arrays_are_immutable():
    x = jnp.arange(10)
    with pytest.raises(TypeError) as error:
        x[0] = 10
    text = str(error.value)
    assert "object does not support item assignment. JAX arrays are immutable." in text
    assert "Instead of ``x[idx] = y``, use ``x = x.at[idx].set(y)`` or another .at[] method" in text


def test_indexed_update(capsys):
    x = jnp.arange(10)
    y = x.at[0].set(10)
    print(x)
    print(y)
    assert capsys.readouterr().out == "[0 1 2 3 4 5 6 7 8 9]\n[10  1  2  3  4  5  6  7  8  9]\n"


def test_numpy_promotes_and_lax_does_not():
    assert repr(jnp.add(1, 1.0)) == "Array(2., dtype=float32, weak_type=True)"
    with pytest.raises(TypeError, match="lax.add requires arguments to have the same dtypes, got "
                                        "int32, float32"):
        lax.add(1, 1.0)
    assert repr(lax.add(jnp.float32(1), 1.0)) == "Array(2., dtype=float32)"


def test_convolution_by_numpy_and_lax():
    x = jnp.array([1, 2, 1])
    y = jnp.ones(10)
    text = "Array([1., 3., 4., 4., 4., 4., 4., 4., 4., 4., 3., 1.], dtype=float32)"
    assert repr(jnp.convolve(x, y)) == text
    result = lax.conv_general_dilated(
        x.reshape(1, 1, 3).astype(float), y.reshape(1, 1, 10), window_strides=(1,),
        padding=[(len(y) - 1, len(y) - 1)])
    assert repr(result[0, 0]) == text


@pytest.mark.parametrize("shape", [(10000, 10), (7, 3)])
def test_norm_compiled_equals_norm(shape):
    def norm(X):
        X = X - X.mean(0)
        return X / X.std(0)
    norm_compiled = jit(norm)
    X = jnp.array(np.random.default_rng(0).random(shape))
    np.testing.assert_allclose(norm(X), norm_compiled(X), atol=1e-5)


def test_boolean_masks_work_outside_jit_only():
    def get_negatives(x):
        return x[x < 0]
    x = jnp.array(np.random.default_rng(0).standard_normal(10))
    np.testing.assert_array_equal(get_negatives(x), np.asarray(x)[np.asarray(x) < 0])
    with pytest.raises(jax.errors.NonConcreteBooleanIndexError,
                       match="Array boolean indices must be concrete; got"):
        jit(get_negatives)(x)


def test_prints_happen_while_tracing(capsys):
    @jit
    def f(x, y):
        print("Running f():")
        print(f"  x = {x}")
        print(f"  y = {y}")
        result = jnp.dot(x + 1, y + 1)
        print(f"  result = {result}")
        return result
    x, y = np.ones((3, 4)), np.ones(4)
    np.testing.assert_allclose(f(x, y), np.full(3, 16.0))
    assert capsys.readouterr().out == (
        "Running f():\n  x = JitTracer<float32[3,4]>\n  y = JitTracer<float32[4]>\n"
        "  result = JitTracer<float32[3]>\n")
    np.testing.assert_allclose(f(2 * x, y), np.full(3, 24.0))
    assert capsys.readouterr().out == ""


def test_jaxpr_of_dot():
    def f(x, y):
        return jnp.dot(x + 1, y + 1)
    text = str(make_jaxpr(f)(np.ones((3, 4)), np.ones(4)))
    assert "c:f32[3,4] = add a 1.0" in text and "d:f32[4] = add b 1.0" in text
    assert "dimension_numbers=(([1], [0]), ([], []))" in text


def test_control_flow_on_traced_values_fails():
    def f(x, neg):
        return -x if neg else x
    with pytest.raises(jax.errors.TracerBoolConversionError,
                       match="Attempted boolean conversion of traced array with shape bool"):
        jit(f)(1, True)


def test_static_arguments():
    @partial(jit, static_argnums=(1,))
    def f(x, neg):
        return -x if neg else x
    assert repr(f(1, True)) == "Array(-1, dtype=int32, weak_type=True)"
    assert repr(f(1, False)) == "Array(1, dtype=int32, weak_type=True)"


def test_static_and_traced_operations():
    x = jnp.ones((2, 3))
    with pytest.raises(TypeError, match="Shapes must be 1D sequences of concrete values of integer "
                                        "type, got"):
        jit(lambda x: x.reshape(jnp.array(x.shape).prod()))(x)
    f = jit(lambda x: x.reshape((np.prod(x.shape),)))
    assert repr(f(x)) == "Array([1., 1., 1., 1., 1., 1.], dtype=float32)"
