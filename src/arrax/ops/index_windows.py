"""Index arithmetic that the NumPy evaluations of gather and scatter share.

Both address windows of the operand: one per index vector (the last axis of the indices), of given
sizes. `Windows` turns that into one NumPy index per operand axis, over the grid
(axes of the index vectors…, axes of the window that the other side has…).
"""
from __future__ import annotations

from typing import Any

import numpy as np

from arrax.ops.index_types import GatherScatterMode



class Windows:
    """Where the windows are.

    Attributes:
      axes: for each operand axis, a NumPy index array over the grid, or None for all of it.
      outside: None, or a bool array over the grid's leading axes: windows that do not fit.
      kept: operand axes that the other side (result or updates) has, in order.
    """

    def __init__(self, shape: Any, indices: np.ndarray, sizes: Any, dropped: Any,
                 start_axes: Any, batching: Any, index_batching: Any, clip: bool):
        self.kept = [i for i in range(len(shape)) if i not in dropped and i not in batching]
        vectors = indices.shape[:-1]
        components = self._components(shape, indices, sizes, start_axes, clip)
        grid_rank = len(vectors) + len(self.kept)
        self.axes: list[Any] = []
        for axis, extent in enumerate(shape):
            start = components.get(axis)
            if axis in batching:
                place = index_batching[batching.index(axis)]
                self.axes.append(along(np.arange(extent), place, grid_rank))
                continue
            if start is not None:
                start = start.reshape(start.shape + (1,) * len(self.kept))
            if axis in self.kept:
                if start is None and sizes[axis] == extent:
                    self.axes.append(None)
                    continue
                place = len(vectors) + self.kept.index(axis)
                offsets = along(np.arange(sizes[axis]), place, grid_rank)
                self.axes.append(offsets if start is None else start + offsets)
            else:
                self.axes.append(np.zeros((1,) * grid_rank, np.intp) if start is None else start)
        self.vectors = vectors

    def _components(self, shape: Any, indices: np.ndarray, sizes: Any, start_axes: Any,
                    clip: bool) -> dict[int, np.ndarray]:
        """The start along each indexed axis, inside the operand; fills in `outside`."""
        self.outside = None
        found = {}
        for k, axis in enumerate(start_axes):
            start = indices[..., k]
            last = shape[axis] - sizes[axis]
            if start.size == 0:
                found[axis] = start.astype(np.intp)
                continue
            low, high = start.min(), start.max()
            if low < 0 or high > last:
                if not clip:
                    bad = (start < 0) | (start > last)
                    self.outside = bad if self.outside is None else self.outside | bad
                start = np.clip(start, 0, max(last, 0)) if start.dtype.kind == "i" else \
                    np.minimum(start, max(last, 0))
            found[axis] = start.astype(np.intp)
        return found

    def numpy_index(self) -> tuple[list[int], tuple[Any, ...]]:
        """Operand axes with an index array, in order, and those arrays."""
        indexed = [i for i, index in enumerate(self.axes) if index is not None]
        return indexed, tuple(self.axes[i] for i in indexed)


def along(values: np.ndarray, axis: int, rank: int) -> np.ndarray:
    shape = [1] * rank
    shape[axis] = -1
    return values.reshape(shape)


def clips(mode: GatherScatterMode, gathers: bool) -> bool:
    """Whether windows outside are moved inside (else they are filled or dropped)."""
    return mode is GatherScatterMode.CLIP or (
        gathers and mode is GatherScatterMode.PROMISE_IN_BOUNDS)
