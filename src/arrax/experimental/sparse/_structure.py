"""BCOO arrays: their axes and parts."""
from __future__ import annotations

import math
import operator
from collections.abc import Sequence
from functools import partial
from typing import Any

import numpy as np

from arrax import lax
from arrax import numpy as jnp
from arrax.core.trace import Tracer
from arrax.experimental.sparse import _entries as entries
from arrax.experimental.sparse._arrays import BCOO
from arrax.experimental.sparse._conversions import (at_most, bcoo_update_layout, capacity,
                                                    check_layout, known, summed, whole)
from arrax.experimental.sparse.util import nfold_vmap


def _axes(function: str, axes: Any, ndim: int) -> tuple[int, ...]:
    """Axes as numbers from 0 on; ValueError for those out of bounds and twice."""
    found = tuple(operator.index(a) for a in axes)
    if any(not -ndim <= a < ndim for a in found):
        raise ValueError(f"{function}: axes {found} out of bounds for an array of {ndim} axes")
    found = tuple(a % ndim for a in found)
    if len(set(found)) != len(found):
        raise ValueError(f"{function}: axes {found} are not distinct")
    return found


def _kinds(mat: BCOO, axes: Sequence[int]) -> tuple[list[int], list[int], list[int]]:
    """Which of the axes are batch, sparse and dense ones, each counted from the first of its
    kind."""
    first, last = mat.n_batch, mat.n_batch + mat.n_sparse
    return ([a for a in axes if a < first], [a - first for a in axes if first <= a < last],
            [a - last for a in axes if a >= last])


def bcoo_transpose(mat: BCOO, *, permutation: Sequence[int]) -> BCOO:
    """The array with its axes in another order; each kind of axes keeps to itself.

    Errors: ValueError for what is no permutation; NotImplementedError where it mixes kinds.

    Source: `jax.experimental.sparse.bcoo_transpose`.
    """
    check_layout("bcoo_transpose", mat)
    order = _axes("bcoo_transpose", permutation, mat.ndim)
    if len(order) != mat.ndim:
        raise ValueError(f"bcoo_transpose: {order} is no permutation of {mat.ndim} axes")
    batch, sparse, dense = _kinds(mat, order)
    if tuple(batch) != order[:mat.n_batch] or len(set(order[:mat.n_batch + mat.n_sparse])
                                                  & set(range(mat.ndim - mat.n_dense, mat.ndim))):
        raise NotImplementedError(
            f"bcoo_transpose: permutation {order} moves axes between the {mat.n_batch} batch, "
            f"{mat.n_sparse} sparse and {mat.n_dense} dense axes; use bcoo_update_layout before")
    n = mat.n_batch
    data = mat.data.transpose(*batch, n, *(n + 1 + d for d in dense))
    indices = mat.indices.transpose(*batch, n, n + 1)
    in_order = sparse == sorted(sparse)
    if not in_order:
        indices = indices[..., np.array(sparse)]
    return BCOO((data, indices), shape=tuple(mat.shape[a] for a in order),
                indices_sorted=mat.indices_sorted and in_order, unique_indices=mat.unique_indices)


def bcoo_rev(operand: BCOO, dimensions: Sequence[int]) -> BCOO:
    """The array with its elements along some axes in reverse.

    Source: `jax.experimental.sparse.bcoo_rev`.
    """
    check_layout("bcoo_rev", operand)
    batch, sparse, dense = _kinds(operand, _axes("bcoo_rev", dimensions, operand.ndim))
    data = jnp.flip(operand.data, [*batch, *(operand.n_batch + 1 + d for d in dense)])
    indices = jnp.flip(operand.indices, batch)
    if not sparse:
        return BCOO((data, indices), shape=operand.shape, **known(operand))
    sizes = np.array(operand.sparse_shape)
    turned = np.isin(np.arange(operand.n_sparse), sparse)
    top = jnp.asarray(np.where(turned, sizes - 1, 0), indices.dtype)
    sign = jnp.asarray(np.where(turned, -1, 1), indices.dtype)
    places = (1,) * (indices.ndim - 1) + (-1,)
    top, sign, end = (x.reshape(places) for x in (top, sign, jnp.asarray(sizes, indices.dtype)))
    indices = jnp.where((indices < end).all(-1, keepdims=True), top + sign * indices, end)
    return BCOO((data, indices), shape=operand.shape, unique_indices=operand.unique_indices)


