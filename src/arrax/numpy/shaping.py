"""Shapes: reshape, transpose, join, split, repeat, and the facts about shapes."""
from __future__ import annotations

import builtins
import math
import operator
from collections.abc import Sequence
from typing import Any

import numpy as np

from arrax import lax
from arrax.core import dimension as dimensions
from arrax.core.array import Array, ArrayImpl, array_of
from arrax.core.dimension import dimension
from arrax.core.remembered import remembered
from arrax.core.trace import Tracer
from arrax.core.evaluate import computes_at_once
from arrax.ops.arguments import axis_tuple, integer
from arrax.numpy.promotion import (as_array, broadcast_to_shape, canonical_axes, canonical_axis,
                                   check_arraylike, evaluating, view_of)
from arrax.ops.arguments import canonical_shape
from arrax.transforms.api_placement import reshard
from arrax.typing import ArrayLike


# ---- facts -----------------------------------------------------------------------------------

def shape(a: Any) -> tuple[int, ...]:
    """The shape of an array or of nested lists."""
    if hasattr(a, "shape"):
        return tuple(a.shape)
    return tuple(array_of(a).shape) if hasattr(a, "__jax_array__") else np.shape(a)


def ndim(a: Any) -> int:
    """The number of dimensions of an array or of nested lists."""
    return a.ndim if hasattr(a, "ndim") else len(shape(a))


def size(a: Any, axis: int | Sequence[int] | None = None) -> int:
    """The number of elements, or the length along `axis`."""
    dimensions = shape(a)
    if axis is None:
        return math.prod(dimensions)
    if isinstance(axis, Sequence) and len({i % max(len(dimensions), 1)
                                        for i in axis}) < len(axis):
        raise ValueError(f"size: repeated axis in {tuple(axis)}")
    return math.prod(dimensions[i] for i in canonical_axes(axis, len(dimensions)))


# ---- reshape ---------------------------------------------------------------------------------

