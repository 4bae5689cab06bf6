"""The left-skewed Gumbel distribution, of least values."""
from __future__ import annotations

from typing import Any

from arrax import numpy as jnp
from arrax.core.lazy import listing as _listing
from arrax.scipy.stats.families import Distribution, exponential, located
from arrax.scipy.stats.formulas import log1mexp

_ABOUT = Distribution(
    "gumbel_l", "the left-skewed Gumbel distribution, of least values", (0.5,),
    {"logpdf": -1.1487, "pdf": 0.317, "cdf": 0.8077, "logcdf": -0.2136, "sf": 0.1923, "logsf":
     -1.6487, "ppf": -1.2459})


@located("logpdf", _ABOUT)
def logpdf(z: Any) -> Any:
    return z - jnp.exp(z)


pdf = exponential(logpdf, "pdf", _ABOUT)


@located("cdf", _ABOUT)
def cdf(z: Any) -> Any:
    return -jnp.expm1(-jnp.exp(z))


@located("logcdf", _ABOUT)
def logcdf(z: Any) -> Any:
    return log1mexp(jnp.exp(z))


@located("sf", _ABOUT)
def sf(z: Any) -> Any:
    return jnp.exp(-jnp.exp(z))


@located("logsf", _ABOUT)
def logsf(z: Any) -> Any:
    return -jnp.exp(z)


@located("ppf", _ABOUT, first="p")
def ppf(q: Any) -> Any:
    return jnp.log(-jnp.log1p(-q))

__all__ = ["cdf", "logcdf", "logpdf", "logsf", "pdf", "ppf", "sf"]
__dir__ = _listing(__name__)
