"""Windowed folds as programs of slices: how compiled programs reduce windows.

A fold takes several arrays together (values, and what belongs to them) and an associative
`combine`. Small windows are one expression: the fold of all their shifts. Large ones go axis by
axis. Where windows of an axis overlap, a fold of m neighbours comes from few folds of m/8, and a
window of any size is a few such folds side by side: O(n log w) for n elements and windows of w.
Where they don't, the axis is cut into blocks that are folded as trees: O(n).
"""
from __future__ import annotations

import functools
import itertools
import math
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np

from arrax.core.aval import aval_of
from arrax.core.primitive import Primitive
from arrax.ops.conv_dims import dilated, window_count
from arrax.ops.index_types import GatherScatterMode, ScatterDimensionNumbers
from arrax.ops.p import (add_p, and_p, convert_element_type_p, eq_p, ge_p, gt_p, iota_p, le_p, lt_p,
                         mul_p, not_p, or_p, pad_p, reduce_sum_p, reshape_p, select_n_p, slice_p,
                         squeeze_p)
from arrax.ops.rules import broadcast_in_dim, constant
from arrax.ops.scatter import scatter_add_p, update_jaxpr_of

Values = tuple[Any, ...]
DIRECT = 16  # elements of a window up to which one expression folds it
RADIX = 8  # folds that are joined in one step


class Fold(NamedTuple):
    """`combine(xs, ys)`, associative, xs standing before ys; `fills` are scalars for the padding.
    `reduction`, if any, is a primitive that folds whole axes of a single array; an `idempotent`
    fold may take elements twice."""

    combine: Callable[[Values, Values], Values]
    fills: Sequence[Any]
    reduction: Primitive | None = None
    idempotent: bool = False


def fold_windows(fold: Fold, operands: Values, *, window_dimensions: Sequence[int],
                 window_strides: Sequence[int], padding: Any, base_dilation: Any = None,
                 window_dilation: Any = None) -> Values:
    """The folds over all windows of `operands`, which have one shape."""
    rank = len(window_dimensions)
    base, dilation = base_dilation or (1,) * rank, window_dilation or (1,) * rank
    config = tuple((lo, hi, d - 1) for (lo, hi), d in zip(padding, base, strict=True))
    xs = tuple(_padded(x, fill, config) for x, fill in zip(operands, fold.fills, strict=True))
    shape = aval_of(xs[0]).shape
    counts = [window_count(n, dilated(w, d), s) for n, w, d, s in zip(
        shape, window_dimensions, dilation, window_strides, strict=True)]
    if 0 in counts:
        return tuple(_filled(x, fill, counts) for x, fill in zip(xs, fold.fills, strict=True))
    axes = [_Axis(*each) for each in zip(
        range(rank), window_dimensions, window_strides, dilation, counts, strict=True)]
    if math.prod(window_dimensions) <= DIRECT:
        return _direct(fold, xs, axes)
    for axis in reversed(axes):
        xs = _fold_axis(fold, xs, axis)
    return xs


class _Axis(NamedTuple):
    number: int
    window: int
    stride: int
    dilation: int
    positions: int


def _padded(x: Any, fill: Any, config: Any) -> Any:
    if all(c == (0, 0, 0) for c in config):
        return x
    return pad_p.bind(x, fill, padding_config=config)


def _filled(x: Any, fill: Any, shape: Sequence[int]) -> Any:
    return broadcast_in_dim(fill, tuple(shape), ())


def _direct(fold: Fold, xs: Values, axes: Sequence[_Axis]) -> Values:
    """All shifts of the operands, folded in row-major order."""
    shifts = itertools.product(*(range(axis.window) for axis in axes))

    def shifted(shift: Sequence[int]) -> Values:
        ranges = [(k * axis.dilation, axis.positions, axis.stride)
                  for k, axis in zip(shift, axes, strict=True)]
        return tuple(_part(x, ranges) for x in xs)
    return functools.reduce(fold.combine, map(shifted, shifts))


def _part(x: Any, ranges: Sequence[tuple[int, int, int]]) -> Any:
    """The elements start, start + stride, … (`count` of them) of each axis."""
    shape = aval_of(x).shape
    if all(r == (0, n, 1) for r, n in zip(ranges, shape, strict=True)):
        return x
    return slice_p.bind(
        x, start_indices=tuple(start for start, _, _ in ranges),
        limit_indices=tuple(start + (count - 1) * stride + 1 for start, count, stride in ranges),
        strides=tuple(stride for _, _, stride in ranges))


