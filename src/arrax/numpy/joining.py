"""Joining, splitting and repeating arrays."""
from __future__ import annotations

import builtins
from typing import Any

import numpy as np

from arrax import lax
from arrax.core import dtypes, errors
from arrax.core.array import Array, ArrayImpl
from arrax.core.dimension import Dimension, dimension, max_dim, min_dim
from arrax.core.positions import check_positions
from arrax.core.remembered import remembered
from arrax.core.trace import Tracer
from arrax.numpy.index_update import IndexUpdateRef
from arrax.numpy.promotion import (as_array, broadcast_to_shape, canonical_axis, check_arraylike,
                                   convert, promote_dtypes, refuse_out)
from arrax.numpy.shaping import expand_dims, moveaxis, ndim, reshape
from arrax.ops.arguments import canonical_shape
from arrax.transforms.api_placement import sharded
from arrax.typing import ArrayLike, DTypeLike


# ---- joining ---------------------------------------------------------------------------------

def _sequence_of_arrays(name: str, arrays: Any) -> list[Any]:
    """The arrays of a sequence (an array is a sequence of its rows)."""
    if isinstance(arrays, (ArrayImpl, Tracer, np.ndarray)):
        whole: Any = arrays
        if whole.ndim == 0:
            raise ValueError("Zero-dimensional arrays cannot be concatenated.")
        return [as_array(name, whole[i]) for i in range(whole.shape[0])]
    try:
        members = list(arrays)
    except TypeError:
        raise TypeError(f"Value after * must be an iterable, not {type(arrays).__name__}") from None
    return [as_array(name, x, i) for i, x in enumerate(members)]


@remembered
def concatenate(arrays: Any, axis: int | None = 0, dtype: DTypeLike | None = None) -> Array:
    """Arrays joined along an axis that they have; flattened first if `axis` is None.

    Raises:
      ValueError: no arrays, or zero-dimensional ones. TypeError: shapes that do not match.
    """
    known = dtypes.check_user_dtype(dtype, "concatenate")
    operands = _sequence_of_arrays("concatenate", arrays)
    if not operands:
        raise ValueError("Need at least one array to concatenate.")
    if axis is None:
        operands, axis = [reshape(x, (x.size,)) for x in operands], 0
    if operands[0].ndim == 0:
        raise ValueError("Zero-dimensional arrays cannot be concatenated.")
    axis = canonical_axis(axis, operands[0].ndim)
    if known is not None:
        operands = [convert(x, known) for x in operands]
    else:
        first = operands[0].aval
        if not builtins.all(x.aval.dtype is first.dtype and not x.aval.weak_type
                            for x in operands):
            operands = promote_dtypes("concatenate", *operands)
    if len(operands) == 1:
        return operands[0]
    return lax.concatenate(operands, axis)


def concat(arrays: Any, /, *, axis: int | None = 0) -> Array:
    """Arrays joined along an axis that they have (array API standard)."""
    return concatenate(arrays, axis)


@remembered
def stack(arrays: Any, axis: int = 0, out: None = None, dtype: DTypeLike | None = None) -> Array:
    """Arrays of one shape joined along a new axis."""
    refuse_out("stack", out)
    if isinstance(arrays, (ArrayImpl, Tracer, np.ndarray)):
        x = as_array("stack", arrays)
        result = moveaxis(x, 0, axis)
        return result if dtype is None else convert(
            result, dtypes.check_user_dtype(dtype, "stack"))
    operands = _sequence_of_arrays("stack", arrays)
    if not operands:
        raise ValueError("Need at least one array to stack.")
    shapes = {x.shape for x in operands}
    if len({len(s) for s in shapes}) > 1:
        raise ValueError("Cannot stack arrays with different numbers of dimensions: got "
                         f"{', '.join(str(x.shape) for x in operands)}.")
    if len(shapes) > 1:
        raise ValueError("All input arrays must have the same shape, got "
                         f"{', '.join(str(x.shape) for x in operands)}.")
    axis = canonical_axis(axis, operands[0].ndim + 1)
    known = dtypes.check_user_dtype(dtype, "stack")
    if known is not None:
        operands = [convert(x, known) for x in operands]
    else:
        operands = promote_dtypes("stack", *operands)
    return lax.stack(operands, axis)


