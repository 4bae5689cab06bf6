"""`shard_map` and `smap` for users: specs as pytree prefixes, checked against shapes and types."""
from __future__ import annotations

import functools
import inspect
import math
from collections.abc import Sequence, Set
from typing import Any

from arrax.core import pytree
from arrax.core.aval import aval_of
from arrax.core.axis_env import checked_axes
from arrax.core.caching import memoize_on_jaxpr
from arrax.core.mesh import AbstractMesh, AxisType, Mesh, current_mesh
from arrax.core.shardings import DuplicateSpecError, Infer, NamedSharding, PartitionSpec, spec_names
from arrax.core.jaxpr import ClosedJaxpr, eval_jaxpr
from arrax.core.tracebacks import transforming
from arrax.core.tree_errors import prefix_errors
from arrax.ops.varying import vary
from arrax.transforms import calls
from arrax.transforms.shard_map import in_scope, part_aval, shard_map_p
from arrax.transforms.staged import flat_operands, stage_function
from arrax.transforms.staging import trace_to_jaxpr


def shard_map(f: Any = None, /, *, out_specs: Any, in_specs: Any = Infer,
              mesh: Mesh | AbstractMesh | None = None, axis_names: Set[Any] = frozenset(),
              check_vma: bool = True) -> Any:
    """Map a function over the parts of arrays that the devices of a mesh hold.

    Inside, arrays are parts, and collectives such as `lax.psum` talk between the devices along the
    axes of the mesh.

    Args:
      f: the function of parts; without it, a decorator is returned.
      out_specs: a pytree prefix of the results, of `PartitionSpec`s: which mesh axes split which
        axes of the whole results. Along axes that it does not name, all devices have the same.
      in_specs: the same for the arguments; a tuple with an entry for each, or one for all. By
        default as the arguments are split already.
      mesh: the mesh in scope (`set_mesh`) if None.
      axis_names: the mesh axes to map over, all by default. The function sees arrays whole along
        the others.
      check_vma: track in types along which axes values vary, refuse results that may differ where
        `out_specs` says that they do not, and differentiate by these types.

    Raises:
      ValueError: specs that do not fit shapes, the mesh or the trees of arguments and results.
      TypeError: specs or a mesh of another type.

    Example:
      >>> mesh = arrax.make_mesh((1,), ("i",), (arrax.sharding.AxisType.Auto,))
      >>> P = arrax.sharding.PartitionSpec
      >>> @shard_map(mesh=mesh, in_specs=P("i"), out_specs=P())
      ... def total(x):
      ...     return lax.psum(x.sum(), "i")
      >>> total(jnp.arange(4.0))
      Array(6., dtype=float32)
    """
    if f is None:
        return functools.partial(shard_map, out_specs=out_specs, in_specs=in_specs, mesh=mesh,
                                 axis_names=axis_names, check_vma=check_vma)
    if not callable(f):
        raise TypeError("shard_map requires a callable for its first argument, but got "
                        f"{f} of type {type(f)}.")
    if mesh is not None and not isinstance(mesh, (Mesh, AbstractMesh)):
        raise TypeError("shard_map requires a `jax.sharding.Mesh` or a `jax.sharding.AbstractMesh` "
                        f"instance for its second argument, but got {mesh} of type {type(mesh)}.")
    if isinstance(axis_names, str):
        raise TypeError(f"shard_map: axis_names must be a set of names, got {axis_names!r}")

    @transforming(f)
    def mapped(*args: Any) -> Any:
        over = _checked_mesh(mesh)
        manual = _manual_names(over, frozenset(axis_names))
        given: list[Any]
        given, in_tree = pytree.tree_flatten(args)
        chosen = _inferred(given, over, manual) if in_specs is Infer else _flat_specs(
            "in_specs", in_specs, args)
        function = f
        if None in chosen:  # these are not arguments that are split, and may be any objects
            function, in_tree = _with_fixed(f, in_tree, given, chosen)
            given = [x for x, s in zip(given, chosen, strict=True) if s is not None]
        leaves = flat_operands(given)[0]
        specs = [s for s in chosen if s is not None]
        _check_specs("in_specs", specs, manual)
        _check_arguments(f, args, chosen, leaves, specs, in_specs, over)
        avals = [part_aval(aval_of(x), s, over, check_vma)
                 for x, s in zip(leaves, specs, strict=True)]
        with in_scope(over, manual, check_vma):
            staged = stage_function(function, in_tree, avals, "shard_map")
            out = staged.output()
            results = _flat_specs("out_specs", out_specs, out)
            _check_specs("out_specs", results, manual)
            closed = _varying_as_split(staged.closed, tuple(results)) if check_vma \
                else staged.closed
        _check_results(f, out, closed.out_avals, results, out_specs, over)
        if check_vma:
            _check_replication(f, closed.out_avals, results, out_specs, out, over, manual)
        outs = shard_map_p.bind(
            *staged.consts, *leaves, jaxpr=closed, mesh=over,
            in_specs=(*(PartitionSpec() for _ in staged.consts), *specs),
            out_specs=tuple(results), check_vma=check_vma, newly_manual_axes=manual)
        return staged.out_tree.unflatten(outs)
    return mapped


