"""Reductions over windows: sums, maxima and minima, and what differentiates the extrema."""
from __future__ import annotations

import functools
from functools import partial
import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from arrax.core import dtypes
from arrax.core.ad_values import Zero, is_undefined, tangent_aval
from arrax.core.aval import aval_of
from arrax.core.primitive import Primitive
from arrax.core.lowering import Expand
from arrax.ops.conv_dims import canonical_pads, dilated, padtype_to_pads, window_count
from arrax.ops.extremes import signed_zeros
from arrax.ops.join import pad_evaluate
from arrax.ops.p import (add_p, ge_p, le_p, max_p, min_p, pad_p, reduce_max_p, reduce_min_p,
                         reduce_sum_p, slice_p)
from arrax.ops.quiet import quiet
from arrax.ops.rules import attached, batch_to_front, constant, linear_jvp, transpose_unary
from arrax.ops.window_programs import gather_selected, scatter_selected, window_reduction
from arrax.ops.window_stablehlo import gather_selected_form, scatter_selected_form, windowed


# ---- shapes ------------------------------------------------------------------------------------

def window_params(shape: Sequence[int], window_dimensions: Any, window_strides: Any = None,
                  padding: Any = "VALID", base_dilation: Any = None, window_dilation: Any = None,
                  ) -> dict[str, Any]:
    """The parameters of a windowed reduction, checked, defaults filled in."""
    window = tuple(window_dimensions)
    ones = (1,) * len(window)
    strides = tuple(window_strides or ones)
    base_dilation, window_dilation = tuple(base_dilation or ones), tuple(window_dilation or ones)
    if len(window) != len(shape):
        raise TypeError("reduce_window got the wrong number of window_dimensions for operand: got "
                        f"operand shape {tuple(shape)} with window_dimensions {window}.")
    for name, values in (("window_dimensions", window), ("window_strides", strides),
                         ("base_dilation", base_dilation), ("window_dilation", window_dilation)):
        if len(values) != len(window):
            raise TypeError(f"reduce_window got inconsistent window_dimensions and {name}: got "
                            f"window_dimensions {window} and {name} {values}.")
        if any(v <= 0 for v in values):
            raise TypeError(f"reduce_window {name} must have every element be strictly positive, "
                            f"got {values}.")
    if isinstance(padding, str):
        padding = padtype_to_pads(list(map(dilated, shape, base_dilation)),
                                  list(map(dilated, window, window_dilation)), strides, padding)
    return {"window_dimensions": window, "window_strides": strides,
            "padding": canonical_pads(padding), "base_dilation": base_dilation,
            "window_dilation": window_dilation}


def reduce_window_shape_tuple(operand_shape: Any, window_dimensions: Any, window_strides: Any,
                              padding: Any, base_dilation: Any = None, window_dilation: Any = None,
                              ) -> tuple[int, ...]:
    """The shape of a windowed reduction."""
    ones = (1,) * len(operand_shape)
    extents = map(dilated, operand_shape, base_dilation or ones)
    windows = map(dilated, window_dimensions, window_dilation or ones)
    return tuple(window_count(size + lo + hi, window, stride) for size, window, (lo, hi), stride
                 in zip(extents, windows, padding, window_strides, strict=True))


def _type(x: Any, **params: Any) -> Any:
    window_params(x.shape, **params)
    return x.update(shape=_out_shape(x.shape, params))


def _out_shape(shape: Any, params: dict[str, Any]) -> tuple[int, ...]:
    return reduce_window_shape_tuple(
        shape, params["window_dimensions"], params["window_strides"], params["padding"],
        params.get("base_dilation"), params.get("window_dilation"))


def _insert(params: dict[str, Any], dim: int) -> dict[str, Any]:
    """The parameters with an axis at `dim` that windows leave alone."""
    neutral = {"padding": (0, 0)}
    return {k: (*v[:dim], neutral.get(k, 1), *v[dim:]) if isinstance(v, tuple) else v
            for k, v in params.items()}


# ---- sum, max, min -----------------------------------------------------------------------------

