"""How gathers and scatters map indices to windows, and what they do out of bounds."""
from __future__ import annotations

import enum
from typing import Any, NamedTuple

from arrax.core.parameter_types import parameter_type


@parameter_type
class GatherDimensionNumbers(NamedTuple):
    """Where the parts of a gather's operand and indices go.

    Attributes:
      offset_dims: axes of the result that come from the window, in increasing order.
      collapsed_slice_dims: axes of the operand whose window size is 1 and that are dropped.
      start_index_map: the operand axis that component `k` of each index vector selects in.
      operand_batching_dims: operand axes that run together with axes of the indices …
      start_indices_batching_dims: … these, in the same order.

    The index vectors lie along the last axis of the indices.
    """

    offset_dims: tuple[int, ...]
    collapsed_slice_dims: tuple[int, ...]
    start_index_map: tuple[int, ...]
    operand_batching_dims: tuple[int, ...] = ()
    start_indices_batching_dims: tuple[int, ...] = ()


@parameter_type
class ScatterDimensionNumbers(NamedTuple):
    """Where the parts of a scatter's operand, indices and updates go; compare gather's.

    Attributes:
      update_window_dims: axes of the updates that are axes of the window.
      inserted_window_dims: operand axes of window size 1 that the updates do not have.
      scatter_dims_to_operand_dims: the operand axis of component `k` of each index vector.
      operand_batching_dims: operand axes that run together with axes of the indices …
      scatter_indices_batching_dims: … these, in the same order.
    """

    update_window_dims: Any
    inserted_window_dims: Any
    scatter_dims_to_operand_dims: Any
    operand_batching_dims: Any = ()
    scatter_indices_batching_dims: Any = ()


def check_sorted(op: str, name: str, axes: tuple[int, ...]) -> None:
    """TypeError unless `axes`, the field `name` of dimension numbers, are rising."""
    if list(axes) != sorted(axes):
        raise TypeError(f"{name} in {op} op must be sorted; got {axes}")
    if len(set(axes)) != len(axes):
        raise TypeError(f"{name} in {op} op must not repeat; got: {axes}.")


def check_in_range(op: str, name: str, axes: tuple[int, ...], rank: int) -> None:
    """TypeError unless `axes` are axes of an array of `rank`."""
    for axis in axes:
        if not 0 <= axis < rank:
            raise TypeError(f"Invalid {name} set in {op} op; valid range is [0, {rank}); "
                            f"got: {axis}.")


def check_index_map(op: str, name: str, axes: tuple[int, ...], rank: int) -> None:
    """TypeError unless the components of an index vector go to different axes of the operand."""
    for i, axis in enumerate(axes):
        if not 0 <= axis < rank:
            raise TypeError(f"Invalid {name} in {op} op; domain is [0, {rank}), got: {i}->{axis}.")
    if len(set(axes)) != len(axes):
        raise TypeError(f"{name} in {op} op must not repeat; got: {axes}.")


def check_batching(op: str, operand: Any, indices: Any, numbers: Any, gone: tuple[str, str],
                   index_map: tuple[int, ...]) -> None:
    """Checks of the batching axes; TypeError that names the field.

    `gone` has the names of two fields: the operand's axes that are no axes of windows, and the
    indices' batching axes. Batching axes are neither among the former nor in `index_map`.
    """
    outside, index_axes = (getattr(numbers, name) for name in gone)
    batching = numbers.operand_batching_dims
    check_sorted(op, "operand_batching_dims", batching)
    check_in_range(op, "operand_batching_dims", batching, operand.ndim)
    for name, axes in ((gone[0], outside), ("the index map", index_map)):
        if set(axes) & set(batching):
            raise TypeError(f"{name} and operand_batching_dims in {op} op must be disjoint; got: "
                            f"{axes} and {batching}.")
    if len(index_axes) != len(batching):
        raise TypeError(f"{op.capitalize()} op requires equal numbers of operand_batching_dims and "
                        f"{gone[1]}, got {batching} and {index_axes}.")
    check_in_range(op, gone[1], index_axes, indices.ndim - 1)
    if len(set(index_axes)) != len(index_axes):
        raise TypeError(f"{gone[1]} in {op} op must not repeat; got: {index_axes}.")
    sizes = [tuple(x.shape[i] for i in axes)
             for x, axes in ((operand, batching), (indices, index_axes))]
    if sizes[0] != sizes[1]:
        raise TypeError(f"{op.capitalize()} op requires operand_batching_dims and {gone[1]} to be "
                        f"axes of equal sizes, got {sizes[0]} and {sizes[1]}.")


def with_tuples(numbers: Any) -> Any:
    """Dimension numbers whose fields are tuples of ints, whatever sequences were given."""
    if all(type(field) is tuple for field in numbers):
        return numbers
    return type(numbers)(*(tuple(map(int, field)) for field in numbers))


@parameter_type
class GatherScatterMode(enum.Enum):
    """What to do with windows that are not inside the operand.

    CLIP moves them inside; FILL_OR_DROP gives a fill value in a gather and drops the update in a
    scatter; PROMISE_IN_BOUNDS says that there are none (a gather clips them, a scatter drops them
    all the same); ONE_HOT is FILL_OR_DROP, preferably computed by a matrix product.
    """

    CLIP = 1
    FILL_OR_DROP = 2
    PROMISE_IN_BOUNDS = 3
    ONE_HOT = 4

    @staticmethod
    def from_any(mode: Any) -> GatherScatterMode:
        """A mode from a mode or its name: "clip", "fill" or "drop", "promise_in_bounds", "one_hot".

        ValueError for anything else.
        """
        if isinstance(mode, GatherScatterMode):
            return mode
        try:
            return _MODES[mode]
        except (KeyError, TypeError):
            raise ValueError(f'Unknown gather mode "{mode}"') from None


_MODES = {"clip": GatherScatterMode.CLIP, "fill": GatherScatterMode.FILL_OR_DROP,
          "drop": GatherScatterMode.FILL_OR_DROP, None: GatherScatterMode.FILL_OR_DROP,
          "promise_in_bounds": GatherScatterMode.PROMISE_IN_BOUNDS,
          "one_hot": GatherScatterMode.ONE_HOT}
