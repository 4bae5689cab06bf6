"""Symbolic dimensions in normal form.

    expression ::= { term: coefficient }, at least one term that is no constant
    term       ::= (factor, …), sorted, repeated for powers; () is the constant term
    factor     ::= variable | floordiv(e, e) | mod(e, e) | max(e, e) | min(e, e)

Sums, products and integer powers are multiplied out, terms are sorted by size, then by name, so two
expressions with the same normal form are the same integer function. Whatever has no variable left
is a Python int. Equalities among the constraints of a scope are applied as rewriting rules while an
expression is made (`scopes.Scope.rewrite`). Operations that a polynomial cannot hold stay factors.
"""
from __future__ import annotations

import math
import operator
from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from arrax.core.dimension import Dimension
from arrax.core.errors import InconclusiveDimensionOperation
from arrax.core.record import Record
from arrax.ops.create import dim_as_value_p

if TYPE_CHECKING:
    from arrax.export.scopes import SymbolicScope

Size = Any  # int | Expression
OPERATIONS = ("floordiv", "mod", "max", "min")


class Factor(Record):
    """A variable, or an operation on two dimensions."""

    name: str
    operands: tuple[Size, ...] = ()

    @property
    def key(self) -> tuple[Any, ...]:
        """What factors are sorted by: variables first, then names, then operands."""
        return (bool(self.operands), self.name, tuple(map(sort_key, self.operands)))

    @property
    def weight(self) -> int:
        return 1 + sum(map(_weight, self.operands))

    def __str__(self) -> str:
        return f"{self.name}({', '.join(map(str, self.operands))})" if self.operands else self.name


Term = tuple[Factor, ...]
Coefficients = dict[Term, int]


def term_key(term: Term) -> tuple[Any, ...]:
    """What terms are sorted by: weight, then the number of different factors, then names."""
    return sum(f.weight for f in term), len(set(term)), tuple(f.key for f in term)


def sort_key(size: Size) -> tuple[Any, ...]:
    pairs = size.pairs if isinstance(size, Expression) else (((), size),) if size else ()
    return tuple((term_key(term), coefficient) for term, coefficient in pairs)


def _weight(size: Size) -> int:
    return sum(max(1, term_key(t)[0]) for t, _ in size.pairs) if isinstance(size, Expression) else 1


def times(left: Term, right: Term) -> Term:
    """The product of two terms."""
    return tuple(sorted(left + right, key=lambda f: f.key))


def quotient(term: Term, divisor: Term) -> Term | None:
    """The term that times `divisor` is `term`, or None."""
    rest = list(term)
    for factor in divisor:
        if factor not in rest:
            return None
        rest.remove(factor)
    return tuple(rest)


def coefficients(size: Size) -> Coefficients:
    return dict(size.pairs) if isinstance(size, Expression) else {(): size} if size else {}


def combine(*parts: tuple[int, Coefficients]) -> Coefficients:
    """The sum of multiples."""
    out: Coefficients = {}
    for factor, part in parts:
        for term, coefficient in part.items():
            out[term] = out.get(term, 0) + factor * coefficient
    return {term: c for term, c in out.items() if c}


