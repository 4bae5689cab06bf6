"""Refs: arrays that change, in programs that stay pure.

A `Ref` is a cell with a value of one shape and dtype. In the trace that it was made in, reads and
writes happen as Python runs: a write puts a new value (`x.at[index].set(...)`, which compiled
programs do in place) into the cell. So derivatives, maps and compilation know nothing of refs.

A function that is *staged* (by `jit`, `scan`, `cond`, ...) and touches a Ref made outside of it
must have the cell's value as an argument and a result. Which refs it touches is found out by
tracing:

- `_cell` walks from the current trace outwards to the trace that the Ref was made in. If a staging
  trace lies between, and has no cell of its own for the Ref (`StagingTrace.cells`), it gets one, is
  marked as incomplete, and `trace_to_jaxpr` raises `OuterRefs` when the function has ended.
- Whatever staged the function catches that, and stages `Stateful(function)` in its place, which
  takes the values of these refs, puts them into cells, and returns the last values; then it writes
  these to the refs. Where nobody catches it, it is an error that says so.

Invariant: a cell holds no tracer of a trace that is inside of the one the cell belongs to.
"""
from __future__ import annotations

import functools
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np

from arrax.core import pytree
from arrax.core.array import array_of
from arrax.core.aval import ShapedArray, aval_of
from arrax.core.dtypes import dtype_name
from arrax.core.jaxpr import Var
from arrax.core.trace import Trace, Tracer, current
from arrax.ops.rules import zeros
from arrax.transforms.calls import argument_names
from arrax.transforms.staging import OuterRefs, StagingTrace

Index = Any


class AbstractRef:
    """The type of a Ref: that of the array in it.

    Example:
      >>> typeof(new_ref(jnp.zeros(3)))
      Ref{float32[3]}
    """

    __slots__ = ("inner_aval", "memory_space", "kind")

    def __init__(self, inner_aval: Any, memory_space: Any = None, kind: Any = None):
        self.inner_aval, self.memory_space, self.kind = inner_aval, memory_space, kind

    def __getattr__(self, name: str) -> Any:
        if name in ("shape", "dtype", "ndim", "size", "weak_type"):
            return getattr(self.inner_aval, name)
        raise AttributeError(f"'AbstractRef' object has no attribute {name!r}")

    def __eq__(self, other: object) -> bool:
        return isinstance(other, AbstractRef) and self._key() == other._key()

    def __hash__(self) -> int:
        return hash(self._key())

    def _key(self) -> tuple[Any, ...]:
        return self.inner_aval, self.memory_space, self.kind

    def str_short(self, *_: Any, **__: Any) -> str:
        return f"Ref{{{self.inner_aval.str_short()}}}"

    __repr__ = __str__ = str_short


