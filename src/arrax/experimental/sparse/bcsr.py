"""`arrax.experimental.sparse.bcsr`: batched arrays in compressed row format.

Row numbers are sums of the ends of rows, and row pointers sums of the lengths of rows; all else is
done in coordinate format.

Source: `jax.experimental.sparse.bcsr`.
"""
from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from arrax import numpy as jnp
from arrax.core.lazy import listing as _listing
from arrax.experimental.sparse import _entries as entries
from arrax.experimental.sparse import bcoo
from arrax.experimental.sparse._arrays import BCOO, BCSR, BCSRProperties
from arrax.experimental.sparse.util import nfold_vmap

__all__ = ["BCSR", "BCSRProperties", "bcsr_broadcast_in_dim", "bcsr_concatenate",
           "bcsr_dot_general", "bcsr_eliminate_zeros", "bcsr_extract", "bcsr_fromdense",
           "bcsr_sum_duplicates", "bcsr_todense"]


def row_numbers(indices: Any, indptr: Any) -> Any:
    """The row of each element, of one batch: how many rows have ended before it."""
    ends = jnp.zeros(indices.shape[0], indices.dtype).at[indptr[1:]].add(1, mode="drop")
    return jnp.cumsum(ends, dtype=indices.dtype)


def row_pointers(rows: Any, count: int) -> Any:
    """Where each of `count` rows begins, for sorted row numbers, those out of bounds last."""
    counts = jnp.zeros(count, rows.dtype).at[rows].add(1, mode="drop")
    return jnp.concatenate([jnp.zeros(1, rows.dtype), jnp.cumsum(counts, dtype=rows.dtype)])


def bcsr_to_bcoo(mat: BCSR) -> BCOO:
    """The same array in coordinate format."""
    _check("bcsr_to_bcoo", mat)

    def one(indices: Any, indptr: Any) -> Any:
        return jnp.stack([row_numbers(indices, indptr), indices], axis=-1)
    indices = nfold_vmap(one, mat.n_batch)(mat.indices, mat.indptr)
    return BCOO((mat.data, indices), shape=mat.shape, indices_sorted=mat.indices_sorted,
                unique_indices=mat.unique_indices)


def bcoo_to_bcsr(mat: BCOO) -> BCSR:
    """The same array in compressed row format.

    Errors: ValueError for other than two sparse axes.
    """
    if mat.n_sparse != 2:
        raise ValueError(f"BCSR arrays have two sparse axes, got {mat}")
    if not mat.indices_sorted:
        mat = bcoo.bcoo_sort_indices(mat)
    indptr = nfold_vmap(lambda indices: row_pointers(indices[:, 0], mat.sparse_shape[0]),
                        mat.n_batch)(mat.indices)
    return BCSR((mat.data, mat.indices[..., 1], indptr), shape=mat.shape,
                indices_sorted=True, unique_indices=mat.unique_indices)


def _check(function: str, mat: Any) -> None:
    if not isinstance(mat, BCSR):
        raise TypeError(f"{function} expects a BCSR array, got {type(mat)}")


def bcsr_fromdense(mat: Any, *, nse: int | None = None, n_batch: int = 0, n_dense: int = 0,
                   index_dtype: Any = np.int32) -> BCSR:
    """A BCSR of the elements of a dense array that are not zero; see `bcoo_fromdense`.

    Source: `jax.experimental.sparse.bcsr_fromdense`.
    """
    return bcoo_to_bcsr(bcoo.bcoo_fromdense(mat, nse=nse, n_batch=n_batch, n_dense=n_dense,
                                            index_dtype=index_dtype))


def bcsr_todense(mat: BCSR) -> Any:
    """The dense array that a BCSR stands for.

    Source: `jax.experimental.sparse.bcsr_todense`.
    """
    return bcoo.bcoo_todense(bcsr_to_bcoo(mat))


def bcsr_extract(indices: Any, indptr: Any, mat: Any) -> Any:
    """The elements [*batch, nse, *dense] of a dense array where a BCSR has its own.

    Source: `jax.experimental.sparse.bcsr_extract`.
    """
    indices, indptr, mat = map(jnp.asarray, (indices, indptr, mat))

    def one(indices: Any, indptr: Any, mat: Any) -> Any:
        return entries.extract(jnp.stack([row_numbers(indices, indptr), indices], -1), mat)
    return nfold_vmap(one, indices.ndim - 1)(indices, indptr, mat)


def bcsr_sum_duplicates(mat: BCSR, nse: int | None = None) -> BCSR:
    """The array with one element for each index: those of the same index are summed.

    Source: `jax.experimental.sparse.bcsr_sum_duplicates`.
    """
    return bcoo_to_bcsr(bcoo.bcoo_sum_duplicates(bcsr_to_bcoo(mat), nse))


def bcsr_eliminate_zeros(mat: BCSR, nse: int | None = None) -> BCSR:
    """`bcsr_sum_duplicates`, without elements that are zero.

    Source: `jax.experimental.sparse.bcsr.bcsr_eliminate_zeros`.
    """
    return bcoo_to_bcsr(bcoo.bcoo_eliminate_zeros(bcsr_to_bcoo(mat), nse))


def bcsr_dot_general(lhs: Any, rhs: Any, *, dimension_numbers: Any, precision: Any = None,
                     preferred_element_type: Any = None, out_sharding: Any = None) -> Any:
    """`lax.dot_general` of a BCSR and a dense array; see `bcoo_dot_general`.

    Source: `jax.experimental.sparse.bcsr_dot_general`.
    """
    lhs, rhs = (bcsr_to_bcoo(x) if isinstance(x, BCSR) else x for x in (lhs, rhs))
    return bcoo.bcoo_dot_general(lhs, rhs, dimension_numbers=dimension_numbers,
                                 precision=precision, out_sharding=out_sharding,
                                 preferred_element_type=preferred_element_type)


def bcsr_broadcast_in_dim(mat: BCSR, *, shape: Sequence[int], broadcast_dimensions: Sequence[int],
                          sharding: Any = None) -> BCSR:
    """The array in a larger shape, which has two sparse axes as well; see `bcoo_broadcast_in_dim`.

    Source: `jax.experimental.sparse.bcsr_broadcast_in_dim`.
    """
    out = bcoo.bcoo_broadcast_in_dim(bcsr_to_bcoo(mat), shape=shape, sharding=sharding,
                                     broadcast_dimensions=broadcast_dimensions)
    return bcoo_to_bcsr(out)


def bcsr_concatenate(operands: Sequence[BCSR], *, dimension: int) -> BCSR:
    """Arrays joined along a batch or sparse axis.

    Source: `jax.experimental.sparse.bcsr_concatenate`.
    """
    return bcoo_to_bcsr(bcoo.bcoo_concatenate([bcsr_to_bcoo(x) for x in operands],
                                              dimension=dimension))

__dir__ = _listing(__name__)
