"""Scatters whose windows fit nowhere, since an axis of the operand is empty: nothing is written,
and derivatives of any order are those of the operand alone."""
import numpy as np
import pytest

import arrax
import arrax.numpy as jnp


@pytest.mark.parametrize("unique", [False, True])
@pytest.mark.parametrize("mode", ["fill", "drop", "clip"])
@pytest.mark.parametrize("update", ["set", "add", "subtract", "multiply", "min", "max"])
def test_updates_of_an_empty_axis(update, mode, unique):
    index = jnp.arange(5)

    def f(v):
        x, update_by = jnp.zeros((0, 3)) * v, jnp.sum(v)
        if update == "multiply" and not unique:
            update_by = arrax.lax.stop_gradient(update_by)  # else not differentiable
        new = getattr(x.at[index], update)(update_by, mode=mode, unique_indices=unique)
        return jnp.sum(jnp.sin(new)) + jnp.sum(v ** 2)

    v = jnp.arange(1.0, 4)
    first = 2 * v
    np.testing.assert_allclose(arrax.grad(f)(v), first)
    second = arrax.grad(lambda v: jnp.sum(arrax.grad(f)(v)))
    np.testing.assert_allclose(second(v), [2, 2, 2])
    np.testing.assert_allclose(arrax.jit(second)(v), [2, 2, 2])
