"""Indexing, products, windows, sorting, linear algebra, random bits and special functions as
StableHLO: over dtypes, modes and shapes, verified by MLIR and run by XLA, against eager evaluation.

What belongs together is one program, since XLA's compilation is most of the time.
"""
from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

jax = pytest.importorskip("jax")

import arrax  # noqa: E402
import arrax.numpy as jnp  # noqa: E402
from arrax import lax, random  # noqa: E402
from arrax.core import config  # noqa: E402
from arrax.engines.pjrt.stablehlo import module_text  # noqa: E402

from tests.parity.stablehlo_runner import bytecode, run  # noqa: E402
from tests.parity.test_stablehlo import check, storage  # noqa: E402

linalg = lax.linalg
DTYPES = ["float32", "int32", "uint8", "bfloat16", "complex64"]


def values(*shape: int, dtype: Any = np.float32, seed: int = 0) -> np.ndarray:
    """Numbers of both signs, where the dtype has them, in [-4, 4]."""
    dtype = jnp.dtype(dtype)
    generator = np.random.default_rng(seed)
    if dtype.kind in "biu":
        return generator.integers(0 if dtype.kind == "u" else -4, 5, shape).astype(dtype)
    out = generator.uniform(-4, 4, shape)
    if dtype.kind == "c":
        return (out + 1j * generator.uniform(-4, 4, shape)).astype(dtype)
    return out.astype(dtype)


def together(cases: list[tuple[Callable[..., Any], tuple[Any, ...]]], **options: Any) -> None:
    """Check several calls as one program."""
    def everything(*operands: Any) -> Any:
        return [function(*some) for (function, _), some in zip(cases, operands, strict=True)]
    check(everything, *(operands for _, operands in cases), **options)


# ---- gather, scatter ---------------------------------------------------------------------------

MODES = ("clip", "fill", "promise_in_bounds", "one_hot")
ROWS = lax.GatherDimensionNumbers((1,), (0,), (0,))


@pytest.mark.parametrize("dtype", [*DTYPES, "bool"])
def test_gather_modes(dtype: str) -> None:
    x, cases = values(5, 4, dtype=dtype), []
    for mode, index in itertools.product(MODES, ("int32", "uint32", "int8", "uint8", "int16")):
        where = np.array([[2], [4], [7], [100 if index[0] == "u" else -1]], index)
        cases.append((lambda x, i, mode=mode: lax.gather(x, i, ROWS, (1, 3), mode=mode),
                      (x, where)))
    together(cases)


def test_gather_forms() -> None:
    x, pairs = values(5, 4), np.array([[1, 1], [4, 3], [-1, 2]], np.int32)
    diagonal = lax.GatherDimensionNumbers((1,), (0,), (0, 1))
    keys = random.split(random.key(0), 5)
    together([
        (lambda x, i: lax.gather(x, i, diagonal, (1, 2), mode="fill", fill_value=3), (x, pairs)),
        (arrax.vmap(lambda x, i: x.at[i].get(mode="fill")), (x[:3], pairs)),
        (lambda x, i: lax.gather(x, i, ROWS, (0, 4), mode="fill"), (x[:0], pairs[:, :1])),
        (lambda x, i: lax.gather(x, i, ROWS, (1, 4)), (x, pairs[:0, :1])),
        (lambda k, i: random.key_data(k.at[i].get(mode="fill")), (keys, pairs[:, 0])),
        (lambda x, i: x.at[i].get(mode="clip"), (values(300), np.array([0, 255], np.uint8))),
        (lambda x, i: x[i, 1:], (jnp.asarray(x), pairs[:, 0]))])


@pytest.mark.parametrize("dtype", DTYPES)
def test_scatter_modes(dtype: str) -> None:
    x, updates = values(5, 4, dtype=dtype), values(3, 4, dtype=dtype, seed=1)
    where, cases = np.array([[1], [7], [4]], np.int32), []
    numbers = lax.ScatterDimensionNumbers((1,), (0,), (0,))
    names = ["scatter", "scatter_add", "scatter_sub", "scatter_mul"]
    names += [] if dtype == "complex64" else ["scatter_min", "scatter_max"]
    for name, mode in itertools.product(names, MODES[:3]):
        cases.append((lambda x, i, u, name=name, mode=mode: getattr(lax, name)(
            x, i, u, numbers, mode=mode), (x, where, updates)))
    together(cases)


