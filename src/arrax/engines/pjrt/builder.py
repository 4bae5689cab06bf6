"""The builder that the `stablehlo` rules of primitives write operations with.

A rule is one of

    "add", "chlo.erf"       an elementwise operation of that name, on operands of the result's shape
    rule(b, *operands, **params) -> value, or a list of values for `multiple_results`
    NotApplicable(reason)

where `b` is a `Builder`, and operands are `Value`s. `b.op("reverse", x, dimensions=(0,))` appends
one operation, checked against `opset`; `b.outs` are the avals of the results that the rule must
give. A `Builder` is a trace too, current while a rule runs: binding primitives to `Value`s appends
*their* operations, so a rule may be a composition of other primitives.

Invariants: a value is used only in the block where it was made or in regions inside it; every
result has the shape and dtype that the type rule of its primitive promises.
"""
from __future__ import annotations

import operator
import re
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from arrax.core.array import ArrayImpl, array_of
from arrax.core.aval import ShapedArray
from arrax.core.dtypes import storage_dtype
from arrax.core.errors import InternalError
from arrax.core.jaxpr import ClosedJaxpr, Eqn, Jaxpr, Literal
from arrax.core.primitive import NotApplicable, Primitive
from arrax.core.trace import Trace, Tracer, use
from arrax.engines.pjrt import mlir_text as text
from arrax.engines.pjrt.opset import Op, check_op, full_name

_BOOL = np.dtype(bool)


class Value(Tracer):
    """A result of an operation, or an argument of a block: its name and its aval."""

    __slots__ = ("name", "aval")

    def __init__(self, builder: Builder, name: str, aval: Any):
        self._trace, self.name, self.aval = builder, name, aval


