"""`total` with an update added to one window: what sums with zero-filled arrays amount to."""
from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from arrax.core.aval import aval_of
from arrax.ops.index_types import GatherScatterMode, ScatterDimensionNumbers
from arrax.ops.p import add_any_p, concatenate_p, scatter_add_p
from arrax.ops.rules import broadcast_in_dim


def add_window(total: Any, update: Any, starts: Sequence[Any]) -> Any:
    """total[start : start + size] += update, starts (scalars) clamped so that the window fits."""
    shape, window = aval_of(total).shape, aval_of(update).shape
    axes = tuple(i for i, extent in enumerate(shape) if window[i] < extent)
    if 0 in window:
        return total
    if not axes:
        return add_any_p.bind(total, update)
    columns = [broadcast_in_dim(starts[i], (1,), ()) for i in axes]
    indices = columns[0] if len(columns) == 1 else concatenate_p.bind(
        *columns, dimension=0)
    numbers = ScatterDimensionNumbers(
        update_window_dims=tuple(range(len(window))), inserted_window_dims=(),
        scatter_dims_to_operand_dims=axes, operand_batching_dims=(),
        scatter_indices_batching_dims=())
    return scatter_add_p.bind(
        total, indices, update, dimension_numbers=numbers, indices_are_sorted=True,
        unique_indices=True, mode=GatherScatterMode.CLIP, update_jaxpr=None, update_consts=())
