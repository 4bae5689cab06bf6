"""`custom_jvp`: rules under every transformation, arguments, symbolic zeros, errors, text."""
from __future__ import annotations

import functools

import numpy as np
import pytest

import arrax
import arrax.numpy as jnp
from arrax import custom_jvp, lax
from arrax.custom_derivatives import SymbolicZero

X = jnp.array([0.1, 0.2, 0.3])


@custom_jvp
def f(x):
    return jnp.sin(x)


@f.defjvp
def f_jvp(primals, tangents):
    (x,), (t,) = primals, tangents
    return f(x), t * 2 * jnp.cos(x)


def total(g):
    return lambda x: g(x).sum()


GRADIENTS = {
    "grad": lambda x: arrax.grad(total(f))(x),
    "jit of grad": lambda x: arrax.jit(arrax.grad(total(f)))(x),
    "grad of jit": lambda x: arrax.grad(arrax.jit(total(f)))(x),
    "vmap of grad": lambda x: arrax.vmap(arrax.grad(f))(x),
    "grad of vmap": lambda x: arrax.grad(total(arrax.vmap(f)))(x),
    "jit of grad of vmap of jit":
        lambda x: arrax.jit(arrax.grad(total(arrax.vmap(arrax.jit(f)))))(x),
    "jvp": lambda x: arrax.jvp(f, (x,), (jnp.ones_like(x),))[1],
    "linearize": lambda x: arrax.linearize(f, x)[1](jnp.ones_like(x)),
    "scan": lambda x: arrax.grad(lambda x: lax.map(f, x).sum())(x),
    "cond": lambda x: arrax.grad(lambda x: lax.cond(True, f, jnp.cos, x).sum())(x),
    "while": lambda x: arrax.jvp(lambda x: lax.while_loop(
        lambda c: c[0] < 1, lambda c: (c[0] + 1, f(c[1])), (0, x))[1], (x,),
        (jnp.ones_like(x),))[1],
    "checkpoint": lambda x: arrax.grad(arrax.checkpoint(total(f)))(x),
    "remat of jit": lambda x: arrax.grad(arrax.checkpoint(arrax.jit(total(f))))(x),
}


@pytest.mark.parametrize("name", GRADIENTS)
def test_the_rule_is_used(name):
    np.testing.assert_allclose(GRADIENTS[name](X), 2 * np.cos(X), rtol=1e-6)


def test_second_order():
    np.testing.assert_allclose(arrax.grad(arrax.grad(f))(0.5), -2 * np.sin(0.5), rtol=1e-6)


def test_rules_see_concrete_values():
    @custom_jvp
    def g(x):
        return x if x > 0 else -x  # Python control flow

    @g.defjvp
    def g_jvp(primals, tangents):
        return g(*primals), tangents[0] if primals[0] > 1 else tangents[0] * 3
    assert arrax.grad(g)(2.0) == 1 and arrax.grad(g)(0.5) == 3


def test_defjvps_and_integers():
    @custom_jvp
    def g(x, n):
        return x * n
    g.defjvps(lambda t, out, x, n: t * n * 10, None)
    assert arrax.grad(g)(2.0, 3) == 30
    assert arrax.vmap(arrax.grad(g), (0, None))(jnp.ones(2), 3).tolist() == [30, 30]


def test_nondiff_arguments():
    @functools.partial(custom_jvp, nondiff_argnums=(0,))
    def apply(fun, x):
        return fun(x)

    @apply.defjvp
    def apply_jvp(fun, primals, tangents):
        return apply(fun, *primals), tangents[0] * 7
    assert arrax.grad(apply, 1)(jnp.sin, 2.0) == 7
    assert arrax.jit(arrax.grad(lambda x: apply(jnp.sin, x)))(2.0) == 7


def test_keywords_and_defaults():
    @custom_jvp
    def g(x, y=3.0):
        return x * y
    g.defjvp(lambda p, t: (p[0] * p[1], t[0] * 5))
    assert arrax.grad(lambda x: g(x))(1.0) == 5 and arrax.grad(lambda x: g(y=2.0, x=x))(1.0) == 5


