"""Fast Fourier transforms of the last axes."""
from __future__ import annotations

import enum
import math
from typing import Any

import numpy as np

from arrax.core import dtypes
from arrax.core.aval import ShapedArray, aval_of
from arrax.core.parameter_types import parameter_type
from arrax.core.primitive import Primitive
from arrax.core.remembered import remembered
from arrax.library import transforms
from arrax.library.calls import call_eagerly
from arrax.core.lowering import Library
from arrax.ops import arguments
from arrax.ops.arguments import canonical_shape
from arrax.ops.p import conj_p, convert_element_type_p, div_p, mul_p
from arrax.ops.quiet import quiet
from arrax.ops.rules import broadcast_in_dim, constant, linear_jvp, move_axis, transpose_unary


@parameter_type
class FftType(enum.IntEnum):
    """Which transform: complex, its inverse, of real input (half of the result), its inverse."""

    FFT = 0
    IFFT = 1
    RFFT = 2
    IRFFT = 3


def _fft_type(x: Any, *, fft_type: FftType, fft_lengths: Any) -> Any:
    rank = len(fft_lengths)
    if x.ndim < rank:
        raise ValueError(f"FFT input shape {x.shape} must have at least as many input dimensions "
                         f"as fft_lengths {fft_lengths}.")
    name = fft_type.name
    if fft_type is FftType.RFFT:
        _check_lengths(x, fft_lengths, fft_lengths, name)
        if x.dtype not in (np.float32, np.float64):
            raise ValueError(f"RFFT input must be float32 or float64, got {x.dtype}")
        last = fft_lengths[-1] // 2 + 1 if fft_lengths[-1] else 0
        dtype = np.result_type(x.dtype, np.complex64)
        return ShapedArray((*x.shape[:x.ndim - 1], last), dtype)
    if not dtypes.issubdtype(x.dtype, np.complexfloating):
        raise ValueError(f"{name} input must be complex64 or complex128, got {x.dtype}")
    if fft_type is FftType.IRFFT:
        last = fft_lengths[-1] // 2 + 1 if fft_lengths[-1] else 0
        _check_lengths(x, (*fft_lengths[:-1], last), fft_lengths, name)
        real = np.float32 if x.dtype == np.complex64 else np.float64
        return ShapedArray((*x.shape[:x.ndim - rank], *fft_lengths), real)
    _check_lengths(x, fft_lengths, fft_lengths, name)
    return x


def _check_lengths(x: Any, expected: Any, lengths: Any, name: str) -> None:
    if x.shape[x.ndim - len(lengths):] != tuple(expected):
        label = "FFT" if name == "IFFT" else name
        start = f"{label} input shape {x.shape} minor dimensions must be"
        if tuple(expected) == tuple(lengths):
            raise ValueError(f"{start} equal to fft_lengths {lengths}")
        if x.shape[x.ndim - len(lengths):-1] != tuple(expected)[:-1]:
            raise ValueError(f"{start} equal to all except the last fft_length, got fft_lengths="
                             f"{lengths}")
        raise ValueError(f"{start} half of the last of fft_lengths {lengths}")


_TRANSFORMS = {FftType.FFT: "fft", FftType.IFFT: "ifft", FftType.RFFT: "rfft",
               FftType.IRFFT: "irfft"}

_LIBRARY_SIZE = 1 << 12  # from which the native library's transform outweighs its call from Python


def _fft_evaluate(x: np.ndarray, *, fft_type: FftType, fft_lengths: Any) -> np.ndarray:
    name = _TRANSFORMS[fft_type]
    axes = tuple(range(x.ndim - len(fft_lengths), x.ndim))
    if 0 in fft_lengths or 0 in x.shape:
        aval = _fft_type(ShapedArray(x.shape, x.dtype), fft_type=fft_type, fft_lengths=fft_lengths)
        return np.zeros(aval.shape, aval.dtype)
    if not axes:
        return x
    spec = transforms.fft_spec(x, fft_type, fft_lengths) if x.size >= _LIBRARY_SIZE else None
    if spec is not None:
        aval = _fft_type(x, fft_type=fft_type, fft_lengths=fft_lengths)
        out = np.empty(aval.shape, aval.dtype)
        call_eagerly("arrax_fft", spec, np.ascontiguousarray(x), out)
        return out
    if len(axes) == 1:
        return np.asarray(getattr(np.fft, name)(x, fft_lengths[0]))
    return np.asarray(getattr(np.fft, name + "n")(x, fft_lengths, axes))


_MOST_AXES = 3  # of one transform in StableHLO


def _fft_transpose(cotangent: Any, x: Any, *, fft_type: FftType, fft_lengths: Any) -> Any:
    if fft_type is FftType.RFFT:
        return _rfft_transpose(cotangent, x, fft_lengths)
    if fft_type is FftType.IRFFT:
        return _irfft_transpose(cotangent, fft_lengths)
    return fft_p.bind(cotangent, fft_type=fft_type, fft_lengths=fft_lengths)


