"""Which lowering an equation has: the `lower` field of its primitive, with our parts put in.

A `Form` is looked up in `FORMS`, a `Scatter` becomes loops
or a library call. A primitive whose field is a host call, or that the library does not cover, runs
Python.
"""
from __future__ import annotations

from typing import Any

from arrax.control.cond_rules import cond_p
from arrax.control.scan_rules import scan_p
from arrax.control.while_rules import while_p
from arrax.core import dtypes
from arrax.core.primitive import NotApplicable, Primitive
from arrax.engines.cpu import control, library_plans, updates, views
from arrax.core.lowering import (Choice, Control, Form, HostCall, Product, Reinterpret,
                                        Scatter, Update, View)
from arrax.engines.cpu.product_rewrites import product_rewrite
from arrax.ops.p import (bitcast_convert_type_p, broadcast_in_dim_p, concatenate_p, dynamic_slice_p,
                         dynamic_update_slice_p, gather_p, iota_p, pad_p, reshape_p, rev_p, slice_p,
                         split_p, squeeze_p, stack_p, tile_p, transpose_p, unstack_p)

NO_LOWERING = HostCall("the primitive has no lowering")

NOT_EMITTED: set[Any] = set()  # (primitive name, dtypes) that the scalar builder turned down


def lowering_of(eqn: Any) -> Any:
    """The lowering of an equation."""
    known = _found.get(eqn.primitive)
    if known is None:
        known = _found[eqn.primitive] = _resolved(eqn.primitive)
    if type(known) is Choice:
        known = known.choose(eqn)
    if NOT_EMITTED and emission_key(eqn) in NOT_EMITTED:
        return NO_LOWERING
    return known


_found: dict[Primitive, Any] = {}


def _resolved(primitive: Primitive) -> Any:
    """The `lower` field, with named parts of the compiler replaced by the parts."""
    lower = primitive.lower
    if lower is None or type(lower) is NotApplicable:
        return NO_LOWERING
    if type(lower) is Form:
        return FORMS[primitive]
    if type(lower) is Product:
        return Choice(lambda eqn: product_rewrite(eqn) or lower)
    return _scatter(lower) if type(lower) is Scatter else lower


def emission_key(eqn: Any) -> Any:
    """What decides whether an elementwise equation can be emitted."""
    return (eqn.primitive.name, *(a.aval.dtype for a in (*eqn.invars, *eqn.outvars)))


def _bitcast(eqn: Any) -> Any:
    """Between dtypes of one width an element-wise operation, else another view of the memory; but
    numbers of less than a byte take a byte each."""
    old, new = eqn.invars[0].aval, eqn.outvars[0].aval
    if old.shape == new.shape:
        return eqn.primitive.lower.element
    narrow = min(dtypes.itemsize_bits(old.dtype), dtypes.itemsize_bits(new.dtype)) < 8
    return NO_LOWERING if narrow else Reinterpret()


def _scatter(lower: Scatter) -> Choice:
    """Long scatters of whole rows are library calls, in parallel; others are loops."""
    loops = Update(updates.scatter(lower.combine))

    def choose(eqn: Any) -> Any:
        if lower.combine is None and eqn.params.get("update_jaxpr") is not None:
            return NO_LOWERING
        return library_plans.scatter_lowering(eqn, loops)

    return Choice(choose)


FORMS: dict[Primitive, Any] = {
    broadcast_in_dim_p: View(views.broadcast_in_dim),
    transpose_p: View(views.transpose),
    reshape_p: View(views.reshape, flat=True),
    squeeze_p: View(views.squeeze, flat=True),
    slice_p: View(views.slice_view),
    rev_p: View(views.rev),
    iota_p: View(views.iota),
    pad_p: View(views.pad, gathers=True, pieces=updates.pad),
    concatenate_p: View(views.concatenate, pieces=updates.concatenate),
    dynamic_slice_p: View(views.dynamic_slice),
    dynamic_update_slice_p: Update(updates.dynamic_update_slice),
    gather_p: View(views.gather, gathers=True),
    split_p: View(views.split),
    stack_p: View(views.stack, pieces=updates.stack),
    unstack_p: View(views.unstack),
    tile_p: View(views.tile, gathers=True, pieces=updates.tile),
    bitcast_convert_type_p: Choice(_bitcast),
    while_p: Control(control.lower_while, control.while_invariants),
    scan_p: Control(control.lower_scan, control.scan_invariants),
    cond_p: Control(control.lower_cond),
}
