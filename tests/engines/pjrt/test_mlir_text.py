"""MLIR's text of types, constants and attributes."""
from __future__ import annotations

from typing import Any

import ml_dtypes
import numpy as np
import pytest
from arrax.core.aval import ShapedArray
from arrax.core.errors import InternalError
from arrax.engines.pjrt import mlir_text as text
from arrax.ops.accuracy import AccuracyMode, Tolerance


@pytest.mark.parametrize("shape, dtype, expected", [
    ((), np.float32, "tensor<f32>"), ((3, 0), np.bool_, "tensor<3x0xi1>"),
    ((2,), np.uint8, "tensor<2xui8>"), ((2,), np.complex128, "tensor<2xcomplex<f64>>"),
    ((2,), ml_dtypes.int4, "tensor<2xi4>"), ((2,), ml_dtypes.bfloat16, "tensor<2xbf16>"),
    ((1,), ml_dtypes.float8_e4m3b11fnuz, "tensor<1xf8E4M3B11FNUZ>"),
])
def test_types(shape: Any, dtype: Any, expected: str) -> None:
    assert text.tensor_type(ShapedArray(shape, np.dtype(dtype))) == expected


@pytest.mark.parametrize("values, dtype, expected", [
    (1, np.float32, "dense<1.000000e+00> : tensor<f32>"),
    (-0.0, np.float32, "dense<-0.000000e+00> : tensor<f32>"),
    (np.pi, np.float32, "dense<3.1415927e+00> : tensor<f32>"),
    (0.1, np.float64, "dense<1.000000e-01> : tensor<f64>"),
    (1 / 3, np.float64, "dense<3.333333333333333e-01> : tensor<f64>"),
    (1e-45, np.float32, "dense<1.401298e-45> : tensor<f32>"),
    (np.inf, np.float16, "dense<0x7C00> : tensor<f16>"),
    (-np.inf, ml_dtypes.bfloat16, "dense<0xFF80> : tensor<bf16>"),
    (448, ml_dtypes.float8_e4m3fn, "dense<4.480000e+02> : tensor<f8E4M3FN>"),
    ([1 - 2j], np.complex64, "dense<(1.000000e+00, -2.000000e+00)> : tensor<1xcomplex<f32>>"),
    ([True, False], bool, "dense<[true, false]> : tensor<2xi1>"),
    ([[7, -8], [0, 1]], ml_dtypes.int4, "dense<[[7, -8], [0, 1]]> : tensor<2x2xi4>"),
    (2 ** 64 - 1, np.uint64, "dense<18446744073709551615> : tensor<ui64>"),
    (np.zeros((2, 0)), np.float32, "dense<> : tensor<2x0xf32>"),
    (np.full((9, 9), 3), np.int32, "dense<3> : tensor<9x9xi32>"),
    (range(17), np.uint8, 'dense<"0x000102030405060708090A0B0C0D0E0F10"> : tensor<17xui8>'),
])
def test_constants(values: Any, dtype: Any, expected: str) -> None:
    assert text.dense(np.asarray(values).astype(dtype)) == expected


def test_equal_elements_have_equal_bits() -> None:
    """0 and -0 are equal, but not the same constant; neither are NaNs of different signs."""
    assert "[" in text.dense(np.array([0.0, -0.0], np.float32))
    assert "[" in text.dense(np.array([np.nan, -np.nan], np.float32))


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64, ml_dtypes.bfloat16,
                                   ml_dtypes.float8_e5m2, ml_dtypes.float8_e4m3fn])
def test_decimals_read_back(dtype: Any) -> None:
    """Every float is written so that the nearest float of its decimals is itself."""
    size = np.dtype(dtype).itemsize
    words = np.random.default_rng(0).integers(0, 256, 400 * size, np.uint8)
    with np.errstate(invalid="ignore"):
        finite = np.isfinite(words.view(dtype).astype(np.float64))
    for value in words.view(dtype)[finite]:
        written = text.dense(np.asarray(value)).split("<")[1].split(">")[0]
        assert np.float64(written).astype(dtype) == value


@pytest.mark.parametrize("form, value, expected", [
    (text.i64s, (1, 2), "array<i64: 1, 2>"), (text.i64s, (), "array<i64>"),
    (text.booleans, (True,), "array<i1: true>"), (text.i32, 4, "4 : i32"),
    (text.matrix, [(0, 1), (2, 3)], "dense<[[0, 1], [2, 3]]> : tensor<2x2xi64>"),
    (text.matrix, [], "dense<> : tensor<0x2xi64>"),
    (text.string, 'a"é\n', '"a\\22\\C3\\A9\\0A"'),
    (text.symbol, "f.g_1", "@f.g_1"), (text.symbol, "<lambda>", '@"<lambda>"'),
    (text.enums("stablehlo", "precision"), ["HIGH"], "[#stablehlo<precision HIGH>]"),
    (text.struct("stablehlo.gather"), {"offset_dims": (0,), "index_vector_dim": 1},
     "#stablehlo.gather<offset_dims = [0], index_vector_dim = 1>"),
    (text.accuracy, AccuracyMode.HIGHEST,
     "#stablehlo.result_accuracy<mode = #stablehlo.result_accuracy_mode<HIGHEST>>"),
    (text.accuracy, Tolerance(ulps=3), "#stablehlo.result_accuracy<atol = 0.000000e+00, "
     "rtol = 0.000000e+00, ulps = 3, mode = #stablehlo.result_accuracy_mode<TOLERANCE>>"),
    (text.attributes, {"a": 1, "b": None, "c": [1.5, True], "d": {"e": "x"}, "f": np.float16(2)},
     '{a = 1 : i64, c = [1.500000e+00 : f64, true], d = {e = "x"}, f = 2.000000e+00 : f16}'),
    (text.attributes, {"a": np.arange(2, dtype=np.int32), "b": np.dtype(np.int8)},
     "{a = dense<[0, 1]> : tensor<2xi32>, b = i8}"),
])
def test_attributes(form: Any, value: Any, expected: str) -> None:
    assert form(value) == expected


def test_what_is_no_attribute() -> None:
    with pytest.raises(TypeError, match="no attribute for .* of type <class 'object'>"):
        text.attributes({"a": object()})
    with pytest.raises(InternalError, match="unit"):
        text.unit(False)
