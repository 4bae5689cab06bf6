"""Random keys: making, splitting and looking inside them.

A typed key (`key`) is an array of dtype `key<fry>` whose elements are whole keys; a raw key
(`PRNGKey`) is the uint32 words of one key. Every function takes both and answers in kind.
"""
from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from arrax.core import config, dtypes
from arrax.core.array import Array, ArrayImpl, array_of, from_numpy
from arrax.core.dimension import dimension
from arrax.core.dtypes import KeyDType
from arrax.core.remembered import remembered
from arrax.core.trace import Tracer
from arrax.core.warn import warn
from arrax.ops import random as primitives
from arrax.ops.convert import convert_element_type
from arrax.ops.random import KeyImplementation
from arrax.ops.shape import reshape
from arrax.random.reuse import consume
from arrax.typing import ArrayLike

_LEGACY = ("Legacy uint32 key array passed as key to jax.random function. Please create keys using "
           "jax.random.key(). If use of a raw key array was intended, set "
           'jax_legacy_prng_key="allow".')


# ---- implementations -----------------------------------------------------------------------------

def resolve_implementation(spec: Any) -> KeyImplementation:
    """The generator that `spec` names: None (the default), a name, a key dtype, or itself."""
    if spec is None:
        spec = config.default_prng_impl.value
    if isinstance(spec, KeyImplementation):
        return spec
    if isinstance(spec, KeyDType):
        return primitives.implementation_of(spec)
    if isinstance(spec, str):
        found = primitives.implementations.get(spec)
        if found is None:
            names = ", ".join(f'"{name}"' for name in primitives.implementations)
            raise ValueError(f'unrecognized PRNG implementation "{spec}". Did you mean one of: '
                             f"{names}?")
        return found
    raise TypeError(f"unrecognized type {type(spec)} for specifying PRNG implementation.")


def _chosen(function: str, impl: Any, dtype: Any) -> KeyImplementation:
    if impl is not None and dtype is not None:
        raise ValueError(
            f"Cannot specify both `impl` and `dtype` arguments to jax.random.{function}")
    return resolve_implementation(impl if dtype is None else dtype)


def is_typed(keys: Any) -> bool:
    """Whether `keys` is a typed key array."""
    return isinstance(getattr(keys, "dtype", None), KeyDType)


# ---- checking ------------------------------------------------------------------------------------

def _wrapped(words: Any, impl: KeyImplementation) -> Any:
    """Raw key words as typed keys, with the errors of malformed ones."""
    problem, rank = None, len(impl.key_shape)
    if not all(hasattr(words, name) for name in ("ndim", "shape", "dtype")):
        problem = f"expected key_data to have ndim, shape, and dtype attributes. Got {words}"
    elif words.ndim < rank:
        problem = f"expected key_data.ndim >= {rank}; got ndim={words.ndim}"
    elif tuple(words.shape[-rank:]) != impl.key_shape:
        problem = (f"expected key_data.shape to end with {impl.key_shape}; got "
                   f"shape={tuple(words.shape)} for impl={impl.name}")
    elif words.dtype not in (np.uint32, dtypes.float0):
        problem = f"expected key_data.dtype = uint32; got dtype={words.dtype}"
    if problem:
        raise TypeError(f"JAX encountered invalid PRNG key data: {problem}")
    if rank > 1:
        words = reshape(words, (*words.shape[:-rank], impl.words))
    return primitives.random_wrap_p.bind(words, impl=impl)


def _unwrapped(keys: Any) -> Any:
    """The words of typed keys, in the shape of the generator's keys."""
    words, shape = primitives.random_unwrap_p.bind(keys), \
        primitives.implementation_of(keys.dtype).key_shape
    return words if len(shape) == 1 else reshape(words, (*keys.shape, *shape))


def typed_key(function: str, key: Any, consumed: bool = True) -> Any:
    """One key as a typed scalar key; `function` is named in errors.

    With `debug_key_reuse` the key counts as used up, unless `consumed` is False.

    Raises TypeError for malformed raw keys and ValueError for batches of keys.
    """
    if is_typed(key):
        typed = key
    else:
        typed = _wrapped(key, resolve_implementation(None))
        if config.legacy_prng_key.value != "allow":
            _complain_of_raw_keys()
    if typed.ndim:
        raise ValueError(f"{function} accepts a single key, but was given a key array of shape "
                         f"{tuple(key.shape)} != (). Use jax.vmap for batching.")
    if consumed:
        consume(function, typed)
    return typed


def _complain_of_raw_keys() -> None:
    if config.legacy_prng_key.value == "error":
        raise ValueError(_LEGACY)
    warn(_LEGACY, stacklevel=4)


def _in_kind(result: Any, like: Any) -> Any:
    """Typed keys for a typed key, raw words for a raw one."""
    return result if is_typed(like) else _unwrapped(result)


# ---- making keys ---------------------------------------------------------------------------------

