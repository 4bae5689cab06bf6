"""Print what eager calls on small arrays cost, beside NumPy's own calls.

    python benchmarks/eager.py [--jax] [--over MICROSECONDS] [NAME...]

Each row is one line of `ROWS`: an expression over `jnp`, `lax`, … and, after `|`, what NumPy calls
for it (`=`: the same expression, with NumPy's names). The goal is a difference of at most 3 µs.
Random draws have no equivalent in NumPy; there the comparison is with JAX (`--jax`).
Times are the best of several repetitions in turns, in one process.
"""
from __future__ import annotations

import argparse
import importlib
import os
import timeit
from collections.abc import Callable
from typing import Any

import numpy as np

os.environ.setdefault("ARRAX_CACHE", "off")
GOAL = 3e-6

# Names: x, y: 10 floats; m, n: 10×10 floats; i: 10 ints; b: 10 bools; s: symmetric positive
# definite; v: 3 floats; z: 10 complex numbers; k: a random key.
ROWS = """
jnp.array(x) | =
jnp.array([1., 2., 3.]) | jnp.array([1., 2., 3.], np.float32)
jnp.array(2.5) | =
jnp.zeros(10) | jnp.zeros(10, np.float32)
jnp.zeros((10, 10)) | jnp.zeros((10, 10), np.float32)
jnp.ones(10) | jnp.ones(10, np.float32)
jnp.asarray(x) | =
jnp.asarray(2.5) | =
jnp.arange(10) | =
jnp.arange(0., 5., .5) | =
jnp.concatenate([x, y]) | =
jnp.where(b, x, y) | =
jnp.where(x > 0, x, 0.) | =
jnp.sum(x) | =
jnp.sum(m, axis=0) | =
jnp.sum(m, axis=1, keepdims=True) | =
jnp.stack([x, y]) | =
jnp.abs(x) | =
jnp.zeros_like(x) | =
jnp.sqrt(x) | =
jnp.max(x) | =
jnp.ones_like(x) | =
jnp.expand_dims(x, 0) | =
jnp.broadcast_to(x, (10, 10)) | =
jnp.reshape(x, (2, 5)) | =
jnp.exp(x) | =
jnp.clip(x, 0., 1.) | =
jnp.mean(x) | =
jnp.mean(m, axis=0) | =
jnp.minimum(x, y) | =
jnp.maximum(x, y) | =
jnp.maximum(x, 0.) | =
jnp.dot(x, y) | =
jnp.dot(m, x) | =
jnp.full((10,), 2.) | =
jnp.logical_and(b, b) | =
jnp.all(b) | =
jnp.log(x) | =
jnp.square(x) | =
jnp.eye(3) | =
jnp.linalg.norm(x) | =
jnp.linalg.norm(m, axis=1) | =
jnp.sin(x) | =
jnp.cos(x) | =
jnp.any(b) | =
jnp.split(x, 2) | =
jnp.einsum('ij,jk->ik', m, n) | =
jnp.einsum('i,i->', x, y) | =
jnp.diag(x) | =
jnp.repeat(x, 2) | =
jnp.isfinite(x) | =
jnp.squeeze(x1) | =
jnp.moveaxis(m, 0, 1) | =
jnp.sign(x) | =
jnp.isnan(x) | =
jnp.tile(x, 2) | =
jnp.pad(x, 1) | =
jnp.pad(m, ((1, 1), (0, 0))) | =
jnp.min(x) | =
jnp.shape(x) | =
jnp.matmul(m, n) | =
jnp.tanh(x) | =
jnp.transpose(m) | =
jnp.roll(x, 1) | =
jnp.argmax(x) | =
jnp.power(x, 2) | =
jnp.power(x, y) | =
jnp.power(x, 0.5) | =
jnp.swapaxes(m, 0, 1) | =
jnp.cumsum(x) | =
jnp.floor(x) | =
jnp.argmin(x) | =
jnp.sort(x) | =
jnp.take(x, i) | =
jnp.logical_or(b, b) | =
jnp.linspace(0., 1., 10) | =
jnp.round(x) | =
jnp.argsort(x) | =
jnp.add(x, y) | =
jnp.tril(m) | =
jnp.allclose(x, y) | =
jnp.logical_not(b) | =
jnp.meshgrid(x, y) | =
jnp.isinf(x) | =
jnp.tensordot(m, n, 1) | =
jnp.var(x) | =
jnp.var(m, axis=0) | =
jnp.flip(x) | =
jnp.prod(x) | =
jnp.ceil(x) | =
jnp.log1p(x) | =
jnp.conj(z) | =
jnp.empty(10) | =
jnp.size(x) | =
jnp.linalg.cholesky(s) | =
jnp.take_along_axis(x, i, 0) | =
jnp.full_like(x, 2.) | =
jnp.trace(m) | =
jnp.hstack([x, y]) | =
jnp.diff(x) | =
jnp.isclose(x, y) | =
jnp.linalg.eigh(s) | =
jnp.linalg.inv(s) | =
jnp.searchsorted(x, y) | =
jnp.arctan2(x, y) | =
jnp.arccos(u) | =
jnp.append(x, y) | =
jnp.reciprocal(x) | =
jnp.expm1(x) | =
jnp.mod(x, y) | =
jnp.mod(i, 3) | =
jnp.linalg.solve(s, x) | =
jnp.equal(x, y) | =
jnp.outer(x, y) | =
jnp.std(x) | =
jnp.std(m, axis=0) | =
jnp.vstack([x, y]) | =
jnp.multiply(x, y) | =
jnp.diagonal(m) | =
jnp.broadcast_arrays(x, m) | =
jnp.divide(x, y) | =
jnp.count_nonzero(x) | =
jnp.logaddexp(x, y) | =
jnp.linalg.qr(m) | =
jnp.arctanh(u) | =
jnp.triu(m) | =
jnp.subtract(x, y) | =
jnp.invert(i) | =
jnp.vdot(x, y) | =
jnp.linalg.slogdet(s) | =
x.astype(jnp.int32) | =
jnp.linalg.svd(m) | =
jnp.arcsin(u) | =
jnp.greater_equal(x, y) | =
jnp.sinh(x) | =
jnp.linalg.det(s) | =
jnp.cumprod(x) | =
jnp.cross(v, v) | =
jnp.real(z) | =
jnp.identity(3) | =
jnp.negative(x) | =
jnp.less(x, y) | =
jnp.imag(z) | =
jnp.nan_to_num(x) | =
jnp.unique(i) | =
jnp.cosh(x) | =
jnp.nanmean(x) | =
jnp.arctan(x) | =
jnp.average(x) | =
jnp.average(x, weights=y) | =
jnp.bincount(i) | =
jnp.atleast_1d(x) | =
jnp.kron(v, v) | =
jnp.arcsinh(x) | =
jnp.tril_indices(3) | =
jnp.block([[m, n]]) | =
jnp.linalg.lstsq(m, x) | =
jnp.ravel(m) | =
jnp.tan(x) | =
jnp.fft.fft(x) | =
jnp.isin(i, i) | =
jnp.linalg.eigvalsh(s) | =
jnp.polyval(v, x) | =
jnp.median(x) | =
jnp.cov(m) | =
jnp.fft.fftn(m) | =
jnp.angle(z) | =
jnp.arccosh(x) | =
jnp.atleast_2d(x) | =
jnp.copy(x) | =
jnp.nonzero(x) | =
jnp.unravel_index(i, (2, 5)) | =
jnp.array_split(x, 3) | =
jnp.bitwise_and(i, i) | =
jnp.fft.irfft(z) | =
jnp.isneginf(x) | =
jnp.logical_xor(b, b) | =
jnp.nextafter(x, y) | =
jnp.diag_indices(3) | =
jnp.exp2(x) | =
jnp.fft.rfft(x) | =
jnp.log2(x) | =
jnp.fft.ifft(x) | =
jnp.floor_divide(x, y) | =
jnp.interp(x, x, y) | =
jnp.percentile(x, 30) | =
jnp.convolve(x, v) | =
jnp.linalg.matrix_power(m, 2) | =
jnp.hypot(x, y) | =
x + y | =
x + 1.0 | =
2 * x | =
x - y | =
x / y | =
x ** 2 | =
x > 0 | =
x == y | =
-x | =
x @ m | =
x % 3 | =
x // 2 | =
b & b | =
x + m | =
x.sum() | =
x.mean() | =
x.std() | =
x.max() | =
x.min() | =
m.sum(axis=0) | =
x.any() | =
x.argmax() | =
x.reshape(2, 5) | =
x.reshape(-1, 1) | =
m.T | =
m.ravel() | =
m.transpose(1, 0) | =
x.astype(jnp.float16) | =
x.dot(y) | =
x.clip(0., 1.) | =
x.at[0].set(1.) | put(x, 0, 1.)
x.at[0].add(1.) | add_to(x, 0, 1.)
x.at[1:3].set(0.) | put(x, slice(1, 3), 0.)
x.at[i].set(x) | put(x, i, x)
x.at[i].add(x) | add_to(x, i, x)
x.at[b].set(0.) | put(x, b, 0.)
m.at[0, 1].set(2.) | put(m, (0, 1), 2.)
m.at[:, 0].set(x) | put(m, (slice(None), 0), x)
m.at[0].set(x) | put(m, 0, x)
x.at[i].get() | x[i]
x[2] | =
x[-1] | =
x[1:3] | =
x[::-1] | =
x[i] | =
x[b] | =
m[i, i] | =
m[0, 1] | =
m[:, 0] | =
m[2:4, 1:] | =
m[None, :, ...] | =
m[..., None] | =
m[i] | =
m[i, None] | =
x[i0] | =
float(x[0]) | =
len(x) | =
lax.add(x, y) | np.add(x, y)
lax.mul(x, y) | np.multiply(x, y)
lax.sub(x, y) | np.subtract(x, y)
lax.div(x, y) | np.divide(x, y)
lax.pow(x, y) | np.power(x, y)
lax.max(x, y) | np.maximum(x, y)
lax.rem(x, y) | np.fmod(x, y)
lax.atan2(x, y) | np.arctan2(x, y)
lax.neg(x) | np.negative(x)
lax.abs(x) | np.abs(x)
lax.exp(x) | np.exp(x)
lax.log(x) | np.log(x)
lax.sin(x) | np.sin(x)
lax.tanh(x) | np.tanh(x)
lax.logistic(x) | 1 / (1 + np.exp(-x))
lax.sqrt(x) | np.sqrt(x)
lax.rsqrt(x) | 1 / np.sqrt(x)
lax.cbrt(x) | np.cbrt(x)
lax.square(x) | np.square(x)
lax.integer_pow(x, 3) | x ** 3
lax.sign(x) | np.sign(x)
lax.floor(x) | np.floor(x)
lax.round(x) | np.round(x)
lax.is_finite(x) | np.isfinite(x)
lax.erf(x) | special.erf(x)
lax.erf_inv(u) | special.erfinv(u)
lax.lgamma(x) | special.gammaln(x)
lax.digamma(x) | special.digamma(x)
lax.igamma(x, y) | special.gammainc(x, y)
lax.bessel_i0e(x) | special.i0e(x)
lax.eq(x, y) | np.equal(x, y)
lax.lt(x, y) | np.less(x, y)
lax.select(b, x, y) | np.where(b, x, y)
lax.clamp(0., x, 1.) | np.clip(x, 0., 1.)
lax.bitwise_and(i, i) | np.bitwise_and(i, i)
lax.shift_left(i, i) | np.left_shift(i, i)
lax.population_count(i) | np.bitwise_count(i)
lax.convert_element_type(x, jnp.int32) | x.astype(np.int32)
lax.bitcast_convert_type(x, jnp.int32) | x.view(np.int32)
lax.broadcast_in_dim(x, (3, 10), (1,)) | np.broadcast_to(x, (3, 10))
lax.reshape(x, (2, 5)) | np.reshape(x, (2, 5))
lax.transpose(m, (1, 0)) | np.transpose(m, (1, 0))
lax.rev(x, (0,)) | x[::-1]
lax.squeeze(x1, (0,)) | np.squeeze(x1, 0)
lax.expand_dims(x, (0,)) | np.expand_dims(x, 0)
lax.concatenate([x, y], 0) | np.concatenate([x, y], 0)
lax.pad(x, 0., [(1, 1, 0)]) | np.pad(x, 1)
lax.slice(x, (1,), (4,)) | x[1:4]
lax.dynamic_slice(x, (i0,), (3,)) | x[i0:i0 + 3]
lax.dynamic_update_slice(x, v, (i0,)) | put(x, slice(2, 5), v)
lax.iota(jnp.int32, 10) | np.arange(10, dtype=np.int32)
lax.reduce_sum(x, (0,)) | np.sum(x)
lax.reduce_max(x, (0,)) | np.max(x)
lax.argmax(x, 0, jnp.int32) | np.argmax(x)
lax.cumsum(x) | np.cumsum(x)
lax.cumlogsumexp(x) | np.logaddexp.accumulate(x)
lax.sort(x) | np.sort(x)
lax.top_k(x, 3) | np.sort(x)[:3]
lax.dot(m, n) | np.dot(m, n)
lax.batch_matmul(t, t) | np.matmul(t, t)
lax.conv(t4, t4, (1, 1), 'VALID') | np.einsum('abcd,efcd->ae', t4, t4)
lax.reduce_window(m, 0., lax.add, (1, 2), (1, 1), 'VALID') | m[:, 1:] + m[:, :-1]
lax.fft(z, 'fft', (10,)) | np.fft.fft(z)
lax.stop_gradient(x) | x
lax.cond(True, lambda a: a, lambda a: a, x) | x
lax.fori_loop(0, 3, lambda j, a: a, x) | x
jax.nn.relu(x) | np.maximum(x, 0)
jax.nn.sigmoid(x) | 1 / (1 + np.exp(-x))
jax.nn.softmax(x) | softmax(x)
jax.nn.log_softmax(x) | np.log(softmax(x))
jax.nn.gelu(x) | x * 0.5 * (1 + np.tanh(0.8 * (x + 0.044 * x ** 3)))
jax.nn.silu(x) | x / (1 + np.exp(-x))
jax.nn.elu(x) | np.where(x > 0, x, np.expm1(x))
jax.nn.selu(x) | 1.05 * np.where(x > 0, x, np.expm1(x))
jax.nn.softplus(x) | np.logaddexp(x, 0)
jax.nn.one_hot(i, 10) | np.eye(10)[i]
jax.nn.logsumexp(x) | np.log(np.sum(np.exp(x - np.max(x))))
jax.nn.standardize(x) | (x - np.mean(x)) / np.std(x)
jax.random.PRNGKey(0) | -
jax.random.key(0) | -
jax.random.split(k) | -
jax.random.split(k, 5) | -
jax.random.fold_in(k, 3) | -
jax.random.bits(k, (10,)) | -
jax.random.normal(k, (10,)) | -
jax.random.uniform(k, (10,)) | -
jax.random.randint(k, (10,), 0, 5) | -
jax.random.bernoulli(k, 0.5, (10,)) | -
jax.random.choice(k, 10) | -
jax.random.choice(k, x, (5,)) | -
jax.random.choice(k, 10, (5,), replace=False) | -
jax.random.permutation(k, x) | -
jax.random.categorical(k, x) | -
jax.random.gamma(k, 2., (10,)) | -
jax.random.poisson(k, 3., (10,)) | -
jax.random.exponential(k, (10,)) | -
jax.random.beta(k, 2., 3., (10,)) | -
jax.random.dirichlet(k, v) | -
jax.random.truncated_normal(k, -1., 1., (10,)) | -
jax.random.laplace(k, (10,)) | -
jax.random.gumbel(k, (10,)) | -
jax.random.cauchy(k, (10,)) | -
jax.random.multivariate_normal(k, x, s) | -
jax.random.binomial(k, 10., 0.5, (10,)) | -
"""


