"""Simplify: jaxpr -> an equal, flatter jaxpr.

Before: calls (`jit`, custom rules, `checkpoint`), repeated and dead equations, identities.
After: calls are inlined, operands of elementwise equations are 0-d or have the shape of the
result (sizes of 1 are broadcast), equal pure equations merged, scalar equations of literals folded,
what the `IDENTITIES` say applied, dead pure equations gone.
Known limits: arrays are never folded (large captured arrays stay arguments).
"""
from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from arrax.core.dtypes import ExtendedDType
from arrax.core.jaxpr import ClosedJaxpr, DropVar, Eqn, Jaxpr, Literal, Var
from arrax.core.primitive import Primitive
from arrax.core.lowering import Elementwise, Expand, Inline, Pairs, Reduce
from arrax.engines.cpu.op_lowerings import lowering_of
from arrax.engines.cpu.passes.accumulate import update_of
from arrax.engines.cpu.passes.expand import expand
from arrax.engines.cpu.passes.masked_updates import chosen_again, masked_updates
from arrax.ops.constraints import sharding_constraint_p
from arrax.ops.p import (add_any_p, broadcast_in_dim_p, convert_element_type_p, copy_p, div_p,
                         mul_p, reshape_p, select_n_p, slice_p, squeeze_p, stop_gradient_p,
                         transpose_p)
from arrax.transforms.checkpoint_policies import name_p


def simplify(closed: ClosedJaxpr) -> ClosedJaxpr:
    """The whole pass; see above."""
    writer = _Writer()
    env: dict[Var, Any] = {}
    jaxpr = closed.jaxpr
    consts = list(closed.consts)
    constvars = list(jaxpr.constvars)
    for var in (*constvars, *jaxpr.invars):
        env[var] = var
    outvars = writer.inline(jaxpr, env)
    eqns = remove_dead(writer.eqns, outvars)
    constvars += [var for var, _ in writer.hoisted]
    consts += [value for _, value in writer.hoisted]
    return ClosedJaxpr(Jaxpr(constvars, jaxpr.invars, outvars, eqns, jaxpr.effects,
                             jaxpr.debug_info), consts)


