"""Read jaxpr text back: the inverse of `core.printer`.

`print(parse(text)) == text` for every text that the printer makes. What the text does not hold is
rebuilt: hidden parameters have their declared defaults (or follow from the results' avals), effects
follow from the primitives. What cannot be rebuilt: weak types (the text does not show them), the
values of constvars, and parameters that are functions; these become `Opaque` texts, so that the
jaxpr prints, passes and compiles, but rules that call such a function fail.
"""
from __future__ import annotations

import enum
import re
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from arrax.core import dtypes
from arrax.core.aval import ShapedArray, abstract_token
from arrax.core.jaxpr import ClosedJaxpr, DropVar, Eqn, Jaxpr, Literal, Var
from arrax.core.parameter_types import parameter_types
from arrax.core.primitive import Primitive, registry
from arrax.core.printer import ALWAYS


class ParseError(ValueError):
    """Text that is no jaxpr; the message shows the line and the column."""


class Opaque(str):
    """A parameter that only prints: the text of a function or of an unknown object."""

    __slots__ = ()

    def __repr__(self) -> str:
        return str(self)


_SPACE = re.compile(r"\s*")
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_PRIMITIVE = re.compile(r"[A-Za-z_][\w-]*")
_OUTPUTS = re.compile(r"in\s+\(")
_TYPE = re.compile(r"(~?)([\w<>]+)\[([^\]]*)\]|Tok\b")
_LITERAL = re.compile(r"(\([^()\s]*\)|[^\s:,()]+):(?=~?[\w<>]+\[)")
_NUMBER = re.compile(r"-?(?:\d|inf\b|nan\b|\.\d)|\(|(?:True|False|nan|inf)\b")
_PARAMETER = re.compile(r"([A-Za-z_]\w*)=")
_VALUE = re.compile(r"-?[\w.]+(?:(?<=\de)[+-]\d+)?")
_CLOSERS = {"(": ")", "[": "]", "{": "}"}

dtype_names: dict[str, Any] = {
    **{dtypes.short_dtype_name(d): d for d in dtypes.all_dtypes},
    **{str(k): k for k in (dtypes.key_fry, dtypes.key_rbg, dtypes.key_unsafe_rbg)},
    "float0": dtypes.float0}
_full_names: dict[str, Any] = {d.name: d for d in dtypes.all_dtypes}

# Parameters that hold a jaxpr without consts of its own. The text is the same for both.
_open_jaxprs = {"update_jaxpr"}
_open_jaxprs_of = {("remat2", "jaxpr"), ("checkpoint", "jaxpr"), ("reduce", "jaxpr")}
_texts = {"name", "fmt"}  # parameters that are strings whatever they look like

_enums = {"fft_type": "FftType"}  # parameters whose enum prints as its number
_bare_enums = {"precision": "DotAlgorithmPreset"}  # … as its name, without that of the class

# Hidden parameters that the equation's operands and results give.
_restored: dict[str, Callable[[list[Any], list[Any]], Any]] = {
    "shape": lambda operands, results: results[0].aval.shape,
    "linear": lambda operands, results: (False,) * len(operands),
}


def parse_jaxpr(text: str) -> Jaxpr:
    """The jaxpr that prints as `text`.

    Raises:
      ParseError: the text is no jaxpr, or names an unknown primitive or variable.

    Example:
      >>> parse_jaxpr("{ lambda ; a:f32[3]. let b:f32[3] = sin a in (b,) }")
      { lambda ; a:f32[3]. let b:f32[3] = sin a in (b,) }
    """
    return Parser(text).program()


def parse_closed_jaxpr(text: str, consts: Sequence[Any] = ()) -> ClosedJaxpr:
    """As `parse_jaxpr`, with the values of its constvars."""
    return ClosedJaxpr(parse_jaxpr(text), consts)


