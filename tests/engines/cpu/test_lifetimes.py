"""Loop carries are updated in place: what programs write is counted, and their results compared."""
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
X = np.linspace(1, 2, SIZE).astype(np.float32)
M = X.reshape(64, 64)


def _by_steps(body: Callable[..., Any]) -> Callable[..., Any]:
    return lambda x: [lax.fori_loop(0, STEPS, body, x)]


def _sieve(s: Any) -> Any:
    def strike(i: Any, s: Any) -> Any:
        return lax.while_loop(lambda c: c[0] < SIZE,
                              lambda c: (c[0] + i, c[1].at[c[0]].set(0)), (i * i, s))[1]
    return [lax.fori_loop(2, STEPS, lambda i, s: lax.cond(
        s[i] > 0, lambda s: strike(i, s), lambda s: s, s), s)]


def _pair(body: Callable[..., Any]) -> Callable[..., Any]:
    """A loop over two arrays of the same size."""
    return lambda x: list(lax.fori_loop(0, STEPS, body, (x, x + 1)))


def _count_to(n: Any, x: Any, body: Callable[..., Any]) -> Any:
    return lax.while_loop(lambda c: c[0] < n, lambda c: (c[0] + 1, body(*c)), (0, x))[1]


def _vmapped(fun: Callable[..., Any]) -> Callable[..., Any]:
    """Over four quarters of the array, each to a length of its own."""
    return lambda x: [arrax.vmap(fun)(jnp.array([5, 0, 60, 17]), x.reshape(4, -1))]


def _rows(x: Any) -> Any:
    def body(i: Any, x: Any) -> Any:
        row = x[i] * 2
        y = x.at[i].set(0)
        return y.at[i + 1].set(row + y[i + 2])
    return [lax.fori_loop(0, 60, body, x.reshape(64, -1))]