class Expression(Dimension):
    """An integer that depends on dimension variables, as `export.symbolic_shape` makes them.

    It has the arithmetic of ints (`+ - * // % divmod **`, `==`), comparisons that are decided for
    all values of the variables or raise, and becomes an array where arrays meet it.

    Raises:
      InconclusiveDimensionOperation: a comparison that holds for some values only; a use as a
        Python int.
      ValueError: variables of different scopes meet.
    """

    __slots__ = ("pairs", "scope", "_hash")
    __array_priority__ = 1000
    __array_ufunc__ = None
    pairs: tuple[tuple[Term, int], ...]  # the largest term first
    scope: SymbolicScope

    def __init__(self, terms: Coefficients, scope: SymbolicScope):
        self.pairs = tuple(sorted(terms.items(), key=lambda p: term_key(p[0]), reverse=True))
        self.scope = scope
        self._hash = hash((self.pairs, id(scope)))

    # ---- arithmetic ----

    def __add__(self, other: Any) -> Any:
        return self._with(other, operator.add, lambda o: self._sum(1, 1, o))

    def __radd__(self, other: Any) -> Any:
        return self._with(other, lambda x, y: y + x, lambda o: self._sum(1, 1, o))

    def __sub__(self, other: Any) -> Any:
        return self._with(other, operator.sub, lambda o: self._sum(1, -1, o))

    def __rsub__(self, other: Any) -> Any:
        return self._with(other, lambda x, y: y - x, lambda o: self._sum(-1, 1, o))

    def __mul__(self, other: Any) -> Any:
        return self._with(other, operator.mul, self._product)

    def __rmul__(self, other: Any) -> Any:
        return self._with(other, lambda x, y: y * x, self._product)

    def __neg__(self) -> Any:
        return self._product(-1)

    def __pos__(self) -> Any:
        return self

    def __pow__(self, power: Any, modulo: None = None) -> Any:
        if not isinstance(power, (int, np.integer)):
            if isinstance(power, float):
                raise ValueError(f"Symbolic dimension cannot be raised to non-integer powers: "
                                 f"'{self}' ^ '{power}'")
            return self.__jax_array__() ** _value(power)
        if power < 0:
            raise ValueError(f"Symbolic dimension cannot be raised to negative powers: '{self}' "
                             f"^ '{power}'")
        return math.prod([self] * int(power), start=1)

    def __rpow__(self, base: Any) -> Any:
        return base ** self.__jax_array__()

    def __floordiv__(self, other: Any) -> Any:
        return self._with(other, operator.floordiv, lambda o: divide(self, o, self.scope)[0])

    def __rfloordiv__(self, other: Any) -> Any:
        return self._with(other, lambda x, y: y // x, lambda o: divide(o, self, self.scope)[0])

    def __mod__(self, other: Any) -> Any:
        return self._with(other, operator.mod, lambda o: divide(self, o, self.scope)[1])

    def __rmod__(self, other: Any) -> Any:
        return self._with(other, lambda x, y: y % x, lambda o: divide(o, self, self.scope)[1])

    def __divmod__(self, other: Any) -> Any:
        return self._with(other, divmod, lambda o: divide(self, o, self.scope))

    def __rdivmod__(self, other: Any) -> Any:
        return self._with(other, lambda x, y: divmod(y, x), lambda o: divide(o, self, self.scope))

    def __truediv__(self, other: Any) -> Any:
        return self.__jax_array__() / _value(other)

    def __rtruediv__(self, other: Any) -> Any:
        return _value(other) / self.__jax_array__()

    def maximum(self, other: Any) -> Any:
        return self._with(other, None, lambda o: self._extreme("max", o))

    def minimum(self, other: Any) -> Any:
        return self._with(other, None, lambda o: self._extreme("min", o))

    def _with(self, other: Any, on_arrays: Any, on_sizes: Callable[[Size], Any]) -> Any:
        """`on_sizes(other)` for dimensions, else the operation on this dimension as an array."""
        size = as_size(other)
        if size is not None:
            if isinstance(size, Expression):
                self.scope.check_same(self, size)
            return on_sizes(size)
        if on_arrays is None or isinstance(other, (str, bytes, tuple, list, type(None))):
            return NotImplemented
        return on_arrays(self.__jax_array__(), other)

    def _sum(self, mine: int, others: int, other: Size) -> Size:
        return self.scope.make(combine((mine, dict(self.pairs)), (others, coefficients(other))))

    def _product(self, other: Size) -> Size:
        out: Coefficients = {}
        for right, c in coefficients(other).items():
            for left, k in self.pairs:
                term = times(left, right)
                out[term] = out.get(term, 0) + k * c
        return self.scope.make({term: c for term, c in out.items() if c})

    def _extreme(self, name: str, other: Size) -> Size:
        lower, upper = self.scope.bounds(self - other)
        if lower >= 0:
            return self if name == "max" else other
        if upper <= 0:
            return other if name == "max" else self
        first, second = sorted((self, other), key=lambda s: (not isinstance(s, Expression),
                                                             sort_key(s)))
        return self.scope.make({(Factor(name, (first, second)),): 1})

    # ---- comparisons ----

    def __eq__(self, other: Any) -> Any:
        size = as_size(other)
        if size is None:
            return False if not hasattr(other, "aval") else NotImplemented
        if not isinstance(size, Expression):
            return False
        return self.scope is size.scope and self.pairs == size.pairs

    def __hash__(self) -> int:
        return self._hash

    def __ge__(self, other: Any) -> Any:
        return self._with(other, operator.ge, lambda o: self._at_least(o, 0, self, ">=", o))

    def __gt__(self, other: Any) -> Any:
        return self._with(other, operator.gt, lambda o: self._at_least(o, 1, self, ">", o))

    def __le__(self, other: Any) -> Any:
        return self._with(other, operator.le,
                          lambda o: not self._at_least(o, 1, self, "<=", o))

    def __lt__(self, other: Any) -> Any:
        return self._with(other, operator.lt,
                          lambda o: not self._at_least(o, 0, self, "<", o))

    def _at_least(self, other: Size, by: int, *shown: Any) -> bool:
        """Whether self - other >= by."""
        lower, upper = self.scope.bounds(self - other)
        if lower >= by:
            return True
        if upper < by:
            return False
        left, sign, right = shown
        raise InconclusiveDimensionOperation(
            f"Symbolic dimension comparison '{left}' {sign} '{right}' is inconclusive.\n"
            f"{self.scope.explain()}This error arises for comparisons of dimensions that hold for "
            "some values of the dimension variables only: add a constraint to the symbolic shape, "
            "or avoid the comparison.")

    def __bool__(self) -> bool:
        lower, upper = self.scope.bounds(self)
        if lower > 0 or upper < 0:
            return True
        raise InconclusiveDimensionOperation(
            f"Symbolic dimension '{self}' may be zero or not; its truth value is inconclusive.\n"
            f"{self.scope.explain()}")

    # ---- as other things ----

    def __int__(self) -> int:
        raise InconclusiveDimensionOperation(
            f"Symbolic dimension '{self}' used in a context that requires a constant: it has no "
            "value while the program is traced for export.")

    __index__ = __int__

    def __float__(self) -> float:
        return float(self.__int__())

    def __jax_array__(self) -> Any:
        return dim_as_value_p.bind(dim=self)

    def __array__(self, *args: Any, **kwargs: Any) -> Any:
        raise InconclusiveDimensionOperation(
            f"Symbolic dimension '{self}' cannot be an element of a NumPy array; use arrax.numpy.")

    def __str__(self) -> str:
        text = ""
        for term, coefficient in self.pairs:
            sign = "-" if coefficient < 0 else "+" if text else ""
            gap = " " if text else ""
            text += f"{gap}{sign}{' ' if sign else ''}{_term_text(term, abs(coefficient))}"
        return text

    __repr__ = __str__

    # ---- as a function of its variables ----

    def variables(self) -> Iterator[str]:
        """The names of the variables, with repetitions."""
        for term, _ in self.pairs:
            for factor in term:
                if factor.operands:
                    for operand in factor.operands:
                        if isinstance(operand, Expression):
                            yield from operand.variables()
                else:
                    yield factor.name

    def evaluate(self, values: Mapping[str, Size]) -> Size:
        """With ints, or dimensions of another scope, for the variables; KeyError without one."""
        total: Size = 0
        for term, coefficient in self.pairs:
            total = total + math.prod((_factor_value(f, values) for f in term), start=coefficient)
        return total


def as_size(value: Any) -> Size | None:
    """An int or expression; None for everything that is not one."""
    if isinstance(value, Expression):
        return value
    if isinstance(value, (int, np.integer)):
        return int(value)
    if isinstance(value, np.ndarray) and value.ndim == 0 and value.dtype.kind in "iu":
        return int(value)
    return None


def _value(other: Any) -> Any:
    return other.__jax_array__() if isinstance(other, Expression) else other


def _term_text(term: Term, coefficient: int) -> str:
    powers: dict[Factor, int] = {}
    for factor in term:
        powers[factor] = powers.get(factor, 0) + 1
    texts = [str(f) if n == 1 else f"{f}^{n}" for f, n in powers.items()]
    return "*".join(([str(coefficient)] if coefficient != 1 or not texts else []) + texts)


def divide(dividend: Size, divisor: Size, scope: SymbolicScope) -> tuple[Size, Size]:
    """(floor of the quotient, remainder with the sign of the divisor).

    By long division; where that leaves a rest, both stay operations on the whole operands.
    """
    if isinstance(divisor, int) and divisor == 0:
        raise ZeroDivisionError("division of a symbolic dimension by zero")
    head, lead = (divisor.pairs[0] if isinstance(divisor, Expression) else ((), divisor))
    whole: Size = 0
    rest = dividend
    while isinstance(rest, Expression):
        term, coefficient = rest.pairs[0]
        factor = quotient(term, head)
        if factor is None or coefficient % lead:
            break
        step = scope.make({factor: coefficient // lead})
        whole, rest = whole + step, rest - step * divisor
    if isinstance(rest, int):
        if isinstance(divisor, int):
            more, rest = divmod(rest, divisor)
            return whole + more, rest
        if rest == 0:
            return whole, 0
    operands = (dividend, divisor)
    return (scope.make({(Factor("floordiv", operands),): 1}),
            scope.make({(Factor("mod", operands),): 1}))


def _factor_value(factor: Factor, values: Mapping[str, Size]) -> Size:
    if not factor.operands:
        return values[factor.name]
    left, right = (o.evaluate(values) if isinstance(o, Expression) else o for o in factor.operands)
    return apply(factor.name, left, right)


def apply(name: str, left: Size, right: Size) -> Size:
    """One of `OPERATIONS` on two dimensions."""
    if name == "floordiv":
        return left // right
    if name == "mod":
        return left % right
    for size, other in ((left, right), (right, left)):
        if isinstance(size, Expression):
            return size.maximum(other) if name == "max" else size.minimum(other)
    return max(left, right) if name == "max" else min(left, right)
