"""Expressions of the loop IR as LLVM code, each at the outermost level where it is known.

An expression is written once, whatever choices and conditions it stands under, so that a kernel's
code is as long as its expressions are many. That is sound because no access of this file leaves its
buffer: an access whose offset is inside at every point of the loops (`intervals`) needs no check;
a load that its choice is proved to keep inside (`prove_accesses`) is masked by the choice; any
other access is checked against the buffer's size, and where it lies outside, nothing is stored, and
what is loaded is some element or zero, which no choice picks.
"""
from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

import numpy as np
from llvmlite import ir

from arrax.engines.cpu import loop_ir
from arrax.engines.cpu.kernels import memory
from arrax.engines.cpu.kernels.checks import Checks, Site
from arrax.engines.cpu.kernels.lanes import I1, I64
from arrax.engines.cpu.kernels.levels import Levels, constant64
from arrax.engines.cpu.kernels.scalar_builder import ScalarBuilder
from arrax.engines.cpu.kernels.values import NotLowered, Value, layout_of
from arrax.engines.cpu.loop_ir import Expr, Index, LoopVar
from arrax.engines.cpu.prove_accesses import Claim, Prover

INT64 = np.dtype(np.int64)
BOOL = np.dtype(bool)
Condition = tuple[Index, int, int]
NARROW = 1 << 30


class CannotEmit(Exception):
    """The scalar builder does not know an operation for these dtypes; `eqn` asks for it."""

    def __init__(self, eqn: Any):
        super().__init__(f"{eqn}")
        self.eqn = eqn


class Emitted(NamedTuple):
    """A value and the depth of the level that it was written at."""

    value: Value
    depth: int


class Term(NamedTuple):
    """A term of an index: a loop variable that runs over lanes (`value` is its first lane's), or
    any other value. `name` tells terms of sums apart."""

    value: ir.Value
    depth: int
    coefficient: int
    name: Any
    over_lanes: bool = False


