"""Read the loop IR's text back: the inverse of `loop_text`.

`region_text(parse_region(text)) == text`, and kernels read back have the `kernel_key` of those that
were printed. As the jaxpr's text it does not hold functions among the params of host calls, nor
weak types and extended dtypes of their operands, which are what memory holds.
"""
from __future__ import annotations

import re
from typing import Any

import numpy as np

from arrax.core import dtypes
from arrax.core.aval import ShapedArray
from arrax.core.errors import InternalError
from arrax.core.jaxpr import Eqn, Var
from arrax.core.parser import ParseError, Parser
from arrax.core.primitive import registry
from arrax.engines.cpu import loop_ir as ir
from arrax.engines.cpu.loop_ir import Buffer, Expr, Index, LoopVar
from arrax.engines.cpu.operations import Operation, operation_named

_DECLARATION = re.compile(r"(\w+) = (input|output|temporary|scalar|bound|row) (\w+)\[([\d,]*)\]"
                          r"(?: of (\w+))?(?: in (\w+))?(?: at (\d+))?\s*")
_NAME = re.compile(r"[A-Za-z_]\w*")
_KERNEL = re.compile(r"kernel (\S+) ")
_OPERATION = re.compile(r"[A-Za-z_][\w-]*")
_INTEGER = re.compile(r"-?\d+")
_NUMBER = r"\([^()\s]*\)|-?(?:\d[\w.+-]*|inf\b|nan(?:_[0-9a-f]+)?\b)|True\b|False\b"
_VALUE = re.compile(_NUMBER)
_CONSTANT = re.compile(rf"({_NUMBER}):(?=\w)")
_DTYPE = re.compile(r"\w+")
_ASSIGNMENT = re.compile(r"(\w+)(?:, \w+)* = ")
_FOLD = re.compile(r"(\w+(?:, \w+)*) = fold ")

_dtypes = {dtypes.short_dtype_name(d): np.dtype(d) for d in dtypes.all_dtypes}


def parse_region(text: str) -> ir.Region:
    """The region that prints as `text`; ParseError shows where it is none."""
    return _LoopParser(text).program()


