"""Which lowering a primitive has: its own `lower` field, or the compiler's own for the structural ones.

The structural primitives (views, reductions, control flow, calls) are lowered by this room's code;
`STRUCTURAL` is the one place that pairs them. Everything else runs as a host call.
"""
from __future__ import annotations

from typing import Any

import numpy as np

from arrax.engines.cpu import control, elementwise, updates, views
from arrax.engines.cpu.lowering import (Control, Elementwise, HostCall, Inline, Reduce, Update, View)

NO_LOWERING = HostCall("the primitive has no lowering")


def lowering_of(primitive: Any) -> Any:
    """The lowering of a primitive."""
    known = _cache.get(primitive.name)
    if known is None:
        known = STRUCTURAL.get(primitive.name) or primitive.lower \
            or ELEMENTWISE.get(primitive.name) or NO_LOWERING
        _cache[primitive.name] = known
    return known


_cache: dict[str, Any] = {}


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


def _call(name: str) -> Inline:
    return Inline(lambda params: params[name])


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
    "pad": View(views.pad, gathers=True),
    "concatenate": View(views.concatenate),
    "dynamic_slice": View(views.dynamic_slice),
    "dynamic_update_slice": Update(updates.dynamic_update_slice),
    "gather": View(views.gather, gathers=True),
    # reductions
    "reduce_sum": Reduce(lambda b, x, y: b.add(x, y), lambda dtype: 0),
    "reduce_prod": Reduce(lambda b, x, y: b.mul(x, y), lambda dtype: 1),
    "reduce_max": Reduce(lambda b, x, y: b.max(x, y), _lowest),
    "reduce_min": Reduce(lambda b, x, y: b.min(x, y), _highest),
    "reduce_and": Reduce(lambda b, x, y: b.and_(x, y), _all_ones),
    "reduce_or": Reduce(lambda b, x, y: b.or_(x, y), lambda dtype: 0),
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
