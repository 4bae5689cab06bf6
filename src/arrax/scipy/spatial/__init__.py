"""`arrax.scipy.spatial`: rotations of space (`arrax.scipy.spatial.transform`)."""
from __future__ import annotations

from arrax.scipy.spatial import transform

__all__ = ["transform"]
