"""Devices and shardings: where an array is said to live.

On the CPU engine all devices share memory, so a placement is a label on one buffer; what runs in
parallel is decided by the compiler's thread pool.
"""
from __future__ import annotations

import contextlib
import enum
import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar

import numpy as np

from arrax.core import config


class Device:
    """One device: `platform` ("cpu", "gpu", …), `id`, `device_kind`, `process_index`."""

    __slots__ = ("platform", "id", "device_kind", "process_index", "_label")

    def __init__(self, platform: str, id: int, device_kind: str, label: str = ""):
        self.platform = platform
        self.id = id
        self.device_kind = device_kind
        self.process_index = 0
        self._label = label or f"{platform.capitalize()}Device(id={id})"

    @property
    def local_hardware_id(self) -> int:
        return self.id

    @property
    def host_id(self) -> int:
        return self.process_index

    @property
    def client(self) -> Client:
        """The platform that the device belongs to."""
        return Client(self.platform)

    def memory_stats(self) -> None:
        """The CPU keeps no statistics."""

    def addressable_memories(self) -> list[Memory]:
        """The memories that the device reads; on a CPU, one under three names."""
        kinds = ("device", "pinned_host", "unpinned_host")
        return [Memory(kind, self) for kind in kinds]

    def default_memory(self) -> Memory:
        """Where its arrays live."""
        return Memory("device", self)

    def memory(self, kind: str) -> Memory:
        """The memory of a kind; ValueError if there is none."""
        for memory in self.addressable_memories():
            if kind == memory.kind:
                return memory
        raise ValueError(f"Could not find memory addressable by device {self.device_kind}. Device "
                         f"{self.device_kind} can address the following memory kinds: "
                         f"{', '.join(m.kind for m in self.addressable_memories())}. Got memory "
                         f"kind: {kind}")

    def __repr__(self) -> str:
        return self._label

    def __str__(self) -> str:
        return f"TFRT_CPU_{self.id}" if self.platform == "cpu" else self._label


@dataclass(frozen=True, slots=True)
class Memory:
    """A memory of a device: its `kind`."""

    kind: str
    device: Device

    def addressable_by_devices(self) -> list[Device]:
        return [self.device]


@dataclass(frozen=True, slots=True)
class Client:
    """A platform: its devices and its version."""

    platform: str
    platform_version: ClassVar[str] = "arrax"
    runtime_type: ClassVar[str] = "arrax"

    def devices(self) -> list[Device]:
        return cpu_devices()

    local_devices = devices

    def device_count(self) -> int:
        return len(self.devices())

    local_device_count = device_count

    def process_index(self) -> int:
        return 0

    def host_id(self) -> int:
        return 0


_cpu_devices: list[Device] = []


def cpu_devices() -> list[Device]:
    """The CPU devices: one, or as many as the flag `num_cpu_devices` says.

    RuntimeError where the flag `platforms` (`JAX_PLATFORMS`) names platforms, and no CPU.
    """
    wanted = config.platforms.value or config.platform_name.value
    if wanted and "cpu" not in wanted.lower().split(","):
        raise RuntimeError(
            f"Unable to initialize backend '{wanted}': this version of arrax runs on the platform "
            "'cpu' alone (set JAX_PLATFORMS=cpu, or leave it unset)")
    count = max(1, config.num_cpu_devices.value)
    while len(_cpu_devices) < count:
        _cpu_devices.append(Device("cpu", len(_cpu_devices), "cpu"))
    return _cpu_devices[:count]


class Sharding:
    """How an array is laid out over devices."""

    __slots__ = ()

    @property
    def device_set(self) -> set[Device]:
        raise NotImplementedError

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
    def memory_kind(self) -> str:
        return "device"

    def shard_shape(self, global_shape: Sequence[int]) -> tuple[int, ...]:
        """The shape of one device's part."""
        return tuple(global_shape)


@dataclass(frozen=True, slots=True)
class SingleDeviceSharding(Sharding):
    """The whole array on one device."""

    device: Device
    memory_kind: str | None = field(default=None, kw_only=True)  # type: ignore[assignment]

    def __post_init__(self) -> None:
        _set_memory_kind(self, [self.device])

    @property
    def device_set(self) -> set[Device]:
        return {self.device}

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


class PartitionSpec(tuple):  # type: ignore[type-arg]
    """Which mesh axes (a name, a tuple of names, or None) split each array axis."""

    def __new__(cls, *partitions: Any) -> PartitionSpec:
        return super().__new__(cls, partitions)

    def __repr__(self) -> str:
        return f"P{tuple.__repr__(self)}"

    def __reduce__(self) -> Any:
        return PartitionSpec, tuple(self)


class AxisType(enum.Enum):
    """Who decides how arrays are split over a mesh axis: the compiler, the types, or the program.
    """

    Auto = enum.auto()
    Explicit = enum.auto()
    Manual = enum.auto()

    def __repr__(self) -> str:
        return self.name


