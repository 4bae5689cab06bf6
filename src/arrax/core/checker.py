"""Check that a jaxpr is well formed. Runs after each transformation and pass in tests and under
`enable_checks`. The invariants:

 1. Constvars, parameters and results are variables, each bound once; a `DropVar` is never used.
 2. An operand or output is a literal or a variable that the same jaxpr bound before: no jaxpr
    refers to variables of another one.
 3. A literal is a scalar whose value fits its aval's dtype.
 4. An equation has as many results as its primitive says, with the avals that the primitive's
    type rule gives (shape and dtype; weak types too on request).
 5. The effects of an equation are its primitive's; a jaxpr's include those of all its equations.
 6. Jaxprs in parameters are well formed, and fit the operands and results of their equation: calls
    (all primitives that are `Inline`d: `jit`, `remat2`, `custom_jvp_call`, …),
    `scan` (carry in = carry out, rows without the leading axis), `while` (the condition is a bool
    scalar), `cond` (all branches alike).
 7. The consts of a closed jaxpr have the avals of its constvars.

Not checked: params against each other beyond the type rule; the order of effects; named axes.
"""
from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from arrax.core import dtypes
from arrax.core.aval import AbstractValue, aval_of
from arrax.core.errors import InternalError
from arrax.core.jaxpr import (
    ClosedJaxpr,
    DropVar,
    Eqn,
    Jaxpr,
    Literal,
    Var,
    jaxprs_in_params,
    join_effects,
)
from arrax.core.lowering import Inline
from arrax.core.printer import Names, eqn_doc, render


class CheckError(InternalError):
    """A jaxpr breaks an invariant: names the equation, its neighbours and the user's line."""


class _Broken(Exception):
    """What is wrong with one equation or binder; the caller adds the place."""


def check_jaxpr(jaxpr: Jaxpr | ClosedJaxpr, weak_types: bool = False) -> None:
    """Raise CheckError unless `jaxpr` keeps every invariant above.

    Args:
      jaxpr: a jaxpr; a closed one is checked with its consts.
      weak_types: also compare weak types with what the type rules give.
    """
    if isinstance(jaxpr, ClosedJaxpr):
        _check_consts(jaxpr)
        jaxpr = jaxpr.jaxpr
    bound: set[Var] = set()
    try:
        for var in (*jaxpr.constvars, *jaxpr.invars):
            _bind(var, bound)
    except _Broken as broken:
        raise CheckError(f"Parameters of a jaxpr: {broken}") from None
    for index, eqn in enumerate(jaxpr.eqns):
        try:
            _check_eqn(eqn, bound, weak_types)
        except _Broken as broken:
            raise CheckError(_message(jaxpr, index, str(broken))) from broken.__cause__
        except CheckError as error:
            raise CheckError(f"{error}\n{_message(jaxpr, index, 'carries the jaxpr above')}"
                             ) from None
    try:
        for atom in jaxpr.outvars:
            _check_atom(atom, bound)
        missing = join_effects(jaxpr.eqns) - jaxpr.effects
        if missing:
            raise _Broken(f"effects {set(missing)} of the equations are not listed")
    except _Broken as broken:
        raise CheckError(f"Outputs of a jaxpr: {broken}\n{_neighbours(jaxpr, len(jaxpr.eqns))}"
                         ) from None


def _check_consts(closed: ClosedJaxpr) -> None:
    if len(closed.consts) != len(closed.jaxpr.constvars):
        raise CheckError(f"{len(closed.jaxpr.constvars)} constvars, {len(closed.consts)} consts")
    for index, (var, value) in enumerate(zip(closed.jaxpr.constvars, closed.consts, strict=True)):
        if not _same(aval_of(value), var.aval):
            raise CheckError(f"const {index} has type {_type(aval_of(value))}, "
                             f"its constvar {_type(var.aval)}")


def _bind(var: Any, bound: set[Var]) -> None:
    if not isinstance(var, Var):
        raise _Broken(f"{var!r} stands where a variable is bound")
    if not isinstance(var.aval, AbstractValue):
        raise _Broken(f"a variable has {var.aval!r} for a type")
    if type(var) is DropVar:
        return
    if var in bound:
        raise _Broken(f"a variable of type {_type(var.aval)} is bound twice")
    bound.add(var)


