"""The bottom trace: primitives on concrete arrays, by NumPy.

Invariant: arrays are immutable, so `evaluate` rules may return views; nobody writes `Array.data`.
"""
from __future__ import annotations

import threading
from typing import Any

import numpy as np

from arrax import _native
from arrax.core import config, dtypes, errors, spread
from arrax.core.array import ArrayImpl, array_of, from_numpy, placed_array, with_aval
from arrax.core.aval import aval_of
from arrax.core.dtypes import ExtendedDType
from arrax.core.mesh import EMPTY_MESH, Mesh, mesh_in_scope
from arrax.core.primitive import BY_EXECUTION, Primitive
from arrax.core.trace import Trace, Tracer, current, set_bottom, set_current

operands = _native.operands
# What may run a primitive on large operands (`Primitive.large`; `native/eager.cpp` sends them here)
# faster than NumPy: (primitive, args, params) → results, or None to decline. Filled by
# `transforms.large_arrays`, which stands above.
large_operands: list[Any] = []


class EvalTrace(Trace):
    """Evaluates at once."""

    __slots__ = ()

    def process(self, primitive: Primitive, args: tuple[Any, ...], params: dict[str, Any]) -> Any:
        out = self._process(primitive, args, params)
        if config.debug_nans.value or config.debug_infs.value:
            check_finite(primitive.name, out)
        return out

    def _process(self, primitive: Primitive, args: tuple[Any, ...], params: dict[str, Any]) -> Any:
        mesh = mesh_in_scope.value
        if (type(mesh) is Mesh and mesh is not EMPTY_MESH) or any(
                type(a) is ArrayImpl and a.placement is not None for a in args):
            return self._process_placed(primitive, args, params, mesh)
        return self._process_unplaced(primitive, args, params)

    def _process_placed(self, primitive: Primitive, args: tuple[Any, ...], params: dict[str, Any],
                        mesh: Any) -> Any:
        """The operation, with results where its operands are (`core/spread.py`)."""
        _refuse_tracers(args)
        if primitive.sharding is BY_EXECUTION:
            return primitive.execute(*args, **params)
        bare = tuple(with_aval(a._value(), a.aval.update(sharding=None))
                     if type(a) is ArrayImpl else a for a in args)
        out = self._process_unplaced(primitive, bare, params)
        outs = out if primitive.multiple_results else [out]
        placements = spread.result_placements(
            primitive, args, params, [o.aval for o in outs], mesh)
        found = [placed_array(o.data, o.aval, p) for o, p in zip(outs, placements, strict=True)]
        return found if primitive.multiple_results else found[0]

    def _process_unplaced(self, primitive: Primitive, args: tuple[Any, ...],
                          params: dict[str, Any]) -> Any:
        if primitive.execute is not None:
            _refuse_tracers(args)
            return primitive.execute(*args, **params)
        plain = operands(args)
        if plain is None or primitive.typed_results:
            return _process_general(primitive, args, params)
        primitive.check_dtypes(args, params)
        data, weak = plain
        if large_operands and any(d.size >= primitive.large for d in data):
            out = large_operands[0](primitive, args, params)
            if out is not None:
                return out
        try:
            out = primitive.evaluate(*data, **params)
        except (TypeError, ValueError) as error:
            raise _explained(error, primitive, args, params) from None
        if primitive.weak_type != "all":
            weak = primitive.is_weak([a.aval for a in args], params)
        if primitive.multiple_results:
            return [from_numpy(o, weak) for o in out]
        return from_numpy(out, weak)

    def __repr__(self) -> str:
        return "EvalTrace"


def check_finite(name: str, results: Any) -> None:
    """FloatingPointError if a result has a NaN (flag `debug_nans`) or infinity (`debug_infs`)."""
    for result in results if isinstance(results, (list, tuple)) else [results]:
        data = getattr(result, "data", None)
        if not isinstance(data, np.ndarray) or not dtypes.issubdtype(data.dtype, dtypes.inexact):
            continue
        if config.debug_nans.value and np.isnan(data).any():
            raise FloatingPointError(f"invalid value (nan) encountered in {name}")
        if config.debug_infs.value and np.isinf(data).any():
            raise FloatingPointError(f"invalid value (inf) encountered in {name}")


