"""`arrax.experimental.mesh_utils`: arrays of devices for meshes."""
from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from arrax.core.lazy import listing as _listing
from arrax.transforms.api_placement import devices as _devices

__all__ = ["create_device_mesh", "create_hybrid_device_mesh"]


def create_device_mesh(mesh_shape: Sequence[int], devices: Sequence[Any] | None = None, *,
                       contiguous_submeshes: bool = False,
                       allow_split_physical_axes: bool = False) -> np.ndarray:
    """The devices as an array of the given shape, for `Mesh`.

    Args:
      mesh_shape: sizes of the axes; their product is the number of devices.
      devices: all of the default platform if None.
      contiguous_submeshes, allow_split_physical_axes: for tori of TPUs; devices of other platforms
        have no neighbours, so both choices give the same.

    Raises ValueError if the number of devices is another.
    """
    chosen = list(_devices() if devices is None else devices)
    if math.prod(mesh_shape) != len(chosen):
        raise ValueError(f"Number of devices {len(chosen)} must equal the product of mesh_shape "
                         f"{tuple(mesh_shape)}")
    return np.array(chosen, dtype=object).reshape(tuple(mesh_shape))


def create_hybrid_device_mesh(mesh_shape: Sequence[int], dcn_mesh_shape: Sequence[int],
                              devices: Sequence[Any] | None = None, *,
                              process_is_granule: bool = False,
                              should_sort_granules_by_key: bool = True,
                              allow_split_physical_axes: bool = False) -> np.ndarray:
    """A mesh over groups of devices with fast links inside, slow ones between.

    Args:
      mesh_shape: sizes inside a group.
      dcn_mesh_shape: sizes over groups, each 1 here, where there is one group.
      The others: as for `create_device_mesh`, or about the order of groups.
    """
    if math.prod(dcn_mesh_shape) != 1:
        raise ValueError(f"create_hybrid_device_mesh: dcn_mesh_shape {tuple(dcn_mesh_shape)} asks "
                         f"for {math.prod(dcn_mesh_shape)} groups of devices; there is 1")
    return create_device_mesh(mesh_shape, devices,
                              allow_split_physical_axes=allow_split_physical_axes)

__dir__ = _listing(__name__)