def _check_atom(atom: Any, bound: set[Var]) -> None:
    if type(atom) is Literal:
        _check_literal(atom)
    elif type(atom) is DropVar:
        raise _Broken("a dropped result is used")
    elif not isinstance(atom, Var):
        raise _Broken(f"{atom!r} is neither a variable nor a literal")
    elif atom not in bound:
        raise _Broken(f"a variable of type {_type(atom.aval)} is used but not bound before")


def _check_literal(literal: Literal) -> None:
    value, aval = literal.val, literal.aval
    shape = getattr(aval, "shape", None)
    if shape != () or np.shape(value) != ():
        raise _Broken(f"literal {value!r} of type {_type(aval)} is no scalar")
    found = getattr(value, "dtype", None)
    if found is not None and found not in (aval.dtype, dtypes.storage_dtype(aval.dtype)):
        raise _Broken(f"literal {value!r} of dtype {found} has type {_type(aval)}")


def _check_eqn(eqn: Eqn, bound: set[Var], weak_types: bool) -> None:
    for atom in eqn.invars:
        _check_atom(atom, bound)
    for sub in jaxprs_in_params(eqn.params):
        check_jaxpr(sub, weak_types)
    if type(eqn.primitive.lower) is Inline:
        _check_call(eqn, eqn.primitive.lower.jaxpr(eqn.params))
    if eqn.primitive.check is not None:
        eqn.primitive.check(eqn)
    _check_result_types(eqn, weak_types)
    effects = _attempt(lambda: eqn.primitive.effects_of(eqn.params), "effects rule")
    if effects != eqn.effects:
        raise _Broken(f"has effects {set(eqn.effects)}, its primitive says {set(effects)}")
    for var in eqn.outvars:
        _bind(var, bound)


def _attempt(function: Callable[[], Any], what: str) -> Any:
    try:
        return function()
    except Exception as error:  # the rule is code of any kind, and its failure is the finding
        raise _Broken(f"its {what} fails: {type(error).__name__}: {error}") from error


def _check_result_types(eqn: Eqn, weak_types: bool) -> None:
    if eqn.primitive.type_rule is None:
        return
    avals = [atom.aval for atom in eqn.invars]
    try:
        expected = _attempt(lambda: eqn.primitive.result_avals(avals, eqn.params), "type rule")
    except _Broken as broken:
        if isinstance(broken.__cause__, NameError):  # a named axis that is not in scope here
            return
        raise
    expected = list(expected) if eqn.primitive.multiple_results else [expected]
    if len(expected) != len(eqn.outvars):
        raise _Broken(f"has {len(eqn.outvars)} results, its type rule gives {len(expected)}")
    for index, (var, aval) in enumerate(zip(eqn.outvars, expected, strict=True)):
        if not _same(var.aval, aval, weak_types):
            raise _Broken(f"result {index} has type {_type(var.aval)}, "
                          f"its type rule gives {_type(aval)}")


def _same(one: Any, other: Any, weak_types: bool = False) -> bool:
    """Equal avals, up to weak types."""
    if one is other:
        return True
    if not hasattr(one, "shape") or not hasattr(other, "shape"):
        return bool(one == other)
    return bool(one.shape == other.shape and one.dtype == other.dtype and (
        not weak_types or one.weak_type == other.weak_type))


def _type(aval: Any) -> str:
    weak = "~" if getattr(aval, "weak_type", False) else ""
    return weak + str(aval.str_short(True))


# --- Jaxprs in parameters -----------------------------------------------------------------------

def _fit(what: str, found: Sequence[Any], expected: Sequence[Any], whose: str) -> None:
    """The avals `found` of `what` must be `expected`, those of `whose`."""
    if len(found) != len(expected):
        raise _Broken(f"{what}: {len(found)}; {whose}: {len(expected)}")
    for index, (one, other) in enumerate(zip(found, expected, strict=True)):
        if not _same(one, other):
            raise _Broken(f"{what} {index} has type {_type(one)}, {whose} {_type(other)}")


def _avals(atoms: Sequence[Any]) -> list[Any]:
    return [atom.aval for atom in atoms]


