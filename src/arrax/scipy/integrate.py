"""`arrax.scipy.integrate`: integrals of samples."""
from __future__ import annotations

from typing import Any

from arrax import numpy as jnp

__all__ = ["trapezoid"]


def trapezoid(y: Any, x: Any = None, dx: Any = 1.0, axis: int = -1) -> Any:
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
