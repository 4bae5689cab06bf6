"""BCOO arrays: products with dense arrays and with each other."""
from __future__ import annotations

import math
from collections.abc import Sequence
from functools import partial
from typing import Any, NamedTuple

import numpy as np

from arrax import lax
from arrax import numpy as jnp
from arrax.core.remembered import remembered
from arrax.experimental.sparse import _entries as entries
from arrax.experimental.sparse._arrays import BCOO
from arrax.experimental.sparse._conversions import (at_most, bcoo_fromdense,
                                                    bcoo_update_layout, capacity, check_layout,
                                                    known, whole)
from arrax.experimental.sparse.util import nfold_vmap

Dimensions = tuple[tuple[Sequence[int], Sequence[int]], tuple[Sequence[int], Sequence[int]]]


def promoted(x: Any, y: Any) -> tuple[Any, Any]:
    """Two dense arrays in the dtype that they promote to."""
    dtype = jnp.result_type(x, y)
    return x.astype(dtype), y.astype(dtype)


# ---- elementwise -------------------------------------------------------------------------------

def bcoo_multiply_dense(sp_mat: BCOO, v: Any) -> BCOO:
    """The elementwise product with a dense array that broadcasts to the same shape.

    Source: `jax.experimental.sparse.bcoo_multiply_dense`.
    """
    return scaled(sp_mat, v, jnp.multiply, "bcoo_multiply_dense")


def scaled(mat: BCOO, v: Any, function: Any, name: str) -> BCOO:
    """`function` of the stored elements and of those of a dense array beside them."""
    check_layout(name, mat)
    v = jnp.asarray(v)
    if v.ndim > mat.ndim or any(have not in (1, size) for have, size in zip(
            v.shape[::-1], mat.shape[::-1], strict=False)):
        raise NotImplementedError(f"{name}: a dense array of shape {v.shape} does not broadcast to "
                                  f"the sparse array's shape {mat.shape}")
    if v.ndim == 0:
        return BCOO((function(mat.data, v), mat.indices), shape=mat.shape, **known(mat))
    v = v.reshape((1,) * (mat.ndim - v.ndim) + v.shape)
    data = nfold_vmap(partial(_scaled, function=function), mat.n_batch)(mat.data, mat.indices, v)
    return BCOO((data, mat.indices), shape=mat.shape, **known(mat))


def _scaled(data: Any, indices: Any, v: Any, function: Any) -> Any:
    single = np.array([size == 1 for size in v.shape[:indices.shape[1]]], bool)
    places = jnp.where(jnp.asarray(single)[None], jnp.zeros((), indices.dtype), indices)
    if function is jnp.multiply:
        return data * entries.extract(places, v)
    keep = entries.inside(places, v.shape[:indices.shape[1]])
    beside = entries.extract(places, v)  # of padding: ones, so that nothing divides by zero
    ones = jnp.ones((), beside.dtype)
    return function(data, jnp.where(keep.reshape(keep.shape + (1,) * (beside.ndim - 1)), beside,
                                    ones))


def bcoo_multiply_sparse(lhs: BCOO, rhs: BCOO) -> BCOO:
    """The elementwise product of two sparse arrays of as many axes, which may have size 1.

    Source: `jax.experimental.sparse.bcoo_multiply_sparse`.
    """
    check_layout("bcoo_multiply_sparse", lhs)
    check_layout("bcoo_multiply_sparse", rhs)
    if lhs.ndim != rhs.ndim:
        raise NotImplementedError("bcoo_multiply_sparse: arrays must have as many axes, got shapes "
                                  f"{lhs.shape} and {rhs.shape}")
    if lhs.n_dense != rhs.n_dense:
        raise NotImplementedError("bcoo_multiply_sparse: arrays must have as many dense axes, got "
                                  f"{lhs.n_dense} and {rhs.n_dense}")
    shape = np.broadcast_shapes(lhs.shape, rhs.shape)
    n_batch = min(lhs.n_batch, rhs.n_batch)
    lhs, rhs = (bcoo_update_layout(x, n_batch=n_batch) for x in (lhs, rhs))
    sizes = shape[n_batch:n_batch + lhs.n_sparse]
    free = [np.array([s == 1 for s in x.sparse_shape], bool) for x in (lhs, rhs)]

    def one(data: Any, indices: Any, other: Any, other_indices: Any) -> tuple[Any, Any]:
        x, y = entries.pairs(indices, other_indices)
        keep = ((x == y) | jnp.asarray(free[0] | free[1])[None]).all(1)
        keep &= entries.inside(x, lhs.sparse_shape) & entries.inside(y, rhs.sparse_shape)
        x_data, y_data = promoted(*entries.pairs(data, other))
        place = jnp.where(jnp.asarray(free[0])[None], y.astype(x.dtype), x)
        return entries.masked(keep, x_data * y_data), entries.padded(keep, place, sizes)
    data, indices = nfold_vmap(one, n_batch)(lhs.data, lhs.indices, rhs.data, rhs.indices)
    out = BCOO((data, indices), shape=shape)
    most = lhs.nse * rhs.nse if (free[0] | free[1]).any() else min(lhs.nse, rhs.nse)
    return at_most(out, min(most, capacity(out)))


