"""conv_general_dilated: convolutions, and the matrix product that evaluates them."""
from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from arrax.core import dtypes
from arrax.core.array import Array
from arrax.core.aval import ShapedArray, aval_of
from arrax.core.primitive import Primitive
from arrax.core.remembered import remembered
from arrax.core.lowering import Library
from arrax.library import products
from arrax.ops import arguments, sharding_rules
from arrax.ops.arguments import check_same_dtypes
from arrax.ops.conv_dims import (ConvDimensionNumbers, canonical_pads, conv_dimension_numbers,
                                 conv_shape_tuple, dilated, in_spec_order, padtype_to_pads,
                                 window_count)
from arrax.ops.dot_stablehlo import precision_names
from arrax.ops.dot_types import canonicalize_precision
from arrax.ops.join import pad_evaluate
from arrax.ops.p import add_p, complex_p, convert_element_type_p, imag_p, real_p, sub_p
from arrax.ops.quiet import quiet
from arrax.ops.rules import by_operand, transpose_bilinear, zeros
from arrax.ops.shape import reshape, rev, transpose
from arrax.typing import DTypeLike

_CHUNK_ELEMENTS = 1 << 24  # the largest matrix of windows that evaluation builds at a time


# ---- type --------------------------------------------------------------------------------------

def _conv_type(x: Any, kernel: Any, *, window_strides: Any, padding: Any, lhs_dilation: Any,
               rhs_dilation: Any, dimension_numbers: Any, feature_group_count: int,
               batch_group_count: int, precision: Any, preferred_element_type: Any,
               out_sharding: Any = None) -> Any:
    numbers = dimension_numbers
    if x.ndim != kernel.ndim:
        raise TypeError("conv_general_dilated lhs and rhs must have the same number of dimensions, "
                        f"but got {x.shape} and {kernel.shape}.")
    check_same_dtypes("conv_general_dilated", x, kernel)
    lhs = [x.shape[i] for i in numbers.lhs_spec]
    rhs = [kernel.shape[i] for i in numbers.rhs_spec]
    _check_windows(rhs, window_strides, padding, lhs_dilation, rhs_dilation)
    _check_groups(lhs, rhs, feature_group_count, batch_group_count)
    lhs[2:] = map(dilated, lhs[2:], lhs_dilation)
    rhs[2:] = map(dilated, rhs[2:], rhs_dilation)
    out = conv_shape_tuple(lhs, rhs, window_strides, padding, batch_group_count)
    dtype = x.dtype if preferred_element_type is None else preferred_element_type
    return ShapedArray(in_spec_order(out, numbers.out_spec), dtype)


def _check_windows(rhs: Any, strides: Any, padding: Any, lhs_dilation: Any, rhs_dilation: Any,
                   ) -> None:
    spatial = len(rhs) - 2
    for name, values in (("window_strides", strides), ("lhs_dilation", lhs_dilation),
                         ("rhs_dilation", rhs_dilation)):
        if len(values) != spatial:
            raise ValueError(f"conv_general_dilated window and {name} must have the same number of "
                             f"dimensions, but got {spatial} and {len(values)}")
        if any(v <= 0 for v in values):
            raise ValueError(f"conv_general_dilated {name} must be positive, got {values}.")
    if len(padding) != spatial:
        raise TypeError("Wrong number of explicit pads for convolution: expected "
                        f"{spatial}, got {len(padding)}.")


def _check_groups(lhs: Any, rhs: Any, feature_groups: int, batch_groups: int) -> None:
    name = "conv_general_dilated"
    for label, count in (("feature_group_count", feature_groups),
                         ("batch_group_count", batch_groups)):
        if count <= 0:
            raise ValueError(f"{name} {label} must be a positive integer, got {count}.")
    if batch_groups > 1 and feature_groups > 1:
        raise ValueError("At most one of batch_group_count and feature_group_count may be > 1, got "
                         f"batch_group_count={batch_groups} and "
                         f"feature_group_count={feature_groups}")
    if lhs[1] % feature_groups:
        raise ValueError(f"{name} feature_group_count must divide lhs feature dimension size, but "
                         f"{feature_groups} does not divide {lhs[1]}.")
    if lhs[1] // feature_groups != rhs[1]:
        raise ValueError(f"{name} lhs feature dimension size divided by feature_group_count must "
                         "equal the rhs input feature dimension size, but "
                         f"{lhs[1]} // {feature_groups} != {rhs[1]}.")
    for label, count in (("feature_group_count", feature_groups),
                         ("batch_group_count", batch_groups)):
        if rhs[0] % count:
            raise ValueError(f"{name} rhs output feature dimension size must be a multiple of "
                             f"{label}, but {rhs[0]} is not a multiple of {count}.")
    if lhs[0] % batch_groups:
        raise ValueError(f"{name} batch_group_count must divide lhs batch dimension size, but "
                         f"{batch_groups} does not divide {lhs[0]}.")


