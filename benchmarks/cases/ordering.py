"""Sorts, and what is made of them."""
from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from cases.case import BFLOAT16, Case, N, below, label, normal

DTYPES = (np.float32, np.float64, np.int32, np.int64, np.uint8, BFLOAT16, np.float16, np.bool_)


def cases() -> Iterator[Case]:
    yield from _sorts()
    yield from _argsorts()
    yield from _several()
    yield from _selections()


def _sorts() -> Iterator[Case]:
    for dtype in DTYPES:
        yield Case(f"sort/{label(dtype)}", lambda j, x: j.numpy.sort(x), (normal(N, dtype=dtype),),
                   exact=True)
    for axis in (0, -1):
        for dtype in (np.float32, np.int32, np.float64):
            yield Case(f"sort/{label(dtype)}-axis{axis}", lambda j, x, a=axis: j.numpy.sort(x, a),
                       (normal(1000, 1000, dtype=dtype),), exact=True)
    yield Case("sort/short-rows", lambda j, x: j.numpy.sort(x, -1), (normal(N // 16, 16),),
               exact=True)
    yield Case("sort/short-columns", lambda j, x: j.numpy.sort(x, 0), (normal(16, N // 16),),
               exact=True)
    yield Case("sort/rows-of-100", lambda j, x: j.numpy.sort(x, -1), (normal(N // 100, 100),),
               exact=True)
    yield Case("sort/descending", lambda j, x: j.numpy.sort(x, descending=True), (normal(N),),
               exact=True)
    yield Case("sort/sorted-input", lambda j, x: j.numpy.sort(x), (np.sort(normal(N)),), exact=True)
    yield Case("sort/reversed-input", lambda j, x: j.numpy.sort(x), (np.sort(normal(N))[::-1],),
               exact=True)
    yield Case("sort/equal-input", lambda j, x: j.numpy.sort(x), (np.ones(N, np.float32),),
               exact=True)
    yield Case("sort/small-range", lambda j, x: j.numpy.sort(x), (below(1000, N),), exact=True)
    yield Case("sort/unstable", lambda j, x: j.lax.sort(x, is_stable=False), (normal(N),),
               exact=True)
    yield Case("sort/grad", lambda j, x, w: j.grad(lambda x: (j.numpy.sort(x) * w).sum())(x),
               (normal(N), normal(N, seed=1)))


def _argsorts() -> Iterator[Case]:
    for dtype in DTYPES:
        yield Case(f"argsort/{label(dtype)}", lambda j, x: j.numpy.argsort(x),
                   (normal(N, dtype=dtype),), exact=True)
    for axis in (0, -1):
        yield Case(f"argsort/f32-axis{axis}", lambda j, x, a=axis: j.numpy.argsort(x, a),
                   (normal(1000, 1000),), exact=True)
    yield Case("argsort/short-rows", lambda j, x: j.numpy.argsort(x, -1), (normal(N // 16, 16),),
               exact=True)
    yield Case("argsort/descending", lambda j, x: j.numpy.argsort(x, descending=True),
               (normal(N),), exact=True)
    yield Case("argsort/sorted-input", lambda j, x: j.numpy.argsort(x), (np.sort(normal(N)),),
               exact=True)


def _several() -> Iterator[Case]:
    x, y = normal(N), normal(N, seed=1)
    yield Case("sort/key-value", lambda j, x, y: j.lax.sort((x, y), num_keys=1), (x, y), exact=True)
    yield Case("sort/key-3-values", lambda j, x, y: j.lax.sort((x, y, x + 1, y * 2), num_keys=1),
               (x, y), exact=True)
    yield Case("sort/i32-key-value", lambda j, x, y: j.lax.sort((x, y), num_keys=1),
               (below(N, N), y), exact=True)
    yield Case("sort/two-keys", lambda j, x, y: j.lax.sort((x, y), num_keys=2),
               (below(1000, N), y), exact=True)
    yield Case("sort/lexsort", lambda j, x, y: j.numpy.lexsort((x, y)), (x, below(1000, N)),
               exact=True)
    yield Case("sort/key-value-rows", lambda j, x, y: j.lax.sort((x, y), dimension=1, num_keys=1),
               (normal(1000, 1000), normal(1000, 1000, seed=1)), exact=True)
    yield Case("sort/complex", lambda j, x: j.numpy.sort(x), (normal(N // 10, dtype=np.complex64),),
               exact=True)


def _selections() -> Iterator[Case]:
    x, square = normal(N), normal(1000, 1000)
    for k in (1, 10, 100, 10_000):
        yield Case(f"top-k/{k}-of-1e6", lambda j, x, k=k: j.lax.top_k(x, k), (x,), exact=True)
    for k in (10, 100):
        yield Case(f"top-k/{k}-of-rows", lambda j, x, k=k: j.lax.top_k(x, k), (square,), exact=True)
    yield Case("top-k/bf16-rows", lambda j, x: j.lax.top_k(x, 10),
               (normal(1000, 1000, dtype=BFLOAT16),), exact=True)
    yield Case("top-k/i32", lambda j, x: j.lax.top_k(x, 10), (normal(N, dtype=np.int32),),
               exact=True)
    yield Case("top-k/f64", lambda j, x: j.lax.top_k(x, 10), (normal(N, dtype=np.float64),),
               exact=True)
    yield Case("top-k/sorted-input", lambda j, x: j.lax.top_k(x, 10), (np.sort(x),), exact=True)
    yield Case("select/median", lambda j, x: j.numpy.median(x), (x,))
    yield Case("select/median-rows", lambda j, x: j.numpy.median(x, 1), (square,))
    yield Case("select/median-columns", lambda j, x: j.numpy.median(x, 0), (square,))
    yield Case("select/quantile", lambda j, x: j.numpy.quantile(x, np.array([.1, .5, .9])), (x,))
    yield Case("select/partition", lambda j, x: j.numpy.partition(x, 1000)[1000], (x,), exact=True)
    yield Case("select/unique", lambda j, x: j.numpy.unique(x, size=1000), (below(1000, N),),
               exact=True)
    yield Case("select/unique-inverse", lambda j, x: j.numpy.unique(
        x, size=1000, return_inverse=True), (below(1000, N),), exact=True)
    yield Case("search/sorted-queries", lambda j, a, v: j.numpy.searchsorted(a, v),
               (np.sort(x), np.sort(normal(N, seed=1))), exact=True)
    yield Case("search/random-queries", lambda j, a, v: j.numpy.searchsorted(a, v),
               (np.sort(x), normal(N, seed=1)), exact=True)
    yield Case("search/short-table", lambda j, a, v: j.numpy.searchsorted(a, v, side="right"),
               (np.sort(normal(100)), normal(N, seed=1)), exact=True)
    yield Case("search/digitize", lambda j, v, a: j.numpy.digitize(v, a),
               (normal(N, seed=1), np.sort(normal(100))), exact=True)
    yield Case("search/interp", lambda j, v, a, y: j.numpy.interp(v, a, y),
               (normal(N, seed=1), np.sort(normal(1000)), normal(1000, seed=2)))
