"""Putting arrays together and taking them apart: concatenate, stack, split, unstack, tile, pad."""
from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import Any

import numpy as np

from arrax.core.ad_values import Zero, is_undefined
from arrax.core.array import Array, ArrayImpl
from arrax.core.aval import aval_of
from arrax.core.dimension import dimension, max_dim, surely_at_most
from arrax.core.primitive import Primitive
from arrax.core.remembered import remembered
from arrax.core.trace import Tracer
from arrax.core.lowering import Form, Part
from arrax.ops import arguments, sharding_rules
from arrax.ops.added_window import add_window
from arrax.ops.arguments import canonical_axis, check_same_dtypes
from arrax.ops.p import reduce_sum_p, select_n_p, slice_p, sub_p
from arrax.ops.rules import (batch_at, batch_to_front, broadcast_in_dim, constant, instantiate,
                             linear_jvp, transpose_unary)
from arrax.ops.shape import expand_dims, reshape, squeeze


def _slice(x: Any, starts: Sequence[int], limits: Sequence[int],
           strides: Sequence[int] | None = None) -> Any:
    return slice_p.bind(x, start_indices=tuple(starts), limit_indices=tuple(limits),
                        strides=None if strides is None else tuple(strides))


def _slice_axis(x: Any, start: int, limit: int, axis: int) -> Any:
    shape = aval_of(x).shape
    return _slice(x, [start if i == axis else 0 for i in range(len(shape))],
                  [limit if i == axis else size for i, size in enumerate(shape)])


def _sum(x: Any, axes: Sequence[int]) -> Any:
    return reduce_sum_p.bind(x, axes=tuple(axes), out_sharding=None) if axes else x


# ---- concatenate -------------------------------------------------------------------------------

def _concatenate_type(*xs: Any, dimension: int) -> Any:
    if not xs:
        raise TypeError("concatenate expects at least one operand, got 0.")
    shapes = ", ".join(str(x.shape) for x in xs)
    if len({x.ndim for x in xs}) != 1:
        raise TypeError("Cannot concatenate arrays with different numbers of dimensions: got "
                        f"{shapes}.")
    if not 0 <= dimension < xs[0].ndim:
        raise TypeError(f"concatenate dimension out of bounds: dimension {dimension} for shapes "
                        f"{shapes}.")
    before, after = xs[0].shape[:dimension], xs[0].shape[dimension + 1:]
    if any(x.shape[:dimension] != before or x.shape[dimension + 1:] != after for x in xs):
        raise TypeError("Cannot concatenate arrays with shapes that differ in dimensions other "
                        "than the one being concatenated: concatenating along dimension "
                        f"{dimension} for shapes {shapes}.")
    check_same_dtypes("concatenate", *xs)
    total = sum(x.shape[dimension] for x in xs)
    return xs[0].update(shape=(*before, total, *after))


def _concatenate_transpose(cotangent: Any, *xs: Any, dimension: int) -> list[Any]:
    if type(cotangent) is Zero:
        return [Zero(x.aval) if is_undefined(x) else None for x in xs]
    out, start = [], 0
    for x in xs:
        limit = start + aval_of_operand(x).shape[dimension]
        out.append(_slice_axis(cotangent, start, limit, dimension) if is_undefined(x) else None)
        start = limit
    return out


def aval_of_operand(x: Any) -> Any:
    """The aval of a value, or of a hole in a transpose rule."""
    return x.aval if is_undefined(x) else aval_of(x)


def _concatenate_batch(axis: Any, operands: Any, dims: Any, *, dimension: int) -> Any:
    xs = [batch_to_front(x, d, axis.size) for x, d in zip(operands, dims, strict=True)]
    return concatenate_p.bind(*xs, dimension=dimension + 1), 0


concatenate_p = Primitive(
    "concatenate", sharding=sharding_rules.concatenate,
    type_rule=_concatenate_type,
    evaluate=lambda *xs, dimension: np.concatenate(xs, dimension), jvp=linear_jvp(),
    transpose=_concatenate_transpose, batch=_concatenate_batch, lower=Form(),
    stablehlo=lambda b, *xs, dimension: b.op(
        "concatenate", *xs, results=b.outs[0], dimension=dimension))


