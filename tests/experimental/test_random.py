"""`arrax.experimental.random`: stateful generators draw what keys draw, however transformed."""
from __future__ import annotations

from typing import Any

import arrax
import numpy as np
import pytest
from arrax import lax, random
from arrax import numpy as jnp
from arrax.experimental.random import StatefulPRNG, stateful_rng


def key(count: int, seed: int = 3) -> Any:
    return random.fold_in(random.key(seed), count)


DRAWS = {
    "random": (lambda rng: rng.random((2,)), lambda k: random.uniform(k, (2,))),
    "uniform": (lambda rng: rng.uniform(1, np.array([2, 3])),
                lambda k: random.uniform(k, (2,), minval=1, maxval=jnp.array([2., 3.]))),
    "normal": (lambda rng: rng.normal(1, 2, 3), lambda k: 1 + 2 * random.normal(k, (3,))),
    "integers": (lambda rng: rng.integers(9, size=(2, 2)),
                 lambda k: random.randint(k, (2, 2), 0, 9)),
    "keys": (lambda rng: random.key_data(rng.key((2, 3))),
             lambda k: random.key_data(random.split(k, (2, 3)))),
    "half": (lambda rng: rng.uniform(size=4, dtype="float16"),
             lambda k: random.uniform(k, (4,), "float16")),
}


@pytest.mark.parametrize("name", DRAWS)
def test_draws(name: str) -> None:
    draw, expected = DRAWS[name]
    rng = stateful_rng(3)
    for count in range(2):
        found = draw(rng)
        assert found.dtype == expected(key(count)).dtype
        np.testing.assert_array_equal(found, expected(key(count)))
    np.testing.assert_array_equal(arrax.jit(draw)(rng), expected(key(2)))
    assert rng._counter[...] == 3


def values(counts: Any, seed: int = 3) -> Any:
    return jnp.stack([random.uniform(key(count, seed)) for count in counts])


def test_in_loops_and_closures() -> None:
    rng = stateful_rng(3)
    found = lax.scan(lambda c, _: (c, rng.uniform()), None, length=3)[1]
    np.testing.assert_array_equal(found, values(range(3)))
    assert arrax.grad(lambda x: x * rng.uniform())(1.) == values([3])[0]


def test_children() -> None:
    rng = stateful_rng(3)
    spawned = [child.uniform() for child in rng.spawn(4)]
    other = stateful_rng(3)
    mapped = arrax.vmap(lambda r: r.uniform())(other.split(4))
    np.testing.assert_array_equal(mapped, jnp.stack(spawned))
    assert other.split((2, 3))._counter.shape == (2, 3)


@pytest.mark.parametrize("call", [
    lambda rng: arrax.vmap(lambda x: x + rng.uniform())(jnp.ones(2)),
    lambda rng: arrax.vmap(lambda x: x + arrax.jit(rng.uniform)())(jnp.ones(2)),
    lambda rng: arrax.vmap(lambda r, x: x + r.uniform(), (None, 0))(rng, jnp.ones(2)),
    lambda rng: arrax.jit(arrax.vmap(lambda x: x + rng.uniform()))(jnp.ones(2)),
    lambda rng: arrax.vmap(lambda x: arrax.grad(lambda y: y * rng.uniform())(x))(jnp.ones(2)),
], ids=["closure", "jit inside", "argument", "jit outside", "grad inside"])
def test_batches_do_not_share_draws(call: Any) -> None:
    with pytest.raises(ValueError, match=r"all elements of a vmap would draw the same numbers"):
        call(stateful_rng(3))


def test_generators_made_inside() -> None:
    found = arrax.vmap(lambda s: stateful_rng(s).uniform())(jnp.arange(3))
    np.testing.assert_array_equal(found, jnp.concatenate([values([0], seed) for seed in range(3)]))
    np.testing.assert_array_equal(arrax.vmap(lambda x: x + stateful_rng(3).uniform())(jnp.zeros(2)),
                                  values([0, 0]))


def test_the_default_seed() -> None:
    assert stateful_rng().uniform() != stateful_rng().uniform()
    assert stateful_rng(0, impl="rbg").key().dtype == random.key(0, impl="rbg").dtype


@pytest.mark.parametrize("call, kind, message", [
    (lambda: StatefulPRNG(jnp.zeros(2, "uint32"), arrax.new_ref(0)), ValueError,
     "Expected base_key to be a typed PRNG key"),
    (lambda: StatefulPRNG(random.key(0), 0), ValueError, "Expected counter .* integer ref; got 0"),
    (lambda: stateful_rng(0).split(2).key(), ValueError, "split stateful generator"),
    (lambda: arrax.jit(lambda: stateful_rng().uniform())(), TypeError, "requires an explicit seed"),
    (lambda: stateful_rng("a"), TypeError, "seed"),
])
def test_errors(call: Any, kind: type[Exception], message: str) -> None:
    with pytest.raises(kind, match=message):
        call()
