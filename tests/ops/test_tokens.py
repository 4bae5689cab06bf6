"""Tokens order operations; messages are for engines with several devices."""
from __future__ import annotations

import arrax as jax
import arrax.numpy as jnp
import numpy as np
import pytest
from arrax import lax


def ordered(x):
    """A token after two others, and a value."""
    return lax.after_all(lax.create_token(x), lax.create_token()), x + 1


def test_tokens_show_as_such_in_jaxprs():
    text = str(jax.make_jaxpr(ordered)(1.0))
    assert text.count(":Tok = create_token") == 2 and ":Tok = after_all" in text


def test_programs_take_and_return_tokens():
    token, y = jax.jit(ordered)(1.0)
    assert y == 2
    again, z = jax.jit(lambda t, x: (lax.after_all(t, lax.create_token()), x))(token, 3.0)
    assert str(again.aval) == str(token.aval) and z == 3


@pytest.mark.parametrize("transform", [
    lambda f: jax.vmap(f), lambda f: lambda x: jax.jvp(f, (x,), (x,))[0],
    lambda f: jax.grad(lambda x: f(x).sum())])
def test_transformations_pass_tokens_by(transform):
    x = jnp.ones(3)
    np.testing.assert_array_equal(transform(lambda x: ordered(x)[1] - 1)(x), x)


def test_only_tokens_are_ordered():
    with pytest.raises(TypeError, match="must be tokens"):
        lax.after_all(1.0)


def test_messages_can_be_traced_but_not_run_here():
    def exchange(x):
        return lax.precv(lax.psend(x, "i", [(0, 1)]), x, "i", [(0, 1)])
    text = str(jax.make_jaxpr(exchange, axis_env=[("i", 2)])(jnp.ones(4)))
    assert "psend[axis_name=('i',) perm=((0, 1),)]" in text and "out_shape=float32[4]" in text
    with pytest.raises(NotImplementedError, match="use ppermute"):
        jax.vmap(exchange, axis_name="i")(jnp.ones(2))
    with pytest.raises(NameError, match="unbound axis name"):
        exchange(jnp.ones(2))


def test_stage_lifts_values_into_the_trace():
    assert type(lax.stage(1.0)) is type(jnp.ones(1))
    seen = []
    jax.jit(lambda: seen.append(lax.stage(1.0)))()
    assert isinstance(seen[0], jax.core.Tracer)
    assert jax.grad(lambda x: lax.stage(x) ** 2)(3.0) == 6
