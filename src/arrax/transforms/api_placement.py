"""Moving values between Python, NumPy and devices: `device_put`, `device_get`, `devices`, …"""
from __future__ import annotations

import functools
import platform
import sys
import threading
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import numpy as np

from arrax.core import config, pytree
from arrax.core.aliases import alias
from arrax.core.array import ArrayImpl, array_of, placed_array
from arrax.core.device import Device, cpu_devices
from arrax.core.mesh import AbstractMesh, AxisType, Mesh, current_mesh
from arrax.core.shardings import (NamedSharding, PartitionSpec, Sharding, placement_sharding,
                                  spec_names, spec_of)
from arrax.core.dtypes import ExtendedDType
from arrax.core.engine import engines
from arrax.core.forking import import_late
from arrax.core.trace import Tracer
from arrax.ops.device_put import ArrayCopySemantics, device_put_p, placed
from arrax.ops.reshard import reshard_p
from arrax.transforms.api_vmap import flat_axes


def devices(backend: str | None = None) -> list[Device]:
    """All devices of a platform ("cpu", …; the default one if None).

    Raises RuntimeError for a platform that is not there.
    """
    if backend not in (None, "cpu"):
        raise RuntimeError(f"Unknown backend: '{backend}' requested, but no platforms that are "
                           f"instances of {backend} are present. Platforms present are: "
                           f"{', '.join(sorted({'cpu', *engines()}))}")
    return cpu_devices()


def local_devices(process_index: int | None = None, backend: str | None = None,
                  host_id: int | None = None) -> list[Device]:
    """The devices of this process."""
    return devices(backend)


def device_count(backend: str | None = None) -> int:
    """How many devices there are."""
    return len(devices(backend))


local_device_count = alias(device_count, "local_device_count")


def process_index(backend: str | None = None) -> int:
    """The number of this process among all, 0."""
    return 0


def process_count(backend: str | None = None) -> int:
    """How many processes take part, 1."""
    return 1


def process_indices(backend: str | None = None) -> list[int]:
    """The numbers of all processes."""
    return [0]


def default_backend() -> str:
    """The platform of the default device."""
    return "cpu"


def _checked_target(target: Any) -> Any:
    if target is None or isinstance(target, (Device, Sharding)):
        return target
    if isinstance(target, PartitionSpec):
        mesh = current_mesh()
        if mesh.empty:
            raise ValueError("Please set a mesh via `jax.set_mesh` if a PartitionSpec is passed to "
                             "device_put")
        return NamedSharding(mesh, target)
    if hasattr(target, "sharding") and isinstance(target.sharding, (Sharding, type(None))):
        return target.sharding  # of a Format
    raise ValueError("device_put expects a Device, a Sharding, None or a pytree of these values as "
                     f"its `device` argument. Received invalid value: {target!r} of type "
                     f"{type(target)}")


def device_put(x: Any, device: Any = None, *, src: Any = None, donate: bool = False,
               may_alias: bool | None = None) -> Any:
    """The arrays of a pytree, on a device or laid out by a sharding.

    Args:
      x: pytree of arrays or array-like values.
      device: a Device, a Sharding, or a pytree prefix of them; None leaves arrays uncommitted.
      donate: the arrays passed are deleted.
      may_alias: False for arrays that share no memory with those passed.

    Raises TypeError for leaves that are not array-like, ValueError for targets that do not fit.
    """
    if donate and may_alias:
        raise ValueError("may_alias and donate cannot be True at the same time.")
    leaves, tree = pytree.tree_flatten(x)
    if device is None or isinstance(device, (Device, Sharding, PartitionSpec)):
        targets: Sequence[Any] = [device] * len(leaves)
    else:
        targets = flat_axes("device_put device", device, x)
    semantics = ArrayCopySemantics.DONATE_INPUT if donate else \
        ArrayCopySemantics.ALWAYS_COPY if may_alias is False else ArrayCopySemantics.REUSE_INPUT
    return tree.unflatten(_put(v, _checked_target(t), semantics)
                          for v, t in zip(leaves, targets, strict=True))


def _put(value: Any, target: Any, semantics: ArrayCopySemantics) -> Any:
    if isinstance(value, Tracer):
        return device_put_p.bind(value, devices=(target,), srcs=(None,),
                                 copy_semantics=(semantics,))[0]
    value = array_of(value)
    if target is None and value.placement is None and not current_mesh().empty:
        target = NamedSharding(current_mesh(), PartitionSpec())
    if isinstance(target, NamedSharding) and not isinstance(target.mesh, Mesh):
        target = target.update(mesh=_mesh_of(value, target.mesh))
    out = placed(value, target)
    if semantics is ArrayCopySemantics.ALWAYS_COPY:
        out = placed_array(out._value().copy(), out.aval, out.placement)
    if semantics is ArrayCopySemantics.DONATE_INPUT and out is not value:
        value.delete()
    return out


def _mesh_of(value: Any, abstract: AbstractMesh) -> Mesh:
    """The mesh of that shape that an array is on; ValueError if it is on none."""
    placement = value.placement
    if not isinstance(placement, NamedSharding) or placement.mesh.shape != abstract.shape:
        raise ValueError(f"An array on {placement_sharding(placement)} cannot be laid out over "
                         f"{abstract}, which has no devices")
    return placement.mesh  # type: ignore[no-any-return]


