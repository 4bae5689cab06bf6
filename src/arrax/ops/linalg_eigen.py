"""Eigenvalues and the factorizations on the way to them."""
from __future__ import annotations

import enum
from collections.abc import Callable
from typing import Any

import numpy as np

from arrax._native import call_deep
from arrax.core.ad_values import Zero, tangent_aval
from arrax.core.array import Array
from arrax.core.aval import aval_of
from arrax.core.forking import import_late
from arrax.core.parameter_types import parameter_type
from arrax.core.primitive import NotApplicable, Primitive
from arrax.core.remembered import remembered
from arrax.core.lowering import HostCall, Library
from arrax.library import linear_algebra
from arrax.ops import sharding_rules
from arrax.ops import matrices as m
from arrax.ops.linalg_orthogonal_stablehlo import eigh_form
from arrax.ops.linalg_triangular import _lapack, solve_by_lu, symmetrized
from arrax.ops.p import abs_p, eq_p, imag_p, reduce_max_p, reduce_sum_p
from arrax.ops.quiet import quiet
from arrax.ops.rules import batch_by_moving
from arrax.typing import ArrayLike

_NO_DERIVATIVE = NotApplicable("no differentiation rule is known to JAX either")
_ONLY_CPU = NotApplicable("LAPACK computes it on the CPU; JAX has it on CPUs only too")


@parameter_type
class EighImplementation(enum.Enum):
    """How `eigh` computes; on the CPU by LAPACK, which QR stands for."""

    QR = "qr"
    JACOBI = "jacobi"
    QDWH = "qdwh"


@parameter_type
class EigImplementation(enum.Enum):
    """How `eig` computes; on the CPU by LAPACK."""

    CUSOLVER = "cusolver"
    MAGMA = "magma"
    LAPACK = "lapack"


# ---- eigh ----------------------------------------------------------------------------------------

def _eigh_type(x: Any, **params: Any) -> list[Any]:
    m.check_square(x, "eigh")
    return [x, m.aval_like(x, x.shape[:-1], m.real_dtype(x.dtype))]


def _eigh_evaluate(x: np.ndarray, *, lower: bool, sort_eigenvalues: bool, subset_by_index: Any,
                   algorithm: Any) -> list[np.ndarray]:
    def decompose(a: np.ndarray) -> list[np.ndarray]:
        w, v = call_deep(np.linalg.eigh, a, "L" if lower else "U")
        return [v, w]

    try:
        if np.isfinite(x).all():
            return decompose(x)
    except np.linalg.LinAlgError:
        pass
    return m.each_matrix(decompose, _eigh_type(x), x)


def _eigh_jvp(primals: Any, tangents: Any, **params: Any) -> Any:
    """First-order perturbation: ẇ = diag(Vᴴ Ȧ V), V̇ = V (F ∘ Vᴴ Ȧ V), Fᵢⱼ = 1 / (wⱼ - wᵢ)."""
    v, w = eigh_p.bind(*primals, **params)
    if type(tangents[0]) is Zero:
        return [v, w], [Zero(tangent_aval(aval_of(o))) for o in (v, w)]
    inner = m.matmul(m.matmul(m.adjoint(v), tangents[0]), v)
    eye = m.identity(aval_of(inner).shape, aval_of(w).dtype)
    gaps = m.sub(m.as_row(w), m.as_column(w))
    inverse_gaps = m.sub(m.reciprocal(m.add(gaps, eye)), eye)
    v_tangent = m.matmul(v, m.mul(inverse_gaps, inner))
    return [v, w], [v_tangent, m.real(m.diagonal(inner))]


eigh_p: Primitive = Primitive(
    "eigh", sharding=sharding_rules.batch_of_matrices,
    multiple_results=True, type_rule=_eigh_type, evaluate=quiet(_eigh_evaluate),
    jvp=_eigh_jvp,
    batch=batch_by_moving(lambda size, x, **params: eigh_p.bind(x, **params)),
    stablehlo=eigh_form,
    lower=Library(linear_algebra.eigh))


