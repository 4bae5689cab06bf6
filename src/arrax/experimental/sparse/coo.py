"""`arrax.experimental.sparse.coo`: matrices in coordinate format.

Source: `jax.experimental.sparse.coo`.
"""
from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from arrax import lax, tree_util
from arrax import numpy as jnp
from arrax.core.lazy import listing as _listing
from arrax.experimental.sparse import _entries as entries
from arrax.experimental.sparse.util import JAXSparse, Shape, count_stored_elements

__all__ = ["COO", "COOInfo", "Shape", "coo_fromdense", "coo_matmat", "coo_matvec", "coo_todense"]


class COOInfo(NamedTuple):
    """The shape of a COO, and what is known of its indices."""

    shape: Shape
    rows_sorted: bool = False
    cols_sorted: bool = False


@tree_util.register_pytree_node_class
class COO(JAXSparse):
    """A matrix in coordinate format.

    Args:
      args: (data, row, col): the stored elements and their places, each of shape [nse]. Those of
        the same place are summed; those out of bounds count for nothing.
      shape: two sizes.
      rows_sorted, cols_sorted: what is known of the indices.

    Example:
      >>> COO.fromdense(jnp.array([[0., 2.], [3., 0.]])) @ jnp.ones(2)
      Array([2., 3.], dtype=float32)

    Source: `jax.experimental.sparse.COO`.
    """

    row: Any
    col: Any

    def __init__(self, args: tuple[Any, Any, Any], *, shape: Shape, rows_sorted: bool = False,
                 cols_sorted: bool = False):
        self.data, self.row, self.col = map(jnp.asarray, args)
        self._rows_sorted, self._cols_sorted = rows_sorted, cols_sorted
        super().__init__(args, shape=shape)

    _bufs = property(lambda self: (self.data, self.row, self.col))
    _info = property(lambda self: COOInfo(self.shape, self._rows_sorted, self._cols_sorted))

    @classmethod
    def fromdense(cls, mat: Any, *, nse: int | None = None, index_dtype: Any = np.int32) -> COO:
        """A COO of the elements that are not zero; see `coo_fromdense`."""
        return coo_fromdense(mat, nse=nse, index_dtype=index_dtype)

    @classmethod
    def _empty(cls, shape: Any, *, dtype: Any = None, index_dtype: Any = "int32") -> COO:
        none = jnp.zeros(0, index_dtype)
        return cls((jnp.zeros(0, dtype), none, none), shape=_pair("COO", shape),
                   rows_sorted=True, cols_sorted=True)

    @classmethod
    def _eye(cls, N: int, M: int, k: int, *, dtype: Any = None, index_dtype: Any = "int32") -> COO:
        row, col = diagonal(N, M, k, index_dtype)
        return cls((jnp.ones(len(row), dtype), row, col), shape=(N, M), rows_sorted=True,
                   cols_sorted=True)

    def _sort_indices(self) -> COO:
        row, col, data = lax.sort((self.row, self.col, self.data), num_keys=2)
        return COO((data, row, col), shape=self.shape, rows_sorted=True)

    def todense(self) -> Any:
        """The dense matrix."""
        return coo_todense(self)

    def transpose(self, axes: tuple[int, ...] | None = None) -> COO:
        """The matrix with its axes exchanged."""
        check_axes(axes)
        return COO((self.data, self.col, self.row), shape=self.shape[::-1],
                   rows_sorted=self._cols_sorted, cols_sorted=self._rows_sorted)

    def tree_flatten(self) -> tuple[tuple[Any, Any, Any], Any]:
        """The arrays, and what is known of them."""
        return self._bufs, self._info

    @classmethod
    def tree_unflatten(cls, known: Any, children: Any) -> COO:
        """The matrix of arrays, whatever these are."""
        new = object.__new__(cls)
        new.data, new.row, new.col = children
        new.shape, new._rows_sorted, new._cols_sorted = known
        return new

    def __matmul__(self, other: Any) -> Any:
        return product("COO", self, other, lambda x: coo_matvec(self, x),
                       lambda x: coo_matmat(self, x))


