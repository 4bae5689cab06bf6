"""`cond` and `switch` for users."""
from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from arrax.control import forwarding, messages
from arrax.control.cond_rules import bind_cond
from arrax.control.running import avals_of, is_plain, runs_as_python
from arrax.core import dtypes
from arrax.core.aval import aval_of
from arrax.core.caching import memoize_on_jaxpr
from arrax.core.jaxpr import ClosedJaxpr, Jaxpr, Var, no_debug_info
from arrax.core.tracebacks import filtered
from arrax.ops.p import clamp_p, convert_element_type_p, ne_p
from arrax.transforms.calls import argument_names, function_name
from arrax.transforms.refs import (cells, closing_over, read_all, with_outer_refs,
                                   write_all)
from arrax.transforms.staged import Adapter, Staged, WithRefs, flat_operands, stage_function

_missing = object()


@filtered
def cond(pred: Any, true_fun: Any = _missing, false_fun: Any = _missing, *operands: Any,
         operand: Any = _missing) -> Any:
    """Apply `true_fun` or `false_fun` to the operands; only the chosen one runs.

    The meaning is `true_fun(*operands) if pred else false_fun(*operands)`. Under `vmap` with a
    batched predicate both run, and `select` takes the results.

    Args:
      pred: a boolean (or numeric: not zero) scalar.
      true_fun, false_fun: functions of the operands that return equal structures and types.
      operands: arrays or pytrees of arrays.
      operand: a single operand, by keyword.

    `cond(pred, true_operand, true_fun, false_operand, false_fun)` is understood too.

    Raises:
      TypeError: for a predicate that is no scalar, functions that cannot be called, or results of
        different structures or types.

    Example:
      >>> lax.cond(True, lambda x: x + 1, lambda x: x - 1, 3)
      Array(4, dtype=int32, weak_type=True)
    """
    if len(operands) == 2 and operand is _missing and callable(false_fun) \
            and callable(operands[1]) and not callable(true_fun):
        pair = (true_fun, operands[0])
        return _cond(pred, _OnFirst(false_fun), _OnSecond(operands[1]), pair)
    if not (callable(true_fun) and callable(false_fun)):
        raise TypeError("lax.cond: true_fun and false_fun arguments should be callable.")
    if operand is not _missing:
        if operands:
            raise TypeError("if 'operand' keyword is passed then no positional operands can be "
                            f"passed, got operand={operand} and positional operands {operands}")
        operands = (operand,)
    return _cond(pred, true_fun, false_fun, operands)


class _OnFirst(Adapter):
    """A branch that takes the first of two operands."""

    __slots__ = ()

    def __call__(self, *args: Any) -> Any:
        return self.function(args[0])


class _OnSecond(Adapter):
    """A branch that takes the second of two operands."""

    __slots__ = ()

    def __call__(self, *args: Any) -> Any:
        return self.function(args[1])


def _cond(pred: Any, true_fun: Callable[..., Any], false_fun: Callable[..., Any],
          operands: tuple[Any, ...]) -> Any:
    _check_predicate(pred)
    if runs_as_python() and is_plain(pred):
        return (true_fun if bool(pred) else false_fun)(*operands)
    return _branch("cond", _index_of_predicate(pred),
                   [("true_fun", true_fun), ("false_fun", false_fun)], operands, [1, 0])


def _check_predicate(pred: Any) -> None:
    if pred is None:
        raise TypeError("cond predicate is None")
    if isinstance(pred, (list, tuple, dict)):
        raise TypeError(f"Pred must be a scalar, got {pred} of type {type(pred)}")
    try:
        aval = aval_of(pred)
    except TypeError:
        raise TypeError(f"Pred must be a scalar, got {pred} of type {type(pred)}") from None
    if aval.shape:
        raise TypeError(f"Pred must be a scalar, got {pred} of shape {aval.shape}.")
    if not any(dtypes.issubdtype(aval.dtype, kind)
               for kind in (np.bool_, np.integer, np.floating)):
        raise TypeError("Pred type must be either boolean or number, got "
                        f"{dtypes.dtype_name(aval.dtype)}.")


def _index_of_predicate(pred: Any) -> Any:
    """0 or 1, as int32."""
    if is_plain(pred):
        return np.int32(bool(pred))
    aval = aval_of(pred)
    if aval.dtype != np.bool_:
        pred = ne_p.bind(pred, np.zeros((), aval.dtype)[()])
    return convert_element_type_p.bind(pred, new_dtype=np.dtype(np.int32),
                                       weak_type=False, sharding=None)