# ---- evaluation --------------------------------------------------------------------------------

def _conv_evaluate(x: np.ndarray, kernel: np.ndarray, *, window_strides: Any, padding: Any,
                   lhs_dilation: Any, rhs_dilation: Any, dimension_numbers: Any,
                   feature_group_count: int, batch_group_count: int, precision: Any,
                   preferred_element_type: Any, out_sharding: Any = None) -> np.ndarray:
    dtype = x.dtype if preferred_element_type is None else np.dtype(preferred_element_type)
    work = _work_dtype(x.dtype, dtype)
    x = x.transpose(dimension_numbers.lhs_spec).astype(work, copy=False)
    kernel = kernel.transpose(dimension_numbers.rhs_spec).astype(work, copy=False)
    config = [(lo, hi, dilation - 1)
              for (lo, hi), dilation in zip(padding, lhs_dilation, strict=True)]
    if any(c != (0, 0, 0) for c in config):
        x = pad_evaluate(x, np.zeros((), work), padding_config=((0, 0, 0), (0, 0, 0), *config))
    if x.ndim == 3 and x.shape[:2] == kernel.shape[:2] == (1, 1) and x.size >= kernel.size > 0 \
            and (*window_strides, *rhs_dilation) == (1, 1):
        out = np.correlate(x[0, 0], kernel[0, 0].conj(), "valid")[None, None]
        return _rounded(out, work, dtype).transpose(np.argsort(dimension_numbers.out_spec))
    windows = _windows(x, kernel.shape[2:], window_strides, rhs_dilation)
    out = _grouped_product(windows, kernel, feature_group_count, batch_group_count)
    return _rounded(out, work, dtype).transpose(np.argsort(dimension_numbers.out_spec))


def _rounded(out: np.ndarray, work: Any, dtype: Any) -> np.ndarray:
    """What was computed in `work` as `dtype`; integers wrap."""
    if dtype == work:
        return out
    wraps = dtypes.issubdtype(dtype, np.integer) and np.dtype(work).kind == "f"
    return out.astype(np.int64).astype(dtype) if wraps else out.astype(dtype)


def _work_dtype(operand: Any, result: Any) -> Any:
    if dtypes.issubdtype(operand, np.integer) or operand == np.dtype(bool):
        return np.dtype(np.float64) if dtypes.itemsize_bits(operand) <= 16 else result
    narrow = dtypes.itemsize_bits(operand) < 32
    work = np.dtype(np.float32) if narrow else operand
    wide_result = dtypes.issubdtype(result, np.inexact) and dtypes.itemsize_bits(result) >= 32
    return np.dtype(dtypes.joined_dtype(work, result)) if wide_result else work


def _windows(x: np.ndarray, window: Any, strides: Any, dilations: Any) -> np.ndarray:
    """A view of axes (batch, feature, window position…, place in the window…)."""
    count = [window_count(size, dilated(k, dilation), stride) for size, k, stride, dilation in zip(
        x.shape[2:], window, strides, dilations, strict=True)]
    steps = x.strides[2:]
    return np.lib.stride_tricks.as_strided(
        x, (*x.shape[:2], *count, *window),
        (*x.strides[:2], *(a * b for a, b in zip(steps, strides, strict=True)),
         *(a * b for a, b in zip(steps, dilations, strict=True))), writeable=False)


