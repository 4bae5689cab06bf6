"""gather: windows of an operand at computed places."""
from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import Any

import numpy as np

from arrax.core import dtypes
from arrax.core.ad_values import Zero, tangent_aval
from arrax.core.array import Array, ArrayImpl
from arrax.core.aval import aval_of
from arrax.core.primitive import Primitive
from arrax.core.remembered import remembered
from arrax.core.lowering import Form
from arrax.ops import arguments, sharding_rules
from arrax.ops.arguments import canonical_shape, positions
from arrax.ops.index_types import (GatherDimensionNumbers, GatherScatterMode,
                                   ScatterDimensionNumbers, check_batching, check_in_range,
                                   check_index_map, check_sorted, with_tuples)
from arrax.ops.index_windows import Windows, along, clips
from arrax.ops.indexing_stablehlo import filled_outside, gathered
from arrax.ops.p import add_p, concatenate_p, lt_p, rem_p, select_n_p
from arrax.ops.rules import move_axis, zeros
from arrax.ops.scatter import scatter_add_p, update_jaxpr_of
from arrax.ops.shape import expand_dims


def _gather_type(x: Any, indices: Any, *, dimension_numbers: Any, slice_sizes: Any,
                 unique_indices: bool, indices_are_sorted: bool, mode: Any, fill_value: Any) -> Any:
    _check_types(x, indices, dimension_numbers, slice_sizes)
    return x.update(shape=_gather_shape(indices.shape, dimension_numbers, slice_sizes))


_GONE = ("collapsed_slice_dims", "start_indices_batching_dims")


def _check_numbers(x: Any, indices: Any, numbers: GatherDimensionNumbers, sizes: Any) -> None:
    if indices.ndim < 1:
        raise TypeError("Gather index leaf dimension must be within [0, rank(indices) + 1). "
                        f"rank(indices) is {indices.ndim} and gather index leaf dimension is -1.")
    check_sorted("gather", "offset_dims", numbers.offset_dims)
    if len(sizes) != x.ndim:
        raise TypeError("Gather op must have one slice size for every input dimension; got: "
                        f"len(slice_sizes)={len(sizes)}, input_shape.rank={x.ndim}")
    if len(numbers.start_index_map) != indices.shape[-1]:
        raise TypeError(
            f"Gather op has {len(numbers.start_index_map)} elements in start_index_map and the "
            f"bound of dimension index_vector_dim={indices.ndim - 1} of indices is "
            f"{indices.shape[-1]}. These two numbers must be equal.")
    for i, size in enumerate(sizes):
        if not 0 <= size <= x.shape[i]:
            raise TypeError(f"Slice size at index {i} in gather op is out of range, must be within "
                            f"[0, {x.shape[i]} + 1), got {size}.")
    check_index_map("gather", "start_index_map", numbers.start_index_map, x.ndim)
    check_sorted("gather", "collapsed_slice_dims", numbers.collapsed_slice_dims)
    check_in_range("gather", "collapsed_slice_dims", numbers.collapsed_slice_dims, x.ndim)
    check_batching("gather", x, indices, numbers, _GONE, numbers.start_index_map)
    for i, axis in enumerate(numbers.collapsed_slice_dims):
        if sizes[axis] > 1:
            raise TypeError("Gather op can only collapse slice dims with bound 1, but bound is "
                            f"{sizes[axis]} for index {axis} at position {i}.")
    for i, axis in enumerate(numbers.operand_batching_dims):
        if sizes[axis] > 1:
            raise TypeError("Gather op can only have operand batching dims with bound 0/1, but "
                            f"bound is {sizes[axis]} for index {axis} at position {i}.")
    rank = len(numbers.offset_dims) + indices.ndim - 1
    for i, axis in enumerate(numbers.offset_dims):
        if not 0 <= axis < rank:
            raise TypeError(f"Offset dimension {i} in gather op is out of bounds; got {axis}, but "
                            f"should have been in [0, {rank})")
    gone = len(numbers.collapsed_slice_dims) + len(numbers.operand_batching_dims)
    if len(numbers.offset_dims) + gone != x.ndim:
        raise TypeError(
            "All components of the offset index in a gather op must either be a offset dimension "
            "or explicitly collapsed/batching; got "
            f"len(slice_sizes)={len(sizes)}, output_slice_sizes={numbers.offset_dims}, "
            f"collapsed_slice_dims={numbers.collapsed_slice_dims}, "
            f"operand_batching_dims={numbers.operand_batching_dims}.")


