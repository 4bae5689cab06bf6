"""Verify the loop IR after each pass.

Checked: loops have extents of at least 1; indices use loop variables of loops around them only; a
local is read in the kernel that makes it, after its fold or in the stores of that fold; conditions
and offsets are made of integers; dtypes agree, as `verify_dtypes` says; a copy's sides have equal
sizes; scalar stack slots hold one element; after bufferize, temporaries have a place. Not checked
yet: that reads come after writes; that offsets stay inside buffers.
"""
from __future__ import annotations

from typing import Any

from arrax.core.errors import InternalError
from arrax.engines.cpu import loop_ir as ir
from arrax.engines.cpu.loop_text import step_text
from arrax.engines.cpu.passes.verify_dtypes import dtype_problem


def verify(region: ir.Region, placed: bool = False) -> None:
    """Raise InternalError, with the step's text, where an invariant does not hold."""
    for step in region.steps:
        problem = _problem(step, placed)
        if problem:
            raise InternalError(f"loop IR: {problem} in\n{step_text(step)}")
        for inner in ir.regions_of(step):
            verify(inner, placed)


def _problem(step: Any, placed: bool) -> str:
    if isinstance(step, ir.Copy) and step.source.nbytes != step.target.nbytes:
        return "a copy between different sizes"
    if isinstance(step, ir.Kernel):
        return _kernel_problem(step, placed)
    return ""


def _kernel_problem(kernel: ir.Kernel, placed: bool) -> str:
    problem = dtype_problem(kernel)
    if problem:
        return problem
    known: set[Any] = set()
    for stage in kernel.stages:
        loops = stage.vars if isinstance(stage, ir.Map) else [*stage.kept, *stage.reduced]
        if any(v.extent < 1 for v in [*kernel.outer, *loops]):
            return "an empty loop"
        scope = {*kernel.outer, *loops}
        before = ir.stage_roots(stage, folded=False)
        after = ir.stage_roots(stage, folded=True)
        problem = _scope_problem(before, scope, known)
        if isinstance(stage, ir.Reduce):
            known |= {local for item in stage.items for local in item.results}
            problem = problem or _scope_problem(after, scope - set(stage.reduced), known)
        if problem:
            return problem
    for buffer in ir.kernel_buffers(kernel):
        root = buffer.root
        if root.kind == "scalar" and root.size != 1:
            return "a scalar slot of several elements"
        if placed and root.kind == "temporary" and root.offset < 0:
            return "a temporary without a place"
    return ""


def _scope_problem(roots: list[Any], scope: set[Any], known: set[Any]) -> str:
    exprs = [r for r in roots if isinstance(r, ir.Expr)]
    indices = [r for r in roots if isinstance(r, ir.Index)]
    exprs += [e for index in indices for e in ir.index_children(index)]
    for expr in ir.walk(exprs):
        if isinstance(expr, ir.Local) and expr not in known:
            return "a local before its fold"
        indices += _indices_of(expr)
    for index in indices:
        for term, _ in index.terms:
            if isinstance(term, ir.LoopVar) and term not in scope:
                return "a loop variable outside its loop"
            if isinstance(term, ir.Expr) and term.dtype.kind not in "iu":
                return "an index that is no integer"
    return ""


def _indices_of(expr: ir.Expr) -> list[ir.Index]:
    if isinstance(expr, ir.Load):
        return [expr.offset]
    if isinstance(expr, (ir.Position, ir.Quotient)):
        return [expr.index]
    if isinstance(expr, ir.Choose):
        return [index for index, _, _ in expr.conditions]
    return []