def test_symbolic_zeros():
    seen = []

    @custom_jvp
    def g(x, y):
        return x * y

    def g_jvp(primals, tangents):
        seen.append([isinstance(t, SymbolicZero) for t in tangents])
        (x, y), (_, t) = primals, tangents
        return g(x, y), t * x
    g.defjvp(g_jvp, symbolic_zeros=True)
    assert arrax.grad(g, 1)(2.0, 3.0) == 2
    assert arrax.vmap(arrax.grad(g, 1), (0, 0))(jnp.ones(2), jnp.ones(2)).tolist() == [1, 1]
    assert seen == [[True, False]] * 2


def test_pytrees():
    @custom_jvp
    def g(d):
        return {"out": d["a"] * d["b"], "same": d["a"]}

    @g.defjvp
    def g_jvp(primals, tangents):
        (d,), (t,) = primals, tangents
        return g(d), {"out": t["a"] * 2, "same": t["b"]}
    args = {"a": 3.0, "b": 4.0}
    _, out = arrax.jvp(g, (args,), ({"a": 1.0, "b": 10.0},))
    assert out == {"out": 2.0, "same": 10.0}


def with_rule(rule):
    g = custom_jvp(lambda x: jnp.sin(x))
    g.defjvp(rule)
    return lambda: arrax.jvp(g, (1.0,), (1.0,))


def closes_over(z):
    @custom_jvp
    def g(x):
        return jnp.sin(x) * z
    g.defjvp(lambda p, t: (g(p[0]), t[0]))
    return g(1.0)


ERRORS = {
    "no rule": (lambda: custom_jvp(jnp.sin)(1.0), AttributeError,
                "No JVP defined for custom_jvp function sin using defjvp."),
    "no pair": (with_rule(lambda p, t: p[0]), TypeError,
                "must produce a pair (list or tuple of length two) representing primal and tangent "
                "outputs, but got 1.0."),
    "trees": (with_rule(lambda p, t: (p[0], (t[0], t[0]))), TypeError,
              "must produce primal and tangent outputs with equal container (pytree) structures, "
              "but got PyTreeDef(*) and PyTreeDef((*, *)) respectively."),
    "shape": (with_rule(lambda p, t: (p[0], jnp.zeros(3))), TypeError,
              "Custom JVP rule must produce primal and tangent outputs with corresponding shapes "
              "and dtypes. Expected float32[] (tangent type of float32[]) but got float32[3]."),
    "dtype": (with_rule(lambda p, t: (p[0], 1)), TypeError, "but got int32[]."),
    "arguments": (lambda: f(y=1.0), TypeError,
                  "The input arguments to the custom_jvp-decorated function f could not be "
                  "resolved to positional-only arguments. Binding failed with the error:\nmissing "
                  "a required argument: 'x'"),
    "closure": (lambda: arrax.grad(closes_over)(2.0), arrax.errors.UnexpectedTracerError,
                "Encountered an unexpected tracer."),
    "closure in jit": (lambda: arrax.grad(arrax.jit(closes_over))(2.0), Exception,
                       "Detected differentiation of a custom_jvp function with respect to a "
                       "closed-over value."),
}


@pytest.mark.parametrize("name", ERRORS)
def test_errors(name):
    call, kind, text = ERRORS[name]
    with pytest.raises(kind) as error:
        call()
    assert text in str(error.value)


def test_closing_over_values_that_are_not_differentiated():
    assert np.isclose(arrax.jit(closes_over)(2.0), 2 * np.sin(1))
    np.testing.assert_allclose(arrax.vmap(closes_over)(X), np.sin(1) * np.asarray(X), rtol=1e-6)


def test_text():
    assert str(arrax.make_jaxpr(f)(X)) == """\
{ lambda ; a:f32[3]. let
    b:f32[3] = custom_jvp_call[
      name=f
      call_jaxpr={ lambda ; c:f32[3]. let d:f32[3] = sin c in (d,) }
      jvp=f_jvp
      symbolic_zeros=False
    ] a
  in (b,) }"""
