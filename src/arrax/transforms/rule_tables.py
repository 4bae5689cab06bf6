"""The rules of primitives as tables, which programs read and fill: `interpreters.ad`, `.batching`…

Each table is a mapping from primitives to rules in JAX's calling convention, over one field of the
primitives themselves, so a rule that is set here is the rule that the transformation finds.
Conventions are those of `core.primitive` but for batching rules, which JAX's programs write in
three ways: `rule(operands, dims, **params)` in `primitive_batchers`, with size and name of the axis
and None in front in `axis_primitive_batchers`, with the axis in `fancy_primitive_batchers`.
"""
from __future__ import annotations

from collections.abc import Callable, Iterator, MutableMapping
from typing import Any

from arrax.core.aval import aval_of
from arrax.core.axis_env import Axis
from arrax.core.primitive import NotApplicable, Primitive, registry
from arrax.core.record import Record
from arrax.transforms.user_primitives import UserPrimitive

Rule = Callable[..., Any]


class Adapted(Record):
    """A user's rule, callable in our convention; `rule` is what the user wrote."""

    rule: Rule
    call: Rule

    def __call__(self, *args: Any, **params: Any) -> Any:
        return self.call(*args, **params)


class RuleTable(MutableMapping[Any, Rule]):
    """The rules in the field `field`; `to_ours` and `to_users` translate conventions."""

    def __init__(self, field: str, to_ours: Callable[[Rule], Any] = lambda rule: rule,
                 to_users: Callable[[Any], Rule] = lambda rule: rule):
        self.field, self.to_ours, self.to_users = field, to_ours, to_users
        self._programs: dict[Any, None] = {}  # primitives outside the registry that have a rule

    def __getitem__(self, primitive: Any) -> Rule:
        rule = getattr(primitive, self.field, None)
        if rule is None or isinstance(rule, NotApplicable):
            raise KeyError(primitive)
        return rule.rule if isinstance(rule, Adapted) else self.to_users(rule)

    def __setitem__(self, primitive: Any, rule: Rule) -> None:
        setattr(primitive, self.field, self.to_ours(rule))
        if registry.get(primitive.name) is not primitive:
            self._programs[primitive] = None

    def __delitem__(self, primitive: Any) -> None:
        self[primitive]
        setattr(primitive, self.field, None)
        self._programs.pop(primitive, None)

    def __iter__(self) -> Iterator[Any]:
        for primitive in (*registry.values(), *self._programs):
            if primitive in self:
                yield primitive

    def __len__(self) -> int:
        return sum(1 for _ in self)

    def __repr__(self) -> str:
        return f"<rules {self.field!r} of {len(self)} primitives>"


def _without_axis(rule: Rule) -> Adapted:
    return Adapted(rule, lambda axis, operands, dims, **params: rule(
        tuple(operands), tuple(dims), **params))


def _inferred_axis(rule: Rule) -> Rule:
    def call(operands: Any, dims: Any, **params: Any) -> Any:
        sizes = [aval_of(x).shape[d] for x, d in zip(operands, dims, strict=True) if d is not None]
        return rule(Axis(None, sizes[0]), list(operands), list(dims), **params)
    return call


def _with_axis(rule: Rule) -> Adapted:
    return Adapted(rule, lambda axis, operands, dims, **params: rule(
        axis, list(operands), list(dims), **params))


def _with_size_and_name(rule: Rule) -> Adapted:
    return Adapted(rule, lambda axis, operands, dims, **params: rule(
        axis.size, axis.name, None, list(operands), list(dims), **params))


def _split_axis(rule: Rule) -> Rule:
    return lambda size, name, _, operands, dims, **params: rule(
        Axis(name, size), operands, dims, **params)


primitive_jvps = RuleTable("jvp")
primitive_transposes = RuleTable("transpose")
primitive_batchers = RuleTable("batch", _without_axis, _inferred_axis)
axis_primitive_batchers = RuleTable("batch", _with_size_and_name, _split_axis)
fancy_primitive_batchers = RuleTable("batch", _with_axis)
dce_rules = RuleTable("dce")


def register_lowering(prim: Any, rule: Rule, platform: str | None = None, inline: bool = True,
                      cacheable: bool = True) -> Rule:
    """Say what `prim` becomes when a program is compiled.

    Args:
      prim: a primitive made by `extend.core.Primitive`.
      rule: `rule(context, *values, **params)` of traced values, such as `lower_fun` gives; it
        returns the results as a sequence.
      platform: for which platform alone ("cpu", "gpu", …); None for all others.
      inline, cacheable: hints for compilers that share the code of equal calls; the lowering's
        program is always put in place of the equation here, so they change nothing.

    Returns `rule`. Raises TypeError for primitives that are part of arrax.
    """
    if type(prim) is Primitive or not hasattr(prim, "lowerings"):
        raise TypeError(f"register_lowering: the lowering of {prim!r}, which is part of arrax, "
                        "cannot be replaced; make a primitive with arrax.extend.core.Primitive")
    for name in ("gpu", "cuda", "rocm") if platform == "gpu" else (platform,):
        prim.lowerings[name] = rule
    return rule


def lower_fun(fun: Callable[..., Any], multiple_results: bool = True) -> Rule:
    """A lowering that does what the traceable function `fun(*values, **params)` does.

    Args:
      fun: a function of arrays; it returns a sequence if `multiple_results`, else one array.
    """
    def rule(context: Any, *values: Any, **params: Any) -> list[Any]:
        out = fun(*values, **params)
        return list(out) if multiple_results else [out]
    return rule


__all__ = ["Adapted", "RuleTable", "UserPrimitive", "axis_primitive_batchers", "dce_rules",
           "fancy_primitive_batchers", "lower_fun", "primitive_batchers", "primitive_jvps",
           "primitive_transposes", "register_lowering"]
