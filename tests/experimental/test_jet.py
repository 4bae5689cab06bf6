"""`arrax.experimental.jet`: every row of the tables of operations, and compositions, against nested
`jvp`."""
from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import arrax
import numpy as np
import pytest
from arrax import lax
from arrax import numpy as jnp
from arrax.core import config
from arrax.experimental import jet as module
from arrax.experimental.jet import jet, jet2
from arrax.extend.core import Primitive

from tests.ops.all_rows import all_rows
from tests.ops.rows import Row, assert_close, doubled

ROWS = {name: row for name, row in all_rows().items() if row.order and row.differentiable()}


def nested(fun: Callable[..., Any], primals: Sequence[Any], series: Sequence[Sequence[Any]],
           ) -> list[Any]:
    """The derivatives along curves, one `jvp` inside the other, as lists of arrays."""
    def derivative(f: Callable[..., Any]) -> Callable[..., Any]:
        return lambda t: arrax.jvp(f, (t,), (jnp.ones_like(t),))[1]

    def along(t: Any) -> Any:
        points = [x + sum(t ** k / math.factorial(k) * term for k, term in enumerate(terms, 1))
                  for x, terms in zip(primals, series, strict=True)]
        return [y for y in arrax.tree.leaves(fun(*points))
                if jnp.issubdtype(jnp.result_type(y), jnp.inexact)]

    found, f = [], along
    for _ in series[0]:
        f = derivative(f)
        found.append(f(jnp.float64(0)))
    return found


def curves(primals: Sequence[np.ndarray], order: int) -> list[list[np.ndarray]]:
    generator = np.random.default_rng(7)

    def term(x: np.ndarray) -> np.ndarray:
        t = generator.standard_normal(x.shape)
        if x.dtype.kind == "c":
            t = t + 1j * generator.standard_normal(x.shape)
        return np.asarray(t, x.dtype)
    return [[term(x) for _ in range(order)] for x in primals]


def compare(fun: Callable[..., Any], primals: Sequence[np.ndarray], order: int,
            tolerance: float = 1e-8) -> None:
    with config.enable_x64(True):
        series = curves(primals, order)
        y, terms = jet(fun, tuple(primals), tuple(series))
        found = [ts for x, ts in zip(arrax.tree.leaves(y), arrax.tree.leaves(
            terms, is_leaf=lambda t: isinstance(t, list) and not isinstance(t[0], list)),
            strict=True) if jnp.issubdtype(jnp.result_type(x), jnp.inexact)]
        for k, expected in enumerate(nested(fun, primals, series)):
            assert_close([ts[k] for ts in found], expected, tolerance, f"derivative {k + 1}")


@pytest.mark.parametrize("row", ROWS.values(), ids=ROWS)
def test_rows(row: Row) -> None:
    places = row.differentiable()
    fixed = [doubled(x) for x in row.operands]

    def of_active(*active: Any) -> Any:
        operands = list(fixed)
        for place, x in zip(places, active, strict=True):
            operands[place] = x
        return row.function(*operands)
    compare(of_active, [fixed[i] for i in places], row.order)


POINT = np.array([0.3, 0.7])


def weights(x: Any) -> Any:
    return x[0] * jnp.array([[1., 2.], [3., 4.]]) + x[1] * jnp.eye(2)


@arrax.custom_jvp
def doubling(x: Any) -> Any:
    return jnp.where(x > 100, x, x ** 2)


@doubling.defjvp
def _(primals: Any, tangents: Any) -> Any:
    (x,), (t,) = primals, tangents
    return doubling(x), 3 * t * jnp.sqrt(doubling(x))


COMPOSED = {
    "tower": lambda x: jnp.sin(jnp.exp(jnp.tanh(x)) / (1 + x)),
    "powers": lambda x: x ** x + x ** 7 + jnp.cbrt(x) * lax.lgamma(x),
    "jit": lambda x: arrax.jit(lambda y: y * jnp.sum(x))(x),
    "vmap": lambda x: arrax.vmap(lambda y: y * jnp.sin(x))(x),
    "grad": lambda x: arrax.grad(lambda y: jnp.sum(jnp.sin(y) * x))(x),
    "checkpoint": arrax.checkpoint(lambda x: jnp.sin(jnp.cos(x))),
    "custom_jvp": doubling,
    "solve": lambda x: jnp.linalg.solve(weights(x), x),
    "cholesky": lambda x: jnp.linalg.cholesky(weights(x) @ weights(x).T),
    "cond": lambda x: lax.cond(x[0] > 0, lambda y, z: (y * z, 1), lambda y, z: (z + y, 2), x, 3.),
    "scan": lambda x: lax.scan(lambda c, y: (c * y + x[0], (c, 1)), 1., x),
    "fori_loop": lambda x: lax.fori_loop(0, 4, lambda i, c: c * x + i, jnp.ones(2)),
    "while_loop": lambda x: lax.while_loop(
        lambda c: c[1] < 3 + x[0], lambda c: (c[0] * x, c[1] + 1), (x, 0.)),
    "nothing": lambda x: jnp.ones(3),
    "scatter": lambda x: jnp.zeros(3).at[np.array([0, 2])].set(x).at[1].mul(x[0]) * x[1],
}


