"""The chi-squared distribution."""
from __future__ import annotations

import math
from typing import Any

from arrax import numpy as jnp
from arrax.core.lazy import listing as _listing
from arrax.scipy import special
from arrax.scipy.stats.families import Distribution, exponential, located
from arrax.scipy.stats.formulas import beyond, where_positive

_ABOUT = Distribution(
    "chi2", "the chi-squared distribution", (1.5, 3.0),
    {"logpdf": -1.4662, "pdf": 0.2308, "cdf": 0.3177, "logcdf": -1.1466, "sf": 0.6823, "logsf":
     -0.3823},
    {"df": "the degrees of freedom, positive."})


@located("logpdf", _ABOUT)
def logpdf(z: Any, df: Any) -> Any:
    return where_positive(z, lambda z: special.xlogy(0.5 * df - 1, 0.5 * z) - 0.5 * z
                          - special.gammaln(0.5 * df) - math.log(2))


pdf = exponential(logpdf, "pdf", _ABOUT)


@located("cdf", _ABOUT)
def cdf(z: Any, df: Any) -> Any:
    return beyond(z, 0.0, 0.0, lambda z: special.gammainc(0.5 * df, 0.5 * z))


@located("logcdf", _ABOUT)
def logcdf(z: Any, df: Any) -> Any:
    return beyond(z, 0.0, -jnp.inf, lambda z: jnp.log(special.gammainc(0.5 * df, 0.5 * z)))


@located("sf", _ABOUT)
def sf(z: Any, df: Any) -> Any:
    return beyond(z, 0.0, 1.0, lambda z: special.gammaincc(0.5 * df, 0.5 * z))


@located("logsf", _ABOUT)
def logsf(z: Any, df: Any) -> Any:
    return beyond(z, 0.0, 0.0, lambda z: jnp.log(special.gammaincc(0.5 * df, 0.5 * z)))

__all__ = ["cdf", "logcdf", "logpdf", "logsf", "pdf", "sf"]
__dir__ = _listing(__name__)
