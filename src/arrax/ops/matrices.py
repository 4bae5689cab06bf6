"""Matrix algebra on the last two axes, for the rules of linear-algebra operations."""
from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from arrax.core import dtypes
from arrax.core.aval import ShapedArray, aval_of
from arrax.core.dimension import broadcast_shapes
from arrax.core.primitive import Primitive
from arrax.library import linear_algebra
from arrax.library.calls import Spec
from arrax.ops import arguments
from arrax.ops.dot import dot_general
from arrax.ops.dot_types import Precision
from arrax.ops.elementwise_rules import check_kind
from arrax.ops.index_types import GatherDimensionNumbers, GatherScatterMode
from arrax.ops.p import (add_p, conj_p, convert_element_type_p, div_p, eq_p, gather_p, ge_p, iota_p,
                        mul_p, real_p, reduce_sum_p, select_n_p, sub_p)
from arrax.ops.rules import broadcast_in_dim, constant, zeros
from arrax.ops.shape import expand_dims, transpose

_INT32 = np.dtype(np.int32)


# ---- arguments ---------------------------------------------------------------------------------

INEXACT, FLOAT = (np.floating, np.complexfloating), (np.floating,)


def matrix_operand(x: Any, name: str, position: int = 0, kinds: Any = INEXACT) -> Any:
    """`x` in float32, float64, complex64 or complex128; TypeError for fewer than two axes."""
    x = arguments.operand(x, name, position)
    if x.ndim < 2:
        raise TypeError(f"Input {position} to {name} must have rank at least 2, but got "
                        f"shape={x.shape}")
    return lapack_operand(x, name, position, kinds)


def lapack_operand(x: Any, name: str, position: int = 0, kinds: Any = INEXACT) -> Any:
    """`x` in a dtype that LAPACK has: TypeError for integers, NotImplementedError for halves."""
    check_kind(name, x.dtype, kinds, f" at position {position}")
    if x.dtype.kind not in "fc" or x.dtype.itemsize < 4:
        raise NotImplementedError(f"Unsupported dtype {x.dtype} in {name}: cast to float32 first.")
    return x


def inexact_operand(x: Any, name: str) -> Any:
    """`x`, integers and bools as floats."""
    x = arguments.operand(x, name)
    if dtypes.issubdtype(x.dtype, np.inexact):
        return x
    return as_dtype(x, np.dtype(dtypes.to_inexact_dtype(x.dtype)))


def widened(*xs: Any) -> tuple[list[Any], Callable[[Any], Any]]:
    """Operands of small floats as float32, and the function that takes a result back."""
    dtype = xs[0].dtype
    if dtypes.issubdtype(dtype, np.inexact) and dtype.itemsize < 4:
        return [as_dtype(x, np.dtype(np.float32)) for x in xs], lambda out: as_dtype(out, dtype)
    return list(xs), lambda out: out


def check_square(x: Any, name: str) -> None:
    if x.shape[-1] != x.shape[-2]:
        raise ValueError(f"The input to {name} must be a square matrix. Got shape {x.shape}.")


# ---- algebra -----------------------------------------------------------------------------------

def matrix_transpose(x: Any) -> Any:
    rank = aval_of(x).ndim
    return transpose(x, (*range(rank - 2), rank - 1, rank - 2))


def adjoint(x: Any) -> Any:
    return matrix_transpose(conj(x))


def conj(x: Any) -> Any:
    aval = aval_of(x)
    if dtypes.issubdtype(aval.dtype, np.complexfloating):
        return conj_p.bind(x, input_dtype=aval.dtype)
    return x


def real(x: Any) -> Any:
    aval = aval_of(x)
    return real_p.bind(x) if dtypes.issubdtype(aval.dtype, np.complexfloating) else x


def matmul(x: Any, y: Any) -> Any:
    rank = aval_of(x).ndim
    batch = tuple(range(rank - 2))
    return dot_general(x, y, (((rank - 1,), (rank - 2,)), (batch, batch)), Precision.HIGHEST)


def binary(primitive: Primitive) -> Callable[[Any, Any], Any]:
    """A binary primitive that stretches axes of size 1 and converts real operands to complex."""
    def fn(x: Any, y: Any) -> Any:
        a, b = aval_of(x), aval_of(y)
        dtype = a.dtype if a.dtype.itemsize >= b.dtype.itemsize else b.dtype
        if a.dtype != b.dtype:
            x, y = as_dtype(x, dtype), as_dtype(y, dtype)
        shape = broadcast_shapes(a.shape, b.shape)
        return primitive.bind(_stretch(x, shape), _stretch(y, shape))
    return fn


def as_dtype(x: Any, dtype: Any) -> Any:
    if aval_of(x).dtype == dtype:
        return x
    return convert_element_type_p.bind(x, new_dtype=np.dtype(dtype), weak_type=False,
                                       sharding=None)


def _stretch(x: Any, shape: tuple[int, ...]) -> Any:
    own = aval_of(x).shape
    if own == shape:
        return x
    return broadcast_in_dim(x, shape, range(len(shape) - len(own), len(shape)))


add, sub, div = binary(add_p), binary(sub_p), binary(div_p)


def mul(x: Any, y: Any) -> Any:
    return _mul(x, y)


