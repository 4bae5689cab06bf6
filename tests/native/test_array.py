"""ArrayBase, make_array and the table of avals."""
from __future__ import annotations

import gc
import sys
import threading
import weakref

import ml_dtypes
import numpy as np
import pytest

from arrax import _native
from arrax.core.array import ArrayImpl
from arrax.core.aval import ShapedArray

DTYPES = [np.bool_, np.int8, np.uint64, np.float16, np.float32, np.complex128, ml_dtypes.bfloat16,
          ml_dtypes.float8_e4m3fn, ml_dtypes.int4]


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("shape", [(), (0,), (3,), (2, 3), (1, 2, 1, 2, 1, 2, 1, 2)])
@pytest.mark.parametrize("weak_type", [False, True])
def test_the_aval_is_the_interned_one(dtype, shape, weak_type):
    array = _native.make_array(np.zeros(shape, dtype), weak_type)
    assert type(array) is ArrayImpl
    assert array.aval is ShapedArray(shape, dtype, weak_type)
    assert (array.shape, array.dtype, array.weak_type) == (shape, np.dtype(dtype), weak_type)
    assert (array.ndim, array.size) == (len(shape), int(np.prod(shape)))
    assert array.placement is None


@pytest.mark.parametrize("dtype", DTYPES)
def test_scalars_become_arrays(dtype):
    array = _native.make_array(np.ones((), dtype)[()])
    assert type(array.data) is np.ndarray
    assert array.data.shape == () and array.data.dtype == dtype and array.data == 1


def test_the_data_is_shared_and_freed():
    data = np.zeros(3)
    before = sys.getrefcount(data)
    arrays = [_native.make_array(data) for _ in range(10)]
    assert sys.getrefcount(data) == before + 10
    assert arrays[0].data is data
    del arrays
    assert sys.getrefcount(data) == before


def test_arrays_have_weak_references_and_no_dict():
    array = _native.make_array(np.zeros(3))
    reference = weakref.ref(array)
    assert reference() is array and not gc.is_tracked(array)
    with pytest.raises(AttributeError):
        array.other = 1
    with pytest.raises(AttributeError):
        array.aval = None
    del array
    assert reference() is None


def test_data_and_placement_are_fields():
    array = _native.make_array_aval(np.zeros(3), "aval", "cpu:1")
    assert (array.aval, array.placement) == ("aval", "cpu:1")
    array.delete()
    assert array.data is None


def test_subclasses_of_ndarray_are_viewed_as_ndarrays():
    assert type(_native.make_array(np.ones(1).view(np.recarray)).data) is np.ndarray


@pytest.mark.parametrize("call", [
    lambda: _native.make_array([1.0]), lambda: _native.make_array(1.0),
    lambda: _native.make_array(), lambda: _native.make_array_aval(np.zeros(3)),
    lambda: ArrayImpl(), lambda: _native.set_array_type(int),
    lambda: _native.set_array_type(type("Wide", (_native.ArrayBase,), {"__slots__": ("more",)}))])
def test_wrong_arguments_raise_type_error(call):
    with pytest.raises(TypeError):
        call()


def test_dtypes_made_on_the_fly_are_not_kept():
    dtype = np.dtype("float32", metadata={"a": 1})
    before = sys.getrefcount(dtype)
    for _ in range(5):
        _native.make_array(np.zeros((1, 2, 77), dtype))
    assert sys.getrefcount(dtype) <= before + 2


def test_many_shapes_grow_the_table():
    avals = [_native.make_array(np.zeros((i, 0))).aval for i in range(2000)]
    assert len(set(map(id, avals))) == 2000
    assert all(_native.make_array(np.ones((i, 0))).aval is aval for i, aval in enumerate(avals))


def test_the_trace_is_of_the_thread():
    default, mine, seen = _native.get_trace(), object(), []
    _native.set_trace(mine)
    try:
        thread = threading.Thread(target=lambda: seen.append(_native.get_trace()))
        thread.start()
        thread.join()
        assert _native.get_trace() is mine and seen == [default]
    finally:
        _native.set_trace(default)
    assert _native.get_trace() is default and sys.getrefcount(mine) == 2
