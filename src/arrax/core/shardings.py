"""Shardings: how an array is laid out over devices.

An array's `placement` is None (nobody placed it), a `Device`, or a `NamedSharding`;
`placement_sharding` gives the public object.
"""
from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from arrax.core import config
from arrax.core.device import Device, cpu_devices
from arrax.core.mesh import EMPTY_ABSTRACT_MESH, AbstractMesh, AxisType, Mesh

Index = tuple[slice, ...]


class DuplicateSpecError(ValueError):
    """A spec that splits two dimensions over one mesh axis."""


class IndivisibleError(ValueError):
    """A sharding whose parts do not divide the shape of an array."""


class ShardingTypeError(Exception):
    """Types of arrays on explicit mesh axes from which no type of the result follows."""


# ---- specs ---------------------------------------------------------------------------------------

class Unconstrained:
    """The type of `PartitionSpec.UNCONSTRAINED`."""

    def __repr__(self) -> str:
        return "UNCONSTRAINED"

    def __reduce__(self) -> Any:
        return "UNCONSTRAINED"


UNCONSTRAINED = Unconstrained()


def _canonical(part: Any) -> Any:
    if isinstance(part, (tuple, list)):
        return part[0] if len(part) == 1 else tuple(part) if part else None
    return part


class PartitionSpec:
    """Which mesh axes split each axis of an array: a name, a tuple of names, None (none) or
    `PartitionSpec.UNCONSTRAINED` (whatever the compiler likes).

    Args:
      unreduced: mesh axes along which devices hold summands of the array.
      reduced: mesh axes along which devices hold the same, whose cotangents are unreduced.

    Example:
      >>> arrax.sharding.PartitionSpec("x", None, ("y", "z"))
      P('x', None, ('y', 'z'))
    """

    __slots__ = ("_partitions", "unreduced", "reduced")
    __match_args__ = ("_partitions",)
    UNCONSTRAINED = UNCONSTRAINED

    def __init__(self, *partitions: Any, unreduced: Any = frozenset(), reduced: Any = frozenset()):
        for what, names in (("unreduced", unreduced), ("reduced", reduced)):
            if not isinstance(names, (set, frozenset)):
                raise TypeError(f"`{what}` argument of PartitionSpec should be of type `frozenset` "
                                f"or `set`. Got type {type(names)}")
            if None in names:
                raise ValueError(f"`{what}` cannot contain None. All elements in {what} should "
                                 "refer to the mesh axes.")
        self._partitions = tuple(_canonical(p) for p in partitions)
        self.unreduced, self.reduced = frozenset(unreduced), frozenset(reduced)
        used = {n for part in self._partitions for n in (
            part if isinstance(part, tuple) else (part,))}
        for what, names in (("unreduced", self.unreduced), ("reduced", self.reduced)):
            if used & names:
                raise ValueError(f"partitions cannot overlap with {what} axes passed to "
                                 f"PartitionSpec. Got partitions: {self._partitions} and {what} "
                                 f"axes: {set(names)}")

    def __iter__(self) -> Iterator[Any]:
        return iter(self._partitions)

    def __len__(self) -> int:
        return len(self._partitions)

    def __getitem__(self, index: Any) -> Any:
        return self._partitions[index]

    def index(self, value: Any) -> int:
        return self._partitions.index(_canonical(value))

    def count(self, value: Any) -> int:
        return self._partitions.count(_canonical(value))

    def __add__(self, other: Any) -> PartitionSpec:
        if isinstance(other, (tuple, PartitionSpec)):
            return self.update(partitions=(*self._partitions, *other))
        return NotImplemented

    def __radd__(self, other: Any) -> PartitionSpec:
        if isinstance(other, tuple):
            return self.update(partitions=(*other, *self._partitions))
        return NotImplemented

    def update(self, **fields: Any) -> PartitionSpec:
        """The spec with other `partitions`, `unreduced` or `reduced`."""
        return PartitionSpec(*fields.get("partitions", self._partitions),
                             unreduced=fields.get("unreduced", self.unreduced),
                             reduced=fields.get("reduced", self.reduced))

    def _key(self) -> tuple[Any, ...]:
        return self._partitions, self.unreduced, self.reduced

    def __eq__(self, other: object) -> bool:
        return isinstance(other, PartitionSpec) and self._key() == other._key()

    def __hash__(self) -> int:
        return hash(self._key())

    def __reduce__(self) -> Any:
        return _unpickled_spec, self._key()

    def __repr__(self) -> str:
        extra = "".join(f"{', ' if self._partitions else ''}{what}={set(names)!r}"
                        for what, names in (("unreduced", self.unreduced),
                                            ("reduced", self.reduced)) if names)
        if not extra:
            return f"P{self._partitions!r}"
        return f"P({', '.join(map(repr, self._partitions))}{extra})"


