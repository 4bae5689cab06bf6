"""`random_gamma` in StableHLO: the loops of all elements run together, each until it accepts.

Keys are lists of arrays of words, as in `random_stablehlo`.
"""
from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from arrax.core import dtypes
from arrax.ops.expression import Expression, reduced, where
from arrax.ops.formulas import apply, exp, filled, log, log1p, sqrt
from arrax.ops.p import (bitcast_convert_type_p, convert_element_type_p, erf_inv_p, max_p,
                        reduce_or_p, shift_right_logical_p, unstack_p)
from arrax.ops.random_stablehlo import bits_of_each, split_words, words_of
from arrax.ops.shape import reshape

_SQUEEZE = 0.0331  # of the quick acceptance test

Words = Sequence[Any]


def gamma_form(b: Any, keys: Any, alpha: Any, *, log_space: bool, drawn_width: Any) -> Any:
    """The rule of `random_gamma`; the method stands at the head of `random_gamma`."""
    shape, size = alpha.aval.shape, (math.prod(alpha.aval.shape),)
    words = split_words(words_of(keys), shape[keys.aval.ndim:])
    a = Expression(reshape(alpha, size))
    draw = _Draws(b, a.dtype, drawn_width(a.dtype))
    big = a >= 1
    d = where(big, a, a + 1) - 1 / 3
    first, second = _split([reshape(w, size) for w in words], 2)
    cubes = draw.cubes(first, d)
    if log_space:
        log_u = log1p(-draw.uniform(second))
        out = log(d) + log(cubes) + where(big | (log_u == 0), 0.0, log_u * (1.0 / a))
    else:
        power = exp(log(1.0 - draw.uniform(second)) / a)
        out = d * cubes * where(big, 1.0, power)
    return reshape(out.value, shape)


def _split(words: Words, count: int) -> list[list[Any]]:
    """`count` new keys of each key."""
    new = split_words(words, (count,))
    columns = [unstack_p.bind(w, axis=w.ndim - 1) for w in new]
    return [list(key) for key in zip(*columns, strict=True)]


class _Draws:
    """Draws of one dtype, one from each key, and the loops over them."""

    def __init__(self, b: Any, dtype: Any, bit_width: int):
        self.b, self.dtype, self.bit_width = b, np.dtype(dtype), bit_width

    def uniform(self, words: Words) -> Expression:
        """From [0, 1): high bits as a mantissa."""
        info = dtypes.finfo(self.dtype)
        unsigned = np.dtype(f"uint{info.bits}")
        one = int(np.ones((), self.dtype).view(unsigned))
        bits = Expression(convert_element_type_p.bind(
            bits_of_each(words, self.bit_width), new_dtype=unsigned, weak_type=False,
            sharding=None))
        mantissa: Expression = apply(shift_right_logical_p, bits, self.bit_width - info.nmant) | one
        near_one: Expression = apply(bitcast_convert_type_p, mantissa, new_dtype=self.dtype)
        return near_one - 1

    def normal(self, words: Words) -> Expression:
        """By the inverse of the distribution function."""
        low = float(np.nextafter(np.array(-1, self.dtype), np.array(0, self.dtype)))
        draw = self.uniform(words) * float(self.dtype.type(1) - self.dtype.type(low)) + low
        return apply(erf_inv_p, apply(max_p, draw, low)) * math.sqrt(2)

    def _until_none(self, todo: Expression, words: Words, state: list[Expression],
                    step: Callable[..., Any]) -> list[Expression]:
        """Apply `step(words, *state) -> (todo, words, state)` to the elements still to do."""
        count = len(words)

        def condition(mask: Any, *_: Any) -> Any:
            return reduced(reduce_or_p, Expression(mask)).value

        def body(mask: Any, *rest: Any) -> Any:
            old = [Expression(x) for x in rest]
            again, keys, values = step(rest[:count], *old[count:])
            new = [*(Expression(k) for k in keys), *values]
            return [(again & Expression(mask)).value,
                    *(where(Expression(mask), n, o).value for n, o in zip(new, old, strict=True))]

        carry = [todo.value, *words, *(s.value for s in state)]
        return [Expression(x) for x in self.b.while_loop(condition, body, *carry)[1 + count:]]

    def positive_cubes(self, words: Words, scale: Expression, todo: Expression) -> list[Expression]:
        """Normal draws x with v = 1 + scale x > 0, and these v."""
        def step(keys: Words, x: Expression, v: Expression, scale: Expression) -> Any:
            keys, own = _split(keys, 2)
            x = self.normal(own)
            v = 1.0 + x * scale
            return v <= 0, keys, [x, v, scale]

        zero = filled(0, scale)
        return self._until_none(todo, words, [zero, filled(-1, scale), scale], step)[:2]

    def cubes(self, words: Words, d: Expression) -> Expression:
        """Accepted values of v, so that d v is a gamma draw with a = d + 1/3."""
        everywhere = d == d

        def step(keys: Words, out: Expression, d: Expression) -> Any:
            keys, inner, own = _split(keys, 3)
            scale = 1 / 3 / sqrt(d)
            x, root = self.positive_cubes(inner, scale, scale == scale)
            x, v = x * x, root * root * root
            u = self.uniform(own)
            quick = u >= 1.0 - _SQUEEZE * (x * x)
            slow = log(u) >= x * 0.5 + d * (1.0 - v + log(v))
            return quick & slow, keys, [v, d]

        return self._until_none(everywhere, words, [filled(1, d), d], step)[0]
