"""`x[idx]`: reading by every form of NumPy index.

Integers and slices known now become views (eagerly) or `slice`, `rev` and `squeeze`; scalars
unknown now become `dynamic_slice`; arrays become `gather`. Negative indices count from the end;
indices out of bounds are moved inside unless another `mode` is asked for.
"""
from __future__ import annotations

from typing import Any

import numpy as np

from arrax import _native, lax
from arrax.core import dtypes
from arrax.core.array import ArrayImpl, array_of, from_numpy
from arrax.core.dimension import (Dimension, is_constant_shape, max_dim, min_dim,
                                  surely_at_most)
from arrax.core.evaluate import EVAL, computes_at_once
from arrax.core.positions import is_beyond, position_dtype
from arrax.core.trace import current
from arrax.numpy.index_plan import Index, Plan, Span, StaticInt, parse, plan
from arrax.numpy.promotion import scalar_array, view_of
from arrax.ops.index_types import (GatherDimensionNumbers, GatherScatterMode)

_int32 = np.dtype(np.int32)


def getitem(x: Any, idx: Any) -> Any:
    """`x[idx]` for an Array or tracer; see `arrax.numpy.ndarray.at` for other modes."""
    if type(idx) is slice and idx == _everything and x.ndim:
        return x
    found = _native.read_item(x, idx)
    return read(x, parse(x.shape, idx)) if found is None else found


_everything = slice(None)


def _wrap(x: ArrayImpl, data: Any) -> ArrayImpl:
    aval = x.aval
    if isinstance(aval.dtype, dtypes.ExtendedDType):
        return view_of(x, np.asarray(data, aval.dtype.storage))
    return from_numpy(data, aval.weak_type)


def read(x: Any, index: Index, mode: GatherScatterMode | None = None, fill_value: Any = None,
         indices_are_sorted: bool = False, unique_indices: bool = False,
         wrap_negative: bool = True) -> Any:
    """The elements of `x` that a parsed index selects."""
    fills = mode in (GatherScatterMode.FILL_OR_DROP, GatherScatterMode.ONE_HOT)
    if index.is_static and (not (fills or current().watches_indices) or _in_bounds(index)):
        return _add_new_axes(_read_static(x, index), index.new_axes)
    if index.added_axes:
        x = lax.expand_dims(x, index.added_axes)
    if not fills:
        if index.is_known and wrap_negative and computes_at_once(x) \
                and 0 not in index.shape:
            return _add_new_axes(_read_known(x, index), index.new_axes)
        if not index.has_arrays and wrap_negative and not index.is_static:
            return _add_new_axes(_read_dynamic(x, index), index.new_axes)
    return _add_new_axes(_gather(x, index, mode, fill_value, indices_are_sorted, unique_indices,
                                 wrap_negative), index.new_axes)


def _add_new_axes(x: Any, positions: list[int]) -> Any:
    return lax.expand_dims(x, positions) if positions else x


def _in_bounds(index: Index) -> bool:
    return all(not isinstance(e, StaticInt) or -d <= e.value < d
               for e, d in zip(index.entries, index.shape, strict=True))


def wrapped(value: int, dimension: int) -> int:
    """A possibly negative integer index counted from the start, not checked further."""
    return value + dimension if value < 0 else value


def clamped(value: Any, dimension: Any) -> Any:
    """An integer index counted from the start and moved inside the bounds."""
    return min_dim(max_dim(wrapped(value, dimension), 0), dimension - 1)


# ---- indices known now -----------------------------------------------------------------------

def _read_known(x: ArrayImpl, index: Index) -> ArrayImpl:
    """NumPy's own indexing, with integers moved inside the bounds."""
    items = [numpy_item(e, d) for e, d in zip(index.entries, index.shape, strict=True)]
    data = x._value()
    if not index.contiguous and index.has_arrays and index.new_axes:
        # Axes that NumPy would keep in place because the new axes are not in `items`.
        data = _read_separated(data, items)
    else:
        try:
            data = data[tuple(items)]
        except IndexError:
            plan(index)  # says which shapes do not broadcast
            raise
    return _wrap(x, data)


