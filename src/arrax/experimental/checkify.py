"""`arrax.experimental.checkify`: errors that depend on values, as results of pure functions.

`checkify(f)` returns `(error, f's result)`. An `Error` is a pytree of arrays that says which check
failed first, and with which values; `error.throw()` raises it.

How it works: while the function runs, a collector (`_Cells`) holds mutable arrays (`Ref`): a number
that says which *site* failed first (0: none did), and for each site the values of its message. So
checks inside of `jit`, `scan`, `cond`, ... reach the collector as any other Ref is reached; inside
of `vmap` and `grad` they are first brought out (`_outside`). User checks write to it by themselves.
Automatic checks (NaNs, divisions by zero, indices) are made by `CheckTrace`, which stands between
the function and the trace that it is called under, and looks at each operation.

Source: `jax.experimental.checkify`.
"""
from __future__ import annotations

import functools
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from arrax import lax, tree_util
from arrax import numpy as jnp
from arrax.control.cond_rules import cond_p
from arrax.control.scan_rules import scan_p
from arrax.control.while_rules import while_p
from arrax.core import pytree, source_info
from arrax.core.array import array_of
from arrax.core.aval import ShapedArray, aval_of
from arrax.core.jaxpr import ClosedJaxpr, Jaxpr, eval_jaxpr
from arrax.core.lazy import listing as _listing
from arrax.core.effects import Effect
from arrax.core.lowering import Expand, Inline
from arrax.core.primitive import NotApplicable, Primitive
from arrax.core.trace import Trace, Tracer, current, use
from arrax.numpy.promotion import promotes_freely
from arrax.ops import p
from arrax.ops.gather import gather_p
from arrax.ops.rules import batch_at, zeros
from arrax.ops.scatter import (scatter_add_p, scatter_max_p, scatter_min_p, scatter_mul_p,
                               scatter_p)
from arrax.ops.slicing import dynamic_slice_p, dynamic_update_slice_p
from arrax.transforms.batching import BatchTrace
from arrax.transforms.jvp import JVPTrace, JVPTracer
from arrax.transforms.refs import AbstractRef, Ref
from arrax.transforms.staging import StagingTrace

__all__ = ["Error", "ErrorCategory", "JaxRuntimeError", "all_checks", "automatic_checks", "check",
           "check_error", "checkify", "debug_check", "div_checks", "float_checks", "index_checks",
           "init_error", "nan_checks", "user_checks"]


class JaxRuntimeError(ValueError):
    """What `Error.throw` raises."""


class JaxException(Exception):
    """Base of the kinds of errors that are checked for."""


class FailedCheckError(JaxException):
    """A `check` whose predicate did not hold."""


class NaNError(JaxException):
    """An operation that made a NaN."""


class DivisionByZeroError(JaxException):
    """A division by zero."""


class OOBError(JaxException):
    """An index outside of an array."""


class BatchedError(JaxException):
    """Errors of several elements of a batch."""


ErrorCategory = type[JaxException]
user_checks = frozenset({FailedCheckError})
nan_checks = frozenset({NaNError})
index_checks = frozenset({OOBError})
div_checks = frozenset({DivisionByZeroError})
float_checks = nan_checks | div_checks
automatic_checks = float_checks | index_checks
all_checks = automatic_checks | user_checks


@dataclass(frozen=True)
class _Site:
    """A check: its kind, its message with places for values, and these values' structure and types.
    Checks that agree in all of this, and in the line that they stand in, are one."""

    kind: type[JaxException]
    text: str
    structure: Any
    avals: tuple[Any, ...]
    line: str

    def message(self, values: Sequence[Any]) -> str:
        args, kwargs = self.structure.unflatten(values)
        return self.text.format(*args, **kwargs)


