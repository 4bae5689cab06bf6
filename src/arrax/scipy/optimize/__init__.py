"""`arrax.scipy.optimize`: minima of functions of several variables."""
from __future__ import annotations

from arrax.core.lazy import listing as _listing
from arrax.scipy.optimize.minimize import OptimizeResults, minimize

__all__ = ["OptimizeResults", "minimize"]

__dir__ = _listing(__name__)
