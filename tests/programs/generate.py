"""Random programs: nested lists of steps that hypothesis draws and shrinks, by the public API.

A program works on a pool of values, at first its two arguments (float64 of shapes (3,) and (2, 3));
each step appends one value. Operations are smooth and bounded, so that derivatives can be checked
by differences. The result is a scalar that depends on the whole pool.
"""
from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from hypothesis import strategies as st

import arrax
import arrax.numpy as jnp
from arrax import lax

ARGUMENT_SHAPES = ((3,), (2, 3))


@dataclass(frozen=True)
class Step:
    """One operation: its name, two picks from the pool, and a nested program for control flow."""

    name: str
    first: int
    second: int
    body: tuple[Step, ...] = ()


@arrax.custom_jvp
def soft_sign(x: Any) -> Any:
    return x / (1 + jnp.abs(x))


soft_sign.defjvp(lambda primals, tangents: (
    soft_sign(primals[0]), tangents[0] / (1 + jnp.abs(primals[0])) ** 2))


@arrax.custom_vjp
def scaled(x: Any) -> Any:
    return 3.0 * x


scaled.defvjp(lambda x: (3.0 * x, None), lambda _, ct: (3.0 * ct,))


def shaped_like(y: Any, x: Any) -> Any:
    """`y` as something of the shape of `x`."""
    return jnp.broadcast_to(jnp.mean(y), x.shape) if y.shape != x.shape else y


PLAIN: dict[str, Callable[[Any, Any], Any]] = {
    "sin": lambda x, y: jnp.sin(x),
    "tanh": lambda x, y: jnp.tanh(x),
    "exp": lambda x, y: jnp.exp(-x * x),
    "logistic": lambda x, y: 1.0 / (1.0 + jnp.exp(-x)),
    "log": lambda x, y: jnp.log(1.5 + jnp.sin(x)),
    "sqrt": lambda x, y: jnp.sqrt(1.0 + x * x),
    "integer_pow": lambda x, y: jnp.tanh(x) ** 3,
    "add": lambda x, y: x + shaped_like(y, x),
    "sub": lambda x, y: x - shaped_like(y, x),
    "mul": lambda x, y: jnp.tanh(x) * shaped_like(y, x),
    "div": lambda x, y: x / (2.0 + jnp.cos(shaped_like(y, x))),
    "where": lambda x, y: jnp.where(lax.stop_gradient(x) > 0.3, x * 2.0, shaped_like(y, x)),
    "sum": lambda x, y: jnp.sum(x, axis=-1) if x.ndim else x,
    "mean": lambda x, y: jnp.mean(x, axis=0, keepdims=True) if x.ndim else x,
    "softmax": lambda x, y: jnp.exp(-jnp.tanh(x)) / (1.0 + jnp.sum(x * x)),
    "transpose": lambda x, y: x.T,
    "reshape": lambda x, y: x.reshape(-1),
    "reverse": lambda x, y: jnp.flip(x, 0) if x.ndim else x,
    "slice": lambda x, y: x[..., :2] if x.ndim else x,
    "index": lambda x, y: x[0] if x.ndim else x,
    "concatenate": lambda x, y: jnp.concatenate([x.reshape(-1), y.reshape(-1)])[:6],
    "outer": lambda x, y: jnp.dot(x.reshape(-1, 1)[:3], y.reshape(1, -1)[:, :3]),
    "matmul": lambda x, y: jnp.tanh(x.reshape(1, -1)) @ jnp.sin(x.reshape(-1, 1)),
    "update": lambda x, y: x.at[0].add(jnp.mean(y)) if x.ndim else x + jnp.mean(y),
    "gather": lambda x, y: x.reshape(-1)[jnp.array([0, 0, -1])] if x.size else x,
    "cumsum": lambda x, y: jnp.cumsum(x.reshape(-1)) * 0.5,
    "custom_jvp": lambda x, y: soft_sign(x),
    "custom_vjp": lambda x, y: scaled(jnp.sin(x)),
}


def _body(steps: tuple[Step, ...]) -> Callable[[Any], Any]:
    """A program as a function from an array to an array of the same shape."""
    def apply(x: Any) -> Any:
        pool = evaluate(steps, [x, jnp.cos(x)])
        return jnp.tanh(x + jnp.mean(pool[-1]))
    return apply


def _nested(name: str, f: Callable[[Any], Any], x: Any, y: Any) -> Any:
    if name == "cond":
        return lax.cond(jnp.sum(y) > 0.1, f, lambda v: v * 0.5, x)
    if name == "switch":
        return lax.switch(jnp.int32(jnp.sum(y) > 0), [lambda v: v + 1.0, f, jnp.sin], x)
    if name == "scan":
        carry, ys = lax.scan(lambda c, t: (f(c) + t, jnp.mean(c)), x, jnp.linspace(0.0, 0.2, 3))
        return carry + jnp.sum(ys)
    if name == "fori":
        return lax.fori_loop(0, 3, lambda i, c: f(c) + 0.1 * i, x)
    if name == "while":
        def step(state: Any) -> Any:
            return state[0] + 1, f(state[1])
        return lax.while_loop(lambda s: s[0] < 2, step, (0, x))[1]
    if name == "jit":
        return arrax.jit(f)(x)
    if name == "checkpoint":
        return arrax.checkpoint(f)(x)
    if name == "vmap":
        return arrax.vmap(f)(jnp.stack([x, 0.5 * x]))[1]
    raise ValueError(name)


NESTED = ("cond", "switch", "scan", "fori", "jit", "checkpoint", "vmap")
FORWARD_ONLY = ("while",)


def evaluate(steps: tuple[Step, ...], pool: list[Any]) -> list[Any]:
    """Run the steps, each on values picked from the pool."""
    pool = list(pool)
    for step in steps:
        x, y = pool[step.first % len(pool)], pool[step.second % len(pool)]
        if step.name in PLAIN:
            pool.append(PLAIN[step.name](x, y))
        else:
            pool.append(_nested(step.name, _body(step.body), x, y))
    return pool


def program(steps: tuple[Step, ...]) -> Callable[[Any, Any], Any]:
    """The program as a function of two arrays to a scalar."""
    def run(a: Any, b: Any) -> Any:
        return sum(jnp.mean(jnp.sin(v)) for v in evaluate(steps, [jnp.asarray(a), jnp.asarray(b)]))
    return run


def _steps(nested: tuple[str, ...], depth: int, without: tuple[str, ...] = (),
           ) -> st.SearchStrategy[tuple[Step, ...]]:
    names = sorted(set(PLAIN) - set(without))
    plain = st.builds(Step, st.sampled_from(names), st.integers(0, 5), st.integers(0, 5))
    one = plain
    if depth:
        one = plain | st.builds(Step, st.sampled_from(nested), st.integers(0, 5), st.integers(0, 5),
                                _steps(nested, depth - 1, without))
    return st.lists(one, min_size=1, max_size=4 if depth else 2).map(tuple)


differentiable_programs = _steps(NESTED, 2)
all_programs = _steps(NESTED + FORWARD_ONLY, 2)
# custom_vjp functions have no forward mode
forward_programs = _steps(NESTED + FORWARD_ONLY, 2, ("custom_vjp",))
both_modes_programs = _steps(NESTED, 2, ("custom_vjp",))
