"""`arrax.experimental.ode.odeint` against solutions in closed form and SciPy's."""
from __future__ import annotations

from typing import Any

import arrax
import numpy as np
import pytest
import scipy.integrate
from arrax import numpy as jnp
from arrax.core import config
from arrax.experimental import ode
from arrax.experimental.ode import odeint

TIMES = np.linspace(0., 2., 9)


def pendulum(y: Any, t: Any, damping: Any, gravity: Any) -> Any:
    angle, speed = y
    return [speed, -damping * speed - gravity * jnp.sin(angle)]


def test_values() -> None:
    with config.enable_x64(True):
        y = odeint(pendulum, [3., 0.], TIMES, 0.25, 9.8)
        expected = scipy.integrate.solve_ivp(
            lambda t, y: [y[1], -0.25 * y[1] - 9.8 * np.sin(y[0])], (0, 2), [3., 0.],
            t_eval=TIMES, rtol=1e-10, atol=1e-10).y
        np.testing.assert_allclose(y, expected, atol=1e-6)


def test_states_are_pytrees() -> None:
    state = {"a": jnp.ones((2, 3)), "b": (jnp.float32(2.), 1j)}
    y = odeint(lambda y, t: arrax.tree.map(lambda x: -x, y), state, TIMES)
    for x, ys in zip(arrax.tree.leaves(state), arrax.tree.leaves(y), strict=True):
        assert ys.shape == (9, *np.shape(x)) and ys.dtype == jnp.result_type(x)
        np.testing.assert_allclose(ys[-1], np.exp(-2.) * np.asarray(x), rtol=1e-4)


def last(y0: Any, times: Any, rate: Any, number: Any = 2) -> Any:
    """y(t) of y' = (rate + t) y, closing over nothing."""
    return odeint(lambda y, t, k, n: (k["rate"] + t) * y * n / 2, y0, times, {"rate": rate},
                  number)[-1]


def solution(y0: Any, times: Any, rate: Any, number: Any = 2) -> Any:
    def integral(t: Any) -> Any:
        return rate * t + t ** 2 / 2
    return y0 * jnp.exp(integral(times[-1]) - integral(times[0]))


@pytest.mark.parametrize("transform", [lambda f: f, arrax.jit], ids=["eager", "jit"])
def test_gradients(transform: Any) -> None:
    with config.enable_x64(True):
        args = (1.5, jnp.array([0.2, 0.5, 0.9]), -0.3)
        for i in range(3):
            found = transform(arrax.grad(last, i))(*args)
            np.testing.assert_allclose(found, arrax.grad(solution, i)(*args), rtol=1e-6, atol=1e-8)
        second = transform(arrax.grad(arrax.grad(last, 2), 2))(*args)
        np.testing.assert_allclose(second, arrax.grad(arrax.grad(solution, 2), 2)(*args), rtol=1e-6)


def test_gradients_of_closed_over_values_and_batches() -> None:
    def f(k: Any) -> Any:
        return odeint(lambda y, t: -k * y, 1., jnp.array([0., 1.]))[-1]
    np.testing.assert_allclose(arrax.grad(f)(.5), -np.exp(-.5), rtol=1e-4)
    rates = jnp.array([.1, 1., 3.])
    np.testing.assert_allclose(arrax.vmap(arrax.grad(f))(rates), -np.exp(-rates), rtol=1e-3)


def test_outputs_inside_steps_and_at_the_start() -> None:
    times = jnp.array([0., 0., 1e-3, 2e-3, 5.])
    np.testing.assert_allclose(odeint(lambda y, t: -y, 1., times), np.exp(-times), atol=1e-5)
    assert odeint(lambda y, t: -y, 1., jnp.array([3.])).tolist() == [1.]


def test_largest_step_and_number_of_steps() -> None:
    def bump(y: Any, t: Any) -> Any:
        return jnp.where((t > 5) & (t < 6), 1., 0.)
    times = jnp.array([0., 10.])
    assert odeint(bump, 0., times)[-1] == 0  # steps over it
    assert odeint(bump, 0., times, hmax=.5)[-1] == pytest.approx(1, abs=1e-3)
    assert np.isfinite(odeint(lambda y, t: -y, 1., times, mxstep=2)).all()


def test_orders_of_the_parts() -> None:
    """The method is of order 5 and the interpolation of order 4."""
    with config.enable_x64(True):
        errors, between = [], []
        for h in (.2, .1):
            y0, f0 = jnp.array([1.]), jnp.array([1.])
            y1, f1, error, k = ode.runge_kutta_step(lambda y, t: y, y0, f0, 0., h)
            polynomial = ode.interp_fit_dopri(y0, y1, k, h)
            errors.append(abs(y1[0] - np.exp(h)))
            between.append(abs(jnp.polyval(polynomial, .3)[0] - np.exp(.3 * h)))
        assert errors[0] / errors[1] > 2 ** 5.5
        assert between[0] / between[1] > 2 ** 4.5


@pytest.mark.parametrize("call, message", [
    (lambda: odeint(lambda y, t: y, "a", TIMES), "must be arrays or scalars, but got 'a'"),
    (lambda: odeint(lambda y, t, x: y, 1., TIMES, object), "must be arrays or scalars"),
    (lambda: odeint(lambda y, t: y, 1., 3.), r"t must be a vector .* got shape \(\)"),
    (lambda: arrax.jvp(lambda k: odeint(lambda y, t: k * y, 1., TIMES), (1.,), (1.,)),
     "can't apply forward-mode"),
])
def test_errors(call: Any, message: str) -> None:
    with pytest.raises(TypeError, match=message):
        call()
