"""`reduce`, `reduce_window` and `select_and_scatter` with any computation."""
from __future__ import annotations

import arrax
import arrax.numpy as jnp
import numpy as np
import pytest
from arrax import lax
from tests.ops.rows import Row, checks, real, whole

ZERO = np.float32(0)


def smooth_or(x, y):
    """x + y - x y: associative, commutative, with identity 0."""
    return x + y - x * y


def product_of_pairs(a, b):
    """Complex numbers as pairs, multiplied."""
    return a[0] * b[0] - a[1] * b[1], a[0] * b[1] + a[1] * b[0]


def reduce_or(x):
    return lax.reduce(x, ZERO.astype(x.dtype), smooth_or, (0, 2))


def reduce_pairs(x, y):
    return lax.reduce((x, y), (np.ones((), x.dtype), np.zeros((), x.dtype)), product_of_pairs, (1,))


def latest(a, b):
    """The pair of the larger first element; the later one of equals."""
    larger = a[0] > b[0]
    return lax.select(larger, a[0], b[0]), lax.select(larger, a[1], b[1])


def reduce_latest(x, y):
    return lax.reduce((x, y), (np.array(-9, x.dtype), np.array(0, y.dtype)), latest, (0,))


def window_or(x):
    return lax.reduce_window(x, ZERO.astype(x.dtype), smooth_or, (2, 3), (1, 2), "SAME",
                             (1, 2), (2, 1))


def window_pairs(x, y):
    return lax.reduce_window((x, y), (np.ones((), x.dtype), np.zeros((), x.dtype)),
                             product_of_pairs, (3,), (2,), "SAME_LOWER")


def scatter_selected(x, source):
    """Every window's source is combined into where the window's smallest element stands."""
    scalar, other = np.zeros((), x.dtype), np.zeros((), source.dtype)
    select = arrax.make_jaxpr(lambda a, b: a <= b)(scalar, scalar)
    scatter = arrax.make_jaxpr(smooth_or)(other, other)
    return lax.select_and_scatter_p.bind(
        x, source, other, select_jaxpr=select.jaxpr, select_consts=(),
        scatter_jaxpr=scatter.jaxpr, scatter_consts=(), window_dimensions=(2, 3),
        window_strides=(1, 2), padding=((0, 1), (1, 1)))[0]


def scatter_selected_reference(x, source):
    padded = np.pad(x, ((0, 1), (1, 1)), constant_values=np.inf)
    out = np.zeros_like(padded)
    for i, j in np.ndindex(*source.shape):
        window = padded[i:i + 2, 2 * j:2 * j + 3]
        a, b = np.unravel_index(window.argmin(), window.shape)
        out[i + a, 2 * j + b] = smooth_or(out[i + a, 2 * j + b], source[i, j])
    return out[:-1, 1:-1]


def window_or_reference(x):
    spread = np.zeros((x.shape[0], 2 * x.shape[1] - 1), x.dtype)
    spread[:, ::2] = x
    columns = -(-spread.shape[1] // 2)
    right = max((columns - 1) * 2 + 3 - spread.shape[1], 0)
    padded = np.pad(spread, ((1, 1), (right // 2, right - right // 2)))
    out = np.empty((x.shape[0], columns), x.dtype)
    for i, j in np.ndindex(*out.shape):
        window = padded[i:i + 3:2, 2 * j:2 * j + 3]
        out[i, j] = 1 - np.prod(1 - window)
    return out


ROWS = [
    Row("reduce", reduce_or, (real(3, 4, 5, low=-.5, high=.5),),
        lambda x: 1 - np.prod(1 - x, axis=(0, 2))),
    Row("reduce_pairs", reduce_pairs, (real(2, 5), real(2, 5, seed=1)),
        lambda x, y: [np.prod(x + 1j * y, 1).real, np.prod(x + 1j * y, 1).imag],
        matrix="hf"),
    Row("reduce_latest", reduce_latest, (whole(5, 3), whole(5, 3, seed=1)),
        lambda x, y: [x.max(0), y[4 - x[::-1].argmax(0), np.arange(3)]], order=0, matrix="i"),
    Row("reduce_window", window_or, (real(4, 3, low=-.5, high=.5),), window_or_reference),
    Row("reduce_window_pairs", window_pairs, (real(7), real(7, seed=1))),
    Row("select_and_scatter", scatter_selected, (real(3, 5), real(3, 3, low=-.5, high=.5, seed=1)),
        scatter_selected_reference, active=(1,), matrix="hf"),
]

test_rows = checks(ROWS)


def test_reduce_over_nothing_gives_the_initial_value():
    out = lax.reduce(np.zeros((0, 2), np.float32), 5., smooth_or, (0,))
    assert out.tolist() == [5, 5] and not out.weak_type


@pytest.mark.parametrize("transform", [lambda f: f, arrax.jit], ids=["eager", "jit"])
def test_computations_may_call_compiled_functions(transform):
    x = real(2, 3, 4)
    out = transform(lambda x: lax.reduce(x, np.float32(0), lambda a, b: jnp.hypot(a, b), (0, 2)))(x)
    np.testing.assert_allclose(out, np.sqrt((x ** 2).sum((0, 2))), rtol=1e-5)


def test_initial_values_may_be_batched():
    def function(x, start):
        return lax.reduce(x, start, lambda a, b: a + b, (0,))
    x, starts = real(3, 4), real(3, seed=1)
    np.testing.assert_allclose(arrax.vmap(function)(x, starts), starts + x.sum(1), rtol=1e-6)


@pytest.mark.parametrize("window", [False, True])
def test_computations_may_close_over_traced_values(window):
    def function(x, c):
        def computation(a, b):
            return a + b + c * a * b
        if window:
            return lax.reduce_window(x, np.float32(0), computation, (3,), (1,), "VALID")[0]
        return lax.reduce(x, np.float32(0), computation, (0,))
    x = real(3)
    expected = ((1 + 2 * x).prod() - 1) / 2
    np.testing.assert_allclose(arrax.jit(function)(x, 2.0), expected, rtol=1e-5)
    slope = arrax.grad(function, 1)(jnp.asarray(x), 2.0)
    step = 1e-2
    differences = (function(x, 2 + step) - function(x, 2 - step)) / (2 * step)
    np.testing.assert_allclose(slope, differences, rtol=1e-2)


def test_the_jaxpr_shows_the_computation():
    text = str(arrax.make_jaxpr(reduce_or)(real(2, 3, 4)))
    assert "reduce[" in text and "dimensions=(0, 2)" in text and "mul" in text


def test_errors():
    with pytest.raises(TypeError, match="must return scalars of the dtypes"):
        lax.reduce(np.ones(3, np.float32), 0., lambda a, b: a > b, (0,))
    with pytest.raises(ValueError, match="same tree structure"):
        lax.reduce((np.ones(3),), 0., smooth_or, (0,))
    with pytest.raises(TypeError, match="window_dimensions"):
        lax.reduce_window(np.ones(3, np.float32), 0., smooth_or, (2, 2), (1, 1), "VALID")