def smap(f: Any = None, /, *, in_axes: Any = Infer, out_axes: Any, axis_name: Any) -> Any:
    """`shard_map` over one axis of the mesh in scope, with axes given as for `vmap`.

    Args:
      in_axes, out_axes: which axis of each array is split: an int, None, or a pytree prefix.
      axis_name: the mesh axis.

    Raises TypeError unless `axis_name` is one name and the axes are ints or None.

    Example:
      >>> mesh = arrax.make_mesh((1,), ("i",), (arrax.sharding.AxisType.Auto,))
      >>> with arrax.set_mesh(mesh):
      ...     smap(lambda x: x + lax.axis_index("i"), in_axes=0, out_axes=0, axis_name="i")(
      ...         jnp.arange(2))
      Array([0, 1], dtype=int32)
    """
    if f is None:
        return functools.partial(smap, in_axes=in_axes, out_axes=out_axes, axis_name=axis_name)
    if isinstance(axis_name, (list, tuple)):
        raise TypeError(f"smap axis_name should be a `str` or a `Hashable`, but got {axis_name}")

    def spec(axis: Any) -> Any:
        if axis is None:
            return PartitionSpec()
        if isinstance(axis, bool) or not hasattr(axis, "__index__"):
            raise TypeError(f"smap in_axes and out_axes must be ints or None, got {axis!r}")
        if axis < 0:
            raise ValueError(f"smap in_axes and out_axes must not be negative, got {axis}")
        return PartitionSpec(*[None] * int(axis), axis_name)

    def specs(axes: Any) -> Any:
        return pytree.tree_map(spec, axes, is_leaf=lambda a: a is None)
    return shard_map(f, out_specs=specs(out_axes), axis_names=frozenset({axis_name}),
                     in_specs=Infer if in_axes is Infer else specs(in_axes))


# ---- meshes and specs ----------------------------------------------------------------------------

def _checked_mesh(given: Any) -> Any:
    """The mesh to map over: the one given, or the one in scope, which must be alike."""
    scope = current_mesh()
    if given is None:
        if scope.empty:
            raise ValueError("The context mesh cannot be empty. Use `jax.set_mesh(mesh)` to enter "
                             "into a mesh context")
        return scope
    if not scope.empty:
        mine = given if isinstance(given, AbstractMesh) else given.abstract_mesh
        theirs = scope if isinstance(scope, AbstractMesh) else scope.abstract_mesh
        if mine != theirs:
            raise ValueError(f"The context mesh {theirs} should match the mesh passed to shard_map "
                             f"{given}")
        if isinstance(given, AbstractMesh):
            return scope
    return given


def _manual_names(mesh: Any, wanted: frozenset[Any]) -> frozenset[Any]:
    if not wanted <= frozenset(mesh.axis_names):
        raise ValueError(f"jax.shard_map requires axis_names={wanted} to be a subset of "
                         f"mesh.axis_names={frozenset(mesh.axis_names)}")
    taken = frozenset(n for n, kind in zip(mesh.axis_names, mesh.axis_types, strict=True)
                      if kind is AxisType.Manual)
    if wanted & taken:
        raise ValueError(f"shard_map: the axes {sorted(wanted & taken, key=str)} are those of a "
                         "shard_map around this one")
    return wanted or frozenset(mesh.axis_names) - taken


def _is_spec(value: Any) -> bool:
    return value is None or isinstance(value, PartitionSpec)


def _flat_specs(what: str, specs: Any, tree: Any) -> list[Any]:
    """The spec of each leaf of `tree`, None where `in_specs` has it."""
    is_leaf = _is_spec if what == "in_specs" else lambda s: isinstance(s, PartitionSpec)
    for path, leaf in pytree.tree_flatten_with_path(specs, is_leaf)[0]:
        if not _is_spec(leaf):
            raise TypeError(
                f"shard_map {what} argument must be a pytree of `jax.sharding.PartitionSpec` "
                f"instances, but:\n\n  {what}{pytree.keystr(path)} is {leaf} of type "
                f"{type(leaf).__name__}, \n\nCheck the {what} values passed to shard_map.")
    try:
        return pytree.broadcast_prefix(specs, tree, is_leaf)
    except ValueError:
        raise prefix_errors(specs, tree, is_leaf)[0](f"shard_map {what}") from None


