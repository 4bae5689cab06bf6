"""The binomial distribution: successes of `n` trials."""
from __future__ import annotations

from typing import Any

from arrax.core.lazy import listing as _listing
from arrax.scipy import special
from arrax.scipy.stats.families import Distribution, exponential, located
from arrax.scipy.stats.formulas import log_binomial, where_within

_ABOUT = Distribution(
    "binom", "the binomial distribution: successes of `n` trials", (2.0, 5.0, 0.4),
    {"logpmf": -1.0625, "pmf": 0.3456},
    {"n": "the number of trials.", "p": "the probability of success."},
    variable="k", values="counts")


@located("logpmf", _ABOUT, scaled=False)
def logpmf(k: Any, n: Any, p: Any) -> Any:
    return where_within(k, n, lambda k: log_binomial(n, k) + special.xlogy(k, p)
                        + special.xlog1py(n - k, -p))


pmf = exponential(logpmf, "pmf", _ABOUT)

__all__ = ["logpmf", "pmf"]
__dir__ = _listing(__name__)
