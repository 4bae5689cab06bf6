"""gather and scatter in StableHLO, whose own operations leave windows that do not fit as they come.

StableHLO's gather moves windows inside the operand and its scatter drops updates outside, so the
other modes are built from a test of the indices (fill) or a clamp (clip).
"""
from __future__ import annotations

import math
from typing import Any

import numpy as np

from arrax.core.aval import ShapedArray
from arrax.ops.arguments import positions
from arrax.ops.index_types import (GatherDimensionNumbers, GatherScatterMode,
                                   ScatterDimensionNumbers)

_BOOL, _INT32 = np.dtype(bool), np.dtype(np.int32)


def gathered(b: Any, x: Any, indices: Any, numbers: GatherDimensionNumbers, sizes: Any,
             indices_are_sorted: bool) -> Any:
    """The windows, moved inside where they do not fit."""
    indices = _wide(b, indices)
    return b.op("gather", x, indices, results=b.outs[0], slice_sizes=sizes,
                indices_are_sorted=indices_are_sorted, dimension_numbers={
                    "offset_dims": numbers.offset_dims,
                    "collapsed_slice_dims": numbers.collapsed_slice_dims,
                    "operand_batching_dims": numbers.operand_batching_dims,
                    "start_indices_batching_dims": numbers.start_indices_batching_dims,
                    "start_index_map": numbers.start_index_map,
                    "index_vector_dim": indices.aval.ndim - 1})


def filled_outside(b: Any, out: Any, x: Any, indices: Any, numbers: GatherDimensionNumbers,
                   sizes: Any, fill: Any) -> Any:
    """`out` with the scalar `fill` for windows that are not inside `x`."""
    indices = _wide(b, indices)
    last = _last_starts(x.aval, sizes, numbers.start_index_map, indices.aval)
    zero = b.full(indices.aval.shape, 0, indices.aval.dtype)
    fits = b.op("and", b.compare("GE", indices, zero), b.compare("LE", indices, last))
    axis = indices.aval.ndim - 1
    inside = b.op("reduce", fits, b.constant(True, _BOOL), dimensions=(axis,),
                  regions=[b.combiner("and", fits.aval)],
                  results=ShapedArray(indices.aval.shape[:-1], _BOOL))
    shape = out.aval.shape
    mask = b.op("broadcast_in_dim", inside, results=ShapedArray(shape, _BOOL),
                broadcast_dimensions=positions(len(shape), numbers.offset_dims))
    return b.select(mask, out, b.broadcast(fill, shape))


def scattered(b: Any, x: Any, indices: Any, updates: Any, sizes: Any, *,
              dimension_numbers: ScatterDimensionNumbers, mode: Any, update_jaxpr: Any,
              update_consts: Any, indices_are_sorted: bool, unique_indices: bool) -> Any:
    """The scatter whose windows have `sizes`; without a jaxpr updates overwrite."""
    if not math.prod(x.aval.shape) or not math.prod(updates.aval.shape):
        return x
    numbers = dimension_numbers
    indices = _wide(b, indices)
    if mode is GatherScatterMode.CLIP:
        last = _last_starts(x.aval, sizes, numbers.scatter_dims_to_operand_dims, indices.aval)
        zero = b.full(indices.aval.shape, 0, indices.aval.dtype)
        indices = b.op("clamp", zero, indices, last, results=indices.aval)

    def update(old: Any, new: Any) -> Any:
        return new if update_jaxpr is None else b.inline(update_jaxpr, [*update_consts, old, new])

    scalar = ShapedArray((), x.aval.dtype)
    return b.op("scatter", x, indices, updates, results=x.aval,
                regions=[b.region(update, scalar, scalar)], unique_indices=unique_indices,
                indices_are_sorted=indices_are_sorted, scatter_dimension_numbers={
                    "update_window_dims": numbers.update_window_dims,
                    "inserted_window_dims": numbers.inserted_window_dims,
                    "input_batching_dims": numbers.operand_batching_dims,
                    "scatter_indices_batching_dims": numbers.scatter_indices_batching_dims,
                    "scatter_dims_to_operand_dims": numbers.scatter_dims_to_operand_dims,
                    "index_vector_dim": indices.aval.ndim - 1})


def _wide(b: Any, indices: Any) -> Any:
    """Indices of one or two bytes as int32, which holds the operand's extents too."""
    return indices if indices.aval.dtype.itemsize >= 4 else b.convert(indices, _INT32)


def _last_starts(x: Any, sizes: Any, axes: Any, indices: Any) -> np.ndarray:
    """The greatest start that fits, for each component of the index vectors."""
    most = np.iinfo(indices.dtype).max
    last = [min(max(x.shape[axis] - sizes[axis], 0), most) for axis in axes]
    return np.broadcast_to(np.asarray(last, indices.dtype), indices.shape)
