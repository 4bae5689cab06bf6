"""`jit`: trace once per signature, compile once per program, then call native code.

The call path is C++ (`_native.JitFunction`): it recognizes a signature it has seen and runs the
program. Everything else comes here (`_slow_call`): new signatures, calls under another trace,
unusual arguments. There the call is an equation of the primitive `jit`, bound under the current
trace; on the evaluation trace it compiles and runs. Programs are cached on the function and the
signature, and executables on the identity of the jaxpr, so transformed programs hit too.
"""
from __future__ import annotations

import collections
import functools
import logging
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any, ParamSpec, Protocol, TypeVar, overload

from arrax import _native
from arrax.core import config, monitoring, pytree
from arrax.core.ad_values import UndefinedPrimal, Zero, tangent_aval
from arrax.core.array import array_of
from arrax.core.axis_env import current_axes
from arrax.core.errors import InternalError
from arrax.core.evaluate import EVAL, check_finite
from arrax.core.jaxpr import ClosedJaxpr, Eqn, eval_jaxpr
from arrax.core.primitive import BY_EXECUTION, BY_TYPES, Primitive
from arrax.core.source_info import stack_level
from arrax.core.trace import Tracer, current, use
from arrax.core.tree_registry import node_type
from arrax.core.tracebacks import filtered
from arrax.core.warn import warn
from arrax.core.lowering import Inline
from arrax.ops.rules import move_axis
from arrax.transforms import calls, jit_shardings, refs
from arrax.transforms.batching import axes_in, batch_jaxpr
from arrax.transforms.guarding import Guard, guarded, origins
from arrax.transforms.jvp import jvp_jaxpr
from arrax.transforms.partial_eval import dce_closed, partial_eval_jaxpr
from arrax.transforms.stages import Traced
from arrax.transforms.staging import OuterRefs, hoist_consts, trace_to_jaxpr
from arrax.transforms.traced_programs import (TracedProgram, check_compiler_options, compiled,
                                                explain_miss)
from arrax.transforms.transpose import transpose_jaxpr

_P = ParamSpec("_P")
_R = TypeVar("_R", covariant=True)


# ---- the primitive ------------------------------------------------------------------------------


def _execute(*args: Any, jaxpr: ClosedJaxpr, name: str, **_: Any) -> list[Any]:
    program = TracedProgram(jaxpr, [], None, None, name, (), False, False)
    arrays = [array_of(a) for a in args]
    placements = jit_shardings.placements_of_call(program, arrays, jaxpr.jaxpr.debug_info.arg_name)
    executable: Any = compiled(jaxpr, name)
    if placements is not None:
        executable = jit_shardings.Placed(executable, placements)
    return executable(arrays)  # type: ignore[no-any-return]


def _type_rule(*avals: Any, jaxpr: ClosedJaxpr, **_: Any) -> list[Any]:
    return jaxpr.out_avals


def _jvp(primals: Any, tangents: Any, *, jaxpr: ClosedJaxpr, **params: Any) -> Any:
    nonzeros = [type(t) is not Zero for t in tangents]
    new, out_nonzeros = jvp_jaxpr(jaxpr, nonzeros, False)
    given = [t for t in tangents if type(t) is not Zero]
    outs = jit_p.bind(*primals, *given, jaxpr=new, **_plain(params))
    count = len(jaxpr.out_avals)
    rest = iter(outs[count:])
    return outs[:count], [next(rest) if nz else Zero(tangent_aval(aval))
                          for nz, aval in zip(out_nonzeros, jaxpr.out_avals, strict=True)]


def _transpose(cotangents: Any, *operands: Any, jaxpr: ClosedJaxpr, **params: Any) -> list[Any]:
    linear = [type(x) is UndefinedPrimal for x in operands]
    given = [type(c) is not Zero for c in cotangents]
    new, nonzeros = transpose_jaxpr(jaxpr, linear, given)
    outs = iter(jit_p.bind(*(x for x, lin in zip(operands, linear, strict=True) if not lin),
                           *(c for c in cotangents if type(c) is not Zero),
                           jaxpr=new, **_plain(params)))
    flags = iter(nonzeros)
    return [(next(outs) if next(flags) else Zero(tangent_aval(x.aval))) if lin else None
            for x, lin in zip(operands, linear, strict=True)]


