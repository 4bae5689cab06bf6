"""The generalized normal distribution."""
from __future__ import annotations

from typing import Any

from arrax import numpy as jnp
from arrax.core.lazy import listing as _listing
from arrax.scipy import special
from arrax.scipy.stats.families import Distribution, exponential, located

_ABOUT = Distribution(
    "gennorm", "the generalized normal distribution", (0.5, 1.5),
    {"logpdf": -0.9444, "pdf": 0.3889, "cdf": 0.7417},
    {"beta": "the exponent, positive: 1 is Laplace's distribution, 2 a normal one."})


@located("logpdf", _ABOUT, moved=False)
def logpdf(z: Any, beta: Any) -> Any:
    return (jnp.log(0.5 * beta) - special.gammaln(1 / beta) - jnp.power(jnp.abs(z), beta))


pdf = exponential(logpdf, "pdf", _ABOUT)


@located("cdf", _ABOUT, moved=False)
def cdf(z: Any, beta: Any) -> Any:
    return 0.5 * (1 + jnp.sign(z) * special.gammainc(1 / beta, jnp.power(jnp.abs(z), beta)))

__all__ = ["cdf", "logpdf", "pdf"]
__dir__ = _listing(__name__)
