"""Slices: with static bounds, and with dynamic starts that are clamped into the operand."""
from __future__ import annotations

import builtins
from collections.abc import Sequence
from functools import lru_cache
from typing import Any

import numpy as np

from arrax.core import dtypes
from arrax.core.ad_values import Zero, is_undefined, tangent_aval
from arrax.core.array import Array, ArrayImpl, from_numpy
from arrax.core.aval import ShapedArray, aval_of
from arrax.core.dimension import dimension, surely_at_most
from arrax.core.evaluate import EVAL
from arrax.core.positions import is_beyond
from arrax.core.primitive import Primitive
from arrax.core.remembered import remembered
from arrax.core.trace import Tracer, current
from arrax.core.lowering import Form, Part
from arrax.ops import arguments, sharding_rules
from arrax.ops.added_window import add_window
from arrax.ops.arguments import canonical_axis, canonical_shape, check_same_dtypes
from arrax.ops.index_types import (GatherDimensionNumbers, GatherScatterMode,
                                   ScatterDimensionNumbers)
from arrax.ops.join import aval_of_operand
from arrax.ops.masked_scatter import masked_window
from arrax.ops.p import (add_p, concatenate_p, convert_element_type_p, gather_p, lt_p, pad_p,
                        scatter_p, select_n_p)
from arrax.ops.rules import (batch_at, batch_to_front, broadcast_in_dim, constant, instantiate,
                             linear_jvp, transpose_unary, zeros)
from arrax.ops.shape import expand_dims, squeeze
from arrax.typing import ArrayLike

_slice: type[builtins.slice] = builtins.slice  # `slice` below is the lax function


# ---- slice -------------------------------------------------------------------------------------

def _slice_type(x: Any, *, start_indices: Any, limit_indices: Any, strides: Any) -> Any:
    for name, values in (("start_indices", start_indices), ("limit_indices", limit_indices),
                         ("strides", strides)):
        if values is not None and len(values) != x.ndim:
            raise TypeError(f"slice {name} must have length equal to the number of dimensions of "
                            f"the operand, got {name} {values} for operand shape {x.shape}.")
    steps = strides or (1,) * x.ndim
    if any(step <= 0 for step in steps):
        raise TypeError(f"slice strides must be positive, got {strides}")
    if any(surely_at_most(start, -1) for start in start_indices):
        raise TypeError(f"slice start_indices must be greater than or equal to zero, got "
                        f"start_indices of {start_indices}.")
    if any(surely_at_most(size, limit - 1)
           for limit, size in zip(limit_indices, x.shape, strict=True)):
        raise TypeError("slice limit_indices must be less than or equal to operand shape, got "
                        f"limit_indices {limit_indices} for operand shape {x.shape}.")
    if any(surely_at_most(limit, start - 1)
           for limit, start in zip(limit_indices, start_indices, strict=True)):
        raise TypeError("slice limit_indices must be greater than or equal to start_indices, got "
                        f"start_indices {start_indices} and limit_indices {limit_indices}.")
    return x.update(shape=tuple(
        (limit - start + step - 1) // step
        for start, limit, step in zip(start_indices, limit_indices, steps, strict=True)))


@lru_cache(maxsize=4096)
def _check_slice(aval: Any, starts: Any, limits: Any, strides: Any) -> None:
    _slice_type(aval, start_indices=starts, limit_indices=limits, strides=strides)


def _slice_evaluate(x: np.ndarray, *, start_indices: Any, limit_indices: Any, strides: Any) -> Any:
    if strides is None:
        return x[tuple(map(_slice, start_indices, limit_indices))]
    return x[tuple(map(_slice, start_indices, limit_indices, strides))]


def _slice_transpose(cotangent: Any, x: Any, *, start_indices: Any, limit_indices: Any,
                     strides: Any) -> Any:
    shape, config = aval_of(cotangent).shape, []
    for i, size in enumerate(x.shape):
        step = 1 if strides is None else strides[i]
        covered = start_indices[i] + (shape[i] - 1) * step + 1 if shape[i] != 0 \
            else start_indices[i]
        config.append((start_indices[i], size - covered, step - 1))
    return pad_p.bind(cotangent, constant(0, aval_of(cotangent)),
                      padding_config=tuple(config))


