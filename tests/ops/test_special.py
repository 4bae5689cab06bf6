"""Special functions, by rows and at their poles."""
from __future__ import annotations

import math

import numpy as np
import pytest
import scipy.special
from arrax import jit, lax

from tests.ops.rows import Row, checks, real

X = real(7)
POSITIVE = real(7, low=0.4, high=4.0)
OTHER = real(7, low=0.4, high=4.0, seed=3)
UNIT = real(7, low=0.1, high=0.9)

ROWS = [
    Row("erf", lax.erf, (X,), scipy.special.erf), Row("erfc", lax.erfc, (X,), scipy.special.erfc),
    Row("erf_inv", lax.erf_inv, (UNIT,), scipy.special.erfinv),
    Row("lgamma", lax.lgamma, (POSITIVE,), scipy.special.gammaln, derivative_tolerance=1e-5),
    Row("digamma", lax.digamma, (POSITIVE,), scipy.special.psi, derivative_tolerance=1e-5),
    Row("polygamma", lambda x: lax.polygamma(np.asarray(2, x.dtype), x), (POSITIVE,),
        lambda x: scipy.special.polygamma(2, x), derivative_tolerance=1e-5),
    Row("igamma in x", lax.igamma, (POSITIVE, OTHER), scipy.special.gammainc, active=(1,),
        tolerance=2e-4),  # SciPy is right to 1e-14
    Row("igamma in a", lax.igamma, (POSITIVE, OTHER), scipy.special.gammainc, active=(0,), order=1),
    Row("igammac", lax.igammac, (POSITIVE, OTHER), scipy.special.gammaincc, order=1,
        tolerance=2e-4),
    Row("betainc", lax.betainc, (POSITIVE, OTHER, UNIT), scipy.special.betainc, active=(2,)),
    Row("bessel_i0e", lax.bessel_i0e, (POSITIVE,), scipy.special.i0e),
    Row("bessel_i1e", lax.bessel_i1e, (POSITIVE,), scipy.special.i1e),
    Row("zeta", lax.zeta, (POSITIVE + 1, OTHER), scipy.special.zeta, order=0),
    Row("random_gamma_grad", lax.random_gamma_grad, (POSITIVE, OTHER), order=0,
        tolerance=2e-4),
]

test_rows = checks(ROWS)

inf, nan = math.inf, math.nan
POLES = [
    ("erf_inv", lax.erf_inv, [[1, -1, 0, 2]], [inf, -inf, 0, nan]),
    ("lgamma", lax.lgamma, [[0, -1, inf, -inf]], [inf] * 4),
    ("digamma", lax.digamma, [[0, -1, inf, -inf]], [nan, nan, inf, nan]),
    ("igamma", lax.igamma, [[0, 1, 0, -1, 2], [0, 0, 1, 1, inf]], [nan, 0, 1, nan, 1]),
    ("igammac", lax.igammac, [[0, 1, 0, -1, 2], [0, 0, 1, 1, inf]], [nan, 1, 0, nan, 0]),
    ("zeta", lax.zeta, [[1, 2, 0.5, 3], [2, 0, 1, -1]], [inf, inf, nan, nan]),
    ("polygamma", lax.polygamma, [[1.5, -1], [1, 1]], [nan, nan]),
    ("betainc", lax.betainc, [[0, 1, -1], [1, 2, 1], [0.5, 1.2, 0.2]], [1, nan, nan]),
]


@pytest.mark.parametrize(("function", "operands", "expected"), [p[1:] for p in POLES],
                         ids=[p[0] for p in POLES])
def test_poles(function, operands, expected) -> None:  # type: ignore[no-untyped-def]
    out = function(*(np.array(x, np.float32) for x in operands))
    np.testing.assert_array_equal(np.asarray(out), np.array(expected, np.float32))


@pytest.mark.parametrize("name", ["erf", "erfc", "erf_inv", "lgamma", "digamma", "bessel_i0e",
                                  "bessel_i1e"])
@pytest.mark.parametrize("shape", [(), (1,), (0,), (2, 1)])
def test_eager_results_have_the_shape_of_the_operand(name: str, shape: tuple[int, ...]) -> None:
    for dtype in (np.float32, np.float64):
        x = np.full(shape, 0.5, dtype)
        found = getattr(lax, name)(x)
        assert found.shape == shape and np.asarray(found).shape == shape


def test_erf_inv_is_the_published_polynomial() -> None:
    x = np.linspace(-0.999999, 0.999999, 10_001).astype(np.float32)
    exact = scipy.special.erfinv(x.astype(np.float64))
    np.testing.assert_allclose(np.asarray(lax.erf_inv(x)), exact, rtol=4e-6, atol=1e-7)


@pytest.mark.parametrize("a", [0.05, 0.7, 3.0, 40.0, 900.0])
def test_igamma_derivative_over_the_whole_range(a: float) -> None:
    """Against differences of SciPy's P(a, x) in the bulk and in both tails."""
    spread = 3 * math.sqrt(a)
    x = np.array([a * q + s * spread for q, s in [(1, 0), (1, 1), (0.5, 0), (0.1, 0), (1.5, 1)]])
    step = 1e-5 * a
    expected = (scipy.special.gammainc(a + step, x)
                - scipy.special.gammainc(a - step, x)) / (2 * step)
    actual = lax.igamma_grad_a(np.full(5, a, np.float32), x.astype(np.float32))
    np.testing.assert_allclose(np.asarray(actual), expected, rtol=2e-4, atol=1e-6)


@pytest.mark.parametrize("a", [30.0, 1000.0, 2e4])
def test_gamma_samples_move_where_their_density_underflows(a: float) -> None:
    x = (a * np.logspace(-3, 0.5, 40)).astype(np.float32)
    shape = np.full(40, a, np.float32)
    slopes = np.asarray(lax.random_gamma_grad(shape, x))
    assert np.isfinite(slopes).all() and (np.diff(slopes) > 0).all()
    first = x / a * (scipy.special.psi(a + 1) - np.log(x))  # of the series in x / a
    np.testing.assert_allclose(slopes[:5], first[:5], rtol=1e-2)
    np.testing.assert_allclose(jit(lax.random_gamma_grad)(shape, x), slopes, rtol=1e-5)


@pytest.mark.parametrize(("call", "kind", "text"), [
    (lambda: lax.erf(np.arange(3)), TypeError, "erf does not accept dtype int32"),
    (lambda: lax.igamma(X, 1), TypeError, "igamma does not accept dtype int32 at position 1"),
    (lambda: lax.betainc(X, X[:2], X), TypeError, "got incompatible shapes for broadcasting"),
])
def test_errors(call, kind, text) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises(kind, match=text):
        call()
