"""`Array`: an immutable n-dimensional array.

`Array` is the public type that `isinstance` is asked about (tracers are Arrays too); concrete ones
are `ArrayImpl`, whose fields (`aval`, `data`, `placement`) live in the C++ base. Operators and
NumPy-like methods are installed by `arrax.numpy` on `ArrayImpl` and `Tracer` (`install_methods`).
"""
from __future__ import annotations

import functools
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

import numpy as np

from arrax import _native
from arrax.core import dtypes, user_types
from arrax.core.aval import ShapedArray, scalar_aval
from arrax.core.device import Device
from arrax.core.shardings import (Shard, Sharding, placement_sharding, shard_indices,
                                  type_sharding)
from arrax.core.trace import (Tracer, check_integer_conversion, check_scalar_conversion)


if TYPE_CHECKING:
    from arrax.core.array_members import ArrayMembers
else:
    ArrayMembers = object


class _ArrayMeta(type):
    def __instancecheck__(cls, value: Any) -> bool:
        kind = type(value)
        return kind is ArrayImpl or (issubclass(kind, Tracer)
                                     and isinstance(getattr(value, "aval", None), ShapedArray))

    def __subclasscheck__(cls, other: type) -> bool:
        return issubclass(other, (ArrayImpl, Tracer)) or type.__subclasscheck__(cls, other)


class Array(ArrayMembers, metaclass=_ArrayMeta):
    """An immutable n-dimensional array; make one with `arrax.numpy.array` and its kin.

    Example:
      >>> isinstance(jnp.ones(3), arrax.Array)
      True
    """

    def __init__(self) -> None:
        raise TypeError("Array cannot be instantiated directly; use arrax.numpy.array")


if TYPE_CHECKING:
    class _ArrayBase(_native.ArrayBase, Array):
        """To type checkers a concrete array is an `Array`, as it is to `isinstance`."""
else:
    _ArrayBase = _native.ArrayBase


class ArrayImpl(_ArrayBase):
    """A concrete array: `aval`, `data` (a NumPy array of the storage dtype), `placement`."""

    __slots__ = ()
    __array_priority__ = 100
    __hash__ = None  # type: ignore[assignment]
    __module__ = "arrax"

    def concrete(self) -> ArrayImpl:
        return self

    def _value(self) -> np.ndarray:
        """The data; RuntimeError when the array was donated or deleted."""
        data = self.data
        if data is None:
            raise RuntimeError(f"Array has been deleted with shape={self.aval.str_short()}.")
        return data  # type: ignore[no-any-return]

    def _numbers(self) -> np.ndarray:
        """The data, if its elements are numbers; TypeError for random keys."""
        data = self._value()
        if isinstance(self.aval.dtype, dtypes.ExtendedDType):
            raise TypeError("JAX array with PRNGKey dtype cannot be converted to a NumPy array."
                            " Use jax.random.key_data(arr) if you wish to extract the underlying"
                            " integer array.")
        return data

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
        data = self._numbers()
        if dtype is not None and data.dtype != dtype:
            if copy is False:
                raise ValueError("cannot convert dtype without a copy")
            return data.astype(dtype)
        if copy:
            return data.copy()
        view = data.view()
        view.flags.writeable = False
        return view

    def __len__(self) -> int:
        if not self.aval.shape:
            raise TypeError("len() of unsized object")
        return self.aval.shape[0]  # type: ignore[no-any-return]

    def __bool__(self) -> bool:
        check_scalar_conversion(self, "bool")
        return bool(self._numbers())

    def __int__(self) -> int:
        check_scalar_conversion(self, "int")
        return int(self._numbers())

    def __float__(self) -> float:
        check_scalar_conversion(self, "float")
        return float(self._numbers())

    def __complex__(self) -> complex:
        check_scalar_conversion(self, "complex")
        return complex(self._numbers())

    def __index__(self) -> int:
        check_integer_conversion(self)
        return self._value().__index__()

    def __format__(self, spec: str) -> str:
        if self.ndim == 0:
            return format(self._value()[()], spec)
        return format(str(self), spec) if spec else str(self)

    def __iter__(self) -> Iterator[Any]:
        if self.ndim == 0:
            raise TypeError("iteration over a 0-d array")
        aval = self.aval.update(shape=self.aval.shape[1:])
        return (with_aval(np.asarray(row), aval) for row in self._value())

    def tobytes(self, order: Any = "C") -> bytes:
        """The bytes of all elements, in row-major ("C") or column-major ("F") order."""
        return self._value().tobytes(order)

    def tolist(self) -> Any:
        return self._numbers().tolist()

    def item(self, *args: int) -> Any:
        return self._numbers().item(*args)

    def block_until_ready(self) -> ArrayImpl:
        """Wait until the value is computed (CPU results always are) and return the array."""
        self._value()
        return self

    @property
    def sharding(self) -> Sharding:
        """How the array is laid out over devices."""
        return placement_sharding(self.placement)

    @property
    def device(self) -> Any:
        """The device of an array on one device, else the sharding."""
        devices = self.sharding.device_set
        return next(iter(devices)) if len(devices) == 1 else self.sharding

    def devices(self) -> set[Device]:
        """The devices that hold the array."""
        return self.sharding.device_set

    @property
    def committed(self) -> bool:
        """Whether the array was put where it is explicitly."""
        return self.placement is not None

    @property
    def is_fully_addressable(self) -> bool:
        return True

    @property
    def is_fully_replicated(self) -> bool:
        return self.sharding.is_fully_replicated

    _committed = committed

    @property
    def addressable_shards(self) -> list[Shard]:
        """The part of each device, as views."""
        data = self._value()
        copies: dict[Any, int] = {}
        shards = []
        for device, index in shard_indices(self.placement, self.aval.shape):
            key = tuple((s.start, s.stop) for s in index)
            number = copies[key] = copies.get(key, -1) + 1
            shards.append(Shard(device, index, number, functools.partial(
                _part, data, index, self.aval, device)))
        return shards

    @property
    def global_shards(self) -> list[Shard]:
        return self.addressable_shards

    def addressable_data(self, index: int) -> Any:
        """The data of the shard number `index`."""
        return self.addressable_shards[index].data

    def unsafe_buffer_pointer(self) -> int:
        """The address of the data."""
        return int(self._value().__array_interface__["data"][0])

    def copy_to_host_async(self) -> None:
        """Start copying to the host; CPU arrays are there."""
        self._value()

    def is_deleted(self) -> bool:
        """Whether the buffer was donated or deleted."""
        return self.data is None


