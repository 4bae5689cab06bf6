"""`arrax.experimental.compilation_cache`: the cache of compiled programs on disk."""
from __future__ import annotations

from arrax.core.lazy import submodules

__getattr__, __dir__ = submodules(__name__)
