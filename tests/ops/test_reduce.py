"""Reductions, by rows and by cases at the edges."""
from __future__ import annotations

import ml_dtypes
import numpy as np
import pytest
from arrax import lax

from tests.ops.rows import Row, checks, cplx, real, whole

X = real(3, 4, 2)
BOOLS = np.array([[True, False, True], [True, True, True]])


def _axes(fn, axes):  # type: ignore[no-untyped-def]
    return lambda x: fn(x, axes)


def _numpy(fn, axes):  # type: ignore[no-untyped-def]
    return lambda x: fn(x, axis=axes)


ROWS = [Row(f"{name} {axes}", _axes(getattr(lax, name), axes), (X,), _numpy(reference, axes))
        for name, reference in [("reduce_sum", np.sum), ("reduce_prod", np.prod),
                                ("reduce_max", np.max), ("reduce_min", np.min)]
        for axes in [(0,), (1, 2), (0, 1, 2), (), (2, 0)]]
ROWS += [Row(f"{name} complex", _axes(getattr(lax, name), (0,)), (cplx(3, 2),),
             _numpy(reference, (0,))) for name, reference in [("reduce_sum", np.sum),
                                                              ("reduce_prod", np.prod)]]
ROWS += [Row(f"{name} integers", _axes(getattr(lax, name), (1,)), (whole(3, 4),),
             lambda x, fn=fn: fn(x, axis=1).astype(np.int32), order=0)
         for name, fn in [("reduce_sum", np.sum), ("reduce_prod", np.prod), ("reduce_max", np.max),
                          ("reduce_min", np.min), ("reduce_and", np.bitwise_and.reduce),
                          ("reduce_or", np.bitwise_or.reduce),
                          ("reduce_xor", np.bitwise_xor.reduce)]]
ROWS += [Row(f"{name} bools", _axes(getattr(lax, name), (1,)), (BOOLS,), _numpy(fn, 1), order=0)
         for name, fn in [("reduce_and", np.all), ("reduce_or", np.any),
                          ("reduce_max", np.max), ("reduce_min", np.min),
                          ("reduce_xor", np.logical_xor.reduce)]]
ROWS += [Row(f"{name} {axis}", lambda x, fn=getattr(lax, name), axis=axis: fn(x, axis, np.int32),
             (x,), lambda x, fn=fn, axis=axis: fn(x, axis=axis), order=0)
         for name, fn in [("argmax", np.argmax), ("argmin", np.argmin)]
         for axis, x in [(0, X), (2, X), (1, whole(2, 9))]]

test_rows = checks(ROWS)

NAN = np.array([1, np.nan, 3], np.float32)
EDGES = [
    ("max of NaN", lambda: lax.reduce_max(NAN, (0,)), np.float32(np.nan)),
    ("argmax of NaN", lambda: lax.argmax(NAN, 0, np.int32), np.int32(1)),
    ("argmin of NaN", lambda: lax.argmin(NAN, 0, np.int8), np.int8(1)),
    ("empty max", lambda: lax.reduce_max(np.zeros((0, 2), np.float32), (0,)),
     np.full(2, -np.inf, np.float32)),
    ("empty integer min", lambda: lax.reduce_min(np.zeros((0, 2), np.int32), (0,)),
     np.full(2, 2 ** 31 - 1, np.int32)),
    ("empty and", lambda: lax.reduce_and(np.zeros((0,), bool), (0,)), np.bool_(True)),
    ("narrow integers wrap", lambda: lax.reduce_sum(np.full(2, 100, np.int8), (0,)), np.int8(-56)),
    ("bfloat16 adds in float32", lambda: lax.reduce_sum(np.ones(3000, ml_dtypes.bfloat16), (0,)),
     ml_dtypes.bfloat16(3008)),
    ("float16 adds in float32", lambda: lax.reduce_sum(np.ones(3000, np.float16), (0,)),
     np.float16(3000)),
]


@pytest.mark.parametrize(("call", "expected"), [e[1:] for e in EDGES], ids=[e[0] for e in EDGES])
def test_edges(call, expected) -> None:  # type: ignore[no-untyped-def]
    actual = np.asarray(call())
    assert actual.dtype == expected.dtype
    np.testing.assert_array_equal(actual.astype(np.float64), np.asarray(expected, np.float64))


ERRORS = [
    (lambda: lax.reduce_sum(X, (3,)), ValueError, r"contains out-of-bounds indices for float32"),
    (lambda: lax.reduce_sum(X, (0, 0)), ValueError, r"duplicate value in 'axes'"),
    (lambda: lax.reduce_sum(X, (-1,)), ValueError, r"reduction axes \(-1,\) contains"),
    (lambda: lax.reduce_sum(BOOLS, (0,)), TypeError, "reduce_sum does not accept dtype bool"),
    (lambda: lax.reduce_or(X, (0,)), TypeError, "requires operand dtype bool or int, got float32"),
    (lambda: lax.argmax(X, 5, np.int32), ValueError, r"Invalid axis 5 for operand shape"),
    (lambda: lax.argmax(X[:0], 0, np.int32), ValueError, "require non-empty reduced dimension"),
    (lambda: lax.argmax(X, 0, np.float32), TypeError, "index_dtype must be an integer type"),
]


@pytest.mark.parametrize(("call", "kind", "text"), ERRORS)
def test_errors(call, kind, text) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises(kind, match=text):
        call()
