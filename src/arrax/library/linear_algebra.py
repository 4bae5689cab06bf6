"""Linear algebra as library calls: which function, and its spec, for operands and parameters.

Small matrices have loops of their own (`src/native/linalg.cpp`), others LAPACK's, through pointers
that SciPy's Cython API gives (`src/native/lapack.cpp`), so that no call runs Python. SciPy is
imported when a program that needs it is compiled. Specs begin with the dtype and the number of
matrices.
"""
from __future__ import annotations

import ctypes
import functools
import math
from collections.abc import Callable, Sequence
from typing import Any

from arrax import _native
from arrax.core.forking import import_late
from arrax.library.calls import CODES, Call, Spec

SMALL = 32  # rows up to which loops of ours beat a call of LAPACK
_REAL = ("float32", "float64")
_KINDS = ("float32", "float64", "complex64", "complex128")
# In the order of `enum Routine` in lapack.cpp; complex matrices have other names for some.
_ROUTINES = ("potrf", "getrf", "trsm", "geqrf", "orgqr", "syevd", "gesdd")
_COMPLEX = {"orgqr": "ungqr", "syevd": "heevd"}


@functools.cache
def load_lapack() -> None:
    """Puts the addresses of LAPACK's routines into the native library's table."""
    cython_blas = import_late("scipy.linalg.cython_blas")
    cython_lapack = import_late("scipy.linalg.cython_lapack")
    address, name_of = ctypes.pythonapi.PyCapsule_GetPointer, ctypes.pythonapi.PyCapsule_GetName
    address.restype, address.argtypes = ctypes.c_void_p, [ctypes.py_object, ctypes.c_char_p]
    name_of.restype, name_of.argtypes = ctypes.c_char_p, [ctypes.py_object]
    table = (ctypes.c_void_p * (4 * len(_ROUTINES))).from_address(
        _native.symbols()["arrax_lapack"])
    for row, routine in enumerate(_ROUTINES):
        source = (cython_blas if routine == "trsm" else cython_lapack).__pyx_capi__
        for column, prefix in enumerate("sdcz"):
            capsule = source[prefix + (_COMPLEX.get(routine, routine) if prefix in "cz"
                                       else routine)]
            table[4 * row + column] = address(capsule, name_of(capsule))


def _lapack(name: str, spec: Spec) -> Call:
    load_lapack()
    return Call(name, spec)


def _head(x: Any, ranks: int = 2) -> Spec:
    """Dtype, number of matrices, their sizes."""
    batch = len(x.shape) - ranks
    return (CODES[x.dtype], math.prod(x.shape[:batch]), *x.shape[batch:])


def _of_matrices(call: Callable[[Sequence[Any], Any], Call | None]) -> Callable[..., Call | None]:
    """A call for operands of dtypes that LAPACK has."""
    def checked(operands: Sequence[Any], results: Sequence[Any], params: Any) -> Call | None:
        if any(x.dtype.name not in _KINDS for x in operands):
            return None
        return call(operands, params)
    return checked


@_of_matrices
def cholesky(operands: Sequence[Any], params: Any) -> Call:
    spec = _head(operands[0])
    return Call("arrax_cholesky", spec) if spec[2] <= SMALL \
        else _lapack("arrax_lapack_cholesky", spec)


@_of_matrices
def lu(operands: Sequence[Any], params: Any) -> Call:
    spec = _head(operands[0])
    small = max(spec[2:]) <= SMALL
    return Call("arrax_lu", spec) if small \
        else _lapack("arrax_lapack_lu", spec)


@_of_matrices
def triangular_solve(operands: Sequence[Any], params: Any) -> Call:
    code, count, n, _ = _head(operands[0])
    left = params["left_side"]
    sides = operands[1].shape[-1 if left else -2]
    op = 3 if params["conjugate_a"] else 0
    if params["transpose_a"]:
        op = 2 if params["conjugate_a"] else 1
    spec = (code, count, n, sides, int(left), int(params["lower"]), int(params["unit_diagonal"]),
            op)
    return Call("arrax_triangular_solve", spec) if n <= SMALL \
        else _lapack("arrax_lapack_solve", spec)


@_of_matrices
def qr(operands: Sequence[Any], params: Any) -> Call | None:
    if params["pivoting"]:
        return None
    spec = (*_head(operands[0]), int(params["full_matrices"]))
    small = max(spec[2:4]) <= SMALL
    return Call("arrax_small_qr", spec) if small \
        else _lapack("arrax_qr", spec)


@_of_matrices
def householder_product(operands: Sequence[Any], params: Any) -> Call:
    return _lapack("arrax_householder_product", (*_head(operands[0]), operands[1].shape[-1]))


@_of_matrices
def eigh(operands: Sequence[Any], params: Any) -> Call:
    return _lapack("arrax_eigh", (*_head(operands[0])[:3], int(params["lower"])))


@_of_matrices
def svd(operands: Sequence[Any], params: Any) -> Call:
    name = "arrax_svd" if params["compute_uv"] else "arrax_singular_values"
    return _lapack(name, (*_head(operands[0]), int(params["full_matrices"])))


@_of_matrices
def cholesky_update(operands: Sequence[Any], params: Any) -> Call | None:
    if operands[0].dtype.name not in _REAL:
        return None
    return Call("arrax_cholesky_update", _head(operands[0]))


def permutation(operands: Sequence[Any], results: Sequence[Any], params: Any) -> Call | None:
    (pivots,) = operands
    if pivots.dtype.name != "int32":
        return None
    return Call("arrax_permutation", (math.prod(pivots.shape[:-1]), pivots.shape[-1],
                                      params["permutation_size"]))


@_of_matrices
def tridiagonal_solve(operands: Sequence[Any], params: Any) -> Call | None:
    if params["perturb_singular"]:
        return None
    return Call("arrax_tridiagonal_solve", _head(operands[3]))


@_of_matrices
def geqrf(operands: Sequence[Any], params: Any) -> Call:
    return _lapack("arrax_geqrf", _head(operands[0]))
