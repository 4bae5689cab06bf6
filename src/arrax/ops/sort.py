"""Sorting, and the k greatest elements."""
from __future__ import annotations

import math
from typing import Any

import numpy as np

from arrax.core import dtypes
from arrax.core.ad_values import Zero, tangent_aval
from arrax.core.array import Array, ArrayImpl
from arrax.core.aval import ShapedArray, aval_of
from arrax.core.dimension import dimension
from arrax.core.positions import check_positions
from arrax.core.primitive import Primitive
from arrax.core.remembered import remembered
from arrax.core.trace import Tracer
from arrax.library import rows
from arrax.library.calls import call_eagerly
from arrax.core.lowering import HostCall, Library
from arrax.ops import arguments, sharding_rules
from arrax.ops.arguments import canonical_axis
from arrax.ops.index_types import GatherDimensionNumbers, GatherScatterMode
from arrax.ops.p import gather_p, iota_p
from arrax.ops.rules import batch_at
from arrax.ops.shape import expand_dims, reshape
from arrax.ops.sort_stablehlo import approx_top_k_form, sort_form, top_k_form
from arrax.typing import ArrayLike

_PACK_ABOVE = 256  # elements; from here on sorting packed (key, index) words beats a stable argsort
_UINT32 = np.dtype(np.uint32)


# ---- order -------------------------------------------------------------------------------------

def ordered_bits(x: np.ndarray, total: bool = False) -> np.ndarray:
    """Unsigned integers in the order of the elements: -0 and 0 equal, NaN greatest; or in the
    `total` order, where -NaN comes first and -0 before 0.

    Not for complex numbers.
    """
    dtype = x.dtype
    if dtypes.issubdtype(dtype, np.unsignedinteger) or dtype.kind == "b":
        return x.astype(np.uint8) if dtype.itemsize == 1 else x
    if dtypes.issubdtype(dtype, np.integer):
        wide = x.astype(np.int8) if dtype.itemsize == 1 else x
        unsigned = np.dtype(f"u{wide.dtype.itemsize}")
        shifted: np.ndarray = wide.view(unsigned) ^ unsigned.type(
            1 << (8 * unsigned.itemsize - 1))
        return shifted
    if dtype.itemsize < 4:
        x = x.astype(np.float32)
    unsigned = np.dtype(f"u{x.dtype.itemsize}")
    if not total:
        x = np.where(np.isnan(x), np.asarray(np.nan, x.dtype), x + np.zeros((), x.dtype))
    bits = x.view(unsigned)
    top = unsigned.type(1 << (8 * unsigned.itemsize - 1))
    return np.where(bits & top, ~bits, bits | top)


def stable_order(key: np.ndarray, axis: int) -> np.ndarray:
    """The indices that sort `key` along `axis`, equal elements in their order."""
    count = key.shape[axis]
    if key.dtype.kind == "c" or key.dtype.itemsize > 4 or count < _PACK_ABOVE:
        if key.dtype.kind not in "biufc":
            key = ordered_bits(key)
        return np.argsort(key, axis, kind="stable")
    bits = np.moveaxis(ordered_bits(key), axis, -1).astype(np.uint64)
    packed = (bits << np.uint64(32)) | np.arange(count, dtype=np.uint64)
    packed.sort(axis=-1)
    return np.moveaxis(packed & np.uint64(0xFFFFFFFF), -1, axis).astype(np.intp)


# ---- sort --------------------------------------------------------------------------------------

def _sort_type(*xs: Any, dimension: int, is_stable: bool, num_keys: int) -> list[Any]:
    if any(x.shape != xs[0].shape for x in xs):
        shapes = " ".join(str(x.shape) for x in xs)
        raise TypeError(f"Arguments to sort must have equal shapes, got: {shapes}")
    return list(xs)


def _sort_evaluate(*xs: np.ndarray, dimension: int, is_stable: bool, num_keys: int,
                   ) -> list[np.ndarray]:
    if len(xs) == 1:
        x = xs[0]
        zeros = rows.order_zeros_spec(x, dimension)
        if zeros is not None:  # NumPy's fast sort confuses the zeros of floats
            x = np.ascontiguousarray(x)
            out = np.sort(x, axis=dimension)
            call_eagerly("arrax_order_zeros", zeros, x, out)
            return [out]
        if x.dtype.kind in "biufc":
            return [np.sort(x, axis=dimension, kind="stable" if x.dtype.kind in "fc" else None)]
        order = np.argsort(ordered_bits(x), axis=dimension, kind="stable")
        return [np.take_along_axis(x, order, dimension)]
    if num_keys == 1:
        order = stable_order(xs[0], dimension)
    else:
        keys = [k if k.dtype.kind in "biufc" else ordered_bits(k) for k in xs[:num_keys]]
        order = np.lexsort(tuple(reversed(keys)), axis=dimension)
    if order.ndim == 1:
        return [x.take(order) for x in xs]
    return [np.take_along_axis(x, order, dimension) for x in xs]