def _slice_batch(axis: Any, operands: Any, dims: Any, *, start_indices: Any, limit_indices: Any,
                 strides: Any) -> Any:
    dim = dims[0]

    def insert(values: Any, value: int) -> Any:
        return (*values[:dim], value, *values[dim:])

    out = slice_p.bind(operands[0], start_indices=insert(start_indices, 0),
                       limit_indices=insert(limit_indices, axis.size),
                       strides=None if strides is None else insert(strides, 1))
    return out, dim


slice_p = Primitive("slice", sharding=sharding_rules.resized("slicing"),
    type_rule=_slice_type, evaluate=_slice_evaluate, jvp=linear_jvp(),
                    transpose=transpose_unary(_slice_transpose), batch=_slice_batch,
                    lower=Form(),
                    stablehlo=lambda b, x, *, start_indices, limit_indices, strides: b.op(
                        "slice", x, results=b.outs[0], start_indices=start_indices,
                        limit_indices=limit_indices, strides=strides or (1,) * x.ndim))


@remembered
def slice(operand: ArrayLike, start_indices: Sequence[int], limit_indices: Sequence[int],
          strides: Sequence[int] | None = None) -> Array:
    """`operand[start:limit:stride]` along each axis; TypeError for bounds outside the operand."""
    operand = arguments.operand(operand, "slice")
    starts, limits = canonical_shape(start_indices), canonical_shape(limit_indices)
    strides = None if strides is None else canonical_shape(strides)
    if type(operand) is ArrayImpl:  # NumPy would clip or count from the end
        _check_slice(operand.aval, starts, limits, strides)
    return slice_p.bind(operand, start_indices=starts, limit_indices=limits, strides=strides)


def slice_in_dim(operand: Any, start_index: int | None, limit_index: int | None, stride: int = 1,
                 axis: int = 0) -> Array:
    """`operand[start_index:limit_index:stride]` along an axis; bounds may be negative."""
    operand = arguments.operand(operand, "slice_in_dim")
    shape = operand.shape
    axis = canonical_axis(axis, len(shape))
    size = shape[axis]
    start = 0 if start_index is None else dimension(start_index, "start_index")
    limit = size if limit_index is None else dimension(limit_index, "limit_index")
    starts, limits, strides = [0] * len(shape), list(shape), [1] * len(shape)
    starts[axis] = start + size if start < 0 else start
    limits[axis] = limit + size if limit < 0 else limit
    strides[axis] = dimension(stride, "stride")
    return slice(operand, starts, limits, strides)


def index_in_dim(operand: Any, index: int, axis: int = 0, keepdims: bool = True) -> Array:
    """The element at a static `index` along `axis`; IndexError when out of bounds."""
    operand = arguments.operand(operand, "index_in_dim")
    index, axis = dimension(index), canonical_axis(axis, operand.ndim)
    size = operand.shape[axis]
    if not -size <= index < size:
        raise IndexError(f"index {index} is out of bounds for axis {axis} with size {size}")
    index = index + size if index < 0 else index
    result = slice_in_dim(operand, index, index + 1, 1, axis)
    return result if keepdims else squeeze(result, (axis,))


# ---- dynamic_slice -----------------------------------------------------------------------------

def _check_starts(name: str, x: Any, starts: Any) -> None:
    if any(not dtypes.issubdtype(s.dtype, np.integer) or s.dtype != starts[0].dtype
           for s in starts):
        names = ", ".join(dtypes.dtype_name(s.dtype) for s in starts)
        raise TypeError(f"index arguments to {name} must be integers of the same type, got: "
                        f"{names}")
    if any(s.ndim for s in starts):
        raise TypeError(f"start_indices arguments to {name} must be scalars,  got indices "
                        f"{tuple(starts)}")
    if len(starts) != x.ndim:
        raise TypeError(f"{name} start_indices must have length equal to the number of dimensions "
                        f"of the operand, got {len(starts)} indices for operand shape {x.shape}.")