def _unpickled_spec(partitions: Any, unreduced: Any, reduced: Any) -> PartitionSpec:
    return PartitionSpec(*partitions, unreduced=unreduced, reduced=reduced)


def spec_names(spec: Any, ndim: int) -> tuple[tuple[Any, ...], ...]:
    """The names of the mesh axes that split each of `ndim` array axes, by a `PartitionSpec`."""
    parts = tuple(spec) + (None,) * (ndim - len(spec))
    return tuple(() if part is None or part is UNCONSTRAINED else
                 part if isinstance(part, tuple) else (part,) for part in parts)


def spec_of(names: Sequence[tuple[Any, ...]], trim: bool = False) -> PartitionSpec:
    """The inverse of `spec_names`; without what says nothing at the end if `trim`."""
    parts: list[Any] = [_canonical(axes) for axes in names]
    while trim and parts and parts[-1] is None:
        parts.pop()
    return PartitionSpec(*parts)


# ---- shardings -----------------------------------------------------------------------------------

class Sharding:
    """How an array is laid out over devices."""

    __slots__ = ()

    @property
    def device_set(self) -> set[Device]:
        raise NotImplementedError

    @property
    def _device_assignment(self) -> tuple[Device, ...]:
        raise NotImplementedError

    @property
    def num_devices(self) -> int:
        return len(self.device_set)

    @property
    def is_fully_replicated(self) -> bool:
        return len(self.device_set) == 1

    @property
    def is_fully_addressable(self) -> bool:
        return True

    @property
    def addressable_devices(self) -> set[Device]:
        return self.device_set

    @property
    def memory_kind(self) -> str | None:
        return "device"

    def shard_shape(self, global_shape: Sequence[int]) -> tuple[int, ...]:
        """The shape of one device's part."""
        return tuple(global_shape)

    def devices_indices_map(self, global_shape: Sequence[int]) -> Mapping[Device, Index]:
        """Which part of an array each device holds."""
        return dict(shard_indices(self, global_shape))

    addressable_devices_indices_map = devices_indices_map

    def parts(self, ndim: int) -> tuple[int, ...]:
        """Into how many parts each axis is split."""
        return (1,) * ndim

    def check_compatible_aval(self, aval_shape: Sequence[int]) -> None:
        """ValueError for shapes of arrays that cannot be laid out like that."""

    def is_equivalent_to(self, other: Sharding, ndim: int) -> bool:
        """Whether arrays of `ndim` axes have the same parts on the same devices."""
        return (self.memory_kind == other.memory_kind
                and self._device_assignment == other._device_assignment
                and self.parts(ndim) == other.parts(ndim)
                and _positions(self, ndim) == _positions(other, ndim))


def _positions(sharding: Any, ndim: int) -> list[Any]:
    """Which part along each axis each device has."""
    shape = sharding.parts(ndim)
    return [tuple(s.start or 0 for s in index) for _, index in shard_indices(sharding, shape)]


@dataclass(frozen=True, slots=True)
class SingleDeviceSharding(Sharding):
    """The whole array on one device."""

    device: Device
    memory_kind: str | None = field(default=None, kw_only=True)

    def __post_init__(self) -> None:
        _set_memory_kind(self, [self.device])

    @property
    def device_set(self) -> set[Device]:
        return {self.device}

    @property
    def _device_assignment(self) -> tuple[Device, ...]:
        return (self.device,)

    def with_memory_kind(self, kind: str) -> SingleDeviceSharding:
        """The same device, in another memory."""
        return SingleDeviceSharding(self.device, memory_kind=kind)

    def __repr__(self) -> str:
        return f"SingleDeviceSharding(device={self.device!r}, memory_kind={self.memory_kind})"


