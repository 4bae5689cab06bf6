"""Facts about dtypes, and what operations of several dtypes give.

Everything here is cached by dtype (and by flags, where they matter): these functions stand on the
path of each eager operation.
"""
from __future__ import annotations

from typing import Any

import ml_dtypes
import numpy as np

from arrax import _native
from arrax.core import config, lattice, source_info
from arrax.core.scalar_types import (
    ExtendedDType,
    KeyDType,
    ScalarType,
    all_dtypes,
    custom_floats,
    extended,
    float0,
    key_fry,
    key_rbg,
    key_unsafe_rbg,
    prng_key,
    scalar_types,
    set_array_constructor,
    small_floats,
    small_integers,
)
from arrax.core.warn import warn

__all__ = [
    "DType", "DTypeLike", "ExtendedDType", "KeyDType", "ScalarType", "TypePromotionError",
    "all_dtypes", "bfloat16", "canonicalize_dtype", "check_user_dtype", "custom_floats",
    "default_complex_dtype", "default_dtype_of_scalar_type", "default_float_dtype",
    "default_int_dtype", "default_uint_dtype", "dtype_name", "dtype_of", "extended", "finfo",
    "float0", "iinfo", "is_dtype_like_class", "is_python_scalar", "is_weak", "issubdtype",
    "itemsize_bits", "key_fry", "key_rbg", "key_unsafe_rbg", "lattice_result_type", "prng_key",
    "promote_types", "python_scalar_types", "result_type", "result_type_of_avals", "scalar_type_of",
    "scalar_types", "set_array_constructor", "short_dtype_name", "small_floats", "small_integers",
    "storage_dtype", "to_complex_dtype", "to_inexact_dtype"]

DType = Any  # np.dtype or ExtendedDType
DTypeLike = Any

_context_key = _native.get_context_key  # `config.context_key`, from a slot of the thread
generic, number, inexact, floating = np.generic, np.number, np.inexact, np.floating
complexfloating, integer = np.complexfloating, np.integer
signedinteger, unsignedinteger = np.signedinteger, np.unsignedinteger
bfloat16 = ml_dtypes.bfloat16
finfo: Any = ml_dtypes.finfo
iinfo: Any = ml_dtypes.iinfo

python_scalar_types: frozenset[type] = frozenset({bool, int, float, complex})
_WEAK = frozenset({int, float, complex})  # ask `type(x) is type` first: np.dtype(int) == int
_32_BIT = {np.dtype("int64"): np.dtype("int32"), np.dtype("uint64"): np.dtype("uint32"),
           np.dtype("float64"): np.dtype("float32"), np.dtype("complex128"): np.dtype("complex64")}
_BOOL = np.dtype(bool)


class TypePromotionError(ValueError):
    """Dtypes that do not promote implicitly were mixed.

    Cast one operand with `.astype`: floats of 8 and 4 bits and integers of 4 and 2 bits never
    promote to other floats or integers, and under `numpy_dtype_promotion('strict')` nothing does.
    """


# --- Names ------------------------------------------------------------------------------------

_short_names: dict[Any, str] = {}


def dtype_name(dtype: DType) -> str:
    """The name of a dtype: 'float32', 'key<fry>', 'float0'."""
    return "float0" if dtype == float0 else dtype.name


def short_dtype_name(dtype: DType) -> str:
    """The name that jaxprs print: f32, i4, bf16, f8_e4m3fn, bool, key<fry>."""
    name = _short_names.get(dtype)
    if name is None:
        if not isinstance(dtype, ExtendedDType):
            dtype = np.dtype(dtype)
        name = dtype_name(dtype)
        if dtype != float0 and not isinstance(dtype, ExtendedDType):
            name = name.replace("float", "f").replace("uint", "u").replace("int", "i")
            name = name.replace("complex", "c")
        _short_names[dtype] = name
    return name


# --- Kinds ------------------------------------------------------------------------------------

_numpy_parents: dict[Any, Any] = {
    **dict.fromkeys((d.type for d in custom_floats), np.floating),
    ml_dtypes.int2: np.signedinteger, ml_dtypes.int4: np.signedinteger,
    ml_dtypes.uint2: np.unsignedinteger, ml_dtypes.uint4: np.unsignedinteger}
