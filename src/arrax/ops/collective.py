"""Collectives: operations between the instances of a mapped function.

Inside `vmap(axis_name=…)` or `pmap` every collective has its meaning by batching: the instances
are a batch axis, so a sum over instances is a sum over that axis. Over other batch axes they are
elementwise. Without a mapped axis of that name they raise NameError. The functions that users call
are in `collective_functions.py`.
"""
from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from arrax.core.aval import ShapedArray, aval_of
from arrax.core.axis_env import axis_size as size_of_axis
from arrax.core.axis_env import names_of
from arrax.core.primitive import NotApplicable, Primitive
from arrax.core.lowering import HostCall
from arrax.ops.index_types import GatherDimensionNumbers, GatherScatterMode
from arrax.ops.p import (add_p, concatenate_p, dynamic_slice_p, gather_p, iota_p, mul_p,
                         pvary_p, reduce_max_p, reduce_min_p, reduce_sum_p, reshape_p, transpose_p)
from arrax.ops.rules import (batch_to_front, broadcast_in_dim, constant, linear_jvp, move_axis,
                             transpose_unary)

Groups = Sequence[Sequence[int]] | None


def _unbound(name: str) -> Callable[..., Any]:
    def execute(*args: Any, **params: Any) -> Any:
        for axis in names_of(params.get("axes", params.get("axis_name"))):
            size_of_axis(axis)
        raise NameError(f"{name} over {params} has no mapped axis to work on")
    return execute


def _bound_names(**params: Any) -> tuple[Any, ...]:
    return tuple(n for n in names_of(params.get("axes", params.get("axis_name"))))


def _check_bound(params: dict[str, Any]) -> None:
    for name in _bound_names(**params):
        if not isinstance(name, int):
            size_of_axis(name)


def _take(x: Any, order: np.ndarray) -> Any:
    """The rows of `x` at constant indices."""
    return _rows(x, np.asarray(order, np.int32))


def _rows(x: Any, indices: Any) -> Any:
    """The elements along the leading axis of `x` at indices, all of which are inside."""
    shape = aval_of(x).shape
    numbers = GatherDimensionNumbers(offset_dims=tuple(range(1, len(shape))),
                                     collapsed_slice_dims=(0,), start_index_map=(0,))
    return gather_p.bind(
        x, _reshape(indices, (*aval_of(indices).shape, 1)), dimension_numbers=numbers,
        slice_sizes=(1, *shape[1:]), unique_indices=False, indices_are_sorted=False,
        mode=GatherScatterMode.PROMISE_IN_BOUNDS, fill_value=None)


def _reshape(x: Any, shape: Sequence[int]) -> Any:
    return reshape_p.bind(x, new_sizes=tuple(shape), dimensions=None, sharding=None)


def _checked_groups(groups: Groups, size: int) -> np.ndarray:
    table = np.asarray(groups)
    if table.ndim != 2 or sorted(table.reshape(-1).tolist()) != list(range(size)):
        raise ValueError("axis_index_groups must be groups of equal size that cover all indices "
                         f"of the axis of size {size} once, got {groups}")
    return table


def _grouped(x: Any, groups: Groups, fold: Callable[[Any, int], Any]) -> Any:
    """Fold the leading axis of `x` within each group; every member gets its group's result."""
    shape = aval_of(x).shape
    table = _checked_groups(groups, shape[0])
    count, members = table.shape
    folded = fold(_reshape(_take(x, table.reshape(-1)), (count, members, *shape[1:])), 1)
    full = (count, members, *shape[1:])
    spread = broadcast_in_dim(folded, full, [0, *range(2, len(full))])
    return _take(_reshape(spread, shape), np.argsort(table.reshape(-1)))


# ---- psum, pmax, pmin --------------------------------------------------------------------------

def _reducer_type(x: Any, **params: Any) -> Any:
    _check_bound(params)
    positions = [a for a in params["axes"] if isinstance(a, int)]
    return x.update(shape=tuple(d for i, d in enumerate(x.shape) if i not in positions))


_BATCHED_AWAY = HostCall("axis names are gone when a program is compiled")
BATCHED_AWAY = NotApplicable("instances are a batch axis of one program, in which collectives are "
                             "operations along that axis")


def _over(axes: Any, **_: Any) -> Any:
    """A fold makes what varies over its axes the same for all instances along them."""
    return names_of(axes), names_of(axes)