class Builder(Trace):
    """Writes the body of a function, with the regions inside it; see the head of the module.

    `functions` maps a callee's jaxpr to the name of the private function made of it. `platform`
    ("cpu", "cuda", "tpu", …) is where the program will run. `located`: operations tell the user's
    line that they came from.
    """

    __slots__ = ("platform", "lines", "count", "arguments", "outs", "functions", "written",
                 "finished", "names", "located", "location")

    def __init__(self, platform: str = "cpu", located: bool = False) -> None:
        self.platform = platform
        self.located, self.location = located, ""
        self.lines: list[str] = []
        self.count = self.arguments = 0
        self.outs: list[ShapedArray] = []
        self.functions: dict[int, tuple[Any, str]] = {}
        self.written: dict[Any, tuple[str, list[Any]]] = {}
        self.finished: list[str] = []
        self.names: set[str] = {"main"}

    # ---- primitives ----------------------------------------------------------------------------

    def process(self, primitive: Primitive, args: tuple[Any, ...], params: dict[str, Any]) -> Any:
        operands = [self.value(x) for x in args]
        avals = primitive.result_avals([x.aval for x in operands], params)
        expected: list[Any] = list(avals) if primitive.multiple_results else [avals]
        outer, self.outs = self.outs, expected
        try:
            results = self._apply(primitive, operands, params)
        finally:
            self.outs = outer
        results = self._values(results)
        _check_types(primitive, results, expected)
        # A composition may lose or gain weak types, which are not StableHLO's business.
        results = [x if x.aval is aval else Value(self, x.name, aval)
                   for x, aval in zip(results, expected, strict=True)]
        return results if primitive.multiple_results else results[0]

    def _apply(self, primitive: Primitive, operands: list[Value], params: dict[str, Any]) -> Any:
        rule = primitive.stablehlo
        if rule is None or isinstance(rule, NotApplicable):
            reason = f": {rule.reason}" if rule is not None else ""
            raise NotImplementedError(
                f"StableHLO rule for '{primitive.name}' not implemented{reason}")
        if isinstance(rule, str):
            return self.op(rule, *(self.broadcast(x, self.outs[0].shape) for x in operands),
                           results=self.outs[0], result_accuracy=params.get("accuracy"))
        return rule(self, *operands, **params)

    def inline(self, closed: ClosedJaxpr | Jaxpr, operands: Sequence[Any]) -> list[Value]:
        """The results of a jaxpr, its operations written here."""
        jaxpr, consts = ((closed.jaxpr, closed.consts) if isinstance(closed, ClosedJaxpr)
                         else (closed, ()))
        values: dict[Any, Any] = dict(zip(jaxpr.constvars, self._values(consts), strict=True))
        values.update(zip(jaxpr.invars, operands, strict=True))

        def read(variables: Sequence[Any]) -> list[Any]:
            return [v.val if isinstance(v, Literal) else values[v] for v in variables]
        outer = self.location
        with use(self):
            for eqn in jaxpr.eqns:
                if self.located:
                    self.location = _location_of(eqn)
                outs = eqn.primitive.bind(*read(eqn.invars), **eqn.params)
                values.update(zip(eqn.outvars, outs if eqn.primitive.multiple_results else [outs],
                                  strict=True))
        self.location = outer
        return self._values(read(jaxpr.outvars))

    # ---- operations ----------------------------------------------------------------------------

    def op(self, name: str, /, *operands: Any, results: Any = None, regions: Sequence[str] = (),
           **attributes: Any) -> Any:
        """Append the operation `name` ("add", "chlo.erf"); its result, or a list of results.

        `results`: the aval of its result, or a list of avals; by default that of the first operand.
        `regions` come from `region`. Attributes are plain values, which `opset` gives their form;
        one that is None is left out.
        """
        values = [self.value(x) for x in operands]
        given = {k: v for k, v in attributes.items() if v is not None}
        spec = check_op(name, len(values), given, len(regions))
        avals = results if isinstance(results, (list, tuple)) else \
            [values[0].aval if results is None else results]
        outs = self._fresh(avals)
        if spec.is_short(given):
            body = f"{full_name(name)} {_short(spec, values, avals, given)}"
        else:
            body = _generic(name, values, avals, regions, {
                key: spec.attributes[key](value) for key, value in given.items()})
        self._emit(f"{_targets(outs)}{body}")
        return outs if isinstance(results, (list, tuple)) else outs[0]

    def _emit(self, line: str) -> None:
        self.lines.append(line + self.location)

    def _fresh(self, avals: Sequence[Any]) -> list[Value]:
        name = f"%{self.count}"
        self.count += 1
        if len(avals) == 1:
            return [Value(self, name, avals[0])]
        return [Value(self, f"{name}#{i}", aval) for i, aval in enumerate(avals)]

    def region(self, function: Callable[..., Any], *avals: ShapedArray) -> str:
        """The text of a region of one block: `function` of the block's arguments gives its
        results."""
        arguments = self._arguments(avals)
        head = [f"^bb0({_declared(arguments)}):"] if arguments else []
        return _braced(self._block(function, arguments), head)

    def _arguments(self, avals: Sequence[ShapedArray]) -> list[Value]:
        first, self.arguments = self.arguments, self.arguments + len(avals)
        return [Value(self, f"%arg{first + i}", aval) for i, aval in enumerate(avals)]

    def _block(self, function: Callable[..., Any], arguments: Sequence[Value]) -> list[str]:
        """The lines that compute and return `function` of the arguments."""
        outer, self.lines = self.lines, []
        try:
            with use(self):
                outs = function(*arguments)
            self._return("stablehlo.return", self._values(outs))
        finally:
            inner, self.lines = self.lines, outer
        return inner

    def _return(self, name: str, outs: Sequence[Value]) -> None:
        types = ", ".join(text.tensor_type(x.aval) for x in outs)
        self._emit(f"{name} {', '.join(x.name for x in outs)} : {types}" if outs else name)

    # ---- functions -----------------------------------------------------------------------------

    def call(self, name: str, closed: ClosedJaxpr, operands: Sequence[Any]) -> list[Value]:
        """The results of a call of the private function that `closed` makes."""
        return self._call(self.function(name, closed), self._values(operands), closed.out_avals)

    def shared(self, name: str, body: Callable[..., Any], *operands: Any) -> list[Value]:
        """The results of a call of a private function `body(*operands)`, which is written once for
        each name and types of operands; it uses no other values."""
        values = self._values(operands)
        avals = [x.aval for x in values]
        key = (name, *map(text.tensor_type, avals))
        if key not in self.written:
            symbol = self._unique(name)
            self.written[key] = symbol, self._write(
                symbol, avals, lambda arguments: self._values(body(*arguments)))
        symbol, results = self.written[key]
        return self._call(symbol, values, results)

    def _call(self, symbol: str, values: Sequence[Value], results: Sequence[Any]) -> list[Value]:
        outs = self._fresh(results)
        types = text.signature([v.aval for v in values], results)
        self._emit(f"{_targets(outs)}func.call {text.symbol(symbol)}"
                   f"({', '.join(v.name for v in values)}) : {types}")
        return outs

    def function(self, name: str, closed: ClosedJaxpr) -> str:
        """The symbol of a private function, made of `closed` when it is first asked for."""
        key = id(closed) if closed.consts else id(closed.jaxpr)
        if key not in self.functions:
            self.functions[key] = (closed, self._unique(name))  # keeps `closed`, so ids stay unique
            self.define(self.functions[key][1], closed)
        return self.functions[key][1]

    def _unique(self, name: str) -> str:
        unique, i = name, 0
        while unique in self.names:
            unique, i = f"{name}_{i}", i + 1
        self.names.add(unique)
        return unique

    def define(self, name: str, closed: ClosedJaxpr, arguments: Sequence[str] = (),
               results: Sequence[str] = ()) -> None:
        """Write a function, public if it is `main`; `arguments` and `results` are what stands
        behind their types."""
        self._write(name, closed.in_avals, lambda operands: self.inline(closed, operands),
                    arguments, results)

    def _write(self, name: str, avals: Sequence[Any], body: Callable[[list[Value]], list[Value]],
               arguments: Sequence[str] = (), results: Sequence[str] = ()) -> list[Any]:
        """Write a function; the avals of its results."""
        outer = self.lines, self.count, self.arguments
        self.lines, self.count, self.arguments = [], 0, len(avals)
        operands = [Value(self, f"%arg{i}", aval) for i, aval in enumerate(avals)]
        try:
            with use(self):
                outs = body(operands)
            self._return("return", outs)
        finally:
            inner, (self.lines, self.count, self.arguments) = self.lines, outer
        types = [text.tensor_type(x.aval) for x in outs]
        shown = ", ".join(map(operator.add, types, results or [""] * len(outs)))
        if len(outs) != 1 or any(results):
            shown = f"({shown})"
        self.finished.append("\n".join(
            [f"func.func {'public' if name == 'main' else 'private'} {text.symbol(name)}"
             f"({_declared(operands, arguments)}){f' -> {shown}' if outs else ''} {{",
             *map(_indented, inner), "}"]))
        return [x.aval for x in outs]

    # ---- the common vocabulary -----------------------------------------------------------------

    def value(self, x: Any) -> Value:
        """A value; arrays and scalars become constants."""
        if isinstance(x, Value):
            return x
        if isinstance(x, Tracer):
            raise InternalError(f"a {type(x).__name__} reached StableHLO")
        array = x if isinstance(x, ArrayImpl) else array_of(x)
        return self._constant(np.asarray(array.data), array.aval)

    def _values(self, results: Any) -> list[Value]:
        """What a rule or a region's function gave, as a list."""
        return [self.value(x) for x in (results if isinstance(results, (list, tuple))
                                        else [results])]

    def _constant(self, data: np.ndarray, aval: ShapedArray) -> Value:
        [out] = self._fresh([aval])
        self._emit(f"{out.name} = stablehlo.constant {text.dense(data)}")
        return out

    def constant(self, value: Any, dtype: Any) -> Value:
        """A constant array or scalar of `dtype`."""
        data = np.asarray(value, dtype)
        return self._constant(data, ShapedArray(data.shape, data.dtype))

    def element_type(self, dtype: Any) -> str:
        """How attributes name a dtype: `f32`, `bf16`, …"""
        return text.element_type(dtype)

    def full(self, shape: Sequence[int], value: Any, dtype: Any) -> Value:
        """An array of equal elements."""
        return self.broadcast(self.constant(value, dtype), shape)

    def zeros(self, aval: ShapedArray) -> Value:
        """Zeros of an aval; of key arrays too."""
        return Value(self, self.full(aval.shape, 0, storage_dtype(aval.dtype)).name, aval)

    def barrier(self, values: Sequence[Any]) -> list[Value]:
        """The values, which the compiler moves no operations across."""
        values = self._values(values)
        results: list[Value] = self.op("optimization_barrier", *values,
                                       results=[x.aval for x in values]) if values else []
        return results

    def broadcast(self, x: Value, shape: Sequence[int]) -> Value:
        """`x` at a shape, by NumPy's rule: axes added in front, axes of size 1 repeated."""
        if x.aval.shape == tuple(shape):
            return x
        first = len(shape) - x.aval.ndim
        out: Value = self.op("broadcast_in_dim", x, results=ShapedArray(tuple(shape), x.aval.dtype),
                             broadcast_dimensions=range(first, len(shape)))
        return out

    def reshape(self, x: Value, shape: Sequence[int]) -> Value:
        """The elements of `x` in row-major order at another shape."""
        if x.aval.shape == tuple(shape):
            return x
        out: Value = self.op("reshape", x, results=ShapedArray(tuple(shape), x.aval.dtype))
        return out

    def convert(self, x: Value, dtype: Any) -> Value:
        """Elements of another dtype, by StableHLO's conversion."""
        if x.aval.dtype == dtype:
            return x
        out: Value = self.op("convert", x, results=ShapedArray(x.aval.shape, dtype))
        return out

    def compare(self, direction: str, x: Any, y: Any, compare_type: str | None = None) -> Value:
        """Booleans, in the joint shape; `direction` is EQ, NE, LT, LE, GT or GE."""
        x, y = self.value(x), self.value(y)
        shape = np.broadcast_shapes(x.aval.shape, y.aval.shape)
        x, y = self.broadcast(x, shape), self.broadcast(y, shape)
        kind = compare_type or _compare_type(x.aval.dtype)
        out: Value = self.op("compare", x, y, results=ShapedArray(x.aval.shape, _BOOL),
                             comparison_direction=direction, compare_type=kind)
        return out

    def select(self, condition: Value, x: Value, y: Value) -> Value:
        """`x` where `condition` holds, else `y`; all of one shape (a condition may be 0-d)."""
        out: Value = self.op("select", condition, x, y, results=x.aval)
        return out

    def iota(self, shape: Sequence[int], dtype: Any, dimension: int) -> Value:
        """Positions along one dimension."""
        out: Value = self.op("iota", results=ShapedArray(tuple(shape), dtype),
                             iota_dimension=dimension)
        return out

    def while_loop(self, condition: Callable[..., Any], body: Callable[..., Any],
                   *carry: Any) -> list[Value]:
        """The carry after `body(*carry)` was applied while `condition(*carry)` holds."""
        values = self._values(carry)
        avals = [x.aval for x in values]
        arguments = self._arguments(avals)
        blocks = [_braced(self._block(f, arguments)) for f in (condition, body)]
        outs = self._fresh(avals)
        pairs = ", ".join(f"{a.name} = {v.name}" for a, v in zip(arguments, values, strict=True))
        self._emit(f"{_targets(outs)}stablehlo.while({pairs}) : "
                   f"{', '.join(map(text.tensor_type, avals))}\ncond {' do '.join(blocks)}")
        return outs

    def for_loop(self, count: int, body: Callable[..., Any], *carry: Any) -> list[Value]:
        """The carry after `body(i, *carry)` was applied for i = 0, …, count - 1 (int32)."""
        index = np.dtype(np.int32)

        def step(i: Value, *values: Value) -> list[Value]:
            following = self.op("add", i, self.constant(1, index))
            return [following, *self._values(body(i, *values))]

        return self.while_loop(lambda i, *_: self.compare("LT", i, self.constant(count, index)),
                               step, self.constant(0, index), *carry)[1:]

    def case(self, index: Value, branches: Sequence[Callable[[], Any]], results: Sequence[Any],
             ) -> list[Value]:
        """The results (of the avals `results`) of the branch of that index."""
        outs: list[Value] = self.op("case", index, results=list(results),
                                    regions=[self.region(branch) for branch in branches])
        return outs

    def reduce(self, operands: Sequence[Any], inits: Sequence[Any], axes: Sequence[int],
               combine: Callable[..., Any]) -> list[Value]:
        """The elements along `axes`, with the `inits` (scalars) combined: `combine(*xs, *ys)` gives
        as many scalars as there are operands."""
        arrays, scalars = self._values(operands), self._values(inits)
        avals = [x.aval.update(shape=tuple(np.delete(x.aval.shape, axes).tolist()))
                 for x in arrays]
        arguments = self._arguments([x.aval for x in scalars] * 2)
        block = self._block(combine, arguments)
        outs = self._fresh(avals)
        pairs = ", ".join(f"({x.name} init: {i.name})"
                          for x, i in zip(arrays, scalars, strict=True))
        how = _applied(block, arguments)
        self._emit(f"{_targets(outs)}stablehlo.reduce{pairs}{how and f' applies {how}'} across "
                   f"dimensions = {text.shown(axes)} : "
                   f"{text.signature([x.aval for x in (*arrays, *scalars)], avals)}"
                   + ("" if how else f"\nreducer{_reducer(arguments)} {_braced(block)}"))
        return outs

    def combiner(self, name: str, aval: ShapedArray) -> str:
        """The region that combines two scalars by the operation `name`."""
        scalar = ShapedArray((), aval.dtype)
        return self.region(lambda x, y: self.op(name, x, y, results=scalar), scalar, scalar)


