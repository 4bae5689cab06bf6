"""Random bit generators written as programs: what `define_prng_impl` makes of four functions.

The functions are of one key: an array of uint32 words, of the generator's key shape. Arrays of keys
call them under `vmap`, on words in one row a key; NumPy's words (of eager calls, and of callbacks
from compiled code) go the same way, evaluated at once.
"""
from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from arrax import lax
from arrax.core.array import array_of, from_numpy
from arrax.core.aval import aval_of
from arrax.core.dtypes import KeyDType
from arrax.core.evaluate import EVAL
from arrax.core.trace import use
from arrax.ops.random import KeyImplementation, KeyPrograms, add_implementation
from arrax.ops.rules import broadcast_in_dim
from arrax.transforms.api_vmap import vmap


def define_prng_impl(*, key_shape: tuple[int, ...], seed: Callable[[Any], Any],
                     split: Callable[[Any, tuple[int, ...]], Any],
                     random_bits: Callable[[Any, int, tuple[int, ...]], Any],
                     fold_in: Callable[[Any, int], Any], name: str = "<unnamed>",
                     tag: str = "?") -> Any:
    """A random bit generator of a program's own, for the `impl` argument of `random.key`.

    Args:
      key_shape: the shape of the uint32 words of one key.
      seed: an integer scalar → the words of a key.
      split: (words of a key, shape) → the words of keys, shape + key_shape.
      random_bits: (words of a key, bit width, shape) → unsigned integers of that width and shape.
      fold_in: (words of a key, uint32 scalar) → the words of a key.
      name: what the generator is called in messages.
      tag: its short name: keys have dtype `key<tag>`.

    Returns:
      The generator, a hashable object. Definitions by the same functions are equal.

    Example:
      >>> def seed(n):
      ...   return jnp.stack([n, n]).astype("uint32")
      >>> def split(key, shape):
      ...   return jnp.broadcast_to(key, (*shape, 2)) + jnp.arange(2, dtype="uint32")
      >>> def bits(key, width, shape):
      ...   return jnp.full(shape, key[0], f"uint{width}")
      >>> impl = define_prng_impl(key_shape=(2,), seed=seed, split=split, random_bits=bits,
      ...                         fold_in=lambda key, data: key + data, name="constant", tag="c")
      >>> arrax.random.key(7, impl=impl)
      Array((), dtype=key<c>) overlaying:
      [7 7]
    """
    key_shape = tuple(key_shape)
    owner = (name, key_shape, seed, split, random_bits, fold_in)
    impl = implementation(KeyDType(tag, math.prod(key_shape), owner), key_shape, seed, split,
                          random_bits, fold_in, name)
    add_implementation(impl, named=False)
    return impl


def implementation(dtype: KeyDType, key_shape: tuple[int, ...], seed: Any, split: Any,
                   random_bits: Any, fold_in: Any, name: str) -> KeyImplementation:
    """The generator of the four functions, whose keys have `dtype`."""
    count = math.prod(key_shape)
    of_keys = _Lifted(key_shape)

    def seed_all(seeds: Any) -> Any:
        shape = aval_of(seeds).shape
        return lax.reshape(of_keys.mapped(seed, lax.reshape(seeds, (-1,))) if shape else
                           seed(seeds), (*shape, count))

    def split_all(words: Any, shape: tuple[int, ...]) -> Any:
        lead = aval_of(words).shape[:-1]
        return lax.reshape(of_keys(lambda key: split(key, shape), words), (*lead, *shape, count))

    def fold_in_all(words: Any, data: Any) -> Any:
        lead = np.broadcast_shapes(aval_of(words).shape[:-1], aval_of(data).shape)
        words, data = _spread(words, (*lead, count)), _spread(data, lead)
        return lax.reshape(of_keys(fold_in, words, data), (*lead, count))

    def bits_of_all(words: Any, bit_width: int, shape: tuple[int, ...]) -> Any:
        lead = aval_of(words).shape[:-1]
        return lax.reshape(of_keys(lambda key: random_bits(key, bit_width, shape), words),
                           (*lead, *shape))

    programs = KeyPrograms(seed_all, split_all, fold_in_all, bits_of_all)
    return KeyImplementation(
        name, dtype, _at_once(seed_all), _at_once(split_all), _at_once(fold_in_all),
        _at_once(bits_of_all), programs, key_shape)


class _Lifted:
    """Calls a function of one key for each key of an array of words (*s, n)."""

    def __init__(self, key_shape: tuple[int, ...]):
        self.key_shape = key_shape

    def __call__(self, function: Callable[..., Any], words: Any, *rest: Any) -> Any:
        lead = aval_of(words).shape[:-1]
        if not lead:
            return function(lax.reshape(words, self.key_shape), *rest)
        return self.mapped(function, lax.reshape(words, (math.prod(lead), *self.key_shape)),
                           *(lax.reshape(x, (math.prod(lead),)) for x in rest))

    def mapped(self, function: Callable[..., Any], *rows: Any) -> Any:
        return vmap(function)(*rows)


def _spread(x: Any, shape: tuple[int, ...]) -> Any:
    """`x` with its last axes last, broadcast to `shape`."""
    found = aval_of(x).shape
    if found == shape:
        return x
    return broadcast_in_dim(x, shape, range(len(shape) - len(found), len(shape)))


def _at_once(program: Callable[..., Any]) -> Callable[..., np.ndarray]:
    """`program` as a function of NumPy arrays; callers may write to its results."""
    def evaluate(words: np.ndarray, *rest: Any) -> np.ndarray:
        with use(EVAL):
            arrays = [from_numpy(x) if isinstance(x, np.ndarray) else x for x in (words, *rest)]
            return np.array(array_of(program(*arrays))._value())
    return evaluate
