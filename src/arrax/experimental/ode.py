"""`arrax.experimental.ode`: initial value problems by the Dormand-Prince method, with gradients.

`odeint` flattens the state to one vector. Between two times of output a `while_loop` takes steps of
order 5(4), whose sizes follow the estimated error, until one passes the time; the value there
comes from a polynomial of degree 4 through the step. A `scan` goes over the times of output.

The derivative is that of the differential equation, not of the steps: going back in time, an
equation for the state, its cotangent (the adjoint), and those of the arguments is solved by
`odeint` itself, so that it can be differentiated again. Reverse mode only.

Source: `jax.experimental.ode`. Dormand and Prince 1980; Shampine 1986 (the midpoint of a step);
Hairer, Nørsett and Wanner, Solving Ordinary Differential Equations I, II.4 (the first step).
"""
from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np

from arrax import lax, tree_util
from arrax import numpy as jnp
from arrax.core.aval import aval_of
from arrax.core.dtypes import float0, inexact, issubdtype
from arrax.core.lazy import listing as _listing
from arrax.flatten_util import ravel_pytree
from arrax.numpy import linalg
from arrax.transforms.api_ad import vjp
from arrax.transforms.api_vmap import vmap
from arrax.transforms.custom_gradients import closure_convert
from arrax.transforms.custom_vjp import custom_vjp

# The tableau of Dormand and Prince; stage 7 is the derivative at the end of the step.
_NODES = np.array([1 / 5, 3 / 10, 4 / 5, 8 / 9, 1., 1.])
_STAGES = np.array([
    [1 / 5, 0, 0, 0, 0, 0, 0],
    [3 / 40, 9 / 40, 0, 0, 0, 0, 0],
    [44 / 45, -56 / 15, 32 / 9, 0, 0, 0, 0],
    [19372 / 6561, -25360 / 2187, 64448 / 6561, -212 / 729, 0, 0, 0],
    [9017 / 3168, -355 / 33, 46732 / 5247, 49 / 176, -5103 / 18656, 0, 0],
    [35 / 384, 0, 500 / 1113, 125 / 192, -2187 / 6784, 11 / 84, 0]])
_SOLUTION = np.array([35 / 384, 0, 500 / 1113, 125 / 192, -2187 / 6784, 11 / 84, 0])
_ERROR = _SOLUTION - np.array([
    1951 / 21600, 0, 22642 / 50085, 451 / 720, -12231 / 42400, 649 / 6300, 1 / 60])
_MIDDLE = np.array([
    6025192743 / 30085553152, 0, 51252292925 / 65400821598, -2691868925 / 45128329728,
    187940372067 / 1594534317056, -1776094331 / 19743644256, 11237099 / 235043384]) / 2


def odeint(func: Callable[..., Any], y0: Any, t: Any, *args: Any, rtol: Any = 1.4e-8,
           atol: Any = 1.4e-8, mxstep: Any = jnp.inf, hmax: Any = jnp.inf) -> Any:
    """Solve dy/dt = func(y, t, *args) from y(t[0]) = y0 on.

    Args:
      func: a function of the state, the time and `args`, with the derivative as result: a pytree
        as the state's. Values that it closes over are differentiated, too.
      y0: the state at `t[0]`, a pytree of arrays.
      t: f[n], ascending: the times of output. Where they fall, states are NaN from there on.
      *args: pytrees of arrays.
      rtol, atol: the error of a step may be `atol + rtol * |y|`, in the root mean square.
      mxstep: how many steps may be taken between two times of output.
      hmax: the largest step.

    Returns: the state at all times, each array with a leading axis of size n.

    Errors: TypeError for arguments that are no arrays, for times that are no vector, and under
    forward-mode differentiation.

    Example:
      >>> y = odeint(lambda y, t: -y, 1., jnp.array([0., 1.]))
      >>> print(jnp.round(y, 5))
      [1.      0.36788]

    Source: `jax.experimental.ode.odeint`.
    """
    for x in tree_util.tree_leaves((y0, t, args)):
        _check_array(x)
    t = jnp.asarray(t)
    if t.ndim != 1 or not t.size:
        raise TypeError(f"odeint: t must be a vector of one or more times, got shape {t.shape}")
    t = t.astype(_inexact_dtype(t))
    y0 = tree_util.tree_map(lambda x: jnp.asarray(x).astype(_inexact_dtype(x)), y0)
    flat, unravel = ravel_pytree(y0)
    rate = ravel_first_arg(func, unravel)
    converted, consts = closure_convert(rate, flat, t[0], *args)
    states = _odeint(converted, rtol, atol, mxstep, hmax, flat, t, *args, *consts)
    backwards = jnp.concatenate([jnp.zeros(1, bool), jnp.cumsum(t[1:] < t[:-1]) > 0])
    return vmap(unravel)(jnp.where(backwards[:, None], jnp.nan, states))


