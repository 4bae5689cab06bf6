"""Convolutions and correlations of any number of dimensions.

Direct ones are convolutions of the primitive `conv_general_dilated`; a correlation is the
convolution with the second operand reversed and conjugated.
"""
from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from arrax import lax
from arrax import numpy as jnp
from arrax.core.array import Array
from arrax.numpy.promotion import promote_dtypes_inexact, promotes_arguments
from arrax.typing import ArrayLike

MODES = ("full", "same", "valid")


def _check_mode(name: str, mode: str) -> None:
    if mode not in MODES:
        raise ValueError(f"{name}: mode must be one of 'full', 'same', 'valid', got {mode!r}")


def _direct(x: Any, y: Any, mode: str, precision: Any) -> Any:
    """Convolution of operands of one rank, where neither is empty."""
    if mode == "valid" and any(a < b for a, b in zip(x.shape, y.shape, strict=True)):
        x, y = y, x
    window, y = y.shape, jnp.flip(y)
    if mode == "same":
        padding = [(k - 1 - (k - 1) // 2, (k - 1) // 2) for k in window]
    else:
        padding = [(k - 1 if mode == "full" else 0,) * 2 for k in window]
    if jnp.issubdtype(x.dtype, jnp.complexfloating):
        parts = [_apply(a, b, padding, precision) for a, b in (
            (x.real, y.real), (x.imag, y.imag), (x.real, y.imag), (x.imag, y.real))]
        return lax.complex(parts[0] - parts[1], parts[2] + parts[3])
    return _apply(x, y, padding, precision)


def _apply(x: Any, y: Any, padding: Sequence[tuple[int, int]], precision: Any) -> Any:
    return lax.conv_general_dilated(x[None, None], y[None, None], (1,) * x.ndim, padding,
                                    precision=precision)[0, 0]


def _operands(name: str, in1: Any, in2: Any) -> tuple[Any, Any]:
    x, y = promote_dtypes_inexact(name, in1, in2)
    if x.ndim != y.ndim:
        raise ValueError(f"{name}: in1 and in2 must have the same number of dimensions, got "
                         f"{x.ndim} and {y.ndim}")
    if 0 in x.shape or 0 in y.shape:
        raise ValueError(f"{name}: zero-size arrays not supported in convolutions, got shapes "
                         f"{x.shape} and {y.shape}.")
    return x, y


def _check_valid(name: str, mode: str, x: Any, y: Any) -> None:
    if mode == "valid" and not (all(a >= b for a, b in zip(x.shape, y.shape, strict=True))
                                or all(a <= b for a, b in zip(x.shape, y.shape, strict=True))):
        raise ValueError(f"{name}: for mode 'valid' one input must be at least as large as the "
                         f"other in every dimension, got shapes {x.shape} and {y.shape}")


@promotes_arguments
def fftconvolve(in1: ArrayLike, in2: ArrayLike, mode: str = "full",
                axes: Sequence[int] | None = None) -> Array:
    """The convolution of two arrays, by Fourier transforms.

    Args:
      in1, in2: arrays of one rank; integers become floats. Along axes that are not convolved their
        sizes are equal or 1.
      mode: "full" (all of the convolution), "same" (its middle, of the size of `in1`) or "valid"
        (where the operands overlap completely).
      axes: the axes along which to convolve; None: all of them.

    Returns: an array.

    Errors: ValueError for another mode, for operands of different ranks, for axes that are out of
    range or repeated, and for "valid" where neither operand contains the other.

    Example:
      >>> fftconvolve(jnp.array([1., 2., 3.]), jnp.array([1., 1.])).round(4)
      Array([1., 3., 5., 3.], dtype=float32)

    Source: `scipy.signal.fftconvolve`.
    """
    _check_mode("fftconvolve", mode)
    x, y = promote_dtypes_inexact("fftconvolve", in1, in2)
    if x.ndim != y.ndim:
        raise ValueError("fftconvolve: in1 and in2 should have the same dimensionality, got "
                         f"{x.ndim} and {y.ndim}")
    if x.ndim == 0:
        return x * y
    places = range(x.ndim) if axes is None else axes
    if any(not -x.ndim <= a < x.ndim for a in places):
        raise ValueError(f"fftconvolve: axes {tuple(places)} out of range for arrays with {x.ndim} "
                         "dimensions")
    along = [a % x.ndim for a in places]
    if len(set(along)) != len(along):
        raise ValueError(f"fftconvolve: all axes must be unique, got {tuple(places)}")
    for k, (a, b) in enumerate(zip(x.shape, y.shape, strict=True)):
        if k not in along and a != b and 1 not in (a, b):
            raise ValueError("fftconvolve: incompatible shapes for in1 and in2: "
                             f"{x.shape} and {y.shape}")
    if 0 in x.shape or 0 in y.shape:
        return jnp.zeros(0, x.dtype)
    if mode == "valid":
        pairs = [(x.shape[k], y.shape[k]) for k in along]
        if not all(a >= b for a, b in pairs):
            if not all(a <= b for a, b in pairs):
                raise ValueError("fftconvolve: for mode 'valid' one input must be at least as large"
                                 f" as the other in every axis, got {x.shape} and {y.shape}")
            x, y = y, x
    along = [k for k in along if x.shape[k] != 1 and y.shape[k] != 1]
    full = {k: x.shape[k] + y.shape[k] - 1 for k in along}
    product = _fft_product(x, y, full) if along else x * y
    starts, ends = [0] * x.ndim, list(product.shape)
    for k in range(x.ndim):
        if mode == "same":
            size = x.shape[k]
        elif mode == "valid" and k in full:
            size = x.shape[k] - y.shape[k] + 1
        else:
            continue
        starts[k] = (ends[k] - size) // 2
        ends[k] = starts[k] + size
    return lax.slice(product, starts, ends)


def _fft_product(x: Any, y: Any, full: dict[int, int]) -> Any:
    axes, sizes = tuple(full), tuple(_fast_size(n) for n in full.values())
    if jnp.issubdtype(x.dtype, jnp.complexfloating):
        product = jnp.fft.ifftn(jnp.fft.fftn(x, sizes, axes) * jnp.fft.fftn(y, sizes, axes), sizes,
                                axes)
    else:
        product = jnp.fft.irfftn(jnp.fft.rfftn(x, sizes, axes) * jnp.fft.rfftn(y, sizes, axes),
                                 sizes, axes)
    for axis, size in full.items():
        product = lax.slice_in_dim(product, 0, size, axis=axis)
    return product.astype(x.dtype)


def _fast_size(n: int) -> int:
    """The least number from n on without other prime factors than 2, 3 and 5."""
    best = 1 << max(n - 1, 0).bit_length()
    five = 1
    while five < best:
        three = five
        while three < best:
            power = three * (1 << max(0, math.ceil(n / three) - 1).bit_length())
            best = min(best, power if power >= n else best)
            three *= 3
        five *= 5
    return best


@promotes_arguments
def convolve(in1: Any, in2: Any, mode: str = "full", method: str = "auto",
             precision: Any = None) -> Array:
    """The convolution of two arrays of any one rank.

    Args:
      in1, in2: arrays of one rank; integers become floats.
      mode: "full" (all of the convolution), "same" (its middle, of the size of `in1`) or "valid"
        (where the operands overlap completely).
      method: "direct", "fft" (see `fftconvolve`) or "auto", which is "direct".
      precision: of the direct method's products.

    Returns: an array.

    Errors: ValueError for another mode or method, for different ranks, and for empty operands.

    Example:
      >>> convolve(jnp.array([1., 2., 3.]), jnp.array([0., 1., 0.5]))
      Array([0. , 1. , 2.5, 4. , 1.5], dtype=float32)

    Source: `scipy.signal.convolve`.
    """
    _check_mode("convolve", mode)
    if method == "fft":
        return fftconvolve(in1, in2, mode)
    if method not in ("direct", "auto"):
        raise ValueError(f"convolve: method must be 'auto', 'direct' or 'fft', got {method!r}")
    x, y = _operands("convolve", in1, in2)
    _check_valid("convolve", mode, x, y)
    if x.ndim == 0:
        return x * y
    return _cut(x, y, mode, precision)


def _cut(x: Any, y: Any, mode: str, precision: Any) -> Any:
    """Convolution whose "same" has the size of the first operand, whichever is larger."""
    if mode != "same":
        return _direct(x, y, mode, precision)
    full = _direct(x, y, "full", precision) if any(
        a < b for a, b in zip(x.shape, y.shape, strict=True)) else None
    if full is None:
        return _direct(x, y, "same", precision)
    starts = [(k - 1) // 2 for k in y.shape]
    return lax.slice(full, starts, [s + n for s, n in zip(starts, x.shape, strict=True)])


@promotes_arguments
def correlate(in1: Any, in2: Any, mode: str = "full", method: str = "auto",
              precision: Any = None) -> Array:
    """The cross-correlation of two arrays of any one rank: z[k] = Σ_n in1[n] · conj(in2[n - k]).

    Args:
      in1, in2: arrays of one rank; integers become floats.
      mode: "full", "same" (of the size of `in1`) or "valid".
      method: "direct", "fft" or "auto", which is "direct".
      precision: of the direct method's products.

    Returns: an array.

    Errors: as those of `convolve`.

    Example:
      >>> correlate(jnp.array([1., 2., 3.]), jnp.array([0., 1., 0.5]))
      Array([0.5, 2. , 3.5, 3. , 0. ], dtype=float32)

    Source: `scipy.signal.correlate`.
    """
    _check_mode("correlate", mode)
    if method not in ("direct", "auto", "fft"):
        raise ValueError(f"correlate: method must be 'auto', 'direct' or 'fft', got {method!r}")
    x, y = _operands("correlate", in1, in2)
    _check_valid("correlate", mode, x, y)
    if x.ndim == 0:
        return x * jnp.conj(y)
    swapped = mode == "valid" and any(a < b for a, b in zip(x.shape, y.shape, strict=True))
    other = jnp.flip(jnp.conj(y))
    result = fftconvolve(x, other, "full" if mode == "same" else mode) if method == "fft" else \
        _direct(x, other, "full" if mode == "same" else mode, precision)
    if swapped:
        return result
    if mode == "same":
        starts = [(k - 1) // 2 for k in y.shape]
        return lax.slice(result, starts, [s + n for s, n in zip(starts, x.shape, strict=True)])
    return result


_EDGES = {"fill": None, "pad": None, "wrap": "wrap", "circular": "wrap", "symm": "symmetric",
          "symmetric": "symmetric"}


def _with_edges(name: str, x: Any, y: Any, boundary: str, fillvalue: Any) -> Any:
    """`x` with what stands around it, as far as a full convolution with `y` reaches."""
    if boundary not in _EDGES:
        raise ValueError(f"{name}: boundary must be one of 'fill', 'wrap', 'symm', got "
                         f"{boundary!r}")
    around = [(k - 1, k - 1) for k in y.shape]
    edge = _EDGES[boundary]
    if edge is not None:
        return jnp.pad(x, around, mode=edge)
    return jnp.pad(x, around, constant_values=fillvalue)


def _two_dimensional(name: str, in1: Any, in2: Any, mode: str, boundary: str, fillvalue: Any,
                     precision: Any, reverses: bool) -> Any:
    _check_mode(name, mode)
    x, y = jnp.asarray(in1), jnp.asarray(in2)
    if x.ndim != 2 or y.ndim != 2:
        raise ValueError(f"{name}: only supports inputs with ndim=2, got {x.ndim} and {y.ndim}")
    x, y = _operands(name, x, y)
    _check_valid(name, mode, x, y)
    swapped = mode == "valid" and any(a < b for a, b in zip(x.shape, y.shape, strict=True))
    if swapped:
        x, y = y, x
    if reverses:
        y = jnp.flip(jnp.conj(y))  # of the smaller one, as in SciPy
    if mode == "valid":
        result = _direct(x, y, "valid", precision)
        return jnp.flip(result) if swapped and reverses else result
    full = _direct(_with_edges(name, x, y, boundary, fillvalue), y, "valid", precision)
    if mode == "full":
        return full
    starts = [k // 2 if reverses else (k - 1) // 2 for k in y.shape]
    return lax.slice(full, starts, [s + n for s, n in zip(starts, x.shape, strict=True)])


@promotes_arguments
def convolve2d(in1: Any, in2: Any, mode: str = "full", boundary: str = "fill", fillvalue: Any = 0,
               precision: Any = None) -> Array:
    """The convolution of two matrices.

    Args:
      in1, in2: matrices; integers become floats.
      mode: "full", "same" (of the shape of `in1`) or "valid".
      boundary: what stands around `in1`: "fill" (`fillvalue`), "wrap" (itself again) or "symm" (its
        reflection).
      fillvalue: see `boundary`.
      precision: of the products.

    Returns: a matrix.

    Errors: ValueError for other ranks, modes or boundaries and for empty matrices.

    Example:
      >>> convolve2d(jnp.array([[1., 2.], [3., 4.]]), jnp.array([[1., 1.]]))
      Array([[1., 3., 2.],
             [3., 7., 4.]], dtype=float32)

    Source: `scipy.signal.convolve2d`.
    """
    return _two_dimensional("convolve2d", in1, in2, mode, boundary, fillvalue, precision, False)


@promotes_arguments
def correlate2d(in1: Any, in2: Any, mode: str = "full", boundary: str = "fill", fillvalue: Any = 0,
                precision: Any = None) -> Array:
    """The cross-correlation of two matrices.

    Args and errors: those of `convolve2d`.

    Returns: a matrix.

    Example:
      >>> correlate2d(jnp.array([[1., 2.], [3., 4.]]), jnp.array([[1., 0.]]))
      Array([[0., 1., 2.],
             [0., 3., 4.]], dtype=float32)

    Source: `scipy.signal.correlate2d`.
    """
    return _two_dimensional("correlate2d", in1, in2, mode, boundary, fillvalue, precision, True)