class ExprEmitter:
    """Writes expressions at the levels of a kernel; `pointer_of(buffer)` gives base addresses."""

    def __init__(self, levels: Levels, pointer_of: Any, checks: Checks | None = None):
        self.levels = levels
        self.pointer_of = pointer_of
        self.prover = Prover()
        self.intervals = self.prover.intervals
        self.masked: dict[int, bool] = {}  # by serial of a choice
        self.checks = checks
        self.kernel: Any = None  # for messages
        self.written: set[Any] = set()  # memory that the kernel stores to
        self.floor = 0  # the level outside of which that memory is not loaded

    # ---- levels --------------------------------------------------------------------------------

    def depth_of(self, var: LoopVar) -> int:
        """The level that binds a loop variable."""
        for depth in range(len(self.levels.stack) - 1, -1, -1):
            if var in self.levels.stack[depth].variables:
                return depth
        raise AssertionError("loop variable outside its loop")

    def builder(self, depth: int, lanes: int) -> ScalarBuilder:
        """What writes values of so many lanes at a level."""
        return self.levels.stack[depth].scalar_builder(lanes)

    def remember(self, key: Any, emitted: Emitted) -> Emitted:
        self.levels.stack[emitted.depth].memo[key] = emitted
        return emitted

    def recall(self, key: Any) -> Any:
        for level in reversed(self.levels.stack):
            found = level.memo.get(key)
            if found is not None:
                return found
        return None

    def __contains__(self, serial: object) -> bool:
        """Whether an expression is written already, and known here."""
        return self.recall(serial) is not None

    def widened(self, emitted: Emitted, lanes: int) -> Value:
        """A value in `lanes` lanes: scalars are splat at their own level."""
        if emitted.value.lanes == lanes:
            return emitted.value
        assert emitted.value.lanes == 1, "a vector among vectors of another length"
        value = emitted.value  # complex ones may share one part
        key = ("splat", id(value.llvm), id(value.imag), value.dtype, lanes)
        level = self.levels.stack[emitted.depth]
        found: Value | None = level.memo.get(key)
        if found is None:
            found = memory.splat_value(level.scalar_builder(lanes), value)
            level.memo[key] = found
            level.memo[("keep", *key)] = value  # the ids above stay unique
        return found

    # ---- expressions ---------------------------------------------------------------------------

    def emit(self, expr: Expr) -> Emitted:
        """The value of an expression, its operands written first."""
        found = self.recall(expr.serial)
        if found is None:
            for each in self._unwritten(expr):
                found = self.remember(each.serial, self._emit(each))
        return found  # type: ignore[no-any-return]

    def _unwritten(self, root: Expr) -> list[Expr]:
        """What has to be written for an expression, operands first. A load that its choice masks is
        written with the choice."""
        order: list[Expr] = []
        seen: set[int] = set()
        stack: list[tuple[Expr, bool]] = [(root, False)]
        while stack:
            expr, done = stack.pop()
            if done:
                order.append(expr)
            elif expr.serial not in seen and expr.serial not in self:
                seen.add(expr.serial)
                stack.append((expr, True))
                children = expr.children
                if isinstance(expr, loop_ir.Choose) and self.is_masked(expr):
                    children = (*children[1:], *expr.inside.children)
                stack.extend((child, False) for child in children)
        return order

    def is_masked(self, choice: loop_ir.Choose) -> bool:
        """Whether the inside of a choice is a load that needs no check but the choice's own
        conditions, in lanes: it is loaded where they hold."""
        found = self.masked.get(choice.serial)
        if found is None:
            load = choice.inside
            found = isinstance(load, loop_ir.Load) and load.buffer.size > 0 \
                and self._may_leave(load) and self.levels.top.lanes > 1 \
                and self.prover.holds(Claim(load, load.offset, load.buffer.size,
                                            choice.conditions))
            self.masked[choice.serial] = found
        return found and choice.inside.serial not in self

    def vector(self, expr: Expr) -> Value:
        """The value of an expression in all lanes of the innermost level."""
        level = self.levels.top
        if type(expr) is loop_ir.Constant:
            return level.scalar_builder().constant(expr.value, expr.dtype)
        return self.widened(self.emit(expr), level.lanes)

    def _emit(self, expr: Any) -> Emitted:
        """An expression whose operands are written."""
        kind = type(expr)
        if kind is loop_ir.Apply:
            return self._apply(expr)
        if kind is loop_ir.Load:
            return self._load(expr)
        if kind is loop_ir.Constant:
            return Emitted(self.builder(0, 1).constant(expr.value, expr.dtype), 0)
        if kind is loop_ir.Choose:
            return self._choose(expr)
        assert kind is not loop_ir.Local, "the result of a fold that is not done"
        value, depth = self.index(expr.index)
        b = self.builder(depth, value.lanes)
        if kind is loop_ir.Position:
            return Emitted(b.convert_element_type(value, expr.dtype), depth)
        name = "urem" if kind is loop_ir.Remainder else "udiv"
        divisor = b.emit.constant(I64, expr.divisor)
        return Emitted(Value(getattr(b.builder, name)(value.llvm, divisor), INT64), depth)

    def _apply(self, expr: Any) -> Emitted:
        parts = [None if type(a) is loop_ir.Constant else self.emit(a) for a in expr.args]
        depth = max((p.depth for p in parts if p is not None), default=0)
        b = self.builder(depth, max((p.value.lanes for p in parts if p is not None), default=1))
        args = [b.constant(a.value, a.dtype) if p is None else self.widened(p, b.lanes)
                for p, a in zip(parts, expr.args, strict=True)]
        b.out_dtype = expr.dtype
        try:
            return Emitted(expr.operation.write(b, args, expr.params), depth)
        except NotLowered as error:
            raise CannotEmit(expr.eqn) from error

    def _choose(self, expr: Any) -> Emitted:
        tests = [self.condition(c) for c in expr.conditions]
        inside = self._load(expr.inside, tests) if self.is_masked(expr) else self.emit(expr.inside)
        outside = self.emit(expr.outside)
        parts = [inside, outside, *tests]
        depth = max(p.depth for p in parts)
        b = self.builder(depth, max(p.value.lanes for p in parts))
        flag = self._all(tests, b)
        return Emitted(b.select(flag, self.widened(inside, b.lanes),
                                self.widened(outside, b.lanes)), depth)

    def _all(self, tests: Sequence[Emitted], b: ScalarBuilder) -> Value:
        """Whether all of some conditions hold."""
        flags = [self.widened(test, b.lanes) for test in tests]
        both = flags[0]
        for flag in flags[1:]:
            both = b.and_(both, flag)
        return both

    def condition(self, condition: Condition) -> Emitted:
        """low <= index < high."""
        found = self.recall(condition)
        if found is None:
            index, low, high = condition
            flag, depth = self._narrow_condition(index + -low, high - low) or \
                self._condition(index + -low, high - low)
            found = self.remember(condition, Emitted(Value(flag, BOOL), depth))
        return found  # type: ignore[no-any-return]

    def _condition(self, index: Index, size: int) -> tuple[ir.Value, int]:
        value, depth = self.index(index)
        b = self.builder(depth, value.lanes)
        return b.builder.icmp_unsigned("<", value.llvm, b.emit.constant(I64, size)), depth

    def _narrow_condition(self, index: Index, size: int) -> tuple[ir.Value, int] | None:
        """The same in 32 bits, where lanes are evenly spaced small numbers."""
        if not _is_narrow(self.intervals.index(index)):
            return None
        scalars, vectors = self._split(index)
        if len(vectors) != 1 or not vectors[0].over_lanes:
            return None
        start, depth = self._first_lane(scalars, vectors[0])
        b = self.builder(depth, self._lanes_of(vectors))
        if index.const:
            start = b.builder.add(start, constant64(index.const))
        return memory.lanes_below(b, start, vectors[0].coefficient, min(size, NARROW)), depth

    # ---- indices -------------------------------------------------------------------------------

    def index(self, index: Index) -> tuple[Value, int]:
        """An index as i64, a vector if it depends on the vectorized variable."""
        scalars, vectors = self._split(index)
        value, depth = self._scalar_sum(scalars)
        if not vectors:
            if index.const:
                value = self.levels.stack[depth].builder.add(value, constant64(index.const))
            return Value(value, INT64), depth
        depth = max(depth, *(v.depth for v in vectors))
        b = self.builder(depth, self._lanes_of(vectors))
        total = self._vector_sum(vectors, b)
        if scalars or index.const:
            if index.const:
                value = b.builder.add(value, constant64(index.const)) if scalars \
                    else constant64(index.const)
            total = b.builder.add(total, b.emit.splat(value))
        return Value(total, INT64), depth

    def _lanes_of(self, vectors: list[Term]) -> int:
        first = vectors[0]
        if first.over_lanes:
            return self.levels.stack[first.depth].lanes
        return first.value.type.count  # type: ignore[no-any-return]

    def _split(self, index: Index) -> tuple[list[Term], list[Term]]:
        """The terms that are scalars, and those that differ between lanes."""
        scalars: list[Term] = []
        vectors: list[Term] = []
        for term, coefficient in index.terms:
            if isinstance(term, LoopVar):
                depth = self.depth_of(term)
                level = self.levels.stack[depth]
                over_lanes = level.vector is term and level.lanes > 1
                found = Term(level.variables[term], depth, coefficient, term, over_lanes)
            else:
                value, depth = self.emit(term)
                found = Term(value.llvm, depth, coefficient, term)
                over_lanes = value.lanes > 1
            (vectors if over_lanes else scalars).append(found)
        return scalars, vectors

    def _scalar_sum(self, terms: Iterable[Term]) -> tuple[ir.Value, int]:
        """The sum of scalar terms, outer levels first, so that partial sums stay outside loops.
        Sums of loop variables cannot overflow; others can, where no condition holds."""
        total, depth = None, 0
        key: tuple[Any, ...] = ()
        flags: tuple[str, ...] = ("nsw",)
        for value, at, coefficient, name, _ in sorted(terms, key=lambda t: t.depth):
            key = (*key, (name, coefficient))
            depth = max(depth, at)
            flags = () if isinstance(name, Expr) else flags
            found = self.recall(("sum", key))
            if found is None:
                builder = self.levels.stack[depth].builder
                part = value if coefficient == 1 else builder.mul(
                    value, constant64(coefficient), flags=flags)
                total = part if total is None else builder.add(total, part, flags=flags)
                self.levels.stack[depth].memo[("sum", key)] = (total, depth)
            else:
                total, depth = found
        return (constant64(0) if total is None else total), depth

    def _vector_sum(self, terms: list[Term], b: ScalarBuilder) -> ir.Value:
        total = None
        for term in terms:
            if term.over_lanes:
                start = term.value
                if term.coefficient != 1:
                    start = b.builder.mul(start, constant64(term.coefficient))
                part = b.iota(start, INT64, term.coefficient).llvm
            else:
                part = term.value if term.coefficient == 1 else b.builder.mul(
                    term.value, b.emit.constant(I64, term.coefficient))
            total = part if total is None else b.builder.add(total, part)
        return total

    def _lanes_inside(self, b: ScalarBuilder, access: Any, start: ir.Value, stride: int,
                      ) -> ir.Value:
        """The lanes of an access that lie inside its buffer."""
        if self.checks is not None:
            return memory.lanes_inside(b, start, stride, access.buffer.size, True, True)
        low, high = self.intervals.index(access.offset)
        size = access.buffer.size
        if _is_narrow((low, high)) and size < NARROW:
            return memory.lanes_below(b, start, stride, size)
        return memory.lanes_inside(b, start, stride, size, low < 0, high >= size)

    def _outside(self, access: Any) -> tuple[bool, bool, bool]:
        """Whether to mind that a load or store may lie below its buffer, that it may lie above it,
        and whether it would be a fault of ours if it did."""
        low, high = self.intervals.index(access.offset)
        below, above = low < 0, high >= access.buffer.size
        if self.checks is None or below or above:
            return below, above, False
        return True, True, True

    def _may_leave(self, access: Any) -> bool:
        """Whether the analysis leaves it open that an access lies outside of its buffer."""
        below, above, ours = self._outside(access)
        return (below or above) and not ours

    def _expect(self, access: Any, b: ScalarBuilder, inside: ir.Value, mask: ir.Value | None,
                first: ir.Value, step: int = 0) -> None:
        """Report lanes of an access that lie outside (see `Checks.expect`)."""
        assert self.checks is not None
        self.checks.expect(b, inside, mask, first, step, Site(self.kernel, access))

    def _first_lane(self, scalars: list[Term], vector: Term) -> tuple[ir.Value, int]:
        """The offset of the first lane, save the constant, where lanes are `vector`."""
        return self._scalar_sum([*scalars, vector._replace(name=(vector.name, "first lane"))])

    # ---- loads and stores -----------------------------------------------------------------------

    def _load(self, expr: Any, tests: Sequence[Emitted] = ()) -> Emitted:
        """A load, checked where it may lie outside: by `tests`, if there are any."""
        offset, dtype = expr.offset, expr.dtype
        if expr.buffer.size == 0:  # no element exists, so none is chosen
            return Emitted(self.builder(0, 1).constant(0, dtype), 0)
        scalars, vectors = self._split(offset)
        base = self.pointer_of(expr.buffer)
        below, above, ours = self._outside(expr)
        written = expr.buffer.root in self.written
        if not vectors:
            return self._scalar_load(expr, base, scalars, written)
        mask, depth = self._range_mask()
        depth = max(depth, *(t.depth for t in (*vectors, *scalars)))
        if written:
            depth = len(self.levels.stack) - 1
        depth = max(depth, *(t.depth for t in tests)) if tests else depth
        b, level = self.builder(depth, self._lanes_of(vectors)), self.levels.stack[depth]
        if tests:
            mask, below, above = _both(level.builder, mask, self._all(tests, b).llvm), False, False
        stride = _stride(vectors, dtype)
        if stride:
            start, _ = self._first_lane(scalars, vectors[0])
            if below or above:
                first = level.builder.add(start, constant64(offset.const))
                inside = self._lanes_inside(b, expr, first, stride)
                if ours:
                    self._expect(expr, b, inside, mask, first, stride)
                mask = _both(level.builder, mask, inside)
            pointer = memory.element_pointer(level.builder, base, start, dtype)
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
        offsets = self.index(offset)[0].llvm
        if below or above:
            inside = _inside(b, offsets, expr.buffer.size)
            if ours:
                self._expect(expr, b, inside, mask, offsets)
            mask = _both(level.builder, mask, inside)
        return Emitted(memory.gather(b, base, offsets, dtype, mask), depth)

    def _scalar_load(self, expr: Any, base: ir.Value, scalars: list[Term],
                     written: bool) -> Emitted:
        const, dtype = expr.offset.const, expr.dtype
        below, above, ours = self._outside(expr)
        value, depth = self._scalar_sum(scalars)
        depth = max(depth, self.floor if written else 0)
        b = self.builder(depth, 1)
        builder = b.builder
        if below or above:  # the first element instead of one outside
            if const:
                value = builder.add(value, constant64(const))
            inside = _inside(b, value, expr.buffer.size)
            if ours:
                self._expect(expr, b, inside, None, value)
            value = builder.select(inside, value, constant64(0))
            pointer = memory.element_pointer(builder, base, value, dtype)
        else:
            pointer = memory.element_pointer(builder, base, value, dtype) if scalars else base
            if const:
                pointer = memory.element_pointer(builder, pointer, constant64(const), dtype)
        return Emitted(b.load(pointer, dtype), depth)

    def _range_mask(self) -> tuple[ir.Value | None, int]:
        """The lanes within the range of their loop (None: all), and where they are known."""
        for at in range(len(self.levels.stack) - 1, -1, -1):
            if self.levels.stack[at].mask is not None:
                return self.levels.stack[at].mask, at
        return None, 0

    def guarded_store(self, store: Any, value: Value) -> None:
        """Store a value where the conditions of the store hold, at the innermost level."""
        level = self.levels.top
        b = level.scalar_builder()
        tests = [self.condition(c) for c in store.where]
        scalars, vectors = self._split(store.offset)
        flag = self._all(tests, b).llvm if tests else None
        if vectors:
            mask = _both(level.builder, level.mask, flag)
            self._store_lanes(store, value, scalars, vectors, mask)
            return
        assert value.lanes == 1, "all lanes into one element"
        total, _ = self._scalar_sum(scalars)
        const = store.offset.const
        total = level.builder.add(total, constant64(const)) if const else total
        below, above, ours = self._outside(store)
        if below or above:
            one = level.scalar_builder(1)
            inside = _inside(one, total, store.buffer.size)
            if ours:
                self._expect(store, one, inside, flag, total)
            flag = _both(level.builder, flag, inside)
        base = self.pointer_of(store.buffer)
        if flag is not None:
            self.levels.open_if(flag)
        b = self.levels.top.scalar_builder()
        b.store(value, memory.element_pointer(b.builder, base, total, value.dtype))
        if flag is not None:
            self.levels.close()

    def _store_lanes(self, store: Any, value: Value, scalars: list[Term], vectors: list[Term],
                     mask: ir.Value | None) -> None:
        """Store a vector, where the mask holds."""
        level = self.levels.top
        b = level.scalar_builder()
        base, const = self.pointer_of(store.buffer), store.offset.const
        below, above, ours = self._outside(store)
        if len(vectors) == 1 and vectors[0].over_lanes and vectors[0].coefficient == 1:
            start, _ = self._first_lane(scalars, vectors[0])
            start = level.builder.add(start, constant64(const)) if const else start
            if below or above:
                inside = self._lanes_inside(b, store, start, 1)
                if ours:
                    self._expect(store, b, inside, mask, start, 1)
                mask = _both(level.builder, mask, inside)
            pointer = memory.element_pointer(level.builder, base, start, value.dtype)
            if mask is None:
                b.store(value, pointer)
            else:
                memory.masked_store(b, value, pointer, mask)
            return
        offsets = self.index(store.offset)[0].llvm
        if below or above:
            inside = _inside(b, offsets, store.buffer.size)
            if ours:
                self._expect(store, b, inside, mask, offsets)
            mask = _both(level.builder, mask, inside)
        memory.scatter(b, value, base, offsets, mask)


