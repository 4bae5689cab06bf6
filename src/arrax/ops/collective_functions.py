"""The functions of the collectives, for pytrees and several axes; `collective.py` has the rules."""
from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from arrax.core import pytree
from arrax.core.array import Array, array_of
from arrax.core.axis_env import axis_size as size_of_axis
from arrax.core.axis_env import checked_axes, names_of
from arrax.core.primitive import Primitive
from arrax.core.trace import Tracer
from arrax.ops.arguments import canonical_axis, integer
from arrax.ops.collective import (Groups, all_gather_p, all_to_all_p, joint_index, pmax_p, pmin_p,
                                  ppermute_p, psum_invariant_p, psum_p, reduce_scatter_p)
from arrax.ops.p import (convert_element_type_p, eq_p, reduce_max_p, reduce_min_p, reduce_sum_p,
                         select_n_p)
from arrax.ops.rules import broadcast_in_dim, constant

def _per_leaf(fn: Callable[[Any], Any], x: Any) -> Any:
    return pytree.tree_map(lambda leaf: fn(leaf if isinstance(leaf, Tracer) else array_of(leaf)), x)


def _frozen(groups: Groups) -> Any:
    if groups is None:
        return None
    if isinstance(groups, Mapping) or not all(isinstance(g, Iterable) for g in groups):
        raise TypeError("axis_index_groups must be a sequence of sequences of indices, got "
                        f"{groups!r}")
    return tuple(tuple(integer(i, "an index in axis_index_groups") for i in g) for g in groups)


def psum(x: Any, axis_name: Any, *, axis_index_groups: Groups = None) -> Any:
    """The sum over the instances along the named axis (or tuple of axes), for each leaf of `x`.

    A Python scalar is multiplied by the number of instances without tracing, so that
    `psum(1, name)` is a static size. With `axis_index_groups` (equal groups that cover the axis),
    within each group.

    Raises NameError if no mapped axis has the name.

    Example:
      >>> vmap(lambda x: x / lax.psum(x, "i"), axis_name="i")(jnp.arange(4.0))
      Array([0.        , 0.16666667, 0.33333334, 0.5       ], dtype=float32)
    """
    names, groups = names_of(axis_name), _frozen(axis_index_groups)

    def one(leaf: Any) -> Any:
        if type(leaf) in (int, float, complex) and not any(isinstance(n, int) for n in names):
            if groups:
                return leaf * len(groups[0])
            for name in names:
                leaf = leaf * size_of_axis(name)
            return leaf
        leaf = leaf if isinstance(leaf, Tracer) else array_of(leaf)
        if leaf.dtype == np.bool_:
            leaf = convert_element_type_p.bind(
                leaf, new_dtype=np.dtype(np.int32), weak_type=False, sharding=None)
        return _reduced(psum_p, reduce_sum_p, leaf, names, groups)
    return pytree.tree_map(one, x)


def _reduced(primitive: Primitive, reduce: Primitive, x: Any, names: tuple[Any, ...],
             groups: Groups) -> Any:
    """Reduce over axes of `x` itself, which are numbers, and over mapped ones, which have names."""
    own = tuple(canonical_axis(n, x.ndim) for n in names if type(n) is int)
    if own:
        x = reduce.bind(x, axes=own, out_sharding=None)
        names = tuple(n for n in names if type(n) is not int)
        if not names:
            return x
    checked = tuple(n for n in names if n in checked_axes())
    if primitive is psum_p and checked and groups is None:
        x = psum_invariant_p.bind(x, axes=checked)
        names = tuple(n for n in names if n not in checked)
        if not names:
            return x
    return primitive.bind(x, axes=names, axis_index_groups=_frozen(groups))


def pmean(x: Any, axis_name: Any, *, axis_index_groups: Groups = None) -> Any:
    """The mean over the instances along the named axis, for each leaf of `x`."""
    count = psum(1, axis_name, axis_index_groups=axis_index_groups)
    total = psum(x, axis_name, axis_index_groups=axis_index_groups)
    return pytree.tree_map(lambda v: v / count, total)


def pmax(x: Any, axis_name: Any, *, axis_index_groups: Groups = None) -> Any:
    """The maximum over the instances along the named axis, for each leaf of `x`."""
    return _per_leaf(lambda v: _reduced(pmax_p, reduce_max_p, v, names_of(axis_name),
                                        axis_index_groups), x)


def pmin(x: Any, axis_name: Any, *, axis_index_groups: Groups = None) -> Any:
    """The minimum over the instances along the named axis, for each leaf of `x`."""
    return _per_leaf(lambda v: _reduced(pmin_p, reduce_min_p, v, names_of(axis_name),
                                        axis_index_groups), x)


def _total_size(axis_name: Any, groups: Groups) -> int:
    return int(psum(1, axis_name, axis_index_groups=groups))