def test_scatter_forms() -> None:
    x, i = jnp.asarray(values(5, 4)), np.array([1, 1, -1], np.int32)
    together([
        (lambda x, i: x.at[i].add(2.0), (x, i)),
        (arrax.vmap(lambda x, i: x.at[i].multiply(2.0)), (x[:3], i)),
        (lambda x, i: x.at[i, 1:3].set(7), (x, i)),
        (lambda x: x.at[np.zeros(0, np.int32)].add(1.0), (x,)),
        (lambda x, i: x.at[i].add(1.0, mode="clip"), (values(300), np.array([255], np.uint8))),
        (lambda x, i: lax.scatter_apply(
            x, i, lambda v: v * v, lax.ScatterDimensionNumbers((1,), (0,), (0,)),
            update_shape=(3, 4), unique_indices=True), (x, np.array([[1], [7], [4]], np.int32))),
        (lambda x: arrax.ops.segment_sum(x, np.array([0, 0, 1, 3, 3]), 5), (x,)),
        (arrax.grad(lambda x, i: (x[i] ** 2).sum()), (x, i))])


# ---- dot_general, convolutions -----------------------------------------------------------------

PRODUCTS = [("float32", "float32", "bfloat16"), ("int8", "int8", "int32"),
            ("int8", "int8", "float32"), ("bfloat16", "float32", None),
            ("bfloat16", "bfloat16", "float32"), ("float16", "float16", None),
            ("int8", "uint8", "int32"), ("bool", "bool", None), ("complex64", "complex64", None),
            ("float8_e4m3fn", "float8_e5m2", "float32"), ("float8_e4m3fn", "bfloat16", "float32")]


@pytest.mark.parametrize("kinds", PRODUCTS, ids=str)
def test_dot_dtypes(kinds: Any) -> None:
    x, y, result = kinds
    check(lambda x, y: lax.dot(x, y, preferred_element_type=result), values(3, 5, dtype=x),
          values(5, 4, dtype=y), tolerance=1e-2 if "float16" in str(result or x) else 1e-5)


def test_dot_forms() -> None:
    numbers = (((3, 1), (1, 0)), ((0,), (2,)))
    together([
        (lambda x, y: lax.dot_general(x, y, numbers), (values(2, 3, 4, 5), values(3, 5, 2, 7))),
        (lax.dot, (values(3, 0), values(0, 4))), (lax.dot, (values(0, 3), values(3, 4))),
        (lambda x, y: lax.dot_general(x, y, (((), ()), ((), ()))), (values(3), values(4))),
        (lambda x, y: lax.dot(x, y, precision=("default", "highest")), (values(3, 3),) * 2),
        (lambda x, y, n: lax.ragged_dot(x, y, n),
         (values(6, 3), values(2, 3, 4), np.array([2, 3], np.int32)))])


@pytest.mark.parametrize("preset", list(lax.DotAlgorithmPreset), ids=str)
def test_dot_algorithms(preset: Any) -> None:
    """The attribute is JAX's where JAX knows the algorithm on the CPU; all are valid and run."""
    x = values(4, 4, dtype="float8_e4m3fn" if "F8" in preset.name else "float32")

    def product(lax: Any, preset: Any, x: Any) -> Any:
        return lax.dot(x, x, precision=preset, preferred_element_type=np.float32)

    text = module_text(arrax.make_jaxpr(lambda x: product(lax, preset, x))(x))
    tolerance = 3e-2 if "16_" in preset.name or "TF32" in preset.name else 1e-5
    np.testing.assert_allclose(run(text, [x])[0], x.astype(np.float32) @ x.astype(np.float32),
                               tolerance, tolerance * 16)
    theirs = jax.lax.DotAlgorithmPreset[preset.name]
    if not theirs.supported_lhs_types:
        return
    try:
        expected = jax.jit(lambda x: product(jax.lax, theirs, x)).lower(x).as_text()
    except ValueError:
        return
    assert _algorithm(text) == _algorithm(expected)


def _algorithm(text: str) -> str:
    """The fields of the algorithm in a text."""
    return text.partition("lhs_precision_type")[2].partition(">")[0]


def test_user_algorithm() -> None:
    precision = lax.DotAlgorithm(jnp.bfloat16, jnp.bfloat16, np.float32)
    text = module_text(arrax.make_jaxpr(lambda x: lax.dot(x, x, precision=precision))(
        values(2, 2)))
    assert "lhs_precision_type = bf16, rhs_precision_type = bf16, accumulation_type = f32" in text
    assert bytecode(text)


