"""Convolutions with fewer arguments, transposed ones, patches, and unshared kernels."""
from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from arrax.core.array import Array
from arrax.core.dtypes import storage_dtype
from arrax.ops import arguments
from arrax.ops.conv import conv_general_dilated
from arrax.ops.conv_dims import (ConvDimensionNumbers, conv_dimension_numbers, dilated,
                                 transposed_padding)
from arrax.ops.dot import dot_general
from arrax.ops.shape import rev, transpose
from arrax.typing import DTypeLike


def conv(lhs: Any, rhs: Any, window_strides: Sequence[int], padding: str, precision: Any = None,
         preferred_element_type: DTypeLike | None = None) -> Array:
    """A convolution of axes (batch, feature, spatial…) with kernel (output, input, spatial…)."""
    return conv_general_dilated(lhs, rhs, window_strides, padding, precision=precision,
                                preferred_element_type=preferred_element_type)


def conv_with_general_padding(
        lhs: Any, rhs: Any, window_strides: Sequence[int], padding: Any,
        lhs_dilation: Sequence[int] | None, rhs_dilation: Sequence[int] | None,
        precision: Any = None, preferred_element_type: DTypeLike | None = None) -> Array:
    """`conv` with explicit padding and dilations."""
    return conv_general_dilated(lhs, rhs, window_strides, padding, lhs_dilation=lhs_dilation,
                                rhs_dilation=rhs_dilation, precision=precision,
                                preferred_element_type=preferred_element_type)


def conv_transpose(lhs: Any, rhs: Any, strides: Sequence[int], padding: Any,
                   rhs_dilation: Sequence[int] | None = None, dimension_numbers: Any = None,
                   transpose_kernel: bool = False, precision: Any = None,
                   preferred_element_type: DTypeLike | None = None,
                   use_consistent_padding: bool = False) -> Array:
    """The transpose of a convolution ("deconvolution"), as a convolution with dilated input.

    Args:
      lhs: the input; dimension numbers default to ("NHWC", "HWIO", "NHWC") and their like.
      rhs: the kernel.
      strides: by how much the result is larger than the input.
      padding: "SAME", "VALID" (of the convolution that is transposed), or pairs per spatial axis.
      rhs_dilation: the dilation of the kernel.
      transpose_kernel: reverse the kernel and swap its feature axes: the result is then the
        gradient of the convolution with that kernel.
      use_consistent_padding: take padding pairs as those of the convolution that is transposed.
      precision, preferred_element_type: as in `dot_general`.
    """
    lhs = arguments.operand(lhs, "conv_transpose")
    rhs = arguments.operand(rhs, "conv_transpose", 1)
    rank = lhs.ndim
    if dimension_numbers is None:
        if rank not in (3, 4, 5):
            raise ValueError(f"No 4+ dimensional dimension_number defaults. Got ndim={rank}.")
        spatial = "DHW"[5 - rank:]
        dimension_numbers = (f"N{spatial}C", f"{spatial}IO", f"N{spatial}C")
    numbers = conv_dimension_numbers(lhs.shape, rhs.shape, dimension_numbers)
    rhs_spec = numbers.rhs_spec
    kernel = [rhs.shape[i] for i in rhs_spec[2:]]
    rhs_dilation = tuple(rhs_dilation or (1,) * (rank - 2))
    extents = list(map(dilated, kernel, rhs_dilation))
    if isinstance(padding, str):
        if padding not in ("SAME", "VALID"):
            raise RuntimeError("Unrecognized padding type: expected 'VALID' or 'SAME', got "
                               f"{padding}.")
        pads = [transposed_padding(k, s, padding) for k, s in zip(extents, strides, strict=True)]
    elif use_consistent_padding:
        pads = [(k - 1 - lo, k - 1 - hi) for k, (lo, hi) in zip(extents, padding, strict=True)]
    else:
        pads = padding
    if transpose_kernel:
        for axis in rhs_spec[2:]:
            rhs = rev(rhs, (axis,))
        order = list(range(rank))
        order[rhs_spec[0]], order[rhs_spec[1]] = rhs_spec[1], rhs_spec[0]
        rhs = transpose(rhs, order)
    return conv_general_dilated(
        lhs, rhs, (1,) * (rank - 2), pads, strides, rhs_dilation, numbers, precision=precision,
        preferred_element_type=preferred_element_type)


def conv_general_dilated_patches(
        lhs: Any, filter_shape: Sequence[int], window_strides: Sequence[int], padding: Any,
        lhs_dilation: Sequence[int] | None = None, rhs_dilation: Sequence[int] | None = None,
        dimension_numbers: Any = None, precision: Any = None, preferred_element_type: Any = None,
        ) -> Array:
    """The windows that a convolution would see, as features of the result.

    The feature axis has (input features) · (window elements) elements, input features outermost.
    """
    lhs = arguments.operand(lhs, "conv_general_dilated_patches")
    window = tuple(filter_shape)
    numbers = conv_dimension_numbers(lhs.shape, (1, 1, *window), dimension_numbers)
    lhs_spec, rhs_spec, out_spec = numbers
    elements, features = math.prod(window), lhs.shape[lhs_spec[1]]
    unit = np.eye(elements, dtype=storage_dtype(lhs.dtype)).reshape(elements, 1, *window)
    kernel = np.tile(unit, (features,) + (1,) * (len(window) + 1)).transpose(np.argsort(rhs_spec))
    return conv_general_dilated(
        lhs, kernel, window_strides, padding, lhs_dilation, rhs_dilation,
        ConvDimensionNumbers(lhs_spec, rhs_spec, out_spec), feature_group_count=features,
        precision=precision, preferred_element_type=preferred_element_type)


def conv_general_dilated_local(
        lhs: Any, rhs: Any, window_strides: Sequence[int], padding: Any,
        filter_shape: Sequence[int], lhs_dilation: Sequence[int] | None = None,
        rhs_dilation: Sequence[int] | None = None, dimension_numbers: Any = None,
        precision: Any = None) -> Array:
    """A convolution with a kernel of its own at each position ("locally connected").

    `rhs` has, where a shared kernel has its spatial axes, the spatial axes of the result, and as
    input features (input features) · (window elements), in the order of the patches.
    """
    lhs = arguments.operand(lhs, "conv_general_dilated_local")
    rhs = arguments.operand(rhs, "conv_general_dilated_local", 1)
    lhs_spec, rhs_spec, out_spec = conv_dimension_numbers(lhs.shape, rhs.shape, dimension_numbers)
    patches = conv_general_dilated_patches(
        lhs, filter_shape, window_strides, padding, lhs_dilation, rhs_dilation,
        ConvDimensionNumbers(lhs_spec, rhs_spec, out_spec), precision)
    out = dot_general(patches, rhs, (((out_spec[1],), (rhs_spec[1],)),
                                     (tuple(out_spec[2:]), tuple(rhs_spec[2:]))), precision)
    # its axes: spatial…, batch, output feature
    spatial = len(out_spec) - 2
    place = [0] * (spatial + 2)
    for source, axis in zip((spatial, spatial + 1, *range(spatial)), out_spec, strict=True):
        place[axis] = source
    return transpose(out, place)
