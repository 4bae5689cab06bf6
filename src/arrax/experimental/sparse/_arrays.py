"""The batched formats, as arrays that belong together; what can be done with them is elsewhere
(`bcoo`, `bcsr`), and `_methods` installs their methods and operators."""
from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

from arrax import numpy as jnp
from arrax import tree_util
from arrax.experimental.sparse.util import JAXSparse, Shape, SparseInfo, shape_of_children


class BCOOProperties(NamedTuple):
    """How many axes of a BCOO are of each kind, and its number of stored elements."""

    n_batch: int
    n_sparse: int
    n_dense: int
    nse: int


class BCSRProperties(NamedTuple):
    """How many axes of a BCSR are of each kind, and its number of stored elements."""

    n_batch: int
    n_dense: int
    nse: int


def _ndim(x: Any) -> int:
    return len(x.shape)


class _Batched(JAXSparse):
    """Base of BCOO and BCSR: batch axes, then sparse ones, then dense ones."""

    data: Any
    indices: Any
    indices_sorted: bool
    unique_indices: bool
    n_batch: int
    n_sparse: int

    n_dense = property(lambda self: _ndim(self.data) - 1 - self.n_batch)
    nse = property(lambda self: self.indices.shape[self.n_batch])
    _info = property(lambda self: SparseInfo(self.shape, self.indices_sorted, self.unique_indices))
    batch_shape = property(lambda self: self.shape[:self.n_batch])
    sparse_shape = property(lambda self: self.shape[self.n_batch:self.n_batch + self.n_sparse])
    dense_shape = property(lambda self: self.shape[self.n_batch + self.n_sparse:])

    def _layout(self) -> dict[str, int]:
        self._check()
        return {k: v for k, v in (("n_batch", self.n_batch), ("n_dense", self.n_dense)) if v}

    def _children(self) -> tuple[Any, ...]:
        raise NotImplementedError

    def _check(self) -> None:
        raise NotImplementedError

    def tree_flatten(self) -> tuple[tuple[Any, ...], Any]:
        """The arrays, and what is known of them."""
        n_batch = self.n_batch
        return self._children(), (self.shape, n_batch, tuple(self.indices.shape[n_batch:]),
                                  self.indices_sorted, self.unique_indices)


def _leader(x: Any, rest: int) -> Shape:
    """The sizes of the leading axes of an array that has `rest` others."""
    shape = x.shape
    return tuple(shape[:len(shape) - rest])


@tree_util.register_pytree_node_class
class BCOO(_Batched):
    """A batched array in coordinate format.

    Args:
      args: (data, indices): the stored elements [*batch, nse, *dense] and their indices
        [*batch, nse, n_sparse] along the sparse axes. Batch axes of size 1 count as any size.
        Elements of the same index are summed; those with indices out of bounds count for nothing.
      shape: (*batch, *sparse, *dense).
      indices_sorted, unique_indices: what is known of the indices of each batch.

    Example:
      >>> BCOO((jnp.array([1., 2.]), jnp.array([[0, 1], [2, 0]])), shape=(3, 2)).todense()
      Array([[0., 1.],
             [0., 0.],
             [2., 0.]], dtype=float32)

    Source: `jax.experimental.sparse.BCOO`.
    """

    def __init__(self, args: tuple[Any, Any], *, shape: Sequence[int],
                 indices_sorted: bool = False, unique_indices: bool = False):
        self.data, self.indices = map(jnp.asarray, args)
        self.indices_sorted, self.unique_indices = bool(indices_sorted), bool(unique_indices)
        super().__init__(args, shape=shape)
        self._check()

    def _check(self) -> None:
        _check_bcoo(self)

    n_batch = property(lambda self: _ndim(self.indices) - 2)
    n_sparse = property(lambda self: self.indices.shape[-1])
    _bufs = property(lambda self: (self.data, self.indices))

    def _children(self) -> tuple[Any, ...]:
        return self.data, self.indices

    @classmethod
    def tree_unflatten(cls, known: Any, children: Any) -> BCOO:
        """The array of arrays, whatever these are."""
        new = object.__new__(cls)
        new.data, new.indices = children
        new.shape, n_batch, entries, new.indices_sorted, new.unique_indices = known
        if all(hasattr(x, "shape") for x in children):
            _check_mapped("BCOO", n_batch, entries, new.indices)
            rest = len(new.shape) - n_batch - getattr(new.indices, "shape", (0,))[-1] + 1
            new.shape = shape_of_children(new.shape, n_batch, _leader(new.data, rest),
                                          _leader(new.indices, 2))
        return new