@tree_util.register_pytree_node_class
class Error:
    """Which check failed first, if any: a pytree of arrays.

    Example:
      >>> err, _ = checkify(lambda x: check(x > 0, "{x} is not positive", x=x))(-1.)
      >>> err.get()
      '-1.0 is not positive (`check` failed)'
    """

    def __init__(self, sites: tuple[_Site, ...], code: Any, payloads: Any):
        self._sites, self._code, self._payloads = sites, code, payloads

    def tree_flatten(self) -> tuple[tuple[Any, Any], tuple[_Site, ...]]:
        return (self._code, self._payloads), self._sites

    @classmethod
    def tree_unflatten(cls, sites: tuple[_Site, ...], children: tuple[Any, Any]) -> Error:
        return cls(sites, *children)

    def get(self) -> str | None:
        """The message, or None. For batches a line for each element that failed."""
        error = self.get_exception()
        return None if error is None else str(error)

    def get_exception(self) -> JaxException | None:
        """The error, or None."""
        codes = np.asarray(self._code)
        if not codes.any():
            return None
        if codes.ndim == 0:
            return self._exception(int(codes), ())
        lines = [f"at mapped index {', '.join(map(str, place))}: "
                 f"{self._exception(int(codes[place]), place)}"
                 for place in zip(*np.nonzero(codes), strict=True)]
        return BatchedError("\n".join(lines))

    def _exception(self, code: int, place: tuple[Any, ...]) -> JaxException:
        site = self._sites[code - 1]
        values = [np.asarray(value)[place] if place else np.asarray(value)
                  for value in self._payloads[code - 1]]
        return site.kind(site.message([v[()] if v.ndim == 0 else v for v in values]))

    def throw(self) -> None:
        """Raise JaxRuntimeError if a check failed."""
        check_error(self)

    def __str__(self) -> str:
        return f"Error({self.get()})"

    __repr__ = __str__


init_error = Error((), np.int32(0), ())


class _Cells:
    """Collects the first failure of a function that runs under `home`."""

    def __init__(self, home: Trace, errors: frozenset[Any]):
        self.home, self.errors = home, errors
        self.sites: dict[_Site, int] = {}
        self.code = self._ref(ShapedArray((), np.dtype(np.int32)))
        self.payloads: list[list[Ref]] = []

    def _ref(self, aval: Any) -> Ref:
        """A Ref that belongs to the collector's trace, wherever it is made."""
        with use(self.home):
            ref = Ref(AbstractRef(aval), zeros(aval))
            ref._owner = self
            return ref

    def record(self, site: _Site, holds: Any, values: Sequence[Any]) -> None:
        """Note a check, whose values belong to the current trace or to outer ones."""
        number = self.sites.get(site)
        if number is None:
            number = self.sites[site] = len(self.sites) + 1
            self.payloads.append([self._ref(aval) for aval in site.avals])
        code = self.code.get()
        first = (code == 0) & ~holds
        self.code.set(jnp.where(first, jnp.int32(number), code))
        for ref, value in zip(self.payloads[number - 1], values, strict=True):
            ref.set(jnp.where(first, value, ref.get()).astype(ref.dtype))

    def outside(self, refs: Sequence[Ref], values: Sequence[Any]) -> list[Any]:
        """Values that something staged gave for refs, without derivatives; of a batch those of the
        first element that failed."""
        codes = [value for ref, value in zip(refs, values, strict=True) if ref is self.code]
        flag = codes[0] == 0 if codes else True
        return _outside(self.home, flag, list(values))[2]

    def error(self) -> Error:
        """What was collected; the collector ends."""
        payloads = tuple(tuple(ref.get() for ref in refs) for refs in self.payloads)
        found = Error(tuple(self.sites), self.code.get(), payloads)
        self.end()
        return found

    def end(self) -> None:
        for ref in (self.code, *(ref for refs in self.payloads for ref in refs)):
            ref._end = ref._end or "freed"


class _Active(threading.local):
    """The collectors of this thread, the innermost last."""

    def __init__(self) -> None:
        self.cells: list[_Cells] = []


_active = _Active()


def checkify(f: Callable[..., Any], errors: frozenset[Any] = user_checks,
             ) -> Callable[..., tuple[Error, Any]]:
    """A function that returns an `Error` beside the result of `f`.

    Args:
      f: a function of arrays; `check` inside of it, and the automatic checks that are asked for,
        end up in the error instead of being raised.
      errors: which: `user_checks`, `nan_checks`, `div_checks`, `index_checks`, or unions of them
        (`float_checks`, `automatic_checks`, `all_checks`).

    Returns: a function of the arguments of `f` with results (error, result).

    Example:
      >>> err, out = checkify(lambda x: jnp.log(x), errors=nan_checks)(-1.)
      >>> err.get()
      'nan generated by primitive: log.'

    Source: `jax.experimental.checkify.checkify`.
    """
    if not callable(f):
        raise TypeError(f"checkify: Expected a callable value, got {f}")

    @functools.wraps(f, updated=())
    def checked(*args: Any, **kwargs: Any) -> tuple[Error, Any]:
        here = current()
        cells = _Cells(here, frozenset(errors))
        _active.cells.append(cells)
        try:
            with use(CheckTrace(here, cells) if cells.errors & automatic_checks else here):
                out = f(*args, **kwargs)
        except BaseException:
            cells.end()
            raise
        finally:
            _active.cells.pop()
        return cells.error(), out
    return checked


