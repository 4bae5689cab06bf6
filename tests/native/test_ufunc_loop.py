"""Quiet ufuncs on small operands run an inner loop directly: the same as NumPy's whole call."""
from __future__ import annotations

import itertools
import warnings

import numpy as np
import pytest

from arrax import _native

UFUNCS = [np.add, np.subtract, np.multiply, np.divide, np.equal, np.less, np.maximum, np.sign,
          np.negative, np.absolute, np.exp, np.sqrt, np.logical_and, np.bitwise_and, np.left_shift,
          np.isfinite, np.power, np.fmod]
DTYPES = ["bool", "uint8", "int32", "int64", "float16", "float32", "float64", "complex64"]
SHAPES = [((), ()), ((5,), (5,)), ((5,), ()), ((), (5,)), ((1,), (5,)), ((1, 1), (5,)),
          ((2, 3), (1, 1)), ((2, 3), (3,)), ((1, 5), (5,)), ((1,), (1, 1)), ((0,), (1,)),
          ((0,), ()), ((3000,), (3000,)), ((2, 1), (1, 3))]


def _outcome(call, operands):
    try:
        with np.errstate(all="ignore"):
            out = np.asarray(call(*operands))
    except (TypeError, ValueError) as error:
        return type(error)
    return out.dtype, out.shape, out.tobytes()


@pytest.mark.parametrize("ufunc", UFUNCS, ids=lambda u: u.__name__)
def test_results_are_those_of_the_ufunc(ufunc):
    draw = np.random.default_rng(0)
    quiet = _native.Quiet(ufunc)
    for shapes, dtype in itertools.product(SHAPES, DTYPES):
        operands = [(draw.standard_normal(shape) * 3).astype(dtype) if dtype != "uint8"
                    else draw.integers(0, 7, shape, np.uint8) for shape in shapes][:ufunc.nin]
        if ufunc is np.power and dtype.startswith("int"):
            operands = [abs(x) for x in operands]
        assert _outcome(quiet, operands) == _outcome(ufunc, operands), (dtype, shapes)


def test_other_operands_are_left_to_numpy():
    add, x = _native.Quiet(np.add), np.arange(12, dtype=np.float32).reshape(3, 4)
    for operands in ((x.T, x.T), (x[::2], x[::2]), (x.astype(">f4"), x), (x, 2), (x, np.float64(2)),
                     (x, x.astype(np.int32)), (x.view(np.ma.MaskedArray), x)):
        wanted = np.add(*operands)
        found = add(*operands)
        assert type(found) is type(wanted) and found.dtype == wanted.dtype
        np.testing.assert_array_equal(found, wanted)


def test_no_warnings_nor_flags_for_the_next_call():
    zero = np.zeros(3, np.float32)
    with warnings.catch_warnings(), np.errstate(all="raise"):
        warnings.simplefilter("error")
        assert np.isnan(_native.Quiet(np.divide)(zero, zero)).all()
        assert np.add(zero, zero).tolist() == [0, 0, 0]
        assert np.exp(zero).tolist() == [1, 1, 1]