class Ref:
    """A mutable array: `ref[index]` reads, `ref[index] = value` writes, `ref[...] += value` adds.

    Made by `new_ref`. Indices are those of arrays. A Ref may be an argument of functions under
    `jit` and `vmap`, and closed over by them and by the bodies of `scan`, `while_loop`,
    `fori_loop`, `cond` and `switch`; it cannot be returned from these.

    Errors: ValueError for a value of another dtype or shape than what it replaces, for use after
    `free_ref` or `freeze`, and for writes of values that belong to a transformation inside of which
    the Ref was not made.

    Example:
      >>> ref = new_ref(jnp.zeros(3))
      >>> ref[1] = 5.
      >>> ref[...] += 1.
      >>> ref[...]
      Array([1., 6., 1.], dtype=float32)

    Source: `jax.Ref`.
    """

    __slots__ = ("_aval", "_home", "_value", "_end", "_owner", "__weakref__")
    __hash__ = object.__hash__

    def __init__(self, aval: AbstractRef, value: Any):
        self._aval = aval
        self._home: Trace = current()
        self._value = value
        self._end: str | None = None  # what ended it: "freed" or "frozen"
        self._owner: Any = None  # what makes values fit to be written by `write_all`, or None

    aval = property(lambda self: self._aval)
    sharding = property(lambda self: _read(self).sharding)
    shape = property(lambda self: self._aval.inner_aval.shape)
    dtype = property(lambda self: self._aval.inner_aval.dtype)
    ndim = property(lambda self: self._aval.inner_aval.ndim)
    size = property(lambda self: self._aval.inner_aval.size)
    weak_type = property(lambda self: self._aval.inner_aval.weak_type)

    @property
    def at(self) -> _At:
        """`ref.at[index]`: a part of the Ref, which is read and written as one."""
        return _At(self)

    def is_alive(self) -> bool:
        """Whether it was neither freed nor frozen."""
        return self._end is None

    def __len__(self) -> int:
        if not self.shape:
            raise TypeError("len() of unsized object")
        return int(self.shape[0])

    def __repr__(self) -> str:
        if self._end is not None or self._home is not current():
            return f"{self._aval}"
        return f"Ref({self._value!r})"

    def __getitem__(self, index: Index) -> Any:
        return self.get(index)

    def __setitem__(self, index: Index, value: Any) -> None:
        self.set(value, index)

    def __iter__(self) -> Iterator[Any]:
        return iter(self.get())

    def get(self, index: Index = ...) -> Any:
        """The value at an index."""
        value = _read(self)
        return _part(value, index)

    def set(self, value: Any, index: Index = ...) -> None:
        """Replace the value at an index."""
        self.swap(value, index)

    def swap(self, value: Any, index: Index = ...) -> Any:
        """Replace the value at an index; returns what was there."""
        whole = _read(self)
        old = _part(whole, index)
        value = _fitting(value, aval_of(old))
        _write(self, value if old is whole else whole.at[index].set(value))
        return old

    def addupdate(self, value: Any, index: Index = ...) -> None:
        """Add to the value at an index (once for each time that an index occurs)."""
        whole = _read(self)
        if index is Ellipsis or index is None:
            _write(self, whole + _fitting(value, aval_of(whole), broadcasts=True))
        else:
            part = aval_of(whole[index])
            _write(self, whole.at[index].add(_fitting(value, part, broadcasts=True)))


class _At:
    """`ref.at`."""

    __slots__ = ("ref",)

    def __init__(self, ref: Ref | TransformedRef):
        self.ref = ref

    def __getitem__(self, index: Index) -> TransformedRef:
        return TransformedRef(self.ref, index)


def _part(whole: Any, index: Index) -> Any:
    """The elements at an index; ValueError for one that is known to lie behind the end, where an
    array would clamp it and a write would be dropped."""
    if index is Ellipsis or index is None:
        return whole
    axis = 0
    for item in index if isinstance(index, tuple) else (index,):
        if item is Ellipsis:
            break
        if isinstance(item, (int, np.integer)) and axis < whole.ndim and item >= whole.shape[axis]:
            raise ValueError(f"Out of bound indexer: idx={item}, dim={whole.shape[axis]}.")
        axis += item is not None
    return whole[index]


class TransformedRef:
    """A part of a Ref, `ref.at[index]`; its indices count within the part."""

    __slots__ = ("ref", "index")

    def __init__(self, ref: Ref | TransformedRef, index: Index):
        self.ref, self.index = ref, index

    at = property(_At)
    shape = property(lambda self: self.get().shape)
    dtype = property(lambda self: self.ref.dtype)
    ndim = property(lambda self: len(self.shape))

    def __getitem__(self, index: Index) -> Any:
        return self.get(index)

    def __setitem__(self, index: Index, value: Any) -> None:
        self.swap(value, index)

    def get(self, index: Index = ...) -> Any:
        """The value at an index of the part."""
        part = self.ref.get(self.index)
        return _part(part, index)

    def set(self, value: Any, index: Index = ...) -> None:
        """Replace the value at an index of the part."""
        self.swap(value, index)

    def swap(self, value: Any, index: Index = ...) -> Any:
        """Replace the value at an index of the part; returns what was there."""
        part = self.ref.get(self.index)
        old = _part(part, index)
        value = _fitting(value, aval_of(old))
        self.ref.swap(value if old is part else part.at[index].set(value), self.index)
        return old

    def addupdate(self, value: Any, index: Index = ...) -> None:
        """Add to the value at an index of the part."""
        if index is Ellipsis or index is None:
            self.ref.addupdate(value, self.index)
            return
        part = self.ref.get(self.index)
        new = part.at[index].add(_fitting(value, aval_of(part[index]), broadcasts=True))
        self.ref.swap(new, self.index)


_ARRAY = object()  # stands for an array in the structure of an index


