"""The stack that compiled functions take does not grow with the program."""
from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import arrax
import arrax.numpy as jnp
from arrax import lax
from tests.engines.cpu.compiling import llvm_of

BUDGET = 160 * 1024  # bytes for rows, tables of addresses and slots of one function


def _softmaxes(n: int) -> Callable[..., Any]:
    def program(x: Any) -> Any:
        for k in range(n):
            x = arrax.nn.softmax(x * (1 + k / 100), axis=1)
        return [x]
    return program


def _many_rows(n: int) -> Callable[..., Any]:
    """One kernel with many rows that several stages read."""
    def program(x: Any) -> Any:
        rows = [jnp.exp(x * k) for k in range(1, n + 1)]
        return [sum(row / row.sum(1, keepdims=True) for row in rows)]
    return program


def _calls(n: int) -> Callable[..., Any]:
    """Library calls and parallel kernels, with tables of addresses."""
    def program(x: Any) -> Any:
        for _ in range(n):
            x, y = lax.sort([x, -x], dimension=1, num_keys=1)
            x = x + y[::-1]
        return [x]
    return program


def _stack_bytes(program: Callable[..., Any], *args: Any) -> list[int]:
    """Bytes of arrays on the stack of each function; LLVM turns single numbers into registers."""
    sizes = []
    for function in llvm_of(program, *args).functions:
        kinds = [i.allocated_type for block in function.blocks for i in block.instructions
                 if i.opname == "alloca"]
        sizes.append(sum(kind.count * 8 if "ptr" in str(kind) else kind.count
                         for kind in kinds if str(kind).startswith("[")))
    return sizes


@pytest.mark.parametrize("make", [_softmaxes, _many_rows, _calls])
@pytest.mark.parametrize("shape", [(8, 16_000), (64, 300)])
def test_stack_stays_within_its_budget(make: Any, shape: tuple[int, int]) -> None:
    assert max(_stack_bytes(make(40), np.ones(shape, np.float32))) <= BUDGET


def test_long_rows_in_a_small_thread() -> None:
    run = arrax.jit(lambda x: _softmaxes(70)(x)[0])
    x = np.random.default_rng(0).normal(size=(8, 16_000)).astype(np.float32)
    run.lower(x).compile()
    results: list[Any] = []
    before = threading.stack_size(512 * 1024)
    try:
        thread = threading.Thread(target=lambda: results.append(run(x)))
        thread.start()
        thread.join()
    finally:
        threading.stack_size(before)
    np.testing.assert_allclose(np.asarray(results[0]).sum(1), np.ones(8), rtol=1e-4)
