"""`arrax.scipy.ndimage`, `arrax.scipy.interpolate` and `arrax.image`: between grid points."""
from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pytest
import scipy.interpolate
import scipy.ndimage

import arrax as jax
import arrax.numpy as jnp
from arrax import image
from arrax.scipy.interpolate import RegularGridInterpolator
from arrax.scipy.ndimage import map_coordinates
from arrax.test_util import check_grads

RANDOM = np.random.default_rng(6)


@pytest.mark.parametrize("order", [0, 1])
@pytest.mark.parametrize("mode, theirs", [
    ("constant", "constant"), ("nearest", "nearest"), ("wrap", "grid-wrap"), ("mirror", "mirror"),
    ("reflect", "reflect")])
@pytest.mark.parametrize("shape", [(5,), (4, 3), (2, 3, 4), (1, 5)])
def test_map_coordinates(shape: Any, mode: str, theirs: str, order: int) -> None:
    x = RANDOM.standard_normal(shape)
    places = [RANDOM.uniform(-0.45, n - 0.55, (3, 7)) if mode == "constant"
              else RANDOM.uniform(-9, 9, (3, 7)) for n in shape]
    if mode == "constant":  # SciPy's "constant" does not interpolate towards what is outside
        places = [np.clip(p, 0, n - 1) for p, n in zip(places, shape)]
        places[0][0] = -5
    with jax.enable_x64(True):
        want = scipy.ndimage.map_coordinates(x, places, order=order, mode=theirs, cval=2)
        got = map_coordinates(x, places, order, mode, cval=2)
        np.testing.assert_allclose(got, want, atol=1e-10)
        compiled = jax.jit(lambda x, p: map_coordinates(x, p, order, mode, cval=2))
        np.testing.assert_allclose(compiled(x, places), want, atol=1e-10)


def test_map_coordinates_of_integers_rounds() -> None:
    x = jnp.array([0, 10, 21], "int16")
    got = map_coordinates(x, [jnp.array([0.26, 1.5])], 1)
    assert got.dtype == np.int16
    np.testing.assert_array_equal(got, [3, 16])


def test_map_coordinates_refuses() -> None:
    x = jnp.ones((2, 2))
    with pytest.raises(ValueError, match="sequence of length"):
        map_coordinates(x, [x], 1)
    with pytest.raises(NotImplementedError, match="orders 0 and 1"):
        map_coordinates(x, [x, x], 3)
    with pytest.raises(NotImplementedError, match="mode 'round'"):
        map_coordinates(x, [x, x], 1, "round")


@pytest.mark.parametrize("method", ["linear", "nearest"])
@pytest.mark.parametrize("fill", [np.nan, 0.5, None])
@pytest.mark.parametrize("descending", [False, True])
def test_regular_grid(method: str, fill: Any, descending: bool) -> None:
    points = (np.array([0.0, 1, 3, 4]), np.array([-1.0, 0, 2]))
    values = RANDOM.standard_normal((4, 3, 2))
    if descending:
        points = (points[0][::-1], points[1])
    xi = RANDOM.uniform(-2, 5, (6, 5, 2))
    with jax.enable_x64(True):
        want = scipy.interpolate.RegularGridInterpolator(
            points, values, method, bounds_error=False, fill_value=fill)(xi)
        ours = RegularGridInterpolator(points, values, method, fill_value=fill)
        np.testing.assert_allclose(ours(xi), want, atol=1e-12)
        np.testing.assert_allclose(ours((xi[..., 0], xi[..., 1])), want, atol=1e-12)
        np.testing.assert_allclose(
            jax.jit(lambda values, xi: RegularGridInterpolator(
                points, values, method, fill_value=fill)(xi))(values, xi), want, atol=1e-12)


def test_regular_grid_refuses() -> None:
    x = jnp.arange(3.0)
    for arguments, text in [(((x,), x, "cubic"), "method 'cubic'"), (((x, x), x), "1 dimensions"),
                            (((x[:2],), x), "2 points and 3 values"),
                            (((jnp.array([0.0, 2, 1]),), x), "strictly ascending"),
                            (((x[:, None],), x), "one-dimensional")]:
        with pytest.raises(ValueError, match=text):
            RegularGridInterpolator(*arguments)
    with pytest.raises(NotImplementedError, match="bounds_error"):
        RegularGridInterpolator((x,), x, bounds_error=True)
    with pytest.raises(ValueError, match="dimension 3"):
        RegularGridInterpolator((x,), x)(jnp.ones((2, 3)))


# ---- images ------------------------------------------------------------------------------------

