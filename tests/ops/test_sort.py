"""Sorting: rows, and properties over dtypes and special values."""
from __future__ import annotations

import ml_dtypes
import numpy as np
import pytest

import arrax
import arrax.numpy as jnp
from arrax import lax
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from tests.ops.rows import Row, checks, cplx, real, whole

X = real(4, 6)


def _take(x, order, axis=-1):  # type: ignore[no-untyped-def]
    return np.take_along_axis(x, order, axis)




def _falling(x, axis):  # type: ignore[no-untyped-def]
    """The places of the elements in falling order, of equal ones in rising order."""
    return np.argsort(-x.astype(np.float64), axis, kind="stable").astype(np.int32)


ROWS = [
    Row("sort", lax.sort, (X,), np.sort),
    Row("sort other axis", lambda x: lax.sort(x, dimension=0), (X,), lambda x: np.sort(x, 0)),
    Row("sort_key_val", lax.sort_key_val, (X, real(4, 6, seed=1)),
        lambda k, v: [np.sort(k), _take(v, np.argsort(k, kind="stable"))]),
    Row("two keys", lambda i, x, v: lax.sort((i, x, v), num_keys=2)[1:],
        (whole(4, 6, low=0, high=2), X, real(4, 6, seed=1)),
        lambda i, x, v: [_take(a, np.lexsort((x, i))) for a in (x, v)]),
    Row("top_k", lambda x: lax.top_k(x, 3), (X,),
        lambda x: [np.sort(x)[:, :-4:-1], _falling(x, -1)[:, :3]], order=1),
    Row("values of top_k", lambda x: lax.top_k(x, 3)[0], (X,), lambda x: np.sort(x)[:, :-4:-1]),
    Row("top_k other axis", lambda x: lax.top_k(x, 2, axis=0), (X,),
        lambda x: [np.sort(x, 0)[:-3:-1], _falling(x, 0)[:2]], order=1),
    Row("approx_max_k", lambda x: lax.approx_max_k(x, 2), (X,),
        lambda x: [np.sort(x)[:, :-3:-1], _falling(x, -1)[:, :2]], order=1),
    Row("approx_min_k", lambda x: lax.approx_min_k(x, 2), (X,),
        lambda x: [np.sort(x)[:, :2], np.argsort(x, kind="stable")[:, :2].astype(np.int32)],
        order=1)]

test_rows = checks(ROWS)

FLOATS = st.floats(width=32, allow_nan=True, allow_infinity=True)
KEYS = st.one_of(
    hnp.arrays(np.float32, st.integers(0, 20), elements=FLOATS),
    hnp.arrays(np.int8, st.integers(0, 20)), hnp.arrays(np.uint32, st.integers(0, 20)),
    hnp.arrays(np.float32, 300, elements=st.sampled_from([0.0, -0.0, 1.0, np.nan, -np.inf])))


@settings(max_examples=60, deadline=None)
@given(KEYS)
def test_sort_is_stable_with_nan_last(keys):  # type: ignore[no-untyped-def]
    places = np.arange(len(keys), dtype=np.int32)
    out, order = lax.sort((keys, places))
    expected = np.argsort(keys, kind="stable")
    np.testing.assert_array_equal(order.data, expected)
    np.testing.assert_array_equal(out.data, keys[expected])


@settings(max_examples=60, deadline=None)
@given(KEYS, st.integers(0, 5))
def test_top_k_takes_the_first_of_equals(keys, k):  # type: ignore[no-untyped-def]
    k = min(k, len(keys))
    values, order = lax.top_k(keys, k)
    bits = keys.astype(np.float64).view(np.int64)  # in the total order: -NaN < … < -0 < 0 < … < NaN
    order_of = np.where(bits < 0, bits ^ np.iinfo(np.int64).max, bits)
    expected = np.argsort(~order_of, kind="stable")[:k]
    np.testing.assert_array_equal(order.data, expected)
    np.testing.assert_array_equal(values.data, keys[expected])


@pytest.mark.parametrize("dtype", [ml_dtypes.bfloat16, np.float16, np.bool_, np.uint8, np.float64])
def test_dtypes(dtype):  # type: ignore[no-untyped-def]
    x = whole(50, low=0, high=2 if dtype is np.bool_ else 9).astype(dtype)
    expected = np.sort(x.astype(np.float64))
    out = lax.sort(x)
    np.testing.assert_array_equal(out.data.astype(np.float64), expected)


@pytest.mark.parametrize("count", [5, 40, 100, 1000, 5000])
@pytest.mark.parametrize("dtype", [ml_dtypes.bfloat16, np.float16, np.float32, np.float64,
                                   np.complex64])
def test_zeros_keep_their_order(dtype, count):  # type: ignore[no-untyped-def]
    """-0 and 0 are equal: each zero keeps its sign and comes in its order, eagerly and compiled."""
    values = np.random.default_rng(count).choice([0.0, -0.0, 1.0, -2.0, np.inf], (3, count))
    with arrax.enable_x64():
        for x, axis in ((values, 1), (values.T, 0)):
            x = x.astype(dtype)
            expected = np.take_along_axis(x, np.argsort(x, axis, kind="stable"), axis)
            for sort in (lax.sort, arrax.jit(lax.sort, static_argnums=1)):
                out = np.asarray(sort(jnp.asarray(x), axis))
                np.testing.assert_array_equal(out, expected)
                np.testing.assert_array_equal(np.signbit(out.real), np.signbit(expected.real))


def test_complex_is_lexicographic():  # type: ignore[no-untyped-def]
    x = np.round(cplx(30, scale=2))
    np.testing.assert_array_equal(lax.sort(x).data, x[np.lexsort((x.imag, x.real))])


REFUSALS = [
    (lambda: lax.sort(X, dimension=3), ValueError, "axis 3 is out of bounds"),
    (lambda: lax.sort((X, X[0])), TypeError, "equal shapes"),
    (lambda: lax.sort((X,), num_keys=2), ValueError, "num_keys=2"),
    (lambda: lax.sort(()), TypeError, "at least one operand"),
    (lambda: lax.top_k(X, 7), ValueError, "no larger than size along axis; got k=7"),
    (lambda: lax.top_k(X, -1), ValueError, "nonnegative, got -1"),
    (lambda: lax.top_k(cplx(3), 1), ValueError, "complex")]


@pytest.mark.parametrize("case", REFUSALS, ids=lambda case: case[2])
def test_refusals(case):  # type: ignore[no-untyped-def]
    call, error, message = case
    with pytest.raises(error, match=message):
        call()


@pytest.mark.parametrize(("size", "k", "recall", "override", "candidates"), [
    (1000, 5, .5, -1, 1000), (3000, 5, .95, -1, 2048), (10000, 1, .95, -1, 1024),
    (100000, 50, .99, -1, 7168), (100000, 5, .5, -1, 2048), (3000, 5, .95, 100000, 2048)])
def test_candidates_of_an_approximate_search(  # type: ignore[no-untyped-def]
        size, k, recall, override, candidates):
    x = real(size)
    for search, ordered in ((lax.approx_max_k, np.sort(x)[::-1]), (lax.approx_min_k, np.sort(x))):
        values, order = search(x, k, recall_target=recall, reduction_input_size_override=override,
                               aggregate_to_topk=False)
        np.testing.assert_array_equal(values.data, ordered[:candidates])
        np.testing.assert_array_equal(x[order.data], values.data)
