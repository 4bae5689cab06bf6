"""First-order primitives by family; all rules of a primitive stand in one block.

`arrax.ops` also gives users the segment reductions (`segment_sum`, …), which are compositions and
stand in `arrax.numpy.segments`; they are imported when first used.
"""
from __future__ import annotations

import importlib
from typing import Any

from arrax.core.lazy import listing as _listing

__all__ = ["segment_max", "segment_min", "segment_prod", "segment_sum"]
__dir__ = _listing(__name__)


def __getattr__(name: str) -> Any:
    """The names that users know from `arrax.ops`."""
    if name in __all__:
        value = getattr(importlib.import_module("arrax.numpy.segments"), name)
        globals()[name] = value
        return value
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
