"""Verify the loop IR after each pass, in every compile.

Invariants, by the names that errors give them:

loops         a loop runs at least once
scopes        indices use loop variables of the loops around them; what is stored after a fold
              uses none of the folded ones; the result of a fold is read after it, in its kernel
dtypes        those of operations, choices, folds and stores agree (`verify_dtypes`); what is loaded
              has the buffer's; a fold has as many starts and results as it has operands; indices
              are made of integers
bounds        each load and store lies inside its buffer, whatever the loop variables and
              the expressions in its offset are, where the conditions around it hold; quotients
              and remainders are of indices that are not negative there (`prove_accesses`)
dependences   what a kernel loads of memory that it stores is the very element that it stores at
              that point, as the same dtype; or lies in the row of its own outer point (where no
              other point stores), and stands in another stage; or all points of an earlier stage
              are before it
races         unless a stage is in order, its points store to places of their own
order         what a step reads is written before, on all ways there
sizes         the sides of a copy are of equal size, a scalar slot holds one element, and after
              bufferize each temporary has a place

`verify_aliases` checks what shares memory, after the passes that make it so.

A bound that cannot be proved is no error unless it is clearly wrong: the emitter writes a check
of each access that it does not see to be inside (`kernels/emit_expr.py`), so what is not proved is
safe, and slower. `counts["unproved"]` counts those of all programs; tests expect none.
"""
from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from arrax.core.errors import InternalError
from arrax.engines.cpu import loop_ir as ir
from arrax.engines.cpu.loop_ir import Buffer, Expr, Index, Kernel, LoopVar
from arrax.engines.cpu.loop_text import excerpt
from arrax.engines.cpu.prove_accesses import Prover
from arrax.engines.cpu.passes.verify_dtypes import dtype_problem
from arrax.engines.cpu.places import (indices_of, is_injective, keep_to_rows, row_length,
                                      same_element, stage_loads, stage_variables)


counts = {"unproved": 0}  # of this process


class Broken(Exception):
    """An invariant does not hold: its name, what is wrong, and the access or store that is."""

    def __init__(self, invariant: str, problem: str, culprit: Any = None):
        super().__init__(f"{invariant}: {problem}")
        self.culprit = culprit


def verify(region: ir.Region, pass_name: str = "", placed: bool = False) -> int:
    """Raise InternalError, naming the invariant, the pass and the lines around, where one does not
    hold. Gives how many accesses could not be proved to stay inside of their buffers."""
    verifier = _Verifier(pass_name, placed)
    verifier.region(region, set())
    return verifier.unproved


@dataclass(slots=True)
class _Facts:
    """What is known of a stage from itself alone, so that it is found once for all passes."""

    free: set[LoopVar] = field(default_factory=set)  # loops of others that it uses
    reads: set[Expr] = field(default_factory=set)  # results of folds of earlier stages
    makes: set[Expr] = field(default_factory=set)
    broken: Broken | None = None
    unproved: int = 0


