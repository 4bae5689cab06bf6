"""`lax.cond` and `lax.switch`: meaning, transformations, errors, text."""
from __future__ import annotations

import numpy as np
import pytest
from tests.control.properties import check_unrolled

import arrax
import arrax.numpy as jnp
from arrax import lax

X = np.array([0.1, 0.2, 0.3], np.float32)


@pytest.mark.parametrize("pred", [True, False, 1, 0.0, np.bool_(True)])
def test_means_the_python_branch(pred):
    check_unrolled(lambda x, y: lax.cond(pred, lambda x, y: jnp.sin(x) * y,
                                         lambda x, y: x + jnp.exp(y), x, y), X, X + 1)


def test_traced_predicate():
    check_unrolled(
        lambda x, y: lax.cond(x.sum() > 0.7, lambda: jnp.sin(x) * y, lambda: y * y), X, X + 1,
        reference=lambda x, y: jnp.where(x.sum() > 0.7, jnp.sin(x) * y, y * y))


@pytest.mark.parametrize("index", [-1, 0, 1, 2, 5])
def test_switch(index):
    branches = [lambda x: x * 2, jnp.sin, lambda x: x * x * X]
    check_unrolled(lambda x: lax.switch(index, branches, x), X)
    check_unrolled(
        lambda x: lax.switch(jnp.int32(10 * x[0]), branches, x), X,
        reference=lambda x: jnp.select(
            [jnp.int32(10 * x[0]) <= 0, jnp.int32(10 * x[0]) == 1, jnp.int32(10 * x[0]) >= 2],
            [x * 2, jnp.sin(x), x * x * X]))


def test_pytrees_and_several_results():
    check_unrolled(lambda x: lax.cond(
        True, lambda d: {"u": d["x"] * 2, "v": (d["x"].sum(),)},
        lambda d: {"u": d["x"], "v": (1.0,)}, {"x": x}), X)


def test_only_the_chosen_branch_runs():
    seen = []
    lax.cond(True, lambda x: x + 1, lambda x: x - 1, 3)
    with arrax.disable_jit():
        lax.cond(False, lambda: seen.append("true") or 1, lambda: seen.append("false") or 2)
    assert seen == ["false"]


def test_other_forms():
    assert lax.cond(True, 1.0, lambda x: x, 2.0, lambda x: -x) == 1.0
    assert lax.cond(False, 1.0, lambda x: x, 2.0, lambda x: -x) == -2.0
    assert lax.cond(True, lambda x: x, lambda x: -x, operand=2.0) == 2.0
    assert lax.switch(1, [lambda x: x, lambda x: -x], operand=2.0) == -2.0
    assert lax.switch(7, [lambda x: x], 2.0) == 2.0


def test_gradient_where_a_branch_was_not_chosen_is_no_nan():
    def f(x):
        return lax.cond(x > 0, jnp.log, lambda v: v, x)
    grads = arrax.vmap(arrax.grad(f))(jnp.array([0.0, 2.0]))
    np.testing.assert_allclose(grads, [1.0, 0.5])


def test_weak_types_join():
    out = lax.cond(True, lambda: 1.0, lambda: jnp.float32(2))
    assert not out.weak_type
    assert lax.cond(True, lambda: 1.0, lambda: 2.0).weak_type


WHERE = "true_fun is <lambda> at "
ERRORS = {
    "array": (lambda: lax.cond(jnp.arange(3.0), lambda: 1, lambda: 2), TypeError,
              "Pred must be a scalar, got [0. 1. 2.] of shape (3,)."),
    "none": (lambda: lax.cond(None, lambda: 1, lambda: 2), TypeError, "cond predicate is None"),
    "string": (lambda: lax.cond("a", lambda: 1, lambda: 2), TypeError,
               "Pred must be a scalar, got a of type <class 'str'>"),
    "complex": (lambda: lax.cond(1j, lambda: 1, lambda: 2), TypeError,
                "Pred type must be either boolean or number, got complex64."),
    "callable": (lambda: lax.cond(True, 1, lambda: 2), TypeError,
                 "lax.cond: true_fun and false_fun arguments should be callable."),
    "types": (lambda: lax.cond(True, lambda: 1, lambda: jnp.ones(3)), TypeError,
              "The output of true_fun has type int32[] but the corresponding output of false_fun "
              "has type float32[3], so the dtypes do not match, and the shapes do not match.\n\n"
              "Revise true_fun and/or false_fun so that all output types match."),
    "paths": (lambda: lax.cond(True, lambda: {"a": X}, lambda: {"a": X > 0}), TypeError,
              "The output of true_fun at path ['a'] has type float32[3] but the corresponding "
              "output of false_fun has type bool[3], so the dtypes do not match."),
    "structure": (lambda: lax.cond(True, lambda: (1, 2), lambda: 2), TypeError,
                  "true_fun output is a <class 'tuple'> but false_fun output is a pytree leaf, so "
                  "their Python types differ."),
    "metadata": (lambda: lax.cond(True, lambda: {"a": 1}, lambda: {"b": 2}), TypeError,
                 "true_fun output is a <class 'dict'> with pytree metadata ('a',) but false_fun "
                 "output is a <class 'dict'> with pytree metadata ('b',), so the pytree node "
                 "metadata does not match."),
    "result": (lambda: lax.cond(True, lambda: "a", lambda: 2), TypeError,
               "traced for cond returned a value of type <class 'str'>, which is not a valid JAX"),
    "operand": (lambda: lax.cond(True, lambda x: 1, lambda x: 2, "foo"), TypeError,
                "Argument 'foo' of type <class 'str'> is not a valid JAX type"),
    "float index": (lambda: lax.switch(1.0, [lambda: 1, lambda: 2]), TypeError,
                    "Index type must be an integer, got 1.0 as float32"),
    "index shape": (lambda: lax.switch(jnp.array([1]), [lambda: 1, lambda: 2]), TypeError,
                    "Branch index must be scalar, got [1] of shape (1,)."),
    "no branches": (lambda: lax.switch(1, []), ValueError, "Empty branch sequence"),
    "switch types": (lambda: lax.switch(1, [lambda: 1, lambda: X]), TypeError,
                     "The output of branch 0 has type int32[] but the corresponding output of "
                     "branch1 has type float32[3]"),
    "switch callable": (lambda: lax.switch(1, [lambda: 1, 3]), TypeError,
                        "lax.switch: branches argument should be a sequence of callables."),
}


@pytest.mark.parametrize("name", ERRORS)
def test_errors(name):
    call, kind, text = ERRORS[name]
    with pytest.raises(kind) as error:
        call()
    assert text in str(error.value)


def test_text():
    jaxpr = arrax.make_jaxpr(
        lambda p, c: lax.cond(p, lambda c: c + 1, lambda c: c - 1, c))(True, X)
    assert str(jaxpr) == """\
{ lambda ; a:bool[] b:f32[3]. let
    c:i32[] = convert_element_type[new_dtype=int32 weak_type=False] a
    d:f32[3] = cond[
      branches=(
        { lambda ; e:f32[3]. let f:f32[3] = sub e 1.0:f32[] in (f,) }
        { lambda ; g:f32[3]. let h:f32[3] = add g 1.0:f32[] in (h,) }
      )
    ] c b
  in (d,) }"""


def test_branches_share_residual_slots():
    jaxpr = arrax.make_jaxpr(arrax.grad(
        lambda x, p: lax.cond(p, jnp.sin, jnp.exp, x).sum()))(X, True)
    forward, backward = [e for e in jaxpr.eqns if e.primitive.name == "cond"]
    assert len(forward.outvars) == 2 and len(backward.invars) == 3
