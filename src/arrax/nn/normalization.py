"""Log-sum-exp, softmax, standardization, one-hot codes."""
from __future__ import annotations

import functools
import math
from typing import Any

import numpy as np

from arrax import lax
from arrax import numpy as jnp
from arrax.core import dtypes, errors
from arrax.core.dimension import dimension
from arrax.core.array import Array
from arrax.core.remembered import remembered
from arrax.core.trace import Tracer
from arrax.numpy.promotion import (as_array, canonical_axes, inexact_array,
                                   promote_dtypes_inexact)
from arrax.transforms.jit import jit
from arrax.typing import ArrayLike


@remembered
def logsumexp(a: ArrayLike, axis: Any = None, b: ArrayLike | None = None, keepdims: bool = False,
              return_sign: bool = False, where: ArrayLike | None = None) -> Any:
    """log Σ b eᵃ over `axis`, without overflow.

    Args:
      b: factors of the terms; 1 if None. The sum must not be negative (NaN), unless …
      return_sign: … to return the logarithm of the modulus, and the sign (or phase).
      where: which elements to count.
    """
    if b is None:
        x, factors = inexact_array("logsumexp", a), None
    else:
        x, factors = promote_dtypes_inexact("logsumexp", as_array("logsumexp", a),
                                            as_array("logsumexp", b, 1))
        x, factors = jnp.broadcast_arrays(x, factors)
    axes = canonical_axes(axis, x.ndim)
    real = lax.real(x) if dtypes.issubdtype(x.dtype, np.complexfloating) else x
    counted = None if factors is None else factors != 0
    if where is not None:
        counted = where if counted is None else jnp.logical_and(where, counted)
        x = jnp.where(where, x, -np.inf)
    greatest = jnp.max(real, axes, keepdims=False, where=counted, initial=-np.inf)
    greatest = lax.stop_gradient(jnp.where(jnp.isfinite(greatest), greatest, 0))
    exponents = x - jnp.expand_dims(greatest, axes).astype(x.dtype)
    if factors is None:
        total = jnp.sum(jnp.exp(exponents), axes)
    else:
        idle = lax.stop_gradient(_finite_exponents(exponents))
        powers = jnp.exp(jnp.where(counted, exponents, idle))
        total = jnp.sum(powers * factors, axes)
    sign = lax.sign(total)
    if where is not None:  # of nothing: -inf, whose derivative is 0
        empty = jnp.logical_not(jnp.any(jnp.broadcast_to(where, x.shape), axes))
        greatest = jnp.where(empty, -np.inf, greatest)
        total = jnp.where(empty, 1, total)
    if return_sign or x.dtype.kind != "c":
        total = jnp.abs(total)
    out = jnp.log(total) + greatest.astype(total.dtype)
    if keepdims:
        out, sign = jnp.expand_dims(out, axes), jnp.expand_dims(sign, axes)
    if return_sign:
        return out, sign
    if factors is not None and x.dtype.kind != "c":
        out = jnp.where(sign < 0, np.nan, out)
    return out


def _finite_exponents(x: Any) -> Any:
    """The exponents of terms with factor 0: at most such that the power, the derivative by the
    factor, is finite; -inf for infinities and NaN."""
    most = math.log(float(dtypes.finfo(x.dtype).max)) * 0.99
    real = lax.real(x) if dtypes.issubdtype(x.dtype, np.complexfloating) else x
    x = jnp.where(jnp.isfinite(x), x, -np.inf)
    return jnp.where(real > most, most, x)


@functools.partial(jit, static_argnames=("axis", "keepdims"))
def logmeanexp(x: Any, axis: Any = None, where: Any = None, keepdims: bool = False) -> Array:
    """The logarithm of the mean of eˣ over `axis`."""
    total = logsumexp(x, axis=axis, where=where, keepdims=keepdims)
    x = as_array("logmeanexp", x)
    count: Any
    if where is None:
        count = float(math.prod(x.shape[i] for i in canonical_axes(axis, x.ndim)))
    else:
        count = jnp.sum(jnp.broadcast_to(where, x.shape), axis=axis, dtype=total.dtype,
                        keepdims=keepdims)
    return total - jnp.log(jnp.asarray(count, total.dtype))


def _shifted(name: str, x: Any, axis: Any, where: Any) -> tuple[Any, Any, tuple[int, ...]]:
    """x less its maximum, excluded elements at -inf."""
    x = inexact_array(name, x)
    axes = canonical_axes(axis, x.ndim)
    greatest = jnp.max(x, axes, keepdims=True, where=where, initial=-np.inf)
    if where is not None:
        x = jnp.where(where, x, -np.inf)
    return x, x - lax.stop_gradient(greatest), axes


