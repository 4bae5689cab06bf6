"""`arrax.scipy.special` against SciPy and mpmath, in both precisions, eager and compiled; gradients
against differences; the examples of all docstrings."""
from __future__ import annotations

import doctest
import inspect
from collections.abc import Callable
from typing import Any, NamedTuple

import mpmath
import numpy as np
import pytest
import scipy.special

import arrax as jax
import arrax.numpy as jnp
from arrax.scipy import special

LINE = np.concatenate([np.linspace(-20, 20, 161), [np.inf, -np.inf, np.nan, 1e-5, 1e-20, -1e-8,
                                                   100, -100, 1e5, 1e30]])
RIGHT = np.abs(LINE)
UNIT = np.concatenate([np.linspace(0, 1, 101), [1e-10, 1e-30, 1e-7, 1 - 1e-7, np.nan]])
PLANE = np.linspace(-12.01, 12, 49)[:, None] + 1j * np.linspace(-15.03, 15, 41)


def exact(function: Callable[..., Any]) -> Callable[..., np.ndarray]:
    """An mpmath function of arrays; a pole is inf."""
    def value(*args: float) -> float:
        if any(np.isnan(a) for a in args):
            return np.nan
        with mpmath.workdps(40):
            try:
                return float(mpmath.re(function(*(mpmath.mpf(float(a)) for a in args))))
            except (ZeroDivisionError, ValueError):
                return np.inf
    return np.vectorize(value, otypes=[float])


class Row(NamedTuple):
    """A call; bounds are in units of the last digit of the value (of 1 with `absolute`)."""

    name: str
    args: tuple[Any, ...]
    ulp64: float
    ulp32: float
    reference: Callable[..., Any] | None = None
    absolute: bool = False
    gradients: tuple[int, ...] = (0,)
    keywords: dict[str, Any] = {}


ROWS = [
    Row("gammaln", (RIGHT,), 60, 60, absolute=True),
    Row("gammasgn", (LINE + 0.25,), 0, 0, gradients=()),
    Row("gamma", (np.linspace(-10.1, 30, 160),), 16, 16),
    Row("gamma", (np.array([0., -0., 171., 1e4, np.inf, np.nan]),), 64, 16, gradients=()),
    Row("loggamma", (PLANE,), 300, 300, absolute=True, gradients=()),
    Row("digamma", (RIGHT + 0.1,), 4, 4),
    Row("polygamma", (np.array([[1.], [2.]]), np.linspace(0.3, 9, 20)), 8, 8, gradients=(1,)),
    Row("factorial", (np.arange(0, 30.),), 12, 12),
    Row("comb", (np.arange(0, 15.)[:, None], np.arange(-1, 16.)), 80, 60, gradients=()),
    Row("poch", (np.array([.5, 2, 3])[:, None], np.linspace(0.1, 5, 11)), 16, 16,
        gradients=(0, 1)),
    Row("betaln", (RIGHT[RIGHT < 1e20][:, None] + .01, np.array([.1, 1, 5, 20, 1e3])), 40, 60,
        exact(lambda a, b: mpmath.log(mpmath.beta(a, b))), absolute=True, gradients=(0, 1)),
    Row("beta", (np.linspace(0.1, 9, 12)[:, None], np.array([.1, 1, 5, 20])), 80, 80,
        gradients=(0, 1)),
    Row("betainc", (np.array([.5, 2, 9])[:, None], 2.5, UNIT[:40]), 120, 120, gradients=(2,)),
    Row("gammainc", (np.array([.5, 2, 9])[:, None], np.linspace(0.1, 9, 20)), 60, 60,
        gradients=(0, 1)),
    Row("gammaincc", (np.array([.5, 2, 9])[:, None], np.linspace(0.1, 9, 20)), 200, 60,
        gradients=(0, 1)),
    Row("zeta", (np.linspace(1.2, 9, 20), 1.5), 60, 30, gradients=()),
    Row("xlogy", (LINE, UNIT[1:100, None]), 3, 3, gradients=(0, 1)),
    Row("xlog1py", (LINE, UNIT[1:100, None]), 3, 3, gradients=(0, 1)),
    Row("entr", (LINE,), 3, 3),
    Row("rel_entr", (RIGHT[:, None], UNIT), 12, 12, exact(
        lambda p, q: p * mpmath.log(p / q) if p > 0 and q > 0 else (0 if p == 0 else mpmath.inf))),
    Row("kl_div", (np.linspace(0, 3, 50)[:, None], np.linspace(0, 2, 21)), 30, 30, exact(
        lambda p, q: p * mpmath.log(p / q) - p + q if p > 0 and q > 0
        else (q if p == 0 else mpmath.inf))),
    Row("logit", (UNIT,), 3, 3),
    Row("expit", (LINE,), 3, 4),
    Row("boxcox", (RIGHT[:, None], np.array([0, .5, 2, -1])), 8, 30),
    Row("boxcox1p", (RIGHT[:, None], np.array([0, .5, 2, -1])), 4, 8),
    Row("logsumexp", (LINE[:100],), 3, 3),
    Row("softmax", (LINE[:100],), 40, 40, gradients=()),
    Row("log_softmax", (LINE[:100],), 8, 8, gradients=()),
    Row("erf", (LINE,), 4, 4), Row("erfc", (LINE,), 40, 60), Row("erfinv", (UNIT[:100],), 8, 8),
    Row("erfcx", (LINE,), 8, 60),
    Row("dawsn", (LINE,), 12, 4),
    Row("ndtr", (LINE,), 8, 8, exact(mpmath.ncdf)),
    Row("ndtri", (UNIT,), 8, 8),
    Row("log_ndtr", (LINE[(LINE < 8) & (LINE > -1e6)],), 8, 8,
        exact(lambda x: mpmath.log(mpmath.ncdf(x)))),
    Row("owens_t", (np.linspace(-9, 9, 31)[:, None], np.concatenate([np.linspace(-5, 5, 21),
                                                                     [100, np.inf]])), 120, 60),
    Row("exp1", (RIGHT,), 8, 8), Row("expi", (LINE,), 16, 40),
    Row("expn", (np.arange(0, 8.)[:, None], RIGHT), 16, 12, gradients=(1,)),
    Row("sici", (RIGHT,), 64, 64, absolute=True),
    Row("spence", (RIGHT[np.isfinite(RIGHT)],), 12, 8), Row("fresnel", (LINE,), 12, 8),
    Row("i0", (np.linspace(-80, 80, 161),), 8, 8), Row("i1", (np.linspace(-80, 80, 161),), 8, 8),
    Row("i0e", (LINE,), 4, 4), Row("i1e", (LINE,), 12, 4),
    Row("bessel_jn", (np.concatenate([np.linspace(-60, 60, 121), [1e3, 0, 1e-3]]),), 16, 16,
        lambda z: np.stack([scipy.special.jv(n, z) for n in range(4)]), absolute=True,
        keywords={"v": 3}),
    Row("wofz", (PLANE.real / 2 + 1j * np.abs(PLANE.imag),), 120, 12, gradients=()),
    Row("wofz", (PLANE.real / 4 - 1j * np.abs(PLANE.imag) / 5,), 300, 200, gradients=()),
    Row("hyp1f1", (np.array([.5, 1, 2.5, -.5, -3, 4])[:, None, None],
                   np.array([.5, 1., 2, 3.3])[:, None],
                   np.concatenate([np.linspace(-40, 40, 21), [-150, -500, 150, 300]])), 400, 100,
        gradients=(0, 1, 2)),
    Row("hyp2f1", (np.array([.5, 1, -2])[:, None, None, None],
                   np.array([.5, 1.5, 3])[:, None, None], np.array([1., 2.3, 4.7])[:, None],
                   np.concatenate([np.linspace(-5, .9, 15), [.95, .99, .995, 1, -20]])),
        2000, 2000, exact(mpmath.hyp2f1), gradients=(0, 1, 2, 3)),
]


