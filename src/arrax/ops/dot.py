"""dot_general: products of arrays, summed over contracting axes, along batch axes."""
from __future__ import annotations

import math
from functools import lru_cache
from typing import Any

import numpy as np

from arrax import _native
from arrax.core import dtypes
from arrax.core.array import Array
from arrax.core.aval import ShapedArray, aval_of
from arrax.core.primitive import Primitive
from arrax.core.remembered import remembered
from arrax.library import products
from arrax.library.calls import CODES
from arrax.core.lowering import Product
from arrax.ops import arguments, sharding_rules
from arrax.ops.arguments import positions
from arrax.ops.arithmetic import add_p, mul_p
from arrax.ops.dot_stablehlo import dot_general_form
from arrax.ops.dot_types import canonicalize_precision
from arrax.ops.p import convert_element_type_p
from arrax.ops.quiet import quiet
from arrax.ops.rules import by_operand, transpose_bilinear
from arrax.ops.shape import transpose

_EXACT_BELOW = 2.0 ** 53
_LONG = 4096  # elements of the parts in which long vectors are multiplied
_BLAS_ABOVE = 1 << 15  # products of narrow integers larger than this go through float64 BLAS


# ---- type --------------------------------------------------------------------------------------

def _dot_type(x: Any, y: Any, *, dimension_numbers: Any, precision: Any,
              preferred_element_type: Any, out_sharding: Any = None) -> Any:
    _check_dimensions(x, y, dimension_numbers)
    for aval in (x, y):
        if isinstance(aval.dtype, dtypes.ExtendedDType):
            raise TypeError(f"dot_general does not accept dtype {aval.dtype}.")
    dtype = preferred_element_type
    if dtype is None:
        dtype = _product_dtype(x.dtype, y.dtype)
    return ShapedArray(_dot_shape(x.shape, y.shape, dimension_numbers), dtype)


def _check_dimensions(x: Any, y: Any, dimension_numbers: Any) -> None:
    (x_contract, y_contract), (x_batch, y_batch) = dimension_numbers
    for side, aval, contract, batch in (("lhs", x, x_contract, x_batch),
                                        ("rhs", y, y_contract, y_batch)):
        if any(not 0 <= d < aval.ndim for d in (*contract, *batch)):
            raise TypeError(
                f"dot_general requires {side} dimension numbers to be nonnegative and less than "
                f"the number of axes of the {side} value, got {side}_batch of {batch} and "
                f"{side}_contracting of {contract} for {side} of rank {aval.ndim}")
        if len(set(contract)) != len(contract) or len(set(batch)) != len(batch):
            raise TypeError(f"dot_general requires {side} dimension numbers to be distinct, got "
                            f"{side}_batch {batch} and {side}_contracting {contract}.")
        if set(contract) & set(batch):
            raise TypeError(f"dot_general requires {side} batch dimensions to be disjoint from "
                            f"contracting dimensions, got {side}_batch {batch} and "
                            f"{side}_contracting {contract}.")
    if len(x_batch) != len(y_batch):
        raise TypeError("dot_general requires equal numbers of lhs_batch and rhs_batch dimensions, "
                        f"got lhs_batch {x_batch} and rhs_batch {y_batch}.")
    sizes = [tuple(aval.shape[d] for d in axes) for aval, axes in (
        (x, x_batch), (y, y_batch), (x, x_contract), (y, y_contract))]
    if sizes[0] != sizes[1]:
        raise TypeError("dot_general requires lhs batch dimensions and rhs batch dimensions to "
                        f"have the same shape, got {sizes[0]} and {sizes[1]}.")
    if sizes[2] != sizes[3]:
        raise TypeError("dot_general requires contracting dimensions to have the same shape, got "
                        f"{sizes[2]} and {sizes[3]}.")


def _product_dtype(x: Any, y: Any) -> Any:
    """The dtype of a product of two dtypes: the wider one, never a third."""
    if x == y:
        return x
    try:
        promoted = dtypes.joined_dtype(x, y)
    except ValueError:  # the narrow floats, which do not promote implicitly
        promoted = x if dtypes.itemsize_bits(x) >= dtypes.itemsize_bits(y) else y
    if promoted in (x, y):
        return promoted
    return dtypes.bfloat16 if dtypes.issubdtype(promoted, np.inexact) and np.dtype(
        dtypes.bfloat16) in (x, y) else x


def _dot_shape(x_shape: Any, y_shape: Any, dimension_numbers: Any) -> tuple[int, ...]:
    (x_contract, y_contract), (x_batch, y_batch) = dimension_numbers
    return (*(x_shape[d] for d in x_batch),
            *(n for d, n in enumerate(x_shape) if d not in x_contract and d not in x_batch),
            *(n for d, n in enumerate(y_shape) if d not in y_contract and d not in y_batch))


