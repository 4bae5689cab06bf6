"""The normal distribution cut off outside [loc + a scale, loc + b scale]."""
from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

from arrax import numpy as jnp
from arrax.core.lazy import listing as _listing
from arrax.scipy.stats.families import Distribution, exponential, located
from arrax.scipy.stats.formulas import log_mass, where_between

_LOG_2PI = math.log(2 * math.pi)


def _share(z: Any, a: Any, b: Any, nothing: Any, everything: Any,
           mass: Callable[[Any], Any]) -> Any:
    """The logarithm of a part of the probability, -inf and 0 at the ends; NaN if these cross."""
    inner = jnp.where(nothing | everything, 0.5 * (a + b), z)
    value = mass(inner) - log_mass(a, b)
    out = jnp.where(nothing, -jnp.inf, jnp.where(everything, 0.0, value))
    return jnp.where(a > b, jnp.nan, out)


_ABOUT = Distribution(
    "truncnorm", "the normal distribution cut off outside [loc + a scale, loc + b scale]",
    (0.5, -1.0, 2.0),
    {"logpdf": -0.8438, "pdf": 0.4301, "cdf": 0.6509, "logcdf": -0.4294, "sf": 0.3491, "logsf":
     -1.0523},
    {"a": "the lower end, in standard deviations from `loc`.", "b": "the upper end, above `a`."})


@located("logpdf", _ABOUT)
def logpdf(z: Any, a: Any, b: Any) -> Any:
    return where_between(z, a, b, -0.5 * (z * z + _LOG_2PI) - log_mass(a, b))


pdf = exponential(logpdf, "pdf", _ABOUT)


@located("logcdf", _ABOUT)
def logcdf(z: Any, a: Any, b: Any) -> Any:
    return _share(z, a, b, z <= a, z >= b, lambda z: log_mass(a, z))


cdf = exponential(logcdf, "cdf", _ABOUT)


@located("logsf", _ABOUT)
def logsf(z: Any, a: Any, b: Any) -> Any:
    return _share(z, a, b, z >= b, z <= a, lambda z: log_mass(z, b))


sf = exponential(logsf, "sf", _ABOUT)

__all__ = ["cdf", "logcdf", "logpdf", "logsf", "pdf", "sf"]
__dir__ = _listing(__name__)
