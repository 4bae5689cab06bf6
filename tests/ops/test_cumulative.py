"""Cumulative operations, by rows."""
from __future__ import annotations

import ml_dtypes
import numpy as np
import pytest
from arrax import lax
from arrax.transforms.api_ad import grad

from tests.ops.rows import Row, checks, cplx, real, whole

X = real(5, 2)


def _reversed(fn):  # type: ignore[no-untyped-def]
    return lambda x, axis: np.flip(fn(np.flip(x, axis), axis=axis), axis)


NUMPY = [("cumsum", np.cumsum), ("cumprod", np.cumprod), ("cummax", np.maximum.accumulate),
         ("cummin", np.minimum.accumulate), ("cumlogsumexp", np.logaddexp.accumulate)]
ROWS = [Row(f"{name} {axis} {reverse}",
            lambda x, f=getattr(lax, name), axis=axis, reverse=reverse: f(x, axis, reverse), (X,),
            lambda x, f=_reversed(fn) if reverse else fn, axis=axis: f(x, axis=axis))
        for name, fn in NUMPY for axis in (0, 1) for reverse in (False, True)]
ROWS += [Row(f"{name} integers", lambda x, f=getattr(lax, name): f(x), (whole(6),),
             lambda x, fn=fn: fn(x, axis=0).astype(np.int32), order=0) for name, fn in NUMPY[:4]]
ROWS += [Row("cumsum complex", lax.cumsum, (cplx(5),), np.cumsum),
         Row("cumprod complex", lax.cumprod, (cplx(5),), np.cumprod),
         Row("cumlogsumexp complex", lax.cumlogsumexp, (cplx(5),),
             lambda x: np.log(np.cumsum(np.exp(x))))]
ROWS += [Row(f"{name} of one", getattr(lax, name), (X[:1],), lambda x: x) for name, _ in NUMPY]

test_rows = checks(ROWS)

GRADIENTS = [  # ties are shared by halves at each combination, zeros keep their product rule
    (lax.cummax, [1, 1, 2, 2], [1.5, 0.5, 1.5, 0.5]),
    (lax.cumprod, [1, 0, 2, 2], [1, 7, 0, 0]),
    (lax.cumsum, [1, 0, 2, 2], [4, 3, 2, 1]),
]


@pytest.mark.parametrize(("function", "x", "expected"), GRADIENTS)
def test_gradients(function, x, expected) -> None:  # type: ignore[no-untyped-def]
    slope = grad(lambda x: lax.reduce_sum(function(x), (0,)))(np.array(x, np.float32))
    np.testing.assert_array_equal(np.asarray(slope), np.array(expected, np.float32))


def test_infinities_and_narrow_floats() -> None:
    x = np.array([-np.inf, -np.inf, 1, 2], np.float32)
    np.testing.assert_allclose(np.asarray(lax.cumlogsumexp(x)),
                               [-np.inf, -np.inf, 1, 2.3132617], rtol=1e-6)
    ones = np.ones(600, ml_dtypes.bfloat16)
    assert float(np.asarray(lax.cumsum(ones))[-1]) == 600


@pytest.mark.parametrize(("call", "kind", "text"), [
    (lambda: lax.cumsum(X, 2), ValueError, r"axis 2 is out of bounds for array of shape \(5, 2\)"),
    (lambda: lax.cumsum(X, -1), ValueError, "do not allow negative axes"),
    (lambda: lax.cumsum(X > 0), TypeError, "cumsum does not accept dtype bool"),
    (lambda: lax.cumsum([1.0]), TypeError, "Error interpreting argument to cumsum"),
])
def test_errors(call, kind, text) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises(kind, match=text):
        call()
