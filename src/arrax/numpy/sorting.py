"""Sorting, searching in sorted arrays, order statistics of positions."""
from __future__ import annotations

from typing import Any

import numpy as np

from arrax import lax
from arrax.core import config, dtypes
from arrax.core.array import Array
from arrax.core.dimension import Dimension, surely_at_most
from arrax.core.positions import check_positions, is_beyond
from arrax.core.remembered import remembered
from arrax.core.evaluate import computes_at_once
from arrax.numpy import creation, elementwise, reductions, shaping
from arrax.numpy.promotion import (as_array, canonical_axis, check_arraylike, complex_dtypes,
                                   convert, inexact_dtypes, promote_dtypes,
                                   scalar_array)
from arrax.ops.arguments import integer
from arrax.transforms.staging import stages_eager_call
from arrax.typing import ArrayLike, DTypeLike


def _check_kind(name: str, kind: Any, order: Any) -> None:
    if kind is not None:
        raise TypeError(f"'kind' argument to {name} is not supported. Use stable=True or "
                        "stable=False to specify sort stability.")
    if order is not None:
        raise TypeError(f"'order' argument to {name} is not supported.")


def _line(name: str, a: Any, axis: int | None) -> tuple[Any, int]:
    """The operand and the axis to sort along; the flattened operand without one."""
    x = as_array(name, a)
    if axis is None:
        return shaping.ravel(x), 0
    return x, canonical_axis(axis, x.ndim)


@remembered
def sort(a: ArrayLike, axis: int | None = -1, *, kind: None = None, order: None = None,
         stable: bool = True, descending: bool = False) -> Array:
    """The elements in ascending (or descending) order along `axis`, NaN last."""
    _check_kind("sort", kind, order)
    x, axis = _line("sort", a, axis)
    out = lax.sort(x, dimension=axis, is_stable=stable)
    return lax.rev(out, (axis,)) if descending else out


@remembered
def argsort(a: ArrayLike, axis: int | None = -1, *, kind: None = None, order: None = None,
            stable: bool = True, descending: bool = False, dtype: DTypeLike | None = None) -> Array:
    """The positions that `sort` takes the elements from; equal ones keep their order."""
    _check_kind("argsort", kind, order)
    x, axis = _line("argsort", a, axis)
    known = dtypes.check_user_dtype(dtype, "argsort")
    index_dtype = dtypes.default_int_dtype() if known is None else known
    positions = lax.broadcasted_iota(index_dtype, x.shape, axis)
    if descending:
        # Reversed twice, so that equal elements keep their order.
        x, positions = lax.rev(x, (axis,)), lax.rev(positions, (axis,))
    _, out = lax.sort((x, positions), dimension=axis, is_stable=stable, num_keys=1)
    return lax.rev(out, (axis,)) if descending else out


@remembered
def sort_complex(a: ArrayLike) -> Array:
    """The elements in ascending order along the last axis, as complex numbers."""
    x = as_array("sort_complex", a)
    return convert(sort(x, 0 if x.ndim == 1 else -1), dtypes.to_complex_dtype(x.dtype))


@remembered
def lexsort(keys: Any, axis: int = -1) -> Array:
    """The positions that sort by several keys, the last one being the most important."""
    if len(keys) == 0:
        raise TypeError("need sequence of keys with len > 0 in lexsort")
    arrays = [as_array("lexsort", k, i) for i, k in enumerate(keys)]
    if len({x.shape for x in arrays}) > 1:
        raise ValueError("all keys need to be the same shape")
    if arrays[0].ndim == 0:
        return creation.array(0, dtypes.default_int_dtype())
    axis = canonical_axis(axis, arrays[0].ndim)
    positions = lax.broadcasted_iota(dtypes.default_int_dtype(), arrays[0].shape, axis)
    return lax.sort((*arrays[::-1], positions), dimension=axis, num_keys=len(arrays))[-1]


@remembered
def partition(a: ArrayLike, kth: int, axis: int = -1) -> Array:
    """The elements with the `kth` in its sorted place, lesser ones before it."""
    _check_kth("partition", a, kth, axis)
    return sort(a, axis)


@remembered
def argpartition(a: ArrayLike, kth: int, axis: int = -1) -> Array:
    """The positions that `partition` takes the elements from."""
    _check_kth("argpartition", a, kth, axis)
    positions = argsort(a, axis)
    check_positions("argpartition", positions.shape[axis], np.dtype(np.int32))
    return convert(positions, np.dtype(np.int32))


def _check_kth(name: str, a: Any, kth: int, axis: int) -> None:
    x = as_array(name, a)
    if x.dtype in complex_dtypes:
        raise NotImplementedError(f"jnp.{name} for complex dtype is not implemented.")
    canonical_axis(integer(kth, "kth"), x.shape[canonical_axis(axis, x.ndim)])


MOST_COMPARISONS = 4096  # with which comparing all pairs takes less than bisection

# ---- searching -------------------------------------------------------------------------------

