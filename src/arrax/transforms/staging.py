"""Staging: a Python function becomes a jaxpr.

`StagingTrace` records every primitive bound while it is current, constants included. Values that
are not its own tracers enter as literals (scalars) or constvars (arrays, tracers of outer traces).
Invariant: a trace is `alive` while its function runs; later uses of its tracers are leaks.
"""
from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np

from arrax.core import config, source_info, spread, user_types
from arrax.core.array import ArrayImpl, array_of
from arrax.core.aval import aval_of
from arrax.core.axis_env import checked_axes
from arrax.core.checker import check_jaxpr
from arrax.core.dtypes import ExtendedDType, python_scalar_types
from arrax.core.evaluate import EVAL, leaked_tracer_error
from arrax.core.jaxpr import (ClosedJaxpr, DebugInfo, DropVar, Eqn, Jaxpr, Literal, Var,
                              no_debug_info)
from arrax.core.leaks import refuse_leaks
from arrax.core.mesh import current_mesh
from arrax.core.primitive import BY_TYPES, Primitive
from arrax.core.printer import eqn_text
from arrax.core.trace import Trace, Tracer, current, use
from arrax.ops.varying import aligned, varying_results


class _Local(threading.local):
    """Whether this thread is inside `constants_evaluated`."""

    evaluates_constants = False


_local = _Local()


@contextlib.contextmanager
def constants_evaluated() -> Iterator[None]:
    """Inside, operations without traced operands are evaluated at once instead of recorded."""
    before = _local.evaluates_constants
    _local.evaluates_constants = True
    try:
        yield
    finally:
        _local.evaluates_constants = before


class OuterRefs(ValueError):
    """A staged function reads or writes `refs` that were made outside of it (`refs.py`)."""

    def __init__(self, refs: Sequence[Any], debug_info: DebugInfo):
        super().__init__(
            f"the function {debug_info.func_name} traced for {debug_info.traced_for} uses a Ref "
            f"that was made outside of it ({refs[0].aval}): this is possible under jit, scan, "
            "while_loop, fori_loop, cond, switch and checkpoint, and where the Ref is an argument "
            "of functions under jit, vmap and checkpoint. Elsewhere read the Ref before "
            "(ref[...]) and write it afterwards.")
        self.refs = tuple(refs)


class JitTracer(Tracer):
    """A value of a program that is being staged."""

    __slots__ = ("aval", "variable")

    def __init__(self, trace: StagingTrace, aval: Any, var: Var):
        self._trace = trace
        self.aval = aval
        self.variable = var

    def origin(self) -> str:
        return self._trace.explain(self.variable)  # type: ignore[attr-defined,no-any-return]