def bcoo_squeeze(arr: BCOO, *, dimensions: Sequence[int]) -> BCOO:
    """The array without some axes of size 1.

    Source: `jax.experimental.sparse.bcoo_squeeze`.
    """
    check_layout("bcoo_squeeze", arr)
    axes = _axes("bcoo_squeeze", dimensions, arr.ndim)
    if any(arr.shape[a] != 1 for a in axes):
        raise ValueError(f"bcoo_squeeze: axes {axes} of shape {arr.shape} are not all of size 1")
    batch, sparse, dense = _kinds(arr, axes)
    shape = tuple(size for a, size in enumerate(arr.shape) if a not in axes)
    data = lax.squeeze(arr.data, [*batch, *(arr.n_batch + 1 + d for d in dense)])
    indices = lax.squeeze(arr.indices, batch)
    mat = BCOO((data, indices), shape=(*(s for a, s in enumerate(arr.shape[:arr.n_batch])
                                         if a not in batch), *arr.sparse_shape, *data.shape[
                                             arr.n_batch - len(batch) + 1:]), **known(arr))
    return _without(mat, sparse, shape)


def _without(mat: BCOO, axes: Sequence[int], shape: tuple[int, ...]) -> BCOO:
    """The array whose elements lose their index along some sparse axes."""
    if not axes:
        return mat
    left = [a for a in range(mat.n_sparse) if a not in axes]
    sizes = [mat.sparse_shape[a] for a in left]

    def one(data: Any, indices: Any) -> Any:
        keep = entries.inside(indices, mat.sparse_shape)
        new = entries.padded(keep, indices[:, np.array(left, int)], sizes)
        return entries.masked(keep, data), new
    data, indices = nfold_vmap(one, mat.n_batch)(mat.data, mat.indices)
    single = all(mat.sparse_shape[a] == 1 for a in axes)
    return BCOO((data, indices), shape=shape, unique_indices=mat.unique_indices and single,
                indices_sorted=mat.indices_sorted and single)


def bcoo_reduce_sum(mat: BCOO, *, axes: Sequence[int]) -> BCOO:
    """The sums along some axes.

    Source: `jax.experimental.sparse.bcoo_reduce_sum`.
    """
    check_layout("bcoo_reduce_sum", mat)
    axes = _axes("bcoo_reduce_sum", axes, mat.ndim)
    shape = tuple(size for a, size in enumerate(mat.shape) if a not in axes)
    batch, sparse, dense = _kinds(mat, axes)
    if dense:
        data = mat.data.sum([mat.n_batch + 1 + d for d in dense], dtype=mat.dtype)
        sizes = [s for d, s in enumerate(mat.dense_shape) if d not in dense]
        mat = BCOO((data, mat.indices), shape=(*mat.batch_shape, *mat.sparse_shape, *sizes),
                   **known(mat))
    for axis in sorted(batch, reverse=True):  # its elements go beside each other
        mat = whole(mat)

        def beside(x: Any, axis: int = axis, at: int = mat.n_batch - 1) -> Any:
            x = jnp.moveaxis(x, axis, at)
            return x.reshape(*x.shape[:at], x.shape[at] * x.shape[at + 1], *x.shape[at + 2:])
        mat = BCOO((beside(mat.data), beside(mat.indices)),
                   shape=mat.shape[:axis] + mat.shape[axis + 1:])
    return _without(mat, sparse, shape)


