"""What an index expression selects: the one analysis behind `x[idx]` and `x.at[idx]`.

`parse(shape, idx)` normalizes a NumPy index to an `Index`: one entry per axis of the array,
    StaticInt(value)          an integer known now, not yet checked against the bounds
    Span(start, size, step)   a slice; `step` may be negative
    ndarray                   integers known now (boolean masks are expanded to these)
    Array or tracer           integers that may be unknown
and the positions of new axes in the result. `Plan` says how a gather or scatter covers it.
"""
from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from arrax.core import dimension as dimensions
from arrax.core import config, dtypes
from arrax.core.array import ArrayImpl
from arrax.core.errors import NonConcreteBooleanIndexError
from arrax.core.evaluate import EVAL
from arrax.core.trace import Tracer, current
from arrax.numpy.promotion import promote_dtypes
from arrax.ops.join import stack


class StaticInt(NamedTuple):
    """An integer that is known now."""

    value: int


class Span(NamedTuple):
    """A slice of `size` elements from `start` in steps of `step`."""

    start: int
    size: int
    step: int

    def is_full(self, dimension: int) -> bool:
        return self == (0, dimension, 1)


@dataclass(slots=True)
class Index:
    """A parsed index; see the module's docstring."""

    shape: tuple[int, ...]  # of the indexed array, with axes of size 1 added for scalar masks
    entries: list[Any]
    new_axes: list[int]  # positions in the result
    added_axes: list[int]  # positions in `shape`, for scalar masks
    contiguous: bool  # whether arrays and integers stand side by side, so that their axes stay

    @property
    def has_arrays(self) -> bool:
        return any(not isinstance(e, (StaticInt, Span)) and e.ndim for e in self.entries)

    @property
    def is_static(self) -> bool:
        return all(isinstance(e, (StaticInt, Span)) for e in self.entries)

    @property
    def is_known(self) -> bool:
        """Whether all entries are known now, arrays too."""
        return all(isinstance(e, (StaticInt, Span, np.ndarray)) for e in self.entries)


def parse(shape: tuple[int, ...], idx: Any) -> Index:
    """Normalize `idx`, an index of an array of `shape`.

    Raises:
      IndexError: too many indices, two ellipses, masks of other shapes, unknown slice bounds, an
        integer into an empty axis.
      TypeError: strings, floats, lists outside of tuples.
      NonConcreteBooleanIndexError: a traced mask.
    """
    items: list[Any] = list(idx) if isinstance(idx, tuple) else [_checked_whole(idx)]
    items = [_item(item) for item in items]
    consumed = sum(_axes_consumed(item) for item in items)
    if consumed > len(shape):
        raise IndexError(f"Too many indices: array is {len(shape)}-dimensional, "
                         f"but {consumed} were indexed")
    ellipses = [i for i, item in enumerate(items) if item is Ellipsis]
    if len(ellipses) > 1:
        raise IndexError("an index can only have a single ellipsis ('...')")
    missing: list[Any] = [slice(None)] * (len(shape) - consumed)
    if ellipses:
        items[ellipses[0]:ellipses[0] + 1] = missing or [Ellipsis]
    else:
        items += missing
    return _assemble(shape, items)


def _checked_whole(idx: Any) -> Any:
    """An index that is not a tuple; lists and other sequences are refused."""
    if isinstance(idx, str):
        raise TypeError(f"JAX does not support string indexing; got idx={idx!r}")
    if isinstance(idx, (list, range)) or (hasattr(idx, "__iter__") and hasattr(idx, "index")
                                          and not hasattr(idx, "dtype")):
        raise TypeError(
            "Using a non-tuple sequence for multidimensional indexing is not allowed; use "
            "`arr[array(seq)]` instead of `arr[seq]`. See https://github.com/jax-ml/jax/issues/4564"
            " for more information.")
    return idx


def _item(item: Any) -> Any:
    """One member of an index as None, Ellipsis, a slice, a StaticInt or an array."""
    kind = type(item)
    if kind is int:
        return StaticInt(item)
    if item is None or item is Ellipsis or kind is slice:
        return item
    if kind is bool or isinstance(item, np.bool_):
        return np.asarray(bool(item))
    if isinstance(item, np.integer) or (isinstance(item, int) and not hasattr(item, "dtype")):
        return StaticInt(int(item))
    if isinstance(item, str):
        raise TypeError(f"JAX does not support string indexing; got idx={item!r}")
    if isinstance(item, (float, complex)):
        raise TypeError("Indexer must have integer or boolean type, got indexer with type "
                        f"{np.asarray(item).dtype}")
    if hasattr(item, "__jax_array__"):
        item = item.__jax_array__()
    return _array_item(item)


