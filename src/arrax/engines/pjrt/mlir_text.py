"""MLIR's text of types, attributes and constants.

Source: the StableHLO specification (openxla/stablehlo, docs/spec.md) and MLIR's language reference.
"""
from __future__ import annotations

import math
import re
from collections.abc import Sequence
from typing import Any

import numpy as np

from arrax.core.aval import ShapedArray
from arrax.core.dtypes import storage_dtype
from arrax.core.errors import InternalError

_ELEMENTS = {
    "bool": "i1", "float0": "i1",
    **{f"int{n}": f"i{n}" for n in (2, 4, 8, 16, 32, 64)},
    **{f"uint{n}": f"ui{n}" for n in (2, 4, 8, 16, 32, 64)},
    "float16": "f16", "bfloat16": "bf16", "float32": "f32", "float64": "f64",
    "complex64": "complex<f32>", "complex128": "complex<f64>",
    "float8_e3m4": "f8E3M4", "float8_e4m3": "f8E4M3", "float8_e4m3b11fnuz": "f8E4M3B11FNUZ",
    "float8_e4m3fn": "f8E4M3FN", "float8_e4m3fnuz": "f8E4M3FNUZ", "float8_e5m2": "f8E5M2",
    "float8_e5m2fnuz": "f8E5M2FNUZ", "float8_e8m0fnu": "f8E8M0FNU", "float4_e2m1fn": "f4E2M1FN"}

_LISTED = 16  # constants of more elements are written as bytes


def element_type(dtype: Any) -> str:
    """`f32`, `ui8`, `complex<f32>`, …; a key array is the integers (or complex) that store it."""
    return _ELEMENTS[storage_dtype(dtype).name]


def tensor_type(aval: ShapedArray) -> str:
    """`tensor<3x4xf32>`."""
    return f"tensor<{''.join(f'{d}x' for d in aval.shape)}{element_type(aval.dtype)}>"


def signature(operands: Sequence[ShapedArray], results: Sequence[ShapedArray]) -> str:
    """`(tensor<f32>, tensor<f32>) -> tensor<f32>`."""
    return f"({', '.join(map(tensor_type, operands))}) -> {result_types(results)}"


def location(value: Any) -> str:
    """` loc("name"("file":line:column))` of (name, position), ` loc("name")` without position."""
    name, position = value
    inner = "" if position is None else f"({string(position[0])}:{position[1]}:{position[2]})"
    return f" loc({string(name)}{inner})"


def result_types(results: Sequence[ShapedArray]) -> str:
    """One type, or a list in parentheses of none or several."""
    text = ", ".join(map(tensor_type, results))
    return text if len(results) == 1 else f"({text})"


# ---- constants ---------------------------------------------------------------------------------

def dense(array: np.ndarray) -> str:
    """`dense<…> : tensor<…>`: one element if all are the same, a list, or bytes if many."""
    type_ = tensor_type(ShapedArray(array.shape, array.dtype))
    flat = array.reshape(-1)
    if not array.size:
        return f"dense<> : {type_}"
    if _all_the_same(flat):
        return f"dense<{_element(flat[0])}> : {type_}"
    if array.size > _LISTED and array.dtype.kind in "iufc" and array.dtype.itemsize * 8 == _bits(
            array.dtype):
        words = array.astype(array.dtype.newbyteorder("<"), order="C").tobytes()
        return f'dense<"0x{words.hex().upper()}"> : {type_}'
    return f"dense<{_nested(array)}> : {type_}"


def _bits(dtype: np.dtype) -> int:
    """The width of an element in memory, by its MLIR type."""
    digits = "".join(c for c in element_type(dtype).rstrip(">").split("<")[-1] if c.isdigit())
    return int(digits) * (2 if dtype.kind == "c" else 1)


def _all_the_same(flat: np.ndarray) -> bool:
    words = np.ascontiguousarray(flat).view(np.uint8).reshape(flat.size, -1)
    return bool((words == words[0]).all())


def _nested(array: np.ndarray) -> str:
    if array.ndim == 0:
        return _element(array[()])
    return f"[{', '.join(_nested(part) for part in array)}]"


def _element(value: Any) -> str:
    dtype = value.dtype
    if dtype.kind == "b":
        return "true" if value else "false"
    if dtype.kind == "c":
        return f"({_float(value.real)}, {_float(value.imag)})"
    if dtype.kind in "iu" or "int" in dtype.name:
        return str(int(value))
    return _float(value)


def _float(value: Any) -> str:
    """As MLIR writes it: six decimals if they read back as `value`, else the shortest decimals
    that do; infinities and NaNs by their bits."""
    dtype = value.dtype
    if not math.isfinite(float(value)):
        bits = np.asarray(value).view(f"uint{8 * dtype.itemsize}")[()]
        return f"0x{int(bits):0{2 * dtype.itemsize}X}"
    text = f"{float(value):.6e}"
    if dtype.type(float(text)) == value:
        return text
    narrow = np.float32(value) if dtype.itemsize < 8 else value
    text = np.format_float_scientific(narrow, unique=True, trim="0")
    if float(text) != float(value) and dtype.type(float(text)) != value:
        text = np.format_float_scientific(np.float64(value), unique=True, trim="0")
    return text


