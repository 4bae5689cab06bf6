"""Batched loops and branches leave the elements alone that have stopped or were not chosen."""
from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import arrax
import arrax.numpy as jnp
from arrax import lax

LENGTHS = jnp.array([3, 0, 7, 5])
X = jnp.asarray(np.linspace(0.5, 2, 4 * 12).reshape(4, 12).astype(np.float32))


def _count_to(n: Any, x: Any, body: Callable[..., Any]) -> Any:
    return lax.while_loop(lambda c: c[0] < n, lambda c: (c[0] + 1, body(*c)), (0, x))[1]


def _insertion_sort(n: Any, x: Any) -> Any:
    """The first n + 1 elements in order, by swaps inside a loop in a loop."""
    def sift(i: Any, x: Any) -> Any:
        def swap(c: Any) -> Any:
            j, x = c
            return j - 1, x.at[j].set(x[j - 1]).at[j - 1].set(x[j])
        return lax.while_loop(lambda c: (c[0] > 0) & (c[1][c[0] - 1] > c[1][c[0]]), swap,
                              (i + 1, x))[1]
    return _count_to(n, x[::-1], sift)


def _two_arrays(n: Any, x: Any) -> Any:
    def body(c: Any) -> Any:
        i, a, b = c
        a = a.at[i].set(b[i + 1] * 2)
        return i + 1, a, b.at[2].add(a[i])
    return lax.while_loop(lambda c: c[0] < n, body, (0, x, x + 1))


