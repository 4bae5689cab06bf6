"""Control flow and functions with rules of their own, by rows."""
from __future__ import annotations

import numpy as np

import arrax as jax
import arrax.numpy as jnp
from arrax import lax
from arrax.ops.random import threefry2x32_p

from tests.ops.rows import Row, checks, real

X, Y = real(2, 3), real(2, 3, seed=1)
A = (real(3, 3) / 4 + 3 * np.eye(3)).astype(np.float32)
B = real(3, seed=2)


@jax.custom_jvp
def cube(x):  # type: ignore[no-untyped-def]
    return x * x * x


cube.defjvp(lambda primals, tangents: (cube(primals[0]), 3 * primals[0] ** 2 * tangents[0]))


@jax.custom_vjp
def scaled(x, y):  # type: ignore[no-untyped-def]
    return x * jnp.sin(y)


scaled.defvjp(lambda x, y: (scaled(x, y), (x, y)),
              lambda saved, g: (g * jnp.sin(saved[1]), g * saved[0] * jnp.cos(saved[1])))


@jax.custom_batching.custom_vmap
def doubled(x):  # type: ignore[no-untyped-def]
    return 2 * x


doubled.def_vmap(lambda size, batched, x: (2 * x, batched[0]))


def _linear(x):  # type: ignore[no-untyped-def]
    return jax.custom_derivatives.linear_call(
        lambda scale, x: x * scale, lambda scale, ct: ct * scale, jnp.float32(3), x)


def _solve(a, b):  # type: ignore[no-untyped-def]
    def solve(matvec, b):  # type: ignore[no-untyped-def]
        return jnp.linalg.solve(a, b)
    return lax.custom_linear_solve(lambda x: a @ x, b, solve, lambda f, b: jnp.linalg.solve(a.T, b))


def _root(x):  # type: ignore[no-untyped-def]
    """The cube root of 1 + x², by Newton's method."""
    target = 1 + x * x

    def newton(f, y):  # type: ignore[no-untyped-def]
        return lax.fori_loop(0, 30, lambda _, y: y - (y ** 3 - target) / (3 * y * y), y)
    return lax.custom_root(lambda y: y ** 3 - target, jnp.ones_like(x), newton,
                           lambda g, y: y / g(jnp.ones_like(y)))