# ---- dot_general -------------------------------------------------------------------------------

def bcoo_dot_general(lhs: Any, rhs: Any, *, dimension_numbers: Dimensions, precision: Any = None,
                     preferred_element_type: Any = None, out_sharding: Any = None) -> Any:
    """`lax.dot_general` of arrays of which one or both are BCOO.

    Args:
      lhs, rhs: BCOO or dense arrays.
      dimension_numbers: ((lhs contracting, rhs contracting), (lhs batch, rhs batch)).
      precision: that of dense products inside.
      preferred_element_type: the dtype to compute and return.
      out_sharding: must be None.

    Returns: a BCOO if both are, else a dense array.

    Errors: TypeError for axes that do not fit; NotImplementedError and ValueError for two sparse
    arrays whose result would have sparse axes before batch axes.

    Source: `jax.experimental.sparse.bcoo_dot_general`.
    """
    if out_sharding is not None:
        raise NotImplementedError("bcoo_dot_general: out_sharding is not supported")
    numbers = tuple(tuple(tuple(int(a) for a in axes) for axes in pair)
                    for pair in dimension_numbers)
    (lhs_contract, rhs_contract), (lhs_batch, rhs_batch) = numbers
    lhs, rhs = (x if isinstance(x, BCOO) else jnp.asarray(x) for x in (lhs, rhs))
    _check_sizes(lhs, rhs, lhs_contract, rhs_contract)
    _check_sizes(lhs, rhs, lhs_batch, rhs_batch)
    if isinstance(lhs, BCOO) and isinstance(rhs, BCOO):
        return _sparse_sparse(lhs, rhs, numbers, preferred_element_type)
    if isinstance(lhs, BCOO):
        return _sparse_dense(lhs, rhs, numbers, precision, preferred_element_type)
    if not isinstance(rhs, BCOO):
        raise TypeError("bcoo_dot_general expects a BCOO array, got two dense ones")
    out = _sparse_dense(rhs, lhs, ((rhs_contract, lhs_contract), (rhs_batch, lhs_batch)),
                        precision, preferred_element_type)
    batch = len(lhs_batch)
    middle = batch + rhs.ndim - batch - len(rhs_contract)
    return out.transpose(*range(batch), *range(middle, out.ndim), *range(batch, middle))


def _check_sizes(lhs: Any, rhs: Any, left: Sequence[int], right: Sequence[int]) -> None:
    if len(left) != len(right) or any(
            not (0 <= a < lhs.ndim and 0 <= b < rhs.ndim) or lhs.shape[a] != rhs.shape[b]
            for a, b in zip(left, right, strict=True)):
        raise TypeError(f"bcoo_dot_general: axes {tuple(left)} of an array of shape {lhs.shape} "
                        f"and {tuple(right)} of one of shape {rhs.shape} do not fit")


def _sparse_dense(mat: BCOO, dense: Any, numbers: Any, precision: Any, dtype: Any) -> Any:
    return _product(mat.data, mat.indices, dense, mat.shape, numbers, precision, dtype)


