"""The typed IR.

    closed   ::= ClosedJaxpr(jaxpr, consts)
    jaxpr    ::= { lambda constvar* ; invar*. let eqn* in (atom*) }
    eqn      ::= var:aval* = primitive[param=value*] atom*
    atom     ::= var | literal:aval
    literal  ::= a concrete scalar

Every value is bound once, before its use; an eqn's results have the avals that the primitive's
type rule gives. Nothing here is changed after it is built: passes build new jaxprs.
"""
from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

from arrax.core.effects import Effects, no_effects
from arrax.core.primitive import Primitive
from arrax.core.source_info import UNKNOWN, SourceInfo


class Var:
    """A variable; identity is its name."""

    __slots__ = ("aval", "__weakref__")

    def __init__(self, aval: Any):
        self.aval = aval

    def __repr__(self) -> str:
        return f"Var(id={id(self)}):{self.aval.str_short()}"


class DropVar(Var):
    """A result that nothing uses; printed `_`."""

    __slots__ = ()


class Literal:
    """A concrete scalar operand (`val`: Python or NumPy scalar) and its aval."""

    __slots__ = ("val", "aval")

    def __init__(self, val: Any, aval: Any):
        self.val = val
        self.aval = aval

    def __repr__(self) -> str:
        return f"Literal({self.val})"


Atom = Var | Literal


class Eqn:
    """outvars = primitive[params] invars."""

    __slots__ = ("primitive", "invars", "outvars", "params", "effects", "source_info")

    def __init__(self, primitive: Primitive, invars: Sequence[Any], outvars: Sequence[Var],
                 params: dict[str, Any], effects: Effects = no_effects,
                 source_info: SourceInfo = UNKNOWN):
        self.primitive = primitive
        self.invars = list(invars)
        self.outvars = list(outvars)
        self.params = params
        self.effects = effects
        self.source_info = source_info

    def replace(self, **fields: Any) -> Eqn:
        """A copy with some fields replaced."""
        return Eqn(*(fields.get(name, getattr(self, name)) for name in Eqn.__slots__))

    def __repr__(self) -> str:
        from_printer = _printer["eqn"]
        return from_printer(self)  # type: ignore[no-any-return]


@dataclass(frozen=True, slots=True)
class DebugInfo:
    """What was traced, for messages: by which transformation, which function, argument names."""

    traced_for: str
    func_name: str
    func_location: str
    arg_names: tuple[str, ...] | Callable[[], tuple[str, ...]] = ()

    def arg_name(self, position: int) -> str:
        """The name of flat argument `position`, such as `params['w']`."""
        names = self.arg_names() if callable(self.arg_names) else self.arg_names
        return names[position] if position < len(names) and names[position] else f"#{position}"

    def with_leading_names(self, leading: tuple[str, ...]) -> DebugInfo:
        """For a jaxpr that gained inputs in front."""
        names = self.arg_names
        if callable(names):
            return replace(self, arg_names=lambda: leading + names())
        return replace(self, arg_names=leading + names if names else ())

    @property
    def func_src_info(self) -> str:
        return f"{self.func_name} at {self.func_location}" if self.func_location else self.func_name


no_debug_info = DebugInfo("jit", "<unknown>", "")


class Jaxpr:
    """A function in A-normal form; `constvars` are bound to the consts of its `ClosedJaxpr`."""

    __slots__ = ("constvars", "invars", "outvars", "eqns", "effects", "debug_info", "__weakref__")

    def __init__(self, constvars: Sequence[Var], invars: Sequence[Var], outvars: Sequence[Any],
                 eqns: Sequence[Eqn], effects: Effects | None = None,
                 debug_info: DebugInfo = no_debug_info):
        self.constvars = list(constvars)
        self.invars = list(invars)
        self.outvars = list(outvars)
        self.eqns = list(eqns)
        self.effects = join_effects(eqns) if effects is None else effects
        self.debug_info = debug_info

    @property
    def in_avals(self) -> list[Any]:
        return [v.aval for v in self.invars]

    @property
    def out_avals(self) -> list[Any]:
        return [v.aval for v in self.outvars]

    def replace(self, **fields: Any) -> Jaxpr:
        """A copy with some fields replaced; effects are recomputed unless given."""
        constvars, invars, outvars, eqns = (
            fields.get(n, getattr(self, n)) for n in ("constvars", "invars", "outvars", "eqns"))
        return Jaxpr(constvars, invars, outvars, eqns, fields.get("effects"),
                     fields.get("debug_info", self.debug_info))

    def __repr__(self) -> str:
        return _printer["jaxpr"](self)  # type: ignore[no-any-return]

    def pretty_print(self, **options: Any) -> str:
        return _printer["jaxpr"](self, **options)  # type: ignore[no-any-return]


