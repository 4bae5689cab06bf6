"""Poisson, binomial and multinomial draws, by loops that reject until every element is accepted."""
from __future__ import annotations

from typing import Any

import numpy as np

from arrax import lax
from arrax import numpy as jnp
from arrax.core import dtypes
from arrax.core.array import Array
from arrax.core.dimension import broadcast_shapes
from arrax.core.dtypes import key_fry
from arrax.core.remembered import remembered
from arrax.random.arguments import (check_broadcast, draw_shape, float_dtype, param, result_shape,
                                    spread)
from arrax.random.basic import _uniform, scalar
from arrax.random.discrete import inexact_params
from arrax.random.keys import split, typed_key
from arrax.random.staging import compiled
from arrax.transforms.api_placement import sharded
from arrax.typing import ArrayLike


# ---- Poisson -------------------------------------------------------------------------------------

@remembered
@sharded
def poisson(key: ArrayLike, lam: Any, shape: Any = None, dtype: Any = None, *,
            out_sharding: Any = None) -> Array:
    """Poisson draws: counts k with probability lam^k exp(-lam) / k!.

    Knuth's method for lam < 10 and Hörmann's transformed rejection ("The transformed rejection
    method for generating Poisson random variables", 1993) above.

    Args:
      key: a random key of the threefry2x32 generator.
      lam: rates.
      shape: of the result; default: that of `lam`.
      dtype: an integer dtype (default int32).

    Raises:
      NotImplementedError: for other generators. ValueError: for other dtypes.
    """
    typed = typed_key("poisson", key)
    if typed.dtype != key_fry:
        raise NotImplementedError("`poisson` is only implemented for the threefry2x32 RNG, not "
                                  f"{typed.dtype.tag}")
    dtype = dtypes.check_user_dtype(int if dtype is None else dtype, "poisson")
    if not dtypes.issubdtype(dtype, np.integer):
        raise ValueError(f"Invalid integer data type {np.dtype(dtype).kind!r}.")
    shape = result_shape(shape, lam)
    lam = param("poisson", spread(jnp.asarray(lam), shape), np.dtype(np.float32))
    return _poisson(typed, shape, dtype, lam)


@compiled("shape", "dtype")
def _poisson(key: Any, shape: Any, dtype: Any, lam: Any) -> Any:
    small = jnp.isnan(lam) | (lam < 10)
    zero = scalar(0, lam.dtype)
    by_product = _poisson_by_product(key, shape, dtype, lax.select(small, lam, spread(zero, shape)))
    by_rejection = _poisson_by_rejection(
        key, shape, dtype, lax.select(small, spread(scalar(1e5, lam.dtype), shape), lam))
    out = lax.select(small, by_product, by_rejection)
    return lax.select(lam == 0, spread(scalar(0, dtype), shape), out)


def _poisson_by_product(key: Any, shape: Any, dtype: Any, lam: Any) -> Any:
    """Count uniform draws until their product falls under exp(-lam)."""
    most = dtypes.iinfo(dtype).max

    def unfinished(state: Any) -> Any:
        step, _, _, log_product = state
        return lax.reduce_or(log_product > -lam, tuple(range(len(shape)))) \
            & (step.astype(dtype) < scalar(most, dtype))

    def draw(state: Any) -> Any:
        step, count, key, log_product = state
        key, subkey = split(key)
        count = lax.select(log_product > -lam, count + scalar(1, dtype), count)
        log = lax.log(_uniform(subkey, shape, np.dtype(np.float32), 0.0, 1.0))
        return step + 1, count, key, log_product + log

    state = (jnp.int32(0), jnp.zeros(shape, dtype), key, jnp.zeros(shape, np.float32))
    return lax.while_loop(unfinished, draw, state)[1] - scalar(1, dtype)


def _poisson_by_rejection(key: Any, shape: Any, dtype: Any, lam: Any) -> Any:
    log_lam = lax.log(lam)
    b = 0.931 + 2.53 * lax.sqrt(lam)
    a = -0.059 + 0.02483 * b
    inverse_alpha = 1.1239 + 1.1328 / (b - 3.4)
    squeeze = 0.9277 - 3.6224 / (b - 2)
    most = dtypes.iinfo(dtype).max

    def unfinished(state: Any) -> Any:
        step, _, accepted, _ = state
        return lax.reduce_or(~accepted, tuple(range(len(shape)))) \
            & (step.astype(dtype) < scalar(most, dtype))

    def draw(state: Any) -> Any:
        step, out, accepted, key = state
        key, first, second = split(key, 3)
        u = _uniform(first, shape, lam.dtype, 0.0, 1.0) - 0.5
        v = _uniform(second, shape, lam.dtype, 0.0, 1.0)
        u_shifted = 0.5 - lax.abs(u)
        k = lax.floor((2 * a / u_shifted + b) * u + lam + 0.43)
        s = lax.log(v * inverse_alpha / (a / (u_shifted * u_shifted) + b))
        bound = -lam + k * log_lam - lax.lgamma(k + 1)
        quick = (u_shifted >= 0.07) & (v <= squeeze)
        reject = (k < 0) | ((u_shifted < 0.013) & (v > u_shifted))
        accept = quick | (~reject & (s <= bound))
        return step + 1, lax.select(accept, k, out), accepted | accept, key

    state = (jnp.int32(0), jnp.full(shape, -1, lam.dtype), jnp.zeros(shape, bool), key)
    return lax.while_loop(unfinished, draw, state)[1].astype(dtype)


