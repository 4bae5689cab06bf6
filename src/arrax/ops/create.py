"""Arrays out of nothing: iota, full, empty, symbolic dimensions."""
from __future__ import annotations

from typing import Any

import numpy as np

from arrax.core import dtypes
from arrax.core.array import Array, ArrayImpl, array_of
from arrax.core.aval import ShapedArray, aval_of
from arrax.core.errors import InconclusiveDimensionOperation
from arrax.core.positions import check_positions
from arrax.core.primitive import NotApplicable, Primitive
from arrax.core.trace import Tracer
from arrax.core.lowering import Form, HostCall
from arrax.ops.arguments import canonical_shape
from arrax.ops.convert import check_real_target, convert, whole_number
from arrax.ops.p import convert_element_type_p
from arrax.ops.shape import broadcast, broadcast_in_dim_p, filled
from arrax.typing import ArrayLike, DTypeLike

_NO_OPERANDS = NotApplicable("it has no operands")


# ---- iota --------------------------------------------------------------------------------------

def _iota_type(*, dtype: Any, shape: Any, dimension: int, sharding: Any = None) -> Any:
    if not any(dtypes.issubdtype(dtype, kind) for kind in (np.integer, np.inexact)):
        raise TypeError(f"iota does not accept dtype {dtypes.dtype_name(dtype)}. Accepted dtypes "
                        "are subtypes of integer, floating, complexfloating.")
    if any(d < 0 for d in shape):
        raise TypeError(f"iota shape must have every element be nonnegative, got {shape}.")
    if not 0 <= dimension < len(shape):
        raise ValueError("iota dimension must be between 0 and len(shape), got "
                         f"dimension={dimension} for shape={shape}")
    if dtypes.issubdtype(dtype, np.integer) and dtype.itemsize >= 4:  # narrow ones wrap on purpose
        check_positions("iota", shape[dimension], dtype)
    return ShapedArray(shape, dtype)


def _iota_evaluate(*, dtype: Any, shape: Any, dimension: int, sharding: Any = None) -> np.ndarray:
    size = shape[dimension]
    row = np.arange(size, dtype=dtype) if dtype.kind in "iufc" else np.arange(size).astype(dtype)
    if len(shape) == 1:
        return row
    aligned = [1] * len(shape)
    aligned[dimension] = size
    return np.broadcast_to(row.reshape(aligned), shape)


iota_p = Primitive(
    "iota", type_rule=_iota_type, evaluate=_iota_evaluate, jvp=_NO_OPERANDS,
    transpose=_NO_OPERANDS, batch=_NO_OPERANDS, weak_type="none", lower=Form(),
    stablehlo=lambda b, *, dtype, shape, dimension, sharding=None: b.iota(shape, dtype, dimension))


def iota(dtype: DTypeLike, size: int) -> Array:
    """0, 1, …, size - 1 as an array of `dtype`."""
    return broadcasted_iota(dtype, (size,), 0)


def broadcasted_iota(dtype: DTypeLike, shape: Any, dimension: int, *,
                     out_sharding: Any = None) -> Array:
    """An array of `shape` whose elements are their index along `dimension`.

    TypeError for bool and negative sizes, ValueError for a dimension out of range.

    Example:
      >>> lax.broadcasted_iota(jnp.int32, (2, 3), 1)
      Array([[0, 1, 2],
             [0, 1, 2]], dtype=int32)
    """
    dtype = dtypes.check_user_dtype(dtype, "iota") if dtype is not None else None
    shape = canonical_shape(shape)
    dimension = int(dimension)
    _iota_type(dtype=dtype, shape=shape, dimension=dimension)
    return iota_p.bind(dtype=dtype, shape=shape, dimension=dimension, sharding=out_sharding)


# ---- full, empty -------------------------------------------------------------------------------

