"""Student's t distribution."""
from __future__ import annotations

from typing import Any

from arrax import numpy as jnp
from arrax.core.lazy import listing as _listing
from arrax.scipy import special
from arrax.scipy.stats.families import Distribution, exponential, located

_ABOUT = Distribution(
    "t", "Student's t distribution", (0.5, 3.0),
    {"logpdf": -1.161, "pdf": 0.3132},
    {"df": "the degrees of freedom, positive."})


@located("logpdf", _ABOUT)
def logpdf(z: Any, df: Any) -> Any:
    return (-special.betaln(0.5, 0.5 * df) - 0.5 * jnp.log(df)
            - 0.5 * (df + 1) * jnp.log1p(z * z / df))


pdf = exponential(logpdf, "pdf", _ABOUT)

__all__ = ["logpdf", "pdf"]
__dir__ = _listing(__name__)