def _checked(primitive: Primitive, x: Any, **params: Any) -> Any:
    """Apply a collective after its type rule's checks, which batching does not make."""
    primitive.type_rule(x.aval, **params)
    return primitive.bind(x, **params)


def all_gather(x: Any, axis_name: Any, *, axis_index_groups: Groups = None, axis: int = 0,
               tiled: bool = False, to: str = "varying") -> Any:
    """The values of all instances, stacked along a new `axis` (or concatenated, if `tiled`).

    With `axis_index_groups`, of the instances of the own group. `to` says what types under
    `shard_map` record about the result, and means nothing here.
    """
    if to not in ("varying", "reduced"):
        raise ValueError(f"all_gather: `to` must be 'varying' or 'reduced', got {to!r}")
    size = _total_size(axis_name, axis_index_groups)
    return _per_leaf(lambda v: _checked(
        all_gather_p, v, all_gather_dimension=canonical_axis(axis, v.ndim + (not tiled)),
        axis_name=names_of(axis_name), axis_index_groups=_frozen(axis_index_groups),
        axis_size=size, tiled=tiled), x)


def psum_scatter(x: Any, axis_name: Any, *, scatter_dimension: int = 0,
                 axis_index_groups: Groups = None, tiled: bool = False) -> Any:
    """Like `psum`, but each instance gets only its slice of the sum along `scatter_dimension`.

    ValueError unless that dimension has one element (`tiled`: equally many) for each instance.
    """
    size = _total_size(axis_name, axis_index_groups)
    return _per_leaf(lambda v: _checked(
        reduce_scatter_p, v, scatter_dimension=canonical_axis(scatter_dimension, v.ndim),
        axis_name=names_of(axis_name), axis_index_groups=_frozen(axis_index_groups),
        axis_size=size, tiled=tiled), x)


def all_to_all(x: Any, axis_name: Any, split_axis: int, concat_axis: int, *,
               axis_index_groups: Groups = None, tiled: bool = False) -> Any:
    """Swap: split each instance's value along `split_axis`, send part i to instance i, and stack
    what is received along `concat_axis` (or concatenate it, if `tiled`).

    ValueError unless `split_axis` has one element (`tiled`: equally many) for each instance.
    """
    return _per_leaf(lambda v: _checked(
        all_to_all_p, v, split_axis=canonical_axis(split_axis, v.ndim),
        concat_axis=canonical_axis(concat_axis, v.ndim), axis_name=axis_name,
        axis_index_groups=_frozen(axis_index_groups), tiled=tiled), x)


def ppermute(x: Any, axis_name: Any, perm: Any) -> Any:
    """Send values between instances by (source, destination) pairs; who receives nothing gets 0."""
    pairs = tuple((int(s), int(d)) for s, d in perm)
    if len({s for s, _ in pairs}) < len(pairs) or len({d for _, d in pairs}) < len(pairs):
        raise ValueError(f"ppermute sources and destinations must be unique, got {pairs}.")
    return _per_leaf(lambda v: ppermute_p.bind(v, axis_name=names_of(axis_name), perm=pairs), x)


def pshuffle(x: Any, axis_name: Any, perm: Sequence[int]) -> Any:
    """Instance i gets the value of instance perm[i]."""
    if set(perm) != set(range(len(perm))):
        raise ValueError(f"`perm` does not represent a permutation: {perm}")
    return ppermute(x, axis_name, list(zip(perm, range(len(perm)), strict=True)))


def pswapaxes(x: Any, axis_name: Any, axis: int, *, axis_index_groups: Groups = None) -> Any:
    """Swap the mapped axis with the array axis `axis`, which must have the same size."""
    return all_to_all(x, axis_name, axis, axis, axis_index_groups=axis_index_groups)


def pbroadcast(x: Any, axis_name: Any, source: int) -> Any:
    """Every instance gets the value of instance `source`."""
    def one(v: Any) -> Any:
        mine = eq_p.bind(axis_index(axis_name), np.int32(source))
        zero = broadcast_in_dim(constant(0, v), v.shape, ())
        return psum_p.bind(select_n_p.bind(mine, zero, v), axes=names_of(axis_name),
                           axis_index_groups=None)
    return _per_leaf(one, x)


def axis_index(axis_name: Any) -> Array:
    """The position of this instance along the named axis (row-major for a tuple), int32."""
    return joint_index(names_of(axis_name))


def axis_size(axis_name: Any) -> int:
    """The number of instances along the named axis, a Python int."""
    return int(psum(1, axis_name))


__all__ = ["all_gather", "all_to_all", "axis_index", "axis_size", "pbroadcast", "pmax",
           "pmean", "pmin", "ppermute", "pshuffle", "psum", "psum_scatter", "pswapaxes"]
