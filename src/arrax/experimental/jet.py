"""`arrax.experimental.jet`: Taylor mode, derivatives of higher order along a curve.

For a curve x(t) with derivatives x', x'', … at t = 0, `jet` gives the derivatives of f(x(t)), in
one pass that costs the square of the order, where nested `jvp`s cost an exponential. All operations
that have a JVP rule are covered, see `transforms.power_series`. This module adds what happens to
control flow (the series become further operands of `cond`, and further carries of loops), rules
that programs bring of their own, and two scalings: derivatives (`jet`) and coefficients (`jet2`).

Source: `jax.experimental.jet`.
"""
from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

from arrax import lax, tree_util
from arrax import numpy as jnp
from arrax.control.cond_rules import cond_p
from arrax.control.scan_rules import scan_p
from arrax.control.while_rules import while_p
from arrax.core.aval import aval_of
from arrax.core.dtypes import inexact, issubdtype
from arrax.core.jaxpr import ClosedJaxpr, jaxpr_as_fun
from arrax.core.lazy import listing as _listing
from arrax.core.primitive import Primitive
from arrax.transforms.power_series import SeriesTrace, expand

Rule = Callable[..., tuple[Any, Any]]


class ZeroTerm:
    """The type of `zero_term`: a coefficient that is zero."""


class ZeroSeries:
    """The type of `zero_series`: the series of a value that does not change."""


zero_term = ZeroTerm()
zero_series = ZeroSeries()

# Rules of programs: `rule(primals, series, **params)` gives the result and its coefficients for
# operands and theirs. They go before the general way. (Rules for arrax's own primitives follow
# from their JVP rules, and are not in here.)
jet_rules: dict[Any, Rule] = {}


def jet(fun: Callable[..., Any], primals: Any, series: Any, factorial_scaled: bool = True,
        **_: Any) -> tuple[Any, Any]:
    """A function's value and derivatives along curves.

    Args:
      fun: a function of arrays, with a pytree of arrays as result.
      primals: a tuple of arrays, the points at t = 0, one for each argument.
      series: a tuple with a list for each argument: the first, second, … derivative by t of its
        curve, of the argument's shape and dtype. All lists have one length. Those of integers
        and bools are not looked at.
      factorial_scaled: whether terms are derivatives; else they are coefficients, the derivatives
        divided by 1!, 2!, ….

    Returns: (the value, its terms): the result's pytree, with a list of terms for each array.

    Errors: ValueError for primals or terms that are no arrays, and lists of different lengths.

    Example:
      >>> y, terms = jet(lambda x: x ** 3, (2.,), ([1., 0., 0.],))
      >>> print(y, *terms)
      8.0 12.0 12.0 6.0

    Source: `jax.experimental.jet.jet`.
    """
    values, terms = _checked(primals, series)
    order = max(map(len, terms), default=0)
    scales = [float(math.factorial(k + 1)) if factorial_scaled else 1. for k in range(order)]
    coefficients = [[t if s == 1 else t / s for t, s in zip(ts, scales, strict=True)]
                    for ts in terms]
    tree: list[Any] = []

    def flat(*args: Any) -> list[Any]:
        leaves, structure = tree_util.tree_flatten(fun(*args))
        tree.append(structure)
        return leaves

    usable = [ts if issubdtype(aval_of(x).dtype, inexact) else None
              for x, ts in zip(values, coefficients, strict=True)]
    outs, found = expand(flat, values, usable, _forms())
    results = [[jnp.zeros_like(out, dtype=_term_dtype(out))] * order if ts is None else
               [t if s == 1 else t * s for t, s in zip(ts, scales, strict=True)]
               for out, ts in zip(outs, found, strict=True)]
    return tree_util.tree_unflatten(tree[0], outs), tree_util.tree_unflatten(tree[0], results)


def jet2(fun: Callable[..., Any], primals: Any, series: Any, *, factorial_scaled: bool = False,
         **_: Any) -> tuple[Any, Any]:
    """`jet` on coefficients: terms are derivatives divided by factorials.

    Example:
      >>> y, terms = jet2(lambda x: x ** 3, (2.,), ([1., 0., 0.],))
      >>> print(y, *terms)
      8.0 12.0 6.0 1.0

    Source: `jax.experimental.jet.jet2`.
    """
    return jet(fun, primals, series, factorial_scaled=factorial_scaled)


def fact(n: Any) -> Any:
    """The factorial of `n`, a float."""
    return lax.exp(lax.lgamma(n + 1.))


