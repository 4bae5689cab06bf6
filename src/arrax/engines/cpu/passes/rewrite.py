"""Rewriting of loop IR expressions: new loop variables, loads replaced by what was stored."""
from __future__ import annotations

from collections.abc import Callable
from typing import Any

from arrax.engines.cpu import loop_ir as ir
from arrax.engines.cpu.loop_ir import Expr, Index, LoopVar


class Rewriter:
    """Replaces loop variables by indices, and loads by `replace(load)` where that is not None."""

    def __init__(self, variables: dict[LoopVar, Index],
                 replace: Callable[[ir.Load], Expr | None] = lambda load: None):
        self.variables = variables
        self.replace = replace
        self.memo: dict[int, Expr] = {}
        self.quotients: dict[int, Index] = {}

    def index(self, index: Index) -> Index:
        """An index over the new variables."""
        total = Index(index.const)
        for term, coefficient in index.terms:
            if isinstance(term, LoopVar):
                part = self.variables.get(term)
                part = ir.index_of(term) if part is None else part
            else:
                part = self.term(term)
            total = total + part * coefficient
        return total

    def term(self, expr: Expr) -> Index:
        """An integer expression within an index; divisions may become exact, and stay shared."""
        if not isinstance(expr, ir.Quotient):
            return ir.index_of(self.expr(expr))
        found = self.quotients.get(expr.serial)
        if found is None:
            high, low = ir.divide(self.index(expr.index), expr.divisor)
            found = low if isinstance(expr, ir.Remainder) else high
            self.quotients[expr.serial] = found
        return found

    def expr(self, expr: Expr) -> Expr:
        """The rewritten expression, operands first; equal subexpressions stay shared."""
        for each in ir.walk([expr], self.memo):
            self.memo[each.serial] = self._rebuild(each)
        return self.memo[expr.serial]

    def _rebuild(self, expr: Expr) -> Expr:
        old = self.memo
        if isinstance(expr, ir.Load):
            load = ir.Load(expr.buffer, self.index(expr.offset))
            return self.replace(load) or load
        if isinstance(expr, ir.Apply):
            return ir.Apply(expr.operation, expr.params, [old[a.serial] for a in expr.args],
                            expr.dtype, expr.eqn)
        if isinstance(expr, ir.Position):
            return ir.Position(self.index(expr.index), expr.dtype)
        if isinstance(expr, ir.Quotient):
            return type(expr)(self.index(expr.index), expr.divisor)
        if isinstance(expr, ir.Choose):
            conditions = [(self.index(i), low, high) for i, low, high in expr.conditions]
            return ir.Choose(conditions, old[expr.inside.serial], old[expr.outside.serial])
        return expr

    def stores(self, stores: list[ir.Store]) -> list[ir.Store]:
        return [ir.Store(s.buffer, self.index(s.offset), self.expr(s.expr),
                         tuple((self.index(i), low, high) for i, low, high in s.where))
                for s in stores]

    def stage(self, stage: Any, variables: Callable[[list[LoopVar]], list[LoopVar]]) -> Any:
        """A stage over the new variables; `variables` maps its loops."""
        if isinstance(stage, ir.Map):
            return ir.Map(variables(stage.vars), self.stores(stage.stores), stage.ordered)
        items = [ir.ReduceItem(i.operation, i.initial, [self.expr(e) for e in i.exprs], i.results)
                 for i in stage.items]
        return ir.Reduce(variables(stage.kept), variables(stage.reduced), items,
                         self.stores(stage.stores), self.stores(stage.inner))
