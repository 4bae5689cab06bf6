"""The von Mises distribution of an angle in radians."""
from __future__ import annotations

import math
from typing import Any

from arrax import numpy as jnp
from arrax.core.lazy import listing as _listing
from arrax.scipy import special
from arrax.scipy.stats.families import Distribution, exponential, located

_ABOUT = Distribution(
    "vonmises", "the von Mises distribution of an angle in radians", (0.5, 2.0),
    {"logpdf": -0.9067, "pdf": 0.4039},
    {"kappa": "the concentration, not negative."})


@located("logpdf", _ABOUT, moved=False)
def logpdf(z: Any, kappa: Any) -> Any:
    return kappa * (jnp.cos(z) - 1) - math.log(2 * math.pi) - jnp.log(special.i0e(kappa))


pdf = exponential(logpdf, "pdf", _ABOUT)

__all__ = ["logpdf", "pdf"]
__dir__ = _listing(__name__)
