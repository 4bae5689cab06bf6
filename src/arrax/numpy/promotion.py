"""Operands of NumPy functions: what is accepted, and how operands meet in dtype and rank.

Everything that `arrax.numpy` takes passes through here: Arrays, tracers, NumPy arrays and scalars,
Python scalars, and objects with `__jax_array__`. Lists and tuples are refused. Conversions of
Python and NumPy values happen at once, so they leave no equation in a traced program.
"""
from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import Any, TypeVar, cast

import numpy as np

from arrax import lax
from arrax.core import config, dtypes, source_info
from arrax.core.array import ArrayImpl, array_of, from_numpy, with_aval
from arrax.core.aval import aval_of
from arrax.core.dimension import Dimension
from arrax.core.evaluate import EVAL, computes_at_once
from arrax.core.trace import Tracer, current
from arrax.core.warn import warn
from arrax.ops.arguments import axis_tuple, canonical_axis as canonical_axis
from arrax.ops.quiet import quiet

F = TypeVar("F", bound=Callable[..., Any])
_python_scalars = dtypes.python_scalar_types
inexact_dtypes = frozenset(d for d in dtypes.all_dtypes if dtypes.issubdtype(d, np.inexact))
complex_dtypes = frozenset(d for d in dtypes.all_dtypes if d.kind == "c")
bool_dtype = np.dtype(bool)
integer_dtypes = frozenset(d for d in dtypes.all_dtypes if dtypes.issubdtype(d, np.integer))


def is_arraylike(value: Any) -> bool:
    """Whether NumPy functions take `value` as an array."""
    kind = type(value)
    return (kind is ArrayImpl or kind in _python_scalars
            or isinstance(value, (Tracer, np.ndarray, np.generic, bool, int, float, complex))
            or hasattr(value, "__jax_array__"))


def check_arraylike(name: str, *values: Any, none_ok: bool = False) -> None:
    """Raise TypeError unless all `values` are arrays or scalars.

    `none_ok` lets None pass, for optional arguments.
    """
    for position, value in enumerate(values):
        if not is_arraylike(value) and not (none_ok and value is None):
            raise TypeError(f"{name} requires ndarray or scalar arguments, got {type(value)} "
                            f"at position {position}.")


def as_array(name: str, value: Any, position: int = 0) -> Any:
    """`value` as an Array or tracer, its weak type kept; TypeError for what is not array-like."""
    if type(value) is ArrayImpl or isinstance(value, Tracer):
        return value
    if not is_arraylike(value):
        raise TypeError(f"{name} requires ndarray or scalar arguments, got {type(value)} "
                        f"at position {position}.")
    if isinstance(value, np.ndarray) and value.dtype.kind not in "biufcV":
        raise TypeError(f"Value {value!r} with dtype {value.dtype} is not a valid JAX array type. "
                        "Only arrays of numeric types are supported by JAX.")
    return array_of(value)


def number_array(name: str, value: Any) -> Any:
    """As `as_array`, but TypeError for keys too."""
    x = as_array(name, value)
    if isinstance(x.aval.dtype, dtypes.ExtendedDType):
        raise TypeError(f"{name} does not accept dtype {x.aval.dtype}.")
    return x


_cast: Any = quiet(np.ndarray.astype)
_array: Any = quiet(np.array)


def scalar_array(value: Any, dtype: Any, weak_type: bool = False) -> Any:
    """A Python scalar, or a symbolic dimension, as an array of `dtype`; integers wrap around.

    OverflowError for integers that the default integer dtype cannot hold, also where `dtype` is
    float; wide unsigned dtypes are for positions, which may be large.
    """
    if isinstance(value, Dimension):
        return lax.convert_element_type_p.bind(value.__jax_array__(), new_dtype=np.dtype(dtype),
                                               weak_type=weak_type, sharding=None)
    if type(value) is int and not -2 ** 31 <= value < 2 ** 31 and not config.enable_x64.value \
            and not (dtype.kind == "u" and dtype.itemsize == 4 and value < 2 ** 32):
        raise OverflowError(f"Python int {value} too large to convert to int32")
    try:
        data = _array(value, dtype)
    except OverflowError:
        default = dtypes.default_dtype_of_scalar_type(int)
        try:
            data = np.array(value, default).astype(dtype)
        except OverflowError:
            raise OverflowError(f"Python int {value} too large to convert to {default}") from None
    return from_numpy(data, weak_type)


def convert(x: Any, dtype: Any, weak_type: bool = False) -> Any:
    """`x` (an Array, tracer or Python scalar) in `dtype`, weakly typed or not."""
    if type(x) in _python_scalars:
        if type(x) is complex and dtype.kind != "c":
            x = x.real
        return scalar_array(x, dtype, weak_type)
    try:
        aval = x.aval
    except AttributeError:  # a symbolic dimension
        return scalar_array(x, dtype, weak_type)
    if aval.dtype == dtype and aval.weak_type == weak_type:
        return x
    if aval.ndim == 0 and type(x) is ArrayImpl and x.placement is None \
            and _plainly(aval.dtype, dtype):
        return from_numpy(_cast(x._value(), dtype), weak_type)
    return lax.convert_element_type_p.bind(x, new_dtype=dtype, weak_type=weak_type, sharding=None)