def take_along(x: Any, indices: Any, axis: int) -> Any:
    """`x` at `indices` along `axis`, the other axes running together."""
    rank = aval_of(x).ndim
    others = tuple(i for i in range(rank) if i != axis)
    numbers = GatherDimensionNumbers(
        offset_dims=(), collapsed_slice_dims=(axis,), start_index_map=(axis,),
        operand_batching_dims=others, start_indices_batching_dims=others)
    return gather_p.bind(
        x, indices, dimension_numbers=numbers, slice_sizes=(1,) * rank, unique_indices=False,
        indices_are_sorted=False, mode=GatherScatterMode.PROMISE_IN_BOUNDS, fill_value=None)


def _sort_jvp(primals: Any, tangents: Any, *, dimension: int, is_stable: bool, num_keys: int,
              ) -> Any:
    shape = aval_of(primals[0]).shape
    iota = iota_p.bind(dtype=_UINT32, shape=shape, dimension=dimension, sharding=None)
    *outs, order = sort_p.bind(*primals, iota, dimension=dimension, is_stable=is_stable,
                               num_keys=num_keys)
    order = expand_dims(order, (len(shape),))
    return outs, [Zero(tangent_aval(aval_of(out))) if type(t) is Zero
                  else take_along(t, order, dimension)
                  for out, t in zip(outs, tangents, strict=True)]


def _sort_batch(axis: Any, operands: Any, dims: Any, *, dimension: int, is_stable: bool,
                num_keys: int) -> Any:
    place = next(d for d in dims if d is not None)
    xs = [batch_at(x, d, place, axis.size) for x, d in zip(operands, dims, strict=True)]
    outs = sort_p.bind(*xs, dimension=dimension if dimension < place else dimension + 1,
                       is_stable=is_stable, num_keys=num_keys)
    return outs, [place] * len(outs)


sort_p = Primitive("sort", sharding=sharding_rules.along_unsplit("sort"),
    multiple_results=True, type_rule=_sort_type, evaluate=_sort_evaluate,
                   jvp=_sort_jvp, batch=_sort_batch, weak_type="rule", typed_results=True,
                   lower=Library(rows.sort), stablehlo=sort_form)


@remembered
def sort(operand: Any, dimension: int = -1, is_stable: bool = True, num_keys: int = 1) -> Any:
    """Sort along `dimension`; several operands are permuted together by the first `num_keys`.

    NaN comes last, -0 and 0 are equal, complex numbers are ordered by real, then imaginary part.
    Returns an array for an array, else a tuple. TypeError for unequal shapes, ValueError for a
    `dimension` or `num_keys` out of range.

    Example:
      >>> lax.sort((jnp.array([2, 1]), jnp.array([10, 20])))
      (Array([1, 2], dtype=int32), Array([20, 10], dtype=int32))
    """
    if isinstance(operand, (ArrayImpl, Tracer, np.ndarray, np.generic)):
        operand = arguments.operand(operand, "sort")
        axis = canonical_axis(dimension, operand.ndim)
        return sort_p.bind(operand, dimension=axis, is_stable=bool(is_stable), num_keys=1)[0]
    if len(operand) == 0:
        raise TypeError("Sort requires at least one operand")
    if not 1 <= num_keys <= len(operand):
        raise ValueError(f"num_keys={num_keys} must be between 1 and "
                         f"len(operand)={len(operand)}")
    xs = [arguments.operand(x, "sort", i) for i, x in enumerate(operand)]
    axis = canonical_axis(dimension, xs[0].ndim)
    _sort_type(*(x.aval for x in xs), dimension=axis, is_stable=is_stable, num_keys=num_keys)
    return tuple(sort_p.bind(*xs, dimension=axis, is_stable=bool(is_stable),
                             num_keys=int(num_keys)))


def sort_key_val(keys: Any, values: ArrayLike, dimension: int = -1,
                 is_stable: bool = True) -> tuple[Array, Array]:
    """`keys` sorted along `dimension`, and `values` in the same order."""
    return sort((keys, values), dimension=dimension, is_stable=is_stable, num_keys=1)


# ---- top_k -------------------------------------------------------------------------------------