class _Writer:
    """Appends simplified equations; remembers pure ones for merging."""

    def __init__(self) -> None:
        self.eqns: list[Eqn] = []
        self.known: dict[Any, list[Any]] = {}
        self.hoisted: list[tuple[Var, Any]] = []  # consts of inlined closed jaxprs
        self.hoisted_ids: dict[int, Var] = {}
        self.made_by: dict[Var, Eqn] = {}

    def inline(self, jaxpr: Jaxpr, env: dict[Var, Any]) -> list[Any]:
        """Write the equations of `jaxpr`; gives its results."""
        for eqn in jaxpr.eqns:
            operands = [self.read(env, atom) for atom in eqn.invars]
            outs = self.write(eqn, operands)
            env.update(zip(eqn.outvars, outs, strict=True))
        return [self.read(env, atom) for atom in jaxpr.outvars]

    def read(self, env: dict[Var, Any], atom: Any) -> Any:
        return atom if type(atom) is Literal else env[atom]

    def constant(self, value: Any, aval: Any) -> Var:
        """A constvar of the whole program for a const of an inner jaxpr."""
        var = self.hoisted_ids.get(id(value))
        if var is None:
            var = self.hoisted_ids[id(value)] = Var(aval)
            self.hoisted.append((var, value))
        return var

    def inline_closed(self, called: Any, operands: Sequence[Any]) -> list[Any]:
        jaxpr = called.jaxpr if isinstance(called, ClosedJaxpr) else called
        consts = called.consts if isinstance(called, ClosedJaxpr) else ()
        env: dict[Var, Any] = {}
        for var, value in zip(jaxpr.constvars, consts, strict=True):
            env[var] = self.constant(value, var.aval)
        env.update(zip(jaxpr.invars, operands, strict=True))
        return self.inline(jaxpr, env)

    def write(self, eqn: Eqn, operands: list[Any]) -> list[Any]:
        """The results of one equation on new operands."""
        lower = lowering_of(eqn)
        if type(lower) is Inline:
            return self.inline_closed(lower.jaxpr(eqn.params), operands)
        if type(lower) is Expand:
            expanded = expand(lower, eqn)
            if expanded is not None:
                return self.inline_closed(expanded, operands)
        if eqn.primitive.elementwise:
            operands = [self.broadcast(x, eqn.outvars[0].aval.shape) for x in operands]
        if type(lower) is Reduce and _folds_nothing(lower, eqn):
            return [self.reshape(operands[0], eqn.outvars[0].aval)]
        identity = IDENTITIES.get(eqn.primitive)
        if identity is not None:
            found = identity(self, eqn, operands)
            if found is not None:
                return [found]
        if type(lower) is Elementwise and all(type(x) is Literal for x in operands):
            folded = _fold(eqn, operands)
            if folded is not None:
                return [folded]
        if eqn.effects:
            return self.append(eqn, operands)
        key = (eqn.primitive, tuple(map(_atom_key, operands)), _params_key(eqn.params))
        known = self.known.get(key)
        if known is None:
            known = self.known[key] = self.append(eqn, operands)
        return known

    def broadcast(self, atom: Any, shape: tuple[int, ...]) -> Any:
        """An operand of an elementwise equation, 0-d or at the shape of the result."""
        aval = atom.aval
        if aval.shape == shape or not aval.shape:
            return atom
        params = {"shape": shape, "broadcast_dimensions": tuple(range(len(shape))),
                  "sharding": None}
        eqn = Eqn(broadcast_in_dim_p, [atom], [Var(aval.update(shape=shape))], params)
        return self.write(eqn, [atom])[0]

    def reshape(self, atom: Any, aval: Any) -> Any:
        """The elements of `atom` at another shape."""
        params = {"new_sizes": aval.shape, "dimensions": None, "sharding": None}
        return self.write(Eqn(reshape_p, [atom], [Var(aval)], params), [atom])[0]

    def elementwise(self, primitive: Primitive, operands: list[Any]) -> Any:
        """The result of an elementwise primitive without params, on equal shapes or scalars."""
        aval = primitive.result_avals([x.aval for x in operands], {})
        return self.write(Eqn(primitive, operands, [Var(aval)], {}), operands)[0]

    def append(self, eqn: Eqn, operands: list[Any]) -> list[Any]:
        outvars = [Var(v.aval) for v in eqn.outvars]
        new = Eqn(eqn.primitive, operands, outvars, eqn.params, eqn.effects, eqn.source_info)
        self.eqns.append(new)
        for var in outvars:
            self.made_by[var] = new
        return outvars


def _folds_nothing(lower: Reduce, eqn: Eqn) -> bool:
    """Whether a fold over values goes along axes of size 1 only."""
    shape = eqn.invars[0].aval.shape
    return not isinstance(lower.fold, Pairs) and len(eqn.outvars) == 1 \
        and eqn.invars[0].aval.dtype == eqn.outvars[0].aval.dtype \
        and all(shape[axis] == 1 for axis in eqn.params["axes"])


def _atom_key(atom: Any) -> Any:
    if type(atom) is Literal:
        value = np.asarray(atom.val)
        return (value.tobytes(), atom.aval.dtype, atom.aval.shape)
    return atom


def _params_key(params: dict[str, Any]) -> Any:
    """Params as a hashable value; unhashable ones count as different."""
    key = []
    for name, value in params.items():
        try:
            hash(value)
        except TypeError:
            value = id(value)
        key.append((name, type(value), value))
    return tuple(key)


def _fold(eqn: Eqn, operands: list[Any]) -> Literal | None:
    """The literal that a scalar equation of literals gives."""
    aval = eqn.outvars[0].aval
    if aval.shape or isinstance(aval.dtype, ExtendedDType):
        return None
    values = [np.asarray(x.val, x.aval.dtype) for x in operands]
    with np.errstate(all="ignore"):
        result = np.asarray(eqn.primitive.evaluate(*values, **eqn.params))
    return Literal(result.astype(aval.dtype)[()], aval)


