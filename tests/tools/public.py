"""The public names of a module."""
from __future__ import annotations

import types


def names(module: types.ModuleType) -> list[str]:
    """What `from module import *` gives."""
    return sorted(module.__all__)
