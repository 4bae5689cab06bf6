"""Matrix products (any strides, batched) and convolutions (1 to 3 spatial dimensions, any layout).

Strides count elements. A spec is None for a case that the library does not cover.
"""
from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from arrax.core.record import Record
from arrax.library.calls import CODES, Call, Shape, Spec, flat

Three = tuple[int, ...]  # of the three innermost axes, outermost first
_PRODUCT_DTYPES = {
    ("float32", "float32"), ("float64", "float64"), ("complex64", "complex64"),
    ("complex128", "complex128"), ("int32", "int32"), ("uint32", "uint32"),
    ("bfloat16", "bfloat16"), ("bfloat16", "float32"),
    ("float16", "float16"), ("float16", "float32"),
}  # fmt: skip
_CONV_DTYPES = {"float32", "float64", "int32", "uint32", "bfloat16", "float16"}


class Gemm(Record):
    """`arrax_gemm` (lhs, rhs, out): out = lhs rhs, for up to three batch axes."""

    dtype: int
    out_dtype: int
    rows: int
    columns: int
    depth: int
    lhs_row: int
    lhs_depth: int
    rhs_depth: int
    rhs_column: int
    out_row: int
    out_column: int
    batches: Three
    lhs_batch: Three
    rhs_batch: Three
    out_batch: Three
    adds: int


class Conv(Record):
    """`arrax_conv` (image, kernel, out)."""

    dtype: int
    batch: int
    groups: int
    in_channels: int
    out_channels: int
    image_sizes: Three
    kernel_sizes: Three
    out_sizes: Three
    window_strides: Three
    padding: Three
    image_dilation: Three
    kernel_dilation: Three
    image_group: int
    image_batch: int
    image_channel: int
    image_strides: Three
    kernel_group: int
    kernel_out_channel: int
    kernel_in_channel: int
    kernel_strides: Three
    out_group: int
    out_batch: int
    out_channel: int
    out_strides: Three


def strides_of(shape: Shape) -> list[int]:
    """The strides of a C-contiguous array, in elements."""
    strides, step = [], 1
    for extent in reversed(shape):
        strides.append(step)
        step *= extent
    return strides[::-1]


def _collapse(axes: Sequence[int], shape: Shape) -> tuple[int, int] | None:
    """(size, stride) of several axes as one, or None where memory does not allow it."""
    strides = strides_of(shape)
    kept = [axis for axis in axes if shape[axis] != 1]
    for axis, following in zip(kept, kept[1:], strict=False):
        if strides[axis] != strides[following] * shape[following]:
            return None
    return math.prod(shape[axis] for axis in axes), strides[kept[-1]] if kept else 1


def _loops(axes: Sequence[int], shape: Shape) -> tuple[tuple[int, int], list[int]] | None:
    """The longest tail of `axes` that is one axis in memory, as (size, stride), and the rest."""
    for start in range(len(axes) + 1):
        collapsed = _collapse(axes[start:], shape)
        if collapsed is not None:
            return collapsed, list(axes[:start])
    return None


def product_dtypes(lhs: Any, rhs: Any, out: Any) -> bool:
    """Whether there are products of arrays with these dtypes."""
    return lhs.dtype == rhs.dtype and (lhs.dtype.name, out.dtype.name) in _PRODUCT_DTYPES


def gemm_spec(lhs: Any, rhs: Any, out: Any, dimension_numbers: Any) -> Spec | None:
    """`dot_general` of arrays with these shapes and dtypes."""
    (lhs_contract, rhs_contract), (lhs_batch, rhs_batch) = dimension_numbers
    if not product_dtypes(lhs, rhs, out):
        return None
    # Contracted axes may come in any order, as long as it is the same for both.
    pairs = sorted(zip(lhs_contract, rhs_contract, strict=True))
    k_lhs = _collapse([pair[0] for pair in pairs], lhs.shape)
    k_rhs = _collapse([pair[1] for pair in pairs], rhs.shape)
    left = [i for i in range(len(lhs.shape)) if i not in (*lhs_contract, *lhs_batch)]
    right = [i for i in range(len(rhs.shape)) if i not in (*rhs_contract, *rhs_batch)]
    rows, columns = _loops(left, lhs.shape), _loops(right, rhs.shape)
    if k_lhs is None or k_rhs is None or rows is None or columns is None:
        return None
    (m, a_row), outer_rows = rows
    (n, b_column), outer_columns = columns
    out_strides = strides_of(out.shape)
    batches = len(lhs_batch)
    # Free axes that don't collapse become batch axes along which the other operand stands still.
    lhs_strides, rhs_strides = strides_of(lhs.shape), strides_of(rhs.shape)
    loops = [
        (lhs.shape[i], lhs_strides[i], rhs_strides[j], out_strides[position])
        for position, (i, j) in enumerate(zip(lhs_batch, rhs_batch, strict=True))
    ]
    loops += [
        (lhs.shape[axis], lhs_strides[axis], 0, out_strides[batches + q])
        for q, axis in enumerate(outer_rows)
    ]
    loops += [
        (rhs.shape[axis], 0, rhs_strides[axis], out_strides[batches + len(left) + q])
        for q, axis in enumerate(outer_columns)
    ]
    merged = _merge_loops(loops)
    if len(merged) > 3:
        return None
    merged = [(1, 0, 0, 0)] * (3 - len(merged)) + merged
    c_row = math.prod(rhs.shape[axis] for axis in right)
    sizes, a_batch, b_batch, c_batch = zip(*merged, strict=True)
    return flat(Gemm(
        dtype=CODES[lhs.dtype], out_dtype=CODES[out.dtype], rows=m, columns=n, depth=k_lhs[0],
        lhs_row=a_row, lhs_depth=k_lhs[1], rhs_depth=k_rhs[1], rhs_column=b_column,
        out_row=c_row, out_column=1, batches=sizes, lhs_batch=a_batch, rhs_batch=b_batch,
        out_batch=c_batch, adds=0))