def convolution(**params: Any) -> Callable[..., Any]:
    return lambda x, y: lax.conv_general_dilated(x, y, **params)


CONVOLUTIONS = {
    "negative padding and dilations": (convolution(
        window_strides=(2, 1), padding=[(-1, 2), (1, -2)], rhs_dilation=(1, 2), lhs_dilation=(2, 1),
        dimension_numbers=("NHWC", "HWIO", "NHWC")), (2, 5, 7, 3), (2, 3, 3, 4)),
    "feature groups": (convolution(window_strides=(1, 1), padding="VALID", feature_group_count=3),
                       (2, 6, 5, 7), (9, 2, 2, 2)),
    "batch groups": (convolution(window_strides=(1, 1), padding="VALID", batch_group_count=2),
                     (4, 6, 5, 7), (8, 6, 2, 2)),
    "no spatial axes": (convolution(window_strides=(), padding=[]), (2, 3), (4, 3)),
    "three spatial axes": (convolution(
        window_strides=(1, 1, 1), padding="SAME", dimension_numbers=("NDHWC", "DHWIO", "CDHWN"),
        precision="highest"), (1, 3, 4, 5, 2), (2, 2, 2, 2, 3)),
    "no result": (convolution(window_strides=(1,), padding="VALID"), (2, 3, 2), (4, 3, 3)),
    "no features": (convolution(window_strides=(1,), padding="VALID"), (2, 0, 5), (4, 0, 3)),
}


@pytest.mark.parametrize("name", CONVOLUTIONS)
def test_convolution(name: str) -> None:
    function, x, kernel = CONVOLUTIONS[name]
    check(function, values(*x), values(*kernel, seed=1))


@pytest.mark.parametrize("dtype", [*DTYPES, "int8", "float16", "bool"])
def test_convolution_dtypes(dtype: str) -> None:
    x, kernel = values(2, 3, 6, dtype=dtype), values(4, 3, 3, dtype=dtype, seed=1)
    cases = [(convolution(window_strides=(1,), padding="SAME"), (x, kernel))]
    if dtype == "int8":
        cases += [(convolution(window_strides=(1,), padding="SAME", preferred_element_type=t),
                   (x, kernel)) for t in ("int32", "float32")]
    together(cases, tolerance=2e-2 if "16" in dtype else 1e-5)


# ---- windows -----------------------------------------------------------------------------------

@pytest.mark.parametrize("dtype", ["float32", "int32", "uint8", "bfloat16", "float16"])
def test_windows(dtype: str) -> None:
    x, cases = values(5, 7, dtype=dtype), []
    info = jnp.finfo(dtype) if jnp.issubdtype(dtype, np.floating) else jnp.iinfo(dtype)
    low, high = (-np.inf, np.inf) if jnp.issubdtype(dtype, np.floating) else (info.min, info.max)
    for combine, start in ((lax.add, 0), (lax.max, low), (lax.min, high)):
        for padding in ("SAME", [(-1, 1), (2, -1)], "VALID"):
            for dilations in (((1, 1), (1, 1)), ((1, 2), (2, 1))):
                cases.append((lambda x, f=combine, s=start, p=padding, d=dilations:
                              lax.reduce_window(x, np.asarray(s).astype(x.dtype)[()], f, (2, 3),
                                                (1, 2), p, *d), (x,)))
    together(cases, tolerance=3e-2 if "16" in dtype else 1e-5)


def pooled(combine: Any, start: float, strides: Any, padding: Any) -> Callable[..., Any]:
    return lambda x: lax.reduce_window(x, start, combine, (2, 3), strides, padding)


@pytest.mark.parametrize("padding", ["SAME", "VALID"])
def test_pooling_derivatives(padding: str) -> None:
    """Derivatives of extrema; of equal elements the first is chosen, before any padding."""
    smooth, tied = values(5, 7), np.round(values(5, 7) / 4)
    tied[0] = -np.inf
    most, least = (pooled(f, start, (2, 2), padding)
                   for f, start in ((lax.max, -np.inf), (lax.min, np.inf)))
    tangent, cases = values(5, 7, seed=3), []
    for f, x in ((most, smooth), (least, smooth), (most, tied)):
        cases += [(lambda x, t, f=f: arrax.jvp(f, (x,), (t,))[1], (x, tangent)),
                  (arrax.grad(lambda x, f=f: (f(x) * np.float32(3)).sum()), (x,))]
    together(cases)