def searchsorted(a: ArrayLike, v: ArrayLike, side: str = "left", sorter: ArrayLike | None = None, *,
                 method: str = "scan") -> Array:
    """Where to insert each element of `v` into the sorted vector `a` to keep it sorted.

    Args:
      side: "left" or "right" of equal elements.
      sorter: positions that sort `a`.
      method: "scan", "scan_unrolled" (bisection), "sort" (both sorted together) or "compare_all".
    """
    check_arraylike("searchsorted", a, v)
    if side not in ("left", "right"):
        raise ValueError(f"{side!r} is an invalid value for keyword 'side'. Expected one of "
                         "['left', 'right'].")
    if method not in ("scan", "scan_unrolled", "sort", "compare_all"):
        raise ValueError(f"{method!r} is an invalid value for keyword 'method'. Expected one of "
                         "['sort', 'scan', 'scan_unrolled', 'compare_all'].")
    if np.ndim(a) != 1:
        raise ValueError("a should be 1-dimensional")
    sorted_values, queries = promote_dtypes("searchsorted", as_array("searchsorted", a),
                                            as_array("searchsorted", v, 1))
    if sorter is not None:
        sorted_values = sorted_values[sorter]
    wide = is_beyond(sorted_values.size, np.dtype(np.int32)) and config.enable_x64.value
    dtype = np.dtype(np.int64 if wide else np.int32)
    check_positions("searchsorted", sorted_values.size + 1, dtype)
    if sorted_values.size == 0:
        return creation.zeros(queries.shape, dtype)
    if computes_at_once(sorted_values, queries) \
            and getattr(sorted_values.dtype, "kind", "?") in "biuf":
        found = np.searchsorted(sorted_values._value(), queries._value(),
                                "left" if side == "left" else "right")
        return creation.asarray(np.asarray(found).astype(dtype))
    few = surely_at_most(sorted_values.size * queries.size, MOST_COMPARISONS)
    if method == "compare_all" or (few and stages_eager_call()):
        return _search_all(sorted_values, queries, side, dtype)
    if method == "sort":
        return _search_by_sorting(sorted_values, queries, side, dtype)
    return _bisect(sorted_values, queries, side, dtype, method == "scan_unrolled")


def _ordered(x: Any) -> Any:
    """Floats with one zero and one NaN, for comparison in total order."""
    if x.dtype not in inexact_dtypes or x.dtype in complex_dtypes:
        return x
    x = elementwise.where(elementwise.equal(x, 0), scalar_array(0, x.dtype), x)
    return elementwise.where(elementwise.isnan(x), scalar_array(np.nan, x.dtype), x)


def _before(queries: Any, values: Any, side: str) -> Any:
    """Whether each query belongs before a value."""
    compare = lax.le_to_p if side == "left" else lax.lt_to_p
    if queries.dtype in inexact_dtypes and queries.dtype not in complex_dtypes:
        return compare.bind(_ordered(queries), _ordered(values))
    plain = elementwise.less_equal if side == "left" else elementwise.less
    return plain(queries, values)


def _bisect(values: Any, queries: Any, side: str, dtype: Any, unroll: bool) -> Any:
    """Halve [low, high) as often as the length needs, for all queries together."""
    size = values.shape[0]
    steps = 32 if isinstance(size, Dimension) else int(np.ceil(np.log2(size + 1)))
    low = creation.zeros(queries.shape, dtype)
    high = creation.full(queries.shape, values.shape[0], dtype)

    def step(_: Any, bounds: Any) -> Any:
        low, high = bounds
        middle = lax.add(low, lax.div(lax.sub(high, low), _two(low)))
        before = _before(queries, _take_clipped(values, middle), side)
        return elementwise.where(before, low, middle), elementwise.where(before, middle, high)
    if unroll:
        bounds = (low, high)
        for i in range(steps):
            bounds = step(i, bounds)
        return bounds[1]
    return lax.fori_loop(0, steps, step, (low, high))[1]


def _two(like: Any) -> Any:
    return lax.full_like(like, 2)


def _take_clipped(values: Any, places: Any) -> Any:
    return values.at[places].get(mode="clip")


def _search_all(values: Any, queries: Any, side: str, dtype: Any) -> Any:
    """Count the values that each query does not belong before."""
    shape = (*queries.shape, values.shape[0])
    before = _before(shaping.broadcast_to(queries[..., None], shape),
                     shaping.broadcast_to(values, shape), side)
    return reductions.sum(elementwise.logical_not(before), axis=-1, dtype=dtype)


def _search_by_sorting(values: Any, queries: Any, side: str, dtype: Any) -> Any:
    """A query's rank among values and queries, less its rank among the queries."""
    flat = shaping.ravel(queries)
    working = np.dtype(np.int32)
    parts = [flat, values] if side == "left" else [values, flat]
    count = sum(p.shape[0] for p in parts)
    order = lax.sort((lax.concatenate(parts, 0), lax.iota(working, count)), dimension=0,
                     num_keys=1)[1]
    rank = _inverse(order)
    from_start = 0 if side == "left" else values.shape[0]
    mine = lax.slice_in_dim(rank, from_start, from_start + flat.shape[0])
    among = _inverse(argsort(flat, dtype=working))
    return convert(shaping.reshape(lax.sub(mine, among), queries.shape), dtype)


def _inverse(permutation: Any) -> Any:
    places = lax.iota(permutation.dtype, permutation.shape[0])
    return lax.full_like(permutation, 0).at[permutation].set(places)


@remembered
def digitize(x: Any, bins: Any, right: bool = False, *, method: str | None = None) -> Array:
    """The number of the bin of each element, for increasing or decreasing edges.

    Bin i is [bins[i-1], bins[i]), or (bins[i-1], bins[i]] with `right`; 0 and len(bins) are
    outside.
    """
    edges = as_array("digitize", bins, 1)
    if edges.ndim != 1:
        raise ValueError(f"digitize: bins must be a 1-dimensional array; got bins={bins}")
    x = as_array("digitize", x)
    if edges.shape[0] == 0:
        return creation.zeros(x.shape, np.int32)
    method = method or "scan"
    kwargs: dict[str, Any] = {"side": "right" if not right else "left", "method": method}
    rising = searchsorted(edges, x, **kwargs)
    falling = elementwise._subtract(
        edges.shape[0], searchsorted(lax.rev(edges, (0,)), x, **kwargs))
    ascending = elementwise.greater_equal(edges[-1], edges[0])
    return elementwise.where(ascending, rising, convert(falling, rising.dtype))