@remembered
def hstack(tup: Any, dtype: DTypeLike | None = None) -> Array:
    """Arrays joined along their second axis; vectors along their only one."""
    arrays = [_at_least("hstack", x, 1) for x in _sequence_of_arrays("hstack", tup)]
    return concatenate(arrays, axis=0 if not arrays or arrays[0].ndim == 1 else 1, dtype=dtype)


@remembered
def vstack(tup: Any, dtype: DTypeLike | None = None) -> Array:
    """Arrays joined along their first axis; vectors become rows."""
    return concatenate([_at_least("vstack", x, 2) for x in _sequence_of_arrays("vstack", tup)],
                       axis=0, dtype=dtype)


@remembered
def dstack(tup: Any, dtype: DTypeLike | None = None) -> Array:
    """Arrays joined along their third axis; matrices get one of size 1."""
    return concatenate([_at_least("dstack", x, 3) for x in _sequence_of_arrays("dstack", tup)],
                       axis=2, dtype=dtype)


@remembered
def column_stack(tup: Any) -> Array:
    """Vectors as columns, joined with matrices along the second axis."""
    arrays = [expand_dims(reshape(x, (x.size,)), 1) if x.ndim < 2 else x
              for x in _sequence_of_arrays("column_stack", tup)]
    return concatenate(arrays, axis=1)


def _at_least(name: str, a: Any, rank: int) -> Any:
    x = as_array(name, a)
    if x.ndim >= rank:
        return x
    if rank == 1:
        return lax.expand_dims(x, (0,))
    if rank == 2:
        return lax.expand_dims(x, tuple(range(2 - x.ndim)))
    return lax.expand_dims(x, {0: (0, 1, 2), 1: (0, 2), 2: (2,)}[x.ndim])


def _at_least_all(name: str, rank: int, arrays: tuple[Any, ...]) -> Any:
    found = [_at_least(name, as_array(name, a, i), rank) for i, a in enumerate(arrays)]
    return found[0] if len(found) == 1 else found


def atleast_1d(*arys: ArrayLike) -> Any:
    """The arguments with at least one dimension; a list of them if there are several."""
    return _at_least_all("atleast_1d", 1, arys)


def atleast_2d(*arys: ArrayLike) -> Any:
    """The arguments with at least two dimensions, vectors as rows."""
    return _at_least_all("atleast_2d", 2, arys)


def atleast_3d(*arys: ArrayLike) -> Any:
    """The arguments with at least three dimensions."""
    return _at_least_all("atleast_3d", 3, arys)


@remembered
def append(arr: ArrayLike, values: ArrayLike, axis: int | None = None) -> Array:
    """`values` joined to the end of `arr` along `axis`, both flattened if None."""
    x, y = as_array("append", arr), as_array("append", values, 1)
    if axis is None:
        return concatenate([reshape(x, (x.size,)), reshape(y, (y.size,))], 0)
    return concatenate([x, y], axis)


@remembered
def block(arrays: Any) -> Array:
    """An array from nested lists of blocks: innermost lists join along the last axis."""
    depth = _block_depth(arrays)
    result_rank = builtins.max(depth, _block_rank(arrays))
    return _block(arrays, depth, result_rank)


def _block_depth(arrays: Any) -> int:
    if isinstance(arrays, tuple):
        raise TypeError("arrays is a tuple. Only lists can be used to arrange blocks, and "
                        "np.block does not allow implicit conversion from tuple to ndarray.")
    if not isinstance(arrays, list):
        return 0
    if not arrays:
        raise ValueError("arrays cannot contain empty lists")
    depths = {_block_depth(a) for a in arrays}
    if len(depths) > 1:
        raise ValueError(f"List depths are mismatched: {sorted(depths)}")
    return 1 + depths.pop()


