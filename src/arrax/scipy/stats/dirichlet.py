"""The Dirichlet distribution."""
from __future__ import annotations

from typing import Any

import numpy as np

from arrax import numpy as jnp
from arrax.core.array import Array
from arrax.core.lazy import listing as _listing
from arrax.numpy.promotion import promote_dtypes_inexact
from arrax.scipy import special
from arrax.typing import ArrayLike


def logpdf(x: Any, alpha: Any) -> Array:
    """The logarithm of the density of the Dirichlet distribution.

    Args:
      x: points of the simplex, components along the first axis: k of them, or k - 1, the last one
        then being what lacks to 1. -inf off the simplex.
      alpha: the k concentrations, positive, of shape (k,).

    Returns: an array of the shape of `x` without its first axis.

    Errors: ValueError when the sizes do not go together, or `alpha` is no vector.

    Example:
      >>> round(float(logpdf(jnp.array([0.2, 0.8]), jnp.array([2., 3.]))), 4)
      0.4292

    Source: `scipy.stats.dirichlet`.
    """
    x, alpha = promote_dtypes_inexact("dirichlet.logpdf", x, alpha)
    if alpha.ndim != 1:
        raise ValueError(f"dirichlet: alpha must be one-dimensional, got shape {alpha.shape}")
    if x.ndim == 0 or x.shape[0] not in (alpha.size, alpha.size - 1):
        raise ValueError("dirichlet: x must have as many entries along its first axis as alpha, or "
                         f"one less; got shapes x={x.shape} and alpha={alpha.shape}")
    if x.shape[0] == alpha.size - 1:
        x = jnp.concatenate([x, 1 - jnp.sum(x, axis=0, keepdims=True)])
    alpha = alpha.reshape(alpha.shape + (1,) * (x.ndim - 1))
    tolerance = 10 * x.shape[0] * np.finfo(x.dtype).eps
    inside = jnp.all(x >= 0, axis=0) & (jnp.abs(jnp.sum(x, axis=0) - 1) <= tolerance)
    norm = special.gammaln(jnp.sum(alpha)) - jnp.sum(special.gammaln(alpha))
    safe = jnp.where(inside, x, 1 / x.shape[0])
    return jnp.where(inside, norm + jnp.sum(special.xlogy(alpha - 1, safe), axis=0), -jnp.inf)


def pdf(x: ArrayLike, alpha: ArrayLike) -> Array:
    """The density of the Dirichlet distribution, the exponential of `logpdf`.

    Args:
      x: points of the simplex, components along the first axis.
      alpha: the concentrations, positive.

    Example:
      >>> round(float(pdf(jnp.array([0.2, 0.8]), jnp.array([2., 3.]))), 4)
      1.536

    Source: `scipy.stats.dirichlet`.
    """
    return jnp.exp(logpdf(x, alpha))

__all__ = ["logpdf", "pdf"]
__dir__ = _listing(__name__)
