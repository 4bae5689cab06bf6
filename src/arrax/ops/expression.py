"""Formulas over arrays in rules that compose other primitives: `where(x < 1, x * 2, sqrt(x))`.

An `Expression` wraps a value of any trace. Operators bind primitives; Python scalars take the dtype
of the other operand, sizes of 1 stretch, reals become complex next to complex numbers.
"""
from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from arrax.core.aval import aval_of
from arrax.core.primitive import Primitive
from arrax.ops import matrices as m
from arrax.ops.p import (abs_p, add_p, and_p, div_p, eq_p, exp_p, ge_p, gt_p, le_p, log1p_p, log_p,
                         lt_p, mul_p, ne_p, neg_p, not_p, or_p, reduce_max_p, reduce_min_p,
                         reduce_prod_p, reduce_sum_p, select_n_p, sqrt_p, sub_p, xor_p)
from arrax.ops.rules import broadcast_in_dim, constant


Operator = Callable[["Expression", Any], "Expression"]


def _binary(primitive: Primitive, swapped: bool = False) -> Operator:
    combine = m.binary(primitive)

    def operator(self: Expression, other: Any) -> Expression:
        x, y = self.value, _scalar(other, self.value)
        return Expression(combine(y, x) if swapped else combine(x, y))
    return operator


def _both(primitive: Primitive) -> tuple[Operator, Operator]:
    """The operator, and the one with its operands exchanged."""
    return _binary(primitive), _binary(primitive, swapped=True)


class Expression:
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

    def __neg__(self) -> Expression:
        return Expression(neg_p.bind(self.value))

    def __invert__(self) -> Expression:
        return Expression(not_p.bind(self.value))

    __add__, __radd__ = _both(add_p)
    __sub__, __rsub__ = _both(sub_p)
    __mul__, __rmul__ = _both(mul_p)
    __truediv__, __rtruediv__ = _both(div_p)
    __and__, __or__, __xor__ = _binary(and_p), _binary(or_p), _binary(xor_p)
    __lt__, __le__, __gt__, __ge__ = (_binary(lt_p), _binary(le_p), _binary(gt_p), _binary(ge_p))
    __eq__, __ne__ = _binary(eq_p), _binary(ne_p)  # type: ignore[assignment]
    __hash__ = None  # type: ignore[assignment]


def _scalar(value: Any, like: Any) -> Any:
    """`value`, or a scalar of the dtype of `like`."""
    if isinstance(value, Expression):
        return value.value
    return constant(value, aval_of(like)) if isinstance(value, (int, float, complex)) else value


def call(primitive: Primitive, *operands: Any, **params: Any) -> Expression:
    """The result of an elementwise primitive."""
    like = next(x.value for x in operands if isinstance(x, Expression))
    return Expression(primitive.bind(*(_scalar(x, like) for x in operands), **params))


def where(condition: Expression, x: Any, y: Any) -> Expression:
    """`x` where `condition` holds, else `y`; one of the two may be a Python scalar."""
    like = x if isinstance(x, Expression) else y
    shape = np.broadcast_shapes(condition.shape, like.shape, getattr(y, "shape", ()))
    mask, on_true, on_false = (_spread(_scalar(v, like.value), shape) for v in (condition, x, y))
    return Expression(select_n_p.bind(mask, on_false, on_true))


def _spread(x: Any, shape: tuple[int, ...]) -> Any:
    own = aval_of(x).shape
    return x if own == shape else broadcast_in_dim(x, shape, range(len(shape) - len(own),
                                                                   len(shape)))


def exp(x: Expression) -> Expression:
    return call(exp_p, x, accuracy=None)


def log(x: Expression) -> Expression:
    return call(log_p, x, accuracy=None)


def log1p(x: Expression) -> Expression:
    return call(log1p_p, x, accuracy=None)


def sqrt(x: Expression) -> Expression:
    return call(sqrt_p, x, accuracy=None)


def magnitude(x: Expression) -> Expression:
    return call(abs_p, x)


def filled(value: Any, like: Expression) -> Expression:
    """An array of equal elements, of the shape and dtype of `like`."""
    return Expression(_spread(_scalar(value, like.value), like.shape))


def reduced(primitive: Primitive, x: Expression, axes: tuple[int, ...] | None = None) -> Expression:
    """A reduction over axes, by default all of them."""
    rank = len(x.shape)
    axes = tuple(range(rank)) if axes is None else tuple(a % rank for a in axes)
    extra = {"out_sharding": None} if primitive in (reduce_sum_p, reduce_max_p, reduce_min_p,
                                                    reduce_prod_p) else {}
    return Expression(primitive.bind(x.value, axes=axes, **extra))
