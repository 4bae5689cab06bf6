"""Continuous distributions by transformation of uniform and normal draws."""
from __future__ import annotations

from typing import Any

import numpy as np

from arrax import lax
from arrax import numpy as jnp
from arrax.core import config, dtypes
from arrax.core.array import Array
from arrax.core.dimension import broadcast_shapes
from arrax.core.lazy import listing as _listing
from arrax.core.remembered import remembered
from arrax.random.arguments import (draw_shape, float_dtype, inexact_dtype, result_shape,
                                    safe_param, spread)
from arrax.random.basic import _normal, _rademacher, _uniform, scalar
from arrax.random.keys import split, typed_key
from arrax.random.staging import staged
from arrax.transforms.api_placement import sharded
from arrax.typing import ArrayLike


@remembered
@sharded
def exponential(key: ArrayLike, shape: Any = (), dtype: Any = None, *,
                out_sharding: Any = None) -> Array:
    """Exponential draws: density exp(-x) for x >= 0, by -log1p(-u)."""
    dtype = float_dtype("exponential", dtype)
    return _exponential(typed_key("exponential", key), draw_shape(shape), dtype)


@staged("shape", "dtype")
def _exponential(key: Any, shape: Any, dtype: Any) -> Any:
    return lax.neg(lax.log1p(lax.neg(_uniform(key, shape, dtype, 0.0, 1.0))))


@remembered
@sharded
def cauchy(key: ArrayLike, shape: Any = (), dtype: Any = None, *,
           out_sharding: Any = None) -> Array:
    """Cauchy draws: density 1 / (π (x² + 1)), by tan(π (u - 1/2))."""
    dtype = float_dtype("cauchy", dtype)
    return _cauchy(typed_key("cauchy", key), draw_shape(shape), dtype)


@staged("shape", "dtype")
def _cauchy(key: Any, shape: Any, dtype: Any) -> Any:
    draw = _uniform(key, shape, dtype, minval=scalar(dtypes.finfo(dtype).eps, dtype), maxval=1.0)
    return lax.tan(lax.mul(scalar(np.pi, dtype), lax.sub(draw, scalar(0.5, dtype))))


@remembered
@sharded
def laplace(key: ArrayLike, shape: Any = (), dtype: Any = None, *,
            out_sharding: Any = None) -> Array:
    """Laplace draws: density exp(-|x|) / 2."""
    dtype = float_dtype("laplace", dtype)
    return _laplace(typed_key("laplace", key), draw_shape(shape), dtype)


@staged("shape", "dtype")
def _laplace(key: Any, shape: Any, dtype: Any) -> Any:
    low = scalar(-1 + dtypes.finfo(dtype).epsneg, dtype)
    draw = _uniform(key, shape, dtype, minval=low, maxval=1.0)
    return lax.mul(lax.sign(draw), lax.log1p(lax.neg(lax.abs(draw))))


@remembered
@sharded
def logistic(key: ArrayLike, shape: Any = (), dtype: Any = None, *,
             out_sharding: Any = None) -> Array:
    """Logistic draws: density exp(-x) / (1 + exp(-x))², by log(u / (1 - u))."""
    dtype = float_dtype("logistic", dtype)
    return _logistic(typed_key("logistic", key), draw_shape(shape), dtype)


@staged("shape", "dtype")
def _logistic(key: Any, shape: Any, dtype: Any) -> Any:
    draw = _uniform(key, shape, dtype, minval=_tiny(dtype), maxval=1.0)
    return lax.sub(lax.log(draw), lax.log1p(lax.neg(draw)))


def _tiny(dtype: Any) -> Any:
    return scalar(dtypes.finfo(dtype).tiny, dtype)


@remembered
@sharded
def gumbel(key: ArrayLike, shape: Any = (), dtype: Any = None, mode: str | None = None, *,
           out_sharding: Any = None) -> Array:
    """Gumbel draws: density exp(-(x + exp(-x))), by -log(-log(u)).

    Args:
      key: a random key.
      shape: of the result.
      dtype: a float dtype (default float32).
      mode: "high" draws twice the bits, for correct tails; default "low" (see the flag
        `random_gumbel_mode`, `high_dynamic_range_gumbel`).

    Raises ValueError for other modes and dtypes.
    """
    dtype = float_dtype("gumbel", dtype)
    return _gumbel(typed_key("gumbel", key), draw_shape(shape), dtype, gumbel_mode(mode))


