"""The loop IR: what a program is between the jaxpr and LLVM.

    region   ::= Region(steps)                 run in order
    step     ::= Kernel(outer, stages)         a loop nest over `outer`, its points independent
               | Copy(source, target)
               | HostCallStep(eqn, operands, results)
               | LibraryStep(eqn, operands, results)
               | WhileStep | ScanStep | CondStep       with regions of their own
    stage    ::= Map(vars, stores)             stores at every point of `vars`
               | Reduce(kept, reduced, items, stores)
                     per point of `kept` fold the items over `reduced`, then do the stores
    store    ::= Store(buffer, offset, expr, where)   where: conditions (index, low, high)
    expr     ::= Constant | Load(buffer, offset) | Apply(operation, params, args) | Position(index)
               | Quotient(index, divisor) | Remainder(index, divisor)
               | Choose(conditions, inside, outside) | Local(number)
    index    ::= const + sum of coefficient * (loop variable | integer expr)

Offsets count elements of a C-contiguous buffer. Expressions are compared by identity; whoever
builds them shares equal ones. The invariants stand at the head of `passes/verify.py`.
"""
from __future__ import annotations

import itertools
import math
from collections.abc import Container, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from arrax.engines.cpu.operations import Operation

_serials = itertools.count()


class LoopVar:
    """A loop counter from 0 to `extent`."""

    __slots__ = ("extent", "serial")

    def __init__(self, extent: int):
        self.extent = extent
        self.serial = next(_serials)


class Buffer:
    """Memory of a shape and storage dtype, C-contiguous.

    `kind` is "input", "output" (of the program, with `position`), "temporary" (in the arena, at
    `offset` once bufferized), "scalar" (on the stack) or "bound" (a pointer that a loop computes).
    A buffer with a `base` is the same value under another shape or dtype. One with a `home` holds a
    value of its own, in memory that `coalesce` lets it share with other values. Either way the two
    begin at the same address and have equally many bytes.
    """

    __slots__ = ("shape", "dtype", "kind", "position", "offset", "base", "home", "serial",
                 "eqn")

    def __init__(self, shape: Sequence[int], dtype: Any, kind: str, position: int = -1,
                 base: Buffer | None = None):
        self.shape = tuple(shape)
        self.dtype: np.dtype[Any] = np.dtype(dtype)
        self.kind = kind
        self.position = position
        self.offset = -1
        self.base = base
        self.home: Buffer | None = None
        self.eqn: Any = None  # what computes it, for messages
        self.serial = next(_serials)

    @property
    def size(self) -> int:
        return math.prod(self.shape)

    @property
    def nbytes(self) -> int:
        return self.size * self.dtype.itemsize

    @property
    def root(self) -> Buffer:
        """The buffer whose memory this is."""
        buffer = self
        while (below := buffer.base or buffer.home) is not None:
            buffer = below
        return buffer

    @property
    def value(self) -> Buffer:
        """The buffer whose value this is, whichever memory it stands in."""
        buffer = self
        while buffer.base is not None:
            buffer = buffer.base
        return buffer


# ---- indices -----------------------------------------------------------------------------------

@dataclass(frozen=True, slots=True)
class Index:
    """const + sum of coefficient * term; terms are loop variables or integer expressions."""

    const: int = 0
    terms: tuple[tuple[Any, int], ...] = ()

    def __add__(self, other: Index | int) -> Index:
        if isinstance(other, int):
            return Index(self.const + other, self.terms)
        if not self.terms or not other.terms:
            return Index(self.const + other.const, self.terms or other.terms)
        total = dict(self.terms)
        for term, coefficient in other.terms:
            total[term] = total.get(term, 0) + coefficient
        ordered = sorted(total.items(), key=lambda item: item[0].serial)
        return Index(self.const + other.const, tuple(t for t in ordered if t[1]))

    def __mul__(self, factor: int) -> Index:
        if factor == 1:
            return self
        if factor == 0:
            return ZERO
        return Index(self.const * factor, tuple((t, c * factor) for t, c in self.terms))

    def coefficient(self, var: Any) -> int:
        for term, coefficient in self.terms:
            if term is var:
                return coefficient
        return 0


ZERO = Index()


