"""Transposes, joins, pads and other movements; choices."""
from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from cases.case import BFLOAT16, Case, N, label, normal


def cases() -> Iterator[Case]:
    yield from _transposes()
    yield from _movements()
    yield from _choices()


def _transposes() -> Iterator[Case]:
    for dtype in (np.float32, np.float64, BFLOAT16, np.uint8, np.complex64):
        yield Case(f"transpose/{label(dtype)}", lambda j, x: x.T,
                   (normal(1000, 1000, dtype=dtype),), exact=True)
    yield Case("transpose/2048", lambda j, x: x.T, (normal(2048, 2048),), exact=True)
    yield Case("transpose/thin", lambda j, x: x.T, (normal(N, 3),), exact=True)
    yield Case("transpose/flat", lambda j, x: x.T, (normal(3, N),), exact=True)
    yield Case("transpose/fused", lambda j, x: x + x.T, (normal(1000, 1000),), exact=True)
    yield Case("transpose/exp", lambda j, x: j.numpy.exp(x).T, (normal(1000, 1000),))
    for order in ((0, 2, 3, 1), (0, 3, 1, 2), (3, 2, 1, 0), (0, 2, 1, 3), (1, 0, 2, 3)):
        yield Case(f"transpose/{''.join(map(str, order))}",
                   lambda j, x, o=order: x.transpose(o), (normal(16, 64, 32, 32),), exact=True)


def _movements() -> Iterator[Case]:
    x, y, square = normal(N), normal(N, seed=1), normal(1000, 1000)
    forms = {
        "concatenate": lambda j, x, y: j.numpy.concatenate([x, y]),
        "concatenate-sin": lambda j, x, y: j.numpy.concatenate([j.numpy.sin(x), y * 2]),
        "stack0": lambda j, x, y: j.numpy.stack([x, y]),
        "stack1": lambda j, x, y: j.numpy.stack([x, y], 1),
    }
    for name, form in forms.items():
        yield Case(f"move/{name}", form, (x, y))
    yield Case("move/concatenate-columns", lambda j, x, y: j.numpy.concatenate([x, y], 1),
               (square, normal(1000, 1000, seed=1)), exact=True)
    forms = {
        "pad": lambda j, x: j.numpy.pad(x, 1000),
        "pad-edge": lambda j, x: j.numpy.pad(x, 1000, mode="edge"),
        "pad-reflect": lambda j, x: j.numpy.pad(x, 1000, mode="reflect"),
        "roll": lambda j, x: j.numpy.roll(x, 12345), "flip": lambda j, x: j.numpy.flip(x),
        "repeat": lambda j, x: j.numpy.repeat(x, 3), "tile": lambda j, x: j.numpy.tile(x, 3),
        "reshape-T": lambda j, x: x.reshape(10, 1000, 100).transpose(2, 0, 1).reshape(-1),
        "stride": lambda j, x: x[::3], "slice": lambda j, x: x[1000:-1000],
        "cast-bf16": lambda j, x: x.astype(BFLOAT16), "cast-i32": lambda j, x: x.astype(np.int32),
        "arange": lambda j, x: j.numpy.arange(N) * 2 + x, "copy": lambda j, x: j.numpy.copy(x),
        "split": lambda j, x: [a * 2 for a in j.numpy.split(x, 10)],
        "diag-outer": lambda j, x: x[:1000, None] * x[None, 1000:2000],
    }
    for name, form in forms.items():
        yield Case(f"move/{name}", form, (x,), exact=True)
    forms = {
        "pad2d": lambda j, x: j.numpy.pad(x, ((10, 20), (30, 40))),
        "roll-rows": lambda j, x: j.numpy.roll(x, 123, 0),
        "roll-columns": lambda j, x: j.numpy.roll(x, 123, 1),
        "flip-columns": lambda j, x: j.numpy.flip(x, 1), "rot90": lambda j, x: j.numpy.rot90(x),
        "repeat-columns": lambda j, x: j.numpy.repeat(x, 2, 1),
        "tile2d": lambda j, x: j.numpy.tile(x, (2, 2)), "tril": lambda j, x: j.numpy.tril(x),
        "diagonal": lambda j, x: j.numpy.diagonal(x), "upsample": lambda j, x: j.numpy.repeat(
            j.numpy.repeat(x, 2, 0), 2, 1),
        "window": lambda j, x: x[1:, 1:] + x[:-1, :-1] - x[1:, :-1] * x[:-1, 1:],
    }
    for name, form in forms.items():
        yield Case(f"move/{name}", form, (square,), exact=name != "window")


def _choices() -> Iterator[Case]:
    x, y = normal(N), normal(N, seed=1)
    yield Case("choose/where", lambda j, x, y: j.numpy.where(x > 0, x, y), (x, y), exact=True)
    yield Case("choose/chain", lambda j, x, y: j.numpy.where(x > 1, y, j.numpy.where(
        x < -1, -y, j.numpy.where(y > 0, x, 0))), (x, y), exact=True)
    yield Case("choose/select", lambda j, x: j.numpy.select(
        [x < -1, x < 0, x < 1], [x - 1, x * 2, x + 3], 7.0), (x,), exact=True)
    yield Case("choose/clip", lambda j, x: j.numpy.clip(x, -1, 1), (x,), exact=True)
    yield Case("choose/piecewise", lambda j, x: j.numpy.piecewise(
        x, [x < 0, x >= 1], [lambda v: -v, lambda v: v * v, 0.5]), (x,))
    yield Case("choose/nan-to-num", lambda j, x: j.numpy.nan_to_num(x), (x,), exact=True)
    yield Case("choose/lerp-grid", lambda j, a, b: j.numpy.meshgrid(a, b)[0] * 2,
               (normal(1000), normal(1000, seed=1)), exact=True)
