"""`vmap` for users: axis specifications as pytree prefixes, sizes checked with names."""
from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, ParamSpec, TypeVar

import numpy as np

from arrax.core import pytree
from arrax.core.array import array_of
from arrax.core.aval import aval_of
from arrax.core.axis_env import Axis
from arrax.core.dimension import dimension
from arrax.core.trace import Tracer
from arrax.core.tracebacks import transforming
from arrax.core.tree_errors import prefix_errors
from arrax.transforms import calls, refs
from arrax.transforms.batching import batch_flat, to_dim


_P = ParamSpec("_P")
_R = TypeVar("_R")


def vmap(fun: Callable[_P, _R], in_axes: Any = 0, out_axes: Any = 0, axis_name: Any = None,
         axis_size: int | None = None, spmd_axis_name: Any = None,
         sum_match: bool = False) -> Callable[_P, _R]:
    """Map a function over an axis of its arguments, by vectorizing its operations.

    Args:
      fun: the function.
      in_axes: the axis to map of each positional argument: an int, None (not mapped), or a tuple
        with an entry (int, None or a pytree prefix of them) per argument. Keyword arguments are
        mapped over axis 0. What is not mapped may be any object.
      out_axes: where the mapped axis stands in the results: an int, None, or a pytree prefix.
      axis_name: a name for collectives such as `lax.psum`.
      axis_size: the size, needed only when no argument is mapped.
      spmd_axis_name: the mesh axis, or tuple of them, that the mapped axis is split over: what
        sharding constraints and `shard_map`s in the function say of it.

    Raises:
      ValueError: for inconsistent sizes, axes out of range or specifications that do not fit.

    Example:
      >>> vmap(jnp.dot, in_axes=(0, None))(jnp.ones((3, 2)), jnp.ones(2))
      Array([2., 2., 2.], dtype=float32)
    """
    calls.check_callable(fun, "vmap")
    if isinstance(in_axes, list):
        in_axes = tuple(in_axes)
    if not (in_axes is None or isinstance(in_axes, tuple) or _is_axis(in_axes)):
        raise TypeError("vmap in_axes must be an int, None, or a tuple of entries corresponding to "
                        f"the positional arguments passed to the function, but got {in_axes}.")
    check_axes("vmap in_axes", in_axes)
    check_axes("vmap out_axes", out_axes)
    spmd = tuple(spmd_axis_name) if isinstance(spmd_axis_name, list) else spmd_axis_name
    return mapped_function(fun, in_axes, out_axes, axis_size,
                           lambda size: Axis(axis_name, size, spmd_name=spmd))


def mapped_function(fun: Callable[_P, _R], in_axes: Any, out_axes: Any, axis_size: int | None,
                    axis_of: Callable[[int], Axis]) -> Callable[_P, _R]:
    """`vmap` over the axis that `axis_of` makes for the size at hand."""
    @transforming(fun)
    def mapped(*args: Any, **kwargs: Any) -> Any:
        if isinstance(in_axes, tuple) and len(in_axes) != len(args):
            raise ValueError(
                f"vmap in_axes must be an int, None, or a tuple of entries corresponding to the "
                "positional arguments passed to the function, but got "
                f"len(in_axes)={len(in_axes)}, len(args)={len(args)}")
        leaves, tree = pytree.tree_flatten((args, kwargs))
        dims = flat_axes("vmap in_axes", (in_axes, 0), (args, kwargs))
        if any(type(x) is refs.Ref for x in leaves):
            return _map_refs(fun, leaves, tree, dims, out_axes,
                             lambda f, axes, out: mapped_function(f, axes, out, axis_size,
                                                                  axis_of))
        leaves = [x if isinstance(x, Tracer) else _checked(x, fun, d)
                  for x, d in zip(leaves, dims, strict=True)]
        dims = [_normalized(x, d, "vmap") for x, d in zip(leaves, dims, strict=True)]
        size = mapped_axis_size(fun, args, kwargs, leaves, dims, axis_size, "vmap")
        axis = axis_of(size)
        flat = calls.FlatCall(fun, tree)
        outs, out_dims = batch_flat(flat, axis, leaves, dims)
        out = flat.out_tree.unflatten(outs)
        targets = flat_axes("vmap out_axes", out_axes, out)
        for i, (dim, target) in enumerate(zip(out_dims, targets, strict=True)):
            if target is None and dim is not None:
                raise _mapped_output(flat.out_tree, i, dim)
        results = [_placed(o, d, t, axis) for o, d, t in zip(outs, out_dims, targets, strict=True)]
        return flat.out_tree.unflatten(results)
    return mapped


def _is_axis(value: Any) -> bool:
    return hasattr(value, "__index__") and not isinstance(value, (bool, np.bool_)) \
        and not getattr(value, "shape", ())


def check_axes(what: str, axes: Any) -> None:
    """TypeError unless the leaves of a specification are integers."""
    if not all(map(_is_axis, pytree.tree_leaves(axes))):
        raise TypeError(f"{what} must be an int, None, or (nested) container with those types as "
                        f"leaves, but got {axes}.")


