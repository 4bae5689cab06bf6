"""Windows, small linear algebra, special functions and odd Fourier lengths: arrax against JAX.

Needs an environment with both: `python benchmarks/windows_and_linalg.py [words of the name]`.
Calls alternate in one process; the best of several counts. A ratio above 1 means arrax is faster.
"""
from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from types import ModuleType
from typing import Any, NamedTuple

import numpy as np


class Case(NamedTuple):
    """`make(library)` gives a function of that library to jit; `operands` are NumPy arrays."""

    name: str
    make: Callable[[ModuleType], Callable[..., Any]]
    operands: tuple[np.ndarray, ...]


def _floats(*shape: int) -> np.ndarray:
    return np.random.default_rng(0).standard_normal(shape).astype(np.float32)


def _pool(kind: str, window: Any, strides: Any, padding: Any) -> Callable[[ModuleType], Any]:
    def make(jax: ModuleType) -> Any:
        start, fold = (-np.inf, jax.lax.max) if kind == "max" else (0.0, jax.lax.add)
        return lambda x: jax.lax.reduce_window(x, np.float32(start), fold, window, strides, padding)
    return make


def _gradient(forward: Callable[[ModuleType], Any]) -> Callable[[ModuleType], Any]:
    return lambda jax: jax.grad(lambda x: (forward(jax)(x) ** 2).sum())


def pooling() -> Iterator[Case]:
    """2x2 and 3x3 pooling of images in both layouts, and their gradients; long windows."""
    layouts = {"NHWC": (_floats(8, 112, 112, 64), lambda k: (1, k, k, 1)),
               "NCHW": (_floats(8, 64, 112, 112), lambda k: (1, 1, k, k))}
    for layout, (image, sizes) in layouts.items():
        for kind in ("max", "sum"):
            for window, stride, padding in ((2, 2, "VALID"), (3, 2, "SAME"), (3, 1, "SAME")):
                forward = _pool(kind, sizes(window), sizes(stride), padding)
                name = f"pool {kind} {window}x{window}/{stride} {layout}"
                yield Case(name, forward, (image,))
                yield Case(f"{name} gradient", _gradient(forward), (image,))
    for kind in ("max", "sum"):
        forward = _pool(kind, (128,), (1,), "SAME")
        yield Case(f"window {kind} 128 of 1e6", forward, (_floats(1_000_000),))
        yield Case(f"window {kind} 128/32 of 1e6", _pool(kind, (128,), (32,), "VALID"),
                   (_floats(1_000_000),))


def _positive(*shape: int) -> np.ndarray:
    x = _floats(*shape)
    return x @ x.swapaxes(-1, -2) + 2 * np.eye(shape[-1], dtype=np.float32)


def linear_algebra() -> Iterator[Case]:
    """Batches of small matrices, larger ones, and small ones inside a loop."""
    many, sides = _positive(1000, 8, 8), _floats(1000, 8, 1)
    larger = _positive(256, 256)
    for name, operand in (("1000x8x8", many), ("256x256", larger)):
        rows = (sides,) if operand is many else (_floats(256, 1),)
        yield Case(f"solve {name}", lambda jax: jax.numpy.linalg.solve, (operand, *rows))
        yield Case(f"cholesky {name}", lambda jax: jax.numpy.linalg.cholesky, (operand,))
        yield Case(f"inv {name}", lambda jax: jax.numpy.linalg.inv, (operand,))
        yield Case(f"qr {name}", lambda jax: lambda x: abs(jax.numpy.linalg.qr(x)[1]), (operand,))
        yield Case(f"eigvalsh {name}", lambda jax: lambda x: jax.numpy.linalg.eigh(x)[0],
                   (operand,))
        yield Case(f"svd {name}", lambda jax: lambda x: jax.numpy.linalg.svd(x)[1], (operand,))

    def filtering(jax: ModuleType) -> Any:
        def step(state: Any, x: Any) -> Any:
            factor = jax.numpy.linalg.cholesky(state)
            y = jax.lax.linalg.triangular_solve(factor, x[:, None], left_side=True, lower=True)
            return state + 0.01 * y @ y.T, y[:, 0]
        return lambda xs: jax.lax.scan(step, jax.numpy.eye(4), xs)
    yield Case("scan of 4x4 cholesky and solve", filtering, (_floats(2000, 4),))

    def solving(jax: ModuleType) -> Any:
        def step(x: Any, a: Any) -> Any:
            x = jax.numpy.linalg.solve(a, x)
            return x / jax.numpy.linalg.norm(x), x[0]
        return lambda a: jax.lax.scan(step, jax.numpy.ones(4), a)
    yield Case("scan of 4x4 solve", solving, (_positive(2000, 4, 4),))


