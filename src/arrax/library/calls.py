"""The native library's functions: how programs call them, and the specs that describe a call.

Each function is `int32 name(const int64_t* spec, pointers...)` of `src/native/`; its result is not
zero where it failed (2: for lack of memory). A spec is a tuple of integers, constant in the
compiled program. Strides count elements. A function here returns None for a case that the library
does not cover.

| function | pointers | does |
| --- | --- | --- |
| `arrax_gemm` | lhs, rhs, out | batched matrix product, any strides |
| `arrax_conv` | image, kernel, out | convolution of 1 to 3 spatial dimensions, any layout |
| `arrax_sort` | table of operands, table of results | stable sort of several operands |
| `arrax_top_k` | operand, values, indices | the k largest of each row |
| `arrax_scan` | operand, result | cumulative sum, product, max, min, log-sum-exp |
| `arrax_gather_rows` | source, indices, fill or null, out | rows by index |
| `arrax_scatter_rows` | out, indices, updates | rows set, added, multiplied, min, max, subtracted |
| `arrax_threefry_bits` | keys, out | random bits |
| `arrax_fft` | operand, result | Fourier transforms of the last axes, lengths powers of two |
| `arrax_fft_any` | operand, result | Fourier transforms of the last axes, of any lengths |
"""

from __future__ import annotations

import ctypes
import functools
import math
from collections.abc import Sequence
from typing import Any

import ml_dtypes
import numpy as np

from arrax import _native
from arrax.core.errors import InternalError

Spec = tuple[int, ...]
Shape = Sequence[int]

# The order is that of `enum DType` in src/native/library.h.
_NAMES = (
    "bool int8 int16 int32 int64 uint8 uint16 uint32 uint64 float16 bfloat16 float32 float64 "
    "complex64 complex128"
).split()
CODES: dict[np.dtype[Any], int] = {
    np.dtype(ml_dtypes.bfloat16 if name == "bfloat16" else name): code
    for code, name in enumerate(_NAMES)
}
SCAN_KINDS = {"cumsum": 0, "cumprod": 1, "cummax": 2, "cummin": 3, "cumlogsumexp": 4}
SCATTER_KINDS = {
    "scatter": 0,
    "scatter-add": 1,
    "scatter-mul": 2,
    "scatter-min": 3,
    "scatter-max": 4,
    "scatter-sub": 5,
}
_LINEAR_KINDS = (0, 1, 5)  # of complex numbers, real and imaginary parts on their own
_PRODUCT_DTYPES = {
    ("float32", "float32"), ("float64", "float64"), ("complex64", "complex64"),
    ("complex128", "complex128"), ("int32", "int32"), ("uint32", "uint32"),
    ("bfloat16", "bfloat16"), ("bfloat16", "float32"),
    ("float16", "float16"), ("float16", "float32"),
}  # fmt: skip
# The complex dtype of transforms of these.
_TRANSFORMED = {"float32": "complex64", "complex64": "complex64", "float64": "complex128",
                "complex128": "complex128"}  # fmt: skip
_CONV_DTYPES = {"float32", "float64", "int32", "uint32", "bfloat16", "float16"}


def strides_of(shape: Shape) -> list[int]:
    """The strides of a C-contiguous array, in elements."""
    strides, step = [], 1
    for extent in reversed(shape):
        strides.append(step)
        step *= extent
    return strides[::-1]


def _collapse(axes: Sequence[int], shape: Shape) -> tuple[int, int] | None:
    """(size, stride) of several axes as one, or None where memory does not allow it."""
    strides = strides_of(shape)
    kept = [axis for axis in axes if shape[axis] != 1]
    for axis, following in zip(kept, kept[1:], strict=False):
        if strides[axis] != strides[following] * shape[following]:
            return None
    return math.prod(shape[axis] for axis in axes), strides[kept[-1]] if kept else 1


def _loops(axes: Sequence[int], shape: Shape) -> tuple[tuple[int, int], list[int]] | None:
    """The longest tail of `axes` that is one axis in memory, as (size, stride), and the rest."""
    for start in range(len(axes) + 1):
        collapsed = _collapse(axes[start:], shape)
        if collapsed is not None:
            return collapsed, list(axes[:start])
    return None


