"""The beta-binomial distribution: successes of `n` trials of a probability from a beta one."""
from __future__ import annotations

from typing import Any

from arrax.core.lazy import listing as _listing
from arrax.scipy import special
from arrax.scipy.stats.families import Distribution, exponential, located
from arrax.scipy.stats.formulas import log_binomial, where_within

_ABOUT = Distribution(
    "betabinom", "the beta-binomial distribution: the probability comes from a beta one",
    (2.0, 5.0, 1.5, 2.5),
    {"logpmf": -1.5154, "pmf": 0.2197},
    {"n": "the number of trials.", "a": "the first shape, positive.",
     "b": "the second shape, positive."},
    variable="k", values="counts")


@located("logpmf", _ABOUT, scaled=False)
def logpmf(k: Any, n: Any, a: Any, b: Any) -> Any:
    return where_within(k, n, lambda k: log_binomial(n, k)
                        + special.betaln(k + a, n - k + b) - special.betaln(a, b))


pmf = exponential(logpmf, "pmf", _ABOUT)

__all__ = ["logpmf", "pmf"]
__dir__ = _listing(__name__)
