"""What the emitter writes: lanes of values, accesses inside buffers, code of bounded size."""
from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from llvmlite import ir

import arrax
import arrax.numpy as jnp
from arrax import lax
from arrax.core.errors import InternalError
from arrax.engines.cpu import machine
from tests.engines.cpu.compiling import check, emitted_size

ROW_LENGTHS = (7, 8, 9, 15, 16, 17, 33, 64, 500, 1024)


def _random(*shape: int) -> np.ndarray:
    return np.random.default_rng(len(shape)).normal(size=shape).astype(np.float32)


# ---- lanes -------------------------------------------------------------------------------------

@pytest.mark.parametrize("size", [7, 40])
def test_complex_numbers_that_share_a_part_are_told_apart(size: int) -> None:
    def chosen(x: Any) -> Any:
        zero, one, both = (jnp.complex64(c) for c in (0, 1j, 1 + 1j))
        s = x[0] + 1  # known outside of the loop
        return [jnp.where(x > 1, one, jnp.where(x > 0, zero, jnp.where(x > -1, both, x))),
                lax.pad(lax.pad(x * one, zero, [(2, 3, 0)]), one, [(1, 2, 1)]),
                jnp.where(x > 0, lax.complex(s, s), lax.complex(s, -s))]
    check(chosen, _random(size))


TILED_FOLDS: dict[str, Callable[..., Any]] = {
    "a factor for each row": lambda a, w: (a * w[:, None]).sum(1),
    "a factor for each column": lambda a, w: (a * w).sum(1),
    "both": lambda a, w: (a * w * w[:, None]).max(1),
    "a triangle": lambda a, w: jnp.tril(a).sum(1),
    "the row's number": lambda a, w: (a * jnp.arange(w.shape[0])[:, None] / w.shape[0]).sum(1),
    "a gathered factor": lambda a, w: (a * w[(w > 0).astype(int)][:, None]).sum(1),
    "a batched dot": arrax.vmap(lambda row, x: (row * x).sum()),
}


@pytest.mark.parametrize("name", TILED_FOLDS)
@pytest.mark.parametrize("length", ROW_LENGTHS)
def test_folds_of_rows_take_scalars_of_rows(length: int, name: str) -> None:
    """In a tile of rows a value of one row is a scalar at a level of lanes."""
    check(lambda a, w: [TILED_FOLDS[name](a, w)], _random(length, length), _random(length),
          rtol=1e-4, atol=1e-4)


# ---- conditional code --------------------------------------------------------------------------

@pytest.mark.parametrize("shape", [(5, 12, 33), (16, 3, 17), (33, 33, 33), (4, 100, 21)])
def test_transposes_with_factors(shape: tuple[int, int, int]) -> None:
    """Rows of a tile that were written before are skipped; what stands outside is for all rows."""
    check(lambda x, y, z: [jnp.transpose(x, (2, 1, 0)) * y[None, :, None] + z[:, None, None]],
          _random(*shape), _random(shape[1]), _random(shape[2]))


# ---- accesses ----------------------------------------------------------------------------------

def test_what_is_not_chosen_is_not_read_outside() -> None:
    """Indices behind the end of `idx` would be taken by the roll that chooses the other part."""
    x, idx = _random(1000), np.random.default_rng(0).integers(-1500, 1500, 200_000)
    check(lambda x, idx: [jnp.sum(jnp.nan_to_num(jnp.roll(jnp.take(x, idx, axis=0), 70_000)))],
          x, idx.astype(np.int32), atol=0.1)


PADDED: dict[str, Callable[..., Any]] = {
    "a pad of a roll": lambda x: jnp.pad(jnp.roll(x, 3, 0), 2),
    "a roll of a pad": lambda x: jnp.roll(jnp.pad(x, ((2, 1), (0, 3))), (1, -2), (0, 1)),
    "a backwards pad": lambda x: jnp.pad(x, 3)[::-1, ::-1] * 2,
    "every third": lambda x: jnp.pad(x, 4)[::3, ::2] + 1,
    "holes": lambda x: lax.pad(x, x.dtype.type(0), ((1, 2, 2), (2, 0, 1))) * 2,
    "a transposed pad": lambda x: jnp.pad(x, 5).T + jnp.pad(x.T, 5),
    "a window": lambda x: lax.dynamic_update_slice(x, x[:2, :3] * 2, (x.shape[0], -1)) + x,
    "shifted differences": lambda x: x - jnp.roll(x, 1, 1) + jnp.roll(x, -1, 0),
}


@pytest.mark.parametrize("name", PADDED)
@pytest.mark.parametrize("shape", [(2, 3), (7, 16), (33, 65)])
def test_checked_vector_loads(shape: tuple[int, int], name: str) -> None:
    """Vectors that lie partly outside of their buffer, in all directions, folded and stored."""
    for dtype in (np.float32, np.int16, np.complex64):
        x = (_random(*shape) * 100).astype(dtype)
        check(lambda x: [y := PADDED[name](x), y.sum(1)], x, rtol=1e-4, atol=1e-2)


