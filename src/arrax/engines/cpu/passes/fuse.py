"""Fuse: jaxpr -> region of the loop IR.

Before: a simplified jaxpr. After: steps in order; every chain of elementwise operations and views
between two roots (`choose_roots`) is one expression inside the kernel of the later root.
Known limits: one kernel for each root; `merge_kernels` joins them afterwards.
"""
from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from arrax.core.array import from_numpy
from arrax.core.dtypes import issubdtype, storage_dtype
from arrax.core.jaxpr import ClosedJaxpr, Eqn, Jaxpr, Literal, Var
from arrax.engines.cpu import library_plans
from arrax.engines.cpu import loop_ir as ir
from arrax.engines.cpu.loop_ir import Buffer, Expr, Index, LoopVar, index_of, offset_of
from arrax.engines.cpu.kernels.values import LAYOUTS
from arrax.core.lowering import (Control, Elementwise, Pairs, Product, Reduce,
                                        Reinterpret, Update, View)
from arrax.engines.cpu.op_lowerings import lowering_of
from arrax.engines.cpu.operations import operation_of
from arrax.engines.cpu.passes.choose_roots import (can_compile, choose_roots, is_fusable,
                                                   is_reduction)
from arrax.engines.cpu.products import product_loops
from arrax.ops.p import broadcast_in_dim_p, convert_element_type_p

MANY = 256  # elements from which results are written piece by piece
COLLAPSED = "collapsed"  # marks an index that is one row-major position: (COLLAPSED, position)


@dataclass
class Program:
    """What all regions of one program share: constants that became inputs."""

    inputs: list[Buffer] = field(default_factory=list)
    constants: list[Any] = field(default_factory=list)
    known: dict[int, Buffer] = field(default_factory=dict)
    forwards: list[int] = field(default_factory=list)  # by result: the input that it is, or -1

    def constant(self, value: Any, aval: Any) -> Buffer:
        """The input that brings a captured array."""
        buffer = self.known.get(id(value))
        if buffer is None:
            buffer = Buffer(aval.shape, storage_dtype(aval.dtype), "input", len(self.inputs))
            self.inputs.append(buffer)
            self.constants.append(value)
            self.known[id(value)] = buffer
        return buffer


def fuse_program(closed: ClosedJaxpr) -> tuple[Program, ir.Region]:
    """The whole program; its inputs are the jaxpr's invars, then constants. Results that are inputs
    are not copied: `program.forwards` says which."""
    program = Program()
    jaxpr = closed.jaxpr
    bindings: dict[Var, Buffer] = {}
    for position, var in enumerate(jaxpr.invars):
        bindings[var] = Buffer(var.aval.shape, storage_dtype(var.aval.dtype), "input", position)
        program.inputs.append(bindings[var])
    for var, value in zip(jaxpr.constvars, closed.consts, strict=True):
        bindings[var] = program.constant(value, var.aval)
    outputs: list[Buffer | None] = []
    for number, atom in enumerate(jaxpr.outvars):
        source = bindings.get(atom) if type(atom) is not Literal else None
        program.forwards.append(-1 if source is None else source.position)
        outputs.append(None if source is not None else Buffer(
            atom.aval.shape, storage_dtype(atom.aval.dtype), "output", number))
    return program, fuse_region(program, jaxpr, bindings, outputs)


def fuse_region(program: Program, jaxpr: Jaxpr, bindings: dict[Var, Buffer],
                targets: Sequence[Buffer | None]) -> ir.Region:
    """The steps of `jaxpr` with its inputs in the bound buffers. Result k lands in `targets[k]`, or
    in a buffer of the region's choice where that is None."""
    lowerer = Lowerer(program, jaxpr, bindings)
    return lowerer.run(targets)


@dataclass
class Operand:
    """An operand as a view's index map sees it."""

    lowerer: Lowerer
    atom: Any

    @property
    def aval(self) -> Any:
        return self.atom.aval

    def at(self, index: Any) -> Expr:
        """The expression of one element."""
        return self.lowerer.expression(self.atom, index)

    def scalar(self) -> Expr:
        """The expression of a 0-d operand."""
        return self.lowerer.expression(self.atom, ())