# ---- attributes --------------------------------------------------------------------------------

def i32(value: Any) -> str:
    return f"{int(value)} : i32"


def i64(value: Any) -> str:
    return f"{int(value)} : i64"


def boolean(value: Any) -> str:
    return "true" if value else "false"


def string(value: str) -> str:
    """A string in quotes; bytes that are no plain ASCII by their hexadecimal digits."""
    return '"' + "".join(chr(c) if 32 <= c < 127 and c not in b'"\\' else f"\\{c:02X}"
                         for c in value.encode()) + '"'


def i64s(values: Sequence[int]) -> str:
    """A list of integers."""
    return f"array<i64{': ' if len(values) else ''}{', '.join(str(int(v)) for v in values)}>"


def booleans(values: Sequence[bool]) -> str:
    """A list of truth values."""
    return f"array<i1{': ' if len(values) else ''}{', '.join(boolean(v) for v in values)}>"


def matrix(rows: Any) -> str:
    """Rows of integers, such as padding (low, high) of each dimension."""
    array = np.asarray(rows, np.int64)
    return dense(array.reshape(len(array), -1) if array.size else array.reshape(0, 2))


def enum(kind: str) -> Any:
    """The attribute `#stablehlo<kind NAME>`, of a name."""
    return lambda name: f"#stablehlo<{kind} {name}>"


def enums(dialect: str, kind: str) -> Any:
    """A list of attributes `#dialect<kind NAME>`, of names."""
    return lambda names: f"[{', '.join(f'#{dialect}<{kind} {name}>' for name in names)}]"


def struct(kind: str) -> Any:
    """The attribute `#kind<field = value, …>`, of a dict of integers, truth values, names and
    lists of integers."""
    def text(fields: dict[str, Any]) -> str:
        return f"#{kind}<{', '.join(f'{name} = {_field(v)}' for name, v in fields.items())}>"
    return text


def _field(value: Any) -> str:
    if isinstance(value, (tuple, list)):
        return str(list(map(int, value)))
    return boolean(value) if isinstance(value, bool) else str(value)


def symbol(name: str) -> str:
    """A function or a module by its name, in quotes if it needs them."""
    return f"@{name}" if re.fullmatch(r"[A-Za-z_][\w.$]*", name, re.ASCII) else f"@{string(name)}"


def attributes(fields: dict[str, Any]) -> str:
    """A dictionary of attributes: Python and NumPy scalars, strings, dtypes, arrays, lists and
    dictionaries of these; those that are None are left out. TypeError for other values."""
    return "{" + ", ".join(f"{key} = {attribute(value)}" for key, value in fields.items()
                           if value is not None) + "}"


def attribute(value: Any) -> str:
    """One such value; Python numbers have 64 bits."""
    if isinstance(value, dict):
        return attributes(value)
    if isinstance(value, (list, tuple)):
        return f"[{', '.join(map(attribute, value))}]"
    if isinstance(value, str):
        return string(value)
    if isinstance(value, (bool, np.bool_)):
        return boolean(value)
    if isinstance(value, np.dtype):
        return element_type(value)
    if isinstance(value, (int, float)) and not isinstance(value, np.generic):
        value = np.asarray(value)[()]
    if isinstance(value, np.generic):
        return f"{_element(value)} : {element_type(value.dtype)}"
    if hasattr(value, "__array__"):
        return dense(np.asarray(value))
    raise TypeError(f"StableHLO has no attribute for {value!r} of type {type(value)}")


def unit(value: bool) -> str:
    """An attribute that is there or not; leave it out (None) where it does not hold."""
    if value is not True:
        raise InternalError(f"a unit attribute holds or is left out, got {value!r}")
    return "unit"


def accuracy(value: Any) -> str:
    """`#stablehlo.result_accuracy<…>`, of an accuracy mode or a tolerance."""
    mode = getattr(value, "name", "TOLERANCE")
    bounds = "" if mode != "TOLERANCE" else (
        f"atol = {value.atol:e}, rtol = {value.rtol:e}, ulps = {value.ulps}, ")
    return f"#stablehlo.result_accuracy<{bounds}mode = #stablehlo.result_accuracy_mode<{mode}>>"


def shown(value: Any) -> str:
    """An attribute in a short form: lists in brackets, other values as they are."""
    if isinstance(value, (str, int, np.integer)):
        return str(value)
    return str([int(v) for v in value])


def verbatim(text: str) -> str:
    """An attribute that its rule writes itself."""
    return text