def _refuse_tracers(args: tuple[Any, ...]) -> None:
    for arg in args:
        if isinstance(arg, Tracer):
            raise leaked_tracer_error(arg)


def _explained(error: Exception, primitive: Primitive, args: Any, params: Any) -> Exception:
    """What the type rule has to say about operands that NumPy refused; else NumPy's error."""
    try:
        primitive.type_rule(*[aval_of(a) for a in args], **params)
    except (TypeError, ValueError) as better:
        return better.with_traceback(None)
    return error


def _process_general(primitive: Primitive, args: tuple[Any, ...], params: dict[str, Any]) -> Any:
    """Any operands: scalars, NumPy arrays, keys."""
    _refuse_tracers(args)
    arrays = [a if type(a) is ArrayImpl else array_of(a) for a in args]
    primitive.check_dtypes(arrays, params)
    typed = primitive.typed_results or any(isinstance(a.aval.dtype, ExtendedDType) for a in arrays)
    avals = primitive.result_avals([a.aval for a in arrays], params) if typed else None
    try:
        out = primitive.evaluate(*[a._value() for a in arrays], **params)
    except (TypeError, ValueError) as error:
        raise _explained(error, primitive, arrays, params) from None
    if avals is not None:
        return _wrapped(primitive, out, avals)
    weak = primitive.is_weak([a.aval for a in arrays], params)
    if primitive.multiple_results:
        return [from_numpy(o, weak) for o in out]
    return from_numpy(out, weak)


def typed_results(primitive: Primitive, args: Any, params: dict[str, Any], out: Any) -> Any:
    """Wrap evaluated results with the avals of the type rule."""
    return _wrapped(primitive, out, primitive.result_avals([aval_of(a) for a in args], params))


def _wrapped(primitive: Primitive, out: Any, avals: Any) -> Any:
    if primitive.multiple_results:
        return [with_aval(np.asarray(o), aval) for o, aval in zip(out, avals, strict=True)]
    return with_aval(np.asarray(out), avals)


def leaked_tracer_error(tracer: Tracer) -> errors.UnexpectedTracerError:
    """The error for a tracer that outlived its trace."""
    return errors.UnexpectedTracerError(
        "Encountered an unexpected tracer. A function transformed by JAX had a side effect, "
        f"allowing for a reference to an intermediate value with type {tracer.aval.str_short()} "
        f"to escape the scope of the transformation.\n{tracer.origin()}\n"
        "To catch the leak earlier, try setting the environment variable JAX_CHECK_TRACER_LEAKS "
        "or using the `jax.checking_leaks` context manager.")


high_types: dict[type, Any] = {}  # functions that give the types of what is no array, by class


def typeof(x: Any) -> Any:
    """The aval (shape, dtype, weak type) of an array or scalar."""
    high = high_types.get(type(x))
    return aval_of(x) if high is None else high(x)


def computes_at_once(*arrays: Any) -> bool:
    """Whether NumPy may compute on the data of these arrays, past the trace: operations are
    evaluated, no mesh is in scope, and no array was placed."""
    for x in arrays:
        if type(x) is not ArrayImpl or x.placement is not None:
            return False
    return current() is EVAL and not _threads_in_mesh


EVAL = EvalTrace()
set_bottom(EVAL)
set_current(EVAL)


_threads_in_mesh: set[int] = set()


def _watch_results(change: config.Change) -> None:
    """From the first use of these flags on, and while a mesh is in scope, no eager call bypasses
    `EvalTrace.process`."""
    if change.flag in (config.debug_nans, config.debug_infs) and change.value:
        _native.set_eager_hook(EVAL)
    elif change.flag is mesh_in_scope:
        if type(change.value) is Mesh and change.value is not EMPTY_MESH:
            _threads_in_mesh.add(threading.get_ident())
        else:
            _threads_in_mesh.discard(threading.get_ident())
        _native.set_in_mesh(bool(_threads_in_mesh))


config.on_change(_watch_results)
if config.debug_nans.value or config.debug_infs.value:
    _native.set_eager_hook(EVAL)