def _among(axis_name: Any, **_: Any) -> Any:
    """What instances exchange varies over the axes."""
    return names_of(axis_name), ()


def _reducer(name: str, reduce: Primitive, unmapped: Callable[[Any, int], Any],
             varying: Any = _over, **rules: Any) -> Primitive:
    def fold(x: Any, axis: int) -> Any:
        return reduce.bind(x, axes=(axis,), out_sharding=None)

    def batch(axis: Any, operands: Any, dims: Any, *, axes: Any, **groups: Any) -> Any:
        (x,), (dim,) = operands, dims
        axis_index_groups: Groups = groups.get("axis_index_groups")
        if axis.name is None or axis.name not in axes:
            return primitive.bind(x, axes=axes, **groups), dim
        rest = tuple(a for a in axes if a != axis.name)
        if rest and axis_index_groups is not None:
            raise NotImplementedError(f"{name} over several axes with axis_index_groups")
        if axis_index_groups is not None:
            return _grouped(batch_to_front(x, dim, axis.size), axis_index_groups, fold), 0
        out = unmapped(x, axis.size) if dim is None else fold(x, dim)
        return (primitive.bind(out, axes=rest, **groups) if rest else out), None

    primitive = Primitive(name, type_rule=_reducer_type, execute=_unbound(name), batch=batch,
                          named_axes=_bound_names, varying=varying, lower=_BATCHED_AWAY,
                          stablehlo=BATCHED_AWAY, **rules)
    return primitive


def _times(x: Any, count: int) -> Any:
    return mul_p.bind(x, constant(count, x))


psum_p: Primitive = _reducer(
    "psum", reduce_sum_p, _times, varying=lambda axes, **_: (names_of(axes), ()), jvp=linear_jvp(),
    transpose=transpose_unary(lambda ct, aval, **params: psum_p.bind(ct, **params)))
psum_invariant_p: Primitive = _reducer(
    "psum_invariant", reduce_sum_p, _times, jvp=linear_jvp(),
    transpose=transpose_unary(lambda ct, aval, *, axes: pvary_p.bind(ct, axes=axes)))
pmax_p = _reducer("pmax", reduce_max_p, lambda x, _: x,
                  jvp=NotApplicable("pmax of a mapped axis: use psum of a mask"),
                  transpose=NotApplicable("not linear"))
pmin_p = _reducer("pmin", reduce_min_p, lambda x, _: x,
                  jvp=NotApplicable("pmin of a mapped axis: use psum of a mask"),
                  transpose=NotApplicable("not linear"))


# ---- all_gather, psum_scatter ------------------------------------------------------------------

def _all_gather_type(x: Any, *, all_gather_dimension: int, axis_size: int, tiled: bool,
                     **params: Any) -> Any:
    _check_bound(params)
    shape = list(x.shape)
    if tiled:
        shape[all_gather_dimension] *= axis_size
    else:
        shape.insert(all_gather_dimension, axis_size)
    return x.update(shape=tuple(shape))


def _own(axis: Any, names: Any) -> bool:
    return axis.name is not None and axis.name in names_of(names)


def _rest(axis: Any, names: Any) -> tuple[int, tuple[Any, ...]]:
    """The position of the own axis among `names`, and the other names."""
    names = names_of(names)
    position = names.index(axis.name)
    return position, names[:position] + names[position + 1:]


def _one_axis_with_groups(name: str, names: Any, groups: Groups) -> None:
    if groups is not None and len(names_of(names)) > 1:
        raise NotImplementedError(f"{name} over several axes with axis_index_groups")


def _in_groups(x: Any, groups: Groups) -> tuple[Any, Callable[[Any], Any]]:
    """Instances, along axis 0, as [groups, members]; and how to put results of that form back."""
    shape = aval_of(x).shape
    if groups is None:
        return _reshape(x, (1, *shape)), lambda out: _reshape(out, aval_of(out).shape[1:])
    order = _checked_groups(groups, shape[0])

    def put_back(out: Any) -> Any:
        flat = _reshape(out, (shape[0], *aval_of(out).shape[2:]))
        return _take(flat, np.argsort(order.reshape(-1)))
    return _reshape(_take(x, order.reshape(-1)), (*order.shape, *shape[1:])), put_back


def _split(x: Any, dim: int, sizes: Sequence[int]) -> Any:
    """Axis `dim` as several axes."""
    shape = aval_of(x).shape
    return _reshape(x, (*shape[:dim], *sizes, *shape[dim + 1:]))


