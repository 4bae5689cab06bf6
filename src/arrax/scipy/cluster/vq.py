"""`arrax.scipy.cluster.vq`: vector quantization."""
from __future__ import annotations

from typing import Any

from arrax import numpy as jnp
from arrax.core.lazy import listing as _listing
from arrax.numpy.promotion import promote_dtypes_inexact, promotes_arguments

__all__ = ["vq"]


@promotes_arguments
def vq(obs: Any, code_book: Any, check_finite: bool = True) -> tuple[Any, Any]:
    """For each observation the nearest code, and its distance.

    Args:
      obs: observations, of shape (m, d), or (m,) for d = 1.
      code_book: codes, of shape (k, d), or (k,).
      check_finite: SciPy's; NaNs go through to the distances here.

    Returns: (codes, distances), two arrays (m,).

    Errors: ValueError when the dimensions do not go together.

    Example:
      >>> vq(jnp.array([[0.], [9.]]), jnp.array([[1.], [8.]]))
      (Array([0, 1], dtype=int32), Array([1., 1.], dtype=float32))

    Source: `scipy.cluster.vq.vq`.
    """
    obs, code_book = promote_dtypes_inexact("vq", obs, code_book)
    if obs.ndim != code_book.ndim:
        raise ValueError("vq: obs and code_book must have as many dimensions, got "
                         f"{obs.ndim} and {code_book.ndim}")
    if obs.ndim == 1:
        obs, code_book = obs[:, None], code_book[:, None]
    if obs.ndim != 2 or obs.shape[1] != code_book.shape[1]:
        raise ValueError("vq: expected shapes (m, d) and (k, d), got "
                         f"{obs.shape} and {code_book.shape}")
    squares = jnp.sum(jnp.square(obs[:, None, :] - code_book[None, :, :]), axis=-1)
    nearest = jnp.argmin(squares, axis=1)
    return nearest, jnp.sqrt(jnp.take_along_axis(squares, nearest[:, None], axis=1)[:, 0])

__dir__ = _listing(__name__)
