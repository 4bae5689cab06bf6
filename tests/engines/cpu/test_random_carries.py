"""Random loops over arrays of one size, compiled and as Python loops over NumPy operations."""
from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import arrax
import arrax.numpy as jnp
from arrax import lax

SIZE, STEPS, ARRAYS = 16, 5, 3
State = tuple[Any, ...]
Step = Callable[[Any, State], State]


class _Source:
    """Where random decisions come from, and whether `while` loops may be among them."""

    def __init__(self, seed: int, whiles: bool = True):
        generator = np.random.default_rng(seed)
        self.integers, self.permutation = generator.integers, generator.permutation
        self.whiles = whiles


def _replaced(state: State, k: int, value: Any) -> State:
    return (*state[:k], value, *state[k + 1:])


def _place(rng: _Source, i: Any) -> Any:
    """An index that depends on the step, or not."""
    shift, factor = int(rng.integers(0, 12)), int(rng.integers(0, 3))
    return (i * factor + shift) % SIZE


def _element(rng: _Source) -> Step:
    k, m = rng.integers(0, ARRAYS, 2)
    seed, kind = int(rng.integers(1 << 30)), int(rng.integers(4))

    def step(i: Any, state: State) -> State:
        own = _Source(seed)
        a, b = _place(own, i), _place(own, i)
        x, value = state[k], state[m][b]
        new = (x.at[a].set(value + 1), x.at[a].add(value), x.at[jnp.stack([a, b])].set(value),
               lax.dynamic_update_slice(x, state[m][:4] * 0.5, (a,)))[kind]
        return _replaced(state, int(k), new)
    return step


def _whole(rng: _Source) -> Step:
    k, m = rng.integers(0, ARRAYS, 2)
    kind = int(rng.integers(6))

    def step(i: Any, state: State) -> State:
        x, y = state[k], state[m]
        new = (x * 0.5 + y, x[::-1] + y, y, jnp.roll(x, 1) * 0.5, x - x.mean(),
               lax.bitcast_convert_type(lax.bitcast_convert_type(
                   x, np.uint8).reshape(-1)[::-1][::-1].reshape(SIZE, 4), np.float32) + y)[kind]
        return _replaced(state, int(k), new)
    return step


def _swap(rng: _Source) -> Step:
    order = [int(k) for k in rng.permutation(ARRAYS)]
    return lambda i, state: tuple(state[k] for k in order)


def _branch(rng: _Source, depth: int) -> Step:
    branches = [_steps(rng, depth - 1, int(rng.integers(0, 3))) for _ in range(rng.integers(2, 4))]
    shift = int(rng.integers(3))

    def step(i: Any, state: State) -> State:
        which = (i + shift) % len(branches)
        return lax.switch(which, [lambda s, b=b: b(i, s) for b in branches],  # type: ignore[misc]
                          state)
    return step


def _loop(rng: _Source, depth: int) -> Step:
    inner, length = _steps(rng, depth - 1, int(rng.integers(1, 3))), int(rng.integers(1, 4))
    if rng.integers(2) or not rng.whiles:
        return lambda i, state: lax.fori_loop(0, length, lambda j, s: inner(i + j, s), state)
    return lambda i, state: lax.while_loop(
        lambda c: c[0] < i % 3, lambda c: (c[0] + 1, inner(i + c[0], c[1])), (0, state))[1]


def _choice(rng: _Source, depth: int) -> Step:
    inner, shift = _steps(rng, 0, int(rng.integers(1, 3))), int(rng.integers(3))

    def step(i: Any, state: State) -> State:
        new = inner(i, state)
        return tuple(jnp.where((i + shift) % 2 == 0, n, s) for n, s in zip(new, state, strict=True))
    return step


def _steps(rng: _Source, depth: int, count: int) -> Step:
    """Some random steps, one after the other."""
    kinds: list[Callable[..., Step]] = [_element, _element, _element, _whole, _swap]
    nested: list[Callable[..., Step]] = [_branch, _loop, _choice] if depth > 0 else []
    parts = []
    for _ in range(count):
        number = int(rng.integers(len(kinds) + len(nested)))
        parts.append(kinds[number](rng) if number < len(kinds)
                     else nested[number - len(kinds)](rng, depth))

    def step(i: Any, state: State) -> State:
        for part in parts:
            state = part(i, state)
        return state
    return step


def program(seed: int, whiles: bool = True) -> Callable[..., Any]:
    """A loop of random steps; its results are the carries."""
    rng = _Source(seed, whiles)
    body = _steps(rng, 2, int(rng.integers(1, 5)))
    return lambda *state: lax.fori_loop(0, STEPS, body, state)


def counted(seed: int) -> Callable[..., Any]:
    """The same steps, as often as the first argument says."""
    rng = _Source(seed)
    body = _steps(rng, 2, int(rng.integers(1, 5)))
    return lambda n, *state: lax.while_loop(
        lambda c: c[0] < n, lambda c: (c[0] + 1, body(*c)), (0, state))[1]


ARGUMENTS = [np.linspace(k, k + 1, SIZE).astype(np.float32) for k in range(ARRAYS)]


def _close(got: Any, want: Any) -> None:
    for g, w in zip(got, want, strict=True):
        np.testing.assert_allclose(g, w, rtol=2e-5, atol=1e-5)


@pytest.mark.parametrize("seed", range(40))
def test_loops_compute_what_python_does(seed: int) -> None:
    fun, args = program(seed), [jnp.asarray(a) for a in ARGUMENTS]
    with arrax.disable_jit():
        want = fun(*args)
    _close(arrax.jit(fun)(*args), want)
    donated = [jnp.asarray(a) + 0 for a in ARGUMENTS]
    _close(arrax.jit(fun, donate_argnums=(0, 1, 2))(*donated), want)


@pytest.mark.parametrize("seed", range(100, 120))
def test_batched_loops_compute_what_python_does(seed: int) -> None:
    fun, lengths = counted(seed), [0, 3, 5]
    args = [jnp.asarray(np.stack([a + b for b in range(3)])) for a in ARGUMENTS]
    with arrax.disable_jit():
        rows = [fun(n, *(a[k] for a in args)) for k, n in enumerate(lengths)]
    want = [np.stack(column) for column in zip(*rows, strict=True)]
    _close(arrax.jit(arrax.vmap(fun))(jnp.array(lengths), *args), want)


@pytest.mark.parametrize("seed", range(200, 212))
def test_gradients_of_loops_are_right(seed: int) -> None:
    fun, args = program(seed, whiles=False), [jnp.asarray(a) for a in ARGUMENTS]

    def loss(*args: Any) -> Any:
        return sum(jnp.vdot(jnp.cos(jnp.arange(SIZE) + k), x) for k, x in enumerate(fun(*args)))
    with arrax.disable_jit():
        want = arrax.grad(loss, (0, 1, 2))(*args)
    _close(arrax.jit(arrax.grad(loss, (0, 1, 2)))(*args), want)
