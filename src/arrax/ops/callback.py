"""Calls back into Python from any program: `pure_callback`, `io_callback`, `debug_callback`.

The three differ in what they promise. A pure callback may be run any number of times, or not at
all; an io callback runs exactly once per execution (in order, if `ordered`); a debug callback runs
for its side effect and returns nothing. Compiled programs reach them through host calls.
"""
from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from arrax.core import dtypes, pytree
from arrax.core.array import ArrayImpl, array_of, from_numpy, owned
from arrax.core.aval import ShapedArray, aval_of
from arrax.core.effects import Effect, Effects
from arrax.core.errors import JaxRuntimeError
from arrax.core.primitive import NotApplicable, Primitive
from arrax.core.trace import Tracer
from arrax.core.lowering import HostCall
from arrax.ops.p import concatenate_p, slice_p, squeeze_p
from arrax.ops.rules import batch_to_front, broadcast_in_dim, move_axis

debug_effect = Effect("Debug")
ordered_debug_effect = Effect("OrderedDebug", ordered=True)
io_effect = Effect("IO")
ordered_io_effect = Effect("OrderedIO", ordered=True)
_CALLS_BACK = HostCall("it runs Python", keeps_operands=True)
_NO_PYTHON = NotApplicable("it calls back into this process's Python")
_VMAP_METHODS = ("sequential", "sequential_unrolled", "expand_dims", "broadcast_all",
                 "legacy_vectorized")


class FlatCallback:
    """A user callback on flat arrays: rebuilds its arguments, flattens and checks its results.

    `static` holds leaves that are no arrays, with their positions among all leaves, in order; `api`
    is the public function that was called.
    """

    def __init__(self, fun: Callable[..., Any], in_tree: Any, out_tree: Any,
                 static: tuple[tuple[int, Any], ...] = (), api: str = "debug.callback"):
        self.fun, self.in_tree, self.out_tree, self.static = fun, in_tree, out_tree, static
        self.api = api

    def __call__(self, *arrays: Any) -> list[Any]:
        leaves = [_user_array(a) for a in arrays]
        for position, value in self.static:
            leaves.insert(position, value)
        args, kwargs = self.in_tree.unflatten(leaves)
        try:
            out = self.fun(*args, **kwargs)
        except Exception as error:
            logging.getLogger("arrax").exception("jax.%s failed", self.api)
            raise JaxRuntimeError(f"INTERNAL: error calling callback {self.__name__}: "
                                  f"{type(error).__name__}: {error}") from error
        if self.out_tree is None:
            return []
        leaves, tree = pytree.tree_flatten(out)
        if len(leaves) != self.out_tree.num_leaves:
            raise JaxRuntimeError(f"INTERNAL: callback {self.__name__} returned a value with tree "
                                  f"structure {tree}, but its result_shape_dtypes have "
                                  f"{self.out_tree}")
        return leaves

    @property
    def __name__(self) -> str:
        return getattr(self.fun, "__name__", type(self.fun).__name__)


def _user_array(value: Any) -> Any:
    return value if isinstance(value, ArrayImpl) else from_numpy(np.asarray(value))


def _checked_results(values: Sequence[Any], avals: Sequence[Any]) -> list[np.ndarray]:
    """What a callback returned, in memory that nobody else writes to."""
    out = []
    for value, aval in zip(values, avals, strict=True):
        data = np.asarray(value)
        if data.shape != aval.shape:
            raise JaxRuntimeError("INTERNAL: Mismatched result shape from callback: expected "
                                  f"{aval.shape} for an array of dtype {aval.dtype}, got "
                                  f"{data.shape}")
        if data.dtype != aval.dtype:
            if not np.can_cast(data.dtype, aval.dtype, casting="same_kind"):
                raise JaxRuntimeError("INTERNAL: Mismatched result dtype from callback: expected "
                                      f"{aval.dtype}, got {data.dtype}")
        out.append(owned(data, aval.dtype))
    return out


def _evaluate(*arrays: np.ndarray, callback: FlatCallback, result_avals: Sequence[Any],
              **_: Any) -> list[np.ndarray]:
    return _checked_results(callback(*arrays), result_avals)


def _unrolled(bind: Callable[..., list[Any]], size: int, operands: Any, dims: Any) -> Any:
    """Call once per instance, in order, and stack the results."""
    rows = []
    moved = [x if d is None else move_axis(x, d, 0) for x, d in zip(operands, dims, strict=True)]
    for i in range(size):
        rows.append(bind(*(x if d is None else _row(x, i)
                           for x, d in zip(moved, dims, strict=True))))
    return [concatenate_p.bind(*map(_lifted, column), dimension=0)
            for column in zip(*rows, strict=True)]