def bcoo_reshape(mat: BCOO, *, new_sizes: Sequence[int], dimensions: Sequence[int] | None = None,
                 sharding: Any = None) -> BCOO:
    """The array in another shape; batch axes, sparse axes and dense axes are reshaped each for
    themselves.

    Args:
      new_sizes: the shape.
      dimensions: an order of the axes to have before, as `lax.reshape` takes it.
      sharding: must be None.

    Errors: ValueError where an axis would mix kinds.

    Source: `jax.experimental.sparse.bcoo_reshape`.
    """
    check_layout("bcoo_reshape", mat)
    if sharding is not None:
        raise NotImplementedError("bcoo_reshape: sharding is not supported")
    new = tuple(map(operator.index, new_sizes))
    if math.prod(new) != mat.size:
        raise ValueError(f"bcoo_reshape: cannot reshape an array of shape {mat.shape} to {new}")
    n_batch = _prefix(new, math.prod(mat.batch_shape))
    n_dense = _prefix(new[::-1], math.prod(mat.dense_shape))
    if n_batch is None or n_dense is None or n_batch + n_dense > len(new):
        raise ValueError(f"bcoo_reshape: new shape {new} of an array of shape {mat.shape} with "
                         f"{mat.n_batch} batch and {mat.n_dense} dense axes cannot mix batch and "
                         "sparse dimensions, or sparse and dense ones")
    if dimensions is not None and tuple(dimensions) != tuple(range(mat.ndim)):
        mat = bcoo_transpose(mat, permutation=dimensions)
    if mat.n_batch and (mat.data.shape[:mat.n_batch] != mat.batch_shape
                        or mat.indices.shape[:mat.n_batch] != mat.batch_shape):
        raise NotImplementedError("reshape of arrays with broadcasted batch dimensions.")
    if len(new) == n_batch + n_dense and not mat.n_sparse:
        sparse: tuple[int, ...] = ()
    else:
        sparse = new[n_batch:len(new) - n_dense]
    indices = nfold_vmap(partial(entries.reshaped, sizes=mat.sparse_shape, new_sizes=sparse),
                         mat.n_batch)(mat.indices)
    data = mat.data
    if not sparse and mat.n_sparse:  # padding has no index any more to be known by
        keep = nfold_vmap(partial(entries.inside, sizes=mat.sparse_shape), mat.n_batch)(mat.indices)
        data = jnp.where(keep.reshape(*keep.shape, *(1,) * mat.n_dense), data,
                         jnp.zeros((), data.dtype))
    batch, dense = new[:n_batch], new[len(new) - n_dense:]
    data = data.reshape(*batch, mat.nse, *dense)
    indices = indices.reshape(*batch, mat.nse, len(sparse))
    return BCOO((data, indices), shape=new, **known(mat))


def _prefix(sizes: Sequence[int], product: int) -> int | None:
    """How many sizes at the start have that product; None if no number does."""
    found = 1
    for count, size in enumerate([*sizes, 0]):
        if found == product:
            return count
        found *= size
    return None


def bcoo_broadcast_in_dim(mat: BCOO, *, shape: Sequence[int], broadcast_dimensions: Sequence[int],
                          sharding: Any = None) -> BCOO:
    """The array in a larger shape, as `lax.broadcast_in_dim`.

    New axes before the first sparse one are batch axes, those after the first dense one dense
    axes, and all others sparse.

    Source: `jax.experimental.sparse.bcoo_broadcast_in_dim`.
    """
    check_layout("bcoo_broadcast_in_dim", mat)
    if sharding is not None:
        raise NotImplementedError("bcoo_broadcast_in_dim: sharding is not supported")
    shape = tuple(map(operator.index, shape))
    places = tuple(map(operator.index, broadcast_dimensions))
    if len(places) != mat.ndim or list(places) != sorted(set(places)) or any(
            not 0 <= p < len(shape) or mat.shape[a] not in (1, shape[p])
            for a, p in enumerate(places)):
        raise ValueError(f"bcoo_broadcast_in_dim: an array of shape {mat.shape} does not fit "
                         f"shape {shape} with its axes at {places}")
    n_kept = mat.n_batch + mat.n_sparse
    dense_from = places[n_kept] if mat.n_dense else len(shape)
    sparse_from = places[mat.n_batch] if mat.n_sparse else dense_from
    # Batch axes: of size 1 where they are new.
    old_batch, old_dense = places[:mat.n_batch], places[n_kept:]
    n = mat.n_batch
    data = mat.data
    dense_sizes = [shape[p] for p in range(dense_from, len(shape))]
    data = lax.broadcast_in_dim(
        data, (*data.shape[:n + 1], *dense_sizes),
        (*range(n + 1), *(n + 1 + p - dense_from for p in old_dense)))

    def batched(x: Any) -> Any:
        sizes = [1] * sparse_from
        for axis, p in enumerate(old_batch):
            sizes[p] = x.shape[axis]
        return x.reshape(*sizes, *x.shape[n:])
    data, indices = batched(data), batched(mat.indices)
    # Sparse axes: every element once for each index along axes that are new or grow.
    old_sparse = {places[n + k]: k for k in range(mat.n_sparse)}
    numbers = range(sparse_from, dense_from)
    grown = [p for p in numbers if shape[p] > 1 and (
        p not in old_sparse or mat.sparse_shape[old_sparse[p]] == 1)]
    copies = np.stack(np.meshgrid(*[np.arange(shape[p]) for p in grown], indexing="ij"),
                      -1).reshape(-1, len(grown)) if grown else np.zeros((1, 0), int)
    sizes = [shape[p] for p in numbers]

    def one(data: Any, indices: Any) -> Any:
        keep = entries.inside(indices, mat.sparse_shape)
        keep, extra = entries.pairs(keep, jnp.asarray(copies, indices.dtype))
        old = jnp.repeat(indices, len(copies), axis=0)
        zero = jnp.zeros(len(old), indices.dtype)
        found = [extra[:, grown.index(p)] if p in grown else
                 old[:, old_sparse[p]] if p in old_sparse else zero for p in numbers]
        new = jnp.stack(found, -1) if found else jnp.zeros((len(old), 0), indices.dtype)
        return jnp.repeat(data, len(copies), axis=0), entries.padded(keep, new, sizes)
    data, indices = nfold_vmap(one, sparse_from)(data, indices)
    return BCOO((data, indices), shape=shape, unique_indices=mat.unique_indices,
                indices_sorted=mat.indices_sorted and not grown)