def check(pred: Any, msg: str, *fmt_args: Any, debug: bool = False, **fmt_kwargs: Any) -> None:
    """Check that a predicate holds; where it does not, the function's `checkify` says so.

    Without `checkify` a check that fails is raised at once, and one on traced values is an error.

    Args:
      pred: a boolean scalar.
      msg: what to say where it is False, a format string.
      *fmt_args, **fmt_kwargs: arrays for the format string.
      debug: whether the check is left out without `checkify`.

    Errors: TypeError for predicates and values that are no arrays, or no scalar; ValueError for
    traced values without `checkify`; JaxRuntimeError for a failure without it.

    Source: `jax.experimental.checkify.check`.
    """
    name = "debug_check" if debug else "check"
    holds = pred if isinstance(pred, Tracer) else _array(name, pred)
    if aval_of(holds).shape:
        raise TypeError(f"{name} takes a scalar pred as argument, got {pred}")
    if aval_of(holds).dtype != np.bool_:
        raise TypeError(f"{name} takes a boolean pred as argument, got {pred}")
    leaves, structure = pytree.tree_flatten((fmt_args, fmt_kwargs))
    values = [x if isinstance(x, Tracer) else _array(name, x) for x in leaves]
    if not _active.cells:
        if debug:
            return
        _check_p.bind(holds, *values, text=f"{msg} (`check` failed)", structure=structure)
        return
    if FailedCheckError in _active.cells[-1].errors:
        _note(_active.cells[-1], FailedCheckError, f"{msg} (`check` failed)", structure, holds,
              values)


def _evaluate_check(holds: np.ndarray, *values: np.ndarray, text: str,
                    structure: Any) -> list[np.ndarray]:
    if not holds.all():
        failed = np.unravel_index(int(np.argmin(holds)), holds.shape)
        args, kwargs = structure.unflatten([np.asarray(v[failed])[()] for v in values])
        raise JaxRuntimeError(text.format(*args, **kwargs))
    return []


def _batch_check(axis: Any, operands: Any, dims: Any, **params: Any) -> Any:
    """Values and predicate have the batch's axes in front."""
    _check_p.bind(*(batch_at(x, d, 0, axis.size) for x, d in zip(operands, dims, strict=True)),
                  **params)
    return [], []


def _not_functionalized(*_: Any, **__: Any) -> Any:
    raise ValueError(
        "Cannot abstractly evaluate a checkify.check which was not functionalized. This probably "
        "means you tried to stage (jit/scan/...) a `check` without using `checkify.checkify` on "
        "the function that calls it.")


# A check outside of `checkify`: it can be traced, and raises where it is evaluated.
_check_p: Primitive = Primitive(
    "check", multiple_results=True, evaluate=_evaluate_check, weak_type="none",
    type_rule=lambda *avals, **_: [], effects=frozenset({Effect("Check")}),
    jvp=lambda primals, tangents, **params: (_check_p.bind(*primals, **params), []),
    transpose=NotApplicable("it has no results"), batch=_batch_check,
    lower=Expand(_not_functionalized), stablehlo=_not_functionalized, registered=False)


def debug_check(pred: Any, msg: str, *fmt_args: Any, **fmt_kwargs: Any) -> None:
    """`check`, but nothing happens without `checkify`.

    Source: `jax.experimental.checkify.debug_check`.
    """
    check(pred, msg, *fmt_args, debug=True, **fmt_kwargs)


def check_error(error: Error) -> None:
    """Raise an error's exception; inside of `checkify`, make it an error of that function.

    Errors: ValueError for what is no Error; JaxRuntimeError where it holds a failure.

    Source: `jax.experimental.checkify.check_error`.
    """
    if not isinstance(error, Error):
        raise ValueError("check_error takes an Error as argument, got type "
                         f"{type(error)} instead.")
    code = error._code
    if not _active.cells:
        if isinstance(code, Tracer) and code.concrete() is None:
            raise ValueError("Cannot abstractly evaluate a checkify.check_error which was not "
                             "functionalized: use checkify.checkify on the function that calls it.")
        failed = error.get_exception()
        if failed is not None:
            raise JaxRuntimeError(str(failed)) from failed
        return
    payloads = error._payloads
    if aval_of(code).shape:  # errors of several calls: the first that failed
        flat = jnp.ravel(jnp.asarray(code))
        which = jnp.argmax(flat != 0)
        rank = len(aval_of(code).shape)
        code = flat[which]
        payloads = tuple(tuple(jnp.reshape(v, (-1, *aval_of(v).shape[rank:]))[which] for v in part)
                         for part in payloads)
    for number, (site, payload) in enumerate(zip(error._sites, payloads, strict=True), 1):
        if site.kind in _active.cells[-1].errors:
            _note(_active.cells[-1], site.kind, site.text, site.structure, code != number,
                  list(payload))


