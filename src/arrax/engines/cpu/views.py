"""Index maps: how an element of a view is found among the elements of its operands.

Each function here is the `build` of a `lowering.View`: `index` is a tuple of `Index`es of the
result.
"""
from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

import numpy as np

from arrax.core.dtypes import storage_dtype
from arrax.engines.cpu.loop_ir import (ZERO, Apply, Choose, Constant, Expr, Index, Position, divide,
                                       index_of, offset_of)
from arrax.engines.cpu.operations import CLAMP_INDEX, INT64, WIDE_INDEX

Indices = Sequence[Index]


class Operand(Protocol):
    """An operand as index maps see it."""

    @property
    def aval(self) -> Any: ...

    def at(self, index: Any) -> Expr:
        """The expression of one element."""

    def scalar(self) -> Expr:
        """The expression of a 0-d operand."""


def broadcast_in_dim(index: Indices, x: Operand, *dynamic: Any, broadcast_dimensions: Any,
                     **_: Any) -> Expr:
    """Axis k of the operand is axis broadcast_dimensions[k] of the result."""
    return x.at(tuple(ZERO if extent == 1 else index[axis] for extent, axis in
                      zip(x.aval.shape, broadcast_dimensions, strict=True)))


def transpose(index: Indices, x: Operand, *, permutation: Any, **_: Any) -> Expr:
    source: list[Index] = [ZERO] * len(index)
    for position, axis in zip(index, permutation, strict=True):
        source[axis] = position
    return x.at(tuple(source))


def reshape(index: Indices, x: Operand, *, out: Any, dimensions: Any = None, **_: Any) -> Expr:
    """Through the row-major position; exact parts of the division stay affine."""
    position = offset_of(out.shape, index)
    shape = x.aval.shape
    source: list[Index] = [ZERO] * len(shape)
    for axis in reversed(dimensions or range(len(shape))):
        if shape[axis] != 1:
            position, source[axis] = divide(position, shape[axis])
    return x.at(tuple(source))


def squeeze(index: Indices, x: Operand, *, dimensions: Any, **_: Any) -> Expr:
    rank = x.aval.ndim
    gone = {axis % rank for axis in dimensions}
    kept = iter(index)
    return x.at(tuple(ZERO if axis in gone else next(kept) for axis in range(rank)))


def slice_view(index: Indices, x: Operand, *, start_indices: Any, strides: Any, **_: Any) -> Expr:
    steps = strides or (1,) * len(index)
    return x.at(tuple(i * step + start for i, start, step in
                      zip(index, start_indices, steps, strict=True)))


def rev(index: Indices, x: Operand, *, dimensions: Any, **_: Any) -> Expr:
    return x.at(tuple(i * -1 + (extent - 1) if axis in dimensions and extent > 1 else i
                      for axis, (i, extent) in enumerate(zip(index, x.aval.shape, strict=True))))


def iota(index: Indices, *dynamic: Any, out: Any, dimension: int, **_: Any) -> Expr:
    return Position(index[dimension], storage_dtype(out.dtype))