def _batch(axis: Any, operands: Any, dims: Any, *, jaxpr: ClosedJaxpr, **params: Any) -> Any:
    new, batched = batch_jaxpr(jaxpr, axis, [d is not None for d in dims])
    moved = [x if d is None else move_axis(x, d, 0) for x, d in zip(operands, dims, strict=True)]
    outs = jit_p.bind(*moved, jaxpr=new, **_plain(params))
    return outs, [0 if b else None for b in batched]


def _bind_guarded(flag: Any, numbers: list[int], operands: Sequence[Any], params: dict[str, Any],
                  ) -> list[Any]:
    closed = guarded(params["jaxpr"], tuple(numbers))
    outs: list[Any] = jit_p.bind(flag, *operands, **{**_plain(params), "jaxpr": closed})
    return outs


def _partial_eval(trace: Any, args: Sequence[Any], params: dict[str, Any]) -> list[Any]:
    closed = params["jaxpr"]
    unknowns = [trace.owns(a) for a in args]
    known, staged, out_unknowns, _ = partial_eval_jaxpr(closed, unknowns)
    rest = _plain(params)
    rest.pop("jaxpr")
    known_args = [a for a, u in zip(args, unknowns, strict=True) if not u]
    with use(trace.parent):
        known_outs = jit_p.bind(*known_args, jaxpr=known, **rest) if known.out_avals else []
    count = len(out_unknowns) - sum(out_unknowns)
    residuals = known_outs[count:]
    unknown_args = [a for a, u in zip(args, unknowns, strict=True) if u]
    staged_outs = iter(trace.record(jit_p, [*residuals, *unknown_args], {**rest, "jaxpr": staged})
                       if staged.out_avals or staged.effects else [])
    known_iter = iter(known_outs[:count])
    return [next(staged_outs) if u else next(known_iter) for u in out_unknowns]


def _dce(used_outputs: Sequence[bool], eqn: Eqn) -> tuple[list[bool], Eqn | None]:
    new, used_inputs = dce_closed(eqn.params["jaxpr"], used_outputs)
    if not new.eqns and not new.jaxpr.outvars:
        return [False] * len(eqn.invars), None
    invars = [v for v, used in zip(eqn.invars, used_inputs, strict=True) if used]
    outvars = [v for v, used in zip(eqn.outvars, used_outputs, strict=True) if used]
    params = {**_plain(eqn.params), "jaxpr": new}
    return used_inputs, eqn.replace(invars=invars, outvars=outvars, params=params,
                                    effects=new.effects)


def _stage(trace: Any, args: Sequence[Any], params: dict[str, Any]) -> list[Any]:
    if params["inline"]:
        closed = params["jaxpr"]
        return eval_jaxpr(closed.jaxpr, closed.consts, *args)
    return trace.record(jit_p, args, params)  # type: ignore[no-any-return]


def _plain(params: dict[str, Any]) -> dict[str, Any]:
    """The parameters of a transformed call: donation is the original call's alone."""
    return {**params, "donated": (), "inline": params.get("inline", False)}


jit_p = Primitive(
    "jit", multiple_results=True, type_rule=_type_rule, execute=_execute, jvp=_jvp,
    transpose=_transpose, batch=_batch, partial_eval=_partial_eval, stage=_stage, dce=_dce,
    effects=lambda jaxpr, **_: jaxpr.effects, named_axes=lambda jaxpr, **_: axes_in(jaxpr),
    hidden={"donated": lambda donated: not any(donated), "inline": False, "keep_unused": False},
    sharding=BY_EXECUTION, varying=BY_TYPES,
    lower=Inline(lambda params: params["jaxpr"]),
    stablehlo=lambda b, *args, jaxpr, name, **_: b.call(name, jaxpr, args),
    guard=Guard(lambda eqn, number: origins(eqn.params["jaxpr"])[number], _bind_guarded))


