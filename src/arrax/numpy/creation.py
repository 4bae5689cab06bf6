"""Arrays from values and out of nothing: `array`, `zeros`, `arange`, `linspace`, …

Values that are known now become arrays without an equation in a traced program.
"""
from __future__ import annotations

import math
from typing import Any

import numpy as np

from arrax import lax
from arrax.core import dtypes, errors
from arrax.core.array import Array, ArrayImpl, array_of, from_numpy, owned, with_aval
from arrax.core.aval import ShapedArray
from arrax.core.dimension import (Dimension, broadcast_shapes, dimension, is_constant_shape,
                                  max_dim, surely_at_most)
from arrax.core.errors import InconclusiveDimensionOperation
from arrax.core.evaluate import EVAL, computes_at_once
from arrax.core.remembered import remembered
from arrax.core.source_info import stack_level
from arrax.core.trace import Tracer, current
from arrax.core.warn import warn
from arrax.numpy.promotion import (as_array, broadcast_to_shape, check_arraylike, convert,
                                   inexact_dtypes, promote_dtypes_inexact, scalar_array)
from arrax.ops.convert import whole_number
from arrax.ops.arguments import canonical_shape, integer
from arrax.transforms.api_placement import device_put, reshard, sharded
from arrax.typing import ArrayLike, DTypeLike


# ---- from values -----------------------------------------------------------------------------

def array(object: Any, dtype: DTypeLike | None = None, *args: Any,
          copy: bool = True, order: str | None = "K", ndmin: int = 0, device: Any = None,
          out_sharding: Any = None) -> Array:
    """An array of the given values: a number, an array, nested lists of them.

    Args:
      object: anything that NumPy makes numeric arrays of, Arrays and tracers (also in lists), and
        objects with `__jax_array__`. A Python number gives a weakly typed array.
      dtype: the dtype; that of the values if None, 64 bits made 32 unless `enable_x64`.
      copy: whether an Array is copied. NumPy arrays that can be written are always copied.
      order: only "K".
      ndmin: the least number of dimensions; axes of size 1 are put in front.
      device: where to put the result.

    Raises:
      TypeError: values that are no numbers. ValueError: None, or lists of unequal lengths.
      OverflowError: a Python integer that the dtype does not hold.

    Example:
      >>> jnp.array([[1, 2], [3, 4.5]])
      Array([[1. , 2. ],
             [3. , 4.5]], dtype=float32)
    """
    if out_sharding is not None:
        result = array(object, dtype, copy=copy, order=order, ndmin=ndmin, device=device)
        return reshard(result, out_sharding)
    if args:
        copy, order, ndmin = _positional(args, copy, order, ndmin)
    if order is not None and order != "K":
        raise NotImplementedError("Only implemented for order='K'")
    dtype = dtypes.check_user_dtype(dtype, "array")
    result = _of(object, dtype, copy)
    if ndmin > result.ndim:
        result = lax.expand_dims(result, range(ndmin - result.ndim))
    return result if device is None else device_put(result, device)


def asarray(a: Any, dtype: DTypeLike | None = None, order: str | None = None, *,
            copy: bool | None = None, device: Any = None, out_sharding: Any = None) -> Array:
    """As `array`, but an Array is not copied unless `copy=True`."""
    if out_sharding is not None:
        return reshard(asarray(a, dtype, order, copy=copy, device=device), out_sharding)
    if type(a) is ArrayImpl and dtype is None and not copy and device is None:
        return a
    dtype = dtypes.check_user_dtype(dtype, "asarray")
    if order is not None and order != "K":
        raise NotImplementedError("Only implemented for order='K'")
    result = _of(a, dtype, bool(copy))
    return result if device is None else device_put(result, device)


def _positional(args: tuple[Any, ...], *named: Any) -> tuple[Any, ...]:
    """`copy`, `order` and `ndmin` of `array` with those that were passed by position."""
    if len(args) > 3:
        raise TypeError(f"array() takes at most 5 positional arguments, got {len(args) + 2}")
    defaults = (("copy", True), ("order", "K"), ("ndmin", 0))
    for (name, default), value, _ in zip(defaults, named, args, strict=False):
        if value != default:
            raise TypeError(f"array() got multiple values for argument {name!r}")
    warn("Passing the copy, order, and ndmin arguments to jnp.array by position is deprecated; "
         "pass them by keyword.", DeprecationWarning, stacklevel=3)
    return (*args, *named[len(args):])


