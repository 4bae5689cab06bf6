"""The gamma distribution."""
from __future__ import annotations

from typing import Any

from arrax import numpy as jnp
from arrax.core.lazy import listing as _listing
from arrax.scipy import special
from arrax.scipy.stats.families import Distribution, exponential, located
from arrax.scipy.stats.formulas import beyond, where_positive

_ABOUT = Distribution(
    "gamma", "the gamma distribution", (1.5, 2.0),
    {"logpdf": -1.0945, "pdf": 0.3347, "cdf": 0.4422, "logcdf": -0.8161, "sf": 0.5578, "logsf":
     -0.5837},
    {"a": "the shape, positive."})


@located("logpdf", _ABOUT)
def logpdf(z: Any, a: Any) -> Any:
    return where_positive(z, lambda z: special.xlogy(a - 1, z) - z - special.gammaln(a))


pdf = exponential(logpdf, "pdf", _ABOUT)


@located("cdf", _ABOUT)
def cdf(z: Any, a: Any) -> Any:
    return beyond(z, 0.0, 0.0, lambda z: special.gammainc(a, z))


@located("logcdf", _ABOUT)
def logcdf(z: Any, a: Any) -> Any:
    return beyond(z, 0.0, -jnp.inf, lambda z: jnp.log(special.gammainc(a, z)))


@located("sf", _ABOUT)
def sf(z: Any, a: Any) -> Any:
    return beyond(z, 0.0, 1.0, lambda z: special.gammaincc(a, z))


@located("logsf", _ABOUT)
def logsf(z: Any, a: Any) -> Any:
    return beyond(z, 0.0, 0.0, lambda z: jnp.log(special.gammaincc(a, z)))

__all__ = ["cdf", "logcdf", "logpdf", "logsf", "pdf", "sf"]
__dir__ = _listing(__name__)