class Parser:
    """Recursive descent. Each method reads one piece at `position` and moves past it."""

    def __init__(self, text: str):
        self.text = text
        self.position = 0
        self.shared: dict[str, Jaxpr] = {}
        self.skip()

    # ---- characters ----

    def skip(self) -> None:
        self.position = _SPACE.match(self.text, self.position).end()  # type: ignore[union-attr]

    def peek(self, token: str) -> bool:
        return self.text.startswith(token, self.position)

    def accept(self, token: str) -> bool:
        if not self.peek(token):
            return False
        self.position += len(token)
        self.skip()
        return True

    def expect(self, token: str) -> None:
        if not self.accept(token):
            raise self.error(f"expected {token!r}")

    def match(self, pattern: re.Pattern[str], what: str) -> re.Match[str]:
        found = pattern.match(self.text, self.position)
        if found is None:
            raise self.error(f"expected {what}")
        self.position = found.end()
        return found

    def error(self, message: str, position: int | None = None) -> ParseError:
        at = self.position if position is None else position
        line = self.text.count("\n", 0, at) + 1
        start = self.text.rfind("\n", 0, at) + 1
        end = self.text.find("\n", at)
        shown = self.text[start:end if end >= 0 else None]
        return ParseError(f"{message} at line {line}, column {at - start + 1}:\n{shown}\n"
                          f"{' ' * (at - start)}^")

    # ---- programs ----

    def program(self) -> Jaxpr:
        while self.peek("let "):
            self.accept("let")
            name = self.match(_NAME, "the name of a jaxpr").group()
            self.skip()
            self.expect("=")
            self.shared[name] = self.jaxpr()
            self.expect("in")
        jaxpr = self.jaxpr()
        if self.position != len(self.text):
            raise self.error("expected the end of the text")
        return jaxpr

    def jaxpr(self) -> Jaxpr:
        self.expect("{")
        self.expect("lambda")
        env: dict[str, Var] = {}
        constvars = self.binders(env)
        self.expect(";")
        invars = self.binders(env)
        self.expect(".")
        self.expect("let")
        eqns: list[Eqn] = []
        while not self.at_outputs():
            eqns.append(self.equation(env))
            self.accept(";")
        self.expect("in")
        outvars = self.outputs(env)
        self.expect("}")
        return Jaxpr(constvars, invars, outvars, eqns)

    def at_outputs(self) -> bool:
        self.skip()  # an equation without operands ends before the blanks
        return _OUTPUTS.match(self.text, self.position) is not None

    def outputs(self, env: dict[str, Var]) -> list[Any]:
        self.expect("(")
        found: list[Any] = []
        while not self.accept(")"):
            found.append(self.atom(env))
            if not self.accept(","):
                self.expect(")")
                break
        return found

    def binders(self, env: dict[str, Var]) -> list[Var]:
        found: list[Var] = []
        while (name := _NAME.match(self.text, self.position)) and \
                self.text.startswith(":", name.end()):
            start = self.position
            self.position = name.end() + 1
            aval = self.aval()
            if name.group() == "_":
                found.append(DropVar(aval))
                continue
            if name.group() in env:
                raise self.error(f"variable {name.group()!r} is bound twice", start)
            found.append(env.setdefault(name.group(), Var(aval)))
        return found

    def aval(self) -> Any:
        start = self.position
        found = self.match(_TYPE, "a type such as f32[3]")
        self.skip()
        if found.group() == "Tok":
            return abstract_token
        weak, name, shape = found.groups()
        if name not in dtype_names:
            raise self.error(f"unknown dtype {name!r}", start)
        try:
            dims = tuple(int(d) for d in shape.split(",") if d.strip())
        except ValueError:
            raise self.error(f"unreadable shape [{shape}]", start) from None
        return ShapedArray(dims, dtype_names[name], bool(weak))

    # ---- equations ----

    def equation(self, env: dict[str, Var]) -> Eqn:
        bound: dict[str, Var] = {}
        start = self.position
        outvars = self.binders(bound)
        if outvars:
            self.expect("=")
        name = self.match(_PRIMITIVE, "a primitive").group()
        primitive = registry.get(name)
        if primitive is None:
            what = "unknown primitive" if outvars else "no bound variable and no primitive:"
            raise self.error(f"{what} {name!r}", self.position - len(name))
        params = self.parameters(primitive.name) if self.peek("[") else {}
        self.skip()
        invars = []
        while self.at_operand(env):
            invars.append(self.atom(env))
        if twice := env.keys() & bound.keys():
            raise self.error(f"variable {min(twice)!r} is bound twice", start)
        env |= bound
        self.restore_hidden(primitive, params, invars, outvars)
        return Eqn(primitive, invars, outvars, params, self.effects(primitive, params, start))

    def effects(self, primitive: Primitive, params: dict[str, Any], start: int) -> Any:
        try:
            return primitive.effects_of(params)
        except (AttributeError, KeyError, TypeError) as error:
            raise self.error(f"cannot tell the effects of {primitive.name}: {error}",
                             start) from error

    def at_operand(self, env: dict[str, Var]) -> bool:
        if _LITERAL.match(self.text, self.position) and _NUMBER.match(self.text, self.position):
            name = _NAME.match(self.text, self.position)
            # `nan:f32[]` is a literal unless an equation begins here: `nan:f32[] = …`
            return name is None or not self.begins_equation()
        name = _NAME.match(self.text, self.position)
        return name is not None and name.group() in env and \
            not self.text.startswith((":", "["), name.end())

    def begins_equation(self) -> bool:
        line = self.text[self.position:].split("\n", 1)[0]
        return re.match(r"(?:[A-Za-z_]\w*:[^\s]+\s+)+=", line) is not None

    def atom(self, env: dict[str, Var]) -> Any:
        literal = _LITERAL.match(self.text, self.position)
        if literal is not None:
            return self.literal(literal)
        start = self.position
        name = self.match(_NAME, "a variable or a literal").group()
        self.skip()
        if name not in env:
            raise self.error(f"variable {name!r} is not bound", start)
        return env[name]

    def literal(self, found: re.Match[str]) -> Literal:
        start, text = self.position, found.group(1)
        self.position = found.end()
        aval = self.aval()
        try:
            value = _number(text)
            return Literal(np.asarray(value, dtypes.storage_dtype(aval.dtype))[()], aval)
        except (ValueError, OverflowError) as error:
            raise self.error(f"unreadable literal {text!r}: {error}", start) from None

    # ---- parameters ----

    def parameters(self, owner: str) -> dict[str, Any]:
        self.expect("[")
        params: dict[str, Any] = {}
        while not self.accept_closing():
            name = self.match(_PARAMETER, "a parameter").group(1)
            params[name] = self.parameter(owner, name)
        return params

    def accept_closing(self) -> bool:
        """Past the `]` that ends the parameters; blanks after it are left to the caller."""
        if not self.peek("]"):
            return False
        self.position += 1
        return True

    def parameter(self, owner: str, name: str) -> Any:
        if self.at_jaxpr(name):
            return self.nested(owner, name)
        start = self.position
        if self.accept("("):
            if self.at_jaxpr(name):
                found = []
                while not self.accept(")"):
                    found.append(self.nested(owner, name))
                return tuple(found)
            self.position = start
        text = self.raw_value()
        if name in _texts:
            return text
        bare: Any = parameter_types.get(_bare_enums.get(name, ""))
        if bare is not None and text in bare.__members__:
            return bare[text]
        kind = parameter_types.get(_enums.get(name, ""))
        if kind is not None:
            return kind(parse_value(text))
        value = parse_value(text)
        is_rewritten = owner in registry and name in registry[owner].shown
        return _with_tuples(value) if is_rewritten else value

    def at_jaxpr(self, parameter: str) -> bool:
        if self.peek("{ lambda"):
            return True
        if "jaxpr" not in parameter and parameter != "branches":
            return False
        name = _NAME.match(self.text, self.position)
        return name is not None and name.group() in self.shared and \
            re.match(r"[\s\])]", self.text[name.end():name.end() + 1] or " ") is not None

    def nested(self, owner: str, name: str) -> Jaxpr | ClosedJaxpr:
        if self.peek("{"):
            jaxpr = self.jaxpr()
        else:
            jaxpr = self.shared[self.match(_NAME, "a jaxpr").group()]
            self.skip()
        if jaxpr.constvars or name in _open_jaxprs or (owner, name) in _open_jaxprs_of:
            return jaxpr
        return ClosedJaxpr(jaxpr)

    def raw_value(self) -> str:
        """The text up to the next parameter or the end of the parameters, brackets balanced."""
        start, depth, quote = self.position, [], ""
        while self.position < len(self.text):
            char = self.text[self.position]
            if quote:
                quote = "" if char == quote else quote
            elif char in "'\"" and not self.text[self.position - 1].isalnum():
                quote = char
            elif char in _CLOSERS:
                depth.append(_CLOSERS[char])
            elif depth and char == depth[-1]:
                depth.pop()
            elif not depth and (char == "]" or (char.isspace() and self.at_next_parameter())):
                break
            self.position += 1
        else:
            self.position = start
            raise self.error("unbalanced brackets in a parameter")
        text = self.text[start:self.position]
        self.skip()
        return text

    def at_next_parameter(self) -> bool:
        after = _SPACE.match(self.text, self.position).end()  # type: ignore[union-attr]
        return _PARAMETER.match(self.text, after) is not None or self.text.startswith("]", after)

    def restore_hidden(self, primitive: Primitive, params: dict[str, Any], operands: list[Any],
                       results: list[Any]) -> None:
        """Add the parameters that the printer omits."""
        for name, default in primitive.hidden.items():
            if name in params:
                continue
            if default is ALWAYS:
                if name in _restored:
                    params[name] = _restored[name](operands, results)
            elif callable(default) and not isinstance(default, type):
                for candidate in ((), None, False):
                    if default(candidate):
                        params[name] = candidate
                        break
            else:
                params[name] = default


