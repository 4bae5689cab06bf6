"""Dimension numbers, paddings and shapes of convolutions and windowed reductions."""
from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

from arrax.core.dimension import dimension, max_dim
from arrax.core.parameter_types import parameter_type


@parameter_type
class ConvDimensionNumbers(NamedTuple):
    """Which axes of the operands and the result of a convolution are what.

    Attributes:
      lhs_spec: the axes of the input: (batch, feature, spatial…).
      rhs_spec: the axes of the kernel: (output feature, input feature, spatial…).
      out_spec: the axes of the result: (batch, feature, spatial…).
    """

    lhs_spec: Sequence[int]
    rhs_spec: Sequence[int]
    out_spec: Sequence[int]


ConvGeneralDilatedDimensionNumbers = Any  # None, three strings, or ConvDimensionNumbers


def conv_dimension_numbers(lhs_shape: Any, rhs_shape: Any, dimension_numbers: Any,
                           ) -> ConvDimensionNumbers:
    """`dimension_numbers` (None, three strings or `ConvDimensionNumbers`) as axes.

    None means batch, features, spatial axes in this order. TypeError for what does not fit.

    Example:
      >>> lax.conv_dimension_numbers((1, 8, 8, 3), (3, 3, 3, 16), ("NHWC", "HWIO", "NHWC")).rhs_spec
      (3, 2, 0, 1)
    """
    if isinstance(dimension_numbers, ConvDimensionNumbers):
        return dimension_numbers
    if len(lhs_shape) != len(rhs_shape):
        raise TypeError("convolution requires lhs and rhs ndim to be equal, got "
                        f"{len(lhs_shape)} and {len(rhs_shape)}.")
    if dimension_numbers is None:
        axes = tuple(range(len(lhs_shape)))
        return ConvDimensionNumbers(axes, axes, axes)
    if isinstance(dimension_numbers, (list, tuple)):
        if len(dimension_numbers) != 3:
            raise TypeError("convolution dimension_numbers list/tuple must be length 3, got "
                            f"{len(dimension_numbers)}.")
        if not all(isinstance(spec, str) for spec in dimension_numbers):
            raise TypeError("convolution dimension_numbers elements must be strings, got "
                            f"{tuple(map(type, dimension_numbers))}.")
        for i, spec in enumerate(dimension_numbers):
            if len(spec) != len(lhs_shape):
                raise TypeError(f"convolution dimension_numbers[{i}] must have len equal to the "
                                "ndim of lhs and rhs, got "
                                f"{spec} for lhs and rhs shapes {lhs_shape} and {rhs_shape}.")
        return ConvDimensionNumbers(*conv_general_permutations(dimension_numbers))
    raise TypeError("convolution dimension_numbers must be tuple/list or None, got "
                    f"{type(dimension_numbers)}.")


def conv_general_permutations(dimension_numbers: Sequence[str]) -> tuple[tuple[int, ...], ...]:
    """The axes that three strings such as ("NHWC", "HWIO", "NHWC") mean."""
    lhs, rhs, out = dimension_numbers
    for i, (spec, first, second) in enumerate(((lhs, "N", "C"), (rhs, "O", "I"), (out, "N", "C"))):
        if spec.count(first) != 1 or spec.count(second) != 1:
            raise TypeError(f"convolution dimension_numbers[{i}] must contain the characters "
                            f"'{first}' and '{second}' exactly once, got {spec}.")
        if len(set(spec)) != len(spec):
            raise TypeError(f"convolution dimension_numbers[{i}] cannot have duplicate "
                            f"characters, got {spec}.")
    if not set(lhs) - set("NC") == set(rhs) - set("OI") == set(out) - set("NC"):
        raise TypeError("convolution dimension_numbers elements must each have the same set of "
                        f"spatial characters, got {tuple(dimension_numbers)}.")
    spatial = [c for c in rhs if c not in "OI"]

    def axes(spec: str, first: str, second: str) -> tuple[int, ...]:
        return (spec.index(first), spec.index(second), *map(spec.index, spatial))

    return axes(lhs, "N", "C"), axes(rhs, "O", "I"), axes(out, "N", "C")


def dilated(size: Any, dilation: int) -> Any:
    """The extent of `size` elements with `dilation` - 1 holes between neighbours."""
    return max_dim(1 + dilation * (size - 1), 0)


