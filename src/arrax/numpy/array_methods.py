"""Operators, methods and properties of arrays, for concrete arrays and tracers alike.

Operators return NotImplemented for operands that are no arrays or numbers, so that other classes
can define the mixed operation; NumPy arrays and scalars on the left give way by
`__array_priority__`.
"""
from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

import numpy as np

from arrax import lax, numpy as namespace
from arrax.core import dtypes
from arrax.core.array import Array, ArrayImpl, install_methods, with_aval
from arrax.core.aval import ShapedArray
from arrax.core.trace import Tracer
from arrax.numpy import (creation, elementwise, indexing, joining, products, reductions, rounding,
                         selection, shaping, sorting, ufuncs)
from arrax.numpy.index_update import IndexUpdateHelper
from arrax.numpy.promotion import is_arraylike
from arrax.numpy.promotion import inexact_dtypes
from arrax.transforms.api_placement import device_put

_DOCS_AT = "https://docs.jax.dev/en/latest/_autosummary/jax.numpy.ndarray.at.html"
_operand_types = (ArrayImpl, Tracer, np.ndarray, np.generic, bool, int, float, complex)


# ---- operators -------------------------------------------------------------------------------

# Arrays take no part in operations with these: even `==`, which Python would answer by identity.
_containers = frozenset((list, tuple, set, dict))
_SYMBOLS = {"add": "+", "sub": "-", "mul": "*", "truediv": "/", "floordiv": "//", "mod": "%",
            "divmod": "divmod", "pow": "**", "matmul": "@", "and": "&", "or": "|", "xor": "^",
            "lshift": "<<", "rshift": ">>", "eq": "==", "ne": "!=", "lt": "<", "le": "<=",
            "gt": ">", "ge": ">="}


def _unsupported(name: str, left: Any, right: Any) -> TypeError:
    return TypeError(f"unsupported operand type(s) for {_SYMBOLS[name.strip('_')]}: "
                     f"{type(left).__name__!r} and {type(right).__name__!r}")


def _forward(name: str, function: Callable[[Any, Any], Any]) -> Callable[[Any, Any], Any]:
    def method(self: Any, other: Any) -> Any:
        if isinstance(other, _operand_types) or hasattr(other, "__jax_array__"):
            return function(self, other)
        if type(other) in _containers:
            raise _unsupported(name, self, other)
        return NotImplemented
    method.__name__ = method.__qualname__ = name
    return method


def _reflected(name: str, function: Callable[[Any, Any], Any]) -> Callable[[Any, Any], Any]:
    def method(self: Any, other: Any) -> Any:
        if isinstance(other, _operand_types) or hasattr(other, "__jax_array__"):
            return function(other, self)
        if type(other) in _containers:
            raise _unsupported(f"__{name[3:]}", other, self)
        return NotImplemented
    method.__name__ = method.__qualname__ = name
    return method


_binary_operators: dict[str, Callable[[Any, Any], Any]] = {
    "add": elementwise._add, "sub": elementwise._subtract, "mul": elementwise._multiply,
    "truediv": elementwise.divide, "floordiv": elementwise.floor_divide,
    "mod": elementwise.remainder, "divmod": elementwise.divmod, "pow": elementwise.power,
    "matmul": products.matmul, "and": elementwise._bitwise_and, "or": elementwise._bitwise_or,
    "xor": elementwise._bitwise_xor, "lshift": elementwise.left_shift,
    "rshift": elementwise.right_shift}
_comparisons = {"eq": elementwise.equal, "ne": elementwise.not_equal, "lt": elementwise.less,
                "le": elementwise.less_equal, "gt": elementwise.greater,
                "ge": elementwise.greater_equal}


def _operators() -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name, function in _binary_operators.items():
        found[f"__{name}__"] = _forward(f"__{name}__", function)
        found[f"__r{name}__"] = _reflected(f"__r{name}__", function)
    for name, function in _comparisons.items():
        found[f"__{name}__"] = _forward(f"__{name}__", function)
    found["__neg__"] = lambda self: elementwise._negative(self)
    found["__pos__"] = lambda self: elementwise.positive(self)
    found["__abs__"] = lambda self: elementwise.absolute(self)
    found["__invert__"] = lambda self: elementwise.invert(self)
    found["__round__"] = _round
    return found