def _array_item(item: Any) -> Any:
    if isinstance(item, (list, tuple)):
        item = _sequence(item)
    if not isinstance(item, (ArrayImpl, Tracer, np.ndarray, np.generic)):
        if not hasattr(item, "__array__"):
            raise IndexError(
                "only integers, slices (`:`), ellipsis (`...`), newaxis (`None`) and integer or "
                f"boolean arrays are valid indices. Got {item!r}")
        item = np.asarray(item)
    dtype = item.dtype
    if dtype != np.bool_ and not dtypes.issubdtype(dtype, np.integer):
        raise TypeError("Indexer must have integer or boolean type, got indexer with type "
                        f"{dtypes.dtype_name(dtype)}")
    if isinstance(item, Tracer):
        known = item.concrete()
        if dtype != np.bool_:
            return item
        if known is None:
            raise NonConcreteBooleanIndexError(item)
        item = known
    if type(item) is ArrayImpl:
        # A 0-d integer under a trace stays an operand; other arrays are constants anyway.
        if item.ndim == 0 and dtype != np.bool_ and current() is not EVAL:
            return item
        item = item._value()
    return np.asarray(item)


def _sequence(item: Any) -> Any:
    """A list inside an index tuple, as an array; an empty one is of integers."""
    parts = [_sequence(v) if isinstance(v, (tuple, list)) else v for v in item]
    if any(isinstance(v, (Tracer, ArrayImpl)) for v in parts):
        from_arrays = [v if isinstance(v, Tracer) else np.asarray(v) for v in parts]
        if any(isinstance(v, Tracer) for v in from_arrays):
            return stack(promote_dtypes("getitem", *from_arrays), 0)
        item = from_arrays
    found = np.asarray(item)
    return found.astype(np.int32) if found.size == 0 and not isinstance(item, np.ndarray) else found


def _axes_consumed(item: Any) -> int:
    if item is None or item is Ellipsis:
        return 0
    if isinstance(item, np.ndarray) and item.dtype == np.bool_:
        return item.ndim
    return 1


def _assemble(shape: tuple[int, ...], items: list[Any]) -> Index:
    """Entries by axis, from items whose ellipsis, if any, stands for no axis; even so it separates
    arrays, as in NumPy. New axes are placed in the result."""
    full_shape: list[int] = []
    entries: list[Any] = []
    marks: list[Any] = []  # None for a new axis, else the position of an entry
    added: list[int] = []
    axis = 0
    gap = -1
    found: list[Any]
    for item in items:
        if item is Ellipsis:
            gap = len(marks)
            continue
        if item is None:
            marks.append(None)
            continue
        if isinstance(item, np.ndarray) and item.dtype == np.bool_:
            found = _mask_entries(item, shape, axis)
            if item.ndim == 0:
                added.append(len(entries))
                full_shape.append(1)
            else:
                full_shape += shape[axis:axis + item.ndim]
                axis += item.ndim
        else:
            found = [_span(item, shape[axis], len(marks)) if type(item) is slice else item]
            full_shape.append(shape[axis])
            axis += 1
        for entry in found:
            if full_shape[len(entries)] == 0 and _is_integer(entry):
                raise IndexError(f"index is out of bounds for axis {len(entries)} with size 0")
            if isinstance(entry, StaticInt) and config.check_static_indices.value:
                _check_bounds(entry, full_shape[len(entries)], len(entries))
            marks.append(len(entries))
            entries.append(entry)
    places = [i for i, m in enumerate(marks) if m is not None and not isinstance(entries[m], Span)]
    contiguous = bool(places) and places[-1] - places[0] + 1 == len(places) \
        and not places[0] < gap <= places[-1]
    return Index(tuple(full_shape), entries, _new_axes(marks, entries, contiguous), added,
                 contiguous)


def _check_bounds(entry: StaticInt, size: Any, axis: int) -> None:
    if dimensions.is_symbolic(size) or -size <= entry.value < size:
        return
    raise IndexError(f"index {entry.value} is out of bounds for axis {axis} with size {size} "
                     "(the flag check_static_indices is set)")


def _is_integer(entry: Any) -> bool:
    """Whether an entry is one integer, known now or not."""
    return isinstance(entry, StaticInt) or (not isinstance(entry, Span) and entry.ndim == 0)


def _mask_entries(mask: np.ndarray, shape: tuple[int, ...], axis: int) -> list[np.ndarray]:
    """The integer arrays that a mask stands for."""
    if mask.ndim == 0:
        return [np.zeros(int(mask), np.int32)]
    expected = shape[axis:axis + mask.ndim]
    if mask.shape != tuple(expected):
        raise IndexError(f"boolean index did not match shape of indexed array in index {axis}: "
                         f"got {mask.shape}, expected {list(expected)}")
    return [part.astype(np.int32) for part in np.nonzero(mask)]


