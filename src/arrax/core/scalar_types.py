"""The dtypes there are: NumPy's, those of ml_dtypes, typed random keys, and `float0`.

A scalar type such as `jnp.float32` is a class that makes arrays when called and stands for its
NumPy dtype everywhere else: `np.dtype(jnp.float32)`, `jnp.float32 == np.float32`.
"""
from __future__ import annotations

from collections.abc import Callable
from typing import Any

import ml_dtypes
import numpy as np

float0: np.dtype[Any] = np.dtype([("float0", np.void, 0)])
_constructor: list[Callable[[Any, Any], Any]] = []


def set_array_constructor(constructor: Callable[[Any, Any], Any]) -> None:
    """Say what `jnp.float32(value)` returns: `constructor(value, dtype)`."""
    _constructor[:] = [constructor]


class ScalarType(type):
    """The class of `jnp.float32` and its kin."""

    dtype: np.dtype[Any]

    def __hash__(cls) -> int:
        return hash(cls.dtype.type)

    def __eq__(cls, other: Any) -> Any:
        return cls is other or cls.dtype.type == other

    def __ne__(cls, other: Any) -> Any:
        return not cls == other

    def __call__(cls, x: Any) -> Any:
        """`x` as an array of this dtype."""
        return _constructor[0](x, cls.dtype)

    def __instancecheck__(cls, instance: Any) -> bool:
        return isinstance(instance, cls.dtype.type)


scalar_types: dict[str, ScalarType] = {}


def _scalar_type(numpy_type: Any) -> ScalarType:
    dtype = np.dtype(numpy_type)
    doc = f"An array of dtype {dtype.name}: `{dtype.name}(value)`; also names the dtype."
    made = ScalarType(dtype.name, (), {"dtype": dtype, "__module__": "arrax.numpy", "__doc__": doc})
    scalar_types[dtype.name] = made
    return made


bool_ = _scalar_type(np.bool_)
uint2, uint4 = _scalar_type(ml_dtypes.uint2), _scalar_type(ml_dtypes.uint4)
uint8, uint16 = _scalar_type(np.uint8), _scalar_type(np.uint16)
uint32, uint64 = _scalar_type(np.uint32), _scalar_type(np.uint64)
int2, int4 = _scalar_type(ml_dtypes.int2), _scalar_type(ml_dtypes.int4)
int8, int16 = _scalar_type(np.int8), _scalar_type(np.int16)
int32, int64 = _scalar_type(np.int32), _scalar_type(np.int64)
float4_e2m1fn = _scalar_type(ml_dtypes.float4_e2m1fn)
float6_e2m3fn = _scalar_type(ml_dtypes.float6_e2m3fn)
float6_e3m2fn = _scalar_type(ml_dtypes.float6_e3m2fn)
float8_e3m4 = _scalar_type(ml_dtypes.float8_e3m4)
float8_e4m3 = _scalar_type(ml_dtypes.float8_e4m3)
float8_e8m0fnu = _scalar_type(ml_dtypes.float8_e8m0fnu)
float8_e4m3fn = _scalar_type(ml_dtypes.float8_e4m3fn)
float8_e4m3fnuz = _scalar_type(ml_dtypes.float8_e4m3fnuz)
float8_e5m2 = _scalar_type(ml_dtypes.float8_e5m2)
float8_e5m2fnuz = _scalar_type(ml_dtypes.float8_e5m2fnuz)
float8_e4m3b11fnuz = _scalar_type(ml_dtypes.float8_e4m3b11fnuz)
bfloat16, float16 = _scalar_type(ml_dtypes.bfloat16), _scalar_type(np.float16)
float32, float64 = _scalar_type(np.float32), _scalar_type(np.float64)
complex64, complex128 = _scalar_type(np.complex64), _scalar_type(np.complex128)

all_dtypes: tuple[np.dtype[Any], ...] = tuple(t.dtype for t in scalar_types.values())
small_integers: frozenset[np.dtype[Any]] = frozenset(
    np.dtype(n) for n in (uint2, uint4, int2, int4))
small_floats = frozenset(d for d in all_dtypes if d.name.startswith(("float4", "float6", "float8")))
custom_floats = small_floats | {bfloat16.dtype}


class extended(np.generic):
    """Abstract scalar type of dtypes that NumPy has no like of; for `issubdtype`."""

    __module__ = "arrax.dtypes"


class prng_key(extended):
    """Abstract scalar type of typed random keys: `issubdtype(key.dtype, prng_key)`."""

    __module__ = "arrax.dtypes"


class ExtendedDType:
    """A dtype that NumPy has no like of; arrays hold it as `storage`, one item an element."""

    __slots__ = ("name", "storage")
    name: str
    storage: np.dtype[Any]
    type: type = extended

    @property
    def itemsize(self) -> int:
        """Bytes of one element."""
        return self.storage.itemsize

    def __repr__(self) -> str:
        return self.name


_key_dtypes: dict[tuple[str, int, Any], KeyDType] = {}


class KeyDType(ExtendedDType):
    """`key<tag>`: keys of a random bit generator, `words` uint32 each; one object per kind.

    Generators that programs define may share a tag: `owner` tells them apart.
    """

    __slots__ = ("owner", "tag", "words")
    tag: str
    words: int
    owner: Any
    type = prng_key

    def __new__(cls, tag: str, words: int, owner: Any = None) -> KeyDType:
        self = _key_dtypes.get((tag, words, owner))
        if self is None:
            self = object.__new__(cls)
            self.tag, self.words, self.owner, self.name = tag, words, owner, f"key<{tag}>"
            self.storage = _key_storage(words)
            self = _key_dtypes.setdefault((tag, words, owner), self)
        return self

    def __reduce__(self) -> Any:
        return KeyDType, (self.tag, self.words, self.owner)


def _key_storage(words: int) -> np.dtype[Any]:
    """The NumPy dtype whose items hold `words` uint32 (a numeric one where there is one)."""
    for name in ("uint32", "uint64", "complex128"):
        if np.dtype(name).itemsize == 4 * words:
            return np.dtype(name)
    return np.dtype((np.void, 4 * words))


key_fry = KeyDType("fry", 2)
key_rbg = KeyDType("rbg", 4)
key_unsafe_rbg = KeyDType("urbg", 4)
