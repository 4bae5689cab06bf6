"""Copies of arrays with elements removed, inserted, replaced, or padded around."""
from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from arrax import lax
from arrax.core import errors, pytree
from arrax.core.dimension import (Dimension, broadcast_shapes, dimension, is_constant_shape,
                                  max_dim, min_dim)
from arrax.core.array import Array
from arrax.core.trace import Tracer
from arrax.numpy import (creation, elementwise, indexing, joining, reductions, rounding, shaping,
                         sorting)
from arrax.ops.arguments import axis_tuple, integer
from arrax.numpy.promotion import (as_array, canonical_axis, check_arraylike, convert,
                                   inexact_dtypes, integer_dtypes)
from arrax.numpy.over_axes import apply_along_axis
from arrax.typing import ArrayLike


# ---- delete, insert ------------------------------------------------------------------------------

def delete(arr: ArrayLike, obj: Any, axis: int | None = None, *,
           assume_unique_indices: bool = False) -> Array:
    """`arr` without the slices `obj` (an int, ints, a slice or a mask) along `axis`.

    Inside `jit`, `obj` may be a traced int, or traced ints with `assume_unique_indices`.
    """
    x = as_array("delete", arr)
    if axis is None:
        x, axis = shaping.ravel(x), 0
    axis = canonical_axis(axis, x.ndim)
    length = x.shape[axis]
    if isinstance(obj, Tracer) and obj.concrete() is None:
        return _delete_traced(x, obj, axis, assume_unique_indices)
    if isinstance(obj, slice):
        gone = np.arange(length)[obj]
    else:
        check_arraylike("delete", obj)
        gone = np.asarray(obj)
        if gone.dtype == np.bool_:
            if gone.shape != (length,):
                raise ValueError(f"np.delete(arr, obj): for boolean indices, obj must be "
                                 f"one-dimensional with length {length}; got {gone.shape}")
            gone = np.nonzero(gone)[0]
        elif gone.ndim == 0:
            gone = np.asarray([canonical_axis(int(gone), length)])
    keep = np.ones(length, bool)
    keep[gone] = False
    return x[(slice(None),) * axis + (np.nonzero(keep)[0].astype(np.int32),)]


def _delete_traced(x: Any, obj: Any, axis: int, assume_unique: bool) -> Any:
    if obj.dtype not in integer_dtypes:
        raise errors.ConcretizationTypeError(
            obj, "jnp.delete inside jit needs known masks, or integers.")
    if obj.size != 1 and not assume_unique:
        raise errors.ConcretizationTypeError(
            obj, "jnp.delete inside jit needs known indices, or assume_unique_indices=True.")
    length = x.shape[axis]
    gone = indexing.from_the_front(shaping.ravel(obj), length)
    gone = sorting.sort(elementwise._minimum(elementwise._maximum(gone, 0), length - 1))
    kept = lax.iota(gone.dtype, length - obj.size)
    # Position k of the result comes from k plus the number of removed ones up to there.
    shifted = elementwise._subtract(gone, lax.iota(gone.dtype, obj.size))
    before = reductions.sum(elementwise.greater_equal(kept[:, None], shifted[None, :]), axis=1,
                            dtype=gone.dtype)
    return x[(slice(None),) * axis + (elementwise._add(kept, before),)]


def insert(arr: ArrayLike, obj: Any, values: ArrayLike, axis: int | None = None) -> Array:
    """`arr` with `values` put in before the positions `obj` along `axis`."""
    x, new = as_array("insert", arr), as_array("insert", values, 2)
    if axis is None:
        x, axis = shaping.ravel(x), 0
    axis = canonical_axis(axis, x.ndim)
    length = x.shape[axis]
    places: Any
    if isinstance(obj, slice):
        places = np.arange(length)[obj]
    else:
        check_arraylike("insert", obj)
        places = obj if isinstance(obj, Tracer) else np.asarray(obj)
    if places.dtype == np.bool_:
        raise NotImplementedError("jnp.insert(): boolean indices are not supported")
    if places.ndim > 1:
        raise ValueError("jnp.insert(): obj must be a slice, a one-dimensional array, or a scalar; "
                         f"got {places}")
    scalar = places.ndim == 0
    new = convert(new, x.dtype)
    if new.ndim < x.ndim:
        new = shaping.reshape(new, (1,) * (x.ndim - new.ndim) + new.shape)
    if scalar:
        new = shaping.moveaxis(new, 0, axis)
    places = shaping.reshape(places, (1,)) if scalar else places
    count = new.shape[axis] if places.shape[0] == 1 else places.shape[0]
    target = list(x.shape)
    target[axis] = count
    new = shaping.broadcast_to(new, tuple(target))
    return _interleave(x, new, places, axis, length, count)


