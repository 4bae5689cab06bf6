"""Devices, their memories and platforms.

On the CPU engine all devices share memory, so where an array is is a label on one buffer; what runs
in parallel is decided by the compiler's thread pool. Meshes: `mesh.py`; layouts: `shardings.py`.
"""
from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

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
    if wanted and set(wanted.lower().split(",")) != {"cpu"}:
        raise RuntimeError(
            f"Unable to initialize backend '{wanted}': this version of arrax runs on the platform "
            "'cpu' alone (set JAX_PLATFORMS=cpu, or leave it unset)")
    count = max(1, config.num_cpu_devices.value)
    while len(_cpu_devices) < count:
        _cpu_devices.append(Device("cpu", len(_cpu_devices), "cpu"))
    return _cpu_devices[:count]
