"""Rounding: to integers, to decimals, and into whole and fractional parts."""
from __future__ import annotations

from typing import Any

import numpy as np

from arrax import lax
from arrax.core import dtypes
from arrax.core.aliases import alias
from arrax.core.array import Array
from arrax.core.remembered import remembered
from arrax.numpy.elementwise import (Function, divide, greater_equal, less, named, where)
from arrax.numpy.elementwise import _multiply as multiply
from arrax.numpy.promotion import (bool_dtype, complex_dtypes, convert, inexact_array,
                                   inexact_dtypes, integer_dtypes, number_array, scalar_array)
from arrax.typing import ArrayLike


def _rounding(name: str, primitive: Any, doc: str) -> Function:
    def function(x: Any, /) -> Any:
        x = number_array(name, x)
        if x.aval.dtype in integer_dtypes or x.aval.dtype is bool_dtype:
            return x
        if x.aval.dtype in complex_dtypes:
            raise TypeError(f"{name} does not support complex inputs, got {x.aval.str_short()}")
        return primitive.bind(x)
    return named(function, name, doc)


floor = _rounding("floor", lax.floor_p, "The greatest integer not above each element.")
ceil = _rounding("ceil", lax.ceil_p, "The least integer not below each element.")


def trunc(x: Any) -> Array:
    """Each element rounded towards zero."""
    x = number_array("trunc", x)
    if x.aval.dtype not in inexact_dtypes:
        return x
    return where(less(x, 0), lax.ceil_p.bind(x), lax.floor_p.bind(x))


@remembered
def round(a: ArrayLike, decimals: int = 0, out: None = None) -> Array:
    """Each element rounded to `decimals` places, halves to even.

    Integers are unchanged for `decimals >= 0`; negative `decimals` round to tens, hundreds, ….
    """
    decimals = decimals.__index__() if hasattr(decimals, "__index__") else _index(decimals)
    if out is not None:
        raise NotImplementedError("The 'out' argument to jnp.round is not supported.")
    x = number_array("round", a)
    dtype = x.aval.dtype
    if dtype not in inexact_dtypes:
        if decimals >= 0:
            return x
        factor = 10 ** -decimals
        return lax.convert_element_type(
            multiply(round(divide(x, factor)), factor), dtype)
    if dtype in complex_dtypes:
        return lax.complex(round(lax.real(x), decimals), round(lax.imag(x), decimals))
    if decimals == 0:
        return lax.round(x, lax.RoundingMethod.TO_NEAREST_EVEN)
    wide = lax.convert_element_type(x, np.float32) if dtype.itemsize < 4 else x
    factor = scalar_array(10.0 ** decimals, wide.aval.dtype)
    rounded = lax.div_p.bind(lax.round(lax.mul_p.bind(wide, factor),
                                       lax.RoundingMethod.TO_NEAREST_EVEN), factor)
    return lax.convert_element_type(rounded, dtype) if dtype.itemsize < 4 else rounded


around = alias(round, "around")


def _index(value: Any) -> int:
    raise TypeError(f"'{type(value).__name__}' object cannot be interpreted as an integer")


def rint(x: Any, /) -> Array:
    """Each element rounded to the nearest integer, halves to even, as floats."""
    x = number_array("rint", x)
    if x.aval.dtype not in inexact_dtypes:
        return convert(x, dtypes.default_float_dtype())
    if x.aval.dtype in complex_dtypes:
        return lax.complex(rint(lax.real(x)), rint(lax.imag(x)))
    return lax.round(x, lax.RoundingMethod.TO_NEAREST_EVEN)


@remembered
def modf(x: ArrayLike, /, out: None = None) -> tuple[Any, Any]:
    """The fractional and the whole part of each element, both with its sign."""
    if out is not None:
        raise NotImplementedError("The 'out' argument to jnp.modf is not supported.")
    x = inexact_array("modf", x)
    whole = where(greater_equal(x, 0), floor(x), ceil(x))
    return lax.sub_p.bind(x, whole), whole
