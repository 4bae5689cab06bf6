"""Shapes: reshape, transpose, join, split, repeat, and the facts about shapes."""
from __future__ import annotations

import builtins
import math
import operator
from collections.abc import Sequence
from typing import Any

import numpy as np

from arrax import lax
from arrax.core import dtypes, errors
from arrax.core.array import ArrayImpl
from arrax.core.trace import Tracer
from arrax.numpy.index_update import IndexUpdateRef
from arrax.numpy.promotion import (as_array, broadcast_to_shape, canonical_axes, canonical_axis,
                                   check_arraylike, convert, evaluating, promote_dtypes,
                                   refuse_out, view_of)
from arrax.ops.arguments import canonical_shape


# ---- facts -----------------------------------------------------------------------------------

def shape(a: Any) -> tuple[int, ...]:
    """The shape of an array or of nested lists."""
    return tuple(a.shape) if hasattr(a, "shape") else np.shape(a)


def ndim(a: Any) -> int:
    """The number of dimensions of an array or of nested lists."""
    return a.ndim if hasattr(a, "ndim") else np.ndim(a)  # type: ignore[no-any-return]


def size(a: Any, axis: int | Sequence[int] | None = None) -> int:
    """The number of elements, or the length along `axis`."""
    dimensions = shape(a)
    if axis is None:
        return math.prod(dimensions)
    return math.prod(dimensions[i] for i in canonical_axes(axis, len(dimensions)))


# ---- reshape ---------------------------------------------------------------------------------

def reshape(a: Any, shape: Any, order: str = "C", *, copy: bool | None = None,
            out_sharding: Any = None) -> Any:
    """The elements of `a` in another shape; one dimension may be -1 (what is left).

    Args:
      order: "C" (last index fastest) or "F" (first index fastest).

    Raises:
      TypeError: the sizes do not match, or the shape is not known now.
    """
    x = a if type(a) is ArrayImpl or isinstance(a, Tracer) else as_array("reshape", a)
    if copy is False:
        raise NotImplementedError("copy=False not supported: a reshaped array may be a copy.")
    new = resolve_shape(x, shape)
    if order == "C":
        if new == x.shape:
            return x
        if type(x) is ArrayImpl and evaluating():
            return view_of(x, x._value().reshape(new))
        return lax.reshape_p.bind(x, new_sizes=new, dimensions=None, sharding=None)
    if order != "F":
        raise NotImplementedError(f"np.reshape order={order} is not implemented.")
    dimensions = tuple(range(x.ndim))[::-1]
    if evaluating():
        return transpose(reshape(transpose(x), new[::-1]))
    flipped = lax.reshape(x, new[::-1], dimensions)
    return lax.transpose(flipped, tuple(range(len(new)))[::-1])


