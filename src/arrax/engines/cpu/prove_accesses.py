"""Prove that the accesses of a stage stay inside their buffers.

An access at an offset is inside if the interval of the offset is, over all values of the loop
variables and of the expressions in it (`intervals`), where all conditions around it hold: those of
the choices that it is part of (on the other side, that one of them does not hold), and of a store
those that it has. A condition
`low <= index < high` says more than the interval of its index: it bounds every multiple of the
index that is part of the offset, so that what is correlated (`i - start` with `start` unknown)
cancels. Quotients and remainders are refined by the conditions on what they divide; they need an
index that is not negative, where they are chosen.

What this cannot prove is not wrong for that: the emitter checks it when the program runs. It is
wrong where no condition is around and every term is a loop variable, for then the interval is
exact.
"""
from __future__ import annotations

import math
from collections.abc import Iterable
from typing import NamedTuple

from arrax.engines.cpu import loop_ir as ir
from arrax.engines.cpu.intervals import EVERYTHING, Interval, Intervals, common, scaled
from arrax.engines.cpu.loop_ir import Expr, Index, LoopVar

Condition = tuple[Index, int, int]
DEEPEST = 6  # conditions that are used together
FAR = 1 << 62  # beyond any index
MOST = 64  # accesses of one expression that wait for a proof


class Claim(NamedTuple):
    """That an index lies in 0..size - 1 where the conditions hold; `what` needs it."""

    what: Expr | ir.Store
    offset: Index
    size: float
    conditions: tuple[Condition, ...] = ()

    @property
    def is_exact(self) -> bool:
        """Whether the interval of the index is attained."""
        return not self.conditions and all(isinstance(t, LoopVar) for t, _ in self.offset.terms)