def _of(value: Any, dtype: Any, copy: bool) -> Any:
    """`value` as an Array or tracer of `dtype` (None: its own)."""
    if hasattr(value, "__jax_array__"):
        value = value.__jax_array__()
    kind = type(value)
    if kind is ArrayImpl or isinstance(value, Tracer):
        return _of_array(value, dtype, copy)
    if kind in dtypes.python_scalar_types:
        return _of_scalar(value, dtype)
    if isinstance(value, np.ndarray):
        return _of_numpy(value, dtype)
    if isinstance(value, (list, tuple)):
        return _of_sequence(value, dtype)
    if value is None:
        raise ValueError("None is not a valid value for jnp.array")
    if isinstance(value, np.generic):
        return _of_numpy(np.asarray(value), dtype)
    if isinstance(value, (bool, int, float, complex)):
        return _of_scalar(value, dtype)
    if hasattr(value, "__array__") or _has_buffer(value):
        return _of_numpy(np.array(value), dtype)
    return _of_numpy(_as_numpy(value, dtype), dtype)


def _of_array(x: Any, dtype: Any, copy: bool) -> Any:
    result = lax.copy_p.bind(x) if copy else x
    if dtype is None:
        return result
    return convert(result, dtype)


def _of_scalar(value: Any, dtype: Any) -> ArrayImpl:
    if dtype is None:
        try:
            return array_of(value)
        except OverflowError:
            raise OverflowError(f"Python int {value} too large to convert to "
                                f"{dtypes.default_int_dtype()}") from None
    if isinstance(value, float) and dtype.kind in "iu" and math.isfinite(value):
        value = int(value)
    if isinstance(value, complex) and dtype.kind != "c":
        value = value.real
    return from_numpy(np.asarray(value, dtype))


def _of_numpy(value: np.ndarray, dtype: Any) -> ArrayImpl:
    if value.dtype.kind not in "biufcV" or (value.dtype.kind == "V"
                                            and value.dtype not in _known_dtypes):
        if value.dtype.kind == "U" and dtype is not None:
            return from_numpy(value.astype(dtype))
        raise TypeError(f"Value '{value.item() if value.size == 1 else value}' with dtype "
                        f"{value.dtype} is not a valid JAX array type. Only arrays of numeric "
                        "types are supported by JAX.")
    if dtype is None:
        dtype = dtypes.canonicalize_dtype(value.dtype)
    if value.dtype.kind == "c" and dtype.kind not in "cb":
        value = value.real
    return from_numpy(owned(value, dtype))


_known_dtypes = frozenset({*dtypes.all_dtypes, dtypes.float0})


def _has_buffer(value: Any) -> bool:
    if isinstance(value, (bytes, str)):
        return False
    try:
        memoryview(value)
    except TypeError:
        return False
    return True


def _as_numpy(value: Any, dtype: Any) -> np.ndarray:
    """Other objects as NumPy sees them; NumPy's own errors pass."""
    if isinstance(value, str) and dtype is not None:
        return np.asarray(value)
    return np.asarray(value)


def _of_sequence(values: Any, dtype: Any) -> Any:
    """Nested lists: through NumPy if everything in them is known and has no dtype of its own."""
    leaves: list[Any] = []
    _collect(values, leaves)
    kinds = set(map(type, leaves))
    if kinds <= dtypes.python_scalar_types:
        return _of_python_values(values, kinds, dtype)
    if None in leaves if type(None) in kinds else False:
        raise ValueError("None is not a valid value for jnp.array")
    if dtype is None:
        dtype = _dtype_of_leaves(leaves)
    if not any(isinstance(leaf, (Tracer, Dimension)) for leaf in leaves):
        plain = [np.asarray(leaf, dtype) if not isinstance(leaf, (ArrayImpl, np.ndarray))
                 and not hasattr(leaf, "__jax_array__")
                 else np.asarray(_of(leaf, dtype, False)) for leaf in leaves]
        return from_numpy(np.array(_rebuild(values, iter(plain)), dtype))
    return _stacked(values, dtype)


def _collect(values: Any, leaves: list[Any]) -> None:
    for value in values:
        if isinstance(value, (list, tuple)):
            _collect(value, leaves)
        else:
            leaves.append(value)


