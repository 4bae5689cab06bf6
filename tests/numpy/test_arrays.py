"""Making arrays, their methods and text, copies, and exchange with other libraries."""
from __future__ import annotations

import copy
import pickle
import warnings

import numpy as np
import pytest

import arrax
import arrax.numpy as jnp


class WithArrax:
    def __jax_array__(self):
        return jnp.ones(2)


class WithNumPy:
    def __array__(self, dtype=None, copy=None):
        return np.arange(3, dtype=np.int16)


@pytest.mark.parametrize(("value", "text"), [
    (2, "Array(2, dtype=int32, weak_type=True)"), (True, "Array(True, dtype=bool)"),
    (1 + 2j, "Array(1.+2.j, dtype=complex64, weak_type=True)"),
    ([1, 2.5, True], "Array([1. , 2.5, 1. ], dtype=float32)"),
    ([], "Array([], shape=(0,), dtype=float32)"), (range(3), "Array([0, 1, 2], dtype=int32)"),
    (np.float64(3), "Array(3., dtype=float32)"),
    (np.arange(3), "Array([0, 1, 2], dtype=int32)"),
    ([np.int8(1), 2], "Array([1, 2], dtype=int8)"),
    (WithArrax(), "Array([1., 1.], dtype=float32)"),
    ([WithArrax(), WithArrax()], "Array([[1., 1.],\n       [1., 1.]], dtype=float32)"),
    (WithNumPy(), "Array([0, 1, 2], dtype=int16)"),
    (memoryview(b"abc"), "Array([97, 98, 99], dtype=uint8)")])
def test_array(value, text):
    assert repr(jnp.array(value)) == text


@pytest.mark.parametrize(("call", "error", "text"), [
    (lambda: jnp.array("abc"), TypeError, "Value 'abc' with dtype <U3 is not a valid JAX array"),
    (lambda: jnp.array(object()), TypeError, "with dtype object"),
    (lambda: jnp.array(None), ValueError, "None is not a valid value for jnp.array"),
    (lambda: jnp.array([1, None]), ValueError, "None is not a valid value"),
    (lambda: jnp.array([[1, 2], [3]]), ValueError, "inhomogeneous"),
    (lambda: jnp.array(2 ** 40), OverflowError, "too large to convert to int32"),
    (lambda: jnp.array([-1], "uint8"), OverflowError, "out of bounds for uint8"),
    (lambda: jnp.zeros(2.5), TypeError, "Shapes must be 1D sequences of concrete values"),
    (lambda: jnp.zeros((2, -1)), TypeError, "must have every element be nonnegative"),
    (lambda: jnp.ones_like([1]), TypeError, "ones_like requires ndarray or scalar arguments"),
    (lambda: jnp.linspace(0, 1, -1), ValueError, "must be non-negative"),
    (lambda: jnp.arange(1j), ValueError, "complex"),
    (lambda: arrax.jit(jnp.arange)(3), arrax.errors.ConcretizationTypeError,
     "jnp.arange argument 'stop'"),
    (lambda: jnp.sum([1, 2]), TypeError,
     "sum requires ndarray or scalar arguments, got <class 'list'> at position 0."),
    (lambda: jnp.ones((2, 3)).reshape(5, 5), TypeError, "cannot reshape array of shape"),
    (lambda: jnp.sum(jnp.ones(3), axis=2), ValueError, "axis 2 is out of bounds"),
    (lambda: jnp.max(jnp.ones(0)), ValueError, "zero-size array to reduction operation max"),
    (lambda: jnp.ones(3).sum(out=3), NotImplementedError, "'out' argument to jnp.sum"),
    (lambda: jnp.concatenate([]), ValueError, "Need at least one array"),
    (lambda: jnp.concatenate([jnp.ones((2, 2)), jnp.ones(3)]), TypeError,
     "different numbers of dimensions"),
    (lambda: jnp.ones(3) @ 2.0, ValueError, "must have ndim at least 1"),
    (lambda: jnp.where(jnp.ones(3), 1), TypeError, "where requires ndarray"),
    (lambda: jnp.einsum("ij,jk", jnp.ones((2, 3)), jnp.ones((2, 3))), ValueError,
     "Size of label 'j'"),
    (lambda: arrax.jit(jnp.nonzero)(jnp.ones(3)), arrax.errors.ConcretizationTypeError,
     "size argument of jnp.nonzero must be statically specified"),
    (lambda: arrax.jit(jnp.unique)(jnp.ones(3)), arrax.errors.ConcretizationTypeError, "size"),
    (lambda: arrax.jit(lambda x: x.reshape(x.sum()))(jnp.ones(3, int)), TypeError,
     r"Shapes must be 1D sequences of concrete values of integer type, got "
     r"\[JitTracer<int32\[\]>\]")])
def test_errors(call, error, text):
    with pytest.raises(error, match=text):
        call()


