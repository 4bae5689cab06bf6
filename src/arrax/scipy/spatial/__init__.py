"""`arrax.scipy.spatial`: rotations of space (`arrax.scipy.spatial.transform`)."""
from __future__ import annotations

from arrax.core.lazy import listing as _listing
from arrax.scipy.spatial import transform

__all__ = ["transform"]

__dir__ = _listing(__name__)