def _rebuild(values: Any, leaves: Any) -> Any:
    return [_rebuild(v, leaves) if isinstance(v, (list, tuple)) else next(leaves) for v in values]


_BY_KIND = ((complex, complex), (float, float), (int, int), (bool, bool))


def _of_python_values(values: Any, kinds: set[type], dtype: Any) -> ArrayImpl:
    if dtype is None:
        kind = next((k for k, _ in _BY_KIND if k in kinds), float)
        dtype = dtypes.default_dtype_of_scalar_type(kind)
    if dtype.kind in "iu" and float in kinds or dtype.kind not in "biufc":
        return from_numpy(np.array(values).astype(dtype))
    if complex in kinds and dtype.kind not in "cb":
        return from_numpy(np.array(values).real.astype(dtype))
    return from_numpy(np.array(values, dtype))


def _dtype_of_leaves(leaves: list[Any]) -> Any:
    for leaf in leaves:
        if isinstance(leaf, (str, bytes)) or not (hasattr(leaf, "dtype") or hasattr(
                leaf, "__jax_array__") or hasattr(leaf, "__array__") or dtypes.is_python_scalar(
                leaf)):
            found = np.asarray(leaf)
            raise TypeError(f"Value '{leaf}' with dtype {found.dtype} is not a valid JAX array "
                            "type. Only arrays of numeric types are supported by JAX.")
    return dtypes.result_type(*[_of(leaf, None, False) for leaf in leaves])


def _stacked(values: Any, dtype: Any) -> Any:
    parts = [_stacked(v, dtype) if isinstance(v, (list, tuple)) else _of(v, dtype, False)
             for v in values]
    shapes = {p.shape for p in parts}
    if len(shapes) > 1:
        raise ValueError("setting an array element with a sequence. The requested array has an "
                         f"inhomogeneous shape: its elements have shapes {sorted(shapes)}.")
    return lax.concatenate([lax.expand_dims(p, (0,)) for p in parts], 0)


@remembered
def astype(x: Any, dtype: Any, /, *, copy: bool = False, device: Any = None) -> Array:
    """`x` in another dtype; None means float. Complex numbers lose their imaginary part for a
    real dtype; floats are truncated towards zero for an integer dtype."""
    check_arraylike("astype", x)
    x = as_array("astype", x)
    known = dtypes.check_user_dtype(float if dtype is None else dtype, "astype")
    if isinstance(known, dtypes.ExtendedDType) and known != x.dtype:
        raise NotImplementedError(f"astype from {x.dtype} to {known} is not supported.")
    if isinstance(x.dtype, dtypes.ExtendedDType) and known != x.dtype:
        raise TypeError(f"Cannot convert an array of dtype {x.dtype} to {known}")
    if x.dtype.kind == "c" and known.kind == "b":
        x = lax.ne_p.bind(x, scalar_array(0, x.dtype))
    elif x.dtype.kind == "c" and not dtypes.issubdtype(known, np.complexfloating):
        warn("Casting from complex to real dtypes will soon raise a ValueError. Please first use "
             "jnp.real or jnp.imag to take the real/imaginary component of your input.",
             DeprecationWarning, stacklevel=stack_level())
    result = convert(x, known)
    if copy and result is x:
        result = lax.copy_p.bind(x)
    return result if device is None else device_put(result, device)


# ---- constant arrays -------------------------------------------------------------------------

def _filled(name: str, shape: Any, value: Any, dtype: Any, weak_type: bool = False,
            device: Any = None) -> Any:
    """A Python number at every place."""
    shape = canonical_shape(shape if isinstance(shape, (tuple, list)) else (shape,)) \
        if not hasattr(shape, "__len__") or not isinstance(shape, np.ndarray) \
        else canonical_shape(shape)
    if current() is EVAL:
        if shape and min(shape) < 0:
            raise TypeError("broadcast_in_dim shape must have every element be nonnegative, got "
                            f"{shape}.")
        data = np.zeros(shape, dtype) if value == 0 else np.full(shape, value, dtype)
        result: Array = from_numpy(data, weak_type)
    else:
        result = lax.full(shape, scalar_array(value, dtype, weak_type))
    return result if device is None else device_put(result, device)


