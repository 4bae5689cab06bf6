"""`arrax.experimental.sparse`: arrays that store the elements that are not zero.

| format | arrays |
| --- | --- |
| `BCOO` | elements and their indices, with batch axes before and dense axes behind |
| `BCSR` | the same with two sparse axes, by rows |
| `COO`, `CSR`, `CSC` | matrices |

All are pytrees of dense arrays, so they pass through `jit`, `vmap`, `grad` and loops. `sparsify`
lets functions of dense arrays work on BCOO and BCSR. The number of stored elements (`nse`) is
static: results store as many as they could need, and padding has indices out of bounds.

Source: `jax.experimental.sparse`.
"""
from __future__ import annotations

from arrax.core.lazy import listing as _listing
from arrax.experimental.sparse import (_methods, ad, api, bcoo, bcsr, coo, csr, linalg, random,
                                       transform, util)
from arrax.experimental.sparse.ad import grad, jacfwd, jacobian, jacrev, value_and_grad
from arrax.experimental.sparse.api import empty, eye, todense, todense_p
from arrax.experimental.sparse.bcoo import (
    BCOO, bcoo_broadcast_in_dim, bcoo_concatenate, bcoo_conv_general_dilated, bcoo_dot_general,
    bcoo_dot_general_sampled, bcoo_dynamic_slice, bcoo_extract, bcoo_fromdense, bcoo_gather,
    bcoo_multiply_dense, bcoo_multiply_sparse, bcoo_reduce_sum, bcoo_reshape, bcoo_rev, bcoo_slice,
    bcoo_sort_indices, bcoo_squeeze, bcoo_sum_duplicates, bcoo_todense, bcoo_transpose,
    bcoo_update_layout)
from arrax.experimental.sparse.bcsr import (
    BCSR, bcsr_broadcast_in_dim, bcsr_concatenate, bcsr_dot_general, bcsr_extract, bcsr_fromdense,
    bcsr_sum_duplicates, bcsr_todense)
from arrax.experimental.sparse.coo import COO, coo_fromdense, coo_matmat, coo_matvec, coo_todense
from arrax.experimental.sparse.csr import (
    CSC, CSR, csr_fromdense, csr_matmat, csr_matvec, csr_todense)
from arrax.experimental.sparse.random import random_bcoo
from arrax.experimental.sparse.transform import SparseTracer, sparsify
from arrax.experimental.sparse.util import (
    CuSparseEfficiencyWarning, JAXSparse, SparseEfficiencyError, SparseEfficiencyWarning)

__all__ = ["BCOO", "BCSR", "COO", "CSC", "CSR", "CuSparseEfficiencyWarning", "JAXSparse",
           "SparseEfficiencyError", "SparseEfficiencyWarning", "SparseTracer", "ad", "api", "bcoo",
           "bcoo_broadcast_in_dim", "bcoo_concatenate", "bcoo_conv_general_dilated",
           "bcoo_dot_general", "bcoo_dot_general_sampled", "bcoo_dynamic_slice", "bcoo_extract",
           "bcoo_fromdense", "bcoo_gather", "bcoo_multiply_dense", "bcoo_multiply_sparse",
           "bcoo_reduce_sum", "bcoo_reshape", "bcoo_rev", "bcoo_slice", "bcoo_sort_indices",
           "bcoo_squeeze", "bcoo_sum_duplicates", "bcoo_todense", "bcoo_transpose",
           "bcoo_update_layout", "bcsr", "bcsr_broadcast_in_dim", "bcsr_concatenate",
           "bcsr_dot_general", "bcsr_extract", "bcsr_fromdense", "bcsr_sum_duplicates",
           "bcsr_todense", "coo", "coo_fromdense", "coo_matmat", "coo_matvec", "coo_todense", "csr",
           "csr_fromdense", "csr_matmat", "csr_matvec", "csr_todense", "empty", "eye", "grad",
           "jacfwd", "jacobian", "jacrev", "linalg", "random", "random_bcoo", "sparsify", "todense",
           "todense_p", "transform", "util", "value_and_grad"]

_methods.install()
__dir__ = _listing(__name__)
