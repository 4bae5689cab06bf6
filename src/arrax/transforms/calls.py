"""How user functions become flat functions: pytrees, static arguments, names for messages."""
from __future__ import annotations

import functools
import inspect
import weakref
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from arrax.core import dtypes, pytree
from arrax.core.array import ArrayImpl
from arrax.core.aval import ShapedArray, aval_of
from arrax.core.jaxpr import DebugInfo
from arrax.core.trace import Tracer


def function_name(fun: Any) -> str:
    """The name of a function, through partials and callable objects."""
    while isinstance(fun, functools.partial):
        fun = fun.func
    return getattr(fun, "__name__", type(fun).__name__)


def function_location(fun: Any) -> str:
    """`file:line` of a function's definition, or ''."""
    while isinstance(fun, functools.partial):
        fun = fun.func
    try:
        code = inspect.unwrap(fun).__code__
    except (AttributeError, ValueError):
        return ""
    return f"{code.co_filename}:{code.co_firstlineno}"


def signature_of(fun: Any) -> inspect.Signature | None:
    """The signature, or None for objects that have none."""
    try:
        return inspect.signature(fun)
    except (ValueError, TypeError):
        return None


def check_callable(fun: Any, name: str) -> None:
    """Raise JAX's TypeError for a non-callable or a generator function."""
    if not callable(fun):
        raise TypeError(f"Expected a callable value, got {fun} of type {type(fun)} for {name}")
    if inspect.isgeneratorfunction(inspect.unwrap(fun) if hasattr(fun, "__wrapped__") else fun):
        raise TypeError(f"Expected a function, got a generator function: {fun}")


def debug_info(traced_for: str, fun: Any, args: Any, kwargs: Any,
               static: Sequence[int | str] = ()) -> DebugInfo:
    """What messages say of a traced call; argument names are worked out when one is printed.

    Jaxprs keep it, so it keeps neither the arguments nor the function alive.
    """
    structure = pytree.tree_structure((args, kwargs))
    reference = _reference(fun)

    def names() -> tuple[str, ...]:
        args, kwargs = structure.unflatten(range(structure.num_leaves))
        return argument_names(reference(), args, kwargs, static)
    return DebugInfo(traced_for, function_name(fun), function_location(fun), names)


def _reference(fun: Any) -> Callable[[], Any]:
    """A weak reference, but for functions that cannot have one (builtins)."""
    try:
        return weakref.ref(fun)
    except TypeError:
        return lambda: fun


def argument_names(fun: Any, args: Sequence[Any], kwargs: dict[str, Any],
                   static: Sequence[int | str] = ()) -> tuple[str, ...]:
    """Names of the flat arguments: `x`, `params['w']`, `args[1]`, …"""
    signature = signature_of(fun)
    names: list[str] = []
    if signature is not None:
        kinds = inspect.Parameter
        for name, parameter in signature.parameters.items():
            if parameter.kind is kinds.VAR_POSITIONAL:
                names += [f"{name}[{i}]" for i in range(len(args) - len(names))]
            elif parameter.kind in (kinds.POSITIONAL_ONLY, kinds.POSITIONAL_OR_KEYWORD):
                names.append(name)
    names += [f"args[{i}]" for i in range(len(names), len(args))]
    out: list[str] = []
    for i, (name, arg) in enumerate(zip(names, args)):
        if i not in static:
            out += [name + pytree.keystr(path)
                    for path, _ in pytree.tree_flatten_with_path(arg)[0]]
    for name in sorted(kwargs):
        if name not in static:
            out += [name + pytree.keystr(path)
                    for path, _ in pytree.tree_flatten_with_path(kwargs[name])[0]]
    return tuple(out)


@dataclass
class FlatCall:
    """A user function as a function of flat leaves; remembers the tree of what it returned."""

    fun: Callable[..., Any]
    in_tree: Any  # of (args, kwargs)
    out_tree: Any = field(default=None)

    def __call__(self, *leaves: Any) -> list[Any]:
        args, kwargs = self.in_tree.unflatten(leaves)
        out, self.out_tree = pytree.tree_flatten(self.fun(*args, **kwargs))
        return out


@dataclass
class FlatArgs:
    """Like `FlatCall`, for functions of positional arguments only."""

    fun: Callable[..., Any]
    in_tree: Any  # of args
    out_tree: Any = field(default=None)

    def __call__(self, *leaves: Any) -> list[Any]:
        out, self.out_tree = pytree.tree_flatten(self.fun(*self.in_tree.unflatten(leaves)))
        return out


def checked_aval(value: Any) -> Any:
    """The aval of an argument or result leaf; TypeError if it is not array-like."""
    if isinstance(value, (ArrayImpl, Tracer)):
        return value.aval
    if hasattr(value, "__jax_array__"):
        return checked_aval(value.__jax_array__())
    aval = aval_of(value)
    if hasattr(aval, "inner_aval"):
        raise TypeError(f"{aval} cannot be an argument or result here: read it first, ref[...]. "
                        "Refs may be arguments of functions under jit, vmap and checkpoint.")
    return aval


def check_outputs(outs: Sequence[Any], out_tree: Any, where: str) -> None:
    """Raise TypeError naming the first output that is not array-like."""
    for i, out in enumerate(outs):
        try:
            checked_aval(out)
        except TypeError:
            path = pytree.tree_flatten_with_path(out_tree.unflatten(range(len(outs))))[0][i][0]
            at = f" at output component {pytree.keystr(path)}" if path else ""
            raise TypeError(f"function {where} traced for jit returned a value of type "
                            f"{type(out)}{at}, which is not a valid JAX type") from None


def shaped(value: Any) -> ShapedArray:
    """The aval of a value or of anything with `shape` and `dtype` (ShapeDtypeStruct)."""
    if hasattr(value, "shape") and hasattr(value, "dtype") and not hasattr(value, "aval"):
        return ShapedArray(value.shape, _canonical(value.dtype),
                           bool(getattr(value, "weak_type", False)))
    return checked_aval(value)  # type: ignore[no-any-return]


def _canonical(dtype: Any) -> Any:
    return dtype if isinstance(dtype, dtypes.ExtendedDType) else dtypes.canonicalize_dtype(dtype)
