"""`arrax.dlpack`: arrays of other libraries, without a copy."""
from __future__ import annotations

from typing import Any

import numpy as np

from arrax.core.lazy import listing as _listing
from arrax.numpy import from_dlpack

__all__ = ["from_dlpack", "is_supported_dtype"]

_SUPPORTED = frozenset(
    "bool int8 int16 int32 int64 uint8 uint16 uint32 uint64 float16 bfloat16 float32 float64 "
    "complex64 complex128".split())


def is_supported_dtype(dtype: Any) -> bool:
    """Whether arrays of `dtype` can cross by DLPack.

    Example:
      >>> from arrax import dlpack
      >>> dlpack.is_supported_dtype("float32"), dlpack.is_supported_dtype(jnp.int4)
      (True, False)
    """
    return np.dtype(dtype).name in _SUPPORTED

__dir__ = _listing(__name__)