def _dynamic_slice_type(x: Any, *starts: Any, slice_sizes: Any) -> Any:
    _check_starts("dynamic_slice", x, starts)
    if len(slice_sizes) != x.ndim:
        raise TypeError("dynamic_slice slice_sizes must have length equal to the number of "
                        f"dimensions of the operand, got slice_sizes {slice_sizes} for operand "
                        f"shape {x.shape}.")
    if any(n > size for n, size in zip(slice_sizes, x.shape, strict=True)):
        raise TypeError("slice slice_sizes must be less than or equal to operand shape, got "
                        f"slice_sizes {slice_sizes} for operand shape {x.shape}.")
    if any(n < 0 for n in slice_sizes):
        raise TypeError("slice slice_sizes must be greater than or equal to zero, got slice_sizes "
                        f"of {slice_sizes}.")
    return x.update(shape=slice_sizes)


@lru_cache(maxsize=4096)
def _check_dynamic_slice(aval: Any, starts: Any, sizes: Any) -> None:
    _dynamic_slice_type(aval, *starts, slice_sizes=sizes)


def _window(shape: Any, starts: Any, sizes: Any) -> tuple[Any, ...]:
    """The slices at `starts`, clamped so that windows of `sizes` lie inside `shape`."""
    window = []
    for extent, start, size in zip(shape, starts, sizes, strict=True):
        begin = min(int(start), extent - size)
        begin = max(begin, 0)
        window.append(_slice(begin, begin + size))
    return tuple(window)


def _dynamic_slice_jvp(primals: Any, tangents: Any, *, slice_sizes: Any) -> Any:
    out = dynamic_slice_p.bind(*primals, slice_sizes=slice_sizes)
    if type(tangents[0]) is Zero:
        return out, Zero(tangent_aval(aval_of(out)))
    return out, dynamic_slice_p.bind(tangents[0], *primals[1:], slice_sizes=slice_sizes)


def _dynamic_slice_transpose(cotangent: Any, x: Any, *starts: Any, slice_sizes: Any) -> Any:
    nothing = [None] * len(starts)
    if type(cotangent) is Zero:
        return [Zero(x.aval), *nothing]
    return [dynamic_update_slice_p.bind(zeros(x.aval), cotangent, *starts), *nothing]


def _dynamic_slice_batch(axis: Any, operands: Any, dims: Any, *, slice_sizes: Any) -> Any:
    x, *starts = operands
    x_dim, *start_dims = dims
    if all(d is None for d in start_dims):
        starts.insert(x_dim, constant(0, aval_of(starts[0])))
        sizes = (*slice_sizes[:x_dim], axis.size, *slice_sizes[x_dim:])
        return dynamic_slice_p.bind(x, *starts, slice_sizes=sizes), x_dim
    indices = _stacked_starts(starts, start_dims, axis.size)
    numbers, sizes = _window_gather(slice_sizes, None if x_dim is None else axis.size)
    x = x if x_dim is None else batch_at(x, x_dim, 0, axis.size)
    return gather_p.bind(
        x, indices, dimension_numbers=numbers, slice_sizes=sizes, unique_indices=True,
        indices_are_sorted=True, mode=GatherScatterMode.CLIP, fill_value=None), 0


def _stacked_starts(starts: Any, dims: Any, size: int) -> Any:
    """Scalar starts, some batched, as an array [size, number of starts]."""
    columns = [expand_dims(batch_to_front(s, d, size), (1,))
               for s, d in zip(starts, dims, strict=True)]
    if len(columns) == 1:
        return columns[0]
    return concatenate_p.bind(*columns, dimension=1)


def _window_gather(slice_sizes: Any, batch_size: int | None) -> Any:
    """The gather that takes one window per batch element, of an operand batched too unless None."""
    rank = len(slice_sizes)
    shift = 0 if batch_size is None else 1
    batch = (0,) * shift
    numbers = GatherDimensionNumbers(
        offset_dims=tuple(range(1, rank + 1)), collapsed_slice_dims=(),
        start_index_map=tuple(range(shift, rank + shift)), operand_batching_dims=batch,
        start_indices_batching_dims=batch)
    return numbers, (*([] if batch_size is None else [min(1, batch_size)]), *slice_sizes)