@pytest.mark.parametrize("x64", [False, True])
@pytest.mark.parametrize("row", ROWS, ids=[f"{row.name}-{i}" for i, row in enumerate(ROWS)])
def test_values(row: Row, x64: bool) -> None:
    with jax.enable_x64(x64), np.errstate(all="ignore"):
        args = [np.asarray(a).astype(_dtype(a, x64)) for a in row.args]
        reference = row.reference or getattr(scipy.special, row.name)
        wide = [a.astype(np.complex128 if a.dtype.kind == "c" else np.float64) for a in args]
        expected = reference(*wide)
        function = getattr(special, row.name)
        for call in (function, jax.jit(lambda *a: function(*a, **row.keywords))):
            found = call(*args, **(row.keywords if call is function else {}))
            pairs = zip(found, expected) if isinstance(expected, tuple) else [(found, expected)]
            for part, want in pairs:
                _check(row, np.asarray(part), np.asarray(want), args[0].dtype,
                       row.ulp64 if x64 else row.ulp32)


def _dtype(a: Any, x64: bool) -> Any:
    if np.asarray(a).dtype.kind == "c":
        return np.complex128 if x64 else np.complex64
    return np.float64 if x64 else np.float32


def _check(row: Row, found: np.ndarray, want: np.ndarray, dtype: Any, ulps: float) -> None:
    assert found.dtype == dtype and found.shape == want.shape
    rounded = want.astype(dtype)
    assert (np.isnan(found) == np.isnan(rounded)).all()
    finite = np.isfinite(rounded)
    assert (found[~finite & ~np.isnan(rounded)] == rounded[~finite & ~np.isnan(rounded)]).all()
    info = np.finfo(dtype)
    scale = np.maximum(np.abs(want[finite]), 1 if row.absolute else 100 * info.tiny)
    assert (np.abs(found[finite] - want[finite]) <= ulps * info.eps * scale).all()


GRADIENTS = [(row, i) for row in ROWS for i in row.gradients]


@pytest.mark.parametrize("row, position", GRADIENTS,
                         ids=[f"{row.name}-{i}" for row, i in GRADIENTS])
