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


@pytest.mark.parametrize("shape, expected", [
    ((), [1576285164]), ((5,), [1576285164, 2249660814, 740599976, 2425682526, 2436392515]),
    ((2, 2), [1576285164, 740599976, 2249660814, 2425682526])])
def test_rng_bit_generator_has_xlas_threefry(shape: tuple[int, ...], expected: list[int]) -> None:
    state = jnp.arange(1, 5, dtype=jnp.uint32)
    after, bits = lax.rng_bit_generator(state, shape, algorithm=lax.RandomAlgorithm.RNG_THREE_FRY)
    assert after.tolist() == [1, 2, 3 + -(-len(expected) // 2), 4]
    assert bits.ravel().tolist() == expected


def test_a_batch_of_states_shares_the_stream_of_the_first() -> None:
    states = jnp.arange(8, dtype=jnp.uint32).reshape(2, 4)
    after, bits = jax.vmap(lambda k: lax.rng_bit_generator(k, (3,)))(states)
    assert after.tolist() == [[0, 1, 4, 3], [4, 5, 6, 7]]
    assert bits.ravel().tolist() == lax.rng_bit_generator(states[0], (6,))[1].tolist()


UNSAFE = [[3146934739, 3391003311, 1891301882, 1478358120],
          [1089363569, 1607244725, 1190331783, 2650401737]]


def test_unsafe_keys_are_drawn_from_their_own_stream() -> None:
    key = jax.random.key(3, impl="unsafe_rbg")
    assert jax.random.key_data(key).tolist() == [0, 3, 0, 3]
    for transform in (lambda f: f, jax.jit):
        split = transform(lambda k: jax.random.key_data(jax.random.split(k, 2)))
        folded = transform(lambda k: jax.random.key_data(jax.random.fold_in(k, 7)))
        assert split(key).tolist() == UNSAFE
        assert folded(key).tolist() == [2104303640, 250182024, 1106406590, 1983638453]
    assert jax.random.bits(key, (4,)).tolist() == UNSAFE[0]


def test_rng_uniform_draws_between_its_bounds() -> None:
    x = np.asarray(lax.rng_uniform(2.0, 3.0, (100,)))
    assert x.dtype == np.float32 and (x >= 2).all() and (x <= 3).all() and x.std() > 0.1