def _reshaped(x: Any, shape: tuple[int, ...]) -> Any:
    return reshape_p.bind(x, new_sizes=shape, dimensions=None, sharding=None)


def _along(xs: Values, number: int, start: int, count: int, stride: int = 1) -> Values:
    """A part of one axis."""
    ranges = [(0, n, 1) for n in aval_of(xs[0]).shape]
    ranges[number] = (start, count, stride)
    return tuple(_part(x, ranges) for x in xs)


def _fold_axis(fold: Fold, xs: Values, axis: _Axis) -> Values:
    """The folds of windows that extend along one axis only."""
    if axis.window == 1:
        return _along(xs, axis.number, 0, axis.positions, axis.stride)
    if axis.positions == 1:
        xs = _along(xs, axis.number, 0, axis.window, axis.dilation)
        return _fold_whole(fold, xs, axis.number)
    block = math.gcd(axis.window, axis.stride)
    if axis.dilation > 1 or (block == 1 and axis.stride < axis.window):
        return _fold_overlapping(fold, xs, axis)
    if axis.stride >= axis.window:
        return _fold_blocks(fold, xs, axis)
    # Windows overlap, but blocks don't, which they consist of.
    window, stride = axis.window // block, axis.stride // block
    blocks = _Axis(axis.number, block, block, 1, (axis.positions - 1) * stride + window)
    return _fold_overlapping(fold, _fold_blocks(fold, xs, blocks),
                             axis._replace(window=window, stride=stride))


