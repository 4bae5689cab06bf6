"""The multinomial distribution."""
from __future__ import annotations

from typing import Any

from arrax import numpy as jnp
from arrax.core.array import Array
from arrax.core.lazy import listing as _listing
from arrax.numpy.promotion import promote_dtypes_inexact
from arrax.scipy import special
from arrax.typing import ArrayLike


def logpmf(x: Any, n: Any, p: Any) -> Array:
    """The logarithm of the probability of counts, for the multinomial distribution.

    Args:
      x: counts of each outcome along the last axis; -inf where they do not sum to `n`.
      n: the number of trials, broadcast with the other axes.
      p: the probabilities of the outcomes along the last axis.

    Returns: an array without the last axis.

    Example:
      >>> round(float(logpmf(jnp.array([1, 2]), 3, jnp.array([0.4, 0.6]))), 4)
      -0.8393

    Source: `scipy.stats.multinomial`.
    """
    p, n, x = promote_dtypes_inexact("multinomial.logpmf", p, n, x)
    terms = special.xlogy(x, p) - special.gammaln(x + 1)
    value = special.gammaln(n + 1) + jnp.sum(terms, axis=-1)
    return jnp.where((jnp.sum(x, axis=-1) == n) & jnp.all(x >= 0, axis=-1), value, -jnp.inf)


def pmf(x: ArrayLike, n: ArrayLike, p: ArrayLike) -> Array:
    """The probability of counts, for the multinomial distribution: the exponential of `logpmf`.

    Args:
      x: counts of each outcome along the last axis.
      n: the number of trials.
      p: the probabilities of the outcomes along the last axis.

    Example:
      >>> round(float(pmf(jnp.array([1, 2]), 3, jnp.array([0.4, 0.6]))), 4)
      0.432

    Source: `scipy.stats.multinomial`.
    """
    return jnp.exp(logpmf(x, n, p))

__all__ = ["logpmf", "pmf"]
__dir__ = _listing(__name__)
