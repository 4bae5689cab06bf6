"""The Pareto distribution, from loc + scale on."""
from __future__ import annotations

from typing import Any

from arrax import numpy as jnp
from arrax.core.lazy import listing as _listing
from arrax.scipy.stats.families import Distribution, exponential, located
from arrax.scipy.stats.formulas import beyond, log1mexp

_ABOUT = Distribution(
    "pareto", "the Pareto distribution, from loc + scale on", (1.5, 2.0),
    {"logpdf": -0.5232, "pdf": 0.5926, "cdf": 0.5556, "logcdf": -0.5878, "sf": 0.4444, "logsf":
     -0.8109, "ppf": 1.1547},
    {"b": "the exponent of the tail, positive."})


@located("logpdf", _ABOUT)
def logpdf(z: Any, b: Any) -> Any:
    return jnp.where(z < 1, -jnp.inf, jnp.log(b) - (b + 1) * jnp.log(jnp.maximum(z, 1)))


pdf = exponential(logpdf, "pdf", _ABOUT)


@located("cdf", _ABOUT)
def cdf(z: Any, b: Any) -> Any:
    return -jnp.expm1(-b * jnp.log(jnp.maximum(z, 1)))


@located("logcdf", _ABOUT)
def logcdf(z: Any, b: Any) -> Any:
    return beyond(z, 1.0, -jnp.inf, lambda z: log1mexp(b * jnp.log(z)))


@located("sf", _ABOUT)
def sf(z: Any, b: Any) -> Any:
    return jnp.exp(-b * jnp.log(jnp.maximum(z, 1)))


@located("logsf", _ABOUT)
def logsf(z: Any, b: Any) -> Any:
    return -b * jnp.log(jnp.maximum(z, 1))


@located("ppf", _ABOUT)
def ppf(q: Any, b: Any) -> Any:
    return jnp.where((q >= 0) & (q <= 1), jnp.exp(-jnp.log1p(-q) / b), jnp.nan)

__all__ = ["cdf", "logcdf", "logpdf", "logsf", "pdf", "ppf", "sf"]
__dir__ = _listing(__name__)