def concatenate(operands: Any, dimension: int) -> Array:
    """Join arrays of equal dtype along the existing axis `dimension`.

    ValueError without operands; TypeError when shapes or dtypes do not fit.
    """
    if isinstance(operands, (ArrayImpl, Tracer, np.ndarray)):
        operands = unstack(operands, 0) if aval_of(operands).ndim else [operands]
    if len(operands) == 0:
        raise ValueError("concatenate requires a non-empty sequences of arrays")
    operands = [arguments.operand(x, "concatenate", i) for i, x in enumerate(operands)]
    if len(operands) == 1 and 0 <= dimension < operands[0].ndim:
        return operands[0]
    avals = [x.aval for x in operands]
    if len({a.dtype for a in avals}) > 1 or dimension < 0:  # NumPy would accept these
        _concatenate_type(*avals, dimension=dimension)
    return concatenate_p.bind(*operands, dimension=dimension)


# ---- stack, unstack ----------------------------------------------------------------------------

def _stack_type(*xs: Any, axis: int) -> Any:
    shapes = ", ".join(str(x.shape) for x in xs)
    if len({x.ndim for x in xs}) > 1:
        raise ValueError(f"Cannot stack arrays with different numbers of dimensions: got {shapes}.")
    if len({x.shape for x in xs}) > 1:
        raise ValueError(f"Cannot stack arrays with different shapes: got {shapes}.")
    check_same_dtypes("stack", *xs)
    shape = xs[0].shape
    return xs[0].update(shape=(*shape[:axis], len(xs), *shape[axis:]))


def _stack_evaluate(*xs: np.ndarray, axis: int) -> np.ndarray:
    shape = xs[0].shape
    out = np.empty((*shape[:axis], len(xs), *shape[axis:]), xs[0].dtype)
    front: tuple[Any, ...] = (slice(None),) * axis
    for i, x in enumerate(xs):
        out[(*front, i)] = x
    return out


def _stack_transpose(cotangent: Any, *xs: Any, axis: int) -> list[Any]:
    if type(cotangent) is Zero:
        return [Zero(x.aval) if is_undefined(x) else None for x in xs]
    return [squeeze(_slice_axis(cotangent, i, i + 1, axis), (axis,)) if is_undefined(x) else None
            for i, x in enumerate(xs)]


def _stack_batch(batch: Any, operands: Any, dims: Any, *, axis: int) -> Any:
    xs = [batch_to_front(x, d, batch.size) for x, d in zip(operands, dims, strict=True)]
    return stack_p.bind(*xs, axis=axis + 1), 0


stack_p = Primitive(
    "stack", sharding=sharding_rules.stack,
    type_rule=_stack_type, evaluate=_stack_evaluate,
    jvp=linear_jvp(), transpose=_stack_transpose, batch=_stack_batch, lower=Form(),
    stablehlo=lambda b, *xs, axis: concatenate_p.bind(
        *(expand_dims(x, (axis,)) for x in xs), dimension=axis))


def stack(operands: Sequence[Any], axis: int = 0) -> Array:
    """Join arrays of equal shape and dtype along a new axis."""
    if len(operands) == 0:
        raise ValueError("stack requires a non-empty sequence of arrays")
    operands = [arguments.operand(x, "stack", i) for i, x in enumerate(operands)]
    avals = [x.aval for x in operands]
    _stack_type(*avals, axis=0)
    return stack_p.bind(*operands, axis=canonical_axis(axis, avals[0].ndim + 1))


def _unstack_type(x: Any, *, axis: int) -> list[Any]:
    row = x.update(shape=x.shape[:axis] + x.shape[axis + 1:])
    return [row] * x.shape[axis]


def _unstack_evaluate(x: np.ndarray, *, axis: int) -> list[Any]:
    return [np.asarray(row) for row in np.moveaxis(x, axis, 0)] if axis else [
        x[i, ...] for i in range(x.shape[0])]


