"""The Laplace distribution."""
from __future__ import annotations

import math
from typing import Any

from arrax import numpy as jnp
from arrax.core.lazy import listing as _listing
from arrax.scipy.stats.families import Distribution, exponential, located

_ABOUT = Distribution(
    "laplace", "the Laplace distribution", (0.5,),
    {"logpdf": -1.1931, "pdf": 0.3033, "cdf": 0.6967})


@located("logpdf", _ABOUT)
def logpdf(z: Any) -> Any:
    return -jnp.abs(z) - math.log(2)


pdf = exponential(logpdf, "pdf", _ABOUT)


@located("cdf", _ABOUT)
def cdf(z: Any) -> Any:
    return jnp.where(z < 0, 0.5 * jnp.exp(jnp.minimum(z, 0)), 1 - 0.5 * jnp.exp(-jnp.maximum(z, 0)))

__all__ = ["cdf", "logpdf", "pdf"]
__dir__ = _listing(__name__)
