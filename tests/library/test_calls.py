"""The native library against NumPy: products, convolutions, sorts, scans, rows, random bits."""

from __future__ import annotations

import itertools
from types import SimpleNamespace
from typing import Any

import ml_dtypes
import numpy as np
import pytest

import arrax.ops.cumulative
import arrax.ops.dot
import arrax.ops.sort  # noqa: F401
from arrax.core.array import from_numpy
from arrax.core.parser import parse_closed_jaxpr
from arrax.engines.cpu.executable import Executable
from arrax.engines.cpu.loop_ir import host_calls
from arrax.library import calls, products, rows
from arrax.library.rows import ScanKind, ScatterKind

BFLOAT16 = np.dtype(ml_dtypes.bfloat16)
TOLERANCE = {"float32": 1e-6, "float64": 1e-14, "bfloat16": 8e-3, "float16": 1e-3,
             "complex64": 1e-6, "complex128": 1e-14, "int32": 0.0}  # fmt: skip


def dtype_of(name: str) -> Any:
    return BFLOAT16 if name == "bfloat16" else np.dtype(name)


def normal(shape: Any, name: str, seed: int = 0) -> Any:
    rng = np.random.default_rng(seed)
    values = rng.standard_normal(shape)
    if name.startswith("complex"):
        values = values + 1j * rng.standard_normal(shape)
    return (values * 50 if "int" in name else values).astype(dtype_of(name))


# ---- products ----------------------------------------------------------------------------------

# equation, sizes; the letters are axes in memory order
PRODUCTS = [
    ("mk,kn->mn", {"m": 1, "k": 1, "n": 1}), ("mk,kn->mn", {"m": 3, "k": 5, "n": 7}),
    ("mk,kn->mn", {"m": 64, "k": 64, "n": 64}), ("km,nk->mn", {"m": 130, "k": 70, "n": 50}),
    ("mk,nk->mn", {"m": 17, "k": 500, "n": 33}), ("km,kn->mn", {"m": 40, "k": 9, "n": 3000}),
    ("mk,kn->mn", {"m": 1003, "k": 517, "n": 1}), ("mk,nk->mn", {"m": 1, "k": 517, "n": 1003}),
    ("mk,kn->mn", {"m": 7, "k": 3, "n": 1}), ("mk,kn->mn", {"m": 2, "k": 64, "n": 1}),
    ("mk,kn->mn", {"m": 1, "k": 50, "n": 100}), ("mk,kn->mn", {"m": 100, "k": 50, "n": 1}),
    ("mk,kn->mn", {"m": 101, "k": 400, "n": 3}), ("mk,nk->mn", {"m": 75, "k": 390, "n": 8}),
    ("mk,kn->mn", {"m": 49, "k": 777, "n": 16}),
    ("bmk,bkn->bmn", {"b": 3, "m": 20, "k": 30, "n": 32}),
    ("bmk,bkn->bmn", {"b": 5, "m": 4, "k": 4, "n": 4}),
    ("bmk,bkn->bmn", {"b": 3, "m": 33, "k": 20, "n": 65}),
    ("bqhd,bkhd->bhqk", {"b": 2, "q": 5, "h": 3, "d": 8, "k": 6}),
    ("mjk,jkn->mn", {"m": 6, "j": 3, "k": 4, "n": 5}),
    ("mkp,kn->mpn", {"m": 4, "k": 6, "p": 3, "n": 5}), ("mk,kn->mn", {"m": 3, "k": 0, "n": 4}),
]  # fmt: skip


def product(equation: str, lhs: Any, rhs: Any, out_dtype: Any) -> Any:
    left, rest = equation.split(",")
    right, result = rest.split("->")
    contracted = [c for c in left if c in right and c not in result]
    batch = [c for c in result if c in left and c in right]
    numbers = (
        ([left.index(c) for c in contracted], [right.index(c) for c in contracted]),
        ([left.index(c) for c in batch], [right.index(c) for c in batch]),
    )
    sizes = dict(zip(left + right, lhs.shape + rhs.shape, strict=True))
    out = np.full([sizes[c] for c in result], 99).astype(out_dtype)
    spec = products.gemm_spec(lhs, rhs, out, numbers)
    assert spec is not None
    calls.call_eagerly("arrax_gemm", spec, lhs, rhs, out)
    return out