def _unstack_transpose(cotangents: Any, x: Any, *, axis: int) -> list[Any]:
    if all(type(ct) is Zero for ct in cotangents):
        return [Zero(x.aval)]
    return [stack_p.bind(*map(instantiate, cotangents), axis=axis)]


def _unstack_batch(batch: Any, operands: Any, dims: Any, *, axis: int) -> Any:
    dim = dims[0]
    outs = unstack_p.bind(operands[0], axis=axis if axis < dim else axis + 1)
    return outs, [dim - 1 if axis < dim else dim] * len(outs)


unstack_p = Primitive(
    "unstack", sharding=sharding_rules.unstack,
    multiple_results=True, type_rule=_unstack_type, evaluate=_unstack_evaluate,
    jvp=linear_jvp(), transpose=_unstack_transpose, batch=_unstack_batch, lower=Form(),
    stablehlo=lambda b, x, *, axis: [
        squeeze(_slice_axis(x, i, i + 1, axis), (axis,)) for i in range(x.shape[axis])])


def unstack(x: Any, axis: int = 0) -> tuple[Any, ...]:
    """The slices of `x` along `axis`, without that axis."""
    x = arguments.operand(x, "unstack")
    return tuple(unstack_p.bind(x, axis=canonical_axis(axis, x.ndim)))


# ---- split -------------------------------------------------------------------------------------

def _split_type(x: Any, *, sizes: Any, axis: int) -> list[Any]:
    if any(size < 0 for size in sizes):
        raise ValueError(f"Sizes passed to split must be nonnegative, got {list(sizes)}")
    if sum(sizes) != x.shape[axis]:
        raise ValueError(f"Sum of sizes {sum(sizes)} must be equal to dimension {axis} of the "
                         f"operand shape {list(x.shape)}")
    return [x.update(shape=(*x.shape[:axis], size, *x.shape[axis + 1:])) for size in sizes]


def _split_transpose(cotangents: Any, x: Any, *, sizes: Any, axis: int) -> list[Any]:
    if all(type(ct) is Zero for ct in cotangents):
        return [Zero(x.aval)]
    return [concatenate(list(map(instantiate, cotangents)), axis)]


def _split_evaluate(x: np.ndarray, *, sizes: Sequence[int], axis: int) -> list[np.ndarray]:
    front = (slice(None),) * axis
    return [x[(*front, slice(end - size, end))]
            for size, end in zip(sizes, itertools.accumulate(sizes), strict=True)]


def _split_batch(batch: Any, operands: Any, dims: Any, *, sizes: Any, axis: int) -> Any:
    dim = dims[0]
    outs = split_p.bind(operands[0], sizes=sizes, axis=axis if axis < dim else axis + 1)
    return outs, [dim] * len(outs)


split_p = Primitive(
    "split", sharding=sharding_rules.resized("split"),
    multiple_results=True, type_rule=_split_type,
    evaluate=_split_evaluate,
    jvp=linear_jvp(), transpose=_split_transpose, batch=_split_batch, lower=Form(),
    stablehlo=lambda b, x, *, sizes, axis: [
        _slice_axis(x, end - size, end, axis)
        for size, end in zip(sizes, itertools.accumulate(sizes), strict=True)])


def split(operand: Any, sizes: Sequence[int], axis: int = 0) -> Sequence[Any]:
    """Pieces of the given `sizes` along `axis`; ValueError unless they add up to its size."""
    operand = arguments.operand(operand, "split")
    sizes = tuple(map(dimension, sizes))
    axis = canonical_axis(axis, operand.ndim)
    _split_type(operand.aval, sizes=sizes, axis=axis)
    return split_p.bind(operand, sizes=sizes, axis=axis)


# ---- tile --------------------------------------------------------------------------------------

def _tile_type(x: Any, *, reps: Any) -> Any:
    if len(reps) != x.ndim:
        raise TypeError("reps length must be equal to the ndim of x, got "
                        f"len(reps)={len(reps)} and x.ndim={x.ndim}.")
    if any(r < 0 for r in reps):
        raise TypeError(f"tile reps must be nonnegative, got {reps}.")
    return x.update(shape=tuple(r * size for r, size in zip(reps, x.shape, strict=True)))