def _axis_types(given: Any, count: int) -> tuple[AxisType, ...]:
    """One type per axis; None means Auto."""
    types = (AxisType.Auto,) * count if given is None else \
        (given,) * count if isinstance(given, AxisType) else tuple(given)
    if len(types) != count or not all(isinstance(t, AxisType) for t in types):
        raise ValueError(f"axis_types must be one AxisType for each of {count} axes, got {given!r}")
    return types


class Mesh:
    """A grid of devices with named axes: `Mesh(devices, ("x", "y"))`."""

    def __init__(self, devices: Any, axis_names: str | Sequence[Any], axis_types: Any = None):
        self.devices = np.asarray(devices, dtype=object)
        self.axis_names = (axis_names,) if isinstance(axis_names, str) else tuple(axis_names)
        self.axis_types = _axis_types(axis_types, len(self.axis_names))
        if self.devices.ndim != len(self.axis_names):
            raise ValueError(
                "Mesh requires the ndim of its first argument (`devices`) to equal the length of "
                "its second argument (`axis_names`), but got devices.ndim == "
                f"{self.devices.ndim} and len(axis_names) == {len(self.axis_names)}.")

    @property
    def shape(self) -> dict[Any, int]:
        return dict(zip(self.axis_names, self.devices.shape, strict=True))

    @property
    def size(self) -> int:
        return self.devices.size

    @property
    def empty(self) -> bool:
        return self.devices.ndim == 0

    @property
    def axis_sizes(self) -> tuple[int, ...]:
        return self.devices.shape

    @property
    def device_ids(self) -> np.ndarray:
        return np.array([d.id for d in self.devices.flat]).reshape(self.devices.shape)

    @property
    def local_mesh(self) -> Mesh:
        """The part on this process's devices: all of it."""
        return self

    @property
    def local_devices(self) -> list[Device]:
        return list(self.devices.flat)

    @property
    def is_multi_process(self) -> bool:
        return False

    @property
    def abstract_mesh(self) -> AbstractMesh:
        """The mesh without its devices."""
        return AbstractMesh(self.axis_sizes, self.axis_names, self.axis_types)

    def __enter__(self) -> Mesh:
        mesh_in_scope.push(self)
        return self

    def __exit__(self, *error: object) -> None:
        mesh_in_scope.pop()

    def _key(self) -> tuple[Any, ...]:
        return (self.axis_names, self.axis_types, self.devices.shape,
                tuple(map(id, self.devices.flat)))

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Mesh) and self._key() == other._key()

    def __hash__(self) -> int:
        return hash(self._key())

    def __repr__(self) -> str:
        if not self.axis_names:
            return "Mesh()"
        return f"Mesh({_axes_text(self)})"


def _axes_text(mesh: Any) -> str:
    axes = ", ".join(f"'{n}': {s}" for n, s in mesh.shape.items())
    return f"{axes}, axis_types={mesh.axis_types}"


@dataclass(frozen=True, slots=True)
class AbstractMesh:
    """The shape of a mesh: sizes, names and types of its axes, without devices."""

    axis_sizes: tuple[int, ...]
    axis_names: tuple[Any, ...]
    axis_types: Any = None
    abstract_device: Any = field(default=None, kw_only=True)

    def __post_init__(self) -> None:
        if len(self.axis_sizes) != len(self.axis_names):
            raise ValueError(f"AbstractMesh: {len(self.axis_sizes)} axis_sizes but "
                             f"{len(self.axis_names)} axis_names")
        object.__setattr__(self, "axis_types", _axis_types(self.axis_types, len(self.axis_names)))

    @property
    def shape(self) -> dict[Any, int]:
        return dict(zip(self.axis_names, self.axis_sizes, strict=True))

    @property
    def size(self) -> int:
        return math.prod(self.axis_sizes)

    @property
    def empty(self) -> bool:
        return not self.axis_names

    def axes_of_type(self, kind: AxisType) -> tuple[Any, ...]:
        """The names of the axes of a type."""
        return tuple(n for n, t in zip(self.axis_names, self.axis_types, strict=True) if t is kind)

    @property
    def auto_axes(self) -> tuple[Any, ...]:
        return self.axes_of_type(AxisType.Auto)

    @property
    def explicit_axes(self) -> tuple[Any, ...]:
        return self.axes_of_type(AxisType.Explicit)

    @property
    def manual_axes(self) -> tuple[Any, ...]:
        return self.axes_of_type(AxisType.Manual)

    @property
    def abstract_mesh(self) -> AbstractMesh:
        return self

    def update(self, *, axis_sizes: Any = None, axis_names: Any = None, axis_types: Any = None,
               ) -> AbstractMesh:
        """The mesh with other sizes, names or types."""
        return AbstractMesh(self.axis_sizes if axis_sizes is None else axis_sizes,
                            self.axis_names if axis_names is None else axis_names,
                            self.axis_types if axis_types is None else axis_types)

    def __repr__(self) -> str:
        return f"AbstractMesh({_axes_text(self) if self.axis_names else ''})"