@filtered
def switch(index: Any, branches: Sequence[Callable[..., Any]], *operands: Any,
           operand: Any = _missing) -> Any:
    """Apply one of several functions to the operands: `branches[clamp(index)](*operands)`.

    Args:
      index: an integer scalar, clamped to [0, len(branches) - 1].
      branches: functions of the operands that return equal structures and types.
      operands: arrays or pytrees of arrays; or `operand`, a single one by keyword.

    Raises:
      TypeError: for an index that is no integer scalar, or branches whose results differ in type.
      ValueError: without branches.

    Example:
      >>> lax.switch(1, [lambda x: x + 1, lambda x: x * 10], 4)
      Array(40, dtype=int32, weak_type=True)
    """
    branches = tuple(branches)
    if not all(callable(branch) for branch in branches):
        raise TypeError("lax.switch: branches argument should be a sequence of callables.")
    if operand is not _missing:
        if operands:
            raise TypeError("if 'operand' keyword is passed then no positional operands can be "
                            f"passed, got operand={operand} and positional operands {operands}")
        operands = (operand,)
    aval = aval_of(index)
    if aval.shape:
        raise TypeError(f"Branch index must be scalar, got {index} of shape {aval.shape}.")
    if not dtypes.issubdtype(aval.dtype, np.integer):
        raise TypeError(f"Index type must be an integer, got {index} as "
                        f"{dtypes.dtype_name(aval.dtype)}")
    if not branches:
        raise ValueError("Empty branch sequence")
    if len(branches) == 1:
        return branches[0](*operands)
    last = len(branches) - 1
    if is_plain(index):
        number = np.int32(min(max(int(index), 0), last))
        if runs_as_python():
            return branches[int(number)](*operands)
        index = number
    else:
        index = convert_element_type_p.bind(
            index, new_dtype=np.dtype(np.int32), weak_type=False, sharding=None)
        index = clamp_p.bind(np.int32(0), index, np.int32(last))
    named = [("branch 0" if i == 0 else f"branch{i}", f) for i, f in enumerate(branches)]
    return _branch("switch", index, named, operands, list(range(len(branches))))


def _branch(name: str, index: Any, functions: Sequence[tuple[str, Any]], operands: Any,
            order: Sequence[int]) -> Any:
    """Trace the branches, check that they agree, and bind; `order` arranges them by index."""
    given = operands
    texts, plain = zip(*functions, strict=True)
    closed, operands = closing_over(plain, operands, f"{function_name(plain[0])} for {name}",
                                    lambda: argument_names(plain[0], given, {}))
    functions = list(zip(texts, closed, strict=True))

    def run(refs: list[Any]) -> Any:
        if not refs:
            return _run_branch(name, index, functions, operands, order)
        with_refs = [(text, _BranchWithRefs(fun, refs)) for text, fun in functions]
        out, last = _run_branch(name, index, with_refs, (read_all(refs), *operands), order)
        write_all(refs, last)
        return out
    return with_outer_refs(run)


class _BranchWithRefs(WithRefs):
    """A branch with the values of refs before its operands."""

    __slots__ = ()

    def __call__(self, *args: Any) -> Any:
        values, *operands = args
        with cells(self.refs, values) as last:
            out = self.function(*operands)
            return out, last()


def _run_branch(name: str, index: Any, functions: Sequence[tuple[str, Any]], operands: Any,
                order: Sequence[int]) -> Any:
    flat, tree = flat_operands(operands)
    avals = avals_of(flat)
    staged = [stage_function(fun, tree, avals, name) for _, fun in functions]
    messages.check_branches(name, functions, [s.output() for s in staged])
    consts, jaxprs = common_consts(staged)
    operands = [*consts, *flat]
    same = [set(places) for places in zip(*map(forwarding.passed, jaxprs), strict=True)]
    known = [forwarding.as_result(operands[place]) if len(s) == 1 and place is not None else None
             for s in same for place in [min(s, key=lambda p: -1 if p is None else p)]]
    if any(k is not None for k in known):
        inputs, kept = range(len(operands)), tuple(i for i, k in enumerate(known) if k is None)
        jaxprs = [forwarding.selected(j, tuple(inputs), kept) for j in jaxprs]
    outs = bind_cond(index, operands, [jaxprs[i] for i in order])
    return staged[0].out_tree.unflatten(forwarding.merged(known, outs))


def common_consts(staged: Sequence[Staged]) -> tuple[list[Any], list[ClosedJaxpr]]:
    """All values that the branches close over, once each, and the branches over all of them."""
    consts: list[Any] = []
    position: dict[int, int] = {}
    for part in staged:
        for const in part.consts:
            if id(const) not in position:
                position[id(const)] = len(consts)
                consts.append(const)
    avals = tuple(avals_of(consts))
    jaxprs = [_over_consts(part.closed, avals, tuple(position[id(c)] for c in part.consts))
              for part in staged]
    return consts, jaxprs


@memoize_on_jaxpr
def _over_consts(closed: ClosedJaxpr, avals: tuple[Any, ...], places: tuple[int, ...]) -> Any:
    """`closed`, whose own leading inputs are at `places` among inputs of the given avals."""
    if places == tuple(range(len(avals))):
        return closed
    jaxpr = closed.jaxpr
    leading = [Var(aval) for aval in avals]
    for var, place in zip(jaxpr.invars, places):
        leading[place] = var
    return ClosedJaxpr(Jaxpr([], [*leading, *jaxpr.invars[len(places):]], jaxpr.outvars, jaxpr.eqns,
                             jaxpr.effects, no_debug_info))
