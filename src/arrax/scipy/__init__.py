"""`arrax.scipy`: functions of SciPy for arrays of arrax, differentiable, vectorized and compiled.

Each part is imported when it is first used.
"""
from __future__ import annotations

import importlib
from typing import Any

__all__ = ["cluster", "fft", "integrate", "interpolate", "linalg", "ndimage", "optimize", "signal",
           "spatial", "sparse", "special", "stats"]


def __getattr__(name: str) -> Any:
    """The parts, imported at first use."""
    if name in __all__:
        return importlib.import_module(f"arrax.scipy.{name}")
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return list(__all__)
