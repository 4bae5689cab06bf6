"""The Cauchy distribution."""
from __future__ import annotations

import math
from typing import Any

from arrax import numpy as jnp
from arrax.core.lazy import listing as _listing
from arrax.scipy.stats.families import Distribution, exponential, located


def _quantile(q: Any) -> Any:
    """tan(π (q - 1/2)), exact for small `q`; ∓inf at 0 and 1, NaN outside."""
    value = -1 / jnp.tan(math.pi * jnp.where(q == 0.5, 0.25, q))
    value = jnp.where(q == 0.5, 0.0, jnp.where(q == 1, jnp.inf, value))
    return jnp.where((q >= 0) & (q <= 1), value, jnp.nan)


_ABOUT = Distribution(
    "cauchy", "the Cauchy distribution", (0.5,),
    {"logpdf": -1.3679, "pdf": 0.2546, "cdf": 0.6476, "logcdf": -0.4345, "sf": 0.3524, "logsf":
     -1.0429, "ppf": -1.0, "isf": 1.0})


@located("logpdf", _ABOUT)
def logpdf(z: Any) -> Any:
    return -math.log(math.pi) - jnp.log1p(z * z)


pdf = exponential(logpdf, "pdf", _ABOUT)


@located("cdf", _ABOUT)
def cdf(z: Any) -> Any:
    return jnp.arctan2(jnp.ones_like(z), -z) / math.pi


@located("logcdf", _ABOUT)
def logcdf(z: Any) -> Any:
    return jnp.log(jnp.arctan2(jnp.ones_like(z), -z) / math.pi)


@located("sf", _ABOUT)
def sf(z: Any) -> Any:
    return jnp.arctan2(jnp.ones_like(z), z) / math.pi


@located("logsf", _ABOUT)
def logsf(z: Any) -> Any:
    return jnp.log(jnp.arctan2(jnp.ones_like(z), z) / math.pi)


@located("ppf", _ABOUT)
def ppf(q: Any) -> Any:
    return _quantile(q)


@located("isf", _ABOUT)
def isf(q: Any) -> Any:
    return -_quantile(q)

__all__ = ["cdf", "isf", "logcdf", "logpdf", "logsf", "pdf", "ppf", "sf"]
__dir__ = _listing(__name__)
