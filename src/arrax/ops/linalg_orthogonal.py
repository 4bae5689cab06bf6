"""QR and singular value decompositions, and the Householder reflections behind QR."""
from __future__ import annotations

import enum
from typing import Any

import numpy as np

from arrax._native import call_deep
from arrax.core.ad_values import Zero, tangent_aval
from arrax.core.array import Array
from arrax.core.aval import aval_of
from arrax.core.dimension import min_dim
from arrax.core.forking import import_late
from arrax.core.parameter_types import parameter_type
from arrax.core.primitive import NotApplicable, Primitive
from arrax.core.remembered import remembered
from arrax.core.lowering import HostCall, Library
from arrax.library import linear_algebra
from arrax.ops import sharding_rules
from arrax.ops import arguments, linalg_orthogonal_stablehlo as form, matrices as m
from arrax.ops.linalg_triangular import _lapack, _solve
from arrax.ops.p import eq_p
from arrax.ops.quiet import quiet
from arrax.ops.rules import batch_by_moving, zeros
from arrax.typing import ArrayLike

_INT32 = np.dtype(np.int32)


# ---- qr ------------------------------------------------------------------------------------------

def _qr_type(x: Any, *, pivoting: bool, full_matrices: bool, use_magma: Any = None) -> list[Any]:
    rows, columns = x.shape[-2:]
    batch = x.shape[:-2]
    inner = rows if full_matrices else min(rows, columns)
    outs = [m.aval_like(x, (*batch, rows, inner)), m.aval_like(x, (*batch, inner, columns))]
    return [*outs, m.aval_like(x, (*batch, columns), _INT32)] if pivoting else outs


def _qr_evaluate(x: np.ndarray, *, pivoting: bool, full_matrices: bool, use_magma: Any = None,
                 ) -> list[np.ndarray]:
    if not pivoting:
        return list(call_deep(np.linalg.qr, x, mode="complete" if full_matrices else "reduced"))
    scipy_qr = import_late("scipy.linalg").qr
    outs = _qr_type(x, pivoting=True, full_matrices=full_matrices)
    return m.each_matrix(lambda a: call_deep(
        scipy_qr, a, pivoting=True, mode="full" if full_matrices else "economic",
        check_finite=False), outs, x)


def _qr_jvp(primals: Any, tangents: Any, *, pivoting: bool, full_matrices: bool, use_magma: Any,
            ) -> Any:
    """With Ȧ R⁻¹ = Q̇ + Q Ṙ R⁻¹: Qᴴ Ȧ R⁻¹ splits into a skew-Hermitian and an upper part.

    (Walter and Lehmann, "On evaluating higher-order derivatives of the QR decomposition", 2010.)
    """
    outs = qr_p.bind(*primals, pivoting=pivoting, full_matrices=full_matrices, use_magma=use_magma)
    none = [Zero(tangent_aval(aval_of(o))) for o in outs]
    if type(tangents[0]) is Zero:
        return outs, none
    rows, columns = aval_of(primals[0]).shape[-2:]
    if rows < columns or (full_matrices and rows != columns):
        raise NotImplementedError("Unimplemented case of QR decomposition derivative")
    q, r, *pivots = outs
    tangent = tangents[0]
    if pivoting:
        tangent = m.matrix_transpose(m.permute_rows(m.matrix_transpose(tangent), pivots[0]))
    quotient = _solve(r, tangent, left_side=False, lower=False)
    inner = m.matmul(m.adjoint(q), quotient)
    strict = m.lower_triangle(inner, -1)
    skew = m.sub(strict, m.adjoint(strict))
    aval = aval_of(inner)
    if aval.dtype.kind == "c":  # the imaginary part of the diagonal is skew-Hermitian too
        imaginary = m.sub(inner, m.as_dtype(m.real(inner), aval.dtype))
        skew = m.add(skew, m.mul(m.identity(aval.shape, aval.dtype), imaginary))
    q_tangent = m.add(m.matmul(q, m.sub(skew, inner)), quotient)
    return outs, [q_tangent, m.matmul(m.sub(inner, skew), r), *none[2:]]


