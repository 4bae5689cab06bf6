"""`reduce`, `reduce_window` and `select_and_scatter` with any computation.

    reduce(*operands, *initials) = results     computation: (*left, *right) → results, of scalars

A computation is applied to whole arrays at once: it is associative, so a fold may be a balanced
tree, and windows are boxes, so one axis may be folded after the other. These programs are all that
the primitives mean; their rules follow from that (`expansions.rules_of`).
"""
from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from arrax.control.expansions import rules_of
from arrax.core.aval import aval_of
from arrax.core.axis_env import Axis
from arrax.core.jaxpr import ClosedJaxpr, Jaxpr, eval_jaxpr
from arrax.core.primitive import Primitive
from arrax.ops import window_programs
from arrax.ops.arguments import positions
from arrax.ops.compare import eq, select
from arrax.ops.create import full, full_like
from arrax.ops.join import concatenate, pad
from arrax.ops.rules import batch_at, broadcast_in_dim
from arrax.ops.shape import reshape, transpose
from arrax.ops.slicing import slice as slice_
from arrax.ops.slicing import slice_in_dim
from arrax.ops.window import reduce_window_shape_tuple, window_params
from arrax.ops.window_stablehlo import window_attributes
from arrax.transforms.batching import batch_jaxpr

Arrays = list[Any]


# ---- a scalar computation on arrays --------------------------------------------------------------

def on_arrays(closed: ClosedJaxpr, consts: Sequence[Any] = ()) -> Callable[..., Arrays]:
    """The program `closed` of (*consts, *scalars), applied to arrays of one shape element by
    element; `consts` are scalars or arrays that every element sees."""
    def apply(*operands: Any) -> Arrays:
        shape = aval_of(operands[0]).shape
        size = math.prod(shape)
        flat = [reshape(x, (size,)) for x in operands]
        batched = [False] * len(consts) + [True] * len(flat)
        mapped, _ = batch_jaxpr(closed, Axis(None, size), batched, True)
        outs = eval_jaxpr(mapped.jaxpr, mapped.consts, *consts, *flat)
        return [reshape(x, shape) for x in outs]
    return apply


# ---- reduce --------------------------------------------------------------------------------------

def fold_axes(combine: Callable[..., Arrays], xs: Arrays, initials: Arrays, axes: Sequence[int],
              ) -> Arrays:
    """`xs`, arrays of one shape, combined along `axes`, starting from `initials`."""
    full_shape = aval_of(xs[0]).shape
    kept = positions(len(full_shape), axes)
    shape = tuple(full_shape[i] for i in kept)
    count = math.prod(full_shape[i] for i in axes)
    starts = [broadcast_in_dim(initial, shape, ()) for initial in initials]
    if not count:
        return starts
    rows = [reshape(transpose(x, (*axes, *kept)), (count, math.prod(shape))) for x in xs]
    folded = [reshape(row, shape) for row in _fold_rows(rows, count, combine)]
    return combine(*starts, *folded)


def _fold_rows(rows: Arrays, count: int, combine: Callable[..., Arrays]) -> Arrays:
    """Combine neighbouring rows until one is left."""
    while count > 1:
        half = count // 2
        pairs = [reshape(slice_in_dim(r, 0, 2 * half), (half, 2, r.shape[1])) for r in rows]
        left = [reshape(slice_in_dim(p, 0, 1, axis=1), (half, p.shape[2])) for p in pairs]
        right = [reshape(slice_in_dim(p, 1, 2, axis=1), (half, p.shape[2])) for p in pairs]
        folded = combine(*left, *right)
        if count % 2:
            folded = [concatenate([f, slice_in_dim(r, count - 1, count)], 0)
                      for f, r in zip(folded, rows, strict=True)]
        rows, count = folded, half + count % 2
    return rows


def _reduce_type(*avals: Any, computation: Any, jaxpr: ClosedJaxpr, dimensions: Any) -> list[Any]:
    operands, initials = _halves(avals)
    _check_initials("reduce", operands, initials)
    return [x.update(shape=tuple(x.shape[i] for i in positions(x.ndim, dimensions)))
            for x in operands]


def _halves(values: Sequence[Any]) -> tuple[list[Any], list[Any]]:
    count = len(values) // 2
    return list(values[:count]), list(values[count:])