LINEAR = {"order": 1, "matrix": "f", "derivative_tolerance": 1e-5}  # of first order only
FLOATS = {"matrix": "f"}
ROWS = [
    Row("scan", lambda c, x: lax.scan(lambda c, x: (c * jnp.sin(x), c + x), c, x), (B, real(4, 3)),
        **FLOATS),
    Row("scan reversed", lambda c, x: lax.scan(lambda c, x: (c + x * x, c), c, x, reverse=True)[1],
        (B, real(4, 3)), lambda c, x: c + np.cumsum((x * x)[::-1], 0)[::-1] - x * x, **FLOATS),
    Row("scan of nothing", lambda c, x: lax.scan(lambda c, x: (c + x, x), c, x), (B, real(0, 3)),
        lambda c, x: [c, x], **FLOATS),
    Row("map", lambda x: lax.map(jnp.sin, x), (X,), np.sin, **FLOATS),
    Row("fori_loop", lambda x: lax.fori_loop(0, 3, lambda i, x: x * jnp.cos(x), x), (X,), **FLOATS),
    Row("while_loop", lambda x: lax.while_loop(
            lambda c: c[0] < 20.0, lambda c: (c[0] * 2, c[1] + 1), (jnp.sum(x) * 0 + 1.5, x))[1],
        (X,), lambda x: x + 4, order=0, **FLOATS),
    Row("cond", lambda p, x: lax.cond(p, jnp.sin, jnp.cos, x), (np.bool_(True), X),
        lambda p, x: np.sin(x), **FLOATS),
    Row("switch", lambda i, x: lax.switch(i, [jnp.sin, jnp.cos, jnp.exp], x), (np.int32(7), X),
        lambda i, x: np.exp(x), **FLOATS),
    Row("associative_scan", lambda x: lax.associative_scan(jnp.multiply, x), (real(7, 2),),
        lambda x: np.cumprod(x, 0), **FLOATS),
    Row("custom_linear_solve", _solve, (A, B), np.linalg.solve, **FLOATS),
    Row("custom_root", _root, (B,), lambda x: np.cbrt(1 + x * x), tolerance=1e-4, order=1,
        **FLOATS),
    Row("custom_jvp", cube, (X,), lambda x: x ** 3, **FLOATS),
    Row("custom_vjp", scaled, (X, Y), lambda x, y: x * np.sin(y), order=0, **FLOATS),
    Row("custom_vmap", doubled, (X,), lambda x: 2 * x, order=0, **FLOATS),
    Row("linear_call", _linear, (X,), lambda x: 3 * x, order=0, matrix=""),
    Row("checkpoint", jax.checkpoint(lambda x: jnp.sin(jnp.sin(x))), (X,),
        lambda x: np.sin(np.sin(x)), **FLOATS),
    Row("checkpoint_name", lambda x: jax.ad_checkpoint.checkpoint_name(jnp.sin(x), "sine"), (X,),
        np.sin, **FLOATS),
    Row("jit", jax.jit(lambda x, y: (x @ y.T, jnp.tanh(x))), (X, Y),
        lambda x, y: [x @ y.T, np.tanh(x)], **FLOATS),
    Row("composite", lambda x: lax.composite(lambda x: jnp.sin(x) * 2, "test.twice")(x), (X,),
        lambda x: np.sin(x) * 2, order=0, batch=False, **FLOATS),
    Row("platform_dependent", lambda x: lax.platform_dependent(x, cpu=jnp.sin, default=jnp.cos),
        (X,), np.sin, **FLOATS),
    Row("pure_callback", lambda x: jax.pure_callback(
            lambda x: np.sin(x), jax.ShapeDtypeStruct(x.shape, x.dtype), x,
            vmap_method="expand_dims"), (X,), np.sin, order=0, **FLOATS),
    Row("reduce", lambda x: lax.reduce(x, jnp.asarray(1, x.dtype), lambda a, b: a * b, (0,)), (X,),
        lambda x: np.prod(x, 0), order=1, **FLOATS),
    Row("scatter_apply", lambda x: lax.scatter_apply(
            x, np.array([[1]]), jnp.sin, lax.ScatterDimensionNumbers((1,), (0,), (0,)),
            update_shape=(1, 3)), (X,), lambda x: np.stack([x[0], np.sin(x[1])]), order=1,
        batch=False, **FLOATS),
]

test_rows = checks(ROWS)


def _mapped(function):  # type: ignore[no-untyped-def]
    return lambda x: jax.vmap(function, axis_name="i")(x)


