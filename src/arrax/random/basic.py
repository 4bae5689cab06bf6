"""Bits, uniform and normal draws: what the other distributions are made from."""
from __future__ import annotations

from typing import Any

import numpy as np

from arrax import lax
from arrax.core import dtypes
from arrax.core.array import Array, from_numpy
from arrax.core.remembered import remembered
from arrax.numpy.promotion import align_shapes
from arrax.ops.arguments import operand
from arrax.ops.random import random_bits_p, unit_floats
from arrax.ops.special import erf_inv_p
from arrax.random.arguments import (check_broadcast, draw_shape, float_dtype, inexact_dtype, param,
                                    result_shape)
from arrax.random.keys import split, typed_key
from arrax.random.staging import staged
from arrax.transforms.api_placement import sharded
from arrax.typing import ArrayLike


def scalar(value: Any, dtype: Any) -> Any:
    """A strongly typed scalar constant."""
    return from_numpy(np.asarray(value, dtype))


@remembered
@sharded
def bits(key: ArrayLike, shape: Any = (), dtype: Any = None, *, out_sharding: Any = None) -> Array:
    """Uniformly distributed bits as unsigned integers.

    Args:
      key: a random key.
      shape: of the result.
      dtype: an unsigned integer dtype (default uint32).

    Raises ValueError for other dtypes.

    Example:
      >>> arrax.random.bits(arrax.random.key(0), (2,))
      Array([4070199207, 4202968722], dtype=uint32)
    """
    typed = typed_key("bits", key)
    dtype = dtypes.default_uint_dtype() if dtype is None else dtypes.check_user_dtype(dtype, "bits")
    if not dtypes.issubdtype(dtype, np.unsignedinteger):
        raise ValueError("dtype argument to `bits` must be an unsigned int dtype, got "
                         f"{dtypes.dtype_name(dtype)}")
    return random_bits_p.bind(typed, bit_width=dtypes.itemsize_bits(dtype),
                              shape=draw_shape(shape))


@remembered
@sharded
def uniform(key: ArrayLike, shape: Any = (), dtype: Any = None, minval: Any = 0.0,
            maxval: Any = 1.0, *, out_sharding: Any = None) -> Array:
    """Uniform draws from [minval, maxval).

    Args:
      key: a random key.
      shape: of the result.
      dtype: a float dtype (default float32).
      minval, maxval: bounds, arrays that broadcast to `shape`.

    Raises ValueError for dtypes that are not float.

    Example:
      >>> arrax.random.uniform(arrax.random.key(0), (2,))
      Array([0.947667 , 0.9785799], dtype=float32)
    """
    typed = typed_key("uniform", key)
    return _uniform(typed, draw_shape(shape), float_dtype("uniform", dtype), minval, maxval)


def _uniform_at_once(key: Any, shape: Any, dtype: Any, minval: Any, maxval: Any) -> Any:
    """`_uniform` by NumPy, in few calls."""
    check_broadcast(shape, np.shape(minval), np.shape(maxval))
    low, high = (np.asarray(getattr(x, "data", x)).astype(dtype) for x in (minval, maxval))
    unit = unit_floats(key._value(), shape, dtype)
    return from_numpy(np.asarray(np.maximum(low, unit * (high - low) + low)))


@staged("shape", "dtype", at_once=_uniform_at_once)
def _uniform(key: Any, shape: Any, dtype: Any, minval: Any, maxval: Any) -> Any:
    """Random mantissas of floats in [1, 2), moved to [minval, maxval)."""
    check_broadcast(shape, np.shape(minval), np.shape(maxval))
    minval, maxval = (_to_rank(param("uniform", x, dtype), len(shape)) for x in (minval, maxval))
    info = dtypes.finfo(dtype)
    width, mantissa = info.bits, info.nmant
    # Dtypes with short mantissas draw one byte an element.
    drawn = 8 if mantissa < 8 else width
    unsigned = np.dtype(f"uint{width}")
    words = random_bits_p.bind(key, bit_width=drawn, shape=shape)
    if drawn != width:
        words = lax.convert_element_type(words, unsigned)
    one = np.ones((), dtype).view(unsigned)
    words = lax.bitwise_or(
        lax.shift_right_logical(words, scalar(drawn - mantissa, unsigned)), scalar(one, unsigned))
    unit = lax.sub(lax.bitcast_convert_type(words, dtype), scalar(1, dtype))
    spread = lax.sub(maxval, minval)
    moved = lax.add(*align_shapes("add", [lax.mul(*align_shapes("mul", [unit, spread])), minval]))
    return lax.max(*align_shapes("max", [minval, moved]))