def reshape(a: ArrayLike, shape: Any, order: str = "C", *, copy: bool | None = None,
            out_sharding: Any = None) -> Array:
    """The elements of `a` in another shape; one dimension may be -1 (what is left).

    Args:
      order: "C" (last index fastest) or "F" (first index fastest).

    Raises:
      TypeError: the sizes do not match, or the shape is not known now.
    """
    if out_sharding is not None:
        return reshard(reshape(a, shape, order, copy=copy), out_sharding)
    x: Any = a if type(a) is ArrayImpl or isinstance(a, Tracer) else as_array("reshape", a)
    if copy is False:
        raise NotImplementedError("copy=False not supported: a reshaped array may be a copy.")
    new = resolve_shape(x, shape)
    if order == "C":
        if new == x.shape:
            return x
        if computes_at_once(x):
            return view_of(x, x._value().reshape(new))
        return lax.reshape_p.bind(x, new_sizes=new, dimensions=None, sharding=None)
    if order != "F":
        raise ValueError(f"Unexpected value for 'order' argument of reshape: {order}.")
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
            new = (dimension(shape, "shape"),)
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
        if known == 0 or total % known != 0:
            raise TypeError(
                f"cannot reshape array of shape {x.shape} (size {total}) into shape {new} because "
                f"the product of specified axis sizes ({known}) does not evenly divide {total}")
        return tuple(total // known if d == -1 else d for d in new)
    if math.prod(new) != total or builtins.any(d < 0 for d in new):
        raise TypeError(f"cannot reshape array of shape {x.shape} (size {total}) into shape "
                        f"{shape} (size {math.prod(new)})")
    return new


def ravel(a: ArrayLike, order: str = "C", *, out_sharding: Any = None) -> Array:
    """All elements along one axis."""
    if out_sharding is not None:
        return reshard(ravel(a, order), out_sharding)
    if order == "K":
        raise NotImplementedError("Ravel not implemented for order='K'.")
    x = as_array("ravel", a)
    return reshape(x, (x.size,), order)


@remembered
def resize(a: ArrayLike, new_shape: Any) -> Array:
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


def expand_dims(a: ArrayLike, axis: int | tuple[int, ...] | list[int]) -> Array:
    """`a` with new axes of size 1 at the positions `axis` of the result."""
    x = as_array("expand_dims", a)
    positions = axis_tuple(axis)
    rank = x.ndim + len(positions)
    places = [canonical_axis(p, rank) for p in positions]
    if len(set(places)) != len(places):
        raise ValueError(f"repeated axis in lax.expand_dims: {positions}")
    if computes_at_once(x):
        return view_of(x, np.expand_dims(x._value(), tuple(places)))
    return lax.expand_dims(x, places)


def squeeze(a: ArrayLike, axis: int | Sequence[int] | None = None) -> Array:
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

def transpose(a: ArrayLike, axes: Sequence[int] | None = None) -> Array:
    """`a` with its axes in the order `axes`; reversed if None."""
    x: Any = a if type(a) is ArrayImpl or isinstance(a, Tracer) else as_array("transpose", a)
    rank = x.ndim
    if axes is None:
        order = tuple(range(rank))[::-1]
    else:
        order = tuple(integer(i, "an axis") for i in axes)
        order = tuple(i + rank if -rank <= i < 0 else i for i in order)
        if sorted(order) != list(range(rank)):
            raise TypeError("transpose permutation isn't a permutation of operand dimensions, got "
                            f"permutation {order} for operand shape {x.shape}.")
    if order == tuple(range(rank)):
        return x
    if computes_at_once(x):
        return view_of(x, x._value().transpose(order))
    return lax.transpose_p.bind(x, permutation=order)


def permute_dims(a: ArrayLike, /, axes: tuple[int, ...]) -> Array:
    """`a` with its axes in the order `axes`."""
    return transpose(a, axes)


def matrix_transpose(x: Any, /) -> Array:
    """`x` with its last two axes swapped. ValueError for fewer than two."""
    x = as_array("matrix_transpose", x)
    if x.ndim < 2:
        raise ValueError("x must be at least two-dimensional for matrix_transpose; "
                         f"got ndim={x.ndim}")
    return swapaxes(x, -1, -2)


def swapaxes(a: ArrayLike, axis1: int, axis2: int) -> Array:
    """`a` with two axes exchanged."""
    x = as_array("swapaxes", a)
    order = list(range(x.ndim))
    i, j = canonical_axis(axis1, x.ndim), canonical_axis(axis2, x.ndim)
    order[i], order[j] = j, i
    return transpose(x, order)


@remembered
def moveaxis(a: ArrayLike, source: int | Sequence[int], destination: int | Sequence[int]) -> Array:
    """`a` with axes moved from `source` to `destination`; the others keep their order."""
    x = as_array("moveaxis", a)
    start = canonical_axes(axis_tuple(source), x.ndim)
    goal = canonical_axes(axis_tuple(destination), x.ndim)
    if len(start) != len(goal):
        raise ValueError(f"Inconsistent number of elements: {len(start)} vs {len(goal)}")
    order = [i for i in range(x.ndim) if i not in start]
    for to, origin in sorted(zip(goal, start, strict=True)):
        order.insert(to, origin)
    return transpose(x, order)


@remembered
def rollaxis(a: ArrayLike, axis: int, start: int = 0) -> Array:
    """`a` with `axis` moved before the position `start`. Prefer `moveaxis`."""
    x = as_array("rollaxis", a)
    axis = canonical_axis(axis, x.ndim)
    if not -x.ndim <= start <= x.ndim:
        raise ValueError(f"start={start} must satisfy {-x.ndim}<=start<={x.ndim}")
    start = start + x.ndim if start < 0 else start
    return moveaxis(x, axis, start - 1 if start > axis else start)


@remembered
def flip(m: ArrayLike, axis: int | Sequence[int] | None = None) -> Array:
    """`m` with its elements reversed along `axis` (all axes if None)."""
    x = as_array("flip", m)
    axes = canonical_axes(axis, x.ndim)
    return lax.rev(x, axes) if axes else x


@remembered
def fliplr(m: ArrayLike) -> Array:
    """`m` reversed along its second axis."""
    return flip(m, 1)


@remembered
def flipud(m: ArrayLike) -> Array:
    """`m` reversed along its first axis."""
    return flip(m, 0)


@remembered
def rot90(m: ArrayLike, k: int = 1, axes: tuple[int, int] = (0, 1)) -> Array:
    """`m` turned by `k` quarters in the plane of two axes, from the first towards the second."""
    x = as_array("rot90", m)
    if x.ndim < 2:
        raise ValueError("rot90 requires its first argument to have ndim at least two, but got "
                         f"first argument of shape {x.shape}")
    if len(axes) != 2:
        raise ValueError(f"rot90: axes must be two, got {axes}")
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


@remembered
def roll(a: ArrayLike, shift: Any, axis: int | Sequence[int] | None = None) -> Array:
    """`a` with elements moved by `shift` along `axis`, those at the end coming in at the start.

    Without `axis` the flattened array is rolled. `shift` may be traced, or a tuple, one for each
    axis.
    """
    x = as_array("roll", a)
    check_arraylike("roll", *(shift if isinstance(shift, (tuple, list)) else (shift,)))
    if hasattr(shift, "__jax_array__"):
        shift = array_of(shift)
    if axis is None:
        return reshape(roll(reshape(x, (x.size,)), shift, 0), x.shape)
    axes = axis_tuple(axis)
    shifts = list(shift) if isinstance(shift, (tuple, list)) else \
        [shift] if np.ndim(shift) == 0 else [shift[i] for i in range(len(shift))]
    if len(shifts) == 1:
        shifts *= len(axes)
    if len(axes) == 1:
        axes *= len(shifts)
    if len(shifts) != len(axes):
        raise ValueError(f"roll: shift and axis must have one length; got shift={shift} and "
                         f"axis={axis}")
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
        return tuple(dimensions.broadcast_shapes(*known))
    except ValueError:
        raise ValueError(f"Incompatible shapes for broadcasting: shapes={known}") from None


def broadcast_to(array: ArrayLike, shape: Any, *, out_sharding: Any = None) -> Array:
    """`array` repeated along axes of size 1, and along new leading axes, to have `shape`."""
    if out_sharding is not None:
        return reshard(broadcast_to(array, shape), out_sharding)
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


@remembered
def broadcast_arrays(*args: ArrayLike) -> list[Any]:
    """The arguments broadcast to one shape."""
    arrays = [as_array("broadcast_arrays", a, i) for i, a in enumerate(args)]
    new = broadcast_shapes(*(x.shape for x in arrays))
    return [broadcast_to_shape(x, new) for x in arrays]
