"""The primitives of random bits: known answers, and eager evaluation against compiled programs."""
from __future__ import annotations

import numpy as np
import pytest

import arrax as jax
import arrax.numpy as jnp
from arrax import lax
from arrax.ops.random import (philox_stream, random_bits_p, random_fold_in_p, random_seed_p,
                              random_split_p, random_unwrap_p, rbg, threefry, threefry2x32_p,
                              threefry_words)


@pytest.mark.parametrize(("key", "counter", "expected"), [
    ((0, 0), (0, 0), (0x6B200159, 0x99BA4EFE)),
    ((0xFFFFFFFF, 0xFFFFFFFF), (0xFFFFFFFF, 0xFFFFFFFF), (0x1CB996FC, 0xBB002BE7)),
    ((0x13198A2E, 0x03707344), (0x243F6A88, 0x85A308D3), (0xC4923A9C, 0x483DF7A0))])
def test_threefry_known_answers(key: tuple[int, int], counter: tuple[int, int],
                                expected: tuple[int, int]) -> None:
    """The vectors that Salmon et al. publish with Random123."""
    operands = [np.array([x], np.uint32) for x in (*key, *counter)]
    assert [int(w[0]) for w in threefry_words(*operands)] == list(expected)
    assert [int(w[0]) for w in jax.jit(threefry2x32_p.bind)(*operands)] == list(expected)


@pytest.mark.parametrize("impl", [threefry, rbg], ids=str)
@pytest.mark.parametrize("width", [8, 16, 32, 64])
@pytest.mark.parametrize("shape", [(), (1,), (7,), (3, 5), (0, 2)])
def test_compiled_bits_equal_eager_ones(impl: object, width: int, shape: tuple[int, ...]) -> None:
    key = random_seed_p.bind(jnp.int32(42), impl=impl)

    def draw(key: object) -> object:
        return random_bits_p.bind(key, bit_width=width, shape=shape)
    with jax.enable_x64(True):
        assert np.array_equal(np.asarray(draw(key)), np.asarray(jax.jit(draw)(key)))


@pytest.mark.parametrize("impl", [threefry, rbg], ids=str)
def test_compiled_keys_equal_eager_ones(impl: object) -> None:
    def derive(seed: object, data: object) -> object:
        key = random_fold_in_p.bind(random_seed_p.bind(seed, impl=impl), data)
        return random_unwrap_p.bind(random_split_p.bind(key, shape=(2, 3)))
    operands = jnp.int32(-7), jnp.uint32(5)
    assert np.array_equal(np.asarray(derive(*operands)), np.asarray(jax.jit(derive)(*operands)))


def test_rng_bit_generator_advances_its_state() -> None:
    state = jnp.arange(4, dtype=jnp.uint32)
    after, bits = lax.rng_bit_generator(state, (5,))
    assert after.tolist() == [0, 1, 4, 3]
    assert bits.tolist() == [895509795, 3230209149, 3834998268, 2007387529, 550253412]
    assert np.array_equal(philox_stream(np.asarray(after), 32, 3)[1],
                          lax.rng_bit_generator(state, (11,))[1][8:])
    with pytest.raises(TypeError, match=r"uint32\[4\]"):
        lax.rng_bit_generator(state[:2], (5,))
    with pytest.raises(NotImplementedError, match="RNG_THREE_FRY"):
        lax.rng_bit_generator(state, (5,), algorithm=lax.RandomAlgorithm.RNG_THREE_FRY)


def test_rng_uniform_draws_between_its_bounds() -> None:
    x = np.asarray(lax.rng_uniform(2.0, 3.0, (100,)))
    assert x.dtype == np.float32 and (x >= 2).all() and (x <= 3).all() and x.std() > 0.1
