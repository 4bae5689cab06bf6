"""Sets: unique elements, membership, union, intersection, differences.

How many unique elements there are depends on values, so inside `jit` these functions need `size`:
the result is cut or filled up to that length.
"""
from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from arrax import lax
from arrax.core import dtypes, errors
from arrax.core.array import Array, ArrayImpl
from arrax.core.remembered import remembered
from arrax.numpy import creation, elementwise, reductions, selection, shaping, sorting
from arrax.numpy.promotion import (as_array, canonical_axis, check_arraylike, complex_dtypes,
                                   inexact_dtypes, number_array, promote_dtypes)
from arrax.numpy.ufuncs import convert_number
from arrax.ops.arguments import integer
from arrax.typing import ArrayLike


class _UniqueAllResult(NamedTuple):
    values: Any
    indices: Any
    inverse_indices: Any
    counts: Any


class _UniqueCountsResult(NamedTuple):
    values: Any
    counts: Any


class _UniqueInverseResult(NamedTuple):
    values: Any
    inverse_indices: Any


def unique(ar: ArrayLike, return_index: bool = False, return_inverse: bool = False,
           return_counts: bool = False, axis: int | None = None, *, equal_nan: bool = True,
           size: int | None = None, fill_value: ArrayLike | None = None,
           sorted: bool = True) -> Any:
    """The different elements (or slices along `axis`), in ascending order.

    Args:
      return_index: also where each occurs first.
      return_inverse: also the position of each element of `ar` among the unique ones.
      return_counts: also how often each occurs.
      equal_nan: whether NaNs count as one element.
      size: the length of the results, needed inside `jit`; missing elements are `fill_value`
        (the least element if None).
    """
    x = as_array("unique", ar)
    if size is None and type(x) is not ArrayImpl and x.concrete() is None:
        raise errors.ConcretizationTypeError(
            x, "The error occurred in the jnp.unique() function: its size argument must be "
            "statically specified to use it within JAX transformations.")
    shape = x.shape
    if axis is None:
        rows = shaping.reshape(x, (x.size, 1))
    else:
        axis = canonical_axis(axis, x.ndim)
        moved = shaping.moveaxis(x, axis, 0)
        rows = shaping.reshape(moved, (moved.shape[0], -1) if moved.size else
                               (moved.shape[0], max(int(np.prod(moved.shape[1:])), 0)))
    order, is_new = _order_rows(rows, equal_nan)
    places, first, inverse, counts = _positions(order, is_new, size)
    values = rows[first] if rows.shape[0] else rows
    if size is not None and rows.shape[0]:
        values = _fill(values, rows, order, places, is_new, fill_value)
    if axis is None:
        values = shaping.reshape(values, (values.shape[0],))
    else:
        values = shaping.moveaxis(
            shaping.reshape(values, (values.shape[0], *moved.shape[1:])), 0, axis)
    out = [values]
    if return_index:
        out.append(first)
    if return_inverse:
        out.append(shaping.reshape(inverse, shape) if axis is None else inverse)
    if return_counts:
        out.append(counts)
    return out[0] if len(out) == 1 else tuple(out)


def _order_rows(rows: Any, equal_nan: bool) -> tuple[Any, Any]:
    """The order that sorts the rows, and which rows in it differ from the one before."""
    count, width = rows.shape
    positions = lax.iota(dtypes.default_int_dtype(), count)
    if count == 0:
        return positions, creation.zeros((0,), bool)
    keys = [rows[:, i] for i in range(width)]
    if not keys:
        return positions, creation.asarray(np.arange(count) == 0)
    order = lax.sort((*keys, positions), dimension=0, num_keys=len(keys))[-1]
    ordered = rows[order]
    differs = elementwise.not_equal(ordered[1:], ordered[:-1])
    if equal_nan and rows.dtype in inexact_dtypes:
        both = elementwise._logical_and(elementwise.isnan(ordered[1:]),
                                        elementwise.isnan(ordered[:-1]))
        differs = elementwise._logical_and(differs, elementwise.logical_not(both))
    differs = reductions.any(differs, axis=1)
    return order, lax.concatenate([creation.ones((1,), bool), differs], 0)