def index_of(term: LoopVar | Expr) -> Index:
    """The index that is one loop variable or integer expression."""
    if isinstance(term, LoopVar) and term.extent == 1:
        return ZERO
    return Index(0, ((term, 1),))


def strides_of(shape: Sequence[int]) -> list[int]:
    """Row-major strides in elements."""
    strides = [1] * len(shape)
    for axis in range(len(shape) - 2, -1, -1):
        strides[axis] = strides[axis + 1] * shape[axis + 1]
    return strides


def offset_of(shape: Sequence[int], index: Sequence[Index]) -> Index:
    """The element offset of an index into a C-contiguous array; size-1 axes have index 0."""
    total = ZERO
    for extent, stride, position in zip(shape, strides_of(shape), index, strict=True):
        if extent != 1:
            total = total + position * stride
    return total


# ---- expressions -------------------------------------------------------------------------------

class Expr:
    """Base of expressions; compared by identity."""

    __slots__ = ("dtype", "serial")
    dtype: np.dtype[Any]

    def __init__(self, dtype: Any):
        self.dtype = dtype
        self.serial = next(_serials)

    @property
    def children(self) -> tuple[Expr, ...]:
        return ()


class Constant(Expr):
    __slots__ = ("value",)

    def __init__(self, value: Any, dtype: Any):
        super().__init__(dtype)
        self.value = value


class Load(Expr):
    __slots__ = ("buffer", "offset")

    def __init__(self, buffer: Buffer, offset: Index):
        super().__init__(buffer.dtype)
        self.buffer, self.offset = buffer, offset

    @property
    def children(self) -> tuple[Expr, ...]:
        return index_children(self.offset)


class Apply(Expr):
    """An operation on expressions; params are hashable."""

    __slots__ = ("operation", "params", "args", "eqn")

    def __init__(self, operation: Operation, params: dict[str, Any], args: Sequence[Expr],
                 dtype: Any, eqn: Any = None):
        super().__init__(dtype)
        self.operation, self.params, self.args = operation, params, tuple(args)
        self.eqn = eqn  # where it came from, for messages; no part of what it is

    @property
    def children(self) -> tuple[Expr, ...]:
        return self.args


class Position(Expr):
    """The value of an index, in any dtype."""

    __slots__ = ("index",)

    def __init__(self, index: Index, dtype: Any):
        super().__init__(dtype)
        self.index = index

    @property
    def children(self) -> tuple[Expr, ...]:
        return index_children(self.index)


class Quotient(Expr):
    """index // divisor, for an index >= 0."""

    __slots__ = ("index", "divisor")

    def __init__(self, index: Index, divisor: int):
        super().__init__(np.dtype(np.int64))
        self.index, self.divisor = index, divisor

    @property
    def children(self) -> tuple[Expr, ...]:
        return index_children(self.index)


class Remainder(Quotient):
    """index % divisor, for an index >= 0."""

    __slots__ = ()


class Choose(Expr):
    """`inside` where low <= index < high for all conditions (index, low, high), else `outside`.

    Loads of `inside` happen only where the conditions hold.
    """

    __slots__ = ("conditions", "inside", "outside")

    def __init__(self, conditions: Iterable[tuple[Index, int, int]], inside: Expr, outside: Expr):
        super().__init__(inside.dtype)
        self.conditions = tuple(conditions)
        self.inside, self.outside = inside, outside

    @property
    def children(self) -> tuple[Expr, ...]:
        conditions = [e for index, _, _ in self.conditions for e in index_children(index)]
        return (self.inside, self.outside, *conditions)


class Local(Expr):
    """The result of a reduction of this kernel, at the current point of its kept variables."""

    __slots__ = ()


def index_children(index: Index) -> tuple[Expr, ...]:
    """The expressions among the terms of an index."""
    return tuple(term for term, _ in index.terms if isinstance(term, Expr))


