"""`symbolic_shape`, `symbolic_args_specs`: symbolic shapes from their specifications."""
from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from arrax.core import pytree
from arrax.core.dimension import is_symbolic
from arrax.export.parsing import parse_shape
from arrax.export.scopes import SymbolicScope
from arrax.transforms.calls import shaped
from arrax.transforms.stages import ShapeDtypeStruct


def is_symbolic_dim(p: Any) -> bool:
    """Whether a dimension is symbolic.

    Args:
      p: a dimension, as `x.shape` holds it.

    Example:
      >>> a, = export.symbolic_shape("2*a")
      >>> export.is_symbolic_dim(a), export.is_symbolic_dim(2)
      (True, False)
    """
    return is_symbolic(p)


def symbolic_shape(shape_spec: str | None, *, constraints: Sequence[str] = (),
                   scope: SymbolicScope | None = None,
                   like: Sequence[int | None] | None = None) -> Sequence[Any]:
    """A shape with symbolic dimensions, from text.

    Args:
      shape_spec: dimensions separated by commas, in parentheses or not. A dimension is an integer,
        a name (an unknown integer of at least 1), an expression of names with `+ - * ^`,
        `mod(a, b)`, `floordiv(a, b)`, `max(a, b)` and `min(a, b)`, or `_`, the dimension of `like`
        at its position. `...` at the end stands for the other dimensions of `like`. None is `...`.
      constraints: what holds between names, as `"a >= 2"`; see `SymbolicScope`.
      scope: the scope of the names; without it, a new one with `constraints`.
      like: the shape that placeholders are taken from.

    Returns:
      A tuple of ints and symbolic dimensions.

    Raises:
      ValueError: text that is no shape; placeholders without `like`; both scope and constraints.

    Example:
      >>> export.symbolic_shape("b, 2*b + 1, _", like=(4, 9, 3))
      (b, 2*b + 1, 3)
    """
    if scope is not None and constraints:
        raise ValueError("Cannot use both `scope` and `constraints` in symbolic_shape")
    if not isinstance(shape_spec, (str, type(None))):
        raise ValueError("polymorphic shape spec should be None or a string, got "
                         f"{shape_spec!r}")
    return parse_shape("..." if shape_spec is None else shape_spec, like,
                       SymbolicScope(constraints) if scope is None else scope)


def symbolic_args_specs(args: Any, shapes_specs: Any, constraints: Sequence[str] = (),
                        scope: SymbolicScope | None = None) -> Any:
    """Arguments for `export` with symbolic shapes.

    Args:
      args: a pytree of arrays, or of anything with shape and dtype.
      shapes_specs: shape specifications (as of `symbolic_shape`, or None) for the arguments: a
        pytree that is a prefix of `args`.
      constraints, scope: as of `symbolic_shape`; all specifications have one scope.

    Returns:
      The pytree of `args` with `ShapeDtypeStruct`s for leaves.

    Raises:
      ValueError: `shapes_specs` is no prefix of `args`, or as of `symbolic_shape`.

    Example:
      >>> export.symbolic_args_specs((np.ones((4, 3)),), "b, _")
      (ShapeDtypeStruct(shape=(b, 3), dtype=float32),)
    """
    if scope is not None and constraints:
        raise ValueError("Cannot use both `scope` and `constraints` in symbolic_args_specs")
    scope = SymbolicScope(constraints) if scope is None else scope
    leaves, tree = pytree.tree_flatten(args)
    if not isinstance(shapes_specs, (tuple, list, dict)):
        specs: list[Any] = [shapes_specs] * len(leaves)
    else:
        specs = pytree.broadcast_prefix(shapes_specs, args, is_leaf=lambda spec: spec is None)
    avals = [shaped(leaf) for leaf in leaves]
    return tree.unflatten([
        ShapeDtypeStruct(symbolic_shape(spec, scope=scope, like=aval.shape), aval.dtype)
        for spec, aval in zip(specs, avals, strict=True)])