@remembered
def _product(data: Any, indices: Any, dense: Any, shape: tuple[int, ...], numbers: Any,
             precision: Any, dtype: Any) -> Any:
    """The product of a BCOO and a dense array, as a dense array [batch axes, free axes of the
    BCOO, free axes of the other].

    Every axis of `mat` has a label (its number), shared by the axis of `dense` that it meets; the
    others of `dense` have labels from `mat.ndim` on. Without batch axes: gather the rows of `dense`
    that the entries meet, multiply, and add each product to its place.
    """
    (contract, dense_contract), (batch, dense_batch) = numbers
    data, dense = promoted(data, dense)
    if dtype is not None:
        data, dense = data.astype(dtype), dense.astype(dtype)
    mat = BCOO((data, indices), shape=shape)
    meets = dict(zip((*dense_contract, *dense_batch), (*contract, *batch), strict=True))
    fresh = iter(range(mat.ndim, mat.ndim + dense.ndim))
    labels = [meets[a] if a in meets else next(fresh) for a in range(dense.ndim)]
    plan = _Plan(mat, tuple(labels), tuple(contract))
    function = partial(plan.one, precision=precision)
    for axis in reversed(range(mat.n_batch)):
        outer = labels[:]
        for done in range(axis):  # axes that are mapped further out are gone
            if done in outer:
                outer.remove(done)
        function = _mapped(function, outer.index(axis) if axis in outer else None)
    full = whole(mat) if mat.n_batch else mat
    out = function(full.data, full.indices, dense)
    have = [*range(mat.n_batch), *plan.results]
    summed = [a for a in contract if a < mat.n_batch]
    out = out.sum([have.index(a) for a in summed], dtype=out.dtype) if summed else out
    have = [a for a in have if a not in summed]
    want = [*batch, *(a for a in range(mat.ndim) if a not in batch and a not in contract),
            *(a for a in labels if a >= mat.ndim)]
    return out.transpose(*(have.index(a) for a in want))


def _mapped(function: Any, axis: int | None) -> Any:
    def call(data: Any, indices: Any, dense: Any) -> Any:
        return nfold_vmap(function, 1, broadcasted=False, in_axes=(0, 0, axis))(
            data, indices, dense)
    return call


class _Plan:
    """The product of one batch element; `results` are the labels of its axes."""

    def __init__(self, mat: BCOO, labels: tuple[int, ...], contract: tuple[int, ...]):
        n, first_dense = mat.n_batch, mat.n_batch + mat.n_sparse
        self.sizes = mat.shape
        self.sparse = range(n, first_dense)
        self.dense = list(range(first_dense, mat.ndim))
        self.labels = [a for a in labels if a >= n]
        self.gathered = [a for a in self.sparse if a in self.labels]
        self.placed = [a for a in self.sparse if a not in contract]
        self.rest = [a for a in self.labels if a not in self.gathered]
        kept = [a for a in self.dense if a not in contract]
        self.tail = kept + [a for a in self.rest if a not in self.dense]
        self.results = self.placed + self.tail

    def one(self, data: Any, indices: Any, dense: Any, precision: Any) -> Any:
        first = self.sparse.start
        places = indices[:, np.array([a - first for a in self.gathered], int)]
        dense = dense.transpose(*(self.labels.index(a) for a in self.gathered + self.rest))
        entry = -1  # the label of the entries' axis
        if self.gathered:
            rows = entries.extract(places, dense)
            row_labels = [entry, *self.rest]
        else:
            rows, row_labels = dense, self.rest
        if not self.placed:
            keep = entries.inside(indices, [self.sizes[a] for a in self.sparse])
            data = entries.masked(keep, data)
            return _einsum(data, [entry, *self.dense], rows, row_labels, self.tail, precision)
        products = _einsum(data, [entry, *self.dense], rows, row_labels, [entry, *self.tail],
                           precision)
        sizes = [self.sizes[a] for a in self.placed]
        target = jnp.zeros((*sizes, *products.shape[1:]), products.dtype)
        keep = entries.inside(indices, [self.sizes[a] for a in self.sparse])
        where = entries.padded(keep, indices[:, np.array([a - first for a in self.placed])], sizes)
        return entries.added(target, entries.columns(where), products)


