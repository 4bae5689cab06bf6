"""`custom_vjp`: rules under every transformation, arguments, symbolic zeros, errors, text."""
from __future__ import annotations

import functools

import numpy as np
import pytest

import arrax
import arrax.numpy as jnp
from arrax import custom_vjp, lax
from arrax.custom_derivatives import custom_vjp_primal_tree_values

X = jnp.array([0.1, 0.2, 0.3])


@custom_vjp
def f(x, y):
    return jnp.sin(x) * y


def f_fwd(x, y):
    return f(x, y), (jnp.cos(x), y)


def f_bwd(residuals, ct):
    cos_x, y = residuals
    return 3 * cos_x * y * ct, jnp.sum(ct * 5)


f.defvjp(f_fwd, f_bwd)
Y = 2.0


def total(g):
    return lambda x, y: g(x, y).sum()


over_x = functools.partial(arrax.vmap, in_axes=(0, None))
GRADIENTS = {
    "grad": lambda: arrax.grad(total(f), (0, 1))(X, Y),
    "jit of grad": lambda: arrax.jit(arrax.grad(total(f), (0, 1)))(X, Y),
    "grad of jit": lambda: arrax.grad(arrax.jit(total(f)), (0, 1))(X, Y),
    "grad of vmap": lambda: arrax.grad(total(over_x(f)), (0, 1))(X, Y),
    "jit of grad of vmap": lambda: arrax.jit(arrax.grad(total(over_x(f)), (0, 1)))(X, Y),
    "grad of jit of vmap": lambda: arrax.grad(arrax.jit(total(over_x(f))), (0, 1))(X, Y),
    "grad of vmap of jit": lambda: arrax.grad(total(over_x(arrax.jit(f))), (0, 1))(X, Y),
    "vjp": lambda: arrax.vjp(total(f), X, Y)[1](1.0),
    "map": lambda: arrax.grad(lambda x, y: lax.map(lambda v: f(v, y), x).sum(), (0, 1))(X, Y),
    "cond": lambda: arrax.grad(
        lambda x, y: lax.cond(True, f, lambda x, y: x, x, y).sum(), (0, 1))(X, Y),
    "checkpoint": lambda: arrax.grad(arrax.checkpoint(total(f)), (0, 1))(X, Y),
}


@pytest.mark.parametrize("name", GRADIENTS)
def test_the_rule_is_used(name):
    dx, dy = GRADIENTS[name]()
    np.testing.assert_allclose(dx, 3 * np.cos(X) * Y, rtol=1e-6)
    np.testing.assert_allclose(dy, 15 if np.ndim(dy) == 0 else [5, 5, 5])


def test_vmap_of_grad():
    dx, dy = arrax.vmap(arrax.grad(f, (0, 1)), (0, None))(X, Y)
    np.testing.assert_allclose(dx, 3 * np.cos(X) * Y, rtol=1e-6)
    np.testing.assert_allclose(dy, [5, 5, 5])
    loop = arrax.vmap(arrax.grad(lambda x: lax.scan(lambda c, _: (f(c, Y), None), x, None,
                                                    length=2)[0]))(X)
    inner = np.sin(X) * Y
    np.testing.assert_allclose(loop, 9 * np.cos(inner) * Y * np.cos(X) * Y, rtol=1e-5)


def test_second_order():
    value = arrax.grad(arrax.grad(lambda x: f(x, Y)))(0.5)
    np.testing.assert_allclose(value, -3 * np.sin(0.5) * Y, rtol=1e-6)


def test_integers_none_and_pytrees():
    @custom_vjp
    def g(d, n, flag):
        return d["a"] * n + d["b"][0]
    g.defvjp(lambda d, n, flag: (g(d, n, flag), n),
             lambda n, ct: ({"a": ct * n * 2, "b": None}, None, None))
    grads = arrax.grad(g)({"a": 1.0, "b": (2.0,)}, 3, True)
    assert grads == {"a": 6.0, "b": (0.0,)}


def test_nondiff_arguments():
    @functools.partial(custom_vjp, nondiff_argnums=(0,))
    def apply(fun, x):
        return fun(x)
    apply.defvjp(lambda fun, x: (fun(x), x), lambda fun, x, ct: (ct * 7,))
    assert arrax.grad(apply, 1)(jnp.sin, 2.0) == 7
    assert arrax.jit(arrax.grad(lambda x: apply(jnp.sin, x)))(2.0) == 7


