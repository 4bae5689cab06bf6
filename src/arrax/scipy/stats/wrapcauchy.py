"""The Cauchy distribution wrapped around the circle, on [0, 2π]."""
from __future__ import annotations

import math
from typing import Any

from arrax import numpy as jnp
from arrax.core.lazy import listing as _listing
from arrax.scipy.stats.families import Distribution, exponential, located
from arrax.scipy.stats.formulas import where_between

_ABOUT = Distribution(
    "wrapcauchy", "the Cauchy distribution wrapped around the circle, on [0, 2π]", (0.5, 0.4),
    {"logpdf": -1.2312, "pdf": 0.2919},
    {"c": "the concentration, in (0, 1)."})


@located("logpdf", _ABOUT, moved=False)
def logpdf(z: Any, c: Any) -> Any:
    return where_between(z, 0, 2 * math.pi, jnp.log1p(-c * c) - math.log(2 * math.pi)
                        - jnp.log1p(c * c - 2 * c * jnp.cos(z)))


pdf = exponential(logpdf, "pdf", _ABOUT)

__all__ = ["logpdf", "pdf"]
__dir__ = _listing(__name__)
