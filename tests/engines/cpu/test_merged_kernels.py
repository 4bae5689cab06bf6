"""Kernels of several stages: what one stage stores, another reads at other points."""
from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import arrax
import arrax.numpy as jnp
from arrax import lax
from tests.engines.cpu.compiling import check, check_passes, traced

SIZES = (9, 17, 64, 130)

Function = Callable[..., Any]


def _centred(x: Any) -> Any:
    a = jnp.exp(x) / jnp.sqrt(x)
    return a, a - a.max(1, keepdims=True)


SECOND_USES: dict[str, Function] = {
    "transposed": lambda s: (s * s.T).sum(1),
    "transposed of the first": lambda s: s.T.sum(1),
    "flipped rows": lambda s: (s * s[::-1]).sum(1),
    "flipped columns": lambda s: (s * s[:, ::-1]).sum(1),
    "rolled rows": lambda s: (s * jnp.roll(s, 1, 0)).sum(1),
    "rolled columns": lambda s: (s * jnp.roll(s, 1, 1)).max(1),
    "rows of the next row": lambda s: s[1:].sum(1) - s[:-1].sum(1),
    "the other axis": lambda s: s.sum(0),
    "broadcast of the other axis": lambda s: s - s.mean(0),
    "another order": lambda s: (s.reshape(-1)[::-1].reshape(s.shape) * s).sum(1),
    "the diagonal": lambda s: s - jnp.diagonal(s)[:, None],
}


@pytest.mark.parametrize("use", SECOND_USES)
@pytest.mark.parametrize("size", SIZES)
def test_a_stored_value_is_read_at_other_points(size: int, use: str) -> None:
    """An earlier stage's values may be read in their own row only: the others are not made yet."""
    def program(x: Any) -> Any:
        a, s = _centred(x)
        return a, s, SECOND_USES[use](s), SECOND_USES[use](a)

    x = np.random.default_rng(size).uniform(0.5, 2, (size, size)).astype(np.float32)
    for got, expected in zip(arrax.jit(program)(x), program(jnp.asarray(x)), strict=True):
        np.testing.assert_allclose(got, expected, rtol=1e-4, atol=1e-3)


@pytest.mark.parametrize("shape", [(9, 9, 3), (16, 5, 7), (8, 64, 2)])
def test_sums_over_several_axes(shape: tuple[int, ...]) -> None:
    def program(t: Any) -> Any:
        u = jnp.exp(t) * jnp.sin(t)
        return [u.sum(axis) for axis in range(3)] + [u.sum((0, 2)), u.transpose(2, 0, 1).sum(1)]

    t = np.random.default_rng(1).uniform(0, 1, shape).astype(np.float32)
    for got, expected in zip(arrax.jit(program)(t), program(jnp.asarray(t)), strict=True):
        np.testing.assert_allclose(got, expected, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("size", [7, 16, 64, 200])
def test_gradient_of_a_gravity_energy(size: int) -> None:
    def energy(x: Any) -> Any:
        squares = ((x[:, None] - x[None]) ** 2).sum(-1) + 0.1
        return jnp.sum(jnp.triu(1 / jnp.sqrt(squares), 1))

    x = np.random.default_rng(2).normal(size=(size, 3)).astype(np.float32)
    away = x[:, None].astype(np.float64) - x[None]
    cubes = ((away ** 2).sum(-1) + 0.1) ** -1.5
    np.testing.assert_allclose(arrax.jit(arrax.grad(energy))(x),
                               -(away * cubes[..., None]).sum(1), rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize("size", SIZES)
def test_one_step_of_a_region_reads_memory_of_the_region_around(size: int) -> None:
    """What one kernel of a branch or a loop's body alone touches there is not its own."""
    def program(x: Any) -> Any:
        a = jnp.sort(x, axis=0)
        b = arrax.lax.cond(x[0, 0] > 0, lambda a: a[:, 3:7].sum(1), lambda a: a[:, :4].max(1), a)
        c, _ = arrax.lax.scan(lambda c, _: (c + a[:, 2:6].sum(1), None), b, None, length=3)
        d = arrax.lax.while_loop(lambda s: s[0] < 3, lambda s: (s[0] + 1, a.T[::-1].sum(1) + s[1]),
                                 (0, c))
        return b, c, d[1]

    x = np.random.default_rng(size).normal(size=(size, size)).astype(np.float32)
    a = np.sort(x, axis=0)
    b = a[:, 3:7].sum(1) if x[0, 0] > 0 else a[:, :4].max(1)
    c = b + 3 * a[:, 2:6].sum(1)
    expected = b, c, c + 3 * a.T[::-1].sum(1)
    for got, wanted in zip(arrax.jit(program)(x), expected, strict=True):
        np.testing.assert_allclose(got, wanted, rtol=1e-4, atol=1e-3)


def test_what_only_unread_memory_reads_is_unread() -> None:
    """Of a sum that is broadcast to nothing its operand goes, and then what that reads."""
    def program(v: Any) -> Any:
        def body(i: Any, c: Any) -> Any:
            u = c[0][jnp.arange(8), jnp.arange(8) - 1]
            return c[0], jnp.broadcast_to(jnp.sum(u), (0, 8))
        return lax.fori_loop(0, 2, body, (v, jnp.zeros((0, 8), v.dtype)))

    closed, arrays = traced(program, np.ones((1, 1, 8), np.float32))
    check_passes(closed, arrays)
    check(program, *arrays)