def _tile_evaluate(x: np.ndarray, *, reps: Sequence[int]) -> np.ndarray:
    """Broadcast along an axis before each axis, then merge the two."""
    wide = np.empty([n for r, size in zip(reps, x.shape, strict=True) for n in (r, size)], x.dtype)
    wide[...] = x.reshape([n for size in x.shape for n in (1, size)])
    return wide.reshape([r * size for r, size in zip(reps, x.shape, strict=True)])


def _tile_transpose(cotangent: Any, x: Any, *, reps: Any) -> Any:
    pairs = [n for r, size in zip(reps, x.shape, strict=True) for n in (r, size)]
    return _sum(reshape(cotangent, tuple(pairs)), range(0, len(pairs), 2))


def _tile_stablehlo(b: Any, x: Any, *, reps: Any) -> Any:
    """Each axis becomes a pair: the repetitions and the elements."""
    pairs = [n for r, size in zip(reps, x.shape, strict=True) for n in (r, size)]
    wide = broadcast_in_dim(x, tuple(pairs), range(1, len(pairs), 2))
    return b.reshape(wide, b.outs[0].shape)


tile_p: Primitive = Primitive(
    "tile", sharding=sharding_rules.tile,
    type_rule=_tile_type, evaluate=_tile_evaluate, jvp=linear_jvp(),
    transpose=transpose_unary(_tile_transpose),
    batch=lambda axis, operands, dims, *, reps: (
        tile_p.bind(operands[0], reps=(*reps[:dims[0]], 1, *reps[dims[0]:])), dims[0]),
    lower=Form(), stablehlo=_tile_stablehlo)


def tile(operand: Any, reps: Sequence[int]) -> Array:
    """Repeat `operand` `reps[i]` times along axis `i`; one number per axis."""
    operand = arguments.operand(operand, "tile")
    reps = tuple(map(dimension, reps))
    _tile_type(operand.aval, reps=reps)
    return tile_p.bind(operand, reps=reps)


# ---- pad ---------------------------------------------------------------------------------------

def _pad_type(x: Any, value: Any, *, padding_config: Any) -> Any:
    if x.dtype != value.dtype:
        raise TypeError("pad operand and padding_value must be same dtype: got "
                        f"{x.dtype.name} and {value.dtype.name}.")
    if value.ndim:
        raise ValueError(
            f"padding_value must be a scalar; got np.shape(padding_value)={value.shape}")
    if len(padding_config) != x.ndim:
        raise ValueError("length of padding_config must equal the number of axes of operand, got "
                         f"padding_config {padding_config} for operand shape {x.shape}")
    if any(interior < 0 for _, _, interior in padding_config):
        raise ValueError("interior padding in padding_config must be nonnegative, got "
                         f"padding_config {padding_config}")
    shape = _padded_shape(x.shape, padding_config)
    if any(surely_at_most(d, -1) for d in shape):
        raise ValueError("Dimension size after padding is not at least 0, got result shape "
                         f"{shape}, for padding_config {padding_config} and operand shape "
                         f"{x.shape}")
    return x.update(shape=shape)


def _padded_shape(shape: Any, config: Any) -> tuple[int, ...]:
    return tuple(lo + hi + size + max_dim(size - 1, 0) * interior
                 for size, (lo, hi, interior) in zip(shape, config, strict=True))


