"""What users reach as `arrax.core`."""
from __future__ import annotations

import pytest

import arrax
import arrax.numpy as jnp


def test_names():
    core = arrax.core
    assert isinstance(arrax.typeof(jnp.ones(2)), core.ShapedArray)
    assert issubclass(core.ShapedArray, core.AbstractValue)
    seen = []
    arrax.jit(lambda x: seen.append(x) or x)(1.0)
    assert isinstance(seen[0], core.Tracer)
    assert core.max_dim(2, 3) == 3 and core.min_dim(2, 3) == 2
    with pytest.raises(AttributeError):
        core.nothing  # noqa: B018


def test_eval_jaxpr():
    closed = arrax.make_jaxpr(lambda x: (x + 1, x * jnp.arange(2)))(2)
    first, second = arrax.core.eval_jaxpr(closed.jaxpr, closed.consts, 3)
    assert int(first) == 4 and second.tolist() == [0, 3]


def test_eval_context():
    def f(x):
        with arrax.core.eval_context():
            assert int(jnp.sum(jnp.arange(4))) == 6
        return x
    assert float(arrax.jit(f)(1.0)) == 1.0