class ClosedJaxpr:
    """A jaxpr with the values of its constvars; `memo` holds what was derived from it."""

    __slots__ = ("jaxpr", "consts", "memo", "__weakref__")

    def __init__(self, jaxpr: Jaxpr, consts: Sequence[Any] = ()):
        if len(consts) != len(jaxpr.constvars):
            raise ValueError(f"{len(jaxpr.constvars)} constvars but {len(consts)} consts")
        self.jaxpr = jaxpr
        self.consts = list(consts)
        self.memo: dict[Any, Any] = {}

    @property
    def in_avals(self) -> list[Any]:
        return self.jaxpr.in_avals

    @property
    def out_avals(self) -> list[Any]:
        return self.jaxpr.out_avals

    @property
    def eqns(self) -> list[Eqn]:
        return self.jaxpr.eqns

    @property
    def effects(self) -> Effects:
        return self.jaxpr.effects

    @property
    def literals(self) -> list[Any]:
        return self.consts

    def replace(self, **fields: Any) -> ClosedJaxpr:
        return ClosedJaxpr(fields.get("jaxpr", self.jaxpr), fields.get("consts", self.consts))

    def __repr__(self) -> str:
        return _printer["jaxpr"](self)  # type: ignore[no-any-return]

    def pretty_print(self, **options: Any) -> str:
        return _printer["jaxpr"](self, **options)  # type: ignore[no-any-return]


_printer: dict[str, Any] = {}  # filled by core.printer, which imports this module


def join_effects(eqns: Sequence[Eqn]) -> Effects:
    """The union of the effects of `eqns`."""
    found = [e.effects for e in eqns if e.effects]
    return frozenset().union(*found) if found else no_effects


def sub_jaxprs(value: Any) -> Iterator[Jaxpr | ClosedJaxpr]:
    """The jaxprs in one parameter value: itself, or the members of a tuple or list."""
    if isinstance(value, (Jaxpr, ClosedJaxpr)):
        yield value
    elif isinstance(value, (tuple, list)):
        for item in value:
            yield from sub_jaxprs(item)


def jaxprs_in_params(params: dict[str, Any]) -> Iterator[Jaxpr | ClosedJaxpr]:
    """All jaxprs carried by the parameters of an equation."""
    for value in params.values():
        yield from sub_jaxprs(value)


def eval_jaxpr(jaxpr: Jaxpr, consts: Sequence[Any], *args: Any) -> list[Any]:
    """Run `jaxpr` equation by equation under the current trace."""
    env: dict[Var, Any] = dict(zip(jaxpr.constvars, consts, strict=True))
    env.update(zip(jaxpr.invars, args, strict=True))
    for eqn in jaxpr.eqns:
        operands = [v.val if type(v) is Literal else env[v] for v in eqn.invars]
        result = eqn.primitive.bind(*operands, **eqn.params)
        if eqn.primitive.multiple_results:
            env.update(zip(eqn.outvars, result, strict=True))
        else:
            env[eqn.outvars[0]] = result
    return [v.val if type(v) is Literal else env[v] for v in jaxpr.outvars]


def jaxpr_as_fun(closed: ClosedJaxpr) -> Any:
    """`closed` as a function of its flat arguments to the list of its results."""
    return lambda *args: eval_jaxpr(closed.jaxpr, closed.consts, *args)