def _is_narrow(interval: tuple[float, float]) -> bool:
    """Whether numbers, and those a few vectors away, fit in 32 bits."""
    return -NARROW < interval[0] and interval[1] < NARROW


def _both(builder: ir.IRBuilder, a: ir.Value | None, b: ir.Value | None) -> ir.Value | None:
    """Two masks as one; None is no mask."""
    if a is None or b is None:
        return b if a is None else a
    return builder.and_(a, b)


def _inside(b: ScalarBuilder, offsets: ir.Value, size: int) -> ir.Value:
    """Whether offsets lie in a buffer of so many elements."""
    return b.builder.icmp_unsigned("<", offsets, b.emit.constant(I64, size))


def _stride(vectors: list[Term], dtype: Any) -> int:
    """The step between the elements that lanes load, if vectors can be read whole, else 0; -1 is
    for elements side by side that are read backwards."""
    if len(vectors) != 1 or not vectors[0].over_lanes:
        return 0
    coefficient = vectors[0].coefficient
    longest = 1 if layout_of(dtype).kind == "complex" else memory.LONGEST_STRIDE
    return coefficient if coefficient == -1 or 1 <= coefficient <= longest else 0


def component_bits(dtype: Any) -> int:
    """The bits of one register element of a dtype; 0 for bools, which fit any lane count."""
    layout = layout_of(dtype)
    return 0 if layout.register is I1 else max(layout.bits, 32 if layout.kind == "float" else 0)
