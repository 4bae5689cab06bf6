"""Reductions over axes of all kinds."""
from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from cases.case import BFLOAT16, Case, N, label, normal

SHAPES = (((N, 3), 0), ((3, N), 1), ((N, 3), 1), ((3, N), 0), ((100, 100, 100), 1),
          ((100, 100, 100), (0, 2)), ((1000, 1000), 0), ((1000, 1000), 1), ((10, N // 10), 1),
          ((N // 10, 10), 1), ((N,), None))


def _shape(shape: tuple[int, ...], axis: object) -> str:
    return f"{'x'.join(map(str, shape))}-axis{axis}"


def cases() -> Iterator[Case]:
    for shape, axis in SHAPES:
        for kind in ("sum", "max", "argmax", "var"):
            if kind == "argmax" and isinstance(axis, tuple):
                continue
            yield Case(f"{kind}/{_shape(shape, axis)}",
                       lambda j, x, k=kind, a=axis: getattr(j.numpy, k)(x, a), (normal(*shape),))
    for dtype in (np.float64, BFLOAT16, np.int32, np.uint8, np.complex64):
        yield Case(f"sum/{label(dtype)}", lambda j, x: x.sum(1), (normal(1000, 1000, dtype=dtype),))
        yield Case(f"sum/{label(dtype)}-axis0", lambda j, x: x.sum(0),
                   (normal(1000, 1000, dtype=dtype),))
    for dtype in (np.float64, BFLOAT16, np.int32):
        yield Case(f"argmax/{label(dtype)}", lambda j, x: x.argmax(1),
                   (normal(1000, 1000, dtype=dtype),))
    square = normal(1000, 1000)
    yield Case("prod/rows", lambda j, x: x.prod(1), (1 + 1e-3 * square,))
    yield Case("any/rows", lambda j, x: (x > 4).any(1), (square,), exact=True)
    yield Case("all/1e6", lambda j, x: (x < 9).all(), (square,), exact=True)
    yield Case("count-nonzero", lambda j, x: j.numpy.count_nonzero(x > 0), (square,), exact=True)
    yield Case("logsumexp/rows", lambda j, x: j.nn.logsumexp(x, 1), (square,))
    yield Case("logsumexp/columns", lambda j, x: j.nn.logsumexp(x, 0), (square,))
    yield Case("softmax/columns", lambda j, x: j.nn.softmax(x, 0), (square,))
    yield Case("softmax/short-rows", lambda j, x: j.nn.softmax(x, -1), (normal(N // 10, 10),))
    yield Case("norm/rows", lambda j, x: j.numpy.linalg.norm(x, axis=1), (square,))
    yield Case("cov/100", lambda j, x: j.numpy.cov(x, rowvar=False), (normal(10_000, 100),))
    yield Case("layernorm-grad", lambda j, x: j.grad(lambda x: (
        (x - x.mean(-1, keepdims=True)) / j.numpy.sqrt(x.var(-1, keepdims=True) + 1e-5)
    ).sum())(x) + x, (square,))
    yield Case("trace", lambda j, x: j.numpy.trace(x), (square,))
    yield Case("batchnorm", lambda j, x: (x - x.mean((0, 2, 3), keepdims=True)) / j.numpy.sqrt(
        x.var((0, 2, 3), keepdims=True) + 1e-5), (normal(8, 64, 32, 32),))
    yield Case("batchnorm-last", lambda j, x: (x - x.mean((0, 1, 2))) / j.numpy.sqrt(
        x.var((0, 1, 2)) + 1e-5), (normal(8, 32, 32, 64),))
