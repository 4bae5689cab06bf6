"""`arrax.ref`: mutable arrays, and functions that read and write them."""
from __future__ import annotations

from arrax.core.lazy import listing as _listing
from arrax.transforms.refs import (AbstractRef, Ref, TransformedRef, addupdate, empty_ref, free_ref,
                                   freeze, get, new_ref, set, swap)

__all__ = ["AbstractRef", "Ref", "TransformedRef", "addupdate", "empty_ref", "free_ref", "freeze",
           "get", "new_ref", "set", "swap"]

__dir__ = _listing(__name__)
