"""Gathers, scatters, and what is made of them."""
from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from cases.case import BFLOAT16, Case, N, below, label, normal


def cases() -> Iterator[Case]:
    yield from _gathers()
    yield from _gather_forms()
    yield from _scatters()
    yield from _scatter_forms()
    yield from _counting()


def _gathers() -> Iterator[Case]:
    for rows in (N, 1000):
        for dtype in (np.float32, np.float64, BFLOAT16, np.int32, np.uint8):
            yield Case(f"gather/{label(dtype)}-of-{rows:.0e}", lambda j, x, i: x[i],
                       (normal(rows, dtype=dtype), below(rows, N)), exact=True)
    x, i = normal(N), below(N, N)
    yield Case("gather/sorted", lambda j, x, i: x[i], (x, np.sort(i)), exact=True)
    yield Case("gather/i64-indices", lambda j, x, i: x[i], (x, i.astype(np.int64)), exact=True)
    for mode in ("fill", "clip", "wrap"):
        yield Case(f"gather/take-{mode}", lambda j, x, i, m=mode: j.numpy.take(x, i, mode=m),
                   (x, i - 1000), exact=True)
    yield Case("gather/in-bounds", lambda j, x, i: x.at[i].get(mode="promise_in_bounds"),
               (x, i), exact=True)
    yield Case("gather/fused", lambda j, x, i, y: j.numpy.sin(x[i]) * y + 1,
               (x, i, normal(N, seed=2)))
    yield Case("gather/sum", lambda j, x, i: x[i].sum(), (x, i))