def _array(name: str, value: Any) -> Any:
    try:
        return array_of(value)
    except TypeError:
        raise TypeError(f"Formatting arguments and predicates of checkify.{name} need to be arrays "
                        f"or scalars, but got {value!r} of type {type(value)}.") from None


# ---- out of transformations --------------------------------------------------------------------

def _note(cells: _Cells, kind: type[JaxException], text: str, structure: Any, holds: Any,
          values: list[Any]) -> None:
    """Record a check of the current trace with a collector."""
    trace, holds, values = _outside(cells.home, holds, values)
    avals = tuple(ShapedArray(aval_of(v).shape, aval_of(v).dtype) for v in values)
    site = _Site(kind, text, structure, avals, str(source_info.here()))
    with use(trace):
        cells.record(site, holds, values)


def _outside(home: Trace, holds: Any, values: list[Any]) -> tuple[Trace, Any, list[Any]]:
    """A check as one of the staging trace around it, or of `home`: primal values in place of those
    that are differentiated; of a batch, whether all hold, and values of the first that does not."""
    trace: Any = current()
    while trace is not home:
        parent = getattr(trace, "parent", None)
        if parent is None and isinstance(trace, StagingTrace):
            return trace, holds, values
        if isinstance(trace, JVPTrace):
            holds, *values = [v.primal if isinstance(v, JVPTracer) and v._trace is trace else v
                              for v in (holds, *values)]
        elif isinstance(trace, BatchTrace):
            with use(trace.parent):
                holds, values = _of_batch(trace, holds, values)
        trace = parent
    return home, holds, values


def _of_batch(trace: BatchTrace, holds: Any, values: list[Any]) -> tuple[Any, list[Any]]:
    flags, dim = trace.split(holds)
    which: Any = 0
    if dim is not None:
        which, holds = jnp.argmin(flags), jnp.all(flags)
    new = []
    for value in values:
        batch, axis = trace.split(value)
        new.append(batch if axis is None else jnp.take(batch, which, axis=axis))
    return holds, new


# ---- automatic checks --------------------------------------------------------------------------

class CheckTrace(Trace):
    """Hands operations to its parent, and checks what they were given and what came out."""

    __slots__ = ("parent", "cells")

    def __init__(self, parent: Trace, cells: _Cells):
        self.parent, self.cells = parent, cells

    @property
    def watches_indices(self) -> bool:  # type: ignore[override]
        return OOBError in self.cells.errors

    def process(self, primitive: Primitive, args: tuple[Any, ...], params: dict[str, Any]) -> Any:
        errors = self.cells.errors
        form = _FORMS.get(primitive)
        if form is not None:
            with use(self.parent):
                return form(self, args, params)
        if type(primitive.lower) is Inline:
            with use(self):
                return _called(primitive.lower.jaxpr(params), args)
        with use(self.parent):
            if DivisionByZeroError in errors and primitive is p.div_p:
                self.note(DivisionByZeroError, "division by zero",
                          jnp.all(jnp.not_equal(args[1], 0)))
            if OOBError in errors and primitive in _INDEXED:
                _check_indices(self, primitive, args, params)
            out = primitive.bind(*args, **params)
            if NaNError in errors and _makes_nans(primitive):
                for result in out if primitive.multiple_results else (out,):
                    if jnp.issubdtype(aval_of(result).dtype, jnp.inexact):
                        self.note(NaNError, f"nan generated by primitive: {primitive.name}.",
                                  ~jnp.any(jnp.isnan(result)))
            return out

    def note(self, kind: type[JaxException], text: str, holds: Any, *values: Any) -> None:
        structure = pytree.tree_structure((values, {}))
        _note(self.cells, kind, text, structure, holds,
              [array_of(v) if not isinstance(v, Tracer) else v for v in values])


def _called(program: Any, args: Sequence[Any]) -> Any:
    """What a program computes that an operation stands for, traced already or not."""
    if isinstance(program, ClosedJaxpr):
        return eval_jaxpr(program.jaxpr, program.consts, *args)
    return eval_jaxpr(program, [], *args) if isinstance(program, Jaxpr) \
        else program(*args)


