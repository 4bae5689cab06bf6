"""Solves with tridiagonal matrices."""
from __future__ import annotations

from typing import Any

import numpy as np

from arrax.core.ad_values import Zero, is_undefined, tangent_aval
from arrax.core.array import Array
from arrax.core.aval import aval_of
from arrax.core.primitive import Primitive
from arrax.core.lowering import Library
from arrax.library import linear_algebra
from arrax.ops import arguments, matrices as m
from arrax.ops.arguments import check_same_dtypes
from arrax.ops.linalg_stablehlo import tridiagonal_solve_form
from arrax.ops.linalg_triangular import _lapack
from arrax.ops.p import pad_p
from arrax.ops.quiet import quiet
from arrax.ops.rules import batch_by_moving, constant, instantiate


def _type(dl: Any, d: Any, du: Any, b: Any, *, perturb_singular: bool) -> Any:
    check_same_dtypes("tridiagonal_solve", dl, d, du, b)
    ranks = [dl.ndim - 1, d.ndim - 1, du.ndim - 1, b.ndim - 2]
    if len(set(ranks)) > 1:
        raise TypeError("All inputs to tridiagonal_solve must have the same number of batch "
                        f"dimensions, but got {ranks} batch dimensions for the inputs.")
    if not dl.shape == d.shape == du.shape == b.shape[:-1]:
        raise TypeError("tridiagonal_solve requires that all inputs have the same size, got "
                        f"{dl.shape}, {d.shape}, {du.shape} and {b.shape}.")
    return b


def _evaluate(dl: np.ndarray, d: np.ndarray, du: np.ndarray, b: np.ndarray, *,
              perturb_singular: bool) -> np.ndarray:
    out = np.empty(b.shape, b.dtype)
    if b.size == 0:
        return out
    if perturb_singular:
        return _perturbed_solve(dl, d, du, b)
    gtsv = _lapack("gtsv", b)
    for place in np.ndindex(*b.shape[:-2]):
        if d.shape[-1] == 1:
            out[place] = b[place] / d[place][:, None]
            continue
        *_, x, info = gtsv(dl[place][1:], d[place], du[place][:-1], b[place])
        out[place] = x if info == 0 else np.nan
    return out