def ravel_first_arg(f: Callable[..., Any], unravel: Callable[[Any], Any],
                    debug_info: Any = None) -> Callable[..., Any]:
    """`f` with a vector in place of its first argument and of its result."""
    def raveled(flat: Any, *args: Any) -> Any:
        return ravel_pytree(f(unravel(flat), *args))[0]
    return raveled


def _check_array(x: Any) -> None:
    try:
        aval_of(x)
    except TypeError:
        raise TypeError("The contents of odeint's arguments must be arrays or scalars, but got "
                        f"{x!r}.") from None


def _inexact_dtype(x: Any) -> Any:
    dtype = aval_of(x).dtype
    return dtype if issubdtype(dtype, inexact) else jnp.result_type(float)


# ---- one step ----------------------------------------------------------------------------------

def abs2(x: Any) -> Any:
    """The square of the absolute value, real."""
    return jnp.real(x) ** 2 + jnp.imag(x) ** 2 if jnp.iscomplexobj(x) else x ** 2


def runge_kutta_step(func: Callable[..., Any], y0: Any, f0: Any, t0: Any, dt: Any,
                     ) -> tuple[Any, Any, Any, Any]:
    """A step of size `dt` from `y0` at `t0`, where the derivative is `f0`.

    Args:
      func: the derivative, of state and time.

    Returns: (state and derivative at the end, the estimated error, the stages [7, n]).
    """
    real = jnp.real(y0).dtype
    nodes, stages, solution, error = (
        jnp.asarray(x, real) for x in (_NODES, _STAGES, _SOLUTION, _ERROR))

    def stage(i: Any, k: Any) -> Any:
        y = y0 + dt * _combined(stages[i], k)
        return k.at[i + 1].set(func(y, t0 + dt * nodes[i]))
    k = jnp.zeros((7, *f0.shape), f0.dtype).at[0].set(f0)
    k = lax.fori_loop(0, 6, stage, k)
    return y0 + dt * _combined(solution, k), k[-1], dt * _combined(error, k), k


def _combined(weights: Any, k: Any) -> Any:
    return jnp.sum(weights[:, None] * k, axis=0)


def interp_fit_dopri(y0: Any, y1: Any, k: Any, dt: Any) -> Any:
    """The polynomial through a step of `runge_kutta_step`: five coefficients, highest first."""
    middle = y0 + dt * _combined(jnp.asarray(_MIDDLE, jnp.real(y0).dtype), k)
    return jnp.stack(fit_4th_order_polynomial(y0, y1, middle, k[0], k[-1], dt))