def _checked(primals: Any, series: Any) -> tuple[list[Any], list[list[Any]]]:
    primals, series = list(primals), list(series)
    for i, x in enumerate(primals):
        _check_array(x, f"primal value at position {i}")
    if len({len(ts) for ts in series}) > 1 or len(series) != len(primals):
        raise ValueError("jet terms have inconsistent lengths for different arguments: "
                         f"{[len(ts) for ts in series]} for {len(primals)} arguments")
    terms = []
    for i, (x, ts) in enumerate(zip(primals, series, strict=True)):
        aval, found = aval_of(x), []
        for j, t in enumerate(ts):
            if t is zero_term:
                t = jnp.zeros_like(x)
            _check_array(t, f"term {j} for argument {i}")
            if aval_of(t).shape != aval.shape:
                raise ValueError(f"term {j} for argument {i} has shape {aval_of(t).shape}, "
                                 f"expected that of the argument, {aval.shape}")
            found.append(lax.convert_element_type(t, aval.dtype)
                         if issubdtype(aval.dtype, inexact) else t)
        terms.append(found)
    return primals, terms


def _check_array(x: Any, what: str) -> None:
    try:
        aval_of(x)
    except TypeError:
        raise ValueError(f"{what} is not an array") from None


def _term_dtype(out: Any) -> Any:
    dtype = aval_of(out).dtype
    return dtype if issubdtype(dtype, inexact) else jnp.result_type(float)


# ---- rules of programs -------------------------------------------------------------------------

def deflinear(prim: Any) -> None:
    """Let a primitive be linear: terms pass through it one by one."""
    jet_rules[prim] = partial(linear_prop, prim)


def defzero(prim: Any) -> None:
    """Let a primitive be piecewise constant."""
    jet_rules[prim] = partial(zero_prop, prim)


def def_deriv(prim: Any, deriv: Callable[..., Any]) -> None:
    """Give the derivative, a function, of a primitive of one operand."""
    jet_rules[prim] = partial(deriv_prop, prim, deriv)


def def_comp(prim: Any, comp: Callable[..., Any], **kwargs: Any) -> None:
    """Let the function `comp`, called with `kwargs`, stand for a primitive."""
    jet_rules[prim] = lambda primals, series, **params: jet2(
        partial(comp, **kwargs, **params), primals, series)


def linear_prop(prim: Any, primals_in: Any, series_in: Any, **params: Any) -> tuple[Any, Any]:
    """The rule of linear primitives."""
    terms = [prim.bind(*ts, **params) for ts in zip(*series_in, strict=True)]
    out = prim.bind(*primals_in, **params)
    return out, [list(ts) for ts in zip(*terms, strict=True)] if prim.multiple_results else terms


def zero_prop(prim: Any, primals_in: Any, series_in: Any, **params: Any) -> tuple[Any, Any]:
    """The rule of piecewise constant primitives."""
    return prim.bind(*primals_in, **params), zero_series


def deriv_prop(prim: Any, deriv: Callable[..., Any], primals_in: Any, series_in: Any,
               ) -> tuple[Any, Any]:
    """The rule of a primitive of one operand with the derivative `deriv`: y' = f'(x) x'."""
    (terms,) = series_in
    slope, slopes = jet2(deriv, primals_in, (terms[:-1],))
    factors = [slope, *slopes]
    found = [sum((j * terms[j - 1] * factors[k - j] for j in range(1, k + 1)), 0) / k
             for k in range(1, len(terms) + 1)]
    return prim.bind(*primals_in), found


def _by_rule(rule: Rule, trace: SeriesTrace, primitive: Primitive, args: Sequence[Any],
             params: dict[str, Any]) -> Any:
    """An operation by a rule as programs write them, on the terms that all operands have."""
    order = _order(trace, args)
    primals = [x.primal if trace.has(x) else x for x in args]
    series = [x.all_terms()[:order] if trace.has(x) else [jnp.zeros_like(x)] * order for x in args]
    outs, terms = rule(primals, series, **params)
    if not primitive.multiple_results:
        outs, terms = [outs], [terms]
    elif terms is zero_series:
        terms = [zero_series] * len(outs)
    made = [out if ts is zero_series else trace.series(out, order, partial(_term_of, ts))
            for out, ts in zip(outs, terms, strict=True)]
    return made if primitive.multiple_results else made[0]


def _term_of(terms: Sequence[Any], k: int) -> Any:
    return terms[k - 1]


# ---- control flow ------------------------------------------------------------------------------
# Values with series are spread: each is followed by its terms. `counts` says how many each has.

def _order(trace: SeriesTrace, args: Sequence[Any]) -> int:
    orders: list[int] = [x.order for x in args if trace.has(x)]
    return min(orders)