_KIND_ORDER = {"b": 0, "i": 1, "u": 1, "f": 2, "c": 3}


def _plainly(source: Any, target: Any) -> bool:
    """Whether NumPy converts a known scalar as programs do: to the same kind or a higher one."""
    rank = _KIND_ORDER.get(getattr(source, "kind", ""), 9)
    return rank <= _KIND_ORDER.get(getattr(target, "kind", ""), -1)


def promotes_freely(function: F) -> F:
    """A decorator: in the body of `function` dtypes and ranks promote as in NumPy.

    The modes `numpy_dtype_promotion` and `numpy_rank_promotion` are about what programs write, not
    about how functions compute. Fit for functions of one array, and behind the promotion of
    arguments in others.
    """
    @functools.wraps(function)
    def call(*args: Any, **named: Any) -> Any:
        dtypes_mode, ranks = config.numpy_dtype_promotion, config.numpy_rank_promotion
        if dtypes_mode.value == "standard" and ranks.value == "allow":
            return function(*args, **named)
        with dtypes_mode("standard"), ranks("allow"):
            return function(*args, **named)
    return cast(F, call)


def promotes_arguments(function: F) -> F:
    """As `promotes_freely`, but the arrays among positional arguments must promote as the user's
    mode says."""
    free = promotes_freely(function)

    @functools.wraps(function)
    def call(*args: Any, **named: Any) -> Any:
        if config.numpy_dtype_promotion.value != "standard":
            dtypes.result_type(*(x for x in args if isinstance(
                x, (ArrayImpl, Tracer, np.ndarray))), int)
        return free(*args, **named)
    return cast(F, call)


def promote_dtypes(name: str, *args: Any) -> list[Any]:
    """The operands converted to the dtype that they promote to."""
    avals = []
    operands = list(args)
    for position, x in enumerate(args):
        kind = type(x)
        if kind is not ArrayImpl and kind not in _python_scalars:
            x = operands[position] = as_array(name, x, position)
        avals.append(aval_of(x))
    dtype, weak = dtypes.result_type_of_avals(*avals)
    return [x if type(x) not in _python_scalars and aval.dtype is dtype and aval.weak_type == weak
            else convert(x, dtype, weak) for x, aval in zip(operands, avals, strict=True)]


def promote(name: str, *args: Any) -> list[Any]:
    """The operands in one dtype and, but for scalars, one rank: ready for an elementwise op."""
    return align_ranks(name, promote_dtypes(name, *args))


def promote_inexact(name: str, *args: Any) -> list[Any]:
    """As `promote`, to a float or complex dtype."""
    return align_ranks(name, promote_dtypes_inexact(name, *args))


def promote_dtypes_inexact(name: str, *args: Any) -> list[Any]:
    """As `promote_dtypes`, to a float or complex dtype."""
    operands = [x if type(x) is ArrayImpl else as_array(name, x, i) for i, x in enumerate(args)]
    dtype, weak = dtypes.result_type_of_avals(*[x.aval for x in operands])
    dtype = inexact_of(dtype)
    return [convert(x, dtype, weak) for x in operands]


def inexact_of(dtype: Any) -> Any:
    """The dtype that functions such as `sin` compute in."""
    return dtype if dtype in inexact_dtypes else dtypes.to_inexact_dtype(dtype)


def inexact_array(name: str, value: Any) -> Any:
    """`value` as an Array or tracer of a float or complex dtype."""
    x = as_array(name, value)
    aval = x.aval
    if aval.dtype in inexact_dtypes:
        return x
    return convert(x, inexact_of(aval.dtype), aval.weak_type)


def align_ranks(name: str, operands: list[Any]) -> list[Any]:
    """The operands with axes of size 1 in front up to one rank, but for scalars: elementwise ops
    take scalars as they are, and repeat sizes of 1 themselves.

    TypeError when shapes do not go together.
    """
    shape = _joint_shape(name, operands)
    if shape is None or current() is EVAL:
        return operands
    return [broadcast_to_shape(x, (1,) * (len(shape) - x.ndim) + x.shape) if x.ndim else x
            for x in operands]


def align_shapes(name: str, operands: list[Any]) -> list[Any]:
    """The operands broadcast to one shape, but for scalars, which elementwise ops take as they are.

    TypeError when shapes do not go together.
    """
    shape = _joint_shape(name, operands)
    if shape is None or current() is EVAL:
        return operands
    return [broadcast_to_shape(x, shape) if x.ndim else x for x in operands]


def _joint_shape(name: str, operands: Sequence[Any]) -> tuple[int, ...] | None:
    """The shape that operands other than scalars broadcast to, or None if all have it already.

    NumPy broadcasts by itself when operations are evaluated at once, so callers may leave it to it.
    """
    shapes = [x.aval.shape for x in operands if x.aval.shape]
    if len(shapes) < 2 or all(s == shapes[0] for s in shapes):
        return None
    if config.numpy_rank_promotion.value != "allow":
        _check_rank_promotion(name, operands)
    return common_shape(name, *shapes)