@remembered
def eigh(x: Any, *, lower: bool = True, symmetrize_input: bool = True,
         sort_eigenvalues: bool = True, subset_by_index: tuple[int, int] | None = None,
         implementation: EighImplementation | None = None) -> tuple[Array, Array]:
    """Eigenvectors and ascending eigenvalues (v, w) of Hermitian matrices […, n, n].

    `symmetrize_input` replaces x by (x + xᴴ) / 2; without it only the triangle that `lower` names
    is read. NotImplementedError for a true subset of the eigenvalues.
    """
    x = m.matrix_operand(m.inexact_operand(x, "eigh") if symmetrize_input else x, "eigh")
    if implementation not in (None, EighImplementation.QR):
        raise NotImplementedError(f"eigh: {implementation} is not supported on the CPU, where "
                                  "LAPACK computes by QR")
    if symmetrize_input:
        m.check_square(x, "eigh")
        x = symmetrized(x)
    if subset_by_index is not None and tuple(subset_by_index) != (0, x.shape[-1]):
        raise NotImplementedError("subset_by_index not supported on CPU and GPU")
    return tuple(eigh_p.bind(x, lower=bool(lower), sort_eigenvalues=bool(sort_eigenvalues),
                             subset_by_index=subset_by_index, algorithm=implementation))


# ---- eig -----------------------------------------------------------------------------------------

def _eig_type(x: Any, *, compute_left_eigenvectors: bool, compute_right_eigenvectors: bool,
              **params: Any) -> list[Any]:
    m.check_square(x, "eig")
    dtype = m.complex_dtype(x.dtype)
    vectors = m.aval_like(x, x.shape, dtype)
    count = compute_left_eigenvectors + compute_right_eigenvectors
    return [m.aval_like(x, x.shape[:-1], dtype), *[vectors] * count]


def _eig_evaluate(x: np.ndarray, *, compute_left_eigenvectors: bool,
                  compute_right_eigenvectors: bool, **params: Any) -> list[np.ndarray]:
    scipy_eig = import_late("scipy.linalg").eig

    def decompose(a: np.ndarray) -> list[np.ndarray]:
        if a.shape[0] == 0:
            return [np.zeros(0)] + [a] * 2
        found = call_deep(scipy_eig, a, left=compute_left_eigenvectors,
                          right=compute_right_eigenvectors, check_finite=False)
        return list(found) if isinstance(found, tuple) else [found]

    outs = m.each_matrix(decompose, _eig_type(
        x, compute_left_eigenvectors=compute_left_eigenvectors,
        compute_right_eigenvectors=compute_right_eigenvectors), x)
    for out in outs:
        if np.isnan(out.real).any():
            out[np.isnan(out.real)] = complex(np.nan, np.nan)
    return outs


def _eig_jvp(primals: Any, tangents: Any, *, compute_left_eigenvectors: bool,
             compute_right_eigenvectors: bool, enable_eigvec_derivs: bool, **params: Any) -> Any:
    """ẇ = diag(V⁻¹ Ȧ V); V̇ = V (F ∘ V⁻¹ Ȧ V), less its part along V, which has unit columns."""
    wants_vectors = compute_left_eigenvectors or compute_right_eigenvectors
    if compute_left_eigenvectors or (wants_vectors and not enable_eigvec_derivs):
        raise NotImplementedError(
            "The derivatives of non-symmetric eigenvectors are not supported. Only first-order "
            "derivatives of eigenvalues are supported (or of right eigenvectors, with "
            "enable_eigvec_derivs=True). See https://github.com/jax-ml/jax/issues/2748")
    x, tangent = primals[0], tangents[0]
    w, v = eig_p.bind(x, compute_left_eigenvectors=False, compute_right_eigenvectors=True,
                      enable_eigvec_derivs=enable_eigvec_derivs, **params)
    outs = [w, v] if wants_vectors else [w]
    if type(tangent) is Zero:
        return outs, [Zero(tangent_aval(aval_of(o))) for o in outs]
    inner = solve_by_lu(v, m.matmul(m.as_dtype(tangent, aval_of(v).dtype), v))
    tangents_out = [m.diagonal(inner)]
    if wants_vectors:
        eye = m.identity(aval_of(inner).shape, aval_of(w).dtype)
        gaps = m.sub(m.as_row(w), m.as_column(w))
        inverse_gaps = m.sub(m.reciprocal(m.add(gaps, eye)), eye)
        moved = m.matmul(v, m.mul(inverse_gaps, inner))
        tangents_out.append(_normalized_tangent(v, moved))
    return outs, tangents_out


