"""Formulas over arrays in rules that compose other primitives: `where(x < 1, x * 2, sqrt(x))`.

An `Expression` wraps a value of any trace. Operators bind primitives at once, unlike those of a
`Formula`; Python scalars take the dtype of the other operand, sizes of 1 stretch, reals become
complex next to complex numbers.
"""
from __future__ import annotations

from typing import Any


from arrax.core.aval import aval_of
from arrax.core.dimension import broadcast_shapes
from arrax.core.primitive import Primitive
from arrax.ops import matrices as m
from arrax.ops.formulas import Operators
from arrax.ops.p import reduce_max_p, reduce_min_p, reduce_prod_p, reduce_sum_p, select_n_p
from arrax.ops.rules import broadcast_in_dim, constant


class Expression(Operators):
    """A value in a formula; `value` is what it wraps."""

    __slots__ = ("value",)

    def __init__(self, value: Any):
        self.value: Any = value.value if isinstance(value, Expression) else value

    @property
    def shape(self) -> tuple[int, ...]:
        return tuple(aval_of(self.value).shape)

    @property
    def dtype(self) -> Any:
        return aval_of(self.value).dtype

    def bind(self, primitive: Primitive, operands: Any, params: dict[str, Any]) -> Expression:
        values = [_scalar(x, self.value) for x in operands]
        if len(values) == 2 and not params:
            return Expression(m.binary(primitive)(*values))
        return Expression(primitive.bind(*values, **params))

    def scalar(self, value: Any) -> Expression:
        return Expression(constant(value, aval_of(self.value)))

    def full(self, value: Any) -> Expression:
        return Expression(_spread(_scalar(value, self.value), self.shape))


def _scalar(value: Any, like: Any) -> Any:
    """`value`, or a scalar of the dtype of `like`."""
    if isinstance(value, Expression):
        return value.value
    return constant(value, aval_of(like)) if isinstance(value, (int, float, complex)) else value


def where(condition: Expression, x: Any, y: Any) -> Expression:
    """`x` where `condition` holds, else `y`; one of the two may be a Python scalar."""
    like = x if isinstance(x, Expression) else y
    shape = broadcast_shapes(condition.shape, like.shape, getattr(y, "shape", ()))
    mask, on_true, on_false = (_spread(_scalar(v, like.value), shape) for v in (condition, x, y))
    return Expression(select_n_p.bind(mask, on_false, on_true))


def _spread(x: Any, shape: tuple[int, ...]) -> Any:
    own = aval_of(x).shape
    return x if own == shape else broadcast_in_dim(x, shape, range(len(shape) - len(own),
                                                                   len(shape)))


def reduced(primitive: Primitive, x: Expression, axes: tuple[int, ...] | None = None) -> Expression:
    """A reduction over axes, by default all of them."""
    rank = len(x.shape)
    axes = tuple(range(rank)) if axes is None else tuple(a % rank for a in axes)
    extra = {"out_sharding": None} if primitive in (reduce_sum_p, reduce_max_p, reduce_min_p,
                                                    reduce_prod_p) else {}
    return Expression(primitive.bind(x.value, axes=axes, **extra))
