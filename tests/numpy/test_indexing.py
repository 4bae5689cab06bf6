"""Reading and updating by every form of index, against NumPy."""
from __future__ import annotations

import warnings

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import arrax
import arrax.numpy as jnp
from tests.numpy.comparing import check_gradient

SHAPE = (3, 4, 5)
DATA = np.arange(60, dtype=np.float32).reshape(SHAPE)


def _axis_index(size: int) -> st.SearchStrategy:
    return st.one_of(
        st.integers(-size, size - 1),
        st.slices(size),
        st.lists(st.integers(-size, size - 1), min_size=2, max_size=2).map(np.array),
        st.lists(st.integers(-size, size - 1), min_size=2, max_size=2).map(
            lambda v: np.array(v)[:, None]))


@st.composite
def indices(draw) -> tuple:
    """Index tuples of ints, slices, arrays, None, an ellipsis and a mask."""
    count = draw(st.integers(0, 3))
    items = [draw(_axis_index(size)) for size in SHAPE[:count]]
    if count == 1 and draw(st.booleans()):
        items = [np.array(draw(st.lists(st.booleans(), min_size=3, max_size=3)))]
    if draw(st.booleans()):
        items.insert(draw(st.integers(0, len(items))), None)
    if count < 3 and draw(st.booleans()):
        items.append(Ellipsis)
    return tuple(items)


@settings(max_examples=150, deadline=None)
@given(indices())
def test_reading(index):
    expected = DATA[index]
    np.testing.assert_array_equal(jnp.asarray(DATA)[index], expected)
    np.testing.assert_array_equal(arrax.jit(lambda x: x[index])(DATA), expected)


@settings(max_examples=80, deadline=None)
@given(indices(), st.sampled_from(["set", "add", "multiply", "min", "max"]))
def test_updating(index, kind):
    chosen = DATA[index]
    expected = DATA.copy()
    if kind == "set":
        expected[index] = -1
        value = np.float32(-1)
    else:
        value = np.arange(chosen.size, dtype=np.float32).reshape(chosen.shape) % 7 - 3
        ufunc = {"add": np.add, "multiply": np.multiply, "min": np.minimum,
                 "max": np.maximum}[kind]
        ufunc.at(expected, index, value)

    def update(x):
        return getattr(x.at[index], kind)(value)
    np.testing.assert_array_equal(update(jnp.asarray(DATA)), expected)
    np.testing.assert_array_equal(arrax.jit(update)(DATA), expected)


@pytest.mark.parametrize("index", [
    lambda k: k, lambda k: (k, 0), lambda k: (slice(None), k), lambda k: (0, k, slice(1, 3)),
    lambda k: (k, None, slice(None, None, -1)), lambda k: (k, slice(None, None, 2)),
    lambda k: (k, slice(None), np.array([0, 1])), lambda k: (..., k)])
@pytest.mark.parametrize("k", [1, -2])
def test_traced_scalars(index, k):
    read = arrax.jit(lambda x, k: x[index(k)])(DATA, k)
    np.testing.assert_array_equal(read, DATA[index(k)])
    written = arrax.jit(lambda x, k: x.at[index(k)].set(0.0))(DATA, k)
    expected = DATA.copy()
    expected[index(k)] = 0
    np.testing.assert_array_equal(written, expected)


@pytest.mark.parametrize("compiled", [False, True])
def test_out_of_bounds(compiled):
    wrap = arrax.jit if compiled else (lambda f: f)
    x = jnp.arange(4.0)
    places = jnp.array([1, 9, -9])
    np.testing.assert_array_equal(wrap(lambda x, i: x[i])(x, places), [1, 3, 0])
    np.testing.assert_array_equal(
        wrap(lambda x, i: x.at[i].get(mode="fill", fill_value=7))(x, places), [1, 7, 7])
    np.testing.assert_array_equal(wrap(lambda x, i: x.at[i].set(8))(x, places), [0, 8, 2, 3])
    np.testing.assert_array_equal(
        wrap(lambda x, i: x.at[i].set(8, mode="clip"))(x, places), [8, 8, 2, 8])
    np.testing.assert_array_equal(
        wrap(lambda x, i: x.at[i].set(8, mode="promise_in_bounds"))(x, places), [0, 8, 2, 3])
    assert x[10] == 3
    assert x[-10] == 0
    np.testing.assert_array_equal(x.at[10].set(5), x)
    np.testing.assert_array_equal(
        x.at[jnp.array([-1])].get(mode="fill", wrap_negative_indices=False), [np.nan])


