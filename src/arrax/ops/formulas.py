"""Formulas: `lambda g, out, x: -g * sin(x)`, written once in operators, run on values of any kind.

A `Formula` is data. Its function is called once, on `Term`s, which write down what happens to them;
the steps are then taken on what comes: values of any trace (a derivative, a StableHLO form), or
those of the scalar builder (the code of a CPU kernel). Python scalars take dtype and weak type of
the first operand that they meet. The names are those of handles, so that a misspelt one fails.
"""
from __future__ import annotations

from collections.abc import Callable
from typing import Any, Self, TypeVar

from arrax.core.lowering import Elementwise
from arrax.core.primitive import Primitive
from arrax.ops import p
from arrax.ops.rules import by_operand, filled_like
from arrax.ops.rules import constant as constant_like


class Operators:
    """What formulas are written with; `bind(primitive, operands, params)` says what happens."""

    __slots__ = ()

    def bind(self, primitive: Primitive, operands: Any, params: dict[str, Any]) -> Self:
        raise NotImplementedError

    def scalar(self, value: Any) -> Self:
        """A Python scalar of this value's dtype."""
        raise NotImplementedError

    def full(self, value: Any) -> Self:
        """An array of a Python scalar, of this value's shape and dtype."""
        raise NotImplementedError

    def __neg__(self) -> Self:
        return self.bind(p.neg_p, (self,), {})

    def __invert__(self) -> Self:
        return self.bind(p.not_p, (self,), {})

    def __abs__(self) -> Self:
        return self.bind(p.abs_p, (self,), {})

    def __add__(self, other: Any) -> Self:
        return self.bind(p.add_p, (self, other), {})

    def __radd__(self, other: Any) -> Self:
        return self.bind(p.add_p, (other, self), {})

    def __sub__(self, other: Any) -> Self:
        return self.bind(p.sub_p, (self, other), {})

    def __rsub__(self, other: Any) -> Self:
        return self.bind(p.sub_p, (other, self), {})

    def __mul__(self, other: Any) -> Self:
        return self.bind(p.mul_p, (self, other), {})

    def __rmul__(self, other: Any) -> Self:
        return self.bind(p.mul_p, (other, self), {})

    def __truediv__(self, other: Any) -> Self:
        return self.bind(p.div_p, (self, other), {})

    def __rtruediv__(self, other: Any) -> Self:
        return self.bind(p.div_p, (other, self), {})

    def __pow__(self, exponent: int) -> Self:
        return self.bind(p.integer_pow_p, (self,), {"y": exponent})

    def __and__(self, other: Any) -> Self:
        return self.bind(p.and_p, (self, other), {})

    def __or__(self, other: Any) -> Self:
        return self.bind(p.or_p, (self, other), {})

    def __xor__(self, other: Any) -> Self:
        return self.bind(p.xor_p, (self, other), {})

    def __lt__(self, other: Any) -> Self:
        return self.bind(p.lt_p, (self, other), {})

    def __le__(self, other: Any) -> Self:
        return self.bind(p.le_p, (self, other), {})

    def __gt__(self, other: Any) -> Self:
        return self.bind(p.gt_p, (self, other), {})

    def __ge__(self, other: Any) -> Self:
        return self.bind(p.ge_p, (self, other), {})

    def __eq__(self, other: Any) -> Self:  # type: ignore[override]
        return self.bind(p.eq_p, (self, other), {})

    def __ne__(self, other: Any) -> Self:  # type: ignore[override]
        return self.bind(p.ne_p, (self, other), {})

    __hash__ = None  # type: ignore[assignment]


Value = TypeVar("Value", bound=Operators)


def apply(primitive: Primitive, *operands: Value | complex, **params: Any) -> Value:
    """The result of an elementwise primitive."""
    first = next(x for x in operands if isinstance(x, Operators))
    return first.bind(primitive, operands, params)


def _function(primitive: Primitive, **params: Any) -> Callable[[Value], Value]:
    return lambda x: x.bind(primitive, (x,), params)


def constant(value: Any, like: Value) -> Value:
    """A Python scalar as a value of the dtype of `like`."""
    return like.scalar(value)


def filled(value: Any, like: Value) -> Value:
    """A Python scalar as an array of the shape and dtype of `like`."""
    return like.full(value)


def where(condition: Value, x: Value | complex, y: Value | complex) -> Value:
    """`x` where `condition` holds, else `y`; one of the two may be a Python scalar."""
    return apply(p.select_n_p, condition, y, x)


