"""`arrax.scipy.stats` against SciPy: values in both precisions, eager and compiled, gradients
against differences, edges of supports, the examples of all docstrings."""
from __future__ import annotations

import doctest
import functools
import inspect
import types
from typing import Any

import numpy as np
import pytest
import scipy.stats

import arrax as jax
import arrax.numpy as jnp
from arrax.scipy import stats

LINE = np.array([-30., -3., -1.5, -0.7, 0., 0.3, 1., 1.7, 4., 35., np.inf, -np.inf, np.nan])
COUNTS = np.array([-1., 0., 1., 2., 3., 5., 7., 40.])
UNIT = np.array([0., 1e-6, 0.1, 0.5, 0.77, 0.999, 1., -0.1, 1.1, np.nan])
SHAPES: dict[str, list[tuple[float, ...]]] = {
    "norm": [()], "uniform": [()], "expon": [()], "laplace": [()], "logistic": [()],
    "cauchy": [()], "gumbel_r": [()], "gumbel_l": [()], "gamma": [(0.5,), (1.,), (4.2,)],
    "chi2": [(1.,), (2.,), (5.5,)], "beta": [(0.5, 0.7), (2., 3.), (1., 1.)],
    "t": [(1.,), (4.5,), (1e4,)], "pareto": [(0.5,), (3.,)],
    "truncnorm": [(-1., 2.), (1., 3.), (-4., -2.5), (-0.5, 8.)], "gennorm": [(0.8,), (2.5,)],
    "vonmises": [(0.5,), (60.,)], "wrapcauchy": [(0.2,), (0.9,)],
    "poisson": [(0.4,), (6.,), (0.,)], "binom": [(5., 0.3), (7., 0.), (7., 1.)],
    "nbinom": [(3., 0.4), (0.7, 0.9)], "geom": [(0.3,), (1.,)],
    "betabinom": [(5., 0.7, 2.), (7., 3., 3.)], "bernoulli": [(0.3,), (0.,), (1.,)],
}
KINDS = ("logpdf", "pdf", "logpmf", "pmf", "cdf", "logcdf", "sf", "logsf", "ppf", "isf")
FUNCTIONS = [(name, kind) for name in SHAPES for kind in KINDS
             if hasattr(getattr(stats, name), kind)]


def _cases(name: str, kind: str) -> list[tuple[np.ndarray, tuple[float, ...], dict[str, float]]]:
    x = UNIT if kind in ("ppf", "isf") else (
        COUNTS if getattr(stats, name).__dict__.get("logpmf") else LINE)
    placed = [{}] + [p for p in ({"loc": 0.5, "scale": 2.}, {"loc": 1.}) if set(p) <= set(
        inspect.signature(getattr(getattr(stats, name), kind)).parameters)]
    if name == "wrapcauchy":
        x = np.array([0.1, 1., 3., 6., 7., -0.5])
    if name == "bernoulli" and kind == "ppf":  # SciPy's ends are -1 and 1 for any probability
        x = UNIT[(UNIT != 0) & (UNIT != 1)]
    if name in ("gamma", "chi2"):  # SciPy's densities are NaN at infinity
        x = x[x != np.inf]
    if name == "vonmises":
        x = np.array([-3., -1., 0., 0.5, 3.])
    return [(x, shape, where) for shape in SHAPES[name] for where in placed]


@pytest.mark.parametrize("x64", [False, True])
@pytest.mark.parametrize("name, kind", FUNCTIONS, ids=[f"{n}.{k}" for n, k in FUNCTIONS])
def test_values(name: str, kind: str, x64: bool) -> None:
    function = getattr(getattr(stats, name), kind)
    for x, shape, where in _cases(name, kind):
        with jax.enable_x64(x64), np.errstate(all="ignore"):
            dtype = np.float64 if x64 else np.float32
            x = x.astype(dtype)
            args = [x, *(np.asarray(s, dtype) for s in shape)]
            expected = getattr(getattr(scipy.stats, name), kind)(
                *(np.asarray(a, np.float64) for a in args), **where)
            for call in (function, jax.jit(function)):
                found = np.asarray(call(*args, **where))
                assert found.dtype == dtype
                rtol, atol = (2e-11, 1e-13) if x64 else (3e-5, 2e-6)
                np.testing.assert_allclose(found, expected.astype(dtype), rtol=rtol, atol=atol,
                                           err_msg=f"{shape} {where}")