def _to_rank(x: Any, rank: int) -> Any:
    return x if x.ndim == rank else lax.broadcast_to_rank(x, rank)


@remembered
@sharded
def normal(key: ArrayLike, shape: Any = (), dtype: Any = None, *,
           out_sharding: Any = None) -> Array:
    """Standard normal draws: density exp(-x²/2) / sqrt(2π).

    Args:
      key: a random key.
      shape: of the result.
      dtype: a float dtype (default float32), or a complex one, whose real and imaginary parts have
        variance 1/2.

    Raises ValueError for other dtypes.

    Example:
      >>> arrax.random.normal(arrax.random.key(0), (2,))
      Array([1.6226422, 2.0252647], dtype=float32)
    """
    typed = typed_key("normal", key)
    return _normal(typed, draw_shape(shape), inexact_dtype("normal", dtype))


@staged("shape", "dtype")
def _normal(key: Any, shape: Any, dtype: Any) -> Any:
    if not dtypes.issubdtype(dtype, np.complexfloating):
        return _normal_real(key, shape, dtype)
    first, second = split(key)
    part = np.dtype(f"float{4 * np.dtype(dtype).itemsize}")
    real = lax.convert_element_type(_normal_real(first, shape, part), dtype)
    imag = lax.convert_element_type(_normal_real(second, shape, part), dtype)
    total = lax.add(real, lax.mul(scalar(1j, dtype), imag))
    return lax.div(total, scalar(np.sqrt(2).astype(part), dtype))


def _normal_at_once(key: Any, shape: Any, dtype: Any) -> Any:
    low = np.nextafter(np.array(-1, dtype), np.array(0, dtype), dtype=dtype)
    draw = unit_floats(key._value(), shape, dtype)
    draw = erf_inv_p.evaluate(np.maximum(low, draw * (dtype.type(1) - low) + low))
    return from_numpy(np.asarray(dtype.type(np.sqrt(2)) * draw))


@staged("shape", "dtype", at_once=_normal_at_once)
def _normal_real(key: Any, shape: Any, dtype: Any) -> Any:
    """sqrt(2) erfinv(u) of u uniform in (-1, 1), the inverse distribution function."""
    low = np.nextafter(np.array(-1, dtype), np.array(0, dtype), dtype=dtype)
    draw = _uniform(key, shape, dtype, from_numpy(np.asarray(low)), scalar(1, dtype))
    return lax.mul(scalar(np.sqrt(2), dtype), lax.erf_inv(draw))


@remembered
@sharded
def truncated_normal(key: ArrayLike, lower: Any, upper: Any, shape: Any = None, dtype: Any = None,
                     *, out_sharding: Any = None) -> Array:
    """Standard normal draws conditioned on lying in (lower, upper).

    Args:
      key: a random key.
      lower, upper: bounds, broadcast together.
      shape: of the result; default: the common shape of the bounds.
      dtype: a float dtype (default float32).

    Raises ValueError for other dtypes and for bounds that do not fit `shape`.
    """
    dtype = float_dtype("truncated_normal", dtype)
    typed = typed_key("truncated_normal", key)
    return _truncated_normal(typed, result_shape(shape, lower, upper), dtype, lower, upper)


