"""Other libraries and files, printing, and questions about dtypes and objects."""
from __future__ import annotations

from typing import Any

import numpy as np

from arrax.core import dtypes
from arrax.core.array import Array, ArrayImpl, from_numpy
from arrax.core.trace import Tracer
from arrax.numpy import creation
from arrax.numpy.promotion import complex_dtypes
from arrax.transforms.api_placement import device_put
from arrax.typing import DTypeLike


# ---- DLPack --------------------------------------------------------------------------------------

class _Capsule:
    """A DLPack capsule as NumPy's importer wants it: an object with the protocol's methods."""

    def __init__(self, capsule: Any):
        self._capsule = capsule

    def __dlpack__(self, **_: Any) -> Any:
        return self._capsule

    def __dlpack_device__(self) -> tuple[int, int]:
        return (1, 0)


def from_dlpack(x: Any, /, *, device: Any = None, copy: bool | None = None) -> Array:
    """An array of the data of another library's array, shared unless `copy` (or it is 64 bits wide
    without `enable_x64`).

    The other library must not write to the data as long as it is shared. TypeError for objects
    without `__dlpack__`; BufferError for memory that is not on the CPU.
    """
    if isinstance(x, (ArrayImpl, Tracer)):
        return creation.array(x) if copy else x
    if not hasattr(x, "__dlpack__"):
        if type(x).__name__ != "PyCapsule":
            raise TypeError("The array passed to from_dlpack must have __dlpack__ and "
                            "__dlpack_device__ methods.")
        x = _Capsule(x)
    kind = int(x.__dlpack_device__()[0])
    if kind not in (1, 3):
        raise BufferError(f"from_dlpack takes memory of the CPU; got DLPack device type {kind}")
    data = np.from_dlpack(x)
    known = dtypes.canonicalize_dtype(data.dtype)
    if copy or known != data.dtype:
        data = data.astype(known)
    return from_numpy(data) if device is None else device_put(from_numpy(data), device)


# ---- files and buffers ---------------------------------------------------------------------------

def frombuffer(buffer: Any, dtype: DTypeLike = float, count: int = -1, offset: int = 0) -> Array:
    """The bytes of `buffer` read as an array of `dtype`."""
    if isinstance(buffer, (ArrayImpl, Tracer)):
        buffer = np.asarray(buffer)
    known = dtypes.check_user_dtype(dtype, "frombuffer")
    return creation.array(np.frombuffer(buffer, known, count, offset))


def fromstring(string: str, dtype: DTypeLike = float, count: int = -1, *, sep: str) -> Array:
    """The numbers in a text, between separators."""
    known = dtypes.check_user_dtype(dtype, "fromstring")
    return creation.array(np.fromstring(string, known, count, sep=sep))


def fromfile(*args: Any, **kwargs: Any) -> Any:
    """Not offered: reading a file is no pure function. Use `jnp.asarray(np.fromfile(...))`."""
    raise NotImplementedError(
        "jnp.fromfile() is not implemented because it may be non-pure and thus unsafe for use with "
        "JIT and other JAX transformations. Consider using jnp.asarray(np.fromfile(...)) instead, "
        "although care should be taken if np.fromfile is used within a jax transformations because "
        "of its potential side-effect of consuming the file object; for more information see "
        "https://docs.jax.dev/en/latest/notebooks/Common_Gotchas_in_JAX.html#pure-functions")


def fromiter(*args: Any, **kwargs: Any) -> Any:
    """Not offered: an iterator is consumed. Use `jnp.asarray(np.fromiter(...))`."""
    raise NotImplementedError(
        "jnp.fromiter() is not implemented because it may be non-pure and thus unsafe for use with "
        "JIT and other JAX transformations. Consider using jnp.asarray(np.fromiter(...)) instead, "
        "although care should be taken if np.fromiter is used within a jax transformations because "
        "of its potential side-effect of consuming the iterable object; for more information see "
        "https://docs.jax.dev/en/latest/notebooks/Common_Gotchas_in_JAX.html#pure-functions")


def save(file: Any, arr: Any, allow_pickle: bool = True) -> None:
    """Write an array to a file in NumPy's format."""
    np.save(file, np.asarray(arr), allow_pickle=allow_pickle)


