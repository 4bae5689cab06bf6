"""`while_loop` and `fori_loop` for users."""
from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from arrax.control import forwarding, messages
from arrax.control.scan import promote_weak, scan
from arrax.control.running import avals_of, concrete_or_none, runs_as_python
from arrax.control.while_rules import bind_while
from arrax.core import dtypes, pytree
from arrax.core.array import array_of
from arrax.core.aval import aval_of
from arrax.core.dimension import Dimension
from arrax.core.tracebacks import filtered
from arrax.ops.p import add_p, lt_p
from arrax.transforms.refs import cells, read_all, with_outer_refs, write_all
from arrax.transforms.staged import Adapter, WithRefs, flat_operands, stage_function


@filtered
def while_loop(cond_fun: Callable[..., Any], body_fun: Callable[..., Any], init_val: Any) -> Any:
    """Repeat `body_fun` as long as `cond_fun` holds; compiled as one loop.

    The meaning is::

        value = init_val
        while cond_fun(value):
            value = body_fun(value)
        return value

    Args:
      cond_fun: function of the carry that returns a boolean scalar.
      body_fun: function of the carry that returns the next one, of equal structure and types.
      init_val: the first carry, a pytree of arrays.

    Forward-mode differentiation works; reverse mode raises ValueError, because the number of steps
    is not known beforehand: use `scan`, or `fori_loop` with constant bounds.

    Raises:
      TypeError: for functions that cannot be called, a predicate that is no boolean scalar, or a
        body that changes the type of the carry.

    Example:
      >>> lax.while_loop(lambda x: x < 100, lambda x: x * 2, 1)
      Array(128, dtype=int32, weak_type=True)
    """
    return _while_loop(cond_fun, body_fun, init_val,
                       lambda: messages.first_argument_name(body_fun))


def _while_loop(cond_fun: Callable[..., Any], body_fun: Callable[..., Any], init_val: Any,
                carry_name: Callable[[], str]) -> Any:
    if not (callable(body_fun) and callable(cond_fun)):
        raise TypeError("lax.while_loop: body_fun and cond_fun arguments should be callable.")

    def run(refs: list[Any]) -> Any:
        if not refs:
            return _run_while(cond_fun, body_fun, init_val, carry_name)
        out, last = _run_while(_ConditionWithRefs(cond_fun, refs), _BodyWithRefs(body_fun, refs),
                               (init_val, read_all(refs)), carry_name)
        write_all(refs, last)
        return out
    return with_outer_refs(run)


class _BodyWithRefs(WithRefs):
    """A body with the values of refs beside its carry."""

    __slots__ = ()

    def __call__(self, *args: Any) -> Any:
        ((carry, values),) = args
        with cells(self.refs, values) as last:
            out = self.function(carry)
            return out, last()


class _ConditionWithRefs(WithRefs):
    """A condition with the values of refs beside its carry; it may only read them."""

    __slots__ = ()

    def __call__(self, *args: Any) -> Any:
        ((carry, values),) = args
        with cells(self.refs, values) as last:
            out = self.function(carry)
            if any(a is not b for a, b in zip(values, last(), strict=True)):
                raise ValueError("the cond_fun of a while_loop wrote to a Ref; it may only read")
            return out


def _run_while(cond_fun: Callable[..., Any], body_fun: Callable[..., Any], init_val: Any,
               carry_name: Callable[[], str]) -> Any:
    flat, tree = flat_operands(init_val)
    if runs_as_python():
        while (holds := concrete_or_none(cond_fun(init_val))) is not None:
            if not holds:
                return init_val
            init_val = body_fun(init_val)
        flat, tree = flat_operands(init_val)  # the predicate is traced: the rest is an operation
    in_tree = pytree.treedef_tuple((tree,))
    while True:
        avals = avals_of(flat)
        body = stage_function(body_fun, in_tree, avals, "while_loop")
        flat, changed = promote_weak(flat, body.out_avals)
        if not changed:
            break
    cond = stage_function(cond_fun, in_tree, avals, "while_cond")
    _check_predicate(cond)
    messages.check_carry("while_loop body", carry_name, tree.unflatten(avals), body.output())
    count = len(cond.consts)
    read = forwarding.reads(cond.closed)[count:]
    fixed = [f and not r for f, r in zip(
        forwarding.fixed_carries(body.closed, len(body.consts), len(flat)), read, strict=True)]
    if not any(fixed):
        return body.out_tree.unflatten(bind_while(cond.closed, body.closed, cond.consts,
                                                  body.consts, flat))
    kept = [i for i, f in enumerate(fixed) if not f]
    program = forwarding.moved_to_consts(body.closed, len(body.consts), fixed, kept)
    test = forwarding.selected(cond.closed, (*range(count), *(count + i for i in kept)), (0,))
    first, carry = forwarding.split(flat, fixed)
    outs = bind_while(test, program, cond.consts, [*first, *body.consts], carry)
    known = [forwarding.as_result(x) if f else None for x, f in zip(flat, fixed, strict=True)]
    return body.out_tree.unflatten(forwarding.merged(known, outs))


