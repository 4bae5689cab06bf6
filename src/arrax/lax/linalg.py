"""Linear algebra on the last two axes, batched over the others."""
from __future__ import annotations

from arrax.core.lazy import listing as _listing
from arrax.ops.linalg_eigen import (EighImplementation, EigImplementation, eig, eig_p, eigh, eigh_p,
                                    hessenberg, hessenberg_p, schur, schur_p, tridiagonal,
                                    tridiagonal_p)
from arrax.ops.linalg_orthogonal import (SvdAlgorithm, geqrf, geqrf_p, householder_product,
                                         householder_product_p, ormqr, ormqr_p, qdwh, qr, qr_p, svd,
                                         svd_p)
from arrax.ops.linalg_triangular import (cholesky, cholesky_p, cholesky_update, cholesky_update_p,
                                         lu, lu_p, lu_pivots_to_permutation,
                                         lu_pivots_to_permutation_p, symmetric_product,
                                         symmetric_product_p, triangular_solve,
                                         triangular_solve_p)
from arrax.ops.linalg_tridiagonal import tridiagonal_solve, tridiagonal_solve_p

__all__ = [
    "EigImplementation", "EighImplementation", "SvdAlgorithm", "cholesky", "cholesky_p",
    "cholesky_update", "cholesky_update_p", "eig", "eig_p", "eigh", "eigh_p", "geqrf", "geqrf_p",
    "hessenberg", "hessenberg_p", "householder_product", "householder_product_p", "lu", "lu_p",
    "lu_pivots_to_permutation", "lu_pivots_to_permutation_p", "ormqr", "ormqr_p", "qdwh", "qr",
    "qr_p", "schur", "schur_p", "svd", "svd_p", "symmetric_product", "symmetric_product_p",
    "triangular_solve", "triangular_solve_p", "tridiagonal", "tridiagonal_p", "tridiagonal_solve",
    "tridiagonal_solve_p"]

__dir__ = _listing(__name__)
