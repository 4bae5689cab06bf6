"""Fourier transforms of the last axes: of lengths that are powers of two, and of any lengths."""
from __future__ import annotations

import functools
import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from arrax.core.record import Record
from arrax.library.calls import CODES, Call, Shape, Spec, flat

# The complex dtype of transforms of these.
_TRANSFORMED = {"float32": "complex64", "complex64": "complex64", "float64": "complex128",
                "complex128": "complex128"}  # fmt: skip
_LONGEST_TRANSFORM = 1 << 24  # bounds the memory that tables of roots of unity stay in
_LONGEST_COLUMN = 1 << 12


class Fft(Record):
    """`arrax_fft`, `arrax_fft_any` (operand, result): `others` are the lengths of the axes before
    the last one, last one first."""

    dtype: int
    kind: int
    rows: int
    length: int
    num_others: int
    others: tuple[int, ...]


def fft_spec(operand: Any, kind: int, lengths: Shape) -> Spec | None:
    """`fft` of kind 0 FFT, 1 IFFT, 2 RFFT or 3 IRFFT along the last axes."""
    return _fft_spec(operand.shape, operand.dtype, int(kind), tuple(lengths))


@functools.lru_cache(maxsize=1024)
def _fft_spec(shape: tuple[int, ...], dtype: Any, kind: int, lengths: Shape) -> Spec | None:
    if not lengths or dtype.name not in _TRANSFORMED:
        return None
    *others, length = map(int, lengths)
    rows = math.prod(shape[:-1])
    least = 2 if kind < 2 else 4  # real rows are complex ones of half length
    if not least <= length <= _LONGEST_TRANSFORM or length & (length - 1) or rows == 0:
        return None
    # Other axes are transformed a vector of neighbouring columns at a time.
    if others and (kind >= 2 or length % (128 // dtype.itemsize)):
        return None
    if any(n > _LONGEST_COLUMN or n & (n - 1) for n in others):
        return None
    code = CODES[np.dtype(_TRANSFORMED[dtype.name])]
    return flat(Fft(code, kind, rows=rows, length=length, num_others=len(others),
                    others=tuple(others[::-1])))


def any_fft_spec(operand: Any, kind: int, lengths: Shape) -> Spec | None:
    """`fft` along the last axes, of any lengths."""
    return _any_fft_spec(operand.shape, operand.dtype, int(kind), tuple(lengths))


@functools.lru_cache(maxsize=1024)
def _any_fft_spec(shape: tuple[int, ...], dtype: Any, kind: int, lengths: Shape) -> Spec | None:
    if not lengths or dtype.name not in _TRANSFORMED:
        return None
    *others, length = map(int, lengths)
    rows = math.prod(shape[:-1])
    if not 1 <= min(lengths) <= max(lengths) <= _LONGEST_TRANSFORM or rows == 0:
        return None
    code = CODES[np.dtype(_TRANSFORMED[dtype.name])]
    return flat(Fft(code, kind, rows=rows, length=length, num_others=len(others),
                    others=tuple(others[::-1])))


def fft(operands: Sequence[Any], results: Sequence[Any], params: Any) -> Call | None:
    """The call of an `fft`."""
    (operand,), lengths, kind = operands, params["fft_lengths"], int(params["fft_type"])
    spec = fft_spec(operand, kind, lengths)
    if spec is not None:
        return Call("arrax_fft", spec)
    spec = any_fft_spec(operand, kind, lengths)
    return None if spec is None else Call("arrax_fft_any", spec)