def _seeded(function: str, seed: Any, impl: KeyImplementation) -> Any:
    if isinstance(seed, (bool, np.bool_)):
        seed = int(seed)
    if isinstance(seed, int):
        # A seed has the default integer width: wider ones wrap, so that 2**32 + 1 seeds like 1.
        wide = np.asarray(seed, np.int64)
        seeds: Any = from_numpy(wide if config.enable_x64.value else wide.astype(np.int32))
    elif isinstance(seed, (np.ndarray, np.generic)) and seed.dtype.itemsize == 8 \
            and seed.dtype.kind in "iu" and not config.enable_x64.value:
        seeds = from_numpy(np.asarray(seed).astype(f"{seed.dtype.kind}4"))
    else:
        try:
            seeds = array_of(seed)
        except TypeError:
            raise TypeError(f"Value {seed!r} of type {type(seed)} is not a valid random seed; "
                            "it must be an integer") from None
    if seeds.shape:
        raise TypeError(f"{function} accepts a scalar seed, but was given an array of shape "
                        f"{seeds.shape} != (). Use jax.vmap for batching")
    if not dtypes.issubdtype(seeds.dtype, np.integer):
        raise TypeError(f"PRNG key seed must be an integer; got {seed!r}")
    offset = config.random_seed_offset.value
    return primitives.random_seed_p.bind(seeds + offset if offset else seeds, impl=impl)


@remembered
def key(seed: Any, *, impl: Any = None, dtype: Any = None) -> Array:
    """A typed random key, a scalar of dtype `key<…>`, made from an integer.

    Args:
      seed: an integer scalar; bits beyond the default integer width are dropped.
      impl: the generator's name, "threefry2x32" (default), "rbg" or "unsafe_rbg".
      dtype: instead of `impl`, a key dtype.

    Raises:
      TypeError: for seeds that are not integer scalars. ValueError: for unknown generators.

    Example:
      >>> arrax.random.key(0)
      Array((), dtype=key<fry>) overlaying:
      [0 0]
    """
    return _seeded("key", seed, _chosen("key", impl, dtype))


@remembered
def PRNGKey(seed: Any, *, impl: Any = None) -> Array:
    """A raw random key, uint32 words, made from an integer; new code prefers `key`.

    With the flag `enable_custom_prng` the key is typed. Arguments and errors as of `key`.
    """
    typed = _seeded("PRNGKey", seed, resolve_implementation(impl))
    if config.enable_custom_prng.value:
        return typed
    return _unwrapped(typed)


def key_dtype(impl_spec: Any = None) -> KeyDType:
    """The dtype of the keys of a generator (default: the configured one)."""
    return resolve_implementation(impl_spec).dtype


def key_impl(keys: Any) -> Any:
    """The name of the generator of typed keys, or of the default one for raw keys.

    Generators of a program's own (`extend.random.define_prng_impl`) stand for themselves.
    """
    if is_typed(keys):
        impl = primitives.implementation_of(keys.dtype)
        return impl.name if primitives.implementations.get(impl.name) is impl else impl
    return resolve_implementation(None).name


def key_data(keys: ArrayLike) -> Array:
    """The uint32 words of keys: shape `keys.shape + (words,)`; raw keys come back checked."""
    if is_typed(keys):
        return _unwrapped(keys)
    return _unwrapped(_wrapped(keys, resolve_implementation(None)))


def wrap_key_data(key_bits_array: Any, *, impl: Any = None, dtype: Any = None) -> Any:
    """Typed keys of shape `s` from uint32 words of shape `s + (words,)`.

    Raises TypeError when dtype or last axis do not fit the generator.
    """
    return _wrapped(key_bits_array, _chosen("wrap_key_data", impl, dtype))


# ---- deriving keys -------------------------------------------------------------------------------

def _split_shape(num: Any) -> tuple[int, ...]:
    if isinstance(num, Sequence) and not isinstance(num, str):
        shape = tuple(dimension(n, "num") for n in num)
    else:
        shape = (dimension(num, "num"),)
    if any(n < 0 for n in shape):
        raise ValueError(f"split requires non-negative numbers of keys, got {num}")
    return shape


@remembered
def split(key: ArrayLike, num: int | tuple[int, ...] = 2) -> Array:
    """`num` independent new keys from one key, which must not be used again.

    Args:
      key: a typed or raw key.
      num: how many, or the shape of the array of keys.

    Returns:
      Keys of shape `(num,)` or `num` (raw: with the axis of words last).

    Example:
      >>> key, subkey = arrax.random.split(key)
    """
    shape = _split_shape(num)
    return _in_kind(primitives.random_split_p.bind(typed_key("split", key), shape=shape), key)


@remembered
def fold_in(key: ArrayLike, data: Any) -> Array:
    """A new key that mixes the integer `data` (32 bits) into `key`.

    Raises OverflowError for Python integers outside uint32 and TypeError for arrays of data.
    """
    typed = typed_key("fold_in", key, consumed=False)
    if np.ndim(data):
        raise TypeError("fold_in accepts a scalar, but was given an array of"
                        f"shape {np.shape(data)} != (). Use jax.vmap for batching.")
    if isinstance(data, (ArrayImpl, Tracer)):
        word = convert_element_type(data, np.uint32)
    elif isinstance(data, (np.ndarray, np.generic)):
        word = from_numpy(np.asarray(data).astype(np.uint32))
    else:
        number = int(data)
        if not 0 <= number < 2 ** 32:
            raise OverflowError(f"Python integer {number} out of bounds for uint32")
        word = from_numpy(np.asarray(number, np.uint32))
    return _in_kind(primitives.random_fold_in_p.bind(typed, word), key)


def clone(key: Any) -> Any:
    """The same key, which `debug_key_reuse` counts as a new one."""
    typed = key if is_typed(key) else typed_key("clone", key, consumed=False)
    return _in_kind(primitives.random_clone_p.bind(typed), key)