# ---- tracing -----------------------------------------------------------------------------------

class Static:
    """A static argument in a signature: equal if type and value are."""

    __slots__ = ("value", "hash")

    def __init__(self, value: Any, name: Any):
        self.value = value
        try:
            self.hash = hash(value)
        except TypeError as error:
            raise ValueError(
                "Non-hashable static arguments are not supported. An error occurred while trying "
                f"to hash an object of type {type(value)}, {value}, for static argument {name!r}. "
                f"The error was:\nTypeError: {error}") from None

    def __hash__(self) -> int:
        return self.hash

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Static):
            return NotImplemented
        return type(self.value) is type(other.value) and bool(self.value == other.value)


def _warn_of_unusable(closed: ClosedJaxpr, donated: Sequence[bool]) -> None:
    """Warn of donated inputs whose buffers no result can take over: none has their type."""
    free = collections.Counter((a.shape, a.dtype) for a in closed.out_avals)
    unusable = []
    for aval, gives in zip(closed.in_avals, donated, strict=True):
        if gives:
            free[aval.shape, aval.dtype] -= 1
            if free[aval.shape, aval.dtype] < 0:
                unusable.append(aval.str_short())
    if unusable:
        warn(f"Some donated buffers were not usable: {', '.join(unusable)}: no result has their "
             "shape and dtype.", stacklevel=stack_level())


