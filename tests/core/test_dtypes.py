"""Dtypes: names, kinds, truncation, promotion."""
from __future__ import annotations

import copy
import pickle
import warnings

import ml_dtypes
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from arrax.core import config, dtypes, lattice, scalar_types


class Aval:
    def __init__(self, dtype, weak_type=False):
        self.dtype, self.weak_type = np.dtype(dtype), weak_type


SHORT = {"float32": "f32", "bfloat16": "bf16", "uint8": "u8", "int4": "i4", "bool": "bool",
         "complex64": "c64", "float8_e4m3fn": "f8_e4m3fn", "float4_e2m1fn": "f4_e2m1fn"}


@pytest.mark.parametrize("name,short", SHORT.items())
def test_short_names(name, short):
    assert dtypes.short_dtype_name(np.dtype(scalar_types.scalar_types[name])) == short


def test_names_of_special_dtypes():
    assert dtypes.short_dtype_name(dtypes.float0) == "float0"
    assert dtypes.short_dtype_name(dtypes.key_fry) == "key<fry>"
    assert str(dtypes.key_unsafe_rbg) == "key<urbg>"


def test_scalar_types_stand_for_dtypes():
    f32 = scalar_types.float32
    assert np.dtype(f32) == np.float32 == f32
    assert f32 == np.dtype("float32") and f32 != scalar_types.float64
    assert hash(f32) == hash(np.float32) and f32 != "float32"
    assert isinstance(np.float32(1), f32) and not isinstance(np.float64(1), f32)
    assert dtypes.is_dtype_like_class(f32) and not dtypes.is_dtype_like_class(float)


def test_keys_are_single_objects_and_no_numpy_dtypes():
    key = dtypes.KeyDType("fry", 2)
    assert key is dtypes.key_fry is copy.deepcopy(key) is pickle.loads(pickle.dumps(key))
    assert key.storage == np.uint64 and dtypes.key_rbg.storage == np.complex128
    assert key.itemsize == 8
    with pytest.raises(TypeError, match="key<fry>"):
        np.dtype(key)
    with pytest.raises(ValueError, match="extended dtype key<fry>"):
        dtypes.canonicalize_dtype(key)
    assert dtypes.canonicalize_dtype(key, allow_extended_dtype=True) is key


SUBDTYPES = [
    (ml_dtypes.bfloat16, np.floating, True), ("int4", np.signedinteger, True),
    ("float8_e5m2", np.inexact, True), (np.float64, float, True), (np.float32, float, False),
    (int, np.integer, True), (bool, np.bool_, True), ("float32", "f4", True),
    ("float32", np.complexfloating, False), (np.floating, np.inexact, True),
    (dtypes.key_fry, dtypes.prng_key, True), (dtypes.key_fry, dtypes.extended, True),
    (dtypes.key_fry, np.number, False), (dtypes.float0, np.generic, True),
    (scalar_types.bfloat16, scalar_types.bfloat16, True), ("float32", dtypes.prng_key, False),
]


@pytest.mark.parametrize("a,b,expected", SUBDTYPES)
def test_issubdtype(a, b, expected):
    assert dtypes.issubdtype(a, b) is expected


def test_issubdtype_refuses_what_is_no_dtype():
    with pytest.raises(TypeError):
        dtypes.issubdtype(3, float)


@pytest.mark.parametrize("wide,narrow", [("float64", "float32"), ("int64", "int32"),
                                         ("uint64", "uint32"), ("complex128", "complex64")])
def test_canonicalize(wide, narrow):
    assert dtypes.canonicalize_dtype(wide) == narrow
    with config.enable_x64(True):
        assert dtypes.canonicalize_dtype(wide) == wide
    assert dtypes.canonicalize_dtype(None) == "float32"


def test_explicit_64_bit_dtypes_warn():
    with pytest.warns(UserWarning, match="Explicitly requested dtype float64 requested in zeros is "
                                         "not available, and will be truncated to dtype float32"):
        assert dtypes.check_user_dtype("float64", "zeros") == "float32"
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert dtypes.check_user_dtype(float, "zeros") == "float32"
        assert dtypes.check_user_dtype(None, "zeros") is None
        with config.explicit_x64_dtypes("allow"):
            assert dtypes.check_user_dtype("float64", "zeros") == "float64"
        with config.enable_x64(True):
            assert dtypes.check_user_dtype(np.int64, "zeros") == "int64"
    with config.explicit_x64_dtypes("error"), pytest.raises(ValueError, match="requested in zeros"):
        dtypes.check_user_dtype("int64", "zeros")


@pytest.mark.parametrize("dtype", [object, "S3", "M8[s]", ">f4"])
def test_dtypes_that_are_not_numeric(dtype):
    with pytest.raises(TypeError, match="only supports number, bool, and string dtypes"):
        dtypes.check_user_dtype(dtype, "zeros")


def test_names_that_are_no_dtypes():
    with pytest.raises(TypeError, match="foo"):
        dtypes.check_user_dtype("foo", "zeros")


