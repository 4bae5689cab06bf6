"""Shared pieces of custom derivative rules: arguments, symbolic zeros, flat functions."""
from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from arrax.core import dtypes, pytree
from arrax.core.ad_values import Zero, tangent_aval
from arrax.core.array import ArrayImpl, array_of
from arrax.core.aval import LikeAval, ShapedArray, aval_of
from arrax.core.jaxpr import ClosedJaxpr, DebugInfo, eval_jaxpr
from arrax.core.primitive import Primitive
from arrax.core.trace import Tracer, current
from arrax.core.lowering import Inline
from arrax.transforms import calls
from arrax.transforms.batching import BatchTrace, axes_in
from arrax.transforms.staging import hoist_consts, trace_to_jaxpr
from arrax.transforms.transpose import backward_pass


class SymbolicZero(LikeAval):
    """A tangent or cotangent that is zero, given to rules defined with `symbolic_zeros=True`."""

    __slots__ = ("aval",)

    def __init__(self, aval: Any):
        self.aval = aval

    def __repr__(self) -> str:
        return "SymbolicZero"

    @staticmethod
    def from_primal_value(value: Any) -> SymbolicZero:
        """The zero tangent of a value."""
        return SymbolicZero(tangent_aval(calls.checked_aval(value)))


def is_symbolic(value: Any) -> bool:
    return type(value) in (SymbolicZero, Zero)


def zero_from_primal(val: Any, symbolic_zeros: bool = False) -> Any:
    """The zero tangent of each array in the pytree `val`.

    Args:
      symbolic_zeros: give `SymbolicZero`s instead of arrays of zeros (float0 for integers).

    Example:
      >>> zero_from_primal({"x": jnp.ones(2)})
      {'x': Array([0., 0.], dtype=float32)}
    """
    def zero_of(value: Any) -> Any:
        zero = SymbolicZero.from_primal_value(value)
        if symbolic_zeros:
            return zero
        return np.zeros(zero.shape, dtypes.float0) if zero.dtype == dtypes.float0 \
            else array_of(np.zeros(zero.shape, zero.dtype))
    return pytree.tree_map(zero_of, val)


def is_zero_tangent(value: Any) -> bool:
    """Whether a result of a rule is known to be zero: symbolic, or of dtype float0."""
    return is_symbolic(value) or getattr(value, "dtype", None) == dtypes.float0


# ---- arguments -----------------------------------------------------------------------------------

def positional_arguments(fun: Callable[..., Any], kind: str, args: tuple[Any, ...],
                         kwargs: dict[str, Any]) -> tuple[Any, ...]:
    """Arguments in the order of the signature, defaults filled in; TypeError if they don't fit."""
    signature = calls.signature_of(fun)
    if signature is None:
        if kwargs:
            raise TypeError(f"The {kind}-decorated function {calls.function_name(fun)} has no "
                            "signature, so it cannot take keyword arguments.")
        return args
    try:
        bound = signature.bind(*args, **kwargs)
    except TypeError as error:
        raise TypeError(
            f"The input arguments to the {kind}-decorated function {calls.function_name(fun)} "
            f"could not be resolved to positional-only arguments. Binding failed with the error:\n"
            f"{error}") from error
    bound.apply_defaults()
    if bound.kwargs:
        raise TypeError(
            f"The following keyword arguments to the {kind}-decorated function "
            f"{calls.function_name(fun)} could not be resolved to positions: "
            f"{', '.join(bound.kwargs)}")
    return bound.args


def nondiff_positions(fun: Callable[..., Any], argnums: Any, argnames: Any) -> tuple[int, ...]:
    """Positions of the arguments that are passed to rules as they are."""
    positions = (argnums,) if isinstance(argnums, int) else tuple(argnums)
    names = (argnames,) if isinstance(argnames, str) else tuple(argnames)
    if names:
        signature = calls.signature_of(fun)
        parameters = list(signature.parameters) if signature else []
        positions += tuple(parameters.index(name) for name in names if name in parameters)
    return tuple(sorted(set(positions)))


def split_nondiff(args: Sequence[Any], positions: Sequence[int]) -> tuple[list[Any], list[Any]]:
    """(arguments to differentiate, the others)."""
    chosen = {i % len(args) for i in positions} if args else set()
    return [a for i, a in enumerate(args) if i not in chosen], \
        [a for i, a in enumerate(args) if i in chosen]


def with_nondiff(positions: Sequence[int], count: int, dynamic: Sequence[Any],
                 nondiff: Sequence[Any]) -> list[Any]:
    """The inverse of `split_nondiff`, for `count` arguments."""
    chosen = {i % count for i in positions} if count else set()
    rest, fixed = iter(dynamic), iter(nondiff)
    return [next(fixed) if i in chosen else next(rest) for i in range(count)]


