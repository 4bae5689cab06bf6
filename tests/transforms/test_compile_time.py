"""`ensure_compile_time_eval`: known values are evaluated, traced ones traced, at any nesting."""
from __future__ import annotations

from typing import Any

import arrax
import arrax.numpy as jnp
import numpy as np
import pytest


def halves(x: Any) -> Any:
    with arrax.ensure_compile_time_eval():
        known = jnp.sum(jnp.arange(3)) + 1
        assert int(known) == 4  # a value although everything is being traced
        return x * 2 + known


@pytest.mark.parametrize("transform", [
    arrax.jit, arrax.grad, arrax.jacfwd, lambda f: arrax.jit(arrax.grad(f)),
    lambda f: lambda x: arrax.vmap(f)(x * jnp.ones(3)),
    lambda f: arrax.jit(lambda x: arrax.vmap(f)(x * jnp.ones(3))),
    lambda f: lambda x: arrax.lax.scan(lambda c, _: (f(c), c), x, None, length=3),
    lambda f: arrax.checkpoint(f),
])
def test_known_and_traced_values_mix(transform: Any) -> None:
    got = transform(halves)(1.0)
    wanted = transform(lambda x: x * 2 + 4)(1.0)
    for a, b in zip(arrax.tree.leaves(got), arrax.tree.leaves(wanted), strict=True):
        np.testing.assert_allclose(a, b)


def test_what_is_evaluated_is_not_in_the_program() -> None:
    assert [e.primitive.name for e in arrax.make_jaxpr(halves)(1.0).eqns] == [
        "mul", "convert_element_type", "add"] or len(arrax.make_jaxpr(halves)(1.0).eqns) == 2


def test_it_ends_with_the_block_and_on_errors() -> None:
    def f(x: Any) -> Any:
        with pytest.raises(ZeroDivisionError), arrax.ensure_compile_time_eval():
            raise ZeroDivisionError
        with pytest.raises(arrax.errors.ConcretizationTypeError):
            int(jnp.sum(jnp.arange(3)))
        return x
    arrax.make_jaxpr(f)(1.0)


def test_shapes_are_results_of_traced_functions() -> None:
    struct = arrax.ShapeDtypeStruct((3,), jnp.float32)
    assert arrax.eval_shape(lambda: {"a": struct}) == {"a": struct}
    assert str(arrax.make_jaxpr(lambda: struct)()) == "{ lambda a:f32[3]; . let  in (a,) }"
    assert arrax.eval_shape(lambda x: (x, struct), struct) == (struct, struct)
    with pytest.raises(TypeError, match="not a valid JAX type"):
        arrax.jit(lambda: struct)()
    with pytest.raises(TypeError):
        jnp.sin(struct)
