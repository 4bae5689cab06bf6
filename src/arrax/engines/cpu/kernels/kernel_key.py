"""A key for kernels that are the same but for the memory they work on."""
from __future__ import annotations

from collections.abc import Hashable
from typing import Any

import numpy as np

from arrax.engines.cpu import loop_ir
from arrax.engines.cpu.loop_ir import Buffer, Expr, Index, Kernel, LoopVar, Map


def kernel_key(kernel: Kernel) -> tuple[Hashable, list[Buffer]]:
    """(key, buffers): kernels with equal keys compute the same with their buffers (roots) in the
    places of each other's, so that the code of one serves for both. Expressions are told apart by
    what they are, not by identity."""
    numbering = _Numbering()
    stages = tuple(numbering.stage(stage) for stage in kernel.stages)
    key = (tuple(v.extent for v in kernel.outer),
           tuple(map(numbering.number, kernel.outer)), stages)
    return key, list(numbering.buffers)


class _Numbering:
    """Numbers for loop variables, expressions and buffers in the order of their first use."""

    def __init__(self) -> None:
        self.names: dict[Any, int] = {}
        self.count = 0
        self.contents: dict[Hashable, int] = {}  # numbers of expressions by what they are
        self.buffers: dict[Buffer, int] = {}

    def number(self, thing: LoopVar | Expr) -> int:
        found = self.names.get(thing)
        if found is None:
            found = self.names[thing] = self.count
            self.count += 1
        return found

    def buffer(self, buffer: Buffer) -> Hashable:
        """Which memory, and as what."""
        root = buffer.root
        number = self.buffers.setdefault(root, len(self.buffers))
        return (number, root.nbytes if root.kind == "row" else 0, buffer.dtype)

    def variables(self, variables: list[LoopVar]) -> Hashable:
        return tuple((self.number(v), v.extent) for v in variables)

    def index(self, index: Index) -> Hashable:
        return (index.const, tuple((self.number(term), c) for term, c in index.terms))

    def conditions(self, conditions: Any) -> Hashable:
        return tuple((self.index(index), low, high) for index, low, high in conditions)

    def stage(self, stage: Any) -> Hashable:
        if isinstance(stage, Map):
            return ("map", self.variables(stage.vars), self.stores(stage.stores), stage.ordered)
        loops = (self.variables(stage.kept), self.variables(stage.reduced))
        items = tuple((item.operation, tuple(
            _value_key(start, e.dtype) for start, e in zip(item.initial, item.exprs, strict=True)),
                       self.expressions(item.exprs), tuple(map(self.number, item.results)))
                      for item in stage.items)
        return ("reduce", loops, items, self.stores(stage.stores), self.stores(stage.inner))

    def stores(self, stores: list[Any]) -> Hashable:
        indices = [i for s in stores for i in (s.offset, *(c[0] for c in s.where))]
        exprs = self.expressions([*(s.expr for s in stores),
                                  *(e for i in indices for e in loop_ir.index_children(i))])
        return (exprs, tuple((self.buffer(s.buffer), self.index(s.offset),
                              self.conditions(s.where)) for s in stores))

    def expressions(self, roots: list[Expr]) -> Hashable:
        """The expressions that are new here, and the numbers of the roots."""
        new: list[Hashable] = []
        for expr in loop_ir.walk(roots):
            if type(expr) is loop_ir.Local:
                new.append((self.number(expr), loop_ir.Local, expr.dtype, ()))
            elif expr not in self.names:
                content = (type(expr), expr.dtype, self.content(expr))
                known = self.contents.get(content)
                if known is None:
                    known = self.contents[content] = self.number(expr)
                    new.append((known, *content))
                self.names[expr] = known
        return (tuple(new), tuple(map(self.number, roots)))

    def content(self, expr: Any) -> Hashable:
        """What an expression is beside its number and dtype."""
        if isinstance(expr, loop_ir.Apply):
            params = tuple((name, _param_key(value)) for name, value in sorted(expr.params.items()))
            return (expr.operation, params, tuple(map(self.number, expr.args)))
        if isinstance(expr, loop_ir.Load):
            return (self.buffer(expr.buffer), self.index(expr.offset))
        if isinstance(expr, loop_ir.Constant):
            return _value_key(expr.value, expr.dtype)
        if isinstance(expr, loop_ir.Position):
            return self.index(expr.index)
        if isinstance(expr, loop_ir.Quotient):
            return (self.index(expr.index), expr.divisor)
        if isinstance(expr, loop_ir.Choose):
            return (self.conditions(expr.conditions), self.number(expr.inside),
                    self.number(expr.outside))
        return ()


def _value_key(value: Any, dtype: np.dtype[Any]) -> Hashable:
    """A scalar by its bytes: -0.0 is not 0.0, and a nan is itself."""
    return np.asarray(value).astype(dtype).tobytes()


def _param_key(value: Any) -> Hashable:
    """A parameter: 1 is not 1.0, and 0.0 is not -0.0."""
    return (type(value), value, repr(value) if isinstance(value, float) else "")
