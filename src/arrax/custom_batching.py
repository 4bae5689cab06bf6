"""`arrax.custom_batching`: functions that say themselves how they are batched."""
from arrax.control.custom_batching import custom_vmap, sequential_vmap
from arrax.core.lazy import listing as _listing

__all__ = ["custom_vmap", "sequential_vmap"]

__dir__ = _listing(__name__)
