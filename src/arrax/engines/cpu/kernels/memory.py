"""Loads and stores of vectors: consecutive, masked, gathered and scattered.

Masks are vectors of i1, one per element. Complex numbers are two components side by side.
"""
from __future__ import annotations

from typing import Any

import numpy as np
from llvmlite import ir

from arrax.engines.cpu.kernels.lanes import I1, I8, I32, I64, Lanes, mangled
from arrax.engines.cpu.kernels.scalar_builder import ScalarBuilder
from arrax.engines.cpu.kernels.values import Value, from_memory, layout_of, to_memory

POINTER = ir.PointerType()


def splat_value(b: ScalarBuilder, x: Value) -> Value:
    """A scalar in every lane, by one shuffle."""
    return b.splat(x) if b.lanes > 1 else x


def element_pointer(builder: ir.IRBuilder, base: ir.Value, offset: ir.Value, dtype: Any) -> Any:
    """The address of an element of a buffer; complex elements are two components."""
    layout = layout_of(dtype)
    if layout.kind == "complex":
        offset = builder.shl(offset, ir.Constant(I64, 1))
    return builder.gep(base, [offset], source_etype=layout.memory)


def masked_load(b: ScalarBuilder, pointer: ir.Value, dtype: Any, mask: ir.Value) -> Value:
    """Consecutive elements where the mask holds, zero elsewhere."""
    layout, lanes, builder = layout_of(dtype), b.lanes, b.builder
    if layout.kind == "complex":
        wide = ir.VectorType(layout.memory, 2 * lanes)
        pairs = builder.shuffle_vector(mask, mask, _constant([i // 2 for i in range(2 * lanes)]))
        raw = _masked_load(b.emit, pointer, wide, pairs, layout.memory_bytes)
        parts = [builder.shuffle_vector(raw, raw, _constant(range(i, 2 * lanes, 2)))
                 for i in (0, 1)]
        return Value(parts[0], dtype, parts[1])
    wide = ir.VectorType(layout.memory, lanes)
    raw = _masked_load(b.emit, pointer, wide, mask, layout.memory_bytes)
    return Value(from_memory(b.emit, raw, dtype), dtype)


def _masked_load(e: Lanes, pointer: ir.Value, wide: ir.Type, mask: ir.Value, align: int) -> Any:
    zero = Lanes(e.builder, wide.count).constant(wide.element, 0)
    function = e.declared(f"llvm.masked.load.{mangled(wide)}.p0", wide,
                          [POINTER, I32, mask.type, wide])
    return e.builder.call(function, [pointer, ir.Constant(I32, align), mask, zero])


def lanes_below(b: ScalarBuilder, start: ir.Value, stride: int, size: int) -> ir.Value:
    """The lanes of numbers, `stride` apart from `start` on, that are at least 0 and less than
    `size`. All must fit in 31 bits."""
    steps = ir.Constant(ir.VectorType(I32, b.lanes), [lane * stride for lane in range(b.lanes)])
    numbers = b.builder.add(b.emit.splat(b.builder.trunc(start, I32)), steps)
    return b.builder.icmp_unsigned("<", numbers, b.emit.constant(I32, size))


def lanes_inside(b: ScalarBuilder, start: ir.Value, stride: int, size: int, below: bool,
                 above: bool) -> ir.Value:
    """The lanes whose elements, `stride` apart from `start` on, lie in a buffer of `size` elements,
    where they may lie `below` it or `above` it. Compared in 32 bits."""
    steps = ir.Constant(ir.VectorType(I32, b.lanes),
                        [lane * abs(stride) for lane in range(b.lanes)])
    # How far the ends of the buffer are from the start, in the direction of the lanes.
    if stride > 0:
        ends = ((above, size, "<"), (below, 0, ">="))
    else:
        ends = ((below, 1, "<"), (above, 1 - size, ">="))
        start = b.builder.neg(start)
    found: ir.Value = None
    for needed, end, order in ends:
        if needed:
            limit = _clamped32(b, b.builder.sub(ir.Constant(I64, end), start),
                               b.lanes * abs(stride))
            mask = b.builder.icmp_signed(order, steps, b.emit.splat(limit))
            found = mask if found is None else b.builder.and_(found, mask)
    return found


def _clamped32(b: ScalarBuilder, x: ir.Value, high: int) -> ir.Value:
    """A 64-bit number clamped to 0..high, in 32 bits."""
    for order, bound in (("<", high), (">", 0)):
        end = ir.Constant(I64, bound)
        x = b.builder.select(b.builder.icmp_signed(order, x, end), x, end)
    return b.builder.trunc(x, I32)


LONGEST_STRIDE = 4  # steps between elements up to which vectors are read whole


def reversed_load(b: ScalarBuilder, pointer: ir.Value, dtype: Any, mask: ir.Value | None) -> Value:
    """Elements side by side, from the last to the first, where the mask holds."""
    def turned(x: ir.Value) -> ir.Value:
        return b.builder.shuffle_vector(x, x, _constant(range(b.lanes - 1, -1, -1)))
    found = b.load(pointer, dtype) if mask is None else \
        masked_load(b, pointer, dtype, turned(mask))
    return Value(turned(found.llvm), dtype, None if found.imag is None else turned(found.imag))


def strided_load(b: ScalarBuilder, pointer: ir.Value, stride: int, dtype: Any,
                 mask: ir.Value | None) -> Value:
    """Elements `stride` apart, where the mask holds: `stride` consecutive loads and the shuffles
    that pick the elements, which takes a fraction of a gather's time. Reads nothing beyond the
    last element."""
    layout, lanes, builder = layout_of(dtype), b.lanes, b.builder
    wide = ir.VectorType(layout.memory, lanes)
    starts = [*range(0, (stride - 1) * lanes, lanes), (lanes - 1) * stride + 1 - lanes]
    found: ir.Value = None
    for start in starts:
        place = builder.gep(pointer, [ir.Constant(I64, start)], source_etype=layout.memory)
        inside = [i for i in range(lanes) if start <= i * stride < start + lanes]
        if mask is None:
            part = builder.load(place, typ=wide, align=layout.memory_bytes)
        else:
            needed = {i * stride - start: i for i in inside}
            own = builder.shuffle_vector(mask, b.emit.constant(I1, 0), _constant(
                [needed.get(e, lanes) for e in range(lanes)]))
            part = _masked_load(b.emit, place, wide, own, layout.memory_bytes)
        order = [lanes + i * stride - start if i in inside else i for i in range(lanes)]
        found = builder.shuffle_vector(part if found is None else found, part, _constant(order))
    return Value(from_memory(b.emit, found, dtype), dtype)


def masked_store(b: ScalarBuilder, x: Value, pointer: ir.Value, mask: ir.Value) -> None:
    """Stores consecutive elements where the mask holds."""
    layout, lanes, builder = x.layout, b.lanes, b.builder
    if x.imag is not None:
        order = [i for lane in range(lanes) for i in (lane, lane + lanes)]
        raw = builder.shuffle_vector(x.llvm, x.imag, _constant(order))
        mask = builder.shuffle_vector(mask, mask, _constant([i // 2 for i in range(2 * lanes)]))
    else:
        raw = to_memory(b.emit, x.llvm, x.dtype)
    void = ir.VoidType()
    function = b.emit.declared(f"llvm.masked.store.{mangled(raw.type)}.p0", void,
                               [raw.type, POINTER, I32, mask.type])
    builder.call(function, [raw, pointer, ir.Constant(I32, layout.memory_bytes), mask])


def gather(b: ScalarBuilder, base: ir.Value, offsets: ir.Value, dtype: Any,
           mask: ir.Value | None) -> Value:
    """Elements at a vector of offsets, where the mask holds; elsewhere the first element, which
    must exist."""
    if mask is not None:
        offsets = b.builder.select(mask, offsets, b.emit.constant(offsets.type.element, 0))
    parts = [_gather(b, pointers, layout_of(dtype))
             for pointers in _addresses(b, base, offsets, dtype)]
    if len(parts) == 2:
        return Value(parts[0], dtype, parts[1])
    return Value(from_memory(b.emit, parts[0], dtype), dtype)


def scatter(b: ScalarBuilder, x: Value, base: ir.Value, offsets: ir.Value,
            mask: ir.Value | None) -> None:
    """Stores elements at a vector of offsets, lane after lane, where the mask holds."""
    e, layout = b.emit, x.layout
    parts = [x.llvm, x.imag] if x.imag is not None else [to_memory(e, x.llvm, x.dtype)]
    for part, pointers in zip(parts, _addresses(b, base, offsets, x.dtype), strict=True):
        void = ir.VoidType()
        where = _every(b) if mask is None else mask
        function = e.declared(f"llvm.masked.scatter.{mangled(part.type)}.v{b.lanes}p0", void,
                              [part.type, pointers.type, I32, where.type])
        e.builder.call(function, [part, pointers, ir.Constant(I32, layout.memory_bytes), where])


def _gather(b: ScalarBuilder, pointers: ir.Value, layout: Any) -> Any:
    """One load after the other: on most CPUs that takes no longer than a gather instruction, and
    on many half its time."""
    builder, found = b.builder, b.emit.constant(layout.memory, 0)
    for lane in range(b.lanes):
        place = ir.Constant(I32, lane)
        pointer = builder.extract_element(pointers, place)
        item = builder.load(pointer, typ=layout.memory, align=layout.memory_bytes)
        found = builder.insert_element(found, item, place)
    return found


def _every(b: ScalarBuilder) -> ir.Constant:
    return b.emit.constant(I1, 1)


def _addresses(b: ScalarBuilder, base: ir.Value, offsets: ir.Value, dtype: Any) -> list[ir.Value]:
    """Vectors of pointers to the components of elements."""
    layout, builder = layout_of(dtype), b.builder
    if layout.kind != "complex":
        return [_vector_gep(builder, base, offsets, layout.memory, b.lanes)]
    doubled = builder.shl(offsets, b.emit.constant(I64, 1))
    following = builder.or_(doubled, b.emit.constant(I64, 1))
    return [_vector_gep(builder, base, o, layout.memory, b.lanes) for o in (doubled, following)]


def _vector_gep(builder: ir.IRBuilder, base: ir.Value, offsets: ir.Value, element: ir.Type,
                lanes: int) -> ir.Value:
    pointers = builder.gep(base, [offsets], source_etype=element)
    pointers.type = ir.VectorType(POINTER, lanes)  # llvmlite types it as one pointer
    return pointers


def half(b: ScalarBuilder, x: Value, upper: bool) -> Value:
    """The lower or upper half of the lanes."""
    count = b.lanes // 2
    order = range(count, b.lanes) if upper else range(count)

    def part(v: ir.Value) -> ir.Value:
        if count == 1:
            return b.builder.extract_element(v, ir.Constant(I32, int(upper)))
        return b.builder.shuffle_vector(v, v, _constant(order))
    return Value(part(x.llvm), x.dtype, None if x.imag is None else part(x.imag))


def folded_rows(b: ScalarBuilder, rows: list[Value], combine: Any) -> Value:
    """Folds the lanes of each of `lanes` vectors; lane k of the result is the fold of vector k.

    Pairs of vectors become one, each keeping half as many partial results, until one is left.
    """
    group = b.lanes
    while len(rows) > 1:
        half_group = group // 2
        starts = range(0, 2 * b.lanes, group)
        low = [start + i for start in starts for i in range(half_group)]
        high = [i + half_group for i in low]
        rows = [combine(_mixed(b, x, y, low), _mixed(b, x, y, high))
                for x, y in zip(rows[::2], rows[1::2], strict=True)]
        group = half_group
    return rows[0]


def transposed(b: ScalarBuilder, rows: list[Value]) -> list[Value]:
    """As many vectors as there are lanes, with rows and lanes exchanged: lane i of vector k becomes
    lane k of vector i.

    Blocks off the diagonal change places, of half the size first, then in each block again.
    """
    if rows[0].kind == "bool":
        bits = [Value(b.emit.builder.zext(x.llvm, b.emit.type(I8)), np.dtype(np.int8))
                for x in rows]
        zero = b.emit.constant(I8, 0)
        return [Value(b.builder.icmp_unsigned("!=", x.llvm, zero), rows[0].dtype)
                for x in transposed(b, bits)]
    lanes, size = b.lanes, b.lanes // 2
    rows = list(rows)
    while size:
        first = [i if i & size == 0 else lanes + i - size for i in range(lanes)]
        second = [i + size if i & size == 0 else lanes + i for i in range(lanes)]
        for k in range(lanes):
            if k & size == 0:
                x, y = rows[k], rows[k + size]
                rows[k], rows[k + size] = _mixed(b, x, y, first), _mixed(b, x, y, second)
        size //= 2
    return rows


def _mixed(b: ScalarBuilder, x: Value, y: Value, order: list[int]) -> Value:
    """The lanes of two vectors, side by side, in an order."""
    imag = None
    if x.imag is not None:
        imag = b.builder.shuffle_vector(x.imag, y.imag, _constant(order))
    return Value(b.builder.shuffle_vector(x.llvm, y.llvm, _constant(order)), x.dtype, imag)


def _constant(positions: Any) -> ir.Constant:
    positions = list(positions)
    return ir.Constant(ir.VectorType(I32, len(positions)), positions)
