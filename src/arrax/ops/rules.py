"""Shared pieces of op blocks: ways to write JVP, transpose and batching rules in a line.

A helper with an `attach(primitive)` method is given the primitive when that is declared and
returns the rule; so a block can say `jvp=by_operand(...)` before the primitive has its name.
"""
from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from arrax.core.ad_values import UndefinedPrimal, Zero, tangent_aval
from arrax.core.array import from_numpy
from arrax.core.aval import ShapedArray, aval_of
from arrax.core.dimension import Dimension
from arrax.core.dtypes import storage_dtype
from arrax.core.primitive import Primitive
from arrax.ops.p import (add_any_p, broadcast_in_dim_p, convert_element_type_p, pvary_p,
                         reduce_sum_p, reshape_p, transpose_p)


class attached:
    """A rule made by `make(primitive)` when the primitive is declared."""

    def __init__(self, make: Callable[[Primitive], Callable[..., Any]]):
        self.make = make

    def attach(self, primitive: Primitive) -> Callable[..., Any]:
        return self.make(primitive)


# ---- constants and structure -----------------------------------------------------------------

def constant(value: Any, like: Any) -> Any:
    """A scalar constant of the dtype and weak type of `like` (a value or aval)."""
    aval = like if isinstance(like, ShapedArray) else aval_of(like)
    if isinstance(value, Dimension):
        return convert_element_type_p.bind(value.__jax_array__(), new_dtype=aval.dtype,
                                           weak_type=aval.weak_type, sharding=None)
    scalar = np.asarray(value, storage_dtype(aval.dtype))
    return from_numpy(scalar, True) if aval.weak_type else scalar[()]


def broadcast_in_dim(x: Any, shape: Sequence[int], dims: Sequence[int]) -> Any:
    return broadcast_in_dim_p.bind(
        x, shape=tuple(shape), broadcast_dimensions=tuple(dims), sharding=None)


def filled_like(value: Any, like: Any) -> Any:
    """The constant `value` in the shape and dtype of `like` (a value or aval)."""
    aval = like if isinstance(like, ShapedArray) else aval_of(like)
    scalar = constant(value, aval)
    return broadcast_in_dim(scalar, aval.shape, ()) if aval.shape else scalar


def zeros(aval: Any) -> Any:
    """A materialized zero of `aval`; float0 zeros are NumPy arrays without bytes."""
    from_scalar = np.zeros((), storage_dtype(aval.dtype))
    if from_scalar.dtype.itemsize == 0:
        return np.zeros(aval.shape, from_scalar.dtype)
    scalar = from_numpy(from_scalar, True) if aval.weak_type else from_scalar[()]
    full = broadcast_in_dim(scalar, aval.shape, ()) if aval.shape else scalar
    return pvary_p.bind(full, axes=tuple(sorted(aval.vma, key=str))) if aval.vma else full


def instantiate(x: Any) -> Any:
    """`x`, with a `Zero` materialized."""
    return zeros(x.aval) if type(x) is Zero else x


def add_tangents(x: Any, y: Any) -> Any:
    """The sum of two tangents or cotangents, either of which may be `Zero`."""
    if type(x) is Zero:
        return y
    if type(y) is Zero:
        return x
    return add_any_p.bind(x, y)


def move_axis(x: Any, source: int, destination: int) -> Any:
    """Transpose axis `source` to position `destination`."""
    ndim = aval_of(x).ndim
    source, destination = source % ndim, destination % ndim
    if source == destination:
        return x
    order = [i for i in range(ndim) if i != source]
    order.insert(destination, source)
    return transpose_p.bind(x, permutation=tuple(order))


def batch_at(x: Any, dim: int | None, position: int, size: int) -> Any:
    """`x` with its batch axis at `position`; an unbatched `x` is broadcast."""
    if dim is not None:
        return move_axis(x, dim, position)
    shape = aval_of(x).shape
    target = (*shape[:position], size, *shape[position:])
    return broadcast_in_dim(x, target, [i for i in range(len(target)) if i != position])


def batch_to_front(x: Any, dim: int | None, size: int) -> Any:
    return batch_at(x, dim, 0, size)


def to_shape_of(x: Any, like: Any) -> Any:
    """An operand of an elementwise operation, broadcast to the shape of its result `like`."""
    shape, target = aval_of(x).shape, aval_of(like).shape
    return x if shape == target else broadcast_in_dim(x, target, range(len(shape)))


# ---- JVP ---------------------------------------------------------------------------------------

class by_operand:
    """JVP from one function per operand: `fn(tangent, out, *primals, **params)` or None (zero).

    `out` is the primal result, so that rules like exp's need not compute it again. A part may have
    the shape of its operand, if that is broadcast.
    """

    def __init__(self, *functions: Callable[..., Any] | None):
        self.functions = functions

    def attach(self, primitive: Primitive) -> Any:
        def rule(primals: Any, tangents: Any, **params: Any) -> Any:
            out = primitive.bind(*primals, **params)
            total: Any = None
            for fn, tangent in zip(self.functions, tangents, strict=True):
                if fn is not None and type(tangent) is not Zero:
                    part = to_shape_of(fn(tangent, out, *primals, **params), out)
                    total = part if total is None else add_tangents(total, part)
            return out, Zero(tangent_aval(aval_of(out))) if total is None else total
        return rule