@tree_util.register_pytree_node_class
class BCSR(_Batched):
    """A batched array in compressed row format, with two sparse axes.

    Args:
      args: (data, indices, indptr): the stored elements [*batch, nse, *dense], their columns
        [*batch, nse], and where each row begins among them [*batch, rows + 1].
      shape: (*batch, rows, columns, *dense).
      indices_sorted, unique_indices: what is known of the columns of each row.

    Example:
      >>> columns, rows = jnp.array([1, 0]), jnp.array([0, 1, 2])
      >>> BCSR((jnp.array([1., 2.]), columns, rows), shape=(2, 2)).todense()
      Array([[0., 1.],
             [2., 0.]], dtype=float32)

    Source: `jax.experimental.sparse.BCSR`.
    """

    indptr: Any
    n_sparse = 2

    def __init__(self, args: tuple[Any, Any, Any], *, shape: Sequence[int],
                 indices_sorted: bool = False, unique_indices: bool = False):
        self.data, self.indices, self.indptr = map(jnp.asarray, args)
        self.indices_sorted, self.unique_indices = bool(indices_sorted), bool(unique_indices)
        super().__init__(args, shape=shape)
        self._check()

    def _check(self) -> None:
        _check_bcsr(self)

    n_batch = property(lambda self: _ndim(self.indices) - 1)
    _sparse_shape = property(lambda self: self.sparse_shape)
    _bufs = property(lambda self: (self.data, self.indices, self.indptr))

    def _children(self) -> tuple[Any, ...]:
        return self.data, self.indices, self.indptr

    @classmethod
    def tree_unflatten(cls, known: Any, children: Any) -> BCSR:
        """The array of arrays, whatever these are."""
        new = object.__new__(cls)
        new.data, new.indices, new.indptr = children
        new.shape, n_batch, entries, new.indices_sorted, new.unique_indices = known
        if all(hasattr(x, "shape") for x in children):
            _check_mapped("BCSR", n_batch, entries, new.indices)
            new.shape = shape_of_children(
                new.shape, n_batch, _leader(new.data, len(new.shape) - n_batch - 1),
                _leader(new.indices, 1), _leader(new.indptr, 1))
        return new


def _check_mapped(name: str, n_batch: int, entries: Shape, indices: Any) -> None:
    """ValueError if a transformation took an axis away that is no batch axis."""
    lost = n_batch + len(entries) - len(indices.shape)
    if lost > 0 and (lost > n_batch or tuple(indices.shape[n_batch - lost:]) != entries):
        raise ValueError(f"Cannot map over a {name} array with n_batch={n_batch} along other axes "
                         "than its batch axes; use update_layout to have more of them")


def _check_bcoo(mat: BCOO) -> None:
    name, data, indices, shape = "BCOO", mat.data, mat.indices, mat.shape
    if indices.ndim < 2:
        raise ValueError(f"{name}: indices must have at least 2 axes, [nse, n_sparse], got shape "
                         f"{indices.shape}")
    _check_indices(name, indices)
    n_batch, n_sparse = mat.n_batch, mat.n_sparse
    if mat.n_dense < 0 or n_batch + n_sparse + mat.n_dense != len(shape):
        raise ValueError(f"{name}: data {data.shape} and indices {indices.shape} have {n_batch} "
                         f"batch, {n_sparse} sparse and {mat.n_dense} dense axes, which are not "
                         f"those of shape {shape}")
    if data.shape[n_batch] not in (indices.shape[n_batch], 1):
        raise ValueError(f"{name}: data {data.shape} and indices {indices.shape} store different "
                         "numbers of elements")
    _check_batch(name, shape[:n_batch], data, indices)
    _check_dense(name, mat)


def _check_bcsr(mat: BCSR) -> None:
    name, data, indices, indptr = "BCSR", mat.data, mat.indices, mat.indptr
    n_batch = indices.ndim - 1
    _check_indices(name, indices)
    if n_batch < 0 or indptr.ndim != n_batch + 1 or n_batch + 2 + mat.n_dense != mat.ndim \
            or mat.n_dense < 0:
        raise ValueError(f"{name}: data {data.shape}, indices {indices.shape} and indptr "
                         f"{indptr.shape} do not fit shape {mat.shape}")
    if indptr.shape[-1] != mat.shape[n_batch] + 1:
        raise ValueError(f"{name}: indptr must have one element more than rows, "
                         f"{mat.shape[n_batch] + 1}, got shape {indptr.shape}")
    if data.shape[n_batch] != indices.shape[n_batch]:
        raise ValueError(f"{name}: data {data.shape} and indices {indices.shape} store different "
                         "numbers of elements")
    _check_batch(name, mat.shape[:n_batch], data, indices, indptr)
    _check_dense(name, mat)


def _check_indices(name: str, indices: Any) -> None:
    if not jnp.issubdtype(indices.dtype, jnp.integer):
        raise ValueError(f"{name}: indices must be integers, got {indices.dtype}")


def _check_batch(name: str, batch: Shape, *arrays: Any) -> None:
    for x in arrays:
        if any(have not in (size, 1)
               for have, size in zip(x.shape[:len(batch)], batch, strict=True)):
            raise ValueError(f"{name}: the batch axes of an array of shape {x.shape} do not fit "
                             f"{batch}")


def _check_dense(name: str, mat: _Batched) -> None:
    dense = mat.data.shape[mat.n_batch + 1:]
    if tuple(dense) != tuple(mat.dense_shape):
        raise ValueError(f"{name}: the dense axes of data {mat.data.shape} do not fit shape "
                         f"{mat.shape}")