LOOPS: dict[str, Callable[..., Any]] = {
    "set": lambda n, x: _count_to(n, x, lambda i, x: x.at[i].set(-1)),
    "add, multiply": lambda n, x: _count_to(n, x, lambda i, x: x.at[i].add(2).at[i + 1].mul(3)),
    "windows": lambda n, x: _count_to(
        n, x, lambda i, x: lax.dynamic_update_slice(x, x[:3] * 2, (2 * i,))),
    "slices": lambda n, x: _count_to(n, x, lambda i, x: x.at[3:5].add(1)),
    "everything": lambda n, x: _count_to(n, x, lambda i, x: x.at[:].set(x[0] + 1)),
    "many places": lambda n, x: _count_to(
        n, x, lambda i, x: x.at[jnp.array([1, 1, 5]) + i].add(jnp.arange(3.) - x[:3])),
    "clipped": lambda n, x: _count_to(n, x, lambda i, x: x.at[i * 3].set(9, mode="clip")),
    "reads between updates": lambda n, x: _count_to(
        n, x, lambda i, x: (lambda y: y.at[i + 1].set(y[i] * 2 + y.sum()))(x.at[i].add(1))),
    "a common index": lambda n, x: _count_to(n, x, lambda i, x: x.at[7].add(1)),
    "a loop inside": lambda n, x: _count_to(n, x, lambda i, x: lax.fori_loop(
        0, 3, lambda j, x: x.at[i + j].add(x[j]), x)),
    "scan with outputs inside": lambda n, x: _count_to(n, x, lambda i, x: (lambda y, s: y.at[
        0].add(s.sum()))(*lax.scan(lambda x, j: (x.at[i + j].mul(2), x[j]), x, jnp.arange(3)))),
    "insertion sort": _insertion_sort,
    "an inner loop that only ends by its updates": lambda n, x: _count_to(
        n, x, lambda i, x: lax.while_loop(lambda x: x[i] < 5, lambda x: x.at[i].add(1), x)),
    "cond inside": lambda n, x: _count_to(n, x, lambda i, x: lax.cond(
        x[i] > 1, lambda x: x.at[i].set(0).at[3].add(1), lambda x: x.at[0].add(x[i]), x)),
    "switch inside": lambda n, x: _count_to(n, x, lambda i, x: lax.switch(
        i % 3, [lambda x: x.at[i].set(0), lambda x: x, lambda x: x * 2], x)),
    "a call inside": lambda n, x: _count_to(n, x, arrax.jit(lambda i, x: x.at[i].set(x[i] * 2))),
    "two arrays": _two_arrays,
    "arrays that change places": lambda n, x: lax.while_loop(
        lambda c: c[0] < n, lambda c: (c[0] + 1, c[2].at[c[0]].set(1), c[1]), (0, x, x + 1)),
    "arrays that meet": lambda n, x: lax.while_loop(
        lambda c: c[0] < n, lambda c: (c[0] + 1, c[1].at[c[0]].set(1), c[1]), (0, x, x + 1)),
    "a branch with a loop": lambda n, x: lax.cond(n > 3, lambda x: lax.fori_loop(
        0, 3, lambda j, x: x.at[j].add(x[j + 1]), x), lambda x: x.at[0].set(n), x),
    "switch": lambda n, x: lax.switch(
        n // 3, [lambda x: x.at[1].set(x[0]), lambda x: x, lambda x: x.at[0].set(x[1])], x),
    "branches that swap": lambda n, x: lax.cond(
        n > 3, lambda a, b: (b, a), lambda a, b: (a.at[0].set(b[1]), b), x, x + 1),
}


@pytest.mark.parametrize("name", LOOPS)
def test_batches_equal_their_elements(name: str) -> None:
    fun = LOOPS[name]
    want = [fun(n, x) for n, x in zip(LENGTHS, X, strict=True)]
    want = arrax.tree.map(lambda *leaves: np.stack(leaves), *want)
    for batched in (arrax.vmap(fun), arrax.jit(arrax.vmap(fun))):
        got = batched(LENGTHS, X)
        arrax.tree.map(lambda g, w: np.testing.assert_allclose(g, w, rtol=1e-6), got, want)
    twice = arrax.vmap(arrax.vmap(fun))(LENGTHS.reshape(2, 2), X.reshape(2, 2, -1))
    arrax.tree.map(lambda g, w: np.testing.assert_allclose(
        g.reshape(w.shape), w, rtol=1e-6), twice, want)


@pytest.mark.parametrize("name", LOOPS)
def test_tangents_of_batches_equal_those_of_their_elements(name: str) -> None:
    fun = LOOPS[name]

    def tangent(n: Any, x: Any) -> Any:
        return arrax.jvp(lambda x: fun(n, x), (x,), (jnp.cos(x),))[1]
    want = [tangent(n, x) for n, x in zip(LENGTHS, X, strict=True)]
    want = arrax.tree.map(lambda *leaves: np.stack(leaves), *want)
    outside = arrax.jvp(lambda x: arrax.vmap(fun)(LENGTHS, x), (X,), (jnp.cos(X),))[1]
    for got in (arrax.jit(arrax.vmap(tangent))(LENGTHS, X), outside):
        arrax.tree.map(lambda g, w: g.dtype.kind == "V" or np.testing.assert_allclose(
            g, w, rtol=1e-5, atol=1e-6), got, want)


BRANCHES: dict[str, Callable[..., Any]] = {
    "a root of zero": lambda n, x: lax.cond(
        n > 3, lambda x: x.at[0].set(x[1] * 2), lambda x: x.at[0].set(jnp.sqrt(x[2])), x).sum(),
    "a root of what was updated": lambda n, x: lax.cond(
        n > 3, lambda x: x, lambda x: (lambda y: y.at[1].set(jnp.log(y[0]) + y.prod()))(
            x.at[0].set(x[2])), x).sum(),
    "a loop": lambda n, x: lax.cond(n > 3, lambda x: x, lambda x: lax.fori_loop(
        0, 3, lambda i, x: x.at[i].set(jnp.sqrt(x[2 + i])), x), x).sum(),
}


@pytest.mark.parametrize("name", BRANCHES)
def test_branches_not_chosen_have_no_derivatives(name: str) -> None:
    fun = BRANCHES[name]
    x = X.at[0, 2].set(0).at[2, 2:5].set(0)  # infinite slopes, in elements with other branches
    lengths = jnp.array([7, 0, 7, 3])
    want = [arrax.grad(fun, 1)(n, row) for n, row in zip(lengths, x, strict=True)]
    assert np.isfinite(np.stack(want)).all()
    batched = arrax.vmap(fun)
    for grad in (arrax.vmap(arrax.grad(fun, 1)), arrax.jit(arrax.vmap(arrax.grad(fun, 1))),
                 arrax.grad(lambda n, x: batched(n, x).sum(), 1)):
        np.testing.assert_allclose(grad(lengths, x), np.stack(want), rtol=1e-5)