def _check_rank_promotion(name: str, operands: Sequence[Any]) -> None:
    shapes = [x.shape for x in operands if x.ndim]
    if len({len(s) for s in shapes}) < 2:
        return
    if config.numpy_rank_promotion.value == "raise":
        raise ValueError(
            f"Operands could not be broadcast together for {name} on shapes "
            f"{' '.join(map(str, shapes))} and with the config option "
            "jax_numpy_rank_promotion='raise'. For more information, see "
            "https://docs.jax.dev/en/latest/rank_promotion_warning.html.")
    warn(
        f"Following NumPy automatic rank promotion for {name} on shapes "
        f"{' '.join(map(str, shapes))}. Set the jax_numpy_rank_promotion config option to 'allow' "
        "to disable this warning; for more information, see "
        "https://docs.jax.dev/en/latest/rank_promotion_warning.html.",
        stacklevel=source_info.stack_level())


def common_shape(name: str, *shapes: tuple[int, ...]) -> tuple[int, ...]:
    """The shape that `shapes`, not those of scalars, broadcast to.

    When they do not: TypeError if their ranks are equal, ValueError if not.
    """
    first = shapes[0]
    if all(s == first for s in shapes):
        return first
    rank = max(map(len, shapes))
    result = []
    for axis in range(-rank, 0):
        sizes = {s[axis] for s in shapes if len(s) >= -axis} - {1}
        if len(sizes) > 1:
            if any(len(s) != rank for s in shapes):
                raise ValueError(f"{name}: Incompatible shapes for broadcasting: "
                                 f"shapes={list(shapes)}")
            raise TypeError(f"{_PRIMITIVE_NAMES.get(name, name)} got incompatible shapes for "
                            f"broadcasting: {', '.join(map(str, shapes))}.")
        result.append(sizes.pop() if sizes else 1)
    return tuple(result)


_PRIMITIVE_NAMES = {
    "subtract": "sub", "multiply": "mul", "divide": "div", "equal": "eq", "not_equal": "ne",
    "less": "lt", "less_equal": "le", "greater": "gt", "greater_equal": "ge", "maximum": "max",
    "minimum": "min", "power": "pow", "arctan2": "atan2", "remainder": "rem", "fmod": "rem",
    "floor_divide": "div", "bitwise_and": "and", "bitwise_or": "or", "bitwise_xor": "xor",
    "logical_and": "and", "logical_or": "or", "logical_xor": "xor"}


def broadcast_to_shape(x: Any, shape: tuple[int, ...]) -> Any:
    """Array or tracer `x` broadcast by NumPy's rules; the caller knows that it can be."""
    if x.shape == shape:
        return x
    if computes_at_once(x):
        return view_of(x, np.broadcast_to(x._value(), shape))
    offset = len(shape) - x.ndim
    kept = [i for i in range(x.ndim) if x.shape[i] == shape[i + offset]]
    if len(kept) < x.ndim and any(x.shape[i] != 1 for i in range(x.ndim) if i not in kept):
        raise ValueError(f"Incompatible shapes for broadcasting: {x.shape} and requested shape "
                         f"{shape}")
    return lax.broadcast_in_dim_p.bind(x, shape=shape, sharding=None,
                                       broadcast_dimensions=tuple(range(offset, len(shape))))


def view_of(x: ArrayImpl, data: np.ndarray) -> ArrayImpl:
    """`data`, made from the data of `x`, with the dtype and weak type of `x`."""
    aval = x.aval
    if isinstance(aval.dtype, dtypes.ExtendedDType):
        return with_aval(data, aval.update(shape=data.shape))
    return from_numpy(data, aval.weak_type)


def broadcast_all(name: str, *operands: Any) -> list[Any]:
    """All operands broadcast to one shape."""
    shape = common_shape(name, *(x.shape for x in operands))
    return [broadcast_to_shape(x, shape) for x in operands]


def canonical_axes(axis: Any, ndim: int) -> tuple[int, ...]:
    """An axis, a sequence of them, or None (all), as a tuple in [0, ndim)."""
    if axis is None:
        return tuple(range(ndim))
    given = axis_tuple(axis)
    axes = tuple(canonical_axis(a, ndim) for a in given)
    if len(set(axes)) != len(axes):
        raise ValueError(f"duplicate value in 'axis': {given}")
    return axes


def refuse_out(name: str, out: Any) -> None:
    """Raise for the NumPy argument that immutable arrays cannot honour."""
    if out is not None:
        raise NotImplementedError(f"The 'out' argument to jnp.{name} is not supported.")


def is_concrete(*values: Any) -> bool:
    """Whether the values of all `values` are known now."""
    return all(not isinstance(v, Tracer) or v.concrete() is not None for v in values)


def numpy_of(value: Any) -> np.ndarray:
    """The NumPy array of a concrete array-like; errors for tracers as `numpy.asarray` raises."""
    return np.asarray(value)


def evaluating() -> bool:
    """Whether operations are evaluated at once."""
    return computes_at_once()