def product_dtypes(lhs: Any, rhs: Any, out: Any) -> bool:
    """Whether there are products of arrays with these dtypes."""
    return lhs.dtype == rhs.dtype and (lhs.dtype.name, out.dtype.name) in _PRODUCT_DTYPES


def gemm_spec(lhs: Any, rhs: Any, out: Any, dimension_numbers: Any) -> Spec | None:
    """`dot_general` of arrays with these shapes and dtypes."""
    (lhs_contract, rhs_contract), (lhs_batch, rhs_batch) = dimension_numbers
    if not product_dtypes(lhs, rhs, out):
        return None
    # Contracted axes may come in any order, as long as it is the same for both.
    pairs = sorted(zip(lhs_contract, rhs_contract, strict=True))
    k_lhs = _collapse([pair[0] for pair in pairs], lhs.shape)
    k_rhs = _collapse([pair[1] for pair in pairs], rhs.shape)
    left = [i for i in range(len(lhs.shape)) if i not in (*lhs_contract, *lhs_batch)]
    right = [i for i in range(len(rhs.shape)) if i not in (*rhs_contract, *rhs_batch)]
    rows, columns = _loops(left, lhs.shape), _loops(right, rhs.shape)
    if k_lhs is None or k_rhs is None or rows is None or columns is None:
        return None
    (m, a_row), outer_rows = rows
    (n, b_column), outer_columns = columns
    out_strides = strides_of(out.shape)
    batches = len(lhs_batch)
    # Free axes that don't collapse become batch axes along which the other operand stands still.
    lhs_strides, rhs_strides = strides_of(lhs.shape), strides_of(rhs.shape)
    loops = [
        (lhs.shape[i], lhs_strides[i], rhs_strides[j], out_strides[position])
        for position, (i, j) in enumerate(zip(lhs_batch, rhs_batch, strict=True))
    ]
    loops += [
        (lhs.shape[axis], lhs_strides[axis], 0, out_strides[batches + q])
        for q, axis in enumerate(outer_rows)
    ]
    loops += [
        (rhs.shape[axis], 0, rhs_strides[axis], out_strides[batches + len(left) + q])
        for q, axis in enumerate(outer_columns)
    ]
    merged = _merge_loops(loops)
    if len(merged) > 3:
        return None
    merged = [(1, 0, 0, 0)] * (3 - len(merged)) + merged
    c_row = math.prod(rhs.shape[axis] for axis in right)
    sizes, a_batch, b_batch, c_batch = zip(*merged, strict=True)
    return (CODES[lhs.dtype], CODES[out.dtype], m, n, k_lhs[0], a_row, k_lhs[1], k_rhs[1], b_column,
            c_row, 1, *sizes, *a_batch, *b_batch, *c_batch, 0)  # fmt: skip


def _merge_loops(loops: list[tuple[int, int, int, int]]) -> list[tuple[int, int, int, int]]:
    """Joins neighbouring loops that walk memory as one, and drops loops of one step."""
    merged: list[tuple[int, int, int, int]] = []
    for size, *steps in loops:
        if size == 1:
            continue
        if merged and all(
            outer == inner * size for outer, inner in zip(merged[-1][1:], steps, strict=True)
        ):
            merged[-1] = (merged[-1][0] * size, steps[0], steps[1], steps[2])
        else:
            merged.append((size, steps[0], steps[1], steps[2]))
    return merged