qr_p: Primitive = Primitive(
    "qr", sharding=sharding_rules.batch_of_matrices,
    multiple_results=True, type_rule=_qr_type, evaluate=quiet(_qr_evaluate), jvp=_qr_jvp,
    batch=batch_by_moving(lambda size, x, **params: qr_p.bind(x, **params)),
    stablehlo=form.qr_form,
    lower=Library(linear_algebra.qr))


@remembered
def qr(x: ArrayLike, *, pivoting: bool = False, full_matrices: bool = True,
       use_magma: bool | None = None) -> Any:
    """The factors (q, r) of matrices […, m, n], and with `pivoting` the permutation of columns.

    `full_matrices` gives q […, m, m]; otherwise it has min(m, n) columns.
    """
    x = m.matrix_operand(x, "qr")
    return tuple(qr_p.bind(x, pivoting=bool(pivoting), full_matrices=bool(full_matrices),
                           use_magma=use_magma))


# ---- Householder reflections ---------------------------------------------------------------------

_NO_DERIVATIVE = NotApplicable("differentiate through `qr`")


def _geqrf_type(x: Any) -> list[Any]:
    return [x, m.aval_like(x, (*x.shape[:-2], min(x.shape[-2:])))]


geqrf_p: Primitive = Primitive(
    "geqrf", sharding=sharding_rules.batch_of_matrices,
    multiple_results=True, type_rule=_geqrf_type,
    evaluate=lambda x: m.each_matrix(lambda a: _lapack("geqrf", x)(a)[:2], _geqrf_type(x), x)
    if x.size else [np.zeros(o.shape, o.dtype) for o in _geqrf_type(x)],
    jvp=_NO_DERIVATIVE, batch=batch_by_moving(lambda size, x: geqrf_p.bind(x)),
    stablehlo=form.geqrf_form,
    lower=Library(linear_algebra.geqrf))


def geqrf(x: Any) -> Any:
    """QR as LAPACK keeps it: R above the diagonal, reflection vectors below, and their scalars."""
    return tuple(geqrf_p.bind(m.matrix_operand(x, "geqrf")))


def _householder_type(a: Any, taus: Any) -> Any:
    rows, columns = a.shape[-2:]
    if a.ndim - 2 != taus.ndim - 1:
        raise TypeError("All inputs to householder_product must have the same number of batch "
                        f"dimensions, but got {[a.ndim - 2, taus.ndim - 1]} batch dimensions for "
                        "the inputs.")
    if a.dtype != taus.dtype or a.shape[:-2] != taus.shape[:-1]:
        raise ValueError("Type mismatch for Householder product: "
                         f"{a.str_short()}, {taus.str_short()}")
    if rows < columns or taus.shape[-1] > columns:
        raise ValueError("Householder product inputs have incompatible shapes: "
                         f"{a.shape}, {taus.shape}")
    return a


def _householder_evaluate(a: np.ndarray, taus: np.ndarray) -> np.ndarray:
    if a.size == 0:
        return a
    generate = _lapack("ungqr" if a.dtype.kind == "c" else "orgqr", a)
    return m.each_matrix(lambda v, t: [generate(v, t)[0]], [a], a, taus, ranks=(2, 1))[0]


householder_product_p: Primitive = Primitive(
    "householder_product", sharding=sharding_rules.batch_of_matrices,
    type_rule=_householder_type, evaluate=quiet(_householder_evaluate),
    jvp=_NO_DERIVATIVE, batch=batch_by_moving(
        lambda size, a, taus: householder_product_p.bind(a, taus)),
    stablehlo=form.householder_product_form,
    lower=Library(linear_algebra.householder_product))


def householder_product(a: Any, taus: Any) -> Array:
    """The first n columns of the product of reflections in `a` […, m, n] (see `geqrf`)."""
    a = m.matrix_operand(a, "householder_product")
    taus = m.lapack_operand(arguments.operand(taus, "householder_product", 1),
                            "householder_product", 1)
    _householder_type(a.aval, taus.aval)
    return householder_product_p.bind(a, taus)


def _ormqr_evaluate(a: np.ndarray, taus: np.ndarray, c: np.ndarray, *, left: bool, transpose: bool,
                    ) -> np.ndarray:
    name = "unmqr" if a.dtype.kind == "c" else "ormqr"
    apply = _lapack(name, a)
    how = ("C" if a.dtype.kind == "c" else "T") if transpose else "N"

    def one(v: Any, t: Any, x: Any) -> list[Any]:
        work = max(1, 64 * max(x.shape))
        return [apply("L" if left else "R", how, v, t, x, work)[0]]

    return m.each_matrix(one, [c], a, taus, c, ranks=(2, 1, 2))[0]