# ---- evaluation --------------------------------------------------------------------------------

def _dot_evaluate(x: np.ndarray, y: np.ndarray, *, dimension_numbers: Any, precision: Any,
                  preferred_element_type: Any, out_sharding: Any = None) -> np.ndarray:
    dtype = preferred_element_type
    if dtype is None:
        dtype = x.dtype if x.dtype == y.dtype else np.dtype(_product_dtype(x.dtype, y.dtype))
    kind = dtype.kind
    if x.dtype == dtype and y.dtype == dtype and dtype.itemsize >= 4 and kind in "fc":
        return _contract(x, y, dimension_numbers)
    return _contract_in(_sum_dtype(x, y, dtype, dimension_numbers), x, y, dimension_numbers, dtype)


def _contract_in(work: Any, x: np.ndarray, y: np.ndarray, dimension_numbers: Any, dtype: Any,
                 ) -> np.ndarray:
    out = _contract(x.astype(work, copy=False), y.astype(work, copy=False), dimension_numbers)
    if work == dtype:
        return out
    if np.dtype(work).kind == "f" and dtypes.issubdtype(dtype, np.integer):
        out = out.astype(np.int64)  # wraps to narrower integers, where floats would saturate
    return np.asarray(out).astype(dtype)


def _sum_dtype(x: np.ndarray, y: np.ndarray, dtype: Any, dimension_numbers: Any) -> Any:
    """The dtype in which products are summed so that the result is exact to `dtype`."""
    if dtype == np.dtype(bool):
        return dtype
    operand = np.dtype(_product_dtype(x.dtype, y.dtype))
    if dtypes.issubdtype(dtype, np.integer) and dtypes.issubdtype(operand, np.integer):
        terms = math.prod(x.shape[d] for d in dimension_numbers[0][0])
        bits = dtypes.itemsize_bits(x.dtype) + dtypes.itemsize_bits(y.dtype)
        if terms * 2.0 ** bits < _EXACT_BELOW and x.size + y.size > _BLAS_ABOVE:
            return np.dtype(np.float64)
        return dtype if dtype.kind in "iu" else np.dtype(np.int32)
    work = operand
    if dtypes.issubdtype(dtype, np.inexact):
        work = np.dtype(dtypes.joined_dtype(
            np.float32 if dtypes.itemsize_bits(operand) < 32 else operand,
            np.float32 if dtypes.itemsize_bits(dtype) < 32 else dtype))
    return np.dtype(np.float32) if dtypes.itemsize_bits(work) < 32 else work


def _contract(x: np.ndarray, y: np.ndarray, dimension_numbers: Any) -> np.ndarray:
    """The product, by `np.matmul` on transposed views."""
    x_order, y_order, groups = _plan(dimension_numbers, x.ndim, y.ndim)
    if x_order is not None:
        x = x.transpose(x_order)
    if y_order is not None:
        y = y.transpose(y_order)
    batch, x_free, contract, y_free = groups
    if batch <= 1 and x_free <= 1 and contract == 1 and y_free <= 1 and not (batch and (
            not x_free or not y_free)):
        if x.ndim == 1 == y.ndim and x.size > _LONG and x.dtype in CODES:
            return _long_dot(x, y)
        product: np.ndarray = np.matmul(x, y)
        return product
    batch_shape = x.shape[:batch]
    x_free_shape, y_free_shape = x.shape[batch:batch + x_free], y.shape[batch + contract:]
    terms = math.prod(x.shape[batch + x_free:])
    out: np.ndarray = np.matmul(x.reshape(*batch_shape, math.prod(x_free_shape), terms),
                                y.reshape(*batch_shape, terms, math.prod(y_free_shape)))
    return out.reshape((*batch_shape, *x_free_shape, *y_free_shape))