def _row(x: Any, i: int) -> Any:
    shape = aval_of(x).shape
    piece = slice_p.bind(x, start_indices=(i, *([0] * (len(shape) - 1))),
                         limit_indices=(i + 1, *shape[1:]), strides=None)
    return squeeze_p.bind(piece, dimensions=(0,))


def _lifted(x: Any) -> Any:
    shape = aval_of(x).shape
    return broadcast_in_dim(x, (1, *shape), range(1, len(shape) + 1))


def _vectorized_batch(primitive: Callable[..., list[Any]], axis: Any, operands: Any, dims: Any, *,
                      vmap_method: str | None, result_avals: Any, **params: Any) -> Any:
    def bind(*args: Any, avals: Any = result_avals) -> list[Any]:
        return primitive(*args, vmap_method=vmap_method, result_avals=avals, **params)
    if vmap_method is None and axis.devices:
        vmap_method = "sequential"
    if vmap_method is None:
        raise NotImplementedError(
            "vmap is only supported for pure_callback and io_callback with a vmap_method: one of "
            f"{', '.join(_VMAP_METHODS)}")
    batched = tuple(a.update(shape=(axis.size, *a.shape)) for a in result_avals)
    if vmap_method.startswith("sequential"):
        outs = _unrolled(bind, axis.size, operands, dims)
    elif vmap_method == "expand_dims":
        moved = [batch_to_front(x, d, 1 if d is None else axis.size)
                 for x, d in zip(operands, dims, strict=True)]
        outs = bind(*moved, avals=batched)
    elif vmap_method == "broadcast_all":
        moved = [batch_to_front(x, d, axis.size) for x, d in zip(operands, dims, strict=True)]
        outs = bind(*moved, avals=batched)
    else:
        moved = [x if d is None else move_axis(x, d, 0)
                 for x, d in zip(operands, dims, strict=True)]
        outs = bind(*moved, avals=batched)
    return outs, [0] * len(outs)


pure_callback_p: Primitive = Primitive(
    "pure_callback", multiple_results=True, evaluate=_evaluate, weak_type="none",
    type_rule=lambda *avals, result_avals, **_: list(result_avals),
    jvp=NotApplicable("Pure callbacks do not support JVP. Please use `jax.custom_jvp` to use "
                      "callbacks while taking gradients.", ValueError),
    transpose=NotApplicable("pure callbacks are not linear"),
    batch=lambda axis, xs, dims, **params: _vectorized_batch(
        pure_callback_p.bind, axis, xs, dims, **params),
    lower=_CALLS_BACK, stablehlo=_NO_PYTHON)

io_callback_p = Primitive(
    "io_callback", multiple_results=True, evaluate=_evaluate, weak_type="none",
    type_rule=lambda *avals, result_avals, **_: list(result_avals),
    effects=lambda ordered, **_: frozenset({ordered_io_effect if ordered else io_effect}),
    jvp=NotApplicable("IO callbacks do not support JVP.", ValueError),
    transpose=NotApplicable("IO callbacks do not support transpose.", ValueError),
    batch=lambda axis, xs, dims, **ps: _io_batch(axis, xs, dims, **ps),
    lower=_CALLS_BACK, stablehlo=_NO_PYTHON)


def _io_batch(axis: Any, operands: Any, dims: Any, *, ordered: bool, **params: Any) -> Any:
    if ordered:
        raise ValueError("Cannot `vmap` ordered IO callback.")
    outs = _unrolled(lambda *xs: io_callback_p.bind(*xs, ordered=ordered, **params),
                     axis.size, operands, dims)
    return outs, [0] * len(outs)


def _debug_effects(ordered: bool, **_: Any) -> Effects:
    return frozenset({ordered_debug_effect if ordered else debug_effect})


def _debug_evaluate(*arrays: np.ndarray, callback: FlatCallback, **_: Any) -> list[np.ndarray]:
    callback(*arrays)
    return []


def _debug_jvp(primals: Any, tangents: Any, **params: Any) -> Any:
    return debug_callback_p.bind(*primals, **params), []


def _debug_batch(axis: Any, operands: Any, dims: Any, **params: Any) -> Any:
    moved = [x if d is None else move_axis(x, d, 0) for x, d in zip(operands, dims, strict=True)]
    for i in range(axis.size):
        debug_callback_p.bind(*(x if d is None else _row(x, i)
                                for x, d in zip(moved, dims, strict=True)), **params)
    return [], []


debug_callback_p = Primitive(
    "debug_callback", multiple_results=True, evaluate=_debug_evaluate, weak_type="none",
    type_rule=lambda *avals, **_: [], effects=_debug_effects, jvp=_debug_jvp,
    transpose=lambda cts, *operands, **_: [None] * len(operands), batch=_debug_batch,
    lower=_CALLS_BACK, stablehlo=_NO_PYTHON)


# ---- the functions -----------------------------------------------------------------------------

