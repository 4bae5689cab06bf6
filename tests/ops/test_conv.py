"""Convolutions against loops over windows, by rows."""
from __future__ import annotations

import itertools

import ml_dtypes
import numpy as np
import pytest
from arrax import lax

from tests.ops.rows import Row, checks, real, whole


def _dilate(x, axis, by):  # type: ignore[no-untyped-def]
    x = np.moveaxis(x, axis, 0)
    out = np.zeros((max(0, (x.shape[0] - 1) * by + 1), *x.shape[1:]), x.dtype)
    out[::by] = x
    return np.moveaxis(out, 0, axis)


def _convolve(x, kernel, strides, padding, lhs_dilation=None, rhs_dilation=None,
              dimension_numbers=None, feature_group_count=1, batch_group_count=1):
    # type: ignore[no-untyped-def]
    """Element by element, from the definition."""
    spatial = x.ndim - 2
    numbers = lax.conv_dimension_numbers(x.shape, kernel.shape, dimension_numbers)
    x, kernel = x.transpose(numbers.lhs_spec), kernel.transpose(numbers.rhs_spec)
    for i in range(spatial):
        x = _dilate(x, i + 2, (lhs_dilation or (1,) * spatial)[i])
        kernel = _dilate(kernel, i + 2, (rhs_dilation or (1,) * spatial)[i])
    if isinstance(padding, str):
        padding = lax.padtype_to_pads(x.shape[2:], kernel.shape[2:], strides, padding)
    for i, (lo, hi) in enumerate(padding):
        widths = [(0, 0)] * x.ndim
        widths[i + 2] = (max(lo, 0), max(hi, 0))
        x = np.pad(x, widths)
        x = np.take(x, range(max(-lo, 0), x.shape[i + 2] - max(-hi, 0)), i + 2)
    out_shape = [(n - k) // s + 1 for n, k, s in zip(x.shape[2:], kernel.shape[2:], strides)]
    outputs, inputs = kernel.shape[:2]
    rows = x.shape[0] // batch_group_count
    out = np.zeros((rows, outputs, *out_shape), x.dtype)
    for n, o, *place in itertools.product(range(rows), range(outputs), *map(range, out_shape)):
        first = o * feature_group_count // outputs * inputs
        row = n + o * batch_group_count // outputs * rows
        window = tuple(slice(p * s, p * s + k)
                       for p, s, k in zip(place, strides, kernel.shape[2:]))
        out[(n, o, *place)] = (x[(row, slice(first, first + inputs), *window)] * kernel[o]).sum()
    return out.transpose(np.argsort(numbers.out_spec))


CASES = [
    ("plain", (2, 3, 5, 4), (4, 3, 3, 2), (1, 1), "SAME", {}),
    ("strided, dilated, cut", (2, 2, 6, 5), (3, 2, 3, 2), (2, 1), ((1, 2), (-1, 0)),
     {"rhs_dilation": (1, 2), "lhs_dilation": (2, 1)}),
    ("feature groups", (2, 4, 5, 4), (4, 2, 3, 2), (2, 1), "VALID", {"feature_group_count": 2}),
    ("depthwise", (2, 3, 5, 4), (6, 1, 3, 2), (1, 1), "SAME", {"feature_group_count": 3}),
    ("batch groups", (4, 3, 5, 4), (4, 3, 3, 2), (2, 1), "VALID", {"batch_group_count": 2}),
    ("channels last", (2, 5, 4, 3), (3, 2, 3, 4), (2, 1), "VALID",
     {"dimension_numbers": ("NHWC", "HWIO", "NHWC")}),
    ("odd layout with groups", (4, 5, 4, 2), (3, 2, 2, 4), (1, 1), "SAME",
     {"dimension_numbers": ("CHWN", "HWIO", "WNHC"), "feature_group_count": 2}),
    ("one axis", (2, 3, 8), (4, 3, 3), (2,), "SAME_LOWER", {}),
    ("no axes", (2, 3), (4, 3), (), (), {})]

ROWS = [Row(name, lambda x, k, a=(strides, pads), b=options: lax.conv_general_dilated(
            x, k, *a, **b), (real(*x), real(*kernel, seed=1)),
            lambda x, k, a=(strides, pads), b=options: _convolve(x, k, *a, **b))
        for name, x, kernel, strides, pads, options in CASES]
ROWS += [
    Row("conv_transpose", lambda x, k: lax.conv_transpose(x, k, (2, 2), "SAME"),
        (real(1, 3, 4, 2), real(3, 2, 2, 3, seed=1)), order=1),
    Row("conv", lambda x, k: lax.conv(x, k, (2, 1), "VALID"),
        (real(2, 2, 5, 4), real(3, 2, 3, 2, seed=1)),
        lambda x, k: _convolve(x, k, (2, 1), "VALID")),
    Row("conv_with_general_padding", lambda x, k: lax.conv_with_general_padding(
            x, k, (1, 1), ((1, 0), (0, 2)), (2, 1), (1, 2)),
        (real(1, 2, 3, 4), real(3, 2, 2, 2, seed=1)), lambda x, k: _convolve(
            x, k, (1, 1), ((1, 0), (0, 2)), (2, 1), (1, 2))),
    Row("patches", lambda x: lax.conv_general_dilated_patches(x, (2, 2), (1, 1), "VALID"),
        (real(1, 2, 3, 4),), lambda x: np.stack(
            [x[:, c, i:i + 2, j:j + 3] for c in range(2) for i in range(2) for j in range(2)], 1)),
    Row("local", lambda x, k: lax.conv_general_dilated_local(x, k, (1, 1), "VALID", (2, 2)),
        (real(2, 2, 3, 4), real(5, 8, 2, 3, seed=1)), order=1)]

test_rows = checks(ROWS)


@pytest.mark.parametrize(("x", "kernel", "shape"), [
    ((2, 3, 2), (4, 3, 3), (2, 4, 0)), ((0, 3, 5), (4, 3, 3), (0, 4, 3)),
    ((2, 3, 5), (0, 3, 3), (2, 0, 3)), ((2, 0, 5), (4, 0, 3), (2, 4, 3))])
def test_nothing_to_convolve(x, kernel, shape) -> None:  # type: ignore[no-untyped-def]
    out = lax.conv(np.ones(x, np.float32), np.ones(kernel, np.float32), (1,), "VALID")
    assert out.shape == shape and not np.asarray(out).any()


def test_transpose_of_a_convolution_is_its_gradient():  # type: ignore[no-untyped-def]
    from arrax.transforms.api_ad import vjp
    x, kernel = real(1, 4, 5, 3), real(3, 2, 3, 2, seed=1)
    numbers = ("NHWC", "HWIO", "NHWC")
    out, pull = vjp(lambda x: lax.conv_general_dilated(
        x, kernel, (1, 2), "VALID", dimension_numbers=numbers), x)
    expected, = pull(out)
    found = lax.conv_transpose(out, kernel, (1, 2), "VALID", transpose_kernel=True)
    seen = found.shape[2]  # the last column is in no window: its gradient is zero
    np.testing.assert_allclose(found.data, expected.data[:, :, :seen], rtol=1e-4, atol=1e-5)
    assert not expected.data[:, :, seen:].any()


@pytest.mark.parametrize("dtype", [np.int8, np.int32, ml_dtypes.bfloat16, np.complex64])
def test_dtypes(dtype):  # type: ignore[no-untyped-def]
    x, kernel = whole(1, 2, 4, 4).astype(dtype), whole(3, 2, 2, 2, seed=1).astype(dtype)
    out = lax.conv(x, kernel, (1, 1), "VALID")
    assert out.dtype == dtype
    exact = _convolve(x.astype(np.complex128), kernel.astype(np.complex128), (1, 1), "VALID")
    np.testing.assert_array_equal(out.data, exact.real.astype(dtype))


IMAGE, KERNEL = real(1, 2, 3, 3), real(1, 2, 3, 3)
REFUSALS = [
    (lambda: lax.conv(IMAGE, real(1, 3, 3, 3), (1, 1), "SAME"), ValueError, "2 // 1 != 3"),
    (lambda: lax.conv(IMAGE, KERNEL, (1,), "SAME"), ValueError, "window_strides must have"),
    (lambda: lax.conv(IMAGE, KERNEL, (0, 1), "VALID"), ValueError, "must be positive"),
    (lambda: lax.conv(IMAGE, KERNEL, (1, 1), "FOO"), RuntimeError, "Unrecognized padding type"),
    (lambda: lax.conv(IMAGE, KERNEL, (1, 1), ((0, 0),)), TypeError, "Wrong number of explicit"),
    (lambda: lax.conv(IMAGE, whole(1, 2, 3, 3), (1, 1), "SAME"), TypeError, "same dtypes"),
    (lambda: lax.conv(IMAGE, real(1, 2, 3), (1, 1), "SAME"), TypeError, "got 4 and 3"),
    (lambda: lax.conv_general_dilated(real(1, 4, 3, 3), real(3, 2, 3, 3), (1, 1), "SAME",
                                      feature_group_count=2), ValueError, "3 is not a multiple"),
    (lambda: lax.conv_general_dilated(IMAGE, KERNEL, (1, 1), "SAME",
                                      dimension_numbers=("NCHW", "OIHX", "NCHW")), TypeError,
     "same set of spatial characters")]


@pytest.mark.parametrize("case", REFUSALS, ids=lambda case: case[2])
def test_refusals(case):  # type: ignore[no-untyped-def]
    call, error, message = case
    with pytest.raises(error, match=message):
        call()