@lru_cache(maxsize=4096)
def _check_types(x: Any, indices: Any, numbers: GatherDimensionNumbers, sizes: Any) -> None:
    """The type rule's checks; eager calls of equal types make them once."""
    if not dtypes.issubdtype(indices.dtype, np.integer):
        raise ValueError("indices must have an integer type, got "
                         f"{dtypes.dtype_name(indices.dtype)}")
    _check_numbers(x, indices, numbers, sizes)


def _gather_shape(indices_shape: Any, numbers: Any, sizes: Any) -> tuple[int, ...]:
    gone = (*numbers.collapsed_slice_dims, *numbers.operand_batching_dims)
    window = iter([sizes[i] for i in range(len(sizes)) if i not in gone])
    vectors = iter(indices_shape[:-1])
    rank = len(numbers.offset_dims) + len(indices_shape) - 1
    return tuple(next(window) if i in numbers.offset_dims else next(vectors) for i in range(rank))


def _gather_evaluate(x: np.ndarray, indices: np.ndarray, *, dimension_numbers: Any,
                     slice_sizes: Any, unique_indices: bool, indices_are_sorted: bool, mode: Any,
                     fill_value: Any) -> np.ndarray:
    numbers = dimension_numbers
    axis = _taken_axis(x.shape, indices.ndim, numbers, slice_sizes)
    if axis is not None and x.size:
        return _take_axis(x, indices[..., 0], axis, mode, fill_value)
    points = _point_plan(x.shape, indices.shape, numbers, slice_sizes)
    if points is not None and x.size and indices.size:
        out = points(x, indices, clips(mode, gathers=True))
        if out is not None:
            return out
    windows = Windows(x.shape, indices, slice_sizes, numbers.collapsed_slice_dims,
                      numbers.start_index_map, numbers.operand_batching_dims,
                      numbers.start_indices_batching_dims, clips(mode, gathers=True))
    shape = (*windows.vectors, *(slice_sizes[i] for i in windows.kept))
    rank = len(shape)
    if 0 in shape or 0 in x.shape:
        out = np.full(shape, _fill_of(fill_value, x.dtype), x.dtype)
    else:
        out = _take(x, windows, shape)
    if windows.outside is not None and windows.outside.any():
        out = np.array(out)
        out[windows.outside] = _fill_of(fill_value, x.dtype)
    vector_axes = positions(rank, numbers.offset_dims)
    order = np.argsort((*vector_axes, *numbers.offset_dims)) if vector_axes else None
    if order is None or (order == np.arange(rank)).all():
        return out
    return out.transpose(order)


@lru_cache(maxsize=4096)
def _taken_axis(shape: Any, indices_rank: int, numbers: GatherDimensionNumbers, sizes: Any,
                ) -> int | None:
    """The axis that the gather selects in, if it takes all of the others, and in their order."""
    if len(numbers.start_index_map) != 1 or numbers.operand_batching_dims:
        return None
    axis = numbers.start_index_map[0]
    vectors = indices_rank - 1
    kept = tuple(i if i < axis else i - 1 + vectors for i in range(len(shape)) if i != axis)
    whole = all(n == sizes[i] for i, n in enumerate(shape) if i != axis)
    simple = numbers.collapsed_slice_dims == (axis,) and sizes[axis] == 1
    return axis if simple and whole and numbers.offset_dims == kept else None


