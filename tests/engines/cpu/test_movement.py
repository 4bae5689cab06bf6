"""Kernels that move elements: transposes in tiles, reversals, gathers, repetitions."""
from __future__ import annotations

from typing import Any

import ml_dtypes
import numpy as np
import pytest

import arrax
import arrax.numpy as jnp
from arrax import lax
from arrax.engines.cpu.kernels.emit_kernel import turning
from tests.engines.cpu.compiling import check, compiled, traced
from tests.engines.cpu.test_passes import after

BFLOAT16 = np.dtype(ml_dtypes.bfloat16)
DTYPES = ("float32", "int32", "uint8", "bool", "bfloat16", "float16", "complex64")
SHAPES = ((0, 3), (1, 1), (1, 37), (37, 1), (3, 50), (50, 3), (16, 16), (17, 16), (16, 17),
          (31, 29), (2, 5), (101, 67), (15, 33))


def numbers(shape: Any, dtype: str = "float32") -> Any:
    values = np.random.default_rng(0).integers(0, 100, shape)
    return (values > 50) if dtype == "bool" else \
        values.astype(BFLOAT16 if dtype == "bfloat16" else dtype)


@pytest.mark.parametrize("shape", SHAPES)
def test_transpose(shape: Any) -> None:
    check(lambda x: [x.T, jnp.exp(x * -0.1).T * 2 + x.T], numbers(shape))


@pytest.mark.parametrize("dtype", DTYPES)
def test_transpose_of_dtype(dtype: str) -> None:
    check(lambda x: [x.T, jnp.flip(x, 1), jnp.flip(x)], numbers((37, 53), dtype))


@pytest.mark.parametrize("order", [(3, 2, 1, 0), (0, 2, 3, 1), (0, 3, 1, 2), (2, 0, 3, 1)])
def test_transpose_of_four_axes(order: Any) -> None:
    check(lambda x: [lax.transpose(x, order)], numbers((5, 18, 7, 21)))


def test_large_transpose_on_all_threads() -> None:
    """Ranges of rows that threads get need not be whole tiles."""
    for shape in ((1003, 517), (517, 1003)):
        x = numbers(shape)
        np.testing.assert_array_equal(arrax.jit(lambda x: x.T + 1)(x), x.T + 1)


def test_operand_that_is_also_written_is_not_tiled() -> None:
    f = arrax.jit(lambda x: x + x.T, donate_argnums=0)
    x = numbers((40, 40))
    np.testing.assert_array_equal(f(jnp.array(x)), x + x.T)


@pytest.mark.parametrize("shape", [(40, 50), (33, 65), (16, 32), (200, 1)])
def test_result_in_the_memory_of_an_operand(shape: Any) -> None:
    """No row is computed twice, as the first time may overwrite what it is computed from."""
    x, y = numbers(shape), numbers(shape[::-1])
    f = arrax.jit(lambda x, y: x + y.T, donate_argnums=0)
    np.testing.assert_array_equal(f(jnp.array(x), y), x + y.T)


TURNED = {"transpose": (lambda x: [x.T], 1), "sum with the transpose": (lambda x: [x + x.T], 1),
          "no transpose": (lambda x: [x * 2], 0), "reversal": (lambda x: [lax.rev(x, (1,))], 0)}


@pytest.mark.parametrize("name", TURNED)
def test_what_is_read_in_tiles(name: str) -> None:
    fun, count = TURNED[name]
    region = after("place_lanes", fun, numbers((64, 64))).region
    found = [turning(kernel) for kernel in region.steps]
    assert sum(len(each[0].loads) for each in found if each) == count


@pytest.mark.parametrize("name", ["transpose", "reversal"])
def test_no_gathers(name: str) -> None:
    closed, _ = traced(TURNED[name][0], numbers((64, 64)))
    assert "extractelement <16 x ptr>" not in compiled(closed).as_text("llvm")


INDICES = (0, 1, 7, 100, 1003)


@pytest.mark.parametrize("count", INDICES)
@pytest.mark.parametrize("mode", ["fill", "clip", "wrap", None])
def test_gather_of_elements(count: int, mode: Any) -> None:
    i = np.random.default_rng(1).integers(-80, 80, count).astype(np.int32)
    for dtype in ("float32", "uint8", "complex64"):
        check(lambda x, i: [jnp.take(x, i, mode=mode)], numbers(50, dtype), i)


def test_indices_are_computed_inside_the_gather() -> None:
    """Pairs of indices are no array in memory, and column vectors fill vectors."""
    x, i = numbers((30, 40)), np.arange(300, dtype=np.int32) % 30
    executable = check(lambda x, i: [x[i, i + 3]], x, i)
    text = executable.as_text("loops")
    assert text.count("kernel") == 1 and "map i0<300" in text


@pytest.mark.parametrize("reps", [(1, 1), (3, 1), (1, 3), (2, 5), (0, 2)])
@pytest.mark.parametrize("shape", [(1, 1), (7, 13), (16, 1), (1, 300), (0, 4)])
def test_tile(shape: Any, reps: Any) -> None:
    check(lambda x: [jnp.tile(x, reps)], numbers(shape))


def test_tile_divides_nothing() -> None:
    executable = check(lambda x: [jnp.tile(x, 3)], numbers(1000))
    assert "%" not in executable.as_text("loops")