def _perturbed_solve(dl: np.ndarray, d: np.ndarray, du: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Gaussian elimination where pivots that are zero become as small as rounding errors are.

    Rows are exchanged by their relative sizes, as LAPACK's `lagtf` does.
    """
    count = d.shape[-1]
    pivots, first = [*np.moveaxis(d, -1, 0)], [*np.moveaxis(du, -1, 0)]
    x = [b[..., k, :] for k in range(count)]
    second = [np.zeros_like(d[..., 0])] * count
    size = np.abs(pivots[0]) + (np.abs(first[0]) if count > 1 else 0)
    for k in range(count - 1):
        low = dl[..., k + 1]
        tail = first[k + 1] if k < count - 2 else np.zeros_like(low)
        next_size = np.abs(low) + np.abs(pivots[k + 1]) + np.abs(tail)
        swap = np.abs(low) * size > np.abs(pivots[k]) * next_size
        upper = [np.where(swap, low, pivots[k]), np.where(swap, pivots[k + 1], first[k]),
                 np.where(swap, tail, 0)]
        lower = [np.where(swap, pivots[k], low), np.where(swap, first[k], pivots[k + 1]),
                 np.where(swap, 0, tail)]
        factor = np.where(upper[0] == 0, 0, lower[0] / np.where(upper[0] == 0, 1, upper[0]))
        pivots[k], first[k], second[k] = upper
        pivots[k + 1], first[k + 1] = lower[1] - factor * upper[1], lower[2] - factor * upper[2]
        keep = swap[..., None]
        x[k], x[k + 1] = np.where(keep, x[k + 1], x[k]), np.where(keep, x[k], x[k + 1])
        x[k + 1] = x[k + 1] - factor[..., None] * x[k]
        size = np.where(swap, size, next_size)
    first[-1] = np.zeros_like(first[-1])
    return _back_substituted(pivots, first, second, x)


def _back_substituted(pivots: Any, first: Any, second: Any, x: Any) -> np.ndarray:
    dtype = x[0].dtype
    size = np.max(np.abs([*pivots, *first, *second]), axis=0)
    small = np.maximum(np.finfo(dtype).eps * size, np.finfo(dtype).tiny)
    for k in range(len(x) - 1, -1, -1):
        for above, values in ((1, first), (2, second)):
            if k + above < len(x):
                x[k] = x[k] - values[k][..., None] * x[k + above]
        pivot = np.where(pivots[k] == 0, small, pivots[k])
        x[k] = x[k] / pivot[..., None]
    return np.asarray(np.stack(x, -2)).astype(dtype)


def _shift(x: Any, by: int) -> Any:
    """Move elements along the last axis, zeros coming in."""
    aval = aval_of(x)
    config = ((0, 0, 0),) * (aval.ndim - 1) + ((by, -by, 0),)
    return pad_p.bind(x, constant(0, aval), padding_config=config)


def _shift_rows(x: Any, by: int) -> Any:
    aval = aval_of(x)
    config = ((0, 0, 0),) * (aval.ndim - 2) + ((by, -by, 0), (0, 0, 0))
    return pad_p.bind(x, constant(0, aval), padding_config=config)


def _jvp(primals: Any, tangents: Any, **params: Any) -> Any:
    dl, d, du, b = primals
    x = tridiagonal_solve_p.bind(*primals, **params)
    if all(type(t) is Zero for t in tangents):
        return x, Zero(tangent_aval(aval_of(x)))
    rest = instantiate(tangents[3])
    for tangent, by in zip(tangents[:3], (1, 0, -1), strict=True):
        if type(tangent) is not Zero:
            rows = _shift_rows(x, by) if by else x
            rest = m.sub(rest, m.mul(m.as_column(tangent), rows))
    return x, tridiagonal_solve_p.bind(dl, d, du, rest, **params)


def _transpose(cotangent: Any, dl: Any, d: Any, du: Any, b: Any, **params: Any) -> list[Any]:
    if not is_undefined(b):
        raise NotImplementedError("tridiagonal_solve is linear in its last operand only")
    if type(cotangent) is Zero:
        return [None, None, None, Zero(b.aval)]
    return [None, None, None, tridiagonal_solve_p.bind(
        _shift(du, 1), d, _shift(dl, -1), cotangent, **params)]


tridiagonal_solve_p: Primitive = Primitive(
    "tridiagonal_solve", type_rule=_type, evaluate=quiet(_evaluate), jvp=_jvp, transpose=_transpose,
    batch=batch_by_moving(lambda size, *xs, **params: tridiagonal_solve_p.bind(*xs, **params)),
    stablehlo=tridiagonal_solve_form,
    lower=Library(linear_algebra.tridiagonal_solve))


def tridiagonal_solve(dl: Any, d: Any, du: Any, b: Any, *, perturb_singular: bool = False) -> Array:
    """Solve for x: dl[i] x[i-1] + d[i] x[i] + du[i] x[i+1] = b[i], b […, n, k] (`dl[0]`, `du[-1]`
    are not read).

    A singular matrix gives NaN, or with `perturb_singular` what a matrix gives that is as near to
    it as rounding errors. TypeError for shapes that do not fit.
    """
    xs = [m.lapack_operand(arguments.operand(x, "tridiagonal_solve", i), "tridiagonal_solve", i)
          for i, x in enumerate((dl, d, du, b))]
    params = {"perturb_singular": bool(perturb_singular)}
    _type(*(x.aval for x in xs), **params)
    return tridiagonal_solve_p.bind(*xs, **params)
