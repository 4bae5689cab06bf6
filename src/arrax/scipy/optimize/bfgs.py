"""Quasi-Newton methods: BFGS with the whole inverse Hessian, and with the last few updates of it.

Both are one loop: a direction from the gradient, a step along it that satisfies the strong Wolfe
conditions, and an update from s = x' - x and y = g' - g, which is left out where sᵀy is not
positive.

Source: J. Nocedal and S. Wright, "Numerical Optimization" (2006), algorithms 6.1, 7.4 and 7.5.
"""
from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

from arrax import lax
from arrax import numpy as jnp
from arrax.scipy.optimize.line_search import line_search
from arrax.transforms.api_ad import value_and_grad

CONVERGED, TOO_MANY_STEPS, TOO_MANY_VALUES, TOO_MANY_GRADIENTS, STALLED, NO_STEP = range(6)


class State(NamedTuple):
    """Where a minimization stands. `memory` is what the method knows of the Hessian."""

    x: Any
    value: Any
    gradient: Any
    decrease: Any      # of the value in the last step
    memory: Any
    steps: Any
    evaluations: Any
    status: Any        # one of the numbers above, or -1 while it goes on


class Limits(NamedTuple):
    """When to stop: the norm of the gradient, relative decrease of the value, and counts."""

    gradient: Any
    norm: Any
    decrease: Any
    steps: Any
    evaluations: Any
    gradients: Any
    search: int


def run(fun: Callable[[Any], Any], x: Any, memory: Any, direction_of: Callable[[Any, Any], Any],
        updated: Callable[[Any, Any, Any], Any], limits: Limits) -> State:
    """Minimize from `x` on.

    Args:
      memory: what the method knows at first.
      direction_of: (memory, gradient) → a direction of descent.
      updated: (memory, s, y) → memory, where sᵀy is positive.
    """
    value, gradient = value_and_grad(fun)(x)
    one = jnp.ones((), jnp.int32)
    size = jnp.linalg.norm(gradient)

    def small(gradient: Any) -> Any:
        return jnp.linalg.norm(gradient, ord=limits.norm) < limits.gradient

    def step(s: State) -> State:
        direction = direction_of(s.memory, s.gradient)
        slope = jnp.vdot(s.gradient, direction).real
        guess = jnp.minimum(1, 1.01 * 2 * s.decrease / jnp.where(slope < 0, -slope, 1))
        first = jnp.where(guess > 0, guess, 1)
        found = line_search(fun, s.x, direction, s.value, s.gradient, first, limits.search)
        point = found.point
        moved = point.step * direction
        change = point.gradient - s.gradient
        curvature = jnp.vdot(moved, change).real
        memory = lax.cond(curvature > 0, updated, lambda memory, *_: memory, s.memory, moved,
                          change)
        steps, evaluations = s.steps + 1, s.evaluations + found.evaluations
        decrease = s.value - point.value
        largest = jnp.maximum(jnp.maximum(jnp.abs(s.value), jnp.abs(point.value)), 1)
        status = jnp.where(
            small(point.gradient), CONVERGED, jnp.where(
                ~found.success, NO_STEP, jnp.where(
                    decrease < limits.decrease * largest, STALLED, jnp.where(
                        steps >= limits.steps, TOO_MANY_STEPS, jnp.where(
                            evaluations >= limits.evaluations, TOO_MANY_VALUES, jnp.where(
                                evaluations >= limits.gradients, TOO_MANY_GRADIENTS, -1))))))
        return State(s.x + moved, point.value, point.gradient, decrease, memory, steps, evaluations,
                     status.astype(jnp.int32))

    status = jnp.where(small(gradient), CONVERGED,
                       jnp.where(limits.steps <= 0, TOO_MANY_STEPS, -1)).astype(jnp.int32)
    start = State(x, value, gradient, (size / 2).astype(value.dtype), memory, 0 * one, one, status)
    end: State = lax.while_loop(lambda s: s.status == -1, step, start)
    return end


# ---- the whole inverse Hessian -----------------------------------------------------------------

def dense_memory(x: Any) -> Any:
    return jnp.eye(x.shape[0], dtype=x.dtype)


def dense_direction(inverse: Any, gradient: Any) -> Any:
    return -(inverse @ jnp.conj(gradient))


def dense_update(inverse: Any, s: Any, y: Any) -> Any:
    """H' = (I - ρ s yᵀ) H (I - ρ y sᵀ) + ρ s sᵀ, with ρ = 1 / sᵀy."""
    rho = 1 / jnp.vdot(s, y).real
    along = inverse @ y
    across = jnp.outer(s, jnp.conj(along))
    return inverse - rho * (across + jnp.conj(across).T) \
        + rho * (1 + rho * jnp.vdot(y, along).real) * jnp.outer(s, jnp.conj(s))


# ---- the last updates --------------------------------------------------------------------------

class Updates(NamedTuple):
    """The last updates, the newest last; those that were not made yet are zeros."""

    s: Any
    y: Any
    rho: Any
    scale: Any  # sᵀy / yᵀy of the newest


def limited_memory(x: Any, count: int) -> Updates:
    zeros = jnp.zeros((count, x.shape[0]), x.dtype)
    real = jnp.finfo(x.dtype).dtype
    return Updates(zeros, zeros, jnp.zeros(count, real), jnp.ones((), real))


def limited_update(memory: Updates, s: Any, y: Any) -> Updates:
    product = jnp.vdot(s, y).real
    return Updates(jnp.roll(memory.s, -1, 0).at[-1].set(s), jnp.roll(memory.y, -1, 0).at[-1].set(y),
                   jnp.roll(memory.rho, -1).at[-1].set(1 / product),
                   product / jnp.vdot(y, y).real)


def limited_direction(memory: Updates, gradient: Any) -> Any:
    """-H g by the two loops over the updates."""
    def back(q: Any, update: Any) -> Any:
        s, y, rho = update
        a = rho * jnp.vdot(s, q).real
        return q - a * y, a

    def forth(r: Any, update: Any) -> Any:
        s, y, rho, a = update
        return r + s * (a - rho * jnp.vdot(y, r).real), None

    updates = (memory.s, memory.y, memory.rho)
    q, a = lax.scan(back, jnp.conj(gradient), updates, reverse=True)
    r, _ = lax.scan(forth, memory.scale * q, (*updates, a))
    return -r
