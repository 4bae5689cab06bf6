"""Contractions (`dot_general`): which are small loops, and those loops.

result[b, m, n] = sum over k of lhs[b, m, k] * rhs[b, k, n], each letter standing for several axes.
"""
from __future__ import annotations

import math
from typing import Any

from arrax.core.dtypes import storage_dtype
from arrax.core.jaxpr import Eqn
from arrax.engines.cpu import loop_ir as ir
from arrax.engines.cpu.kernels.values import LAYOUTS
from arrax.engines.cpu.loop_ir import LoopVar, index_of, offset_of
from arrax.engines.cpu.operations import operation_of

SMALL = 20_000  # multiplications up to which loops win over a library call
THIN = 1 << 22  # the same where one side is a vector, and memory decides


def product_sizes(eqn: Eqn) -> tuple[int, int, int, int]:
    """Sizes of batch, m, n and k."""
    lhs, rhs = (a.aval.shape for a in eqn.invars)
    (lc, rc), (lb, rb) = eqn.params["dimension_numbers"]
    batch = math.prod(lhs[i] for i in lb)
    k = math.prod(lhs[i] for i in lc)
    m = math.prod(d for i, d in enumerate(lhs) if i not in (*lc, *lb))
    n = math.prod(d for i, d in enumerate(rhs) if i not in (*rc, *rb))
    return batch, m, n, k


def is_small_product(eqn: Eqn) -> bool:
    """Whether the product is written as loops here."""
    batch, m, n, k = product_sizes(eqn)
    out = storage_dtype(eqn.outvars[0].aval.dtype)
    operands = {storage_dtype(a.aval.dtype) for a in eqn.invars}
    if operands != {out} or out.kind == "b" or out not in LAYOUTS or out.itemsize < 4:
        return False
    if m * n * k <= SMALL:
        return True
    return (m == 1 or n == 1) and batch * m * n * k <= THIN


def product_loops(lowerer: Any, eqn: Eqn) -> ir.Kernel | None:
    """The kernel: the contracted axes are folded; the axis that is contiguous runs over lanes."""
    lhs, rhs = eqn.invars
    out = eqn.outvars[0]
    (lc, rc), (lb, rb) = eqn.params["dimension_numbers"]
    target = lowerer.result_buffer(out)
    if 0 in out.aval.shape:
        return None
    contracted = [LoopVar(lhs.aval.shape[i]) for i in lc]
    result = [LoopVar(extent) for extent in out.aval.shape]
    left_free = [i for i in range(lhs.aval.ndim) if i not in (*lc, *lb)]
    right_free = [i for i in range(rhs.aval.ndim) if i not in (*rc, *rb)]
    names = iter(result)
    left: dict[int, LoopVar] = dict(zip(lc, contracted, strict=True))
    right: dict[int, LoopVar] = dict(zip(rc, contracted, strict=True))
    for i, j in zip(lb, rb, strict=True):
        left[i] = right[j] = next(names)
    left.update((i, next(names)) for i in left_free)
    right.update((i, next(names)) for i in right_free)
    dtype = storage_dtype(out.aval.dtype)
    if any(v.extent == 0 for v in contracted):
        factors: list[ir.Expr] = [ir.Constant(0, dtype)] * 2
        contracted = []
    else:
        factors = [lowerer.expression(atom, tuple(index_of(axes[i]) for i in range(atom.aval.ndim)))
                   for atom, axes in ((lhs, left), (rhs, right))]
    local = ir.Local(dtype)
    lower = eqn.primitive.lower
    times, plus = operation_of(lower.times), operation_of(lower.plus)
    item = ir.ReduceItem(plus, [0], [ir.Apply(times, {}, factors, dtype)], [local])
    offset = offset_of(out.aval.shape, tuple(index_of(v) for v in result))
    columns = bool(result) and result[-1].extent > 1 and _lanes_over_result(lhs, rhs, left, right,
                                                                           result[-1])
    if not columns:  # lanes over the last contracted axis; the longest run first
        contracted = sorted(contracted, key=lambda v: _is_last(lhs, rhs, left, right, v))
    outer, kept = (result[:-1], result[-1:]) if columns else (result, [])
    return ir.Kernel(outer, [ir.Reduce(kept, contracted, [item], [
        ir.Store(target, offset, local)])], "dot_general")


def _is_last(lhs: Any, rhs: Any, left: Any, right: Any, var: LoopVar) -> int:
    """In how many operands a variable runs along the contiguous axis."""
    return sum(atom.aval.ndim > 0 and axes[atom.aval.ndim - 1] is var
               for atom, axes in ((lhs, left), (rhs, right)))


def _lanes_over_result(lhs: Any, rhs: Any, left: Any, right: Any, var: LoopVar) -> bool:
    """Whether lanes run over the result's last axis: it is contiguous in an operand."""
    return _is_last(lhs, rhs, left, right, var) > 0
