"""Print arrax's speeds, beside JAX's when jax is installed.

    python benchmarks/speed.py

Each line is the best of several repetitions (machines are noisy). The limits in the last column are
the speeds that shape the architecture; imports run in fresh processes.
"""
from __future__ import annotations

import importlib
import importlib.util
import os
import subprocess
import sys
import time
from collections.abc import Callable
from typing import Any

import numpy as np

os.environ.setdefault("ARRAX_CACHE", "off")
Make = Callable[[Any], Callable[[], Any]]


def best(call: Callable[[], Any], ready: Callable[[Any], Any], repeats: int = 7) -> float:
    """Seconds of one call: the best mean of several runs of about 20 ms each."""
    ready(call())
    start = time.perf_counter()
    ready(call())
    count = max(1, min(5000, int(0.02 / max(time.perf_counter() - start, 1e-7))))
    times = []
    for _ in range(repeats):
        start = time.perf_counter()
        for _ in range(count):
            ready(call())
        times.append((time.perf_counter() - start) / count)
    return min(times)


def first_call(jax: Any) -> float:
    """Seconds of the first call of small jitted functions, median of nine different ones."""
    jnp = jax.numpy
    times = []
    for i in range(9):
        x = jnp.ones(10 + i)
        start = time.perf_counter()
        jax.block_until_ready(jax.jit(lambda x, i=i: jnp.sin(x) * float(i + 2) + x)(x))
        times.append(time.perf_counter() - start)
    return sorted(times)[len(times) // 2]


def per_equation(jax: Any) -> float:
    """Seconds to trace one equation of a long chain."""
    jnp = jax.numpy

    def chain(x: Any) -> Any:
        for _ in range(200):
            x = jnp.sin(x) + x
        return x
    x = jnp.ones(10)
    jax.make_jaxpr(chain)(x)
    times = []
    for _ in range(5):
        start = time.perf_counter()
        jax.make_jaxpr(lambda x: chain(x))(x)
        times.append((time.perf_counter() - start) / 400)
    return min(times)


def import_time(name: str) -> float:
    """Seconds of `import name.numpy` in a fresh process, best of five."""
    code = ("import time; t = time.perf_counter(); import " + name
            + ".numpy; print(time.perf_counter() - t)")
    runs = [subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
            for _ in range(5)]
    return min(float(run.stdout) for run in runs)


def random_matrix(*shape: int) -> np.ndarray:
    return np.random.default_rng(0).standard_normal(shape).astype(np.float32)


def steady_cases(jax: Any) -> list[tuple[str, Callable[[], Any], float | None]]:
    """(name, call, limit in seconds) of everything that is timed after a warm-up call."""
    jnp = jax.numpy
    x = jnp.ones(10)
    ramp = jnp.arange(10.0)
    small = jnp.arange(3.0)
    plus_one = jax.jit(lambda x: x + 1.0)
    gradient = jax.grad(lambda x: jnp.sum(1.0 / (1.0 + jnp.exp(-x))))

    def norm(x: Any) -> Any:
        x = x - x.mean(0)
        return x / x.std(0)

    def selu(x: Any, alpha: float = 1.67, lmbda: float = 1.05) -> Any:
        return lmbda * jnp.where(x > 0, x, alpha * jnp.exp(x) - alpha)
    matrix, vector = jnp.asarray(random_matrix(10000, 100)), jnp.asarray(random_matrix(1000000))
    jit_norm, jit_selu = jax.jit(norm), jax.jit(selu)
    return [
        ("jit call, one argument", lambda: plus_one(x), 3e-6),
        ("eager jnp.add, 10 floats", lambda: jnp.add(x, x), 5e-6),
        ("eager jnp.sin, 10 floats", lambda: jnp.sin(x), 5e-6),
        ("eager x[2]", lambda: ramp[2], 8e-6),
        ("eager x.at[0].set(1.)", lambda: ramp.at[0].set(1.0), 15e-6),
        ("eager grad of sum_logistic", lambda: gradient(small), 200e-6),
        ("jit norm, 10000 x 100", lambda: jit_norm(matrix), None),
        ("jit selu, 1e6", lambda: jit_selu(vector), None),
    ]


def measure(name: str) -> dict[str, tuple[float, float | None]]:
    """All speeds of one implementation: name → (seconds, limit)."""
    jax = importlib.import_module(name)
    importlib.import_module(f"{name}.numpy")
    out = {"import of the NumPy API": (import_time(name), 0.25),
           "first call of a small jit function": (first_call(jax), 15e-3),
           "trace one equation": (per_equation(jax), 15e-6)}
    for label, call, limit in steady_cases(jax):
        out[label] = (best(call, jax.block_until_ready), limit)
    return out


def show(seconds: float | None) -> str:
    if seconds is None:
        return "-"
    return f"{seconds * 1e3:.2f} ms" if seconds >= 1e-3 else f"{seconds * 1e6:.2f} us"


def main() -> None:
    ours = measure("arrax")
    theirs = measure("jax") if importlib.util.find_spec("jax") else {}
    print(f"{'':38s} {'arrax':>12s} {'jax':>12s} {'ratio':>8s} {'limit':>12s}")
    for label, (seconds, limit) in ours.items():
        other = theirs.get(label, (None, None))[0]
        ratio = f"{other / seconds:.1f}x" if other else "-"
        print(f"{label:38s} {show(seconds):>12s} {show(other):>12s} {ratio:>8s} {show(limit):>12s}")


if __name__ == "__main__":
    main()
