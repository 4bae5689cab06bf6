"""`arrax.scipy.optimize`: minima of functions of several variables."""
from __future__ import annotations

from arrax.core.lazy import listing
from arrax.scipy.optimize.minimize import OptimizeResults, minimize

__all__ = ["OptimizeResults", "minimize"]

__dir__ = listing(__name__)
