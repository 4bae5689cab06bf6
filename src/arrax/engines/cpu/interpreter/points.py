"""Expressions of the loop IR at many points at once.

`Points` binds each loop variable to an array of its values, an axis for each loop, so that an
expression is one array over all points. With each array goes where it is *valid*: a load outside
its buffer, of bytes that nobody wrote, or of what another point writes, is not; an operation on
something invalid is not; a choice is valid where what it chooses is, and `outside`, which native
code loads in any case, must be so everywhere.
"""
from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np

from arrax.engines.cpu import loop_ir as ir
from arrax.engines.cpu.interpreter.memory import Bytes
from arrax.engines.cpu.loop_ir import Buffer, Expr, Index, LoopVar
from arrax.engines.cpu.loop_text import expr_text

INT64 = np.dtype(np.int64)


class Fault(Exception):
    """The program does what the loop IR forbids."""


class At(NamedTuple):
    """Values at all points, and where they are valid (None: everywhere)."""

    array: np.ndarray
    valid: np.ndarray | None = None


class Writer(NamedTuple):
    """Which point writes each byte of the memory from `address` on (-1: none), for one store.

    `outer` numbers the point of the kernel's outer loops, `inner` that of the stage's, `kept` that
    of those loops of the stage that a fold keeps.
    """

    address: int
    stage: int
    folded: bool
    outer: np.ndarray
    inner: np.ndarray
    kept: np.ndarray