class StagingTrace(Trace):
    """Records equations."""

    __slots__ = ("eqns", "invars", "constants", "debug_info", "alive", "tracer_class", "eager",
                 "cells", "outer_refs", "checked", "mesh")

    def __init__(self, debug_info: DebugInfo = no_debug_info, tracer_class: Any = JitTracer,
                 eager: bool = False):
        self.eager = eager  # whether the program will be evaluated equation by equation
        self.eqns: list[Eqn] = []
        self.invars: list[Var] = []
        self.constants: dict[int, tuple[Any, Var]] = {}
        self.debug_info = debug_info
        self.alive = True
        self.checked = bool(checked_axes())  # whether types tell how values vary over mesh axes
        mesh = current_mesh()
        # Types tell how values are split over the explicit axes of this mesh.
        self.mesh: Any = mesh.abstract_mesh if mesh.explicit_axes else None
        self.tracer_class = tracer_class
        self.cells: dict[Any, Any] = {}  # values of refs that were made outside (`refs.py`)
        self.outer_refs: list[Any] = []  # those of them whose values are no arguments

    def new_arg(self, aval: Any) -> Any:
        """A tracer for the next input."""
        if self.mesh is None and getattr(aval, "located", None) is not None:
            self.mesh = aval.located.mesh
        var = Var(aval)
        self.invars.append(var)
        return self.tracer_class(self, aval, var)

    def process(self, primitive: Primitive, args: tuple[Any, ...], params: dict[str, Any]) -> Any:
        if _local.evaluates_constants and not any(isinstance(a, Tracer) for a in args):
            with use(EVAL):
                return primitive.bind(*args, **params)
        if primitive.stage is not None:
            return primitive.stage(self, args, params)
        return self.record(primitive, args, params)

    def record(self, primitive: Primitive, args: Sequence[Any], params: dict[str, Any]) -> Any:
        """Append the equation of `primitive` and return tracers of its results."""
        if self.checked and primitive.varying is not BY_TYPES:
            args = aligned(primitive, args, params)
        atoms = [self.atom(a) for a in args]
        out = primitive.result_avals([a.aval for a in atoms], params)
        if self.checked:
            out = varying_results(primitive, atoms, params, out)
        if self.mesh is not None:
            out = spread.typed_results(primitive, atoms, params, out, self.mesh)
        avals = out if primitive.multiple_results else (out,)
        outvars = [Var(aval) for aval in avals]
        effects = primitive.effects_of(params) if primitive.effects else primitive.effects
        self.eqns.append(Eqn(primitive, atoms, outvars, params, effects, self.source()))
        kind = self.tracer_class
        if primitive.multiple_results:
            return [kind(self, v.aval, v) for v in outvars]
        return kind(self, out, outvars[0])

    def source(self) -> source_info.SourceInfo:
        """Where the equation that is being recorded comes from."""
        return source_info.here()

    def atom(self, value: Any) -> Var | Literal:
        """The variable of one of our tracers, or a literal or constvar for anything else."""
        if isinstance(value, Tracer):
            if value._trace is self:
                return value.variable  # type: ignore[attr-defined,no-any-return]
            if not getattr(value._trace, "alive", True):
                raise leaked_tracer_error(value)
            return self._constant(value)
        if type(value) in python_scalar_types:
            return Literal(value, aval_of(value))
        if not isinstance(value, (ArrayImpl, np.ndarray, np.generic)):
            if type(value) in user_types.abstract_types:
                return self._constant(value)
            value = array_of(value)
            if isinstance(value, Tracer):  # what `__jax_array__` gave
                return self.atom(value)
        aval = aval_of(value)
        if aval.ndim == 0 and not isinstance(aval.dtype, ExtendedDType) and aval.dtype.itemsize:
            if not isinstance(value, ArrayImpl):
                value = np.asarray(value, aval.dtype)[()]
            return Literal(value, aval)
        return self._constant(value if aval.dtype.itemsize == 0 else array_of(value))

    def _constant(self, value: Any) -> Var:
        known = self.constants.get(id(value))
        if known is None:
            aval = aval_of(value)
            if self.mesh is None and getattr(aval, "located", None) is not None:
                self.mesh = aval.located.mesh
            known = self.constants[id(value)] = (value, Var(aval))
        return known[1]

    def to_tracer(self, value: Any) -> Any:
        """`value` as a tracer of this trace."""
        if isinstance(value, Tracer) and value._trace is self:
            return value
        var = self.atom(value)
        if type(var) is Literal:
            var = self._constant(array_of(value))
        return self.tracer_class(self, var.aval, var)

    def to_jaxpr(self, outs: Sequence[Any]) -> tuple[Jaxpr, list[Any]]:
        """The jaxpr that computes `outs`, and the values of its constvars."""
        outvars = [self.atom(o) for o in outs]
        used: set[Any] = set(outvars)
        for eqn in self.eqns:
            used.update(eqn.invars)
        for eqn in self.eqns:
            if not used.issuperset(eqn.outvars):
                eqn.outvars = [v if v in used else DropVar(v.aval) for v in eqn.outvars]
        constvars = [var for _, var in self.constants.values()]
        consts = [value for value, _ in self.constants.values()]
        return Jaxpr(constvars, self.invars, outvars, self.eqns,
                     debug_info=self.debug_info), consts

    # ---- messages ----

    def explain(self, var: Var) -> str:
        """Which arguments or operations made `var` abstract."""
        info = self.debug_info
        at = f" at {info.func_location}" if info.func_location else ""
        head = (f"The error occurred while tracing the function {info.func_name}{at} "
                f"for {info.traced_for}. ")
        arguments, operations = self._progenitors(var)
        if arguments:
            names = [info.arg_name(i) for i in arguments]
            s = "s" if len(names) > 1 else ""
            return (head + "This concrete value was not available in Python because it depends on "
                    f"the value{s} of the argument{s} {_and(names)}.")
        if operations:
            lines = "\n".join(f"\n  operation {eqn_text(e)}\n    from line {e.source_info}"
                              for e in operations[:5])
            more = "\n(Additional originating lines are not shown.)" if len(operations) > 5 else ""
            return (head + "This value became a tracer due to JAX operations on these lines:\n"
                    f"{lines}{more}")
        return head.rstrip()

    def _progenitors(self, var: Var) -> tuple[list[int], list[Eqn]]:
        """The inputs that `var` depends on, and the equations without traced operands."""
        made_by = {v: e for e in self.eqns for v in e.outvars}
        positions = {v: i for i, v in enumerate(self.invars)}
        constants = {v for _, v in self.constants.values()}
        arguments: set[int] = set()
        operations: dict[int, Eqn] = {}
        stack, seen = [var], {var}
        while stack:
            v = stack.pop()
            if v in positions:
                arguments.add(positions[v])
            elif v in made_by:
                eqn = made_by[v]
                operands = [x for x in eqn.invars if type(x) is not Literal and x not in constants]
                if not operands:
                    operations[id(eqn)] = eqn
                for operand in operands:
                    if operand not in seen:
                        seen.add(operand)
                        stack.append(operand)
        return sorted(arguments), list(operations.values())


