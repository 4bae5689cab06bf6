"""`arrax.sharding`: how arrays are laid out over devices."""
from __future__ import annotations

from typing import Any

from arrax.core.aval import ManualAxisType
from arrax.core.lazy import listing as _listing
from arrax.core.mesh import AbstractDevice, AbstractMesh, AxisType, Mesh
from arrax.core.shardings import (Infer, NamedSharding, PartitionSpec, Sharding,
                                  SingleDeviceSharding)
from arrax.transforms.api_mesh import (auto_axes, explicit_axes, get_abstract_mesh, get_mesh,
                                       set_mesh, use_abstract_mesh)
from arrax.transforms.api_placement import reshard

__all__ = [
    "AbstractDevice", "AbstractMesh", "AxisType", "Infer", "ManualAxisType", "Mesh",
    "NamedSharding", "PartitionSpec", "Sharding", "SingleDeviceSharding", "auto_axes",
    "explicit_axes", "get_abstract_mesh", "get_mesh", "make_single_device_sharding", "reshard",
    "set_mesh", "use_abstract_mesh"]


def make_single_device_sharding(device: Any, *, memory_kind: str | None = None) -> Sharding:
    """The sharding of whole arrays on one device.

    Args:
      memory_kind: one that the device has.
    """
    return SingleDeviceSharding(device, memory_kind=memory_kind)

__dir__ = _listing(__name__)