def _merge_loops(loops: list[tuple[int, int, int, int]]) -> list[tuple[int, int, int, int]]:
    """Joins neighbouring loops that walk memory as one, and drops loops of one step."""
    merged: list[tuple[int, int, int, int]] = []
    for size, *steps in loops:
        if size == 1:
            continue
        if merged and all(
            outer == inner * size for outer, inner in zip(merged[-1][1:], steps, strict=True)
        ):
            merged[-1] = (merged[-1][0] * size, steps[0], steps[1], steps[2])
        else:
            merged.append((size, steps[0], steps[1], steps[2]))
    return merged


def conv_spec(lhs: Any, rhs: Any, out: Any, params: dict[str, Any]) -> Spec | None:
    """`conv_general_dilated` of arrays with these shapes and dtypes."""
    rank = len(lhs.shape) - 2
    same = lhs.dtype == rhs.dtype == out.dtype
    if not same or lhs.dtype.name not in _CONV_DTYPES or not 1 <= rank <= 3:
        return None
    numbers = params["dimension_numbers"]
    image, kernel, result = numbers.lhs_spec, numbers.rhs_spec, numbers.out_spec
    features, batches = params["feature_group_count"], params["batch_group_count"]
    groups = max(features, batches)
    if features > 1 and batches > 1:
        return None

    def three(values: Sequence[int], default: int) -> tuple[int, ...]:
        return (*[default] * (3 - rank), *values)

    image_strides, kernel_strides, out_strides = map(strides_of, (lhs.shape, rhs.shape, out.shape))
    in_channels, out_channels = rhs.shape[kernel[1]], rhs.shape[kernel[0]] // groups
    batch = lhs.shape[image[0]] // batches
    return flat(Conv(
        dtype=CODES[lhs.dtype], batch=batch, groups=groups, in_channels=in_channels,
        out_channels=out_channels,
        image_sizes=three([lhs.shape[i] for i in image[2:]], 1),
        kernel_sizes=three([rhs.shape[i] for i in kernel[2:]], 1),
        out_sizes=three([out.shape[i] for i in result[2:]], 1),
        window_strides=three(params["window_strides"], 1),
        padding=three([low for low, _ in params["padding"]], 0),
        image_dilation=three(params["lhs_dilation"], 1),
        kernel_dilation=three(params["rhs_dilation"], 1),
        image_group=in_channels * image_strides[image[1]] if features > 1
        else batch * image_strides[image[0]],
        image_batch=image_strides[image[0]], image_channel=image_strides[image[1]],
        image_strides=three([image_strides[i] for i in image[2:]], 0),
        kernel_group=out_channels * kernel_strides[kernel[0]],
        kernel_out_channel=kernel_strides[kernel[0]], kernel_in_channel=kernel_strides[kernel[1]],
        kernel_strides=three([kernel_strides[i] for i in kernel[2:]], 0),
        out_group=out_channels * out_strides[result[1]], out_batch=out_strides[result[0]],
        out_channel=out_strides[result[1]],
        out_strides=three([out_strides[i] for i in result[2:]], 0)))


def gemm(operands: Sequence[Any], results: Sequence[Any], params: Any) -> Call | None:
    """The call of a `dot_general`."""
    (lhs, rhs), (out,) = operands, results
    spec = gemm_spec(lhs, rhs, out, params["dimension_numbers"])
    return None if spec is None else Call("arrax_gemm", spec)


def conv(operands: Sequence[Any], results: Sequence[Any], params: Any) -> Call | None:
    """The call of a `conv_general_dilated`."""
    (lhs, rhs), (out,) = operands, results
    spec = conv_spec(lhs, rhs, out, params)
    return None if spec is None else Call("arrax_conv", spec)