def _check_initials(name: str, operands: Sequence[Any], initials: Sequence[Any]) -> None:
    for x, initial in zip(operands, initials, strict=True):
        if initial.shape or initial.dtype != x.dtype:
            raise TypeError(f"{name} needs a scalar initial value of the dtype of each operand, "
                            f"got {initial.str_short()} for {x.str_short()}")


def _reduce(*operands: Any, computation: Any, jaxpr: ClosedJaxpr, dimensions: Any) -> Arrays:
    xs, initials = _halves(operands)
    return fold_axes(on_arrays(jaxpr), xs, initials, dimensions)


_reduce_rules = rules_of(_reduce)


def _reduce_batch(axis: Any, operands: Any, dims: Any, *, dimensions: Any, **params: Any) -> Any:
    """Of operands only, the batch is one more axis that is kept."""
    xs, initials = _halves(operands)
    x_dims, initial_dims = _halves(dims)
    if any(d is not None for d in initial_dims):
        return _reduce_rules["batch"](axis, operands, dims, dimensions=dimensions, **params)
    moved = [batch_at(x, d, 0, axis.size) for x, d in zip(xs, x_dims, strict=True)]
    outs = reduce_p.bind(*moved, *initials, dimensions=tuple(d + 1 for d in dimensions), **params)
    return outs, [0] * len(outs)


def _reduce_stablehlo(b: Any, *operands: Any, computation: Any, jaxpr: ClosedJaxpr,
                      dimensions: Any) -> Arrays:
    return b.reduce(*_halves(operands), dimensions,
                    lambda *scalars: b.inline(jaxpr, scalars))


reduce_p = Primitive("reduce", multiple_results=True, type_rule=_reduce_type, weak_type="none",
                     **_reduce_rules | {"batch": _reduce_batch, "stablehlo": _reduce_stablehlo})


# ---- reduce_window -------------------------------------------------------------------------------

def _window_type(*avals: Any, jaxpr: Jaxpr, consts: Any, **window: Any) -> list[Any]:
    operands, initials = _halves(avals)
    _check_initials("reduce_window", operands, initials)
    shape = operands[0].shape
    params = window_params(shape, **window)
    out = reduce_window_shape_tuple(
        shape, params["window_dimensions"], params["window_strides"], params["padding"],
        params["base_dilation"], params["window_dilation"])
    return [x.update(shape=out) for x in operands]


def fold_windows(combine: Callable[..., Arrays], xs: Arrays, initials: Arrays, **window: Any,
                 ) -> Arrays:
    """The elements of each window combined, starting from `initials`, which fill the padding."""
    fold = window_programs.Fold(lambda left, right: tuple(combine(*left, *right)), initials)
    folded = window_programs.fold_windows(fold, tuple(xs), **window)
    if not folded[0].size:
        return [full(x.shape, 0, x.dtype) for x in folded]
    return combine(*(broadcast_in_dim(initial, x.shape, ())
                     for x, initial in zip(folded, initials, strict=True)), *folded)


def _reduce_window(*operands: Any, jaxpr: Jaxpr, consts: Any, **window: Any) -> Arrays:
    xs, initials = _halves(operands)
    return fold_windows(on_arrays(ClosedJaxpr(jaxpr, consts)), xs, initials, **window)


_window_rules = rules_of(_reduce_window)


def _window_batch(axis: Any, operands: Any, dims: Any, *, jaxpr: Any, consts: Any, **window: Any,
                  ) -> Any:
    xs, initials = _halves(operands)
    x_dims, initial_dims = _halves(dims)
    if any(d is not None for d in initial_dims):
        return _window_rules["batch"](axis, operands, dims, jaxpr=jaxpr, consts=consts, **window)
    moved = [batch_at(x, d, 0, axis.size) for x, d in zip(xs, x_dims, strict=True)]
    outs = reduce_window_p.bind(*moved, *initials, jaxpr=jaxpr, consts=consts,
                                **_with_leading_axis(window))
    return outs, [0] * len(outs)


def _with_leading_axis(window: dict[str, Any]) -> dict[str, Any]:
    """The parameters with an axis in front that windows leave alone."""
    return {name: ((0, 0) if name == "padding" else 1, *values) for name, values in window.items()}


def _window_stablehlo(b: Any, *operands: Any, jaxpr: Jaxpr, consts: Any, **window: Any) -> Arrays:
    region = b.region(lambda *scalars: b.inline(ClosedJaxpr(jaxpr, consts), scalars),
                      *jaxpr.in_avals)
    return b.op("reduce_window", *operands, results=b.outs,
                regions=[region], **window_attributes(**window))


