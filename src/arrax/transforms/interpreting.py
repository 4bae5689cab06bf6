"""What interpreters outside arrax ask about traces, values and jaxprs (`arrax.extend.core`)."""
from __future__ import annotations

import contextlib
import weakref
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from arrax.core import checker, errors
from arrax.core.aval import aval_of
from arrax.core.axis_env import current_axes
from arrax.core.dtypes import float0, inexact, issubdtype
from arrax.core.effects import Effects
from arrax.core.evaluate import EVAL
from arrax.core.jaxpr import ClosedJaxpr, Eqn, Jaxpr, Var, eval_jaxpr
from arrax.core.jaxpr import jaxprs_in_params as _jaxprs_in_params
from arrax.core.source_info import here
from arrax.core.trace import Trace, Tracer, current, use
from arrax.transforms.batching import BatchTrace
from arrax.transforms.staging import StagingTrace

# ---- traces --------------------------------------------------------------------------------------


class TraceTag:
    """A mark by which an interpreter knows its own tracers; all tags are equal."""

    def __hash__(self) -> int:
        return hash(TraceTag)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, TraceTag)


class OpaqueTraceState:
    """Which trace was current; equal to another one made under the same trace."""

    __slots__ = ("_trace",)
    __hash__ = None  # type: ignore[assignment]

    def __init__(self, trace: Trace):
        self._trace = weakref.ref(trace)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, OpaqueTraceState) and self._trace == other._trace

    def __repr__(self) -> str:
        return f"OpaqueTraceState({self._trace()!r})"


def get_opaque_trace_state(convention: Any = None) -> OpaqueTraceState:
    """The current state of tracing, to be compared with a later one.

    Args:
      convention: names a style of comparison; there is one, so any value means the same.
    """
    return OpaqueTraceState(current())


@contextlib.contextmanager
def take_current_trace() -> Iterator[Trace]:
    """Give the current trace, and evaluate inside the `with` block."""
    trace = current()
    with use(EVAL):
        yield trace


@contextlib.contextmanager
def set_current_trace(trace: Trace, check_leaks: bool = False) -> Iterator[None]:
    """Interpret operations inside the `with` block by `trace`.

    Args:
      check_leaks: refused: run the function under `arrax.checking_leaks()` instead.
    """
    if check_leaks:
        raise NotImplementedError("set_current_trace: check_leaks=True is not supported; use "
                                  "arrax.checking_leaks() around the transformation")
    with use(trace):
        yield


def find_top_trace(values: Any) -> Trace:
    """The current trace."""
    trace: Trace = current()
    return trace


def trace_stack() -> list[Trace]:
    """The current trace and those under it, outermost first."""
    stack = [current()]
    while getattr(stack[0], "parent", None) is not None:
        stack.insert(0, stack[0].parent)
    return stack


def under_jit() -> bool:
    """Whether a program is being staged."""
    return any(type(t) is StagingTrace for t in trace_stack())


def under_vmap() -> bool:
    """Whether a `vmap` is running its function."""
    return any(isinstance(t, BatchTrace) for t in trace_stack())


def trace_state_clean() -> bool:
    """Whether no transformation is running."""
    return current() is EVAL


def axis_names() -> list[Any]:
    """The named axes in scope, outermost first."""
    return [axis.name for axis in current_axes()]


# ---- values --------------------------------------------------------------------------------------

def valid_jaxtype(x: Any) -> bool:
    """Whether `x` can be an operand: an array, a tracer, a NumPy array or a Python scalar."""
    try:
        aval_of(x)
    except TypeError:
        return False
    return True


def concrete_or_error(force: Callable[[Any], Any] | None, val: Any, context: str = "") -> Any:
    """`force(val)` for a value that is known now; ConcretizationTypeError with `context` if not."""
    if isinstance(val, Tracer):
        value = val.concrete()
        if value is None:
            raise errors.ConcretizationTypeError(val, context)
        val = value
    return val if force is None else force(val)


def mapped_aval(size: int, axis: int | None, aval: Any) -> Any:
    """What one element of a batch looks like: `aval` without its axis `axis` of `size` elements.

    Raises ValueError if the axis has another size.
    """
    if axis is None:
        return aval
    if aval.shape[axis] != size:
        raise ValueError(f"mapped_aval: axis {axis} of {aval} has size {aval.shape[axis]}, "
                         f"expected {size}")
    return aval.update(shape=aval.shape[:axis] + aval.shape[axis % aval.ndim + 1:])


def unmapped_aval(size: int, axis: int | None, aval: Any, explicit_mesh_axis: Any = None) -> Any:
    """What a batch looks like: `aval` with one more axis of `size` elements at position `axis`."""
    if explicit_mesh_axis is not None:
        raise NotImplementedError("unmapped_aval: explicit_mesh_axis needs explicit sharding, "
                                  "which is not in this version")
    if axis is None:
        return aval
    at = axis % (aval.ndim + 1)
    return aval.update(shape=(*aval.shape[:at], size, *aval.shape[at:]))


def primal_dtype_to_tangent_dtype(primal_dtype: Any) -> Any:
    """The dtype of tangents: `float0` for integers, bools and keys."""
    return primal_dtype if issubdtype(primal_dtype, inexact) else float0


# ---- jaxprs --------------------------------------------------------------------------------------

def jaxpr_as_fun(closed_jaxpr: ClosedJaxpr, *args: Any) -> Any:
    """`closed_jaxpr` as a function of flat arguments; or, given `args`, its results there."""
    def call(*values: Any) -> list[Any]:
        return eval_jaxpr(closed_jaxpr.jaxpr, closed_jaxpr.consts, *values)
    return call(*args) if args else call


def jaxprs_in_params(params: dict[str, Any]) -> Iterator[Jaxpr]:
    """The jaxprs that the parameters of an equation carry, without their constants."""
    for found in _jaxprs_in_params(params):
        yield found.jaxpr if isinstance(found, ClosedJaxpr) else found


def subjaxprs(jaxpr: Jaxpr) -> Iterator[Jaxpr]:
    """The jaxprs that the equations of `jaxpr` carry, not those inside them."""
    for eqn in jaxpr.eqns:
        yield from jaxprs_in_params(eqn.params)


def new_jaxpr_eqn(invars: Sequence[Any], outvars: Sequence[Any], primitive: Any,
                  params: dict[str, Any], effects: Any, source_info: Any = None,
                  ctx: Any = None) -> Eqn:
    """An equation.

    Args:
      source_info: where it comes from; the caller's line if None.
      ctx: the `ctx` of another equation; flags that were set when that one was traced are in its
        params here, so nothing is taken from it.
    """
    del ctx
    known: Effects = frozenset(effects)
    return Eqn(primitive, invars, outvars, params, known, source_info or here())


def check_jaxpr(jaxpr: Jaxpr) -> None:
    """Raise JaxprTypeError if `jaxpr` is not well-formed and well-typed."""
    try:
        checker.check_jaxpr(jaxpr)
    except checker.CheckError as error:
        raise errors.JaxprTypeError(str(error)) from None


def gensym() -> Callable[[Any], Var]:
    """A function from avals to new variables."""
    return Var


def call_impl(f: Any, *args: Any, **params: Any) -> Any:
    """Call the `WrappedFun` `f`; `params` belong to the call, not to the function."""
    return f.call_wrapped(*args)

