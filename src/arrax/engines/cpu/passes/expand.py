"""Expand: an equation as a program of simpler primitives (`lowering.Expand`)."""
from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from arrax.core.array import ArrayImpl, array_of
from arrax.core.aval import aval_of
from arrax.core.dtypes import ExtendedDType, python_scalar_types
from arrax.core.jaxpr import ClosedJaxpr, Eqn, Jaxpr, Literal, Var
from arrax.core.primitive import Primitive
from arrax.core.trace import Trace, Tracer, use
from arrax.core.lowering import Expand


class _Value(Tracer):
    """A variable of the program being recorded."""

    __slots__ = ("aval", "variable")

    def __init__(self, trace: _Recorder, var: Any):
        self._trace, self.aval, self.variable = trace, var.aval, var


class _Recorder(Trace):
    """Records first-order primitives."""

    __slots__ = ("eqns", "constants")

    def __init__(self) -> None:
        self.eqns: list[Eqn] = []
        self.constants: list[tuple[Var, Any]] = []

    def process(self, primitive: Primitive, args: tuple[Any, ...], params: dict[str, Any]) -> Any:
        atoms = [self.atom(a) for a in args]
        out = primitive.result_avals([a.aval for a in atoms], params)
        avals = out if primitive.multiple_results else (out,)
        outvars = [Var(aval) for aval in avals]
        self.eqns.append(Eqn(primitive, atoms, outvars, params, primitive.effects_of(params)))
        values = [_Value(self, var) for var in outvars]
        return values if primitive.multiple_results else values[0]

    def atom(self, value: Any) -> Any:
        """A variable, a literal for a scalar, or a constant."""
        if isinstance(value, _Value):
            return value.variable
        if type(value) in python_scalar_types:
            return Literal(value, aval_of(value))
        array = value if isinstance(value, ArrayImpl) else array_of(value)
        if array.aval.ndim == 0 and not isinstance(array.aval.dtype, ExtendedDType):
            return Literal(np.asarray(array.data)[()], array.aval)
        var = Var(array.aval)
        self.constants.append((var, array))
        return var


def expand(lower: Expand, eqn: Eqn) -> ClosedJaxpr | None:
    """The program that `eqn` stands for, or None."""
    return recorded(lower.rewrite, [atom.aval for atom in eqn.invars], eqn.params)


def recorded(function: Callable[..., Any], avals: Sequence[Any], params: dict[str, Any],
             ) -> ClosedJaxpr | None:
    """What a function of values and params does, as a program, or None where it gives None."""
    trace = _Recorder()
    invars = [Var(aval) for aval in avals]
    with use(trace):
        outs = function(*[_Value(trace, var) for var in invars], **params)
    if outs is None:
        return None
    outs = outs if isinstance(outs, (list, tuple)) else [outs]
    outvars = [trace.atom(out) for out in outs]
    constvars = [var for var, _ in trace.constants]
    jaxpr = Jaxpr(constvars, invars, outvars, trace.eqns)
    return ClosedJaxpr(jaxpr, [value for _, value in trace.constants])
