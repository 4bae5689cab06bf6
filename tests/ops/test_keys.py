"""Operations on keys: what the compiler makes of them equals their evaluation, bit by bit."""
from __future__ import annotations

from collections.abc import Callable
from typing import Any

import arrax
import arrax.numpy as jnp
import numpy as np
import pytest
from arrax import lax, random

KEY = random.key(7)
KEYS = random.split(KEY, 5)
WORDS = random.PRNGKey(3)


def bits(value: Any) -> list[np.ndarray]:
    """The leaves of a result as NumPy arrays, keys as words."""
    return [np.asarray(random.key_data(x) if jnp.issubdtype(x.dtype, arrax.dtypes.prng_key) else x)
            for x in arrax.tree.leaves(value)]


def check(fun: Callable[..., Any], *args: Any) -> None:
    for eager, compiled in zip(bits(fun(*args)), bits(arrax.jit(fun)(*args)), strict=True):
        assert eager.dtype == compiled.dtype
        np.testing.assert_array_equal(eager, compiled)


@pytest.mark.parametrize("shape", [2, 3, (), (2, 3), 1, 0])
@pytest.mark.parametrize("key", [KEY, WORDS, random.key(3, impl="rbg")],
                         ids=["typed", "raw", "rbg"])
def test_split(key: Any, shape: Any) -> None:
    check(lambda k: random.split(k, shape), key)


def test_split_in_halves() -> None:
    with arrax.threefry_partitionable(False):
        check(lambda k: random.split(k, 3), KEY)


@pytest.mark.parametrize("fun, args", [
    (lambda k: arrax.vmap(lambda k: random.split(k, 3))(k), (KEYS,)),
    (random.fold_in, (KEY, 5)),
    (lambda k, i: arrax.vmap(random.fold_in)(k, i), (KEYS, jnp.arange(5))),
    (lambda k: arrax.vmap(lambda i: random.fold_in(k, i))(jnp.arange(5)), (KEY,)),
    (random.key, (11,)), (random.key, (-11,)), (random.PRNGKey, (11,)),
    (lambda seeds: arrax.vmap(random.key)(seeds), (jnp.arange(4),)),
    (random.bits, (KEY,)), (lambda k: random.bits(k, (3, 5)), (KEY,)),
    (lambda k: random.uniform(k, (3,)), (KEY,)), (lambda k: arrax.vmap(random.uniform)(k), (KEYS,)),
])
def test_keys_and_bits(fun: Callable[..., Any], args: tuple[Any, ...]) -> None:
    check(fun, *args)


def test_a_loop_over_keys_is_native() -> None:
    def draws(key: Any) -> Any:
        def step(key: Any, _: Any) -> Any:
            key, sub = random.split(key)
            return key, random.uniform(sub)
        return lax.scan(step, key, None, length=20)[1]

    assert "host" not in arrax.jit(draws).lower(KEY).compile().as_text("loops")
    check(draws, KEY)
