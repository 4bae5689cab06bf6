"""Window functions of signal processing."""
from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from arrax import lax
from arrax.core import dtypes
from arrax.core.array import Array, from_numpy
from arrax.core.remembered import remembered
from arrax.numpy import creation, elementwise
from arrax.numpy.promotion import as_array, convert
from arrax.ops.arguments import integer
from arrax.typing import ArrayLike


def _window(name: str, M: Any, formula: Callable[[np.ndarray, int], np.ndarray]) -> Any:
    count = integer(M, "M")
    dtype = dtypes.default_float_dtype()
    if count <= 1:
        return creation.ones((max(count, 0),), dtype)
    n = np.arange(count, dtype=np.float64)
    return from_numpy(formula(n, count).astype(dtype))


@remembered
def bartlett(M: int) -> Array:
    """A triangular window of M points: 1 - |2n / (M-1) - 1|."""
    return _window("bartlett", M, lambda n, m: 1 - np.abs(2 * n / (m - 1) - 1))


@remembered
def blackman(M: int) -> Array:
    """The Blackman window: 0.42 - 0.5 cos(2πn / (M-1)) + 0.08 cos(4πn / (M-1))."""
    return _window("blackman", M, lambda n, m: 0.42 - 0.5 * np.cos(2 * np.pi * n / (m - 1))
                   + 0.08 * np.cos(4 * np.pi * n / (m - 1)))


@remembered
def hamming(M: int) -> Array:
    """The Hamming window: 0.54 - 0.46 cos(2πn / (M-1))."""
    return _window("hamming", M, lambda n, m: 0.54 - 0.46 * np.cos(2 * np.pi * n / (m - 1)))


@remembered
def hanning(M: int) -> Array:
    """The Hann window: 0.5 - 0.5 cos(2πn / (M-1))."""
    return _window("hanning", M, lambda n, m: 0.5 - 0.5 * np.cos(2 * np.pi * n / (m - 1)))


@remembered
def kaiser(M: int, beta: ArrayLike) -> Array:
    """The Kaiser window: I0(β sqrt(1 - (2n / (M-1) - 1)²)) / I0(β)."""
    count = integer(M, "M")
    dtype = dtypes.default_float_dtype()
    if count <= 1:
        return creation.ones((max(count, 0),), dtype)
    beta = convert(as_array("kaiser", beta), dtype)
    middle = 0.5 * (count - 1)
    relative = from_numpy(((np.arange(count) - middle) / middle).astype(dtype))
    inner = elementwise._maximum(elementwise._subtract(1, lax.square(relative)), 0)
    argument = elementwise._multiply(beta, lax.sqrt(inner))
    top = lax.mul(lax.exp(elementwise._subtract(lax.abs(argument), lax.abs(beta))),
                  lax.bessel_i0e(argument))
    return elementwise.divide(top, lax.bessel_i0e(beta))
