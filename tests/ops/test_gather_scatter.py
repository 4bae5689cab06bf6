"""Gathers and scatters against loops over index vectors, in each mode, by rows."""
from __future__ import annotations

import itertools

import ml_dtypes
import numpy as np
import pytest

import arrax
import arrax.numpy as jnp
from arrax import lax
from arrax.ops.scatter import window_sizes

from tests.ops.rows import Row, checks, real, whole

GATHERS = {  # name: operand shape, indices shape, numbers, slice sizes
    "rows": ((3, 4), (5, 1), ((1,), (0,), (0,)), (1, 4)),
    "columns": ((3, 4), (2, 3, 1), ((0,), (1,), (1,)), (3, 1)),
    "elements": ((3, 4), (2, 3, 2), ((), (0, 1), (0, 1)), (1, 1)),
    "windows": ((3, 1, 5), (4, 2), ((0, 2), (1,), (2, 0)), (2, 1, 3)),
    "batched": ((3, 4, 2), (5, 3, 1), ((2,), (1,), (1,), (0,), (1,)), (1, 1, 2)),
    "whole": ((3, 4), (2, 0), ((1, 2), (), ()), (3, 4))}
SCATTERS = {  # name: operand shape, indices shape, numbers, updates shape
    "rows": ((3, 4), (5, 1), ((1,), (0,), (0,)), (5, 4)),
    "one row": ((3, 4), (1,), ((0,), (0,), (0,)), (4,)),
    "elements": ((3, 4), (6, 2), ((), (0, 1), (0, 1)), (6,)),
    "windows": ((3, 1, 5), (4, 2), ((0, 2), (1,), (2, 0)), (2, 4, 3)),
    "batched": ((3, 4, 2), (5, 3, 1), ((2,), (1,), (1,), (0,), (1,)), (5, 3, 2))}
COMBINE = {"scatter": lambda a, b: b, "scatter_add": np.add, "scatter_sub": np.subtract,
           "scatter_mul": np.multiply, "scatter_min": np.minimum, "scatter_max": np.maximum}


def _windows(shape, indices, sizes, numbers, mode):  # type: ignore[no-untyped-def]
    """For each index vector its place, the operand's slices, and whether they are inside."""
    start_axes, batching, index_batching = numbers[2], (*numbers, (), ())[3], (*numbers, (), ())[4]
    for place in itertools.product(*map(range, indices.shape[:-1])):
        starts = [0] * len(shape)
        for axis, value in zip(start_axes, indices[place], strict=True):
            starts[axis] = int(value)
        for axis, source in zip(batching, index_batching, strict=True):
            starts[axis] = place[source]
        last = [n - s for n, s in zip(shape, sizes, strict=True)]
        inside = all(0 <= s <= end for s, end in zip(starts, last, strict=True))
        starts = [min(max(s, 0), end) for s, end in zip(starts, last, strict=True)]
        yield place, tuple(slice(s, s + n) for s, n in zip(starts, sizes, strict=True)), \
            inside or mode == "clip"


def _gather(x, indices, numbers, sizes, mode):  # type: ignore[no-untyped-def]
    offset_dims, collapsed, batching = numbers[0], numbers[1], (*numbers, ())[3]
    gone = tuple(i for i in range(x.ndim) if i in collapsed or i in batching)
    kept = [n for i, n in enumerate(sizes) if i not in gone]
    out = np.zeros((*indices.shape[:-1], *kept), x.dtype)
    for place, window, inside in _windows(x.shape, indices, sizes, numbers, mode):
        out[place] = x[window].reshape(kept) if inside else 0.5
    rank = out.ndim
    vectors = [i for i in range(rank) if i not in offset_dims]
    return out.transpose(np.argsort([*vectors, *offset_dims]))


def _scatter(x, indices, updates, numbers, mode, combine):  # type: ignore[no-untyped-def]
    numbers = lax.ScatterDimensionNumbers(*numbers)
    sizes = window_sizes(x.ndim, updates.shape, numbers)
    window_axes = numbers.update_window_dims
    vectors = [i for i in range(updates.ndim) if i not in window_axes]
    updates = updates.transpose((*vectors, *window_axes))
    out = np.array(x)
    for place, window, inside in _windows(x.shape, indices, sizes, numbers, mode):
        if inside:
            out[window] = combine(out[window], updates[place].reshape(sizes))
    return out


