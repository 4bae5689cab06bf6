"""Jaxpr text.

The layout is a document of text, line breaks and groups (Wadler, "A prettier printer", 1998): a
group stands on one line if it fits in 80 columns, else all its own breaks become new lines. Names
are a, b, …, z, aa, …, in order of binding, over the nested jaxprs too. A jaxpr that occurs twice or
more is printed once, before the main one, as `let name = { … } in`.
"""
from __future__ import annotations

import enum
from collections import Counter
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from arrax.core import dtypes
from arrax.core.jaxpr import (ClosedJaxpr, DropVar, Eqn, Jaxpr, Literal, Var, _printer,
                              jaxprs_in_params, sub_jaxprs)
from arrax.core.primitive import Primitive
from arrax.core.record import Record

WIDTH = 80


class Break(Record):
    """A space (or `flat`) in a group on one line, a new line in a broken one."""

    flat: str = " "


class Group(Record):
    parts: tuple[Any, ...]


class Nest(Record):
    """New lines inside are indented by `amount` more."""

    amount: int
    parts: tuple[Any, ...]


def _flat(doc: Any) -> str:
    if isinstance(doc, str):
        return doc
    if isinstance(doc, Break):
        return doc.flat
    return "".join(map(_flat, doc.parts))


def render(doc: Any, width: int = WIDTH) -> str:
    """Lay out a document."""
    out: list[str] = []
    column = 0
    stack: list[tuple[int, bool, Any]] = [(0, False, doc)]
    while stack:
        indent, flat, item = stack.pop()
        if isinstance(item, str):
            out.append(item)
            column += len(item)
        elif isinstance(item, Break):
            text = item.flat if flat else "\n" + " " * indent
            out.append(text)
            column = column + len(text) if flat else indent
        else:
            if isinstance(item, Nest):
                indent += item.amount
            elif not flat:
                flat = column + len(_flat(item)) <= width  # what follows does not count
            stack.extend((indent, flat, part) for part in reversed(item.parts))
    return "".join(out)


_KEYWORDS = frozenset({"in", "let"})  # not names, so that the text can be read back


@dataclass
class Names:
    """Names of the variables in scope and of shared jaxprs.

    A nested jaxpr is a scope of its own (two jaxprs may contain the same `Var` object); `pending`
    are names that the next scope starts with.
    """

    variables: dict[Var, str] = field(default_factory=dict)
    pending: dict[Var, str] = field(default_factory=dict)
    shared: dict[int, str] = field(default_factory=dict)
    count: int = 0

    def bind(self, var: Var) -> str:
        if type(var) is DropVar:
            return "_"
        name = self.variables.get(var)
        if name is None:
            name = letters(self.count)
            if name in _KEYWORDS:
                self.count += 1
                name = letters(self.count)
            self.variables[var] = name
            self.count += 1
        return name

    def alias(self, var: Var, name: str) -> None:
        """Call `var` of the next scope by a name of this one."""
        self.pending[var] = name


def letters(number: int) -> str:
    """0 → a, 25 → z, 26 → ba (base 26, as spreadsheets without the leading blank)."""
    text = ""
    while True:
        number, digit = divmod(number, 26)
        text = chr(ord("a") + digit) + text
        if number == 0:
            return text


def short(aval: Any) -> str:
    return aval.str_short(True)  # type: ignore[no-any-return]


def literal_text(literal: Literal) -> str:
    value = literal.val
    if isinstance(value, (np.ndarray, np.generic)) or hasattr(value, "aval"):
        value = np.asarray(value).item() if np.asarray(value).dtype.kind in "fiubc" else \
            np.asarray(value).astype(np.float32).item()
    kind = np.dtype(dtypes.storage_dtype(literal.aval.dtype))
    if kind.kind == "f" or dtypes.issubdtype(literal.aval.dtype, np.floating):
        value = float(value)
    elif kind.kind == "c":
        value = complex(value)
    elif kind.kind == "b":
        value = bool(value)
    elif dtypes.issubdtype(literal.aval.dtype, np.integer):
        value = int(value)
    return f"{value}:{short(literal.aval)}"


