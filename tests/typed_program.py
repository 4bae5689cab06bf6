"""A user's program, fully annotated: `make lint` checks it with `mypy --strict`.

What the functions of arrax give is known to type checkers; `assert_type` says what.
"""
from __future__ import annotations

import functools
from typing import NamedTuple, assert_type

import numpy as np

import arrax as jax
import arrax.numpy as jnp
from arrax import Array, lax, random


class Params(NamedTuple):
    """A layer."""

    w: Array
    b: Array


def init(key: Array, n: int, m: int) -> Params:
    """Small random weights."""
    first, _ = random.split(key)
    return Params(random.normal(first, (n, m)) * 0.1, jnp.zeros(m))


def predict(params: Params, x: Array) -> Array:
    """A linear layer, without the mean."""
    h = x @ params.w + params.b
    return h - h.mean(axis=0, keepdims=True)


def loss(params: Params, x: Array, y: Array) -> Array:
    """The mean of the squared distances."""
    return jnp.sum((predict(params, x) - y) ** 2) / x.shape[0]


@jax.jit
def step(params: Params, x: Array, y: Array) -> tuple[Params, Array]:
    """One step of gradient descent."""
    value, grads = jax.value_and_grad(loss)(params, x, y)
    return jax.tree.map(lambda p, g: p - 0.1 * g, params, grads), value


@functools.partial(jax.jit, static_argnames="n")
def power(x: Array, n: int) -> Array:
    """x ** n, by a loop."""
    def body(i: int, acc: Array) -> Array:
        return acc * x
    result: Array = lax.fori_loop(0, n, body, jnp.ones_like(x))
    return result


@jax.jit(static_argnums=1)
def shifted(x: Array, n: int) -> Array:
    """x + n."""
    return x + n


class Model:
    """Methods are transformed like functions."""

    @jax.jit(static_argnums=0)
    def double(self, x: Array) -> Array:
        """2 x."""
        return 2 * x


def main() -> float:
    """Train, and use what arrays can do."""
    key = random.key(0)
    params = init(key, 3, 2)
    x = random.normal(key, (10, 3))
    y = jnp.asarray(np.ones((10, 2), np.float32))
    for _ in range(3):
        params, value = step(params, x, y)
    assert_type(value, Array)
    assert_type(value.shape, tuple[int, ...])
    z = -x + 1 - 2 * x / 3 ** x[0] // 1 % 2
    z = z.at[0].set(1.0).at[1, 2].add(x[0, 0])
    total = z.sum() + jnp.max(z, axis=1)[0] + jnp.linalg.norm(z)
    assert_type(total, Array)
    for row in z:
        assert_type(row.T.reshape(-1).astype(jnp.float32), Array)
    flags = (x > 0) & (x <= 1) | ~(x == 2)
    assert_type(flags, Array)
    assert_type(jax.vmap(shifted, in_axes=(0, None))(x, 3), Array)
    assert_type(jax.checkpoint(predict)(params, x), Array)
    assert_type(shifted(x, 3), Array)
    assert_type(Model().double(x), Array)
    if total.ndim:
        step("no", x, y)  # type: ignore[arg-type]
    return float(jnp.where(flags, x, 0.0).max())


if __name__ == "__main__":
    print(main())
