"""ragged_dot_general: products of groups of rows of different sizes, as masked dot products."""
from __future__ import annotations

from typing import Any

import numpy as np

from arrax.core import dtypes
from arrax.core.array import Array
from arrax.core.aval import aval_of
from arrax.core.parameter_types import parameter_type
from arrax.ops import arguments
from arrax.ops.arguments import positions
from arrax.ops.dot import dot_general
from arrax.ops.p import and_p, cumsum_p, ge_p, iota_p, lt_p, select_n_p, sub_p, transpose_p
from arrax.ops.rules import broadcast_in_dim, move_axis, zeros
from arrax.typing import DTypeLike


@parameter_type
class RaggedDotDimensionNumbers:
    """Dimension numbers of `ragged_dot_general`.

    Attributes:
      dot_dimension_numbers: as in `dot_general`.
      lhs_ragged_dimensions: the axis of `lhs` along which the groups lie.
      rhs_group_dimensions: the axis of `rhs` with one element per group (none when the ragged axis
        is contracted: then the result has a leading group axis).
    """

    __slots__ = ("dot_dimension_numbers", "lhs_ragged_dimensions", "rhs_group_dimensions")

    def __init__(self, dot_dimension_numbers: Any, lhs_ragged_dimensions: Any,
                 rhs_group_dimensions: Any):
        (x_contract, y_contract), (x_batch, y_batch) = dot_dimension_numbers
        self.dot_dimension_numbers = ((tuple(x_contract), tuple(y_contract)),
                                      (tuple(x_batch), tuple(y_batch)))
        self.lhs_ragged_dimensions = tuple(lhs_ragged_dimensions)
        self.rhs_group_dimensions = tuple(rhs_group_dimensions)

    def _key(self) -> Any:
        return (self.dot_dimension_numbers, self.lhs_ragged_dimensions, self.rhs_group_dimensions)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, RaggedDotDimensionNumbers) and self._key() == other._key()

    def __hash__(self) -> int:
        return hash(self._key())

    def __repr__(self) -> str:
        return (f"RaggedDotDimensionNumbers(dot_dimension_numbers={self.dot_dimension_numbers}, "
                f"lhs_ragged_dimensions={self.lhs_ragged_dimensions}, "
                f"rhs_group_dimensions={self.rhs_group_dimensions})")


_ROWS = RaggedDotDimensionNumbers((((1,), (1,)), ((), ())), (0,), (0,))


def ragged_dot(lhs: Any, rhs: Any, group_sizes: Any, precision: Any = None,
               preferred_element_type: DTypeLike | None = None, group_offset: Any = None,
               out_sharding: Any = None) -> Array:
    """Multiply each group of rows of `lhs` [m, k] by its own matrix of `rhs` [groups, k, n].

    Rows after the last group give zeros.
    """
    return ragged_dot_general(lhs, rhs, group_sizes, _ROWS, precision, preferred_element_type,
                              group_offset, out_sharding)


def ragged_dot_general(lhs: Any, rhs: Any, group_sizes: Any,
                       ragged_dot_dimension_numbers: RaggedDotDimensionNumbers,
                       precision: Any = None, preferred_element_type: DTypeLike | None = None,
                       group_offset: Any = None, out_sharding: Any = None) -> Array:
    """A `dot_general` in which one axis of `lhs` is divided into groups of given sizes.

    If the ragged axis is a free one, each group has its own slice of `rhs`; if it is contracted,
    each group gives its own result, along a new leading axis; if it is a batch axis, groups make
    no difference. `group_sizes` is a vector, or has a vector for each element of the batch axes and
    the axes of the ragged one's kind before it. NotImplementedError with `group_offset`.
    """
    lhs = arguments.operand(lhs, "ragged_dot_general")
    rhs = arguments.operand(rhs, "ragged_dot_general", 1)
    group_sizes = arguments.operand(group_sizes, "ragged_dot_general", 2)
    if group_offset is not None:
        raise NotImplementedError("Unimplemented group_offset support.")
    if not dtypes.issubdtype(group_sizes.dtype, np.integer) or group_sizes.ndim < 1:
        raise TypeError("ragged_dot_general requires group_sizes to be a vector of integers (or "
                        f"one for each element of the axes before the ragged one), got "
                        f"{group_sizes.aval}.")
    numbers = ragged_dot_dimension_numbers
    if len(numbers.lhs_ragged_dimensions) != 1:
        raise TypeError("ragged_dot_general expects exactly one lhs ragged dimension, got "
                        f"{numbers.lhs_ragged_dimensions}.")
    ragged, = numbers.lhs_ragged_dimensions
    (x_contract, y_contract), (x_batch, y_batch) = numbers.dot_dimension_numbers
    options = {"precision": precision, "preferred_element_type": preferred_element_type,
               "out_sharding": out_sharding}
    if ragged in x_batch:
        return dot_general(lhs, rhs, numbers.dot_dimension_numbers, **options)
    masked = _masked(lhs, ragged, group_sizes, _axes_before(lhs, ragged, x_contract, x_batch))
    is_contracted = ragged in x_contract
    x_contract = tuple(d + 1 for d in x_contract)
    x_batch = tuple(d + 1 for d in x_batch)
    if is_contracted:
        out = dot_general(masked, rhs, ((x_contract, y_contract), (x_batch, y_batch)), **options)
        return move_axis(out, len(x_batch), 0)
    if len(numbers.rhs_group_dimensions) != 1:
        raise TypeError("ragged_dot_general expects exactly one rhs group dimension, got "
                        f"{numbers.rhs_group_dimensions}.")
    contract = ((0, *x_contract), (numbers.rhs_group_dimensions[0], *y_contract))
    return dot_general(masked, rhs, (contract, (x_batch, y_batch)), **options)


def _axes_before(x: Any, ragged: int, contracted: Any, batch: Any) -> tuple[int, ...]:
    """The axes of `x` whose elements may have group sizes of their own: batch axes, and those of
    the ragged axis' kind that stand before it."""
    alike = contracted if ragged in contracted else positions(x.ndim, (*contracted, *batch))
    return (*batch, *alike[:list(alike).index(ragged)])


def _masked(x: Any, axis: int, group_sizes: Any, before: tuple[int, ...]) -> Any:
    """`x` once per group along a new leading axis, zero outside the group."""
    sizes = aval_of(group_sizes).shape
    groups, prefix = sizes[-1], tuple(x.shape[i] for i in before)
    if sizes[:-1] not in ((), prefix):
        raise TypeError(f"ragged_dot_general expected group_sizes to have shape {(*prefix, groups)}"
                        f" or {(groups,)}, got {sizes}")
    place_of = (*(i + 1 for i in before), 0) if sizes[:-1] else (0,)
    shape = (groups, *x.shape)
    ends = cumsum_p.bind(group_sizes, axis=len(sizes) - 1, reverse=False)
    starts = sub_p.bind(ends, group_sizes)
    place = iota_p.bind(dtype=aval_of(group_sizes).dtype, shape=shape, dimension=axis + 1,
                        sharding=None)
    def spread(table: Any) -> Any:
        order = np.argsort(place_of)
        table = transpose_p.bind(table, permutation=tuple(map(int, order)))
        return broadcast_in_dim(table, shape, sorted(place_of))

    inside = and_p.bind(ge_p.bind(place, spread(starts)), lt_p.bind(place, spread(ends)))
    copies = broadcast_in_dim(x, shape, range(1, len(shape)))
    return select_n_p.bind(inside, zeros(aval_of(copies)), copies)