@staged("shape", "dtype")
def _truncated_normal(key: Any, shape: Any, dtype: Any, lower: Any, upper: Any) -> Any:
    root = scalar(np.sqrt(2), dtype)
    lower, upper = (_to_rank(param("truncated_normal", x, dtype), len(shape))
                    for x in (lower, upper))
    draw = _uniform(key, shape, dtype, lax.erf(lax.div(lower, root)), lax.erf(lax.div(upper, root)))
    out = lax.mul(root, lax.erf_inv(draw))
    floor = lax.nextafter(lax.stop_gradient(lower), scalar(np.inf, dtype))
    ceiling = lax.nextafter(lax.stop_gradient(upper), scalar(-np.inf, dtype))
    out = lax.max(*align_shapes("max", [floor, out]))
    return lax.min(*align_shapes("min", [ceiling, out]))


@remembered
@sharded
def bernoulli(key: ArrayLike, p: Any = 0.5, shape: Any = None, mode: str = "low", *,
              out_sharding: Any = None) -> Array:
    """Boolean draws that are True with probability `p`.

    Args:
      key: a random key.
      p: probabilities, of a float dtype.
      shape: of the result; default: that of `p`.
      mode: "high" uses twice the bits, for probabilities close to 0 or 1.

    Raises:
      TypeError: `p` is not float. ValueError: another mode, or `p` does not fit `shape`.

    Example:
      >>> arrax.random.bernoulli(arrax.random.key(0), 0.5, (4,))
      Array([False, False,  True, False], dtype=bool)
    """
    if mode not in ("high", "low"):
        raise ValueError(f"got mode={mode!r}, expected 'high' or 'low'")
    typed = typed_key("bernoulli", key)
    dtype = dtypes.canonicalize_dtype(dtypes.dtype_of(p))
    if not dtypes.issubdtype(dtype, np.floating):
        raise TypeError(f"bernoulli probability `p` must have a floating dtype, got {dtype}.")
    if type(p) is not float:
        p = param("bernoulli", p, dtype)
    return _bernoulli(typed, result_shape(shape, p), p, mode)


@staged("shape", "mode")
def _bernoulli(key: Any, shape: Any, p: Any, mode: str) -> Any:
    p = operand(p, "bernoulli")
    dtype = p.dtype
    if mode == "low":
        draw = _uniform(key, shape, dtype, 0.0, 1.0)
        return lax.lt(*align_shapes("lt", [draw, _to_rank(p, len(shape))]))
    pair = _uniform(key, (2, *shape), dtype, 0.0, 1.0)
    first, second = (lax.index_in_dim(pair, i, 0, keepdims=False) for i in range(2))
    fine = lax.mul(second, scalar(dtypes.finfo(dtype).eps, dtype))
    return lax.lt(fine, lax.sub(*align_shapes("sub", [_to_rank(p, len(shape)), first])))


@remembered
@sharded
def rademacher(key: ArrayLike, shape: Any = (), dtype: Any = None, *,
               out_sharding: Any = None) -> Array:
    """Draws of -1 and 1 with equal probability, of any numeric dtype (default int32)."""
    dtype = dtypes.check_user_dtype(int if dtype is None else dtype, "rademacher")
    return _rademacher(typed_key("rademacher", key), draw_shape(shape), dtype)


@staged("shape", "dtype")
def _rademacher(key: Any, shape: Any, dtype: Any) -> Any:
    heads = lax.convert_element_type(_bernoulli(key, shape, 0.5, "low"), dtype)
    return lax.sub(lax.mul(scalar(2, dtype), heads), scalar(1, dtype))