def zeros(shape: Any, dtype: DTypeLike | None = None, *, device: Any = None,
          out_sharding: Any = None) -> Array:
    """An array of zeros, of the default float dtype unless another is given."""
    if out_sharding is not None:
        return reshard(zeros(shape, dtype, device=device), out_sharding)
    known = dtypes.check_user_dtype(float if dtype is None else dtype, "zeros")
    return _filled("zeros", shape, 0, known, False, device)


def ones(shape: Any, dtype: DTypeLike | None = None, *, device: Any = None,
         out_sharding: Any = None) -> Array:
    """An array of ones, of the default float dtype unless another is given."""
    if out_sharding is not None:
        return reshard(ones(shape, dtype, device=device), out_sharding)
    known = dtypes.check_user_dtype(float if dtype is None else dtype, "ones")
    return _filled("ones", shape, 1, known, False, device)


def empty(shape: Any, dtype: DTypeLike | None = None, *, device: Any = None,
          out_sharding: Any = None) -> Array:
    """As `zeros`: arrays cannot be written, so there is nothing to gain from garbage. `dtype` may
    be that of random keys: all their words are zero."""
    if out_sharding is not None:
        return reshard(empty(shape, dtype, device=device), out_sharding)
    if isinstance(dtype, dtypes.KeyDType):
        sizes = canonical_shape(shape if isinstance(shape, (tuple, list)) else (shape,))
        keys = with_aval(np.zeros(sizes, dtype.storage), ShapedArray(sizes, dtype))
        return keys if device is None else device_put(keys, device)
    known = dtypes.check_user_dtype(float if dtype is None else dtype, "empty")
    return _filled("empty", shape, 0, known, False, device)


@remembered
@sharded
def full(shape: Any, fill_value: ArrayLike, dtype: DTypeLike | None = None, *, device: Any = None,
         out_sharding: Any = None) -> Array:
    """An array of `shape` filled with a number, or with an array that broadcasts to it."""
    known = dtypes.check_user_dtype(dtype, "full")
    check_arraylike("full", fill_value)
    if type(fill_value) is int:
        fill_value = whole_number(
            fill_value, dtypes.default_int_dtype() if known is None else known)
    value = asarray(fill_value)
    weak = known is None and value.weak_type
    value = convert(value, value.dtype if known is None else known, weak)
    shape = canonical_shape(shape)
    if any(d < 0 for d in shape):
        raise TypeError("broadcast_in_dim shape must have every element be nonnegative, got "
                        f"{shape}.")
    result = broadcast_to_shape(value, shape)
    return result if device is None else device_put(result, device)


def _like(name: str, a: Any, dtype: Any, shape: Any) -> tuple[Any, Any, bool]:
    """(shape, dtype, weak type) of an array like `a`."""
    if not (hasattr(a, "dtype") and hasattr(a, "shape")):
        check_arraylike(name, a)
        a = as_array(name, a)
    known = dtypes.check_user_dtype(dtype, name)
    weak = known is None and getattr(a, "weak_type", False)
    if known is None:
        known = dtypes.canonicalize_dtype(a.dtype, allow_extended_dtype=True)
    return (tuple(a.shape) if shape is None else canonical_shape(shape)), known, bool(weak)


def zeros_like(a: Any, dtype: DTypeLike | None = None, shape: Any = None, *, device: Any = None,
               out_sharding: Any = None) -> Array:
    """Zeros with the shape and dtype of `a`, unless others are given."""
    if out_sharding is not None:
        return reshard(zeros_like(a, dtype, shape, device=device), out_sharding)
    if dtype is None and shape is None and device is None and computes_at_once(a) \
            and not isinstance(a.aval.dtype, dtypes.ExtendedDType):
        return from_numpy(np.zeros(a.aval.shape, a.aval.dtype), a.aval.weak_type)
    found = _like("zeros_like", a, dtype, shape)
    return _filled("zeros_like", found[0], 0, found[1], found[2], device)


def ones_like(a: Any, dtype: DTypeLike | None = None, shape: Any = None, *, device: Any = None,
              out_sharding: Any = None) -> Array:
    """Ones with the shape and dtype of `a`, unless others are given."""
    if out_sharding is not None:
        return reshard(ones_like(a, dtype, shape, device=device), out_sharding)
    found = _like("ones_like", a, dtype, shape)
    return _filled("ones_like", found[0], 1, found[1], found[2], device)


