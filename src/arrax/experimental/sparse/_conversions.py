"""BCOO arrays: to and from dense ones, their order, duplicates and layout."""
from __future__ import annotations

import math
import warnings
from collections.abc import Sequence
from functools import partial
from typing import Any

import numpy as np

from arrax import lax
from arrax import numpy as jnp
from arrax.experimental.sparse import _entries as entries
from arrax.experimental.sparse._arrays import BCOO
from arrax.experimental.sparse.util import (SparseEfficiencyError, SparseEfficiencyWarning,
                                            count_stored_elements, nfold_vmap, static_count)


def with_batch(x: Any, batch: Sequence[int]) -> Any:
    """An array with whole batch axes in place of those of size 1."""
    return jnp.broadcast_to(x, (*batch, *x.shape[len(batch):]))


def whole(mat: BCOO) -> BCOO:
    """The array with no batch axis that is 1 in place of something else."""
    return BCOO((with_batch(mat.data, mat.batch_shape), with_batch(mat.indices, mat.batch_shape)),
                shape=mat.shape, **known(mat))


def known(mat: BCOO) -> dict[str, bool]:
    """What is known of the indices, as keyword arguments."""
    return {"indices_sorted": mat.indices_sorted, "unique_indices": mat.unique_indices}


def check_layout(function: str, mat: Any) -> None:
    """TypeError for what is no BCOO."""
    if not isinstance(mat, BCOO):
        raise TypeError(f"{function} expects a BCOO array, got {type(mat)}")


def bcoo_todense(mat: BCOO) -> Any:
    """The dense array that a BCOO stands for.

    Source: `jax.experimental.sparse.bcoo_todense`.
    """
    check_layout("bcoo_todense", mat)
    dense = nfold_vmap(partial(entries.to_dense, sizes=mat.sparse_shape), mat.n_batch)(
        mat.data, mat.indices)
    return with_batch(dense, mat.batch_shape)


def bcoo_fromdense(mat: Any, *, nse: int | None = None, n_batch: int = 0, n_dense: int = 0,
                   index_dtype: Any = np.int32) -> BCOO:
    """A BCOO of the elements of a dense array that are not zero.

    Args:
      mat: the array.
      nse: how many elements to store per batch; by default as many as there are, which takes
        concrete values. With more, the rest is padding; with fewer, the last ones are left out.
      n_batch, n_dense: how many of the first and last axes are batch and dense axes.
      index_dtype: the dtype of the indices.

    Errors: ValueError for axes that do not fit; ConcretizationTypeError under `jit` without `nse`.

    Example:
      >>> mat = bcoo_fromdense(jnp.array([[0, 3], [4, 0]]))
      >>> print(mat.data, *mat.indices)
      [3 4] [0 1] [1 0]

    Source: `jax.experimental.sparse.bcoo_fromdense`.
    """
    mat = jnp.asarray(mat)
    n_sparse = mat.ndim - n_batch - n_dense
    if n_batch < 0 or n_dense < 0 or n_sparse < 0:
        raise ValueError(f"bcoo_fromdense: n_batch={n_batch} and n_dense={n_dense} do not fit an "
                         f"array of shape {mat.shape}")
    count = count_stored_elements(mat, n_batch, n_dense) if nse is None else int(nse)
    data, indices = nfold_vmap(partial(
        entries.from_dense, nse=count, n_sparse=n_sparse, index_dtype=index_dtype), n_batch)(mat)
    return BCOO((data, indices), shape=mat.shape, indices_sorted=True, unique_indices=True)


def bcoo_extract(sparr: BCOO, arr: Any, *, assume_unique: bool | None = None) -> BCOO:
    """The elements of a dense array where a BCOO has its own.

    Args:
      sparr: says where.
      arr: an array of the same shape.
      assume_unique: whether to take the element for each stored one; else the stored ones that
        repeat an index get zeros. By default as `sparr.unique_indices` says.

    Source: `jax.experimental.sparse.bcoo_extract`.
    """
    check_layout("bcoo_extract", sparr)
    arr = jnp.asarray(arr)
    if arr.shape != sparr.shape:
        raise ValueError(f"bcoo_extract: shapes must be equal, got {sparr.shape} and {arr.shape}")
    unique = sparr.unique_indices if assume_unique is None else assume_unique

    def one(indices: Any, array: Any) -> Any:
        found = entries.extract(indices, array)
        if unique:
            return found
        return entries.masked(entries.first_occurrences(indices, sparr.sparse_shape), found)
    data = nfold_vmap(one, sparr.n_batch)(sparr.indices, arr)
    return BCOO((data, sparr.indices), shape=sparr.shape, **known(sparr))