def _flatten_part(part: TransformedRef) -> tuple[list[Any], Any]:
    """The Ref and the arrays of the index; the rest of the index is structure."""
    index = part.index if isinstance(part.index, tuple) else (part.index,)
    is_array = [hasattr(i, "shape") and hasattr(i, "dtype") for i in index]
    fixed = tuple(_ARRAY if a else (slice, i.start, i.stop, i.step) if isinstance(i, slice) else i
                  for i, a in zip(index, is_array, strict=True))
    arrays = [i for i, a in zip(index, is_array, strict=True) if a]
    return [part.ref, *arrays], (isinstance(part.index, tuple), fixed)


def _unflatten_part(structure: Any, children: Sequence[Any]) -> TransformedRef:
    is_tuple, fixed = structure
    ref, *arrays = children
    given = iter(arrays)
    index = tuple(next(given) if i is _ARRAY else slice(*i[1:]) if isinstance(i, tuple) else i
                  for i in fixed)
    return TransformedRef(ref, index if is_tuple else index[0])


pytree.register_pytree_node(TransformedRef, _flatten_part, _unflatten_part)


def _fitting(value: Any, aval: Any, broadcasts: bool = False) -> Any:
    """A value to store where a value of `aval` is."""
    if isinstance(value, (Ref, TransformedRef)):
        raise ValueError(f"Cannot store {value!r} in a Ref: read it first, ref[...]")
    new: Any = value if isinstance(value, Tracer) else array_of(value)
    have = aval_of(new)
    if have.dtype != aval.dtype:
        if not have.weak_type:
            raise ValueError(f"Invalid dtype for `swap`. Ref dtype: {dtype_name(aval.dtype)}. "
                             f"Value dtype: {dtype_name(have.dtype)}.")
        new = new.astype(aval.dtype)
    if have.shape != aval.shape:
        if have.shape and not broadcasts:
            raise ValueError(f"Invalid shape for `swap`. Ref shape: {aval.shape}. Value shape: "
                             f"{have.shape}.")
        if not broadcasts or not have.shape:
            new = new + zeros(aval.update(weak_type=False))
    elif have.weak_type:
        new = new.astype(aval.dtype)
    return new


# ---- cells -------------------------------------------------------------------------------------

def _cell(ref: Ref) -> tuple[StagingTrace | None, list[Trace]]:
    """The staging trace whose cell stands for the Ref now (None: the Ref itself), and the traces
    that lie between it and the current one."""
    inside: list[Trace] = []
    trace: Any = current()
    while trace is not None and trace is not ref._home:
        parent = getattr(trace, "parent", None)
        if parent is None and isinstance(trace, StagingTrace):
            if ref not in trace.cells:
                var = Var(ref._aval.inner_aval)
                trace.cells[ref] = trace.tracer_class(trace, var.aval, var)
                trace.outer_refs.append(ref)
            return trace, inside
        inside.append(trace)
        trace = parent
    return None, inside


def traces_inside(ref: Ref) -> list[Trace]:
    """The traces between the current one and that which the Ref, or its cell, belongs to."""
    return _cell(ref)[1]


def _read(ref: Ref) -> Any:
    _check_alive(ref)
    trace, _ = _cell(ref)
    return ref._value if trace is None else trace.cells[ref]


def _write(ref: Ref, value: Any) -> None:
    _check_alive(ref)
    trace, inside = _cell(ref)
    if isinstance(value, Tracer) and any(value._trace is t for t in inside):
        raise ValueError(
            f"A value that is being transformed, {value}, was written to {ref._aval}, which was "
            "made outside of the transformed function (by `vmap`, `grad` or `jvp`). Pass the Ref "
            "as an argument, make it inside of the function, or write `lax.stop_gradient(value)`.")
    if trace is None:
        ref._value = value
    else:
        trace.cells[ref] = value


def _check_alive(ref: Ref) -> None:
    if ref._end is not None:
        raise ValueError(f"{ref._aval} was {ref._end}: it cannot be used any more")


@contextmanager
def cells(refs: Sequence[Ref], values: Sequence[Any]) -> Iterator[Callable[[], list[Any]]]:
    """In the staging trace that is current: cells for refs made outside of it, with these values.
    Gives a function that tells their last values."""
    trace = current()
    if not isinstance(trace, StagingTrace):  # run as Python (`disable_jit`)
        for ref, value in zip(refs, values, strict=True):
            _write(ref, value)
        yield lambda: [_read(ref) for ref in refs]
        return
    trace.cells.update(zip(refs, values, strict=True))
    yield lambda: [trace.cells[ref] for ref in refs]