_subdtypes: dict[tuple[Any, Any], bool] = {}


def issubdtype(arg1: DTypeLike, arg2: DTypeLike) -> bool:
    """Whether dtype `arg1` is `arg2` or belongs to the abstract kind `arg2`.

    As `numpy.issubdtype`, with bfloat16, float8, int4 and their kin under `numpy.floating`,
    `numpy.signedinteger`, …, and typed keys under `prng_key` and `extended`.

    Example:
      >>> issubdtype(jnp.bfloat16, jnp.floating)
      True
    """
    try:
        return _subdtypes[arg1, arg2]
    except (KeyError, TypeError):
        pass
    kind, family = _scalar_class(arg1), _scalar_class(arg2)
    if isinstance(arg2, ExtendedDType):
        result = arg1 == arg2
    else:
        result = issubclass(_numpy_parents.get(kind, kind), family) or kind is family
    try:
        if len(_subdtypes) > 4096:
            _subdtypes.clear()
        _subdtypes[arg1, arg2] = result
    except TypeError:
        pass
    return result  # type: ignore[no-any-return]


def _scalar_class(dtype: DTypeLike) -> Any:
    if isinstance(dtype, type) and issubclass(dtype, np.generic):
        return dtype
    if isinstance(dtype, ExtendedDType):
        return dtype.type
    return np.dtype(dtype).type


def is_dtype_like_class(value: Any) -> bool:
    """Whether `value` is a class that names a dtype: `np.float32`, `jnp.float32`."""
    return isinstance(value, ScalarType) or (
        isinstance(value, type) and issubclass(value, np.generic)
        and value in (d.type for d in all_dtypes))


def scalar_type_of(x: Any) -> type:
    """The Python type (bool, int, float or complex) of the kind of array or scalar `x`.

    Raises TypeError when `x` is not numeric.
    """
    dtype = dtype_of(x)
    for kind, python_type in ((np.bool_, bool), (np.integer, int), (np.floating, float),
                              (np.complexfloating, complex)):
        if issubdtype(dtype, kind):
            return python_type
    raise TypeError(f"Invalid scalar value {x}")


def storage_dtype(dtype: DType) -> np.dtype[Any]:
    """The dtype of the NumPy array that holds values of `dtype`."""
    return dtype.storage if isinstance(dtype, ExtendedDType) else dtype


def itemsize_bits(dtype: DTypeLike) -> int:
    """Bits of one value: 4 for int4, 8 for bool; ValueError for None."""
    if dtype is None:
        raise ValueError("dtype cannot be None.")
    if isinstance(dtype, ExtendedDType):
        return 8 * dtype.itemsize
    dtype = np.dtype(dtype)
    if dtype in small_integers:
        return int(iinfo(dtype).bits)
    return int(finfo(dtype).bits) if dtype in small_floats else 8 * int(dtype.itemsize)


# --- 32 and 64 bits ---------------------------------------------------------------------------

_canonical: tuple[dict[Any, Any], dict[Any, Any]] = ({}, {})  # without and with enable_x64


def canonicalize_dtype(dtype: DTypeLike, allow_extended_dtype: bool = False) -> Any:
    """`dtype` as a `numpy.dtype`, the 32-bit one for a 64-bit one unless `enable_x64`.

    Args:
      dtype: anything that names a dtype; None means float.
      allow_extended_dtype: return dtypes of typed keys unchanged instead of raising ValueError.

    Raises:
      TypeError: `dtype` names no dtype.
    """
    table = _canonical[config.enable_x64.value]
    try:
        return table[dtype]
    except (KeyError, TypeError):
        pass
    if isinstance(dtype, ExtendedDType):
        if not allow_extended_dtype:
            raise ValueError("Internal: canonicalize_dtype called on extended dtype "
                             f"{dtype} with allow_extended_dtype=False")
        return dtype
    found = _as_numpy_dtype(dtype)
    result = found if config.enable_x64.value else _32_BIT.get(found, found)
    if isinstance(dtype, (np.dtype, str, type)):
        table[dtype] = result
    return result