def rows() -> list[tuple[str, str | None]]:
    """(expression, NumPy's expression or None) of each row."""
    found: list[tuple[str, str | None]] = []
    for line in ROWS.strip().splitlines():
        ours, other = (part.strip() for part in line.split(" | "))
        found.append((ours, ours if other == "=" else None if other == "-" else other))
    return found


def operands(convert: Callable[[Any], Any]) -> dict[str, Any]:
    """The names in expressions, as arrays of one library."""
    draw = np.random.default_rng(0)
    m, n = (draw.random((10, 10), np.float32) + 0.5 for _ in range(2))
    values = {"x": np.sort(m[0]) + 1, "y": n[0], "m": m, "n": n,
              "s": m @ m.T + np.eye(10, dtype=np.float32),
              "i": np.arange(10, dtype=np.int32)[::-1].copy(), "b": m[0] > 1,
              "v": np.arange(1, 4, dtype=np.float32), "u": m[0] / 2, "x1": m[:1],
              "z": (m[0] + 1j * n[0]).astype(np.complex64),
              "t": draw.random((2, 3, 3), np.float32), "t4": draw.random((2, 3, 4, 4), np.float32),
              "i0": np.array(2, np.int32)}
    return {name: convert(value) for name, value in values.items()}


def names_of(library: str) -> dict[str, Any]:
    """What expressions mean in an implementation of the JAX API."""
    jax = importlib.import_module(library)
    jnp, lax = (importlib.import_module(f"{library}.{part}") for part in ("numpy", "lax"))
    for part in ("random", "nn"):
        importlib.import_module(f"{library}.{part}")
    return {"jax": jax, "jnp": jnp, "lax": lax, "k": jax.random.PRNGKey(0),
            **operands(jnp.asarray)}