def _block_rank(arrays: Any) -> int:
    return builtins.max(map(_block_rank, arrays)) if isinstance(arrays, list) else ndim(arrays)


def _block(arrays: Any, depth: int, rank: int) -> Any:
    if not isinstance(arrays, list):
        x = as_array("block", arrays)
        return lax.expand_dims(x, tuple(range(rank - x.ndim))) if x.ndim < rank else x
    return concatenate([_block(a, depth - 1, rank) for a in arrays], axis=-depth)


# ---- splitting -------------------------------------------------------------------------------

def _split(name: str, ary: Any, indices_or_sections: Any, axis: int) -> list[Any]:
    x = as_array(name, ary)
    axis = canonical_axis(axis, x.ndim)
    length = x.shape[axis]
    if isinstance(indices_or_sections, (tuple, list)) or (
            not isinstance(indices_or_sections, Dimension) and np.ndim(indices_or_sections) > 0):
        points = [dimension(_known_int(name, i)) for i in indices_or_sections]
        bounds = [min_dim(p + length if p < 0 else p, length) for p in points]
        edges = [0, *[max_dim(b, 0) for b in bounds], length]
        sizes = [max_dim(b - a, 0) for a, b in zip(edges, edges[1:], strict=False)]
        if builtins.sum(sizes) == length and builtins.all(
                a <= b for a, b in zip(edges, edges[1:], strict=False)):
            return list(lax.split(x, sizes, axis))
        return [lax.slice_in_dim(x, a, max_dim(a, b), axis=axis)
                for a, b in zip(edges, edges[1:], strict=False)]
    sections = dimension(_known_int(name, indices_or_sections))
    if sections <= 0:
        raise ValueError("number sections must be larger than 0.")
    each, rest = divmod(length, sections)
    if rest != 0 and name != "array_split":
        raise ValueError(f"array split does not result in an equal division: rest is {rest}")
    return list(lax.split(x, [each + 1] * rest + [each] * (sections - rest), axis))


def _known_int(name: str, value: Any) -> Any:
    if isinstance(value, Tracer) and value.concrete() is None:
        raise errors.ConcretizationTypeError(
            value, f"in argument 1 of jax.numpy.{name}")
    return value if isinstance(value, (int, Dimension)) else np.asarray(value).item()


@remembered
def split(ary: ArrayLike, indices_or_sections: Any, axis: int = 0) -> list[Any]:
    """Consecutive parts of an array along `axis`: as many equal ones, or cut at the given places.

    ValueError when the parts would not be equal.
    """
    return _split("split", ary, indices_or_sections, axis)


@remembered
def array_split(ary: ArrayLike, indices_or_sections: Any, axis: int = 0) -> list[Any]:
    """As `split`; the first parts are one longer where they cannot be equal."""
    return _split("array_split", ary, indices_or_sections, axis)


@remembered
def hsplit(ary: ArrayLike, indices_or_sections: Any) -> list[Any]:
    """Parts along the second axis; of vectors, along the only one."""
    x = as_array("hsplit", ary)
    return _split("hsplit", x, indices_or_sections, 0 if x.ndim == 1 else 1)


@remembered
def vsplit(ary: ArrayLike, indices_or_sections: Any) -> list[Any]:
    """Parts along the first axis."""
    return _split("vsplit", ary, indices_or_sections, 0)


@remembered
def dsplit(ary: ArrayLike, indices_or_sections: Any) -> list[Any]:
    """Parts along the third axis."""
    return _split("dsplit", ary, indices_or_sections, 2)