def _einsum(x: Any, x_labels: Sequence[int], y: Any, y_labels: Sequence[int],
            out: Sequence[int], precision: Any) -> Any:
    letters = {a: i for i, a in enumerate(dict.fromkeys([*x_labels, *y_labels, *out]))}
    return jnp.einsum(x, [letters[a] for a in x_labels], y, [letters[a] for a in y_labels],
                      [letters[a] for a in out], precision=precision,
                      preferred_element_type=x.dtype)


# ---- sparse times sparse -----------------------------------------------------------------------

class _Side(NamedTuple):
    """Where the axes of an operand of a sparse-sparse product are."""

    mat: BCOO
    contract: tuple[int, ...]  # sparse axes, counted from the first
    free: list[int]
    batch: tuple[int, ...]
    free_batch: list[int]


def _side(mat: BCOO, contract: Sequence[int], batch: Sequence[int]) -> _Side:
    n = mat.n_batch
    if mat.n_dense:
        raise NotImplementedError("bcoo_dot_general of two sparse arrays with dense axes")
    if any(a < n for a in contract):
        raise NotImplementedError("bcoo_dot_general of two sparse arrays: contracting axes must be "
                                  f"sparse axes, got {tuple(contract)} of {mat}")
    if any(a >= n for a in batch):
        raise NotImplementedError("bcoo_dot_general of two sparse arrays: batch axes must be batch "
                                  f"axes of the layout, got {tuple(batch)} of {mat}")
    return _Side(mat, tuple(a - n for a in contract),
                 [a for a in range(mat.n_sparse) if a + n not in contract], tuple(batch),
                 [a for a in range(n) if a not in batch])


def _sparse_sparse(lhs: BCOO, rhs: BCOO, numbers: Any, dtype: Any) -> BCOO:
    """The product as a BCOO: each entry of one with each entry of the other."""
    (contract, rhs_contract), (batch, rhs_batch) = numbers
    x, y = _side(lhs, contract, batch), _side(rhs, rhs_contract, rhs_batch)
    if x.free and y.free_batch:
        raise ValueError("bcoo_dot_general of two sparse arrays cannot have unused batch dims on "
                         "rhs with unused sparse dims on lhs.")
    sizes = [*(lhs.sparse_shape[a] for a in x.free), *(rhs.sparse_shape[a] for a in y.free)]

    def one(x_data: Any, x_indices: Any, y_data: Any, y_indices: Any) -> tuple[Any, Any]:
        i, j = entries.pairs(x_indices, y_indices)
        keep = (i[:, np.array(x.contract, int)] == j[:, np.array(y.contract, int)]).all(1)
        keep &= entries.inside(i, lhs.sparse_shape) & entries.inside(j, rhs.sparse_shape)
        a, b = promoted(*entries.pairs(x_data, y_data))
        if dtype is not None:
            a, b = a.astype(dtype), b.astype(dtype)
        place = jnp.concatenate([i[:, np.array(x.free, int)],
                                 j[:, np.array(y.free, int)].astype(i.dtype)], axis=1)
        return entries.masked(keep, a * b), entries.padded(keep, place, sizes)

    function = nfold_vmap(one, len(y.free_batch), in_axes=(None, None, 0, 0))
    function = nfold_vmap(function, len(x.free_batch), in_axes=(0, 0, None, None))
    function = nfold_vmap(function, len(batch))
    data, indices = function(*_ordered(x), *_ordered(y))
    batch_shape = [*(lhs.shape[a] for a in batch), *(lhs.shape[a] for a in x.free_batch),
                   *(rhs.shape[a] for a in y.free_batch)]
    out = BCOO((data, indices), shape=(*batch_shape, *sizes))
    return at_most(out, min(lhs.nse * rhs.nse, math.prod(out.shape)) if sizes else 1)


def _ordered(side: _Side) -> tuple[Any, Any]:
    """Data and indices with the batch axes of the product first."""
    order = [*side.batch, *side.free_batch]
    n = side.mat.n_batch
    return (side.mat.data.transpose(*order, n), side.mat.indices.transpose(*order, n, n + 1))