_Function = TypeVar("_Function", bound=Callable[..., Any])


def sharded(function: _Function) -> _Function:
    """A decorator for functions that take `out_sharding`: the result is split like that."""
    @functools.wraps(function)
    def call(*args: Any, out_sharding: Any = None, **kwargs: Any) -> Any:
        result = function(*args, **kwargs)
        return result if out_sharding is None else reshard(result, out_sharding)
    return call  # type: ignore[return-value]


def reshard(xs: Any, out_shardings: Any, *, _mesh: Any = None) -> Any:
    """The arrays of a pytree, split over the axes of a mesh in another way.

    Args:
      out_shardings: a NamedSharding, a PartitionSpec (of the mesh in scope), or a pytree prefix of
        these.

    Raises ValueError without a mesh, and for shapes that cannot be split like that.
    """
    leaves, tree = pytree.tree_flatten(xs)
    if isinstance(out_shardings, (Sharding, PartitionSpec)):
        targets: Sequence[Any] = [out_shardings] * len(leaves)
    else:
        targets = flat_axes("reshard out_shardings", out_shardings, xs)
    return tree.unflatten(_reshard(v, t, _mesh) for v, t in zip(leaves, targets, strict=True))


def _reshard(value: Any, target: Any, mesh: Any) -> Any:
    if not isinstance(value, Tracer):
        value = array_of(value)
    scope = current_mesh()
    if isinstance(target, PartitionSpec):
        over = mesh if mesh is not None else scope
        if over.empty and isinstance(getattr(value, "placement", None), NamedSharding):
            over = value.placement.mesh
        if over.empty and value.aval.located is not None:
            over = value.aval.located.mesh
        if over.empty:
            raise ValueError("reshard: a PartitionSpec needs a mesh in scope, such as `with "
                             "jax.set_mesh(mesh):`")
        target = NamedSharding(over, target)
    if not isinstance(target, NamedSharding):
        raise ValueError("Reshard should only be used with out_shardings which are non-None and "
                         f"NamedShardings or PartitionSpecs. Got {target!r}")
    concrete = target.mesh if isinstance(target.mesh, Mesh) else scope
    names = spec_names(target.spec, value.ndim)
    target.shard_shape(value.shape)
    located = NamedSharding(target.mesh.abstract_mesh, spec_of(names))
    if isinstance(value, Tracer) and value.aval.located == located:
        return value
    return reshard_p.bind(value, dst_sharding=located, concrete_mesh=concrete)


def device_get(x: Any) -> Any:
    """The arrays of a pytree as NumPy arrays; typed keys stay as they are."""
    def get(value: Any) -> Any:
        if isinstance(value, Tracer):
            return value.__array__()
        is_key = isinstance(getattr(value, "dtype", None), ExtendedDType)
        return np.asarray(value) if isinstance(value, ArrayImpl) and not is_key else value
    return pytree.tree_map(get, x)


def block_until_ready(x: Any) -> Any:
    """Wait until the arrays in a pytree are computed, and return it (CPU results always are)."""
    if type(x) is ArrayImpl:
        return x.block_until_ready()
    for leaf in pytree.tree_leaves(x):
        if isinstance(leaf, ArrayImpl):
            leaf.block_until_ready()
    return x


def effects_barrier() -> None:
    """Wait until all effects have happened; on the CPU engine they have when a call returns."""


def copy_to_host_async(x: Any) -> Any:
    """Start copying to the host, leaf by leaf, what has a method for it; CPU arrays are there."""
    for leaf in pytree.tree_leaves(x):
        start = getattr(leaf, "copy_to_host_async", None)
        if start is not None:
            start()
    return x


def make_mesh(axis_shapes: Sequence[int], axis_names: Sequence[str], axis_types: Any = None, *,
              devices: Sequence[Device] | None = None) -> Mesh:
    """A mesh of the given shape over the first devices.

    Args:
      axis_types: an `AxisType` for each axis, or one for all; Explicit if None.

    Raises ValueError if there are too few devices.
    """
    chosen = list(devices) if devices is not None else cpu_devices()
    if axis_types is None:
        axis_types = (AxisType.Explicit,) * len(axis_names)
    count = int(np.prod(axis_shapes))
    if count > len(chosen):
        raise ValueError(f"Number of devices {len(chosen)} must be >= the product of mesh_shape "
                         f"{tuple(axis_shapes)}")
    return Mesh(np.array(chosen[:count], dtype=object).reshape(tuple(axis_shapes)), axis_names,
                axis_types)


def print_environment_info(return_string: bool = False) -> str | None:
    """Versions and machine, for bug reports."""
    llvmlite = import_late("llvmlite").__version__
    text = (f"arrax, numpy {np.__version__}, llvmlite {llvmlite}, python "
            f"{sys.version}, {platform.platform()}, devices {devices()}, threads "
            f"{config.num_threads.value if config.num_threads.value > 0 else 'all'}, "
            f"in {threading.current_thread().name}")
    if return_string:
        return text
    print(text)
    return None
