"""Generators beside the default one: known answers of the ciphers, streams as JAX gives them, and
generators that programs define."""
from __future__ import annotations

import pickle
from typing import Any

import arrax
import arrax.numpy as jnp
import numpy as np
import pytest
from arrax import random
from arrax.extend.random import define_prng_impl
from arrax.random.generators import philox, threefry_4x32

ONES = 0xFFFFFFFF
# From the test vectors of the Random123 library.
ANSWERS = [
    (philox, [0], [0, 0], [0xFF1DAE59, 0x6CD10DF2]),
    (philox, [ONES], [ONES] * 2, [0x2C3F628B, 0xAB4FD7AD]),
    (philox, [0] * 2, [0] * 4, [0x6627E8D5, 0xE169C58D, 0xBC57AC4C, 0x9B00DBD8]),
    (philox, [ONES] * 2, [ONES] * 4, [0x408F276D, 0x41C83B0E, 0xA20BC7C6, 0x6D5451FD]),
    (threefry_4x32, [0] * 4, [0] * 4, [0x9C6CA96A, 0xE17EAE66, 0xFC10ECD4, 0x5256A7D8])]


@pytest.mark.parametrize(("cipher", "key", "counter", "answer"), ANSWERS,
                         ids=[f"{c.__name__}-{len(n)}-{k[0]}" for c, k, n, _ in ANSWERS])
def test_ciphers(cipher: Any, key: list[int], counter: list[int], answer: list[int]) -> None:
    words = [[jnp.uint32(w) for w in values] for values in (key, counter)]
    assert [int(w) for w in cipher(*words)] == answer


# name: words of key(5); words of its split; bits; uint8; fold_in of 7
RECORDED: dict[str, Any] = {
    "threefry4x32": [
        [3510304166, 1228012123, 3435565217, 263139139],
        [3729487134, 897723795, 3506802400, 3200877821, 1974509848, 1685416320,
         55660554, 1283200719],
        [2214941328, 364276544, 333138181],
        [144, 64, 5],
        [234725064, 2357482089, 2964610362, 2499698513]],
    "philox2x32": [
        [1419001803],
        [742109647, 1619823040],
        [1342941890, 1520534070, 3000539291],
        [194, 54, 155],
        [975744782]],
    "philox4x32": [
        [1757156174, 1390596468],
        [2276504509, 980767281, 2927879449, 3424827806],
        [1070102318, 1423610946, 2914252338],
        [46, 66, 50],
        [2369088992, 145394841]]}


@pytest.mark.parametrize("name", RECORDED)
@pytest.mark.parametrize("wrap", [lambda f: f, arrax.jit], ids=["eager", "jit"])
def test_streams(name: str, wrap: Any) -> None:
    key = random.key(5, impl=name)
    found = wrap(lambda k: [random.key_data(k), random.key_data(random.split(k)),
                            random.bits(k, (3,)), random.bits(k, (3,), "uint8"),
                            random.key_data(random.fold_in(k, 7))])(key)
    for value, expected in zip(found, RECORDED[name], strict=True):
        np.testing.assert_array_equal(np.asarray(value).ravel(), expected)


@pytest.mark.parametrize("name", RECORDED)
def test_arrays_of_keys(name: str) -> None:
    keys = random.split(random.key(0, impl=name), (2, 3))
    for draw in (random.bits, random.normal, lambda k: random.gamma(k, 2.0),
                 lambda k: random.key_data(random.fold_in(k, 3))):
        batch = arrax.vmap(arrax.vmap(draw))(keys)
        for i in range(2):
            for j in range(3):
                np.testing.assert_allclose(batch[i, j], draw(keys[i, j]), rtol=1e-5)
    assert keys.reshape(6)[4] == keys[1, 1]
    assert pickle.loads(pickle.dumps(keys.dtype)) is keys.dtype


def test_wide_bits() -> None:
    with arrax.enable_x64(True):
        found = random.bits(random.key(5, impl="philox2x32"), (2,), "uint64")
        assert found.dtype == jnp.uint64


def test_keys_of_one_impl_are_not_another_s() -> None:
    ours, other = random.key(0, impl="philox4x32"), random.key(0)
    assert ours.dtype != other.dtype and ours.dtype.itemsize == other.dtype.itemsize
    assert random.key_impl(ours) == "philox4x32"
    assert not np.array_equal(random.bits(ours, (3,)), random.bits(other, (3,)))
    jaxpr = arrax.make_jaxpr(lambda k: random.bits(k, (2,)))(ours)
    assert "random_bits" in str(jaxpr) and "key<phx4>" in str(jaxpr)
    [again] = arrax.core.eval_jaxpr(jaxpr.jaxpr, jaxpr.consts, ours)
    np.testing.assert_array_equal(again, random.bits(ours, (2,)))


def _define(shape: tuple[int, ...], name: str = "sums") -> Any:
    count = int(np.prod(shape))

    def seed(n: Any) -> Any:
        return jnp.broadcast_to(n, shape).astype("uint32")

    def split(key: Any, to: tuple[int, ...]) -> Any:
        return jnp.broadcast_to(key, (*to, *shape)) + jnp.arange(count, dtype="uint32").reshape(
            shape)

    def bits(key: Any, width: int, to: tuple[int, ...]) -> Any:
        return jnp.full(to, key.sum().astype(f"uint{width}"))
    return define_prng_impl(key_shape=shape, seed=seed, split=split, random_bits=bits,
                            fold_in=lambda key, data: key + data, name=name, tag="s")


@pytest.mark.parametrize("shape", [(1,), (2,), (3,), (4,), (2, 2)])
@pytest.mark.parametrize("wrap", [lambda f: f, arrax.jit], ids=["eager", "jit"])
def test_generators_of_programs(shape: tuple[int, ...], wrap: Any) -> None:
    impl = _define(shape)
    count = int(np.prod(shape))
    key = wrap(lambda: random.key(3, impl=impl))()
    assert key.shape == () and str(key.dtype) == "key<s>" and random.key_impl(key) == impl
    assert random.key_data(key).shape == shape
    keys = wrap(random.split)(key)
    np.testing.assert_array_equal(random.key_data(keys).reshape(2, count),
                                  [np.arange(3, 3 + count)] * 2)
    np.testing.assert_array_equal(wrap(lambda k: random.bits(k, (2,)))(key), [3 * count] * 2)
    np.testing.assert_array_equal(random.key_data(wrap(lambda k: random.fold_in(k, 4))(key)),
                                  np.full(shape, 7))
    assert random.wrap_key_data(jnp.zeros((5, *shape), "uint32"), impl=impl).shape == (5,)
    with pytest.raises(TypeError, match="invalid PRNG key data"):
        random.wrap_key_data(jnp.zeros((5, 7), "uint32"), impl=impl)


def test_equal_definitions() -> None:
    functions: Any = {"seed": abs, "split": max, "random_bits": min, "fold_in": pow}
    first, second = (define_prng_impl(key_shape=(2,), **functions) for _ in range(2))
    assert first == second and hash(first) == hash(second)
    assert first != define_prng_impl(key_shape=(4,), **functions)


def test_definitions_with_one_tag_differ() -> None:
    first, second = (random.key(0, impl=_define((2,), name)) for name in ("one", "two"))
    assert first.dtype != second.dtype