def _with_fixed(f: Any, in_tree: Any, leaves: Sequence[Any], specs: Sequence[Any],
                ) -> tuple[Any, Any]:
    """`f` as a function of the arguments that have specs, and their tree."""
    @functools.wraps(f)
    def function(*dynamic: Any) -> Any:
        rest = iter(dynamic)
        return f(*in_tree.unflatten([x if s is None else next(rest)
                                     for x, s in zip(leaves, specs, strict=True)]))
    count = sum(s is not None for s in specs)
    return function, pytree.tree_structure((0,) * count)


def _inferred(leaves: Sequence[Any], mesh: Any, manual: frozenset[Any]) -> list[Any]:
    """How arguments are split already."""
    kinds = [t for n, t in zip(mesh.axis_names, mesh.axis_types, strict=True) if n in manual]
    if any(kind is not AxisType.Explicit for kind in kinds):
        raise TypeError(
            "shard_map in_specs argument must be a pytree of `jax.sharding.PartitionSpec` "
            f"instances, but it was `None` when axis_names={manual} are of type "
            f"{', '.join(map(str, kinds))}")
    out = []
    for leaf in leaves:
        placed = getattr(leaf, "placement", None)
        out.append(placed.spec if isinstance(placed, NamedSharding) else PartitionSpec())
    return out


def _check_specs(what: str, specs: Sequence[Any], manual: frozenset[Any]) -> None:
    for spec in specs:
        names = [n for part in spec_names(spec, len(spec)) for n in part]
        unknown = [n for n in names if n not in manual]
        if unknown:
            raise ValueError(
                f"shard_map {what} argument must refer to an axis marked as manual ({manual}), "
                f"but:\n\n  {what} refers to {', '.join(map(repr, unknown))}\n\nCheck the {what} "
                "values passed to shard_map.")
        twice = sorted({n for n in names if names.count(n) > 1}, key=str)
        if twice:
            raise DuplicateSpecError(
                "A single NamedSharding spec specification can map every mesh axis to at most one "
                f"positional dimension, but {spec} has duplicate entries for `{twice[0]}`")


# ---- shapes --------------------------------------------------------------------------------------

def _places(what: str, specs: Any, tree: Any) -> list[tuple[str, str]]:
    """For each leaf of `tree`: where its spec stands, and the leaf's path."""
    is_leaf = _is_spec if what == "in_specs" else lambda s: isinstance(s, PartitionSpec)
    if specs is Infer:
        heads = [what] * pytree.tree_structure(tree).num_leaves
    else:
        named = pytree.tree_map_with_path(
            lambda path, _: what + pytree.keystr(path), specs, is_leaf=is_leaf)
        heads = pytree.broadcast_prefix(named, tree)
    paths = [pytree.keystr(path) for path, _ in pytree.tree_flatten_with_path(tree)[0]]
    return list(zip(heads, paths, strict=True))


def _bound_to(f: Any, position: int) -> str:
    """", where args[0] is bound to f's parameter 'x',"."""
    signature = calls.signature_of(f)
    names = [p for p in signature.parameters.values()
             if p.kind is not inspect.Parameter.KEYWORD_ONLY] if signature else []
    if position < len(names) and names[position].kind is not inspect.Parameter.VAR_POSITIONAL:
        return (f", where args[{position}] is bound to {calls.function_name(f)}'s parameter "
                f"'{names[position].name}',")
    return ""


def _check_arguments(f: Any, args: Any, chosen: Sequence[Any], leaves: Sequence[Any],
                     specs: Sequence[Any], in_specs: Any, mesh: Any) -> None:
    name = calls.function_name(f)
    places = [i for i, s in enumerate(chosen) if s is not None]
    for i, leaf, spec in zip(places, leaves, specs, strict=True):
        aval = aval_of(leaf)
        if len(spec) > aval.ndim:
            where, path = _places("in_specs", in_specs, args)[i]
            position = int(path[1:path.index("]")])
            raise ValueError(
                f"shard_map applied to the function '{name}' was given an in_specs entry which is "
                "too long to be compatible with the corresponding input value from the function:"
                f"\n\n{where} is {spec} which has length {len(spec)}, but the passed args{path}"
                f"{_bound_to(f, position)} has shape {aval.str_short()}, which has rank "
                f"{aval.ndim} (and {aval.ndim} < {len(spec)})\n\nEntries in in_specs must be of "
                "length no greater than the number of axes in the corresponding input value.\n\n"
                f"Either revise the spec to be shorter, or modify '{name}' so that its inputs have "
                "sufficient rank.\n\nFor scalar values (rank 0), consider using an in_specs entry "
                "of `P()`, where `P = jax.sharding.PartitionSpec`.")
        for dim, (size, axes) in enumerate(zip(aval.shape, spec_names(spec, aval.ndim),
                                               strict=True)):
            count = math.prod(mesh.shape[n] for n in axes)
            if size % count:
                where, path = _places("in_specs", in_specs, args)[i]
                position = int(path[1:path.index("]")])
                axes_text = f"axis '{axes[0]}' (of size {count})" if len(axes) == 1 else \
                    f"axes {axes} (of total size {count})"
                raise ValueError(
                    f"shard_map applied to the function '{name}' was given argument arrays with "
                    "axis sizes that are not evenly divisible by the corresponding mesh axis sizes:"
                    f"\n\nThe mesh given has shape {tuple(mesh.axis_sizes)} with corresponding "
                    f"axis names {tuple(mesh.axis_names)}.\n\nthe passed args{path} of shape "
                    f"{aval.str_short()}{_bound_to(f, position)} corresponds to {where} of value "
                    f"{spec}, which maps array axis {dim} (of size {size}) to mesh {axes_text}, "
                    f"but {count} does not evenly divide {size}\n\nArray arguments' axis sizes "
                    "must be evenly divisible by the mesh axis or axes indicated by the "
                    "corresponding elements of the argument's in_specs entry. Consider checking "
                    "that in_specs are correct, and if so consider changing the mesh axis sizes or "
                    f"else padding the input and adapting '{name}' appropriately.")