def _long_dot(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """The product of two long vectors by parts, so that its error does not grow with their
    length."""
    whole = x.size - x.size % _LONG
    parts = np.matmul(x[:whole].reshape(-1, 1, _LONG), y[:whole].reshape(-1, _LONG, 1)).ravel()
    rest = np.matmul(x[whole:], y[whole:]).reshape(1)
    return _native.sum(np.concatenate([parts, rest]), (0,), CODES[x.dtype])


@lru_cache(maxsize=1024)
def _plan(dimension_numbers: Any, x_rank: int, y_rank: int) -> Any:
    (x_contract, y_contract), (x_batch, y_batch) = dimension_numbers
    x_free = positions(x_rank, (*x_contract, *x_batch))
    y_free = positions(y_rank, (*y_contract, *y_batch))
    x_order, y_order = (*x_batch, *x_free, *x_contract), (*y_batch, *y_contract, *y_free)
    return (x_order if x_order != tuple(range(x_rank)) else None,
            y_order if y_order != tuple(range(y_rank)) else None,
            (len(x_batch), len(x_free), len(x_contract), len(y_free)))


# ---- transformations ---------------------------------------------------------------------------

def _other_cotangent(cotangent: Any, x: Any, y: Any, dimension_numbers: Any, y_is_first: bool,
                     params: dict[str, Any]) -> Any:
    """The cotangent of operand `x` (an aval), the other operand being `y`.

    `dimension_numbers` are those of (x, y); `y_is_first`: the product was y · x.
    """
    (x_contract, y_contract), (x_batch, y_batch) = dimension_numbers
    x_free = positions(x.ndim, (*x_contract, *x_batch))
    y_free = positions(aval_of(y).ndim, (*y_contract, *y_batch))
    batch = tuple(range(len(x_batch)))
    first = len(batch) if y_is_first else len(batch) + len(x_free)
    numbers = ((tuple(range(first, first + len(y_free))), y_free), (batch, y_batch))
    out = dot_general_p.bind(cotangent, y, dimension_numbers=numbers, **params)
    # the result's axes: batch, the free ones of x, the contracted ones in the order of y's axes
    contract_order = tuple(x_contract[i] for i in np.argsort(y_contract))
    out = transpose(out, np.argsort((*x_batch, *x_free, *contract_order)))
    if aval_of(out).dtype != x.dtype:
        out = convert_element_type_p.bind(out, new_dtype=x.dtype, weak_type=False,
                                          sharding=None)
    return out


def _left_cotangent(cotangent: Any, x: Any, y: Any, *, dimension_numbers: Any, **params: Any,
                    ) -> Any:
    return _other_cotangent(cotangent, x, y, dimension_numbers, False, params)


def _right_cotangent(cotangent: Any, x: Any, y: Any, *, dimension_numbers: Any, **params: Any,
                     ) -> Any:
    (x_contract, y_contract), (x_batch, y_batch) = dimension_numbers
    swapped = ((y_contract, x_contract), (y_batch, x_batch))
    return _other_cotangent(cotangent, y, x, swapped, True, params)


def batched_dot_numbers(ranks: Any, dims: Any, dimension_numbers: Any) -> tuple[Any, int]:
    """The dimension numbers with a batch axis at `dims`, and the batch axis of the result."""
    (x_contract, y_contract), (x_batch, y_batch) = dimension_numbers
    x_dim, y_dim = dims

    def shift(axes: Any, dim: int | None) -> tuple[int, ...]:
        return tuple(a if dim is None or a < dim else a + 1 for a in axes)

    x_contract, x_batch = shift(x_contract, x_dim), shift(x_batch, x_dim)
    y_contract, y_batch = shift(y_contract, y_dim), shift(y_batch, y_dim)
    if x_dim is not None and y_dim is not None:
        return ((x_contract, y_contract), ((x_dim, *x_batch), (y_dim, *y_batch))), 0
    x_free = positions(ranks[0], (*x_contract, *x_batch))
    y_free = positions(ranks[1], (*y_contract, *y_batch))
    place = len(x_batch)
    place += x_free.index(x_dim) if x_dim is not None else len(x_free) + y_free.index(y_dim)
    return ((x_contract, y_contract), (x_batch, y_batch)), place


def _dot_batch(axis: Any, operands: Any, dims: Any, *, dimension_numbers: Any, **params: Any,
               ) -> Any:
    ranks = [aval_of(x).ndim for x in operands]
    numbers, place = batched_dot_numbers(ranks, dims, dimension_numbers)
    return dot_general_p.bind(*operands, dimension_numbers=numbers, **params), place


def _numbers_text(dimension_numbers: Any) -> str:
    """Dimension numbers as jaxprs print them: (([1], [0]), ([], []))."""
    (x_contract, y_contract), (x_batch, y_batch) = dimension_numbers
    return f"(({list(x_contract)}, {list(y_contract)}), ({list(x_batch)}, {list(y_batch)}))"


dot_general_p: Primitive = Primitive(
    "dot_general", sharding=sharding_rules.dot_general,
    type_rule=_dot_type, evaluate=quiet(_dot_evaluate),
    jvp=by_operand(lambda t, out, x, y, **params: dot_general_p.bind(t, y, **params),
                   lambda t, out, x, y, **params: dot_general_p.bind(x, t, **params)),
    transpose=transpose_bilinear(_left_cotangent, _right_cotangent), batch=_dot_batch,
    hidden={"precision": None, "preferred_element_type": None, "out_sharding": None},
    shown={"dimension_numbers": _numbers_text}, lower=Product(products.gemm, mul_p, add_p),
    stablehlo=dot_general_form)


# ---- public functions --------------------------------------------------------------------------

def _check_not_narrower(own: Any, preferred: Any) -> None:
    """TypeError for a result with fewer bits than integer or complex operands' (parts) have, or of
    another signedness. Floats may be summed in any dtype."""
    if dtypes.issubdtype(own, np.floating) or own == preferred:
        return

    def bits(dtype: Any) -> int:
        whole = 1 if dtype == np.bool_ else dtypes.itemsize_bits(dtype)
        return whole // 2 if dtype.kind == "c" else whole
    if bits(preferred) < bits(own):
        raise TypeError("`preferred_element_type` must not be narrower than the original type, got "
                        f"preferred_element_type of {preferred} for result type of {own}.")
    if dtypes.issubdtype(own, np.signedinteger) \
            and dtypes.issubdtype(preferred, np.unsignedinteger):
        raise TypeError("`preferred_element_type` must have the same signedness as the original "
                        f"type, got {preferred} for {own}.")


@remembered
def dot_general(lhs: Any, rhs: Any, dimension_numbers: Any, precision: Any = None,
                preferred_element_type: Any = None, *, out_sharding: Any = None) -> Array:
    """Multiply and sum over contracting axes, separately for each index of the batch axes.

    Args:
      lhs, rhs: arrays.
      dimension_numbers: ((lhs contracting axes, rhs contracting axes),
        (lhs batch axes, rhs batch axes)).
      precision: see `Precision`; a name, a value, two of them, or a `DotAlgorithm`.
      preferred_element_type: the dtype of the sum and of the result; by default the operands'.

    Returns:
      An array of axes: batch axes, the other axes of `lhs`, the other axes of `rhs`. TypeError when
      axes do not fit.

    Example:
      >>> lax.dot_general(jnp.ones((2, 3)), jnp.ones((4, 3)), (((1,), (1,)), ((), ()))).shape
      (2, 4)
    """
    lhs = arguments.operand(lhs, "dot_general")
    rhs = arguments.operand(rhs, "dot_general", 1)
    (x_contract, y_contract), (x_batch, y_batch) = dimension_numbers
    numbers = ((tuple(map(int, x_contract)), tuple(map(int, y_contract))),
               (tuple(map(int, x_batch)), tuple(map(int, y_batch))))
    _check_dimensions(lhs.aval, rhs.aval, numbers)
    if preferred_element_type is not None:
        preferred_element_type = dtypes.check_user_dtype(preferred_element_type, "dot_general")
        _check_not_narrower(lhs.aval.dtype, preferred_element_type)
    return dot_general_p.bind(lhs, rhs, dimension_numbers=numbers,
                              precision=canonicalize_precision(precision),
                              preferred_element_type=preferred_element_type,
                              out_sharding=out_sharding)


@remembered
def dot(lhs: Any, rhs: Any, *, dimension_numbers: Any = None, precision: Any = None,
        preferred_element_type: Any = None, out_sharding: Any = None) -> Array:
    """The product of vectors and matrices (or `dot_general`, with `dimension_numbers`).

    ValueError unless the last axis of `lhs` fits the first of `rhs` and neither has over two axes.
    """
    lhs, rhs = arguments.operand(lhs, "dot"), arguments.operand(rhs, "dot", 1)
    if dimension_numbers is None:
        if not (1 <= lhs.ndim <= 2 and 1 <= rhs.ndim <= 2 and lhs.shape[-1] == rhs.shape[0]):
            raise ValueError(
                "jax.lax.dot: dimension_numbers must be specified when not performing simple "
                "un-batched matrix-matrix, matrix-vector, or vector-vector products; got "
                f"lhs_shape={lhs.shape} rhs_shape={rhs.shape}")
        dimension_numbers = (((lhs.ndim - 1,), (0,)), ((), ()))
    return dot_general(lhs, rhs, dimension_numbers, precision, preferred_element_type,
                       out_sharding=out_sharding)


@remembered
def batch_matmul(lhs: Any, rhs: Any, precision: Any = None) -> Array:
    """Matrix products along leading batch axes, which both operands have."""
    lhs, rhs = arguments.operand(lhs, "batch_matmul"), arguments.operand(rhs, "batch_matmul", 1)
    if min(lhs.ndim, rhs.ndim) < 2:
        raise ValueError("Arguments to batch_matmul must be at least 2D, got "
                         f"{lhs.ndim}, {rhs.ndim}")
    if lhs.ndim != rhs.ndim:
        raise ValueError(f"Arguments to batch_matmul must have same ndim, got "
                         f"{lhs.ndim}, {rhs.ndim}")
    rank = lhs.ndim
    batch = tuple(range(rank - 2))
    return dot_general(lhs, rhs, (((rank - 1,), (rank - 2,)), (batch, batch)), precision)