def _compare_type(dtype: Any) -> str:
    """How elements of a dtype are ordered."""
    name = text.element_type(dtype)
    if name == "i1" or name.startswith("ui"):
        return "UNSIGNED"
    return "SIGNED" if name.startswith("i") else "FLOAT"


def _check_types(primitive: Primitive, results: Sequence[Value], expected: Sequence[Any]) -> None:
    got = [text.tensor_type(x.aval) for x in results]
    wanted = [text.tensor_type(aval) for aval in expected]
    if got != wanted:
        raise InternalError(f"the StableHLO rule of '{primitive.name}' gives {got}; its type rule "
                            f"promises {wanted}")


def _location_of(eqn: Eqn) -> str:
    """The location that a line of an equation ends with."""
    info = eqn.source_info
    scope = f"{info.name_stack}/" if info.name_stack else ""
    return text.location((scope + eqn.primitive.name, info.position()))


def _short(spec: Op, values: Sequence[Value], avals: Sequence[Any], given: dict[str, Any]) -> str:
    inputs = [v.aval for v in values]
    types = [text.tensor_type(a) for a in inputs]
    outs = [text.tensor_type(a) for a in avals]
    signature = text.signature(inputs, avals)
    template = spec.short(given) if callable(spec.short) else spec.short
    return template.format(
        operands=", ".join(v.name for v in values), types=", ".join(types), signature=signature,
        type=outs[0] if len({*types, *outs}) == 1 else signature,
        arrow=f"{', '.join(types)} -> {', '.join(outs)}",
        ends=f"{types[0]}, {types[-1]}" if types else "",
        **{name: text.shown(value) for name, value in given.items()})