_numeric = frozenset((*all_dtypes, float0))


def numeric_dtype(value: Any) -> np.dtype[Any]:
    """The canonical dtype of a NumPy array or scalar; TypeError for one that arrays cannot have."""
    dtype = value.dtype
    if dtype not in _numeric:
        native = dtype.newbyteorder("=")
        if native not in _numeric:
            raise TypeError(f"Value {value!r} with dtype {dtype} is not a valid JAX array type. "
                            "Only arrays of numeric types are supported by JAX.")
        dtype = native
    return canonicalize_dtype(dtype)  # type: ignore[no-any-return]


def _as_numpy_dtype(dtype: DTypeLike) -> np.dtype[Any]:
    try:
        return np.dtype(dtype)
    except TypeError as error:
        if isinstance(dtype, str) and dtype in scalar_types:
            return scalar_types[dtype].dtype
        raise TypeError(*error.args) from None


def _wide_defaults() -> bool:
    return bool(config.enable_x64.value and config.numpy_default_dtype_bits.value == "64")


def default_float_dtype() -> np.dtype[Any]:
    """The dtype of floats that a program gives no dtype."""
    return np.dtype("float64" if _wide_defaults() else "float32")


def default_int_dtype() -> np.dtype[Any]:
    """The dtype of integers that a program gives no dtype."""
    return np.dtype("int64" if _wide_defaults() else "int32")


def default_uint_dtype() -> np.dtype[Any]:
    """The dtype of unsigned integers that a program gives no dtype."""
    return np.dtype("uint64" if _wide_defaults() else "uint32")


def default_complex_dtype() -> np.dtype[Any]:
    """The dtype of complex numbers that a program gives no dtype."""
    return np.dtype("complex128" if _wide_defaults() else "complex64")


_scalar_defaults = (
    {bool: _BOOL, int: np.dtype("int32"), float: np.dtype("float32"),
     complex: np.dtype("complex64")},
    {bool: _BOOL, int: np.dtype("int64"), float: np.dtype("float64"),
     complex: np.dtype("complex128")})


def default_dtype_of_scalar_type(kind: type) -> np.dtype[Any]:
    """The dtype of a Python `bool`, `int`, `float` or `complex`."""
    return _scalar_defaults[config.enable_x64.value and _wide_defaults()][kind]


def to_inexact_dtype(dtype: DTypeLike) -> np.dtype[Any]:
    """The float dtype that functions such as `sin` compute in: itself if inexact, float64 for
    64-bit integers, else float32."""
    dtype = np.dtype(dtype)
    if issubdtype(dtype, np.inexact):
        return dtype  # type: ignore[no-any-return]
    wide = dtype.itemsize == 8 and config.enable_x64.value
    return np.dtype("float64" if wide else "float32")


def to_complex_dtype(dtype: DTypeLike) -> np.dtype[Any]:
    """The complex dtype that holds values of `dtype`."""
    dtype = to_inexact_dtype(dtype)
    if issubdtype(dtype, np.complexfloating):
        return dtype  # type: ignore[no-any-return]
    return np.dtype("complex128" if dtype.itemsize == 8 else "complex64")


def check_user_dtype(dtype: DTypeLike, fun_name: str) -> Any:
    """What a `dtype=` argument of the public function `fun_name` means; None stays None.

    A 64-bit dtype without `enable_x64` becomes the 32-bit one with a warning (see the flag
    `explicit_x64_dtypes`); the Python types `int`, `float`, `complex` mean the default dtypes.

    Raises:
      TypeError: the dtype is not numeric.
    """
    if dtype is None or isinstance(dtype, ExtendedDType):
        return dtype
    if type(dtype) is type and dtype in python_scalar_types:
        return default_dtype_of_scalar_type(dtype)
    found = _as_numpy_dtype(dtype)
    if found not in _USABLE:
        raise TypeError("JAX only supports number, bool, and string dtypes, "
                        f"got dtype {dtype} in {fun_name}")
    if found in _32_BIT and not config.enable_x64.value:
        return _explicit_64_bit(found, fun_name)
    return found


_USABLE = frozenset({*all_dtypes, float0})
_MORE = "See https://github.com/jax-ml/jax#current-gotchas for more."


