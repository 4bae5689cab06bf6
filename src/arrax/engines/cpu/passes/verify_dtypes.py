"""Dtypes of a stage of the loop IR: part of the verifier.

Checked: an operation gives what the type rule of its primitive says for the dtypes of its operands;
both sides of a choice have one dtype; a fold's operation gives the dtype of what it folds, which is
that of its results; a store's value has the dtype of its buffer.
"""
from __future__ import annotations

from arrax.core.dtypes import short_dtype_name as short
from arrax.engines.cpu import loop_ir as ir


def dtype_problem(stage: ir.Stage) -> str:
    """What is wrong with the dtypes of a stage, or nothing."""
    for expr in ir.walk(ir.stages_loads(stage)):
        problem = _problem(expr)
        if problem:
            return problem
    for store in ir.stores_of(stage):
        if store.expr.dtype != store.buffer.dtype:
            return f"a store of {short(store.expr.dtype)} into {short(store.buffer.dtype)}"
    for item in stage.items if isinstance(stage, ir.Reduce) else ():
        problem = _fold_problem(item)
        if problem:
            return problem
    return ""


def _problem(expr: ir.Expr) -> str:
    if isinstance(expr, ir.Choose) and expr.inside.dtype != expr.outside.dtype:
        return f"a choice between {short(expr.inside.dtype)} and {short(expr.outside.dtype)}"
    if isinstance(expr, ir.Apply):
        try:
            dtype = expr.operation.result_dtype(tuple([a.dtype for a in expr.args]), expr.params)
        except (TypeError, ValueError) as error:
            return str(error)
        if dtype != expr.dtype:
            return f"{expr.operation} of dtype {short(expr.dtype)}, which gives {short(dtype)}"
    return ""


def _fold_problem(item: ir.ReduceItem) -> str:
    for expr, local in zip(item.exprs, item.results, strict=True):
        if expr.dtype != local.dtype:
            return f"a fold of {short(expr.dtype)} into {short(local.dtype)}"
    if len(item.exprs) == 1:
        dtype = item.exprs[0].dtype
        if item.operation.result_dtype((dtype, dtype), {}) != dtype:
            return f"a fold of {short(dtype)} by {item.operation}, which gives another dtype"
    return ""