def _positions(order: Any, is_new: Any, size: int | None) -> tuple[Any, Any, Any, Any]:
    """Where groups begin in the order; first positions, inverse and counts of the groups."""
    count = order.shape[0]
    dtype = dtypes.default_int_dtype()
    if size is None:
        (places,) = selection.nonzero(is_new)
        ends = lax.concatenate([places[1:], lax.full((1,), np.int32(count)).astype(dtype)], 0) \
            if places.shape[0] else places
    else:  # one group more, since the last one ends where the next begins
        (edges,) = selection.nonzero(is_new, size=integer(size, "size") + 1, fill_value=count)
        places, ends = edges[:-1], edges[1:]
    group = elementwise._subtract(reductions.cumsum(is_new, dtype=dtype), 1)
    inverse = lax.full((count,), np.int32(0)).astype(dtype).at[order].set(group)
    first = order.at[places].get(mode="clip") if count else order
    if size is not None and count:
        first = elementwise.where(elementwise.less(places, count), first, order[:1])
    counts = elementwise._subtract(ends, places)
    return places, first, inverse, counts


def _fill(values: Any, rows: Any, order: Any, places: Any, is_new: Any, fill_value: Any) -> Any:
    """Rows past the last unique one replaced by `fill_value`, or by the first."""
    present = elementwise.less(places, rows.shape[0])[:, None]
    fill = rows[order[:1]] if fill_value is None else convert_number(fill_value, rows.dtype)
    return elementwise.where(present, values, fill)


def unique_all(x: ArrayLike, /, *, size: int | None = None,
               fill_value: ArrayLike | None = None) -> _UniqueAllResult:
    """Unique values, first indices, inverse and counts; NaNs count as different."""
    return _UniqueAllResult(*unique(x, True, True, True, equal_nan=False, size=size,
                                    fill_value=fill_value))


def unique_counts(x: ArrayLike, /, *, size: int | None = None,
                  fill_value: ArrayLike | None = None) -> _UniqueCountsResult:
    """Unique values and counts; NaNs count as different."""
    return _UniqueCountsResult(*unique(x, return_counts=True, equal_nan=False, size=size,
                                       fill_value=fill_value))


def unique_inverse(x: ArrayLike, /, *, size: int | None = None,
                   fill_value: ArrayLike | None = None) -> _UniqueInverseResult:
    """Unique values and inverse; NaNs count as different."""
    return _UniqueInverseResult(*unique(x, return_inverse=True, equal_nan=False, size=size,
                                        fill_value=fill_value))


def unique_values(x: ArrayLike, /, *, size: int | None = None,
                  fill_value: ArrayLike | None = None) -> Array:
    """Unique values; NaNs count as different."""
    return unique(x, equal_nan=False, size=size, fill_value=fill_value)


def _two_flat(name: str, ar1: Any, ar2: Any) -> list[Any]:
    check_arraylike(name, ar1, ar2)
    return promote_dtypes(name, shaping.ravel(ar1), shaping.ravel(ar2))


@remembered
def isin(element: ArrayLike, test_elements: ArrayLike, assume_unique: bool = False,
         invert: bool = False, *, method: str = "auto") -> Array:
    """Whether each element is among `test_elements`."""
    if method not in ("auto", "compare_all", "binary_search", "sort"):
        raise ValueError(f"{method=!r} is not implemented; options are 'compare_all', "
                         "'binary_search', 'sort', and 'auto'")
    x, candidates = promote_dtypes("isin", as_array("isin", element),
                                   shaping.ravel(as_array("isin", test_elements, 1)))
    if x.size == 0 or candidates.size == 0:
        return lax.full(x.shape, np.bool_(invert))
    small = min(x.size, candidates.size) <= 32 or x.dtype in complex_dtypes
    if method == "compare_all" or (method == "auto" and small):
        shape = (*x.shape, candidates.shape[0])
        wide = shaping.broadcast_to(shaping.expand_dims(x, x.ndim), shape)
        found = reductions.any(elementwise.equal(wide, shaping.broadcast_to(candidates, shape)),
                               axis=-1)
    else:
        ordered = sorting.sort(candidates)
        place = sorting.searchsorted(ordered, x)
        nearest = ordered.at[place].get(mode="clip")
        found = elementwise.equal(nearest, x)
    return elementwise.logical_not(found) if invert else found


def union1d(ar1: ArrayLike, ar2: ArrayLike, *, size: int | None = None,
            fill_value: ArrayLike | None = None) -> Array:
    """The elements of either array, ascending."""
    x, y = _two_flat("union1d", ar1, ar2)
    return unique(lax.concatenate([x, y], 0), size=size, fill_value=fill_value)