def _gather_forms() -> Iterator[Case]:
    wide, square = normal(10_000, 128), normal(1000, 1000)
    yield Case("gather/rows", lambda j, x, i: x[i], (wide, below(10_000, 10_000)), exact=True)
    yield Case("gather/rows-of-3", lambda j, x, i: x[i], (normal(N, 3), below(N, N)), exact=True)
    yield Case("gather/columns", lambda j, x, i: x[:, i], (wide, below(128, 128)), exact=True)
    yield Case("gather/pairs", lambda j, x, i, k: x[i, k],
               (square, below(1000, N), below(1000, N, seed=2)), exact=True)
    order = np.argsort(square, 0).astype(np.int32)
    for axis in (0, 1):
        yield Case(f"gather/take-along-{axis}",
                   lambda j, x, i, a=axis: j.numpy.take_along_axis(x, i, a), (square, order),
                   exact=True)
    yield Case("gather/labels", lambda j, x, i: j.numpy.take_along_axis(x, i[:, None], 1),
               (normal(10_000, 100), below(100, 10_000)), exact=True)
    yield Case("gather/where-pick", lambda j, x: x[j.numpy.nonzero(x > 0, size=N // 2)[0]],
               (normal(N),), exact=True)
    yield Case("gather/dynamic-slices", lambda j, x, i: j.vmap(
        lambda s: j.lax.dynamic_slice(x, (s,), (128,)))(i),
        (normal(N), below(N, 10_000)), exact=True)
    table, tokens = normal(10_000, 128), below(10_000, 64, 128)
    yield Case("gather/embedding", lambda j, t, i: t[i], (table, tokens), exact=True)
    yield Case("gather/embedding-grad",
               lambda j, t, i: j.grad(lambda t: (t[i] ** 2).sum())(t), (table, tokens))
    yield Case("gather/grad", lambda j, x, i: j.grad(lambda x: (x[i] ** 2).sum())(x),
               (normal(N), below(N, N)))
    yield Case("gather/reverse-index", lambda j, x: x[j.numpy.arange(N - 1, -1, -1)],
               (normal(N),), exact=True)


def _scatters() -> Iterator[Case]:
    for rows in (N, 1000):
        for kind in ("set", "add", "multiply", "min", "max"):
            indices = below(rows, N)
            if kind == "set":  # whose winner is undefined among equal indices
                indices = np.random.default_rng(0).permutation(N).astype(np.int32) % rows
            yield Case(f"scatter/{kind}-into-{rows:.0e}",
                       lambda j, x, i, v, k=kind: getattr(x.at[i], k)(v),
                       (normal(rows), indices,
                        np.ones(N, np.float32) if rows < N and kind in ("set", "multiply")
                        else normal(N, seed=3)))
    for dtype in (np.float64, BFLOAT16, np.int32):
        for rows in (N, 1000):
            yield Case(f"scatter/add-{label(dtype)}-into-{rows:.0e}",
                       lambda j, x, i, v: x.at[i].add(v),
                       (normal(rows, dtype=dtype), below(rows, N),
                        normal(N, dtype=dtype, seed=3) if dtype != BFLOAT16
                        else np.zeros(N, BFLOAT16)))  # other sums depend on their order
    x, unique, v = normal(N), np.random.default_rng(0).permutation(N).astype(np.int32), normal(N)
    for kind in ("set", "add"):
        yield Case(f"scatter/{kind}-unique",
                   lambda j, x, i, v, k=kind: getattr(x.at[i], k)(v, unique_indices=True),
                   (x, unique, v))
        yield Case(f"scatter/{kind}-donated",
                   lambda j, x, i, v, k=kind: getattr(x.at[i], k)(v), (x, unique, v), donated=True)
    yield Case("scatter/add-sorted", lambda j, x, i, v: x.at[i].add(v, indices_are_sorted=True),
               (x, np.sort(below(N, N)), v))
    yield Case("scatter/few-donated", lambda j, x, i: x.at[i].set(1.0), (x, below(N, 100)),
               donated=True)
    yield Case("scatter/into-zeros", lambda j, i, v: j.numpy.zeros(N).at[i].add(v),
               (below(N, N), v))
    yield Case("scatter/constant", lambda j, i: j.numpy.zeros(N, np.int32).at[i].set(1),
               (below(N, N),), exact=True)


def _scatter_forms() -> Iterator[Case]:
    wide, rows, square = normal(10_000, 128), below(10_000, 10_000), normal(1000, 1000)
    update = normal(10_000, 128, seed=4)
    yield Case("scatter/rows-add", lambda j, x, i, v: x.at[i].add(v), (wide, rows, update))
    yield Case("scatter/rows-set", lambda j, x, i, v: x.at[i].set(v),
               (wide, np.random.default_rng(0).permutation(10_000).astype(np.int32), update))
    yield Case("scatter/columns-add", lambda j, x, i, v: x.at[:, i].add(v),
               (wide, below(128, 128), update))
    yield Case("scatter/pairs-add", lambda j, x, i, k, v: x.at[i, k].add(v),
               (square, below(1000, N), below(1000, N, seed=2), normal(N)))
    yield Case("scatter/along-axis-grad", lambda j, x, i: j.grad(
        lambda x: (j.numpy.take_along_axis(x, i, 1) ** 2).sum())(x),
        (square, np.argsort(square, 1).astype(np.int32)))
    yield Case("scatter/slice-set", lambda j, x, v: x.at[1000:900_000:3].set(v),
               (normal(N), normal(N)[:299_667]), exact=True)
    yield Case("scatter/mask-set", lambda j, x: x.at[x < 0].set(0.0), (normal(N),), exact=True)
    yield Case("scatter/slices-vmap", lambda j, x, i, v: j.vmap(
        lambda x, s, v: j.lax.dynamic_update_slice(x, v, (s,)))(x, i, v),
        (square, below(900, 1000), normal(1000, 100)), exact=True)
    yield Case("scatter/batched-add", lambda j, x, i, v: j.vmap(
        lambda x, i, v: x.at[i].add(v))(x, i, v),
        (square, below(1000, 1000, 1000), normal(1000, 1000, seed=5)))


def _counting() -> Iterator[Case]:
    value, group, sums = normal(N), below(1000, N), normal(N, 4)
    yield Case("count/segment-sum", lambda j, v, i: j.ops.segment_sum(v, i, 1000), (value, group))
    yield Case("count/segment-sum-sorted", lambda j, v, i: j.ops.segment_sum(
        v, i, 1000, indices_are_sorted=True), (value, np.sort(group)))
    yield Case("count/segment-sum-rows", lambda j, v, i: j.ops.segment_sum(v, i, 1000),
               (sums, group))
    yield Case("count/segment-max", lambda j, v, i: j.ops.segment_max(v, i, 1000), (value, group))
    yield Case("count/bincount", lambda j, i: j.numpy.bincount(i, length=1000), (group,),
               exact=True)
    yield Case("count/bincount-weights", lambda j, i, w: j.numpy.bincount(i, w, length=1000),
               (group, value))
    yield Case("count/histogram", lambda j, x: j.numpy.histogram(x, bins=100)[0], (value,))
