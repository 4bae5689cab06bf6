"""`arrax.extend.core`: programs as data, and primitives of one's own.

Example:
  >>> from arrax.extend import core
  >>> closed = arrax.make_jaxpr(jnp.sin)(1.0)
  >>> [eqn.primitive.name for eqn in closed.jaxpr.eqns]
  ['sin']
  >>> core.jaxpr_as_fun(closed)(0.0)
  [Array(0., dtype=float32, weak_type=True)]
"""
from arrax.core.aval import AbstractToken
from arrax.core.array import ArrayImpl as _ArrayImpl
from arrax.core.dtypes import python_scalar_types as _python_scalar_types
from arrax.core.effects import Effect, Effects, no_effects
from arrax.core.errors import InconclusiveDimensionOperation, JaxprTypeError
from arrax.core.jaxpr import ClosedJaxpr, DebugInfo, DropVar, Jaxpr, Literal, Var
from arrax.core.jaxpr import Eqn as JaxprEqn
from arrax.core.lazy import listing as _listing
from arrax.core.scalar_types import all_dtypes as _all_dtypes
from arrax.core.trace import Tracer as _Tracer
from arrax.extend.core import primitives
from arrax.transforms.closed_calls import CallPrimitive
from arrax.transforms.interpreting import (
    TraceTag,
    call_impl,
    check_jaxpr,
    concrete_or_error,
    find_top_trace,
    gensym,
    get_opaque_trace_state,
    jaxpr_as_fun,
    jaxprs_in_params,
    mapped_aval,
    new_jaxpr_eqn,
    primal_dtype_to_tangent_dtype,
    set_current_trace,
    subjaxprs,
    take_current_trace,
    unmapped_aval,
    valid_jaxtype,
)
from arrax.transforms.interpreting import axis_names as unsafe_get_axis_names_DO_NOT_USE
from arrax.transforms.interpreting import under_jit as unsafe_am_i_under_a_jit_DO_NOT_USE
from arrax.transforms.interpreting import under_vmap as unsafe_am_i_under_a_vmap_DO_NOT_USE
from arrax.transforms.user_primitives import UserPrimitive as Primitive

array_types = {_ArrayImpl, _Tracer, *_python_scalar_types, *(d.type for d in _all_dtypes)}


def nonempty_axis_env_DO_NOT_USE() -> bool:
    """Whether a named axis is in scope."""
    return bool(unsafe_get_axis_names_DO_NOT_USE())


__all__ = [
    "AbstractToken", "CallPrimitive", "ClosedJaxpr", "DebugInfo", "DropVar", "Effect",
    "Effects", "InconclusiveDimensionOperation", "Jaxpr", "JaxprEqn", "JaxprTypeError",
    "Literal", "Primitive", "TraceTag", "Var", "array_types", "call_impl", "check_jaxpr",
    "concrete_or_error", "find_top_trace", "gensym", "get_opaque_trace_state", "jaxpr_as_fun",
    "jaxprs_in_params", "mapped_aval", "new_jaxpr_eqn", "no_effects",
    "nonempty_axis_env_DO_NOT_USE", "primal_dtype_to_tangent_dtype", "primitives",
    "set_current_trace", "subjaxprs", "take_current_trace", "unmapped_aval",
    "unsafe_am_i_under_a_jit_DO_NOT_USE", "unsafe_am_i_under_a_vmap_DO_NOT_USE",
    "unsafe_get_axis_names_DO_NOT_USE", "valid_jaxtype"]

__dir__ = _listing(__name__)