def fit_4th_order_polynomial(y0: Any, y1: Any, y_mid: Any, dy0: Any, dy1: Any, dt: Any,
                             ) -> tuple[Any, Any, Any, Any, Any]:
    """The polynomial of degree 4 on [0, 1] with given values at 0, 1/2 and 1, and derivatives by
    time `dy0` and `dy1` at the ends of a step `dt`; coefficients, highest first."""
    a = 2 * dt * (dy1 - dy0) - 8 * (y0 + y1) + 16 * y_mid
    b = dt * (5 * dy0 - 3 * dy1) + 18 * y0 + 14 * y1 - 32 * y_mid
    c = dt * (dy1 - 4 * dy0) - 11 * y0 - 5 * y1 + 16 * y_mid
    return a, b, c, dt * dy0, y0


def initial_step_size(fun: Callable[..., Any], t0: Any, y0: Any, order: int, rtol: Any, atol: Any,
                      f0: Any) -> Any:
    """A first step for a method of `order`, from the sizes of the first two derivatives."""
    scale = atol + jnp.abs(y0) * rtol
    d0, d1 = linalg.norm(y0 / scale), linalg.norm(f0 / scale)
    small = (d0 < 1e-5) | (d1 < 1e-5)
    h0 = jnp.where(small, 1e-6, 0.01 * d0 / jnp.where(small, 1., d1))
    d2 = linalg.norm((fun(y0 + h0.astype(y0.dtype) * f0, t0 + h0) - f0) / scale) / h0
    flat = (d1 <= 1e-15) & (d2 <= 1e-15)
    h1 = jnp.where(flat, jnp.maximum(1e-6, h0 * 1e-3),
                   (0.01 / jnp.where(flat, 1., jnp.maximum(d1, d2))) ** (1. / (order + 1.)))
    return jnp.minimum(100. * h0, h1)


def mean_error_ratio(error_estimate: Any, rtol: Any, atol: Any, y0: Any, y1: Any) -> Any:
    """The error of a step as a multiple of what is allowed, in the root mean square."""
    allowed = atol + rtol * jnp.maximum(jnp.abs(y0), jnp.abs(y1))
    return jnp.sqrt(jnp.mean(abs2(error_estimate / allowed)))


def optimal_step_size(last_step: Any, mean_error_ratio: Any, safety: float = 0.9,
                      ifactor: float = 10.0, dfactor: float = 0.2, order: float = 5.0) -> Any:
    """The next step after one with that error; it grows by `ifactor` and shrinks by `dfactor` at
    most, and an accepted step does not shrink."""
    ratio = mean_error_ratio
    least = jnp.where(ratio < 1, 1.0, dfactor)
    power = jnp.where(ratio == 0, 1., ratio) ** (-1.0 / order)
    factor = jnp.minimum(ifactor, jnp.maximum(power * safety, least))
    return last_step * jnp.where(ratio == 0, ifactor, factor)


# ---- all steps ---------------------------------------------------------------------------------

@partial(custom_vjp, nondiff_argnums=(0, 1, 2, 3, 4))
def _odeint(func: Any, rtol: Any, atol: Any, mxstep: Any, hmax: Any, y0: Any, ts: Any,
            *args: Any) -> Any:
    """The states [times, n] for a state vector [n]."""
    def rate(y: Any, t: Any) -> Any:
        return func(y, t, *args)
    most = np.iinfo(np.int32).max if mxstep == np.inf else int(mxstep)
    f0 = rate(y0, ts[0])
    dt = jnp.clip(initial_step_size(rate, ts[0], y0, 4, rtol, atol, f0), 0., hmax)
    dt = dt.astype(ts.dtype)
    start = (y0, f0, ts[0], dt, ts[0], jnp.zeros((5, *y0.shape), y0.dtype).at[-1].set(y0))

    def step(state: Any) -> Any:
        i, y, f, t, dt, last, polynomial = state
        y1, f1, error, k = runge_kutta_step(rate, y, f, t, dt)
        ratio = mean_error_ratio(error, rtol, atol, y, y1)
        next_dt = jnp.clip(optimal_step_size(dt, ratio), 0., hmax).astype(dt.dtype)
        new = (y1, f1, t + dt, t, interp_fit_dopri(y, y1, k, dt))
        y, f, t, last, polynomial = (jnp.where(ratio <= 1., a, b) for a, b in zip(
            new, (y, f, t, last, polynomial), strict=True))
        return i + 1, y, f, t, next_dt, last, polynomial

    def advance(carry: Any, target: Any) -> tuple[Any, Any]:
        def goes_on(state: Any) -> Any:
            i, _, _, t, dt, _, _ = state
            return (t < target) & (i < most) & (dt > 0)
        carry = lax.while_loop(goes_on, step, (jnp.int32(0), *carry))[1:]
        _, _, t, _, last, polynomial = carry
        place = (target - last) / jnp.where(t == last, 1, t - last)
        return carry, jnp.polyval(polynomial, place.astype(polynomial.dtype))

    later = lax.scan(advance, start, ts[1:])[1]
    return jnp.concatenate([y0[None], later])


