"""Expressions of the loop IR as LLVM code, each at the outermost level where it is known."""
from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from llvmlite import ir

from arrax.engines.cpu import loop_ir
from arrax.engines.cpu.kernels import memory
from arrax.engines.cpu.kernels.lanes import I1, I64
from arrax.engines.cpu.kernels.levels import Levels, constant64
from arrax.engines.cpu.kernels.scalar_builder import ScalarBuilder
from arrax.engines.cpu.kernels.values import NotLowered, Value, layout_of
from arrax.engines.cpu.loop_ir import Expr, Index, LoopVar

INT64 = np.dtype(np.int64)
BOOL = np.dtype(bool)
Conditions = tuple[tuple[Index, int, int], ...]


class CannotEmit(Exception):
    """The scalar builder does not know an operation for these dtypes; `eqn` asks for it."""

    def __init__(self, eqn: Any):
        super().__init__(f"{eqn}")
        self.eqn = eqn


class Emitted(NamedTuple):
    """A value and the depth of the level that it was written at."""

    value: Value
    depth: int


class ExprEmitter:
    """Writes expressions at the levels of a kernel; `pointer_of(buffer)` gives base addresses."""

    def __init__(self, levels: Levels, pointer_of: Any):
        self.levels = levels
        self.pointer_of = pointer_of
        self.written: set[Any] = set()  # memory that the kernel stores to
        self.floor = 0  # the level outside of which that memory is not loaded

    # ---- levels --------------------------------------------------------------------------------

    def depth_of(self, var: LoopVar) -> int:
        """The level that binds a loop variable."""
        for depth in range(len(self.levels.stack) - 1, -1, -1):
            if var in self.levels.stack[depth].variables:
                return depth
        raise AssertionError("loop variable outside its loop")

    def builder(self, depth: int, out_dtype: Any = None) -> ScalarBuilder:
        b = self.levels.stack[depth].scalar_builder()
        b.out_dtype = out_dtype
        return b

    def remember(self, key: Any, emitted: Emitted) -> Emitted:
        self.levels.stack[emitted.depth].memo[key] = emitted
        return emitted

    def recall(self, key: Any) -> Emitted | None:
        for level in reversed(self.levels.stack):
            found = level.memo.get(key)
            if found is not None:
                return found  # type: ignore[no-any-return]
        return None

    def widened(self, emitted: Emitted, lanes: int) -> Value:
        """A value in `lanes` lanes: scalars are splat at their own level."""
        if lanes == 1 or self.levels.stack[emitted.depth].lanes == lanes:
            return emitted.value
        key = ("splat", id(emitted.value.llvm), emitted.value.dtype, lanes)
        level = self.levels.stack[emitted.depth]
        found = level.memo.get(key)
        if found is None:
            found = memory.splat_value(level.scalar_builder(lanes), emitted.value)
            level.memo[key] = found
            level.memo[("keep", *key)] = emitted.value  # the id above stays unique
        return found

    # ---- expressions ---------------------------------------------------------------------------

    def emit(self, expr: Expr, where: Conditions = ()) -> Emitted:
        """The value of an expression; loads happen only where the conditions hold."""
        found = self._known(expr, where)
        if found is not None:
            return found
        # A stack of its own, since chains of operations may be longer than Python's stack is deep.
        stack = [(expr, False)]
        while stack:
            each, ready = stack.pop()
            if not ready and self._known(each, where) is not None:
                continue
            if ready or type(each) is not loop_ir.Apply:
                found = self.remember((each.serial, where), self._emit(each, where))
                continue
            stack.append((each, True))
            stack.extend((a, False) for a in reversed(each.args)
                         if type(a) is not loop_ir.Constant)
        assert found is not None
        return found

    def _known(self, expr: Expr, where: Conditions) -> Emitted | None:
        """The value of an expression that is written already; folds are known everywhere."""
        return self.recall((expr.serial, () if type(expr) is loop_ir.Local else where))

    def vector(self, expr: Expr) -> Value:
        """The value of an expression in all lanes of the innermost level."""
        level = self.levels.top
        if type(expr) is loop_ir.Constant:
            return level.scalar_builder().constant(expr.value, expr.dtype)
        return self.widened(self.emit(expr), level.lanes)

    def _emit(self, expr: Any, where: Conditions) -> Emitted:
        kind = type(expr)
        if kind is loop_ir.Apply:
            return self._apply(expr, where)
        if kind is loop_ir.Load:
            return self._load(expr, where)
        if kind is loop_ir.Constant:
            return Emitted(self.builder(0).constant(expr.value, expr.dtype), 0)
        if kind is loop_ir.Choose:
            return self._choose(expr, where)
        if kind is loop_ir.Position:
            value, depth = self.index(expr.index, where)
            b = self.builder(depth)
            return Emitted(b.convert_element_type(Value(value, INT64), expr.dtype), depth)
        return self._divide(expr, where)

    def _apply(self, expr: Any, where: Conditions) -> Emitted:
        """An operation whose operands are written."""
        parts = [None if type(a) is loop_ir.Constant else self.emit(a, where) for a in expr.args]
        depth = max((p.depth for p in parts if p is not None), default=0)
        b = self.builder(depth)
        args = [b.constant(a.value, a.dtype) if p is None else self.widened(p, b.lanes)
                for p, a in zip(parts, expr.args, strict=True)]
        b.out_dtype = expr.dtype
        try:
            return Emitted(expr.operation.write(b, args, expr.params), depth)
        except NotLowered as error:
            raise CannotEmit(expr.eqn) from error

    def _divide(self, expr: Any, where: Conditions) -> Emitted:
        value, depth = self.index(expr.index, where)
        b = self.builder(depth)
        divisor = b.emit.constant(I64, expr.divisor)
        name = "urem" if type(expr) is loop_ir.Remainder else "udiv"
        return Emitted(Value(getattr(b.builder, name)(value, divisor), INT64), depth)

    def _choose(self, expr: Any, where: Conditions) -> Emitted:
        inside = self.emit(expr.inside, (*where, *expr.conditions))
        outside = self.emit(expr.outside, where)
        tests = [self.condition(c, where) for c in expr.conditions]
        depth = max(inside.depth, outside.depth, *(t.depth for t in tests))
        b = self.builder(depth)
        flags = [self.widened(t, b.lanes) for t in tests]
        both = flags[0]
        for flag in flags[1:]:
            both = b.and_(both, flag)
        return Emitted(b.select(both, self.widened(inside, b.lanes),
                                self.widened(outside, b.lanes)), depth)

    def condition(self, condition: tuple[Index, int, int], where: Conditions = ()) -> Emitted:
        """low <= index < high."""
        key = ("condition", condition)
        found = self.recall(key)
        if found is None:
            index, low, high = condition
            value, depth = self.index(index + -low, where)
            b = self.builder(depth)
            bound = b.emit.constant(I64, high - low)
            flag = b.builder.icmp_unsigned("<", value, bound)
            found = self.remember(key, Emitted(Value(flag, BOOL), depth))
        return found

    # ---- indices -------------------------------------------------------------------------------

    def index(self, index: Index, where: Conditions = ()) -> tuple[ir.Value, int]:
        """An index as i64, a vector if it depends on the vectorized variable."""
        scalars, vectors = self._split(index, where)
        value, depth = self._scalar_sum(scalars)
        if not vectors:
            if index.const:
                value = self.levels.stack[depth].builder.add(value, constant64(index.const))
            return value, depth
        depth = max(depth, *(v[2] for v in vectors))
        b = self.builder(depth)
        total = self._vector_sum(vectors, b)
        if scalars or index.const:
            if index.const:
                value = b.builder.add(value, constant64(index.const)) if scalars \
                    else constant64(index.const)
            total = b.builder.add(total, b.emit.splat(value))
        return total, depth

    def _split(self, index: Index, where: Conditions) -> tuple[list[Any], list[Any]]:
        """Terms as (value, depth, coefficient, key): scalar ones, and those of the lanes."""
        scalars: list[Any] = []
        vectors: list[Any] = []
        for term, coefficient in index.terms:
            if isinstance(term, LoopVar):
                depth = self.depth_of(term)
                level = self.levels.stack[depth]
                if level.vector is term and level.lanes > 1:
                    vectors.append((term, coefficient, depth))
                    continue
                scalars.append((level.variables[term], depth, coefficient, term))
            else:
                emitted = self.emit(term, where)
                if self.levels.stack[emitted.depth].lanes > 1:
                    vectors.append((emitted.value.llvm, coefficient, emitted.depth))
                else:
                    scalars.append((emitted.value.llvm, emitted.depth, coefficient,
                                    (term, where)))
        return scalars, vectors

    def _scalar_sum(self, terms: list[Any]) -> tuple[ir.Value, int]:
        """The sum of scalar terms, outer levels first, so that partial sums stay outside loops."""
        total, depth = None, 0
        key: tuple[Any, ...] = ()
        for value, at, coefficient, name in sorted(terms, key=lambda t: t[1]):
            key = (*key, (name, coefficient))
            depth = max(depth, at)
            found = self.recall(("sum", key))
            if found is None:
                builder = self.levels.stack[depth].builder
                part = value if coefficient == 1 else builder.mul(
                    value, constant64(coefficient), flags=("nsw",))
                total = part if total is None else builder.add(total, part, flags=("nsw",))
                self.levels.stack[depth].memo[("sum", key)] = (total, depth)
            else:
                total, depth = found
        return (constant64(0) if total is None else total), depth

    def _vector_sum(self, terms: list[Any], b: ScalarBuilder) -> ir.Value:
        total = None
        for term, coefficient, depth in terms:
            if isinstance(term, LoopVar):
                start = self.levels.stack[depth].variables[term]
                if coefficient != 1:
                    start = b.builder.mul(start, constant64(coefficient))
                part = b.iota(start, INT64, coefficient).llvm
            else:
                part = term if coefficient == 1 else b.builder.mul(
                    term, b.emit.constant(I64, coefficient))
            total = part if total is None else b.builder.add(total, part)
        return total

    # ---- loads and stores -----------------------------------------------------------------------

    def _load(self, expr: Any, where: Conditions) -> Emitted:
        offset, dtype = expr.offset, expr.dtype
        scalars, vectors = self._split(offset, where)
        base = self.pointer_of(expr.buffer)
        if not vectors:
            floor = self.floor if expr.buffer.root in self.written else 0
            return self._scalar_load(base, scalars, offset.const, dtype, where, floor)
        mask, depth = self._mask(where)
        depth = max(depth, *(v[2] for v in vectors), *(t[1] for t in scalars))
        if expr.buffer.root in self.written:
            depth = len(self.levels.stack) - 1
        b, level = self.builder(depth), self.levels.stack[depth]
        stride = _stride(vectors, dtype)
        if stride:
            value, _ = self._scalar_sum([*scalars, self._lane_term(*vectors[0])])
            pointer = memory.element_pointer(level.builder, base, value, dtype)
            const = offset.const - (b.lanes - 1 if stride < 0 else 0)
            if const:
                pointer = memory.element_pointer(level.builder, pointer, constant64(const), dtype)
            if stride < 0:
                return Emitted(memory.reversed_load(b, pointer, dtype, mask), depth)
            if stride > 1:
                return Emitted(memory.strided_load(b, pointer, stride, dtype, mask), depth)
            if mask is None:
                return Emitted(b.load(pointer, dtype), depth)
            return Emitted(memory.masked_load(b, pointer, dtype, mask), depth)
        if expr.buffer.size == 0:  # nothing is inside
            return Emitted(b.constant(0, dtype), depth)
        offsets, _ = self.index(offset, where)
        return Emitted(memory.gather(b, base, offsets, dtype, mask), depth)

    def _lane_term(self, var: LoopVar, coefficient: int, depth: int,
                   ) -> tuple[ir.Value, int, int, Any]:
        """The first lane's index as a scalar term."""
        return self.levels.stack[depth].variables[var], depth, coefficient, (var, "first lane")

    def _scalar_load(self, base: ir.Value, scalars: list[Any], const: int, dtype: Any,
                     where: Conditions, floor: int) -> Emitted:
        value, depth = self._scalar_sum(scalars)
        depth = max(depth, floor)
        guards = [g for g in map(self.condition, where)
                  if self.levels.stack[g.depth].lanes == 1] if where else []
        depth = max([depth, *(g.depth for g in guards)])
        builder = self.levels.stack[depth].builder
        if guards:
            if const:
                value = builder.add(value, constant64(const))
            for guard in guards:
                value = builder.select(guard.value.llvm, value, constant64(0))
            pointer = memory.element_pointer(builder, base, value, dtype)
        else:
            pointer = memory.element_pointer(builder, base, value, dtype) if scalars else base
            if const:
                pointer = memory.element_pointer(builder, pointer, constant64(const), dtype)
        b = self.levels.stack[depth].scalar_builder(1)
        return Emitted(b.load(pointer, dtype), depth)

    def _mask(self, where: Conditions) -> tuple[ir.Value | None, int]:
        """The lanes to load (those in range for which the conditions hold), and their depth."""
        lanes = self.levels.top.lanes
        mask, depth = None, 0
        for at, level in enumerate(self.levels.stack):
            if level.mask is not None:
                mask, depth = level.mask, at
        for condition in where:
            found = self.condition(condition)
            depth = max(depth, found.depth)
            flag = self.widened(found, lanes).llvm
            mask = flag if mask is None else self.levels.stack[depth].builder.and_(mask, flag)
        return mask, depth

    def guarded_store(self, store: Any, value: Value) -> None:
        """Store a value where the conditions of the store hold."""
        level = self.levels.top
        if not store.where:
            self.store(store.buffer, store.offset, value)
        elif level.lanes > 1:
            before = level.mask
            level.mask = self._mask(store.where)[0]
            self.store(store.buffer, store.offset, value)
            level.mask = before
        else:
            flags = [self.condition(c).value.llvm for c in store.where]
            for flag in flags[1:]:
                flags[0] = level.builder.and_(flags[0], flag)
            with level.builder.if_then(flags[0]):
                self.store(store.buffer, store.offset, value)

    def store(self, buffer: Any, offset: Index, value: Value) -> None:
        """Store a value at the innermost level."""
        level = self.levels.top
        b = level.scalar_builder()
        base = self.pointer_of(buffer)
        scalars, vectors = self._split(offset, ())
        if not vectors:
            total, _ = self._scalar_sum(scalars)
            total = level.builder.add(total, constant64(offset.const)) if offset.const else total
            pointer = memory.element_pointer(level.builder, base, total, value.dtype)
            b.store(value, pointer)
            return
        if len(vectors) == 1 and isinstance(vectors[0][0], LoopVar) and vectors[0][1] == 1:
            total, _ = self._scalar_sum([*scalars, self._lane_term(*vectors[0])])
            total = level.builder.add(total, constant64(offset.const)) if offset.const else total
            pointer = memory.element_pointer(level.builder, base, total, value.dtype)
            if level.mask is None:
                b.store(value, pointer)
            else:
                memory.masked_store(b, value, pointer, level.mask)
            return
        offsets, _ = self.index(offset)
        memory.scatter(b, value, base, offsets, level.mask)


def _stride(vectors: list[Any], dtype: Any) -> int:
    """The step between the elements that lanes load, if vectors can be read whole, else 0; -1 is
    for elements side by side that are read backwards."""
    if len(vectors) != 1 or not isinstance(vectors[0][0], LoopVar):
        return 0
    coefficient: int = vectors[0][1]
    longest = 1 if layout_of(dtype).kind == "complex" else memory.LONGEST_STRIDE
    return coefficient if coefficient == -1 or 1 <= coefficient <= longest else 0


def component_bits(dtype: Any) -> int:
    """The bits of one register element of a dtype; 0 for bools, which fit any lane count."""
    layout = layout_of(dtype)
    return 0 if layout.register is I1 else max(layout.bits, 32 if layout.kind == "float" else 0)
