"""Angles, also hyperbolic ones, and logarithms to bases other than e."""
from __future__ import annotations

import math
from typing import Any

import numpy as np

from arrax import lax
from arrax.core.aliases import alias
from arrax.core.array import Array
from arrax.core.remembered import remembered
from arrax.numpy import elementwise
from arrax.numpy.promotion import complex_dtypes, inexact_array, scalar_array
from arrax.typing import ArrayLike


@remembered
def log2(x: Any, /) -> Array:
    """The logarithm of each element to base 2."""
    x = inexact_array("log2", x)
    dtype = x.aval.dtype
    return lax.div_p.bind(elementwise.log(x), scalar_array(np.log(2.0), dtype))


@remembered
def log10(x: Any, /) -> Array:
    """The logarithm of each element to base 10."""
    x = inexact_array("log10", x)
    return lax.mul_p.bind(elementwise.log(x), scalar_array(math.log10(math.e), x.aval.dtype))


@remembered
def degrees(x: ArrayLike, /) -> Array:
    """Angles in radians as degrees."""
    x = inexact_array("degrees", x)
    return elementwise._multiply(x, 180 / np.pi)


@remembered
def radians(x: ArrayLike, /) -> Array:
    """Angles in degrees as radians."""
    x = inexact_array("radians", x)
    return elementwise._multiply(x, np.pi / 180)


rad2deg, deg2rad = alias(degrees, "rad2deg"), alias(radians, "deg2rad")


@remembered
def arccosh(x: Any, /) -> Array:
    """The inverse hyperbolic cosine of each element, non-negative (real part) for complex ones."""
    x = inexact_array("arccosh", x)
    result = lax.acosh(x)
    if x.aval.dtype in complex_dtypes:
        result = elementwise.where(elementwise.less(lax.real(result), 0), lax.neg(result), result)
    return result


@remembered
def angle(z: ArrayLike, deg: bool = False) -> Array:
    """The argument of complex elements, in radians or degrees; 0 or π of real ones."""
    z = inexact_array("angle", z)
    re = elementwise.real(z)
    result = lax.atan2(elementwise.imag(z), re)
    return degrees(result) if deg else result