def setdiff1d(ar1: ArrayLike, ar2: ArrayLike, assume_unique: bool = False, *,
              size: int | None = None, fill_value: ArrayLike | None = None) -> Array:
    """The elements of the first array that are not in the second, ascending."""
    x, y = (shaping.ravel(as_array("setdiff1d", a, i)) for i, a in enumerate((ar1, ar2)))
    if size is None:
        x = x if assume_unique else unique(x)
        return x[isin(x, y, invert=True)]
    fill_value = 0 if fill_value is None else fill_value
    if size > x.size:  # more than there can be: filled up
        found = setdiff1d(x, y, assume_unique, size=x.size, fill_value=fill_value) if x.size else x
        fill = as_array("setdiff1d", fill_value).astype(x.dtype)
        return lax.concatenate([found, lax.full((size - x.size,), fill)], 0)
    if not assume_unique:
        fill = 0 if fill_value is None else fill_value
        found = unique(x, size=x.size)
        counts = reductions.sum(_order_rows(x[:, None], True)[1], dtype=np.int32)
        keep = elementwise._logical_and(
            elementwise.less(lax.iota(np.int32, x.size), counts), isin(found, y, invert=True))
        return selection.compress(keep, found, size=size, fill_value=fill)
    return selection.compress(isin(x, y, invert=True), x, size=size,
                              fill_value=0 if fill_value is None else fill_value)


def setxor1d(ar1: ArrayLike, ar2: ArrayLike, assume_unique: bool = False, *,
             size: int | None = None, fill_value: ArrayLike | None = None) -> Array:
    """The elements of just one of two arrays, ascending."""
    x, y = _two_flat("setxor1d", ar1, ar2)
    if size is None and not assume_unique:
        x, y = unique(x), unique(y)
    if size is None:
        both = sorting.sort(lax.concatenate([x, y], 0))
        if both.size == 0:
            return both
        return both[_alone(both)]
    either = lax.concatenate([x, y], 0)
    if not assume_unique:
        in_x, in_y = isin(x, y), isin(y, x)
        keep = elementwise.logical_not(lax.concatenate([in_x, in_y], 0))
        ordered = lax.sort((elementwise.logical_not(keep).astype(np.int32), either), dimension=0,
                           num_keys=2)
        kept = elementwise.equal(ordered[0], 0)
        values = ordered[1]
        new = lax.concatenate([creation.ones((1,), bool),
                               elementwise.not_equal(values[1:], values[:-1])], 0)
        chosen = elementwise._logical_and(kept, new)
    else:
        values = sorting.sort(either)
        chosen = _alone(values)
    return selection.compress(chosen, values, size=size,
                              fill_value=0 if fill_value is None else fill_value)


def _alone(ordered: Any) -> Any:
    """Which elements of a sorted vector differ from both neighbours."""
    edge = creation.ones((1,), bool)
    change = lax.concatenate([edge, elementwise.not_equal(ordered[1:], ordered[:-1]), edge], 0)
    return elementwise._logical_and(change[1:], change[:-1])


def intersect1d(ar1: ArrayLike, ar2: ArrayLike, assume_unique: bool = False,
                return_indices: bool = False, *, size: int | None = None,
                fill_value: ArrayLike | None = None) -> Any:
    """The elements of both arrays, ascending.

    With `return_indices` also where each occurs first in the two.
    """
    x, y = _two_flat("intersect1d", ar1, ar2)
    number_array("intersect1d", x)
    if size is not None:
        return _intersect_sized(x, y, size, fill_value, return_indices)
    first, first_places = unique(x, return_index=True)
    second, second_places = unique(y, return_index=True)
    shared = isin(first, second)
    values = first[shared]
    if not return_indices:
        return values
    return values, first_places[shared], second_places[isin(second, first)]


def _intersect_sized(x: Any, y: Any, size: int, fill_value: Any, return_indices: bool) -> Any:
    order, is_new = _order_rows(x[:, None], True)
    ordered = x[order]
    keep = elementwise._logical_and(is_new, isin(ordered, y))
    values = selection.compress(keep, ordered, size=size,
                                fill_value=0 if fill_value is None else fill_value)
    if not return_indices:
        return values
    places = selection.compress(keep, order, size=size, fill_value=x.size)
    present = elementwise.less(places, x.size)
    other_order = sorting.argsort(y)
    found = sorting.searchsorted(y[other_order], values)
    other = other_order.at[found].get(mode="clip")
    return values, places, elementwise.where(present, other, convert_number(y.size, other.dtype))


