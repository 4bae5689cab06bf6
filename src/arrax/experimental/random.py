"""`arrax.experimental.random`: a random generator with a state, as `numpy.random.Generator`.

The state is a key, which stays, and a counter in a `Ref`: each draw folds the counter into the key
and counts on. So generators work wherever refs do: under `jit`, closed over by loops, and mapped
over once they are split. Under a `vmap` that a generator is not mapped over, all elements of the
batch would draw the same numbers, which is an error.

Source: `jax.experimental.random`.
"""
from __future__ import annotations

import operator
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from arrax import numpy as jnp
from arrax import random, tree_util
from arrax.core.lazy import listing as _listing
from arrax.core.trace import Trace, Tracer, current
from arrax.random.keys import is_typed
from arrax.transforms.batching import BatchTrace
from arrax.transforms.interpreting import trace_state_clean
from arrax.transforms.refs import Ref, new_ref, traces_inside

_Size = int | Sequence[int] | None


@dataclass(frozen=True)
class StatefulPRNG:
    """A generator whose draws change its state: a pytree of a key and a Ref, by `stateful_rng`.

    Errors: ValueError where the key is not a typed one, or the counter no Ref of integers.

    Example:
      >>> rng = stateful_rng(0)
      >>> print(rng.uniform(size=2), rng.uniform(size=2))
      [0.8423141  0.18237865] [0.00729382 0.02089119]

    Source: `jax.experimental.random.StatefulPRNG`.
    """

    _base_key: Any
    _counter: Any

    def __post_init__(self) -> None:
        if not is_typed(self._base_key):
            raise ValueError(f"Expected base_key to be a typed PRNG key; got {self._base_key}")
        if not isinstance(self._counter, Ref) or not np.issubdtype(self._counter.dtype, np.integer):
            raise ValueError(f"Expected counter to be a scalar integer ref; got {self._counter}")

    def key(self, shape: int | Sequence[int] = ()) -> Any:
        """A new key, or an array of new keys of that shape.

        Errors: ValueError for a generator that was split, and under a `vmap` that it is not
        mapped over.
        """
        if self._base_key.shape:
            raise ValueError("cannot operate on split stateful generator: map over it with vmap")
        count = self._counter.get()
        _check_not_shared(self._base_key, count, getattr(self, "_home", None))
        key = random.fold_in(self._base_key, count)
        self._counter.set(count + 1)
        return key if shape == () else random.split(key, _shape(shape))

    def random(self, size: _Size = None, dtype: Any = float) -> Any:
        """Floats of `dtype`, uniform in [0, 1), of shape `size`."""
        return self.uniform(size=size, dtype=dtype)

    def uniform(self, low: Any = 0, high: Any = 1, size: _Size = None, *,
                dtype: Any = float) -> Any:
        """Floats of `dtype`, uniform in [low, high), of the bounds' and `size`'s joint shape."""
        return random.uniform(self.key(), _joint_shape(size, low, high), dtype, low, high)

    def normal(self, loc: Any = 0, scale: Any = 1, size: _Size = None, *,
               dtype: Any = float) -> Any:
        """Normal floats of `dtype` with mean `loc` and deviation `scale`, of their and `size`'s
        joint shape."""
        draws = random.normal(self.key(), _joint_shape(size, loc, scale), dtype)
        loc, scale = (jnp.broadcast_to(jnp.asarray(x, draws.dtype), draws.shape)
                      for x in (loc, scale))
        return loc + scale * draws

    def integers(self, low: Any, high: Any = None, size: _Size = None, *, dtype: Any = int) -> Any:
        """Integers of `dtype`, uniform in [low, high), or [0, low) without `high`."""
        if high is None:
            low, high = 0, low
        return random.randint(self.key(), _joint_shape(size, low, high), low, high, dtype)

    def spawn(self, n_children: int) -> list[StatefulPRNG]:
        """Independent generators, `n_children` of them."""
        keys = self.key(operator.index(n_children))
        return [_generator(key, ()) for key in keys]

    def split(self, num: int | Sequence[int]) -> StatefulPRNG:
        """Independent generators as one object with axes of sizes `num`, to map over by `vmap`."""
        keys = self.key(num)
        return _generator(keys, keys.shape)


def stateful_rng(seed: Any = None, *, impl: Any = None) -> StatefulPRNG:
    """A random generator that keeps its state.

    Args:
      seed: an integer scalar; if None, one from the operating system.
      impl: the name of the key implementation; by default that of the flag `default_prng_impl`.

    Returns: a `StatefulPRNG`.

    Errors: TypeError for seeds that are no integer scalar, and without a seed while a function is
    being transformed.

    Source: `jax.experimental.random.stateful_rng`.
    """
    if seed is None:
        if not trace_state_clean():
            raise TypeError("When used within transformed code, "
                            "jax.experimental.random.stateful_rng() requires an explicit seed to "
                            "be set.")
        seed = np.random.SeedSequence().generate_state(1)[0] >> 1
    return _generator(random.key(seed, impl=impl), ())


def _generator(key: Any, shape: tuple[int, ...]) -> StatefulPRNG:
    counter = new_ref(jnp.zeros(shape, np.int32))
    counter._owner = _NOT_SHARED
    rng = StatefulPRNG(key, counter)
    object.__setattr__(rng, "_home", current())
    return rng


def _joint_shape(size: _Size, *operands: Any) -> tuple[int, ...]:
    return np.broadcast_shapes(_shape(size), *(np.shape(x) for x in operands))


def _shape(size: _Size) -> tuple[int, ...]:
    if size is None:
        return ()
    return tuple(size) if isinstance(size, Sequence) else (operator.index(size),)


# ---- under vmap --------------------------------------------------------------------------------

_SHARED = ("performing an addupdate operation with vmapped value on an unbatched array reference: "
           "all elements of a vmap would draw the same numbers from this generator. Map over a "
           "generator that was split, rng.split(n), with in_axes=0.")


def _check_not_shared(key: Any, count: Any, home: Trace | None) -> None:
    """Raise for a draw under a `vmap` inside of `home` that neither the key nor the count is
    mapped by."""
    trace: Any = current()
    while trace is not None and trace is not home:
        if isinstance(trace, BatchTrace):
            parts = [trace.split(x) for x in (key, count)]
            if all(dim is None for _, dim in parts):
                raise ValueError(_SHARED)
            key, count = (value for value, _ in parts)
        elif isinstance(key, Tracer) and key._trace is trace and hasattr(key, "primal"):
            key = key.primal
        trace = getattr(trace, "parent", None)


class _NotShared:
    """The owner of counters: refuses that something staged under a `vmap` counts for all."""

    def outside(self, refs: Sequence[Ref], values: Sequence[Any]) -> Sequence[Any]:
        for ref in refs:
            if ref._owner is self and any(isinstance(t, BatchTrace) for t in traces_inside(ref)):
                raise ValueError(_SHARED)
        return values


_NOT_SHARED = _NotShared()


def _unflatten(_: Any, children: Any) -> StatefulPRNG:
    rng = object.__new__(StatefulPRNG)
    for name, value in zip(("_base_key", "_counter"), children, strict=True):
        object.__setattr__(rng, name, value)
    return rng


tree_util.register_pytree_with_keys(
    StatefulPRNG,
    lambda rng: (((tree_util.GetAttrKey("_base_key"), rng._base_key),
                  (tree_util.GetAttrKey("_counter"), rng._counter)), None),
    _unflatten)

__all__ = ["StatefulPRNG", "stateful_rng"]
__dir__ = _listing(__name__)
