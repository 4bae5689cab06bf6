"""Which lowering a primitive has: its own `lower` field, or the compiler's own for the structural ones.

The structural primitives (views, reductions, control flow, calls) are lowered by this room's code;
`STRUCTURAL` is the one place that pairs them. Everything else runs as a host call.
"""
from __future__ import annotations

from typing import Any

import numpy as np

from arrax.engines.cpu import control, elementwise, library_plans, updates, views
from arrax.engines.cpu.lowering import (Choice, Control, Elementwise, HostCall, Inline, Product,
                                        Reduce, Reinterpret, Update, View)

NO_LOWERING = HostCall("the primitive has no lowering")


NOT_EMITTED: set[Any] = set()  # (primitive name, dtypes) that the scalar builder turned down


def lowering_of(eqn: Any) -> Any:
    """The lowering of an equation."""
    name = eqn.primitive.name
    known = STRUCTURAL.get(name) or eqn.primitive.lower or ELEMENTWISE.get(name) or NO_LOWERING
    if type(known) is Choice:
        known = known.choose(eqn)
    if NOT_EMITTED and emission_key(eqn) in NOT_EMITTED:
        return NO_LOWERING
    return known


def emission_key(eqn: Any) -> Any:
    """What decides whether an elementwise equation can be emitted."""
    return (eqn.primitive.name, *(a.aval.dtype for a in (*eqn.invars, *eqn.outvars)))


def _bitcast(eqn: Any) -> Any:
    """Between dtypes of one width an element-wise operation, else another view of the memory."""
    if eqn.invars[0].aval.shape == eqn.outvars[0].aval.shape:
        return Elementwise(lambda b, x: b.bitcast_convert_type(x, b.out_dtype))
    return Reinterpret()


def _lowest(dtype: Any) -> Any:
    """The identity of max."""
    if dtype.kind == "b":
        return False
    return np.iinfo(dtype).min if dtype.kind in "iu" else -np.inf


def _highest(dtype: Any) -> Any:
    """The identity of min."""
    if dtype.kind == "b":
        return True
    return np.iinfo(dtype).max if dtype.kind in "iu" else np.inf


def _all_ones(dtype: Any) -> Any:
    return True if dtype.kind == "b" else ~np.zeros((), dtype)[()]


def _extreme_position(b: Any, x: Any, y: Any, better: Any) -> Any:
    """The better of two (value, position) pairs: NaN wins, then the value, then the first position."""
    (v, i), (w, j) = x, y
    wins = better(v, w)
    equal = b.eq(v, w)
    if v.kind == "float":
        v_nan, w_nan = b.ne(v, v), b.ne(w, w)
        wins = b.or_(b.and_(v_nan, b.not_(w_nan)), wins)
        equal = b.or_(equal, b.and_(v_nan, w_nan))
    first = b.or_(wins, b.and_(equal, b.lt(i, j)))
    return b.select(first, v, w), b.select(first, i, j)


def _call(name: str) -> Inline:
    return Inline(lambda params: params[name])


def _scatter(combine: Any) -> Choice:
    """Long scatters of whole rows are library calls, in parallel; others are loops."""
    loops = Update(updates.scatter(combine))
    return Choice(lambda eqn: library_plans.scatter_lowering(eqn, loops))


_SET = _scatter(None)
ELEMENTWISE: dict[str, Elementwise] = elementwise.TABLE

STRUCTURAL: dict[str, Any] = {
    # views
    "broadcast_in_dim": View(views.broadcast_in_dim),
    "transpose": View(views.transpose),
    "reshape": View(views.reshape, flat=True),
    "squeeze": View(views.squeeze, flat=True),
    "expand_dims": View(views.reshape, flat=True),
    "slice": View(views.slice_view),
    "rev": View(views.rev),
    "iota": View(views.iota),
    "pad": View(views.pad, gathers=True, pieces=updates.pad),
    "concatenate": View(views.concatenate, pieces=updates.concatenate),
    "dynamic_slice": View(views.dynamic_slice),
    "dynamic_update_slice": Update(updates.dynamic_update_slice),
    "scatter": Choice(lambda eqn: _SET.choose(eqn) if eqn.params.get("update_jaxpr") is None else NO_LOWERING),
    "scatter-add": _scatter(lambda b, x, y: b.add(x, y)),
    "scatter-sub": _scatter(lambda b, x, y: b.sub(x, y)),
    "scatter-mul": _scatter(lambda b, x, y: b.mul(x, y)),
    "scatter-min": _scatter(lambda b, x, y: b.min(x, y)),
    "scatter-max": _scatter(lambda b, x, y: b.max(x, y)),
    "gather": View(views.gather, gathers=True),
    "split": View(views.split), "stack": View(views.stack, pieces=updates.stack), "unstack": View(views.unstack),
    "tile": View(views.tile, gathers=True),
    "random_wrap": Reinterpret(), "random_unwrap": Reinterpret(),
    "bitcast_convert_type": Choice(_bitcast),
    # reductions
    "reduce_sum": Reduce(lambda b, x, y: b.add(x, y), lambda dtype: 0),
    "reduce_prod": Reduce(lambda b, x, y: b.mul(x, y), lambda dtype: 1),
    "reduce_max": Reduce(lambda b, x, y: b.max(x, y), _lowest),
    "reduce_min": Reduce(lambda b, x, y: b.min(x, y), _highest),
    "reduce_and": Reduce(lambda b, x, y: b.and_(x, y), _all_ones),
    "reduce_or": Reduce(lambda b, x, y: b.or_(x, y), lambda dtype: 0),
    "argmax": Reduce(lambda b, x, y: _extreme_position(b, x, y, b.gt), _lowest, by_position=True),
    "argmin": Reduce(lambda b, x, y: _extreme_position(b, x, y, b.lt), _highest,
                     by_position=True),
    "dot_general": Product(),
    "reduce_xor": Reduce(lambda b, x, y: b.xor(x, y), lambda dtype: 0),
    # calls
    "jit": _call("jaxpr"), "pjit": _call("jaxpr"), "closed_call": _call("call_jaxpr"),
    "core_call": _call("call_jaxpr"), "remat": _call("jaxpr"), "remat2": _call("jaxpr"),
    "checkpoint": _call("jaxpr"), "custom_jvp_call": _call("call_jaxpr"),
    "custom_vjp_call": _call("call_jaxpr"), "custom_vjp_call_jaxpr": _call("fun_jaxpr"),
    "custom_vmap_call": _call("call"),
    # control flow
    "while": Control(control.lower_while),
    "scan": Control(control.lower_scan),
    "cond": Control(control.lower_cond),
}
