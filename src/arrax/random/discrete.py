"""Discrete distributions: counts, categories, permutations and choices."""
from __future__ import annotations

import math
import operator
from typing import Any

import numpy as np

from arrax import lax
from arrax import numpy as jnp
from arrax.core import dtypes
from arrax.core.array import Array
from arrax.core.lazy import listing as _listing
from arrax.core.remembered import remembered
from arrax.numpy.promotion import check_arraylike
from arrax.ops.arguments import canonical_axis, integer
from arrax.ops.random import random_bits_p
from arrax.random.arguments import (check_broadcast, draw_shape, int_dtype, param, result_shape)
from arrax.random.basic import _uniform, randint, scalar
from arrax.random.continuous import _gumbel, gumbel_mode
from arrax.random.keys import split, typed_key
from arrax.random.staging import staged
from arrax.transforms.api_placement import sharded
from arrax.typing import ArrayLike


@remembered
@sharded
def geometric(key: ArrayLike, p: Any, shape: Any = None, dtype: Any = None, *,
              out_sharding: Any = None) -> Array:
    """Geometric draws: the number of trials until the first success, each of probability `p`.

    Args:
      key: a random key.
      p: probabilities.
      shape: of the result; default: that of `p`.
      dtype: an integer dtype (default int32).
    """
    typed = typed_key("geometric", key)
    dtype = int_dtype("geometric", dtype)
    (p,) = inexact_params("geometric", p)
    return _geometric(typed, result_shape(shape, p), dtype, p)


def inexact_params(function: str, *values: Any) -> list[Any]:
    """Parameters as arrays of their common float dtype."""
    check_arraylike(function, *values)
    dtype = dtypes.to_inexact_dtype(dtypes.result_type(*values))
    return [param(function, x, dtype) for x in values]


@staged("shape", "dtype")
def _geometric(key: Any, shape: Any, dtype: Any, p: Any) -> Any:
    draw = _uniform(key, shape, p.dtype, 0.0, 1.0)
    draw = jnp.where(draw == 0, 1, draw)
    trials = lax.floor(jnp.divide(lax.log(draw), lax.log1p(lax.neg(p))))
    return lax.convert_element_type(lax.add(trials, scalar(1, p.dtype)), dtype)


# ---- categories --------------------------------------------------------------------------------

@remembered
@sharded
def categorical(key: ArrayLike, logits: Any, axis: int = -1, shape: Any = None,
                replace: bool = True, mode: str | None = None, *,
                out_sharding: Any = None) -> Array:
    """Draws of indices with probabilities softmax(logits) along `axis`, by the Gumbel trick.

    Args:
      key: a random key.
      logits: unnormalized log probabilities.
      axis: which axis of `logits` counts the categories.
      shape: of the result; the shape of `logits` without `axis` must broadcast to it, or, without
        replacement, be its end. Default: that shape.
      replace: False draws different categories (the axes that `shape` has in front).
      mode: of the Gumbel draws, see `gumbel`.

    Raises ValueError where shapes do not fit or categories do not suffice.

    Example:
      >>> arrax.random.categorical(arrax.random.key(0), jnp.log(jnp.array([0.1, 0.9])))
      Array(1, dtype=int32)
    """
    typed = typed_key("categorical", key)
    check_arraylike("categorical", logits)
    logits = jnp.asarray(logits)
    if not -logits.ndim <= axis < logits.ndim:
        raise IndexError(f"index {axis} is out of bounds for axis 0 with size {logits.ndim}")
    batch = tuple(np.delete(logits.shape, axis).tolist())
    shape = batch if shape is None else draw_shape(shape)
    check_broadcast(shape, batch)
    in_front = shape[:len(shape) - len(batch)]
    if replace:
        return _categorical(typed, logits, axis, shape, in_front, gumbel_mode(mode))
    return _distinct_categories(typed, logits, axis % logits.ndim, shape, in_front,
                                gumbel_mode(mode))


def _categorical(key: Any, logits: Any, axis: int, shape: Any, in_front: Any, mode: str) -> Any:
    if axis >= 0:
        axis -= logits.ndim
    full = list(shape)
    full.insert(len(shape) + axis + 1, logits.shape[axis])
    noise = _gumbel(key, tuple(full), logits.dtype, mode)
    return jnp.argmax(noise + jnp.expand_dims(logits, tuple(range(len(in_front)))), axis=axis)


def _distinct_categories(key: Any, logits: Any, axis: int, shape: Any, in_front: Any,
                         mode: str) -> Any:
    count, categories = math.prod(in_front), logits.shape[axis]
    if count > categories:
        raise ValueError(f"Number of samples without replacement ({count}) cannot exceed number of "
                         f"categories ({categories}).")
    noisy = logits + _gumbel(key, logits.shape, logits.dtype, mode)
    last = jnp.moveaxis(noisy, axis, -1)
    chosen = lax.top_k(last, count)[1]
    return lax.reshape(jnp.moveaxis(chosen, -1, 0), shape)


# ---- permutations and choices ------------------------------------------------------------------