def pad_evaluate(x: np.ndarray, value: np.ndarray, *, padding_config: Any) -> np.ndarray:
    """What `pad` means, on NumPy arrays."""
    out = np.empty(_padded_shape(x.shape, padding_config), x.dtype)
    target, source, covers = [], [], True
    for size, width, (lo, _, interior) in zip(x.shape, out.shape, padding_config, strict=True):
        step = interior + 1
        first = max(0, -(lo // step)) if lo < 0 else 0  # the first element that is not cut off
        start = lo + first * step
        count = max(0, min(size - first, -((start - width) // step) if width > start else 0))
        target.append(slice(start, start + count * step, step))
        source.append(slice(first, first + count))
        covers &= count == width
    if not covers:
        out[...] = value
    out[tuple(target)] = x[tuple(source)]
    return out


def _pad_stablehlo(b: Any, x: Any, value: Any, *, padding_config: Any) -> Any:
    low, high, interior = zip(*padding_config, strict=True) if padding_config else ((), (), ())
    return b.op("pad", x, value, results=b.outs[0], edge_padding_low=low, edge_padding_high=high,
                interior_padding=interior)


def _pad_transpose(cotangent: Any, x: Any, value: Any, *, padding_config: Any) -> list[Any]:
    if type(cotangent) is Zero:
        return [Zero(v.aval) if is_undefined(v) else None for v in (x, value)]
    shape = aval_of_operand(x).shape
    undone = tuple((-lo, -hi, 0) for lo, hi, _ in padding_config)
    trimmed = pad_p.bind(cotangent, constant(0, aval_of(cotangent)), padding_config=undone)
    x_cotangent = _slice(trimmed, (0,) * len(shape), aval_of(trimmed).shape,
                         tuple(interior + 1 for _, _, interior in padding_config))
    value_cotangent = None
    if is_undefined(value):
        everything = range(len(shape))
        value_cotangent = sub_p.bind(_sum(cotangent, everything),
                                     _sum(x_cotangent, everything))
    return [x_cotangent if is_undefined(x) else None, value_cotangent]


def _pad_batch(axis: Any, operands: Any, dims: Any, *, padding_config: Any) -> Any:
    (x, value), (x_dim, value_dim) = operands, dims
    if value_dim is None:
        config = (*padding_config[:x_dim], (0, 0, 0), *padding_config[x_dim:])
        return pad_p.bind(x, value, padding_config=config), x_dim
    x = batch_at(x, x_dim, 0, axis.size)
    config = ((0, 0, 0), *padding_config)
    padded = pad_p.bind(x, constant(0, aval_of(x)), padding_config=config)
    inside = broadcast_in_dim(np.True_, aval_of(x).shape, ())
    inside = pad_p.bind(inside, np.False_, padding_config=config)
    filling = broadcast_in_dim(value, aval_of(padded).shape, (0,))
    return select_n_p.bind(inside, filling, padded), 0


def _add_padded(total: Any, x: Any, _: Any, *, padding_config: Any) -> Any:
    """total + pad(x, 0), where x is so small that a loop over the whole costs more."""
    if aval_of(x).size * SMALL_PART > aval_of(total).size \
            or any(lo < 0 or hi < 0 or gap for lo, hi, gap in padding_config):
        return None
    return add_window(total, x, [np.int32(lo) for lo, _, _ in padding_config])


SMALL_PART = 8  # of this many, from which a part is better added by itself

pad_p = Primitive("pad", sharding=sharding_rules.resized("padding"),
    type_rule=_pad_type, evaluate=pad_evaluate, jvp=linear_jvp(),
                  transpose=_pad_transpose, batch=_pad_batch, lower=Form(),
                  part=Part(_add_padded, base=1), stablehlo=_pad_stablehlo)


@remembered
def pad(operand: Any, padding_value: Any, padding_config: Sequence[tuple[int, int, int]]) -> Array:
    """Pad with a scalar: `(low, high, interior)` elements per axis, before, after and between.

    Negative `low` and `high` cut elements off. ValueError when the configuration does not fit,
    TypeError when dtypes differ.

    Example:
      >>> lax.pad(jnp.array([1, 2]), 0, [(1, 0, 2)])
      Array([0, 1, 0, 0, 2], dtype=int32)
    """
    operand = arguments.operand(operand, "pad")
    padding_value = arguments.operand(padding_value, "pad", 1)
    config = tuple((dimension(lo), dimension(hi), dimension(interior))
                   for lo, hi, interior in padding_config)
    _pad_type(operand.aval, padding_value.aval, padding_config=config)
    return pad_p.bind(operand, padding_value, padding_config=config)