def extremum_identity(dtype: Any, largest: bool) -> Any:
    """The value that loses against all others in `max` (or in `min`, if `largest`)."""
    if dtype == np.dtype(bool):
        return np.bool_(largest)
    if dtypes.issubdtype(dtype, np.inexact):
        return np.asarray(np.inf if largest else -np.inf).astype(dtype)[()]
    info = dtypes.iinfo(dtype)
    return np.asarray(int(info.max if largest else info.min)).astype(dtype)[()]


def _window_evaluate(combine: Any, identity: Callable[[Any], Any],
                     corrected: Callable[..., Any] = lambda fold: fold,
                     ) -> Callable[..., np.ndarray]:
    """The fold of padded arrays; `corrected` wraps that fold."""
    fold = corrected(functools.partial(_reduce_axes, combine))

    def evaluate(x: np.ndarray, *, window_dimensions: Any, window_strides: Any, padding: Any,
                 base_dilation: Any, window_dilation: Any) -> np.ndarray:
        dtype = x.dtype
        if combine is np.add and dtypes.issubdtype(dtype, np.inexact) and dtype.itemsize < 4:
            x = x.astype(np.float32)
        config = [(lo, hi, d - 1) for (lo, hi), d in zip(padding, base_dilation, strict=True)]
        if any(c != (0, 0, 0) for c in config):
            fill = np.asarray(identity(x.dtype), x.dtype)
            x = pad_evaluate(x, fill, padding_config=tuple(config))
        out = fold(x, windows=tuple(zip(window_dimensions, window_strides, window_dilation,
                                        strict=True)))
        return np.asarray(out).astype(dtype, copy=False)
    return evaluate


def _reduce_axes(combine: Any, x: np.ndarray, *, windows: Any) -> np.ndarray:
    """Windows are boxes, so one axis is reduced after the other."""
    for axis, (size, stride, dilation) in enumerate(windows):
        if size > 1 or stride > 1:
            x = _reduce_axis(x, axis, size, stride, dilation, combine)
    return x


def _reduce_axis(x: np.ndarray, axis: int, size: int, stride: int, dilation: int, combine: Any,
                 ) -> np.ndarray:
    count = window_count(x.shape[axis], dilated(size, dilation), stride)

    def part(k: int) -> np.ndarray:
        index = [slice(None)] * x.ndim
        index[axis] = slice(k * dilation, k * dilation + (count - 1) * stride + 1 if count else 0,
                            stride)
        return x[tuple(index)]

    out = np.array(part(0)) if count else np.asarray(part(0)[:0])
    if not count:
        shape = list(x.shape)
        shape[axis] = 0
        return np.empty(shape, x.dtype)
    for k in range(1, size):
        combine(out, part(k), out=out)
    return out


@attached
def _window_batch(primitive: Primitive) -> Callable[..., Any]:
    def rule(axis: Any, operands: Any, dims: Any, **params: Any) -> Any:
        return primitive.bind(operands[0], **_insert(params, dims[0])), dims[0]
    return rule


def _sum_transpose(cotangent: Any, x: Any, *, window_dimensions: Any, window_strides: Any,
                   padding: Any, base_dilation: Any, window_dilation: Any) -> Any:
    config = []
    for i, size in enumerate(aval_of(cotangent).shape):
        window = dilated(window_dimensions[i], window_dilation[i])
        before = window - padding[i][0] - 1
        extent = dilated(x.shape[i], base_dilation[i]) + window - 1
        after = extent - dilated(size, window_strides[i]) - before
        config.append((before, after, window_strides[i] - 1))
    padded = pad_p.bind(cotangent, constant(0, aval_of(cotangent)),
                        padding_config=tuple(config))
    ones = (1,) * x.ndim
    return reduce_window_sum_p.bind(
        padded, window_dimensions=window_dimensions, window_strides=base_dilation,
        padding=((0, 0),) * x.ndim, base_dilation=ones, window_dilation=window_dilation)


reduce_window_sum_p = Primitive(
    "reduce_window_sum", type_rule=_type, evaluate=quiet(_window_evaluate(np.add, lambda dtype: 0)),
    jvp=linear_jvp(), transpose=transpose_unary(_sum_transpose),
    batch=_window_batch,
    lower=Expand(window_reduction(add_p, reduce_sum_p, lambda dtype: 0)),
    stablehlo=windowed(add_p, lambda dtype: 0))


