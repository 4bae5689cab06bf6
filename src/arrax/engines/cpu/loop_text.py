"""The loop IR as text: deterministic, names given in order of appearance."""
from __future__ import annotations

from typing import Any

from arrax.engines.cpu import loop_ir as ir
from arrax.engines.cpu.loop_ir import Buffer, Expr, Index, LoopVar

_SHORT = {"input": "in", "output": "out", "temporary": "tmp", "scalar": "s", "bound": "slice",
          "row": "row"}


def region_text(region: ir.Region) -> str:
    """A region and all inside it."""
    return _Printer().region(region, 0)


def step_text(step: Any) -> str:
    """One step and all inside it."""
    return "\n".join(_Printer().step(step, 0))


def expr_text(expr: Expr) -> str:
    """One expression."""
    return _Printer().expr(expr)


class _Printer:
    def __init__(self) -> None:
        self.names: dict[Any, str] = {}
        self.counts: dict[str, int] = {}

    def name(self, thing: Any, prefix: str) -> str:
        found = self.names.get(thing)
        if found is None:
            count = self.counts.get(prefix, 0)
            self.counts[prefix] = count + 1
            found = self.names[thing] = f"{prefix}{count}"
        return found

    def buffer(self, buffer: Buffer) -> str:
        root = buffer.root
        if root.kind in ("input", "output"):
            return f"{_SHORT[root.kind]}{root.position}"
        return self.name(root, _SHORT[root.kind])

    def loops(self, variables: list[LoopVar]) -> str:
        return ", ".join(f"{self.name(v, 'i')}<{v.extent}" for v in variables)

    def index(self, index: Index) -> str:
        parts = []
        for term, coefficient in index.terms:
            text = self.name(term, "i") if isinstance(term, LoopVar) else self.expr(term)
            parts.append(text if coefficient == 1 else f"{coefficient}*{text}")
        if index.const or not parts:
            parts.append(str(index.const))
        return " + ".join(parts)

    def expr(self, expr: Expr) -> str:
        if isinstance(expr, ir.Constant):
            return str(expr.value)
        if isinstance(expr, ir.Load):
            return f"{self.buffer(expr.buffer)}[{self.index(expr.offset)}]"
        if isinstance(expr, ir.Apply):
            return f"{expr.operation.name}({', '.join(map(self.expr, expr.args))})"
        if isinstance(expr, ir.Position):
            return f"({self.index(expr.index)}):{expr.dtype}"
        if isinstance(expr, ir.Remainder):
            return f"({self.index(expr.index)}) % {expr.divisor}"
        if isinstance(expr, ir.Quotient):
            return f"({self.index(expr.index)}) // {expr.divisor}"
        if isinstance(expr, ir.Choose):
            where = self.conditions(expr.conditions)
            return f"({self.expr(expr.inside)} if {where} else {self.expr(expr.outside)})"
        return self.name(expr, "r")

    def conditions(self, conditions: Any) -> str:
        return " and ".join(f"{low} <= {self.index(index)} < {high}"
                            for index, low, high in conditions)

    def store(self, store: ir.Store) -> str:
        guard = f" where {self.conditions(store.where)}" if store.where else ""
        place = f"{self.buffer(store.buffer)}[{self.index(store.offset)}]"
        return f"{place} = {self.expr(store.expr)}{guard}"

    def stage(self, stage: ir.Stage, indent: int) -> list[str]:
        pad = "  " * indent
        if isinstance(stage, ir.Map):
            kind = "ordered " if stage.ordered else ""
            return [f"{pad}{kind}map {self.loops(stage.vars)}:",
                    *(f"{pad}  {self.store(s)}" for s in stage.stores)]
        lines = [f"{pad}reduce {self.loops(stage.reduced)} for {self.loops(stage.kept)}:"]
        lines += [f"{pad}  {self.store(s)}" for s in stage.inner]
        for item in stage.items:
            results = ", ".join(self.name(r, "r") for r in item.results)
            exprs = ", ".join(map(self.expr, item.exprs))
            lines.append(f"{pad}  {results} = fold {item.operation.name}({exprs})")
        return lines + [f"{pad}  then {self.store(s)}" for s in stage.stores]

    def step(self, step: Any, indent: int) -> list[str]:
        pad = "  " * indent
        if isinstance(step, ir.Kernel):
            lines = [f"{pad}kernel {step.name} {self.loops(step.outer)}:"]
            return lines + [line for s in step.stages for line in self.stage(s, indent + 1)]
        if isinstance(step, ir.Copy):
            return [f"{pad}{self.buffer(step.target)} = {self.buffer(step.source)}"]
        if isinstance(step, (ir.HostCallStep, ir.LibraryStep)):
            kind = "host" if isinstance(step, ir.HostCallStep) else "library"
            results, operands = (", ".join(map(self.buffer, row))
                                 for row in (step.results, step.operands))
            return [f"{pad}{results} = {kind} {step.eqn.primitive.name}({operands})"]
        return self.control(step, indent)

    def control(self, step: Any, indent: int) -> list[str]:
        pad = "  " * indent
        if isinstance(step, ir.WhileStep):
            return [f"{pad}while:", self.region(step.condition, indent + 1),
                    f"{pad}do:", self.region(step.body, indent + 1)]
        if isinstance(step, ir.ScanStep):
            slices = ", ".join(f"{self.buffer(piece)} of {self.buffer(whole)}"
                               for piece, whole in step.slices)
            order = " reverse" if step.reverse else ""
            return [f"{pad}scan{order} {step.length} with {slices}:",
                    self.region(step.body, indent + 1)]
        lines = [f"{pad}cond {self.buffer(step.index)}:"]
        for number, branch in enumerate(step.branches):
            lines += [f"{pad}branch {number}:", self.region(branch, indent + 1)]
        return lines

    def region(self, region: ir.Region, indent: int) -> str:
        lines = [line for step in region.steps for line in self.step(step, indent)]
        results = ", ".join(map(self.buffer, region.results))
        return "\n".join([*lines, f"{'  ' * indent}-> {results}"])