class JitFunction(_native.JitFunction):
    """What `jit` returns: call it like the function; `lower`, `trace`, `eval_shape` look inside."""

    def __init__(self, fun: Callable[..., Any], options: Options):
        super().__init__(self._slow_call, tuple(i for i in options.static_argnums
                                                if -64 <= i < 64), options.static_argnames)
        functools.update_wrapper(self, fun)
        self._fun = fun
        self._options = options
        self._programs: dict[Any, TracedProgram] = _shared_programs(fun, options)
        self._stateful: dict[tuple[Any, ...], JitFunction] = {}  # by the refs that it closes over

    def __repr__(self) -> str:
        return f"<jitted {self._fun!r}>"

    def __reduce__(self) -> Any:
        return JitFunction, (self._fun, self._options)

    # -- calls --

    @filtered
    def _slow_call(self, args: tuple[Any, ...], kwargs: dict[str, Any] | None) -> Any:
        """A call that the native path has no entry for: (result, entry for the next time)."""
        kwargs = kwargs or {}
        if config.disable_jit.value:
            return self._fun(*args, **kwargs), None
        leaves, in_tree, key, dynamic = self._split(args, kwargs)
        if self._stateful or any(type(leaf) is refs.Ref for leaf in leaves):
            return self._call_with_refs(args, kwargs), None
        try:
            program = self._program(args, kwargs, leaves, in_tree, key, dynamic)
        except OuterRefs:
            if isinstance(self._fun, refs.Stateful):
                raise  # to `_call_with_refs`, which tries again with more refs
            return self._call_with_refs(args, kwargs), None
        if current() is not EVAL or program.outer_values or _any_tracer(leaves):
            outs = _bind(program, leaves)
            return program.out_tree.unflatten(outs), None
        jit_shardings.check_inputs(program.asked_in, leaves, program.closed.in_avals, dynamic[0])
        placements = jit_shardings.placements_of_call(
            program, leaves, program.closed.jaxpr.debug_info.arg_name)
        executable: Any = compiled(program.closed, program.name, program.donated)
        if placements is not None:
            executable = jit_shardings.Placed(executable, placements)
        try:
            arrays = [array_of(leaf) for leaf in leaves]
        except OverflowError as error:
            raise self._overflow(args, kwargs, leaves) from error
        if config.debug_nans.value or config.debug_infs.value:
            outs = _run_checked(program, executable, arrays, lambda: self._fun(*args, **kwargs))
            return program.out_tree.unflatten(outs), None
        outs = executable(arrays)
        entry = _entry(program, executable)
        return program.out_tree.unflatten(outs), entry

    def _call_with_refs(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """A call of a function that has refs among its arguments or closes over some: as one of the
        function with their values as arguments and results."""
        leaves, tree = pytree.tree_flatten((args, kwargs))

        def call(outer: list[Any]) -> Any:
            self._stateful = {known: function for known, function in self._stateful.items()
                              if all(ref.is_alive() for ref in known)}
            outer = [*dict.fromkeys([*(r for known in self._stateful for r in known), *outer])]
            slots, own = refs.slotted(
                leaves, outer, f"{calls.function_name(self._fun)} for jit",
                lambda: calls.argument_names(self._fun, args, kwargs))
            function = self._stateful.get(tuple(outer))
            if function is None:
                options = replace(
                    self._options,
                    static_argnums=tuple(i + (i >= 0) for i in self._options.static_argnums),
                    donate_argnums=tuple(i + (i >= 0) for i in self._options.donate_argnums))
                function = JitFunction(refs.Stateful(self._fun, outer), options)
            new_args, new_kwargs = tree.unflatten(slots)
            out, last = function(refs.read_all([*own, *outer]), *new_args, **new_kwargs)
            self._stateful[tuple(outer)] = function
            refs.write_all([*own, *outer], last)
            return out
        return refs.with_outer_refs(call)

    def _split(self, args: Any, kwargs: Any) -> tuple[list[Any], Any, Any, Any]:
        """Flat dynamic leaves, their tree, the signature of static arguments, (args, kwargs)."""
        options = self._options
        if not options.static_argnums and not options.static_argnames:
            leaves, in_tree = pytree.tree_flatten((args, kwargs))
            return leaves, in_tree, (), (args, kwargs)
        nums = {i % len(args) for i in options.static_argnums if -len(args) <= i < len(args)} \
            if args else set()
        static: tuple[tuple[int | str, Static], ...] = tuple(
            (i, Static(args[i], self._argument_name(i))) for i in sorted(nums))
        static += tuple((n, Static(kwargs[n], n)) for n in options.static_argnames if n in kwargs)
        dynamic = (tuple(a for i, a in enumerate(args) if i not in nums),
                   {k: v for k, v in kwargs.items() if k not in options.static_argnames})
        leaves, in_tree = pytree.tree_flatten(dynamic)
        return leaves, in_tree, (len(args), static), dynamic

    def _argument_name(self, position: int) -> Any:
        signature = calls.signature_of(self._fun)
        names = list(signature.parameters) if signature else []
        return names[position] if position < len(names) else position

    def _program(self, args: Any, kwargs: Any, leaves: Sequence[Any], in_tree: Any, static: Any,
                 dynamic: Any) -> TracedProgram:
        avals = tuple(self._leaf_avals(leaves, args, kwargs))
        key = (in_tree, avals, static, config.context_key(), current_axes())
        program = self._programs.get(key)
        if program is None:
            if config.explain_cache_misses.value:
                explain_miss(self._fun, key, self._programs)
            program = self._trace(args, kwargs, avals, in_tree, static, dynamic)
            program.asked_in = jit_shardings.asked_inputs(self._options.in_shardings, *dynamic)
            program.asked_out = jit_shardings.asked_outputs(
                self._options.out_shardings, program.out_tree, program.closed.out_avals)
            if not program.outer_values:
                self._programs[key] = program
        return program

    def _leaf_avals(self, leaves: Sequence[Any], args: Any, kwargs: Any) -> list[Any]:
        if len(args) > 64 and any(not -64 <= i < 64 for i in self._options.static_argnums):
            raise ValueError("static_argnums of calls with more than 64 arguments must be from -64 "
                             f"to 63, got {self._options.static_argnums}")
        avals = []
        for i, leaf in enumerate(leaves):
            try:
                avals.append(calls.shaped(leaf))
            except TypeError:
                names = calls.argument_names(self._fun, args, kwargs, self._static_positions(args))
                raise TypeError(
                    f"Error interpreting argument to {self._fun} as an abstract array. The "
                    f"problematic value is of type {type(leaf)} and was passed to the function at "
                    f"path {names[i] if i < len(names) else i}.\nThis typically means that a "
                    "jit-wrapped function was called with a non-array argument, and this argument "
                    "was not marked as static using the static_argnums or static_argnames "
                    "parameters of jax.jit.") from None
        return avals

    def _overflow(self, args: Any, kwargs: Any, leaves: Sequence[Any]) -> OverflowError:
        """The error that names the first argument that no default dtype holds."""
        names = calls.argument_names(self._fun, args, kwargs, self._static_positions(args))
        for i, leaf in enumerate(leaves):
            try:
                array_of(leaf)
            except OverflowError:
                return OverflowError(
                    "An overflow was encountered while parsing an argument to a jitted "
                    f"computation, whose argument path is {names[i] if i < len(names) else i}. Got "
                    f"{type(leaf)} with value {leaf}")
        raise InternalError("no argument overflows")

    def _static_positions(self, args: Any) -> tuple[Any, ...]:
        nums = tuple(i % len(args) for i in self._options.static_argnums if args)
        return (*nums, *self._options.static_argnames)

    def _trace(self, args: Any, kwargs: Any, avals: Sequence[Any], in_tree: Any, static: Any,
               dynamic: Any) -> TracedProgram:
        if config.log_compiles.value:
            logging.getLogger("arrax").warning("Tracing %s for jit at %s",
                                               calls.function_name(self._fun), list(avals))
        if config.no_tracing.value:
            raise RuntimeError(f"re-tracing function {calls.function_name(self._fun)} for `jit`, "
                               "but 'no_tracing' is set")
        options = self._options
        flat = calls.FlatCall(self._with_static(static), in_tree)
        info = calls.debug_info("jit", self._fun, args, kwargs, self._static_positions(args))

        def checked(*leaves: Any) -> list[Any]:
            outs = flat(*leaves)
            refs.refuse_refs(info.func_name, "jit", outs)
            calls.check_outputs(outs, flat.out_tree, calls.function_name(self._fun))
            return outs
        with monitoring.timed(monitoring.TRACE_DURATION, fun_name=info.func_name):
            closed = trace_to_jaxpr(checked, avals, info)
        closed, outer = hoist_consts(closed, only_tracers=True)
        donated = (False,) * len(outer) + tuple(self._donated(dynamic, static, args))
        if any(donated):
            _warn_of_unusable(closed, donated)
        return TracedProgram(closed, outer, flat.out_tree, in_tree, calls.function_name(self._fun),
                       donated if any(donated) else (), options.keep_unused, options.inline)

    def _with_static(self, static: Any) -> Callable[..., Any]:
        """The function of its dynamic arguments, with the static ones put back in place."""
        if not static:
            return self._fun
        count, pairs = static
        by_position = {i: s.value for i, s in pairs if isinstance(i, int)}
        by_name = {n: s.value for n, s in pairs if isinstance(n, str)}

        def call(*dynamic: Any, **kwargs: Any) -> Any:
            rest = iter(dynamic)
            args = [by_position[i] if i in by_position else next(rest) for i in range(count)]
            return self._fun(*args, **kwargs, **by_name)
        return call

    def _donated(self, dynamic: Any, static: Any, args: Any) -> Iterable[bool]:
        options = self._options
        positions = dict(static[1]) if static else {}
        kept = [i for i in range(len(args)) if i not in positions]
        donate = {i % len(args) for i in options.donate_argnums} if args else set()
        for i, arg in zip(kept, dynamic[0], strict=True):
            yield from [i in donate] * len(pytree.tree_leaves(arg))
        for name in sorted(dynamic[1]):
            yield from [name in options.donate_argnames] * len(pytree.tree_leaves(dynamic[1][name]))

    # -- looking inside --

    def _traced(self, args: Any, kwargs: Any) -> tuple[TracedProgram, list[Any]]:
        leaves, in_tree, key, dynamic = self._split(args, kwargs)
        return self._program(args, kwargs, leaves, in_tree, key, dynamic), leaves

    def eval_shape(self, *args: Any, **kwargs: Any) -> Any:
        """Shapes and dtypes of the results, as `ShapeDtypeStruct`s, without running anything."""
        return self.trace(*args, **kwargs).out_info

    def trace(self, *args: Any, **kwargs: Any) -> Any:
        """The traced program at these arguments (arrays or `ShapeDtypeStruct`s)."""
        program, _ = self._traced(args, kwargs)
        return Traced(program)

    def lower(self, *args: Any, **kwargs: Any) -> Any:
        """The program lowered for compilation at these arguments."""
        return self.trace(*args, **kwargs).lower()

    def clear_cache(self) -> None:
        """Forget all traced and compiled programs of this function."""
        self._programs.clear()
        super().clear_cache()

    def _cache_size(self) -> int:
        return len(self._programs)


def _bind(program: TracedProgram, leaves: Sequence[Any]) -> list[Any]:
    """The call as an equation under the current trace."""
    outs = jit_p.bind(
        *program.outer_values, *jit_shardings.constrained(leaves, program.asked_in),
        jaxpr=program.closed, name=program.name, donated=program.donated,
        keep_unused=program.keep_unused, inline=program.inline)
    return jit_shardings.constrained(outs, program.asked_out)


def _run_checked(program: TracedProgram, executable: Any, arrays: list[Any],
                 rerun: Callable[[], Any]) -> list[Any]:
    """Run under `debug_nans`/`debug_infs`: if a result is bad, the function runs again without
    being compiled, which says where."""
    if any(program.donated):  # the second run needs the arguments
        return eval_jaxpr(program.closed.jaxpr, program.closed.consts, *arrays)
    outs: list[Any] = executable(arrays)
    try:
        check_finite(f"jit({program.name})", outs)
    except FloatingPointError as error:
        rerun()
        raise FloatingPointError(
            f"{error}. Because jax_config.debug_nans.value and/or config.jax_debug_infs is set, "
            "the de-optimized function (i.e., the function as if the `jit` decorator were removed) "
            "was called in an attempt to get a more precise error message. However, the "
            "de-optimized function did not produce invalid values during its execution. This "
            "behavior can result from `jit` optimizations causing the invalid value to be "
            "produced. It may also arise from having nan/inf literals as inputs or outputs, like "
            "`jax.jit(lambda ...: jax.numpy.nan)(...)`.") from None
    return outs


def _entry(program: TracedProgram, executable: Any) -> Any:
    """What the native path needs to run this signature again."""
    tree = program.out_tree
    try:
        template = tree.unflatten(range(tree.num_leaves))
    except Exception:  # a class that refuses numbers as children: `unflatten` is left
        template = None
    return _native.JitEntry(getattr(executable, "program", executable), template,
                            in_avals=program.closed.in_avals, unflatten=tree.unflatten)


def _open_node(value: Any) -> Any:
    """(children, data) of a pytree node that is not a builtin container; None for a leaf."""
    entry = node_type(value)
    return None if entry is None else entry.flatten(value)


_native.set_flatten(_open_node)


def _any_tracer(leaves: Iterable[Any]) -> bool:
    return any(isinstance(leaf, Tracer) for leaf in leaves)


class SharedPrograms:
    """The traced programs of one function, by `Options`; kept on the function itself, so that
    they live as long as it does (a table outside would keep alive what programs refer to)."""

    ATTRIBUTE = "__arrax_programs__"
    __slots__ = ("owner", "by_options")

    def __init__(self, owner: Any):
        self.owner = owner
        self.by_options: dict[Options, dict[Any, TracedProgram]] = {}


def _shared_programs(fun: Any, options: Options) -> dict[Any, TracedProgram]:
    """The traced programs of a function; two `jit`s of one function share them."""
    shared = getattr(fun, "__dict__", {}).get(SharedPrograms.ATTRIBUTE)
    if shared is None or shared.owner is not fun:  # `functools.wraps` copies attributes
        shared = SharedPrograms(fun)
        try:
            setattr(fun, SharedPrograms.ATTRIBUTE, shared)
        except (AttributeError, TypeError):  # builtins and bound methods take no attributes
            pass
    return shared.by_options.setdefault(options, {})


# ---- the call ----------------------------------------------------------------------------------

@dataclass(frozen=True)
class Options:
    """The keywords of `jit`, normalized."""

    static_argnums: tuple[int, ...] = ()
    static_argnames: tuple[str, ...] = ()
    donate_argnums: tuple[int, ...] = ()
    donate_argnames: tuple[str, ...] = ()
    keep_unused: bool = False
    inline: bool = False
    in_shardings: Any = None
    out_shardings: Any = None


def _as_tuple(value: Any, kind: type, what: str) -> tuple[Any, ...]:
    if value is None:
        return ()
    if isinstance(value, kind):
        return (value,)
    out = tuple(value)
    for item in out:
        if not isinstance(item, kind) and not hasattr(item, "__index__"):
            raise TypeError(f"{what} must be {kind.__name__} or a sequence of them, got {value!r}")
    return out


def _numbers_and_names(fun: Any, nums: Any, names: Any, what: str) -> tuple[Any, Any]:
    """Positions and names of marked arguments, each completed from the other by the signature."""
    positions = _as_tuple(nums, int, f"{what}_argnums")
    called = _as_tuple(names, str, f"{what}_argnames")
    signature = calls.signature_of(fun)
    if signature is None:
        if called and not positions:
            raise ValueError(f"Getting the signature of function {fun} failed. Pass {what}_argnums "
                             f"instead of {what}_argnames.")
        return positions, called
    parameters = list(signature.parameters.values())
    positional = [p for p in parameters
                  if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD)]
    variadic = any(p.kind is p.VAR_POSITIONAL for p in parameters)
    for i in positions:
        if not variadic and not -len(positional) <= i < len(positional):
            raise ValueError(
                f"Jitted function has {what}_argnums={positions}, but only accepts "
                f"{len(positional)} positional arguments.")
    keywords = any(p.kind is p.VAR_KEYWORD for p in parameters)
    hidden = [p.name for p in parameters if p.kind in (p.POSITIONAL_ONLY, p.VAR_POSITIONAL)]
    for wrong, why in (([n for n in called if n in hidden], "These are positional-only"),
                       ([n for n in called if n not in signature.parameters and not keywords],
                        "Function does not take these args.")):
        if wrong:
            raise ValueError(f"Jitted function has invalid argnames {{{', '.join(map(repr, wrong))}"
                             f"}} in {what}_argnames. {why}")
    if names is None:
        called = tuple(positional[i].name for i in positions if -len(positional) <= i
                       < len(positional) and positional[i].kind is not
                       positional[i].POSITIONAL_ONLY)
    elif nums is None:
        positions = tuple(i for i, p in enumerate(positional) if p.name in called)
    return positions, called


