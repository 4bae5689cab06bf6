"""The logistic distribution."""
from __future__ import annotations

from typing import Any

from arrax import numpy as jnp
from arrax.core.lazy import listing as _listing
from arrax.scipy import special
from arrax.scipy.stats.families import Distribution, exponential, located

_ABOUT = Distribution(
    "logistic", "the logistic distribution", (0.5,),
    {"logpdf": -1.4482, "pdf": 0.235, "cdf": 0.6225, "sf": 0.3775, "ppf": -1.0986, "isf":
     1.0986})


@located("logpdf", _ABOUT)
def logpdf(z: Any) -> Any:
    return -jnp.abs(z) - 2 * jnp.log1p(jnp.exp(-jnp.abs(z)))


pdf = exponential(logpdf, "pdf", _ABOUT)


@located("cdf", _ABOUT)
def cdf(z: Any) -> Any:
    return special.expit(z)


@located("sf", _ABOUT)
def sf(z: Any) -> Any:
    return special.expit(-z)


@located("ppf", _ABOUT, first="x")
def ppf(q: Any) -> Any:
    return special.logit(q)


@located("isf", _ABOUT, first="x")
def isf(q: Any) -> Any:
    return -special.logit(q)

__all__ = ["cdf", "isf", "logpdf", "pdf", "ppf", "sf"]
__dir__ = _listing(__name__)
