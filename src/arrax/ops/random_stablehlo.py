"""Keys and random bits in StableHLO: the same bits as on the CPU, from the words of the keys.

Functions here take and give *words*: a list of uint32 arrays of one shape, one array for each word
of a key (two for threefry, four for rbg).
"""
from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from arrax.core import config
from arrax.core.aval import ShapedArray
from arrax.ops.create import broadcasted_iota
from arrax.ops.join import concatenate, stack
from arrax.ops.p import (add_p, convert_element_type_p, lt_p, mul_p, or_p, random_unwrap_p,
                        random_wrap_p, select_n_p, shift_left_p, shift_right_logical_p,
                        threefry2x32_p, xor_p)
from arrax.ops.rules import broadcast_in_dim
from arrax.ops.shape import reshape
from arrax.ops.slicing import slice_in_dim
from arrax.ops.threefry import threefry_rounds

_UINT32, _UINT64, _FLOAT64 = np.dtype(np.uint32), np.dtype(np.uint64), np.dtype(np.float64)


# ---- threefry ----------------------------------------------------------------------------------

def threefry_form(b: Any, *words: Any) -> list[Any]:
    """The rule of `threefry2x32`: one function of the module for each shape."""
    shape = b.outs[0].shape
    return list(b.shared("threefry2x32", lambda *arrays: _rounds(b, *arrays),
                         *(b.broadcast(w, shape) for w in words)))


def _rounds(b: Any, k1: Any, k2: Any, x1: Any, x2: Any) -> Any:
    shape = k1.aval.shape

    def word(value: int) -> Any:
        return b.full(shape, value, _UINT32)

    def rotate(x: Any, amount: int) -> Any:
        return b.op("or", b.op("shift_left", x, word(amount)),
                    b.op("shift_right_logical", x, word(32 - amount)))
    return threefry_rounds(k1, k2, x1, x2, lambda x, y: b.op("add", x, y),
                           lambda x, y: b.op("xor", x, y), rotate, word)


def _threefry(*words: Any) -> list[Any]:
    return list(threefry2x32_p.bind(*words))


def _expanded(words: Sequence[Any], shape: tuple[int, ...]) -> list[Any]:
    """The words of each key for each element of `shape`."""
    rank = words[0].ndim
    return [broadcast_in_dim(w, (*w.shape, *shape), range(rank)) for w in words]


def _counters(shape: tuple[int, ...]) -> list[Any]:
    """High and low words of the row-major positions in `shape`."""
    size = math.prod(shape)
    if size < 2 ** 32:
        low = broadcasted_iota(_UINT32, (size,), 0)
        return [np.zeros(shape, np.uint32), reshape(low, shape)]
    wide = reshape(broadcasted_iota(_UINT64, (size,), 0), shape)
    return _halves(wide)


def _halves(wide: Any) -> list[Any]:
    """High and low words of uint64."""
    high = shift_right_logical_p.bind(wide, _wide(32))
    return [_convert(high, _UINT32), _convert(wide, _UINT32)]


def _convert(x: Any, dtype: Any) -> Any:
    return convert_element_type_p.bind(x, new_dtype=np.dtype(dtype), weak_type=False,
                                       sharding=None)


def _wide(word: Any) -> Any:
    """A word as uint64, whether or not programs may have such constants."""
    return _convert(np.uint32(word) if isinstance(word, int) else word, _UINT64)


def _of_counters(words: Sequence[Any], shape: tuple[int, ...]) -> list[Any]:
    """Both words of threefry of each position in `shape`, for each key."""
    counters = _counters(shape)
    full = (*words[0].shape, *shape)
    lead = range(len(full) - len(shape), len(full))
    return _threefry(*_expanded(words, shape),
                     *(broadcast_in_dim(c, full, lead) for c in counters))