def _check_results(f: Any, out: Any, avals: Sequence[Any], specs: Sequence[Any], out_specs: Any,
                   mesh: Any) -> None:
    name = calls.function_name(f)
    for i, (aval, spec) in enumerate(zip(avals, specs, strict=True)):
        if len(spec) > aval.ndim:
            where, path = _places("out_specs", out_specs, out)[i]
            raise ValueError(
                f"shard_map applied to the function '{name}' was given an out_specs entry which is "
                "too long to be compatible with the corresponding output value from the function:"
                f"\n\n{where} is {spec} which has length {len(spec)}, but {name}(*args){path} has "
                f"shape {aval.update(vma=frozenset()).str_short()}, which has rank {aval.ndim} "
                f"(and {aval.ndim} < {len(spec)})\n\nEntries in out_specs must be of length no "
                "greater than the number of axes in the corresponding output value.\n\nEither "
                f"revise the spec to be shorter, or modify '{name}' so that its outputs have "
                "sufficient rank.\n\nFor scalar values (rank 0), consider using an out_specs entry "
                "of `P()`, where `P = jax.sharding.PartitionSpec`. In particular, for rank 0 "
                "outputs which are not constant over the mesh, add at least one (singleton) axis "
                "to them so that they can be concatenated using out_specs.")


# ---- types ---------------------------------------------------------------------------------------

@memoize_on_jaxpr
def _varying_as_split(closed: ClosedJaxpr, specs: tuple[Any, ...]) -> ClosedJaxpr:
    """The program with results that vary over all axes that their specs split them over."""
    wanted = [frozenset(n for part in spec_names(s, len(s)) for n in part) for s in specs]
    checked = frozenset(checked_axes())
    if all(w & checked <= a.vma for w, a in zip(wanted, closed.out_avals, strict=True)):
        return closed

    def program(*args: Any) -> list[Any]:
        outs = eval_jaxpr(closed.jaxpr, closed.consts, *args)
        return [vary(o, names) for o, names in zip(outs, wanted, strict=True)]
    return trace_to_jaxpr(program, closed.in_avals, closed.jaxpr.debug_info)


def _check_replication(f: Any, avals: Sequence[Any], specs: Sequence[Any], out_specs: Any,
                       out: Any, mesh: Any, manual: frozenset[Any]) -> None:
    def text(names: Any) -> str:
        return "{" + ",".join(str(n) for n in mesh.axis_names if n in names) + "}"
    problems = []
    for i, (aval, spec) in enumerate(zip(avals, specs, strict=True)):
        used = {n for part in spec_names(spec, len(spec)) for n in part}
        if aval.vma & manual <= used:
            continue
        where = _places("out_specs", out_specs, out)[i][0]
        problems.append(
            f"{where} is {spec} which implies that the corresponding output value is only varying "
            f"across mesh axes {text(used)} and not {text(manual - used)}, but it was inferred to "
            f"be possibly varying over {text(aval.vma & manual)}")
    if problems:
        raise ValueError(
            f"shard_map applied to the function '{calls.function_name(f)}' was given out_specs "
            "which require replication which can't be statically inferred given the mesh:\n\nThe "
            f"mesh given has shape {tuple(mesh.axis_sizes)} with corresponding axis names "
            f"{tuple(mesh.axis_names)}.\n\n" + "\n\n".join(problems) + "\n\nCheck if these output "
            "values are meant to be replicated over those mesh axes. If not, consider revising the "
            "corresponding out_specs entries. If so, consider disabling the check by passing the "
            "check_vma=False argument to `jax.shard_map`.")