ormqr_p: Primitive = Primitive(
    "ormqr", sharding=sharding_rules.batch_of_matrices,
    type_rule=lambda a, taus, c, **params: c, evaluate=quiet(_ormqr_evaluate),
    jvp=_NO_DERIVATIVE, batch=batch_by_moving(
        lambda size, a, taus, c, **params: ormqr_p.bind(a, taus, c, **params)),
    stablehlo=form.ormqr_form,
    lower=HostCall("LAPACK, through NumPy and SciPy"))


def ormqr(a: Any, taus: Any, c: Any, *, left: bool = True, transpose: bool = False) -> Array:
    """Q c, or c Q, or with Qᴴ (`transpose`), for the Q of `geqrf`'s result (a, taus)."""
    a, c = m.matrix_operand(a, "ormqr"), m.matrix_operand(c, "ormqr", 2)
    taus = m.lapack_operand(arguments.operand(taus, "ormqr", 1), "ormqr", 1)
    rows = c.shape[-2 if left else -1]
    if rows != a.shape[-2] or a.shape[:-2] != c.shape[:-2]:
        raise ValueError(f"ormqr got incompatible shapes: {a.shape} and {c.shape}")
    return ormqr_p.bind(a, taus, c, left=bool(left), transpose=bool(transpose))


# ---- svd -----------------------------------------------------------------------------------------

@parameter_type
class SvdAlgorithm(enum.Enum):
    """How an SVD is computed; on the CPU by LAPACK's divide and conquer, also if QR is asked for.
    JACOBI and POLAR are for accelerators."""

    DEFAULT = "default"
    QR = "QR"
    JACOBI = "Jacobi"
    POLAR = "polar"
    DIVIDE_AND_CONQUER = "divide_and_conquer"


def _svd_type(x: Any, *, full_matrices: bool, compute_uv: bool, subset_by_index: Any = None,
              algorithm: Any = None) -> list[Any]:
    rows, columns = x.shape[-2:]
    batch, rank = x.shape[:-2], min_dim(rows, columns)
    values = m.aval_like(x, (*batch, rank), m.real_dtype(x.dtype))
    if not compute_uv:
        return [values]
    return [values, m.aval_like(x, (*batch, rows, rows if full_matrices else rank)),
            m.aval_like(x, (*batch, columns if full_matrices else rank, columns))]


def _svd_evaluate(x: np.ndarray, *, full_matrices: bool, compute_uv: bool, subset_by_index: Any,
                  algorithm: Any) -> list[np.ndarray]:
    def decompose(a: np.ndarray) -> list[np.ndarray]:
        if not compute_uv:
            return [call_deep(np.linalg.svd, a, compute_uv=False)]
        u, s, vh = call_deep(np.linalg.svd, a, full_matrices=full_matrices)
        return [s, u, vh]

    try:
        if np.isfinite(x).all():
            return decompose(x)
    except np.linalg.LinAlgError:
        pass
    outs = _svd_type(x, full_matrices=full_matrices, compute_uv=compute_uv)
    return m.each_matrix(decompose, outs, x)