dynamic_slice_p = Primitive(
    "dynamic_slice", sharding=sharding_rules.resized("dynamic_slice"),
    type_rule=_dynamic_slice_type,
    evaluate=lambda x, *starts, slice_sizes: x[_window(x.shape, starts, slice_sizes)],
    jvp=_dynamic_slice_jvp, transpose=_dynamic_slice_transpose, batch=_dynamic_slice_batch,
    weak_type="first", linear=True, lower=Form(),
    stablehlo=lambda b, x, *starts, slice_sizes: b.op(
        "dynamic_slice", x, *starts, results=b.outs[0], slice_sizes=slice_sizes))


@remembered
def dynamic_slice(operand: Any, start_indices: Any, slice_sizes: Any, *,
                  allow_negative_indices: bool | Sequence[bool] = True) -> Array:
    """A window of `slice_sizes` at `start_indices` (scalars, may be traced).

    Negative starts count from the end (unless `allow_negative_indices` is False); then starts are
    clamped so that the window lies inside the operand. TypeError for windows larger than the
    operand and for starts that are no integers of one dtype.

    Example:
      >>> lax.dynamic_slice(jnp.arange(5), (4,), (2,))
      Array([3, 4], dtype=int32)
    """
    operand = arguments.operand(operand, "dynamic_slice")
    starts = _start_operands("dynamic_slice", operand.aval, start_indices, allow_negative_indices)
    sizes = canonical_shape(slice_sizes)
    if type(operand) is ArrayImpl:
        _check_dynamic_slice(operand.aval, tuple(map(aval_of, starts)), sizes)
    return dynamic_slice_p.bind(operand, *starts, slice_sizes=sizes)


def _start_operands(name: str, aval: Any, start_indices: Any, allow_negative: Any) -> list[Any]:
    """Start indices as scalar operands, counted from the front."""
    if isinstance(start_indices, (ArrayImpl, Tracer, np.ndarray)):
        if aval_of(start_indices).ndim != 1:
            raise ValueError("start_indices must be a 1D array or a sequence of scalars, got "
                             f"shape {aval_of(start_indices).shape}")
        count = aval_of(start_indices).shape[0]
        if isinstance(start_indices, Tracer):
            starts = [index_in_dim(start_indices, i, 0, False) for i in range(count)]
        else:
            starts = list(np.asarray(start_indices))
    else:
        starts = list(start_indices)
    if len(starts) != aval.ndim:
        raise ValueError("Length of slice indices must match number of operand dimensions "
                         f"({len(starts)} vs {aval.shape})")
    if isinstance(allow_negative, bool):
        allow_negative = (allow_negative,) * len(starts)
    return [_from_the_front(s, size, allow)
            for s, size, allow in zip(starts, aval.shape, allow_negative, strict=True)]


def _from_the_front(index: Any, size: int, allow_negative: bool) -> Any:
    """A start index, plus `size` where negative; constants are computed at once."""
    if not allow_negative and isinstance(index, (int, np.integer)) and index < 0:
        raise ValueError(f"Index {index} is out of bounds for dimension {size} if "
                         "allow_negative_indices=False")
    if type(index) is int:
        index = index + size if allow_negative and index < 0 else index
        return _constant_index(index, dtypes.default_int_dtype())
    if isinstance(index, Tracer):
        return _traced_from_the_front(index, size) if allow_negative else index
    aval = aval_of(index)
    if aval.ndim or not dtypes.issubdtype(aval.dtype, np.integer):
        return index  # the type rule says what is wrong
    value = int(index.data if type(index) is ArrayImpl else index)
    if allow_negative and value < 0:
        value += size
    return _constant_index(value, aval.dtype)


def _constant_index(value: int, dtype: Any) -> Any:
    """An index as an operand: an Array (which binds fastest) or, to be staged, a NumPy scalar."""
    if current() is EVAL:
        return _index_array(value, dtype)
    return constant(value, ShapedArray((), dtype))