def _normalized_tangent(v: Any, moved: Any) -> Any:
    """Keep columns of `v` at unit length and their largest components real, as LAPACK has them."""
    aval = aval_of(v)
    rows = (aval.ndim - 2,)
    product = m.mul(m.conj(v), moved)
    length = m.real(reduce_sum_p.bind(product, axes=rows, out_sharding=None))
    sizes = abs_p.bind(v)
    largest = m.as_row(reduce_max_p.bind(sizes, axes=rows, out_sharding=None))
    is_largest = m.as_dtype(m.binary(eq_p)(sizes, largest), aval_of(sizes).dtype)
    count = reduce_sum_p.bind(is_largest, axes=rows, out_sharding=None)
    turn = m.div(m.mul(imag_p.bind(product), is_largest), m.mul(largest, largest))
    turn = m.div(reduce_sum_p.bind(turn, axes=rows, out_sharding=None), count)
    excess = m.add(m.as_dtype(length, aval.dtype), m.scale(m.as_dtype(turn, aval.dtype), 1j))
    return m.sub(moved, m.mul(v, m.as_row(excess)))


eig_p: Primitive = Primitive(
    "eig", sharding=sharding_rules.batch_of_matrices,
    multiple_results=True, type_rule=_eig_type, evaluate=quiet(_eig_evaluate), jvp=_eig_jvp,
    batch=batch_by_moving(lambda size, x, **params: eig_p.bind(x, **params)),
    stablehlo=_ONLY_CPU,
    lower=HostCall("LAPACK, through NumPy and SciPy"))


@remembered
def eig(x: ArrayLike, *, compute_left_eigenvectors: bool = True,
        compute_right_eigenvectors: bool = True, enable_eigvec_derivs: bool = False,
        implementation: EigImplementation | None = None,
        use_magma: bool | None = None) -> list[Array]:
    """Eigenvalues of square matrices […, n, n], then left and right eigenvectors as asked.

    Results are complex. Eigenvalues can be differentiated, right eigenvectors with
    `enable_eigvec_derivs` (of unit length, the largest component real).
    """
    x = m.matrix_operand(x, "eig")
    m.check_square(x, "eig")
    if implementation not in (None, EigImplementation.LAPACK):
        raise ValueError(f"eig: only LAPACK is supported on the CPU, got {implementation}")
    return list(eig_p.bind(
        x, compute_left_eigenvectors=bool(compute_left_eigenvectors),
        compute_right_eigenvectors=bool(compute_right_eigenvectors),
        enable_eigvec_derivs=bool(enable_eigvec_derivs), implementation=implementation))


# ---- schur ---------------------------------------------------------------------------------------

def _schur_type(x: Any, *, compute_schur_vectors: bool, **params: Any) -> list[Any]:
    m.check_square(x, "schur")
    return [x, x] if compute_schur_vectors else [x]


def _schur_evaluate(x: np.ndarray, *, compute_schur_vectors: bool, **params: Any,
                    ) -> list[np.ndarray]:
    scipy_schur = import_late("scipy.linalg").schur
    output = "complex" if x.dtype.kind == "c" else "real"
    outs = _schur_type(x, compute_schur_vectors=compute_schur_vectors)
    return m.each_matrix(
        lambda a: call_deep(scipy_schur, a, output=output, check_finite=False), outs, x)


schur_p: Primitive = Primitive(
    "schur", sharding=sharding_rules.batch_of_matrices,
    multiple_results=True, type_rule=_schur_type, evaluate=quiet(_schur_evaluate),
    jvp=_NO_DERIVATIVE, batch=batch_by_moving(lambda size, x, **params: schur_p.bind(x, **params)),
    stablehlo=_ONLY_CPU,
    lower=HostCall("LAPACK, through NumPy and SciPy"))