# ---- functions as parameters ---------------------------------------------------------------------

class OutTree:
    """Where a flat function leaves the tree of what the user's function returned."""

    __slots__ = ("value",)

    def __init__(self) -> None:
        self.value: Any = None


class FlatFunction:
    """The user's function of flat arguments; a parameter of a call primitive until it is staged."""

    def __init__(self, fun: Callable[..., Any], in_tree: Any, out_tree: OutTree, name: str):
        self.fun, self.in_tree, self.out_tree, self.name = fun, in_tree, out_tree, name

    def __call__(self, *leaves: Any) -> list[Any]:
        outs, self.out_tree.value = pytree.tree_flatten(
            self.fun(*self.in_tree.unflatten(leaves)))
        return outs


def run(function: Any, args: Sequence[Any]) -> list[Any]:
    """Call a flat function or a `ClosedJaxpr`."""
    if isinstance(function, ClosedJaxpr):
        return eval_jaxpr(function.jaxpr, function.consts, *args)
    return function(*args)  # type: ignore[no-any-return]


def call_primitive(name: str, traced_for: str, jvp: Any, batch: Any) -> Primitive:
    """The primitive of a call of `call_jaxpr` that brings a rule of its own for `jvp`."""
    def transpose(cotangents: Any, *operands: Any, call_jaxpr: Any, **_: Any) -> list[Any]:
        return backward_pass(call_jaxpr.jaxpr, call_jaxpr.consts, operands, cotangents)

    primitive = Primitive(
        name, multiple_results=True, type_rule=lambda *avals, call_jaxpr, **_: call_jaxpr.out_avals,
        execute=lambda *args, call_jaxpr, **_: as_arrays(run(call_jaxpr, args)),
        jvp=jvp, batch=batch, transpose=transpose, hidden={"num_consts": 0},
        effects=lambda call_jaxpr, **_: call_jaxpr.effects,
        named_axes=lambda call_jaxpr, **_: axes_in(call_jaxpr),
        lower=Inline(lambda params: params["call_jaxpr"]),
        stablehlo=lambda b, *args, call_jaxpr, **_: b.inline(call_jaxpr, args))
    primitive.stage = stage_call(primitive, traced_for)
    return primitive


def stage_call(primitive: Primitive, traced_for: str) -> Callable[..., list[Any]]:
    """The `stage` rule of a call primitive: its function becomes a jaxpr, and what the function
    closes over becomes leading operands, `num_consts` of them."""
    def stage(trace: Any, args: Sequence[Any], params: dict[str, Any]) -> list[Any]:
        function = params["call_jaxpr"]
        if isinstance(function, ClosedJaxpr):
            return trace.record(primitive, args, params)  # type: ignore[no-any-return]
        info = DebugInfo(traced_for, params["name"], "")
        closed = trace_to_jaxpr(function, [aval_of(a) for a in args], info)
        closed, consts = hoist_consts(closed)
        return trace.record(primitive, [*consts, *args],  # type: ignore[no-any-return]
                            {**params, "call_jaxpr": closed, "num_consts": len(consts)})
    return stage


def as_arrays(outs: Sequence[Any]) -> list[Any]:
    return [o if type(o) is ArrayImpl or isinstance(o, Tracer) else array_of(o) for o in outs]


def eager_result(out: Any) -> Any:
    """What a function returned, with leaves made arrays, as it would be after a call primitive."""
    if type(out) is ArrayImpl:
        return out
    return pytree.tree_map(array_of, out)


def is_unmapped_call(leaves: Sequence[Any]) -> bool:
    """Whether a call under `vmap` has no traced arguments: then the function runs as it is, since
    it may close over values of the batch."""
    return type(current()) is BatchTrace and not any(isinstance(x, Tracer) for x in leaves)


def same_shape_and_dtype(a: ShapedArray, b: ShapedArray) -> bool:
    return a.shape == b.shape and a.dtype == b.dtype


def unbatched(zero: Any, dim: int | None) -> Zero:
    """The zero of one element of a batch."""
    aval = zero.aval
    if dim is None:
        return Zero(aval)
    return Zero(aval.update(shape=aval.shape[:dim] + aval.shape[dim + 1:]))


def batched(zero: Any, dim: int | None, size: int) -> Zero:
    """The zero of a batch."""
    aval = zero.aval
    if dim is None:
        return Zero(aval)
    return Zero(aval.update(shape=(*aval.shape[:dim], size, *aval.shape[dim:])))


def copy_attributes(wrapper: Any, fun: Callable[..., Any]) -> None:
    """Make `wrapper` look like `fun`: name, docstring, signature."""
    functools.update_wrapper(wrapper, fun)