def read_all(refs: Sequence[Ref]) -> list[Any]:
    """The values of refs, as the current trace sees them."""
    return [_read(ref) for ref in refs]


def write_all(refs: Sequence[Ref], values: Sequence[Any]) -> None:
    """Set the values of refs, as the current trace sees them."""
    for owner in {id(ref._owner): ref._owner for ref in refs if ref._owner is not None}.values():
        values = owner.outside(refs, values)
    for ref, value in zip(refs, values, strict=True):
        _write(ref, value)


def with_outer_refs(call: Callable[[list[Ref]], Any]) -> Any:
    """`call(refs)`, first without refs, then with all that it says to need."""
    refs: list[Ref] = []
    while True:
        try:
            return call(refs)
        except OuterRefs as found:
            new = [ref for ref in found.refs if ref not in refs]
            if not new:
                raise
            refs = [*refs, *new]


def refuse_refs(name: str, traced_for: str, outs: Sequence[Any], own: Sequence[Any] = (),
                names: Callable[[], Sequence[str]] = tuple) -> None:
    """Raise ValueError if a function returned a Ref; `own` are the leaves of its arguments."""
    for out in outs:
        if isinstance(out, Ref):
            known = list(names())
            at = next((known[i] for i, x in enumerate(own) if x is out and i < len(known)), None)
            origin = "" if at is None else \
                f"\n\nThe returned mutable array was passed in as the argument {at}."
            raise ValueError(
                f"function {name} traced for {traced_for} returned a mutable array reference of "
                f"type {out.aval}, but mutable array references cannot be returned. Return its "
                f"value: ref[...], or jax.freeze(ref).{origin}")


class Slot:
    """Where a Ref stood among the arguments of a function: a pytree without leaves."""

    __slots__ = ("number",)

    def __init__(self, number: int):
        self.number = number


pytree.register_pytree_node(Slot, lambda slot: ((), slot.number), lambda number, _: Slot(number))


class Stateful:
    """A function with the values of refs as its first argument, and their last values beside its
    result: first those of refs among its arguments, in whose places are `Slot`s, then of
    `outer`."""

    def __init__(self, function: Callable[..., Any], outer: Sequence[Ref]):
        self.function, self.outer = function, tuple(outer)
        self.__name__ = getattr(function, "__name__", "function")

    def __call__(self, values: Sequence[Any], *args: Any, **kwargs: Any) -> Any:
        count = len(values) - len(self.outer)
        own = [Ref(AbstractRef(aval_of(value)), value) for value in values[:count]]
        args, kwargs = pytree.tree_map(lambda x: own[x.number] if isinstance(x, Slot) else x,
                                       (args, kwargs), is_leaf=lambda x: isinstance(x, Slot))
        with cells(self.outer, values[count:]) as last:
            out = self.function(*args, **kwargs)
            refuse_refs(self.__name__, "jit", pytree.tree_leaves(out),
                        pytree.tree_leaves((args, kwargs)), lambda: argument_names(
                            self.function, args, kwargs))
            return out, [*read_all(own), *last()]


def slotted(leaves: Sequence[Any], outer: Sequence[Ref], name: str = "a function",
            names: Callable[[], Sequence[str]] = tuple) -> tuple[list[Any], list[Ref]]:
    """Leaves of arguments with slots for refs, and these refs, each of which may occur once."""
    own: list[Ref] = []
    new: list[Any] = []
    places: list[int] = []
    for i, leaf in enumerate(leaves):
        if isinstance(leaf, Ref):
            if leaf in own or leaf in outer:
                known = list(names())
                label = [known[k] if k < len(known) else f"#{k}" for k in range(len(leaves))]
                raise ValueError(
                    "only one reference to a mutable array may be passed as an argument to a "
                    f"function, but when tracing {name} the mutable array reference of type "
                    f"{leaf.aval} " + (
                        f"appeared at both {label[places[own.index(leaf)]]} and {label[i]}: it "
                        "occurs twice among the arguments" if leaf in own else
                        f"was both closed over and passed as the argument {label[i]}: it occurs as "
                        "an argument and is closed over by the function"))
            new.append(Slot(len(own)))
            places.append(i)
            own.append(leaf)
        else:
            new.append(leaf)
    return new, own


