"""Derivatives at edges: elements that a mask leaves out, whatever they hold, have none and disturb
none; and points where a formula divides zero by zero but the function is smooth."""
from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import arrax
import arrax.numpy as jnp
import arrax.scipy.special as special
from arrax import nn

INF, NAN = np.inf, np.nan
MASK = np.array([True, True, False, True, False])
X = np.array([0.5, -1.2, 0.3, 2.0, 0.7], np.float32)
WEIGHTS = np.array([1.0, 2.0, 0.0, 3.0, 0.0], np.float32)


def weighed(function: Callable[..., Any]) -> Callable[..., Any]:
    """The sum of the counted results, weighed."""
    def total(x: Any, where: Any) -> Any:
        out = function(x, where=where)
        return (out * WEIGHTS[MASK]).sum() if x.shape == (3,) else \
            (jnp.where(MASK, out, 0) * WEIGHTS).sum()
    return total


MASKED: dict[str, Callable[..., Any]] = {
    **{name: functools.partial(getattr(jnp, name)) for name in (
        "sum", "prod", "mean", "var", "std", "nansum", "nanprod", "nanmean", "nanvar", "nanstd")},
    **{name: functools.partial(getattr(jnp, name), initial=initial) for name, initial in (
        ("max", -9.0), ("min", 9.0), ("nanmax", -9.0), ("nanmin", 9.0))},
    "logsumexp": nn.logsumexp, "logmeanexp": nn.logmeanexp,
    "logsumexp by factors": lambda x, where: nn.logsumexp(x, b=jnp.where(where, 1.0, 0.0)),
    "softmax": weighed(nn.softmax), "log_softmax": weighed(nn.log_softmax),
    "standardize": weighed(nn.standardize),
    "standardize stable": weighed(functools.partial(nn.standardize, algorithm="stable"))}
MODES: dict[str, Callable[[Any], Any]] = {
    "reverse": arrax.grad, "forward": arrax.jacfwd, "compiled": lambda f: arrax.jit(arrax.grad(f))}


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("name", MASKED)
def test_masked_elements_take_no_part(name: str, mode: str) -> None:
    function = MASKED[name]
    expected = np.zeros(5, np.float32)
    expected[MASK] = arrax.grad(lambda x: function(x, where=np.ones(3, bool)))(X[MASK])
    for held in (1e30, 500.0, INF, -INF, NAN, 0.0):
        x = np.where(MASK, X, np.float32(held))
        found = MODES[mode](lambda x: function(x, where=MASK))(x)
        np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-6, err_msg=str(held))


@pytest.mark.parametrize("name", ["sum", "prod", "max", "logsumexp", "softmax", "log_softmax"])
@pytest.mark.parametrize("mode", MODES)
def test_masks_that_leave_nothing(name: str, mode: str) -> None:
    function = {**MASKED, "softmax": lambda x, where: nn.softmax(x, where=where).sum(),
                "log_softmax": lambda x, where: jnp.where(where, nn.log_softmax(x, where=where),
                                                          0).sum()}[name]
    found = MODES[mode](lambda x: function(x, where=np.zeros(5, bool)))(X)
    np.testing.assert_array_equal(found, np.zeros(5))


def test_logsumexp_of_factors() -> None:
    def derivatives(a: list[float], b: list[float]) -> Any:
        return arrax.grad(lambda a, b: nn.logsumexp(a, b=b), (0, 1))(
            jnp.array(a, jnp.float32), jnp.array(b, jnp.float32))
    e = np.exp([1.0, 2.0, 3.0])
    by_a, by_b = derivatives([1, 2, 3], [1, 1, 0])
    np.testing.assert_allclose(by_a, [e[0] / e[:2].sum(), e[1] / e[:2].sum(), 0], rtol=1e-6)
    np.testing.assert_allclose(by_b, e / e[:2].sum(), rtol=1e-6)
    for held in (500.0, INF, -INF, NAN):
        assert float(nn.logsumexp(jnp.array([1.0, held]), b=jnp.array([1.0, 0.0]))) == 1
        by_a, by_b = derivatives([1, held], [1, 0])
        np.testing.assert_allclose(by_a, [1, 0], rtol=1e-6)
        assert not np.isnan(by_b).any() and by_b[1] >= 0
    out, sign = nn.logsumexp(X, where=np.zeros(5, bool), return_sign=True)
    assert out == -INF and sign == 0


# (function, point, its derivative, its second derivative there); None: not looked at
SMOOTH: dict[str, tuple[Callable[[Any], Any], float, float | None, float | None]] = {
    **{f"sinc {x}": (jnp.sinc, x, -np.pi**2 * x / 3, -np.pi**2 / 3)
       for x in (0.0, 1e-20, 1e-8, 1e-4, 3e-4)},
    "sinc 1": (jnp.sinc, 1.0, -1.0, 2.0),
    "power": (lambda x: x ** 2.0, 0.0, 0.0, 2.0), "integer power": (lambda x: x**3, 0.0, 0.0, 0.0),
    "hypot": (lambda x: jnp.hypot(x, 4.0), 0.0, 0.0, 0.25),
    "logaddexp": (lambda x: jnp.logaddexp(-INF, x), 1.0, 1.0, 0.0),
    "logaddexp of infinity": (lambda x: jnp.logaddexp(INF, x), 1.0, 0.0, 0.0),
    "logaddexp of equal infinities": (lambda x: jnp.logaddexp(x, -INF), -INF, 0.5, None),
    "logaddexp2 of infinity": (lambda x: jnp.logaddexp2(x, 1.0), INF, 1.0, 0.0),
    "relu": (nn.relu, 0.0, 0.0, 0.0), "softplus": (nn.softplus, -1000.0, 0.0, 0.0),
    "log_sigmoid": (nn.log_sigmoid, -1000.0, 1.0, 0.0), "elu": (nn.elu, 100.0, 1.0, 0.0),
    "gelu": (nn.gelu, -100.0, 0.0, 0.0), "arcsinh": (jnp.arcsinh, 1e30, 1e-30, None),
    "xlogy": (lambda x: special.xlogy(x, 2.0), 0.0, np.log(2.0), 0.0),
    "entr": (special.entr, 0.0, INF, None), "entr inside": (special.entr, 0.5, np.log(2) - 1, -2.0),
    "product with a zero": (lambda x: jnp.prod(jnp.stack([x, x + 2, x + 3])), 0.0, 6.0, 10.0)}


@pytest.mark.parametrize("name", SMOOTH)
def test_smooth_points(name: str) -> None:
    function, point, first, second = SMOOTH[name]
    for derivative in (arrax.grad, arrax.jacfwd, lambda f: arrax.jit(arrax.grad(f))):
        if first is not None:
            np.testing.assert_allclose(derivative(function)(np.float32(point)), first,
                                       rtol=1e-5, atol=1e-30)
        if second is not None:
            np.testing.assert_allclose(derivative(arrax.grad(function))(np.float32(point)), second,
                                       rtol=1e-5, atol=1e-5)


def test_mixed_second_derivatives_of_xlogy() -> None:
    hessian = arrax.hessian(lambda v: special.xlogy(v[0], v[1]))(jnp.array([0.0, 2.0]))
    np.testing.assert_allclose(hessian, [[0, 0.5], [0.5, 0]])
    hessian = arrax.hessian(lambda v: special.xlog1py(v[0], v[1]))(jnp.array([0.0, 1.0]))
    np.testing.assert_allclose(hessian, [[0, 0.5], [0.5, 0]])