def _call(function: Any, shape: tuple[float, ...], where: dict[str, float], x: Any) -> Any:
    return function(x, *shape, **where)


@pytest.mark.parametrize("name, kind", [f for f in FUNCTIONS if f[1] not in ("ppf", "isf", "pmf",
                                                                            "logpmf")])
def test_gradients(name: str, kind: str) -> None:
    """In the first argument, at points inside the support, and finite at points outside."""
    function = getattr(getattr(stats, name), kind)
    for x, shape, where in _cases(name, kind):
        with jax.enable_x64(True), np.errstate(all="ignore"):
            x = x[np.isfinite(x)] + 0.01
            if name in ("poisson", "bernoulli"):
                continue  # steps
            call = functools.partial(_call, function, shape, where)
            gradient = np.asarray(jax.grad(lambda v, f=call: jnp.sum(f(v)))(x))
            h = 1e-5
            slope = (np.asarray(call(x + h)) - np.asarray(call(x - h))) / (2 * h)
            inside = np.isfinite(slope)
            np.testing.assert_allclose(gradient[inside], slope[inside], rtol=2e-5, atol=2e-6,
                                       err_msg=f"{shape} {where}")
            assert not np.isnan(gradient).any()


def test_poisson_entropy() -> None:
    with jax.enable_x64(True):
        mu = np.array([0., 0.1, 1.5, 10., 20., 20.5, 60., 1000.])
        np.testing.assert_allclose(stats.poisson.entropy(mu), scipy.stats.poisson.entropy(mu),
                                   rtol=1e-6)


def test_several_variables() -> None:
    with jax.enable_x64(True):
        random = np.random.default_rng(0)
        points = random.dirichlet([1., 2., 3.], 4).T
        alpha = np.array([1.5, 2., 0.7])
        expected = [scipy.stats.dirichlet.logpdf(p, alpha) for p in points.T]
        np.testing.assert_allclose(stats.dirichlet.logpdf(points, alpha), expected)
        np.testing.assert_allclose(stats.dirichlet.logpdf(points[:2], alpha), expected)
        assert stats.dirichlet.logpdf(np.array([0.5, 0.2, 0.2]), alpha) == -np.inf
        with pytest.raises(ValueError, match="one less"):
            stats.dirichlet.logpdf(np.ones(5) / 5, alpha)
        for counts in ([1, 2, 0], [0, 0, 3], [1, 1, 0]):
            np.testing.assert_allclose(
                stats.multinomial.logpmf(np.array(counts), 3, np.array([0.2, 0.5, 0.3])),
                scipy.stats.multinomial.logpmf(counts, 3, [0.2, 0.5, 0.3]))
        factor = random.standard_normal((3, 3))
        cov, mean = factor @ factor.T + np.eye(3), random.standard_normal(3)
        x = random.standard_normal((5, 2, 3))
        for call in (stats.multivariate_normal.logpdf, jax.jit(stats.multivariate_normal.logpdf)):
            np.testing.assert_allclose(
                call(x, mean, cov), scipy.stats.multivariate_normal.logpdf(x, mean, cov))
        np.testing.assert_allclose(stats.multivariate_normal.pdf(0.3, 0.1, 2.),
                                   scipy.stats.multivariate_normal.pdf(0.3, 0.1, 2.))
        several = np.stack([cov, 2 * cov])
        np.testing.assert_allclose(
            stats.multivariate_normal.logpdf(x[0, 0], mean, several),
            [scipy.stats.multivariate_normal.logpdf(x[0, 0], mean, c) for c in several])
        with pytest.raises(ValueError, match="cov must have shape"):
            stats.multivariate_normal.logpdf(x, mean, np.eye(2))
        with pytest.raises(NotImplementedError, match="allow_singular"):
            stats.multivariate_normal.logpdf(x, mean, cov, allow_singular=True)


