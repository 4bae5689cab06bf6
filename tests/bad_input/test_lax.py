"""Wrong arguments of lax's functions: the error's class, and what its message names.

A row is a call, the class (JAX's own, which tests/parity checks), and pieces of the message: the
function or argument, what came, what was expected.
"""
from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import arrax.numpy as jnp
from arrax import lax
from arrax.lax import linalg

F, I = np.ones((2, 3), np.float32), np.ones((2, 3), np.int32)
CUBE = np.ones((2, 3, 4), np.float32)
KEY = np.array([1, 2], np.uint32)


def _gather(operand: Any = CUBE, indices: Any = None, sizes: Any = (1, 3, 4),
            **numbers: Any) -> Any:
    indices = np.zeros((5, 1), np.int32) if indices is None else indices
    given = {"offset_dims": (1, 2), "collapsed_slice_dims": (0,), "start_index_map": (0,)}
    return lambda: lax.gather(operand, indices, lax.GatherDimensionNumbers(**{**given, **numbers}),
                              sizes)


def _scatter(operand: Any = CUBE, indices: Any = None, updates: Any = None, **numbers: Any) -> Any:
    indices = np.zeros((5, 1), np.int32) if indices is None else indices
    updates = np.ones((5, 3, 4), np.float32) if updates is None else updates
    given = {"update_window_dims": (1, 2), "inserted_window_dims": (0,),
             "scatter_dims_to_operand_dims": (0,)}
    return lambda: lax.scatter_add(
        operand, indices, updates, lax.ScatterDimensionNumbers(**{**given, **numbers}))


def _dot(contract: Any, batch: Any = ((), ()), x: Any = CUBE, y: Any = CUBE) -> Any:
    return lambda: lax.dot_general(x, y, (contract, batch))


IMAGE, KERNEL = np.ones((2, 4, 5, 5), np.float32), np.ones((6, 4, 3, 3), np.float32)


def _conv(x: Any = IMAGE, k: Any = KERNEL, strides: Any = (1, 1), padding: Any = "VALID",
          **more: Any) -> Any:
    return lambda: lax.conv_general_dilated(x, k, strides, padding, **more)


def _windows(*args: Any, x: Any = F) -> Any:
    return lambda: lax.reduce_window(x, 0.0, lax.add, *args)


