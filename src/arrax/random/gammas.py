"""Gamma draws and the distributions made of them."""
from __future__ import annotations

from typing import Any

import numpy as np

from arrax import lax
from arrax import numpy as jnp
from arrax.core.array import Array
from arrax.core.remembered import remembered
from arrax.ops.random_gamma import random_gamma_p
from arrax.random.arguments import (check_broadcast, draw_shape, float_dtype, param, result_shape,
                                    safe_param, spread)
from arrax.random.basic import _normal, _rademacher, scalar
from arrax.random.continuous import _exponential
from arrax.random.keys import split, typed_key
from arrax.random.staging import staged
from arrax.transforms.api_placement import sharded
from arrax.typing import ArrayLike


@remembered
@sharded
def gamma(key: ArrayLike, a: Any, shape: Any = None, dtype: Any = None, *,
          out_sharding: Any = None) -> Array:
    """Gamma draws: density x^(a-1) exp(-x) / Γ(a) for x >= 0.

    By Marsaglia and Tsang, "A simple method for generating gamma variables", 2000; each element has
    a key of its own. Differentiable in `a` (implicitly, through the distribution function).

    Args:
      key: a random key.
      a: the shape parameters.
      shape: of the result; default: that of `a`.
      dtype: a float dtype (default float32).

    Raises ValueError for other dtypes and for `a` that does not fit `shape`.

    Example:
      >>> arrax.random.gamma(arrax.random.key(0), 1.0)
      Array(0.6184863, dtype=float32)
    """
    return _public_gamma("gamma", key, a, shape, dtype, log_space=False)


@remembered
@sharded
def loggamma(key: ArrayLike, a: Any, shape: Any = None, dtype: Any = None, *,
             out_sharding: Any = None) -> Array:
    """Logarithms of gamma draws, which do not underflow for small `a`. Arguments as of `gamma`."""
    return _public_gamma("loggamma", key, a, shape, dtype, log_space=True)


def _public_gamma(function: str, key: Any, a: Any, shape: Any, dtype: Any, log_space: bool) -> Any:
    typed = typed_key(function, key)
    dtype = float_dtype("gamma", dtype)
    return _gamma(typed, result_shape(shape, a), dtype, a, log_space=log_space)


@staged("shape", "dtype", "log_space")
def _gamma(key: Any, shape: Any, dtype: Any, a: Any, log_space: bool) -> Any:
    return random_gamma_p.bind(key, spread(param("gamma", a, dtype), shape), log_space=log_space)


@remembered
@sharded
def beta(key: ArrayLike, a: Any, b: Any, shape: Any = None, dtype: Any = None, *,
         out_sharding: Any = None) -> Array:
    """Beta draws: density proportional to x^(a-1) (1-x)^(b-1) on [0, 1].

    Two gamma draws, in logarithms. `a` and `b` broadcast together and to `shape`.
    """
    typed = typed_key("beta", key)
    dtype = float_dtype("beta", dtype)
    return _beta(typed, result_shape(shape, a, b), dtype, safe_param("beta", a, dtype),
                 safe_param("beta", b, dtype))


@staged("shape", "dtype")
def _beta(key: Any, shape: Any, dtype: Any, a: Any, b: Any) -> Any:
    first, second = split(key)
    log_a = _gamma(first, shape, dtype, spread(a, shape), log_space=True)
    log_b = _gamma(second, shape, dtype, spread(b, shape), log_space=True)
    largest = lax.max(log_a, log_b)
    part_a, part_b = lax.exp(lax.sub(log_a, largest)), lax.exp(lax.sub(log_b, largest))
    return lax.div(part_a, lax.add(part_a, part_b))


@remembered
@sharded
def dirichlet(key: ArrayLike, alpha: Any, shape: Any = None, dtype: Any = None, *,
              out_sharding: Any = None) -> Array:
    """Dirichlet draws: vectors of the length of alpha's last axis that sum to one.

    Args:
      key: a random key.
      alpha: concentrations, of shape (*batch, n).
      shape: batch shape of the result, which alpha's must broadcast to; default: alpha's own.
      dtype: a float dtype (default float32).

    Returns an array of shape (*shape, n).
    """
    typed = typed_key("dirichlet", key)
    dtype = float_dtype("dirichlet", dtype)
    if np.ndim(alpha) < 1:
        raise ValueError("dirichlet requires alpha.ndim >= 1, got alpha.ndim == 0")
    batch = tuple(np.shape(alpha))[:-1]
    if shape is None:
        shape = batch
    else:
        shape = draw_shape(shape)
        check_broadcast(shape, batch)
    full = (*shape, np.shape(alpha)[-1])
    return _dirichlet(typed, full, dtype, param("dirichlet", alpha, dtype))