def closing_over(functions: Sequence[Callable[..., Any]], operands: tuple[Any, ...], name: str,
                 names: Callable[[], Sequence[str]]) -> tuple[list[Any], tuple[Any, ...]]:
    """Functions and their operands, with refs among these closed over in place of passed."""
    leaves, tree = pytree.tree_flatten(operands)
    if not any(isinstance(leaf, Ref) for leaf in leaves):
        return list(functions), operands
    slots, own = slotted(leaves, (), name, names)
    rest = tuple(x for x in slots if not isinstance(x, Slot))

    def closed(function: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(function)
        def call(*values: Any) -> Any:
            given = iter(values)
            args = tree.unflatten([own[x.number] if isinstance(x, Slot) else next(given)
                                   for x in slots])
            return function(*args)
        return call
    return [closed(f) for f in functions], rest


def call_with_refs(function: Callable[..., Any], args: tuple[Any, ...],
                   run: Callable[[Callable[..., Any], tuple[Any, ...]], Any]) -> Any:
    """`run(function, args)`, where the function may have refs among its arguments or close over
    some: then of the function with their values as arguments and results."""
    leaves, tree = pytree.tree_flatten(args)

    def call(outer: list[Ref]) -> Any:
        slots, own = slotted(leaves, outer)
        used = [*own, *outer]
        if not used:
            return run(function, args)
        out, last = run(Stateful(function, outer), (read_all(used), *tree.unflatten(slots)))
        write_all(used, last)
        return out
    return with_outer_refs(call)


# ---- functions ---------------------------------------------------------------------------------

def new_ref(init_val: Any, *, memory_space: Any = None, kind: str | None = None) -> Ref:
    """A new mutable array with a value.

    Args:
      init_val: an array or scalar; its shape and dtype are those of the Ref for ever.
      memory_space, kind: kept in the type (`typeof`); arrays have one memory here.

    Returns: a `Ref`.

    Errors: TypeError where `init_val` is no array; ValueError where it is a Ref.

    Example:
      >>> new_ref(1.5)[...]
      Array(1.5, dtype=float32)

    Source: `jax.new_ref`.
    """
    if isinstance(init_val, (Ref, TransformedRef)):
        raise ValueError("new_ref: the value must be an array, got a Ref; read it first, ref[...]")
    value: Any = init_val if isinstance(init_val, Tracer) else array_of(init_val)
    aval = aval_of(value)
    if aval.weak_type:
        value = value.astype(aval.dtype)
        aval = aval.update(weak_type=False)
    return Ref(AbstractRef(aval, memory_space, kind), value)


def empty_ref(ty: Any, memory_space: Any = None) -> Ref:
    """A new mutable array of a type (an object with shape and dtype), whose value is zeros.

    Example:
      >>> empty_ref(jax.ShapeDtypeStruct((2,), "int32"))[...]
      Array([0, 0], dtype=int32)

    Source: `jax.empty_ref`, which promises no value.
    """
    return new_ref(zeros(ShapedArray(tuple(ty.shape), ty.dtype)), memory_space=memory_space)


def free_ref(ref: Ref) -> None:
    """End a Ref: any later use is an error.

    Source: `jax.free_ref`.
    """
    _check_alive(ref)
    ref._end = "freed"
    ref._value = None


def freeze(ref: Ref) -> Any:
    """End a Ref and return its last value.

    Example:
      >>> freeze(new_ref(jnp.arange(2)))
      Array([0, 1], dtype=int32)

    Source: `jax.freeze`.
    """
    value = _read(ref)
    ref._end = "frozen"
    ref._value = None
    return value


def get(ref: Ref | TransformedRef, idx: Index = None) -> Any:
    """`ref[idx]`, or all of it.

    Source: `jax.ref.get`.
    """
    return ref.get(... if idx is None else idx)


def set(ref: Ref | TransformedRef, idx: Index, value: Any) -> None:
    """`ref[idx] = value`.

    Source: `jax.ref.set`.
    """
    ref.swap(value, ... if idx is None else idx)


def swap(ref: Ref | TransformedRef, idx: Index, value: Any) -> Any:
    """`ref[idx] = value`; returns what was there.

    Source: `jax.ref.swap`.
    """
    return ref.swap(value, ... if idx is None else idx)


def addupdate(ref: Ref | TransformedRef, idx: Index, x: Any) -> None:
    """Add `x` to `ref[idx]`.

    Source: `jax.ref.addupdate`.
    """
    ref.addupdate(x, ... if idx is None else idx)