class Points:
    """All points of the outer loops and of the loops of a stage.

    `outer` has values of the outer variables already; with `loops` come further axes. `folded`
    points are those after a fold, whose loops are the kept ones only; `kept` is how many of `loops`
    those are.
    """

    def __init__(self, outer: dict[LoopVar, np.ndarray], outer_shape: tuple[int, ...],
                 loops: Sequence[LoopVar], locals_: dict[Expr, np.ndarray],
                 memory: Callable[[Buffer], Bytes], stage: int = 0, folded: bool = False,
                 kept: int | None = None, writers: Sequence[Writer] = ()):
        self.shape = (*outer_shape, *(v.extent for v in loops))
        rank = len(self.shape)
        self.values = {v: _axes(a, rank) for v, a in outer.items()}
        for axis, var in enumerate(loops, len(outer_shape)):
            self.values[var] = _along(np.arange(var.extent), axis, rank)
        self.locals, self.memory, self.writers = locals_, memory, writers
        self.stage, self.folded = stage, folded
        self.outer_ids = _numbering(self.shape, 0, len(outer_shape))
        first = len(outer_shape)
        self.inner_ids = _numbering(self.shape, first, rank)
        self.kept_ids = self.inner_ids if kept is None else _numbering(
            self.shape, first, first + kept)
        self.memo: dict[int, At] = {}
        self.faults: dict[int, str] = {}

    # ---- expressions -----------------------------------------------------------------------------

    def value(self, root: Expr) -> At:
        """An expression at all points."""
        for expr in ir.walk([root], self.memo):
            self.memo[expr.serial] = self._evaluate(expr)
        return self.memo[root.serial]

    def _evaluate(self, expr: Expr) -> At:
        if isinstance(expr, ir.Constant):
            return At(np.asarray(expr.value).astype(expr.dtype))
        if isinstance(expr, ir.Load):
            return self._load(expr)
        if isinstance(expr, ir.Apply):
            return self._apply(expr)
        if isinstance(expr, ir.Position):
            index = self.index(expr.index)
            return At(index.array.astype(expr.dtype), index.valid)
        if isinstance(expr, ir.Quotient):
            return self._divide(expr)
        if isinstance(expr, ir.Choose):
            return self._choose(expr)
        if expr not in self.locals:
            raise Fault("a local before its fold")
        return At(_axes(self.locals[expr], len(self.shape)))

    def _apply(self, expr: ir.Apply) -> At:
        args = [self.memo[a.serial] for a in expr.args]
        arrays = [a.array for a in args]
        if len({a.shape for a in arrays}) > 1:
            arrays = list(np.broadcast_arrays(*arrays))
        out = np.asarray(expr.operation.evaluate(*arrays, **expr.params))
        if out.dtype != expr.dtype:
            raise Fault(f"{expr.operation.name} gives {out.dtype}, not {expr.dtype}")
        return At(out, _all_valid(a.valid for a in args))

    def _divide(self, expr: ir.Quotient) -> At:
        index = self.index(expr.index)
        function = np.remainder if isinstance(expr, ir.Remainder) else np.floor_divide
        valid = _all_valid([index.valid, _or_none(index.array >= 0)])
        if valid is not None:
            self.faults[expr.serial] = f"divides a negative index: {expr_text(expr)}"
        return At(function(index.array, expr.divisor), valid)

    def _choose(self, expr: ir.Choose) -> At:
        inside, outside = self.memo[expr.inside.serial], self.memo[expr.outside.serial]
        if expr.inside.dtype != expr.outside.dtype:
            raise Fault(f"a choice between {expr.inside.dtype} and {expr.outside.dtype}")
        holds = self.conditions(expr.conditions)
        chosen = np.where(holds.array, inside.array, outside.array)
        guarded = None if inside.valid is None else inside.valid | ~holds.array
        return At(chosen, _all_valid([guarded, outside.valid, holds.valid]))

    def conditions(self, conditions: Sequence[tuple[Index, int, int]]) -> At:
        """Where all conditions hold."""
        holds, valid = np.asarray(True), None
        for index, low, high in conditions:
            at = self.index(index)
            holds = holds & (low <= at.array) & (at.array < high)
            valid = _all_valid([valid, at.valid])
        return At(holds, valid)

    def index(self, index: Index) -> At:
        """An index at all points."""
        total, valid = np.asarray(index.const, INT64), None
        for term, coefficient in index.terms:
            if isinstance(term, LoopVar):
                if term not in self.values:
                    raise Fault("a loop variable outside its loop")
                total = total + self.values[term] * coefficient
            else:
                at = self.value(term)
                if at.array.dtype.kind not in "iu":
                    raise Fault("an index that is no integer")
                total = total + at.array.astype(INT64) * coefficient
                valid = _all_valid([valid, at.valid])
        return At(total, valid)

    # ---- memory ----------------------------------------------------------------------------------

    def places(self, buffer: Buffer, offset: np.ndarray) -> tuple[np.ndarray, np.ndarray | None]:
        """The elements of the root's memory that offsets mean, and which lie inside the buffer;
        each outer point has a row buffer of its own."""
        inside = (offset >= 0) & (offset < buffer.size)
        if not inside.all():
            offset = np.where(inside, offset, 0)
        if buffer.root.kind == "row":
            offset = offset + self.outer_ids * (buffer.root.nbytes // buffer.dtype.itemsize)
        return offset, _or_none(inside)

    def _load(self, expr: ir.Load) -> At:
        buffer, index = expr.buffer, self.index(expr.offset)
        if buffer.size == 0:
            self.faults[expr.serial] = f"reads of an empty buffer: {expr_text(expr)}"
            return At(np.zeros((), buffer.dtype), np.zeros(index.array.shape, bool))
        place, inside = self.places(buffer, index.array)
        memory = self.memory(buffer)
        valid = _all_valid([index.valid, inside])
        if inside is not None:
            wrong = np.broadcast_to(index.array, inside.shape)[~inside]
            self.faults[expr.serial] = (f"reads element {wrong[0]} of {buffer.size}: "
                                        f"{expr_text(expr)}")
        bytes_ = None
        if memory.ready is not None and not memory.ready.all():
            bytes_ = place[..., None] * buffer.dtype.itemsize + np.arange(buffer.dtype.itemsize)
            written = _or_none(np.asarray(memory.ready[bytes_].all(-1)))
            if written is not None:
                self.faults.setdefault(expr.serial, f"reads what nobody wrote: {expr_text(expr)}")
                valid = _all_valid([valid, written])
        for writer in self.writers:
            own = self._is_own(writer, buffer.dtype.itemsize, place, memory.address)
            if own is not None:
                self.faults.setdefault(
                    expr.serial, f"reads what another point writes: {expr_text(expr)}")
                valid = _all_valid([valid, own])
        return At(memory.elements(buffer.dtype)[place], valid)

    def _is_own(self, writer: Writer, size: int, place: np.ndarray, address: int,
                ) -> np.ndarray | None:
        """Where no other point than the one that reads an element writes any byte of it."""
        bytes_ = place[..., None] * size + np.arange(size) + (address - writer.address)
        within = (bytes_ >= 0) & (bytes_ < len(writer.outer))
        if not within.any():
            return None
        bytes_ = np.where(within, bytes_, 0)
        outer = np.where(within, writer.outer[bytes_], -1)
        own = (outer == -1) | (outer == self.outer_ids[..., None])
        if writer.stage == self.stage:
            ids, theirs = (self.kept_ids, writer.kept) if writer.folded or self.folded \
                else (self.inner_ids, writer.inner)
            own &= (outer == -1) | (theirs[bytes_] == ids[..., None])
        return _or_none(np.asarray(own.all(-1)))

    def explained(self, roots: Sequence[Expr]) -> str:
        """What made one of these expressions invalid."""
        for expr in ir.walk(roots):
            if expr.serial in self.faults:
                return self.faults[expr.serial]
        return "uses an invalid value"


def _axes(array: np.ndarray, rank: int) -> np.ndarray:
    """With further axes of size 1 at the end, up to a rank."""
    return array.reshape((*array.shape, *[1] * (rank - array.ndim)))


def _along(array: np.ndarray, axis: int, rank: int) -> np.ndarray:
    return array.reshape([-1 if i == axis else 1 for i in range(rank)])


def _numbering(shape: tuple[int, ...], first: int, last: int) -> np.ndarray:
    """A number for each point along the axes from `first` to `last`."""
    count = int(np.prod(shape[first:last], dtype=np.int64))
    return np.arange(count).reshape(
        [1] * first + list(shape[first:last]) + [1] * (len(shape) - last))


def _or_none(flags: np.ndarray) -> np.ndarray | None:
    return None if flags.all() else flags


def _all_valid(flags: Any) -> np.ndarray | None:
    result = None
    for flag in flags:
        if flag is not None:
            result = flag if result is None else result & flag
    return None if result is None else _or_none(result)