@pytest.mark.parametrize("name", TOLERANCE)
@pytest.mark.parametrize("row", PRODUCTS, ids=lambda row: f"{row[0]}-{list(row[1].values())}")
def test_products(row: Any, name: str) -> None:
    equation, sizes = row
    left, rest = equation.split(",")
    right = rest.split("->")[0]
    lhs = normal([sizes[c] for c in left], name)
    rhs = normal([sizes[c] for c in right], name, 1)
    wide = np.complex128 if name.startswith("complex") else np.float64
    want = np.einsum(equation, lhs.astype(wide), rhs.astype(wide))
    scale = np.einsum(equation, np.abs(lhs.astype(wide)), np.abs(rhs.astype(wide))).real
    got = product(equation, lhs, rhs, lhs.dtype)
    assert (np.abs(got.astype(wide) - want) <= TOLERANCE[name] * scale).all()


@pytest.mark.parametrize("name", ["bfloat16", "float16"])
def test_products_of_short_floats_into_float32(name: str) -> None:
    lhs, rhs = normal((20, 3000), name), normal((3000, 40), name, 1)
    want = lhs.astype(np.float64) @ rhs.astype(np.float64)
    got = product("mk,kn->mn", lhs, rhs, np.float32)
    assert np.abs(got - want).max() < 1e-3
    short = product("mk,kn->mn", lhs, rhs, lhs.dtype)
    np.testing.assert_allclose(short.astype(np.float64), want, rtol=8e-3, atol=1e-3)


@pytest.mark.parametrize("name", ["float32", "bfloat16", "float16"])
@pytest.mark.parametrize("sizes", [(1, 1, 3_000_000), (2, 3, 1_000_000), (30, 40, 30_000),
                                   (6, 17, 4097)], ids=str)
def test_products_over_a_long_axis_err_by_few_ulp(sizes: tuple[int, int, int], name: str) -> None:
    """All terms positive: a sum that saturates, or adds rounding errors up, shows."""
    m, n, k = sizes
    rng = np.random.default_rng(0)
    lhs = (rng.random((m, k)) / 16).astype(dtype_of(name))
    rhs = (rng.random((k, n)) * 16 * 4096 / k).astype(dtype_of(name))
    want = lhs.astype(np.float64) @ rhs.astype(np.float64)
    ulp = float(ml_dtypes.finfo(dtype_of(name)).eps)
    got = product("mk,kn->mn", lhs, rhs, lhs.dtype).astype(np.float64)
    assert np.abs(got / want - 1).max() < 8 * ulp
    turned = np.ascontiguousarray(rhs.T)
    got = product("mk,nk->mn", lhs, turned, lhs.dtype).astype(np.float64)
    assert np.abs(got / want - 1).max() < 8 * ulp


def test_overflow_of_long_products_is_infinite_not_nan() -> None:
    lhs, rhs = np.full((2, 100_000), 3e38, np.float32), np.ones((100_000, 3), np.float32)
    assert np.isposinf(product("mk,kn->mn", lhs, rhs, np.float32)).all()


def test_product_specs_that_are_not_covered() -> None:
    x = np.zeros((2, 3, 4), np.float32)
    assert products.gemm_spec(x, x, np.zeros((3, 3), np.float32),
                             (((0, 2), (0, 2)), ((), ()))) is None  # fmt: skip
    y = np.zeros((2, 2), np.int8)
    assert products.gemm_spec(y, y, y, (((1,), (0,)), ((), ()))) is None


# ---- convolutions ------------------------------------------------------------------------------