def bcoo_dot_general_sampled(A: Any, B: Any, indices: Any, *, dimension_numbers: Dimensions) -> Any:
    """The elements of a dense product at the indices of a BCOO of its shape.

    Args:
      A, B: dense arrays.
      indices: i[*batch, nse, n_sparse].
      dimension_numbers: as for `lax.dot_general`.

    Returns: f[*batch, nse, *dense], zeros for indices out of bounds.

    Source: `jax.experimental.sparse.bcoo_dot_general_sampled`.
    """
    A, B = promoted(jnp.asarray(A), jnp.asarray(B))
    (a_contract, b_contract), (a_batch, b_batch) = dimension_numbers
    n_batch, n_sparse = indices.ndim - 2, indices.shape[-1]
    if not n_batch and n_sparse == A.ndim + B.ndim - 2 == 2 and len(a_contract) == 1 and \
            not len(a_batch):
        rows = jnp.moveaxis(A, a_contract[0], 1)  # of a matrix product: row times column
        others = jnp.moveaxis(B, b_contract[0], 1)
        return (entries.extract(indices[:, :1], rows)
                * entries.extract(indices[:, 1:], others)).sum(1)
    product = lax.dot_general(A, B, dimension_numbers)
    return nfold_vmap(entries.extract, n_batch)(indices, product)


# ---- convolutions ------------------------------------------------------------------------------

def bcoo_conv_general_dilated(lhs: Any, rhs: Any, *, window_strides: Sequence[int], padding: Any,
                              lhs_dilation: Any = None, rhs_dilation: Any = None,
                              dimension_numbers: Any = None, feature_group_count: int = 1,
                              batch_group_count: int = 1, precision: Any = None,
                              preferred_element_type: Any = None, out_sharding: Any = None) -> BCOO:
    """`lax.conv_general_dilated` of one channel and one spatial axis, where one or both arrays are
    BCOO with two batch axes.

    Errors: NotImplementedError for anything else.

    Source: `jax.experimental.sparse.bcoo_conv_general_dilated`.
    """
    # Sums are as exact as the dtype has them: there is no precision to lower.
    lhs, rhs = (x if isinstance(x, BCOO) else bcoo_fromdense(
        jnp.asarray(x), n_batch=2, nse=x.shape[-1]) for x in (lhs, rhs))
    if lhs.shape[:2] != (1, 1) or rhs.shape[:2] != (1, 1) or lhs.ndim != 3 or rhs.ndim != 3 or \
            feature_group_count != 1 or batch_group_count != 1 or out_sharding is not None or \
            dimension_numbers not in (None, ("NCH", "OIH", "NCH")) and tuple(map(
                tuple, dimension_numbers)) != ((0, 1, 2),) * 3:
        raise NotImplementedError(
            "bcoo_conv_general_dilated: only convolutions of one channel along one axis, in the "
            f"order batch, channel, space, are supported; got shapes {lhs.shape} and {rhs.shape}, "
            f"dimension_numbers={dimension_numbers}")
    lhs, rhs = (bcoo_update_layout(x, n_batch=2, n_dense=0, on_inefficient=None)
                for x in (lhs, rhs))
    (stride,) = window_strides
    grow, (spread,) = (lhs_dilation or (1,))[0], tuple(rhs_dilation or (1,))
    size = (lhs.shape[2] - 1) * grow + 1 if lhs.shape[2] else 0
    window = (rhs.shape[2] - 1) * spread + 1
    if isinstance(padding, str):
        padding = lax.padtype_to_pads((size,), (window,), (stride,), padding)
    ((low, high),) = padding
    count = max((size + low + high - window) // stride + 1, 0)

    def one(x: Any, i: Any, y: Any, j: Any) -> tuple[Any, Any]:
        i, j = entries.pairs(i, j)
        keep = entries.inside(i, lhs.sparse_shape) & entries.inside(j, rhs.sparse_shape)
        x, y = promoted(*entries.pairs(x, y))
        if preferred_element_type is not None:
            x, y = x.astype(preferred_element_type), y.astype(preferred_element_type)
        at = i * grow - j * spread + low
        keep &= ((at >= 0) & (at % stride == 0) & (at // stride < count))[:, 0]
        return entries.masked(keep, x * y), entries.padded(keep, at // stride, [count])
    data, indices = nfold_vmap(one, 2)(lhs.data, lhs.indices, rhs.data, rhs.indices)
    return at_most(BCOO((data, indices), shape=(1, 1, count)), count)