def _extremum_jvp(select: Primitive) -> attached:
    def rule(primitive: Primitive, primals: Any, tangents: Any, **params: Any) -> Any:
        out = primitive.bind(*primals, **params)
        if type(tangents[0]) is Zero:
            return out, Zero(tangent_aval(aval_of(out)))
        return out, select_and_gather_add_p.bind(tangents[0], primals[0], select_prim=select,
                                                 **params)
    return attached(lambda primitive: partial(rule, primitive))


reduce_window_max_p = Primitive(
    "reduce_window_max", type_rule=_type,
    evaluate=_window_evaluate(np.maximum, lambda dtype: extremum_identity(dtype, False),
                              lambda fold: signed_zeros(fold, True)),
    jvp=_extremum_jvp(ge_p), batch=_window_batch,
    lower=Expand(window_reduction(
        max_p, reduce_max_p, lambda dtype: extremum_identity(dtype, False))),
    stablehlo=windowed(max_p, lambda dtype: extremum_identity(dtype, False)))
reduce_window_min_p = Primitive(
    "reduce_window_min", type_rule=_type,
    evaluate=_window_evaluate(np.minimum, lambda dtype: extremum_identity(dtype, True),
                              lambda fold: signed_zeros(fold, False)),
    jvp=_extremum_jvp(le_p), batch=_window_batch,
    lower=Expand(window_reduction(
        min_p, reduce_min_p, lambda dtype: extremum_identity(dtype, True))),
    stablehlo=windowed(min_p, lambda dtype: extremum_identity(dtype, True)))


# ---- select_and_gather_add, select_and_scatter_add ---------------------------------------------

def _selected(x: np.ndarray, select_prim: Any, params: dict[str, Any]) -> tuple[Any, np.ndarray]:
    """The shape of `x` when padded, and the flat place in it that each window selects."""
    largest = select_prim is ge_p
    base = params.get("base_dilation") or (1,) * x.ndim
    dilation = params.get("window_dilation") or (1,) * x.ndim
    config = tuple((lo, hi, d - 1) for (lo, hi), d in zip(params["padding"], base, strict=True))
    if x.dtype.itemsize < 4 and dtypes.issubdtype(x.dtype, np.inexact):
        x = x.astype(np.float32)
    fill = np.asarray(extremum_identity(x.dtype, not largest), x.dtype)
    padded = np.ascontiguousarray(pad_evaluate(x, fill, padding_config=config))
    inside = pad_evaluate(np.ones(x.shape, bool), np.asarray(False), padding_config=config)
    places = np.arange(padded.size).reshape(padded.shape)
    window = params["window_dimensions"]

    def windows(a: np.ndarray) -> np.ndarray:
        count = [window_count(n, dilated(w, d), s) for n, w, d, s in zip(
            a.shape, window, dilation, params["window_strides"], strict=True)]
        strides = (*(a * s for a, s in zip(a.strides, params["window_strides"], strict=True)),
                   *(a * d for a, d in zip(a.strides, dilation, strict=True)))
        view = np.lib.stride_tricks.as_strided(a, (*count, *window), strides, writeable=False)
        return view.reshape(*count, math.prod(window))

    values, choices = windows(padded), windows(places)
    if not values.size:
        return padded.shape, np.zeros(values.shape[:-1], np.intp)
    best = values.argmax(-1) if largest else values.argmin(-1)
    # a window of padding and infinities only selects an element of the operand, if it has one
    chosen = np.take_along_axis(choices, best[..., None], -1)[..., 0]
    outside = ~inside.reshape(-1)[chosen]
    if outside.any():
        alternatives = windows(inside).argmax(-1)
        fallback = np.take_along_axis(choices, alternatives[..., None], -1)[..., 0]
        chosen = np.where(outside, fallback, chosen)
    return padded.shape, chosen


def _gather_add_evaluate(tangents: np.ndarray, x: np.ndarray, *, select_prim: Any, **params: Any,
                         ) -> np.ndarray:
    _, chosen = _selected(x, select_prim, params)
    config = tuple((lo, hi, d - 1)
                   for (lo, hi), d in zip(params["padding"], params["base_dilation"], strict=True))
    padded = pad_evaluate(tangents, np.zeros((), tangents.dtype), padding_config=config)
    return np.asarray(padded.reshape(-1)[chosen])