class linear_jvp:
    """JVP of an operation that is linear in all its array operands together."""

    linear = True

    def attach(self, primitive: Primitive) -> Any:
        def rule(primals: Any, tangents: Any, **params: Any) -> Any:
            out = primitive.bind(*primals, **params)
            if all(type(t) is Zero for t in tangents):
                if primitive.multiple_results:
                    return out, [Zero(tangent_aval(aval_of(o))) for o in out]
                return out, Zero(tangent_aval(aval_of(out)))
            return out, primitive.bind(*map(instantiate, tangents), **params)
        return rule


class zero_jvp:
    """JVP of a piecewise constant operation."""

    def attach(self, primitive: Primitive) -> Any:
        def rule(primals: Any, tangents: Any, **params: Any) -> Any:
            out = primitive.bind(*primals, **params)
            if primitive.multiple_results:
                return out, [Zero(tangent_aval(aval_of(o))) for o in out]
            return out, Zero(tangent_aval(aval_of(out)))
        return rule


# ---- transpose ---------------------------------------------------------------------------------

def transpose_unary(fn: Callable[..., Any]) -> Any:
    """Transpose of an op linear in its only operand: `fn(cotangent, aval, **params)`."""
    def rule(cotangent: Any, operand: Any, **params: Any) -> list[Any]:
        if type(cotangent) is Zero:
            return [Zero(operand.aval)]
        return [fn(cotangent, operand.aval, **params)]
    return rule


def transpose_bilinear(left: Callable[..., Any], right: Callable[..., Any]) -> Any:
    """Transpose of an op linear in each of two operands: `left(ct, x_aval, y, **params)` gives the
    cotangent of the first, `right(ct, x, y_aval, **params)` of the second."""
    def rule(cotangent: Any, x: Any, y: Any, **params: Any) -> list[Any]:
        if type(x) is UndefinedPrimal:
            if type(cotangent) is Zero:
                return [Zero(x.aval), None]
            return [left(cotangent, x.aval, y, **params), None]
        if type(cotangent) is Zero:
            return [None, Zero(y.aval)]
        return [None, right(cotangent, x, y.aval, **params)]
    return rule


def unbroadcast(cotangent: Any, aval: Any) -> Any:
    """Sum `cotangent` to the shape of an operand that was broadcast: 0-d, or with sizes of 1."""
    shape = aval_of(cotangent).shape
    if aval.shape == shape or type(cotangent) is Zero:
        return cotangent
    axes = tuple(i for i, size in enumerate(shape) if not aval.shape or aval.shape[i] != size)
    total = reduce_sum_p.bind(cotangent, axes=axes, out_sharding=None)
    return reshape_p.bind(total, new_sizes=aval.shape, dimensions=None,
                          sharding=None) if aval.shape else total


# ---- batching ----------------------------------------------------------------------------------

class batch_elementwise:
    """Batching of an elementwise op: align the batch axes, give operands that differ axes of size
    1, or, where the type rule wants equal shapes (`full`), the whole shape."""

    def __init__(self, full: bool = False):
        self.full = full

    def attach(self, primitive: Primitive) -> Any:
        def rule(axis: Any, operands: Any, dims: Any, **params: Any) -> Any:
            avals = [aval_of(x) for x in operands]
            batched = [(a.shape, d) for a, d in zip(avals, dims, strict=True) if d is not None]
            plain_scalars = all(a.ndim == 0 for a, d in zip(avals, dims, strict=True) if d is None)
            if plain_scalars and all(b == batched[0] for b in batched):
                return _with_dim(primitive.bind(*operands, **params), batched[0][1])
            rank = max(a.ndim - (d is not None) for a, d in zip(avals, dims, strict=True))
            aligned = []
            ones = (1,) * rank
            whole = _joint_shape(avals, dims, rank) if self.full else ones
            for x, a, d in zip(operands, avals, dims, strict=True):
                if d is None and (a.ndim == 0 or rank == 0):
                    aligned.append(x)
                elif d is None:
                    shape = (axis.size, *whole) if self.full else (1, *a.shape)
                    aligned.append(broadcast_in_dim(x, shape, range(1, rank + 1)))
                elif a.ndim - 1 == rank:
                    aligned.append(move_axis(x, d, 0))
                else:  # a batch of scalars among arrays
                    aligned.append(broadcast_in_dim(x, (axis.size, *whole), (0,)))
            return _with_dim(primitive.bind(*aligned, **params), 0)

        def _with_dim(out: Any, dim: int) -> Any:
            return (out, [dim] * len(out)) if primitive.multiple_results else (out, dim)
        return rule


def _joint_shape(avals: Any, dims: Any, rank: int) -> tuple[int, ...]:
    """The shape of one element of the batch."""
    shapes = [a.shape if d is None else a.shape[:d] + a.shape[d + 1:]
              for a, d in zip(avals, dims, strict=True)]
    return next(tuple(shape) for shape in shapes if len(shape) == rank)


class batch_by_moving:
    """Batching of an op that is told, through `fn(size, operands at axis 0, **params)`, how to run
    with a leading batch axis on every operand; the result's batch axis is 0."""

    def __init__(self, fn: Callable[..., Any]):
        self.fn = fn

    def attach(self, primitive: Primitive) -> Any:
        def rule(axis: Any, operands: Any, dims: Any, **params: Any) -> Any:
            moved = [batch_to_front(x, d, axis.size) for x, d in zip(operands, dims, strict=True)]
            out = self.fn(axis.size, *moved, **params)
            return (out, [0] * len(out)) if primitive.multiple_results else (out, 0)
        return rule
