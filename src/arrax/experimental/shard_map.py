"""`arrax.experimental.shard_map`: `shard_map` with the keywords it had first."""
from __future__ import annotations

from collections.abc import Callable
from typing import Any

from arrax.core.lazy import listing as _listing
from arrax.core.mesh import AbstractMesh, Mesh
from arrax.transforms.api_shard_map import shard_map as _shard_map

__all__ = ["shard_map"]
__dir__ = _listing(__name__)


def shard_map(f: Callable[..., Any], mesh: Mesh | AbstractMesh, in_specs: Any, out_specs: Any,
              check_rep: bool = True) -> Callable[..., Any]:
    """`arrax.shard_map`, with `check_rep` for `check_vma`."""
    return _shard_map(  # type: ignore[no-any-return]
        f, mesh=mesh, in_specs=in_specs, out_specs=out_specs, check_vma=check_rep)
