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
from tests.numpy.index_expressions import arrays_and_indices

SHAPE = (3, 4, 5)
DATA = np.arange(60, dtype=np.float32).reshape(SHAPE)


UFUNCS = {"add": np.add, "subtract": np.subtract, "multiply": np.multiply, "divide": np.divide,
          "power": np.power, "min": np.minimum, "max": np.maximum}


@settings(max_examples=200, deadline=None)
@given(arrays_and_indices())
def test_reading(pair):
    data, index = pair
    expected = data[index]
    np.testing.assert_array_equal(jnp.asarray(data)[index], expected)
    np.testing.assert_array_equal(jnp.asarray(data).at[index].get(), expected)
    np.testing.assert_array_equal(
        jnp.asarray(data).at[index].get(mode="fill", fill_value=-1), expected)


@settings(max_examples=200, deadline=None)
@given(arrays_and_indices(), st.sampled_from(["set", "apply", *UFUNCS]))
def test_updating(pair, kind):
    data, index = pair
    expected, values = updated(data, index, kind)
    found = update(jnp.asarray(data), index, kind, values)
    np.testing.assert_allclose(found, expected, rtol=2e-6)


@settings(max_examples=30, deadline=None)
@given(arrays_and_indices(masks=False), st.sampled_from(["set", *UFUNCS]))
def test_compiled(pair, kind):
    """Compiled, with index arrays as arguments."""
    data, index = pair
    expected, values = updated(data, index, kind)
    traced = [i for i in whole(index) if isinstance(i, np.ndarray)]

    @arrax.jit
    def both(x, traced):
        given = iter(traced)
        known = tuple(next(given) if isinstance(i, np.ndarray) else i for i in whole(index))
        return x[known], update(x, known, kind, values)
    read, written = both(data, traced)
    np.testing.assert_array_equal(read, data[index])
    np.testing.assert_allclose(written, expected, rtol=2e-6)


@settings(max_examples=60, deadline=None)
@given(arrays_and_indices())
def test_derivatives(pair):
    """The transpose of reading is adding; a batch is read as its members are."""
    data, index = pair
    weights = np.cos(np.arange(data[index].size, dtype=np.float32)).reshape(data[index].shape)
    gradient = arrax.grad(lambda x: jnp.sum(x[index] * weights))(jnp.asarray(data))
    expected = np.zeros_like(data)
    np.add.at(expected, index, weights)
    np.testing.assert_allclose(gradient, expected, rtol=1e-5, atol=1e-6)
    batch = np.stack([data, data + 1])
    np.testing.assert_array_equal(arrax.vmap(lambda x: x[index])(jnp.asarray(batch)),
                                  np.stack([data[index], data[index] + 1]))


@settings(max_examples=100, deadline=None)
@given(st.integers(1, 5), st.lists(st.integers(-9, 9), min_size=1, max_size=5),
       st.sampled_from([None, "fill", "drop", "clip"]), st.booleans())
def test_modes(size, places, mode, wrap_negative):
    """Out of bounds, by a written model of each mode."""
    data = np.arange(10, 10 + size, dtype=np.float32)
    index = jnp.array(places)
    options = {"mode": mode, "wrap_negative_indices": wrap_negative}
    real = [p + size if p < 0 and wrap_negative else p for p in places]
    inside = [0 <= p < size for p in real]
    clipped = data[np.clip(real, 0, size - 1)]
    read = np.where(inside, clipped, np.nan) if mode in ("fill", "drop") else clipped
    np.testing.assert_array_equal(jnp.asarray(data).at[index].get(**options), read)
    written = data.copy()
    kept = np.clip(real, 0, size - 1) if mode == "clip" else [
        p for p, ok in zip(real, inside, strict=True) if ok]
    np.add.at(written, np.array(kept, int), 1)
    np.testing.assert_array_equal(jnp.asarray(data).at[index].add(1, **options), written)


def whole(index):
    """The index as a tuple."""
    return index if isinstance(index, tuple) else (index,)


