"""`arrax.experimental.sparse.bcoo`: batched arrays in coordinate format.

A BCOO is a pytree of two dense arrays, and all functions are compositions of gathers, scatters,
sorts and products of these: what is true of them under transformations follows. Where it is in
the file: `_entries` has the algorithms without batch axes, `_conversions` those to and from dense
arrays and of layouts, `_structure` those of axes and parts, `_products` products.

Source: `jax.experimental.sparse.bcoo`.
"""
from __future__ import annotations

from arrax.core.lazy import listing as _listing
from arrax.experimental.sparse._arrays import BCOO, BCOOProperties
from arrax.experimental.sparse._conversions import (bcoo_eliminate_zeros, bcoo_extract,
                                                    bcoo_fromdense, bcoo_sort_indices,
                                                    bcoo_sum_duplicates, bcoo_todense,
                                                    bcoo_update_layout)
from arrax.experimental.sparse._products import (bcoo_conv_general_dilated, bcoo_dot_general,
                                                 bcoo_dot_general_sampled, bcoo_multiply_dense,
                                                 bcoo_multiply_sparse)
from arrax.experimental.sparse._structure import (bcoo_broadcast_in_dim, bcoo_concatenate,
                                                  bcoo_dynamic_slice, bcoo_gather,
                                                  bcoo_reduce_sum, bcoo_reshape, bcoo_rev,
                                                  bcoo_slice, bcoo_squeeze, bcoo_transpose)

__all__ = ["BCOO", "BCOOProperties", "bcoo_broadcast_in_dim", "bcoo_concatenate",
           "bcoo_conv_general_dilated", "bcoo_dot_general", "bcoo_dot_general_sampled",
           "bcoo_dynamic_slice", "bcoo_eliminate_zeros", "bcoo_extract", "bcoo_fromdense",
           "bcoo_gather", "bcoo_multiply_dense", "bcoo_multiply_sparse", "bcoo_reduce_sum",
           "bcoo_reshape", "bcoo_rev", "bcoo_slice", "bcoo_sort_indices", "bcoo_squeeze",
           "bcoo_sum_duplicates", "bcoo_todense", "bcoo_transpose", "bcoo_update_layout"]

__dir__ = _listing(__name__)
