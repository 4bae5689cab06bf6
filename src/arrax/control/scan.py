"""`scan` and `map` for users: pytrees, carry types, lengths."""
from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from arrax.control import forwarding, messages
from arrax.control.jaxprs import convert, same_type
from arrax.control.scan_rules import scan_p
from arrax.control.running import avals_of, runs_as_python
from arrax.core import errors, pytree
from arrax.core.array import array_of
from arrax.core.aval import ShapedArray, aval_of
from arrax.core.dtypes import result_type_of_avals
from arrax.core.dimension import Dimension
from arrax.core.trace import Tracer
from arrax.core.tracebacks import filtered
from arrax.ops.arguments import integer
from arrax.ops.join import concatenate, stack
from arrax.ops.shape import reshape
from arrax.ops.slicing import index_in_dim, slice_in_dim
from arrax.transforms.api_vmap import vmap
from arrax.transforms.refs import Ref, cells, read_all, with_outer_refs, write_all
from arrax.transforms.staged import Adapter, Staged, WithRefs, flat_operands, stage_function


@filtered
def scan(f: Callable[..., Any], init: Any, xs: Any = None, length: int | None = None,
         reverse: bool = False, unroll: int | bool = 1, _split_transpose: bool = False) -> Any:
    """Loop over the leading axis of `xs`, carrying state along; compiled as one loop.

    With arrays for pytrees, the meaning is::

        def scan(f, init, xs, length=None):
            carry, ys = init, []
            for x in xs:                    # length steps
                carry, y = f(carry, x)
                ys.append(y)
            return carry, stack(ys)

    Args:
      f: function (carry, x) → (carry, y). The carry keeps its structure, shapes and dtypes.
      init: the first carry, a pytree of arrays.
      xs: a pytree of arrays with equal leading axes, or None (then give `length`).
      length: the number of steps; needed without `xs`.
      reverse: run from the last element to the first; `ys` is in the order of `xs` all the same.
      unroll: how many steps the compiler may put into one turn; True means all.

    Returns:
      (last carry, stacked ys).

    Raises:
      TypeError: if `f` is not callable, does not return a pair or changes the type of the carry.
      ValueError: if leading axes or `length` disagree.

    Example:
      >>> lax.scan(lambda total, x: (total + x, total), 0.0, jnp.arange(4.0))
      (Array(6., dtype=float32), Array([0., 0., 1., 3.], dtype=float32))
    """
    if not callable(f):
        raise TypeError("lax.scan: f argument should be a callable.")

    leaves, tree = pytree.tree_flatten(xs)
    if any(isinstance(x, Ref) for x in leaves):
        return _scan_over_refs(f, init, leaves, tree, length, reverse, unroll, _split_transpose)

    def run(refs: list[Any]) -> Any:
        if not refs:
            return _scan(f, init, xs, length, reverse, unroll, _split_transpose)
        (carry, last), ys = _scan(_BodyWithRefs(f, refs), (init, read_all(refs)), xs, length,
                                  reverse, unroll, _split_transpose)
        write_all(refs, last)
        return carry, ys
    return with_outer_refs(run)


def _scan_over_refs(f: Callable[..., Any], init: Any, leaves: Sequence[Any], tree: Any,
                    length: int | None, *settings: Any) -> Any:
    """A scan some of whose `xs` are refs: the body gets their parts, to read and to write."""
    plain = [x for x in leaves if not isinstance(x, Ref)]
    first = next(x for x in leaves if isinstance(x, Ref))
    length = scan_length([np.zeros(x.shape[:1], bool) if isinstance(x, Ref) else x for x in leaves],
                         length)
    if len({id(x) for x in leaves if isinstance(x, Ref)}) \
            != sum(isinstance(x, Ref) for x in leaves):
        raise ValueError("only one reference to a mutable array may be passed as an argument to a "
                         f"function, but {first.aval} occurs twice among the xs of a scan")

    def body(carry: Any, pair: Any) -> Any:
        i, values = pair
        rest = iter(values)
        return f(carry, tree.unflatten([x.at[i] if isinstance(x, Ref) else next(rest)
                                        for x in leaves]))
    return scan(body, init, (np.arange(length, dtype=np.int32), plain), length, *settings)


