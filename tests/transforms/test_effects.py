"""Effects under derivatives: what depends on known values happens once, as in the function itself,
in whatever control flow it stands, and results are values."""
from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest

import arrax
import arrax.numpy as jnp
from arrax import lax
from arrax.ops.callback import io_callback

SEEN: list[float] = []


@pytest.fixture(autouse=True)
def _forget() -> Iterator[None]:
    SEEN.clear()
    yield
    SEEN.clear()


def see(x: Any) -> None:
    arrax.debug.callback(lambda value: SEEN.append(float(value)), x)


def see_in_order(x: Any) -> None:
    io_callback(lambda value: SEEN.append(float(value)), None, lax.stop_gradient(x), ordered=True)


def looking(cond: Callable[[Any], None]) -> Callable[[Any], Any]:
    def go_on(carry: Any) -> Any:
        cond(carry[1])
        return carry[0] < 3
    return go_on


CONTROL: dict[str, Callable[[Any], Callable[[Any], Any]]] = {
    "itself": lambda f: f,
    "jit": arrax.jit,
    "checkpoint": arrax.checkpoint,
    "while": lambda f: lambda x: lax.while_loop(
        lambda c: c[0] < 3, lambda c: (c[0] + 1, f(c[1])), (0, x))[1],
    "while that looks": lambda f: lambda x: lax.while_loop(
        looking(see), lambda c: (c[0] + 1, f(c[1])), (0, x))[1],
    "scan": lambda f: lambda x: lax.scan(lambda c, _: (f(c), None), x, None, length=3)[0],
    "cond": lambda f: lambda x: lax.cond(x > 0, f, lambda x: x, x),
    "switch": lambda f: lambda x: lax.switch(1, [lambda x: x, f, jnp.sin], x),
    "cond in scan": lambda f: CONTROL["scan"](CONTROL["cond"](f)),
    "cond in while": lambda f: CONTROL["while"](CONTROL["cond"](f)),
    "scan in while": lambda f: CONTROL["while"](CONTROL["scan"](f)),
    "while in cond": lambda f: CONTROL["cond"](CONTROL["while"](f))}
FORWARD: dict[str, Callable[[Any], Any]] = {
    "linearize": lambda f: (lambda out, push: (out, push(1.0), push(2.0)))(
        *arrax.linearize(f, 1.0)),
    "jvp": lambda f: arrax.jvp(f, (1.0,), (1.0,)),
    "jit of jvp": lambda f: arrax.jit(lambda x: arrax.jvp(f, (x,), (1.0,)))(1.0),
    "jit of linearize": lambda f: arrax.jit(lambda x: arrax.linearize(f, x)[1](1.0))(1.0)}
REVERSE: dict[str, Callable[[Any], Any]] = {
    "grad": lambda f: arrax.grad(f)(1.0), "jit of grad": lambda f: arrax.jit(arrax.grad(f))(1.0),
    "vjp": lambda f: (lambda out, pull: (out, pull(1.0), pull(2.0)))(*arrax.vjp(f, 1.0)),
    "grad of grad": lambda f: arrax.grad(arrax.grad(f))(1.0),
    "jvp of grad": lambda f: arrax.jvp(arrax.grad(f), (1.0,), (1.0,))}


@pytest.mark.parametrize("look", [see, see_in_order])
@pytest.mark.parametrize("control", CONTROL)
@pytest.mark.parametrize("derivative", [*FORWARD, *REVERSE])
def test_known_effects_happen_once(control: str, derivative: str, look: Any) -> None:
    def body(x: Any) -> Any:
        look(x)
        y = jnp.sin(x)
        look(y)
        return y * x
    f = CONTROL[control](body)
    quiet = CONTROL[control](lambda x: jnp.sin(x) * x)
    f(1.0)
    arrax.effects_barrier()
    expected = list(SEEN)
    SEEN.clear()
    if derivative in REVERSE and "while" in control:
        with pytest.raises(ValueError, match="Reverse-mode differentiation does not work"):
            REVERSE[derivative](f)
        return
    found = {**FORWARD, **REVERSE}[derivative](f)
    arrax.effects_barrier()
    np.testing.assert_allclose(SEEN, expected, rtol=1e-6)
    for ours, theirs in zip(arrax.tree.leaves(found), arrax.tree.leaves(
            {**FORWARD, **REVERSE}[derivative](quiet)), strict=True):
        assert isinstance(ours, arrax.Array)
        np.testing.assert_allclose(ours, theirs, rtol=1e-6)


def test_effects_of_tangents_happen_in_the_linear_map() -> None:
    @arrax.custom_jvp
    def twice(x: Any) -> Any:
        return x * 2

    @twice.defjvp
    def _(primals: Any, tangents: Any) -> Any:
        see(tangents[0])
        return twice(*primals), tangents[0] * 2
    out, push = arrax.linearize(CONTROL["while"](twice), 1.0)
    assert float(out) == 8 and SEEN == []
    assert float(push(3.0)) == 24
    arrax.effects_barrier()
    assert SEEN == [3.0, 6.0, 12.0]
