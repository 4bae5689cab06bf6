"""How calls of the native library are written into programs.

Which equations are such calls says the `Library`, `Product` or `Scatter` of their primitives; where
it says None the equation is a host call. Row scatters are updates in place.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from llvmlite import ir

from arrax.core.dtypes import storage_dtype
from arrax.core.jaxpr import Eqn
from arrax.engines.cpu import loop_ir
from arrax.library.calls import Call, Spec
from arrax.core.lowering import Library, Product, Update

_I64 = ir.IntType(64)


@dataclass(frozen=True, slots=True)
class Stored:
    """Shape and storage dtype of a value, as memory has it."""

    shape: tuple[int, ...]
    dtype: np.dtype[Any]


def _stored(atom: Any) -> Stored:
    return Stored(tuple(atom.aval.shape), np.dtype(storage_dtype(atom.aval.dtype)))


def _spec_constant(program: Any, spec: Spec) -> ir.Value:
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


def _write_call(program: Any, name: str, spec: Spec, pointers: list[ir.Value]) -> None:
    """`name(spec, pointers...)`; the program ends where it fails."""
    pointer = ir.PointerType()
    arguments = [_spec_constant(program, spec), *pointers]
    function = program.declare(name, ir.IntType(32), [pointer] * len(arguments))
    program.check(program.builder.call(function, arguments))


def call_of(eqn: Eqn) -> Call | None:
    """The library call that an equation is, or None."""
    lower = eqn.primitive.lower
    if type(lower) not in (Library, Product) or eqn.effects:
        return None
    if any(0 in atom.aval.shape for atom in eqn.outvars):
        return None
    found: Call | None = lower.call([_stored(atom) for atom in eqn.invars],
                                    [_stored(atom) for atom in eqn.outvars], eqn.params)
    return found


def _scatter_spec(eqn: Eqn) -> Spec | None:
    spec: Spec | None = eqn.primitive.lower.spec(*map(_stored, eqn.invars[:3]), eqn.params)
    return spec


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
    call = call_of(step.eqn)
    assert call is not None
    operands, results = ([program.pointer(b) for b in row] for row in (step.operands, step.results))
    pointers = [program.pointer_array(row) for row in (operands, results)] if call.tables \
        else [*operands, *results]
    _write_call(program, call.function, call.spec, pointers)
