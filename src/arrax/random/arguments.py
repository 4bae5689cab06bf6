"""Checks and conversions of arguments that the distributions share."""
from __future__ import annotations

from typing import Any

import numpy as np

from arrax.core import dimension as dimensions
from arrax.core import dtypes
from arrax.numpy.promotion import broadcast_to_shape
from arrax.ops.arguments import canonical_shape, operand
from arrax.ops.convert import convert_element_type


def draw_shape(shape: Any) -> tuple[int, ...]:
    """A shape argument as a tuple; ValueError for negative sizes."""
    out = canonical_shape(shape)
    if any(n < 0 for n in out):
        raise ValueError(f"shapes of random draws cannot have negative sizes, got {out}")
    return out


def float_dtype(function: str, dtype: Any) -> Any:
    """The float dtype that a user asked `function` for; ValueError for other dtypes."""
    found = dtypes.check_user_dtype(float if dtype is None else dtype, function)
    if not dtypes.issubdtype(found, np.floating):
        raise ValueError(f"dtype argument to `{function}` must be a float dtype, got "
                         f"{dtypes.dtype_name(found)}")
    return found


def inexact_dtype(function: str, dtype: Any) -> Any:
    """The same where complex draws exist too."""
    found = dtypes.check_user_dtype(float if dtype is None else dtype, function)
    if not dtypes.issubdtype(found, np.inexact):
        raise ValueError(f"dtype argument to `{function}` must be a float or complex dtype, got "
                         f"{dtypes.dtype_name(found)}")
    return found


def int_dtype(function: str, dtype: Any) -> Any:
    """The integer dtype that a user asked `function` for; ValueError for other dtypes."""
    found = dtypes.check_user_dtype(int if dtype is None else dtype, function)
    if not dtypes.issubdtype(found, np.integer):
        raise ValueError(f"dtype argument to `{function}` must be an int dtype, got "
                         f"{dtypes.dtype_name(found)}")
    return found


def result_shape(shape: Any, *params: Any) -> tuple[int, ...]:
    """The shape asked for, which the parameters must broadcast to, or their common shape."""
    shapes = [tuple(np.shape(p)) for p in params]
    if shape is None:
        return broadcast(*shapes)
    out = draw_shape(shape)
    check_broadcast(out, *shapes)
    return out


def broadcast(*shapes: tuple[int, ...]) -> tuple[int, ...]:
    """The common shape; ValueError where there is none."""
    try:
        return tuple(dimensions.broadcast_shapes(*shapes))
    except ValueError:
        raise ValueError("Incompatible shapes for broadcasting: "
                         f"shapes={list(shapes)}") from None


def check_broadcast(shape: tuple[int, ...], *shapes: tuple[int, ...]) -> None:
    """ValueError unless each of `shapes` broadcasts to `shape`."""
    if broadcast(shape, *shapes) != shape:
        raise ValueError(f"Incompatible shapes for broadcasting: shapes={[shape, *shapes]}")


def param(function: str, x: Any, dtype: Any) -> Any:
    """A parameter as an array of the draw's dtype."""
    return convert_element_type(operand(x, function), dtype)


def safe_param(function: str, x: Any, dtype: Any) -> Any:
    """The same, refusing parameters that the draw's dtype cannot hold.

    Raises TypePromotionError where a strongly typed parameter and `dtype` promote to another dtype.
    """
    x = operand(x, function)
    if dtypes.result_type(x, np.dtype(dtype)) != dtype:
        raise dtypes.TypePromotionError(
            f"In arguments to {function}, cannot safely cast argument of type "
            f"{dtypes.dtype_name(x.dtype)} to {dtypes.dtype_name(dtype)}")
    return convert_element_type(x, dtype)


def spread(x: Any, shape: tuple[int, ...]) -> Any:
    """An array broadcast to the shape of the draw."""
    return broadcast_to_shape(x, shape)
