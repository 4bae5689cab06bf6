"""`arrax.interpreters`: the rules of transformations, as tables that programs read and fill.


Submodules are imported when first used.
"""
from __future__ import annotations

from arrax.core.lazy import submodules

__getattr__, __dir__ = submodules(__name__)
