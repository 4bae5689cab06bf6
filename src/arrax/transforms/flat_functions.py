"""User functions as flat `WrappedFun`s: what `arrax.api_util` offers to interpreters outside."""
from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from arrax.core import pytree
from arrax.core.jaxpr import DebugInfo
from arrax.transforms import calls
from arrax.transforms.api_vmap import flat_axes
from arrax.transforms.linear_util import (Store, WrappedFun, transformation2,
                                          transformation_with_aux2)


@transformation_with_aux2
def flatten_fun(f: Callable[..., Any], store: Store, in_tree: Any, *leaves: Any) -> Any:
    """A function of the leaves of (args, kwargs), whose tree is `in_tree`; its auxiliary output is
    the tree of the result.

    Example:
      >>> from arrax import api_util, tree_util
      >>> from arrax.extend import linear_util
      >>> leaves, tree = tree_util.tree_flatten((({"x": 1},), {}))
      >>> flat, out_tree = api_util.flatten_fun(linear_util.wrap_init(lambda d: [d["x"]]), tree)
      >>> flat.call_wrapped(*leaves), out_tree()
      ([1], PyTreeDef([*]))
    """
    args, kwargs = in_tree.unflatten(leaves)
    out, tree = pytree.tree_flatten(f(*args, **kwargs))
    store.store(tree)
    return out


@transformation_with_aux2
def flatten_fun_nokwargs(f: Callable[..., Any], store: Store, in_tree: Any, *leaves: Any) -> Any:
    """As `flatten_fun`, where `in_tree` is that of positional arguments alone."""
    out, tree = pytree.tree_flatten(f(*in_tree.unflatten(leaves)))
    store.store(tree)
    return out


class _Fixed:
    """A static argument, which equals another of the same type and value."""

    __slots__ = ("value",)

    def __init__(self, value: Any):
        self.value = value

    def __eq__(self, other: object) -> bool:
        return (isinstance(other, _Fixed) and type(self.value) is type(other.value)
                and bool(self.value == other.value))

    def __hash__(self) -> int:
        return hash((type(self.value), self.value))


@transformation2
def _with_fixed(f: Callable[..., Any], positions: tuple[int, ...], fixed: tuple[_Fixed, ...],
                *dynamic: Any, **kwargs: Any) -> Any:
    rest = iter(fixed)
    given = dict(zip(positions, dynamic, strict=True))
    args = [given[i] if i in given else next(rest).value
            for i in range(len(fixed) + len(positions))]
    return f(*args, **kwargs)


def argnums_partial(f: WrappedFun, dyn_argnums: int | Sequence[int], args: Sequence[Any],
                    require_static_args_hashable: bool = True,
                    ) -> tuple[WrappedFun, tuple[Any, ...]]:
    """`f` as a function of some of its positional arguments: (function, those arguments).

    Args:
      dyn_argnums: their positions.
      args: all arguments.
      require_static_args_hashable: raise ValueError if one of the others cannot be hashed.
    """
    numbers = (dyn_argnums,) if isinstance(dyn_argnums, int) else tuple(dyn_argnums)
    for number in numbers:
        if not -len(args) <= number < len(args):
            raise ValueError(
                f"argnums_partial: dyn_argnums={numbers} has {number}, which is no position among "
                f"{len(args)} arguments")
    positions = tuple(n % len(args) for n in numbers)
    fixed = []
    for i, arg in enumerate(args):
        if i in positions:
            continue
        if require_static_args_hashable and getattr(arg, "__hash__", None) is None:
            raise ValueError(
                "Non-hashable static arguments are not supported, as this can lead to unexpected "
                f"cache-misses. Static argument (index {i}) of type {type(arg)} for function "
                f"{f.__name__} is non-hashable.")
        fixed.append(_Fixed(arg))
    return _with_fixed(f, positions, tuple(fixed)), tuple(args[i] for i in positions)


def debug_info(traced_for: str, fun: Callable[..., Any], args: Sequence[Any],
               kwargs: dict[str, Any], *, static_argnums: Sequence[int] = (),
               static_argnames: Sequence[str] = (), result_paths_thunk: Any = None,
               sourceinfo: str | None = None, signature: inspect.Signature | None = None,
               ) -> DebugInfo:
    """What messages say about a function that is traced: its name, where it is, argument names.

    Args:
      traced_for: by which transformation.
      args, kwargs: the arguments of the call, or their structure.
      static_argnums, static_argnames: arguments without leaves.
      result_paths_thunk: how results are called; messages here number them, so it is not read.
      sourceinfo, signature: worked out from `fun` if None.
    """
    info = calls.debug_info(traced_for, fun, tuple(args), kwargs,
                            (*static_argnums, *static_argnames))
    if sourceinfo is not None:
        name, _, location = sourceinfo.partition(" at ")
        info = DebugInfo(traced_for, name, location, info.arg_names)
    return info


def donation_vector(donate_argnums: Iterable[int], donate_argnames: Iterable[str], in_tree: Any,
                    kws: bool = True) -> tuple[bool, ...]:
    """For each leaf of (args, kwargs), whether its argument is donated.

    Args:
      in_tree: the structure of (args, kwargs), or of args alone if not `kws`.
    """
    numbers, names = set(donate_argnums), set(donate_argnames)
    example = in_tree.unflatten(range(in_tree.num_leaves))
    args, kwargs = example if kws else (example, {})
    flags: list[bool] = []
    for i, arg in enumerate(args):
        flags += [i in numbers] * len(pytree.tree_leaves(arg))
    for name in sorted(kwargs):
        flags += [name in names] * len(pytree.tree_leaves(kwargs[name]))
    return tuple(flags)


def rebase_donate_argnums(donate_argnums: Iterable[int], static_argnums: Iterable[int],
                          ) -> tuple[int, ...]:
    """Positions of donated arguments, counted among those that are not static.

    Example:
      >>> rebase_donate_argnums((3, 4), (0, 1))
      (1, 2)
    """
    static, donated = sorted(set(static_argnums)), sorted(set(donate_argnums))
    if set(static) & set(donated):
        raise ValueError(f"`static_argnums` {static} and `donate_argnums` {donated} cannot "
                         "intersect.")
    return tuple(n - sum(s < n for s in static) for n in donated)


def flatten_axes(name: str, treedef: Any, axis_tree: Any, *, kws: bool = False,
                 tupled_args: bool = False) -> list[Any]:
    """A prefix of `treedef` with axes (None is one) at its leaves, spread to all leaves.

    Args:
      name: what errors call the axes.
      kws: `treedef` is that of (args, kwargs).
      tupled_args: say in errors that the axes of arguments come as a tuple.

    Raises ValueError if `axis_tree` is no prefix.
    """
    tree = treedef.unflatten(range(treedef.num_leaves))
    try:
        return flat_axes(name, axis_tree, tree)
    except ValueError as error:
        hint = (f" Note that {name} that are non-trivial pytrees should always be wrapped in a "
                "tuple representing the argument list.") if tupled_args else ""
        part = " (of positional and keyword arguments)" if kws else ""
        raise ValueError(f"{error}{part}{hint}") from None


def shaped_abstractify(x: Any) -> Any:
    """The aval of a value, or of anything that has a shape and a dtype."""
    return calls.shaped(x)