KERNELS = {
    "linear": (1, lambda x: 1 - x),
    "cubic": (2, lambda x: 1.5 * x**3 - 2.5 * x**2 + 1 if x <= 1 else
              -0.5 * x**3 + 2.5 * x**2 - 4 * x + 2),
    "lanczos3": (3, lambda x: np.sinc(x) * np.sinc(x / 3)),
    "lanczos5": (5, lambda x: np.sinc(x) * np.sinc(x / 5)),
}


def _resampled(x: np.ndarray, size: int, axis: int, scale: float, shift: float, method: str,
               antialias: bool) -> np.ndarray:
    """The definition, pixel by pixel."""
    radius, kernel = KERNELS[method]
    wide = max(1 / scale, 1) if antialias else 1
    x = np.moveaxis(x, axis, 0)
    out = np.zeros((size, *x.shape[1:]))
    for i in range(size):
        centre = (i + 0.5 - shift) / scale - 0.5
        if not -0.5 <= centre <= len(x) - 0.5:
            continue
        weights = np.array([kernel(abs(centre - j) / wide) if abs(centre - j) / wide < radius else 0
                            for j in range(len(x))])
        out[i] = np.tensordot(weights / weights.sum(), x, 1)
    return np.moveaxis(out, 0, axis)


@pytest.mark.parametrize("antialias", [True, False])
@pytest.mark.parametrize("method", KERNELS)
def test_resize_is_its_definition(method: str, antialias: bool) -> None:
    for shape, target in itertools.product([(5, 7), (6, 1)], [(8, 4), (5, 7), (2, 13)]):
        x = RANDOM.standard_normal(shape)
        want = x
        for axis in range(2):
            if shape[axis] != target[axis]:
                want = _resampled(want, target[axis], axis, target[axis] / shape[axis], 0.0, method,
                                  antialias)
        with jax.enable_x64(True):
            got = image.resize(x, target, method, antialias)
            np.testing.assert_allclose(got, want, atol=1e-9)
            compiled = jax.jit(image.resize, static_argnums=(1, 2, 3))
            np.testing.assert_allclose(compiled(x, target, method, antialias), want, atol=1e-9)


@pytest.mark.parametrize("antialias", [True, False])
@pytest.mark.parametrize("method", KERNELS)
def test_scale_and_translate_is_its_definition(method: str, antialias: bool) -> None:
    x = RANDOM.standard_normal((5, 2, 7))
    for scale, shift in (((1.5, 0.7), (0.3, -1.2)), ((0.4, 2.0), (1.0, 2.0))):
        want = x
        for k, axis in enumerate((0, 2)):
            want = _resampled(want, (8, 2, 6)[axis], axis, scale[k], shift[k], method, antialias)
        with jax.enable_x64(True):
            got = image.scale_and_translate(x, (8, 2, 6), (0, 2), jnp.array(scale),
                                            jnp.array(shift), method, antialias)
        np.testing.assert_allclose(got, want, atol=1e-9)


def test_resize_to_the_nearest_keeps_dtypes() -> None:
    for dtype in ("uint8", "bool", "float16", "complex64"):
        x = jnp.arange(6).reshape(2, 3).astype(dtype)
        got = image.resize(x, (4, 2), image.ResizeMethod.NEAREST)
        assert got.dtype == dtype
        np.testing.assert_array_equal(got, np.asarray(x)[[0, 0, 1, 1]][:, [0, 2]])


def test_derivatives() -> None:
    with jax.enable_x64(True):
        x = RANDOM.standard_normal((4, 5))
        check_grads(lambda x: image.resize(x, (7, 3), "cubic"), (x,), 2)
        check_grads(lambda x, s, t: image.scale_and_translate(
            x, (5, 5), (0, 1), s, t, "lanczos3"),
            (x, np.array([1.1, 0.9]), np.array([0.2, 0.1])), 1, eps=1e-6, atol=1e-4, rtol=1e-4)
        check_grads(lambda x, p: map_coordinates(x, [p, p], 1),
                    (x, np.array([0.3, 1.6])), 2)


def test_images_refused() -> None:
    x = jnp.ones((3, 4))
    one = jnp.ones(1)
    for call, text in [
            (lambda: image.resize(x, (3,), "linear"), "shape must have length"),
            (lambda: image.resize(x, (3, 3), "best"), "Unknown resize method"),
            (lambda: image.scale_and_translate(x, (3, 4), (0,), one, one, "nearest"), "nearest"),
            (lambda: image.scale_and_translate(x, (3, 5), (0,), one, one, "linear"), "axis 1"),
            (lambda: image.scale_and_translate(x, (3, 4), (2,), one, one, "cubic"), "out of range"),
            (lambda: image.scale_and_translate(x, (3, 4), (0,), x, one, "linear"), "scale must")]:
        with pytest.raises(ValueError, match=text):
            call()
