"""Keys of "unsafe_rbg": splitting and folding in draw from the generator's own stream.

Quicker than threefry's splitting on some machines, and without any promise that streams of
different keys are independent. Every tenth group of four words becomes a key, as in JAX.
"""
from __future__ import annotations

import math
from typing import Any

import numpy as np

from arrax.core.aval import aval_of
from arrax.ops.p import random_bits_p, random_seed_p, random_unwrap_p, random_wrap_p, xor_p
from arrax.ops.rules import broadcast_in_dim
from arrax.ops.shape import reshape
from arrax.ops.slicing import slice as slice_

STRIDE = 10  # groups of four words of which one is used


def _bits(keys: Any, groups: int) -> Any:
    """The stream of the first of `keys`, as `groups` groups of four words for each of them."""
    return random_bits_p.bind(keys, bit_width=32, shape=(groups, 4))


def split_keys(keys: Any, impl: Any, *, shape: tuple[int, ...]) -> Any:
    """Keys of shape (*keys.shape, *shape); `impl` is the generator of `keys`."""
    aval, count = aval_of(keys), math.prod(shape)
    words = _bits(keys, STRIDE * count)
    rank = aval.ndim
    chosen = slice_(words, (0,) * (rank + 2), words.shape, (*(1,) * rank, STRIDE, 1)) if count \
        else words
    return random_wrap_p.bind(reshape(chosen, (*aval.shape, *shape, 4)), impl=impl)


def fold_in_keys(keys: Any, data: Any, impl: Any) -> Any:
    """Each key exclusive-or one group of the stream that the datum seeds."""
    shape = np.broadcast_shapes(aval_of(keys).shape, aval_of(data).shape)
    seeds = random_seed_p.bind(data, impl=impl)
    stream = _bits(seeds, STRIDE)
    rank = aval_of(data).ndim
    group = slice_(stream, (*(0,) * rank, STRIDE - 1, 0), stream.shape)
    group = reshape(group, (*aval_of(data).shape, 4))
    words = [broadcast_in_dim(x, (*shape, 4), range(len(shape) + 1 - aval_of(x).ndim,
                                                    len(shape) + 1))
             for x in (random_unwrap_p.bind(keys), group)]
    return random_wrap_p.bind(xor_p.bind(*words), impl=impl)
