"""How a distribution is written: each formula once, in standard form.

    @located("logpdf", NORMAL)
    def logpdf(z): return -(z * z + log(2π)) / 2

makes `logpdf(x, loc=0, scale=1)`, which promotes its arguments to one float dtype, takes z =
(x - loc) / scale and subtracts log(scale). A formula's further parameters are the distribution's
shape parameters; they stand between `x` and `loc`. `exponential(logpdf, "pdf")` is the density
itself. Functions are remembered (`core.remembered`), so that repeated eager calls run no Python.
"""
from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

from arrax import numpy as jnp
from arrax.core.remembered import remembered
from arrax.numpy.promotion import promote_inexact

Formula = Callable[..., Any]

_WHAT = {
    "logpdf": "The logarithm of the probability density",
    "logpmf": "The logarithm of the probability",
    "pdf": "The probability density", "pmf": "The probability",
    "cdf": "The probability of values up to `{0}`",
    "sf": "The probability of values above `{0}`",
    "logcdf": "The logarithm of the probability of values up to `{0}`",
    "logsf": "The logarithm of the probability of values above `{0}`",
    "ppf": "The value up to which a part `{0}` of the probability lies; the inverse of `cdf`",
    "isf": "The value above which a part `{0}` of the probability lies; the inverse of `sf`",
}
_QUANTILES = ("ppf", "isf")
_LOCATION = ("loc: shifts the distribution by as much.",
             "scale: widens it by the factor; positive.")


def located(kind: str, about: Distribution, *, scaled: bool = True, moved: bool = True,
            first: str | None = None) -> Callable[[Formula], Formula]:
    """A decorator: the formula of a standard distribution with `loc` and `scale` after its own
    parameters (`scaled`, `moved`: whether it has them)."""
    name = first or ("q" if kind in _QUANTILES else about.variable)

    def decorate(formula: Formula) -> Formula:
        shapes = list(inspect.signature(formula).parameters)[1:]
        extra = (["loc"] if moved else []) + (["scale"] if moved and scaled else [])

        def function(*args: Any, **kwargs: Any) -> Any:
            bound = signature.bind(*args, **kwargs)
            bound.apply_defaults()
            x, *rest = promote_inexact(f"{about.name}.{kind}", *bound.arguments.values())
            parameters, (loc, scale) = rest[:len(shapes)], _placement(rest[len(shapes):])
            if kind in _QUANTILES:
                return _placed(formula(x, *parameters), loc, scale)
            z = x if loc is None else x - loc
            value = formula(z if scale is None else z / scale, *parameters)
            return value - jnp.log(scale) if kind == "logpdf" and scale is not None else value

        signature = _signature(name, shapes, extra)
        return _named(function, kind, signature, _text(kind, about, name, shapes, extra))

    return decorate


def _placement(rest: list[Any]) -> tuple[Any, Any]:
    """(loc, scale), None for what a distribution has not."""
    return (rest[0] if rest else None, rest[1] if len(rest) > 1 else None)


def _placed(value: Any, loc: Any, scale: Any) -> Any:
    value = value if scale is None else value * scale
    return value if loc is None else value + loc


def exponential(logarithm: Formula, kind: str, about: Distribution) -> Formula:
    """The exponential of a function, with its parameters."""
    signature = inspect.signature(logarithm)

    def function(*args: Any, **kwargs: Any) -> Any:
        return jnp.exp(logarithm(*args, **kwargs))

    name, *others = signature.parameters
    shapes = [n for n in others if n not in ("loc", "scale")]
    extra = [n for n in others if n in ("loc", "scale")]
    return _named(function, kind, signature, _text(kind, about, name, shapes, extra))


class Distribution:
    """What the docstrings say of a distribution: its name (SciPy's), the variable's name, the
    meaning of its parameters, and the result of each function for the `example` arguments (of
    quantiles with 0.25 in the first one's place)."""

    def __init__(self, name: str, title: str, example: tuple[float, ...],
                 results: dict[str, float], parameters: dict[str, str] | None = None,
                 variable: str = "x", values: str = "real numbers"):
        self.name, self.title, self.example, self.results = name, title, example, results
        self.parameters, self.variable, self.values = parameters or {}, variable, values


def _signature(name: str, shapes: list[str], extra: list[str]) -> inspect.Signature:
    kind = inspect.Parameter.POSITIONAL_OR_KEYWORD
    defaults = {"loc": 0, "scale": 1}
    return inspect.Signature([
        *(inspect.Parameter(n, kind) for n in (name, *shapes)),
        *(inspect.Parameter(n, kind, default=defaults[n]) for n in extra)])


def _text(kind: str, about: Distribution, name: str, shapes: list[str], extra: list[str]) -> str:
    """The docstring."""
    values = "probabilities" if kind in _QUANTILES else about.values
    lines = [f"{name}: {values} of any shape.",
             *(f"{n}: {about.parameters[n]}" for n in shapes),
             *(line for line in _LOCATION if line.split(":")[0] in extra)]
    arguments = "\n".join(f"  {line}" for line in lines)
    first = 0.25 if kind in _QUANTILES else about.example[0]
    call = f"{kind}({', '.join(map(repr, (first, *about.example[1:])))})"
    return (f"{_WHAT[kind].format(name)}, for {about.title}.\n\nArgs:\n{arguments}\n"
            f"  All are broadcast together.\n\nExample:\n  >>> round(float({call}), 4)\n"
            f"  {about.results[kind]}\n\nSource: `scipy.stats.{about.name}`.")


def _named(function: Formula, kind: str, signature: inspect.Signature, text: str) -> Formula:
    function.__name__ = function.__qualname__ = kind
    function.__doc__ = text
    function.__signature__ = signature  # type: ignore[attr-defined]
    return remembered(function)
