"""Shape operations that move no data: broadcast, reshape, transpose, squeeze, reverse."""
from __future__ import annotations

import functools
import math
from collections.abc import Sequence
from functools import lru_cache
from typing import Any

import numpy as np

from arrax.core.array import Array
from arrax.core.aval import aval_of
from arrax.core.primitive import Primitive
from arrax.core.printer import ALWAYS
from arrax.core.lowering import Form
from arrax.ops import sharding_rules
from arrax.ops.arguments import canonical_axes, canonical_shape, operand, positions
from arrax.ops.p import reduce_sum_p
from arrax.ops.rules import linear_jvp, move_axis, transpose_unary

_MATERIALIZE_BELOW = 4096  # elements; small broadcasts are copied, large ones are views


# ---- broadcast_in_dim --------------------------------------------------------------------------

def _broadcast_type(x: Any, *, shape: Any, broadcast_dimensions: Any, sharding: Any = None) -> Any:
    dims = broadcast_dimensions
    if any(d < 0 for d in shape):
        raise TypeError(
            f"broadcast_in_dim shape must have every element be nonnegative, got {shape}.")
    if len(dims) != x.ndim:
        raise TypeError("broadcast_in_dim broadcast_dimensions must have length equal to operand "
                        f"ndim; got broadcast_dimensions {dims} for operand ndim {x.ndim}.")
    if x.ndim > len(shape):
        raise TypeError("broadcast_in_dim target broadcast shape must have equal or higher rank "
                        f"to the operand shape; got operand ndim {x.ndim} and target broadcast "
                        f"ndim {len(shape)}.")
    if any(not 0 <= d < len(shape) for d in dims):
        raise TypeError("broadcast_in_dim broadcast_dimensions must be a subset of output "
                        f"dimensions, got {dims} for operand ndim {x.ndim} and shape {shape}.")
    if len(set(dims)) != len(dims):
        raise TypeError("broadcast_in_dim broadcast_dimensions must not contain duplicates, got "
                        f"broadcast_dimensions {dims}")
    if any(size not in (1, shape[d]) for size, d in zip(x.shape, dims, strict=True)):
        raise TypeError(
            "broadcast_in_dim operand dimension sizes must either be 1, or be equal to their "
            "corresponding dimensions in the target broadcast shape; got operand of shape "
            f"{x.shape}, target broadcast shape {shape}, broadcast_dimensions {dims} ")
    return x.update(shape=shape)


def _broadcast_evaluate(x: Any, *, shape: Any, broadcast_dimensions: Any, sharding: Any = None,
                        ) -> np.ndarray:
    if not broadcast_dimensions:
        return filled(shape, x)
    order, aligned, size = _broadcast_plan(x.shape, shape, broadcast_dimensions)
    if order is not None:
        x = x.transpose(order)
    x = x.reshape(aligned)
    if aligned == shape:
        return x
    if size > _MATERIALIZE_BELOW:
        return np.broadcast_to(x, shape)
    out = np.empty(shape, x.dtype)
    out[...] = x
    return out


@functools.lru_cache(maxsize=4096)
def _broadcast_plan(operand: tuple[int, ...], shape: tuple[int, ...], dims: tuple[int, ...],
                    ) -> tuple[list[int] | None, tuple[int, ...], int]:
    """(order of the operand's axes, its shape with all axes of the result, elements of that)."""
    order = sorted(range(len(dims)), key=dims.__getitem__)
    aligned = [1] * len(shape)
    for size, d in zip(operand, dims, strict=True):
        aligned[d] = size
    return None if order == list(range(len(dims))) else order, tuple(aligned), math.prod(shape)


def filled(shape: tuple[int, ...], value: np.ndarray) -> np.ndarray:
    """An array of one value; large zeros cost nothing until they are read."""
    if math.prod(shape) > _MATERIALIZE_BELOW and not any(value.tobytes()):
        return np.zeros(shape, value.dtype)
    out = np.empty(shape, value.dtype)
    out[...] = value
    return out


def _broadcast_transpose(cotangent: Any, x: Any, *, shape: Any, broadcast_dimensions: Any,
                         sharding: Any = None) -> Any:
    unit = [i for i, size in enumerate(x.shape) if size == 1]
    kept = [d for i, d in enumerate(broadcast_dimensions) if i not in unit]
    axes = positions(len(shape), kept)
    if axes:
        cotangent = reduce_sum_p.bind(cotangent, axes=axes, out_sharding=None)
    if kept != sorted(kept):
        cotangent = transpose(cotangent, np.argsort(np.argsort(kept)))
    return expand_dims(cotangent, unit)


