"""`arrax.experimental.pjit`: `jit` under its former name, and within `with mesh:`."""
from __future__ import annotations

from collections.abc import Callable
from typing import Any

from arrax.core import pytree
from arrax.core.lazy import listing as _listing
from arrax.core.mesh import current_mesh, entered_mesh
from arrax.core.shardings import NamedSharding, PartitionSpec
from arrax.transforms.jit import jit

__all__ = ["pjit"]
__dir__ = _listing(__name__)


def pjit(fun: Callable[..., Any], in_shardings: Any = None, out_shardings: Any = None,
         **options: Any) -> Any:
    """`arrax.jit(fun, ...)`; `PartitionSpec`s are also those of the mesh of a `with mesh:` block,
    which `jit` does not look at.

    Args:
      fun: the function.
      in_shardings, out_shardings: shardings, PartitionSpecs, None, or pytrees of these.
      **options: as for `jit`.

    Example:
      >>> pjit(lambda x: 2 * x)(jnp.ones(2))
      Array([2., 2.], dtype=float32)
    """
    mesh = entered_mesh.value

    def named(leaf: Any) -> Any:
        return NamedSharding(mesh, leaf) if isinstance(leaf, PartitionSpec) else leaf

    def resolved(tree: Any) -> Any:
        if mesh.empty or not current_mesh().empty:
            return tree
        return pytree.tree_map(named, tree, is_leaf=lambda x: x is None or isinstance(
            x, PartitionSpec))
    return jit(fun, in_shardings=resolved(in_shardings), out_shardings=resolved(out_shardings),
               **options)
