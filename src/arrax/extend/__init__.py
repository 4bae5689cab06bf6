"""`arrax.extend`: what programs need that extend the system: primitives, interpreters, backends.

Submodules are imported when first used.
"""
from __future__ import annotations

from arrax.core.lazy import submodules

__getattr__, __dir__ = submodules(__name__)