def full(shape: Any, fill_value: ArrayLike, dtype: DTypeLike | None = None, *,
         sharding: Any = None) -> Array:
    """An array of `shape` filled with a scalar; weakly typed for a Python scalar without `dtype`.

    TypeError for negative sizes and for a `fill_value` that is no scalar.
    """
    shape = canonical_shape(shape)
    aval = aval_of(fill_value)
    if aval.shape:
        raise TypeError("full must be called with scalar fill_value, got fill_value.shape "
                        f"{aval.shape}.")
    if any(d < 0 for d in shape):
        raise TypeError(f"broadcast_in_dim shape must have every element be nonnegative, got "
                        f"{shape}.")
    value = _scalar(fill_value, aval, dtype)
    if not shape:
        return value if isinstance(value, Tracer) else array_of(value)
    return broadcast_in_dim_p.bind(value, shape=shape, broadcast_dimensions=(), sharding=sharding)


def _scalar(value: Any, aval: Any, dtype: Any) -> Any:
    """`value` in `dtype` (None: its own), as an operand of `bind`."""
    if type(value) is int:
        value = whole_number(value, dtypes.default_int_dtype() if dtype is None else
                             dtypes.check_user_dtype(dtype, "full"))
    if dtype is None:
        return value
    dtype = dtypes.check_user_dtype(dtype, "full")
    if type(value) in dtypes.python_scalar_types or isinstance(value, np.generic):
        check_real_target(value, dtype)
        return convert(np.asarray(value), dtypes.storage_dtype(dtype))[()]
    if aval.dtype == dtype and not aval.weak_type:
        return value
    if type(value) is ArrayImpl and not isinstance(dtype, dtypes.ExtendedDType):
        return value.data.astype(dtype)[()]
    return convert_element_type_p.bind(
        value, new_dtype=dtype, weak_type=False, sharding=None)


def full_like(x: Any, fill_value: ArrayLike, dtype: DTypeLike | None = None, shape: Any = None,
              sharding: Any = None) -> Array:
    """An array like `x` (its shape, dtype and weak type unless given) filled with a scalar."""
    aval = x if hasattr(x, "shape") and hasattr(x, "dtype") else aval_of(x)
    weak = dtype is None and getattr(x, "weak_type", getattr(aval, "weak_type", False))
    shape = aval.shape if shape is None else shape
    dtype = aval.dtype if dtype is None else dtype
    if not weak:
        return full(shape, fill_value, dtype, sharding=sharding)
    if type(fill_value) in dtypes.python_scalar_types:
        number = np.asarray(fill_value).astype(dtype).item()
        return full(shape, number, None, sharding=sharding)
    value = convert_element_type_p.bind(
        fill_value, new_dtype=dtype, weak_type=True, sharding=None)
    return broadcast(value, canonical_shape(shape))


empty_p = Primitive(
    "empty", type_rule=lambda *, shape, dtype, out_sharding=None: ShapedArray(shape, dtype),
    evaluate=lambda *, shape, dtype, out_sharding=None: filled(shape, np.zeros((), dtype)),
    jvp=_NO_OPERANDS, transpose=_NO_OPERANDS, batch=_NO_OPERANDS, weak_type="none",
    lower=HostCall("contents do not matter"),
    stablehlo=lambda b, **_: b.zeros(b.outs[0]))


def empty(shape: Any, dtype: Any, *, out_sharding: Any = None) -> Any:
    """An array of `shape` and `dtype` whose contents are not specified (they are zeros)."""
    return empty_p.bind(shape=canonical_shape(shape),
                        dtype=dtypes.check_user_dtype(dtype, "empty"), out_sharding=out_sharding)


# ---- symbolic dimensions -----------------------------------------------------------------------

def _no_value(*, dim: Any) -> Any:
    raise InconclusiveDimensionOperation(
        f"Symbolic dimension '{dim}' has no value: programs with symbolic shapes are traced and "
        "exported, and run at concrete shapes only.")


dim_as_value_p = Primitive(
    "dim_as_value", type_rule=lambda *, dim: ShapedArray((), dtypes.default_int_dtype(), True),
    evaluate=_no_value, jvp=_NO_OPERANDS, transpose=_NO_OPERANDS, batch=_NO_OPERANDS,
    weak_type="rule", lower=HostCall("programs with symbols are not compiled"),
    stablehlo=NotApplicable("programs with symbols are not compiled"))