def _grouped_product(windows: np.ndarray, kernel: np.ndarray, feature_groups: int,
                     batch_groups: int) -> np.ndarray:
    """The convolution of all groups, axes (batch, feature, position…)."""
    spatial = kernel.ndim - 2
    batch = windows.shape[0]
    position, window = windows.shape[2:2 + spatial], windows.shape[2 + spatial:]
    groups = max(feature_groups, batch_groups)
    outputs, inputs = kernel.shape[:2]
    rows = batch // batch_groups
    matrix = kernel.reshape(groups, outputs // groups, inputs * math.prod(window))
    matrix = matrix.transpose(0, 2, 1)
    # axes of `grouped`: group, batch, position…, feature within the group, place in the window…
    if batch_groups > 1:
        grouped = windows.reshape(groups, rows, *windows.shape[1:])
        grouped = np.moveaxis(grouped, 2, 2 + spatial)
    else:
        grouped = _split_axis(windows, 1, groups)
        grouped = np.moveaxis(np.moveaxis(grouped, 1, 0), 2, 2 + spatial)
    out = np.empty((groups, rows, math.prod(position), outputs // groups),
                   np.result_type(windows, kernel))
    terms = inputs * math.prod(window)
    chunk = max(1, _CHUNK_ELEMENTS // max(1, groups * math.prod(position) * terms))
    for start in range(0, rows, chunk):
        part = grouped[:, start:start + chunk]
        count = part.shape[1]
        product = np.matmul(part.reshape(groups, count * math.prod(position), terms), matrix)
        out[:, start:start + chunk] = product.reshape(groups, count, *out.shape[2:])
    out = out.transpose(1, 0, 3, 2)
    return out.reshape(rows, outputs, *position)


def _split_axis(x: np.ndarray, axis: int, count: int) -> np.ndarray:
    """A view with `axis` split into `count` parts (never a copy, unlike `reshape`)."""
    size, stride = x.shape[axis] // count, x.strides[axis]
    return np.lib.stride_tricks.as_strided(
        x, (*x.shape[:axis], count, size, *x.shape[axis + 1:]),
        (*x.strides[:axis], size * stride, stride, *x.strides[axis + 1:]), writeable=False)


# ---- derivatives -------------------------------------------------------------------------------

def _spatial(shape: Any, spec: Any) -> list[int]:
    return [shape[i] for i in spec[2:]]


def _swap_first_two(spec: Any) -> tuple[int, ...]:
    return (spec[1], spec[0], *spec[2:])


def split_axis(x: Any, axis: int, count: int) -> Any:
    """Split `axis` into axes (count, rest)."""
    shape = aval_of(x).shape
    return reshape(x, (*shape[:axis], count, shape[axis] // count, *shape[axis + 1:]))


def merge_axis(x: Any, source: int, into: int) -> Any:
    """Move axis `source` in front of the axis `into` (numbered without `source`) and merge them."""
    shape = aval_of(x).shape
    order = [i for i in range(len(shape)) if i != source]
    order.insert(into, source)
    x = transpose(x, order)
    shape = aval_of(x).shape
    return reshape(x, (*shape[:into], shape[into] * shape[into + 1], *shape[into + 2:]))


def _left_cotangent(cotangent: Any, x: Any, kernel: Any, *, window_strides: Any, padding: Any,
                    lhs_dilation: Any, rhs_dilation: Any, dimension_numbers: Any,
                    feature_group_count: int, batch_group_count: int, precision: Any,
                    preferred_element_type: Any, out_sharding: Any = None) -> Any:
    lhs_spec, rhs_spec, out_spec = dimension_numbers
    kernel_shape = aval_of(kernel).shape
    extents = list(map(dilated, _spatial(x.shape, lhs_spec), lhs_dilation))
    windows = list(map(dilated, _spatial(kernel_shape, rhs_spec), rhs_dilation))
    outs = list(map(dilated, _spatial(aval_of(cotangent).shape, out_spec), window_strides))
    pads = []
    for extent, window, out, (lo, _) in zip(extents, windows, outs, padding, strict=True):
        before = window - lo - 1
        pads.append((before, extent + window - 1 - out - before))
    groups = max(feature_group_count, batch_group_count)
    if groups > 1:  # each group's output features become input features, and the reverse
        kernel = merge_axis(split_axis(kernel, rhs_spec[0], groups), rhs_spec[0], rhs_spec[1])
    out = conv_general_dilated_p.bind(
        cotangent, rev(kernel, rhs_spec[2:]), window_strides=lhs_dilation, padding=tuple(pads),
        lhs_dilation=window_strides, rhs_dilation=rhs_dilation,
        dimension_numbers=ConvDimensionNumbers(out_spec, _swap_first_two(rhs_spec), lhs_spec),
        feature_group_count=groups, batch_group_count=1, precision=precision,
        preferred_element_type=preferred_element_type, out_sharding=None)
    if batch_group_count > 1:
        out = split_axis(out, lhs_spec[1], batch_group_count)
        out = merge_axis(out, lhs_spec[1], lhs_spec[0])
    return _as_dtype(out, x.dtype)


def _right_cotangent(cotangent: Any, x: Any, kernel: Any, *, window_strides: Any, padding: Any,
                     lhs_dilation: Any, rhs_dilation: Any, dimension_numbers: Any,
                     feature_group_count: int, batch_group_count: int, precision: Any,
                     preferred_element_type: Any, out_sharding: Any = None) -> Any:
    lhs_spec, rhs_spec, out_spec = dimension_numbers
    extents = list(map(dilated, _spatial(aval_of(x).shape, lhs_spec), lhs_dilation))
    windows = list(map(dilated, _spatial(kernel.shape, rhs_spec), rhs_dilation))
    outs = list(map(dilated, _spatial(aval_of(cotangent).shape, out_spec), window_strides))
    pads = tuple((lo, out - extent + window - lo - 1) for extent, window, out, (lo, _) in zip(
        extents, windows, outs, padding, strict=True))
    out = conv_general_dilated_p.bind(
        x, cotangent, window_strides=rhs_dilation, padding=pads, lhs_dilation=lhs_dilation,
        rhs_dilation=window_strides,
        dimension_numbers=ConvDimensionNumbers(
            *map(_swap_first_two, (lhs_spec, out_spec, rhs_spec))),
        feature_group_count=batch_group_count, batch_group_count=feature_group_count,
        precision=precision, preferred_element_type=preferred_element_type, out_sharding=None)
    return _as_dtype(out, kernel.dtype)


def _as_dtype(x: Any, dtype: Any) -> Any:
    if aval_of(x).dtype == dtype:
        return x
    return convert_element_type_p.bind(x, new_dtype=dtype, weak_type=False, sharding=None)


# ---- batching ----------------------------------------------------------------------------------

def _conv_batch(axis: Any, operands: Any, dims: Any, **params: Any) -> Any:
    (x, kernel), (x_dim, kernel_dim) = operands, dims
    if axis.size == 0:  # no batch of convolutions has a group for each of none
        one = conv_general_dilated_p.type_rule(
            *(_without_axis(aval_of(v), d) for v, d in zip(operands, dims, strict=True)), **params)
        return zeros(one.update(shape=(0, *one.shape))), 0
    if x_dim is not None and kernel_dim is not None:
        return _batch_both(axis.size, x, kernel, x_dim, kernel_dim, params)
    if x_dim is not None:
        return _batch_input(axis.size, x, kernel, x_dim, params)
    return _batch_kernel(axis.size, x, kernel, kernel_dim, params)


def _without_axis(aval: Any, axis: int | None) -> Any:
    return aval if axis is None else \
        aval.update(shape=(*aval.shape[:axis], *aval.shape[axis + 1:]))


def _batch_both(size: int, x: Any, kernel: Any, x_dim: int, kernel_dim: int,
                params: dict[str, Any]) -> Any:
    """The batch axis becomes the major part of the groups."""
    lhs_spec, rhs_spec, out_spec = params["dimension_numbers"]
    if params["batch_group_count"] > 1:
        x = merge_axis(x, x_dim, lhs_spec[0])
        params = params | {"batch_group_count": params["batch_group_count"] * size}
    else:
        x = merge_axis(x, x_dim, lhs_spec[1])
        params = params | {"feature_group_count": params["feature_group_count"] * size}
    kernel = merge_axis(kernel, kernel_dim, rhs_spec[0])
    out = conv_general_dilated_p.bind(x, kernel, **params)
    return split_axis(out, out_spec[1], size), out_spec[1]


def _batch_input(size: int, x: Any, kernel: Any, dim: int, params: dict[str, Any]) -> Any:
    """The batch axis becomes part of the convolution's own batch, inside its groups."""
    lhs_spec, _, out_spec = params["dimension_numbers"]
    groups = params["batch_group_count"]
    if groups == 1:
        out = conv_general_dilated_p.bind(merge_axis(x, dim, lhs_spec[0]), kernel, **params)
        return split_axis(out, out_spec[0], size), out_spec[0]
    batch = lhs_spec[0]
    x = transpose(x, _moved(aval_of(x).ndim, dim, batch))  # the new axis stands before the batch
    shape = aval_of(x).shape
    x = split_axis(x, batch + 1, groups)
    order = list(range(len(shape) + 1))
    order[batch], order[batch + 1] = batch + 1, batch
    x = reshape(transpose(x, order), (*shape[:batch], size * shape[batch + 1], *shape[batch + 2:]))
    out = conv_general_dilated_p.bind(x, kernel, **params)
    return split_axis(out, out_spec[0], size), out_spec[0]


def _batch_kernel(size: int, x: Any, kernel: Any, dim: int, params: dict[str, Any]) -> Any:
    """The batch axis becomes part of the output features, inside the groups."""
    _, rhs_spec, out_spec = params["dimension_numbers"]
    groups = max(params["feature_group_count"], params["batch_group_count"])
    feature = rhs_spec[0]
    if groups == 1:
        out = conv_general_dilated_p.bind(x, merge_axis(kernel, dim, feature), **params)
        return split_axis(out, out_spec[1], size), out_spec[1]
    kernel = transpose(kernel, _moved(aval_of(kernel).ndim, dim, feature))
    shape = aval_of(kernel).shape
    kernel = split_axis(kernel, feature + 1, groups)
    order = list(range(len(shape) + 1))
    order[feature], order[feature + 1] = feature + 1, feature
    kernel = reshape(transpose(kernel, order),
                     (*shape[:feature], size * shape[feature + 1], *shape[feature + 2:]))
    out = conv_general_dilated_p.bind(x, kernel, **params)
    place = out_spec[1]
    shape = aval_of(out).shape
    features = shape[place] // (groups * size)
    out = reshape(out, (*shape[:place], groups, size, features, *shape[place + 1:]))
    out = transpose(out, _moved(len(shape) + 2, place + 1, 0))
    shape = aval_of(out).shape
    return reshape(out, (*shape[:place + 1], groups * features, *shape[place + 3:])), 0


def _moved(rank: int, source: int, destination: int) -> list[int]:
    """The permutation that moves axis `source` to `destination`."""
    order = [i for i in range(rank) if i != source]
    order.insert(destination, source)
    return order


# ---- StableHLO ---------------------------------------------------------------------------------

def _conv_stablehlo(b: Any, x: Any, kernel: Any, *, window_strides: Any, padding: Any,
                    lhs_dilation: Any, rhs_dilation: Any, dimension_numbers: Any,
                    feature_group_count: int, batch_group_count: int, precision: Any,
                    preferred_element_type: Any, out_sharding: Any = None) -> Any:
    out = b.outs[0]
    if 0 in (*out.shape, *x.aval.shape, *kernel.aval.shape):
        return b.full(out.shape, 0, out.dtype)
    if out.dtype.kind == "c":
        return _complex_conv(x, kernel, {
            "window_strides": window_strides, "padding": padding, "lhs_dilation": lhs_dilation,
            "rhs_dilation": rhs_dilation, "dimension_numbers": dimension_numbers,
            "precision": precision, "feature_group_count": feature_group_count,
            "batch_group_count": batch_group_count,
            "preferred_element_type": np.zeros((), out.dtype).real.dtype, "out_sharding": None})
    numbers = "x".join(_labelled(spec, letters) for spec, letters in zip(
        dimension_numbers, ("bf", "oi", "bf"), strict=True))
    numbers = "->".join(numbers.rsplit("x", 1))
    return b.op("convolution", x, kernel, results=out, window_strides=window_strides,
                padding=padding, lhs_dilation=lhs_dilation, rhs_dilation=rhs_dilation,
                dimension_numbers=f"#stablehlo.conv<{numbers}>",
                feature_group_count=feature_group_count, batch_group_count=batch_group_count,
                precision_config=precision_names(precision))


def _complex_conv(x: Any, kernel: Any, params: dict[str, Any]) -> Any:
    """By convolutions of the real and imaginary parts, since accelerators have real ones only."""
    parts = [[part.bind(v) for part in (real_p, imag_p)] for v in (x, kernel)]
    products = [[conv_general_dilated_p.bind(p, q, **params) for q in parts[1]] for p in parts[0]]
    return complex_p.bind(sub_p.bind(products[0][0], products[1][1]),
                                    add_p.bind(products[0][1], products[1][0]))


def _labelled(spec: Sequence[int], letters: str) -> str:
    """What each axis is, `[b, 0, 1, f]`, by the places of the two named and the spatial axes."""
    labels = dict(zip(spec, (*letters, *map(str, range(len(spec) - 2))), strict=True))
    return f"[{', '.join(labels[i] for i in range(len(spec)))}]"


conv_general_dilated_p: Primitive = Primitive(
    "conv_general_dilated", sharding=sharding_rules.convolution,
    type_rule=_conv_type, evaluate=quiet(_conv_evaluate),
    jvp=by_operand(lambda t, out, x, y, **params: conv_general_dilated_p.bind(t, y, **params),
                   lambda t, out, x, y, **params: conv_general_dilated_p.bind(x, t, **params)),
    transpose=transpose_bilinear(_left_cotangent, _right_cotangent), batch=_conv_batch,
    lower=Library(products.conv), stablehlo=_conv_stablehlo)


# ---- public function ---------------------------------------------------------------------------

@remembered
def conv_general_dilated(lhs: Any, rhs: Any, window_strides: Sequence[int], padding: Any,
                         lhs_dilation: Sequence[int] | None = None,
                         rhs_dilation: Sequence[int] | None = None, dimension_numbers: Any = None,
                         feature_group_count: int = 1, batch_group_count: int = 1,
                         precision: Any = None, preferred_element_type: DTypeLike | None = None,
                         out_sharding: Any = None,) -> Array:
    """An n-dimensional convolution (without reversal of the kernel: a cross-correlation).

    Args:
      lhs: the input, by default with axes (batch, feature, spatial…).
      rhs: the kernel, by default with axes (output feature, input feature, spatial…).
      window_strides: the step of the window along each spatial axis.
      padding: "SAME", "SAME_LOWER", "VALID", or (low, high) per spatial axis, also negative.
      lhs_dilation, rhs_dilation: the distance of neighbouring elements of input and kernel.
      dimension_numbers: None, strings such as ("NHWC", "HWIO", "NHWC"), or `ConvDimensionNumbers`.
      feature_group_count, batch_group_count: convolve that many groups of features, or of batch
        elements, separately; the output features are split among the groups.
      precision, preferred_element_type: as in `dot_general`.

    Returns:
      An array; ValueError or TypeError when shapes, groups or dtypes do not fit.

    Example:
      >>> image, kernel = jnp.ones((1, 3, 8, 8)), jnp.ones((4, 3, 3, 3))
      >>> lax.conv_general_dilated(image, kernel, (2, 2), "SAME").shape
      (1, 4, 4, 4)
    """
    lhs = arguments.operand(lhs, "conv_general_dilated")
    rhs = arguments.operand(rhs, "conv_general_dilated", 1)
    numbers = conv_dimension_numbers(lhs.shape, rhs.shape, dimension_numbers)
    spatial = len(numbers.lhs_spec) - 2
    lhs_dilation = tuple(lhs_dilation or (1,) * spatial)
    rhs_dilation = tuple(rhs_dilation or (1,) * spatial)
    window_strides = tuple(window_strides)
    if any(stride <= 0 for stride in window_strides):
        raise ValueError("conv_general_dilated window_strides must be positive, got "
                         f"{window_strides}")
    if not isinstance(padding, (str, Sequence)):
        raise ValueError("padding argument to conv_general_dilated should be a string or a "
                         f"sequence of (low, high) pairs, got {padding}")
    if isinstance(padding, str):
        extents = map(dilated, _spatial(lhs.shape, numbers.lhs_spec), lhs_dilation)
        windows = map(dilated, _spatial(rhs.shape, numbers.rhs_spec), rhs_dilation)
        if len(window_strides) == spatial:
            padding = padtype_to_pads(list(extents), list(windows), window_strides, padding)
        else:
            padding = [(0, 0)] * spatial  # the type rule reports the strides
    if preferred_element_type is not None:
        preferred_element_type = dtypes.check_user_dtype(preferred_element_type,
                                                         "conv_general_dilated")
    params = {
        "window_strides": window_strides, "padding": canonical_pads(padding),
        "lhs_dilation": lhs_dilation, "rhs_dilation": rhs_dilation, "dimension_numbers": numbers,
        "feature_group_count": int(feature_group_count),
        "batch_group_count": int(batch_group_count),
        "precision": canonicalize_precision(precision),
        "preferred_element_type": preferred_element_type, "out_sharding": out_sharding}
    _conv_type(lhs.aval, rhs.aval, **params)
    return conv_general_dilated_p.bind(lhs, rhs, **params)