def _merge(x: Any, dim: int, count: int = 2) -> Any:
    """`count` axes from `dim` on as one."""
    shape = aval_of(x).shape
    return _reshape(x, (*shape[:dim], math.prod(shape[dim:dim + count]), *shape[dim + count:]))


def _sizes(names: Sequence[Any]) -> list[int]:
    return [size_of_axis(name) for name in names]


def _all_gather_batch(axis: Any, operands: Any, dims: Any, *, all_gather_dimension: int,
                      axis_name: Any, axis_index_groups: Groups, axis_size: int, tiled: bool,
                      ) -> Any:
    (x,), (dim,) = operands, dims
    if not _own(axis, axis_name):
        x = move_axis(x, dim, 0)
        out = all_gather_p.bind(x, all_gather_dimension=all_gather_dimension + 1,
                                axis_name=axis_name, axis_index_groups=axis_index_groups,
                                axis_size=axis_size, tiled=tiled)
        return out, 0
    _one_axis_with_groups("all_gather", axis_name, axis_index_groups)
    x, at = batch_to_front(x, dim, axis.size), all_gather_dimension
    if axis_index_groups is not None:
        x, put_back = _in_groups(x, axis_index_groups)
        full = (*aval_of(x).shape[:2], *aval_of(x).shape[1:])
        x = put_back(broadcast_in_dim(x, full, (0, *range(2, len(full)))))
        x = move_axis(x, 1, at + 1)
        return (_merge(x, at + 1) if tiled else x), 0
    position, rest = _rest(axis, axis_name)
    if rest:  # [others, own, ...] → [names, ...]
        sizes = _sizes(rest)
        x = all_gather_p.bind(x, all_gather_dimension=0, axis_name=rest, axis_index_groups=None,
                              axis_size=math.prod(sizes), tiled=False)
        x = move_axis(_split(x, 0, sizes), len(rest), position)
        x = _merge(x, 0, len(rest) + 1)
    x = move_axis(x, 0, at)
    return (_merge(x, at) if tiled else x), None


def _all_gather_transpose(ct: Any, aval: Any, *, all_gather_dimension: int, **params: Any) -> Any:
    return reduce_scatter_p.bind(ct, scatter_dimension=all_gather_dimension, **params)


all_gather_p = Primitive(
    "all_gather", type_rule=_all_gather_type, execute=_unbound("all_gather"), jvp=linear_jvp(),
    transpose=transpose_unary(_all_gather_transpose), batch=_all_gather_batch,
    named_axes=_bound_names, varying=_among, lower=_BATCHED_AWAY, stablehlo=BATCHED_AWAY)


def _reduce_scatter_type(x: Any, *, scatter_dimension: int, axis_size: int, tiled: bool,
                         **params: Any) -> Any:
    _check_bound(params)
    shape = list(x.shape)
    if tiled:
        if shape[scatter_dimension] % axis_size:
            raise ValueError(f"tiled reduce_scatter operand scatter dimension size "
                             f"{shape[scatter_dimension]} must be divisible by shard_count "
                             f"{axis_size}")
        shape[scatter_dimension] //= axis_size
    elif shape[scatter_dimension] != axis_size:
        raise ValueError(f"reduce_scatter operand scatter dimension size "
                         f"{shape[scatter_dimension]} must match shard count {axis_size}")
    else:
        del shape[scatter_dimension]
    return x.update(shape=tuple(shape))