def _forward(func: Any, rtol: Any, atol: Any, mxstep: Any, hmax: Any, y0: Any, ts: Any,
             *args: Any) -> tuple[Any, Any]:
    ys = _odeint(func, rtol, atol, mxstep, hmax, y0, ts, *args)
    return ys, (ys, ts, args)


def _backward(func: Any, rtol: Any, atol: Any, mxstep: Any, hmax: Any, residuals: Any, g: Any,
              ) -> tuple[Any, ...]:
    """Cotangents of state, times and arguments, by the adjoint equation in the time s = -t."""
    ys, ts, args = residuals
    leaves, structure = tree_util.tree_flatten(args)
    active = [issubdtype(aval_of(x).dtype, inexact) for x in leaves]
    moving = [x for x, a in zip(leaves, active, strict=True) if a]
    fixed = [x for x, a in zip(leaves, active, strict=True) if not a]

    def rate(y: Any, t: Any, moving: Any, fixed: Any) -> Any:
        parts = {True: iter(moving), False: iter(fixed)}
        return func(y, t, *structure.unflatten([next(parts[a]) for a in active]))

    def adjoint(state: Any, s: Any, moving: Any, fixed: Any) -> Any:
        y, y_bar, _, _ = state
        dy, pull = vjp(lambda y, t, xs: rate(y, t, xs, fixed), y, -s, moving)
        return (-dy, *pull(y_bar))

    def back(carry: Any, i: Any) -> tuple[Any, Any]:
        y_bar, t0_bar, moving_bar = carry
        t_bar = jnp.sum(jnp.real(rate(ys[i], ts[i], moving, fixed) * g[i])).astype(ts.dtype)
        state = (ys[i], y_bar, t0_bar - t_bar, moving_bar)
        _, y_bar, t0_bar, moving_bar = odeint(
            adjoint, state, jnp.stack([-ts[i], -ts[i - 1]]), moving, fixed, rtol=rtol, atol=atol,
            mxstep=mxstep, hmax=hmax)
        return (y_bar[1] + g[i - 1], t0_bar[1], [x[1] for x in moving_bar]), t_bar

    start = (g[-1], jnp.zeros((), ts.dtype), [jnp.zeros_like(x) for x in moving])
    (y_bar, t0_bar, moving_bar), rest = lax.scan(
        back, start, jnp.arange(len(ts) - 1, 0, -1))
    ts_bar = jnp.concatenate([t0_bar[None], rest[::-1]])
    parts = {True: iter(moving_bar), False: (np.zeros(aval_of(x).shape, float0) for x in fixed)}
    return y_bar, ts_bar, *structure.unflatten([next(parts[a]) for a in active])


_odeint.defvjp(_forward, _backward)

__all__ = [
    "abs2", "fit_4th_order_polynomial", "initial_step_size", "interp_fit_dopri",
    "mean_error_ratio", "odeint", "optimal_step_size", "ravel_first_arg", "runge_kutta_step"]
__dir__ = _listing(__name__)