@remembered
def softmax(x: ArrayLike, axis: Any = -1, where: ArrayLike | None = None) -> Array:
    """eˣ divided by its sum over `axis`; 0 where `where` is false.

    Example:
      >>> nn.softmax(jnp.zeros(2))
      Array([0.5, 0.5], dtype=float32)
    """
    _, shifted, axes = _shifted("softmax", x, axis, where)
    powers = jnp.exp(shifted)
    out = powers / jnp.sum(powers, axes, where=where, keepdims=True)
    return out if where is None else jnp.where(where, out, 0)


@functools.partial(jit, static_argnames=("axis",))
def log_softmax(x: ArrayLike, axis: Any = -1, where: ArrayLike | None = None) -> Array:
    """The logarithm of `softmax`; -inf where `where` is false."""
    _, shifted, axes = _shifted("log_softmax", x, axis, where)
    total = jnp.log(jnp.sum(jnp.exp(shifted), axes, where=where, keepdims=True))
    out = shifted - total
    return out if where is None else jnp.where(where, out, -np.inf)


@functools.partial(jit, static_argnames=("axis", "algorithm"))
def standardize(x: Any, axis: Any = -1, mean: Any = None, variance: Any = None,
                epsilon: Any = 1e-5, where: Any = None, *, algorithm: str = "fast") -> Array:
    """(x - mean) / √(variance + epsilon).

    Args:
      mean, variance: of `x` over `axis` if None.
      algorithm: the variance as mean of squares less square of the mean ("fast"), or as mean square
        distance from the mean ("stable").
    """
    given, x = x, inexact_array("standardize", x)
    if where is not None:  # before the square, whose derivative at infinities and NaN is none
        x = jnp.where(where, x, 0)
    if algorithm not in ("fast", "stable"):
        raise ValueError(f"algorithm={algorithm!r} is not one of 'fast' and 'stable'")
    if mean is None:
        mean = jnp.mean(x, axis, keepdims=True, where=where)
    if variance is None:
        if algorithm == "stable":
            variance = jnp.var(x, axis, keepdims=True, where=where)
        else:
            squares = jnp.mean(jnp.square(x), axis, keepdims=True, where=where)
            variance = jnp.clip(squares - jnp.square(mean), min=0)
    factor = lax.rsqrt(jnp.asarray(variance) + epsilon)
    distance = given - mean
    if where is None:
        return distance * factor
    # Elements that are not counted may be infinite or NaN: the factor's derivative is not theirs.
    regular = jnp.logical_or(where, jnp.isfinite(distance))
    return jnp.where(regular, jnp.where(regular, distance, 0) * factor,
                     distance * lax.stop_gradient(factor))


@remembered
def one_hot(x: Any, num_classes: int, *, dtype: Any = None, axis: Any = -1) -> Array:
    """A 1 at the place of each index, along a new axis of `num_classes`; all 0 when it is outside.

    Example:
      >>> nn.one_hot(jnp.array([0, 2]), 3)
      Array([[1., 0., 0.],
             [0., 0., 1.]], dtype=float32)
    """
    index = jnp.asarray(x)
    classes = _class_count(num_classes)
    known = dtypes.check_user_dtype(float if dtype is None else dtype, "one_hot")
    return _one_hot(index, classes, known, axis)


def _class_count(num_classes: Any) -> Any:
    """A known int; ConcretizationTypeError for a tracer."""
    if isinstance(num_classes, Tracer) and num_classes.concrete() is None:
        raise errors.ConcretizationTypeError(
            num_classes, "The error arose in jax.nn.one_hot argument `num_classes`.")
    return dimension(num_classes, "num_classes")


@functools.partial(jit, static_argnames=("classes", "dtype", "axis"))
def _one_hot(x: Any, classes: int, dtype: Any, axis: Any) -> Any:
    if not isinstance(axis, (int, np.integer)):
        return _one_hot_over_axis(x, classes, dtype, axis)
    rank = x.ndim + 1
    if not -rank <= axis < rank:
        raise ValueError(f"one_hot: axis {axis} is out of bounds for array of dimension {rank}")
    place = axis % rank
    shape = tuple(classes if i == place else 1 for i in range(rank))
    codes = lax.broadcasted_iota(x.dtype, shape, place)
    return (jnp.expand_dims(x, place) == codes).astype(dtype)


def _one_hot_over_axis(x: Any, classes: int, dtype: Any, axis: Any) -> Any:
    """Each member of a mapped axis holds the code's element of its own place."""
    size = lax.axis_size(axis)
    if size != classes:
        raise ValueError(f"one_hot: expected num_classes to match the size of axis {axis}, got "
                         f"{classes} != {size}")
    return jnp.asarray(x == lax.axis_index(axis), dtype)