@remembered
def unstack(x: Any, /, *, axis: int = 0) -> tuple[Any, ...]:
    """The slices of `x` along `axis`."""
    x = as_array("unstack", x)
    if x.ndim == 0:
        raise ValueError("Unstack requires arrays with rank > 0, however a scalar array was "
                         "passed.")
    return tuple(lax.unstack(x, canonical_axis(axis, x.ndim)))


# ---- repeating -------------------------------------------------------------------------------

@remembered
def tile(A: ArrayLike, reps: Any) -> Array:
    """`A` repeated `reps` times along each axis."""
    x = as_array("tile", A)
    times = canonical_shape(reps)
    if len(times) < x.ndim:
        times = (1,) * (x.ndim - len(times)) + times
    if x.ndim < len(times):
        x = lax.expand_dims(x, tuple(range(len(times) - x.ndim)))
    return x if builtins.all(t == 1 for t in times) else lax.tile(x, times)


@remembered
@sharded
def repeat(a: ArrayLike, repeats: ArrayLike, axis: int | None = None, *,
           total_repeat_length: int | None = None, out_sharding: Any = None) -> Array:
    """Each element repeated `repeats` times along `axis` (of the flattened array if None).

    Args:
      repeats: a number, or one for each element. Under `jit` it must be known, or
        `total_repeat_length` must say how long the result is: what is too long is cut off, what is
        missing repeats the last element.
    """
    x = as_array("repeat", a)
    check_arraylike("repeat", a, repeats)
    if axis is None:
        x, axis = reshape(x, (x.size,)), 0
    axis = canonical_axis(axis, x.ndim)
    length = x.shape[axis]
    if isinstance(repeats, (int, np.integer, Dimension)) and total_repeat_length is None:
        return _repeat_all(x, dimension(repeats, "repeats"), axis)
    if isinstance(repeats, float):
        raise TypeError("broadcast_in_dim shape must have every element be an integer type, got "
                        f"{type(repeats)}.")
    if isinstance(repeats, Tracer) and repeats.concrete() is None:
        if total_repeat_length is None:
            raise errors.ConcretizationTypeError(
                repeats, "When jit-compiling jnp.repeat, the total number of repeats must be "
                "static. To fix this, either specify a static value for `repeats`, or pass a "
                "static value to `total_repeat_length`.")
        return _repeat_traced(x, repeats, axis, total_repeat_length)
    counts = np.asarray(repeats)
    if counts.size == 1 and total_repeat_length is None:
        return _repeat_all(x, int(counts.reshape(())), axis)
    if total_repeat_length is not None:
        check_positions("repeat", total_repeat_length, np.dtype(np.int32))
    positions = np.repeat(np.arange(length), counts)
    if total_repeat_length is not None:
        filler = positions[-1] if positions.size else 0
        positions = np.append(positions, [filler] * builtins.max(
            total_repeat_length - positions.size, 0))[:total_repeat_length]
    return _take_positions(x, positions.astype(np.int32), axis)


def _take_positions(x: Any, positions: Any, axis: int) -> Any:
    return x[(slice(None),) * axis + (positions,)]


def _repeat_all(x: Any, times: int, axis: int) -> Any:
    new = list(x.shape)
    new[axis] *= times
    wide = (*x.shape[:axis + 1], times, *x.shape[axis + 1:])
    kept = tuple(i for i in range(len(wide)) if i != axis + 1)
    return reshape(lax.broadcast_in_dim(x, wide, kept), tuple(new))


def _repeat_traced(x: Any, repeats: Any, axis: int, total: int) -> Any:
    """Marks where each element begins; the running sum of marks is the element at each place."""
    counts = broadcast_to_shape(lax.convert_element_type(repeats, np.int32), (x.shape[axis],))
    ends = lax.slice_in_dim(lax.cumsum(counts, 0), 0, builtins.max(x.shape[axis] - 1, 0))
    marks = IndexUpdateRef(lax.full((total,), np.int32(0)), (ends,)).add(np.int32(1))
    return _take_positions(x, lax.cumsum(marks, 0), axis)
