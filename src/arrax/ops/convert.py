"""Conversions: of element types, of bit patterns, and to fewer bits of precision."""
from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import numpy as np

from arrax.core import dtypes
from arrax.core.ad_values import Zero, tangent_aval
from arrax.core.array import Array, ArrayImpl, from_numpy
from arrax.core.aval import ShapedArray, aval_of
from arrax.core.dtypes import ExtendedDType, float0
from arrax.core.primitive import NotApplicable, Primitive
from arrax.core.remembered import remembered
from arrax.core.trace import Tracer
from arrax.core.lowering import Elementwise, Form
from arrax.ops.arguments import integer
from arrax.ops.arguments import operand as _operand
from arrax.ops.elementwise_rules import (
    ANY, FLOAT, is_small, piecewise_constant, unary_type)
from arrax.ops.p import real_p
from arrax.ops.quiet import quiet
from arrax.ops.rules import batch_elementwise, linear_jvp, move_axis, transpose_unary
from arrax.typing import ArrayLike, DTypeLike


# ---- convert_element_type --------------------------------------------------------------------

def _convert_type(x: Any, *, new_dtype: Any, weak_type: bool, sharding: Any = None) -> Any:
    if isinstance(x.dtype, ExtendedDType) != isinstance(new_dtype, ExtendedDType):
        raise ValueError(f"Cannot convert_element_type from {dtypes.dtype_name(x.dtype)} to "
                         f"{dtypes.dtype_name(new_dtype)}")
    return ShapedArray(x.shape, new_dtype, weak_type)


@functools.cache
def _integer_bounds(dtype: np.dtype[Any]) -> tuple[int, int]:
    info = dtypes.iinfo(dtype)
    return int(info.min), int(info.max)


def convert(x: np.ndarray, dtype: np.dtype[Any]) -> np.ndarray:
    """`x` in `dtype`: floats saturate to integers and NaN becomes 0; complex loses its imaginary
    part; to bool means not zero."""
    try:
        conversion = _conversions[x.dtype, dtype]
    except KeyError:
        conversion = _conversions[x.dtype, dtype] = _conversion(x.dtype, dtype)
    return conversion(x, dtype)


_Conversion = Callable[[np.ndarray, Any], np.ndarray]
_conversions: dict[tuple[Any, Any], _Conversion] = {}


def _conversion(source: np.dtype[Any], dtype: np.dtype[Any]) -> _Conversion:
    """How values of dtype `source` become values of `dtype`."""
    if source == dtype:
        return lambda x, dtype: x
    if source.kind == "c" and dtype.kind != "c":
        return lambda x, dtype: convert(x.real, dtype)
    if dtype.kind == "b":
        return lambda x, dtype: np.not_equal(x, np.zeros((), x.dtype))
    from_float = dtypes.issubdtype(source, np.floating)
    if from_float and dtypes.issubdtype(dtype, np.integer):
        return _saturate
    if is_small(dtype) and (is_small(source) or dtypes.issubdtype(dtype, np.floating)):
        wide = np.float32 if from_float or dtypes.issubdtype(dtype, np.floating) else np.int8
        return lambda x, dtype: x.astype(wide).astype(dtype)
    return lambda x, dtype: x.astype(dtype)


_least, _greatest = np.minimum.reduce, np.maximum.reduce


def _saturate(x: np.ndarray, dtype: np.dtype[Any]) -> np.ndarray:
    low, high = _integer_bounds(dtype)
    if x.size and not is_small(dtype) and not is_small(x.dtype):
        if low < 0 and dtype.itemsize >= 4:
            out = x.astype(dtype)  # what does not fit becomes the least integer, or saturates
            if _least(out, None) > low:
                return out
        elif _least(x, None) >= low and _greatest(x, None) < float(high + 1):  # false for NaN
            return x.astype(dtype)
    wide = x.astype(np.float64)
    if is_small(dtype):
        return _saturate(x, np.dtype(np.int8 if low < 0 else np.uint8)).clip(low, high) \
            .astype(dtype)
    inside = np.clip(np.nan_to_num(wide, nan=0.0, posinf=np.inf, neginf=-np.inf), low, high)
    out = np.asarray(inside).astype(dtype)
    if dtype.itemsize == 8:  # float64(2⁶³ - 1) is 2⁶³, which does not fit
        out = np.where(wide >= float(high), dtype.type(high), out)
    return out


