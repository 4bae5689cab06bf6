"""Bits packed into bytes."""
from __future__ import annotations


import numpy as np

from arrax import lax
from arrax.core.array import Array
from arrax.core.remembered import remembered
from arrax.numpy import elementwise, reductions, shaping
from arrax.numpy.promotion import as_array, canonical_axis, convert, integer_dtypes, promotes_freely
from arrax.typing import ArrayLike


@remembered
@promotes_freely
def packbits(a: ArrayLike, axis: int | None = None, bitorder: str = "big") -> Array:
    """Eight elements along `axis` packed into a uint8 each, as bits (not zero: 1)."""
    x = as_array("packbits", a)
    if x.dtype not in integer_dtypes and x.dtype != np.bool_:
        raise TypeError("Expected an input array of integer or boolean data type")
    _check_bit_order(bitorder)
    if axis is None:
        x, axis = shaping.ravel(x), 0
    axis = canonical_axis(axis, x.ndim)
    bits = shaping.moveaxis(convert(elementwise.to_bool(x), np.dtype(np.uint8)), axis, -1)
    missing = -bits.shape[-1] % 8
    if missing:
        bits = lax.pad(bits, np.uint8(0), [(0, 0, 0)] * (bits.ndim - 1) + [(0, missing, 0)])
    bits = shaping.reshape(bits, (*bits.shape[:-1], bits.shape[-1] // 8, 8))
    places = np.arange(8, dtype=np.uint8)
    weights = (1 << (places if bitorder == "little" else places[::-1])).astype(np.uint8)
    packed = reductions.sum(elementwise._multiply(bits, weights), axis=-1, dtype=np.uint8)
    return shaping.moveaxis(packed, -1, axis)


@remembered
@promotes_freely
def unpackbits(a: ArrayLike, axis: int | None = None, count: int | None = None,
               bitorder: str = "big") -> Array:
    """The bits of uint8 elements along `axis`, as uint8; only the first `count` of them."""
    x = as_array("unpackbits", a)
    if x.dtype != np.uint8:
        raise TypeError("Expected an input array of unsigned byte data type")
    _check_bit_order(bitorder)
    if axis is None:
        x, axis = shaping.ravel(x), 0
    axis = canonical_axis(axis, x.ndim)
    lines = shaping.moveaxis(x, axis, -1)[..., None]
    places = np.arange(8, dtype=np.uint8)
    shifts = places if bitorder == "little" else places[::-1]
    bits = elementwise._bitwise_and(elementwise.right_shift(lines, shifts.copy()), np.uint8(1))
    bits = shaping.reshape(bits, (*bits.shape[:-2], bits.shape[-2] * 8))
    if count is not None:
        length = bits.shape[-1]
        if count > length:
            bits = lax.pad(bits, np.uint8(0),
                           [(0, 0, 0)] * (bits.ndim - 1) + [(0, count - length, 0)])
        else:
            bits = bits[..., :count]
    return shaping.moveaxis(bits, -1, axis)


def _check_bit_order(bitorder: str) -> None:
    if bitorder not in ("little", "big"):
        raise ValueError("'order' must be either 'little' or 'big'")