def _interleave(x: Any, new: Any, places: Any, axis: int, length: int, count: int) -> Any:
    """Old and new slices gathered from their concatenation, in the order of their positions."""
    if isinstance(places, Tracer):
        places = elementwise.where(elementwise.less(places, 0),
                                   elementwise._add(places, length), places)
    else:
        if np.any((places < -length) | (places > length)):
            raise IndexError(f"index {places} is out of bounds for axis {axis} with size {length}")
        places = np.where(places < 0, places + length, places)
    places = shaping.broadcast_to(convert(as_array("insert", places), np.dtype(np.int32)), (count,))
    # New slices come before the old slice at their position: keys 2p for new, 2i + 1 for old.
    keys = lax.concatenate([elementwise._multiply(places, 2),
                            creation.arange(1, 2 * length + 1, 2, dtype=np.int32)], 0)
    order = sorting.argsort(keys)
    joined = lax.concatenate([new, x], axis)
    return joined[(slice(None),) * axis + (order,)]


def trim_zeros(filt: ArrayLike, trim: str = "fb", axis: Any = None) -> Array:
    """`filt` without the zeros at the front ("f") and back ("b"). Not inside `jit`."""
    x = as_array("trim_zeros", filt)
    known = np.asarray(x)
    if not isinstance(trim, str) or any(c not in "fb" for c in trim.lower()):
        raise ValueError(f"unexpected character(s) in `trim`: {trim!r}")
    axes = range(x.ndim) if axis is None else \
        [canonical_axis(i, x.ndim) for i in axis_tuple(axis)]
    items = [slice(None)] * x.ndim
    found = np.nonzero(known)
    for i in axes:
        if found[0].size == 0:
            items[i] = slice(0, 0)
            continue
        first = int(found[i].min()) if "f" in trim.lower() else 0
        last = int(found[i].max()) + 1 if "b" in trim.lower() else x.shape[i]
        items[i] = slice(first, last)
    return x[tuple(items)]


# ---- replacing -----------------------------------------------------------------------------------

def _refuse_in_place(name: str, inplace: bool) -> None:
    if inplace:
        raise ValueError(f"jax.numpy.{name} cannot modify arrays in-place, because JAX arrays are "
                         "immutable. Pass inplace=False to instead return an updated array.")


def place(arr: ArrayLike, mask: ArrayLike, vals: ArrayLike, *, inplace: bool = True) -> Array:
    """A copy of `arr` with the elements where `mask` is true replaced by `vals`, repeated."""
    _refuse_in_place("place", inplace)
    x, chosen = as_array("place", arr), shaping.ravel(as_array("place", mask, 1))
    values = shaping.ravel(as_array("place", vals, 2))
    if x.size != chosen.size:
        raise ValueError("place: arr and mask must be the same size")
    if values.size == 0:
        raise ValueError("Cannot place values from an empty array")
    if x.size == 0:
        return x
    rank = elementwise._subtract(reductions.cumsum(convert(
        elementwise.to_bool(chosen), np.dtype(np.int32))), 1)
    picked = values[elementwise.remainder(elementwise._maximum(rank, 0), values.size)]
    out = elementwise.where(chosen, convert(picked, x.dtype), shaping.ravel(x))
    return shaping.reshape(out, x.shape)