@pytest.mark.parametrize("mode", ["fill", "clip", "promise_in_bounds"])
def test_gathers_and_scatters_outside(mode: str) -> None:
    x, i = _random(9, 5), np.array([[-20, 3], [8, 9], [1 << 30, -1], [2, 2]], np.int32)
    if mode == "promise_in_bounds":
        i = np.clip(i, 0, 8)
    check(lambda x, i: [x.at[i].get(mode=mode), x.at[i].add(1., mode=mode),
                        x.at[i[0]].set(x[:2], mode=mode)], x, i)


def test_scatters_into_nothing() -> None:
    """No element exists, so none is touched, whatever indices and updates there are."""
    i = np.array([0, 1, -1], np.int32)
    for shape in ((3, 0), (0,), (2, 0, 5)):
        x = np.ones(shape, np.float32)
        check(lambda x, i: [x.at[i].min(2.0), x.at[..., i].add(1.0, mode="clip")], x, i)


# ---- size --------------------------------------------------------------------------------------

def _probes(n: int) -> Callable[..., Any]:
    def search(table: Any, query: Any) -> Any:
        low = jnp.zeros(query.shape, np.int32)
        for k in range(n):
            value = jnp.take_along_axis(table, low + k, axis=0, mode="fill")
            low = jnp.where(value <= query, low + 1, low)
        return [low]
    return search


def _chained_takes(n: int) -> Callable[..., Any]:
    def chain(table: Any, query: Any) -> Any:
        index = query.astype(np.int32)
        for _ in range(n):
            index = jnp.take(table.astype(np.int32), index)
        return [index]
    return chain


def _stacked_scalars(n: int) -> Callable[..., Any]:
    return lambda table, query: [jnp.stack([table[k] * 2 for k in range(n)])]


def _replaced_elements(n: int) -> Callable[..., Any]:
    def replace(table: Any, query: Any) -> Any:
        for k in range(n):
            table = jnp.concatenate([table[:k], query[k:k + 1], table[k + 1:]])
        return [table]
    return replace


def _rolled(n: int) -> Callable[..., Any]:
    def roll(table: Any, query: Any) -> Any:
        x = table.reshape(20, 20)
        for k in range(n):
            x = jnp.roll(x, (k + 1, 2 * k + 1), (0, 1)) + 1
        return [x]
    return roll


def _blocks(n: int) -> Callable[..., Any]:
    def block(table: Any, query: Any) -> Any:
        x = table.reshape(20, 20)
        for _ in range(n):
            a, b, c, d = x[:10, :10], x[:10, 10:], x[10:, :10], x[10:, 10:]
            x = jnp.block([[b, c], [d, a]])
        return [x]
    return block


def _interleaved(n: int) -> Callable[..., Any]:
    def interleave(table: Any, query: Any) -> Any:
        for _ in range(n):
            table = jnp.stack([table[1::2], table[::2]], 1).reshape(-1)
        return [table]
    return interleave


def _doubled(n: int) -> Callable[..., Any]:
    def double(table: Any, query: Any) -> Any:
        for _ in range(n):
            table = jnp.concatenate([table, table])[::2] + 1
        return [table]
    return double


def _halves(n: int) -> Callable[..., Any]:
    def swap(table: Any, query: Any) -> Any:
        for _ in range(n):
            low, high = jnp.split(table, 2)
            table = jnp.concatenate([high, low * 2])
        return [table]
    return swap


GROWING = {"elements replaced": _replaced_elements, "rolls": _rolled, "blocks": _blocks,
           "interleavings": _interleaved, "doublings": _doubled, "halves": _halves,
           "a search by fill gathers": _probes, "takes of takes": _chained_takes,
           "an array of scalars": _stacked_scalars}


@pytest.mark.parametrize("name", GROWING)
def test_code_grows_as_the_program_does(name: str) -> None:
    table, query = np.sort(_random(400) * 100), _random(100) * 100
    sizes = [emitted_size(GROWING[name](n), table, query) for n in (16, 32, 64)]
    first, second = sizes[1] - sizes[0], sizes[2] - sizes[1]
    assert second <= 2.5 * first, sizes


@pytest.mark.parametrize("name", GROWING)
def test_long_movements_are_right(name: str) -> None:
    check(GROWING[name](20), np.sort(_random(400) * 100), _random(100) * 100)


@pytest.mark.parametrize("n", [100, 162, 255, 300])
def test_an_array_of_traced_scalars(n: int) -> None:
    scalars = [np.float32(k) for k in range(n)]
    np.testing.assert_array_equal(arrax.jit(lambda xs: jnp.array(xs))(scalars), scalars)


# ---- LLVM's verifier ---------------------------------------------------------------------------

def test_llvm_verifies_modules() -> None:
    """A value of one block is used in another that does not come after it."""
    module = ir.Module("broken")
    function = ir.Function(module, ir.FunctionType(ir.IntType(32), [ir.IntType(32)]), "entry")
    start, one, two = (function.append_basic_block(name) for name in ("start", "one", "two"))
    ir.IRBuilder(start).cbranch(ir.Constant(ir.IntType(1), 1), one, two)
    b = ir.IRBuilder(one)
    value = b.add(function.args[0], function.args[0])
    b.ret(value)
    ir.IRBuilder(two).ret(value)
    with pytest.raises(InternalError, match="program 'broken'.*dominate"):
        machine.code_of("broken", lambda: module)
