"""User functions as jaxprs, for whatever carries jaxprs: control flow and checkpoint.

A function is traced once per signature: the result is kept as long as the function lives, so that
an eager loop called again with the same function neither traces nor compiles. What a function
closes over becomes leading operands of its jaxpr; a trace that captured tracers is not kept.
"""
from __future__ import annotations

import weakref
from collections.abc import Callable, Sequence
from typing import Any

from arrax.core import caching, config, pytree
from arrax.core.array import ArrayImpl, array_of
from arrax.core.axis_env import current_axes
from arrax.core.jaxpr import ClosedJaxpr, DebugInfo
from arrax.core.record import Record
from arrax.core.trace import Tracer
from arrax.transforms import calls
from arrax.transforms.refs import refuse_refs
from arrax.transforms.staging import hoist_consts, trace_to_jaxpr


class Staged(Record):
    """A traced function: `closed` takes (*consts, *flat arguments) and has no consts itself."""

    closed: ClosedJaxpr
    consts: list[Any]
    out_tree: Any

    @property
    def out_avals(self) -> list[Any]:
        return self.closed.out_avals

    def output(self) -> Any:
        """The tree of output avals, for messages."""
        return self.out_tree.unflatten(self.closed.out_avals)


class Adapter:
    """A user function in another calling convention; its traces are kept for the user's function,
    so a subclass has no state besides `function` and `refs`, those that it has cells for."""

    __slots__ = ("function",)
    carry_name: str | None = None  # what messages call the first argument
    refs: tuple[Any, ...] = ()

    def __init__(self, function: Callable[..., Any]):
        self.function = function

    def __call__(self, *args: Any) -> Any:
        raise NotImplementedError


class WithRefs(Adapter):
    """A user function that has refs made outside of it. A subclass takes their values as part of
    its arguments, and returns their last values (`cells`)."""

    __slots__ = ("refs",)
    refs: tuple[Any, ...]

    def __init__(self, function: Callable[..., Any], refs: Sequence[Any]):
        super().__init__(function)
        self.refs = tuple(refs)


_staged: weakref.WeakKeyDictionary[Any, dict[Any, Staged]] = weakref.WeakKeyDictionary()


def stage_function(fun: Callable[..., Any], in_tree: Any, in_avals: Sequence[Any],
                   traced_for: str) -> Staged:
    """Trace `fun`, a function of positional arguments with tree `in_tree`."""
    key = (in_tree, tuple(in_avals), traced_for, type(fun), getattr(fun, "refs", ()),
           config.context_key(), current_axes(), caching.generation())
    owner = fun.function if isinstance(fun, Adapter) else fun
    try:
        known = _staged.setdefault(owner, {})
    except TypeError:  # no weak references, or not hashable
        known = {}
    staged = known.get(key)
    if staged is None:
        staged = _stage(fun, in_tree, in_avals, traced_for)
        if not any(isinstance(c, Tracer) for c in staged.consts):
            known[key] = staged
    return staged


def _stage(fun: Callable[..., Any], in_tree: Any, in_avals: Sequence[Any],
           traced_for: str) -> Staged:
    flat = calls.FlatArgs(fun, in_tree)
    user = fun.function if isinstance(fun, Adapter) else fun
    names = argument_names(user, in_tree)
    name, location = calls.function_name(user), calls.function_location(user)
    where = f"{name} at {location}" if location else name

    def checked(*leaves: Any) -> list[Any]:
        outs = flat(*leaves)
        refuse_refs(where, traced_for, outs)
        check_outputs(outs, flat.out_tree, where, traced_for)
        return [array_of(o) if not isinstance(o, (ArrayImpl, Tracer)) and
                hasattr(o, "__jax_array__") else o for o in outs]
    closed = trace_to_jaxpr(checked, in_avals, DebugInfo(traced_for, name, location, names))
    closed, consts = hoist_consts(closed)
    return Staged(closed, consts, flat.out_tree)


def check_outputs(outs: Sequence[Any], out_tree: Any, where: str, traced_for: str) -> None:
    """Raise TypeError that names the first output that is no array."""
    for i, out in enumerate(outs):
        try:
            calls.checked_aval(out)
        except TypeError:
            paths = pytree.tree_flatten_with_path(out_tree.unflatten(range(len(outs))))[0]
            at = f" at output component {pytree.keystr(paths[i][0])}" if paths[i][0] else ""
            raise TypeError(f"function {where} traced for {traced_for} returned a value of type "
                            f"{type(out)}{at}, which is not a valid JAX type") from None


def argument_names(fun: Any, in_tree: Any) -> Callable[[], tuple[str, ...]]:
    """Names of flat arguments, worked out when a message needs them.

    Refers to the code of `fun` and not to `fun`, which must be able to die before its jaxpr.
    """
    code = getattr(fun, "__code__", None)
    bound = hasattr(fun, "__self__")

    def names() -> tuple[str, ...]:
        args = in_tree.unflatten(range(in_tree.num_leaves))
        known = code.co_varnames[bound:code.co_argcount] if code is not None else ()
        out: list[str] = []
        for i, arg in enumerate(args):
            name = known[i] if i < len(known) else f"args[{i}]"
            out += [name + pytree.keystr(path)
                    for path, _ in pytree.tree_flatten_with_path(arg)[0]]
        return tuple(out)
    return names


def flat_operands(tree: Any, what: str = "") -> tuple[list[Any], Any]:
    """The leaves of a user's operand, checked to be arrays, and its tree."""
    leaves, treedef = pytree.tree_flatten(tree)
    for i, leaf in enumerate(leaves):
        if isinstance(leaf, (ArrayImpl, Tracer)):
            continue
        try:
            if hasattr(leaf, "__jax_array__"):
                leaves[i] = leaf.__jax_array__()
            leaves[i] = array_of(leaves[i]) if not isinstance(leaves[i], _SCALARS) else leaves[i]
        except TypeError:
            raise TypeError(f"Argument {leaf!r} of type {type(leaf)} is not a valid JAX type"
                            ) from None
    return leaves, treedef


_SCALARS = (bool, int, float, complex)