def _spread(trace: SeriesTrace, args: Sequence[Any], order: int, everywhere: bool = False,
            ) -> tuple[list[Any], list[int]]:
    """Values with their terms, and the counts; with `everywhere`, all that can have terms do."""
    flat: list[Any] = []
    counts = []
    for x in args:
        if trace.has(x):
            terms = [_strong(t) for t in x.all_terms()[:order]]
        else:
            terms = _zeros(x, order) if everywhere else []
        flat += [x.primal if trace.has(x) else x, *terms]
        counts.append(len(terms))
    return flat, counts


def _zeros(x: Any, order: int) -> list[Any]:
    dtype = aval_of(x).dtype
    return [jnp.zeros(aval_of(x).shape, dtype)] * order if issubdtype(dtype, inexact) else []


def _strong(t: Any) -> Any:
    return lax.convert_element_type(t, aval_of(t).dtype)


def _gathered(flat: Sequence[Any], counts: Sequence[int]) -> tuple[list[Any], list[list[Any]]]:
    """Values and their terms, from spread ones."""
    rest, primals, series = iter(flat), [], []
    for count in counts:
        primals.append(next(rest))
        series.append([next(rest) for _ in range(count)])
    return primals, series


def _tracers(trace: SeriesTrace, flat: Sequence[Any], counts: Sequence[int]) -> list[Any]:
    return [trace.series(x, len(ts), partial(_term_of, ts))
            for x, ts in zip(*_gathered(flat, counts), strict=True)]


def _counts(closed: ClosedJaxpr, order: int) -> list[int]:
    return [order if issubdtype(a.dtype, inexact) else 0 for a in closed.out_avals]


def _program(closed: ClosedJaxpr, counts: Sequence[int], order: int) -> Callable[..., list[Any]]:
    """A jaxpr as a function of spread values; all results that can have terms do."""
    def run(*flat: Any) -> list[Any]:
        outs, series = expand(jaxpr_as_fun(closed), *_gathered(flat, counts), _forms())
        results: list[Any] = []
        for out, terms in zip(outs, series, strict=True):
            results += [out, *(_zeros(out, order) if terms is None else map(_strong, terms))]
        return results
    return run


def _cond(trace: SeriesTrace, primitive: Primitive, args: Sequence[Any], params: dict[str, Any],
          ) -> list[Any]:
    index, *operands = args
    order = _order(trace, operands)
    flat, counts = _spread(trace, operands, order)
    branches = params["branches"]
    outs = lax.switch(index, [_program(b, counts, order) for b in branches], *flat)
    return _tracers(trace, outs, _counts(branches[0], order))


def _scan(trace: SeriesTrace, primitive: Primitive, args: Sequence[Any], params: dict[str, Any],
          ) -> list[Any]:
    heads, carries = params["num_consts"], params["num_carry"]
    order = _order(trace, args)
    consts, const_counts = _spread(trace, args[:heads], order)
    init, carry_counts = _spread(trace, args[heads:heads + carries], order, everywhere=True)
    xs, x_counts = _spread(trace, args[heads + carries:], order)
    body = _program(params["jaxpr"], [*const_counts, *carry_counts, *x_counts], order)

    def step(state: Any, x: Any) -> tuple[Any, Any]:
        outs = body(*consts, *state, *x)
        return tuple(outs[:len(init)]), tuple(outs[len(init):])
    last, ys = lax.scan(step, tuple(init), tuple(xs), params["length"], params["reverse"],
                        params["unroll"])
    return _tracers(trace, [*last, *ys], _counts(params["jaxpr"], order))


def _while(trace: SeriesTrace, primitive: Primitive, args: Sequence[Any], params: dict[str, Any],
           ) -> list[Any]:
    conds, bodies = params["cond_nconsts"], params["body_nconsts"]
    order = _order(trace, args)
    head = [x.primal if trace.has(x) else x for x in args[:conds]]
    consts, const_counts = _spread(trace, args[conds:conds + bodies], order)
    init, counts = _spread(trace, args[conds + bodies:], order, everywhere=True)
    holds = jaxpr_as_fun(params["cond_jaxpr"])
    body = _program(params["body_jaxpr"], [*const_counts, *counts], order)
    last = lax.while_loop(lambda state: holds(*head, *_gathered(state, counts)[0])[0],
                          lambda state: tuple(body(*consts, *state)), tuple(init))
    return _tracers(trace, last, counts)


def _forms() -> dict[Primitive, Any]:
    return {cond_p: _cond, scan_p: _scan, while_p: _while,
            **{prim: partial(_by_rule, rule) for prim, rule in jet_rules.items()}}

__all__ = [
    "ZeroSeries", "ZeroTerm", "def_comp", "def_deriv", "deflinear", "defzero", "deriv_prop",
    "fact", "jet", "jet2", "jet_rules", "linear_prop", "zero_prop", "zero_series", "zero_term"]
__dir__ = _listing(__name__)