def test_gradients(row: Row, position: int) -> None:
    """Central differences of fourth order, where both the value and its slope are moderate."""
    with jax.enable_x64(True), np.errstate(all="ignore"):
        args = np.broadcast_arrays(*[np.asarray(a, np.float64) for a in row.args])
        good = np.logical_and.reduce([np.isfinite(a) & (np.abs(a) < 50) & (np.abs(a) > 0.02)
                                      for a in args])
        if row.name in ("logit", "ndtri", "erfinv", "entr", "hyp2f1", "betainc"):
            good &= (args[-1] < 0.93) & (args[-1] > -9)
        if row.name in ("gamma", "entr"):
            good &= args[0] > 0
        args = [a[good][::max(1, good.sum() // 60)] for a in args]
        function = lambda *a: jax.tree.leaves(getattr(special, row.name)(*a, **row.keywords))[0]
        ones = [np.ones_like(a) if i == position else np.zeros_like(a) for i, a in enumerate(args)]
        along = lambda v: function(*[v if i == position else a for i, a in enumerate(args)])
        tangent = np.asarray(jax.jvp(along, (args[position],), (ones[position],))[1])
        gradient = np.asarray(jax.grad(lambda v: jnp.sum(along(v)))(args[position]))
        h = 1e-3

        def moved(step: float) -> np.ndarray:
            return np.asarray(function(*[a + step * one for a, one in zip(args, ones)]))

        slope = (8 * (moved(h) - moved(-h)) - (moved(2 * h) - moved(-2 * h))) / (12 * h)
        inside = np.isfinite(slope)
        assert inside.sum() >= inside.size * 0.4
        scale = np.abs(slope) + np.abs(np.asarray(function(*args))) + 1e-3
        tolerance = 3e-6 * scale[inside]
        assert (np.abs(tangent - slope)[inside] <= tolerance).all()
        if tangent.shape == gradient.shape:
            np.testing.assert_allclose(gradient[inside], tangent[inside], rtol=1e-9, atol=1e-12)


def test_gradients_at_edges() -> None:
    assert jax.grad(special.i1)(0.) == 0.5 and jax.grad(special.i0)(0.) == 0
    assert jax.grad(jax.grad(special.i0))(0.) == 0.5
    assert jax.grad(special.spence)(1.) == -1
    np.testing.assert_allclose(jax.grad(special.log_ndtr)(-30.), 30.033259, rtol=1e-6)
    assert jax.grad(lambda x: special.xlogy(x, 1.))(0.) == 0
    assert jax.grad(lambda y: special.xlogy(0., y))(0.) != np.inf


@pytest.mark.parametrize("x64", [False, True])
def test_sph_harm_y(x64: bool) -> None:
    with jax.enable_x64(x64):
        n, m = np.meshgrid(np.arange(20), np.arange(-20, 21))
        theta = np.linspace(0, np.pi, 11)[:, None, None]
        expected = np.where(np.abs(m) <= n, scipy.special.sph_harm_y(n, m, theta, 1.3), 0)
        found = special.sph_harm_y(jnp.asarray(n), jnp.asarray(m), jnp.asarray(theta), 1.3)
        assert found.dtype == (np.complex128 if x64 else np.complex64)
        np.testing.assert_allclose(found, expected, atol=60 * np.finfo(found.dtype).eps)
        traced = jax.jit(lambda n: special.sph_harm_y(n, m, theta, 1.3, n_max=19))(n)
        np.testing.assert_allclose(traced, expected, atol=60 * np.finfo(found.dtype).eps)


def test_bernoulli_and_multigammaln() -> None:
    np.testing.assert_allclose(special.bernoulli(30), scipy.special.bernoulli(30), rtol=1e-6)
    np.testing.assert_allclose(special.multigammaln(np.array([5.5, 9.]), 3),
                               scipy.special.multigammaln(np.array([5.5, 9.]), 3), rtol=1e-5)


def test_errors() -> None:
    with pytest.raises(TypeError, match="real numbers"):
        special.ndtr(1j)
    with pytest.raises(NotImplementedError, match="exact"):
        special.factorial(3, exact=True)
    with pytest.raises(ValueError, match="series_order"):
        special.log_ndtr(1., 31)
    with pytest.raises(ValueError, match="n_max"):
        jax.jit(lambda n: special.sph_harm_y(n, 0, 0., 0.))(2)
    with pytest.raises(TypeError, match="integers"):
        special.sph_harm_y(1., 0, 0., 0.)
    with pytest.raises(ValueError, match="non-negative"):
        special.bernoulli(-1)


@pytest.mark.parametrize("name", [n for n in vars(special) if not n.startswith("_") and callable(
    getattr(special, n))])
def test_docstring(name: str) -> None:
    """Every public function says what it takes and shows an example that runs."""
    function = getattr(special, name)
    text = inspect.getdoc(function)
    assert text and "Args:" in text and "Source:" in text
    test = doctest.DocTestParser().get_doctest(
        text, {**vars(special), "jnp": jnp}, name, None, None)
    assert test.examples
    result = doctest.DocTestRunner(verbose=False).run(test)
    assert result.failed == 0
