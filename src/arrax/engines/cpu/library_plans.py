"""Which equations are calls of the native library, and how their steps are written.

`plan(eqn)` gives `emit(program, step)` for a `LibraryStep` on the equation's operands and results,
or None: then the equation is a host call. Row scatters are updates in place.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from llvmlite import ir

from arrax.core.dtypes import storage_dtype
from arrax.core.jaxpr import Eqn
from arrax.engines.cpu import loop_ir
from arrax.library import calls as library, linear_algebra
from arrax.core.lowering import Library, Product, Update

Emit = Callable[[Any, Any], None]
_I64 = ir.IntType(64)


@dataclass(frozen=True, slots=True)
class Stored:
    """Shape and storage dtype of a value, as memory has it."""

    shape: tuple[int, ...]
    dtype: np.dtype[Any]


def _stored(atom: Any) -> Stored:
    return Stored(tuple(atom.aval.shape), np.dtype(storage_dtype(atom.aval.dtype)))


def _spec_constant(program: Any, spec: library.Spec) -> ir.Value:
    """The address of the constant array with these fields."""
    name = "spec." + ".".join(map(str, spec))
    known = program.module.globals.get(name)
    if known is None:
        array = ir.ArrayType(_I64, len(spec))
        known = ir.GlobalVariable(program.module, array, name)
        known.global_constant = True
        known.linkage = "internal"
        known.initializer = ir.Constant(array, list(spec))
    return known


def _write_call(program: Any, name: str, spec: library.Spec, pointers: list[ir.Value]) -> None:
    """`name(spec, pointers...)`; the program ends where it fails."""
    pointer = ir.PointerType()
    arguments = [_spec_constant(program, spec), *pointers]
    function = program.declare(name, ir.IntType(32), [pointer] * len(arguments))
    program.check(program.builder.call(function, arguments))


def _simple(name: str, spec: library.Spec | None) -> Emit | None:
    """A call with the operands' and results' addresses, in order."""
    if spec is None:
        return None

    def emit(program: Any, step: Any) -> None:
        buffers = [*step.operands, *step.results]
        _write_call(program, name, spec, [program.pointer(buffer) for buffer in buffers])

    return emit


def _dot_general(eqn: Eqn) -> Emit | None:
    lhs, rhs, out = map(_stored, (*eqn.invars, eqn.outvars[0]))
    return _simple("arrax_gemm", library.gemm_spec(lhs, rhs, out, eqn.params["dimension_numbers"]))


def _convolution(eqn: Eqn) -> Emit | None:
    lhs, rhs, out = map(_stored, (*eqn.invars, eqn.outvars[0]))
    return _simple("arrax_conv", library.conv_spec(lhs, rhs, out, eqn.params))


def _sort(eqn: Eqn) -> Emit | None:
    operands = [_stored(atom) for atom in eqn.invars]
    spec = library.sort_spec(operands, eqn.params["dimension"], eqn.params["num_keys"])
    if spec is None:
        return None

    def emit(program: Any, step: Any) -> None:
        tables = [
            program.pointer_array([program.pointer(buffer) for buffer in row])
            for row in (step.operands, step.results)
        ]
        _write_call(program, "arrax_sort", spec, tables)

    return emit


def _top_k(eqn: Eqn) -> Emit | None:
    operand = _stored(eqn.invars[0])
    if _stored(eqn.outvars[1]).dtype != np.int32:
        return None
    axis = eqn.params.get("axis", len(operand.shape) - 1)
    return _simple("arrax_top_k", library.top_k_spec(operand, eqn.params["k"], axis))


def _scan(eqn: Eqn) -> Emit | None:
    spec = library.scan_spec(
        eqn.primitive.name, _stored(eqn.invars[0]), eqn.params["axis"], eqn.params["reverse"]
    )
    return _simple("arrax_scan", spec)


def _fft(eqn: Eqn) -> Emit | None:
    lengths, kind = eqn.params["fft_lengths"], int(eqn.params["fft_type"])
    operand = _stored(eqn.invars[0])
    spec = library.fft_spec(operand, kind, lengths)
    if spec is not None:
        return _simple("arrax_fft", spec)
    return _simple("arrax_fft_any", library.any_fft_spec(operand, kind, lengths))


PLANS: dict[str, Callable[[Eqn], Emit | None]] = {
    "dot_general": _dot_general,
    "convolution": _convolution,
    "sort": _sort,
    "top_k": _top_k,
    "scan": _scan,
    "fft": _fft,
}


def plan(eqn: Eqn) -> Emit | None:
    """How to write an equation as a library call, or None."""
    lower = eqn.primitive.lower
    if type(lower) not in (Library, Product) or eqn.effects:
        return None
    if any(0 in atom.aval.shape for atom in eqn.outvars):
        return None
    own = PLANS.get(lower.plan)
    return _linear_algebra(lower.plan, eqn) if own is None else own(eqn)


def _linear_algebra(name: str, eqn: Eqn) -> Emit | None:
    call = linear_algebra.call_of(name, [_stored(atom) for atom in eqn.invars], eqn.params)
    return None if call is None else _simple(*call)


def _scatter_spec(eqn: Eqn) -> library.Spec | None:
    operand, indices, updates = map(_stored, eqn.invars[:3])
    return library.scatter_rows_spec(eqn.primitive.name, operand, indices, updates, eqn.params)


_LONG = 1 << 14  # updates from which a call is worth more than loops that fuse


def scatter_lowering(eqn: Eqn, otherwise: Any) -> Any:
    """An update in place where the scatter is a long one of whole rows."""
    if eqn.invars[2].aval.size < _LONG or _scatter_spec(eqn) is None:
        return otherwise
    return Update(_scatter_rows)


def _scatter_rows(lowerer: Any, eqn: Eqn, target: Any) -> None:
    operands = [lowerer.operand_buffer(atom) for atom in eqn.invars[1:]]
    lowerer.steps.append(loop_ir.LibraryStep(eqn, operands, [target], updates=True))


def write(program: Any, step: loop_ir.LibraryStep) -> None:
    """Write the call of a step."""
    if step.updates:
        spec = _scatter_spec(step.eqn)
        assert spec is not None
        buffers = [*step.results, *step.operands]
        _write_call(program, "arrax_scatter_rows", spec, [program.pointer(b) for b in buffers])
        return
    emit = plan(step.eqn)
    assert emit is not None
    emit(program, step)