def _check_predicate(cond: Any) -> None:
    if not pytree.treedef_is_leaf(cond.out_tree) or cond.out_tree.num_leaves != 1:
        raise TypeError("cond_fun must return a boolean scalar, but got pytree "
                        f"{cond.out_tree}.")
    (aval,) = cond.out_avals
    if aval.shape != () or aval.dtype != np.bool_:
        raise TypeError("cond_fun must return a boolean scalar, but got output type(s) "
                        f"[{aval!r}].")


class _Counted(Adapter):
    """The body of a counted loop as a scan body over (counter, value)."""

    __slots__ = ()
    carry_name = "loop_carry"

    def __call__(self, *args: Any) -> Any:
        (i, value), _ = args
        return (_next(i), self.function(i, value)), None


class _CountedTo(Adapter):
    """The body of a counted loop as a body over (counter, end, value)."""

    __slots__ = ()

    def __call__(self, *args: Any) -> Any:
        ((i, end, value),) = args
        return _next(i), end, self.function(i, value)


def _next(i: Any) -> Any:
    aval = aval_of(i)
    return add_p.bind(i, 1 if aval.weak_type else np.ones((), aval.dtype)[()])


def _before_end(carry: Any) -> Any:
    i, end, _ = carry
    return lt_p.bind(i, end)


@filtered
def fori_loop(lower: Any, upper: Any, body_fun: Callable[..., Any], init_val: Any, *,
              unroll: int | bool | None = None) -> Any:
    """Count from `lower` to `upper`; compiled as one loop.

    The meaning is::

        value = init_val
        for i in range(lower, upper):
            value = body_fun(i, value)
        return value

    With bounds that are known when tracing it is a `scan`, so that reverse-mode differentiation
    works, else a `while_loop`.

    Args:
      lower, upper: integer scalars of equal type.
      body_fun: function (i, value) → value of equal structure and types.
      init_val: the first value, a pytree of arrays.
      unroll: as in `scan`; only with known bounds.

    Raises:
      TypeError: for bounds that are no integers, or a body that changes the type of the value.
      ValueError: for `unroll` with bounds that are not known.

    Example:
      >>> lax.fori_loop(0, 4, lambda i, total: total + i, 0)
      Array(6, dtype=int32, weak_type=True)
    """
    if not callable(body_fun):
        raise TypeError("lax.fori_loop: body_fun argument should be callable.")
    lower, upper = (x.__jax_array__() if isinstance(x, Dimension) else x for x in (lower, upper))
    if type(lower) is type(upper) is int:
        array_of(lower), array_of(upper)  # OverflowError for what no default dtype holds
    lower_aval, upper_aval = aval_of(lower), aval_of(upper)
    lower, upper = _common_bounds(lower, lower_aval, upper, upper_aval)
    start, stop = concrete_or_none(lower), concrete_or_none(upper)
    known = start is not None and stop is not None
    if runs_as_python() and known:
        value = init_val
        for i in range(int(start), int(stop)):
            value = body_fun(np.asarray(i, aval_of(lower).dtype)[()], value)
        return value
    if known:
        length = max(int(stop) - int(start), 0)
        first = start if aval_of(start).weak_type else np.asarray(start)[()]
        (_, value), _ = scan(_Counted(body_fun), (first, init_val), None, length,
                             unroll=1 if unroll is None else unroll)
        return value
    if unroll is not None and unroll is not False and unroll != 1:
        raise ValueError("Can only use `unroll` in `fori_loop` if the loop bounds are statically "
                         "known.")
    _, _, value = _while_loop(_before_end, _CountedTo(body_fun), (lower, upper, init_val),
                              lambda: "loop_carry")
    return value


def _common_bounds(lower: Any, lower_aval: Any, upper: Any, upper_aval: Any) -> tuple[Any, Any]:
    """Bounds of one integer dtype; Python ints take the dtype of the other bound when they fit."""
    mismatch = TypeError("lower and upper arguments to fori_loop must have equal types, got "
                         f"{dtypes.dtype_name(lower_aval.dtype)} and "
                         f"{dtypes.dtype_name(upper_aval.dtype)}")
    if lower_aval.dtype != upper_aval.dtype:
        if type(lower) is int and _holds(upper_aval.dtype, lower):
            lower, lower_aval = np.asarray(lower, upper_aval.dtype)[()], upper_aval
        elif type(upper) is int and _holds(lower_aval.dtype, upper):
            upper, upper_aval = np.asarray(upper, lower_aval.dtype)[()], lower_aval
        else:
            raise mismatch
    for aval in (lower_aval, upper_aval):
        if not dtypes.issubdtype(aval.dtype, np.integer) or aval.shape:
            raise TypeError("lower and upper arguments to fori_loop must be integer scalars, got "
                            f"{aval.str_short()}")
    return lower, upper


def _holds(dtype: Any, number: int) -> bool:
    """Whether `dtype` is an integer dtype that holds `number`."""
    if not dtypes.issubdtype(dtype, np.integer):
        return False
    info = dtypes.iinfo(dtype)
    return int(info.min) <= number <= int(info.max)
