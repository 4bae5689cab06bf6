"""`arrax.scipy.integrate`: integrals of samples."""
from __future__ import annotations


from arrax import numpy as jnp
from arrax.core.array import Array
from arrax.core.lazy import listing as _listing
from arrax.typing import ArrayLike

__all__ = ["trapezoid"]


def trapezoid(y: ArrayLike, x: ArrayLike | None = None, dx: ArrayLike = 1.0,
              axis: int = -1) -> Array:
    """The integral of samples by the trapezoidal rule.

    Args:
      y: values, of any shape.
      x: where they were taken: of the shape of `y`, or one-dimensional along `axis`.
      dx: the distance between samples, where `x` is None.
      axis: the axis to integrate along.

    Returns: an array without that axis.

    Example:
      >>> trapezoid(jnp.array([0., 1., 4.]))
      Array(3., dtype=float32)

    Source: `scipy.integrate.trapezoid`.
    """
    return jnp.trapezoid(y, x, dx, axis)

__dir__ = _listing(__name__)