def gumbel_mode(mode: str | None) -> str:
    """The mode of Gumbel draws: the argument, or the configured one."""
    if mode is None:
        return "high" if config.high_dynamic_range_gumbel.value else "low"
    if mode not in ("high", "low"):
        raise ValueError(f"Must provide valid mode for gumbel got: {mode}")
    return mode


@staged("shape", "dtype", "mode")
def _gumbel(key: Any, shape: Any, dtype: Any, mode: str = "low") -> Any:
    if mode == "low":
        draw = _uniform(key, shape, dtype, minval=_tiny(dtype), maxval=1.0)
        return lax.neg(lax.log(lax.neg(lax.log(draw))))
    pair = _uniform(key, (2, *shape), dtype, minval=0.0, maxval=1.0)
    coarse, fine = (lax.index_in_dim(pair, i, 0, keepdims=False) for i in range(2))
    # Below 1/2 the second draw supplies bits under the last one of the first.
    refined = lax.add(lax.add(coarse, lax.mul(scalar(dtypes.finfo(dtype).eps, dtype), fine)),
                      _tiny(dtype))
    draw = jnp.where(lax.ge(coarse, scalar(0.5, dtype)), coarse, refined)
    return lax.neg(lax.log(lax.neg(lax.log1p(lax.neg(draw)))))


@remembered
@sharded
def pareto(key: ArrayLike, b: Any, shape: Any = None, dtype: Any = None, *,
           out_sharding: Any = None) -> Array:
    """Pareto draws: density b / x^(b+1) for x >= 1. `b` broadcasts to `shape`."""
    dtype = float_dtype("pareto", dtype)
    typed = typed_key("pareto", key)
    return _pareto(typed, result_shape(shape, b), dtype, safe_param("pareto", b, dtype))


@staged("shape", "dtype")
def _pareto(key: Any, shape: Any, dtype: Any, b: Any) -> Any:
    return lax.exp(lax.div(_exponential(key, shape, dtype), spread(b, shape)))


@remembered
@sharded
def rayleigh(key: ArrayLike, scale: Any, shape: Any = None, dtype: Any = None, *,
             out_sharding: Any = None) -> Array:
    """Rayleigh draws: density x / s² exp(-x² / (2 s²)) for x >= 0 with s = `scale`."""
    dtype = float_dtype("rayleigh", dtype)
    typed = typed_key("rayleigh", key)
    return _rayleigh(typed, result_shape(shape, scale), dtype, safe_param("rayleigh", scale, dtype))


@staged("shape", "dtype")
def _rayleigh(key: Any, shape: Any, dtype: Any, scale: Any) -> Any:
    log = lax.log(_uniform(key, shape, dtype, 0.0, 1.0))
    return lax.mul(spread(scale, shape), lax.sqrt(lax.mul(log, scalar(-2, dtype))))


@remembered
def weibull_min(key: ArrayLike, scale: Any, concentration: Any, shape: Any = (), dtype: Any = None,
                ) -> Array:
    """Weibull draws: density c/s (x/s)^(c-1) exp(-(x/s)^c), s = `scale`, c = `concentration`."""
    dtype = float_dtype("weibull_min", dtype)
    shape = result_shape(draw_shape(shape), scale, concentration)
    return _weibull_min(typed_key("weibull_min", key), shape, dtype, scale, concentration)


@staged("shape", "dtype")
def _weibull_min(key: Any, shape: Any, dtype: Any, scale: Any, concentration: Any) -> Any:
    log = lax.neg(lax.log1p(lax.neg(_uniform(key, shape, dtype, 0, 1))))
    return jnp.power(log, jnp.divide(1.0, concentration)) * scale


@remembered
@sharded
def triangular(key: ArrayLike, left: Any, mode: Any, right: Any, shape: Any = None,
               dtype: Any = None, *, out_sharding: Any = None) -> Array:
    """Triangular draws on [left, right] with the peak of the density at `mode`."""
    dtype = float_dtype("triangular", dtype)
    typed = typed_key("triangular", key)
    shape = result_shape(shape, left, mode, right)
    return _triangular(typed, shape, dtype, *(safe_param("triangular", x, dtype)
                                              for x in (left, mode, right)))