Row = tuple[Callable[[], Any], type[Exception], list[str]]
ROWS: dict[str, list[Row]] = {
    "elementwise": [
        (lambda: lax.mul(F, I), TypeError, ["lax.mul", "float32, int32"]),
        (lambda: lax.atan2(I, I), TypeError, ["atan2", "int32"]),
        (lambda: lax.div(F, CUBE), TypeError, ["div", "number of dimensions"]),
        (lambda: lax.sub(F, np.ones((2, 4), np.float32)), TypeError, ["sub", "(2, 3)", "(2, 4)"]),
        (lambda: lax.shift_left(F, F), TypeError, ["shift_left", "float32"]),
        (lambda: lax.population_count(F), TypeError, ["population_count", "float32"]),
        (lambda: lax.clz(F), TypeError, ["clz", "float32"]),
        (lambda: lax.sqrt(I), TypeError, ["sqrt", "int32"]),
        (lambda: lax.max(F > 0, I), TypeError, ["lax.max", "bool, int32"]),
        (lambda: lax.floor(I), TypeError, ["floor", "int32"]),
        (lambda: lax.is_finite(I), TypeError, ["is_finite", "int32"]),
        (lambda: lax.nextafter(I, I), TypeError, ["nextafter", "int32"]),
        (lambda: lax.lgamma(I), TypeError, ["lgamma", "int32"]),
        (lambda: lax.conj(F > 0), TypeError, ["bool"]),
        (lambda: lax.integer_pow(F, 1.5), TypeError, ["integer"]),
        (lambda: lax.exp(None), TypeError, ["exp", "NoneType"]),
        (lambda: lax.add(F, "1"), TypeError, ["add", "str"]),
        (lambda: lax.clamp(1, F, 2), TypeError, ["clamp", "int32", "float32"]),
        (lambda: lax.reduce_precision(F, -1, 3), ValueError, ["exponent_bits", "-1"]),
        (lambda: lax.reduce_precision(I, 3, 3), TypeError, ["reduce_precision", "int32"]),
        (lambda: lax.bitcast_convert_type(np.ones(3, np.int8), np.int32), ValueError, ["(3,)"]),
    ],
    "reductions": [
        (lambda: lax.reduce_max(F, (2,)), ValueError, ["2", "(2,)"]),
        (lambda: lax.reduce_sum(F, (1, 1)), ValueError, ["duplicate", "(1, 1)"]),
        (lambda: lax.reduce_prod(F > 0, (0,)), TypeError, ["reduce_prod", "bool"]),
        (lambda: lax.reduce_and(F, (0,)), TypeError, ["logical reduction", "float32"]),
        (lambda: lax.argmin(F, 2, np.int32), ValueError, ["axis 2", "(2, 3)"]),
        (lambda: lax.argmax(F, 0, np.float32), TypeError, ["index_dtype", "float32"]),
        (lambda: lax.argmax(F[:0], 0, np.int32), ValueError, ["argmax"]),
        (lambda: lax.cumsum(F, 2), ValueError, ["axis 2", "(2, 3)"]),
        (lambda: lax.cumprod(F > 0), TypeError, ["cumprod", "bool"]),
        (lambda: lax.reduce(F, np.int32(0), lax.add, (0,)), TypeError, ["int32", "float32"]),
        (lambda: lax.reduce(F, F, lax.add, (0,)), ValueError, ["scalar"]),
    ],
    "shapes": [
        (lambda: lax.reshape(F, (4, 2)), TypeError, ["reshape", "(2, 3)", "(4, 2)"]),
        (lambda: lax.reshape(F, (-1, 2)), TypeError, ["reshape", "(-1, 2)"]),
        (lambda: lax.reshape(F, (3, 2), (0, 0)), TypeError, ["permutation", "(0, 0)"]),
        (lambda: lax.transpose(F, (0, 2)), TypeError, ["permutation", "(0, 2)"]),
        (lambda: lax.broadcast_in_dim(F, (2, 4), (0, 1)), TypeError, ["(2, 3)", "(2, 4)"]),
        (lambda: lax.broadcast_in_dim(F, (2, 3), (1, 0)), TypeError, ["(2, 3)", "(1, 0)"]),
        (lambda: lax.broadcast_in_dim(F, (2, 3), (0,)), TypeError, ["(0,)", "ndim 2"]),
        (lambda: lax.broadcast_in_dim(F, (2, 3), (0, 2)), TypeError, ["(0, 2)"]),
        (lambda: lax.squeeze(F, (0,)), ValueError, ["(0,)", "(2, 3)"]),
        (lambda: lax.squeeze(F, (2,)), ValueError, ["2"]),
        (lambda: lax.expand_dims(F, (4,)), ValueError, ["4"]),
        (lambda: lax.rev(F, (0, 0)), TypeError, ["rev", "(0, 0)"]),
        (lambda: lax.rev(F, (2,)), TypeError, ["rev", "(2,)"]),
        (lambda: lax.concatenate([], 0), ValueError, ["concatenate"]),
        (lambda: lax.concatenate([F, CUBE], 0), TypeError, ["concatenate", "(2, 3)", "(2, 3, 4)"]),
        (lambda: lax.concatenate([F, F.T], 0), TypeError, ["concatenate", "(2, 3)", "(3, 2)"]),
        (lambda: lax.concatenate([F, F], 2), TypeError, ["concatenate", "2"]),
        (lambda: lax.concatenate([F, I], 0), TypeError, ["concatenate", "float32", "int32"]),
        (lambda: lax.pad(F, 0.0, [(0, 0, 0)]), ValueError, ["padding_config", "(2, 3)"]),
        (lambda: lax.pad(F, 0.0, [(0, 0, -1), (0, 0, 0)]), ValueError, ["-1"]),
        (lambda: lax.pad(F, 0.0, [(-3, 0, 0), (0, 0, 0)]), ValueError, ["-1"]),
        (lambda: lax.pad(F, 0, [(0, 0, 0)] * 2), TypeError, ["pad", "float32", "int32"]),
        (lambda: lax.pad(F, F, [(0, 0, 0)] * 2), ValueError, ["padding_value", "(2, 3)"]),
        (lambda: lax.split(F, (1, 3), 1), ValueError, ["sizes 4", "[2, 3]"]),
        (lambda: lax.split(F, (1, 1), 2), ValueError, ["2"]),
        (lambda: lax.tile(F, (2,)), TypeError, ["reps", "len(reps)=1"]),
        (lambda: lax.collapse(F, 2, 1), ValueError, ["collapse", "(2, 3)", "2:1"]),
        (lambda: lax.iota(np.int32, -1), TypeError, ["-1"]),
        (lambda: lax.broadcasted_iota(np.int32, (2, 3), 2), ValueError, ["dimension", "2"]),
        (lambda: lax.broadcasted_iota(bool, (2, 3), 0), TypeError, ["iota", "bool"]),
        (lambda: lax.full((2, -1), 0), TypeError, ["-1"]),
        (lambda: lax.full((2, 1.5), 0), TypeError, ["1.5"]),
        (lambda: lax.broadcast_shapes((2,), (3,)), ValueError, ["(2,)", "(3,)"]),
    ],
    "slicing": [
        (lambda: lax.slice(F, (0,), (1, 1)), TypeError, ["start_indices", "(0,)"]),
        (lambda: lax.slice(F, (0, 0), (3, 3)), TypeError, ["limit_indices", "(3, 3)", "(2, 3)"]),
        (lambda: lax.slice(F, (-1, 0), (1, 1)), TypeError, ["start_indices", "(-1, 0)"]),
        (lambda: lax.slice(F, (1, 1), (0, 1)), TypeError, ["(1, 1)", "(0, 1)"]),
        (lambda: lax.slice(F, (0, 0), (1, 1), (0, 1)), TypeError, ["strides", "(0, 1)"]),
        (lambda: lax.slice(F, (0, 0), (1, 1), (1,)), TypeError, ["strides"]),
        (lambda: lax.slice_in_dim(F, 0, 1, axis=2), ValueError, ["axis 2", "2"]),
        (lambda: lax.index_in_dim(F, 5), IndexError, ["5", "2"]),
        (lambda: lax.dynamic_slice(F, (0,), (1, 1)), ValueError, ["slice indices", "1 vs"]),
        (lambda: lax.dynamic_slice(F, (0, 0), (1,)), TypeError, ["slice_sizes", "(1,)"]),
        (lambda: lax.dynamic_slice(F, (0, 0), (3, 1)), TypeError, ["slice_sizes", "(3, 1)"]),
        (lambda: lax.dynamic_slice(F, (0, 0), (-1, 1)), TypeError, ["slice_sizes", "(-1, 1)"]),
        (lambda: lax.dynamic_slice(F, (0.0, 0.0), (1, 1)), TypeError, ["index", "float32"]),
        (lambda: lax.dynamic_update_slice(F, F[0], (0, 0)), TypeError,
         ["update", "(3,)", "(2, 3)"]),
        (lambda: lax.dynamic_update_slice(F, CUBE[0], (0, 0)), TypeError, ["(3, 4)", "(2, 3)"]),
        (lambda: lax.dynamic_update_slice(F, I, (0, 0)), TypeError, ["float32", "int32"]),
    ],
    "gather": [
        (_gather(indices=np.zeros((5, 1), np.float32)), ValueError, ["float32"]),
        (_gather(sizes=(1, 3)), TypeError, ["slice_sizes", "rank=3"]),
        (_gather(sizes=(1, 3, 5)), TypeError, ["Slice size", "index 2", "5"]),
        (_gather(sizes=(1, -1, 4)), TypeError, ["Slice size", "index 1", "-1"]),
        (_gather(sizes=(2, 3, 4)), TypeError, ["collapse slice dims", "2"]),
        (_gather(offset_dims=(2, 1)), TypeError, ["offset_dims", "(2, 1)", "sorted"]),
        (_gather(offset_dims=(1, 1)), TypeError, ["offset_dims", "(1, 1)", "repeat"]),
        (_gather(offset_dims=(1, 3)), TypeError, ["Offset dimension 1", "3"]),
        (_gather(offset_dims=(1,)), TypeError, ["offset dimension", "(1,)"]),
        (_gather(collapsed_slice_dims=(3,)), TypeError, ["collapsed_slice_dims", "3"]),
        (_gather(collapsed_slice_dims=(0, 0), offset_dims=(1,)), TypeError,
         ["collapsed_slice_dims", "repeat"]),
        (_gather(start_index_map=(0, 1)), TypeError, ["start_index_map", "2", "1"]),
        (_gather(start_index_map=(3,)), TypeError, ["start_index_map", "3"]),
        (_gather(operand_batching_dims=(1,)), TypeError, ["operand_batching_dims"]),
        (_gather(operand_batching_dims=(0,), start_indices_batching_dims=(0,)), TypeError,
         ["operand_batching_dims"]),
        (_gather(start_indices_batching_dims=(0,)), TypeError, ["start_indices_batching_dims"]),
    ],
    "scatter": [
        (_scatter(indices=np.zeros((5, 1), np.float32)), ValueError, ["indices", "float32"]),
        (_scatter(updates=np.ones((5, 3, 4), np.int32)), TypeError, ["float32", "int32"]),
        (_scatter(updates=np.ones((5, 3), np.float32)), TypeError, ["Updates", "2", "3"]),
        (_scatter(updates=np.ones((5, 3, 9), np.float32)), TypeError, ["9"]),
        (_scatter(updates=np.ones((4, 3, 4), np.float32)), TypeError, ["4", "5"]),
        (_scatter(update_window_dims=(2, 1)), TypeError, ["update_window_dims", "sorted"]),
        (_scatter(update_window_dims=(1, 1)), TypeError, ["update_window_dims", "repeat"]),
        (_scatter(update_window_dims=(1, 3)), TypeError, ["update_window_dims", "3"]),
        (_scatter(inserted_window_dims=(3,)), TypeError, ["inserted_window_dims", "3"]),
        (_scatter(inserted_window_dims=()), TypeError, ["window of size 2", "rank 3"]),
        (_scatter(scatter_dims_to_operand_dims=(0, 1)), TypeError,
         ["scatter_dims_to_operand_dims", "2", "1"]),
        (_scatter(scatter_dims_to_operand_dims=(3,)), TypeError,
         ["scatter_dims_to_operand_dims", "3"]),
        (_scatter(operand_batching_dims=(1,)), TypeError, ["operand_batching_dims"]),
    ],
    "products": [
        (_dot(((2,), (1,))), TypeError, ["contracting dimensions", "(4,)", "(3,)"]),
        (_dot(((2,), (2,)), ((0,), (1,))), TypeError, ["batch dimensions", "(2,)", "(3,)"]),
        (_dot(((2, 1), (2,))), TypeError, ["contracting", "(4, 3)", "(4,)"]),
        (_dot(((3,), (2,))), TypeError, ["3"]),
        (_dot(((2,), (2,)), ((2,), (2,))), TypeError, ["disjoint", "(2,)"]),
        (_dot(((2, 2), (2, 2))), TypeError, ["distinct"]),
        (lambda: lax.dot(F, F), ValueError, ["(2, 3)"]),
        (lambda: lax.dot(CUBE, CUBE), ValueError, ["(2, 3, 4)"]),
        (lambda: lax.dot_general(F, F, (((1,), (1,)), ((), ())), precision="best"), ValueError,
         ["best"]),
    ],
    "convolutions": [
        (_conv(strides=(1,)), ValueError, ["window_strides"]),
        (_conv(strides=(0, 1)), ValueError, ["window_strides", "(0, 1)"]),
        (_conv(k=F), TypeError, ["4", "2"]),
        (_conv(k=np.ones((6, 3, 3, 3), np.float32)), ValueError, ["4", "3"]),
        (_conv(k=KERNEL.astype(np.int32)), TypeError, ["float32", "int32"]),
        (_conv(feature_group_count=3), ValueError, ["feature_group_count", "3", "4"]),
        (_conv(feature_group_count=0), ValueError, ["feature_group_count", "0"]),
        (_conv(batch_group_count=0), ValueError, ["batch_group_count", "0"]),
        (_conv(batch_group_count=3), ValueError, ["batch_group_count", "3", "2"]),
        (_conv(feature_group_count=2, batch_group_count=2, k=KERNEL[:, :2]), ValueError,
         ["batch_group_count", "feature_group_count"]),
        (_conv(rhs_dilation=(1,)), ValueError, ["rhs_dilation"]),
        (_conv(lhs_dilation=(0, 1)), ValueError, ["lhs_dilation", "(0, 1)"]),
        (_conv(padding="MIDDLE"), RuntimeError, ["MIDDLE"]),
        (_conv(padding=((0, 0),)), TypeError, ["explicit pads", "2", "1"]),
        (_conv(dimension_numbers=("NCHW", "OIHW")), TypeError, ["dimension_numbers"]),
        (_conv(dimension_numbers=("NCHX", "OIHW", "NCHW")), TypeError, ["spatial"]),
        (_conv(dimension_numbers=("NCHH", "OIHH", "NCHH")), TypeError, ["NCHH"]),
        (_conv(dimension_numbers=("NCH", "OIH", "NCH")), TypeError, ["NCH"]),
        (lambda: lax.conv_transpose(IMAGE, KERNEL, (1, 1), "MIDDLE"), RuntimeError, ["MIDDLE"]),
    ],
    "windows": [
        (_windows((2,), (1, 1), "VALID"), TypeError, ["window_dimensions", "(2,)"]),
        (_windows((0, 2), (1, 1), "VALID"), TypeError, ["window_dimensions", "(0, 2)"]),
        (_windows((2, 2), (1,), "VALID"), TypeError, ["window_strides", "(1,)"]),
        (_windows((2, 2), (1, 0), "VALID"), TypeError, ["window_strides", "(1, 0)"]),
        (_windows((2, 2), (1, 1), "VALID", (0, 1)), TypeError, ["base_dilation", "(0, 1)"]),
        (_windows((2, 2), (1, 1), "VALID", None, (1,)), TypeError, ["window_dilation", "(1,)"]),
        (_windows((2, 2), (1, 1), "MIDDLE"), RuntimeError, ["MIDDLE"]),
    ],
    "order": [
        (lambda: lax.sort(F, dimension=2), ValueError, ["2"]),
        (lambda: lax.sort((F, F[0])), TypeError, ["(2, 3)", "(3,)"]),
        (lambda: lax.sort(()), TypeError, ["operand"]),
        (lambda: lax.sort((F, F), num_keys=3), ValueError, ["num_keys", "3"]),
        (lambda: lax.sort(np.float32(1)), ValueError, ["axis -1", "0"]),
        (lambda: lax.sort_key_val(F, CUBE), TypeError, ["(2, 3)", "(2, 3, 4)"]),
        (lambda: lax.top_k(F, 4), ValueError, ["k", "4", "3"]),
        (lambda: lax.top_k(F, -1), ValueError, ["k", "-1"]),
        (lambda: lax.top_k(np.float32(1), 1), ValueError, ["axis -1"]),
        (lambda: lax.top_k(F.astype(np.complex64), 1), ValueError, ["top_k", "complex"]),
        (lambda: lax.approx_max_k(I, 1), ValueError, ["floating"]),
        (lambda: lax.approx_max_k(F, 9), ValueError, []),
    ],
    "fft": [
        (lambda: lax.fft(F, "NONE", (3,)), ValueError, ["NONE"]),
        (lambda: lax.fft(F, "FFT", (3, 3, 3, 3)), ValueError, ["3"]),
        (lambda: lax.fft(F, "FFT", (5,)), ValueError, ["(5,)", "(2, 3)"]),
        (lambda: lax.fft(F.astype(np.complex64), "RFFT", (3,)), ValueError, ["real"]),
        (lambda: lax.fft(F, "IRFFT", (9,)), ValueError, ["9"]),
    ],
    "linalg": [
        (lambda: linalg.cholesky(F), ValueError, ["cholesky", "(2, 3)"]),
        (lambda: linalg.cholesky(F[0]), TypeError, ["cholesky", "(3,)"]),
        (lambda: linalg.eigh(F), ValueError, ["eigh", "(2, 3)"]),
        (lambda: linalg.eig(F), ValueError, ["(2, 3)"]),
        (lambda: linalg.lu(F[0]), TypeError, ["lu"]),
        (lambda: linalg.qr(F[0]), TypeError, ["qr"]),
        (lambda: linalg.svd(F[0]), TypeError, ["svd"]),
        (lambda: linalg.schur(F), ValueError, ["(2, 3)"]),
        (lambda: linalg.hessenberg(F), ValueError, ["(2, 3)"]),
        (lambda: linalg.tridiagonal(F), ValueError, ["(2, 3)"]),
        (lambda: linalg.triangular_solve(F, F), ValueError, ["triangular_solve", "(2, 3)"]),
        (lambda: linalg.triangular_solve(np.eye(3, dtype=np.float32), np.eye(2, dtype=np.float32)),
         ValueError, ["(3, 3)", "(2, 2)"]),
        (lambda: linalg.triangular_solve(F[:, :2], F[:, :2].astype(np.float16)), TypeError,
         ["float32", "float16"]),
        (lambda: linalg.householder_product(F.T, F), TypeError, ["householder_product"]),
        (lambda: linalg.lu_pivots_to_permutation(np.int32([0, 1]), 1), ValueError, ["1", "2"]),
    ],
    "control flow": [
        (lambda: lax.scan(lambda c, x: (c, x), 0.0, (F, F[:1])), ValueError, ["scan", "2", "1"]),
        (lambda: lax.scan(lambda c, x: (F, x), 0.0, F), TypeError, ["scan", "carry"]),
        (lambda: lax.scan(lambda c, x: c, 0.0, F), TypeError, ["scan"]),
        (lambda: lax.scan(3, 0.0, F), TypeError, ["scan", "callable"]),
        (lambda: lax.fori_loop(0, 1.5, lambda i, x: x, 0), TypeError, ["fori_loop"]),
        (lambda: lax.while_loop(lambda c: 1.0, lambda c: c, 0), TypeError, ["boolean"]),
        (lambda: lax.cond(True, 3, lambda: 1), TypeError, ["callable"]),
        (lambda: lax.cond("x", lambda: 1, lambda: 2), TypeError, ["str"]),
        (lambda: lax.switch(1.5, [lambda: 1, lambda: 2]), TypeError, ["integer", "float32"]),
        (lambda: lax.switch(jnp.ones(2, int), [lambda: 1, lambda: 2]), TypeError, ["scalar"]),
        (lambda: lax.map(lambda x: x, 1.0), ValueError, []),
        (lambda: lax.associative_scan(lax.add, F, axis=5), ValueError, ["5"]),
        (lambda: lax.associative_scan(3, F), TypeError, ["callable"]),
        (lambda: lax.platform_dependent(F, abacus=lambda x: x), NotImplementedError,
         ["cpu"]),
    ],
    "random bits": [
        (lambda: lax.rng_bit_generator(KEY, (2,)), TypeError, ["uint32[2]"]),
        (lambda: lax.rng_bit_generator(np.ones(4, np.float32), (2,)), TypeError, ["float32"]),
        (lambda: lax.rng_uniform(0.0, 1, (2,)), ValueError, ["float32", "int32"]),
        (lambda: lax.rng_uniform(F, F, (2,)), ValueError, ["(2, 3)"]),
    ],
    "collectives": [
        *[(lambda call=call: call(F), NameError, ["unbound axis name: i"]) for call in (
            lambda x: lax.psum(x, "i"), lambda x: lax.pmax(x, "i"), lambda x: lax.pmean(x, "i"),
            lambda x: lax.all_gather(x, "i"), lambda x: lax.psum_scatter(x, "i"),
            lambda x: lax.all_to_all(x, "i", 0, 0), lambda x: lax.ppermute(x, "i", [(0, 0)]),
            lambda x: lax.axis_index("i"), lambda x: lax.pswapaxes(x, "i", 0),
            lambda x: lax.axis_size("i"))],
    ],
}
CASES = [pytest.param(*row, id=f"{family} {i}") for family, rows in ROWS.items()
         for i, row in enumerate(rows)]


@pytest.mark.parametrize(("call", "error", "texts"), CASES)
def test_refusals(call: Callable[[], Any], error: type[Exception], texts: list[str]) -> None:
    with pytest.raises(error) as caught:
        call()
    missing = [text for text in texts if text not in str(caught.value)]
    assert not missing, f"{missing} not in: {caught.value}"