class _BodyWithRefs(WithRefs):
    """A body with the values of refs beside its carry."""

    __slots__ = ()

    def __call__(self, *args: Any) -> Any:
        (carry, values), x = args
        with cells(self.refs, values) as last:
            out = self.function(carry, x)
            if not isinstance(out, (tuple, list)) or len(out) != 2:
                return out
            return (out[0], last()), out[1]


def _scan(f: Callable[..., Any], init: Any, xs: Any, length: int | None, reverse: bool,
          unroll: int | bool, _split_transpose: bool) -> Any:
    flat_xs, xs_tree = flat_operands(xs)
    flat_init, init_tree = flat_operands(init)
    length = scan_length(flat_xs, length)
    if runs_as_python():
        return _python_scan(f, init, flat_xs, xs_tree, length, reverse)
    flat_xs = [x if isinstance(x, Tracer) else array_of(x) for x in flat_xs]
    x_avals = [_without_leading_axis(aval_of(x)) for x in flat_xs]
    staged, flat_init = _stage_body(f, flat_init, init_tree, x_avals, xs_tree)
    consts, closed, first_x = staged.consts, staged.closed, len(staged.consts) + len(flat_init)
    fixed = forwarding.fixed_carries(closed, len(consts), len(flat_init))
    places = forwarding.passed(closed)
    known: list[Any] = [forwarding.as_result(init) if f else None
                        for init, f in zip(flat_init, fixed, strict=True)]
    known += [forwarding.as_result(flat_xs[place - first_x])
              if place is not None and place >= first_x else None
              for place in places[len(flat_init):]]
    if any(k is not None for k in known):
        closed = forwarding.moved_to_consts(closed, len(consts), fixed,
                                            [i for i, k in enumerate(known) if k is None])
        first, flat_init = forwarding.split(flat_init, fixed)
        consts = [*first, *consts]
    operands = [*consts, *flat_init, *flat_xs]
    outs = scan_p.bind(
        *operands, reverse=bool(reverse), length=length, jaxpr=closed, num_consts=len(consts),
        num_carry=len(flat_init), linear=(False,) * len(operands), unroll=_unroll(unroll, length),
        _split_transpose=bool(_split_transpose))
    return staged.out_tree.unflatten(forwarding.merged(known, outs))


def _without_leading_axis(aval: Any) -> Any:
    return aval.update(shape=aval.shape[1:])


def _unroll(unroll: Any, length: int) -> int:
    if unroll is True:
        return max(length, 1)
    if unroll is False:
        return 1
    count = integer(unroll, "unroll")
    if count < 0:
        raise ValueError(f"`unroll` must be a `bool` or a non-negative `int`, got {unroll}.")
    return max(count, 1)


def scan_length(flat_xs: Sequence[Any], length: Any) -> Any:
    """The number of steps; ValueError when leading axes and `length` disagree."""
    sizes = []
    for x in flat_xs:
        shape = aval_of(x).shape
        if not shape:
            raise ValueError(f"scan got value with no leading axis to scan over: {x}.")
        sizes.append(shape[0])
    if length is not None:
        try:
            length = length if isinstance(length, Dimension) else int(length)
        except errors.ConcretizationTypeError as error:
            raise errors.ConcretizationTypeError(
                length, "The `length` argument to `scan` expects a concrete `int` value. For "
                "scan-like iteration with a dynamic length, use `while_loop` or `fori_loop`."
                ) from error
        if any(size != length for size in sizes):
            raise ValueError(f"scan got `length` argument of {length} which disagrees with leading "
                             f"axis sizes {sizes}.")
        if length < 0:
            raise ValueError(f"scan got negative `length` argument {length}.")
        return length
    if len(set(sizes)) > 1:
        raise ValueError("scan got values with different leading axis sizes: "
                         f"{', '.join(str(size) for size in sizes)}.")
    if not sizes:
        raise ValueError("scan got no values to scan over and `length` not provided.")
    return sizes[0]


