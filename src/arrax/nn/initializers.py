"""Initializers of parameters: functions (key, shape, dtype) → array.

Variance scaling follows Glorot and Bengio (2010), He et al. (arXiv:1502.01852) and LeCun et al.
(1998).
"""
from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any, Literal, Protocol, runtime_checkable

import numpy as np

from arrax import numpy as jnp
from arrax import random
from arrax.core import dtypes
from arrax.core.array import Array
from arrax.core.lazy import listing as _listing
from arrax.typing import ArrayLike


@runtime_checkable
class Initializer(Protocol):
    """A function that makes an array from a key, a shape and a dtype."""

    def __call__(self, key: Any, shape: Any, dtype: Any = None, out_sharding: Any = None) -> Any:
        ...


def _dtype(dtype: Any, default: Any) -> Any:
    """The dtype asked for; the default one of the initializer, or the default float, if None."""
    chosen = default if dtype is None else dtype
    return dtypes.check_user_dtype(float if chosen is None else chosen, "initializer")


def zeros(key: Any, shape: Any, dtype: Any = None, out_sharding: Any = None) -> Array:
    """Zeros; the key is not used."""
    return jnp.zeros(shape, _dtype(dtype, None))


def ones(key: Any, shape: Any, dtype: Any = None, out_sharding: Any = None) -> Array:
    """Ones; the key is not used."""
    return jnp.ones(shape, _dtype(dtype, None))


def constant(value: ArrayLike, dtype: Any = None) -> Initializer:
    """An initializer that fills with `value`."""
    def init(key: Any, shape: Any, dtype: Any = dtype, out_sharding: Any = None) -> Any:
        return jnp.full(shape, value, _dtype(dtype, None))
    return init


def uniform(scale: Any = 1e-2, dtype: Any = None) -> Initializer:
    """An initializer with uniform numbers in [0, scale)."""
    def init(key: Any, shape: Any, dtype: Any = dtype, out_sharding: Any = None) -> Any:
        known = _dtype(dtype, None)
        return random.uniform(key, shape, known) * jnp.array(scale, known)
    return init


def normal(stddev: Any = 1e-2, dtype: Any = None) -> Initializer:
    """An initializer with normal numbers of standard deviation `stddev`."""
    def init(key: Any, shape: Any, dtype: Any = dtype, out_sharding: Any = None) -> Any:
        known = _dtype(dtype, None)
        return random.normal(key, shape, known) * jnp.array(stddev, known)
    return init


def truncated_normal(stddev: Any = 1e-2, dtype: Any = None, lower: Any = -2.0,
                     upper: Any = 2.0) -> Initializer:
    """An initializer with normal numbers cut off at `lower` and `upper`, times `stddev`."""
    def init(key: Any, shape: Any, dtype: Any = dtype, out_sharding: Any = None) -> Any:
        known = _dtype(dtype, None)
        return random.truncated_normal(key, lower, upper, shape, known) \
            * jnp.array(stddev, known)
    return init


# ---- variance scaling ----------------------------------------------------------------------------

def _sizes(shape: Sequence[int], in_axis: Any, out_axis: Any, batch_axis: Any
           ) -> tuple[float, float]:
    """How many inputs and outputs each unit has."""
    if len(shape) <= 1:
        raise ValueError("Can't compute input and output sizes of a "
                         f"{len(shape)}-dimensional weights tensor. Must be at least 2D.")

    def product(axes: Any) -> int:
        return math.prod(shape[i] for i in ((axes,) if isinstance(axes, int) else axes))
    inputs, outputs, batch = product(in_axis), product(out_axis), product(batch_axis)
    field = math.prod(shape) / inputs / outputs / batch
    return inputs * field, outputs * field


def variance_scaling(scale: Any,
                     mode: Literal["fan_in", "fan_out", "fan_avg", "fan_geo_avg"] | str,
                     distribution: Literal["truncated_normal", "normal", "uniform"] | str,
                     in_axis: Any = -2, out_axis: Any = -1, batch_axis: Any = (),
                     dtype: Any = None) -> Initializer:
    """An initializer with variance `scale` / n, n by `mode` the inputs, outputs, or their mean.

    Args:
      distribution: "truncated_normal" (cut off at two standard deviations), "normal", "uniform".
      in_axis, out_axis, batch_axis: the axes of inputs and outputs, and those of independent
        parameters; the other axes are a receptive field.

    ValueError for unknown modes, distributions, and dtypes that are neither float nor complex.
    """
    def init(key: Any, shape: Any, dtype: Any = dtype, out_sharding: Any = None) -> Any:
        known = _dtype(dtype, None)
        inputs, outputs = _sizes(shape, in_axis, out_axis, batch_axis)
        means = {"fan_in": inputs, "fan_out": outputs, "fan_avg": (inputs + outputs) / 2,
                 "fan_geo_avg": math.sqrt(inputs * outputs)}
        if mode not in means:
            raise ValueError(f"invalid mode for variance scaling initializer: {mode}")
        variance = jnp.array(scale / means[mode], known)
        return _draw(key, shape, known, variance, distribution)
    return init


# The standard deviation of a normal distribution cut off at ±2.
_CUT_OFF = 0.87962566103423978