def _broadcast_batch(axis: Any, operands: Any, dims: Any, *, shape: Any, broadcast_dimensions: Any,
                     sharding: Any = None) -> Any:
    x = move_axis(operands[0], dims[0], 0)
    out = broadcast_in_dim_p.bind(
        x, shape=(axis.size, *shape),
        broadcast_dimensions=(0, *(d + 1 for d in broadcast_dimensions)), sharding=sharding)
    return out, 0


broadcast_in_dim_p = Primitive(
    "broadcast_in_dim", sharding=sharding_rules.broadcast_in_dim,
    type_rule=_broadcast_type, evaluate=_broadcast_evaluate, jvp=linear_jvp(),
    transpose=transpose_unary(_broadcast_transpose), batch=_broadcast_batch,
    hidden={"shape": ALWAYS, "sharding": None, "broadcast_dimensions": ()},
    lower=Form(),
    stablehlo=lambda b, x, *, broadcast_dimensions, **_: b.op(
        "broadcast_in_dim", x, results=b.outs[0], broadcast_dimensions=broadcast_dimensions))


def broadcast_in_dim(operand: Any, shape: Any, broadcast_dimensions: Sequence[int], *,
                     out_sharding: Any = None) -> Array:
    """Broadcast `operand` to `shape`: its axis `i` becomes axis `broadcast_dimensions[i]`.

    Axes of size 1 are stretched. TypeError when sizes do not fit.

    Example:
      >>> lax.broadcast_in_dim(jnp.arange(2), (2, 3), (0,))
      Array([[0, 0, 0],
             [1, 1, 1]], dtype=int32)
    """
    operand = _operand(operand, "broadcast_in_dim")
    shape = canonical_shape(shape)
    dims = canonical_shape(broadcast_dimensions)
    if operand.shape == shape and dims == tuple(range(len(shape))) and out_sharding is None:
        return operand
    _check_broadcast(operand.aval, shape, dims)
    return broadcast_in_dim_p.bind(operand, shape=shape, broadcast_dimensions=dims,
                                   sharding=out_sharding)


@lru_cache(maxsize=4096)
def _check_broadcast(aval: Any, shape: tuple[int, ...], dims: tuple[int, ...]) -> None:
    """The type rule's checks, once for equal types: eager evaluation makes none."""
    _broadcast_type(aval, shape=shape, broadcast_dimensions=dims)


_operand = operand  # the public functions have a parameter of this name


def broadcast(operand: Any, sizes: Sequence[int], *, out_sharding: Any = None) -> Array:
    """Add leading axes of the given `sizes`."""
    operand = _operand(operand, "broadcast")
    sizes = canonical_shape(sizes)
    if not sizes and out_sharding is None:
        return operand
    return broadcast_in_dim(operand, sizes + operand.shape,
                            range(len(sizes), len(sizes) + operand.ndim), out_sharding=out_sharding)


def broadcast_shapes(*shapes: Any) -> tuple[int, ...]:
    """The shape that NumPy broadcasting of `shapes` gives; ValueError when they do not fit.

    Example:
      >>> lax.broadcast_shapes((2, 1), (3,))
      (2, 3)
    """
    if not shapes:
        return ()
    shapes = tuple(map(canonical_shape, shapes))
    first: tuple[int, ...] = shapes[0]
    if all(shape == first for shape in shapes):
        return first
    rank = max(map(len, shapes))
    out = []
    for sizes in zip(*((1,) * (rank - len(s)) + s for s in shapes), strict=True):
        wide = {size for size in sizes if size != 1}
        if len(wide) > 1:
            raise ValueError(f"Incompatible shapes for broadcasting: shapes={list(shapes)}")
        out.append(wide.pop() if wide else 1)
    return tuple(out)


def broadcast_to_rank(x: Any, rank: int) -> Array:
    """Add leading axes of size 1 until `x` has `rank` axes."""
    x = _operand(x, "broadcast_to_rank")
    return expand_dims(x, range(rank - x.ndim)) if x.ndim < rank else x


def broadcast_like(arr: Any, like_arr: Any) -> Array:
    """Broadcast `arr` to the shape of `like_arr` by NumPy's rules."""
    arr, shape = _operand(arr, "broadcast_like"), aval_of(like_arr).shape
    return broadcast_in_dim(arr, shape, range(len(shape) - arr.ndim, len(shape)))


def expand_dims(array: Any, dimensions: Sequence[int]) -> Array:
    """Insert axes of size 1 so that they stand at `dimensions` of the result."""
    array = _operand(array, "expand_dims")
    dimensions = tuple(dimensions)
    if not dimensions:
        return array
    shape, kept = _expanded(array.shape, dimensions)
    return broadcast_in_dim_p.bind(array, shape=shape, broadcast_dimensions=kept, sharding=None)