def atom_text(atom: Any, names: Names) -> str:
    if type(atom) is Literal:
        return literal_text(atom)
    return names.bind(atom)


def _binders(variables: list[Var], names: Names) -> tuple[Any, ...]:
    """Binders, filling lines; a binder's type does not count for where the line breaks."""
    parts: list[Any] = []
    for var in variables:
        name = names.bind(var)
        parts += [Group((Break(), name)) if parts else name, f":{short(var.aval)}"]
    return tuple(parts)


def param_doc(name: str, value: Any, names: Names) -> Any:
    if isinstance(value, (Jaxpr, ClosedJaxpr)):
        return Group((f"{name}=", jaxpr_doc(value, names)))
    if isinstance(value, (tuple, list)) and any(True for _ in sub_jaxprs(value)):
        items: list[Any] = []
        for item in value:
            items += [Break(), jaxpr_doc(item, names)]
        return Group((f"{name}=(", Nest(2, tuple(items)), Break(), ")"))
    return f"{name}={value_text(value)}"


def value_text(value: Any) -> str:
    """One parameter value."""
    if isinstance(value, np.dtype) or dtypes.is_dtype_like_class(value):
        return str(np.dtype(value).name)
    if isinstance(value, enum.Enum):
        numbered = isinstance(value, enum.IntEnum)  # its `str` is the number
        return f"{type(value).__name__}.{value.name}" if numbered else str(value)
    if isinstance(value, tuple) and type(value).__repr__ is tuple.__repr__:
        inner = ", ".join(_member_text(v) for v in value)
        return f"({inner},)" if len(value) == 1 else f"({inner})"
    if isinstance(value, list):
        return "[" + ", ".join(value_text(v) for v in value) + "]"
    if callable(value) and hasattr(value, "__name__"):
        return str(value.__name__)
    return str(value)


def _member_text(value: Any) -> str:
    """A member of a tuple: strings quoted, enums with the name of their class."""
    if isinstance(value, enum.Enum):
        return f"{type(value).__name__}.{value.name}"
    return repr(value) if isinstance(value, str) else value_text(value)


def _shown_params(primitive: Primitive, params: dict[str, Any]) -> dict[str, Any]:
    hidden, shown = primitive.hidden, primitive.shown
    return {k: shown[k](v) if k in shown else v for k, v in sorted(
        params.items(), key=lambda item: (item[0] != "name", item[0]))
            if not (k in hidden and _same(v, hidden[k]))}


def params_text(primitive: Primitive | None, params: dict[str, Any]) -> str:
    """Params as equations show them, on one line: `[axes=(0,) k=3]`, or nothing."""
    shown = params if primitive is None else _shown_params(primitive, params)
    names = Names()
    texts = [_flat(param_doc(name, value, names)) for name, value in shown.items()]
    return f"[{' '.join(texts)}]" if texts else ""


ALWAYS = object()  # in `Primitive.hidden`: omit the parameter whatever its value


def _same(value: Any, default: Any) -> bool:
    if default is ALWAYS:
        return True
    if callable(default) and not isinstance(default, type):
        return bool(default(value))
    return type(value) is type(default) and bool(value == default)


def eqn_doc(eqn: Eqn, names: Names) -> Any:
    operands = [atom_text(v, names) for v in eqn.invars]
    _share_names_with_call(eqn, names)
    results = _binders(eqn.outvars, names)
    head = (*results, " = ", eqn.primitive.name) if eqn.outvars else (eqn.primitive.name,)
    params = [param_doc(k, v, names) for k, v in _shown_params(eqn.primitive, eqn.params).items()]
    middle: tuple[Any, ...] = ()
    if params:
        joined: list[Any] = []
        for param in params:
            joined += [Break(), param]
        joined[0] = Break("")
        middle = (Group(("[", Nest(2, tuple(joined)), Break(""), "]")),)
    tail: list[Any] = [" ", *operands[:1]]  # the first operand stays on its line
    for operand in operands[1:]:
        tail.append(Group((Break(), operand)))
    return Nest(0, (Nest(2, head), *middle, Nest(2, tuple(tail))))


