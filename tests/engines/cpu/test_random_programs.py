"""Random programs give what their evaluation gives."""
from __future__ import annotations

import random
from typing import Any

import numpy as np
import pytest

from tests.engines.cpu.compiling import check, prim

UNARY = ["neg", "abs", "sign", "tanh", "logistic", "floor", "square", "sin"]
BINARY = ["add", "sub", "mul", "max", "min"]


class Program:
    """Draws operations on values of known shapes."""

    def __init__(self, seed: int):
        self.draw = random.Random(seed)

    def __call__(self, *inputs: Any) -> list[Any]:
        values = list(inputs)
        for _ in range(self.draw.randint(3, 14)):
            values.append(self.operation(values))
        outs = self.draw.sample(values[len(inputs):], min(3, len(values) - len(inputs)))
        return [values[-1], *outs]

    def operation(self, values: list[Any]) -> Any:
        draw = self.draw
        x = draw.choice(values)
        kind = draw.choice(["unary", "binary", "binary", "reduce", "broadcast", "transpose",
                            "reshape", "slice", "pad", "rev", "concatenate", "select", "cumsum",
                            "dot", "update", "gather", "convert"])
        return getattr(self, kind)(x, values)

    def unary(self, x: Any, values: list[Any]) -> Any:
        return prim(self.draw.choice(UNARY))(x, **self.params())

    def params(self) -> dict[str, Any]:
        return {}

    def binary(self, x: Any, values: list[Any]) -> Any:
        same = [v for v in values if v.shape == x.shape]
        return prim(self.draw.choice(BINARY))(x, self.draw.choice(same))

    def select(self, x: Any, values: list[Any]) -> Any:
        y = self.draw.choice([v for v in values if v.shape == x.shape])
        return prim("select_n")(prim("lt")(x, y), x, y)

    def reduce(self, x: Any, values: list[Any]) -> Any:
        axes = tuple(sorted(self.draw.sample(range(x.ndim), self.draw.randint(0, x.ndim))))
        name = self.draw.choice(["reduce_sum", "reduce_max", "reduce_min"])
        if not axes:
            return prim("neg")(x)
        return prim(name)(x, axes=axes, out_sharding=None)

    def broadcast(self, x: Any, values: list[Any]) -> Any:
        if x.ndim >= 3:
            return prim("neg")(x)
        shape = list(x.shape)
        axis = self.draw.randint(0, x.ndim)
        shape.insert(axis, self.draw.randint(1, 5))
        dims = tuple(i for i in range(len(shape)) if i != axis)
        return prim("broadcast_in_dim")(x, shape=tuple(shape), broadcast_dimensions=dims,
                                        sharding=None)

    def transpose(self, x: Any, values: list[Any]) -> Any:
        order = list(range(x.ndim))
        self.draw.shuffle(order)
        return prim("transpose")(x, permutation=tuple(order))

    def reshape(self, x: Any, values: list[Any]) -> Any:
        shape = self.draw.choice([(x.size,), (1, x.size), tuple(reversed(x.shape))])
        return prim("reshape")(x, new_sizes=shape, dimensions=None, sharding=None)

    def slice(self, x: Any, values: list[Any]) -> Any:
        starts = [self.draw.randint(0, d - 1) for d in x.shape]
        limits = [self.draw.randint(s + 1, d) for s, d in zip(starts, x.shape, strict=True)]
        steps = tuple(self.draw.randint(1, 2) for _ in x.shape)
        return prim("slice")(x, start_indices=tuple(starts), limit_indices=tuple(limits),
                             strides=self.draw.choice([None, steps]))

    def pad(self, x: Any, values: list[Any]) -> Any:
        config = tuple((self.draw.randint(0, 2), self.draw.randint(0, 2), self.draw.randint(0, 1))
                       for _ in x.shape)
        return prim("pad")(x, np.float32(0.5), padding_config=config)

    def rev(self, x: Any, values: list[Any]) -> Any:
        dims = tuple(i for i in range(x.ndim) if self.draw.random() < 0.5)
        return prim("rev")(x, dimensions=dims)

    def concatenate(self, x: Any, values: list[Any]) -> Any:
        if x.ndim == 0:
            return prim("neg")(x)
        y = self.draw.choice([v for v in values if v.shape == x.shape])
        return prim("concatenate")(x, y, dimension=self.draw.randrange(x.ndim))

    def cumsum(self, x: Any, values: list[Any]) -> Any:
        if x.ndim == 0:
            return prim("neg")(x)
        return prim("cumsum")(prim("tanh")(x), axis=self.draw.randrange(x.ndim),
                              reverse=self.draw.random() < 0.5)

    def dot(self, x: Any, values: list[Any]) -> Any:
        if x.ndim == 0:
            return prim("neg")(x)
        y = prim("tanh")(x)
        i = self.draw.randrange(x.ndim)
        batch = [k for k in range(x.ndim) if k != i][:self.draw.randint(0, 1)]
        free = x.ndim - 1 - len(batch)
        if x.size * x.size > 1e5 or 2 * free + len(batch) > 3:
            return y
        return prim("dot_general")(
            y, y, dimension_numbers=(((i,), (i,)), (tuple(batch), tuple(batch))), precision=None,
            preferred_element_type=np.dtype(np.float32), out_sharding=None)

    def update(self, x: Any, values: list[Any]) -> Any:
        if x.ndim == 0:
            return prim("neg")(x)
        sizes = [self.draw.randint(1, d) for d in x.shape]
        part = prim("slice")(prim("neg")(x), start_indices=(0,) * x.ndim,
                             limit_indices=tuple(sizes), strides=None)
        starts = [np.int32(self.draw.randint(-2, d)) for d in x.shape]
        return prim("dynamic_update_slice")(x, part, *starts)

    def gather(self, x: Any, values: list[Any]) -> Any:
        if x.ndim == 0:
            return prim("neg")(x)
        sizes = tuple(self.draw.randint(1, d) for d in x.shape)
        starts = [np.int32(self.draw.randint(-2, d)) for d in x.shape]
        return prim("dynamic_slice")(x, *starts, slice_sizes=sizes)

    def convert(self, x: Any, values: list[Any]) -> Any:
        y = prim("lt")(x, prim("neg")(x))
        return prim("convert_element_type")(y, new_dtype=np.dtype(np.float32), weak_type=False,
                                            sharding=None)


@pytest.mark.parametrize("seed", range(400))
def test_a_random_program_computes_what_its_evaluation_does(seed: int) -> None:
    draw = np.random.default_rng(seed)
    shape = tuple(draw.integers(1, 22, draw.integers(1, 4)))
    inputs = [draw.standard_normal(shape).astype(np.float32) for _ in range(2)]
    check(Program(seed), *inputs, rtol=1e-4, atol=1e-3)
