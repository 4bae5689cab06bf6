"""`arrax.scipy.cluster`: vector quantization."""
from __future__ import annotations

from arrax.core.lazy import listing as _listing
from arrax.scipy.cluster import vq

__all__ = ["vq"]

__dir__ = _listing(__name__)