def _stage_body(f: Any, flat_init: list[Any], init_tree: Any, x_avals: Sequence[Any],
                xs_tree: Any) -> tuple[Staged, list[Any]]:
    """Trace the body; weakly typed carries are promoted to what the body makes of them."""
    in_tree = pytree.treedef_tuple((init_tree, xs_tree))
    while True:
        carry_avals = avals_of(flat_init)
        staged = stage_function(f, in_tree, [*carry_avals, *x_avals], "scan")
        parts = staged.out_tree.children()
        if len(parts) != 2:
            raise TypeError(f"scan body output must be a pair, got {_shown(staged)}.")
        out_carry_avals = staged.out_avals[:parts[0].num_leaves]
        flat_init, changed = promote_weak(flat_init, out_carry_avals)
        if not changed:
            break
    messages.check_carry(
        "scan body", lambda: _carry_name(f), init_tree.unflatten(carry_avals),
        parts[0].unflatten(out_carry_avals))
    return staged, flat_init


def _carry_name(f: Any) -> str:
    named = f.carry_name if isinstance(f, Adapter) else None
    return named or messages.first_argument_name(f)


def _shown(staged: Staged) -> str:
    out = staged.output()
    return out.str_short() if isinstance(out, ShapedArray) else str(out)


def promote_weak(values: list[Any], out_avals: Sequence[Any]) -> tuple[list[Any], bool]:
    """Convert weakly typed carries to the dtypes that the body returns for them.

    Returns the new values and whether any type changed.
    """
    if len(values) != len(out_avals):
        return values, False
    out, changed = list(values), False
    for i, (value, aval) in enumerate(zip(values, out_avals, strict=True)):
        have = aval_of(value)
        if have.weak_type and not same_type(have, aval):
            dtype, _ = result_type_of_avals(have, aval)
            if dtype != have.dtype:
                out[i] = convert(value, dtype)
                changed = True
    return out, changed


def _python_scan(f: Any, init: Any, flat_xs: Sequence[Any], xs_tree: Any, length: int,
                 reverse: bool) -> Any:
    """The loop in Python, under `disable_jit`."""
    if length == 0:
        raise ValueError("zero-length scan is not supported in disable_jit() mode because the "
                         "output type is unknown.")
    carry, ys = init, []
    for i in reversed(range(length)) if reverse else range(length):
        xs = xs_tree.unflatten([index_in_dim(x, i, keepdims=False) for x in flat_xs])
        out = f(carry, xs)
        if not isinstance(out, (tuple, list)) or len(out) != 2:
            raise TypeError(f"scan body output must be a pair, got {out}.")
        carry, y = out
        ys.append(y)
    if reverse:
        ys.reverse()
    return carry, pytree.tree_map(lambda *parts: stack([array_of(p) for p in parts]), *ys)


@filtered
def map(f: Callable[..., Any], xs: Any, *, batch_size: int | None = None) -> Any:
    """Apply `f` to each element along the leading axis, one after the other, and stack the results.

    Args:
      f: function of one element (a pytree like `xs` without its leading axes).
      xs: pytree of arrays with equal leading axes.
      batch_size: apply `f` to this many elements at a time, by `vmap`; one by one if None or 0.

    Example:
      >>> lax.map(lambda x: x ** 2, jnp.arange(3))
      Array([0, 1, 4], dtype=int32)
    """
    if batch_size is not None and integer(batch_size, "batch_size"):
        return _batched_map(f, xs, integer(batch_size, "batch_size"))
    _, ys = scan(_Mapped(f), (), xs)
    return ys


class _Mapped(Adapter):
    """A function of x as a scan body without carry."""

    __slots__ = ()

    def __call__(self, *args: Any) -> Any:
        return (), self.function(args[1])


def _batched_map(f: Callable[..., Any], xs: Any, batch_size: int) -> Any:
    if batch_size < 0:
        raise ValueError(f"lax.map: batch_size must not be negative, got {batch_size}.")
    flat, tree = flat_operands(xs)
    length = scan_length(flat, None)
    turns, rest = divmod(length, batch_size)
    whole = turns * batch_size
    mapped = vmap(f)
    parts = []
    if turns:
        blocks = [reshape(slice_in_dim(x, 0, whole), (turns, batch_size, *np.shape(x)[1:]))
                  for x in flat]
        ys = map(mapped, tree.unflatten(blocks))
        parts.append(pytree.tree_map(lambda y: reshape(y, (whole, *y.shape[2:])), ys))
    if rest or not parts:
        parts.append(mapped(tree.unflatten([slice_in_dim(x, whole, length) for x in flat])))
    if len(parts) == 1:
        return parts[0]
    return pytree.tree_map(lambda *ys: concatenate(ys, 0), *parts)
