"""`arrax.experimental`: what JAX keeps apart from its stable API; same names and meaning here.

Submodules are imported when first used.
"""
from __future__ import annotations

from arrax.core.lazy import submodules
from arrax.ops.callback import io_callback

__getattr__, __dir__ = submodules(__name__)