def resolve_shape(x: Any, shape: Any) -> tuple[int, ...]:
    """`shape` as a tuple of ints, -1 replaced, for the elements of `x`."""
    if isinstance(shape, (tuple, list)):
        new = canonical_shape(tuple(shape))
    else:
        try:
            new = (operator.index(shape),)
        except TypeError:
            new = canonical_shape(shape if np.ndim(shape) and not isinstance(shape, Tracer)
                                  else [shape])
    unknown = [i for i, d in enumerate(new) if d == -1]
    total = x.size
    if len(unknown) > 1:
        raise TypeError("can only specify one unknown axis size with a `-1` value, "
                        f"got {shape}")
    if unknown:
        known = -math.prod(new)
        if known == 0 or total % known:
            raise TypeError(
                f"cannot reshape array of shape {x.shape} (size {total}) into shape {new} because "
                f"the product of specified axis sizes ({known}) does not evenly divide {total}")
        return tuple(total // known if d == -1 else d for d in new)
    if math.prod(new) != total or builtins.any(d < 0 for d in new):
        raise TypeError(f"cannot reshape array of shape {x.shape} (size {total}) into shape "
                        f"{shape} (size {math.prod(new)})")
    return new


def ravel(a: Any, order: str = "C", *, out_sharding: Any = None) -> Any:
    """All elements along one axis."""
    if order == "K":
        raise NotImplementedError("Ravel not implemented for order='K'.")
    x = as_array("ravel", a)
    return reshape(x, (x.size,), order)


def resize(a: Any, new_shape: Any) -> Any:
    """The elements in another shape, repeated or cut off as needed."""
    x = as_array("resize", a)
    new = canonical_shape(new_shape)
    if builtins.any(d < 0 for d in new):
        raise ValueError("all elements of `new_shape` must be non-negative")
    wanted = math.prod(new)
    if x.size == 0 or wanted == 0:
        return lax.full(new, 0, x.dtype)
    flat = reshape(x, (x.size,))
    repeats = -(-wanted // x.size)
    if repeats > 1:
        flat = lax.concatenate([flat] * repeats, 0)
    return reshape(lax.slice_in_dim(flat, 0, wanted), new)


def expand_dims(a: Any, axis: int | Sequence[int]) -> Any:
    """`a` with new axes of size 1 at the positions `axis` of the result."""
    x = as_array("expand_dims", a)
    positions = tuple(axis) if isinstance(axis, (tuple, list)) else (operator.index(axis),)
    rank = x.ndim + len(positions)
    places = [canonical_axis(p, rank) for p in positions]
    if len(set(places)) != len(places):
        raise ValueError(f"repeated axis in lax.expand_dims: {positions}")
    if type(x) is ArrayImpl and evaluating():
        return view_of(x, np.expand_dims(x._value(), tuple(places)))
    return lax.expand_dims(x, places)


def squeeze(a: Any, axis: int | Sequence[int] | None = None) -> Any:
    """`a` without axes of size 1: those in `axis`, or all."""
    x = as_array("squeeze", a)
    if axis is None:
        axes = tuple(i for i, d in enumerate(x.shape) if d == 1)
    else:
        axes = canonical_axes(axis, x.ndim)
        if builtins.any(x.shape[i] != 1 for i in axes):
            raise ValueError("cannot select an axis to squeeze out which has size not equal to "
                             f"one, got shape={x.shape} and dimensions={axes}")
    return lax.squeeze(x, axes) if axes else x


# ---- order of axes ---------------------------------------------------------------------------

def transpose(a: Any, axes: Sequence[int] | None = None) -> Any:
    """`a` with its axes in the order `axes`; reversed if None."""
    x = a if type(a) is ArrayImpl or isinstance(a, Tracer) else as_array("transpose", a)
    rank = x.ndim
    if axes is None:
        order = tuple(range(rank))[::-1]
    else:
        order = tuple(operator.index(i) for i in axes)
        order = tuple(i + rank if -rank <= i < 0 else i for i in order)
        if sorted(order) != list(range(rank)):
            raise TypeError("transpose permutation isn't a permutation of operand dimensions, got "
                            f"permutation {order} for operand shape {x.shape}.")
    if order == tuple(range(rank)):
        return x
    if type(x) is ArrayImpl and evaluating():
        return view_of(x, x._value().transpose(order))
    return lax.transpose_p.bind(x, permutation=order)


def permute_dims(a: Any, /, axes: tuple[int, ...]) -> Any:
    """`a` with its axes in the order `axes`."""
    return transpose(a, axes)


def matrix_transpose(x: Any, /) -> Any:
    """`x` with its last two axes swapped. ValueError for fewer than two."""
    x = as_array("matrix_transpose", x)
    if x.ndim < 2:
        raise ValueError("x must be at least two-dimensional for matrix_transpose; "
                         f"got ndim={x.ndim}")
    return swapaxes(x, -1, -2)


def swapaxes(a: Any, axis1: int, axis2: int) -> Any:
    """`a` with two axes exchanged."""
    x = as_array("swapaxes", a)
    order = list(range(x.ndim))
    i, j = canonical_axis(axis1, x.ndim), canonical_axis(axis2, x.ndim)
    order[i], order[j] = j, i
    return transpose(x, order)


def moveaxis(a: Any, source: int | Sequence[int], destination: int | Sequence[int]) -> Any:
    """`a` with axes moved from `source` to `destination`; the others keep their order."""
    x = as_array("moveaxis", a)
    start = canonical_axes(_as_tuple(source), x.ndim)
    goal = canonical_axes(_as_tuple(destination), x.ndim)
    if len(start) != len(goal):
        raise ValueError(f"Inconsistent number of elements: {len(start)} vs {len(goal)}")
    order = [i for i in range(x.ndim) if i not in start]
    for to, origin in sorted(zip(goal, start, strict=True)):
        order.insert(to, origin)
    return transpose(x, order)


def _as_tuple(axis: Any) -> tuple[Any, ...]:
    return tuple(axis) if isinstance(axis, (tuple, list)) else (operator.index(axis),)


def rollaxis(a: Any, axis: int, start: int = 0) -> Any:
    """`a` with `axis` moved before the position `start`. Prefer `moveaxis`."""
    x = as_array("rollaxis", a)
    axis = canonical_axis(axis, x.ndim)
    if not -x.ndim <= start <= x.ndim:
        raise ValueError(f"start={start} must satisfy {-x.ndim}<=start<={x.ndim}")
    start = start + x.ndim if start < 0 else start
    return moveaxis(x, axis, start - 1 if start > axis else start)


def flip(m: Any, axis: int | Sequence[int] | None = None) -> Any:
    """`m` with its elements reversed along `axis` (all axes if None)."""
    x = as_array("flip", m)
    axes = canonical_axes(axis, x.ndim)
    return lax.rev(x, axes) if axes else x


def fliplr(m: Any) -> Any:
    """`m` reversed along its second axis."""
    return flip(m, 1)


def flipud(m: Any) -> Any:
    """`m` reversed along its first axis."""
    return flip(m, 0)


def rot90(m: Any, k: int = 1, axes: tuple[int, int] = (0, 1)) -> Any:
    """`m` turned by `k` quarters in the plane of two axes, from the first towards the second."""
    x = as_array("rot90", m)
    first, second = (canonical_axis(i, x.ndim) for i in axes)
    if first == second:
        raise ValueError("Axes must be different")
    k %= 4
    if k == 0:
        return x
    if k == 2:
        return flip(x, (first, second))
    order = list(range(x.ndim))
    order[first], order[second] = second, first
    if k == 1:
        return transpose(flip(x, second), order)
    return flip(transpose(x, order), second)


def roll(a: Any, shift: Any, axis: int | Sequence[int] | None = None) -> Any:
    """`a` with elements moved by `shift` along `axis`, those at the end coming in at the start.

    Without `axis` the flattened array is rolled. `shift` may be traced, or a tuple, one for each
    axis.
    """
    x = as_array("roll", a)
    check_arraylike("roll", *(shift if isinstance(shift, (tuple, list)) else (shift,)))
    if axis is None:
        return reshape(roll(reshape(x, (x.size,)), shift, 0), x.shape)
    axes = _as_tuple(axis)
    shifts = list(shift) if isinstance(shift, (tuple, list)) else \
        [shift] if np.ndim(shift) == 0 else [shift[i] for i in range(len(shift))]
    if len(shifts) == 1:
        shifts *= len(axes)
    if len(axes) == 1:
        axes *= len(shifts)
    for by, along in zip(shifts, axes, strict=True):
        x = _roll_one(x, by, canonical_axis(along, x.ndim))
    return x


def _roll_one(x: Any, shift: Any, axis: int) -> Any:
    length = x.shape[axis]
    if length == 0:
        return x
    if isinstance(shift, Tracer) and shift.concrete() is None:
        doubled = lax.concatenate([x, x], axis)
        by = lax.rem(lax.convert_element_type(shift, np.int32), np.int32(length))
        by = lax.select(lax.lt(by, np.int32(0)), lax.add(by, np.int32(length)), by)
        return lax.dynamic_slice_in_dim(doubled, lax.sub(np.int32(length), by), length, axis)
    by = operator.index(np.asarray(shift).item() if not isinstance(shift, int) else shift) % length
    if by == 0:
        return x
    return lax.concatenate([lax.slice_in_dim(x, length - by, length, axis=axis),
                            lax.slice_in_dim(x, 0, length - by, axis=axis)], axis)


# ---- broadcasting ----------------------------------------------------------------------------

def broadcast_shapes(*shapes: Any) -> tuple[int, ...]:
    """The shape that `shapes` broadcast to. ValueError when they do not."""
    known = [canonical_shape(s) for s in shapes]
    try:
        return tuple(np.broadcast_shapes(*known))
    except ValueError:
        raise ValueError(f"Incompatible shapes for broadcasting: shapes={known}") from None


def broadcast_to(array: Any, shape: Any, *, out_sharding: Any = None) -> Any:
    """`array` repeated along axes of size 1, and along new leading axes, to have `shape`."""
    x = as_array("broadcast_to", array)
    new = canonical_shape(shape)
    if len(new) < x.ndim:
        raise ValueError("Cannot broadcast to shape with fewer dimensions: "
                         f"arr_shape={x.shape} shape={new}")
    for mine, wanted in zip(reversed(x.shape), reversed(new), strict=False):
        if mine not in (1, wanted):
            raise ValueError(f"Incompatible shapes for broadcasting: {x.shape} and requested "
                             f"shape {new}")
    return broadcast_to_shape(x, new)


def broadcast_arrays(*args: Any) -> list[Any]:
    """The arguments broadcast to one shape."""
    arrays = [as_array("broadcast_arrays", a, i) for i, a in enumerate(args)]
    new = broadcast_shapes(*(x.shape for x in arrays))
    return [broadcast_to_shape(x, new) for x in arrays]


# ---- joining ---------------------------------------------------------------------------------

def _sequence_of_arrays(name: str, arrays: Any) -> list[Any]:
    """The arrays of a sequence (an array is a sequence of its rows)."""
    if isinstance(arrays, (ArrayImpl, Tracer, np.ndarray)):
        if arrays.ndim == 0:
            raise ValueError("Zero-dimensional arrays cannot be concatenated.")
        return [as_array(name, arrays[i]) for i in range(arrays.shape[0])]
    try:
        members = list(arrays)
    except TypeError:
        raise TypeError(f"Value after * must be an iterable, not {type(arrays).__name__}") from None
    return [as_array(name, x, i) for i, x in enumerate(members)]


def concatenate(arrays: Any, axis: int | None = 0, dtype: Any = None) -> Any:
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


def concat(arrays: Any, /, *, axis: int | None = 0) -> Any:
    """Arrays joined along an axis that they have (array API standard)."""
    return concatenate(arrays, axis)


def stack(arrays: Any, axis: int = 0, out: None = None, dtype: Any = None) -> Any:
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


def hstack(tup: Any, dtype: Any = None) -> Any:
    """Arrays joined along their second axis; vectors along their only one."""
    arrays = [_at_least("hstack", x, 1) for x in _sequence_of_arrays("hstack", tup)]
    return concatenate(arrays, axis=0 if not arrays or arrays[0].ndim == 1 else 1, dtype=dtype)


def vstack(tup: Any, dtype: Any = None) -> Any:
    """Arrays joined along their first axis; vectors become rows."""
    return concatenate([_at_least("vstack", x, 2) for x in _sequence_of_arrays("vstack", tup)],
                       axis=0, dtype=dtype)


def dstack(tup: Any, dtype: Any = None) -> Any:
    """Arrays joined along their third axis; matrices get one of size 1."""
    return concatenate([_at_least("dstack", x, 3) for x in _sequence_of_arrays("dstack", tup)],
                       axis=2, dtype=dtype)


def column_stack(tup: Any) -> Any:
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


def atleast_1d(*arys: Any) -> Any:
    """The arguments with at least one dimension; a list of them if there are several."""
    return _at_least_all("atleast_1d", 1, arys)


def atleast_2d(*arys: Any) -> Any:
    """The arguments with at least two dimensions, vectors as rows."""
    return _at_least_all("atleast_2d", 2, arys)


def atleast_3d(*arys: Any) -> Any:
    """The arguments with at least three dimensions."""
    return _at_least_all("atleast_3d", 3, arys)


def append(arr: Any, values: Any, axis: int | None = None) -> Any:
    """`values` joined to the end of `arr` along `axis`, both flattened if None."""
    x, y = as_array("append", arr), as_array("append", values, 1)
    if axis is None:
        return concatenate([reshape(x, (x.size,)), reshape(y, (y.size,))], 0)
    return concatenate([x, y], axis)


def block(arrays: Any) -> Any:
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
    if isinstance(indices_or_sections, (tuple, list)) or np.ndim(indices_or_sections) > 0:
        points = [operator.index(_known_int(name, i)) for i in indices_or_sections]
        bounds = [builtins.min(p + length if p < 0 else p, length) for p in points]
        edges = [0, *[builtins.max(b, 0) for b in bounds], length]
        sizes = [builtins.max(b - a, 0) for a, b in zip(edges, edges[1:], strict=False)]
        if builtins.sum(sizes) == length and builtins.all(
                a <= b for a, b in zip(edges, edges[1:], strict=False)):
            return list(lax.split(x, sizes, axis))
        return [lax.slice_in_dim(x, a, builtins.max(a, b), axis=axis)
                for a, b in zip(edges, edges[1:], strict=False)]
    sections = operator.index(_known_int(name, indices_or_sections))
    if sections <= 0:
        raise ValueError("number sections must be larger than 0.")
    each, rest = divmod(length, sections)
    if rest and name != "array_split":
        raise ValueError(f"array split does not result in an equal division: rest is {rest}")
    return list(lax.split(x, [each + 1] * rest + [each] * (sections - rest), axis))


def _known_int(name: str, value: Any) -> Any:
    if isinstance(value, Tracer) and value.concrete() is None:
        raise errors.ConcretizationTypeError(
            value, f"in argument 1 of jax.numpy.{name}")
    return np.asarray(value).item() if not isinstance(value, int) else value


def split(ary: Any, indices_or_sections: Any, axis: int = 0) -> list[Any]:
    """Consecutive parts of an array along `axis`: as many equal ones, or cut at the given places.

    ValueError when the parts would not be equal.
    """
    return _split("split", ary, indices_or_sections, axis)


def array_split(ary: Any, indices_or_sections: Any, axis: int = 0) -> list[Any]:
    """As `split`; the first parts are one longer where they cannot be equal."""
    return _split("array_split", ary, indices_or_sections, axis)


def hsplit(ary: Any, indices_or_sections: Any) -> list[Any]:
    """Parts along the second axis; of vectors, along the only one."""
    x = as_array("hsplit", ary)
    return _split("hsplit", x, indices_or_sections, 0 if x.ndim == 1 else 1)


def vsplit(ary: Any, indices_or_sections: Any) -> list[Any]:
    """Parts along the first axis."""
    return _split("vsplit", ary, indices_or_sections, 0)


def dsplit(ary: Any, indices_or_sections: Any) -> list[Any]:
    """Parts along the third axis."""
    return _split("dsplit", ary, indices_or_sections, 2)


def unstack(x: Any, /, *, axis: int = 0) -> tuple[Any, ...]:
    """The slices of `x` along `axis`."""
    x = as_array("unstack", x)
    if x.ndim == 0:
        raise ValueError("Unstack requires arrays with rank > 0, however a scalar array was "
                         "passed.")
    return tuple(lax.unstack(x, canonical_axis(axis, x.ndim)))


# ---- repeating -------------------------------------------------------------------------------

def tile(A: Any, reps: Any) -> Any:
    """`A` repeated `reps` times along each axis."""
    x = as_array("tile", A)
    times = canonical_shape(reps)
    if len(times) < x.ndim:
        times = (1,) * (x.ndim - len(times)) + times
    if x.ndim < len(times):
        x = lax.expand_dims(x, tuple(range(len(times) - x.ndim)))
    return x if builtins.all(t == 1 for t in times) else lax.tile(x, times)


def repeat(a: Any, repeats: Any, axis: int | None = None, *,
           total_repeat_length: int | None = None, out_sharding: Any = None) -> Any:
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
    if isinstance(repeats, (int, np.integer)) and total_repeat_length is None:
        return _repeat_all(x, operator.index(repeats), axis)
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