def _operands(args: Any, kwargs: Any) -> tuple[list[Any], Any]:
    leaves, tree = pytree.tree_flatten((args, kwargs))
    return [x if isinstance(x, Tracer) else array_of(x) for x in leaves], tree


def _result_avals(result_shape_dtypes: Any) -> tuple[tuple[Any, ...], Any]:
    leaves, tree = pytree.tree_flatten(result_shape_dtypes)
    for leaf in leaves:
        if not (hasattr(leaf, "shape") and hasattr(leaf, "dtype")):
            raise TypeError("result_shape_dtypes must have leaves with shape and dtype (such as "
                            f"ShapeDtypeStruct), got {leaf!r} of type {type(leaf)}")
        if dtypes.canonicalize_dtype(leaf.dtype) != leaf.dtype:
            raise ValueError("result_shape_dtypes cannot specify 64-bit types when "
                             f"`jax_enable_x64` is disabled, got {leaf.dtype}")
    return tuple(ShapedArray(x.shape, x.dtype) for x in leaves), tree


def pure_callback(callback: Callable[..., Any], result_shape_dtypes: Any, *args: Any,
                  sharding: Any = None, vmap_method: str | None = None, vectorized: Any = None,
                  **kwargs: Any) -> Any:
    """Call a pure Python function from any program, compiled ones too.

    Args:
      callback: gets arrays in the structure of `args` and `kwargs`, returns NumPy-like arrays.
      result_shape_dtypes: pytree of objects with `shape` and `dtype`, as the callback returns.
      vmap_method: under `vmap`: "sequential" (one call an instance), "expand_dims" or
        "broadcast_all" (one call with leading axes of size 1 or the batch size), or None (error).

    Raises:
      JaxRuntimeError: when the program runs, if the callback raises, or its results differ from
        what was announced.
    """
    if vmap_method is not None and vmap_method not in _VMAP_METHODS:
        raise ValueError(f"vmap_method must be on of the allowed methods {_VMAP_METHODS}, but got: "
                         f"{vmap_method}")
    leaves, in_tree = _operands(args, kwargs)
    avals, out_tree = _result_avals(result_shape_dtypes)
    flat = FlatCallback(callback, in_tree, out_tree, api="pure_callback")
    outs = pure_callback_p.bind(*leaves, callback=flat,
                                result_avals=avals, vmap_method=vmap_method)
    return out_tree.unflatten(outs)


def io_callback(callback: Callable[..., Any], result_shape_dtypes: Any, *args: Any,
                sharding: Any = None, ordered: bool = False, **kwargs: Any) -> Any:
    """Call a Python function with side effects exactly once per execution of the program.

    With `ordered`, calls keep the order of the program. See `pure_callback` for the rest.
    """
    leaves, in_tree = _operands(args, kwargs)
    avals, out_tree = _result_avals(result_shape_dtypes)
    flat = FlatCallback(callback, in_tree, out_tree, api="io_callback")
    outs = io_callback_p.bind(*leaves, callback=flat, result_avals=avals, ordered=ordered)
    return out_tree.unflatten(outs)


def debug_callback(callback: Callable[..., Any] | None = None, *args: Any, ordered: bool = False,
                   partitioned: bool = False, **kwargs: Any) -> Callable[..., None] | None:
    """Call `callback(*args, **kwargs)` for its side effect whenever the program runs.

    Under `vmap` it is called for each instance; under differentiation, with primal values.
    Arguments that are no arrays (strings, say) are passed as they are. Without `callback`, the
    function of `(callback, *args, **kwargs)` that has the given options:
    `debug.callback(ordered=True)(f, x)`.
    """
    if callback is None:
        refuse_arguments("debug_callback", args, kwargs)
        return lambda callback, *args, **kwargs: _call_back(callback, args, kwargs, ordered)
    _call_back(callback, args, kwargs, ordered)
    return None


def refuse_arguments(name: str, args: Any, kwargs: Any) -> None:
    """TypeError for arguments of a call that gives options only."""
    if args or kwargs:
        raise TypeError(f"{name} received unexpected arguments in the two-call form, "
                        f"{name}(options)(function, *args): got {args} {kwargs}")


def _call_back(callback: Callable[..., Any], args: Any, kwargs: Any, ordered: bool) -> None:
    if not callable(callback):
        raise TypeError("first argument to jax.debug.callback must be callable, but got an object "
                        f"of type {type(callback)}")
    leaves, in_tree = pytree.tree_flatten((args, kwargs))
    arrays: list[Any] = []
    static: list[tuple[int, Any]] = []
    for position, leaf in enumerate(leaves):
        try:
            arrays.append(leaf if isinstance(leaf, Tracer) else array_of(leaf))
        except TypeError:
            static.append((position, leaf))
    debug_callback_p.bind(*arrays, callback=FlatCallback(callback, in_tree, None, tuple(static)),
                          ordered=ordered)


__all__ = ["debug_callback", "io_callback", "pure_callback"]