@lru_cache(maxsize=4096)
def _expanded(shape: tuple[int, ...], dimensions: tuple[int, ...]) -> Any:
    """The shape with new axes, and where the old ones are."""
    ndim = len(shape) + len(dimensions)
    axes = canonical_axes(dimensions, ndim)
    if len(set(axes)) != len(axes):
        raise ValueError(f"repeated axis in lax.expand_dims: {axes}")
    sizes = list(shape)
    for i in sorted(axes):
        sizes.insert(i, 1)
    return tuple(sizes), positions(ndim, axes)


# ---- reshape -----------------------------------------------------------------------------------

def _reshape_type(x: Any, *, new_sizes: Any, dimensions: Any, sharding: Any = None) -> Any:
    if any(d < 0 for d in new_sizes):
        raise TypeError(f"reshape new_sizes must all be positive, got {new_sizes}.")
    if math.prod(new_sizes) != x.size:
        raise TypeError("reshape total size must be unchanged, got new_sizes "
                        f"{new_sizes} for shape {x.shape}.")
    if dimensions is not None and set(dimensions) != set(range(x.ndim)):
        raise TypeError("reshape dimensions must be a permutation of operand dimensions, got "
                        f"dimensions {dimensions} for shape {x.shape}.")
    return x.update(shape=new_sizes)


def _reshape_evaluate(x: Any, *, new_sizes: Any, dimensions: Any, sharding: Any = None) -> Any:
    if dimensions is not None:
        x = x.transpose(dimensions)
    return x.reshape(new_sizes)


def _reshape_stablehlo(b: Any, x: Any, *, new_sizes: Any, dimensions: Any,
                       sharding: Any = None) -> Any:
    return b.reshape(x if dimensions is None else transpose(x, dimensions), new_sizes)


def _reshape_transpose(cotangent: Any, x: Any, *, new_sizes: Any, dimensions: Any,
                       sharding: Any = None) -> Any:
    if dimensions is None:
        return reshape(cotangent, x.shape)
    permuted = reshape(cotangent, tuple(x.shape[d] for d in dimensions))
    return transpose(permuted, np.argsort(dimensions))


def _reshape_batch(axis: Any, operands: Any, dims: Any, *, new_sizes: Any, dimensions: Any,
                   sharding: Any = None) -> Any:
    if dimensions is not None:
        dimensions = (0, *(d + 1 for d in dimensions))
    out = reshape_p.bind(move_axis(operands[0], dims[0], 0), new_sizes=(axis.size, *new_sizes),
                         dimensions=dimensions, sharding=sharding)
    return out, 0


reshape_p = Primitive(
    "reshape", sharding=sharding_rules.reshape,
    type_rule=_reshape_type, evaluate=_reshape_evaluate, jvp=linear_jvp(),
    transpose=transpose_unary(_reshape_transpose), batch=_reshape_batch, lower=Form(),
    stablehlo=_reshape_stablehlo)


def reshape(operand: Any, new_sizes: Any, dimensions: Sequence[int] | None = None, *,
            out_sharding: Any = None) -> Array:
    """The elements of `operand` in row-major order in the shape `new_sizes`.

    `dimensions` reorders the axes first. TypeError when sizes differ or are negative.
    """
    operand = _operand(operand, "reshape")
    new_sizes = canonical_shape(new_sizes)
    if dimensions is not None:
        dimensions = canonical_shape(dimensions)
        if set(dimensions) != set(range(operand.ndim)) or len(dimensions) != operand.ndim:
            raise TypeError("reshape dimensions must be a permutation of operand dimensions, got "
                            f"dimensions {dimensions} for shape {operand.shape}.")
        operand = transpose(operand, dimensions)
    if operand.shape == new_sizes and out_sharding is None:
        return operand
    if -1 in new_sizes:  # NumPy would take it for "the rest"
        _reshape_type(operand.aval, new_sizes=new_sizes, dimensions=None)
    return reshape_p.bind(operand, new_sizes=new_sizes, dimensions=None, sharding=out_sharding)


def collapse(operand: Any, start_dimension: int, stop_dimension: int | None = None) -> Array:
    """Merge the axes `start_dimension` to `stop_dimension` (exclusive) into one."""
    operand = _operand(operand, "collapse")
    lo, hi, _ = slice(start_dimension, stop_dimension).indices(operand.ndim)
    if hi < lo:
        raise ValueError(f"Invalid dimension range passed to collapse: {operand.shape}"
                         f"[{start_dimension}:{stop_dimension}]")
    size = math.prod(operand.shape[lo:hi])
    return reshape(operand, operand.shape[:lo] + (size,) + operand.shape[hi:])


# ---- transpose ---------------------------------------------------------------------------------

def _transpose_type(x: Any, *, permutation: Any) -> Any:
    if len(permutation) != x.ndim or set(permutation) != set(range(x.ndim)):
        raise TypeError("transpose permutation isn't a permutation of operand dimensions, got "
                        f"permutation {permutation} for operand shape {x.shape}.")
    return x.update(shape=tuple(x.shape[i] for i in permutation))