def _generic(name: str, values: Sequence[Value], avals: Sequence[Any], regions: Sequence[str],
             attributes: dict[str, str]) -> str:
    inner = ", ".join(f"{key} = {value}" for key, value in attributes.items())
    parts = [f'"{full_name(name)}"({", ".join(v.name for v in values)})']
    parts += [f"<{{{inner}}}>"] if inner else []
    parts += [f"({', '.join(regions)})"] if regions else []
    return f"{' '.join(parts)} : {text.signature([v.aval for v in values], avals)}"


def _targets(outs: Sequence[Value]) -> str:
    """`%0 = `, `%0:2 = `, or nothing."""
    if not outs:
        return ""
    name = outs[0].name.split("#")[0]
    return f"{name}:{len(outs)} = " if len(outs) > 1 else f"{name} = "


def _declared(arguments: Sequence[Value], suffixes: Sequence[str] = ()) -> str:
    declared = [f"{x.name}: {text.tensor_type(x.aval)}" for x in arguments]
    return ", ".join(map(operator.add, declared, suffixes or [""] * len(declared)))


def _braced(lines: Sequence[str], head: Sequence[str] = ()) -> str:
    return "\n".join(["{", *head, *map(_indented, lines), "}"])


def _reducer(arguments: Sequence[Value]) -> str:
    """The arguments of a reduction, in pairs: of left and right operands."""
    half = len(arguments) // 2
    return " ".join(f"({_declared(pair)})"
                    for pair in zip(arguments[:half], arguments[half:], strict=True))


def _applied(block: Sequence[str], arguments: Sequence[Value]) -> str:
    """The operation that the block consists of, applied to the two arguments, or nothing."""
    names = ", ".join(re.escape(x.name) for x in arguments)
    found = re.match(rf"%\d+ = (stablehlo\.\w+) {names} : \S+", block[0])
    return found[1] if found and len(block) == 2 else ""


def _indented(line: str) -> str:
    return "\n".join("  " + part for part in line.split("\n"))
