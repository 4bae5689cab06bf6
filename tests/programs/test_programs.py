"""Random programs mean the same under every transformation, and their jaxprs are well-formed."""
from __future__ import annotations

import os
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import arrax
from arrax.core.checker import check_jaxpr
from arrax.core.jaxpr import ClosedJaxpr
from arrax.core.parser import parse_jaxpr
from tests.programs.generate import (ARGUMENT_SHAPES, Step, all_programs, both_modes_programs,
                                     differentiable_programs, forward_programs, program)

seeds = st.integers(0, 10)
examples = int(os.environ.get("ARRAX_TEST_EXAMPLES", "15"))
few = settings(max_examples=examples, deadline=None, suppress_health_check=list(HealthCheck))


@pytest.fixture(autouse=True)
def double_precision():
    with arrax.enable_x64(True):
        yield


def arguments(seed: int, batch: tuple[int, ...] = ()) -> list[Any]:
    rng = np.random.default_rng(seed)
    return [rng.uniform(-1, 1, batch + shape) for shape in ARGUMENT_SHAPES]


def close(got: Any, expected: Any, tolerance: float = 1e-9) -> None:
    np.testing.assert_allclose(np.asarray(got), np.asarray(expected), rtol=tolerance,
                               atol=tolerance)


def check(closed: ClosedJaxpr) -> None:
    """The checker accepts the jaxpr; its text reads back to the same text."""
    check_jaxpr(closed.jaxpr)
    text = str(closed)
    assert str(parse_jaxpr(text)) == text


@few
@given(all_programs, seeds)
def test_jit_equals_eager(steps: tuple[Step, ...], seed: int):
    f, args = program(steps), arguments(seed)
    check(arrax.make_jaxpr(f)(*args))
    close(arrax.jit(f)(*args), f(*args))


@few
@given(all_programs, seeds)
def test_vmap_equals_a_loop(steps: tuple[Step, ...], seed: int):
    f, args = program(steps), arguments(seed, (3,))
    expected = [f(args[0][i], args[1][i]) for i in range(3)]
    check(arrax.make_jaxpr(arrax.vmap(f))(*args))
    close(arrax.vmap(f)(*args), expected)
    close(arrax.vmap(arrax.jit(f))(*args), expected)
    close(arrax.jit(arrax.vmap(f, in_axes=(0, None)))(args[0], args[1][0]),
          [f(args[0][i], args[1][0]) for i in range(3)])


@few
@given(forward_programs, seeds)
def test_jvp_equals_differences(steps: tuple[Step, ...], seed: int):
    f, args, tangents = program(steps), arguments(seed), arguments(seed + 100)
    step = 1e-6
    moved = [[a + s * step * t for a, t in zip(args, tangents)] for s in (1, -1)]
    expected = (np.asarray(f(*moved[0])) - np.asarray(f(*moved[1]))) / (2 * step)
    value, tangent = arrax.jvp(f, tuple(args), tuple(tangents))
    close(value, f(*args))
    close(tangent, expected, 2e-6)
    check(arrax.make_jaxpr(lambda *a: arrax.jvp(f, a, tuple(tangents)))(*args))


@few
@given(both_modes_programs, seeds)
def test_vjp_equals_jvp(steps: tuple[Step, ...], seed: int):
    f, args, tangents = program(steps), arguments(seed), arguments(seed + 100)
    _, tangent = arrax.jvp(f, tuple(args), tuple(tangents))
    gradient = arrax.grad(f, (0, 1))(*args)
    inner = sum(np.sum(np.asarray(g) * t) for g, t in zip(gradient, tangents))
    close(inner, tangent, 1e-8)
    check(arrax.make_jaxpr(arrax.grad(f, (0, 1)))(*args))
    for g, h in zip(arrax.grad(arrax.jit(f), (0, 1))(*args), gradient):
        close(g, h)
    for g, h in zip(arrax.jit(arrax.grad(f, (0, 1)))(*args), gradient):
        close(g, h)


@settings(few, max_examples=8)
@given(both_modes_programs, seeds)
def test_second_order(steps: tuple[Step, ...], seed: int):
    f, args, tangents = program(steps), arguments(seed), arguments(seed + 100)
    gradient = arrax.grad(f, (0, 1))
    _, found = arrax.jvp(gradient, tuple(args), tuple(tangents))
    step = 1e-6
    high = gradient(*[a + step * t for a, t in zip(args, tangents)])
    low = gradient(*[a - step * t for a, t in zip(args, tangents)])
    for got, h, l in zip(found, high, low):
        close(got, (np.asarray(h) - np.asarray(l)) / (2 * step), 1e-5)


@settings(few, max_examples=8)
@given(differentiable_programs, seeds)
def test_vmap_of_grad_equals_a_loop(steps: tuple[Step, ...], seed: int):
    f, args = program(steps), arguments(seed, (2,))
    for got, expected in zip(arrax.vmap(arrax.grad(f, (0, 1)))(*args),
                             zip(*[arrax.grad(f, (0, 1))(args[0][i], args[1][i])
                                   for i in range(2)])):
        close(got, np.stack([np.asarray(e) for e in expected]))