def put(a: ArrayLike, ind: ArrayLike, v: ArrayLike, mode: str | None = None, *,
        inplace: bool = True) -> Array:
    """A copy of `a` with the elements at flat positions `ind` replaced by `v`, repeated.

    Args:
      mode: for positions out of bounds: "clip" (the default) or "wrap".
    """
    _refuse_in_place("put", inplace)
    x, places = as_array("put", a), shaping.ravel(as_array("put", ind, 1))
    values = shaping.ravel(as_array("put", v, 2))
    if x.size == 0 or places.size == 0 or values.size == 0:
        return x
    if mode == "raise":
        raise NotImplementedError("The 'raise' mode to jnp.put is not supported.")
    if mode not in (None, "clip", "wrap"):
        raise ValueError(f"mode should be one of 'wrap' or 'clip'; got {mode=}")
    if mode == "wrap":
        places = elementwise.remainder(places, x.size)
    else:
        places = indexing.from_the_front(places, x.size)
    if values.size < places.size:
        values = joining.tile(values, -(-places.size // values.size))
    values = values[:places.size]
    flat = shaping.ravel(x)
    if mode == "clip":
        places = elementwise._minimum(elementwise._maximum(places, 0), x.size - 1)
    return shaping.reshape(flat.at[places].set(convert(values, x.dtype), mode="drop"), x.shape)


def put_along_axis(arr: ArrayLike, indices: ArrayLike, values: ArrayLike, axis: int | None,
                   inplace: bool = True, *, mode: str | None = None) -> Array:
    """A copy of `arr` with `values` at the positions `indices` of each line along `axis`."""
    _refuse_in_place("put_along_axis", inplace)
    x, index = as_array("put_along_axis", arr), as_array("put_along_axis", indices, 1)
    values = as_array("put_along_axis", values, 2)
    if axis is None:
        flat = shaping.ravel(x)
        return shaping.reshape(put_along_axis(flat, shaping.ravel(index), values, 0, False,
                                              mode=mode), x.shape)
    if index.ndim != x.ndim:
        raise ValueError("put_along_axis arguments 'arr' and 'indices' must have same ndim. Got "
                         f"{x.ndim} and {index.ndim}.")
    axis = canonical_axis(axis, x.ndim)
    shape = list(broadcast_shapes(*(tuple(1 if i == axis else d for i, d in enumerate(v.shape))
                                       for v in (x, index))))
    shape[axis] = index.shape[axis]
    index = shaping.broadcast_to(index, tuple(shape))
    grid = list(np.ix_(*(np.arange(d) for d in shape)))
    items = tuple(index if i == axis else grid[i] for i in range(x.ndim))
    return x.at[items].set(convert(shaping.broadcast_to(values, tuple(shape)), x.dtype), mode=mode)


def fill_diagonal(a: ArrayLike, val: ArrayLike, wrap: bool = False, *,
                  inplace: bool = True) -> Array:
    """A copy of `a` with `val` (repeated) on its main diagonal."""
    if inplace:
        raise NotImplementedError("JAX arrays are immutable, must use inplace=False")
    if wrap:
        raise NotImplementedError("wrap=True is not implemented, must use wrap=False")
    x, value = as_array("fill_diagonal", a), as_array("fill_diagonal", val, 1)
    if x.ndim < 2:
        raise ValueError("array must be at least 2-d")
    if x.ndim > 2 and len(set(x.shape)) != 1:
        raise ValueError("All dimensions of input must be of equal length")
    size = min(x.shape)
    along = np.arange(size)
    if value.ndim:
        value = shaping.ravel(value)
        value = joining.tile(value, -(-size // max(value.size, 1)))[:size]
    return x.at[(along,) * x.ndim].set(convert(value, x.dtype))


# ---- pad -----------------------------------------------------------------------------------------

_KEYWORDS: dict[str, set[str]] = {
    "constant": {"constant_values"}, "edge": set(), "empty": set(), "wrap": set(),
    "linear_ramp": {"end_values"}, "maximum": {"stat_length"}, "mean": {"stat_length"},
    "median": {"stat_length"}, "minimum": {"stat_length"}, "reflect": {"reflect_type"},
    "symmetric": {"reflect_type"}}


def pad(array: ArrayLike, pad_width: Any, mode: str | Callable[..., Any] = "constant",
        **kwargs: Any) -> Array:
    """`array` with elements put on before and after, along each axis.

    Args:
      pad_width: how many: a number, (before, after), one such pair for each axis, or a dict from
        axes to them.
      mode: what they are: "constant" (`constant_values`), "edge", "wrap", "reflect" and
        "symmetric" (`reflect_type`), "linear_ramp" (`end_values`), "maximum", "mean", "median" and
        "minimum" (`stat_length`), "empty" (zeros), or a function as in NumPy that returns its
        vector.

    Raises:
      ValueError: negative widths, or keywords that the mode does not take.
    """
    x = as_array("pad", array)
    widths = _pairs(pad_width, x.ndim, "pad_width")
    if any(w < 0 for pair in widths for w in pair):
        raise ValueError("index can't contain negative values")
    if callable(mode):
        return _pad_by_function(x, widths, mode, kwargs)
    if mode not in _KEYWORDS:
        raise NotImplementedError(f"Unimplemented padding mode '{mode}' for np.pad.")
    unknown = set(kwargs) - _KEYWORDS[mode]
    if unknown:
        raise ValueError(f"unsupported keyword arguments for mode '{mode}': {unknown}")
    if mode == "constant":
        return _pad_constant(x, widths, kwargs.get("constant_values", 0))
    if mode == "empty":
        return _pad_constant(x, widths, 0)
    for axis, (before, after) in enumerate(widths):
        if (before, after) != (0, 0):
            x = _pad_axis(x, axis, before, after, mode, kwargs)
    return x


def _pairs(value: Any, rank: int, name: str) -> list[tuple[Any, Any]]:
    """`pad_width` as a (before, after) pair for each axis."""
    if isinstance(value, dict):
        full: list[Any] = [(0, 0)] * rank
        for axis, pair in value.items():
            full[canonical_axis(axis, rank)] = pair if isinstance(pair, (tuple, list)) \
                else (pair, pair)
        value = full
    if isinstance(value, Dimension):
        return [(value, value)] * rank
    if isinstance(value, (tuple, list)) and not is_constant_shape(pytree.tree_leaves(value)):
        full = [pair if isinstance(pair, (tuple, list)) else (pair, pair) for pair in value] \
            if any(isinstance(pair, (tuple, list)) for pair in value) else [tuple(value)]
        full = full * rank if len(full) == 1 else full
        return [(dimension(a), dimension(b)) for a, b in full]
    try:
        known = np.asarray(value)
    except ValueError:
        raise TypeError(f"`{name}` entries must be the same shape: {value}") from None
    if known.dtype.kind not in "iu":
        if known.size == 0:
            return [(0, 0)] * rank
        raise TypeError(f"`{name}` must be of integral type.")
    pairs = np.broadcast_to(known, (rank, 2))
    return [(integer(a, "a pad width"), integer(b, "a pad width")) for a, b in pairs.tolist()]


def _values_by_axis(value: Any, rank: int) -> list[tuple[Any, Any]]:
    """A value, a pair, or a pair for each axis, as pairs by axis; values may be traced."""
    x = creation.asarray(value)
    wide = shaping.broadcast_to(x, (rank, 2))
    if x.ndim == 0:
        return [(x, x)] * rank
    return [(wide[i, 0], wide[i, 1]) for i in range(rank)]


def _pad_constant(x: Any, widths: list[tuple[int, int]], value: Any) -> Any:
    if np.ndim(value) == 0:
        fill = convert(as_array("pad", value), x.dtype)
        return lax.pad(x, fill, [(a, b, 0) for a, b in widths])
    for axis, ((before, after), (low, high)) in enumerate(zip(
            widths, _values_by_axis(value, x.ndim), strict=True)):
        for count, fill, front in ((before, low, True), (after, high, False)):
            config = [(0, 0, 0)] * x.ndim
            config[axis] = (count, 0, 0) if front else (0, count, 0)
            x = lax.pad(x, convert(fill, x.dtype), config)
    return x


def _pad_axis(x: Any, axis: int, before: int, after: int, mode: str,
              kwargs: dict[str, Any]) -> Any:
    length = x.shape[axis]
    if mode in ("edge", "wrap", "reflect", "symmetric"):
        if length == 0:
            raise ValueError(f"can't extend empty axis {axis} using mode '{mode}'")
        known = is_constant_shape((before, length, after))
        places = np.arange(-before, length + after) if known else \
            creation.arange(-before, length + after)
        return _pad_by_places(x, axis, places, mode, kwargs.get("reflect_type", "even"))
    if mode == "linear_ramp":
        ends = _values_by_axis(kwargs.get("end_values", 0), x.ndim)[axis]
        return _pad_ramp(x, axis, before, after, ends)
    return _pad_statistic(x, axis, before, after, mode, kwargs.get("stat_length"))


def _pad_by_places(x: Any, axis: int, places: Any, mode: str, reflect_type: str) -> Any:
    """Every element of the result comes from a place of the array. Places are known; where sizes
    are symbolic, they are traced."""
    length = x.shape[axis]
    where: Any = np.where if isinstance(places, np.ndarray) else elementwise.where
    if reflect_type not in ("even", "odd"):
        raise ValueError(f"reflect_type must be 'even' or 'odd', got {reflect_type!r}")
    if mode == "edge":
        source = where(places < 0, 0, where(places < length, places, length - 1))
    elif mode == "wrap":
        source = places % length
    elif mode == "reflect":
        period = max_dim(2 * (length - 1), 1)
        source = places % period
        source = where(source >= length, period - source, source)
    else:
        source = places % (2 * length)
        source = where(source >= length, 2 * length - 1 - source, source)
    out = x[(slice(None),) * axis + (source.astype(np.int32),)]
    if mode in ("reflect", "symmetric") and reflect_type == "odd":
        return _odd_reflection(x, out, axis, places, mode, where)
    return out


def _odd_reflection(x: Any, even: Any, axis: int, places: Any, mode: str, where: Any) -> Any:
    """Reflected parts rise where the array falls: twice the edge less the reflected element."""
    length = x.shape[axis]
    span = length - 1 if mode == "reflect" else length
    span = max_dim(span, 1)
    period = places // span if mode == "reflect" else places // length
    if mode == "reflect":
        period = where((places >= 0) & (places < length), 0, period)
    first = lax.slice_in_dim(x, 0, 1, axis=axis)
    last = lax.slice_in_dim(x, length - 1, length, axis=axis)
    rise = elementwise._subtract(last, first)
    shape = [1] * x.ndim
    shape[axis] = places.size
    turned = shaping.reshape(creation.asarray(period % 2 != 0), tuple(shape))
    steps = shaping.reshape(creation.asarray(period.astype(np.int32)), tuple(shape))
    flat = elementwise._add(even, elementwise._multiply(rise, convert(steps, x.dtype)))
    mirrored = elementwise._subtract(
        elementwise._add(elementwise._add(first, last),
                         elementwise._multiply(rise, convert(steps, x.dtype))), even)
    return elementwise.where(turned, mirrored, flat)


def _pad_ramp(x: Any, axis: int, before: int, after: int, ends: tuple[Any, Any]) -> Any:
    length = x.shape[axis]
    parts = [x]
    if before:
        edge = shaping.squeeze(lax.slice_in_dim(x, 0, 1, axis=axis), axis)
        ramp = creation.linspace(shaping.broadcast_to(convert(ends[0], x.dtype), edge.shape), edge,
                                 before, endpoint=False, dtype=x.dtype, axis=axis)
        parts.insert(0, ramp)
    if after:
        edge = shaping.squeeze(lax.slice_in_dim(x, length - 1, length, axis=axis), axis)
        ramp = creation.linspace(shaping.broadcast_to(convert(ends[1], x.dtype), edge.shape), edge,
                                 after, endpoint=False, dtype=x.dtype, axis=axis)
        parts.append(lax.rev(ramp, (axis,)))
    return lax.concatenate(parts, axis)


def _pad_statistic(x: Any, axis: int, before: int, after: int, mode: str,
                   stat_length: Any) -> Any:
    length = x.shape[axis]
    if stat_length is None:
        counts: tuple[int, int] = (length, length)
    else:
        counts = _pairs(stat_length, x.ndim, "stat_length")[axis]
        if min(counts) < 1:
            raise ValueError(f"stat_length of 0 yields no value for padding mode='{mode}'")
        counts = (min_dim(counts[0], length), min_dim(counts[1], length))
    from_front = lax.slice_in_dim(x, 0, counts[0], axis=axis)
    from_back = lax.slice_in_dim(x, length - counts[1], length, axis=axis)
    out = [x]
    for part, count, front in ((from_front, before, True), (from_back, after, False)):
        value = _STATISTICS[mode](part, axis)
        if mode in ("mean", "median") and x.dtype not in inexact_dtypes:
            value = rounding.round(value)
        value = convert(value, x.dtype)
        shape = list(x.shape)
        shape[axis] = count
        out.insert(0 if front else 2, shaping.broadcast_to(value, tuple(shape)))
    return lax.concatenate(out, axis)


def _median(x: Any, axis: int) -> Any:
    ordered = sorting.sort(x, axis)
    n = x.shape[axis]
    low = lax.slice_in_dim(ordered, (n - 1) // 2, (n - 1) // 2 + 1, axis=axis)
    high = lax.slice_in_dim(ordered, n // 2, n // 2 + 1, axis=axis)
    return elementwise.divide(elementwise._add(low, high), 2)


_STATISTICS: dict[str, Callable[[Any, int], Any]] = {
    "maximum": lambda x, axis: reductions.max(x, axis, keepdims=True),
    "minimum": lambda x, axis: reductions.min(x, axis, keepdims=True),
    "mean": lambda x, axis: reductions.mean(x, axis, keepdims=True), "median": _median}


def _pad_by_function(x: Any, widths: list[tuple[int, int]], function: Callable[..., Any],
                     kwargs: dict[str, Any]) -> Any:
    out = _pad_constant(x, widths, 0)
    for axis in range(x.ndim):
        out = apply_along_axis(function, axis, out, widths[axis], axis, kwargs)
    return out