def _share_names_with_call(eqn: Eqn, names: Names) -> None:
    """Inside a `jit` equation, parameters and results have the names of the call's operands."""
    inner = eqn.params.get("jaxpr")
    if isinstance(inner, ClosedJaxpr):
        inner = inner.jaxpr
    if eqn.primitive.name != "jit" or not isinstance(inner, Jaxpr) or id(inner) in names.shared:
        return
    for operand, var in zip(eqn.invars, inner.invars, strict=True):
        if type(operand) is Var:
            names.alias(var, names.bind(operand))
    fresh = Counter(v for v in inner.outvars if type(v) is Var)
    parameters = set(inner.invars) | set(inner.constvars)
    for result, outvar in zip(eqn.outvars, inner.outvars, strict=True):
        if type(outvar) is Var and outvar not in parameters and fresh[outvar] == 1 \
                and type(result) is Var:
            names.alias(outvar, names.bind(result))


def jaxpr_doc(value: Any, names: Names) -> Any:
    jaxpr = value.jaxpr if isinstance(value, ClosedJaxpr) else value
    if not isinstance(jaxpr, Jaxpr):
        return value_text(value)
    if id(jaxpr) in names.shared:
        return names.shared[id(jaxpr)]
    return definition_doc(jaxpr, names)


def definition_doc(jaxpr: Jaxpr, names: Names) -> Any:
    outer, names.variables, names.pending = names.variables, names.pending, {}
    try:
        return _scope_doc(jaxpr, names)
    finally:
        names.variables = outer


def _scope_doc(jaxpr: Jaxpr, names: Names) -> Any:
    consts = _binders(jaxpr.constvars, names)
    head = Nest(4, ("{ lambda ", *consts, "; ", *_binders(jaxpr.invars, names), ". let"))
    eqns: list[Any] = [Break()]
    for index, eqn in enumerate(jaxpr.eqns):
        if index:
            eqns.append(Break("; "))
        eqns.append(eqn_doc(eqn, names))
    outs: list[Any] = []
    for outvar in jaxpr.outvars:
        text = atom_text(outvar, names)
        outs += [",", Group((Break(), text))] if outs else [text]
    if len(jaxpr.outvars) == 1:
        outs.append(",")
    result = Nest(4, ("in (", *outs, ") }"))
    return Group((head, Nest(4, tuple(eqns)), Nest(2, (Break(),)), result))


def _count_jaxprs(jaxpr: Jaxpr, counts: Counter[int], order: list[tuple[Jaxpr, str]]) -> None:
    for eqn in jaxpr.eqns:
        for sub in jaxprs_in_params(eqn.params):
            inner = sub.jaxpr if isinstance(sub, ClosedJaxpr) else sub
            counts[id(inner)] += 1
            if counts[id(inner)] == 1:
                _count_jaxprs(inner, counts, order)
                order.append((inner, str(eqn.params.get("name", "jaxpr"))))


def jaxpr_text(value: Jaxpr | ClosedJaxpr, width: int = WIDTH, **_: Any) -> str:
    """The text of a jaxpr, definitions of shared jaxprs first."""
    jaxpr = value.jaxpr if isinstance(value, ClosedJaxpr) else value
    names = Names()
    counts: Counter[int] = Counter()
    order: list[tuple[Jaxpr, str]] = []
    _count_jaxprs(jaxpr, counts, order)
    text = ""
    taken: Counter[str] = Counter()
    for inner, name in order:
        if counts[id(inner)] > 1:
            name = "".join(c if c.isalnum() or c == "_" else "_" for c in name)
            unique = name if not taken[name] else f"{name}{taken[name]}"
            taken[name] += 1
            doc = Group((f"let {unique} = ", definition_doc(inner, names), " in"))
            text += render(doc, width) + "\n"
            names.shared[id(inner)] = unique
    return text + render(definition_doc(jaxpr, names), width)


def eqn_text(eqn: Eqn) -> str:
    """One equation on its own; results are named first, as error messages show them."""
    names = Names()
    for var in eqn.outvars:
        names.bind(var)
    return render(eqn_doc(eqn, names))


_printer["jaxpr"] = jaxpr_text
_printer["eqn"] = eqn_text