def updated(data, index, kind):
    """(NumPy's array after the update, the values for it); equal ones where order would matter."""
    shape = data[index].shape
    expected = data.copy()
    values = (np.arange(int(np.prod(shape)), dtype=np.float32) % 3 + 1).reshape(shape)
    if kind == "set":
        expected[index] = values = np.float32(7)
    elif kind == "apply":
        np.negative.at(expected, index)
    else:
        with np.errstate(over="ignore"):
            UFUNCS[kind].at(expected, index, values)
    return expected, values


def update(x, index, kind, values):
    if kind == "apply":
        return x.at[index].apply(jnp.negative)
    return getattr(x.at[index], kind)(values)


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


def test_empty_spans_may_start_anywhere():
    """Backwards over an empty axis, or from beyond where a span begins."""
    x, empty = jnp.asarray(DATA), jnp.zeros((0, 3))
    for call in (lambda x, e: e[::-1], lambda x, e: e[::-2, ::-1], lambda x, e: x[5:2],
                 lambda x, e: x[0:0:-1, ::-1], lambda x, e: x.at[0:0:-1].set(1.0),
                 lambda x, e: e.at[::-1].add(1.0)):
        eager, compiled = call(x, empty), arrax.jit(call)(x, empty)
        assert eager.shape == compiled.shape
        np.testing.assert_array_equal(eager, compiled)
    assert empty[::-1].shape == (0, 3)


@pytest.mark.parametrize("index", [0, -1, np.int32(0), np.array(0)])
def test_integers_into_empty_axes(index):
    """No integer is in bounds there, known or traced, read or written."""
    empty, wide = jnp.zeros((0, 3)), jnp.zeros((3, 0))
    for call in (lambda x, y, i: x[i], lambda x, y, i: y[:, i], lambda x, y, i: x.at[i].set(1.0),
                 lambda x, y, i: x.at[i].get(mode="fill"),
                 lambda x, y, i: arrax.vmap(lambda k: x[k])(jnp.stack([i, i]))):
        for run in (call, arrax.jit(call)):
            with pytest.raises(IndexError, match="out of bounds for axis [01] with size 0"):
                run(empty, wide, index)
    assert wide[0].shape == (0,) and empty[jnp.zeros(0, int)].shape == (0, 3)


def test_known_scalars_index_traced_arrays():
    x, place = jnp.asarray(DATA), jnp.int32(1)
    for mode in ("wrap", "clip", "fill"):
        def taken(x, mode=mode):
            return jnp.take(x, place, axis=0, mode=mode)
        np.testing.assert_array_equal(taken(x), DATA[1])
        np.testing.assert_array_equal(arrax.jit(taken)(x), DATA[1])
        gradient = arrax.grad(lambda x: jnp.sum(taken(x)))(x)
        expected = np.zeros_like(DATA)
        expected[1] = 1
        np.testing.assert_array_equal(gradient, expected)


def test_large_unsigned_indices_are_out_of_bounds():
    x, places = jnp.asarray([5.0, 6.0, 7.0]), jnp.array([1, 2 ** 32 - 1, 2 ** 31], "uint32")
    for mode, expected in (("fill", [6, np.nan, np.nan]), ("clip", [6, 7, 7])):
        def taken(x, places, mode=mode):
            return x.at[places].get(mode=mode)
        np.testing.assert_array_equal(taken(x, places), expected)
        np.testing.assert_array_equal(arrax.jit(taken)(x, places), expected)
        np.testing.assert_array_equal(arrax.vmap(taken, (None, 0))(x, places), expected)
    for added in (x.at[places].add(1.0), arrax.jit(lambda x, p: x.at[p].add(1.0))(x, places)):
        np.testing.assert_array_equal(added, [5, 7, 7])


def test_known_indices_too_narrow_for_the_dimension():
    x, places = jnp.arange(513.0), jnp.array([-1, 5, -128, 127], "int8")
    for read in (lambda x, i: x[i], lambda x, i: x.at[i].get(mode="clip")):
        np.testing.assert_array_equal(read(x, places), [512, 5, 385, 127])
        np.testing.assert_array_equal(arrax.jit(read)(x, places), [512, 5, 385, 127])