class Jitted(Protocol[_P, _R]):
    """What type checkers know of a jitted function: it is called as the function is."""

    def __call__(self, *args: _P.args, **kwargs: _P.kwargs) -> _R: ...

    def __get__(self, instance: Any, owner: Any = None, /) -> Callable[..., _R]: ...

    def lower(self, *args: Any, **kwargs: Any) -> Any: ...

    def trace(self, *args: Any, **kwargs: Any) -> Traced: ...

    def eval_shape(self, *args: Any, **kwargs: Any) -> Any: ...

    def clear_cache(self) -> None: ...


@overload
def jit(fun: Callable[_P, _R], /, *, in_shardings: Any = None, out_shardings: Any = None,
        static_argnums: int | Sequence[int] | None = None,
        static_argnames: str | Iterable[str] | None = None,
        donate_argnums: int | Sequence[int] | None = None,
        donate_argnames: str | Iterable[str] | None = None,
        keep_unused: bool = False, device: Any = None, backend: str | None = None,
        inline: bool = False, compiler_options: dict[str, Any] | None = None) -> Jitted[_P, _R]: ...
@overload
def jit(fun: None = None, /, *, in_shardings: Any = None, out_shardings: Any = None,
        static_argnums: int | Sequence[int] | None = None,
        static_argnames: str | Iterable[str] | None = None,
        donate_argnums: int | Sequence[int] | None = None,
        donate_argnames: str | Iterable[str] | None = None,
        keep_unused: bool = False, device: Any = None, backend: str | None = None,
        inline: bool = False, compiler_options: dict[str, Any] | None = None) -> Callable[
            [Callable[_P, _R]], Jitted[_P, _R]]: ...