def _gather_row(name, mode):  # type: ignore[no-untyped-def]
    shape, index_shape, numbers, sizes = GATHERS[name]
    indices = whole(*index_shape, low=-1, high=5)
    return Row(
        f"gather {name} {mode}",
        lambda x: lax.gather(x, indices, lax.GatherDimensionNumbers(*numbers), sizes, mode=mode,
                             fill_value=0.5),
        (real(*shape),), lambda x: _gather(x, indices, numbers, sizes, mode))


def _scatter_row(function, name, mode):  # type: ignore[no-untyped-def]
    shape, index_shape, numbers, update_shape = SCATTERS[name]
    indices = whole(*index_shape, low=-1, high=5)
    order = 0 if function == "scatter_mul" else 1 if function[-3:] in ("min", "max") else 2
    return Row(
        f"{function} {name} {mode}",
        lambda x, u: getattr(lax, function)(x, indices, u, lax.ScatterDimensionNumbers(*numbers),
                                            mode=mode),
        (real(*shape), real(*update_shape, seed=1)),
        lambda x, u: _scatter(x, indices, u, numbers, mode, COMBINE[function]), order=order)


TAKEN = (np.array([2, -1, 0]), np.array([0, 3, 1]))
ROWS = [Row("index_take", lambda x: lax.index_take(x, TAKEN, (0, 1)), (real(3, 4, 2),),
            lambda x: x[TAKEN])]
ROWS += [_gather_row(name, mode) for name in GATHERS for mode in ("clip", "fill")]
ROWS += [_scatter_row(function, "rows", "drop") for function in COMBINE]
ROWS += [_scatter_row(function, name, mode) for function in ("scatter", "scatter_add")
         for name in SCATTERS for mode in ("clip", "drop") if (name, mode) != ("rows", "drop")]

test_rows = checks(ROWS)

DISTINCT = np.array([[2], [0]], np.int32)
ROW_NUMBERS = ((1,), (0,), (0,))
test_unique = checks([
    Row(f"{function} unique",
        lambda x, u, function=function: getattr(lax, function)(
            x, DISTINCT, u, lax.ScatterDimensionNumbers(*ROW_NUMBERS), unique_indices=True),
        (real(3, 4), real(2, 4, seed=1)),
        lambda x, u, function=function: _scatter(x, DISTINCT, u, ROW_NUMBERS, "drop",
                                                 COMBINE[function]))
    for function in ("scatter", "scatter_mul")])


def test_indices_that_vary_with_the_batch():  # type: ignore[no-untyped-def]
    from arrax.transforms.api_vmap import vmap
    x, indices = real(2, 3, 4), whole(2, 5, 1, low=0, high=3)
    numbers = lax.GatherDimensionNumbers(*ROW_NUMBERS)
    out = vmap(lambda x, i: lax.gather(x, i, numbers, (1, 4)))(x, indices)
    np.testing.assert_array_equal(out.data, np.stack([a[i[:, 0]] for a, i in zip(x, indices)]))
    shared = vmap(lambda i: lax.gather(x[0], i, numbers, (1, 4)))(indices)
    np.testing.assert_array_equal(shared.data, x[0][indices[..., 0]])


def test_fill_values():  # type: ignore[no-untyped-def]
    numbers = lax.GatherDimensionNumbers(*ROW_NUMBERS)
    for dtype, fill in [("int32", -2 ** 31), ("uint8", 255), ("bool", True)]:
        out = lax.gather(np.zeros((2, 1), dtype), np.array([[7]]), numbers, (1, 1),
                         mode="fill")
        assert out.data[0, 0] == fill
    out = lax.gather(np.zeros((2, 1), np.float32), np.array([[7]]), numbers, (1, 1), mode="fill",
                     fill_value=3)
    assert out.data[0, 0] == 3


@pytest.mark.parametrize("dtype", ["bfloat16", "int8", "uint32", "complex64"])
def test_scatter_add_of_dtypes(dtype):  # type: ignore[no-untyped-def]
    x = np.zeros((3, 2), dtype)
    updates = np.ones((4, 2), dtype)
    indices = np.array([[1], [1], [2], [7]], np.int32)
    out = lax.scatter_add(x, indices, updates, lax.ScatterDimensionNumbers(*ROW_NUMBERS))
    assert out.dtype == np.dtype(dtype) or out.dtype == ml_dtypes.bfloat16
    np.testing.assert_array_equal(out.data.astype(np.complex64), [[0, 0], [2, 2], [1, 1]])


