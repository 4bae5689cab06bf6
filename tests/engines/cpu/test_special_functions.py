"""Compiled special functions against SciPy in double precision, over their whole ranges."""
from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import scipy.special as sp

from arrax.core.array import array_of
from arrax.core.config import enable_x64
from arrax.core.primitive import registry

from tests.engines.cpu.compiling import compiled, step_names, traced

rng = np.random.default_rng(0)
SPECIAL = np.array([0.0, -0.0, np.inf, -np.inf, np.nan, 1.0, 2.0, -1.0, -3.0, 0.5, 1e-30, 1e30])
WIDE = np.exp(rng.uniform(-40, 40, 3000))
NEAR = np.concatenate([rng.uniform(0, 12, 3000), rng.uniform(-20, 0, 2000)])


def result(name: str, dtype: str, *operands: np.ndarray) -> np.ndarray:
    """The compiled function, in which no Python runs."""
    with enable_x64(True):
        closed, arrays = traced(lambda *xs: [registry[name].bind(*xs)],
                                *(x.astype(dtype) for x in operands))
        executable = compiled(closed)
        assert step_names(executable.compilation.region) == ["Kernel"]
        return executable(arrays)[0].data.astype(np.float64)  # type: ignore[no-any-return]


def evaluated(name: str, *operands: np.ndarray) -> np.ndarray:
    with enable_x64(True):
        return np.asarray(registry[name].bind(*map(array_of, operands)).data)


def compare(name: str, dtype: str, *operands: np.ndarray, rtol: float, atol: float = 0) -> None:
    """At operands of `dtype`, against the evaluation in float64."""
    operands = tuple(x.astype(dtype).astype(np.float64) for x in operands)
    with np.errstate(over="ignore"):
        want = evaluated(name, *operands).astype(dtype).astype(np.float64)
    np.testing.assert_allclose(result(name, dtype, *operands), want, rtol=rtol, atol=atol)


@pytest.mark.parametrize("dtype, rtol, atol", [
    ("float32", 1.3e-7, 1e-13), ("float64", 1e-14, 1e-14), ("float16", 1e-3, 1e-7)])
@pytest.mark.parametrize("name", ["lgamma", "digamma", "bessel_i0e", "bessel_i1e"])
@pytest.mark.filterwarnings("ignore:overflow")
def test_functions_of_one_operand(name: str, dtype: str, rtol: float, atol: float) -> None:
    if name == "digamma" and dtype == "float64":
        rtol = 1e-12  # SciPy multiplies by π before it reduces, which counts near poles
    compare(name, dtype, np.concatenate([SPECIAL, WIDE, -WIDE[::9], NEAR]), rtol=rtol, atol=atol)


@pytest.mark.parametrize("dtype, rtol", [("float32", 1.3e-7), ("float64", 1e-11)])
def test_incomplete_gamma(dtype: str, rtol: float) -> None:
    a = np.exp(rng.uniform(-12, 16, 4000))
    x = a * np.exp(rng.uniform(-3, 3, 4000))
    x[::2] = a[::2] + np.sqrt(a[::2]) * rng.uniform(-4, 4, 2000)
    x = np.abs(x)
    edges = np.meshgrid([0.0, 1.0, 5.0, np.inf, np.nan, -1.0], [0.0, 1.0, np.inf, np.nan, -1.0])
    a, x = np.append(a, edges[0].ravel()), np.append(x, edges[1].ravel())
    for name in ("igamma", "igammac"):
        compare(name, dtype, a, x, rtol=rtol, atol=1e-300)


def test_incomplete_gamma_derivatives() -> None:
    a = np.exp(rng.uniform(-5, 6, 500))
    x = np.abs(a + np.sqrt(a) * rng.uniform(-4, 4, 500)) + 1e-3
    for name in ("igamma_grad_a", "random_gamma_grad"):
        compare(name, "float64", a, x, rtol=1e-8, atol=1e-12)
        compare(name, "float32", a, x, rtol=1e-6, atol=1e-12)


