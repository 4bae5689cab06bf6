"""XLA's own generators: `rng_bit_generator`, with an explicit state, and `rng_uniform`."""
from __future__ import annotations

import enum
import functools
import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from arrax.core import dtypes
from arrax.core.aval import ShapedArray
from arrax.core.parameter_types import parameter_type
from arrax.core.primitive import NotApplicable, Primitive
from arrax.core.lowering import HostCall
from arrax.ops.arguments import canonical_shape, operand
from arrax.ops.p import dynamic_update_slice_p
from arrax.ops.random import philox_stream, threefry_words
from arrax.ops.random_stablehlo import generated
from arrax.ops.rules import move_axis, zero_jvp
from arrax.ops.shape import reshape
from arrax.ops.slicing import slice_in_dim

_NO_BATCH = NotApplicable("the generator has one state; draw the batch's numbers in one call")
_DISCRETE = NotApplicable("random bits have no tangents")


@parameter_type
class RandomAlgorithm(enum.IntEnum):
    """The generator of `rng_bit_generator`; the default is Philox."""

    RNG_DEFAULT = 0
    RNG_THREE_FRY = 1
    RNG_PHILOX = 2

    def __str__(self) -> str:
        return self.name


def _bits_type(key: Any, *, shape: Any, dtype: Any, algorithm: Any, out_sharding: Any) -> Any:
    if key.shape != (4,) or key.dtype != np.uint32:
        raise TypeError("rng_bit_generator requires a key of type uint32[4], got "
                        f"{key.str_short()}")
    if not dtypes.issubdtype(dtype, np.unsignedinteger):
        raise TypeError("rng_bit_generator requires an unsigned integer dtype, got "
                        f"{dtypes.dtype_name(dtype)}")
    return [key, ShapedArray(shape, dtype)]


