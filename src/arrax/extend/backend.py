"""`arrax.extend.backend`: the platforms there are."""
from __future__ import annotations

from arrax.core.caching import clear_caches
from arrax.core.device import Client, Device
from arrax.core.shardings import placement_sharding
from arrax.core.engine import engines
from arrax.core.lazy import listing as _listing
from arrax.transforms.api_placement import devices

__all__ = ["backends", "clear_backends", "clear_in_memory_compilation_cache", "get_backend",
           "get_default_device"]


def backends() -> dict[str, Client]:
    """The platforms that are there, by name."""
    return {name: Client(name) for name in (*engines(), "cpu")}


def get_backend(platform: str | Client | None = None) -> Client:
    """A platform, the default one if None; RuntimeError if it is not there.

    Example:
      >>> from arrax.extend.backend import get_backend
      >>> get_backend().platform
      'cpu'
    """
    if isinstance(platform, Client):
        return platform
    return devices(platform)[0].client


def get_default_device() -> Device:
    """Where arrays go that nobody places."""
    return next(iter(placement_sharding(None).device_set))


def clear_backends() -> None:
    """Forget compiled programs; devices stay."""
    clear_caches()


def clear_in_memory_compilation_cache() -> None:
    """Forget compiled programs."""
    clear_caches()

__dir__ = _listing(__name__)
