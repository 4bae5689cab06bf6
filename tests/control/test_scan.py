"""`lax.scan` and `lax.map`: meaning, transformations, types, errors, text."""
from __future__ import annotations

import numpy as np
import pytest
from tests.control.properties import check_unrolled

import arrax
import arrax.numpy as jnp
from arrax import lax

X = np.array([0.1, 0.2, 0.3], np.float32)
XS = np.linspace(-1, 1, 12, dtype=np.float32).reshape(4, 3)


def dense(c, x):
    return jnp.tanh(c * x + c), c * c


BODIES = {
    "carry and ys": lambda c, xs: lax.scan(lambda c, x: (c * jnp.sin(x), c + x), c, xs),
    "nonlinear": lambda c, xs: lax.scan(dense, c, xs),
    "reverse": lambda c, xs: lax.scan(dense, c, xs, reverse=True),
    "no ys": lambda c, xs: lax.scan(lambda c, x: (jnp.sin(c) * x, None), c, xs)[0],
    "no carry": lambda c, xs: lax.scan(lambda _, x: ((), jnp.exp(x) * c), (), xs)[1],
    "closure": lambda c, xs: lax.scan(lambda s, x: (s + jnp.sin(c) * x, s * c), c, xs),
    "no xs": lambda c, xs: lax.scan(lambda s, _: (jnp.sin(s) * xs[0], s), c, None, length=3),
    "pytrees": lambda c, xs: lax.scan(
        lambda s, x: ({"a": s["a"] * x[0], "b": s["b"] + s["a"].sum()}, (s["a"], x[1])),
        {"a": c, "b": c.sum()}, (xs, xs * 2)),
    "counter": lambda c, xs: lax.scan(
        lambda s, x: ((s[0] + 1, s[1] * x + s[0]), s[1]), (0, c), xs)[1],
    "unused carry": lambda c, xs: lax.scan(lambda s, x: ((s[0], s[1] * x), s[0]), (c, c), xs)[1],
    "unroll": lambda c, xs: lax.scan(dense, c, xs, unroll=2),
    "nested": lambda c, xs: lax.scan(
        lambda s, x: (lax.scan(lambda t, y: (t * jnp.sin(y), t), s, xs)[0] + x, s), c, xs),
    "cond inside": lambda c, xs: lax.scan(
        lambda s, x: (lax.cond(s.sum() > 0, jnp.sin, lambda v: v * x, s), s), c, xs),
    "jit inside": lambda c, xs: lax.scan(lambda s, x: (arrax.jit(dense)(s, x)[0], s), c, xs),
}


@pytest.mark.parametrize("name", BODIES)
def test_means_the_python_loop(name):
    body = BODIES[name]
    if name == "cond inside":  # plain Python cannot branch on a batched predicate
        body_reference = lambda c, xs: lax.scan(
            lambda s, x: (jnp.where(s.sum() > 0, jnp.sin(s), s * x), s), c, xs)
        check_unrolled(body, X, XS, reference=body_reference)
    else:
        check_unrolled(body, X, XS)


def test_map():
    check_unrolled(lambda xs: lax.map(lambda x: jnp.sin(x) * x.sum(), xs), XS)
    np.testing.assert_allclose(lax.map(lambda x: x * 2, XS, batch_size=3), XS * 2)
    np.testing.assert_allclose(lax.map(lambda x: x * 2, XS, batch_size=9), XS * 2)


def test_zero_length():
    carry, ys = lax.scan(lambda c, x: (c + 1, c), 0, jnp.arange(0))
    assert carry == 0 and ys.shape == (0,)


WEAK = [
    (lambda c, x: (c + x, None), 0.0, np.float32, False),
    (lambda c, x: (c * 2, None), 0.0, np.float32, True),
    (lambda c, x: (c * 2.0, None), 0, np.float32, False),
    (lambda c, x: (c + x.astype(jnp.bfloat16), None), 0, jnp.bfloat16, False),
]


