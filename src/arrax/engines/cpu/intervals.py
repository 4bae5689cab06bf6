"""Intervals: which values indices and integer expressions of the loop IR can have.

An interval is a pair (least, greatest), of infinities where nothing is known. What is said here
holds at every point of the loops around, whatever conditions are asked there: the emitter relies
on it for accesses that it writes without a check.
"""
from __future__ import annotations

import math
from typing import Any

import numpy as np

from arrax.engines.cpu import loop_ir as ir
from arrax.engines.cpu.loop_ir import Expr, Index, LoopVar
from arrax.engines.cpu.operations import CLAMP_INDEX, WIDE_INDEX

Interval = tuple[float, float]
EVERYTHING: Interval = (-math.inf, math.inf)


def scaled(interval: Interval, factor: int) -> Interval:
    """The interval of a multiple."""
    a, b = interval[0] * factor, interval[1] * factor
    return (a, b) if factor >= 0 else (b, a)


def common(a: Interval, b: Interval) -> Interval:
    """What lies in both; empty (least > greatest) where nothing does."""
    return (max(a[0], b[0]), min(a[1], b[1]))


def hull(a: Interval, b: Interval) -> Interval:
    """What lies in either or between."""
    return (min(a[0], b[0]), max(a[1], b[1]))


def of_dtype(dtype: np.dtype[Any]) -> Interval:
    """What integers of a dtype can be."""
    if dtype.kind == "b":
        return (0, 1)
    if dtype.kind not in "iu" or dtype.itemsize > 4:
        return EVERYTHING
    info = np.iinfo(dtype)
    return (int(info.min), int(info.max))


class Intervals:
    """The intervals of expressions, each found once."""

    def __init__(self) -> None:
        self.memo: dict[int, Interval] = {}

    def index(self, index: Index) -> Interval:
        """The interval of an index."""
        low: float = index.const
        high: float = index.const
        for term, factor in index.terms:
            if isinstance(term, LoopVar):
                if factor > 0:
                    high += factor * (term.extent - 1)
                else:
                    low += factor * (term.extent - 1)
            else:
                a, b = scaled(self.expr(term), factor)
                low, high = low + a, high + b
        return low, high

    def expr(self, expr: Expr) -> Interval:
        """The interval of an integer expression."""
        found = self.memo.get(expr.serial)
        if found is None:
            for each in ir.walk([expr], self.memo):
                found = self.memo[each.serial] = self._find(each)
        assert found is not None
        return found

    def _find(self, expr: Expr) -> Interval:
        """The interval of an expression, those of its operands being known."""
        if isinstance(expr, ir.Quotient):
            return self._divided(expr)
        if isinstance(expr, ir.Apply):
            return self._applied(expr)
        if isinstance(expr, ir.Choose):
            return hull(self.memo[expr.inside.serial], self.memo[expr.outside.serial])
        if isinstance(expr, ir.Constant):
            return _constant(expr)
        limits = of_dtype(expr.dtype)
        if isinstance(expr, ir.Position):
            low, high = self.index(expr.index)
            return (low, high) if limits[0] <= low and high <= limits[1] else limits
        return limits

    def _divided(self, expr: ir.Quotient) -> Interval:
        """Of quotients and remainders, which the emitter computes without signs."""
        low, high = self.index(expr.index)
        if isinstance(expr, ir.Remainder):
            return (low, high) if low >= 0 and high < expr.divisor else (0, expr.divisor - 1)
        if low < 0:
            return (0, math.inf)
        return (low // expr.divisor, high if high == math.inf else high // expr.divisor)

    def _applied(self, expr: ir.Apply) -> Interval:
        if expr.operation is CLAMP_INDEX:
            low, high = self.memo[expr.args[0].serial]
            most = expr.params["high"]
            return (min(max(low, 0), most), min(max(high, 0), most))
        if expr.operation is WIDE_INDEX:
            return self.memo[expr.args[0].serial]
        return of_dtype(expr.dtype)


def _constant(expr: ir.Constant) -> Interval:
    if expr.dtype.kind not in "iub":
        return EVERYTHING
    value = int(expr.value)
    return (value, value)
