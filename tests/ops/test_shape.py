"""Shape operations, creation and joining, by rows and by refusals."""
from __future__ import annotations

import numpy as np
import pytest
from arrax import lax

from tests.ops.rows import Row, checks, real, whole

X = real(3, 4)
CUBE = real(2, 3, 4)
SCALAR = np.float32(0.5)


def _pad(x, value, config):  # type: ignore[no-untyped-def]
    """Padding with room for negative widths: spread out, then cut."""
    for axis, (lo, hi, interior) in enumerate(config):
        x = np.moveaxis(x, axis, 0)
        size = max(0, x.shape[0] + max(x.shape[0] - 1, 0) * interior)
        spread = np.full((size, *x.shape[1:]), value, x.dtype)
        spread[::interior + 1] = x
        edge = [np.full((max(w, 0), *x.shape[1:]), value, x.dtype) for w in (lo, hi)]
        x = np.concatenate([edge[0], spread, edge[1]])
        x = x[max(-lo, 0):x.shape[0] - max(-hi, 0)]
        x = np.moveaxis(x, 0, axis)
    return x


CONFIGS = [((1, 0, 0), (0, 2, 0)), ((0, 0, 1), (2, 1, 2)), ((-1, 1, 0), (1, -2, 0)),
           ((-1, 2, 1), (-2, -1, 0))]

ROWS = [
    Row("broadcast_in_dim", lambda x: lax.broadcast_in_dim(x, (2, 3, 4), (1, 2)), (X,),
        lambda x: np.broadcast_to(x, (2, 3, 4))),
    Row("broadcast_in_dim stretches", lambda x: lax.broadcast_in_dim(x, (5, 3, 4), (0, 2)),
        (real(1, 4),), lambda x: np.broadcast_to(x[:, None], (5, 3, 4))),
    Row("broadcast_in_dim permutes", lambda x: lax.broadcast_in_dim(x, (4, 2, 3), (2, 0)), (X,),
        lambda x: np.broadcast_to(x.T[:, None], (4, 2, 3))),
    Row("broadcast", lambda x: lax.broadcast(x, (2,)), (X,),
        lambda x: np.broadcast_to(x, (2, 3, 4))),
    Row("large broadcast", lambda x: lax.broadcast_in_dim(x, (3, 4, 900), (0, 1)), (X,),
        lambda x: np.broadcast_to(x[..., None], (3, 4, 900)), order=0, batch=False),
    Row("reshape", lambda x: lax.reshape(x, (2, 6)), (X,), lambda x: x.reshape(2, 6)),
    Row("reshape, axes reordered", lambda x: lax.reshape(x, (2, 6), (1, 0)), (X,),
        lambda x: x.T.reshape(2, 6)),
    Row("collapse", lambda x: lax.collapse(x, 0, 2), (CUBE,), lambda x: x.reshape(6, 4)),
    Row("transpose", lambda x: lax.transpose(x, (2, 0, 1)), (CUBE,),
        lambda x: x.transpose(2, 0, 1)),
    Row("squeeze", lambda x: lax.squeeze(x, (0, -1)), (real(1, 3, 1),), lambda x: x[0, :, 0]),
    Row("expand_dims", lambda x: lax.expand_dims(x, (0, -1)), (X,), lambda x: x[None, ..., None]),
    Row("rev", lambda x: lax.rev(x, (0,)), (X,), lambda x: x[::-1]),
    Row("concatenate", lambda x, y: lax.concatenate([x, y], 1), (X, real(3, 2)),
        lambda x, y: np.concatenate([x, y], 1)),
    Row("stack", lambda x, y: lax.stack([x, y], 1), (X, real(3, 4, seed=1)),
        lambda x, y: np.stack([x, y], 1)),
    Row("unstack", lambda x: lax.unstack(x, 1), (X,), lambda x: list(x.T)),
    Row("split", lambda x: lax.split(x, (1, 3), 1), (X,), lambda x: [x[:, :1], x[:, 1:]]),
    Row("tile", lambda x: lax.tile(x, (2, 3)), (X,), lambda x: np.tile(x, (2, 3))),
    Row("full_like", lambda x: lax.full_like(x, 2), (X,), lambda x: np.full_like(x, 2), order=0),
    *[Row(f"pad {config}", lambda x, v, config=config: lax.pad(x, v, config), (X, SCALAR),
          lambda x, v, config=config: _pad(x, v, config)) for config in CONFIGS],
    Row("broadcast_like", lambda x, y: lax.broadcast_like(x, y), (real(4), X),
        lambda x, y: np.broadcast_to(x, (3, 4)), active=(0,), batch=False, matrix=""),
    Row("broadcast_to_rank", lambda x: lax.broadcast_to_rank(x, 4), (X,), lambda x: x[None, None]),
    Row("plus iota", lambda x: lax.add(x, lax.broadcasted_iota(x.dtype, (3, 4), 1)), (X,),
        lambda x: x + np.arange(4, dtype=x.dtype), matrix="iuf"),
    Row("one iota", lambda x: lax.mul(x, lax.iota(x.dtype, 5)), (real(5),),
        lambda x: x * np.arange(5, dtype=x.dtype), matrix="iuf")]