IN_PLACE: dict[str, Callable[..., Any]] = {
    "an update": _by_steps(lambda i, x: x.at[i].set(0)),
    "two updates": _by_steps(lambda i, x: x.at[i].set(x[i + 1]).at[i + 2].add(1)),
    "a swap of elements": _by_steps(
        lambda i, x: (lambda a, b: x.at[i].set(b).at[2 * i].set(a))(x[i], x[2 * i])),
    "cond": _by_steps(lambda i, x: lax.cond(i % 3 == 0, lambda x: x.at[i].set(1), lambda x: x, x)),
    "cond, both update": _by_steps(lambda i, x: lax.cond(
        i % 3 == 0, lambda x: x.at[i].set(1), lambda x: x.at[i + 1].add(2), x)),
    "switch": _by_steps(lambda i, x: lax.switch(
        i % 3, [lambda x: x.at[i].set(1), lambda x: x, lambda x: x.at[i + 1].add(2)], x)),
    "cond in cond": _by_steps(lambda i, x: lax.cond(
        i % 2 == 0, lambda x: lax.cond(i % 3 == 0, lambda x: x.at[i].set(1), lambda x: x, x),
        lambda x: x.at[i].set(3), x)),
    "a loop in a loop": _by_steps(lambda i, x: lax.fori_loop(
        0, 8, lambda j, x: x.at[8 * i + j].add(1), x)),
    "a while loop in cond in a loop": _sieve,
    "an update between reads": _by_steps(
        lambda i, x: x.at[i].set(x[i] * 2 + x[i + 1]).at[i + 1].set(x[i + 1] - 1)),
    "reads that are used late": _by_steps(
        lambda i, x: (lambda a, y: y.at[2 * i].set(a * y[i + 1]))(x[i], x.at[i].set(0))),
    "rows that are used late": _rows,
    "one of two carries in cond": _pair(lambda i, c: lax.cond(
        i % 2 == 0, lambda a, b: (a.at[i].set(b[i]), b), lambda a, b: (a, b.at[i].set(a[i])), *c)),
    "scan with outputs": lambda x: list(lax.scan(
        lambda x, i: (x.at[i].set(0), x[i + 1]), x, jnp.arange(STEPS))),
    "where": _by_steps(lambda i, x: jnp.where(i % 3 == 0, x.at[i].set(1), x)),
    "where not": _by_steps(lambda i, x: jnp.where(i % 3 == 0, x, x.at[i].set(1))),
    "where with two updates": _by_steps(
        lambda i, x: jnp.where(i % 3 == 0, x.at[i].set(1).at[i + 1].add(2), x)),
    "where with windows": _by_steps(lambda i, x: jnp.where(
        i % 3 == 0, lax.dynamic_update_slice(x, x[:4] + 1, (i * 500,)), x)),
    "vmap of cond": _vmapped(lambda n, x: lax.fori_loop(0, STEPS, lambda i, x: lax.cond(
        i < n, lambda x: x.at[i].set(i), lambda x: x, x), x)),
    "vmap of cond, both update": _vmapped(lambda n, x: lax.fori_loop(
        0, STEPS, lambda i, x: lax.cond(i < n, lambda x: x.at[i].set(i),
                                        lambda x: x.at[i + 1].add(x[i]).at[i].set(7), x), x)),
    "vmap of switch": _vmapped(lambda n, x: lax.fori_loop(0, STEPS, lambda i, x: lax.switch(
        (i + n) % 3, [lambda x: x.at[i].set(1), lambda x: x, lambda x: x.at[n].add(2)], x), x)),
    "vmap of while": _vmapped(lambda n, x: _count_to(n, x, lambda i, x: x.at[i].add(i))),
    "vmap of while, rows": _vmapped(lambda n, x: _count_to(
        n, x.reshape(64, -1), lambda i, x: x.at[i].set(i)).reshape(-1)),
    "vmap of while, windows": _vmapped(lambda n, x: _count_to(
        n, x, lambda i, x: lax.dynamic_update_slice(x, x[:2] + 1, (i * 20,)))),
    "vmap of while, two updates": _vmapped(lambda n, x: _count_to(
        n, x, lambda i, x: x.at[i].set(x[i + 1]).at[i + 1].set(x[i]))),
    "vmap of while, a common index": lambda x: [arrax.vmap(lambda n, x: lax.while_loop(
        lambda c: c[0] < n, lambda c: (c[0] + 1, c[1].at[7].add(1)), (0, x))[1])(
            jnp.arange(4) * 16, x.reshape(4, -1))],
    "vmap of while, reads between updates": _vmapped(lambda n, x: _count_to(
        n, x, lambda i, x: (lambda y: y.at[i + 1].set(y[i] * 2))(x.at[i].add(1)))),
    "vmap of while, a loop inside": _vmapped(lambda n, x: _count_to(
        n, x, lambda i, x: lax.fori_loop(0, 4, lambda j, x: x.at[i + j].add(j), x))),
    "vmap of while, a while inside": _vmapped(lambda n, x: _count_to(
        n, x, lambda i, x: lax.while_loop(lambda c: c[0] < i % 8, lambda c: (
            c[0] + 1, c[1].at[i + c[0]].add(1)), (0, x))[1])),
    "vmap of while, cond inside": _vmapped(lambda n, x: _count_to(
        n, x, lambda i, x: lax.cond(x[i] > 1.5, lambda x: x.at[i].set(0), lambda x: x, x))),
    "vmap of while, a call inside": _vmapped(lambda n, x: _count_to(
        n, x, arrax.jit(lambda i, x: x.at[i].set(x[i] * 2)))),
    "vmap of cond, a loop inside": _vmapped(lambda n, x: lax.fori_loop(
        0, STEPS, lambda i, x: lax.cond(i < n, lambda x: lax.fori_loop(
            0, 4, lambda j, x: x.at[i + j].add(j), x), lambda x: x, x), x)),
    "vmap of vmap of while": lambda x: [arrax.vmap(arrax.vmap(lambda n, x: _count_to(
        n, x, lambda i, x: x.at[i].add(i))))(jnp.array([[5, 60], [0, 17]]), x.reshape(2, 2, -1))],
    "vmap of while with a batch of 1": lambda x: [arrax.vmap(
        lambda n, x: _count_to(n, x, lambda i, x: x.at[i].set(i)))(jnp.array([STEPS]), x[None])],
}


@pytest.mark.parametrize("name", IN_PLACE)
def test_carries_are_updated_in_place(name: str) -> None:
    fun = IN_PLACE[name]
    check(fun, X)
    # Two arrays may start as copies; no iteration moves one.
    assert written_bytes(fun, X, trips=8) < 2 * X.nbytes + STEPS * X.nbytes // 8


@pytest.mark.parametrize("fun", [
    lambda x: [lax.fori_loop(0, STEPS, lambda i, c: arrax.nn.softmax(c), x)],
    lambda x: [lax.fori_loop(0, STEPS, lambda i, c: jnp.sin(c) + 1, x)],
])
def test_rows_and_elements_are_written_over_themselves(fun: Callable[..., Any]) -> None:
    check(fun, M)
    assert written_bytes(fun, M) <= (STEPS * 3 + 1) * M.nbytes