exp, log = _function(p.exp_p, accuracy=None), _function(p.log_p, accuracy=None)
log1p, tanh = _function(p.log1p_p, accuracy=None), _function(p.tanh_p, accuracy=None)
sin, cos = _function(p.sin_p, accuracy=None), _function(p.cos_p, accuracy=None)
sqrt, rsqrt = _function(p.sqrt_p, accuracy=None), _function(p.rsqrt_p, accuracy=None)
sinh, cosh, square = _function(p.sinh_p), _function(p.cosh_p), _function(p.square_p)
sign, floor, lgamma = _function(p.sign_p), _function(p.floor_p), _function(p.lgamma_p)


# ---- formulas as data --------------------------------------------------------------------------

_CONSTANT, _FILLED = "constant", "filled"  # steps: a Python scalar like a value, an array of them


class Term(Operators):
    """A value in a formula that is being written down: the number of its slot."""

    __slots__ = ("slot", "steps")

    def __init__(self, slot: int, steps: list[Any]):
        self.slot, self.steps = slot, steps

    def bind(self, primitive: Primitive, operands: Any, params: dict[str, Any]) -> Term:
        terms = [x for x in operands if isinstance(x, Term)]
        if primitive is p.select_n_p:  # cases have one shape, which is not that of the predicate
            terms, scalar = terms[1:], _FILLED
        else:
            scalar = _CONSTANT
        places = tuple(x.slot if isinstance(x, Term)
                       else self._written(scalar, (x, terms[0].slot), {}).slot for x in operands)
        return self._written(primitive, places, params)

    def scalar(self, value: Any) -> Term:
        return self._written(_CONSTANT, (value, self.slot), {})

    def full(self, value: Any) -> Term:
        return self._written(_FILLED, (value, self.slot), {})

    def _written(self, what: Any, operands: Any, params: Any) -> Term:
        self.steps.append((what, operands, params))
        return Term(_FIRST_STEP + len(self.steps) - 1, self.steps)


_FIRST_STEP = 8  # slots before that are for operands


class Formula:
    """`function`, as steps on numbered slots; call it with as many values."""

    def __init__(self, function: Callable[..., Any]):
        self.function = function
        self._known: tuple[list[Any], int] | None = None

    def steps(self, count: int) -> tuple[list[Any], int]:
        """(what, places of operands, params) of each step, and the slot of the result."""
        if self._known is None:
            steps: list[Any] = []
            result = self.function(*(Term(i, steps) for i in range(count)))
            self._known = steps, result.slot
        return self._known

    def __call__(self, *values: Any, accuracy: Any = None) -> Any:
        """The result for values of any trace. (The accuracy asked for is that of the result.)"""
        steps, result = self._known or self.steps(len(values))
        slots = [*values, *_UNUSED[len(values):]]
        for what, places, params in steps:
            if what is _CONSTANT:
                slots.append(constant_like(places[0], slots[places[1]]))
            elif what is _FILLED:
                slots.append(filled_like(places[0], slots[places[1]]))
            elif len(places) == 2:
                slots.append(what.bind(slots[places[0]], slots[places[1]], **params))
            else:
                slots.append(what.bind(*[slots[i] for i in places], **params))
        return slots[result]

    def emit(self, b: Any, *values: Any, accuracy: Any = None) -> Any:
        """The code for values of the scalar builder `b`."""
        steps, result = self.steps(len(values))
        slots = [*values, *_UNUSED[len(values):]]
        for what, places, params in steps:
            if what is _CONSTANT or what is _FILLED:
                slots.append(b.constant(places[0], slots[places[1]].dtype))
                continue
            more = {name: value for name, value in params.items() if name != "accuracy"}
            slots.append(what.lower.emit(b, *[slots[i] for i in places], **more))
        return slots[result]

    def stablehlo(self, b: Any, *values: Any, **params: Any) -> Any:
        """The StableHLO form."""
        return self(*values)

    def lowering(self, cost: int) -> Elementwise:
        """The lowering of a primitive that the formula defines."""
        return Elementwise(self.emit, cost)


_UNUSED = [None] * _FIRST_STEP


def derivative(*functions: Callable[..., Any] | None) -> by_operand:
    """JVP from one formula per operand, of (tangent, result, *operands); None where it is zero."""
    return by_operand(*(fn if fn is None else Formula(fn) for fn in functions))
