"""The loop IR as text, which `loop_parser` reads back.

    in0 = input f32[20,6]                        buffers: kind, dtype, shape,
    view0 = input f32[120] of in0                whose value they are another view of,
    tmp0 = temporary f32[20] in out0             whose memory they share,
    tmp1 = temporary f32[20] at 512              their place in the arena
    kernel reduce_sum i0<20:                     a name, outer loops
      reduce i1<6 for :                          a fold over i1, for every point of no further loops
        e0 = exp(in0[6*i0 + i1])                 an expression with several uses
        r0 = fold add(mul(e0, 2.0:f32)) from 0.0
        then tmp1[i0] = r0                       a store after the fold
      map i2<6:
        out0[6*i0 + i2] = lt:bool(in0[6*i0 + i2], r0)
    -> out0                                      results

Names are given in order of appearance, those of loops, folds and expressions anew in each kernel.
An operation has the dtype of its last operand unless it says another one. `[i0 + 2]:i32` is an
index as a value, `[i0 + 2] // 3` and `[i0 + 2] % 3` are parts of one; `(a if 0 <= i0 < 5 else b)`
is a choice.
"""
from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from arrax.core import dtypes
from arrax.core.jaxpr import Eqn
from arrax.core.primitive import Primitive, registry
from arrax.core.printer import params_text
from arrax.engines.cpu import loop_ir as ir
from arrax.engines.cpu.loop_ir import Buffer, Expr, Index, LoopVar

_SHORT = {"input": "in", "output": "out", "temporary": "tmp", "scalar": "s", "bound": "slice",
          "row": "row"}
LONGEST_CHAIN = 32  # operations in one expression, before one gets a name


def region_text(region: ir.Region) -> str:
    """A region and all inside it."""
    printer = _Printer()
    body = printer.region(region, 0)
    return "\n".join([*printer.header, body])


def step_text(step: Any) -> str:
    """One step and all inside it."""
    printer = _Printer()
    body = printer.step(step, 0)
    return "\n".join([*printer.header, *body])


def excerpt(step: Any, culprit: Expr | ir.Store | None = None, around: int = 4) -> str:
    """The lines of a step around an expression or store in it, which is marked."""
    printer = _Printer()
    lines = printer.step(step, 0)
    if isinstance(culprit, ir.Store):
        text = f"{printer.buffer(culprit.buffer)}[{printer.index(culprit.offset)}] ="
    else:
        text = "" if culprit is None else printer.definition(culprit)
    at = next((i for i, line in enumerate(lines) if text and text in line), 0)
    shown = [f"{'>' if text and i == at else ' '} {line}" for i, line in enumerate(lines)
             if i == 0 or abs(i - at) <= around]
    return "\n".join([*(f"  {line}" for line in printer.header), *shown])


def expr_text(expr: Expr) -> str:
    """One expression."""
    return _Printer().expr(expr)


def dtype_text(dtype: Any) -> str:
    """The short name of a storage dtype."""
    return dtypes.short_dtype_name(np.dtype(dtype))


