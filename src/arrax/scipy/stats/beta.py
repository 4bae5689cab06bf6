"""The beta distribution, on [loc, loc + scale]."""
from __future__ import annotations

from collections.abc import Callable
from typing import Any

from arrax import numpy as jnp
from arrax.core.lazy import listing as _listing
from arrax.scipy import special
from arrax.scipy.stats.families import Distribution, exponential, located
from arrax.scipy.stats.formulas import where_unit


def _part(z: Any, before: float, after: float, formula: Callable[[Any], Any]) -> Any:
    """`formula(z)` inside (0, 1), `before` and `after` outside; derivatives are finite there."""
    inside = (z > 0) & (z < 1)
    value = formula(jnp.where(inside, z, 0.5))
    value = jnp.where(z <= 0, before, jnp.where(z >= 1, after, value))
    return jnp.where(jnp.isnan(z), z, value)


_ABOUT = Distribution(
    "beta", "the beta distribution, on [loc, loc + scale]", (0.3, 2.0, 3.0),
    {"logpdf": 0.5676, "pdf": 1.764, "cdf": 0.3483, "logcdf": -1.0547, "sf": 0.6517, "logsf":
     -0.4282},
    {"a": "the first shape, positive.", "b": "the second shape, positive."})


@located("logpdf", _ABOUT)
def logpdf(z: Any, a: Any, b: Any) -> Any:
    return where_unit(z, lambda z: special.xlogy(a - 1, z) + special.xlog1py(b - 1, -z)
                      - special.betaln(a, b))


pdf = exponential(logpdf, "pdf", _ABOUT)


@located("cdf", _ABOUT)
def cdf(z: Any, a: Any, b: Any) -> Any:
    return _part(z, 0.0, 1.0, lambda z: special.betainc(a, b, z))


@located("logcdf", _ABOUT)
def logcdf(z: Any, a: Any, b: Any) -> Any:
    return jnp.log(_part(z, 0.0, 1.0, lambda z: special.betainc(a, b, z)))


@located("sf", _ABOUT)
def sf(z: Any, a: Any, b: Any) -> Any:
    return _part(z, 1.0, 0.0, lambda z: special.betainc(b, a, 1 - z))


@located("logsf", _ABOUT)
def logsf(z: Any, a: Any, b: Any) -> Any:
    return jnp.log(_part(z, 1.0, 0.0, lambda z: special.betainc(b, a, 1 - z)))

__all__ = ["cdf", "logcdf", "logpdf", "logsf", "pdf", "sf"]
__dir__ = _listing(__name__)
