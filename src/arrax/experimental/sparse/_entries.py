"""Entries without batch axes: values `data` [nse, *dense] at `indices` [nse, n_sparse].

An entry with an index that is not smaller than the size of its axis is *padding*: it counts for
nothing, whatever its value.
"""
from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from arrax import lax
from arrax import numpy as jnp

Sizes = Sequence[int]


def columns(indices: Any) -> tuple[Any, ...]:
    """One vector of indices for each sparse axis."""
    return tuple(indices[:, k] for k in range(indices.shape[1]))


def limits(sizes: Sizes, indices: Any) -> Any:
    """The index of padding: the sizes, [1, n_sparse]."""
    return jnp.asarray(np.array(sizes, np.int64).reshape(1, -1).astype(indices.dtype))


def inside(indices: Any, sizes: Sizes) -> Any:
    """Which entries are no padding, bool[nse]."""
    return (indices < limits(sizes, indices)).all(1)


def masked(keep: Any, values: Any) -> Any:
    """Values [nse, …], zero where `keep` [nse] is False."""
    return jnp.where(keep.reshape(keep.shape + (1,) * (values.ndim - 1)), values,
                     jnp.zeros((), values.dtype))


def padded(keep: Any, indices: Any, sizes: Sizes) -> Any:
    """Indices, those of padding where `keep` is False."""
    return jnp.where(keep[:, None], indices, limits(sizes, indices))


def added(zeros: Any, place: Any, values: Any) -> Any:
    """`zeros` with values added at a place; those outside are dropped. Bools: with "or"."""
    at = zeros.at[place]
    return at.max(values, mode="drop") if values.dtype == np.bool_ else \
        at.add(values, mode="drop")


def total(data: Any) -> Any:
    """The sum over the entries."""
    return data.any(0) if data.dtype == np.bool_ else data.sum(0, dtype=data.dtype)


def to_dense(data: Any, indices: Any, sizes: Sizes) -> Any:
    """The dense array [*sizes, *dense]."""
    if not sizes:
        return total(data)
    return added(jnp.zeros((*sizes, *data.shape[1:]), data.dtype), columns(indices), data)


def extract(indices: Any, array: Any) -> Any:
    """The elements [nse, *dense] of a dense array at indices; zeros for padding."""
    if not indices.shape[1]:
        return jnp.broadcast_to(array[None], (indices.shape[0], *array.shape))
    return array.at[columns(indices)].get(mode="fill", fill_value=0)


def from_dense(array: Any, nse: int, n_sparse: int, index_dtype: Any) -> tuple[Any, Any]:
    """The first `nse` entries of an array that are not zero, in order, with padding at the end."""
    if not n_sparse:
        rest = jnp.zeros((max(nse - 1, 0), *array.shape), array.dtype)
        return (jnp.concatenate([array[None][:nse], rest]), jnp.zeros((nse, 0), index_dtype))
    mask = array != 0
    if array.ndim > n_sparse:
        mask = mask.any(tuple(range(n_sparse, array.ndim)))
    places = jnp.nonzero(mask, size=nse, fill_value=mask.shape)
    indices = jnp.stack(places, axis=-1).astype(index_dtype)
    return extract(indices, array), indices


def order(indices: Any) -> Any:
    """The permutation that sorts entries by index, the first axis before the others."""
    numbers = jnp.arange(indices.shape[0], dtype=np.int32)
    if not indices.shape[1]:
        return numbers
    return lax.sort((*columns(indices), numbers), num_keys=indices.shape[1])[-1]


def _groups(indices: Any, keep: Any, sizes: Sizes) -> tuple[Any, ...]:
    """(order, sorted indices, which entries are the first of their index, which are kept)."""
    indices = padded(keep, indices, sizes)
    places = order(indices)
    indices, keep = indices[places], keep[places]
    changes = (indices[1:] != indices[:-1]).any(1)
    first = jnp.concatenate([jnp.ones(min(len(places), 1), np.bool_), changes])
    return places, indices, first, keep