def jit(fun: Any = None, /, *, in_shardings: Any = None, out_shardings: Any = None,
        static_argnums: int | Sequence[int] | None = None,
        static_argnames: str | Iterable[str] | None = None,
        donate_argnums: int | Sequence[int] | None = None,
        donate_argnames: str | Iterable[str] | None = None,
        keep_unused: bool = False, device: Any = None, backend: str | None = None,
        inline: bool = False, compiler_options: dict[str, Any] | None = None) -> Any:
    """Compile a function of arrays (and pytrees of arrays) with the current engine.

    The function runs as Python once for each new combination of argument shapes, dtypes, tree
    structures and static arguments; after that its compiled program is called.

    Args:
      fun: the function; without it, `jit` returns a decorator.
      in_shardings, out_shardings: where arguments and results are: a Sharding, a PartitionSpec
        (of the mesh in scope) or a pytree prefix of these; None leaves it open.
      device: where results are. backend: the platform, "cpu".
      static_argnums, static_argnames: arguments to specialize on; they must be hashable.
      donate_argnums, donate_argnames: arguments whose buffers results may take over; the arrays
        passed are deleted.
      keep_unused: pass unused arguments to the program all the same.
      compiler_options: JaxRuntimeError for names that no compiler has; a warning for XLA's.
      inline: put the function's equations into an enclosing program instead of a call.

    Raises:
      TypeError: for arguments that are no arrays and not static. ValueError: for static arguments
        that cannot be hashed, arguments that are elsewhere, and shardings that do not fit.

    Example:
      >>> @jit
      ... def selu(x, alpha=1.67, lmbda=1.05):
      ...     return lmbda * jnp.where(x > 0, x, alpha * jnp.exp(x) - alpha)
      >>> selu(jnp.arange(3.0))
      Array([0.       , 1.05     , 2.1      ], dtype=float32)
    """
    if fun is None:
        return functools.partial(
            jit, in_shardings=in_shardings, out_shardings=out_shardings,
            static_argnums=static_argnums, static_argnames=static_argnames,
            donate_argnums=donate_argnums, donate_argnames=donate_argnames,
            keep_unused=keep_unused, device=device, backend=backend, inline=inline,
            compiler_options=compiler_options)
    if isinstance(fun, staticmethod):
        raise TypeError(f"staticmethod arguments are not supported, got {fun}")
    calls.check_callable(fun, "jit")
    check_compiler_options(compiler_options)
    static_nums, static_names = _numbers_and_names(fun, static_argnums, static_argnames, "static")
    donate_nums, donate_names = _numbers_and_names(fun, donate_argnums, donate_argnames, "donate")
    both = set(static_names) & set(donate_names)
    if both:
        raise ValueError(f"static_argnames and donate_argnames cannot intersect. Argument names "
                         f"{both} appear in both static_argnames and donate_argnames")
    if set(static_nums) & set(donate_nums):
        raise ValueError(f"static_argnums {static_nums} and donate_argnums {donate_nums} cannot "
                         "intersect.")
    if (device is not None or backend is not None) and in_shardings is not None:
        raise ValueError("If backend or device is specified on jit, then in_shardings should not "
                         "be specified.")
    if device is not None and backend is not None:
        raise ValueError("can't specify both a device and a backend for jit, got "
                         f"device={device} and backend={backend}")
    return JitFunction(fun, Options(
        static_nums, static_names, donate_nums, donate_names, keep_unused, inline,
        jit_shardings.read("in_shardings", in_shardings),
        jit_shardings.read("out_shardings", device if out_shardings is None else out_shardings)))