class _Verifier:
    def __init__(self, pass_name: str, placed: bool):
        self.pass_name, self.placed = pass_name, placed
        self.prover = Prover()
        self.unproved = 0

    # ---- steps ---------------------------------------------------------------------------------

    def region(self, region: ir.Region, written: set[Buffer]) -> None:
        """The steps in order; `written` is the memory that holds something, and grows."""
        for step in region.steps:
            try:
                self.step(step, written)
            except Broken as broken:
                raise self.error(broken, excerpt(step, broken.culprit)) from None
        try:
            _need(region.results, written, "a result")
        except Broken as broken:
            end = excerpt(region.steps[-1]) if region.steps else "  nothing"
            raise self.error(broken, f"after\n{end}") from None

    def error(self, broken: Broken, lines: str) -> InternalError:
        after = f" after {self.pass_name}" if self.pass_name else ""
        return InternalError(f"loop IR{after}: {broken}\n{lines}")

    def step(self, step: Any, written: set[Buffer]) -> None:
        if isinstance(step, Kernel):
            self.kernel(step, written)
        elif isinstance(step, ir.Copy):
            if step.source.nbytes != step.target.nbytes:
                raise Broken("sizes", "a copy between different sizes")
            _need([step.source], written, "the source of a copy")
            written.add(step.target.root)
        elif isinstance(step, (ir.HostCallStep, ir.LibraryStep)):
            _need(step.operands, written, "an operand")
            if getattr(step, "updates", False):
                _need(step.results, written, "what is updated")
            written |= {b.root for b in step.results}
        else:
            self.control(step, written)

    def control(self, step: Any, written: set[Buffer]) -> None:
        """Regions see what was written before; what all ways write is written after."""
        if isinstance(step, ir.WhileStep):
            _need(step.carries, written, "a carry")
            self.region(step.condition, written)
            self.region(step.body, set(written))
        elif isinstance(step, ir.ScanStep):
            inside = written | {piece.root for piece, whole in step.slices
                                if _holds(whole, written)}
            self.region(step.body, inside)
            written |= {whole.root for piece, whole in step.slices if piece.root in inside}
        else:
            _need([step.index], written, "the index")
            ways = [set(written) for _ in step.branches]
            for branch, way in zip(step.branches, ways, strict=True):
                self.region(branch, way)
            written |= set.intersection(*ways)

    # ---- kernels -------------------------------------------------------------------------------

    def kernel(self, kernel: Kernel, written: set[Buffer]) -> None:
        if any(v.extent < 1 for v in kernel.outer):
            raise Broken("loops", "an empty loop")
        made: set[Expr] = set()
        stored: set[Buffer] = set()
        for stage in kernel.stages:
            facts = stage.facts
            if facts is None:
                facts = stage.facts = self.facts(stage)
            if facts.broken is not None:
                raise facts.broken
            if not facts.free.issubset(kernel.outer):
                raise Broken("scopes", "a loop variable outside its loop")
            if not facts.reads <= made:
                raise Broken("scopes", "the result of a fold before the fold")
            made |= facts.makes
            self.unproved += facts.unproved
            for load in stage_loads(stage):
                if load.buffer.root not in written:
                    _need([load.buffer], written, "memory", load)
            for store in ir.stores_of(stage):
                root = store.buffer.root
                written.add(root)
                stored.add(root)
                if root.kind == "scalar" and root.size != 1:
                    raise Broken("sizes", "a scalar slot of several elements", store)
        self.places(kernel)
        _check_races(kernel)
        _check_dependences(kernel, stored)

    def places(self, kernel: Kernel) -> None:
        if self.placed and any(b.root.kind == "temporary" and b.root.offset < 0
                               for b in ir.kernel_buffers(kernel)):
            raise Broken("sizes", "a temporary without a place")

    def facts(self, stage: ir.Stage) -> _Facts:
        """Look at all that a stage evaluates."""
        facts = _Facts()
        try:
            self._look(stage, facts)
        except Broken as broken:
            facts.broken = broken
        return facts

    def _look(self, stage: ir.Stage, facts: _Facts) -> None:
        own = stage_variables(stage)
        if any(v.extent < 1 for v in own):
            raise Broken("loops", "an empty loop")
        _check_dtypes(stage)
        if isinstance(stage, ir.Map):
            order, roots = _uses(stage, False, facts, own)
        else:
            order, roots = _uses(stage, False, facts, own)
            facts.makes = {local for item in stage.items for local in item.results}
            more, more_roots = _uses(stage, True, facts, stage.kept)
            order, roots = [*order, *more], [*roots, *more_roots]
        for claim in self.prover.unproved(roots, order, ir.stores_of(stage)):
            if claim.is_exact:
                low, high = self.prover.intervals.index(claim.offset)
                raise Broken("bounds", f"an index from {low} to {high} where 0 to "
                             f"{claim.size - 1} are inside", claim.what)
            facts.unproved += 1


