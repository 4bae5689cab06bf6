"""Axes of 2**31 elements and more: right positions, or an error. Looks at types and programs only.

The values were checked by hand, on arrays of int8 with 2**31 + 10 elements.
"""
from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import arrax as jax
import arrax.numpy as jnp
from arrax import lax

N = 2**31 + 10
LONG = jax.ShapeDtypeStruct((N,), np.int8)
FLAT = jax.ShapeDtypeStruct((2**16, 2**16), np.int8)  # no long axis, but many elements

# Results that are positions, or counts of elements, in int32.
REFUSED: dict[str, Callable[[Any], Any]] = {
    "argmax": jnp.argmax, "argmin": jnp.argmin, "lax.argmax": lambda x: lax.argmax(x, 0, np.int32),
    "argmax of int8": lambda x: lax.argmax(x[:300], 0, np.int8),
    "argmax along an axis": lambda x: jnp.argmax(x[None], axis=1),
    "nanargmax": lambda x: jnp.nanargmax(x.astype(np.float16)),
    "argsort": jnp.argsort, "lexsort": lambda x: jnp.lexsort((x,)),
    "argpartition": lambda x: jnp.argpartition(x, 3), "top_k": lambda x: lax.top_k(x, 3),
    "nonzero": lambda x: jnp.nonzero(x, size=3), "where": lambda x: jnp.where(x, size=3),
    "flatnonzero": lambda x: jnp.flatnonzero(x, size=3),
    "argwhere": lambda x: jnp.argwhere(x, size=3), "count_nonzero": jnp.count_nonzero,
    "compress": lambda x: jnp.compress(x, x, size=3),
    "unique": lambda x: jnp.unique(x, size=3, return_index=True),
    "searchsorted": lambda x: jnp.searchsorted(x, np.int8(3)),
    "digitize": lambda x: jnp.digitize(np.ones(3, np.int8), x),
    "iota": lambda x: lax.iota(np.int32, N), "arange": lambda x: jnp.arange(N),
    "indices": lambda x: jnp.indices((N,)), "diag_indices": lambda x: jnp.diag_indices(N),
    "repeat": lambda x: jnp.repeat(x[:3], 2, total_repeat_length=N),
    "permutation": lambda x: jax.random.permutation(jax.random.key(0), N),
    "dynamic_slice": lambda x: lax.dynamic_slice(x, (N - 5,), (5,)),
    "dynamic_update_slice": lambda x: lax.dynamic_update_slice(x, x[:5], (N - 5,)),
    "dynamic_index_in_dim": lambda x: lax.dynamic_index_in_dim(x, N - 1),
    "unravel_index": lambda x: jnp.unravel_index(np.int32(5), (N,)),
    "randint": lambda x: jax.random.randint(jax.random.key(0), (3,), 0, N),
    "choice": lambda x: jax.random.choice(jax.random.key(0), x, (3,)),
}


@pytest.mark.parametrize("name", REFUSED)
def test_positions_that_do_not_fit_are_refused(name: str) -> None:
    with pytest.raises((ValueError, OverflowError), match="int32|int8|overflow"):
        jax.eval_shape(REFUSED[name], LONG)


@pytest.mark.parametrize("name", ["argmax", "nonzero", "argwhere", "flatnonzero", "count_nonzero"])
def test_counts_over_all_axes_are_refused(name: str) -> None:
    with pytest.raises(ValueError, match="4294967296|4294967297"):
        jax.eval_shape(REFUSED[name], FLAT)


def test_argmax_along_each_short_axis() -> None:
    assert jax.eval_shape(lambda x: jnp.argmax(x, 1), FLAT).dtype == np.int32


WIDE = {name: REFUSED[name] for name in
        ("argmax", "argsort", "nonzero", "searchsorted", "count_nonzero", "arange")}


@pytest.mark.parametrize("name", WIDE)
def test_int64_holds_all_positions(name: str) -> None:
    with jax.enable_x64(True):
        results = jax.tree.leaves(jax.eval_shape(WIDE[name], LONG))
    assert {r.dtype for r in results} == {np.dtype(np.int64)}


def index_dtypes(function: Callable[..., Any], *args: Any) -> set[str]:
    """The dtypes of the indices of the gathers, scatters and dynamic slices of a program."""
    found = set()
    for eqn in jax.make_jaxpr(function)(*args).eqns:
        first = {"gather": 1, "dynamic_slice": 1, "dynamic_update_slice": 2}.get(
            eqn.primitive.name, 1 if eqn.primitive.name.startswith("scatter") else None)
        if first is not None:
            found.add(str(eqn.invars[first].aval.dtype))
    return found


INDEXED: dict[str, tuple[Callable[..., Any], str]] = {
    "set known": (lambda x, i: x.at[N - 1].set(7), "uint32"),
    "set known from the end": (lambda x, i: x.at[-1].set(7), "uint32"),
    "add at an array": (lambda x, i: x.at[np.array([3, N - 1])].add(7), "uint32"),
    "set at a low place": (lambda x, i: x.at[5].set(7), "int32"),
    "set beyond the end": (lambda x, i: x.at[2**32 + 5].set(7), "uint32"),
    "set traced": (lambda x, i: x.at[i].set(7), "uint32"),
    "read traced": (lambda x, i: x[i], "uint32"),
    "read traced, two axes": (lambda x, i: x[None][i, N - 1], "uint32"),
    "read at an array": (lambda x, i: x[np.array([3, N - 1])], "uint32"),
    "read at a traced array": (lambda x, i: x[i[None]], "uint32"),
    "take": (lambda x, i: jnp.take(x, i[None]), "uint32"),
}


@pytest.mark.parametrize("name", INDEXED)
def test_indices_reach_the_whole_axis(name: str) -> None:
    function, dtype = INDEXED[name]
    assert index_dtypes(function, LONG, jax.ShapeDtypeStruct((), np.int32)) == {dtype}


def test_indices_beyond_32_bits() -> None:
    longer = jax.ShapeDtypeStruct((2**32 + 1,), np.int8)
    index = jax.ShapeDtypeStruct((), np.int32)
    with pytest.raises(ValueError, match="64-bit"):
        jax.eval_shape(lambda x, i: x[i], longer, index)
    with pytest.raises(ValueError, match="64-bit"):
        jax.eval_shape(lambda x: x.at[-1].set(1), longer)
    with jax.enable_x64(True):
        assert index_dtypes(lambda x: x.at[-1].set(1), longer) == {"int64"}
        wide = jax.ShapeDtypeStruct((), np.int64)
        assert index_dtypes(lambda x, i: x[i], longer, wide) == {"int64"}


@pytest.mark.parametrize("index, want", [((-1, 4), 0), ((0, 4), 1), ((-9, 2), 0), ((5, -1), 0)])
def test_unsigned_and_signed_indices_together(index: tuple[int, int], want: int) -> None:
    """What is below zero stays out of bounds where the other axis needs an unsigned dtype."""
    i = jnp.array(index, jnp.int32)
    columns = jax.ShapeDtypeStruct((3, N), np.int8)
    assert index_dtypes(lambda x, i: x.at[i[0], i[1]].get(mode="fill"), columns, i) == {"uint32"}
    x = jnp.zeros((1, 5), jnp.int8).at[0, 4].set(1)
    read = jax.jit(lambda x, i, j: x.at[i, j].get(mode="fill", fill_value=0,
                                                  wrap_negative_indices=False))
    assert read(x, i[0].astype(jnp.uint32), i[1].astype(jnp.uint32)) == want
