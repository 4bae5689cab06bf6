"""Conversions between dtypes, with XLA's meaning.

Floats become integers by truncation, saturating at the ends, NaN becoming 0; integers wrap around;
anything is True when it differs from 0; a complex number loses its imaginary part.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from llvmlite import ir

from .lanes import F32, F64, I32, Lanes
from .values import (
    LAYOUTS,
    NotLowered,
    Value,
    component_dtype,
    from_memory,
    layout_of,
    round_to_format,
    to_memory,
)


def convert(e: Lanes, x: Value, dtype: np.dtype[Any]) -> Value:
    """`x` as `dtype`."""
    target = layout_of(dtype)
    if x.dtype == dtype:
        return x
    if target.kind == "complex":
        part = component_dtype(dtype)
        source = component_dtype(x.dtype)
        real = convert(e, Value(x.llvm, source), part).llvm
        if x.imag is None:
            return Value(real, dtype, e.constant(target.register, 0.0))
        return Value(real, dtype, convert(e, Value(x.imag, source), part).llvm)
    if x.imag is not None:
        return convert(e, Value(x.llvm, component_dtype(x.dtype)), dtype)
    if dtype.kind == "b":
        return Value(_nonzero(e, x), dtype)
    if target.kind == "float":
        return Value(_to_float(e, x, dtype), dtype)
    return Value(_to_integer(e, x, dtype), dtype)


def _nonzero(e: Lanes, x: Value) -> ir.Value:
    if x.kind in ("int", "uint"):
        return e.builder.icmp_unsigned("!=", x.llvm, e.like(x.llvm, 0))
    return e.compare("!=", x.llvm, e.like(x.llvm, 0.0))


def _to_float(e: Lanes, x: Value, dtype: np.dtype[Any]) -> ir.Value:
    b, target = e.builder, LAYOUTS[dtype]
    short = target.bits == 16
    if x.kind == "float":
        source = x.layout.register
        if source is target.register:
            return round_to_format(e, x.llvm, dtype)
        if source is F32:
            return e.widen(x.llvm)
        return round_to_format(e, _narrow_to_odd(e, x.llvm), dtype) if short else e.narrow(x.llvm)
    cast = b.sitofp if x.kind == "int" else b.uitofp
    if short and x.layout.bits >= 32:
        # Through float64 (exact, or rounded far below the short format), rounded to odd.
        return round_to_format(e, _narrow_to_odd(e, cast(x.llvm, e.type(F64))), dtype)
    return round_to_format(e, cast(x.llvm, e.type(target.register)), dtype)


def _narrow_to_odd(e: Lanes, x: ir.Value) -> ir.Value:
    """float64 to float32, rounded to odd, so that a second rounding is as good as one."""
    b, near = e.builder, e.narrow(x)
    back = e.widen(near)
    beyond = e.compare(">", e.abs(back), e.abs(x))
    inexact = e.compare("<", e.abs(x), e.constant(F64, np.inf))
    inexact = b.and_(inexact, e.compare("!=", back, x))
    bits = b.sub(e.bits(near), b.zext(beyond, e.type(I32)))
    return e.from_bits(b.or_(bits, b.zext(inexact, e.type(I32))), F32)


def _to_integer(e: Lanes, x: Value, dtype: np.dtype[Any]) -> ir.Value:
    b, target = e.builder, LAYOUTS[dtype]
    result = e.type(target.register)
    if x.kind == "float":
        return _saturated(e, x, dtype)
    bits = x.layout.bits
    if target.bits < bits:
        return b.trunc(x.llvm, result)
    if target.bits == bits:
        return x.llvm
    return (b.sext if x.kind == "int" else b.zext)(x.llvm, result)


def _saturated(e: Lanes, x: Value, dtype: np.dtype[Any]) -> ir.Value:
    """A float as an integer, by comparisons: LLVM takes its own saturating conversions apart, lane
    by lane."""
    b, target, info = e.builder, LAYOUTS[dtype], np.iinfo(dtype)
    source = np.dtype(np.float64 if x.layout.register is F64 else np.float32).type
    highest = source(info.max)
    if int(highest) > info.max:
        highest = np.nextafter(highest, source(0))
    low, high = (e.like(x.llvm, float(bound)) for bound in (source(info.min), highest))
    inside = e.select(e.compare("<", x.llvm, high), x.llvm, high)
    inside = e.select(e.compare(">", inside, low), inside, low)
    cast = b.fptosi if target.kind == "int" or target.bits < 32 else b.fptoui
    whole = cast(inside, e.type(target.register if target.bits >= 32 else I32))
    if target.bits < 32:
        whole = b.trunc(whole, e.type(target.register))
    if int(highest) < info.max:
        whole = e.select(e.compare(">", x.llvm, high), e.constant(target.register, int(info.max)),
                         whole)
    return e.select(e.is_nan(x.llvm), e.constant(target.register, 0), whole)


def bitcast(e: Lanes, x: Value, dtype: np.dtype[Any]) -> Value:
    """The bits of `x` as a dtype of the same width."""
    source, target = layout_of(x.dtype), layout_of(dtype)
    if x.dtype == dtype:
        return x
    if "complex" in (source.kind, target.kind) or x.dtype.itemsize != dtype.itemsize:
        raise NotLowered(f"bitcast_convert_type from {x.dtype} to {dtype}")
    memory = to_memory(e, x.llvm, x.dtype)
    return Value(from_memory(e, e.builder.bitcast(memory, e.type(target.memory)), dtype), dtype)
