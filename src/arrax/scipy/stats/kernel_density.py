"""Kernel density estimates."""
from __future__ import annotations

import math
from typing import Any

from arrax import lax, random
from arrax import numpy as jnp
from arrax.core.tree_registry import register_pytree_node_class
from arrax.numpy.promotion import as_array, promote_dtypes_inexact
from arrax.scipy import special


@register_pytree_node_class
class gaussian_kde:
    """A density estimated from samples, as a sum of normal densities around them.

    Args:
      dataset: samples, of shape (n,), or (d, n) for d dimensions.
      bw_method: how wide the kernels are: "scott" (also None), "silverman", a factor, or a function
        of this object that gives the factor. The kernels' covariance is that of the data times the
        square of the factor.
      weights: how much each sample counts, of shape (n,); all the same if None.

    Attributes: `dataset` (d, n), `weights` (n,) which sum to 1, `neff` the effective number of
    samples, `covariance` and `inv_cov` (d, d) of the kernels. A pytree of these.

    Errors: ValueError for fewer than two samples, or weights of another size.

    Example:
      >>> kde = gaussian_kde(jnp.array([-1., 0., 1.]))
      >>> kde(jnp.array([0.])).round(4)
      Array([0.3182], dtype=float32)

    Source: Scott, "Multivariate density estimation", 1992; `scipy.stats.gaussian_kde`.
    """

    def __init__(self, dataset: Any, bw_method: Any = None, weights: Any = None):
        dataset = jnp.atleast_2d(as_array("gaussian_kde", dataset))
        if jnp.issubdtype(dataset.dtype, jnp.complexfloating):
            raise NotImplementedError("gaussian_kde does not support complex data")
        if dataset.size <= 1:
            raise ValueError("gaussian_kde: dataset must have several elements, got "
                             f"{dataset.size}")
        d, n = dataset.shape
        if weights is not None:
            dataset, weights = promote_dtypes_inexact("gaussian_kde", dataset, weights)
            weights = jnp.atleast_1d(weights)
            if weights.ndim != 1 or weights.size != n:
                raise ValueError("gaussian_kde: weights must be one-dimensional, one for each of "
                                 f"the {n} samples, got shape {weights.shape}")
            weights = weights / jnp.sum(weights)
        else:
            dataset, = promote_dtypes_inexact("gaussian_kde", dataset)
            weights = jnp.full(n, 1 / n, dataset.dtype)
        self.dataset, self.weights = dataset, weights
        self.neff = 1 / jnp.sum(jnp.square(weights))
        covariance = jnp.atleast_2d(jnp.cov(dataset, rowvar=True, bias=False, aweights=weights))
        factor = self._factor(bw_method)
        self.covariance = covariance * factor ** 2
        self.inv_cov = jnp.linalg.inv(covariance) / factor ** 2

    def _factor(self, bw_method: Any) -> Any:
        if bw_method is None or isinstance(bw_method, str):
            if bw_method in (None, "scott"):
                return jnp.power(self.neff, -1.0 / (self.d + 4))
            if bw_method == "silverman":
                return jnp.power(self.neff * (self.d + 2) / 4.0, -1.0 / (self.d + 4))
            raise ValueError("gaussian_kde: bw_method must be 'scott', 'silverman', a number or a "
                             f"function, got {bw_method!r}")
        return bw_method(self) if callable(bw_method) else bw_method

    def tree_flatten(self) -> tuple[Any, None]:
        """The arrays, and nothing else."""
        return (self.neff, self.dataset, self.weights, self.covariance, self.inv_cov), None

    @classmethod
    def tree_unflatten(cls, _: None, children: Any) -> gaussian_kde:
        """The object with other arrays in place of its own."""
        kde = cls.__new__(cls)
        kde.neff, kde.dataset, kde.weights, kde.covariance, kde.inv_cov = children
        return kde

    @property
    def d(self) -> int:
        """The number of dimensions."""
        return int(self.dataset.shape[0])

    @property
    def n(self) -> int:
        """The number of samples."""
        return int(self.dataset.shape[1])

    def evaluate(self, points: Any) -> Any:
        """The density at points of shape (d, m) (or (m,) for d = 1), an array (m,)."""
        return jnp.exp(self.logpdf(points))

    def __call__(self, points: Any) -> Any:
        return self.evaluate(points)

    def pdf(self, x: Any) -> Any:
        """The density at points, as `evaluate`."""
        return self.evaluate(x)

    def logpdf(self, x: Any) -> Any:
        """The logarithm of the density at points of shape (d, m), an array (m,)."""
        points = self._points(x)
        low = jnp.linalg.cholesky(self.inv_cov)
        here, there = low.T @ self.dataset, low.T @ points
        away = there[:, :, None] - here[:, None, :]
        energy = -0.5 * jnp.sum(jnp.square(away), axis=0)
        norm = jnp.sum(jnp.log(jnp.diagonal(low))) - 0.5 * self.d * math.log(2 * math.pi)
        return special.logsumexp(energy, axis=1, b=self.weights) + norm

    def _points(self, x: Any) -> Any:
        points = jnp.atleast_2d(as_array("gaussian_kde", x))
        points, _ = promote_dtypes_inexact("gaussian_kde", points, self.dataset)
        if points.shape[0] != self.d:
            if points.shape == (1, self.d):
                return points.reshape(self.d, 1)
            raise ValueError(f"gaussian_kde: points have dimension {points.shape[0]}, the dataset "
                             f"has dimension {self.d}")
        return points

    def integrate_gaussian(self, mean: Any, cov: Any) -> Any:
        """∫ density(x) normal(x; mean, cov) dx, for a mean (d,) and a covariance (d, d)."""
        mean, cov = jnp.atleast_1d(jnp.squeeze(mean)), jnp.atleast_2d(cov)
        if mean.shape != (self.d,):
            raise ValueError(f"gaussian_kde: mean must have shape ({self.d},), got {mean.shape}")
        if cov.shape != (self.d, self.d):
            raise ValueError(f"gaussian_kde: cov must have shape ({self.d}, {self.d}), got "
                             f"{cov.shape}")
        return self._overlap(mean[:, None], jnp.ones(1, self.dataset.dtype), cov)

    def _overlap(self, means: Any, weights: Any, cov: Any) -> Any:
        """Σ weights normal(means - samples; covariance + cov)."""
        low = jnp.linalg.cholesky(self.covariance + cov)
        away = (means[:, :, None] - self.dataset[:, None, :]).reshape(self.d, -1)
        scaled = lax.linalg.triangular_solve(low, away, left_side=True, lower=True)
        energy = -0.5 * jnp.sum(jnp.square(scaled), axis=0)
        norm = jnp.sum(jnp.log(jnp.diagonal(low))) + 0.5 * self.d * math.log(2 * math.pi)
        both = (weights[:, None] * self.weights[None, :]).ravel()
        return jnp.sum(both * jnp.exp(energy)) / jnp.exp(norm)

    def integrate_box_1d(self, low: Any, high: Any) -> Any:
        """The probability between two bounds, for one-dimensional data (ValueError for others)."""
        if self.d != 1:
            raise ValueError("gaussian_kde: integrate_box_1d takes one-dimensional data, these "
                             f"have {self.d} dimensions")
        if jnp.ndim(low) or jnp.ndim(high):
            raise ValueError("gaussian_kde: the bounds of integrate_box_1d must be scalars, got "
                             f"shapes {jnp.shape(low)} and {jnp.shape(high)}")
        width = jnp.sqrt(self.covariance[0, 0])
        inside = special.ndtr((high - self.dataset[0]) / width) \
            - special.ndtr((low - self.dataset[0]) / width)
        return jnp.sum(self.weights * inside)

    def integrate_kde(self, other: gaussian_kde) -> Any:
        """∫ of the product of this density and another one of the same dimension."""
        if other.d != self.d:
            raise ValueError(f"gaussian_kde: dimensions differ: {self.d} and {other.d}")
        return self._overlap(other.dataset, other.weights, other.covariance)

    def resample(self, key: Any, shape: tuple[int, ...] = ()) -> Any:
        """Samples of the density, an array (d, *shape), by a random key."""
        first, second = random.split(key)
        which = random.choice(first, self.n, shape, p=self.weights)
        noise = random.multivariate_normal(second, jnp.zeros(self.d, self.covariance.dtype),
                                           self.covariance, shape, self.dataset.dtype)
        return self.dataset[:, which] + jnp.moveaxis(noise, -1, 0)

    def integrate_box(self, low_bounds: Any, high_bounds: Any, maxpts: Any = None) -> Any:
        """Not supported: there is no multivariate normal distribution function here."""
        raise NotImplementedError("gaussian_kde.integrate_box is not supported; for one dimension "
                                  "use integrate_box_1d")

    def set_bandwidth(self, bw_method: Any = None) -> None:
        """Not supported: objects do not change. Make a new `gaussian_kde` instead."""
        raise NotImplementedError("gaussian_kde does not change; make a new one with bw_method=")