def test_repeated_indices_add_up():
    np.testing.assert_array_equal(jnp.zeros(3).at[jnp.array([0, 0, 2])].add(1.0), [2, 0, 1])
    np.testing.assert_array_equal(
        jnp.arange(1.0, 4).at[jnp.array([0, 0])].apply(lambda v: v * 3), [9, 2, 3])


@pytest.mark.parametrize("index", [0, slice(None, None, 2), (0, slice(None), np.array([0, 1])),
                                   np.array([0, 0, 2])])
def test_gradients(index):
    check_gradient(lambda m, x: x[index], DATA / 10)
    check_gradient(lambda m, x: x.at[index].add(x[index] * x[index]), DATA / 10)
    check_gradient(lambda m, x, y: x.at[index].set(y), DATA / 10, np.float64(3.0))


def test_masks():
    x = jnp.asarray(DATA)
    np.testing.assert_array_equal(x[x > 30], DATA[DATA > 30])
    np.testing.assert_array_equal(x.at[x > 30].set(0), np.where(DATA > 30, 0, DATA))
    with pytest.raises(arrax.errors.NonConcreteBooleanIndexError,
                       match=r"Array boolean indices must be concrete; got bool\[3,4,5\]"):
        arrax.jit(lambda x: x[x > 30])(x)


@pytest.mark.parametrize(("call", "error", "text"), [
    (lambda x: x[1.5], TypeError, "Indexer must have integer or boolean type"),
    (lambda x: x["a"], TypeError, "does not support string indexing"),
    (lambda x: x[[0, 1]], TypeError, "non-tuple sequence for multidimensional indexing"),
    (lambda x: x[0, 0, 0, 0], IndexError, "Too many indices: array is 3-dimensional, but 4"),
    (lambda x: x[..., 0, ...], IndexError, "single ellipsis"),
    (lambda x: x[np.array([True, False])], IndexError, "boolean index did not match"),
    (lambda x: x[np.array([0, 1]), np.array([0, 1, 2])], ValueError, "Incompatible shapes"),
    (lambda x: jnp.zeros((0, 2))[0], IndexError, "out of bounds for axis 0 with size 0"),
    (lambda x: x.at[0].set(jnp.ones(3)), ValueError, "Incompatible types for broadcasting"),
    (lambda x: x.at[0].set(1, mode="nowhere"), ValueError, "Unknown gather mode"),
    (lambda x: x.__setitem__(0, 1), TypeError,
     "'<class 'arrax.ArrayImpl'>' object does not support item assignment. JAX arrays are "
     "immutable"),
    (lambda x: arrax.jit(lambda x, k: x[k:k + 1])(x, 1), IndexError,
     "Slice entries must be static integers")])
def test_errors(call, error, text):
    with pytest.raises(error, match=text):
        call(jnp.asarray(DATA))


def test_an_update_that_loses_precision_warns():
    with pytest.warns(FutureWarning, match="cannot safely cast"):
        out = jnp.arange(3).at[0].set(2.5)
    assert out.dtype == jnp.int32
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        jnp.arange(3).at[0].set(True)
        jnp.zeros(3).at[0].set(1)


def test_updates_leave_the_array_alone():
    x = jnp.zeros(3)
    x.at[0].set(1.0)
    np.testing.assert_array_equal(x, [0, 0, 0])


def test_vmapped_reads_and_updates():
    places = jnp.array([0, 2, 1])
    read = arrax.vmap(lambda row, k: row[k])(jnp.asarray(DATA), places)
    np.testing.assert_array_equal(read, DATA[np.arange(3), np.asarray(places)])
    added = arrax.vmap(lambda row, k: row.at[k].add(1.0))(jnp.asarray(DATA), places)
    expected = DATA.copy()
    expected[np.arange(3), np.asarray(places)] += 1
    np.testing.assert_array_equal(added, expected)