def _fold_overlapping(fold: Fold, xs: Values, axis: _Axis) -> Values:
    """`xs` become folds of 1, 8, 64, … neighbours; windows are those side by side."""
    number, window, dilation = axis.number, axis.window, axis.dilation
    parts: list[Values] = []
    start, size = 0, 1

    def windows_from(first: int) -> Values:
        return _along(xs, number, first * dilation, axis.positions, axis.stride)

    while size * RADIX <= window:
        if not fold.idempotent:
            for _ in range(window // size % RADIX):
                parts.append(windows_from(start))
                start += size
        count = aval_of(xs[0]).shape[number] - (RADIX - 1) * size * dilation
        xs = functools.reduce(fold.combine, [
            _along(xs, number, k * size * dilation, count) for k in range(RADIX)])
        size *= RADIX
    while start + size < window:
        parts.append(windows_from(start))
        start += size
    parts.append(windows_from(window - size))
    return functools.reduce(fold.combine, parts)


def _fold_blocks(fold: Fold, xs: Values, axis: _Axis) -> Values:
    """Windows that don't overlap: an axis of blocks, whose elements are another axis. What pads
    the last block is beyond its window."""
    number, length = axis.number, axis.positions * axis.stride
    shape = list(aval_of(xs[0]).shape)
    config = [(0, 0, 0)] * len(shape)
    config[number] = (0, length - shape[number], 0)
    shape[number:number + 1] = [axis.positions, axis.stride]
    blocks = tuple(_reshaped(_padded(x, fill, tuple(config)), tuple(shape))
                   for x, fill in zip(xs, fold.fills, strict=True))
    folded = _fold_whole(fold, _along(blocks, number + 1, 0, axis.window), number + 1)
    return tuple(squeeze_p.bind(x, dimensions=(number + 1,)) for x in folded)


def _fold_whole(fold: Fold, xs: Values, number: int) -> Values:
    """The whole axis folded to one element."""
    if fold.reduction is not None:
        shape = list(aval_of(xs[0]).shape)
        kept = tuple(axis for axis in range(len(shape)) if axis != number)
        shape[number] = 1
        more = {"out_sharding": None} if fold.reduction is reduce_sum_p else {}
        folded = fold.reduction.bind(xs[0], axes=(number,), **more)
        return (broadcast_in_dim(folded, tuple(shape), kept),)
    ends: list[Values] = []  # what is left over behind whole groups
    while (extent := aval_of(xs[0]).shape[number]) > 1:
        radix = min(RADIX, extent)
        count = extent // radix
        ends = [_along(xs, number, k, 1) for k in range(count * radix, extent)] + ends
        xs = functools.reduce(fold.combine, [
            _along(xs, number, k, count, radix) for k in range(radix)])
    return functools.reduce(fold.combine, [xs, *ends])

# ---- sums and extrema --------------------------------------------------------------------------

def window_reduction(combine: Primitive, reduction: Primitive, identity: Callable[[Any], Any],
                     ) -> Callable[..., Any]:
    """The rewriting of a windowed sum, maximum or minimum."""
    def rewrite(x: Any, **params: Any) -> Any:
        dtype = aval_of(x).dtype
        wide = _widened(x) if combine is add_p else x
        fill = constant(identity(aval_of(wide).dtype), aval_of(wide))
        fold = Fold(lambda a, b: (combine.bind(*a, *b),), [fill], reduction,
                    idempotent=combine is not add_p)
        return _converted(fold_windows(fold, (wide,), **params)[0], dtype)
    return rewrite


def _converted(x: Any, dtype: Any) -> Any:
    if aval_of(x).dtype == dtype:
        return x
    return convert_element_type_p.bind(x, new_dtype=np.dtype(dtype), weak_type=False,
                                       sharding=None)


def _widened(x: Any) -> Any:
    """Small floats as float32."""
    dtype = aval_of(x).dtype
    small = dtype.itemsize < 4 and dtype.kind in "fV"
    return _converted(x, np.float32) if small else x


# ---- what the extrema select -------------------------------------------------------------------

def _selection(select_prim: Any, fills: Sequence[Any], real: bool) -> Fold:
    """Folds (value, place, more…) to those of the first extremum; a NaN is one. Places below 0 are
    outside: all others win against them."""
    larger = select_prim is ge_p

    def combine(xs: Values, ys: Values) -> Values:
        x, y = xs[0], ys[0]
        if real:  # "not worse" is true for NaNs; those after a NaN are not taken
            worse = (le_p if larger else ge_p).bind(y, x)
            better = and_p.bind(not_p.bind(worse), eq_p.bind(x, x))
        else:
            better = (gt_p if larger else lt_p).bind(y, x)
        outside = lt_p.bind(xs[1], broadcast_in_dim(
            np.int32(0).astype(aval_of(xs[1]).dtype), aval_of(xs[1]).shape, ()))
        take = or_p.bind(outside, better)
        return tuple(select_n_p.bind(take, a, b) for a, b in zip(xs, ys, strict=True))
    return Fold(combine, fills, idempotent=True)


def _places(shape: Sequence[int]) -> Any:
    """The row-major position of each element."""
    dtype = np.dtype(np.int32 if math.prod(shape) < 1 << 31 else np.int64)
    total = broadcast_in_dim(dtype.type(0), tuple(shape), ())
    stride = 1
    for axis in reversed(range(len(shape))):
        position = iota_p.bind(dtype=dtype, shape=tuple(shape), dimension=axis,
                               sharding=None)
        step = broadcast_in_dim(dtype.type(stride), tuple(shape), ())
        total = add_p.bind(total, mul_p.bind(position, step))
        stride *= shape[axis]
    return total


def _selected(x: Any, more: Values, select_prim: Any, identity: Any, params: Any) -> Values:
    """(value, place, more…) of the element that each window selects."""
    x = _widened(x)
    aval = aval_of(x)
    operands = (x, _places(aval.shape), *more)
    worst = [identity(aval.dtype, select_prim is le_p), -1, *[0] * len(more)]
    fills = [constant(fill, aval_of(y)) for fill, y in zip(worst, operands, strict=True)]
    return fold_windows(_selection(select_prim, fills, aval.dtype.kind == "f"), operands, **params)


def gather_selected(identity: Any) -> Callable[..., Any]:
    """The rewriting of `select_and_gather_add`: each value brings its tangent along."""
    def rewrite(tangents: Any, x: Any, *, select_prim: Any, **params: Any) -> Any:
        return _selected(x, (tangents,), select_prim, identity, params)[2]
    return rewrite


_ELEMENTS = ScatterDimensionNumbers(
    update_window_dims=(), inserted_window_dims=(0,), scatter_dims_to_operand_dims=(0,))


def scatter_selected(identity: Any) -> Callable[..., Any]:
    """The rewriting of `select_and_scatter_add`: sources are added where their windows' extrema
    stand."""
    def rewrite(source: Any, x: Any, *, select_prim: Any, **params: Any) -> Any:
        shape, aval = aval_of(x).shape, aval_of(source)
        places = _selected(x, (), select_prim, identity, params)[1]
        zeros = _filled(source, constant(0, aval), (math.prod(shape),))
        sums = scatter_add_p.bind(
            zeros, _reshaped(places, (aval.size, 1)), _reshaped(source, (aval.size,)),
            dimension_numbers=_ELEMENTS,
            indices_are_sorted=False, unique_indices=False, mode=GatherScatterMode.FILL_OR_DROP,
            update_jaxpr=update_jaxpr_of(add_p, aval), update_consts=())
        return _reshaped(sums, shape)
    return rewrite