test_rows = checks(ROWS)


@pytest.mark.parametrize("dtype", ["int8", "uint32", "float32", "bfloat16", "complex64"])
def test_iota(dtype):  # type: ignore[no-untyped-def]
    out = lax.broadcasted_iota(dtype, (2, 5), 1)
    assert out.dtype == dtype
    np.testing.assert_array_equal(out.data.astype(np.complex128), [range(5)] * 2)


def test_weak_types():  # type: ignore[no-untyped-def]
    assert lax.full((2,), 1.0).weak_type
    assert not lax.full((2,), 1.0, np.float32).weak_type
    assert lax.concatenate([lax.full((1,), 1.0)] * 2, 0).weak_type
    assert not lax.concatenate([lax.full((1,), 1.0), X[0]], 0).weak_type
    assert lax.full_like(lax.full((2,), 1.0), 3).weak_type


def test_identities_return_their_operand():  # type: ignore[no-untyped-def]
    x = lax.full((3, 4), 1.0)
    assert lax.reshape(x, (3, 4)) is x
    assert lax.transpose(x, (0, 1)) is x
    assert lax.broadcast_in_dim(x, (3, 4), (0, 1)) is x
    assert lax.squeeze(x, ()) is x


def test_broadcast_shapes():  # type: ignore[no-untyped-def]
    assert lax.broadcast_shapes((2, 1), (3,), ()) == (2, 3)
    assert lax.broadcast_shapes((0,), (1,)) == (0,)


REFUSALS = [
    (lambda: lax.reshape(X, (5,)), TypeError, "reshape total size must be unchanged"),
    (lambda: lax.reshape(X, (-1,)), TypeError, "must all be positive"),
    (lambda: lax.reshape(X, (3.0, 4)), TypeError, "Shapes must be 1D sequences"),
    (lambda: lax.reshape([1, 2], (2,)), TypeError, "Error interpreting argument to reshape"),
    (lambda: lax.broadcast_in_dim(X, (3, 5), (0, 1)), TypeError, r"operand of shape \(3, 4\)"),
    (lambda: lax.broadcast_in_dim(X, (3,), (0,)), TypeError, "length equal to operand ndim"),
    (lambda: lax.transpose(X, (0, 0)), TypeError, "isn't a permutation"),
    (lambda: lax.transpose(X, (0, -1)), TypeError, "isn't a permutation"),
    (lambda: lax.squeeze(X, (0,)), ValueError, "not equal to one, got shape"),
    (lambda: lax.squeeze(X, (5,)), ValueError, "axis 5 is out of bounds"),
    (lambda: lax.expand_dims(X, (0, 0)), ValueError, "repeated axis"),
    (lambda: lax.rev(X, (2,)), TypeError, "less than operand ndim"),
    (lambda: lax.concatenate([], 0), ValueError, "non-empty"),
    (lambda: lax.concatenate([X, CUBE], 0), TypeError, "different numbers of dimensions"),
    (lambda: lax.concatenate([X, X[:2]], 1), TypeError, "differ in dimensions other than"),
    (lambda: lax.concatenate([X, X], -1), TypeError, "out of bounds: dimension -1"),
    (lambda: lax.concatenate([X, whole(3, 4)], 0), TypeError, "same dtypes, got float32, int32"),
    (lambda: lax.pad(X, 0, ((0, 0, 0),) * 2), TypeError, "same dtype: got float32 and int32"),
    (lambda: lax.pad(X, 0.0, ((0, 0, -1),) * 2), ValueError, "must be nonnegative"),
    (lambda: lax.pad(X, 0.0, ((-2, -2, 0), (0, 0, 0))), ValueError, r"result shape \(-1, 4\)"),
    (lambda: lax.split(X, (1, 1), 1), ValueError, "Sum of sizes 2"),
    (lambda: lax.tile(X, (2,)), TypeError, "reps length"),
    (lambda: lax.iota(bool, 3), TypeError, "iota does not accept dtype bool"),
    (lambda: lax.iota(np.int32, -1), TypeError, "nonnegative"),
    (lambda: lax.full((2,), X), TypeError, "scalar fill_value"),
    (lambda: lax.broadcast_shapes((2, 3), (3, 2)), ValueError, "Incompatible shapes")]


@pytest.mark.parametrize("case", REFUSALS, ids=lambda case: case[2])
def test_refusals(case):  # type: ignore[no-untyped-def]
    call, error, message = case
    with pytest.raises(error, match=message):
        call()