def _set_memory_kind(sharding: Any, devices: Iterable[Any]) -> None:
    """Put in the default memory for None; ValueError for one that a device does not have."""
    kind = sharding.memory_kind
    if kind is None:
        object.__setattr__(sharding, "memory_kind", "device")
    else:
        for device in devices:
            device.memory(kind)


@dataclass(frozen=True, slots=True)
class NamedSharding(Sharding):
    """An array split over the axes of a mesh as a `PartitionSpec` says.

    Raises ValueError for names of axes that the mesh does not have, DuplicateSpecError for one that
    splits two dimensions.
    """

    mesh: Any
    spec: PartitionSpec
    memory_kind: str | None = field(default=None, kw_only=True)

    def __post_init__(self) -> None:
        mesh, spec = self.mesh, self.spec
        if not isinstance(spec, PartitionSpec):
            raise TypeError(f"Unexpected type {type(spec)} passed to NamedSharding(mesh, spec): "
                            f"{spec!r}; spec must be a PartitionSpec")
        if not isinstance(mesh, (Mesh, AbstractMesh)):
            raise TypeError(f"NamedSharding: mesh must be a Mesh or an AbstractMesh, got {mesh!r}")
        if isinstance(mesh, Mesh):
            _set_memory_kind(self, mesh.devices.flat)
        names = [n for part in spec_names(spec, len(spec)) for n in part]
        for name in (*names, *spec.unreduced, *spec.reduced):
            if name not in mesh.axis_names:
                raise ValueError(f"Resource axis: {name} of {spec} is not found in mesh: "
                                 f"{mesh.axis_names}.")
        for name in names:
            if names.count(name) > 1:
                raise DuplicateSpecError(
                    "A single NamedSharding spec specification can map every mesh axis to at most "
                    f"one positional dimension, but {spec} has duplicate entries for `{name}`")

    def with_memory_kind(self, kind: str) -> NamedSharding:
        """The same layout in another memory."""
        return NamedSharding(self.mesh, self.spec, memory_kind=kind)

    def with_spec(self, spec: Any) -> NamedSharding:
        """The same mesh and memory with another spec (or partitions)."""
        if not isinstance(spec, PartitionSpec):
            spec = PartitionSpec(*spec)
        return self.update(spec=spec)

    def update(self, **fields: Any) -> NamedSharding:
        """The sharding with another `mesh`, `spec` or `memory_kind`."""
        return NamedSharding(fields.get("mesh", self.mesh), fields.get("spec", self.spec),
                             memory_kind=fields.get("memory_kind", self.memory_kind))

    @property
    def device_set(self) -> set[Device]:
        return set(self._device_assignment)

    @property
    def num_devices(self) -> int:
        return self.mesh.size  # type: ignore[no-any-return]

    @property
    def _device_assignment(self) -> tuple[Device, ...]:
        if isinstance(self.mesh, AbstractMesh):
            raise ValueError("device_set is not implemented for a NamedSharding with an "
                             "AbstractMesh")
        return tuple(self.mesh.devices.flat)

    @property
    def is_fully_replicated(self) -> bool:
        return self.mesh.size <= 1 or all(p == 1 for p in self.parts(len(self.spec)))

    def parts(self, ndim: int) -> tuple[int, ...]:
        """Into how many parts each axis is split."""
        sizes = self.mesh.shape
        return tuple(math.prod(sizes[n] for n in names) for names in spec_names(self.spec, ndim))

    def check_compatible_aval(self, aval_shape: Sequence[int]) -> None:
        if len(aval_shape) < len(self.spec):
            raise ValueError(
                f"Sharding {self} is only valid for values of rank at least {len(self.spec)}, but "
                f"was applied to a value of rank {len(aval_shape)}.")

    def shard_shape(self, global_shape: Sequence[int]) -> tuple[int, ...]:
        self.check_compatible_aval(global_shape)
        parts = self.parts(len(global_shape))
        for dim, (size, count) in enumerate(zip(global_shape, parts, strict=True)):
            if size % count:
                raise IndivisibleError(
                    f"Sharding {self} implies that array axis {dim} is partitioned {count} times, "
                    f"but the dimension size is {size} (full shape: {tuple(global_shape)}, "
                    f"per-dimension tiling factors: {list(parts)} should evenly divide the shape)")
        return tuple(s // p for s, p in zip(global_shape, parts, strict=True))

    def __repr__(self) -> str:
        memory = "" if self.memory_kind is None else f", memory_kind={self.memory_kind}"
        return f"NamedSharding(mesh={self.mesh!s}, spec={self.spec}{memory})"


class InferType:
    """The type of `Infer`: in_specs of `shard_map` that are as the arguments are split."""

    def __repr__(self) -> str:
        return "Infer"


Infer = InferType()

# ---- placements ----------------------------------------------------------------------------------


def placement_sharding(placement: Any) -> Sharding:
    """The sharding that an array's `placement` stands for; None is the default device."""
    if placement is None:
        default = config.default_device.value
        return SingleDeviceSharding(default if isinstance(default, Device) else cpu_devices()[0])
    if isinstance(placement, Device):
        return SingleDeviceSharding(placement)
    return placement  # type: ignore[no-any-return]


def placement_devices(placement: Any) -> tuple[Device, ...]:
    """The devices of a placement that is not None, in order."""
    return (placement,) if isinstance(placement, Device) else placement._device_assignment


_placements: dict[Any, Any] = {}


def placement_of(sharding: Any) -> Any:
    """The placement that a Device or a sharding asks for; equal ones are one object."""
    if isinstance(sharding, Device):
        return sharding
    if isinstance(sharding, SingleDeviceSharding) and sharding.memory_kind == "device":
        return sharding.device
    return _placements.setdefault(sharding, sharding)


def type_sharding(placement: Any, ndim: int) -> Any:
    """What types say of an array's placement: its spec on explicit mesh axes; None without any."""
    if not isinstance(placement, NamedSharding) or not placement.mesh.explicit_axes:
        return None
    explicit = frozenset(placement.mesh.explicit_axes)
    names = [tuple(n for n in axes if n in explicit) for axes in spec_names(placement.spec, ndim)]
    spec = spec_of(names).update(unreduced=placement.spec.unreduced, reduced=placement.spec.reduced)
    return NamedSharding(placement.mesh.abstract_mesh, spec)


def no_sharding(ndim: int) -> NamedSharding:
    """What `aval.sharding` is of a value that is on no mesh."""
    return NamedSharding(EMPTY_ABSTRACT_MESH, PartitionSpec(*[None] * ndim))


class Shard:
    """One device's part of an array: its device, index (a tuple of slices), replica and data."""

    __slots__ = ("device", "index", "replica_id", "_make", "_data")

    def __init__(self, device: Device, index: Index, replica_id: int, make: Callable[[], Any]):
        self.device, self.index, self.replica_id = device, index, replica_id
        self._make, self._data = make, None

    @property
    def data(self) -> Any:
        """The part, an array on the device."""
        if self._data is None:
            self._data = self._make()
        return self._data

    def __repr__(self) -> str:
        return (f"Shard(device={self.device!r}, index={self.index}, replica_id={self.replica_id}, "
                f"data={self.data})")


def shard_indices(placement: Any, shape: Sequence[int]) -> list[tuple[Device, Index]]:
    """Which part of an array of `shape` each device holds, in the order of the mesh."""
    sharding = placement_sharding(placement)
    if not isinstance(sharding, NamedSharding):
        return [(device, (slice(None),) * len(shape)) for device in sharding._device_assignment]
    mesh, local = sharding.mesh, sharding.shard_shape(shape)
    names = spec_names(sharding.spec, len(shape))
    whole = sharding.parts(len(shape))
    out = []
    for position in np.ndindex(mesh.devices.shape):
        where = dict(zip(mesh.axis_names, position, strict=True))
        parts = []
        for size, axes, count in zip(local, names, whole, strict=True):
            number = 0
            for name in axes:
                number = number * mesh.shape[name] + where[name]
            parts.append(slice(None) if count == 1
                         else slice(number * size, (number + 1) * size))
        out.append((mesh.devices.item(position), tuple(parts)))
    return out


def is_auto(mesh: Any, names: Iterable[Any]) -> bool:
    """Whether all of the named mesh axes are Auto."""
    kinds = dict(zip(mesh.axis_names, mesh.axis_types, strict=True))
    return all(kinds[n] is AxisType.Auto for n in names)