reduce_window_p = Primitive(
    "reduce_window", multiple_results=True, type_rule=_window_type, weak_type="none",
    **_window_rules | {"batch": _window_batch, "stablehlo": _window_stablehlo})


# ---- select_and_scatter --------------------------------------------------------------------------

def _select_and_scatter_type(x: Any, source: Any, initial: Any, *, window_dimensions: Any,
                             window_strides: Any, padding: Any, **_: Any) -> list[Any]:
    _check_initials("select_and_scatter", [source], [initial])
    window_params(x.shape, window_dimensions, window_strides, padding)
    expected = reduce_window_shape_tuple(x.shape, window_dimensions, window_strides, padding)
    if source.shape != expected:
        raise TypeError("select_and_scatter needs a source element for each window, got shape "
                        f"{source.shape}, expected {expected}")
    return [x.update(dtype=source.dtype)]


def _select_and_scatter(x: Any, source: Any, initial: Any, *, select_jaxpr: Jaxpr,
                        select_consts: Any, scatter_jaxpr: Jaxpr, scatter_consts: Any,
                        window_dimensions: Any, window_strides: Any, padding: Any) -> Arrays:
    """Find in which place of its window each window's element stands; then, place by place, spread
    the sources that fell on it over the operand, where no two of them meet."""
    keep = on_arrays(ClosedJaxpr(select_jaxpr, select_consts))
    combine = on_arrays(ClosedJaxpr(scatter_jaxpr, scatter_consts))
    config = [(lo, hi, 0) for lo, hi in padding]
    padded = pad(x, full((), 0, x.dtype), config)
    inside = pad(full_like(x, True, dtype=bool), np.False_, config)
    offsets = list(itertools.product(*map(range, window_dimensions)))
    counts = aval_of(source).shape
    chosen = _selected_offsets(keep, padded, inside, offsets, counts, window_strides)
    shape = aval_of(padded).shape
    out = broadcast_in_dim(initial, shape, ())
    for k, offset in enumerate(offsets):
        spread = [(at, size - at - ((count - 1) * stride + 1), stride - 1) for at, size, count,
                  stride in zip(offset, shape, counts, window_strides, strict=True)]
        here = pad(eq(chosen, np.int32(k)), np.False_, spread)
        (added,) = combine(out, pad(source, initial, spread))
        out = select(here, added, out)
    return [pad(out, initial, [(-lo, -hi, 0) for lo, hi in padding])]


def _selected_offsets(keep: Callable[..., Arrays], padded: Any, inside: Any, offsets: Any,
                      counts: Any, strides: Any) -> Any:
    """For each window the number of the offset that is selected; padding never is, if the window
    holds anything else."""
    def at(values: Any, offset: Any) -> Any:
        limits = [o + (c - 1) * s + 1 if c else o
                  for o, c, s in zip(offset, counts, strides, strict=True)]
        return slice_(values, offset, limits, strides)

    best, valid = at(padded, offsets[0]), at(inside, offsets[0])
    chosen = full(counts, 0, np.int32)
    for k, offset in enumerate(offsets[1:], 1):
        candidate, exists = at(padded, offset), at(inside, offset)
        (kept,) = keep(best, candidate)
        stays = select(exists, select(valid, kept, full_like(kept, False)), full_like(kept, True))
        best, valid = select(stays, best, candidate), select(stays, valid, exists)
        chosen = select(stays, chosen, full(counts, k, np.int32))
    return chosen


_scatter_rules = rules_of(_select_and_scatter)


def _select_and_scatter_batch(axis: Any, operands: Any, dims: Any, *, window_dimensions: Any,
                              window_strides: Any, padding: Any, **jaxprs: Any) -> Any:
    window = {"window_dimensions": window_dimensions, "window_strides": window_strides,
              "padding": padding}
    if dims[2] is not None:
        return _scatter_rules["batch"](axis, operands, dims, **window, **jaxprs)
    moved = [batch_at(x, d, 0, axis.size) for x, d in zip(operands[:2], dims[:2], strict=True)]
    outs = select_and_scatter_p.bind(*moved, operands[2], **_with_leading_axis(window), **jaxprs)
    return outs, [0]


select_and_scatter_p = Primitive(
    "select_and_scatter", multiple_results=True, type_rule=_select_and_scatter_type,
    weak_type="none", **_scatter_rules | {"batch": _select_and_scatter_batch})
