"""Random bits: counter-based generators and typed keys.

Threefry-2x32 with 20 rounds (Salmon, Moraes, Dror, Shaw, "Parallel random numbers: as easy as
1, 2, 3", 2011) is the default generator. A key array `key<fry>[*s]` holds two 32-bit words a key;
its storage is one uint64 an element, so shape operations need no special rules and only the
primitives here look inside (`unwrapped`, `wrapped`).

With `threefry_partitionable` (the default) the bits of element i depend on i alone:
threefry(key, (i >> 32, i & 0xffffffff)); otherwise the counters of one draw are split in halves.
"""
from __future__ import annotations

from functools import partial
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from arrax.core import config, dtypes
from arrax.core.array import array_of, from_numpy, with_aval
from arrax.core.aval import ShapedArray, aval_of
from arrax.core.dimension import broadcast_shapes
from arrax.core.primitive import NotApplicable, Primitive
from arrax.library.calls import call_eagerly
from arrax.library.rows import threefry_spec
from arrax.core.lowering import Elementwise, Expand, Reinterpret
from arrax.ops import random_stablehlo as form
from arrax.ops import sharding_rules, unsafe_rbg
from arrax.ops.create import broadcasted_iota
from arrax.ops.join import stack
from arrax.ops.p import convert_element_type_p
from arrax.ops.rules import (attached, batch_elementwise, batch_to_front, broadcast_in_dim,
                             constant, zero_jvp)
from arrax.ops.shape import reshape
from arrax.ops.slicing import slice_in_dim
from arrax.ops.threefry import threefry_rounds

_DISCRETE = NotApplicable("keys and random bits have no tangents")


def threefry_words(k1: Any, k2: Any, x1: Any, x2: Any) -> tuple[np.ndarray, np.ndarray]:
    """Threefry-2x32 of NumPy uint32 arrays that broadcast together."""
    operands: Any = (k1, k2, x1, x2)
    shape = np.broadcast_shapes(*[x.shape for x in operands])
    operands = [_full(x, shape) for x in operands]
    first, second = np.empty(shape, np.uint32), np.empty(shape, np.uint32)
    call_eagerly("arrax_threefry_words", (first.size,), *operands, first, second)
    return first, second