def _top_k_type(x: Any, *, k: int, axis: int) -> list[Any]:
    if k < 0:
        raise ValueError(f"k argument to top_k must be nonnegative, got {k}")
    if x.ndim == 0:
        raise TypeError("top_k operand must have >= 1 dimension, got ()")
    if k > x.shape[axis]:
        raise ValueError("k argument to top_k must be no larger than size along axis; got "
                         f"k={k} with shape={list(x.shape)} and axis={axis}")
    if dtypes.issubdtype(x.dtype, np.complexfloating):
        raise ValueError("top_k is not compatible with complex inputs, got "
                         f"{dtypes.dtype_name(x.dtype)}.")
    check_positions("top_k", x.shape[axis], np.dtype(np.int32))
    shape = (*x.shape[:axis], k, *x.shape[axis + 1:])
    return [x.update(shape=shape), ShapedArray(shape, np.dtype(np.int32))]


def _top_k_evaluate(x: np.ndarray, *, k: int, axis: int) -> list[np.ndarray]:
    spec = rows.top_k_spec(x, k, axis) if x.size and k else None
    if spec is not None:
        shape = (*x.shape[:-1], k)
        found = [np.empty(shape, x.dtype), np.empty(shape, np.int32)]
        call_eagerly("arrax_top_k", spec, np.ascontiguousarray(x), *found)
        return found
    bits = np.moveaxis(~ordered_bits(x, total=True), axis, -1)
    order: np.ndarray
    if bits.dtype.itemsize <= 4:
        packed = (bits.astype(np.uint64) << np.uint64(32)) | np.arange(
            bits.shape[-1], dtype=np.uint64)
        if 0 < k < packed.shape[-1]:
            packed = np.partition(packed, k - 1, axis=-1)[..., :k]
        order = np.sort(packed, axis=-1)[..., :k] & np.uint64(0xFFFFFFFF)
    else:
        order = np.argsort(bits, axis=-1, kind="stable")[..., :k]
    order = np.moveaxis(order, -1, axis).astype(np.int32)
    return [np.take_along_axis(x, order.astype(np.intp), axis), order]


def _top_k_jvp(primals: Any, tangents: Any, *, k: int, axis: int) -> Any:
    values, indices = top_k_p.bind(*primals, k=k, axis=axis)
    return [values, indices], _selected_tangents(values, indices, tangents[0], axis)


def _selected_tangents(values: Any, indices: Any, tangent: Any, axis: int) -> list[Any]:
    none = Zero(tangent_aval(aval_of(indices)))
    if type(tangent) is Zero:
        return [Zero(tangent_aval(aval_of(values))), none]
    columns = reshape(indices, (*aval_of(indices).shape, 1))
    return [take_along(tangent, columns, axis), none]


def _top_k_batch(batch: Any, operands: Any, dims: Any, *, k: int, axis: int) -> Any:
    dim = dims[0]
    return top_k_p.bind(operands[0], k=k, axis=axis if axis < dim else axis + 1), [dim, dim]


top_k_p = Primitive("top_k", sharding=sharding_rules.along_unsplit("top_k"),
    multiple_results=True, type_rule=_top_k_type,
                    evaluate=_top_k_evaluate, jvp=_top_k_jvp, batch=_top_k_batch,
                    lower=Library(rows.top_k), stablehlo=top_k_form)


@remembered
def top_k(operand: Any, k: int, *, axis: int = -1) -> list[Array]:
    """The `k` greatest elements along `axis`, descending, and their indices.

    The order is total: NaN is greatest, 0 greater than -0, -NaN least; of equal elements the first
    comes first. ValueError when `k` is negative or larger than the axis, and for complex numbers.
    """
    operand = arguments.operand(operand, "top_k")
    axis = canonical_axis(axis, operand.ndim)
    _top_k_type(operand.aval, k=dimension(k, "k"), axis=axis)
    return list(top_k_p.bind(operand, k=dimension(k, "k"), axis=axis))


# ---- approximate top_k -------------------------------------------------------------------------

def _approx_type(x: Any, *, k: int, reduction_dimension: int, aggregate_to_topk: bool,
                 **params: Any) -> list[Any]:
    axis = canonical_axis(reduction_dimension, x.ndim)
    _top_k_type(x, k=k, axis=axis)
    count = k if aggregate_to_topk else _candidates(x.shape, k, axis, **params)
    return _top_k_type(x, k=count, axis=axis)


