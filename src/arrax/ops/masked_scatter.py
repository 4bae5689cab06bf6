"""Scatters that happen only where a mask holds: elsewhere their windows lie outside and drop out.

The mask is over some axes of the operand, one flag for each batch element. It reaches the indices,
which are few, and never the operand; so the choice between an updated array and the old one costs
what the update costs. Indices that were unique are so among those inside. All this is built of
primitives, for programs that are being traced or compiled.
"""
from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from arrax.core.aval import aval_of
from arrax.core.primitive import Primitive
from arrax.ops.arguments import positions
from arrax.ops.index_types import GatherScatterMode, ScatterDimensionNumbers
from arrax.ops.p import clamp_p, concatenate_p, scatter_p, select_n_p
from arrax.ops.rules import broadcast_in_dim, move_axis


def masked_scatter(primitive: Primitive, mask: Any, axes: Sequence[int], x: Any, indices: Any,
                   updates: Any, *, dimension_numbers: ScatterDimensionNumbers,
                   mode: GatherScatterMode, **params: Any) -> Any:
    """The scatter by `primitive` of `updates` where `mask`, over the operand's `axes`, holds.

    None where no index can say so: without indices, or for a mask along axes that are indexed.
    """
    numbers = dimension_numbers
    if not numbers.scatter_dims_to_operand_dims \
            or np.issubdtype(aval_of(indices).dtype, np.unsignedinteger):
        return None
    for axis in axes:
        if axis in numbers.operand_batching_dims:
            continue
        batched = _batched_along(axis, aval_of(x).shape, indices, updates, numbers)
        if batched is None:
            return None
        indices, updates, numbers = batched
    places = [numbers.scatter_indices_batching_dims[numbers.operand_batching_dims.index(axis)]
              for axis in axes]
    if places != sorted(places):
        return None
    if mode is GatherScatterMode.CLIP:
        indices = _clamped(aval_of(x).shape, indices, aval_of(updates).shape, numbers)
    shape, dtype = aval_of(indices).shape, aval_of(indices).dtype
    outside = broadcast_in_dim(np.asarray(-1, dtype)[()], shape, ())
    chosen = select_n_p.bind(broadcast_in_dim(mask, shape, places), outside, indices)
    return primitive.bind(
        x, chosen, updates, dimension_numbers=numbers, mode=GatherScatterMode.FILL_OR_DROP,
        **params | {"indices_are_sorted": False})


def masked_window(mask: Any, axes: Sequence[int], x: Any, update: Any, *starts: Any) -> Any:
    """dynamic_update_slice where `mask`, over the operand's `axes`, holds; None if it cannot be."""
    shape, window = aval_of(x).shape, aval_of(update).shape
    indexed = tuple(i for i, extent in enumerate(shape) if window[i] < extent)
    if not indexed or 0 in window:
        return None
    columns = [broadcast_in_dim(starts[i], (1,), ()) for i in indexed]
    indices = columns[0] if len(columns) == 1 else concatenate_p.bind(
        *columns, dimension=0)
    numbers = ScatterDimensionNumbers(
        update_window_dims=tuple(range(len(window))), inserted_window_dims=(),
        scatter_dims_to_operand_dims=indexed, operand_batching_dims=(),
        scatter_indices_batching_dims=())
    return masked_scatter(scatter_p, mask, axes, x, indices, update, dimension_numbers=numbers,
                          mode=GatherScatterMode.CLIP, unique_indices=True, update_jaxpr=None,
                          update_consts=())


def _batched_along(axis: int, shape: Sequence[int], indices: Any, updates: Any,
                   numbers: ScatterDimensionNumbers) -> Any:
    """The same scatter with an index for each position along a whole axis of its windows; None if
    the windows do not have that axis whole."""
    kept = positions(len(shape), (*numbers.inserted_window_dims, *numbers.operand_batching_dims))
    if axis not in kept or axis in numbers.scatter_dims_to_operand_dims:
        return None
    own = numbers.update_window_dims[kept.index(axis)]
    if aval_of(updates).shape[own] != shape[axis]:
        return None
    old = aval_of(indices).shape
    indices = broadcast_in_dim(indices, (shape[axis], *old), range(1, len(old) + 1))
    pairs = sorted([(axis, 0), *((a, i + 1) for a, i in zip(
        numbers.operand_batching_dims, numbers.scatter_indices_batching_dims, strict=True))])
    window = tuple(i + 1 if i < own else i for i in numbers.update_window_dims if i != own)
    return indices, move_axis(updates, own, 0), numbers._replace(
        update_window_dims=window, operand_batching_dims=tuple(a for a, _ in pairs),
        scatter_indices_batching_dims=tuple(i for _, i in pairs))


def _clamped(shape: Sequence[int], indices: Any, window: Sequence[int],
             numbers: ScatterDimensionNumbers) -> Any:
    """Indices moved inside, so that windows fit."""
    kept = positions(len(shape), (*numbers.inserted_window_dims, *numbers.operand_batching_dims))
    sizes = dict(zip(kept, (window[i] for i in numbers.update_window_dims), strict=True))
    like, dtype = aval_of(indices).shape, aval_of(indices).dtype
    highs = [broadcast_in_dim(np.asarray(shape[a] - sizes.get(a, 1), dtype)[()], (1,), ())
             for a in numbers.scatter_dims_to_operand_dims]
    high = highs[0] if len(highs) == 1 else concatenate_p.bind(*highs, dimension=0)
    low = broadcast_in_dim(np.zeros((), dtype)[()], like, ())
    return clamp_p.bind(low, indices, broadcast_in_dim(high, like, (len(like) - 1,)))
