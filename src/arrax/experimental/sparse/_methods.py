"""The methods and operators of BCOO and BCSR, which need the functions of these formats."""
from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np


from arrax import numpy as jnp
from arrax.experimental.sparse import bcoo, bcsr
from arrax.experimental.sparse._arrays import BCOO, BCSR
from arrax.experimental.sparse._conversions import summed
from arrax.experimental.sparse._structure import bcoo_getitem
from arrax.experimental.sparse.transform import sparsify
from arrax.experimental.sparse.util import Shape, is_sparse


# ---- making ------------------------------------------------------------------------------------

def _bcoo_fromdense(cls: type[BCOO], mat: Any, *, nse: int | None = None,
                    index_dtype: Any = np.int32, n_dense: int = 0, n_batch: int = 0) -> BCOO:
    """A BCOO of the elements of a dense array that are not zero; see `bcoo_fromdense`."""
    return bcoo.bcoo_fromdense(mat, nse=nse, index_dtype=index_dtype, n_dense=n_dense,
                               n_batch=n_batch)


def _bcsr_fromdense(cls: type[BCSR], mat: Any, *, nse: int | None = None,
                    index_dtype: Any = np.int32, n_dense: int = 0, n_batch: int = 0) -> BCSR:
    """A BCSR of the elements of a dense array that are not zero; see `bcsr_fromdense`."""
    return bcsr.bcsr_fromdense(mat, nse=nse, index_dtype=index_dtype, n_dense=n_dense,
                               n_batch=n_batch)


def _bcoo_from_scipy(cls: type[BCOO], mat: Any, *, index_dtype: Any = None, n_dense: int = 0,
                     n_batch: int = 0) -> BCOO:
    """A BCOO of a sparse matrix of SciPy's."""
    if n_dense or n_batch:
        raise NotImplementedError("BCOO.from_scipy_sparse with n_dense or n_batch; use "
                                  "bcoo_update_layout")
    mat = mat.tocoo()
    indices = jnp.stack([jnp.asarray(mat.row), jnp.asarray(mat.col)], axis=-1)
    return BCOO((jnp.asarray(mat.data), indices.astype(index_dtype or np.int32)), shape=mat.shape)


def _bcsr_from_scipy(cls: type[BCSR], mat: Any, *, index_dtype: Any = None, n_dense: int = 0,
                     n_batch: int = 0) -> BCSR:
    """A BCSR of a sparse matrix of SciPy's."""
    if n_dense or n_batch:
        raise NotImplementedError("BCSR.from_scipy_sparse with n_dense or n_batch")
    mat = mat.tocsr()
    indices, indptr = (jnp.asarray(x).astype(index_dtype or np.int32)
                       for x in (mat.indices, mat.indptr))
    return BCSR((jnp.asarray(mat.data), indices, indptr), shape=mat.shape)


def _split(name: str, shape: Shape, n_batch: int, n_dense: int) -> tuple[Shape, Shape, Shape]:
    if n_batch < 0 or n_dense < 0 or n_batch + n_dense > len(shape):
        raise ValueError(f"{name}: n_batch={n_batch} and n_dense={n_dense} do not fit shape "
                         f"{shape}")
    last = len(shape) - n_dense
    return shape[:n_batch], shape[n_batch:last], shape[last:]


def _bcoo_empty(cls: type[BCOO], shape: Shape, *, dtype: Any = None, index_dtype: Any = "int32",
                n_dense: int = 0, n_batch: int = 0, nse: int = 0) -> BCOO:
    batch, sparse, dense = _split("BCOO", tuple(shape), n_batch, n_dense)
    data = jnp.zeros((*batch, nse, *dense), dtype)
    ends = jnp.asarray(np.array(sparse, np.int64).astype(index_dtype))
    return BCOO((data, jnp.broadcast_to(ends, (*batch, nse, len(sparse)))), shape=shape,
                indices_sorted=True, unique_indices=True)


def _bcsr_empty(cls: type[BCSR], shape: Shape, *, dtype: Any = None, index_dtype: Any = "int32",
                n_dense: int = 0, n_batch: int = 0, nse: int = 0) -> BCSR:
    return bcsr.bcoo_to_bcsr(_bcoo_empty(BCOO, shape, dtype=dtype, index_dtype=index_dtype,
                                         n_dense=n_dense, n_batch=n_batch, nse=nse))


def _bcoo_eye(cls: type[BCOO], N: int, M: int, k: int, *, dtype: Any = None,
              index_dtype: Any = "int32", n_batch: int = 0, n_dense: int = 0) -> BCOO:
    count = max(min(N, N + k, M, M - k), 0)
    if n_batch or n_dense:
        nse = count if not n_batch and n_dense < 2 else min(count, 1)
        return bcoo.bcoo_fromdense(jnp.eye(N, M, k, dtype), nse=nse, n_batch=n_batch,
                                   n_dense=n_dense, index_dtype=index_dtype)
    row = jnp.arange(count, dtype=index_dtype)
    indices = jnp.stack([row + max(-k, 0), row + max(k, 0)], axis=-1)
    return BCOO((jnp.ones(count, dtype), indices), shape=(N, M), indices_sorted=True,
                unique_indices=True)


def _bcsr_eye(cls: type[BCSR], /, N: int, M: int, k: int, **options: Any) -> BCSR:
    return bcsr.bcoo_to_bcsr(_bcoo_eye(BCOO, N, M, k, **options))


# ---- methods -----------------------------------------------------------------------------------