def _draw(key: Any, shape: Any, dtype: Any, variance: Any, distribution: str) -> Any:
    real = jnp.issubdtype(dtype, np.floating)
    if not jnp.issubdtype(dtype, np.inexact):
        raise ValueError("variance scaling initializer requires a float or complex dtype, got "
                         f"{dtypes.dtype_name(dtype)}")
    if distribution == "truncated_normal":
        if real:
            stddev = jnp.sqrt(variance) / jnp.array(_CUT_OFF, dtype)
            return random.truncated_normal(key, -2, 2, shape, dtype) * stddev
        # A complex number of modulus below 2: squared moduli of normals are exponential.
        stddev = jnp.sqrt(variance) / jnp.array(0.95311164380491208, dtype)
        return _complex_truncated(key, 2, shape, dtype) * stddev
    if distribution == "normal":
        return random.normal(key, shape, dtype) * jnp.sqrt(variance)
    if distribution == "uniform":
        if real:
            return random.uniform(key, shape, dtype, -1) * jnp.sqrt(3 * variance)
        return _complex_uniform(key, shape, dtype) * jnp.sqrt(variance)
    raise ValueError("invalid distribution for variance scaling initializer: "
                     f"{distribution}")


def _polar(key: Any, shape: Any, dtype: Any, radius: Callable[[Any], Any]) -> Any:
    """Complex numbers of uniform angle, the radius a function of uniform numbers."""
    first, second = random.split(key)
    real_dtype = np.dtype(f"f{np.dtype(dtype).itemsize // 2}")
    length = radius(random.uniform(first, shape, real_dtype)).astype(dtype)
    angle = 2 * np.pi * random.uniform(second, shape, real_dtype).astype(dtype)
    return length * jnp.exp(1j * angle)


def _complex_uniform(key: Any, shape: Any, dtype: Any) -> Any:
    """Uniform in the unit disk, scaled to variance 1."""
    return _polar(key, shape, dtype, lambda u: jnp.sqrt(2 * u))


def _complex_truncated(key: Any, upper: float, shape: Any, dtype: Any) -> Any:
    """Complex normal numbers of modulus below `upper`."""
    return _polar(key, shape, dtype,
                  lambda u: jnp.sqrt(-jnp.log(1 - (1 - math.exp(-upper ** 2)) * u)))


def _named(name: str, scale: float, mode: str, distribution: str, source: str
           ) -> Callable[..., Initializer]:
    def make(in_axis: Any = -2, out_axis: Any = -1, batch_axis: Any = (),
             dtype: Any = None) -> Initializer:
        return variance_scaling(scale, mode, distribution, in_axis, out_axis, batch_axis, dtype)
    make.__name__ = make.__qualname__ = name
    make.__doc__ = (f"The initializer of {source}: `variance_scaling` by {scale}, {mode}, "
                    f"{distribution}.")
    return make


glorot_uniform = xavier_uniform = _named("glorot_uniform", 1.0, "fan_avg", "uniform",
                                         "Glorot and Bengio")
glorot_normal = xavier_normal = _named("glorot_normal", 1.0, "fan_avg", "truncated_normal",
                                       "Glorot and Bengio")
lecun_uniform = _named("lecun_uniform", 1.0, "fan_in", "uniform", "LeCun et al.")
lecun_normal = _named("lecun_normal", 1.0, "fan_in", "truncated_normal", "LeCun et al.")
he_uniform = kaiming_uniform = _named("he_uniform", 2.0, "fan_in", "uniform", "He et al.")
he_normal = kaiming_normal = _named("he_normal", 2.0, "fan_in", "truncated_normal", "He et al.")


# ---- orthogonal ----------------------------------------------------------------------------------

def orthogonal(scale: Any = 1.0, column_axis: int = -1, dtype: Any = None) -> Initializer:
    """An initializer with `scale` times matrices of orthonormal rows or columns, uniformly drawn.

    `column_axis` holds the columns; the other axes together are the rows.
    """
    def init(key: Any, shape: Any, dtype: Any = dtype, out_sharding: Any = None) -> Any:
        known = _dtype(dtype, None)
        if len(shape) < 2:
            raise ValueError("orthogonal initializer requires at least a 2D shape")
        columns = shape[column_axis]
        rows = math.prod(shape) // columns
        drawn = random.normal(key, (max(rows, columns), min(rows, columns)), known)
        q, r = jnp.linalg.qr(drawn)
        # With the signs of R's diagonal the distribution is uniform (Mezzadri, math-ph/0609050).
        diagonal = jnp.diag(r)
        q = q * jnp.expand_dims(diagonal / jnp.abs(diagonal), 0)
        if rows < columns:
            q = q.T
        rest = [d for i, d in enumerate(shape) if i != column_axis % len(shape)]
        return jnp.array(scale, known) * jnp.moveaxis(q.reshape(*rest, columns), -1, column_axis)
    return init


def delta_orthogonal(scale: Any = 1.0, column_axis: int = -1, dtype: Any = None) -> Initializer:
    """An initializer of convolution kernels: an orthogonal matrix at the centre, zeros elsewhere.

    Shapes are (…, inputs, outputs) of 3, 4 or 5 dimensions with inputs ≤ outputs (Xiao et al.,
    arXiv:1806.05393).
    """
    def init(key: Any, shape: Any, dtype: Any = dtype, out_sharding: Any = None) -> Any:
        known = _dtype(dtype, None)
        if len(shape) not in (3, 4, 5):
            raise ValueError("Delta orthogonal initializer requires a 3D, 4D or 5D shape.")
        if shape[-1] < shape[-2]:
            raise ValueError("`fan_in` must be less or equal than `fan_out`. ")
        matrix = orthogonal(scale, column_axis, known)(key, tuple(shape[-2:]))
        centre = tuple((d - 1) // 2 for d in shape[:-2])
        return jnp.zeros(shape, known).at[centre].set(matrix)
    return init

__all__ = [
    "Initializer", "constant", "delta_orthogonal", "glorot_normal", "glorot_uniform",
    "he_normal", "he_uniform", "kaiming_normal", "kaiming_uniform", "lecun_normal",
    "lecun_uniform", "normal", "ones", "orthogonal", "truncated_normal", "uniform",
    "variance_scaling", "xavier_normal", "xavier_uniform", "zeros"]
__dir__ = _listing(__name__)
