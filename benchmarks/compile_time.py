"""Print what compilation costs, beside another checkout of arrax.

    python benchmarks/compile_time.py [--against PATH] [--rounds N] [--warm] [--only NAME,...]

Programs of every kind are traced, lowered and compiled in fresh processes, here and, with
`--against`, by the checkout at PATH (its `.venv` where it has one, its `src`), in turns. Each
number is the least of all rounds in milliseconds of the compiling thread, so that what else the
machine does cancels. The disk cache is off; with `--warm` it is on and filled by a round that is
not shown.
"""
from __future__ import annotations

import argparse
import json
import math
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

HERE = Path(__file__).resolve().parent.parent
Case = tuple[Callable[..., Any], tuple[Any, ...]]


def floats(*shape: int) -> np.ndarray:
    return np.random.default_rng(0).standard_normal(shape).astype(np.float32)


def elementwise_cases(jax: Any) -> dict[str, Case]:
    jnp, lax = jax.numpy, jax.lax
    row, square, tall = floats(1000), floats(256, 256), floats(10000, 10)

    def norm(x: Any) -> Any:
        x = x - x.mean(0)
        return x / x.std(0)

    def selu(x: Any, alpha: float = 1.67, lmbda: float = 1.05) -> Any:
        return lmbda * jnp.where(x > 0, x, alpha * jnp.exp(x) - alpha)

    def layer_norm(x: Any) -> Any:
        return (x - x.mean(-1, keepdims=True)) * lax.rsqrt(x.var(-1, keepdims=True) + 1e-5)

    def logistic(x: Any) -> Any:
        return jnp.sum(1.0 / (1.0 + jnp.exp(-x)))

    def chain(x: Any) -> Any:
        for _ in range(100):
            x = jnp.sin(x) + x
        return x

    def gravity(x: Any) -> Any:
        d = x[:, None] - x[None]
        return jnp.sum(jnp.triu(1 / jnp.sqrt((d ** 2).sum(-1) + 0.1), 1))
    return {
        "add": (lambda x: x + 1.0, (row,)),
        "selu": (selu, (row,)),
        "norm": (norm, (tall,)),
        "grad logistic": (jax.grad(logistic), (row,)),
        "hessian": (jax.jacfwd(jax.jacrev(lambda x: logistic(x) ** 2)), (floats(64),)),
        "softmax": (lambda x: jax.nn.softmax(x, -1), (square,)),
        "layer norm": (layer_norm, (square,)),
        "grad layer norm": (jax.grad(lambda x: (layer_norm(x) ** 2).sum()), (square,)),
        "special functions": (lambda x: lax.lgamma(x) + lax.erf(x) * lax.tan(x) + x ** 1.7, (row,)),
        "complex": (lambda x: jnp.exp(1j * x) / (x + 2j) * jnp.sqrt(x + 0j), (row,)),
        "100 equations": (chain, (row,)),
        "grad gravity": (jax.grad(gravity), (floats(64, 3),)),
    }


def loop_cases(jax: Any) -> dict[str, Case]:
    jnp, lax = jax.numpy, jax.lax
    weights = floats(64, 64)

    def lorenz(carry: Any, _: Any) -> Any:
        x, y, z = carry
        moved = x + 0.1 * (y - x), y + 0.01 * (x * (28 - z) - y), z + 0.01 * (x * y - 2.7 * z)
        return moved, carry

    def recurrent(h: Any) -> Any:
        def step(h: Any, _: Any) -> Any:
            return jnp.tanh(jnp.asarray(weights) @ h), None
        return lax.scan(step, h, None, length=99)[0]

    def unrolled(h: Any) -> Any:
        return lax.scan(lambda h, x: (jnp.tanh(h * x), h), h, floats(40, 8), unroll=10)

    def sieve(n: Any) -> Any:
        return lax.fori_loop(2, n, lambda i, s: lax.cond(s[i] > 0, lambda s: s.at[i].set(0),
                                                         lambda s: s, s), jnp.ones(1000))

    def relax(x: Any) -> Any:
        def step(carry: Any) -> Any:
            return carry[0] + 1, jnp.roll(carry[1], 1) * 0.5
        return lax.while_loop(lambda c: c[0] < 9, step, (0, x))
    return {
        "scan of scalars": (lambda c: lax.scan(lorenz, c, None, length=1000), ((1., 1., 1.),)),
        "recurrent scan": (recurrent, (floats(64),)),
        "grad of scan": (jax.grad(lambda h: recurrent(h).sum()), (floats(64),)),
        "unrolled scan": (unrolled, (floats(8),)),
        "cond in loop": (sieve, (100,)),
        "while of arrays": (relax, (floats(100),)),
        "vmap of while": (jax.vmap(relax), (floats(4, 100),)),
    }


