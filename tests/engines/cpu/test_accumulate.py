"""Gradients of loops that read parts of an array cost what they read, not the size of the array."""
from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import arrax
import arrax.numpy as jnp
from arrax import lax
from tests.engines.cpu.compiling import check
from tests.engines.cpu.work import written_bytes

SIZE, STEPS = 4096, 64
X = np.linspace(0.5, 1, SIZE).astype(np.float32)
STEP = jnp.arange(STEPS)


def _scanned(step: Callable[..., Any]) -> Callable[..., Any]:
    """The sum over steps of step(x, i, carry)."""
    return lambda x: lax.scan(lambda c, i: (c * 0.5 + step(x, i, c), None), jnp.float32(1), STEP)[0]


def _inner(x: Any, i: Any, c: Any) -> Any:
    """A loop inside the loop."""
    return lax.fori_loop(0, 4, lambda j, s: s + x[4 * i + j] * c, jnp.float32(0))


def _checkpointed(x: Any) -> Any:
    return _scanned(arrax.checkpoint(lambda x, i, c: jnp.sin(x[i] * c)))(x)


def _unrolled(x: Any) -> Any:
    total = jnp.float32(0)
    for i in range(STEPS):
        total = total * 0.5 + jnp.sin(x[7 * i] * total)
    return total


def _updated(x: Any) -> Any:
    """Reads and writes of the carry: its cotangent is updated too."""
    return lax.fori_loop(0, STEPS, lambda i, x: x.at[i].set(x[i + 1] * x[i + 2]), x).sum()


READS: dict[str, Callable[..., Any]] = {
    "elements": _scanned(lambda x, i, c: jnp.sin(x[i]) * c),
    "several elements": _scanned(lambda x, i, c: x[i] * x[i + 1] + x[2 * i] * c),
    "windows": _scanned(lambda x, i, c: lax.dynamic_slice(x, (i,), (8,)).sum() * c),
    "rows": _scanned(lambda x, i, c: (x.reshape(64, 64)[i] * c).sum()),
    "columns": _scanned(lambda x, i, c: (x.reshape(64, 64)[:, i] * c).sum()),
    "gathers": _scanned(lambda x, i, c: (x[jnp.array([0, 5, 5]) * i] * c).sum()),
    "constant places": _scanned(lambda x, i, c: x[17] * c + x[3:9].sum() * i),
    "a loop in a loop": _scanned(_inner),
    "cond": _scanned(lambda x, i, c: lax.cond(i % 2 == 0, lambda: x[i] * c, lambda: c)),
    "switch": _scanned(lambda x, i, c: lax.switch(
        i % 3, [lambda: x[i] * c, lambda: c, lambda: x[i + 5] + x[i + 9]])),
    "cond in a loop in a loop": _scanned(lambda x, i, c: lax.fori_loop(
        0, 4, lambda j, s: lax.cond(j < i, lambda: s + x[j] * c, lambda: s), jnp.float32(0))),
    "a called function": _scanned(arrax.jit(lambda x, i, c: jnp.sin(x[i]) * c)),
    "a checkpoint": _checkpointed,
    "unrolled": _unrolled,
    "a carry": _updated,
    "a batch": lambda x: arrax.vmap(_scanned(lambda x, i, c: jnp.sin(x[i]) * c))(
        x.reshape(4, -1)).sum(),
}


@pytest.mark.parametrize("name", READS)
def test_gradients_of_loops_cost_what_they_read(name: str) -> None:
    def grad(x: Any) -> list[Any]:
        return [arrax.grad(READS[name])(x)]
    check(grad, X, rtol=1e-4, atol=1e-5)
    assert written_bytes(grad, X) < 4 * X.nbytes + STEPS * X.nbytes // 8


def test_second_derivatives_cost_what_they_read() -> None:
    def hvp(x: Any) -> list[Any]:
        loss = _scanned(lambda x, i, c: jnp.sin(x[i]) * c)
        return [arrax.grad(lambda x: arrax.grad(loss)(x)[3] + loss(x))(x)]
    check(hvp, X, rtol=1e-4, atol=1e-5)
    assert written_bytes(hvp, X) < 8 * X.nbytes + STEPS * X.nbytes // 8


KEPT: dict[str, Callable[..., Any]] = {
    "a part that is used elsewhere": lambda x: [_sum(x, y := x * 0 + _at(x, 3)), y],
    "a base that is not zero": lambda x: [_sum(x, lax.dynamic_update_slice(x, x[:4], (7,)))],
    "a part that is clamped": lambda x: [_sum(x, _at(x, SIZE + 100)), _sum(_at(x, -9), x)],
    "two parts": lambda x: [_sum(_at(x, 3), _at(x * 2, 4))],
    "the total itself": lambda x: [_sum(y := _at(x, 5), y)],
    "padding that is not zero": lambda x: [_sum(x, lax.pad(
        x[:8], np.float32(2), [(5, SIZE - 13, 0)]))],
    "padding that cuts": lambda x: [_sum(x, lax.pad(
        x[:8], np.float32(0), [(-2, SIZE - 6, 0)]))],
}


def _sum(a: Any, b: Any) -> Any:
    return arrax.lax.add_any_p.bind(a, b)


def _at(x: Any, start: int) -> Any:
    return lax.dynamic_update_slice(jnp.zeros_like(x), x[:4], (jnp.int32(start),))


@pytest.mark.parametrize("name", KEPT)
def test_sums_with_parts(name: str) -> None:
    check(KEPT[name], X)
