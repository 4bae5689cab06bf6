"""Bounds of expressions: Fourier-Motzkin elimination over terms.

A *fact* says that a linear combination of terms is at least 0. Terms count as unknowns of their
own; what is known of a term from its parts (a variable is at least 1; `mod(x, 4)` lies in 0..3;
`4*floordiv(x, 4)` is at most x; …) enters as facts when the term is first met. Facts are kept by
their largest term, and two with opposite signs of it give a third without it, so that a bound is
found by eliminating the largest term of an expression again and again. Coefficients of facts are
divided by their common divisor and constants rounded, because all values are integers.

Sound, and complete for rational solutions of the linear facts; but facts between products are few,
and long derivations end at `_MOST_FACTS`.
"""
from __future__ import annotations

import itertools
import math
from typing import TYPE_CHECKING, Any

from arrax.core.errors import InconclusiveDimensionOperation
from arrax.export.expressions import (Coefficients, Factor, Size, Term, coefficients,
                                      combine, quotient, term_key, times)

if TYPE_CHECKING:
    from arrax.export.scopes import SymbolicScope

_MOST_FACTS = 24  # with one largest term
_DEEPEST = 32  # eliminations in a row
_INF = math.inf


class Decision:
    """The facts of a scope."""

    def __init__(self, scope: SymbolicScope):
        self.scope = scope
        self.facts: dict[Term, list[Coefficients]] = {}
        self.added: list[Coefficients] = []
        self.known: set[Term] = set()
        self.memo: dict[Any, float] = {}

    def renew(self) -> None:
        """Start again after the scope got a rewriting rule: derived facts may hold old terms."""
        added, self.added = self.added, []
        self.facts, self.known, self.memo = {}, set(), {}
        for fact in added:
            self.add(fact)

    def add(self, fact: Coefficients) -> None:
        """Assume that the combination is at least 0; ValueError for a contradiction."""
        self.added.append(fact)
        self._learn(fact)

    def bounds(self, size: Size) -> tuple[float, float]:
        terms = coefficients(size)
        return self._lower(terms, _DEEPEST), -self._lower(combine((-1, terms)), _DEEPEST)

    # ---- facts ----

    def _learn(self, fact: Coefficients) -> None:
        rewritten = coefficients(self.scope.make(fact))
        if rewritten != fact:  # both say something: a rule may make 0 of the fact it stands for
            self._learn_as_is(rewritten)
        self._learn_as_is(fact)

    def _learn_as_is(self, fact: Coefficients) -> None:
        fact = _tightened(fact)
        terms = [t for t in fact if t]
        if not terms:
            if fact.get((), 0) < 0:
                raise ValueError("Unsatisfiable constraints: the constraints of the symbolic "
                                 f"scope contradict each other.\n{self.scope.explain()}")
            return
        for term in terms:
            self._meet(term)
        lead = max(terms, key=term_key)
        known = self.facts.setdefault(lead, [])
        if fact in known or len(known) >= _MOST_FACTS or self._follows(fact, known):
            return
        opposite = [other for other in known if other[lead] * fact[lead] < 0]
        known.append(fact)
        self.memo.clear()
        for other in opposite:
            self._learn(_without(lead, fact, other))
        for term in terms if len(terms) > 1 else ():
            rest = {t: c for t, c in fact.items() if t != term}
            upper = -self._lower(combine((-1, rest)), _DEEPEST)
            if upper < _INF:  # coefficient * term >= -upper
                self._learn({term: fact[term], (): int(upper)})

    @staticmethod
    def _follows(fact: Coefficients, known: list[Coefficients]) -> bool:
        """Whether a known fact with the same terms is as sharp."""
        rest = {t: c for t, c in fact.items() if t}
        return any({t: c for t, c in other.items() if t} == rest
                   and other.get((), 0) <= fact.get((), 0) for other in known)

    def _meet(self, term: Term) -> None:
        """Learn what is known of `term` from its parts."""
        if term in self.known:
            return
        self.known.add(term)
        if len(term) > 1:
            bounds = [self.bounds(self.scope.make({(f,): 1})) for f in term]
            lower, upper = bounds[0]
            for pair in bounds[1:]:
                lower, upper = _corners(lambda x, y: 0 if 0 in (x, y) else x * y,
                                        (lower, upper), pair)
            self._between({term: 1}, lower, upper)
            return
        (factor,) = term
        if not factor.operands:
            self._learn({term: 1, (): -1})
        else:
            left, right = factor.operands
            getattr(self, f"_facts_of_{factor.name}")({term: 1}, left, right)

    def _between(self, terms: Coefficients, lower: float, upper: float) -> None:
        if lower > -_INF:
            self._learn(combine((1, terms), (-int(lower), {(): 1})))
        if upper < _INF:
            self._learn(combine((-1, terms), (int(upper), {(): 1})))

    def _divisor_sign(self, divisor: Size, dividend: Size) -> int:
        """The sign of a divisor, 0 if it may have both."""
        lower, upper = self.scope.bounds(divisor)
        if lower <= 0 <= upper and not (lower == -_INF or upper == _INF):
            raise InconclusiveDimensionOperation(
                f"Possible division by 0 in the division of '{dividend}' by '{divisor}', which "
                f"lies between {lower} and {upper}.\n{self.scope.explain()}")
        return 1 if lower > 0 else -1 if upper < 0 else 0

    def _facts_of_mod(self, mod: Coefficients, dividend: Size, divisor: Size) -> None:
        sign = self._divisor_sign(divisor, dividend)
        if sign == 0:
            return
        self._learn(combine((sign, mod)))
        self._learn(combine((sign, coefficients(divisor)), (-sign, mod), (-1, {(): 1})))
        lower, upper = self.scope.bounds(divisor)
        if sign > 0:
            self._between(mod, 0, upper - 1)
            if self.scope.bounds(dividend)[0] >= 0:
                self._learn(combine((1, coefficients(dividend)), (-1, mod)))
        else:
            self._between(mod, lower + 1, 0)

    def _facts_of_floordiv(self, whole: Coefficients, dividend: Size, divisor: Size) -> None:
        lower, upper = self.scope.bounds(divisor)
        if lower <= 0 <= upper and lower > -_INF:
            self._divisor_sign(divisor, dividend)
            raise InconclusiveDimensionOperation(
                f"Possible division by 0 in the division of '{dividend}' by '{divisor}', which is "
                f"known to be at least {lower} only.\n{self.scope.explain()}")
        sign = self._divisor_sign(divisor, dividend)
        if sign == 0:
            return
        ((term, _),) = whole.items()
        product: Coefficients = {}
        for t, c in coefficients(divisor).items():
            product[times(t, term)] = c
        rest = combine((sign, coefficients(dividend)), (-sign, product))
        self._learn(rest)  # 0 <= sign * (dividend - divisor * whole) <= sign * divisor - 1
        self._learn(combine((-1, rest), (sign, coefficients(divisor)), (-1, {(): 1})))
        self._between(whole, *_corners(_floor_quotient, self.scope.bounds(dividend),
                                       (lower, upper)))

    def _facts_of_max(self, greater: Coefficients, left: Size, right: Size) -> None:
        for operand in (left, right):
            self._learn(combine((1, greater), (-1, coefficients(operand))))
        uppers = [self.scope.bounds(operand)[1] for operand in (left, right)]
        self._between(greater, -_INF, max(uppers))

    def _facts_of_min(self, lesser: Coefficients, left: Size, right: Size) -> None:
        for operand in (left, right):
            self._learn(combine((-1, lesser), (1, coefficients(operand))))
        lowers = [self.scope.bounds(operand)[0] for operand in (left, right)]
        self._between(lesser, min(lowers), _INF)

    # ---- bounds ----

    def _lower(self, terms: Coefficients, depth: int) -> float:
        """The greatest integer found that `terms` never falls below."""
        constant = terms.get((), 0)
        linear = {t: c for t, c in terms.items() if t}
        if not linear:
            return constant
        common = math.gcd(*linear.values())
        key = tuple(sorted(((t, c // common) for t, c in linear.items()),
                           key=lambda pair: term_key(pair[0])))
        found = self.memo.get(key)
        if found is None:
            if depth == 0:
                return -_INF
            for term in linear:
                self._meet(term)
            found = self._lower_of_linear(dict(key), depth - 1)
            self.memo[key] = found
        return found * common + constant

    def _lower_of_linear(self, terms: Coefficients, depth: int) -> float:
        lead = max(terms, key=term_key)
        coefficient = terms[lead]
        best = -_INF
        for fact in list(self.facts.get(lead, ())):
            if fact[lead] * coefficient > 0:
                common = math.gcd(fact[lead], coefficient)
                scale = abs(fact[lead]) // common
                rest = combine((scale, terms), (-abs(coefficient) // common, fact))
                lower = self._lower(rest, depth)
                best = max(best, lower if lower == -_INF else math.ceil(lower / scale))
        for factor in lead:
            if factor.name in ("max", "min") and factor.operands:  # it is one of its operands
                cases = [self._lower(self._replaced(terms, factor, operand), depth)
                         for operand in factor.operands]
                best = max(best, min(cases))
        return best

    def _replaced(self, terms: Coefficients, factor: Factor, by: Size) -> Coefficients:
        parts = []
        for term, coefficient in terms.items():
            rest, count = term, 0
            while (smaller := quotient(rest, (factor,))) is not None:
                rest, count = smaller, count + 1
            value = self.scope.make({rest: coefficient})
            for _ in range(count):
                value = value * by
            parts.append((1, coefficients(value)))
        return combine(*parts)


def _tightened(fact: Coefficients) -> Coefficients:
    """Divided by the common divisor of its coefficients, the constant rounded down."""
    linear = {t: c for t, c in fact.items() if t}
    if not linear:
        return fact
    common = math.gcd(*linear.values())
    out = {t: c // common for t, c in linear.items()}
    constant = fact.get((), 0) // common
    return {**out, (): constant} if constant else out


def _without(term: Term, left: Coefficients, right: Coefficients) -> Coefficients:
    """A positive combination of two facts in which `term` cancels."""
    common = math.gcd(left[term], right[term])
    return combine((abs(right[term]) // common, left), (abs(left[term]) // common, right))


def _corners(operation: Any, left: tuple[float, float],
             right: tuple[float, float]) -> tuple[float, float]:
    values = [operation(x, y) for x, y in itertools.product(left, right)]
    return min(values), max(values)


def _floor_quotient(x: float, y: float) -> float:
    """Limits where a side is infinite; both infinite: the value nearest to 0."""
    if abs(y) == _INF:
        return 0 if x == 0 or (x > 0) == (y > 0) else -1
    if abs(x) == _INF:
        return x * y
    return x // y


