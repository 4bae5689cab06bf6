"""`arrax.extend.random`: random bit generators as values, and what Threefry is made of."""
from __future__ import annotations

import math
from typing import Any

import numpy as np

from arrax.core.lazy import listing as _listing
from arrax.numpy import concatenate, ravel, reshape, zeros
from arrax.ops.random import implementations, threefry2x32_p
from arrax.random import key as _key
from arrax.random.programs import define_prng_impl

__all__ = ["define_prng_impl", "random_seed", "rbg_prng_impl", "seed_with_impl", "threefry2x32_p",
           "threefry_2x32", "threefry_prng_impl", "unsafe_rbg_prng_impl"]

threefry_prng_impl = implementations["threefry2x32"]
rbg_prng_impl = implementations["rbg"]
unsafe_rbg_prng_impl = implementations["unsafe_rbg"]


def seed_with_impl(impl: Any, seed: Any) -> Any:
    """A key of the generator `impl`, from an integer."""
    return _key(seed, impl=impl)


def random_seed(seeds: Any, impl: Any) -> Any:
    """A key of the generator `impl`, from an integer."""
    return seed_with_impl(impl, seeds)


def threefry_2x32(keypair: Any, count: Any) -> Any:
    """Random bits by the block cipher Threefry-2x32 of 20 rounds (Salmon et al., "Parallel random
    numbers: as easy as 1, 2, 3", SC 2011).

    Args:
      keypair: two uint32 arrays of one shape, or one array of two.
      count: uint32 array, of any shape: the two halves of its elements are the blocks' words.

    Returns a uint32 array of the shape of `count`.

    Example:
      >>> from arrax.extend.random import threefry_2x32
      >>> threefry_2x32(jnp.zeros(2, jnp.uint32), jnp.zeros(2, jnp.uint32))
      Array([1797259609, 2579123966], dtype=uint32)
    """
    first, second = keypair
    for word in (first, second, count):
        if np.dtype(word.dtype) != np.uint32:
            raise TypeError(f"threefry_2x32 requires uint32 arguments, got {word.dtype}")
    words = ravel(count)
    size = words.shape[0]
    if size % 2:
        words = concatenate([words, zeros(1, np.uint32)])
    half = math.ceil(size / 2)
    out = threefry2x32_p.bind(first, second, words[:half], words[half:])
    return reshape(concatenate(out)[:size], count.shape)

__dir__ = _listing(__name__)