def _reduce_scatter_batch(axis: Any, operands: Any, dims: Any, *, scatter_dimension: int,
                          axis_name: Any, axis_index_groups: Groups, axis_size: int, tiled: bool,
                          ) -> Any:
    (x,), (dim,) = operands, dims
    if not _own(axis, axis_name):
        out = reduce_scatter_p.bind(
            move_axis(x, dim, 0), scatter_dimension=scatter_dimension + 1, axis_name=axis_name,
            axis_index_groups=axis_index_groups, axis_size=axis_size, tiled=tiled)
        return out, 0
    _one_axis_with_groups("psum_scatter", axis_name, axis_index_groups)
    at = scatter_dimension
    if axis_index_groups is not None:
        x, put_back = _in_groups(batch_to_front(x, dim, axis.size), axis_index_groups)
        total = reduce_sum_p.bind(x, axes=(1,), out_sharding=None)
        members = len(axis_index_groups[0])
        if tiled:
            total = _split(total, at + 1, (members, aval_of(total).shape[at + 1] // members))
        return put_back(move_axis(total, at + 1, 1)), 0
    total = _times(x, axis.size) if dim is None else \
        reduce_sum_p.bind(x, axes=(dim,), out_sharding=None)
    position, rest = _rest(axis, axis_name)
    sizes = _sizes(names_of(axis_name))
    total = _split(total, at, (*sizes, *([aval_of(total).shape[at] // axis_size] if tiled else [])))
    total = move_axis(total, at + position, 0)
    if rest:
        total = _merge(total, at + 1, len(rest) + tiled)
        total = reduce_scatter_p.bind(
            total, scatter_dimension=at + 1, axis_name=rest, axis_index_groups=None,
            axis_size=axis_size // axis.size, tiled=tiled)
    return total, 0


reduce_scatter_p = Primitive(
    "reduce_scatter", type_rule=_reduce_scatter_type, execute=_unbound("psum_scatter"),
    jvp=linear_jvp(), batch=_reduce_scatter_batch, named_axes=_bound_names, varying=_among,
    transpose=transpose_unary(lambda ct, aval, *, scatter_dimension, **params: all_gather_p.bind(
        ct, all_gather_dimension=scatter_dimension, **params)),
    lower=_BATCHED_AWAY, stablehlo=BATCHED_AWAY)


# ---- all_to_all, ppermute, axis_index ----------------------------------------------------------

def _all_to_all_type(x: Any, *, split_axis: int, concat_axis: int, tiled: bool, axis_name: Any,
                     axis_index_groups: Groups = None) -> Any:
    size = math.prod(_sizes(names_of(axis_name)))
    if axis_index_groups is not None:
        size = len(axis_index_groups[0])
    shape = list(x.shape)
    if tiled:
        if shape[split_axis] % size:
            raise ValueError(f"The size of all_to_all split_axis ({shape[split_axis]}) has to be "
                             f"divisible by the size of the named axis {axis_name} ({size})")
        shape[split_axis] //= size
        shape[concat_axis] *= size
        return x.update(shape=tuple(shape))
    if shape[split_axis] != size:
        raise ValueError(f"all_to_all requires the size of the mapped axis axis_name to equal "
                         f"x.shape[split_axis], but they are {size} and {shape[split_axis]} "
                         "respectively.")
    shape.insert(concat_axis, shape.pop(split_axis))
    return x.update(shape=tuple(shape))


def _all_to_all_batch(axis: Any, operands: Any, dims: Any, *, split_axis: int, concat_axis: int,
                      axis_name: Any, axis_index_groups: Groups, tiled: bool) -> Any:
    (x,), (dim,) = operands, dims
    if not _own(axis, axis_name):
        out = all_to_all_p.bind(move_axis(x, dim, 0), split_axis=split_axis + 1,
                                concat_axis=concat_axis + 1, axis_name=axis_name,
                                axis_index_groups=axis_index_groups, tiled=tiled)
        return out, 0
    _one_axis_with_groups("all_to_all", axis_name, axis_index_groups)
    position, rest = _rest(axis, axis_name)
    x, put_back = _in_groups(batch_to_front(x, dim, axis.size), axis_index_groups)
    sizes = _sizes(names_of(axis_name)) if rest else [aval_of(x).shape[1]]
    split, concat = split_axis + 2, concat_axis + 2
    part = aval_of(x).shape[split] // math.prod(sizes)
    x = _split(x, split, (*sizes, part))  # [groups, instances, ..., *destinations, part, ...]
    for place in range(len(sizes)):
        if place == position:  # what went to instance i of the own axis comes from all of them
            x = _exchanged(x, 1, split + place)
        else:
            x = all_to_all_p.bind(
                x, split_axis=split + place, concat_axis=split + place,
                axis_name=names_of(axis_name)[place], axis_index_groups=None, tiled=False)
    # now the destinations' axes number the sources
    count = len(sizes)
    x = _merge(x, split, count)
    if not tiled:  # the part is one element
        return put_back(move_axis(_merge(x, split), split, concat)), 0
    return put_back(_merge(move_axis(x, split, concat), concat)), 0


def _exchanged(x: Any, one: int, other: int) -> Any:
    """Two axes in each other's places."""
    order = list(range(aval_of(x).ndim))
    order[one], order[other] = other, one
    return transpose_p.bind(x, permutation=tuple(order))


all_to_all_p: Primitive = Primitive(
    "all_to_all", type_rule=_all_to_all_type, execute=_unbound("all_to_all"), jvp=linear_jvp(),
    transpose=transpose_unary(lambda ct, aval, *, split_axis, concat_axis, **params:
                              all_to_all_p.bind(ct, split_axis=concat_axis, concat_axis=split_axis,
                                                **params)),
    batch=_all_to_all_batch, named_axes=_bound_names, varying=_among,
    lower=_BATCHED_AWAY, stablehlo=BATCHED_AWAY)


def _ppermute_batch(axis: Any, operands: Any, dims: Any, *, axis_name: Any, perm: Any) -> Any:
    (x,), (dim,) = operands, dims
    if not _own(axis, axis_name):
        return ppermute_p.bind(x, axis_name=axis_name, perm=perm), dim
    x = batch_to_front(x, dim, axis.size)
    if len(names_of(axis_name)) > 1:
        return _ppermute_over_axes(axis, x, names_of(axis_name), perm)
    source = {destination: origin for origin, destination in perm}
    zero = broadcast_in_dim(constant(0, x), (1, *aval_of(x).shape[1:]), ())
    padded = concatenate_p.bind(x, zero, dimension=0)
    order = np.array([source.get(i, axis.size) for i in range(axis.size)])
    return _take(padded, order), 0


def _ppermute_over_axes(axis: Any, x: Any, names: tuple[Any, ...], perm: Any) -> Any:
    """Instance by instance along the own axis: all others' values, of which each takes its own."""
    _, rest = _rest(axis, names)
    sizes = _sizes(names)
    everything, _ = _all_gather_batch(
        axis, [x], [0], all_gather_dimension=0, axis_name=names, axis_index_groups=None,
        axis_size=math.prod(sizes), tiled=False)
    zero = broadcast_in_dim(constant(0, x), (1, *aval_of(everything).shape[1:]), ())
    padded = concatenate_p.bind(everything, zero, dimension=0)
    source = {destination: origin for origin, destination in perm}
    flat = np.array([source.get(i, math.prod(sizes)) for i in range(math.prod(sizes))], np.int32)
    table = move_axis(flat.reshape(sizes), names.index(axis.name), len(names) - 1)
    index: Any = _reshape(table, (math.prod(sizes) // axis.size, axis.size))
    here = joint_index(rest)
    index = dynamic_slice_p.bind(index, here, np.int32(0), slice_sizes=(1, axis.size))
    return _rows(padded, _reshape(index, (axis.size,))), 0


def _same_type(x: Any, **params: Any) -> Any:
    _check_bound(params)
    return x


ppermute_p: Primitive = Primitive(
    "ppermute", type_rule=_same_type, execute=_unbound("ppermute"), jvp=linear_jvp(),
    transpose=transpose_unary(lambda ct, aval, *, axis_name, perm: ppermute_p.bind(
        ct, axis_name=axis_name, perm=tuple((d, s) for s, d in perm))),
    batch=_ppermute_batch, named_axes=_bound_names, varying=_among,
    lower=_BATCHED_AWAY, stablehlo=BATCHED_AWAY)


def _axis_index_batch(axis: Any, operands: Any, dims: Any, *, axis_name: Any) -> Any:
    iota = iota_p.bind(dtype=np.dtype(np.int32), shape=(axis.size,), dimension=0,
                       sharding=None)
    return iota, 0


def _axis_index_type(*, axis_name: Any) -> Any:
    size_of_axis(axis_name)
    return ShapedArray((), np.int32)


axis_index_p = Primitive(
    "axis_index", type_rule=_axis_index_type, execute=_unbound("axis_index"), weak_type="none",
    jvp=NotApplicable("it has no operands"), transpose=NotApplicable("it has no operands"),
    batch=_axis_index_batch, named_axes=_bound_names, varying=_among,
    lower=_BATCHED_AWAY, stablehlo=BATCHED_AWAY)


def joint_index(names: Sequence[Any]) -> Any:
    """The position of this instance along several named axes together, row-major."""
    out = axis_index_p.bind(axis_name=names[0])
    for name in names[1:]:
        out = mul_p.bind(out, np.int32(size_of_axis(name)))
        out = add_p.bind(out, axis_index_p.bind(axis_name=name))
    return out
