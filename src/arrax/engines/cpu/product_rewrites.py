"""Contractions that the library's matrix product does not take as they are, as ones that it does.

| contraction | becomes |
| --- | --- |
| of 8- and 16-bit integers | one of 32-bit integers, which wraps to the same result |
| of two dtypes, or into a wider one | one of the result's dtype |
| of a 16-bit float matrix and a vector | one in float32: converted as it is read |
| whose axes are no matrix in memory | one of transposed operands |
"""
from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import numpy as np

from arrax.core.dtypes import ExtendedDType, storage_dtype
from arrax.core.jaxpr import Eqn
from arrax.library import products
from arrax.engines.cpu.library_plans import Stored
from arrax.core.lowering import Expand
from arrax.engines.cpu.products import is_small_product, product_sizes
from arrax.ops.p import convert_element_type_p, dot_general_p, transpose_p

INT32, FLOAT32 = np.dtype(np.int32), np.dtype(np.float32)


def product_rewrite(eqn: Eqn) -> Expand | None:
    """What to write in the place of a contraction, or None if nothing is better."""
    avals = [atom.aval for atom in (*eqn.invars, eqn.outvars[0])]
    if any(isinstance(aval.dtype, ExtendedDType) or aval.size == 0 for aval in avals) \
            or is_small_product(eqn):
        return None
    stored = tuple(Stored(tuple(aval.shape), storage_dtype(aval.dtype)) for aval in avals)
    numbers = tuple(tuple(map(tuple, axes)) for axes in eqn.params["dimension_numbers"])
    return _rewrite(*stored, numbers, min(product_sizes(eqn)[1:3]) == 1)


@functools.lru_cache(maxsize=1024)
def _rewrite(lhs: Stored, rhs: Stored, out: Stored, numbers: Any, by_vector: bool,
             ) -> Expand | None:
    dtype = _better_dtype(lhs.dtype, rhs.dtype, out.dtype, by_vector)
    if dtype is not None:
        return Expand(_in_dtype(dtype, out.dtype))
    if products.product_dtypes(lhs, rhs, out) and \
            products.gemm_spec(lhs, rhs, out, numbers) is None:
        return Expand(_transposed)
    return None


def _better_dtype(lhs: Any, rhs: Any, out: Any, by_vector: bool) -> Any:
    """The dtype to compute in instead, or None."""
    if all(d.kind in "iu" and d.itemsize <= 4 for d in (lhs, rhs, out)) and \
            not (lhs == rhs == out and out.itemsize == 4):
        return INT32 if out != np.uint32 else out
    if lhs == rhs == out and by_vector and out.itemsize == 2 and out.kind not in "iu":
        return FLOAT32
    if lhs != rhs and out in (FLOAT32, np.float64, np.complex64, np.complex128) \
            and all(np.can_cast(d, out) or d.itemsize == 2 for d in (lhs, rhs)):
        return out
    return None


def _in_dtype(dtype: Any, out: Any) -> Callable[..., Any]:
    """The contraction in a dtype, its result converted."""
    def rewrite(lhs: Any, rhs: Any, **params: Any) -> Any:
        convert = convert_element_type_p.bind
        params["preferred_element_type"] = dtype
        operands = [convert(x, new_dtype=dtype, weak_type=False, sharding=None)
                    for x in (lhs, rhs)]
        result = dot_general_p.bind(*operands, **params)
        return convert(result, new_dtype=out, weak_type=False, sharding=None)
    return rewrite


def _transposed(lhs: Any, rhs: Any, *, dimension_numbers: Any, **params: Any) -> Any:
    """Batch axes first, contracted axes last: matrices whatever the order was."""
    (left, right), (left_batch, right_batch) = dimension_numbers
    batch, k = len(left_batch), len(left)

    def turned(x: Any, contracted: Any, batched: Any) -> Any:
        free = [i for i in range(x.aval.ndim) if i not in (*contracted, *batched)]
        order = (*batched, *free, *contracted)
        if order == tuple(range(x.aval.ndim)):
            return x
        return transpose_p.bind(x, permutation=order)
    axes = [tuple(range(x.aval.ndim - k, x.aval.ndim)) for x in (lhs, rhs)]
    numbers = ((axes[0], axes[1]), (tuple(range(batch)), tuple(range(batch))))
    return dot_general_p.bind(
        turned(lhs, left, left_batch), turned(rhs, right, right_batch),
        dimension_numbers=numbers, **params)