NEEDS_A_COPY: dict[str, Callable[..., Any]] = {
    "the old value is read after the update": _pair(
        lambda i, c: (c[0].at[i].set(1), c[0] * 0.5 + c[1][::-1])),
    "elements are read elsewhere": _by_steps(lambda i, x: x[::-1] + 1),
    "duplicate places": lambda x: [lax.fori_loop(
        0, 3, lambda i, x: x.at[jnp.arange(SIZE) // 2].set(x[jnp.arange(SIZE) // 2] + 1), x)],
    "carries swap": _pair(lambda i, c: (c[1].at[i].set(0), c[0])),
    "cond swaps": _pair(lambda i, c: lax.cond(
        i % 3 == 0, lambda a, b: (b, a), lambda a, b: (a.at[i].set(0), b), *c)),
    "a branch reads the carry that the other replaced": _pair(lambda i, c: lax.cond(
        i % 2 == 0, lambda a, b: (a * 0 + i, a), lambda a, b: (a, b.at[i].set(9)), *c)),
    "carries meet": _pair(lambda i, c: (c[0].at[i].set(2), c[0])),
    "scan emits its carry": lambda x: list(lax.scan(
        lambda x, i: (x.at[i].set(0), x), x, jnp.arange(4))),
}


@pytest.mark.parametrize("name", NEEDS_A_COPY)
def test_values_that_are_needed_are_kept(name: str) -> None:
    check(NEEDS_A_COPY[name], X)


def _bits(x: Any, dtype: Any) -> Any:
    """The memory of an array as another dtype, flat."""
    return lax.bitcast_convert_type(x, dtype).reshape(-1)


BITCASTS: dict[str, Callable[..., Any]] = {
    "bytes into words": lambda b: _words(_bits(b, np.uint8)[:SIZE].astype(np.int32) * 3 + 1),
    "reversed bytes": lambda b: lax.bitcast_convert_type(
        _bits(b, np.uint8)[::-1].reshape(SIZE, 4), np.int32),
    "halves": lambda b: _words(_bits(b, np.uint16)[::2].astype(np.int32)),
    "one byte": lambda b: lax.bitcast_convert_type(
        _bits(b, np.uint8).at[17].add(np.uint8(3)).reshape(SIZE, 4), np.int32),
    "words as floats": lambda b: lax.bitcast_convert_type(
        lax.bitcast_convert_type(b, np.float32) * 1.5, np.int32),
}


def _words(x: Any) -> Any:
    return lax.bitcast_convert_type(lax.bitcast_convert_type(x, np.float32), np.int32)


@pytest.mark.parametrize("name", BITCASTS)
def test_places_are_compared_with_their_dtypes(name: str) -> None:
    words = (np.arange(SIZE, dtype=np.int32) * 2654435) ^ 0x2F3A1B
    check(lambda b: [lax.fori_loop(0, 3, lambda i, b: BITCASTS[name](b), b)], words)
    check(lambda b: [BITCASTS[name](b)], words)


ROLLED = {
    "reversed rows": lambda x: (x + jnp.flip(x, 1), 1),
    "sliding rows": lambda x: (x + jnp.roll(x, 7, 1), 15),
    "rows of planes": lambda x: (x + jnp.flip(x.reshape(4, 4, 16), 2).reshape(16, 16), 3),
}


@pytest.mark.parametrize("name", ROLLED)
def test_rows_that_are_written_after_they_are_read(name: str) -> None:
    """What `works_in_place` lets share memory is what the verifier accepts: a kernel loads the rows
    of a carry in one stage and stores over them in the next."""
    def step(_: Any, carry: Any) -> Any:
        y, shift = ROLLED[name](carry[1])
        return y, jnp.roll(y, shift, 1)
    x = np.arange(256, dtype=np.uint32).reshape(16, 16)
    check(lambda x: [*lax.fori_loop(0, 3, step, (x, x))], x)


def test_donated_inputs_are_updated_in_place() -> None:
    fun = arrax.jit(lambda x: lax.fori_loop(0, 3, lambda i, x: x.at[i].set(x[i] + 1), x),
                    donate_argnums=0)
    x = jnp.asarray(X) + 0
    pointer = x.unsafe_buffer_pointer()
    assert fun(x).unsafe_buffer_pointer() == pointer


def test_what_a_loop_reads_from_outside_is_no_buffer_of_its_own() -> None:
    """An outer temporary with one reader inside is not a row of that reader."""
    def fun(n: Any, x: Any) -> list[Any]:
        def body(c: Any) -> Any:
            i, x = c
            return i + 1, lax.fori_loop(0, 4, lambda j, x: x.at[i + j].add(1), x)
        return [arrax.vmap(lambda n, x: lax.while_loop(lambda c: c[0] < n, body, (0, x)))(n, x)[1]]
    n = np.array([60, 20, 5, 63], np.int32)
    executable = check(fun, n, np.zeros((4, 100), np.float32))
    assert executable([jnp.asarray(n), jnp.zeros((4, 100))])[0].sum() == 4 * n.sum()