def _map_refs(fun: Any, leaves: Sequence[Any], tree: Any, dims: Sequence[Any], out_axes: Any,
              mapped: Callable[..., Any]) -> Any:
    """A mapped call with refs among its arguments: as one of the function with their values as
    arguments and results, mapped over the same axes."""
    slots, own = refs.slotted(leaves, ())
    axes = [d for leaf, d in zip(leaves, dims, strict=True) if type(leaf) is refs.Ref]
    rest = [(leaf, d) for leaf, d in zip(leaves, dims, strict=True) if type(leaf) is not refs.Ref]

    def flat(values: Any, others: Any) -> Any:
        arguments = iter(others)
        args, kwargs = tree.unflatten([
            slot if isinstance(slot, refs.Slot) else next(arguments) for slot in slots])
        return refs.Stateful(fun, ())(values, *args, **kwargs)
    out, last = mapped(flat, (axes, [d for _, d in rest]), (out_axes, axes))(
        refs.read_all(own), [leaf for leaf, _ in rest])
    refs.write_all(own, last)
    return out


def _checked(value: Any, fun: Any, dim: Any) -> Any:
    """An argument as an array; what is not mapped may be anything, and stays what it is."""
    if dim is None:
        return value
    try:
        return array_of(value)
    except TypeError:
        raise TypeError(f"Output or argument of type {type(value)} of vmapped function "
                        f"{calls.function_name(fun)} is not a valid JAX type: {value!r}") from None


def _normalized(x: Any, dim: Any, name: str) -> int | None:
    if dim is None:
        return None
    ndim: int = aval_of(x).ndim
    if not -ndim <= dim < ndim:
        raise ValueError(f"{name} was requested to map its argument along axis {dim}, which "
                         "implies that its rank should be at least "
                         f"{dim + 1 if dim >= 0 else -dim}, but is only {ndim} "
                         f"(its shape is {aval_of(x).shape})")
    return int(dim) % ndim


def _mapped_output(tree: Any, number: int, dim: int) -> ValueError:
    paths = pytree.tree_flatten_with_path(tree.unflatten(range(tree.num_leaves)))[0]
    return ValueError(f"at vmap out_axes{pytree.keystr(paths[number][0])}, got axis spec None but "
                      f"output was batched on axis {dim} (vmap has mapped output but out_axes is "
                      "None)")


def _placed(value: Any, dim: int | None, target: Any, axis: Axis) -> Any:
    value = value if isinstance(value, Tracer) else array_of(value)
    if target is None:
        return value
    rank = aval_of(value).ndim + (dim is None)
    if not -rank <= target < rank:
        raise ValueError(f"axis {target} is out of bounds for array of dimension {rank} "
                         "(vmap out_axes)")
    return to_dim(value, dim, target, axis)


def flat_axes(what: str, axes: Any, tree: Any) -> list[Any]:
    """Expand a pytree prefix of axes (None is an axis here) to the leaves of `tree`."""
    try:
        return pytree.broadcast_prefix(axes, tree, is_leaf=lambda x: x is None)
    except ValueError as error:
        # Values stand for themselves: positions in `tree`, where an axis may be None.
        problems = prefix_errors(axes, tree, is_leaf=lambda x: x is None)
        details = "\n".join(f"  {line}" for make in problems
                            for line in str(make(what)).split("\n"))
        raise ValueError(
            f"{what} specification must be a tree prefix of the corresponding value;\n"
            f"  Mismatch details ({len(problems)} found):\n{details}\nGot specification {axes} "
            f"for value tree {pytree.tree_structure(tree)}.") from error


def mapped_axis_size(fun: Any, args: Any, kwargs: Any, leaves: Sequence[Any],
                     dims: Sequence[int | None], given: int | None, name: str) -> Any:
    """The common size of the mapped axes; ValueError that tells each argument's size otherwise."""
    sizes = {aval_of(x).shape[d] for x, d in zip(leaves, dims, strict=True) if d is not None}
    if given is not None:
        sizes.add(dimension(given))
    if len(sizes) == 1:
        return sizes.pop()
    if not sizes:
        if not leaves:
            raise ValueError(f"{name} wrapped function must be passed at least one argument "
                             "containing an array or axis_size must be specified, got empty "
                             f"*args={args} and **kwargs={kwargs}")
        raise ValueError(f"{name} must have at least one non-None value in in_axes")
    raise ValueError(_inconsistent_sizes(fun, args, kwargs, leaves, dims, given, name))


def _inconsistent_sizes(fun: Any, args: Any, kwargs: Any, leaves: Sequence[Any],
                        dims: Sequence[int | None], given: int | None, name: str) -> str:
    """Which sizes were found how often, the most frequent one first."""
    names = calls.argument_names(fun, args, kwargs)
    found: dict[int, list[str]] = {}
    for i, (x, d) in enumerate(zip(leaves, dims, strict=True)):
        if d is not None:
            label = names[i] if i < len(names) else str(i)
            named = label.split("[")[0].split(".")[0] in kwargs
            where = f"kwargs[{label!r}]" if named else f"argument {label}"
            found.setdefault(aval_of(x).shape[d], []).append(
                f"axis {d} of {where} of type {aval_of(x).strip_weak_type().str_short()}")
    lines = [] if given is None else [f"the `axis_size` argument was {given}"]
    ordered = sorted(found.items(), key=lambda item: -len(item[1]))
    for number, (size, places) in enumerate(ordered):
        count = len(places)
        if count == 1:
            lines.append(f"one axis had size {size}: {places[0]}")
        else:
            most = "most axes" if number == 0 else "some axes"
            lines.append(f"{most} ({count} of them) had size {size}, e.g. {places[0]}")
    return f"{name} got inconsistent sizes for array axes to be mapped:\n" + ";\n".join(
        f"  * {line}" for line in lines)