def _round(self: Any, ndigits: int | None = None) -> Any:
    """`round(x, ndigits)` in the array's dtype; without `ndigits` integers, as Python rounds."""
    if ndigits is not None:
        return rounding.round(self, ndigits)
    rounded = rounding.round(self, 0)
    return creation.astype(rounded, int) if rounded.dtype in inexact_dtypes else rounded


# ---- items -----------------------------------------------------------------------------------

def _setitem(self: Any, idx: Any, value: Any) -> None:
    raise TypeError(
        f"'{type(self)}' object does not support item assignment. JAX arrays are immutable. "
        "Instead of ``x[idx] = y``, use ``x = x.at[idx].set(y)`` or another .at[] method: "
        f"{_DOCS_AT}\n(JAX arrays are immutable and do not support in-place item assignment. "
        "Instead of x[idx] = y, use x = x.at[idx].set(y) or another .at[] method.)")


def _delitem(self: Any, idx: Any) -> None:
    raise TypeError(f"'{type(self)}' object does not support item deletion. JAX arrays are "
                    "immutable; use jax.numpy.delete to make an array without some elements.")


def _iterate(self: Any) -> Any:
    """The slices along the first axis, for tracers."""
    if self.ndim == 0:
        raise TypeError("iteration over a 0-d array")
    return iter([indexing.getitem(self, i) for i in range(self.shape[0])])


def _contains(self: Any, element: Any) -> bool:
    if self.ndim != 1:
        raise ValueError("Array.__contains__: search array must be one-dimensional, got "
                         f"arr.shape={self.shape}.")
    if not is_arraylike(element):
        raise TypeError("Array.__contains__: unsupported operand type: requires ndarray or scalar "
                        f"arguments, got {type(element)} at position 0.")
    if np.ndim(element) != 0:
        raise ValueError("Array.__contains__: query value must be a scalar, got shape "
                         f"{np.shape(element)}.")
    return bool(reductions.any(elementwise.equal(self, element)))


# ---- methods ---------------------------------------------------------------------------------

def _reshape(self: Any, *args: Any, order: str = "C", copy: bool | None = None,
             out_sharding: Any = None) -> Any:
    """The same elements in another shape; see `jnp.reshape`."""
    new = args[0] if len(args) == 1 else args
    return shaping.reshape(self, new, order, copy=copy)


def _transpose(self: Any, *args: Any) -> Any:
    """The axes in another order, reversed without arguments; see `jnp.transpose`."""
    if not args or (len(args) == 1 and args[0] is None):
        return shaping.transpose(self)
    return shaping.transpose(self, args[0] if len(args) == 1 and not hasattr(
        args[0], "__index__") else args)


def _astype(self: Any, dtype: Any, copy: bool = False, device: Any = None) -> Any:
    """The elements in another dtype; see `jnp.astype`."""
    return creation.astype(self, dtype, copy=copy, device=device)


def _copy(self: Any) -> Any:
    """A copy of the array."""
    return lax.copy_p.bind(self)


def _flatten(self: Any, order: str = "C", *, out_sharding: Any = None) -> Any:
    """All elements along one axis."""
    return shaping.ravel(self, order)


def _clip(self: Any, min: Any = None, max: Any = None) -> Any:
    """The elements moved into [min, max]; see `jnp.clip`."""
    return ufuncs.clip(self, min, max)


