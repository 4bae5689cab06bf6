"""Eager operations on large arrays: a cached program of one primitive, where that beats NumPy.

The same call gives the same bits every time. Operations that round as NumPy does
(`Primitive.exact`) are NumPy's for the first calls of a signature, since a compile costs
milliseconds; one that comes again is compiled. All others, which agree with `evaluate` to a few
ulp, as for `jit`, are compiled at once. The engine must have a loop of its own for the primitive
(elementwise operations and reductions), and the primitive no native evaluation
(`Primitive.native`).
"""
from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from arrax.core import config, dtypes, evaluate
from arrax.core.array import from_numpy
from arrax.core.evaluate import LARGE
from arrax.core.primitive import Primitive
from arrax.core.engine import default_engine
from arrax.ops.rules import broadcast_in_dim
from arrax.transforms.staging import trace_to_jaxpr

CALLS_BEFORE_COMPILING = 2  # of exact operations
MAXIMUM_SIGNATURES = 4096
_programs: dict[Any, Any] = {}  # signature → number of calls so far, or the executable
_ALWAYS_EXACT = (np.integer, np.bool_)


def runs_large(primitive: Primitive, operands: Sequence[Any], params: dict[str, Any]) -> bool:
    """Whether `run_large` serves a primitive on operands with such avals."""
    if not any(x.size >= LARGE for x in operands) or not default_engine().has_loop(primitive) \
            or config.disable_jit.value:
        return False
    native = primitive.native
    return native is None or not native(*operands, **params)


def run_large(primitive: Primitive, args: tuple[Any, ...], params: dict[str, Any]) -> Any:
    """The results of a primitive by a compiled program, or None where NumPy is to do it."""
    if not runs_large(primitive, [a.aval for a in args], params):
        return None
    shape = None
    if primitive.elementwise:
        shape = np.broadcast_shapes(*[a.shape for a in args])
        args = tuple([_compact(a) for a in args])
    try:
        key = (primitive.name, tuple([a.aval for a in args]), shape,
               tuple(sorted(params.items())), config.context_key())
        known: Any = _programs.get(key)
    except TypeError:  # parameters that cannot be hashed or ordered
        return None
    if known is None:
        known = 0 if is_exact(primitive, args) else CALLS_BEFORE_COMPILING
    if type(known) is int:
        if len(_programs) >= MAXIMUM_SIGNATURES:
            _programs.clear()
        if known < CALLS_BEFORE_COMPILING:
            _programs[key] = known + 1
            return None
        known = _programs[key] = _compile(primitive, [a.aval for a in args], shape, params)
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
