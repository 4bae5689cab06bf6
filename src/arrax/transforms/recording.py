"""Recording: a call of a remembered function becomes a straight line of NumPy calls.

The function is traced at the avals of its arrays. Each equation is a *step*: a call of the
primitive's `evaluate` rule on ndarrays; loops and calls of compiled programs are steps too, which
run as they do eagerly. Equations of constants alone are evaluated now, and broadcasts that NumPy's
own broadcasting makes needless are left out. So steps compute what the function computes eagerly;
a recording that does not give the same bits for the operands at hand is thrown away.

Large operands, and results, want one pass over memory instead of several: where all equations fuse
into loops, such a call is served by a compiled program, from its first call on, since programs
round differently. So what a call computes depends on its signature alone. (A single loop that
rounds as NumPy does becomes a program when the call comes again.)
"""
from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np

from arrax import _native
from arrax.core import config, pytree
from arrax.core.array import ArrayImpl, array_of, with_aval
from arrax.core.jaxpr import ClosedJaxpr, Literal, Var
from arrax.core.primitive import LARGE, Primitive
from arrax.core.record import Record
from arrax.core.trace import Tracer
from arrax.core.warn import issued, muted
from arrax.core.engine import default_engine
from arrax.core.lowering import Inline
from arrax.ops.convert import convert_element_type_p
from arrax.ops.shape import broadcast_in_dim_p
from arrax.transforms.jit import jit_p
from arrax.transforms.traced_programs import compiled
from arrax.transforms.large_arrays import is_exact, runs_large
from arrax.transforms.staging import trace_to_jaxpr

LARGEST_CONSTANT = 4096  # elements; greater results of constants are computed by each call


class NotRecordable(Exception):
    """The call cannot become steps: results that are no arrays, effects, …"""


class Constant(Record):
    """A value known when recording."""

    data: np.ndarray
    aval: Any


class Step:
    """results = primitive[params] operands; operands are `Var`s and `Constant`s."""

    __slots__ = ("primitive", "operands", "params", "results")

    def __init__(self, primitive: Primitive, operands: list[Any], params: dict[str, Any],
                 results: list[Var]):
        self.primitive, self.operands = primitive, operands
        self.params, self.results = params, results


# Flags, parts of every signature, under which each operation of a call is looked at.
_EACH_OPERATION = (config.debug_nans, config.debug_infs, config.debug_key_reuse)


def record(function: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any],
           ) -> tuple[Any, Any]:
    """Call a remembered function: (result, the JitEntry for more such calls or None)."""
    warnings_before = issued[0]
    result = function(*args, **kwargs)
    if issued[0] != warnings_before or any(flag.value for flag in _EACH_OPERATION):
        return result, None
    try:
        return result, _steps_entry(_Call(function, args, kwargs), result)
    except Exception:  # it looks at values, so that it fails on tracers where it did not on arrays
        return result, None