def diagonal(rows: int, columns: int, k: int, dtype: Any) -> tuple[Any, Any]:
    """Row and column numbers of the elements of a diagonal."""
    count = max(min(rows, rows + k, columns, columns - k), 0)
    numbers = jnp.arange(count, dtype=dtype)
    return numbers + max(-k, 0), numbers + max(k, 0)


def check_axes(axes: Any) -> None:
    """NotImplementedError for transposes of a matrix that do not exchange its axes."""
    if axes is not None and tuple(axes) != (1, 0):
        raise NotImplementedError(f"transpose of a sparse matrix: axes must be (1, 0), got {axes}")


def product(name: str, mat: JAXSparse, other: Any, matvec: Any, matmat: Any) -> Any:
    """`mat @ other` for a dense vector or matrix, in the dtype that both promote to."""
    if isinstance(other, JAXSparse):
        raise NotImplementedError(f"matmul between two sparse matrices of type {name}; use BCOO")
    other = jnp.asarray(other)
    if other.ndim not in (1, 2):
        raise NotImplementedError(f"{name} @ array of shape {other.shape}; use BCOO")
    if other.shape[0] != mat.shape[1]:
        raise TypeError(f"{name} @ array: shapes {mat.shape} and {other.shape} do not fit")
    other = other.astype(jnp.result_type(mat.data, other))
    return matvec(other) if other.ndim == 1 else matmat(other)


def coo_fromdense(mat: Any, *, nse: int | None = None, index_dtype: Any = np.int32) -> COO:
    """A COO of the elements of a dense matrix that are not zero.

    Args:
      mat: the matrix.
      nse: how many elements to store; by default as many as there are, which takes concrete values.
      index_dtype: the dtype of the indices.

    Source: `jax.experimental.sparse.coo_fromdense`.
    """
    mat = jnp.asarray(mat)
    shape = _pair("coo_fromdense", mat.shape)
    count = count_stored_elements(mat) if nse is None else int(nse)
    data, indices = entries.from_dense(mat, count, 2, index_dtype)
    return COO((data, *entries.columns(indices)), shape=shape, rows_sorted=True)


def _pair(name: str, shape: Any) -> tuple[int, int]:
    if len(shape) != 2:
        raise ValueError(f"{name}: must have two axes, got shape {tuple(shape)}")
    return int(shape[0]), int(shape[1])


def coo_todense(mat: COO) -> Any:
    """The dense matrix that a COO stands for.

    Source: `jax.experimental.sparse.coo_todense`.
    """
    zeros = jnp.zeros(mat.shape, mat.data.dtype)
    return entries.added(zeros, (mat.row, mat.col), mat.data)


def _turned(mat: COO, transpose: bool) -> COO:
    return mat.transpose() if transpose else mat


def coo_matvec(mat: COO, v: Any, transpose: bool = False) -> Any:
    """`mat @ v`, or `mat.T @ v`, for a dense vector.

    Source: `jax.experimental.sparse.coo_matvec`.
    """
    return coo_matmat(mat, jnp.asarray(v)[:, None], transpose=transpose)[:, 0]


def coo_matmat(mat: COO, B: Any, *, transpose: bool = False) -> Any:
    """`mat @ B`, or `mat.T @ B`, for a dense matrix.

    Source: `jax.experimental.sparse.coo_matmat`.
    """
    mat, B = _turned(mat, transpose), jnp.asarray(B)
    rows = B.at[mat.col].get(mode="fill", fill_value=0)
    products = mat.data[:, None] * rows
    return entries.added(jnp.zeros((mat.shape[0], B.shape[1]), products.dtype), mat.row, products)

__dir__ = _listing(__name__)
