"""The normal distribution with mean `loc` and standard deviation `scale`."""
from __future__ import annotations

import math
from typing import Any

from arrax.core.lazy import listing as _listing
from arrax.scipy import special
from arrax.scipy.stats.families import Distribution, exponential, located

_LOG_2PI = math.log(2 * math.pi)
_ABOUT = Distribution(
    "norm", "the normal distribution with mean `loc` and standard deviation `scale`", (0.5,),
    {"logpdf": -1.0439, "pdf": 0.3521, "cdf": 0.6915, "logcdf": -0.3689, "sf": 0.3085, "logsf":
     -1.1759, "ppf": -0.6745, "isf": 0.6745})


@located("logpdf", _ABOUT)
def logpdf(z: Any) -> Any:
    return -0.5 * (z * z + _LOG_2PI)


pdf = exponential(logpdf, "pdf", _ABOUT)


@located("cdf", _ABOUT)
def cdf(z: Any) -> Any:
    return special.ndtr(z)


@located("logcdf", _ABOUT)
def logcdf(z: Any) -> Any:
    return special.log_ndtr(z)


@located("sf", _ABOUT)
def sf(z: Any) -> Any:
    return special.ndtr(-z)


@located("logsf", _ABOUT)
def logsf(z: Any) -> Any:
    return special.log_ndtr(-z)


@located("ppf", _ABOUT)
def ppf(q: Any) -> Any:
    return special.ndtri(q)


@located("isf", _ABOUT)
def isf(q: Any) -> Any:
    return -special.ndtri(q)

__all__ = ["cdf", "isf", "logcdf", "logpdf", "logsf", "pdf", "ppf", "sf"]
__dir__ = _listing(__name__)
