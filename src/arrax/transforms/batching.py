"""Vectorization: each primitive is replaced by its version over one more axis.

`BatchTrace` runs the batching rule of every primitive that touches one of its tracers, under its
parent. A collective over the trace's own axis name is batched even when its operands are not.
"""
from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from arrax.core.aval import aval_of
from arrax.core.axis_env import Axis, bind_axes
from arrax.core.caching import memoize_on_jaxpr
from arrax.core.jaxpr import ClosedJaxpr, eval_jaxpr
from arrax.core.leaks import refuse_leaks
from arrax.core.primitive import Primitive
from arrax.core.trace import Trace, Tracer, current, set_current, use
from arrax.ops.rules import batch_at, move_axis
from arrax.transforms.staging import trace_to_jaxpr


class VmapTracer(Tracer):
    """A batch of values: `value` has a batch axis at `dim`; `aval` describes one of them."""

    __slots__ = ("value", "dim", "aval")

    def __init__(self, trace: BatchTrace, value: Any, dim: int):
        self._trace = trace
        self.value = value
        self.dim = dim
        aval = aval_of(value)
        self.aval = aval.update(shape=aval.shape[:dim] + aval.shape[dim + 1:])

    def origin(self) -> str:
        return self.value.origin() if isinstance(self.value, Tracer) else ""


class BatchTrace(Trace):
    """Adds the batch axis `axis` to every operation on its tracers."""

    __slots__ = ("parent", "axis", "alive")

    def __init__(self, parent: Trace, axis: Axis):
        self.parent = parent
        self.axis = axis
        self.alive = True

    def process(self, primitive: Primitive, args: tuple[Any, ...], params: dict[str, Any]) -> Any:
        values: list[Any] = []
        dims: list[int | None] = []
        active = False
        for arg in args:
            if isinstance(arg, VmapTracer) and arg._trace is self:
                values.append(arg.value)
                dims.append(arg.dim)
                active = True
            else:
                values.append(arg)
                dims.append(None)
        if not active and primitive.named_axes is not None and self.axis.name is not None:
            active = self.axis.name in primitive.named_axes(**params)
        set_current(self.parent)
        try:
            if not active:
                return primitive.bind(*args, **params)
            out, dim = primitive.rule("batch")(self.axis, values, dims, **params)
        finally:
            set_current(self)
        if primitive.multiple_results:
            return [self.wrap(o, d) for o, d in zip(out, dim, strict=True)]
        return self.wrap(out, dim)

    def wrap(self, value: Any, dim: int | None) -> Any:
        return value if dim is None else VmapTracer(self, value, dim)

    def split(self, value: Any) -> tuple[Any, int | None]:
        """(value, batch dimension) of any value."""
        if isinstance(value, VmapTracer) and value._trace is self:
            return value.value, value.dim
        return value, None


def batch_flat(fun: Callable[..., Sequence[Any]], axis: Axis, args: Sequence[Any],
               dims: Sequence[int | None]) -> tuple[list[Any], list[int | None]]:
    """Run a flat function on batched arguments; flat results and their batch dimensions."""
    trace = BatchTrace(current(), axis)
    results = _batch_under(trace, fun, axis, args, dims)
    refuse_leaks(trace)
    return results


def _batch_under(trace: BatchTrace, fun: Callable[..., Sequence[Any]], axis: Axis,
                 args: Sequence[Any], dims: Sequence[int | None],
                 ) -> tuple[list[Any], list[int | None]]:
    inputs = [trace.wrap(x, d) for x, d in zip(args, dims, strict=True)]
    try:
        with use(trace), bind_axes(axis):
            outs = fun(*inputs)
    finally:
        trace.alive = False
    pairs = [trace.split(o) for o in outs]
    return [v for v, _ in pairs], [d for _, d in pairs]


def to_dim(value: Any, dim: int | None, target: int | None, axis: Axis) -> Any:
    """Bring the batch axis of a result to `target`; the caller checked that None stays None."""
    if target is None:
        return value
    rank = aval_of(value).ndim + (dim is None)
    target = target % rank
    return batch_at(value, dim, target, axis.size) if dim is None else move_axis(value, dim, target)


def batch_jaxpr(closed: ClosedJaxpr, axis: Axis, batched: Sequence[bool],
                instantiate: bool | Sequence[bool] = False) -> tuple[ClosedJaxpr, list[bool]]:
    """The jaxpr over one more leading axis on the inputs flagged in `batched`.

    Returns it and which outputs have a leading batch axis (those that `instantiate` asks for do).
    """
    if isinstance(instantiate, bool):
        instantiate = [instantiate] * len(closed.out_avals)
    new, out_batched = _batch_jaxpr(closed, axis, tuple(map(bool, batched)),
                                    tuple(map(bool, instantiate)))
    return new, list(out_batched)


@memoize_on_jaxpr
def _batch_jaxpr(closed: ClosedJaxpr, axis: Axis, batched: tuple[bool, ...],
                 forced: tuple[bool, ...]) -> Any:
    out_batched: list[bool] = []

    def fun(*args: Any) -> list[Any]:
        outs, dims = batch_flat(
            lambda *xs: eval_jaxpr(closed.jaxpr, closed.consts, *xs), axis, args,
            [0 if b else None for b in batched])
        out_batched.extend(d is not None or force for d, force in zip(dims, forced, strict=True))
        return [to_dim(o, d, 0, axis) if b else o
                for o, d, b in zip(outs, dims, out_batched, strict=True)]

    avals = [a.update(shape=(axis.size, *a.shape)) if b else a
             for a, b in zip(closed.in_avals, batched, strict=True)]
    return trace_to_jaxpr(fun, avals, closed.jaxpr.debug_info), tuple(out_batched)


def axes_in(*programs: Any) -> frozenset[Any]:
    """The named axes that collectives in the given `ClosedJaxpr`s refer to: what a primitive that
    carries them says in `named_axes`, so that `vmap` over such an axis reaches unbatched operands.
    """
    found: frozenset[Any] = frozenset()
    for program in programs:
        if isinstance(program, ClosedJaxpr):
            found |= _axes_in(program)
    return found


@memoize_on_jaxpr
def _axes_in(closed: ClosedJaxpr) -> frozenset[Any]:
    return frozenset(name for eqn in closed.eqns if eqn.primitive.named_axes is not None
                     for name in eqn.primitive.named_axes(**eqn.params))
