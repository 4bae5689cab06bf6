"""Activation functions."""
from __future__ import annotations

import functools
from typing import Any

import numpy as np

from arrax import lax
from arrax import numpy as jnp
from arrax.core.array import Array
from arrax.core.remembered import remembered
from arrax.numpy.promotion import as_array, inexact_array, promote_dtypes_inexact
from arrax.transforms.custom_jvp import custom_jvp
from arrax.transforms.jit import jit
from arrax.typing import ArrayLike


@jit
def identity(x: ArrayLike) -> Array:
    """`x` itself."""
    return as_array("identity", x)


@custom_jvp
@jit
def relu(x: ArrayLike) -> Array:
    """max(x, 0). Its derivative at 0 is 0.

    Example:
      >>> nn.relu(jnp.array([-1., 0., 2.]))
      Array([0., 0., 2.], dtype=float32)
    """
    return jnp.maximum(x, 0)


relu.defjvps(lambda g, ans, x: lax.select(x > 0, g, lax.full_like(g, 0)))


@custom_jvp
@jit
def relu6(x: ArrayLike) -> Array:
    """min(max(x, 0), 6). Its derivative at 0 and 6 is 0."""
    return jnp.minimum(jnp.maximum(x, 0), 6.0)


relu6.defjvps(lambda g, ans, x: lax.select((x > 0) & (x < 6), g, lax.full_like(g, 0)))


@jit
def squareplus(x: ArrayLike, b: ArrayLike = 4) -> Array:
    """(x + √(x² + b)) / 2, a smooth `relu`."""
    x, b = promote_dtypes_inexact("squareplus", x, b)
    return (x + jnp.sqrt(jnp.square(x) + b)) / 2


@jit
def softplus(x: ArrayLike) -> Array:
    """log(1 + eˣ), a smooth `relu`."""
    return jnp.logaddexp(x, 0)


@jit
def sparse_plus(x: Any) -> Array:
    """0 below -1, x above 1, (x + 1)² / 4 between."""
    x = as_array("sparse_plus", x)
    return jnp.where(x <= -1.0, 0.0, jnp.where(x >= 1.0, x, (x + 1.0) ** 2 / 4))


@jit
def soft_sign(x: ArrayLike) -> Array:
    """x / (|x| + 1)."""
    x = as_array("soft_sign", x)
    return x / (jnp.abs(x) + 1)


def sigmoid(x: ArrayLike) -> Array:
    """1 / (1 + e⁻ˣ). TypeError for integers."""
    return lax.logistic(as_array("sigmoid", x))


@jit
def sparse_sigmoid(x: ArrayLike) -> Array:
    """0 below -1, 1 above 1, (x + 1) / 2 between."""
    x = as_array("sparse_sigmoid", x)
    return 0.5 * jnp.clip(x + 1.0, 0.0, 2.0)


@jit
def silu(x: Any) -> Array:
    """x · sigmoid(x), also known as swish."""
    x = as_array("silu", x)
    return x * sigmoid(x)


swish = silu


@jit
def mish(x: ArrayLike) -> Array:
    """x · tanh(softplus(x)) (Misra, arXiv:1908.08681)."""
    x = as_array("mish", x)
    return x * jnp.tanh(softplus(x))


@jit
def log_sigmoid(x: ArrayLike) -> Array:
    """log(sigmoid(x)) = -softplus(-x)."""
    return -softplus(-as_array("log_sigmoid", x))


@custom_jvp
@jit
def log1mexp(x: Any) -> Array:
    """log(1 - e⁻ˣ) for x > 0, accurate near 0 and for great x.

    Below log 2 by `expm1`, above by `log1p` (Mächler, "Accurately computing log(1 - exp(-|a|))").
    """
    x = as_array("log1mexp", x)
    return jnp.where(x < jnp.log(2.0), jnp.log(-jnp.expm1(-x)), jnp.log1p(-jnp.exp(-x)))


log1mexp.defjvps(lambda g, ans, x: g / jnp.expm1(x))


@jit
def elu(x: Any, alpha: Any = 1.0) -> Array:
    """x above 0, alpha (eˣ - 1) below (Clevert et al., arXiv:1511.07289)."""
    x = as_array("elu", x)
    positive = x > 0
    return jnp.where(positive, x, alpha * jnp.expm1(jnp.where(positive, 0.0, x)))


@jit
def leaky_relu(x: Any, negative_slope: Any = 0.01) -> Array:
    """x above 0, negative_slope · x below."""
    x = as_array("leaky_relu", x)
    return jnp.where(x >= 0, x, negative_slope * x)


@jit
def hard_tanh(x: Any) -> Array:
    """x moved into [-1, 1]."""
    x = as_array("hard_tanh", x)
    return jnp.where(x > 1, 1, jnp.where(x < -1, -1, x))


@jit
def celu(x: ArrayLike, alpha: ArrayLike = 1.0) -> Array:
    """max(x, 0) + alpha (exp(min(x, 0) / alpha) - 1) (Barron, arXiv:1704.07483)."""
    x = as_array("celu", x)
    return jnp.maximum(x, 0.0) + alpha * jnp.expm1(jnp.minimum(x, 0.0) / alpha)


_SELU_ALPHA = 1.6732632423543772848170429916717
_SELU_SCALE = 1.0507009873554804934193349852946


@jit
def selu(x: ArrayLike) -> Array:
    """A scaled `elu` that keeps mean 0 and variance 1 (Klambauer et al., arXiv:1706.02515)."""
    return _SELU_SCALE * elu(x, _SELU_ALPHA)


@remembered
def gelu(x: Any, approximate: bool = True) -> Array:
    """x Φ(x), Φ the normal distribution function (Hendrycks and Gimpel, arXiv:1606.08415).

    Approximated by tanh(√(2/π) (x + 0.044715 x³)) unless `approximate=False`.
    """
    x = inexact_array("gelu", x)
    if approximate:
        scale = np.sqrt(2 / np.pi).astype(x.dtype)
        return x * (0.5 * (1.0 + jnp.tanh(scale * (x + 0.044715 * (x ** 3)))))
    return 0.5 * x * lax.erfc(-x * np.sqrt(0.5).astype(x.dtype))


@functools.partial(jit, static_argnames=("axis",))
def glu(x: Any, axis: int = -1) -> Array:
    """The first half along `axis` times the sigmoid of the second.

    AssertionError for odd sizes.
    """
    x = as_array("glu", x)
    size = x.shape[axis]
    if size % 2:
        raise AssertionError(f"glu: axis size must be divisible by 2, got {size} for axis {axis}")
    first, second = jnp.split(x, 2, axis)
    return first * sigmoid(second)


@jit
def hard_sigmoid(x: ArrayLike) -> Array:
    """relu6(x + 3) / 6."""
    return relu6(as_array("hard_sigmoid", x) + 3.0) / 6.0


@jit
def hard_silu(x: ArrayLike) -> Array:
    """x · hard_sigmoid(x), also known as hard swish."""
    value = as_array("hard_silu", x)
    return value * hard_sigmoid(value)


hard_swish = hard_silu
tanh = jnp.tanh