def bcoo_concatenate(operands: Sequence[BCOO], *, dimension: int) -> BCOO:
    """Arrays joined along a batch or sparse axis.

    Of different layouts the result has the smallest numbers of batch and dense axes.

    Errors: TypeError for other arrays; ValueError for shapes that do not fit; NotImplementedError
    for dense axes.

    Source: `jax.experimental.sparse.bcoo_concatenate`.
    """
    operands = list(operands)
    if not operands or not all(isinstance(x, BCOO) for x in operands):
        raise TypeError("bcoo_concatenate expects one or more BCOO arrays, got "
                        f"{[type(x) for x in operands]}")
    (axis,) = _axes("bcoo_concatenate", [dimension], operands[0].ndim)
    if len({x.shape[:axis] + x.shape[axis + 1:] for x in operands}) > 1:
        raise ValueError(f"bcoo_concatenate: arrays {operands} do not fit along axis {axis}")
    n_batch, n_dense = (min(getattr(x, name) for x in operands) for name in ("n_batch", "n_dense"))
    operands = [bcoo_update_layout(x, n_batch=n_batch, n_dense=n_dense) for x in operands]
    first = operands[0]
    shape = list(first.shape)
    shape[axis] = sum(x.shape[axis] for x in operands)
    n = first.n_batch
    operands = [whole(x) for x in operands]
    if axis < n:
        most = max(x.nse for x in operands)
        operands = [_with_nse(x, most) for x in operands]
        indices = [x.indices for x in operands]
        at = axis
    elif axis < n + first.n_sparse:
        starts = np.cumsum([0, *(x.shape[axis] for x in operands)])
        k, total = axis - n, shape[axis]
        indices = []
        for x, start in zip(operands, starts, strict=False):
            column = x.indices[..., k]
            moved = jnp.where(column < x.shape[axis], column + int(start), total)
            indices.append(x.indices.at[..., k].set(moved.astype(column.dtype)))
        at = n
    else:
        raise NotImplementedError("bcoo_concatenate along a dense axis")
    return BCOO((jnp.concatenate([x.data for x in operands], axis=at),
                 jnp.concatenate(indices, axis=at)), shape=shape,
                indices_sorted=all(x.indices_sorted for x in operands) and (
                    axis < n or axis == n and len(operands) == 1),
                unique_indices=all(x.unique_indices for x in operands))


def _with_nse(mat: BCOO, nse: int) -> BCOO:
    """The array with padding up to `nse` elements."""
    more, n = nse - mat.nse, mat.n_batch
    if not more:
        return mat
    data = jnp.pad(mat.data, [(0, more if a == n else 0) for a in range(mat.data.ndim)])
    ends = jnp.broadcast_to(jnp.asarray(mat.sparse_shape, mat.indices.dtype),
                            (*mat.indices.shape[:n], more, mat.n_sparse))
    return BCOO((data, jnp.concatenate([mat.indices, ends], axis=n)), shape=mat.shape,
                **known(mat))


# ---- parts -------------------------------------------------------------------------------------