class Prover:
    """Proves claims; intervals of expressions are found once."""

    def __init__(self) -> None:
        self.intervals = Intervals()

    def unproved(self, roots: Iterable[Expr], order: Iterable[Expr],
                 stores: Iterable[ir.Store]) -> list[Claim]:
        """What cannot be proved of the accesses below `roots` (in `order`, operands first) and of
        `stores`."""
        open_: dict[int, tuple[Claim, ...]] = {}  # by serial: claims that conditions may prove
        for expr in order:
            claims = self._own(expr)
            if open_:
                claims = self._inherited(expr, open_, claims)
            if claims:
                open_[expr.serial] = claims
        found = [claim for store in stores for claim in self._of_store(store)]
        if open_:
            found += [claim for root in roots for claim in open_.get(root.serial, ())]
        return list({id(claim.what): claim for claim in found}.values())

    def _own(self, expr: Expr) -> tuple[Claim, ...]:
        if isinstance(expr, ir.Load):
            claim = Claim(expr, expr.offset, expr.buffer.size)
            if expr.buffer.size == 0:
                return ()  # emitted as a constant
        elif isinstance(expr, ir.Quotient):
            claim = Claim(expr, expr.index, math.inf)
        else:
            return ()
        return () if self.holds(claim) else (claim,)

    def _inherited(self, expr: Expr, open_: dict[int, tuple[Claim, ...]],
                   claims: tuple[Claim, ...]) -> tuple[Claim, ...]:
        """The claims of an expression and of its operands, those of a choice's sides under what
        holds there."""
        found = dict.fromkeys(claims)
        children: Iterable[Expr] = expr.children
        if isinstance(expr, ir.Choose):
            sides = ((expr.inside, [expr.conditions]), (expr.outside, self._otherwise(expr)))
            for side, ways in sides:
                for claim in open_.get(side.serial, ()):
                    for way in ways:
                        narrowed = claim._replace(conditions=(*claim.conditions, *way))
                        if not self.holds(narrowed):
                            found[narrowed] = None
            children = [e for index, _, _ in expr.conditions for e in ir.index_children(index)]
        for child in children:
            found.update(dict.fromkeys(open_.get(child.serial, ())))
        return tuple(found)[:MOST]

    def _otherwise(self, choice: ir.Choose) -> list[tuple[Condition, ...]]:
        """The ways in which the conditions of a choice do not all hold, a condition each."""
        ways: list[tuple[Condition, ...]] = []
        for index, low, high in choice.conditions:
            least, greatest = self.intervals.index(index)
            if least < low:
                ways.append(((index, -FAR, low),))
            if greatest >= high:
                ways.append(((index, high, FAR),))
        return ways

    def _of_store(self, store: ir.Store) -> list[Claim]:
        claim = Claim(store, store.offset, store.buffer.size, store.where)
        return [] if self.holds(claim) else [claim]

    # ---- intervals under conditions ------------------------------------------------------------

    def holds(self, claim: Claim) -> bool:
        """Whether a claim is proved."""
        low, high = self.intervals.index(claim.offset)
        if low >= 0 and high < claim.size:
            return True
        if not claim.conditions:
            return False
        low, high = self.bound(claim.offset, claim.conditions, claim.conditions)
        return (low >= 0 and high < claim.size) or self._never(claim.conditions)

    def _never(self, conditions: tuple[Condition, ...]) -> bool:
        """Whether there is no point at which all conditions hold."""
        for position, (index, low, high) in enumerate(conditions):
            others = conditions[:position] + conditions[position + 1:]
            least, greatest = common(self.bound(index, others, others), (low, high - 1))
            if least > greatest:
                return True
        return False

    def bound(self, index: Index, conditions: tuple[Condition, ...],
              everything: tuple[Condition, ...], depth: int = DEEPEST) -> Interval:
        """The interval of an index where `everything` holds, by those of `conditions` of which a
        multiple is part of it, or of a multiple of it."""
        best = self._refined(index, everything)
        if not depth:
            return best
        for position, (part, low, high) in enumerate(conditions):
            for times, factor in _factors(index, part):
                others = conditions[:position] + conditions[position + 1:]
                rest = self.bound(index * times + part * -factor, others, everything, depth - 1)
                a, b = scaled((low, high - 1), factor)
                best = common(best, _divided((a + rest[0], b + rest[1]), times))
        return best

    def _refined(self, index: Index, everything: tuple[Condition, ...]) -> Interval:
        """The interval by its terms, quotients refined."""
        low: float = index.const
        high: float = index.const
        for term, factor in index.terms:
            if isinstance(term, LoopVar):
                a, b = scaled((0, term.extent - 1), factor)
            else:
                a, b = scaled(self._term(term, everything), factor)
            low, high = low + a, high + b
        return low, high

    def _term(self, term: Expr, everything: tuple[Condition, ...]) -> Interval:
        known = self.intervals.expr(term)
        if not isinstance(term, ir.Quotient):
            return known
        low, high = self.bound(term.index, everything, everything, DEEPEST - 1)
        if low < 0 or low > high:
            return known
        first, last = low // term.divisor, EVERYTHING[1]
        if high != math.inf:
            last = high // term.divisor
        if not isinstance(term, ir.Remainder):
            return common(known, (first, last))
        if first == last:
            return common(known, (low - first * term.divisor, high - first * term.divisor))
        return known


def _factors(index: Index, part: Index) -> set[tuple[int, int]]:
    """Pairs (times, factor) for which `times * index - factor * part` has fewer terms than `index`:
    with `times` 1, or without any term of `part`."""
    known = dict(index.terms)
    found = set()
    for term, factor in part.terms:
        if term in known:
            shared = math.gcd(known[term], factor) * (1 if factor > 0 else -1)
            times, multiple = factor // shared, known[term] // shared
            if times == 1 or all(times * known.get(t, 0) == multiple * f for t, f in part.terms):
                found.add((times, multiple))
    return found


def _divided(interval: Interval, divisor: int) -> Interval:
    """The integers of which a multiple lies in an interval."""
    low, high = interval
    return (low if low == -math.inf else -(-low // divisor),
            high if high == math.inf else high // divisor)
