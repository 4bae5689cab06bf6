"""Windowed reductions against loops over windows, by rows."""
from __future__ import annotations

import itertools

import numpy as np
import pytest
from arrax import lax

from tests.ops.rows import Row, checks, real, whole

X = real(5, 6)
SETTINGS = [((2, 3), (1, 2), ((0, 1), (1, 1))), ((2, 2), (2, 2), ((0, 0), (0, 0))),
            ((3, 2), (2, 1), ((1, 1), (0, 1)))]


def _windows(x, window, strides, padding, fill, reduction):  # type: ignore[no-untyped-def]
    x = np.pad(x, padding, constant_values=fill)
    shape = [(n - w) // s + 1 for n, w, s in zip(x.shape, window, strides)]
    out = np.empty(shape, x.dtype)
    for place in itertools.product(*map(range, shape)):
        out[place] = reduction(x[tuple(slice(p * s, p * s + w)
                                       for p, s, w in zip(place, strides, window))])
    return out


def _row(name, init, computation, reduction, setting, order):  # type: ignore[no-untyped-def]
    return Row(f"{name} {setting}",
               lambda x: lax.reduce_window(x, init, computation, *setting),
               (X,), lambda x: _windows(x, *setting, init, reduction), order=order,
               matrix={"sum": "iuhfcqn", "product": ""}.get(name, "hf"))  # by what `init` can be


ROWS = [_row(name, init, computation, reduction, setting, 1 if "arg" in name else 2)
        for name, init, computation, reduction in [
            ("sum", 0.0, lax.add, np.sum), ("max", -np.inf, lax.max, np.max),
            ("min", np.inf, lax.min, np.min),
            ("product", 1.0, lambda a, b: lax.mul(a, b), np.prod)]
        for setting in SETTINGS[:1 if name == "product" else 3]]
ROWS += [
    Row("sum, dilated", lambda x: lax.reduce_window(
        x, 0.0, lax.add, (2, 2), (1, 1), "VALID", (2, 1), (1, 2)), (X,)),
    Row("reduce, any computation", lambda x: lax.reduce(
        x, np.float64(1) if x.dtype == np.float64 else np.float32(1),
        lambda a, b: lax.mul(a, b), (0,)), (X,), lambda x: x.prod(0), order=1),
    Row("reduce, monoid", lambda x: lax.reduce(x, 0.0, lax.add, (1,)), (X,), lambda x: x.sum(1))]

test_rows = checks(ROWS)


def test_reduce_pairs():  # type: ignore[no-untyped-def]
    """Value and place of the maximum, together."""
    def larger(a, b):  # type: ignore[no-untyped-def]
        first = lax.ge(a[0], b[0])
        return lax.select(first, a[0], b[0]), lax.select(first, a[1], b[1])
    places = np.broadcast_to(np.arange(6, dtype=np.int32), (5, 6))
    value, place = lax.reduce((X, places), (np.float32(-np.inf), np.int32(0)), larger, (1,))
    np.testing.assert_array_equal(value.data, X.max(1))
    np.testing.assert_array_equal(place.data, X.argmax(1))


def test_integers():  # type: ignore[no-untyped-def]
    x = whole(7)
    out = lax.reduce_window(x, np.iinfo(np.int32).min, lax.max, (3,), (1,), "SAME")
    np.testing.assert_array_equal(out.data, _windows(x, (3,), (1,), ((1, 1),), -99, np.max))


REFUSALS = [
    (lambda: lax.reduce_window(X, 0.0, lax.add, (2,), (1, 1), "SAME"), TypeError,
     "wrong number of window_dimensions"),
    (lambda: lax.reduce_window(X, 0.0, lax.add, (2, 2), (0, 1), "SAME"), TypeError,
     "strictly positive"),
    (lambda: lax.reduce(X, (0.0, 0.0), lax.add, (0,)), ValueError, "same tree structure"),
    (lambda: lax.reduce(X, X, lax.add, (0,)), ValueError, "must be scalars"),
    (lambda: lax.reduce(X, np.int32(0), lax.add, (0,)), TypeError, "same dtype")]


@pytest.mark.parametrize("case", REFUSALS, ids=lambda case: case[2])
def test_refusals(case):  # type: ignore[no-untyped-def]
    call, error, message = case
    with pytest.raises(error, match=message):
        call()