def kept(data: Any, indices: Any, sizes: Sizes, remove_zeros: bool) -> Any:
    """Which entries to keep, bool[nse]."""
    keep = inside(indices, sizes)
    if remove_zeros:
        keep &= (data != 0).any(tuple(range(1, data.ndim)))
    return keep


def count_unique(data: Any, indices: Any, sizes: Sizes, remove_zeros: bool) -> Any:
    """How many different indices there are."""
    keep = kept(data, indices, sizes, remove_zeros)
    if not sizes:
        return keep.any().astype(np.int32)
    _, _, first, keep = _groups(indices, keep, sizes)
    return (first & keep).sum()


def sum_duplicates(data: Any, indices: Any, sizes: Sizes, nse: int, remove_zeros: bool,
                   ) -> tuple[Any, Any]:
    """`nse` entries in order of their different indices, values of the same index summed."""
    keep = kept(data, indices, sizes, remove_zeros)
    zeros = jnp.zeros((nse, *data.shape[1:]), data.dtype)
    if not sizes:
        return (zeros.at[:1].set(total(masked(keep, data))[None]) if nse else zeros,
                jnp.zeros((nse, 0), indices.dtype))
    places, indices, first, keep = _groups(indices, keep, sizes)
    group = jnp.cumsum(first, dtype=np.int32) - 1
    new = jnp.broadcast_to(limits(sizes, indices), (nse, len(sizes)))
    return (added(zeros, group, masked(keep, data[places])),
            new.at[group].set(indices, mode="drop"))


def first_occurrences(indices: Any, sizes: Sizes) -> Any:
    """Which entries are the first of their index, bool[nse]."""
    if not indices.shape[1]:
        return jnp.arange(indices.shape[0]) == 0
    places, _, first, _ = _groups(indices, inside(indices, sizes), sizes)
    return jnp.zeros(first.shape, np.bool_).at[places].set(first)


def reshaped(indices: Any, sizes: Sizes, new_sizes: Sizes) -> Any:
    """The indices of entries in an array of other sizes and as many elements."""
    if not new_sizes or not sizes:
        return jnp.zeros((indices.shape[0], len(new_sizes)), indices.dtype)
    flat = jnp.zeros(indices.shape[0], np.int64 if math.prod(sizes) > 2 ** 31 else np.int32)
    for column, size in zip(columns(indices), sizes, strict=True):
        flat = flat * size + column.astype(flat.dtype)
    new = []
    for size in reversed(new_sizes):
        new.append(flat % max(size, 1))
        flat = flat // max(size, 1)
    found = jnp.stack(new[::-1], axis=-1).astype(indices.dtype)
    return padded(inside(indices, sizes), found, new_sizes)


def sliced(data: Any, indices: Any, starts: Any, counts: Sizes, strides: Sizes, sizes: Sizes,
           ) -> tuple[Any, Any]:
    """The entries at starts + i * strides for i < counts; the others become padding."""
    if not len(counts):
        return data, indices
    dtype = np.promote_types(indices.dtype, np.int32)
    moved = indices.astype(dtype) - jnp.asarray(starts, dtype)[None]
    steps = jnp.asarray(np.array(strides), dtype)[None]
    new = moved // steps
    keep = ((moved >= 0) & (new < limits(counts, moved)) & (moved % steps == 0)).all(1)
    keep &= inside(indices, sizes)
    return masked(keep, data), padded(keep, new.astype(indices.dtype), counts)


def pairs(index: Any, other: Any) -> tuple[Any, Any]:
    """Rows of two arrays [n, …] and [m, …], each with each: two arrays [n * m, …]."""
    n, m = index.shape[0], other.shape[0]
    return (jnp.repeat(index, m, axis=0, total_repeat_length=n * m),
            jnp.tile(other, (n,) + (1,) * (other.ndim - 1)))
