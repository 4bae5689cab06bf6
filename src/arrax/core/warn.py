"""Warnings of the library. They are counted: a call that warns is never served from a recording."""
from __future__ import annotations

import warnings

issued = [0]


def warn(message: str, category: type[Warning] = UserWarning, stacklevel: int = 1) -> None:
    """`warnings.warn`, counted; `stacklevel` 1 names the caller's line."""
    issued[0] += 1
    warnings.warn(message, category, stacklevel=stacklevel + 1)