def divide(index: Index, divisor: int) -> tuple[Index, Index]:
    """(index // divisor, index % divisor) for an index >= 0; exact parts stay affine."""
    if divisor == 1:
        return index, ZERO
    exact = [(t, c) for t, c in index.terms if c % divisor == 0]
    rest = [(t, c) for t, c in index.terms if c % divisor]
    least = lower_bound(Index(index.const % divisor, tuple(rest)))
    if least == -math.inf:
        return index_of(Quotient(index, divisor)), index_of(Remainder(index, divisor))
    shift = max(0, -(-int(-least) // divisor))  # keeps the low part at or above 0
    low = Index(index.const % divisor + shift * divisor, tuple(rest))
    high = Index(index.const // divisor - shift, tuple((t, c // divisor) for t, c in exact))
    if upper_bound(low) < divisor:
        return high, low
    return high + index_of(Quotient(low, divisor)), index_of(Remainder(low, divisor))


def lower_bound(index: Index) -> float:
    """The least value of an index, minus infinity if unknown; assumes terms >= 0."""
    total: float = index.const
    for term, coefficient in index.terms:
        if coefficient < 0:
            if not isinstance(term, LoopVar):
                return -math.inf
            total += coefficient * (term.extent - 1)
    return total


def upper_bound(index: Index) -> float:
    """The largest value of an index, infinity if unknown; assumes terms >= 0."""
    total: float = index.const
    for term, coefficient in index.terms:
        if isinstance(term, LoopVar):
            total += max(coefficient, 0) * (term.extent - 1)
        elif isinstance(term, Remainder):
            total += max(coefficient, 0) * (term.divisor - 1)
        else:
            return math.inf
    return total


# ---- stages and steps --------------------------------------------------------------------------

@dataclass(slots=True)
class Store:
    """buffer[offset] = expr, where all conditions (index, low, high) hold."""

    buffer: Buffer
    offset: Index
    expr: Expr
    where: tuple[tuple[Index, int, int], ...] = ()


@dataclass(slots=True)
class Map:
    """For every point of `vars`, the stores; in order, one after the other, if `ordered`.

    Stages are not changed once they stand in a kernel: `stage_buffers`, `places.stage_loads` and
    the verifier keep what they have found out.
    """

    vars: list[LoopVar]
    stores: list[Store]
    ordered: bool = False
    buffers: tuple[Buffer, ...] | None = field(default=None, repr=False, compare=False)
    loads: tuple[Load, ...] | None = field(default=None, repr=False, compare=False)
    facts: Any = field(default=None, repr=False, compare=False)  # the verifier's


@dataclass(slots=True)
class ReduceItem:
    """One fold by an operation of two operands, or of two pairs where there are two expressions.

    `initial` holds the start values (NumPy scalars), an identity of the fold.
    """

    operation: Operation
    initial: list[Any]
    exprs: list[Expr]
    results: list[Local]


@dataclass(slots=True)
class Reduce:
    """For every point of `kept`: fold the items over `reduced`, then do the stores.

    `inner` stores happen at every point of the reduction.
    """

    kept: list[LoopVar]
    reduced: list[LoopVar]
    items: list[ReduceItem]
    stores: list[Store]
    inner: list[Store] = field(default_factory=list)
    buffers: tuple[Buffer, ...] | None = field(default=None, repr=False, compare=False)
    loads: tuple[Load, ...] | None = field(default=None, repr=False, compare=False)
    facts: Any = field(default=None, repr=False, compare=False)  # the verifier's


Stage = Map | Reduce


@dataclass(slots=True)
class Kernel:
    """The stages, one after the other, at every point of `outer`."""

    outer: list[LoopVar]
    stages: list[Stage]
    name: str = "kernel"


@dataclass(slots=True)
class Copy:
    """target = source, of equal sizes; nothing if they are the same memory."""

    source: Buffer
    target: Buffer

    @property
    def moves(self) -> bool:
        """Whether bytes move."""
        return self.source.root is not self.target.root


@dataclass(slots=True)
class HostCallStep:
    """The NumPy evaluation of an equation, called from native code."""

    eqn: Any
    operands: list[Buffer]
    results: list[Buffer]


@dataclass(slots=True)
class LibraryStep:
    """An equation as a call of a runtime function, as `library_plans` has it.

    `updates`: the result holds the equation's first operand already, and is changed in place.
    """

    eqn: Any
    operands: list[Buffer]
    results: list[Buffer]
    updates: bool = False
    scratch: Buffer | None = None


@dataclass(slots=True)
class Region:
    """Steps in order. `parameters` are bound by the step that owns the region."""

    parameters: list[Buffer]
    steps: list[Any]
    results: list[Buffer]


@dataclass(slots=True)
class WhileStep:
    """While the condition's only result holds, run the body; `carries` are updated in place.

    `updates` are the body's copies of its results into `carries`, made after its last step.
    """

    condition: Region
    body: Region
    carries: list[Buffer]


@dataclass(slots=True)
class ScanStep:
    """`length` times the body, on slices of `inputs`, writing slices of `outputs`.

    The body's parameters that are slices are listed in `slices` (buffer of the slice, whole).
    """

    length: int
    reverse: bool
    body: Region
    slices: list[tuple[Buffer, Buffer]]


@dataclass(slots=True)
class CondStep:
    """Run the branch that the (clamped) index says."""

    index: Buffer
    branches: list[Region]


Step = Kernel | Copy | HostCallStep | LibraryStep | WhileStep | ScanStep | CondStep


def regions_of(step: Any) -> list[Region]:
    """The regions inside a step."""
    if isinstance(step, WhileStep):
        return [step.condition, step.body]
    if isinstance(step, ScanStep):
        return [step.body]
    return step.branches if isinstance(step, CondStep) else []


def host_calls(region: Region) -> list[HostCallStep]:
    """The host calls of a region and the regions inside, which programs call by their numbers."""
    found: list[HostCallStep] = []
    for step in region.steps:
        if isinstance(step, HostCallStep):
            found.append(step)
        for inner in regions_of(step):
            found += host_calls(inner)
    return found


def expressions_cost(exprs: Iterable[Expr]) -> int:
    """What one evaluation of expressions costs, in additions."""
    return sum(e.operation.cost if isinstance(e, Apply) else 1 for e in walk(exprs))


def stages_loads(stage: Stage) -> list[Expr]:
    """The expressions that a stage evaluates."""
    exprs = [store.expr for store in stage.stores]
    if isinstance(stage, Reduce):
        exprs += [e for item in stage.items for e in item.exprs]
        exprs += [store.expr for store in stage.inner]
    return exprs


def walk(roots: Iterable[Expr], known: Container[int] = ()) -> list[Expr]:
    """All expressions below `roots`, each once, operands first; not those of `known` serials."""
    order: list[Expr] = []
    seen: set[int] = set()
    stack: list[tuple[Expr, bool]] = [(root, False) for root in roots]
    while stack:
        expr, done = stack.pop()
        if done:
            order.append(expr)
        elif expr.serial not in seen and expr.serial not in known:
            seen.add(expr.serial)
            stack.append((expr, True))
            stack.extend((child, False) for child in expr.children)
    return order


def stage_roots(stage: Stage, folded: bool) -> list[Expr | Index]:
    """What a stage evaluates: expressions, offsets and conditions. Of a reduction, those inside the
    fold, or (`folded`) those of the stores after it."""
    if isinstance(stage, Map):
        stores = [] if folded else stage.stores
    else:
        stores = stage.stores if folded else stage.inner
    roots: list[Expr | Index] = []
    for store in stores:
        roots += [store.expr, store.offset, *(index for index, _, _ in store.where)]
    if isinstance(stage, Reduce) and not folded:
        roots += [e for item in stage.items for e in item.exprs]
    return roots


def stores_of(stage: Stage) -> list[Store]:
    """All stores of a stage."""
    return [*stage.stores, *(stage.inner if isinstance(stage, Reduce) else [])]


def stage_buffers(stage: Stage) -> tuple[Buffer, ...]:
    """The buffers that a stage reads or writes, each once, in an order that programs determine."""
    if stage.buffers is None:
        stores = stores_of(stage)
        indices = [i for s in stores for i in (s.offset, *(i for i, _, _ in s.where))]
        exprs = [*stages_loads(stage), *(e for index in indices for e in index_children(index))]
        loaded = [expr.buffer for expr in walk(exprs) if isinstance(expr, Load)]
        stage.buffers = tuple(dict.fromkeys([*loaded, *(store.buffer for store in stores)]))
    return stage.buffers


def kernel_buffers(kernel: Kernel) -> tuple[Buffer, ...]:
    """The buffers that a kernel reads or writes, each once."""
    if len(kernel.stages) == 1:
        return stage_buffers(kernel.stages[0])
    return tuple(dict.fromkeys(b for stage in kernel.stages for b in stage_buffers(stage)))