def bcoo_sort_indices(mat: BCOO) -> BCOO:
    """The array with its elements in the order of their indices.

    Source: `jax.experimental.sparse.bcoo_sort_indices`.
    """
    check_layout("bcoo_sort_indices", mat)

    def sort(indices: Any) -> Any:
        places = entries.order(indices)
        return places, indices[places]
    places, indices = nfold_vmap(sort, mat.n_batch)(mat.indices)
    data = nfold_vmap(lambda data, places: data[places], mat.n_batch)(mat.data, places)
    return BCOO((data, indices), shape=mat.shape, indices_sorted=True,
                unique_indices=mat.unique_indices)


def bcoo_sum_duplicates(mat: BCOO, nse: int | None = None) -> BCOO:
    """The array with one element for each index: those of the same index are summed.

    Args:
      nse: how many elements the result stores per batch; by default as many as it needs, which
        takes concrete values.

    Source: `jax.experimental.sparse.bcoo_sum_duplicates`.
    """
    check_layout("bcoo_sum_duplicates", mat)
    return summed(mat, nse, remove_zeros=False)


def bcoo_eliminate_zeros(mat: BCOO, nse: int | None = None) -> BCOO:
    """`bcoo_sum_duplicates`, without elements that are zero.

    Source: `jax.experimental.sparse.bcoo.bcoo_eliminate_zeros`.
    """
    check_layout("bcoo_eliminate_zeros", mat)
    return summed(mat, nse, remove_zeros=True)


def summed(mat: BCOO, nse: int | None, remove_zeros: bool) -> BCOO:
    options = {"sizes": mat.sparse_shape, "remove_zeros": remove_zeros}
    if nse is None:
        counts = nfold_vmap(partial(entries.count_unique, **options), mat.n_batch)(
            mat.data, mat.indices)
        nse = static_count(counts, "bcoo_sum_duplicates")
    data, indices = nfold_vmap(partial(entries.sum_duplicates, nse=nse, **options), mat.n_batch)(
        mat.data, mat.indices)
    return BCOO((data, indices), shape=mat.shape, indices_sorted=True, unique_indices=True)


def at_most(mat: BCOO, nse: int) -> BCOO:
    """The array, with its duplicates summed if it stores more than `nse` elements."""
    return mat if mat.nse <= nse else summed(mat, nse, remove_zeros=False)


def capacity(mat: BCOO) -> int:
    """How many elements a batch can have."""
    return math.prod(mat.sparse_shape)


# ---- layouts -----------------------------------------------------------------------------------

def bcoo_update_layout(mat: BCOO, *, n_batch: int | None = None, n_dense: int | None = None,
                       on_inefficient: str | None = "error") -> BCOO:
    """The same array with other numbers of batch and dense axes.

    Args:
      n_batch, n_dense: the numbers; by default those that there are. More of them than before
        (of axes longer than 1) store many zeros.
      on_inefficient: what to do then: "error", "warn" or None.

    Errors: SparseEfficiencyError; ValueError for numbers that do not fit.

    Source: `jax.experimental.sparse.bcoo_update_layout`.
    """
    check_layout("bcoo_update_layout", mat)
    n_batch = mat.n_batch if n_batch is None else int(n_batch)
    n_dense = mat.n_dense if n_dense is None else int(n_dense)
    if on_inefficient not in ("error", "warn", None):
        raise ValueError("bcoo_update_layout: on_inefficient must be 'error', 'warn' or None, got "
                         f"{on_inefficient!r}")
    if n_batch < 0 or n_dense < 0 or n_batch + n_dense > mat.ndim:
        raise ValueError(f"bcoo_update_layout: n_batch={n_batch} and n_dense={n_dense} do not fit "
                         f"shape {mat.shape}")
    if any(mat.shape[mat.n_batch:n_batch]) and max(mat.shape[mat.n_batch:n_batch]) > 1:
        _inefficient(f"n_batch from {mat.n_batch} to {n_batch}", on_inefficient)
    dense = mat.shape[mat.ndim - n_dense:mat.ndim - mat.n_dense] if n_dense > mat.n_dense else ()
    if any(size > 1 for size in dense):
        _inefficient(f"n_dense from {mat.n_dense} to {n_dense}", on_inefficient)
    # First all that a batch or dense axis becomes sparse by, then the other way.
    while mat.n_dense > n_dense:
        mat = _dense_to_sparse(mat)
    while mat.n_batch > n_batch:
        mat = _batch_to_sparse(mat)
    while mat.n_dense < n_dense:
        mat = _sparse_to_dense(mat)
    while mat.n_batch < n_batch:
        mat = _sparse_to_batch(mat)
    return mat