def bcoo_slice(mat: BCOO, *, start_indices: Sequence[int], limit_indices: Sequence[int],
               strides: Sequence[int] | None = None) -> BCOO:
    """A part of the array, as `lax.slice`.

    Source: `jax.experimental.sparse.bcoo_slice`.
    """
    check_layout("bcoo_slice", mat)
    starts, ends = [int(i) for i in start_indices], [int(i) for i in limit_indices]
    steps = [1] * mat.ndim if strides is None else [int(i) for i in strides]
    if not len(starts) == len(ends) == len(steps) == mat.ndim or any(
            not 0 <= a <= b <= size or s < 1
            for a, b, s, size in zip(starts, ends, steps, mat.shape, strict=True)):
        raise ValueError(f"bcoo_slice: start_indices={starts}, limit_indices={ends} and strides="
                         f"{steps} do not fit an array of shape {mat.shape}")
    counts = [-(-(b - a) // s) for a, b, s in zip(starts, ends, steps, strict=True)]
    n, first_dense = mat.n_batch, mat.n_batch + mat.n_sparse

    def batch(x: Any) -> Any:
        parts = [slice(None) if x.shape[a] != mat.shape[a] else
                 slice(starts[a], ends[a], steps[a]) for a in range(n)]
        parts = [slice(0, 0) if not counts[a] else part for a, part in enumerate(parts)]
        return x[tuple(parts)]
    data, indices = batch(mat.data), batch(mat.indices)
    data = data[(..., *(slice(starts[a], ends[a], steps[a])
                        for a in range(first_dense, mat.ndim)))]
    return _sliced(mat, data, indices, starts[n:first_dense], counts, steps[n:first_dense])


def bcoo_dynamic_slice(mat: BCOO, start_indices: Sequence[Any], slice_sizes: Sequence[int],
                       ) -> BCOO:
    """A part of the array from traced indices on, as `lax.dynamic_slice`.

    Source: `jax.experimental.sparse.bcoo_dynamic_slice`.
    """
    check_layout("bcoo_dynamic_slice", mat)
    sizes = [int(s) for s in slice_sizes]
    if len(sizes) != mat.ndim or len(start_indices) != mat.ndim or any(
            not 0 <= s <= size for s, size in zip(sizes, mat.shape, strict=True)):
        raise ValueError(f"bcoo_dynamic_slice: {len(start_indices)} start_indices and slice_sizes "
                         f"{sizes} do not fit an array of shape {mat.shape}")
    starts = []
    for start, count, size in zip(start_indices, sizes, mat.shape, strict=True):
        start = jnp.asarray(start).astype(np.int32)
        start = jnp.where(start < 0, start + size, start)
        starts.append(jnp.clip(start, 0, size - count))
    n, first_dense = mat.n_batch, mat.n_batch + mat.n_sparse
    zero = jnp.int32(0)

    def part(x: Any, dense: bool) -> Any:
        begin, shape = [zero] * x.ndim, list(x.shape)
        for a in range(n):
            if x.shape[a] == mat.shape[a]:
                begin[a], shape[a] = starts[a], sizes[a]
            elif not sizes[a]:
                shape[a] = 0
        for a in range(first_dense, mat.ndim) if dense else ():
            at = n + 1 + a - first_dense
            begin[at], shape[at] = starts[a], sizes[a]
        return lax.dynamic_slice(x, begin, shape)
    data, indices = part(mat.data, True), part(mat.indices, False)
    sparse = starts[n:first_dense]
    return _sliced(mat, data, indices, jnp.stack(sparse) if sparse else sparse, sizes,
                   [1] * mat.n_sparse)


def _sliced(mat: BCOO, data: Any, indices: Any, starts: Any, shape: Sequence[int],
            strides: Sequence[int]) -> BCOO:
    """What is left of entries whose batch and dense axes have been sliced."""
    n = mat.n_batch
    counts = shape[n:n + mat.n_sparse]
    full = isinstance(starts, list) and tuple(counts) == mat.sparse_shape
    if not full:
        data, indices = nfold_vmap(
            lambda d, i: entries.sliced(d, i, starts, counts, strides, mat.sparse_shape), n)(
                data, indices)
    out = BCOO((data, indices), shape=shape, unique_indices=mat.unique_indices,
               indices_sorted=mat.indices_sorted and full)
    return at_most(out, capacity(out))


def bcoo_gather(operand: BCOO, start_indices: Any, dimension_numbers: Any,
                slice_sizes: Sequence[int], *, unique_indices: bool = False,
                indices_are_sorted: bool = False, mode: Any = None, fill_value: Any = None,
                ) -> BCOO:
    """Windows of the array, as `lax.gather`. The result stores as many elements as it has.

    Each element of the result has a place in the operand, which is looked up among the stored
    indices: this costs a sort of these, and an array of numbers of the operand's shape.

    Source: `jax.experimental.sparse.bcoo_gather`.
    """
    check_layout("bcoo_gather", operand)
    if fill_value not in (None, 0):
        raise NotImplementedError(f"bcoo_gather: fill_value must be 0, got {fill_value}")
    places = lax.gather(numbered(operand), start_indices, dimension_numbers, slice_sizes,
                        unique_indices=unique_indices, indices_are_sorted=indices_are_sorted,
                        mode=mode, fill_value=-1)
    return looked_up(operand, places)


def numbered(mat: BCOO) -> Any:
    """The numbers of the array's elements, in its shape."""
    return jnp.arange(mat.size, dtype=np.int32).reshape(mat.shape)


def looked_up(mat: BCOO, places: Any) -> BCOO:
    """The elements with the numbers `places`; zeros for negative ones."""
    mat = bcoo_update_layout(mat, n_batch=0, n_dense=0)
    mat = summed(mat, mat.nse, remove_zeros=False)  # sorts them, too
    stored = entries.reshaped(mat.indices, mat.sparse_shape, (mat.size,))[:, 0]
    flat = places.reshape(-1)
    at = jnp.searchsorted(stored, flat)
    found = stored.at[at].get(mode="fill", fill_value=-2) == flat
    values = entries.masked(found, mat.data.at[at].get(mode="fill", fill_value=0))
    new = entries.reshaped(jnp.arange(flat.size, dtype=mat.indices.dtype)[:, None], (flat.size,),
                           places.shape)
    return BCOO((values, new), shape=places.shape, indices_sorted=True, unique_indices=True)


def bcoo_getitem(mat: BCOO, index: Any) -> BCOO:
    """`mat[index]` for the indices of dense arrays: numbers, slices, None, `...`, and arrays, by
    which elements are looked up one by one."""
    items = list(index) if isinstance(index, tuple) else [index]
    items = [np.asarray(i) if isinstance(i, list) else i for i in items]
    used = sum(i is not None and i is not Ellipsis for i in items)
    if any(getattr(i, "ndim", 0) or isinstance(i, (bool, np.bool_)) for i in items):
        return looked_up(mat, numbered(mat)[tuple(items)])
    if sum(i is Ellipsis for i in items) > 1 or used > mat.ndim:
        raise IndexError(f"index {index} does not fit an array of {mat.ndim} axes")
    at = next((k for k, i in enumerate(items) if i is Ellipsis), len(items))
    items[at:at + 1] = [slice(None)] * (mat.ndim - used)

    places = [i for i in items if i is not None]
    starts, counts, steps, turned, gone = [], [], [], [], []
    for axis, (item, size) in enumerate(zip(places, mat.shape, strict=True)):
        if isinstance(item, slice):
            numbers = range(*item.indices(size))
            if numbers.step < 0:
                turned.append(axis)
                numbers = range(size - 1 - numbers.start, size - 1 - numbers.stop, -numbers.step)
            starts.append(min(numbers.start, size))
            counts.append(len(numbers))
            steps.append(numbers.step)
        else:
            gone.append(axis)
            starts.append(item)
            counts.append(1)
            steps.append(1)
    mat = bcoo_rev(mat, turned) if turned else mat
    if any(isinstance(s, Tracer) for s in starts):
        sizes = [size if axis not in gone else 1 for axis, size in enumerate(mat.shape)]
        mat = bcoo_dynamic_slice(mat, [s if axis in gone else 0 for axis, s in enumerate(starts)],
                                 sizes)
        starts = [0 if axis in gone else s for axis, s in enumerate(starts)]
    else:
        starts = [min(max(s + size if s < 0 else s, 0), max(size - 1, 0)) if axis in gone else s
                  for axis, (s, size) in enumerate(zip(map(operator.index, starts), mat.shape,
                                                       strict=True))]
    ends = [min(s + (n - 1) * d + 1, size) if n else s
            for s, n, d, size in zip(starts, counts, steps, mat.shape, strict=True)]
    if any(s or e != size or d != 1
           for s, e, d, size in zip(starts, ends, steps, mat.shape, strict=True)):
        mat = bcoo_slice(mat, start_indices=starts, limit_indices=ends, strides=steps)
    mat = bcoo_squeeze(mat, dimensions=gone) if gone else mat
    left = [i for i in items if i is None or isinstance(i, slice)]
    if len(left) == mat.ndim:
        return mat
    old = iter(mat.shape)
    return bcoo_broadcast_in_dim(
        mat, shape=[1 if i is None else next(old) for i in left],
        broadcast_dimensions=[k for k, i in enumerate(left) if i is not None])
