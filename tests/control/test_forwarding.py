"""Results of control flow that are operands: the operands themselves, not batched, not carried."""
from __future__ import annotations

from typing import Any

import arrax
import arrax.numpy as jnp
import numpy as np
import pytest
from arrax import lax

X, Y = jnp.arange(3.0), jnp.array(3.0)


def _cond(x: Any, y: Any) -> Any:
    return lax.cond(x < 1.5, lambda x, y: (x * 2, y), lambda x, y: (x * 3, y), x, y)


def _scan(x: Any, y: Any) -> Any:
    (total, y), _ = lax.scan(lambda c, _: ((c[0] + c[1], c[1]), None), (x, y), None, length=4)
    return total, y


def _while(x: Any, y: Any) -> Any:
    return lax.while_loop(lambda c: c[0] < 9, lambda c: (c[0] + c[1], c[1]), (x, y))


def _switch(x: Any, y: Any) -> Any:
    return lax.switch(x.astype(int), [lambda x, y: (x * 2, y)] * 2, x, y)


CALLS = {"cond": _cond, "scan": _scan, "while": _while, "switch": _switch}


@pytest.mark.parametrize("name", CALLS)
def test_they_stay_out_of_the_batch(name: str) -> None:
    first, second = arrax.vmap(CALLS[name], in_axes=(0, None), out_axes=(0, None))(X, Y)
    assert second is Y
    for i in range(3):
        np.testing.assert_allclose(first[i], CALLS[name](X[i], Y)[0])


@pytest.mark.parametrize("name", CALLS)
def test_the_equation_does_not_have_them(name: str) -> None:
    jaxpr = arrax.make_jaxpr(CALLS[name])(1.0, 2.0).jaxpr
    assert jaxpr.outvars[1] is jaxpr.invars[1]
    assert len(jaxpr.eqns[-1].outvars) == 1


@pytest.mark.parametrize("name", CALLS)
@pytest.mark.parametrize("wrap", [lambda f: f, arrax.jit], ids=["eager", "jit"])
def test_values_and_derivatives(name: str, wrap: Any) -> None:
    call = wrap(CALLS[name])
    total, y = call(X[1], Y)
    assert y == Y and type(y) is type(X)
    if name == "while":
        return
    both = arrax.grad(lambda x, y: sum(call(x, y)), argnums=(0, 1))(X[1], Y)
    step = 1e-2
    for i, slope in enumerate(both):
        sides = [sum(call(*(v + s * (i == k) for k, v in enumerate((X[1], Y)))))
                 for s in (step, -step)]
        np.testing.assert_allclose(slope, (sides[0] - sides[1]) / (2 * step), rtol=2e-2)


def test_a_carry_that_the_condition_reads_stays() -> None:
    jaxpr = arrax.make_jaxpr(lambda x, y: lax.while_loop(
        lambda c: c[0] < c[1], lambda c: (c[0] + 1, c[1]), (x, y)))(1.0, 2.0).jaxpr
    assert len(jaxpr.eqns[0].outvars) == 2


def test_elements_that_a_scan_hands_on() -> None:
    carry, ys = lax.scan(lambda c, x: (c, (x, x * c)), 2.0, X)
    assert ys[0] is X and carry == 2
    np.testing.assert_array_equal(ys[1], 2 * X)
    for reverse in (False, True):
        _, [same, other] = lax.scan(lambda c, x: (c + x, [x, c]), 0.0, X, reverse=reverse)
        np.testing.assert_array_equal(same, X)
        expected = [3.0, 2.0, 0.0] if reverse else [0.0, 0.0, 1.0]
        np.testing.assert_array_equal(other, expected)


def test_branches_that_hand_on_another_operand_each() -> None:
    def swap(p: Any) -> Any:
        return lax.cond(p, lambda x, y: (x, y), lambda x, y: (y, x), 1.0, 2.0)
    assert swap(True) == (1, 2) and swap(False) == (2, 1)


@pytest.mark.parametrize("decorator", ["jvp", "vjp"])
def test_collectives_in_custom_rules(decorator: str) -> None:
    if decorator == "jvp":
        f = arrax.custom_jvp(lambda x: lax.psum(x, "i"))
        f.defjvp(lambda xs, ts: (lax.psum(xs[0], "i"), ts[0]))
    else:
        f = arrax.custom_vjp(lambda x: lax.psum(x, "i"))
        f.defvjp(lambda x: (lax.psum(x, "i"), None), lambda _, ct: (ct,))

    def call(_: Any, x: Any) -> Any:
        jaxpr = arrax.make_jaxpr(f)(x)
        return arrax.core.eval_jaxpr(jaxpr.jaxpr, jaxpr.consts, x)[0]
    out = arrax.vmap(call, axis_name="i", in_axes=(0, None), out_axes=None)(jnp.arange(4.0), 2.0)
    assert out == 8


def test_a_forward_rule_of_another_shape() -> None:
    f = arrax.custom_vjp(lambda x: x)
    f.defvjp(lambda x: (jnp.zeros((3, *x.shape)), None), lambda _, ct: (ct,))
    for call in (lambda x: lax.scan(lambda x, _: (f(x), None), x, None, length=1)[0],
                 arrax.jit(f)):
        with pytest.raises(TypeError, match=r"float32\[3\] which doesn't match"):
            arrax.grad(call)(1.0)