_mul = binary(mul_p)


def scale(x: Any, factor: complex) -> Any:
    aval = aval_of(x)
    return mul_p.bind(x, constant(factor, aval))


def reciprocal(x: Any) -> Any:
    aval = aval_of(x)
    return div_p.bind(constant(1, aval), x)


# ---- structure ---------------------------------------------------------------------------------

def _compare_indices(compare: Primitive, shape: tuple[int, ...], offset: int) -> Any:
    """For each element of the last two axes whether (row + offset) compares with column."""
    rank = len(shape)
    iota = iota_p.bind
    rows = iota(dtype=_INT32, shape=shape, dimension=rank - 2, sharding=None)
    columns = iota(dtype=_INT32, shape=shape, dimension=rank - 1, sharding=None)
    if offset:
        rows = add_p.bind(rows, np.asarray(offset, _INT32)[()])
    return compare.bind(rows, columns)


def lower_triangle(x: Any, offset: int = 0) -> Any:
    """The elements on and below diagonal `offset`, zero elsewhere."""
    aval = aval_of(x)
    return select_n_p.bind(_compare_indices(ge_p, aval.shape, offset), zeros(aval), x)


def upper_triangle(x: Any, offset: int = 0) -> Any:
    """The elements on and above diagonal `offset`, zero elsewhere."""
    aval = aval_of(x)
    return select_n_p.bind(_compare_indices(ge_p, aval.shape, offset - 1), x, zeros(aval))


def identity(shape: tuple[int, ...], dtype: Any) -> Any:
    """Ones on the diagonal of the last two axes."""
    return as_dtype(_compare_indices(eq_p, shape, 0), dtype)


def diagonal(x: Any) -> Any:
    """The diagonal of square matrices."""
    aval = aval_of(x)
    only = select_n_p.bind(_compare_indices(eq_p, aval.shape, 0), zeros(aval), x)
    return reduce_sum_p.bind(only, axes=(aval.ndim - 1,), out_sharding=None)


def as_row(x: Any) -> Any:
    """[…, n] as […, 1, n]."""
    return expand_dims(x, (aval_of(x).ndim - 1,))


def as_column(x: Any) -> Any:
    """[…, n] as […, n, 1]."""
    return expand_dims(x, (aval_of(x).ndim,))


def permute_rows(x: Any, permutation: Any) -> Any:
    """Row `permutation[i]` of each matrix as row `i`."""
    aval = aval_of(x)
    batch = tuple(range(aval.ndim - 2))
    numbers = GatherDimensionNumbers(
        offset_dims=(aval.ndim - 1,), collapsed_slice_dims=(aval.ndim - 2,),
        start_index_map=(aval.ndim - 2,), operand_batching_dims=batch,
        start_indices_batching_dims=batch)
    return gather_p.bind(
        x, as_column(permutation), dimension_numbers=numbers,
        slice_sizes=(*(1 for _ in batch), 1, aval.shape[-1]), unique_indices=True,
        indices_are_sorted=False, mode=GatherScatterMode.PROMISE_IN_BOUNDS, fill_value=None)


# ---- evaluation --------------------------------------------------------------------------------

def each_matrix(fn: Callable[..., Any], outs: Sequence[ShapedArray | np.ndarray],
                *operands: np.ndarray, ranks: tuple[int, ...] | None = None) -> list[np.ndarray]:
    """Call `fn` on each element of the leading batch axes; results of the shapes and dtypes of
    `outs`.

    `ranks` are the ranks of `fn`'s operands (2, by default). A matrix that `fn` cannot do, for it
    raises LinAlgError or the matrix is not finite, gives NaN.
    """
    ranks = ranks or (2,) * len(operands)
    batch = operands[0].shape[:operands[0].ndim - ranks[0]]
    results = [np.empty(out.shape, out.dtype) for out in outs]
    for place in np.ndindex(*batch):
        parts = [x[place] for x in operands]
        try:
            if all(np.isfinite(p).all() for p in parts):
                found = fn(*parts)
            else:
                found = None
        except np.linalg.LinAlgError:
            found = None
        for i, result in enumerate(results):
            result[place] = (np.nan if result.dtype.kind in "fc" else 0) if found is None \
                else found[i]
    return results


@functools.lru_cache(maxsize=2048)
def small_spec(call: Callable[..., Any], *operands: tuple[tuple[int, ...], Any], **params: Any,
               ) -> Spec | None:
    """What the native library's function for small matrices is told about operands of these shapes
    and dtypes; None where LAPACK does better, or there is no such function."""
    avals = [ShapedArray(shape, dtype) for shape, dtype in operands]
    if any(a.size == 0 for a in avals) or max(avals[0].shape[-2:]) > linear_algebra.SMALL:
        return None
    found = call(avals, [], params)
    return None if found is None else found.spec


def aval_like(x: Any, shape: tuple[int, ...], dtype: Any = None) -> ShapedArray:
    return ShapedArray(shape, x.dtype if dtype is None else dtype)


def real_dtype(dtype: Any) -> np.dtype[Any]:
    """The dtype of the real part."""
    return np.zeros((), dtype).real.dtype


def complex_dtype(dtype: Any) -> np.dtype[Any]:
    return np.result_type(dtype, np.complex64)
