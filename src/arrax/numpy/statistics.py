"""Covariance and correlation."""
from __future__ import annotations

from typing import Any

import numpy as np

from arrax import lax
from arrax.core import dtypes
from arrax.core.array import Array
from arrax.core.dimension import min_dim
from arrax.core.remembered import remembered
from arrax.numpy import creation, elementwise, products, reductions, shaping
from arrax.numpy.promotion import (as_array, complex_dtypes, convert, integer_dtypes,
                                   promote_dtypes_inexact, promotes_freely)
from arrax.typing import ArrayLike, DTypeLike


@remembered
@promotes_freely
def cov(m: ArrayLike, y: ArrayLike | None = None, rowvar: bool = True, bias: bool = False,
        ddof: int | None = None, fweights: ArrayLike | None = None,
        aweights: ArrayLike | None = None, dtype: DTypeLike | None = None) -> Array:
    """The covariance matrix of variables, the rows of `m` (and `y`), over observations.

    Args:
      rowvar: whether rows are variables (else columns).
      bias, ddof: the divisor: N with `bias`, N - ddof if given, else N - 1.
      fweights, aweights: how often each observation counts, and how important it is.
    """
    x = as_array("cov", m)
    if x.ndim > 2 or (y is not None and np.ndim(y) > 2):
        raise ValueError("m has more than 2 dimensions" if x.ndim > 2 else
                         "y has more than 2 dimensions")
    if ddof is not None and ddof != int(ddof):
        raise ValueError("ddof must be integer")
    operands = promote_dtypes_inexact("cov", x) if y is None else promote_dtypes_inexact(
        "cov", x, as_array("cov", y, 1))
    known = dtypes.check_user_dtype(dtype, "cov")
    if known is not None:
        operands = [convert(v, known) for v in operands]
    rows = [_variables(v, rowvar) for v in operands]
    x = rows[0] if len(rows) == 1 else lax.concatenate(rows, 0)
    if ddof is None:
        ddof = 0 if bias else 1
    weights, norm = _weights(x, fweights, aweights, ddof)
    mean = reductions.average(x, axis=1, weights=weights)
    x = elementwise._subtract(x, mean[:, None])
    weighted = x if weights is None else elementwise._multiply(x, weights[None, :])
    product = products.dot(x, elementwise.conjugate(shaping.transpose(weighted)))
    return shaping.squeeze(elementwise.divide(product, norm))


def _variables(x: Any, rowvar: bool) -> Any:
    if x.ndim < 2:
        return shaping.reshape(x, (1, x.size))
    return x if rowvar else shaping.transpose(x)


def _weights(x: Any, fweights: Any, aweights: Any, ddof: int) -> tuple[Any, Any]:
    """The weights of the observations (None: equal), and the divisor."""
    count = x.shape[1]
    weights: Any = None
    for name, given in (("fweights", fweights), ("aweights", aweights)):
        if given is None:
            continue
        w = as_array("cov", given)
        if w.ndim != 1 or w.shape[0] != count:
            raise ValueError(f"incompatible numbers of samples and {name}")
        if name == "fweights":
            if w.dtype not in integer_dtypes:
                raise TypeError("fweights must be integer.")
            w = elementwise.absolute(w)
        weights = w if weights is None else elementwise._multiply(weights, w)
    if weights is None:
        divisor = count - ddof
        return None, float(divisor) if isinstance(divisor, int) else divisor
    total = reductions.sum(weights)
    if ddof == 0:
        return weights, total
    if aweights is None:
        return weights, elementwise._subtract(total, ddof)
    squares = reductions.sum(elementwise._multiply(weights, as_array("cov", aweights)))
    return weights, elementwise._subtract(
        total, elementwise.divide(elementwise._multiply(squares, ddof), total))


@remembered
@promotes_freely
def corrcoef(x: ArrayLike, y: ArrayLike | None = None, rowvar: bool = True,
             dtype: DTypeLike | None = None) -> Array:
    """The correlation coefficients of variables; see `cov`."""
    c = cov(x, y, rowvar, dtype=dtype)
    if c.ndim == 0:
        return elementwise.divide(c, c)
    deviation = lax.sqrt(elementwise.real(_main_diagonal(c)))
    c = elementwise.divide(elementwise.divide(c, deviation[:, None]), deviation[None, :])
    if c.dtype in complex_dtypes:
        return lax.complex(_unit(lax.real(c)), _unit(lax.imag(c)))
    return _unit(c)


def _unit(x: Any) -> Any:
    return elementwise._minimum(elementwise._maximum(x, -1), 1)


def _main_diagonal(c: Any) -> Any:
    """The main diagonal of a matrix."""
    diagonal = creation.arange(min_dim(*c.shape))
    return c[diagonal, diagonal]
