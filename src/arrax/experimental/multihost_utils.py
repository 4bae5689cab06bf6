"""`arrax.experimental.multihost_utils`: what several processes do together; here there is one."""
from __future__ import annotations

from typing import Any

import numpy as np

from arrax.core import pytree
from arrax.core.lazy import listing as _listing
from arrax.core.mesh import Mesh
from arrax.core.shardings import NamedSharding, PartitionSpec
from arrax.transforms.api_placement import device_put
from arrax.transforms.api_vmap import flat_axes

__all__ = ["assert_equal", "broadcast_one_to_all", "global_array_to_host_local_array",
           "host_local_array_to_global_array", "process_allgather",
           "reached_preemption_sync_point", "sync_global_devices"]


def sync_global_devices(name: str) -> None:
    """Wait until all processes are here: at once."""
    if not isinstance(name, str):
        raise TypeError(f"sync_global_devices: expected a name, got {name!r}")


def broadcast_one_to_all(in_tree: Any, is_source: bool | None = None) -> Any:
    """The values of process 0 as NumPy arrays.

    Raises ValueError if this process, the only one, says that it is no source.
    """
    if is_source is False:
        raise ValueError("broadcast_one_to_all: the only process must be the source")
    return pytree.tree_map(np.asarray, in_tree)


def process_allgather(in_tree: Any, tiled: bool = False) -> Any:
    """The values of all processes as NumPy arrays, along a new leading axis; or, if `tiled`,
    joined along the first."""
    return pytree.tree_map(lambda x: np.asarray(x) if tiled else np.asarray(x)[None], in_tree)


def assert_equal(in_tree: Any, fail_message: str = "") -> None:
    """Check that all processes have the same values; one has. Raises TypeError for leaves that
    are no arrays."""
    for leaf in pytree.tree_leaves(in_tree):
        if np.asarray(leaf).dtype == object:
            raise TypeError(f"{fail_message}: {leaf!r} is not an array")


def reached_preemption_sync_point(step_id: int) -> bool:
    """Whether all processes should save their state now: never."""
    return False


def host_local_array_to_global_array(local_inputs: Any, global_mesh: Mesh, pspecs: Any) -> Any:
    """Arrays laid out over a mesh, of the parts that processes hold: all is held here.

    Args:
      pspecs: a PartitionSpec, or a pytree prefix of them.
    """
    leaves, tree = pytree.tree_flatten(local_inputs)
    specs = [pspecs] * len(leaves) if isinstance(pspecs, PartitionSpec) else flat_axes(
        "pspecs", pspecs, local_inputs)
    return tree.unflatten(device_put(x, NamedSharding(global_mesh, spec))
                          for x, spec in zip(leaves, specs, strict=True))


def global_array_to_host_local_array(global_inputs: Any, global_mesh: Mesh, pspecs: Any) -> Any:
    """The part of each array that this process holds: all of it.

    Args:
      pspecs: a PartitionSpec, or a pytree prefix of them.
    """
    return host_local_array_to_global_array(global_inputs, global_mesh, pspecs)

__dir__ = _listing(__name__)