def _inefficient(change: str, action: str | None) -> None:
    message = f"bcoo_update_layout: changing {change} stores many zeros"
    if action == "error":
        raise SparseEfficiencyError(f"{message}; pass on_inefficient='warn' or None to do it")
    if action == "warn":
        warnings.warn(message, SparseEfficiencyWarning, stacklevel=4)


def _batch_to_sparse(mat: BCOO) -> BCOO:
    """The last batch axis as the first sparse one."""
    mat, axis = whole(mat), mat.n_batch - 1
    size = mat.shape[axis]
    rows = lax.broadcasted_iota(mat.indices.dtype, (*mat.indices.shape[:-1], 1), axis)
    valid = nfold_vmap(partial(entries.inside, sizes=mat.sparse_shape), mat.n_batch)(mat.indices)
    rows = jnp.where(valid[..., None], rows, jnp.asarray(size, rows.dtype))
    indices = jnp.concatenate([rows, mat.indices], axis=-1)

    def merged(x: Any) -> Any:
        return x.reshape(*x.shape[:axis], x.shape[axis] * x.shape[axis + 1], *x.shape[axis + 2:])
    return BCOO((merged(mat.data), merged(indices)), shape=mat.shape, **known(mat))


def _dense_to_sparse(mat: BCOO) -> BCOO:
    """The first dense axis as the last sparse one."""
    size = mat.dense_shape[0]

    def one(data: Any, indices: Any) -> Any:
        old, new = entries.pairs(indices, jnp.arange(size, dtype=indices.dtype)[:, None])
        found = jnp.concatenate([old, new], axis=1)
        return data.reshape(data.shape[0] * size, *data.shape[2:]), found
    data, indices = nfold_vmap(one, mat.n_batch)(mat.data, mat.indices)
    return BCOO((data, indices), shape=mat.shape, **known(mat))


def _sparse_to_batch(mat: BCOO) -> BCOO:
    """The first sparse axis as the last batch one."""
    size, rest = mat.sparse_shape[0], mat.sparse_shape[1:]

    def one(data: Any, indices: Any) -> Any:
        here = jnp.arange(size, dtype=indices.dtype)[:, None] == indices[None, :, 0]
        new = jnp.where(here[..., None], indices[None, :, 1:], entries.limits(
            rest, indices)[None])
        values = jnp.where(here.reshape(*here.shape, *(1,) * (data.ndim - 1)), data[None],
                           jnp.zeros((), data.dtype))
        return values, new
    data, indices = nfold_vmap(one, mat.n_batch)(mat.data, mat.indices)
    return BCOO((data, indices), shape=mat.shape, unique_indices=mat.unique_indices and bool(rest))


def _sparse_to_dense(mat: BCOO) -> BCOO:
    """The last sparse axis as the first dense one."""
    size = mat.sparse_shape[-1]

    def one(data: Any, indices: Any) -> Any:
        here = (indices[:, -1:] == jnp.arange(size, dtype=indices.dtype)[None])
        here &= entries.inside(indices, mat.sparse_shape)[:, None]
        values = jnp.where(here.reshape(*here.shape, *(1,) * (data.ndim - 1)), data[:, None],
                           jnp.zeros((), data.dtype))
        return values, indices[:, :-1]
    data, indices = nfold_vmap(one, mat.n_batch)(mat.data, mat.indices)
    return BCOO((data, indices), shape=mat.shape, indices_sorted=mat.indices_sorted)
