"""The geometric distribution: trials up to the first success."""
from __future__ import annotations

from typing import Any

from arrax import numpy as jnp
from arrax.core.lazy import listing as _listing
from arrax.scipy import special
from arrax.scipy.stats.families import Distribution, exponential, located

_ABOUT = Distribution(
    "geom", "the geometric distribution: trials up to the first success", (2.0, 0.4),
    {"logpmf": -1.4271, "pmf": 0.24},
    {"p": "the probability of success."},
    variable="k", values="counts")


@located("logpmf", _ABOUT, scaled=False)
def logpmf(k: Any, p: Any) -> Any:
    return jnp.where(k > 0, special.xlog1py(k - 1, -p) + jnp.log(p), -jnp.inf)


pmf = exponential(logpmf, "pmf", _ABOUT)

__all__ = ["logpmf", "pmf"]
__dir__ = _listing(__name__)