def _candidates(shape: tuple[int, ...], k: int, axis: int, *, recall_target: float,
                reduction_input_size_override: int, is_max_k: bool) -> int:
    """How many candidates remain before the last aggregation: enough for the expected recall.

    The axis is cut into tiles, 2ʲ of which are reduced to one: with L candidates the recall is
    about exp((1 - k) / L) (Chern et al. 2022, "TPU-KNN", section 5).
    """
    size, tile = shape[axis], 1024 if len(shape) == 1 else 128
    if size <= tile:
        return size
    if k == 1:
        return tile
    total = size if reduction_input_size_override < 0 else reduction_input_size_override
    if total < size:
        raise ValueError(f"reduction_input_size_override: {total} should be greater equals to "
                         f"operands[reduction_dim]: {size}")
    needed = min(max((1 - k) / math.log(recall_target), tile), size)
    tiles = -(-size // tile)
    exponent = min(int(math.log2(total / needed)), tiles.bit_length() - 1)
    return size if exponent == 0 else -(-tiles // 2 ** exponent) * tile


def _approx_evaluate(x: np.ndarray, *, k: int, reduction_dimension: int, is_max_k: bool,
                     aggregate_to_topk: bool, **params: Any) -> list[np.ndarray]:
    axis = reduction_dimension % x.ndim
    count = k if aggregate_to_topk else _candidates(x.shape, k, axis, is_max_k=is_max_k, **params)
    key = x.astype(np.float32) if x.dtype.itemsize < 4 else x
    order = np.argsort(-key if is_max_k else key, axis=axis, kind="stable")  # NaN comes last
    order = np.take(order, np.arange(count), axis=axis)
    return [np.take_along_axis(x, order, axis), order.astype(np.int32)]


def _approx_jvp(primals: Any, tangents: Any, **params: Any) -> Any:
    values, indices = approx_top_k_p.bind(*primals, **params)
    axis = params["reduction_dimension"] % aval_of(values).ndim
    return [values, indices], _selected_tangents(values, indices, tangents[0], axis)


def _approx_batch(batch: Any, operands: Any, dims: Any, *, reduction_dimension: int,
                  **params: Any) -> Any:
    dim = dims[0]
    axis = reduction_dimension % (aval_of(operands[0]).ndim - 1)
    out = approx_top_k_p.bind(operands[0], reduction_dimension=axis if axis < dim else axis + 1,
                              **params)
    return out, [dim, dim]


approx_top_k_p = Primitive(
    "approx_top_k", multiple_results=True, type_rule=_approx_type, evaluate=_approx_evaluate,
    jvp=_approx_jvp, batch=_approx_batch, lower=HostCall("NumPy selects"),
    stablehlo=approx_top_k_form)


def _approx(is_max: bool, operand: Any, k: int, reduction_dimension: int, recall_target: float,
            reduction_input_size_override: int, aggregate_to_topk: bool) -> Any:
    operand = arguments.operand(operand, "approx_max_k" if is_max else "approx_min_k")
    if not dtypes.issubdtype(operand.dtype, np.floating):
        raise ValueError("operand must be a floating type, got "
                         f"{dtypes.dtype_name(operand.dtype)}")
    params: dict[str, Any] = {
        "k": dimension(k), "reduction_dimension": reduction_dimension,
        "recall_target": recall_target, "is_max_k": is_max,
        "reduction_input_size_override": reduction_input_size_override,
        "aggregate_to_topk": aggregate_to_topk}
    _approx_type(operand.aval, **params)
    return list(approx_top_k_p.bind(operand, **params))


def approx_max_k(operand: Any, k: int, reduction_dimension: int = -1, recall_target: float = 0.95,
                 reduction_input_size_override: int = -1,
                 aggregate_to_topk: bool = True) -> tuple[Array, Array]:
    """The `k` greatest elements and their indices; on the CPU the exact ones (recall 1).

    Args:
      operand: an array of floats.
      k: how many elements.
      reduction_dimension: the axis to search.
      recall_target: the fraction of the true `k` to expect, between 0 and 1.
      reduction_input_size_override: the size of the whole axis, if `operand` is a part of it.
      aggregate_to_topk: if False, all candidates that a recall of `recall_target` takes are
        returned, in descending order; there are more than `k` of them.
    """
    return _approx(True, operand, k, reduction_dimension, recall_target,
                   reduction_input_size_override, aggregate_to_topk)


def approx_min_k(operand: Any, k: int, reduction_dimension: int = -1, recall_target: float = 0.95,
                 reduction_input_size_override: int = -1,
                 aggregate_to_topk: bool = True) -> tuple[Array, Array]:
    """The `k` least elements and their indices; arguments as for `approx_max_k`."""
    return _approx(False, operand, k, reduction_dimension, recall_target,
                   reduction_input_size_override, aggregate_to_topk)
