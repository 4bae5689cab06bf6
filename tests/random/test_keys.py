"""Keys: kinds, printing, errors, flags, transformations."""
from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import arrax as jax
import arrax.numpy as jnp
from arrax import random
from arrax.errors import KeyReuseError


def words(keys: Any) -> list[Any]:
    return random.key_data(keys).tolist()


def test_typed_keys_print_their_words() -> None:
    assert repr(random.key(0)) == "Array((), dtype=key<fry>) overlaying:\n[0 0]"
    assert repr(random.split(random.key(0), 2)) == (
        "Array((2,), dtype=key<fry>) overlaying:\n"
        "[[1797259609 2579123966]\n [ 928981903 3453687069]]")


@pytest.mark.parametrize(("seed", "expected"), [
    (0, [0, 0]), (-1, [0, 4294967295]), (2 ** 32 + 5, [0, 5]), (True, [0, 1]),
    (np.int64(2 ** 40 + 3), [0, 3]), (np.uint8(7), [0, 7])])
def test_seeds_wrap_to_the_default_integer_width(seed: Any, expected: list[int]) -> None:
    assert random.PRNGKey(seed).tolist() == expected


def test_seeds_have_64_bits_with_enable_x64() -> None:
    with jax.enable_x64(True):
        assert words(random.key(-1)) == [4294967295, 4294967295]
        assert words(random.key(2 ** 40 + 3)) == [256, 3]


def test_typed_keys_are_typed() -> None:
    key = random.key(1)
    assert jax.dtypes.issubdtype(key.dtype, jax.dtypes.prng_key)
    assert not jax.dtypes.issubdtype(random.PRNGKey(1).dtype, jax.dtypes.prng_key)
    assert (key.shape, random.split(key, 3).nbytes) == ((), 24)
    assert random.key_impl(key) == "threefry2x32"


def test_raw_and_typed_keys_draw_the_same() -> None:
    raw, typed = random.PRNGKey(3), random.key(3)
    assert random.normal(raw, (4,)).tolist() == random.normal(typed, (4,)).tolist()
    assert random.split(raw).tolist() == words(random.split(typed))
    assert random.fold_in(raw, 9).tolist() == words(random.fold_in(typed, 9))
    assert words(random.wrap_key_data(raw)) == raw.tolist()


def test_arrays_of_keys_index_stack_and_reshape() -> None:
    keys = random.split(random.key(0), 3)
    assert words(keys[1]) == words(keys)[1]
    assert words(jnp.stack([keys[0], keys[2]])) == [words(keys)[0], words(keys)[2]]
    assert words(keys.reshape(3, 1).T[0]) == words(keys)
    assert (keys == keys[1]).tolist() == [False, True, False]


ERRORS = [
    (lambda k: random.PRNGKey(1.0), TypeError, "seed must be an integer"),
    (lambda k: random.key(jnp.arange(2)), TypeError, "key accepts a scalar seed"),
    (lambda k: random.key(0, impl="bad"), ValueError, 'unrecognized PRNG implementation "bad"'),
    (lambda k: random.normal(0), TypeError, "invalid PRNG key data"),
    (lambda k: random.normal(jnp.ones(2)), TypeError, "expected key_data.dtype = uint32"),
    (lambda k: random.normal(random.split(k)), ValueError, "normal accepts a single key"),
    (lambda k: random.fold_in(k, -1), OverflowError, "out of bounds for uint32"),
    (lambda k: random.bits(k, (2,), "int32"), ValueError, "must be an unsigned int dtype"),
    (lambda k: random.uniform(k, (2,), int), ValueError, "must be a float dtype, got int32"),
    (lambda k: random.normal(k, (2,), int), ValueError, "must be a float or complex dtype"),
    (lambda k: random.randint(k, (2,), 0, 9, float), TypeError, "only accepts integer dtypes"),
    (lambda k: random.randint(k, (2,), 0, 2 ** 32), OverflowError, "maxval"),
    (lambda k: random.bernoulli(k, 1), TypeError, "must have a floating dtype"),
    (lambda k: random.beta(k, jnp.ones(3), 1, (2,)), ValueError, "Incompatible shapes"),
    (lambda k: random.choice(k, 5, 2), TypeError, "must be a sequence"),
    (lambda k: random.choice(k, 5, (6,), replace=False), ValueError, "larger sample"),
    (lambda k: random.choice(k, 5, (2,), p=jnp.ones(3)), ValueError, "p must be None or a 1D"),
    (lambda k: random.permutation(k, 5.0), TypeError, "x must be an integer"),
    (lambda k: random.gumbel(k, (2,), mode="bad"), ValueError, "valid mode"),
    (lambda k: random.poisson(random.key(0, impl="rbg"), 1.0), NotImplementedError, "threefry"),
    (lambda k: random.multivariate_normal(k, jnp.ones(2), jnp.eye(3)), ValueError, "cov.shape"),
]