Z = real(4, 4, 2)
COLLECTIVES = [
    Row("psum", _mapped(lambda x: lax.psum(x, "i")), (Z,),
        lambda x: np.broadcast_to(x.sum(0), x.shape)),
    Row("pmean", _mapped(lambda x: lax.pmean(x, "i")), (Z,),
        lambda x: np.broadcast_to(x.mean(0), x.shape), matrix="f"),
    Row("pmax", _mapped(lambda x: lax.pmax(x, "i")), (Z,),
        lambda x: np.broadcast_to(x.max(0), x.shape), order=0, matrix="bfiu"),
    Row("pmin", _mapped(lambda x: lax.pmin(x, "i")), (Z,),
        lambda x: np.broadcast_to(x.min(0), x.shape), order=0, matrix="bfiu"),
    Row("ppermute", _mapped(lambda x: lax.ppermute(x, "i", [(0, 1), (1, 3), (3, 0)])), (Z,),
        lambda x: np.stack([x[3], x[0], 0 * x[0], x[1]])),
    Row("pshuffle", _mapped(lambda x: lax.pshuffle(x, "i", [3, 0, 2, 1])), (Z,),
        lambda x: x[[3, 0, 2, 1]]),
    Row("pbroadcast", _mapped(lambda x: lax.pbroadcast(x, "i", 2)), (Z,),
        lambda x: np.broadcast_to(x[2], x.shape), order=1),
    Row("all_gather", _mapped(lambda x: lax.all_gather(x, "i", axis=1)), (Z,),
        lambda x: np.broadcast_to(np.moveaxis(x, 0, 1), (4, 4, 4, 2))),
    Row("all_gather tiled", _mapped(lambda x: lax.all_gather(x, "i", tiled=True)), (Z,),
        lambda x: np.broadcast_to(x.reshape(16, 2), (4, 16, 2))),
    Row("psum_scatter", _mapped(lambda x: lax.psum_scatter(x, "i")), (Z,), lambda x: x.sum(0)),
    Row("all_to_all", _mapped(lambda x: lax.all_to_all(x, "i", 0, 0)), (Z,),
        lambda x: np.swapaxes(x, 0, 1)),
    Row("pswapaxes", _mapped(lambda x: lax.pswapaxes(x, "i", 0)), (Z,),
        lambda x: np.swapaxes(x, 0, 1)),
    Row("axis_index", _mapped(lambda x: x * lax.axis_index("i").astype(x.dtype)
                              + lax.axis_size("i")), (Z,),
        lambda x: x * np.arange(4)[:, None, None] + 4, matrix="fi"),
    Row("psum of two axes", lambda x: jax.vmap(jax.vmap(
            lambda x: lax.psum(x, ("i", "j")), axis_name="j"), axis_name="i")(x), (Z,),
        lambda x: np.broadcast_to(x.sum((0, 1)), x.shape)),
]

test_collectives = checks(COLLECTIVES)

WORDS = np.array([[1, 2], [2 ** 32 - 1, 7], [0, 0]], np.uint32)


def _of_keys(function):  # type: ignore[no-untyped-def]
    return lambda words: function(jax.random.wrap_key_data(words))


EXACT = {"order": 0, "matrix": ""}
KEYS = [
    Row("wrap and unwrap", _of_keys(jax.random.key_data), (WORDS,), lambda w: w, **EXACT),
    Row("clone", _of_keys(lambda k: jax.random.key_data(jax.random.clone(k))), (WORDS,),
        lambda w: w, **EXACT),
    Row("split", _of_keys(lambda k: jax.random.key_data(jax.random.split(k[0], 3))), (WORDS,),
        **EXACT),
    Row("fold_in", lambda w, n: jax.random.key_data(
        jax.random.fold_in(jax.random.wrap_key_data(w[0]), n)), (WORDS, np.uint32(5)), **EXACT),
    Row("bits", _of_keys(lambda k: jax.random.bits(k[0], (7,))), (WORDS,), **EXACT),
    Row("narrow bits", _of_keys(lambda k: jax.random.bits(k[0], (7,), "uint8")), (WORDS,), **EXACT),
    Row("seed", lambda n: jax.random.key_data(jax.random.key(n)), (np.int32(5),),
        lambda n: np.array([0, 5], np.uint32), **EXACT),
    Row("gamma", lambda w, a: jax.random.gamma(jax.random.wrap_key_data(w[0]), a),
        (WORDS, real(7, low=0.5, high=3.0)), order=0, matrix=""),
    Row("threefry_2x32", lambda k, n: jnp.stack(threefry2x32_p.bind(k[0], k[1], n, n)),
        (np.uint32([1, 2]), np.arange(7, dtype=np.uint32)), **EXACT),
    Row("rng_bit_generator", lambda k: lax.rng_bit_generator(k, (7,)),
        (np.array([1, 2, 3, 4], np.uint32),), **EXACT, batch=False),
]

test_keys = checks(KEYS)
