"""`minimize`, and what it returns."""
from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import numpy as np

from arrax import numpy as jnp
from arrax.scipy.optimize import bfgs


class OptimizeResults(NamedTuple):
    """What a minimization found.

    Fields:
      x: the last point. success: whether it is taken for a minimum. status: 0 for success, else why
      it ended (1: as many steps as were allowed, 2: values, 3: gradients, 4: the value does not
      decrease any more, 5: no step along the direction helps). fun, jac: value and gradient at `x`.
      hess_inv: the inverse Hessian as the method knows it (None for L-BFGS). nfev, njev, nit:
      values, gradients and steps that were computed.

    Example:
      >>> minimize(lambda x: jnp.sum(x ** 2), jnp.ones(1), method="BFGS").success
      Array(True, dtype=bool)

    Source: `scipy.optimize.OptimizeResult`.
    """

    x: Any
    success: Any
    status: Any
    fun: Any
    jac: Any
    hess_inv: Any | None
    nfev: Any
    njev: Any
    nit: Any


_LIMITED = "l-bfgs-experimental-do-not-rely-on-this"
_OPTIONS = {
    "bfgs": {"maxiter", "norm", "gtol", "line_search_maxiter"},
    _LIMITED: {"maxiter", "norm", "maxcor", "ftol", "gtol", "maxfun", "maxgrad", "maxls"},
}


def minimize(fun: Callable[..., Any], x0: Any, args: tuple[Any, ...] = (), *, method: str,
             tol: float | None = None, options: Mapping[str, Any] | None = None) -> OptimizeResults:
    """A local minimum of a function of a vector, by a quasi-Newton method.

    It compiles and maps (`vmap`) as any other function; it is not to be differentiated in reverse
    (differentiate the condition of the minimum instead).

    Args:
      fun: `fun(x, *args)` → a real scalar; differentiable by arrax.
      x0: the point to start from, of shape (n,), a float.
      args: further arguments of `fun`.
      method: "BFGS", or "l-bfgs-experimental-do-not-rely-on-this" for many variables.
      tol: the tolerance of the gradient, in place of the option `gtol`.
      options: for BFGS `maxiter` (200 n), `gtol` (1e-5), `norm` (inf), `line_search_maxiter` (10);
        for L-BFGS also `maxcor` (10 updates kept), `ftol` (2.2e-9: least relative decrease),
        `maxfun`, `maxgrad`, and `maxls` (20) for the line search.

    Returns: `OptimizeResults`.

    Errors: TypeError for `args` that is no tuple, for options that the method does not have and for
    functions that do not return a scalar; ValueError for other methods and for `x0` of another
    rank.

    Example:
      >>> result = minimize(lambda x: jnp.sum((x - 3.) ** 2), jnp.zeros(2), method="BFGS")
      >>> result.x.round(3)
      Array([3., 3.], dtype=float32)

    Source: `scipy.optimize.minimize`.
    """
    if not isinstance(args, tuple):
        raise TypeError(f"args argument to minimize must be a tuple, got {args}")
    name = method.lower()
    if name not in _OPTIONS:
        raise ValueError(f"Method {method} not recognized; expected 'BFGS' or {_LIMITED!r}")
    options = dict(options or {})
    unknown = sorted(set(options) - _OPTIONS[name])
    if unknown:
        raise TypeError(f"minimize: method {method} has no option {', '.join(unknown)}; it has "
                        f"{', '.join(sorted(_OPTIONS[name]))}")
    x = jnp.asarray(x0)
    if x.ndim != 1:
        raise ValueError(f"minimize: x0 must be a vector, got shape {x.shape}")
    if not jnp.issubdtype(x.dtype, jnp.inexact):
        raise TypeError(f"minimize: x0 must have a floating point dtype, got {x.dtype}")

    def scalar(x: Any) -> Any:
        return fun(x, *args)
    limits = _limits(name, options, x.shape[0], tol)
    if name == "bfgs":
        found = bfgs.run(scalar, x, bfgs.dense_memory(x), bfgs.dense_direction, bfgs.dense_update,
                         limits)
    else:
        found = bfgs.run(scalar, x, bfgs.limited_memory(x, int(options.get("maxcor", 10))),
                         bfgs.limited_direction, bfgs.limited_update, limits)
    success = found.status == bfgs.CONVERGED
    if name != "bfgs":  # as with SciPy's, no further decrease is what was asked for
        success = success | (found.status == bfgs.STALLED)
    return OptimizeResults(
        x=found.x, success=success, status=found.status, fun=found.value, jac=found.gradient,
        hess_inv=found.memory if name == "bfgs" else None, nfev=found.evaluations,
        njev=found.evaluations, nit=found.steps)


def _limits(name: str, options: Mapping[str, Any], n: int, tol: float | None) -> bfgs.Limits:
    def given(option: str, default: Any) -> Any:
        value = options.get(option)
        return default if value is None else value
    whole = np.iinfo(np.int32).max
    return bfgs.Limits(
        gradient=tol if tol is not None else given("gtol", 1e-5), norm=given("norm", np.inf),
        decrease=given("ftol", 2.220446049250313e-09) if name != "bfgs" else -np.inf,
        steps=given("maxiter", 200 * n if name == "bfgs" else whole),
        evaluations=given("maxfun", whole), gradients=given("maxgrad", whole),
        search=int(given("line_search_maxiter", 10) if name == "bfgs" else given("maxls", 20)))