class Lowerer:
    """Builds the steps of one region."""

    def __init__(self, program: Program, jaxpr: Jaxpr, bindings: dict[Var, Buffer]):
        self.program = program
        self.jaxpr = jaxpr
        self.buffers = dict(bindings)
        self.steps: list[Any] = []
        self.made_by = {v: eqn for eqn in jaxpr.eqns for v in eqn.outvars}
        self.roots = choose_roots(jaxpr)
        self.preferred: dict[Var, Buffer] = {}
        self.memo: dict[Any, Expr] = {}
        self.flat_memo: dict[Var, bool] = {}

    def run(self, targets: Sequence[Buffer | None]) -> ir.Region:
        """Lower all equations and bring the results to their targets."""
        for atom, target in zip(self.jaxpr.outvars, targets, strict=True):
            if target is not None and type(atom) is not Literal and atom in self.made_by \
                    and atom not in self.preferred:
                self.preferred[atom] = target
        for eqn in self.jaxpr.eqns:
            self.equation(eqn)
        results = []
        for atom, target in zip(self.jaxpr.outvars, targets, strict=True):
            source = self.operand_buffer(atom)
            if target is not None and source is not target:
                self.steps.append(ir.Copy(source, target))
                source = target
            results.append(source)
        return ir.Region([], self.steps, results)

    def nested(self, closed: ClosedJaxpr, parameters: Sequence[Buffer],
               targets: Sequence[Buffer | None]) -> ir.Region:
        """A region inside control flow: `closed` applied to buffers."""
        bindings: dict[Var, Buffer] = dict(zip(closed.jaxpr.invars, parameters, strict=True))
        for var, value in zip(closed.jaxpr.constvars, closed.consts, strict=True):
            bindings[var] = self.program.constant(value, var.aval)
        return fuse_region(self.program, closed.jaxpr, bindings, targets)

    # ---- buffers -----------------------------------------------------------------------------

    def new_buffer(self, aval: Any) -> Buffer:
        """Memory for a value of this region."""
        kind = "temporary" if aval.shape else "scalar"
        return Buffer(aval.shape, storage_dtype(aval.dtype), kind)

    def result_buffer(self, var: Var) -> Buffer:
        """The memory that the equation of `var` writes."""
        buffer = self.preferred.get(var)
        if buffer is None:
            buffer = self.new_buffer(var.aval)
        buffer.eqn = self.made_by.get(var)
        self.buffers[var] = buffer
        return buffer

    def operand_buffer(self, atom: Any) -> Buffer:
        """The memory of an operand; literals are stored first, or brought by an input if kernels
        cannot hold their dtype (float8, int4)."""
        if type(atom) is not Literal:
            return self.buffers[atom]
        dtype = storage_dtype(atom.aval.dtype)
        if dtype not in LAYOUTS:
            return self.program.constant(from_numpy(np.asarray(atom.val, dtype)), atom.aval)
        buffer = self.new_buffer(atom.aval)
        self.steps.append(ir.Kernel([], [ir.Map([], [
            ir.Store(buffer, ir.ZERO, self.expression(atom, ()))])], "literal"))
        return buffer

    # ---- equations ---------------------------------------------------------------------------

    def equation(self, eqn: Eqn) -> None:
        """Add the steps of one equation, if it needs any."""
        lower = lowering_of(eqn)
        if type(lower) is Control:
            lower.build(self, eqn)
        elif is_fusable(eqn):
            for out in eqn.outvars:
                if out in self.roots:
                    self.map_kernel(eqn, lower, out)
        elif is_reduction(eqn):
            if type(lower) is Product:
                self.product_kernel(eqn)
            else:
                self.reduce_kernel(eqn, lower)
        elif type(lower) is Reinterpret:
            self.reinterpret(eqn)
        elif type(lower) is Update and can_compile(eqn):
            self.update(eqn, lower)
        else:
            self.host_call(eqn)

    def host_call(self, eqn: Eqn) -> None:
        """A call of the native library where it has the operation, else of Python."""
        operands = [self.operand_buffer(atom) for atom in eqn.invars]
        results = [self.result_buffer(var) for var in eqn.outvars]
        if library_plans.call_of(eqn) is not None:
            self.steps.append(ir.LibraryStep(eqn, operands, results))
        else:
            self.steps.append(ir.HostCallStep(eqn, operands, results))

    def update(self, eqn: Eqn, lower: Update) -> None:
        """A copy (that bufferize makes vanish when the operand dies), then the part."""
        source = self.operand_buffer(eqn.invars[0])
        target = self.result_buffer(eqn.outvars[0])
        self.steps.append(ir.Copy(source, target))
        lower.build(self, eqn, target)

    def alias(self, eqn: Eqn) -> bool:
        """A reshape of memory is the same memory."""
        atom, out = eqn.invars[0], eqn.outvars[0]
        source = self.buffers.get(atom) if type(atom) is not Literal else None
        if source is None or out in self.preferred or not out.aval.shape or not atom.aval.shape:
            return False
        self.buffers[out] = Buffer(out.aval.shape, source.dtype, source.kind, source.position,
                                   base=source)
        return True

    def reinterpret(self, eqn: Eqn) -> None:
        """The operand's memory as another dtype or shape."""
        source, out = self.operand_buffer(eqn.invars[0]), eqn.outvars[0]
        view = Buffer(out.aval.shape, storage_dtype(out.aval.dtype), source.kind, source.position,
                      base=source)
        if out in self.preferred:
            self.steps.append(ir.Copy(view, self.result_buffer(out)))
        else:
            self.buffers[out] = view

    def map_kernel(self, eqn: Eqn, lower: Any, out: Var) -> None:
        """The kernel that stores a fused value."""
        if type(lower) is View and lower.flat and self.alias(eqn):
            return
        shape = out.aval.shape
        if 0 in shape:
            self.result_buffer(out)
            return
        if type(lower) is View and lower.pieces is not None and out.aval.size >= MANY:
            lower.pieces(self, eqn, self.result_buffer(out))
            return
        variables: list[LoopVar] = []
        index: Any = ()
        position = ir.ZERO
        if shape and self.is_flat(out):
            var = LoopVar(out.aval.size)
            variables, position = [var], index_of(var)
            index = (COLLAPSED, position)
        elif shape:
            variables = [LoopVar(extent) for extent in shape]
            index = tuple(index_of(v) for v in variables)
            position = offset_of(shape, index)
        expr = self.definition(eqn, lower, index, out)
        target = self.result_buffer(out)
        store = ir.Store(target, position, expr)
        self.steps.append(ir.Kernel(variables[:-1], [ir.Map(variables[-1:], [store])],
                                    eqn.primitive.name))

    def reduce_kernel(self, eqn: Eqn, lower: Reduce) -> None:
        """The kernel of a reduction, its operand computed inside."""
        operand, out = eqn.invars[0], eqn.outvars[0]
        shape = operand.aval.shape
        axes = {axis % len(shape) for axis in eqn.params["axes"]} if shape else set()
        if 0 in out.aval.shape:
            self.result_buffer(out)
            return
        variables = [LoopVar(extent) for extent in shape]
        kept = [v for axis, v in enumerate(variables) if axis not in axes]
        reduced = [variables[axis] for axis in sorted(axes)]
        fold = lower.fold
        by_position = isinstance(fold, Pairs)
        if not kept and not by_position and self.is_flat(operand):
            reduced = [LoopVar(operand.aval.size)]
            index: Any = (COLLAPSED, index_of(reduced[0]))
        else:
            index = tuple(index_of(v) for v in variables)
        dtype = storage_dtype(operand.aval.dtype)
        if 0 in shape:
            exprs: list[Expr] = [ir.Constant(lower.initial(dtype), dtype)]
            reduced = []
        else:
            exprs = [self.expression(operand, index)]
        narrow = issubdtype(dtype, np.floating) and dtype.itemsize < 4
        wide = np.dtype(np.float32) if narrow and not eqn.primitive.exact else dtype
        if wide != dtype:  # rounded once, at the end
            exprs = [_converted(exprs[0], wide)]
        initial = [lower.initial(wide)]
        if by_position:
            axis_index = index[eqn.params["axes"][0] % len(shape)]
            exprs.append(ir.Position(axis_index, storage_dtype(out.aval.dtype)))
            initial.append(np.iinfo(storage_dtype(out.aval.dtype)).max)
        locals_ = [ir.Local(e.dtype) for e in exprs]
        operation = operation_of(eqn.primitive if isinstance(fold, Pairs) else fold)
        item = ir.ReduceItem(operation, initial, exprs, locals_)
        target = self.result_buffer(out)
        position = offset_of(out.aval.shape, tuple(index_of(v) for v in kept))
        result: Expr = locals_[-1]
        store = ir.Store(target, position, result if wide == dtype else _converted(result, dtype))
        columns = bool(kept) and bool(shape) and len(shape) - 1 not in axes
        outer, inner = (kept[:-1], kept[-1:]) if columns else (kept, [])
        self.steps.append(ir.Kernel(outer, [ir.Reduce(inner, reduced, [item], [store])],
                                    eqn.primitive.name))

    def store_kernel(self, name: str, shape: Sequence[int], target: Buffer, place: Any,
                     expr: Any) -> None:
        """target[place(index)] = expr(index) for all indices within `shape`."""
        if 0 in shape:
            return
        variables = [LoopVar(extent) for extent in shape]
        index = tuple(index_of(v) for v in variables)
        store = ir.Store(target, offset_of(target.shape, place(index)), expr(index))
        self.steps.append(ir.Kernel(variables[:-1], [ir.Map(variables[-1:], [store])], name))

    def product_kernel(self, eqn: Eqn) -> None:
        """A small contraction as a loop over the contracted axes."""
        kernel = product_loops(self, eqn)
        if kernel is not None:
            self.steps.append(kernel)

    # ---- expressions -------------------------------------------------------------------------

    def expression(self, atom: Any, index: Any) -> Expr:
        """One element of a value: a load if it has memory, else its definition."""
        if type(atom) is Literal:
            return ir.Constant(atom.val, storage_dtype(atom.aval.dtype))
        if not atom.aval.shape:
            index = ()
        key = (atom, index)
        expr = self.memo.get(key)
        if expr is None:
            buffer = self.buffers.get(atom)
            if buffer is not None:
                expr = ir.Load(buffer, _position(buffer.shape, index))
            else:
                eqn = self.made_by[atom]
                expr = self.definition(eqn, lowering_of(eqn), index, atom)
            self.memo[key] = expr
        return expr

    def definition(self, eqn: Eqn, lower: Any, index: Any, var: Var) -> Expr:
        """One element of the result `var` of a fusable equation."""
        out = var.aval
        if type(lower) is Elementwise:
            args = [self.expression(atom, index) for atom in eqn.invars]
            operation = operation_of(eqn.primitive)
            return ir.Apply(operation, operation.own_params(eqn.params), args,
                            storage_dtype(out.dtype), eqn)
        if _is_collapsed(index):
            if lower.flat:
                return self.expression(eqn.invars[0], index)
            # What is left is 1-d, or a broadcast of one element, for which any index will do.
            index = (index[1],) if out.ndim == 1 else (ir.ZERO,) * out.ndim
        if lower.flat and eqn.invars[0] in self.buffers:  # the same memory
            return ir.Load(self.buffers[eqn.invars[0]], offset_of(out.shape, index))
        operands = [Operand(self, atom) for atom in eqn.invars]
        more = {"result": eqn.outvars.index(var)} if eqn.primitive.multiple_results else {}
        return lower.build(index, *operands, out=out, **more,  # type: ignore[no-any-return]
                           **eqn.params)

    def is_flat(self, atom: Any) -> bool:
        """Whether element i (in row-major order) of a value needs only elements i of memory."""
        if type(atom) is Literal or atom in self.buffers:
            return True
        known = self.flat_memo.get(atom)
        if known is None:
            known = self.flat_memo[atom] = self._is_flat(atom)
        return known

    def _is_flat(self, var: Var) -> bool:
        eqn = self.made_by[var]
        lower = lowering_of(eqn)
        if type(lower) is View and not lower.flat:
            if var.aval.ndim == 1:
                return True
            return eqn.primitive is broadcast_in_dim_p and eqn.invars[0].aval.size == 1 \
                and len(eqn.invars) == 1
        return all(self.is_flat(atom) for atom in eqn.invars)


def _is_collapsed(index: Any) -> bool:
    return bool(index) and index[0] is COLLAPSED


def _position(shape: Sequence[int], index: Any) -> Index:
    """The element offset in a buffer of a tuple index or a collapsed one."""
    if _is_collapsed(index):
        return index[1]  # type: ignore[no-any-return]
    return offset_of(shape, index)


def _converted(expr: Expr, dtype: Any) -> Expr:
    return ir.Apply(operation_of(convert_element_type_p),
                    {"new_dtype": np.dtype(dtype), "weak_type": False}, [expr], np.dtype(dtype))
