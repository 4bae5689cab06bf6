"""The Bernoulli distribution of 0 and 1."""
from __future__ import annotations

from typing import Any

from arrax import numpy as jnp
from arrax.core.lazy import listing as _listing
from arrax.scipy.stats.families import Distribution, exponential, located

_ABOUT = Distribution(
    "bernoulli", "the Bernoulli distribution of 0 and 1", (1.0, 0.4),
    {"logpmf": -0.9163, "pmf": 0.4, "cdf": 1.0, "ppf": 0.0},
    {"p": "the probability of 1."},
    variable="k", values="counts")


@located("logpmf", _ABOUT, scaled=False)
def logpmf(k: Any, p: Any) -> Any:
    return jnp.where(k == 0, jnp.log1p(-p), jnp.where(k == 1, jnp.log(p), -jnp.inf))


pmf = exponential(logpmf, "pmf", _ABOUT)


@located("cdf", _ABOUT, moved=False)
def cdf(k: Any, p: Any) -> Any:
    return jnp.where(k < 0, 0.0, jnp.where(k < 1, 1 - p, 1.0))


@located("ppf", _ABOUT, moved=False)
def ppf(q: Any, p: Any) -> Any:
    return jnp.where((q >= 0) & (q <= 1), jnp.where(q <= 1 - p, 0.0, 1.0), jnp.nan)

__all__ = ["cdf", "logpmf", "pmf", "ppf"]
__dir__ = _listing(__name__)
