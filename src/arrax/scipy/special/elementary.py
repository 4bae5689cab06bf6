"""Compositions of logarithms and exponentials that stay exact at their edges."""
from __future__ import annotations

from typing import Any

import numpy as np

from arrax import lax, nn
from arrax import numpy as jnp
from arrax.core.array import Array
from arrax.core.remembered import remembered
from arrax.numpy.promotion import inexact_array, promote_inexact
from arrax.transforms.custom_jvp import custom_jvp
from arrax.typing import ArrayLike


def expit(x: ArrayLike) -> Array:
    """The logistic function 1 / (1 + e⁻ˣ).

    Args:
      x: numbers of any shape; integers count as floats.

    Example:
      >>> expit(jnp.array([0., 2.])).round(4)
      Array([0.5   , 0.8808], dtype=float32)

    Source: `scipy.special.expit`.
    """
    return lax.logistic(inexact_array("expit", x))


@custom_jvp
def _logit(x: Any) -> Any:
    return jnp.where(jnp.abs(x - 0.5) < 0.25, 2 * jnp.arctanh(2 * x - 1),
                     jnp.log(x / (1 - x)))


_logit.defjvps(lambda g, ans, x: g / (x * (1 - x)))


def logit(x: ArrayLike) -> Array:
    """log(x / (1 - x)), the inverse of `expit`.

    Args:
      x: numbers in [0, 1] of any shape; NaN outside, ∓inf at 0 and 1.

    Example:
      >>> logit(jnp.array([0., 0.5, 0.9])).round(4)
      Array([  -inf, 0.    , 2.1972], dtype=float32)

    Source: `scipy.special.logit`.
    """
    return _logit(inexact_array("logit", x))


@custom_jvp
def _xlogy(x: Any, y: Any) -> Any:
    is_zero = x == 0
    return jnp.where(is_zero, jnp.zeros_like(x), x * jnp.log(jnp.where(is_zero, 1, y)))


@_xlogy.defjvp
def _xlogy_jvp(primals: Any, tangents: Any) -> Any:
    x, y = primals
    dx, dy = tangents
    out = _xlogy(x, y)
    return out, (dx * jnp.log(y) + dy * x / y).astype(out.dtype)


@remembered
def xlogy(x: ArrayLike, y: ArrayLike) -> Array:
    """x log(y), 0 where x is 0.

    Args:
      x, y: numbers, broadcast together.

    Example:
      >>> xlogy(jnp.array([0., 2.]), jnp.array([0., 3.])).round(4)
      Array([0.    , 2.1972], dtype=float32)

    Source: `scipy.special.xlogy`.
    """
    return _xlogy(*jnp.broadcast_arrays(*promote_inexact("xlogy", x, y)))


@custom_jvp
def _xlog1py(x: Any, y: Any) -> Any:
    is_zero = x == 0
    return jnp.where(is_zero, jnp.zeros_like(x), x * jnp.log1p(jnp.where(is_zero, 0, y)))


@_xlog1py.defjvp
def _xlog1py_jvp(primals: Any, tangents: Any) -> Any:
    x, y = primals
    dx, dy = tangents
    out = _xlog1py(x, y)
    return out, (dx * jnp.log1p(y) + dy * x / (1 + y)).astype(out.dtype)


@remembered
def xlog1py(x: ArrayLike, y: ArrayLike) -> Array:
    """x log(1 + y), 0 where x is 0.

    Args:
      x, y: numbers, broadcast together.

    Example:
      >>> xlog1py(jnp.array([0., 2.]), jnp.array([-1., 2.])).round(4)
      Array([0.    , 2.1972], dtype=float32)

    Source: `scipy.special.xlog1py`.
    """
    return _xlog1py(*jnp.broadcast_arrays(*promote_inexact("xlog1py", x, y)))


@remembered
def entr(x: ArrayLike) -> Array:
    """-x log(x), the entropy of an outcome: 0 at 0, -inf below.

    Args:
      x: real numbers of any shape.

    Example:
      >>> entr(jnp.array([0., 0.5])).round(4)
      Array([0.    , 0.3466], dtype=float32)

    Source: `scipy.special.entr`.
    """
    return _entr(inexact_array("entr", x))


@custom_jvp
def _entr(x: Any) -> Any:
    inside = jnp.where(x > 0, x, 1)
    value = jnp.where(x == 0, 0, -inside * jnp.log(inside))
    return jnp.where(jnp.isnan(x), x, jnp.where(x < 0, -np.inf, value))


@_entr.defjvp
def _entr_jvp(primals: Any, tangents: Any) -> Any:
    """-log(x) - 1, infinite at 0; below nothing changes."""
    (x,), (dx,) = primals, tangents
    return _entr(x), dx * jnp.where(x < 0, 0, -1 - jnp.log(jnp.where(x < 0, 1, x)))


def _ratio(p: Any, q: Any, both: Any) -> tuple[Any, Any, Any]:
    """p, q and p / q - 1, which is exact near 0, with 1, 1, 0 where `both` does not hold."""
    p, q = jnp.where(both, p, 1), jnp.where(both, q, 1)
    return p, q, (p - q) / q


def _outside(p: Any, q: Any, at_zero: Any) -> Any:
    """The value where p or q is not positive."""
    value = jnp.where((p == 0) & (q >= 0), at_zero, np.inf)
    return jnp.where(jnp.isnan(p) | jnp.isnan(q), np.nan, value)


def _log_ratio(p: Any, q: Any, excess: Any) -> Any:
    """log(p / q), without cancellation where they are close."""
    close = jnp.abs(excess) < 0.5
    return jnp.where(close, jnp.log1p(jnp.where(close, excess, 0)), jnp.log(p) - jnp.log(q))


