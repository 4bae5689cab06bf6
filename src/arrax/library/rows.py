"""Operations along one axis and on rows: sorts, the k largest, cumulative folds, row scatters; and
random bits. A spec is None for a case that the library does not cover.
"""
from __future__ import annotations

import enum
import functools
import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from arrax.core.record import Record
from arrax.library.calls import CODES, FIRST_COMPLEX, FIRST_FLOAT, Call, Shape, Spec, flat


class ScanKind(enum.IntEnum):
    """What `arrax_scan` accumulates."""

    SUM, PRODUCT, MAX, MIN, LOG_SUM_EXP = range(5)


class ScatterKind(enum.IntEnum):
    """What `arrax_scatter_rows` does with an update and the row that is there."""

    SET, ADD, MULTIPLY, MIN, MAX, SUBTRACT = range(6)


# Of complex numbers, real and imaginary parts on their own.
_LINEAR_KINDS = (ScatterKind.SET, ScatterKind.ADD, ScatterKind.SUBTRACT)


class Sort(Record):
    """`arrax_sort` (table of operands, table of results): stable."""

    outer: int
    length: int
    inner: int
    num_keys: int
    num_operands: int
    dtypes: tuple[int, ...]


class OrderZeros(Record):
    """`arrax_order_zeros` (operand, result): the last step of a sort of floats by NumPy."""

    dtype: int
    outer: int
    length: int
    inner: int


class TopK(Record):
    """`arrax_top_k` (operand, values, indices): the k largest of each row."""

    dtype: int
    rows: int
    length: int
    k: int


class Scan(Record):
    """`arrax_scan` (operand, result)."""

    dtype: int
    kind: int
    outer: int
    length: int
    inner: int
    reverse: int


class ScatterRows(Record):
    """`arrax_scatter_rows` (out, indices, updates), dropping indices outside."""

    dtype: int
    kind: int
    row_length: int
    rows: int
    updates: int
    index_dtype: int


class ThreefryBits(Record):
    """`arrax_threefry_bits` (keys, out): keys are two uint32 each."""

    keys: int
    words: int
    itemsize: int


def _around(shape: Shape, axis: int) -> tuple[int, int, int]:
    """Sizes before, of and after an axis."""
    return math.prod(shape[:axis]), shape[axis], math.prod(shape[axis + 1 :])


def sort_spec(operands: Sequence[Any], dimension: int, num_keys: int) -> Spec | None:
    """`sort` of these operands."""
    shape = operands[0].shape
    if any(x.dtype not in CODES for x in operands) or shape[dimension] >= 1 << 31:
        return None
    codes = tuple(CODES[x.dtype] for x in operands)
    outer, length, inner = _around(shape, dimension)
    return flat(Sort(outer, length, inner, num_keys=num_keys, num_operands=len(operands),
                     dtypes=codes))


def order_zeros_spec(operand: Any, axis: int) -> Spec | None:
    """The order of zeros in lines along an axis."""
    return _order_zeros_spec(operand.shape, operand.dtype, axis) \
        if operand.dtype.kind == "f" else None


@functools.lru_cache(maxsize=1024)
def _order_zeros_spec(shape: tuple[int, ...], dtype: Any, axis: int) -> Spec | None:
    if dtype not in CODES:
        return None
    outer, length, inner = _around(shape, axis)
    return flat(OrderZeros(CODES[dtype], outer, length, inner))


def top_k_spec(operand: Any, k: int, axis: int) -> Spec | None:
    """`top_k` along the last axis."""
    return _top_k_spec(operand.shape, operand.dtype, k, axis)


@functools.lru_cache(maxsize=1024)
def _top_k_spec(shape: tuple[int, ...], dtype: Any, k: int, axis: int) -> Spec | None:
    if CODES.get(dtype, FIRST_COMPLEX) >= FIRST_COMPLEX or axis != len(shape) - 1 \
            or shape[-1] >= 1 << 31:
        return None
    return flat(TopK(CODES[dtype], rows=math.prod(shape[:-1]), length=shape[-1], k=k))