def test_symbolic_zeros():
    seen = []

    @custom_vjp
    def g(x, y):
        return x * y, x

    def fwd(x, y):
        seen.append((x.perturbed, y.perturbed))
        x, y = custom_vjp_primal_tree_values((x, y))
        return (x * y, x), y

    def bwd(y, cts):
        seen.append(type(cts[1]).__name__)
        return cts[0] * y, None
    g.defvjp(fwd, bwd, symbolic_zeros=True)
    assert arrax.grad(lambda x: g(x, 2.0)[0])(1.0) == 2
    assert seen == [(True, False), "SymbolicZero"]


def gradient_of(fwd, bwd):
    g = custom_vjp(lambda x: jnp.sin(x))
    g.defvjp(fwd, bwd)
    return lambda: arrax.grad(g)(1.0)


def closes_over(z):
    @custom_vjp
    def g(x):
        return jnp.sin(x) * z
    g.defvjp(lambda x: (g(x), x), lambda x, ct: (ct,))
    return g(1.0)


def traced_nondiff(n):
    g = custom_vjp(lambda n, x: x * n, nondiff_argnums=(0,))
    g.defvjp(lambda n, x: (x * n, None), lambda n, r, ct: (ct,))
    return g(n, 1.0)


ERRORS = {
    "no rule": (lambda: custom_vjp(jnp.sin)(1.0), AttributeError,
                "No VJP defined for custom_vjp function sin using defvjp."),
    "no pair": (gradient_of(lambda x: x, lambda r, t: (t,)), TypeError,
                "must produce a pair (list or tuple of length two) where the first element "
                "represents the primal output"),
    "no tuple": (gradient_of(lambda x: (x, None), lambda r, t: t), TypeError,
                 "Custom VJP bwd rule must produce an output with the same container (pytree) "
                 "structure as the args tuple of the primal function, and in particular must "
                 "produce a tuple of length equal to the number of arguments to the primal "
                 "function, but got bwd output structure PyTreeDef(*) for primal input structure "
                 "PyTreeDef((*,))."),
    "length": (gradient_of(lambda x: (x, None), lambda r, t: (t, t)), TypeError,
               "bwd output structure PyTreeDef((*, *)) for primal input structure "
               "PyTreeDef((*,))."),
    "shape": (gradient_of(lambda x: (x, None), lambda r, t: (jnp.zeros(3),)), ValueError,
              "at output[0] the bwd rule produced an output of type float32[3] corresponding to an "
              "input of type float32[], so the shapes do not match"),
    "jvp": (lambda: arrax.jvp(f, (1.0, 2.0), (1.0, 1.0)), TypeError,
            "can't apply forward-mode autodiff (jvp) to a custom_vjp function."),
    "nondiff tracer": (lambda: arrax.jit(traced_nondiff)(2.0), arrax.errors.UnexpectedTracerError,
                       "Found a JAX Tracer object passed as an argument to a custom_vjp function "
                       "in a position indicated by nondiff_argnums as non-differentiable."),
    "closure": (lambda: arrax.grad(closes_over)(2.0), arrax.errors.UnexpectedTracerError,
                "Encountered an unexpected tracer."),
    "closure in jit": (lambda: arrax.grad(arrax.jit(closes_over))(2.0), Exception,
                       "Detected differentiation of a custom_vjp function with respect to a "
                       "closed-over value."),
}


@pytest.mark.parametrize("name", ERRORS)
def test_errors(name):
    call, kind, text = ERRORS[name]
    with pytest.raises(kind) as error:
        call()
    assert text in str(error.value)


def test_closing_over_values_that_are_not_differentiated():
    np.testing.assert_allclose(arrax.vmap(closes_over)(X), np.sin(1) * np.asarray(X), rtol=1e-6)


def test_text():
    assert str(arrax.make_jaxpr(f)(X, X)) == """\
{ lambda ; a:f32[3] b:f32[3]. let
    c:f32[3] = custom_vjp_call[
      name=f
      bwd=f_bwd
      call_jaxpr={ lambda ; d:f32[3] e:f32[3]. let
          f:f32[3] = sin d
          g:f32[3] = mul f e
        in (g,) }
      fwd=f_fwd
      symbolic_zeros=False
    ] a b
  in (c,) }"""