@remembered
def rel_entr(p: Any, q: Any) -> Array:
    """p log(p / q) where both are positive; 0 where p = 0 ≤ q, else inf.

    Args:
      p, q: real numbers, broadcast together.

    Example:
      >>> rel_entr(jnp.array([0.5, 0., 1.]), jnp.array([0.25, 1., 0.])).round(4)
      Array([0.3466, 0.    ,    inf], dtype=float32)

    Source: `scipy.special.rel_entr`.
    """
    p, q = jnp.broadcast_arrays(*promote_inexact("rel_entr", p, q))
    both = (p > 0) & (q > 0)
    x, y, excess = _ratio(p, q, both)
    return jnp.where(both, x * _log_ratio(x, y, excess), _outside(p, q, 0))


@remembered
def kl_div(p: Any, q: Any) -> Array:
    """p log(p / q) - p + q, the elementwise Kullback-Leibler divergence; never negative.

    Args:
      p, q: real numbers, broadcast together. q where p = 0 ≤ q, else inf where one is not positive.

    Example:
      >>> kl_div(jnp.array([0.5, 0.]), jnp.array([0.25, 1.])).round(4)
      Array([0.0966, 1.    ], dtype=float32)

    Source: `scipy.special.kl_div`.
    """
    p, q = jnp.broadcast_arrays(*promote_inexact("kl_div", p, q))
    both = (p > 0) & (q > 0)
    x, y, excess = _ratio(p, q, both)
    close = jnp.abs(excess) < 0.3
    d = jnp.where(close, excess, 0)
    series = jnp.zeros_like(d)  # (1 + d) log(1 + d) - d = Σ (-d)ᵏ / (k (k - 1)) over k ≥ 2
    for k in range(30, 1, -1):
        series = series * -d + 1 / (k * (k - 1))
    inside = jnp.where(close, y * d * d * series, x * _log_ratio(x, y, excess) - x + y)
    return jnp.where(both, inside, _outside(p, q, q))


@remembered
def boxcox(x: ArrayLike, lmbda: ArrayLike) -> Array:
    """The Box-Cox transform (x^lmbda - 1) / lmbda; log(x) where lmbda is 0.

    Args:
      x, lmbda: real numbers, broadcast together. NaN where x < 0.

    Example:
      >>> boxcox(jnp.array([1., 4.]), 0.5)
      Array([0., 2.], dtype=float32)

    Source: `scipy.special.boxcox`.
    """
    x, lmbda = promote_inexact("boxcox", x, lmbda)
    return _power_transform(jnp.log(x), lmbda)


def _power_transform(log: Any, lmbda: Any) -> Any:
    """expm1(lmbda log) / lmbda, log itself where lmbda is 0."""
    is_zero = jnp.abs(lmbda) < np.finfo(lmbda.dtype).tiny
    factor = jnp.where(is_zero, 1, lmbda)
    return jnp.where(is_zero, log, jnp.expm1(factor * log) / factor)


@remembered
def boxcox1p(x: ArrayLike, lmbda: ArrayLike) -> Array:
    """The Box-Cox transform of 1 + x, exact for small x.

    Args:
      x, lmbda: real numbers, broadcast together. NaN where x < -1.

    Example:
      >>> boxcox1p(jnp.array([0., 3.]), 0.5)
      Array([0., 2.], dtype=float32)

    Source: `scipy.special.boxcox1p`.
    """
    x, lmbda = promote_inexact("boxcox1p", x, lmbda)
    return _power_transform(jnp.log1p(x), lmbda)


def logsumexp(a: ArrayLike, axis: Any = None, b: ArrayLike | None = None, keepdims: bool = False,
              return_sign: bool = False, where: ArrayLike | None = None) -> Any:
    """log Σ b eᵃ over `axis`, without overflow.

    Args:
      a: numbers of any shape.
      axis: an axis or a tuple of axes; None for all.
      b: factors of the terms; 1 if None. The sum must not be negative (NaN), unless …
      keepdims: whether summed axes stay, with size 1.
      return_sign: … to return the logarithm of the modulus, and the sign (or phase).
      where: which elements to count.

    Example:
      >>> logsumexp(jnp.array([1000., 1000.])).round(3)
      Array(1000.693, dtype=float32)

    Source: `scipy.special.logsumexp`.
    """
    return nn.logsumexp(a, axis=axis, b=b, keepdims=keepdims, return_sign=return_sign, where=where)


def softmax(x: ArrayLike, /, *, axis: Any = None) -> Array:
    """eˣ divided by its sum over `axis`.

    Args:
      x: numbers of any shape.
      axis: an axis or a tuple of axes; None for all.

    Example:
      >>> softmax(jnp.zeros(4))
      Array([0.25, 0.25, 0.25, 0.25], dtype=float32)

    Source: `scipy.special.softmax`.
    """
    return nn.softmax(x, axis=_axes(x, axis))


def log_softmax(x: ArrayLike, /, *, axis: Any = None) -> Array:
    """The logarithm of `softmax`.

    Args:
      x: numbers of any shape.
      axis: an axis or a tuple of axes; None for all.

    Example:
      >>> log_softmax(jnp.zeros(2)).round(4)
      Array([-0.6931, -0.6931], dtype=float32)

    Source: `scipy.special.log_softmax`.
    """
    return nn.log_softmax(x, axis=_axes(x, axis))


def _axes(x: Any, axis: Any) -> Any:
    return tuple(range(jnp.ndim(x))) if axis is None else axis