def _convert_evaluate(x: Any, *, new_dtype: Any, weak_type: bool, sharding: Any = None) -> Any:
    if new_dtype == float0:
        return np.zeros(x.shape, float0)
    return convert(x, dtypes.storage_dtype(new_dtype))


def _convert_jvp(primals: Any, tangents: Any, **params: Any) -> Any:
    (x,), (tangent,) = primals, tangents
    out = convert_element_type_p.bind(x, **params)
    aval = tangent_aval(aval_of(out))
    if type(tangent) is Zero or aval.dtype == float0:
        return out, Zero(aval)
    return out, convert_element_type_p.bind(tangent, **{**params, "weak_type": False})


def _convert_transpose(cotangent: Any, x: Any, *, new_dtype: Any, weak_type: bool,
                       sharding: Any = None) -> Any:
    return convert_element_type_p.bind(cotangent, new_dtype=x.dtype, weak_type=x.weak_type,
                                       sharding=sharding)


def _convert_stablehlo(b: Any, x: Any, *, new_dtype: Any, **_: Any) -> Any:
    if new_dtype == float0:
        return b.zeros(b.outs[0])
    if isinstance(new_dtype, ExtendedDType):
        return x
    if dtypes.issubdtype(x.dtype, np.complexfloating) and \
            not dtypes.issubdtype(new_dtype, np.complexfloating):
        x = real_p.bind(x)
    if new_dtype == np.bool_ and x.dtype != np.bool_:
        return b.compare("NE", x, b.constant(0, x.dtype))
    return b.convert(x, new_dtype)


convert_element_type_p = Primitive(
    "convert_element_type", type_rule=_convert_type, evaluate=quiet(_convert_evaluate),
    jvp=_convert_jvp, transpose=transpose_unary(_convert_transpose), batch=batch_elementwise(),
    lower=Elementwise(lambda b, x: b.convert_element_type(x, b.out_dtype), 1),
    elementwise=True, linear=True, exact=ANY, hidden={"sharding": None},
    stablehlo=_convert_stablehlo,
    weak_type=lambda x, *, new_dtype, weak_type, sharding=None: weak_type)


@remembered
def convert_element_type(operand: ArrayLike, new_dtype: Any) -> Array:
    """`operand` with elements of `new_dtype`.

    Floats convert to integers by truncation, saturating at the bounds, NaN to 0; complex numbers
    to real ones by their real part; anything to bool by `!= 0`. The result is strongly typed. No
    copy is made when nothing changes. Raises ValueError without a dtype.

    Example:
      >>> lax.convert_element_type(jnp.array([1.7, -1.7]), jnp.int32)
      Array([ 1, -1], dtype=int32)
    """
    if new_dtype is None:
        raise ValueError("dtype must be specified.")
    dtype = _target(new_dtype)
    if type(operand) is int:
        operand = whole_number(operand, dtype)
    return convert_to(operand, dtype, False)


def whole_number(value: int, dtype: Any) -> Any:
    """A Python integer for conversion to `dtype`, however large it is; integers wrap around."""
    if -2 ** 31 <= value < 2 ** 31 or isinstance(dtype, dtypes.ExtendedDType):
        return value
    if not dtypes.issubdtype(dtype, np.integer):
        return from_numpy(np.asarray(float(value), dtype))
    bits = dtypes.itemsize_bits(dtype)
    return from_numpy(np.asarray(value & (2 ** bits - 1), np.uint64).astype(dtype))


def check_real_target(value: Any, dtype: Any) -> None:
    """TypeError for a Python complex number that is to become an integer or real number."""
    if type(value) is complex and (dtypes.issubdtype(dtype, np.integer)
                                   or dtypes.issubdtype(dtype, np.floating)):
        raise TypeError(f"a complex number, {value}, cannot become an element of dtype "
                        f"{dtypes.dtype_name(dtype)}; take its real part first")


def _target(new_dtype: Any) -> Any:
    """The canonical dtype; what does not depend on flags is remembered."""
    try:
        return _targets[new_dtype]
    except (KeyError, TypeError):
        pass
    if isinstance(new_dtype, ExtendedDType) or new_dtype == float0:
        return new_dtype
    target = dtypes.check_user_dtype(new_dtype, "convert_element_type")
    if target.itemsize < 4 or target == np.float32:
        if not (isinstance(new_dtype, type) and new_dtype in dtypes.python_scalar_types):
            if np.dtype(new_dtype) == target:
                _targets[new_dtype] = target
    return target