def pad(index: Indices, x: Operand, fill: Operand, *, padding_config: Any, **_: Any) -> Expr:
    """Inside where (i - low) is a multiple of (interior + 1) and in range."""
    conditions = []
    source = []
    for i, extent, (low, high, interior) in zip(index, x.aval.shape, padding_config, strict=True):
        position = i + (-low)
        length = (extent - 1) * (interior + 1) + 1 if extent else 0
        if low > 0 or high > 0 or interior:
            conditions.append((position, 0, length))
        if interior:
            # The quotient is of a value that may be negative outside: shift by a multiple.
            shift = -(-max(low, 0) // (interior + 1)) * (interior + 1)
            position, low_part = divide(position + shift, interior + 1)
            position = position + (-(shift // (interior + 1)))
            conditions.append((low_part, 0, 1))
        source.append(position)
    if any(extent == 0 for extent in x.aval.shape):
        return fill.scalar()
    inside = x.at(tuple(source))
    return Choose(conditions, inside, fill.scalar()) if conditions else inside


def concatenate(index: Indices, *operands: Operand, dimension: int, **_: Any) -> Expr:
    """A chain of choices, for concatenations that are not materialized piece by piece."""
    pieces = []
    start = 0
    for operand in operands:
        extent = operand.aval.shape[dimension]
        if extent:
            pieces.append((operand, start, start + extent))
        start += extent

    def piece(k: int) -> Expr:
        operand, first, _ = pieces[k]
        source = list(index)
        source[dimension] = index[dimension] + (-first)
        if operand.aval.shape[dimension] == 1:
            source[dimension] = ZERO
        return operand.at(tuple(source))

    if not index[dimension].terms:
        at = index[dimension].const
        return piece(next(k for k, (_, _, end) in enumerate(pieces) if at < end))
    result = piece(len(pieces) - 1)
    for k in range(len(pieces) - 2, -1, -1):
        first, end = pieces[k][1:]
        rest = Choose([(index[dimension], end, 1 << 62)], result, Constant(0, result.dtype))
        result = Choose([(index[dimension], first, end)], piece(k), rest)
    return result


def _clamped(start: Operand, high: int) -> Index:
    """A dynamic start index, clamped to 0..high."""
    return ZERO if high <= 0 else clamp_index(start.scalar(), high)


def clamp_index(expr: Expr, high: int) -> Index:
    """An integer expression as an index clamped to 0..high; 0 where that is empty."""
    if high <= 0:
        return ZERO
    if isinstance(expr, Constant):
        return Index(min(max(int(expr.value), 0), high))
    return index_of(Apply(CLAMP_INDEX, {"high": high}, (expr,), INT64))


def wide_index(expr: Expr) -> Index:
    """An integer expression as an index, as it is."""
    if isinstance(expr, Constant):
        return Index(int(expr.value))
    return index_of(Apply(WIDE_INDEX, {}, (expr,), INT64))


def dynamic_slice(index: Indices, x: Operand, *starts: Operand, slice_sizes: Any, **_: Any) -> Expr:
    return x.at(tuple(i + _clamped(start, extent - size) for i, start, extent, size in
                      zip(index, starts, x.aval.shape, slice_sizes, strict=False)))


def dynamic_update_slice(index: Indices, x: Operand, update: Operand, *starts: Operand,
                         **_: Any) -> Expr:
    """The update inside its window, else the operand."""
    conditions, source = [], []
    for i, start, extent, size in zip(index, starts, x.aval.shape, update.aval.shape, strict=True):
        if size == extent:
            source.append(i)
            continue
        position = i + _clamped(start, extent - size) * -1
        conditions.append((position, 0, size))
        source.append(position if size > 1 else ZERO)
    inside = update.at(tuple(source))
    return Choose(conditions, inside, x.at(tuple(index))) if conditions else inside


def drops_outside(mode: Any) -> bool:
    """Whether windows outside are dropped (scatter) or filled (gather); the default mode too."""
    return mode is None or "FILL" in getattr(mode, "name", str(mode)).upper()


def promises_inside(mode: Any) -> bool:
    return "PROMISE" in getattr(mode, "name", str(mode)).upper()


def gather(index: Indices, x: Operand, indices: Operand, *, dimension_numbers: Any,
           slice_sizes: Any, mode: Any, fill_value: Any = None, out: Any, **_: Any) -> Expr:
    """Start indices, clamped or checked, plus the offset within the slice."""
    d = dimension_numbers
    shape = x.aval.shape
    offset_axes = list(d.offset_dims)
    batch = [i for axis, i in enumerate(index) if axis not in offset_axes]
    batching = dict(zip(d.operand_batching_dims, d.start_indices_batching_dims, strict=True))
    collapsed = {*d.collapsed_slice_dims, *d.operand_batching_dims}
    offsets = iter([index[axis] for axis in offset_axes])
    source: list[Index] = [ZERO if axis in collapsed else next(offsets)
                           for axis in range(len(shape))]
    conditions: list[tuple[Index, int, int]] = []
    for position, axis in enumerate(d.start_index_map):
        high = shape[axis] - slice_sizes[axis]
        expr = indices.at((*batch, Index(position)))
        if drops_outside(mode):
            conditions.append((wide_index(expr), 0, high + 1))
        # Clamped in every mode: what is read where the index is outside is not chosen, and a
        # broken promise must not read other memory.
        source[axis] = source[axis] + clamp_index(expr, high)
    for axis, indices_axis in batching.items():
        source[axis] = source[axis] + batch[indices_axis]
    inside = x.at(tuple(source))
    if not conditions:
        return inside
    return Choose(conditions, inside, Constant(_fill(out.dtype, fill_value), inside.dtype))


def _fill(dtype: Any, fill_value: Any) -> Any:
    """What an out-of-bounds gather gives: NaN, the lowest int, the highest unsigned, True."""
    if fill_value is not None:
        return fill_value
    dtype = storage_dtype(dtype)
    if dtype.kind in "fcV":
        return np.nan
    if dtype.kind == "b":
        return True
    info = np.iinfo(dtype)
    return info.min if dtype.kind == "i" else info.max


def split(index: Indices, x: Operand, *, sizes: Any, axis: int, result: int, **_: Any) -> Expr:
    """Piece `result` starts where the pieces before it end."""
    source = list(index)
    source[axis] = index[axis] + sum(sizes[:result])
    return x.at(tuple(source))


def unstack(index: Indices, x: Operand, *, axis: int, result: int, **_: Any) -> Expr:
    """Element `result` of the axis."""
    return x.at((*index[:axis], Index(result), *index[axis:]))


def stack(index: Indices, *operands: Operand, axis: int, **_: Any) -> Expr:
    """A chain of choices by the position on the new axis."""
    position = index[axis]
    source = (*index[:axis], *index[axis + 1:])
    if not position.terms:
        return operands[position.const].at(source)
    result = operands[-1].at(source)
    if len(operands) > 1:
        last = len(operands) - 1
        result = Choose([(position, last, last + 1)], result, Constant(0, result.dtype))
    for k in range(len(operands) - 2, -1, -1):
        result = Choose([(position, k, k + 1)], operands[k].at(source), result)
    return result


def tile(index: Indices, x: Operand, *, reps: Any, **_: Any) -> Expr:
    """The position modulo the extent."""
    return x.at(tuple(divide(i, extent)[1] if extent > 1 and repeat > 1 else
                      (i if extent > 1 else ZERO)
                      for i, extent, repeat in zip(index, x.aval.shape, reps, strict=True)))