def _view(self: Any, dtype: Any = None, type: Any = None) -> Any:
    """The same bytes read as another dtype; the last axis grows or shrinks with the item size."""
    if type is not None:
        raise NotImplementedError("`type` argument of array.view() is not supported.")
    if dtype is None:
        return self
    known = dtypes.check_user_dtype(dtype, "view")
    if self.dtype == known:
        return self
    if known == np.bool_ or self.dtype == np.bool_:
        if known.itemsize != self.dtype.itemsize:
            raise ValueError("view between bool and a dtype of another size is not supported")
        if known == np.bool_:
            return elementwise.not_equal(self.view(np.uint8), 0)
        return lax.bitcast_convert_type(lax.convert_element_type(self, np.uint8), known)
    source, target = dtypes.itemsize_bits(self.dtype), dtypes.itemsize_bits(known)
    if source == target:
        return lax.bitcast_convert_type(self, known)
    if self.ndim == 0:
        raise ValueError("view cannot change the itemsize of a 0-d array.")
    if source > target:
        parts = lax.bitcast_convert_type(self, known)
        return shaping.reshape(parts, (*self.shape[:-1], self.shape[-1] * source // target))
    ratio = target // source
    if self.shape[-1] % ratio:
        raise ValueError("When changing to a larger dtype, its size must be a divisor of the "
                         "total size in bytes of the last axis of the array.")
    grouped = shaping.reshape(self, (*self.shape[:-1], self.shape[-1] // ratio, ratio))
    return lax.bitcast_convert_type(grouped, known)


def _dot(self: Any, b: Any, *, precision: Any = None, preferred_element_type: Any = None) -> Any:
    """The dot product with `b`; see `jnp.dot`."""
    return products.dot(self, b, precision=precision,
                        preferred_element_type=preferred_element_type)


def _at(self: Any) -> IndexUpdateHelper:
    """`x.at[idx].set(y)` and kin: copies of `x` with elements replaced, added to, …"""
    return IndexUpdateHelper(self)


def _flat(self: Any) -> Any:
    raise NotImplementedError("JAX Arrays do not implement the arr.flat property: "
                              "consider arr.flatten() instead.")


def _byteswap(self: Any, inplace: bool = False) -> Any:
    """The array with the bytes of each element in reverse order."""
    if inplace:
        raise NotImplementedError("byteswap: arrays do not change, so inplace must be False")
    if self.dtype.itemsize == 1:
        return self
    if dtypes.issubdtype(self.dtype, np.complexfloating):
        return lax.complex(_byteswap(lax.real(self)), _byteswap(lax.imag(self)))
    parts = lax.bitcast_convert_type(self, np.uint8)
    return lax.bitcast_convert_type(lax.rev(parts, (parts.ndim - 1,)), self.dtype)


def _itemsize(self: Any) -> int:
    """Bytes of one element."""
    return int(self.dtype.itemsize)


def _to_device(self: Any, device: Any, *, stream: Any = None) -> Any:
    """The array on a device or with a sharding (array API standard)."""
    if stream is not None:
        raise NotImplementedError("stream argument of array.to_device()")
    return device_put(self, device)


def _array_namespace(self: Any, /, *, api_version: str | None = None) -> Any:
    """The module of array functions (array API standard)."""
    return namespace


# ---- printing --------------------------------------------------------------------------------

def array_text(x: ArrayImpl, name: str = "Array") -> str:
    """`Array([1., 2.], dtype=float32)`."""
    aval = x.aval
    data = x.data
    if data is None:
        return f"{name}(<deleted>, shape={aval.shape}, dtype={dtypes.dtype_name(aval.dtype)})"
    weak = ", weak_type=True" if aval.weak_type else ""
    ending = f"dtype={dtypes.dtype_name(aval.dtype)}{weak})"
    if isinstance(aval.dtype, dtypes.ExtendedDType):
        words = data[..., None].view(np.uint32) if data.ndim else data.reshape(1).view(np.uint32)
        return f"{name}({aval.shape}, {ending} overlaying:\n{words}"
    if data.size == 0:
        return f"{name}([], shape={aval.shape}, {ending}"
    prefix = f"{name}("
    text = np.array2string(data, separator=", ", prefix=prefix, suffix=",")
    last = len(text) - (text.rfind("\n") + 1) + (len(prefix) if "\n" not in text else 0)
    gap = " " if last + len(ending) + 1 <= np.get_printoptions()["linewidth"] \
        else " " * len(prefix)
    return f"{prefix}{text},{gap}{ending}"


def _str(self: ArrayImpl) -> str:
    if self.data is None or isinstance(self.aval.dtype, dtypes.ExtendedDType):
        return array_text(self)
    return str(self.data)


def _format(self: Any, spec: str) -> str:
    if self.ndim == 0 and spec:
        return format(self.item(), spec)
    return format(str(self), "") if not spec else format(np.asarray(self), spec)


# ---- pickling --------------------------------------------------------------------------------

def _restore(data: np.ndarray, aval: ShapedArray) -> ArrayImpl:
    return with_aval(data, aval)


def _reduce(self: ArrayImpl) -> Any:
    return _restore, (np.ascontiguousarray(self._value()).reshape(self.shape), self.aval)


def _deepcopy(self: ArrayImpl, memo: Any) -> ArrayImpl:
    return with_aval(self._value().copy(), self.aval, self.placement)


def _shallow_copy(self: ArrayImpl) -> ArrayImpl:
    return with_aval(self._value(), self.aval, self.placement)


def _deep_copied(self: ArrayImpl) -> ArrayImpl:
    """A copy with memory of its own."""
    return _deepcopy(self, {})


# ---- DLPack ----------------------------------------------------------------------------------

def _dlpack(self: ArrayImpl, *, stream: Any = None, max_version: Any = None,
            dl_device: Any = None, copy: bool | None = None) -> Any:
    """A DLPack capsule of the data; shared unless `copy`. Consumers must not write to it."""
    if dl_device is not None and tuple(map(int, dl_device)) != (1, 0):
        raise BufferError(f"this array is on the CPU, not on the DLPack device {dl_device}")
    data = self._value()
    if copy or not data.flags.writeable:
        # NumPy refuses to export read-only memory to consumers of old versions.
        data = data.copy()
    return data.__dlpack__(stream=stream)


def _dlpack_device(self: ArrayImpl) -> tuple[int, int]:
    return (1, 0)


# ---- installation ----------------------------------------------------------------------------

_shared: dict[str, Any] = {
    **_operators(),
    "__getitem__": indexing.getitem, "__setitem__": _setitem, "__delitem__": _delitem,
    "__contains__": _contains, "__array_namespace__": _array_namespace,
    "all": reductions.all, "any": reductions.any, "argmax": reductions.argmax,
    "argmin": reductions.argmin, "argpartition": sorting.argpartition, "argsort": sorting.argsort,
    "astype": _astype, "at": property(_at, doc=_at.__doc__), "byteswap": _byteswap,
    "choose": ufuncs.choose,
    "clip": _clip, "compress": lambda self, condition, axis=None, *, out=None, size=None,
    fill_value=0: selection.compress(condition, self, axis, size=size, fill_value=fill_value),
    "conj": elementwise.conjugate, "conjugate": elementwise.conjugate, "copy": _copy,
    "cumprod": reductions.cumprod, "cumsum": reductions.cumsum, "diagonal": selection.diagonal,
    "dot": _dot, "flat": property(_flat), "flatten": _flatten,
    "imag": property(elementwise.imag), "itemsize": property(_itemsize), "max": reductions.max,
    "mean": reductions.mean, "min": reductions.min, "nonzero": selection.nonzero,
    "prod": reductions.prod, "ptp": reductions.ptp, "ravel": shaping.ravel,
    "real": property(elementwise.real), "repeat": joining.repeat, "reshape": _reshape,
    "round": rounding.round, "searchsorted": sorting.searchsorted, "sort": sorting.sort,
    "squeeze": shaping.squeeze, "std": reductions.std, "sum": reductions.sum,
    "swapaxes": shaping.swapaxes, "take": selection.take, "to_device": _to_device,
    "trace": products.trace,
    "transpose": _transpose, "var": reductions.var, "view": _view,
    "T": property(lambda self: shaping.transpose(self), doc="The axes reversed."),
    "mT": property(shaping.matrix_transpose, doc="The last two axes swapped."),
    "nbytes": property(lambda self: self.size * self.dtype.itemsize, doc="Bytes of all elements."),
}
_concrete: dict[str, Any] = {
    "__repr__": array_text, "__str__": _str, "__format__": _format, "__reduce__": _reduce,
    "__copy__": _shallow_copy, "__deepcopy__": _deepcopy, "__dlpack__": _dlpack,
    "__dlpack_device__": _dlpack_device, "clone": _deep_copied,
    "on_device_size_in_bytes": lambda self: self.nbytes}


_of_concrete_arrays = {"_numbers", "_value", "concrete", "data", "placement"}


def install() -> None:
    """Give arrays and tracers their operators and methods, and `Array` too: `Array.sum(x)`."""
    install_methods(_shared)
    for name, method in _concrete.items():
        setattr(ArrayImpl, name, method)
    Tracer.__iter__ = _iterate  # type: ignore[method-assign]
    for name in {*dir(ArrayImpl)}.difference(dir(Array), _of_concrete_arrays):
        setattr(Array, name, inspect.getattr_static(ArrayImpl, name))


install()
