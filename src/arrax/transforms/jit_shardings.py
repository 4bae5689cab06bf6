"""`in_shardings` and `out_shardings` of `jit`: read, checked against a call, and placed.

What a call is asked for, the placements of its arguments and the constraints inside decide where
results are (`core/spread.py`). A call of which nobody says anything has no part in this.
"""
from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from arrax.core import pytree, spread
from arrax.core.array import ArrayImpl, placed_array
from arrax.core.caching import memoize_on_jaxpr
from arrax.core.device import Device
from arrax.core.jaxpr import ClosedJaxpr
from arrax.core.mesh import Mesh, current_mesh, entered_mesh
from arrax.core.shardings import (NamedSharding, PartitionSpec, Sharding, placement_devices,
                                  placement_of, placement_sharding)
from arrax.core.tree_errors import prefix_errors
from arrax.ops.constraints import sharding_constraint_p


class ShardingTree:
    """A pytree of shardings (leaves: a Sharding, a PartitionSpec, a Format's sharding, or None),
    equal to another one with equal leaves."""

    __slots__ = ("tree", "key")

    def __init__(self, what: str, tree: Any):
        for leaf in pytree.tree_leaves(tree, is_leaf=_is_leaf):
            if not _is_leaf(leaf) and not hasattr(leaf, "sharding"):
                raise TypeError(f"{what} leaf specifications are expected to be PartitionSpec "
                                f"instances or None, but got {leaf}")
            if isinstance(leaf, PartitionSpec):
                NamedSharding(_mesh_of_spec(what), leaf)
        self.tree = tree
        leaves, structure = pytree.tree_flatten(tree, is_leaf=_is_leaf)
        self.key = tuple(leaves), structure, current_mesh()

    def __hash__(self) -> int:
        return hash(self.key)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, ShardingTree) and self.key == other.key


class PytreeLeaf:
    """Stands for a result in messages."""


def _is_leaf(value: Any) -> bool:
    return value is None or isinstance(value, (Sharding, PartitionSpec, Device))


def _mesh_of_spec(what: str) -> Any:
    mesh = current_mesh()
    if mesh.empty and what == "with_sharding_constraint":
        mesh = entered_mesh.value
    if mesh.empty:
        raise RuntimeError(
            f"jit requires a non-empty mesh in context if you are passing `PartitionSpec`s to "
            f"{what}. You can define a context mesh via `jax.set_mesh(mesh)`. Alternatively, "
            f"provide `Sharding`s to {what} and then the mesh context manager is not required.")
    return mesh


def read(what: str, tree: Any) -> ShardingTree | None:
    """The argument of `jit`; None where it says nothing."""
    if not pytree.tree_leaves(tree):
        return None
    return ShardingTree(what, tree)


def _placement(what: str, leaf: Any) -> Any:
    if isinstance(leaf, PartitionSpec):
        leaf = NamedSharding(_mesh_of_spec(what), leaf)
    elif leaf is not None and not isinstance(leaf, (Sharding, Device)):
        leaf = leaf.sharding  # of a Format
    return None if leaf is None else placement_of(leaf)


def _spread_over(what: str, shardings: ShardingTree, tree: Any) -> list[Any]:
    """The placement asked for each leaf of `tree`."""
    try:
        flat = pytree.broadcast_prefix(shardings.tree, tree, is_leaf=_is_leaf)
    except ValueError:
        if what == "in_shardings" and isinstance(shardings.tree, (tuple, list)) and \
                len(shardings.tree) != len(tree):
            raise ValueError(
                f"pjit {what} specification must be a tree prefix of the positional arguments "
                f"tuple. In particular, pjit {what} must either be a Sharding, a PartitionSpec, or "
                "a tuple of length equal to the number of positional arguments. But pjit "
                f"{what} is the wrong length: got a tuple or list of length {len(shardings.tree)} "
                f"for an args tuple of length {len(tree)}.") from None
        errors = prefix_errors(shardings.tree, tree, _is_leaf)
        details = "\n".join(str(e(f"pjit {what}")) for e in errors)
        raise ValueError(f"Mismatch details ({len(errors)} found):\n{details}") from None
    return [_placement(what, leaf) for leaf in flat]


def asked_inputs(shardings: ShardingTree | None, args: Any, kwargs: Any) -> tuple[Any, ...] | None:
    """The placement that each argument of a call is asked to have."""
    if shardings is None:
        return None
    if kwargs:
        raise ValueError("pjit does not support kwargs when in_shardings is specified.")
    return tuple(_spread_over("in_shardings", shardings, tuple(args)))