def _full(x: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    """`x` broadcast to `shape`, contiguous words."""
    if x.shape == shape:
        return np.ascontiguousarray(x, np.uint32)
    out = np.empty(shape, np.uint32)
    out[...] = x
    return out


def _emit_threefry(b: Any, k1: Any, k2: Any, x1: Any, x2: Any) -> tuple[Any, Any]:
    """The same on the values of the compiler's scalar builder."""
    def word(value: int) -> Any:
        return b.constant(value, np.dtype(np.uint32))

    def rotate(x: Any, amount: int) -> Any:
        return b.or_(b.shift_left(x, word(amount)), b.shift_right_logical(x, word(32 - amount)))
    return threefry_rounds(k1, k2, x1, x2, b.add, b.xor, rotate, word)


def _four_words_type(*avals: Any, **_: Any) -> Any:
    shape = broadcast_shapes(*(a.shape for a in avals))
    for aval in avals:
        if aval.dtype != np.uint32:
            raise TypeError("Arguments to threefry2x32 must have uint32 type, got "
                            f"{[a.dtype.name for a in avals]}")
    return ShapedArray(shape, np.uint32)


threefry_word_p = Primitive(
    "threefry2x32_word", type_rule=_four_words_type, elementwise=True, weak_type="none",
    evaluate=lambda k1, k2, x1, x2, *, word: np.asarray(threefry_words(k1, k2, x1, x2)[word]),
    jvp=zero_jvp(), transpose=_DISCRETE, batch=batch_elementwise(),
    lower=Elementwise(lambda b, k1, k2, x1, x2, *, word: _emit_threefry(b, k1, k2, x1, x2)[word],
                      cost=80),
    stablehlo=lambda b, *words, word: form.threefry_form(b, *words)[word])

threefry_xor_p = Primitive(
    "threefry2x32_xor", type_rule=_four_words_type, elementwise=True, weak_type="none",
    evaluate=lambda *words: np.bitwise_xor(*threefry_words(*words)),
    jvp=zero_jvp(), transpose=_DISCRETE, batch=batch_elementwise(),
    lower=Elementwise(lambda b, *words: b.xor(*_emit_threefry(b, *words)), cost=80),
    stablehlo=lambda b, *words: b.op("xor", *form.threefry_form(b, *words)))

threefry2x32_p = Primitive(
    "threefry2x32", multiple_results=True, weak_type="none",
    type_rule=lambda *avals: [_four_words_type(*avals)] * 2,
    evaluate=lambda *words: [np.asarray(w) for w in threefry_words(*words)],
    jvp=zero_jvp(), transpose=_DISCRETE, batch=batch_elementwise(),
    lower=Expand(lambda *words: [threefry_word_p.bind(*words, word=i) for i in range(2)]),
    stablehlo=form.threefry_form)


# ---- implementations ---------------------------------------------------------------------------

@dataclass(frozen=True)
class KeyPrograms:
    """A generator as functions on values of any trace: words are uint32 arrays of shape (*s, n).

    `seed` takes integers (*s), `split` (words, shape), `fold_in` (words, data), whose shapes
    broadcast, `bits` (words, bit width, shape).
    """

    seed: Callable[[Any], Any]
    split: Callable[[Any, tuple[int, ...]], Any]
    fold_in: Callable[[Any, Any], Any]
    bits: Callable[[Any, int, tuple[int, ...]], Any]


@dataclass(frozen=True, eq=False)
class KeyImplementation:
    """A generator: how keys are made, split and expanded to bits, on NumPy words (*s, n).

    Generators that are written in arrax have `programs`, which compiled code consists of. A single
    key has the words of `key_shape`, or one row of them.
    """

    name: str
    dtype: dtypes.KeyDType
    seed: Callable[[np.ndarray], np.ndarray]
    split: Callable[[np.ndarray, tuple[int, ...]], np.ndarray]
    fold_in: Callable[[np.ndarray, np.ndarray], np.ndarray]
    bits: Callable[[np.ndarray, int, tuple[int, ...]], np.ndarray]
    programs: KeyPrograms | None = None
    key_shape: tuple[int, ...] = ()

    def __post_init__(self) -> None:
        if not self.key_shape:
            object.__setattr__(self, "key_shape", (self.dtype.words,))

    def __eq__(self, other: object) -> bool:
        return isinstance(other, KeyImplementation) and self.dtype is other.dtype

    def __hash__(self) -> int:
        return hash(self.dtype)

    @property
    def words(self) -> int:
        return self.dtype.words

    def __str__(self) -> str:
        return self.dtype.tag

    __repr__ = __str__


def _threefry_seed(seed: np.ndarray) -> np.ndarray:
    wide = seed.astype(np.uint64) if seed.dtype.itemsize == 8 else seed.astype(np.uint32)
    high = (wide >> np.uint64(32)).astype(np.uint32) if wide.dtype.itemsize == 8 \
        else np.zeros_like(wide)
    return _joined(high, wide.astype(np.uint32))


def _pairwise(key: np.ndarray, counts: np.ndarray) -> np.ndarray:
    """Threefry of a row of counters whose halves are the first and second words."""
    odd = counts.size % 2
    padded = np.concatenate([counts, np.zeros(1, np.uint32)]) if odd else counts
    first, second = np.split(padded, 2)
    out = np.concatenate(threefry_words(key[..., :1], key[..., 1:], first, second), axis=-1)
    return out[..., :-1] if odd else out


def _counters(shape: tuple[int, ...]) -> tuple[np.ndarray, np.ndarray]:
    """High and low words of the row-major positions in `shape`."""
    size = math.prod(shape)
    if size < 2 ** 32:
        low = np.arange(size, dtype=np.uint32).reshape(shape)
        return np.zeros((1,) * len(shape), np.uint32), low
    index = np.arange(size, dtype=np.uint64).reshape(shape)
    return (index >> np.uint64(32)).astype(np.uint32), index.astype(np.uint32)


def _expanded(key: np.ndarray, rank: int) -> tuple[np.ndarray, np.ndarray]:
    """The two words of each key with `rank` axes of size one appended."""
    shape = key.shape[:-1] + (1,) * rank
    return key[..., 0].reshape(shape), key[..., 1].reshape(shape)


def _threefry_split(key: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    if config.threefry_partitionable.value:
        return _joined(*threefry_words(*_expanded(key, len(shape)), *_counters(shape)))
    out = _pairwise(key, np.arange(2 * math.prod(shape), dtype=np.uint32))
    return out.reshape(*key.shape[:-1], *shape, 2)


def _threefry_fold_in(key: np.ndarray, data: np.ndarray) -> np.ndarray:
    seed = _threefry_seed(data)
    return _joined(*threefry_words(key[..., 0], key[..., 1], seed[..., 0], seed[..., 1]))


def _joined(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Pairs of words along a new last axis."""
    out = np.empty((*first.shape, 2), np.uint32)
    out[..., 0], out[..., 1] = first, second
    return out


def _threefry_bits(key: np.ndarray, bit_width: int, shape: tuple[int, ...]) -> np.ndarray:
    dtype = np.dtype(f"uint{bit_width}")
    if config.threefry_partitionable.value:
        key = np.ascontiguousarray(key, np.uint32)
        out = np.empty((*key.shape[:-1], *shape), dtype)
        spec = threefry_spec(math.prod(key.shape[:-1]), math.prod(shape), bit_width)
        call_eagerly("arrax_threefry_bits", spec, key, out)
        return out
    return _threefry_bits_in_halves(key, dtype, shape)


def _threefry_bits_in_halves(key: np.ndarray, dtype: np.dtype, shape: tuple[int, ...],
                             ) -> np.ndarray:
    size = math.prod(shape)
    count = -(-dtype.itemsize * size // 4)
    words = _pairwise(key, np.arange(count, dtype=np.uint32))
    out: np.ndarray
    if dtype.itemsize == 8:
        count = size
        words = _pairwise(key, np.arange(2 * count, dtype=np.uint32))
        out = (words[..., :count].astype(np.uint64) << np.uint64(32)) | words[..., count:]
    elif dtype.itemsize == 4:
        out = words
    else:
        per_word = 4 // dtype.itemsize
        shifts = np.arange(per_word, dtype=np.uint32) * np.uint32(8 * dtype.itemsize)
        parts = words[..., :, None] >> shifts
        out = parts.reshape(*words.shape[:-1], -1)[..., :size].astype(dtype)
    return out.reshape((*key.shape[:-1], *shape))


threefry = KeyImplementation("threefry2x32", dtypes.key_fry, _threefry_seed, _threefry_split,
                             _threefry_fold_in, _threefry_bits)


def _philox_bits(key: np.ndarray, bit_width: int, shape: tuple[int, ...]) -> np.ndarray:
    flat = key.reshape(-1, 4)
    rows = [philox_stream(k, bit_width, math.prod(shape))[1] for k in flat]
    return np.stack(rows).reshape((*key.shape[:-1], *shape)) if rows else \
        np.zeros((*key.shape[:-1], *shape), f"uint{bit_width}")


def _mul_high_low(a: int, x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    product = np.uint64(a) * x.astype(np.uint64)
    return (product >> np.uint64(32)).astype(np.uint32), product.astype(np.uint32)


def philox_stream(state: np.ndarray, bit_width: int, size: int) -> tuple[np.ndarray, np.ndarray]:
    """Philox-4x32-10 (same paper) from a state of four words (key, then 64-bit counter).

    Returns the advanced state and `size` unsigned integers of `bit_width` bits.
    """
    words = size * max(bit_width, 32) // 32
    blocks = -(-words // 4)
    start = int(state[2]) | int(state[3]) << 32
    counter = np.uint64(start) + np.arange(blocks, dtype=np.uint64)
    x0, x1 = counter.astype(np.uint32), (counter >> np.uint64(32)).astype(np.uint32)
    x2, x3 = np.full(blocks, state[0], np.uint32), np.full(blocks, state[1], np.uint32)
    k0, k1 = int(state[0]), int(state[1])
    with np.errstate(over="ignore"):
        for _ in range(10):
            h0, l0 = _mul_high_low(0xD2511F53, x0)
            h1, l1 = _mul_high_low(0xCD9E8D57, x2)
            x0, x1, x2, x3 = h1 ^ x1 ^ np.uint32(k0), l1, h0 ^ x3 ^ np.uint32(k1), l0
            k0, k1 = (k0 + 0x9E3779B9) & 0xFFFFFFFF, (k1 + 0xBB67AE85) & 0xFFFFFFFF
    out = np.stack([x0, x1, x2, x3], axis=-1).reshape(-1)[:words]
    if bit_width == 64:
        bits = out[0::2].astype(np.uint64) | (out[1::2].astype(np.uint64) << np.uint64(32))
    else:
        bits = out.astype(f"uint{bit_width}")
    end = (start + blocks) & (2 ** 64 - 1)
    return np.array([state[0], state[1], end & 0xFFFFFFFF, end >> 32], np.uint32), bits


def _doubled(fn: Callable[..., np.ndarray]) -> Callable[..., np.ndarray]:
    """A threefry function on each half of four-word keys."""
    def on_halves(key: np.ndarray, *args: Any) -> np.ndarray:
        return np.concatenate([fn(key[..., :2], *args), fn(key[..., 2:], *args)], axis=-1)
    return on_halves


def _rbg_seed(seed: np.ndarray) -> np.ndarray:
    half = _threefry_seed(seed)
    return np.concatenate([half, half], axis=-1)


rbg = KeyImplementation("rbg", dtypes.key_rbg, _rbg_seed, _doubled(_threefry_split),
                        _doubled(_threefry_fold_in), _philox_bits)


def _unsafe_split(key: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    words = _shared_stream(key, (unsafe_rbg.STRIDE * math.prod(shape), 4))
    return words[..., ::unsafe_rbg.STRIDE, :].reshape((*key.shape[:-1], *shape, 4))


def _unsafe_fold_in(key: np.ndarray, data: np.ndarray) -> np.ndarray:
    return np.asarray(key ^ _shared_stream(_rbg_seed(data), (unsafe_rbg.STRIDE, 4))[..., -1, :])


def _shared_stream(key: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    """A batch of keys shares the stream of the first, as in XLA's batched generator."""
    full = (*key.shape[:-1], *shape)
    return _philox_bits(key.reshape(-1, 4)[0], 32, full) if key.size else np.zeros(full, np.uint32)


unsafe = KeyImplementation("unsafe_rbg", dtypes.key_unsafe_rbg, _rbg_seed, _unsafe_split,
                           _unsafe_fold_in, _philox_bits)
implementations = {i.name: i for i in (threefry, rbg, unsafe)}
_by_dtype: dict[Any, KeyImplementation] = {i.dtype: i for i in implementations.values()}


def implementation_of(dtype: Any) -> KeyImplementation:
    """The generator of a key dtype."""
    return _by_dtype[dtype]


def add_implementation(impl: KeyImplementation, named: bool) -> None:
    """Let keys of its dtype be keys of `impl`; `named`: functions find it by its name, too."""
    _by_dtype[impl.dtype] = impl
    if named:
        implementations[impl.name] = impl


def _programs_of(keys: Any) -> KeyPrograms | None:
    return implementation_of(keys.dtype).programs


def is_stored_alone(dtype: Any) -> bool:
    """Whether the storage of keys of `dtype` says which generator expands them to bits."""
    return implementation_of(dtype).programs is None


def unwrapped(keys: np.ndarray) -> np.ndarray:
    """Storage of a key array as words: uint32 of shape (*s, words)."""
    words = keys.dtype.itemsize // 4
    return np.ascontiguousarray(keys).view(np.uint32).reshape(*keys.shape, words)


def wrapped(words: np.ndarray, dtype: dtypes.KeyDType) -> np.ndarray:
    """Words as the storage of a key array."""
    return np.ascontiguousarray(words).view(dtype.storage).reshape(words.shape[:-1])


# ---- primitives on keys ------------------------------------------------------------------------

def _leading_batch(primitive: Callable[..., Any]) -> Any:
    """Batching where results have the batch axes of the key first."""
    def rule(axis: Any, operands: Any, dims: Any, **params: Any) -> Any:
        moved = [batch_to_front(x, d, axis.size) for x, d in zip(operands, dims, strict=True)]
        return primitive(*moved, **params), 0
    return rule


def _key_aval(aval: Any, what: str) -> KeyImplementation:
    if not isinstance(aval.dtype, dtypes.KeyDType):
        raise TypeError(f"{what} requires a typed key array, got {aval.str_short()}")
    return implementation_of(aval.dtype)


def _key_words(keys: Any, shape: tuple[int, ...]) -> list[Any]:
    """The two words of each threefry key, for each element of `shape`."""
    words, rank = random_unwrap_p.bind(keys), keys.ndim
    return [broadcast_in_dim(reshape(slice_in_dim(words, i, i + 1, axis=rank), keys.shape),
                             (*keys.shape, *shape), range(rank)) for i in range(2)]


def _counter_words(keys: Any, shape: tuple[int, ...]) -> list[Any]:
    """High and low words of the row-major positions in `shape`, for each key."""
    high = constant(0, ShapedArray((), np.uint32))
    if not shape:
        return [high, high]
    counter = broadcasted_iota(np.dtype(np.uint32), (math.prod(shape),), 0)
    full, rank = (*keys.shape, *shape), keys.ndim
    return [high, broadcast_in_dim(reshape(counter, shape), full, range(rank, len(full)))]


def _has_short_counters(keys: Any, shape: tuple[int, ...]) -> bool:
    """Whether each element is threefry of its position, which fits a word."""
    return keys.dtype == dtypes.key_fry and math.prod(shape) < 2 ** 32 \
        and bool(config.threefry_partitionable.value)


def _key_of_words(words: Sequence[Any]) -> Any:
    """The threefry key of two arrays of words."""
    return random_wrap_p.bind(stack(words, -1), impl=threefry)


def _expand_seed(seeds: Any, *, impl: KeyImplementation) -> Any:
    """Threefry keys of seeds of one word; keys of what programs define."""
    if impl.programs:
        return random_wrap_p.bind(impl.programs.seed(seeds), impl=impl)
    if impl is not threefry or seeds.dtype.kind not in "iu" or seeds.dtype.itemsize > 4:
        return None
    low = convert_element_type_p.bind(
        seeds, new_dtype=np.dtype(np.uint32), weak_type=False, sharding=None)
    high = constant(0, ShapedArray((), np.uint32))
    return _key_of_words([broadcast_in_dim(high, seeds.shape, ()), low])


def _expand_split(keys: Any, *, shape: tuple[int, ...]) -> Any:
    """Threefry of positions, both words."""
    if programs := _programs_of(keys):
        return random_wrap_p.bind(programs.split(random_unwrap_p.bind(keys), shape),
                                  impl=implementation_of(keys.dtype))
    if keys.dtype == dtypes.key_unsafe_rbg:
        return unsafe_rbg.split_keys(keys, unsafe, shape=shape)
    if not _has_short_counters(keys, shape):
        return None
    words = (*_key_words(keys, shape), *_counter_words(keys, shape))
    return _key_of_words([threefry_word_p.bind(*words, word=i) for i in range(2)])


def _expand_fold_in(keys: Any, data: Any) -> Any:
    """Threefry of the datum, both words."""
    if programs := _programs_of(keys):
        return random_wrap_p.bind(programs.fold_in(random_unwrap_p.bind(keys), data),
                                  impl=implementation_of(keys.dtype))
    if keys.dtype == dtypes.key_unsafe_rbg:
        return unsafe_rbg.fold_in_keys(keys, data, unsafe)
    if keys.dtype != dtypes.key_fry or data.dtype != np.uint32 or data.shape != keys.shape:
        return None
    words = (*_key_words(keys, ()), constant(0, ShapedArray((), np.uint32)), data)
    return _key_of_words([threefry_word_p.bind(*words, word=i) for i in range(2)])


random_seed_p: Primitive = Primitive(
    "random_seed", typed_results=True, weak_type="none",
    type_rule=lambda seeds, *, impl: ShapedArray(seeds.shape, impl.dtype),
    evaluate=lambda seeds, *, impl: wrapped(impl.seed(np.asarray(seeds)), impl.dtype),
    jvp=zero_jvp(), transpose=_DISCRETE,
    batch=_leading_batch(lambda *xs, **ps: random_seed_p.bind(*xs, **ps)),
    lower=Expand(_expand_seed),
    stablehlo=lambda b, seeds, *, impl: _expand_seed(seeds, impl=impl) if impl.programs
    else form.seed_form(b, seeds, impl=impl))


def _wrap_type(words: Any, *, impl: KeyImplementation) -> Any:
    if words.dtype != np.uint32 or not words.shape or words.shape[-1] != impl.words:
        raise TypeError(f"random key data of {impl.name} must be uint32 with a trailing axis of "
                        f"size {impl.words}, got {words.str_short()}")
    return ShapedArray(words.shape[:-1], impl.dtype)


random_wrap_p: Primitive = Primitive(
    "random_wrap", sharding=sharding_rules.key_elements,
    typed_results=True, weak_type="none", type_rule=_wrap_type,
    evaluate=lambda words, *, impl: wrapped(words, impl.dtype),
    jvp=zero_jvp(), transpose=_DISCRETE,
    batch=_leading_batch(lambda *xs, **ps: random_wrap_p.bind(*xs, **ps)), lower=Reinterpret(),
    stablehlo=form.wrap_form)

random_unwrap_p: Primitive = Primitive(
    "random_unwrap", sharding=sharding_rules.key_elements,
    weak_type="none",
    type_rule=lambda keys: ShapedArray((*keys.shape, _key_aval(keys, "random_unwrap").words),
                                       np.uint32),
    evaluate=unwrapped, jvp=zero_jvp(), transpose=_DISCRETE,
    batch=_leading_batch(lambda *xs, **ps: random_unwrap_p.bind(*xs, **ps)), lower=Reinterpret(),
    stablehlo=form.unwrap_form)


def key_implementation(storage: np.ndarray) -> KeyImplementation:
    """The generator whose keys are stored like `storage`."""
    return threefry if storage.dtype.itemsize == 8 else rbg


random_clone_p: Primitive = Primitive(
    "random_clone", typed_results=True, weak_type="none",
    type_rule=lambda keys: ShapedArray(keys.shape, _key_aval(keys, "random_clone").dtype),
    evaluate=lambda keys: keys, jvp=zero_jvp(), transpose=_DISCRETE,
    batch=_leading_batch(lambda *xs, **ps: random_clone_p.bind(*xs, **ps)), lower=Reinterpret(),
    stablehlo=lambda b, keys: keys)


def _by_implementation(derive: Callable[..., np.ndarray]) -> attached:
    """Evaluation by the generator that the aval of the keys names; their storage cannot tell the
    generators with keys of four words apart."""
    def execute(primitive: Primitive, keys: Any, *rest: Any, **params: Any) -> Any:
        arrays = [array_of(x) for x in (keys, *rest)]
        aval = primitive.result_avals([a.aval for a in arrays], params)
        data = [a._value() for a in arrays]
        words = derive(implementation_of(aval.dtype), unwrapped(data[0]), *data[1:], **params)
        return with_aval(wrapped(words, aval.dtype), aval)
    return attached(lambda primitive: partial(execute, primitive))


def _of_own(expand: Callable[..., Any], rule: Callable[..., Any]) -> Callable[..., Any]:
    """`rule`, but for the generators that are written in other primitives."""
    def chosen(b: Any, keys: Any, *rest: Any, **params: Any) -> Any:
        if keys.aval.dtype == dtypes.key_unsafe_rbg or _programs_of(keys.aval):
            return expand(keys, *rest, **params)
        return rule(b, keys, *rest, **params)
    return chosen


random_split_p: Primitive = Primitive(
    "random_split", sharding=sharding_rules.key_elements,
    typed_results=True, weak_type="none",
    type_rule=lambda keys, *, shape: ShapedArray((*keys.shape, *shape),
                                                 _key_aval(keys, "random_split").dtype),
    evaluate=lambda keys, *, shape: wrapped(key_implementation(keys).split(unwrapped(keys), shape),
                                            key_implementation(keys).dtype),
    execute=_by_implementation(lambda impl, words, *, shape: impl.split(
        words, shape)),
    jvp=zero_jvp(), transpose=_DISCRETE,
    batch=_leading_batch(lambda *xs, **ps: random_split_p.bind(*xs, **ps)),
    lower=Expand(_expand_split), stablehlo=_of_own(
        _expand_split, lambda b, keys, *, shape: form.split_form(
            b, keys, shape=shape, impl=implementation_of(keys.aval.dtype))))


def _fold_in_type(keys: Any, data: Any) -> Any:
    impl = _key_aval(keys, "random_fold_in")
    return ShapedArray(broadcast_shapes(keys.shape, data.shape), impl.dtype)


def _fold_in_batch(axis: Any, operands: Any, dims: Any) -> Any:
    """One datum for a batch of keys stays one: keys of "unsafe_rbg" share its stream otherwise."""
    keys, data = operands
    if dims[1] is None and aval_of(data).ndim == 0 and keys.dtype == dtypes.key_unsafe_rbg:
        return random_fold_in_p.bind(batch_to_front(keys, dims[0], axis.size), data), 0
    general = _leading_batch(lambda *xs, **ps: random_fold_in_p.bind(*xs, **ps))
    return general(axis, operands, dims)


random_fold_in_p = Primitive(
    "random_fold_in", typed_results=True, weak_type="none", type_rule=_fold_in_type,
    evaluate=lambda keys, data: wrapped(
        key_implementation(keys).fold_in(unwrapped(keys), np.asarray(data)),
        key_implementation(keys).dtype),
    execute=_by_implementation(lambda impl, words, data: impl.fold_in(
        words, np.asarray(data))),
    jvp=zero_jvp(), transpose=_DISCRETE, batch=_fold_in_batch,
    lower=Expand(_expand_fold_in), stablehlo=_of_own(
        _expand_fold_in, lambda b, keys, data: form.fold_in_form(
            b, keys, data, impl=implementation_of(keys.aval.dtype))))


def _bits_type(keys: Any, *, bit_width: int, shape: tuple[int, ...]) -> Any:
    _key_aval(keys, "random_bits")
    if bit_width not in (8, 16, 32, 64):
        raise TypeError(f"random_bits requires bit_width of 8, 16, 32 or 64, got {bit_width}")
    return ShapedArray((*keys.shape, *shape), f"uint{bit_width}")


def _expand_bits(keys: Any, *, bit_width: int, shape: tuple[int, ...]) -> Any:
    """32-bit threefry bits as one fused loop over the counters."""
    if programs := _programs_of(keys):
        return programs.bits(random_unwrap_p.bind(keys), bit_width, shape)
    if bit_width != 32 or not _has_short_counters(keys, shape):
        return None
    return threefry_xor_p.bind(*_key_words(keys, shape), *_counter_words(keys, shape))


def _evaluate_bits(keys: np.ndarray, *, bit_width: int, shape: tuple[int, ...]) -> np.ndarray:
    impl, words = key_implementation(keys), unwrapped(keys)
    if impl is rbg and words.size > 4:
        # A batch of keys shares the stream of the first, as in XLA's batched generator.
        return impl.bits(words.reshape(-1, 4)[0], bit_width, (*keys.shape, *shape))
    return np.asarray(impl.bits(words, bit_width, shape))


def _execute_bits(keys: Any, *, bit_width: int, shape: tuple[int, ...]) -> Any:
    array = array_of(keys)
    _bits_type(array.aval, bit_width=bit_width, shape=shape)
    data, impl = array._value(), implementation_of(array.aval.dtype)
    if impl.programs is None:
        return from_numpy(_evaluate_bits(data, bit_width=bit_width, shape=shape))
    return from_numpy(impl.bits(unwrapped(data), bit_width, shape))


random_bits_p: Primitive = Primitive(
    "random_bits", sharding=sharding_rules.key_elements,
    weak_type="none", type_rule=_bits_type, evaluate=_evaluate_bits,
    execute=_execute_bits, stored=lambda keys: is_stored_alone(keys.dtype),
    jvp=zero_jvp(), transpose=_DISCRETE,
    batch=_leading_batch(lambda *xs, **ps: random_bits_p.bind(*xs, **ps)),
    lower=Expand(_expand_bits), stablehlo=_of_own(
        _expand_bits, lambda b, keys, **params: form.bits_form(b, keys, **params)))


# ---- floats, by NumPy --------------------------------------------------------------------------

def drawn_width(dtype: Any) -> int:
    """How many random bits a float draw takes: a byte where the mantissa is shorter than one."""
    info = dtypes.finfo(dtype)
    return 8 if info.nmant < 8 else int(info.bits)


def floats_of_bits(words: np.ndarray, dtype: Any) -> np.ndarray:
    """Floats in [0, 1) whose mantissas are the high bits of `words` (of `drawn_width` bits)."""
    info = dtypes.finfo(dtype)
    unsigned, one = np.dtype(f"uint{info.bits}"), np.ones((), dtype)
    mantissa = words.astype(unsigned, copy=False) \
        >> unsigned.type(words.dtype.itemsize * 8 - info.nmant)
    floats: np.ndarray = np.asarray(mantissa | one.view(unsigned)).view(dtype) - one
    return floats


def unit_floats(key: np.ndarray, shape: tuple[int, ...], dtype: Any) -> np.ndarray:
    """Uniform draws from [0, 1) with the key stored in `key`."""
    return floats_of_bits(
        random_bits_p.evaluate(key, bit_width=drawn_width(dtype), shape=shape), dtype)