@lru_cache(maxsize=4096)
def _index_array(value: int, dtype: Any) -> Any:
    return from_numpy(np.asarray(value, dtype))


def _traced_from_the_front(index: Any, size: int) -> Any:
    aval = index.aval
    if not dtypes.issubdtype(aval.dtype, np.signedinteger) or aval.ndim:
        return index
    negative = lt_p.bind(index, constant(0, aval))
    strong = index
    if aval.weak_type:
        strong = convert_element_type_p.bind(index, new_dtype=aval.dtype, weak_type=False,
                                             sharding=None)
    if is_beyond(size, aval.dtype):
        return index  # a negative index of so few bits cannot be moved to the front in its dtype
    return select_n_p.bind(negative, index, add_p.bind(strong, constant(size, aval)))


def dynamic_slice_in_dim(operand: Any, start_index: ArrayLike, slice_size: int, axis: int = 0, *,
                         allow_negative_indices: bool = True) -> Array:
    """`slice_size` elements from `start_index` (may be traced; clamped) along `axis`."""
    operand = arguments.operand(operand, "dynamic_slice_in_dim")
    axis = canonical_axis(axis, operand.ndim)
    starts: list[Any] = [_zero_like(start_index)] * operand.ndim
    sizes = list(operand.shape)
    starts[axis], sizes[axis] = start_index, dimension(slice_size, "slice_size")
    allowed = [i == axis and allow_negative_indices for i in range(operand.ndim)]
    return dynamic_slice(operand, starts, sizes, allow_negative_indices=allowed)


def _zero_like(index: Any) -> Any:
    """A zero start of the dtype of `index`."""
    return 0 if type(index) is int else constant(0, aval_of(index))


def dynamic_index_in_dim(operand: Any, index: ArrayLike, axis: int = 0, keepdims: bool = True, *,
                         allow_negative_indices: bool = True) -> Array:
    """The element at `index` (may be traced; clamped) along `axis`."""
    result = dynamic_slice_in_dim(operand, index, 1, axis,
                                  allow_negative_indices=allow_negative_indices)
    return result if keepdims else squeeze(result, (axis,))


# ---- dynamic_update_slice ----------------------------------------------------------------------

def _dynamic_update_slice_type(x: Any, update: Any, *starts: Any) -> Any:
    if x.ndim != update.ndim:
        raise TypeError("dynamic_update_slice update must have the same rank as operand, got "
                        f"update shape {update.shape} for operand shape {x.shape}.")
    _check_starts("dynamic_update_slice", x, starts)
    if any(n > size for n, size in zip(update.shape, x.shape, strict=True)):
        raise TypeError("dynamic_update_slice update shape must be smaller than operand shape, got "
                        f"update shape {update.shape} for operand shape {x.shape}.")
    check_same_dtypes("dynamic_update_slice", x, update)
    return x


def _dynamic_update_slice_evaluate(x: np.ndarray, update: np.ndarray, *starts: Any) -> np.ndarray:
    out = x.copy()
    out[_window(x.shape, starts, update.shape)] = update
    return out


def _dynamic_update_slice_jvp(primals: Any, tangents: Any) -> Any:
    out = dynamic_update_slice_p.bind(*primals)
    if type(tangents[0]) is Zero and type(tangents[1]) is Zero:
        return out, Zero(tangent_aval(aval_of(out)))
    return out, dynamic_update_slice_p.bind(*map(instantiate, tangents[:2]), *primals[2:])


def _dynamic_update_slice_transpose(cotangent: Any, x: Any, update: Any, *starts: Any) -> list[Any]:
    nothing = [None] * len(starts)
    if type(cotangent) is Zero:
        return [Zero(v.aval) if is_undefined(v) else None for v in (x, update)] + nothing
    update_aval = aval_of_operand(update)
    x_cotangent = update_cotangent = None
    if is_undefined(x):
        x_cotangent = dynamic_update_slice_p.bind(
            cotangent, zeros(tangent_aval(update_aval)), *starts)
    if is_undefined(update):
        update_cotangent = dynamic_slice_p.bind(cotangent, *starts, slice_sizes=update_aval.shape)
    return [x_cotangent, update_cotangent, *nothing]


