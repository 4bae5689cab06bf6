"""The generators "threefry4x32", "philox2x32" and "philox4x32": ciphers of counters.

Source: Salmon, Moraes, Dror and Shaw, "Parallel random numbers: as easy as 1, 2, 3", 2011, with
20 rounds of Threefry and 10 of Philox. The element at position i of a draw is made of the cipher of
the two words of i, high and low; words that the counter does not fill are zero.
"""
from __future__ import annotations

import functools
import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from arrax import lax
from arrax.core.aval import aval_of
from arrax.core.dtypes import KeyDType
from arrax.ops.random import add_implementation
from arrax.random.programs import implementation

_UINT32 = np.dtype(np.uint32)
_ROTATIONS = ((10, 26), (11, 21), (13, 27), (23, 5), (6, 20), (17, 11), (25, 10), (18, 20))
_PARITY = 0x1BD11BDA
_MULTIPLIERS = {2: (0xD256D193,), 4: (0xD2511F53, 0xCD9E8D57)}
_KEY_STEPS = (0x9E3779B9, 0xBB67AE85)

Words = Sequence[Any]


def _word(value: int) -> Any:
    return np.uint32(value)


def _rotated(x: Any, amount: int) -> Any:
    return lax.bitwise_or(lax.shift_left(x, _word(amount)),
                          lax.shift_right_logical(x, _word(32 - amount)))


def threefry_4x32(key: Words, counter: Words) -> list[Any]:
    """Four words of cipher of four words, under a key of four."""
    last = functools.reduce(lax.bitwise_xor, key)
    keys = [*key, lax.bitwise_xor(last, _word(_PARITY))]
    x = [lax.add(a, b) for a, b in zip(counter, keys, strict=False)]
    for number in range(20):
        one, other = (1, 3) if number % 2 == 0 else (3, 1)
        for left, right, amount in zip((0, 2), (one, other), _ROTATIONS[number % 8], strict=True):
            x[left] = lax.add(x[left], x[right])
            x[right] = lax.bitwise_xor(_rotated(x[right], amount), x[left])
        if number % 4 == 3:
            step = number // 4 + 1
            x = [lax.add(a, keys[(step + i) % 5]) for i, a in enumerate(x)]
            x[3] = lax.add(x[3], _word(step))
    return x


def philox(key: Words, counter: Words) -> list[Any]:
    """Two or four words of cipher of as many words, under a key of half as many."""
    x, key = list(counter), list(key)
    multipliers = _MULTIPLIERS[len(x)]
    for number in range(10):
        if number:
            key = [lax.add(k, _word(step)) for k, step in zip(key, _KEY_STEPS, strict=False)]
        low = [lax.mul(x[2 * i], _word(m)) for i, m in enumerate(multipliers)]
        high = [lax.mulhi(x[2 * i], _word(m)) for i, m in enumerate(multipliers)]
        mixed = []
        for i, word in enumerate(key):  # each pair of words takes the products of the next pair
            other = (i + 1) % len(key)
            mixed += [lax.bitwise_xor(lax.bitwise_xor(high[other], x[2 * i + 1]), word), low[other]]
        x = mixed
    return x


def _halves(seed: Any) -> tuple[Any, Any]:
    """High and low words of an integer."""
    width = aval_of(seed).dtype.itemsize
    low = lax.convert_element_type(seed, _UINT32)
    if width < 8:
        return lax.full_like(low, 0), low
    high = lax.shift_right_logical(seed, lax.full_like(seed, 32))
    return lax.convert_element_type(high, _UINT32), low


def _positions(shape: tuple[int, ...]) -> tuple[Any, Any]:
    """High and low words of the row-major positions in `shape`."""
    low = lax.reshape(lax.iota(_UINT32, math.prod(shape)), shape)
    if math.prod(shape) > 2 ** 32:
        raise NotImplementedError("a draw of more than 2**32 elements")
    return lax.full_like(low, 0), low


def _make(name: str, tag: str, words: int, cipher: Callable[[Words, Words], list[Any]],
          block: int, seed: Callable[[Any, Any], list[Any]]) -> None:
    """Registers the generator of a cipher of `block` words under keys of `words` words.

    `seed` enciphers the two words of a seed. Counters of new keys stand in the last two words of
    the block, those of bits in the first two.
    """
    def encipher(key: Any, counter: list[Any]) -> list[Any]:
        shape = counter[0].shape
        parts = [lax.full(shape, lax.index_in_dim(key, i, keepdims=False)) for i in range(words)]
        return cipher(parts, counter)

    def joined(parts: Words) -> Any:
        return lax.concatenate([lax.expand_dims(p, (p.ndim,)) for p in parts], parts[0].ndim)

    def padded(pair: Sequence[Any], last: bool) -> list[Any]:
        zeros = [lax.full_like(pair[1], 0)] * (block - 2)
        return [*zeros, *pair] if last else [*pair, *zeros]

    def make(seed_value: Any) -> Any:
        return joined(seed(*_halves(seed_value))[:words])

    def split(key: Any, shape: tuple[int, ...]) -> Any:
        return joined(encipher(key, padded(_positions(shape), True))[:words])

    def fold_in(key: Any, data: Any) -> Any:
        datum = lax.convert_element_type(data, _UINT32)
        return joined(encipher(key, padded((lax.full_like(datum, 0), datum), True))[:words])

    def bits(key: Any, bit_width: int, shape: tuple[int, ...]) -> Any:
        out = encipher(key, padded(_positions(shape), False))
        dtype = np.dtype(f"uint{bit_width}")
        if bit_width != 64:
            return lax.convert_element_type(functools.reduce(lax.bitwise_xor, out), dtype)
        if words == 4:  # as many words of bits as of key
            out = [lax.bitwise_xor(out[i], out[i + 2]) for i in range(2)]
        high, low = (lax.convert_element_type(x, dtype) for x in out[:2])
        return lax.bitwise_or(lax.shift_left(high, lax.full_like(high, 32)), low)

    add_implementation(implementation(KeyDType(tag, words), (words,), make, split, bits, fold_in,
                                      name), named=True)


def _zeros(like: Any, count: int) -> list[Any]:
    return [lax.full_like(like, 0)] * count


_make("threefry4x32", "fry4", 4, threefry_4x32, 4, lambda high, low: threefry_4x32(
    [high, low, *_zeros(low, 2)], _zeros(low, 4)))
_make("philox2x32", "phx2", 1, philox, 2, lambda high, low: philox(_zeros(low, 1), [high, low]))
_make("philox4x32", "phx4", 2, philox, 4, lambda high, low: philox(
    _zeros(low, 2), [high, low, *_zeros(low, 2)]))