def _uses(stage: ir.Stage, folded: bool, facts: _Facts,
          loops: Sequence[LoopVar]) -> tuple[list[Expr], list[Expr]]:
    """The expressions of a part of a stage, operands first, and those that it asks for. Notes which
    loops around the stage, and which results of folds, they use."""
    given = ir.stage_roots(stage, folded)
    indices = [root for root in given if isinstance(root, Index)]
    roots = [root for root in given if isinstance(root, Expr)]
    roots += [child for index in indices for child in ir.index_children(index)]
    order = ir.walk(roots)
    for expr in order:
        if isinstance(expr, ir.Local):
            if expr not in facts.makes:
                facts.reads.add(expr)
        elif isinstance(expr, ir.Load):
            if expr.dtype != expr.buffer.dtype:
                raise Broken("dtypes", "a load of another dtype than its buffer's", expr)
            indices.append(expr.offset)
        elif not isinstance(expr, (ir.Apply, ir.Constant)):
            indices += indices_of(expr)
    for index in indices:
        for term, _ in index.terms:
            if isinstance(term, LoopVar):
                if term not in loops:
                    facts.free.add(term)
            elif term.dtype.kind not in "iu":
                raise Broken("dtypes", "an index that is no integer", term)
    if folded and isinstance(stage, ir.Reduce) and not facts.free.isdisjoint(stage.reduced):
        raise Broken("scopes", "a folded loop variable after the fold")
    return order, roots


def _check_dtypes(stage: ir.Stage) -> None:
    for item in stage.items if isinstance(stage, ir.Reduce) else ():
        if not len(item.initial) == len(item.exprs) == len(item.results):
            raise Broken("dtypes", "a fold of as many operands as it has starts and results")
    problem = dtype_problem(stage)
    if problem:
        raise Broken("dtypes", problem, next(iter(ir.stores_of(stage)), None))


def _check_races(kernel: Kernel) -> None:
    """Unordered points store to places of their own."""
    for stage in kernel.stages:
        if isinstance(stage, ir.Map) and stage.ordered:
            continue
        after = stage.vars if isinstance(stage, ir.Map) else stage.kept
        for stores, loops in ((stage.stores, after),
                              (getattr(stage, "inner", ()), stage_variables(stage))):
            for store in stores:
                around = () if store.buffer.kind == "row" else kernel.outer
                if not is_injective(store.offset, [*around, *loops]):
                    raise Broken("races", "several points store to one element", store)


def _check_dependences(kernel: Kernel, stored: set[Buffer]) -> None:
    """Loads of what the kernel itself stores."""
    for number, stage in enumerate(kernel.stages):
        for load in stage_loads(stage):
            root = load.buffer.root
            if root not in stored:
                continue
            for place, other in enumerate(kernel.stages):
                for store in ir.stores_of(other):
                    if store.buffer.root is root and not _in_order(kernel, load, number, store,
                                                                   place):
                        raise Broken("dependences", "a load of what other points of its kernel "
                                     "store", load)


def _in_order(kernel: Kernel, load: ir.Load, number: int, store: ir.Store, place: int) -> bool:
    """Whether a load of stage `number` sees what it should of a store of stage `place`."""
    if same_element(load.buffer, load.offset, store.buffer, store.offset):
        return True
    if number == place:
        return False
    if load.buffer.root.kind == "row":  # of the outer point itself
        return load.buffer.dtype == store.buffer.dtype
    if not any(v.extent > 1 for v in kernel.outer):
        return True  # one stage is done before the next begins
    if number > place and load.buffer.dtype != store.buffer.dtype:
        return False
    return row_length((load.offset, store.offset), kernel.outer) > 0 or keep_to_rows(
        [(access, stage_variables(kernel.stages[at]))
         for access, at in ((load, number), (store, place))], kernel.outer)


# ---- order -------------------------------------------------------------------------------------

def _holds(buffer: Buffer, written: set[Buffer]) -> bool:
    root = buffer.root
    return root in written or root.kind == "input" or root.nbytes == 0


def _need(buffers: Iterable[Buffer], written: set[Buffer], what: str, culprit: Any = None) -> None:
    for buffer in buffers:
        if not _holds(buffer, written):
            raise Broken("order", f"{what} is read before it is written", culprit)
