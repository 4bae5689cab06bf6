"""Running equations that carry jaxprs on concrete values."""
from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from arrax.core import config
from arrax.core.array import array_of, with_aval
from arrax.core.aval import aval_of
from arrax.core.caching import memoize_on_jaxpr
from arrax.core.evaluate import EVAL
from arrax.core.jaxpr import ClosedJaxpr, Eqn, Jaxpr, Var, eval_jaxpr
from arrax.core.primitive import Primitive
from arrax.core.trace import Tracer, use
from arrax.core.engine import engines
from arrax.transforms.traced_programs import compiled


def run_eagerly(closed: ClosedJaxpr, args: Sequence[Any]) -> list[Any]:
    """Evaluate a jaxpr operation by operation; arrays in, arrays out."""
    with use(EVAL):
        return [array_of(o) for o in eval_jaxpr(closed.jaxpr, closed.consts, *args)]


def wrapped(data: Sequence[Any], avals: Sequence[Any]) -> list[Any]:
    """Storage arrays as Arrays of the given avals."""
    return [with_aval(x, aval) for x, aval in zip(data, avals, strict=True)]


def execute_compiled(primitive: Primitive, carried: ClosedJaxpr, args: Sequence[Any],
                     params: dict[str, Any]) -> list[Any]:
    """Run an equation of `primitive` by the engine; compiled once for each `carried` jaxpr,
    operand types and params. Without an engine it is evaluated."""
    arrays = [array_of(a) for a in args]
    if not engines():
        with use(EVAL):
            outs = primitive.evaluate(*(a.data for a in arrays), **params)
        avals = primitive.type_rule(*(a.aval for a in arrays), **params)
        return wrapped(outs, avals)
    program = _equation_program(carried, primitive, tuple(a.aval for a in arrays),
                                tuple(sorted(params.items())))
    return compiled(program, primitive.name)(arrays)


@memoize_on_jaxpr
def _equation_program(carried: ClosedJaxpr, primitive: Primitive, avals: tuple[Any, ...],
                      params: tuple[Any, ...]) -> ClosedJaxpr:
    keywords = dict(params)
    invars = [Var(a) for a in avals]
    outvars = [Var(a) for a in primitive.result_avals(list(avals), keywords)]
    eqn = Eqn(primitive, invars, outvars, keywords, primitive.effects_of(keywords))
    return ClosedJaxpr(Jaxpr([], invars, outvars, [eqn], debug_info=carried.jaxpr.debug_info))


def runs_as_python() -> bool:
    """Whether `disable_jit` asks for plain Python loops and branches."""
    return bool(config.disable_jit.value)


def avals_of(values: Sequence[Any]) -> list[Any]:
    return [aval_of(v) for v in values]


def is_plain(value: Any) -> bool:
    """Whether a value is a Python or NumPy scalar or a concrete array, so known now."""
    return not isinstance(value, Tracer)


def concrete_or_none(value: Any) -> Any:
    """The concrete value, also of one that is being differentiated; None if there is none."""
    return value.concrete() if isinstance(value, Tracer) else value
