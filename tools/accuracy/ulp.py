"""Exact values, and errors in units of the last place of the exact value.

A number `exact` of a format with p bits has an ulp of 2^(e - p + 1), where 2^e is the power of two
below |exact|, or that of the smallest normal number. An infinite result stands for the power of
two above the largest number, and so does an exact value beyond: overflow costs what it would cost
if exponents went on. NaN where there is a value, or a value where there is none, is an infinite
error.
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import mpmath as mp
import numpy as np

from tools.accuracy.functions import Function

mp.mp.prec = 140


class Format(NamedTuple):
    bits: int  # of the significand
    lowest: int  # exponent of the smallest normal number
    highest: int  # of the largest


FORMATS = {
    "float16": Format(11, -14, 15), "bfloat16": Format(8, -126, 127),
    "float32": Format(24, -126, 127), "float64": Format(53, -1022, 1023),
}


def wide_dtype(name: str) -> Any:
    """The format in which exact values of a format are held."""
    return np.longdouble if name in ("float64", "complex128") else np.float64


def errors(got: Any, exact: Any, name: str, unit: Any = None) -> Any:
    """Errors of real numbers in ulps of `unit`, else of `exact`, which is in the wide format."""
    form = FORMATS[name]
    with np.errstate(all="ignore"):
        limit = np.ldexp(exact.dtype.type(1), form.highest + 1)
        size = np.abs(exact if unit is None else unit)
        exponent = np.frexp(size)[1] - 1
        exponent = np.where(size > 0, exponent, form.lowest)
        exponent = np.where(np.isinf(size), form.highest, exponent)
        exponent = np.clip(exponent, form.lowest, form.highest)
        wide = np.clip(got.astype(exact.dtype), -limit, limit)
        wide = np.where(np.isinf(exact) & (np.abs(wide) == limit), exact, wide)  # a pole, any sign
        error = np.abs(np.clip(wide, -limit, limit) - np.clip(exact, -limit, limit))
        error = np.ldexp(error, form.bits - 1 - exponent)
        nan, expected = np.isnan(wide), np.isnan(exact)
    return np.where(nan | expected, np.where(nan & expected, 0, np.inf), error).astype(np.float64)


def _to_wide(value: Any, dtype: Any) -> Any:
    """An mpmath number, or None, in the wide format."""
    if value is None:
        return dtype(np.nan)
    if mp.isinf(value):
        return dtype(np.inf if value > 0 else -np.inf)
    if value and mp.mag(value) > 1100:
        return dtype(np.inf if value > 0 else -np.inf)
    if value and mp.mag(value) < -1140:
        return dtype(0)
    scale = mp.mag(value) if value else 0
    scaled = mp.ldexp(value, -int(scale))
    high = float(scaled)
    low = float(scaled - high)
    with np.errstate(over="ignore", under="ignore"):
        return np.ldexp(dtype(high) + dtype(low), int(scale))


def exact_values(function: Function, columns: tuple[Any, ...], name: str) -> tuple[Any, ...]:
    """(real parts, imaginary parts) or (values,), by mpmath."""
    dtype = wide_dtype(name)
    is_complex = columns[0].dtype.kind == "c"
    rows = []
    for point in zip(*(_numbers(c, function.cuts) for c in columns)):
        value = function.exact(*point)
        if not is_complex or function.name == "abs":
            rows.append((_to_wide(value, dtype),))
        elif value is None:
            rows.append((dtype(np.nan),) * 2)
        else:
            value = mp.mpc(value)
            rows.append((_to_wide(value.real, dtype), _to_wide(value.imag, dtype)))
    return tuple(np.array(part, dtype) for part in zip(*rows))


def _numbers(column: Any, cuts: bool) -> list[Any]:
    if column.dtype.kind != "c":
        return [mp.mpf(float(x)) for x in column.astype(np.float64)]
    side = _beside if cuts else float
    return [mp.mpc(side(float(z.real)), side(float(z.imag))) for z in column]


def _beside(x: float) -> Any:
    """A zero as the smallest of numbers with its sign: the side of a branch cut that it names."""
    return mp.mpf(x) if x else mp.ldexp(mp.mpf(math.copysign(1, x)), -2200)
