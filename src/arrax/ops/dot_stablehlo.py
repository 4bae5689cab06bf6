"""dot_general in StableHLO, with its precisions and algorithms."""
from __future__ import annotations

from typing import Any

import numpy as np

from arrax.core import dtypes
from arrax.core.aval import ShapedArray
from arrax.ops.dot_types import DotAlgorithm, DotAlgorithmPreset

_HALF_OF_FLOAT32 = ("bf16", "tf32")  # the operands of these algorithms may be stored as float32
_BFLOAT16, _FLOAT32 = np.dtype(dtypes.bfloat16), np.dtype(np.float32)
_DTYPES = {"f16": np.dtype(np.float16), "bf16": _BFLOAT16, "f32": _FLOAT32,
           "f64": np.dtype(np.float64)}


def precision_names(precision: Any) -> list[str] | None:
    """The `precision_config` of two precisions; None for no demand, and for algorithms."""
    return [p.name for p in precision] if isinstance(precision, tuple) and not isinstance(
        precision, DotAlgorithm) else None


def dot_general_form(b: Any, x: Any, y: Any, *, dimension_numbers: Any, precision: Any,
                     preferred_element_type: Any, out_sharding: Any = None) -> Any:
    """Operands of two dtypes are converted to the result's, unless both are eight-bit floats."""
    (x_contract, y_contract), (x_batch, y_batch) = dimension_numbers
    out = b.outs[0]
    algorithm = None
    if isinstance(precision, (DotAlgorithm, DotAlgorithmPreset)):
        algorithm = _algorithm(b, precision, x.aval.dtype, y.aval.dtype)
    result = out.dtype
    if algorithm is not None:
        x = _stored(b, x, algorithm["lhs_precision_type"])
        y = _stored(b, y, algorithm["rhs_precision_type"])
        result = _DTYPES.get(algorithm["accumulation_type"], result)
    elif x.aval.dtype != y.aval.dtype and not (_is_eight_bit(x) and _is_eight_bit(y)):
        x, y = b.convert(x, result), b.convert(y, result)
    product = b.op("dot_general", x, y, results=ShapedArray(out.shape, result),
                   precision_config=precision_names(precision), algorithm=algorithm,
                   dot_dimension_numbers={
                       "lhs_batching_dimensions": x_batch, "rhs_batching_dimensions": y_batch,
                       "lhs_contracting_dimensions": x_contract,
                       "rhs_contracting_dimensions": y_contract})
    return b.convert(product, out.dtype)


def _is_eight_bit(x: Any) -> bool:
    return dtypes.issubdtype(x.aval.dtype, np.inexact) and x.aval.dtype.itemsize == 1


def _stored(b: Any, x: Any, kind: str) -> Any:
    """`x` in a dtype that an algorithm whose operands are of `kind` takes."""
    if kind in _HALF_OF_FLOAT32:
        return x if kind == "bf16" and x.aval.dtype == _BFLOAT16 else b.convert(x, _FLOAT32)
    return b.convert(x, _DTYPES[kind]) if kind in _DTYPES else x


def _algorithm(b: Any, precision: Any, x_dtype: Any, y_dtype: Any) -> dict[str, Any] | None:
    """The fields of the attribute; a preset's name says them ("BF16_BF16_F32_X3")."""
    if precision is DotAlgorithmPreset.DEFAULT:
        return None
    if isinstance(precision, DotAlgorithm):
        x_type, y_type, total, *counts, imprecise = precision
        kinds = [b.element_type(np.dtype(t)) for t in (x_type, y_type, total)]
    else:
        name, imprecise = precision.name.lower(), precision.name.endswith("_FAST_ACCUM")
        name = name.removesuffix("_fast_accum")
        if name.startswith("any_f8"):
            kinds, counts = [b.element_type(x_dtype), b.element_type(y_dtype), "f32"], [1, 1, 1]
        else:
            *kinds, passes = name.split("_") if "_x" in name else (*name.split("_"), "x1")
            counts = [1, 1, int(passes[1:])]
    fields = ("lhs_precision_type", "rhs_precision_type", "accumulation_type",
              "lhs_component_count", "rhs_component_count", "num_primitive_operations")
    return dict(zip(fields, (*kinds, *counts), strict=True)) | {
        "allow_imprecise_accumulation": bool(imprecise)}