def schur(x: ArrayLike, *, compute_schur_vectors: bool = True, sort_eig_vals: bool = False,
          select_callable: Callable[..., Any] | None = None) -> list[Array]:
    """The Schur form [t] or [t, q], x = q t qᴴ, of square matrices; quasi-triangular for real ones.

    NotImplementedError with `sort_eig_vals`.
    """
    if sort_eig_vals or select_callable is not None:
        raise NotImplementedError("The sort feature of LAPACK's gees routine is not implemented.")
    x = m.matrix_operand(x, "schur")
    m.check_square(x, "schur")
    return list(schur_p.bind(x, compute_schur_vectors=bool(compute_schur_vectors),
                             sort_eig_vals=False, select_callable=None))


# ---- hessenberg, tridiagonal ---------------------------------------------------------------------

def _hessenberg_type(x: Any) -> list[Any]:
    m.check_square(x, "hessenberg")
    return [x, m.aval_like(x, (*x.shape[:-2], max(0, x.shape[-1] - 1)))]


def _hessenberg_evaluate(x: np.ndarray) -> list[np.ndarray]:
    if x.shape[-1] < 1:
        return [x, np.zeros(_hessenberg_type(x)[1].shape, x.dtype)]
    return m.each_matrix(lambda a: _lapack("gehrd", x)(a)[:2], _hessenberg_type(x), x)


hessenberg_p: Primitive = Primitive(
    "hessenberg", sharding=sharding_rules.batch_of_matrices,
    multiple_results=True, type_rule=_hessenberg_type,
    evaluate=quiet(_hessenberg_evaluate),
    jvp=_NO_DERIVATIVE, batch=batch_by_moving(lambda size, x: hessenberg_p.bind(x)),
    stablehlo=_ONLY_CPU,
    lower=HostCall("LAPACK, through NumPy and SciPy"))


def hessenberg(a: ArrayLike) -> list[Array]:
    """Hessenberg form of square matrices, as LAPACK keeps it: [a, taus].

    The form stands on and above the first subdiagonal; below it stand the reflection vectors whose
    scalars are `taus` (see `householder_product`).
    """
    a = m.matrix_operand(a, "hessenberg")
    m.check_square(a, "hessenberg")
    return list(hessenberg_p.bind(a))


def _tridiagonal_type(x: Any, *, lower: bool) -> list[Any]:
    m.check_square(x, "tridiagonal")
    size, batch = x.shape[-1], x.shape[:-2]
    off = (*batch, max(0, size - 1))
    real = m.real_dtype(x.dtype)
    return [x, m.aval_like(x, (*batch, size), real), m.aval_like(x, off, real),
            m.aval_like(x, off)]


def _tridiagonal_evaluate(x: np.ndarray, *, lower: bool) -> list[np.ndarray]:
    if x.shape[-1] < 1:
        return [np.zeros(o.shape, o.dtype) for o in _tridiagonal_type(x, lower=lower)]
    reduce = _lapack("hetrd" if x.dtype.kind == "c" else "sytrd", x)
    return m.each_matrix(lambda a: reduce(a, lower=int(lower))[:4],
                         _tridiagonal_type(x, lower=lower), x)


tridiagonal_p: Primitive = Primitive(
    "tridiagonal", sharding=sharding_rules.batch_of_matrices,
    multiple_results=True, type_rule=_tridiagonal_type,
    evaluate=quiet(_tridiagonal_evaluate), jvp=_NO_DERIVATIVE,
    batch=batch_by_moving(lambda size, x, **params: tridiagonal_p.bind(x, **params)),
    stablehlo=_ONLY_CPU,
    lower=HostCall("LAPACK, through NumPy and SciPy"))


def tridiagonal(a: ArrayLike, *, lower: bool = True) -> Any:
    """Tridiagonal form of Hermitian matrices: (a, diagonal, off-diagonal, taus) as of LAPACK."""
    a = m.matrix_operand(a, "tridiagonal")
    m.check_square(a, "tridiagonal")
    return tuple(tridiagonal_p.bind(a, lower=bool(lower)))