def _with_tuples(value: Any) -> Any:
    """With tuples for the lists that some primitives show instead of them."""
    if isinstance(value, (list, tuple)) and not hasattr(value, "_fields"):
        return tuple(map(_with_tuples, value))
    return value


def _number(text: str) -> Any:
    if text in ("True", "False"):
        return text == "True"
    for kind in (int, float, complex):
        try:
            return kind(text)
        except ValueError:
            pass
    raise ValueError("not a number")


# --- Values of parameters -----------------------------------------------------------------------

def parse_value(text: str) -> Any:
    """The value of a parameter that prints as `text`; an `Opaque` when it cannot be read."""
    reader = _ValueReader(text)
    try:
        value = reader.value()
        if reader.position == len(text):
            return value
    except (ValueError, TypeError, KeyError, AttributeError):
        pass
    return str(text) if re.fullmatch(r"\w+", text) else Opaque(text)


class _ValueReader:
    """Numbers, None, booleans, strings, dtypes, tuples, lists, enums and registered classes."""

    def __init__(self, text: str):
        self.text, self.position = text, 0

    def skip(self) -> None:
        self.position = _SPACE.match(self.text, self.position).end()  # type: ignore[union-attr]

    def value(self) -> Any:
        char = self.text[self.position:self.position + 1]
        if char == "(":
            return self.items(")", tuple)
        if char == "[":
            return self.items("]", list)
        if char in ("'", '"'):
            return self.string(char)
        return self.word()

    def items(self, closer: str, kind: type) -> Any:
        self.position += 1
        found: list[Any] = []
        self.skip()
        while not self.text.startswith(closer, self.position):
            found.append(self.value())
            self.skip()
            if self.text.startswith(",", self.position):
                self.position += 1
                self.skip()
            elif not self.text.startswith(closer, self.position):
                raise ValueError("expected a comma")
        self.position += 1
        return kind(found)

    def string(self, quote: str) -> str:
        end = self.text.index(quote, self.position + 1)
        found = self.text[self.position + 1:end]
        self.position = end + 1
        return found

    def word(self) -> Any:
        found = _VALUE.match(self.text, self.position)
        if found is None:
            raise ValueError("expected a value")
        word = found.group()
        self.position = found.end()
        if self.text.startswith("(", self.position):
            return self.construct(word)
        if word in _CONSTANTS:
            return _CONSTANTS[word]
        if word in _full_names:
            return _full_names[word]
        head, _, member = word.rpartition(".")
        kind = parameter_types.get(head)
        if kind is not None and issubclass(kind, enum.Enum):
            return kind[member]
        return _number(word)

    def construct(self, name: str) -> Any:
        """`Name(field=value, …)`, or a NumPy scalar such as `np.int64(1)`."""
        kind: Any = np.dtype(name[3:]).type if name.startswith("np.") else parameter_types[name]
        self.position += 1
        self.skip()
        positional: list[Any] = []
        named: dict[str, Any] = {}
        while not self.text.startswith(")", self.position):
            field = _PARAMETER.match(self.text, self.position)
            if field is not None:
                self.position = field.end()
                named[field.group(1)] = self.value()
            else:
                positional.append(self.value())
            self.skip()
            if self.text.startswith(",", self.position):
                self.position += 1
                self.skip()
        self.position += 1
        return kind(*positional, **named)


_CONSTANTS = {"None": None, "True": True, "False": False}