@pytest.mark.parametrize("name", COMPOSED)
def test_compositions(name: str) -> None:
    compare(COMPOSED[name], [POINT], 4 if name != "solve" else 3)


@pytest.mark.parametrize("name", ["tower", "scan", "solve"])
def test_under_jit_and_vmap(name: str) -> None:
    series = [np.ones(2), np.zeros(2)]
    eager = jet(COMPOSED[name], (POINT,), (series,))
    compiled = arrax.jit(lambda x: jet(COMPOSED[name], (x,), (series,)))(POINT)
    mapped = arrax.vmap(lambda x: jet(COMPOSED[name], (x,), (series,)))(POINT[None])
    for a, b, c in zip(*map(arrax.tree.leaves, (eager, compiled, mapped)), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-5)
        np.testing.assert_allclose(a, c[0], rtol=1e-5)


def test_within_jet_and_grad() -> None:
    def second(x: Any) -> Any:
        return jet(jnp.sin, (x,), ([1., 0.],))[1][1]
    np.testing.assert_allclose(jet(second, (.5,), ([1.],))[1][0], -np.cos(.5), rtol=1e-6)
    np.testing.assert_allclose(arrax.grad(second)(.5), -np.cos(.5), rtol=1e-6)


@pytest.mark.parametrize("fun", [jnp.sin, jnp.tanh, jnp.exp, lambda x: 1 / x, jnp.log, jnp.arctan,
                                 lax.erf, lax.logistic, lambda x: x ** 2.5])
def test_costs_the_square_of_the_order(fun: Any) -> None:
    def size(order: int) -> int:
        program = arrax.make_jaxpr(lambda x: jet(fun, (x,), ([1.] + [0.] * (order - 1),)))(1.)
        return len(program.eqns)
    assert size(8) < 400
    assert size(16) < 8 * size(8)


def test_long_functions() -> None:
    """Neither depth of recursion nor memory grows with the number of operations."""
    def chain(x: Any) -> Any:
        for _ in range(3000):
            x = x * .999
        return x
    assert jet(chain, (1.,), ([1., 0.],))[1][0] == pytest.approx(.999 ** 3000, rel=1e-3)


def test_scalings() -> None:
    y, terms = jet2(jnp.exp, (0.,), ([1., 0., 0.],))
    assert y == 1
    np.testing.assert_allclose(terms, [1, 1 / 2, 1 / 6])
    np.testing.assert_allclose(jet(jnp.exp, (0.,), ([1., 0., 0.],))[1], [1, 1, 1])
    assert module.fact(4) == pytest.approx(24, rel=1e-5)


@pytest.mark.parametrize("primals, series, message", [
    (({},), ([],), "primal value at position 0 is not an array"),
    ((1., 2.), ([1.], [1., 2.]), "inconsistent lengths"),
    ((1., 2.), ([1.],), "inconsistent lengths"),
    ((1.,), (["a"],), "term 0 for argument 0 is not an array"),
    ((1.,), ([1., np.ones(2)],), "term 1 for argument 0 has shape"),
])
def test_errors(primals: Any, series: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        jet(lambda *xs: xs[0], primals, series)


def test_rules_of_programs() -> None:
    cube = Primitive("cube_of_test")
    cube.def_impl(lambda x: x ** 3)
    for declare in (lambda: module.def_deriv(cube, lambda x: 3 * x ** 2),
                    lambda: module.def_comp(cube, lambda x: x ** 3)):
        declare()
        y, terms = jet(cube.bind, (2.,), ([1., 0., 0.],))
        np.testing.assert_allclose([y, *terms], [8, 12, 12, 6], rtol=1e-6)
    module.deflinear(cube)
    np.testing.assert_allclose(jet(cube.bind, (2.,), ([1., 3.],))[1], [1, 27 / 4 * 1])
    module.defzero(cube)
    np.testing.assert_allclose(jet(cube.bind, (2.,), ([1., 3.],))[1], [0, 0])
    del module.jet_rules[cube]


def test_high_orders() -> None:
    """Factorials beyond 32 bits are floats."""
    terms = jet(jnp.exp, (0.,), ([1.] + [0.] * 19,))[1]
    np.testing.assert_allclose(terms, np.ones(20), rtol=1e-5)