def _read_separated(data: np.ndarray, items: list[Any]) -> np.ndarray:
    """`data[items]` with the axes of the index arrays in front, wherever the arrays stand."""
    arrays = [i for i, item in enumerate(items) if not isinstance(item, slice)]
    spans = [i for i, item in enumerate(items) if isinstance(item, slice)]
    moved = data.transpose(arrays + spans)
    result: np.ndarray = moved[tuple([items[i] for i in arrays] + [items[i] for i in spans])]
    return result


def numpy_item(entry: Any, dimension: int) -> Any:
    """An entry as NumPy's indexing takes it."""
    if isinstance(entry, StaticInt):
        return clamped(entry.value, dimension)
    if isinstance(entry, Span):
        return numpy_slice(entry)
    if entry.dtype.kind == "u":
        return np.minimum(entry.astype(np.uint64), np.uint64(dimension - 1)).astype(np.intp)
    entry = entry.astype(np.intp)  # narrow integers may not hold the dimension
    return np.clip(np.where(entry < 0, entry + dimension, entry), 0, dimension - 1)


def numpy_slice(span: Span) -> slice:
    """A span as a slice; ends below zero are None."""
    stop = span.start + span.size * span.step
    return slice(span.start, stop if stop >= 0 else None, span.step)


def _read_static(x: Any, index: Index) -> Any:
    """Integers and slices only."""
    if computes_at_once(x):
        items = tuple(numpy_item(e, d) for e, d in zip(index.entries, index.shape, strict=True))
        return _wrap(x, x._value()[items])
    starts, limits, strides, reverse, drop = [], [], [], [], []
    for axis, (entry, dimension) in enumerate(zip(index.entries, index.shape, strict=True)):
        if isinstance(entry, StaticInt):
            start, size, step = clamped(entry.value, dimension), 1, 1
            drop.append(axis)
        else:
            start, size, step = _ascending(entry)
            if entry.step < 0 and not surely_at_most(size, 1):
                reverse.append(axis)
        starts.append(start)
        limits.append(min_dim(start + size * step, dimension))
        strides.append(step)
    if starts != [0] * len(starts) or tuple(limits) != tuple(index.shape) or set(strides) - {1}:
        x = lax.slice(x, tuple(starts), tuple(limits),
                      None if set(strides) <= {1} else tuple(strides))
    if reverse:
        x = lax.rev(x, tuple(reverse))
    return lax.squeeze(x, tuple(drop)) if drop else x


def _ascending(span: Span) -> tuple[int, int, int]:
    """(start, size, step) of the same elements in ascending order."""
    if surely_at_most(span.size, 1):
        return span.start, span.size, 1
    if span.step > 0:
        return span
    return span.start + (span.size - 1) * span.step, span.size, -span.step


# ---- scalars unknown now ---------------------------------------------------------------------

def _read_dynamic(x: Any, index: Index) -> Any:
    """Some scalar that is no Python int, no arrays: a dynamic slice, then what is static."""
    starts, sizes, after = [], [], []
    for entry, dimension in zip(index.entries, index.shape, strict=True):
        after.append(Span(0, dimension, 1))
        if isinstance(entry, StaticInt):
            starts.append(scalar_array(clamped(entry.value, dimension), position_dtype(dimension)))
            sizes.append(1)
        elif not isinstance(entry, Span):
            known = isinstance(entry, np.ndarray)
            starts.append(from_the_front(array_of(entry) if known else entry, dimension))
            sizes.append(1)
        else:
            start, size, step = _ascending(entry)
            if step == 1:
                starts.append(scalar_array(start, position_dtype(dimension)))
                sizes.append(size)
                after[-1] = Span(size - 1, size, -1) if entry.step < 0 < size - 1 \
                    else Span(0, size, 1)
            else:
                starts.append(scalar_array(0, _int32))
                sizes.append(dimension)
                after[-1] = entry
    starts = _one_dtype(starts, clamp=True)
    window = lax.dynamic_slice_p.bind(x, *starts, slice_sizes=tuple(sizes))
    window = _read_static(window, Index(tuple(sizes), after, [], [], False))
    drop = [i for i, e in enumerate(index.entries) if not isinstance(e, Span)]
    return lax.squeeze(window, drop)