@staged("shape", "dtype")
def _triangular(key: Any, shape: Any, dtype: Any, left: Any, mode: Any, right: Any) -> Any:
    left, mode, right = (spread(x, shape) for x in (left, mode, right))
    split_at = lax.div(lax.sub(mode, left), lax.sub(right, left))
    draw = _uniform(key, shape, dtype, 0.0, 1.0)
    rising = lax.mul(lax.mul(draw, lax.sub(right, left)), lax.sub(mode, left))
    falling = lax.mul(lax.mul(lax.sub(scalar(1, dtype), draw), lax.sub(right, left)),
                      lax.sub(right, mode))
    return lax.select(lax.lt(draw, split_at), lax.add(left, lax.sqrt(rising)),
                      lax.sub(right, lax.sqrt(falling)))


@remembered
@sharded
def lognormal(key: ArrayLike, sigma: Any = np.float32(1.0), shape: Any = None, dtype: Any = None, *,
              out_sharding: Any = None) -> Array:
    """Draws whose logarithm is normal with standard deviation `sigma`."""
    dtype = inexact_dtype("lognormal", dtype)
    typed = typed_key("lognormal", key)
    shape = result_shape(shape, sigma)
    draw = _normal(typed, shape, dtype)
    return lax.exp(lax.mul(draw, spread(safe_param("lognormal", sigma, dtype), shape)))


@remembered
@sharded
def maxwell(key: ArrayLike, shape: Any = (), dtype: Any = None, *,
            out_sharding: Any = None) -> Array:
    """Maxwell draws, the length of a standard normal vector in space: density
    sqrt(2/π) x² exp(-x²/2) for x >= 0."""
    dtype = float_dtype("maxwell", dtype)
    return _maxwell(typed_key("maxwell", key), draw_shape(shape), dtype)


@staged("shape", "dtype")
def _maxwell(key: Any, shape: Any, dtype: Any) -> Any:
    return jnp.linalg.norm(_normal(key, (*shape, 3), dtype), axis=-1)


@remembered
def double_sided_maxwell(key: ArrayLike, loc: Any, scale: Any, shape: Any = (),
                         dtype: Any = None) -> Array:
    """Draws of loc + scale * sign * m with a Maxwell draw m and a random sign.

    `shape` is the batch shape; the shape of the result is it followed by the common shape of `loc`
    and `scale`.
    """
    dtype = float_dtype("double_sided_maxwell", dtype)
    typed = typed_key("double_sided_maxwell", key)
    full = (*draw_shape(shape), *broadcast_shapes(np.shape(loc), np.shape(scale)))
    return _double_sided_maxwell(typed, full, dtype, loc, scale)


@staged("shape", "dtype")
def _double_sided_maxwell(key: Any, shape: Any, dtype: Any, loc: Any, scale: Any) -> Any:
    first, second = split(key)
    length = _maxwell(first, shape, dtype)
    sign = _rademacher(second, shape, dtype)
    return sign * length * scale + loc


@remembered
@sharded
def wald(key: ArrayLike, mean: Any, shape: Any = None, dtype: Any = None, *,
         out_sharding: Any = None) -> Array:
    """Wald (inverse Gaussian) draws with the given mean and unit shape parameter.

    By Michael, Schucany and Haas, "Generating random variates using transformations with multiple
    roots", 1976.
    """
    dtype = float_dtype("wald", dtype)
    typed = typed_key("wald", key)
    return _wald(typed, result_shape(shape, mean), dtype, safe_param("wald", mean, dtype))


@staged("shape", "dtype")
def _wald(key: Any, shape: Any, dtype: Any, mean: Any) -> Any:
    first, second = split(key)
    mean = spread(mean, shape)
    draw = _normal(first, shape, dtype)
    choice = _uniform(second, shape, dtype, 0.0, 1.0)
    squared, mean_squared = lax.integer_pow(draw, 2), lax.integer_pow(mean, 2)
    two, four = scalar(2, dtype), scalar(4, dtype)
    root = lax.sqrt(lax.add(lax.mul(lax.mul(four, mean), squared),
                            lax.mul(mean_squared, lax.integer_pow(squared, 2))))
    smaller = lax.sub(lax.add(mean, lax.div(lax.mul(mean_squared, squared), two)),
                      lax.mul(lax.div(mean, two), root))
    keep = lax.le(choice, lax.div(mean, lax.add(mean, smaller)))
    return lax.select(keep, smaller, lax.div(mean_squared, smaller))


__all__ = ["cauchy", "double_sided_maxwell", "exponential", "gumbel", "laplace",
           "logistic", "lognormal", "maxwell", "pareto", "rayleigh", "triangular", "wald",
           "weibull_min"]

__dir__ = _listing(__name__)