# ---- binomial ------------------------------------------------------------------------------------

@remembered
def binomial(key: Any, n: Any, p: Any, shape: Any = None, dtype: Any = None) -> Array:
    """Binomial draws: successes in `n` trials of probability `p`, as floats.

    Sums of geometric draws for n min(p, 1-p) <= 10 and Hörmann's transformed rejection ("The
    generation of binomial random variates", 1993) above. NaN for n < 0 and p outside [0, 1].

    Args:
      key: a random key.
      n, p: trials and probabilities, broadcast together.
      shape: of the result; default: their common shape.
      dtype: a float dtype (default float32).

    Raises ValueError for other dtypes and for parameters that do not fit `shape`.
    """
    typed = typed_key("binomial", key)
    dtype = float_dtype("binomial", dtype)
    # Drawn in the dtype that the parameters promote to, Python scalars not being weak here.
    n, p = inexact_params("binomial", *(x for v in (n, p) for x in inexact_params("binomial", v)))
    shape = result_shape(shape, n, p)
    draw = _binomial(typed, shape, spread(n, shape), spread(p, shape))
    return lax.convert_element_type(draw, dtype)


@compiled("shape")
def _binomial(key: Any, shape: Any, count: Any, prob: Any) -> Any:
    return _binomial_draw(key, shape, count, prob)


def _binomial_draw(key: Any, shape: Any, count: Any, prob: Any) -> Any:
    """Draws in the dtype of the parameters."""
    dtype = count.dtype
    lower = prob < 0.5
    q = lax.select(lower, prob, 1 - prob)
    bad_count, infinite = jnp.isnan(count) | (count < 0), jnp.isinf(count)
    nan_q, negative_q = jnp.isnan(q), q < 0
    q = jnp.where(nan_q | negative_q, jnp.asarray(0.01, q.dtype), q)
    small = bad_count | (count * q <= 10)
    trials = lax.floor(count)
    by_sums = _binomial_by_sums(
        key, shape, dtype, lax.select(small, trials, jnp.zeros_like(trials)), q)
    by_rejection = _binomial_by_rejection(
        key, shape, dtype, lax.select(small, jnp.full_like(trials, 1e4), trials),
        lax.select(small, jnp.full_like(q, 0.5), q))
    out = lax.select(small, by_sums, by_rejection)
    invalid = negative_q | nan_q | bad_count
    out = lax.select(invalid, jnp.full_like(out, np.nan), out)
    out = lax.select(infinite & ~invalid, jnp.full_like(out, np.inf), out)
    as_drawn = lower | bad_count | nan_q | infinite
    return lax.select(as_drawn, out, trials.astype(dtype) - out)


def _binomial_by_sums(key: Any, shape: Any, dtype: Any, count: Any, prob: Any) -> Any:
    """Count geometric draws until their sum exceeds the number of trials."""
    log_fail = lax.log1p(-prob)
    axes = tuple(range(len(shape)))

    def unfinished(state: Any) -> Any:
        step, _, total, _ = state
        return lax.reduce_or(total <= count, axes) & (step.astype(dtype) < dtypes.finfo(dtype).max)

    def draw(state: Any) -> Any:
        step, successes, total, key = state
        subkey, key = split(key)
        successes = lax.select(total <= count, successes + 1, successes)
        trials = lax.ceil(lax.log(_uniform(subkey, shape, dtype, 0.0, 1.0)) / log_fail)
        return step + 1, successes, total + trials, key

    state = (jnp.int32(0), jnp.zeros(shape, dtype), jnp.zeros(shape, dtype), key)
    return lax.while_loop(unfinished, draw, state)[1] - 1