@lru_cache(maxsize=4096)
def _point_plan(shape: Any, indices_shape: Any, numbers: GatherDimensionNumbers, sizes: Any,
                ) -> Callable[..., np.ndarray | None] | None:
    """A gather of single elements: a function (x, indices, clip), which returns None when there are
    indices outside and they are not to be clipped. None for gathers of windows."""
    batching = dict(zip(numbers.operand_batching_dims, numbers.start_indices_batching_dims,
                        strict=True))
    if numbers.offset_dims or any(size != 1 for size in sizes):
        return None
    places: list[Any] = []  # for each axis, a component of the indices or a known index array
    for axis, size in enumerate(shape):
        if axis in batching:
            places.append(along(np.arange(size), batching[axis], len(indices_shape) - 1))
        elif axis in numbers.start_index_map:
            places.append(numbers.start_index_map.index(axis))
        else:
            places.append(np.intp(0))
    limits = np.array([shape[axis] - 1 for axis in numbers.start_index_map])

    def at(x: np.ndarray, indices: np.ndarray) -> np.ndarray:
        return np.asarray(x[tuple([indices[..., p] if type(p) is int else p for p in places])])

    def take(x: np.ndarray, indices: np.ndarray, clip: bool) -> np.ndarray | None:
        if indices.dtype == np.int32:
            try:  # as unsigned numbers, negative indices are out of bounds too
                return at(x, indices.view(np.uint32))
            except IndexError:
                pass
        inside = np.minimum(np.maximum(indices, 0), limits, dtype=np.intp, casting="unsafe") \
            if indices.dtype.itemsize < 8 or indices.dtype.kind == "i" else None
        if inside is None or not (clip or (inside == indices).all()):
            return None
        return at(x, inside)
    return take


def _take_axis(x: np.ndarray, index: np.ndarray, axis: int, mode: Any, fill_value: Any,
               ) -> np.ndarray:
    if index.dtype == np.int32:
        try:  # as unsigned numbers, negative indices are out of bounds too
            return np.asarray(x.take(index.view(np.uint32), axis))
        except IndexError:
            pass
    if index.dtype.kind == "u" and index.dtype.itemsize == 8:
        index = np.minimum(index, x.shape[axis])
    out = np.asarray(x.take(index, axis, mode="clip"))
    if clips(mode, gathers=True):
        return out
    outside = (index < 0) | (index >= x.shape[axis])
    if outside.any():
        fill = np.asarray(_fill_of(fill_value, x.dtype)).astype(x.dtype)
        out[(slice(None),) * axis + (outside,)] = fill
    return out


def _take(x: np.ndarray, windows: Windows, shape: tuple[int, ...]) -> np.ndarray:
    """The windows, axes in the order of the grid."""
    indexed, arrays = windows.numpy_index()
    whole = [i for i in range(x.ndim) if windows.axes[i] is None]
    if not indexed:
        out = np.broadcast_to(x[(None,) * len(windows.vectors)], shape)
        return out
    if len(indexed) == 1 and indexed[0] not in windows.kept:
        index = arrays[0].reshape(windows.vectors)
        out = x.take(index, axis=indexed[0])
        place = indexed[0]
        if place:  # the axes of the index vectors come first in the grid
            count = len(windows.vectors)
            out = np.moveaxis(out, range(place, place + count), range(count))
        return np.asarray(out)
    dropped = x.transpose(*indexed, *whole)
    arrays = tuple(a.reshape(a.shape[:len(windows.vectors)]
                             + tuple(n for i, n in zip(windows.kept, a.shape[len(windows.vectors):],
                                                       strict=True) if i not in whole))
                   for a in arrays)
    out = dropped[arrays]
    return _grid_order(out, windows, shape, whole)


def _grid_order(out: np.ndarray, windows: Windows, shape: tuple[int, ...], whole: list[int],
                ) -> np.ndarray:
    """Move the axes taken whole, which are last, to their place among the kept ones."""
    count = len(windows.vectors)
    order = [i for i in windows.kept if i not in whole] + whole
    partial = len(windows.kept) - len(whole)
    sizes = shape[:count] + tuple(shape[count + windows.kept.index(i)] for i in order)
    out = np.broadcast_to(out, sizes) if out.shape != sizes else out
    if partial == 0 or not whole:
        return out
    return out.transpose(*range(count), *(count + order.index(i) for i in windows.kept))