def library_cases(jax: Any) -> dict[str, Case]:
    jnp, lax = jax.numpy, jax.lax
    square, image, kernel = floats(256, 256), floats(2, 8, 16, 16), floats(8, 8, 3, 3)
    index = np.random.default_rng(0).integers(0, 256, 1000).astype(np.int32)
    layers = [(floats(256, 256), floats(256)) for _ in range(4)]

    def mlp(layers: Any, x: Any) -> Any:
        for w, b in layers:
            x = jnp.tanh(x @ w + b)
        return (x ** 2).mean()

    def conv(x: Any, w: Any) -> Any:
        return jax.nn.relu(lax.conv_general_dilated(x, w, (1, 1), "SAME"))

    def attention(q: Any) -> Any:
        return jax.nn.softmax(q @ q.T / 16, -1) @ q
    return {
        "matmul": (jnp.matmul, (square, square)),
        "MLP gradient": (jax.value_and_grad(mlp), (layers, floats(128, 256))),
        "attention": (attention, (square,)),
        "convolution": (conv, (image, kernel)),
        "convolution gradient": (jax.grad(lambda x, w: conv(x, w).sum(), (0, 1)), (image, kernel)),
        "max pool": (lambda x: lax.reduce_window(x, -jnp.inf, lax.max, (1, 1, 2, 2), (1, 1, 2, 2),
                                                 "VALID"), (image,)),
        "sort": (jnp.sort, (square,)),
        "median": (lambda x: jnp.median(x, 0), (square,)),
        "gather": (lambda x, i: x[i] * 2, (square, index)),
        "scatter add": (lambda x, i: x.at[i].add(1.0), (square, index)),
        "grad of take": (jax.grad(lambda x, i: (x[i, i] ** 2).sum()), (square, index)),
        "concatenate": (lambda x: jnp.concatenate([x[:9], x[9:] * 2, jnp.flip(x)]), (square,)),
        "cumsum": (lambda x: jnp.cumsum(x, 1), (square,)),
        "random normal": (lambda k: jax.random.normal(k, (1000,)), (np.zeros(2, np.uint32),)),
        "solve": (jnp.linalg.solve, (square, floats(256))),
        "fft": (lambda x: jnp.fft.fft(x).real, (square,)),
        "batched inverse": (jnp.linalg.inv, (floats(10, 4, 4),)),
    }


def cases(jax: Any) -> dict[str, Case]:
    """Every program with its arguments."""
    return {**elementwise_cases(jax), **loop_cases(jax), **library_cases(jax)}


def measure(names: set[str]) -> dict[str, float]:
    """Milliseconds that each program takes in this process, which has compiled others before."""
    import arrax as jax
    import arrax.numpy
    table = cases(jax)
    jax.jit(lambda x: jax.numpy.tanh(x).sum())(floats(77))  # LLVM is loaded
    out = {}
    for name, (function, arguments) in table.items():
        if not names or name in names:
            start = time.thread_time()
            jax.jit(function).lower(*arguments).compile()
            out[name] = (time.thread_time() - start) * 1e3
    return out


def measure_in(checkout: Path, names: str, cache: str) -> dict[str, float]:
    """The milliseconds of each program in a fresh process of a checkout."""
    python = checkout / ".venv" / "bin" / "python"
    interpreter = str(python) if python.exists() else sys.executable
    command = [interpreter, __file__, "--here", "--only", names]
    environment = {**os.environ, "PYTHONPATH": str(checkout / "src"), "ARRAX_CACHE": cache}
    run = subprocess.run(command, capture_output=True, text=True, check=True, env=environment)
    out: dict[str, float] = json.loads(run.stdout)
    return out


def least(checkouts: list[Path], names: str, rounds: int, warm: bool) -> list[dict[str, float]]:
    """The least milliseconds of each program, of each checkout, which run in turns."""
    best: list[dict[str, float]] = [{} for _ in checkouts]
    with tempfile.TemporaryDirectory() as folder:
        caches = [str(Path(folder) / str(i)) if warm else "off" for i in range(len(checkouts))]
        for k in range(rounds + warm):
            for checkout, cache, table in zip(checkouts, caches, best, strict=True):
                times = measure_in(checkout, names, cache)
                if k >= warm:
                    for name, value in times.items():
                        table[name] = min(value, table.get(name, math.inf))
    return best


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--against", type=Path, help="another checkout of arrax")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--warm", action="store_true", help="with a filled disk cache")
    parser.add_argument("--only", default="", help="names of programs, with commas between")
    parser.add_argument("--here", action="store_true", help="measure this process, print JSON")
    options = parser.parse_args()
    if options.here:
        print(json.dumps(measure({name for name in options.only.split(",") if name})))
        return
    checkouts = [HERE] + ([options.against.resolve()] if options.against else [])
    ours, *rest = least(checkouts, options.only, options.rounds, options.warm)
    theirs = rest[0] if rest else {}
    print(f"{'':24s} {'here ms':>9s} {'there ms':>9s} {'ratio':>7s}")
    for name, value in ours.items():
        other = theirs.get(name)
        print(f"{name:24s} {value:9.2f} " + (f"{other:9.2f} {value / other:7.2f}" if other else ""))
    if theirs:
        ratios = [math.log(value / theirs[name]) for name, value in ours.items() if name in theirs]
        print(f"{'geometric mean':24s} {'':19s} {math.exp(sum(ratios) / len(ratios)):7.2f}")


if __name__ == "__main__":
    main()