def _binomial_by_rejection(key: Any, shape: Any, dtype: Any, count: Any, prob: Any) -> Any:
    deviation = lax.sqrt(count * prob * (1 - prob))
    b = 1.15 + 2.53 * deviation
    a = -0.0873 + 0.0248 * b + 0.01 * prob
    c = count * prob + 0.5
    squeeze = 0.92 - 4.2 / b
    odds = prob / (1 - prob)
    alpha = (2.83 + 5.1 / b) * deviation
    mode = lax.floor((count + 1) * prob)
    axes = tuple(range(len(shape)))

    def unfinished(state: Any) -> Any:
        step, _, accepted, _ = state
        return lax.reduce_or(~accepted, axes) & (step.astype(dtype) < dtypes.finfo(dtype).max)

    def draw(state: Any) -> Any:
        step, out, accepted, key = state
        key, first, second = split(key, 3)
        u = _uniform(first, shape, dtype, 0.0, 1.0)
        v = _uniform(second, shape, dtype, 0.0, 1.0)
        u = u - 0.5
        u_shifted = 0.5 - lax.abs(u)
        quick = (u_shifted >= 0.07) & (v <= squeeze)
        k = lax.floor((2 * a / u_shifted + b) * u + c)
        reject = (k < 0) | (k > count)
        log_v = lax.log(v * alpha / (a / (u_shifted * u_shifted) + b))
        bound = ((mode + 0.5) * lax.log((mode + 1) / (odds * (count - mode + 1)))
                 + (count + 1) * lax.log((count - mode + 1) / (count - k + 1))
                 + (k + 0.5) * lax.log(odds * (count - k + 1) / (k + 1))
                 + _stirling_tail(mode) + _stirling_tail(count - mode)
                 - _stirling_tail(k) - _stirling_tail(count - k))
        accept = quick | (~reject & (log_v <= bound))
        return step + 1, lax.select(accept, k, out), accepted | accept, key

    state = (jnp.int32(0), jnp.full(shape, -1, dtype), jnp.zeros(shape, bool), key)
    return lax.while_loop(unfinished, draw, state)[1]


# log(k!) - log(sqrt(2 π)) - (k + 1/2) log(k + 1) + (k + 1) for k = 0, …, 9 (Hörmann 1993)
_TAILS = (0.0810614667953272, 0.0413406959554092, 0.0276779256849983, 0.02079067210376509,
          0.0166446911898211, 0.0138761288230707, 0.0118967099458917, 0.0104112652619720,
          0.00925546218271273, 0.00833056343336287)


def _stirling_tail(k: Any) -> Any:
    """The remainder of Stirling's formula for log(k!): a table, then its asymptotic series."""
    table = jnp.asarray(np.array(_TAILS), k.dtype)
    tabled = k <= 9
    k = lax.clamp(scalar(0, k.dtype), k, scalar(9, k.dtype))
    next_squared = (k + 1) * (k + 1)
    series = (1 / 12 - (1 / 360 - 1 / 1260 / next_squared) / next_squared) / (k + 1)
    return lax.select(tabled, table.at[lax.floor(k).astype(int)].get(mode="promise_in_bounds"),
                      series)


@remembered
def multinomial(key: Any, n: Any, p: Any, *, shape: Any = None, dtype: Any = None,
                unroll: int | bool = 1) -> Any:
    """Multinomial draws: how often each category comes in `n` trials, as floats.

    Args:
      key: a random key.
      n: numbers of trials, of shape (*batch,).
      p: probabilities, of shape (*batch, k), which sum to one along the last axis.
      shape: of the result; default: the common batch shape and k.
      dtype: a float dtype (default float32).
      unroll: as of `lax.scan`, over the categories.

    Raises ValueError for other dtypes and shapes that do not fit.
    """
    typed = typed_key("multinomial", key)
    dtype = float_dtype("multinomial", dtype)
    n, p = inexact_params("multinomial", n, p)
    if not p.ndim:
        raise ValueError("axis -1 is out of bounds for array of dimension 0")
    if shape is None:
        shape = (*broadcast_shapes(n.shape, p.shape[:-1]), p.shape[-1])
    else:
        shape = draw_shape(shape)
        check_broadcast(shape, p.shape)
        check_broadcast(shape[:-1], n.shape)
    n, p = spread(n.astype(dtype), shape[:-1]), spread(p.astype(dtype), shape)
    return _multinomial(typed, shape, dtype, n, p, unroll)


@compiled("shape", "dtype", "unroll")
def _multinomial(key: Any, shape: Any, dtype: Any, n: Any, p: Any, unroll: Any) -> Any:
    """One binomial draw a category, of the trials that are left."""
    remaining = lax.cumsum(p, axis=p.ndim - 1, reverse=True)
    ratios = p / jnp.where(remaining == 0, 1, remaining)

    def draw(left: Any, given: Any) -> Any:
        ratio, key = given
        drawn = _binomial_draw(key, shape[:-1], left, jnp.clip(ratio, 0, 1))
        return left - drawn, drawn

    keys = split(key, shape[-1])
    _, drawn = lax.scan(draw, n, (jnp.moveaxis(ratios, -1, 0), keys), unroll=unroll)
    return jnp.moveaxis(drawn, 0, -1)