def empty_like(prototype: Any, dtype: DTypeLike | None = None, shape: Any = None, *,
               device: Any = None) -> Array:
    """As `zeros_like`."""
    return zeros_like(prototype, dtype, shape, device=device)


@remembered
@sharded
def full_like(a: Any, fill_value: ArrayLike, dtype: DTypeLike | None = None, shape: Any = None, *,
              device: Any = None, out_sharding: Any = None) -> Array:
    """An array filled with `fill_value`, with the shape and dtype of `a` unless others are given.
    """
    check_arraylike("full_like", fill_value)
    found = _like("full_like", a, dtype, shape)
    if type(fill_value) is int:
        fill_value = whole_number(fill_value, found[1])
    value = convert(asarray(fill_value), found[1], found[2])
    result = broadcast_to_shape(value, found[0])
    return result if device is None else device_put(result, device)


# ---- ranges ----------------------------------------------------------------------------------

@remembered
@sharded
def arange(start: Any, stop: Any = None, step: ArrayLike | None = None,
           dtype: DTypeLike | None = None, *, device: Any = None,
           out_sharding: Any = None) -> Array:
    """Numbers from `start` (0 if only one bound is given) up to, without, `stop`.

    The bounds must be known now: inside `jit`, use `lax.iota` and arithmetic.

    Raises:
      ConcretizationTypeError: a traced bound. ValueError: arrays or complex bounds.

    Example:
      >>> jnp.arange(1, 7, 2)
      Array([1, 3, 5], dtype=int32)
    """
    names = ("start", "stop", "step") if stop is not None or step is not None else ("stop",)
    if start is None:
        raise TypeError("must be real number, not NoneType")
    if not is_constant_shape((start, stop, step)):
        return _symbolic_range(start, stop, 1 if step is None else step, dtype)
    known = [_bound(v, name) for v, name in zip((start, stop, step), names, strict=False)]
    if dtype is not None:
        found = dtypes.check_user_dtype(dtype, "arange")
    else:
        found = dtypes.result_type(*[v for v in (start, stop, step) if v is not None])
    if stop is None:
        known = [0, known[0], known[2] if len(known) == 3 else None]
    first, last, by = known[0], known[1], 1 if known[2] is None else known[2]
    if by == 0:
        raise ZeroDivisionError("division by zero")
    size = max(math.ceil((last - first) / by), 0)
    if isinstance(first, int) and isinstance(last, int) and isinstance(by, int):
        size = len(range(first, last, by))
    result = _progression(first, by, size, found)
    return result if device is None else device_put(result, device)