def _explicit_64_bit(dtype: np.dtype[Any], fun_name: str) -> np.dtype[Any]:
    mode = config.explicit_x64_dtypes.value
    if mode == "allow":
        return dtype
    requested = f"Explicitly requested dtype {dtype.name} requested in {fun_name} is not available"
    if mode == "error":
        raise ValueError(f"{requested}. To enable more dtypes, set the jax_enable_x64 or "
                         f"allow_explicit_x64_dtypes configuration options.{_MORE}")
    warn(
        f"{requested}, and will be truncated to dtype {_32_BIT[dtype].name}. To enable more "
        "dtypes, set the jax_enable_x64 configuration option or the JAX_ENABLE_X64 shell "
        f"environment variable. {_MORE}", stacklevel=source_info.stack_level())
    return _32_BIT[dtype]


# --- Dtypes of values -------------------------------------------------------------------------

def is_python_scalar(value: Any) -> bool:
    """Whether `value` is a Python number (no array, no NumPy scalar, though those subclass)."""
    return type(value) in python_scalar_types or (
        isinstance(value, (bool, int, float, complex)) and not isinstance(value, np.generic))


def _scalar_kind(value: Any) -> type:
    """bool, int, float or complex, for Python scalars of subclasses too."""
    for kind in (bool, int, float, complex):
        if isinstance(value, kind):
            return kind
    raise TypeError(f"{value!r} is not a number")


def is_weak(value: Any) -> bool:
    """Whether `value` (array, aval or scalar) is weakly typed."""
    weak = getattr(value, "weak_type", None)
    if weak is None:
        return is_python_scalar(value) and not isinstance(value, bool)
    return bool(weak)


def dtype_of(x: Any) -> Any:
    """The canonical dtype of an array, aval or scalar `x`, or of a dtype.

    Raises TypeError when `x` has none.
    """
    return _dtype_and_weak(x)[0]


def _dtype_and_weak(x: Any) -> tuple[Any, bool]:
    kind = type(x)
    if kind in python_scalar_types:
        return default_dtype_of_scalar_type(kind), kind is not bool
    weak = getattr(x, "weak_type", None)
    if weak is not None and not isinstance(x, type):
        return x.dtype, bool(weak)
    if x is None:
        return default_float_dtype(), False
    if isinstance(x, type) and x in python_scalar_types:
        return default_dtype_of_scalar_type(x), x is not bool
    if isinstance(x, ExtendedDType):
        return x, False
    if isinstance(x, (str, np.dtype, type)):
        return check_user_dtype(x, "dtype"), False
    if is_python_scalar(x):
        kind = _scalar_kind(x)
        return default_dtype_of_scalar_type(kind), kind is not bool
    dtype = getattr(x, "dtype", None)
    if dtype is None and hasattr(x, "__jax_array__"):
        return _dtype_and_weak(x.__jax_array__())
    if dtype is None:
        raise TypeError(f"Cannot determine dtype of {x}")
    return canonicalize_dtype(dtype, allow_extended_dtype=True), False


# --- Promotion --------------------------------------------------------------------------------

def _node(dtype: DType, weak: bool) -> Any:
    if not weak:
        return dtype
    kind = np.dtype(dtype).kind
    if kind in "iu" or dtype in small_integers:
        return int
    return complex if kind == "c" else _BOOL if kind == "b" else float


_lattice_results: dict[Any, tuple[DType, bool]] = {}


def lattice_result_type(*values: tuple[DType, bool]) -> tuple[DType, bool]:
    """The (dtype, weak) that operands of the given (dtype, weak) promote to.

    Raises:
      TypePromotionError: they do not promote.
      TypeError: a dtype takes no part in promotion.
    """
    key = (_context_key(), values)
    try:
        return _lattice_results[key]
    except KeyError:
        pass
    result = _lattice_results[key] = _lattice_result_type(values)
    return result