def asked_outputs(shardings: ShardingTree | None, out_tree: Any, avals: Sequence[Any],
                  ) -> tuple[Any, ...] | None:
    """The placement that each result is asked to have."""
    if shardings is None:
        return None
    tree = out_tree.unflatten([PytreeLeaf()] * out_tree.num_leaves)
    placements = tuple(_spread_over("out_shardings", shardings, tree))
    _check_shapes("pjit outputs", tree, avals, placements, "result")
    return placements


def _check_shapes(what: str, tree: Any, avals: Sequence[Any], placements: Sequence[Any],
                  root: str) -> None:
    for i, (aval, placement) in enumerate(zip(avals, placements, strict=True)):
        if not isinstance(placement, NamedSharding):
            continue
        try:
            placement.check_compatible_aval(aval.shape)
        except ValueError as error:
            path = pytree.keystr(pytree.tree_flatten_with_path(tree)[0][i][0])
            raise ValueError(f"One of {what} with pytree key path {root}{path} is incompatible "
                             f"with its sharding annotation {placement}: {error}") from None
        placement.shard_shape(aval.shape)


def check_inputs(asked: Sequence[Any] | None, leaves: Sequence[Any], avals: Sequence[Any],
                 args: Any) -> None:
    """ValueError for arguments that cannot be, or explicitly are not, where they are asked to be.
    """
    if asked is None:
        return
    _check_shapes("pjit arguments", args, avals, asked, "args")
    for leaf, aval, placement in zip(leaves, avals, asked, strict=True):
        own = getattr(leaf, "placement", None) if isinstance(leaf, ArrayImpl) else None
        if own is None or placement is None or own is placement:
            continue
        if placement_devices(own) != placement_devices(placement):
            continue  # `place` says so
        mine, wanted = placement_sharding(own), placement_sharding(placement)
        if not mine.is_equivalent_to(wanted, aval.ndim):
            raise ValueError(
                "Sharding passed to jit does not match the sharding on the respective arg. Got jit "
                f"sharding: {wanted},\narg sharding: {mine} for arg type: {aval.str_short()}")


@memoize_on_jaxpr
def used_inputs(closed: ClosedJaxpr) -> list[bool]:
    """Which inputs a program uses: where the others are does not matter."""
    used = {id(v) for eqn in closed.eqns for v in eqn.invars}
    used.update(id(v) for v in closed.jaxpr.outvars)
    return [id(v) in used for v in closed.jaxpr.invars]


def placements_of_call(program: Any, leaves: Sequence[Any], names: Callable[[int], str],
                       ) -> list[Any] | None:
    """Where the results of a call are; None where nobody says anything of places."""
    mesh = current_mesh()
    placed = [leaf.placement if type(leaf) is ArrayImpl else None for leaf in leaves]
    used = used_inputs(program.closed)
    placed = [p if u else None for p, u in zip(placed, used, strict=True)]
    if program.asked_in is not None:
        placed = [p if p is not None else a
                  for p, a in zip(placed, program.asked_in, strict=True)]
    constraints = spread.constraints_in(program.closed)
    said = [*placed, *constraints, *(program.asked_out or ())]
    in_mesh = isinstance(mesh, Mesh) and not mesh.empty
    if not in_mesh and not any(p is not None for p in said):
        return None

    def describe(i: int) -> str:
        aval = program.closed.in_avals[i].update(sharding=None)
        return f"argument {names(i)} of {program.name} with shape {aval.str_short()}"
    return spread.program_placements(program.closed, placed, describe, program.asked_out,
                                     constraints, mesh)


class Placed:
    """An executable whose results are said to be at `placements`."""

    __slots__ = ("executable", "placements")

    def __init__(self, executable: Any, placements: Sequence[Any]):
        self.executable, self.placements = executable, placements

    def __call__(self, arrays: list[Any]) -> list[Any]:
        return [placed_array(o.data, o.aval, p) for o, p in
                zip(self.executable(arrays), self.placements, strict=True)]


def constrained(values: Sequence[Any], asked: Sequence[Any] | None) -> list[Any]:
    """Values in a program that is being traced, with constraints where they were asked for."""
    if asked is None:
        return list(values)
    return [v if p is None else sharding_constraint_p.bind(
        v, sharding=placement_sharding(p), layout=None, context_mesh=current_mesh().abstract_mesh,
        unconstrained_dims=frozenset()) for v, p in zip(values, asked, strict=True)]