# ---- sorting, Fourier transforms -----------------------------------------------------------------

SPECIAL = np.array([[0.0, -0.0, np.nan, 1, -np.inf, np.inf, 3, -0.0, 0.0],
                    [3, 2, 1, np.nan, 3, 2, 1, 0, -5]], np.float32)


@pytest.mark.parametrize("dtype", [*DTYPES, "bool", "int8", "float16"])
def test_sort(dtype: str) -> None:
    x, ties = values(9, 3, dtype=dtype), np.round(values(9, 3, seed=2))
    places = np.arange(27, dtype=np.int32).reshape(9, 3)
    cases = [(lambda x: lax.sort(x, dimension=0), (x,)), (lax.sort, (x[:, :0],)),
             (lambda x, p: lax.sort((x, p), dimension=0), (x, places)),
             (lambda x, t, p: lax.sort((t, x, p), dimension=0, num_keys=2), (x, ties, places))]
    if dtype != "complex64":
        cases += [(lambda x: lax.top_k(x, 3), (x,)), (lambda x: lax.top_k(x, 0), (x,)),
                  (lambda x: lax.top_k(x, 2, axis=0), (x,))]
    together(cases)


def test_sort_order() -> None:
    together([(lambda x: lax.sort(x), (SPECIAL,)), (lambda x: lax.sort(x, dimension=0), (SPECIAL,)),
              (jnp.argsort, (SPECIAL,)), (lambda x: lax.top_k(x, 5), (SPECIAL,)),
              (lambda x: lax.approx_max_k(x, 3), (values(5, 9),)),
              (lambda x: lax.approx_min_k(x, 2, reduction_dimension=0), (values(5, 9),)),
              (lambda x: jnp.unique(x, size=4), (np.round(values(9)),)),
              (arrax.grad(lambda x: (lax.sort(x) * jnp.arange(9)).sum()), (values(9),))])


