"""Programs of the loop IR by the interpreter: right after each pass, and wrong passes named."""
from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import arrax
import arrax.numpy as jnp
from arrax import lax
from arrax.core.errors import InternalError
from arrax.engines.cpu import loop_ir as ir
from arrax.engines.cpu.interpreter.program import interpret
from arrax.engines.cpu.pipeline import PIPELINE, Compilation, Pass
from arrax.engines.cpu.interpreter import program
from tests.engines.cpu.compiling import check_passes, traced
from tests.engines.cpu.test_random_programs import Program

DRAW = np.random.default_rng(3)
M = DRAW.random((9, 9)).astype(np.float32)
V = DRAW.standard_normal(50).astype(np.float32)
PLACES = DRAW.integers(-60, 60, 30)


def flat(fun: Callable[..., Any]) -> Callable[..., list[Any]]:
    """`fun` with a flat list of results."""
    return lambda *args: arrax.tree_util.tree_leaves(fun(*args))


@pytest.mark.parametrize("seed", range(1000, 1120))
def test_a_random_program_is_right_after_each_pass(seed: int) -> None:
    draw = np.random.default_rng(seed)
    shape = tuple(draw.integers(1, 22, draw.integers(1, 4)))
    inputs = [draw.standard_normal(shape).astype(np.float32) for _ in range(2)]
    closed, arrays = traced(Program(seed), *inputs)
    check_passes(closed, arrays, rtol=1e-4, atol=1e-3)


def scanned(x: Any, w: Any) -> Any:
    return lax.scan(lambda h, t: (jnp.tanh(w @ h + t), h.sum()), x[0], x)


PROGRAMS: dict[str, tuple[Callable[..., Any], *tuple[Any, ...]]] = {
    "scatter": (lambda x, i: (x.at[i].add(2.0), x.at[i].set(1.0), x.at[:3].mul(x[3:6])), V, PLACES),
    "gather": (lambda x, i: (x.at[i].get(mode="fill"), jnp.roll(jnp.take(x, i), 5)), V, PLACES),
    "while": (lambda x: lax.while_loop(
        lambda c: c[0] < 5, lambda c: (c[0] + 1, c[1] * 2 + c[1][::-1]), (0, x)), V),
    "fori with updates in place": (lambda x: lax.fori_loop(
        0, 20, lambda i, x: x.at[i].set(x[2 * i] + 1), x), V),
    "scan": (scanned, M, M),
    "scan in reverse": (lambda x: lax.scan(
        lambda h, t: (h + t, (h * t, t)), x[0], x, reverse=True), M),
    "gradient of a scan": (arrax.grad(lambda x, w: scanned(x, w)[1].sum(), (0, 1)), M, M),
    "a loop that reads rows made outside": (lambda x: arrax.vmap(lambda n, x: lax.while_loop(
        lambda c: c[0] < n, lambda c: (c[0] + 1, c[1].at[7].add(1)), (0, x))[1])(
            jnp.arange(5) * 3, x.reshape(5, 10)), V),
    "cond": (lambda x: lax.cond(x[0] > 0, lambda v: v * 2, lambda v: v[::-1], x), V),
    "switch out of range": (lambda x: lax.switch(
        3, [lambda v: v, lambda v: v + 1], x), V),
    "softmax, argmax": (lambda q: (arrax.nn.softmax(q @ q.T) @ q, jnp.argmax(q, 1),
                                   jnp.argmin(q)), M),
    "library and host calls": (lambda x: (jnp.sort(x, 1), jnp.cumsum(x, 0), jnp.linalg.qr(x),
                                          jnp.fft.fft(x), jnp.convolve(x[0], x[1, :3])), M),
    "long scatter of rows": (lambda x, i: jnp.zeros((4, 2048)).at[i].add(x),
                             DRAW.random((9, 2048)).astype(np.float32), PLACES[:9] % 4),
    "a fold cut for threads": (lambda x: (x.sum(), x.max(), (x * x).mean()),
                               DRAW.random(1 << 17).astype(np.float32)),
    "transposed read": (lambda x: jnp.exp(x).T * 2 + x, M),
    "bits": (lambda x: lax.bitcast_convert_type(x, np.dtype(np.uint8))[:, ::-1] * 1, V),
    "keys": (lambda x: arrax.random.normal(
        arrax.random.split(arrax.random.key(0), 3)[1], (5,)) + x, np.float32(0)),
    "complex": (lambda x: jnp.abs(lax.complex(x, -x) * 2j), V),
    "half precision": (lambda x: jnp.exp(x.astype(jnp.bfloat16)).sum(1), M),
    "integers": (lambda i: (i // 7, i % 7, i << 2, jnp.maximum(i, 0).astype(np.uint8)), PLACES),
    "empty axes": (lambda x: (x[:0].sum(), x[:0].sum(0), jnp.concatenate([x[:0], x])), M),
    "results that are inputs": (lambda x: (x, x.reshape(3, 27), 2.0), M),
}


@pytest.mark.parametrize("name", PROGRAMS)
def test_a_program_is_right_after_each_pass(name: str) -> None:
    fun, *args = PROGRAMS[name]
    closed, arrays = traced(flat(fun), *args)
    check_passes(closed, arrays, rtol=2e-3 if "half" in name else 2e-5, atol=1e-4)


def test_donated_memory_is_that_of_results() -> None:
    closed, arrays = traced(flat(lambda x, y: (x * 2 + y, y[::-1] + 1)), V, V)
    check_passes(closed, arrays, donated=(True, True))
    compilation = Compilation(closed, "test", (True, True))
    for entry in PIPELINE[:-1]:
        entry.function(compilation)
    assert compilation.aliases[0] == 0
    # Reversed elements must not take the memory of what they are read from.
    with pytest.raises(InternalError, match="reads what another point writes"):
        interpret(compilation.region, [V, V], compilation.arena_bytes, [-1, 1])


def broken(name: str, breaks: Callable[[ir.Region], None]) -> list[Pass]:
    """The pipeline with a pass that breaks its result."""
    def function(entry: Pass) -> Callable[[Compilation], None]:
        def run(c: Compilation) -> None:
            entry.function(c)
            if entry.name == name:
                breaks(c.region)
        return run
    return [Pass(e.name, function(e), e.loop_ir) for e in PIPELINE]


def share_memory(region: ir.Region) -> None:
    """Places all temporaries at the start of the arena."""
    for step in region.steps:
        for buffer in step.results if isinstance(step, ir.LibraryStep) else ():
            if buffer.root.kind == "temporary":
                buffer.root.offset = 0


def reverse_steps(region: ir.Region) -> None:
    region.steps.reverse()


@pytest.mark.parametrize("name, breaks, message", [
    ("bufferize", share_memory, "after bufferize"),
    ("merge_kernels", reverse_steps, "after merge_kernels: .*before it is written"),
    ("fuse", reverse_steps, "after fuse: .*before it is written"),
    ("split_reductions", lambda region: region.steps.pop(0), "after split_reductions"),
])
def test_a_wrong_pass_is_named(name: str, breaks: Callable[[Any], Any], message: str,
                               monkeypatch: pytest.MonkeyPatch) -> None:
    closed, arrays = traced(flat(
        lambda x: (jnp.sort(x, 1) @ jnp.sort(x, 0)) + jnp.sort(x * 2, 1) * jnp.sort(x.T, 0)), M)
    check_passes(closed, arrays)
    monkeypatch.setattr(program, "PIPELINE", broken(name, breaks))
    with pytest.raises((InternalError, AssertionError), match=message):
        check_passes(closed, arrays)