def _sum_duplicates(self: BCOO, nse: int | None = None, remove_zeros: bool = True) -> BCOO:
    """The array with one element for each index; by default without those that are zero."""
    return summed(self, nse, remove_zeros)


def _bcsr_sum_duplicates(self: BCSR, nse: int | None = None, remove_zeros: bool = True) -> BCSR:
    """The array with one element for each index; by default without those that are zero."""
    function = bcsr.bcsr_eliminate_zeros if remove_zeros else bcsr.bcsr_sum_duplicates
    return function(self, nse)


def _update_layout(self: BCOO, *, n_batch: int | None = None, n_dense: int | None = None,
                   on_inefficient: str | None = "error") -> BCOO:
    """The same array with other numbers of batch and dense axes; see `bcoo_update_layout`."""
    return bcoo.bcoo_update_layout(self, n_batch=n_batch, n_dense=n_dense,
                                   on_inefficient=on_inefficient)


def _bcoo_transpose(self: BCOO, axes: Any = None) -> BCOO:
    """The array with its axes in another order, by default in reverse."""
    return bcoo.bcoo_transpose(self, permutation=range(self.ndim)[::-1] if axes is None else axes)


def _bcsr_transpose(self: BCSR, *args: Any, **kwargs: Any) -> BCSR:
    """Not for this format: `to_bcoo().transpose()`."""
    raise NotImplementedError("BCSR.transpose; use to_bcoo().transpose()")


def _astype(self: BCOO, *args: Any, **kwargs: Any) -> BCOO:
    """The array in another dtype."""
    out: BCOO = sparsify(lambda x: x.astype(*args, **kwargs), use_tracer=True)(self)
    return out


def _sum(self: BCOO, *args: Any, **kwargs: Any) -> Any:
    """The sums along some axes, as of dense arrays; a dense scalar along all."""
    return sparsify(lambda x: jnp.sum(x, *args, **kwargs), use_tracer=True)(self)


def _reshape(self: BCOO, *args: Any, **kwargs: Any) -> BCOO:
    """The array in another shape; see `bcoo_reshape`."""
    out: BCOO = sparsify(lambda x: x.reshape(*args, **kwargs), use_tracer=True)(self)
    return out


def _bcsr_getitem(self: BCSR, index: Any) -> BCSR:
    out = bcoo_getitem(bcsr.bcsr_to_bcoo(self), index)
    if out.n_sparse != 2:
        raise NotImplementedError(f"BCSR[{index}] has other than two sparse axes; use to_bcoo()")
    return bcsr.bcoo_to_bcsr(out)


def _iter(self: BCOO) -> Any:
    if not self.ndim:
        raise TypeError("iteration over a 0-d array")
    return (bcoo_getitem(self, i) for i in range(self.shape[0]))


def _operator(function: Callable[..., Any], swapped: bool = False) -> Callable[..., Any]:
    """An operator of sparse arrays from the function of dense ones."""
    run = sparsify(function, use_tracer=True)

    def method(self: Any, *others: Any) -> Any:
        if not all(is_sparse(x) or _is_array(x) for x in others):
            return NotImplemented
        return run(*others, self) if swapped else run(self, *others)
    return method


def _pow(self: BCOO, exponent: Any) -> BCOO:
    out: BCOO = sparsify(lambda x: x ** exponent, use_tracer=True)(self)
    return out


def _is_array(x: Any) -> bool:
    return isinstance(x, (int, float, complex, np.ndarray, np.generic)) or hasattr(x, "aval")


_BOTH = {"__matmul__": _operator(jnp.matmul),
         "__rmatmul__": _operator(jnp.matmul, swapped=True)}
_BCOO = {
    **_BOTH, "todense": bcoo.bcoo_todense, "fromdense": classmethod(_bcoo_fromdense),
    "from_scipy_sparse": classmethod(_bcoo_from_scipy), "_empty": classmethod(_bcoo_empty),
    "_eye": classmethod(_bcoo_eye), "sum_duplicates": _sum_duplicates,
    "sort_indices": bcoo.bcoo_sort_indices, "update_layout": _update_layout,
    "transpose": _bcoo_transpose, "astype": _astype, "sum": _sum, "reshape": _reshape,
    "__getitem__": bcoo_getitem, "__iter__": _iter, "__neg__": _operator(jnp.negative),
    "__pos__": _operator(jnp.positive), "__abs__": _operator(jnp.abs),
    "__mul__": _operator(jnp.multiply), "__rmul__": _operator(jnp.multiply, swapped=True),
    "__add__": _operator(jnp.add), "__radd__": _operator(jnp.add, swapped=True),
    "__sub__": _operator(jnp.subtract), "__rsub__": _operator(jnp.subtract, swapped=True),
    "__truediv__": _operator(jnp.divide), "__rtruediv__": _operator(jnp.divide, swapped=True),
    "__pow__": _pow}
_BCSR = {
    **_BOTH, "todense": bcsr.bcsr_todense, "fromdense": classmethod(_bcsr_fromdense),
    "from_scipy_sparse": classmethod(_bcsr_from_scipy), "_empty": classmethod(_bcsr_empty),
    "_eye": classmethod(_bcsr_eye), "from_bcoo": staticmethod(bcsr.bcoo_to_bcsr),
    "to_bcoo": bcsr.bcsr_to_bcoo, "sum_duplicates": _bcsr_sum_duplicates,
    "transpose": _bcsr_transpose, "__getitem__": _bcsr_getitem}


def install() -> None:
    """Give the classes their methods."""
    for cls, methods in ((BCOO, _BCOO), (BCSR, _BCSR)):
        for name, method in methods.items():
            setattr(cls, name, method)
