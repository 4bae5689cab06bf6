"""`arrax.typing`: types for annotations."""
from __future__ import annotations

from typing import Protocol, runtime_checkable

import numpy as np

from arrax.core.array import Array
from arrax.core.lazy import listing as _listing


@runtime_checkable
class SupportsDType(Protocol):
    """Anything with a dtype."""

    @property
    def dtype(self) -> np.dtype:
        """The dtype."""


ArrayLike = Array | np.ndarray | np.bool_ | np.number | bool | int | float | complex
DTypeLike = str | type | np.dtype | SupportsDType

__all__ = ["ArrayLike", "DTypeLike"]

__dir__ = _listing(__name__)