def _one_dtype(starts: list[Any], clamp: bool) -> list[Any]:
    """Indices of several axes in one dtype. Below zero they are out of bounds: in unsigned dtypes
    too, unless they are to be clamped."""
    found = {s.dtype for s in starts}
    if len(found) == 1:
        return starts
    dtype = max(found, key=lambda d: (d.itemsize, d.kind))
    if dtype.kind == "u" and clamp:
        starts = [lax.max(s, lax.full_like(s, 0)) if s.dtype.kind == "i" else s for s in starts]
    return [lax.convert_element_type(s, dtype) for s in starts]


def from_the_front(i: Any, dimension: int) -> Any:
    """Integer indices (an Array or tracer), negative ones counted from the end, in int32 or int64;
    along axes of 2**31 elements and more, in uint32, where the sum wraps around to the same."""
    i = index_dtype(i)
    if i.dtype.kind == "u":
        return i
    if i.dtype == _int32 and is_beyond(dimension, _int32):
        wide = position_dtype(dimension)
        below = lax.lt_p.bind(i, scalar_array(0, i.dtype))
        i = lax.convert_element_type(i, wide)
        return lax.select_n_p.bind(below, i, lax.add_p.bind(i, scalar_array(dimension, wide)))
    wrapped_index = lax.add_p.bind(i, scalar_array(dimension, i.dtype))
    return lax.select_n_p.bind(lax.lt_p.bind(i, scalar_array(0, i.dtype)), i, wrapped_index)


def index_dtype(i: Any) -> Any:
    """An integer Array or tracer in a dtype that holds positions: int32, or int64 if it has it.

    Unsigned numbers that this dtype does not hold become its largest, which is out of bounds too.
    """
    aval = i.aval
    dtype = aval.dtype if aval.dtype.itemsize == 8 else _int32
    if dtype.kind == "u":
        dtype = np.dtype(np.int64)
    if aval.dtype.kind == "u" and aval.dtype.itemsize == dtype.itemsize:
        largest = np.broadcast_to(np.array(np.iinfo(dtype).max, aval.dtype), aval.shape)
        i = lax.min_p.bind(i, largest)
    if aval.dtype == dtype and not aval.weak_type:
        return i
    return lax.convert_element_type(i, dtype)


def _known_positions(values: np.ndarray, dimension: int, wrap_negative: bool) -> np.ndarray:
    """Known integers of any dtype as positions, in int64; all that are out of bounds are -1 or
    `dimension`, which mean the same and fit the narrow dtypes of programs without 64 bits."""
    if values.dtype.kind == "u":
        return np.asarray(np.minimum(values, np.uint64(dimension)), np.int64)
    values = values.astype(np.int64)
    if wrap_negative:
        values = np.where(values < 0, values + dimension, values)
    return np.asarray(np.clip(values, -1, dimension))


# ---- gather ----------------------------------------------------------------------------------

def _gather(x: Any, index: Index, mode: Any, fill_value: Any, indices_are_sorted: bool,
            unique_indices: bool, wrap_negative: bool) -> Any:
    layout = plan(index)
    if 0 in layout.sizes:
        return lax.full(tuple(layout.sizes), lax.full_like(x, 0, shape=()))
    indices = start_indices(index, layout, wrap_negative, mode == GatherScatterMode.CLIP)
    numbers = GatherDimensionNumbers(
        offset_dims=tuple(i for i, what in enumerate(layout.order) if what[0] == "offset"),
        collapsed_slice_dims=tuple(layout.collapsed),
        start_index_map=tuple(axis for axis, _ in layout.components))
    return lax.gather(
        x, indices, numbers, tuple(layout.slice_sizes),
        indices_are_sorted=indices_are_sorted or layout.sorted_and_unique,
        unique_indices=unique_indices or layout.sorted_and_unique,
        mode=mode or GatherScatterMode.PROMISE_IN_BOUNDS, fill_value=fill_value)