def test_ties_share_the_tangent_of_an_extremum():  # type: ignore[no-untyped-def]
    from arrax.transforms.api_ad import grad
    numbers = lax.ScatterDimensionNumbers(*ROW_NUMBERS)
    indices = np.array([[0], [0]], np.int32)
    x, updates = np.ones((1, 1), np.float32), np.ones((2, 1), np.float32)
    total = grad(lambda x, u: lax.reduce_sum(lax.scatter_max(x, indices, u, numbers), (0, 1)),
                 (0, 1))(x, updates)
    np.testing.assert_allclose(total[0].data, [[1 / 3]], rtol=1e-6)
    np.testing.assert_allclose(total[1].data, [[1 / 3]] * 2, rtol=1e-6)


def test_no_element_attains_an_extremum_that_is_nan():  # type: ignore[no-untyped-def]
    x, update = jnp.array([0.5, np.nan]), jnp.array([np.nan, 1.0])
    for write in (lambda x, u: x.at[:].max(u), lambda x, u: x.at[:].min(u)):
        _, pull = arrax.vjp(write, x, update)
        for cotangent in (0.0, 1.0):
            for found in pull(jnp.full(2, cotangent)):
                np.testing.assert_array_equal(found, 0)


REFUSALS = [
    (lambda: lax.gather(real(3, 4), whole(2, 1), lax.GatherDimensionNumbers(*ROW_NUMBERS), (1, 5)),
     TypeError, "Slice size at index 1"),
    (lambda: lax.gather(real(3, 4), real(2, 1), lax.GatherDimensionNumbers(*ROW_NUMBERS), (1, 4)),
     ValueError, "integer type"),
    (lambda: lax.gather(real(3, 4), whole(2, 2), lax.GatherDimensionNumbers(*ROW_NUMBERS), (1, 4)),
     TypeError, "1 elements in start_index_map"),
    (lambda: lax.gather(real(3, 4), whole(2, 1), lax.GatherDimensionNumbers(*ROW_NUMBERS), (2, 4)),
     TypeError, "only collapse slice dims"),
    (lambda: lax.gather(real(3, 4), whole(2, 1), lax.GatherDimensionNumbers(*ROW_NUMBERS), (1, 4),
                        mode="x"), ValueError, 'Unknown gather mode "x"'),
    (lambda: lax.scatter(real(3, 4), whole(2, 1), real(2, 5),
                         lax.ScatterDimensionNumbers(*ROW_NUMBERS)),
     TypeError, "updates bound is 5"),
    (lambda: lax.scatter(real(3, 4), whole(2, 1), real(3, 4),
                         lax.ScatterDimensionNumbers(*ROW_NUMBERS)),
     TypeError, "indices bound is 2"),
    (lambda: lax.scatter(real(3, 4), whole(2, 1), whole(2, 4),
                         lax.ScatterDimensionNumbers(*ROW_NUMBERS)), TypeError, "same dtypes")]


@pytest.mark.parametrize("case", REFUSALS, ids=lambda case: case[2])
def test_refusals(case):  # type: ignore[no-untyped-def]
    call, error, message = case
    with pytest.raises(error, match=message):
        call()


def test_dimension_numbers_may_be_lists():  # type: ignore[no-untyped-def]
    x, indices = real(3, 4), np.array([[2]], np.int32)
    rows = lax.gather(x, indices, lax.GatherDimensionNumbers([1], [0], [0]), [1, 4])
    np.testing.assert_array_equal(rows.data, x[2:])
    out = lax.scatter(x, indices, x[:1], lax.ScatterDimensionNumbers([1], [0], [0]))
    np.testing.assert_array_equal(out.data[2], x[0])


def test_scatter_apply_with_batching_dimensions():  # type: ignore[no-untyped-def]
    x = real(3, 4)
    indices = np.array([[[1], [2]], [[0], [3]], [[1], [1]]], np.int32)
    out = lax.scatter_apply(x, indices, lambda v: 2 * v + 1, lax.ScatterDimensionNumbers(
        (), (1,), (1,), (0,), (0,)), update_shape=(3, 2))
    expected = x.copy()
    for row, column in [(0, 1), (0, 2), (1, 0), (1, 3), (2, 1), (2, 1)]:
        expected[row, column] = 2 * expected[row, column] + 1
    np.testing.assert_allclose(out.data, expected, rtol=1e-6)
