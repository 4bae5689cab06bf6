"""Random numbers. All must be JAX's, bit for bit or to rounding."""
from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from cases.case import BFLOAT16, Case, N, normal

KEY = np.array([0, 42], np.uint32)


def cases() -> Iterator[Case]:
    forms = {
        "bits": lambda r, k: r.bits(k, (N,)), "uniform": lambda r, k: r.uniform(k, (N,)),
        "normal": lambda r, k: r.normal(k, (N,)),
        "randint": lambda r, k: r.randint(k, (N,), 0, 1000),
        "bernoulli": lambda r, k: r.bernoulli(k, 0.3, (N,)),
        "exponential": lambda r, k: r.exponential(k, (N,)),
        "gumbel": lambda r, k: r.gumbel(k, (N,)),
        "laplace": lambda r, k: r.laplace(k, (N,)),
        "truncated": lambda r, k: r.truncated_normal(k, -1, 1, (N,)),
        "categorical": lambda r, k: r.categorical(k, np.zeros(10, np.float32), shape=(N // 10,)),
        "permutation": lambda r, k: r.permutation(k, N),
        "choice": lambda r, k: r.choice(k, 1000, (N,)),
        "choice-p": lambda r, k: r.choice(k, 1000, (N,), p=np.full(1000, 1e-3, np.float32)),
        "split": lambda r, k: r.split(k, N // 10),
        "bf16-normal": lambda r, k: r.normal(k, (N,), BFLOAT16),
        "dropout": lambda r, k: r.bernoulli(k, 0.9, (1000, 1000)) * 2.0,
    }
    for name, form in forms.items():
        yield Case(f"random/{name}", lambda j, k, f=form: f(j.random, k), (KEY,))
    yield Case("random/many-keys", lambda j, k: j.vmap(lambda k: j.random.normal(k, (10,)))(
        j.random.split(k, N // 100)), (KEY,))
    yield Case("random/shuffle-rows", lambda j, k, x: j.random.permutation(k, x),
               (KEY, normal(10_000, 100)), exact=True)
    yield Case("random/gamma", lambda j, k: j.random.gamma(k, 2.0, (N // 100,)), (KEY,))
    yield Case("random/f64-normal", lambda j, k, like: j.random.normal(k, (N,), np.float64) + like,
               (KEY, np.zeros(1)))
