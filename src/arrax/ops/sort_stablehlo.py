"""Sorting in StableHLO: comparators of the order that `sort` promises."""
from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from arrax.core import dtypes
from arrax.core.aval import ShapedArray
from arrax.ops.p import imag_p, neg_p, real_p, top_k_p, transpose_p


def sort_form(b: Any, *xs: Any, dimension: int, is_stable: bool, num_keys: int) -> Any:
    """One sort of all operands; the comparator looks at the keys."""
    if not xs[0].aval.shape:
        return list(xs)

    def before(*pairs: Any) -> Any:
        left, right = pairs[0:2 * num_keys:2], pairs[1:2 * num_keys:2]
        return _precedes(b, [k for x in left for k in _keys(b, x)],
                         [k for x in right for k in _keys(b, x)])

    scalars = [ShapedArray((), x.aval.dtype) for x in xs for _ in range(2)]
    return b.op("sort", *xs, results=[x.aval for x in xs], regions=[b.region(before, *scalars)],
                dimension=dimension, is_stable=is_stable)


def _keys(b: Any, x: Any) -> list[Any]:
    """What scalars are compared by: parts of complex numbers, in which -0 is 0 and NaNs are one."""
    dtype = x.aval.dtype
    if dtypes.issubdtype(dtype, np.complexfloating):
        return [key for part in (real_p, imag_p) for key in _keys(b, part.bind(x))]
    if not dtypes.issubdtype(dtype, np.inexact):
        return [x]
    zero, nan = b.constant(0, dtype), b.constant(np.nan, dtype)
    unsigned = b.select(b.compare("EQ", x, zero), zero, x)
    return [b.select(b.compare("NE", x, x), nan, unsigned)]


def _precedes(b: Any, left: Sequence[Any], right: Sequence[Any]) -> Any:
    """Lexicographic order."""
    x, y = left[0], right[0]
    total = "TOTALORDER" if dtypes.issubdtype(x.aval.dtype, np.inexact) else None
    first = b.compare("LT", x, y, total)
    if len(left) == 1:
        return first
    equal = b.compare("EQ", x, y, total)
    return b.op("or", first, b.op("and", equal, _precedes(b, left[1:], right[1:])))


def top_k_form(b: Any, x: Any, *, k: int, axis: int) -> list[Any]:
    """Along the last axis, where `chlo.top_k` works.

    Its order is the total order of IEEE 754: -0 before 0, NaNs with a sign before all others.
    """
    order = (*(i for i in range(x.aval.ndim) if i != axis), axis)
    moved = transpose_p.bind(x, permutation=order)
    shape = (*moved.aval.shape[:-1], k)
    outs = b.op("chlo.top_k", moved, k=k, results=[
        ShapedArray(shape, x.aval.dtype), ShapedArray(shape, np.dtype(np.int32))])
    back = tuple(int(i) for i in np.argsort(order))
    return [transpose_p.bind(out, permutation=back) for out in outs]


def approx_top_k_form(b: Any, x: Any, *, k: int, reduction_dimension: int, is_max_k: bool,
                      **params: Any) -> list[Any]:
    """The exact elements, on every platform."""
    axis = reduction_dimension % x.aval.ndim
    if is_max_k:
        return list(top_k_p.bind(x, k=k, axis=axis))
    values, indices = top_k_p.bind(neg_p.bind(x), k=k, axis=axis)
    return [neg_p.bind(values), indices]
