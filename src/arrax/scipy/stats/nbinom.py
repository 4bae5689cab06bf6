"""The negative binomial distribution: failures before the `n`-th success."""
from __future__ import annotations

from typing import Any

from arrax.core.lazy import listing as _listing
from arrax.scipy import special
from arrax.scipy.stats.families import Distribution, exponential, located
from arrax.scipy.stats.formulas import where_positive

_ABOUT = Distribution(
    "nbinom", "the negative binomial distribution: failures before the `n`-th success",
    (2.0, 5.0, 0.4),
    {"logpmf": -2.8951, "pmf": 0.0553},
    {"n": "the number of successes, positive.", "p": "the probability of success."},
    variable="k", values="counts")


@located("logpmf", _ABOUT, scaled=False)
def logpmf(k: Any, n: Any, p: Any) -> Any:
    return where_positive(k, lambda k: special.gammaln(k + n) - special.gammaln(n)
                          - special.gammaln(k + 1) + special.xlogy(n, p)
                          + special.xlog1py(k, -p))


pmf = exponential(logpmf, "pmf", _ABOUT)

__all__ = ["logpmf", "pmf"]
__dir__ = _listing(__name__)