def special_functions() -> Iterator[Case]:
    """A million elements of each, or as many as JAX computes in a second."""
    x, positive = 4 * _floats(1_000_000), np.abs(4 * _floats(1_000_000)) + np.float32(0.1)
    for name in ("lgamma", "digamma", "bessel_i0e", "bessel_i1e"):
        yield Case(f"special {name} 1e6", lambda jax, name=name: getattr(jax.lax, name),
                   (positive if name.startswith("d") else x,))
    few, other = positive[:100_000], positive[100_000:200_000].copy()
    for name in ("igamma", "igammac", "random_gamma_grad", "zeta"):
        first = few + np.float32(1.05) if name == "zeta" else few
        yield Case(f"special {name} 1e5", lambda jax, name=name: getattr(jax.lax, name),
                   (first, other))
    unit = np.random.default_rng(0).random(100_000, np.float32)
    yield Case("special betainc 1e5", lambda jax: jax.lax.betainc, (few, other, unit))


def fourier() -> Iterator[Case]:
    """Lengths that are no powers of two, smooth and prime, of rows and of long lines."""
    for rows, length in ((1000, 100), (1000, 360), (1000, 1000), (200, 1009), (100, 3000),
                         (1, 1000), (1, 15625), (1, 100_000), (1, 1_000_000), (1, 100_003)):
        x = _floats(rows, length)
        yield Case(f"fft {rows}x{length}", lambda jax: jax.numpy.fft.fft,
                   (x.astype(np.complex64),))
        yield Case(f"rfft {rows}x{length}", lambda jax: jax.numpy.fft.rfft, (x,))
    yield Case("fft2 480x640", lambda jax: jax.numpy.fft.fft2,
               (_floats(480, 640).astype(np.complex64),))


def best_times(functions: dict[str, Callable[[], Any]], rounds: int = 7) -> dict[str, float]:
    """The shortest time of each function, called in turns."""
    times = dict.fromkeys(functions, float("inf"))
    for _ in range(rounds):
        for name, function in functions.items():
            start = time.perf_counter()
            function()
            times[name] = min(times[name], time.perf_counter() - start)
    return times


def main(words: list[str]) -> None:
    import arrax
    import jax

    print(f"{'':42s} {'arrax':>10s} {'JAX':>10s}  ratio")
    for case in cases():
        if not all(word in case.name for word in words):
            continue
        calls, results = {}, {}
        for library in (arrax, jax):
            function = library.jit(case.make(library))
            operands = [library.numpy.asarray(x) for x in case.operands]
            calls[library.__name__] = lambda f=function, o=operands, j=library: \
                j.block_until_ready(f(*o))
            results[library.__name__] = library.tree.leaves(calls[library.__name__]())
        for mine, other in zip(results["arrax"], results["jax"], strict=True):
            np.testing.assert_allclose(np.asarray(mine), np.asarray(other), rtol=2e-3, atol=2e-3)
        times = best_times(calls)
        print(f"{case.name:42s} {1e3 * times['arrax']:8.2f}ms {1e3 * times['jax']:8.2f}ms "
              f"{times['jax'] / times['arrax']:6.2f}", flush=True)


def cases() -> Iterator[Case]:
    yield from pooling()
    yield from linear_algebra()
    yield from special_functions()
    yield from fourier()


if __name__ == "__main__":
    main(sys.argv[1:])
