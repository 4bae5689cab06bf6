"""`arrax.image`: images of another size, or moved, by separable resampling.

Every result is a product with one matrix of weights per axis (`_weights`), so it is differentiable
in the image, the scale and the translation, and compiles to matrix products.

Source of the kernels: R. Keys, "Cubic convolution interpolation for digital image processing"
(1981), with a = -1/2; K. Turkowski, "Filters for common resampling tasks" (1990), for Lanczos'.
"""
from __future__ import annotations

import enum
import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from arrax import lax
from arrax import numpy as jnp
from arrax.core.dimension import dimension
from arrax.core.lazy import listing as _listing
from arrax.numpy.promotion import promote_dtypes_inexact

__all__ = ["ResizeMethod", "resize", "scale_and_translate"]


class ResizeMethod(enum.Enum):
    """How values between samples are found.

    Example:
      >>> ResizeMethod.from_string("bilinear")
      <ResizeMethod.LINEAR: 1>

    Source: `jax.image.ResizeMethod`.
    """

    NEAREST = 0
    LINEAR = 1
    LANCZOS3 = 2
    LANCZOS5 = 3
    CUBIC = 4

    @staticmethod
    def from_string(s: str) -> ResizeMethod:
        """The method of a name; ValueError for others than "nearest", "linear" ("bilinear",
        "trilinear", "triangle"), "cubic" ("bicubic", "tricubic"), "lanczos3" and "lanczos5"."""
        if s not in _NAMES:
            raise ValueError(f"Unknown resize method {s!r}, expected one of {sorted(_NAMES)}")
        return _NAMES[s]


_NAMES = {
    **dict.fromkeys(("linear", "bilinear", "trilinear", "triangle"), ResizeMethod.LINEAR),
    **dict.fromkeys(("cubic", "bicubic", "tricubic"), ResizeMethod.CUBIC),
    "nearest": ResizeMethod.NEAREST, "lanczos3": ResizeMethod.LANCZOS3,
    "lanczos5": ResizeMethod.LANCZOS5,
}


def _triangle(x: Any) -> Any:
    return jnp.maximum(0, 1 - x)


def _cubic(x: Any) -> Any:
    near = ((1.5 * x - 2.5) * x) * x + 1
    far = ((-0.5 * x + 2.5) * x - 4) * x + 2
    return jnp.where(x >= 2, 0, jnp.where(x >= 1, far, near))


def _lanczos(radius: float) -> Callable[[Any], Any]:
    def kernel(x: Any) -> Any:
        product = radius * jnp.sin(np.pi * x) * jnp.sin(np.pi * x / radius)
        inside = jnp.where(x > 1e-3, product / jnp.where(x != 0, np.pi**2 * x**2, 1), 1)
        return jnp.where(x > radius, 0, inside)
    return kernel


_KERNELS: dict[ResizeMethod, Callable[[Any], Any]] = {
    ResizeMethod.LINEAR: _triangle, ResizeMethod.CUBIC: _cubic,
    ResizeMethod.LANCZOS3: _lanczos(3), ResizeMethod.LANCZOS5: _lanczos(5),
}


def _weights(size: int, out_size: int, scale: Any, translation: Any, kernel: Callable[[Any], Any],
             antialias: bool) -> Any:
    """The matrix (size, out_size) that takes samples along an axis to new ones.

    Pixels are squares: pixel i has its centre at i + 0.5. Weights of a new pixel add up to one; one
    whose centre lies outside of the image is zero. With antialiasing the kernel grows as the image
    shrinks.
    """
    inverse = 1 / scale
    kernel_scale = jnp.maximum(inverse, 1) if antialias else 1
    centre = (jnp.arange(out_size, dtype=inverse.dtype) + 0.5) * inverse \
        - translation * inverse - 0.5
    distance = jnp.abs(centre[None, :] - jnp.arange(size, dtype=inverse.dtype)[:, None])
    weights = kernel(distance / kernel_scale)
    total = jnp.sum(weights, axis=0, keepdims=True)
    least = 1000 * float(np.finfo(np.float32).eps)
    weights = jnp.where(jnp.abs(total) > least, weights / jnp.where(total != 0, total, 1), 0)
    inside = (centre >= -0.5) & (centre <= size - 0.5)
    return jnp.where(inside[None, :], weights, 0)


def _method(method: str | ResizeMethod) -> ResizeMethod:
    return ResizeMethod.from_string(method) if isinstance(method, str) else method


def _resample(image: Any, shape: tuple[int, ...], axes: Sequence[int], scale: Any,
              translation: Any, method: ResizeMethod, antialias: bool, precision: Any) -> Any:
    kernel = _KERNELS[method]
    letters = "abcdefghijklmnopqrstuvwxyz"
    inputs, result, matrices, names = letters[:image.ndim], list(letters[:image.ndim]), [], []
    for k, axis in enumerate(axes):
        matrices.append(_weights(image.shape[axis], shape[axis], scale[k], translation[k], kernel,
                                 antialias).astype(image.dtype))
        names.append(inputs[axis] + inputs[axis].upper())
        result[axis] = inputs[axis].upper()
    if not matrices:
        return image
    return jnp.einsum(f"{inputs},{','.join(names)}->{''.join(result)}", image, *matrices,
                      precision=precision, optimize="optimal")