@pytest.mark.parametrize(("call", "error", "message"), ERRORS)
def test_errors(call: Any, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        call(random.key(0))


def test_flags_change_keys() -> None:
    with jax.enable_custom_prng(True):
        assert str(random.PRNGKey(0).dtype) == "key<fry>"
    with jax.default_prng_impl("rbg"):
        assert random.PRNGKey(1).tolist() == [0, 1, 0, 1]
    with jax.threefry_partitionable(False):
        assert random.bits(random.key(0), (5,)).tolist() == [
            2467461003, 428148500, 1688610540, 3840466878, 2562233961]


def test_the_seed_documents_numbers() -> None:
    x = random.normal(random.PRNGKey(0), (10,))
    assert str(x.dtype) == "float32" and x.shape == (10,)
    assert str(np.asarray(x[x < 0])) == (
        "[-0.43359444 -0.07861735 -0.97208923 -0.49529874 -0.9501635 ]")


@pytest.mark.parametrize("draw", [
    lambda k: random.normal(k, (3,)), lambda k: random.gamma(k, 2.0, (3,)),
    lambda k: random.poisson(k, 4.0, (3,)), lambda k: random.permutation(k, 6),
    lambda k: random.randint(k, (3,), 0, 9), lambda k: random.binomial(k, 40, 0.4, (3,)),
    lambda k: random.key_data(random.split(k, 3)), lambda k: random.choice(k, 9, (3,), False)])
def test_vmap_draws_as_a_loop_and_jit_as_eager(draw: Any) -> None:
    keys = random.split(random.key(5), 4)
    batch = np.asarray(jax.vmap(draw)(keys))
    for row, key in zip(batch, keys, strict=True):
        np.testing.assert_allclose(row, np.asarray(draw(key)), rtol=2e-6)
        np.testing.assert_allclose(row, np.asarray(jax.jit(draw)(key)), rtol=2e-6)


def test_key_reuse_is_found() -> None:
    with jax.debug_key_reuse(True):
        key = random.key(0)
        random.normal(key)
        with pytest.raises(KeyReuseError, match="Previously-consumed key"):
            random.uniform(key)
        random.normal(random.clone(key))
        with pytest.raises(KeyReuseError):
            jax.jit(lambda k: (random.normal(k), random.bits(k)))(random.key(1))
        first, second = random.split(random.key(2))
        random.choice(first, 5, (2,), replace=False), random.choice(second, 5, (2,))


def test_moments() -> None:
    key = random.key(11)
    x = np.asarray(random.normal(key, (20000,)))
    assert abs(x.mean()) < 0.03 and abs(x.std() - 1) < 0.03
    g = np.asarray(random.gamma(key, 3.0, (5000,)))
    assert abs(g.mean() - 3) < 0.15 and abs(g.var() - 3) < 0.4
    counts = np.asarray(random.poisson(key, 30.0, (5000,)))
    assert abs(counts.mean() - 30) < 0.5 and abs(counts.var() - 30) < 3