def _and(names: Sequence[str]) -> str:
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"


def trace_to_jaxpr(fun: Callable[..., Sequence[Any]], in_avals: Sequence[Any],
                   debug_info: DebugInfo = no_debug_info, eager: bool = False) -> ClosedJaxpr:
    """Stage `fun`, a function of flat arguments to a flat sequence, at `in_avals`.

    The consts of the result may be tracers of outer traces: `hoist_consts` makes them operands.
    """
    trace = StagingTrace(debug_info, eager=eager)
    closed = _staged(trace, fun, in_avals)
    refuse_leaks(trace)
    if config.enable_checks.value:
        check_jaxpr(closed, weak_types=True)
    return closed


def _staged(trace: StagingTrace, fun: Callable[..., Sequence[Any]],
            in_avals: Sequence[Any]) -> ClosedJaxpr:
    try:
        with use(trace):
            outs = fun(*[trace.new_arg(aval) for aval in in_avals])
            if trace.outer_refs:
                raise OuterRefs(trace.outer_refs, trace.debug_info)
            return ClosedJaxpr(*trace.to_jaxpr(outs))
    finally:
        trace.alive = False
        trace.cells.clear()  # the values would count as leaks


def stages_eager_call() -> bool:
    """Whether the current trace records an eager call: what is fast in NumPy is right then, too."""
    return getattr(current(), "eager", False)


def hoist_consts(closed: ClosedJaxpr, only_tracers: bool = False) -> tuple[ClosedJaxpr, list[Any]]:
    """Make consts leading inputs; returns the jaxpr and the values to pass for them."""
    chosen = [not only_tracers or isinstance(c, Tracer) for c in closed.consts]
    if not any(chosen):
        return closed, []
    jaxpr = closed.jaxpr
    moved = [v for v, c in zip(jaxpr.constvars, chosen, strict=True) if c]
    kept = [v for v, c in zip(jaxpr.constvars, chosen, strict=True) if not c]
    names = ("",) * len(moved)
    info = jaxpr.debug_info
    new = Jaxpr(kept, [*moved, *jaxpr.invars], jaxpr.outvars, jaxpr.eqns, jaxpr.effects,
                info.with_leading_names(names))
    consts = [value for value, c in zip(closed.consts, chosen, strict=True) if not c]
    return ClosedJaxpr(new, consts), [v for v, c in zip(closed.consts, chosen, strict=True) if c]
