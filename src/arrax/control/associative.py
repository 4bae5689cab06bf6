"""`associative_scan`: all prefixes of a sequence under an associative operation.

The algorithm, of logarithmic depth, is Blelloch's ("Prefix sums and their applications", 1990):
combine neighbours, scan the half as long sequence, combine its results with what lies between.
"""
from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from arrax.core import pytree
from arrax.core.aval import aval_of
from arrax.core.dimension import Dimension
from arrax.core.tracebacks import filtered
from arrax.ops.arguments import canonical_axis
from arrax.ops.join import concatenate, pad
from arrax.ops.p import add_p, or_p
from arrax.ops.shape import rev
from arrax.ops.slicing import slice_in_dim
from arrax.transforms.staged import flat_operands

Combine = Callable[[list[Any], list[Any]], list[Any]]


@filtered
def associative_scan(fn: Callable[[Any, Any], Any], elems: Any, reverse: bool = False,
                     axis: int = 0) -> Any:
    """The running combinations e0, fn(e0, e1), fn(fn(e0, e1), e2), … along an axis.

    Args:
      fn: an associative function of two pytrees like `elems`, vectorized over `axis`: it is called
        on slices with many elements.
      elems: a pytree of arrays of equal size along `axis`.
      reverse: run from the end.
      axis: the axis of the sequence.

    Raises:
      TypeError: if `fn` cannot be called. ValueError: if the sizes along the axis differ.

    Example:
      >>> lax.associative_scan(jnp.add, jnp.arange(4))
      Array([0, 1, 3, 6], dtype=int32)
    """
    if not callable(fn):
        raise TypeError("lax.associative_scan: fn argument should be callable.")
    flat, tree = flat_operands(elems)
    if not flat:
        return elems
    axis = canonical_axis(axis, aval_of(flat[0]).ndim)
    shapes = [aval_of(x).shape for x in flat]
    if any(len(shape) <= axis or shape[axis] != shapes[0][axis] for shape in shapes):
        raise ValueError("Array inputs to associative_scan must have the same first dimension. "
                         f"(saw: {shapes})")
    if reverse:
        flat = [rev(x, (axis,)) for x in flat]

    def combine(left: list[Any], right: list[Any]) -> list[Any]:
        out = fn(tree.unflatten(left), tree.unflatten(right))
        return pytree.tree_leaves(out)
    found = _scan(combine, flat, axis)
    if reverse:
        found = [rev(x, (axis,)) for x in found]
    return tree.unflatten(found)


def _scan(combine: Combine, elems: list[Any], axis: int) -> list[Any]:
    size = aval_of(elems[0]).shape[axis]
    if isinstance(size, Dimension):
        raise NotImplementedError(f"associative scan over axis of non-constant size: {size}")
    if size < 2:
        return elems
    pairs = combine(_cut(elems, axis, 0, size - 1, 2), _cut(elems, axis, 1, size, 2))
    odd = _scan(combine, pairs, axis)
    before = _cut(odd, axis, 0, size // 2 - 1, 1) if size % 2 == 0 else odd
    even = combine(before, _cut(elems, axis, 2, size, 2))
    even = [concatenate([slice_in_dim(e, 0, 1, axis=axis), r], axis)
            for e, r in zip(elems, even, strict=True)]
    return [_interleave(a, b, axis) for a, b in zip(even, odd, strict=True)]


def _cut(elems: Sequence[Any], axis: int, start: int, stop: int, stride: int) -> list[Any]:
    return [slice_in_dim(e, start, stop, stride, axis) for e in elems]


def _interleave(even: Any, odd: Any, axis: int) -> Any:
    """even[0], odd[0], even[1], …: each padded with zeros between, and added."""
    a, b = aval_of(even), aval_of(odd)
    equal = a.shape[axis] == b.shape[axis]
    zero = np.zeros((), a.dtype)[()]
    spread = [[(0, 0, 0)] * a.ndim for _ in range(2)]
    spread[0][axis] = (0, 1 if equal else 0, 1)
    spread[1][axis] = (1, 0 if equal else 1, 1)
    join = or_p if a.dtype == np.bool_ else add_p
    return join.bind(pad(even, zero, spread[0]), pad(odd, zero, spread[1]))
