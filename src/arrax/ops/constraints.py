"""Where results of a program should lie: sharding constraints; and values that must be kept."""
from __future__ import annotations

from typing import Any

from arrax.core.mesh import current_mesh, entered_mesh
from arrax.core.shardings import (NamedSharding, PartitionSpec, Sharding, spec_names,
                                  spec_of)
from arrax.core.effects import Effect
from arrax.core.primitive import BY_EXECUTION, NotApplicable, Primitive
from arrax.core.pytree import broadcast_prefix, tree_flatten, tree_unflatten
from arrax.core.lowering import Elementwise, Expand
from arrax.ops.arguments import operand
from arrax.ops.device_put import placed
from arrax.ops.rules import linear_jvp, transpose_unary

# ---- sharding constraints ------------------------------------------------------------------------

def _execute(x: Any, *, sharding: Any, **_: Any) -> Any:
    return placed(x, sharding)


def _batch(axis: Any, operands: Any, dims: Any, *, sharding: Any, **params: Any) -> Any:
    """The batch axis is not split."""
    (dim,) = dims
    if isinstance(sharding, NamedSharding) and len(sharding.spec) >= dim:
        spec = list(sharding.spec)
        spec.insert(dim, axis.spmd_name)
        sharding = NamedSharding(sharding.mesh, PartitionSpec(*spec))
    return sharding_constraint_p.bind(*operands, sharding=sharding, **params), dim


sharding_constraint_p: Primitive = Primitive(
    "sharding_constraint", sharding=BY_EXECUTION, type_rule=lambda x, **_: x,
    evaluate=lambda x, **_: x, execute=_execute, jvp=linear_jvp(),
    transpose=transpose_unary(lambda ct, x, **ps: sharding_constraint_p.bind(ct, **ps)),
    batch=_batch, lower=Elementwise(lambda b, x: x, 0), stablehlo=lambda b, x, **_: x)


def _checked(x: Any, sharding: Any) -> Any:
    if sharding is None:
        raise ValueError("One of with_sharding_constraint arguments got sharding None which is not "
                         "allowed. Please only pass `jax.sharding.Sharding` instances.")
    if isinstance(sharding, PartitionSpec):
        mesh = current_mesh()
        mesh = entered_mesh.value if mesh.empty else mesh
        if mesh.empty:
            raise RuntimeError(
                "with_sharding_constraint requires a non-empty mesh in context if you are passing "
                "`PartitionSpec`s to shardings. You can define a context mesh via "
                "`jax.set_mesh(mesh)`. Alternatively, provide `Sharding`s to shardings and then "
                f"the mesh context manager is not required. Got {sharding}.")
        sharding = NamedSharding(mesh, sharding)
    if not isinstance(sharding, Sharding):
        raise TypeError("with_sharding_constraint requires shardings, got "
                        f"{sharding!r} of type {type(sharding)}")
    if isinstance(sharding, NamedSharding):
        try:
            sharding.check_compatible_aval(x.shape)
        except ValueError as error:
            raise ValueError("One of with_sharding_constraint arguments is incompatible with its "
                             f"sharding annotation {sharding}: {error}") from None
    sharding.shard_shape(x.shape)
    return sharding


def _constrained(x: Any, sharding: Any) -> Any:
    sharding = _checked(x, sharding)
    mesh = getattr(sharding, "mesh", None)
    if mesh is not None and mesh.are_all_axes_explicit and x.aval.located is not None:
        wanted = spec_of(spec_names(sharding.spec, x.ndim))
        if x.aval.located.spec != wanted:
            raise AssertionError(
                "`with_sharding_constraint` acts as an assert when all axes of mesh are of type "
                f"`Explicit`. The array sharding: {x.aval.located.spec} did not match the sharding "
                f"provided: {wanted}. Please use `jax.sharding.reshard` to shard your input to the "
                "sharding you want.")
        return x
    unconstrained = frozenset(i for i, part in enumerate(getattr(sharding, "spec", ()))
                              if part is PartitionSpec.UNCONSTRAINED)
    return sharding_constraint_p.bind(
        x, sharding=sharding, layout=None, context_mesh=current_mesh().abstract_mesh,
        unconstrained_dims=unconstrained)


def with_sharding_constraint(x: Any, shardings: Any) -> Any:
    """The arrays of a pytree, laid out by `shardings`, inside of a program too.

    Args:
      x: pytree of arrays.
      shardings: a Sharding, a PartitionSpec (of the mesh in scope), or a pytree prefix of them.

    Raises:
      ValueError: a sharding that does not fit the shape of its array, or None.
      RuntimeError: a PartitionSpec, if there is no mesh in scope that it could refer to.
      AssertionError: on explicit mesh axes, an array that is split in another way.
    """
    leaves, tree = tree_flatten(x)
    if isinstance(shardings, (Sharding, PartitionSpec)) or shardings is None:
        targets = [shardings] * len(leaves)
    else:
        targets = broadcast_prefix(shardings, x, is_leaf=lambda s: s is None)
    values = [operand(leaf, "with_sharding_constraint", i) for i, leaf in enumerate(leaves)]
    return tree_unflatten(tree, [
        _constrained(v, t) for v, t in zip(values, targets, strict=True)])


# ---- values that must be kept --------------------------------------------------------------------

_kept = Effect("dce_sink")

dce_sink_p: Primitive = Primitive(
    "dce_sink", multiple_results=True, type_rule=lambda x, **_: [], evaluate=lambda x, **_: [],
    jvp=lambda primals, tangents, **params: (dce_sink_p.bind(*primals, **params), []),
    transpose=NotApplicable("has no results"),
    batch=lambda axis, operands, dims, **params: (dce_sink_p.bind(*operands, **params), []),
    lower=Expand(lambda x, **_: []), effects=frozenset({_kept}), weak_type="rule",
    stablehlo=lambda b, x, **_: [])


def dce_sink(val: Any, *, prevent_mlir_dce: bool = False) -> None:
    """Keep the arrays of a pytree in the traced program, although nothing uses them.

    `prevent_mlir_dce` asks backends that remove dead code of their own to keep them too.
    """
    for i, leaf in enumerate(tree_flatten(val)[0]):
        dce_sink_p.bind(operand(leaf, "dce_sink", i), prevent_mlir_dce=prevent_mlir_dce)