def names_of_numpy() -> dict[str, Any]:
    from scipy import special

    def put(x: Any, index: Any, value: Any) -> Any:
        x = x.copy()
        x[index] = value
        return x

    def add_to(x: Any, index: Any, value: Any) -> Any:
        x = x.copy()
        np.add.at(x, index, value)
        return x

    def softmax(x: Any) -> Any:
        e = np.exp(x - np.max(x))
        return e / np.sum(e)
    return {"np": np, "jnp": np, "special": special, "put": put, "add_to": add_to,
            "softmax": softmax, **operands(lambda x: x)}


def timers(expression: str, names: dict[str, Any]) -> Callable[[], float]:
    """A function that gives the seconds of one evaluation, measured over a few milliseconds."""
    timer = timeit.Timer(expression, globals=names)
    for _ in range(4):  # the calls after which repeated signatures are served natively
        timer.timeit(1)
    once = min(timer.timeit(1) for _ in range(3))
    count = max(1, min(2000, int(2e-3 / once)))
    return lambda: timer.timeit(count) / count


def main() -> None:
    parser = argparse.ArgumentParser(description="Cost of eager calls beside NumPy's.")
    parser.add_argument("--jax", action="store_true", help="time JAX too")
    parser.add_argument("--over", type=float, help="only rows that cost so many µs over NumPy")
    parser.add_argument("names", nargs="*", help="only rows that contain one of these")
    options = parser.parse_args()
    libraries = [names_of("arrax"), names_of_numpy()] + ([names_of("jax")] if options.jax else [])
    print(f"{'':58s} {'arrax µs':>9s} {'numpy µs':>9s} {'over':>8s} {'jax µs':>9s}")
    over = []
    for ours, other in rows():
        if options.names and not any(name in ours for name in options.names):
            continue
        expressions = [ours, other, ours][:len(libraries)]
        calls = [timers(e, names) if e else None
                 for e, names in zip(expressions, libraries, strict=True)]
        best = [None if call is None else 1.0 for call in calls]
        for _ in range(7):
            best = [None if call is None else min(call(), known or 1.0)
                    for call, known in zip(calls, best, strict=True)]
        mine, numpy = best[0], best[1]
        assert mine is not None
        difference = None if numpy is None else mine - numpy
        over.append(difference is not None and difference > GOAL)
        if options.over is not None and (difference is None or difference < options.over * 1e-6):
            continue
        print(f"{ours:58s} " + " ".join(
            f"{'-' if t is None else f'{t * 1e6:.2f}':>{width}s}" for t, width in zip(
                [mine, numpy, difference, *best[2:]], (9, 9, 8, 9), strict=False)), flush=True)
    print(f"{sum(over)} of {len(over)} rows cost more than {GOAL * 1e6:.0f} µs over NumPy")


if __name__ == "__main__":
    main()