def start_indices(index: Index, layout: Plan, wrap_negative: bool = True,
                  clamp: bool = False) -> Any:
    """The index vectors of a gather or scatter (which clamps, or not): an integer array, vectors
    along the last axis."""
    batch = [size for what, size in zip(layout.order, layout.sizes, strict=True)
             if what[0] != "offset"]
    places = [what for what in layout.order if what[0] != "offset"]
    if not layout.components:
        return from_numpy(np.zeros((*batch, 0), np.int32))
    parts = []
    for axis, value in layout.components:
        value = component(value, index.shape[axis], wrap_negative)
        if value.ndim == 1 and isinstance(index.entries[axis], Span):
            target = [places.index(("stride", axis))]
        else:
            first = places.index("batch") if value.ndim else 0
            target = list(range(first + len(layout.batch_shape) - value.ndim,
                                first + len(layout.batch_shape)))
        parts.append(_placed(value, tuple(batch), target))
    if all(isinstance(p, np.ndarray) for p in parts):
        return _constant_indices(parts, len(batch))
    arrays = _one_dtype([_index_array(p) for p in parts], clamp)
    arrays = [lax.broadcast_in_dim(p, (*batch, 1), tuple(range(p.ndim))) for p in arrays]
    return arrays[0] if len(arrays) == 1 else lax.concatenate(arrays, len(batch))


def _constant_indices(parts: list[np.ndarray], rank: int) -> Any:
    """Known index vectors; single ones are written into the program, not captured."""
    dtype = position_dtype(max(int(p.max(initial=0)) for p in parts))
    if rank == 0 and current() is not EVAL:
        scalars = [lax.broadcast_in_dim(from_numpy(p.astype(dtype)), (1,), ()) for p in parts]
        return scalars[0] if len(scalars) == 1 else lax.concatenate(scalars, 0)
    return from_numpy(np.stack(np.broadcast_arrays(*parts), axis=-1).astype(dtype))


def _index_array(part: Any) -> Any:
    """Indices of one axis as an Array or tracer that holds positions."""
    if not isinstance(part, np.ndarray):
        return index_dtype(part) if part.dtype.kind != "u" else part
    return from_numpy(part.astype(position_dtype(int(part.max(initial=0)))))


def component(value: Any, dimension: int, wrap_negative: bool) -> Any:
    """One component of the index vectors: a NumPy array if known, else an Array or tracer."""
    if isinstance(value, StaticInt):
        start = wrapped(value.value, dimension) if wrap_negative else value.value
        if isinstance(start, Dimension):
            return scalar_array(start, _int32)
        return np.asarray(start if abs(start) <= np.iinfo(_int32).max
                          else min(max(start, -1), dimension))
    if isinstance(value, Span):
        if not is_constant_shape(value):
            steps = lax.mul(lax.iota(_int32, value.size), scalar_array(value.step, _int32))
            return lax.add(steps, scalar_array(value.start, _int32))
        return value.start + value.step * np.arange(value.size)
    if isinstance(value, np.ndarray) and isinstance(dimension, Dimension):
        value = from_numpy(value.astype(_int32))
    if isinstance(value, np.ndarray):
        return _known_positions(value, dimension, wrap_negative)
    return from_the_front(value, dimension) if wrap_negative else index_dtype(value)


def _placed(value: Any, shape: tuple[int, ...], target: list[int]) -> Any:
    """`value` broadcast to `shape`, its axes at `target`."""
    if isinstance(value, np.ndarray):
        aligned = [1] * len(shape)
        for size, axis in zip(value.shape, target, strict=True):
            aligned[axis] = size
        return np.broadcast_to(value.reshape(aligned), shape)
    if value.shape == shape:
        return value
    return lax.broadcast_in_dim(value, shape, tuple(target))
