"""The multivariate normal distribution."""
from __future__ import annotations

import math
from typing import Any

from arrax import lax
from arrax import numpy as jnp
from arrax.core.array import Array
from arrax.core.lazy import listing as _listing
from arrax.numpy.promotion import promote_dtypes_inexact
from arrax.typing import ArrayLike


def logpdf(x: Any, mean: Any, cov: Any, allow_singular: None = None) -> Any:
    """The logarithm of the density of the multivariate normal distribution.

    Args:
      x: points, of shape (..., d); scalars for d = 1.
      mean: the means, of shape (..., d) or ().
      cov: the covariances, positive definite, of shape (..., d, d), or a variance (). NaN where
        they are not positive definite. Leading axes are broadcast together.
      allow_singular: not supported; NotImplementedError unless None.

    Returns: an array of shape (...).

    Errors: ValueError when the last axes do not go together.

    Example:
      >>> round(float(logpdf(jnp.zeros(2), jnp.zeros(2), jnp.eye(2))), 4)
      -1.8379

    Source: `scipy.stats.multivariate_normal`.
    """
    if allow_singular is not None:
        raise NotImplementedError("multivariate_normal.logpdf: allow_singular is not supported")
    x, mean, cov = promote_dtypes_inexact("multivariate_normal.logpdf", x, mean, cov)
    if mean.ndim == 0:
        return -0.5 * (jnp.square(x - mean) / cov + math.log(2 * math.pi) + jnp.log(cov))
    dimension = mean.shape[-1]
    if cov.ndim < 2 or cov.shape[-2:] != (dimension, dimension):
        raise ValueError("multivariate_normal: cov must have shape (..., d, d) for a mean of shape "
                         f"(..., d); got {cov.shape} and {mean.shape}")
    low = lax.linalg.cholesky(cov)
    leading = jnp.broadcast_shapes(jnp.shape(x - mean)[:-1], cov.shape[:-2])
    low = jnp.broadcast_to(low, (*leading, dimension, dimension))
    away = jnp.broadcast_to(x - mean, (*leading, dimension))
    scaled = lax.linalg.triangular_solve(low, away[..., None], left_side=True, lower=True)
    squares = jnp.sum(jnp.square(scaled[..., 0]), axis=-1)
    logs = jnp.sum(jnp.log(jnp.diagonal(low, axis1=-2, axis2=-1)), axis=-1)
    return -0.5 * (squares + dimension * math.log(2 * math.pi)) - logs


def pdf(x: ArrayLike, mean: ArrayLike, cov: ArrayLike) -> Array:
    """The density of the multivariate normal distribution, the exponential of `logpdf`.

    Args:
      x: points, of shape (..., d).
      mean: the means, of shape (..., d) or ().
      cov: the covariances, of shape (..., d, d) or ().

    Example:
      >>> round(float(pdf(jnp.zeros(2), jnp.zeros(2), jnp.eye(2))), 4)
      0.1592

    Source: `scipy.stats.multivariate_normal`.
    """
    return jnp.exp(logpdf(x, mean, cov))

__all__ = ["logpdf", "pdf"]
__dir__ = _listing(__name__)
