"""The right-skewed Gumbel distribution, of greatest values."""
from __future__ import annotations

from typing import Any

from arrax import numpy as jnp
from arrax.core.lazy import listing as _listing
from arrax.scipy.stats.families import Distribution, exponential, located
from arrax.scipy.stats.formulas import log1mexp

_ABOUT = Distribution(
    "gumbel_r", "the right-skewed Gumbel distribution, of greatest values", (0.5,),
    {"logpdf": -1.1065, "pdf": 0.3307, "cdf": 0.5452, "logcdf": -0.6065, "sf": 0.4548, "logsf":
     -0.788, "ppf": -0.3266})


@located("logpdf", _ABOUT)
def logpdf(z: Any) -> Any:
    return -z - jnp.exp(-z)


pdf = exponential(logpdf, "pdf", _ABOUT)


@located("cdf", _ABOUT)
def cdf(z: Any) -> Any:
    return jnp.exp(-jnp.exp(-z))


@located("logcdf", _ABOUT)
def logcdf(z: Any) -> Any:
    return -jnp.exp(-z)


@located("sf", _ABOUT)
def sf(z: Any) -> Any:
    return -jnp.expm1(-jnp.exp(-z))


@located("logsf", _ABOUT)
def logsf(z: Any) -> Any:
    return log1mexp(jnp.exp(-z))


@located("ppf", _ABOUT, first="p")
def ppf(q: Any) -> Any:
    return -jnp.log(-jnp.log(q))

__all__ = ["cdf", "logcdf", "logpdf", "logsf", "pdf", "ppf", "sf"]
__dir__ = _listing(__name__)
