"""`arrax.scipy.linalg`: linear algebra."""
from __future__ import annotations

from arrax.core.lazy import listing as _listing
from arrax.scipy.linalg.factorizations import (eigh, eigh_tridiagonal, hessenberg, polar, qr,
                                               qr_multiply, rsf2csf, schur, svd)
from arrax.scipy.linalg.functions import expm, expm_frechet, funm, sqrtm
from arrax.scipy.linalg.matrices import (block_diag, circulant, companion, convolution_matrix, dft,
                                         fiedler, fiedler_companion, hadamard, hankel, helmert,
                                         hilbert, invhilbert, invpascal, leslie, pascal, toeplitz)
from arrax.scipy.linalg.solving import (cho_factor, cho_solve, cholesky, det, inv, lu, lu_factor,
                                        lu_solve, solve, solve_sylvester, solve_triangular)

__all__ = [
    "block_diag", "cho_factor", "cho_solve", "cholesky", "circulant", "companion",
    "convolution_matrix", "det", "dft", "eigh", "eigh_tridiagonal", "expm", "expm_frechet",
    "fiedler", "fiedler_companion", "funm", "hadamard", "hankel", "helmert", "hessenberg",
    "hilbert", "inv", "invhilbert", "invpascal", "leslie", "lu", "lu_factor", "lu_solve",
    "pascal", "polar", "qr", "qr_multiply", "rsf2csf", "schur", "solve", "solve_sylvester",
    "solve_triangular", "sqrtm", "svd", "toeplitz"]

__dir__ = _listing(__name__)