def conv_spec(lhs: Any, rhs: Any, out: Any, params: dict[str, Any]) -> Spec | None:
    """`conv_general_dilated` of arrays with these shapes and dtypes."""
    rank = len(lhs.shape) - 2
    same = lhs.dtype == rhs.dtype == out.dtype
    if not same or lhs.dtype.name not in _CONV_DTYPES or not 1 <= rank <= 3:
        return None
    numbers = params["dimension_numbers"]
    image, kernel, result = numbers.lhs_spec, numbers.rhs_spec, numbers.out_spec
    features, batches = params["feature_group_count"], params["batch_group_count"]
    groups = max(features, batches)
    if features > 1 and batches > 1:
        return None

    def three(values: Sequence[int], default: int) -> list[int]:
        return [default] * (3 - rank) + list(values)

    image_strides, kernel_strides, out_strides = map(strides_of, (lhs.shape, rhs.shape, out.shape))
    in_channels, out_channels = rhs.shape[kernel[1]], rhs.shape[kernel[0]] // groups
    batch = lhs.shape[image[0]] // batches
    image_group = (
        in_channels * image_strides[image[1]] if features > 1 else batch * image_strides[image[0]]
    )
    spec = [CODES[lhs.dtype], batch, groups, in_channels, out_channels]
    spec += three([lhs.shape[i] for i in image[2:]], 1)
    spec += three([rhs.shape[i] for i in kernel[2:]], 1)
    spec += three([out.shape[i] for i in result[2:]], 1)
    spec += three(params["window_strides"], 1)
    spec += three([low for low, _ in params["padding"]], 0)
    spec += three(params["lhs_dilation"], 1) + three(params["rhs_dilation"], 1)
    spec += [image_group, image_strides[image[0]], image_strides[image[1]]]
    spec += three([image_strides[i] for i in image[2:]], 0)
    spec += [
        out_channels * kernel_strides[kernel[0]],
        kernel_strides[kernel[0]],
        kernel_strides[kernel[1]],
    ]
    spec += three([kernel_strides[i] for i in kernel[2:]], 0)
    spec += [out_channels * out_strides[result[1]], out_strides[result[0]], out_strides[result[1]]]
    spec += three([out_strides[i] for i in result[2:]], 0)
    return tuple(int(field) for field in spec)


def _around(shape: Shape, axis: int) -> tuple[int, int, int]:
    """Sizes before, of and after an axis."""
    return math.prod(shape[:axis]), shape[axis], math.prod(shape[axis + 1 :])


def sort_spec(operands: Sequence[Any], dimension: int, num_keys: int) -> Spec | None:
    """`sort` of these operands."""
    shape = operands[0].shape
    if any(x.dtype not in CODES for x in operands) or shape[dimension] >= 1 << 31:
        return None
    codes = [CODES[x.dtype] for x in operands]
    return (*_around(shape, dimension), num_keys, len(operands), *codes)


def top_k_spec(operand: Any, k: int, axis: int) -> Spec | None:
    """`top_k` along the last axis."""
    shape = operand.shape
    if CODES.get(operand.dtype, 13) >= 13 or axis != len(shape) - 1 or shape[-1] >= 1 << 31:
        return None
    return CODES[operand.dtype], math.prod(shape[:-1]), shape[-1], k


def scan_spec(name: str, operand: Any, axis: int, reverse: bool) -> Spec | None:
    """`cumsum` and its kin."""
    code = CODES.get(operand.dtype, -1)
    outer, count, inner = _around(operand.shape, axis)
    if code >= 13 and name == "cumsum":  # both parts of complex numbers, side by side
        code, inner = code - 2, 2 * inner
    if code >= 13 or code <= 0 or (name == "cumlogsumexp" and code < 9):
        return None
    return code, SCAN_KINDS[name], outer, count, inner, int(reverse)


def scatter_rows_spec(
    name: str, operand: Any, indices: Any, updates: Any, params: dict[str, Any]
) -> Spec | None:
    """A scatter that updates whole rows `operand[i]`, dropping indices outside."""
    numbers = params["dimension_numbers"]
    rank, index_rank = len(operand.shape), len(indices.shape) - 1
    window = tuple(range(index_rank, index_rank + rank - 1))
    rows = (
        rank >= 1 and operand.dtype == updates.dtype and indices.shape[-1:] == (1,)
        and tuple(numbers.update_window_dims) == window
        and tuple(numbers.inserted_window_dims) == (0,)
        and tuple(numbers.scatter_dims_to_operand_dims) == (0,)
        and not getattr(numbers, "operand_batching_dims", ())
        and tuple(updates.shape[index_rank:]) == tuple(operand.shape[1:])
    )  # fmt: skip
    clips = "CLIP" in str(params.get("mode"))
    kind, code = SCATTER_KINDS[name], CODES.get(operand.dtype)
    if not rows or clips or code is None or indices.dtype not in CODES:
        return None
    if (code >= 13 and kind not in _LINEAR_KINDS) or (code == 0 and kind != 0):
        return None
    length, count = math.prod(operand.shape[1:]), math.prod(indices.shape[:-1])
    return code, kind, length, operand.shape[0], count, CODES[indices.dtype]