def scale_and_translate(image: Any, shape: Sequence[int], spatial_dims: Sequence[int], scale: Any,
                        translation: Any, method: str | ResizeMethod, antialias: bool = True,
                        precision: Any = lax.Precision.HIGHEST) -> Any:
    """An image scaled, then moved, on a canvas of another size.

    A point x of the input goes to x * scale + translation, in pixels whose centres are at i + 0.5.
    What no input pixel reaches is zero.

    Args:
      image: an array of any rank; integers become floats.
      shape: the shape of the result; axes that are not in `spatial_dims` keep their sizes.
      spatial_dims: the axes that are resampled, each once.
      scale: a float for each of these axes, of shape (len(spatial_dims),).
      translation: a float for each of these axes, in pixels of the result.
      method: a `ResizeMethod` or its name, but for "nearest".
      antialias: whether to smooth where the image shrinks.
      precision: of the matrix products.

    Returns: an array of shape `shape` and the image's dtype.

    Errors: ValueError for the method "nearest", for a shape of another rank, for axes out of range
    or repeated, and for sizes that change outside of `spatial_dims`.

    Example:
      >>> image = jnp.array([[1., 2., 3.]])
      >>> scale_and_translate(image, (1, 3), (1,), jnp.array([1.]), jnp.array([1.]), "linear")
      Array([[0., 1., 2.]], dtype=float32)

    Source: `jax.image.scale_and_translate`.
    """
    shape = tuple(map(dimension, shape))
    image = jnp.asarray(image)
    if len(shape) != image.ndim:
        raise ValueError("scale_and_translate: shape must have length equal to the number of "
                         f"dimensions of image: got shape {shape} for an image {image.shape}")
    method = _method(method)
    if method is ResizeMethod.NEAREST:
        raise ValueError('scale_and_translate: the method "nearest" is not supported')
    axes = tuple(int(axis) for axis in spatial_dims)
    if any(not -image.ndim <= axis < image.ndim for axis in axes):
        raise ValueError(f"scale_and_translate: spatial_dims {axes} out of range for an image with "
                         f"{image.ndim} dimensions")
    axes = tuple(axis % image.ndim for axis in axes)
    if len(set(axes)) != len(axes):
        raise ValueError(f"scale_and_translate: spatial_dims must be distinct, got {axes}")
    for axis, (old, new) in enumerate(zip(image.shape, shape, strict=True)):
        if axis not in axes and old != new:
            raise ValueError(f"scale_and_translate: axis {axis} is not in spatial_dims, and its "
                             f"size changes from {old} to {new}")
    (image,) = promote_dtypes_inexact("scale_and_translate", image)
    scale, translation = promote_dtypes_inexact("scale_and_translate", scale, translation)
    for name, value in (("scale", scale), ("translation", translation)):
        if value.shape != (len(axes),):
            raise ValueError(f"scale_and_translate: {name} must have a number for each of "
                             f"spatial_dims, shape {(len(axes),)}, got {value.shape}")
    return _resample(image, shape, axes, scale, translation, method, antialias, precision)


def resize(image: Any, shape: Sequence[int], method: str | ResizeMethod, antialias: bool = True,
           precision: Any = lax.Precision.HIGHEST) -> Any:
    """An image of another size.

    Args:
      image: an array of any rank; every axis may change.
      shape: the shape of the result, of the same rank.
      method: a `ResizeMethod` or its name: "nearest", "linear" (also "bilinear", "trilinear",
        "triangle"), "cubic" ("bicubic", "tricubic"), "lanczos3", "lanczos5".
      antialias: whether to smooth where the image shrinks; not used by "nearest".
      precision: of the matrix products.

    Returns: an array of shape `shape`; its dtype is the image's, or a float for integers (not with
    "nearest", which keeps every dtype).

    Errors: ValueError for a shape of another rank and for an unknown method.

    Example:
      >>> resize(jnp.array([[1., 3.]]), (1, 4), "linear")
      Array([[1. , 1.5, 2.5, 3. ]], dtype=float32)

    Source: `jax.image.resize`.
    """
    shape = tuple(map(dimension, shape))
    image = jnp.asarray(image)
    if len(shape) != image.ndim:
        raise ValueError("shape must have length equal to the number of dimensions of x: got shape "
                         f"{shape} for an image {image.shape}")
    method = _method(method)
    axes = [i for i, (old, new) in enumerate(zip(image.shape, shape, strict=True)) if old != new]
    if method is ResizeMethod.NEAREST:
        for axis in axes:
            image = jnp.take(image, _nearest(image.shape[axis], shape[axis]), axis=axis)
        return image
    (image,) = promote_dtypes_inexact("resize", image)
    if 0 in image.shape or 0 in shape:
        if math.prod(shape):
            raise ValueError(f"resize: an empty image {image.shape} has no pixels for {shape}")
        return jnp.zeros(shape, image.dtype)
    wide = jnp.promote_types(image.dtype, np.float32)
    real = np.float64 if wide in (np.float64, np.complex128) else np.float32
    scale = jnp.array([shape[i] / image.shape[i] for i in axes], real)
    return _resample(image, shape, axes, scale, jnp.zeros(len(axes), real), method, antialias,
                     precision)


def _nearest(size: int, out_size: int) -> Any:
    """The input pixels whose squares the centres of the new pixels lie in."""
    places = np.floor((np.arange(out_size) + 0.5) * (size / max(out_size, 1)))
    return np.minimum(places, size - 1).astype(np.int32)

__dir__ = _listing(__name__)