@pytest.mark.parametrize("axis", [None, 0, 1, -1])
def test_ranks_modes_and_errors_of_means(axis: int | None) -> None:
    with jax.enable_x64(True):
        x = np.random.default_rng(1).integers(0, 5, (6, 7))
        for method in ("average", "min", "max", "dense", "ordinal"):
            np.testing.assert_array_equal(stats.rankdata(x, method, axis=axis),
                                          scipy.stats.rankdata(x, method, axis=axis))
        with_nan = np.where(x == 3, np.nan, x)
        with_nan[:, 0] = x[:, 0]
        for policy in ("propagate", "omit"):
            np.testing.assert_array_equal(
                stats.rankdata(with_nan, axis=axis, nan_policy=policy),
                scipy.stats.rankdata(with_nan, axis=axis, nan_policy=policy))
            np.testing.assert_allclose(
                stats.sem(with_nan, axis=axis, nan_policy=policy),
                scipy.stats.sem(with_nan, axis=axis, nan_policy=policy))
            for keepdims in (False, True):
                for found, want in zip(
                        stats.mode(with_nan, axis=axis, nan_policy=policy, keepdims=keepdims),
                        scipy.stats.mode(with_nan, axis=axis, nan_policy=policy,
                                         keepdims=keepdims), strict=True):
                    if policy == "omit":
                        np.testing.assert_array_equal(found, want)
        for found, want in zip(jax.jit(lambda x: stats.mode(x, axis=axis))(x),
                               scipy.stats.mode(x, axis=axis), strict=True):
            np.testing.assert_array_equal(found, want)
    with pytest.raises(NotImplementedError, match="raise"):
        stats.sem(x, nan_policy="raise")
    with pytest.raises(ValueError, match="method"):
        stats.rankdata(x, "other")


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("d", [1, 3])
def test_kernel_density(d: int, weighted: bool) -> None:
    with jax.enable_x64(True):
        random = np.random.default_rng(2)
        data, points = random.standard_normal((d, 40)), random.standard_normal((d, 9))
        weights = random.uniform(0.1, 1, 40) if weighted else None
        for method in (None, "silverman", 0.3, lambda kde: 0.5):
            mine = stats.gaussian_kde(data, method, weights)
            theirs = scipy.stats.gaussian_kde(data, method, weights)
            np.testing.assert_allclose(mine.covariance, theirs.covariance)
            np.testing.assert_allclose(mine(points), theirs(points))
            np.testing.assert_allclose(mine.logpdf(points), theirs.logpdf(points))
            np.testing.assert_allclose(mine.integrate_gaussian(np.zeros(d), np.eye(d)),
                                       theirs.integrate_gaussian(np.zeros(d), np.eye(d)))
            np.testing.assert_allclose(mine.integrate_kde(mine), theirs.integrate_kde(theirs))
        if d == 1:
            np.testing.assert_allclose(mine.integrate_box_1d(-1, 0.5),
                                       theirs.integrate_box_1d(-1, 0.5))
        else:
            with pytest.raises(ValueError, match="one-dimensional"):
                mine.integrate_box_1d(-1, 0.5)
        samples = mine.resample(jax.random.key(0), (5000,))
        assert samples.shape == (d, 5000)
        mean = data @ np.asarray(mine.weights)
        np.testing.assert_allclose(samples.mean(1), mean, atol=0.1)
        again = jax.jit(lambda kde: kde)(mine)
        np.testing.assert_allclose(again(points), mine(points))
    with pytest.raises(ValueError, match="bw_method"):
        stats.gaussian_kde(data, "other")
    with pytest.raises(NotImplementedError):
        mine.set_bandwidth(1.)


def _documented() -> list[tuple[str, Any]]:
    found = []
    for name in stats.__all__:
        thing = getattr(stats, name)
        functions = vars(thing).items() if isinstance(thing, types.ModuleType) else [("", thing)]
        for kind, function in functions:
            if kind in (*KINDS, "entropy", ""):
                found.append((f"{name}.{kind}".rstrip("."), function))
    return found


@pytest.mark.parametrize("name, function", _documented(), ids=[n for n, _ in _documented()])
def test_docstring(name: str, function: Any) -> None:
    text = inspect.getdoc(function)
    assert text and "Args:" in text and "Source:" in text
    room = vars(getattr(stats, name.split(".")[0])) if "." in name else vars(stats)
    test = doctest.DocTestParser().get_doctest(text, {**room, "jnp": jnp}, name, None, None)
    assert test.examples
    assert doctest.DocTestRunner(verbose=False).run(test).failed == 0