def _transpose_batch(axis: Any, operands: Any, dims: Any, *, permutation: Any) -> Any:
    dim = dims[0]
    shifted = (i if i < dim else i + 1 for i in permutation)
    return transpose_p.bind(operands[0], permutation=(dim, *shifted)), 0


transpose_p = Primitive(
    "transpose", sharding=sharding_rules.transpose,
    type_rule=_transpose_type,
    evaluate=lambda x, *, permutation: x.transpose(permutation), jvp=linear_jvp(),
    transpose=transpose_unary(lambda ct, x, *, permutation: transpose(ct, np.argsort(permutation))),
    batch=_transpose_batch, lower=Form(),
    stablehlo=lambda b, x, *, permutation: b.op(
        "transpose", x, results=b.outs[0], permutation=permutation))


def transpose(operand: Any, permutation: Any) -> Array:
    """Reorder the axes: axis `i` of the result is axis `permutation[i]` of `operand`."""
    operand = _operand(operand, "transpose")
    permutation = tuple(map(int, permutation))
    if permutation == tuple(range(operand.ndim)):
        return operand
    if any(i < 0 for i in permutation):  # NumPy would count from the end
        _transpose_type(operand.aval, permutation=permutation)
    return transpose_p.bind(operand, permutation=permutation)


# ---- squeeze -----------------------------------------------------------------------------------

def _squeeze_type(x: Any, *, dimensions: Any) -> Any:
    axes = canonical_axes(dimensions, x.ndim)
    if len(set(axes)) != len(axes):
        raise ValueError(f"dimensions are not unique: {dimensions}")
    if any(x.shape[d] != 1 for d in axes):
        raise ValueError("cannot select an axis to squeeze out which has size not equal to one, "
                         f"got shape={x.shape} and dimensions={dimensions}")
    return x.update(shape=tuple(x.shape[i] for i in positions(x.ndim, axes)))


def _squeeze_batch(axis: Any, operands: Any, dims: Any, *, dimensions: Any) -> Any:
    x = move_axis(operands[0], dims[0], 0)
    return squeeze_p.bind(x, dimensions=tuple(d + 1 for d in dimensions)), 0


squeeze_p = Primitive(
    "squeeze", sharding=sharding_rules.squeeze,
    type_rule=_squeeze_type,
    evaluate=lambda x, *, dimensions: x.squeeze(dimensions), jvp=linear_jvp(),
    transpose=transpose_unary(lambda ct, x, *, dimensions: expand_dims(ct, dimensions)),
    batch=_squeeze_batch, lower=Form(),
    stablehlo=lambda b, x, *, dimensions: b.reshape(x, b.outs[0].shape))


def squeeze(array: Any, dimensions: Sequence[int]) -> Array:
    """Remove the axes `dimensions`, which must have size 1 (else ValueError)."""
    array = _operand(array, "squeeze")
    dimensions = canonical_axes(dimensions, array.ndim)
    if not dimensions:
        return array
    return squeeze_p.bind(array, dimensions=dimensions)


# ---- rev ---------------------------------------------------------------------------------------

def _rev_type(x: Any, *, dimensions: Any) -> Any:
    if len(set(dimensions)) != len(dimensions):
        raise TypeError(f"rev dimensions must be unique, got {dimensions}.")
    if any(not 0 <= d < x.ndim for d in dimensions):
        raise TypeError("rev dimensions must all be less than operand ndim, got dimensions "
                        f"{dimensions} for operand ndim {x.ndim}.")
    return x


def _rev_batch(axis: Any, operands: Any, dims: Any, *, dimensions: Any) -> Any:
    dim = dims[0]
    shifted = tuple(d if d < dim else d + 1 for d in dimensions)
    return rev_p.bind(operands[0], dimensions=shifted), dim


_FORWARDS, _BACKWARDS = slice(None), slice(None, None, -1)
rev_p = Primitive(
    "rev", type_rule=_rev_type, evaluate=lambda x, *, dimensions: x[tuple([
        _BACKWARDS if i in dimensions else _FORWARDS for i in range(x.ndim)])],
    jvp=linear_jvp(), transpose=transpose_unary(lambda ct, x, *, dimensions: rev(ct, dimensions)),
    batch=_rev_batch, lower=Form(),
    stablehlo=lambda b, x, *, dimensions: b.op("reverse", x, dimensions=dimensions))


def rev(operand: Any, dimensions: Sequence[int]) -> Array:
    """Reverse the order of elements along each of `dimensions`."""
    operand = _operand(operand, "rev")
    dimensions = canonical_shape(dimensions)
    _rev_type(operand.aval, dimensions=dimensions)  # evaluation would take any numbers
    return rev_p.bind(operand, dimensions=dimensions)