def _in_avals(jaxpr: Any) -> list[Any]:
    """The avals of the operands of a carried jaxpr: an open one takes its constvars first."""
    if isinstance(jaxpr, Jaxpr):
        return [*_avals(jaxpr.constvars), *jaxpr.in_avals]
    return list(jaxpr.in_avals)


def _check_call(eqn: Eqn, called: Any) -> None:
    """The called jaxpr takes the operands and gives the results."""
    _fit("operand", _avals(eqn.invars), _in_avals(called), "parameter of the called jaxpr")
    _fit("result", _avals(eqn.outvars), called.out_avals, "output of the called jaxpr")


def _row(aval: Any, length: int) -> Any:
    if not aval.shape or aval.shape[0] != length:
        raise _Broken(f"a scanned operand or result has type {_type(aval)}, "
                      f"its leading axis should be {length}")
    return aval.update(shape=aval.shape[1:])


def check_scan(eqn: Eqn) -> None:
    """The body takes consts, carry and rows, and gives carry and rows."""
    jaxpr, length = eqn.params["jaxpr"], eqn.params["length"]
    consts, carry = eqn.params["num_consts"], eqn.params["num_carry"]
    operands, results = _avals(eqn.invars), _avals(eqn.outvars)
    rows = [_row(a, length) for a in operands[consts + carry:]]
    _fit("operand", [*operands[:consts + carry], *rows], jaxpr.in_avals, "parameter of the body")
    _fit("result", [*results[:carry], *(_row(a, length) for a in results[carry:])],
         jaxpr.out_avals, "output of the body")
    _fit("carry in", jaxpr.in_avals[consts:consts + carry], jaxpr.out_avals[:carry], "carry out")


def check_while(eqn: Eqn) -> None:
    """The condition gives a bool scalar, the body what it takes."""
    cond, body = eqn.params["cond_jaxpr"], eqn.params["body_jaxpr"]
    split, end = eqn.params["cond_nconsts"], eqn.params["cond_nconsts"] + eqn.params["body_nconsts"]
    operands = _avals(eqn.invars)
    carry = operands[end:]
    _fit("operand", [*operands[:split], *carry], cond.in_avals, "parameter of the condition")
    _fit("operand", operands[split:], body.in_avals, "parameter of the body")
    _fit("result", _avals(eqn.outvars), body.out_avals, "output of the body")
    _fit("carry", carry, body.out_avals, "output of the body")
    outs = cond.out_avals
    if len(outs) != 1 or outs[0].dtype != np.bool_ or outs[0].shape != ():
        raise _Broken(f"the condition gives {[_type(a) for a in outs]}, it should give bool[]")


def check_cond(eqn: Eqn) -> None:
    """The index is one of the branches, which are all alike."""
    index = eqn.invars[0].aval
    if index.shape != () or index.dtype not in (np.dtype("int32"), np.dtype(bool)):
        raise _Broken(f"the branch index has type {_type(index)}, it should be i32[]")
    for number, branch in enumerate(eqn.params["branches"]):
        _fit("operand", _avals(eqn.invars[1:]), branch.in_avals, f"parameter of branch {number}")
        _fit("result", _avals(eqn.outvars), branch.out_avals, f"output of branch {number}")


# --- Messages -----------------------------------------------------------------------------------

def _message(jaxpr: Jaxpr, index: int, problem: str) -> str:
    eqn = jaxpr.eqns[index]
    return (f"Equation {index} ({eqn.primitive.name}): {problem}\n{_neighbours(jaxpr, index)}\n"
            f"from {eqn.source_info}")


def _neighbours(jaxpr: Jaxpr, index: int, reach: int = 2) -> str:
    """The equations around `index`, which is marked."""
    names = Names()
    for var in (*jaxpr.constvars, *jaxpr.invars):
        names.bind(var)
    lines = []
    for number, eqn in enumerate(jaxpr.eqns[:index + reach + 1]):
        try:
            text = render(eqn_doc(eqn, names))
        except Exception as error:  # a broken equation may not print
            text = f"{eqn.primitive.name} (does not print: {error})"
        if number >= index - reach:
            mark = ">" if number == index else " "
            lines.append(f"  {mark} " + text.replace("\n", "\n    "))
    return "\n".join(lines)