def _svd_jvp(primals: Any, tangents: Any, *, full_matrices: bool, compute_uv: bool, **params: Any,
             ) -> Any:
    """Giles, "Collected matrix derivative results for forward and reverse mode AD", 2008, 3.7."""
    x, tangent = primals[0], tangents[0]
    outs = svd_p.bind(x, full_matrices=full_matrices, compute_uv=compute_uv, **params)
    if type(tangent) is Zero:
        return outs, [Zero(tangent_aval(aval_of(o))) for o in outs]
    rows, columns = aval_of(x).shape[-2:]
    if compute_uv and full_matrices and rows != columns:
        raise NotImplementedError(
            "Singular value decomposition JVP not implemented for full matrices")
    s, u, vh = outs if compute_uv else svd_p.bind(x, full_matrices=False, compute_uv=True, **params)
    uh, v = m.adjoint(u), m.adjoint(vh)
    inner = m.matmul(m.matmul(uh, tangent), v)
    s_tangent = m.real(m.diagonal(inner))
    if not compute_uv:
        return outs, [s_tangent]
    row, column = m.as_row(s), m.as_column(s)
    shape, dtype = aval_of(inner).shape, aval_of(s).dtype
    eye = m.identity(shape, dtype)
    gaps = m.mul(m.add(row, column), m.sub(row, column))
    inverse_gaps = m.sub(m.reciprocal(m.add(gaps, eye)), eye)
    is_zero = m.as_dtype(eq_p.bind(s, zeros(aval_of(s))), dtype)
    inverses = m.sub(m.reciprocal(m.add(s, is_zero)), is_zero)
    phase = m.scale(m.sub(inner, m.adjoint(inner)), 0.5)
    phase = m.mul(phase, m.mul(eye, m.as_row(inverses)))
    right, left = m.mul(row, inner), m.mul(column, inner)
    u_tangent = m.matmul(u, m.add(m.mul(inverse_gaps, m.add(right, m.adjoint(right))), phase))
    v_tangent = m.matmul(v, m.mul(inverse_gaps, m.add(left, m.adjoint(left))))
    if rows > columns:
        outer = m.matmul(tangent, v)
        u_tangent = m.add(u_tangent, m.div(m.sub(outer, m.matmul(u, m.matmul(uh, outer))), row))
    if columns > rows:
        outer = m.matmul(m.adjoint(tangent), u)
        v_tangent = m.add(v_tangent, m.div(m.sub(outer, m.matmul(v, m.matmul(vh, outer))), row))
    return outs, [s_tangent, u_tangent, m.adjoint(v_tangent)]


svd_p: Primitive = Primitive(
    "svd", sharding=sharding_rules.batch_of_matrices,
    multiple_results=True, type_rule=_svd_type, evaluate=quiet(_svd_evaluate), jvp=_svd_jvp,
    batch=batch_by_moving(lambda size, x, **params: svd_p.bind(x, **params)),
    stablehlo=form.svd_form,
    lower=Library(linear_algebra.svd))


@remembered
def svd(x: Any, *, full_matrices: bool = True, compute_uv: bool = True,
        subset_by_index: tuple[int, int] | None = None, algorithm: SvdAlgorithm | None = None,
        ) -> Any:
    """Singular value decomposition of matrices […, m, n]: (u, s, vᴴ), or s alone.

    Singular values descend. NotImplementedError for a true subset of them. A matrix that is not
    finite gives NaN.
    """
    x = m.matrix_operand(x, "svd")
    if algorithm in (SvdAlgorithm.JACOBI, SvdAlgorithm.POLAR):
        raise NotImplementedError(f"svd: {algorithm} is not implemented on the CPU, where LAPACK "
                                  "computes by QR or divide and conquer")
    if subset_by_index is not None and tuple(subset_by_index) != (0, min(x.shape[-2:])):
        if full_matrices:
            raise ValueError("svd: full_matrices and subset_by_index cannot both be set")
        raise NotImplementedError("subset_by_index not implemented for CPU and GPU")
    outs = svd_p.bind(x, full_matrices=bool(full_matrices), compute_uv=bool(compute_uv),
                      subset_by_index=subset_by_index, algorithm=algorithm)
    if not compute_uv:
        return outs[0]
    s, u, vh = outs
    return u, s, vh


def qdwh(x: Any, *, is_hermitian: bool = False, max_iterations: int | None = None,
         eps: float | None = None, dynamic_shape: tuple[int, int] | None = None) -> Any:
    """The polar decomposition x = u h: (u, h, number of iterations, whether it converged).

    Computed from the singular value decomposition, so `max_iterations` and `eps` do not matter.
    """
    x = m.matrix_operand(x, "qdwh")
    if x.shape[-2] < x.shape[-1]:
        raise ValueError(f"The input matrix of shape M x N must have M >= N, got {x.shape}.")
    if dynamic_shape is not None:
        raise NotImplementedError("qdwh does not support dynamic_shape")
    u, s, vh = svd(x, full_matrices=False)
    h = m.matmul(m.mul(m.adjoint(vh), m.as_row(s)), vh)
    return m.matmul(u, vh), h, np.int32(1), np.bool_(True)