def remove_dead(eqns: list[Eqn], outvars: Sequence[Any]) -> list[Eqn]:
    """The equations that results or effects need."""
    live = {v for v in outvars if type(v) is not Literal}
    kept: list[Eqn] = []
    for eqn in reversed(eqns):
        if eqn.effects or not live.isdisjoint(eqn.outvars):
            eqn = _needed_part(eqn, live)
            live.update(v for v in eqn.invars if type(v) is not Literal)
            outs = [v if v in live else DropVar(v.aval) for v in eqn.outvars]
            kept.append(eqn if all(a is b for a, b in zip(outs, eqn.outvars, strict=True))
                        else eqn.replace(outvars=outs))
    return kept[::-1]


def _needed_part(eqn: Eqn, live: set[Var]) -> Eqn:
    """Control flow without the carries and results that nobody needs."""
    used = [v in live for v in eqn.outvars]
    if eqn.primitive.dce is None or eqn.effects or all(used):
        return eqn
    pruned = eqn.primitive.dce(used, eqn)[1]
    return eqn if pruned is None else pruned


# ---- identities: `rule(writer, eqn, operands)` gives the atom that the result equals, or None --

def _same_aval(writer: _Writer, eqn: Eqn, operands: list[Any]) -> Any:
    """f(x) = x where the operation changes neither shape nor dtype."""
    a, b = operands[0].aval, eqn.outvars[0].aval
    return operands[0] if a.shape == b.shape and a.dtype == b.dtype else None


def _always(writer: _Writer, eqn: Eqn, operands: list[Any]) -> Any:
    return operands[0]


def _identity_transpose(writer: _Writer, eqn: Eqn, operands: list[Any]) -> Any:
    """transpose(x, 0 1 2) = x."""
    return operands[0] if list(eqn.params["permutation"]) == sorted(eqn.params["permutation"]) \
        else None


def _is_literal(atom: Any, value: float) -> bool:
    return type(atom) is Literal and bool(np.all(np.asarray(atom.val) == value))


def _times_one(writer: _Writer, eqn: Eqn, operands: list[Any]) -> Any:
    """x * 1 = x, 1 * x = x."""
    x, y = operands
    shape = eqn.outvars[0].aval.shape
    if _is_literal(y, 1) and x.aval.shape == shape:
        return x
    return y if _is_literal(x, 1) and y.aval.shape == shape else None


def _divided_by_one(writer: _Writer, eqn: Eqn, operands: list[Any]) -> Any:
    """x / 1 = x."""
    x, y = operands
    return x if _is_literal(y, 1) and x.aval.shape == eqn.outvars[0].aval.shape else None


def _convert(writer: _Writer, eqn: Eqn, operands: list[Any]) -> Any:
    """convert(x) = x for the same dtype; a literal is converted now."""
    x, aval = operands[0], eqn.outvars[0].aval
    if x.aval.dtype == aval.dtype:
        return x if type(x) is not Literal else Literal(x.val, aval)
    return None


def _update_total(writer: _Writer, eqn: Eqn, operands: list[Any]) -> Any:
    """total + (zeros with a part) = total with the part added (`accumulate`)."""
    for total, atom in (operands, operands[::-1]):
        found = update_of(total, atom, writer.made_by.get, writer.inline_closed)
        if found is not None:
            return found
    return None


def _choose_update(writer: _Writer, eqn: Eqn, operands: list[Any]) -> Any:
    """where(p, x with an update, x) = x with the update where p (`masked_updates`)."""
    which, *cases = operands
    if all(case is cases[0] for case in cases) and type(cases[0]) is not Literal:
        return cases[0]
    chosen = [chosen_again(which, case, i, writer.made_by.get) for i, case in enumerate(cases)]
    if any(a is not b for a, b in zip(chosen, cases, strict=True)):
        return writer.write(eqn, [which, *chosen])[0]
    if not cases[0].aval.shape:
        return None
    return masked_updates(which, cases, writer.made_by.get, writer.elementwise,
                          writer.inline_closed)


IDENTITIES: dict[Primitive, Callable[[_Writer, Eqn, list[Any]], Any]] = {
    reshape_p: _same_aval, broadcast_in_dim_p: _same_aval, squeeze_p: _same_aval,
    slice_p: _same_aval, transpose_p: _identity_transpose, convert_element_type_p: _convert,
    copy_p: _always, name_p: _always, sharding_constraint_p: _always, stop_gradient_p: _always,
    mul_p: _times_one, div_p: _divided_by_one, add_any_p: _update_total,
    select_n_p: _choose_update,
}