_targets: dict[Any, Any] = {np.dtype(np.int32): np.dtype(np.int32),
                            np.int32: np.dtype(np.int32)}


def convert_to(x: Any, dtype: Any, weak_type: bool) -> Any:
    """`x` as an array of `dtype` (canonical) and weak type; itself if it is that already."""
    if not isinstance(x, (ArrayImpl, Tracer)):
        x = _operand(x, "convert_element_type")
    aval = x.aval
    if aval.dtype == dtype and aval.weak_type == weak_type:
        return x
    _convert_type(aval, new_dtype=dtype, weak_type=weak_type)
    return convert_element_type_p.bind(x, new_dtype=dtype, weak_type=bool(weak_type),
                                       sharding=None)


# ---- bitcast_convert_type --------------------------------------------------------------------

def _bitcast_type(x: Any, *, new_dtype: Any) -> Any:
    old, new = x.dtype, new_dtype
    if old != new and any(np.dtype(d).kind in "bc" for d in (old, new)):
        raise TypeError(
            "lax.bitcast_convert_type does not support bool or complex values unless the operand "
            f"and destination types match. Got operand dtype={dtypes.dtype_name(old)}, "
            f"new_dtype={new!r}. Consider using the arr.view() method instead.")
    old_bits, new_bits = dtypes.itemsize_bits(old), dtypes.itemsize_bits(new)
    if old_bits == new_bits:
        return ShapedArray(x.shape, new)
    if old_bits > new_bits:
        return ShapedArray((*x.shape, old_bits // new_bits), new)
    dim = x.shape[-1] if x.shape else 1
    if dim * old_bits != new_bits or not x.shape:
        raise ValueError(
            f"Attempting to convert array of shape {x.shape} from {old.name} of size {old_bits} "
            f"bits to {new.name} of size {new_bits}, bits but {dim} * {old_bits} != {new_bits}")
    return ShapedArray(x.shape[:-1], new)


def _bitcast_evaluate(x: Any, *, new_dtype: Any) -> Any:
    if x.dtype.kind in "iuf" and new_dtype.kind in "iuf" and x.itemsize == new_dtype.itemsize:
        return x.view(new_dtype)
    shape = _bitcast_type(ShapedArray(x.shape, x.dtype), new_dtype=new_dtype).shape
    packed = _packed_bits(np.ascontiguousarray(x).reshape(x.shape))
    return _unpacked_bits(packed, shape, np.dtype(new_dtype))


def _packed_bits(x: np.ndarray) -> np.ndarray:
    """The bytes of `x`; elements narrower than a byte are packed, the first in the low bits."""
    bits = dtypes.itemsize_bits(x.dtype)
    if bits >= 8:
        return np.frombuffer(x.tobytes(), np.uint8)
    words = x.view(np.uint8).reshape(-1) & np.uint8((1 << bits) - 1)
    per_byte = 8 // bits
    out = np.zeros(-(-words.size // per_byte), np.uint8)
    for i in range(per_byte):
        part = words[i::per_byte]
        out[:part.size] |= part << np.uint8(bits * i)
    return out


def _unpacked_bits(packed: np.ndarray, shape: tuple[int, ...], dtype: np.dtype[Any]) -> np.ndarray:
    bits = dtypes.itemsize_bits(dtype)
    if bits >= 8:
        return np.frombuffer(packed.tobytes(), dtype).reshape(shape)
    per_byte = 8 // bits
    parts = [(packed >> np.uint8(bits * i)) & np.uint8((1 << bits) - 1) for i in range(per_byte)]
    words = np.stack(parts, -1).reshape(-1)
    if dtypes.issubdtype(dtype, np.signedinteger):
        signed = words.astype(np.int8)
        return np.where(signed >= 1 << (bits - 1), signed - np.int8(1 << bits), signed) \
            .astype(dtype).reshape(shape)
    return words.view(dtype).reshape(shape)


def _bitcast_batch(axis: Any, operands: Any, dims: Any, *, new_dtype: Any) -> Any:
    x = move_axis(operands[0], dims[0], 0)
    return bitcast_convert_type_p.bind(x, new_dtype=new_dtype), 0


bitcast_convert_type_p = Primitive(
    "bitcast_convert_type", type_rule=_bitcast_type, evaluate=_bitcast_evaluate,
    jvp=piecewise_constant, transpose=NotApplicable("not linear"), batch=_bitcast_batch,
    weak_type="none", lower=Form(Elementwise(
        lambda b, x: b.bitcast_convert_type(x, b.out_dtype))),
    stablehlo=lambda b, x, *, new_dtype: x if x.dtype == new_dtype else b.op(
        "bitcast_convert", x, results=b.outs[0]))


@remembered
def bitcast_convert_type(operand: ArrayLike, new_dtype: DTypeLike) -> Array:
    """The bits of `operand` read as `new_dtype`.

    A wider element becomes a new last axis of narrower ones, and the other way round. Raises
    TypeError for bool and complex, ValueError when the last axis does not fill the new element.
    """
    x = _operand(operand, "bitcast_convert_type")
    dtype = dtypes.check_user_dtype(new_dtype, "bitcast_convert_type")
    if dtype is None:
        raise TypeError("bitcast_convert_type: new_dtype must be a dtype, got None")
    _bitcast_type(x.aval, new_dtype=dtype)
    return bitcast_convert_type_p.bind(x, new_dtype=dtype)





# ---- reduce_precision -----------------------------------------------------------------------

def _reduce_precision_type(x: Any, *, exponent_bits: int, mantissa_bits: int) -> Any:
    if exponent_bits < 1:
        raise ValueError(f"reduce_precision: exponent_bits must be positive; got {exponent_bits}")
    if mantissa_bits < 0:
        raise ValueError(
            f"reduce_precision: mantissa_bits must be non-negative; got {mantissa_bits}")
    return unary_type("reduce_precision", FLOAT)(x)


def _reduce_precision(x: Any, *, exponent_bits: int, mantissa_bits: int) -> Any:
    """Rounds the mantissa to nearest even by integer arithmetic, then treats the exponent's range:
    too large becomes infinity, too small becomes zero (there are no subnormals)."""
    if is_small(x.dtype):
        return _reduce_precision(x.astype(np.float32), exponent_bits=exponent_bits,
                                 mantissa_bits=mantissa_bits).astype(x.dtype)
    bits = x.dtype.itemsize * 8
    own_mantissa = {16: 10, 32: 23, 64: 52}[bits]
    own_exponent = bits - 1 - own_mantissa
    word = np.ascontiguousarray(x).reshape(x.shape).view(f"u{x.dtype.itemsize}")
    kind = word.dtype.type
    if mantissa_bits < own_mantissa:
        cut = own_mantissa - mantissa_bits
        last = (word >> kind(cut)) & kind(1)
        word = (word + kind((1 << (cut - 1)) - 1) + last) & ~kind((1 << cut) - 1)
    if exponent_bits < own_exponent:
        word = _reduce_exponent(word, bits, own_mantissa, exponent_bits)
    return np.where(np.isnan(x), x, word.view(x.dtype))


def _reduce_exponent(word: Any, bits: int, mantissa: int, exponent_bits: int) -> Any:
    kind = word.dtype.type
    bias = (1 << (bits - 2 - mantissa)) - 1
    reduced = (1 << (exponent_bits - 1)) - 1
    sign = word & kind(1 << (bits - 1))
    infinity = kind(((1 << (bits - 1 - mantissa)) - 1) << mantissa)
    exponent = word & infinity
    word = np.where(exponent > kind((bias + reduced) << mantissa), sign | infinity, word)
    return np.where(exponent <= kind((bias - reduced) << mantissa), sign, word)


reduce_precision_p: Primitive = Primitive(
    "reduce_precision", type_rule=_reduce_precision_type, evaluate=quiet(_reduce_precision),
    jvp=linear_jvp(), batch=batch_elementwise(),
    transpose=transpose_unary(lambda ct, x, **params: reduce_precision_p.bind(ct, **params)),
    lower=Elementwise(lambda b, x, exponent_bits, mantissa_bits: b.reduce_precision(
        x, exponent_bits, mantissa_bits), cost=6), elementwise=True, exact=ANY,
    stablehlo=lambda b, x, **bits: b.op("reduce_precision", x, **bits))


@remembered
def reduce_precision(operand: Any, exponent_bits: int, mantissa_bits: int) -> Array:
    """`operand` rounded to a float of so many exponent and mantissa bits, in its own dtype."""
    x = _operand(operand, "reduce_precision")
    params = {"exponent_bits": integer(exponent_bits, "exponent_bits"),
              "mantissa_bits": integer(mantissa_bits, "mantissa_bits")}
    _reduce_precision_type(x.aval, **params)
    return reduce_precision_p.bind(x, **params)