def test_a_writeable_numpy_array_is_copied():
    data = np.zeros(3, np.float32)
    for make in (jnp.array, jnp.asarray):
        x = make(data)
        data[0] = 9
        assert x[0] == 0
        data[0] = 0
    assert not np.asarray(jnp.zeros(3)).flags.writeable


def test_explicit_64_bits_warn():
    with pytest.warns(UserWarning, match="float64 requested in zeros is not available"):
        assert jnp.zeros(2, jnp.float64).dtype == jnp.float32
    with arrax.enable_x64(True), warnings.catch_warnings():
        warnings.simplefilter("error")
        assert jnp.zeros(2).dtype == jnp.float64
        assert jnp.arange(3).dtype == jnp.int64


@pytest.mark.parametrize(("array", "text"), [
    (lambda: jnp.zeros((0, 3)), "Array([], shape=(0, 3), dtype=float32)"),
    (lambda: jnp.arange(2000), "Array([   0,    1,    2, ..., 1997, 1998, 1999], dtype=int32)"),
    (lambda: jnp.array([1.5, 2], jnp.bfloat16), "Array([1.5, 2], dtype=bfloat16)"),
    (lambda: jnp.array([1, 2]).astype(jnp.int4), "Array([1, 2], dtype=int4)"),
    (lambda: jnp.ones((2, 3), jnp.int8), "Array([[1, 1, 1],\n       [1, 1, 1]], dtype=int8)"),
    (lambda: jnp.add(1, 1.0), "Array(2., dtype=float32, weak_type=True)")])
def test_text(array, text):
    assert repr(array()) == text
    assert str(array()) == str(np.asarray(array()))


def test_format():
    assert f"{jnp.array(3.14159):.2f}" == "3.14"
    assert f"{jnp.arange(3)}" == "[0 1 2]"


def test_copies():
    x = jnp.add(1, 1.0)
    for y in (copy.copy(x), copy.deepcopy(x), pickle.loads(pickle.dumps(x)), x.copy()):
        assert repr(y) == repr(x)
        assert y is not x


def test_operators_defer_to_other_classes():
    class Other:
        def __radd__(self, other):
            return "mine"

        def __rmatmul__(self, other):
            return "product"
    assert jnp.ones(3) + Other() == "mine"
    assert jnp.ones(3) @ Other() == "product"
    assert isinstance(np.arange(3) + jnp.arange(3), arrax.Array)
    assert isinstance(np.float32(3) * jnp.arange(3), arrax.Array)
    assert (jnp.ones(3) == None) is False  # noqa: E711 - the comparison is the test
    assert jnp.ones(2) + WithArrax() is not None


def test_methods_and_properties():
    data = np.random.RandomState(0).randn(3, 4).astype(np.float32)
    x = jnp.asarray(data)
    for name in "sum prod mean std var max min all any cumsum argmax argsort sort ravel".split():
        np.testing.assert_allclose(getattr(x, name)(), getattr(jnp, name)(x))
    np.testing.assert_array_equal(x.T, data.T)
    np.testing.assert_array_equal(x.mT, data.T)
    np.testing.assert_array_equal(x.reshape(2, -1), data.reshape(2, -1))
    np.testing.assert_array_equal(x.transpose(1, 0), data.T)
    np.testing.assert_array_equal(x.flatten(), data.ravel())
    np.testing.assert_array_equal(x.view(jnp.int16), data.view(np.int16))
    np.testing.assert_array_equal(x.view(jnp.int32).view(jnp.float32), data)
    np.testing.assert_array_equal(x.astype(int), data.astype(int))
    np.testing.assert_array_equal(x.clip(0, 1), data.clip(0, 1))
    assert (x.nbytes, x.itemsize, x.ndim, x.size, x.shape) == (48, 4, 2, 12, (3, 4))
    assert [float(r[0]) for r in x] == data[:, 0].tolist()
    assert 3.0 in jnp.arange(4.0)
    assert x.tolist() == data.tolist()
    assert divmod(jnp.array(7.5), -2) == (-4.0, -0.5)
    with pytest.raises(NotImplementedError, match="arr.flat"):
        _ = x.flat
    with pytest.raises(TypeError, match="unhashable"):
        hash(x)


def test_methods_of_tracers():
    @arrax.jit
    def f(x):
        assert "JitTracer" in repr(x)
        rows = list(x)
        return (x.sum() + x.at[0].set(1.0).mean() + rows[1][0] + x.T.reshape(-1)[0]
                + abs(-x).max() + (x @ x.T).trace() + len(x))
    assert f(jnp.ones((2, 3))).shape == ()


def test_dlpack():
    x = jnp.arange(3.0)
    np.testing.assert_array_equal(np.from_dlpack(x), [0, 1, 2])
    shared = np.arange(3, dtype=np.float32)
    np.testing.assert_array_equal(jnp.from_dlpack(shared), shared)
    assert x.__dlpack_device__() == (1, 0)