@staged("shape", "dtype")
def _dirichlet(key: Any, shape: Any, dtype: Any, alpha: Any) -> Any:
    logs = _gamma(key, shape, dtype, alpha, log_space=True)
    largest = jnp.max(logs, axis=-1, keepdims=True, initial=-np.inf)
    parts = lax.exp(logs - lax.stop_gradient(largest))
    return parts / jnp.sum(parts, axis=-1, keepdims=True)


@remembered
@sharded
def chisquare(key: ArrayLike, df: Any, shape: Any = None, dtype: Any = None, *,
              out_sharding: Any = None) -> Array:
    """Chi-square draws with `df` degrees of freedom: twice a gamma draw with a = df / 2."""
    typed = typed_key("chisquare", key)
    dtype = float_dtype("chisquare", dtype)
    return _chisquare(typed, result_shape(shape, df), dtype, safe_param("chisquare", df, dtype))


@staged("shape", "dtype")
def _chisquare(key: Any, shape: Any, dtype: Any, df: Any) -> Any:
    two = scalar(2, dtype)
    return lax.mul(lax.exp(_gamma(key, shape, dtype, lax.div(df, two), log_space=True)), two)


@remembered
@sharded
def f(key: ArrayLike, dfnum: Any, dfden: Any, shape: Any = None, dtype: Any = None, *,
      out_sharding: Any = None) -> Array:
    """F draws: the ratio of two chi-square draws, each divided by its degrees of freedom."""
    typed = typed_key("f", key)
    dtype = float_dtype("f", dtype)
    return _f(typed, result_shape(shape, dfnum, dfden), dtype, safe_param("f", dfnum, dtype),
              safe_param("f", dfden, dtype))


@staged("shape", "dtype")
def _f(key: Any, shape: Any, dtype: Any, dfnum: Any, dfden: Any) -> Any:
    below, above = split(key)
    numerator = _chisquare(above, shape, dtype, dfnum)
    denominator = _chisquare(below, shape, dtype, dfden)
    return lax.div(lax.div(numerator, spread(dfnum, shape)),
                   lax.div(denominator, spread(dfden, shape)))


@remembered
@sharded
def t(key: ArrayLike, df: Any, shape: Any = None, dtype: Any = None, *,
      out_sharding: Any = None) -> Array:
    """Student's t draws with `df` degrees of freedom: a normal draw over a root of a gamma draw."""
    typed = typed_key("t", key)
    dtype = float_dtype("t", dtype)
    return _t(typed, result_shape(shape, df), dtype, safe_param("t", df, dtype))


@staged("shape", "dtype")
def _t(key: Any, shape: Any, dtype: Any, df: Any) -> Any:
    first, second = split(key)
    draw = _normal(first, shape, dtype)
    half = lax.div(spread(df, shape), scalar(2, dtype))
    chi = _gamma(second, shape, dtype, half, log_space=False)
    return lax.mul(draw, lax.sqrt(lax.div(half, chi)))


@remembered
@sharded
def generalized_normal(key: ArrayLike, p: Any, shape: Any = (), dtype: Any = None, *,
                       out_sharding: Any = None) -> Array:
    """Generalized normal draws: density proportional to exp(-|x|^p)."""
    typed = typed_key("generalized_normal", key)
    dtype = float_dtype("gamma", dtype)
    return _generalized_normal(typed, draw_shape(shape), dtype, p)


@staged("shape", "dtype")
def _generalized_normal(key: Any, shape: Any, dtype: Any, p: Any) -> Any:
    keys = split(key)
    draw = _gamma(keys[0], shape, dtype, jnp.divide(1.0, p), log_space=False)
    sign = _rademacher(keys[1], shape, dtype)
    return sign * jnp.power(draw, jnp.divide(1.0, p))


@remembered
@sharded
def ball(key: ArrayLike, d: int, p: Any = 2, shape: Any = (), dtype: Any = None, *,
         out_sharding: Any = None) -> Any:
    """Uniform draws from the unit ball of the L_p norm in `d` dimensions, shape (*shape, d).

    By Barthe, Guédon, Mendelson and Naor, "A probabilistic approach to the geometry of the l_p^n
    ball", 2005.
    """
    typed = typed_key("ball", key)
    dtype = float_dtype("gamma", dtype)
    return _ball(typed, draw_shape((*draw_shape(shape), d)), dtype, p)


@staged("shape", "dtype")
def _ball(key: Any, shape: Any, dtype: Any, p: Any) -> Any:
    first, second = split(key)
    draw = _generalized_normal(first, shape, dtype, p)
    radius = _exponential(second, shape[:-1], dtype)
    norm = jnp.sum(jnp.power(jnp.abs(draw), p), axis=-1) + radius
    return draw / jnp.power(norm, jnp.divide(1.0, p))[..., None]