def _span(item: slice, dimension: int, position: int) -> Span:
    bounds = (item.start, item.stop, item.step)
    if any(isinstance(b, Tracer) and b.concrete() is None for b in bounds):
        shown = ", ".join(f"{type(b).__name__}({_tracer_text(b)})" if isinstance(b, Tracer)
                          else repr(b) for b in bounds)
        raise IndexError(f"Slice entries must be static integers. Got slice({shown}) "
                         f"at position {position}")
    known = slice(*(None if b is None else dimensions.dimension(b) if hasattr(b, "__index__")
                    else _refuse_bound(b) for b in bounds))
    start, step, size = dimensions.slice_of(known, dimension)
    # -1 is where nothing starts from
    return Span(start, size, step) if not isinstance(size, int) or size else Span(0, 0, 1)


def _tracer_text(tracer: Tracer) -> str:
    return f"{'~' if tracer.aval.weak_type else ''}{tracer.aval.str_short()}"


def _refuse_bound(bound: Any) -> int:
    raise TypeError(f"'{type(bound).__name__}' object cannot be interpreted as an integer")


def _new_axes(marks: list[Any], entries: list[Any], contiguous: bool) -> list[int]:
    """The positions in the result of the new axes."""
    if None not in marks:
        return []
    arrays = [e for e in entries if not isinstance(e, (StaticInt, Span))]
    is_span = [isinstance(e, Span) for e in entries]
    order: list[Any] = []
    joined = None  # the mark before which the axes of the broadcast arrays go
    rank = len(_broadcast([e.shape for e in arrays]))
    if any(e.ndim for e in arrays):
        joined = next(i for i, m in enumerate(marks) if m is not None and not is_span[m])
        if not contiguous:
            order, joined = ["batch"] * rank, None
    for i, mark in enumerate(marks):
        if i == joined:
            order += ["batch"] * rank
        if mark is None:
            order.append(None)
        elif is_span[mark]:
            order.append(mark)
    return [i for i, what in enumerate(order) if what is None]


@dataclass(slots=True)
class Plan:
    """How a gather reads, or a scatter writes, the selected elements.

    The result (without new axes) has, in order, the axes `order`: "batch" for an axis of the
    broadcast index arrays, ("stride", axis) for a strided slice, ("offset", axis) for a
    contiguous one.
    """

    order: list[Any]
    sizes: list[int]  # of the axes in `order`
    components: list[tuple[int, Any]]  # (axis, index values) of the start indices
    batch_shape: tuple[int, ...]
    slice_sizes: list[int]
    collapsed: list[int]
    sorted_and_unique: bool


def plan(index: Index) -> Plan:
    """Lay out a gather or scatter for `index`. Raises ValueError when arrays do not broadcast."""
    entries = index.entries
    has_arrays = index.has_arrays
    pointwise = [i for i, e in enumerate(entries) if not isinstance(e, Span)]
    batch_shape = _broadcast([e.shape for e in entries if hasattr(e, "shape")])
    contiguous = index.contiguous
    order: list[Any] = []
    sizes: list[int] = []
    components: list[tuple[int, Any]] = []
    slice_sizes: list[int] = []
    collapsed: list[int] = []
    if has_arrays and not contiguous:
        order += ["batch"] * len(batch_shape)
        sizes += batch_shape
    for axis, (entry, dimension) in enumerate(zip(entries, index.shape, strict=True)):
        if isinstance(entry, Span):
            _plan_span(axis, entry, dimension, order, sizes, components, slice_sizes, collapsed)
            continue
        if has_arrays and contiguous and axis == pointwise[0]:
            order += ["batch"] * len(batch_shape)
            sizes += batch_shape
        components.append((axis, entry))
        slice_sizes.append(1)
        collapsed.append(axis)
    ascending = all(e.step > 0 for e in entries if isinstance(e, Span))
    return Plan(order, sizes, components, batch_shape, slice_sizes, collapsed,
                sorted_and_unique=not has_arrays and ascending)


def _plan_span(axis: int, span: Span, dimension: int, order: list[Any], sizes: list[int],
               components: list[tuple[int, Any]], slice_sizes: list[int],
               collapsed: list[int]) -> None:
    sizes.append(span.size)
    if span.step == 1 or dimensions.surely_at_most(span.size, 1):
        order.append(("offset", axis))
        slice_sizes.append(span.size)
        if not (span.start == 0 and span.size == dimension):
            components.append((axis, StaticInt(span.start if span.size != 0 else 0)))
    else:
        order.append(("stride", axis))
        components.append((axis, span))
        slice_sizes.append(1)
        collapsed.append(axis)


def _broadcast(shapes: list[tuple[int, ...]]) -> tuple[int, ...]:
    try:
        return tuple(dimensions.broadcast_shapes(*shapes))
    except ValueError:
        raise ValueError(f"Incompatible shapes for broadcasting: shapes={shapes}") from None