def savez(file: Any, *args: Any, allow_pickle: bool = True, **kwds: Any) -> None:
    """Write several arrays to a zip file in NumPy's format.

    Raises:
      ValueError: an array of Python objects without `allow_pickle`.
    """
    arrays = [np.asarray(a) for a in args]
    named: dict[str, Any] = {name: np.asarray(value) for name, value in kwds.items()}
    # Before 2.1, NumPy's function writes a file for `allow_pickle` instead of minding it.
    if not allow_pickle and any(a.dtype.hasobject for a in (*arrays, *named.values())):
        raise ValueError("Object arrays cannot be saved when allow_pickle=False")
    np.savez(file, *arrays, **named)


def load(file: Any, *args: Any, **kwargs: Any) -> Array:
    """Read what `save` wrote; zip files give a NumPy archive.

    Half floats of machine learning, which NumPy writes as raw bytes, come back as such.
    """
    out = np.load(file, *args, **kwargs)
    if isinstance(out, np.ndarray):
        if out.dtype.kind == "V" and out.dtype.itemsize == 2:
            out = out.view(dtypes.bfloat16)
        return creation.asarray(out)
    return out


# ---- printing ------------------------------------------------------------------------------------

set_printoptions = np.set_printoptions
get_printoptions = np.get_printoptions
printoptions = np.printoptions


def array_repr(arr: Any, max_line_width: Any = None, precision: Any = None,
               suppress_small: Any = None) -> str:
    """The text of an array with its dtype."""
    if isinstance(arr, ArrayImpl) and max_line_width is precision is suppress_small is None:
        return repr(arr)
    return np.array_repr(np.asarray(arr), max_line_width, precision, suppress_small)


def array_str(a: Any, max_line_width: Any = None, precision: Any = None,
              suppress_small: Any = None) -> str:
    """The text of the elements of an array."""
    return np.array_str(np.asarray(a), max_line_width, precision, suppress_small)


# ---- questions -----------------------------------------------------------------------------------

def iscomplexobj(x: Any) -> bool:
    """Whether the dtype of `x` is complex, whatever the values."""
    if x is None:
        return False
    dtype = getattr(x, "dtype", None)
    return np.iscomplexobj(x) if dtype is None else dtype in complex_dtypes


def isrealobj(x: Any) -> bool:
    """Whether the dtype of `x` is not complex."""
    return not iscomplexobj(x)


def isscalar(element: Any) -> bool:
    """Whether `element` is a number or an array without dimensions."""
    if isinstance(element, (np.ndarray, ArrayImpl, Tracer)) or hasattr(element, "__jax_array__"):
        return np.ndim(element) == 0
    return bool(np.isscalar(element))


def iterable(y: Any) -> bool:
    """Whether `y` can be iterated over."""
    if isinstance(y, (ArrayImpl, Tracer)):
        return y.ndim > 0
    return bool(np.iterable(y))


def can_cast(from_: Any, to: Any, casting: str = "safe") -> bool:
    """Whether NumPy casts between two dtypes under a rule."""
    if isinstance(from_, (ArrayImpl, Tracer)):
        from_ = from_.dtype
    return bool(np.can_cast(np.dtype(from_) if not isinstance(from_, (int, float, complex))
                            else from_, np.dtype(to), casting=casting))  # type: ignore[arg-type]


_KINDS: dict[str, tuple[Any, ...]] = {
    "bool": (np.bool_,), "signed integer": (np.signedinteger,),
    "unsigned integer": (np.unsignedinteger,), "integral": (np.integer,),
    "real floating": (np.floating,), "complex floating": (np.complexfloating,),
    "numeric": (np.integer, np.floating, np.complexfloating)}


def isdtype(dtype: DTypeLike, kind: Any) -> bool:
    """Whether a dtype is of a kind: "bool", "integral", "real floating", …, a dtype, or a tuple of
    these (array API standard)."""
    known = np.dtype(dtype) if not isinstance(dtype, dtypes.ExtendedDType) else dtype
    for option in kind if isinstance(kind, tuple) else (kind,):
        if isinstance(option, str):
            if option not in _KINDS:
                raise ValueError(f"Unrecognized {kind=} expected one of {list(_KINDS)}, or a "
                                 "compatible input for jnp.dtype()")
            if any(dtypes.issubdtype(known, family) for family in _KINDS[option]):
                return True
        elif known == np.dtype(option):
            return True
    return False