@remembered
@sharded
def randint(key: ArrayLike, shape: Any, minval: Any, maxval: Any, dtype: Any = None, *,
            out_sharding: Any = None) -> Array:
    """Integer draws from [minval, maxval), nearly uniform (two words an element).

    Args:
      key: a random key.
      shape: of the result.
      minval, maxval: integer bounds that broadcast to `shape`; where maxval <= minval the draw is
        minval.
      dtype: an integer dtype (default int32). Bounds are clipped to its range; a maxval beyond
        it includes the largest integer.

    Raises:
      TypeError: other dtypes. OverflowError: Python integers outside int32 (int64 with
        `enable_x64`).

    Example:
      >>> arrax.random.randint(arrax.random.key(0), (3,), 0, 10)
      Array([9, 0, 0], dtype=int32)
    """
    typed = typed_key("randint", key)
    dtype = dtypes.check_user_dtype(int if dtype is None else dtype, "randint")
    if not dtypes.issubdtype(dtype, np.integer):
        raise TypeError(f"randint only accepts integer dtypes, got {dtypes.dtype_name(dtype)}")
    shape = draw_shape(shape)
    check_broadcast(shape, np.shape(minval), np.shape(maxval))
    bounds = [_integer_bound(name, x) for name, x in (("minval", minval), ("maxval", maxval))]
    width = dtypes.itemsize_bits(dtype)
    if width >= 32:
        return _randint(typed, shape, *bounds, dtype)
    info = dtypes.iinfo(dtype)
    low, high = (_clip(x, int(info.min), int(info.max) + extra)
                 for x, extra in zip(bounds, (0, 1), strict=True))
    return lax.convert_element_type(_randint(typed, shape, low, high, np.dtype(np.int32)), dtype)


def _integer_bound(name: str, x: Any) -> Any:
    if type(x) is int and abs(x + 0.5) > 2 ** 31 and not \
            dtypes.canonicalize_dtype(np.int64).itemsize == 8:
        raise OverflowError("An overflow was encountered while parsing an argument to a jitted "
                            f"computation, whose argument path is {name}. Got {type(x)} with "
                            f"value {x}")
    x = operand(x, "randint")
    if not dtypes.issubdtype(x.dtype, np.integer):
        x = lax.convert_element_type(x, dtypes.default_int_dtype())
    return x


def _clip(x: Any, low: int, high: int) -> Any:
    """`x` clipped to Python bounds, those that its dtype can hold."""
    info = dtypes.iinfo(x.dtype)
    low, high = max(low, int(info.min)), min(high, int(info.max))
    return lax.min(lax.max(x, scalar(low, x.dtype)), scalar(high, x.dtype))


@staged("shape", "dtype")
def _randint(key: Any, shape: Any, minval: Any, maxval: Any, dtype: Any) -> Any:
    info = dtypes.iinfo(dtype)
    width = dtypes.itemsize_bits(dtype)
    most = int(info.max)
    beyond = lax.gt(maxval, scalar(most, maxval.dtype)) \
        if most <= int(dtypes.iinfo(maxval.dtype).max) else None
    minval, maxval = (lax.convert_element_type(_clip(x, int(info.min), int(info.max)), dtype)
                      for x in (minval, maxval))
    first, second = split(key)
    high_bits, low_bits = (random_bits_p.bind(k, bit_width=width, shape=shape)
                           for k in (first, second))
    unsigned = np.dtype(f"uint{width}")
    minval, maxval = (_to_rank(x, len(shape)) for x in (minval, maxval))
    minval, maxval = align_shapes("randint", [minval, maxval])
    span = lax.convert_element_type(lax.sub(maxval, minval), unsigned)
    span = lax.select(lax.le(maxval, minval), lax.full_like(span, 1), span)
    if beyond is not None:
        beyond = _to_rank(beyond, len(shape))
        include = lax.bitwise_and(*align_shapes("and", [beyond, lax.gt(maxval, minval)]))
        span, more = align_shapes("add", [span, lax.add(span, scalar(1, unsigned))])
        span = lax.select(include, more, span)
    span = lax.broadcast_in_dim(span, shape, range(len(shape))) if span.shape != shape else span
    multiplier = lax.rem(scalar(2 ** (width // 2), unsigned), span)
    multiplier = lax.rem(lax.mul(multiplier, multiplier), span)
    offset = lax.add(lax.mul(lax.rem(high_bits, span), multiplier), lax.rem(low_bits, span))
    offset = lax.convert_element_type(lax.rem(offset, span), dtype)
    return lax.add(*align_shapes("add", [minval, offset]))