def _multiplicity(like: Any, last_length: int) -> Any:
    """How often each element along the last axis of half a spectrum stands in the whole one.

    1 for frequency 0 and, of an even length, the highest; 2 for the others, which stand for their
    conjugates too.
    """
    weights = np.full(like.shape[-1], 2, like.dtype)
    weights[0] = 1
    if last_length % 2 == 0:
        weights[-1] = 1
    return broadcast_in_dim(weights, like.shape, (like.ndim - 1,))


def _rfft_transpose(cotangent: Any, x: Any, fft_lengths: Any) -> Any:
    """The real part of the unnormalized transform of the half spectrum, by an inverse real FFT."""
    aval = aval_of(cotangent)
    halved = div_p.bind(_conj(cotangent), _multiplicity(aval, fft_lengths[-1]))
    out = fft_p.bind(halved, fft_type=FftType.IRFFT, fft_lengths=fft_lengths)
    return mul_p.bind(out, constant(math.prod(fft_lengths), aval_of(out)))


def _irfft_transpose(cotangent: Any, fft_lengths: Any) -> Any:
    spectrum = fft_p.bind(cotangent, fft_type=FftType.RFFT, fft_lengths=fft_lengths)
    aval = aval_of(spectrum)
    weighted = mul_p.bind(spectrum, _multiplicity(aval, fft_lengths[-1]))
    scaled = mul_p.bind(weighted, constant(1 / math.prod(fft_lengths), aval))
    return _conj(scaled)


def _conj(x: Any) -> Any:
    return conj_p.bind(x, input_dtype=aval_of(x).dtype)


def _fft_batch(axis: Any, operands: Any, dims: Any, **params: Any) -> Any:
    return fft_p.bind(move_axis(operands[0], dims[0], 0), **params), 0


def _fft_stablehlo(b: Any, x: Any, *, fft_type: FftType, fft_lengths: Any) -> Any:
    """StableHLO transforms up to three axes at a time; real transforms work on the last one."""
    out, rank = b.outs[0], len(fft_lengths)
    if 0 in fft_lengths or 0 in x.aval.shape:
        return b.full(out.shape, 0, out.dtype)
    if not rank:
        return x
    if rank <= _MOST_AXES:
        return b.op("fft", x, results=out, fft_type=fft_type.name, fft_length=fft_lengths)
    others = FftType.IFFT if fft_type in (FftType.IFFT, FftType.IRFFT) else FftType.FFT
    if fft_type is not FftType.IRFFT:
        x = fft_p.bind(x, fft_type=fft_type, fft_lengths=fft_lengths[-1:])
    for axis in range(x.aval.ndim - rank, x.aval.ndim - 1):
        moved = move_axis(x, axis, -1)
        moved = fft_p.bind(moved, fft_type=others, fft_lengths=(x.aval.shape[axis],))
        x = move_axis(moved, -1, axis)
    return x if fft_type is not FftType.IRFFT else fft_p.bind(
        x, fft_type=fft_type, fft_lengths=fft_lengths[-1:])


fft_p = Primitive("fft", weak_type="none", type_rule=_fft_type,
              evaluate=quiet(_fft_evaluate),
                  jvp=linear_jvp(), transpose=transpose_unary(_fft_transpose), batch=_fft_batch,
                  shown={"fft_type": lambda kind: str(int(kind))},
                  lower=Library(transforms.fft), stablehlo=_fft_stablehlo)


@remembered
def fft(x: Any, fft_type: Any, fft_lengths: Any) -> Any:
    """The Fourier transform along the last `len(fft_lengths)` axes.

    Args:
      x: an array; integers and, except for RFFT, reals are converted.
      fft_type: an `FftType` or its name. Inverse transforms divide by the number of elements.
      fft_lengths: the sizes of the transformed axes (of the real ones, for RFFT and IRFFT).

    ValueError when sizes do not fit.
    """
    x = arguments.operand(x, "fft")
    if isinstance(fft_type, str):
        if fft_type.upper() not in FftType.__members__:
            raise ValueError(f"Unknown FFT type '{fft_type}'")
        kind = FftType[fft_type.upper()]
    elif fft_type in FftType._value2member_map_:
        kind = FftType(fft_type)
    else:
        raise TypeError(f"Unknown FFT type value '{fft_type}'")
    if kind is FftType.RFFT and dtypes.issubdtype(x.dtype, np.complexfloating):
        raise ValueError("only real valued inputs supported for rfft, got "
                         f"{dtypes.dtype_name(x.dtype)}")
    dtype = np.dtype(dtypes.to_inexact_dtype(x.dtype))
    if dtypes.itemsize_bits(dtype) < 32:
        dtype = np.dtype(np.float32)
    if kind is not FftType.RFFT:
        dtype = np.dtype(dtypes.to_complex_dtype(dtype))
    if x.dtype != dtype:
        x = convert_element_type_p.bind(x, new_dtype=dtype, weak_type=False,
                                        sharding=None)
    params: dict[str, Any] = {"fft_type": kind, "fft_lengths": canonical_shape(fft_lengths)}
    _fft_type(x.aval, **params)
    return fft_p.bind(x, **params)
