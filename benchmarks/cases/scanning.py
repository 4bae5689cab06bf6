"""Cumulative operations."""
from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from cases.case import BFLOAT16, Case, N, label, normal

KINDS = ("cumsum", "cumprod", "cummax", "cummin", "cumlogsumexp")


def _near_one(*shape: int) -> np.ndarray:
    """Factors whose products neither vanish nor overflow."""
    return (1 + 1e-4 * normal(*shape)).astype(np.float32)


def cases() -> Iterator[Case]:
    for kind in KINDS:
        def along(j, x, axis=0, reverse=False, kind=kind):
            return getattr(j.lax, kind)(x, axis=axis, reverse=reverse)
        data = _near_one if kind == "cumprod" else normal
        yield Case(f"{kind}/1e6", along, (data(N),))
        for axis in (0, 1):
            yield Case(f"{kind}/axis{axis}", lambda j, x, f=along, a=axis: f(j, x, a),
                       (data(1000, 1000),))
        yield Case(f"{kind}/middle", lambda j, x, f=along: f(j, x, 1), (data(100, 100, 100),))
        yield Case(f"{kind}/reverse", lambda j, x, f=along: f(j, x, 0, True), (data(N),))
        yield Case(f"{kind}/reverse-rows", lambda j, x, f=along: f(j, x, 1, True),
                   (data(1000, 1000),))
        for dtype in (np.float64, np.int32, np.int64, BFLOAT16):
            if kind == "cumlogsumexp" and np.dtype(dtype).kind == "i" or \
                    (dtype == BFLOAT16 and kind in ("cumsum", "cumprod", "cumlogsumexp")):
                continue  # sums of 1e6 bfloat16 depend on their order
            values = data(N).astype(dtype) if kind == "cumprod" else normal(N, dtype=dtype)
            yield Case(f"{kind}/{label(dtype)}", along, (values,))
        weight = normal(N, seed=1)
        yield Case(f"{kind}/grad", lambda j, x, w, f=along: j.grad(
            lambda x: (f(j, x) * w).sum())(x), (data(N)[:N // 10], weight[:N // 10]))
    rows = normal(1000, 1000)
    yield Case("cumsum/bf16-rows", lambda j, x: j.numpy.cumsum(x, 1),
               (np.ones((10_000, 100), BFLOAT16),))
    yield Case("cumsum/short-rows", lambda j, x: j.numpy.cumsum(x, -1), (normal(N // 10, 10),))
    yield Case("cumsum/bool", lambda j, x: j.numpy.cumsum(x), (normal(N, dtype=bool),), exact=True)
    yield Case("cumsum/u8", lambda j, x: j.numpy.cumsum(x), (normal(N, dtype=np.uint8),),
               exact=True)
    yield Case("cumsum/complex", lambda j, x: j.numpy.cumsum(x), (normal(N, dtype=np.complex64),))
    yield Case("cumsum/fused", lambda j, x: j.numpy.cumsum(j.numpy.exp(x) * 2) + 1, (normal(N),))
    yield Case("cumsum/normalized", lambda j, x: j.numpy.cumsum(x, 1) / x.sum(1, keepdims=True),
               (np.abs(rows),))
    yield Case("diff/1e6", lambda j, x: j.numpy.diff(x), (normal(N),))
    yield from _associative()


def _associative() -> Iterator[Case]:
    def affine(a, b):
        return a[0] * b[0], b[0] * a[1] + b[1]
    yield Case("associative/add", lambda j, x: j.lax.associative_scan(j.numpy.add, x), (normal(N),))
    yield Case("associative/max", lambda j, x: j.lax.associative_scan(j.numpy.maximum, x),
               (normal(N),))
    yield Case("associative/rows", lambda j, x: j.lax.associative_scan(j.numpy.add, x, axis=1),
               (normal(1000, 1000),))
    yield Case("associative/affine", lambda j, a, b: j.lax.associative_scan(affine, (a, b)),
               (0.5 * np.tanh(normal(N)), normal(N, seed=1)))
