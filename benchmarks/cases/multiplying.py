"""Matrix products and contractions."""
from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from cases.case import BFLOAT16, Case, below, label, normal


def cases() -> Iterator[Case]:
    yield from _sizes()
    yield from _layouts()
    yield from _vectors()
    yield from _models()


def _sizes() -> Iterator[Case]:
    def product(j, a, b):
        return a @ b
    for n in (16, 64, 128, 256, 512, 1024, 2048):
        yield Case(f"matmul/{n}", product, (normal(n, n), normal(n, n, seed=1)))
    for dtype in (np.float64, np.complex64, BFLOAT16, np.float16):
        yield Case(f"matmul/{label(dtype)}", product,
                   (normal(512, 512, dtype=dtype), normal(512, 512, dtype=dtype, seed=1)))
    for dtype in (np.int32, np.int8, np.int64, np.uint8):
        yield Case(f"matmul/{label(dtype)}", product, (
            below(9, 512, 512, dtype=dtype), below(9, 512, 512, dtype=dtype, seed=2)), exact=True)
    yield Case("matmul/i8-to-i32", lambda j, a, b: j.lax.dot(
        a, b, preferred_element_type=np.int32),
        (below(99, 512, 512, dtype=np.int8), below(99, 512, 512, dtype=np.int8, seed=2)),
        exact=True)
    yield Case("matmul/bf16-to-f32", lambda j, a, b: j.lax.dot(
        a, b, preferred_element_type=np.float32),
        (normal(512, 512, dtype=BFLOAT16), normal(512, 512, dtype=BFLOAT16, seed=1)))
    for m, k, n in ((10_000, 100, 100), (100, 10_000, 100), (100, 100, 10_000), (4096, 64, 8),
                    (8, 1024, 4096), (1000, 3, 1000), (100_000, 10, 10), (1, 1024, 4096),
                    (4, 4096, 4096)):
        yield Case(f"matmul/{m}x{k}x{n}", product, (normal(m, k), normal(k, n)))


def _layouts() -> Iterator[Case]:
    a, b = normal(512, 512), normal(512, 512, seed=1)
    forms = {"TN": lambda j, a, b: a.T @ b, "NT": lambda j, a, b: a @ b.T,
             "TT": lambda j, a, b: a.T @ b.T, "AtA": lambda j, a, b: a.T @ a,
             "bias-relu": lambda j, a, b: j.numpy.maximum(a @ b + b[0], 0),
             "prologue": lambda j, a, b: j.numpy.tanh(a) @ (b * 2),
             "chain": lambda j, a, b: (a @ b) @ (b @ a)}
    for name, form in forms.items():
        yield Case(f"matmul/{name}", form, (a, b))
    for name, shapes in {
            "bij,bjk->bik": ((64, 128, 128), (64, 128, 128)),
            "bij,bkj->bik": ((64, 128, 128), (64, 128, 128)),
            "bij,jk->bik": ((64, 128, 128), (128, 128)),
            "ijk,jil->kl": ((64, 32, 128), (32, 64, 128)),
            "bhqd,bhkd->bhqk": ((4, 8, 128, 64), (4, 8, 128, 64)),
            "bqhd,bkhd->bhqk": ((4, 128, 8, 64), (4, 128, 8, 64)),
            "bhqk,bkhd->bqhd": ((4, 8, 128, 128), (4, 128, 8, 64)),
            "ibj,bjk->kib": ((128, 64, 32), (64, 32, 128)),
            "abcd,cdef->abef": ((32, 32, 16, 16), (16, 16, 32, 32)),
            "aibj,bjak->ik": ((16, 64, 16, 32), (16, 32, 16, 64)),
            "i,j->ij": ((1000,), (1000,)), "ij,ij->i": ((1000, 1000), (1000, 1000)),
            "ij,ij->j": ((1000, 1000), (1000, 1000)), "bi,bj->bij": ((1000, 32), (1000, 32)),
            "bij,bj->bi": ((1000, 32, 32), (1000, 32)), "bi,bij->bj": ((1000, 32), (1000, 32, 32)),
            "ijb,jkb->ikb": ((32, 32, 256), (32, 32, 256)),
            "ij,jk,kl->il": ((200, 300), (300, 400), (400, 500))}.items():
        data = tuple(normal(*shape, seed=i) for i, shape in enumerate(shapes))
        yield Case(f"einsum/{name}", lambda j, *x, n=name: j.numpy.einsum(n, *x), data)
    yield Case("einsum/tensordot", lambda j, a, b: j.numpy.tensordot(a, b, ((0, 2), (1, 0))),
               (normal(32, 64, 32), normal(32, 32, 64)))
    yield Case("matmul/small-batch", lambda j, a, b: a @ b,
               (normal(10_000, 4, 4), normal(10_000, 4, 4)))
    yield Case("matmul/small-batch-16", lambda j, a, b: a @ b,
               (normal(2000, 16, 16), normal(2000, 16, 16)))
    yield Case("matmul/batched-T", lambda j, a, b: a @ b.swapaxes(1, 2),
               (normal(64, 128, 128), normal(64, 128, 128)))