def program_of(function: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """The JitEntry with a program for calls on large operands, or with large results, like this
    one; None where single operations are to serve them. It does not run the function."""
    if any(flag.value for flag in _EACH_OPERATION):
        return None
    warnings_before = issued[0]
    try:
        with muted():
            call = _Call(function, args, kwargs)
        if issued[0] != warnings_before or any(call.wide) or not _wants_program(call.closed):
            return None
        program = _program(call.closed)
        return _native.JitEntry(program, call.output(), in_avals=call.closed.in_avals)
    except Exception:  # what is wrong with the call, the function will say
        return None


_native.set_recorder(record, program_of)


class _Call:
    """A call, traced at the avals of its arrays."""

    def __init__(self, function: Callable[..., Any], args: Any, kwargs: Any):
        leaves: list[Any] = []
        packed = (args, tuple(kwargs.values()))
        _replace_arrays(packed, leaves.append)
        self.arrays = [array_of(leaf) for leaf in leaves]
        # Which arrays are NumPy's with 64 bits, which an operation takes in 32.
        self.wide = [leaf.dtype != array.dtype
                     for leaf, array in zip(leaves, self.arrays, strict=True)]
        if any(wide and leaf.ndim == 0 for wide, leaf in zip(self.wide, leaves, strict=True)):
            raise NotRecordable("functions may read 64 bits of a number: seeds")

        def flat(*tracers: Any) -> list[Any]:
            rest = iter(tracers)
            new_args, values = _replace_arrays(packed, lambda _: next(rest))
            outs, self.tree = pytree.tree_flatten(function(*new_args, **dict(zip(kwargs, values))))
            if not all(isinstance(out, (Tracer, ArrayImpl)) for out in outs):
                raise NotRecordable("a result is no array")
            return outs
        self.closed = trace_to_jaxpr(flat, [a.aval for a in self.arrays], eager=True)
        if self.closed.effects:
            raise NotRecordable("the function has effects")

    def output(self) -> Any:
        """The structure of the result, its leaves numbered."""
        return self.tree.unflatten(range(self.tree.num_leaves))


def _steps_entry(call: _Call, result: Any) -> Any:
    if _wants_program(call.closed):
        raise NotRecordable("a program serves it, or nothing better than the function")
    wide_vars = {var for var, is_wide in zip(call.closed.jaxpr.invars, call.wide, strict=True)
                 if is_wide}
    compiles = any(map(_compiles, _large_loops(call.closed))) and not wide_vars
    executable = _program(call.closed) if compiles else _steps(call.closed, wide_vars)
    _check_same(executable(call.arrays), call.tree.flatten_up_to(result))
    return _native.JitEntry(executable, call.output(), in_avals=call.closed.in_avals)


def _replace_arrays(value: Any, replace: Callable[[Any], Any]) -> Any:
    """`value` with the arrays in it (NumPy's and its scalars too), also in tuples and lists,
    replaced; in the order in which `native/signature.cpp` finds them."""
    kind = type(value)
    if kind is ArrayImpl or kind is np.ndarray or isinstance(value, np.generic):
        return replace(value)
    if kind is tuple or kind is list:
        return kind([_replace_arrays(item, replace) for item in value])
    return value


def _check_same(ours: Sequence[ArrayImpl], wanted: Sequence[ArrayImpl]) -> None:
    """Raise unless a recording gave the same as the function, to the bit."""
    for mine, right in zip(ours, wanted, strict=True):
        if mine.aval is not right.aval or right.placement is not None \
                or mine.data.dtype != right.data.dtype or mine.data.shape != right.data.shape \
                or mine.data.tobytes() != right.data.tobytes():
            raise NotRecordable("the recording computes something else")


# ---- large operands --------------------------------------------------------------------------

def _large_loops(closed: ClosedJaxpr) -> list[Any]:
    """The equations that are loops over large values."""
    return [eqn for eqn in closed.eqns if default_engine().has_loop(eqn.primitive)
            and any(v.aval.size >= LARGE for v in (*eqn.invars, *eqn.outvars))]


def _wants_program(closed: ClosedJaxpr) -> bool:
    """Whether large values pass through several loops, that a program makes one, or through one
    that is to be compiled at once."""
    loops = _large_loops(closed)
    return len(loops) > 1 or any(_compiles(eqn) and not is_exact(eqn.primitive, _avals(eqn))
                                 for eqn in loops)


def _compiles(eqn: Any) -> bool:
    return runs_large(eqn.primitive, _avals(eqn), eqn.params)


def _avals(eqn: Any) -> list[Any]:
    return [v.aval for v in eqn.invars]


def _program(closed: ClosedJaxpr) -> Any:
    """The compiled program; NotRecordable where the engine's own loops would not do it all."""
    if config.disable_jit.value or not all(default_engine().fuses(eqn.primitive)
                                           for eqn in closed.eqns):
        raise NotRecordable("single operations are as good")
    executable = compiled(closed)
    return getattr(executable, "program", executable)


# ---- steps -----------------------------------------------------------------------------------

def _steps(closed: ClosedJaxpr, wide_vars: set[Var]) -> Any:
    """The native steps. `wide_vars` stand for NumPy arrays of 64 bits, which an operation takes in
    32: but conversions do not, which round just once."""
    known: dict[Var, Any] = {
        var: Constant(array._value(), array.aval)
        for var, array in zip(closed.jaxpr.constvars, closed.consts, strict=True)}
    steps: list[Step] = []
    seen: dict[Any, Step] = {}
    for step in _flat_steps(closed.jaxpr, known):
        if wide_vars and step.primitive is convert_element_type_p \
                and type(step.operands[0]) is Var and step.operands[0] in wide_vars:
            raise NotRecordable("a conversion of 64-bit data is not one of 32-bit data")
        if not _fold(step, known) and not _repeats(step, seen, known):
            steps.append(step)
    _drop_broadcasts(steps)
    outs = [known.get(v, v) if isinstance(v, Var) else _constant(v) for v in closed.jaxpr.outvars]
    return _assemble(closed.jaxpr.invars, _live(steps, outs), outs)


def _constant(literal: Literal) -> Constant:
    value = literal.val
    array = value if type(value) is ArrayImpl else array_of(value)
    return Constant(array._value().astype(literal.aval.dtype, copy=False), literal.aval)


def _flat_steps(jaxpr: Any, known: dict[Var, Any]) -> Iterator[Step]:
    """The equations, those of inlined programs too; `known` maps variables to other atoms, and is
    asked when a step is due: earlier ones may have been folded by then."""
    for eqn in jaxpr.eqns:
        operands = [_constant(v) if type(v) is Literal else known.get(v, v) for v in eqn.invars]
        lower = eqn.primitive.lower
        if isinstance(lower, Inline) and eqn.primitive is not jit_p:
            inner = lower.jaxpr(eqn.params)
            if isinstance(inner, ClosedJaxpr):
                for var, array in zip(inner.jaxpr.constvars, inner.consts, strict=True):
                    known[var] = Constant(array._value(), array.aval)
                inner = inner.jaxpr
            if any(var in known for var in inner.invars):
                raise NotRecordable("a program is inlined twice")
            known.update(zip(inner.invars, operands, strict=True))
            yield from _flat_steps(inner, known)
            known.update((out, _constant(v) if type(v) is Literal else known.get(v, v))
                         for out, v in zip(eqn.outvars, inner.outvars, strict=True))
        else:
            yield Step(eqn.primitive, operands, eqn.params, list(eqn.outvars))


def _function(step: Step) -> Callable[..., Any]:
    """What the step calls with the data of its operands and its params."""
    primitive, avals = step.primitive, [v.aval for v in step.operands]
    stored = primitive.execute is None or primitive.stored and primitive.stored(*avals)
    if stored and not runs_large(primitive, avals, step.params):
        return primitive.rule("evaluate")  # type: ignore[no-any-return]

    def bind(*data: np.ndarray, **params: Any) -> Any:
        outs = primitive.bind(*[with_aval(d, a) for d, a in zip(data, avals, strict=True)],
                              **params)
        return [o._value() for o in outs] if primitive.multiple_results else outs._value()
    return bind


def _fold(step: Step, known: dict[Var, Any]) -> bool:
    """Evaluate a step of constants now, if its results are small."""
    if any(type(v) is not Constant for v in step.operands) \
            or any(out.aval.size > LARGEST_CONSTANT for out in step.results):
        return False
    outs = _function(step)(*[v.data for v in step.operands], **step.params)
    if not step.primitive.multiple_results:
        outs = [outs]
    for var, data in zip(step.results, outs, strict=True):
        known[var] = Constant(np.asarray(data), var.aval)
    return True


def _repeats(step: Step, seen: dict[Any, Step], known: dict[Var, Any]) -> bool:
    """Whether an earlier step computes the same, whose results then stand for this one's."""
    if any(type(value) is float for value in step.params.values()):
        return False  # zeros have signs, which `==` does not see
    operands = [v if type(v) is Var else (v.data.dtype, v.data.shape, v.data.tobytes())
                for v in step.operands]
    avals = tuple(v.aval for v in step.results)
    try:
        earlier = seen.setdefault(
            (step.primitive, tuple(operands), tuple(sorted(step.params.items())), avals), step)
    except TypeError:  # params that cannot be hashed, or compared
        return False
    if earlier is step:
        return False
    known.update(zip(step.results, earlier.results, strict=True))
    return True


def _drop_broadcasts(steps: list[Step]) -> None:
    """Let elementwise steps take operands as they are before a broadcast that NumPy does itself."""
    sources = {step.results[0]: step for step in steps if step.primitive is broadcast_in_dim_p}
    for step in steps:
        if not step.primitive.elementwise:
            continue
        shape = step.results[0].aval.shape
        if step.results[0].aval.size >= step.primitive.large:
            continue  # what runs an operation depends on the sizes of its operands
        for i, operand in enumerate(step.operands):
            source = sources.get(operand) if type(operand) is Var else None
            if source is None or not _is_trailing(source):
                continue
            others = [v.aval.shape for j, v in enumerate(step.operands) if j != i]
            if np.broadcast_shapes(source.operands[0].aval.shape, *others) == shape:
                step.operands[i] = source.operands[0]


def _is_trailing(step: Step) -> bool:
    """Whether a broadcast keeps the operand's axes last, as NumPy's broadcasting does."""
    rank, kept = step.results[0].aval.ndim, step.params["broadcast_dimensions"]
    return tuple(kept) == tuple(range(rank - len(kept), rank))


def _live(steps: list[Step], outs: Sequence[Any]) -> list[Step]:
    """The steps that results depend on."""
    used = {v for v in outs if isinstance(v, Var)}
    live = []
    for step in reversed(steps):
        if not used.isdisjoint(step.results):
            live.append(step)
            used.update(v for v in step.operands if isinstance(v, Var))
    return live[::-1]


def _assemble(invars: Sequence[Var], steps: Sequence[Step], outs: Sequence[Any]) -> Any:
    """The native form: values get numbered slots, inputs and constants first."""
    slots: dict[Any, int] = {var: i for i, var in enumerate(invars)}
    constants = {id(v): v for v in (*(v for s in steps for v in s.operands), *outs)
                 if type(v) is Constant}
    for number in constants:
        slots[number] = len(slots)

    def slot(value: Any) -> int:
        return slots[id(value) if type(value) is Constant else value]
    calls = []
    used = {v for s in steps for v in s.operands if isinstance(v, Var)} | {
        v for v in outs if isinstance(v, Var)}
    for step in steps:
        for var in step.results:
            if var in used:
                slots[var] = len(slots)
        calls.append((_function(step), tuple(map(slot, step.operands)), step.params,
                      tuple(slots.get(var, -1) for var in step.results),
                      step.primitive.multiple_results))
    return _native.Steps(len(invars), len(slots), [c.data for c in constants.values()], calls,
                         [(slot(v), v.aval) for v in outs])