@remembered
@sharded
def permutation(key: ArrayLike, x: Any, axis: int = 0, independent: bool = False, *,
                out_sharding: Any = None) -> Array:
    """`x` in random order along `axis`; for an integer, a permutation of `arange(x)`.

    Args:
      key: a random key.
      x: an array or an integer.
      axis: the axis to shuffle.
      independent: shuffle each vector along `axis` by itself.

    Raises:
      TypeError: `x` is a scalar that is no integer. ValueError: `axis` is out of bounds.

    Example:
      >>> arrax.random.permutation(arrax.random.key(0), 5)
      Array([0, 1, 4, 3, 2], dtype=int32)
    """
    typed = typed_key("permutation", key)
    check_arraylike("permutation", x)
    if np.ndim(x) == 0:
        if not dtypes.issubdtype(dtypes.dtype_of(x), np.integer):
            raise TypeError("x must be an integer or at least 1-dimensional")
        order = jnp.arange(integer(x, "x"))
        return _shuffle(typed, order.shape, order, 0)
    axis = canonical_axis(axis, np.ndim(x))
    x = jnp.asarray(x)
    if independent or x.ndim == 1:
        return _shuffle(typed, x.shape, x, axis)
    order = jnp.arange(x.shape[axis])
    order = _shuffle(typed, order.shape, order, 0)
    return jnp.take(x, order, axis, unique_indices=True)


@staged("shape", "axis")
def _shuffle(key: Any, shape: Any, x: Any, axis: int) -> Any:
    """Sort by random words; often enough that equal words (kept in order) have no effect.

    One round leaves about n² / 2³³ pairs in order; rounds are repeated until n³ orders are covered.
    """
    rounds = int(np.ceil(3 * np.log(max(1, x.size)) / np.log(dtypes.iinfo(np.uint32).max)))
    for _ in range(rounds):
        key, subkey = split(key)
        words = random_bits_p.bind(subkey, bit_width=32, shape=tuple(x.shape))
        _, x = lax.sort_key_val(words, x, axis)
    return x


@remembered
def choice(key: ArrayLike, a: Any, shape: Any = (), replace: bool = True, p: Any = None,
           axis: int = 0, mode: str | None = None) -> Array:
    """Random elements of `a` (or of `arange(a)` for an integer).

    Args:
      key: a random key.
      a: an array or an integer.
      shape: of the sample, a sequence; it takes the place of `axis` in the result.
      replace: whether an element may be drawn twice.
      p: weights along `axis`; default: all equal.
      axis: the axis of `a` to choose from.
      mode: of the Gumbel draws for weights without replacement, see `gumbel`.

    Raises ValueError for an empty `a`, weights of another shape, and too large samples without
    replacement; TypeError when `shape` is no sequence.

    Example:
      >>> arrax.random.choice(arrax.random.key(0), 5, (3,))
      Array([4, 0, 0], dtype=int32)
    """
    typed = typed_key("choice", key, consumed=p is not None)
    if not hasattr(shape, "__len__"):
        raise TypeError("shape argument of jax.random.choice must be a sequence, "
                        f"got {shape}")
    shape = draw_shape(shape)
    check_arraylike("choice", a)
    whole = np.ndim(a) == 0
    a = operator.index(int(a)) if whole else jnp.asarray(a)
    axis = 0 if whole else canonical_axis(axis, a.ndim)
    inputs, draws = a if whole else a.shape[axis], math.prod(shape)
    if inputs <= 0 and draws > 0:
        raise ValueError("a must be greater than 0 unless no samples are taken")
    if not replace and draws > inputs:
        raise ValueError(f"Cannot take a larger sample (size {draws}) than population (size "
                         f"{inputs}) when 'replace=False'")
    if p is None:
        chosen = _choose_equally(typed, a, shape, replace, axis, inputs, draws)
        if chosen is not None:
            return chosen
    else:
        (p,) = inexact_params("choice", p)
        if p.shape != (inputs,):
            raise ValueError("p must be None or a 1D vector with the same size as a.shape[axis]. "
                             f"p has shape {p.shape} and a.shape[axis] is {inputs}.")
    index = _choose_by_weight(typed, p, shape, replace, draws, mode) if p is not None \
        else randint(typed, shape, 0, max(inputs, 1))
    if whole:
        return index
    picked = jnp.take(a, index.ravel(), axis, unique_indices=not replace) if index.ndim > 1 \
        else jnp.take(a, index, axis, unique_indices=not replace)
    return picked.reshape((*a.shape[:axis], *shape, *a.shape[axis + 1:]))


def _choose_equally(key: Any, a: Any, shape: Any, replace: bool, axis: int, inputs: int,
                    draws: int) -> Any:
    """Without replacement, the head of a permutation; with replacement None (draw indices)."""
    if replace:
        return None
    shuffled = permutation(key, a, axis)
    head = lax.slice_in_dim(shuffled, 0, draws, axis=axis)
    around = np.shape(a) if np.ndim(a) else (inputs,)
    return head.reshape((*around[:axis], *shape, *around[axis + 1:]))


def _choose_by_weight(key: Any, p: Any, shape: Any, replace: bool, draws: int,
                      mode: str | None) -> Any:
    if replace:
        cumulative = jnp.cumsum(p)
        draw = cumulative[-1] * (1 - _uniform(key, shape, p.dtype, 0.0, 1.0))
        return jnp.searchsorted(cumulative, draw).astype(int)
    noise = _gumbel(key, p.shape, p.dtype, gumbel_mode(mode)) + jnp.log(p)
    return lax.top_k(noise, draws)[1].reshape(shape)


__all__ = ["categorical", "choice", "geometric", "permutation"]

__dir__ = _listing(__name__)