# operands, result, weak, result with enable_x64
PROMOTIONS = [
    ((1, 1.0), "float32", True, "float64"), ((True, 1), "int32", True, "int64"),
    ((np.int8(1), 1), "int8", False, "int8"), ((np.int8(1), 1.0), "float32", True, "float64"),
    ((np.float16(1), 1j), "complex64", False, "complex64"),
    (("uint32", "int32"), "int32", False, "int64"), (("int8", "uint8"), "int16", False, "int16"),
    (("bfloat16", "float16"), "float32", False, "float32"), ((float, "int8"), "float32", True,
                                                             "float64"),
    (("float8_e4m3fn", "int32"), "float8_e4m3fn", False, "float8_e4m3fn"),
    (("int4", 1), "int4", False, "int4"), (("bool", "int2"), "int2", False, "int2"),
    ((Aval("bfloat16", True), Aval("float32", True)), "float32", True, "float32"),
    ((Aval("int8", True), Aval("uint8")), "uint8", False, "uint8"),
    ((Aval("bfloat16", True), Aval("int32", True)), "bfloat16", True, "bfloat16"),
    ((np.float64(1), np.float32(1)), "float32", False, "float64"),
    ((Aval("uint64"), Aval("int32")), "float32", True, "float64"),
]


@pytest.mark.parametrize("operands,result,weak,wide", PROMOTIONS)
def test_promotion(operands, result, weak, wide):
    operands = [np.dtype(scalar_types.scalar_types[x]) if isinstance(x, str) else x
                for x in operands]
    for order in (operands, operands[::-1]):
        assert dtypes.result_type(*order, return_weak_type_flag=True) == (
            np.dtype(scalar_types.scalar_types[result]), weak)
        with config.enable_x64(True):
            assert dtypes.result_type(*order) == np.dtype(scalar_types.scalar_types[wide])


def _named(*names):
    return [np.dtype(scalar_types.scalar_types[n]) for n in names]


@pytest.mark.parametrize("operands,message", [
    (("float8_e4m3fn", "float32"), "8-bit floats do not support implicit promotion"),
    (("int4", "int8"), "1-bit, 2-bit and 4-bit integers do not support implicit promotion"),
    (("float4_e2m1fn", "float16"), "4-bit floats"),
])
def test_no_promotion_path(operands, message):
    with pytest.raises(dtypes.TypePromotionError, match=message):
        dtypes.promote_types(*_named(*operands))


def test_strict_promotion():
    with config.numpy_dtype_promotion("strict"):
        for ok in [(np.int32(1), 1), (np.float32(1), 1), (1, 1.0), (np.float16(1), 1, 2.0)]:
            dtypes.result_type(*ok)
        for bad in [("int32", "float32"), (np.int32(1), 1.0), (np.float32(1), True),
                    (np.float32(1), 1j), (1, True), (np.bool_(1), 1)]:
            with pytest.raises(ValueError, match="jax_numpy_dtype_promotion=strict"):
                dtypes.result_type(*bad)
    assert dtypes.promote_types("int32", "float32") == "float32"


def test_values_without_promotion():
    with pytest.raises(ValueError, match="at least one array or dtype is required"):
        dtypes.result_type()
    with pytest.raises(TypeError, match="Cannot determine dtype of"):
        dtypes.result_type([1, 2])
    with pytest.raises(TypeError, match="dtype=key<fry> is not a valid dtype"):
        dtypes.lattice_result_type((dtypes.key_fry, False), (np.dtype("int32"), False))
    assert dtypes.lattice_result_type(*2 * ((dtypes.key_fry, False),)) == (dtypes.key_fry, False)
    assert dtypes.promote_types(float, float) == "float64"


nodes = st.sampled_from([*dtypes.all_dtypes, int, float, complex])


@given(nodes, nodes, nodes)
def test_join_is_a_semilattice(a, b, c):
    join = lambda *xs: None if None in xs else lattice.join(frozenset(xs))
    assert join(a, a) is a or join(a, a) == a
    assert join(a, b) == join(b, a)
    if join(join(a, b), c) is not None and join(a, join(b, c)) is not None:
        assert join(join(a, b), c) == join(a, join(b, c))


@given(nodes, nodes)
def test_strict_join_is_join_where_it_exists(a, b):
    strict = lattice.strict_join(frozenset({a, b}))
    assert strict is None or strict == lattice.join(frozenset({a, b}))


def test_result_type_of_avals_follows_flags():
    a, b = Aval("int32"), Aval("float32", True)
    assert dtypes.result_type_of_avals(a, b) == (np.dtype("float32"), True)
    with config.enable_x64(True):
        assert dtypes.result_type_of_avals(a, b) == (np.dtype("float64"), True)
    with config.numpy_dtype_promotion("strict"), pytest.raises(dtypes.TypePromotionError):
        dtypes.result_type_of_avals(a, b)


def test_defaults_and_sizes():
    assert dtypes.default_float_dtype() == "float32" and dtypes.default_int_dtype() == "int32"
    with config.enable_x64(True):
        assert dtypes.default_dtype_of_scalar_type(int) == "int64"
        with config.numpy_default_dtype_bits("32"):
            assert dtypes.default_complex_dtype() == "complex64"
    assert [dtypes.itemsize_bits(d) for d in ("int4", "float32", "bool")] == [4, 32, 8]
    assert dtypes.iinfo("int4").max == 7 and dtypes.finfo("bfloat16").bits == 16
    assert dtypes.scalar_type_of(np.int8(1)) is int and dtypes.scalar_type_of(1j) is complex


@pytest.mark.parametrize("dtype,result,wide", [("int8", "float32", "float32"),
                                               ("bool", "float32", "float32"),
                                               ("float16", "float16", "float16"),
                                               ("int64", "float32", "float64")])
def test_to_inexact(dtype, result, wide):
    assert dtypes.to_inexact_dtype(dtype) == result
    with config.enable_x64(True):
        assert dtypes.to_inexact_dtype(dtype) == wide
