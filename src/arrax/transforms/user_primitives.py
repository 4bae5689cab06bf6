"""Primitives that programs outside arrax declare, rule by rule, as JAX's documentation teaches.

    p = Primitive("name")                       # `arrax.extend.core.Primitive`
    p.def_impl(evaluate)                        # on arrays
    p.def_abstract_eval(avals -> aval)
    ad.primitive_jvps[p] = rule                 # and the other tables: `transforms.rule_tables`
    mlir.register_lowering(p, mlir.lower_fun(function, multiple_results=False))

A `UserPrimitive` is a `Primitive` whose fields are filled after it is made. What differs from ours:
its name is its owner's (two may have the same), so it is not in the registry; the evaluation rule
takes and gives arrays; a *lowering* is a function `(context, *values, **params)` of traced values,
which the compiler traces in place of the equation. A rule that touches MLIR cannot run here.

Invariant: `isinstance(p, UserPrimitive)` holds for every primitive, since programs ask
`isinstance(eqn.primitive, Primitive)`; only the ones made by calling it have `def_…`.
"""
from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from arrax.core.aval import aval_of
from arrax.core.effects import Effects
from arrax.core.evaluate import EVAL
from arrax.core.jaxpr import ClosedJaxpr, Eqn, Var, eval_jaxpr
from arrax.core.primitive import Primitive
from arrax.core.record import Record
from arrax.core.source_info import here
from arrax.core.trace import use
from arrax.core.lowering import Expand
from arrax.transforms.staging import trace_to_jaxpr


class _AnyPrimitive(type):
    def __instancecheck__(cls, value: Any) -> bool:
        return type.__instancecheck__(cls, value) or (
            cls is UserPrimitive and isinstance(value, Primitive))


class UserPrimitive(Primitive, metaclass=_AnyPrimitive):
    """An operation with rules of its owner's.

    Args:
      name: what jaxprs call it.

    Example:
      >>> from arrax.extend.core import Primitive
      >>> double_p = Primitive("double")
      >>> impl = double_p.def_impl(lambda x: x * 2)
      >>> rule = double_p.def_abstract_eval(lambda x: x)
      >>> double_p.bind(jnp.arange(3))
      Array([0, 2, 4], dtype=int32)
    """

    multiple_results: bool = False
    call_primitive: bool = False
    map_primitive: bool = False

    def __init__(self, name: str):
        super().__init__(name, multiple_results=type(self).multiple_results, execute=self._no_impl,
                         type_rule=self._no_abstract_eval, lower=Expand(self._lowered),
                         stablehlo=self._stablehlo, registered=False)
        self.lowerings: dict[str | None, Callable[..., Any]] = {}

    # ---- rules ----

    def def_impl(self, impl: Callable[..., Any]) -> Callable[..., Any]:
        """Set the evaluation rule: `impl(*arrays, **params)` gives an array, or a list of them."""
        self.execute = impl
        return impl

    def def_abstract_eval(self, abstract_eval: Callable[..., Any]) -> Callable[..., Any]:
        """Set the type rule: `abstract_eval(*avals, **params)` gives an aval, or a list."""
        self.type_rule = abstract_eval
        return abstract_eval

    def def_effectful_abstract_eval(self, rule: Callable[..., Any]) -> Callable[..., Any]:
        """Set a type rule that gives a pair: the aval (or a list), and a set of effects."""
        self.type_rule = lambda *avals, **params: rule(*avals, **params)[0]

        def stage(trace: Any, args: Sequence[Any], params: dict[str, Any]) -> Any:
            atoms = [trace.atom(a) for a in args]
            _, effects = rule(*[a.aval for a in atoms], **params)
            return _record(self, trace, atoms, params, frozenset(effects))
        self.stage = stage
        return rule

    def def_bind_with_trace(self, rule: Callable[..., Any]) -> Callable[..., Any]:
        """Set what `bind` does under a trace: `rule(trace, args, params)`."""
        self.bind_with_trace = rule  # type: ignore[method-assign]
        return rule

    # ---- what the rest of arrax asks ----

    def _no_impl(self, *args: Any, **params: Any) -> Any:
        raise NotImplementedError(f"Evaluation rule for '{self.name}' not implemented")

    def _no_abstract_eval(self, *avals: Any, **params: Any) -> Any:
        raise NotImplementedError(f"Abstract evaluation for '{self.name}' not implemented")

    def lowering(self, platform: str) -> Callable[..., Any]:
        """The rule for a platform; NotImplementedError if there is none."""
        rule = self.lowerings.get(platform) or self.lowerings.get(None)
        if rule is None:
            raise NotImplementedError(
                f"MLIR translation rule for primitive '{self.name}' not found for platform "
                f"{platform}")
        return rule

    def as_program(self, platform: str, avals: Sequence[Any], params: dict[str, Any],
                   ) -> ClosedJaxpr:
        """What the lowering for `platform` does at `avals`, as a jaxpr."""
        rule = self.lowering(platform)
        out = self.result_avals(list(avals), params)
        context = LoweringContext(self, tuple(avals),
                                  tuple(out) if self.multiple_results else (out,), platform)

        def flat(*values: Any) -> list[Any]:
            outs = rule(context, *values, **params)
            return list(outs) if isinstance(outs, (list, tuple)) else [outs]
        return trace_to_jaxpr(flat, list(avals))

    def _lowered(self, *values: Any, **params: Any) -> list[Any]:
        closed = self.as_program("cpu", [aval_of(v) for v in values], params)
        return eval_jaxpr(closed.jaxpr, closed.consts, *values)

    def _stablehlo(self, builder: Any, *values: Any, **params: Any) -> Any:
        closed = self.as_program(builder.platform, [v.aval for v in values], params)
        return builder.inline(closed, values)

    def __reduce__(self) -> Any:
        raise TypeError(f"the primitive {self.name!r} was made by a program and has no name by "
                        "which another process could find it")


def run_lowering(primitive: Any, *args: Any, **params: Any) -> Any:
    """`primitive` on concrete arrays by what its lowering does: the usual implementation."""
    if not isinstance(primitive, UserPrimitive) or not hasattr(primitive, "lowerings"):
        with use(EVAL):
            return primitive.bind(*args, **params)
    closed = primitive.as_program("cpu", [aval_of(a) for a in args], params)
    with use(EVAL):
        outs = eval_jaxpr(closed.jaxpr, closed.consts, *args)
    return outs if primitive.multiple_results else outs[0]


class LoweringContext(Record):
    """What a lowering is told about the equation: its primitive, avals and platform."""

    primitive: Any
    avals_in: tuple[Any, ...]
    avals_out: tuple[Any, ...]
    platform: str


def _record(primitive: Primitive, trace: Any, atoms: list[Any], params: dict[str, Any],
            effects: Effects) -> Any:
    out = primitive.result_avals([a.aval for a in atoms], params)
    outvars = [Var(aval) for aval in (out if primitive.multiple_results else [out])]
    trace.eqns.append(Eqn(primitive, atoms, outvars, params, effects, here()))
    tracers = [trace.tracer_class(trace, v.aval, v) for v in outvars]
    return tracers if primitive.multiple_results else tracers[0]
