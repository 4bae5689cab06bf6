"""Where results of a program should lie: sharding constraints; and values that must be kept."""
from __future__ import annotations

from typing import Any

import numpy as np

from arrax.core.array import array_of, with_aval
from arrax.core.device import Mesh, NamedSharding, PartitionSpec, Sharding
from arrax.core.effects import Effect
from arrax.core.primitive import NotApplicable, Primitive
from arrax.core.pytree import broadcast_prefix, tree_flatten, tree_unflatten
from arrax.core.lowering import Elementwise, Expand
from arrax.ops.arguments import operand
from arrax.ops.rules import linear_jvp, transpose_unary

# ---- sharding constraints ------------------------------------------------------------------------

_no_mesh = Mesh(np.empty((), object), ())


def _execute(x: Any, *, sharding: Any, **_: Any) -> Any:
    array = array_of(x)
    return with_aval(array._value(), array.aval, sharding)


def _batch(axis: Any, operands: Any, dims: Any, *, sharding: Any, **params: Any) -> Any:
    """The batch axis is not split."""
    (dim,) = dims
    if isinstance(sharding, NamedSharding) and len(sharding.spec) >= dim:
        spec = list(sharding.spec)
        spec.insert(dim, axis.spmd_name)
        sharding = NamedSharding(sharding.mesh, PartitionSpec(*spec))
    return sharding_constraint_p.bind(*operands, sharding=sharding, **params), dim


sharding_constraint_p: Primitive = Primitive(
    "sharding_constraint", type_rule=lambda x, **_: x, evaluate=lambda x, **_: x, execute=_execute,
    jvp=linear_jvp(),
    transpose=transpose_unary(lambda ct, x, **ps: sharding_constraint_p.bind(ct, **ps)),
    batch=_batch, lower=Elementwise(lambda b, x: x, 0), stablehlo=lambda b, x, **_: x)


def _checked(x: Any, sharding: Any) -> Any:
    if sharding is None:
        raise ValueError("One of with_sharding_constraint arguments got sharding None which is not "
                         "allowed. Please only pass `jax.sharding.Sharding` instances.")
    if isinstance(sharding, PartitionSpec):
        raise RuntimeError("with_sharding_constraint requires a non-empty mesh in context if you "
                           "are passing `PartitionSpec`s to shardings. Provide `Sharding`s to "
                           f"shardings instead, got {sharding}.")
    if not isinstance(sharding, Sharding):
        raise TypeError("with_sharding_constraint requires shardings, got "
                        f"{sharding!r} of type {type(sharding)}")
    problem = None
    if isinstance(sharding, NamedSharding):
        if len(sharding.spec) > x.ndim:
            problem = (f"it is only valid for values of rank at least {len(sharding.spec)}, but "
                       f"was applied to a value of rank {x.ndim}")
        elif any(size % parts for size, parts in zip(x.shape, sharding.parts(x.ndim))):
            problem = f"its parts do not divide the shape {x.shape} evenly"
    if problem:
        raise ValueError("One of with_sharding_constraint arguments is incompatible with its "
                         f"sharding annotation {sharding}: {problem}")
    return sharding


def with_sharding_constraint(x: Any, shardings: Any) -> Any:
    """The arrays of a pytree, laid out by `shardings`, inside of a program too.

    Args:
      x: pytree of arrays.
      shardings: a Sharding, or a pytree prefix of them.

    Raises:
      ValueError: a sharding that does not fit the shape of its array, or None.
      RuntimeError: a PartitionSpec, for there is no mesh in context that it could refer to.
    """
    leaves, tree = tree_flatten(x)
    if isinstance(shardings, (Sharding, PartitionSpec)) or shardings is None:
        targets = [shardings] * len(leaves)
    else:
        targets = broadcast_prefix(shardings, x, is_leaf=lambda s: s is None)
    values = [operand(leaf, "with_sharding_constraint", i) for i, leaf in enumerate(leaves)]
    return tree_unflatten(tree, [
        sharding_constraint_p.bind(v, sharding=_checked(v, t), layout=None, context_mesh=_no_mesh,
                                   unconstrained_dims=frozenset())
        for v, t in zip(values, targets, strict=True)])


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
