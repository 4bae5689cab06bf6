"""Draws of vectors and matrices by linear algebra."""
from __future__ import annotations

import math
from typing import Any

import numpy as np

from arrax import lax
from arrax import numpy as jnp
from arrax.core import dtypes
from arrax.core.array import Array
from arrax.core.remembered import remembered
from arrax.numpy.promotion import check_arraylike
from arrax.random.arguments import (broadcast, check_broadcast, draw_shape, float_dtype,
                                    inexact_dtype)
from arrax.random.basic import _normal
from arrax.random.discrete import inexact_params
from arrax.random.keys import typed_key
from arrax.random.staging import compiled
from arrax.transforms.api_placement import sharded
from arrax.typing import ArrayLike


@remembered
@sharded
def multivariate_normal(key: ArrayLike, mean: Any, cov: Any, shape: Any = None, dtype: Any = None,
                        method: str = "cholesky", *, out_sharding: Any = None) -> Array:
    """Normal draws with the given mean and covariance.

    Args:
      key: a random key.
      mean: of shape (*batch, n).
      cov: covariance matrices, of shape (*batch, n, n).
      shape: batch shape of the result, which both batch shapes must broadcast to; default: their
        common one.
      dtype: the float dtype of the normal draws (default float32), which promotes with the
        parameters' dtypes to the result's.
      method: the factor of `cov`: "cholesky", or "eigh" or "svd" for singular covariances.

    Returns an array of shape (*shape, n). Raises ValueError where arguments do not fit.

    Example:
      >>> arrax.random.multivariate_normal(arrax.random.key(0), jnp.zeros(2), jnp.eye(2))
      Array([1.6226422, 2.0252647], dtype=float32)
    """
    typed = typed_key("multivariate_normal", key)
    check_arraylike("multivariate_normal", mean, cov)
    dtype = float_dtype("multivariate_normal", dtype)
    if method not in ("svd", "eigh", "cholesky"):
        raise ValueError("method must be one of {'svd', 'eigh', 'cholesky'}")
    if np.ndim(mean) < 1:
        raise ValueError("multivariate_normal requires mean.ndim >= 1, got mean.ndim == "
                         f"{np.ndim(mean)}")
    if np.ndim(cov) < 2:
        raise ValueError(f"multivariate_normal requires cov.ndim >= 2, got cov.ndim == "
                         f"{np.ndim(cov)}")
    size = np.shape(mean)[-1]
    if tuple(np.shape(cov)[-2:]) != (size, size):
        raise ValueError(f"multivariate_normal requires cov.shape == (..., n, n) for n={size}, "
                         f"but got cov.shape == {tuple(np.shape(cov))}.")
    batches = tuple(np.shape(mean))[:-1], tuple(np.shape(cov))[:-2]
    if shape is None:
        shape = broadcast(*batches)
    else:
        shape = draw_shape(shape)
        check_broadcast(shape, *batches)
    mean, cov = inexact_params("multivariate_normal", mean, cov)
    return _multivariate_normal(typed, shape, dtype, mean, cov, method)


@compiled("shape", "dtype", "method")
def _multivariate_normal(key: Any, shape: Any, dtype: Any, mean: Any, cov: Any,
                         method: str) -> Any:
    if method == "svd":
        left, values, _ = jnp.linalg.svd(cov)
        factor = left * jnp.sqrt(values[..., None, :])
    elif method == "eigh":
        values, vectors = jnp.linalg.eigh(cov)
        factor = vectors * jnp.sqrt(values[..., None, :])
    else:
        factor = jnp.linalg.cholesky(cov)
    draw = _normal(key, (*shape, mean.shape[-1]), dtype)
    return mean + jnp.einsum("...ij,...j->...i", factor, draw)


@remembered
@sharded
def orthogonal(key: ArrayLike, n: int, shape: Any = (), dtype: Any = None, m: int | None = None, *,
               out_sharding: Any = None) -> Array:
    """Uniform draws of orthogonal (complex: unitary) matrices.

    Args:
      key: a random key.
      n: rows.
      shape: batch shape of the result.
      dtype: a float or complex dtype (default float32).
      m: columns (default `n`); the result has orthonormal rows or columns, whichever are fewer.

    Returns an array of shape (*shape, n, m). By the QR decomposition of normal matrices, with the
    signs that make it unique (Mezzadri, "How to generate random matrices from the classical compact
    groups", 2007).
    """
    typed = typed_key("orthogonal", key)
    dtype = inexact_dtype("normal", dtype)
    return _orthogonal(typed, draw_shape(shape), dtype, n, n if m is None else m)


@compiled("shape", "dtype", "n", "m")
def _orthogonal(key: Any, shape: Any, dtype: Any, n: int, m: int) -> Any:
    tall, short = max(n, m), min(n, m)
    draw = _normal(key, (*shape, tall, short), dtype)
    if not math.prod(draw.shape):
        return jnp.reshape(draw, (*shape, n, m))
    q, r = jnp.linalg.qr(draw)
    diagonal = jnp.diagonal(r, axis1=-2, axis2=-1)
    q = q * lax.expand_dims(lax.sign(diagonal), (-2,))
    if n >= m:
        return q
    q = jnp.swapaxes(q, -2, -1)
    return jnp.conj(q) if dtypes.issubdtype(dtype, np.complexfloating) else q
