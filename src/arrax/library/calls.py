"""How functions of the C++ library are called, from programs and from Python.

Each function is `int32 name(const int64_t* spec, pointers...)` of `src/native/`; its result is not
zero where it failed (2: for lack of memory). A spec is a tuple of integers, constant in the
compiled program, which the rooms beside this one write from named fields.
"""
from __future__ import annotations

import ctypes
import functools
from collections.abc import Sequence
from typing import Any

import ml_dtypes
import numpy as np

from arrax import _native
from arrax.core.errors import InternalError
from arrax.core.record import Record

Spec = tuple[int, ...]
Shape = Sequence[int]


class Call(Record):
    """A call on operands and results, in order; `tables`: by two tables of their addresses."""

    function: str
    spec: Spec
    tables: bool = False


def flat(fields: Record) -> Spec:
    """The spec with these fields; those that are tuples stand in it one after the other."""
    spec: list[int] = []
    for name in fields.__match_args__:
        field = getattr(fields, name)
        spec.extend(field) if isinstance(field, tuple) else spec.append(field)
    return tuple(map(int, spec))


# The order is that of `enum DType` in src/native/library.h.
_NAMES = (
    "bool int8 int16 int32 int64 uint8 uint16 uint32 uint64 float16 bfloat16 float32 float64 "
    "complex64 complex128"
).split()
CODES: dict[np.dtype[Any], int] = {
    np.dtype(ml_dtypes.bfloat16 if name == "bfloat16" else name): code
    for code, name in enumerate(_NAMES)
}
FIRST_COMPLEX = CODES[np.dtype(np.complex64)]
FIRST_FLOAT = CODES[np.dtype(np.float16)]


@functools.cache
def _function(name: str, pointers: int) -> Any:
    return ctypes.CFUNCTYPE(ctypes.c_int32, *[ctypes.c_void_p] * (pointers + 1))(_symbols()[name])


def call_eagerly(name: str, spec: Spec, *arrays: Any) -> None:
    """Calls a library function on contiguous arrays (or None for a null pointer)."""
    _native.call_library(_symbols()[name], spec, *arrays)


def address_of(name: str) -> int:
    """The address of a function of the library."""
    return _symbols()[name]


@functools.cache
def _symbols() -> dict[str, int]:
    return _native.symbols()


def sort_eagerly(spec: Spec, operands: Sequence[Any]) -> list[Any]:
    """`arrax_sort` on contiguous arrays."""
    results = [np.empty_like(operand) for operand in operands]
    fields: Any = (ctypes.c_int64 * len(spec))(*spec)
    tables: list[Any] = [
        (ctypes.c_void_p * len(row))(*[array.ctypes.data for array in row])
        for row in (operands, results)
    ]
    addresses = [ctypes.addressof(table) for table in (fields, *tables)]
    status = _function("arrax_sort", 2)(*addresses)
    if status:
        raise MemoryError("sort") if status == 2 else InternalError(
            f"arrax_sort failed with status {status}")
    return results
