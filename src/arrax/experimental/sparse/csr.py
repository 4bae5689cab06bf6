"""`arrax.experimental.sparse.csr`: matrices in compressed row and column format.

Source: `jax.experimental.sparse.csr`.
"""
from __future__ import annotations

from typing import Any, Self

import numpy as np

from arrax import numpy as jnp
from arrax import tree_util
from arrax.core.lazy import listing as _listing
from arrax.experimental.sparse import coo
from arrax.experimental.sparse.bcsr import row_numbers, row_pointers
from arrax.experimental.sparse.util import JAXSparse

__all__ = ["CSC", "CSR", "csr_fromdense", "csr_matmat", "csr_matvec", "csr_todense"]


class _Compressed(JAXSparse):
    """A matrix whose rows (of CSC: columns) begin at `indptr` among the elements."""

    indices: Any
    indptr: Any

    def __init__(self, args: tuple[Any, Any, Any], *, shape: Any):
        self.data, self.indices, self.indptr = map(jnp.asarray, args)
        super().__init__(args, shape=shape)

    _bufs = property(lambda self: (self.data, self.indices, self.indptr))

    def tree_flatten(self) -> tuple[tuple[Any, Any, Any], Any]:
        """The arrays, and the shape."""
        return self._bufs, self.shape

    @classmethod
    def tree_unflatten(cls, shape: Any, children: Any) -> Self:
        """The matrix of arrays, whatever these are."""
        new = object.__new__(cls)
        new.data, new.indices, new.indptr = children
        new.shape = shape
        return new

    def todense(self) -> Any:
        """The dense matrix."""
        return self._coo().todense()

    def _coo(self) -> coo.COO:
        raise NotImplementedError

    def __matmul__(self, other: Any) -> Any:
        mat = self._coo()
        return coo.product(type(self).__name__, self, other, lambda x: coo.coo_matvec(mat, x),
                           lambda x: coo.coo_matmat(mat, x))


@tree_util.register_pytree_node_class
class CSR(_Compressed):
    """A matrix in compressed row format.

    Args:
      args: (data, indices, indptr): the stored elements [nse], their columns [nse], and where each
        row begins among them [rows + 1].
      shape: two sizes.

    Example:
      >>> CSR.fromdense(jnp.array([[0., 2.], [3., 0.]])).indptr
      Array([0, 1, 2], dtype=int32)

    Source: `jax.experimental.sparse.CSR`.
    """

    def _coo(self) -> coo.COO:
        rows = row_numbers(self.indices, self.indptr)
        return coo.COO((self.data, rows, self.indices), shape=self.shape, rows_sorted=True)

    @classmethod
    def fromdense(cls, mat: Any, *, nse: int | None = None, index_dtype: Any = np.int32) -> CSR:
        """A CSR of the elements that are not zero; see `csr_fromdense`."""
        return csr_fromdense(mat, nse=nse, index_dtype=index_dtype)

    @classmethod
    def _empty(cls, shape: Any, *, dtype: Any = None, index_dtype: Any = "int32") -> CSR:
        return _from_coo(coo.COO._empty(shape, dtype=dtype, index_dtype=index_dtype))

    @classmethod
    def _eye(cls, N: int, M: int, k: int, *, dtype: Any = None, index_dtype: Any = "int32") -> CSR:
        return _from_coo(coo.COO._eye(N, M, k, dtype=dtype, index_dtype=index_dtype))

    def transpose(self, axes: Any = None) -> CSC:
        """The matrix with its axes exchanged, a CSC."""
        coo.check_axes(axes)
        return CSC(self._bufs, shape=self.shape[::-1])


@tree_util.register_pytree_node_class
class CSC(_Compressed):
    """A matrix in compressed column format: the transpose of a CSR.

    Source: `jax.experimental.sparse.CSC`.
    """

    def _coo(self) -> coo.COO:
        return self.transpose()._coo().transpose()

    @classmethod
    def fromdense(cls, mat: Any, *, nse: int | None = None, index_dtype: Any = np.int32) -> CSC:
        """A CSC of the elements of a dense matrix that are not zero."""
        return csr_fromdense(jnp.asarray(mat).T, nse=nse, index_dtype=index_dtype).transpose()

    @classmethod
    def _empty(cls, shape: Any, *, dtype: Any = None, index_dtype: Any = "int32") -> CSC:
        return CSR._empty(tuple(shape)[::-1], dtype=dtype, index_dtype=index_dtype).transpose()

    @classmethod
    def _eye(cls, N: int, M: int, k: int, *, dtype: Any = None, index_dtype: Any = "int32") -> CSC:
        return CSR._eye(M, N, -k, dtype=dtype, index_dtype=index_dtype).transpose()

    def transpose(self, axes: Any = None) -> CSR:
        """The matrix with its axes exchanged, a CSR."""
        coo.check_axes(axes)
        return CSR(self._bufs, shape=self.shape[::-1])


def _from_coo(mat: coo.COO) -> CSR:
    """The CSR of a COO whose rows are sorted."""
    return CSR((mat.data, mat.col, row_pointers(mat.row, mat.shape[0])), shape=mat.shape)


def csr_fromdense(mat: Any, *, nse: int | None = None, index_dtype: Any = np.int32) -> CSR:
    """A CSR of the elements of a dense matrix that are not zero; see `coo_fromdense`.

    Source: `jax.experimental.sparse.csr_fromdense`.
    """
    return _from_coo(coo.coo_fromdense(mat, nse=nse, index_dtype=index_dtype))


def csr_todense(mat: CSR) -> Any:
    """The dense matrix that a CSR stands for.

    Source: `jax.experimental.sparse.csr_todense`.
    """
    return mat.todense()


def csr_matvec(mat: CSR, v: Any, transpose: bool = False) -> Any:
    """`mat @ v`, or `mat.T @ v`, for a dense vector.

    Source: `jax.experimental.sparse.csr_matvec`.
    """
    return coo.coo_matvec(mat._coo(), v, transpose)


def csr_matmat(mat: CSR, B: Any, *, transpose: bool = False) -> Any:
    """`mat @ B`, or `mat.T @ B`, for a dense matrix.

    Source: `jax.experimental.sparse.csr_matmat`.
    """
    return coo.coo_matmat(mat._coo(), B, transpose=transpose)

__dir__ = _listing(__name__)