def _lattice_result_type(values: tuple[tuple[DType, bool], ...]) -> tuple[DType, bool]:
    strict = config.numpy_dtype_promotion.value == "strict"
    weak = all(w for _, w in values)
    if len({dtype for dtype, _ in values}) == 1:
        return values[0][0], weak
    if weak and not strict:
        nodes = [dtype for dtype, _ in values]
    else:
        nodes = [_node(dtype, w) for dtype, w in values]
    found = _join(list(dict.fromkeys(nodes)), strict)
    if isinstance(found, type):
        return default_dtype_of_scalar_type(found), True
    if found in _32_BIT and not config.enable_x64.value and not any(
            dtype in _32_BIT for dtype, _ in values):
        found = _32_BIT[found]
    return found, weak and found != _BOOL


def _join(nodes: list[Any], strict: bool) -> Any:
    for node in nodes:
        if not lattice.is_node(node):
            raise TypeError(f"dtype={node!r} is not a valid dtype for JAX type promotion.")
    found = (lattice.strict_join if strict else lattice.join)(frozenset(nodes))
    if found is None:
        raise TypePromotionError(_promotion_message(nodes, strict))
    return found


def _promotion_message(nodes: list[Any], strict: bool) -> str:
    names = tuple(str(n) for n in nodes)
    start = f"Input dtypes {names} have no available implicit dtype promotion path"
    if strict:
        return (f"{start} when jax_numpy_dtype_promotion=strict. Try explicitly casting inputs to "
                "the desired output type, or set jax_numpy_dtype_promotion=standard.")
    if any(n in small_integers for n in nodes):
        what, cast = "1-bit, 2-bit and 4-bit integers", "int32"
    else:
        widths = sorted({itemsize_bits(n) for n in nodes if n in small_floats}, reverse=True)
        what, cast = f"{' and '.join(f'{w}-bit' for w in widths)} floats", "float32"
    return (f"{start}. To avoid unintended promotion, {what} do not support implicit promotion. "
            "If you'd like your inputs to be promoted to another type, you can do so explicitly "
            f"using e.g. x.astype('{cast}')")


_aval_results: dict[Any, tuple[DType, bool]] = {}


def result_type_of_avals(*avals: Any) -> tuple[DType, bool]:
    """The (dtype, weak) that operands with these avals promote to; cached by the avals."""
    key = (_context_key(), avals)
    try:
        return _aval_results[key]
    except KeyError:
        pass
    result = lattice_result_type(*((aval.dtype, aval.weak_type) for aval in avals))
    if len(_aval_results) > 16384:
        _aval_results.clear()
    _aval_results[key] = result
    return result


def result_type(*args: Any, return_weak_type_flag: bool = False) -> Any:
    """The dtype that an operation on `args` gives.

    Args:
      *args: arrays, avals, scalars or dtypes; `int`, `float` and `complex` are weak.
      return_weak_type_flag: return (dtype, whether it is weak).

    Raises:
      TypePromotionError: the dtypes do not promote implicitly.
      TypeError: an argument has no dtype.
      ValueError: there are no arguments.

    Example:
      >>> result_type(jnp.int8(1), 1.5)
      dtype('float32')
    """
    if not args:
        raise ValueError("at least one array or dtype is required")
    dtype, weak = lattice_result_type(*map(_dtype_and_weak, args))
    return (dtype, weak) if return_weak_type_flag else dtype


def joined_dtype(a: DTypeLike, b: DTypeLike) -> np.dtype[Any]:
    """The dtype to compute in with operands of dtypes `a` and `b`, in every promotion mode."""
    with config.numpy_dtype_promotion("standard"):
        return promote_types(a, b)


def promote_types(a: DTypeLike, b: DTypeLike) -> np.dtype[Any]:
    """The dtype that values of dtypes `a` and `b` promote to; `int`, `float`, `complex` are weak.

    Raises:
      TypePromotionError: the two do not promote implicitly.
    """
    nodes = [t if type(t) is type and t in _WEAK else _as_numpy_dtype(t) for t in (a, b)]
    strict = config.numpy_dtype_promotion.value == "strict"
    found = _join(list(dict.fromkeys(nodes)), strict)
    if found in _32_BIT and not config.enable_x64.value and not any(n in _32_BIT for n in nodes):
        return _32_BIT[found]
    return np.dtype(found)  # type: ignore[no-any-return]