def _fill_of(fill_value: Any, dtype: Any) -> Any:
    """The value of elements outside; by default NaN, the least int, the greatest unsigned, True."""
    if fill_value is not None:
        return fill_value
    if dtypes.issubdtype(dtype, np.inexact):
        return np.nan
    if dtype == np.dtype(bool):
        return True
    info = dtypes.iinfo(dtype)
    return int(info.max) if dtypes.issubdtype(dtype, np.unsignedinteger) else int(info.min)


def _gather_jvp(primals: Any, tangents: Any, **params: Any) -> Any:
    out = gather_p.bind(*primals, **params)
    if type(tangents[0]) is Zero:
        return out, Zero(tangent_aval(aval_of(out)))
    if params["fill_value"] is not None:
        params = params | {"fill_value": 0}
    return out, gather_p.bind(tangents[0], primals[1], **params)


def _gather_transpose(cotangent: Any, x: Any, indices: Any, *, dimension_numbers: Any,
                      slice_sizes: Any, unique_indices: bool, indices_are_sorted: bool, mode: Any,
                      fill_value: Any) -> list[Any]:
    if type(cotangent) is Zero:
        return [Zero(x.aval), None]
    numbers = ScatterDimensionNumbers(
        update_window_dims=dimension_numbers.offset_dims,
        inserted_window_dims=dimension_numbers.collapsed_slice_dims,
        scatter_dims_to_operand_dims=dimension_numbers.start_index_map,
        operand_batching_dims=dimension_numbers.operand_batching_dims,
        scatter_indices_batching_dims=dimension_numbers.start_indices_batching_dims)
    out = scatter_add_p.bind(
        zeros(x.aval), indices, cotangent, dimension_numbers=numbers,
        indices_are_sorted=indices_are_sorted, unique_indices=unique_indices, mode=mode,
        update_jaxpr=update_jaxpr_of(add_p, x.aval), update_consts=())
    return [out, None]


def _shift(axes: Any) -> tuple[int, ...]:
    return tuple(i + 1 for i in axes)


def _gather_batch(axis: Any, operands: Any, dims: Any, *, dimension_numbers: Any, slice_sizes: Any,
                  fill_value: Any, mode: Any, unique_indices: bool, indices_are_sorted: bool,
                  ) -> Any:
    (x, indices), (x_dim, indices_dim), numbers = operands, dims, dimension_numbers
    offset_dims = _shift(numbers.offset_dims)
    if x_dim is not None:
        x = move_axis(x, x_dim, 0)
        numbers = numbers._replace(
            collapsed_slice_dims=_shift(numbers.collapsed_slice_dims),
            start_index_map=_shift(numbers.start_index_map),
            operand_batching_dims=_shift(numbers.operand_batching_dims))
    if indices_dim is not None:
        indices = move_axis(indices, indices_dim, 0)
        numbers = numbers._replace(
            start_indices_batching_dims=_shift(numbers.start_indices_batching_dims))
    if x_dim is None:
        numbers = numbers._replace(offset_dims=offset_dims)
    elif indices_dim is None:
        numbers = numbers._replace(offset_dims=(0, *offset_dims))
        slice_sizes = (axis.size, *slice_sizes)
    else:
        numbers = numbers._replace(
            offset_dims=offset_dims, operand_batching_dims=(0, *numbers.operand_batching_dims),
            start_indices_batching_dims=(0, *numbers.start_indices_batching_dims))
        slice_sizes = (min(1, axis.size), *slice_sizes)
    if x_dim is None:  # batch elements read the same operand, perhaps the same windows
        unique_indices = indices_are_sorted = False
    out = gather_p.bind(x, indices, dimension_numbers=numbers, slice_sizes=tuple(slice_sizes),
                        fill_value=fill_value, mode=mode, unique_indices=unique_indices,
                        indices_are_sorted=indices_are_sorted)
    return out, 0


def _gather_stablehlo(b: Any, x: Any, indices: Any, *, dimension_numbers: Any, slice_sizes: Any,
                      fill_value: Any, mode: Any, unique_indices: bool, indices_are_sorted: bool,
                      ) -> Any:
    storage = dtypes.storage_dtype(x.aval.dtype)
    if 0 in b.outs[0].shape or 0 in x.aval.shape:
        return b.full(b.outs[0].shape, _fill_of(fill_value, storage), storage)
    out = gathered(b, x, indices, dimension_numbers, slice_sizes, indices_are_sorted)
    if clips(mode, gathers=True):
        return out
    fill = b.constant(_fill_of(fill_value, storage), storage)
    return filled_outside(b, out, x, indices, dimension_numbers, slice_sizes, fill)


