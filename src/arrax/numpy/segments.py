"""Reductions over segments: elements with the same segment number are combined."""
from __future__ import annotations

from collections.abc import Callable
from typing import Any

from arrax.core import errors
from arrax.core.dimension import dimension
from arrax.numpy import reductions
from arrax.numpy.creation import arange, full
from arrax.numpy.index_update import IndexUpdateHelper
from arrax.numpy.promotion import as_array, is_concrete, numpy_of
from arrax.ops.window import extremum_identity


# What combines: the method of `x.at`, and the reduction over buckets.
_METHODS: dict[str, tuple[str, Callable[..., Any]]] = {
    "sum": ("add", reductions.sum), "prod": ("multiply", reductions.prod),
    "max": ("max", reductions.max), "min": ("min", reductions.min)}


def _segment_count(name: str, segment_ids: Any, num_segments: Any) -> Any:
    """`num_segments`, or as many as the greatest number in `segment_ids` asks for."""
    if num_segments is None:
        if not is_concrete(segment_ids):
            raise errors.ConcretizationTypeError(
                segment_ids, f"{name}() `num_segments` argument.")
        num_segments = numpy_of(reductions.max(segment_ids)) + 1
    count = dimension(num_segments, "num_segments")
    if count < 0:
        raise ValueError(f"{name}: num_segments must be non-negative, got {count}.")
    return count


def _combine(method: str, identity: Any, data: Any, segment_ids: Any, num_segments: Any,
             indices_are_sorted: bool, unique_indices: bool, bucket_size: int | None, mode: Any,
             ) -> Any:
    name = f"segment_{method}"
    data, segment_ids = as_array(name, data), as_array(name, segment_ids, 1)
    count = _segment_count(name, segment_ids, num_segments)
    update, reduce = _METHODS[method]
    start = identity(data.dtype)
    options = {"indices_are_sorted": indices_are_sorted, "unique_indices": unique_indices,
               "mode": mode, "wrap_negative_indices": False}
    if bucket_size is None:
        out = full((count, *data.shape[1:]), start, data.dtype)
        return getattr(IndexUpdateHelper(out)[segment_ids], update)(data, **options)
    if bucket_size < 1:
        raise ValueError(f"{name}: bucket_size must be positive, got {bucket_size}")
    buckets = -(-data.shape[0] // bucket_size)
    out = full((buckets, count, *data.shape[1:]), start, data.dtype)
    index = (arange(data.shape[0]) // bucket_size, segment_ids)
    options["indices_are_sorted"] = False
    return reduce(getattr(IndexUpdateHelper(out)[index], update)(data, **options), axis=0)


_ARGUMENTS = """

    Args:
      data: array whose leading axis is reduced.
      segment_ids: integers along that axis, the segment of each element. Numbers outside of
        [0, num_segments) are left out, negative ones too, unless `mode` says otherwise.
      num_segments: size of the result's leading axis; one more than the greatest of `segment_ids`
        if None, which then must be known (no tracer).
      indices_are_sorted, unique_indices: promises about `segment_ids`.
      bucket_size: combine so many elements at a time, then the results: more accurate sums.
      mode: what happens to numbers out of bounds, as for `x.at`.

    Returns:
      Array of shape (num_segments, *data.shape[1:]). {empty}

    Raises TypeError for `segment_ids` that are no integers, ValueError for a negative
    `num_segments`.
{example}    """


def segment_sum(data: Any, segment_ids: Any, num_segments: int | None = None,
                indices_are_sorted: bool = False, unique_indices: bool = False,
                bucket_size: int | None = None, mode: Any = None, out_sharding: Any = None) -> Any:
    """The sum of the elements of each segment."""
    return _combine("sum", lambda dtype: 0, data, segment_ids, num_segments, indices_are_sorted,
                    unique_indices, bucket_size, mode)


def segment_prod(data: Any, segment_ids: Any, num_segments: int | None = None,
                 indices_are_sorted: bool = False, unique_indices: bool = False,
                 bucket_size: int | None = None, mode: Any = None, out_sharding: Any = None) -> Any:
    """The product of the elements of each segment."""
    return _combine("prod", lambda dtype: 1, data, segment_ids, num_segments, indices_are_sorted,
                    unique_indices, bucket_size, mode)


def segment_max(data: Any, segment_ids: Any, num_segments: int | None = None,
                indices_are_sorted: bool = False, unique_indices: bool = False,
                bucket_size: int | None = None, mode: Any = None, out_sharding: Any = None) -> Any:
    """The greatest element of each segment."""
    return _combine("max", lambda dtype: extremum_identity(dtype, False), data, segment_ids,
                    num_segments, indices_are_sorted, unique_indices, bucket_size, mode)


def segment_min(data: Any, segment_ids: Any, num_segments: int | None = None,
                indices_are_sorted: bool = False, unique_indices: bool = False,
                bucket_size: int | None = None, mode: Any = None, out_sharding: Any = None) -> Any:
    """The least element of each segment."""
    return _combine("min", lambda dtype: extremum_identity(dtype, True), data, segment_ids,
                    num_segments, indices_are_sorted, unique_indices, bucket_size, mode)


_EXAMPLE = """
    Example:
      >>> arrax.ops.segment_sum(jnp.array([1., 2., 3.]), jnp.array([0, 0, 2]), 3)
      Array([3., 0., 3.], dtype=float32)
"""
for _function, _empty in ((segment_sum, "0 for empty segments."), (segment_prod, "1 for empty "
                          "segments."), (segment_max, "The least value of the dtype for empty "
                          "segments."), (segment_min, "The greatest value for empty segments.")):
    _function.__doc__ = (_function.__doc__ or "") + _ARGUMENTS.format(
        empty=_empty, example=_EXAMPLE if _function is segment_sum else "")