@pytest.mark.parametrize("body, init, dtype, weak", WEAK)
def test_weak_types_of_carries(body, init, dtype, weak):
    carry, _ = lax.scan(body, init, jnp.arange(3.0))
    assert carry.dtype == dtype and carry.weak_type == weak


Y = np.ones((5, 3), np.float32)
ERRORS = {
    "callable": (lambda: lax.scan(3, X, Y), TypeError,
                 "lax.scan: f argument should be a callable."),
    "dtype": (lambda: lax.scan(lambda c, x: (c.astype(int), None), X, Y), TypeError,
              "scan body function carry input and carry output must have equal types, but they "
              "differ:\n\nThe input carry c has type float32[3] but the corresponding output carry "
              "component has type int32[3], so the dtypes do not match.\n\nRevise the function so "
              "that all output types match the corresponding input types."),
    "two components": (
        lambda: lax.scan(lambda c, x: ({"a": c["a"] > 0, "b": 2}, None), {"a": X, "b": X}, Y),
        TypeError,
        "  * the input carry component c['a'] has type float32[3] but the corresponding output "
        "carry component has type bool[3], so the dtypes do not match;\n  * the input carry "
        "component c['b'] has type float32[3] but the corresponding output carry component has "
        "type int32[], so the dtypes do not match, and the shapes do not match."),
    "structure": (lambda: lax.scan(lambda c, x: ((c, c), None), X, Y), TypeError,
                  "so their Python types differ.\n\nRevise the function so that the carry output "
                  "has the same pytree structure as the carry input."),
    "keys": (lambda: lax.scan(lambda c, x: ({"a": c["a"]}, None), {"a": X, "b": X}, Y), TypeError,
             "is a <class 'dict'> with 2 children but the corresponding component of the carry "
             "output is a <class 'dict'> with 1 child, so the numbers of children do not match, "
             "with the symmetric difference of key sets: {'b'}."),
    "pair": (lambda: lax.scan(lambda c, x: c, X, Y), TypeError,
             "scan body output must be a pair, got float32[3]."),
    "sizes": (lambda: lax.scan(lambda c, x: (c, x), X, (Y, X)), ValueError,
              "scan got values with different leading axis sizes: 5, 3."),
    "length": (lambda: lax.scan(lambda c, x: (c, x), X, Y, length=4), ValueError,
               "scan got `length` argument of 4 which disagrees with leading axis sizes [5]."),
    "scalar": (lambda: lax.scan(lambda c, x: (c, x), X, 3.0), ValueError,
               "scan got value with no leading axis to scan over: 3.0."),
    "nothing": (lambda: lax.scan(lambda c, x: (c, x), X, None), ValueError,
                "scan got no values to scan over and `length` not provided."),
    "no array": (lambda: lax.scan(lambda c, x: (c, x), "foo", Y), TypeError,
                 "Argument 'foo' of type <class 'str'> is not a valid JAX type"),
    "result": (lambda: lax.scan(lambda c, x: (c, "foo"), X, Y), TypeError,
               "at output component [1], which is not a valid JAX type"),
    "traced length": (
        lambda: arrax.jit(lambda n: lax.scan(lambda c, x: (c, x), X, None, length=n))(3),
        arrax.errors.ConcretizationTypeError,
        "The `length` argument to `scan` expects a concrete `int` value."),
}


@pytest.mark.parametrize("name", ERRORS)
def test_errors(name):
    call, kind, text = ERRORS[name]
    with pytest.raises(kind) as error:
        call()
    assert text in str(error.value)


def test_text():
    jaxpr = arrax.make_jaxpr(lambda c, xs: lax.scan(lambda c, x: (c + x, c * 2), c, xs))(X, Y)
    assert str(jaxpr) == """\
{ lambda ; a:f32[3] b:f32[5,3]. let
    c:f32[3] d:f32[5,3] = scan[
      jaxpr={ lambda ; e:f32[3] f:f32[3]. let
          g:f32[3] = add e f
          h:f32[3] = mul e 2.0:f32[]
        in (g, h) }
      length=5
      num_carry=1
      num_consts=0
      reverse=False
      unroll=1
    ] a b
  in (c, d) }"""


