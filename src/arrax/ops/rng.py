"""XLA's own generators: `rng_bit_generator` (Philox, with an explicit state) and `rng_uniform`."""
from __future__ import annotations

import enum
import functools
import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from arrax.core import dtypes
from arrax.core.aval import ShapedArray
from arrax.core.primitive import NotApplicable, Primitive
from arrax.engines.cpu.lowering import HostCall
from arrax.ops.arguments import canonical_shape, operand
from arrax.ops.random import philox_stream
from arrax.ops.random_stablehlo import generated
from arrax.ops.rules import zero_jvp

_NO_BATCH = NotApplicable("the generator has one state; draw the batch's bits in one call")
_DISCRETE = NotApplicable("random bits have no tangents")


class RandomAlgorithm(enum.IntEnum):
    """The generator of `rng_bit_generator`; the default is Philox-4x32-10."""

    RNG_DEFAULT = 0
    RNG_THREE_FRY = 1
    RNG_PHILOX = 2

    def __str__(self) -> str:
        return self.name

    __repr__ = __str__


def _bits_type(key: Any, *, shape: Any, dtype: Any, algorithm: Any, out_sharding: Any) -> Any:
    if key.shape != (4,) or key.dtype != np.uint32:
        raise TypeError("rng_bit_generator requires a key of type uint32[4], got "
                        f"{key.str_short()}")
    if not dtypes.issubdtype(dtype, np.unsignedinteger):
        raise TypeError("rng_bit_generator requires an unsigned integer dtype, got "
                        f"{dtypes.dtype_name(dtype)}")
    return [key, ShapedArray(shape, dtype)]


def _evaluate_bits(key: np.ndarray, *, shape: Any, dtype: Any, algorithm: Any,
                   out_sharding: Any) -> list[np.ndarray]:
    state, words = philox_stream(np.asarray(key), np.dtype(dtype).itemsize * 8, math.prod(shape))
    return [state, words.reshape(shape)]


def _bits_stablehlo(b: Any, key: Any, *, shape: Any, dtype: Any, algorithm: Any,
                    out_sharding: Any) -> list[Any]:
    name = "PHILOX" if algorithm == RandomAlgorithm.RNG_PHILOX else "DEFAULT"
    return generated(b, key, shape, np.dtype(dtype), name)


rng_bit_generator_p = Primitive(
    "rng_bit_generator", multiple_results=True, weak_type="none", type_rule=_bits_type,
    evaluate=_evaluate_bits, jvp=_DISCRETE, transpose=_DISCRETE, batch=_NO_BATCH,
    lower=HostCall("a stream with a counter"), stablehlo=_bits_stablehlo)


def rng_bit_generator(key: Any, shape: Sequence[int], dtype: Any = np.uint32,
                      algorithm: RandomAlgorithm = RandomAlgorithm.RNG_DEFAULT, *,
                      out_sharding: Any = None) -> Any:
    """Random bits of a generator with explicit state, and its next state.

    Args:
      key: the state, uint32[4].
      shape: of the bits.
      dtype: an unsigned integer dtype.
      algorithm: the default or Philox; others raise NotImplementedError.

    Returns the pair (new state, bits).
    """
    if algorithm == RandomAlgorithm.RNG_THREE_FRY:
        raise NotImplementedError("rng_bit_generator: algorithm RNG_THREE_FRY is not supported; "
                                  "use RNG_DEFAULT, or arrax.random for threefry bits")
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
