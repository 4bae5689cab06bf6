"""NumPy's maxima and minima with the sign of zero that IEEE 754 (2019) gives `maximum`: 0 is above
-0. NumPy returns either of two equal operands.

Where a result is zero, which is rare enough, it is computed again on integers of the same order.
"""
from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

Fold = Callable[..., Any]


def signed_zeros(fold: Fold, greatest: bool) -> Fold:
    """`fold`, a function that takes maxima (`greatest`) or minima of arrays, with 0 above -0."""
    def corrected(*xs: Any, **params: Any) -> Any:
        out = fold(*xs, **params)
        if out.dtype.kind != "f" or _all_nonzero(out):
            return out
        return _from_keys(fold(*[_to_keys(x, greatest) for x in xs], **params), out.dtype)
    return corrected


def _all_nonzero(x: Any) -> bool:
    """`x.all()`, which costs microseconds on small arrays."""
    return np.count_nonzero(x) == x.size if x.size < 4096 else bool(x.all())


def _to_keys(x: Any, nan_is_greatest: bool) -> Any:
    """Integers in the order of the floats `x`, NaN at the end that wins."""
    x = np.asarray(x)
    keys = _flipped(x.view(np.dtype(f"i{x.dtype.itemsize}")))
    info = np.iinfo(keys.dtype)
    return np.where(np.isnan(x), info.max if nan_is_greatest else info.min, keys)


def _from_keys(keys: Any, dtype: Any) -> Any:
    return _flipped(np.asarray(keys)).view(dtype)


def _flipped(bits: Any) -> Any:
    """Exchange the order of negative floats' bits; its own inverse."""
    return np.where(bits < 0, bits ^ np.iinfo(bits.dtype).max, bits)


def _of_two(ufunc: Any, greatest: bool) -> Fold:
    """The binary function.

    In a tie the ufunc gives the operand on one side, so that with the operands exchanged it gives
    the other one, and the sign of a zero is joined from both. Of single and double precision it
    is the second one: if that cannot lose a tie wrongly, the result needs no look.
    """
    join = np.bitwise_and if greatest else np.bitwise_or
    general = signed_zeros(ufunc, greatest)

    def of_two(x: Any, y: Any) -> Any:
        out = ufunc(x, y)
        if out.dtype.kind != "f":
            return out
        if not y.ndim and y.dtype.itemsize > 2:
            bound = float(y)
            if bound or (math.copysign(1.0, bound) > 0) == greatest:
                return out
        if _all_nonzero(out):
            return out
        if not out.ndim or np.count_nonzero(out != out):
            return general(x, y)  # the bits of NaNs must not be joined
        bits = np.dtype(f"i{out.dtype.itemsize}")
        return join(out.view(bits), ufunc(y, x).view(bits)).view(out.dtype)
    return of_two


maximum, minimum = _of_two(np.maximum, True), _of_two(np.minimum, False)