def _gather_add_transpose(cotangent: Any, tangents: Any, x: Any, *, select_prim: Any,
                          window_dimensions: Any, window_strides: Any, padding: Any,
                          base_dilation: Any, window_dilation: Any) -> list[Any]:
    if type(cotangent) is Zero:
        return [Zero(tangents.aval), None]
    if any(d != 1 for d in window_dilation):
        raise NotImplementedError("Reverse-mode differentiation of windowed maxima and minima is "
                                  "not implemented for window_dilation != 1")
    widened = x
    aval = aval_of(x)
    if any(d != 1 for d in base_dilation):
        fill = extremum_identity(aval.dtype, select_prim is le_p)
        widened = pad_p.bind(x, fill, padding_config=tuple(
            (0, 0, d - 1) for d in base_dilation))
    out = select_and_scatter_add_p.bind(
        cotangent, widened, select_prim=select_prim, window_dimensions=window_dimensions,
        window_strides=window_strides, padding=padding)
    if widened is not x:
        out = slice_p.bind(out, start_indices=(0,) * aval.ndim,
                           limit_indices=aval_of(widened).shape, strides=base_dilation)
    return [out, None]


@attached
def _first_tangent_jvp(primitive: Primitive) -> Callable[..., Any]:
    """Linear in the first operand; the second one only selects."""
    def rule(primals: Any, tangents: Any, **params: Any) -> Any:
        out = primitive.bind(*primals, **params)
        if type(tangents[0]) is Zero:
            return out, Zero(tangent_aval(aval_of(out)))
        return out, primitive.bind(tangents[0], primals[1], **params)
    return rule


@attached
def _pair_batch(primitive: Primitive) -> Callable[..., Any]:
    def rule(axis: Any, operands: Any, dims: Any, **params: Any) -> Any:
        moved = [batch_to_front(x, d, axis.size) for x, d in zip(operands, dims, strict=True)]
        return primitive.bind(*moved, **_insert(params, 0)), 0
    return rule


select_and_gather_add_p = Primitive(
    "select_and_gather_add",
    type_rule=lambda tangents, x, *, select_prim, **params: _type(tangents, **params),
    evaluate=quiet(_gather_add_evaluate), jvp=_first_tangent_jvp,
    transpose=_gather_add_transpose, batch=_pair_batch,
    lower=Expand(gather_selected(extremum_identity)),
    stablehlo=gather_selected_form(extremum_identity))


def _scatter_add_evaluate(source: np.ndarray, x: np.ndarray, *, select_prim: Any, **params: Any,
                          ) -> np.ndarray:
    shape, chosen = _selected(x, select_prim, params)
    out = np.zeros(int(np.prod(shape)), source.dtype)
    np.add.at(out, chosen.reshape(-1), source.reshape(-1))
    undo = tuple((-lo, -hi, 0) for lo, hi in params["padding"])
    return pad_evaluate(out.reshape(shape), np.zeros((), source.dtype), padding_config=undo)


def _scatter_add_transpose(cotangent: Any, source: Any, x: Any, *, select_prim: Any, **params: Any,
                           ) -> list[Any]:
    if not is_undefined(source):
        raise NotImplementedError("select_and_scatter_add is linear in its first operand only")
    if type(cotangent) is Zero:
        return [Zero(source.aval), None]
    ones = (1,) * len(params["window_dimensions"])
    return [select_and_gather_add_p.bind(cotangent, x, select_prim=select_prim, **params,
                                         base_dilation=ones, window_dilation=ones), None]


select_and_scatter_add_p = Primitive(
    "select_and_scatter_add", type_rule=lambda source, x, **params: x.update(dtype=source.dtype),
    evaluate=quiet(_scatter_add_evaluate), jvp=_first_tangent_jvp,
    transpose=_scatter_add_transpose, batch=_pair_batch,
    lower=Expand(scatter_selected(extremum_identity)),
    stablehlo=scatter_selected_form(extremum_identity))
