"""Static and dynamic slices, by rows; clamping by a property; refusals."""
from __future__ import annotations

import numpy as np
import pytest
from arrax import lax
from arrax.transforms.api_trace import make_jaxpr
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.ops.rows import Row, checks, real, whole

X = real(3, 4)
ZERO, ONE, TWO, FAR = np.int32(0), np.int32(1), np.int32(2), np.int32(9)


def _updated(x, update, i, j):  # type: ignore[no-untyped-def]
    out = np.array(x)
    out[i:i + update.shape[0], j:j + update.shape[1]] = update
    return out


ROWS = [
    Row("slice", lambda x: lax.slice(x, (0, 1), (2, 3)), (X,), lambda x: x[0:2, 1:3]),
    Row("slice, strides", lambda x: lax.slice(x, (0, 1), (3, 4), (2, 2)), (X,),
        lambda x: x[0:3:2, 1:4:2]),
    Row("empty slice", lambda x: lax.slice(x, (2, 1), (2, 3)), (X,), lambda x: x[2:2, 1:3]),
    Row("slice_in_dim", lambda x: lax.slice_in_dim(x, -3, None, 2, 1), (X,),
        lambda x: x[:, -3::2]),
    Row("index_in_dim", lambda x: lax.index_in_dim(x, -1, 1, False), (X,), lambda x: x[:, -1]),
    Row("dynamic_slice", lambda x, i, j: lax.dynamic_slice(x, (i, j), (2, 2)), (X, ONE, TWO),
        lambda x, i, j: x[1:3, 2:4]),
    Row("dynamic_slice from the end", lambda x, i: lax.dynamic_slice(x, (i, ZERO), (1, 2)),
        (X, np.int32(-1)), lambda x, i: x[2:3, :2]),
    Row("dynamic_slice clamps", lambda x, i: lax.dynamic_slice(x, (i, ONE), (2, 2)), (X, FAR),
        lambda x, i: x[1:3, 1:3]),
    Row("dynamic_slice_in_dim", lambda x, i: lax.dynamic_slice_in_dim(x, i, 2, 1), (X, TWO),
        lambda x, i: x[:, 2:4]),
    Row("dynamic_index_in_dim", lambda x, i: lax.dynamic_index_in_dim(x, i, 1, False), (X, TWO),
        lambda x, i: x[:, 2]),
    Row("dynamic_update_slice", lambda x, u, i, j: lax.dynamic_update_slice(x, u, (i, j)),
        (X, real(2, 2, seed=1), ONE, TWO), _updated),
    Row("dynamic_update_slice_in_dim",
        lambda x, u, i: lax.dynamic_update_slice_in_dim(x, u, i, 1),
        (X, real(3, 2, seed=1), ONE), lambda x, u, i: _updated(x, u, 0, 1)),
    Row("dynamic_update_index_in_dim",
        lambda x, u, i: lax.dynamic_update_index_in_dim(x, u, i, 1),
        (X, real(3, seed=1), ONE), lambda x, u, i: _updated(x, u[:, None], 0, 1))]

test_rows = checks(ROWS)


@settings(max_examples=50, deadline=None)
@given(st.integers(1, 8), st.integers(0, 8), st.integers(-20, 20))
def test_windows_are_clamped(size, width, start):  # type: ignore[no-untyped-def]
    width = min(size, width)
    x = np.arange(size, dtype=np.int32)
    first = min(max(start + size if start < 0 else start, 0), size - width)
    out = lax.dynamic_slice(x, (np.int32(start),), (width,))
    np.testing.assert_array_equal(out.data, x[first:first + width])


def test_operand_is_not_written():  # type: ignore[no-untyped-def]
    x = lax.full((3,), 1.0)
    lax.dynamic_update_slice(x, np.zeros(2, np.float32), (0,))
    np.testing.assert_array_equal(x.data, 1)


def test_traced_index_reads_as_in_jax():  # type: ignore[no-untyped-def]
    text = str(make_jaxpr(lambda x, i: lax.dynamic_slice(x, (i, 0), (2, 2)))(X, 1))
    assert text == """\
{ lambda ; a:f32[3,4] b:i32[]. let
    c:bool[] = lt b 0:i32[]
    d:i32[] = convert_element_type[new_dtype=int32 weak_type=False] b
    e:i32[] = add d 3:i32[]
    f:i32[] = select_n c b e
    g:f32[2,2] = dynamic_slice[slice_sizes=(2, 2)] a f 0:i32[]
  in (g,) }"""


REFUSALS = [
    (lambda: lax.slice(X, (0, 0), (4, 4)), TypeError, "less than or equal to operand shape"),
    (lambda: lax.slice(X, (2, 0), (1, 4)), TypeError, "greater than or equal to"),
    (lambda: lax.slice(X, (0, 0), (1, 4), (1,)), TypeError, "strides must have length"),
    (lambda: lax.slice(X, (0, 0), (1, 4), (0, 1)), TypeError, "strides must be positive"),
    (lambda: lax.index_in_dim(X, 5), IndexError, "index 5 is out of bounds for axis 0"),
    (lambda: lax.dynamic_slice(X, (0,), (1, 1)), ValueError, "Length of slice indices"),
    (lambda: lax.dynamic_slice(X, (0, 0), (4, 1)), TypeError, r"slice_sizes \(4, 1\)"),
    (lambda: lax.dynamic_slice(X, (0.0, 0.0), (1, 1)), TypeError, "integers of the same type"),
    (lambda: lax.dynamic_slice(X, (np.uint8(0), 0), (1, 1)), TypeError, "got: uint8, int32"),
    (lambda: lax.dynamic_update_slice(X, real(5, 1), (0, 0)), TypeError, "smaller than operand"),
    (lambda: lax.dynamic_update_slice(X, whole(2, 1), (0, 0)), TypeError, "got float32, int32")]


@pytest.mark.parametrize("case", REFUSALS, ids=lambda case: case[2])
def test_refusals(case):  # type: ignore[no-untyped-def]
    call, error, message = case
    with pytest.raises(error, match=message):
        call()
