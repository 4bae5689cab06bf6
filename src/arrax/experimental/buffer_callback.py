"""`arrax.experimental.buffer_callback`: callbacks that write their results into buffers.

The callback gets views of the operands' memory, and new arrays to write to, which become the
results without a copy of its own. It is a `pure_callback`, or an `io_callback` if it has effects.

Source: `jax.experimental.buffer_callback`.
"""
from __future__ import annotations

import enum
import functools
from collections.abc import Callable
from typing import Any

import numpy as np

from arrax import tree_util
from arrax.core.aval import aval_of
from arrax.core.dtypes import canonicalize_dtype
from arrax.core.errors import JaxRuntimeError
from arrax.core.lazy import listing as _listing
from arrax.ops.callback import io_callback, pure_callback
from arrax.transforms.stages import ShapeDtypeStruct

__all__ = ["Buffer", "ExecutionContext", "ExecutionStage", "buffer_callback"]


class ExecutionStage(enum.Enum):
    """What a callback is called for; on CPUs always to be executed."""

    INSTANTIATE = 0
    PREPARE = 1
    INITIALIZE = 2
    EXECUTE = 3


class ExecutionContext:
    """Where a callback runs."""

    @property
    def stage(self) -> ExecutionStage:
        """What the callback is called for."""
        return ExecutionStage.EXECUTE

    @property
    def stream(self) -> Any:
        """The stream of a GPU: an error on CPUs."""
        raise JaxRuntimeError("XLA FFI GPU context is not available: this program runs on a CPU")


class Buffer:
    """The memory of an operand or result, while the callback runs: an array by `np.asarray`, or by
    `np.from_dlpack`."""

    def __init__(self, array: np.ndarray):
        self._array = array

    shape = property(lambda self: self._array.shape)
    dtype = property(lambda self: self._array.dtype)
    ndim = property(lambda self: self._array.ndim)
    writeable = property(lambda self: self._array.flags.writeable)

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
        same = dtype is None or dtype == self.dtype
        if copy is False and not same:
            raise ValueError(f"a buffer of {self.dtype} is no array of {dtype} without a copy")
        return self._array.astype(dtype or self.dtype, copy=bool(copy) or not same)

    def __dlpack__(self, *, stream: Any = None, **options: Any) -> Any:
        array = self._array if self.writeable else self._array.copy()
        return array.__dlpack__(stream=stream, **options)

    def __dlpack_device__(self) -> Any:
        return self._array.__dlpack_device__()


def buffer_callback(callback: Callable[..., None], result_shape_dtypes: object, *,
                    has_side_effect: bool = False, vmap_method: str | None = None,
                    input_output_aliases: dict[int, int] | None = None,
                    command_buffer_compatible: bool = False) -> Callable[..., Any]:
    """A function that lets Python write its results.

    Args:
      callback: called as `callback(context, out, *args, **kwargs)` with an `ExecutionContext` and
        pytrees of `Buffer`s: it writes to those in `out`, which are zeros before.
      result_shape_dtypes: a pytree of objects with `shape` and `dtype`: the results.
      has_side_effect: whether it is called once each time the program runs, whatever is done with
        its results.
      vmap_method: what happens under `vmap`, as for `pure_callback`. With side effects it is called
        for one element after the other.
      input_output_aliases: numbers of operands, and of results that share their memory: the buffer
        of such a result has the operand's value before.
      command_buffer_compatible: whether calls may be replayed on GPUs without Python; there are no
        such calls on CPUs.

    Returns: a function of pytrees of arrays.

    Errors: ValueError for aliases that do not fit, and under differentiation; JaxRuntimeError when
    the callback raises.

    Example:
      >>> def add_one(context, out, x):
      ...     np.asarray(out)[...] = np.asarray(x) + 1
      >>> buffer_callback(add_one, jax.ShapeDtypeStruct((2,), "int32"))(jnp.arange(2))
      Array([1, 2], dtype=int32)

    Source: `jax.experimental.buffer_callback.buffer_callback`.
    """
    structs, out_tree = tree_util.tree_flatten(result_shape_dtypes)
    results = [ShapeDtypeStruct(tuple(s.shape), canonicalize_dtype(s.dtype)) for s in structs]
    aliases = {} if input_output_aliases is None else dict(input_output_aliases)

    def call(*args: Any, **kwargs: Any) -> Any:
        leaves, in_tree = tree_util.tree_flatten((args, kwargs))
        avals = [aval_of(x) for x in leaves]
        _check_aliases(aliases, avals, results)
        run = functools.partial(_run, callback, in_tree, out_tree, [a.ndim for a in avals],
                                results, aliases)
        if has_side_effect:
            outs = io_callback(run, results, *leaves)
        else:
            outs = pure_callback(run, results, *leaves, vmap_method=vmap_method)
        return out_tree.unflatten(outs)
    return call


def _check_aliases(aliases: dict[int, int], avals: list[Any], results: list[Any]) -> None:
    for i, o in aliases.items():
        for kind, number, count in (("input", i, len(avals)), ("output", o, len(results))):
            if not 0 <= number < count:
                raise ValueError(f"input_output_aliases contains the mapping '{i}:{o}' with {kind} "
                                 f"index {number} outside the range [0, {count}).")
        if (avals[i].shape, avals[i].dtype) != (results[o].shape, results[o].dtype):
            raise ValueError(
                f"input_output_aliases contains the mapping '{i}:{o}' referring to an input with "
                f"abstract value {avals[i]} and an output with a different abstract value "
                f"{results[o].dtype}{list(results[o].shape)}.")


def _run(callback: Callable[..., None], in_tree: Any, out_tree: Any, ndims: list[int],
         results: list[Any], aliases: dict[int, int], *values: Any) -> list[np.ndarray]:
    """Call `callback` on arrays that may have further leading axes, those of a batch."""
    arrays = [np.asarray(v) for v in values]
    batch = np.broadcast_shapes(*(x.shape[:x.ndim - n] for x, n in zip(arrays, ndims, strict=True)))
    outs = [np.zeros((*batch, *r.shape), r.dtype) for r in results]
    for i, o in aliases.items():
        outs[o][...] = arrays[i]
        arrays[i] = outs[o].view()
    for x in arrays:
        x.flags.writeable = False
    args, kwargs = in_tree.unflatten([Buffer(x) for x in arrays])
    callback(ExecutionContext(), out_tree.unflatten([Buffer(x) for x in outs]), *args, **kwargs)
    return outs


__dir__ = _listing(__name__)
