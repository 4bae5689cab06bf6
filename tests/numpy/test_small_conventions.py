"""Conventions of single functions that programs and tests read: messages, odd arguments, names."""
from __future__ import annotations

from typing import Any

import arrax
import arrax.numpy as jnp
import numpy as np
import pytest
from arrax import lax

X = jnp.arange(12, dtype=jnp.int32).reshape(3, 4)


@pytest.mark.parametrize("dtype", ["int8", "int16", "uint32", "float16", "float32", "complex64",
                                   "bool"])
def test_byteswap(dtype: str) -> None:
    x = np.arange(6).reshape(2, 3).astype(dtype)
    for call in (lambda x: x.byteswap(), arrax.jit(lambda x: x.byteswap())):
        assert np.asarray(call(jnp.asarray(x))).tobytes() == x.byteswap().tobytes()


def test_tobytes() -> None:
    for order in "CF":
        assert X.tobytes(order) == np.asarray(X).tobytes(order)
    with pytest.raises(arrax.errors.ConcretizationTypeError,
                       match=r"tobytes\(\) method was called on traced array with shape int32"):
        arrax.jit(lambda x: x.tobytes())(X)


ERRORS: list[tuple[Any, type[Exception], str]] = [
    (lambda: X[0] in X[0], ValueError, "query value must be a scalar"),
    (lambda: "a" in X[0], TypeError, "unsupported operand type"),
    (lambda: jnp.rot90(X[0]), ValueError, "ndim at least two"),
    (lambda: jnp.size(X, (0, -2)), ValueError, "repeated axis"),
    (lambda: jnp.take(jnp.ones((2, 0)), jnp.array([0]), axis=1), IndexError, "non-empty jnp.take"),
    (lambda: jnp.sum(X, initial=jnp.zeros(2)), ValueError, "initial value must be a scalar"),
    (lambda: jnp.nansum(X, where=X), ValueError, "jnp.nansum: where must be None or a boolean"),
    (lambda: jnp.tri(3, k=2 ** 40), OverflowError, "too large"),
    (lambda: jnp.array(X, None, True, copy=False), TypeError, "multiple values"),
    (lambda: jnp.vectorize(lambda x, y: x, signature="(k),(k)->(k)")(X, None), ValueError,
     "Cannot pass None"),
    (lambda: arrax.dtypes.itemsize_bits(None), ValueError, "cannot be None")]


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@pytest.mark.parametrize(("call", "error", "message"), ERRORS, ids=[e[2] for e in ERRORS])
def test_errors(call: Any, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        call()


def test_arguments_by_position() -> None:
    with pytest.warns(DeprecationWarning, match="by position"):
        assert jnp.array(X, None, False) is X


def test_large_integers_wrap_where_a_value_is_filled_in() -> None:
    for found in (lax.convert_element_type(2 ** 32 + 5, "int32"), jnp.full((), 2 ** 32 + 5),
                  jnp.full_like(X[0, 0], 2 ** 32 + 5)):
        assert found == 5
    assert jnp.full_like(jnp.uint32(0), 2 ** 32 - 1) == 2 ** 32 - 1
    assert lax.convert_element_type(2 ** 100, "float32") == np.float32(2.0 ** 100)
    np.testing.assert_array_equal(jnp.eye(3, k=2 ** 100), np.zeros((3, 3)))


def test_none_in_vectorized_functions() -> None:
    f = jnp.vectorize(lambda x, y: x if y is None else x + y)
    np.testing.assert_array_equal(f(X, None), X)
    np.testing.assert_array_equal(f(X, X[0]), X + X[0])


def test_running_sums_of_bools() -> None:
    x = jnp.array([False, True, False, True])
    np.testing.assert_array_equal(jnp.cumsum(x, dtype=bool), np.cumsum(x, dtype=bool))


def test_difference_of_sets_keeps_its_dtype() -> None:
    found = jnp.setdiff1d(jnp.array([3, 1, 2], "int16"), jnp.array([2.0, 5.0]), size=5)
    assert found.dtype == np.int16 and found.tolist() == [1, 3, 0, 0, 0]


@pytest.mark.parametrize("indices", [[0, 2], [3, 1, 2], [2, 2], []])
@pytest.mark.parametrize("wrap", [lambda f: f, arrax.jit], ids=["eager", "jit"])
def test_reduceat(indices: list[int], wrap: Any) -> None:
    x, at = np.arange(20.0).reshape(5, 4), np.array(indices, np.int32)
    for ours, theirs in ((jnp.add, np.add), (jnp.maximum, np.maximum)):
        for axis in (0, 1):
            np.testing.assert_allclose(
                wrap(lambda x, at, f=ours, a=axis: f.reduceat(x, at, a))(x, at),
                theirs.reduceat(x, at, axis))


def test_half_floats_are_summed_in_the_dtype_that_is_asked_for() -> None:
    x = jnp.ones(5, "bfloat16")
    names = [[e.primitive.name for e in arrax.make_jaxpr(f)(x).eqns] for f in (
        jnp.sum, lambda x: jnp.sum(x, dtype="bfloat16"))]
    assert names == [["convert_element_type", "reduce_sum", "convert_element_type"], ["reduce_sum"]]


def test_devices_leave_keys_as_they_are() -> None:
    keys = arrax.random.split(arrax.random.key(0), 3)
    assert arrax.device_get({"k": keys})["k"] is keys


def test_key_paths_hash_by_kind() -> None:
    from arrax.tree_util import FlattenedIndexKey, SequenceKey
    assert hash(SequenceKey(1)) != hash(FlattenedIndexKey(1))


def test_copies_that_share_no_memory() -> None:
    x = arrax.device_put(jnp.arange(3.0), arrax.devices()[0])
    assert arrax.device_put(x, may_alias=True) is x
    for target in (None, arrax.devices()[0]):
        copy = arrax.device_put(x, target, may_alias=False)
        assert copy.unsafe_buffer_pointer() != x.unsafe_buffer_pointer()
        np.testing.assert_array_equal(copy, x)
    with pytest.raises(ValueError, match="cannot be True at the same time"):
        arrax.device_put(x, may_alias=True, donate=True)