def scan_spec(kind: ScanKind, operand: Any, axis: int, reverse: bool) -> Spec | None:
    """`cumsum` and its kin."""
    return _scan_spec(kind, operand.shape, operand.dtype, axis, reverse)


@functools.lru_cache(maxsize=1024)
def _scan_spec(kind: ScanKind, shape: tuple[int, ...], dtype: Any, axis: int, reverse: bool,
               ) -> Spec | None:
    code = CODES.get(dtype, -1)
    outer, length, inner = _around(shape, axis)
    if code >= FIRST_COMPLEX and kind is ScanKind.SUM:
        # both parts of complex numbers, side by side
        code, inner = code - 2, 2 * inner
    if code >= FIRST_COMPLEX or code <= 0 or (kind is ScanKind.LOG_SUM_EXP and code < FIRST_FLOAT):
        return None
    return flat(Scan(code, kind, outer=outer, length=length, inner=inner, reverse=int(reverse)))


def scatter_rows_spec(
    kind: ScatterKind, operand: Any, indices: Any, updates: Any, params: dict[str, Any]
) -> Spec | None:
    """A scatter that updates whole rows `operand[i]`, dropping indices outside."""
    numbers = params["dimension_numbers"]
    rank, index_rank = len(operand.shape), len(indices.shape) - 1
    window = tuple(range(index_rank, index_rank + rank - 1))
    rows = (
        rank >= 1 and operand.dtype == updates.dtype and indices.shape[-1:] == (1,)
        and tuple(numbers.update_window_dims) == window
        and tuple(numbers.inserted_window_dims) == (0,)
        and tuple(numbers.scatter_dims_to_operand_dims) == (0,)
        and not getattr(numbers, "operand_batching_dims", ())
        and tuple(updates.shape[index_rank:]) == tuple(operand.shape[1:])
    )  # fmt: skip
    clips = "CLIP" in str(params.get("mode"))
    code = CODES.get(operand.dtype)
    if not rows or clips or code is None or indices.dtype not in CODES:
        return None
    if (code >= FIRST_COMPLEX and kind not in _LINEAR_KINDS) \
            or (code == 0 and kind is not ScatterKind.SET):
        return None
    length, count = math.prod(operand.shape[1:]), math.prod(indices.shape[:-1])
    return flat(ScatterRows(code, kind, row_length=length, rows=operand.shape[0], updates=count,
                            index_dtype=CODES[indices.dtype]))


@functools.lru_cache(maxsize=1024)
def threefry_spec(keys: int, count: int, bit_width: int) -> Spec:
    """Random bits for `keys` keys of two uint32 each."""
    return flat(ThreefryBits(keys, count, itemsize=bit_width // 8))


def sort(operands: Sequence[Any], results: Sequence[Any], params: Any) -> Call | None:
    """The call of a `sort`."""
    spec = sort_spec(operands, params["dimension"], params["num_keys"])
    return None if spec is None else Call("arrax_sort", spec, tables=True)


def top_k(operands: Sequence[Any], results: Sequence[Any], params: Any) -> Call | None:
    """The call of a `top_k` whose positions are int32."""
    (operand,), (_, positions) = operands, results
    if positions.dtype != np.int32:
        return None
    spec = top_k_spec(operand, params["k"], params.get("axis", len(operand.shape) - 1))
    return None if spec is None else Call("arrax_top_k", spec)


def scan(kind: ScanKind) -> Callable[[Sequence[Any], Sequence[Any], Any], Call | None]:
    """The calls of a cumulative operation."""
    def call(operands: Sequence[Any], results: Sequence[Any], params: Any) -> Call | None:
        spec = scan_spec(kind, operands[0], params["axis"], params["reverse"])
        return None if spec is None else Call("arrax_scan", spec)
    return call