class _Infer:
    """The type of `Infer`: in_specs of `shard_map` that are as the arguments are split."""

    def __repr__(self) -> str:
        return "Infer"


Infer = _Infer()
EMPTY_MESH = Mesh(np.empty((), dtype=object), ())
# The mesh in scope, part of the key of everything that is traced.
mesh_in_scope = config.make_user_context(EMPTY_MESH)


@contextlib.contextmanager
def enter_mesh(mesh: Any) -> Iterator[Any]:
    """Bring a `Mesh` or an `AbstractMesh` into scope."""
    with mesh_in_scope(mesh):
        yield mesh


def current_mesh() -> Any:
    """The innermost mesh in scope; one without axes if there is none."""
    return mesh_in_scope.value


class DuplicateSpecError(ValueError):
    """A spec that splits two dimensions over one mesh axis."""


def spec_names(spec: Sequence[Any], ndim: int) -> tuple[tuple[Any, ...], ...]:
    """The names of the mesh axes that split each of `ndim` array axes, by a `PartitionSpec`."""
    parts = tuple(spec) + (None,) * (ndim - len(spec))
    return tuple(() if part is None else part if isinstance(part, tuple) else (part,)
                 for part in parts)


@dataclass(frozen=True, slots=True)
class NamedSharding(Sharding):
    """An array split over the axes of a mesh as a `PartitionSpec` says."""

    mesh: Mesh
    spec: PartitionSpec
    memory_kind: str | None = field(default=None, kw_only=True)  # type: ignore[assignment]

    def __post_init__(self) -> None:
        _set_memory_kind(self, self.mesh.devices.flat if isinstance(self.mesh, Mesh) else ())

    def with_memory_kind(self, kind: str) -> NamedSharding:
        """The same layout in another memory."""
        return NamedSharding(self.mesh, self.spec, memory_kind=kind)

    @property
    def device_set(self) -> set[Device]:
        return set(self.mesh.devices.flat)

    @property
    def is_fully_replicated(self) -> bool:
        return self.mesh.size == 1 or all(part is None for part in self.spec)

    def parts(self, ndim: int) -> tuple[int, ...]:
        """Into how many parts each axis is split."""
        sizes = self.mesh.shape
        out = []
        for part in tuple(self.spec) + (None,) * (ndim - len(self.spec)):
            names = () if part is None else part if isinstance(part, tuple) else (part,)
            out.append(math.prod(sizes[n] for n in names))
        return tuple(out)

    def shard_shape(self, global_shape: Sequence[int]) -> tuple[int, ...]:
        parts = self.parts(len(global_shape))
        for size, count in zip(global_shape, parts, strict=True):
            if size % count:
                raise ValueError(f"Sharding {self} implies that array axis of size {size} is split "
                                 f"{count} times, which does not divide it evenly")
        return tuple(s // p for s, p in zip(global_shape, parts, strict=True))

    def __repr__(self) -> str:
        return (f"NamedSharding(mesh={self.mesh}, spec={self.spec}, "
                f"memory_kind={self.memory_kind})")


def placement_sharding(placement: Any) -> Sharding:
    """The sharding that an array's `placement` stands for; None is the default device."""
    if placement is None:
        default = config.default_device.value
        return SingleDeviceSharding(default if isinstance(default, Device) else cpu_devices()[0])
    if isinstance(placement, Device):
        return SingleDeviceSharding(placement)
    return placement  # type: ignore[no-any-return]


@dataclass(frozen=True, slots=True)
class Shard:
    """One device's part of an array: its index (a tuple of slices), data and device."""

    device: Device
    index: tuple[slice, ...]
    replica_id: int
    data: Any


def shard_indices(placement: Any, shape: Sequence[int]) -> list[tuple[Device, tuple[slice, ...]]]:
    """Which part of an array of `shape` each device holds, in the order of the mesh."""
    sharding = placement_sharding(placement)
    if not isinstance(sharding, NamedSharding):
        return [(device, (slice(None),) * len(shape)) for device in sharding.device_set]
    mesh, local = sharding.mesh, sharding.shard_shape(shape)
    out = []
    for position in np.ndindex(mesh.devices.shape):
        where = dict(zip(mesh.axis_names, position, strict=True))
        parts = []
        for axis, size in enumerate(local):
            spec = sharding.spec[axis] if axis < len(sharding.spec) else None
            names = () if spec is None else spec if isinstance(spec, tuple) else (spec,)
            number = 0
            for name in names:
                number = number * mesh.shape[name] + where[name]
            parts.append(slice(number * size, (number + 1) * size) if names else slice(None))
        out.append((mesh.devices.item(position), tuple(parts)))
    return out