def convolution(lhs: Any, rhs: Any, strides: Any, padding: Any, lhs_dilation: Any,
                rhs_dilation: Any) -> Any:  # fmt: skip
    """The reference: NC... and OI... arrays in float64, window by window."""
    rank = lhs.ndim - 2
    shape = [(n - 1) * d + 1 for n, d in zip(lhs.shape[2:], lhs_dilation, strict=True)]
    wide = np.zeros((*lhs.shape[:2], *shape))
    wide[(..., *(slice(None, None, d) for d in lhs_dilation))] = lhs
    wide = np.pad(wide, [(0, 0), (0, 0), *((max(a, 0), max(b, 0)) for a, b in padding)])
    for axis, (a, b) in enumerate(padding):
        cut = slice(-min(a, 0), wide.shape[axis + 2] + min(b, 0))
        wide = wide[(slice(None),) * (axis + 2) + (cut,)]
    extents = [(k - 1) * d + 1 for k, d in zip(rhs.shape[2:], rhs_dilation, strict=True)]
    out = [(n - k) // s + 1 for n, k, s in zip(wide.shape[2:], extents, strides, strict=True)]
    result = np.zeros((lhs.shape[0], rhs.shape[0], *out))
    for tap in itertools.product(*map(range, rhs.shape[2:])):
        window = tuple(
            slice(t * d, t * d + (o - 1) * s + 1, s)
            for t, d, o, s in zip(tap, rhs_dilation, out, strides, strict=True)
        )
        part = wide[(slice(None), slice(None), *window)].reshape(lhs.shape[0], lhs.shape[1], -1)
        weight = rhs[(slice(None), slice(None), *tap)]
        result += np.einsum("nip,oi->nop", part, weight).reshape(result.shape)
    assert rank == len(out)
    return result


# spatial shape, kernel shape, strides, padding, lhs dilation, rhs dilation, features, outputs
CONVOLUTIONS = [
    ((200,), (10,), (1,), ((9, 9),), (1,), (1,), 1, 1),
    ((90,), (3,), (2,), ((1, 0),), (2,), (2,), 3, 5),
    ((9, 30), (3, 3), (1, 1), ((1, 1), (1, 1)), (1, 1), (1, 1), 4, 20),
    ((8, 9), (2, 3), (2, 1), ((-1, 1), (0, 2)), (1, 2), (2, 1), 2, 7),
    ((12, 40), (3, 3), (1, 1), ((1, 1), (1, 1)), (1, 1), (1, 1), 1, 2),
    ((5, 6, 7), (2, 1, 3), (1, 2, 1), ((1, 1), (0, 0), (2, 0)), (1, 1, 1), (1, 1, 2), 3, 4),
    # holes in the image: each remainder of an output position has taps of its own, or none
    ((11, 7), (4, 4), (1, 1), ((2, 2), (2, 1)), (2, 2), (1, 1), 3, 6),
    ((13,), (2,), (1,), ((3, 4),), (5,), (1,), 2, 9),
    ((6, 5), (1, 1), (1, 1), ((0, 0), (1, 2)), (3, 2), (1, 1), 4, 5),
    ((9, 8), (5, 3), (1, 1), ((-2, 3), (0, -1)), (3, 2), (1, 1), 5, 17),
    # more places than one item needs to fill a product; tiles across rows
    ((37, 41), (3, 2), (1, 1), ((1, 1), (0, 0)), (1, 1), (1, 1), 6, 19),
    ((64, 70), (1, 1), (2, 2), ((0, 0), (0, 0)), (1, 1), (1, 1), 5, 33),
]
LAYOUTS = [("first", 0), ("last", 1)]


def run_convolution(lhs: Any, rhs: Any, out_shape: Any, row: Any, layout: int, features: int,
                    batches: int) -> Any:  # fmt: skip
    """`lhs`, `rhs` in NC..., OI...; computed in that layout, channels last or the batch last."""
    rank = lhs.ndim - 2
    if layout == 1:
        image = (0, rank + 1, *range(1, rank + 1))
        kernel = (rank + 1, rank, *range(rank))
    elif layout == 2:  # the batch last, as in gradients by the kernel
        image = (rank + 1, 0, *range(1, rank + 1))
        kernel = (rank + 1, 0, *range(1, rank + 1))
    else:
        image = kernel = tuple(range(rank + 2))
    place = lambda array, axes: np.ascontiguousarray(array.transpose(np.argsort(axes)))
    left, right = place(lhs, image), place(rhs, kernel)
    out = np.full([out_shape[i] for i in np.argsort(image)], np.nan).astype(lhs.dtype)
    numbers = SimpleNamespace(lhs_spec=image, rhs_spec=kernel, out_spec=image)
    params = {"dimension_numbers": numbers, "feature_group_count": features,
                  "batch_group_count": batches, "window_strides": row[2], "padding": row[3],
                  "lhs_dilation": row[4], "rhs_dilation": row[5]}  # fmt: skip
    spec = products.conv_spec(left, right, out, params)
    assert spec is not None
    calls.call_eagerly("arrax_conv", spec, left, right, out)
    return out.transpose(image)


@pytest.mark.parametrize("layout", [0, 1, 2],
                         ids=["channels-first", "channels-last", "batch-last"])
@pytest.mark.parametrize("name", ["float32", "float64", "bfloat16", "float16"])
@pytest.mark.parametrize("row", CONVOLUTIONS, ids=lambda row: f"{row[0]}-{row[1]}")
def test_convolutions(row: Any, name: str, layout: int) -> None:
    spatial, window, *_, channels, outputs = row
    lhs, rhs = normal((3, channels, *spatial), name), normal((outputs, channels, *window), name, 1)
    want = convolution(lhs.astype(np.float64), rhs.astype(np.float64), *row[2:6])
    got = run_convolution(lhs, rhs, want.shape, row, layout, 1, 1)
    tolerance = max(TOLERANCE[name], 1e-6) * 4
    np.testing.assert_allclose(got.astype(np.float64), want, rtol=tolerance, atol=tolerance * 4)


@pytest.mark.parametrize("layout", [0, 1, 2])
@pytest.mark.parametrize("name", ["float32", "float64", "int32", "bfloat16", "float16"])
@pytest.mark.parametrize("width", [1, 3, 4, 7, 8, 9, 15, 16, 17, 31, 32, 33, 65])
def test_rows_of_any_length_are_convolved_exactly(width: int, name: str, layout: int) -> None:
    """Whole numbers, so that nothing rounds; blocks of the depth end amid the taps of a channel."""
    row: Any = ((4, width), (3, 3), (1, 1), ((1, 1), (1, 1)), (1, 1), (1, 1))
    random = np.random.default_rng(width)
    lhs, rhs = (random.integers(-1, 2, shape) for shape in ((3, 47, 4, width), (9, 47, 3, 3)))
    want = convolution(lhs, rhs, *row[2:6])
    dtype = normal((1,), name).dtype
    with np.errstate(invalid="ignore"):  # results start as NaN, which no integer is
        got = run_convolution(lhs.astype(dtype), rhs.astype(dtype), want.shape, row, layout, 1, 1)
    np.testing.assert_array_equal(got.astype(np.float64), want)


@pytest.mark.parametrize("layout", [0, 1, 2])
@pytest.mark.parametrize("row", CONVOLUTIONS[1:5], ids=lambda row: str(row[0]))
def test_grouped_convolutions(row: Any, layout: int) -> None:
    groups = 3
    spatial, window, *_, channels, outputs = row
    rhs = normal((groups * outputs, channels, *window), "float32", 1)
    lhs = normal((2, groups * channels, *spatial), "float32")
    split = lambda array, axis: np.split(array, groups, axis)
    pairs = zip(split(lhs, 1), split(rhs, 0), strict=True)
    want = np.concatenate([convolution(a, b, *row[2:6]) for a, b in pairs], 1)
    got = run_convolution(lhs, rhs, want.shape, row, layout, groups, 1)
    np.testing.assert_allclose(got, want, rtol=1e-5, atol=1e-5)
    lhs = normal((2 * groups, channels, *spatial), "float32")
    pairs = zip(split(lhs, 0), split(rhs, 0), strict=True)
    want = np.concatenate([convolution(a, b, *row[2:6]) for a, b in pairs], 1)
    got = run_convolution(lhs, rhs, want.shape, row, layout, 1, groups)
    np.testing.assert_allclose(got, want, rtol=1e-5, atol=1e-5)


# ---- sorts -------------------------------------------------------------------------------------


def tied(shape: Any, name: str, seed: int = 0) -> Any:
    """Values with many ties, and in floats with NaNs, infinities and both zeros."""
    rng = np.random.default_rng(seed)
    dtype = dtype_of(name)
    if dtype.kind in "biu":
        if dtype.kind == "b":
            return rng.random(shape) < 0.5
        ends = np.array([np.iinfo(dtype).min, np.iinfo(dtype).max], dtype)
        values = rng.integers(0, 5, shape).astype(dtype)
        return np.where(rng.random(shape) < 0.2, rng.choice(ends, shape), values)
    special = [0.0, -0.0, np.nan, np.inf, -np.inf, 1.0]
    values = np.where(rng.random(shape) < 0.4, rng.choice(special, shape), rng.normal(size=shape))
    return values.astype(dtype)


def rank_key(values: Any) -> Any:
    """Floats as JAX compares them: zeros equal, NaNs last."""
    if values.dtype.kind in "biu":
        return values
    wide = values.astype(np.float64)
    return np.where(np.isnan(wide), np.inf, wide), np.isnan(wide)


def stable_order(keys: list[Any]) -> Any:
    columns: list[Any] = []
    for key in keys:
        ranked = rank_key(key)
        columns += list(ranked) if isinstance(ranked, tuple) else [ranked]
    # NaN columns stand after their values: inf and NaN differ in the second column.
    return np.lexsort(columns[::-1])


SORTED = [str(dtype) for dtype in calls.CODES if dtype.kind != "c"]


@pytest.mark.parametrize("count", [1, 2, 100, 700, 5000, 70000])
@pytest.mark.parametrize("name", SORTED)
def test_sort(name: str, count: int) -> None:
    x = tied(count, name)
    spec = rows.sort_spec([x], 0, 1)
    assert spec is not None
    (got,) = calls.sort_eagerly(spec, [x])
    wide = x if x.dtype.kind in "biu" else x.astype(np.float64)
    np.testing.assert_array_equal(got.astype(wide.dtype), np.sort(wide))
    index = np.arange(count, dtype=np.int32)
    spec = rows.sort_spec([x, index], 0, 1)
    assert spec is not None
    assert np.array_equal(calls.sort_eagerly(spec, [x, index])[1], stable_order([x]))


def test_sort_by_several_keys_along_any_axis() -> None:
    for shape, axis in [((4, 30, 3), 1), ((30, 4), 0), ((4, 30), 1)]:
        a, b = tied(shape, "int8"), tied(shape, "float32", 1)
        payload = normal(shape, "complex128")
        spec = rows.sort_spec([a, b, payload], axis, 2)
        assert spec is not None
        got = calls.sort_eagerly(spec, [a, b, payload])
        flat = [np.moveaxis(x, axis, -1).reshape(-1, 30) for x in (a, b, payload)]
        order = np.stack([stable_order([x, y]) for x, y, _ in zip(*flat, strict=True)])
        for source, result in zip(flat, got, strict=True):
            want = np.take_along_axis(source, order, -1)
            np.testing.assert_array_equal(np.moveaxis(result, axis, -1).reshape(-1, 30), want)


LONG = {
    "few bytes differ": lambda n: np.random.default_rng(0).integers(0, 200, n).astype(np.int32),
    "two bytes differ": lambda n: np.random.default_rng(0).integers(0, 60_000, n).astype(np.int64),
    "all equal": lambda n: np.full(n, -7, np.int32),
    "one differs": lambda n: np.r_[np.zeros(n - 1), -1].astype(np.float64),
    "float32": lambda n: normal(n, "float32"), "float64": lambda n: normal(n, "float64"),
    "int8": lambda n: normal(n, "float32").astype(np.int8),
    "bool": lambda n: normal(n, "float32") > 0,
    "bfloat16": lambda n: normal(n, "bfloat16"), "float16": lambda n: normal(n, "float16"),
    "uint64": lambda n: np.random.default_rng(0).integers(0, 1 << 64, n, np.uint64),
}  # fmt: skip


@pytest.mark.parametrize("count", [4099, 17_003, 140_001])
@pytest.mark.parametrize("name", LONG)
def test_sorts_of_long_lines(name: str, count: int) -> None:
    """Counted, or moved digit by digit, where digits may be the same in all keys; NaN last; on one
    thread and on several; lines of distant elements too."""
    x = LONG[name](count)
    if "float" in x.dtype.name:
        x[[3, count // 2]] = np.nan
    spec = rows.sort_spec([x], 0, 1)
    assert spec is not None
    want = np.sort(x.astype(np.float64) if x.dtype.itemsize == 2 else x).astype(x.dtype)
    got = calls.sort_eagerly(spec, [x])[0]
    assert np.array_equal(got, want, equal_nan="float" in x.dtype.name)
    two = np.stack([x, x[::-1]], 1)
    spec = rows.sort_spec([two], 0, 1)
    assert spec is not None
    got = calls.sort_eagerly(spec, [two])[0]
    for column in (0, 1):
        assert np.array_equal(got[:, column], want, equal_nan="float" in x.dtype.name)


@pytest.mark.parametrize("order", ["random", "rising", "falling", "equal"])
@pytest.mark.parametrize("count, k", [(1, 1), (997, 3), (1000, 1000), (100_003, 1), (100_003, 40),
                                      (140_000, 5000)])
def test_top_k_of_long_rows(count: int, k: int, order: str) -> None:
    """Candidates are cut down as they come; equal elements keep their order."""
    x = np.random.default_rng(0).integers(0, count // 4 + 1, (2, count)).astype(np.int32)
    if order != "random":
        x = {"rising": np.sort(x), "falling": -np.sort(-x), "equal": 0 * x}[order]
    values, indices = np.empty((2, k), np.int32), np.empty((2, k), np.int32)
    spec = rows.top_k_spec(x, k, 1)
    assert spec is not None
    calls.call_eagerly("arrax_top_k", spec, x, values, indices)
    want = np.argsort(-x, 1, kind="stable")[:, :k]
    assert np.array_equal(indices, want)
    assert np.array_equal(values, np.take_along_axis(x, want, 1))


def test_top_k() -> None:
    x = np.array([[0.0, -0.0, np.nan, 1, np.inf, 0.0, 5, 1]], np.float32)
    values, indices = np.empty((1, 8), np.float32), np.empty((1, 8), np.int32)
    spec = rows.top_k_spec(x, 8, 1)
    assert spec is not None
    calls.call_eagerly("arrax_top_k", spec, x, values, indices)
    assert indices.tolist() == [[2, 4, 6, 3, 7, 0, 5, 1]]
    assert np.array_equal(values, x[:, indices[0]], equal_nan=True)


# ---- scans, rows, random bits ------------------------------------------------------------------

SCANS = [(ScanKind.SUM, np.add), (ScanKind.PRODUCT, np.multiply), (ScanKind.MAX, np.maximum),
         (ScanKind.MIN, np.minimum), (ScanKind.LOG_SUM_EXP, np.logaddexp)]  # fmt: skip


@pytest.mark.parametrize(
    "name", ["int8", "int32", "uint64", "float16", "bfloat16", "float32", "float64"]
)
@pytest.mark.parametrize("row", SCANS, ids=lambda row: row[0].name)
def test_scans(row: Any, name: str) -> None:
    kind, reference = row
    if kind is ScanKind.LOG_SUM_EXP and "int" in name:
        assert rows.scan_spec(kind, np.zeros(3, name), 0, False) is None
        return
    for shape, axis in [((7,), 0), ((1000,), 0), ((3, 50, 4), 1), ((5, 40), 1), ((60, 300), 0)]:
        for reverse in (False, True):
            x = normal(shape, name)
            if kind is ScanKind.PRODUCT and "int" not in name:
                x = (1 + 0.01 * x.astype(np.float64)).astype(x.dtype)
            out = np.empty_like(x)
            spec = rows.scan_spec(kind, x, axis, reverse)
            assert spec is not None
            calls.call_eagerly("arrax_scan", spec, x, out)
            wide = x if "int" in name else x.astype(np.float64)
            wide = np.flip(wide, axis) if reverse else wide
            want = reference.accumulate(wide, axis, dtype=wide.dtype)
            want = np.flip(want, axis) if reverse else want
            tolerance = {"float16": 2e-3, "bfloat16": 2e-2, "float32": 2e-5}.get(name, 1e-12)
            np.testing.assert_allclose(
                out.astype(want.dtype), want, rtol=tolerance, atol=tolerance * 20
            )


@pytest.mark.parametrize("name", ["float32", "float64", "float16"])
@pytest.mark.parametrize("kind", [ScanKind.MAX, ScanKind.MIN], ids=lambda kind: kind.name)
def test_running_extremes_of_special_values(kind: ScanKind, name: str) -> None:
    """NaN stays, whatever its sign; -0 is below 0; all parts of a long line agree."""
    extreme = max if kind is ScanKind.MAX else min
    pool = np.array([0.0, -0.0, np.inf, -np.inf, 1.5, -1.5, np.nan, -np.nan], name)
    short = [np.array(v, name) for v in ([-0.0, 0.0, -0.0], [np.inf, -np.inf, 2], [-np.nan, 1])]
    long = normal(70_001, name)
    long[40_000:40_003] = np.nan
    rare = pool[np.random.default_rng(2).integers(0, 6, 3000)]
    for x in (*short, pool, pool[::-1].copy(), rare, long):
        for reverse in (False, True):
            out = np.empty_like(x)
            spec = rows.scan_spec(kind, x, 0, reverse)
            assert spec is not None
            calls.call_eagerly("arrax_scan", spec, x, out)
            line, found = (x[::-1], out[::-1]) if reverse else (x, out)
            best, want = line[0], []
            for v in line:
                if not np.isnan(best):
                    key = extreme((best, not np.signbit(best)), (v, not np.signbit(v)))[0]
                    best = v if np.isnan(v) else key
                want.append(best)
            np.testing.assert_array_equal(found, want)
            numbers = ~np.isnan(found)
            np.testing.assert_array_equal(np.signbit(found[numbers]),
                                          np.signbit(np.array(want)[numbers]))


def test_long_cumsum_keeps_its_precision() -> None:
    x = normal(200_001, "float32")
    out = np.empty_like(x)
    spec = rows.scan_spec(ScanKind.SUM, x, 0, False)
    assert spec is not None
    calls.call_eagerly("arrax_scan", spec, x, out)
    np.testing.assert_allclose(out, np.cumsum(x.astype(np.float64)), atol=2e-2)


SCATTERS = [(ScatterKind.SET, lambda a, b: b), (ScatterKind.ADD, np.add),
            (ScatterKind.MULTIPLY, np.multiply), (ScatterKind.MIN, np.minimum),
            (ScatterKind.MAX, np.maximum)]  # fmt: skip


@pytest.mark.parametrize("row", SCATTERS, ids=lambda row: row[0].name)
@pytest.mark.parametrize("name", ["int16", "float32", "bfloat16"])
def test_row_scatters_drop_indices_outside(row: Any, name: str) -> None:
    kind, combine = row
    cases = [((20,), 50, "int32"), ((20, 3), 50, "int32"), ((10,), 70000, "int32"),
             ((30, 131), 1100, "int32"), ((20, 3), 600, "int8"), ((20,), 50, "int64")]  # fmt: skip
    for shape, count, index_dtype in cases:
        operand, updates = normal(shape, name), normal((count, *shape[1:]), name, 1)
        if kind is ScatterKind.MULTIPLY:
            updates = np.ones_like(updates)
        indices = np.random.default_rng(2).integers(-3, shape[0] + 3, (count, 1), index_dtype)
        numbers = SimpleNamespace(
            update_window_dims=tuple(range(1, len(shape))),
            inserted_window_dims=(0,),
            scatter_dims_to_operand_dims=(0,),
        )
        spec = rows.scatter_rows_spec(
            kind,
            operand,
            indices,
            updates,
            {"dimension_numbers": numbers, "mode": "FILL_OR_DROP"},
        )
        assert spec is not None
        got = operand.copy()
        calls.call_eagerly("arrax_scatter_rows", spec, got, indices, updates)
        wide = np.float64 if name != "int16" else np.int16
        want = operand.astype(wide)
        for index, update in zip(indices[:, 0], updates.astype(wide), strict=True):
            if 0 <= index < shape[0]:
                want[index] = combine(want[index], update)
        if name == "bfloat16" and kind is ScatterKind.ADD:
            continue  # each sum is rounded: the reference is not
        np.testing.assert_allclose(got.astype(wide), want, rtol=1e-4, atol=1e-2)


def test_row_gathers_clamp_or_fill() -> None:
    for item in (np.uint8, np.float32, np.complex128):
        for length in (1, 3):
            source = np.arange(20 * length).reshape(20, length).astype(item)
            indices = np.array([-5, 0, 19, 20, 7], np.int32)
            out = np.empty((5, length), item)
            spec = (source.itemsize, length, 20, 5, calls.CODES[indices.dtype])
            calls.call_eagerly("arrax_gather_rows", spec, source, indices, None, out)
            assert np.array_equal(out, source[np.clip(indices, 0, 19)])
            calls.call_eagerly(
                "arrax_gather_rows", spec, source, indices, np.array([9], item), out
            )
            assert np.array_equal(out[[0, 3]], np.full((2, length), 9, item))


def test_threefry_bits_do_not_depend_on_the_count() -> None:
    key = np.array([0, 42], np.uint32)
    draws = []
    for count in (5, 2000):
        out = np.empty(count, np.uint32)
        calls.call_eagerly("arrax_threefry_bits", rows.threefry_spec(1, count, 32), key, out)
        draws.append(out)
    assert np.array_equal(draws[0], draws[1][:5])
    assert abs(draws[1].mean() / 2**32 - 0.5) < 0.02
    wide = np.empty(5, np.uint64)
    calls.call_eagerly("arrax_threefry_bits", rows.threefry_spec(1, 5, 64), key, wide)
    assert np.array_equal((wide >> 32 ^ wide).astype(np.uint32), draws[0])


# ---- through the compiler ----------------------------------------------------------------------


def test_programs_call_the_library() -> None:
    text = """{ lambda ; a:f32[64,64] b:f32[64,64]. let
        c:f32[64,64] = dot_general[
          dimension_numbers=(([1], [0]), ([], [])) preferred_element_type=float32
        ] a b
        d:f32[64,64] = cumsum[axis=1 reverse=False] c
        e:f32[64,64] = sort[dimension=1 is_stable=True num_keys=1] d
      in (e,) }"""
    executable = Executable(parse_closed_jaxpr(text), (False, False), "test")
    assert not host_calls(executable.compilation.region)
    a, b = normal((64, 64), "float32"), normal((64, 64), "float32", 1)
    (got,) = executable([from_numpy(a), from_numpy(b)])
    np.testing.assert_allclose(got.data, np.sort(np.cumsum(a @ b, 1), 1), rtol=1e-4, atol=1e-3)