def _threefry_bits(key: np.ndarray, shape: tuple[int, ...], dtype: Any) -> list[np.ndarray]:
    """Threefry of a 64-bit counter, with the first two words as key and the others as counter.

    32-bit words come in pairs, which lie along the first axis of even size, or else the longest;
    64-bit words are whole pairs, narrower ones are cut from 32 bits.
    """
    axis = next((i for i, n in enumerate(shape) if n % 2 == 0), None)
    if axis is None and shape:
        axis = shape.index(max(shape))
    wide = dtype.itemsize == 8
    half = shape if wide or axis is None else \
        (*shape[:axis], -(-shape[axis] // 2), *shape[axis + 1:])
    count = math.prod(half)
    start = int(key[2]) | int(key[3]) << 32
    counter = np.uint64(start) + np.arange(count, dtype=np.uint64)
    low, high = threefry_words(key[:1], key[1:2], counter.astype(np.uint32),
                               (counter >> np.uint64(32)).astype(np.uint32))
    if wide:
        bits = (low.astype(np.uint64) | high.astype(np.uint64) << np.uint64(32)).reshape(shape)
    elif axis is None:
        bits = low.reshape(shape)
    else:
        pairs = np.stack([low.reshape(half), high.reshape(half)], axis + 1)
        merged = pairs.reshape((*half[:axis], 2 * half[axis], *half[axis + 1:]))
        bits = merged[(slice(None),) * axis + (slice(0, shape[axis]),)]
    end = (start + count) & (2 ** 64 - 1)
    state = np.array([key[0], key[1], end & 0xFFFFFFFF, end >> 32], np.uint32)
    return [state, bits.astype(dtype)]


def _evaluate_bits(key: np.ndarray, *, shape: Any, dtype: Any, algorithm: Any,
                   out_sharding: Any) -> list[np.ndarray]:
    if algorithm == RandomAlgorithm.RNG_THREE_FRY:
        return _threefry_bits(np.asarray(key), shape, np.dtype(dtype))
    state, words = philox_stream(np.asarray(key), np.dtype(dtype).itemsize * 8, math.prod(shape))
    return [state, words.reshape(shape)]


def _bits_batch(axis: Any, operands: Any, dims: Any, *, shape: Any, **params: Any) -> Any:
    """The batch's bits come from the first state, which alone advances, as in JAX."""
    keys = move_axis(operands[0], dims[0], 0)
    first = reshape(slice_in_dim(keys, 0, 1), (4,))
    state, bits = rng_bit_generator_p.bind(first, shape=(axis.size, *shape), **params)
    states = dynamic_update_slice_p.bind(keys, reshape(state, (1, 4)), np.int32(0),
                                         np.int32(0))
    return [states, bits], [0, 0]


def _bits_stablehlo(b: Any, key: Any, *, shape: Any, dtype: Any, algorithm: Any,
                    out_sharding: Any) -> list[Any]:
    name = RandomAlgorithm(algorithm).name.removeprefix("RNG_")
    return generated(b, key, shape, np.dtype(dtype), name)


rng_bit_generator_p = Primitive(
    "rng_bit_generator", multiple_results=True, weak_type="none", type_rule=_bits_type,
    evaluate=_evaluate_bits, jvp=_DISCRETE, transpose=_DISCRETE, batch=_bits_batch,
    shown={"algorithm": str}, lower=HostCall("a stream with a counter"), stablehlo=_bits_stablehlo)


def rng_bit_generator(key: Any, shape: Sequence[int], dtype: Any = np.uint32,
                      algorithm: RandomAlgorithm = RandomAlgorithm.RNG_DEFAULT, *,
                      out_sharding: Any = None) -> Any:
    """Random bits of a generator with explicit state, and its next state.

    Args:
      key: the state, uint32[4].
      shape: of the bits.
      dtype: an unsigned integer dtype.
      algorithm: Philox-4x32-10 (the default) or Threefry-2x32, as XLA arranges their words.

    Returns the pair (new state, bits).
    """
    dtype = dtypes.check_user_dtype(dtype, "rng_bit_generator")
    key = operand(key, "rng_bit_generator")
    params = {"shape": canonical_shape(shape), "dtype": dtype, "out_sharding": out_sharding,
              "algorithm": RandomAlgorithm(algorithm)}
    _bits_type(key.aval, **params)  # evaluation at once does not ask the type rule
    return tuple(rng_bit_generator_p.bind(key, **params))


def _uniform_type(low: Any, high: Any, *, shape: Any) -> Any:
    if low.dtype != high.dtype:
        raise ValueError("Arguments to rng_uniform must have identical dtypes, got "
                         f"{low.dtype} and {high.dtype}.")
    if low.shape or high.shape:
        raise ValueError("Arguments to rng_uniform must be scalars; got shapes "
                         f"{low.shape} and {high.shape}.")
    return ShapedArray(shape, low.dtype)


@functools.cache
def _process_generator() -> np.random.Generator:
    """Made at first use, because `numpy.random` takes long to import."""
    return np.random.default_rng(0)


def _evaluate_uniform(low: np.ndarray, high: np.ndarray, *, shape: Any) -> np.ndarray:
    if dtypes.issubdtype(low.dtype, np.integer):
        return _process_generator().integers(low, high, shape).astype(low.dtype)
    unit = _process_generator().random(shape)
    return np.asarray(unit * (high - low) + low).astype(low.dtype)


rng_uniform_p = Primitive(
    "rng_uniform", weak_type="none", type_rule=_uniform_type, evaluate=_evaluate_uniform,
    jvp=zero_jvp(), transpose=_DISCRETE, batch=_NO_BATCH,
    lower=HostCall("state of the process"),
    stablehlo=lambda b, low, high, *, shape: b.op(
        "rng", low, high, b.constant(np.array(shape), np.int64), results=b.outs[0],
        rng_distribution="UNIFORM"))


def rng_uniform(a: Any, b: Any, shape: Sequence[int]) -> Any:
    """Uniform draws from [a, b) of a generator of the process: other numbers at each call.

    `a` and `b` are scalars of one dtype. Prefer `arrax.random.uniform`.
    """
    a, b, shape = operand(a, "rng_uniform"), operand(b, "rng_uniform"), canonical_shape(shape)
    _uniform_type(a.aval, b.aval, shape=shape)
    return rng_uniform_p.bind(a, b, shape=shape)
