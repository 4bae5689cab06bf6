"""The uniform distribution on [loc, loc + scale]."""
from __future__ import annotations

from typing import Any

from arrax import numpy as jnp
from arrax.core.lazy import listing as _listing
from arrax.scipy.stats.families import Distribution, exponential, located

_ABOUT = Distribution(
    "uniform", "the uniform distribution on [loc, loc + scale]", (0.5,),
    {"logpdf": 0.0, "pdf": 1.0, "cdf": 0.5, "ppf": 0.25})


@located("logpdf", _ABOUT)
def logpdf(z: Any) -> Any:
    return jnp.where(jnp.isnan(z), z, jnp.where((z >= 0) & (z <= 1), 0.0, -jnp.inf))


pdf = exponential(logpdf, "pdf", _ABOUT)


@located("cdf", _ABOUT)
def cdf(z: Any) -> Any:
    return jnp.clip(z, 0, 1)


@located("ppf", _ABOUT)
def ppf(q: Any) -> Any:
    return jnp.where((q >= 0) & (q <= 1), q, jnp.nan)

__all__ = ["cdf", "logpdf", "pdf", "ppf"]
__dir__ = _listing(__name__)
