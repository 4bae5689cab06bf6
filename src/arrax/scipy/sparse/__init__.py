"""`arrax.scipy.sparse`: iterative solvers."""
from __future__ import annotations

from arrax.core.lazy import listing as _listing
from arrax.scipy.sparse import linalg

__all__ = ["linalg"]

__dir__ = _listing(__name__)