@pytest.mark.parametrize("dtype, rtol", [("float32", 2e-7), ("float64", 1e-11)])
def test_incomplete_beta(dtype: str, rtol: float) -> None:
    a, b = np.exp(rng.uniform(-5, 9, (2, 4000)))
    x = np.clip(a / (a + b) + rng.uniform(-4, 4, 4000) * np.sqrt(a * b / (a + b)) / (a + b), 0, 1)
    x[::3] = rng.uniform(0, 1, len(x[::3]))
    compare("regularized_incomplete_beta", dtype, a, b, x, rtol=rtol, atol=1e-290)
    edges = [e.ravel() for e in np.meshgrid([0.0, 1.0, 3.0, np.nan, -1.0], [0.0, 2.0, -1.0],
                                            [0.0, 0.5, 1.0, 1.5, np.nan])]
    compare("regularized_incomplete_beta", dtype, *edges, rtol=rtol)


@pytest.mark.parametrize("dtype, rtol", [("float32", 3e-7), ("float64", 2e-13)])
def test_zeta_and_polygamma(dtype: str, rtol: float) -> None:
    s, q = rng.uniform(1.01, 40, 2000), np.exp(rng.uniform(-3, 8, 2000))
    edges = [e.ravel() for e in np.meshgrid([1.0, 2.0, 3.0, 0.5, 2.5, np.nan, -1.0],
                                            [1.0, 0.0, -2.0, -1.5, np.nan])]
    compare("zeta", dtype, np.append(s, edges[0]), np.append(q, edges[1]), rtol=rtol, atol=1e-300)
    order = rng.integers(0, 12, 2000).astype(np.float64)
    edges = [e.ravel() for e in np.meshgrid([0.0, 1.0, 2.0, 0.5, -1.0], [1.0, 0.0, -2.0, -1.5])]
    compare("polygamma", dtype, np.append(order, edges[0]), np.append(q, edges[1]), rtol=rtol * 20,
            atol=1e-15)


# By mpmath with 50 digits.
KNOWN = [
    ("lgamma", (-2.4570247382208006,), 0.0), ("lgamma", (1e-300,), 690.77552789821368),
    ("digamma", (1.0,), -0.57721566490153286), ("digamma", (-0.5,), 0.03648997397857652),
    ("zeta", (2.0, 1.0), 1.6449340668482264), ("zeta", (3.0, 0.5), 8.4143983221171600),
    ("igamma", (3.0, 2.0), 0.32332358381693654), ("igammac", (0.5, 4.0), 0.0046777349810472658),
    ("regularized_incomplete_beta", (2.0, 3.0, 0.4), 0.5248),
    ("bessel_i0e", (1.0,), 0.46575960759364043), ("bessel_i1e", (-10.0,), -0.12126268138445555),
]


@pytest.mark.parametrize("name, operands, value", KNOWN, ids=range(len(KNOWN)))
def test_known_values(name: str, operands: Any, value: float) -> None:
    got = result(name, "float64", *(np.full(3, x) for x in operands))
    np.testing.assert_allclose(got, value, rtol=1e-14, atol=1e-15)


def test_shapes_of_thousands_and_millions() -> None:
    """Where series would take too long the uniform expansion takes over, without a step."""
    a = np.array([9.9e3, 1.01e4, 1e6, 1e9, 1e12])[:, None]
    x = (a + np.sqrt(a) * np.array([-4, -1, 0, 1e-3, 2, 4])).ravel()
    a = np.repeat(a.ravel(), 6)
    np.testing.assert_allclose(result("igamma", "float64", a, x), sp.gammainc(a, x), rtol=1e-10)
    np.testing.assert_allclose(result("igammac", "float64", a, x), sp.gammaincc(a, x), rtol=1e-10)
