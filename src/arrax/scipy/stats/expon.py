"""The exponential distribution from `loc` on, of mean `scale`."""
from __future__ import annotations

from typing import Any

from arrax import numpy as jnp
from arrax.core.lazy import listing as _listing
from arrax.scipy.stats.families import Distribution, exponential, located
from arrax.scipy.stats.formulas import beyond, log1mexp

_ABOUT = Distribution(
    "expon", "the exponential distribution from `loc` on, of mean `scale`", (0.5,),
    {"logpdf": -0.5, "pdf": 0.6065, "cdf": 0.3935, "logcdf": -0.9328, "sf": 0.6065, "logsf":
     -0.5, "ppf": 0.2877})


@located("logpdf", _ABOUT)
def logpdf(z: Any) -> Any:
    return jnp.where(z < 0, -jnp.inf, -z)


pdf = exponential(logpdf, "pdf", _ABOUT)


@located("cdf", _ABOUT)
def cdf(z: Any) -> Any:
    return -jnp.expm1(-jnp.maximum(z, 0))


@located("logcdf", _ABOUT)
def logcdf(z: Any) -> Any:
    return beyond(z, 0.0, -jnp.inf, log1mexp)


@located("sf", _ABOUT)
def sf(z: Any) -> Any:
    return jnp.exp(-jnp.maximum(z, 0))


@located("logsf", _ABOUT)
def logsf(z: Any) -> Any:
    return -jnp.maximum(z, 0)


@located("ppf", _ABOUT)
def ppf(q: Any) -> Any:
    return jnp.where((q >= 0) & (q <= 1), -jnp.log1p(-q), jnp.nan)

__all__ = ["cdf", "logcdf", "logpdf", "logsf", "pdf", "ppf", "sf"]
__dir__ = _listing(__name__)
