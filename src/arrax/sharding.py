"""`arrax.sharding`: how arrays are laid out over devices."""
from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

from arrax.core.aval import ManualAxisType
from arrax.core.device import (AbstractMesh, AxisType, Mesh, NamedSharding, PartitionSpec, Sharding,
                               SingleDeviceSharding, current_mesh, enter_mesh)
from arrax.core.lazy import listing
from arrax.transforms.api_placement import device_put as _device_put

__all__ = [
    "AbstractMesh", "AxisType", "ManualAxisType", "Mesh", "NamedSharding", "PartitionSpec",
    "Sharding", "SingleDeviceSharding", "get_abstract_mesh", "get_mesh",
    "make_single_device_sharding", "reshard", "set_mesh", "use_abstract_mesh"]


def get_mesh() -> Mesh:
    """The mesh in scope (`with mesh:`, `set_mesh`); one without axes if there is none.

    Raises ValueError under `use_abstract_mesh`, which has no devices.
    """
    mesh = current_mesh()
    if isinstance(mesh, AbstractMesh):
        raise ValueError("get_mesh: the mesh in scope is abstract; use get_abstract_mesh")
    return mesh  # type: ignore[no-any-return]


def get_abstract_mesh() -> AbstractMesh:
    """The shape of the mesh in scope; one without axes if there is none."""
    mesh = current_mesh()
    return mesh if isinstance(mesh, AbstractMesh) else mesh.abstract_mesh


def set_mesh(mesh: Mesh) -> Any:
    """Bring a mesh into scope: `with set_mesh(mesh): …`.

    Raises TypeError for anything but a Mesh.
    """
    if not isinstance(mesh, Mesh):
        raise TypeError(f"set_mesh: expected a Mesh, got {mesh!r} of type {type(mesh)}")
    return enter_mesh(mesh)


@contextlib.contextmanager
def use_abstract_mesh(mesh: AbstractMesh) -> Iterator[None]:
    """Bring the shape of a mesh into scope, for tracing."""
    if not isinstance(mesh, AbstractMesh):
        raise TypeError(f"use_abstract_mesh: expected an AbstractMesh, got {mesh!r} of type "
                        f"{type(mesh)}")
    with enter_mesh(mesh):
        yield


def make_single_device_sharding(device: Any, *, memory_kind: str | None = None) -> Sharding:
    """The sharding of whole arrays on one device.

    Args:
      memory_kind: one that the device has.
    """
    return SingleDeviceSharding(device, memory_kind=memory_kind)


def reshard(xs: Any, out_shardings: Any) -> Any:
    """The arrays of a pytree, laid out by a sharding or a pytree prefix of them.

    A `PartitionSpec` refers to the mesh in scope.
    """
    if isinstance(out_shardings, PartitionSpec):
        mesh = get_mesh()
        if mesh.empty:
            raise ValueError("reshard: a PartitionSpec needs a mesh in scope, such as "
                             "`with set_mesh(mesh):`")
        out_shardings = NamedSharding(mesh, out_shardings)
    return _device_put(xs, out_shardings)

__dir__ = listing(__name__)