def _part(data: np.ndarray, index: Any, aval: Any, device: Device) -> ArrayImpl:
    part = np.asarray(data[index])
    return with_aval(part, aval.update(shape=part.shape), device)


def placed_array(data: np.ndarray, aval: Any, placement: Any) -> ArrayImpl:
    """An array that is said to be at `placement`; its type tells its spec on explicit axes."""
    sharding = type_sharding(placement, aval.ndim)
    if sharding is not aval.located and sharding != aval.located:
        aval = aval.update(sharding=sharding)
    return with_aval(data, aval, placement)


_native.set_array_type(ArrayImpl)
from_numpy: Callable[..., ArrayImpl] = _native.make_array
with_aval: Callable[..., ArrayImpl] = _native.make_array_aval


def array_of(value: Any) -> Any:
    """`value` as a concrete Array: scalars weakly typed, 64-bit canonicalized, NumPy data copied.

    Raises TypeError for what is not array-like.
    """
    if isinstance(value, (ArrayImpl, Tracer)):
        return value
    kind = type(value)
    if kind in dtypes.python_scalar_types:
        return _scalar_array(value)
    if isinstance(value, np.ndarray):
        return from_numpy(owned(value, dtypes.numeric_dtype(value)))
    if isinstance(value, np.generic):
        return from_numpy(np.asarray(value, dtypes.numeric_dtype(value)))
    if hasattr(value, "__jax_array__"):
        return array_of(value.__jax_array__())
    if isinstance(value, (bool, int, float, complex)):
        return _scalar_array(bool(value) if isinstance(value, bool) else int(value)
                             if isinstance(value, int) else float(value)
                             if isinstance(value, float) else complex(value))
    converted = user_types.converted(value)
    if converted is not None:
        return array_of(converted)
    raise TypeError(f"Value {value!r} of type {type(value)} is not a valid JAX type")


def _scalar_array(value: Any) -> ArrayImpl:
    aval = scalar_aval(value)
    try:
        data = np.asarray(value, aval.dtype)
    except OverflowError as error:
        raise OverflowError(f"Python int {value} too large to convert to {aval.dtype}; enable_x64 "
                            "gives 64-bit integers") from error
    return with_aval(data, aval)


def owned(data: np.ndarray, dtype: Any) -> np.ndarray:
    """`data` in `dtype`, copied if anybody could still write to it."""
    if data.dtype != dtype:
        return data.astype(dtype)
    if data.flags.writeable or not _nobody_writes(data):
        return data.copy()
    return data


def _nobody_writes(data: Any) -> bool:
    """Whether every array that `data` is a view of is read-only and memory is NumPy's own."""
    while isinstance(data, np.ndarray):
        if data.flags.writeable:
            return False
        if data.base is None:
            return bool(data.flags.owndata)
        data = data.base
    return False


def install_methods(methods: dict[str, Any]) -> None:
    """Set methods, operators and properties on concrete arrays and tracers alike."""
    for name, method in methods.items():
        setattr(ArrayImpl, name, method)
        if name not in _concrete_only:
            setattr(Tracer, name, method)


_concrete_only: frozenset[str] = frozenset({"__repr__", "__str__"})
