"""The Poisson distribution."""
from __future__ import annotations

import math
from typing import Any

from arrax import numpy as jnp
from arrax.core.array import Array
from arrax.core.lazy import listing as _listing
from arrax.numpy.promotion import promote_inexact
from arrax.scipy import special
from arrax.scipy.stats.families import Distribution, exponential, located

_ABOUT = Distribution(
    "poisson", "the Poisson distribution", (2.0, 1.5),
    {"logpmf": -1.3822, "pmf": 0.251, "cdf": 0.8088},
    {"mu": "the mean, not negative."},
    variable="k", values="counts")


@located("logpmf", _ABOUT, scaled=False)
def logpmf(k: Any, mu: Any) -> Any:
    return jnp.where((k >= 0) & (k == jnp.floor(k)),
                     special.xlogy(k, mu) - special.gammaln(jnp.maximum(k, 0) + 1) - mu, -jnp.inf)


pmf = exponential(logpmf, "pmf", _ABOUT)


@located("cdf", _ABOUT, scaled=False)
def cdf(k: Any, mu: Any) -> Any:
    return jnp.where(k >= 0, special.gammaincc(jnp.floor(jnp.maximum(k, 0)) + 1, mu), 0.0)


def entropy(mu: Any, loc: Any = 0) -> Array:
    """The entropy -Σ p log p of the Poisson distribution, in nats.

    Args:
      mu: the mean, not negative, of any shape; NaN for negative ones.
      loc: shifts the distribution, which leaves the entropy as it is; broadcast with `mu`.

    Example:
      >>> round(float(entropy(1.5)), 4)
      1.5394

    Source: the sum itself up to a mean of 50, beyond that its asymptotic series (Evans, Boersma,
    Blachman and Jagers, "The entropy of a Poisson distribution", SIAM Review 30, 1988);
    `scipy.stats.poisson`.
    """
    mu, loc = jnp.broadcast_arrays(*promote_inexact("poisson.entropy", mu, loc))
    small = jnp.clip(mu, 0, _MOST)
    counts = jnp.arange(160, dtype=mu.dtype)
    logs = special.xlogy(counts, small[..., None]) - special.gammaln(counts + 1) - small[..., None]
    direct = -jnp.sum(jnp.where(logs == -jnp.inf, 0, jnp.exp(logs) * logs), axis=-1)
    inverse = 1 / jnp.maximum(mu, _MOST)
    tail = inverse * (1 / 12 + inverse * (1 / 24 + inverse * (19 / 360 + inverse * (
        9 / 80 + inverse * 863 / 2520))))
    series = 0.5 * jnp.log(2 * math.pi * math.e / inverse) - tail
    return jnp.where(mu < 0, jnp.nan, jnp.where(mu <= _MOST, direct, series))


_MOST = 50.0  # up to which the sum of the first 160 terms is exact

__all__ = ["cdf", "entropy", "logpmf", "pmf"]
__dir__ = _listing(__name__)
