"""Linear algebra on the last two axes, batched over the others."""
from __future__ import annotations

