"""Whether results agree, as far as rounding lets them.

Integers and bools agree exactly. Floats agree to a few units in the last place; where they do
not, the program is run with noise in all its values (`reference.Noise`), and a difference is a
fault only if it is larger than what the noise made, element by element, or than the
spacing of numbers near one (functions have zeros that noise does not find). Elements that noise
changes without measure (a comparison flips, a NaN comes or goes) say nothing.
"""
from __future__ import annotations

from collections.abc import Callable

import ml_dtypes
import numpy as np

CLOSE = 8.0  # units in the last place, relative to the element
SPREAD = 3.0  # times the largest effect of noise
# Runs with noise, and where it is.
STAGES = ((3, "values"), (24, "uses"), (12, "primitives"), (24, "ties"))


def wide(x: np.ndarray) -> np.ndarray:
    """In a dtype that differences can be taken in."""
    if x.dtype.kind == "c":
        return x.astype(np.complex128)
    if x.dtype.kind == "b":
        return x.astype(np.int64)
    if x.dtype.kind in "iu":
        return x
    return x.astype(np.float64)


def inexact(dtype: np.dtype) -> bool:
    return dtype.kind in "fc" or dtype.kind == "V" or dtype == ml_dtypes.bfloat16


def unit(dtype: np.dtype) -> float:
    """The spacing of numbers near one."""
    return float(ml_dtypes.finfo(dtype).eps)


def same(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Elements that are equal, or both NaN."""
    with np.errstate(all="ignore"):
        return np.asarray((x == y) | ((x != x) & (y != y)))


def first_difference(want: list[np.ndarray], got: list[np.ndarray],
                     noisy: Callable[[int, str], list[np.ndarray]]) -> str | None:
    """What differs, in words, or None; `noisy(k, where)` makes the k-th noisy run."""
    for k, (w, g) in enumerate(zip(want, got, strict=True)):
        if w.shape != g.shape or w.dtype != g.dtype:
            return f"result {k} is {g.dtype}{list(g.shape)}, expected {w.dtype}{list(w.shape)}"
    unequal = [~_close(w, g) for w, g in zip(want, got)]
    runs: list[list[np.ndarray]] = []
    for count, where in STAGES:
        if not any(u.any() for u in unequal):
            return None
        runs += [noisy(len(runs) + k, where) for k in range(count)]
        unequal = [u & _beyond_noise(w, g, [r[k] for r in runs])
                   for k, (u, w, g) in enumerate(zip(unequal, want, got))]
    for k, u in enumerate(unequal):
        if u.any():
            return _words(k, u, want[k], got[k])
    return None


def _close(w: np.ndarray, g: np.ndarray) -> np.ndarray:
    equal = same(w, g)
    if equal.all() or not inexact(w.dtype):
        return equal
    x, y = wide(w), wide(g)
    with np.errstate(all="ignore"):
        return np.asarray(equal | (np.abs(x - y) <= CLOSE * unit(w.dtype) * np.abs(x)))


def _beyond_noise(w: np.ndarray, g: np.ndarray, runs: list[np.ndarray]) -> np.ndarray:
    """Elements whose difference noise does not explain."""
    if not inexact(w.dtype):
        steady = np.ones(w.shape, bool)
        for r in runs:
            steady &= same(r, w)
        return steady
    x, y = wide(w), wide(g)
    with np.errstate(all="ignore"):
        spread = np.zeros(w.shape)
        steady = np.ones(w.shape, bool)
        for r in runs:
            z = wide(r)
            steady &= np.isfinite(z) == np.isfinite(x)
            spread = np.fmax(spread, np.abs(z - x))
        rounding = CLOSE * unit(w.dtype) * np.abs(x) + 2 * unit(w.dtype)
        beyond = ~((np.abs(x - y) <= SPREAD * spread + rounding) | same(w, g))
        beyond &= np.isfinite(y) | (spread < np.abs(x))  # else no digit of it is known
        if w.dtype.kind == "c":  # infinite either way: which parts are is a matter of the formula
            beyond &= np.isfinite(x) | np.isfinite(y)
        nearly_overflows = (np.abs(x) > 0.5 * float(ml_dtypes.finfo(w.dtype).max)) & np.isfinite(x)
    return np.asarray(beyond & steady & ~nearly_overflows)


def _words(k: int, unequal: np.ndarray, want: np.ndarray, got: np.ndarray) -> str:
    place = tuple(map(int, np.argwhere(unequal)[0]))  # also of a single element
    return (f"result {k} {want.dtype}{list(want.shape)}: {int(unequal.sum())} of {unequal.size} "
            f"elements differ, at {list(place)} {got[place]!r}, expected {want[place]!r}")
