"""`arrax.scipy.cluster`: vector quantization."""
from __future__ import annotations

from arrax.scipy.cluster import vq

__all__ = ["vq"]
