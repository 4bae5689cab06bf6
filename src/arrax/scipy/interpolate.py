"""`arrax.scipy.interpolate`: functions through values on a grid."""
from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import Any

import numpy as np

from arrax import numpy as jnp
from arrax.core.lazy import listing as _listing
from arrax.core.trace import Tracer

__all__ = ["RegularGridInterpolator"]


class RegularGridInterpolator:
    """A function of n variables through values on a rectangular grid.

    Args:
      points: n ascending or descending one-dimensional arrays: the grid's coordinates.
      values: values on the grid, of shape (len(points[0]), …, len(points[n - 1]), …); further axes
        are carried along.
      method: "linear" or "nearest".
      bounds_error: whether points outside of the grid are an error; only False is possible, since
        results of compiled functions cannot be.
      fill_value: what points outside give; None extrapolates.

    Errors: ValueError for an unknown method, for coordinates that are not strictly monotonic (where
    their values are known) and for shapes that do not match; NotImplementedError for
    `bounds_error=True`.

    Example:
      >>> x, y = jnp.array([0., 1., 2.]), jnp.array([0., 10.])
      >>> f = RegularGridInterpolator((x, y), x[:, None] + y[None, :])
      >>> f(jnp.array([[0.5, 5.], [1.5, 10.]]))
      Array([ 5.5, 11.5], dtype=float32)

    Source: `scipy.interpolate.RegularGridInterpolator`.
    """

    def __init__(self, points: Sequence[Any], values: Any, method: str = "linear",
                 bounds_error: bool = False, fill_value: Any = np.nan):
        if method not in ("linear", "nearest"):
            raise ValueError(f"method {method!r} is not defined; expected 'linear' or 'nearest'")
        if bounds_error:
            raise NotImplementedError("bounds_error=True is not supported: points outside of the "
                                      "grid give fill_value")
        values = jnp.asarray(values)
        if len(points) > values.ndim:
            raise ValueError(f"there are {len(points)} point arrays, but values has {values.ndim} "
                             "dimensions")
        if not jnp.issubdtype(values.dtype, jnp.inexact):
            values = values.astype(jnp.result_type(float))
        if fill_value is not None:
            fill = jnp.asarray(fill_value)
            if jnp.issubdtype(fill.dtype, jnp.complexfloating) \
                    and not jnp.issubdtype(values.dtype, jnp.complexfloating):
                raise ValueError("fill_value must be either 'None' or of a type compatible with "
                                 "values")
        grid = []
        for k, p in enumerate(points):
            p = jnp.asarray(p)
            if p.ndim != 1:
                raise ValueError(f"the points in dimension {k} must be one-dimensional, got shape "
                                 f"{p.shape}")
            if p.shape[0] != values.shape[k]:
                raise ValueError(f"there are {p.shape[0]} points and {values.shape[k]} values in "
                                 f"dimension {k}")
            if not isinstance(p, Tracer) and p.shape[0] > 1:
                steps = np.diff(np.asarray(p))
                if not ((steps > 0).all() or (steps < 0).all()):
                    raise ValueError(f"the points in dimension {k} must be strictly ascending or "
                                     "descending")
                if steps[0] < 0:
                    p, values = p[::-1], jnp.flip(values, k)
            grid.append(p)
        self.grid, self.values = tuple(grid), values
        self.method, self.bounds_error, self.fill_value = method, bounds_error, fill_value

    def __call__(self, xi: Any, method: str | None = None) -> Any:
        """The function at points.

        Args:
          xi: an array of shape (…, n), or a tuple of n arrays that broadcast: the coordinates.
          method: "linear" or "nearest" in place of the interpolator's own.

        Returns: an array of the points' shape, without the last axis, then the further axes of the
        values.
        """
        method = self.method if method is None else method
        if method not in ("linear", "nearest"):
            raise ValueError(f"method {method!r} is not defined; expected 'linear' or 'nearest'")
        count = len(self.grid)
        if isinstance(xi, tuple):
            xi = jnp.stack(jnp.broadcast_arrays(*map(jnp.asarray, xi)), axis=-1)
        xi = jnp.asarray(xi)
        if xi.shape[-1:] != (count,):
            if xi.ndim == 1 and count == 1:
                xi = xi[:, None]
            else:
                raise ValueError("the requested sample points xi have dimension "
                                 f"{xi.shape[-1] if xi.ndim else 0}, but this interpolator has "
                                 f"dimension {count}")
        if not jnp.issubdtype(xi.dtype, jnp.floating):
            xi = xi.astype(jnp.result_type(float))
        cells, fractions = [], []
        outside: Any = False
        for k, points in enumerate(self.grid):
            x = xi[..., k]
            cell = jnp.clip(jnp.searchsorted(points, x, side="left") - 1, 0,
                            max(points.shape[0] - 2, 0))
            width = points[jnp.minimum(cell + 1, points.shape[0] - 1)] - points[cell]
            flat = width == 0
            fractions.append(jnp.where(flat, 0, (x - points[cell]) / jnp.where(flat, 1, width)))
            cells.append(cell)
            outside = outside | (x < points[0]) | (x > points[-1])
        result = (self._linear if method == "linear" else self._nearest)(cells, fractions)
        if self.fill_value is None:
            return result
        rest = (1,) * (self.values.ndim - count)
        outside = jnp.reshape(outside, jnp.shape(outside) + rest)
        missing = jnp.reshape(jnp.isnan(xi).any(-1), xi.shape[:-1] + rest)
        result = jnp.where(outside, jnp.asarray(self.fill_value, result.dtype), result)
        return jnp.where(missing, jnp.nan, result)

    def _linear(self, cells: list[Any], fractions: list[Any]) -> Any:
        total: Any = 0
        rest = (1,) * (self.values.ndim - len(self.grid))
        for corner in itertools.product((0, 1), repeat=len(self.grid)):
            weight: Any = 1
            for upper, fraction in zip(corner, fractions, strict=True):
                weight = weight * (fraction if upper else 1 - fraction)
            places = tuple(jnp.minimum(cell + upper, points.shape[0] - 1) for cell, upper, points
                           in zip(cells, corner, self.grid, strict=True))
            total = total + self.values[places] * jnp.reshape(weight, jnp.shape(weight) + rest)
        return total

    def _nearest(self, cells: list[Any], fractions: list[Any]) -> Any:
        return self.values[tuple(
            jnp.where(fraction <= 0.5, cell, jnp.minimum(cell + 1, points.shape[0] - 1))
            for cell, fraction, points in zip(cells, fractions, self.grid, strict=True))]

__dir__ = _listing(__name__)
