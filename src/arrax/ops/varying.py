"""How values vary over the axes of a checked `shard_map`: `pvary`, `pcast`, and types by rule.

Inside, the type of a value says along which mesh axes devices may hold different ones
(`ShapedArray.vma`). An operation wants operands that vary alike; where a trace records one whose
operands do not, `pvary` makes them. It changes no value. Its transpose is a sum over devices, and
so the gradient of a value that all devices share adds up what each of them contributes.
"""
from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from arrax.core import pytree
from arrax.core.aval import INVARIANT, aval_of
from arrax.core.axis_env import checked_axes, current_axes
from arrax.core.lowering import Elementwise
from arrax.core.primitive import BY_TYPES, Primitive
from arrax.ops.p import psum_invariant_p
from arrax.ops.rules import linear_jvp, transpose_unary


def _type(x: Any, *, axes: Sequence[Any]) -> Any:
    return x.update(vma=x.vma | (frozenset(axes) & frozenset(checked_axes())))


def _batch(axis: Any, operands: Any, dims: Any, *, axes: Sequence[Any]) -> Any:
    """Along its own axis, every instance has the value already."""
    rest = tuple(name for name in axes if name != axis.name)
    return (pvary_p.bind(*operands, axes=rest) if rest else operands[0]), dims[0]


pvary_p: Primitive = Primitive(
    "pvary", type_rule=_type, evaluate=lambda x, **_: x, jvp=linear_jvp(),
    transpose=transpose_unary(lambda ct, aval, *, axes: psum_invariant_p.bind(ct, axes=axes)),
    batch=_batch, varying=BY_TYPES, lower=Elementwise(lambda b, x: x, 0),
    stablehlo=lambda b, x, **_: x)


def vary(x: Any, names: Any) -> Any:
    """`x`, varying over the checked axes among `names` too."""
    missing = frozenset(names) - aval_of(x).vma
    axes = tuple(name for name in checked_axes() if name in missing)
    return pvary_p.bind(x, axes=axes) if axes else x


def vary_like(x: Any, aval: Any) -> Any:
    """`x`, varying over the axes that values of type `aval` vary over too."""
    return vary(x, aval.vma) if aval.vma else x


def aligned(primitive: Primitive, args: Sequence[Any], params: dict[str, Any]) -> Sequence[Any]:
    """The operands of an equation that is about to be recorded, varying as it wants them."""
    found = [getattr(aval_of(x), "vma", INVARIANT) for x in args]
    rule: Any = primitive.varying
    wanted = INVARIANT.union(*found, rule(**params)[0] if rule else ())
    return [x if names == wanted else vary(x, wanted)
            for x, names in zip(args, found, strict=True)]


def varying_results(primitive: Primitive, atoms: Sequence[Any], params: dict[str, Any],
                    out: Any) -> Any:
    """The types of an equation's results, with the axes they vary over."""
    rule: Any = primitive.varying
    if rule is BY_TYPES:
        return out
    names = INVARIANT.union(*(getattr(a.aval, "vma", INVARIANT) for a in atoms))
    if rule:
        added, removed = rule(**params)
        names = (names | (frozenset(added) & frozenset(checked_axes()))) - frozenset(removed)
    if primitive.multiple_results:
        return [aval.update(vma=names) for aval in out]
    return out.update(vma=names)


def pcast(x: Any, axis_name: Any, *, to: str) -> Any:
    """The arrays of a pytree, cast to vary over a mesh axis of the `shard_map` around.

    Args:
      x: pytree of arrays that do not vary over it yet.
      axis_name: the name of a mesh axis, or a tuple of names.
      to: "varying".

    Raises TypeError for names of another type, ValueError for arrays that vary over the axis and
    outside of `shard_map`, NotImplementedError for casts to "reduced" and "unreduced".
    """
    if not isinstance(axis_name, (str, tuple)):
        raise TypeError(f"pcast: `axis_name` must be a tuple or a str. Got {axis_name!r}")
    names = axis_name if isinstance(axis_name, tuple) else (axis_name,)
    if to not in ("varying", "reduced", "unreduced"):
        raise ValueError(f"pcast got an unexpected `to` value {to!r}. Allowed `to` values are: "
                         "'varying', 'reduced', 'unreduced'")
    if to != "varying":
        raise NotImplementedError(f"pcast to {to!r}: types tell along which axes values vary, not "
                                  "yet which sums are still to be made")
    in_scope = {axis.name for axis in current_axes()}
    for name in names:
        if name not in in_scope:
            raise ValueError(f"pvary should be called under jax.shard_map that maps over the axis "
                             f"{name!r}; the axes in scope are {sorted(in_scope, key=str)}")
    checked = frozenset(checked_axes()) & frozenset(names)

    def one(leaf: Any) -> Any:
        if aval_of(leaf).vma & checked:
            raise ValueError("Unsupported pcast from=varying, to='varying': the value of type "
                             f"{aval_of(leaf).str_short()} varies over an axis of {names} already")
        return vary(leaf, names)
    return pytree.tree_map(one, x)
