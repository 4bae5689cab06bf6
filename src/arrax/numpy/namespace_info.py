"""What the array API standard asks a namespace about itself: `__array_namespace_info__()`.

Source: the standard's inspection API (2024.12).
"""
from __future__ import annotations

from typing import Any

import numpy as np

from arrax.core import config, dtypes
from arrax.core.device import Device, cpu_devices
from arrax.core.shardings import Sharding

_KINDS: dict[str, tuple[str, ...]] = {
    "bool": ("bool",),
    "signed integer": ("int8", "int16", "int32", "int64"),
    "unsigned integer": ("uint8", "uint16", "uint32", "uint64"),
    "real floating": ("float32", "float64"),
    "complex floating": ("complex64", "complex128")}
_KINDS["integral"] = _KINDS["signed integer"] + _KINDS["unsigned integer"]
_KINDS["numeric"] = _KINDS["integral"] + _KINDS["real floating"] + _KINDS["complex floating"]
_ALL = _KINDS["bool"] + _KINDS["numeric"]
_WIDE = {"int64", "uint64", "float64", "complex128"}


class ArrayNamespaceInfo:
    """Capabilities, devices and dtypes of `arrax.numpy`.

    Example:
      >>> jnp.__array_namespace_info__().default_dtypes()["integral"]
      dtype('int32')
    """

    def capabilities(self) -> dict[str, Any]:
        """What programs may rely on; shapes that depend on values need `size=` under `jit`."""
        return {"boolean indexing": False, "data-dependent shapes": False, "max dimensions": 64}

    def default_device(self) -> Device | None:
        """The flag `default_device`: None, or where arrays are put."""
        return config.default_device.value

    def devices(self) -> list[Device | None]:
        """What a `device` argument may be; None is the default device."""
        return [None, *cpu_devices()]

    def default_dtypes(self, *, device: Device | Sharding | None = None) -> dict[str, np.dtype]:
        """The dtypes that results have where nothing says one; wider with `enable_x64`.

        Args:
          device: one of `devices()`; ValueError for others. All devices have the same dtypes.
        """
        self._check_device(device)
        return {"real floating": dtypes.default_float_dtype(),
                "complex floating": dtypes.default_complex_dtype(),
                "integral": dtypes.default_int_dtype(), "indexing": dtypes.default_int_dtype()}

    def dtypes(self, *, device: Device | Sharding | None = None,
               kind: str | tuple[str, ...] | None = None) -> dict[str, np.dtype]:
        """The standard's dtypes by name; those of 64 bits with `enable_x64` only.

        Args:
          device: one of `devices()`; ValueError for others.
          kind: "bool", "signed integer", "unsigned integer", "integral", "real floating",
            "complex floating", "numeric", or a tuple of these; ValueError for others.
        """
        self._check_device(device)
        names: set[str] = set()
        for one in (kind,) if isinstance(kind, str) else kind or ():
            if one not in _KINDS:
                raise ValueError(f"dtypes: kind must be one of {sorted(_KINDS)}, got {one!r}")
            names.update(_KINDS[one])
        known = [n for n in _ALL if (kind is None or n in names)
                 and (n not in _WIDE or config.enable_x64.value)]
        return {name: np.dtype(name) for name in known}

    def _check_device(self, device: Device | Sharding | None) -> None:
        if device is not None and not isinstance(device, Sharding) \
                and device not in self.devices():
            raise ValueError(f"device must be one of {self.devices()}, got {device!r}")


def __array_namespace_info__() -> ArrayNamespaceInfo:
    """What the namespace says of itself, as the array API standard asks.

    Example:
      >>> sorted(jnp.__array_namespace_info__().dtypes(kind="real floating"))
      ['float32']
    """
    return ArrayNamespaceInfo()
