"""Random numbers from explicit keys: the same key always gives the same numbers, on every engine.

Make a key with `key(seed)`, make new ones with `split` and `fold_in`, and use each key once:

  >>> key = arrax.random.key(0)
  >>> key, subkey = arrax.random.split(key)
  >>> x = arrax.random.normal(subkey, (3,))
"""
from __future__ import annotations

from arrax.core.lazy import listing as _listing
from arrax.ops.random_gamma import random_gamma_p
from arrax.random import generators as _generators
from arrax.random.basic import (bernoulli, bits, normal, rademacher, randint, truncated_normal,
                                uniform)
from arrax.random.continuous import (cauchy, double_sided_maxwell, exponential, gumbel, laplace,
                                     logistic, lognormal, maxwell, pareto, rayleigh, triangular,
                                     wald, weibull_min)
from arrax.random.counts import binomial, multinomial, poisson
from arrax.random.discrete import categorical, choice, geometric, permutation
from arrax.random.gammas import (ball, beta, chisquare, dirichlet, f, gamma, generalized_normal,
                                 loggamma, t)
from arrax.random.keys import (PRNGKey, clone, fold_in, key, key_data, key_dtype, key_impl, split,
                               wrap_key_data)
from arrax.random.vectors import multivariate_normal, orthogonal

__all__ = [
    "PRNGKey", "ball", "bernoulli", "beta", "binomial", "bits", "categorical", "cauchy",
    "chisquare", "choice", "clone", "dirichlet", "double_sided_maxwell", "exponential", "f",
    "fold_in", "gamma", "generalized_normal", "geometric", "gumbel", "key", "key_data",
    "key_dtype", "key_impl", "laplace", "loggamma", "logistic", "lognormal", "maxwell",
    "multinomial", "multivariate_normal", "normal", "orthogonal", "pareto", "permutation",
    "poisson", "rademacher", "randint", "random_gamma_p", "rayleigh", "split", "t", "triangular",
    "truncated_normal", "uniform", "wald", "weibull_min", "wrap_key_data"]

__dir__ = _listing(__name__)
