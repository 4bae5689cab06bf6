"""Small surgery on jaxprs, memoized so that derived programs are compiled once."""
from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, TypeVar

from arrax.core.aval import ShapedArray, aval_of
from arrax.core.caching import memoize_on_jaxpr
from arrax.core.dtypes import ExtendedDType
from arrax.core.jaxpr import (ClosedJaxpr, Eqn, Jaxpr, Literal, Var, join_effects,
                              no_debug_info)
from arrax.ops.p import convert_element_type_p, empty_p
from arrax.ops.rules import zeros
from arrax.transforms.partial_eval import dce_jaxpr

T = TypeVar("T")


def split_by(flags: Iterable[bool], values: Iterable[T]) -> tuple[list[T], list[T]]:
    """(values whose flag is False, values whose flag is True)."""
    off: list[T] = []
    on: list[T] = []
    for flag, value in zip(flags, values, strict=True):
        (on if flag else off).append(value)
    return off, on


def merge_by(flags: Iterable[bool], off: Iterable[T], on: Iterable[T]) -> list[T]:
    """The inverse of `split_by`."""
    off_values, on_values = iter(off), iter(on)
    return [next(on_values) if flag else next(off_values) for flag in flags]


def split_at(values: Sequence[T], *counts: int) -> list[list[T]]:
    """Cut a sequence into parts of the given lengths and the rest."""
    parts, start = [], 0
    for count in counts:
        parts.append(list(values[start:start + count]))
        start += count
    parts.append(list(values[start:]))
    return parts


def same_type(a: Any, b: Any) -> bool:
    """Whether two avals are equal up to weak types."""
    if not isinstance(a, ShapedArray) or not isinstance(b, ShapedArray):
        return bool(a == b)
    return a.shape == b.shape and a.dtype == b.dtype and a.vma == b.vma


def rearranged(closed: ClosedJaxpr, inputs: Sequence[int] | None = None,
               outputs: Sequence[int] | None = None) -> ClosedJaxpr:
    """The jaxpr with its inputs and outputs in a new order; outputs may be left out."""
    return _rearranged(closed,
                       tuple(range(len(closed.jaxpr.invars)) if inputs is None else inputs),
                       tuple(range(len(closed.jaxpr.outvars)) if outputs is None else outputs))


@memoize_on_jaxpr
def _rearranged(closed: ClosedJaxpr, inputs: tuple[int, ...], outputs: tuple[int, ...]) -> Any:
    jaxpr = closed.jaxpr
    new = Jaxpr(jaxpr.constvars, [jaxpr.invars[i] for i in inputs],
                [jaxpr.outvars[i] for i in outputs], jaxpr.eqns, jaxpr.effects, no_debug_info)
    return ClosedJaxpr(new, closed.consts)


def with_extra_inputs(closed: ClosedJaxpr, position: int, avals: Sequence[Any]) -> ClosedJaxpr:
    """The jaxpr with unused inputs of the given avals inserted at `position`."""
    if not avals:
        return closed
    return _with_extra_inputs(closed, position, tuple(avals))


@memoize_on_jaxpr
def _with_extra_inputs(closed: ClosedJaxpr, position: int, avals: tuple[Any, ...]) -> Any:
    jaxpr = closed.jaxpr
    invars = [*jaxpr.invars[:position], *map(Var, avals), *jaxpr.invars[position:]]
    return ClosedJaxpr(jaxpr.replace(invars=invars, effects=jaxpr.effects,
                                     debug_info=no_debug_info), closed.consts)


@memoize_on_jaxpr
def without_effects(closed: ClosedJaxpr) -> ClosedJaxpr:
    """The jaxpr without what happens for its effect alone, in the jaxprs that it carries too."""
    jaxpr = closed.jaxpr
    if not jaxpr.effects:
        return closed
    live = {v for v in jaxpr.outvars if type(v) is not Literal}
    eqns: list[Eqn] = []
    for eqn in reversed(jaxpr.eqns):
        if any(v in live for v in eqn.outvars):
            eqn = _quiet(eqn) if eqn.effects else eqn
            eqns.append(eqn)
            live.update(v for v in eqn.invars if type(v) is not Literal)
    eqns.reverse()
    return ClosedJaxpr(jaxpr.replace(eqns=eqns, effects=join_effects(eqns)), closed.consts)


def _quiet(eqn: Eqn) -> Eqn:
    params = {name: _quiet_parameter(value) for name, value in eqn.params.items()}
    return eqn.replace(params=params, effects=eqn.primitive.effects_of(params))


def _quiet_parameter(value: Any) -> Any:
    if isinstance(value, ClosedJaxpr):
        return without_effects(value)
    return tuple(map(_quiet_parameter, value)) if type(value) is tuple else value


def used_inputs(closed: ClosedJaxpr, used_outputs: Sequence[bool]) -> list[bool]:
    """Which inputs the chosen outputs (and effects) need."""
    return _pruned(closed, tuple(map(bool, used_outputs)), None)[1]


def pruned(closed: ClosedJaxpr, used_outputs: Sequence[bool], kept_inputs: Sequence[bool],
           ) -> ClosedJaxpr:
    """The jaxpr with the chosen outputs only, dead equations gone, and the chosen inputs, among
    which all needed ones must be."""
    return _pruned(closed, tuple(map(bool, used_outputs)),
                   tuple(map(bool, kept_inputs)))[0]


@memoize_on_jaxpr
def _pruned(closed: ClosedJaxpr, used_outputs: tuple[bool, ...],
            kept_inputs: tuple[bool, ...] | None) -> Any:
    jaxpr, used = dce_jaxpr(closed.jaxpr, used_outputs, keep_inputs=True)
    if kept_inputs is not None:
        invars = [v for v, kept in zip(jaxpr.invars, kept_inputs, strict=True) if kept]
        jaxpr = Jaxpr(jaxpr.constvars, invars, jaxpr.outvars, jaxpr.eqns, jaxpr.effects,
                      no_debug_info)
    return ClosedJaxpr(jaxpr, closed.consts), used


def forwarded_inputs(closed: ClosedJaxpr) -> list[int | None]:
    """For each output, the position of the input that it is, or None."""
    position = {v: i for i, v in enumerate(closed.jaxpr.invars)}
    return [None if type(v) is Literal else position.get(v) for v in closed.jaxpr.outvars]


def filler(aval: Any) -> Any:
    """Some value of `aval` that nobody reads."""
    if isinstance(aval.dtype, ExtendedDType):
        empty = empty_p
        return empty.bind(shape=aval.shape, dtype=aval.dtype, out_sharding=None)
    return zeros(aval)


def convert(x: Any, dtype: Any, weak_type: bool = False) -> Any:
    """`x` in `dtype`."""
    aval = aval_of(x)
    if aval.dtype == dtype and aval.weak_type == weak_type:
        return x
    return convert_element_type_p.bind(x, new_dtype=dtype, weak_type=weak_type,
                                       sharding=None)