def _dynamic_update_slice_batch(axis: Any, operands: Any, dims: Any) -> Any:
    x, update, *starts = operands
    x_dim, update_dim, *start_dims = dims
    x = batch_to_front(x, x_dim, axis.size)
    update = batch_to_front(update, update_dim, axis.size)
    if all(d is None for d in start_dims):
        return dynamic_update_slice_p.bind(x, update, constant(0, aval_of(starts[0])), *starts), 0
    rank = len(starts)
    numbers = ScatterDimensionNumbers(
        update_window_dims=tuple(range(1, rank + 1)), inserted_window_dims=(),
        scatter_dims_to_operand_dims=tuple(range(1, rank + 1)), operand_batching_dims=(0,),
        scatter_indices_batching_dims=(0,))
    return scatter_p.bind(
        x, _stacked_starts(starts, start_dims, axis.size), update, dimension_numbers=numbers,
        indices_are_sorted=True, unique_indices=True, mode=GatherScatterMode.CLIP,
        update_jaxpr=None, update_consts=()), 0


def _add_updated(total: Any, _: Any, update: Any, *starts: Any) -> Any:
    """total + dynamic_update_slice(zeros, update, *starts)."""
    return add_window(total, update, starts)


dynamic_update_slice_p = Primitive(
    "dynamic_update_slice", sharding=sharding_rules.dynamic_update_slice,
    type_rule=_dynamic_update_slice_type,
    evaluate=_dynamic_update_slice_evaluate, jvp=_dynamic_update_slice_jvp,
    transpose=_dynamic_update_slice_transpose, batch=_dynamic_update_slice_batch,
    linear=True, lower=Form(), part=Part(_add_updated),
    masked=masked_window,
    stablehlo=lambda b, x, update, *starts: b.op("dynamic_update_slice", x, update, *starts))


@remembered
def dynamic_update_slice(operand: Any, update: Any, start_indices: Any, *,
                         allow_negative_indices: bool | Sequence[bool] = True) -> Array:
    """`operand` with the window at `start_indices` replaced by `update`.

    Starts count from the end when negative and are clamped as in `dynamic_slice`. TypeError when
    `update` does not fit or has another dtype.
    """
    operand = arguments.operand(operand, "dynamic_update_slice")
    update = arguments.operand(update, "dynamic_update_slice", 1)
    starts = _start_operands("dynamic_update_slice", operand.aval, start_indices,
                             allow_negative_indices)
    if type(operand) is ArrayImpl:
        _dynamic_update_slice_type(operand.aval, update.aval, *map(aval_of, starts))
    return dynamic_update_slice_p.bind(operand, update, *starts)


def dynamic_update_slice_in_dim(operand: Any, update: ArrayLike, start_index: ArrayLike, axis: int,
                                *, allow_negative_indices: bool = True) -> Array:
    """`operand` with `update` written from `start_index` on along `axis`."""
    operand = arguments.operand(operand, "dynamic_update_slice_in_dim")
    axis = canonical_axis(axis, operand.ndim)
    starts: list[Any] = [_zero_like(start_index)] * operand.ndim
    starts[axis] = start_index
    allowed = [i == axis and allow_negative_indices for i in range(operand.ndim)]
    return dynamic_update_slice(operand, update, starts, allow_negative_indices=allowed)


def dynamic_update_index_in_dim(operand: Any, update: Any, index: Any, axis: int, *,
                                allow_negative_indices: bool = True) -> Array:
    """`operand` with the element at `index` along `axis` replaced by `update`."""
    operand = arguments.operand(operand, "dynamic_update_index_in_dim")
    update = arguments.operand(update, "dynamic_update_index_in_dim", 1)
    axis = canonical_axis(axis, operand.ndim)
    if update.ndim != operand.ndim:
        update = broadcast_in_dim(
            update, (*update.shape[:axis], 1, *update.shape[axis:]),
            [i for i in range(update.ndim + 1) if i != axis])
    return dynamic_update_slice_in_dim(operand, update, index, axis,
                                       allow_negative_indices=allow_negative_indices)
