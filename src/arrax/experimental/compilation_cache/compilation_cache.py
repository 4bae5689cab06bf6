"""`arrax.experimental.compilation_cache.compilation_cache`: where compiled programs are kept."""
from __future__ import annotations

from arrax.core import config
from arrax.core.caching import clear_caches
from arrax.core.lazy import listing as _listing

__all__ = ["reset_cache", "set_cache_dir"]


def set_cache_dir(path: str) -> None:
    """Keep compiled programs in the folder `path`: the flag `jax_compilation_cache_dir`."""
    config.config.update("jax_compilation_cache_dir", str(path))


def reset_cache() -> None:
    """Let later compilations read the folder anew; files in it stay."""
    clear_caches()

__dir__ = _listing(__name__)
