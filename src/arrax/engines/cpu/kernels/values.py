"""`Value`: LLVM values that know their NumPy dtype, how they stand in registers and in memory.

In registers a bool is an i1, float16 and bfloat16 are float32 numbers that the short format can
hold, and a complex number is a pair of real values. In memory they stand as NumPy has them.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple

import ml_dtypes
import numpy as np
from llvmlite import ir

from .lanes import F16, F32, F64, I1, I8, I16, I32, I64, Lanes

BFLOAT16 = np.dtype(ml_dtypes.bfloat16)
FLOAT16 = np.dtype(np.float16)


class NotLowered(Exception):
    """An operation or dtype that the scalar builder does not know: it runs as a host call."""


class Layout(NamedTuple):
    """How a dtype stands in registers (`register`) and in memory (`memory`), per real component."""

    kind: str  # "bool", "int", "uint", "float", "complex"
    register: ir.Type
    memory: ir.Type
    bits: int  # of the component

    @property
    def memory_bytes(self) -> int:
        """Size, and so alignment, of a component in memory."""
        return max(self.bits // 8, 1)


LAYOUTS: dict[np.dtype[Any], Layout] = {
    np.dtype(name): Layout(kind, register, memory, bits)
    for name, kind, register, memory, bits in [
        ("bool", "bool", I1, I8, 1),
        ("int8", "int", I8, I8, 8),
        ("int16", "int", I16, I16, 16),
        ("int32", "int", I32, I32, 32),
        ("int64", "int", I64, I64, 64),
        ("uint8", "uint", I8, I8, 8),
        ("uint16", "uint", I16, I16, 16),
        ("uint32", "uint", I32, I32, 32),
        ("uint64", "uint", I64, I64, 64),
        (FLOAT16, "float", F32, F16, 16),
        (BFLOAT16, "float", F32, I16, 16),
        ("float32", "float", F32, F32, 32),
        ("float64", "float", F64, F64, 64),
        ("complex64", "complex", F32, F32, 32),
        ("complex128", "complex", F64, F64, 64),
    ]
}


@dataclass(frozen=True, slots=True)
class Value:
    """One element, or a vector of them. `imag` is there for complex dtypes only."""

    llvm: ir.Value
    dtype: np.dtype[Any]
    imag: ir.Value | None = None

    @property
    def lanes(self) -> int:
        """How many elements it is: what decides whether it has to be widened."""
        kind = self.llvm.type
        return kind.count if isinstance(kind, ir.VectorType) else 1

    @property
    def layout(self) -> Layout:
        return LAYOUTS[self.dtype]

    @property
    def kind(self) -> str:
        return LAYOUTS[self.dtype].kind


def layout_of(dtype: Any) -> Layout:
    """The layout of a dtype; raises `NotLowered` for dtypes without one."""
    layout = LAYOUTS.get(np.dtype(dtype))
    if layout is None:
        raise NotLowered(f"the CPU compiler has no registers for dtype {dtype}")
    return layout


def component_dtype(dtype: np.dtype[Any]) -> np.dtype[Any]:
    """The dtype of the real part."""
    if dtype.kind == "c":
        return np.dtype(np.float32 if dtype.itemsize == 8 else np.float64)
    return dtype


def round_to_format(e: Lanes, x: ir.Value, dtype: np.dtype[Any]) -> ir.Value:
    """Rounds float32 registers to the nearest number of a 16-bit format, ties to even."""
    if dtype == FLOAT16:
        return e.builder.fpext(e.builder.fptrunc(x, e.type(F16)), e.type(F32))
    if dtype == BFLOAT16:
        return _round_to_bfloat16(e, x)
    return x


def _round_to_bfloat16(e: Lanes, x: ir.Value) -> ir.Value:
    b, bits = e.builder, e.bits(x)
    lowest = b.and_(b.lshr(bits, e.constant(I32, 16)), e.constant(I32, 1))
    nearest = b.add(bits, b.add(lowest, e.constant(I32, 0x7FFF)))
    # Rounding could carry a NaN's payload into infinity.
    quiet = b.or_(bits, e.constant(I32, 0x400000))
    chosen = e.select(e.is_nan(x), quiet, nearest)
    return e.from_bits(b.and_(chosen, e.constant(I32, -0x10000)), F32)


def to_memory(e: Lanes, x: ir.Value, dtype: np.dtype[Any]) -> ir.Value:
    """A register (one component) as memory holds it."""
    if dtype.kind == "b":
        return e.builder.zext(x, e.type(I8))
    if dtype == FLOAT16:
        return e.builder.fptrunc(x, e.type(F16))
    if dtype == BFLOAT16:
        return e.builder.trunc(e.builder.lshr(e.bits(x), e.constant(I32, 16)), e.type(I16))
    return x


def from_memory(e: Lanes, x: ir.Value, dtype: np.dtype[Any]) -> ir.Value:
    """What memory holds (one component) as a register."""
    if dtype.kind == "b":
        return e.builder.icmp_unsigned("!=", x, e.constant(I8, 0))
    if dtype == FLOAT16:
        return e.builder.fpext(x, e.type(F32))
    if dtype == BFLOAT16:
        wide = e.builder.shl(e.builder.zext(x, e.type(I32)), e.constant(I32, 16))
        return e.from_bits(wide, F32)
    return x


def load(e: Lanes, pointer: ir.Value, dtype: np.dtype[Any]) -> Value:
    """Loads consecutive elements."""
    layout, b = layout_of(dtype), e.builder
    complex_ = layout.kind == "complex"
    count = e.lanes * 2 if complex_ else e.lanes
    wide = ir.VectorType(layout.memory, count) if count > 1 else layout.memory
    raw = b.load(pointer, align=layout.memory_bytes, typ=wide)
    if not complex_:
        return Value(from_memory(e, raw, dtype), dtype)
    if e.lanes == 1:
        parts = [b.extract_element(raw, ir.Constant(I32, i)) for i in (0, 1)]
    else:
        parts = [b.shuffle_vector(raw, raw, _indices(range(i, count, 2))) for i in (0, 1)]
    return Value(parts[0], dtype, parts[1])


def store(e: Lanes, value: Value, pointer: ir.Value) -> None:
    """Stores consecutive elements."""
    layout, b = value.layout, e.builder
    if value.imag is None:
        raw = to_memory(e, value.llvm, value.dtype)
    elif e.lanes == 1:
        raw = ir.Constant(ir.VectorType(layout.memory, 2), ir.Undefined)
        for position, part in enumerate((value.llvm, value.imag)):
            raw = b.insert_element(raw, part, ir.Constant(I32, position))
    else:
        pairs = [i for lane in range(e.lanes) for i in (lane, lane + e.lanes)]
        raw = b.shuffle_vector(value.llvm, value.imag, _indices(pairs))
    b.store(raw, b.bitcast(pointer, raw.type.as_pointer()), align=layout.memory_bytes)


def _indices(positions: Any) -> ir.Constant:
    positions = list(positions)
    return ir.Constant(ir.VectorType(I32, len(positions)), positions)