def window_count(size: Any, window: Any, stride: int) -> Any:
    """How many windows fit."""
    return max_dim((size - window) // stride + 1, 0)


def padtype_to_pads(in_shape: Any, window_shape: Any, window_strides: Any, padding: Any,
                    ) -> list[tuple[int, int]]:
    """The (low, high) padding per axis that "SAME", "SAME_LOWER" or "VALID" means.

    RuntimeError for another string, TypeError for no string.
    """
    if not isinstance(padding, str):
        raise TypeError(f"Unknown padding type: {padding}.")
    name = padding.upper()
    if name == "VALID":
        return [(0, 0)] * len(in_shape)
    if name not in ("SAME", "SAME_LOWER"):
        raise RuntimeError("Unrecognized padding type: expected 'VALID', 'SAME', or 'SAME_LOWER', "
                           f"got {padding}.")
    pads = []
    for size, window, stride in zip(in_shape, window_shape, window_strides, strict=True):
        size, window, stride = map(dimension, (size, window, stride))
        out = -(-size // stride)
        total = max_dim((out - 1) * stride + window - size, 0)
        less, more = total // 2, total - total // 2
        pads.append((less, more) if name == "SAME" else (more, less))
    return pads


def canonical_pads(padding: Any) -> tuple[tuple[int, int], ...]:
    return tuple((dimension(lo), dimension(hi)) for lo, hi in padding)


def conv_shape_tuple(lhs_shape: Any, rhs_shape: Any, strides: Any, pads: Any,
                     batch_group_count: int = 1) -> tuple[int, ...]:
    """The shape of a convolution whose operands have axes (batch, feature, spatial…)."""
    spatial = len(lhs_shape) - 2
    if isinstance(pads, str):
        pads = padtype_to_pads(lhs_shape[2:], rhs_shape[2:], strides, pads)
    if len(pads) != spatial:
        raise TypeError("Wrong number of explicit pads for convolution: expected "
                        f"{spatial}, got {len(pads)}.")
    out = (window_count(size + lo + hi, window, stride) for size, (lo, hi), window, stride in zip(
        lhs_shape[2:], pads, rhs_shape[2:], strides, strict=True))
    if batch_group_count > 1 and lhs_shape[0] % batch_group_count:
        raise ValueError("conv_general_dilated batch_group_count must divide lhs batch dimension "
                         f"size, but {batch_group_count} does not divide {lhs_shape[0]}.")
    return (lhs_shape[0] // batch_group_count, rhs_shape[0], *out)


def conv_general_shape_tuple(lhs_shape: Any, rhs_shape: Any, window_strides: Any, padding: Any,
                             dimension_numbers: Any) -> tuple[int, ...]:
    """The shape of a convolution with the given dimension numbers."""
    numbers = conv_dimension_numbers(lhs_shape, rhs_shape, dimension_numbers)
    out = conv_shape_tuple([lhs_shape[i] for i in numbers.lhs_spec],
                           [rhs_shape[i] for i in numbers.rhs_spec], window_strides, padding)
    return in_spec_order(out, numbers.out_spec)


def conv_transpose_shape_tuple(lhs_shape: Any, rhs_shape: Any, window_strides: Any, padding: Any,
                               dimension_numbers: Any) -> tuple[int, ...]:
    """The shape of a transposed convolution with the given dimension numbers."""
    numbers = conv_dimension_numbers(lhs_shape, rhs_shape, dimension_numbers)
    lhs = [lhs_shape[i] for i in numbers.lhs_spec]
    rhs = [rhs_shape[i] for i in numbers.rhs_spec]
    if isinstance(padding, str):
        padding = [transposed_padding(k, s, padding)
                   for k, s in zip(rhs[2:], window_strides, strict=True)]
    out = [lo + hi - k + 1 + dilated(size, stride) for (lo, hi), k, size, stride in zip(
        padding, rhs[2:], lhs[2:], window_strides, strict=True)]
    return in_spec_order((lhs[0], rhs[0], *out), numbers.out_spec)


def in_spec_order(sizes: Sequence[int], spec: Sequence[int]) -> tuple[int, ...]:
    """`sizes` of (batch, feature, spatial…) at the axes that `spec` gives them."""
    shape = [0] * len(sizes)
    for size, axis in zip(sizes, spec, strict=True):
        shape[axis] = size
    return tuple(shape)


def transposed_padding(kernel: int, stride: int, padding: str) -> tuple[int, int]:
    """The padding of a transposed convolution that undoes a convolution with `padding`."""
    if padding == "SAME":
        total = kernel + stride - 2
        low = kernel - 1 if stride > kernel - 1 else -(-total // 2)
    elif padding == "VALID":
        total = kernel + stride - 2 + max(kernel - stride, 0)
        low = kernel - 1
    else:
        raise ValueError("Padding mode must be `SAME` or `VALID`, got "
                         f"{padding!r}.")
    return low, total - low
