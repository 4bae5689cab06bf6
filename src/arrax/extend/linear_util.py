"""`arrax.extend.linear_util`: functions with a list of transformations to apply."""
from arrax.core.lazy import listing as _listing
from arrax.transforms.linear_util import (StoreException, WrappedFun, cache, merge_linear_aux,
                                          transformation, transformation2, transformation_with_aux,
                                          transformation_with_aux2, wrap_init)

__all__ = ["StoreException", "WrappedFun", "cache", "merge_linear_aux", "transformation",
           "transformation2", "transformation_with_aux", "transformation_with_aux2", "wrap_init"]

__dir__ = _listing(__name__)