def _vectors() -> Iterator[Case]:
    for dtype in (np.float32, np.float64, BFLOAT16, np.int32, np.complex64):
        a = normal(1000, 1000, dtype=dtype)
        v = normal(1000, dtype=dtype)
        if dtype == np.int32:
            a, v = below(99, 1000, 1000), below(99, 1000)
        yield Case(f"matvec/{label(dtype)}", lambda j, a, v: a @ v, (a, v))
        yield Case(f"matvec/{label(dtype)}-T", lambda j, a, v: v @ a, (a, v))
    yield Case("matvec/batched", lambda j, a, v: j.vmap(j.numpy.dot)(a, v),
               (normal(100, 100, 100), normal(100, 100)))
    yield Case("matvec/batched-vmap", lambda j, a, v: j.vmap(lambda v: a @ v)(v),
               (normal(512, 512), normal(256, 512)))
    yield Case("matvec/large", lambda j, a, v: a @ v, (normal(4000, 4000), normal(4000)))
    yield Case("matvec/grad", lambda j, a, v: j.grad(lambda a: ((a @ v) ** 2).sum())(a),
               (normal(1000, 1000), normal(1000)))
    yield Case("dot/1e6", lambda j, a, b: a @ b, (normal(1_000_000), normal(1_000_000, seed=1)))


def _models() -> Iterator[Case]:
    def attention(j, q, k, v):
        scores = j.numpy.einsum("bqhd,bkhd->bhqk", q, k) / 8
        return j.numpy.einsum("bhqk,bkhd->bqhd", j.nn.softmax(scores), v)
    heads = tuple(normal(4, 128, 8, 64, seed=i) for i in range(3))
    yield Case("model/attention", attention, heads)
    yield Case("model/attention-grad", lambda j, *x: j.grad(
        lambda *y: (attention(j, *y) ** 2).sum(), (0, 1, 2))(*x), heads)

    def network(j, x, *weights):
        for w in weights:
            x = j.numpy.tanh(x @ w)
        return x
    weights = tuple(normal(256, 256, seed=i) * np.float32(0.05) for i in range(4))
    yield Case("model/mlp", network, (normal(128, 256), *weights))
    yield Case("model/mlp-grad", lambda j, x, *w: j.grad(
        lambda w: (network(j, x, *w) ** 2).mean())(w), (normal(128, 256), *weights))
    yield Case("model/logistic-grad", lambda j, x, y, w: j.grad(lambda w: j.numpy.mean(
        j.numpy.logaddexp(0, -y * (x @ w))))(w),
        (normal(10_000, 100), np.sign(normal(10_000)), normal(100)))
    yield Case("model/least-squares", lambda j, x, y, w: j.grad(
        lambda w: ((x @ w - y) ** 2).mean())(w),
        (normal(100_000, 10), normal(100_000), normal(10)))
    yield Case("model/pairwise", lambda j, a, b: ((a[:, None] - b[None]) ** 2).sum(-1),
               (normal(500, 16), normal(500, 16, seed=1)))
    yield Case("model/rnn", lambda j, h, w, x: j.lax.scan(
        lambda h, x: (j.numpy.tanh(h @ w + x),) * 2, h, x)[1],
        (normal(32, 128), normal(128, 128) * np.float32(0.1), normal(100, 32, 128)))