def eqns_named(jaxpr, name):
    return [eqn for eqn in jaxpr.eqns if eqn.primitive.name == name]


def test_residuals_that_do_not_change_leave_the_loop():
    def loss(w, c):
        return lax.scan(lambda c, _: (c * jnp.exp(w), None), c, None, length=5)[0].sum()
    jaxpr = arrax.make_jaxpr(arrax.grad(loss))(X, X)
    forward, backward = eqns_named(jaxpr, "scan")
    assert not eqns_named(forward.params["jaxpr"], "exp")  # computed once, before the loop
    assert backward.params["num_consts"] == 1


def test_slices_of_xs_are_not_stacked_again():
    jaxpr = arrax.make_jaxpr(arrax.grad(
        lambda c, xs: lax.scan(lambda c, x: (c * x, None), c, xs)[0].sum()))(X, Y)
    forward, backward = eqns_named(jaxpr, "scan")
    assert len(forward.outvars) == 1
    assert jaxpr.jaxpr.invars[1] in backward.invars


def test_dead_carries_go():
    from arrax.transforms.partial_eval import dce_jaxpr
    closed = arrax.make_jaxpr(lambda c, xs: lax.scan(
        lambda s, x: ((s[0] * x, jnp.sin(s[1])), (s[0], s[1])), (c, c), xs))(X, Y)
    jaxpr, used = dce_jaxpr(closed.jaxpr, [True, False, True, False])
    (eqn,) = eqns_named(jaxpr, "scan")
    assert eqn.params["num_carry"] == 1 and len(eqn.outvars) == 2 and used == [True, True]


def test_a_carry_that_no_cotangent_reaches_is_not_transposed():
    """Its part of the body would make 0 * inf."""
    def last_and_rest(x):
        def body(carry, y):
            return (carry[0] + jnp.log(y), carry[1] * y), jnp.sin(y)
        return lax.scan(body, (0.0, 1.0), x)
    x = jnp.array([0.0, 0.5, 1.0])
    np.testing.assert_allclose(arrax.grad(lambda x: last_and_rest(x)[1].sum())(x), np.cos(x), 1e-6)
    np.testing.assert_allclose(arrax.grad(lambda x: last_and_rest(x)[0][1])(x), [0.5, 0, 0], 1e-6)
    text = str(arrax.make_jaxpr(arrax.grad(lambda x: last_and_rest(x)[1].sum()))(x))
    assert "div" not in text.split("scan[")[-1]


def test_the_same_function_is_traced_once():
    count = [0]

    def body(c, x):
        count[0] += 1
        return c + x, None
    for _ in range(3):
        lax.scan(body, 0.0, jnp.arange(3.0))
    first = count[0]
    lax.scan(body, 0.0, jnp.arange(3.0))
    assert count[0] == first <= 2


def test_key_arrays():
    keys = arrax.random.split(arrax.random.key(0), 3)
    _, ys = lax.scan(lambda c, k: (c, arrax.random.bits(k)), 0, keys)
    expected = [int(arrax.random.bits(k)) for k in keys]
    assert ys.tolist() == expected


@pytest.mark.parametrize("unroll", [False, 0, 1, 3, True])
def test_unroll_may_be_nothing_but_not_negative(unroll: int) -> None:
    total, _ = lax.scan(lambda c, x: (c + x, None), 0.0, jnp.arange(5.0), unroll=unroll)
    assert total == 10
    with pytest.raises(ValueError, match="`unroll` must be"):
        lax.scan(lambda c, x: (c + x, None), 0.0, jnp.arange(5.0), unroll=-1)
