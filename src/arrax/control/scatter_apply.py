"""scatter_apply: apply a function to windows of an array, in place of what is there."""
from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

from arrax.control.loops import fori_loop
from arrax.core.array import Array
from arrax.ops import arguments
from arrax.ops.arguments import positions
from arrax.ops.gather import gather
from arrax.ops.index_types import (GatherDimensionNumbers, GatherScatterMode,
                                   ScatterDimensionNumbers)
from arrax.ops.scatter import scatter, window_sizes
from arrax.ops.shape import reshape, transpose
from arrax.ops.slicing import dynamic_index_in_dim
from arrax.transforms.api_vmap import vmap


def scatter_apply(operand: Any, scatter_indices: Any, func: Callable[[Any], Any],
                  dimension_numbers: ScatterDimensionNumbers, *, update_shape: Any = (),
                  indices_are_sorted: bool = False, unique_indices: bool = False,
                  mode: Any = None) -> Array:
    """Replace elements x of the windows by `func(x)`; once per occurrence of an index.

    Args:
      operand: an array.
      scatter_indices, dimension_numbers, mode: as in `scatter`.
      func: a function of a scalar.
      update_shape: the shape that updates would have in `scatter`.
      indices_are_sorted, unique_indices: promises; with unique indices all windows are done at
        once, otherwise one after the other.
    """
    operand = arguments.operand(operand, "scatter_apply")
    indices = arguments.operand(scatter_indices, "scatter_apply", 1)
    if not isinstance(dimension_numbers, ScatterDimensionNumbers):
        raise TypeError("scatter_apply: dimension_numbers must be ScatterDimensionNumbers, got "
                        f"{dimension_numbers!r}")
    shape = tuple(update_shape)
    vectors = indices.shape[:-1]
    if unique_indices or math.prod(vectors) == 1:
        return _apply(operand, indices, func, dimension_numbers, shape, indices_are_sorted, mode)
    numbers = dimension_numbers
    batch = sorted(numbers.scatter_indices_batching_dims)  # each has its own part of the operand
    loop = positions(len(vectors), batch)
    single_shape = (*(vectors[i] for i in batch), *(shape[i] for i in numbers.update_window_dims))
    single = numbers._replace(
        update_window_dims=tuple(range(len(batch), len(single_shape))),
        scatter_indices_batching_dims=tuple(
            batch.index(i) for i in numbers.scatter_indices_batching_dims))
    rows = reshape(transpose(indices, (*loop, *batch, len(vectors))), (
        math.prod(vectors[i] for i in loop), *(vectors[i] for i in batch), indices.shape[-1]))

    def step(i: Any, x: Any) -> Any:
        index = dynamic_index_in_dim(rows, i, 0, False)
        return _apply(x, index, func, single, single_shape, False, mode)

    return fori_loop(0, rows.shape[0], step, operand)


def _apply(operand: Any, indices: Any, func: Callable[[Any], Any], numbers: ScatterDimensionNumbers,
           shape: tuple[int, ...], indices_are_sorted: bool, mode: Any) -> Any:
    gather_numbers = GatherDimensionNumbers(
        offset_dims=tuple(numbers.update_window_dims),
        collapsed_slice_dims=tuple(numbers.inserted_window_dims),
        start_index_map=tuple(numbers.scatter_dims_to_operand_dims),
        operand_batching_dims=tuple(numbers.operand_batching_dims),
        start_indices_batching_dims=tuple(numbers.scatter_indices_batching_dims))
    clip = GatherScatterMode.CLIP  # what is outside is not written, so may be read anywhere
    old = gather(operand, indices, gather_numbers, window_sizes(operand.ndim, shape, numbers),
                 mode=clip)
    new = reshape(vmap(func)(reshape(old, (math.prod(shape),))), shape)
    return scatter(operand, indices, new, numbers, indices_are_sorted=indices_are_sorted,
                   unique_indices=True, mode=mode)