def _makes_nans(primitive: Primitive) -> bool:
    """Whether it computes, rather than moves elements about."""
    return primitive not in (p.select_n_p, p.copy_p) and (
        primitive.elementwise or primitive.name.startswith(("reduce_", "cum", "dot", "conv")))


_INDEXED = {gather_p, scatter_p, scatter_add_p, scatter_mul_p, scatter_min_p, scatter_max_p,
            dynamic_slice_p, dynamic_update_slice_p}


@promotes_freely
def _check_indices(trace: CheckTrace, primitive: Primitive, args: Sequence[Any],
                   params: dict[str, Any]) -> None:
    """That windows lie inside of their array."""
    shape = aval_of(args[0]).shape
    if primitive in (dynamic_slice_p, dynamic_update_slice_p):
        if primitive is dynamic_slice_p:
            starts, sizes = args[1:], params["slice_sizes"]
        else:
            starts, sizes = args[2:], aval_of(args[1]).shape
        indices = jnp.stack([jnp.asarray(s).astype(jnp.int32) for s in starts]) if starts else None
        axes: Sequence[int] = range(len(shape))
    else:
        numbers, indices = params["dimension_numbers"], jnp.asarray(args[1])
        if primitive is gather_p:
            axes, sizes = numbers.start_index_map, params["slice_sizes"]
        else:
            axes = numbers.scatter_dims_to_operand_dims
            windows = iter(aval_of(args[2]).shape[k] for k in numbers.update_window_dims)
            kept = {*numbers.inserted_window_dims, *numbers.operand_batching_dims}
            sizes = [1 if k in kept else next(windows) for k in range(len(shape))]
    if indices is None or not len(axes) or 0 in indices.shape:
        return
    last = np.array([shape[axis] - sizes[axis] for axis in axes])
    outside = (indices < 0) | (indices > last.astype(np.int64).clip(-1, np.iinfo(np.int32).max))
    which = jnp.argmax(jnp.ravel(outside))
    axis = jnp.asarray(np.array(axes, np.int32))[which % len(axes)]
    size = jnp.asarray(np.array(shape, np.int32))[axis]
    trace.note(OOBError, f"out-of-bounds indexing for array of shape {shape}: index {{}} is out of "
               "bounds for axis {} with size {}. ", ~jnp.any(outside),
               jnp.ravel(jnp.asarray(indices))[which], axis, size)


def _checked(trace: CheckTrace, closed: ClosedJaxpr) -> Callable[..., list[Any]]:
    """The function of a jaxpr, to be staged: its operations are checked, too."""
    def run(*args: Any) -> list[Any]:
        with use(CheckTrace(current(), trace.cells)):
            return eval_jaxpr(closed.jaxpr, closed.consts, *args)
    return run


def _scan(trace: CheckTrace, args: Sequence[Any], params: dict[str, Any]) -> list[Any]:
    consts, carry = params["num_consts"], params["num_carry"]
    body = _checked(trace, params["jaxpr"])

    def step(state: Any, x: Any) -> tuple[Any, Any]:
        out = body(*args[:consts], *state, *x)
        return tuple(out[:carry]), tuple(out[carry:])
    last, ys = lax.scan(step, tuple(args[consts:consts + carry]), tuple(args[consts + carry:]),
                        params["length"], params["reverse"], params["unroll"])
    return [*last, *ys]


def _while(trace: CheckTrace, args: Sequence[Any], params: dict[str, Any]) -> list[Any]:
    conds, bodies = params["cond_nconsts"], params["body_nconsts"]
    condition = params["cond_jaxpr"]
    body = _checked(trace, params["body_jaxpr"])
    holds = _checked(trace, condition)
    head, consts = args[:conds], args[conds:conds + bodies]

    # The condition may not write to refs: it is checked where its value for the next turn is made.
    def step(state: Any) -> Any:
        new = tuple(body(*consts, *state[1]))
        return holds(*head, *new)[0], new
    start = tuple(args[conds + bodies:])
    with use(trace):
        first = eval_jaxpr(condition.jaxpr, condition.consts, *head, *start)[0]
    return list(lax.while_loop(lambda s: s[0], step, (first, start))[1])


def _cond(trace: CheckTrace, args: Sequence[Any], params: dict[str, Any]) -> list[Any]:
    return list(lax.switch(args[0], [_checked(trace, branch) for branch in params["branches"]],
                           *args[1:]))


_FORMS: dict[Primitive, Callable[..., list[Any]]] = {
    scan_p: _scan, while_p: _while, cond_p: _cond}

__dir__ = _listing(__name__)
