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


@parameter_type
def with_tuples(numbers: Any) -> Any:
    """Dimension numbers whose fields are tuples of ints, whatever sequences were given."""
    if all(type(field) is tuple for field in numbers):
        return numbers
    return type(numbers)(*(tuple(map(int, field)) for field in numbers))


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