def _symbolic_range(start: Any, stop: Any, step: Any, dtype: Any) -> Any:
    """`arange` of bounds that are integers or symbolic dimensions."""
    if stop is None:
        start, stop = 0, start
    for value in (start, stop, step):
        if not isinstance(value, (int, np.integer, Dimension)):
            raise TypeError("jnp.arange: bounds and steps beside symbolic dimensions must be "
                            f"integers or symbolic dimensions, got {value!r}")
    first, last, by = map(dimension, (start, stop, step))
    if by == 0:
        raise ZeroDivisionError("division by zero")
    if not (surely_at_most(by, -1) or surely_at_most(1, by)):
        raise InconclusiveDimensionOperation(
            f"jnp.arange: the step {by} must be resolved statically if it is > 0 or < 0")
    count = max_dim((last - first + (by - 1 if by > 0 else by + 1)) // by, 0)
    found = dtypes.default_int_dtype() if dtype is None else \
        dtypes.check_user_dtype(dtype, "arange")
    numbers = lax.iota(found, count)
    scaled = numbers if by == 1 else lax.mul(numbers, convert(by, found))
    return scaled if first == 0 else lax.add(scaled, convert(first, found))


def _bound(value: Any, name: str) -> Any:
    """A bound of `arange` as a Python number."""
    if value is None:
        return None
    if isinstance(value, Tracer):
        known = value.concrete()
        if known is None:
            raise errors.ConcretizationTypeError(
                value, f"It arose in the jnp.arange argument '{name}'")
        value = known
    check_arraylike("arange", value)
    if getattr(value, "ndim", 0):
        raise ValueError("jax.numpy.arange: arguments must be scalars; "
                         f"got {name}={np.asarray(value)}")
    number = np.asarray(value)[()]
    if np.iscomplexobj(number):
        raise ValueError("Passing complex start/stop/step to jnp.arange is no longer supported "
                         "starting in JAX v0.10.0.")
    if type(value) in dtypes.python_scalar_types:
        return value
    return number.item() if number.dtype.kind in "biuf" else float(number)


def _progression(first: Any, by: Any, size: int, dtype: Any) -> Any:
    if dtype == np.bool_:
        raise TypeError("iota does not accept dtype bool. Accepted dtypes are subtypes of "
                        "integer, floating, complexfloating.")
    if current() is EVAL and dtype.kind in "iuf":
        known = np.arange(size, dtype=dtype)
        if dtype.kind in "iu":
            first, by = int(first), int(by)
        if by != 1:
            known = np.asarray(by, dtype) * known
        return from_numpy(known if first == 0 else np.asarray(first, dtype) + known)
    steps = lax.iota(dtype, size)
    if by != 1:
        steps = lax.mul(scalar_array(by, dtype), steps)
    return steps if first == 0 else lax.add(scalar_array(first, dtype), steps)


@remembered
def linspace(start: ArrayLike, stop: ArrayLike, num: int = 50, endpoint: bool = True,
             retstep: bool = False, dtype: DTypeLike | None = None, axis: int = 0, *,
             device: Any = None) -> Any:
    """`num` numbers, evenly spaced from `start` to `stop`, or up to it without `endpoint`.

    Args:
      start, stop: numbers or arrays, which broadcast; the points lie along a new axis `axis`.
      retstep: return `(points, distance)`.

    Raises:
      ValueError: `num` is negative.
    """
    num = dimension(num, "num")
    if surely_at_most(num, -1):
        raise ValueError(f"Number of samples, {num}, must be non-negative.")
    check_arraylike("linspace", start, stop)
    known = dtypes.check_user_dtype(dtype, "linspace")
    first, last = promote_dtypes_inexact("linspace", start, stop)
    working = first.dtype
    result_dtype = working if known is None else known
    intervals = num - 1 if endpoint else num
    shape = broadcast_shapes(first.shape, last.shape)
    first, last = (broadcast_to_shape(convert(v, working), shape) for v in (first, last))
    axis = integer(axis, "axis")
    axis = axis + len(shape) + 1 if axis < 0 else axis
    step = lax.div(lax.sub(last, first), scalar_array(max_dim(intervals, 1), working)) \
        if not surely_at_most(intervals, 0) else full_like(first, np.nan)
    points = _points(first, last, num, intervals, endpoint, shape, working)
    if axis:
        order = [*range(1, axis + 1), 0, *range(axis + 1, len(shape) + 1)]
        points = lax.transpose(points, order)
    if result_dtype not in inexact_dtypes:
        points = lax.floor(points)
    points = convert(points, result_dtype)
    if device is not None:
        points, step = device_put((points, step), device)
    return (points, step) if retstep else points


def _points(first: Any, last: Any, num: int, intervals: int, endpoint: bool,
            shape: tuple[int, ...], dtype: Any) -> Any:
    """The points along a leading axis. The last one is `last` exactly."""
    if surely_at_most(num, 1) and endpoint or num == 0:
        return lax.broadcast_in_dim(first, (num, *shape), tuple(range(1, len(shape) + 1)))
    inner = num - 1 if endpoint else num
    real_dtype = np.dtype(f"f{dtype.itemsize // 2}") if dtype.kind == "c" else dtype
    fractions = lax.div(lax.iota(real_dtype, inner), scalar_array(intervals, real_dtype))
    fractions = convert(lax.reshape(fractions, (inner,) + (1,) * len(shape)), dtype)
    along = tuple(range(1, len(shape) + 1))
    weight = lax.broadcast_in_dim(fractions, (inner, *shape), tuple(range(len(shape) + 1)))
    start = lax.broadcast_in_dim(first, (inner, *shape), along)
    stop = lax.broadcast_in_dim(last, (inner, *shape), along)
    points = lax.add(lax.mul(start, lax.sub(full_like(weight, 1), weight)), lax.mul(stop, weight))
    if not endpoint:
        return points
    return lax.concatenate([points, lax.expand_dims(last, (0,))], 0)


@remembered
def logspace(start: ArrayLike, stop: ArrayLike, num: int = 50, endpoint: bool = True,
             base: ArrayLike = 10.0, dtype: DTypeLike | None = None, axis: int = 0) -> Array:
    """`base` to the power of evenly spaced exponents from `start` to `stop`."""
    known = dtypes.check_user_dtype(dtype, "logspace")
    check_arraylike("logspace", start, stop)
    exponents = linspace(start, stop, num, endpoint=endpoint, axis=axis)
    points = lax.pow(convert(asarray(base), exponents.dtype), exponents)
    return points if known is None else convert(points, known)


@remembered
def geomspace(start: ArrayLike, stop: ArrayLike, num: int = 50, endpoint: bool = True,
              dtype: DTypeLike | None = None, axis: int = 0) -> Array:
    """Numbers from `start` to `stop`, each the same multiple of the one before."""
    known = dtypes.check_user_dtype(dtype, "geomspace")
    check_arraylike("geomspace", start, stop)
    first, last = promote_dtypes_inexact("geomspace", start, stop)
    sign = lax.sign(first)
    first, last = lax.div(first, sign), lax.div(last, sign)
    ten = scalar_array(np.log(10.0), first.dtype)
    exponents = linspace(lax.div(lax.log(first), ten), lax.div(lax.log(last), ten), num,
                         endpoint=endpoint, axis=0)
    points = lax.pow(full_like(exponents, 10), exponents)
    if num > 1:
        tail = [lax.expand_dims(last, (0,))] if endpoint else []
        points = lax.concatenate([
            lax.expand_dims(first, (0,)),
            lax.slice_in_dim(points, 1, num - 1 if endpoint else num), *tail], 0)
    points = lax.mul(points, broadcast_to_shape(sign, points.shape))
    if axis:
        axis = axis + points.ndim if axis < 0 else axis
        points = lax.transpose(points, [*range(1, axis + 1), 0, *range(axis + 1, points.ndim)])
    return points if known is None else convert(points, known)


# ---- matrices --------------------------------------------------------------------------------

@remembered
def eye(N: int, M: int | None = None, k: Any = 0, dtype: DTypeLike | None = None, *,
        device: Any = None) -> Array:
    """An N × M matrix with ones on diagonal `k` (above the main one if positive), else zeros."""
    known = dtypes.check_user_dtype(float if dtype is None else dtype, "eye")
    rows, columns = canonical_shape((N,))[0], canonical_shape((N if M is None else M,))[0]
    if rows < 0 or columns < 0:
        raise ValueError(f"negative dimensions are not allowed, got {rows} and {columns}")
    if np.ndim(k) or not dtypes.issubdtype(dtypes.result_type(k), np.integer):
        raise ValueError(f"eye: k must be a scalar integer; got {k}")
    if not isinstance(k, Tracer):
        k = min(max(integer(k, "k"), -rows - 1), columns + 1)  # beyond, no diagonal is left
    if current() is EVAL and not isinstance(k, Tracer):
        result = from_numpy(np.eye(rows, columns, integer(k, "k")).astype(known))
        return result if device is None else device_put(result, device)
    row = lax.broadcasted_iota(np.int32, (rows, columns), 0)
    column = lax.broadcasted_iota(np.int32, (rows, columns), 1)
    k = convert(asarray(k), np.dtype(np.int32))
    result = convert(lax.eq(lax.add(row, k), column), known)
    return result if device is None else device_put(result, device)


@remembered
def identity(n: int, dtype: DTypeLike | None = None) -> Array:
    """The n × n identity matrix."""
    return eye(n, dtype=dtype)


@remembered
def tri(N: int, M: int | None = None, k: int = 0, dtype: DTypeLike | None = None) -> Array:
    """An N × M matrix with ones on and below diagonal `k`, zeros above."""
    known = dtypes.check_user_dtype(np.float32 if dtype is None else dtype, "tri")
    canonical_shape((N, N if M is None else M))
    if isinstance(k, int):
        array_of(k)  # OverflowError for what no default dtype holds
    return convert(lower_mask(N, N if M is None else M, k), known)


def lower_mask(rows: int, columns: int, k: int = 0) -> Any:
    """A bool matrix, true on and below diagonal `k`."""
    if current() is EVAL:
        return from_numpy(np.tri(rows, columns, k, dtype=bool))
    row = lax.broadcasted_iota(np.int32, (rows, columns), 0)
    column = lax.broadcasted_iota(np.int32, (rows, columns), 1)
    return lax.ge(lax.add(row, scalar_array(k, np.dtype(np.int32))), column)
