"""Scopes of dimension variables, and what is known about them.

A variable is an integer of at least 1. A constraint `left >= right` becomes a fact of the scope's
`Decision`; `left == right` too, and a rewriting rule `coefficient * largest term → rest`, by which
every later expression is normalized.
"""
from __future__ import annotations

from collections.abc import Sequence

from arrax.export.decision import Decision
from arrax.export.expressions import (Coefficients, Expression, Factor, Size, Term, coefficients,
                                      combine, quotient, sort_key, times)
from arrax.export.parsing import parse_constraint

_MOST_REWRITES = 64  # rules that undo each other end here


class SymbolicScope:
    """The dimension variables of one export, with their constraints.

    Variables of one name in one scope are equal; expressions of two scopes do not mix.

    Args:
      constraints_str: relations between expressions, as `"a >= 2"`, `"b <= 2*a"`,
        `"mod(b, 2) == 0"`; any of `>=`, `<=`, `==`.

    Raises:
      ValueError: a constraint that cannot be read, or that no values satisfy.

    Example:
      >>> scope = export.SymbolicScope(["a >= 4"])
      >>> a, b = export.symbolic_shape("a, b", scope=scope)
      >>> a >= 3
      True
    """

    def __init__(self, constraints_str: Sequence[str] = ()):
        if isinstance(constraints_str, str):
            raise ValueError("The symbolic constraints should be a sequence of strings. "
                             f"Got {constraints_str!r}")
        self._rules: list[tuple[Term, int, Coefficients]] = []
        self._decision = Decision(self)
        self._constraints: list[tuple[str, Size, str]] = []  # text, difference, ">=" or "=="
        parsed = [parse_constraint(text, self) for text in constraints_str]
        # Small ones first: they may simplify the others.
        for text, left, relation, right in sorted(parsed, key=lambda p: sort_key(p[1] - p[3])):
            self._add(text, self._again(left), relation, self._again(right))

    def _again(self, size: Size) -> Size:
        """`size` by the rules known by now."""
        if not isinstance(size, Expression):
            return size
        return size.evaluate({name: self.variable(name) for name in size.variables()})

    def _add(self, text: str, left: Size, relation: str, right: Size) -> None:
        difference = left - right
        lower, upper = self.bounds(difference)
        if upper < 0 or (relation == "==" and lower > 0):
            raise ValueError(f"Unsatisfiable explicit constraint: {text}")
        if isinstance(difference, int) or (relation == ">=" and lower >= 0):
            return
        self._constraints.append((text, difference, relation))
        if relation == "==":
            self._equate(difference)
        else:
            self._decision.add(coefficients(difference))

    def _equate(self, difference: Expression) -> None:
        """Assume that an expression is 0."""
        for sign in (1, -1):
            self._decision.add(combine((sign, coefficients(difference))))
        (term, lead), *rest = difference.pairs
        sign = 1 if lead > 0 else -1
        value = self.make(combine((-sign, dict(rest))))
        self._rules.append((term, abs(lead), coefficients(value)))
        self._decision.renew()
        if len(term) == 1 and term[0].name == "mod" and term[0].operands and abs(lead) == 1:
            dividend, divisor = term[0].operands  # = divisor * floordiv(dividend, divisor) + value
            whole = self.make({(Factor("floordiv", term[0].operands),): 1})
            remainder = dividend - divisor * whole - value
            if isinstance(remainder, Expression):
                self._equate(remainder)

    # ---- expressions ----

    def variable(self, name: str) -> Size:
        return self.make({(Factor(name),): 1})

    def make(self, terms: Coefficients) -> Size:
        """The dimension with these coefficients, rewritten by the scope's equalities."""
        for _ in range(_MOST_REWRITES if self._rules else 0):
            changed = self._rewritten(terms)
            if changed is None:
                break
            terms = changed
        if not terms:
            return 0
        if len(terms) == 1 and () in terms:
            return terms[()]
        return Expression(terms, self)

    def _rewritten(self, terms: Coefficients) -> Coefficients | None:
        """After one application of a rule; None if none applies."""
        for head, lead, rest in self._rules:
            for term, coefficient in terms.items():
                factor = quotient(term, head)
                if factor is None or coefficient % lead:
                    continue
                replaced = {times(factor, t): c for t, c in rest.items()}
                return combine((1, {t: c for t, c in terms.items() if t != term}),
                               (coefficient // lead, replaced))
        return None

    def bounds(self, size: Size) -> tuple[float, float]:
        """(lower, upper): integers or infinities between which `size` lies for all values."""
        if not isinstance(size, Expression):
            return size, size
        return self._decision.bounds(size)

    # ---- messages ----

    def check_same(self, mine: Expression, other: Expression, when: str = "",
                   mine_from: str = "current ", other_from: str = "") -> None:
        """ValueError unless two expressions are of one scope."""
        if mine.scope is not other.scope:
            raise ValueError(
                f"Invalid mixing of symbolic scopes{when}.\n"
                f"Expected {mine_from}scope {mine.scope}\n"
                f"and found for '{other}'{other_from} scope {other.scope}\n"
                "Symbolic dimensions are of one scope if symbolic_shape was called with the same "
                "scope argument, or for one shape specification.")

    def explain(self) -> str:
        """The constraints, as a sentence of a message, or ''."""
        if not self._constraints:
            return ""
        texts = "\n".join(f"  {text}" for text, _, _ in self._constraints)
        return f"Using symbolic scope {id(self)} with constraints:\n{texts}\n"

    def __str__(self) -> str:
        if not self._constraints:
            return f"{id(self)}"
        return (f"{id(self)} with constraints:\n"
                + "\n".join(f"  {text}" for text, _, _ in self._constraints))

    @property
    def constraints(self) -> tuple[tuple[str, Size, str], ...]:
        """(text, left - right, ">=" or "==") of each constraint that says something."""
        return tuple(self._constraints)