def _of_row(words: Sequence[Any], count: int) -> Any:
    """Threefry of `count` counters whose halves are first and second words: (*keys, count)."""
    half = -(-count // 2)
    row = broadcasted_iota(_UINT32, (2 * half,), 0)
    if count % 2:  # the last counter has no partner
        row = select_n_p.bind(lt_p.bind(row, np.uint32(count)),
                              np.zeros(2 * half, np.uint32), row)
    full = (*words[0].shape, half)
    pair = [broadcast_in_dim(slice_in_dim(row, i * half, (i + 1) * half), full, (len(full) - 1,))
            for i in range(2)]
    out = concatenate(_threefry(*_expanded(words, (half,)), *pair), len(full) - 1)
    return slice_in_dim(out, 0, count, axis=-1)


def _threefry_split(words: Sequence[Any], shape: tuple[int, ...]) -> list[Any]:
    if config.threefry_partitionable.value:
        return _of_counters(words, shape)
    row = _of_row(words, 2 * math.prod(shape))
    both = reshape(row, (*words[0].shape, *shape, 2))
    return _last_axis(both)


def _threefry_bits(words: Sequence[Any], bit_width: int, shape: tuple[int, ...]) -> Any:
    dtype, size = np.dtype(f"uint{bit_width}"), math.prod(shape)
    if config.threefry_partitionable.value:
        high, low = _of_counters(words, shape)
        return _joined(high, low) if bit_width == 64 else \
            _convert(xor_p.bind(high, low), dtype)
    full = (*words[0].shape, *shape)
    if bit_width == 64:
        row = _of_row(words, 2 * size)
        out = _joined(*(slice_in_dim(row, i * size, (i + 1) * size, axis=-1) for i in range(2)))
        return reshape(out, full)
    row, parts = _of_row(words, -(-size * bit_width // 32)), 32 // bit_width
    if parts > 1:
        spread = broadcast_in_dim(row, (*row.shape, parts), range(row.ndim))
        shifts = broadcast_in_dim(np.arange(parts, dtype=np.uint32) * np.uint32(bit_width),
                                  spread.shape, (row.ndim,))
        spread = shift_right_logical_p.bind(spread, shifts)
        row = slice_in_dim(reshape(spread, (*row.shape[:-1], row.shape[-1] * parts)), 0, size,
                           axis=-1)
    return reshape(_convert(row, dtype), full)


def _joined(high: Any, low: Any) -> Any:
    """uint64 of high and low words."""
    shifted = shift_left_p.bind(_wide(high), _wide(32))
    return or_p.bind(shifted, _wide(low))


def _seed_words(seeds: Any) -> list[Any]:
    """High and low words of integers."""
    if seeds.dtype.itemsize == 8:
        return _halves(_convert(seeds, _UINT64))
    return [broadcast_in_dim(np.uint32(0), seeds.shape, ()), _convert(seeds, _UINT32)]


# ---- keys --------------------------------------------------------------------------------------

def _last_axis(x: Any) -> list[Any]:
    """The elements along the last axis, an array each."""
    return [reshape(slice_in_dim(x, i, i + 1, axis=-1), x.shape[:-1]) for i in range(x.shape[-1])]


def unwrap_form(b: Any, keys: Any) -> Any:
    """The bits of uint64, or of both parts of complex128, as words along a new last axis."""
    shape = keys.aval.shape
    pair = ShapedArray((*shape, 2), _UINT32)
    if keys.aval.dtype.words == 1:
        return b.reshape(keys, (*shape, 1))
    if keys.aval.dtype.words == 2:
        return b.op("bitcast_convert", keys, results=pair)
    parts = [b.op(part, keys, results=ShapedArray(shape, _FLOAT64)) for part in ("real", "imag")]
    return concatenate([b.op("bitcast_convert", p, results=pair) for p in parts], len(shape))


def wrap_form(b: Any, words: Any, *, impl: Any) -> Any:
    """The reverse of `unwrap_form`."""
    keys = b.outs[0]
    if impl.words == 1:
        return b.reshape(words, keys.shape)
    if impl.words == 2:
        return b.op("bitcast_convert", words, results=keys)
    parts = b.op("bitcast_convert", reshape(words, (*keys.shape, 2, 2)),
                 results=ShapedArray((*keys.shape, 2), _FLOAT64))
    return b.op("complex", *_last_axis(parts), results=keys)


def words_of(keys: Any) -> list[Any]:
    """The words of a key array."""
    return _last_axis(random_unwrap_p.bind(keys))


def _key(words: Sequence[Any], impl: Any) -> Any:
    return random_wrap_p.bind(stack(words, -1), impl=impl)


def _pairs(words: Sequence[Any]) -> list[Sequence[Any]]:
    """The threefry keys that a key consists of."""
    return [words[i:i + 2] for i in range(0, len(words), 2)]


def seed_form(b: Any, seeds: Any, *, impl: Any) -> Any:
    """The words of the seed, repeated to the size of a key."""
    return _key(_seed_words(seeds) * (impl.words // 2), impl)


def split_words(words: Sequence[Any], shape: tuple[int, ...]) -> list[Any]:
    """The words of (*keys, *shape) new keys."""
    return [w for pair in _pairs(words) for w in _threefry_split(pair, shape)]


def fold_in_words(words: Sequence[Any], data: Any) -> list[Any]:
    """The words of the keys with a datum each folded in."""
    return [w for pair in _pairs(words) for w in _threefry(*pair, *_seed_words(data))]


def bits_form(b: Any, keys: Any, *, bit_width: int, shape: tuple[int, ...]) -> Any:
    """Bits of each threefry key, or of the stream of the first rbg key."""
    words = random_unwrap_p.bind(keys)
    if keys.aval.dtype.words == 2:
        return _threefry_bits(_last_axis(words), bit_width, shape)
    rows = reshape(words, (math.prod(keys.aval.shape), 4))
    state = reshape(slice_in_dim(rows, 0, 1), (4,))
    return generated(b, state, (*keys.aval.shape, *shape), np.dtype(f"uint{bit_width}"),
                     "DEFAULT")[1]


def bits_of_each(words: Sequence[Any], bit_width: int) -> Any:
    """One draw of each key."""
    if len(words) == 2:
        return _threefry_bits(words, bit_width, ())
    first, second = _philox(words)[:2]
    return _joined(second, first) if bit_width == 64 else \
        _convert(first, np.dtype(f"uint{bit_width}"))


def _philox(state: Sequence[Any]) -> list[Any]:
    """Philox-4x32-10 (same paper) of states (key, then 64-bit counter)."""
    k0, k1, x0, x1 = state
    x2, x3 = k0, k1
    for _ in range(10):
        h0, l0 = _halves(mul_p.bind(_wide(x0), _wide(0xD2511F53)))
        h1, l1 = _halves(mul_p.bind(_wide(x2), _wide(0xCD9E8D57)))
        x0, x1 = xor_p.bind(xor_p.bind(h1, x1), k0), l1
        x2, x3 = xor_p.bind(xor_p.bind(h0, x3), k1), l0
        k0 = add_p.bind(k0, np.uint32(0x9E3779B9))
        k1 = add_p.bind(k1, np.uint32(0xBB67AE85))
    return [x0, x1, x2, x3]


def generated(b: Any, state: Any, shape: tuple[int, ...], dtype: Any, algorithm: str) -> list[Any]:
    """The new state, uint32[4], and bits of XLA's generator; narrow ones are cut from 32 bits."""
    drawn = dtype if dtype.itemsize >= 4 else _UINT32
    pairs = b.reshape(state, (2, 2))
    wide = b.op("bitcast_convert", pairs, results=ShapedArray((2,), _UINT64))
    new, bits = b.op("rng_bit_generator", wide, rng_algorithm=algorithm,
                     results=[wide.aval, ShapedArray(shape, drawn)])
    new = b.op("bitcast_convert", new, results=pairs.aval)
    return [b.reshape(new, (4,)), b.convert(bits, dtype)]


def split_form(b: Any, keys: Any, *, shape: tuple[int, ...], impl: Any) -> Any:
    return _key(split_words(words_of(keys), shape), impl)


def fold_in_form(b: Any, keys: Any, data: Any, *, impl: Any) -> Any:
    shape = b.outs[0].shape
    words = [b.broadcast(w, shape) for w in words_of(keys)]
    return _key(fold_in_words(words, b.broadcast(data, shape)), impl)
