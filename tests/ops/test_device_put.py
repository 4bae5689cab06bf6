"""`device_put` inside of traced programs."""
from __future__ import annotations

import arrax as jax
import arrax.numpy as jnp
import numpy as np
from arrax.core.jaxpr import ClosedJaxpr

DEVICE = jax.devices()[0]


def there(x):
    return jax.device_put(x, DEVICE) * 2


def test_is_an_equation():
    closed: ClosedJaxpr = jax.make_jaxpr(there)(1.0)
    eqn = closed.eqns[0]
    assert eqn.primitive is jax.lax.device_put_p and eqn.params["devices"] == (DEVICE,)
    assert "copy_semantics=(ArrayCopySemantics.REUSE_INPUT,)" in str(closed)


def test_transformations_pass_through():
    x = jnp.arange(3.0)
    for function in (there, jax.jit(there), jax.vmap(there), jax.jit(jax.vmap(there))):
        np.testing.assert_array_equal(function(x), 2 * x)
    np.testing.assert_array_equal(jax.grad(lambda x: (there(x) ** 2).sum())(x), 8 * x)
    np.testing.assert_array_equal(jax.jacfwd(there)(x), 2 * np.eye(3))


def test_labels_the_primals_of_derivatives():
    seen = []
    jax.grad(lambda x: seen.append(jax.device_put(x, DEVICE)) or seen[0] ** 2)(3.0)
    assert jax.device_put(1.0, DEVICE).devices() == {DEVICE}
