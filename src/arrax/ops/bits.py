"""Bitwise logic, shifts and bit counts."""
from __future__ import annotations

from typing import Any

import numpy as np

from arrax.core import dtypes
from arrax.core.array import Array
from arrax.core.primitive import NotApplicable, Primitive
from arrax.ops.elementwise_rules import (
    INTEGER, LOGICAL, binary, call_binary, call_unary, emits, is_small, nary_type,
    piecewise_constant, unary, wide_dtype)
from arrax.ops.rules import batch_elementwise
from arrax.typing import ArrayLike

and_p = binary("and", LOGICAL, np.bitwise_and, jvp=piecewise_constant, method="and_",
               commutative=True, stablehlo="stablehlo.and")
or_p = binary("or", LOGICAL, np.bitwise_or, jvp=piecewise_constant, method="or_",
              commutative=True, stablehlo="stablehlo.or")
xor_p = binary("xor", LOGICAL, np.bitwise_xor, jvp=piecewise_constant, commutative=True,
               stablehlo="stablehlo.xor")
not_p = unary("not", LOGICAL, np.bitwise_not, jvp=piecewise_constant, lower=emits("not_"),
              stablehlo="stablehlo.not")


def bitwise_and(x: ArrayLike, y: ArrayLike) -> Array:
    """Elementwise AND of bits, or of bools."""
    return call_binary(and_p, x, y)


def bitwise_or(x: ArrayLike, y: ArrayLike) -> Array:
    """Elementwise OR of bits, or of bools."""
    return call_binary(or_p, x, y)


def bitwise_xor(x: ArrayLike, y: ArrayLike) -> Array:
    """Elementwise exclusive OR of bits, or of bools."""
    return call_binary(xor_p, x, y)


def bitwise_not(x: ArrayLike) -> Array:
    """Elementwise complement of bits, or of bools."""
    return call_unary(not_p, x)


# ---- shifts ----------------------------------------------------------------------------------

def _unsigned(x: np.ndarray) -> np.ndarray:
    return x.view(f"u{x.dtype.itemsize}")


def _bits_of(dtype: np.dtype[Any]) -> int:
    return dtypes.itemsize_bits(dtype)


def _shift(name: str, fn: Any) -> Primitive:
    def evaluate(x: Any, y: Any) -> Any:
        if not is_small(x.dtype):
            return fn(x, y, x.dtype.itemsize * 8)
        wide, bits = wide_dtype(x.dtype), _bits_of(x.dtype)
        return fn(x.astype(wide), y.astype(wide), bits).astype(x.dtype)
    return Primitive(
        name, type_rule=nary_type(name, (INTEGER, INTEGER)), evaluate=evaluate,
        jvp=piecewise_constant, transpose=NotApplicable("not linear"), batch=batch_elementwise(),
        lower=emits(name), elementwise=True, stablehlo=f"stablehlo.{name}")


def _shift_left(x: Any, y: Any, bits: int) -> Any:
    out = np.left_shift(x, y)
    return out if bits == x.dtype.itemsize * 8 else np.where(_unsigned(y) < bits, out, 0)


def _shift_right_logical(x: Any, y: Any, bits: int) -> Any:
    word = _unsigned(x)
    if bits < x.dtype.itemsize * 8:
        word = word & word.dtype.type((1 << bits) - 1)
    return np.right_shift(word, _unsigned(y)).view(x.dtype)


def _shift_right_arithmetic(x: Any, y: Any, bits: int) -> Any:
    signed = x.view(f"i{x.dtype.itemsize}")
    if x.dtype.kind == "u" and bits < x.dtype.itemsize * 8:  # the sign bit of the narrow type
        signed = signed - ((signed >> (bits - 1)) & 1) * np.asarray(1 << bits, signed.dtype)
    amount = np.minimum(_unsigned(y), _unsigned(y).dtype.type(bits - 1)).astype(signed.dtype)
    return np.right_shift(signed, amount).view(x.dtype)


shift_left_p = _shift("shift_left", _shift_left)
shift_right_logical_p = _shift("shift_right_logical", _shift_right_logical)
shift_right_arithmetic_p = _shift("shift_right_arithmetic", _shift_right_arithmetic)


def shift_left(x: ArrayLike, y: ArrayLike) -> Array:
    """Elementwise `x << y`; 0 when `y` is negative or at least the number of bits."""
    return call_binary(shift_left_p, x, y)


def shift_right_logical(x: ArrayLike, y: ArrayLike) -> Array:
    """Elementwise `x >> y` with zeros moving in; 0 when `y` is out of range."""
    return call_binary(shift_right_logical_p, x, y)


def shift_right_arithmetic(x: ArrayLike, y: ArrayLike) -> Array:
    """Elementwise `x >> y` with copies of the sign moving in."""
    return call_binary(shift_right_arithmetic_p, x, y)


# ---- counts ----------------------------------------------------------------------------------

def _word(x: Any) -> tuple[Any, int]:
    """The bits of integers in unsigned words, and how many of the low ones count."""
    if not is_small(x.dtype):
        return _unsigned(x), x.dtype.itemsize * 8
    bits = _bits_of(x.dtype)
    return x.astype(np.int8).view(np.uint8) & np.uint8((1 << bits) - 1), bits


def _population_count(x: Any) -> Any:
    return np.bitwise_count(_word(x)[0]).astype(x.dtype)


def _clz(x: Any) -> Any:
    """Bits minus the number of ones after the highest one is smeared to the right."""
    word, bits = _word(x)
    step = 1
    while step < bits:
        word = word | (word >> word.dtype.type(step))
        step *= 2
    return (np.uint8(bits) - np.bitwise_count(word)).astype(x.dtype)


def _count(name: str, fn: Any, stablehlo: str) -> Primitive:
    primitive = unary(name, INTEGER, fn, jvp=piecewise_constant, cost=2, stablehlo=stablehlo)
    primitive.evaluate = fn  # bits must not be widened
    return primitive


population_count_p = _count("population_count", _population_count, "stablehlo.popcnt")
clz_p = _count("clz", _clz, "stablehlo.count_leading_zeros")


def population_count(x: ArrayLike) -> Array:
    """Elementwise number of one bits of integers."""
    return call_unary(population_count_p, x)


def clz(x: ArrayLike) -> Array:
    """Elementwise number of leading zero bits of integers."""
    return call_unary(clz_p, x)
