"""`scaled_dot`: products of arrays of small floats whose blocks have scales of their own."""
from __future__ import annotations

from typing import Any

import numpy as np

from arrax.control.expansions import rules_of
from arrax.core import dtypes
from arrax.core.aval import aval_of
from arrax.core.primitive import Primitive
from arrax.core.scalar_types import float8_e8m0fnu
from arrax.ops.arguments import operand
from arrax.ops.arithmetic import mul
from arrax.ops.convert import convert_element_type
from arrax.ops.create import full
from arrax.ops.dot import dot_general
from arrax.ops.rules import broadcast_in_dim
from arrax.ops.shape import reshape
from arrax.typing import DTypeLike

_BFLOAT16 = np.dtype(dtypes.bfloat16)


def _unscaled(x: Any, scale: Any, dtype: Any) -> Any:
    """`x` times its scale, each element of which stands for a block of `x`, in `dtype`."""
    shape, blocks = aval_of(x).shape, aval_of(scale).shape
    spread = [size for n, m in zip(shape, blocks, strict=True) for size in (m, n // m if m else 1)]
    repeated = broadcast_in_dim(convert_element_type(scale, dtype), spread,
                                range(0, len(spread), 2))
    return mul(convert_element_type(x, dtype), reshape(repeated, shape))


def _scaled_dot(x: Any, y: Any, x_scale: Any, y_scale: Any, *, dimension_numbers: Any,
                preferred_element_type: Any) -> list[Any]:
    dtype = preferred_element_type
    return [dot_general(_unscaled(x, x_scale, dtype), _unscaled(y, y_scale, dtype),
                        dimension_numbers, preferred_element_type=dtype)]


def _type(x: Any, y: Any, x_scale: Any, y_scale: Any, *, dimension_numbers: Any,
          preferred_element_type: Any) -> list[Any]:
    (contracted, _) = dimension_numbers
    for name, value, scale, axes in (("lhs", x, x_scale, contracted[0]),
                                     ("rhs", y, y_scale, contracted[1])):
        if scale.ndim != value.ndim:
            raise TypeError(f"scaled_dot: {name} and its scale must have the same rank, got "
                            f"{value.shape} and {scale.shape}")
        for axis, (size, blocks) in enumerate(zip(value.shape, scale.shape, strict=True)):
            if size != blocks and (axis not in axes or not blocks or size % blocks):
                raise TypeError(
                    f"scaled_dot: axis {axis} of {name} has size {size}, its scale {blocks}: they "
                    "must be equal, or divide for a contracted axis")
    free = [[n for i, n in enumerate(value.shape) if i not in (*axes, *batch)]
            for value, axes, batch in zip((x, y), *dimension_numbers, strict=True)]
    batch = [x.shape[i] for i in dimension_numbers[1][0]]
    return [x.update(shape=(*batch, *free[0], *free[1]), dtype=preferred_element_type)]


scaled_dot_p = Primitive("scaled_dot", multiple_results=True, weak_type="none", type_rule=_type,
                         **rules_of(_scaled_dot))


def scaled_dot(lhs: Any, rhs: Any, *, lhs_scale: Any = None, rhs_scale: Any = None,
               dimension_numbers: Any = None,
               preferred_element_type: DTypeLike | None = None) -> Any:
    """The product of `lhs * lhs_scale` and `rhs * rhs_scale`.

    Args:
      lhs, rhs: arrays of two axes, or of three with a batch axis in front, unless
        `dimension_numbers` say otherwise.
      lhs_scale, rhs_scale: arrays like `lhs` and `rhs`, but along the contracted axis with one
        element for each block of equally many elements. Without one nothing is scaled.
      dimension_numbers: as for `dot_general`.
      preferred_element_type: the floating type that is computed in, and of the result; bfloat16
        if None.

    TypeError for shapes and dtypes that do not fit.
    """
    lhs, rhs = operand(lhs, "scaled_dot", 0), operand(rhs, "scaled_dot", 1)
    dtype = _BFLOAT16 if preferred_element_type is None else dtypes.check_user_dtype(
        preferred_element_type, "scaled_dot")
    if not dtypes.issubdtype(dtype, np.floating):
        raise TypeError("scaled_dot: preferred_element_type must be a floating type, got "
                        f"{dtypes.dtype_name(dtype)}")
    if dimension_numbers is None:
        dimension_numbers = _default_numbers(lhs.ndim, rhs.ndim)
    (contracted, batch) = dimension_numbers
    numbers = (tuple(map(tuple, contracted)), tuple(map(tuple, batch)))
    scales = [_scale(value, scale, axes) for value, scale, axes in zip(
        (lhs, rhs), (lhs_scale, rhs_scale), numbers[0], strict=True)]
    params = {"dimension_numbers": numbers, "preferred_element_type": dtype}
    _type(lhs.aval, rhs.aval, *(aval_of(s) for s in scales), **params)
    return scaled_dot_p.bind(lhs, rhs, *scales, **params)[0]


def _default_numbers(left: int, right: int) -> Any:
    if (left, right) == (2, 2):
        return ((1,), (0,)), ((), ())
    if (left, right) == (3, 3):
        return ((2,), (1,)), ((0,), (0,))
    raise TypeError("scaled_dot needs dimension_numbers for operands of other ranks than 2 or 3, "
                    f"got {left} and {right}")


def _scale(value: Any, scale: Any, contracted: tuple[int, ...]) -> Any:
    if scale is not None:
        return operand(scale, "scaled_dot", 2)
    shape = [1 if i in contracted else n for i, n in enumerate(value.shape)]
    return convert_element_type(full(shape, 1, _BFLOAT16), float8_e8m0fnu)
