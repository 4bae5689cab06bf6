"""`arrax.scipy.sparse`: iterative solvers."""
from __future__ import annotations

from arrax.scipy.sparse import linalg

__all__ = ["linalg"]