def threefry_spec(keys: int, count: int, bit_width: int) -> Spec:
    """Random bits for `keys` keys of two uint32 each."""
    return keys, count, bit_width // 8


_LONGEST_TRANSFORM = 1 << 24  # bounds the memory that tables of roots of unity stay in
_LONGEST_COLUMN = 1 << 12


def fft_spec(operand: Any, kind: int, lengths: Shape) -> Spec | None:
    """`fft` of kind 0 FFT, 1 IFFT, 2 RFFT or 3 IRFFT along the last axes."""
    if not lengths or operand.dtype.name not in _TRANSFORMED:
        return None
    *others, length = map(int, lengths)
    rows = math.prod(operand.shape[:-1])
    least = 2 if kind < 2 else 4  # real rows are complex ones of half length
    if not least <= length <= _LONGEST_TRANSFORM or length & (length - 1) or rows == 0:
        return None
    # Other axes are transformed a vector of neighbouring columns at a time.
    if others and (kind >= 2 or length % (128 // operand.dtype.itemsize)):
        return None
    if any(n > _LONGEST_COLUMN or n & (n - 1) for n in others):
        return None
    code = CODES[np.dtype(_TRANSFORMED[operand.dtype.name])]
    return code, int(kind), rows, length, len(others), *others[::-1]


def any_fft_spec(operand: Any, kind: int, lengths: Shape) -> Spec | None:
    """`fft` along the last axes, of any lengths."""
    if not lengths or operand.dtype.name not in _TRANSFORMED:
        return None
    *others, length = map(int, lengths)
    rows = math.prod(operand.shape[:-1])
    if not 1 <= min(lengths) <= max(lengths) <= _LONGEST_TRANSFORM or rows == 0:
        return None
    code = CODES[np.dtype(_TRANSFORMED[operand.dtype.name])]
    return code, int(kind), rows, length, len(others), *others[::-1]


# ---- calls -------------------------------------------------------------------------------------


@functools.cache
def _function(name: str, pointers: int) -> Any:
    return ctypes.CFUNCTYPE(ctypes.c_int32, *[ctypes.c_void_p] * (pointers + 1))(_symbols()[name])


def call_eagerly(name: str, spec: Spec, *arrays: Any) -> None:
    """Calls a library function on contiguous arrays (or None for a null pointer)."""
    _native.call_library(_symbols()[name], tuple(spec), *arrays)


def address_of(name: str) -> int:
    """The address of a function of the library."""
    return _symbols()[name]


@functools.cache
def _symbols() -> dict[str, int]:
    return _native.symbols()


def sort_eagerly(spec: Spec, operands: Sequence[Any]) -> list[Any]:
    """`arrax_sort` on contiguous arrays."""
    results = [np.empty_like(operand) for operand in operands]
    fields: Any = (ctypes.c_int64 * len(spec))(*spec)
    tables: list[Any] = [
        (ctypes.c_void_p * len(row))(*[array.ctypes.data for array in row])
        for row in (operands, results)
    ]
    addresses = [ctypes.addressof(table) for table in (fields, *tables)]
    status = _function("arrax_sort", 2)(*addresses)
    if status:
        raise MemoryError("sort") if status == 2 else InternalError(
            f"arrax_sort failed with status {status}")
    return results


@functools.cache
def blas_symbols() -> dict[str, int]:
    """Addresses of `sgemm`, `dgemm`, `cgemm`, `zgemm` with Fortran's calling convention.

    From SciPy's Cython API, which is there wherever SciPy is, with 32-bit integers.
    """
    from scipy.linalg import cython_blas

    address = ctypes.pythonapi.PyCapsule_GetPointer
    address.restype, address.argtypes = ctypes.c_void_p, [ctypes.py_object, ctypes.c_char_p]
    name_of = ctypes.pythonapi.PyCapsule_GetName
    name_of.restype, name_of.argtypes = ctypes.c_char_p, [ctypes.py_object]
    table = cython_blas.__pyx_capi__
    return {
        name: address(table[name], name_of(table[name]))
        for name in ("sgemm", "dgemm", "cgemm", "zgemm")
    }
