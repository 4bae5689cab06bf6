"""Branches by platform, and named groups of operations."""
from __future__ import annotations

import numpy as np
import pytest

import arrax
import arrax.numpy as jnp
from arrax import lax


def by_platform(x):
    return lax.platform_dependent(x, cpu=jnp.sin, default=jnp.cos)


def test_the_branch_of_the_cpu_runs():
    x = jnp.arange(3.0)
    for call in (by_platform, arrax.jit(by_platform), arrax.vmap(by_platform)):
        np.testing.assert_allclose(call(x), np.sin(x), rtol=1e-6)
    for call in (arrax.grad(by_platform), arrax.jit(arrax.grad(by_platform))):
        np.testing.assert_allclose(call(1.0), np.cos(1.0), rtol=1e-6)
    assert float(lax.platform_dependent(0.0, cuda=jnp.sin, default=jnp.cos)) == 1.0


def test_platform_errors():
    with pytest.raises(NotImplementedError, match="no branch for platform 'cpu'"):
        lax.platform_dependent(1.0, cuda=jnp.sin)
    with pytest.raises(TypeError, match="output types"):
        lax.platform_dependent(1.0, cpu=lambda x: x, default=lambda x: 1)
    with pytest.raises(ValueError):
        lax.platform_dependent(1.0)


scaled = lax.composite(lambda x, *, k=3: jnp.sin(x) * k, "my.scaled", version=2)


def test_composite_runs_its_decomposition():
    assert float(scaled(1.0)) == pytest.approx(3 * np.sin(1.0), rel=1e-6)
    assert float(arrax.jit(lambda x: scaled(x, k=5))(1.0)) == pytest.approx(5 * np.sin(1.0))
    c = jnp.arange(3.0)
    assert lax.composite(lambda x: x * c, "my.closed")(2.0).tolist() == [0.0, 2.0, 4.0]
    eqn, = arrax.make_jaxpr(lambda x: scaled(x, k=2))(1.0).eqns
    assert (eqn.primitive.name, eqn.params["name"], eqn.params["version"]) == \
        ("composite", "my.scaled", 2)
    assert eqn.params["attributes"][0][:2] == ("k", (2,))


def test_composite_has_no_rules():
    with pytest.raises(ValueError, match="JVP rule for composite"):
        arrax.grad(scaled)(1.0)
    with pytest.raises(NotImplementedError, match="Batching rule for 'composite'"):
        arrax.vmap(scaled)(jnp.ones(2))