class _Printer:
    def __init__(self) -> None:
        self.header: list[str] = []
        self.buffers: dict[Buffer, str] = {}
        self.counts: Counter[str] = Counter()
        self.names: dict[Any, str] = {}  # of loops, locals and expressions of this kernel
        self.named: set[int] = set()  # serials of expressions that get a name

    def fresh(self, prefix: str) -> str:
        self.counts[prefix] += 1
        return f"{prefix}{self.counts[prefix] - 1}"

    def name(self, thing: Any, prefix: str) -> str:
        found = self.names.get(thing)
        if found is None:
            found = self.names[thing] = self.fresh(prefix)
        return found

    # ---- buffers ---------------------------------------------------------------------------------

    def buffer(self, buffer: Buffer) -> str:
        """The name of a buffer, declared in the header."""
        found = self.buffers.get(buffer)
        if found is not None:
            return found
        base = "" if buffer.base is None else f" of {self.buffer(buffer.base)}"
        if buffer.kind in ("input", "output"):
            name = self.fresh("view") if base else f"{_SHORT[buffer.kind]}{buffer.position}"
        else:
            name = self.fresh(_SHORT[buffer.kind])
        home = "" if buffer.home is None else f" in {self.buffer(buffer.home)}"
        place = f" at {buffer.offset}" if buffer.offset >= 0 else ""
        shape = ",".join(map(str, buffer.shape))
        self.buffers[buffer] = name
        self.header.append(
            f"{name} = {buffer.kind} {dtype_text(buffer.dtype)}[{shape}]{base}{home}{place}")
        return name

    # ---- expressions -----------------------------------------------------------------------------

    def loops(self, variables: Iterable[LoopVar]) -> str:
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
        """An expression, by its name if it has one."""
        found = self.names.get(expr)
        return self.definition(expr) if found is None else found

    def definition(self, expr: Expr) -> str:
        if isinstance(expr, ir.Constant):
            return f"{value_text(expr.value, expr.dtype)}:{dtype_text(expr.dtype)}"
        if isinstance(expr, ir.Load):
            return f"{self.buffer(expr.buffer)}[{self.index(expr.offset)}]"
        if isinstance(expr, ir.Apply):
            return self.apply(expr)
        if isinstance(expr, ir.Position):
            return f"[{self.index(expr.index)}]:{dtype_text(expr.dtype)}"
        if isinstance(expr, ir.Quotient):
            operator = "%" if isinstance(expr, ir.Remainder) else "//"
            return f"[{self.index(expr.index)}] {operator} {expr.divisor}"
        if isinstance(expr, ir.Choose):
            where = self.conditions(expr.conditions)
            return f"({self.expr(expr.inside)} if {where} else {self.expr(expr.outside)})"
        return self.name(expr, "r")

    def apply(self, expr: ir.Apply) -> str:
        dtype = "" if expr.args and expr.args[-1].dtype == expr.dtype \
            else f":{dtype_text(expr.dtype)}"
        name = expr.operation.name
        params = params_text(registry.get(name), expr.params) if expr.params else ""
        return f"{name}{dtype}{params}({', '.join(map(self.expr, expr.args))})"

    def conditions(self, conditions: Any) -> str:
        return " and ".join(f"{low} <= {self.index(index)} < {high}"
                            for index, low, high in conditions)

    # ---- stages ----------------------------------------------------------------------------------

    def choose_names(self, orders: Sequence[list[Expr]], roots: Sequence[Expr]) -> None:
        """Find the expressions that are printed apart: those with several uses, ends of chains."""
        uses: dict[int, int] = {}
        depths: dict[int, int] = {}
        for expr in roots:
            uses[expr.serial] = uses.get(expr.serial, 0) + 1
        named = set()
        for order in orders:
            for expr in order:
                depth = 0
                for child in expr.children:
                    uses[child.serial] = uses.get(child.serial, 0) + 1
                    depth = max(depth, depths[child.serial])
                if depth == LONGEST_CHAIN:
                    named.add(expr.serial)
                depths[expr.serial] = 1 + depth % LONGEST_CHAIN
        self.named = {e.serial for order in orders for e in order
                      if (uses[e.serial] > 1 or e.serial in named)
                      and (isinstance(e, ir.Apply) or e.children)}

    def definitions(self, order: list[Expr], pad: str) -> list[str]:
        """The lines that name expressions, operands first."""
        lines = []
        for expr in order:
            if expr.serial in self.named:
                text = self.definition(expr)
                lines.append(f"{pad}{self.name(expr, 'e')} = {text}")
        return lines

    def store(self, store: ir.Store, pad: str, word: str = "") -> str:
        guard = f" where {self.conditions(store.where)}" if store.where else ""
        place = f"{self.buffer(store.buffer)}[{self.index(store.offset)}]"
        return f"{pad}{word}{place} = {self.expr(store.expr)}{guard}"

    def stage(self, stage: ir.Stage, indent: int) -> list[str]:
        """A stage: what has a name first, then the stores and folds."""
        pad, deeper = "  " * indent, "  " * (indent + 1)
        roots, after = (_expressions(ir.stage_roots(stage, folded)) for folded in (False, True))
        order = ir.walk(roots)
        late = ir.walk(after, {e.serial for e in order}) if after else []
        self.choose_names((order, late), [*roots, *after])
        if isinstance(stage, ir.Map):
            kind = "ordered " if stage.ordered else ""
            return [f"{pad}{kind}map {self.loops(stage.vars)}:", *self.definitions(order, deeper),
                    *(self.store(s, deeper) for s in stage.stores)]
        return [f"{pad}reduce {self.loops(stage.reduced)} for {self.loops(stage.kept)}:",
                *self.definitions(order, deeper), *(self.store(s, deeper) for s in stage.inner),
                *(self.fold(item, deeper) for item in stage.items),
                *self.definitions(late, deeper),
                *(self.store(s, deeper, "then ") for s in stage.stores)]

    def fold(self, item: ir.ReduceItem, pad: str) -> str:
        exprs = ", ".join(map(self.expr, item.exprs))
        starts = ", ".join(value_text(start, e.dtype)
                           for start, e in zip(item.initial, item.exprs, strict=False))
        results = ", ".join(self.name(r, "r") for r in item.results)
        return f"{pad}{results} = fold {item.operation.name}({exprs}) from {starts}"

    # ---- steps -----------------------------------------------------------------------------------

    def step(self, step: Any, indent: int) -> list[str]:
        pad = "  " * indent
        if isinstance(step, ir.Kernel):
            self.names = {}
            for prefix in "ire":
                self.counts[prefix] = 0
            lines = [f"{pad}kernel {step.name} {self.loops(step.outer)}:"]
            return lines + [line for s in step.stages for line in self.stage(s, indent + 1)]
        if isinstance(step, ir.Copy):
            return [f"{pad}{self.buffer(step.target)} = {self.buffer(step.source)}"]
        if isinstance(step, (ir.HostCallStep, ir.LibraryStep)):
            return [pad + self.call(step)]
        return self.control(step, indent)

    def call(self, step: ir.HostCallStep | ir.LibraryStep) -> str:
        eqn: Eqn = step.eqn
        kind = "host" if isinstance(step, ir.HostCallStep) else "library"
        primitive: Primitive = eqn.primitive
        results, operands = (", ".join(map(self.buffer, row))
                             for row in (step.results, step.operands))
        end = " in place" if isinstance(step, ir.LibraryStep) and step.updates else ""
        head = f"{results} = " if results else ""
        params = params_text(primitive, eqn.params)
        return f"{head}{kind} {primitive.name}{params}({operands}){end}"

    def control(self, step: Any, indent: int) -> list[str]:
        pad = "  " * indent
        if isinstance(step, ir.WhileStep):
            return [f"{pad}while {', '.join(map(self.buffer, step.carries))}:",
                    self.region(step.condition, indent + 1),
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


def _expressions(roots: Sequence[Expr | Index]) -> list[Expr]:
    """Expressions, those of indices too."""
    found: list[Expr] = []
    for root in roots:
        found += ir.index_children(root) if isinstance(root, Index) else [root]
    return found


def value_text(value: Any, dtype: np.dtype[Any]) -> str:
    """A constant, as its dtype holds it: the shortest digits that give it back, and the bytes of a
    nan that is not the usual one."""
    scalar = np.asarray(value).astype(dtype)
    if dtype.kind in "fcV" and scalar != scalar and \
            scalar.tobytes() != np.asarray(np.nan).astype(dtype).tobytes():
        return f"nan_{scalar.tobytes().hex()}"
    return str(scalar[()])