class _LoopParser(Parser):
    """Recursive descent, over buffers and over the names of the kernel that is being read."""

    def __init__(self, text: str):
        super().__init__(text)
        self.buffers: dict[str, Buffer] = {}
        self.variables: dict[str, LoopVar] = {}
        self.values: dict[str, Expr] = {}

    def token(self, pattern: re.Pattern[str], what: str) -> str:
        found = self.match(pattern, what).group()
        self.skip()
        return found

    def word(self, word: str) -> bool:
        """Past a word, if it stands here whole."""
        after = self.text[self.position + len(word):self.position + len(word) + 1]
        return not (after.isalnum() or after == "_") and self.accept(word)

    # ---- buffers ---------------------------------------------------------------------------------

    def program(self) -> ir.Region:  # type: ignore[override]
        while (found := _DECLARATION.match(self.text, self.position)) is not None:
            self.position = found.end()
            self.declare(*found.groups())
        region = self.region()
        if self.position != len(self.text):
            raise self.error("expected the end")
        return region

    def declare(self, name: str, kind: str, dtype: str, shape: str, base: str | None,
                home: str | None, place: str | None) -> None:
        if dtype not in _dtypes:
            raise self.error(f"unknown dtype {dtype!r}")
        for other in (base, home):
            if other is not None and other not in self.buffers:
                raise self.error(f"buffer {other!r} is not declared")
        number = re.sub(r"\D", "", name)
        source = None if base is None else self.buffers[base]
        position = -1 if kind not in ("input", "output") else \
            int(number) if source is None else source.position
        buffer = Buffer([int(n) for n in shape.split(",") if n], _dtypes[dtype], kind, position,
                        source)
        buffer.home = None if home is None else self.buffers[home]
        if place is not None:
            buffer.offset = int(place)
        self.buffers[name] = buffer

    def buffer(self) -> Buffer:
        name = self.token(_NAME, "a buffer")
        if name not in self.buffers:
            raise self.error(f"buffer {name!r} is not declared")
        return self.buffers[name]

    def buffer_list(self) -> list[Buffer]:
        found: list[Buffer] = []
        while (name := _NAME.match(self.text, self.position)) and name.group() in self.buffers:
            found.append(self.buffer())
            if not self.accept(","):
                break
        return found

    # ---- steps -----------------------------------------------------------------------------------

    def region(self) -> ir.Region:
        steps = []
        while not self.accept("->"):
            steps.append(self.step())
        return ir.Region([], steps, self.results())

    def results(self) -> list[Buffer]:
        """The buffers on the rest of the line."""
        line = self.text.rfind("->", 0, self.position)
        return self.buffer_list() if "\n" not in self.text[line:self.position] else []

    def step(self) -> ir.Step:
        if self.peek("kernel "):
            return self.kernel()
        if self.word("while"):
            carries = self.buffer_list()
            self.expect(":")
            condition = self.region()
            self.expect("do:")
            return ir.WhileStep(condition, self.region(), carries)
        if self.word("scan"):
            return self.scan()
        if self.word("cond"):
            return self.cond()
        results = self.buffer_list()
        if results:
            self.expect("=")
        for kind in ("host", "library"):
            if self.word(kind):
                return self.call(kind, results)
        if len(results) != 1:
            raise self.error("expected a step")
        return ir.Copy(self.buffer(), results[0])

    def scan(self) -> ir.ScanStep:
        reverse = self.word("reverse")
        length = int(self.token(_INTEGER, "a length"))
        self.expect("with")
        slices = []
        while not self.accept(":"):
            piece = self.buffer()
            self.expect("of")
            slices.append((piece, self.buffer()))
            self.accept(",")
        return ir.ScanStep(length, reverse, self.region(), slices)

    def cond(self) -> ir.CondStep:
        index = self.buffer()
        self.expect(":")
        branches = []
        while self.word("branch"):
            self.token(_INTEGER, "a number")
            self.expect(":")
            branches.append(self.region())
        return ir.CondStep(index, branches)

    def call(self, kind: str, results: list[Buffer]) -> ir.HostCallStep | ir.LibraryStep:
        name = self.match(_OPERATION, "a primitive").group()
        if name not in registry:
            raise self.error(f"unknown primitive {name!r}")
        primitive = registry[name]
        params = self.parameters(name) if self.peek("[") else {}
        self.expect("(")
        operands = self.buffer_list()
        self.expect(")")
        updates = self.accept("in place")
        stored = [*results[:updates], *operands]
        invars, outvars = ([Var(ShapedArray(b.shape, b.dtype)) for b in row]
                           for row in (stored, results))
        self.restore_hidden(primitive, params, invars, outvars)
        eqn = Eqn(primitive, invars, outvars, params, primitive.effects_of(params))
        if kind == "host":
            return ir.HostCallStep(eqn, operands, results)
        return ir.LibraryStep(eqn, operands, results, updates)

    # ---- kernels ---------------------------------------------------------------------------------

    def kernel(self) -> ir.Kernel:
        self.variables, self.values = {}, {}
        name = self.match(_KERNEL, "a kernel").group(1)
        outer = self.loops()
        self.expect(":")
        stages: list[ir.Stage] = []
        while (stage := self.stage()) is not None:
            stages.append(stage)
        return ir.Kernel(outer, stages, name)

    def loops(self) -> list[LoopVar]:
        """`i0<4, i1<5`, or nothing."""
        found = []
        while (name := _NAME.match(self.text, self.position)) and \
                self.text.startswith("<", name.end()):
            self.position = name.end()
            self.expect("<")
            variable = LoopVar(int(self.token(_INTEGER, "an extent")))
            self.variables[name.group()] = variable
            found.append(variable)
            self.accept(",")
        return found

    def stage(self) -> ir.Stage | None:
        ordered = self.word("ordered")
        if ordered or self.peek("map "):
            self.expect("map")
            variables = self.loops()
            self.expect(":")
            return ir.Map(variables, self.statements([]), ordered)
        if not self.word("reduce"):
            return None
        reduced = self.loops()
        self.expect("for")
        kept = self.loops()
        self.expect(":")
        items: list[ir.ReduceItem] = []
        inner = self.statements(items)
        stores: list[ir.Store] = []
        while self.word("then"):
            stores.append(self.store())
            self.statements([])
        return ir.Reduce(kept, reduced, items, stores, inner)

    def statements(self, items: list[ir.ReduceItem]) -> list[ir.Store]:
        """Stores, named expressions, folds (which go to `items`), up to something else."""
        stores = []
        while True:
            found = _NAME.match(self.text, self.position)
            if found and found.group() in self.buffers and self.text.startswith("[", found.end()):
                stores.append(self.store())
                continue
            fold = _FOLD.match(self.text, self.position)
            if fold is not None:
                self.position = fold.end()
                items.append(self.fold(fold.group(1).split(", ")))
                continue
            named = _ASSIGNMENT.match(self.text, self.position)
            if named is None or named.group(1) in self.buffers:
                return stores
            self.position = named.end()
            self.values[named.group(1)] = self.expression()

    def store(self) -> ir.Store:
        buffer = self.buffer()
        self.expect("[")
        offset = self.index()
        self.expect("]")
        self.expect("=")
        expr = self.expression()
        where = self.conditions() if self.word("where") else ()
        return ir.Store(buffer, offset, expr, where)

    def fold(self, names: list[str]) -> ir.ReduceItem:
        operation = self.operation(self.match(_OPERATION, "an operation").group())
        exprs = self.arguments()
        self.expect("from")
        initial = []
        for expr in exprs:
            initial.append(self.value(self.token(_VALUE, "a value"), expr.dtype))
            self.accept(",")
        results = [ir.Local(e.dtype) for e in exprs]
        self.values.update(zip(names, results, strict=True))
        return ir.ReduceItem(operation, initial, exprs, results)

    # ---- expressions -----------------------------------------------------------------------------

    def arguments(self) -> list[Expr]:
        self.expect("(")
        found: list[Expr] = []
        while not self.accept(")"):
            found.append(self.expression())
            self.accept(",")
        return found

    def value(self, text: str, dtype: np.dtype[Any]) -> Any:
        if dtype.kind == "b":
            return np.bool_(text == "True")
        if text.startswith("nan_"):
            return np.frombuffer(bytes.fromhex(text[4:]), dtype)[0]
        kind: Any = int if dtype.kind in "iu" else complex if dtype.kind == "c" else float
        return np.asarray(kind(text)).astype(dtype)[()]

    def dtype(self) -> np.dtype[Any]:
        name = self.token(_DTYPE, "a dtype")
        if name not in _dtypes:
            raise self.error(f"unknown dtype {name!r}")
        return _dtypes[name]

    def expression(self) -> Expr:
        constant = _CONSTANT.match(self.text, self.position)
        if constant is not None:
            self.position = constant.end()
            dtype = self.dtype()
            return ir.Constant(self.value(constant.group(1), dtype), dtype)
        if self.accept("["):
            return self.of_index()
        if self.accept("("):
            return self.choice()
        name = self.match(_OPERATION, "an expression").group()
        if name in self.values:
            self.skip()
            return self.values[name]
        if name in self.buffers:
            self.expect("[")
            load = ir.Load(self.buffers[name], self.index())
            self.expect("]")
            return load
        return self.apply(name)

    def operation(self, name: str) -> Operation:
        try:
            return operation_named(name)
        except InternalError as error:
            raise self.error(str(error), self.position - len(name)) from None

    def apply(self, name: str) -> ir.Apply:
        operation = self.operation(name)
        given = None
        if self.accept(":"):
            found = self.match(_DTYPE, "a dtype").group()
            given = _dtypes[found]
        params = self.parameters(name) if self.peek("[") else {}
        args = self.arguments()
        return ir.Apply(operation, params, args, args[-1].dtype if given is None else given)

    def of_index(self) -> Expr:
        """After `[`: a position, a quotient or a remainder."""
        index = self.index()
        self.expect("]")
        if self.accept(":"):
            return ir.Position(index, self.dtype())
        kind = ir.Remainder if self.accept("%") else ir.Quotient
        if kind is ir.Quotient:
            self.expect("//")
        return kind(index, int(self.token(_INTEGER, "a divisor")))

    def choice(self) -> Expr:
        inside = self.expression()
        self.expect("if")
        conditions = self.conditions()
        self.expect("else")
        outside = self.expression()
        self.expect(")")
        return ir.Choose(conditions, inside, outside)

    def conditions(self) -> tuple[tuple[Index, int, int], ...]:
        found = []
        while True:
            low = int(self.token(_INTEGER, "a bound"))
            self.expect("<=")
            index = self.index()
            self.expect("<")
            found.append((index, low, int(self.token(_INTEGER, "a bound"))))
            if not self.word("and"):
                return tuple(found)

    def index(self) -> Index:
        """Terms in the order of the text."""
        const, terms = 0, []
        while True:
            coefficient = 1
            number = _INTEGER.match(self.text, self.position)
            if number is not None:
                coefficient = int(self.token(_INTEGER, "a number"))
            if number is None or self.accept("*"):
                terms.append((self.term(), coefficient))
            else:
                const += coefficient
            if not self.accept("+"):
                return Index(const, tuple(terms))

    def term(self) -> LoopVar | Expr:
        name = _NAME.match(self.text, self.position)
        if name is not None and name.group() in self.variables:
            self.position = name.end()
            self.skip()
            return self.variables[name.group()]
        return self.expression()


__all__ = ["ParseError", "parse_region"]