gather_p = Primitive("gather", sharding=sharding_rules.gather,
    type_rule=_gather_type, evaluate=_gather_evaluate, jvp=_gather_jvp,
                     transpose=_gather_transpose, batch=_gather_batch, weak_type="first",
                     linear=True, lower=Form(), stablehlo=_gather_stablehlo)


@remembered
def gather(operand: Any, start_indices: Any, dimension_numbers: GatherDimensionNumbers,
           slice_sizes: Any, *, unique_indices: bool = False, indices_are_sorted: bool = False,
           mode: Any = None, fill_value: Any = None) -> Array:
    """Windows of `operand` at `start_indices`, as XLA's Gather operation defines.

    Args:
      operand: the array to take from.
      start_indices: integers; index vectors lie along the last axis.
      dimension_numbers: which axes go where.
      slice_sizes: the size of the window along each operand axis.
      unique_indices, indices_are_sorted: promises that make derivatives and compiled code cheaper.
      mode: see `GatherScatterMode`; None clips in `gather` as "promise_in_bounds" does.
      fill_value: for mode "fill"; by default NaN, the least integer, the greatest unsigned, True.

    Returns:
      An array of the dtype of `operand`. TypeError when the dimension numbers do not fit.

    Example:
      >>> rows = lax.GatherDimensionNumbers((1,), collapsed_slice_dims=(0,), start_index_map=(0,))
      >>> lax.gather(jnp.arange(6).reshape(3, 2), jnp.array([[2], [0]]), rows, (1, 2))
      Array([[4, 5],
             [0, 1]], dtype=int32)
    """
    operand = arguments.operand(operand, "gather")
    start_indices = arguments.operand(start_indices, "gather", 1)
    mode = GatherScatterMode.PROMISE_IN_BOUNDS if mode is None else GatherScatterMode.from_any(mode)
    if mode in (GatherScatterMode.FILL_OR_DROP, GatherScatterMode.ONE_HOT):
        fill_value = _fill_of(fill_value, dtypes.storage_dtype(operand.dtype))
    else:
        fill_value = None
    dimension_numbers = with_tuples(dimension_numbers)
    params = {"dimension_numbers": dimension_numbers, "slice_sizes": canonical_shape(slice_sizes),
              "unique_indices": bool(unique_indices),
              "indices_are_sorted": bool(indices_are_sorted), "mode": mode,
              "fill_value": fill_value}
    if type(operand) is ArrayImpl:
        _check_types(operand.aval, start_indices.aval, dimension_numbers, params["slice_sizes"])
    return gather_p.bind(operand, start_indices, **params)


def index_take(src: Any, idxs: Any, axes: Any) -> Array:
    """Take, along `axes`, the elements at the 1-d index arrays `idxs` (wrapped into bounds)."""
    src = arguments.operand(src, "index_take")
    columns = [expand_dims(_wrapped(i, src.shape[axis]), (1,))
               for i, axis in zip(idxs, axes, strict=True)]
    indices = columns[0] if len(columns) == 1 else \
        concatenate_p.bind(*columns, dimension=1)
    axes = tuple(axes)
    numbers = GatherDimensionNumbers(
        offset_dims=tuple(range(1, src.ndim - len(axes) + 1)), collapsed_slice_dims=axes,
        start_index_map=axes)
    sizes = [1 if i in axes else n for i, n in enumerate(src.shape)]
    return gather(src, indices, numbers, sizes)


def _wrapped(index: Any, size: int) -> Any:
    """`index` modulo `size`, in [0, size)."""
    index = arguments.operand(index, "index_take", 1)
    extent = np.asarray(size, index.dtype)[()]
    rest = rem_p.bind(index, extent)
    negative = lt_p.bind(rest, np.zeros((), index.dtype)[()])
    return select_n_p.bind(negative, rest, add_p.bind(rest, extent))
