"""The points at which functions are measured: deterministic, finite, rich in hard places."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import ml_dtypes
import numpy as np

from tools.accuracy.functions import Function

DTYPES = {name: np.dtype(name) for name in ("float16", "float32", "float64", "complex64",
                                            "complex128")}
DTYPES["bfloat16"] = np.dtype(ml_dtypes.bfloat16)
CHUNK = 3584  # below the size from which eager functions are compiled (`primitive.FEW`)
HALF_PI_DIGITS = np.longdouble("1.57079632679489661923132169163975144")


def part_of(dtype: np.dtype[Any]) -> np.dtype[Any]:
    """The dtype of the real part."""
    return np.dtype(f"f{dtype.itemsize // 2}") if dtype.kind == "c" else dtype


def _bits(dtype: np.dtype[Any]) -> Any:
    return np.dtype(f"u{dtype.itemsize}")


def near(value: float, dtype: np.dtype[Any], count: int) -> Any:
    """The numbers of a format next to `value`, `count` on either side."""
    with np.errstate(over="ignore"):
        centre = np.asarray(value, dtype).view(_bits(dtype)).astype(np.int64)
    steps = np.arange(-count, count + 1)
    return finite((centre + steps).astype(_bits(dtype)).view(dtype))


def finite(x: Any) -> Any:
    """The finite ones of some numbers."""
    with np.errstate(all="ignore"):
        return x[np.isfinite(x if x.dtype.itemsize > 2 else x.astype(np.float32))]


def mixed(dtype: np.dtype[Any], count: int, seed: int, centres: tuple[float, ...] = ()) -> Any:
    """About `count` numbers: random bits, several magnitudes, multiples of pi/2, neighbours of
    `centres`, and the edges of the format."""
    rng = np.random.default_rng(seed)
    bits = _bits(dtype)
    each = max(count // 10, 4)
    top = np.iinfo(bits).max
    multiples = np.rint(np.exp(rng.uniform(0, 40, each))).astype(np.longdouble) * HALF_PI_DIGITS
    parts = [
        rng.integers(0, top, 3 * each, bits, endpoint=True).view(dtype),
        rng.standard_normal(2 * each) * 3, rng.uniform(-1, 1, each), rng.uniform(-110, 110, each),
        rng.uniform(-750, 750, each), 1 + rng.standard_normal(each) * 1e-3,
        np.exp(rng.uniform(-40, 3, each)) * rng.choice([-1, 1], each), multiples,
        rng.integers(0, 1 << min(23, dtype.itemsize * 4), 10, bits).view(dtype),  # subnormal
        *(near(sign * c, dtype, max(each // 20, 3)) for c in centres for sign in (1, -1)),
    ]
    with np.errstate(all="ignore"):
        x = np.concatenate([part.astype(dtype) for part in parts])
    return finite(x)


def patterns(dtype: np.dtype[Any], step: int, offset: int = 0) -> Iterator[Any]:
    """Every `step`-th number of a format, in chunks."""
    bits = _bits(dtype)
    end = 1 << (8 * dtype.itemsize)
    for start in range(offset, end, step * CHUNK):
        stop = min(end, start + step * CHUNK)
        x = np.arange(start, stop, step, dtype=np.uint64).astype(bits).view(dtype)
        x = finite(x)
        if len(x):
            yield x


def operands(function: Function, dtype: np.dtype[Any], count: int) -> Iterator[tuple[Any, ...]]:
    """Chunks of operands for what is not measured at every `step`-th number."""
    part = part_of(dtype)
    numbers = (2 if dtype.kind == "c" else 1) * function.arity
    seeds = range(0, 7 * numbers, 7)
    rng = np.random.default_rng(99)
    if function.slow:
        yield _ranged(function, part, count, rng)
        return
    if function.name == "pow" and dtype.kind == "c":  # the angle of a large power has no digits
        yield tuple(_joined(*(rng.uniform(-3, 3, count).astype(part) for _ in "ab"), dtype)
                    for _ in "xy")
        return
    columns = [mixed(part, count, seed, function.centres) for seed in seeds]
    if numbers > 1:
        columns = [rng.permutation(c) for c in columns]
        length = min(map(len, columns))
        columns = [c[:length] for c in columns]
        _relate(columns, dtype, part)
    if dtype.kind == "c":
        columns = [_joined(columns[2 * i], columns[2 * i + 1], dtype)
                   for i in range(function.arity)]
    for start in range(0, len(columns[0]), CHUNK):
        yield tuple(c[start:start + CHUNK] for c in columns)


def _ranged(function: Function, part: np.dtype[Any], count: int, rng: Any) -> tuple[Any, ...]:
    low, high = np.log(function.low), np.log(function.high)
    columns = [np.exp(rng.uniform(low, high, count)) for _ in range(function.arity)]
    if function.name == "polygamma":
        columns[0] = np.floor(columns[0] / 4) + 1
    if function.name == "betainc":
        columns[2] = rng.uniform(0, 1, count)
    if function.name.startswith("igamma"):
        columns[1][::2] = columns[0][::2] * (1 + rng.standard_normal((count + 1) // 2) * 0.2)
    return tuple(np.abs(c).astype(part) for c in columns)


def _relate(columns: list[Any], dtype: np.dtype[Any], part: np.dtype[Any]) -> None:
    """Lets a sixth of the operands be near one another, on an axis, or on the unit circle."""
    first, second = columns[0], columns[1]
    with np.errstate(all="ignore"):
        second[::6] = (first[::6].astype(np.float64) * (1 + 2.0**-8)).astype(part)
        if dtype.kind == "c":
            second[1::12] = part.type(0)
            first[2::12] = part.type(0)
            angle = second[3::12].astype(np.float64)
            first[3::12], second[3::12] = np.cos(angle).astype(part), np.sin(angle).astype(part)
    for column in (first, second):
        column[~np.isfinite(column.astype(np.float64))] = part.type(1)


def _joined(real: Any, imag: Any, dtype: np.dtype[Any]) -> Any:
    out = np.empty(len(real), dtype)
    out.real, out.imag = real, imag
    return out
