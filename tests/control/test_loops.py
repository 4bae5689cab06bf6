"""`lax.while_loop` and `lax.fori_loop`: meaning, transformations, types, errors, text."""
from __future__ import annotations

import numpy as np
import pytest
from tests.control.properties import check_unrolled

import arrax
import arrax.numpy as jnp
from arrax import lax

X = np.array([0.1, 0.2, 0.3], np.float32)


def test_while_means_the_python_loop():
    def f(x):
        return lax.while_loop(lambda c: c[0] < 4, lambda c: (c[0] + 1, jnp.sin(c[1]) * x), (0, x))
    check_unrolled(f, X, reverse=False)


def masked_reference(x):
    for _ in range(12):
        x = jnp.where(x < 3, x * 1.5, x)
    return x


def test_while_with_a_batched_predicate():
    def f(x):
        return lax.while_loop(lambda c: c < 3, lambda c: c * 1.5, x)
    check_unrolled(f, np.float32(0.3), reverse=False, reference=masked_reference)


def test_closed_over_values():
    def f(x, y):
        return lax.while_loop(lambda c: c.sum() < y.sum(), lambda c: c + 1 + jnp.sin(y) ** 2, x)
    check_unrolled(f, X, X + 2, differentiable=False, reference=lambda x, y: reference_sum(x, y))


def reference_sum(x, y):
    for _ in range(10):
        x = jnp.where(x.sum() < y.sum(), x + 1 + jnp.sin(y) ** 2, x)
    return x


FORI = {
    "plain": lambda x: lax.fori_loop(0, 4, lambda i, c: jnp.sin(c) * x + i, x),
    "offset": lambda x: lax.fori_loop(3, 7, lambda i, c: c * jnp.cos(x * i), x),
    "none": lambda x: lax.fori_loop(5, 2, lambda i, c: c + 1, x),
    "pytree": lambda x: lax.fori_loop(0, 3, lambda i, c: {"a": c["a"] * 2, "b": c["b"] + c["a"]},
                                      {"a": x, "b": x}),
    "array": lambda x: lax.fori_loop(0, 3, lambda i, c: c.at[i].set(jnp.sin(c[i - 1])), x),
    "unroll": lambda x: lax.fori_loop(0, 4, lambda i, c: jnp.sin(c), x, unroll=True),
}


@pytest.mark.parametrize("name", FORI)
def test_fori_with_known_bounds(name):
    check_unrolled(FORI[name], X)


def test_fori_with_traced_bounds():
    def f(n, x):
        return lax.fori_loop(0, n, lambda i, c: c * 2 + i, x)
    for n in (0, 1, 5):
        expected = f(n, 1.0)
        np.testing.assert_allclose(arrax.jit(f)(n, 1.0), expected)
    batch = arrax.vmap(f, (0, None))(jnp.arange(5), 1.0)
    np.testing.assert_allclose(batch, [f(n, 1.0) for n in range(5)])


@pytest.mark.parametrize("x64", [False, True])
@pytest.mark.parametrize("dtype", ["int8", "uint8", "int32", "uint32"])
def test_a_bound_in_python_takes_the_dtype_of_the_other(dtype: str, x64: bool):
    with arrax.enable_x64(x64):
        def total(low, high):
            return lax.fori_loop(low, high, lambda i, c: c + i.astype(float), 0.0)
        for bounds in ((1, jnp.array(4, dtype)), (jnp.array(1, dtype), 4)):
            assert float(total(*bounds)) == 6
            k = 0 if isinstance(bounds[1], int) else 1
            assert float(arrax.jit(total, static_argnums=1 - k)(*bounds)) == 6
        with pytest.raises(TypeError, match="must have equal types"):
            arrax.jit(total, static_argnums=1)(jnp.array(1, "int8"), 400)


def test_reverse_mode_of_while_is_an_error():
    with pytest.raises(ValueError, match="Reverse-mode differentiation does not work for "
                                         "lax.while_loop or lax.fori_loop with dynamic start/stop"):
        arrax.grad(lambda x: lax.while_loop(lambda c: c < 3, lambda c: c * 2, x))(1.0)


def test_known_carries_stay_known():
    def f(x):
        n, y = lax.while_loop(lambda c: c[0] < 3, lambda c: (c[0] + 1, c[1] * 2), (0, x))
        return y * n
    y, linear = arrax.linearize(f, 1.0)
    assert y == 24 and linear(1.0) == 24


@pytest.mark.parametrize("init, body, dtype", [
    (0, lambda c: c + 1.0, np.float32), (0.0, lambda c: c + jnp.bfloat16(1), jnp.bfloat16)])
def test_weak_carries_are_promoted(init, body, dtype):
    out = lax.while_loop(lambda c: c < 3, body, init)
    assert out == 3 and out.dtype == dtype and not out.weak_type