def test_scalar_types_make_arrays():
    assert repr(jnp.float32(1)) == "Array(1., dtype=float32)"
    assert repr(jnp.int32([1, 2])) == "Array([1, 2], dtype=int32)"
    assert np.dtype(jnp.bfloat16) == jnp.bfloat16


def test_files(tmp_path):
    jnp.save(tmp_path / "a.npy", jnp.arange(3))
    np.testing.assert_array_equal(jnp.load(tmp_path / "a.npy"), [0, 1, 2])
    np.testing.assert_array_equal(jnp.frombuffer(b"\x01\x02", dtype="uint8"), [1, 2])
    with pytest.raises(NotImplementedError, match="non-pure"):
        jnp.fromfile("x")


def test_files_of_several_arrays(tmp_path):
    path = tmp_path / "a.npz"
    jnp.savez(path, jnp.arange(3), allow_pickle=False, b=jnp.ones(2))
    with jnp.load(path) as files:
        assert sorted(files) == ["arr_0", "b"]
        np.testing.assert_array_equal(files["arr_0"], [0, 1, 2])
    objects = np.array([None], object)
    for args, kwds in (((objects,), {}), ((), {"b": objects})):
        jnp.savez(path, *args, **kwds)
        with pytest.raises(ValueError, match="allow_pickle=False"):
            jnp.savez(path, *args, allow_pickle=False, **kwds)


@pytest.mark.parametrize("compiled", [False, True])
def test_sets_of_static_size(compiled):
    x = jnp.array([3, 1, 3, 2])
    wrap = arrax.jit if compiled else (lambda f: f)
    rows = [
        (lambda v: jnp.unique(v, size=5), [1, 2, 3, 1, 1]),
        (lambda v: jnp.unique(v, size=2), [1, 2]),
        (lambda v: jnp.unique(v, size=4, fill_value=9), [1, 2, 3, 9]),
        (lambda v: jnp.union1d(v, v + 1, size=5), [1, 2, 3, 4, 1]),
        (lambda v: jnp.intersect1d(v, v + 1, size=3, fill_value=9), [2, 3, 9]),
        (lambda v: jnp.setdiff1d(v, v + 1, size=2, fill_value=9), [1, 9]),
        (lambda v: jnp.setxor1d(v, v + 1, size=3, fill_value=9), [1, 4, 9]),
        (lambda v: jnp.nonzero(v > 2, size=3, fill_value=-1)[0], [0, 2, -1]),
        (lambda v: jnp.where(v > 2, size=1)[0], [0])]
    for function, expected in rows:
        np.testing.assert_array_equal(wrap(function)(x), expected)


def test_vectorize():
    a = np.random.RandomState(0).randn(5, 3, 4).astype(np.float32)
    v = a[0, 0]
    product = jnp.vectorize(lambda m, w: m @ w, signature="(m,n),(n)->(m)")
    np.testing.assert_allclose(product(a, v), a @ v, rtol=1e-5)
    both = jnp.vectorize(lambda x, y: (x + y, x * y))
    np.testing.assert_allclose(both(a[:, :1], v)[1], a[:, :1] * v)
    plain = jnp.vectorize(lambda x, n: x ** n, excluded=(1,))
    np.testing.assert_allclose(plain(v, 2), v ** 2, rtol=1e-6)
    with pytest.raises(ValueError, match="not a valid gufunc signature"):
        jnp.vectorize(lambda x: x, signature="(m->m")
    with pytest.raises(ValueError, match="does not have enough dimensions"):
        product(v, v)


def test_equations_of_common_functions():
    text = str(arrax.make_jaxpr(lambda x: x.mean(0) + 1)(jnp.ones((2, 3))))
    assert text.split() == """{ lambda ; a:f32[2,3]. let
        b:f32[3] = reduce_sum[axes=(0,) out_sharding=None] a
        c:f32[3] = div b 2.0:f32[]
        d:f32[3] = add c 1.0:f32[]
      in (d,) }""".split()
    text = str(arrax.make_jaxpr(lambda x: x[0])(jnp.ones((2, 3))))
    assert text.split() == """{ lambda ; a:f32[2,3]. let
        b:f32[1,3] = slice[limit_indices=(1, 3) start_indices=(0, 0) strides=None] a
        c:f32[3] = squeeze[dimensions=(0,)] b
      in (c,) }""".split()


def test_rank_promotion_flag():
    with arrax.numpy_rank_promotion("raise"), pytest.raises(ValueError, match="rank_promotion"):
        jnp.ones((2, 3)) + jnp.ones(3)


def test_devices():
    device = arrax.devices()[0]
    for x in (jnp.zeros(3, device=device), jnp.asarray([1.0], device=device),
              jnp.arange(3).to_device(device), jnp.linspace(0, 1, 3, device=device)):
        assert x.device == device
        assert x.committed
    assert not jnp.zeros(3).committed
