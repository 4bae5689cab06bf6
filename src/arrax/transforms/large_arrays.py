"""Eager operations on large arrays: a cached program of one primitive, where that beats NumPy.

The same call gives the same bits every time. Operations that round as NumPy does
(`Primitive.exact`) are NumPy's for the first calls of a signature, since a compile costs
milliseconds; one that comes again is compiled. All others, which agree with `evaluate` to a few
ulp, as for `jit`, are compiled at once. The engine must have a loop of its own for the primitive
(elementwise operations and reductions), and the primitive no native evaluation
(`Primitive.native`).

Elementwise functions that round differently from NumPy's are compiled once for each combination of
dtypes, as programs of `BLOCK` elements, which run block after block on operands of any shape
(`native/blocks.cpp`): so arrays of a few thousand elements get vector code too.
"""
from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from arrax.core import config, dtypes, evaluate
from arrax.core.array import from_numpy
from arrax.core.aval import ShapedArray
from arrax.core.primitive import LARGE, Primitive
from arrax.core.engine import default_engine
from arrax.ops.rules import broadcast_in_dim
from arrax.transforms.staging import trace_to_jaxpr

BLOCK = 1 << 10  # elements; not more than `primitive.FEW`
CALLS_BEFORE_COMPILING = 2  # of exact operations
MAXIMUM_SIGNATURES = 4096
_ALWAYS_EXACT = (np.integer, np.bool_)


def runs_large(primitive: Primitive, operands: Sequence[Any], params: dict[str, Any]) -> bool:
    """Whether `run_large` serves a primitive on operands with such avals."""
    size = max([x.size for x in operands], default=0)
    if size < primitive.large or not default_engine().has_loop(primitive) \
            or config.disable_jit.value:
        return False
    if size < LARGE and is_exact(primitive, operands):
        return False
    native = primitive.native
    return native is None or not native(*operands, **params)


def run_large(primitive: Primitive, args: tuple[Any, ...], params: dict[str, Any]) -> Any:
    """The results of a primitive by a compiled program, or None where NumPy is to do it."""
    try:
        key = (primitive, tuple([a.aval for a in args]), tuple(params.items()),
               config.context_key())
        plan = _plans.get(key)
    except TypeError:  # parameters that cannot be hashed
        return None
    if plan is None:
        plan = _remember(_plans, key, _plan(primitive, args, params))
    return plan(args)


Plan = Callable[[tuple[Any, ...]], Any]  # results, or None, of Arrays of known avals
_plans: dict[Any, Plan] = {}
_programs: dict[Any, Any] = {}  # signature → number of calls so far, or the executable


def _remember(table: dict[Any, Any], key: Any, value: Any) -> Any:
    if len(table) >= MAXIMUM_SIGNATURES:
        table.clear()
    table[key] = value
    return value


def _plan(primitive: Primitive, args: tuple[Any, ...], params: dict[str, Any]) -> Plan:
    """How calls of a primitive on such operands run."""
    avals = [a.aval for a in args]
    if not runs_large(primitive, avals, params):
        return lambda args: None
    if primitive.elementwise and not is_exact(primitive, avals):
        key = (primitive.name, tuple([a.dtype for a in avals]), tuple(params.items()),
               config.context_key())
        program = _programs.get(key)
        if program is None:
            blocks = [ShapedArray((BLOCK,), a.dtype) for a in avals]
            program = _remember(_programs, key, _compile(primitive, blocks, None, params))
        if program.runs_blocks:
            return _block_plan(program, primitive, avals, params)
    return lambda args: _run_program(primitive, args, params)


def _block_plan(program: Any, primitive: Primitive, avals: list[Any],
                params: dict[str, Any]) -> Plan:
    shape = np.broadcast_shapes(*[a.shape for a in avals])
    weak = primitive.is_weak(avals, params)

    def run(args: tuple[Any, ...]) -> Any:
        operands = [a.data if a.data.shape == shape or a.data.size == 1
                    else np.broadcast_to(a.data, shape) for a in args]
        outs = program.run_blocks([np.ascontiguousarray(x) for x in operands], shape)
        wrapped = [from_numpy(out, weak) for out in outs]
        return wrapped if primitive.multiple_results else wrapped[0]
    return run


def _run_program(primitive: Primitive, args: tuple[Any, ...], params: dict[str, Any]) -> Any:
    """A program for operands of these shapes; None for the first calls of exact operations."""
    shape = None
    if primitive.elementwise:
        shape = np.broadcast_shapes(*[a.shape for a in args])
        args = tuple([_compact(a) for a in args])
    key = (primitive.name, tuple([a.aval for a in args]), shape, tuple(params.items()),
           config.context_key())
    known: Any = _programs.get(key)
    if known is None:
        known = 0 if is_exact(primitive, args) else CALLS_BEFORE_COMPILING
    if type(known) is int:
        if known < CALLS_BEFORE_COMPILING:
            _remember(_programs, key, known + 1)
            return None
        known = _compile(primitive, [a.aval for a in args], shape, params)
        _remember(_programs, key, known)
    outs = known(list(args))
    return outs if primitive.multiple_results else outs[0]


def is_exact(primitive: Primitive, operands: Sequence[Any]) -> bool:
    """Whether NumPy and a program give the same bits."""
    kinds = (*_ALWAYS_EXACT, *primitive.exact)
    return all(any(dtypes.issubdtype(a.dtype, kind) for kind in kinds) for a in operands)


def _compact(array: Any) -> Any:
    """`array` with size 1 along axes that repeat one element (views of broadcasting): a program
    takes contiguous operands, and broadcasting inside it costs nothing."""
    data = array.data
    if data.flags.c_contiguous or 0 not in data.strides:
        return array
    index = tuple(slice(0, 1) if step == 0 else slice(None) for step in data.strides)
    return from_numpy(np.ascontiguousarray(data[index]), array.weak_type)


def _compile(primitive: Primitive, avals: list[Any], shape: tuple[int, ...] | None,
             params: dict[str, Any]) -> Any:
    def one_equation(*operands: Any) -> list[Any]:
        if shape is not None:  # eager NumPy-level calls leave broadcasting to `evaluate`
            operands = tuple(broadcast_in_dim(x, shape, range(len(shape) - x.ndim, len(shape)))
                             if x.shape != shape else x for x in operands)
        out = primitive.bind(*operands, **params)
        return list(out) if primitive.multiple_results else [out]
    return default_engine().compile(trace_to_jaxpr(one_equation, avals), name=primitive.name)


evaluate.large_operands[:] = [run_large]