ERRORS = {
    "shape": (lambda: lax.while_loop(lambda c: True, lambda c: c[0], X), TypeError,
              "while_loop body function carry input and carry output must have equal types, but "
              "they differ:\n\nThe input carry c has type float32[3] but the corresponding output "
              "carry component has type float32[], so the shapes do not match."),
    "structure": (lambda: lax.while_loop(lambda c: True, lambda c: (c, c), X), TypeError,
                  "so their Python types differ."),
    "predicate": (lambda: lax.while_loop(lambda c: c > 0, lambda c: c, X), TypeError,
                  "cond_fun must return a boolean scalar, but got output type(s) "
                  "[ShapedArray(bool[3])]."),
    "predicate type": (lambda: lax.while_loop(lambda c: 1.0, lambda c: c, X), TypeError,
                       "[ShapedArray(float32[], weak_type=True)]."),
    "predicate tree": (lambda: lax.while_loop(lambda c: (True, True), lambda c: c, X), TypeError,
                       "cond_fun must return a boolean scalar, but got pytree PyTreeDef((*, *))."),
    "callable": (lambda: lax.while_loop(3, lambda c: c, X), TypeError,
                 "lax.while_loop: body_fun and cond_fun arguments should be callable."),
    "fori": (lambda: lax.fori_loop(0, 3, lambda i, c: c[0], X), TypeError,
             "The input carry component loop_carry[1] has type float32[3] but the corresponding "
             "output carry component has type float32[], so the shapes do not match."),
    "fori bounds": (lambda: lax.fori_loop(0.0, 3, lambda i, c: c, X), TypeError,
                    "lower and upper arguments to fori_loop must have equal types, got float32 and "
                    "int32"),
    "fori callable": (lambda: lax.fori_loop(0, 3, 3, X), TypeError,
                      "lax.fori_loop: body_fun argument should be callable."),
    "fori unroll": (lambda: arrax.jit(
        lambda n: lax.fori_loop(0, n, lambda i, c: c, 0, unroll=2))(3),
                    ValueError, "Can only use `unroll` in `fori_loop` if the loop bounds are "
                                "statically known."),
}


@pytest.mark.parametrize("name", ERRORS)
def test_errors(name):
    call, kind, text = ERRORS[name]
    with pytest.raises(kind) as error:
        call()
    assert text in str(error.value)


def test_text():
    jaxpr = arrax.make_jaxpr(
        lambda c, k: lax.while_loop(lambda c: c.sum() < k, lambda c: c + 1, c))(X, np.float32(3))
    assert str(jaxpr) == """\
{ lambda ; a:f32[3] b:f32[]. let
    c:f32[3] = while[
      body_jaxpr={ lambda ; d:f32[3]. let e:f32[3] = add d 1.0:f32[] in (e,) }
      body_nconsts=0
      cond_jaxpr={ lambda ; f:f32[] g:f32[3]. let
          h:f32[] = reduce_sum[axes=(0,) out_sharding=None] g
          i:bool[] = lt h f
        in (i,) }
      cond_nconsts=1
    ] b a
  in (c,) }"""


def test_dead_carries_go():
    from arrax.transforms.partial_eval import dce_jaxpr
    closed = arrax.make_jaxpr(lambda x: lax.while_loop(
        lambda c: c[0] < 3, lambda c: (c[0] + 1, c[1] * 2, jnp.sin(c[2])), (0, x, x)))(X)
    jaxpr, _ = dce_jaxpr(closed.jaxpr, [False, True, False])
    (eqn,) = jaxpr.eqns
    assert len(eqn.outvars) == 2


NAMED = {
    "fori": (lambda x: lax.fori_loop(0, 2, lambda i, c: c + lax.axis_index("i"), 0), [0, 2, 4]),
    "while": (lambda x: lax.while_loop(lambda c: c < 3, lambda c: c + 1 + lax.axis_index("i"), 0),
              [3, 4, 3]),
    "cond": (lambda x: lax.cond(True, lambda: lax.axis_index("i"), lambda: 0), [0, 1, 2]),
    "jit": (lambda x: arrax.jit(lambda: lax.axis_index("i"))(), [0, 1, 2]),
    "checkpoint": (lambda x: arrax.checkpoint(lambda y: y + lax.axis_index("i"))(1), [1, 2, 3]),
    "psum": (lambda x: lax.scan(lambda c, _: (c + lax.psum(x, "i"), None), x, None, length=2)[0],
             [6, 7, 8]),
}


@pytest.mark.parametrize("name", NAMED)
def test_named_axes_reach_values_that_are_not_batched(name):
    fun, expected = NAMED[name]
    assert arrax.vmap(fun, axis_name="i")(jnp.arange(3)).tolist() == expected


def test_python_loops_with_traced_predicates():
    def doubled(x):
        return lax.while_loop(lambda y: y < 9, lambda y: 2 * y, x)
    with arrax.disable_jit():
        assert arrax.vmap(doubled)(jnp.array([1., 3., 20.])).tolist() == [16., 12., 20.]
        assert arrax.grad(doubled)(3.) == 4.