@pytest.mark.parametrize("double", [False, True], ids=["single", "double"])
@pytest.mark.parametrize("shape", [(8,), (3, 5), (1, 1), (2, 3, 4), (2, 3, 2, 5)], ids=str)
def test_fourier_transforms(shape: tuple[int, ...], double: bool) -> None:
    real, half = np.dtype(np.float64 if double else np.float32), (*shape[:-1], shape[-1] // 2 + 1)
    cplx = np.result_type(real, np.complex64)
    with config.enable_x64(double):
        together([(lambda x, kind=kind: lax.fft(x, kind, shape), (x,)) for kind, x in (
            ("FFT", values(*shape, dtype=cplx)), ("IFFT", values(*shape, dtype=cplx)),
            ("RFFT", values(*shape, dtype=real)), ("IRFFT", values(*half, dtype=cplx)))],
            tolerance=1e-13 if double else 1e-5)


# ---- random ------------------------------------------------------------------------------------

def data(function: Callable[..., Any]) -> Callable[..., Any]:
    return lambda *args: random.key_data(function(*args))


@pytest.mark.parametrize("impl", ["threefry2x32", "rbg", "unsafe_rbg"])
def test_keys(impl: str) -> None:
    key = random.key(3, impl=impl)
    keys = random.split(key, 3)
    together([
        (data(lambda s: random.key(s, impl=impl)), (np.int32(-5),)),
        (data(lambda s: random.key(s, impl=impl)), (np.int8(-5),)),
        (data(lambda k: random.split(k, (2, 3))), (key,)), (data(random.split), (key,)),
        (data(arrax.vmap(lambda k: random.split(k, 5))), (keys,)),
        (data(arrax.vmap(lambda k: random.fold_in(k, 9))), (keys,)),
        (data(lambda d: random.wrap_key_data(d, impl=impl)), (np.asarray(random.key_data(keys)),)),
        (data(random.clone), (keys,)), (data(lambda k: k[::-1]), (keys,))])


@pytest.mark.parametrize("partitionable", [True, False])
@pytest.mark.parametrize("impl", ["threefry2x32", "rbg"])
def test_bits(impl: str, partitionable: bool) -> None:
    key = random.key(3, impl=impl)
    with config.threefry_partitionable(partitionable), config.enable_x64(True):
        cases = [(lambda k, s=shape, d=dtype: random.bits(k, s, d), (key,))
                 for shape in ((), (7,), (3, 5), (0,))
                 for dtype in ("uint8", "uint16", "uint32", "uint64")]
        cases += [(lambda k: random.key_data(random.split(k, 3)), (key,)),
                  (arrax.vmap(lambda k: random.bits(k, (5,), "uint16")), (random.split(key, 3),))]
        together(cases)


@pytest.mark.parametrize("dtype", ["uint8", "uint16", "uint32", "uint64"])
def test_bit_generator(dtype: str) -> None:
    with config.enable_x64(True):
        together([(lambda k, a=algorithm: lax.rng_bit_generator(k, (5, 3), dtype, a),
                   (np.arange(4, dtype=np.uint32),)) for algorithm in (
                       lax.RandomAlgorithm.RNG_DEFAULT, lax.RandomAlgorithm.RNG_PHILOX)])


def test_process_generator() -> None:
    text = module_text(arrax.make_jaxpr(lambda a, b: lax.rng_uniform(a, b, (1000,)))(2.0, 3.0))
    [out] = run(text, [np.float32(2), np.float32(3)])
    assert out.shape == (1000,) and 2 <= out.min() < 2.1 and 2.9 < out.max() <= 3


KEY = random.key(7)
DISTRIBUTIONS: dict[str, Callable[[Any], Any]] = {
    "normal": lambda k: random.normal(k, (500,)), "uniform": lambda k: random.uniform(k, (5, 3)),
    "permutation": lambda k: random.permutation(k, 20), "poisson": lambda k: random.poisson(
        k, 3.0, (20,)), "randint": lambda k: random.randint(k, (50,), -3, 9),
    "categorical": lambda k: random.categorical(k, jnp.zeros((3, 4))),
    "multivariate normal": lambda k: random.multivariate_normal(k, jnp.zeros(2), jnp.eye(2)),
    "gamma": lambda k: random.gamma(k, jnp.array([0.1, 0.9, 1.0, 3.0, 1e4])),
    "loggamma": lambda k: random.loggamma(k, jnp.array([0.01, 2.0]))}


@pytest.mark.parametrize("name", DISTRIBUTIONS)
def test_distribution(name: str) -> None:
    check(DISTRIBUTIONS[name], KEY)


def test_gamma_of_other_keys() -> None:
    check(lambda k: random.gamma(k, 0.5, (4,)), random.key(1, impl="rbg"))


# ---- linear algebra ----------------------------------------------------------------------------

FLOATS = ["float32", "complex64", "float64", "complex128"]
SHAPES = [(1, 1), (5, 5), (2, 7, 4), (2, 4, 7), (20, 20)]


def adjoint(x: np.ndarray) -> np.ndarray:
    return np.conj(np.swapaxes(x, -1, -2))


def positive(*shape: int, dtype: Any) -> np.ndarray:
    a = values(*shape, dtype=dtype)
    return (a @ adjoint(a) + np.eye(shape[-1])).astype(dtype)


def results(function: Callable[..., Any], x: np.ndarray) -> list[np.ndarray]:
    """Through StableHLO; shapes and dtypes are those of eager results."""
    with config.enable_x64(x.dtype.itemsize >= 8 and x.dtype != np.complex64):
        out = run(module_text(arrax.make_jaxpr(function)(x)), [x])
        assert [(o.shape, o.dtype) for o in out] == [(o.shape, o.dtype) for o in
                                                     storage(function(x))]
    return out


def assert_near(actual: Any, expected: Any, like: np.ndarray, ulps: float) -> None:
    """Equal up to units of the last place of the largest element."""
    expected = np.broadcast_to(expected, np.shape(actual))
    scale = max(np.max(np.abs(expected), initial=0.0), 1e-30)
    assert np.max(np.abs(actual - expected), initial=0.0) <= ulps * np.finfo(like.dtype).eps * scale


def assert_unitary(q: np.ndarray, ulps: float = 40) -> None:
    assert_near(adjoint(q) @ q, np.eye(q.shape[-1]), q, ulps)


@pytest.mark.parametrize("dtype", FLOATS)
def test_factorizations(dtype: str) -> None:
    """The very factors that LAPACK gives: pivots and signs are unique."""
    double = dtype in ("float64", "complex128")
    bad = positive(2, 3, 3, dtype=dtype)
    bad[1, 1, 1] = -1
    cases: list[Any] = [(linalg.cholesky, (positive(*s, dtype=dtype),)) for s in (
        (1, 1), (2, 5, 5), (0, 0), (30, 30))] + [(linalg.cholesky, (bad,))]
    matrices = [values(*s, dtype=dtype) for s in (*SHAPES, (0, 3), (3, 0))]
    matrices += [np.array([[1, 2, 3], [2, 4, 6], [0, 0, 0]], dtype), np.zeros((3, 3), dtype)]
    cases += [(linalg.lu, (x,)) for x in matrices]
    cases += [(lambda x: linalg.qr(x, full_matrices=False), (x,)) for x in matrices[2:7]]
    cases += [(linalg.qr, (x,)) for x in matrices[2:4]]
    cases += [(lambda x: linalg.qr(x, pivoting=True, full_matrices=False), (matrices[2],)),
              (lambda x: linalg.householder_product(*linalg.geqrf(x)), (matrices[2],))]
    with config.enable_x64(double):
        together(cases, tolerance=1e-12 if double else 5e-4)


def test_large_lu() -> None:
    """More columns than one block has."""
    check(lambda x: linalg.lu(x)[1:], values(70, 150))
    check(lambda x: linalg.lu(x)[0], values(150, 70), tolerance=1e-4)


@pytest.mark.parametrize("dtype", FLOATS)
def test_solves(dtype: str) -> None:
    a, cases = values(2, 4, 4, dtype=dtype) + 9 * np.eye(4, dtype=dtype), []
    for left, lower, (transpose, conjugate) in itertools.product(
            (False, True), (False, True), ((False, False), (True, False), (True, True),
                                           (False, True))):
        y = values(*((2, 4, 3) if left else (2, 3, 4)), dtype=dtype)
        cases.append((lambda a, y, p=(left, lower, transpose, conjugate, lower != left):
                      linalg.triangular_solve(a, y, **dict(zip(
                          ("left_side", "lower", "transpose_a", "conjugate_a", "unit_diagonal"), p,
                          strict=True))), (a, y)))
    for n in (1, 2, 9):
        bands = [values(2, n, dtype=dtype, seed=i) for i in range(3)]
        cases.append((linalg.tridiagonal_solve, (*bands, values(2, n, 3, dtype=dtype, seed=5))))
    cases += [(jnp.linalg.solve, (a[0], a[1])), (jnp.linalg.inv, (a,)), (jnp.linalg.det, (a,))]
    if dtype.startswith("float"):
        upper = np.triu(values(3, 6, 6, dtype=dtype))
        cases += [(arrax.vmap(linalg.cholesky_update), (upper, values(3, 6, dtype=dtype))),
                  (linalg.cholesky_update, (upper[0] * 0, upper[0, 0] * 0))]
    with config.enable_x64(dtype in ("float64", "complex128")):
        together(cases, tolerance=1e-11 if dtype in ("float64", "complex128") else 1e-3)


@pytest.mark.parametrize(("dtype", "full"), list(zip(FLOATS, (True, False, False, True),
                                                        strict=True)))
def test_singular_values(dtype: str, full: bool) -> None:
    low = values(6, 3, dtype=dtype) @ values(3, 6, dtype=dtype)
    odd = np.stack([low, low * 0, np.eye(6), low * 1e30]).astype(dtype)
    for x in (odd, values(2, 7, 4, dtype=dtype), values(2, 4, 7, dtype=dtype),
              values(25, 25, dtype=dtype)):
        u, s, vh = results(lambda x: linalg.svd(x, full_matrices=full), x)
        k = s.shape[-1]
        assert_unitary(u)
        assert_unitary(adjoint(vh))
        for each in np.ndindex(*x.shape[:-2]):
            assert_near((u[each][:, :k] * s[each]) @ vh[each][:k], x[each], x, 40)
            assert_near(s[each], np.linalg.svd(x[each], compute_uv=False), x, 40)


@pytest.mark.parametrize("dtype", FLOATS)
def test_eigenvalues(dtype: str) -> None:
    a, low = values(25, 25, dtype=dtype), values(6, 3, dtype=dtype)
    flip = np.kron(np.array([[0, 1], [1, 0]]), np.eye(3))
    odd = np.stack([low @ adjoint(low), flip, -np.eye(6), flip * 0]).astype(dtype)
    for x in (a, odd):
        x = (x + adjoint(x)) / 2
        v, w = results(lambda x: linalg.eigh(x), x)
        assert_unitary(v)
        for each in np.ndindex(*x.shape[:-2]):
            norm = np.max(np.abs(w[each]), initial=0.0)
            back = (v[each] * w[each]) @ adjoint(v[each])
            assert np.max(np.abs(back - x[each])) <= 60 * norm * np.finfo(dtype).eps
            assert_near(w[each], np.linalg.eigvalsh(x[each]), x, 20)


def test_decompositions_of_nan_and_nothing() -> None:
    bad = values(2, 3, 3)
    bad[1, 0, 1] = np.nan
    together([(lambda x: linalg.svd(x, compute_uv=False), (bad,)),
              (lambda x: linalg.eigh(x)[1], (bad,)), (linalg.svd, (bad[:, :0],)),
              (linalg.eigh, (bad[:, :0, :0],)), (linalg.qr, (bad[:, :, :0],))])


# ---- special functions ---------------------------------------------------------------------------

def grid(*axes: Any) -> list[np.ndarray]:
    return np.meshgrid(*axes)


A, X = grid(np.logspace(-2, 2.5, 12), np.logspace(-2, 2.7, 15))
EDGES = grid(np.array([-1, -0.0, 0, 0.5, 3, np.inf, np.nan]),
             np.array([-1, -0.0, 0, 0.5, 3, np.inf, np.nan]))
P, Q, Y = grid(np.logspace(-2, 2, 7), np.logspace(-2, 2, 7), np.array([1e-4, 0.1, 0.5, 0.9, 0.999]))
BETA_EDGES = grid(*[np.array([-1, 0, 0.5, 3, np.inf, np.nan])] * 2, np.array([-1, 0, 0.5, 1, 2]))
INCOMPLETE = {"igamma": [(A, X), EDGES], "igammac": [(A, X), EDGES],
              "igamma_grad_a": [(A, X), EDGES], "betainc": [(P, Q, Y), BETA_EDGES],
              "bessel_i0e": [(np.linspace(-20, 20, 81),), (np.array([np.inf, np.nan, 1e8, 0.0]),)],
              "random_gamma_grad": [(A, A * np.linspace(0.8, 1.2, 15)[:, None])]}


@pytest.mark.parametrize("dtype", ["float32", "float64", "bfloat16"])
@pytest.mark.parametrize("name", INCOMPLETE)
def test_special(name: str, dtype: str) -> None:
    with config.enable_x64(dtype == "float64"):
        together([(getattr(lax, name), tuple(x.astype(dtype) for x in operands))
                  for operands in INCOMPLETE[name]],
                 tolerance={"float32": 3e-5, "float64": 1e-13, "bfloat16": 1e-2}[dtype])


# ---- what users write ----------------------------------------------------------------------------

def loss(kernel: Any, x: Any) -> Any:
    y = arrax.nn.relu(lax.conv(x, kernel, (1, 1), "SAME"))
    return (pooled(lax.max, -np.inf, (2, 2), "VALID")(y[0, 0]) ** 2).sum()


PROGRAMS: dict[str, tuple[Callable[..., Any], tuple[Any, ...]]] = {
    "gradient of a convolution": (arrax.grad(loss, argnums=(0, 1)), (
        values(2, 3, 3, 3), values(1, 3, 6, 6, seed=1))),
    "solve and its gradient": (arrax.grad(lambda a, y: jnp.linalg.solve(a, y).sum()), (
        positive(4, 4, dtype=np.float32), values(4))),
    "gradient of singular values": (arrax.grad(lambda x: (jnp.linalg.svd(
        x, full_matrices=False)[1] ** 3).sum()), (values(5, 3),)),
    "log-determinant": (arrax.value_and_grad(lambda x: jnp.linalg.slogdet(x)[1]), (
        positive(4, 4, dtype=np.float32),)),
    "spectrum": (lambda x: jnp.abs(jnp.fft.rfft2(x)), (values(6, 5),)),
    "gradient of a gamma draw": (arrax.grad(lambda a: random.gamma(KEY, a, (3,)).sum()), (2.5,)),
    "histogram": (lambda x: jnp.histogram(x, bins=5)[0], (values(50),)),
}


@pytest.mark.parametrize("name", PROGRAMS)
def test_program(name: str) -> None:
    function, args = PROGRAMS[name]
    check(function, *args, tolerance=2e-4)
