"""Dtypes: kinds, promotion, 64-bit truncation, and those that NumPy does not have."""
from arrax.core.dtypes import (
                               TypePromotionError,
                               bfloat16,
                               canonicalize_dtype,
                               extended,
                               finfo,
                               float0,
                               iinfo,
                               issubdtype,
                               itemsize_bits,
                               prng_key,
                               result_type,
                               scalar_type_of,
)
from arrax.core.lazy import listing as _listing

__all__ = ["TypePromotionError", "bfloat16", "canonicalize_dtype", "extended", "finfo", "float0",
           "iinfo", "issubdtype", "itemsize_bits", "prng_key", "result_type", "scalar_type_of"]

__dir__ = _listing(__name__)
